//! Tests of the store as a whole, on a disk in memory that forgets what was not synced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::log::Urge;
use super::record::RecordBuilder;
use super::*;
use crate::catalog::{
    Catalog, CatalogChange, Column, DatabaseDef, Entry, IndexDef, IndexKey, IndexMethod, PUBLIC, Persistence,
    SchemaDef, SequenceDef, TableDef, TableId, TriggerId,
};
use crate::change::{CommitNo, Position, RowChange, RowId, TxnId};
use crate::env::{Env, Rng, SeededRng};
use crate::error::{Result, SqlError, SqlState};
use crate::types::{DataType, Oid, Row, Value};

const DB: Oid = 5;
const T: TableId = TableId(20_000);
const PK: Oid = 20_001;
const BY_TAG: Oid = 20_002;

struct NoExtractors;

impl KeyExtractors for NoExtractors {
    fn extractor(&self, _: &Catalog, _: &TableDef, _: &IndexDef) -> Result<Arc<dyn KeyExtractor>> {
        Err(SqlError::internal("no expressions in these tests"))
    }
}

fn small() -> StoreConfig {
    StoreConfig {
        log_segment_bytes: 32 << 10,
        log_tail_bytes: 16 << 10,
        deadlock_timeout: Duration::from_millis(30),
        ..StoreConfig::default()
    }
}

fn open_with(disk: &MemDisk, config: StoreConfig) -> Result<Store> {
    Store::open(config, Arc::new(disk.clone()), Env::default(), Arc::new(NoExtractors), &mut |_| {})
}

fn open(disk: &MemDisk) -> Store {
    open_with(disk, small()).unwrap()
}

fn column(name: &str, ty: DataType) -> Column {
    Column {
        name: name.into(),
        ty,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        sequence: None,
        missing: None,
        collation: None,
        dropped: false,
        comment: None,
        domain: 0,
    }
}

fn index(oid: Oid, place: usize, ty: DataType, unique: bool) -> IndexDef {
    IndexDef {
        oid,
        name: format!("i{oid}"),
        method: IndexMethod::Btree,
        keys: vec![IndexKey {
            column: Some(place),
            expr: None,
            ty,
            descending: false,
            nulls_first: false,
            operator_class: None,
            collation: None,
        }],
        include: Vec::new(),
        unique,
        nulls_not_distinct: false,
        primary: unique,
        predicate: None,
        constraint: 0,
        upsert: false,
        options: Vec::new(),
        comment: None,
    }
}

fn table_def(id: TableId, indexes: Vec<IndexDef>) -> TableDef {
    TableDef {
        id,
        schema: PUBLIC,
        name: format!("t{}", id.0),
        owner: 10,
        row_type: 0,
        array_type: 0,
        columns: vec![column("id", DataType::INT8), column("tag", DataType::TEXT), column("n", DataType::INT4)],
        constraints: Vec::new(),
        indexes,
        persistence: Persistence::Permanent,
        schema_version: 1,
        dialect: String::new(),
        options: Vec::new(),
        maintained_by: 0,
        hidden: false,
        display: Vec::new(),
        acl: Vec::new(),
        comment: None,
        shape: crate::catalog::TableShape::default(),
    }
}

fn put(entry: Entry) -> CatalogChange {
    let database = if matches!(entry, Entry::Database(_)) { 0 } else { DB };
    CatalogChange::Put { database, entry }
}

fn options() -> TxnOptions {
    TxnOptions { database: DB, ..TxnOptions::default() }
}

fn sync(store: &Store, txn: Txn) -> Committed {
    let committed = txn.commit(CommitOptions::default()).unwrap();
    store.wait_blocking(committed.durable_at).unwrap();
    committed
}

/// A store with table T (id unique, tag indexed).
fn with_table(disk: &MemDisk) -> (Store, Arc<TableDef>) {
    let store = open(disk);
    let def = create(&store);
    (store, def)
}

fn create(store: &Store) -> Arc<TableDef> {
    let mut txn = store.begin(options());
    let database = DatabaseDef {
        oid: DB,
        name: "postgres".into(),
        owner: 10,
        template: false,
        allow_connections: true,
        settings: Vec::new(),
        comment: None,
    };
    txn.change_catalog(put(Entry::Database(Arc::new(database)))).unwrap();
    let schema = SchemaDef { oid: PUBLIC, name: "public".into(), owner: 10, acl: Vec::new(), comment: None };
    txn.change_catalog(put(Entry::Schema(Arc::new(schema)))).unwrap();
    let indexes = vec![index(PK, 0, DataType::INT8, true), index(BY_TAG, 1, DataType::TEXT, false)];
    let def = Arc::new(table_def(T, indexes));
    txn.change_catalog(put(Entry::Table(def.clone()))).unwrap();
    sync(store, txn);
    def
}

