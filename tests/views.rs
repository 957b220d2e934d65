//! Derived tables against plain SQL: random graphs of AGGREGATE, PROJECTION, JOIN and DECORATE, random changes from several
//! sessions with rollbacks and savepoints; after every commit each target equals its definition computed afresh (AMI-95,
//! AMI-100, AMI-127, AMI-141, AMI-189). A failing run prints its seed: `TRIPLINE_SEED` repeats it,
//! `TRIPLINE_LONG=1` runs 100,000 steps.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::direct::{open_with, session};
use harness::disk::{CrashDisk, Fault, Image, Loss};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tripline_sql::catalog::{Catalog, FunctionDef, TableDef, TriggerDef};
use tripline_sql::change::{Attached, CommitNo, HookContext, Hooks, RowChange, RowId, Verdict};
use tripline_sql::engine::Engine;
use tripline_sql::env::{Rng as _, SystemRng};
use tripline_sql::error::SqlError;
use tripline_sql::session::{Session, Step};
use tripline_sql::types::{Row, Value, encode_key};
use tripline_triggers::fire::Fire;

/// Base tables; all tables have the columns a bigint, b bigint, c text, d float8, and these an id before them.
const BASES: [&str; 3] = ["s0", "s1", "s2"];
/// A base table that `src` decorates.
const DECORATED: &str = "dec";

/// One derived table.
struct View {
    name: String,
    create: String,
    /// The query that it must equal.
    fresh: String,
    level: u32,
    /// Rows at most, by an estimate: joins of joins grow.
    weight: u64,
}

fn pick<'a, T: ?Sized>(rng: &mut StdRng, from: &[&'a T]) -> &'a T {
    from[rng.random_range(0..from.len())]
}

/// An aggregate: AMI's select and SQL's, for column b or d.
fn aggregate(rng: &mut StdRng) -> (&'static str, &'static str) {
    const ALL: [(&str, &str); 9] = [
        ("count(*)", "count(*)"),
        ("count(b)", "count(b)"),
        ("countUnique(b)", "count(DISTINCT b)"),
        ("sum(b)", "sum(b)::bigint"),
        ("min(b)", "min(b)"),
        ("max(b)", "max(b)"),
        ("first(b)", "(array_agg(b))[1]"),
        ("last(b)", "(array_agg(b))[count(*)]"),
        ("sum(b)-count(*)", "sum(b)::bigint-count(*)"),
    ];
    ALL[rng.random_range(0..ALL.len())]
}

fn spread(rng: &mut StdRng) -> (&'static str, &'static str) {
    const ALL: [(&str, &str); 5] = [
        ("var(b)", "var_pop(b)::float8"),
        ("stdev(b)", "stddev_pop(b)::float8"),
        ("stdevs(b)", "stddev_samp(b)::float8"),
        ("sum(d)", "sum(d)"),
        ("max(d)", "max(d)"),
    ];
    ALL[rng.random_range(0..ALL.len())]
}

fn text(rng: &mut StdRng) -> (&'static str, &'static str) {
    const ALL: [(&str, &str); 4] = [
        ("min(c)", "min(c)"),
        ("max(c)", "max(c)"),
        ("first(c)", "(array_agg(c))[1]"),
        ("last(c)", "(array_agg(c))[count(*)]"),
    ];
    ALL[rng.random_range(0..ALL.len())]
}

