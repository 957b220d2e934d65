//! How many records a sync waits for. A write and a sync cost the same for one record as for ten; with many clients the
//! processor has better things to do than to sync for each two of them. So the flusher may wait a moment for more, for half of
//! the time that a sync takes at most, and only while such waits come to fruit: it tries one record more after each
//! success, and after a wait in vain takes what it got and is content with that for a while.

use std::time::Duration;

/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_micros(200);
/// Syncs without a try for more after the first wait in vain, and at most.
const REST: u32 = 16;
const REST_MAX: u32 = 256;

/// How many records the next sync wants, learnt from those before.
#[derive(Debug, Default)]
pub(super) struct Gather {
    want: usize,
    /// Records known to come again soon: those of the last sync and those that came during it.
    known: usize,
    /// Syncs until it tries for more again; what it last wanted in vain, and how long it rested then.
    rest: u32,
    vain: usize,
    rested: u32,
    /// What a sync takes, on the average of late.
    sync: Duration,
}

impl Gather {
    /// For how many records to wait, if more than there are, and how long at most.
    pub(super) fn wish(&self, pending: usize) -> Option<(usize, Duration)> {
        (self.want > pending).then(|| (self.want, (self.sync / 2).min(WAIT_MAX)))
    }

    /// A sync begins, for which `wish` was asked, with so many records.
    pub(super) fn began(&mut self, records: usize) {
        if records < self.want {
            self.rested = if self.want == self.vain { (self.rested * 2).clamp(REST, REST_MAX) } else { REST };
            (self.vain, self.want, self.rest) = (self.want, records, self.rested);
        } else if self.rest > 0 {
            self.rest -= 1;
        } else {
            self.want = (records + 1).min(self.known);
        }
    }

    /// A sync of `records` took `time`; `arrived` came during it.
    pub(super) fn ended(&mut self, records: usize, arrived: usize, time: Duration) {
        self.known = records + arrived;
        self.sync = if self.sync.is_zero() { time } else { (self.sync * 7 + time) / 8 };
        if self.known <= 1 {
            self.want = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(80);

    /// One client: never a wait.
    #[test]
    fn a_lone_committer_waits_for_nobody() {
        let mut gather = Gather::default();
        for _ in 0..100 {
            assert_eq!(gather.wish(1), None);
            gather.began(1);
            gather.ended(1, 0, SYNC);
        }
    }

    /// Sixteen clients of which six come during a sync: it grows to what half a sync's time brings, and stays there.
    #[test]
    fn it_grows_to_what_a_moment_brings() {
        let mut gather = Gather::default();
        let (mut pending, mut vain) = (1, 0);
        for _ in 0..1000 {
            if let Some((want, time)) = gather.wish(pending) {
                assert!(time <= SYNC / 2);
                vain += usize::from(want > 9);
                pending = want.min(9);
            }
            gather.began(pending);
            gather.ended(pending, 6, SYNC);
            pending = 6;
        }
        assert_eq!(gather.wish(6).map_or(9, |(want, _)| want), 9);
        assert!((1..30).contains(&vain), "{vain} waits in vain");
    }
}
