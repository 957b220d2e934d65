//! How many changes wait for each subscriber, and since when: counted once per commit, not at each look (design 1).
//!
//! Nothing of it is in a writer's way. Whoever asks has the log read on from where it was read last; the feed asks now
//! and then, so that there is little to read. What waits is kept in runs of commits, so that a subscriber that is far
//! behind costs little memory; only the run in which its cursor stands is counted anew.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Shared;
use crate::catalog::{TriggerDef, TriggerId};
use crate::change::{CommitNo, CommitRecord, LoggedChange, Position, RowChange};
use crate::env::UnixMicros;
use crate::error::Result;
use crate::store::ReadItem;
use crate::types::Oid;

/// Commits of a run.
const RUN_MAX: u64 = 256;

/// Changes that wait, in commits from `first` to `last`.
#[derive(Debug)]
struct Run {
    first: u64,
    last: u64,
    count: u64,
    /// Commit time of the first that waits.
    since: UnixMicros,
}

/// One subscriber.
#[derive(Debug)]
struct Backlog {
    def: Arc<TriggerDef>,
    /// The cursor for which `runs` are right.
    cursor: Position,
    /// The log has been read up to here.
    read: CommitNo,
    runs: VecDeque<Run>,
}

/// All subscribers.
#[derive(Debug, Default)]
pub struct Backlogs(Mutex<HashMap<TriggerId, Backlog>>);

/// Whether a change is one of the trigger's events.
fn wants(def: &TriggerDef, change: &LoggedChange) -> bool {
    // Rewritten rows are nobody's events, and a TRUNCATE is none of the queues (CDB-611).
    let passed = change.writer == TriggerId::DDL || change.writer == TriggerId::TRUNCATE && def.dialect == "comdb2";
    !passed
        && def.events.iter().any(|event| {
            event.table == change.table
                && match change.change {
                    RowChange::Insert { .. } => event.insert.is_some(),
                    RowChange::Update { .. } => event.update.is_some(),
                    RowChange::Delete { .. } => event.delete.is_some(),
                }
        })
}

impl Backlog {
    fn new(def: &Arc<TriggerDef>, cursor: Position) -> Backlog {
        let read = if cursor.ordinal == u32::MAX { cursor.commit.0 } else { cursor.commit.0.saturating_sub(1) };
        Backlog { def: def.clone(), cursor, read: CommitNo(read), runs: VecDeque::new() }
    }

    fn add(&mut self, record: &CommitRecord, database: Oid) {
        if record.database != database {
            return;
        }
        let (def, cursor) = (&self.def, self.cursor);
        let waits = |change: &&LoggedChange| {
            Position { commit: record.commit, ordinal: change.ordinal } > cursor && wants(def, change)
        };
        let count = record.changes.iter().filter(waits).count() as u64;
        if count == 0 {
            return;
        }
        let commit = record.commit.0;
        match self.runs.back_mut() {
            Some(run) if commit - run.first < RUN_MAX => {
                run.last = commit;
                run.count += count;
            }
            _ => self.runs.push_back(Run { first: commit, last: commit, count, since: record.committed_at }),
        }
    }

    /// Forgets what the cursor has passed; the run in which it stands now is to be counted again up to the commit given.
    fn pass(&mut self, cursor: Position) -> Option<u64> {
        self.cursor = cursor;
        let passed = |run: &Run| Position::end_of(CommitNo(run.last)) <= cursor;
        while self.runs.front().is_some_and(passed) {
            self.runs.pop_front();
        }
        let begun = self.runs.front().is_some_and(|run| run.first <= cursor.commit.0);
        if begun { self.runs.pop_front().map(|run| run.last) } else { None }
    }

    /// Reads the log after the cursor up to commit `to`, and no further than is durable.
    fn count(&mut self, shared: &Shared, database: Oid, from: Position, to: u64, check: Check<'_>) -> Result<()> {
        let mut reader = shared.store.reader(from);
        loop {
            let items = reader.next(RUN_MAX as usize)?;
            if items.is_empty() {
                return Ok(());
            }
            for item in items {
                let ReadItem::Record(record) = item else { continue };
                if record.commit.0 > to {
                    return Ok(());
                }
                self.add(&record, database);
                self.read = self.read.max(record.commit);
            }
            check()?;
        }
    }
}

