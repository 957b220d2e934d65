//! Everything after commit: finds the subscribers in the catalog, gives each a thread with a session and a log reader of
//! its own, and hands it the changes that concern it, in the order of the log.
//!
//! A subscriber that is slow, or that fails and waits, delays nobody else and never a writer. Its events are durable
//! before it sees them (the reader gives only durable records), so it need not wait for its own commits to be. How things
//! stand with it is in `Engine::subscriber_status`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tripline_sql::catalog::{Catalog, FunctionDef, TriggerDef, TriggerId};
use tripline_sql::change::{CommitRecord, Position};
use tripline_sql::engine::{Engine, ReadItem};
use tripline_sql::error::{Result, SqlError};
use tripline_sql::session::Session;

use crate::clockwork::Clockwork;
use crate::cursor::{self, ReadAhead};
use crate::fire::Fire;
use crate::internal;
use crate::kind::{Attachment, Delivery, Subscriber, Worker};
use crate::registry::kind;
use crate::script::{Limits, ami};
use crate::sweep::Sweeper;

/// Stack of a subscriber's thread: it runs statements, which may nest deeply. Reserved, not committed.
const STACK_BYTES: usize = 64 << 20;
/// A cursor that stands still moves along once it is this many commits behind.
const LAG_MAX: u64 = 4096;
/// How long a thread sleeps at most before it looks around.
const NAP: Duration = Duration::from_millis(500);

/// The running subscribers of an engine.
pub struct Feed {
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
    sweeper: Sweeper,
    clockwork: Clockwork,
    deferred: Option<JoinHandle<()>>,
}

struct Shared {
    engine: Engine,
    fire: Arc<Fire>,
    stop: AtomicBool,
}

impl Feed {
    /// Starts in-transaction triggers that have something to do at server start (AMI-108), by priority, then all
    /// subscribers. Errors: no thread could be made.
    pub fn start(engine: Engine, fire: Arc<Fire>) -> Result<Feed> {
        fire.signal().durable_to(engine.durable());
        fire.set_engine(Some(engine.downgrade()));
        let shared = Arc::new(Shared { engine, fire, stop: AtomicBool::new(false) });
        shared.start_triggers();
        let inner = shared.clone();
        let supervisor = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || inner.supervise())
            .map_err(|error| SqlError::internal(format!("no thread for the feed: {error}")))?;
        let inner = shared.clone();
        let deferred = std::thread::Builder::new()
            .name("deferred".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || inner.run_deferred())
            .map_err(|error| SqlError::internal(format!("no thread for deferred statements: {error}")))?;
        let sweeper = Sweeper::start(shared.engine.clone())?;
        let clockwork = Clockwork::start(shared.engine.clone(), shared.fire.clone())?;
        Ok(Feed { shared, supervisor: Some(supervisor), sweeper, clockwork, deferred: Some(deferred) })
    }

    /// Ends all subscribers after the event that each is at, and waits for them.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.fire.signal().wake();
        self.clockwork.stop();
        self.sweeper.stop();
        self.shared.fire.deferred().close();
        if let Some(deferred) = self.deferred.take()
            && deferred.join().is_err()
        {
            tracing::error!("the thread of deferred statements panicked");
        }
        if let Some(supervisor) = self.supervisor.take()
            && supervisor.join().is_err()
        {
            tracing::error!("the feed's thread panicked");
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A subscriber of the catalog: its definition, running form and database.
type Wanted<'a> = (Arc<TriggerDef>, Arc<dyn Subscriber>, &'a Arc<Catalog>);

struct Running {
    def: Arc<TriggerDef>,
    stop: Arc<AtomicBool>,
    /// Process of its session, where that has to be ended for it to stop (CDB-515); 0: none.
    pid: Arc<AtomicI32>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Tells it to stop, whatever it is doing.
    fn stop(&self, engine: &Engine) {
        self.stop.store(true, Ordering::Release);
        let pid = self.pid.load(Ordering::Acquire);
        if pid != 0 {
            let _ = engine.terminate(pid);
        }
    }
}

/// The option with what a trigger, timer or procedure does first.
const STARTUP: &str = "onStartupScript";

impl Shared {
    fn session(&self, catalog: &Catalog) -> Result<Session> {
        internal::session(&self.engine, catalog)
    }

