//! What a trigger kind is: how a definition is checked, and what runs it. A trigger is either in the transaction or a
//! subscriber, by type: `Attachment`. Kinds know nothing of each other; `registry.rs` lists them.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tripline_sql::catalog::{BOOTSTRAP_ROLE, Catalog, Persistence, TableDef, TableId, TriggerDef, TriggerId};
use tripline_sql::change::{
    HookContext, LoggedChange, Position, RowChange, RowId, TriggerError, TriggerStatistics, Verdict,
};
use tripline_sql::engine::Engine;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::Oid;

use crate::retry::Backoff;

/// A trigger kind. All methods run inside the transaction of the statement that asked, except `attach`.
pub trait Kind: Sync {
    /// The name in `TriggerDef::kind`.
    fn name(&self) -> &'static str;
    /// Looks at a new definition and completes it (events, timing). Errors: whatever is wrong with it.
    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef>;
    /// After it was stored: builds state, fills targets.
    fn created(&self, ctx: &mut dyn HookContext, instance: &Arc<Instance>, def: &TriggerDef) -> Result<()> {
        self.started(ctx, instance, def)
    }
    /// Whether it has something to do when the server starts.
    fn starts(&self, _def: &TriggerDef) -> bool {
        false
    }
    /// When the server starts with it in the catalog, if `starts`.
    fn started(&self, _ctx: &mut dyn HookContext, _instance: &Arc<Instance>, _def: &TriggerDef) -> Result<()> {
        Ok(())
    }
    /// Before it is removed.
    fn dropped(&self, _ctx: &mut dyn HookContext, _def: &TriggerDef) -> Result<()> {
        Ok(())
    }
    /// After ENABLE or DISABLE.
    fn toggled(&self, _ctx: &mut dyn HookContext, _instance: &Arc<Instance>, _def: &TriggerDef) -> Result<()> {
        Ok(())
    }
    /// Whether it keeps its last table derived from the others.
    fn derives(&self) -> bool {
        false
    }
    /// Whether it manages rows of its last table: what it writes there no other trigger refuses or changes.
    fn manages(&self) -> bool {
        false
    }
    /// The running form for one of its tables (none if that table's changes do not concern it); for a subscriber
    /// `table` is none. Errors: the definition no longer fits its tables; raised when it next fires.
    fn attach(
        &self,
        catalog: &Catalog,
        def: &Arc<TriggerDef>,
        table: Option<&Arc<TableDef>>,
        instance: &Arc<Instance>,
    ) -> Result<Option<Attachment>>;
}

/// The running form of a trigger.
#[derive(Clone)]
pub enum Attachment {
    /// Runs inside the writer's transaction.
    InTransaction(Arc<dyn RowTrigger>),
    /// Runs after commit, from the change log.
    Subscriber(Arc<dyn Subscriber>),
}

/// The three changes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Operation {
    Insert,
    Update,
    Delete,
}

impl Operation {
    /// Which one a change is.
    #[must_use]
    pub fn of(change: &RowChange) -> Operation {
        match change {
            RowChange::Insert { .. } => Operation::Insert,
            RowChange::Update { .. } => Operation::Update,
            RowChange::Delete { .. } => Operation::Delete,
        }
    }
}

/// Which calls a row trigger wants, by operation (insert, update, delete).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listens {
    /// Before the row is written.
    pub before: [bool; 3],
    /// After it.
    pub after: [bool; 3],
}

/// A trigger inside the transaction, shared by all statements.
pub trait RowTrigger: Send + Sync {
    /// The calls it wants.
    fn listens(&self) -> Listens;
    /// Whether it may look at other tables while the statement runs: then views must not hold their writes back.
    fn observes(&self) -> bool;
    /// A view: changes reach it by `note`, and it writes what they come to in `finish`.
    fn folds(&self) -> bool {
        false
    }
    /// Whether `before` of an UPDATE or DELETE may be called again for a newer version of the row, without harm.
    fn repeats(&self) -> bool {
        false
    }
    /// Whether what it writes may come back to the table whose change it answers, before the statement ends.
    fn returns(&self) -> bool {
        false
    }
    /// Its form for one statement. `observed`: some trigger of the table, or of one derived from it, `observes`.
    fn start(self: Arc<Self>, observed: bool) -> Box<dyn Running>;
}