/// A random view over tables there are.
fn view(rng: &mut StdRng, number: usize, known: &[(String, u32, u64)]) -> Option<View> {
    let name = format!("t{number}");
    // Often over the newest: chains grow long.
    let place = if rng.random_bool(0.4) { known.len() - 1 } else { rng.random_range(0..known.len()) };
    let (source, level, weight) = known[place].clone();
    if level >= 6 {
        return None;
    }
    match rng.random_range(0..5) {
        0 | 1 => {
            let key = pick(rng, &["a", "b"]);
            let ((ami, sql), (ami_c, sql_c), (ami_d, sql_d)) = (aggregate(rng), text(rng), spread(rng));
            Some(View {
                create: format!(
                    "CREATE TRIGGER v{number} OFTYPE AGGREGATE ON {source},{name} USE groupBys='a={key}' selects='b={ami},c={ami_c},d={ami_d}'"
                ),
                fresh: format!(
                    "SELECT {key} AS a, {sql} AS b, {sql_c} AS c, {sql_d} AS d FROM {source} GROUP BY {key}"
                ),
                name,
                level: level + 1,
                weight: weight.min(20),
            })
        }
        2 => {
            let (other, other_level, other_weight) = known[rng.random_range(0..known.len())].clone();
            let wheres = [
                ("", "true"),
                ("b>3", "b>3"),
                ("c!=null", "c IS NOT NULL"),
                ("a==null || b<=a", "(a IS NULL OR b<=a)"),
            ];
            let (ami, sql) = wheres[rng.random_range(0..wheres.len())];
            let wheres = if ami.is_empty() { String::new() } else { format!("wheres='{ami}' ") };
            let (ami_a, sql_a) = [("a", "a"), ("b", "b"), ("a+1", "a+1")][rng.random_range(0..3)];
            let mut sources = vec![source];
            let mut level = level;
            let mut weight = weight;
            if other != sources[0] && rng.random_bool(0.5) && other_level < 6 {
                level = level.max(other_level);
                weight += other_weight;
                sources.push(other);
            }
            let fresh: Vec<String> = sources
                .iter()
                .map(|source| format!("SELECT {sql_a} AS a, b, c, d FROM {source} WHERE {sql}"))
                .collect();
            Some(View {
                create: format!(
                    "CREATE TRIGGER v{number} OFTYPE PROJECTION ON {},{name} USE {wheres}selects='a={ami_a},b=b,c=c,d=d'",
                    sources.join(",")
                ),
                fresh: fresh.join(" UNION ALL "),
                name,
                level: level + 1,
                weight,
            })
        }
        _ => {
            let (right, right_level, right_weight) = known[rng.random_range(0..known.len())].clone();
            let weight = weight * right_weight / 8;
            if right == source || right_level >= 6 || weight > 200 {
                return None;
            }
            let kind = pick(rng, &["INNER", "LEFT", "RIGHT", "OUTER", "LEFT ONLY", "RIGHT ONLY", "OUTER ONLY"]);
            let keys = [vec![("a", "a")], vec![("a", "b")], vec![("a", "a"), ("c", "c")]];
            let keys = &keys[rng.random_range(0..keys.len())];
            let on: Vec<String> = keys.iter().map(|(l, r)| format!("{source}.{l}=={right}.{r}")).collect();
            let sql_on: Vec<String> = keys.iter().map(|(l, r)| format!("l.{l} IS NOT DISTINCT FROM r.{r}")).collect();
            let sql_on = sql_on.join(" AND ");
            let mut parts = Vec::new();
            if !kind.ends_with("ONLY") {
                parts.push(format!("SELECT l.a, r.b, r.c, l.d FROM {source} l JOIN {right} r ON {sql_on}"));
            }
            if kind.starts_with("LEFT") || kind.starts_with("OUTER") {
                parts.push(format!(
                    "SELECT l.a, NULL, NULL, l.d FROM {source} l WHERE NOT EXISTS (SELECT 1 FROM {right} r WHERE {sql_on})"
                ));
            }
            if kind.starts_with("RIGHT") || kind.starts_with("OUTER") {
                parts.push(format!(
                    "SELECT NULL, r.b, r.c, NULL FROM {right} r WHERE NOT EXISTS (SELECT 1 FROM {source} l WHERE {sql_on})"
                ));
            }
            Some(View {
                create: format!(
                    "CREATE TRIGGER v{number} OFTYPE JOIN ON {source},{right},{name} USE type='{kind}' on='{}' selects='a={source}.a,b={right}.b,c={right}.c,d={source}.d'",
                    on.join(" && ")
                ),
                fresh: parts.join(" UNION ALL "),
                name,
                level: level.max(right_level) + 1,
                weight: weight.max(40),
            })
        }
    }
}

/// Runs a text as a client would, in the session's block or one of its own: its rows, or the SQLSTATE of a failure that
/// may happen to anybody.
fn simple(session: &mut Session, sql: &str) -> Result<Vec<Row>, String> {
    let result = statements(session, sql);
    if let Err(error) = &result {
        session.statement_failed(error);
    }
    session.simple_end(result.is_err());
    result.map_err(|error| {
        let state = error.state().as_str().to_owned();
        assert!(
            matches!(state.as_str(), "55P03" | "40001" | "40P01" | "25P02" | "23505" | "58030"),
            "{sql}: {state} {} {:?}",
            error.message(),
            error.fields().context
        );
        assert!(!error.message().contains("trigger_"), "{sql}: two rows of a hidden table have one key: {error:?}");
        state
    })
}

fn statements(session: &mut Session, sql: &str) -> Result<Vec<Row>, SqlError> {
    session.simple_begin(sql)?;
    let mut rows = Vec::new();
    while let Some(step) = session.simple_next(false)? {
        if let Step::Rows(_) = step {
            let mut sink = |row: &[Value]| {
                rows.push(row.to_vec());
                Ok(())
            };
            while !session.fetch(0, &mut sink)?.done {}
        }
    }
    Ok(rows)
}

fn must(session: &mut Session, sql: &str) -> Vec<Row> {
    simple(session, sql).unwrap_or_else(|state| panic!("{sql}: {state}"))
}

/// Rows in an order that does not see small differences of d, unless they are all that differs.
fn sorted(rows: Vec<Row>) -> Vec<Row> {
    let mut keyed: Vec<(Vec<u8>, f64, Row)> = rows
        .into_iter()
        .map(|row| {
            let mut key = Vec::new();
            row[..3].iter().for_each(|value| encode_key(value, false, false, &mut key));
            (key, row[3].as_f64().unwrap_or(f64::MAX), row)
        })
        .collect();
    keyed.sort_by(|x, y| x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)));
    keyed.into_iter().map(|(.., row)| row).collect()
}

