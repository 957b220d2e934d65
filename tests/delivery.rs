//! Delivery to consumers against a plain model: seeded schedules of inserts, fetches, disconnects, hand-overs, errors and
//! crashes. Each event reaches the client in order and again until it is acknowledged; its effects are committed once,
//! together with its consumption; where it has none, a crash may bring it again as long as nobody has committed since.
//! Inserts that were not waited for may be undone by a crash, unless a client has had one of them or of a later one.
//! 2,000 schedules; 100,000 with TRIPLINE_LONG. A failing one prints its seed: `TRIPLINE_SEED` repeats it,
//! `TRIPLINE_SCHEDULES` says how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::disk::{CrashDisk, Image, Loss};
use tripline_sql::change::CommitNo;
use tripline_sql::engine::{Engine, EngineConfig, SessionOptions};
use tripline_sql::env::{Clock, Env, Rng, SeededRng, SystemClock, UnixMicros};
use tripline_sql::session::{Pause, Session, Step};
use tripline_sql::store::{Disk, MemDisk, StoreConfig};
use tripline_sql::types::Value;
use tripline_triggers::feed::Feed;
use tripline_triggers::fire::Fire;

/// `#` is the schedule's number.
const SETUP: &str = "
CREATE TABLE t# (id bigint);
CREATE TABLE effects# (id bigint PRIMARY KEY);
CREATE PROCEDURE c# VERSION 'a' $lua$
local function main(fails, timeout, every)
    db:setmaxinstructions(1000000)
    local effects = db:table('effects#')
    local consumer = db:consumer()
    consumer:emit_timeout(timeout)
    local count = 0
    while true do
        local event = consumer:get()
        count = count + 1
        if event.new.id % every == 0 then
            db:begin()
            if count == fails then error('as told') end
            consumer:emit(event.new.id)
            effects:insert({ id = event.new.id })
            consumer:consume()
            local rc = db:commit()
            -- Whom the queue was taken from finds the effects there, or cannot consume.
            if rc ~= 0 and timeout == 0 then error('commit ' .. rc .. ' ' .. db:error()) end
        else
            if count == fails then error('as told') end
            consumer:emit(event.new.id)
            local fine, text = pcall(consumer.consume, consumer)
            if not fine and timeout == 0 then error(text) end
        end
    end
end
$lua$;
CREATE LUA CONSUMER c# ON (TABLE t# FOR INSERT);
";

/// The machine's clock, which a schedule moves on instead of sleeping.
#[derive(Debug, Default)]
struct MovedClock {
    machine: SystemClock,
    /// Microseconds ahead of it.
    ahead: AtomicU64,
}

