//! `Txn`: one transaction; and what isolation means here.
//!
//! ```text
//! statement that only reads, in a transaction that has not written or locked    snapshot = newest DURABLE commit
//! any other statement                                                             snapshot = newest commit
//! READ COMMITTED: per statement      REPEATABLE READ, SERIALIZABLE: once, at the first statement
//! ```
//!
//! So nobody is shown a commit that a crash can undo, unless it also waits for it: `Committed::durable_at` is the
//! newest commit that the transaction made or saw, `saw_undurable` the newest that it saw.
//!
//! A row changed by a commit after the snapshot: READ COMMITTED gets the new version and looks at its condition again,
//! the others fail with 40001. SERIALIZABLE is validated at its commit: if any commit since its snapshot wrote a row, a key
//! range or a table that it read, it fails with 40001; else it is as if all of it had run at the moment of its commit. One
//! that has written nothing needs no validation: its snapshot is such a moment.
//!
//! Writes go straight into the heap under the transaction's stamp (see `owner`), and into the record being built.
//! Rolling back takes the versions off again, newest write first, and cuts the record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::catalog::{Catalog, CatalogChange, CatalogSet, TableId, TriggerId};
use crate::change::{CommitNo, Position, RowId, TxnId};
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::heap::{self, COMMANDS_MAX, View, WriteChunk, short_id};
use super::index::IndexStore;
use super::line::{Place, RowTurn, Spot, Want};
use super::lock::{Blocked, DDL_TABLE as DDL, Locks, SessionLocks, TableLocks, Target, Waiter};
use super::log::Urge;
use super::outcome::{
    AdvisoryKey, CommitOptions, Committed, Isolation, LockMode, Savepoint, Snapshot, TableLockMode, TxnOptions,
    WaitPolicy,
};
use super::owner::{Owner, Seat, Seats};
use super::record::{Mark, RecordBuilder};
use super::serial::ReadSet;
use super::store::Inner;
use super::table::{Parts, Shape, StaleKey, TableStore};

/// A committer may sync the log itself while no more transactions than these are open, its own among them.
const LEAD_COMPANY: usize = 2;

/// A table as this transaction uses it; made again when DDL changed it.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) store: Arc<TableStore>,
    version: u64,
    pub(super) indexes: Arc<Vec<Arc<IndexStore>>>,
    pub(super) shape: Arc<Shape>,
}

/// A row that this transaction has written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    /// Place in `Txn::tables`.
    pub(super) table: u32,
    pub(super) row: RowId,
}

/// What DDL has done to tables in memory.
#[derive(Debug)]
pub(super) enum Physical {
    /// Made this table.
    Created(TableId),
    /// Changed its parts, which were these.
    Changed(Arc<TableStore>, Parts),
    /// At commit: takes the table away.
    Drop(TableId),
    /// At commit: keeps only indexes with these OIDs.
    KeepIndexes(Arc<TableStore>, Vec<Oid>),
    /// At commit: forgets the sequence.
    DropSequence(Oid),
}

#[derive(Debug)]
struct Level {
    command: u32,
    writes: usize,
    stale: usize,
    row_locks: usize,
    table_locks: usize,
    advisory: usize,
    physical: usize,
    record: Mark,
    cursors: Vec<(TriggerId, Option<Position>)>,
    set: Arc<CatalogSet>,
    catalog: Arc<Catalog>,
    catalog_changed: bool,
    writer: TriggerId,
}