fn row(id: i64, tag: &str, n: i32) -> Row {
    vec![Value::Int8(id), Value::text(tag), Value::Int4(n)]
}

fn insert(txn: &mut Txn, def: &Arc<TableDef>, values: Row) -> RowId {
    match txn.insert(def, &values).unwrap() {
        InsertOutcome::Done(row) => row,
        other => panic!("{other:?}"),
    }
}

fn find(txn: &mut Txn, id: i64) -> Option<(RowId, Row)> {
    let snapshot = txn.begin_statement(false);
    let found = txn.index_first(T, PK, &[Value::Int8(id)], &snapshot).unwrap();
    txn.end_statement(snapshot);
    found
}

fn all(txn: &mut Txn) -> BTreeMap<i64, Row> {
    let snapshot = txn.begin_statement(false);
    let (mut cursor, mut rows) = (ScanCursor::default(), Vec::new());
    while txn.scan_batch(T, &snapshot, &mut cursor, &mut rows).unwrap() {}
    let (mut at, mut by_index) = (IndexCursor::default(), Vec::new());
    while txn.index_batch(T, PK, &IndexRange::default(), &snapshot, &mut at, &mut by_index).unwrap() {}
    let (mut at, mut by_tag) = (IndexCursor::default(), Vec::new());
    while txn.index_batch(T, BY_TAG, &IndexRange::default(), &snapshot, &mut at, &mut by_tag).unwrap() {}
    txn.end_statement(snapshot);
    let key = |(_, row): &(RowId, Row)| (row[0].as_i64().unwrap(), row.clone());
    let (by_index, by_tag): (Vec<_>, Vec<_>) = (by_index.iter().map(key).collect(), by_tag.iter().map(key).collect());
    assert!(by_index.is_sorted_by_key(|(id, _)| *id));
    assert!(by_tag.is_sorted_by_key(|(_, row)| row[1].as_str().unwrap().to_owned()));
    let scanned: BTreeMap<_, _> = rows.iter().map(key).collect();
    assert_eq!(scanned.len(), rows.len());
    assert_eq!(by_index.len(), rows.len());
    assert_eq!(by_tag.len(), rows.len());
    assert_eq!(scanned, by_index.into_iter().collect());
    assert_eq!(scanned, by_tag.into_iter().collect());
    scanned
}

fn change(txn: &mut Txn, def: &Arc<TableDef>, id: i64, new: Option<Row>) -> WriteOutcome {
    let snapshot = txn.begin_statement(true);
    let (row, old) = txn.index_first(T, PK, &[Value::Int8(id)], &snapshot).unwrap().expect("the row is there");
    let outcome = match new {
        Some(new) => txn.update(def, row, &old, &new, &snapshot),
        None => txn.delete(def, row, &old, &snapshot),
    };
    txn.end_statement(snapshot);
    outcome.unwrap()
}

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

// PG-140
#[test]
fn a_statement_sees_what_was_committed_when_it_began() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut a = store.begin(options());
    insert(&mut a, &def, row(1, "x", 1));
    let snapshot = a.begin_statement(true);
    insert(&mut a, &def, row(3, "x", 1));
    assert_eq!(a.index_first(T, PK, &[Value::Int8(3)], &snapshot).unwrap(), None, "written by the same command");
    a.end_statement(snapshot);
    assert!(find(&mut a, 1).is_some());
    change(&mut a, &def, 3, None);
    let mut b = store.begin(options());
    assert!(find(&mut b, 1).is_none());
    let old = b.begin_statement(false);
    sync(&store, a);
    assert!(b.index_first(T, PK, &[Value::Int8(1)], &old).unwrap().is_none());
    assert!(find(&mut b, 1).is_some());
    let mut repeatable = store.begin(TxnOptions { isolation: Isolation::RepeatableRead, ..options() });
    assert_eq!(all(&mut repeatable).len(), 1);
    let mut c = store.begin(options());
    assert_eq!(change(&mut c, &def, 1, Some(row(2, "y", 2))), WriteOutcome::Done);
    sync(&store, c);
    assert!(find(&mut repeatable, 1).is_some() && find(&mut repeatable, 2).is_none());
    assert!(find(&mut b, 1).is_none() && find(&mut b, 2).is_some());
    let snapshot = repeatable.begin_statement(true);
    let (id, old) = repeatable.index_first(T, PK, &[Value::Int8(1)], &snapshot).unwrap().unwrap();
    let error = repeatable.update(&def, id, &old, &row(1, "z", 3), &snapshot).unwrap_err();
    assert_eq!(error.state(), SqlState::SERIALIZATION_FAILURE);
    assert_eq!(error.message(), "could not serialize access due to concurrent update");
}

