//! What is there after a crash, a torn write or a full disk, and what the log keeps for its readers.

use super::*;

// PG-154: a commit record larger than a segment is there after a crash, and the log goes on behind it.
#[test]
fn a_record_larger_than_a_segment_survives() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    for round in 0..4_i64 {
        let mut txn = store.begin(options());
        for n in 0..2_000 {
            insert(&mut txn, &def, row(round * 10_000 + n, "a tag that makes the record long", 0));
        }
        sync(&store, txn);
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(round * 10_000 + 5_000, "small", 1));
        sync(&store, txn);
        let copy = disk.copy();
        copy.crash();
        let again = open(&copy);
        assert_eq!(all(&mut again.begin(options())).len() as i64, (round + 1) * 2_001);
        let mut txn = again.begin(options());
        insert(&mut txn, &def, row(-1, "after", 0));
        sync(&again, txn);
        again.close().unwrap();
        drop(again);
        assert_eq!(all(&mut open(&copy).begin(options())).len() as i64, (round + 1) * 2_001 + 1);
    }
}

#[test]
fn nobody_sees_what_a_crash_can_undo() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    disk.fail_sync(Some(1));
    let mut a = store.begin(options());
    insert(&mut a, &def, row(1, "x", 1));
    let committed = a.commit(CommitOptions::default()).unwrap();
    let mut reader = store.begin(options());
    assert!(find(&mut reader, 1).is_none());
    assert_eq!(reader.saw_undurable(), CommitNo(0));
    // But for a reader of the log that looks ahead.
    let before = Position::end_of(CommitNo(committed.durable_at.0 - 1));
    assert!(store.reader(before).next(9).unwrap().is_empty());
    let ahead = store.reader(before).ahead().next(9).unwrap();
    assert!(matches!(&ahead[..], [ReadItem::Record(record)] if record.commit == committed.durable_at), "{ahead:?}");
    let mut writer = store.begin(options());
    let snapshot = writer.begin_statement(true);
    assert!(writer.index_first(T, PK, &[Value::Int8(1)], &snapshot).unwrap().is_some());
    assert_eq!(writer.saw_undurable(), committed.durable_at);
    // A failed sync poisons the log.
    let error = store.wait_blocking(committed.durable_at).unwrap_err();
    assert_eq!(error.state(), SqlState::IO_ERROR);
    insert(&mut writer, &def, row(2, "y", 1));
    assert_eq!(writer.commit(CommitOptions::default()).unwrap_err().state(), SqlState::IO_ERROR);
    disk.fail_sync(None);
    assert!(all(&mut store.begin(options())).is_empty());
    drop(store);
    disk.crash();
    assert!(all(&mut open(&disk).begin(options())).is_empty());
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    disk.set_capacity(Some(96 << 10));
    let mut refused = 0;
    let mut kept = 0;
    for id in 0..200 {
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(id, &"x".repeat(1000), 1));
        match txn.commit(CommitOptions::default()) {
            Ok(_) => kept += 1,
            Err(error) => {
                assert_eq!(error.state(), SqlState::DISK_FULL, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && kept > 20, "{refused} {kept}");
    disk.set_capacity(None);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1000, "y", 1));
    sync(&store, txn);
    assert_eq!(all(&mut store.begin(options())).len(), kept + 1);
    drop(store);
    disk.crash();
    assert_eq!(all(&mut open(&disk).begin(options())).len(), kept + 1);
}

/// Random transactions against a plain map; `None` in the map's place of a transaction that was not acknowledged.
struct Model {
    rng: SeededRng,
    rows: BTreeMap<i64, Row>,
}

