//! What one call of an AMIScript trigger costs beyond the change of its row: nanoseconds a row, without and with a trigger
//! that assigns one column, for rows of one statement. By hand: `cargo bench -p tripline-tests --bench script_call`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::direct::{open_with, session};
use harness::disk::{CrashDisk, Image};
use tripline_sql::session::{Session, Step};
use tripline_triggers::fire::Fire;

const ROWS: u32 = 100_000;
const ROUNDS: usize = 9;

fn run(session: &mut Session, sql: &str) {
    session.simple_begin(sql).expect("it reads");
    while let Some(step) = session.simple_next(true).expect("it runs") {
        if let Step::Rows(_) = step {
            while !session.fetch(0, &mut |_| Ok(())).expect("it reads").done {}
        }
    }
    session.simple_end(false);
}

fn timed(session: &mut Session, sql: &str) -> Duration {
    let began = Instant::now();
    run(session, sql);
    began.elapsed()
}

fn main() {
    let engine = open_with(Arc::new(CrashDisk::new(&Image::new(), None)), Fire::new()).expect("it opens");
    let mut session = session(&engine).expect("a session");
    run(&mut session, "SET synchronous_commit = off");
    let triggers = [
        ("none", None),
        (
            "assigns a column",
            Some("canMutateRow=\"true\" onInsertingScript=\"val=px*qty\" onUpdatingScript=\"new_val=new_px*new_qty\""),
        ),
        (
            "declares and branches",
            Some(
                "canMutateRow=\"true\" onInsertingScript=\"double v = px*qty; if (v > 100 && qty != null) val = v; else val = 0.0;\" onUpdatingScript=\"if (new_px > old_px) new_val=new_px*new_qty\"",
            ),
        ),
        ("only looks", Some("onInsertedScript=\"double v = px*qty;\" onUpdatedScript=\"double v = px*qty;\"")),
    ];
    for (place, (_, options)) in triggers.iter().enumerate() {
        run(&mut session, &format!("CREATE TABLE t{place} (id int, px float8, qty int, val float8, a text, b text)"));
        if let Some(options) = options {
            run(&mut session, &format!("CREATE TRIGGER s{place} OFTYPE AMISCRIPT ON t{place} USE {options}"));
        }
    }
    let mut times = vec![[const { Vec::new() }; 2]; triggers.len()];
    for _ in 0..ROUNDS {
        for (place, times) in times.iter_mut().enumerate() {
            let insert = format!(
                "INSERT INTO t{place} (id, px, qty, a) SELECT n, n * 0.5, n % 7, 'x' FROM generate_series(1, {ROWS}) AS n"
            );
            times[0].push(timed(&mut session, &insert));
            times[1].push(timed(&mut session, &format!("UPDATE t{place} SET px = px + 1")));
            run(&mut session, &format!("TRUNCATE t{place}"));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos() / u128::from(ROWS)
    };
    println!("{:<24}{:>12}{:>10}{:>12}{:>10}", "trigger", "INSERT ns", "beyond", "UPDATE ns", "beyond");
    let mut plain = [0, 0];
    for ((name, _), times) in triggers.iter().zip(&mut times) {
        let found = [median(&mut times[0]), median(&mut times[1])];
        if *name == "none" {
            plain = found;
        }
        let beyond = [found[0].saturating_sub(plain[0]), found[1].saturating_sub(plain[1])];
        println!("{name:<24}{:>12}{:>10}{:>12}{:>10}", found[0], beyond[0], found[1], beyond[1]);
    }
}
