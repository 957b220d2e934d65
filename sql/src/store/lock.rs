//! Locks that are not versions: row locks of SELECT FOR …, table locks, advisory locks; and waiting for any of them.
//!
//! An uncommitted version is the strongest lock on its row, so most rows are never in the table of row locks; a counter
//! per table lets writers skip it. Weak table locks (ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE) do not conflict with each
//! other: they are only noted in the transaction's seat, unless someone holds or wants a strong one.
//!
//! Nobody sleeps holding a latch. A waiter reads the holder's epoch while it sees the lock held, sleeps until the epoch
//! rises, and tries again from the start; those who wait for one row stand in a line (`line`). After `deadlock_timeout`
//! it looks for a cycle of waiters through itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::TableId;
use crate::change::RowId;
use crate::env::{Env, UnixMicros};
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::config::{LockInfo, LockObject};
use super::line::{Lines, Place, Spot, Ticket, Turn};
use super::outcome::{AdvisoryKey, LockMode, TableLockMode};
use super::owner::{Owner, Parker, Seat, Seats};

/// How often a sleeper looks at its cancel flag by itself: `Locks::interrupt` wakes it at once.
const CANCEL_CHECK: Duration = Duration::from_millis(200);
const SHARDS: usize = 64;
/// The table on whose lock those who change the catalog wait: it is none that anybody knows.
pub(super) const DDL_TABLE: TableId = TableId(0);

impl LockMode {
    /// PostgreSQL's conflict table of row locks.
    pub(super) fn conflicts(self, other: LockMode) -> bool {
        use LockMode::{KeyShare, NoKeyUpdate, Share, Update};
        match (self.min(other), self.max(other)) {
            (KeyShare, KeyShare | Share | NoKeyUpdate) | (Share, Share) => false,
            (KeyShare, Update) | (Share, NoKeyUpdate | Update) | (NoKeyUpdate | Update, _) | (Share, KeyShare) => true,
        }
    }
}

impl TableLockMode {
    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Modes that this one conflicts with, a bit each.
    pub(super) fn conflicts(self) -> u8 {
        match self {
            TableLockMode::AccessShare => 0b1000_0000,
            TableLockMode::RowShare => 0b1100_0000,
            TableLockMode::RowExclusive => 0b1111_0000,
            TableLockMode::ShareUpdateExclusive => 0b1111_1000,
            TableLockMode::Share => 0b1110_1100,
            TableLockMode::ShareRowExclusive => 0b1111_1100,
            TableLockMode::Exclusive => 0b1111_1110,
            TableLockMode::AccessExclusive => 0b1111_1111,
        }
    }

    /// Whether two of these cannot be held at once.
    pub(super) fn conflicts_with(self, other: TableLockMode) -> bool {
        self.conflicts() & other.bit() != 0
    }

    pub(super) fn is_weak(self) -> bool {
        self <= TableLockMode::RowExclusive
    }

    /// The name in deadlock details and pg_locks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TableLockMode::AccessShare => "AccessShareLock",
            TableLockMode::RowShare => "RowShareLock",
            TableLockMode::RowExclusive => "RowExclusiveLock",
            TableLockMode::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            TableLockMode::Share => "ShareLock",
            TableLockMode::ShareRowExclusive => "ShareRowExclusiveLock",
            TableLockMode::Exclusive => "ExclusiveLock",
            TableLockMode::AccessExclusive => "AccessExclusiveLock",
        }
    }
}

/// How a table lock is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Held.
    Held,
    /// Only wanted, by someone who came first.
    Queued,
}

/// What a waiter waits for, for the detail of a deadlock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The end of a transaction.
    Transaction,
    Table(TableLockMode, TableId, Oid),
    Advisory(AdvisoryKey, bool),
}

impl Target {
    fn describe(self, holder: u64) -> String {
        match self {
            Target::Transaction => format!("ShareLock on transaction {holder}"),
            Target::Table(mode, table, database) => {
                format!("{} on relation {} of database {database}", mode.name(), table.0)
            }
            Target::Advisory(key, shared) => {
                let mode = if shared { "ShareLock" } else { "ExclusiveLock" };
                let kind = if key.pair { 2 } else { 1 };
                format!("{mode} on advisory lock [{},{},{},{kind}]", key.database, key.high, key.low)
            }
        }
    }
}

