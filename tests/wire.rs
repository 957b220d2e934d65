//! The wire as bytes: what the protocol promises and no driver shows (PG-50, PG-204).
//!
//! Each test names the requirement or trap that it proves. `TRIPLINE_WIRE_SERVER=host:port cargo test --test wire` runs
//! them against PostgreSQL 15, where all must pass too.

use std::time::Duration;

use harness::raw::{Raw, cancel, shown};
use harness::server::TestServer;

/// A server and a client that is logged in.
fn session() -> (TestServer, Raw) {
    let server = TestServer::start();
    let raw = Raw::login(server.address());
    (server, raw)
}

// W-1, PG-11
#[test]
fn nothing_is_executed_before_authentication() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    raw.startup(&[("user", "nobody_of_this_name"), ("database", "postgres")]);
    raw.query("SELECT 1");
    let answer = raw.until_end();
    assert!(answer.ends_with("E!(28000)"), "{answer}");
    assert!(!answer.contains('Z') && !answer.contains('D'), "{answer}");
}

// PG-11, PG-16
#[test]
fn every_failure_of_a_startup_is_fatal() {
    let server = TestServer::start();
    for (parameters, expected) in [
        (&[("user", "admin"), ("database", "no_such_database")][..], "3D000"),
        (&[("user", "admin"), ("database", "postgres"), ("no_such_setting", "1")], "42704"),
        (&[("user", "admin"), ("database", "postgres"), ("client_encoding", "no_such_encoding")], "22023"),
        (&[("user", "admin"), ("database", "postgres"), ("options", "-c no_such_setting=1")], "42704"),
        (&[("database", "postgres")], "28000"),
    ] {
        let mut raw = Raw::connect(server.address());
        raw.startup(parameters);
        let answer = raw.until_end();
        assert!(answer.ends_with(&format!("E!({expected})")), "{parameters:?}: {answer}");
    }
}

// PG-9, PG-7
#[test]
fn a_session_begins_in_order() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    raw.startup(&[("user", "admin"), ("database", "postgres"), ("application_name", "wire")]);
    let messages = raw.until_ready();
    let kinds: String = messages.iter().map(|message| char::from(message.kind)).collect();
    assert_eq!(kinds.trim_start_matches('R').trim_start_matches('S'), "KZ", "{kinds}");
    let text = shown(&messages);
    for parameter in [
        "S(application_name=wire)",
        "S(client_encoding=UTF8)",
        "S(DateStyle=ISO, MDY)",
        "S(default_transaction_read_only=off)",
        "S(in_hot_standby=off)",
        "S(integer_datetimes=on)",
        "S(IntervalStyle=postgres)",
        "S(is_superuser=on)",
        "S(server_encoding=UTF8)",
        "S(server_version=15.",
        "S(session_authorization=admin)",
        "S(standard_conforming_strings=on)",
        "S(TimeZone=",
    ] {
        assert_eq!(text.matches(parameter).count(), 1, "{parameter}: {text}");
    }
    assert_eq!(kinds.matches('S').count(), 13, "{text}");
    assert!(text.ends_with("Z(I)"), "{text}");
}

// PG-12
#[test]
fn encryption_that_is_not_there_is_declined() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    if server.server().is_some() {
        raw.packet(&80_877_104_u32.to_be_bytes());
        assert_eq!(raw.byte(), b'N');
    }
    raw.packet(&80_877_103_u32.to_be_bytes());
    assert_eq!(raw.byte(), b'N');
    raw.startup(&[("user", "admin"), ("database", "postgres")]);
    assert_eq!(raw.until_ready().last().unwrap().shown(), "Z(I)");
}

// PG-11, PG-15
#[test]
fn protocol_versions() {
    let server = TestServer::start();
    if server.server().is_none() {
        return; // PostgreSQL 15 answers protocol 2 in the words of protocol 2.
    }
    let mut raw = Raw::connect(server.address());
    raw.startup_version(2 << 16, &[("user", "admin")]);
    assert_eq!(raw.until_end(), "E!(0A000)");
    let mut raw = Raw::connect(server.address());
    raw.startup_version(3 << 16 | 99, &[("user", "admin"), ("database", "postgres"), ("_pq_.new", "1")]);
    let first = raw.read().unwrap();
    assert_eq!(first.kind, b'v');
    assert!(first.body.ends_with(b"\0\0\0\x01_pq_.new\0"), "{first:?}");
    assert_eq!(raw.until_ready().last().unwrap().shown(), "Z(I)");
}

// W-3
#[test]
fn the_status_is_the_sessions() {
    let (_server, mut raw) = session();
    assert_eq!(raw.run("BEGIN"), "C(BEGIN) Z(T)");
    assert_eq!(raw.run("SAVEPOINT a"), "C(SAVEPOINT) Z(T)");
    assert_eq!(raw.run("SELECT 1/0"), "E(22012) Z(E)");
    assert_eq!(raw.run("SELECT 1"), "E(25P02) Z(E)");
    assert_eq!(raw.run("ROLLBACK TO SAVEPOINT a"), "C(ROLLBACK) Z(T)");
    assert_eq!(raw.run("COMMIT AND CHAIN"), "C(COMMIT) Z(T)");
    assert_eq!(raw.run("ROLLBACK"), "C(ROLLBACK) Z(I)");
}

// W-4, PG-20
#[test]
fn earlier_results_go_out_before_a_later_error() {
    let (_server, mut raw) = session();
    assert_eq!(raw.run("SELECT 1 AS a; SELECT 1/0; SELECT 3"), "T(a) D(1) C(SELECT 1) E(22012) Z(I)");
    assert_eq!(raw.run("SELECT 1 AS a; SELECT 2 AS b"), "T(a) D(1) C(SELECT 1) T(b) D(2) C(SELECT 1) Z(I)");
}

// PG-21
#[test]
fn one_message_is_one_transaction() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_one");
    assert_eq!(
        raw.run("CREATE TABLE wire_one(a int); INSERT INTO wire_one VALUES (1); SELECT 1/0").split(' ').next_back(),
        Some("Z(I)")
    );
    assert_eq!(raw.run("SELECT * FROM wire_one"), "E(42P01) Z(I)");
}

// PG-22
#[test]
fn nothing_to_do_is_an_empty_query() {
    let (_server, mut raw) = session();
    for empty in ["", "  ", ";", "-- nothing", "/* nothing */", " ; ; "] {
        assert_eq!(raw.run(empty), "I Z(I)", "{empty:?}");
    }
    for empty in ["", "-- nothing", ";"] {
        let answer = raw.parse("", empty, &[]).bind("", "", &[], &[]).describe(b'P', "").execute("", 0).sync().ask();
        assert_eq!(answer, "1 2 n I Z(I)", "{empty:?}");
    }
}

// W-5, PG-30
#[test]
fn wrong_counts_in_bind_are_errors() {
    let (_server, mut raw) = session();
    raw.parse("two", "SELECT 1 AS a, $1::int AS b, $2::int AS c", &[]).sync().ask();
    for answer in [
        raw.bind("", "two", &[Some("1"), Some("2")], &[0, 1]).sync().ask(),
        raw.bind("", "two", &[Some("1"), Some("2")], &[0; 4]).sync().ask(),
        raw.bind("", "two", &[Some("1")], &[]).sync().ask(),
        raw.bind("", "two", &[Some("1"); 3], &[]).sync().ask(),
        raw.bind_formats("", "two", &[0, 0, 0], &[Some(b"1"), Some(b"2")], &[]).sync().ask(),
    ] {
        assert_eq!(answer, "E(08P01) Z(I)");
    }
    let answer = raw.bind("", "two", &[Some("1"), None], &[0]).execute("", 0).sync().ask();
    assert_eq!(answer, "2 D(1,1,NULL) C(SELECT 1) Z(I)");
    let four = 4_i32.to_be_bytes();
    let answer = raw.bind_formats("", "two", &[1], &[Some(&four), Some(&four)], &[0]).execute("", 0).sync().ask();
    assert_eq!(answer, "2 D(1,4,4) C(SELECT 1) Z(I)");
}

