//! Writing and locking rows.
//!
//! A write looks at the newest version under the chunk's lock and then either puts its own on top, or waits for the
//! transaction whose version that is, or tells the caller that the row has changed. Unique keys are checked after the
//! version is in place, so that of two writers of one key one always sees the other.

use std::sync::Arc;

use crate::catalog::{TableDef, TableId};
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Oid, Row, Value, encode_row};

use super::heap::{self, Version, write_stamp};
use super::index::{IndexStore, Key};
use super::line::{Place, Spot, Turn, Want};
use super::lock::{RowLock, Target};
use super::outcome::{
    InsertOutcome, Isolation, LockMode, LockOutcome, Snapshot, TableLockMode, WaitPolicy, WriteOutcome,
};
use super::owner::{Owner, State};
use super::record::difference;
use super::table::StaleKey;
use super::txn::{Txn, Write};

/// What stands on top of a row's chain.
pub(super) enum Newest {
    Own(u32),
    /// Another transaction's write, with its epoch; and whether it changed keys.
    Other(Arc<Owner>, u64, bool),
    Committed(u64),
    /// Just being settled.
    Again,
}

/// Why a row could not be written or locked at once.
enum Step<T> {
    Done(T),
    /// Someone has it, with the epoch then. False: this transaction has a lock on it too, and must not stand behind others.
    Wait(Arc<Owner>, u64, bool),
    /// It is free, but kept for the first who waits for it.
    Kept,
    Again,
}

/// Who else has a key.
enum Rival {
    None,
    Has,
    Wait(Arc<Owner>, u64),
}

/// The waits of one write or lock for its row.
struct RowWaits {
    table: TableId,
    row: RowId,
    mode: LockMode,
    place: Option<Place>,
}

impl RowWaits {
    fn new(table: TableId, row: RowId, mode: LockMode) -> RowWaits {
        RowWaits { table, row, mode, place: None }
    }

    /// Waits for the holder, in the row's line if it may. Errors: those of a wait; any if the transaction steps aside.
    fn wait(&mut self, txn: &mut Txn, holder: Option<(&Arc<Owner>, u64)>, in_line: bool) -> Result<()> {
        let target = Target::Transaction;
        if let Some((owner, epoch)) = holder
            && !in_line
        {
            self.place = None;
            return txn.wait_for(owner, epoch, target);
        }
        if self.place.is_none()
            && let Some((owner, epoch)) = holder
            && owner.spin(epoch)
        {
            return Ok(());
        }
        if self.place.is_none() && txn.aside.as_ref().is_some_and(|place| place.spot == Spot::Row(self.table, self.row))
        {
            self.place = txn.aside.take();
        }
        let locks = &txn.inner.locks;
        let place = self.place.get_or_insert_with(|| {
            Place::join(&locks.lines, Spot::Row(self.table, self.row), &txn.owner, Want::Row(self.mode))
        });
        if txn.steps_aside == Some(txn.writes.len()) && txn.lock_timeout.is_none() {
            if locks.stand_in_line(place, holder) == Turn::Now {
                return Ok(());
            }
            txn.aside = self.place.take();
            (txn.steps_aside, txn.stepped_aside) = (None, true);
            return Err(SqlError::internal("a statement that stepped aside"));
        }
        locks.wait_in_line(&txn.waiter(), place, holder, target)
    }

    /// The row is got, or not needed any more.
    fn end(self, txn: &Txn, got: bool) {
        if let Some(place) = self.place
            && got
        {
            place.taken_by(&txn.owner);
        }
    }
}

fn changed_meanwhile(deleted: bool) -> SqlError {
    let what = if deleted { "delete" } else { "update" };
    SqlError::new(SqlState::SERIALIZATION_FAILURE, format!("could not serialize access due to concurrent {what}"))
}

