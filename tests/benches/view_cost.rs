//! What a derived table costs beyond the change of its row, in nanoseconds a row: many rows of one INSERT, the same rows
//! updated, and rows one by one. The tables are those of `compare/`. By hand:
//! `cargo bench -p tripline-tests --bench view_cost [-- NAME…]`.

use std::sync::Arc;
use std::time::Instant;

use harness::direct::session;
use harness::disk::{CrashDisk, Image};
use tripline_sql::engine::{Engine, EngineConfig};
use tripline_sql::env::Env;
use tripline_sql::session::{Session, Step};
use tripline_sql::store::StoreConfig;
use tripline_triggers::fire::Fire;

const ROWS: u32 = 200_000;
const SINGLE: u32 = 20_000;
const ROUNDS: usize = 5;

const SCHEMA: &str = include_str!("compare/schema.sql");
const CHAIN: &str = "CREATE TABLE c1 (id bigint, sym int, v float8);
CREATE TRIGGER t1 OFTYPE PROJECTION ON ord,c1 USE selects='id=id,sym=sym,v=px*qty';
CREATE TABLE syms (sym int PRIMARY KEY, name text);
INSERT INTO syms SELECT i, 'symbol ' || i FROM generate_series(1, 900) AS i;
CREATE TABLE c2 (id bigint, name text, v float8);
CREATE TRIGGER t2 OFTYPE JOIN ON c1,syms,c2 USE type='INNER' on='c1.sym==syms.sym' selects='id=id,name=name,v=v';
CREATE TABLE c3 (name text, total float8);
CREATE TRIGGER t3 OFTYPE AGGREGATE ON c2,c3 USE groupBys='name=name' selects='total=sum(v)';";
const DECORATE: &str = "CREATE TABLE last_trade (sym int PRIMARY KEY, px float8);
INSERT INTO last_trade SELECT i, 0 FROM generate_series(1, 1000) AS i;
CREATE TRIGGER t_last OFTYPE DECORATE ON ord,last_trade USE on='ord.sym==last_trade.sym' selects='px=ord.px';";

fn cases() -> Vec<(&'static str, &'static str)> {
    vec![
        ("none", ""),
        ("aggregate", include_str!("compare/aggregate.tripline.sql")),
        ("projection", include_str!("compare/projection.tripline.sql")),
        ("join", include_str!("compare/join.tripline.sql")),
        ("decorate", DECORATE),
        ("chain", CHAIN),
        ("views", include_str!("compare/views.tripline.sql")),
    ]
}

fn run(session: &mut Session, sql: &str) {
    session.simple_begin(sql).expect("it reads");
    while let Some(step) = session.simple_next(true).expect("it runs") {
        if let Step::Rows(_) = step {
            while !session.fetch(0, &mut |_| Ok(())).expect("it reads").done {}
        }
    }
    session.simple_end(false);
}

fn per(began: Instant, rows: u32) -> u128 {
    began.elapsed().as_nanos() / u128::from(rows)
}

/// A prepared statement without parameters, again and again.
fn prepared(session: &mut Session, sql: &str, times: u32) -> u128 {
    session.parse("s", sql, &[]).expect("it reads");
    let began = Instant::now();
    for _ in 0..times {
        session.bind("", "s", Vec::new(), Vec::new()).expect("it binds");
        session.execute("", true).expect("it runs");
        session.sync(false).expect("it commits");
    }
    let spent = per(began, times);
    session.close_statement("s");
    spent
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let store = StoreConfig { log_segment_bytes: 16 << 20, ..StoreConfig::default() };
    let config = EngineConfig { store, ..EngineConfig::default() };
    println!(
        "{:<12}{:>12}{:>10}{:>12}{:>10}{:>12}{:>10}",
        "view", "INSERT ns", "beyond", "UPDATE ns", "beyond", "single ns", "beyond"
    );
    let mut plain = [0; 3];
    for (name, sql) in cases() {
        if name != "none" && !wanted.is_empty() && !wanted.iter().any(|want| want == name) {
            continue;
        }
        let mut times = [const { Vec::new() }; 3];
        let mut single = 0;
        for _ in 0..ROUNDS {
            let disk = Arc::new(CrashDisk::new(&Image::new(), None));
            let engine =
                Engine::open(config.clone(), disk, Env::default(), Fire::new(), &mut |_| {}).expect("it opens");
            let mut session = session(&engine).expect("a session");
            run(&mut session, "SET synchronous_commit = off");
            run(&mut session, SCHEMA);
            if !sql.is_empty() {
                run(&mut session, sql);
            }
            let insert = |from: u32, count: u32| {
                format!(
                    "INSERT INTO ord(grp,sym,px,qty,note) SELECT n % 1000 * 7919 % 100 + 1, n % 1000 * 729 % 1000 + 1, n % 97 + 1, n % 1000 * 31 % 100 + 1, \
                     'note-note-note-note-note-note-note-note' FROM generate_series({from}, {}) AS n",
                    from + count - 1
                )
            };
            let bulk = insert(1, ROWS);
            let began = Instant::now();
            run(&mut session, &bulk);
            times[0].push(per(began, ROWS));
            single += 1;
            let one = format!(
                "INSERT INTO ord(grp,sym,px,qty,note) VALUES ({}, {}, 5, {}, 'note-note-note-note-note-note-note-note')",
                single % 100 + 1,
                single * 7 % 1000 + 1,
                60
            );
            times[2].push(prepared(&mut session, &one, SINGLE));
            let began = Instant::now();
            run(&mut session, "UPDATE ord SET px = px + 1");
            times[1].push(per(began, ROWS + SINGLE));
        }
        let found = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        });
        if name == "none" {
            plain = found;
        }
        print!("{name:<12}");
        for (found, plain) in found.iter().zip(plain) {
            print!("{found:>12}{:>10}", found.saturating_sub(plain));
        }
        println!();
    }
}
