//! `Store`: one data directory, open; and its threads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::catalog::{CatalogChange, CatalogSet, SequenceDef, TableId, TriggerId};
use crate::change::{CommitNo, Position, TxnId};
use crate::env::Env;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::config::{
    CursorLag, Gap, KeyExtractors, LockInfo, LockObject, Progress, SequenceState, StoreConfig, StoreStats,
};
use super::disk::{Disk, io_error};
use super::lock::{Locks, SessionLocks, TableLocks};
use super::log::{DurableWait, Log, Urge};
use super::outcome::{TableLockMode, TxnOptions};
use super::owner::{Owner, SESSION_BIT, Seats, TxnTable};
use super::reader::LogReader;
use super::record::RecordBuilder;
use super::sequence::Sequences;
use super::table::{TableStore, Vacuum};
use super::txn::Txn;

/// All that the parts of a store share.
/// Takes the tables that a commit has changed.
pub(super) type OnCommit = Box<dyn Fn(&mut dyn Iterator<Item = TableId>) + Send + Sync>;

pub(super) struct Inner {
    pub(super) config: StoreConfig,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) env: Env,
    pub(super) extractors: Arc<dyn KeyExtractors>,
    pub(super) log: Arc<Log>,
    pub(super) txns: TxnTable,
    pub(super) seats: Arc<Seats>,
    pub(super) locks: Arc<Locks>,
    /// The lock of those who change the catalog.
    pub(super) ddl: TableLocks,
    pub(super) tables: RwLock<HashMap<TableId, Arc<TableStore>>>,
    pub(super) catalog: RwLock<Arc<CatalogSet>>,
    /// Version of the newest committed catalog, and the commit that made it.
    pub(super) catalog_version: AtomicU64,
    pub(super) catalog_commit: AtomicU64,
    /// Last version given to any copy of the catalog.
    pub(super) versions: AtomicU64,
    pub(super) next_oid: AtomicU32,
    pub(super) next_txn: AtomicU64,
    next_session: AtomicU64,
    pub(super) cursors: Mutex<BTreeMap<TriggerId, Position>>,
    pub(super) passing: super::passing::Passing,
    pub(super) keepers: Mutex<BTreeMap<TriggerId, Position>>,
    pub(super) gaps: Mutex<Vec<Gap>>,
    pub(super) sequences: Sequences,
    pub(super) vacuum: Vacuum,
    pub(super) checkpoints: Mutex<super::checkpoint::Checkpoints>,
    /// True when the maintenance thread is to end.
    pub(super) closing: Mutex<bool>,
    pub(super) wake: Condvar,
    /// Told of each commit that changed rows.
    pub(super) on_commit: OnceLock<OnCommit>,
    pub(super) commits: AtomicU64,
    pub(super) checkpoint_count: AtomicU64,
    pub(super) checkpoint_micros: AtomicU64,
    pub(super) checkpoint_log_bytes: AtomicU64,
    /// Released when the last part of the store is gone.
    pub(super) _directory: Box<dyn std::any::Any + Send + Sync>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.log)
    }
}

/// What recovery has found.
pub(super) struct Found {
    pub(super) log: Log,
    pub(super) tables: HashMap<TableId, Arc<TableStore>>,
    pub(super) catalog: CatalogSet,
    pub(super) next_txn: u64,
    pub(super) cursors: BTreeMap<TriggerId, Position>,
    pub(super) gaps: Vec<Gap>,
    pub(super) sequences: Sequences,
    pub(super) checkpoint: super::checkpoint::Checkpoints,
}

struct Shared {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn stop(&self) {
        *self.inner.closing.lock() = true;
        self.inner.wake.notify_all();
        self.inner.log.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Rows and log of one data directory. Clones are the same store; the last one to go stops its threads.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.inner.fmt(f)
    }
}