fn same(x: &[Row], y: &[Row]) -> bool {
    let near = |x: &Value, y: &Value| match (x.as_f64(), y.as_f64()) {
        (Some(x), Some(y)) => (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1.0),
        (x, y) => x.is_none() && y.is_none(),
    };
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x[..3] == y[..3] && near(&x[3], &y[3]))
}

/// Every derived table as of one snapshot; not while some transaction keeps a table for itself.
fn check(session: &mut Session, views: &[View], label: &str) {
    if let Err(text) = compare(session, views) {
        panic!("{label}: {text}");
    }
}

/// The first derived table that is not what its definition says, and how it differs.
fn compare(session: &mut Session, views: &[View]) -> Result<(), String> {
    must(session, "SET lock_timeout = 1");
    must(session, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let tables: Vec<String> = BASES.iter().chain(&[DECORATED, "src"]).map(|name| (*name).to_owned()).collect();
    for table in tables.iter().chain(views.iter().map(|view| &view.name)) {
        if simple(session, &format!("SELECT 1 FROM {table} LIMIT 1")).is_err() {
            must(session, "ROLLBACK");
            return Ok(());
        }
    }
    for view in views {
        let found = sorted(must(session, &format!("SELECT a, b, c, d FROM {}", view.name)));
        let fresh = sorted(must(session, &view.fresh));
        if !same(&found, &fresh) {
            let mut text = String::new();
            let mut list = |word: &str, rows: &[Row], others: &[Row]| {
                let known =
                    |row: &Row| others.iter().any(|other| same(std::slice::from_ref(row), std::slice::from_ref(other)));
                for row in rows.iter().filter(|row| !known(row)) {
                    let _ = writeln!(text, "  {word}: {row:?}");
                }
            };
            list("only in the target", &found, &fresh);
            list("missing", &fresh, &found);
            return Err(format!(
                "{} has {} rows and should have {}\n{text}{}\n{}",
                view.name,
                found.len(),
                fresh.len(),
                view.create,
                view.fresh
            ));
        }
    }
    // AMI-144, AMI-147: whoever has a source row has its value.
    let wrong =
        must(session, "SELECT dec.*, src.c FROM dec JOIN src ON dec.a = src.a WHERE dec.c IS DISTINCT FROM src.c");
    if !wrong.is_empty() {
        return Err(format!("not decorated: {wrong:?}"));
    }
    must(session, "COMMIT");
    Ok(())
}

/// Tables and a random graph of views over them.
fn build(session: &mut Session, rng: &mut StdRng) -> Vec<View> {
    must(session, "CREATE TABLE s0 (id bigint PRIMARY KEY, a bigint, b bigint, c text, d float8)");
    must(session, "CREATE TABLE s1 (id bigint, a bigint, b bigint, c text, d float8)");
    must(session, "CREATE TABLE s2 (id bigint, a bigint, b bigint, c text, d float8)");
    must(session, "CREATE TABLE dec (id bigint, a bigint, b bigint, c text, d float8)");
    must(session, "CREATE TABLE src (a int PRIMARY KEY, c text)");
    for table in BASES {
        for _ in 0..rng.random_range(0..3) {
            let _ = simple(session, &insert(rng, table));
        }
    }
    must(session, "INSERT INTO src VALUES (1, 'one'), (2, 'two')");
    must(session, "INSERT INTO dec VALUES (1, 1, 1, NULL, 1), (2, 5, 2, 'five', 1)");
    let mut known: Vec<(String, u32, u64)> =
        BASES.iter().chain(&[DECORATED]).map(|name| ((*name).to_owned(), 0, 40)).collect();
    let mut views: Vec<View> = Vec::new();
    let decorate = "CREATE TRIGGER dd OFTYPE DECORATE ON src,dec PRIORITY -1 USE on='src.a==dec.a' selects='c=c' keysChange='true'";
    let first = rng.random_bool(0.5);
    if first {
        must(session, decorate);
    }
    while views.len() < 12 {
        let Some(view) = view(rng, views.len(), &known) else { continue };
        must(session, &format!("CREATE TABLE {} (a bigint, b bigint, c text, d float8)", view.name));
        must(session, &view.create);
        // Mostly on: chains grow long.
        known.push((view.name.clone(), view.level, view.weight));
        if rng.random_bool(0.4) {
            known.push((view.name.clone(), view.level, view.weight));
        }
        views.push(view);
    }
    if !first {
        must(session, decorate);
    }
    views
}

fn number(rng: &mut StdRng) -> String {
    if rng.random_bool(0.15) { "NULL".to_owned() } else { rng.random_range(0..9).to_string() }
}

fn word(rng: &mut StdRng) -> String {
    if rng.random_bool(0.2) { "NULL".to_owned() } else { format!("'{}'", pick(rng, &["x", "y", "z", "zz"])) }
}

fn insert(rng: &mut StdRng, table: &str) -> String {
    let rows: Vec<String> = (0..rng.random_range(1..5))
        .map(|_| {
            let (id, a, b, c, d) = (rng.random_range(0..60), number(rng), number(rng), word(rng), number(rng));
            format!("({id}, {a}, {b}, {c}, {d})")
        })
        .collect();
    let rows = rows.join(", ");
    match (table, rng.random_range(0..3)) {
        (DECORATED, _) => format!("INSERT INTO {table} (id, a, b, c, d) VALUES {rows}"),
        ("s0", 0) => format!(
            "INSERT INTO s0 SELECT DISTINCT ON (id) * FROM (VALUES {rows}) AS v(id, a, b, c, d) ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = coalesce(s0.b, 0) + 1"
        )
        .replace("FROM (VALUES", "FROM (VALUES (0::bigint, NULL::bigint, NULL::bigint, NULL::text, NULL::float8),"),
        ("s0", 1) => format!("INSERT INTO s0 VALUES {rows} ON CONFLICT DO NOTHING"),
        _ => format!("INSERT INTO {table} VALUES {rows}"),
    }
}

/// One random statement.
fn change(rng: &mut StdRng) -> String {
    if rng.random_bool(0.15) {
        let key = rng.random_range(0..9);
        return match rng.random_range(0..4) {
            0 => format!("DELETE FROM src WHERE a = {key}"),
            1 => format!("UPDATE src SET a = a + 20 WHERE a = {key}"),
            2 => format!("UPDATE src SET a = a - 20 WHERE a = {}", key + 20),
            _ => format!("INSERT INTO src VALUES ({key}, {0}) ON CONFLICT (a) DO UPDATE SET c = excluded.c", word(rng)),
        };
    }
    let table = pick(rng, &["s0", "s1", "s2", DECORATED]);
    let (id, low, column) = (rng.random_range(0..60), rng.random_range(0..60), pick(rng, &["a", "b", "d"]));
    match rng.random_range(0..10) {
        0..=3 => insert(rng, table),
        4 => format!("UPDATE {table} SET {column} = {} WHERE id = {id}", number(rng)),
        5 => format!("UPDATE {table} SET {column} = {column} + 1 WHERE id BETWEEN {low} AND {}", low + 20),
        6 if table != DECORATED => format!("UPDATE {table} SET c = {}, a = b WHERE id >= {low}", word(rng)),
        6 => format!("UPDATE {table} SET a = b WHERE id >= {low}"),
        7 => format!("DELETE FROM {table} WHERE id BETWEEN {low} AND {}", low + 15),
        8 if rng.random_bool(0.1) => format!("TRUNCATE {table}"),
        8 => format!("DELETE FROM {table} WHERE a = {}", rng.random_range(0..9)),
        _ => format!("DELETE FROM {table} WHERE id > {low}"),
    }
}

/// One client: what it is in the middle of.
struct Client {
    session: Session,
    open: bool,
    savepoint: bool,
}

impl Client {
    fn new(engine: &Engine) -> Client {
        let mut session = session(engine).expect("a session");
        // Only one runs at a time: who waits would wait for ever.
        must(&mut session, "SET lock_timeout = 1");
        Client { session, open: false, savepoint: false }
    }

    fn run(&mut self, sql: &str) -> bool {
        simple(&mut self.session, sql).is_ok()
    }

    /// One step; true if something was committed.
    fn step(&mut self, rng: &mut StdRng, log: &mut Vec<String>, name: usize) -> bool {
        let sql = match (self.open, rng.random_range(0..10)) {
            (false, 0..=3) => {
                self.open = true;
                let level = pick(rng, &["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
                format!("BEGIN ISOLATION LEVEL {level}")
            }
            (true, 0 | 1) => {
                self.open = false;
                self.savepoint = false;
                "COMMIT".to_owned()
            }
            (true, 2) => {
                self.open = false;
                self.savepoint = false;
                "ROLLBACK".to_owned()
            }
            (true, 3) => {
                self.savepoint = true;
                "SAVEPOINT p".to_owned()
            }
            (true, 4) if self.savepoint => "ROLLBACK TO p".to_owned(),
            _ => change(rng),
        };
        log.push(format!("{name}: {sql}"));
        let done = self.run(&sql);
        if !done {
            log.push("  failed".to_owned());
            if self.open {
                if self.savepoint && rng.random_bool(0.5) && self.run("ROLLBACK TO p") {
                    log.push(format!("{name}: ROLLBACK TO p"));
                } else {
                    self.run("ROLLBACK");
                    log.push(format!("{name}: ROLLBACK"));
                    self.open = false;
                    self.savepoint = false;
                }
            }
        }
        !self.open && done && sql != "ROLLBACK"
    }
}

/// `fold`: views write after so many changes, also in the middle of a statement.
fn open(disk: &CrashDisk, fold: usize) -> Engine {
    open_with(Arc::new(disk.clone()), Fire::folding(fold)).expect("it opens")
}

/// After how many changes views write: sometimes at once, sometimes at the end of the statement.
fn fold(rng: &mut StdRng) -> usize {
    [1, 3, usize::MAX][rng.random_range(0..3)]
}

fn seed() -> u64 {
    let seed =
        std::env::var("TRIPLINE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| SystemRng.next_u64());
    println!("TRIPLINE_SEED={seed}");
    seed
}

fn long() -> bool {
    std::env::var("TRIPLINE_LONG").is_ok()
}

#[test]
fn targets_equal_their_definitions() {
    let seed = seed();
    let (steps, per_graph) = if long() { (100_000, 1_000) } else { (5_000, 250) };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut done = 0;
    let mut made = String::new();
    let mut deepest = 0;
    while done < steps {
        let mut disk = CrashDisk::new(&Image::new(), None);
        let fold = fold(&mut rng);
        let mut engine = open(&disk, fold);
        let mut reader = session(&engine).expect("a session");
        let views = build(&mut reader, &mut rng);
        for view in &views {
            made.push_str(&view.create.to_ascii_lowercase());
            deepest = deepest.max(view.level);
        }
        let mut log: Vec<String> = Vec::new();
        check(&mut reader, &views, &format!("seed {seed}, created"));
        let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&engine)).collect();
        for _ in 0..per_graph {
            done += 1;
            let name = rng.random_range(0..clients.len());
            if clients[name].step(&mut rng, &mut log, name) {
                let last = log[log.len().saturating_sub(40)..].join("\n");
                check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, step {done}, after\n{last}"));
            }
            if rng.random_bool(0.004) {
                // Power gone in the middle of it all; the same directory again.
                log.push("-- crash".to_owned());
                if rng.random_bool(0.5) {
                    engine.checkpoint().expect("a checkpoint");
                }
                let image = disk.image(if rng.random_bool(0.5) { Loss::Unsynced } else { Loss::Nothing });
                disk = CrashDisk::new(&image, None);
                engine = open(&disk, fold);
                reader = session(&engine).expect("a session");
                clients = (0..3).map(|_| Client::new(&engine)).collect();
                check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, step {done}, opened again"));
            }
        }
    }
    // Whatever there is was among it.
    assert_eq!(deepest, 6, "the longest chain");
    let kinds = ["inner", "left", "right", "outer", "left only", "right only", "outer only"];
    for kind in kinds {
        assert!(made.contains(&format!("type='{kind}'")), "no {kind} join");
    }
    for aggregate in
        ["count(*)", "count(", "countunique(", "sum(", "min(", "max(", "first(", "last(", "var(", "stdev(", "stdevs("]
    {
        assert!(made.contains(&format!("={aggregate}")), "no {aggregate}");
    }
}

/// Real threads that wait for each other; deadlocks and serialization failures are part of it (AMI-100).
#[test]
fn concurrent_writers_lose_nothing() {
    let seed = seed();
    for round in 0..if long() { 40_u64 } else { 4 } {
        let disk = CrashDisk::new(&Image::new(), None);
        let mut rng = StdRng::seed_from_u64(seed ^ round);
        let engine = open(&disk, fold(&mut rng));
        let mut reader = session(&engine).expect("a session");
        let views = build(&mut reader, &mut rng);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let mut client = Client::new(&engine);
                must(&mut client.session, "SET lock_timeout = 0");
                scope.spawn(move || {
                    let mut rng = StdRng::seed_from_u64(seed ^ (round << 8) ^ (thread + 1));
                    for _ in 0..60 {
                        client.step(&mut rng, &mut Vec::new(), 0);
                    }
                    client.run("ROLLBACK");
                });
            }
            for _ in 0..10 {
                std::thread::sleep(std::time::Duration::from_millis(20));
                check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, round {round}, under way"));
            }
        });
        check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, round {round}, at the end"));
    }
}