/// A transaction. Dropping it rolls back.
pub struct Txn {
    pub(super) inner: Arc<Inner>,
    pub(super) options: TxnOptions,
    pub(super) id: TxnId,
    pub(super) owner: Arc<Owner>,
    /// Its id in stamps; only looked for once it has written.
    pub(super) short: u64,
    seat: Option<Arc<Seat>>,
    pub(super) registered: bool,
    pub(super) set: Arc<CatalogSet>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) catalog_changed: bool,
    pub(super) physical: Vec<Physical>,
    /// One's own counts: those of the parts are everybody's, and dear to touch for every row.
    pub(super) tables: Vec<Arc<Handle>>,
    /// What these are called.
    table_ids: Vec<TableId>,
    pub(super) command: u32,
    pub(super) command_used: bool,
    open: Vec<Snapshot>,
    fixed: Option<CommitNo>,
    /// Statements read at the newest commit all the same.
    reads_newest: bool,
    pub(super) record: RecordBuilder,
    pub(super) writes: Vec<Write>,
    pub(super) stale: Vec<StaleKey>,
    pub(super) row_locks: Vec<(Arc<TableStore>, RowId, LockMode)>,
    table_locks: Vec<(Option<Arc<TableStore>>, TableId, TableLockMode)>,
    advisory: Vec<(AdvisoryKey, bool)>,
    cursors: Vec<(TriggerId, Option<Position>)>,
    /// Where cursors that it moves must stand until then.
    advances: Vec<(TriggerId, Position)>,
    pub(super) writer: TriggerId,
    pub(super) lock_timeout: Option<Duration>,
    deadline: Option<Duration>,
    /// Whether the running statement may step aside: the number of writes before it, as it may only before its first.
    pub(super) steps_aside: Option<usize>,
    /// Whether it has just done so.
    pub(super) stepped_aside: bool,
    /// Where it stands meanwhile.
    pub(super) aside: Option<Place>,
    /// Newest commit seen that was not durable.
    pub(super) saw: u64,
    pub(super) wrote: bool,
    pub(super) locked: bool,
    levels: Vec<Level>,
    pub(super) reads: ReadSet,
    pub(super) scratch: Vec<u8>,
    pub(super) scratch_rows: Vec<u64>,
    finished: bool,
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Txn({}, command {}, {} writes)", self.id.0, self.command, self.writes.len())
    }
}

impl Txn {
    pub(super) fn begin(inner: Arc<Inner>, options: TxnOptions) -> Txn {
        let id = inner.next_txn.fetch_add(1, Ordering::Relaxed);
        let owner = Arc::new(Owner::new(id, options.pid));
        let seat = inner.seats.sit(Some(owner.clone()));
        let set = inner.catalog.read().clone();
        let catalog = set.database(options.database).cloned().unwrap_or_default();
        Txn {
            options,
            id: TxnId(id),
            owner,
            short: short_id(id),
            seat: Some(seat),
            registered: false,
            set,
            catalog,
            catalog_changed: false,
            physical: Vec::new(),
            tables: Vec::new(),
            table_ids: Vec::new(),
            command: 0,
            command_used: false,
            open: Vec::new(),
            fixed: None,
            reads_newest: false,
            record: RecordBuilder::default(),
            writes: Vec::new(),
            stale: Vec::new(),
            row_locks: Vec::new(),
            table_locks: Vec::new(),
            advisory: Vec::new(),
            cursors: Vec::new(),
            advances: Vec::new(),
            writer: TriggerId::CLIENT,
            lock_timeout: None,
            deadline: None,
            steps_aside: None,
            stepped_aside: false,
            aside: None,
            saw: 0,
            wrote: false,
            locked: false,
            levels: Vec::new(),
            reads: ReadSet::default(),
            scratch: Vec::new(),
            scratch_rows: Vec::new(),
            finished: false,
            inner,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// Whether it has written anything, even if that was rolled back to a savepoint since.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.wrote
    }

    /// OID of its database.
    #[must_use]
    pub fn database(&self) -> Oid {
        self.options.database
    }

    /// Its isolation level.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.options.isolation
    }

    /// Sets the isolation level, before the first statement; the caller checks that (25001).
    pub fn set_isolation(&mut self, isolation: Isolation) {
        self.options.isolation = isolation;
    }

    /// Longest wait for a lock from now on; none = no limit.
    pub fn set_lock_timeout(&mut self, timeout: Option<Duration>) {
        self.lock_timeout = timeout;
    }

    /// When waits for locks end with 57014, by the clock's `elapsed`: the end of `statement_timeout`.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// Whether a statement may step aside from now on: until it has written, a wait for a row another transaction holds
    /// fails instead, with the transaction in the row's line. `stepped_aside` tells so; the statement is begun again, at
    /// the latest when its turn comes. A wait with a lock timeout never steps aside.
    pub fn step_aside(&mut self, may: bool) {
        self.steps_aside = may.then_some(self.writes.len());
    }

    /// At a statement's end: the turn that it waits for, if it has stepped aside; else it has ended, and stands nowhere.
    pub fn stepped_aside(&mut self) -> Option<RowTurn> {
        self.steps_aside = None;
        if !std::mem::take(&mut self.stepped_aside) {
            self.aside = None;
        }
        self.aside.as_ref().map(|place| RowTurn(place.ticket.parker().clone()))
    }

