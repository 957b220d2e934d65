//! Relays over TLS, with keystores in PEM.

use harness::certificate;

use crate::node::Node;

fn secured(files: &tempfile::TempDir) -> Node {
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    Node::start_with(move |config| {
        config.tls_cert = Some(cert);
        config.tls_key = Some(key);
        config.ami_tls = true;
    })
}

// AMI-158, AMI-167, AMI-200
#[test]
fn messages_and_statements_over_tls() {
    let files = certificate();
    let (a, b) = (Node::start(), secured(&files));
    for table in ["m", "p"] {
        a.sql.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY)"));
        b.sql.run(&format!("CREATE TABLE {table} (id int)"));
    }
    let store = files.path().join("cert.pem").display().to_string();
    a.sql.run(&format!(
        "CREATE TRIGGER m OFTYPE RELAY ON m USE delivery=\"durable\" port=\"{}\" keystoreFile=\"{store}\"; \
         CREATE TRIGGER p OFTYPE RELAY ON p USE delivery=\"durable\" protocol=\"postgres\" user=\"admin\" port=\"{}\" keystoreFile=\"{store}\"",
        b.ami_port(),
        b.sql_port()
    ));
    a.sql.run("INSERT INTO m VALUES (1); INSERT INTO p VALUES (2)");
    b.sql.eventually("SELECT id FROM m", "1");
    b.sql.eventually("SELECT id FROM p", "2");
    // A server whose certificate the keystore does not know is not sent to, nor one without TLS.
    let others = certificate();
    let c = secured(&others);
    c.sql.run("CREATE TABLE m (id int)");
    for port in [c.ami_port(), Node::start().ami_port()] {
        a.sql.run(&format!(
            "CREATE TABLE w (id int); \
             CREATE TRIGGER w OFTYPE RELAY ON w USE delivery=\"durable\" target=\"m\" port=\"{port}\" keystoreFile=\"{store}\""
        ));
        a.sql.run("INSERT INTO w VALUES (3)");
        a.sql
            .eventually("SELECT count(*) FROM tripline.subscriptions WHERE name = 'w' AND last_error IS NOT NULL", "1");
        a.sql.run("DROP TRIGGER w; DROP TABLE w");
    }
    assert_eq!(c.sql.run("SELECT count(*) FROM m"), "0");
}

/// A PKCS#12 keystore made by openssl, if the machine has it.
fn pkcs12(files: &tempfile::TempDir, password: &str) -> std::path::PathBuf {
    let store = files.path().join("store.p12");
    let made = std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", &format!("pass:{password}"), "-in"])
        .arg(files.path().join("cert.pem"))
        .arg("-inkey")
        .arg(files.path().join("key.pem"))
        .arg("-out")
        .arg(&store)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    store
}

// AMI-158
#[test]
fn a_pkcs12_keystore_and_its_password() {
    let files = certificate();
    let store = pkcs12(&files, "changeit").display().to_string();
    let (a, b) = (Node::start(), secured(&files));
    a.sql.run("CREATE TABLE t (id int)");
    b.sql.run("CREATE TABLE t (id int)");
    let create = |password: &str, file: &str| {
        format!(
            "CREATE TRIGGER r OFTYPE RELAY ON t USE delivery=\"durable\" port=\"{}\" keystoreFile=\"{file}\" keystorePass=\"{password}\"",
            b.ami_port()
        )
    };
    assert!(a.sql.refused(&create("wrong", &store)).starts_with("28P01"));
    assert!(a.sql.refused(&create("changeit", "/nowhere/store.p12")).starts_with("58P01"));
    let junk = files.path().join("junk");
    std::fs::write(&junk, "not a keystore").unwrap();
    assert!(a.sql.refused(&create("changeit", &junk.display().to_string())).starts_with("58P01"));
    assert_eq!(a.sql.run("SELECT count(*) FROM tripline.triggers"), "0");
    a.sql.run(&create("changeit", &store));
    a.sql.run("INSERT INTO t VALUES (1)");
    b.sql.eventually("SELECT id FROM t", "1");
    let shown = a.sql.run("SELECT definition FROM tripline.triggers");
    assert!(!shown.contains("changeit") && shown.contains("keystorePass=\"***\""), "{shown}");
}
