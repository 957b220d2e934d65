//! What is too long, too deep, too many or malformed gets an answer with its SQLSTATE, and the server lives on
//! (PG-43, PG-52, PG-63, PG-64).
//!
//! PostgreSQL 15 takes some more (long chains of casts, JSON without bounds) and says 42601 "memory exhausted" where its
//! parser, not its stack, is full; 54001 is what it says of every other nesting.

use std::time::Duration;

use harness::raw::{Message, Raw, shown};
use harness::server::TestServer;

/// Levels that no statement needs.
const DEEP: usize = 10_000;
/// Bytes of a long statement.
const LONG: usize = 1 << 20;

/// The SQLSTATE of the first error, or `ok`.
fn outcome(messages: &[Message]) -> String {
    let error = messages.iter().find(|message| message.kind == b'E');
    error.map_or_else(|| "ok".to_owned(), |error| error.field(b'C').unwrap_or_default())
}

/// Sends each text in both protocols and compares the outcome; then the session must still answer.
fn check(cases: &[(&str, String, &str)]) {
    let server = TestServer::start();
    let mut raw = Raw::login(server.address());
    raw.patience(Duration::from_secs(60));
    raw.run("CREATE TABLE limits (id int PRIMARY KEY, a int[], t text)");
    let mut wrong = Vec::new();
    for (name, sql, expected) in cases {
        for extended in [false, true] {
            let began = std::time::Instant::now();
            if extended {
                raw.parse("", sql, &[]).bind("", "", &[], &[]).execute("", 0).sync().go();
            } else {
                raw.query(sql).go();
            }
            let messages = raw.until_ready();
            let found = outcome(&messages);
            let ready = messages.last().map(Message::shown);
            // Several statements are one error in the extended protocol, whatever they are.
            let several = extended && found == "42601" && sql.contains(';');
            if ready.as_deref() != Some("Z(I)") || (found != *expected && !several) {
                let error = messages.iter().find_map(|message| message.field(b'M')).unwrap_or_default();
                let short: String = error.chars().take(200).collect();
                wrong.push(format!("{name} (extended: {extended}): {found}, not {expected}: {short} {ready:?}"));
            }
            if ready.is_none() {
                raw = Raw::login(server.address());
            }
            if began.elapsed() > Duration::from_secs(10) {
                wrong.push(format!("{name} (extended: {extended}): took {:?}", began.elapsed()));
            }
        }
        assert_eq!(raw.run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)", "after {name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn nested(open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(DEEP), close.repeat(DEEP))
}

// PG-63, PG-64
#[test]
fn what_nests_too_deeply_is_refused() {
    let select = |text: String| format!("SELECT {text}");
    check(&[
        ("parentheses", select(nested("(", "1", ")")), "54001"),
        ("parentheses left open", select("(".repeat(DEEP)), "54001"),
        ("parentheses that only close", select(")".repeat(DEEP)), "42601"),
        ("calls", select(nested("abs(", "1", ")")), "54001"),
        ("not", select(format!("{}true", "NOT ".repeat(DEEP))), "54001"),
        ("minus", select(format!("{}1", "- ".repeat(DEEP))), "54001"),
        ("sums", select(vec!["1"; DEEP].join(" + ")), "54001"),
        ("casts", select(format!("1{}", "::int".repeat(DEEP))), "54001"),
        ("subscripts", select(format!("'{{1}}'::int[]{}", "[1]".repeat(DEEP))), "ok"),
        ("case", select(nested("CASE WHEN ", "true", " THEN true END")), "54001"),
        ("arrays", select(nested("ARRAY[", "1", "]")), "54001"),
        ("rows", select(nested("ROW(", "1", ")")), "54001"),
        ("sub-selects", select(nested("(SELECT ", "1", ")")), "54001"),
        ("exists", select(nested("EXISTS (SELECT ", "1", ")")), "54001"),
        ("derived tables", nested("SELECT * FROM (", "SELECT 1", ") t"), "54001"),
        ("with", nested("WITH t AS (", "SELECT 1", ") SELECT 1"), "54001"),
        ("unions", vec!["SELECT 1"; DEEP].join(" UNION ALL "), "54001"),
        ("unions in parentheses", nested("(", "SELECT 1", ")"), "54001"),
        ("joins", format!("SELECT 1 FROM limits{}", " CROSS JOIN limits".repeat(DEEP)), "42712"),
        ("joins in parentheses", format!("SELECT 1 FROM {}", nested("(", "limits", ")")), "54001"),
        ("explain", format!("{}SELECT 1", "EXPLAIN ".repeat(DEEP)), "42601"),
        ("comments", format!("SELECT 1 {}", nested("/*", "", "*/")), "ok"),
        ("names", format!("SELECT {}a", "a.".repeat(DEEP)), "42601"),
        ("values in insert", format!("INSERT INTO limits VALUES ({})", nested("(", "1", ")")), "54001"),
        ("where of update", format!("UPDATE limits SET id = 1 WHERE {}", nested("(", "true", ")")), "54001"),
        ("default", format!("CREATE TABLE deep (a int DEFAULT {})", nested("(", "1", ")")), "54001"),
        ("json", format!("SELECT '{}'::jsonb", nested("[", "", "]")), "54001"),
        ("json objects", format!("SELECT '{}'::json", nested("{\"a\":", "1", "}")), "54001"),
        ("json left open", format!("SELECT '{}'::jsonb", "[".repeat(DEEP)), "54001"),
        ("array text", format!("SELECT '{}'::int[]", nested("{", "1", "}")), "54000"),
        ("regular expression", format!("SELECT 'a' ~ '{}'", nested("(", "a", ")")), "2201B"),
        ("regular expression left open", format!("SELECT 'a' ~ '{}'", "(".repeat(DEEP)), "2201B"),
        ("like", format!("SELECT '{}' LIKE '{}b'", "a".repeat(DEEP), "%a".repeat(200)), "ok"),
    ]);
}

// PG-64
#[test]
fn five_hundred_levels_are_taken() {
    let nested = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(500), close.repeat(500));
    check(&[
        ("parentheses", format!("SELECT {}", nested("(", "1", ")")), "ok"),
        ("calls", format!("SELECT {}", nested("abs(", "1", ")")), "ok"),
        ("not", format!("SELECT {}true", "NOT ".repeat(500)), "ok"),
        ("minus", format!("SELECT {}1", "- ".repeat(500)), "ok"),
        ("sub-selects", format!("SELECT {}", nested("(SELECT ", "1", ")")), "ok"),
        ("case", format!("SELECT {}", nested("CASE WHEN ", "true", " THEN true END")), "ok"),
        ("or", format!("SELECT 1 FROM limits WHERE {}", vec!["id = 1"; DEEP].join(" OR ")), "ok"),
        ("and", format!("SELECT 1 FROM limits WHERE {}", vec!["id = 1"; DEEP].join(" AND ")), "ok"),
    ]);
}

// PG-43
#[test]
fn what_is_a_megabyte_long_is_taken_or_refused() {
    let numbers = (0..).map(|n: i32| n.to_string()).scan(0, |len, text| {
        *len += text.len() + 2;
        (*len < LONG).then_some(text)
    });
    let numbers: Vec<String> = numbers.collect();
    check(&[
        ("a literal", format!("SELECT length('{}')", "x".repeat(LONG)), "ok"),
        ("a name", format!("SELECT 1 AS {}", "x".repeat(LONG)), "ok"),
        ("a number", format!("SELECT {}", "1".repeat(LONG)), "22003"),
        ("a fraction", format!("SELECT 0.{}", "1".repeat(LONG)), "22003"),
        ("an exponent", format!("SELECT 1e{}", "9".repeat(LONG)), "22003"),
        ("a comment", format!("SELECT 1 /* {} */", "x".repeat(LONG)), "ok"),
        ("blanks", format!("SELECT{}1", " ".repeat(LONG)), "ok"),
        ("semicolons", ";".repeat(LONG), "ok"),
        ("a literal left open", format!("SELECT '{}", "x".repeat(LONG)), "42601"),
        ("a comment left open", format!("SELECT 1 /*{}", "x".repeat(LONG)), "42601"),
        ("a quoted name left open", format!("SELECT \"{}", "x".repeat(LONG)), "42601"),
        ("a dollar literal left open", format!("SELECT $x${}", "x".repeat(LONG)), "42601"),
        ("words", "word ".repeat(LONG / 5), "42601"),
        ("operators", format!("SELECT 1 {} 1", "+".repeat(LONG)), "54001"),
        ("commas", format!("SELECT {}", ",".repeat(LONG)), "42601"),
        ("columns", format!("SELECT {}", numbers.join(", ")), "54011"),
        ("arguments", format!("SELECT concat({})", numbers.join(", ")), "54023"),
        ("a list", format!("SELECT 1 FROM limits WHERE id IN ({})", numbers.join(", ")), "ok"),
        (
            "rows",
            format!("INSERT INTO limits VALUES ({}) ON CONFLICT DO NOTHING", numbers[..60_000].join("), (")),
            "ok",
        ),
        ("array", format!("SELECT cardinality('{{{}}}'::int[])", numbers.join(",")), "ok"),
        ("array constructor", format!("SELECT cardinality(ARRAY[{}])", numbers.join(",")), "ok"),
        ("json", format!("SELECT jsonb_array_length('[{}]')", numbers.join(",")), "ok"),
        ("columns of a table", format!("CREATE TABLE wide (c{} int)", numbers[..5_000].join(" int, c")), "54011"),
        ("repeat", "SELECT repeat('x', 2000000000)".to_owned(), "54000"),
        ("lpad", "SELECT lpad('x', 2000000000)".to_owned(), "54000"),
        ("a power", "SELECT 10::numeric ^ 1000000".to_owned(), "22003"),
        ("a shift of time", "SELECT now() + interval '1000000 years'".to_owned(), "22008"),
        ("parameters", "SELECT $65536".to_owned(), "42P02"),
        ("a parameter", "SELECT $99999999999".to_owned(), "42P02"),
    ]);
}

// PG-43
#[test]
fn malformed_messages_are_refused() {
    let server = TestServer::start();
    let mut wrong = Vec::new();
    let bind = b"\0\0\0\0\0\0\0\0";
    let cases: Vec<(&str, u8, Vec<u8>, &str)> = vec![
        ("query without its end", b'Q', b"SELECT 1".to_vec(), "E(08P01)"),
        ("query with more after its end", b'Q', b"SELECT 1\0x\0".to_vec(), "E(08P01)"),
        ("an empty query message", b'Q', Vec::new(), "E(08P01)"),
        ("an empty parse", b'P', Vec::new(), "E(08P01)"),
        ("parse without types", b'P', b"\0SELECT 1\0".to_vec(), "E(08P01)"),
        ("parse with types that are not there", b'P', b"\0SELECT 1\0\x7f\xff".to_vec(), "E(08P01)"),
        ("parse with more after its end", b'P', b"\0SELECT 1\0\0\0x".to_vec(), "E(08P01)"),
        ("an empty bind", b'B', Vec::new(), "E(08P01)"),
        ("bind that ends early", b'B', bind[..5].to_vec(), "E(08P01)"),
        ("bind with formats that are not there", b'B', b"\0\0\xff\xff".to_vec(), "E(08P01)"),
        ("bind with parameters that are not there", b'B', b"\0\0\0\0\xff\xff".to_vec(), "E(08P01)"),
        ("bind with a length below nothing", b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xf0\0\0".to_vec(), "E(08P01)"),
        ("bind with a length past the end", b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0".to_vec(), "E(08P01)"),
        ("an empty describe", b'D', Vec::new(), "E(08P01)"),
        ("describe of something else", b'D', b"x\0".to_vec(), "E(08P01)"),
        ("an empty close", b'C', Vec::new(), "E(08P01)"),
        ("an empty execute", b'E', Vec::new(), "E(08P01)"),
        ("execute without its limit", b'E', b"\0".to_vec(), "E(08P01)"),
        ("sync with a body", b'S', b"xxxx".to_vec(), "E(08P01)"),
        ("a password after all", b'p', b"x\0".to_vec(), "E!(08P01)"),
    ];
    for (name, kind, body, expected) in cases {
        let mut raw = Raw::login(server.address());
        // A Bind is read to its end only if its statement is there.
        raw.parse("", "SELECT $1::text", &[]).sync().ask();
        raw.message(kind, &body).message(b'S', &[]).message(b'X', &[]);
        let answer = raw.until_end();
        let first = answer.split(' ').next().unwrap_or_default();
        // An error leaves a session that answers Sync.
        if first != expected || answer.ends_with("Z(I)") == expected.contains('!') {
            wrong.push(format!("{name}: {answer}, not {expected}"));
        }
    }
    // Before there is a session.
    for (name, packet) in [
        ("a packet of no length", &b"\0\0\0\0"[..]),
        ("a packet of four bytes", b"\0\0\0\x04"),
        ("a packet that is too long", b"\0\0\x27\x11\0\x03\0\0"),
        ("a packet of 2 GB", b"\x7f\xff\xff\xff\0\x03\0\0"),
        ("no name's end", b"\0\0\0\x0c\0\x03\0\0user"),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
        ("a cancel that is too short", b"\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\x01"),
    ] {
        let mut raw = Raw::connect(server.address());
        let answer = raw.bytes(packet).until_end();
        if !(answer.is_empty() || answer.starts_with("E!(")) {
            wrong.push(format!("{name}: {answer}"));
        }
    }
    assert_eq!(Raw::login(server.address()).run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// PG-43
#[test]
fn messages_out_of_place_do_not_end_the_session() {
    let server = TestServer::start();
    let mut raw = Raw::login(server.address());
    // Copy messages outside of a copy are dropped, as PostgreSQL does.
    raw.message(b'd', b"1\n").message(b'c', &[]).message(b'f', b"no\0");
    assert_eq!(raw.run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
    assert_eq!(raw.execute("nowhere", 0).sync().ask(), "E(34000) Z(I)");
    assert_eq!(raw.describe(b'S', "nowhere").sync().ask(), "E(26000) Z(I)");
    assert_eq!(raw.bind("", "nowhere", &[], &[]).sync().ask(), "E(26000) Z(I)");
    assert_eq!(raw.close(b'P', "nowhere").sync().ask(), "3 Z(I)");
    raw.parse("", "SELECT $1::int AS a", &[]).bind_formats("", "", &[7], &[Some(b"1")], &[]).sync();
    assert_eq!(raw.ask(), "1 E(22023) Z(I)");
    raw.parse("", "SELECT $1::int AS a", &[]).bind_formats("", "", &[1], &[Some(b"1")], &[]).sync();
    assert_eq!(raw.ask(), "1 E(08P01) Z(I)");
    raw.parse("", "SELECT $1::int AS a", &[]).bind_formats("", "", &[1], &[Some(b"12345")], &[]).sync();
    assert_eq!(raw.ask(), "1 E(22P03) Z(I)");
}

// PG-11, PG-43
#[test]
fn a_thousand_connections() {
    let server = TestServer::start();
    if server.server().is_none() {
        return; // PostgreSQL is not configured for so many.
    }
    let mut clients: Vec<Raw> = Vec::new();
    for _ in 0..1_000 {
        clients.push(Raw::login(server.address()));
    }
    let mut late = Raw::connect(server.address());
    late.startup(&[("user", "admin"), ("database", "postgres")]);
    assert_eq!(late.until_end(), "E!(53300)");
    for client in &mut clients {
        client.query("SELECT 1 AS a").go();
    }
    for client in &mut clients {
        assert_eq!(shown(&client.until_ready()), "T(a) D(1) C(SELECT 1) Z(I)");
    }
    drop(clients);
    // Their places come back.
    for _ in 0..500 {
        let mut raw = Raw::connect(server.address());
        raw.startup(&[("user", "admin"), ("database", "postgres")]);
        let last = raw.until_ready().pop().map(|message| message.kind);
        if last == Some(b'Z') {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no place came back");
}
