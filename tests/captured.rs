//! What clients really send (`spec/captured_sql/*.sql`), statement by statement on PostgreSQL 15 and here: each file in
//! order on its own empty database. DDL and settings are run, queries without parameters are run, everything else is
//! parsed and described; transaction control, cursors and data changes are left out because repeats are folded in the
//! files. Compared are the kinds of messages, command tags, parameter types, columns with their types, and SQLSTATEs.
//!
//! PG-130, PG-133, PG-200, PG-201: gates 1 to 3 of section 19. `spec/captured_differences.txt` lists the statements that are
//! answered otherwise, with their answers and why; the list must be exact, and nothing else may differ.
//! `TRIPLINE_BLESS=1` writes the list anew: read the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use harness::postgres::Postgres;
use harness::raw::{Message, Raw};
use harness::server::TestServer;
use harness::{tests_dir, walk};

/// First OID of an object that a user makes.
const USER_OID: u32 = 16384;

/// One captured message.
struct Captured {
    /// Its place in the file, from 1.
    place: usize,
    extended: bool,
    /// Parameter types that the client declared and that are built in, by their names.
    declared: Vec<String>,
    sql: String,
}

/// Splits a file at its `--@` lines.
fn messages(text: &str) -> Vec<Captured> {
    let mut found: Vec<Captured> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("--@ ") {
            let declared = header.split_once("declared: ").map_or("", |(_, rest)| rest);
            let declared = ["params: ", "columns: ", "error: "]
                .iter()
                .fold(declared, |text, end| text.split_once(end).map_or(text, |(before, _)| before));
            let declared =
                declared.split(", ").filter_map(|one| one.trim().split_once(' ')).map(|(_, ty)| ty.to_owned());
            let captured = Captured {
                place: found.len() + 1,
                extended: header.starts_with('X'),
                declared: declared.collect(),
                sql: String::new(),
            };
            found.push(captured);
        } else if let (Some(last), false) = (found.last_mut(), line.starts_with("--=")) {
            last.sql.push_str(line);
            last.sql.push('\n');
        }
    }
    for captured in &mut found {
        captured.sql = captured.sql.trim_end().to_owned();
    }
    found
}

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Skip,
    Describe,
    Run,
}

fn step(captured: &Captured) -> Step {
    let lower = captured.sql.to_lowercase();
    let text = skip_comments(&lower);
    let first = text.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty()).unwrap_or("");
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let many = text.trim_end_matches([';', '\n', ' ']).contains(';') && !captured.extended && !text.starts_with("do");
    if many && has(&["copy ", "pg_sleep", "create database", "drop database"]) {
        return Step::Skip;
    }
    match first {
        "begin" | "start" | "commit" | "rollback" | "end" | "abort" | "savepoint" | "release" | "declare" | "fetch"
        | "move" | "close" => Step::Skip,
        _ if many => Step::Run,
        "insert" | "update" | "delete" | "merge" | "truncate" | "copy" | "explain" | "execute" => Step::Describe,
        "select" | "with" | "values" | "table" => {
            let waits = ["pg_sleep", "advisory", "pg_terminate", "pg_cancel", "pg_notify", "lo_", "nextval", "setval"];
            let writes = first == "with" && has(&["insert ", "update ", "delete "]);
            if captured.extended || writes || has(&waits) { Step::Describe } else { Step::Run }
        }
        _ => Step::Run,
    }
}

fn skip_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if let Some(rest) = text.strip_prefix("--") {
            text = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = text.strip_prefix("/*") {
            text = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return text;
        }
    }
}

/// A session on one of the two servers.
struct Session {
    address: SocketAddr,
    database: String,
    raw: Raw,
}

impl Session {
    fn open(address: SocketAddr, database: &str) -> Session {
        Session { address, database: database.to_owned(), raw: login(address, database) }
    }

    fn outcome(&mut self, captured: &Captured, step: Step) -> (String, String) {
        if step == Step::Run {
            self.raw.query(&captured.sql);
        } else {
            let types: Vec<u32> = captured.declared.iter().map(|name| type_oid(name)).collect();
            self.raw.parse("", &captured.sql, &types).describe(b'S', "").sync();
        }
        self.raw.go();
        let messages = self.raw.until_ready();
        let shown = messages.iter().filter_map(shown).collect::<Vec<_>>().join(" ");
        let error = messages.iter().find(|message| message.kind == b'E');
        let why = error.and_then(|error| error.field(b'M')).unwrap_or_default();
        match messages.last() {
            Some(last) if last.kind == b'Z' && last.body == b"I" => {}
            Some(last) if last.kind == b'Z' => {
                self.raw.run("ROLLBACK");
            }
            _ => self.raw = login(self.address, &self.database),
        }
        (shown, why)
    }
}