/// The engine stops at a random call of the disk (AMI-189).
#[test]
fn a_stop_at_any_write_leaves_targets_right() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..if long() { 200 } else { 12 } {
        let graph: u64 = rng.random();
        let fold = fold(&mut rng);
        let disk = CrashDisk::new(&Image::new(), None);
        let engine = open(&disk, fold);
        let views = build(&mut session(&engine).expect("a session"), &mut StdRng::seed_from_u64(graph));
        let _ = engine.close();
        let disk = CrashDisk::new(&disk.image(Loss::Unsynced), Some((rng.random_range(2..80), Fault::Stop)));
        if let Ok(engine) = open_with(Arc::new(disk.clone()), Fire::folding(fold)) {
            let mut client = Client::new(&engine);
            for step in 0..60 {
                client.step(&mut rng, &mut Vec::new(), 0);
                if step == 30 {
                    let _ = engine.checkpoint();
                }
                if disk.met_fault() {
                    break;
                }
            }
        }
        let engine = open(&CrashDisk::new(&disk.image(Loss::Torn(round)), None), fold);
        let mut reader = session(&engine).expect("a session");
        check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, round {round}, opened again"));
        // It goes on from there.
        let mut client = Client::new(&engine);
        for _ in 0..20 {
            client.step(&mut rng, &mut Vec::new(), 0);
        }
        client.run("COMMIT");
        check(&mut reader, &views, &format!("TRIPLINE_SEED={seed}, round {round}, gone on"));
    }
}

