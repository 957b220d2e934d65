//! What a store is told when it opens, what it reports about itself, and how it learns the keys of expression indexes.
//!
//! Nothing here does anything: the types are shared by the parts of the store and by its callers.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{Catalog, IndexDef, TableDef, TableId, TriggerId};
use crate::change::{CommitNo, Position};
use crate::env::UnixMicros;
use crate::error::Result;
use crate::types::{Oid, Value};

use super::outcome::AdvisoryKey;

/// Settings of a store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Bytes of a log segment; pre-zeroed and recycled.
    pub log_segment_bytes: u64,
    /// A checkpoint starts when this many bytes were logged since the last one.
    pub checkpoint_bytes: u64,
    /// Keep at most this many bytes of log for cursors; 0 = no limit.
    pub log_retention_max_bytes: u64,
    /// Bytes of newest log records kept in memory for readers.
    pub log_tail_bytes: usize,
    /// Wait this long before looking for a deadlock.
    pub deadlock_timeout: Duration,
    /// This instance's id in records it originates.
    pub origin: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            log_segment_bytes: 64 << 20,
            checkpoint_bytes: 1 << 30,
            log_retention_max_bytes: 0,
            log_tail_bytes: 64 << 20,
            deadlock_timeout: Duration::from_secs(1),
            origin: 0,
        }
    }
}

/// A step of `Store::open`, for a log line or a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Rows read from the checkpoint so far.
    Checkpoint {
        /// Rows.
        rows: u64,
    },
    /// Log replayed so far.
    Log {
        /// Newest commit replayed.
        commit: CommitNo,
    },
    /// An index is being built.
    Index {
        /// OID of the index.
        index: Oid,
        /// Indexes built before it.
        done: usize,
        /// All indexes to build.
        total: usize,
    },
}

/// Figures for metrics and system views.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names say it; bytes, counts and microseconds")]
pub struct StoreStats {
    pub commits: u64,
    pub newest_commit: u64,
    pub durable_commit: u64,
    pub log_bytes: u64,
    pub log_segments: u64,
    pub syncs: u64,
    pub checkpoints: u64,
    pub last_checkpoint_micros: u64,
    pub rows: u64,
    pub lock_waits: u64,
    pub deadlocks: u64,
}

/// A lock held or waited for, as `pg_locks` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockInfo {
    /// What is locked.
    pub object: LockObject,
    /// The mode's name in PostgreSQL.
    pub mode: &'static str,
    /// The session.
    pub pid: i32,
    /// Its transaction; none for what a session holds by itself.
    pub transaction: Option<u64>,
    /// Since when it is waited for; none if it is held.
    pub waits_since: Option<UnixMicros>,
}

/// What a lock is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockObject {
    /// A table.
    Table(TableId),
    /// A transaction that has written; to wait for it is to wait for a row or key of its.
    Transaction(u64),
    /// An advisory lock.
    Advisory(AdvisoryKey),
}

/// Log entries that a subscriber has lost to `log_retention_max_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose cursor stood before them.
    pub subscriber: TriggerId,
    /// Where its cursor stood.
    pub from: Position,
    /// End of the last commit lost.
    pub to: Position,
    /// When it was lost.
    pub lost_at: UnixMicros,
    /// Row changes lost, by table.
    pub tables: Vec<(TableId, u64)>,
}

/// How far a subscriber's cursor is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorLag {
    /// The subscriber.
    pub subscriber: TriggerId,
    /// Where its cursor stands.
    pub position: Position,
    /// Durable commits after it.
    pub commits: u64,
    /// Commit time of the oldest one after it, if it is still at hand; none when it has caught up.
    pub oldest_at: Option<UnixMicros>,
}

/// A sequence as `SELECT * FROM sequence` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// Last value given out, or the start value if `is_called` is false.
    pub last_value: i64,
    /// Whether `last_value` has been given out.
    pub is_called: bool,
    /// Values left before the log must hear of it again.
    pub log_cnt: i64,
}

/// Computes the key of an expression or partial index; made by the layer that can bind expressions.
pub trait KeyExtractor: Send + Sync {
    /// Values of the index's keys for this row; `None` if the predicate leaves the row out. Errors are the expression's.
    fn key(&self, row: &[Value]) -> Result<Option<Vec<Value>>>;
}

/// Makes `KeyExtractor`s. Asked only for indexes with expressions or a predicate.
pub trait KeyExtractors: Send + Sync {
    /// The extractor of this index.
    fn extractor(&self, catalog: &Catalog, table: &TableDef, index: &IndexDef) -> Result<Arc<dyn KeyExtractor>>;
}
