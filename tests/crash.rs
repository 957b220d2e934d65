//! Stops the engine at every write, sync and rename in turn, opens what is left, and compares: all acknowledged
//! transactions, nothing else, indexes equal to scans, cursors where they were moved to (PG-148, PG-150, PG-154).
//!
//! A fixed workload runs once undisturbed; the state after each of its transactions is the only truth there is. A
//! transaction that was cut off before its acknowledgement may be there as a whole or not at all.

use std::sync::Arc;

use harness::direct::{check_indexes, lines, move_cursor, open, run, session, transaction};
use harness::disk::{CrashDisk, Fault, Image, Loss};
use tripline_sql::catalog::TriggerId;
use tripline_sql::change::Position;
use tripline_sql::engine::Engine;
use tripline_sql::error::Result;
use tripline_sql::session::Session;
use tripline_sql::types::Value;

const SUBSCRIBER: TriggerId = TriggerId(9_999);

enum Step {
    /// One transaction: its statements, all or nothing.
    Transaction(Vec<String>),
    /// A transaction that ends in a rollback.
    Undone(Vec<String>),
    /// A transaction that moves the cursor to the newest durable commit.
    Cursor(Vec<String>),
    Checkpoint,
}

/// Accounts with totals kept beside them in the same transaction, as an aggregate is; definitions that change under
/// way; values large enough to cross sectors and log segments.
fn workload() -> Vec<Step> {
    let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let mut steps = vec![
        Step::Transaction(text(&[
            "CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance bigint CHECK (balance >= 0))",
            "CREATE INDEX accounts_owner ON accounts (owner)",
            "CREATE TABLE totals (owner text PRIMARY KEY, cnt bigint, total bigint)",
        ])),
        Step::Transaction(text(&["CREATE SEQUENCE numbers", "CREATE TABLE pairs (a bigint PRIMARY KEY, b bigint)"])),
    ];
    let refresh = "INSERT INTO totals SELECT owner, count(*), sum(balance)::bigint FROM accounts GROUP BY owner \
                   ON CONFLICT (owner) DO UPDATE SET cnt = excluded.cnt, total = excluded.total";
    for n in 0..12_i64 {
        let owner = ["ann", "bob", "cy"][usize::try_from(n % 3).unwrap()];
        let insert = format!("INSERT INTO accounts VALUES ({n}, '{owner}', {})", 100 + n);
        let pairs = format!("INSERT INTO pairs VALUES ({n}, {})", n * n);
        steps.push(Step::Transaction(vec![insert, refresh.to_owned(), pairs]));
        match n % 4 {
            0 => steps.push(Step::Cursor(text(&["UPDATE pairs SET b = b + 1 WHERE a % 2 = 0"]))),
            1 => steps.push(Step::Undone(vec![format!("DELETE FROM accounts WHERE id <= {n}"), refresh.to_owned()])),
            2 => steps.push(Step::Transaction(vec![
                format!("UPDATE accounts SET balance = balance - 10 WHERE id = {n}"),
                "UPDATE accounts SET balance = balance + 10 WHERE id = 0".to_owned(),
                refresh.to_owned(),
            ])),
            _ => steps.push(Step::Cursor(vec![format!("UPDATE pairs SET a = a + 100 WHERE a = {n}")])),
        }
        if n == 5 {
            steps.push(Step::Checkpoint);
            steps.push(Step::Transaction(text(&["CREATE TABLE extra (id bigint PRIMARY KEY, note text)"])));
            steps.push(Step::Transaction(vec![
                format!("INSERT INTO extra VALUES (1, '{}'), (2, NULL)", "long ".repeat(2_000)),
                "SELECT nextval('numbers')".to_owned(),
            ]));
        }
        if n == 8 {
            steps.push(Step::Transaction(text(&[
                "ALTER TABLE extra ADD COLUMN n bigint DEFAULT 7",
                "CREATE UNIQUE INDEX extra_note ON extra (n, id)",
                "UPDATE extra SET note = 'short' WHERE id = 1",
            ])));
            steps.push(Step::Undone(text(&["DROP TABLE extra", "CREATE TABLE extra (other int)"])));
            steps.push(Step::Checkpoint);
        }
    }
    steps.push(Step::Transaction(text(&[
        "DELETE FROM accounts WHERE owner = 'cy'",
        "DELETE FROM totals WHERE owner = 'cy'",
    ])));
    steps.push(Step::Transaction(text(&["DROP TABLE extra"])));
    steps.push(Step::Transaction(text(&["TRUNCATE pairs", "INSERT INTO pairs VALUES (-1, -1)"])));
    steps
}

