//! A file of the log, and how it is found again.
//!
//! ```text
//! log/<number, 16 hex digits>.seg
//!   0  8 bytes  "TRIPLOG1"
//!   8  u64      number
//!  16  u64      bytes of the file
//!  24  u32      checksum (crc32) of the bytes before
//!  64 …         commit records, one after the other, then whatever was there before
//! ```
//!
//! A file is made (or an old one renamed), its whole length written and synced before the first record goes in, so that
//! a commit only overwrites. A header whose number is not the name's is a file that was being made: it holds nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::{Result, SqlError, SqlState};

use super::disk::{Disk, DiskFile, io_error, zero};
use super::record::{self, HEADER, Header};

/// Folder of the segments.
pub(super) const DIR: &str = "log";
/// Bytes before the first record.
pub(super) const SEGMENT_HEADER: u64 = 64;
const MAGIC: &[u8; 8] = b"TRIPLOG1";
const MARK_EVERY: u64 = 1 << 20;
/// One read of who goes through a whole segment.
const READ_BYTES: usize = 1 << 20;

/// What a new segment is full of.
pub(super) enum Fill<'a> {
    /// Zeros, so that a sync need not write where its blocks are; in parts, with a call after each but the last.
    Zeros(&'a dyn Fn()),
    /// Nothing yet: one large record is about to fill it.
    Reserved,
}

/// A segment in use or ready for it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) file: Arc<dyn DiskFile>,
    /// First commit in it; 0 while it has none.
    first: AtomicU64,
    /// Commits and their offsets, about one a megabyte, rising.
    marks: Mutex<Vec<(u64, u64)>>,
}

/// Name of the segment with this number.
pub(super) fn name_of(number: u64) -> String {
    format!("{DIR}/{number:016x}.seg")
}

fn header(number: u64, size: u64) -> [u8; SEGMENT_HEADER as usize] {
    let mut bytes = [0; SEGMENT_HEADER as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..24].copy_from_slice(&size.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    bytes
}

impl Segment {
    fn new(number: u64, size: u64, file: Arc<dyn DiskFile>) -> Segment {
        Segment { number, name: name_of(number), size, file, first: AtomicU64::new(0), marks: Mutex::default() }
    }

    /// Makes a new file, durable with its name. Errors: 53100, 58030.
    pub(super) fn create(disk: &dyn Disk, number: u64, size: u64, fill: Fill<'_>) -> Result<Segment> {
        let name = name_of(number);
        let fail = |error| {
            let _ = disk.remove(&name);
            io_error(disk, "create", &name, &error)
        };
        let file = disk.create(&name).map_err(fail)?;
        match fill {
            Fill::Zeros(pause) => zero(&*file, size, pause),
            Fill::Reserved => file.reserve(size),
        }
        .map_err(fail)?;
        file.write_at(&header(number, size), 0).map_err(fail)?;
        file.sync().map_err(fail)?;
        disk.sync_dir(DIR).map_err(fail)?;
        Ok(Segment::new(number, size, file))
    }

    /// Makes this segment's file the one with another number. Old records stay in it and are invalid by their seed.
    pub(super) fn recycle(&self, disk: &dyn Disk, number: u64) -> Result<Segment> {
        let name = name_of(number);
        let fail = |error| io_error(disk, "rename", &name, &error);
        disk.rename(&self.name, &name).map_err(fail)?;
        disk.sync_dir(DIR).map_err(fail)?;
        self.file.write_at(&header(number, self.size), 0).map_err(fail)?;
        self.file.sync().map_err(fail)?;
        Ok(Segment::new(number, self.size, self.file.clone()))
    }

    /// Opens a segment found on disk; none if it was only being made. Errors: XX001 for a damaged header.
    pub(super) fn open(disk: &dyn Disk, number: u64) -> Result<Option<Segment>> {
        let name = name_of(number);
        let fail = |error| io_error(disk, "read", &name, &error);
        let file = disk.open(&name).map_err(fail)?;
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let n = file.read_at(&mut bytes, 0).map_err(fail)?;
        if n < bytes.len() || bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let crc = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
        if &bytes[..8] != MAGIC || crc32fast::hash(&bytes[..24]) != crc {
            return Err(damaged(disk, &name, 0));
        }
        let size = word(16).min(file.len().map_err(fail)?);
        Ok((word(8) == number).then(|| Segment::new(number, size, file)))
    }

    pub(super) fn first(&self) -> Option<u64> {
        Some(self.first.load(Ordering::Acquire)).filter(|first| *first != 0)
    }

    /// Remembers where a record stands.
    pub(super) fn note(&self, commit: u64, offset: u64) {
        let mut marks = self.marks.lock();
        if marks.last().is_none_or(|(_, last)| offset >= last + MARK_EVERY) {
            marks.push((commit, offset));
        }
        if self.first.load(Ordering::Relaxed) == 0 {
            self.first.store(commit, Ordering::Release);
        }
    }

    /// Where to begin to look for a commit.
    pub(super) fn near(&self, commit: u64) -> u64 {
        let marks = self.marks.lock();
        let place = marks.partition_point(|(first, _)| *first <= commit);
        if place == 0 { SEGMENT_HEADER } else { marks[place - 1].1 }
    }

    /// The header of the record at an offset; none if there is no valid one.
    pub(super) fn header_at(&self, disk: &dyn Disk, offset: u64) -> Result<Option<Header>> {
        let mut bytes = [0; HEADER];
        let n = self.file.read_at(&mut bytes, offset).map_err(|error| io_error(disk, "read", &self.name, &error))?;
        if n < HEADER {
            return Ok(None);
        }
        Ok(record::read_header(&bytes, self.number).filter(|header| offset + header.len() <= self.size))
    }

    /// The whole record at an offset; none if it is not valid.
    pub(super) fn record_at(&self, disk: &dyn Disk, offset: u64, header: &Header) -> Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; usize::try_from(header.len()).unwrap_or(0)];
        let n = self.file.read_at(&mut bytes, offset).map_err(|error| io_error(disk, "read", &self.name, &error))?;
        Ok((n == bytes.len() && header.fits(&bytes[HEADER..])).then_some(bytes))
    }
}

