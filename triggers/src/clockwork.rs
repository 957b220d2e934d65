//! Runs the timers that are due (AMI-79): one thread keeps the time, each run has a thread and a transaction of its own.
//!
//! A run never overlaps the same timer's run before: one that is due meanwhile starts when that has ended. Runs that
//! were missed, because the server was down or busy, are not made up for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tripline_sql::catalog::{Catalog, TriggerDef, TriggerId};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError};

use crate::fire::Fire;
use crate::internal;
use crate::kind::Instance;
use crate::timer::{self, Schedule, State};

/// The longest time between two looks.
const NAP: Duration = Duration::from_millis(200);
/// Stack of a run: it runs statements.
const STACK_BYTES: usize = 64 << 20;

/// The running thread.
pub(crate) struct Clockwork {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clockwork {
    /// Starts it. Errors: no thread could be made.
    pub(crate) fn start(engine: Engine, fire: Arc<Fire>) -> Result<Clockwork> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut hands = Hands { engine, fire, stop: stop.clone(), timers: HashMap::new() };
        let thread = std::thread::Builder::new()
            .name("clockwork".to_owned())
            .spawn(move || hands.turn())
            .map_err(|error| SqlError::internal(format!("no thread for timers: {error}")))?;
        Ok(Clockwork { stop, thread: Some(thread) })
    }

    /// Ends it, and waits for the runs that it began.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the clockwork's thread panicked");
            }
        }
    }
}

/// A timer as the clockwork knows it.
struct Known {
    def: Arc<TriggerDef>,
    catalog: Arc<Catalog>,
    schedule: Schedule,
    state: Arc<State>,
    instance: Arc<Instance>,
    run: Option<JoinHandle<()>>,
}

struct Hands {
    engine: Engine,
    fire: Arc<Fire>,
    stop: Arc<AtomicBool>,
    timers: HashMap<TriggerId, Known>,
}

impl Hands {
    fn turn(&mut self) {
        let mut version = None;
        while !self.stop.load(Ordering::Acquire) {
            let now = self.fire.signal().catalog_version();
            if version != Some(now) {
                version = Some(now);
                self.match_catalog();
            }
            let nap = self.start_due();
            if self.timers.is_empty() {
                // Nothing to keep the time for: the catalog's next change is soon enough.
                std::thread::park_timeout(NAP * 2);
            } else {
                std::thread::park_timeout(nap);
            }
        }
        for (_, timer) in self.timers.drain() {
            if let Some(run) = timer.run {
                let _ = run.join();
            }
        }
    }

    fn match_catalog(&mut self) {
        let catalogs = self.engine.catalogs();
        let mut wanted = HashMap::new();
        for catalog in catalogs.databases() {
            for def in catalog.triggers().filter(|def| def.kind == timer::KIND && def.enabled) {
                wanted.insert(def.id, (def.clone(), catalog.clone()));
            }
        }
        self.timers.retain(|id, known| wanted.get(id).is_some_and(|(def, _)| Arc::ptr_eq(def, &known.def)));
        let now = self.engine.env().clock.now();
        for (id, (def, catalog)) in wanted {
            if let Some(known) = self.timers.get_mut(&id) {
                known.catalog = catalog;
                continue;
            }
            let instance = self.fire.instance(id);
            let made = Schedule::parse(&def.body)
                .and_then(|schedule| Ok((schedule, timer::state(&def, &catalog, &instance)?)));
            match made {
                Ok((schedule, state)) => {
                    state.next.store(schedule.next(now, None).unwrap_or(0), Ordering::Release);
                    self.timers.insert(id, Known { def, catalog, schedule, state, instance, run: None });
                }
                Err(error) => tracing::error!(timer = %def.name, %error, "a timer cannot run"),
            }
        }
    }

    /// Starts what is due, by priority; how long until the next look.
    fn start_due(&mut self) -> Duration {
        let now = self.engine.env().clock.now();
        let mut nap = NAP;
        let mut due: Vec<(i64, TriggerId, i64)> = Vec::new();
        for (id, known) in &self.timers {
            let running = known.state.running.load(Ordering::Acquire);
            let (mut next, wanted) =
                (known.state.next.load(Ordering::Acquire), known.state.wanted.load(Ordering::Acquire));
            if running && next != 0 && next <= now {
                // What falls due during a run is missed (AMI-79).
                next = known.schedule.next(now, Some(next)).unwrap_or(0);
                known.state.next.store(next, Ordering::Release);
            }
            let at = [next, wanted].into_iter().filter(|at| *at != 0).min();
            match at {
                Some(at) if at <= now && !running => {
                    due.push((known.def.priority, *id, at));
                }
                Some(at) if at > now => {
                    nap = nap.min(Duration::from_micros(u64::try_from(at - now).unwrap_or(0)));
                }
                _ => {}
            }
        }
        due.sort_unstable();
        for (_, id, at) in due {
            if let Some(known) = self.timers.get_mut(&id) {
                start(&self.engine, known, at, now);
            }
        }
        nap.max(Duration::from_millis(1))
    }
}

fn start(engine: &Engine, known: &mut Known, at: i64, now: i64) {
    let state = known.state.clone();
    if state.wanted.load(Ordering::Acquire) == at {
        state.wanted.store(0, Ordering::Release);
    }
    if state.next.load(Ordering::Acquire) == at {
        state.next.store(known.schedule.next(now, Some(at)).unwrap_or(0), Ordering::Release);
    }
    state.last.store(at, Ordering::Release);
    state.running.store(true, Ordering::Release);
    if let Some(before) = known.run.take() {
        let _ = before.join();
    }
    let (engine, def, catalog) = (engine.clone(), known.def.clone(), known.catalog.clone());
    let instance = known.instance.clone();
    let builder = std::thread::Builder::new().name(format!("timer {}", def.name)).stack_size(STACK_BYTES);
    let spawned = builder.spawn(move || {
        let clock = engine.env().clock.clone();
        let began = clock.elapsed();
        let result = internal::run_within(&engine, &catalog, Some(timer::timeout(&def)), &mut |ctx| {
            timer::run(ctx, &def, &state, at)
        });
        instance.called(clock.elapsed().saturating_sub(began));
        if let Err(error) = result {
            tracing::warn!(timer = %def.name, %error, "a timer's run failed");
            instance.failed(clock.now(), "script".to_owned(), error);
        }
        state.running.store(false, Ordering::Release);
    });
    match spawned {
        Ok(run) => known.run = Some(run),
        Err(error) => {
            known.state.running.store(false, Ordering::Release);
            tracing::error!(timer = %known.def.name, %error, "no thread for a timer");
        }
    }
}
