//! Behaviour of sessions over an engine in memory: DML, constraints, transactions, cursors, COPY.

use std::sync::Arc;

use super::{Session, Step, TransactionStatus};
use crate::change::NoHooks;
use crate::engine::{Engine, EngineConfig, SessionOptions};
use crate::env::Env;
use crate::error::{Result, SqlError};
use crate::store::MemDisk;
use crate::types::to_text;

fn engine() -> Engine {
    let disk = Arc::new(MemDisk::default());
    Engine::open(EngineConfig::default(), disk, Env::default(), Arc::new(NoHooks), &mut |_| {}).unwrap()
}

fn session(engine: &Engine) -> Session {
    let options =
        SessionOptions { user: "admin".to_owned(), database: "postgres".to_owned(), ..SessionOptions::default() };
    engine.session(options).unwrap()
}

/// Runs a message: rows as text joined by `|`, tags as they are.
fn try_sql(session: &mut Session, text: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let result = (|| {
        session.simple_begin(text)?;
        while let Some(step) = session.simple_next(false)? {
            match step {
                Step::Waits(_) => unreachable!("it may not wait here"),
                Step::Rows(columns) => {
                    let style = session.text_style().clone();
                    let mut sink = |row: &[crate::types::Value]| {
                        let fields: Vec<String> = row
                            .iter()
                            .zip(columns.iter())
                            .map(|(value, column)| {
                                let mut text = String::new();
                                if value.is_null() {
                                    text.push_str("null");
                                } else {
                                    to_text(value, column.ty, &style, &mut text);
                                }
                                text
                            })
                            .collect();
                        out.push(fields.join("|"));
                        Ok(())
                    };
                    while !session.fetch(0, &mut sink)?.done {}
                    let _ = session.tag();
                }
                Step::Done(tag) => out.push(tag),
                Step::Empty | Step::CopyIn { .. } | Step::Procedure => {}
                Step::CopyOut { .. } => {
                    let mut bytes = Vec::new();
                    while session.fetch_copy(&mut |body| bytes.extend_from_slice(body))? {}
                    out.push(String::from_utf8_lossy(&bytes).into_owned());
                }
            }
        }
        Ok(())
    })();
    match result {
        Ok(()) => {
            if let Some(commit) = session.simple_end(false) {
                session.backend.shared.store.wait_blocking(commit)?;
            }
            Ok(out)
        }
        Err(error) => {
            session.statement_failed(&error);
            session.simple_end(true);
            Err(error)
        }
    }
}

fn sql(session: &mut Session, text: &str) -> Vec<String> {
    try_sql(session, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fails(session: &mut Session, text: &str) -> SqlError {
    match try_sql(session, text) {
        Ok(rows) => panic!("{text}: gave {rows:?}"),
        Err(error) => error,
    }
}

#[test]
fn constants_and_expressions() {
    let engine = engine();
    let mut s = session(&engine);
    assert_eq!(sql(&mut s, "SELECT 1"), ["1"]);
    assert_eq!(sql(&mut s, "SELECT 1 + 1 AS two, 'a' || 'b'; SELECT 3"), ["2|ab", "3"]);
    assert!(sql(&mut s, " ; -- nothing").is_empty());
}

// PG-160, PG-161, PG-165
#[test]
fn rows_are_written_and_read() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL, qty int DEFAULT 5 CHECK (qty > 0))");
    assert_eq!(sql(&mut s, "INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b')"), ["INSERT 0 2"]);
    assert_eq!(sql(&mut s, "INSERT INTO t VALUES (3, 'c', 7) RETURNING id, qty"), ["3|7"]);
    assert_eq!(sql(&mut s, "SELECT name FROM t WHERE id = 2"), ["b"]);
    assert_eq!(sql(&mut s, "SELECT * FROM t ORDER BY id DESC"), ["3|c|7", "2|b|5", "1|a|5"]);
    assert_eq!(sql(&mut s, "UPDATE t SET qty = qty + 1 WHERE id < 3"), ["UPDATE 2"]);
    assert_eq!(sql(&mut s, "SELECT sum(qty), count(*) FROM t"), ["19|3"]);
    assert_eq!(sql(&mut s, "DELETE FROM t WHERE id = 3 RETURNING name"), ["c"]);
    let error = fails(&mut s, "INSERT INTO t VALUES (1, 'x', 1)");
    assert_eq!(error.state().as_str(), "23505");
    assert_eq!(error.fields().detail.as_deref(), Some("Key (id)=(1) already exists."));
    let error = fails(&mut s, "INSERT INTO t (id) VALUES (9)");
    assert_eq!(error.state().as_str(), "23502");
    assert_eq!(error.fields().detail.as_deref(), Some("Failing row contains (9, null, 5)."));
    assert_eq!(fails(&mut s, "INSERT INTO t VALUES (9, 'x', 0)").state().as_str(), "23514");
    assert_eq!(sql(&mut s, "SELECT count(*) FROM t"), ["2"]);
}