/// What a source row's latest value is follows from the order of the changes, also when a key has many source rows
/// (AMI-146): a target row that comes takes it.
#[test]
fn a_new_target_row_takes_the_latest_of_many() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..if long() { 40 } else { 6 } {
        let disk = CrashDisk::new(&Image::new(), None);
        let fold = fold(&mut rng);
        let mut engine = open(&disk, fold);
        let mut session = session(&engine).expect("a session");
        must(&mut session, "CREATE SEQUENCE turn");
        must(&mut session, "CREATE TABLE src (id int, a int, turn bigint)");
        must(&mut session, "CREATE TABLE tgt (a int, turn bigint)");
        if rng.random_bool(0.5) {
            must(&mut session, "INSERT INTO src SELECT n, n % 3, nextval('turn') FROM generate_series(1, 40) AS n");
        }
        must(&mut session, "CREATE TRIGGER d OFTYPE DECORATE ON src,tgt USE on='src.a==tgt.a' selects='turn=turn'");
        let mut client = Client { session, open: false, savepoint: false };
        let mut log: Vec<String> = Vec::new();
        for step in 0..200 {
            let (key, id) = (rng.random_range(0..3), rng.random_range(0..60));
            let sql = match rng.random_range(0..16) {
                0 if !client.open => "BEGIN".to_owned(),
                1 if client.open => "SAVEPOINT p".to_owned(),
                2 if client.savepoint => "ROLLBACK TO p".to_owned(),
                3 if client.open => pick(&mut rng, &["COMMIT", "ROLLBACK"]).to_owned(),
                4..=8 => {
                    let many = rng.random_range(1..12);
                    format!(
                        "INSERT INTO src SELECT {id} + n, (n + {key}) % 3, nextval('turn') FROM generate_series(1, {many}) AS n"
                    )
                }
                9 | 10 => format!("UPDATE src SET turn = nextval('turn') WHERE id BETWEEN {id} AND {}", id + 3),
                11 => format!("UPDATE src SET a = {key}, turn = nextval('turn') WHERE id BETWEEN {id} AND {}", id + 3),
                12 => format!("DELETE FROM src WHERE id = {id}"),
                13 => format!("DELETE FROM src WHERE turn = (SELECT max(turn) FROM src WHERE a = {key})"),
                14 if rng.random_bool(0.1) => format!("DELETE FROM src WHERE a = {key}"),
                15 if rng.random_bool(0.1) && !client.open => {
                    engine.checkpoint().expect("a checkpoint");
                    engine = open(&CrashDisk::new(&disk.image(Loss::Nothing), None), fold);
                    client = Client::new(&engine);
                    "SELECT 1".to_owned()
                }
                _ => continue,
            };
            must(&mut client.session, &sql);
            match sql.as_str() {
                "BEGIN" => client.open = true,
                "COMMIT" | "ROLLBACK" => (client.open, client.savepoint) = (false, false),
                "SAVEPOINT p" => client.savepoint = true,
                _ => {}
            }
            log.push(sql);
            // In the transaction's eyes, and without leaving a trace.
            if !client.open {
                must(&mut client.session, "BEGIN");
            }
            must(&mut client.session, "SAVEPOINT probe");
            must(&mut client.session, "INSERT INTO tgt SELECT generate_series(0, 2)");
            let wrong = must(
                &mut client.session,
                "SELECT tgt.a, tgt.turn, latest.turn FROM tgt LEFT JOIN (SELECT a, max(turn) AS turn FROM src GROUP BY a) AS latest USING (a) WHERE tgt.turn IS DISTINCT FROM latest.turn",
            );
            assert!(
                wrong.is_empty(),
                "TRIPLINE_SEED={seed}, round {round}, step {step}: {wrong:?} after\n{}",
                log[log.len().saturating_sub(30)..].join("\n")
            );
            must(&mut client.session, "ROLLBACK TO probe");
            if !client.open {
                must(&mut client.session, "ROLLBACK");
            }
        }
    }
}

