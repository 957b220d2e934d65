//! The bytes of one commit record, version 1, little-endian:
//!
//! ```text
//!  0 u32  checksum (crc32, seeded with the segment's number) of bytes 4..72
//!  4 u32  length of the body
//!  8 u32  checksum (crc32) of the body
//! 12 u8   version = 1
//! 13 u8   1 = there is a cause
//! 14 u16  hops of the cause
//! 16 u64  commit number
//! 24 u64  transaction
//! 32 i64  commit time, microseconds since 1970
//! 40 u64  origin
//! 48 u64  cause: commit
//! 56 u32  cause: ordinal
//! 60 u32  OID of the database
//! 64 u64  newest commit known to be durable when this was written
//! 72 …    body: entries, each a tag byte and
//!         0 context   u32 table, u32 schema version, u32 writer: of the changes that follow
//!         1 insert    u64 row, u32 n, n bytes new row
//!         2 update    u64 row, u32 n, n bytes new row, u16 m, m bytes bitmap of changed columns,
//!                     u32 k, k bytes row of their old values
//!         3 delete    u64 row, u32 n, n bytes old row
//!         4 catalog   u32 n, n bytes CBOR of a `CatalogChange`
//!         5 cursor    u32 subscriber, u8 0 = dropped, 1 = here, 2 = here or further, if there is one; u64 commit, u32 ordinal
//!         6 sequence  u32 OID, i64 value up to which it may have given out, u8 called
//!         7 truncate  u64 rows: all rows of the context's table are gone
//! ```
//!
//! Rows are in the form of `types::encode_row`. The checksum's seed makes bytes left over from a segment's earlier use
//! invalid. The durable number tells damage from a torn write: a record that is bad although a later one says that it
//! had been synced was damaged; otherwise nobody was ever told of it.

use crate::catalog::{CatalogChange, TableId, TriggerId};
use crate::change::{Cause, CommitNo, CommitRecord, LoggedChange, Position, RowChange, RowId, Truncation, TxnId};
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Oid, Value, decode_row, encode_row};

/// Bytes before the body.
pub(super) const HEADER: usize = 72;
const VERSION: u8 = 1;

/// What stands in a record's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) body_len: u32,
    body_crc: u32,
    pub(super) commit: u64,
    pub(super) txn: u64,
    pub(super) committed_at: i64,
    origin: u64,
    cause: Option<Cause>,
    database: Oid,
    pub(super) synced: u64,
}

impl Header {
    /// Bytes of the whole record.
    pub(super) fn len(&self) -> u64 {
        HEADER as u64 + u64::from(self.body_len)
    }

    /// Whether these bytes are the body that the header was written with.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_len as usize && crc32fast::hash(body) == self.body_crc
    }
}

fn header_crc(bytes: &[u8], segment: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&bytes[4..HEADER]);
    hasher.finalize()
}

/// Reads a header; none if it was not written to this segment, or is torn.
pub(super) fn read_header(bytes: &[u8], segment: u64) -> Option<Header> {
    if bytes.len() < HEADER || bytes[12] != VERSION || header_crc(bytes, segment) != u32_at(bytes, 0) {
        return None;
    }
    Some(parse_header(bytes))
}

