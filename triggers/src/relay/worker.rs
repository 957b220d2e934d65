//! The running form of a RELAY trigger: a subscriber of the change log.
//!
//! ```text
//! drop      log → deliver: item → Outbox → its task → receiver            no cursor; starts where the log ends
//! durable   log → deliver: item → buffer → flush: sent, then the cursor   a failure: again from the cursor
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;
use tripline_sql::catalog::{CatalogSet, TriggerDef};
use tripline_sql::change::{LoggedChange, Position};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::Oid;

use super::client::{self, Answer, Answers, Sender};
use super::options::{Delivery as Way, Options, Protocol};
use super::outbox::{BATCH_BYTES, Outbox, Queued, RECONNECT};
use super::plan::Plan;
use super::postgres;
use super::report::{Failure, Report};
use crate::cursor;
use crate::kind::{Delivery, Instance, Subscriber, Worker};
use crate::retry::Backoff;

/// Messages whose answers may be awaited at one time.
const WINDOW: usize = 256;
/// How long an answer is waited for.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// The next answer. Its time begins when all is written.
async fn answer_to(answers: &mut Answers, written: &AtomicBool) -> std::result::Result<Answer, Failure> {
    loop {
        let all_written = written.load(Ordering::Acquire);
        match timeout(ANSWER_PATIENCE, answers.next()).await {
            Ok(answer) => return answer,
            Err(_) if all_written => return Err(Failure::Broken("no answer in time".to_owned())),
            Err(_) => {}
        }
    }
}

/// The runtime of all relays' connections: they are few and mostly wait. Made at first use, for the life of the process.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("relay").enable_all().build();
    let made = made.map_err(|error| SqlError::internal(format!("no runtime for relays: {error}")))?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// What a relay that keeps no durable cursor remembers while the server runs: where it stands.
#[derive(Default)]
pub(super) struct Place(pub(super) Mutex<Option<Position>>);

impl Place {
    pub(super) fn of(instance: &Instance) -> Arc<Place> {
        let mut state = instance.state.lock();
        if let Some(place) = state.clone().and_then(|state| state.downcast::<Place>().ok()) {
            return place;
        }
        let place = Arc::new(Place::default());
        *state = Some(place.clone());
        place
    }
}

/// A RELAY trigger as a subscriber.
pub(super) struct Relay {
    pub(super) def: Arc<TriggerDef>,
    pub(super) database: Oid,
    pub(super) options: Options,
    pub(super) instance: Arc<Instance>,
}

impl Subscriber for Relay {
    fn wants(&self, change: &LoggedChange) -> bool {
        Plan::wants(&self.def, change)
    }

    fn starts_at(&self, engine: &Engine) -> Option<Position> {
        (self.options.delivery == Way::Drop).then(|| {
            let place = Place::of(&self.instance);
            let mut place = place.0.lock();
            *place.get_or_insert_with(|| Position::end_of(engine.durable()))
        })
    }

    fn backoff(&self) -> Backoff {
        RECONNECT
    }

    fn worker(self: Arc<Self>, engine: &Engine, session: Session) -> Result<Box<dyn Worker>> {
        let tls = if self.options.tls { Some(super::tls::config(self.options.keystore.as_ref())?) } else { None };
        let report = Report::new(engine, self.def.id, &self.def.name, self.instance.clone());
        let plans = Plans { relay: self.clone(), engine: engine.clone(), seen: None, plan: None };
        if self.options.delivery == Way::Durable {
            let link = DurableLink { relay: self, engine: engine.clone(), tls, report, connection: Connection::None };
            return Ok(Box::new(Durable { plans, session, link, buffer: Vec::new(), last: None }));
        }
        let outbox = Outbox::new(report);
        let task = runtime()?.spawn(outbox.clone().run(self.options.clone(), tls, engine.instance()));
        Ok(Box::new(Dropping { plans, place: Place::of(&self.instance), outbox, task: Some(task) }))
    }
}

/// The compiled trigger, compiled again when its table was altered.
struct Plans {
    relay: Arc<Relay>,
    engine: Engine,
    seen: Option<Arc<CatalogSet>>,
    plan: Option<Arc<Plan>>,
}