/// Reads a segment's records one after the other, many at a time.
pub(super) struct Records<'a> {
    disk: &'a dyn Disk,
    segment: &'a Segment,
    buffer: Vec<u8>,
    /// Where the buffer's first byte stands.
    from: u64,
}

impl<'a> Records<'a> {
    pub(super) fn new(disk: &'a dyn Disk, segment: &'a Segment) -> Records<'a> {
        Records { disk, segment, buffer: Vec::new(), from: 0 }
    }

    /// The header of the record at an offset; none if there is no valid one. Errors: 58030.
    pub(super) fn header(&mut self, offset: u64) -> Result<Option<Header>> {
        let (number, size) = (self.segment.number, self.segment.size);
        let header = record::read_header(self.bytes(offset, HEADER)?, number);
        Ok(header.filter(|header| offset + header.len() <= size))
    }

    /// The whole record at an offset; none if it is not valid. Errors: 58030.
    pub(super) fn record(&mut self, offset: u64, header: &Header) -> Result<Option<&[u8]>> {
        let len = usize::try_from(header.len()).unwrap_or(usize::MAX);
        let bytes = self.bytes(offset, len)?;
        Ok((bytes.len() == len && header.fits(&bytes[HEADER..])).then_some(bytes))
    }

    /// So many bytes from an offset, or what the file has of them.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let end = self.from + self.buffer.len() as u64;
        if offset < self.from || offset + len as u64 > end {
            self.buffer.resize(len.max(READ_BYTES), 0);
            let got = self.segment.file.read_at(&mut self.buffer, offset);
            let got = got.map_err(|error| io_error(self.disk, "read", &self.segment.name, &error))?;
            self.buffer.truncate(got);
            self.from = offset;
        }
        let start = usize::try_from(offset - self.from).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(&self.buffer[start..(start + len).min(self.buffer.len())])
    }
}

/// Errors: XX001 with the place of the damage.
pub(super) fn damaged(disk: &dyn Disk, name: &str, offset: u64) -> SqlError {
    SqlError::new(
        SqlState::DATA_CORRUPTED,
        format!("damaged data in file \"{}\" at offset {offset}", disk.describe(name)),
    )
}