    /// The catalogs of all databases as this transaction sees them.
    #[must_use]
    pub fn catalog_set(&self) -> &Arc<CatalogSet> {
        &self.set
    }

    /// Its database's catalog as it sees it.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Names the trigger that writes from now on; gives back the one before.
    pub fn set_writer(&mut self, writer: TriggerId) -> TriggerId {
        std::mem::replace(&mut self.writer, writer)
    }

    /// Moves a subscriber's durable cursor with the commit; none drops it.
    pub fn move_cursor(&mut self, subscriber: TriggerId, to: Option<Position>) {
        self.wrote = true;
        self.cursors.retain(|(other, _)| *other != subscriber);
        self.cursors.push((subscriber, to));
    }

    /// Moves it from where it must stand at the commit: whoever moved or dropped it before makes the commit fail (40001).
    pub fn advance_cursor(&mut self, subscriber: TriggerId, from: Position, to: Position) {
        self.move_cursor(subscriber, Some(to));
        self.advances.retain(|(other, _)| *other != subscriber);
        self.advances.push((subscriber, from));
    }

    fn check_advances(&self) -> Result<()> {
        let cursors = self.inner.cursors.lock();
        for (subscriber, from) in &self.advances {
            let moves = self.cursors.iter().any(|(other, to)| other == subscriber && to.is_some());
            if moves && cursors.get(subscriber) != Some(from) {
                return Err(consumed_meanwhile());
            }
        }
        Ok(())
    }

    /// Newest commit that it has seen and that was not durable then; 0 if all was.
    #[must_use]
    pub fn saw_undurable(&self) -> CommitNo {
        CommitNo(self.saw)
    }

    fn set_catalog(&mut self, set: Arc<CatalogSet>) {
        self.catalog = set.database(self.options.database).cloned().unwrap_or_default();
        self.set = set;
    }

    pub(super) fn replace_catalog(&mut self, set: CatalogSet) {
        self.set_catalog(Arc::new(set));
        self.catalog_changed = true;
    }

    /// Takes the newest committed catalog, unless the transaction has changed it itself.
    pub fn refresh_catalog(&mut self) {
        if self.catalog_changed || self.inner.catalog_version.load(Ordering::SeqCst) == self.set.version {
            return;
        }
        let set = self.inner.catalog.read().clone();
        self.set_catalog(set);
        let commit = self.inner.catalog_commit.load(Ordering::SeqCst);
        self.note(commit);
    }

    /// Notes that a commit was seen: what this transaction tells its client rests on it.
    pub fn rests_on(&mut self, commit: CommitNo) {
        self.note(commit.0);
    }

    pub(super) fn note(&mut self, commit: u64) {
        if commit > self.saw && commit > self.inner.log.durable().0 {
            self.saw = commit;
        }
    }

    pub(super) fn seat(&self) -> &Arc<Seat> {
        self.seat.as_ref().expect("a transaction has its seat until it ends")
    }

    /// Begins a statement: a new command, and a snapshot that stays readable until `end_statement`.
    pub fn begin_statement(&mut self, writes: bool) -> Snapshot {
        self.owner.set_busy(true);
        self.next_command();
        self.refresh_catalog();
        let newest = writes || self.wrote || self.locked;
        let commit = match self.fixed {
            // The seat holds the older one, and so this one.
            Some(commit) if self.reads_newest => CommitNo(self.inner.log.newest().0.max(commit.0)),
            Some(commit) => commit,
            None => {
                let commit = self.pin(newest);
                if self.options.isolation != Isolation::ReadCommitted {
                    self.fixed = Some(commit);
                }
                commit
            }
        };
        let snapshot = Snapshot { commit, command: self.command };
        self.open.push(snapshot);
        snapshot
    }

    /// Whether statements read at the newest commit from now on, also where the isolation level has fixed a snapshot: what
    /// a change of the catalog makes of a table must miss no row of it. Gives what held before.
    pub fn read_newest(&mut self, newest: bool) -> bool {
        std::mem::replace(&mut self.reads_newest, newest)
    }