/// Looks whether to go on.
type Check<'a> = &'a dyn Fn() -> Result<()>;

impl Backlogs {
    /// How many changes wait for a subscriber whose cursor is here, and the commit time of the first. Errors: XX001, 58030
    /// of the log, those of `check`.
    pub fn waiting(
        &self,
        shared: &Shared,
        database: Oid,
        def: &Arc<TriggerDef>,
        cursor: Position,
        check: Check<'_>,
    ) -> Result<(u64, Option<UnixMicros>)> {
        // Taken out while it is brought up to date: the log is read without the lock.
        let known = self.0.lock().remove(&def.id);
        let mut backlog = match known {
            Some(known) if Arc::ptr_eq(&known.def, def) && known.cursor <= cursor => known,
            _ => Backlog::new(def, cursor),
        };
        if backlog.cursor != cursor
            && let Some(last) = backlog.pass(cursor)
        {
            let later = std::mem::take(&mut backlog.runs);
            backlog.count(shared, database, cursor, last, check)?;
            backlog.runs.extend(later);
        }
        let durable = shared.store.durable();
        if backlog.read < durable {
            let from = Position::end_of(backlog.read).max(cursor);
            if let Err(error) = backlog.count(shared, database, from, durable.0, check) {
                // What has been read is not read again.
                self.0.lock().insert(def.id, backlog);
                return Err(error);
            }
            backlog.read = durable;
        }
        let depth = backlog.runs.iter().map(|run| run.count).sum();
        let since = backlog.runs.front().map(|run| run.since);
        self.0.lock().insert(def.id, backlog);
        Ok((depth, since))
    }

    /// Forgets subscribers that are gone.
    pub fn keep(&self, wanted: impl Fn(TriggerId) -> bool) {
        self.0.lock().retain(|id, _| wanted(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Level, Timing};

    fn trigger() -> Arc<TriggerDef> {
        Arc::new(TriggerDef {
            id: TriggerId(1),
            schema: 0,
            name: String::new(),
            dialect: String::new(),
            kind: String::new(),
            tables: Vec::new(),
            events: Vec::new(),
            timing: Timing::Committed,
            level: Level::Row,
            when: None,
            priority: 0,
            options: Vec::new(),
            body: String::new(),
            text: String::new(),
            enabled: true,
            owner: 0,
            internal: Vec::new(),
            gone: Vec::new(),
            names: Vec::new(),
            former: crate::catalog::Former::default(),
        })
    }

    fn subscriber() -> Backlog {
        let run = |first: u64, count| Run { first, last: first + 9, count, since: first.cast_signed() };
        let mut backlog = Backlog::new(&trigger(), Position::end_of(CommitNo(4)));
        backlog.runs.extend([run(10, 5), run(20, 7), run(30, 2)]);
        backlog
    }

    #[test]
    fn only_the_run_in_which_the_cursor_stands_is_counted_again() {
        let mut backlog = subscriber();
        assert_eq!(backlog.pass(Position::end_of(CommitNo(9))), None);
        assert_eq!(backlog.runs.len(), 3);
        assert_eq!(backlog.pass(Position::end_of(CommitNo(19))), None);
        assert_eq!(backlog.runs.iter().map(|run| run.count).collect::<Vec<_>>(), [7, 2]);
        assert_eq!(backlog.pass(Position { commit: CommitNo(25), ordinal: 3 }), Some(29));
        assert_eq!(backlog.runs.iter().map(|run| run.first).collect::<Vec<_>>(), [30]);
        assert_eq!(backlog.pass(Position::end_of(CommitNo(50))), None);
        assert!(backlog.runs.is_empty());
    }

    #[test]
    fn a_cursor_inside_a_commit_reads_that_commit_again() {
        assert_eq!(Backlog::new(&trigger(), Position::end_of(CommitNo(4))).read, CommitNo(4));
        assert_eq!(Backlog::new(&trigger(), Position { commit: CommitNo(4), ordinal: 2 }).read, CommitNo(3));
    }
}
