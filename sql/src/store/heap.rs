//! The rows of a table: chunks of 256 slots, each slot a chain of versions, newest first and inline.
//!
//! ```text
//! row id = chunk * 256 + slot          slot ─> stamp │ row bytes or tombstone │ prev ─> older version ─> …
//! ```
//!
//! A stamp is a commit number or, with bit 63 set, an uncommitted write: bit 62 says that keys changed (or the row was
//! deleted), 36 bits name the transaction, 26 its command. 0 is an empty slot. Row ids are given out by a counter and
//! never again; a chunk whose rows are all gone gives its memory back.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::change::RowId;

use super::outcome::Snapshot;
use super::owner::{ID_BITS, State, TxnTable};

/// Slots of a chunk.
pub(super) const CHUNK: u64 = 256;
const FIRST_LEVEL: u64 = 16;
const LEVELS: usize = 40;
const WRITE_BIT: u64 = 1 << 63;
const KEY_BIT: u64 = 1 << 62;
const COMMAND_BITS: u32 = 26;
/// Commands that a transaction can have.
pub(super) const COMMANDS_MAX: u32 = (1 << COMMAND_BITS) - 1;

/// The short id of a transaction in stamps.
pub(super) fn short_id(txn: u64) -> u64 {
    txn & ((1 << ID_BITS) - 1)
}

/// The stamp of an uncommitted write.
pub(super) fn write_stamp(short: u64, command: u32, keys: bool) -> u64 {
    WRITE_BIT | if keys { KEY_BIT } else { 0 } | short << COMMAND_BITS | u64::from(command)
}

/// One version of a row.
#[derive(Debug, Default)]
pub(super) struct Version {
    pub(super) stamp: u64,
    /// The stored row; none = deleted.
    pub(super) data: Option<Box<[u8]>>,
    pub(super) prev: Option<Box<Version>>,
}

impl Drop for Version {
    fn drop(&mut self) {
        let mut next = self.prev.take();
        while let Some(mut version) = next {
            next = version.prev.take();
        }
    }
}

impl Version {
    /// The transaction and command of an uncommitted write.
    pub(super) fn writer(&self) -> Option<(u64, u32)> {
        let command = u32::try_from(self.stamp & u64::from(COMMANDS_MAX)).unwrap_or(0);
        (self.stamp & WRITE_BIT != 0).then_some(((self.stamp & !KEY_BIT & !WRITE_BIT) >> COMMAND_BITS, command))
    }

    /// Whether an uncommitted write changed keys.
    pub(super) fn keys_changed(&self) -> bool {
        self.stamp & (WRITE_BIT | KEY_BIT) == WRITE_BIT | KEY_BIT
    }

    /// Its commit number, if it is committed.
    pub(super) fn committed(&self, txns: &TxnTable) -> Option<u64> {
        match self.writer() {
            None => Some(self.stamp).filter(|stamp| *stamp != 0),
            Some((short, _)) => match txns.state(short) {
                Some(State::Committed(commit)) => Some(commit),
                _ => None,
            },
        }
    }

    pub(super) fn is_empty_slot(&self) -> bool {
        self.stamp == 0
    }

    /// Puts a new version on top.
    pub(super) fn push(&mut self, stamp: u64, data: Option<Box<[u8]>>) {
        let old = std::mem::replace(self, Version { stamp, data, prev: None });
        if !old.is_empty_slot() {
            self.prev = Some(Box::new(old));
        }
    }

    /// Takes the newest version off; the slot is empty if it was the only one.
    pub(super) fn pop(&mut self) -> Option<Box<[u8]>> {
        let data = self.data.take();
        match self.prev.take() {
            Some(prev) => *self = *prev,
            None => self.stamp = 0,
        }
        data
    }

    /// The versions, newest first.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Version> {
        std::iter::successors(Some(self), |version| version.prev.as_deref()).filter(|version| version.stamp != 0)
    }

    /// Drops what no one can see any more: own intermediate writes that neither an open snapshot nor a savepoint (both
    /// given by their commands) falls behind, and committed versions under the one that the horizon sees.
    pub(super) fn prune(&mut self, short: u64, commands: &[u32], horizon: u64) {
        let mut newest = self;
        for _ in 0..64 {
            let newest_command = newest.writer().map(|(_, command)| command);
            if newest_command.is_none() && newest.stamp <= horizon {
                newest.prev = None;
                return;
            }
            let Some(older) = newest.prev.as_mut() else { return };
            if let (Some((id, command)), Some(newer)) = (older.writer(), newest_command)
                && id == short
                && !commands.iter().any(|wanted| command < *wanted && *wanted <= newer)
            {
                newest.prev = older.prev.take();
                continue;
            }
            let Some(next) = newest.prev.as_deref_mut() else { return };
            newest = next;
        }
    }
}