// PG-140
#[test]
fn a_row_changed_meanwhile_comes_back_locked() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    let id = insert(&mut txn, &def, row(1, "x", 1));
    sync(&store, txn);
    let mut a = store.begin(options());
    let snapshot = a.begin_statement(true);
    let (_, old) = a.index_first(T, PK, &[Value::Int8(1)], &snapshot).unwrap().unwrap();
    let mut b = store.begin(options());
    change(&mut b, &def, 1, Some(row(1, "x", 2)));
    sync(&store, b);
    assert_eq!(a.update(&def, id, &old, &row(1, "x", 3), &snapshot).unwrap(), WriteOutcome::Newer(row(1, "x", 2)));
    let mut c = store.begin(options());
    let other = c.begin_statement(true);
    let outcome = c.lock_row(T, id, LockMode::KeyShare, WaitPolicy::SkipLocked, &other).unwrap();
    assert_eq!(outcome, LockOutcome::Skipped);
    let outcome = a.update(&def, id, &row(1, "x", 2), &row(1, "x", 3), &snapshot).unwrap();
    assert_eq!(outcome, WriteOutcome::Done);
    assert_eq!(a.update(&def, id, &row(1, "x", 2), &row(1, "x", 4), &snapshot).unwrap(), WriteOutcome::SelfModified);
    sync(&store, a);
    let error = c.lock_row(TableId(1), id, LockMode::Share, WaitPolicy::Wait, &other).unwrap_err();
    assert_eq!(error.state(), SqlState::UNDEFINED_TABLE);
    assert_eq!(
        c.lock_row(T, id, LockMode::Share, WaitPolicy::Wait, &other).unwrap(),
        LockOutcome::Newer(row(1, "x", 3))
    );
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

// PG-147
#[test]
fn savepoints_nest() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 1));
    let outer = txn.savepoint();
    change(&mut txn, &def, 1, Some(row(1, "b", 2)));
    let inner = txn.savepoint();
    change(&mut txn, &def, 1, Some(row(7, "c", 3)));
    insert(&mut txn, &def, row(2, "d", 4));
    assert_eq!(all(&mut txn).len(), 2);
    txn.rollback_to(inner).unwrap();
    assert_eq!(all(&mut txn), BTreeMap::from([(1, row(1, "b", 2))]));
    change(&mut txn, &def, 1, None);
    assert!(all(&mut txn).is_empty());
    txn.rollback_to(inner).unwrap();
    txn.release(inner);
    change(&mut txn, &def, 1, Some(row(1, "e", 5)));
    txn.rollback_to(outer).unwrap();
    assert_eq!(all(&mut txn), BTreeMap::from([(1, row(1, "a", 1))]));
    insert(&mut txn, &def, row(3, "f", 6));
    txn.release(outer);
    sync(&store, txn);
    let mut items = store.reader(Position::START);
    let items = items.next(100).unwrap();
    let Some(ReadItem::Record(record)) = items.last() else { panic!("{items:?}") };
    let changes: Vec<_> = record.changes.iter().map(|change| change.change.clone()).collect();
    let inserted = |new| RowChange::Insert { new };
    assert_eq!(changes, [inserted(row(1, "a", 1)), inserted(row(3, "f", 6))]);
}

