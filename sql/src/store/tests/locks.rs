//! Locks of rows, tables and sessions: who waits for whom, in which order, and who is the victim of a cycle.

use super::*;

// PG-144
#[test]
fn two_writers_of_one_key_wait_for_each_other() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    for commits in [true, false] {
        let key = i64::from(commits);
        let mut a = store.begin(options());
        insert(&mut a, &def, row(key, "a", 1));
        let (other, table) = (store.clone(), def.clone());
        let thread = std::thread::spawn(move || {
            let mut b = other.begin(options());
            let outcome = b.insert(&table, &row(key, "b", 2)).unwrap();
            sync(&other, b);
            outcome
        });
        while store.stats().lock_waits == u64::from(!commits) {
            std::thread::yield_now();
        }
        if commits {
            sync(&store, a);
        } else {
            a.rollback();
        }
        let conflict = matches!(thread.join().unwrap(), InsertOutcome::Conflict { index: PK, .. });
        assert_eq!(conflict, commits);
    }
    assert_eq!(all(&mut store.begin(options())).len(), 2);
}

// PG-144
#[test]
fn one_of_a_cycle_is_the_victim() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    insert(&mut txn, &def, row(2, "a", 0));
    sync(&store, txn);
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let threads: Vec<_> = [(1, 2), (2, 1)]
        .into_iter()
        .map(|(first, second)| {
            let (store, def, barrier) = (store.clone(), def.clone(), barrier.clone());
            std::thread::spawn(move || {
                let mut txn = store.begin(TxnOptions { pid: i32::try_from(first).unwrap() + 100, ..options() });
                change(&mut txn, &def, first, Some(row(first, "b", 1)));
                barrier.wait();
                let snapshot = txn.begin_statement(true);
                let (id, old) = txn.index_first(T, PK, &[Value::Int8(second)], &snapshot).unwrap().unwrap();
                let outcome = txn.update(&def, id, &old, &row(second, "c", 1), &snapshot);
                if outcome.is_ok() {
                    sync(&store, txn);
                }
                outcome
            })
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].state(), errors[0].message()), (SqlState::DEADLOCK_DETECTED, "deadlock detected"));
    let detail = errors[0].fields().detail.clone().unwrap();
    assert_eq!(detail.lines().count(), 2);
    assert!(detail.starts_with("Process 10") && detail.contains(" waits for ShareLock on transaction "), "{detail}");
}

// PG-151, PG-152
#[test]
fn table_and_advisory_locks() {
    let disk = MemDisk::new();
    let (store, _) = with_table(&disk);
    let (mut a, mut b) = (store.begin(options()), store.begin(options()));
    a.lock_table(T, TableLockMode::RowExclusive, WaitPolicy::NoWait).unwrap();
    b.lock_table(T, TableLockMode::AccessShare, WaitPolicy::NoWait).unwrap();
    let error = b.lock_table(T, TableLockMode::Share, WaitPolicy::NoWait).unwrap_err();
    assert_eq!(error.message(), "could not obtain lock on relation \"t20000\"");
    drop(a);
    b.lock_table(T, TableLockMode::Share, WaitPolicy::NoWait).unwrap();
    let mut c = store.begin(options());
    assert!(c.lock_table(T, TableLockMode::RowExclusive, WaitPolicy::NoWait).is_err());
    c.lock_table(T, TableLockMode::AccessShare, WaitPolicy::NoWait).unwrap();
    let key = AdvisoryKey { database: DB, high: 0, low: 1, pair: false };
    let mut session = store.session_locks(1);
    assert!(b.advisory_lock_session(&mut session, key, false, WaitPolicy::Wait).unwrap());
    assert!(b.advisory_lock_session(&mut session, key, false, WaitPolicy::Wait).unwrap());
    let mut other = store.session_locks(2);
    let mut d = store.begin(TxnOptions { pid: 2, ..options() });
    assert!(!d.advisory_lock_session(&mut other, key, true, WaitPolicy::NoWait).unwrap());
    assert!(session.unlock(key, false) && !session.unlock(key, true));
    assert!(!d.advisory_lock(key, true, WaitPolicy::NoWait).unwrap());
    assert!(session.unlock(key, false) && !session.unlock(key, false));
    assert!(d.advisory_lock(key, true, WaitPolicy::NoWait).unwrap());
}