// W-6, PG-25, PG-27, PG-28
#[test]
fn statements_and_portals_keep_their_rules() {
    let (_server, mut raw) = session();
    assert_eq!(raw.parse("s", "SELECT 1", &[]).sync().ask(), "1 Z(I)");
    assert_eq!(raw.parse("s", "SELECT 2", &[]).sync().ask(), "E(42P05) Z(I)");
    assert_eq!(raw.bind("", "unknown", &[], &[]).sync().ask(), "E(26000) Z(I)");
    assert_eq!(raw.execute("unknown", 0).sync().ask(), "E(34000) Z(I)");
    assert_eq!(raw.describe(b'S', "unknown").sync().ask(), "E(26000) Z(I)");
    assert_eq!(raw.describe(b'P', "unknown").sync().ask(), "E(34000) Z(I)");
    assert_eq!(raw.close(b'S', "unknown").close(b'P', "unknown").sync().ask(), "3 3 Z(I)");
    assert_eq!(raw.close(b'S', "s").parse("s", "SELECT 3", &[]).sync().ask(), "3 1 Z(I)");
    assert_eq!(raw.bind("p", "s", &[], &[]).bind("p", "s", &[], &[]).sync().ask(), "2 E(42P03) Z(I)");
    raw.run("DROP TABLE IF EXISTS wire_twice; CREATE TABLE wire_twice(a int)");
    let twice = raw
        .parse("", "INSERT INTO wire_twice VALUES (1)", &[])
        .bind("p", "", &[], &[])
        .execute("p", 0)
        .execute("p", 0)
        .sync()
        .ask();
    assert_eq!(twice, "1 2 C(INSERT 0 1) E(55000) Z(I)");
    assert_eq!(raw.run("SELECT count(*) FROM wire_twice"), "T(count) D(0) C(SELECT 1) Z(I)");
    raw.run("DROP TABLE wire_twice");
}

// PG-28
#[test]
fn a_portal_gives_exactly_the_rows_asked_for() {
    let (_server, mut raw) = session();
    raw.parse("g", "SELECT * FROM generate_series(1,3) AS g", &[]).bind("p", "g", &[], &[]);
    let answer = raw.execute("p", 2).execute("p", 1).execute("p", 1).execute("p", 0).sync().ask();
    assert_eq!(answer, "1 2 D(1) D(2) s D(3) s C(SELECT 0) C(SELECT 0) Z(I)");
}

// W-7, PG-23
#[test]
fn a_large_result_comes_whole() {
    let (_server, mut raw) = session();
    raw.parse("", "SELECT g, repeat('x', 100) FROM generate_series(1,100000) g", &[]);
    raw.bind("", "", &[], &[]).execute("", 0).sync().go();
    let mut rows = 0;
    loop {
        match raw.read().unwrap() {
            row if row.kind == b'D' => rows += 1,
            other if other.kind == b'C' => {
                assert_eq!(other.shown(), "C(SELECT 100000)");
                break;
            }
            other => assert!(matches!(other.kind, b'1' | b'2'), "{}", other.shown()),
        }
    }
    assert_eq!(rows, 100_000);
    assert_eq!(raw.next(1), "Z(I)");
}

// W-8, PG-24
#[test]
fn tags_have_a_number_only_where_they_should() {
    let (_server, mut raw) = session();
    assert_eq!(raw.run("SHOW server_encoding"), "T(server_encoding) D(UTF8) C(SHOW) Z(I)");
    assert!(raw.run("EXPLAIN SELECT 1").ends_with(" C(EXPLAIN) Z(I)"));
    raw.run("DROP TABLE IF EXISTS wire_tags; CREATE TABLE wire_tags(a int)");
    assert_eq!(
        raw.query("COPY wire_tags FROM STDIN (FORMAT csv, HEADER)")
            .message(b'd', b"a\n1\n2")
            .message(b'd', b"2\n")
            .message(b'c', b"")
            .ask(),
        "G C(COPY 2) Z(I)"
    );
    assert_eq!(raw.run("SELECT * FROM wire_tags ORDER BY a"), "T(a) D(1) D(22) C(SELECT 2) Z(I)");
    raw.run("DROP TABLE wire_tags");
}

// AMI-13, AMI-86
#[test]
fn what_is_switched_off_is_in_the_tag() {
    let (_server, mut raw) = session();
    raw.run("CREATE PUBLIC TABLE tagged(a int); CREATE TIMER tag_m OFTYPE AMISCRIPT ON \"\" USE script=\"int x\"");
    raw.run("CREATE TRIGGER tag_r OFTYPE AMISCRIPT ON tagged USE onInsertedScript=\"int x\"");
    for (what, name) in [("TIMER", "tag_m"), ("TRIGGER", "tag_r")] {
        assert_eq!(raw.run(&format!("DISABLE {what} {name}")), format!("C(DISABLE {what}) Z(I)"));
        assert_eq!(raw.run(&format!("ENABLE {what} {name}")), format!("C(ENABLE {what}) Z(I)"));
    }
    raw.run("DROP TIMER tag_m; DROP TRIGGER tag_r; DROP TABLE tagged");
}

