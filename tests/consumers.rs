//! Consumers and Lua triggers as bytes on the wire, by tokio-postgres, and over the death of the server: which request
//! acknowledges which row, what is sent when, and that no event is lost, none consumed twice, their order kept (sections 7
//! and 9 of the Comdb2 specification).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::raw::Raw;
use harness::server::{Server, Storage, TestServer};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A table, and a consumer of its rows.
const SETUP: &str = "CREATE TABLE t (i int);
CREATE PROCEDURE w VERSION 'a' $lua$
local function main()
  local c = db:consumer()
  while true do
    local e = c:get()
    c:emit(e.new.i)
    c:consume()
  end
end
$lua$;
CREATE LUA CONSUMER w ON (TABLE t FOR INSERT)";

fn set_up(sql: &str) -> (TestServer, Raw) {
    let server = TestServer::start();
    let mut raw = Raw::login(server.address());
    let answer = raw.run(sql);
    assert!(!answer.contains("E("), "{answer}");
    (server, raw)
}

fn depth(raw: &mut Raw, queue: &str) -> String {
    let answer = raw.run(&format!("SELECT depth FROM comdb2_queues WHERE spname = '{queue}'"));
    answer.split("D(").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or(&answer).to_owned()
}

fn eventually(what: &str, mut test: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !test() {
        assert!(Instant::now() < end, "{what}: not within 10 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

// CDB-901, CDB-904
#[test]
fn each_execute_is_a_request() {
    let (server, mut other) = set_up(SETUP);
    assert_eq!(other.run("INSERT INTO t VALUES (1), (2), (3), (4), (5), (6)"), "C(INSERT 0 6) Z(I)");
    let mut raw = Raw::login(server.address());
    raw.parse("", "EXEC PROCEDURE w() AS (i int)", &[]).bind("p", "", &[], &[]).sync();
    assert_eq!(raw.ask(), "1 2 Z(I)");
    // The portal lives on after Sync; however many rows are asked for, one comes.
    assert_eq!(raw.execute("p", 1).sync().ask(), "D(1) s Z(I)");
    assert_eq!(raw.execute("p", 100).sync().ask(), "D(2) s Z(I)");
    eventually("one is acknowledged", || depth(&mut other, "w") == "5");
    // Sent ahead, each is a request of its own.
    assert_eq!(raw.execute("p", 1).execute("p", 1).execute("p", 1).sync().ask(), "D(3) s D(4) s D(5) s Z(I)");
    eventually("four are acknowledged", || depth(&mut other, "w") == "2");
    // Other statements between two requests acknowledge nothing.
    assert!(raw.run("SELECT 1").starts_with("T(?column?) D(1)"));
    assert_eq!(depth(&mut other, "w"), "2");
    // To close the portal neither (CDB-907): the row comes again.
    assert_eq!(raw.close(b'P', "p").sync().ask(), "3 Z(I)");
    raw.parse("", "EXEC PROCEDURE w() AS (i int)", &[]).bind("", "", &[], &[]).execute("", 1).sync();
    assert_eq!(raw.ask(), "1 2 D(5) s Z(I)");
    assert_eq!(raw.execute("", 1).sync().ask(), "D(6) s Z(I)");
    // The unnamed portal goes with the next Query.
    assert!(raw.run("SELECT 2").starts_with("T(?column?) D(2)"));
    assert_eq!(raw.execute("", 1).sync().ask(), "E(34000) Z(I)");
    eventually("given back", || {
        other.run("SELECT state FROM comdb2_trigger_status WHERE name = 'w'").contains("D(unassigned)")
    });
    assert_eq!(depth(&mut other, "w"), "1");
}

// CDB-905, CDB-906, CDB-912, CDB-913: rows and notices of a streaming execution are there before the procedure waits, each row
// counts as asked for; the tag; what ReadyForQuery says is the client's own block.
#[test]
fn a_streaming_execution_sends_before_it_waits() {
    let (server, mut other) = set_up(SETUP);
    other.run(
        "CREATE TABLE s (i int); CREATE PROCEDURE n VERSION 'a' $lua$
local function main(times)
  local c = db:consumer()
  db:num_columns(1) db:column_name('i', 1) db:column_type('int', 1)
  for k = 1, times do
    db:emit(-k)
    db:print('waits')
    db:begin()
    local e = c:get()
    c:emit(e.new.i)
    c:consume()
    db:commit()
  end
end
$lua$; CREATE LUA CONSUMER n ON (TABLE s FOR INSERT)",
    );
    let mut raw = Raw::login(server.address());
    raw.query("EXEC PROCEDURE n(2)").go();
    assert_eq!(raw.next(3), "T(i) D(-1) N(00000)");
    assert!(raw.silent(Duration::from_millis(200)));
    other.run("INSERT INTO s VALUES (7)");
    assert_eq!(raw.next(3), "D(7) D(-2) N(00000)");
    eventually("taken is asked for", || depth(&mut other, "n") == "0");
    other.run("INSERT INTO s VALUES (8), (9)");
    assert_eq!(raw.next(3), "D(8) C(EXEC PROCEDURE) Z(I)");
    // In the client's block, and in one that failed.
    assert_eq!(raw.run("BEGIN"), "C(BEGIN) Z(T)");
    raw.parse("", "EXEC PROCEDURE w() AS (i int)", &[]).bind("p", "", &[], &[]).sync();
    assert_eq!(raw.ask(), "1 2 Z(T)");
    other.run("INSERT INTO t VALUES (1)");
    assert_eq!(raw.execute("p", 1).sync().ask(), "D(1) s Z(T)");
    assert_eq!(raw.run("SELECT nosuch"), "E(42703) Z(E)");
    assert_eq!(raw.run("ROLLBACK"), "C(ROLLBACK) Z(I)");
    assert_eq!(raw.run("EXEC PROCEDURE nosuch()"), "E(42883) Z(I)");
}

// CDB-1028: the client goes while the procedure sends: it ends, and what it had not committed is undone.
#[test]
fn a_client_that_goes_ends_its_procedure() {
    let (server, mut other) = set_up(
        "CREATE TABLE kept (i int); CREATE PROCEDURE endless VERSION 'a' $lua$
local function main()
  db:setmaxinstructions(1000000000)
  db:exec('INSERT INTO kept VALUES (1)')
  db:begin()
  db:exec('INSERT INTO kept VALUES (2)')
  while true do db:emit(string.rep('x', 1000)) end
end
$lua$",
    );
    let mut raw = Raw::login(server.address());
    raw.query("EXEC PROCEDURE endless()").go();
    assert!(raw.next(3).starts_with("T($0) D("));
    drop(raw);
    eventually("ended", || {
        other.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'EXEC%'").contains("D(0)")
    });
    assert!(other.run("SELECT i FROM kept").contains("D(1) C(SELECT 1)"));
    // Nothing is locked.
    assert_eq!(other.run("DROP TABLE kept"), "C(DROP TABLE) Z(I)");
}

// CDB-704: a client that vanishes while its procedure waits in get is noticed within 2 s, also where every commit of others wakes it.
#[test]
fn a_vanished_client_is_noticed_in_a_busy_server() {
    let (server, mut other) = set_up(SETUP);
    other.run("CREATE TABLE busy (i int)");
    let mut raw = Raw::login(server.address());
    raw.parse("", "EXEC PROCEDURE w() AS (i int)", &[]).bind("p", "", &[], &[]).sync();
    assert_eq!(raw.ask(), "1 2 Z(I)");
    raw.execute("p", 1).sync().go();
    let state = "SELECT state FROM comdb2_trigger_status WHERE name = 'w'";
    eventually("waits", || other.run(state).contains("D(waiting)"));
    drop(raw);
    let began = Instant::now();
    while !other.run(state).contains("D(unassigned)") {
        assert!(began.elapsed() < Duration::from_secs(2), "not noticed");
        other.run("INSERT INTO busy VALUES (1)");
    }
}

// CDB-513: a trigger that sleeps starts within 100 ms of the commit.
#[test]
fn an_idle_trigger_wakes_at_once() {
    let (_server, mut raw) = set_up(
        "CREATE TABLE t (i int); CREATE TABLE seen (late double precision);
CREATE TABLE sent (at timestamptz);
CREATE PROCEDURE q VERSION 'a' $lua$
local function main(e)
  local _, rc = db:exec('INSERT INTO seen SELECT extract(epoch FROM clock_timestamp() - max(at)) FROM sent')
  return rc
end
$lua$;
CREATE LUA TRIGGER q ON (TABLE t FOR INSERT)",
    );
    let mut best = f64::MAX;
    for n in 1..=5 {
        std::thread::sleep(Duration::from_millis(150));
        raw.run("INSERT INTO sent VALUES (clock_timestamp()); INSERT INTO t VALUES (1)");
        eventually("seen", || raw.run("SELECT count(*) FROM seen").contains(&format!("D({n})")));
        let answer = raw.run("SELECT late FROM seen ORDER BY late LIMIT 1");
        best = answer.split("D(").nth(1).and_then(|rest| rest.split(')').next()).and_then(|n| n.parse().ok()).unwrap();
    }
    assert!(best < 0.1, "{best} s");
}

// ---- drivers, and servers that die ---------------------------------------------------------------------------------------

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

async fn connect(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("connects");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

/// A file of the client programs: a script as the manual types it.
fn script(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name))
        .expect("a script")
}

// CDB-308, CDB-901, CDB-909, 13.2: the manual's watch, through row-limited Execute of tokio-postgres.
#[test]
fn tokio_postgres_watches() {
    let server = Server::start(Storage::Memory);
    runtime().block_on(async {
        let mut client = connect(&server).await;
        client.batch_execute(&script("comdb2_watch.sql")).await.expect("the script");
        let transaction = client.transaction().await.expect("begins");
        let list = "tbl text, type text, i int8, d float8, c text, b bytea, t timestamptz, y interval,
            old_i int8, old_d float8, old_c text, old_b bytea, old_t timestamptz, old_y interval";
        let statement = transaction.prepare(&format!("EXEC PROCEDURE watch() AS ({list})")).await.expect("prepares");
        let portal = transaction.bind(&statement, &[]).await.expect("binds");
        let mut found = Vec::new();
        for _ in 0..3 {
            for row in transaction.query_portal(&portal, 10).await.expect("a row") {
                let (blob, old): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get("b"), row.get("old_b"));
                found.push((
                    row.get::<_, String>("tbl"),
                    row.get::<_, String>("type"),
                    row.get::<_, Option<i64>>("i"),
                    row.get::<_, Option<f64>>("d").map(|d| (d * 1e6).round() / 1e6),
                    row.get::<_, Option<String>>("c"),
                    blob,
                    row.get::<_, Option<i64>>("old_i"),
                    row.get::<_, Option<f64>>("old_d").map(|d| (d * 1e6).round() / 1e6),
                    old,
                ));
            }
        }
        let (beef, code) = (Some(vec![0xde, 0xad, 0xbe, 0xef]), Some(vec![0x60, 0x0d, 0xc0, 0xde]));
        let hello = Some("hello".to_owned());
        let row = |kind: &str, i, d, c: &Option<String>, b: &Option<Vec<u8>>, old_i, old_d, old_b: &Option<Vec<u8>>| {
            ("t".to_owned(), kind.to_owned(), i, d, c.clone(), b.clone(), old_i, old_d, old_b.clone())
        };
        let expected = vec![
            row("add", Some(1), Some(3.142_857), &hello, &beef, None, None, &None),
            row("upd", Some(4), Some(4.142_857), &hello, &code, Some(1), Some(3.142_857), &beef),
            row("del", None, None, &None, &None, Some(4), Some(4.142_857), &code),
        ];
        assert_eq!(found, expected);
    });
}

/// A server of its own, to be killed, with what the script makes.
fn set_up_mortal(sql: &str) -> (Server, tokio::runtime::Runtime) {
    let (server, runtime) = (Server::start(Storage::Process), runtime());
    runtime.block_on(async { connect(&server).await.batch_execute(sql).await.expect("set up") });
    (server, runtime)
}

// CDB-213: more procedures that never wait than there are threads of the network leave room for others, and end with their time.
#[test]
fn endless_procedures_leave_room() {
    let (server, runtime) = set_up_mortal(
        "CREATE PROCEDURE l VERSION 'a' { local function main() while true do pcall(function() while true do end end) end end }",
    );
    runtime.block_on(async {
        let mut running = Vec::new();
        for _ in 0..8 {
            let client = connect(&server).await;
            let settings = "SET statement_timeout = 4000; SET max_lua_instructions = 1000000000";
            client.batch_execute(settings).await.expect("sets");
            running.push(tokio::spawn(async move { client.batch_execute("EXEC PROCEDURE l()").await }));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        for _ in 0..5 {
            let client = connect(&server).await;
            assert_eq!(column(&client, "SELECT 1").await.expect("answers"), ["1"]);
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        for run in running {
            let error = run.await.expect("runs").expect_err("an end");
            assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("57014"));
        }
    });
}

/// Values of the first column of a simple query; none when the connection is gone.
async fn column(client: &Client, sql: &str) -> Option<Vec<String>> {
    let messages = client.simple_query(sql).await.ok()?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    Some(rows.collect())
}

// CDB-603, CDB-606, CDB-609, CDB-708, CDB-711, 13.3: the server is killed again and again between emit and consume. What the
// procedure writes with the consumption is there once per event; a row that comes again is one that was not
// acknowledged; the order is the queue's.
#[test]
fn kill_between_emit_and_consume() {
    let (mut server, runtime) = set_up_mortal(
        "CREATE TABLE t (i int PRIMARY KEY); CREATE TABLE effects (i int, seq bigint);
CREATE PROCEDURE w VERSION 'a' $lua$
local function main()
  local effects, c = db:table('effects'), db:consumer()
  while true do
    local e = c:get()
    db:begin()
    effects:insert({ i = e.new.i, seq = db:get_event_sequence(e) })
    c:emit(e.new.i)
    c:consume()
    if db:commit() ~= 0 then error(db:error()) end
  end
end
$lua$; CREATE LUA CONSUMER w WITH SEQUENCE ON (TABLE t FOR INSERT)",
    );
    let (mut inserted, mut acknowledged, mut seen): (i64, i64, BTreeSet<i64>) = (0, 0, BTreeSet::new());
    for round in 0..8_i64 {
        runtime.block_on(async {
            let (writer, reader) = (connect(&server).await, connect(&server).await);
            let rows: Vec<String> = (inserted..inserted + 5).map(|n| format!("({n})")).collect();
            writer.batch_execute(&format!("INSERT INTO t VALUES {}", rows.join(","))).await.expect("inserts");
            inserted += 5;
            reader.batch_execute("DECLARE w CURSOR FOR EXEC PROCEDURE w()").await.expect("declares");
            for _ in 0..=round % 4 {
                let row = column(&reader, "FETCH 1 FROM w").await.expect("a row");
                let row: i64 = row[0].parse::<f64>().expect("a number") as i64;
                assert!(row >= acknowledged, "{row} came again after it was acknowledged up to {acknowledged}");
                assert!(row == acknowledged || row == acknowledged + 1, "{row} after {acknowledged}");
                // What came before it is acknowledged by this request.
                acknowledged = row;
                seen.insert(row);
            }
        });
        // The row held by the client is not acknowledged.
        server = server.crash_and_restart();
        runtime.block_on(async {
            let client = connect(&server).await;
            let effects = column(&client, "SELECT i FROM effects ORDER BY seq").await.expect("effects");
            let expected: Vec<String> = (0..acknowledged).map(|n| n.to_string()).collect();
            assert_eq!(effects, expected, "round {round}");
            let numbers = column(&client, "SELECT count(*) FROM effects WHERE seq <> i + 1").await.expect("numbers");
            assert_eq!(numbers, ["0"]);
            let waits = column(&client, "SELECT depth FROM comdb2_queues").await.expect("a depth");
            assert_eq!(waits, [(inserted - acknowledged).to_string()]);
        });
    }
    assert_eq!(seen.len() as i64, acknowledged + 1);
}

// CDB-507, CDB-603, CDB-604, CDB-606: the server is killed again and again while clients insert and a Lua trigger copies, with a consumer's
// queue beside it. Every acknowledged row has its event; each event's effect is there once, in the queue's order, numbered
// without gaps; a failing write in between is tried again.
#[test]
fn kill_while_triggers_run() {
    let (mut server, runtime) = set_up_mortal(
        "CREATE TABLE t (i bigserial PRIMARY KEY, w int); CREATE TABLE done (i bigint PRIMARY KEY, seq bigint, tid bigint);
CREATE TABLE tries (i bigint);
CREATE PROCEDURE copy VERSION 'a' $lua$
local failed = 0
local function main(e)
  local rc = db:table('done'):insert({ i = e.new.i, seq = db:get_event_sequence(e), tid = db:get_event_tid(e) })
  -- The first event of each chunk fails, so that retries and crashes meet.
  if failed == 0 and e.new.i % 97 == 0 and db:exec('SELECT i FROM tries WHERE i = ' .. e.new.i):fetch() == nil then return 1 end
  failed = 1
  return rc
end
$lua$;
CREATE LUA TRIGGER copy WITH SEQUENCE ON (TABLE t FOR INSERT);
CREATE PROCEDURE queue VERSION 'a' { local function main() db:consumer() end };
CREATE LUA CONSUMER queue ON (TABLE t FOR INSERT)",
    );
    let mut acknowledged: Vec<i64> = Vec::new();
    // However slow the machine, some rows are acknowledged between two deaths.
    let told = Arc::new(AtomicU64::new(0));
    for round in 0..6_u64 {
        let writers = runtime.block_on(async {
            let writers: Vec<_> = (0..4)
                .map(|w| {
                    let (url, told) = (server.url(), told.clone());
                    tokio::spawn(async move {
                        let mut mine = Vec::new();
                        let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else { return mine };
                        tokio::spawn(async move {
                            let _ = connection.await;
                        });
                        while let Some(rows) =
                            column(&client, &format!("INSERT INTO t (w) VALUES ({w}) RETURNING i")).await
                        {
                            mine.extend(rows.iter().filter_map(|row| row.parse::<i64>().ok()));
                            told.fetch_add(1, Ordering::Relaxed);
                        }
                        mine
                    })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(60 + 37 * round)).await;
            let end = Instant::now() + Duration::from_secs(10);
            while told.load(Ordering::Relaxed) < 5 * (round + 1) && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            writers
        });
        server = server.crash_and_restart();
        for writer in writers {
            acknowledged.extend(runtime.block_on(writer).expect("a writer"));
        }
    }
    runtime.block_on(async {
        let client = connect(&server).await;
        // Nothing fails any more: what waits is worked off.
        client.batch_execute("INSERT INTO tries SELECT i FROM t").await.expect("lets it go on");
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let left = column(&client, "SELECT depth FROM comdb2_queues WHERE spname = 'copy'").await.expect("a depth");
            if left == ["0"] {
                break;
            }
            assert!(Instant::now() < end, "{left:?} events wait");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let ask = async |sql: &str| column(&client, sql).await.expect(sql);
        assert!(acknowledged.len() > 20, "{} rows", acknowledged.len());
        let present =
            ask("SELECT i FROM t").await.into_iter().filter_map(|row| row.parse().ok()).collect::<BTreeSet<i64>>();
        assert!(acknowledged.iter().all(|row| present.contains(row)), "an acknowledged row is lost");
        assert_eq!(ask("SELECT count(*) FROM t FULL JOIN done USING (i) WHERE w IS NULL OR seq IS NULL").await, ["0"]);
        assert_eq!(ask("SELECT count(*) - max(seq) FROM done").await, ["0"]);
        assert_eq!(ask("SELECT count(*) - count(DISTINCT seq) FROM done").await, ["0"]);
        // The queue's order is the commits'.
        let backwards =
            "SELECT count(*) FROM (SELECT tid - lag(tid) OVER (ORDER BY seq) AS step FROM done) AS d WHERE step < 0";
        assert_eq!(ask(backwards).await, ["0"]);
        // The other queue has them all still.
        let depth = ask("SELECT depth FROM comdb2_queues WHERE spname = 'queue'").await;
        assert_eq!(depth, ask("SELECT count(*) FROM t").await);
    });
}

/// What a consumer's client knows of its queue over its own deaths and the server's.
#[derive(Debug, Default)]
struct Known {
    /// The last row that came.
    row: i64,
    /// The next one was asked for, and nobody knows whether the server heard of it.
    asked: bool,
    /// How often a row came again.
    again: u64,
}

impl Known {
    /// A row comes on a connection; `fresh`: the first one on it.
    fn takes(&mut self, row: i64, fresh: bool) {
        let expected = match (fresh, self.asked) {
            (true, false) => self.row.max(1)..=self.row.max(1),
            (true, true) => self.row.max(1)..=self.row + 1,
            (false, _) => self.row + 1..=self.row + 1,
        };
        assert!(expected.contains(&row), "row {row} comes, fresh {fresh}, after {self:?}");
        self.again += u64::from(row == self.row);
        (self.row, self.asked) = (row, false);
    }
}

/// Takes rows until the server dies, or has given so many; every seventh row is the last that its connection sees: it is cut
/// between the row and the request that would acknowledge it.
async fn take_rows(url: String, mut known: Known, upto: i64) -> Known {
    let mut count = 0;
    while known.row < upto {
        let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else { return known };
        let socket = tokio::spawn(connection);
        if client.batch_execute("DECLARE w CURSOR FOR EXEC PROCEDURE w()").await.is_err() {
            return known;
        }
        let mut fresh = true;
        while known.row < upto {
            // The first request on a connection acknowledges nothing.
            known.asked |= !fresh;
            let row = match column(&client, "FETCH 1 FROM w").await {
                Some(rows) => rows[0].parse::<f64>().expect("a number") as i64,
                None => return known,
            };
            known.takes(row, fresh);
            fresh = false;
            count += 1;
            if count % 7 == 0 {
                break;
            }
        }
        // Nothing is said: the socket is gone.
        socket.abort();
        let _ = socket.await;
    }
    known
}

// CDB-507, CDB-603, CDB-604, CDB-606, CDB-704, CDB-708, CDB-711, CDB-907: server and clients die under load, at any moment: while writers insert, a
// trigger copies and a consumer's clients acknowledge. No event of an acknowledged row is lost, each has its effect once in
// either queue, both queues give them the same numbers, and a client's rows come in order, the unacknowledged one again.
#[test]
fn server_and_clients_die_under_load() {
    let (mut server, runtime) = set_up_mortal(
        "CREATE TABLE t (i bigserial PRIMARY KEY, w int); CREATE TABLE copied (i bigint PRIMARY KEY, seq bigint);
CREATE TABLE taken (i bigint PRIMARY KEY, seq bigint);
CREATE PROCEDURE copy VERSION 'a' { local function main(e) return db:table('copied'):insert({ i = e.new.i, seq = db:get_event_sequence(e) }) end };
CREATE LUA TRIGGER copy WITH SEQUENCE ON (TABLE t FOR INSERT);
CREATE PROCEDURE w VERSION 'a' $lua$
local function main()
  local taken, c = db:table('taken'), db:consumer()
  while true do
    local e = c:get()
    local seq = db:get_event_sequence(e)
    db:begin()
    taken:insert({ i = e.new.i, seq = seq })
    c:emit(seq)
    c:consume()
    if db:commit() ~= 0 then error(db:error()) end
  end
end
$lua$; CREATE LUA CONSUMER w WITH SEQUENCE ON (TABLE t FOR INSERT)",
    );
    let (mut acknowledged, mut known): (Vec<i64>, Known) = (Vec::new(), Known::default());
    for round in 0..5_u64 {
        let (writers, taker) = runtime.block_on(async {
            let insert = async |url: String, w: u64| {
                let mut mine = Vec::new();
                let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else { return mine };
                tokio::spawn(connection);
                let rows = ["(1)", "(1), (2)", "(1), (2), (3)"][w as usize];
                while let Some(rows) = column(&client, &format!("INSERT INTO t (w) VALUES {rows} RETURNING i")).await {
                    mine.extend(rows.iter().filter_map(|row| row.parse::<i64>().ok()));
                    tokio::time::sleep(Duration::from_millis(4)).await;
                }
                mine
            };
            let writers: Vec<_> = (0..3).map(|w| tokio::spawn(insert(server.url(), w))).collect();
            let taker = tokio::spawn(take_rows(server.url(), std::mem::take(&mut known), i64::MAX));
            tokio::time::sleep(Duration::from_millis(350 + 61 * round)).await;
            (writers, taker)
        });
        server = server.crash_and_restart();
        for writer in writers {
            acknowledged.extend(runtime.block_on(writer).expect("a writer"));
        }
        known = runtime.block_on(taker).expect("the rows are in order");
        runtime.block_on(async {
            let client = connect(&server).await;
            let taken =
                column(&client, "SELECT count(*), max(seq), count(DISTINCT seq) FROM taken").await.expect("taken");
            let taken: i64 = taken[0].parse().expect("a number");
            // What is acknowledged is taken, what was not asked beyond is not.
            let sure = known.row - 1;
            assert!((sure..=sure + i64::from(known.asked)).contains(&taken), "round {round}: {taken} taken, {known:?}");
        });
    }
    runtime.block_on(async {
        let client = connect(&server).await;
        let ask = async |sql: &str| column(&client, sql).await.expect(sql).remove(0).parse::<i64>().expect(sql);
        let rows = ask("SELECT count(*) FROM t").await;
        assert!(acknowledged.len() > 50, "{} rows", acknowledged.len());
        let present = column(&client, "SELECT i FROM t").await.expect("the rows");
        let present: BTreeSet<i64> = present.iter().filter_map(|row| row.parse().ok()).collect();
        assert!(acknowledged.iter().all(|row| present.contains(row)), "an acknowledged row is lost");
        // The rest is taken; the last one but for its acknowledgement, unless that was on its way at the last crash.
        known =
            tokio::time::timeout(Duration::from_secs(30), take_rows(server.url(), known, rows)).await.expect("in time");
        assert!(known.again > 0, "no row came again");
        let end = Instant::now() + Duration::from_secs(30);
        while ask("SELECT depth FROM comdb2_queues WHERE spname = 'copy'").await > 0 {
            assert!(Instant::now() < end, "events wait");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for table in ["copied", "taken"] {
            let missing = format!("SELECT count(*) FROM t LEFT JOIN {table} USING (i) WHERE seq IS NULL");
            let open = i64::from(table == "taken");
            let least = if known.asked { 0 } else { open };
            assert!((least..=open).contains(&ask(&missing).await), "{table}");
            let gaps = format!("SELECT max(seq) - count(DISTINCT seq) FROM {table}");
            assert_eq!(ask(&gaps).await, 0, "{table}");
        }
        assert_eq!(ask("SELECT count(*) FROM taken JOIN copied USING (seq) WHERE taken.i <> copied.i").await, 0);
    });
}