/// A row trigger for the length of one statement. Errors are given their context here.
pub trait Running: Send {
    /// Before a row is written, by `writer` (a trigger, or the client).
    fn before(
        &mut self,
        _ctx: &mut dyn HookContext,
        _change: &RowChange,
        _assigned: Option<&[usize]>,
        _writer: TriggerId,
    ) -> Result<Verdict> {
        Ok(Verdict::Keep)
    }
    /// After it was written.
    fn after(&mut self, _ctx: &mut dyn HookContext, _row: RowId, _change: &RowChange) -> Result<()> {
        Ok(())
    }
    /// The same, with the trigger (or the client) that wrote the row.
    fn after_write(
        &mut self,
        ctx: &mut dyn HookContext,
        row: RowId,
        change: &RowChange,
        _writer: TriggerId,
    ) -> Result<()> {
        self.after(ctx, row, change)
    }
    /// A view takes in a change of one of its tables. Nothing is written yet.
    fn note(&mut self, _ctx: &mut dyn HookContext, _table: TableId, _row: RowId, _change: &RowChange) -> Result<()> {
        Ok(())
    }
    /// How much a view has noted that it has not written: beyond a limit it is told to `finish` in between.
    fn waiting(&self) -> usize {
        0
    }
    /// At the end of the statement; of a view also in the middle, to write what it has noted so far.
    fn finish(&mut self, _ctx: &mut dyn HookContext) -> Result<()> {
        Ok(())
    }
}

/// What a subscriber's worker is given: its own session, handed back with the outcome.
pub struct Delivery<'a> {
    /// Where the change stands.
    pub position: Position,
    /// Commit time in microseconds since 1970.
    pub committed_at: i64,
    /// The change.
    pub change: &'a LoggedChange,
    /// Cause chain behind the commit that holds it.
    pub hops: u16,
    /// How many times it failed before.
    pub attempts: u64,
    /// The instance where it was first made; 0: this one.
    pub origin: u64,
}

/// A trigger after commit, shared by its incarnations.
pub trait Subscriber: Send + Sync {
    /// Whether this change is an event for it.
    fn wants(&self, change: &LoggedChange) -> bool;
    /// Where it begins, if it keeps no durable cursor.
    fn starts_at(&self, _engine: &Engine) -> Option<Position> {
        None
    }
    /// How long to wait after failures.
    fn backoff(&self) -> Backoff {
        Backoff::LUA_TRIGGER
    }
    /// Whether an event may take any time: then its session is ended when the subscriber has to stop, and the event with it,
    /// which leaves nothing.
    fn may_linger(&self) -> bool {
        false
    }
    /// The role that it runs as.
    fn role(&self) -> Oid {
        BOOTSTRAP_ROLE
    }
    /// Settings that its session begins with, beside those of the role.
    fn settings(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// What runs it on its thread, with a session of its own.
    fn worker(self: Arc<Self>, engine: &Engine, session: Session) -> Result<Box<dyn Worker>>;
}

/// Runs the events of one subscriber, one after the other, on its thread.
pub trait Worker {
    /// Answers one change; its effects and the cursor's step to `position` commit together. An error means that nothing
    /// happened and the change comes again.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<()>;
    /// Whether `deliver` only takes changes over: then `flush` delivers them and moves the cursor, and the worker counts
    /// what it delivered.
    fn buffers(&self) -> bool {
        false
    }
    /// Delivers what was taken over, up to the end of a record; gives where the cursor stands then. `stopped`: it is to end.
    /// An error means that all changes after the cursor come again.
    fn flush(&mut self, _stopped: &dyn Fn() -> bool) -> Result<Option<Position>> {
        Ok(None)
    }
    /// Moves the cursor alone, past changes that were no events.
    fn skip(&mut self, to: Position) -> Result<()>;
    /// Whether what it runs changed since it failed, so that there is no use in waiting longer.
    fn changed(&mut self) -> bool;
}

/// What a trigger keeps in memory besides its definition, from its creation (or the server's start) to its end.
#[derive(Default)]
pub struct Instance {
    /// The kind's own state.
    pub state: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// Where work goes that waits for a commit.
    pub deferred: OnceLock<Arc<Deferred>>,
    /// Calls.
    pub executed: AtomicU64,
    /// Time spent in them, in nanoseconds.
    pub spent_nanos: AtomicU64,
    /// Failed calls.
    pub errors: AtomicU64,
    /// `return false`.
    pub returned_false: AtomicU64,
    /// Whether `started` ran.
    pub started: AtomicBool,
    /// Newest durable commit when it was created: its own commit comes later.
    pub created_after: AtomicU64,
    /// The last error: time in microseconds since 1970, where, what.
    pub last_error: Mutex<Option<(i64, String, SqlError)>>,
}

impl Instance {
    /// One more call, and how long it took.
    pub fn called(&self, spent: Duration) {
        self.executed.fetch_add(1, Ordering::Relaxed);
        self.spent_nanos.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(0), Ordering::Relaxed);
    }

    /// The counters as they are read.
    #[must_use]
    pub fn statistics(&self) -> TriggerStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last_error = self.last_error.lock().clone();
        TriggerStatistics {
            executed: count(&self.executed),
            spent: Duration::from_nanos(count(&self.spent_nanos)),
            errors: count(&self.errors),
            returned_false: count(&self.returned_false),
            last_error: last_error.map(|(at, event, error)| TriggerError { at, event, error }),
        }
    }

    /// Counts from 0 again and forgets the last error.
    pub fn reset_statistics(&self) {
        for counter in [&self.executed, &self.spent_nanos, &self.errors, &self.returned_false] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.last_error.lock() = None;
    }
}

