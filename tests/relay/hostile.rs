//! Relays beside receivers that stall, break off and talk nonsense, and the message port beside such senders: writers go
//! on, memory stays bounded, DROP TRIGGER and the server's end come at once, and what is durable arrives in the end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::node::Node;

/// What a receiver does with its next connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Temper {
    /// Takes nothing and says nothing.
    Deaf,
    /// Takes a byte now and then.
    Slow,
    /// Takes everything, answers nothing.
    Mute,
    /// Answers the first thing it is sent with this, and then takes nothing.
    ThenDeaf(&'static [u8]),
    /// Answers with this and closes.
    Says(&'static [u8]),
    /// Answers without end.
    Endless(&'static [u8]),
    /// Whatever comes is carried to and fro.
    Forwards(u16),
}

/// A receiver whose first connections are treated so, in their order, and all others as the last of them.
struct Receiver {
    port: u16,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Receiver {
    fn new(tempers: &[Temper]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended, tempers) = (connections.clone(), stop.clone(), tempers.to_vec());
        let accepting = std::thread::spawn(move || {
            let mut treating = Vec::new();
            while let Ok((socket, _)) = listener.accept() {
                if ended.load(Ordering::Acquire) {
                    break;
                }
                let place = count.fetch_add(1, Ordering::AcqRel).min(tempers.len() - 1);
                let (temper, ended) = (tempers[place], ended.clone());
                treating.push(std::thread::spawn(move || treat(socket, temper, &ended)));
            }
            for one in treating {
                let _ = one.join();
            }
        });
        Receiver { port, connections, stop, accepting: Some(accepting) }
    }

    /// Waits for so many connections.
    fn met(&self, count: usize) {
        let began = Instant::now();
        while self.connections.load(Ordering::Acquire) < count {
            assert!(began.elapsed() < harness::postgres::PATIENCE, "nobody comes to port {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

fn treat(mut socket: TcpStream, temper: Temper, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut piece = vec![0; 64 << 10];
    let waits =
        |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    let hears = |socket: &mut TcpStream, piece: &mut [u8]| {
        while !stop.load(Ordering::Acquire) {
            match socket.read(piece) {
                Err(error) if waits(&error) => {}
                read => return read.unwrap_or(0),
            }
        }
        0
    };
    match temper {
        Temper::Deaf => {}
        Temper::Slow => {
            while hears(&mut socket, &mut piece[..1]) > 0 && !stop.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        Temper::Mute => while hears(&mut socket, &mut piece) > 0 {},
        Temper::ThenDeaf(answer) | Temper::Says(answer) => {
            hears(&mut socket, &mut piece);
            let _ = socket.write_all(answer);
            if matches!(temper, Temper::Says(_)) {
                let _ = socket.shutdown(Shutdown::Both);
                return;
            }
        }
        Temper::Endless(answer) => {
            hears(&mut socket, &mut piece);
            let lot = answer.repeat((1 << 20) / answer.len());
            while !stop.load(Ordering::Acquire) {
                match socket.write(&lot) {
                    Err(error) if waits(&error) => {}
                    Err(_) => return,
                    Ok(_) => {}
                }
            }
        }
        Temper::Forwards(port) => {
            let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut back, mut from) = (socket.try_clone().unwrap(), other.try_clone().unwrap());
            let _ = socket.set_read_timeout(None);
            let _ = socket.set_write_timeout(None);
            let answers = std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let _ = std::io::copy(&mut socket, &mut other);
            let _ = other.shutdown(Shutdown::Both);
            let _ = answers.join();
            return;
        }
    }
    while !stop.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

const WELCOME: &[u8] = b"M|Q=0|S=0|M=\"OK\"\n";
/// AuthenticationOk and ReadyForQuery.
const WELCOME_SQL: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

fn relay(name: &str, table: &str, port: u16, delivery: &str, protocol: &str) -> String {
    let own = if protocol == "ami" { "login=\"demo\"" } else { "keys=\"id\" user=\"admin\"" };
    format!(
        "CREATE TRIGGER {name} OFTYPE RELAY ON {table} USE host=\"127.0.0.1\" port=\"{port}\" protocol=\"{protocol}\" \
         delivery=\"{delivery}\" {own}"
    )
}

/// How long a statement takes.
fn timed(node: &Node, sql: &str) -> Duration {
    let began = Instant::now();
    node.sql.run(sql);
    began.elapsed()
}

// AMI-157, AMI-201
#[test]
fn receivers_that_stall_hold_up_nobody() {
    let node = Node::start();
    node.sql.run("CREATE TABLE free (id int PRIMARY KEY, s text); CREATE TABLE t (id int PRIMARY KEY, s text)");
    let mut receivers = Vec::new();
    let mut names = Vec::new();
    for (kind, temper) in
        [Temper::Deaf, Temper::Slow, Temper::Mute, Temper::ThenDeaf(WELCOME), Temper::ThenDeaf(WELCOME_SQL)]
            .into_iter()
            .enumerate()
    {
        for delivery in ["drop", "durable"] {
            for protocol in ["ami", "postgres"] {
                let receiver = Receiver::new(&[temper]);
                let name = format!("r{kind}_{delivery}_{protocol}");
                node.sql.run(&relay(&name, "t", receiver.port, delivery, protocol));
                names.push(name);
                receivers.push(receiver);
            }
        }
    }
    // All of them hold something that they cannot get rid of.
    node.sql.run("INSERT INTO t VALUES (0, 'first')");
    for receiver in &receivers {
        receiver.met(1);
    }
    std::thread::sleep(Duration::from_millis(1200));
    let many = |table: &str| {
        let began = Instant::now();
        for id in 1..=100 {
            node.sql.run(&format!("INSERT INTO {table} VALUES ({id}, repeat('x', 20000))"));
        }
        began.elapsed()
    };
    let (alone, stalled) = (many("free"), many("t"));
    // Twenty relays work on each row beside the writer: it may be slowed by that, not by waiting for one of them.
    assert!(stalled < alone * 10 + Duration::from_secs(4), "100 inserts took {stalled:?}, without relays {alone:?}");
    // One by one and many together; whoever comes next does not wait for those that go.
    let first = timed(&node, &format!("DROP TRIGGER {}", names[0]));
    let most = timed(&node, &format!("DROP TRIGGER {}", names[1..15].join(", ")));
    assert!(first.max(most) < Duration::from_secs(2), "DROP TRIGGER took {first:?} and {most:?}");
    let other = Node::start();
    other.sql.run("CREATE PUBLIC TABLE t(id Integer, s String)");
    node.sql.run(&relay("new", "t", other.ami_port(), "durable", "ami"));
    node.sql.run("INSERT INTO t VALUES (1000, 'new')");
    other.sql.eventually("SELECT id, s FROM t", "1000|new");
    let began = Instant::now();
    node.server.stop();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "the server's end took {took:?}");
}

/// Receivers that are good at the third connection.
fn good_in_the_end(bad: &[Temper], protocol: &str, good: impl Fn(&Node) -> u16) {
    let (node, other) = (Node::start(), Node::start());
    let pairs: Vec<&[Temper]> = bad.chunks(2).collect();
    let mut receivers = Vec::new();
    for (place, pair) in pairs.iter().enumerate() {
        node.sql.run(&format!("CREATE TABLE t{place} (id int PRIMARY KEY, s text)"));
        other.sql.run(&format!("CREATE TABLE t{place} (id int PRIMARY KEY, s text)"));
        let tempers: Vec<Temper> = pair.iter().copied().chain([Temper::Forwards(good(&other))]).collect();
        let receiver = Receiver::new(&tempers);
        node.sql.run(&relay(&format!("r{place}"), &format!("t{place}"), receiver.port, "durable", protocol));
        node.sql
            .run(&format!("INSERT INTO t{place} VALUES (1, 'é'), (2, NULL); UPDATE t{place} SET s = 'z' WHERE id = 2"));
        receivers.push(receiver);
    }
    for (place, pair) in pairs.iter().enumerate() {
        node.sql.eventually(&format!("SELECT depth FROM tripline.subscriptions WHERE name = 'r{place}'"), "0");
        assert_eq!(other.sql.run(&format!("SELECT * FROM t{place} ORDER BY id")), "1|é;2|z", "{pair:?}");
        let told =
            node.sql.run(&format!("SELECT last_error IS NOT NULL FROM tripline.subscriptions WHERE name = 'r{place}'"));
        assert_eq!(told, "t", "{pair:?}");
        assert!(receivers[place].connections.load(Ordering::Acquire) > pair.len(), "{pair:?}");
    }
    drop(node);
    drop(other);
}

// AMI-157, AMI-166, AMI-201
#[test]
fn over_messages_what_a_receiver_breaks_off_comes_again() {
    let bad = [
        Temper::Says(b""),
        Temper::Says(b"M|Q=0|S=0|M=\"O"),
        Temper::Says(b"M|Q=0|S=5|M=\"no\"\n"),
        Temper::Says(b"\xff\xfe\x00\n"),
        Temper::Says(b"M|Q=7|S=0|M=\"OK\"\n"),
        Temper::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Temper::Endless(b"x"),
        Temper::Endless(b"M|Q=0|S=0|M=\"OK\"\n"),
        Temper::Says(b"M|Q=0|S=0|M=\"OK\"\nM|Q=1|S=0|M=\"half"),
        Temper::Says(b"M|Q=0|S=0|M=\"OK\"\nM|Q=99999999999999999999999|S=0\n"),
        Temper::Says(b"M|Q=-1|S=0\n"),
        Temper::Says(b"M|Q=0|S=\n"),
    ];
    good_in_the_end(&bad, "ami", Node::ami_port);
}

// AMI-200, AMI-201, AMI-202
#[test]
fn over_postgresqls_protocol_what_a_receiver_breaks_off_comes_again() {
    let bad = [
        Temper::Says(b""),
        Temper::Says(b"R\0\0\0"),
        Temper::Says(b"E\0\0\0\x1dSFATAL\0C57P03\0Mstarting\0\0\0\0\0"),
        Temper::Says(b"\xff\xfe\x00\xff\xff\xff"),
        Temper::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Temper::Endless(b"x"),
        Temper::Says(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
        Temper::Says(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IE\0\0\0\x07SX\0"),
        Temper::Endless(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
        Temper::Says(b"R\0\0\0\x08\0\0\0\x05"),
    ];
    good_in_the_end(&bad, "postgres", Node::sql_port);
}

// AMI-200: an answer that says that it has gigabytes is not waited for.
#[test]
fn a_message_that_is_too_long_ends_the_connection() {
    let node = Node::start();
    let receiver = Receiver::new(&[Temper::Endless(b"x")]);
    node.sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    node.sql.run(&relay("r", "t", receiver.port, "drop", "postgres"));
    let error = "SELECT last_error LIKE '%a message of 2021161080 bytes' FROM tripline.subscriptions";
    node.sql.eventually(error, "t");
}

// AMI-157
#[test]
fn what_waits_in_memory_is_bounded_by_its_bytes() {
    let node = Node::start();
    let receiver = Receiver::new(&[Temper::ThenDeaf(WELCOME)]);
    node.sql.run("CREATE TABLE big (id int, s text)");
    node.sql.run(&relay("r", "big", receiver.port, "drop", "ami"));
    receiver.met(1);
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..16 {
        node.sql.run("INSERT INTO big SELECT n, repeat('x', 1000000) FROM generate_series(1, 10) AS n");
    }
    // 64 MiB wait, a little is under way.
    node.sql.eventually("SELECT dropped >= 80 FROM tripline.subscriptions", "t");
}

// AMI-177, AMI-201
#[test]
fn a_message_longer_than_a_line_is_left_out() {
    let (node, other) = (Node::start(), Node::start());
    node.sql.run("CREATE TABLE big (id int PRIMARY KEY, s text)");
    other.sql.run("CREATE PUBLIC TABLE big(id Integer, s String)");
    for delivery in ["durable", "drop"] {
        node.sql.run(&relay(delivery, "big", other.ami_port(), delivery, "ami"));
    }
    node.sql.run("INSERT INTO big VALUES (1, 'before'), (2, repeat('x', 17000000)), (3, 'behind')");
    node.sql
        .eventually("SELECT delivered, rejected, depth FROM tripline.subscriptions WHERE name = 'durable'", "2|1|0");
    node.sql
        .eventually("SELECT delivered + dropped, rejected <= 1 FROM tripline.subscriptions WHERE name = 'drop'", "2|t");
    let error = node.sql.run("SELECT last_error FROM tripline.subscriptions WHERE name = 'durable'");
    assert!(error.contains("longer than a line may be"), "{error}");
    assert_eq!(other.sql.run("SELECT DISTINCT id FROM big ORDER BY id"), "1;3");
}

// AMI-162, AMI-169, AMI-170
#[test]
fn senders_of_nonsense_are_answered_and_go_on() {
    let node = Node::start();
    node.sql.run("CREATE PUBLIC TABLE t(id Integer, s String)");
    let mut client = node.messages().login();
    for (sequence, nonsense) in [
        &b"\xff\xfe\xfd"[..],
        b"O|T=\"t\"|s=\"a\0b\"",
        b"O|T=\"t\"|s=\"no end",
        b"O|T=\"t\"|s=\"\\ud800\"",
        b"O|T=\"t\"|id=99999999999999999999999999999",
        b"O#99999999999999999999999|T=\"t\"",
        b"o|T=\"t\"",
        b"|||||",
        b"O|T=\"t\"|id=1|id=2",
        b"O|T=\"t\"|\xc3\xa9=1",
        b"O|T=\"t\"|s=\"x\"U",
        b"O|T=\"t\"|s=\"20140503\"T(yyyyMMdd",
        b"D|T=5|id=1",
    ]
    .into_iter()
    .enumerate()
    {
        client.send(&[nonsense, b"\n"].concat());
        let answer = client.read();
        assert!(answer.starts_with(&format!("M|Q={}|S=", sequence + 1)) && !answer.contains("|S=0|"), "{answer}");
    }
    // What an answer repeats is cut: many answers may have to wait.
    let long = "c".repeat(1_000_000);
    for line in
        [format!("O|T=\"t\"|{long}=1"), format!("O|T=\"{long}\"|id=1"), format!("O|T=\"t\"|s=\"{long}\"T(yyyy)")]
    {
        let answer = client.ask(&line);
        assert!(answer.len() < 1000 && !answer.contains("|S=0|"), "{} bytes", answer.len());
    }
    assert!(client.ask("O|T=\"t\"|id=1").ends_with("|S=0|M=\"OK\""));
    assert_eq!(node.sql.run("SELECT id FROM t"), "1");
}

// AMI-167, AMI-168
#[test]
fn a_login_has_its_time_however_it_comes() {
    let node = Node::start_with(|config| config.authentication_timeout = Duration::from_secs(1));
    let mut socket = TcpStream::connect(("127.0.0.1", node.ami_port())).unwrap();
    socket.set_read_timeout(Some(harness::postgres::PATIENCE)).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let began = Instant::now();
    let writing = std::thread::spawn(move || {
        // A letter every 300 ms, and no end.
        while writer.write_all(b"L").is_ok() && began.elapsed() < Duration::from_secs(15) {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let _ = socket.read(&mut [0; 10]);
    assert!(began.elapsed() < Duration::from_secs(10), "the connection was kept for {:?}", began.elapsed());
    drop(socket);
    writing.join().unwrap();
}

// AMI-167: a sender that takes no answers is not read from either, and others do not feel it.
#[test]
fn senders_that_take_no_answers_stall_themselves() {
    let node = Node::start();
    node.sql.run("CREATE PUBLIC TABLE t(id Integer)");
    let socket = TcpStream::connect(("127.0.0.1", node.ami_port())).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut sender = &socket;
    sender.write_all(b"L|I=\"demo\"\n").unwrap();
    let lot = b"H\n".repeat(10_000);
    let mut taken = 0;
    while taken < 200 << 20 {
        match sender.write(&lot) {
            Ok(count) => taken += count,
            Err(_) => break,
        }
    }
    assert!(taken < 64 << 20, "{taken} bytes were taken from a sender that reads nothing");
    assert!(node.messages().login().ask("O|T=\"t\"|id=1").ends_with("|S=0|M=\"OK\""));
    let began = Instant::now();
    node.server.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "the server's end took {:?}", began.elapsed());
}

// AMI-167, AMI-75
#[test]
fn a_message_at_work_does_not_hold_up_the_servers_end() {
    let node = Node::start();
    node.sql.run("CREATE PUBLIC TABLE t(id Integer); CREATE PUBLIC TABLE locked(id Integer, n Integer)");
    node.sql.run(
        "CREATE TRIGGER slow OFTYPE AMISCRIPT ON t USE onInsertedScript=\"\"\"long n = 0; while (true) n++;\"\"\"",
    );
    let mut busy = node.messages().login();
    busy.send(b"O|T=\"t\"|id=1\n");
    node.sql.eventually(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'AMI messages' AND state = 'active'",
        "1",
    );
    let began = Instant::now();
    node.server.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "the server's end took {:?}", began.elapsed());
    assert!(!busy.read().contains("|S=0|"));
}