impl Store {
    /// Opens a data directory, or makes a new one: newest checkpoint, then the log after it, then the indexes.
    /// Errors: 55006 if another server has it open, XX001 for damaged files, 58030 and 53100.
    pub fn open(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        env: Env,
        extractors: Arc<dyn KeyExtractors>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Store> {
        let directory = disk.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => {
                let message = format!("data directory \"{}\" is in use by another server", disk.describe(""));
                SqlError::new(SqlState::OBJECT_IN_USE, message).hint("Is another tripline running in it?")
            }
            _ => io_error(disk.as_ref(), "lock", "lock", &error),
        })?;
        let found = super::recover::recover(&config, &disk, &env, extractors.as_ref(), progress)?;
        let newest = found.log.newest().0;
        let inner = Arc::new(Inner {
            locks: Arc::new(Locks::new(env.clone(), config.deadlock_timeout)),
            config,
            disk,
            env,
            extractors,
            log: Arc::new(found.log),
            txns: TxnTable::new(),
            seats: Arc::new(Seats::new(newest)),
            ddl: TableLocks::default(),
            tables: RwLock::new(found.tables),
            catalog_version: AtomicU64::new(found.catalog.version),
            catalog_commit: AtomicU64::new(0),
            versions: AtomicU64::new(found.catalog.version),
            next_oid: AtomicU32::new(found.catalog.next_oid.max(crate::catalog::FIRST_USER_OID)),
            catalog: RwLock::new(Arc::new(found.catalog)),
            next_txn: AtomicU64::new(found.next_txn.max(1)),
            next_session: AtomicU64::new(1),
            cursors: Mutex::new(found.cursors),
            passing: super::passing::Passing::default(),
            keepers: Mutex::default(),
            gaps: Mutex::new(found.gaps),
            sequences: found.sequences,
            vacuum: Vacuum::default(),
            checkpoints: Mutex::new(found.checkpoint),
            closing: Mutex::new(false),
            wake: Condvar::new(),
            on_commit: OnceLock::new(),
            commits: AtomicU64::new(0),
            checkpoint_count: AtomicU64::new(0),
            checkpoint_micros: AtomicU64::new(0),
            checkpoint_log_bytes: AtomicU64::new(0),
            _directory: directory,
        });
        let threads = Mutex::new(Vec::new());
        let store = Store(Arc::new(Shared { inner: inner.clone(), threads }));
        let seats = inner.seats.clone();
        inner.log.on_durable(Box::new(move |commit| seats.advance(commit.0)));
        store.spawn("tripline-log", inner.clone(), |inner| {
            inner.log.run_flusher();
        })?;
        store.spawn("tripline-segment", inner.clone(), |inner| inner.log.run_preparer())?;
        store.spawn("tripline-keeper", inner, |inner| inner.maintain())?;
        Ok(store)
    }

    fn spawn(&self, name: &str, inner: Arc<Inner>, run: impl FnOnce(&Inner) + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&inner));
        let thread = thread
            .map_err(|error| SqlError::new(SqlState::SYSTEM_ERROR, format!("could not start a thread: {error}")))?;
        self.0.threads.lock().push(thread);
        Ok(())
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }

    /// The newest committed catalog.
    #[must_use]
    pub fn catalog(&self) -> Arc<CatalogSet> {
        self.inner().catalog.read().clone()
    }

    /// Begins a transaction.
    #[must_use]
    pub fn begin(&self, options: TxnOptions) -> Txn {
        Txn::begin(self.inner().clone(), options)
    }

    /// Newest commit that a crash cannot undo.
    #[must_use]
    pub fn durable(&self) -> CommitNo {
        self.inner().log.durable()
    }

    /// Newest commit.
    #[must_use]
    pub fn newest(&self) -> CommitNo {
        self.inner().log.newest()
    }

    /// A std future that is ready when the commit is durable. Errors: 58030 when the log has failed.
    #[must_use]
    pub fn wait_durable(&self, commit: CommitNo) -> DurableWait {
        DurableWait { log: self.inner().log.clone(), commit, registered: None }
    }

    /// Waits on this thread (within `Blocker::block`) until the commit is durable. Errors: 58030.
    pub fn wait_blocking(&self, commit: CommitNo) -> Result<()> {
        self.inner().log.wait(commit)
    }

    /// Why nothing can be committed any more, once the log has failed (58030).
    #[must_use]
    pub fn failure(&self) -> Option<&SqlError> {
        self.inner().log.failure()
    }

    /// Calls `call` after each sync with the newest durable commit, on the log's thread: it must not block.
    pub fn on_durable(&self, call: Box<dyn Fn(CommitNo) + Send + Sync>) {
        self.inner().log.on_durable(call);
    }

    /// Calls `call` with the tables that a commit has changed when it has been made, durable or not, on the committer's
    /// thread: it must not block. One is called, the first.
    pub fn on_commit(&self, call: OnCommit) {
        let _ = self.inner().on_commit.set(call);
    }

    /// A reader of the log after `from`.
    #[must_use]
    pub fn reader(&self, from: Position) -> LogReader {
        LogReader::new(self.inner().clone(), from)
    }

    /// All subscribers' cursors, as of now.
    #[must_use]
    pub fn cursors(&self) -> Vec<(TriggerId, Position)> {
        self.inner().cursors.lock().iter().map(|(subscriber, position)| (*subscriber, *position)).collect()
    }

    /// How far each cursor is behind.
    #[must_use]
    pub fn cursor_lags(&self) -> Vec<CursorLag> {
        self.cursors().into_iter().map(|(subscriber, position)| self.lag(subscriber, position)).collect()
    }

    /// How far a subscriber that has looked at everything up to `position` is behind.
    #[must_use]
    pub fn lag(&self, subscriber: TriggerId, position: Position) -> CursorLag {
        let commits = self.durable().0.saturating_sub(position.commit.0);
        let oldest_at = if commits == 0 { None } else { self.committed_at(position.commit.0 + 1) };
        CursorLag { subscriber, position, commits, oldest_at }
    }

    fn committed_at(&self, commit: u64) -> Option<i64> {
        let mut records = Vec::new();
        self.inner().log.recent(commit, 1, &mut records);
        match records.first() {
            Some(record) => Some(record.committed_at),
            None => super::reader::header_of(self.inner(), commit).ok().flatten().map(|header| header.committed_at),
        }
    }

    /// Log entries that subscribers have lost, oldest first.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.inner().gaps.lock().clone()
    }

    /// Keeps the log from this position for a holder without a durable cursor (a stream); none gives it free. Not
    /// durable: to be said again after each start.
    pub fn keep_log_from(&self, holder: TriggerId, from: Option<Position>) {
        let mut keepers = self.inner().keepers.lock();
        match from {
            Some(from) => keepers.insert(holder, from),
            None => keepers.remove(&holder),
        };
    }

    fn mark(&self, oid: Oid, def: &SequenceDef, value: i64, called: bool) -> Result<CommitNo> {
        if def.persistence != crate::catalog::Persistence::Permanent {
            return Ok(CommitNo(0));
        }
        let mut record = RecordBuilder::default();
        record.sequence(oid, value, called);
        let inner = self.inner();
        let txn = TxnId(inner.next_txn.fetch_add(1, Ordering::Relaxed));
        let bytes = record.finish(txn, 0, inner.config.origin, None)?;
        let (commit, _) = inner.log.append(bytes, Urge::Lazy, CommitNo(0), &mut || Ok(()), &mut |_| {})?;
        Ok(commit)
    }

    /// nextval, and the commit that makes it durable: until then a crash can give the value out again. Errors: 2200H at
    /// the end of the sequence, 53100, 58030.
    pub fn next_value(&self, sequence: Oid, def: &SequenceDef) -> Result<(i64, CommitNo)> {
        self.inner().sequences.next(sequence, def, |value, called| self.mark(sequence, def, value, called))
    }

    /// setval, and the commit that makes it durable. Errors: 22003 out of the sequence's bounds, 53100, 58030.
    pub fn set_value(&self, sequence: Oid, def: &SequenceDef, value: i64, is_called: bool) -> Result<CommitNo> {
        let mark = |value, called| self.mark(sequence, def, value, called);
        self.inner().sequences.set(sequence, def, value, is_called, mark)
    }

    /// The sequence's value.
    #[must_use]
    pub fn sequence_state(&self, sequence: Oid, def: &SequenceDef) -> SequenceState {
        self.inner().sequences.state(sequence, def)
    }

    /// Writes a checkpoint while transactions go on, then gives up the log that nobody needs. Errors: 58030, 53100; the
    /// one before stays valid.
    pub fn checkpoint(&self) -> Result<()> {
        super::checkpoint::run(self.inner(), false)
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let inner = self.inner();
        let rows = inner.tables.read().values().map(|table| table.rows.load(Ordering::Relaxed)).sum::<i64>();
        StoreStats {
            commits: inner.commits.load(Ordering::Relaxed),
            newest_commit: inner.log.newest().0,
            durable_commit: inner.log.durable().0,
            log_bytes: inner.log.size(),
            log_segments: inner.log.segments().len() as u64,
            syncs: inner.log.syncs.load(Ordering::Relaxed),
            checkpoints: inner.checkpoint_count.load(Ordering::Relaxed),
            last_checkpoint_micros: inner.checkpoint_micros.load(Ordering::Relaxed),
            rows: rows.max(0).cast_unsigned(),
            lock_waits: inner.locks.lock_waits.load(Ordering::Relaxed),
            deadlocks: inner.locks.deadlocks.load(Ordering::Relaxed),
        }
    }

    /// Live rows of a table, about; 0 for an unknown one.
    #[must_use]
    pub fn row_estimate(&self, table: TableId) -> u64 {
        let rows = self.inner().tables.read().get(&table).map_or(0, |table| table.rows.load(Ordering::Relaxed));
        rows.max(0).cast_unsigned()
    }

    /// Locks held and waited for, as of about now. Row locks are seen only when someone waits for them, as the wait for a
    /// transaction's end.
    #[must_use]
    pub fn locks(&self) -> Vec<LockInfo> {
        let inner = self.inner();
        let mut out = Vec::new();
        for owner in inner.txns.all() {
            let object = LockObject::Transaction(owner.id);
            let (pid, transaction) = (owner.pid, owner.transaction());
            out.push(LockInfo { object, mode: "ExclusiveLock", pid, transaction, waits_since: None });
        }
        let weak = [TableLockMode::AccessShare, TableLockMode::RowShare, TableLockMode::RowExclusive];
        for (owner, table, modes) in inner.seats.weak_locks() {
            let held = weak.into_iter().filter(|mode| modes & (1 << *mode as u8) != 0);
            out.extend(held.map(|mode| LockInfo {
                object: LockObject::Table(table),
                mode: mode.name(),
                pid: owner.pid,
                transaction: owner.transaction(),
                waits_since: None,
            }));
        }
        let tables: Vec<Arc<TableStore>> = inner.tables.read().values().cloned().collect();
        for table in tables {
            Locks::list_strong(&table.locks, table.id, &mut out);
        }
        inner.locks.list(&mut out);
        out
    }

    /// Wakes a session that waits for a lock, so that it looks at its cancel flag.
    pub fn interrupt(&self, pid: i32) {
        self.inner().locks.interrupt(pid);
    }

    /// A new OID. It is remembered by the next commit that changes the catalog.
    #[must_use]
    pub fn allocate_oid(&self) -> Oid {
        self.inner().next_oid.fetch_add(1, Ordering::Relaxed)
    }

    /// Holder of one session's advisory locks; dropping it frees them.
    #[must_use]
    pub fn session_locks(&self, pid: i32) -> SessionLocks {
        let id = SESSION_BIT | self.inner().next_session.fetch_add(1, Ordering::Relaxed);
        SessionLocks { locks: self.inner().locks.clone(), owner: Arc::new(Owner::new(id, pid)), held: Vec::new() }
    }

    /// Flushes, writes a checkpoint and stops the threads, once the sessions are gone: nothing can commit afterwards,
    /// and values that a sequence gives out from now on are forgotten. Errors: 58030, 53100.
    pub fn close(&self) -> Result<()> {
        let result = self.inner().log.wait(self.newest()).and_then(|()| super::checkpoint::run(self.inner(), true));
        self.0.stop();
        result
    }
}