/// Everything that a client can see of the workload, and the cursor.
fn state(engine: &Engine, session: &mut Session) -> Vec<String> {
    let mut seen = Vec::new();
    for query in [
        "SELECT id, owner, balance FROM accounts ORDER BY id",
        "SELECT owner, cnt, total FROM totals ORDER BY owner",
        "SELECT * FROM extra ORDER BY id",
        "SELECT a, b FROM pairs ORDER BY a",
        "SELECT relname, relkind FROM pg_class WHERE relnamespace = 2200 ORDER BY relname",
    ] {
        match run(engine, session, query, &[]) {
            Ok(result) => seen.extend(lines(&result.rows)),
            Err(error) => seen.push(error.state().as_str().to_owned()),
        }
        seen.push("--".to_owned());
    }
    let cursors = engine.cursors();
    seen.push(format!("{:?}", cursors.iter().find(|(subscriber, _)| *subscriber == SUBSCRIBER)));
    seen
}

/// How far a run came.
#[derive(Default)]
struct Came {
    /// Steps acknowledged, of all steps.
    acknowledged: usize,
    /// The first that failed.
    failed: Option<String>,
    /// Steps acknowledged after one that had failed.
    later: usize,
    /// The states, if asked for.
    states: Vec<Vec<String>>,
}

fn perform(engine: &Engine, session: &mut Session, step: &Step) -> Result<()> {
    match step {
        Step::Checkpoint => engine.checkpoint(),
        Step::Transaction(statements) => transaction(engine, session, |session| {
            statements.iter().try_for_each(|sql| session.run(sql, &[]).map(drop))
        }),
        Step::Cursor(statements) => transaction(engine, session, |session| {
            statements.iter().try_for_each(|sql| session.run(sql, &[]).map(drop))?;
            move_cursor(session, SUBSCRIBER, Position::end_of(engine.durable()))
        }),
        Step::Undone(statements) => {
            session.begin_internal(None, None)?;
            let done = statements.iter().try_for_each(|sql| session.run(sql, &[]).map(drop));
            session.rollback_internal();
            done
        }
    }
}

/// Runs the workload on a disk; stops at the first failure unless told to go on.
fn drive(disk: &CrashDisk, go_on: bool, watch: bool) -> Came {
    let mut came = Came::default();
    let opened = open(Arc::new(disk.clone())).and_then(|engine| Ok((session(&engine)?, engine)));
    let (mut session, engine) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            came.failed = Some(error.to_string());
            return came;
        }
    };
    if watch {
        came.states.push(state(&engine, &mut session));
    }
    for (number, step) in workload().iter().enumerate() {
        match perform(&engine, &mut session, step) {
            Ok(()) if came.failed.is_none() => came.acknowledged = number + 1,
            Ok(()) => came.later += usize::from(matches!(step, Step::Transaction(_) | Step::Cursor(_))),
            Err(error) if matches!(step, Step::Checkpoint) => {
                // A checkpoint that fails costs nothing but itself.
                let _ = error;
                if came.failed.is_none() {
                    came.acknowledged = number + 1;
                }
            }
            Err(error) => {
                came.failed.get_or_insert(format!("step {number}: {error}"));
            }
        }
        if watch {
            came.states.push(state(&engine, &mut session));
        }
        if came.failed.is_some() && !go_on {
            break;
        }
    }
    drop(session);
    let _ = engine.close();
    came
}

/// Opens what is left and holds it against the states that may be there.
fn verify(label: &str, image: &Image, allowed: &[&Vec<String>]) {
    let disk = CrashDisk::new(image, None);
    let engine = open(Arc::new(disk)).unwrap_or_else(|error| panic!("{label}: does not open: {error}"));
    let mut session = session(&engine).unwrap_or_else(|error| panic!("{label}: no session: {error}"));
    let found = state(&engine, &mut session);
    assert!(allowed.contains(&&found), "{label}: found\n{found:#?}\nallowed\n{allowed:#?}");
    let gone: Vec<Value> = (0..130).map(Value::Int8).collect();
    check_indexes(&engine, &mut session, &gone).unwrap_or_else(|wrong| panic!("{label}: {wrong}"));
    // It is not only readable.
    run(&engine, &mut session, "CREATE TABLE afterwards (a int PRIMARY KEY)", &[])
        .and_then(|_| run(&engine, &mut session, "INSERT INTO afterwards VALUES (1)", &[]))
        .unwrap_or_else(|error| panic!("{label}: cannot be written: {error}"));
    drop(session);
    let _ = engine.close();
}

/// The undisturbed run: its states (before the first step, then after each) and its number of calls.
fn undisturbed() -> (Vec<Vec<String>>, u64) {
    let disk = CrashDisk::new(&Image::new(), None);
    let came = drive(&disk, false, true);
    assert_eq!(came.failed, None);
    let last = came.states.last().expect("there are steps");
    // The workload means something: two owners of four accounts each are left, and one pair.
    let accounts = last.iter().take_while(|line| *line != "--").count();
    assert_eq!((accounts, last.iter().filter(|line| line.contains("afterwards")).count()), (8, 0));
    assert_eq!(last.iter().filter(|line| line.contains("Int8(-1)")).count(), 1);
    verify("undisturbed", &disk.image(Loss::Unsynced), &[last]);
    // The calls of a run that does not look at itself.
    let disk = CrashDisk::new(&Image::new(), None);
    assert_eq!(drive(&disk, false, false).failed, None);
    (came.states, disk.calls())
}