/// Who reads, and up to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) snapshot: Snapshot,
    /// The reader's short id; `u64::MAX` for one that has not written.
    pub(super) own: u64,
    pub(super) txns: &'a TxnTable,
}

impl View<'_> {
    /// The version that the reader sees, `None` if there is none or it is a tombstone; and raises `seen` to its commit.
    pub(super) fn find<'v>(&self, slot: &'v Version, seen: &mut u64) -> Option<&'v [u8]> {
        for version in slot.chain() {
            match version.writer() {
                Some((short, command)) if short == self.own => {
                    if command < self.snapshot.command {
                        return version.data.as_deref();
                    }
                    continue;
                }
                _ => {}
            }
            if let Some(commit) = version.committed(self.txns)
                && commit <= self.snapshot.commit.0
            {
                *seen = (*seen).max(commit);
                return version.data.as_deref();
            }
        }
        None
    }
}

/// The slots of one chunk.
#[derive(Debug)]
pub(super) struct Slots {
    /// Slots that are not empty.
    pub(super) used: u32,
    pub(super) versions: Box<[Version]>,
}

impl Slots {
    fn new() -> Box<Slots> {
        Box::new(Slots { used: 0, versions: (0..CHUNK).map(|_| Version::default()).collect() })
    }
}

/// 256 slots, or nothing where no row is.
#[derive(Debug, Default)]
pub(super) struct Chunk(RwLock<Option<Box<Slots>>>);

/// All rows of a table. A chunk is found without a lock: level n holds 16 * 2^n chunks.
#[derive(Debug)]
pub(super) struct Heap {
    levels: [OnceLock<Box<[Chunk]>>; LEVELS],
    next: AtomicU64,
    /// Chunks below this one are empty.
    first: AtomicU64,
}

impl Default for Heap {
    fn default() -> Self {
        Heap { levels: [const { OnceLock::new() }; LEVELS], next: AtomicU64::new(0), first: AtomicU64::new(0) }
    }
}

fn place(row: u64) -> usize {
    usize::try_from(row % CHUNK).unwrap_or(0)
}

/// A chunk locked for reading.
pub(super) type ReadChunk<'a> = RwLockReadGuard<'a, Option<Box<Slots>>>;
/// A chunk locked for writing.
pub(super) type WriteChunk<'a> = RwLockWriteGuard<'a, Option<Box<Slots>>>;

/// The slot of a row in its chunk; none if it is empty.
pub(super) fn slot(chunk: &Option<Box<Slots>>, row: RowId) -> Option<&Version> {
    let slots = chunk.as_ref()?;
    slots.versions.get(place(row.0)).filter(|version| !version.is_empty_slot())
}

/// The slot of a row in its chunk, to change it; none if it is empty.
pub(super) fn slot_mut(chunk: &mut Option<Box<Slots>>, row: RowId) -> Option<&mut Version> {
    let slots = chunk.as_mut()?;
    slots.versions.get_mut(place(row.0)).filter(|version| !version.is_empty_slot())
}

/// Puts the first version of a row into its slot.
pub(super) fn fill(chunk: &mut Option<Box<Slots>>, row: RowId, stamp: u64, data: Box<[u8]>) {
    let slots = chunk.get_or_insert_with(Slots::new);
    if let Some(version) = slots.versions.get_mut(place(row.0)) {
        if version.is_empty_slot() {
            slots.used += 1;
        }
        *version = Version { stamp, data: Some(data), prev: None };
    }
}

impl Heap {
    fn locate(chunk: u64) -> (usize, u64, usize) {
        let level = (chunk / FIRST_LEVEL + 1).ilog2();
        let size = FIRST_LEVEL << level;
        (level as usize, size, usize::try_from(chunk - (size - FIRST_LEVEL)).unwrap_or(usize::MAX))
    }

    fn chunk(&self, chunk: u64) -> Option<&Chunk> {
        let (level, _, place) = Heap::locate(chunk);
        self.levels.get(level)?.get()?.get(place)
    }

    fn chunk_or_make(&self, chunk: u64) -> Option<&Chunk> {
        let (level, size, place) = Heap::locate(chunk);
        let level = self.levels.get(level)?;
        level.get_or_init(|| (0..size).map(|_| Chunk::default()).collect()).get(place)
    }

    /// A new row id.
    pub(super) fn allocate(&self) -> RowId {
        RowId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Row ids given out so far.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Row ids below this one are taken.
    pub(super) fn reserve(&self, next: u64) {
        self.next.fetch_max(next, Ordering::SeqCst);
    }

    pub(super) fn read(&self, row: RowId) -> Option<ReadChunk<'_>> {
        Some(self.chunk(row.0 / CHUNK)?.0.read())
    }

