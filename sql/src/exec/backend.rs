//! `Backend`: what the statements of one session share while they run.
//!
//! Everything in it changes behind a cell, since expressions reach it through `&dyn Runtime` in the middle of a
//! statement. A borrow never lasts across a call that may run SQL.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cache::PlanCache;
use super::constraint::Deferred;
use super::settings::Settings;
use super::shared::{Control, Shared};
use crate::catalog::{Catalog, CatalogSet, TableDef, TableId, TriggerId};
use crate::change::{Cause, CommitNo};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::WriteTarget;
use crate::store::{CommitOptions, Committed, Isolation, RowTurn, SessionLocks, Snapshot, Txn, TxnOptions};
use crate::types::Oid;

/// Microseconds from 1970-01-01 to 2000-01-01.
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Values that triggers keep for the length of a transaction.
pub(super) type Scratch = HashMap<u64, Option<Box<dyn Any + Send>>>;

/// What a transaction did besides rows, to be carried out or forgotten at its end.
#[derive(Debug, Default)]
pub struct Pending {
    /// NOTIFY: channel and payload, without repetitions.
    pub notify: Vec<(String, String)>,
    /// LISTEN (true) and UNLISTEN (false) in order; `None` = all channels.
    pub listen: Vec<(Option<String>, bool)>,
    /// A query has run in it.
    pub queried: bool,
    /// The transaction changed the catalog.
    pub catalog: bool,
    /// Temporary tables ON COMMIT DROP (true) or DELETE ROWS (false) that were touched.
    pub on_commit: Vec<(TableId, bool)>,
    /// What triggers left to be done once it has committed.
    pub work: Vec<CommitWork>,
}

/// Work for the moment after a commit.
pub struct CommitWork(pub Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for CommitWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommitWork")
    }
}

/// One session's server-side state.
pub struct Backend {
    /// Shared with the other sessions.
    pub shared: Arc<Shared>,
    /// How others reach this session.
    pub control: Arc<Control>,
    /// Its pid.
    pub pid: i32,
    /// OID of its database.
    pub database: Oid,
    /// OID of the role that logged in (or SET SESSION AUTHORIZATION).
    pub session_user: Cell<Oid>,
    /// OID of the role that counts (SET ROLE).
    pub current_user: Cell<Oid>,
    /// Whose session it is while a trigger acts with its owner's rights: neither may choose others meanwhile.
    pub lent_by: Cell<Option<Oid>>,
    /// Whether that role is a superuser.
    pub superuser: Cell<bool>,
    /// A subscriber's session.
    pub internal: bool,
    /// The transaction, once there is one.
    pub txn: RefCell<Option<Txn>>,
    /// What led to the transaction and its origin, for the next `begin`.
    pub origin: Cell<(Option<Cause>, Option<u64>)>,
    /// Settings.
    pub settings: RefCell<Settings>,
    /// Notices not yet taken.
    pub notices: RefCell<Vec<SqlError>>,
    /// currval by sequence, but of the last one.
    pub sequence_values: RefCell<HashMap<Oid, i64>>,
    /// The sequence of lastval, with its currval.
    pub last_sequence: Cell<Option<(Oid, i64)>>,
    /// State of random() after setseed.
    pub seed: Cell<Option<u64>>,
    /// Start of the transaction, microseconds since 2000.
    pub transaction_time: Cell<i64>,
    /// Start of the statement, microseconds since 2000.
    pub statement_time: Cell<i64>,
    /// `env.clock.elapsed()` at which the statement times out.
    pub deadline: Cell<Option<Duration>>,
    /// Temporary tables that each commit empties (ON COMMIT DELETE ROWS).
    pub emptied: RefCell<Vec<TableId>>,
    /// Plans by statement text.
    pub plans: RefCell<PlanCache>,
    /// Write targets by table, made again when the table's definition changed.
    pub targets: RefCell<HashMap<TableId, Arc<WriteTarget>>>,
    /// Functions in SQL that were called, made ready.
    pub routines: RefCell<HashMap<Oid, Arc<super::routine::Routine>>>,
    /// How deep calls of them nest now.
    pub routine_depth: Cell<u32>,
    /// Session-level advisory locks.
    pub locks: RefCell<SessionLocks>,
    /// Work for the end of the transaction.
    pub pending: RefCell<Pending>,
    /// Deferred constraints.
    pub deferred: RefCell<Deferred>,
    /// What triggers keep.
    pub(super) scratch: RefCell<Scratch>,
    /// The trigger that writes now.
    pub writer: Cell<TriggerId>,
    /// Triggers around the running write, outermost first.
    pub path: RefCell<Vec<TriggerId>>,
    /// Schema of temporary tables, once there is one.
    pub temp_schema: Cell<Option<Oid>>,
    /// Named prepared statements, for pg_prepared_statements.
    pub prepared: RefCell<BTreeMap<String, PreparedInfo>>,
    /// Cursors and portals when the running statement began, for pg_cursors.
    pub cursors: RefCell<Vec<CursorInfo>>,
    /// Channels listened to.
    pub listening: RefCell<Vec<String>>,
    /// The transaction may not write.
    pub read_only: Cell<bool>,
    /// Snapshots see at least this commit: the session's last asynchronous one.
    pub at_least: Cell<CommitNo>,
    /// The commit that comes next may be written with another one.
    pub lazy: Cell<bool>,
    /// Under which settings generation and catalog version names of objects were last set up.
    names_key: Cell<Option<(u64, u64)>>,
    /// Resolved search path: key (settings generation, catalog version), OIDs.
    search_path: RefCell<Option<(u64, u64, Arc<Vec<Oid>>)>>,
    /// Names are looked up in schema public, whatever the setting says.
    public_only: Cell<bool>,
}

