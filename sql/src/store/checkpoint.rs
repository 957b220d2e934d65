//! Checkpoints: all that is committed up to one commit, in one file.
//!
//! ```text
//! checkpoint-<commit, 16 hex digits>.ckp
//!   8 bytes "TRIPCKP1", then blocks: u8 kind, u32 n, u32 checksum (crc32) of kind and payload, n bytes payload
//!   kind 1  head: CBOR of `Head`
//!   kind 2  catalog: CBOR of a list of `CatalogChange`
//!   kind 3  rows: u32 table, then per row u64 row id, u32 n, n bytes (`types::encode_row`)
//!   kind 9  end: u64 rows in the file
//! ```
//!
//! It is written beside the running transactions from a pinned snapshot, under another name, synced and renamed. The one
//! before is removed only then; and only then the log gives up segments that neither recovery nor a cursor needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogChange, CatalogSet, Entry, TableId, TriggerId};
use crate::change::{CommitNo, Position, RowId};
use crate::env::Pace;
use crate::error::{Result, SqlError};
use crate::types::Oid;

use super::config::Gap;
use super::disk::{Disk, DiskFile, io_error};
use super::heap::{CHUNK, View};
use super::outcome::Snapshot;
use super::owner::Seat;
use super::record::{Entries, Entry as LogEntry, HEADER};
use super::segment::{Records, SEGMENT_HEADER, Segment, damaged};
use super::store::{Inner, is_permanent};
use super::table::TableStore;

const MAGIC: &[u8; 8] = b"TRIPCKP1";
const BLOCK: usize = 1 << 20;
/// Kinds of blocks.
pub(super) const HEAD: u8 = 1;
pub(super) const CATALOG: u8 = 2;
pub(super) const ROWS: u8 = 3;
pub(super) const END: u8 = 9;

/// What is known of the checkpoints on disk.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) newest: Option<u64>,
}

/// Subscriber, from, to, when, changes by table.
pub(super) type StoredGap = (TriggerId, Position, Position, i64, Vec<(TableId, u64)>);

/// The first block. Fields are only ever added, with a default.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) commit: u64,
    pub(super) next_txn: u64,
    pub(super) next_oid: Oid,
    pub(super) catalog_version: u64,
    /// Written by an orderly shutdown: sequences have given out no value after theirs.
    pub(super) clean: bool,
    pub(super) cursors: Vec<(TriggerId, Position)>,
    /// OID, last value, called, high-water mark.
    pub(super) sequences: Vec<(Oid, i64, bool, i64)>,
    /// Next row id of each table.
    pub(super) tables: Vec<(TableId, u64)>,
    pub(super) gaps: Vec<StoredGap>,
}

/// Name of the checkpoint of a commit.
pub(super) fn name_of(commit: u64) -> String {
    format!("checkpoint-{commit:016x}.ckp")
}

struct Writer<'a> {
    disk: &'a dyn Disk,
    name: String,
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(bytes, self.at).map_err(|error| io_error(self.disk, "write to", &self.name, &error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn block(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| SqlError::internal("a checkpoint block is too large"))?;
        let mut head = [0; 9];
        head[0] = kind;
        head[1..5].copy_from_slice(&len.to_le_bytes());
        head[5..9].copy_from_slice(&checksum(kind, payload).to_le_bytes());
        self.write(&head)?;
        self.write(payload)
    }
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

fn cbor<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(SqlError::internal)?;
    Ok(bytes)
}

/// The state of everything at one commit.
struct Captured {
    commit: u64,
    catalog: Arc<CatalogSet>,
    cursors: Vec<(TriggerId, Position)>,
    tables: Vec<Arc<TableStore>>,
}

/// Writes a checkpoint and gives up the log before it. `clean` = nothing will be written any more.
pub(super) fn run(inner: &Inner, clean: bool) -> Result<()> {
    let mut checkpoints = inner.checkpoints.lock();
    let start = inner.env.clock.elapsed();
    let logged = inner.log.bytes.load(Ordering::Relaxed);
    let seat = inner.seats.sit(None);
    let captured = capture(inner, &seat);
    let result = inner.log.wait(CommitNo(captured.commit)).and_then(|()| {
        let plan = plan_retention(inner, &captured)?;
        let unchanged = checkpoints.newest == Some(captured.commit) && *inner.gaps.lock() == plan.gaps;
        if unchanged && !clean {
            return Ok(plan);
        }
        let result = write(inner, &captured, &plan.gaps, clean);
        if result.is_err() {
            let _ = inner.disk.remove("checkpoint.tmp");
        }
        result.map(|()| plan)
    });
    inner.seats.leave(seat);
    let plan = result?;
    inner.checkpoint_log_bytes.store(logged, Ordering::Relaxed);
    inner.checkpoint_count.fetch_add(1, Ordering::Relaxed);
    let micros = inner.env.clock.elapsed().saturating_sub(start).as_micros();
    inner.checkpoint_micros.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    checkpoints.newest = Some(captured.commit);
    for name in inner.disk.list("").unwrap_or_default() {
        let old = name.starts_with("checkpoint-") && name != name_of(captured.commit);
        if old && let Err(error) = inner.disk.remove(&name) {
            tracing::warn!(%error, name, "could not remove an old checkpoint");
        }
    }
    *inner.gaps.lock() = plan.gaps;
    inner.log.retire(plan.first);
    Ok(())
}

