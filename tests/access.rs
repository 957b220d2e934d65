//! Who gets in: roles and passwords, trust on this machine, TLS. psql is the client, with all that libpq checks.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use harness::certificate;
use harness::server::TestServer;
use tripline_proxy::config::Auth;

/// One psql session with connection settings of its own: what `sql` answers as `a|b`, or what psql complains of.
fn psql(server: &TestServer, settings: &str, sql: &str) -> Result<String, String> {
    let (host, port) = (server.address().ip(), server.address().port());
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    command.arg(format!("host={host} port={port} dbname=postgres connect_timeout=20 {settings}"));
    for name in ["PGOPTIONS", "PGPASSWORD", "PGSSLMODE", "PGUSER"] {
        command.env_remove(name);
    }
    let output = command.env("HOME", "/nonexistent").output().expect("psql is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn enters(server: &TestServer, settings: &str) {
    let user = settings.split_whitespace().find_map(|part| part.strip_prefix("user=")).unwrap_or_default();
    assert_eq!(psql(server, settings, "SELECT session_user"), Ok(user.to_owned()), "{settings}");
}

fn refused(server: &TestServer, settings: &str, why: &str) {
    let error = psql(server, settings, "SELECT 1").expect_err(settings);
    assert!(error.contains(why), "{settings}: {error}");
}

// PG-10, PG-11: a role with a password is asked for it; the others are trusted here as long as no superuser has one.
#[test]
fn passwords_are_asked_for_where_there_are_any() {
    let server = TestServer::start();
    enters(&server, "user=admin");
    let roles = "CREATE ROLE bob LOGIN PASSWORD 'hop'; CREATE ROLE carol LOGIN; CREATE ROLE dave PASSWORD 'x'";
    psql(&server, "user=admin", roles).unwrap();
    enters(&server, "user=bob password=hop");
    refused(&server, "user=bob password=hip", "password authentication failed for user \"bob\"");
    refused(&server, "user=bob", "no password supplied");
    enters(&server, "user=carol");
    enters(&server, "user=admin");
    refused(&server, "user=dave password=x", "role \"dave\" is not permitted to log in");
    refused(&server, "user=nobody", "role \"nobody\" does not exist");
    refused(&server, "user=bob password=hop dbname=nowhere", "database \"nowhere\" does not exist");

    psql(&server, "user=admin", "ALTER ROLE admin PASSWORD 'secret'").unwrap();
    enters(&server, "user=admin password=secret");
    refused(&server, "user=admin", "no password supplied");
    // From here on nobody is trusted, and an unknown name is not told from a known one.
    refused(&server, "user=carol password=any", "password authentication failed for user \"carol\"");
    refused(&server, "user=nobody password=any", "password authentication failed for user \"nobody\"");

    psql(&server, "user=admin password=secret", "ALTER ROLE bob VALID UNTIL '2001-01-01'").unwrap();
    refused(&server, "user=bob password=hop", "password authentication failed for user \"bob\"");
    psql(&server, "user=admin password=secret", "ALTER ROLE bob VALID UNTIL 'infinity' CONNECTION LIMIT 0").unwrap();
    refused(&server, "user=bob password=hop", "too many connections for role \"bob\"");
    psql(&server, "user=admin password=secret", "ALTER ROLE bob CONNECTION LIMIT -1 PASSWORD NULL").unwrap();
    refused(&server, "user=bob password=hop", "password authentication failed for user \"bob\"");
}

// PG-10: what is stored is a verifier; one that a client made is stored as it is.
#[test]
fn passwords_are_kept_as_verifiers() {
    let server = TestServer::start();
    psql(&server, "user=admin", "CREATE ROLE bob LOGIN PASSWORD 'hop'").unwrap();
    let kept = psql(&server, "user=admin", "SELECT rolpassword FROM pg_authid WHERE rolname = 'bob'").unwrap();
    assert!(kept.starts_with("SCRAM-SHA-256$4096:") && !kept.contains("hop"), "{kept}");
    psql(&server, "user=admin", &format!("CREATE ROLE twin LOGIN PASSWORD '{kept}'")).unwrap();
    let again = psql(&server, "user=admin", "SELECT rolpassword FROM pg_authid WHERE rolname = 'twin'").unwrap();
    assert_eq!(again, kept);
    enters(&server, "user=twin password=hop");
    let denied = psql(&server, "user=twin password=hop", "SELECT rolpassword FROM pg_authid").unwrap_err();
    assert!(denied.contains("permission denied for table pg_authid"), "{denied}");
}

fn secured(files: &tempfile::TempDir, auth: Auth, require: bool) -> TestServer {
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    TestServer::start_with(|config| {
        config.tls_cert = Some(cert);
        config.tls_key = Some(key);
        config.require_tls = require;
        config.auth = auth;
        config.password = Some("secret".to_owned());
    })
}

// PG-12, PG-10: TLS with the configured certificate; SCRAM bound to it.
#[test]
fn tls_and_channel_binding() {
    let files = certificate();
    let server = secured(&files, Auth::Auto, true);
    let cert = files.path().join("cert.pem").display().to_string();
    let admin = "user=admin password=secret";
    enters(&server, &format!("{admin} sslmode=require channel_binding=require"));
    enters(&server, &format!("{admin} sslmode=verify-full sslrootcert={cert} channel_binding=require"));
    enters(&server, &format!("{admin} sslmode=require channel_binding=disable"));
    refused(&server, &format!("{admin} sslmode=disable"), "TLS");
    refused(&server, "user=admin password=wrong sslmode=require", "password authentication failed");
    let other = certificate();
    let stranger = other.path().join("cert.pem").display().to_string();
    refused(&server, &format!("{admin} sslmode=verify-full sslrootcert={stranger}"), "certificate verify failed");
    let seen = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(psql(&server, &format!("{admin} sslmode=require"), seen), Ok("t|TLSv1.3".to_owned()));
    // Without TLS on the server a client that insists on it goes without.
    refused(&TestServer::start(), "user=admin sslmode=require", "server does not support SSL");
}

// PG-10: a password in clear is taken over TLS only.
#[test]
fn a_password_in_clear_over_tls() {
    let server = secured(&certificate(), Auth::Password, false);
    enters(&server, "user=admin password=secret sslmode=require");
    refused(&server, "user=admin password=wrong sslmode=require", "password authentication failed");
    refused(&server, "user=admin password=secret sslmode=disable", "a password is accepted over TLS only");
}

// PG-12: TLS from the first byte, which says by ALPN what it is for.
#[test]
fn tls_without_asking_first() {
    let server = secured(&certificate(), Auth::Auto, true);
    let greet = |protocol: &str| -> Vec<u8> {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-alpn", protocol, "-connect", &server.address().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let body = b"\0\x03\0\0user\0admin\0\0";
        let mut message = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
        message.extend_from_slice(body);
        let mut input = client.stdin.take().expect("its input");
        let _ = input.write_all(&message);
        let mut answer = vec![0; 24];
        let read = client.stdout.take().expect("its output").read_exact(&mut answer);
        let _ = client.kill();
        let _ = client.wait();
        if read.is_ok() { answer } else { Vec::new() }
    };
    let answer = greet("postgresql");
    assert_eq!(answer.first(), Some(&b'R'), "{answer:?}");
    assert!(answer.ends_with(b"SCRAM-SHA-256-P"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(greet("http/1.1"), b"", "another protocol is not spoken");
}

// PG-10: an address that others reach is not listened on before a role has a password, and trust is for this machine.
#[test]
fn no_server_is_open_to_others_without_passwords() {
    let start = |auth: Auth, password: Option<&str>| {
        let mut config = tripline_proxy::config::Config::for_test("");
        config.listen = vec!["0.0.0.0:0".parse().unwrap()];
        config.auth = auth;
        config.password = password.map(str::to_owned);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let valid = config.check().map_err(|error| error.to_string());
        valid.and_then(|()| {
            let parts = tripline_proxy::Parts::in_memory();
            let started = runtime.block_on(tripline_proxy::Server::start_with(config, parts));
            started.map(|server| runtime.block_on(server.stop()).unwrap()).map_err(|error| error.to_string())
        })
    };
    let error = start(Auth::Auto, None).unwrap_err();
    assert!(error.contains("no role has a password"), "{error}");
    let error = start(Auth::Trust, Some("x")).unwrap_err();
    assert!(error.contains("loopback addresses only"), "{error}");
}