    fn pin(&self, newest: bool) -> CommitNo {
        let log = &self.inner.log;
        let floor = self.options.at_least.0;
        let choose = || if newest { log.newest().0 } else { log.durable().0.max(floor.min(log.newest().0)) };
        if self.open.is_empty() {
            return CommitNo(self.inner.seats.pin(self.seat(), choose));
        }
        // The seat holds an older snapshot already, and so this one.
        let oldest = self.open.iter().map(|snapshot| snapshot.commit.0).min().unwrap_or(0);
        CommitNo(choose().max(oldest))
    }

    /// Keeps the newest open snapshot, or one of now, until the transaction ends.
    pub(super) fn hold_snapshot(&mut self) -> Snapshot {
        let snapshot = match self.open.last() {
            Some(open) => *open,
            None => self.begin_statement(false),
        };
        self.open.push(snapshot);
        snapshot
    }

    /// All its statements read at this commit, which the seat holds.
    pub(super) fn fix_snapshot(&mut self, commit: CommitNo) {
        self.fixed = Some(commit);
    }

    /// Whether it is behind a savepoint.
    pub(super) fn in_savepoint(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Ends a statement or portal: its snapshot may be pruned.
    pub fn end_statement(&mut self, snapshot: Snapshot) {
        if let Some(place) = self.open.iter().rposition(|open| *open == snapshot) {
            self.open.swap_remove(place);
        }
        if self.open.is_empty() {
            self.owner.set_busy(false);
        }
        let oldest = self.open.iter().map(|snapshot| snapshot.commit.0).chain(self.fixed.map(|commit| commit.0)).min();
        Seats::set(self.seat(), oldest);
    }

    fn next_command(&mut self) {
        if self.command_used {
            self.command += 1;
            self.command_used = false;
        }
    }

    /// Errors: 54000 when the transaction has no command numbers left.
    pub(super) fn use_command(&mut self) -> Result<u32> {
        if self.command >= COMMANDS_MAX {
            let message = format!("cannot have more than {COMMANDS_MAX} commands in a transaction");
            return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.command_used = true;
        self.wrote = true;
        if !self.registered {
            self.registered = true;
            self.inner.txns.insert(self.short, self.owner.clone());
        }
        Ok(self.command)
    }

    /// Commands that an open snapshot or a savepoint falls before: own versions below them are kept.
    pub(super) fn boundaries(&self) -> Vec<u32> {
        let open = self.open.iter().map(|snapshot| snapshot.command);
        let mut commands: Vec<u32> = open.chain(self.levels.iter().map(|level| level.command)).collect();
        commands.dedup();
        commands
    }

    /// The first command of the innermost savepoint.
    pub(super) fn level_command(&self) -> u32 {
        self.levels.last().map_or(0, |level| level.command)
    }

    pub(super) fn view(&self, snapshot: &Snapshot) -> View<'_> {
        let own = if self.registered { self.short } else { u64::MAX };
        View { snapshot: *snapshot, own, txns: &self.inner.txns }
    }

    /// Place of a table in `tables`, found or made. Errors: 42P01.
    pub(super) fn handle(&mut self, table: TableId) -> Result<usize> {
        let place = match self.table_ids.iter().rposition(|id| *id == table) {
            Some(place) => place,
            None => {
                let store = self.inner.table(table)?;
                // Its parts may be newer than this says; then they are taken again.
                let version = store.version.load(Ordering::SeqCst);
                let parts = store.parts();
                self.tables.push(Arc::new(Handle { store, version, indexes: parts.indexes, shape: parts.shape }));
                self.table_ids.push(table);
                self.tables.len() - 1
            }
        };
        let handle = &mut self.tables[place];
        let version = handle.store.version.load(Ordering::SeqCst);
        if handle.version != version {
            let parts = handle.store.parts();
            let store = handle.store.clone();
            *handle = Arc::new(Handle { store, version, indexes: parts.indexes, shape: parts.shape });
        }
        Ok(place)
    }

    pub(super) fn waiter(&self) -> Waiter<'_> {
        Waiter {
            owner: &self.owner,
            cancel: &self.options.cancel,
            lock_timeout: self.lock_timeout,
            deadline: self.deadline,
        }
    }

    /// Waits for a holder of a lock. Errors: 55P03, 57014, 40P01.
    pub(super) fn wait_for(&self, holder: &Arc<Owner>, epoch: u64, target: Target) -> Result<()> {
        self.inner.locks.wait(&self.waiter(), holder, epoch, target)
    }

