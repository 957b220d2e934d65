//! A snapshot that one transaction hands to others (pg_export_snapshot): all of them read the same rows.
//!
//! What is handed over is a commit number. It can be read for as long as the transaction that exports it holds its seat;
//! who imports it takes a seat of its own first and then looks whether the other one is still held, so that between the two
//! nobody prunes what is about to be read.

use std::sync::Arc;

use crate::change::CommitNo;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::outcome::Isolation;
use super::owner::{Owner, Seat, Seats};
use super::txn::Txn;

/// A snapshot as others can take it.
#[derive(Clone, Debug)]
pub struct ExportedSnapshot {
    commit: CommitNo,
    /// Isolation of the transaction that exported it.
    pub isolation: Isolation,
    /// Its database.
    pub database: Oid,
    owner: Arc<Owner>,
    seat: Arc<Seat>,
}

impl ExportedSnapshot {
    /// The newest commit that it sees.
    #[must_use]
    pub fn commit(&self) -> CommitNo {
        self.commit
    }

    /// Whether the transaction that exported it still runs.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.seat.needs() <= self.commit.0
            && self.seat.held.lock().0.as_ref().is_some_and(|sitter| Arc::ptr_eq(sitter, &self.owner))
    }
}

impl Txn {
    /// The snapshot of the statement that runs, kept readable until the transaction ends.
    /// Errors: 25001 behind a savepoint, whose writes would not be in it.
    pub fn export_snapshot(&mut self) -> Result<ExportedSnapshot> {
        if self.in_savepoint() {
            return Err(SqlError::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "cannot export a snapshot from a subtransaction",
            ));
        }
        let snapshot = self.hold_snapshot();
        Ok(ExportedSnapshot {
            commit: snapshot.commit,
            isolation: self.isolation(),
            database: self.database(),
            owner: self.owner.clone(),
            seat: self.seat().clone(),
        })
    }

    /// Reads from now on what another transaction sees, its uncommitted writes excepted. False if that has ended. This one
    /// must not have read or written yet.
    pub fn import_snapshot(&mut self, snapshot: &ExportedSnapshot) -> bool {
        Seats::set(self.seat(), Some(snapshot.commit.0));
        if !snapshot.is_held() {
            Seats::set(self.seat(), None);
            return false;
        }
        self.note(snapshot.commit.0);
        self.fix_snapshot(snapshot.commit);
        true
    }
}