/// What is remembered of a key with many rows is right whatever comes, moves or goes, one by one or many at once, on
/// either side (AMI-138, AMI-141).
#[test]
fn a_join_with_many_rows_of_a_key_equals_its_definition() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    const TYPES: [(&str, &str); 4] = [
        ("LEFT", "LEFT JOIN r ON l.k IS NOT DISTINCT FROM r.k"),
        ("OUTER", "FULL JOIN r ON l.k = r.k"),
        ("INNER", "JOIN r ON l.k IS NOT DISTINCT FROM r.k"),
        ("RIGHT ONLY", "RIGHT JOIN r ON l.k IS NOT DISTINCT FROM r.k WHERE l.id IS NULL"),
    ];
    for round in 0..if long() { 40 } else { 6 } {
        let disk = CrashDisk::new(&Image::new(), None);
        let fold = fold(&mut rng);
        let mut engine = open(&disk, fold);
        let mut session = session(&engine).expect("a session");
        let (form, sql) = TYPES[rng.random_range(0..TYPES.len())];
        for table in ["l", "r"] {
            must(&mut session, &format!("CREATE TABLE {table} (id int, k int, v int)"));
        }
        must(&mut session, "CREATE TABLE t (a int, b int, x int, y int)");
        must(&mut session, "INSERT INTO l SELECT n, n % 2, n FROM generate_series(1, 150) AS n");
        must(
            &mut session,
            &format!(
                "CREATE TRIGGER j OFTYPE JOIN ON l,r,t USE type='{form}' on='l.k==r.k' selects='a=l.id,b=r.id,x=l.v,y=r.v'"
            ),
        );
        let mut client = Client { session, open: false, savepoint: false };
        let mut log: Vec<String> = Vec::new();
        // One side has many rows, the other few; now and then they change places.
        let mut many = "l";
        for step in 0..120 {
            let few = if many == "l" { "r" } else { "l" };
            let (key, id) = (rng.random_range(0..2), rng.random_range(0..400));
            let statement = match rng.random_range(0..20) {
                0 if !client.open => "BEGIN".to_owned(),
                1 if client.open => "SAVEPOINT p".to_owned(),
                2 if client.savepoint => "ROLLBACK TO p".to_owned(),
                3 if client.open => pick(&mut rng, &["COMMIT", "ROLLBACK"]).to_owned(),
                4 | 5 => {
                    format!("INSERT INTO {many} SELECT {id} + n, (n + {key}) % 2, n FROM generate_series(1, 60) AS n")
                }
                6 | 7 => format!("INSERT INTO {many} VALUES ({id}, {key}, {id})"),
                8 | 9 => format!("INSERT INTO {few} VALUES ({id}, {key}, {id})"),
                10 => format!("DELETE FROM {few} WHERE k = {key}"),
                11 => format!("UPDATE {few} SET v = v + 1 WHERE k = {key}"),
                12 => format!("UPDATE {few} SET k = 1 - k"),
                13 | 14 => format!("UPDATE {many} SET k = {key} WHERE id BETWEEN {id} AND {}", id + 40),
                15 => format!("UPDATE {many} SET v = v + 1 WHERE id BETWEEN {id} AND {}", id + 20),
                16 => format!("DELETE FROM {many} WHERE id BETWEEN {id} AND {}", id + 60),
                17 => format!("DELETE FROM {many} WHERE k = {key} AND id % 3 = 0"),
                18 if rng.random_bool(0.15) => {
                    many = few;
                    format!("DELETE FROM {few}; DELETE FROM {} WHERE id % 50 > 0", if few == "l" { "r" } else { "l" })
                }
                19 if rng.random_bool(0.2) && !client.open => {
                    engine.checkpoint().expect("a checkpoint");
                    engine = open(&CrashDisk::new(&disk.image(Loss::Nothing), None), fold);
                    client = Client::new(&engine);
                    "SELECT 1".to_owned()
                }
                _ => continue,
            };
            must(&mut client.session, &statement);
            match statement.as_str() {
                "BEGIN" => client.open = true,
                "COMMIT" | "ROLLBACK" => (client.open, client.savepoint) = (false, false),
                "SAVEPOINT p" => client.savepoint = true,
                _ => {}
            }
            log.push(statement);
            let fresh = format!("SELECT l.id, r.id, l.v, r.v FROM l {sql}");
            let wrong = must(
                &mut client.session,
                &format!("(({fresh}) EXCEPT ALL SELECT * FROM t) UNION ALL (SELECT * FROM t EXCEPT ALL ({fresh}))"),
            );
            assert!(
                wrong.is_empty(),
                "TRIPLINE_SEED={seed}, round {round}, step {step}, {form}: {wrong:?} after\n{}",
                log[log.len().saturating_sub(30)..].join("\n")
            );
        }
    }
}