fn login(address: SocketAddr, database: &str) -> Raw {
    let mut raw = Raw::connect(address);
    raw.startup(&[("user", "admin"), ("database", database)]);
    let messages = raw.until_ready();
    assert_eq!(messages.last().map(|message| message.kind), Some(b'Z'), "{}", harness::raw::shown(&messages));
    raw.run("SET lock_timeout = '5s'");
    raw
}

/// A message as it is compared; none for those that may differ.
fn shown(message: &Message) -> Option<String> {
    let shown_oid = |oid: u32| if oid >= USER_OID { "user".to_owned() } else { oid.to_string() };
    let oid = |bytes: &[u8]| shown_oid(u32::from_be_bytes(bytes.try_into().unwrap()));
    Some(match message.kind {
        b'T' => {
            let mut text = String::from("T(");
            for (name, ty, typmod) in message.columns() {
                let _ = write!(text, "{name} {}", shown_oid(ty));
                if typmod != -1 {
                    let _ = write!(text, "({typmod})");
                }
                text.push_str(", ");
            }
            text + ")"
        }
        b't' => format!("t({})", message.body[2..].chunks(4).map(oid).collect::<Vec<_>>().join(",")),
        b'C' => {
            let tag = String::from_utf8_lossy(&message.body);
            format!("C({})", tag.trim_end_matches(|c: char| c == '\0' || c == ' ' || c.is_ascii_digit()))
        }
        b'E' => format!("E({})", message.field(b'C').unwrap_or_default()),
        b'n' | b'I' => char::from(message.kind).to_string(),
        _ => return None,
    })
}

/// OID of a declared type; 0 (find it out) for one that a user made.
fn type_oid(name: &str) -> u32 {
    let (base, array) = name.strip_suffix("[]").map_or((name, false), |base| (base, true));
    let Some(info) = tripline_sql::types::type_by_name(base.trim_matches('"')) else { return 0 };
    let info = if base == "\"char\"" { tripline_sql::types::type_info(18).unwrap() } else { info };
    if array { info.array } else { info.oid }
}

#[test]
fn captured_statements_answer_as_on_postgresql() {
    let postgres =
        Postgres::start(&[("fsync", "off"), ("max_prepared_transactions", "0")]).expect("PostgreSQL 15 is installed");
    let address: SocketAddr = ([127, 0, 0, 1], postgres.port()).into();
    let path = tests_dir().join("spec/captured_differences.txt");
    let list = std::fs::read_to_string(&path).unwrap_or_default();
    let bless = std::env::var("TRIPLINE_BLESS").is_ok();
    let head: Vec<&str> = list.lines().take_while(|line| line.starts_with('#')).collect();
    let mut written = head.join("\n") + "\n";
    let mut allowed: BTreeMap<&str, &str> =
        list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": ")).collect();
    let filter = std::env::var("TRIPLINE_TEST").unwrap_or_default();
    let mut differences = String::new();
    let (mut same, mut listed) = (0, 0);
    for file in walk("spec/captured_sql", "sql") {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.contains(&filter) {
            allowed.retain(|place, _| !place.starts_with(&format!("{name} ")));
            continue;
        }
        postgres.recreate_database(&format!("captured_{name}")).unwrap();
        let server = TestServer::start();
        let mut theirs = Session::open(address, &format!("captured_{name}"));
        let mut ours = Session::open(server.address(), "postgres");
        for captured in messages(&std::fs::read_to_string(&file).unwrap()) {
            let step = step(&captured);
            if step == Step::Skip {
                continue;
            }
            let (expected, _) = theirs.outcome(&captured, step);
            let (actual, why) = ours.outcome(&captured, step);
            let place = format!("{name} {}", captured.place);
            if expected == actual {
                same += 1;
                continue;
            }
            let _ = writeln!(written, "{place}: {actual}");
            if allowed.get(place.as_str()) == Some(&actual.as_str()) {
                allowed.remove(place.as_str());
                listed += 1;
            } else if !bless {
                let _ = writeln!(
                    differences,
                    "{place} ({step:?}): {}\n    expected {expected}\n    actual   {actual} {why}",
                    captured.sql
                );
            }
        }
        drop(ours);
        server.stop();
    }
    println!("{same} the same, {listed} different as listed");
    assert!(differences.is_empty(), "{same} the same, {listed} different as listed; these differ:\n{differences}");
    if bless {
        return std::fs::write(path, written).unwrap();
    }
    assert!(allowed.is_empty(), "listed as different, but they are not: {allowed:?}");
}