impl Plans {
    fn now(&mut self) -> Result<Arc<Plan>> {
        let catalogs = self.engine.catalogs();
        if let (Some(plan), Some(seen)) = (&self.plan, &self.seen)
            && Arc::ptr_eq(seen, &catalogs)
        {
            return Ok(plan.clone());
        }
        let def = &self.relay.def;
        let table = catalogs.database(self.relay.database).and_then(|catalog| catalog.table(*def.tables.first()?));
        let plan = match (table, &self.plan) {
            (Some(table), Some(plan)) if Arc::ptr_eq(table, &plan.source) => plan.clone(),
            (Some(table), _) => Arc::new(Plan::compile(def, table, self.relay.options.protocol)?),
            // Dropped meanwhile: what its rows looked like last.
            (None, Some(plan)) => plan.clone(),
            (None, None) => return Err(SqlError::new(SqlState::UNDEFINED_TABLE, "the source table was dropped")),
        };
        self.seen = Some(catalogs);
        self.plan = Some(plan.clone());
        Ok(plan)
    }

    fn queued(&mut self, delivery: &Delivery<'_>) -> Result<Option<Queued>> {
        let plan = self.now()?;
        let item = plan.item(delivery.position, delivery.origin, &delivery.change.change)?;
        Ok(item.map(|item| Queued { plan, item }))
    }
}

/// `delivery="drop"`.
struct Dropping {
    plans: Plans,
    place: Arc<Place>,
    outbox: Arc<Outbox>,
    task: Option<JoinHandle<()>>,
}

impl Worker for Dropping {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<()> {
        match self.plans.queued(delivery) {
            Ok(Some(queued)) => self.outbox.push(queued),
            Ok(None) => {}
            // An expression that fails for this row fails again: it is left out, and told.
            Err(error) => self.outbox.unsendable(&error),
        }
        *self.place.0.lock() = Some(delivery.position);
        Ok(())
    }

    fn skip(&mut self, _: Position) -> Result<()> {
        Ok(())
    }

    fn changed(&mut self) -> bool {
        false
    }

    fn buffers(&self) -> bool {
        true
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        self.outbox.stop();
        if let (Some(task), Ok(runtime)) = (self.task.take(), runtime()) {
            // It says good-bye (AMI-166), if the receiver lets it.
            let _ = runtime.block_on(async { timeout(Duration::from_secs(2), task).await });
        }
    }
}

/// `delivery="durable"`.
struct Durable {
    plans: Plans,
    session: Session,
    link: DurableLink,
    buffer: Vec<Queued>,
    /// Taken over up to here.
    last: Option<Position>,
}

impl Durable {
    /// Moves the durable cursor.
    fn step(&mut self, to: Position) -> Result<()> {
        let id = self.link.relay.def.id;
        self.session.begin_internal(None, None)?;
        let moved = self.session.with_hook_context(&mut |ctx| {
            if ctx.catalog().trigger(id).is_none() {
                return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, "the trigger was dropped"));
            }
            ctx.move_cursor(id, Some(to));
            Ok(())
        });
        match moved {
            Ok(()) => self.session.commit_internal().map(|_| ()),
            Err(error) => {
                self.session.rollback_internal();
                Err(error)
            }
        }
    }
}

impl Worker for Durable {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<()> {
        if let Some(queued) = self.plans.queued(delivery)? {
            self.buffer.push(queued);
            self.last = Some(delivery.position);
        }
        Ok(())
    }

    fn skip(&mut self, to: Position) -> Result<()> {
        self.step(to)
    }

    fn changed(&mut self) -> bool {
        false
    }

    fn buffers(&self) -> bool {
        true
    }