impl Inner {
    /// The table's rows. Errors: 42P01 if it is gone.
    pub(super) fn table(&self, id: TableId) -> Result<Arc<TableStore>> {
        self.tables.read().get(&id).cloned().ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation with OID {} does not exist", id.0))
        })
    }

    /// A version number that no other copy of the catalog has.
    pub(super) fn new_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The background thread: checkpoints, vacuum, and cursors that no commit has taken along.
    fn maintain(&self) {
        let mut passing = None;
        loop {
            let nap = if passing.is_some() { super::passing::WAIT } else { Duration::from_millis(200) };
            {
                let mut closing = self.closing.lock();
                if *closing {
                    return;
                }
                self.wake.wait_for(&mut closing, nap);
                if *closing {
                    return;
                }
            }
            self.write_passing(&mut passing);
            self.log.urge();
            self.seats.advance(self.log.durable().0);
            while self.vacuum.run(self.seats.horizon(), 256) == 256 && !*self.closing.lock() {}
            let logged = self.log.bytes.load(Ordering::Relaxed) - self.checkpoint_log_bytes.load(Ordering::Relaxed);
            if logged >= self.config.checkpoint_bytes
                && let Err(error) = super::checkpoint::run(self, false)
            {
                tracing::error!(%error, "checkpoint failed");
                self.checkpoint_log_bytes.store(self.log.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }
}

/// Whether a catalog change outlives the session that made it.
pub(super) fn is_permanent(change: &CatalogChange) -> bool {
    use crate::catalog::{Entry, Persistence};
    match change {
        CatalogChange::Put { entry: Entry::Table(def), .. } => def.persistence != Persistence::Temporary,
        CatalogChange::Put { entry: Entry::Sequence(def), .. } => def.persistence != Persistence::Temporary,
        _ => true,
    }
}
