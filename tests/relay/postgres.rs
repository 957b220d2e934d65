//! RELAY over PostgreSQL's protocol, to PostgreSQL 15 and to another Tripline.

use std::time::Duration;

use harness::postgres::Postgres;

use crate::node::{Node, Sql};

fn target(port: u16, more: &str) -> String {
    format!("protocol=\"postgres\" host=\"127.0.0.1\" port=\"{port}\" user=\"admin\" database=\"postgres\" {more}")
}

/// Inserts, updates, deletes of a relayed table arrive, whatever the types; then nothing is left.
fn follows(node: &Node, receiver: &Sql, port: u16) {
    let table = "CREATE TABLE acc (id bigint PRIMARY KEY, name varchar(20), qty int, px double precision, at timestamptz, \
                 raw bytea, doc jsonb, n numeric(10,2), ok boolean, list int[], u uuid, d date)";
    node.sql.run(table);
    receiver.run(table);
    node.sql.run(&format!(
        "CREATE TRIGGER r OFTYPE RELAY ON acc USE {}",
        target(port, "delivery=\"durable\" poolSize=\"2\"")
    ));
    node.sql.run(
        "INSERT INTO acc VALUES (1, 'é\"''\\', 2, 0.1, '2024-02-29 12:00:00.123456+02', '\\x00ff', '{\"a\": [1, null]}', 1.50, \
         true, '{1,NULL,3}', '6b0e5b1c-5f0a-4c51-9a5e-0d2b7a0a1b11', '2024-02-29'), (2, NULL, NULL, NULL, NULL, NULL, NULL, \
         NULL, NULL, NULL, NULL, NULL)",
    );
    let rows = "SELECT * FROM acc ORDER BY id";
    receiver.eventually("SELECT count(*) FROM acc", "2");
    assert_eq!(receiver.run(rows), node.sql.run(rows));
    node.sql.run("UPDATE acc SET qty = 5, name = 'new' WHERE id = 1; UPDATE acc SET id = 7 WHERE id = 2");
    node.sql.run("BEGIN; INSERT INTO acc (id) VALUES (3); UPDATE acc SET px = 1e300 WHERE id = 3; COMMIT");
    receiver.eventually("SELECT count(*) FROM acc WHERE px > 1e299", "1");
    assert_eq!(receiver.run(rows), node.sql.run(rows));
    node.sql.run("DELETE FROM acc");
    receiver.eventually("SELECT count(*) FROM acc", "0");
    assert_eq!(node.sql.run("SELECT rejected, dropped FROM tripline.subscriptions"), "0|0");
}

// AMI-200, AMI-202
#[test]
fn a_postgresql_follows() {
    let postgres = Postgres::start(&[]).unwrap();
    follows(&Node::start(), &Sql::connect(&postgres.url()), postgres.port());
}

// AMI-200, AMI-202
#[test]
fn another_tripline_follows() {
    let (a, b) = (Node::start(), Node::start());
    follows(&a, &b.sql, b.sql_port());
}

// AMI-200
#[test]
fn the_target_holds_the_rows_that_pass() {
    let (a, b) = (Node::start(), Node::start());
    a.sql.run("CREATE TABLE src (id int, price double precision, note text)");
    b.sql.run("CREATE SCHEMA s; CREATE TABLE s.tgt (key int, twice double precision)");
    let options =
        "delivery=\"durable\" target=\"s.tgt\" derivedValues=\"key=id,twice=price*2\" where=\"price>100\" keys=\"key\"";
    a.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON src USE {}", target(b.sql_port(), options)));
    a.sql.run("INSERT INTO src VALUES (1, 50, ''), (2, 150, '')");
    b.sql.eventually("SELECT * FROM s.tgt", "2|300");
    a.sql.run("UPDATE src SET price = 200 WHERE id = 1");
    b.sql.eventually("SELECT * FROM s.tgt ORDER BY key", "1|400;2|300");
    a.sql.run("UPDATE src SET price = 20 WHERE id = 2");
    b.sql.eventually("SELECT * FROM s.tgt ORDER BY key", "1|400");
    a.sql.run("UPDATE src SET price = 201 WHERE id = 1");
    b.sql.eventually("SELECT * FROM s.tgt ORDER BY key", "1|402");
    assert_eq!(a.sql.run("SELECT rejected FROM tripline.subscriptions"), "0");
}