/// Statements and their tags, as PostgreSQL 15 gives them, in an order in which they run.
#[rustfmt::skip]
const TAGS: &[(&str, &str)] = &[
    ("CREATE TABLE tag_t (a int, b text)", "CREATE TABLE"),
    ("CREATE TABLE IF NOT EXISTS tag_t (a int)", "CREATE TABLE"),
    ("INSERT INTO tag_t VALUES (1, 'x'), (2, 'y')", "INSERT 0 2"),
    ("UPDATE tag_t SET b = 'z' WHERE a = 2", "UPDATE 1"),
    ("CREATE TABLE tag_u AS SELECT * FROM tag_t", "SELECT 2"),
    ("CREATE TABLE tag_w AS SELECT 1 AS x WITH NO DATA", "CREATE TABLE AS"),
    ("CREATE TABLE IF NOT EXISTS tag_u AS SELECT 1 AS x", "CREATE TABLE AS"),
    ("SELECT * INTO tag_v FROM tag_t", "SELECT 2"),
    ("MERGE INTO tag_t t USING (VALUES (1), (9)) s(a) ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 'm' WHEN NOT MATCHED THEN INSERT VALUES (s.a)", "MERGE 2"),
    ("DELETE FROM tag_t WHERE a = 9", "DELETE 1"),
    ("WITH d AS (DELETE FROM tag_u RETURNING a) INSERT INTO tag_u SELECT a FROM d", "INSERT 0 2"),
    ("START TRANSACTION", "START TRANSACTION"),
    ("COMMIT", "COMMIT"),
    ("BEGIN", "BEGIN"),
    ("SAVEPOINT s", "SAVEPOINT"),
    ("ROLLBACK TO s", "ROLLBACK"),
    ("RELEASE s", "RELEASE"),
    ("DECLARE c CURSOR FOR SELECT a FROM tag_t", "DECLARE CURSOR"),
    ("FETCH 5 FROM c", "FETCH 2"),
    ("MOVE BACKWARD 1 IN c", "MOVE 1"),
    ("CLOSE c", "CLOSE CURSOR"),
    ("CLOSE ALL", "CLOSE CURSOR ALL"),
    ("LOCK TABLE tag_t", "LOCK TABLE"),
    ("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS"),
    ("END", "COMMIT"),
    ("BEGIN WORK", "BEGIN"),
    ("ABORT", "ROLLBACK"),
    ("PREPARE tag_p AS SELECT 1", "PREPARE"),
    ("EXECUTE tag_p", "SELECT 1"),
    ("DEALLOCATE tag_p", "DEALLOCATE"),
    ("DEALLOCATE ALL", "DEALLOCATE ALL"),
    ("LISTEN tag_c", "LISTEN"),
    ("NOTIFY tag_c", "NOTIFY"),
    ("UNLISTEN tag_c", "UNLISTEN"),
    ("UNLISTEN *", "UNLISTEN"),
    ("SET work_mem = '8MB'", "SET"),
    ("RESET work_mem", "RESET"),
    ("RESET ALL", "RESET"),
    ("SHOW work_mem", "SHOW"),
    ("DISCARD PLANS", "DISCARD PLANS"),
    ("DISCARD TEMP", "DISCARD TEMP"),
    ("DISCARD SEQUENCES", "DISCARD SEQUENCES"),
    ("DISCARD ALL", "DISCARD ALL"),
    ("TRUNCATE tag_u", "TRUNCATE TABLE"),
    ("COMMENT ON TABLE tag_t IS 'x'", "COMMENT"),
    ("GRANT SELECT ON tag_t TO PUBLIC", "GRANT"),
    ("REVOKE SELECT ON tag_t FROM PUBLIC", "REVOKE"),
    ("CREATE ROLE tag_r", "CREATE ROLE"),
    ("ALTER ROLE tag_r NOLOGIN", "ALTER ROLE"),
    ("CREATE ROLE tag_m", "CREATE ROLE"),
    ("GRANT tag_r TO tag_m", "GRANT ROLE"),
    ("REVOKE tag_r FROM tag_m", "REVOKE ROLE"),
    ("DROP ROLE tag_r, tag_m", "DROP ROLE"),
    ("DO 'begin perform 1; end'", "DO"),
    ("VACUUM", "VACUUM"),
    ("ANALYZE tag_t", "ANALYZE"),
    ("CREATE INDEX tag_i ON tag_t (a)", "CREATE INDEX"),
    ("REINDEX TABLE tag_t", "REINDEX"),
    ("ALTER INDEX tag_i RENAME TO tag_j", "ALTER INDEX"),
    ("DROP INDEX tag_j", "DROP INDEX"),
    ("ALTER TABLE tag_t ADD c int", "ALTER TABLE"),
    ("CREATE VIEW tag_vw AS SELECT 1 AS x", "CREATE VIEW"),
    ("CREATE OR REPLACE VIEW tag_vw AS SELECT 1 AS x", "CREATE VIEW"),
    ("ALTER VIEW tag_vw RENAME TO tag_vx", "ALTER VIEW"),
    ("ALTER VIEW tag_vx RENAME COLUMN x TO y", "ALTER VIEW"),
    ("DROP VIEW tag_vx", "DROP VIEW"),
    ("CREATE MATERIALIZED VIEW tag_mv AS SELECT 1 AS x", "SELECT 1"),
    ("REFRESH MATERIALIZED VIEW tag_mv", "REFRESH MATERIALIZED VIEW"),
    ("CREATE MATERIALIZED VIEW tag_mw AS SELECT 1 AS x WITH NO DATA", "CREATE MATERIALIZED VIEW"),
    ("DROP MATERIALIZED VIEW tag_mv, tag_mw", "DROP MATERIALIZED VIEW"),
    ("CREATE SEQUENCE tag_s", "CREATE SEQUENCE"),
    ("ALTER SEQUENCE tag_s RESTART", "ALTER SEQUENCE"),
    ("DROP SEQUENCE tag_s", "DROP SEQUENCE"),
    ("CREATE SCHEMA tag_sc", "CREATE SCHEMA"),
    ("ALTER SCHEMA tag_sc RENAME TO tag_sd", "ALTER SCHEMA"),
    ("DROP SCHEMA tag_sd", "DROP SCHEMA"),
    ("CREATE TYPE tag_e AS ENUM ('a')", "CREATE TYPE"),
    ("ALTER TYPE tag_e ADD VALUE 'b'", "ALTER TYPE"),
    ("DROP TYPE tag_e", "DROP TYPE"),
    ("CREATE DOMAIN tag_d AS int", "CREATE DOMAIN"),
    ("ALTER DOMAIN tag_d SET DEFAULT 1", "ALTER DOMAIN"),
    ("DROP DOMAIN tag_d", "DROP DOMAIN"),
    ("CREATE FUNCTION tag_f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION"),
    ("ALTER FUNCTION tag_f() RENAME TO tag_g", "ALTER FUNCTION"),
    ("DROP FUNCTION tag_g()", "DROP FUNCTION"),
    ("CREATE DATABASE tag_db", "CREATE DATABASE"),
    ("ALTER DATABASE tag_db SET work_mem = '5MB'", "ALTER DATABASE"),
    ("DROP DATABASE tag_db", "DROP DATABASE"),
    ("CHECKPOINT", "CHECKPOINT"),
    ("EXPLAIN SELECT 1", "EXPLAIN"),
    ("VALUES (1), (2)", "SELECT 2"),
    ("TABLE tag_t", "SELECT 2"),
    ("COPY tag_t TO STDOUT", "COPY 2"),
    ("DROP TABLE tag_t, tag_u, tag_v, tag_w", "DROP TABLE"),
];

// PG-24: the tags, in the simple and in the extended protocol.
#[test]
fn every_tag_is_postgresqls() {
    let (_server, mut raw) = session();
    for (sql, tag) in TAGS {
        let answer = raw.run(sql);
        assert!(answer.contains(&format!("C({tag})")), "{sql}: {answer}");
    }
    for (sql, tag) in TAGS.iter().filter(|(sql, _)| !sql.starts_with("COPY")) {
        let answer = raw.parse("", sql, &[]).bind("", "", &[], &[]).execute("", 0).sync().ask();
        assert!(answer.contains(&format!("C({tag})")), "{sql}: {answer}");
    }
}

// W-9
#[test]
fn a_failing_copy_out_ends_with_an_error_alone() {
    let (_server, mut raw) = session();
    let answer = raw.run("COPY (SELECT 1/(3-g) FROM generate_series(1,5) g) TO STDOUT");
    assert!(answer.starts_with("H"), "{answer}");
    assert!(answer.ends_with("E(22012) Z(I)"), "{answer}");
    assert!(!answer.split(' ').any(|word| word == "c" || word == "f"), "{answer}");
    assert_eq!(raw.run("COPY (SELECT 1, NULL) TO STDOUT"), "H d(1\t\\N\n) c C(COPY 1) Z(I)");
}

// W-10, PG-27, PG-31
#[test]
fn sync_ends_the_implicit_transaction() {
    let (_server, mut raw) = session();
    assert_eq!(raw.parse("s", "SELECT 1", &[]).bind("p", "s", &[], &[]).sync().ask(), "1 2 Z(I)");
    assert_eq!(raw.execute("p", 0).sync().ask(), "E(34000) Z(I)");
    raw.run("DROP TABLE IF EXISTS wire_pipeline; CREATE TABLE wire_pipeline(a int)");
    raw.parse("i", "INSERT INTO wire_pipeline VALUES ($1)", &[23]).sync().ask();
    raw.bind("", "i", &[Some("1")], &[]).execute("", 0).bind("", "i", &[Some("x")], &[]).execute("", 0);
    assert_eq!(raw.bind("", "i", &[Some("2")], &[]).execute("", 0).sync().ask(), "2 C(INSERT 0 1) E(22P02) Z(I)");
    assert_eq!(raw.run("SELECT count(*) FROM wire_pipeline"), "T(count) D(0) C(SELECT 1) Z(I)");
    raw.run("DROP TABLE wire_pipeline");
}

// PG-31
#[test]
fn an_error_is_sent_before_sync_comes() {
    let (_server, mut raw) = session();
    raw.parse("", "SELECT nonsense", &[]).flush().go();
    assert_eq!(raw.next(1), "E(42703)");
    raw.bind("", "", &[], &[]).execute("", 0).query("SELECT 1").go();
    assert!(raw.silent(Duration::from_millis(200)));
    assert_eq!(raw.sync().ask(), "Z(I)");
}

