//! Cursors that pass events without a commit of their own.
//!
//! Who consumes events and does nothing else has nothing that must be kept together with the consumption: the cursor
//! moves in memory at once, and the next commit, whoever's it is, takes the move along to the log. Where nobody commits the
//! keeper writes it a moment later. A crash before that undoes the move, and the events come again.
//!
//! A commit may take a move along and reach the log only after a commit that moved the same cursor further, or dropped
//! it. So what is written of a passing cursor says "at least here": recovery never moves a cursor back by it, and makes none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::TriggerId;
use crate::change::{CommitNo, Position, TxnId};
use crate::error::{Result, SqlError, SqlState};

use super::log::Urge;
use super::record::RecordBuilder;
use super::store::{Inner, Store};

/// Moves wait so long for a commit that takes them along, and not twice as long.
pub(super) const WAIT: Duration = Duration::from_millis(20);

/// Moves that no record holds yet.
#[derive(Debug, Default)]
pub(super) struct Passing {
    any: AtomicBool,
    /// The keeper looks after them.
    watched: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    moves: BTreeMap<TriggerId, Position>,
    /// How often a record has taken some along.
    written: u64,
}

impl Passing {
    fn put(&self, subscriber: TriggerId, to: Position) {
        let mut waiting = self.waiting.lock();
        waiting.moves.insert(subscriber, to);
        self.any.store(true, Ordering::Release);
    }

    /// What a record is to take along. It waits until one is `written`: of several commits under way each takes it, so that it
    /// is with the first that comes to the log.
    pub(super) fn waiting(&self) -> Vec<(TriggerId, Position)> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.waiting.lock().moves.iter().map(|(subscriber, to)| (*subscriber, *to)).collect()
    }

    /// A record with these has its place in the log.
    pub(super) fn written(&self, moves: &[(TriggerId, Position)]) {
        if moves.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        for (subscriber, to) in moves {
            if waiting.moves.get(subscriber) == Some(to) {
                waiting.moves.remove(subscriber);
            }
        }
        waiting.written += 1;
        self.any.store(!waiting.moves.is_empty(), Ordering::Release);
    }

    /// What says whether the same moves still wait as before; none: there are none.
    fn look(&self) -> Option<u64> {
        let waiting = self.waiting.lock();
        (!waiting.moves.is_empty()).then_some(waiting.written)
    }
}

impl Inner {
    /// The keeper's part: writes moves that have waited since it last looked.
    pub(super) fn write_passing(&self, before: &mut Option<u64>) {
        let now = self.passing.look();
        if now.is_some() && now == *before {
            let moves = self.passing.waiting();
            let mut record = RecordBuilder::default();
            record.passing(&moves);
            match self.append_record(record) {
                Ok(_) => self.passing.written(&moves),
                Err(error) => tracing::debug!(%error, "cursors could not be written"),
            }
        }
        *before = self.passing.look();
        if before.is_none() {
            self.passing.watched.store(false, Ordering::SeqCst);
            // One put just before relies on the keeper.
            *before = self.passing.look();
            if before.is_some() {
                self.passing.watched.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Appends a record that is no transaction's. Errors: 53100, 58030.
    fn append_record(&self, record: RecordBuilder) -> Result<CommitNo> {
        let txn = TxnId(self.next_txn.fetch_add(1, Ordering::Relaxed));
        let bytes = record.finish(txn, 0, self.config.origin, None)?;
        let (commit, _) = self.log.append(bytes, Urge::Flusher, CommitNo(0), &mut || Ok(()), &mut |_| {})?;
        Ok(commit)
    }
}

impl Store {
    /// Moves a cursor that stands at `from`, for all to see; in the log it is with the next commit, or soon. For the
    /// consumption of events alone. Errors: 40001 it stands elsewhere, 55000 there is none; 58030.
    pub fn pass(&self, subscriber: TriggerId, from: Position, to: Position) -> Result<()> {
        let inner = self.inner();
        inner.log.check()?;
        // No commit may check or move the cursor meanwhile.
        inner.log.quiesced(|_| {
            let mut cursors = inner.cursors.lock();
            let Some(at) = cursors.get_mut(&subscriber) else {
                return Err(SqlError::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "the consumer was dropped"));
            };
            if *at != from {
                return Err(super::txn::consumed_meanwhile());
            }
            *at = to;
            inner.passing.put(subscriber, to);
            Ok(())
        })?;
        if !inner.passing.watched.swap(true, Ordering::SeqCst) {
            let _closing = inner.closing.lock();
            inner.wake.notify_all();
        }
        Ok(())
    }

    /// Writes where a cursor stands now; gives the commit after which a crash does not undo that. Errors: 53100, 58030.
    pub fn write_cursor(&self, subscriber: TriggerId) -> Result<CommitNo> {
        let inner = self.inner();
        let Some(at) = inner.cursors.lock().get(&subscriber).copied() else { return Ok(CommitNo(0)) };
        let mut record = RecordBuilder::default();
        record.passing(&[(subscriber, at)]);
        inner.append_record(record)
    }
}