// PG-166
#[test]
fn on_conflict() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int PRIMARY KEY, n int)");
    sql(&mut s, "INSERT INTO t VALUES (1, 1)");
    assert_eq!(sql(&mut s, "INSERT INTO t VALUES (1, 5) ON CONFLICT DO NOTHING"), ["INSERT 0 0"]);
    assert_eq!(
        sql(&mut s, "INSERT INTO t VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n RETURNING n"),
        ["6"]
    );
    let twice = "INSERT INTO t VALUES (2, 1), (2, 2) ON CONFLICT (id) DO UPDATE SET n = excluded.n";
    assert_eq!(fails(&mut s, twice).state().as_str(), "21000");
}

// PG-160
#[test]
fn foreign_keys() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int, p int REFERENCES p ON DELETE CASCADE)");
    sql(&mut s, "INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (10, 1), (20, 2), (30, NULL)");
    let error = fails(&mut s, "INSERT INTO c VALUES (40, 7)");
    assert_eq!(error.state().as_str(), "23503");
    assert_eq!(error.fields().detail.as_deref(), Some("Key (p)=(7) is not present in table \"p\"."));
    sql(&mut s, "DELETE FROM p WHERE id = 1");
    assert_eq!(sql(&mut s, "SELECT id FROM c ORDER BY id"), ["20", "30"]);
    sql(&mut s, "CREATE TABLE d (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
    sql(&mut s, "BEGIN; INSERT INTO d VALUES (99)");
    assert_eq!(fails(&mut s, "COMMIT").state().as_str(), "23503");
    sql(&mut s, "BEGIN; INSERT INTO d VALUES (99); INSERT INTO p VALUES (99); COMMIT");
    assert_eq!(sql(&mut s, "SELECT p FROM d"), ["99"]);
}

// PG-146, PG-147
#[test]
fn blocks_and_savepoints() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int PRIMARY KEY)");
    sql(&mut s, "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2)");
    assert_eq!(fails(&mut s, "INSERT INTO t VALUES (1)").state().as_str(), "23505");
    assert_eq!(s.transaction_status(), TransactionStatus::Failed);
    assert_eq!(fails(&mut s, "SELECT 1").state().as_str(), "25P02");
    sql(&mut s, "ROLLBACK TO a");
    assert_eq!(s.transaction_status(), TransactionStatus::InBlock);
    sql(&mut s, "INSERT INTO t VALUES (3); COMMIT");
    assert_eq!(sql(&mut s, "SELECT id FROM t ORDER BY 1"), ["1", "3"]);
    // An error undoes the earlier statements of the message (PG-21).
    fails(&mut s, "INSERT INTO t VALUES (5); INSERT INTO t VALUES (1)");
    assert_eq!(sql(&mut s, "SELECT count(*) FROM t"), ["2"]);
}

// PG-140
#[test]
fn a_writer_waits_and_goes_on_with_the_newest_row() {
    let engine = engine();
    let mut a = session(&engine);
    sql(&mut a, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
    sql(&mut a, "BEGIN; UPDATE t SET n = n + 1 WHERE id = 1");
    let mut b = session(&engine);
    let waiting = std::thread::spawn(move || {
        sql(&mut b, "UPDATE t SET n = n * 10 WHERE id = 1");
        sql(&mut b, "SELECT n FROM t")
    });
    sql(&mut a, "COMMIT");
    assert_eq!(waiting.join().unwrap(), ["20"]);
}

#[test]
fn cursors_move_both_ways() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 5)");
    sql(&mut s, "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY id");
    assert_eq!(sql(&mut s, "FETCH 2 FROM c"), ["1", "2"]);
    assert_eq!(sql(&mut s, "FETCH BACKWARD 1 FROM c"), ["1"]);
    assert_eq!(sql(&mut s, "FETCH LAST FROM c"), ["5"]);
    assert_eq!(sql(&mut s, "MOVE ABSOLUTE 2 IN c; FETCH NEXT FROM c"), ["MOVE 1", "3"]);
    sql(&mut s, "CLOSE c; COMMIT");
    assert_eq!(fails(&mut s, "FETCH c").state().as_str(), "34000");
}