impl Model {
    fn pick(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn step(&mut self, store: &Store, def: &Arc<TableDef>) {
        let mut txn = store.begin(options());
        let mut next = self.rows.clone();
        let mut marks: Vec<(Savepoint, BTreeMap<i64, Row>)> = Vec::new();
        for _ in 0..1 + self.pick(8) {
            let id = i64::try_from(self.pick(60)).unwrap();
            let fresh = row(id, &format!("tag{}", self.pick(5)), i32::try_from(self.pick(1000)).unwrap());
            match self.pick(10) {
                0 => marks.push((txn.savepoint(), next.clone())),
                1 if !marks.is_empty() => {
                    let (mark, rows) = marks.pop().unwrap();
                    txn.rollback_to(mark).unwrap();
                    txn.release(mark);
                    next = rows;
                }
                2..5 if next.contains_key(&id) => {
                    assert_eq!(change(&mut txn, def, id, None), WriteOutcome::Done);
                    next.remove(&id);
                }
                5..8 if next.contains_key(&id) => {
                    let to = i64::try_from(self.pick(60)).unwrap();
                    let mut fresh = fresh;
                    fresh[0] = Value::Int8(to);
                    let outcome = change(&mut txn, def, id, Some(fresh.clone()));
                    if to != id && next.contains_key(&to) {
                        assert!(matches!(outcome, WriteOutcome::Conflict { index: PK, .. }), "{outcome:?}");
                    } else {
                        assert_eq!(outcome, WriteOutcome::Done);
                        next.remove(&id);
                        next.insert(to, fresh);
                    }
                }
                _ => {
                    let outcome = txn.insert(def, &fresh).unwrap();
                    let taken = next.contains_key(&id);
                    assert_eq!(matches!(outcome, InsertOutcome::Conflict { .. }), taken, "{outcome:?}");
                    if !taken {
                        next.insert(id, fresh);
                    }
                    let snapshot = txn.begin_statement(false);
                    txn.end_statement(snapshot);
                }
            }
        }
        if self.pick(4) == 0 {
            txn.rollback();
        } else {
            sync(store, txn);
            self.rows = next;
        }
    }
}

#[test]
fn recovery_gives_back_what_was_acknowledged() {
    for seed in 0..12 {
        let disk = MemDisk::new();
        let (mut store, def) = with_table(&disk);
        let mut model = Model { rng: SeededRng::new(seed), rows: BTreeMap::new() };
        for round in 0..6 {
            for _ in 0..40 {
                model.step(&store, &def);
                if model.pick(25) == 0 {
                    store.checkpoint().unwrap();
                }
            }
            assert_eq!(all(&mut store.begin(options())), model.rows, "seed {seed} round {round}");
            if round % 3 == 2 {
                store.close().unwrap();
            }
            if round % 2 == 0 {
                disk.crash_torn(&model.rng)
            } else {
                disk.crash()
            }
            drop(store);
            store = open(&disk);
            assert_eq!(all(&mut store.begin(options())), model.rows, "seed {seed} round {round} reopened");
            assert_eq!(store.row_estimate(T), model.rows.len() as u64);
        }
    }
}

fn newest_segment(disk: &MemDisk) -> (String, Vec<u8>) {
    let mut found = None;
    for name in disk.list("log").unwrap() {
        let name = format!("log/{name}");
        let bytes = disk.bytes(&name).unwrap();
        if bytes.iter().skip(64).any(|byte| *byte != 0) {
            found = Some((name, bytes));
        }
    }
    found.unwrap()
}

#[test]
fn a_torn_tail_is_cut_and_a_damaged_middle_is_an_error() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut ends = Vec::new();
    for id in 0..3 {
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(id, "x", 1));
        sync(&store, txn);
        let (_, bytes) = newest_segment(&disk);
        ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    drop(store);
    let (name, bytes) = newest_segment(&disk);
    let config = StoreConfig { log_segment_bytes: 32 << 10, ..small() };
    for at in ends[1] + 4..ends[2] {
        let copy = disk.copy();
        let mut torn = bytes.clone();
        torn[at..].fill(0);
        if torn == bytes {
            continue;
        }
        copy.set_bytes(&name, torn);
        let store = open_with(&copy, config.clone()).unwrap();
        assert_eq!(all(&mut store.begin(options())).len(), 2, "torn at {at}");
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(9, "y", 1));
        sync(&store, txn);
        drop(store);
        copy.crash();
        assert_eq!(all(&mut open(&copy).begin(options())).len(), 3, "torn at {at}");
    }
    for at in [ends[0] + 20, ends[0] + 80, ends[1] - 2] {
        let copy = disk.copy();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        copy.set_bytes(&name, damaged);
        let error = open_with(&copy, config.clone()).unwrap_err();
        assert_eq!(error.state(), SqlState::DATA_CORRUPTED, "{at}");
        assert!(error.message().contains("log/") && error.message().contains(" at offset "), "{error}");
    }
}

#[test]
fn a_damaged_checkpoint_is_an_error_once_the_log_is_gone() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    for id in 0..100 {
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(id, &"x".repeat(1000), 1));
        sync(&store, txn);
    }
    store.checkpoint().unwrap();
    while disk.bytes("log/0000000000000001.seg").is_some() {
        std::thread::yield_now();
    }
    store.close().unwrap();
    drop(store);
    let name = disk.list("").unwrap().into_iter().find(|name| name.starts_with("checkpoint-")).unwrap();
    let mut bytes = disk.bytes(&name).unwrap();
    let at = bytes.len() - 500;
    bytes[at] ^= 1;
    disk.set_bytes(&name, bytes);
    let error = open_with(&disk, small()).unwrap_err();
    assert_eq!(error.state(), SqlState::DATA_CORRUPTED);
    assert!(error.message().contains("checkpoint-"), "{error}");
}