impl Txn {
    pub(super) fn newest_of(&self, version: &Version) -> Newest {
        let Some((short, command)) = version.writer() else { return Newest::Committed(version.stamp) };
        if self.registered && short == self.short {
            return Newest::Own(command);
        }
        let Some(owner) = self.inner.txns.get(short) else { return Newest::Again };
        let epoch = owner.epoch();
        match owner.state() {
            State::Running => Newest::Other(owner, epoch, version.keys_changed()),
            State::Committed(commit) => Newest::Committed(commit),
            State::Aborted => Newest::Again,
        }
    }

    /// When the row's newest version was made: its commit (beyond all of them for one of this transaction) and command.
    /// Rows that came from a checkpoint all have the same. Errors: 42P01.
    pub fn changed_at(&mut self, table: TableId, row: RowId) -> Result<(u64, u32)> {
        let place = self.handle(table)?;
        let table = self.tables[place].clone();
        let Some(chunk) = table.store.heap.read(row) else { return Ok((0, 0)) };
        let Some(slot) = heap::slot(&chunk, row) else { return Ok((0, 0)) };
        Ok(match self.newest_of(slot) {
            Newest::Own(command) => (u64::MAX, command),
            Newest::Committed(commit) => (commit, 0),
            Newest::Other(..) | Newest::Again => (u64::MAX, 0),
        })
    }

    /// Inserts a row. It waits for other transactions that have a unique key of it. Errors: those of a wait, of index
    /// expressions, 54000.
    pub fn insert(&mut self, table: &Arc<TableDef>, row: &[Value]) -> Result<InsertOutcome> {
        let place = self.handle(table.id)?;
        let command = self.use_command()?;
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        encode_row(row, &mut bytes);
        let handle = self.tables[place].clone();
        let row_id = handle.store.heap.allocate();
        if let Some(mut chunk) = handle.store.heap.write_new(row_id) {
            heap::fill(&mut chunk, row_id, write_stamp(self.short, command, false), Box::from(bytes.as_slice()));
        }
        self.writes.push(Write { table: u32::try_from(place).unwrap_or(u32::MAX), row: row_id });
        match self.add_keys(place, &handle.indexes, row, row_id, None) {
            Ok(None) => {}
            failed => {
                self.writes.pop();
                if let Some(mut chunk) = handle.store.heap.write(row_id) {
                    handle.store.heap.free(&mut chunk, row_id);
                }
                self.owner.let_go();
                self.scratch = bytes;
                let conflict = failed?;
                return Ok(match conflict {
                    Some((index, row)) => InsertOutcome::Conflict { index, row },
                    None => InsertOutcome::Done(row_id),
                });
            }
        }
        if handle.store.is_logged() {
            self.record.insert(table.id, table.schema_version, self.writer, row_id, &bytes);
        }
        self.scratch = bytes;
        Ok(InsertOutcome::Done(row_id))
    }