    pub(super) fn write(&self, row: RowId) -> Option<WriteChunk<'_>> {
        Some(self.chunk(row.0 / CHUNK)?.0.write())
    }

    /// The chunk of a new row. None only for ids beyond any possible.
    pub(super) fn write_new(&self, row: RowId) -> Option<WriteChunk<'_>> {
        let chunk = row.0 / CHUNK;
        if chunk < self.first.load(Ordering::Relaxed) {
            self.first.fetch_min(chunk, Ordering::SeqCst);
        }
        Some(self.chunk_or_make(chunk)?.0.write())
    }

    /// First chunk that may have rows.
    pub(super) fn first_chunk(&self) -> u64 {
        self.first.load(Ordering::SeqCst)
    }

    /// Chunks there are.
    pub(super) fn chunks(&self) -> u64 {
        self.next().div_ceil(CHUNK)
    }

    /// Empties a slot whose row is gone for everyone; gives the chunk's memory back with its last row.
    pub(super) fn free(&self, guard: &mut WriteChunk<'_>, row: RowId) {
        let Some(slots) = guard.as_mut() else { return };
        let Some(version) = slots.versions.get_mut(place(row.0)) else { return };
        if !version.is_empty_slot() {
            *version = Version::default();
            slots.used = slots.used.saturating_sub(1);
        }
        self.shrink(guard, row);
    }

    /// After a slot was emptied by `Version::pop`.
    pub(super) fn emptied(&self, guard: &mut WriteChunk<'_>, row: RowId) {
        if let Some(slots) = guard.as_mut() {
            slots.used = slots.used.saturating_sub(1);
        }
        self.shrink(guard, row);
    }

    fn shrink(&self, guard: &mut WriteChunk<'_>, row: RowId) {
        let chunk = row.0 / CHUNK;
        if guard.as_ref().is_none_or(|slots| slots.used > 0) || self.next() < (chunk + 1) * CHUNK {
            return;
        }
        **guard = None;
        if self.first_chunk() == chunk {
            let _ = self.first.compare_exchange(chunk, chunk + 1, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// Moves the hint over chunks emptied out of order. Cheap; called by scans.
    pub(super) fn skip_empty(&self, from: u64) -> u64 {
        let (mut chunk, end) = (from, self.chunks());
        while chunk < end && self.chunk(chunk).is_none_or(|chunk| chunk.0.read().is_none()) {
            chunk += 1;
        }
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::CommitNo;

    fn bytes(n: u8) -> Option<Box<[u8]>> {
        Some(Box::from([n]))
    }

    #[test]
    fn chunks_are_found_at_every_level() {
        for chunk in [0, 1, 15, 16, 17, 47, 48, 111, 112, 1_000_000] {
            let (level, size, place) = Heap::locate(chunk);
            assert!((place as u64) < size && size == FIRST_LEVEL << level, "{chunk}");
        }
        assert_eq!(Heap::locate(16), (1, 32, 0));
    }

    #[test]
    fn a_reader_sees_its_commit_and_its_own_earlier_commands() {
        let txns = TxnTable::new();
        let mut slot = Version { stamp: 3, data: bytes(3), prev: None };
        slot.push(5, bytes(5));
        slot.push(write_stamp(9, 2, false), bytes(9));
        let mut seen = 0;
        let mut at = |commit, command, own| {
            let snapshot = Snapshot { commit: CommitNo(commit), command };
            View { snapshot, own, txns: &txns }.find(&slot, &mut seen).map(|data| data[0])
        };
        assert_eq!(at(2, 0, u64::MAX), None);
        assert_eq!(at(3, 0, u64::MAX), Some(3));
        assert_eq!(at(8, 0, u64::MAX), Some(5));
        assert_eq!(at(8, 2, 9), Some(5));
        assert_eq!(at(8, 3, 9), Some(9));
        assert_eq!(seen, 5);
    }

    #[test]
    fn pruning_keeps_what_snapshots_and_savepoints_need() {
        let mut slot = Version { stamp: 1, data: bytes(1), prev: None };
        for commit in 2..50 {
            slot.push(commit, bytes(1));
            slot.prune(u64::MAX, &[], commit - 1);
            assert_eq!(slot.chain().count(), 2);
        }
        for command in 1..1000 {
            slot.push(write_stamp(4, command, false), bytes(2));
            slot.prune(4, &[1, 500, command], 49);
        }
        let commands: Vec<_> = slot.chain().filter_map(Version::writer).map(|(_, command)| command).collect();
        assert_eq!(commands, [999, 998, 499]);
    }

    #[test]
    fn an_empty_chunk_gives_its_memory_back() {
        let heap = Heap::default();
        for _ in 0..CHUNK * 2 {
            let row = heap.allocate();
            fill(&mut heap.write_new(row).unwrap(), row, 1, Box::from([1]));
        }
        for row in 0..CHUNK {
            heap.free(&mut heap.write(RowId(row)).unwrap(), RowId(row));
        }
        assert!(heap.read(RowId(0)).unwrap().is_none());
        assert_eq!(heap.first_chunk(), 1);
    }
}