    /// Takes a table lock, kept to the end of the transaction. Errors: 55P03 at once unless `Wait`, else those of a wait.
    pub fn lock_table(&mut self, table: TableId, mode: TableLockMode, wait: WaitPolicy) -> Result<()> {
        if self.table_locks.iter().any(|(_, id, held)| *id == table && *held == mode) {
            return Ok(());
        }
        let place = self.handle(table)?;
        let store = self.tables[place].store.clone();
        self.take_table_lock(&store.locks, table, mode, wait)?;
        self.table_locks.push((Some(store), table, mode));
        Ok(())
    }

    fn take_table_lock(&self, locks: &TableLocks, table: TableId, mode: TableLockMode, wait: WaitPolicy) -> Result<()> {
        let manager = &self.inner.locks;
        let mut polite = !self.table_locks.iter().any(|(_, id, _)| *id == table);
        let mut queued = false;
        // One who has the table already must not stand behind those who wait for that.
        let mut line = None;
        let in_line = polite && !mode.is_weak();
        let result = loop {
            let found = manager.try_table(&self.inner.seats, locks, table, mode, &self.owner, self.seat(), polite);
            let Some((holder, epoch, blocked)) = found else {
                if let Some(place) = line.take() {
                    Place::taken_by(place, &self.owner);
                }
                break Ok(());
            };
            if wait != WaitPolicy::Wait {
                let name = self.catalog.table(table).map_or_else(String::new, |def| def.name.clone());
                let message = format!("could not obtain lock on relation \"{name}\"");
                break Err(SqlError::new(SqlState::LOCK_NOT_AVAILABLE, message));
            }
            if blocked == Blocked::Queued {
                manager.step_back(&holder, epoch);
                polite = false;
                continue;
            }
            if !queued && mode > TableLockMode::RowExclusive {
                queued = true;
                Locks::queue(locks, mode, &self.owner, true);
            }
            let target = Target::Table(mode, table, self.options.database);
            let waited = if in_line {
                let join = || Place::join(&manager.lines, Spot::Table(table), &self.owner, Want::Table(mode));
                let place = line.get_or_insert_with(join);
                manager.wait_in_line(&self.waiter(), place, Some((&holder, epoch)), target)
            } else {
                self.wait_for(&holder, epoch, target)
            };
            if let Err(error) = waited {
                break Err(error);
            }
        };
        if queued {
            Locks::queue(locks, mode, &self.owner, false);
        }
        result
    }

    /// Waits for the DDL lock and takes the newest catalog: call it before a DDL statement looks at names.
    pub fn lock_catalog(&mut self) -> Result<()> {
        if self.table_locks.iter().any(|(_, id, _)| *id == DDL) {
            return Ok(());
        }
        let inner = self.inner.clone();
        self.take_table_lock(&inner.ddl, DDL, TableLockMode::Exclusive, WaitPolicy::Wait)?;
        self.table_locks.push((None, DDL, TableLockMode::Exclusive));
        self.refresh_catalog();
        Ok(())
    }

    /// Transaction-level advisory lock. False: held by another, under NOWAIT or SKIP LOCKED.
    pub fn advisory_lock(&mut self, key: AdvisoryKey, shared: bool, wait: WaitPolicy) -> Result<bool> {
        let owner = self.owner.clone();
        let taken = self.take_advisory(&owner, key, shared, wait)?;
        if taken {
            self.advisory.push((key, shared));
        }
        Ok(taken)
    }

    /// Session-level advisory lock, kept in `session`; this transaction does the waiting.
    pub fn advisory_lock_session(
        &mut self,
        session: &mut SessionLocks,
        key: AdvisoryKey,
        shared: bool,
        wait: WaitPolicy,
    ) -> Result<bool> {
        let owner = session.owner.clone();
        let taken = self.take_advisory(&owner, key, shared, wait)?;
        if taken {
            session.held.push((key, shared));
        }
        Ok(taken)
    }

