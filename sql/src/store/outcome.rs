//! The words of a transaction: how it runs, what a statement sees, and how its reads, locks and writes can end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::change::{Cause, CommitNo, RowId};
use crate::types::{Oid, Row};

/// Isolation levels; READ UNCOMMITTED is READ COMMITTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Isolation {
    #[default]
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// What a statement sees: commits up to `commit`, and the own transaction's writes of commands before `command`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Newest commit seen.
    pub commit: CommitNo,
    /// Own writes of commands below this one are seen.
    pub command: u32,
}

/// Row lock modes, weakest first, with PostgreSQL's conflict table (PG-142).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum LockMode {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// Table lock modes, weakest first, with PostgreSQL's conflict matrix (PG-151).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum TableLockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// What to do when a lock is held by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Wait; `lock_timeout` gives 55P03, a deadlock 40P01, cancel 57014.
    Wait,
    /// 55P03 at once.
    NoWait,
    /// Report `LockOutcome::Skipped`.
    SkipLocked,
}

/// Result of locking a row.
#[derive(Clone, Debug, PartialEq)]
pub enum LockOutcome {
    /// Locked; it is still the version that the snapshot sees.
    Current(Row),
    /// Locked; it was changed by a commit after the snapshot: the newest version, for the condition to be checked again.
    /// Under REPEATABLE READ and above this is 40001 instead.
    Newer(Row),
    /// It was deleted by a commit after the snapshot (READ COMMITTED) or by this transaction: leave it out.
    Gone,
    /// Held by another, under SKIP LOCKED.
    Skipped,
    /// This transaction itself has changed it in a command that the snapshot does not see: leave it out.
    SelfModified,
}

/// Result of `Txn::update` and `Txn::delete`.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteOutcome {
    /// Written.
    Done,
    /// Not written: the row is no longer as the caller's snapshot saw it (see `LockOutcome`); it is now locked for update.
    Newer(Row),
    /// Not written: deleted meanwhile.
    Gone,
    /// Not written: changed by this transaction in a command that the snapshot does not see.
    SelfModified,
    /// Not written: this unique index has the key already, in that row.
    Conflict {
        /** OID of the index. */
        index: Oid,
        /** The row that has it. */
        row: RowId,
    },
}

/// Result of `Txn::insert`.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertOutcome {
    /// Written, under this id.
    Done(RowId),
    /// Not written: this unique index has the key already, in that row (committed or this transaction's own; a row of a
    /// transaction in progress is waited for first).
    Conflict {
        /** OID of the index. */
        index: Oid,
        /** The row that has it. */
        row: RowId,
    },
}

/// How a transaction runs.
#[derive(Clone, Debug, Default)]
pub struct TxnOptions {
    /// OID of the database.
    pub database: Oid,
    /// Isolation level.
    pub isolation: Isolation,
    /// What led to it, for a subscriber's transaction.
    pub cause: Option<Cause>,
    /// Origin to record instead of this instance's, for a relay's apply.
    pub origin: Option<u64>,
    /// Backend pid, for deadlock details and lock views.
    pub pid: i32,
    /// Set to make waits end with 57014.
    pub cancel: Arc<AtomicBool>,
    /// Snapshots see at least this commit: the session's own last asynchronous one.
    pub at_least: CommitNo,
}

/// How a transaction commits.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommitOptions {
    /// `synchronous_commit = off`: nobody will wait for durability.
    pub asynchronous: bool,
    /// It may wait for the next commit that does not, for a moment at most: the consumption of events alone.
    pub lazy: bool,
}

/// A committed transaction.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// Its number, or none if it wrote nothing.
    pub commit: Option<CommitNo>,
    /// The client may be told once this commit is durable: its own, or the newest that it has seen.
    pub durable_at: CommitNo,
}

/// A place in a transaction to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(pub u32);

/// What an advisory lock is on: one bigint or two ints, which never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdvisoryKey {
    /// OID of the database.
    pub database: Oid,
    /// Upper half of the bigint, or the first int.
    pub high: u32,
    /// Lower half of the bigint, or the second int.
    pub low: u32,
    /// Whether it was given as two ints.
    pub pair: bool,
}