fn capture(inner: &Inner, seat: &Seat) -> Captured {
    inner.log.quiesced(|newest| {
        let commit = inner.seats.pin(seat, || newest.0);
        let catalog = inner.catalog.read().clone();
        let known = inner.tables.read();
        let defs = catalog.databases().flat_map(|database| database.tables());
        let tables = defs.filter_map(|def| known.get(&def.id)).filter(|table| table.is_logged()).cloned().collect();
        let cursors = inner.cursors.lock().iter().map(|(subscriber, position)| (*subscriber, *position)).collect();
        Captured { commit, catalog: catalog.clone(), cursors, tables }
    })
}

fn write(inner: &Inner, captured: &Captured, gaps: &[Gap], clean: bool) -> Result<()> {
    let disk = inner.disk.as_ref();
    let name = "checkpoint.tmp".to_owned();
    let fail = |error| io_error(disk, "write to", "checkpoint.tmp", &error);
    let file = disk.create(&name).map_err(fail)?;
    let mut writer = Writer { disk, name, file, at: 0 };
    writer.write(MAGIC)?;
    let gaps = gaps.iter().map(|gap| (gap.subscriber, gap.from, gap.to, gap.lost_at, gap.tables.clone())).collect();
    let sequences = inner.sequences.all().into_iter().filter(|(oid, _)| has_sequence(&captured.catalog, *oid));
    let head = Head {
        commit: captured.commit,
        next_txn: inner.next_txn.load(Ordering::SeqCst),
        next_oid: inner.next_oid.load(Ordering::SeqCst),
        catalog_version: captured.catalog.version,
        clean,
        cursors: captured.cursors.clone(),
        sequences: sequences.map(|(oid, now)| (oid, now.last, now.called, now.mark)).collect(),
        tables: captured.tables.iter().map(|table| (table.id, table.heap.next())).collect(),
        gaps,
    };
    writer.block(HEAD, &cbor(&head)?)?;
    writer.block(CATALOG, &cbor(&catalog_entries(&captured.catalog))?)?;
    let snapshot = Snapshot { commit: CommitNo(captured.commit), command: 0 };
    let view = View { snapshot, own: u64::MAX, txns: &inner.txns };
    let mut rows = 0;
    let total: i64 = captured.tables.iter().map(|table| table.rows.load(Ordering::Relaxed)).sum();
    let mut pace = Pace::new(&inner.env);
    for table in &captured.tables {
        rows += write_rows(&mut writer, table, &view, &mut |more| {
            if pace.due() {
                tracing::info!(rows = rows + more, total, "writing a checkpoint");
            }
        })?;
    }
    writer.block(END, &u64::to_le_bytes(rows))?;
    writer.file.sync().map_err(fail)?;
    disk.rename("checkpoint.tmp", &name_of(captured.commit)).map_err(fail)?;
    disk.sync_dir("").map_err(fail)
}

fn has_sequence(catalog: &CatalogSet, oid: Oid) -> bool {
    catalog.databases().any(|database| database.sequence(oid).is_some())
}