    fn take_advisory(&self, owner: &Arc<Owner>, key: AdvisoryKey, shared: bool, wait: WaitPolicy) -> Result<bool> {
        let manager = &self.inner.locks;
        let want = Want::Row(if shared { LockMode::Share } else { LockMode::Update });
        let target = Target::Advisory(key, shared);
        let mut line = None;
        while let Some((holder, epoch)) = manager.try_advisory(key, shared, owner, Some(self.owner.id)) {
            if wait != WaitPolicy::Wait {
                return Ok(false);
            }
            if manager.advisory_held(key, owner.pid) {
                self.wait_for(&holder, epoch, target)?;
                continue;
            }
            let place = line.get_or_insert_with(|| Place::join(&manager.lines, Spot::Advisory(key), &self.owner, want));
            manager.wait_in_line(&self.waiter(), place, Some((&holder, epoch)), target)?;
        }
        if let Some(place) = line {
            place.taken_by(owner);
        }
        Ok(true)
    }

    /// Marks a place to come back to. They nest.
    pub fn savepoint(&mut self) -> Savepoint {
        self.next_command();
        self.levels.push(Level {
            command: self.command,
            writes: self.writes.len(),
            stale: self.stale.len(),
            row_locks: self.row_locks.len(),
            table_locks: self.table_locks.len(),
            advisory: self.advisory.len(),
            physical: self.physical.len(),
            record: self.record.mark(),
            cursors: self.cursors.clone(),
            set: self.set.clone(),
            catalog: self.catalog.clone(),
            catalog_changed: self.catalog_changed,
            writer: self.writer,
        });
        Savepoint(u32::try_from(self.levels.len() - 1).unwrap_or(u32::MAX))
    }