/// What a wait needs to know of the waiter.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    pub(super) owner: &'a Arc<Owner>,
    pub(super) cancel: &'a AtomicBool,
    pub(super) lock_timeout: Option<Duration>,
    /// When its statement runs out of time, by the clock's `elapsed`.
    pub(super) deadline: Option<Duration>,
}

/// What a waiter waits for.
#[derive(Debug)]
enum For {
    /// A holder.
    Holder(Arc<Owner>, Arc<Parker>),
    /// Its turn in a line.
    Line(Spot, Arc<Ticket>),
}

impl For {
    fn parker(&self) -> &Arc<Parker> {
        match self {
            For::Holder(_, parker) => parker,
            For::Line(_, ticket) => ticket.parker(),
        }
    }
}

#[derive(Debug)]
struct Wait {
    pid: i32,
    since: UnixMicros,
    reason: For,
    target: Target,
}

#[derive(Debug)]
struct RowHolder {
    owner: Arc<Owner>,
    mode: LockMode,
}

/// What became of a wish for a row lock.
#[derive(Debug)]
pub(super) enum RowLock {
    /// It is taken.
    Taken,
    /// One as strong was held already.
    Had,
    /// Somebody has one in the way, with its epoch then.
    Conflict(Arc<Owner>, u64),
}

type RowLocks = HashMap<(TableId, RowId), Vec<RowHolder>>;

/// The strong locks of one table.
#[derive(Debug, Default)]
pub(super) struct TableLocks {
    /// Strong locks held or wanted.
    strong: AtomicU32,
    holders: Mutex<Vec<(Arc<Owner>, TableLockMode)>>,
    /// Those who wait for a strong lock: newcomers let them go first for a while.
    wanted: Mutex<Vec<(Arc<Owner>, TableLockMode)>>,
    /// Row locks of SELECT FOR … on the table.
    pub(super) rows: AtomicU64,
}

#[derive(Debug, Default)]
struct AdvisoryHolder {
    owner: Option<Arc<Owner>>,
    shared: u32,
    exclusive: u32,
}

/// All locks of a store.
#[derive(Debug)]
pub(super) struct Locks {
    env: Env,
    deadlock_timeout: Duration,
    rows: Vec<Mutex<RowLocks>>,
    advisory: Mutex<HashMap<AdvisoryKey, Vec<AdvisoryHolder>>>,
    waits: Mutex<HashMap<u64, Wait>>,
    pub(super) lines: Arc<Lines>,
    pub(super) lock_waits: AtomicU64,
    pub(super) deadlocks: AtomicU64,
}

fn cancelled() -> SqlError {
    SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to user request")
}

impl Locks {
    pub(super) fn new(env: Env, deadlock_timeout: Duration) -> Locks {
        Locks {
            env,
            deadlock_timeout,
            rows: (0..SHARDS).map(|_| Mutex::default()).collect(),
            advisory: Mutex::default(),
            waits: Mutex::default(),
            lines: Arc::default(),
            lock_waits: AtomicU64::new(0),
            deadlocks: AtomicU64::new(0),
        }
    }

    /// Sleeps until `holder` has let go of something since `epoch`. Errors: 55P03, 57014, 40P01.
    pub(super) fn wait(&self, waiter: &Waiter<'_>, holder: &Arc<Owner>, epoch: u64, target: Target) -> Result<()> {
        let parker = Arc::<Parker>::default();
        if holder.spin(epoch) || !holder.register(&parker, epoch) {
            return Ok(());
        }
        let result = self.sleep_for(waiter, For::Holder(holder.clone(), parker.clone()), target);
        if result.is_err() {
            holder.forget(&parker);
        }
        result
    }

    /// Waits for one's turn in a line. `holder` was seen in the way, with its epoch then; none if only the line was.
    /// Errors: 55P03, 57014, 40P01.
    pub(super) fn wait_in_line(
        &self,
        waiter: &Waiter<'_>,
        place: &Place,
        holder: Option<(&Arc<Owner>, u64)>,
        target: Target,
    ) -> Result<()> {
        if place.prepare(holder) == Turn::Now {
            return Ok(());
        }
        let result = self.sleep_for(waiter, For::Line(place.spot, place.ticket.clone()), target);
        if result.is_err() {
            place.ticket.give_up();
        }
        result
    }

    /// As `wait_in_line`, but whoever calls it sleeps somewhere else until the place's parker is woken.
    pub(super) fn stand_in_line(&self, place: &Place, holder: Option<(&Arc<Owner>, u64)>) -> Turn {
        let turn = place.prepare(holder);
        if turn == Turn::Sleep {
            self.lock_waits.fetch_add(1, Ordering::Relaxed);
        }
        turn
    }

