//! The only sources of time and chance, and the only way to wait.
//!
//! Everything that reads a clock, draws a random number or blocks a thread takes it from here, so that a test can
//! hold the clock still, repeat a random sequence from its seed, and see every wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Microseconds since 1970-01-01 00:00:00 UTC.
pub type UnixMicros = i64;

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time. It may step.
    fn now(&self) -> UnixMicros;
    /// Time since some fixed moment. It never goes back.
    fn elapsed(&self) -> Duration;
}

/// A source of random numbers.
pub trait Rng: Send + Sync + fmt::Debug {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
    /// Fills `bytes` with numbers fit for keys and salts.
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Told by the engine before it blocks the calling thread (a lock wait, a long statement), so that an asynchronous
/// front end can hand its thread over. The work always runs, exactly once, before `block` returns.
pub trait Blocker: Send + Sync + fmt::Debug {
    /// Runs `work`, which may block.
    fn block(&self, work: &mut dyn FnMut());
    /// Called in the middle of a statement that turns out to be long: gives the thread's other duties away, if that can
    /// be done, and comes back to go on with the statement (PG-51).
    fn hand_over(&self) {}
}

/// Runs blocking work where it stands: right for tests and for threads of their own.
#[derive(Debug, Default)]
pub struct InlineBlocker;

impl Blocker for InlineBlocker {
    fn block(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn default() -> Self {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> UnixMicros {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The operating system's random numbers.
#[derive(Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks for the machine's randomness")]
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}

/// A repeatable sequence (SplitMix64) for tests and simulations; never for keys.
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        SeededRng(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Time, chance and waiting, handed through the engine as one value.
#[derive(Clone, Debug)]
pub struct Env {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub rng: Arc<dyn Rng>,
    /// How to wait.
    pub blocker: Arc<dyn Blocker>,
}

/// Says when a long piece of work is to tell how far it is: every few seconds, and not at all if it is done before.
#[derive(Debug)]
pub struct Pace {
    clock: Arc<dyn Clock>,
    next: Duration,
}

impl Pace {
    /// Time between two lines.
    const STEP: Duration = Duration::from_secs(3);

    /// Begins now.
    #[must_use]
    pub fn new(env: &Env) -> Pace {
        Pace { clock: env.clock.clone(), next: env.clock.elapsed() + Pace::STEP }
    }

    /// Whether it is time for a line.
    pub fn due(&mut self) -> bool {
        let now = self.clock.elapsed();
        let due = now >= self.next;
        if due {
            self.next = now + Pace::STEP;
        }
        due
    }
}

/// Work that has a thread for itself: when it is time to hand that over (`Blocker::hand_over`).
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    began: Duration,
    patience: Duration,
}

impl Turn {
    /// Begins at this time of the clock.
    #[must_use]
    pub fn new(began: Duration, patience: Duration) -> Turn {
        Turn { began, patience }
    }

    /// Whether the work has lasted longer than its patience. Perhaps nobody is there to take over: it is asked again after
    /// twice the time.
    pub fn is_over(&mut self, now: Duration) -> bool {
        let over = now.saturating_sub(self.began) > self.patience;
        if over {
            self.patience *= 2;
        }
        over
    }
}

impl Default for Env {
    fn default() -> Self {
        Env { clock: Arc::new(SystemClock::default()), rng: Arc::new(SystemRng), blocker: Arc::new(InlineBlocker) }
    }
}