// PG-142
#[test]
fn key_share_does_not_block_updates_of_other_columns() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    let id = insert(&mut txn, &def, row(1, "x", 1));
    sync(&store, txn);
    let mut child = store.begin(options());
    let snapshot = child.begin_statement(true);
    child.lock_row(T, id, LockMode::KeyShare, WaitPolicy::Wait, &snapshot).unwrap();
    let mut parent = store.begin(options());
    parent.set_lock_timeout(Some(Duration::from_millis(30)));
    assert_eq!(change(&mut parent, &def, 1, Some(row(1, "x", 2))), WriteOutcome::Done);
    let again = child.lock_row(T, id, LockMode::KeyShare, WaitPolicy::NoWait, &snapshot).unwrap();
    assert!(matches!(again, LockOutcome::Current(_)));
    let at = parent.begin_statement(true);
    let error = parent.delete(&def, id, &row(1, "x", 2), &at).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout")
    );
    let error = child.lock_row(T, id, LockMode::Share, WaitPolicy::NoWait, &snapshot).unwrap_err();
    assert_eq!(error.message(), "could not obtain lock on row in relation \"t20000\"");
    child.rollback();
    assert_eq!(parent.delete(&def, id, &row(1, "x", 2), &at).unwrap(), WriteOutcome::Done);
}

// PG-144
#[test]
fn a_cycle_through_a_session_lock_is_found() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    sync(&store, txn);
    let key = AdvisoryKey { database: DB, high: 0, low: 7, pair: false };
    let mut mine = store.session_locks(1);
    let mut first = store.begin(TxnOptions { pid: 1, ..options() });
    assert!(first.advisory_lock_session(&mut mine, key, false, WaitPolicy::Wait).unwrap());
    first.rollback();
    let (other, table) = (store.clone(), def.clone());
    let (locked, ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut txn = other.begin(TxnOptions { pid: 2, ..options() });
        change(&mut txn, &table, 1, Some(row(1, "b", 1)));
        locked.send(()).unwrap();
        txn.advisory_lock(key, false, WaitPolicy::Wait)
    });
    ready.recv().unwrap();
    let mut txn = store.begin(TxnOptions { pid: 1, ..options() });
    let snapshot = txn.begin_statement(true);
    let (id, old) = txn.index_first(T, PK, &[Value::Int8(1)], &snapshot).unwrap().unwrap();
    let outcome = txn.update(&def, id, &old, &row(1, "c", 1), &snapshot);
    mine.unlock_all();
    let errors = [outcome.err(), thread.join().unwrap().err()];
    let states: Vec<_> = errors.into_iter().flatten().map(|error| error.state()).collect();
    assert_eq!(states, [SqlState::DEADLOCK_DETECTED]);
}

/// Updates a row until it is done, as a statement does under READ COMMITTED.
fn update_until_done(txn: &mut Txn, def: &Arc<TableDef>, key: i64, new: &Row) -> Result<()> {
    let snapshot = txn.begin_statement(true);
    let (id, mut old) = txn.index_first(T, PK, &[Value::Int8(key)], &snapshot)?.expect("the row is there");
    loop {
        match txn.update(def, id, &old, new, &snapshot)? {
            WriteOutcome::Newer(row) => old = row,
            outcome => {
                assert_eq!(outcome, WriteOutcome::Done);
                txn.end_statement(snapshot);
                return Ok(());
            }
        }
    }
}

// PG-140
#[test]
fn those_who_wait_for_a_row_get_it_in_the_order_they_came() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    sync(&store, txn);
    for commits in [true, false] {
        let mut holder = store.begin(options());
        change(&mut holder, &def, 1, Some(row(1, "holder", 0)));
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        for number in 0..8 {
            let (store, def, order) = (store.clone(), def.clone(), order.clone());
            let waiting = store.inner().locks.lines.len();
            threads.push(std::thread::spawn({
                let store = store.clone();
                move || {
                    let mut txn = store.begin(options());
                    update_until_done(&mut txn, &def, 1, &row(1, "waiter", number)).unwrap();
                    order.lock().push(number);
                    if number % 2 == 0 {
                        sync(&store, txn);
                    } else {
                        txn.rollback();
                    }
                }
            }));
            while store.inner().locks.lines.len() == waiting {
                std::thread::yield_now();
            }
        }
        if commits {
            sync(&store, holder);
        } else {
            holder.rollback();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*order.lock(), (0..8).collect::<Vec<_>>());
        assert_eq!(store.inner().locks.lines.len(), 0);
    }
}

