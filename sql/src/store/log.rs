//! The change log: every committed transaction, one record each, in commit order; and its writer.
//!
//! `append` is the commit mutex: it gives the record its number and its place in a segment, and publishes the commit,
//! without any I/O. One flusher thread takes all records that arrived while it was syncing, writes and syncs them
//! together, and then tells everyone. A record is visible to readers of the log only once it is durable.
//!
//! Where commits come one at a time, handing each to the flusher and back costs more than the rest of the commit: after
//! some syncs of a single record each, a committer leads, that is, it writes and syncs its own record where it stands.
//! As soon as others commit meanwhile, or a sync takes long, the flusher has the work again. Where many commit it may
//! wait a moment for company (`company.rs`).
//!
//! A place is only given in a segment whose whole length is already on disk, so a full disk is met before the commit
//! (53100), never after. If a write or a sync fails nevertheless the log is poisoned: nothing more is acknowledged and
//! nothing more is taken (58030). A failed sync is never tried again: the kernel may have dropped the bytes.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};

use crate::change::{CommitNo, CommitRecord};
use crate::env::Env;
use crate::error::{Result, SqlError, SqlState};

use super::company::Company;
use super::disk::{Disk, io_error};
use super::record::{self, HEADER};
use super::segment::{Fill, SEGMENT_HEADER, Segment};

/// Records not yet written may have this many bytes together before commits wait.
const PENDING_MAX: u64 = 64 << 20;
/// One write is about this long.
const WRITE_BYTES: usize = 4 << 20;
/// A committer leads once there were so many more syncs of one record than others.
const ALONE: u32 = 8;
/// So many are counted at most; a sync of several records takes half of them away.
const ALONE_MAX: u32 = 32;
/// Records that may wait for others wait so long at most.
const LAZY_MAX: Duration = Duration::from_millis(10);
/// A committer does not lead while syncs take longer than this: its thread has other sessions to serve.
const LEAD_MAX: Duration = Duration::from_millis(1);

/// Rest after each part of a segment that is made ahead of need.
const PREPARE_PAUSE: Duration = Duration::from_millis(4);

/// A record in memory: for the flusher, then for readers.
pub(super) struct LogRecord {
    pub(super) commit: u64,
    pub(super) committed_at: i64,
    pub(super) bytes: Vec<u8>,
    decoded: Mutex<Weak<CommitRecord>>,
}

impl fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogRecord({}, {} bytes)", self.commit, self.bytes.len())
    }
}

impl LogRecord {
    /// The record for readers; one copy is shared by those who hold it at the same time.
    pub(super) fn decode(&self) -> Result<Arc<CommitRecord>> {
        let mut decoded = self.decoded.lock();
        if let Some(record) = decoded.upgrade() {
            return Ok(record);
        }
        let record = Arc::new(record::decode(&self.bytes)?);
        *decoded = Arc::downgrade(&record);
        Ok(record)
    }
}

#[derive(Debug)]
struct Pending {
    record: Arc<LogRecord>,
    segment: Arc<Segment>,
    offset: u64,
}

/// What the commit mutex guards.
#[derive(Debug)]
struct Tail {
    segment: Arc<Segment>,
    offset: u64,
    spares: VecDeque<Arc<Segment>>,
    retired: Vec<Arc<Segment>>,
    next_number: u64,
    pending: Vec<Pending>,
    pending_bytes: u64,
    /// Whether somebody is writing and syncing: never two at once, so that the order on disk is that of the numbers.
    flushing: bool,
    /// Whether somebody will see to what is pending; not so while only `lazy` records are.
    asked: bool,
    /// Whom the flusher may wait for, and how many records end the wait it is in; 0 = it is in none.
    company: Company,
    enough: usize,
    /// When the last sync began.
    began: Duration,
    /// How many quick syncs had one record, lately: 0 to `ALONE_MAX`.
    alone: u32,
    /// Bytes that the next segment must have; 0 = none is asked for.
    wanted: u64,
    /// Tries to make a segment so far, and how the last one failed.
    attempts: u64,
    attempt_error: Option<SqlError>,
    stop: bool,
}

