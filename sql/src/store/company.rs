//! When the log's writer waits for company.
//!
//! A sync costs the machine some tens of microseconds of CPU however many records it carries. Where committers have
//! other work between their commits (the statements of a transaction, a queue for the CPU), records come in ones and
//! twos, and the CPU that their syncs take is missing for that work. The writer then waits a moment before it begins,
//! so that more records share one sync. Where the committers do nothing but wait for their syncs, every moment that the
//! disk idles is lost, and the writer must not wait.
//!
//! Which of the two it is follows from three averages: how many commits there are between two of the same session (the
//! committers, by Little's law the time between them as well), how many records come in what time, and how long a sync
//! takes. Nothing is measured on a clock beyond what the writer reads anyway.

use std::time::Duration;

/// Committers are asked to give at most one part in so many of their time.
const SHARE: f64 = 12.0;
/// One of so many committers is enough company.
const ENOUGH: f64 = 4.0;
/// Fewer records than this are never enough.
const ENOUGH_MIN: usize = 3;
/// A session that let so many commits of others pass tells nothing about those that are at work now.
const ABSENT: u64 = 4096;
/// Weights of a new commit and of a new sync in their averages.
const COMMIT_WEIGHT: f64 = 1.0 / 64.0;
const SYNC_WEIGHT: f64 = 1.0 / 8.0;
/// A longer rest between syncs counts as this, so that a busy time is seen soon after it.
const REST_MAX: f64 = 10_000.0;

/// What is known about those who commit; times in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Company {
    committers: f64,
    records: f64,
    interval: f64,
    sync: f64,
}

/// A wait for company: until so many records are there, or the time is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Patience {
    pub(super) enough: usize,
    pub(super) window: Duration,
}

impl Company {
    /// A session whose commit before was `previous` (0: it had none) has commit number `commit`.
    pub(super) fn committed(&mut self, commit: u64, previous: u64) {
        let since = commit.saturating_sub(previous);
        if previous != 0 && since <= ABSENT {
            self.committers += (since as f64 - self.committers) * COMMIT_WEIGHT;
        }
    }

    /// A sync of so many records took `sync`; it began `interval` after the one before it.
    pub(super) fn synced(&mut self, records: usize, interval: Duration, sync: Duration) {
        let interval = (interval.as_secs_f64() * 1e6).min(REST_MAX);
        self.records += (records as f64 - self.records) * SYNC_WEIGHT;
        self.interval += (interval - self.interval) * SYNC_WEIGHT;
        self.sync += (sync.as_secs_f64() * 1e6 - self.sync) * SYNC_WEIGHT;
    }

    /// Whether a sync that could begin now had better wait, and for what.
    ///
    /// It waits at most as long as a sync takes, and at most `1 / SHARE` of the time between two commits of a session.
    /// A wait of less than half a sync is not worth its own cost, nor is one in which nobody is expected.
    pub(super) fn patience(&self) -> Option<Patience> {
        if self.records <= 0.0 || self.interval <= 0.0 {
            return None;
        }
        let rate = self.records / self.interval;
        let window = (self.committers / rate / SHARE).min(self.sync);
        if window * 2.0 < self.sync || window * rate < 1.0 {
            return None;
        }
        let enough = (self.committers / ENOUGH).round() as usize;
        Some(Patience { enough: enough.max(ENOUGH_MIN), window: Duration::from_secs_f64(window / 1e6) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `clients` that commit one after the other, each once in `cycle` µs; syncs take `sync` µs.
    fn company(clients: u64, cycle: f64, sync: f64) -> Company {
        let mut company = Company::default();
        let rate = clients as f64 / cycle;
        let records = (rate * sync).ceil();
        let interval = records / rate;
        for turn in 0..100_u64 {
            for client in 0..clients {
                let commit = 1 + turn * clients + client;
                company.committed(commit, commit.saturating_sub(clients));
            }
            let micros = |micros: f64| Duration::from_secs_f64(micros / 1e6);
            company.synced(records as usize, micros(interval), micros(sync));
        }
        company
    }

    #[test]
    fn committers_that_only_wait_for_their_syncs_are_not_kept_waiting() {
        for (clients, cycle) in [(1, 130.0), (4, 200.0), (16, 330.0)] {
            assert_eq!(company(clients, cycle, 100.0).patience(), None, "{clients} clients");
        }
    }

    #[test]
    fn committers_with_other_work_share_a_sync() {
        let patience = company(16, 1450.0, 100.0).patience().unwrap();
        assert_eq!(patience.enough, 4);
        assert!((98..=102).contains(&patience.window.as_micros()), "{patience:?}");
        let patience = company(64, 1300.0, 100.0).patience().unwrap();
        assert_eq!(patience.enough, 16);
    }

    #[test]
    fn nobody_is_waited_for_who_is_not_expected() {
        assert_eq!(company(2, 700.0, 100.0).patience(), None);
        assert_eq!(company(4, 8_000.0, 100.0).patience(), None);
        assert_eq!(Company::default().patience(), None);
    }

    #[test]
    fn a_slow_disk_gathers_enough_by_itself() {
        assert_eq!(company(64, 20_000.0, 10_000.0).patience(), None);
    }

    #[test]
    fn who_was_away_says_nothing_about_who_is_at_work() {
        let mut company = company(16, 1450.0, 100.0);
        let before = company.patience();
        company.committed(1_000_000, 5);
        company.committed(1_000_001, 0);
        assert_eq!(company.patience(), before);
    }
}