/// What pg_prepared_statements shows of a statement.
#[derive(Clone, Debug)]
pub struct PreparedInfo {
    /// Text.
    pub text: Arc<str>,
    /// Microseconds since 2000.
    pub prepared_at: i64,
    /// Types of its parameters.
    pub types: Vec<Oid>,
    /// By PREPARE, not by the protocol.
    pub from_sql: bool,
}

/// What pg_cursors shows of a cursor or portal.
#[derive(Clone, Debug)]
pub struct CursorInfo {
    /// Name; empty: the unnamed portal.
    pub name: String,
    /// Text.
    pub text: Arc<str>,
    /// WITH HOLD.
    pub hold: bool,
    /// It can go back.
    pub scroll: bool,
    /// Microseconds since 2000.
    pub made_at: i64,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backend({})", self.pid)
    }
}

impl Backend {
    /// A fresh session's state.
    pub fn new(
        shared: Arc<Shared>,
        control: Arc<Control>,
        database: Oid,
        user: Oid,
        superuser: bool,
        settings: Settings,
    ) -> Backend {
        let pid = control.pid;
        let internal = control.info.lock().internal;
        let locks = shared.store.session_locks(pid);
        Backend {
            shared,
            control,
            pid,
            database,
            session_user: Cell::new(user),
            current_user: Cell::new(user),
            lent_by: Cell::new(None),
            superuser: Cell::new(superuser),
            internal,
            txn: RefCell::new(None),
            origin: Cell::new((None, None)),
            settings: RefCell::new(settings),
            notices: RefCell::default(),
            sequence_values: RefCell::default(),
            last_sequence: Cell::new(None),
            seed: Cell::new(None),
            transaction_time: Cell::new(0),
            statement_time: Cell::new(0),
            deadline: Cell::new(None),
            emptied: RefCell::default(),
            plans: RefCell::default(),
            targets: RefCell::default(),
            routines: RefCell::default(),
            routine_depth: Cell::new(0),
            locks: RefCell::new(locks),
            pending: RefCell::default(),
            deferred: RefCell::default(),
            scratch: RefCell::default(),
            writer: Cell::new(TriggerId::CLIENT),
            path: RefCell::default(),
            temp_schema: Cell::new(None),
            prepared: RefCell::default(),
            cursors: RefCell::default(),
            listening: RefCell::default(),
            read_only: Cell::new(false),
            at_least: Cell::new(CommitNo(0)),
            lazy: Cell::new(false),
            names_key: Cell::new(None),
            search_path: RefCell::new(None),
            public_only: Cell::new(false),
        }
    }

    /// Microseconds since 2000.
    pub fn now(&self) -> i64 {
        self.shared.env.clock.now().saturating_sub(EPOCH_MICROS)
    }