#[test]
fn a_hot_row_does_not_grow() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    let id = insert(&mut txn, &def, row(1, "a", 0));
    sync(&store, txn);
    let chain = |store: &Store| {
        let table = store.inner().table(T).unwrap();
        let chunk = table.heap.read(id).unwrap();
        heap::slot(&chunk, id).unwrap().chain().count()
    };
    for n in 0..50 {
        let mut txn = store.begin(options());
        change(&mut txn, &def, 1, Some(row(1, "a", n)));
        sync(&store, txn);
    }
    assert!(chain(&store) <= 4, "{}", chain(&store));
    let mut txn = store.begin(options());
    let outer = txn.begin_statement(true);
    for n in 0..20_000 {
        let mark = txn.savepoint();
        change(&mut txn, &def, 1, Some(row(1, "a", n)));
        txn.release(mark);
    }
    assert!(chain(&store) <= 6, "{}", chain(&store));
    txn.end_statement(outer);
    sync(&store, txn);
    assert_eq!(find(&mut store.begin(options()), 1).unwrap().1, row(1, "a", 19_999));
}

#[test]
fn deleted_rows_leave_no_entries() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    for round in 0..3 {
        let mut txn = store.begin(options());
        for id in 0..600 {
            insert(&mut txn, &def, row(id, &format!("{round}"), 0));
        }
        assert_eq!(change(&mut txn, &def, 5, None), WriteOutcome::Done);
        sync(&store, txn);
        let mut txn = store.begin(options());
        for id in (0..600).filter(|id| *id != 5) {
            change(&mut txn, &def, id, Some(row(id, "moved", 1)));
            change(&mut txn, &def, id, None);
        }
        sync(&store, txn);
    }
    let inner = store.inner();
    while inner.vacuum.len() > 0 {
        inner.seats.advance(inner.log.durable().0);
        inner.vacuum.run(inner.seats.horizon(), 1000);
    }
    let table = inner.table(T).unwrap();
    let entries = || {
        let mut entries = Vec::new();
        for index in table.parts().indexes.iter() {
            index.collect(&index.bounds(&IndexRange::default()).unwrap(), None, false, 10, &mut entries);
        }
        entries
    };
    // The background thread may still be at what it took from the queue.
    for _ in 0..100_000 {
        if entries().is_empty() {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(entries(), []);
    assert_eq!(store.row_estimate(T), 0);
    assert!(table.heap.first_chunk() > 0);
}

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

#[test]
fn serializable_prevents_write_skew_and_phantoms() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "on", 0));
    insert(&mut txn, &def, row(2, "on", 0));
    sync(&store, txn);
    let serializable = || TxnOptions { isolation: Isolation::Serializable, ..options() };
    let (mut a, mut b) = (store.begin(serializable()), store.begin(serializable()));
    assert_eq!((all(&mut a).len(), all(&mut b).len()), (2, 2));
    change(&mut a, &def, 1, Some(row(1, "off", 0)));
    change(&mut b, &def, 2, Some(row(2, "off", 0)));
    sync(&store, a);
    let error = b.commit(CommitOptions::default()).unwrap_err();
    assert_eq!(error.state(), SqlState::SERIALIZATION_FAILURE);
    assert_eq!(all(&mut store.begin(options()))[&2], row(2, "on", 0));
    let (mut a, mut b, mut c) = (store.begin(serializable()), store.begin(serializable()), store.begin(serializable()));
    assert_eq!((find(&mut a, 10), find(&mut b, 11), find(&mut c, 10)), (None, None, None));
    insert(&mut a, &def, row(11, "x", 0));
    insert(&mut b, &def, row(10, "x", 0));
    insert(&mut c, &def, row(12, "x", 0));
    sync(&store, a);
    assert!(b.commit(CommitOptions::default()).is_err());
    sync(&store, c);
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
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let newest = store.newest();
    while store.newest() == newest {
        assert!(std::time::Instant::now() < end, "not written");
        std::thread::sleep(Duration::from_millis(5));
    }
    store.wait_blocking(store.newest()).unwrap();
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
    let taken = inner.passing.take();
    let mut txn = store.begin(options());
    txn.advance_cursor(further, after(2), after(3));
    sync(&store, txn);
    moved(&store, dropped, None);
    let mut record = RecordBuilder::default();
    taken.put_into(&mut record);
    let bytes = record.finish(TxnId(1 << 40), 0, 0, None).unwrap();
    let _ = inner.log.append(bytes, Urge::Flusher, &mut || Ok(()), &mut |_| {}).unwrap();
    taken.written();
    let mut txn = store.begin(options());
    insert(&mut txn, &def, row(1, "a", 1));
    sync(&store, txn);
    assert_eq!(store.cursors(), [(further, after(3))]);
    drop((inner, store));
    disk.crash();
    assert_eq!(open(&disk).cursors(), [(further, after(3))]);
}

