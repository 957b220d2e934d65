//! AMIScript against a transaction of two small tables in memory: what scripts compute, what they do to rows, what they
//! ask of the engine.

use std::any::Any;
use std::sync::Arc;

use tripline_sql::catalog::{
    Catalog, Column, Entry, Level, Persistence, TableDef, TableId, Timing, TriggerDef, TriggerId,
};
use tripline_sql::change::{HookContext, Position, Prepared, QueryResult, RowChange, RowId, Verdict};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Row, Value};

use super::{AmiScript, Frame, Limits, Scope, Val, compile};
use crate::kind::{Attachment, Instance, Kind, RowTrigger};

fn table(id: Oid, name: &str, columns: &[(&str, DataType)]) -> TableDef {
    let column = |(name, ty): &(&str, DataType)| Column {
        name: (*name).to_owned(),
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
    TableDef {
        id: TableId(id),
        schema: super::PUBLIC,
        name: name.to_owned(),
        owner: 10,
        row_type: 0,
        array_type: 0,
        columns: columns.iter().map(column).collect(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        persistence: Persistence::Permanent,
        schema_version: 0,
        dialect: "ami".to_owned(),
        options: Vec::new(),
        maintained_by: 0,
        hidden: false,
        display: Vec::new(),
        acl: Vec::new(),
        comment: None,
        shape: tripline_sql::catalog::TableShape::default(),
    }
}

#[derive(Debug)]
struct Text(String);

impl Prepared for Text {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Records what scripts ask for.
struct Mock {
    catalog: Arc<Catalog>,
    inserted: Vec<Row>,
    statements: Vec<(String, Vec<Value>)>,
    answer: QueryResult,
    notices: Vec<String>,
    scratch: Option<Box<dyn Any + Send>>,
}

impl Mock {
    fn new() -> Mock {
        let mut catalog = Catalog::default();
        let orders = table(
            1,
            "Orders",
            &[("id", DataType::TEXT), ("qty", DataType::INT4), ("px", DataType::FLOAT8), ("val", DataType::FLOAT8)],
        );
        let alerts =
            table(2, "Alerts", &[("type", DataType::TEXT), ("id", DataType::TEXT), ("diff", DataType::FLOAT8)]);
        for def in [orders, alerts] {
            catalog.put(Entry::Table(Arc::new(def)));
        }
        Mock {
            catalog: Arc::new(catalog),
            inserted: Vec::new(),
            statements: Vec::new(),
            answer: QueryResult::default(),
            notices: Vec::new(),
            scratch: None,
        }
    }

    fn orders(&self) -> Arc<TableDef> {
        self.catalog.table(TableId(1)).unwrap().clone()
    }
}

fn never<T>() -> Result<T> {
    Err(SqlError::internal("not in this test"))
}

impl HookContext for Mock {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }
    fn depth(&self) -> u32 {
        0
    }
    fn set_writer(&mut self, _: TriggerId) -> TriggerId {
        TriggerId::CLIENT
    }
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<QueryResult> {
        self.statements.push((sql.to_owned(), params.to_vec()));
        Ok(self.answer.clone())
    }
    fn prepare(&mut self, sql: &str, _: &[Oid]) -> Result<Arc<dyn Prepared>> {
        Ok(Arc::new(Text(sql.to_owned())))
    }
    fn run(&mut self, statement: &dyn Prepared, params: &[Value]) -> Result<QueryResult> {
        let text = statement.as_any().downcast_ref::<Text>().unwrap().0.clone();
        self.query(&text, params)
    }
    fn scan(&mut self, _: TableId, _: &mut dyn FnMut(RowId, &Row) -> Result<bool>) -> Result<()> {
        never()
    }
    fn lookup(&mut self, _: TableId, _: Oid, _: &[Value], _: bool) -> Result<Vec<(RowId, Row)>> {
        never()
    }
    fn fetch(&mut self, _: TableId, _: RowId, _: bool) -> Result<Option<Row>> {
        never()
    }
    fn insert(&mut self, _: TableId, row: Row) -> Result<Option<RowId>> {
        self.inserted.push(row);
        Ok(Some(RowId(1)))
    }
    fn update(&mut self, _: TableId, _: RowId, _: &Row, _: Row) -> Result<bool> {
        never()
    }
    fn delete(&mut self, _: TableId, _: RowId, _: &Row) -> Result<bool> {
        never()
    }
    fn move_cursor(&mut self, _: TriggerId, _: Option<Position>) {}

    fn advance_cursor(&mut self, _: TriggerId, _: tripline_sql::change::Position, _: tripline_sql::change::Position) {}
    fn create_state_table(
        &mut self,
        _: TriggerId,
        _: &str,
        _: &[(String, DataType)],
        _: usize,
        _: bool,
    ) -> Result<Arc<TableDef>> {
        never()
    }
    fn ensure_index(&mut self, _: TriggerId, _: TableId, _: &[usize]) -> Result<Oid> {
        never()
    }
    fn update_trigger(&mut self, _: TriggerDef) -> Result<()> {
        never()
    }
    fn set_maintained_by(&mut self, _: TableId, _: TriggerId) -> Result<()> {
        never()
    }
    fn notice(&mut self, notice: SqlError) {
        self.notices.push(notice.message().to_owned());
    }
    fn check_cancel(&self) -> Result<()> {
        Ok(())
    }
    fn scratch(&mut self, _: u64) -> &mut Option<Box<dyn Any + Send>> {
        &mut self.scratch
    }
    fn now(&self) -> i64 {
        0
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

fn run_in(mock: &mut Mock, source: &str) -> Result<String> {
    let program = compile::script(source, Scope::EMPTY)?;
    let mut locals = Vec::new();
    let mut frame = Frame::new(&mut locals, Limits { steps: 1_000_000, memory_bytes: 1 << 20 });
    frame.ctx = Some(mock);
    super::value::to_string(&frame.run(&program)?.unwrap_or(Val::NULL))
}

fn run(source: &str) -> Result<String> {
    run_in(&mut Mock::new(), source)
}

#[track_caller]
fn gives(source: &str, expected: &str) {
    assert_eq!(run(source).unwrap_or_else(|error| panic!("{source}: {error}")), expected, "{source}");
}

#[track_caller]
fn fails(source: &str, state: SqlState) -> SqlError {
    let error = run(source).expect_err(source);
    assert_eq!(error.state(), state, "{source}: {error}");
    error
}

// AMI-25 to AMI-33
#[test]
fn expressions() {
    gives("return 35/2;", "17");
    gives("return 1 + 2 * 3 - 4 % 3;", "6");
    gives("return 125.2*100;", "12520.0");
    gives("return null == null;", "true");
    gives("return 1 < null;", "false");
    gives("return \"a\" + null + 1 + 2.0 + true;", "a12.0true");
    gives("return \"123\" == 123;", "true");
    gives("return (int) 3.9 + (Long) 1;", "4");
    gives("return 5 > 3 ? \"yes\" : \"no\";", "yes");
    gives("return 6 & 3 | 8 ^ 1;", "11");
    gives("return 1 << 4 >>> 2;", "4");
    gives("return 3 in (1,2,3) && 4 not in (1,2,3);", "true");
    gives("return \"hello\" =~ \"l+o\";", "true");
    gives(
        "return \"3Forge\"~~\"forg\" && !(\"FORGE\"~~\"^FORG$\") && !(\"forge\"~~\"~FORG\") && \"Bobby\"~~\"[RB]ob\";",
        "true",
    );
    fails("return 2147483647 + 1;", SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    gives("return 2147483647 + 1L;", "2147483648");
    gives("int i = \"12x\"; return i;", "null");
    gives("BigDecimal d = 0.1; return d * 3;", "0.3");
    gives("UTC u = 1422059533454L; return u + 1;", "1422059533455");
    gives("UTC u = 1422059533454L; return \"\" + u + (u == true);", "1422059533454false");
}

// AMI-65 to AMI-68
#[test]
fn statements_and_collections() {
    gives("int s = 0; for (int i = 0; i < 5; i++) { if (i == 3) continue; s += i; } return s;", "7");
    gives("int i = 0; while (true) { if (++i > 9) break; } return i;", "10");
    gives("int i = 5; return i++ + ++i;", "12");
    gives("List l = new List(1,2,3); l.add(4); int s; s = 0; for (int x : l) s += x; return s + l.size();", "14");
    gives(
        "Map m = {\"a\":1, \"b\":[1,null]}; m.put(\"c\", true); return m.toJson();",
        "{\"a\":1,\"b\":[1,null],\"c\":true}",
    );
    gives("Map m = new Map(\"k\", 1); m[\"k\"] += 4; return m.get(\"k\") + \",\" + m.get(\"x\");", "5,");
    gives("Set s = new Set(1,1,2); return s;", "[1, 2]");
    gives("Map m = {\"a\":1}; return m;", "{a=1}");
    gives("{ throw \"boom\"; } catch (Object e) { return \"got \" + e; }", "got boom");
    gives("String s = \"Hello\"; return s.substring(1,3) + s.toUpperCase() + s.indexOf(\"l\");", "elHELLO2");
    gives("int n = 3; return \"n is ${n + 1}!\";", "n is 4!");
    gives("String s; return s.length();", "null");
    fails("throw \"no\";", SqlState::RAISE_EXCEPTION);
}

// AMI-66, AMI-73
#[test]
fn compile_errors() {
    let error = fails("int a = 1;\nreturn qtty;", SqlState::UNDEFINED_COLUMN);
    assert_eq!(error.message(), "line 2: variable \"qtty\" does not exist");
    fails("int a; int a;", SqlState::DUPLICATE_COLUMN);
    fails("{ int a; } return a;", SqlState::UNDEFINED_COLUMN);
    fails("return nosuch(1);", SqlState::UNDEFINED_FUNCTION);
    fails("int a; return a.length();", SqlState::UNDEFINED_FUNCTION);
    fails("Strin a;", SqlState::UNDEFINED_OBJECT);
    fails("break;", SqlState::SYNTAX_ERROR);
}

// Limits
#[test]
fn limits() {
    fails("while (true) {}", SqlState::PROGRAM_LIMIT_EXCEEDED);
    fails("String s = \"xxxxxxxxxxxxxxxx\"; while (true) s += s;", SqlState::OUT_OF_MEMORY);
    fails("List l = new List(); while (true) { l.add(1); }", SqlState::OUT_OF_MEMORY);
}

fn method(mock: &mut Mock, declaration: &str) -> Result<super::Signature> {
    let signature = super::check_method(&mock.catalog, declaration)?;
    let def = tripline_sql::catalog::FunctionDef {
        oid: 900 + Oid::try_from(mock.catalog.functions().count()).unwrap(),
        schema: super::PUBLIC,
        name: signature.name.clone(),
        kind: tripline_sql::catalog::FunctionKind::Function,
        language: super::LANGUAGE.to_owned(),
        dialect: super::DIALECT.to_owned(),
        arguments: signature.arguments.clone(),
        defaults: Vec::new(),
        columns: Vec::new(),
        returns: signature.returns,
        returns_set: false,
        volatility: None,
        strict: false,
        body: declaration.to_owned(),
        options: Vec::new(),
        version: None,
        default_version: false,
        owner: 10,
        acl: Vec::new(),
        comment: None,
    };
    let mut catalog = Catalog::clone(&mock.catalog);
    catalog.put(Entry::Function(Arc::new(def)));
    mock.catalog = Arc::new(catalog);
    Ok(signature)
}

// AMI-74, AMI-76, AMI-77
#[test]
fn methods_and_routines() {
    use super::{Output, Routine, Source};
    let mut mock = Mock::new();
    let made = method(&mut mock, "Int fact(Int n) {\n if (n < 2) return 1;\n return n * fact(n - 1);\n};").unwrap();
    assert_eq!((made.text.as_str(), made.returns), ("fact(Int)", DataType::INT4));
    method(&mut mock, "String shown(Int n) { return \"int \" + n; }").unwrap();
    method(&mut mock, "String shown(String s) { return \"string \" + s; }").unwrap();
    method(&mut mock, "Int none() { int a = 1; }").unwrap();
    let error = method(&mut mock, "Int fact(Int n) { return 0; }").unwrap_err();
    assert_eq!(error.state(), SqlState::DUPLICATE_FUNCTION);
    let error = method(&mut mock, "Int bad(Int n) {\n return m; }").unwrap_err();
    assert_eq!(error.message(), "method bad(Int), line 2: variable \"m\" does not exist");
    let limits = Limits::AMI;
    let source = Source {
        option: "script",
        script: "return shown(_n) + \", \" + shown(\"x\") + \", \" + fact(_n) + \", \" + none();",
        arguments: "int _n",
        variables: "",
    };
    let routine = Routine::compile(&source, &mock.catalog.clone()).unwrap();
    let result = routine.run(&mut mock, &[Value::text("5")], None, limits).unwrap();
    assert_eq!(result, Output::Value(Value::text("int 5, string x, 120, ")));
    assert_eq!(routine.run(&mut mock, &[], None, limits).unwrap_err().state(), SqlState::UNDEFINED_FUNCTION);
    let methods = super::Methods::of(&mock.catalog.clone());
    let called = super::call_method(&mut mock, &methods, "fact", &[Value::Int8(4)], limits).unwrap();
    assert_eq!(called, Value::Int4(24));
    let error = super::call_method(&mut mock, &methods, "fact", &[Value::Int4(40)], limits).unwrap_err();
    assert_eq!(error.state(), SqlState::STATEMENT_TOO_COMPLEX);
    // In a statement's clauses too, where they hang on no column.
    let source = Source {
        option: "script",
        script: "update Orders set qty = fact(3) where id == shown(1)",
        ..Source::default()
    };
    Routine::compile(&source, &mock.catalog.clone()).unwrap().run(&mut mock, &[], None, limits).unwrap();
    assert_eq!(mock.statements.last().unwrap().1, [Value::Int4(6), Value::text("int 1")]);
    let counted = Source { script: "n++; return n;", variables: "int n", option: "script", arguments: "" };
    let counted = Routine::compile(&counted, &mock.catalog.clone()).unwrap();
    let kept = counted.variables();
    assert_eq!(counted.run(&mut mock, &[], Some(&kept), limits).unwrap(), Output::Value(Value::Null));
}

// AMI-71, AMI-56
#[test]
fn embedded_insert() {
    let mut mock = Mock::new();
    run_in(&mut mock, "int a = 2; insert into alerts values(\"x\" + a, null, a * 1.5); insert into Alerts(type,id) values(\"C\", \"i\", 7)").unwrap();
    assert_eq!(
        mock.inserted,
        [
            vec![Value::text("x2"), Value::Null, Value::Float8(3.0)],
            vec![Value::text("C"), Value::text("i"), Value::Float8(7.0)],
        ]
    );
    assert_eq!(mock.notices.len(), 1);
    assert_eq!(run_in(&mut mock, "insert into nosuch values(1)").unwrap_err().state(), SqlState::UNDEFINED_TABLE);
    assert_eq!(run_in(&mut mock, "insert into Alerts values(1)").unwrap_err().state(), SqlState::SYNTAX_ERROR);
}

// AMI-71, AMI-72
#[test]
fn embedded_statements() {
    let mut mock = Mock::new();
    mock.answer = QueryResult {
        columns: vec![("n".to_owned(), DataType::INT8)],
        rows: vec![vec![Value::Int8(3)]],
        count: 1,
        tag: String::new(),
    };
    let source = "int lim = 5; String who = null;
        int n = select count(*) as n from Orders where qty > lim * 2 && id == who;
        update Orders set val = px * qty, id = \"z\" + lim where id == \"a\" or not (qty < 3);
        delete from Orders where val / qty >= lim;
        return n;";
    assert_eq!(run_in(&mut mock, source).unwrap(), "3");
    let texts: Vec<&str> = mock.statements.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "select count(*) as `n` from `public`.`Orders` where `qty` > $1 && `id` == $2",
            "update `public`.`Orders` set `val` = `px` * `qty`, `id` = $1 where `id` == \"a\" || !(`qty` < 3)",
            "delete from `public`.`Orders` where `val` / `qty` >= $1",
        ]
    );
    assert_eq!(mock.statements[0].1, [Value::Int4(10), Value::Null]);
    assert_eq!(mock.statements[1].1, [Value::text("z5")]);
}

fn trigger(mock: &mut Mock, options: &[(&str, &str)]) -> Result<(Arc<dyn RowTrigger>, Arc<Instance>)> {
    let def = TriggerDef {
        id: TriggerId(9),
        schema: super::PUBLIC,
        name: "t".to_owned(),
        dialect: "ami".to_owned(),
        kind: "amiscript".to_owned(),
        tables: vec![TableId(1)],
        events: Vec::new(),
        timing: Timing::Before,
        level: Level::Row,
        when: None,
        priority: 0,
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        body: String::new(),
        text: String::new(),
        enabled: true,
        owner: 10,
        internal: Vec::new(),
        gone: Vec::new(),
        names: Vec::new(),
        former: tripline_sql::catalog::Former::default(),
    };
    let def = Arc::new(AmiScript.check(mock, def)?);
    let instance = Arc::new(Instance::default());
    AmiScript.created(mock, &instance, &def)?;
    let orders = mock.orders();
    match AmiScript.attach(&mock.catalog.clone(), &def, Some(&orders), &instance)? {
        Some(Attachment::InTransaction(trigger)) => Ok((trigger, instance)),
        _ => never(),
    }
}

fn row(id: &str, qty: i32, px: f64) -> Row {
    vec![Value::text(id), Value::Int4(qty), Value::Float8(px), Value::Null]
}

// AMI-105 to AMI-114
#[test]
fn row_events() {
    let mut mock = Mock::new();
    let options = [
        ("canMutateRow", "true"),
        ("vars", "int cnt"),
        ("onStartupScript", "cnt = 10"),
        ("rowVar", "r"),
        ("onInsertingScript", "if (qty < 0) return false; val=px*qty; cnt++;"),
        ("onInsertedScript", "insert into Alerts values(r.toJson(), \"n\" + cnt, val); val = 0.0"),
        (
            "onUpdatingScript",
            "new_val=new_px*new_qty; id = \"ignored\"; insert into Alerts values(\"\" + new_r, id, new_px - old_px)",
        ),
    ];
    let (trigger, instance) = trigger(&mut mock, &options).unwrap();
    let mut running = trigger.start(false);
    let mut before = |mock: &mut Mock, change: RowChange, assigned: Option<&[usize]>| {
        running.before(mock, &change, assigned, TriggerId::CLIENT).unwrap()
    };
    let mut wanted = row("a", 3, 1.5);
    wanted[3] = Value::Float8(4.5);
    assert_eq!(before(&mut mock, RowChange::Insert { new: row("a", 3, 1.5) }, None), Verdict::Replace(wanted.clone()));
    assert_eq!(before(&mut mock, RowChange::Insert { new: row("b", -3, 1.5) }, None), Verdict::Skip);
    let mut updated = row("a", 4, 2.0);
    updated[3] = Value::Float8(8.0);
    let change = RowChange::Update { old: wanted.clone(), new: row("a", 4, 2.0) };
    assert_eq!(before(&mut mock, change, Some(&[1, 2])), Verdict::Replace(updated));
    assert_eq!(
        mock.inserted.pop().unwrap(),
        vec![Value::text("[qty=4, px=2.0]"), Value::text("a"), Value::Float8(0.5)]
    );
    running.after(&mut mock, RowId(1), &RowChange::Insert { new: wanted }).unwrap();
    let json = "{\"id\":\"a\",\"qty\":3,\"px\":1.5,\"val\":4.5}";
    assert_eq!(mock.inserted.pop().unwrap(), vec![Value::text(json), Value::text("n11"), Value::Float8(4.5)]);
    assert_eq!(instance.returned_false.load(std::sync::atomic::Ordering::Relaxed), 1);
}

// AMI-89, AMI-103, AMI-107, AMI-113, AMI-115, AMI-21
#[test]
fn definitions_and_context() {
    let mut mock = Mock::new();
    let mut state = |options: &[(&str, &str)]| trigger(&mut mock, options).err().map(|error| error.state());
    assert_eq!(state(&[]), Some(SqlState::INVALID_OBJECT_DEFINITION));
    assert_eq!(state(&[("vars", "int qty"), ("onInsertedScript", "")]), Some(SqlState::DUPLICATE_COLUMN));
    assert_eq!(state(&[("nosuch", "1"), ("onInsertedScript", "")]), Some(SqlState::INVALID_PARAMETER_VALUE));
    assert_eq!(state(&[("canMutateRow", "maybe"), ("onInsertedScript", "")]), Some(SqlState::INVALID_PARAMETER_VALUE));
    assert_eq!(state(&[("rowVar", "1x"), ("onInsertedScript", "")]), Some(SqlState::INVALID_NAME));
    assert_eq!(state(&[("rowVar", "qty"), ("onUpdatingScript", "")]), Some(SqlState::DUPLICATE_COLUMN));
    assert_eq!(state(&[("rowVar", "r"), ("onInsertedScript", "r.put(1,2)")]), Some(SqlState::WRONG_OBJECT_TYPE));
    assert_eq!(state(&[("onUpdatedScript", "return old_qty")]), Some(SqlState::UNDEFINED_COLUMN));
    let (failing, _) = trigger(&mut mock, &[("onInsertedScript", "throw \"x\"")]).unwrap();
    let error =
        failing.start(false).after(&mut mock, RowId(1), &RowChange::Insert { new: row("a", 1, 1.0) }).unwrap_err();
    let context = "AMI trigger \"t\" onInsertedScript on table \"Orders\", line 1";
    assert_eq!(error.fields().context.as_deref(), Some(context));
}

// Cost of one call that assigns one column: printed, not asserted (machines differ).
#[test]
fn cost_of_one_assignment() {
    let mut mock = Mock::new();
    let (trigger, _) = trigger(&mut mock, &[("canMutateRow", "true"), ("onInsertingScript", "val=px*qty")]).unwrap();
    let change = RowChange::Insert { new: row("a", 3, 1.5) };
    let clock = tripline_sql::env::SystemClock::default();
    let started = tripline_sql::env::Clock::elapsed(&clock);
    let mut running = trigger.start(false);
    for _ in 0..10_000 {
        let verdict = running.before(&mut mock, &change, None, TriggerId::CLIENT).unwrap();
        assert!(matches!(verdict, Verdict::Replace(_)));
    }
    println!("one call: {} ns", (tripline_sql::env::Clock::elapsed(&clock) - started).as_nanos() / 10_000);
}

fn stored(mock: &mut Mock, id: Oid, priority: i64, options: &[(&str, &str)]) {
    let def = TriggerDef {
        id: TriggerId(id),
        schema: super::PUBLIC,
        name: format!("t{id}"),
        dialect: "ami".to_owned(),
        kind: "amiscript".to_owned(),
        tables: vec![TableId(1)],
        events: Vec::new(),
        timing: Timing::Before,
        level: Level::Row,
        when: None,
        priority,
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        body: String::new(),
        text: String::new(),
        enabled: true,
        owner: 10,
        internal: Vec::new(),
        gone: Vec::new(),
        names: Vec::new(),
        former: tripline_sql::catalog::Former::default(),
    };
    let mut catalog = Catalog::clone(&mock.catalog);
    catalog.put(Entry::Trigger(Arc::new(def)));
    mock.catalog = Arc::new(catalog);
}

// AMI-84, AMI-88, AMI-109, AMI-111, AMI-112
#[test]
fn triggers_of_a_table_see_each_other() {
    use tripline_sql::change::Hooks;
    let mut mock = Mock::new();
    stored(
        &mut mock,
        20,
        5,
        &[("canMutateRow", "true"), ("onInsertingScript", "val = val + 1.0; if (qty == 9) return false")],
    );
    stored(
        &mut mock,
        21,
        -1,
        &[
            ("canMutateRow", "true"),
            ("onInsertingScript", "val = 10.0"),
            ("onUpdatingScript", "new_px = old_px; new_qty = old_qty"),
        ],
    );
    stored(
        &mut mock,
        22,
        5,
        &[
            ("canMutateRow", "true"),
            ("onInsertingScript", "val = val * 2"),
            ("onUpdatingScript", "throw \"not reached\""),
        ],
    );
    let fire = crate::Fire::new();
    let orders = mock.orders();
    let catalog = mock.catalog.clone();
    let mut attached = fire.attached(&catalog, &orders, false).unwrap();
    assert!(attached.has_before() && !attached.has_after());
    let mut wanted = row("a", 1, 1.0);
    wanted[3] = Value::Float8(22.0);
    let verdict = attached.before(&mut mock, &RowChange::Insert { new: row("a", 1, 1.0) }, None).unwrap();
    assert_eq!(verdict, Verdict::Replace(wanted));
    let verdict = attached.before(&mut mock, &RowChange::Insert { new: row("a", 9, 1.0) }, None).unwrap();
    assert_eq!(verdict, Verdict::Skip);
    // Mutated back to what is stored: the later trigger does not run.
    let change = RowChange::Update { old: row("a", 1, 1.0), new: row("a", 2, 3.0) };
    assert_eq!(attached.before(&mut mock, &change, None).unwrap(), Verdict::Replace(row("a", 1, 1.0)));
    // A table without triggers has none; a kept set goes with its definitions.
    let alerts = mock.catalog.table(TableId(2)).unwrap().clone();
    assert!(fire.attached(&catalog, &alerts, false).is_none());
    stored(&mut mock, 22, 5, &[("onInsertedScript", "nosuch = 1")]);
    let catalog = mock.catalog.clone();
    let mut attached = fire.attached(&catalog, &orders, false).unwrap();
    let error = attached.before(&mut mock, &RowChange::Insert { new: row("a", 1, 1.0) }, None).unwrap_err();
    assert_eq!(error.state(), SqlState::UNDEFINED_COLUMN);
}