// PG-35, PG-36
#[test]
fn copy_in_pieces() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int, name text)");
    s.simple_begin("COPY t FROM STDIN").unwrap();
    assert!(matches!(s.simple_next(false).unwrap(), Some(Step::CopyIn { columns: 2, .. })));
    for piece in ["1\ta", "bc\n2\t", "\\N\n3\tx\\ty\n\\.\n"] {
        s.copy_data(piece.as_bytes()).unwrap();
    }
    assert_eq!(s.copy_done().unwrap(), "COPY 3");
    assert!(s.simple_next(false).unwrap().is_none());
    // None if the commit was durable before it was asked for.
    let held = s.simple_end(false);
    while held.is_some_and(|commit| engine.durable() < commit) {
        std::thread::yield_now();
    }
    let mut other = session(&engine);
    assert_eq!(sql(&mut other, "COPY t TO STDOUT (FORMAT csv)"), ["1,abc\n2,\n3,x\ty\n"]);
}

#[test]
fn ctes_and_windows() {
    let engine = engine();
    let mut s = session(&engine);
    let endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t LIMIT 3";
    assert_eq!(sql(&mut s, endless), ["1", "2", "3"]);
    let ranks = "SELECT n, row_number() OVER (ORDER BY n DESC) FROM generate_series(1, 3) n ORDER BY n";
    assert_eq!(sql(&mut s, ranks), ["1|3", "2|2", "3|1"]);
    sql(&mut s, "CREATE TABLE t (id int)");
    let moved = "WITH w AS (INSERT INTO t VALUES (1), (2) RETURNING id) SELECT sum(id) FROM w";
    assert_eq!(sql(&mut s, moved), ["3"]);
    assert_eq!(sql(&mut s, "SELECT count(*) FROM t"), ["2"]);
}

#[test]
fn catalog_relations_are_read() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE seen (id int)");
    assert_eq!(sql(&mut s, "SELECT relname FROM pg_class WHERE relname = 'seen'"), ["seen"]);
}

// PG-25 to PG-30
#[test]
fn extended_protocol_runs_prepared_statements() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10), (2, 20)");
    s.parse("q", "SELECT n FROM t WHERE id = $1", &[]).unwrap();
    assert_eq!(s.describe_statement("q").unwrap().params.len(), 1);
    assert_eq!(s.parse("q", "SELECT 1", &[]).unwrap_err().state().as_str(), "42P05");
    let mut seen = Vec::new();
    for id in [1, 2, 3] {
        s.bind("", "q", vec![crate::types::Value::Int4(id)], Vec::new()).unwrap();
        assert!(matches!(s.execute("", false).unwrap(), Step::Rows(_)));
        let fetched = s.fetch(0, &mut |row| {
            seen.push(row[0].clone());
            Ok(())
        });
        assert!(fetched.unwrap().done);
        assert_eq!(s.tag(), format!("SELECT {}", i32::from(id < 3)));
        s.sync(false).unwrap();
    }
    assert_eq!(seen, [crate::types::Value::Int4(10), crate::types::Value::Int4(20)]);
    assert_eq!(s.bind("", "q", Vec::new(), Vec::new()).unwrap_err().state().as_str(), "08P01");
}

// AMI-3: a second reading, on AMI tables only, in both protocols and for statements that triggers run.
#[test]
fn second_reading_of_ami_statements() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE PUBLIC TABLE Trades(id int, sym String, px double); CREATE TABLE plain (id int, sym text)");
    sql(&mut s, "INSERT INTO Trades VALUES(1,\"a\",2.5),(2,null,1)");
    assert_eq!(sql(&mut s, "SELECT id FROM Trades WHERE sym == \"a\" && px != null"), ["1"]);
    assert_eq!(sql(&mut s, "WITH x AS (SELECT id FROM Trades) SELECT id FROM x ORDER BY id"), ["1", "2"]);
    assert_eq!(fails(&mut s, "SELECT \"nosuch\" FROM plain").state().as_str(), "42703");
    assert_eq!(fails(&mut s, "SELECT id FROM plain WHERE sym == 'a'").state().as_str(), "42883");
    assert_eq!(fails(&mut s, "SELECT t.id FROM plain, Trades t WHERE t.sym == 'a'").state().as_str(), "42883");
    s.parse("p", "UPDATE Trades SET sym=\"b\" WHERE id == 2", &[]).unwrap();
    s.bind("", "p", Vec::new(), Vec::new()).unwrap();
    assert!(matches!(s.execute("", false).unwrap(), Step::Done(tag) if tag == "UPDATE 1"));
    s.sync(false).unwrap();
    assert_eq!(s.run("SELECT sym FROM Trades WHERE id==2", &[]).unwrap().rows, [[crate::types::Value::text("b")]]);
    sql(&mut s, "SET dialect = postgres");
    assert_eq!(fails(&mut s, "SELECT id FROM Trades WHERE id == 1").state().as_str(), "42883");
}