    /// Begins a transaction unless there is one.
    pub fn begin(&self) {
        if self.txn.borrow().is_some() {
            return;
        }
        let settings = self.settings.borrow();
        let (cause, origin) = self.origin.get();
        let mut txn = self.shared.store.begin(TxnOptions {
            database: self.database,
            isolation: Isolation::ReadCommitted,
            cause,
            origin,
            pid: self.pid,
            cancel: self.control.cancel.clone(),
            at_least: self.at_least.get(),
        });
        if settings.lock_timeout > 0 {
            txn.set_lock_timeout(Some(Duration::from_millis(settings.lock_timeout)));
        }
        txn.set_deadline(self.deadline.get());
        *self.txn.borrow_mut() = Some(txn);
        drop(settings);
        self.transaction_time.set(self.statement_time.get());
        let style = &mut self.settings.borrow_mut().style;
        Arc::make_mut(style).now = self.statement_time.get();
    }

    /// Runs `work` with the transaction.
    pub fn with_txn<T>(&self, work: impl FnOnce(&mut Txn) -> Result<T>) -> Result<T> {
        match self.txn.borrow_mut().as_mut() {
            Some(txn) => work(txn),
            None => Err(SqlError::internal("no transaction")),
        }
    }

    /// Lets the statement step aside at a row of another transaction, as long as it has written nothing.
    pub fn step_aside(&self) {
        if let Some(txn) = self.txn.borrow_mut().as_mut()
            && txn.isolation() == Isolation::ReadCommitted
        {
            txn.step_aside(true);
        }
    }

    /// At the end of a statement that could: the turn that it waits for, if it has stepped aside.
    pub fn stepped_aside(&self) -> Option<RowTurn> {
        self.txn.borrow_mut().as_mut().and_then(Txn::stepped_aside)
    }

    /// Notes what nextval or setval gave: for currval and lastval.
    pub fn sequence_gave(&self, sequence: Oid, value: i64) {
        if let Some((other, known)) = self.last_sequence.replace(Some((sequence, value)))
            && other != sequence
        {
            self.sequence_values.borrow_mut().insert(other, known);
        }
    }

    /// Takes the newest committed catalog into the transaction, if there is one.
    pub fn refresh_catalog(&self) {
        if let Some(txn) = self.txn.borrow_mut().as_mut() {
            txn.refresh_catalog();
        }
    }

    /// Makes reg types print and read names by the catalog and search path of now (PG-82).
    pub fn refresh_names(&self) {
        let set = self.catalogs();
        let key = (self.settings.borrow().generation, set.version);
        if self.names_key.get() == Some(key) || self.public_only.get() {
            return;
        }
        let path = super::planning::implicit_path(self, &self.search_path());
        let names = crate::system::CatalogNames::new(set, self.database, path);
        let mut settings = self.settings.borrow_mut();
        Arc::make_mut(&mut settings.style).names = Some(Arc::new(names));
        settings.style_version += 1;
        drop(settings);
        self.names_key.set(Some(key));
    }

    /// Begins a statement: its snapshot.
    pub fn begin_statement(&self, writes: bool) -> Result<Snapshot> {
        self.with_txn(|txn| Ok(txn.begin_statement(writes)))
    }

    /// Ends a statement.
    pub fn end_statement(&self, snapshot: Snapshot) {
        if let Some(txn) = self.txn.borrow_mut().as_mut() {
            txn.end_statement(snapshot);
        }
    }

    /// The catalogs as the transaction sees them, or the newest ones outside.
    pub fn catalogs(&self) -> Arc<CatalogSet> {
        match self.txn.borrow().as_ref() {
            Some(txn) => txn.catalog_set().clone(),
            None => self.shared.store.catalog(),
        }
    }

    /// The session's catalog.
    pub fn catalog(&self) -> Result<Arc<Catalog>> {
        let found = match self.txn.borrow().as_ref() {
            Some(txn) => Some(txn.catalog().clone()),
            None => self.shared.store.catalog().database(self.database).cloned(),
        };
        found.ok_or_else(|| SqlError::new(SqlState::INVALID_CATALOG_NAME, "database of this session was dropped"))
    }