    fn flush(&mut self, stopped: &dyn Fn() -> bool) -> Result<Option<Position>> {
        let (batch, last) = (std::mem::take(&mut self.buffer), self.last.take());
        let Some(last) = last else { return Ok(None) };
        let link = &mut self.link;
        let (done, result) = runtime()?.block_on(async {
            let mut done = None;
            let sending = link.send(&batch, &mut done);
            let ended = async {
                while !stopped() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let result = tokio::select! {
                result = sending => result,
                () = ended => Err(Failure::Stopped),
            };
            (done, result)
        });
        match result {
            Ok(()) => {
                self.step(last)?;
                Ok(Some(last))
            }
            Err(failure) => {
                self.link.connection = Connection::None;
                self.link.report.failed(&failure);
                // What was answered before need not be sent again.
                if let Some(done) = done {
                    self.step(done)?;
                }
                Err(failure.error())
            }
        }
    }
}

/// The connection of a durable relay, made when there is something to send.
struct DurableLink {
    relay: Arc<Relay>,
    engine: Engine,
    tls: Option<Arc<ClientConfig>>,
    report: Report,
    connection: Connection,
}

enum Connection {
    None,
    Ami(Box<(Sender, Answers)>),
    Postgres(postgres::Link),
}

impl Drop for DurableLink {
    fn drop(&mut self) {
        if let (Connection::Ami(ends), Ok(runtime)) =
            (std::mem::replace(&mut self.connection, Connection::None), runtime())
        {
            runtime.block_on(ends.0.close());
        }
    }
}

impl DurableLink {
    /// Sends all and waits until the receiver has said so. `done`: how far it has, also when it fails then.
    async fn send(&mut self, batch: &[Queued], done: &mut Option<Position>) -> std::result::Result<(), Failure> {
        match self.relay.options.protocol {
            Protocol::Ami => self.send_messages(batch, done).await,
            Protocol::Postgres => self.send_rows(batch).await,
        }
    }

    async fn send_messages(
        &mut self,
        batch: &[Queued],
        done: &mut Option<Position>,
    ) -> std::result::Result<(), Failure> {
        if !matches!(self.connection, Connection::Ami(_)) {
            let ends = client::connect(&self.relay.options, self.tls.clone(), self.engine.instance(), true).await?;
            self.connection = Connection::Ami(Box::new(ends));
        }
        let Connection::Ami(ends) = &mut self.connection else { return Ok(()) };
        let (sender, answers) = &mut **ends;
        let wanted: Vec<&Queued> = batch.iter().filter(|queued| !sender.comes_from_peer(queued)).collect();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let first = sender.sequence + 1;
            let (mut out, mut window) = (String::new(), Vec::new());
            while window.len() < WINDOW && out.len() < BATCH_BYTES {
                let Some((queued, behind)) = rest.split_first() else { break };
                rest = behind;
                // One that cannot be sent is passed over in its turn.
                window.push((*queued, sender.put(queued, &mut out).err()));
            }
            // Answers come while we still write: both at once, lest both sides wait.
            let report = &self.report;
            let written = AtomicBool::new(false);
            let writing = async {
                sender.write(&out).await?;
                written.store(true, Ordering::Release);
                Ok(())
            };
            let reading = async {
                let mut expected = first;
                for (queued, refusal) in &window {
                    if let Some(refusal) = refusal {
                        report.rejected(1, refusal.text());
                    } else {
                        let answer = answer_to(answers, &written).await?;
                        if answer.sequence != expected {
                            return Err(Failure::Broken(format!(
                                "answer to {} instead of {expected}",
                                answer.sequence
                            )));
                        }
                        expected += 1;
                        if answer.status == 0 {
                            report.sent(1);
                        } else {
                            report.rejected(1, &answer.refusal());
                        }
                    }
                    *done = Some(queued.item.position);
                }
                Ok(())
            };
            tokio::try_join!(writing, reading)?;
        }
        Ok(())
    }

    async fn send_rows(&mut self, batch: &[Queued]) -> std::result::Result<(), Failure> {
        let id = self.relay.def.id;
        if !matches!(self.connection, Connection::Postgres(_)) {
            let link = postgres::Link::new(&self.relay.options, self.tls.clone(), self.engine.instance(), Some(id))?;
            self.connection = Connection::Postgres(link);
        }
        let Connection::Postgres(link) = &mut self.connection else { return Ok(()) };
        let start = cursor::committed(&self.engine, id).unwrap_or(Position::START);
        let stored = link.position(start).await?;
        if stored.commit > self.engine.durable() {
            return Err(Failure::Broken(format!(
                "the receiver has changes up to commit {}, this server has none after {}: it was set back to an older state",
                stored.commit.0,
                self.engine.durable().0
            )));
        }
        let new = batch.partition_point(|queued| queued.item.position <= stored);
        let applied = link.apply(&batch[new..]).await?;
        self.report.sent(applied.changes);
        if applied.missing > 0 {
            self.report.rejected(applied.missing, postgres::MISSING);
        }
        Ok(())
    }
}