    fn start_triggers(&self) {
        let catalogs = self.engine.catalogs();
        for catalog in catalogs.databases() {
            let mut defs: Vec<&Arc<TriggerDef>> = catalog
                .triggers()
                .filter(|def| def.enabled && kind(&def.kind).is_some_and(|kind| kind.starts(def)))
                .collect();
            // Triggers before timers (AMI-99).
            defs.sort_by_key(|def| (def.kind == crate::timer::KIND, def.priority, def.id));
            for def in defs {
                let instance = self.fire.instance(def.id);
                if instance.started.swap(true, Ordering::Relaxed) {
                    continue;
                }
                if let Err(error) = self.start_trigger(catalog, def) {
                    instance.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(trigger = %def.name, %error, "a trigger's start failed");
                    let event = if def.option(STARTUP).is_some() { STARTUP } else { "start" };
                    *instance.last_error.lock() = Some((self.engine.env().clock.now(), event.to_owned(), error));
                }
            }
            self.start_procedures(catalog);
        }
    }

    /// Runs what AMI procedures have to do at the server's start (AMI-77).
    fn start_procedures(&self, catalog: &Catalog) {
        let starts = |def: &&Arc<FunctionDef>| {
            def.dialect == "ami" && def.options.iter().any(|(key, _)| key.eq_ignore_ascii_case(STARTUP))
        };
        for def in catalog.functions().filter(starts) {
            let run = internal::run(&self.engine, catalog, &mut |ctx| {
                let Some(script) = ami::procedure_startup(def, &ctx.catalog())? else { return Ok(()) };
                script.run(ctx, &[], None, Limits::AMI).map(|_| ())
            });
            if let Err(error) = run {
                tracing::error!(procedure = %def.name, %error, "a procedure's start failed");
            }
        }
    }

    fn start_trigger(&self, catalog: &Catalog, def: &Arc<TriggerDef>) -> Result<()> {
        let Some(kind) = kind(&def.kind) else { return Ok(()) };
        let instance = self.fire.instance(def.id);
        let mut session = self.session(catalog)?;
        session.begin_internal(None, None)?;
        let result = session.with_hook_context(&mut |ctx| {
            let before = ctx.set_writer(def.id);
            let result = kind.started(ctx, &instance, def);
            ctx.set_writer(before);
            result
        });
        match result {
            Ok(()) => session.commit_internal().map(|_| ()),
            Err(error) => {
                session.rollback_internal();
                Err(error)
            }
        }
    }

    /// Runs what committed transactions left (AMI-81), one after the other, each in a session of its own.
    fn run_deferred(&self) {
        while let Some(work) = self.fire.deferred().next() {
            let catalogs = self.engine.catalogs();
            let Some(catalog) = catalogs.database(work.database) else { continue };
            match self.session(catalog) {
                Ok(mut session) => (work.run)(&mut session),
                Err(error) => tracing::error!(%error, "no session for a deferred statement"),
            }
        }
    }

    /// Keeps one thread per subscriber in the committed catalog.
    fn supervise(self: Arc<Self>) {
        let mut running: HashMap<TriggerId, Running> = HashMap::new();
        // Told to stop, and not followed by another: nobody waits for them.
        let mut leaving: Vec<(TriggerId, Running)> = Vec::new();
        let mut version = None;
        let mut counted = None;
        while !self.stop.load(Ordering::Acquire) {
            let ticks = self.fire.signal().rare_ticks();
            let now = self.fire.signal().catalog_version();
            // Threads that ended by themselves (their trigger went, or their session broke) are looked at again.
            let ended = running.values().any(|running| running.thread.is_finished());
            if version != Some(now) || ended {
                version = Some(now);
                self.match_catalog(&mut running, &mut leaving);
            }
            for (id, left) in leaving.extract_if(.., |(_, leaving)| leaving.thread.is_finished()) {
                join(left);
                if !running.contains_key(&id) {
                    self.engine.subscriber_status().remove(id);
                }
            }
            let time = self.engine.env().clock.elapsed();
            if counted.is_none_or(|at| time.saturating_sub(at) >= NAP) {
                counted = Some(time);
                // Whatever else there is to do comes first: it is taken up again where it was.
                let stop =
                    || self.stop.load(Ordering::Acquire) || version != Some(self.fire.signal().catalog_version());
                if let Err(error) = self.engine.count_backlogs(&stop) {
                    tracing::debug!(%error, "what waits for subscribers is not counted to the end");
                }
            }
            self.fire.signal().wait_rare(ticks, NAP);
        }
        for subscriber in running.values() {
            subscriber.stop(&self.engine);
        }
        self.fire.signal().wake();
        for subscriber in running.into_values().chain(leaving.into_iter().map(|(_, leaving)| leaving)) {
            join(subscriber);
        }
    }