/// The newest records, those that are not durable yet among them.
#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Arc<LogRecord>>,
    bytes: usize,
}

impl Ring {
    fn put(&mut self, record: Arc<LogRecord>) {
        self.bytes += record.bytes.len();
        self.records.push_back(record);
    }

    /// Lets the oldest go until no more than so many bytes are left; what is not durable is nowhere else and stays.
    fn keep(&mut self, bytes: usize, durable: u64) {
        while self.bytes > bytes && self.records.front().is_some_and(|oldest| oldest.commit <= durable) {
            self.bytes -= self.records.pop_front().map_or(0, |oldest| oldest.bytes.len());
        }
    }
}

type Callback = Box<dyn Fn(CommitNo) + Send + Sync>;

/// The log of one store.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    env: Env,
    segment_bytes: u64,
    tail_bytes: usize,
    tail: Mutex<Tail>,
    /// The flusher waits here for records,
    work: Condvar,
    /// the preparer for a wish,
    prepare: Condvar,
    /// commits for a segment or for room.
    room: Condvar,
    /// Whether one waits for a segment.
    hurry: AtomicBool,
    newest: AtomicU64,
    durable: AtomicU64,
    failure: OnceLock<SqlError>,
    wakers: Mutex<Vec<(u64, Waker)>>,
    synced: Condvar,
    callbacks: RwLock<Vec<Callback>>,
    ring: RwLock<Ring>,
    /// Segments with records, oldest first; the last is the current one.
    segments: RwLock<VecDeque<Arc<Segment>>>,
    pub(super) bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log(newest {}, durable {})", self.newest().0, self.durable().0)
    }
}

/// Where the log goes on after recovery.
#[derive(Debug)]
pub(super) struct LogStart {
    pub(super) segments: VecDeque<Arc<Segment>>,
    /// End of the last record in the last segment.
    pub(super) offset: u64,
    pub(super) newest: u64,
    pub(super) next_number: u64,
    /// Bytes logged since the newest checkpoint.
    pub(super) bytes: u64,
}

