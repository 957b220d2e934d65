//! How long to wait before a failed delivery is tried again.

use std::time::Duration;

/// A rule of waiting: `first`, then twice as long each time, up to `longest`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

impl Backoff {
    /// Of Lua triggers: the same second each time (CDB-507).
    pub const LUA_TRIGGER: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) };

    /// The wait after this many failures (from 1).
    #[must_use]
    pub fn wait(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1).min(16)).unwrap_or(16);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let rule = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 1000].iter().map(|n| rule.wait(*n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(Backoff::LUA_TRIGGER.wait(7), Duration::from_secs(1));
    }
}
