//! Readers of the change log: they hold a position, never a lock.
//!
//! New records come from memory and are decoded once for all who read them at the same time; older ones come from the
//! files. Records that hold nothing for a reader (marks of sequences) are passed over.

use std::sync::Arc;

use crate::change::{CommitNo, CommitRecord, Position};
use crate::error::{Result, SqlError};

use super::record::{self, Header};
use super::segment::{Segment, damaged};
use super::store::Inner;

/// What a reader of the log meets.
#[derive(Clone, Debug)]
pub enum ReadItem {
    /// A commit. Changes up to the position where the reader began are left out of the first one.
    Record(Arc<CommitRecord>),
    /// Entries after `from` up to `to` are no longer there.
    Gap {
        /// Where the reader stood.
        from: Position,
        /// End of the last commit lost.
        to: Position,
    },
}

/// Reads the log forward.
#[derive(Debug)]
pub struct LogReader {
    inner: Arc<Inner>,
    position: Position,
    /// It also reads what is not durable yet.
    ahead: bool,
    /// Segment and offset of the next record, when the last one came from a file.
    place: Option<(Arc<Segment>, u64)>,
}

impl LogReader {
    pub(super) fn new(inner: Arc<Inner>, position: Position) -> LogReader {
        LogReader { inner, position, ahead: false, place: None }
    }

    /// The same, and commits as soon as they are made. A crash may still undo those: what rests on one must neither be told
    /// nor written outside of the log before it is durable.
    #[must_use]
    pub fn ahead(mut self) -> LogReader {
        self.ahead = true;
        self
    }

    /// Where it stands: all up to here has been read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// At most `limit` items, oldest first, only durable ones unless it reads `ahead`; empty = caught up. Errors: 58030 if a file cannot be read,
    /// XX001 if a record is damaged.
    pub fn next(&mut self, limit: usize) -> Result<Vec<ReadItem>> {
        let mut items = Vec::new();
        let durable = self.inner.log.durable().0;
        let end = if self.ahead { self.inner.log.newest().0 } else { durable };
        while items.len() < limit {
            let whole = self.position.ordinal == u32::MAX;
            let wanted = if whole { self.position.commit.0 + 1 } else { self.position.commit.0 };
            if wanted > end || wanted == 0 && end == 0 {
                break;
            }
            let mut recent = Vec::new();
            self.inner.log.recent(wanted, limit - items.len(), &mut recent);
            recent.retain(|record| record.commit <= end);
            if recent.is_empty() {
                if wanted > durable {
                    break;
                }
                match self.read_file(wanted.max(1))? {
                    Some(bytes) => self.take(Arc::new(record::decode(&bytes)?), &mut items),
                    None => {
                        let first = self.inner.log.oldest().unwrap_or(durable + 1);
                        if first <= wanted {
                            return Err(SqlError::internal("a commit is missing in the log"));
                        }
                        let to = Position::end_of(CommitNo(first - 1));
                        items.push(ReadItem::Gap { from: self.position, to });
                        self.position = to;
                    }
                }
                continue;
            }
            self.place = None;
            for record in recent {
                self.take(record.decode()?, &mut items);
            }
        }
        Ok(items)
    }

    fn take(&mut self, record: Arc<CommitRecord>, items: &mut Vec<ReadItem>) {
        let done = self.position;
        self.position = Position::end_of(record.commit);
        let rows = record.changes.is_empty() && record.truncations.is_empty();
        let empty = rows && record.catalog.is_empty() && record.cursors.is_empty();
        if empty {
            return;
        }
        if done.commit == record.commit && done.ordinal != u32::MAX {
            let mut rest = (*record).clone();
            rest.changes.retain(|change| change.ordinal > done.ordinal);
            rest.truncations.retain(|gone| gone.ordinal > done.ordinal);
            items.push(ReadItem::Record(Arc::new(rest)));
            return;
        }
        items.push(ReadItem::Record(record));
    }

    fn read_file(&mut self, commit: u64) -> Result<Option<Vec<u8>>> {
        if self.place.is_none() {
            self.place = find(&self.inner, commit)?.map(|(segment, offset, _)| (segment, offset));
        }
        let disk = self.inner.disk.as_ref();
        let Some((segment, offset)) = self.place.take() else { return Ok(None) };
        let header = segment.header_at(disk, offset)?.filter(|header| header.commit == commit);
        let Some(header) = header else {
            // The end of this segment: the commit is in another one, or gone.
            let Some((segment, offset, header)) = find(&self.inner, commit)? else { return Ok(None) };
            return self.load(segment, offset, &header);
        };
        self.load(segment, offset, &header)
    }

    fn load(&mut self, segment: Arc<Segment>, offset: u64, header: &Header) -> Result<Option<Vec<u8>>> {
        let disk = self.inner.disk.as_ref();
        match segment.record_at(disk, offset, header)? {
            Some(bytes) => {
                self.place = Some((segment, offset + header.len()));
                Ok(Some(bytes))
            }
            None if self.inner.log.oldest().is_some_and(|first| first > header.commit) => Ok(None),
            None => Err(damaged(disk, &segment.name, offset)),
        }
    }
}

/// Where the record of a commit stands in the files; none if it is not there any more.
fn find(inner: &Inner, commit: u64) -> Result<Option<(Arc<Segment>, u64, Header)>> {
    let Some(segment) = inner.log.segment_of(commit) else { return Ok(None) };
    let mut offset = segment.near(commit);
    loop {
        match segment.header_at(inner.disk.as_ref(), offset)? {
            Some(header) if header.commit == commit => return Ok(Some((segment, offset, header))),
            Some(header) if header.commit < commit => {
                // Recovery does not look into segments that only cursors need: who does leaves marks for the next.
                segment.note(header.commit, offset);
                offset += header.len();
            }
            _ if inner.log.oldest().is_some_and(|first| first > commit) => return Ok(None),
            _ => return Err(damaged(inner.disk.as_ref(), &segment.name, offset)),
        }
    }
}

/// The header of a commit's record, from the files.
pub(super) fn header_of(inner: &Inner, commit: u64) -> Result<Option<Header>> {
    Ok(find(inner, commit)?.map(|(_, _, header)| header))
}