/// A way to maintain views wrongly.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// A row that goes is not told.
    KeepsDeleted,
    /// Of a row that changes only the new image is told.
    KeepsOld,
    /// Of a row that changes only the old image is told.
    LosesNew,
    /// Each fifth new row is not told.
    LosesSome,
    /// Each fifth new row is told twice.
    TwiceSome,
    /// What stands in the first column is told as it was before.
    OldColumn,
}

/// The trigger layer with a fault, once it is switched on.
struct Faulty {
    inner: Arc<Fire>,
    mutation: Mutation,
    on: Arc<AtomicBool>,
}

/// The triggers of a table with a fault.
struct FaultyAttached {
    inner: Box<dyn Attached>,
    mutation: Mutation,
    rows: u64,
}

impl Attached for FaultyAttached {
    fn has_before(&self) -> bool {
        self.inner.has_before()
    }

    fn has_after(&self) -> bool {
        self.inner.has_after()
    }

    fn before(
        &mut self,
        ctx: &mut dyn HookContext,
        change: &RowChange,
        assigned: Option<&[usize]>,
    ) -> Result<Verdict, SqlError> {
        self.inner.before(ctx, change, assigned)
    }

    fn after(&mut self, ctx: &mut dyn HookContext, row: RowId, change: &RowChange) -> Result<(), SqlError> {
        self.rows += 1;
        let fifth = self.rows.is_multiple_of(5);
        let told = match (self.mutation, change) {
            (Mutation::KeepsDeleted, RowChange::Delete { .. }) => return Ok(()),
            (Mutation::LosesSome, RowChange::Insert { .. }) if fifth => return Ok(()),
            (Mutation::TwiceSome, RowChange::Insert { .. }) if fifth => {
                // Another row with the same values.
                self.inner.after(ctx, RowId(row.0 + (1 << 40)), change)?;
                change.clone()
            }
            (Mutation::KeepsOld, RowChange::Update { new, .. }) => RowChange::Insert { new: new.clone() },
            (Mutation::LosesNew, RowChange::Update { old, .. }) => RowChange::Delete { old: old.clone() },
            (Mutation::OldColumn, RowChange::Update { old, new }) => {
                let mut wrong = new.clone();
                wrong[1] = old[1].clone();
                RowChange::Update { old: old.clone(), new: wrong }
            }
            _ => change.clone(),
        };
        self.inner.after(ctx, row, &told)
    }

    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<(), SqlError> {
        self.inner.finish(ctx)
    }
}