    fn match_catalog(
        self: &Arc<Self>,
        running: &mut HashMap<TriggerId, Running>,
        leaving: &mut Vec<(TriggerId, Running)>,
    ) {
        let catalogs = self.engine.catalogs();
        for id in self.fire.consumers().keep(&self.engine) {
            self.engine.subscriber_status().remove(id);
        }
        let mut wanted: HashMap<TriggerId, Wanted<'_>> = HashMap::new();
        for catalog in catalogs.databases() {
            for def in catalog.triggers().filter(|def| def.enabled) {
                let Some(kind) = kind(&def.kind) else { continue };
                match kind.attach(catalog, def, None, &self.fire.instance(def.id)) {
                    Ok(Some(Attachment::Subscriber(subscriber))) => {
                        wanted.insert(def.id, (def.clone(), subscriber, catalog));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::error!(trigger = %def.name, %error, "a subscriber cannot run"),
                }
            }
        }
        // A changed definition is a new subscriber at the same cursor.
        let gone: Vec<TriggerId> = running
            .iter()
            .filter(|(id, have)| {
                have.thread.is_finished() || wanted.get(*id).is_none_or(|(def, ..)| !Arc::ptr_eq(def, &have.def))
            })
            .map(|(id, _)| *id)
            .collect();
        // All are told first: each may take its time.
        let gone: Vec<(TriggerId, Running)> =
            gone.into_iter().filter_map(|id| running.remove(&id).map(|old| (id, old))).collect();
        for (_, old) in &gone {
            old.stop(&self.engine);
        }
        self.fire.signal().wake();
        for (id, old) in gone {
            if wanted.contains_key(&id) {
                join(old);
            } else {
                self.engine.subscriber_status().remove(id);
                leaving.push((id, old));
            }
        }
        // One that was stopped and is wanted again begins when it has ended.
        for (_, old) in leaving.extract_if(.., |(id, _)| wanted.contains_key(id)) {
            join(old);
        }
        for (id, (def, subscriber, catalog)) in wanted {
            if running.contains_key(&id) {
                continue;
            }
            let (stop, pid) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
            let mut task = Task {
                shared: self.clone(),
                def: def.clone(),
                subscriber,
                catalog: catalog.clone(),
                stop: stop.clone(),
                pid: pid.clone(),
                position: Position::START,
                moved: 0,
                flushed: None,
            };
            let builder = std::thread::Builder::new().name(format!("sub {}", def.name)).stack_size(STACK_BYTES);
            let thread = builder.spawn(move || task.run());
            match thread {
                Ok(thread) => {
                    running.insert(id, Running { def, stop, pid, thread });
                }
                Err(error) => tracing::error!(trigger = %def.name, %error, "no thread for a subscriber"),
            }
        }
    }
}

/// Waits for a subscriber's end.
fn join(subscriber: Running) {
    if subscriber.thread.join().is_err() {
        tracing::error!(trigger = %subscriber.def.name, "a subscriber's thread panicked");
    }
}

/// One subscriber on its thread.
struct Task {
    shared: Arc<Shared>,
    def: Arc<TriggerDef>,
    subscriber: Arc<dyn Subscriber>,
    catalog: Arc<Catalog>,
    stop: Arc<AtomicBool>,
    pid: Arc<AtomicI32>,
    /// Consumed up to here.
    position: Position,
    /// Commit at which the durable cursor stands.
    moved: u64,
    /// Of a worker that buffers: delivered up to here.
    flushed: Option<Position>,
}

/// Why a task ends.
enum End {
    /// It was told to.
    Stopped,
    /// Its trigger is no more.
    Dropped,
}

impl Task {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.shared.stop.load(Ordering::Acquire)
    }