    /// Undoes all since the savepoint, which stays; locks taken since are free again. Errors: none but internal ones.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let keep = savepoint.0 as usize + 1;
        if keep > self.levels.len() {
            return Err(SqlError::internal("rollback to a savepoint that is gone"));
        }
        self.levels.truncate(keep);
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.undo_writes(level.writes, level.stale, level.command);
        self.undo_physical(level.physical);
        self.record.truncate(level.record);
        self.cursors.clone_from(&level.cursors);
        self.set = level.set.clone();
        self.catalog = level.catalog.clone();
        self.catalog_changed = level.catalog_changed;
        self.writer = level.writer;
        self.unlock(level.row_locks, level.table_locks, level.advisory);
        self.levels.push(level);
        self.owner.let_go();
        Ok(())
    }

    /// Forgets the savepoint and those inside it; what was done since stays.
    pub fn release(&mut self, savepoint: Savepoint) {
        self.levels.truncate(savepoint.0 as usize);
    }

    fn unlock_rows(&mut self, from: usize) {
        for (store, row, mode) in self.row_locks.drain(from..) {
            self.inner.locks.row_unlock(&store.locks, store.id, row, mode, self.owner.id);
        }
    }

    fn unlock(&mut self, row_locks: usize, table_locks: usize, advisory: usize) {
        self.unlock_rows(row_locks);
        let Some(seat) = self.seat.as_ref() else { return };
        for (store, table, mode) in self.table_locks.drain(table_locks..) {
            let locks = store.as_ref().map_or(&self.inner.ddl, |store| &store.locks);
            Locks::table_unlock(locks, table, mode, self.owner.id, seat);
        }
        for (key, shared) in self.advisory.drain(advisory..) {
            self.inner.locks.advisory_unlock(key, shared, self.owner.id);
        }
    }

    /// Takes own versions of commands from `command` on off the rows written since `from`.
    fn undo_writes(&mut self, from: usize, stale: usize, command: u32) {
        let writes: Vec<Write> = self.writes.drain(from..).collect();
        for write in writes.into_iter().rev() {
            let Ok(place) = usize::try_from(write.table) else { continue };
            let id = self.tables[place].store.id;
            // DDL since may have added indexes: their entries go too.
            let place = self.handle(id).unwrap_or(place);
            self.undo_row(&self.tables[place], write.row, command);
        }
        for stale in self.stale.drain(stale..) {
            stale.clear();
        }
    }

    fn undo_row(&self, table: &Handle, row: RowId, command: u32) {
        let Some(mut chunk) = table.store.heap.write(row) else { return };
        let mut popped = Vec::new();
        while let Some(slot) = heap::slot_mut(&mut chunk, row) {
            match slot.writer() {
                Some((short, at)) if short == self.short && at >= command => popped.extend(slot.pop()),
                _ => break,
            }
            if slot.is_empty_slot() {
                table.store.heap.emptied(&mut chunk, row);
                break;
            }
        }
        for data in popped {
            for index in table.indexes.iter() {
                if let Ok(Some(key)) = TableStore::key_of(index, &table.shape, &data)
                    && !TableStore::chain_has(index, &table.shape, heap::slot(&chunk, row), &key)
                {
                    index.remove(&key, row.0);
                }
            }
        }
    }

    fn undo_physical(&mut self, from: usize) {
        for step in self.physical.drain(from..).rev() {
            match step {
                Physical::Created(table) => {
                    self.inner.tables.write().remove(&table);
                }
                Physical::Changed(store, parts) => store.set_parts(parts),
                Physical::Drop(_) | Physical::KeepIndexes(..) | Physical::DropSequence(_) => {}
            }
        }
    }

    /// Names the instance that the changes come from, in place of what `TxnOptions` said.
    pub fn set_origin(&mut self, origin: u64) {
        self.options.origin = Some(origin);
    }

    /// Commits: one record in the log. Errors: 40001 (SERIALIZABLE), 53100, 58030, 54000; it is rolled back then.
    pub fn commit(mut self, options: CommitOptions) -> Result<Committed> {
        self.owner.set_busy(true);
        let effects =
            !self.writes.is_empty() || !self.record.is_empty() || !self.cursors.is_empty() || !self.physical.is_empty();
        if !effects && !self.catalog_changed {
            let durable_at = CommitNo(self.saw);
            self.finish();
            return Ok(Committed { commit: None, durable_at });
        }
        if self.catalog_changed {
            self.record.catalog(&CatalogChange::NextOid(self.inner.next_oid.load(Ordering::SeqCst)))?;
        }
        for (subscriber, to) in &self.cursors {
            self.record.cursor(*subscriber, *to);
        }
        let inner = self.inner.clone();
        let passing = inner.passing.waiting();
        self.record.passing(&passing);
        let record = std::mem::take(&mut self.record);
        let origin = self.options.origin.unwrap_or(self.inner.config.origin);
        let bytes = record.finish(self.id, self.options.database, origin, self.options.cause)?;
        let serializable = self.options.isolation == Isolation::Serializable;
        let published = self.catalog_changed.then(|| {
            let mut set = (*self.set).clone();
            set.version = self.inner.new_version();
            set.next_oid = self.inner.next_oid.load(Ordering::SeqCst);
            Arc::new(set)
        });
        let mut written: Vec<bool> = vec![false; self.tables.len()];
        let mut last = u32::MAX;
        for write in &self.writes {
            if write.table != last {
                last = write.table;
                written[last as usize] = true;
            }
        }
        let fixed = self.fixed;
        let txn = &self;
        let mut validate = || {
            if !txn.advances.is_empty() {
                txn.check_advances()?;
            }
            match fixed {
                Some(snapshot) if serializable => txn.reads.validate(txn, snapshot.0),
                _ => Ok(()),
            }
        };
        let mut publish = |commit: CommitNo| {
            txn.owner.commit(commit.0);
            for (handle, _) in txn.tables.iter().zip(&written).filter(|(_, written)| **written) {
                handle.store.last_commit.store(commit.0, Ordering::SeqCst);
            }
            if !txn.cursors.is_empty() {
                let mut cursors = txn.inner.cursors.lock();
                for (subscriber, to) in &txn.cursors {
                    match to {
                        Some(to) => cursors.insert(*subscriber, *to),
                        None => cursors.remove(subscriber),
                    };
                }
            }
            if let Some(set) = &published {
                txn.inner.catalog_commit.store(commit.0, Ordering::SeqCst);
                *txn.inner.catalog.write() = set.clone();
                txn.inner.catalog_version.store(set.version, Ordering::SeqCst);
            }
        };
        // With others at work their threads have better to do than to sync.
        let leads = !options.asynchronous && self.inner.seats.sitting() <= LEAD_COMPANY;
        let urge = match (options.lazy, leads) {
            (true, _) => Urge::Lazy,
            (false, false) => Urge::Flusher,
            (false, true) => Urge::Lead,
        };
        let (commit, turn) = inner.log.append(bytes, urge, self.options.at_least, &mut validate, &mut publish)?;
        inner.passing.written(&passing);
        inner.commits.fetch_add(1, Ordering::Relaxed);
        self.unlock_rows(0);
        self.owner.let_go();
        let deleted = self.stamp(commit.0);
        self.apply_physical();
        let stale = std::mem::take(&mut self.stale);
        self.writes.clear();
        self.inner.vacuum.add(commit.0, deleted, stale, self.inner.seats.horizon());
        if let Some(call) = inner.on_commit.get() {
            let changed = self.tables.iter().zip(&written).filter(|(_, written)| **written);
            call(&mut changed.map(|(handle, _)| handle.store.id));
        }
        self.finish();
        // Nobody waits for a lock of this transaction any more: now it may take its time.
        drop(turn);
        let durable_at = if options.asynchronous { CommitNo(0) } else { commit };
        Ok(Committed { commit: Some(commit), durable_at })
    }

    /// Gives the written versions their commit number; the deleted rows among them.
    fn stamp(&self, commit: u64) -> Vec<(Arc<TableStore>, RowId)> {
        let mut deleted = Vec::new();
        let same_chunk = |a: &Write, b: &Write| a.table == b.table && a.row.0 / heap::CHUNK == b.row.0 / heap::CHUNK;
        for run in self.writes.chunk_by(same_chunk) {
            let store = &self.tables[run[0].table as usize].store;
            let Some(mut chunk) = store.heap.write(run[0].row) else { continue };
            let mut rows = 0;
            for write in run {
                if let Some(slot) = heap::slot_mut(&mut chunk, write.row)
                    && let Some((change, gone)) = self.stamp_row(slot, commit)
                {
                    rows += change;
                    if gone {
                        deleted.push((store.clone(), write.row));
                    }
                }
            }
            store.rows.fetch_add(rows, Ordering::Relaxed);
            drop::<WriteChunk<'_>>(chunk);
        }
        deleted
    }

    /// By how much the number of rows changes, and whether the row is deleted; none if it is stamped already. Since the
    /// locks are free from the commit on, others may have put versions on top.
    fn stamp_row(&self, slot: &mut heap::Version, commit: u64) -> Option<(i64, bool)> {
        let own = |version: &heap::Version| version.writer().is_some_and(|(short, _)| short == self.short);
        let mut version = slot;
        while !own(version) {
            version = version.prev.as_deref_mut()?;
        }
        version.stamp = commit;
        while version.prev.as_deref().is_some_and(own) {
            let rest = version.prev.as_mut().and_then(|older| older.prev.take());
            version.prev = rest;
        }
        let before = version.prev.as_ref().is_some_and(|older| older.data.is_some());
        let deleted = version.data.is_none();
        Some((i64::from(!deleted) - i64::from(before), deleted))
    }

    fn apply_physical(&mut self) {
        let steps = std::mem::take(&mut self.physical);
        // Of several lists of one table's indexes the last holds: it knows those made since.
        let later = |at: usize, store: &Arc<TableStore>| {
            let same = |step: &Physical| matches!(step, Physical::KeepIndexes(other, _) if Arc::ptr_eq(other, store));
            steps[at + 1..].iter().any(same)
        };
        for (at, step) in steps.iter().enumerate() {
            match step {
                Physical::Drop(table) => {
                    self.inner.tables.write().remove(table);
                }
                Physical::KeepIndexes(store, oids) => {
                    if later(at, store) {
                        continue;
                    }
                    let mut parts = store.parts();
                    parts.indexes =
                        Arc::new(parts.indexes.iter().filter(|index| oids.contains(&index.oid)).cloned().collect());
                    store.set_parts(parts);
                }
                Physical::DropSequence(oid) => self.inner.sequences.forget(*oid),
                Physical::Created(_) | Physical::Changed(..) => {}
            }
        }
    }

    /// Leaves the tables of running transactions and lets all locks go.
    fn finish(&mut self) {
        self.finished = true;
        if self.registered {
            self.inner.txns.remove(self.short);
        }
        self.unlock(0, 0, 0);
        if let Some(seat) = self.seat.take() {
            self.inner.seats.leave(seat);
        }
        self.owner.let_go();
    }

    /// Undoes all.
    pub fn rollback(self) {
        drop(self);
    }
}

/// 40001: a cursor does not stand where it was to be moved from.
pub(super) fn consumed_meanwhile() -> SqlError {
    let message = "could not consume: the event was consumed or its queue dropped meanwhile";
    SqlError::new(SqlState::SERIALIZATION_FAILURE, message)
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.levels.clear();
        self.undo_writes(0, 0, 0);
        self.undo_physical(0);
        self.owner.abort();
        self.finish();
    }
}