// The whole log can be read, from any commit on.
#[test]
fn the_log_has_every_commit() {
    let engine = engine();
    let mut s = session(&engine);
    sql(&mut s, "CREATE TABLE t (id int PRIMARY KEY)");
    for n in 0..11_000 {
        sql(&mut s, &format!("INSERT INTO t VALUES ({n})"));
    }
    let one = |s: &mut Session, text: &str| sql(s, text)[0].parse::<i64>().unwrap();
    let all = "SELECT count(*) FROM tripline.log WHERE table_name = 't'";
    assert_eq!(one(&mut s, all), 11_000);
    let first = one(&mut s, "SELECT commit FROM tripline.log WHERE after->>'id' = '3'");
    for (condition, expected) in [
        (format!("commit > {first}"), 10_996),
        (format!("{first} <= commit"), 10_997),
        (format!("commit < {first}"), 3),
        (format!("commit <= {first} AND commit >= {first} - 1"), 2),
        (format!("commit = {first}"), 1),
        (format!("commit BETWEEN {first} AND {first} + 9"), 10),
        (format!("commit > {first} AND commit < {first}"), 0),
        ("commit < 0".to_owned(), 0),
        ("commit > 9223372036854775806".to_owned(), 0),
        (format!("commit > {first}.5"), 10_996),
    ] {
        assert_eq!(one(&mut s, &format!("{all} AND {condition}")), expected, "{condition}");
    }
    let next = format!("SELECT after->>'id' FROM tripline.log WHERE commit > {first} ORDER BY commit LIMIT 2");
    assert_eq!(sql(&mut s, &next)[..2], ["4", "5"]);
}

/// Runs a message; the commit that its answer rests on, if that is not durable.
fn rests_on(session: &mut Session, text: &str) -> Option<u64> {
    session.simple_begin(text).unwrap();
    let mut failed = false;
    loop {
        match session.simple_next(false) {
            Ok(None) => break,
            Ok(Some(Step::Rows(_))) => while !session.fetch(0, &mut |_| Ok(())).unwrap().done {},
            Ok(Some(_)) => {}
            Err(error) => {
                session.statement_failed(&error);
                failed = true;
                break;
            }
        }
    }
    session.simple_end(failed).map(|commit| commit.0)
}

/// A disk whose syncs hang until this goes.
struct Hanging(Arc<MemDisk>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hang(false);
    }
}

/// A number of rows in a block is told at once; rows, errors and the end of the block rest on all that was seen.
#[test]
fn only_a_number_of_rows_is_told_of_what_is_not_durable() {
    let disk = Arc::new(MemDisk::default());
    let hooks = Arc::new(NoHooks);
    let engine = Engine::open(EngineConfig::default(), disk.clone(), Env::default(), hooks, &mut |_| {}).unwrap();
    let mut first = session(&engine);
    sql(&mut first, "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 1)");
    let others: Vec<Session> = (0..6).map(|_| session(&engine)).collect();
    let [mut counts, mut returns, mut repeats, mut fails, mut alone, mut reads] = others.try_into().ok().unwrap();
    disk.hang(true);
    let _hanging = Hanging(disk);
    // It waits for nothing itself.
    sql(&mut first, "SET synchronous_commit = off; UPDATE t SET v = v + 1 WHERE id = 1");
    let commit = Some(first.backend.shared.store.newest().0);

    assert_eq!(rests_on(&mut reads, "SELECT v FROM t"), None);
    assert_eq!(rests_on(&mut counts, "BEGIN"), None);
    assert_eq!(rests_on(&mut counts, "UPDATE t SET v = v + 1 WHERE id = 1"), None);
    assert_eq!(rests_on(&mut counts, "INSERT INTO t VALUES (3, 1)"), None);
    assert_eq!(rests_on(&mut counts, "SELECT v FROM t WHERE id = 2"), commit);
    assert_eq!(rests_on(&mut counts, "ROLLBACK"), commit);

    assert_eq!(rests_on(&mut returns, "BEGIN"), None);
    assert_eq!(rests_on(&mut returns, "UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v"), commit);
    assert_eq!(rests_on(&mut returns, "ROLLBACK"), commit);

    // Parts of one message: what is shown first rests on it too.
    assert_eq!(rests_on(&mut repeats, "BEGIN; UPDATE t SET v = 0 WHERE id = 1; SELECT v FROM t"), commit);
    rests_on(&mut repeats, "ROLLBACK");

    assert_eq!(rests_on(&mut fails, "BEGIN; UPDATE t SET v = v + 1 WHERE id = 1"), None);
    assert_eq!(rests_on(&mut fails, "INSERT INTO t VALUES (2, 2)"), commit);

    assert_eq!(rests_on(&mut alone, "DELETE FROM t WHERE id = 1 AND v = 1"), commit);
}