    fn sleep_for(&self, waiter: &Waiter<'_>, reason: For, target: Target) -> Result<()> {
        self.lock_waits.fetch_add(1, Ordering::Relaxed);
        let me = waiter.owner.id;
        let parker = reason.parker().clone();
        self.waits.lock().insert(me, Wait { pid: waiter.owner.pid, since: self.env.clock.now(), reason, target });
        let mut result = Ok(());
        let busy = waiter.owner.set_busy(false);
        self.env.blocker.block(&mut || result = self.sleep(waiter, &parker));
        waiter.owner.set_busy(busy);
        self.waits.lock().remove(&me);
        result
    }

    /// Wakes what waits for locks in a session, so that it looks at its cancel flag.
    pub(super) fn interrupt(&self, pid: i32) {
        for wait in self.waits.lock().values().filter(|wait| wait.pid == pid) {
            wait.reason.parker().unpark();
        }
    }

    fn sleep(&self, waiter: &Waiter<'_>, parker: &Parker) -> Result<()> {
        let start = self.env.clock.elapsed();
        let mut next_check = self.deadlock_timeout;
        loop {
            if waiter.cancel.load(Ordering::SeqCst) {
                return Err(cancelled());
            }
            let now = self.env.clock.elapsed();
            let waited = now.saturating_sub(start);
            if waiter.deadline.is_some_and(|deadline| now >= deadline) {
                return Err(SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout"));
            }
            if waiter.lock_timeout.is_some_and(|limit| waited >= limit) {
                return Err(SqlError::new(SqlState::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"));
            }
            if waited >= next_check {
                next_check = waited + self.deadlock_timeout;
                self.check_deadlock(waiter.owner.id)?;
            }
            let mut nap = CANCEL_CHECK.min(next_check.saturating_sub(waited));
            if let Some(limit) = waiter.lock_timeout {
                nap = nap.min(limit.saturating_sub(waited));
            }
            if let Some(deadline) = waiter.deadline {
                nap = nap.min(deadline.saturating_sub(now));
            }
            if parker.park(nap.max(Duration::from_micros(100))) && !waiter.cancel.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }

    /// Errors: 40P01 if `me` waits for itself through others. It gives up its place in the graph, so that one of a cycle
    /// is enough.
    fn check_deadlock(&self, me: u64) -> Result<()> {
        let mut waits = self.waits.lock();
        let mut lines = Vec::new();
        let mut at = me;
        loop {
            let Some(wait) = waits.get(&at) else { return Ok(()) };
            let holder = match &wait.reason {
                For::Holder(holder, _) => Some(holder.clone()),
                For::Line(spot, _) => self.lines.holder(*spot),
            };
            let Some(holder) = holder else { return Ok(()) };
            // A session does not wait itself: its transaction does, under the same process.
            let acting = || waits.iter().find(|(_, other)| other.pid == holder.pid && holder.pid != 0);
            let next = match waits.contains_key(&holder.id) {
                true => holder.id,
                false => acting().map_or(holder.id, |(id, _)| *id),
            };
            lines.push(format!(
                "Process {} waits for {}; blocked by process {}.",
                wait.pid,
                wait.target.describe(holder.id),
                holder.pid
            ));
            if next == me {
                break;
            }
            if lines.len() > waits.len() {
                return Ok(());
            }
            at = next;
        }
        waits.remove(&me);
        self.deadlocks.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("deadlock detected: {}", lines.join(" "));
        Err(SqlError::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
            .detail(lines.join("\n"))
            .hint("See server log for query details."))
    }

    /// Advisory locks held, and everything that is waited for.
    pub(super) fn list(&self, out: &mut Vec<LockInfo>) {
        let mode = |shared: bool| if shared { "ShareLock" } else { "ExclusiveLock" };
        for (key, holders) in self.advisory.lock().iter() {
            for held in holders {
                let Some(owner) = held.owner.as_ref() else { continue };
                let modes = [(held.shared, true), (held.exclusive, false)].into_iter().filter(|(count, _)| *count > 0);
                out.extend(modes.map(|(_, shared)| LockInfo {
                    object: LockObject::Advisory(*key),
                    mode: mode(shared),
                    pid: owner.pid,
                    transaction: owner.transaction(),
                    waits_since: None,
                }));
            }
        }
        for (id, wait) in self.waits.lock().iter() {
            let (object, mode) = match wait.target {
                Target::Table(_, DDL_TABLE, _) => continue,
                Target::Table(mode, table, _) => (LockObject::Table(table), mode.name()),
                Target::Advisory(key, shared) => (LockObject::Advisory(key), mode(shared)),
                Target::Transaction => {
                    let holder = match &wait.reason {
                        For::Holder(holder, _) => Some(holder.clone()),
                        For::Line(spot, _) => self.lines.holder(*spot),
                    };
                    let Some(holder) = holder else { continue };
                    (LockObject::Transaction(holder.id), "ShareLock")
                }
            };
            let (transaction, waits_since) = (Some(*id), Some(wait.since));
            out.push(LockInfo { object, mode, pid: wait.pid, transaction, waits_since });
        }
    }

    fn row_shard(&self, table: TableId, row: RowId) -> &Mutex<RowLocks> {
        let hash = row.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(table.0);
        &self.rows[usize::try_from(hash >> 32).unwrap_or(0) % SHARDS]
    }

    /// Someone other than `me` whose lock on the row conflicts with `mode`, with its epoch. Call it under the chunk's lock.
    pub(super) fn row_conflict(
        &self,
        table: TableId,
        row: RowId,
        mode: LockMode,
        me: u64,
    ) -> Option<(Arc<Owner>, u64)> {
        let shard = self.row_shard(table, row).lock();
        let holder = shard.get(&(table, row))?.iter().find(|held| held.owner.id != me && held.mode.conflicts(mode))?;
        Some((holder.owner.clone(), holder.owner.epoch()))
    }

    /// The strongest lock that `me` has on the row.
    pub(super) fn row_held(&self, table: TableId, row: RowId, me: u64) -> Option<LockMode> {
        let shard = self.row_shard(table, row).lock();
        shard.get(&(table, row))?.iter().filter(|held| held.owner.id == me).map(|held| held.mode).max()
    }

    /// Takes a row lock. Call it under the chunk's lock, so that nobody writes the row meanwhile; others may be about to
    /// lock it too, so whether one is in the way is looked at here.
    pub(super) fn row_lock(
        &self,
        locks: &TableLocks,
        table: TableId,
        row: RowId,
        mode: LockMode,
        me: &Arc<Owner>,
    ) -> RowLock {
        let mut shard = self.row_shard(table, row).lock();
        let holders = shard.entry((table, row)).or_default();
        if let Some(other) = holders.iter().find(|held| held.owner.id != me.id && held.mode.conflicts(mode)) {
            return RowLock::Conflict(other.owner.clone(), other.owner.epoch());
        }
        if holders.iter().any(|held| held.owner.id == me.id && held.mode >= mode) {
            return RowLock::Had;
        }
        holders.push(RowHolder { owner: me.clone(), mode });
        locks.rows.fetch_add(1, Ordering::SeqCst);
        RowLock::Taken
    }

    /// Gives a row lock back.
    pub(super) fn row_unlock(&self, locks: &TableLocks, table: TableId, row: RowId, mode: LockMode, me: u64) {
        let mut shard = self.row_shard(table, row).lock();
        let Some(holders) = shard.get_mut(&(table, row)) else { return };
        if let Some(place) = holders.iter().rposition(|held| held.owner.id == me && held.mode == mode) {
            holders.swap_remove(place);
            locks.rows.fetch_sub(1, Ordering::SeqCst);
        }
        if holders.is_empty() {
            shard.remove(&(table, row));
        }
    }

    /// Tries to take a table lock: none if it is taken, else a holder in the way with its epoch.
    #[allow(clippy::too_many_arguments, reason = "what is locked, how, and by whom")]
    pub(super) fn try_table(
        &self,
        seats: &Seats,
        locks: &TableLocks,
        table: TableId,
        mode: TableLockMode,
        me: &Arc<Owner>,
        seat: &Seat,
        polite: bool,
    ) -> Option<(Arc<Owner>, u64, Blocked)> {
        let hard = |found: &(Arc<Owner>, TableLockMode)| (found.0.clone(), found.0.epoch(), Blocked::Held);
        if mode.is_weak() {
            note_weak(seat, table, mode);
            fence(Ordering::SeqCst);
            if locks.strong.load(Ordering::SeqCst) == 0 {
                return None;
            }
            let holders = locks.holders.lock();
            let found = holders.iter().find(|(owner, held)| owner.id != me.id && mode.conflicts() & held.bit() != 0);
            let mut found = found.map(hard);
            if found.is_none() && polite {
                let wanted = locks.wanted.lock();
                let first = wanted.iter().find(|(owner, held)| owner.id != me.id && mode.conflicts() & held.bit() != 0);
                found = first.map(|(owner, _)| (owner.clone(), owner.epoch(), Blocked::Queued));
            }
            if found.is_some() {
                drop_weak(seat, table, mode);
            }
            return found;
        }
        let mut holders = locks.holders.lock();
        if let Some(found) =
            holders.iter().find(|(owner, held)| owner.id != me.id && mode.conflicts() & held.bit() != 0)
        {
            return Some(hard(found));
        }
        locks.strong.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut weak = Vec::new();
        seats.weak_holders(table, mode.conflicts() & 0b111, me.id, &mut weak);
        if let Some(owner) = weak.into_iter().next() {
            let epoch = owner.epoch();
            locks.strong.fetch_sub(1, Ordering::SeqCst);
            drop(holders);
            // It may have let go between the look at its seat and the look at its epoch.
            let mut again = Vec::new();
            seats.weak_holders(table, mode.conflicts() & 0b111, me.id, &mut again);
            let held = again.iter().any(|other| other.id == owner.id);
            return Some((owner, if held { epoch } else { epoch.wrapping_sub(1) }, Blocked::Held));
        }
        holders.push((me.clone(), mode));
        None
    }

    /// Stands in line for a strong lock (`wants`), or leaves the line.
    pub(super) fn queue(locks: &TableLocks, mode: TableLockMode, me: &Arc<Owner>, wants: bool) {
        let mut wanted = locks.wanted.lock();
        if wants {
            wanted.push((me.clone(), mode));
            locks.strong.fetch_add(1, Ordering::SeqCst);
        } else if let Some(place) = wanted.iter().position(|(owner, held)| owner.id == me.id && *held == mode) {
            wanted.swap_remove(place);
            locks.strong.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Lets one who stands in line go first, for a moment.
    pub(super) fn step_back(&self, first: &Arc<Owner>, epoch: u64) {
        let time = self.deadlock_timeout.min(Duration::from_millis(200));
        let parker = Arc::<Parker>::default();
        if first.register(&parker, epoch) {
            self.env.blocker.block(&mut || {
                parker.park(time);
            });
            first.forget(&parker);
        }
    }

    /// The strong locks held on a table.
    pub(super) fn list_strong(locks: &TableLocks, table: TableId, out: &mut Vec<LockInfo>) {
        out.extend(locks.holders.lock().iter().map(|(owner, mode)| LockInfo {
            object: LockObject::Table(table),
            mode: mode.name(),
            pid: owner.pid,
            transaction: owner.transaction(),
            waits_since: None,
        }));
    }

    /// Gives a table lock back.
    pub(super) fn table_unlock(locks: &TableLocks, table: TableId, mode: TableLockMode, me: u64, seat: &Seat) {
        if mode.is_weak() {
            drop_weak(seat, table, mode);
            return;
        }
        let mut holders = locks.holders.lock();
        if let Some(place) = holders.iter().position(|(owner, held)| owner.id == me && *held == mode) {
            holders.swap_remove(place);
            locks.strong.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Tries to take an advisory lock: none if it is taken, else a holder in the way. `allies` are owners whose
    /// locks count as one's own: a transaction and its session.
    pub(super) fn try_advisory(
        &self,
        key: AdvisoryKey,
        shared: bool,
        me: &Arc<Owner>,
        ally: Option<u64>,
    ) -> Option<(Arc<Owner>, u64)> {
        let mut advisory = self.advisory.lock();
        let holders = advisory.entry(key).or_default();
        for held in holders.iter() {
            let Some(owner) = held.owner.as_ref().filter(|owner| owner.id != me.id && Some(owner.id) != ally) else {
                continue;
            };
            if owner.pid == me.pid && me.pid != 0 {
                continue;
            }
            if held.exclusive > 0 || !shared {
                return Some((owner.clone(), owner.epoch()));
            }
        }
        let place = holders.iter().position(|held| held.owner.as_ref().is_some_and(|owner| owner.id == me.id));
        let place = place.unwrap_or_else(|| {
            holders.push(AdvisoryHolder { owner: Some(me.clone()), ..AdvisoryHolder::default() });
            holders.len() - 1
        });
        let count = if shared { &mut holders[place].shared } else { &mut holders[place].exclusive };
        *count += 1;
        None
    }

    /// Whether a session, or its transaction, holds the advisory lock in some form.
    pub(super) fn advisory_held(&self, key: AdvisoryKey, pid: i32) -> bool {
        let advisory = self.advisory.lock();
        let mut holders = advisory.get(&key).into_iter().flatten();
        pid != 0 && holders.any(|held| held.owner.as_ref().is_some_and(|owner| owner.pid == pid))
    }

    /// Gives an advisory lock back once; false if it was not held so.
    pub(super) fn advisory_unlock(&self, key: AdvisoryKey, shared: bool, me: u64) -> bool {
        let mut advisory = self.advisory.lock();
        let Some(holders) = advisory.get_mut(&key) else { return false };
        let Some(place) = holders.iter().position(|held| held.owner.as_ref().is_some_and(|owner| owner.id == me))
        else {
            return false;
        };
        let count = if shared { &mut holders[place].shared } else { &mut holders[place].exclusive };
        if *count == 0 {
            return false;
        }
        *count -= 1;
        if holders[place].shared == 0 && holders[place].exclusive == 0 {
            holders.swap_remove(place);
        }
        if holders.is_empty() {
            advisory.remove(&key);
        }
        true
    }
}

fn note_weak(seat: &Seat, table: TableId, mode: TableLockMode) {
    let mut held = seat.held.lock();
    match held.1.iter_mut().find(|(id, _)| *id == table) {
        Some((_, modes)) => *modes |= mode.bit(),
        None => held.1.push((table, mode.bit())),
    }
}

fn drop_weak(seat: &Seat, table: TableId, mode: TableLockMode) {
    let mut held = seat.held.lock();
    for (_, modes) in held.1.iter_mut().filter(|(id, _)| *id == table) {
        *modes &= !mode.bit();
    }
    held.1.retain(|(_, modes)| *modes != 0);
}

/// One session's advisory locks; dropping it frees them.
#[derive(Debug)]
pub struct SessionLocks {
    pub(super) locks: Arc<Locks>,
    pub(super) owner: Arc<Owner>,
    pub(super) held: Vec<(AdvisoryKey, bool)>,
}

impl SessionLocks {
    /// Gives one lock back; false if it was not held so.
    pub fn unlock(&mut self, key: AdvisoryKey, shared: bool) -> bool {
        let Some(place) = self.held.iter().position(|held| *held == (key, shared)) else { return false };
        self.held.swap_remove(place);
        let unlocked = self.locks.advisory_unlock(key, shared, self.owner.id);
        self.owner.let_go();
        unlocked
    }

    /// Gives all back.
    pub fn unlock_all(&mut self) {
        for (key, shared) in std::mem::take(&mut self.held) {
            self.locks.advisory_unlock(key, shared, self.owner.id);
        }
        self.owner.let_go();
    }

    /// The locks held: key and whether shared, once for each time taken.
    #[must_use]
    pub fn held(&self) -> &[(AdvisoryKey, bool)] {
        &self.held
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-142
    #[test]
    fn row_lock_modes_conflict_as_in_postgresql() {
        let modes = [LockMode::KeyShare, LockMode::Share, LockMode::NoKeyUpdate, LockMode::Update];
        let table = ["...X", "..XX", ".XXX", "XXXX"];
        for (a, line) in modes.iter().zip(table) {
            for (b, expected) in modes.iter().zip(line.bytes()) {
                assert_eq!(a.conflicts(*b), expected == b'X', "{a:?} {b:?}");
            }
        }
    }

    // PG-151
    #[test]
    fn table_lock_conflicts_are_symmetric() {
        use TableLockMode::*;
        let modes = [
            AccessShare,
            RowShare,
            RowExclusive,
            ShareUpdateExclusive,
            Share,
            ShareRowExclusive,
            Exclusive,
            AccessExclusive,
        ];
        for a in modes {
            for b in modes {
                assert_eq!(a.conflicts() & b.bit() != 0, b.conflicts() & a.bit() != 0, "{a:?} {b:?}");
            }
        }
        assert_eq!(Share.conflicts() & Share.bit(), 0);
        assert_ne!(RowExclusive.conflicts() & Share.bit(), 0);
    }
}