fn parse_header(bytes: &[u8]) -> Header {
    let position = Position { commit: CommitNo(u64_at(bytes, 48)), ordinal: u32_at(bytes, 56) };
    let hops = u16::from_le_bytes([bytes[14], bytes[15]]);
    Header {
        body_len: u32_at(bytes, 4),
        body_crc: u32_at(bytes, 8),
        commit: u64_at(bytes, 16),
        txn: u64_at(bytes, 24),
        committed_at: u64_at(bytes, 32).cast_signed(),
        origin: u64_at(bytes, 40),
        cause: (bytes[13] == 1).then_some(Cause { position, hops }),
        database: u32_at(bytes, 60),
        synced: u64_at(bytes, 64),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Sets what is only known when the record gets its place in the order.
pub(super) fn set_commit(bytes: &mut [u8], commit: u64, committed_at: i64) {
    bytes[16..24].copy_from_slice(&commit.to_le_bytes());
    bytes[32..40].copy_from_slice(&committed_at.to_le_bytes());
}

/// Sets what is only known when the record is written: `header` is its first `HEADER` bytes.
pub(super) fn seal(header: &mut [u8], segment: u64, synced: u64) {
    header[64..72].copy_from_slice(&synced.to_le_bytes());
    let crc = header_crc(header, segment);
    header[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// Room for a record that triggers add to, in bytes.
const TRIGGERED: usize = 1024;

/// A record being built while its transaction runs.
#[derive(Debug, Default)]
pub(super) struct RecordBuilder {
    bytes: Vec<u8>,
    /// Table, schema version and writer of the last change.
    context: Option<(TableId, u32, TriggerId)>,
    changes: u32,
}

/// A place in a record to come back to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    len: usize,
    changes: u32,
}

impl RecordBuilder {
    pub(super) fn mark(&self) -> Mark {
        Mark { len: self.bytes.len(), changes: self.changes }
    }

    /// Forgets all after the mark.
    pub(super) fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.len);
        self.changes = mark.changes;
        self.context = None;
    }

    /// Whether anything was added.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER
    }

    fn open(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.reserve(HEADER + 184);
            self.bytes.resize(HEADER, 0);
        }
    }

    fn enter(&mut self, table: TableId, schema: u32, writer: TriggerId) {
        self.open();
        if self.context != Some((table, schema, writer)) {
            // Triggers seldom write one row of one table alone.
            if writer != TriggerId::CLIENT && self.bytes.capacity() < TRIGGERED {
                self.bytes.reserve(TRIGGERED);
            }
            self.context = Some((table, schema, writer));
            self.bytes.push(0);
            self.bytes.extend_from_slice(&table.0.to_le_bytes());
            self.bytes.extend_from_slice(&schema.to_le_bytes());
            self.bytes.extend_from_slice(&writer.0.to_le_bytes());
        }
    }

    fn change(&mut self, tag: u8, table: TableId, schema: u32, writer: TriggerId, row: RowId) {
        self.enter(table, schema, writer);
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&row.0.to_le_bytes());
        self.changes = self.changes.saturating_add(1);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn insert(&mut self, table: TableId, schema: u32, writer: TriggerId, row: RowId, new: &[u8]) {
        self.change(1, table, schema, writer, row);
        self.blob(new);
    }

    /// `old` gives the values of the columns that the bitmap names.
    #[allow(clippy::too_many_arguments, reason = "the fields of the entry")]
    pub(super) fn update(
        &mut self,
        table: TableId,
        schema: u32,
        writer: TriggerId,
        row: RowId,
        new: &[u8],
        changed: &[u8],
        old: &[u8],
    ) {
        self.change(2, table, schema, writer, row);
        self.blob(new);
        self.bytes.extend_from_slice(&u16::try_from(changed.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend_from_slice(changed);
        self.blob(old);
    }

    pub(super) fn delete(&mut self, table: TableId, schema: u32, writer: TriggerId, row: RowId, old: &[u8]) {
        self.change(3, table, schema, writer, row);
        self.blob(old);
    }

    /// The table is emptied of so many rows, in one entry.
    pub(super) fn truncate_table(&mut self, table: TableId, schema: u32, writer: TriggerId, rows: u64) {
        self.enter(table, schema, writer);
        self.bytes.push(7);
        self.bytes.extend_from_slice(&rows.to_le_bytes());
    }

    pub(super) fn catalog(&mut self, change: &CatalogChange) -> Result<()> {
        self.open();
        let mut cbor = Vec::new();
        ciborium::into_writer(change, &mut cbor).map_err(SqlError::internal)?;
        self.bytes.push(4);
        self.blob(&cbor);
        Ok(())
    }

    pub(super) fn cursor(&mut self, subscriber: TriggerId, to: Option<Position>) {
        self.put_cursor(subscriber, u8::from(to.is_some()), to.unwrap_or(Position::START));
    }

    /// These cursors stand here or further, where there still is one.
    pub(super) fn passing(&mut self, moves: &[(TriggerId, Position)]) {
        for (subscriber, to) in moves {
            self.put_cursor(*subscriber, 2, *to);
        }
    }

    fn put_cursor(&mut self, subscriber: TriggerId, what: u8, to: Position) {
        self.open();
        self.bytes.push(5);
        self.bytes.extend_from_slice(&subscriber.0.to_le_bytes());
        self.bytes.push(what);
        self.bytes.extend_from_slice(&to.commit.0.to_le_bytes());
        self.bytes.extend_from_slice(&to.ordinal.to_le_bytes());
    }

    pub(super) fn sequence(&mut self, sequence: Oid, value: i64, called: bool) {
        self.open();
        self.bytes.push(6);
        self.bytes.extend_from_slice(&sequence.to_le_bytes());
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self.bytes.push(u8::from(called));
    }

    /// The record, with everything but its number, time and place. Errors: 54000 if it is too large to be one.
    pub(super) fn finish(mut self, txn: TxnId, database: Oid, origin: u64, cause: Option<Cause>) -> Result<Vec<u8>> {
        self.open();
        let body_len = u32::try_from(self.bytes.len() - HEADER).map_err(|_| too_large())?;
        if body_len > u32::MAX - 1024 {
            return Err(too_large());
        }
        let body_crc = crc32fast::hash(&self.bytes[HEADER..]);
        let bytes = &mut self.bytes;
        bytes[4..8].copy_from_slice(&body_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&body_crc.to_le_bytes());
        bytes[12] = VERSION;
        bytes[24..32].copy_from_slice(&txn.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&origin.to_le_bytes());
        if let Some(cause) = cause {
            bytes[13] = 1;
            bytes[14..16].copy_from_slice(&cause.hops.to_le_bytes());
            bytes[48..56].copy_from_slice(&cause.position.commit.0.to_le_bytes());
            bytes[56..60].copy_from_slice(&cause.position.ordinal.to_le_bytes());
        }
        bytes[60..64].copy_from_slice(&database.to_le_bytes());
        Ok(self.bytes)
    }
}

fn too_large() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "transaction is too large to be logged")
        .detail("A transaction's changes may have 4 GiB together.")
}

