//! The RELAY trigger over AMI messages: what it sends, to receivers of every temper.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use harness::postgres::{PATIENCE, free_port};

use crate::node::Node;

const ORDERS: &str = "CREATE PUBLIC TABLE orders1(id Integer,date Integer,name String,price Double); \
                      CREATE INDEX orders1_idx1 ON orders1(id HASH) USE Constraint=\"PRIMARY\"";
const TARGET: &str = "CREATE PUBLIC TABLE orders2(id Integer,date Integer,name String,price Double); \
                      CREATE INDEX orders2_idx1 ON orders2(id HASH) USE Constraint=\"PRIMARY\"";

/// The trigger of the documented example, with another port.
fn example(port: u16, more: &str) -> String {
    format!(
        "create trigger relayTrigger oftype relay on orders1 use host=\"localhost\" port=\"{port}\" login=\"demo\" \
         target=\"orders2\" derivedValues=\"id=id,date=date,name=name,price=price\" updates=\"id,name\" \
         where=\"price>100.0\" {more}"
    )
}

/// A receiver made of a bare socket.
struct Peer {
    lines: BufReader<TcpStream>,
}

impl Peer {
    fn accept(listener: &TcpListener) -> Peer {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer { lines: BufReader::new(socket) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn say(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Takes the login and accepts it.
    fn welcome(listener: &TcpListener) -> Peer {
        let mut peer = Peer::accept(listener);
        let login = peer.line();
        assert!(login.starts_with("L#0|I=\"demo\"|origin="), "{login}");
        peer.say("M|Q=0|S=0|M=\"OK\"\n");
        peer
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

const COUNTERS: &str = "SELECT delivered, dropped, rejected FROM tripline.subscriptions";

/// Waits until the relay is connected: what is inserted before is dropped.
fn until_connected(node: &Node, peer: &mut Peer, id: i32) -> String {
    let began = Instant::now();
    let dropped = || node.sql.run("SELECT dropped FROM tripline.subscriptions").parse::<u64>().unwrap_or(0);
    let mut id = id;
    peer.lines.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    loop {
        let before = dropped();
        node.sql.run(&format!("INSERT INTO orders1 VALUES ({id}, 0, 'probe', 200)"));
        let mut line = String::new();
        if peer.lines.read_line(&mut line).is_ok() && !line.is_empty() {
            peer.lines.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
            return line;
        }
        assert!(began.elapsed() < PATIENCE, "not connected; dropped {before}");
        id += 1;
    }
}

// AMI-150, AMI-151, AMI-152, AMI-153, AMI-154, AMI-161, AMI-197
#[test]
fn the_example_relays_to_its_own_server() {
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(TARGET);
    node.sql.run(&example(node.ami_port(), ""));
    node.sql.run("insert into orders1 values(2,2000,'hello', 50.75)");
    node.sql.run("insert into orders1 values(3,2000,'hello', 50.75)");
    node.sql.run("insert into orders1 values(4,2000,'hello', 50.75)");
    node.sql.run("update orders1 set name='test',price=99.9 where id = 3");
    assert_eq!(
        node.sql.run("SELECT * FROM orders1 ORDER BY id"),
        "2|2000|hello|50.75;3|2000|test|99.9;4|2000|hello|50.75"
    );
    // The relay may still be connecting: what comes before that is dropped, and the row is sent again by an update.
    let connected = "SELECT delivered > 0 FROM tripline.subscriptions";
    let began = Instant::now();
    while node.sql.run(connected) != "t" {
        assert!(began.elapsed() < PATIENCE);
        node.sql.run("insert into orders1 values(99,1,'probe',200.0); delete from orders1 where id = 99");
        std::thread::sleep(Duration::from_millis(20));
    }
    node.sql.eventually("SELECT count(*) FROM orders2 WHERE id = 99", "0");
    node.sql.run("insert into orders1 values(5,2000,'big',150.0)");
    node.sql.eventually("SELECT * FROM orders2", "5|2000|big|150");
    node.sql.run("update orders1 set name='x',price=160.0 where id = 5");
    node.sql.eventually("SELECT * FROM orders2", "5|2000|x|150");
    node.sql.run("delete from orders1 where id = 5");
    node.sql.eventually("SELECT * FROM orders2", "");
    assert_eq!(node.sql.run("SELECT rejected FROM tripline.subscriptions"), "0");
}

// AMI-160: a relay to this server's own port for the very table that it stands on would feed itself.
#[test]
fn a_relay_that_would_feed_itself_is_refused() {
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(TARGET);
    let port = node.ami_port();
    let create = |name: &str, options: &str| format!("CREATE TRIGGER {name} OFTYPE RELAY ON orders1 USE {options}");
    for host in ["host=\"localhost\"", "host=\"127.0.0.1\"", ""] {
        for target in ["", "target=\"orders1\"", "target=\"ORDERS1\""] {
            let error = node.sql.refused(&create("r", &format!("{host} port=\"{port}\" {target}")));
            assert!(error.starts_with("42P17: the relay would feed table \"orders1\""), "{host} {target}: {error}");
        }
    }
    // Another table, another port and another protocol are none of it; nothing was left behind by what was refused.
    node.sql.run(&create("r", &format!("port=\"{port}\" target=\"orders2\"")));
    node.sql.run(&create("s", &format!("port=\"{}\"", if port == 1 { 2 } else { port - 1 })));
    node.sql.run("DROP TRIGGER r, s");
    node.sql.run("INSERT INTO orders1 VALUES (1, 1, 'x', 200)");
}

// AMI-155, AMI-156, AMI-164, AMI-166
#[test]
fn the_lines_are_those_of_the_manual() {
    let (listener, port) = listener();
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(&example(port, ""));
    let mut peer = Peer::welcome(&listener);
    let first = until_connected(&node, &mut peer, 100);
    let number: u64 = first["O#".len()..].split('|').next().unwrap().parse().unwrap();
    assert_eq!(number, 1, "{first}");
    node.sql.run("INSERT INTO orders1 VALUES (5, 2000, 'big', 150)");
    node.sql.run("UPDATE orders1 SET name = 'x' WHERE id = 5");
    // Neither unchanged, vetoed nor rolled back rows, nor those that do not pass.
    node.sql
        .run("CREATE TRIGGER veto OFTYPE AMISCRIPT ON orders1 USE onInsertingScript=$$if (id == 10) return false;$$");
    node.sql.run("INSERT INTO orders1 VALUES (10, 1, 'vetoed', 500)");
    node.sql.run("UPDATE orders1 SET name = 'x' WHERE id = 5");
    node.sql.run("BEGIN; INSERT INTO orders1 VALUES (6, 1, 'no', 150); ROLLBACK");
    node.sql.run("INSERT INTO orders1 VALUES (7, 1, 'small', 50)");
    node.sql.run("DELETE FROM orders1 WHERE id = 5");
    assert_eq!(peer.line(), "O#2|T=\"orders2\"|id=5|date=2000|name=\"big\"|price=150.0D\n");
    assert_eq!(peer.line(), "O#3|T=\"orders2\"|id=5|name=\"x\"\n");
    assert_eq!(peer.line(), "D#4|T=\"orders2\"|id=5|date=2000|name=\"x\"|price=150.0D\n");
    // In the order of the commits, whoever makes them; nulls are told.
    node.sql.run("INSERT INTO orders1 VALUES (8, NULL, NULL, 101), (9, 1, 'a\"b', 102)");
    assert_eq!(peer.line(), "O#5|T=\"orders2\"|id=8|date=null|name=null|price=101.0D\n");
    assert_eq!(peer.line(), "O#6|T=\"orders2\"|id=9|date=1|name=\"a\\\"b\"|price=102.0D\n");
    node.sql.run("DROP TRIGGER relayTrigger");
    assert_eq!(peer.line(), "X#7\n");
    assert_eq!(peer.lines.read(&mut [0]).unwrap(), 0, "closed");
}

// AMI-152, AMI-153, AMI-164
#[test]
fn columns_are_derived_and_events_left_out() {
    let (listener, port) = listener();
    let node = Node::start();
    node.sql.run(
        "CREATE TABLE src (k bigint, s smallint, f real, b boolean, t timestamptz, x bytea, n numeric(8,3), d date)",
    );
    node.sql.run(&format!(
        "CREATE TRIGGER r OFTYPE RELAY ON src USE port=\"{port}\" login=\"demo\" target=\"t\" \
         derivedValues=\"key=k*2,s,what=strUpper('a')+k\" inserts=\"key,what,s,f,b,t,x,n,d\" updates=\"\" deletes=\"key\""
    ));
    let mut peer = Peer::welcome(&listener);
    std::thread::sleep(Duration::from_millis(200));
    node.sql.run(
        "INSERT INTO src VALUES (21, 3, 1.5, true, '2015-01-24 03:12:13.454+00', '\\x010203', 12.5, '2024-02-29')",
    );
    node.sql.run("UPDATE src SET s = 4; DELETE FROM src");
    assert_eq!(
        peer.line(),
        "O#1|T=\"t\"|key=42L|what=\"A21\"|s=3|f=1.5F|b=true|t=1422069133454T|x=\"AQID\"U|n=\"12.500\"|d=\"2024-02-29\"\n"
    );
    assert_eq!(peer.line(), "D#2|T=\"t\"|key=42L\n");
}

// AMI-157, AMI-190
#[test]
fn a_closed_port_drops_and_counts_and_opens_again() {
    let node = Node::start();
    node.sql.run(ORDERS);
    let port = free_port().unwrap();
    node.sql.run(&example(port, ""));
    let began = Instant::now();
    node.sql.run("INSERT INTO orders1 SELECT n, n, 'x', 200 FROM generate_series(1, 1000) AS n");
    assert!(began.elapsed() < Duration::from_secs(5), "a writer does not wait");
    node.sql.eventually(COUNTERS, "0|1000|0");
    let error = node.sql.run("SELECT last_error FROM tripline.subscriptions");
    assert!(error.contains("refused"), "{error}");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut peer = Peer::welcome(&listener);
    let line = until_connected(&node, &mut peer, 5000);
    assert!(line.starts_with("O#1|T=\"orders2\"|id=50"), "{line}");
    // Again away, again back.
    drop(peer);
    node.sql.eventually("SELECT last_error LIKE '%closed%' FROM tripline.subscriptions", "t");
    let mut peer = Peer::welcome(&listener);
    assert!(until_connected(&node, &mut peer, 6000).starts_with("O#1|"));
}

// AMI-157, AMI-166
#[test]
fn refusals_are_counted_and_bad_answers_end_the_connection() {
    let (listener, port) = listener();
    let node = Node::start();
    node.sql.run(ORDERS);
    node.sql.run(&example(port, ""));
    let mut peer = Peer::welcome(&listener);
    until_connected(&node, &mut peer, 10);
    // What the receiver wants of us is not our business; half an answer is completed later.
    peer.say("E|C=\"x\"|I=\"y\"\nM|Q=1|S=");
    std::thread::sleep(Duration::from_millis(50));
    peer.say("4|M=\"no such thing\"\r\n");
    node.sql.eventually("SELECT rejected, last_error FROM tripline.subscriptions", "1|status 4: no such thing");
    // AMI's own view of it.
    let shown = "SELECT \"SentCount\" = s.delivered AND s.delivered > 0, \"DroppedCount\" = s.dropped, \"RejectedCount\", \"LastError\" \
                 FROM tripline.ami_triggers AS t JOIN tripline.subscriptions AS s ON s.name = t.\"TriggerName\"";
    assert_eq!(node.sql.run(shown), "t|t|1|status 4: no such thing");
    assert!(node.sql.run("SHOW TRIGGERS WHERE RejectedCount == 1").contains("|1|status 4: no such thing"));
    for (bad, error) in [
        ("M|Q=77|S=0|M=\"OK\"\n", "answer to a message never sent: 77"),
        ("gibberish\n", "malformed answer"),
        ("M|S=0\n", "malformed answer: no Q"),
    ] {
        peer.say(bad);
        node.sql.eventually(&format!("SELECT last_error LIKE '{error}%' FROM tripline.subscriptions"), "t");
        peer = Peer::welcome(&listener);
    }
    // A login that is refused is tried again.
    drop(peer);
    let mut peer = Peer::accept(&listener);
    peer.line();
    peer.say("M|Q=0|S=5|M=\"who are you\"\n");
    node.sql.eventually("SELECT last_error FROM tripline.subscriptions", "login refused, status 5: who are you");
    Peer::welcome(&listener);
}

// AMI-157
#[test]
fn a_receiver_that_answers_nothing_is_sent_to_and_one_that_takes_nothing_stalls_nobody() {
    let (listener, port) = listener();
    let node = Node::start();
    node.sql.run("CREATE TABLE big (id int, s text)");
    node.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON big USE port=\"{port}\" login=\"demo\""));
    let mut silent = Peer::accept(&listener);
    assert!(silent.line().starts_with("L#0|"));
    std::thread::sleep(Duration::from_millis(1500));
    node.sql.run("INSERT INTO big VALUES (1, 'first')");
    assert_eq!(silent.line(), "O#1|T=\"big\"|id=1|s=\"first\"\n");
    // From here on nothing is read: the sockets fill, then the queue, then messages are dropped.
    let began = Instant::now();
    node.sql.run("INSERT INTO big SELECT n, repeat('x', 2000) FROM generate_series(1, 4000) AS n");
    node.sql.run("INSERT INTO big SELECT n, 'x' FROM generate_series(1, 150000) AS n");
    assert!(began.elapsed() < Duration::from_secs(60), "writers do not wait for the receiver");
    node.sql.eventually("SELECT dropped >= 20000 FROM tripline.subscriptions", "t");
    drop(silent);
    node.sql.run("DROP TRIGGER r");
}

// AMI-178, AMI-203
#[test]
fn two_servers_relay_to_each_other_and_come_to_rest() {
    let (a, b) = (Node::start(), Node::start());
    for (node, other) in [(&a, &b), (&b, &a)] {
        node.sql.run("CREATE PUBLIC TABLE t(id Integer,n Integer)");
        // Without a key: a change that came back would be a second row.
        node.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE port=\"{}\" login=\"x\"", other.ami_port()));
    }
    let connected = |node: &Node, other: &Node| {
        let began = Instant::now();
        while other.sql.run("SELECT count(*) FROM t WHERE id = 0") == "0" {
            assert!(began.elapsed() < PATIENCE);
            node.sql.run("INSERT INTO t VALUES (0, 0)");
            std::thread::sleep(Duration::from_millis(50));
        }
        node.sql.run("DELETE FROM t WHERE id = 0");
        std::thread::sleep(Duration::from_millis(200));
        other.sql.run("DELETE FROM t WHERE id = 0");
        std::thread::sleep(Duration::from_millis(200));
    };
    connected(&a, &b);
    connected(&b, &a);
    a.sql.run("INSERT INTO t VALUES (1, 1)");
    b.sql.run("INSERT INTO t VALUES (2, 2)");
    for node in [&a, &b] {
        node.sql.eventually("SELECT * FROM t ORDER BY id", "1|1;2|2");
    }
    a.sql.run("UPDATE t SET n = n + 1 WHERE id = 1; DELETE FROM t WHERE id = 2");
    a.sql.run("INSERT INTO t SELECT n, n FROM generate_series(10, 200) AS n");
    b.sql.eventually("SELECT count(*) FROM t WHERE id >= 10", "191");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(a.sql.run("SELECT count(*) FROM t WHERE id >= 10"), "191", "nothing came back");
    assert_eq!(
        b.sql.run("SELECT count(DISTINCT origin) FROM tripline.log WHERE table_name = 't' AND origin <> 0"),
        "1"
    );
    let of_a = a.sql.run("SHOW tripline.instance");
    assert_eq!(b.sql.run("SELECT DISTINCT origin FROM tripline.log WHERE origin <> 0"), of_a);
}

// AMI-203
#[test]
fn a_ring_of_three_comes_to_rest() {
    let nodes = [Node::start(), Node::start(), Node::start()];
    for (at, node) in nodes.iter().enumerate() {
        let next = nodes[(at + 1) % 3].ami_port();
        node.sql.run("CREATE PUBLIC TABLE t(id Integer)");
        let durable = "delivery=\"durable\"";
        node.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE port=\"{next}\" login=\"x\" {durable}"));
    }
    nodes[0].sql.run("INSERT INTO t VALUES (1), (2)");
    nodes[1].sql.run("INSERT INTO t VALUES (3)");
    for node in &nodes {
        node.sql.eventually("SELECT id FROM t ORDER BY id", "1;2;3");
    }
    std::thread::sleep(Duration::from_millis(700));
    for node in &nodes {
        assert_eq!(node.sql.run("SELECT id FROM t ORDER BY id"), "1;2;3");
    }
}

// AMI-157, AMI-204
#[test]
fn a_disabled_relay_sends_nothing_and_goes_on_with_what_comes_later() {
    let (a, b) = (Node::start(), Node::start());
    b.sql.run("CREATE TABLE t (id int)");
    a.sql.run("CREATE TABLE t (id int)");
    a.sql.run(&format!("CREATE TRIGGER r OFTYPE RELAY ON t USE port=\"{}\" delivery=\"durable\"", b.ami_port()));
    a.sql.run("INSERT INTO t VALUES (1)");
    b.sql.eventually("SELECT id FROM t", "1");
    for statement in ["DISABLE TRIGGER r", "INSERT INTO t VALUES (2)", "ENABLE TRIGGER r", "INSERT INTO t VALUES (3)"] {
        a.sql.run(statement);
    }
    b.sql.eventually("SELECT id FROM t ORDER BY id", "1;3");
}
