//! Opening a data directory: newest checkpoint, the log after it, then all indexes at once from sorted keys.
//!
//! The log ends at the first record that is not valid. If a later valid record says that the bad one had been synced,
//! or the next segment goes on after a hole, the log is damaged: XX001 with file and offset, and nothing is changed.
//! Otherwise nobody was ever told of what follows: it is overwritten with zeros and the log goes on there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use crate::catalog::{CatalogChange, CatalogSet, Entry as Def, EntryKey, TableId, TriggerId};
use crate::change::{CommitNo, Position, RowId};
use crate::env::Env;
use crate::error::{Result, SqlError, SqlState};

use super::checkpoint::{self, CATALOG, Checkpoints, HEAD, Head, ROWS};
use super::config::{Gap, KeyExtractors, Progress, StoreConfig};
use super::disk::{Disk, io_error};
use super::heap::{self, CHUNK};
use super::index::IndexStore;
use super::log::{Log, LogStart};
use super::record::{self, Entries, Entry, HEADER, StoredChange};
use super::segment::{DIR, Fill, Records, SEGMENT_HEADER, Segment, damaged};
use super::sequence::Sequences;
use super::store::Found;
use super::table::{Parts, Shape, TableStore};

/// At least this much after the last record is zeroed when anything is there.
const CLEAR: u64 = 8 << 20;

#[derive(Default)]
struct State {
    commit: u64,
    catalog: CatalogSet,
    tables: HashMap<TableId, Arc<TableStore>>,
    cursors: BTreeMap<TriggerId, Position>,
    gaps: Vec<Gap>,
    sequences: Sequences,
    next_txn: u64,
    rows: u64,
    /// Bytes of the records replayed: the next checkpoint has them to cover too.
    replayed: u64,
}

/// Reads everything. Errors: XX001, 58030, 53100, those of index expressions.
pub(super) fn recover(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    env: &Env,
    extractors: &dyn KeyExtractors,
    progress: &mut dyn FnMut(Progress),
) -> Result<Found> {
    let fail = |error| io_error(disk.as_ref(), "open", "", &error);
    disk.create_dir(DIR).map_err(fail)?;
    disk.sync_dir("").map_err(fail)?;
    let mut segments = open_segments(disk.as_ref())?;
    let (mut state, newest_checkpoint, skipped) = load_checkpoint(disk.as_ref(), progress)?;
    let after_checkpoint = state.commit;
    let end = match (replay(disk.as_ref(), &segments, &mut state, progress), skipped) {
        (Ok(_), Some((commit, error))) if state.commit < commit => return Err(error),
        (Err(_), Some((_, error))) => return Err(error),
        (end, _) => end?,
    };
    let base = end.as_ref().map_or(0, |end| end.base);
    let (keep, offset) = match end {
        // A log that ends before the checkpoint has nothing for it, and cannot go on after a hole.
        Some(end) if end.last.is_none_or(|last| last >= after_checkpoint) => (end.place + 1, end.offset),
        _ => (0, SEGMENT_HEADER),
    };
    let mut next_number = segments.last().map_or(1, |segment| segment.number + 1);
    for unused in segments.drain(keep.min(segments.len())..) {
        disk.remove(&unused.name).map_err(fail)?;
    }
    for unused in segments.drain(..base.min(segments.len())) {
        disk.remove(&unused.name).map_err(fail)?;
    }
    let kept = segments.len();
    for place in (0..kept.saturating_sub(1)).rev() {
        if segments[place].first().is_none() {
            disk.remove(&segments.remove(place).name).map_err(fail)?;
        }
    }
    if segments.is_empty() {
        segments.push(Arc::new(Segment::create(
            disk.as_ref(),
            next_number,
            config.log_segment_bytes,
            Fill::Zeros(&|| ()),
        )?));
        next_number += 1;
    }
    disk.sync_dir(DIR).map_err(fail)?;
    build_indexes(&mut state, extractors, progress)?;
    let (newest, bytes) = (state.commit, state.replayed);
    let start = LogStart { segments: VecDeque::from(segments), offset, newest, next_number, bytes };
    tracing::info!(checkpoint = after_checkpoint, commit = state.commit, rows = state.rows, "store recovered");
    Ok(Found {
        log: Log::new(disk.clone(), env.clone(), config.log_segment_bytes, config.log_tail_bytes, start)?,
        tables: state.tables,
        catalog: state.catalog,
        next_txn: state.next_txn,
        cursors: state.cursors,
        gaps: state.gaps,
        sequences: state.sequences,
        checkpoint: Checkpoints { newest: newest_checkpoint },
    })
}

