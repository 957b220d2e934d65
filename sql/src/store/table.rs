//! A table in memory: its heap, its indexes, its locks, and how its rows are read; and the clearing away of what no
//! snapshot needs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::catalog::{Persistence, TableDef, TableId};
use crate::change::RowId;
use crate::error::Result;
use crate::types::{Row, Value, decode_column, decode_row, row_column_count};

use super::heap::{self, Heap, Version};
use super::index::{IndexStore, Key};
use super::lock::TableLocks;
use super::owner::TxnTable;

/// What a table's stored rows look like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// For each column what rows hold that were stored before it was added.
    missing: Vec<Value>,
}

impl Shape {
    /// Errors: XX001 if a stored default cannot be read.
    pub(super) fn new(def: &TableDef) -> Result<Shape> {
        let missing = def.columns.iter().map(|column| match &column.missing {
            Some(stored) => Ok(decode_row(stored)?.into_iter().next().unwrap_or_default()),
            None => Ok(Value::Null),
        });
        Ok(Shape { missing: missing.collect::<Result<_>>()? })
    }

    /// A whole row from its stored form. Errors: XX001.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Row> {
        let mut row = decode_row(bytes)?;
        if row.len() < self.missing.len() {
            row.extend_from_slice(&self.missing[row.len()..]);
        }
        Ok(row)
    }
}

/// The parts of a table that DDL changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) indexes: Arc<Vec<Arc<IndexStore>>>,
    pub(super) shape: Arc<Shape>,
}

/// A table.
#[derive(Debug)]
pub(super) struct TableStore {
    pub(super) id: TableId,
    pub(super) heap: Heap,
    parts: RwLock<Parts>,
    /// Rises with each change of the parts.
    pub(super) version: AtomicU64,
    pub(super) locks: TableLocks,
    /// Newest commit that wrote it.
    pub(super) last_commit: AtomicU64,
    /// Live rows, about.
    pub(super) rows: AtomicI64,
    pub(super) persistence: Persistence,
}

impl TableStore {
    pub(super) fn new(id: TableId, persistence: Persistence, parts: Parts) -> TableStore {
        TableStore {
            id,
            heap: Heap::default(),
            parts: RwLock::new(parts),
            version: AtomicU64::new(0),
            locks: TableLocks::default(),
            last_commit: AtomicU64::new(0),
            rows: AtomicI64::new(0),
            persistence,
        }
    }

    pub(super) fn is_logged(&self) -> bool {
        self.persistence == Persistence::Permanent
    }

    pub(super) fn parts(&self) -> Parts {
        self.parts.read().clone()
    }

    pub(super) fn set_parts(&self, parts: Parts) {
        *self.parts.write() = parts;
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// The key of a stored row in an index.
    pub(super) fn key_of(index: &IndexStore, shape: &Shape, bytes: &[u8]) -> Result<Option<Key>> {
        if let Some(columns) = index.columns() {
            let stored = row_column_count(bytes);
            let mut values = Vec::with_capacity(columns.len());
            for column in columns {
                values.push(if *column < stored {
                    decode_column(bytes, *column)?
                } else {
                    shape.missing.get(*column).cloned().unwrap_or_default()
                });
            }
            return Ok(Some(index.encode(&mut values.iter())?.0));
        }
        Ok(index.key(&shape.decode(bytes)?)?.map(|(key, _)| key))
    }

    /// Whether a version of the chain has the key. An expression that fails now counts as having it.
    pub(super) fn chain_has(index: &IndexStore, shape: &Shape, slot: Option<&Version>, key: &Key) -> bool {
        let versions = slot.into_iter().flat_map(Version::chain);
        versions
            .filter_map(|version| version.data.as_deref())
            .any(|data| TableStore::key_of(index, shape, data).map_or(true, |found| found.as_ref() == Some(key)))
    }

    /// Removes an entry unless a version still has its key.
    pub(super) fn drop_entry(&self, index: &IndexStore, shape: &Shape, key: &Key, row: RowId) {
        let Some(chunk) = self.heap.read(row) else { return };
        if !TableStore::chain_has(index, shape, heap::slot(&chunk, row), key) {
            index.remove(key, row.0);
        }
    }

    /// Clears a deleted row away: its entries and its slot.
    fn bury(&self, row: RowId, horizon: u64) {
        let parts = self.parts();
        let Some(mut chunk) = self.heap.write(row) else { return };
        let Some(slot) = heap::slot(&chunk, row) else { return };
        if slot.data.is_some() || slot.writer().is_some() || slot.stamp > horizon {
            return;
        }
        for data in slot.chain().filter_map(|version| version.data.as_deref()) {
            for index in parts.indexes.iter() {
                if let Ok(Some(key)) = TableStore::key_of(index, &parts.shape, data) {
                    index.remove(&key, row.0);
                }
            }
        }
        self.heap.free(&mut chunk, row);
    }
}

/// A key that a row no longer has in its newest version.
#[derive(Debug)]
pub(super) struct StaleKey {
    pub(super) table: Arc<TableStore>,
    pub(super) index: Arc<IndexStore>,
    pub(super) key: Key,
    pub(super) row: RowId,
}

impl StaleKey {
    /// Removes the entry if nothing has the key any more.
    pub(super) fn clear(&self) {
        self.table.drop_entry(&self.index, &self.table.parts().shape, &self.key, self.row);
    }
}

#[derive(Debug)]
enum Garbage {
    Row(Arc<TableStore>, RowId),
    Key(StaleKey),
}

/// What commits have left behind, by commit.
#[derive(Debug, Default)]
pub(super) struct Vacuum {
    queue: Mutex<VecDeque<(u64, Garbage)>>,
}

impl Vacuum {
    /// Takes what commit `commit` has deleted and the keys it has changed; clears about as much of what is older.
    pub(super) fn add(&self, commit: u64, rows: Vec<(Arc<TableStore>, RowId)>, keys: Vec<StaleKey>, horizon: u64) {
        let n = rows.len() + keys.len();
        if n == 0 {
            return;
        }
        {
            let mut queue = self.queue.lock();
            queue.extend(rows.into_iter().map(|(table, row)| (commit, Garbage::Row(table, row))));
            queue.extend(keys.into_iter().map(|key| (commit, Garbage::Key(key))));
        }
        self.run(horizon, (n * 2).min(64));
    }

    /// Garbage waiting.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.lock().len()
    }

    /// Clears at most `limit` pieces that no snapshot sees; the number cleared.
    pub(super) fn run(&self, horizon: u64, limit: usize) -> usize {
        let mut due = Vec::new();
        {
            let mut queue = self.queue.lock();
            while due.len() < limit && queue.front().is_some_and(|(commit, _)| *commit <= horizon) {
                due.extend(queue.pop_front());
            }
        }
        for (_, garbage) in &due {
            match garbage {
                Garbage::Row(table, row) => table.bury(*row, horizon),
                Garbage::Key(stale) => {
                    if let Some(mut chunk) = stale.table.heap.write(stale.row)
                        && let Some(slot) = heap::slot_mut(&mut chunk, stale.row)
                    {
                        slot.prune(u64::MAX, &[], horizon);
                    }
                    stale.clear();
                }
            }
        }
        due.len()
    }
}

/// Kept for callers that look at versions directly.
pub(super) fn newest_commit(slot: &Version, txns: &TxnTable) -> Option<(u64, bool)> {
    slot.chain().find_map(|version| version.committed(txns).map(|commit| (commit, version.data.is_some())))
}