/// What changed in a row, in stored form.
#[derive(Clone, Copy, Debug)]
pub(super) enum StoredChange<'a> {
    Insert { new: &'a [u8] },
    Update { new: &'a [u8], changed: &'a [u8], old: &'a [u8] },
    Delete { old: &'a [u8] },
}

/// One entry of a body.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    Row { table: TableId, schema: u32, writer: TriggerId, row: RowId, change: StoredChange<'a> },
    Catalog(CatalogChange),
    Cursor(TriggerId, Option<Position>),
    Passing(TriggerId, Position),
    Sequence { oid: Oid, value: i64, called: bool },
    Truncate { table: TableId, schema: u32, writer: TriggerId, rows: u64 },
}

/// Walks the entries of a body.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    context: (TableId, u32, TriggerId),
}

fn damaged() -> SqlError {
    SqlError::new(SqlState::DATA_CORRUPTED, "invalid entry in a commit record")
}

impl<'a> Entries<'a> {
    pub(super) fn new(body: &'a [u8]) -> Entries<'a> {
        Entries { rest: body, context: (TableId(0), 0, TriggerId::CLIENT) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32_at(self.take(4)?, 0))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64_at(self.take(8)?, 0))
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn blob(&mut self) -> Result<&'a [u8]> {
        let n = self.u32()?;
        self.take(n as usize)
    }

