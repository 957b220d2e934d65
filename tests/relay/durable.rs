//! `delivery="durable"`: nothing is lost when either side is killed, and nothing doubled at a receiver of PostgreSQL's
//! protocol.

use std::time::Duration;

use harness::postgres::{Postgres, free_port};

use crate::node::{Node, Process, Sql};

/// Writes while `disturb` is called between; then the receiver has every row once. The receiver has no key: a row applied
/// twice would be there twice.
fn every_row_once(
    source: &mut Process,
    receiver: &dyn Fn() -> Sql,
    options: &str,
    disturb: &mut dyn FnMut(&mut Process, usize),
) {
    receiver().run("CREATE TABLE t (id int, n int)");
    let sql = source.sql();
    sql.run("CREATE TABLE t (id int PRIMARY KEY, n int)");
    sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE delivery=\"durable\" {options}"));
    drop(sql);
    let mut next = 0;
    for round in 0..6 {
        let sql = source.sql();
        for _ in 0..40 {
            sql.run(&format!("INSERT INTO t SELECT n, 0 FROM generate_series({next}, {}) AS n", next + 4));
            sql.run(&format!("UPDATE t SET n = n + 1 WHERE id = {next}"));
            next += 5;
        }
        drop(sql);
        disturb(source, round);
    }
    let wanted = format!("{next}|{next}|{}", next / 5);
    receiver().eventually("SELECT count(*), count(DISTINCT id), sum(n) FROM t", &wanted);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(receiver().run("SELECT count(*), count(DISTINCT id), sum(n) FROM t"), wanted);
}

fn postgres_options(port: u16) -> String {
    format!("protocol=\"postgres\" host=\"127.0.0.1\" port=\"{port}\" user=\"admin\" keys=\"id\"")
}

// AMI-201, AMI-202
#[test]
fn the_sender_is_killed_and_postgresql_has_every_row_once() {
    let postgres = Postgres::start(&[]).unwrap();
    let receiver = || Sql::connect(&postgres.url());
    every_row_once(&mut Process::start(), &receiver, &postgres_options(postgres.port()), &mut |source, _| {
        source.kill();
        source.spawn();
    });
}

// AMI-202
#[test]
fn connections_are_cut_and_postgresql_has_every_row_once() {
    let postgres = Postgres::start(&[]).unwrap();
    let receiver = || Sql::connect(&postgres.url());
    every_row_once(&mut Process::start(), &receiver, &postgres_options(postgres.port()), &mut |_, _| {
        receiver()
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tripline relay'");
    });
}

// AMI-201, AMI-202
#[test]
fn the_receiver_is_killed_and_has_every_row_once() {
    let target = std::cell::RefCell::new(Process::start());
    let url = target.borrow().url();
    let options = postgres_options(target.borrow().sql_port);
    every_row_once(&mut Process::start(), &|| Sql::connect(&url), &options, &mut |source, round| {
        target.borrow_mut().kill();
        if round % 2 == 1 {
            source.kill();
            source.spawn();
        }
        target.borrow_mut().spawn();
    });
}

// AMI-201
#[test]
fn over_messages_nothing_is_lost() {
    let mut target = Process::start();
    let mut source = Process::start();
    target.sql().run("CREATE TABLE t (id int PRIMARY KEY, n int)");
    let sql = source.sql();
    sql.run("CREATE TABLE t (id int PRIMARY KEY, n int)");
    sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE delivery=\"durable\" port=\"{}\"", target.ami_port));
    for round in 0..4 {
        let sql = source.sql();
        for id in 0..50 {
            sql.run(&format!("INSERT INTO t VALUES ({}, {id})", round * 50 + id));
        }
        drop(sql);
        if round % 2 == 0 {
            target.kill();
            target.spawn();
        } else {
            source.kill();
            source.spawn();
        }
    }
    target.sql().eventually("SELECT count(*), sum(n) FROM t", "200|4900");
}

// AMI-201
#[test]
fn what_was_written_while_the_receiver_was_away_arrives_in_order() {
    let node = Node::start();
    let port = free_port().unwrap();
    node.sql.run("CREATE TABLE t (id int, at int)");
    node.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE delivery=\"durable\" port=\"{port}\""));
    for id in 0..20 {
        node.sql.run(&format!("INSERT INTO t VALUES ({id}, 0)"));
    }
    node.sql.eventually("SELECT depth, last_error LIKE '%refused%' FROM tripline.subscriptions", "20|t");
    let files = tempfile::tempdir().unwrap();
    let init = files.path().join("init.sql");
    std::fs::write(&init, "CREATE TABLE t (id int, at int)").unwrap();
    let late = Node::start_with(|config| {
        config.ami_listen = Some(([127, 0, 0, 1], port).into());
        config.init = Some(init);
    });
    node.sql.eventually("SELECT delivered, rejected, depth FROM tripline.subscriptions", "20|0|0");
    let order = late.sql.run("SELECT after->>'id' FROM tripline.log WHERE op = 'insert' ORDER BY commit, ordinal");
    let order: Vec<i32> = order.split(';').filter_map(|id| id.parse().ok()).collect();
    assert_eq!(order, (0..20).collect::<Vec<i32>>());
}

// AMI-202
#[test]
fn a_sender_set_back_to_an_older_state_sends_nothing() {
    let (a, b) = (Node::start(), Node::start());
    a.sql.run("CREATE TABLE t (id int)");
    b.sql.run("CREATE TABLE t (id int)");
    a.sql.run(&format!(
        "CREATE TRIGGER r OFTYPE RELAY ON t USE delivery=\"durable\" {}",
        postgres_options(b.sql_port())
    ));
    a.sql.run("INSERT INTO t VALUES (1)");
    b.sql.eventually("SELECT id FROM t", "1");
    // As a receiver looks to a sender restored from a backup.
    b.sql.run("UPDATE tripline_relay SET commit_no = commit_no + 1000000");
    a.sql.run("INSERT INTO t VALUES (2)");
    a.sql.eventually("SELECT last_error LIKE '%another than expected%' OR last_error LIKE '%older state%' FROM tripline.subscriptions", "t");
    a.sql.eventually("SELECT last_error LIKE '%older state%' FROM tripline.subscriptions", "t");
    assert_eq!(b.sql.run("SELECT id FROM t"), "1");
}