// PG-32
#[test]
fn a_block_may_begin_within_a_pipeline() {
    let (_server, mut raw) = session();
    raw.parse("", "BEGIN", &[]).bind("", "", &[], &[]).execute("", 0);
    raw.parse("", "SELECT 1", &[]).bind("", "", &[], &[]).execute("", 0);
    assert_eq!(raw.sync().ask(), "1 2 C(BEGIN) 1 2 D(1) C(SELECT 1) Z(T)");
    assert_eq!(raw.run("COMMIT"), "C(COMMIT) Z(I)");
}

// PG-102: the types that parameters get from where they stand, or the error when nothing says them.
#[test]
fn parameters_get_their_types_from_where_they_stand() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_infer");
    raw.run(
        "CREATE TABLE wire_infer (id int, b bigint, s smallint, n numeric(10,2), v varchar(20), tx text, c char(5), \
         d date, ts timestamp, tz timestamptz, j jsonb, a int[], u uuid, bo bool, f float8, by bytea)",
    );
    for (sql, expected) in [
        ("SELECT $1", "t(25)"),
        ("SELECT $1 = $2", "t(25,25)"),
        ("SELECT $1 IS NULL", "E(42P18)"),
        ("SELECT count($1)", "E(42P18)"),
        ("SELECT concat($1, $2)", "E(42P18)"),
        ("SELECT json_build_object('a', $1)", "E(42P18)"),
        ("SELECT format($1, $2)", "E(42P18)"),
        ("SELECT row($1, $2)", "E(42P18)"),
        ("SELECT 1 FROM wire_infer WHERE $1 IS NULL OR id = $1", "E(42P08)"),
        ("SELECT $1 + $2", "E(42725)"),
        ("SELECT -$1", "E(42725)"),
        ("SELECT d + $1 FROM wire_infer", "E(42725)"),
        ("SELECT ts + $1 FROM wire_infer", "t(1186)"),
        ("SELECT ts - $1 FROM wire_infer", "t(1114)"),
        ("SELECT ARRAY[$1, $2]", "t(25,25)"),
        ("SELECT ARRAY[$1, 1]", "t(23)"),
        ("SELECT greatest($1, $2)", "t(25,25)"),
        ("SELECT coalesce($1, $2)", "t(25,25)"),
        ("SELECT $1 || $2", "t(25,25)"),
        ("SELECT 1 WHERE $1", "t(16)"),
        ("SELECT nextval($1)", "t(2205)"),
        ("SELECT $1 UNION SELECT 1", "t(23)"),
        ("SELECT ($1, $2) = (1, 'a')", "t(23,25)"),
        ("SELECT tz > now() - $1 FROM wire_infer", "E(42883)"),
        ("SELECT 1 FROM wire_infer WHERE id = $1 AND b = $2 AND s < $3 AND n > $4", "t(23,20,21,1700)"),
        ("SELECT 1 FROM wire_infer WHERE v = $1 AND tx LIKE $2 AND c = $3", "t(25,25,1042)"),
        ("SELECT 1 FROM wire_infer WHERE id = ANY ($1) AND id IN ($2, $3)", "t(1007,23,23)"),
        ("SELECT 1 LIMIT $1 OFFSET $2", "t(20,20)"),
        (
            "INSERT INTO wire_infer (id, b, n, v, j, a, u, by, tz) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            "t(23,20,1700,1043,3802,1007,2950,17,1184)",
        ),
        ("INSERT INTO wire_infer (id, v) SELECT $1, $2", "t(23,1043)"),
        ("INSERT INTO wire_infer (id, v) VALUES ($1, $2), ($3, $4)", "t(23,1043,23,1043)"),
        (
            "UPDATE wire_infer SET v = $1, id = id + $2, j = j || $3, a = a || $4 WHERE u = $5",
            "t(1043,23,3802,1007,2950)",
        ),
        ("SELECT j -> $1, j ->> $2, j @> $3, j ? $4, j #> $5 FROM wire_infer", "t(25,25,3802,25,1009)"),
        ("SELECT a[$1], a || $2, $3 = ANY (a), a @> $4 FROM wire_infer", "t(23,1007,23,1007)"),
        ("SELECT coalesce($1, 1), coalesce($2, 'x'), nullif($3, id) FROM wire_infer", "t(23,25,23)"),
        ("SELECT CASE WHEN $1 THEN $2 ELSE 1 END", "t(16,23)"),
        ("SELECT substring($1 FROM $2 FOR $3)", "t(25,25,25)"),
        ("SELECT now() - $1", "t(1184)"),
        ("SELECT tz AT TIME ZONE $1, to_char(tz, $2) FROM wire_infer", "t(25,25)"),
        ("SELECT generate_series(1, $1)", "t(23)"),
        ("SELECT generate_series($1, $2)", "E(42725)"),
        ("SELECT pg_advisory_lock($1), set_config($2, $3, $4)", "t(20,25,25,16)"),
        ("VALUES ($1::int, 'a'), (2, $2)", "t(23,25)"),
    ] {
        let answer = raw.parse("", sql, &[]).describe(b'S', "").sync().ask();
        let found = answer.split(' ').find(|part| part.starts_with("t(") || part.starts_with("E("));
        assert_eq!(found, Some(expected), "{sql}: {answer}");
    }
    raw.run("DROP TABLE wire_infer");
}

// PG-57: what the start-up message says is what RESET and DISCARD ALL go back to.
#[test]
fn startup_parameters_are_the_reset_values() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    let options = "-c search_path=pg_catalog -c work_mem=9MB";
    raw.startup(&[
        ("user", "admin"),
        ("database", "postgres"),
        ("application_name", "first"),
        ("TimeZone", "Asia/Tokyo"),
        ("options", options),
    ]);
    raw.until_ready();
    let state = "SELECT current_setting('application_name') || ',' || current_setting('TimeZone') || ',' || \
                 current_setting('search_path') || ',' || current_setting('work_mem')";
    let shown_state = |raw: &mut Raw| {
        raw.query(state).go();
        let answer = raw.until_ready();
        answer[1].values()[0].clone().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    assert_eq!(shown_state(&mut raw).as_deref(), Some("first,Asia/Tokyo,pg_catalog,9MB"));
    for back in ["RESET ALL", "DISCARD ALL"] {
        raw.run("SET application_name = 'x'; SET TimeZone = 'UTC'; SET search_path = public; SET work_mem = '1MB'");
        assert_eq!(shown_state(&mut raw).as_deref(), Some("x,UTC,public,1MB"));
        raw.run(back);
        assert_eq!(shown_state(&mut raw).as_deref(), Some("first,Asia/Tokyo,pg_catalog,9MB"), "{back}");
    }
}

// PG-176: nobody waits for a listener that does not read; it is ended when more waits for it than may.
#[test]
fn a_slow_listener_is_ended_and_blocks_nobody() {
    let server = TestServer::start_with(|config| config.notify_queue_max = 50);
    if server.server().is_none() {
        return; // PostgreSQL's queue is one for all sessions.
    }
    let mut slow = Raw::login(server.address());
    let mut quick = Raw::login(server.address());
    let mut sender = Raw::login(server.address());
    for raw in [&mut slow, &mut quick] {
        assert_eq!(raw.run("LISTEN wire"), "C(LISTEN) Z(I)");
    }
    // In a block it takes no notification.
    assert_eq!(slow.run("BEGIN"), "C(BEGIN) Z(T)");
    for round in 0..60 {
        assert_eq!(sender.run(&format!("NOTIFY wire, '{round}'")), "C(NOTIFY) Z(I)");
        assert_eq!(quick.next(1), format!("A(wire={round})"));
    }
    assert!(slow.until_end().ends_with("E!(53000)"));
}