impl Log {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        env: Env,
        segment_bytes: u64,
        tail_bytes: usize,
        start: LogStart,
    ) -> Result<Log> {
        let segment = start.segments.back().cloned().ok_or_else(|| SqlError::internal("a log has a segment"))?;
        let began = env.clock.elapsed();
        Ok(Log {
            disk,
            env,
            segment_bytes,
            tail_bytes,
            tail: Mutex::new(Tail {
                segment,
                offset: start.offset,
                spares: VecDeque::new(),
                retired: Vec::new(),
                next_number: start.next_number,
                pending: Vec::new(),
                pending_bytes: 0,
                flushing: false,
                asked: false,
                company: Company::default(),
                enough: 0,
                began,
                alone: 0,
                wanted: segment_bytes,
                attempts: 0,
                attempt_error: None,
                stop: false,
            }),
            work: Condvar::new(),
            prepare: Condvar::new(),
            room: Condvar::new(),
            hurry: AtomicBool::new(false),
            newest: AtomicU64::new(start.newest),
            durable: AtomicU64::new(start.newest),
            failure: OnceLock::new(),
            wakers: Mutex::default(),
            synced: Condvar::new(),
            callbacks: RwLock::default(),
            ring: RwLock::default(),
            segments: RwLock::new(start.segments),
            bytes: AtomicU64::new(start.bytes),
            syncs: AtomicU64::new(0),
        })
    }

    pub(super) fn newest(&self) -> CommitNo {
        CommitNo(self.newest.load(Ordering::SeqCst))
    }

    pub(super) fn durable(&self) -> CommitNo {
        CommitNo(self.durable.load(Ordering::SeqCst))
    }

    /// Why the log takes nothing any more, once it has failed.
    pub(super) fn failure(&self) -> Option<&SqlError> {
        self.failure.get()
    }

    /// Whether the log still works. Errors: 58030.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Runs `work` while no commit can happen.
    pub(super) fn quiesced<T>(&self, work: impl FnOnce(CommitNo) -> T) -> T {
        let _tail = self.tail.lock();
        work(self.newest())
    }

    /// Commits a record: `validate` may still refuse it, `publish` makes it visible; both run in the commit mutex. Who
    /// is to write it says `urge`; `previous` is the last commit before it of the same session, 0 if there is none.
    /// Errors: 53100, 58030, and those of `validate`.
    pub(super) fn append(
        &self,
        mut bytes: Vec<u8>,
        urge: Urge,
        previous: CommitNo,
        validate: &mut dyn FnMut() -> Result<()>,
        publish: &mut dyn FnMut(CommitNo),
    ) -> Result<(CommitNo, Option<Turn<'_>>)> {
        if bytes.capacity() > bytes.len() * 2 {
            bytes.shrink_to_fit();
        }
        let len = bytes.len() as u64;
        let mut tail = self.tail.lock();
        let offset = loop {
            self.check()?;
            if tail.stop {
                return Err(SqlError::new(SqlState::ADMIN_SHUTDOWN, "the store is closed"));
            }
            if tail.pending_bytes > PENDING_MAX {
                self.wait_for_room(&mut tail, |tail| tail.pending_bytes <= PENDING_MAX);
                continue;
            }
            if tail.offset + len <= tail.segment.size {
                break tail.offset;
            }
            let need = len + SEGMENT_HEADER;
            if let Some(place) = tail.spares.iter().position(|spare| spare.size >= need) {
                let spare = tail.spares.remove(place).expect("its place was just found");
                // The order of numbers is the order of use: smaller ones that were ready get new numbers.
                let (passed, kept): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut tail.spares).into_iter().partition(|other| other.number < spare.number);
                tail.spares = VecDeque::from(kept);
                tail.retired.extend(passed);
                self.segments.write().push_back(spare.clone());
                tail.segment = spare;
                tail.offset = SEGMENT_HEADER;
                tail.wanted = tail.wanted.max(self.segment_bytes);
                self.prepare.notify_one();
                continue;
            }
            let attempts = tail.attempts;
            tail.wanted = tail.wanted.max(need).max(self.segment_bytes);
            self.hurry.store(true, Ordering::Relaxed);
            self.prepare.notify_one();
            self.wait_for_room(&mut tail, |tail| tail.attempts != attempts);
            if let (Some(error), true) = (&tail.attempt_error, tail.attempts != attempts) {
                return Err(error.clone());
            }
        };
        validate()?;
        let commit = self.newest.load(Ordering::Relaxed) + 1;
        let committed_at = self.env.clock.now();
        record::set_commit(&mut bytes, commit, committed_at);
        let segment = tail.segment.clone();
        segment.note(commit, offset);
        tail.offset += len;
        tail.pending_bytes += len;
        let record = Arc::new(LogRecord { commit, committed_at, bytes, decoded: Mutex::default() });
        self.ring.write().put(record.clone());
        tail.pending.push(Pending { record, segment, offset });
        publish(CommitNo(commit));
        self.newest.store(commit, Ordering::SeqCst);
        tail.company.committed(commit, previous.0);
        // The flusher has to know of the first record that waits for company, to wait no longer than it may.
        let waits = urge == Urge::Lazy && tail.pending.len() == 1 && !tail.flushing;
        let first = urge != Urge::Lazy && !tail.asked;
        let leads = first && urge == Urge::Lead && !tail.flushing && tail.alone >= ALONE;
        tail.asked |= first;
        tail.flushing |= leads;
        let enough = tail.enough != 0 && tail.pending.len() >= tail.enough;
        if enough {
            tail.enough = 0;
        }
        drop(tail);
        if first && !leads || waits || enough {
            self.work.notify_one();
        }
        Ok((CommitNo(commit), leads.then(|| Turn { log: self })))
    }

    /// Sees to it that what is pending is written: for whoever waits for a lazy record.
    pub(super) fn urge(&self) {
        let mut tail = self.tail.lock();
        if !tail.pending.is_empty() && !tail.asked {
            tail.asked = true;
            self.work.notify_one();
        }
    }

    fn wait_for_room(&self, tail: &mut parking_lot::MutexGuard<'_, Tail>, ready: impl Fn(&Tail) -> bool) {
        self.env.blocker.block(&mut || {
            while !ready(tail) && self.failure.get().is_none() && !tail.stop {
                self.room.wait(tail);
            }
        });
    }

    /// Calls back after each sync. It must not block.
    pub(super) fn on_durable(&self, call: Callback) {
        self.callbacks.write().push(call);
    }

    /// Records from memory, durable or not, from this commit on; none if it is not there any more.
    pub(super) fn recent(&self, commit: u64, limit: usize, out: &mut Vec<Arc<LogRecord>>) {
        let ring = self.ring.read();
        let Some(first) = ring.records.front() else { return };
        let Some(skip) = commit.checked_sub(first.commit) else { return };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(ring.records.len());
        out.extend(ring.records.range(skip..).take(limit).cloned());
    }

    /// Oldest commit that the files still have, if any.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.segments.read().iter().find_map(|segment| segment.first())
    }

    /// The segment that has this commit, and the one after it.
    pub(super) fn segment_of(&self, commit: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        segments.iter().rev().find(|segment| segment.first().is_some_and(|first| first <= commit)).cloned()
    }

    pub(super) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().iter().cloned().collect()
    }

    /// Bytes of all segments.
    pub(super) fn size(&self) -> u64 {
        self.segments.read().iter().map(|segment| segment.size).sum()
    }

    /// Gives up segments all of whose commits are below `commit`.
    pub(super) fn retire(&self, commit: u64) {
        let mut retired = Vec::new();
        {
            let mut segments = self.segments.write();
            while segments.len() > 1 && segments.get(1).and_then(|next| next.first()).is_some_and(|next| next <= commit)
            {
                retired.extend(segments.pop_front());
            }
        }
        if retired.is_empty() {
            return;
        }
        let mut tail = self.tail.lock();
        tail.retired.extend(retired);
        self.prepare.notify_one();
    }

    /// Waits on this thread until the commit is durable. Errors: 58030.
    pub(super) fn wait(&self, commit: CommitNo) -> Result<()> {
        if self.durable() >= commit {
            return Ok(());
        }
        let mut result = Ok(());
        self.urge();
        self.env.blocker.block(&mut || {
            let mut wakers = self.wakers.lock();
            while self.durable() < commit {
                if let Err(error) = self.check() {
                    result = Err(error);
                    return;
                }
                self.synced.wait(&mut wakers);
            }
        });
        result
    }

    /// The flusher's thread. Ends when the log is stopped and all is written, or when it is poisoned.
    pub(super) fn run_flusher(&self) {
        let mut buffer = Vec::new();
        while self.wait_for_work() {
            self.flush(&mut buffer);
            if buffer.capacity() > WRITE_BYTES * 2 {
                buffer = Vec::new();
            }
        }
    }

    /// Waits until there is something to write, and for company if that is worth it, and takes the turn; false at the end.
    fn wait_for_work(&self) -> bool {
        let mut tail = self.tail.lock();
        loop {
            let free = !tail.pending.is_empty() && !tail.flushing;
            if free && (tail.asked || tail.stop) {
                break;
            }
            let done = tail.stop && tail.pending.is_empty() && !tail.flushing;
            if done || self.failure.get().is_some() {
                return false;
            }
            if !free {
                self.work.wait(&mut tail);
            } else if self.work.wait_for(&mut tail, LAZY_MAX).timed_out() {
                tail.asked |= !tail.pending.is_empty();
            }
        }
        if !tail.stop
            && let Some(patience) = tail.company.patience()
            && tail.pending.len() < patience.enough
        {
            tail.enough = patience.enough;
            self.work.wait_for(&mut tail, patience.window);
            tail.enough = 0;
        }
        tail.flushing = true;
        true
    }

    /// Writes and syncs what is pending, by whoever has set `flushing`.
    fn flush(&self, buffer: &mut Vec<u8>) {
        let batch = {
            let mut tail = self.tail.lock();
            tail.asked = false;
            std::mem::take(&mut tail.pending)
        };
        let bytes: u64 = batch.iter().map(|pending| pending.record.bytes.len() as u64).sum();
        // A sequence's mark and the consumption of an event may be with it.
        let single = batch.len() <= 3;
        let began = self.env.clock.elapsed();
        let written = self.write(&batch, buffer);
        let took = self.env.clock.elapsed().saturating_sub(began);
        let quick = took <= LEAD_MAX;
        let records = batch.len();
        match written {
            Ok(()) => self.publish(batch),
            Err(error) => self.poison(error),
        }
        let mut tail = self.tail.lock();
        let interval = began.saturating_sub(std::mem::replace(&mut tail.began, began));
        tail.company.synced(records, interval, took);
        let full = tail.pending_bytes > PENDING_MAX;
        tail.pending_bytes -= bytes;
        if full {
            self.room.notify_all();
        }
        tail.flushing = false;
        let alone = single && quick && tail.pending.is_empty();
        tail.alone = if alone { (tail.alone + 1).min(ALONE_MAX) } else { tail.alone.saturating_sub(ALONE_MAX / 2) };
        // Records that wait for company it times.
        if !tail.pending.is_empty() || tail.stop || self.failure.get().is_some() {
            self.work.notify_one();
        }
    }

    fn write(&self, batch: &[Pending], buffer: &mut Vec<u8>) -> Result<()> {
        let synced = self.durable.load(Ordering::SeqCst);
        for run in batch.chunk_by(|a, b| a.segment.number == b.segment.number) {
            let segment = &run[0].segment;
            let fail = |error| io_error(self.disk.as_ref(), "write to", &segment.name, &error);
            let mut start = run[0].offset;
            buffer.clear();
            for pending in run {
                let (header, body) = pending.record.bytes.split_at(HEADER);
                let at = buffer.len();
                buffer.extend_from_slice(header);
                record::seal(&mut buffer[at..at + HEADER], segment.number, synced);
                let large = body.len() >= WRITE_BYTES;
                if !large {
                    buffer.extend_from_slice(body);
                }
                if large || buffer.len() >= WRITE_BYTES {
                    segment.file.append_at(buffer, start).map_err(fail)?;
                    start += buffer.len() as u64;
                    buffer.clear();
                }
                if large {
                    segment.file.append_at(body, start).map_err(fail)?;
                    start += body.len() as u64;
                }
            }
            if !buffer.is_empty() {
                segment.file.append_at(buffer, start).map_err(fail)?;
            }
            segment.file.sync().map_err(fail)?;
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn publish(&self, batch: Vec<Pending>) {
        let Some(last) = batch.last().map(|pending| pending.record.commit) else { return };
        let bytes: usize = batch.iter().map(|pending| pending.record.bytes.len()).sum();
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        drop(batch);
        self.ring.write().keep(self.tail_bytes, last);
        self.durable.store(last, Ordering::SeqCst);
        let ready = {
            let mut wakers = self.wakers.lock();
            self.synced.notify_all();
            let (ready, waiting) = std::mem::take(&mut *wakers).into_iter().partition(|(commit, _)| *commit <= last);
            *wakers = waiting;
            let ready: Vec<(u64, Waker)> = ready;
            ready
        };
        for (_, waker) in ready {
            waker.wake();
        }
        for call in self.callbacks.read().iter() {
            call(CommitNo(last));
        }
    }

    fn poison(&self, error: SqlError) {
        tracing::error!(%error, "the change log has failed; no further commits are taken");
        let mut error = error;
        error.fields_mut().state = SqlState::IO_ERROR;
        let _ = self.failure.set(error);
        let wakers = {
            let mut wakers = self.wakers.lock();
            self.synced.notify_all();
            std::mem::take(&mut *wakers)
        };
        for (_, waker) in wakers {
            waker.wake();
        }
        let _tail = self.tail.lock();
        self.room.notify_all();
    }

    /// Between parts of a segment in the making: the disk serves commits too, unless they wait for this one.
    fn pause(&self) {
        let mut tail = self.tail.lock();
        if !self.hurry.load(Ordering::Relaxed) {
            self.prepare.wait_for(&mut tail, PREPARE_PAUSE);
        }
    }

    /// The preparer's thread: makes the next segment ahead of need, out of retired ones where it can. When the log is
    /// stopped it removes what is left of those.
    pub(super) fn run_preparer(&self) {
        let mut tail = self.tail.lock();
        loop {
            if self.failure.get().is_some() {
                return;
            }
            if tail.stop {
                let gone = std::mem::take(&mut tail.retired);
                drop(tail);
                return self.remove(&gone);
            }
            let wanted = std::mem::take(&mut tail.wanted);
            let satisfied = wanted <= self.segment_bytes && !tail.spares.is_empty();
            if wanted > 0 && !satisfied {
                let number = tail.next_number;
                tail.next_number += 1;
                let fits = tail.retired.iter().position(|old| old.size == wanted && Arc::strong_count(old) == 1);
                let old = fits.map(|place| tail.retired.remove(place));
                let made = parking_lot::MutexGuard::unlocked(&mut tail, || match &old {
                    Some(old) => old.recycle(self.disk.as_ref(), number),
                    None if wanted > self.segment_bytes => {
                        Segment::create(self.disk.as_ref(), number, wanted, Fill::Reserved)
                    }
                    None => Segment::create(self.disk.as_ref(), number, wanted, Fill::Zeros(&|| self.pause())),
                });
                tail.attempts += 1;
                self.hurry.store(false, Ordering::Relaxed);
                tail.attempt_error = None;
                match made {
                    Ok(segment) => tail.spares.push_back(Arc::new(segment)),
                    Err(error) => {
                        tracing::warn!(%error, "no new log segment");
                        tail.attempt_error = Some(error);
                    }
                }
                self.room.notify_all();
                continue;
            }
            let keep = usize::from(tail.spares.is_empty());
            if tail.retired.len() > keep {
                let surplus = tail.retired.len() - keep;
                let gone: Vec<_> = tail.retired.drain(..surplus).collect();
                parking_lot::MutexGuard::unlocked(&mut tail, || self.remove(&gone));
                continue;
            }
            self.prepare.wait(&mut tail);
        }
    }

    fn remove(&self, gone: &[Arc<Segment>]) {
        for segment in gone {
            if let Err(error) = self.disk.remove(&segment.name) {
                tracing::warn!(%error, file = segment.name, "could not remove a log segment");
            }
        }
        if !gone.is_empty() {
            let _ = self.disk.sync_dir(super::segment::DIR);
        }
    }

    /// Takes no more records; the threads end when all is written.
    pub(super) fn stop(&self) {
        let mut tail = self.tail.lock();
        tail.stop = true;
        self.hurry.store(true, Ordering::Relaxed);
        self.work.notify_all();
        self.prepare.notify_all();
        self.room.notify_all();
    }
}

/// Who sees to it that a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urge {
    /// The flusher, at once; or the caller, who may be given the turn: it lets its locks go, then drops the turn.
    Lead,
    /// The flusher, at once.
    Flusher,
    /// Whoever comes next: the record may wait until somebody waits for it, for a moment at most.
    Lazy,
}

/// The turn of a committer to write and sync the log itself, when it is dropped.
#[must_use]
pub(super) struct Turn<'a> {
    log: &'a Log,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.log.flush(&mut Vec::new());
    }
}

/// Ready when a commit is durable. Errors: 58030 when the log has failed.
#[derive(Debug)]
pub struct DurableWait {
    pub(super) log: Arc<Log>,
    pub(super) commit: CommitNo,
    pub(super) registered: Option<Waker>,
}

impl Future for DurableWait {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.log.durable() >= self.commit {
            return Poll::Ready(Ok(()));
        }
        let log = self.log.clone();
        if self.registered.is_none() {
            log.urge();
        }
        let mut wakers = log.wakers.lock();
        if log.durable() >= self.commit {
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = log.check() {
            return Poll::Ready(Err(error));
        }
        if !self.registered.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            wakers.push((self.commit.0, context.waker().clone()));
            self.registered = Some(context.waker().clone());
        }
        Poll::Pending
    }
}