#[test]
fn sequences_never_go_back() {
    let disk = MemDisk::new();
    let (store, _) = with_table(&disk);
    let def = SequenceDef {
        oid: 40_000,
        schema: PUBLIC,
        name: "s".into(),
        owner: 10,
        data_type: 20,
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
        owned_by: None,
        identity: false,
        persistence: Persistence::Permanent,
        acl: Vec::new(),
        comment: None,
    };
    let mut txn = store.begin(options());
    txn.change_catalog(put(Entry::Sequence(Arc::new(def.clone())))).unwrap();
    sync(&store, txn);
    for expected in 1..=40 {
        assert_eq!(store.next_value(40_000, &def).unwrap().0, expected);
    }
    store.wait_blocking(store.newest()).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    disk.crash();
    let store = open(&disk);
    let after = store.next_value(40_000, &def).unwrap().0;
    assert!((41..=100).contains(&after), "{after}");
    store.close().unwrap();
    drop(store);
    assert_eq!(open(&disk).next_value(40_000, &def).unwrap().0, after + 1);
}

// PG-131
#[test]
fn ddl_is_transactional() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    for id in 0..10 {
        insert(&mut txn, &def, row(id, &format!("{}", id % 3), i32::try_from(id).unwrap()));
    }
    sync(&store, txn);
    let with = |oid: Oid, place, ty, unique| {
        let mut new = (*def).clone();
        new.indexes.push(index(oid, place, ty, unique));
        put(Entry::Table(Arc::new(new)))
    };
    let mut txn = store.begin(options());
    let error = txn.change_catalog(with(20_010, 1, DataType::TEXT, true)).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::UNIQUE_VIOLATION, "could not create unique index \"i20010\"")
    );
    let mark = txn.savepoint();
    txn.change_catalog(with(20_011, 2, DataType::INT4, true)).unwrap();
    assert!(txn.catalog().index(20_011).is_some());
    let snapshot = txn.begin_statement(false);
    assert!(txn.index_first(T, 20_011, &[Value::Int4(4)], &snapshot).unwrap().is_some());
    txn.end_statement(snapshot);
    txn.rollback_to(mark).unwrap();
    assert!(txn.catalog().index(20_011).is_none());
    txn.change_catalog(with(20_012, 2, DataType::INT4, true)).unwrap();
    assert!(store.catalog().database(DB).unwrap().index(20_012).is_none());
    sync(&store, txn);
    assert!(store.catalog().database(DB).unwrap().index(20_012).is_some());
    drop(store);
    disk.crash();
    let store = open(&disk);
    let mut txn = store.begin(options());
    let table = txn.catalog().table(T).unwrap().clone();
    assert!(matches!(txn.insert(&table, &row(99, "z", 4)).unwrap(), InsertOutcome::Conflict { index: 20_012, .. }));
    let found = txn.find_conflict(&table, 20_012, &row(99, "z", 4)).unwrap();
    assert_eq!(found.map(|(_, row)| row), Some(row(4, "1", 4)));
    assert_eq!(txn.truncate(&table).unwrap(), 10);
    assert!(all(&mut txn).is_empty());
    drop(txn);
    assert_eq!(all(&mut store.begin(options())).len(), 10);
}

