//! What a SERIALIZABLE transaction has read, and whether a commit since its snapshot has changed any of it.

use std::sync::atomic::Ordering;

use crate::catalog::TableId;
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::heap;
use super::index::Bounds;
use super::table::{TableStore, newest_commit};
use super::txn::Txn;

/// More reads than this are kept as whole tables.
const MAX: usize = 10_000;

/// The reads of one transaction; stays empty below SERIALIZABLE.
#[derive(Debug, Default)]
pub(super) struct ReadSet {
    tables: Vec<TableId>,
    rows: Vec<(TableId, RowId)>,
    ranges: Vec<(TableId, Oid, Bounds)>,
}

fn conflict() -> SqlError {
    let message = "could not serialize access due to read/write dependencies among transactions";
    SqlError::new(SqlState::SERIALIZATION_FAILURE, message)
        .detail("Reason code: Canceled on identification as a pivot, during commit attempt.")
        .hint("The transaction might succeed if retried.")
}

impl ReadSet {
    pub(super) fn table(&mut self, table: TableId) {
        if !self.tables.contains(&table) {
            self.tables.push(table);
        }
    }

    pub(super) fn row(&mut self, table: TableId, row: RowId) {
        if self.rows.len() >= MAX {
            return self.table(table);
        }
        self.rows.push((table, row));
    }

    pub(super) fn range(&mut self, table: TableId, index: Oid, bounds: Bounds) {
        if self.ranges.len() >= MAX {
            return self.table(table);
        }
        self.ranges.push((table, index, bounds));
    }

    /// Errors: 40001. Runs in the commit mutex, so no commit comes between this and the transaction's own.
    pub(super) fn validate(&self, txn: &Txn, snapshot: u64) -> Result<()> {
        let newer = |table: TableId| -> Option<std::sync::Arc<TableStore>> {
            let store = txn.inner.table(table).ok()?;
            (store.last_commit.load(Ordering::SeqCst) > snapshot).then_some(store)
        };
        if self.tables.iter().any(|table| newer(*table).is_some()) {
            return Err(conflict());
        }
        let changed = |store: &TableStore, row: RowId| {
            let Some(chunk) = store.heap.read(row) else { return false };
            let newest = heap::slot(&chunk, row).and_then(|slot| newest_commit(slot, &txn.inner.txns));
            newest.is_some_and(|(commit, _)| commit > snapshot)
        };
        for (table, row) in &self.rows {
            if newer(*table).is_some_and(|store| changed(&store, *row)) {
                return Err(conflict());
            }
        }
        for (table, index, bounds) in &self.ranges {
            let Some(store) = newer(*table) else { continue };
            let parts = store.parts();
            let Some(index) = parts.indexes.iter().find(|other| other.oid == *index) else { return Err(conflict()) };
            let (mut entries, mut after) = (Vec::new(), None);
            loop {
                index.collect(bounds, after.as_ref(), false, 256, &mut entries);
                if entries.iter().any(|(_, row)| changed(&store, RowId(*row))) {
                    return Err(conflict());
                }
                match entries.pop() {
                    Some(last) => after = Some(last),
                    None => break,
                }
                entries.clear();
            }
        }
        Ok(())
    }
}
