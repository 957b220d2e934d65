//! PostgreSQL's own programs against the server: psql over a Unix socket, and what pg_dump has written, loaded by psql and
//! by pg_restore.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use harness::postgres::{Postgres, free_port};
use harness::server::TestServer;

/// Output of psql on a server: rows as `a|b`, or what it complains of.
fn psql(host: &str, port: u16, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "admin", "-d", "postgres"]);
    command.args(["-h", host, "-p", &port.to_string()]).args(arguments);
    let output = command.env_remove("PGOPTIONS").env("PGPASSWORD", "secret").output().expect("psql is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A server with a Unix socket in a directory.
fn unix_server(directory: &Path, port: u16) -> TestServer {
    TestServer::start_with(|config| {
        config.listen = vec![([127, 0, 0, 1], port).into()];
        config.unix_socket_dir = Some(directory.to_path_buf());
    })
}

// PG-14: the socket is `.s.PGSQL.<port>`; what a client is there has no address. The file goes with the server.
#[test]
fn psql_connects_through_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let host = directory.path().to_str().unwrap();
    let port = free_port().unwrap();
    let server = unix_server(directory.path(), port);
    let socket = directory.path().join(format!(".s.PGSQL.{port}"));
    assert!(socket.metadata().unwrap().file_type().is_socket());
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o777,
        "every user may connect, as in PostgreSQL"
    );
    let me = "SELECT client_addr IS NULL, client_port, inet_client_addr() IS NULL, inet_server_port() IS NULL
              FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(psql(host, port, &["-c", me]), Ok("t|-1|t|t".to_owned()));
    let me = format!(
        "SELECT client_addr, client_port = inet_client_port(), inet_client_addr(), inet_server_addr(),
                inet_server_port() = {port} FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    );
    assert_eq!(psql("127.0.0.1", port, &["-c", &me]), Ok("127.0.0.1|t|127.0.0.1|127.0.0.1|t".to_owned()));
    // Both ways lead to the same rows, and COPY and cancel work on a socket too.
    psql(host, port, &["-c", "CREATE TABLE t (a int)", "-c", "INSERT INTO t VALUES (1), (2)"]).unwrap();
    assert_eq!(psql("127.0.0.1", port, &["-c", "COPY t TO STDOUT"]), Ok("1\n2".to_owned()));
    server.stop();
    assert!(!socket.exists(), "removed at shutdown");
}

// PG-14, PG-10: as soon as a role has a password it is asked for on the socket as it is on loopback.
#[test]
fn a_unix_socket_is_trusted_like_loopback() {
    let directory = tempfile::tempdir().unwrap();
    let host = directory.path().to_str().unwrap();
    let port = free_port().unwrap();
    let _server = unix_server(directory.path(), port);
    assert_eq!(psql(host, port, &["-c", "SELECT current_user"]), Ok("admin".to_owned()));
    psql(host, port, &["-c", "ALTER ROLE admin PASSWORD 'other'"]).unwrap();
    for host in [host, "127.0.0.1"] {
        let error = psql(host, port, &["-c", "SELECT 1"]).unwrap_err();
        assert!(error.contains("password authentication failed for user \"admin\""), "{host}: {error}");
    }
}

// PG-14: a file that a killed server left is no hindrance; one that is listened on is not taken away.
#[test]
fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let host = directory.path().to_str().unwrap();
    let port = free_port().unwrap();
    let socket = directory.path().join(format!(".s.PGSQL.{port}"));
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "dropping a listener leaves its file");
    let server = unix_server(directory.path(), port);
    assert_eq!(psql(host, port, &["-c", "SELECT 1"]), Ok("1".to_owned()));
    server.stop();
    let _other = UnixListener::bind(&socket).unwrap();
    let mut config = tripline_proxy::config::Config::for_test("");
    config.listen = vec![([127, 0, 0, 1], port).into()];
    config.unix_socket_dir = Some(directory.path().to_path_buf());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let started = runtime.block_on(tripline_proxy::Server::start_with(config, tripline_proxy::Parts::in_memory()));
    let error = started.map(|_| ()).expect_err("the socket is taken").to_string();
    assert!(error.contains("another server listens there"), "{error}");
    assert!(socket.exists());
}

/// A program of PostgreSQL 15 with its output; panics with what it complains of.
fn program(name: &str, port: u16, arguments: &[&str]) -> Vec<u8> {
    let path = Path::new("/usr/lib/postgresql/15/bin").join(name);
    let mut command = Command::new(if path.exists() { path } else { name.into() });
    command.args(["-h", "127.0.0.1", "-U", "admin", "-p", &port.to_string()]).args(arguments);
    let output = command.env_remove("PGOPTIONS").output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    output.stdout
}

