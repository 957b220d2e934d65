//! AGGREGATE against tables in memory: the documented example, and random changes compared with a fresh computation.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tripline_sql::catalog::{
    Catalog, Column, Entry, IndexDef, IndexKey, IndexMethod, Level, Persistence, TableDef, TableId, Timing, TriggerDef,
    TriggerId,
};
use tripline_sql::change::{HookContext, Position, Prepared, QueryResult, RowChange, RowId};
use tripline_sql::env::{Rng, SeededRng};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Row, Value};

use super::Aggregate;
use crate::kind::{Attachment, Instance, Kind, RowTrigger, Running};

const SOURCE: TableId = TableId(1);
const TARGET: TableId = TableId(2);

/// Tables as maps; hidden ones know how many columns make their key.
#[derive(Default)]
struct Memory {
    catalog: Catalog,
    rows: HashMap<TableId, BTreeMap<u64, Row>>,
    next: u64,
    writes: u32,
}

fn define(id: Oid, name: &str, columns: &[(String, DataType)], key_columns: usize, unique: bool) -> TableDef {
    let column = |(name, ty): &(String, DataType)| Column {
        name: name.clone(),
        ty: *ty,
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
    };
    let key = |place: usize| IndexKey {
        column: Some(place),
        expr: None,
        ty: columns[place].1,
        descending: false,
        nulls_first: false,
        operator_class: None,
        collation: None,
    };
    let index = (key_columns > 0).then(|| IndexDef {
        oid: id + 1000,
        name: format!("{name}_key"),
        method: IndexMethod::Btree,
        keys: (0..key_columns).map(key).collect(),
        include: Vec::new(),
        unique,
        deferrable: false,
        nulls_not_distinct: false,
        primary: false,
        predicate: None,
        constraint: 0,
        upsert: false,
        options: Vec::new(),
        comment: None,
    });
    TableDef {
        id: TableId(id),
        schema: crate::script::ami::PUBLIC,
        name: name.to_owned(),
        owner: 10,
        row_type: 0,
        array_type: 0,
        columns: columns.iter().map(column).collect(),
        constraints: Vec::new(),
        indexes: index.into_iter().collect(),
        persistence: Persistence::Permanent,
        schema_version: 0,
        dialect: "ami".to_owned(),
        options: Vec::new(),
        maintained_by: 0,
        hidden: key_columns > 0,
        display: Vec::new(),
        acl: Vec::new(),
        comment: None,
        shape: tripline_sql::catalog::TableShape::default(),
    }
}

fn columns(list: &[(&str, DataType)]) -> Vec<(String, DataType)> {
    list.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect()
}

fn never<T>() -> Result<T> {
    Err(SqlError::internal("not in this test"))
}

