//! What is known of a relay for people: the counters and the last error, in `tripline.subscriptions` and in the trigger's
//! own statistics (AMI-157).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tripline_sql::catalog::TriggerId;
use tripline_sql::engine::Engine;
use tripline_sql::error::{SqlError, SqlState};

use crate::kind::Instance;

/// Why nothing, or less, arrived.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The connection: not made, lost, or the other side does not speak as it should.
    Broken(String),
    /// The receiver answered with a refusal.
    Refused(String),
    /// Told to stop meanwhile.
    Stopped,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Failure {
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Broken(text) | Failure::Refused(text) => text,
            Failure::Stopped => "stopped",
        }
    }

    /// As the engine's error.
    pub(super) fn error(&self) -> SqlError {
        let state = match self {
            Failure::Refused(_) => SqlState::RAISE_EXCEPTION,
            Failure::Broken(_) | Failure::Stopped => SqlState::CONNECTION_FAILURE,
        };
        SqlError::new(state, self.text())
    }
}

/// Writes the counters of one trigger.
#[derive(Clone)]
pub(super) struct Report {
    engine: Engine,
    id: TriggerId,
    name: String,
    instance: Arc<Instance>,
}

impl Report {
    pub(super) fn new(engine: &Engine, id: TriggerId, name: &str, instance: Arc<Instance>) -> Report {
        Report { engine: engine.clone(), id, name: name.to_owned(), instance }
    }

    /// Handed to the receiver.
    pub(super) fn sent(&self, count: u64) {
        if count > 0 {
            self.instance.executed.fetch_add(count, Ordering::Relaxed);
            self.engine.subscriber_status().update(self.id, |status| status.delivered += count);
        }
    }

    /// Given up.
    pub(super) fn dropped(&self, count: u64) {
        if count > 0 {
            self.engine.subscriber_status().update(self.id, |status| status.dropped += count);
        }
    }

    /// Refused by the receiver, for this reason.
    pub(super) fn rejected(&self, count: u64, why: &str) {
        self.engine.subscriber_status().update(self.id, |status| status.rejected += count);
        self.failed(&Failure::Refused(why.to_owned()));
    }

    /// Something went wrong; it is kept as the last error.
    pub(super) fn failed(&self, failure: &Failure) {
        let now = self.engine.env().clock.now();
        tracing::debug!(trigger = %self.name, "relay: {}", failure.text());
        self.instance.errors.fetch_add(1, Ordering::Relaxed);
        *self.instance.last_error.lock() = Some((now, "relay".to_owned(), failure.error()));
        self.engine.subscriber_status().update(self.id, |status| {
            status.last_error = Some(failure.text().to_owned());
            status.last_error_at = Some(now);
        });
    }
}