fn allowed<'a>(states: &'a [Vec<String>], came: &Came) -> Vec<&'a Vec<String>> {
    // The step that was cut off may have reached the disk before its acknowledgement failed.
    let end = if came.failed.is_some() { came.acknowledged + 1 } else { came.acknowledged };
    (came.acknowledged..=end.min(states.len() - 1)).map(|place| &states[place]).collect()
}

#[test]
fn stopped_at_every_call() {
    let (states, calls) = undisturbed();
    println!("{calls} calls");
    for at in 1..=calls {
        let disk = CrashDisk::new(&Image::new(), Some((at, Fault::Stop)));
        let came = drive(&disk, false, false);
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Torn(at), Loss::Torn(at ^ 0x5eed)] {
            let label = format!("stopped at call {at} of {calls}, {loss:?}, {:?}", came.failed);
            verify(&label, &disk.image(loss), &allowed(&states, &came));
        }
    }
}

#[test]
fn stopped_twice() {
    let (states, calls) = undisturbed();
    for at in (calls / 3..calls).step_by(7) {
        let disk = CrashDisk::new(&Image::new(), Some((at, Fault::Stop)));
        let came = drive(&disk, false, false);
        let first = disk.image(Loss::Torn(at));
        // The recovery is stopped at every call of its own.
        for again in 1..200 {
            let disk = CrashDisk::new(&first, Some((again, Fault::Stop)));
            if let Ok(engine) = open(Arc::new(disk.clone())) {
                let _ = engine.close();
            }
            let label = format!("stopped at call {at}, then at call {again} of the recovery");
            verify(&label, &disk.image(Loss::Torn(again)), &allowed(&states, &came));
            if !disk.met_fault() {
                break;
            }
        }
    }
}

#[test]
fn one_failed_call_acknowledges_nothing_more() {
    let (states, calls) = undisturbed();
    for at in 1..=calls {
        let disk = CrashDisk::new(&Image::new(), Some((at, Fault::Once)));
        let came = drive(&disk, true, false);
        let label = format!("call {at} of {calls} failed, {:?}", came.failed);
        // A sync that failed once has lost an unknown part: whatever a later one says is not to be believed.
        assert_eq!(came.later, 0, "{label}: transactions acknowledged after a failure");
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Torn(at)] {
            verify(&label, &disk.image(loss), &allowed(&states, &came));
        }
    }
}

#[test]
fn a_full_disk_refuses_and_keeps() {
    let (states, calls) = undisturbed();
    for at in (1..=calls).step_by(3) {
        let disk = CrashDisk::new(&Image::new(), Some((at, Fault::Full)));
        let came = drive(&disk, false, false);
        let label = format!("full from call {at} of {calls}, {:?}", came.failed);
        verify(&label, &disk.image(Loss::Unsynced), &allowed(&states, &came));
    }
}

#[test]
fn a_flipped_bit_is_named_or_harmless() {
    let disk = CrashDisk::new(&Image::new(), None);
    let came = drive(&disk, false, true);
    let image = disk.image(Loss::Unsynced);
    // Damage in the last record looks like a torn one: it is cut, and so may be those before it in the same write.
    let last = &came.states[came.states.len() - 3..];
    let mut refused = 0;
    for (name, bytes) in &image {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |place| place + 1);
        for place in (0..used).step_by((used / 60).max(1)) {
            let mut damaged = image.clone();
            damaged.get_mut(name).expect("it is one of them")[place] ^= 1 << (place % 8);
            let label = format!("bit {} of byte {place} of {name}", place % 8);
            let opened = std::panic::catch_unwind(|| open(Arc::new(CrashDisk::new(&damaged, None))));
            match opened.unwrap_or_else(|_| panic!("{label}: panic")) {
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.state().as_str(), "XX001", "{label}: {error}");
                    let file = name.rsplit('/').next().unwrap_or(name);
                    let all = format!("{} {:?}", error.message(), error.fields().detail);
                    assert!(all.contains(file), "{label}: {all} does not name the file");
                    assert!(all.contains(|c: char| c.is_ascii_digit()), "{label}: {all} does not name the place");
                }
                Ok(engine) => {
                    let mut session = session(&engine).unwrap_or_else(|error| panic!("{label}: {error}"));
                    let found = state(&engine, &mut session);
                    assert!(last.contains(&found), "{label}: opened with\n{found:#?}");
                    drop(session);
                    let _ = engine.close();
                }
            }
        }
    }
    assert!(refused > 10, "only {refused} damages were noticed");
}
