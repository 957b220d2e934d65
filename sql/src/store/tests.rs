//! Tests of the store as a whole, on a disk in memory that forgets what was not synced.

mod locks;
mod recovery;

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
        acl: Vec::new(),
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
        deferrable: false,
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
        default_acls: Vec::new(),
        acl: Vec::new(),
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
