//! What the front end counts, as Prometheus text together with the engine's own figures.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use tripline_sql::engine::Engine;

/// Counters of the front end; all rise only, but `open`.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    connections: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
    authentication_failures: AtomicU64,
    statements: AtomicU64,
    parses: AtomicU64,
    errors: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Metrics {
    /// A connection was accepted.
    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections at this moment, those without a session included.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// A connection was refused before it could say anything.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A client could not prove who it is.
    pub(crate) fn authentication_failed(&self) {
        self.authentication_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A Query or Execute message.
    pub(crate) fn statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    /// A Parse message.
    pub(crate) fn parse(&self) {
        self.parses.fetch_add(1, Ordering::Relaxed);
    }

    /// An error was reported to a client.
    pub(crate) fn error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes went to a client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// All figures in Prometheus' text format.
    pub(crate) fn render(&self, engine: &Engine) -> String {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = engine.stats();
        let sessions = engine.sessions().iter().filter(|session| !session.internal).count() as u64;
        let mut text = String::new();
        for (name, kind, help, value) in [
            ("connections_total", "counter", "Connections accepted.", get(&self.connections)),
            ("connections_open", "gauge", "Connections at this moment.", self.open()),
            ("connections_refused_total", "counter", "Connections refused at the limit.", get(&self.refused)),
            ("sessions", "gauge", "Client sessions at this moment.", sessions),
            ("authentication_failures_total", "counter", "Failed authentications.", get(&self.authentication_failures)),
            ("statements_total", "counter", "Query and Execute messages.", get(&self.statements)),
            ("parses_total", "counter", "Parse messages.", get(&self.parses)),
            ("errors_total", "counter", "Errors reported to clients.", get(&self.errors)),
            ("sent_bytes_total", "counter", "Bytes sent to clients.", get(&self.sent_bytes)),
            ("commits_total", "counter", "Commits since the start.", stats.commits),
            ("commit_newest", "gauge", "Number of the newest commit.", stats.newest_commit),
            ("commit_durable", "gauge", "Number of the newest durable commit.", stats.durable_commit),
            ("log_bytes_total", "counter", "Bytes written to the change log.", stats.log_bytes),
            ("log_segments", "gauge", "Segments of the change log.", stats.log_segments),
            ("log_syncs_total", "counter", "Syncs of the change log.", stats.syncs),
            ("checkpoints_total", "counter", "Checkpoints made.", stats.checkpoints),
            ("checkpoint_last_microseconds", "gauge", "Length of the last checkpoint.", stats.last_checkpoint_micros),
            ("rows", "gauge", "Rows in memory.", stats.rows),
            ("lock_waits_total", "counter", "Waits for locks.", stats.lock_waits),
            ("deadlocks_total", "counter", "Deadlocks found.", stats.deadlocks),
        ] {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "# HELP tripline_{name} {help}\n# TYPE tripline_{name} {kind}\ntripline_{name} {value}\n");
        }
        subscribers(engine, stats.durable_commit, &mut text);
        text
    }
}

/// One line per subscriber and figure.
fn subscribers(engine: &Engine, durable: u64, text: &mut String) {
    let mut states = engine.subscriber_status().all();
    if states.is_empty() {
        return;
    }
    states.sort_by_key(|(id, _)| id.0);
    text.push_str("# HELP tripline_subscriber_delivered_total Entries handled since the start.\n# TYPE tripline_subscriber_delivered_total counter\n");
    for (id, state) in &states {
        let _ = writeln!(text, "tripline_subscriber_delivered_total{{subscriber=\"{}\"}} {}", id.0, state.delivered);
    }
    text.push_str("# HELP tripline_subscriber_lag_commits Durable commits that it has not handled.\n# TYPE tripline_subscriber_lag_commits gauge\n");
    for (id, state) in &states {
        if let Some(position) = state.position {
            let lag = durable.saturating_sub(position.commit.0);
            let _ = writeln!(text, "tripline_subscriber_lag_commits{{subscriber=\"{}\"}} {lag}", id.0);
        }
    }
}
