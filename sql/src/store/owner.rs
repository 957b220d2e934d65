//! `Owner`: what a transaction (or a session that holds advisory locks) is to those who meet it from outside; and the
//! tables that find it: by the transaction id in a version, and by the snapshot it holds against pruning.
//!
//! A commit is one store of the commit number into `Owner::state`: from then on every version that names the
//! transaction counts as committed. The versions get the number itself afterwards, and only then the transaction
//! leaves `TxnTable`. A version is read and stamped under its chunk's lock, so whoever sees a transaction in a version
//! under that lock finds it in the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::task::{Context, Waker};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::catalog::TableId;

/// Bits of a transaction id that fit into a version.
pub(super) const ID_BITS: u32 = 36;
/// Session owners have this bit in their ids, transactions do not.
pub(super) const SESSION_BIT: u64 = 1 << 63;
/// Looks at a busy holder before a waiter sleeps.
const SPINS: u32 = 256;
const RUNNING: u64 = 0;
const ABORTED: u64 = u64::MAX;

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Committed(u64),
    Aborted,
}

/// A holder of locks.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) id: u64,
    pub(super) pid: i32,
    state: AtomicU64,
    /// Rises whenever it lets go of anything.
    epoch: AtomicU64,
    /// Whether a statement or the commit is at work, and does not wait itself: it may let go within microseconds.
    busy: AtomicBool,
    /// How many are in `parked`.
    waiters: AtomicUsize,
    /// Whom to wake when it lets go.
    parked: Mutex<Vec<Arc<Parker>>>,
}

/// Where one thread sleeps, or one task.
#[derive(Debug, Default)]
pub(super) struct Parker {
    /// Whether it was woken, and the task that sleeps here.
    woken: Mutex<(bool, Option<Waker>)>,
    changed: Condvar,
}

impl Parker {
    /// Forgets that it was woken.
    pub(super) fn reset(&self) {
        self.woken.lock().0 = false;
    }

    /// Wakes the thread or task; one that does not sleep yet will not.
    pub(super) fn unpark(&self) {
        let task = {
            let mut woken = self.woken.lock();
            woken.0 = true;
            woken.1.take()
        };
        self.changed.notify_one();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Whether it was woken; if not, the task is woken when it is.
    pub(super) fn poll(&self, cx: &Context<'_>) -> bool {
        let mut woken = self.woken.lock();
        if !woken.0 {
            woken.1 = Some(cx.waker().clone());
        }
        woken.0
    }

    /// Sleeps until it is woken or the time is over; true if it was woken.
    pub(super) fn park(&self, time: Duration) -> bool {
        let mut woken = self.woken.lock();
        if !woken.0 {
            self.changed.wait_for(&mut woken, time);
        }
        woken.0
    }
}

impl Owner {
    pub(super) fn new(id: u64, pid: i32) -> Owner {
        Owner {
            id,
            pid,
            state: AtomicU64::new(RUNNING),
            epoch: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            waiters: AtomicUsize::new(0),
            parked: Mutex::default(),
        }
    }

    /// Its id, if it is a transaction and not a session.
    pub(super) fn transaction(&self) -> Option<u64> {
        (self.id & SESSION_BIT == 0).then_some(self.id)
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::SeqCst) {
            RUNNING => State::Running,
            ABORTED => State::Aborted,
            commit => State::Committed(commit),
        }
    }

    /// Commits: all its versions count as committed from here.
    pub(super) fn commit(&self, commit: u64) {
        self.state.store(commit, Ordering::SeqCst);
    }

