//! What the manuals of the dialects say: `dialects/**/*.slt` for statements and their errors, `*.script` for what takes
//! several sessions, time or a restart; on a server with its data in memory and on one with its data on disk.

use harness::server::{Server, Storage};
use harness::{each_file, script, slt, walk};

fn statements_hold(storage: Storage) {
    each_file(walk("dialects", "slt"), |file| {
        let server = Server::start(storage);
        let url = server.url();
        match std::env::var("TRIPLINE_BLESS") {
            Ok(_) => slt::bless_file(file, &url, "tripline"),
            Err(_) => slt::run_file(file, &url, "tripline"),
        }
    });
}

#[test]
fn statements_hold_in_memory() {
    statements_hold(Storage::Memory);
}

#[test]
fn statements_hold_on_disk() {
    statements_hold(Storage::Disk);
}

#[test]
fn scripts_hold() {
    each_file(walk("dialects", "script"), |file| script::run_file(file, || Server::start(script::storage(file))));
}

/// Runs a client's side of a test.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(test);
}

/// A client of the extended protocol.
async fn client(server: &Server) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

// AMI-25, AMI-31, AMI-51: equality is a look-up in an index, where a null among the keys is met too; EXPLAIN shows it.
#[test]
fn equality_uses_an_index() {
    let server = Server::start(Storage::Memory);
    run(async {
        let client = client(&server).await;
        client
            .batch_execute(
                "CREATE PUBLIC TABLE t(id String, k int, v Long); CREATE INDEX pk ON t(id HASH) USE CONSTRAINT=\"PRIMARY\";
                 CREATE INDEX kv ON t(k SORT, v SORT); INSERT INTO t SELECT n::text, n % 100, n FROM generate_series(1, 1000) n;
                 INSERT INTO t VALUES ('null', NULL, 5), ('both', NULL, NULL)",
            )
            .await
            .expect("set up");
        let plan = async |sql: &str| {
            let rows = client.query(&format!("explain (costs off) {sql}"), &[]).await.expect("explains");
            rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
        };
        let by_key = plan("select v from t where id == \"7\"").await;
        assert!(by_key.contains("Index Scan using pk on t") && !by_key.contains("Filter"), "{by_key}");
        let by_both = plan("select id from t where k == null && v == 5").await;
        assert!(by_both.contains("Index Scan using kv on t") && !by_both.contains("Filter"), "{by_both}");
        let changed = plan("update t set v=v+1 where id == \"7\"").await;
        assert!(changed.contains("Index Scan using pk on t"), "{changed}");
        let both = "select id from t where k == $1 && v == $2";
        let (none, no_long): (Option<i32>, Option<i64>) = (None, None);
        let statement = client.prepare(both).await.expect("prepares");
        for (k, v, found) in [(Some(7), Some(107), "107"), (none, Some(5), "null"), (none, no_long, "both")] {
            let rows = client.query(&statement, &[&k, &v]).await.expect("runs");
            assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), [found], "{k:?} {v:?}");
        }
        assert!(client.query(&statement, &[&Some(7), &no_long]).await.expect("runs").is_empty());
    });
}

// AMI-12, AMI-13, AMI-53, AMI-77, AMI-188: AMI statements with parameters, routed when they are parsed.
#[test]
fn ami_statements_take_parameters() {
    let server = Server::start(Storage::Memory);
    run(parameters(&server));
}