impl Hooks for Faulty {
    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef, SqlError> {
        self.inner.check(ctx, def)
    }

    fn created(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<(), SqlError> {
        self.inner.created(ctx, def)
    }

    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<(), SqlError> {
        self.inner.dropped(ctx, def)
    }

    fn toggled(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<(), SqlError> {
        self.inner.toggled(ctx, def)
    }

    fn attached(&self, catalog: &Arc<Catalog>, table: &Arc<TableDef>, replica: bool) -> Option<Box<dyn Attached>> {
        let inner = self.inner.attached(catalog, table, replica)?;
        if !self.on.load(Ordering::Relaxed) {
            return Some(inner);
        }
        Some(Box::new(FaultyAttached { inner, mutation: self.mutation, rows: 0 }))
    }

    fn check_function(&self, def: &FunctionDef) -> Result<(), SqlError> {
        self.inner.check_function(def)
    }

    fn committed(&self, commit: CommitNo) {
        self.inner.committed(commit);
    }

    fn catalog_changed(&self) {
        self.inner.catalog_changed();
    }
}

/// Graphs of views that a fault has to be found out in one of.
const GRAPHS: usize = 8;

/// Whether wrong maintenance shows within some changes to one graph of views.
fn is_found(mutation: Mutation, rng: &mut StdRng) -> bool {
    let on = Arc::new(AtomicBool::new(false));
    let hooks = Faulty { inner: Fire::folding(fold(rng)), mutation, on: on.clone() };
    let engine = open_with(Arc::new(CrashDisk::new(&Image::new(), None)), Arc::new(hooks)).expect("it opens");
    let mut reader = session(&engine).expect("a session");
    let views = build(&mut reader, rng);
    let mut writer = session(&engine).expect("a session");
    on.store(true, Ordering::Relaxed);
    (0..200).any(|_| {
        let sql = change(rng);
        let result = statements(&mut writer, &sql);
        if let Err(error) = &result {
            writer.statement_failed(error);
        }
        writer.simple_end(result.is_err());
        match result {
            Err(error) if error.state().as_str() == "XX000" || error.message().contains("trigger_") => true,
            Err(_) => false,
            Ok(_) => compare(&mut reader, &views).is_err(),
        }
    })
}

/// What the comparison is worth: views that are maintained wrongly are found out, by a target that differs or by an
/// operator that meets a row which it never knew.
#[test]
fn wrong_maintenance_is_found() {
    use Mutation::{KeepsDeleted, KeepsOld, LosesNew, LosesSome, OldColumn, TwiceSome};
    let seed = seed();
    for mutation in [KeepsDeleted, KeepsOld, LosesNew, LosesSome, TwiceSome, OldColumn] {
        let mut rng = StdRng::seed_from_u64(seed);
        // Some graphs have no view that the fault would show in.
        let found = (0..GRAPHS).any(|_| is_found(mutation, &mut rng));
        assert!(found, "TRIPLINE_SEED={seed}: {mutation:?} went unnoticed");
    }
}