/// The segments in order; files that were only being made are removed.
fn open_segments(disk: &dyn Disk) -> Result<Vec<Arc<Segment>>> {
    let names = disk.list(DIR).map_err(|error| io_error(disk, "list", DIR, &error))?;
    let numbers = names.iter().filter_map(|name| u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let mut segments = Vec::new();
    for number in numbers {
        match Segment::open(disk, number)? {
            Some(segment) => segments.push(Arc::new(segment)),
            None => {
                let name = super::segment::name_of(number);
                disk.remove(&name).map_err(|error| io_error(disk, "remove", &name, &error))?;
            }
        }
    }
    Ok(segments)
}

type Skipped = Option<(u64, SqlError)>;

/// The newest valid checkpoint; and a newer one that is damaged, which the log must then cover.
fn load_checkpoint(disk: &dyn Disk, progress: &mut dyn FnMut(Progress)) -> Result<(State, Option<u64>, Skipped)> {
    let names = disk.list("").map_err(|error| io_error(disk, "list", "", &error))?;
    let commit = |name: &String| u64::from_str_radix(name.strip_prefix("checkpoint-")?.strip_suffix(".ckp")?, 16).ok();
    let mut commits: Vec<u64> = names.iter().filter_map(commit).collect();
    commits.sort_unstable();
    let mut skipped = None;
    for commit in commits.into_iter().rev() {
        let mut state = State::default();
        let name = checkpoint::name_of(commit);
        match checkpoint::read(disk, &name, &mut |kind, payload| state.block(kind, payload, progress)) {
            Ok(()) => return Ok((state, Some(commit), skipped)),
            Err(error) if error.state() == SqlState::DATA_CORRUPTED => {
                tracing::error!(%error, "damaged checkpoint");
                skipped.get_or_insert((commit, error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((State::default(), None, skipped))
}

fn bad_block() -> SqlError {
    SqlError::new(SqlState::DATA_CORRUPTED, "invalid block in a checkpoint")
}

impl State {
    fn block(&mut self, kind: u8, payload: &[u8], progress: &mut dyn FnMut(Progress)) -> Result<()> {
        match kind {
            HEAD => {
                let head: Head = ciborium::from_reader(payload).map_err(|_| bad_block())?;
                self.commit = head.commit;
                self.next_txn = head.next_txn;
                self.catalog.version = head.catalog_version;
                self.catalog.next_oid = head.next_oid;
                self.cursors = head.cursors.into_iter().collect();
                let gap = |(subscriber, from, to, lost_at, tables)| Gap { subscriber, from, to, lost_at, tables };
                self.gaps = head.gaps.into_iter().map(gap).collect();
                for (oid, last, called, mark) in head.sequences {
                    self.sequences.restore(oid, if head.clean { last } else { mark }, called);
                }
                for (table, next) in head.tables {
                    self.table(table).heap.reserve(next);
                }
            }
            CATALOG => {
                let entries: Vec<CatalogChange> = ciborium::from_reader(payload).map_err(|_| bad_block())?;
                for change in entries {
                    self.change_catalog(change);
                }
            }
            ROWS => {
                self.rows(payload)?;
                progress(Progress::Checkpoint { rows: self.rows });
            }
            _ => {}
        }
        Ok(())
    }

    /// First commit that a cursor still needs and has not been told to have lost.
    fn wanted(&self) -> u64 {
        let needed = self.cursors.iter().map(|(subscriber, position)| {
            let lost = self.gaps.iter().filter(|gap| gap.subscriber == *subscriber && gap.from == *position);
            let after_gap = lost.map(|gap| gap.to.commit.0 + 1).max().unwrap_or(0);
            checkpoint::needed(*position).max(after_gap)
        });
        needed.min().unwrap_or(u64::MAX)
    }

    fn table(&mut self, table: TableId) -> Arc<TableStore> {
        let make = || Arc::new(TableStore::new(table, crate::catalog::Persistence::Permanent, Parts::default()));
        self.tables.entry(table).or_insert_with(make).clone()
    }

    fn rows(&mut self, payload: &[u8]) -> Result<()> {
        let (table, mut rest) = payload.split_at_checked(4).ok_or_else(bad_block)?;
        let table = self.table(TableId(u32::from_le_bytes(table.try_into().map_err(|_| bad_block())?)));
        let mut count = 0;
        let mut guard: Option<(u64, heap::WriteChunk<'_>)> = None;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_checked(12).ok_or_else(bad_block)?;
            let row = u64::from_le_bytes(head[..8].try_into().map_err(|_| bad_block())?);
            let len = u32::from_le_bytes(head[8..].try_into().map_err(|_| bad_block())?);
            let (data, tail) = tail.split_at_checked(len as usize).ok_or_else(bad_block)?;
            rest = tail;
            if guard.as_ref().is_none_or(|(chunk, _)| *chunk != row / CHUNK) {
                drop(guard.take());
                let chunk = table.heap.write_new(RowId(row)).ok_or_else(bad_block)?;
                guard = Some((row / CHUNK, chunk));
            }
            if let Some((_, chunk)) = guard.as_mut() {
                heap::fill(chunk, RowId(row), self.commit, Box::from(data));
            }
            count += 1;
        }
        drop(guard);
        table.rows.fetch_add(count, Ordering::Relaxed);
        self.rows += count.cast_unsigned();
        Ok(())
    }

    fn change_catalog(&mut self, change: CatalogChange) {
        match &change {
            CatalogChange::Put { entry: Def::Table(def), .. } => {
                self.table(def.id);
            }
            CatalogChange::Remove { key: EntryKey::Table(oid), .. } => {
                self.tables.remove(&TableId(*oid));
            }
            CatalogChange::Remove { key: EntryKey::Sequence(oid), .. } => self.sequences.forget(*oid),
            CatalogChange::Remove { key: EntryKey::Database(oid), .. } => {
                for def in self.catalog.database(*oid).into_iter().flat_map(|catalog| catalog.tables()) {
                    self.tables.remove(&def.id);
                }
            }
            _ => {}
        }
        self.catalog.apply(change);
    }

    /// Does again what a record says.
    fn apply(&mut self, bytes: &[u8], txn: u64, commit: u64) -> Result<()> {
        let mut entries = Entries::new(&bytes[HEADER..]);
        let mut changed_catalog = false;
        while let Some(entry) = entries.next()? {
            match entry {
                Entry::Row { table, row, change, .. } => self.change_row(table, row, change, commit)?,
                Entry::Catalog(change) => {
                    self.change_catalog(change);
                    changed_catalog = true;
                }
                Entry::Cursor(subscriber, Some(to)) => {
                    self.cursors.insert(subscriber, to);
                }
                Entry::Cursor(subscriber, None) => {
                    self.cursors.remove(&subscriber);
                }
                // It may stand behind what moved the cursor further, or dropped it.
                Entry::Passing(subscriber, to) => {
                    if let Some(at) = self.cursors.get_mut(&subscriber) {
                        *at = (*at).max(to);
                    }
                }
                Entry::Truncate { table, .. } => self.empty(table),
                Entry::Sequence { oid, value, called } => self.sequences.restore(oid, value, called),
            }
        }
        self.catalog.version += u64::from(changed_catalog);
        self.next_txn = self.next_txn.max(txn + 1);
        self.commit = commit;
        Ok(())
    }

    /// Takes away all rows that are there at this place of the log.
    fn empty(&mut self, table: TableId) {
        let Some(table) = self.tables.get(&table) else { return };
        for chunk in table.heap.first_chunk()..table.heap.chunks() {
            let Some(mut guard) = table.heap.write(RowId(chunk * CHUNK)) else { continue };
            let rows: Vec<u64> = guard.as_ref().map_or_else(Vec::new, |slots| {
                (chunk * CHUNK..)
                    .zip(slots.versions.iter())
                    .filter(|(_, slot)| slot.data.is_some())
                    .map(|(row, _)| row)
                    .collect()
            });
            for row in rows {
                table.heap.free(&mut guard, RowId(row));
            }
        }
        table.rows.store(0, Ordering::Relaxed);
    }

    fn change_row(&mut self, table: TableId, row: RowId, change: StoredChange<'_>, commit: u64) -> Result<()> {
        let Some(table) = self.tables.get(&table) else { return Ok(()) };
        let lost = || SqlError::new(SqlState::DATA_CORRUPTED, "a commit record changes a row that is not there");
        match change {
            StoredChange::Insert { new } => {
                table.heap.reserve(row.0 + 1);
                let mut chunk = table.heap.write_new(row).ok_or_else(lost)?;
                heap::fill(&mut chunk, row, commit, Box::from(new));
                table.rows.fetch_add(1, Ordering::Relaxed);
            }
            StoredChange::Update { new, .. } => {
                let mut chunk = table.heap.write(row).ok_or_else(lost)?;
                let slot = heap::slot_mut(&mut chunk, row).ok_or_else(lost)?;
                slot.data = Some(Box::from(new));
                slot.stamp = commit;
            }
            StoredChange::Delete { .. } => {
                let mut chunk = table.heap.write(row).ok_or_else(lost)?;
                table.heap.free(&mut chunk, row);
                table.rows.fetch_sub(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Commit of the first record of a segment. What a checkpoint covers was synced before it, and is not read whole.
fn first_commit(disk: &dyn Disk, segment: &Segment, checkpoint: u64) -> Result<Option<u64>> {
    let Some(header) = segment.header_at(disk, SEGMENT_HEADER)? else { return Ok(None) };
    let whole = header.commit <= checkpoint || segment.record_at(disk, SEGMENT_HEADER, &header)?.is_some();
    Ok(whole.then_some(header.commit))
}

/// The place where replay begins: all before it is older than the checkpoint. Such segments are there for cursors, and
/// only who reads them finds out whether they are whole; those that no cursor wants any more are the second result:
/// they were given up, which goes file by file, so that a crash may leave any of them.
fn begin(disk: &dyn Disk, segments: &[Arc<Segment>], state: &State) -> Result<(usize, usize)> {
    let (mut start, mut base) = (0, 0);
    let wanted = state.wanted();
    for (place, segment) in segments.iter().enumerate() {
        match first_commit(disk, segment, state.commit)? {
            Some(first) if first <= state.commit + 1 => {
                start = place;
                if first <= wanted {
                    base = place;
                }
                if first <= state.commit {
                    segment.note(first, SEGMENT_HEADER);
                }
            }
            Some(_) => break,
            None => {}
        }
    }
    Ok((start, base))
}

/// Where the log ends: a segment's place, an offset in it, and the newest commit if there is any.
struct LogEnd {
    /// Segments before this one were given up already, but are still there.
    base: usize,
    place: usize,
    offset: u64,
    last: Option<u64>,
}

/// Replays the log after the checkpoint; where it ends, none if there is no segment.
fn replay(
    disk: &dyn Disk,
    segments: &[Arc<Segment>],
    state: &mut State,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<LogEnd>> {
    // Newest commit found in the log, none before the first.
    let mut last: Option<u64> = None;
    let checkpoint = state.commit;
    let (start, base) = begin(disk, segments, state)?;
    for (place, segment) in segments.iter().enumerate().skip(start) {
        let mut offset = SEGMENT_HEADER;
        let mut records = Records::new(disk, segment);
        loop {
            let header = records.header(offset)?;
            let header = header.filter(|header| last.is_none_or(|last| header.commit == last + 1));
            let Some(header) = header else { break };
            if last.is_none() && header.commit > state.commit + 1 {
                return Err(damaged(disk, &segment.name, offset).detail(format!(
                    "It begins with commit {}, commit {} is missing.",
                    header.commit,
                    state.commit + 1
                )));
            }
            let old = header.commit <= checkpoint;
            let Some(bytes) = records.record(offset, &header)? else {
                // A checkpoint is only written once its commits are synced: this one was whole.
                if old {
                    return Err(damaged(disk, &segment.name, offset));
                }
                break;
            };
            if !old {
                let context = || format!("record at offset {offset} of file \"{}\"", disk.describe(&segment.name));
                state.apply(bytes, header.txn, header.commit).map_err(|error| error.context(context()))?;
                state.replayed += header.len();
                if header.commit % 4096 == 0 {
                    progress(Progress::Log { commit: CommitNo(header.commit) });
                }
            }
            segment.note(header.commit, offset);
            last = Some(header.commit);
            offset += header.len();
        }
        // A segment may stand empty before a used one: a record too large for it took one of its own.
        let mut next = None;
        for later in &segments[place + 1..] {
            next = first_commit(disk, later, checkpoint)?;
            if next.is_some() {
                break;
            }
        }
        match next {
            Some(first) if last.is_none_or(|last| first == last + 1) => {}
            Some(_) => return Err(damaged(disk, &segment.name, offset)),
            None => {
                cut(disk, &segments[place..], offset, last.unwrap_or(state.commit))?;
                return Ok(Some(LogEnd { base, place, offset, last }));
            }
        }
    }
    Ok(None)
}

/// Makes sure that nothing that was synced follows the last record, and clears what does.
fn cut(disk: &dyn Disk, segments: &[Arc<Segment>], offset: u64, last: u64) -> Result<()> {
    let mut clear_to = 0;
    for (n, segment) in segments.iter().enumerate() {
        let from = if n == 0 { offset } else { SEGMENT_HEADER };
        let end = scan(disk, segment, from, &mut |header| {
            if header.commit > last && header.synced > last {
                return Err(damaged(disk, &segments[0].name, offset).detail(format!(
                    "Commit {} follows, which was written after commit {} was synced.",
                    header.commit,
                    last + 1
                )));
            }
            Ok(())
        })?;
        if n == 0 {
            clear_to = end;
        }
    }
    let segment = &segments[0];
    let fail = |error| io_error(disk, "write to", &segment.name, &error);
    let zeros = vec![0; 1 << 20];
    let mut block = vec![0; 1 << 20];
    let (mut at, mut dirty) = (offset, false);
    let end = clear_to.max(offset + CLEAR).min(segment.size);
    while at < end {
        let n = usize::try_from((end - at).min(1 << 20)).unwrap_or(0);
        let got = segment.file.read_at(&mut block[..n], at).map_err(fail)?;
        if block[..got].iter().any(|byte| *byte != 0) {
            segment.file.write_at(&zeros[..n], at).map_err(fail)?;
            dirty = true;
        }
        at += n as u64;
    }
    if dirty {
        segment.file.sync().map_err(fail)?;
    }
    Ok(())
}

/// Looks at every offset of a segment for the header of a record of its own; the end of the last one found.
fn scan(
    disk: &dyn Disk,
    segment: &Segment,
    from: u64,
    visit: &mut dyn FnMut(&record::Header) -> Result<()>,
) -> Result<u64> {
    let mut end = from;
    let mut at = from;
    let mut block = vec![0; (1 << 20) + HEADER];
    while at < segment.size {
        let fail = |error| io_error(disk, "read", &segment.name, &error);
        let got = segment.file.read_at(&mut block, at).map_err(fail)?;
        let bytes = &block[..got];
        if bytes.iter().any(|byte| *byte != 0) {
            for place in 0..got.saturating_sub(HEADER - 1).min(1 << 20) {
                // The version, and zeros where no number is that large, come before the checksum.
                if bytes[place + 12] != 1 || bytes[place + 23] != 0 || bytes[place + 31] != 0 {
                    continue;
                }
                if let Some(header) = record::read_header(&bytes[place..], segment.number) {
                    visit(&header)?;
                    end = end.max(at + place as u64 + header.len());
                }
            }
        }
        at += 1 << 20;
    }
    Ok(end.min(segment.size))
}

fn build_indexes(state: &mut State, extractors: &dyn KeyExtractors, progress: &mut dyn FnMut(Progress)) -> Result<()> {
    let catalogs: Vec<_> = state.catalog.databases().cloned().collect();
    let total = catalogs.iter().flat_map(|catalog| catalog.tables()).map(|def| def.indexes.len()).sum();
    let mut done = 0;
    for catalog in catalogs {
        for def in catalog.tables() {
            let old = state.table(def.id);
            let shape = Arc::new(Shape::new(def)?);
            let table = if old.persistence == def.persistence {
                old
            } else {
                let table = Arc::new(TableStore::new(def.id, def.persistence, Parts::default()));
                state.tables.insert(def.id, table.clone());
                table
            };
            let mut indexes = Vec::new();
            for index in &def.indexes {
                progress(Progress::Index { index: index.oid, done, total });
                done += 1;
                let index = IndexStore::new(&catalog, def, index, extractors)?;
                let mut entries = Vec::with_capacity(usize::try_from(table.rows.load(Ordering::Relaxed)).unwrap_or(0));
                for chunk in table.heap.first_chunk()..table.heap.chunks() {
                    let Some(guard) = table.heap.read(RowId(chunk * CHUNK)) else { continue };
                    let Some(slots) = guard.as_ref() else { continue };
                    for (row, slot) in (chunk * CHUNK..).zip(slots.versions.iter()) {
                        if let Some(data) = slot.data.as_deref()
                            && let Some(key) = TableStore::key_of(&index, &shape, data)?
                        {
                            entries.push((key, row));
                        }
                    }
                }
                index.build(entries);
                indexes.push(Arc::new(index));
            }
            table.set_parts(Parts { indexes: Arc::new(indexes), shape });
        }
    }
    Ok(())
}