    fn state(&self, state: &str) {
        self.shared.engine.subscriber_status().update(self.def.id, |status| {
            state.clone_into(&mut status.state);
            status.position = Some(self.flushed.unwrap_or(self.position));
        });
    }

    fn run(&mut self) {
        let (role, settings) = (self.subscriber.role(), self.subscriber.settings());
        let session = internal::session_of(&self.shared.engine, self.catalog.database, role, settings);
        let result = session.and_then(|session| {
            if self.subscriber.may_linger() {
                self.pid.store(session.pid(), Ordering::Release);
            }
            self.subscriber.clone().worker(&self.shared.engine, session)
        });
        let result = result.and_then(|mut worker| self.follow(&mut *worker));
        match result {
            Ok(End::Stopped) => self.state("stopped"),
            Ok(End::Dropped) => {
                self.shared.engine.subscriber_status().remove(self.def.id);
                if let Err(error) = self.forget_cursor() {
                    tracing::warn!(trigger = %self.def.name, %error, "a dropped trigger's cursor could not be removed");
                }
            }
            Err(error) => {
                tracing::error!(trigger = %self.def.name, %error, "a subscriber ended");
                self.failed(&error);
                // Looked at again by the supervisor: not in a hurry.
                let ticks = self.shared.fire.signal().ticks();
                self.shared.fire.signal().wait(ticks, NAP);
            }
        }
    }

    /// An event in progress while its trigger was dropped may have moved the cursor once more.
    fn forget_cursor(&self) -> Result<()> {
        let id = self.def.id;
        if cursor::committed(&self.shared.engine, id).is_none() {
            return Ok(());
        }
        let mut session = self.shared.session(&self.catalog)?;
        session.begin_internal(None, None)?;
        session.with_hook_context(&mut |ctx| {
            ctx.move_cursor(id, None);
            Ok(())
        })?;
        session.commit_internal().map(|_| ())
    }

    fn failed(&self, error: &SqlError) {
        let now = self.shared.engine.env().clock.now();
        self.shared.engine.subscriber_status().update(self.def.id, |status| {
            "retrying".clone_into(&mut status.state);
            status.attempts += 1;
            status.last_error = Some(error.to_string());
            status.last_error_at = Some(now);
            status.position = Some(self.flushed.unwrap_or(self.position));
        });
    }