    /// The next entry. Errors: XX001.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'a>>> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let tag = self.u8()?;
            if tag == 0 {
                self.context = (TableId(self.u32()?), self.u32()?, TriggerId(self.u32()?));
                continue;
            }
            return self.entry(tag).map(Some);
        }
    }

    fn entry(&mut self, tag: u8) -> Result<Entry<'a>> {
        let change = match tag {
            4 => return Ok(Entry::Catalog(ciborium::from_reader(self.blob()?).map_err(|_| damaged())?)),
            5 => {
                let (subscriber, what) = (TriggerId(self.u32()?), self.u8()?);
                let to = Position { commit: CommitNo(self.u64()?), ordinal: self.u32()? };
                return Ok(match what {
                    2 => Entry::Passing(subscriber, to),
                    kept => Entry::Cursor(subscriber, (kept == 1).then_some(to)),
                });
            }
            6 => {
                let (oid, value) = (self.u32()?, self.u64()?.cast_signed());
                return Ok(Entry::Sequence { oid, value, called: self.u8()? == 1 });
            }
            7 => {
                let (table, schema, writer) = self.context;
                return Ok(Entry::Truncate { table, schema, writer, rows: self.u64()? });
            }
            tag => tag,
        };
        let row = RowId(self.u64()?);
        let change = match change {
            1 => StoredChange::Insert { new: self.blob()? },
            2 => {
                let new = self.blob()?;
                let m = self.take(2)?;
                let changed = self.take(usize::from(u16::from_le_bytes([m[0], m[1]])))?;
                StoredChange::Update { new, changed, old: self.blob()? }
            }
            3 => StoredChange::Delete { old: self.blob()? },
            _ => return Err(damaged()),
        };
        let (table, schema, writer) = self.context;
        Ok(Entry::Row { table, schema, writer, row, change })
    }
}

/// The bitmap of changed columns and the stored row of their old values.
pub(super) fn difference(old: &[Value], new: &[Value], bitmap: &mut Vec<u8>, values: &mut Vec<u8>) {
    bitmap.clear();
    values.clear();
    bitmap.resize(new.len().div_ceil(8), 0);
    let mut changed = Vec::new();
    for (place, value) in new.iter().enumerate() {
        let before = old.get(place).unwrap_or(&Value::Null);
        if !same(before, value) {
            bitmap[place / 8] |= 1 << (place % 8);
            changed.push(before.clone());
        }
    }
    encode_row(&changed, values);
}

/// Whether two values are stored alike. Equal is not enough: 1.0 and 1.00 are equal numerics.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float4(a), Value::Float4(b)) => a.to_bits() == b.to_bits(),
        (Value::Float8(a), Value::Float8(b)) => a.to_bits() == b.to_bits(),
        (
            Value::Numeric(_) | Value::Jsonb(_) | Value::Array(_) | Value::Record(_),
            Value::Numeric(_) | Value::Jsonb(_) | Value::Array(_) | Value::Record(_),
        ) => {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            encode_row(std::slice::from_ref(left), &mut a);
            encode_row(std::slice::from_ref(right), &mut b);
            a == b
        }
        (left, right) => left == right,
    }
}

/// The images of a stored change.
pub(super) fn decode_change(change: StoredChange<'_>) -> Result<RowChange> {
    Ok(match change {
        StoredChange::Insert { new } => RowChange::Insert { new: decode_row(new)? },
        StoredChange::Delete { old } => RowChange::Delete { old: decode_row(old)? },
        StoredChange::Update { new, changed, old } => {
            let new = decode_row(new)?;
            let mut values = decode_row(old)?.into_iter();
            let mut old = new.clone();
            for (place, value) in old.iter_mut().enumerate() {
                if changed.get(place / 8).is_some_and(|bits| bits >> (place % 8) & 1 == 1) {
                    *value = values.next().ok_or_else(damaged)?;
                }
            }
            RowChange::Update { old, new }
        }
    })
}