async fn parameters(server: &Server) {
    let client = client(server).await;
    client
        .batch_execute(
            "CREATE PUBLIC TABLE t(id String, v Int); CREATE INDEX pk ON t(id HASH) USE CONSTRAINT=\"PRIMARY\";
             CREATE PUBLIC TABLE log(what String);
             CREATE TRIGGER w OFTYPE AMISCRIPT ON t USE onInsertingScript=\"insert into log values(\\\"inserting \\\"+id)\"
               onUpdatedScript=\"insert into log values(\\\"updated \\\"+v)\";
             CREATE PROCEDURE add OFTYPE AMISCRIPT USE arguments=\"string _id,int _v\" script=\"insert into t values(_id,_v); return _v + 1;\"",
        )
        .await
        .expect("set up");
    let none: Option<i32> = None;
    // PostgreSQL's by routing, AMI's by the table's triggers and index.
    assert_eq!(client.execute("INSERT INTO t VALUES ($1,$2)", &[&"a", &1]).await.expect("inserts"), 1);
    assert_eq!(client.execute("insert t values($1, $2), (\"b\", $2 + 1)", &[&"a", &5]).await.expect("inserts"), 2);
    assert_eq!(client.execute("update t set v=$1 where id == $2", &[&7, &"b"]).await.expect("updates"), 1);
    let found = client.query("select v, id from t where id == $1 || v == $2", &[&"b", &none]).await.expect("selects");
    assert_eq!(found.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [7]);
    // A prepared statement keeps its reading.
    let statement = client.prepare("select id from t where v == $1").await.expect("prepares");
    assert_eq!(statement.columns()[0].name(), "id");
    assert_eq!(client.query(&statement, &[&5]).await.expect("runs").len(), 1);
    assert_eq!(client.query(&statement, &[&none]).await.expect("runs").len(), 0);
    assert_eq!(client.execute("sync into t(id, v) on (id) from select $1, $2", &[&"b", &8]).await.expect("syncs"), 2);
    client.execute("call add($1, $2)", &[&"c", &3]).await.expect("calls");
    let rows = client.query("SELECT id, v FROM t ORDER BY id", &[]).await.expect("selects");
    let rows: Vec<(String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("b".to_owned(), 8), ("c".to_owned(), 3)]);
    // COPY fires the same events.
    {
        use futures::SinkExt;
        let sink = client.copy_in("COPY t FROM STDIN").await.expect("copies");
        let mut sink = Box::pin(sink);
        sink.send(bytes::Bytes::from_static(b"c\t4\nd\t5\n")).await.expect("sends");
        assert_eq!(sink.as_mut().finish().await.expect("ends"), 2);
    }
    let log = client.query("SELECT what FROM log", &[]).await.expect("selects");
    let log: Vec<String> = log.iter().map(|row| row.get(0)).collect();
    let expected = [
        "inserting a",
        "inserting a",
        "updated 5",
        "inserting b",
        "updated 7",
        "updated 8",
        "inserting c",
        "inserting c",
        "updated 4",
        "inserting d",
    ];
    assert_eq!(log, expected);
}

// AMI-80: any server of the protocol as a data source; this one, reached by its port.
#[test]
fn a_data_source_is_another_server() {
    let server = Server::start(Storage::Memory);
    run(data_source(&server));
}

async fn data_source(server: &Server) {
    let client = client(server).await;
    let config: tokio_postgres::Config = server.url().parse().expect("a URL");
    let add = format!(
        "CALL __ADD_DATASOURCE(\"self\", \"POSTGRES\", \"127.0.0.1:{}/postgres\", \"admin\", \"\", \"\", \"\", \"\")",
        config.get_ports()[0]
    );
    client.batch_execute(&add).await.expect("adds");
    client.batch_execute("CREATE PUBLIC TABLE here(n Int, s String)").await.expect("creates");
    client.batch_execute("use ds=self execute INSERT INTO here VALUES (1, 'one'), (2, NULL)").await.expect("executes");
    let rows = client.simple_query("use ds=\"self\" execute SELECT n, s, n * 1.5 AS x FROM here ORDER BY n").await;
    assert_eq!(
        rows.expect("executes").iter().filter(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_))).count(),
        2
    );
    client.batch_execute("create public table kept as use ds=self execute SELECT n, s FROM here").await.expect("keeps");
    let rows = client.query("SELECT n, s FROM kept ORDER BY n", &[]).await.expect("selects");
    assert_eq!(rows[0].get::<_, i32>(0), 1);
    assert_eq!(rows[1].get::<_, Option<String>>(1), None);
    let refused = client.batch_execute("use ds=self execute SELECT nosuch FROM here").await.expect_err("refused");
    assert_eq!(refused.as_db_error().map(|error| error.code().code().to_owned()).as_deref(), Some("42703"));
}