#[test]
fn ranges_of_ordered_indexes() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    for id in 0..500 {
        insert(&mut txn, &def, row(id, &format!("{:03}", id / 5), 0));
    }
    let mut null = row(1000, "x", 0);
    null[0] = Value::Null;
    null[1] = Value::Null;
    insert(&mut txn, &def, null);
    sync(&store, txn);
    let mut txn = store.begin(options());
    let snapshot = txn.begin_statement(false);
    let mut ids = |index, range: IndexRange| {
        let (mut cursor, mut rows) = (IndexCursor::default(), Vec::new());
        while txn.index_batch(T, index, &range, &snapshot, &mut cursor, &mut rows).unwrap() {}
        rows.into_iter().map(|(_, row)| row[0].as_i64().unwrap_or(-1)).collect::<Vec<_>>()
    };
    let from = |lower: Option<(Value, bool)>, upper: Option<(Value, bool)>, reverse| IndexRange {
        prefix: Vec::new(),
        lower,
        upper,
        reverse,
    };
    let int = |n, included| Some((Value::Int8(n), included));
    assert_eq!(ids(PK, from(int(495, false), None, false)), [496, 497, 498, 499]);
    assert_eq!(ids(PK, from(None, int(3, true), true)), [3, 2, 1, 0]);
    assert_eq!(ids(PK, from(int(7, true), int(8, false), false)), [7]);
    assert_eq!(ids(PK, from(int(9, true), int(8, false), false)), [0; 0]);
    let everything = ids(PK, from(None, None, false));
    assert_eq!((everything.len(), everything[500]), (501, -1));
    let backwards: Vec<_> = everything.into_iter().rev().collect();
    assert_eq!(ids(PK, from(None, None, true)), backwards);
    assert_eq!(ids(PK, IndexRange { prefix: vec![Value::Null], ..IndexRange::default() }), [-1]);
    let text = |s: &str, included| Some((Value::text(s), included));
    assert_eq!(ids(BY_TAG, from(text("098", false), None, false)), [495, 496, 497, 498, 499]);
    assert_eq!(ids(BY_TAG, from(text("000", true), text("001", false), false)), [0, 1, 2, 3, 4]);
    assert_eq!(ids(BY_TAG, from(None, text("000", true), true)), [4, 3, 2, 1, 0]);
    assert_eq!(ids(BY_TAG, from(None, None, false)).last(), Some(&-1));
    assert_eq!(ids(BY_TAG, IndexRange { prefix: vec![Value::text("050")], ..IndexRange::default() }).len(), 5);
}

#[test]
fn one_directory_has_one_server() {
    let disk = MemDisk::new();
    let store = open(&disk);
    assert_eq!(open_with(&disk, small()).unwrap_err().state(), SqlState::OBJECT_IN_USE);
    drop(store);
    drop(open(&disk));
}

/// Prints what a million rows take: `cargo test --release -p tripline-sql --lib million -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; run by hand"]
fn a_million_rows() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    };
    let clock = Env::default().clock;
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let disk = Arc::new(FileDisk::new(dir.path()).unwrap());
        Store::open(StoreConfig::default(), disk, Env::default(), Arc::new(NoExtractors), &mut |_| {}).unwrap()
    };
    let store = open();
    create(&store);
    let mut def = table_def(TableId(50_000), vec![index(50_001, 0, DataType::INT8, true)]);
    let types = [DataType::INT8, DataType::INT4, DataType::INT4, DataType::FLOAT8, DataType::INT4, DataType::TEXT];
    def.columns = types.into_iter().map(|ty| column("c", ty)).collect();
    let def = Arc::new(def);
    let mut txn = store.begin(options());
    txn.change_catalog(put(Entry::Table(def.clone()))).unwrap();
    sync(&store, txn);
    let text = Value::text("x".repeat(40));
    let make = |id: i64| {
        let n = Value::Int4(i32::try_from(id).unwrap());
        vec![Value::Int8(id), n.clone(), n.clone(), Value::Float8(0.5), n, text.clone()]
    };
    let (before, start) = (resident(), clock.elapsed());
    for part in 0..100 {
        let mut txn = store.begin(options());
        for id in part * 10_000..(part + 1) * 10_000 {
            insert(&mut txn, &def, make(id));
        }
        sync(&store, txn);
    }
    println!(
        "100 x 10k inserts {:?}, {} bytes a row with 64 MB of log",
        clock.elapsed() - start,
        (resident() - before) / 1_000_000
    );
    let start = clock.elapsed();
    let mut txn = store.begin(options());
    for id in 2_000_000..2_200_000 {
        insert(&mut txn, &def, make(id));
    }
    println!("200k inserts in one transaction {:?}", clock.elapsed() - start);
    let start = clock.elapsed();
    sync(&store, txn);
    println!("its commit {:?}", clock.elapsed() - start);
    let start = clock.elapsed();
    let mut txn = store.begin(options());
    let snapshot = txn.begin_statement(false);
    for id in 0..200_000 {
        let key = [Value::Int8(id * 7919 % 1_000_000)];
        assert!(txn.index_first(def.id, 50_001, &key, &snapshot).unwrap().is_some());
    }
    println!("point look-up {:?}", (clock.elapsed() - start) / 200_000);
    let start = clock.elapsed();
    let (mut cursor, mut rows, mut count) = (ScanCursor::default(), Vec::new(), 0);
    loop {
        let more = txn.scan_batch(def.id, &snapshot, &mut cursor, &mut rows).unwrap();
        count += rows.len();
        rows.clear();
        if !more {
            break;
        }
    }
    println!("scan of {count} rows {:?}", clock.elapsed() - start);
    txn.end_statement(snapshot);
    let start = clock.elapsed();
    for id in 0..200_000 {
        let mut txn = store.begin(options());
        let snapshot = txn.begin_statement(true);
        let (row, old) = txn.index_first(def.id, 50_001, &[Value::Int8(id)], &snapshot).unwrap().unwrap();
        let mut new = old.clone();
        new[1] = Value::Int4(7);
        assert_eq!(txn.update(&def, row, &old, &new, &snapshot).unwrap(), WriteOutcome::Done);
        txn.end_statement(snapshot);
        txn.commit(CommitOptions { asynchronous: true, lazy: false }).unwrap();
    }
    println!("update in a transaction of its own {:?}", (clock.elapsed() - start) / 200_000);
    drop(txn);
    store.wait_blocking(store.newest()).unwrap();
    drop(store);
    let start = clock.elapsed();
    let store = open();
    println!("reopen from the log {:?}", clock.elapsed() - start);
    let start = clock.elapsed();
    store.checkpoint().unwrap();
    println!("checkpoint {:?}", clock.elapsed() - start);
    drop(store);
    let start = clock.elapsed();
    let store = open();
    println!("reopen from the checkpoint {:?}, {} rows", clock.elapsed() - start, store.row_estimate(def.id));
}