// W-11, PG-29: types that users made can be declared in Parse, and are told in Describe.
#[test]
fn user_types_are_declared_by_their_oids() {
    let (_server, mut raw) = session();
    raw.run("DROP TYPE IF EXISTS wire_mood; CREATE TYPE wire_mood AS ENUM ('sad', 'ok')");
    raw.query("SELECT 'wire_mood'::regtype::oid").go();
    let oid = raw.until_ready()[1].values()[0].clone().unwrap_or_default();
    let oid: u32 = String::from_utf8_lossy(&oid).parse().unwrap_or(0);
    let answer = raw.parse("", "SELECT $1, $1 = 'ok'", &[oid]).describe(b'S', "").sync().ask();
    assert_eq!(answer, format!("1 t({oid}) T(?column?,?column?) Z(I)"));
    let answer = raw.parse("", "SELECT $1 = 'ok'", &[oid]).bind("", "", &[Some("ok")], &[]).execute("", 0).sync().ask();
    assert_eq!(answer, "1 2 D(t) C(SELECT 1) Z(I)");
    raw.run("DROP TYPE wire_mood");
}

// PG-81, PG-91: a value of an enum type is its label in the binary form too, on the way in and out.
#[test]
fn enums_are_labels_in_the_binary_form() {
    let (_server, mut raw) = session();
    raw.run("DROP TYPE IF EXISTS wire_size; CREATE TYPE wire_size AS ENUM ('small', 'large')");
    raw.parse("", "SELECT $1::wire_size, ARRAY[$1::wire_size] = '{large}'", &[])
        .bind_formats("", "", &[1], &[Some(b"large")], &[1])
        .execute("", 0)
        .sync()
        .go();
    let answer = raw.until_ready();
    assert_eq!(answer[2].values(), [Some(b"large".to_vec()), Some(vec![1])]);
    let answer = raw
        .parse("", "SELECT $1::wire_size", &[])
        .bind_formats("", "", &[1], &[Some(b"huge")], &[1])
        .execute("", 0)
        .sync()
        .ask();
    assert_eq!(answer, "1 E(22P02) Z(I)");
    raw.run("DROP TYPE wire_size");
}

// W-16, PG-7: the style of dates and the version are the server's, not the protocol library's.
#[test]
fn statuses_are_not_the_librarys() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    raw.startup(&[("user", "admin"), ("database", "postgres")]);
    let statuses = shown(&raw.until_ready());
    assert!(statuses.contains("S(DateStyle=ISO, MDY)"), "{statuses}");
    assert!(statuses.contains("S(server_version=15.18 ("), "{statuses}");
}

// PG-29, PG-30
#[test]
fn describe_tells_types_and_formats() {
    let (_server, mut raw) = session();
    raw.parse("d", "SELECT $1::int4 AS a, $2::text AS b", &[]).describe(b'S', "d").sync().go();
    let answer = raw.until_ready();
    assert_eq!(shown(&answer), "1 t(23,25) T(a,b) Z(I)");
    assert_eq!(&answer[2].body[4..22], b"\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0");
    raw.bind("", "d", &[Some("7"), Some("x")], &[1, 0]).describe(b'P', "").execute("", 0).sync().go();
    let answer = raw.until_ready();
    assert_eq!(&answer[1].body[20..22], b"\0\x01");
    assert_eq!(answer[2].values(), [Some(b"\0\0\0\x07".to_vec()), Some(b"x".to_vec())]);
    assert_eq!(raw.parse("", "SET TimeZone TO 'UTC'", &[]).describe(b'S', "").sync().ask(), "1 t n Z(I)");
}