// AMI-200
#[test]
fn a_table_without_key_sends_inserts_alone() {
    let (a, b) = (Node::start(), Node::start());
    a.sql.run("CREATE TABLE dup (a int, b text)");
    b.sql.run("CREATE TABLE dup (a int, b text)");
    let create = |more: &str| {
        format!(
            "CREATE TRIGGER r OFTYPE RELAY ON dup USE {}",
            target(b.sql_port(), &format!("delivery=\"durable\" {more}"))
        )
    };
    assert!(a.sql.refused(&create("")).starts_with("42P17"));
    a.sql.run(&create("updates=\"\" deletes=\"\""));
    a.sql.run("INSERT INTO dup VALUES (1, NULL), (1, NULL), (2, 'x')");
    a.sql.run("DELETE FROM dup");
    a.sql.run("INSERT INTO dup VALUES (3, 'y')");
    b.sql.eventually("SELECT * FROM dup ORDER BY a", "1|NULL;1|NULL;2|x;3|y");
}

// AMI-201
#[test]
fn what_a_receiver_refuses_is_counted_or_waits() {
    let (a, b) = (Node::start(), Node::start());
    for node in [&a, &b] {
        node.sql.run("CREATE TABLE lossy (id int); CREATE TABLE safe (id int PRIMARY KEY)");
    }
    b.sql.run("ALTER TABLE lossy ADD CHECK (id < 100); ALTER TABLE safe ADD CONSTRAINT small CHECK (id < 100)");
    a.sql.run(&format!("CREATE TRIGGER lossy OFTYPE RELAY ON lossy USE {}", target(b.sql_port(), "keys=\"id\"")));
    a.sql
        .run(&format!("CREATE TRIGGER safe OFTYPE RELAY ON safe USE {}", target(b.sql_port(), "delivery=\"durable\"")));
    a.sql.run("INSERT INTO safe VALUES (1)");
    b.sql.eventually("SELECT id FROM safe", "1");
    // Dropped until it is connected.
    while b.sql.run("SELECT count(*) FROM lossy") == "0" {
        a.sql.run("INSERT INTO lossy VALUES (0)");
        std::thread::sleep(Duration::from_millis(50));
    }
    a.sql.run("INSERT INTO lossy VALUES (1), (200), (2)");
    b.sql.eventually("SELECT id FROM lossy WHERE id > 0", "1;2");
    a.sql.eventually(
        "SELECT rejected, last_error LIKE '23514%' FROM tripline.subscriptions WHERE name = 'lossy'",
        "1|t",
    );
    a.sql.run("INSERT INTO safe VALUES (2), (200); INSERT INTO safe VALUES (3)");
    a.sql.eventually("SELECT last_error LIKE '%23514%' FROM tripline.subscriptions WHERE name = 'safe'", "t");
    assert_eq!(b.sql.run("SELECT id FROM safe"), "1", "a transaction comes whole or not at all");
    b.sql.run("ALTER TABLE safe DROP CONSTRAINT small");
    b.sql.eventually("SELECT id FROM safe ORDER BY id", "1;2;3;200");
}

// AMI-203
#[test]
fn two_triplines_come_to_rest() {
    let (a, b) = (Node::start(), Node::start());
    for (node, other) in [(&a, &b), (&b, &a)] {
        node.sql.run("CREATE TABLE t (id int, n int)");
        node.sql.run(&format!(
            "CREATE TRIGGER r OFTYPE RELAY ON t USE {}",
            target(other.sql_port(), "delivery=\"durable\" keys=\"id\"")
        ));
    }
    a.sql.run("INSERT INTO t VALUES (1, 1)");
    b.sql.run("INSERT INTO t VALUES (2, 2)");
    for node in [&a, &b] {
        node.sql.eventually("SELECT * FROM t ORDER BY id", "1|1;2|2");
    }
    b.sql.run("UPDATE t SET n = 10 WHERE id = 1");
    a.sql.run("DELETE FROM t WHERE id = 2");
    for node in [&a, &b] {
        node.sql.eventually("SELECT * FROM t", "1|10");
    }
    std::thread::sleep(Duration::from_millis(700));
    for (node, other) in [(&a, &b), (&b, &a)] {
        assert_eq!(node.sql.run("SELECT * FROM t"), "1|10");
        assert_eq!(
            node.sql.run("SELECT DISTINCT origin FROM tripline.log WHERE origin <> 0"),
            other.sql.run("SHOW tripline.instance")
        );
    }
}

// AMI-203
#[test]
fn a_session_can_say_where_its_changes_come_from() {
    let node = Node::start();
    node.sql.run("CREATE TABLE t (id int)");
    node.sql.run("BEGIN; SET LOCAL tripline.origin = '77'; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)");
    let own = node.sql.run("SHOW tripline.instance");
    node.sql.run(&format!("BEGIN; SET LOCAL tripline.origin = '{own}'; INSERT INTO t VALUES (3); COMMIT"));
    assert_eq!(node.sql.run("SELECT origin FROM tripline.log WHERE op = 'insert' ORDER BY commit"), "77;0;0");
    assert!(node.sql.refused("SET tripline.origin = '-1'").starts_with("22023"));
    assert!(node.sql.refused("SET tripline.instance = '5'").starts_with("55P02"));
}