fn write_rows(
    writer: &mut Writer<'_>,
    table: &TableStore,
    view: &View<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<u64> {
    let mut payload = Vec::with_capacity(BLOCK + 4096);
    let (mut rows, mut seen) = (0, 0);
    for chunk in table.heap.first_chunk()..table.heap.chunks() {
        if payload.is_empty() {
            payload.extend_from_slice(&table.id.0.to_le_bytes());
        }
        if let Some(guard) = table.heap.read(RowId(chunk * CHUNK))
            && let Some(slots) = guard.as_ref()
        {
            for (row, slot) in (chunk * CHUNK..).zip(slots.versions.iter()) {
                if let Some(data) = view.find(slot, &mut seen) {
                    payload.extend_from_slice(&row.to_le_bytes());
                    payload.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
                    payload.extend_from_slice(data);
                    rows += 1;
                }
            }
        }
        if payload.len() >= BLOCK {
            writer.block(ROWS, &payload)?;
            payload.clear();
            progress(rows);
        }
    }
    if payload.len() > 4 {
        writer.block(ROWS, &payload)?;
    }
    Ok(rows)
}

fn catalog_entries(set: &CatalogSet) -> Vec<CatalogChange> {
    let shared = |entry| CatalogChange::Put { database: 0, entry };
    let mut entries: Vec<_> = set.shared.roles().cloned().map(|def| shared(Entry::Role(def))).collect();
    entries.extend(set.shared.databases().cloned().map(|def| shared(Entry::Database(def))));
    for catalog in set.databases() {
        let own = catalog.entries().map(|entry| CatalogChange::Put { database: catalog.database, entry });
        entries.extend(own.filter(is_permanent));
    }
    entries
}

/// First commit that a cursor at this position still needs.
pub(super) fn needed(position: Position) -> u64 {
    position.commit.0.saturating_add(u64::from(position.ordinal == u32::MAX))
}

/// What the log keeps once the checkpoint is durable.
struct Retention {
    /// First commit kept, about.
    first: u64,
    gaps: Vec<Gap>,
}

/// Decides before the checkpoint is written, so that it holds the gaps that giving up the log then makes.
fn plan_retention(inner: &Inner, captured: &Captured) -> Result<Retention> {
    let recovery = captured.commit + 1;
    let keepers: Vec<_> = inner.keepers.lock().values().map(|position| needed(*position)).collect();
    let cursors = captured.cursors.iter().map(|(_, position)| needed(*position));
    let mut plan = Retention {
        first: cursors.chain(keepers).min().unwrap_or(recovery).min(recovery),
        gaps: inner.gaps.lock().clone(),
    };
    let limit = inner.config.log_retention_max_bytes;
    let segments = inner.log.segments();
    let mut size: u64 = segments.iter().map(|segment| segment.size).sum();
    for pair in segments.windows(2) {
        let [oldest, next] = pair else { break };
        let Some(first) = next.first().filter(|first| *first <= recovery) else { break };
        if first > plan.first {
            if limit == 0 || size <= limit {
                break;
            }
            lose(inner, captured, oldest, first, &mut plan.gaps)?;
            plan.first = first;
        }
        size -= oldest.size;
    }
    Ok(plan)
}

/// Notes for every cursor before `first` that it loses what the segment holds.
fn lose(inner: &Inner, captured: &Captured, segment: &Segment, first: u64, gaps: &mut Vec<Gap>) -> Result<()> {
    let tables = count_changes(inner, segment)?;
    let lost_at = inner.env.clock.now();
    for (subscriber, from) in captured.cursors.iter().copied().filter(|(_, position)| needed(*position) < first) {
        let to = Position::end_of(CommitNo(first - 1));
        match gaps.iter_mut().find(|gap| gap.subscriber == subscriber && gap.from == from) {
            Some(gap) => {
                gap.to = to;
                add_counts(&mut gap.tables, &tables);
            }
            None => gaps.push(Gap { subscriber, from, to, lost_at, tables: tables.clone() }),
        }
    }
    Ok(())
}

fn add_counts(all: &mut Vec<(TableId, u64)>, more: &[(TableId, u64)]) {
    for (table, count) in more {
        match all.iter_mut().find(|(other, _)| other == table) {
            Some((_, sum)) => *sum += count,
            None => all.push((*table, *count)),
        }
    }
}

/// Row changes of a segment, by table.
fn count_changes(inner: &Inner, segment: &Segment) -> Result<Vec<(TableId, u64)>> {
    let disk = inner.disk.as_ref();
    let mut counts = Vec::new();
    let mut offset = SEGMENT_HEADER;
    let mut records = Records::new(disk, segment);
    while let Some(header) = records.header(offset)? {
        let bytes = records.record(offset, &header)?;
        let bytes = bytes.ok_or_else(|| damaged(disk, &segment.name, offset))?;
        let mut entries = Entries::new(&bytes[HEADER..]);
        while let Some(entry) = entries.next()? {
            if let LogEntry::Row { table, .. } = entry {
                add_counts(&mut counts, &[(table, 1)]);
            }
        }
        offset += header.len();
    }
    Ok(counts)
}

/// Reads the blocks of a checkpoint in order. Errors: 58030; XX001 naming the offset of a damaged block.
pub(super) fn read(disk: &dyn Disk, name: &str, visit: &mut dyn FnMut(u8, &[u8]) -> Result<()>) -> Result<()> {
    let fail = |error| io_error(disk, "read", name, &error);
    let file = disk.open(name).map_err(fail)?;
    let len = file.len().map_err(fail)?;
    let mut magic = [0; 8];
    if file.read_at(&mut magic, 0).map_err(fail)? < 8 || &magic != MAGIC {
        return Err(damaged(disk, name, 0));
    }
    let mut at = 8;
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if file.read_at(&mut head, at).map_err(fail)? < head.len() {
            return Err(damaged(disk, name, at));
        }
        let n = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let crc = u32::from_le_bytes([head[5], head[6], head[7], head[8]]);
        if at + 9 + u64::from(n) > len {
            return Err(damaged(disk, name, at));
        }
        payload.resize(n as usize, 0);
        let got = file.read_at(&mut payload, at + 9).map_err(fail)?;
        if got < payload.len() || checksum(head[0], &payload) != crc {
            return Err(damaged(disk, name, at));
        }
        visit(head[0], &payload)
            .map_err(|error| error.context(format!("block at offset {at} of file \"{}\"", disk.describe(name))))?;
        if head[0] == END {
            return Ok(());
        }
        at += 9 + u64::from(n);
    }
}