#[test]
fn commits_share_a_sync() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    store.on_durable(Box::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (store, def) = (store.clone(), def.clone());
            std::thread::spawn(move || {
                for n in 0..50 {
                    let mut txn = store.begin(options());
                    insert(&mut txn, &def, row(thread * 1000 + n, "x", 1));
                    let committed = txn.commit(CommitOptions::default()).unwrap();
                    if n % 10 == 9 {
                        store.wait_blocking(committed.durable_at).unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    store.wait_blocking(store.newest()).unwrap();
    let stats = store.stats();
    assert_eq!(stats.commits, 401);
    assert!(stats.syncs < 401 && calls.load(Ordering::SeqCst) > 0);
    assert_eq!(all(&mut store.begin(options())).len(), 400);
    let mut reader = store.reader(Position::START);
    let (mut commits, mut changes) = (Vec::new(), 0);
    loop {
        let items = reader.next(37).unwrap();
        if items.is_empty() {
            break;
        }
        for item in items {
            let ReadItem::Record(record) = item else { panic!("{item:?}") };
            commits.push(record.commit.0);
            changes += record.changes.len();
        }
    }
    assert_eq!((commits, changes), ((1..=401).collect(), 400));
}

#[test]
fn the_log_is_kept_for_cursors_up_to_a_limit() {
    let disk = MemDisk::new();
    let config = StoreConfig { log_retention_max_bytes: 128 << 10, ..small() };
    let store = open_with(&disk, config.clone()).unwrap();
    let def = create(&store);
    let subscriber = TriggerId(30_000);
    let mut txn = store.begin(options());
    txn.move_cursor(subscriber, Some(Position::end_of(CommitNo(1))));
    sync(&store, txn);
    let write = |store: &Store, from: i64, n: i64| {
        for id in from..from + n {
            let mut txn = store.begin(options());
            insert(&mut txn, &def, row(id, &"x".repeat(1000), 1));
            sync(store, txn);
        }
    };
    write(&store, 0, 60);
    store.checkpoint().unwrap();
    assert_eq!(store.gaps(), []);
    assert_eq!(store.cursor_lags()[0].commits, 61);
    assert!(store.cursor_lags()[0].oldest_at.is_some());
    write(&store, 100, 200);
    store.checkpoint().unwrap();
    let gaps = store.gaps();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].subscriber, gaps[0].from), (subscriber, Position::end_of(CommitNo(1))));
    let lost = gaps[0].to.commit.0;
    assert_eq!(gaps[0].tables, [(T, lost - 2)]);
    let mut reader = store.reader(Position::end_of(CommitNo(1)));
    let items = reader.next(2).unwrap();
    assert!(matches!(items[0], ReadItem::Gap { to, .. } if to == gaps[0].to), "{items:?}");
    assert!(matches!(&items[1], ReadItem::Record(record) if record.commit.0 == lost + 1));
    assert!(store.stats().log_bytes <= 160 << 10);
    drop(store);
    disk.crash();
    let store = open_with(&disk, config).unwrap();
    assert_eq!(store.gaps(), gaps);
    assert_eq!(store.cursors(), [(subscriber, Position::end_of(CommitNo(1)))]);
    let mut txn = store.begin(options());
    txn.move_cursor(subscriber, Some(Position::end_of(store.newest())));
    sync(&store, txn);
    store.checkpoint().unwrap();
    assert!(store.stats().log_segments <= 3);
}

/// Where a cursor stands that has consumed so many commits.
fn after(commits: u64) -> Position {
    Position::end_of(CommitNo(commits))
}

fn moved(store: &Store, subscriber: TriggerId, to: Option<Position>) {
    let mut txn = store.begin(options());
    txn.move_cursor(subscriber, to);
    sync(store, txn);
}

#[test]
fn a_passing_cursor_is_written_by_the_next_commit() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let (passing, other) = (TriggerId(30_000), TriggerId(30_001));
    moved(&store, passing, Some(after(1)));
    store.pass(passing, after(1), after(2)).unwrap();
    assert_eq!(store.cursors(), [(passing, after(2))]);
    assert_eq!(store.pass(passing, after(1), after(3)).unwrap_err().state(), SqlState::SERIALIZATION_FAILURE);
    assert_eq!(store.pass(other, after(1), after(3)).unwrap_err().state(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    // A commit that is refused leaves it to the next one.
    let mut txn = store.begin(options());
    txn.advance_cursor(passing, after(1), after(3));
    assert_eq!(txn.commit(CommitOptions::default()).unwrap_err().state(), SqlState::SERIALIZATION_FAILURE);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 1));
    sync(&store, txn);
    drop(store);
    disk.crash();
    let store = open(&disk);
    assert_eq!(store.cursors(), [(passing, after(2))]);
    // Where nobody commits it is written nevertheless, and at once when it is asked for.
    store.pass(passing, after(2), after(3)).unwrap();
    store.wait_blocking(CommitNo(store.newest().0 + 1)).unwrap();
    drop(store);
    disk.crash();
    let store = open(&disk);
    assert_eq!(store.cursors(), [(passing, after(3))]);
    store.pass(passing, after(3), after(4)).unwrap();
    store.wait_blocking(store.write_cursor(passing).unwrap()).unwrap();
    drop(store);
    disk.crash();
    assert_eq!(open(&disk).cursors(), [(passing, after(4))]);
}

