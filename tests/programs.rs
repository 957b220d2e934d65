//! PostgreSQL's own programs against the server: psql over a Unix socket.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use harness::postgres::free_port;
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
    let error = started.err().expect("the socket is taken").to_string();
    assert!(error.contains("another server listens there"), "{error}");
    assert!(socket.exists());
}