// PG-140, PG-145
#[test]
fn who_gives_up_lets_the_next_one_on() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    sync(&store, txn);
    let mut holder = store.begin(options());
    change(&mut holder, &def, 1, Some(row(1, "holder", 0)));
    let wait = |timeout: Option<Duration>| {
        let (other, def) = (store.clone(), def.clone());
        let waiting = store.inner().locks.lines.len();
        let thread = std::thread::spawn(move || {
            let mut txn = other.begin(options());
            txn.set_lock_timeout(timeout);
            let result = update_until_done(&mut txn, &def, 1, &row(1, "waiter", 1));
            if result.is_ok() {
                sync(&other, txn);
            }
            result.map_err(|error| error.state())
        });
        while store.inner().locks.lines.len() == waiting {
            std::thread::yield_now();
        }
        thread
    };
    let first = wait(Some(Duration::from_millis(300)));
    let second = wait(None);
    let third = wait(Some(Duration::from_millis(300)));
    assert_eq!(third.join().unwrap(), Err(SqlState::LOCK_NOT_AVAILABLE));
    assert_eq!(first.join().unwrap(), Err(SqlState::LOCK_NOT_AVAILABLE));
    sync(&store, holder);
    assert_eq!(second.join().unwrap(), Ok(()));
    assert_eq!(store.inner().locks.lines.len(), 0);
}

// PG-144
#[test]
fn a_cycle_through_a_line_has_one_victim() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    insert(&mut txn, &def, row(2, "a", 0));
    sync(&store, txn);
    let begin = |pid| store.begin(TxnOptions { pid, ..options() });
    let (mut a, b, mut c) = (begin(1), begin(2), begin(3));
    change(&mut a, &def, 1, Some(row(1, "a", 1)));
    change(&mut c, &def, 2, Some(row(2, "c", 1)));
    let run = |mut txn: Txn, key: i64, line: usize| {
        let (other, def) = (store.clone(), def.clone());
        let thread = std::thread::spawn(move || {
            let result = update_until_done(&mut txn, &def, key, &row(key, "x", 2));
            if result.is_ok() {
                sync(&other, txn);
            }
            result.map_err(|error| error.state())
        });
        while store.inner().locks.lines.len() < line && !thread.is_finished() {
            std::thread::yield_now();
        }
        thread
    };
    let threads = [run(b, 1, 1), run(c, 1, 2), run(a, 2, 3)];
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    // The one in front waits for the cycle and is no part of it.
    assert_eq!(outcomes[0], Ok(()));
    let errors: Vec<_> = outcomes.into_iter().filter_map(std::result::Result::err).collect();
    assert_eq!(errors, [SqlState::DEADLOCK_DETECTED]);
    assert_eq!(store.stats().deadlocks, 1);
}

// PG-142: two who find a row free at the same moment do not both get it.
#[test]
fn an_exclusive_row_lock_has_one_holder() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    let id = insert(&mut txn, &def, row(1, "a", 0));
    sync(&store, txn);
    let inside = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (1..=4)
        .map(|pid| {
            let (store, def, inside) = (store.clone(), def.clone(), inside.clone());
            std::thread::spawn(move || {
                for _ in 0..2000 {
                    let mut txn = store.begin(TxnOptions { pid, ..options() });
                    let snapshot = txn.begin_statement(true);
                    txn.lock_row(def.id, id, LockMode::Update, WaitPolicy::Wait, &snapshot).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "another has the lock too");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    txn.rollback();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

// PG-145
#[test]
fn a_cancelled_wait_ends() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 0));
    let mut other = store.begin(options());
    other.options.cancel.store(true, Ordering::SeqCst);
    let error = other.insert(&def, &row(1, "b", 0)).unwrap_err();
    assert_eq!((error.state(), error.message()), (SqlState::QUERY_CANCELED, "canceling statement due to user request"));
    other.rollback();
    sync(&store, txn);
    assert_eq!(all(&mut store.begin(options())).len(), 1);
}