impl MovedClock {
    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(u64::try_from(time.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> UnixMicros {
        self.machine.now() + i64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed() + Duration::from_micros(self.ahead.load(Ordering::Relaxed))
    }
}

struct World {
    disk: Arc<CrashDisk>,
    clock: Arc<MovedClock>,
    engine: Engine,
    feed: Feed,
}

fn open(image: &Image) -> World {
    let disk = Arc::new(CrashDisk::new(image, None));
    let clock = Arc::new(MovedClock::default());
    let (engine, feed) = open_on(disk.clone(), clock.clone());
    World { disk, clock, engine, feed }
}

fn open_on(disk: Arc<dyn Disk>, clock: Arc<MovedClock>) -> (Engine, Feed) {
    let fire = Fire::new();
    let config = EngineConfig {
        store: StoreConfig { log_segment_bytes: 128 << 10, checkpoint_bytes: 512 << 10, ..StoreConfig::default() },
        ..EngineConfig::default()
    };
    let env = Env { clock, ..Env::default() };
    let engine = Engine::open(config, disk, env, fire.clone(), &mut |_| {}).expect("opens");
    let feed = Feed::start(engine.clone(), fire).expect("a feed");
    (engine, feed)
}

fn session(engine: &Engine) -> Session {
    let options = SessionOptions { user: "admin".into(), database: "postgres".into(), ..SessionOptions::default() };
    engine.session(options).expect("a session")
}

/// Runs statements and waits until what they committed is durable.
fn script(engine: &Engine, sql: &str) {
    if let Some(commit) = run(engine, sql) {
        futures::executor::block_on(engine.wait_durable(commit)).expect("durable");
    }
}

/// Runs statements; gives what their answer rests on.
fn run(engine: &Engine, sql: &str) -> Option<CommitNo> {
    let mut session = session(engine);
    session.simple_begin(sql).expect("begins");
    while let Some(step) = session.simple_next(false).expect("a statement") {
        if let Step::Rows(_) = step {
            while !session.fetch(0, &mut |_| Ok(())).expect("rows").done {}
        }
    }
    session.simple_end(false)
}

/// A client with, perhaps, an open call of the procedure.
struct Client {
    session: Session,
    open: bool,
    /// It has a row that it has not acknowledged.
    row: Option<i64>,
    /// Its procedure raises an error at this event of the call, from 1; 0: never.
    fails: u64,
    seen: u64,
}

impl Client {
    fn new(engine: &Engine) -> Client {
        Client { session: session(engine), open: false, row: None, fails: 0, seen: 0 }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Row(i64),
    Waits,
    Failed(String),
}

/// One row-limited Execute.
fn pull(engine: &Engine, client: &mut Client) -> Outcome {
    let (outcome, rests_on) = work(client);
    if let Some(commit) = rests_on {
        futures::executor::block_on(engine.wait_durable(commit)).expect("durable");
    }
    outcome
}

/// One row-limited Execute, and what its answer rests on.
fn work(client: &mut Client) -> (Outcome, Option<CommitNo>) {
    let mut row = None;
    let result = client.session.execute("p", false).and_then(|_| {
        client.session.pull(1, &mut |_, _, values| {
            row = values.first().and_then(Value::as_f64);
            Ok(())
        })
    });
    let rests_on = client.session.hold_until();
    let outcome = match result {
        Ok((_, Pause::Blocked)) => Outcome::Row(row.expect("a blocking row") as i64),
        Ok((_, Pause::Waiting(_))) => Outcome::Waits,
        Ok(other) => Outcome::Failed(format!("{other:?}")),
        Err(error) => {
            client.session.statement_failed(&error);
            Outcome::Failed(error.message().to_owned())
        }
    };
    (outcome, rests_on)
}

/// Begins a call of the procedure.
fn call(client: &mut Client, text: &str) -> Result<(), String> {
    client.session.close_portal("p");
    client.session.parse("", text, &[]).map_err(|error| error.to_string())?;
    client.session.bind("p", "", Vec::new(), Vec::new()).map_err(|error| error.to_string())?;
    (client.open, client.row, client.seen) = (true, None, 0);
    Ok(())
}

/// Steps below it are what clients do.
const CRASH: u64 = 11;

fn schedule(world: &mut World, seed: u64) -> Result<(), String> {
    let rng = SeededRng::new(seed);
    let below = |n: u64| rng.next_u64() % n;
    let timeout = if below(3) == 0 { 1 } else { 0 };
    // One event of so many has effects.
    let every = 1 + i64::try_from(below(3)).unwrap_or(0);
    let own = |text: &str| text.replace('#', &seed.to_string());
    script(&world.engine, &own(SETUP));
    // Events before `sure` are consumed whatever happens: somebody has committed since.
    let (mut inserted, mut head, mut sure) = (0_i64, 0_i64, 0_i64);
    // Rows before it are there whatever happens.
    let mut kept = 0_i64;
    let mut clients = [Client::new(&world.engine), Client::new(&world.engine)];
    let mut trace = vec![format!("timeout {timeout}, effects of one in {every}")];
    for _ in 0..24 + below(16) {
        let who = usize::try_from(below(2)).unwrap_or(0);
        // A crash is rare: it costs more than all the rest of a schedule.
        match if below(60) == 0 { CRASH } else { below(CRASH) } {
            0..3 => {
                let count = i64::try_from(1 + below(3)).unwrap_or(1);
                let rows: Vec<String> = (0..count).map(|n| format!("({})", inserted + n)).collect();
                let insert = own(&format!("INSERT INTO t# VALUES {}", rows.join(",")));
                match below(4) {
                    0 => {
                        script(&world.engine, &format!("BEGIN; {insert}; ROLLBACK"));
                        trace.push("rolled back".to_owned());
                    }
                    1 => {
                        run(&world.engine, &format!("SET synchronous_commit = off; {insert}"));
                        inserted += count;
                        trace.push(format!("insert {count}, not waited for"));
                    }
                    _ => {
                        script(&world.engine, &insert);
                        inserted += count;
                        (kept, sure) = (inserted, head);
                        trace.push(format!("insert {count}"));
                    }
                }
            }
            3..9 => {
                if !clients[who].open {
                    let fails = if below(5) == 0 { 1 + below(3) } else { 0 };
                    call(&mut clients[who], &own(&format!("EXEC PROCEDURE c#({fails}, {timeout}, {every})")))?;
                    clients[who].fails = fails;
                }
                if timeout == 1 {
                    world.clock.pass(Duration::from_millis(2));
                }
                let outcome = pull(&world.engine, &mut clients[who]);
                trace.push(format!("{who} pulls: {outcome:?}"));
                let other = clients[1 - who].row;
                // What it had is acknowledged, unless its queue went to the other client.
                if let Some(row) = clients[who].row.take()
                    && row == head
                    && other.is_none_or(|other| other < row)
                {
                    head += 1;
                    if row % every == 0 {
                        sure = head;
                    }
                }
                if timeout == 1 && outcome != Outcome::Waits {
                    // A hand-over: what the other one still holds is not its own any more.
                    clients[1 - who].row = None;
                }
                match outcome {
                    Outcome::Row(row) => {
                        if row != head {
                            return Err(format!("row {row} was delivered, {head} is the head\n{}", trace.join("\n")));
                        }
                        let client = &mut clients[who];
                        client.row = Some(row);
                        client.seen += 1;
                        kept = kept.max(row + 1);
                    }
                    Outcome::Waits => {
                        let free = clients[1 - who].row.is_none() && !clients[1 - who].open;
                        if free && head < inserted {
                            return Err(format!("{who} waits although {head} waits for it\n{}", trace.join("\n")));
                        }
                    }
                    Outcome::Failed(text) => {
                        if !text.contains("as told") || clients[who].fails != clients[who].seen + 1 {
                            return Err(format!("unexpected: {text}\n{}", trace.join("\n")));
                        }
                        clients[who].open = false;
                    }
                }
            }
            9 => {
                trace.push(format!("{who} closes"));
                clients[who].session.close_portal("p");
                (clients[who].open, clients[who].row) = (false, None);
            }
            10 => {
                trace.push(format!("{who} disconnects"));
                clients[who] = Client::new(&world.engine);
            }
            CRASH.. => {
                trace.push("crash".to_owned());
                let loss = if below(2) == 0 { Loss::Unsynced } else { Loss::Nothing };
                let image = world.disk.image(loss);
                // However often it crashes, a checkpoint comes in time and the log does not grow.
                let segments = image.keys().filter(|name| name.starts_with("log/")).count();
                assert!(segments < 16, "seed {seed}: {segments} segments of log");
                drop(clients);
                world.feed.stop();
                let _ = world.engine.close();
                *world = open(&image);
                clients = [Client::new(&world.engine), Client::new(&world.engine)];
                let mut reader = session(&world.engine);
                let mut number = |sql: &str| -> Result<i64, String> {
                    let rows = reader.run(&own(sql), &[]).map_err(|error| error.to_string())?.rows;
                    rows.first().and_then(|row| row.first()).and_then(Value::as_i64).ok_or_else(|| format!("no {sql}"))
                };
                let rows = number("SELECT count(*) FROM t#")?;
                if !(kept..=inserted).contains(&rows) {
                    let trace = trace.join("\n");
                    return Err(format!("after a crash there are {rows} rows, not {kept} to {inserted}\n{trace}"));
                }
                (inserted, kept) = (rows, rows);
                let stands = inserted - number("SELECT depth FROM comdb2_queues WHERE spname = 'c#'")?;
                if !(sure..=head).contains(&stands) {
                    return Err(format!(
                        "after a crash {stands} are consumed, not {sure} to {head}\n{}",
                        trace.join("\n")
                    ));
                }
                head = stands;
            }
        }
        let mut reader = session(&world.engine);
        let rows =
            reader.run(&own("SELECT id FROM effects# ORDER BY id"), &[]).map_err(|error| error.to_string())?.rows;
        let found: Vec<i64> = rows.iter().filter_map(|row| row.first().and_then(Value::as_i64)).collect();
        if found != (0..head).filter(|id| id % every == 0).collect::<Vec<_>>() {
            return Err(format!("effects {found:?}, {head} events are consumed\n{}", trace.join("\n")));
        }
    }
    drop(clients);
    script(&world.engine, &own("DROP LUA CONSUMER c#; DROP PROCEDURE c#; DROP TABLE t#; DROP TABLE effects#"));
    Ok(())
}

/// The procedure works on an event while that is written; its client hears nothing of it before it is on disk.
// CDB-603, CDB-705
#[test]
fn a_client_hears_of_what_no_crash_can_undo() {
    let disk = Arc::new(MemDisk::default());
    let clock = Arc::new(MovedClock::default());
    let (engine, mut feed) = open_on(disk.clone(), clock.clone());
    script(&engine, &SETUP.replace('#', ""));
    script(&engine, "INSERT INTO t VALUES (0)");
    let mut client = Client::new(&engine);
    call(&mut client, "EXEC PROCEDURE c(0, 0, 1)").expect("a call");
    assert_eq!(pull(&engine, &mut client), Outcome::Row(0));
    assert_eq!(pull(&engine, &mut client), Outcome::Waits);

    disk.hang(true);
    let mut others = (session(&engine), session(&engine));
    others.0.simple_begin("SET synchronous_commit = off; INSERT INTO t VALUES (1)").expect("begins");
    while others.0.simple_next(false).expect("a statement").is_some() {}
    assert_eq!(others.0.simple_end(false), None);
    let (outcome, rests_on) = work(&mut client);
    let rests_on = rests_on.filter(|commit| *commit > engine.durable());
    let seen = others.1.run("SELECT count(*) FROM t", &[]).expect("a count").rows;
    // What hangs would keep a failing test from its end.
    disk.hang(false);
    assert_eq!(outcome, Outcome::Row(1));
    assert!(rests_on.is_some(), "the row was not on disk, and its client would have had it");
    assert_eq!(seen[0][0].as_i64(), Some(1), "others see no more than what is on disk");
    futures::executor::block_on(engine.wait_durable(rests_on.expect("it was just there"))).expect("durable");

    // The effects of the first event went with it; those of the second are not committed.
    drop((client, others));
    feed.stop();
    drop((feed, engine));
    disk.crash();
    let (engine, mut feed) = open_on(disk, clock);
    let mut client = Client::new(&engine);
    call(&mut client, "EXEC PROCEDURE c(0, 0, 1)").expect("a call");
    assert_eq!(pull(&engine, &mut client), Outcome::Row(1));
    feed.stop();
}

// CDB-603, CDB-704, CDB-706, CDB-708, CDB-711, CDB-718, CDB-719, CDB-907, CDB-1402
#[test]
fn delivered_is_what_the_model_expects() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let usual = if std::env::var("TRIPLINE_LONG").is_ok() { 100_000 } else { 2_000 };
    let (first, count) = match number("TRIPLINE_SEED") {
        Some(seed) => (seed, number("TRIPLINE_SCHEDULES").unwrap_or(1)),
        None => (0, number("TRIPLINE_SCHEDULES").unwrap_or(usual)),
    };
    let next = AtomicU64::new(first);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        // More of them than cores: each waits for its log most of the time.
        let workers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    // One engine for many schedules: to open one takes longer than a schedule does.
                    let mut world = open(&Image::default());
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + count {
                            world.feed.stop();
                            return;
                        }
                        if (seed - first) % 10_000 == 9_999 {
                            println!("{} schedules, {:.0} s", seed - first + 1, began.elapsed().as_secs_f64());
                        }
                        if let Err(wrong) = schedule(&mut world, seed) {
                            panic!("seed {seed}: {wrong}");
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            assert!(worker.join().is_ok(), "a schedule failed; its seed is above");
        }
    });
    println!("{count} schedules from seed {first} on, {:.0} s", began.elapsed().as_secs_f64());
}