fn amount(row: &Row) -> i64 {
    row[2].as_i64().unwrap()
}

fn transfer(store: &Store, def: &Arc<TableDef>, rng: &SeededRng, pid: i32) -> Result<()> {
    let mut txn = store.begin(TxnOptions { pid, ..options() });
    let (from, to) = (i64::try_from(rng.next_u64() % 6).unwrap(), i64::try_from(rng.next_u64() % 6).unwrap());
    for (id, by) in [(from, -1), (to, 1)] {
        let snapshot = txn.begin_statement(true);
        let found = txn.index_first(T, PK, &[Value::Int8(id)], &snapshot)?;
        let (place, mut old) = found.expect("rows are never deleted");
        loop {
            let mut new = old.clone();
            new[2] = Value::Int4(i32::try_from(amount(&old)).unwrap() + by);
            new[1] = Value::text(format!("tag{}", rng.next_u64() % 3));
            match txn.update(def, place, &old, &new, &snapshot)? {
                WriteOutcome::Done => break,
                WriteOutcome::Newer(newer) => old = newer,
                other => panic!("{other:?}"),
            }
        }
        txn.end_statement(snapshot);
    }
    if rng.next_u64().is_multiple_of(5) {
        txn.rollback();
        return Ok(());
    }
    txn.commit(CommitOptions::default()).map(|_| ())
}

// Transfers between few rows from several threads, beside readers, checkpoints and key changes: the sum never changes.
#[test]
fn concurrent_transfers_keep_the_sum() {
    let disk = MemDisk::new();
    let (store, def) = with_table(&disk);
    let mut txn = store.begin(options());
    for id in 0..6 {
        insert(&mut txn, &def, row(id, "a", 100));
    }
    sync(&store, txn);
    let threads: Vec<_> = (1..=4)
        .map(|pid| {
            let (store, def) = (store.clone(), def.clone());
            std::thread::spawn(move || {
                let rng = SeededRng::new(u64::try_from(pid).unwrap());
                for _ in 0..400 {
                    if let Err(error) = transfer(&store, &def, &rng, pid) {
                        assert_eq!(error.state(), SqlState::DEADLOCK_DETECTED);
                    }
                }
            })
        })
        .collect();
    let mut rounds = 0;
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        let mut txn = store.begin(options());
        let rows = all(&mut txn);
        assert_eq!((rows.len(), rows.values().map(amount).sum::<i64>()), (6, 600));
        rounds += 1;
        if rounds % 50 == 0 {
            store.checkpoint().unwrap();
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    store.wait_blocking(store.newest()).unwrap();
    let rows = all(&mut store.begin(options()));
    assert_eq!(rows.values().map(amount).sum::<i64>(), 600);
    drop(store);
    disk.crash();
    assert_eq!(all(&mut open(&disk).begin(options())), rows);
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