    pub(super) fn abort(&self) {
        self.state.store(ABORTED, Ordering::SeqCst);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Says whether it is at work; gives back what was said before.
    pub(super) fn set_busy(&self, busy: bool) -> bool {
        self.busy.swap(busy, Ordering::Relaxed)
    }

    /// Waits without sleeping for an owner that is at work; true if it has let go since `epoch`. A sleep and the wake-up
    /// after it cost more than most statements still take.
    pub(super) fn spin(&self, epoch: u64) -> bool {
        for turn in 0..SPINS {
            if self.epoch() != epoch {
                return true;
            }
            // One between two statements has its client to wait for.
            if !self.busy.load(Ordering::Relaxed) {
                return self.epoch() != epoch;
            }
            if turn < SPINS / 4 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        false
    }

    /// Tells waiters to look again.
    pub(super) fn let_go(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            let parked = {
                let mut parked = self.parked.lock();
                self.waiters.store(0, Ordering::SeqCst);
                std::mem::take(&mut *parked)
            };
            for parker in parked {
                parker.unpark();
            }
        }
    }

    /// Has `parker` woken when it next lets go; false if it has let go since `epoch`.
    pub(super) fn register(&self, parker: &Arc<Parker>, epoch: u64) -> bool {
        let mut parked = self.parked.lock();
        // Counted before the look at the epoch: either this sees that it has let go, or that sees the waiter.
        self.waiters.store(parked.len() + 1, Ordering::SeqCst);
        let same = self.epoch() == epoch;
        if same && !parked.iter().any(|other| Arc::ptr_eq(other, parker)) {
            parked.push(parker.clone());
        }
        self.waiters.store(parked.len(), Ordering::SeqCst);
        same
    }

    /// Has `parker` woken when it next lets go, whatever was before: called by the owner itself.
    pub(super) fn wakes(&self, parker: &Arc<Parker>) {
        let mut parked = self.parked.lock();
        parked.push(parker.clone());
        self.waiters.store(parked.len(), Ordering::SeqCst);
    }

    /// Forgets a waiter that has given up.
    pub(super) fn forget(&self, parker: &Arc<Parker>) {
        let mut parked = self.parked.lock();
        parked.retain(|other| !Arc::ptr_eq(other, parker));
        self.waiters.store(parked.len(), Ordering::SeqCst);
    }
}

const SHARDS: usize = 64;

/// Running transactions that have written, by the id in their versions.
#[derive(Debug)]
pub(super) struct TxnTable {
    shards: Vec<Mutex<HashMap<u64, Arc<Owner>>>>,
}

impl TxnTable {
    pub(super) fn new() -> TxnTable {
        TxnTable { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, short: u64) -> &Mutex<HashMap<u64, Arc<Owner>>> {
        &self.shards[usize::try_from(short % SHARDS as u64).unwrap_or(0)]
    }

    pub(super) fn insert(&self, short: u64, owner: Arc<Owner>) {
        self.shard(short).lock().insert(short, owner);
    }

    pub(super) fn remove(&self, short: u64) {
        self.shard(short).lock().remove(&short);
    }

    pub(super) fn get(&self, short: u64) -> Option<Arc<Owner>> {
        self.shard(short).lock().get(&short).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Owner>> {
        self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// How the transaction stands, without taking a share in it.
    pub(super) fn state(&self, short: u64) -> Option<State> {
        self.shard(short).lock().get(&short).map(|owner| owner.state())
    }
}

const NONE: u64 = u64::MAX;

type Sitter = (Option<Arc<Owner>>, Vec<(TableId, u8)>);

/// One running transaction as the whole store sees it.
#[derive(Debug)]
pub(super) struct Seat {
    /// Oldest commit number that a snapshot of it needs; `NONE` without snapshots.
    oldest: AtomicU64,
    taken: AtomicBool,
    /// Who sits here, and the weak table locks it holds (a bit per mode).
    pub(super) held: Mutex<Sitter>,
}

impl Seat {
    /// The oldest commit that it keeps readable; beyond all of them without snapshots.
    pub(super) fn needs(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }
}

/// All seats, and the horizon: no snapshot is older, now or ever, so a version that is older than the newest one at or
/// below it is garbage.
///
/// A snapshot is published (`Seats::pin`) before it is used: the transaction stores the number, then looks whether
/// the horizon has passed it meanwhile and if so takes a newer one. `advance` raises the horizon first and only then looks at
/// the seats a second time. Each sees the other's store, or the other sees its own; so no one prunes what is pinned.
#[derive(Debug)]
pub(super) struct Seats {
    seats: RwLock<Vec<Arc<Seat>>>,
    free: Mutex<Vec<Arc<Seat>>>,
    /// How many are taken.
    sitting: AtomicUsize,
    claimed: AtomicU64,
    horizon: AtomicU64,
}

impl Seats {
    pub(super) fn new(horizon: u64) -> Seats {
        Seats {
            seats: RwLock::default(),
            free: Mutex::default(),
            sitting: AtomicUsize::new(0),
            claimed: AtomicU64::new(horizon),
            horizon: AtomicU64::new(horizon),
        }
    }

    pub(super) fn sit(&self, owner: Option<Arc<Owner>>) -> Arc<Seat> {
        let free = self.free.lock().pop();
        let seat = free.unwrap_or_else(|| {
            let oldest = AtomicU64::new(NONE);
            let seat = Arc::new(Seat { oldest, taken: AtomicBool::new(false), held: Mutex::default() });
            self.seats.write().push(seat.clone());
            seat
        });
        seat.taken.store(true, Ordering::SeqCst);
        self.sitting.fetch_add(1, Ordering::Relaxed);
        seat.held.lock().0 = owner;
        seat
    }

    pub(super) fn leave(&self, seat: Arc<Seat>) {
        seat.oldest.store(NONE, Ordering::SeqCst);
        {
            let mut held = seat.held.lock();
            held.0 = None;
            held.1.clear();
        }
        seat.taken.store(false, Ordering::SeqCst);
        self.sitting.fetch_sub(1, Ordering::Relaxed);
        self.free.lock().push(seat);
    }

    /// How many transactions are open.
    pub(super) fn sitting(&self) -> usize {
        self.sitting.load(Ordering::Relaxed)
    }

    /// Pins a snapshot chosen by `choose`, which must never give less than the durable commit.
    pub(super) fn pin(&self, seat: &Seat, choose: impl Fn() -> u64) -> u64 {
        loop {
            let commit = choose();
            seat.oldest.store(commit, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if self.claimed.load(Ordering::SeqCst) <= commit {
                return commit;
            }
        }
    }

    /// Sets what the seat still needs; none = nothing.
    pub(super) fn set(seat: &Seat, oldest: Option<u64>) {
        seat.oldest.store(oldest.unwrap_or(NONE), Ordering::SeqCst);
    }

    pub(super) fn horizon(&self) -> u64 {
        self.horizon.load(Ordering::SeqCst)
    }

    /// Raises the horizon as far as the snapshots allow; `durable` is the oldest that a new snapshot can be.
    pub(super) fn advance(&self, durable: u64) {
        let seats = self.seats.read();
        let oldest = || seats.iter().map(|seat| seat.oldest.load(Ordering::SeqCst)).min().unwrap_or(NONE);
        let wish = durable.min(oldest());
        self.claimed.fetch_max(wish, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let sure = wish.min(oldest());
        self.horizon.fetch_max(sure, Ordering::SeqCst);
    }

    /// All weak table locks: holder, table, a bit per mode.
    pub(super) fn weak_locks(&self) -> Vec<(Arc<Owner>, TableId, u8)> {
        let mut out = Vec::new();
        for seat in self.seats.read().iter() {
            let held = seat.held.lock();
            let Some(owner) = held.0.as_ref() else { continue };
            out.extend(held.1.iter().map(|(table, modes)| (owner.clone(), *table, *modes)));
        }
        out
    }

    /// Owners, other than `me`, that hold one of the weak lock modes of `mask` on a table.
    pub(super) fn weak_holders(&self, table: TableId, mask: u8, me: u64, out: &mut Vec<Arc<Owner>>) {
        for seat in self.seats.read().iter() {
            let held = seat.held.lock();
            let Some(owner) = held.0.as_ref().filter(|owner| owner.id != me) else { continue };
            if held.1.iter().any(|(id, modes)| *id == table && modes & mask != 0) {
                out.push(owner.clone());
            }
        }
    }
}