impl HookContext for Memory {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::new(self.catalog.clone())
    }
    fn depth(&self) -> u32 {
        0
    }
    fn set_writer(&mut self, _: TriggerId) -> TriggerId {
        TriggerId::CLIENT
    }
    fn query(&mut self, _: &str, _: &[Value]) -> Result<QueryResult> {
        never()
    }
    fn prepare(&mut self, _: &str, _: &[Oid]) -> Result<Arc<dyn Prepared>> {
        never()
    }
    fn run(&mut self, _: &dyn Prepared, _: &[Value]) -> Result<QueryResult> {
        never()
    }
    fn scan(&mut self, table: TableId, visit: &mut dyn FnMut(RowId, &Row) -> Result<bool>) -> Result<()> {
        for (id, row) in self.rows.entry(table).or_default().clone() {
            if !visit(RowId(id), &row)? {
                break;
            }
        }
        Ok(())
    }
    fn lookup(&mut self, table: TableId, index: Oid, key: &[Value], _: bool) -> Result<Vec<(RowId, Row)>> {
        assert_eq!(index, table.0 + 1000);
        let rows = self.rows.entry(table).or_default().iter();
        let mut found: Vec<(RowId, Row)> =
            rows.filter(|(_, row)| row.starts_with(key)).map(|(id, row)| (RowId(*id), row.clone())).collect();
        found.sort_by(|(_, a), (_, b)| match (a.get(key.len()), b.get(key.len())) {
            (Some(Value::Bytea(a)), Some(Value::Bytea(b))) => a.cmp(b),
            _ => std::cmp::Ordering::Equal,
        });
        Ok(found)
    }
    fn fetch(&mut self, table: TableId, row: RowId, _: bool) -> Result<Option<Row>> {
        Ok(self.rows.entry(table).or_default().get(&row.0).cloned())
    }
    fn insert(&mut self, table: TableId, row: Row) -> Result<Option<RowId>> {
        self.writes += 1;
        let rows = self.rows.entry(table).or_default();
        // As in the store, the first row of a table has number 0.
        let id = rows.last_key_value().map_or(0, |(last, _)| last + 1);
        rows.insert(id, row);
        Ok(Some(RowId(id)))
    }
    fn update(&mut self, table: TableId, row: RowId, old: &Row, new: Row) -> Result<bool> {
        self.writes += 1;
        assert_eq!(self.rows.entry(table).or_default().insert(row.0, new).as_ref(), Some(old));
        Ok(true)
    }
    fn delete(&mut self, table: TableId, row: RowId, old: &Row) -> Result<bool> {
        self.writes += 1;
        assert_eq!(self.rows.entry(table).or_default().remove(&row.0).as_ref(), Some(old));
        Ok(true)
    }
    fn move_cursor(&mut self, _: TriggerId, _: Option<Position>) {}

    fn advance_cursor(&mut self, _: TriggerId, _: tripline_sql::change::Position, _: tripline_sql::change::Position) {}
    fn create_state_table(
        &mut self,
        _: TriggerId,
        name: &str,
        columns: &[(String, DataType)],
        key_columns: usize,
        unique: bool,
    ) -> Result<Arc<TableDef>> {
        self.next += 1;
        let id = Oid::try_from(self.next).unwrap() + 100;
        let def = Arc::new(define(id, &format!("{name}_{id}"), columns, key_columns, unique));
        self.catalog.put(Entry::Table(def.clone()));
        Ok(def)
    }
    fn ensure_index(&mut self, _: TriggerId, _: TableId, _: &[usize]) -> Result<Oid> {
        never()
    }
    fn update_trigger(&mut self, _: TriggerDef) -> Result<()> {
        never()
    }
    fn set_maintained_by(&mut self, table: TableId, trigger: TriggerId) -> Result<()> {
        let mut def = TableDef::clone(self.catalog.table(table).unwrap());
        def.maintained_by = trigger.0;
        self.catalog.put(Entry::Table(Arc::new(def)));
        Ok(())
    }
    fn notice(&mut self, _: SqlError) {}
    fn check_cancel(&self) -> Result<()> {
        Ok(())
    }
    fn scratch(&mut self, _: u64) -> &mut Option<Box<dyn Any + Send>> {
        unreachable!("not in this test")
    }
    fn now(&self) -> i64 {
        0
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

fn memory() -> Memory {
    let mut memory = Memory { next: 10, ..Memory::default() };
    let source = columns(&[
        ("account", DataType::TEXT),
        ("region", DataType::TEXT),
        ("qty", DataType::INT4),
        ("px", DataType::FLOAT8),
    ]);
    let target = columns(&[
        ("act", DataType::TEXT),
        ("region", DataType::TEXT),
        ("cnt", DataType::INT4),
        ("value", DataType::FLOAT8),
        ("low", DataType::INT4),
        ("high", DataType::INT4),
        ("first", DataType::FLOAT8),
        ("last", DataType::FLOAT8),
        ("kinds", DataType::INT8),
        ("spread", DataType::FLOAT8),
        ("note", DataType::TEXT),
    ]);
    memory.catalog.put(Entry::Table(Arc::new(define(1, "Accounts", &source, 0, false))));
    memory.catalog.put(Entry::Table(Arc::new(define(2, "Summary", &target, 0, false))));
    memory
}

fn definition(groups: &str, selects: &str) -> TriggerDef {
    TriggerDef {
        id: TriggerId(9),
        schema: crate::script::ami::PUBLIC,
        name: "MyTrigger".to_owned(),
        dialect: "ami".to_owned(),
        kind: "aggregate".to_owned(),
        tables: vec![SOURCE, TARGET],
        events: Vec::new(),
        timing: Timing::After,
        level: Level::Row,
        when: None,
        priority: 0,
        options: vec![("groupBys".to_owned(), groups.to_owned()), ("selects".to_owned(), selects.to_owned())],
        body: String::new(),
        text: String::new(),
        enabled: true,
        owner: 10,
        internal: Vec::new(),
        gone: Vec::new(),
        names: Vec::new(),
        former: tripline_sql::catalog::Former::default(),
    }
}

fn attach(memory: &mut Memory, groups: &str, selects: &str) -> Result<Arc<dyn RowTrigger>> {
    let def = Arc::new(Aggregate.check(memory, definition(groups, selects))?);
    let instance = Arc::new(Instance::default());
    Aggregate.created(memory, &instance, &def)?;
    memory.catalog.put(Entry::Trigger(def.clone()));
    let catalog = memory.catalog();
    let source = catalog.table(SOURCE).unwrap();
    match Aggregate.attach(&catalog, &def, Some(source), &instance)? {
        Some(Attachment::InTransaction(trigger)) => Ok(trigger),
        _ => never(),
    }
}

fn source_row(account: &str, region: Option<&str>, qty: i32, px: f64) -> Row {
    vec![Value::text(account), Value::from(region), Value::Int4(qty), Value::Float8(px)]
}

fn apply(memory: &mut Memory, running: &mut dyn Running, id: u64, new: Option<Row>) {
    let rows = memory.rows.entry(SOURCE).or_default();
    let old = match &new {
        Some(row) => rows.insert(id, row.clone()),
        None => rows.remove(&id),
    };
    let change = match (old, new) {
        (None, Some(new)) => RowChange::Insert { new },
        (Some(old), Some(new)) => RowChange::Update { old, new },
        (Some(old), None) => RowChange::Delete { old },
        (None, None) => return,
    };
    running.note(memory, SOURCE, RowId(id), &change).unwrap();
}

fn statement(memory: &mut Memory, trigger: &Arc<dyn RowTrigger>, changes: Vec<(u64, Option<Row>)>) {
    let mut running = trigger.clone().start(false);
    for (id, new) in changes {
        apply(memory, &mut *running, id, new);
    }
    running.finish(memory).unwrap();
}

fn target(memory: &Memory, width: usize) -> Vec<Row> {
    memory.rows.get(&TARGET).map(|rows| rows.values().map(|row| row[..width].to_vec()).collect()).unwrap_or_default()
}

// AMI-129
#[test]
fn documented_example() {
    let mut memory = memory();
    let trigger = attach(&mut memory, "act=account,region=region", "cnt=count(*),value=sum(qty*px)").unwrap();
    let row = |act: &str, region: Option<&str>, cnt: i32, value: f64| {
        vec![Value::text(act), Value::from(region), Value::Int4(cnt), Value::Float8(value)]
    };
    statement(
        &mut memory,
        &trigger,
        vec![
            (1, Some(source_row("a1", Some("US"), 10, 2.0))),
            (2, Some(source_row("a1", Some("US"), 5, 4.0))),
            (3, Some(source_row("a2", None, 1, 1.0))),
        ],
    );
    assert_eq!(target(&memory, 4), [row("a1", Some("US"), 2, 40.0), row("a2", None, 1, 1.0)]);
    statement(&mut memory, &trigger, vec![(2, Some(source_row("a1", Some("US"), 6, 4.0)))]);
    assert_eq!(target(&memory, 4), [row("a1", Some("US"), 2, 44.0), row("a2", None, 1, 1.0)]);
    statement(&mut memory, &trigger, vec![(2, Some(source_row("a2", None, 6, 4.0)))]);
    assert_eq!(target(&memory, 4), [row("a1", Some("US"), 1, 20.0), row("a2", None, 2, 25.0)]);
    statement(&mut memory, &trigger, vec![(2, None), (3, None)]);
    assert_eq!(target(&memory, 4), [row("a1", Some("US"), 1, 20.0)]);
    // AMI-128 and the price of one row in an existing group: one write of its state, one of its target.
    let before = memory.writes;
    statement(&mut memory, &trigger, vec![(7, Some(source_row("a1", Some("US"), 1, 1.0)))]);
    assert_eq!(memory.writes - before, 2);
    statement(&mut memory, &trigger, vec![(7, Some(source_row("a1", Some("US"), 1, 1.0)))]);
    assert_eq!(memory.writes - before, 2);
    assert_eq!(memory.catalog.table(TARGET).unwrap().maintained_by, 9);
}

const GROUPS: &str = "act=account,region=region";
const SELECTS: &str = "cnt=count(qty),value=sum(px)/count(*),low=min(qty),high=max(qty),first=first(px),last=last(px),kinds=countUnique(qty),spread=stdev(px),note=act+\"!\"";

// AMI-127: after any changes the target equals a rebuild
#[test]
fn equals_a_rebuild() {
    for seed in 0..8 {
        let rng = SeededRng::new(seed);
        let draw = |n: u64| rng.next_u64() % n;
        let selects = SELECTS.replace("act+", "account+");
        let mut memory = memory();
        let trigger = attach(&mut memory, GROUPS, &selects).unwrap();
        for _ in 0..60 {
            let changes = (0..=draw(5))
                .map(|_| {
                    let id = 1_000 + draw(25);
                    let account = ["a", "b", "c"][usize::try_from(draw(3)).unwrap()];
                    let region = [None, Some("x")][usize::try_from(draw(2)).unwrap()];
                    let mut row = source_row(account, region, i32::try_from(draw(6)).unwrap(), draw(100) as f64 / 7.0);
                    if draw(6) == 0 {
                        row[2] = Value::Null;
                    }
                    (id, (draw(4) != 0).then_some(row))
                })
                .collect();
            statement(&mut memory, &trigger, changes);
            let mut fresh = Memory { next: 5_000, ..self::memory() };
            fresh.rows.insert(SOURCE, memory.rows.get(&SOURCE).cloned().unwrap_or_default());
            attach(&mut fresh, GROUPS, &selects).unwrap();
            let sorted = |memory: &Memory| {
                let mut rows: Vec<String> = target(memory, 11).iter().map(|row| format!("{row:?}")).collect();
                rows.sort();
                rows
            };
            assert_eq!(sorted(&memory), sorted(&fresh), "seed {seed}");
        }
    }
}

// AMI-94, AMI-97, AMI-98, AMI-101, AMI-125, AMI-126
#[test]
fn refusals() {
    let refused = |groups: &str, selects: &str| attach(&mut memory(), groups, selects).err().map(|error| error.state());
    assert_eq!(refused("act=account", "cnt=avg(qty)"), Some(SqlState::FEATURE_NOT_SUPPORTED));
    assert_eq!(refused("act=account", "value=px"), Some(SqlState::GROUPING_ERROR));
    assert_eq!(refused("act=account", "value=nosuch"), Some(SqlState::UNDEFINED_COLUMN));
    assert_eq!(refused("act=account", "nosuch=count(*)"), Some(SqlState::UNDEFINED_COLUMN));
    assert_eq!(refused("act=account", "act=count(*)"), Some(SqlState::DUPLICATE_COLUMN));
    assert_eq!(refused("act=nosuch", "cnt=count(*)"), Some(SqlState::UNDEFINED_COLUMN));
    assert_eq!(refused("act=count(*)", "cnt=count(*)"), Some(SqlState::GROUPING_ERROR));
    assert_eq!(refused("act=account", ""), Some(SqlState::INVALID_PARAMETER_VALUE));
    assert_eq!(refused("act=account", "cnt=count(*),"), Some(SqlState::SYNTAX_ERROR));
    let mut def = definition("act=account", "cnt=count(*)");
    def.tables = vec![SOURCE, SOURCE];
    let error = Aggregate.check(&mut memory(), def).unwrap_err();
    assert_eq!(error.message(), "trigger \"MyTrigger\" would create a cycle: Accounts -> Accounts");
}