#[test]
fn a_late_record_neither_moves_a_cursor_back_nor_makes_one() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let (further, dropped) = (TriggerId(30_000), TriggerId(30_001));
    for subscriber in [further, dropped] {
        moved(&store, subscriber, Some(after(1)));
        store.pass(subscriber, after(1), after(2)).unwrap();
    }
    // One commit has taken the moves along, others come before it.
    let inner = store.inner().clone();
    let taken = inner.passing.waiting();
    let mut txn = store.begin(options());
    txn.advance_cursor(further, after(2), after(3));
    sync(&store, txn);
    moved(&store, dropped, None);
    let mut record = RecordBuilder::default();
    record.passing(&taken);
    let bytes = record.finish(TxnId(1 << 40), 0, 0, None).unwrap();
    let _ = inner.log.append(bytes, Urge::Flusher, CommitNo(0), &mut || Ok(()), &mut |_| {}).unwrap();
    inner.passing.written(&taken);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 1));
    sync(&store, txn);
    assert_eq!(store.cursors(), [(further, after(3))]);
    drop((inner, store));
    disk.crash();
    assert_eq!(open(&disk).cursors(), [(further, after(3))]);
}

#[test]
fn files_of_the_log_that_were_given_up_may_be_left_in_any_order() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let write = |from: i64| {
        for id in from..from + 80 {
            let mut txn = store.begin(options());
            insert(&mut txn, &def, row(id, &"x".repeat(1000), 1));
            sync(&store, txn);
        }
    };
    write(0);
    let oldest = disk.bytes("log/0000000000000001.seg").unwrap();
    store.checkpoint().unwrap();
    write(100);
    while disk.bytes("log/0000000000000001.seg").is_some() {
        std::thread::yield_now();
    }
    let copy = disk.copy();
    copy.set_bytes("log/0000000000000001.seg", oldest);
    let store = open(&copy);
    assert_eq!(all(&mut store.begin(options())).len(), 160);
    assert!(copy.bytes("log/0000000000000001.seg").is_none());
}

// Opening costs what was logged since the checkpoint, however much log cursors keep: what they keep is checked when it
// is read.
#[test]
fn log_that_only_cursors_need_is_checked_when_it_is_read() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    moved(&store, TriggerId(30_000), Some(after(1)));
    for id in 0..200 {
        let mut txn = store.begin(options());
        insert(&mut txn, &def, row(id, &"x".repeat(1000), 1));
        sync(&store, txn);
    }
    store.checkpoint().unwrap();
    store.close().unwrap();
    drop(store);
    let segments = || disk.list("log").unwrap();
    assert!(segments().len() > 3, "{:?}", segments());
    let second = format!("log/{}", segments()[1]);
    let mut bytes = disk.bytes(&second).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    disk.set_bytes(&second, bytes);
    let store = open(&disk);
    assert_eq!(all(&mut store.begin(options())).len(), 200);
    let mut reader = store.reader(after(1));
    let mut read = 1;
    let error = loop {
        match reader.next(1) {
            Ok(items) => {
                let [ReadItem::Record(record)] = &items[..] else { panic!("{items:?}") };
                assert_eq!(record.commit.0, read + 1);
                read += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.state(), SqlState::DATA_CORRUPTED);
    assert!(error.message().contains(&second), "{error}");
    assert!((30..170).contains(&read), "{read}");
    // What comes after the damage can be read, from any place.
    for commit in [199, 190, 150] {
        let items = store.reader(after(commit)).next(1).unwrap();
        assert!(matches!(&items[..], [ReadItem::Record(record)] if record.commit.0 == commit + 1), "{items:?}");
    }
    // An orderly end leaves no file that nobody needs.
    moved(&store, TriggerId(30_000), None);
    store.close().unwrap();
    drop((reader, store));
    assert!(segments().len() <= 2, "{:?}", segments());
    assert_eq!(all(&mut open(&disk).begin(options())).len(), 200);
}

#[test]
fn one_directory_has_one_server() {
    let disk = MemDisk::new();
    let store = open(&disk);
    assert_eq!(open_with(&disk, small()).unwrap_err().state(), SqlState::OBJECT_IN_USE);
    drop(store);
    drop(open(&disk));
}