// W-12, PG-13
#[test]
fn cancel_ends_a_statement_that_streams() {
    let (server, mut raw) = session();
    raw.query("SELECT a, b FROM generate_series(1, 50000) a, generate_series(1, 50000) b").go();
    assert_eq!(raw.read().unwrap().kind, b'T');
    cancel(server.address(), &(raw.key.0, vec![0; raw.key.1.len()]));
    for _ in 0..100_000 {
        assert_eq!(raw.read().unwrap().kind, b'D');
    }
    cancel(server.address(), &raw.key);
    let last = std::iter::from_fn(|| raw.read()).find(|message| message.kind != b'D').unwrap();
    assert_eq!(last.shown(), "E(57014)");
    assert_eq!(raw.next(1), "Z(I)");
    assert_eq!(raw.run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
}

// PG-51
#[test]
fn endless_statements_on_all_threads_delay_nobody() {
    let (server, mut raw) = session();
    // More than the server has threads, none of which has run anything long before.
    let mut busy: Vec<Raw> = (0..6).map(|_| Raw::login(server.address())).collect();
    for raw in &mut busy {
        raw.query("SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b").go();
    }
    for _ in 0..3 {
        assert_eq!(raw.run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
        assert_eq!(Raw::login(server.address()).run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
    }
    for mut raw in busy {
        cancel(server.address(), &raw.key);
        assert!(raw.until_ready().iter().any(|message| message.shown() == "E(57014)"));
    }
}

// W-14, PG-43
#[test]
fn text_that_is_not_utf8_is_refused() {
    let (_server, mut raw) = session();
    assert_eq!(raw.message(b'Q', b"SELECT '\xff'\0").ask(), "E(22021) Z(I)");
    assert_eq!(raw.message(b'P', b"\0SELECT '\xc3('\0\0\0").sync().ask(), "E(22021) Z(I)");
    raw.parse("t", "SELECT $1::text AS a", &[25]).sync().ask();
    for bad in [&b"\xff"[..], b"a\0b"] {
        for format in [0, 1] {
            let answer = raw.bind_formats("", "t", &[format], &[Some(bad)], &[]).sync().ask();
            assert_eq!(answer, "E(22021) Z(I)", "{bad:?} in format {format}");
        }
    }
}

// W-14, PG-43
#[test]
fn malformed_messages_end_the_session() {
    let server = TestServer::start();
    for bad in [&b"Q\0\0\0\x03"[..], b"Q\x7f\xff\xff\xff", b"S\0\0\x4e\x20", b"!\0\0\0\x04"] {
        let mut raw = Raw::login(server.address());
        let answer = raw.bytes(bad).until_end();
        // PostgreSQL closes without a word where it no longer knows where a message begins.
        let silent = server.server().is_none() && answer.is_empty();
        assert!(silent || answer == "E!(08P01)", "{bad:?}: {answer}");
    }
}

// W-13, PG-34: what answers the messages of one piece of a pipeline is written together, not message by message.
#[test]
fn answers_of_a_pipeline_are_written_together() {
    let (_server, mut raw) = session();
    for number in 0..300 {
        raw.parse("", &format!("SELECT {number}"), &[]).bind("", "", &[], &[]).describe(b'P', "").execute("", 0);
    }
    let pieces = raw.sync().pieces();
    assert!(pieces <= 40, "1,500 answers came in {pieces} pieces");
    // What fits into a buffer and has a Flush behind it comes at once.
    raw.parse("", "SELECT 1", &[]).bind("", "", &[], &[]).execute("", 0).flush().go();
    assert_eq!(raw.next(4), "1 2 D(1) C(SELECT 1)");
    assert_eq!(raw.sync().ask(), "Z(I)");
}

// W-20, PG-51: a session's state is its own across all that its connection waits for: locks, cancels, notifications.
#[test]
fn the_state_of_a_session_survives_what_interrupts_it() {
    let (server, mut raw) = session();
    let mut other = Raw::login(server.address());
    raw.run("DROP TABLE IF EXISTS wire_state; CREATE TABLE wire_state (a int); LISTEN wire_state");
    raw.run("CREATE TEMP TABLE wire_own AS SELECT 7 AS own; SET application_name TO 'wire state'");
    assert_eq!(raw.parse("kept", "SELECT own + $1::int AS sum FROM wire_own", &[]).sync().ask(), "1 Z(I)");
    assert_eq!(raw.run("BEGIN"), "C(BEGIN) Z(T)");
    raw.run("SAVEPOINT s");
    assert_eq!(raw.bind("open", "kept", &[Some("1")], &[]).sync().ask(), "2 Z(T)");
    other.run("BEGIN; LOCK TABLE wire_state");
    raw.query("SELECT count(*) FROM wire_state").go();
    std::thread::sleep(Duration::from_millis(200));
    Raw::login(server.address()).run("NOTIFY wire_state, 'while it waits'");
    cancel(server.address(), &raw.key);
    assert_eq!(shown(&raw.until_ready()), "E(57014) Z(E)");
    assert_eq!(raw.run("ROLLBACK TO s"), "C(ROLLBACK) Z(T)");
    // The statement, the table, the setting and the block are there; so is the portal of before the savepoint's statement.
    assert_eq!(raw.bind("", "kept", &[Some("2")], &[]).execute("", 0).sync().ask(), "2 D(9) C(SELECT 1) Z(T)");
    other.run("COMMIT");
    assert_eq!(raw.run("SHOW application_name"), "T(application_name) D(wire state) C(SHOW) Z(T)");
    assert_eq!(raw.run("COMMIT"), "C(COMMIT) A(wire_state=while it waits) Z(I)");
    assert_eq!(raw.run("SELECT count(*) FROM wire_state"), "T(count) D(0) C(SELECT 1) Z(I)");
    other.run("DROP TABLE wire_state");
}

// PG-153: others read what the one who exported a snapshot reads, for as long as that one's transaction runs.
#[test]
fn an_exported_snapshot_is_read_by_others() {
    let (server, mut owner) = session();
    let (mut writer, mut reader) = (Raw::login(server.address()), Raw::login(server.address()));
    owner.run("DROP TABLE IF EXISTS wire_snapshot; CREATE TABLE wire_snapshot (id int PRIMARY KEY, n int)");
    owner.run("INSERT INTO wire_snapshot SELECT n, 0 FROM generate_series(1, 500) n");
    let sum = "SELECT count(*), sum(n) FROM wire_snapshot";
    let rows = |count: u32, sum: u32| format!("D({count},{sum}) C(SELECT 1)");
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        owner.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        let named = owner.run("SELECT pg_export_snapshot() AS name");
        let name = named.split("D(").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default().to_owned();
        assert!(name.split('-').count() == 3 && name.starts_with("0000"), "{level}: {named}");
        // What it has not committed is not handed over.
        owner.run("INSERT INTO wire_snapshot VALUES (1000, 1000)");
        for _ in 0..3 {
            writer.run("UPDATE wire_snapshot SET n = n + 1");
        }
        writer.run("DELETE FROM wire_snapshot WHERE id > 400");
        let level = if level == "SERIALIZABLE" { level } else { "REPEATABLE READ" };
        let begin = format!("BEGIN ISOLATION LEVEL {level}; SET TRANSACTION SNAPSHOT '{name}'");
        assert_eq!(reader.run(&begin), "C(BEGIN) C(SET) Z(T)");
        assert!(reader.run(sum).contains(&rows(500, 0)), "{level}: {}", reader.run(sum));
        owner.run("ROLLBACK");
        writer.run("UPDATE wire_snapshot SET n = n + 1");
        writer.run("VACUUM wire_snapshot");
        assert!(reader.run(sum).contains(&rows(500, 0)), "{level}: {}", reader.run(sum));
        // Its own writes meet what has been committed since.
        assert_eq!(reader.run("UPDATE wire_snapshot SET n = 9 WHERE id = 1"), "E(40001) Z(E)");
        reader.run("ROLLBACK");
        assert_eq!(reader.run(&begin), "C(BEGIN) E(22023) Z(E)", "its owner has ended");
        reader.run("ROLLBACK");
        writer.run("DELETE FROM wire_snapshot; INSERT INTO wire_snapshot SELECT n, 0 FROM generate_series(1, 500) n");
    }
    owner.run("DROP TABLE wire_snapshot");
}

// PG-10: md5 is refused where it is asked for, and not taken for a password that works.
#[test]
fn md5_passwords_are_refused() {
    let (server, mut raw) = session();
    if server.server().is_none() {
        return; // PostgreSQL has them.
    }
    assert_eq!(raw.run("SET password_encryption TO 'md5'"), "E(22023) Z(I)");
    let hash = "md5a3556571e93b0d20722ba62be61e8c2d";
    assert_eq!(raw.run(&format!("CREATE ROLE wire_md5 PASSWORD '{hash}'")), "E(0A000) Z(I)");
    assert_eq!(raw.run("SELECT count(*) FROM pg_roles WHERE rolname = 'wire_md5'"), "T(count) D(0) C(SELECT 1) Z(I)");
}

// W-15, PG-42
#[test]
fn an_error_has_both_severities_and_a_character_position() {
    let (_server, mut raw) = session();
    raw.query("SELECT 'äöü', nonsense").go();
    let answer = raw.until_ready();
    assert_eq!(shown(&answer), "E(42703) Z(I)");
    let field = |code| answer[0].field(code).unwrap_or_default();
    assert_eq!([field(b'S'), field(b'V')], ["ERROR", "ERROR"]);
    assert_eq!(field(b'M'), "column \"nonsense\" does not exist");
    assert_eq!(field(b'P'), "15");
}

// W-17, PG-35, PG-62
#[test]
fn statements_after_a_copy_wait_for_its_end() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_copy; CREATE TABLE wire_copy(a int, b text)");
    raw.query("COPY wire_copy FROM STDIN; SELECT count(*) FROM wire_copy").go();
    assert_eq!(raw.next(1), "G");
    assert!(raw.silent(Duration::from_millis(100)));
    let answer =
        raw.message(b'd', b"1\tein").message(b'd', b"s\n2\t\xc3").message(b'd', b"\xa4\n").message(b'c', b"").ask();
    assert_eq!(answer, "C(COPY 2) T(count) D(2) C(SELECT 1) Z(I)");
    raw.run("DROP TABLE wire_copy");
}

// PG-37
#[test]
fn a_failed_copy_drops_the_rest_of_its_input() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_fail; CREATE TABLE wire_fail(a int)");
    raw.query("COPY wire_fail FROM STDIN").message(b'd', b"x\n").message(b'd', b"1\n").message(b'c', b"");
    assert_eq!(raw.ask(), "G E(22P02) Z(I)");
    assert_eq!(raw.run("SELECT 1 AS a"), "T(a) D(1) C(SELECT 1) Z(I)");
    assert_eq!(raw.query("COPY wire_fail FROM STDIN").message(b'f', b"no more\0").ask(), "G E(57014) Z(I)");
    raw.run("TRUNCATE wire_fail");
    assert!(raw.query("COPY wire_fail FROM STDIN").query("SELECT 1").ask().starts_with("G E(08P01)"));
}

// W-18
#[test]
fn sync_counts_unless_input_is_expected() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_sync; CREATE TABLE wire_sync(a int)");
    // As tokio-postgres does: Sync after Execute, and again after CopyDone.
    raw.parse("", "COPY wire_sync FROM STDIN", &[]).bind("", "", &[], &[]).execute("", 0).sync();
    assert_eq!(raw.message(b'd', b"1\n").message(b'c', b"").sync().ask(), "1 2 G C(COPY 1) Z(I)");
    raw.parse("", "COPY wire_sync FROM STDIN", &[]).bind("", "", &[], &[]).execute("", 0).sync();
    assert_eq!(raw.message(b'd', b"x\n").message(b'd', b"2\n").message(b'c', b"").sync().ask(), "1 2 G E(22P02) Z(I)");
    raw.parse("", "COPY no_such_table FROM STDIN", &[]).bind("", "", &[], &[]).execute("", 0).sync();
    raw.message(b'd', b"1\n").message(b'c', b"").sync().go();
    let both = format!("{} | {}", shown(&raw.until_ready()), shown(&raw.until_ready()));
    assert!(both.ends_with("E(42P01) Z(I) | Z(I)"), "{both}");
    assert_eq!(raw.run("SELECT count(*) FROM wire_sync"), "T(count) D(1) C(SELECT 1) Z(I)");
    raw.run("DROP TABLE wire_sync");
}