    /// Does something with schema public as the whole search path: what stands in scripts means that (AMI-116).
    pub fn in_public<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.public_only.replace(true);
        let done = work();
        self.public_only.set(before);
        done
    }

    /// OIDs of the schemas of the search path that exist, without the implicit ones.
    pub fn search_path(&self) -> Arc<Vec<Oid>> {
        if self.public_only.get() {
            return Arc::new(vec![crate::catalog::PUBLIC]);
        }
        let set = self.catalogs();
        let settings = self.settings.borrow();
        let key = (settings.generation, set.version);
        if let Some((generation, version, path)) = &*self.search_path.borrow() {
            if (*generation, *version) == key {
                return path.clone();
            }
        }
        let mut path = Vec::new();
        if let Some(catalog) = set.database(self.database) {
            for name in &settings.search_path {
                let found = match name.as_str() {
                    "$user" => set
                        .shared
                        .role(self.current_user.get())
                        .and_then(|role| catalog.schema_by_name(&role.name).map(|schema| schema.oid)),
                    "pg_temp" => self.temp_schema.get(),
                    name => catalog.schema_by_name(name).map(|schema| schema.oid),
                };
                if let Some(oid) = found {
                    if !path.contains(&oid) {
                        path.push(oid);
                    }
                }
            }
        }
        let path = Arc::new(path);
        *self.search_path.borrow_mut() = Some((key.0, key.1, path.clone()));
        path
    }

    /// Sends a notice to the client, if it wants it.
    pub fn notice(&self, notice: SqlError) {
        if self.settings.borrow().shows(notice.fields().severity) {
            let mut notices = self.notices.borrow_mut();
            if notices.len() < 10_000 {
                notices.push(notice);
            }
        }
    }

    /// 57014 if the statement was cancelled or has run out of time.
    pub fn check_cancel(&self) -> Result<()> {
        if self.control.cancel.load(Ordering::Relaxed) {
            return Err(self.cancelled());
        }
        match self.deadline.get() {
            Some(deadline) if self.shared.env.clock.elapsed() >= deadline => Err(timed_out()),
            _ => Ok(()),
        }
    }

    fn cancelled(&self) -> SqlError {
        if let Some(reason) = self.terminate_reason() {
            return reason;
        }
        if let Some(deadline) = self.deadline.get() {
            if self.shared.env.clock.elapsed() >= deadline {
                return timed_out();
            }
        }
        SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to user request")
    }

    /// Why the session must end, if it must.
    pub fn terminate_reason(&self) -> Option<SqlError> {
        let text = match self.control.terminate.load(Ordering::Relaxed) {
            0 => return None,
            1 => {
                return Some(
                    SqlError::new(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
                        .fatal(),
                );
            }
            _ => "terminating connection because its notification queue is full",
        };
        Some(SqlError::new(SqlState::INSUFFICIENT_RESOURCES, text).fatal())
    }

    /// 25006 in a read-only transaction; 58030 once the log has failed.
    pub fn check_writable(&self, what: &str) -> Result<()> {
        if self.read_only.get() {
            return Err(SqlError::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                format!("cannot execute {what} in a read-only transaction"),
            ));
        }
        self.shared.store.failure().map_or(Ok(()), |reason| Err(reason.clone()))
    }

    /// What every written row of a table goes through.
    pub fn write_target(&self, table: &Arc<TableDef>) -> Result<Arc<WriteTarget>> {
        if let Some(target) = self.targets.borrow().get(&table.id) {
            if Arc::ptr_eq(&target.table, table) {
                return Ok(target.clone());
            }
        }
        let target = super::planning::write_target(self, table)?;
        self.targets.borrow_mut().insert(table.id, target.clone());
        Ok(target)
    }

    /// Commits the transaction, if there is one, with all that waits for it. On error it is rolled back.
    pub fn commit(&self) -> Result<Option<Committed>> {
        if self.txn.borrow().is_none() {
            self.settings.borrow_mut().commit();
            self.finish_listen(true);
            return Ok(None);
        }
        if let Err(error) = super::constraint::run_deferred(self, None).and_then(|()| self.run_on_commit()) {
            self.rollback();
            return Err(error);
        }
        let (asynchronous, origin) = {
            let settings = self.settings.borrow();
            (settings.asynchronous, settings.origin)
        };
        let Some(mut txn) = self.txn.borrow_mut().take() else { return Ok(None) };
        if origin != 0 && origin != self.shared.instance {
            txn.set_origin(origin);
        }
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        let order = (!pending.notify.is_empty()).then(|| self.shared.notify_order.lock());
        let wrote = txn.has_written();
        let result = txn.commit(CommitOptions { asynchronous, lazy: self.lazy.get() });
        match result {
            Ok(committed) => {
                // The session's next statement sees this commit, durable or not; its answer is held until it is.
                if let (true, Some(commit)) = (wrote, committed.commit) {
                    self.at_least.set(commit);
                }
                if pending.catalog {
                    if let Some(commit) = committed.commit {
                        self.shared.catalog_commit.fetch_max(commit.0, Ordering::SeqCst);
                        // Whoever told of the commit's durability may have come before this and not seen it.
                        if self.shared.durable() >= commit {
                            self.shared.hooks.catalog_changed();
                        }
                    }
                }
                self.pending.borrow_mut().listen = pending.listen;
                self.finish_listen(true);
                if !pending.notify.is_empty() {
                    self.shared.deliver(self.database, self.pid, &pending.notify);
                }
                drop(order);
                self.settings.borrow_mut().commit();
                self.end_transaction();
                for work in pending.work {
                    work.0();
                }
                Ok(Some(committed))
            }
            Err(error) => {
                drop(order);
                self.settings.borrow_mut().rollback_to(0);
                self.end_transaction();
                Err(error)
            }
        }
    }

    /// Rolls the transaction back, if there is one.
    pub fn rollback(&self) {
        if let Some(txn) = self.txn.borrow_mut().take() {
            txn.rollback();
        }
        self.settings.borrow_mut().rollback_to(0);
        self.end_transaction();
    }

    fn end_transaction(&self) {
        *self.pending.borrow_mut() = Pending::default();
        let mut deferred = self.deferred.borrow_mut();
        if !deferred.is_empty() {
            *deferred = Deferred::default();
        }
        drop(deferred);
        if !self.scratch.borrow().is_empty() {
            self.scratch.borrow_mut().clear();
        }
        self.writer.set(TriggerId::CLIENT);
        self.path.borrow_mut().clear();
        self.origin.set((None, None));
    }

    /// Carries out LISTEN and UNLISTEN.
    fn finish_listen(&self, commit: bool) {
        let changes = std::mem::take(&mut self.pending.borrow_mut().listen);
        if !commit || changes.is_empty() {
            return;
        }
        let mut listeners = self.shared.listeners.write();
        let mut own = self.listening.borrow_mut();
        for (channel, listen) in changes {
            match (channel, listen) {
                (Some(channel), true) => {
                    if !own.contains(&channel) {
                        own.push(channel.clone());
                        listeners.entry((self.database, channel)).or_default().push(self.pid);
                    }
                }
                (channel, _) => own.retain(|name| {
                    if channel.as_ref().is_some_and(|channel| channel != name) {
                        return true;
                    }
                    let key = (self.database, name.clone());
                    if let Some(pids) = listeners.get_mut(&key) {
                        pids.retain(|pid| *pid != self.pid);
                        if pids.is_empty() {
                            listeners.remove(&key);
                        }
                    }
                    false
                }),
            }
        }
    }

    fn run_on_commit(&self) -> Result<()> {
        let tables = std::mem::take(&mut self.pending.borrow_mut().on_commit);
        for (id, drop_it) in tables {
            let Some(table) = self.catalog()?.table(id).cloned() else { continue };
            if drop_it {
                super::objects::drop_table_silently(self, &table)?;
            } else {
                self.emptied.borrow_mut().push(id);
            }
        }
        if !self.emptied.borrow().is_empty() {
            let catalog = self.catalog()?;
            self.emptied.borrow_mut().retain(|id| catalog.table(*id).is_some());
            for id in self.emptied.borrow().iter() {
                let Some(table) = catalog.table(*id) else { continue };
                self.with_txn(|txn| txn.truncate(table).map(|_| ()))?;
            }
        }
        Ok(())
    }
}

fn timed_out() -> SqlError {
    SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
}