/// Runs a file of statements and of psql's commands in a database; its output without column heads' decoration.
fn run_file(port: u16, database: &str, file: &Path) -> String {
    let file = file.to_str().expect("paths of tests are text");
    let arguments = ["-X", "-q", "-A", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", file];
    String::from_utf8_lossy(&program("psql", port, &arguments)).into_owned()
}

/// Lines that only one of two texts has.
fn difference(ours: &str, theirs: &str) -> String {
    let only = |sign: &str, here: &str, there: &str| {
        let there: std::collections::HashSet<&str> = there.lines().collect();
        here.lines().filter(|line| !there.contains(line)).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only("-", theirs, ours) + &only("+", ours, theirs)
}

// PG-190: what pg_dump 15 writes of a PostgreSQL database is loaded whole, by psql and by pg_restore; then the catalogs
// tell of the same objects and constraints, and every row is there.
#[test]
fn dumps_of_postgresql_are_loaded() {
    let postgres = Postgres::start(&[("fsync", "off")]).expect("PostgreSQL 15 is installed (./tests/run does it)");
    let server = TestServer::start();
    let (theirs, ours) = (postgres.port(), server.address().port());
    let folder = harness::tests_dir().join("dumps");
    let directory = tempfile::tempdir().unwrap();
    for port in [theirs, ours] {
        program("psql", port, &["-X", "-q", "-d", "postgres", "-c", "CREATE ROLE clerk"]);
    }
    postgres.recreate_database("shop").unwrap();
    run_file(theirs, "shop", &folder.join("shop.sql"));
    let expected = run_file(theirs, "shop", &folder.join("questions.sql"));
    assert!(expected.contains("EXCLUDE USING gist") && expected.contains("böb"), "{expected}");
    for (name, dump, restore) in [
        ("plain", &["--format=plain"][..], None),
        ("inserts", &["--format=plain", "--inserts"], None),
        ("column_inserts", &["--format=plain", "--column-inserts", "--rows-per-insert=7"], None),
        ("clean", &["--format=plain", "--clean", "--if-exists", "--disable-triggers"], None),
        ("custom", &["--format=custom"], Some(&["--exit-on-error"][..])),
        ("jobs", &["--format=custom"], Some(&["--exit-on-error", "--jobs=2"])),
        ("one", &["--format=tar"], Some(&["--exit-on-error", "--single-transaction"])),
    ] {
        let file = directory.path().join(name);
        let path = file.to_str().expect("paths of tests are text");
        program("pg_dump", theirs, &[dump, &["--file", path, "shop"]].concat());
        program("psql", ours, &["-X", "-q", "-d", "postgres", "-c", &format!("CREATE DATABASE {name}")]);
        match restore {
            Some(options) => {
                program("pg_restore", ours, &[options, &["--dbname", name, path]].concat());
            }
            None => {
                run_file(ours, name, &file);
                if name == "clean" {
                    // It takes away what it has made before.
                    run_file(ours, name, &file);
                }
            }
        }
        let found = run_file(ours, name, &folder.join("questions.sql"));
        assert!(found == expected, "{name}:\n{}", difference(&found, &expected));
    }
}

/// A dump without the lines that pg_dump makes up anew each time.
fn dump(port: u16, arguments: &[&str]) -> String {
    let text = String::from_utf8_lossy(&program("pg_dump", port, arguments)).into_owned();
    text.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .fold(String::new(), |all, line| all + line + "\n")
}

// PG-190: what pg_dump writes of a database of Tripline's is loaded back by psql and by pg_restore, and its dump is the same.
// It can be of one table, and of definitions alone; pg_dumpall writes down the roles.
#[test]
fn dumps_of_a_database_are_loaded_back() {
    let server = TestServer::start();
    let port = server.address().port();
    let directory = tempfile::tempdir().unwrap();
    let run = |database: &str, sql: &str| program("psql", port, &["-X", "-q", "-d", database, "-c", sql]);
    run(
        "postgres",
        "CREATE ROLE d_a; CREATE ROLE d_b; CREATE ROLE d_c IN ROLE d_a; ALTER ROLE d_c SET work_mem = '8MB'",
    );
    for name in ["own", "plain", "custom"] {
        run("postgres", &format!("CREATE DATABASE {name}"));
    }
    run("postgres", "ALTER ROLE d_a IN DATABASE own SET statement_timeout = '10min'");
    run_file(port, "own", &harness::tests_dir().join("dumps/own.sql"));
    let first = dump(port, &["own"]);
    assert!(first.contains("s1.v2 AS") && first.contains("WITH (fillfactor='50')"), "{first}");
    assert!(!first.contains("tripline"), "{first}");
    let file = directory.path().join("plain.sql");
    std::fs::write(&file, &first).unwrap();
    run_file(port, "plain", &file);
    let again = dump(port, &["plain"]);
    assert!(first == again, "{}", difference(&again, &first));
    let file = directory.path().join("custom.dump");
    let path = file.to_str().expect("paths of tests are text");
    program("pg_dump", port, &["--format=custom", "--file", path, "own"]);
    program("pg_restore", port, &["--exit-on-error", "--dbname=custom", path]);
    let again = dump(port, &["custom"]);
    assert!(first == again, "{}", difference(&again, &first));
    let one = dump(port, &["--table=s1.t", "own"]);
    assert!(one.contains("CREATE TABLE s1.t (") && !one.contains("CREATE TABLE s1.child"), "{one}");
    let schema = dump(port, &["--schema-only", "own"]);
    assert!(schema.contains("CREATE TABLE s1.child") && !schema.contains("COPY "), "{schema}");
    let roles = String::from_utf8_lossy(&program("pg_dumpall", port, &["--globals-only"])).into_owned();
    for line in ["GRANT d_a TO d_c GRANTED BY admin;", "ALTER ROLE d_c SET work_mem TO '8MB';"] {
        assert!(roles.contains(line), "{roles}");
    }
    let created = dump(port, &["--create", "--schema-only", "own"]);
    for line in ["CREATE DATABASE own ", "ALTER ROLE d_a IN DATABASE own SET statement_timeout TO '10min';"] {
        assert!(created.contains(line), "{created}");
    }
}

// PG-190: schema and data apart, and the constraints hold for who comes next.
#[test]
fn the_sections_of_a_dump_are_loaded_one_by_one() {
    let postgres = Postgres::start(&[("fsync", "off")]).expect("PostgreSQL 15 is installed (./tests/run does it)");
    let server = TestServer::start();
    let (theirs, ours) = (postgres.port(), server.address().port());
    let folder = harness::tests_dir().join("dumps");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().expect("paths of tests are text").to_owned();
    for port in [theirs, ours] {
        program("psql", port, &["-X", "-q", "-d", "postgres", "-c", "CREATE ROLE clerk"]);
    }
    postgres.recreate_database("shop").unwrap();
    run_file(theirs, "shop", &folder.join("shop.sql"));
    program("pg_dump", theirs, &["--format=directory", "--file", &path("shop"), "shop"]);
    program("psql", ours, &["-X", "-q", "-d", "postgres", "-c", "CREATE DATABASE shop"]);
    for section in ["--section=pre-data", "--section=data", "--section=post-data"] {
        program("pg_restore", ours, &["--exit-on-error", section, "--dbname=shop", &path("shop")]);
    }
    let expected = run_file(theirs, "shop", &folder.join("questions.sql"));
    let found = run_file(ours, "shop", &folder.join("questions.sql"));
    assert!(found == expected, "{}", difference(&found, &expected));
    let state = |port: u16, sql: &str| {
        let client = ["-X", "-q", "-A", "-t", "-d", "shop", "-v", "VERBOSITY=sqlstate", "-c", sql];
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-U", "admin", "-p", &port.to_string()])
            .args(client)
            .output()
            .expect("psql is installed");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    for (sql, expected) in [
        ("INSERT INTO shop.booking VALUES (1, '[2024-01-04, 2024-01-06)')", "23P01"),
        ("INSERT INTO shop.customer (name, mail) VALUES ('x', 'nowhere')", "23514"),
        ("INSERT INTO shop.customer (name) VALUES ('')", "23514"),
        ("INSERT INTO shop.customer (name, mail) VALUES ('x', 'a@x.de')", "23505"),
        ("INSERT INTO shop.orders (customer) VALUES (99)", "23503"),
        ("INSERT INTO shop.orders (id, customer) VALUES (1, 1)", "428C9"),
        ("INSERT INTO shop.orders (customer, state) VALUES (1, 'none')", "22P02"),
        ("INSERT INTO shop.line VALUES (1000, 'B2', 0)", "23514"),
        ("INSERT INTO shop.line VALUES (NULL, 'B2', 1)", "23502"),
        ("INSERT INTO shop.product (sku, title, price) VALUES ('C3', 'Ärger', 1)", "23505"),
        ("INSERT INTO shop.customer (name) VALUES ('next') RETURNING id, balance, tags", "|0.00|{}"),
        ("INSERT INTO shop.orders (customer) VALUES (1) RETURNING id, alt, state", "|new"),
        ("INSERT INTO shop.product (sku, title, price) VALUES ('C3', 'C', 100) RETURNING taxed", "119.0000"),
    ] {
        let (answer, wanted) = (state(ours, sql), state(theirs, sql));
        assert!(wanted.contains(expected), "PostgreSQL: {sql}: {wanted}");
        assert_eq!(answer, wanted, "{sql}");
    }
}
