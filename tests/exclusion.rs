//! EXCLUDE constraints under concurrency (PG-167): whatever several sessions insert, move, delete and roll back at once,
//! never do two rows conflict. A failing run prints its seed; `TRIPLINE_SEED` repeats its choices.

use harness::server::TestServer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, NoTls};

const SESSIONS: u64 = 4;
const TRANSACTIONS: usize = 60;

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A statement that may meet others: few rooms and a short line, so that most do.
fn statement(random: &mut StdRng) -> String {
    let (room, from) = (random.random_range(0..2), random.random_range(0..60));
    let to = from + random.random_range(1..12);
    match random.random_range(0..10) {
        0..=3 => format!("INSERT INTO booking VALUES ({room}, int4range({from}, {to}))"),
        4 => format!("INSERT INTO booking VALUES ({room}, int4range({from}, {to})) ON CONFLICT DO NOTHING"),
        5 => format!("INSERT INTO booking VALUES ({room}, int4range(NULL, {from})), ({room}, int4range({from}, NULL))"),
        6 | 7 => format!("DELETE FROM booking WHERE room = {room} AND during && int4range({from}, {to})"),
        _ => format!("UPDATE booking SET during = int4range({from}, {to}) WHERE room = {room} AND during @> {to}"),
    }
}

/// Whether a conflict was found, or two transactions waited for each other.
fn refused(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "23P01" | "40P01"))
}

/// Transactions of one session; how many committed.
async fn work(url: String, seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let client = connect(&url).await;
    let mut committed = 0;
    for _ in 0..TRANSACTIONS {
        client.batch_execute("BEGIN").await.unwrap();
        let mut failed = false;
        for _ in 0..random.random_range(1..4) {
            if let Err(error) = client.batch_execute(&statement(&mut random)).await {
                assert!(refused(&error), "seed {seed}: {error:?}");
                failed = true;
                break;
            }
        }
        let end = if failed || random.random_range(0..4) == 0 { "ROLLBACK" } else { "COMMIT" };
        match client.batch_execute(end).await {
            Ok(()) => committed += usize::from(end == "COMMIT"),
            // A deferred constraint speaks at the commit.
            Err(error) => assert!(refused(&error), "seed {seed}: {error:?}"),
        }
    }
    committed
}

fn never_conflict(deferrable: &str) {
    let seed: u64 = std::env::var("TRIPLINE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let server = TestServer::start();
    let url = format!("host=127.0.0.1 port={} user=admin dbname=postgres", server.address().port());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect(&url).await;
        let table = format!(
            "CREATE TABLE booking (room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&) {deferrable})"
        );
        client.batch_execute(&table).await.unwrap();
        let tasks: Vec<_> =
            (0..SESSIONS).map(|session| tokio::spawn(work(url.clone(), seed ^ session.rotate_left(17)))).collect();
        let mut committed = 0;
        for task in tasks {
            committed += task.await.unwrap();
        }
        assert!(committed > 20, "seed {seed}: only {committed} transactions got through");
        let conflicts = "SELECT a.room, a.during::text, b.during::text FROM booking a, booking b
             WHERE a.ctid <> b.ctid AND a.room = b.room AND a.during && b.during";
        let found = client.query(conflicts, &[]).await.unwrap();
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        assert!(client.query_one("SELECT count(*) FROM booking", &[]).await.unwrap().get::<_, i64>(0) > 0);
    });
}

// PG-167
#[test]
fn rows_never_conflict_when_each_is_checked_at_once() {
    never_conflict("");
}

// PG-167, PG-161
#[test]
fn rows_never_conflict_when_they_are_checked_at_the_commit() {
    never_conflict("DEFERRABLE INITIALLY DEFERRED");
}