    /// Adds the row's entries; the index and row of a conflict, after which none of them is there. `old` limits it to
    /// keys that differ.
    fn add_keys(
        &mut self,
        place: usize,
        indexes: &Arc<Vec<Arc<IndexStore>>>,
        row: &[Value],
        row_id: RowId,
        old: Option<&[Value]>,
    ) -> Result<Option<(Oid, RowId)>> {
        let mut added: Vec<(usize, Key)> = Vec::new();
        let mut result = Ok(None);
        for (at, index) in indexes.iter().enumerate() {
            let key = match old {
                Some(old) if !index.may_differ(old, row) => continue,
                _ => index.key(row),
            };
            let (key, free) = match key {
                Ok(Some(key)) => key,
                Ok(None) => continue,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            if !index.unique || free {
                index.insert(key.clone(), row_id.0);
            } else {
                match self.add_unique(place, index, &key, row_id) {
                    Ok(None) => {}
                    Ok(Some(other)) => {
                        result = Ok(Some((index.oid, other)));
                        break;
                    }
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            if at + 1 < indexes.len() {
                added.push((at, key));
            }
        }
        if !matches!(result, Ok(None)) {
            let handle = &self.tables[place];
            for (at, key) in added {
                if old.is_none() {
                    indexes[at].remove(&key, row_id.0);
                } else {
                    // The version is still in place; the caller takes it off and clears these.
                    let (table, index) = (handle.store.clone(), indexes[at].clone());
                    self.stale.push(StaleKey { table, index, key, row: row_id });
                }
            }
        }
        result
    }

    fn add_unique(&mut self, place: usize, index: &Arc<IndexStore>, key: &Key, row_id: RowId) -> Result<Option<RowId>> {
        let mut others = std::mem::take(&mut self.scratch_rows);
        let result = loop {
            let stripe = index.stripe(key);
            if index.insert_if_free(key, row_id.0, &mut others) {
                break Ok(None);
            }
            let mut verdict = Rival::None;
            let mut rival = row_id;
            for other in &others {
                rival = RowId(*other);
                verdict = match self.rival(place, index, key, rival) {
                    Ok(verdict) => verdict,
                    Err(error) => {
                        self.scratch_rows = others;
                        return Err(error);
                    }
                };
                if !matches!(verdict, Rival::None) {
                    break;
                }
            }
            match verdict {
                Rival::None => {
                    index.insert(key.clone(), row_id.0);
                    break Ok(None);
                }
                Rival::Has => break Ok(Some(rival)),
                Rival::Wait(owner, epoch) => {
                    drop(stripe);
                    if let Err(error) = self.wait_for(&owner, epoch, Target::Transaction) {
                        break Err(error);
                    }
                }
            }
        };
        self.scratch_rows = others;
        result
    }

    /// Whether another row has the key, now or if some running transaction ends one way or the other.
    fn rival(&mut self, place: usize, index: &IndexStore, key: &Key, row: RowId) -> Result<Rival> {
        let table = self.tables[place].clone();
        loop {
            let Some(chunk) = table.store.heap.read(row) else { return Ok(Rival::None) };
            let Some(slot) = heap::slot(&chunk, row) else { return Ok(Rival::None) };
            let has = |version: &Version| -> Result<bool> {
                let Some(data) = version.data.as_deref() else { return Ok(false) };
                Ok(index.key(&table.shape.decode(data)?)?.is_some_and(|(found, _)| found == *key))
            };
            match self.newest_of(slot) {
                Newest::Own(_) => return Ok(if has(slot)? { Rival::Has } else { Rival::None }),
                Newest::Committed(commit) => {
                    let has = has(slot)?;
                    drop(chunk);
                    self.note(commit);
                    return Ok(if has { Rival::Has } else { Rival::None });
                }
                Newest::Other(owner, epoch, _) => {
                    for version in slot.chain() {
                        if has(version)? {
                            return Ok(Rival::Wait(owner, epoch));
                        }
                        if version.committed(&self.inner.txns).is_some() {
                            break;
                        }
                    }
                    return Ok(Rival::None);
                }
                Newest::Again => {}
            }
            drop(chunk);
            std::thread::yield_now();
        }
    }

    /// The live row that has this row's key in a unique index, for ON CONFLICT; waits for transactions in progress.
    /// Errors: those of a wait, XX001.
    pub fn find_conflict(&mut self, table: &Arc<TableDef>, index: Oid, row: &[Value]) -> Result<Option<(RowId, Row)>> {
        let place = self.handle(table.id)?;
        let index = self.tables[place].indexes.iter().find(|other| other.oid == index).cloned();
        let index = index.ok_or_else(|| SqlError::internal("no such index"))?;
        let Some((key, free)) = index.key(row)? else { return Ok(None) };
        if free {
            return Ok(None);
        }
        'look: loop {
            let mut rows = Vec::new();
            index.rows_of(&key, &mut rows);
            for row in rows.into_iter().map(RowId) {
                match self.rival(place, &index, &key, row)? {
                    Rival::None => {}
                    Rival::Wait(owner, epoch) => {
                        self.wait_for(&owner, epoch, Target::Transaction)?;
                        continue 'look;
                    }
                    Rival::Has => match self.newest(table.id, row)? {
                        Some(found) => return Ok(Some((row, found))),
                        None => continue 'look,
                    },
                }
            }
            return Ok(None);
        }
    }

    /// Replaces a row. `old` is the version that the caller saw. Errors: 40001, those of a wait, of index expressions.
    pub fn update(
        &mut self,
        table: &Arc<TableDef>,
        row_id: RowId,
        old: &Row,
        new: &[Value],
        snapshot: &Snapshot,
    ) -> Result<WriteOutcome> {
        let place = self.handle(table.id)?;
        let handle = self.tables[place].clone();
        let live: Arc<Vec<_>>;
        let mut indexes = &handle.indexes;
        if indexes.len() != table.indexes.len() {
            // An index that this transaction dropped stays until commit; it takes no entries any more.
            let is_live = |oid| table.indexes.iter().any(|def| def.oid == oid);
            live = Arc::new(indexes.iter().filter(|index| is_live(index.oid)).cloned().collect());
            indexes = &live;
        }
        let mut keys_differ = false;
        let mut mode = LockMode::NoKeyUpdate;
        for index in indexes.iter() {
            if index.may_differ(old, new) {
                keys_differ = true;
                if index.referenced {
                    mode = LockMode::Update;
                }
            }
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        encode_row(new, &mut bytes);
        let outcome = self.put(place, row_id, snapshot, mode, Some(bytes.as_slice()), keys_differ);
        let done = matches!(outcome, Ok(WriteOutcome::Done));
        if !done {
            self.scratch = bytes;
            return outcome;
        }
        if keys_differ {
            let stale = self.stale.len();
            match self.add_keys(place, indexes, new, row_id, Some(old)) {
                Ok(None) => {
                    self.note_stale(place, indexes, old, new, row_id)?;
                    self.prune_row(place, row_id);
                }
                failed => {
                    if let Some(mut chunk) = handle.store.heap.write(row_id)
                        && let Some(slot) = heap::slot_mut(&mut chunk, row_id)
                    {
                        slot.pop();
                    }
                    for added in self.stale.drain(stale..) {
                        added.clear();
                    }
                    self.scratch = bytes;
                    return Ok(match failed? {
                        Some((index, row)) => WriteOutcome::Conflict { index, row },
                        None => WriteOutcome::Done,
                    });
                }
            }
        }
        if handle.store.is_logged() {
            let (mut bitmap, mut values) = (Vec::new(), Vec::new());
            // Nobody who reads the log asks what stood in a hidden table.
            let old: &[Value] = if table.hidden { new } else { old };
            difference(old, new, &mut bitmap, &mut values);
            self.record.update(table.id, table.schema_version, self.writer, row_id, &bytes, &bitmap, &values);
        }
        self.scratch = bytes;
        Ok(WriteOutcome::Done)
    }

    fn prune_row(&self, place: usize, row: RowId) {
        if let Some(mut chunk) = self.tables[place].store.heap.write(row)
            && let Some(slot) = heap::slot_mut(&mut chunk, row)
        {
            slot.prune(self.short, &self.boundaries(), self.inner.seats.horizon());
        }
    }

    /// Remembers the keys that the row has no longer.
    fn note_stale(
        &mut self,
        place: usize,
        indexes: &[Arc<IndexStore>],
        old: &[Value],
        new: &[Value],
        row: RowId,
    ) -> Result<()> {
        for index in indexes {
            if !index.may_differ(old, new) {
                continue;
            }
            if let Some((key, _)) = index.key(old)?
                && index.key(new)?.is_none_or(|(newer, _)| newer != key)
            {
                let table = self.tables[place].store.clone();
                self.stale.push(StaleKey { table, index: index.clone(), key, row });
            }
        }
        Ok(())
    }

    /// Deletes a row. `old` is the version that the caller saw. Errors: 40001, those of a wait.
    pub fn delete(
        &mut self,
        table: &Arc<TableDef>,
        row_id: RowId,
        old: &Row,
        snapshot: &Snapshot,
    ) -> Result<WriteOutcome> {
        let place = self.handle(table.id)?;
        let outcome = self.remove(place, row_id, old, snapshot)?;
        if outcome == WriteOutcome::Done && self.tables[place].store.is_logged() {
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            encode_row(old, &mut bytes);
            self.record.delete(table.id, table.schema_version, self.writer, row_id, &bytes);
            self.scratch = bytes;
        }
        Ok(outcome)
    }

    /// Puts a tombstone on a row, without an entry in the log.
    fn remove(&mut self, place: usize, row_id: RowId, old: &Row, snapshot: &Snapshot) -> Result<WriteOutcome> {
        let outcome = self.put(place, row_id, snapshot, LockMode::Update, None, false)?;
        if outcome != WriteOutcome::Done {
            return Ok(outcome);
        }
        let handle = self.tables[place].clone();
        let own_before = handle.store.heap.read(row_id).is_some_and(|chunk| {
            let before = heap::slot(&chunk, row_id).and_then(|slot| slot.prev.as_deref());
            before.is_none_or(|version| version.writer().is_some())
        });
        if own_before {
            for index in handle.indexes.iter() {
                if let Some((key, _)) = index.key(old)? {
                    self.stale.push(StaleKey { table: handle.store.clone(), index: index.clone(), key, row: row_id });
                }
            }
        }
        Ok(outcome)
    }

    /// Puts a version on a row: the new data or a tombstone. With `keep` nothing under it is pruned, so that it can be
    /// taken off again.
    fn put(
        &mut self,
        place: usize,
        row: RowId,
        snapshot: &Snapshot,
        mode: LockMode,
        data: Option<&[u8]>,
        keep: bool,
    ) -> Result<WriteOutcome> {
        let mut waits = RowWaits::new(self.tables[place].store.id, row, mode);
        loop {
            match self.try_put(place, row, snapshot, mode, data, keep)? {
                Step::Done(outcome) => {
                    waits.end(self, matches!(outcome, WriteOutcome::Done | WriteOutcome::Newer(_)));
                    return Ok(outcome);
                }
                Step::Wait(owner, epoch, in_line) => waits.wait(self, Some((&owner, epoch)), in_line)?,
                Step::Kept => waits.wait(self, None, true)?,
                Step::Again => std::thread::yield_now(),
            }
        }
    }

    fn try_put(
        &mut self,
        place: usize,
        row: RowId,
        snapshot: &Snapshot,
        mode: LockMode,
        data: Option<&[u8]>,
        keep: bool,
    ) -> Result<Step<WriteOutcome>> {
        let command = self.use_command()?;
        let table = self.tables[place].clone();
        let store = &table.store;
        let me = self.owner.id;
        let Some(mut chunk) = store.heap.write(row) else { return Ok(Step::Done(WriteOutcome::Gone)) };
        let Some(slot) = heap::slot_mut(&mut chunk, row) else { return Ok(Step::Done(WriteOutcome::Gone)) };
        let has_row_locks = store.locks.rows.load(std::sync::atomic::Ordering::SeqCst) > 0;
        let mut keys = mode == LockMode::Update;
        let mut fresh = true;
        match self.newest_of(slot) {
            Newest::Again => return Ok(Step::Again),
            Newest::Other(owner, epoch, _) => {
                let held = has_row_locks && self.inner.locks.row_held(store.id, row, me).is_some();
                return Ok(Step::Wait(owner, epoch, !held));
            }
            Newest::Own(at) if at >= snapshot.command => return Ok(Step::Done(WriteOutcome::SelfModified)),
            Newest::Own(_) if slot.data.is_none() => return Ok(Step::Done(WriteOutcome::Gone)),
            Newest::Own(at) => {
                keys |= slot.keys_changed();
                fresh = at < self.level_command();
            }
            Newest::Committed(commit) => {
                let newer = commit > snapshot.commit.0;
                let strict = self.options.isolation != Isolation::ReadCommitted;
                if newer && strict {
                    return Err(changed_meanwhile(slot.data.is_none()));
                }
                let Some(current) = slot.data.as_deref() else {
                    self.note(commit);
                    return Ok(Step::Done(WriteOutcome::Gone));
                };
                let held = || has_row_locks.then(|| self.inner.locks.row_held(store.id, row, me)).flatten();
                if self.inner.locks.lines.is_kept(Spot::Row(store.id, row), me) && held().is_none() {
                    return Ok(Step::Kept);
                }
                if newer && held().is_none_or(|mode| mode < LockMode::NoKeyUpdate) {
                    let current = table.shape.decode(current)?;
                    match self.inner.locks.row_lock(&store.locks, store.id, row, LockMode::Update, &self.owner) {
                        RowLock::Taken => self.row_locks.push((store.clone(), row, LockMode::Update)),
                        RowLock::Had => {}
                        RowLock::Conflict(owner, epoch) => {
                            return Ok(Step::Wait(owner, epoch, held().is_none()));
                        }
                    }
                    self.locked = true;
                    self.note(commit);
                    return Ok(Step::Done(WriteOutcome::Newer(current)));
                }
                self.note(commit);
            }
        }
        if has_row_locks && let Some((owner, epoch)) = self.inner.locks.row_conflict(store.id, row, mode, me) {
            let held = self.inner.locks.row_held(store.id, row, me).is_some();
            return Ok(Step::Wait(owner, epoch, !held && slot.writer().is_none()));
        }
        slot.push(write_stamp(self.short, command, keys), data.map(Box::from));
        if !keep {
            slot.prune(self.short, &self.boundaries(), self.inner.seats.horizon());
        }
        if fresh {
            self.writes.push(Write { table: u32::try_from(place).unwrap_or(u32::MAX), row });
        }
        Ok(Step::Done(WriteOutcome::Done))
    }

    /// Locks a row to the end of the transaction. Errors: 40001, 55P03 under NOWAIT, those of a wait.
    pub fn lock_row(
        &mut self,
        table: TableId,
        row: RowId,
        mode: LockMode,
        wait: WaitPolicy,
        snapshot: &Snapshot,
    ) -> Result<LockOutcome> {
        let place = self.handle(table)?;
        self.locked = true;
        let mut waits = RowWaits::new(table, row, mode);
        loop {
            let (holder, in_line) = match self.try_lock_row(place, row, mode, wait, snapshot)? {
                Step::Done(outcome) => {
                    waits.end(self, matches!(outcome, LockOutcome::Current(_) | LockOutcome::Newer(_)));
                    return Ok(outcome);
                }
                Step::Wait(owner, epoch, in_line) => (Some((owner, epoch)), in_line),
                Step::Kept => (None, true),
                Step::Again => {
                    std::thread::yield_now();
                    continue;
                }
            };
            match wait {
                WaitPolicy::Wait => waits.wait(self, holder.as_ref().map(|(owner, epoch)| (owner, *epoch)), in_line)?,
                WaitPolicy::SkipLocked => return Ok(LockOutcome::Skipped),
                WaitPolicy::NoWait => {
                    let name = self.catalog.table(table).map_or_else(String::new, |def| def.name.clone());
                    let message = format!("could not obtain lock on row in relation \"{name}\"");
                    return Err(SqlError::new(SqlState::LOCK_NOT_AVAILABLE, message));
                }
            }
        }
    }

    fn try_lock_row(
        &mut self,
        place: usize,
        row: RowId,
        mode: LockMode,
        wait: WaitPolicy,
        snapshot: &Snapshot,
    ) -> Result<Step<LockOutcome>> {
        let table = self.tables[place].clone();
        let store = &table.store;
        let me = self.owner.id;
        let held = || self.inner.locks.row_held(store.id, row, me).is_some();
        let gone = || Ok(Step::Done(LockOutcome::Gone));
        let Some(chunk) = store.heap.read(row) else { return gone() };
        let Some(slot) = heap::slot(&chunk, row) else { return gone() };
        let mut commit = 0;
        let version = match self.newest_of(slot) {
            Newest::Again => return Ok(Step::Again),
            Newest::Own(_) if slot.data.is_none() => return gone(),
            Newest::Own(at) if at >= snapshot.command => return Ok(Step::Done(LockOutcome::SelfModified)),
            Newest::Own(_) => slot,
            Newest::Other(owner, epoch, keys) => {
                if keys || mode != LockMode::KeyShare {
                    return Ok(Step::Wait(owner, epoch, !held()));
                }
                let below = slot.chain().find_map(|version| {
                    // It may be committed without its stamp yet.
                    version.committed(&self.inner.txns).map(|committed| (version, committed))
                });
                let Some((version, committed)) = below else { return Ok(Step::Wait(owner, epoch, !held())) };
                commit = committed;
                version
            }
            Newest::Committed(committed) => {
                commit = committed;
                slot
            }
        };
        let newer = commit > snapshot.commit.0;
        if newer && self.options.isolation != Isolation::ReadCommitted {
            return Err(changed_meanwhile(version.data.is_none()));
        }
        let Some(data) = version.data.as_deref() else {
            drop(chunk);
            self.note(commit);
            return gone();
        };
        let strong = mode >= LockMode::NoKeyUpdate && wait == WaitPolicy::Wait;
        if strong && commit > 0 && self.inner.locks.lines.is_kept(Spot::Row(store.id, row), me) && !held() {
            return Ok(Step::Kept);
        }
        let current = table.shape.decode(data)?;
        let taken = self.inner.locks.row_lock(&store.locks, store.id, row, mode, &self.owner);
        drop(chunk);
        match taken {
            RowLock::Taken => self.row_locks.push((store.clone(), row, mode)),
            RowLock::Had => {}
            RowLock::Conflict(owner, epoch) => return Ok(Step::Wait(owner, epoch, !held())),
        }
        self.note(commit);
        Ok(Step::Done(if newer { LockOutcome::Newer(current) } else { LockOutcome::Current(current) }))
    }

    /// Takes all rows away; the number taken. It takes the strongest table lock. The log gets one entry for the table;
    /// in memory each row gets its tombstone, so that older snapshots go on reading it and a rollback gives it back.
    pub fn truncate(&mut self, table: &Arc<TableDef>) -> Result<u64> {
        self.lock_table(table.id, TableLockMode::AccessExclusive, WaitPolicy::Wait)?;
        let snapshot = self.begin_statement(true);
        let result = self.delete_all(table, &snapshot);
        self.end_statement(snapshot);
        let rows = result?;
        let place = self.handle(table.id)?;
        if self.tables[place].store.is_logged() {
            self.wrote = true;
            self.record.truncate_table(table.id, table.schema_version, self.writer, rows);
        }
        Ok(rows)
    }

    fn delete_all(&mut self, table: &Arc<TableDef>, snapshot: &Snapshot) -> Result<u64> {
        let (mut cursor, mut rows, mut count) = (super::read::ScanCursor::default(), Vec::new(), 0);
        loop {
            let more = self.scan_batch(table.id, snapshot, &mut cursor, &mut rows)?;
            for (row, old) in rows.drain(..) {
                let place = self.handle(table.id)?;
                if self.remove(place, row, &old, snapshot)? == WriteOutcome::Done {
                    count += 1;
                }
            }
            if !more {
                return Ok(count);
            }
        }
    }
}