    fn follow(&mut self, worker: &mut dyn Worker) -> Result<End> {
        let engine = &self.shared.engine;
        let start = self.subscriber.starts_at(engine).or_else(|| cursor::committed(engine, self.def.id));
        let Some(start) = start else { return Err(SqlError::internal("a subscriber without a cursor")) };
        self.position = start;
        self.flushed = worker.buffers().then_some(start);
        self.moved = start.commit.0;
        let mut failures = 0;
        let mut new = cursor::is_new(start);
        // A new cursor's commit is before its creation: nothing of it is for this subscriber.
        let mut reader = self.shared.engine.reader(if new { Position::end_of(start.commit) } else { start });
        let mut ahead = ReadAhead::new();
        self.state("idle");
        loop {
            if self.stopped() {
                return Ok(End::Stopped);
            }
            let ticks = self.shared.fire.signal().ticks();
            let items = ahead.next(&mut reader)?;
            if items.is_empty() {
                if !new && self.position.commit.0 > self.moved + LAG_MAX {
                    worker.skip(self.position)?;
                    self.moved = self.position.commit.0;
                }
                self.shared.fire.signal().wait(ticks, NAP);
                continue;
            }
            for item in items {
                match item {
                    ReadItem::Gap { to, .. } if new => self.position = to,
                    ReadItem::Gap { from, to } => {
                        tracing::error!(trigger = %self.def.name, ?from, ?to, "changes were lost to the log's limit");
                        self.position = to;
                    }
                    ReadItem::Record(record) => {
                        if new {
                            new = !cursor::creates(&record, self.def.id);
                        } else if let Some(end) = self.record(worker, &record)? {
                            if matches!(end, End::Dropped) {
                                // What came before is still sent if that can be done at once.
                                let _ = worker.flush(&|| self.stopped());
                            }
                            return Ok(end);
                        }
                        self.position = Position::end_of(record.commit);
                    }
                }
            }
            match worker.flush(&|| self.stopped()) {
                Ok(moved) => {
                    self.moved = moved.map_or(self.moved, |to| to.commit.0);
                    self.flushed = self.flushed.map(|_| self.position);
                    failures = 0;
                    self.state("idle");
                }
                Err(_) if self.stopped() => return Ok(End::Stopped),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(trigger = %self.def.name, attempts = failures, %error, "a delivery failed");
                    self.failed(&error);
                    self.pause(worker, self.subscriber.backoff().wait(failures));
                    let Some(again) = cursor::committed(&self.shared.engine, self.def.id) else {
                        return Ok(End::Dropped);
                    };
                    self.position = again;
                    self.flushed = Some(again);
                    new = cursor::is_new(again);
                    reader = self.shared.engine.reader(if new { Position::end_of(again.commit) } else { again });
                }
            }
        }
    }

    fn record(&mut self, worker: &mut dyn Worker, record: &CommitRecord) -> Result<Option<End>> {
        if record.database == self.catalog.database {
            for change in &record.changes {
                let position = Position { commit: record.commit, ordinal: change.ordinal };
                if position <= self.position || !self.subscriber.wants(change) {
                    continue;
                }
                let mut delivery = Delivery {
                    position,
                    committed_at: record.committed_at,
                    change,
                    hops: record.cause.map_or(0, |cause| cause.hops),
                    attempts: 0,
                    origin: record.origin,
                };
                if let Some(end) = self.deliver(worker, &mut delivery) {
                    return Ok(Some(end));
                }
                self.position = position;
                if !worker.buffers() {
                    self.moved = record.commit.0;
                }
            }
        }
        if cursor::drops(record, self.def.id) {
            return Ok(Some(End::Dropped));
        }
        // What comes after a change of the definition is for who runs the new one, which begins at the cursor.
        let changed = cursor::creates(record, self.def.id) && !self.newest();
        Ok(changed.then_some(End::Stopped))
    }

    /// Whether it runs the committed definition.
    fn newest(&self) -> bool {
        let catalogs = self.shared.engine.catalogs();
        let now = catalogs.database(self.catalog.database).and_then(|catalog| catalog.trigger(self.def.id));
        now.is_none_or(|now| Arc::ptr_eq(now, &self.def))
    }

    /// Delivers one change until it succeeds.
    fn deliver(&mut self, worker: &mut dyn Worker, delivery: &mut Delivery<'_>) -> Option<End> {
        loop {
            if self.stopped() {
                return Some(End::Stopped);
            }
            self.state("running");
            match worker.deliver(delivery) {
                // What came of it is told when it is known.
                Ok(()) if worker.buffers() => return None,
                Ok(()) => {
                    let position = delivery.position;
                    self.shared.engine.subscriber_status().update(self.def.id, |status| {
                        "idle".clone_into(&mut status.state);
                        status.delivered += 1;
                        status.attempts = 0;
                        status.last_error = None;
                        status.last_error_at = None;
                        status.position = Some(position);
                    });
                    return None;
                }
                Err(error) => {
                    let gone = self
                        .shared
                        .engine
                        .catalogs()
                        .database(self.catalog.database)
                        .is_none_or(|catalog| catalog.trigger(self.def.id).is_none());
                    if gone {
                        return Some(End::Dropped);
                    }
                    delivery.attempts += 1;
                    tracing::warn!(trigger = %self.def.name, attempts = delivery.attempts, %error, "an event failed");
                    self.failed(&error);
                    self.pause(worker, self.subscriber.backoff().wait(delivery.attempts));
                }
            }
        }
    }

    /// Waits before a retry; ends early when told to stop, or when what failed was replaced.
    fn pause(&self, worker: &mut dyn Worker, wait: Duration) {
        let signal = self.shared.fire.signal();
        let clock = &self.shared.engine.env().clock;
        let until = clock.elapsed() + wait;
        let mut version = signal.catalog_version();
        loop {
            let ticks = signal.ticks();
            let left = until.saturating_sub(clock.elapsed());
            if left.is_zero() || self.stopped() {
                return;
            }
            let now = signal.catalog_version();
            if now != version {
                version = now;
                if worker.changed() {
                    return;
                }
            }
            signal.wait(ticks, left.min(NAP));
        }
    }
}
