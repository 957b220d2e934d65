//! The capture interface: what a row change is, what a commit record holds, and how readers name a place in the log.
//!
//! A `RowChange` is born only in `exec/write.rs`, whatever the statement. `Hooks` is the door through which triggers take
//! part in it; this crate calls the door and knows nothing of what stands behind it.

mod hooks;
mod procedure;

use serde::{Deserialize, Serialize};

pub use hooks::{
    Attached, FunctionCall, HookContext, Hooks, Mark, NoHooks, Prepared, Put, QueryResult, TriggerError,
    TriggerStatistics, Verdict,
};
pub use procedure::{ProcedureCall, ProcedureShape, Progress, RunningProcedure, Waker};

use crate::catalog::{CatalogChange, TableId, TriggerId};
use crate::env::UnixMicros;
use crate::types::{Oid, Row};

/// Number of a commit: dense, from 1, in the order of the log. 0 is "before every commit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitNo(pub u64);

/// Identifies a transaction for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TxnId(pub u64);

/// Identifies a row of a table for ever; never reused within a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowId(pub u64);

/// A place in the change log: the row change `ordinal` of commit `commit`. A cursor at a position has consumed
/// everything up to and including it. `(n, u32::MAX)` is the end of commit n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The commit.
    pub commit: CommitNo,
    /// The row change within it, from 0.
    pub ordinal: u32,
}

impl Position {
    /// Before the first change ever.
    pub const START: Position = Position { commit: CommitNo(0), ordinal: u32::MAX };

    /// The end of a commit.
    #[must_use]
    pub const fn end_of(commit: CommitNo) -> Position {
        Position { commit, ordinal: u32::MAX }
    }
}

/// A change of one row, with its images: never both missing. Images are whole rows in `TableDef::columns` order.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A new row.
    Insert {
        /// The row.
        new: Row,
    },
    /// A changed row.
    Update {
        /// Before.
        old: Row,
        /// After.
        new: Row,
    },
    /// A row that goes.
    Delete {
        /// The row as it was.
        old: Row,
    },
}

impl RowChange {
    /// The image before, unless it is an insert.
    #[must_use]
    pub fn old(&self) -> Option<&Row> {
        match self {
            RowChange::Insert { .. } => None,
            RowChange::Update { old, .. } | RowChange::Delete { old } => Some(old),
        }
    }

    /// The image after, unless it is a delete.
    #[must_use]
    pub fn new_row(&self) -> Option<&Row> {
        match self {
            RowChange::Delete { .. } => None,
            RowChange::Update { new, .. } | RowChange::Insert { new } => Some(new),
        }
    }
}

/// A row change as the log gives it back.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedChange {
    /// Its place within the commit, from 0.
    pub ordinal: u32,
    /// The table.
    pub table: TableId,
    /// `TableDef::schema_version` when it was written.
    pub schema_version: u32,
    /// The row.
    pub row_id: RowId,
    /// The trigger that wrote it, or `TriggerId::CLIENT`.
    pub writer: TriggerId,
    /// The whole images.
    pub change: RowChange,
}

/// A table emptied by TRUNCATE: one entry, whatever it held (PG-183). It is no row change, so it has no place of its own
/// among positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncation {
    /// How many row changes of the commit come before it.
    pub ordinal: u32,
    /// The table.
    pub table: TableId,
    /// `TableDef::schema_version` then.
    pub schema_version: u32,
    /// The trigger that emptied it, or `TriggerId::CLIENT`.
    pub writer: TriggerId,
    /// Rows that it held.
    pub rows: u64,
}

/// What led to a commit through a trigger: the row change that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The change answered.
    pub position: Position,
    /// How many such steps lie behind it; a client's own commit has 0.
    pub hops: u16,
}

/// One committed transaction.
#[derive(Clone, Debug)]
pub struct CommitRecord {
    /// Its number.
    pub commit: CommitNo,
    /// Its transaction.
    pub txn: TxnId,
    /// When it committed; may step back with the clock.
    pub committed_at: UnixMicros,
    /// OID of the database it changed.
    pub database: Oid,
    /// The instance where the change was first made: 0 here, else the id a relay handed on.
    pub origin: u64,
    /// What led to it, if a trigger did.
    pub cause: Option<Cause>,
    /// Row changes in the order made.
    pub changes: Vec<LoggedChange>,
    /// Tables emptied as a whole, in the order made.
    pub truncations: Vec<Truncation>,
    /// Catalog changes in the order made.
    pub catalog: Vec<CatalogChange>,
    /// Cursors that it moved: subscriber (a trigger) and where it now stands; none: the cursor is dropped.
    pub cursors: Vec<(TriggerId, Option<Position>)>,
}