// W-2, PG-40
#[test]
fn an_idle_client_hears_notifications() {
    let (server, mut raw) = session();
    let mut sender = Raw::login(server.address());
    assert_eq!(raw.run("LISTEN wire"), "C(LISTEN) Z(I)");
    sender.run("NOTIFY wire, 'hello'");
    assert_eq!(raw.next(1), "A(wire=hello)");
    assert_eq!(raw.run("BEGIN"), "C(BEGIN) Z(T)");
    sender.run("NOTIFY wire, 'later'");
    assert!(raw.silent(Duration::from_millis(200)));
    assert_eq!(raw.run("COMMIT"), "C(COMMIT) A(wire=later) Z(I)");
}

// PG-8
#[test]
fn a_changed_setting_is_told_before_ready() {
    let (_server, mut raw) = session();
    raw.query("SET TimeZone TO 'Asia/Tokyo'").go();
    assert_eq!(shown(&raw.until_ready()), "C(SET) S(TimeZone=Asia/Tokyo) Z(I)");
}

// PG-45, W-2
#[test]
fn an_idle_session_can_be_terminated() {
    let (server, mut raw) = session();
    let mut other = Raw::login(server.address());
    other.run(&format!("SELECT pg_terminate_backend({})", raw.key.0));
    assert_eq!(raw.until_end(), "E!(57P01)");
}

// PG-55
#[test]
fn an_idle_transaction_ends_in_time() {
    let (_server, mut raw) = session();
    raw.run("SET idle_in_transaction_session_timeout TO '200ms'");
    raw.run("BEGIN");
    assert_eq!(raw.until_end(), "E!(25P03)");
}

// PG-44
#[test]
fn a_client_that_vanishes_leaves_no_lock() {
    let (server, mut raw) = session();
    let mut holder = Raw::login(server.address());
    let mut next = Raw::login(server.address());
    holder.run("SELECT pg_advisory_lock(4711)");
    raw.query("BEGIN; SELECT pg_advisory_lock(4712); SELECT pg_advisory_lock(4711)").go();
    std::thread::sleep(Duration::from_millis(300));
    if server.server().is_none() {
        return; // PostgreSQL looks for vanished clients only when it is told to.
    }
    drop(raw);
    assert!(next.run("SET statement_timeout TO '5s'; SELECT pg_advisory_lock(4712)").ends_with("C(SELECT 1) Z(I)"));
}

// PG-45
#[test]
fn shutdown_ends_every_session() {
    let (server, mut raw) = session();
    if server.server().is_none() {
        return; // Another server is not ours to stop.
    }
    let mut waiting = Raw::login(server.address());
    waiting.query("SELECT pg_sleep(60)").go();
    std::thread::sleep(Duration::from_millis(100));
    server.stop();
    assert_eq!(raw.until_end(), "E!(57P01)");
    assert!(waiting.until_end().ends_with("E!(57P01)"));
}

// PG-46
#[test]
fn function_calls_are_not_there() {
    let (server, mut raw) = session();
    if server.server().is_none() {
        return; // PostgreSQL has them.
    }
    assert_eq!(raw.message(b'F', &[0; 10]).ask(), "E(0A000) Z(I)");
}

// PG-20: a message that cannot be read runs not even in part.
#[test]
fn a_message_is_read_before_it_runs() {
    let (_server, mut raw) = session();
    assert_eq!(raw.run("SELECT 1; SELCT 2; SELECT 3"), "E(42601) Z(I)");
    raw.run("DROP TABLE IF EXISTS wire_unread");
    assert_eq!(raw.run("CREATE TABLE wire_unread (a int); COMMIT; SELECT FROM FROM"), "E(42601) Z(I)");
    assert_eq!(raw.run("SELECT * FROM wire_unread"), "E(42P01) Z(I)");
    raw.query("SELECT 'ä'; SELECT 2 +").go();
    assert_eq!(raw.until_ready()[0].field(b'P').as_deref(), Some("23"));
}

// PG-21, PG-31: what commits by itself is refused behind other statements of a pipeline.
#[test]
fn a_pipeline_is_a_block_for_what_needs_none() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_pipe; CREATE TABLE wire_pipe (a int)");
    let insert = "INSERT INTO wire_pipe VALUES (1)";
    raw.parse("", insert, &[]).bind("", "", &[], &[]).execute("", 0);
    raw.parse("", "VACUUM wire_pipe", &[]).bind("", "", &[], &[]).execute("", 0).sync().go();
    let answer = raw.until_ready();
    assert_eq!(shown(&answer), "1 2 C(INSERT 0 1) 1 2 E(25001) Z(I)");
    assert_eq!(answer[5].field(b'M').as_deref(), Some("VACUUM cannot be executed within a pipeline"));
    assert_eq!(raw.run("SELECT count(*) FROM wire_pipe"), "T(count) D(0) C(SELECT 1) Z(I)");
    assert_eq!(raw.run("SELECT 1 AS a; VACUUM"), "T(a) D(1) C(SELECT 1) E(25001) Z(I)");
    raw.parse("", "VACUUM wire_pipe", &[]).bind("", "", &[], &[]).execute("", 0).sync();
    assert_eq!(raw.ask(), "1 2 C(VACUUM) Z(I)");
    // The mode that a pipeline begins with holds for all of it.
    raw.parse("", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", &[]).bind("", "", &[], &[]).execute("", 0);
    raw.parse("", "SHOW transaction_isolation", &[]).bind("", "", &[], &[]).execute("", 0).sync();
    assert_eq!(raw.ask(), "1 2 N(25P01) C(SET) 1 2 D(serializable) C(SHOW) Z(I)");
    raw.run("DROP TABLE wire_pipe");
}

// PG-28: the tag of a statement with RETURNING counts the rows of each Execute.
#[test]
fn returned_rows_are_counted_by_execute() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_parts; CREATE TABLE wire_parts (a int)");
    raw.parse("", "INSERT INTO wire_parts SELECT g FROM generate_series(1, 3) g RETURNING a", &[]).bind(
        "p",
        "",
        &[],
        &[],
    );
    let answer = raw.execute("p", 2).execute("p", 0).execute("p", 0).sync().ask();
    assert_eq!(answer, "1 2 D(1) D(2) s D(3) C(INSERT 0 1) C(INSERT 0 0) Z(I)");
    assert_eq!(raw.run("SELECT count(*) FROM wire_parts"), "T(count) D(3) C(SELECT 1) Z(I)");
    raw.run("DROP TABLE wire_parts");
}

// PG-30: what gives no rows takes any formats.
#[test]
fn formats_of_no_columns_mean_nothing() {
    let (_server, mut raw) = session();
    let answer = raw.parse("", "BEGIN", &[]).bind("", "", &[], &[1, 1, 1]).execute("", 0).sync().ask();
    assert_eq!(answer, "1 2 C(BEGIN) Z(T)");
    raw.run("ROLLBACK");
}

