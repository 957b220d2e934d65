//! Reading rows: by id, by scan, by index.
//!
//! A scan copies the stored rows of one chunk and lets its lock go before it decodes them; an index look-up copies a
//! batch of entries. Neither holds anything between two calls.

use crate::catalog::TableId;
use crate::change::RowId;
use crate::error::{Result, SqlError};
use crate::types::{Oid, Row, Value};

use super::heap::{self, CHUNK};
use super::index::{Bounds, Entry};
use super::outcome::{Isolation, LockMode, LockOutcome, Snapshot, WaitPolicy};
use super::range::IndexRange;
use super::txn::Txn;

/// Rows of a batch, about.
const BATCH: usize = 256;

/// Where a scan stands.
#[derive(Clone, Debug, Default)]
pub struct ScanCursor {
    started: bool,
    /// Next chunk, and the first one that was not there when the scan began.
    chunk: u64,
    end: u64,
}

/// Where an index scan stands.
#[derive(Clone, Debug, Default)]
pub struct IndexCursor {
    bounds: Option<Bounds>,
    after: Option<Entry>,
    batch: usize,
    done: bool,
}

impl IndexCursor {
    /// A cursor whose first batch is one entry.
    #[must_use]
    pub fn for_one() -> IndexCursor {
        IndexCursor { batch: 1, ..IndexCursor::default() }
    }
}

impl Txn {
    fn is_serializable(&self) -> bool {
        self.options.isolation == Isolation::Serializable
    }

    /// The row as the snapshot sees it. Errors: 42P01, XX001.
    pub fn get(&mut self, table: TableId, row: RowId, snapshot: &Snapshot) -> Result<Option<Row>> {
        let place = self.handle(table)?;
        if self.is_serializable() {
            self.reads.row(table, row);
        }
        self.fetch(place, row, snapshot)
    }

    /// The commit that wrote the row's version of now, or with `newest` the version that came last; none if it is this
    /// transaction, or there is no such row. Errors: 42P01.
    pub fn row_commit(&mut self, table: TableId, row: RowId, snapshot: &Snapshot, newest: bool) -> Result<Option<u64>> {
        let last = Snapshot { commit: self.inner.log.newest(), ..*snapshot };
        let snapshot = if newest { &last } else { snapshot };
        let place = self.handle(table)?;
        let table = &self.tables[place];
        let mut seen = 0;
        if let Some(chunk) = table.store.heap.read(row)
            && let Some(slot) = heap::slot(&chunk, row)
        {
            let own = slot.writer().is_some_and(|(short, _)| self.registered && short == self.short);
            if own {
                return Ok(None);
            }
            self.view(snapshot).find(slot, &mut seen);
        }
        self.note(seen);
        Ok((seen > 0).then_some(seen))
    }

    pub(super) fn fetch(&mut self, place: usize, row: RowId, snapshot: &Snapshot) -> Result<Option<Row>> {
        let table = &self.tables[place];
        let mut seen = 0;
        let found = match table.store.heap.read(row) {
            Some(chunk) => {
                let data = heap::slot(&chunk, row).and_then(|slot| self.view(snapshot).find(slot, &mut seen));
                data.map(|data| table.shape.decode(data)).transpose()
            }
            None => Ok(None),
        };
        self.note(seen);
        found
    }

    /// The newest version, committed or own. Errors: 42P01, XX001.
    pub fn newest(&mut self, table: TableId, row: RowId) -> Result<Option<Row>> {
        let snapshot = Snapshot { commit: self.inner.log.newest(), command: u32::MAX };
        self.get(table, row, &snapshot)
    }

    /// Appends the next rows of the table, in row order; about 256. False at the end. Errors: 42P01, XX001.
    pub fn scan_batch(
        &mut self,
        table: TableId,
        snapshot: &Snapshot,
        cursor: &mut ScanCursor,
        out: &mut Vec<(RowId, Row)>,
    ) -> Result<bool> {
        let place = self.handle(table)?;
        if !cursor.started {
            let heap = &self.tables[place].store.heap;
            *cursor = ScanCursor { started: true, chunk: heap.first_chunk(), end: heap.chunks() };
            if self.is_serializable() {
                self.reads.table(table);
            }
        }
        let goal = out.len() + BATCH / 2;
        let mut seen = 0;
        let mut bytes = std::mem::take(&mut self.scratch);
        let mut rows: Vec<(RowId, usize)> = Vec::with_capacity(BATCH);
        let handle = &self.tables[place];
        let view = self.view(snapshot);
        while cursor.chunk < cursor.end && out.len() < goal {
            bytes.clear();
            rows.clear();
            let first = cursor.chunk * CHUNK;
            cursor.chunk += 1;
            if let Some(chunk) = handle.store.heap.read(RowId(first)) {
                let Some(slots) = chunk.as_ref() else {
                    drop(chunk);
                    cursor.chunk = handle.store.heap.skip_empty(cursor.chunk).min(cursor.end);
                    continue;
                };
                for (row, slot) in (first..).zip(slots.versions.iter()) {
                    if let Some(data) = view.find(slot, &mut seen) {
                        bytes.extend_from_slice(data);
                        rows.push((RowId(row), bytes.len()));
                    }
                }
            }
            let mut from = 0;
            for (row, to) in &rows {
                out.push((*row, handle.shape.decode(&bytes[from..*to])?));
                from = *to;
            }
        }
        bytes.clear();
        self.scratch = bytes;
        self.note(seen);
        Ok(cursor.chunk < cursor.end)
    }

