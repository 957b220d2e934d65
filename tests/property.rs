//! The engine against a `BTreeMap`: random changes, failures, rollbacks, crashes; after each step the same rows
//! (PG-140, PG-148, PG-154). A failing run prints its seed: `TRIPLINE_SEED` repeats it, `TRIPLINE_LONG=1` runs longer.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness::direct::{check_indexes, open, run, session};
use harness::disk::{CrashDisk, Image, Loss};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tripline_sql::engine::Engine;
use tripline_sql::env::{Rng as _, SystemRng};
use tripline_sql::session::Session;
use tripline_sql::types::{Row, Value};

type Model = BTreeMap<i64, (String, i64)>;

struct World {
    disk: CrashDisk,
    engine: Engine,
    session: Session,
    other: Session,
    committed: Model,
    rng: StdRng,
    label: String,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = CrashDisk::new(&Image::new(), None);
        let engine = open(Arc::new(disk.clone())).expect("a new disk opens");
        let mut first = session(&engine).expect("a session");
        let other = session(&engine).expect("a session");
        for sql in [
            "CREATE TABLE t (id bigint PRIMARY KEY, tag text NOT NULL, n bigint CHECK (n > -100000))",
            "CREATE INDEX t_tag ON t (tag)",
            "CREATE INDEX t_n ON t (n)",
        ] {
            run(&engine, &mut first, sql, &[]).expect("the table is made");
        }
        let (committed, rng) = (Model::new(), StdRng::seed_from_u64(seed));
        World { disk, engine, session: first, other, committed, rng, label: String::new() }
    }

    fn id(&mut self) -> i64 {
        self.rng.random_range(1..120)
    }

    fn tag(&mut self) -> String {
        let letter = char::from(b'a' + self.rng.random_range(0..6_u8));
        letter.to_string().repeat(self.rng.random_range(1..40))
    }

    /// Runs a statement in the open block: the number of rows, or the SQLSTATE.
    fn run(&mut self, sql: &str, params: &[Value]) -> Result<u64, String> {
        self.label = format!("{sql} {params:?}");
        self.session.run(sql, params).map(|result| result.count).map_err(|error| error.state().as_str().to_owned())
    }

    /// One random statement on the engine and on the model. False: it failed, as it had to, and the block with it.
    fn change(&mut self, model: &mut Model) -> bool {
        let (id, tag, n) = (self.id(), self.tag(), self.rng.random_range(-50..50));
        let (expected, actual) = match self.rng.random_range(0..10) {
            0 | 1 => {
                let taken = model.contains_key(&id);
                if !taken {
                    model.insert(id, (tag.clone(), n));
                }
                let params = [Value::Int8(id), Value::text(&tag), Value::Int8(n)];
                let actual = self.run("INSERT INTO t VALUES ($1, $2, $3)", &params);
                (if taken { Err("23505") } else { Ok(1) }, actual)
            }
            2 => {
                // Several rows: all or none.
                let ids = [id, self.id(), self.id()];
                let clash = ids.iter().any(|id| model.contains_key(id))
                    || ids[0] == ids[1]
                    || ids[1] == ids[2]
                    || ids[0] == ids[2];
                if !clash {
                    model.extend(ids.map(|id| (id, (tag.clone(), n))));
                }
                let params: Vec<Value> =
                    ids.iter().map(|id| Value::Int8(*id)).chain([Value::text(&tag), Value::Int8(n)]).collect();
                let actual = self.run("INSERT INTO t VALUES ($1, $4, $5), ($2, $4, $5), ($3, $4, $5)", &params);
                (if clash { Err("23505") } else { Ok(3) }, actual)
            }
            3 => {
                let row = model.entry(id).or_insert_with(|| (tag.clone(), n - 1));
                row.1 += 1;
                let params = [Value::Int8(id), Value::text(&tag), Value::Int8(n)];
                (
                    Ok(1),
                    self.run("INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET n = t.n + 1", &params),
                )
            }
            4 => {
                let found = model.get_mut(&id).map(|row| *row = (tag.clone(), row.1 + n)).is_some();
                let params = [Value::Int8(id), Value::text(&tag), Value::Int8(n)];
                (Ok(u64::from(found)), self.run("UPDATE t SET tag = $2, n = n + $3 WHERE id = $1", &params))
            }
            5 => {
                // By the index on n, while n changes.
                let mut count = 0;
                for row in model.values_mut().filter(|row| row.1 >= n && row.1 < n + 10) {
                    row.1 += 5;
                    count += 1;
                }
                (Ok(count), self.run("UPDATE t SET n = n + 5 WHERE n >= $1 AND n < $1 + 10", &[Value::Int8(n)]))
            }
            6 => {
                // Keys move; a target that is taken fails all of it.
                let moved: Vec<i64> =
                    model.keys().copied().filter(|key| *key > 0 && *key <= id && key % 7 == 0).collect();
                let clash = moved.iter().any(|key| model.contains_key(&-key));
                if !clash {
                    for key in &moved {
                        let row = model.remove(key).expect("it is a key");
                        model.insert(-key, row);
                    }
                }
                let actual =
                    self.run("UPDATE t SET id = -id WHERE id > 0 AND id <= $1 AND id % 7 = 0", &[Value::Int8(id)]);
                (if clash { Err("23505") } else { Ok(moved.len() as u64) }, actual)
            }
            7 => {
                let found = model.remove(&id).is_some();
                (Ok(u64::from(found)), self.run("DELETE FROM t WHERE id = $1", &[Value::Int8(id)]))
            }
            8 => {
                let before = model.len();
                model.retain(|key, row| row.0 != tag || *key > id);
                let params = [Value::text(&tag), Value::Int8(id)];
                (Ok((before - model.len()) as u64), self.run("DELETE FROM t WHERE tag = $1 AND id <= $2", &params))
            }
            _ => {
                // A check fails for one row of many.
                let breaks = model.contains_key(&id);
                if !breaks {
                    model.values_mut().for_each(|row| row.1 += 1);
                }
                let actual =
                    self.run("UPDATE t SET n = CASE WHEN id = $1 THEN -100000 ELSE n + 1 END", &[Value::Int8(id)]);
                (if breaks { Err("23514") } else { Ok(model.len() as u64) }, actual)
            }
        };
        assert_eq!(actual, expected.map_err(str::to_owned), "{}", self.label);
        actual.is_ok()
    }

    fn compare(&self, session_rows: &[Row], model: &Model) {
        let expected: Vec<Row> =
            model.iter().map(|(id, (tag, n))| vec![Value::Int8(*id), Value::text(tag), Value::Int8(*n)]).collect();
        assert_eq!(session_rows, expected, "{}", self.label);
    }

    fn look(&mut self, model: &Model) {
        let all = "SELECT id, tag, n FROM t ORDER BY id";
        let rows = self.session.run(all, &[]).expect("own rows are read").rows;
        self.compare(&rows, model);
        let from = self.rng.random_range(-50..50);
        let found =
            self.session.run("SELECT count(*) FROM t WHERE n >= $1", &[Value::Int8(from)]).expect("counted").rows;
        let expected = model.values().filter(|row| row.1 >= from).count();
        assert_eq!(found, [vec![Value::Int8(i64::try_from(expected).expect("a small number"))]], "{}", self.label);
        // Another session sees what was committed, and only that.
        let rows = run(&self.engine, &mut self.other, all, &[]).expect("committed rows are read").rows;
        self.compare(&rows, &self.committed);
    }

    fn block(&mut self) -> u64 {
        let mut model = self.committed.clone();
        self.session.begin_internal(None, None).expect("a block begins");
        let mut steps = 0;
        let mut failed = false;
        while steps < self.rng.random_range(1..8) {
            steps += 1;
            if !self.change(&mut model) {
                failed = true;
                break;
            }
            if self.rng.random_bool(0.1) {
                self.look(&model);
            }
        }
        if failed || self.rng.random_bool(0.2) {
            self.session.rollback_internal();
        } else {
            let committed = self.session.commit_internal().expect("it commits");
            futures::executor::block_on(self.engine.wait_durable(committed.durable_at)).expect("it is durable");
            self.committed = model;
        }
        steps
    }

    /// Power gone, or a clean end; then the same directory again.
    fn reopen(&mut self) {
        let image = match self.rng.random_range(0..4) {
            0 => {
                self.engine.close().expect("it closes");
                self.disk.image(Loss::Unsynced)
            }
            1 => self.disk.image(Loss::Nothing),
            2 => self.disk.image(Loss::Torn(self.rng.random())),
            _ => self.disk.image(Loss::Unsynced),
        };
        self.disk = CrashDisk::new(&image, None);
        self.engine = open(Arc::new(self.disk.clone())).expect("it opens again");
        self.session = session(&self.engine).expect("a session");
        self.other = session(&self.engine).expect("a session");
        let gone: Vec<Value> = (-120..120).map(Value::Int8).collect();
        check_indexes(&self.engine, &mut self.session, &gone).expect("indexes are as scans");
    }
}

#[test]
fn rows_are_those_of_the_model() {
    let seed =
        std::env::var("TRIPLINE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| SystemRng.next_u64());
    let steps = if std::env::var("TRIPLINE_LONG").is_ok() { 100_000 } else { 5_000 };
    println!("TRIPLINE_SEED={seed}");
    let mut world = World::new(seed);
    let mut done = 0;
    while done < steps {
        done += world.block();
        if world.rng.random_bool(0.01) {
            world.engine.checkpoint().expect("a checkpoint");
        }
        if world.rng.random_bool(0.01) {
            world.reopen();
        }
    }
    world.reopen();
    let rows = run(&world.engine, &mut world.other, "SELECT id, tag, n FROM t ORDER BY id", &[]).expect("read").rows;
    world.compare(&rows, &world.committed);
}