/// Work that a committed transaction left, for a session of the feed's.
pub struct DeferredWork {
    /// OID of its database.
    pub database: Oid,
    /// The work; it reports its own failure.
    pub run: Box<dyn FnOnce(&mut Session) + Send>,
}

/// Work waiting, in the order of the commits. In memory only: what waits at the server's end is gone.
#[derive(Default)]
pub struct Deferred {
    queue: Mutex<(VecDeque<DeferredWork>, bool)>,
    ready: Condvar,
}

impl std::fmt::Debug for Deferred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deferred({})", self.queue.lock().0.len())
    }
}

/// Most pieces of work that may wait.
const DEFERRED_MAX: usize = 100_000;

impl Deferred {
    /// Adds work; false if too much is waiting.
    #[must_use]
    pub fn push(&self, work: DeferredWork) -> bool {
        let mut queue = self.queue.lock();
        if queue.0.len() >= DEFERRED_MAX {
            return false;
        }
        queue.0.push_back(work);
        self.ready.notify_one();
        true
    }

    /// The next piece, waited for; none once `close` was called and nothing is left.
    #[must_use]
    pub fn next(&self) -> Option<DeferredWork> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(work) = queue.0.pop_front() {
                return Some(work);
            }
            if queue.1 {
                return None;
            }
            self.ready.wait(&mut queue);
        }
    }

    /// Ends whoever waits in `next`, once nothing is left.
    pub fn close(&self) {
        self.queue.lock().1 = true;
        self.ready.notify_all();
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("executed", &self.executed)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

/// Checks option names. Errors: 22023 unknown option, 42601 given twice.
pub(crate) fn check_options(def: &TriggerDef, known: &[&str]) -> Result<()> {
    for (i, (key, _)) in def.options.iter().enumerate() {
        if !known.iter().any(|name| name.eq_ignore_ascii_case(key)) {
            return Err(SqlError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unrecognized option \"{key}\" for OFTYPE {}", def.kind.to_ascii_uppercase()),
            ));
        }
        if def.options[..i].iter().any(|(before, _)| before.eq_ignore_ascii_case(key)) {
            return Err(SqlError::syntax(format!("option \"{key}\" is given twice")));
        }
    }
    Ok(())
}

/// An option that must be there and not empty. Errors: 22023.
pub(crate) fn required<'a>(def: &'a TriggerDef, key: &str) -> Result<&'a str> {
    def.option(key).filter(|value| !value.trim().is_empty()).ok_or_else(|| {
        SqlError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("option \"{key}\" is required for OFTYPE {}", def.kind.to_ascii_uppercase()),
        )
    })
}

/// A boolean option; false when absent. Errors: 22023.
pub(crate) fn boolean(def: &TriggerDef, key: &str) -> Result<bool> {
    match def.option(key) {
        None => Ok(false),
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(SqlError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("option \"{key}\" must be true or false, not \"{text}\""),
        )),
    }
}

/// Checks the number of tables. Errors: 42P17.
pub(crate) fn table_count(def: &TriggerDef, fits: bool, wanted: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::INVALID_OBJECT_DEFINITION,
        format!("OFTYPE {} needs {wanted}, not {} tables", def.kind.to_ascii_uppercase(), def.tables.len()),
    ))
}

/// Refuses temporary tables: they go with their session, and ON COMMIT DELETE ROWS empties them without an event (AMI-50).
/// Errors: 0A000.
pub(crate) fn permanent_only(catalog: &Catalog, def: &TriggerDef) -> Result<()> {
    let tables = def.tables.iter().filter_map(|id| catalog.table(*id));
    match tables.into_iter().find(|table| table.persistence == Persistence::Temporary) {
        Some(table) => Err(SqlError::unsupported(format!(
            "OFTYPE {} on temporary table \"{}\"",
            def.kind.to_ascii_uppercase(),
            table.name
        ))),
        None => Ok(()),
    }
}

/// A table of a definition. Errors: 42P01 (it went meanwhile).
pub(crate) fn table_of(catalog: &Catalog, id: TableId) -> Result<Arc<TableDef>> {
    catalog
        .table(id)
        .cloned()
        .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_TABLE, format!("table with OID {} does not exist", id.0)))
}

/// A hidden table that `HookContext::create_state_table` made for a trigger under this name; the engine adds a number.
pub(crate) fn state_table(catalog: &Catalog, def: &TriggerDef, name: &str) -> Option<Arc<TableDef>> {
    let called = |table: &&Arc<TableDef>| {
        table.hidden && table.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let internal = def.internal.iter().filter_map(|oid| catalog.table(TableId(*oid)));
    internal.into_iter().find(called).or_else(|| catalog.tables().find(called)).cloned()
}