    /// Appends the next rows whose visible version has a key in the range, in index order; few at first, then about 256.
    /// False at the end. Errors: 42P01, 0A000 for a range of a hash index, XX001.
    pub fn index_batch(
        &mut self,
        table: TableId,
        index: Oid,
        range: &IndexRange,
        snapshot: &Snapshot,
        cursor: &mut IndexCursor,
        out: &mut Vec<(RowId, Row)>,
    ) -> Result<bool> {
        let place = self.handle(table)?;
        let handle = self.tables[place].clone();
        let index = handle.indexes.iter().find(|other| other.oid == index);
        let index = index.ok_or_else(|| SqlError::internal("no such index"))?;
        let bounds = match cursor.bounds.take() {
            Some(bounds) => bounds,
            None => {
                let bounds = index.bounds(range)?;
                if self.is_serializable() {
                    self.reads.range(table, index.oid, bounds.clone());
                }
                cursor.batch = if cursor.batch == 0 { 16 } else { cursor.batch };
                bounds
            }
        };
        let goal = out.len() + 1;
        let mut entries = Vec::with_capacity(cursor.batch);
        while !cursor.done && out.len() < goal {
            entries.clear();
            index.collect(&bounds, cursor.after.as_ref(), range.reverse, cursor.batch, &mut entries);
            cursor.done = entries.len() < cursor.batch;
            cursor.batch = (cursor.batch * 4).min(BATCH);
            for (key, row) in &entries {
                let row = RowId(*row);
                if let Some(found) = self.fetch(place, row, snapshot)?
                    && index.key(&found)?.is_some_and(|(own, _)| own == *key)
                {
                    out.push((row, found));
                }
            }
            if let Some(last) = entries.pop() {
                cursor.after = Some(last);
            }
        }
        cursor.bounds = Some(bounds);
        Ok(!cursor.done)
    }

    /// All rows whose index key begins with these values, as the snapshot sees them, in index order. Errors: 42P01, XX001.
    pub fn index_lookup(
        &mut self,
        table: TableId,
        index: Oid,
        key: &[Value],
        snapshot: &Snapshot,
    ) -> Result<Vec<(RowId, Row)>> {
        let place = self.handle(table)?;
        let index_of = self.tables[place].indexes.iter().find(|other| other.oid == index);
        let one = index_of.is_some_and(|index| index.unique && index.width() == key.len());
        if one && !key.iter().any(Value::is_null) {
            return Ok(self.index_first(table, index, key, snapshot)?.into_iter().collect());
        }
        let range = IndexRange { prefix: key.to_vec(), ..IndexRange::default() };
        let (mut found, mut cursor) = (Vec::new(), IndexCursor::default());
        while self.index_batch(table, index, &range, snapshot, &mut cursor, &mut found)? {}
        Ok(found)
    }

    /// Locks the row with exactly this key in a unique index to the end of the transaction: its newest version. None where
    /// that takes more than a look: no row or several have an entry of the key, or the row has just changed. Errors: 40001,
    /// those of a wait.
    pub fn index_lock(
        &mut self,
        table: TableId,
        index: Oid,
        key: &[Value],
        snapshot: &Snapshot,
    ) -> Result<Option<(RowId, Row)>> {
        let place = self.handle(table)?;
        let handle = self.tables[place].clone();
        let index = handle.indexes.iter().find(|other| other.oid == index);
        let Some(index) = index.filter(|index| index.unique && index.width() == key.len()) else { return Ok(None) };
        if self.is_serializable() || key.iter().any(Value::is_null) {
            return Ok(None);
        }
        let (wanted, _) = index.encode(&mut key.iter())?;
        let mut rows = std::mem::take(&mut self.scratch_rows);
        rows.clear();
        index.rows_of(&wanted, &mut rows);
        let only = if let [row] = rows[..] { Some(RowId(row)) } else { None };
        self.scratch_rows = rows;
        let Some(row) = only else { return Ok(None) };
        match self.lock_row(table, row, LockMode::Update, WaitPolicy::Wait, snapshot)? {
            LockOutcome::Current(found) | LockOutcome::Newer(found)
                if index.key(&found)?.is_some_and(|(own, _)| own == wanted) =>
            {
                Ok(Some((row, found)))
            }
            _ => Ok(None),
        }
    }

    /// The row with exactly this key in a unique index, as the snapshot sees it (of several the first found).
    /// Errors: 42P01, XX001.
    pub fn index_first(
        &mut self,
        table: TableId,
        index: Oid,
        key: &[Value],
        snapshot: &Snapshot,
    ) -> Result<Option<(RowId, Row)>> {
        let place = self.handle(table)?;
        let handle = self.tables[place].clone();
        let index = handle.indexes.iter().find(|other| other.oid == index);
        let index = index.ok_or_else(|| SqlError::internal("no such index"))?;
        if self.is_serializable() {
            let range = IndexRange { prefix: key.to_vec(), ..IndexRange::default() };
            let bounds = index.bounds(&range)?;
            self.reads.range(table, index.oid, bounds);
        }
        let (wanted, _) = index.encode(&mut key.iter())?;
        let mut rows = std::mem::take(&mut self.scratch_rows);
        rows.clear();
        index.rows_of(&wanted, &mut rows);
        let mut result = None;
        for row in &rows {
            let row = RowId(*row);
            if let Some(found) = self.fetch(place, row, snapshot)?
                && index.key(&found)?.is_some_and(|(own, _)| own == wanted)
            {
                result = Some((row, found));
                break;
            }
        }
        self.scratch_rows = rows;
        Ok(result)
    }
}