// PG-27
#[test]
fn cursors_and_portals_are_listed_together() {
    let (_server, mut raw) = session();
    raw.run("BEGIN");
    raw.run("DECLARE wire_c SCROLL CURSOR WITH HOLD FOR SELECT 1 AS a");
    raw.parse("", "SELECT 2 AS b", &[]).bind("wire_p", "", &[], &[]).execute("wire_p", 1).sync().ask();
    assert_eq!(
        raw.run("SELECT name, statement LIKE '%SELECT 1%', is_holdable, is_scrollable FROM pg_cursors ORDER BY name"),
        "T(name,?column?,is_holdable,is_scrollable) D(wire_c,t,t,t) D(wire_p,f,f,f) C(SELECT 2) Z(T)"
    );
    raw.run("COMMIT");
    assert_eq!(raw.run("SELECT name FROM pg_cursors"), "T(name) D(wire_c) C(SELECT 1) Z(I)");
    raw.run("CLOSE wire_c");
    // What a cursor WITH HOLD keeps is read before its transaction commits.
    raw.run("DROP TABLE IF EXISTS wire_held; BEGIN; CREATE TABLE wire_held (a int)");
    raw.run("DECLARE wire_c CURSOR WITH HOLD FOR SELECT 1 / (2 - g) FROM generate_series(1, 3) g");
    assert_eq!(raw.run("COMMIT"), "E(22012) Z(I)");
    assert_eq!(raw.run("SELECT * FROM wire_held"), "E(42P01) Z(I)");
    assert_eq!(raw.run("FETCH wire_c"), "E(34000) Z(I)");
}

// PG-42: a parameter that cannot be read is named in the context, its value is not told.
#[test]
fn a_bad_parameter_is_named() {
    let (_server, mut raw) = session();
    raw.parse("n", "SELECT $1::int, $2::int", &[]).sync().ask();
    let mut context = |portal: &str, values: [&str; 2]| {
        raw.bind(portal, "n", &values.map(Some), &[]).sync().go();
        raw.until_ready()[0].field(b'W')
    };
    assert_eq!(context("", ["x", "1"]).as_deref(), Some("unnamed portal parameter $1 = '...'"));
    assert_eq!(context("p", ["1", ""]).as_deref(), Some("portal \"p\" parameter $2 = ''"));
}

/// COPY wire_lines FROM STDIN with this input: SQLSTATE, message and context of its error.
fn copy_error(raw: &mut Raw, options: &str, data: &[u8], end: (u8, &[u8])) -> String {
    raw.query(&format!("COPY wire_lines FROM STDIN {options}")).message(b'd', data).message(end.0, end.1).go();
    let answer = raw.until_ready();
    let error = answer.iter().find(|message| message.kind == b'E').cloned();
    let field = |code| error.as_ref().and_then(|error| error.field(code)).unwrap_or_default();
    format!("{} {} [{}]", field(b'C'), field(b'M'), field(b'W'))
}

// PG-37, PG-35: what is wrong with COPY's input, and on which line.
#[test]
fn errors_of_copy_name_the_line() {
    let (_server, mut raw) = session();
    raw.run("DROP TABLE IF EXISTS wire_lines; CREATE TABLE wire_lines (a int, b text)");
    let done = (b'c', &b""[..]);
    for (options, data, expected) in [
        ("", &b"1\tx\r\n2\ty\n"[..], "22P04 literal newline found in data [COPY wire_lines, line 2]"),
        ("", b"1\tx\n2\ty\r\n", "22P04 literal carriage return found in data [COPY wire_lines, line 2]"),
        ("CSV", b"1,x\n2,y\r\n", "22P04 unquoted carriage return found in data [COPY wire_lines, line 2]"),
        ("", b"1\t\xff\n", "22021 invalid byte sequence for encoding \"UTF8\": 0xff [COPY wire_lines, line 1]"),
        ("", b"1\ta\0b\n", "22021 invalid byte sequence for encoding \"UTF8\": 0x00 [COPY wire_lines, line 1]"),
        (
            "(FORMAT csv, HEADER match)",
            b"a,c\n",
            "22P04 column name mismatch in header line field 2: got \"c\", expected \"b\" [COPY wire_lines, line 1: \"a,c\"]",
        ),
        (
            "CSV",
            b"1,x\n2,\"y\n\ny\"\nq,\"z\nz\"\n",
            "22P02 invalid input syntax for type integer: \"q\" [COPY wire_lines, line 6, column a: \"q\"]",
        ),
        ("BINARY", b"", "22P04 COPY file signature not recognized []"),
        ("BINARY", b"PGCOPY\n\xff\r\n\0", "22P04 invalid COPY file header (missing flags) []"),
        (
            "BINARY",
            b"PGCOPY\n\xff\r\n\0\0\x80\0\0\0\0\0\0\xff\xff",
            "22P04 unrecognized critical flags in COPY file header []",
        ),
        (
            "BINARY",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x01\xff\xff\xff\xff",
            "22P04 row field count is 1, expected 2 [COPY wire_lines, line 1]",
        ),
        (
            "BINARY",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xffmore",
            "22P04 received copy data after EOF marker [COPY wire_lines, line 1]",
        ),
    ] {
        assert_eq!(copy_error(&mut raw, options, data, done), expected);
    }
    // A record, a field and a length may come in any number of messages.
    let pieces = |raw: &mut Raw, options: &str, data: &[u8], size: usize| {
        raw.query(&format!("COPY wire_lines FROM STDIN {options}"));
        data.chunks(size).for_each(|piece| {
            raw.message(b'd', piece);
        });
        raw.message(b'c', b"").go();
        raw.until_ready();
        raw.run("DELETE FROM wire_lines RETURNING a, b")
    };
    let csv = b"1,\"a\r\n\\\"b\"\r\n2,\r\n3,\"x\"\r\n";
    let binary = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x02yz\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    for (options, data) in [("CSV ESCAPE '\\'", &csv[..]), ("", b"1\ta\\\nb\n\\N\tc\\\\\n"), ("BINARY", binary)] {
        let whole = pieces(&mut raw, options, data, data.len());
        assert!(whole.contains("D(") && !whole.contains("DELETE 0"), "{whole}");
        for size in [1, 2, 3, 7] {
            assert_eq!(pieces(&mut raw, options, data, size), whole, "{options}, {size} bytes at a time");
        }
    }
    let failed = copy_error(&mut raw, "", b"1\tx\n", (b'f', b"enough\0"));
    assert_eq!(failed, "57014 COPY from stdin failed: enough [COPY wire_lines, line 2]");
    assert_eq!(raw.run("SELECT count(*) FROM wire_lines"), "T(count) D(0) C(SELECT 1) Z(I)");
    // A message that does not belong there ends the session: nobody knows which answer is whose.
    raw.query("COPY wire_lines FROM STDIN").query("SELECT 1");
    assert_eq!(raw.until_end(), "G E(08P01) E!(08P01)");
    Raw::login(_server.address()).run("DROP TABLE wire_lines");
}

// PG-8: a client is told values that it does not know yet, and no others.
#[test]
fn a_setting_that_comes_back_is_not_told() {
    let (_server, mut raw) = session();
    raw.query("BEGIN; SET TimeZone TO 'Asia/Tokyo'; ROLLBACK").go();
    assert_eq!(shown(&raw.until_ready()), "C(BEGIN) C(SET) C(ROLLBACK) Z(I)");
    raw.query("SET application_name TO 'a'; SET application_name TO 'b'").go();
    assert_eq!(shown(&raw.until_ready()), "C(SET) C(SET) S(application_name=b) Z(I)");
    raw.query("BEGIN; SET application_name TO 'c'").go();
    assert_eq!(shown(&raw.until_ready()), "C(BEGIN) C(SET) S(application_name=c) Z(T)");
    raw.query("ROLLBACK").go();
    assert_eq!(shown(&raw.until_ready()), "C(ROLLBACK) S(application_name=b) Z(I)");
}

// PG-145
#[test]
fn an_idle_session_ends_in_time() {
    let (_server, mut raw) = session();
    raw.run("SET idle_session_timeout TO '200ms'");
    assert_eq!(raw.until_end(), "E!(57P05)");
}

// PG-4, PG-11: what a session cannot change it cannot be started with either.
#[test]
fn a_session_cannot_be_started_with_what_is_fixed() {
    let server = TestServer::start();
    for name in ["server_version", "is_superuser", "max_connections", "shared_buffers"] {
        let mut raw = Raw::connect(server.address());
        raw.startup(&[("user", "admin"), ("database", "postgres"), (name, "1")]);
        assert!(raw.until_end().ends_with("E!(55P02)"), "{name}");
    }
}
