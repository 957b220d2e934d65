//! How rows stand for a writer whose row must not go together with them: the rows of an index range as they may be once
//! every running transaction has ended, whatever any snapshot sees. EXCLUDE constraints are kept by it.

use std::sync::Arc;

use crate::catalog::TableId;
use crate::change::RowId;
use crate::error::{Result, SqlError};
use crate::types::{Oid, Row};

use super::heap;
use super::index::{Bounds, Entry, IndexStore, Key};
use super::lock::Target;
use super::owner::Owner;
use super::range::IndexRange;
use super::txn::Txn;
use super::write::Newest;

/// Index entries looked at in one batch.
const BATCH: usize = 64;

/// What is known of a row.
#[derive(Debug)]
pub enum Standing {
    /// It is there: committed and untouched, or (`own`) written by this transaction.
    Live {
        /// The row.
        row: Row,
        /// Whether this transaction wrote it.
        own: bool,
    },
    /// A running transaction has written or deleted it: one of these may be what remains.
    Pending {
        /// Its versions.
        rows: Vec<Row>,
        /// Whose end will tell.
        holder: Holder,
    },
}

/// A running transaction that stands in the way.
#[derive(Debug)]
pub struct Holder {
    owner: Arc<Owner>,
    epoch: u64,
}

/// Where a look at an index range stands.
#[derive(Debug, Default)]
pub struct StandingCursor {
    bounds: Option<Bounds>,
    after: Option<Entry>,
}

impl Txn {
    /// Appends the next rows that have, or may come to have, a key in the range, in index order, each under every key in
    /// it that it may have; nothing is appended for entries whose rows are gone. False at the end. Errors: 42P01, XX001.
    pub fn standing_batch(
        &mut self,
        table: TableId,
        index: Oid,
        range: &IndexRange,
        cursor: &mut StandingCursor,
        out: &mut Vec<(RowId, Standing)>,
    ) -> Result<bool> {
        let place = self.handle(table)?;
        let index = self.tables[place].indexes.iter().find(|other| other.oid == index).cloned();
        let index = index.ok_or_else(|| SqlError::internal("no such index"))?;
        let bounds = match cursor.bounds.take() {
            Some(bounds) => bounds,
            None => index.bounds(range)?,
        };
        let mut entries = Vec::with_capacity(BATCH);
        index.collect(&bounds, cursor.after.as_ref(), range.reverse, BATCH, &mut entries);
        for (key, row) in &entries {
            let row = RowId(*row);
            if let Some(standing) = self.standing(place, &index, key, row)? {
                out.push((row, standing));
            }
        }
        let more = entries.len() == BATCH;
        cursor.after = entries.pop();
        cursor.bounds = Some(bounds);
        Ok(more)
    }

    /// How a row stands under one of its keys; none if it does not have that key any more.
    fn standing(&mut self, place: usize, index: &IndexStore, key: &Key, row: RowId) -> Result<Option<Standing>> {
        let table = self.tables[place].clone();
        loop {
            let Some(chunk) = table.store.heap.read(row) else { return Ok(None) };
            let Some(slot) = heap::slot(&chunk, row) else { return Ok(None) };
            let decode = |version: &heap::Version| -> Result<Option<Row>> {
                let Some(data) = version.data.as_deref() else { return Ok(None) };
                let found = table.shape.decode(data)?;
                Ok(index.key(&found)?.is_some_and(|(own, _)| own == *key).then_some(found))
            };
            match self.newest_of(slot) {
                Newest::Own(_) => return Ok(decode(slot)?.map(|row| Standing::Live { row, own: true })),
                Newest::Committed(commit) => {
                    let found = decode(slot)?;
                    drop(chunk);
                    self.note(commit);
                    return Ok(found.map(|row| Standing::Live { row, own: false }));
                }
                Newest::Other(owner, epoch, _) => {
                    let mut rows = Vec::new();
                    for version in slot.chain() {
                        rows.extend(decode(version)?);
                        if version.committed(&self.inner.txns).is_some() {
                            break;
                        }
                    }
                    let pending = Standing::Pending { rows, holder: Holder { owner, epoch } };
                    return Ok(Some(pending));
                }
                Newest::Again => {}
            }
            drop(chunk);
            std::thread::yield_now();
        }
    }

    /// Waits until that transaction has ended, or gone back behind what it had written. Errors: those of a wait (55P03,
    /// 57014, 40P01).
    pub fn wait_for_holder(&mut self, holder: &Holder) -> Result<()> {
        self.wait_for(&holder.owner, holder.epoch, Target::Transaction)
    }
}
