//! How the feed's threads hear that something happened. `Fire` is told by the engine and rings; the feed waits: so `fire`
//! need not know `feed`.
//!
//! A signal says that there may be news, not which: whoever wakes looks for itself. No waiter misses one, since it waits
//! for a tick later than the last that it saw.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tripline_sql::change::CommitNo;

/// What wakes the threads of the feed: durable commits, catalog changes, the end.
#[derive(Default)]
pub(crate) struct Signal {
    durable: AtomicU64,
    catalog: AtomicU64,
    ticks: Mutex<Ticks>,
    /// Who waits for anything,
    any: Condvar,
    /// and who waits for anything but commits.
    rare: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Ticks {
    all: u64,
    rare: u64,
}

impl Signal {
    /// A commit became durable.
    pub(crate) fn durable_to(&self, commit: CommitNo) {
        self.durable.fetch_max(commit.0, Ordering::Relaxed);
        self.ticks.lock().all += 1;
        self.any.notify_all();
    }

    /// The catalog changed.
    pub(crate) fn catalog_changed(&self) {
        self.catalog.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// Newest durable commit.
    pub(crate) fn durable(&self) -> CommitNo {
        CommitNo(self.durable.load(Ordering::Relaxed))
    }

    /// Grows with every change of the catalog.
    pub(crate) fn catalog_version(&self) -> u64 {
        self.catalog.load(Ordering::Acquire)
    }

    /// Something happened: whoever waits looks around.
    pub(crate) fn wake(&self) {
        let mut ticks = self.ticks.lock();
        ticks.all += 1;
        ticks.rare += 1;
        self.any.notify_all();
        self.rare.notify_all();
    }

    /// How often something happened, for `wait`.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.lock().all
    }

    /// Waits until something happened since `seen`, at most this long.
    pub(crate) fn wait(&self, seen: u64, longest: Duration) {
        let mut ticks = self.ticks.lock();
        if ticks.all == seen {
            self.any.wait_for(&mut ticks, longest);
        }
    }

    /// How often something happened other than a commit, for `wait_rare`.
    pub(crate) fn rare_ticks(&self) -> u64 {
        self.ticks.lock().rare
    }

    /// Waits until something other than a commit happened since `seen`, at most this long.
    pub(crate) fn wait_rare(&self, seen: u64, longest: Duration) {
        let mut ticks = self.ticks.lock();
        if ticks.rare == seen {
            self.rare.wait_for(&mut ticks, longest);
        }
    }
}
