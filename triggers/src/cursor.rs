//! A subscriber's durable place in the log. It is moved only inside a commit (`HookContext::move_cursor`), together with
//! the effects of what it steps over; the engine gives the committed places back at start.
//!
//! A new subscriber does not know the number of the commit that creates it. Its first cursor is therefore a mark at the
//! newest commit before it (`before_creation`): whoever reads from there looks for the creating record first.

use tripline_sql::catalog::{CatalogChange, Entry, EntryKey, TriggerId};
use tripline_sql::change::{CommitNo, CommitRecord, Position};
use tripline_sql::engine::{Engine, LogReader, ReadItem};
use tripline_sql::error::Result;

const NEW: u32 = u32::MAX - 1;

/// The first cursor of a subscriber created after this commit.
#[must_use]
pub fn before_creation(after: CommitNo) -> Position {
    Position { commit: after, ordinal: NEW }
}

/// Whether a subscriber with this cursor has still to find its creation.
#[must_use]
pub fn is_new(position: Position) -> bool {
    position.ordinal == NEW
}

/// Where a subscriber goes on: its committed place, or none if it has no cursor.
#[must_use]
pub fn committed(engine: &Engine, subscriber: TriggerId) -> Option<Position> {
    engine.cursors().into_iter().find(|(id, _)| *id == subscriber).map(|(_, position)| position)
}

/// Whether this record created the subscriber, or changed its definition: what the record that created it and those
/// before it hold is not for it (CDB-506).
#[must_use]
pub fn creates(record: &CommitRecord, subscriber: TriggerId) -> bool {
    record
        .catalog
        .iter()
        .any(|change| matches!(change, CatalogChange::Put { entry: Entry::Trigger(def), .. } if def.id == subscriber))
}

/// Whether this record drops the subscriber.
#[must_use]
pub fn drops(record: &CommitRecord, subscriber: TriggerId) -> bool {
    record.catalog.iter().any(
        |change| matches!(change, CatalogChange::Remove { key: EntryKey::Trigger(oid), .. } if *oid == subscriber.0),
    )
}

/// How many records to read at a time: as many as have some dozens of changes together, so that little of a long queue is in
/// memory at once and the head of one with large commits comes as soon as that of a short one.
#[derive(Debug)]
pub(crate) struct ReadAhead(usize);

impl ReadAhead {
    /// Records read at a time at most.
    const RECORDS_MAX: usize = 256;
    /// Changes read at a time, about; at least one record is read, however many it has.
    const CHANGES: usize = 256;

    pub(crate) fn new() -> ReadAhead {
        ReadAhead(1)
    }

    /// The next items; none: caught up. Errors: as `LogReader::next`.
    pub(crate) fn next(&mut self, reader: &mut LogReader) -> Result<Vec<ReadItem>> {
        let items = reader.next(self.0)?;
        let changes: usize = items
            .iter()
            .map(|item| match item {
                ReadItem::Record(record) => record.changes.len(),
                ReadItem::Gap { .. } => 0,
            })
            .sum();
        if changes > ReadAhead::CHANGES {
            self.0 = (self.0 / 2).max(1);
        } else if items.len() == self.0 {
            self.0 = (self.0 * 2).min(ReadAhead::RECORDS_MAX);
        }
        Ok(items)
    }
}