/// A whole record. `bytes` is one whose checksums are right. Errors: XX001.
pub(super) fn decode(bytes: &[u8]) -> Result<CommitRecord> {
    if bytes.len() < HEADER {
        return Err(damaged());
    }
    let header = parse_header(bytes);
    let mut record = CommitRecord {
        commit: CommitNo(header.commit),
        txn: TxnId(header.txn),
        committed_at: header.committed_at,
        database: header.database,
        origin: header.origin,
        cause: header.cause,
        changes: Vec::new(),
        truncations: Vec::new(),
        catalog: Vec::new(),
        cursors: Vec::new(),
    };
    let mut entries = Entries::new(&bytes[HEADER..]);
    while let Some(entry) = entries.next()? {
        match entry {
            Entry::Row { table, schema, writer, row, change } => record.changes.push(LoggedChange {
                ordinal: u32::try_from(record.changes.len()).map_err(|_| damaged())?,
                table,
                schema_version: schema,
                row_id: row,
                writer,
                change: decode_change(change)?,
            }),
            Entry::Catalog(change) => record.catalog.push(change),
            Entry::Cursor(subscriber, to) => record.cursors.push((subscriber, to)),
            Entry::Truncate { table, schema, writer, rows } => record.truncations.push(Truncation {
                ordinal: u32::try_from(record.changes.len()).map_err(|_| damaged())?,
                table,
                schema_version: schema,
                writer,
                rows,
            }),
            Entry::Passing(..) | Entry::Sequence { .. } => {}
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_whole_images() {
        let (old, new) = (
            vec![Value::Int8(1), Value::text("a"), Value::Null],
            vec![Value::Int8(1), Value::text("b"), Value::Float8(0.5)],
        );
        let (mut stored, mut bitmap, mut values) = (Vec::new(), Vec::new(), Vec::new());
        encode_row(&new, &mut stored);
        difference(&old, &new, &mut bitmap, &mut values);
        assert_eq!(bitmap, [0b110]);
        let mut builder = RecordBuilder::default();
        builder.update(TableId(7), 3, TriggerId(9), RowId(5), &stored, &bitmap, &values);
        let mark = builder.mark();
        builder.delete(TableId(8), 3, TriggerId(9), RowId(6), &stored);
        builder.truncate(mark);
        builder.insert(TableId(7), 3, TriggerId(9), RowId(6), &stored);
        builder.truncate_table(TableId(8), 3, TriggerId(0), 17);
        builder.cursor(TriggerId(4), Some(Position { commit: CommitNo(2), ordinal: 1 }));
        builder.passing(&[(TriggerId(5), Position { commit: CommitNo(2), ordinal: 2 })]);
        builder.sequence(44, -5, true);
        let cause = Cause { position: Position { commit: CommitNo(1), ordinal: 0 }, hops: 2 };
        let mut bytes = builder.finish(TxnId(12), 5, 1, Some(cause)).unwrap();
        set_commit(&mut bytes, 3, -1);
        seal(&mut bytes[..HEADER], 77, 2);
        assert!(read_header(&bytes, 76).is_none());
        let header = read_header(&bytes, 77).unwrap();
        assert!(header.fits(&bytes[HEADER..]) && header.synced == 2 && header.commit == 3);
        let record = decode(&bytes).unwrap();
        assert_eq!((record.committed_at, record.cause, record.database), (-1, Some(cause), 5));
        assert_eq!(record.changes.len(), 2);
        assert_eq!(record.changes[0].change, RowChange::Update { old, new: new.clone() });
        assert_eq!(record.changes[1].change, RowChange::Insert { new });
        assert_eq!((record.changes[1].ordinal, record.changes[1].writer), (1, TriggerId(9)));
        assert_eq!(record.cursors.len(), 1);
        let gone = &record.truncations[0];
        assert_eq!((gone.ordinal, gone.table, gone.writer, gone.rows), (2, TableId(8), TriggerId(0), 17));
    }
}
