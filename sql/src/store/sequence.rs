//! Sequences: values in memory, a high-water mark in the log.
//!
//! The log hears of a sequence once in 32 values: the mark says up to where values may have been given out, and a
//! restart after a crash goes on from there. Nobody waits for a mark before its own commit, which comes after it in the log.
//! A clean shutdown keeps the exact value.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::catalog::SequenceDef;
use crate::change::CommitNo;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::config::SequenceState;

/// Values between two marks.
const AHEAD: i64 = 32;

/// One sequence's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) last: i64,
    pub(super) called: bool,
    /// Values that the log already covers.
    pub(super) left: i64,
    /// What the log says.
    pub(super) mark: i64,
    /// In which commit it says so.
    pub(super) marked: CommitNo,
}

/// All sequences' values.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    values: RwLock<HashMap<Oid, Arc<Mutex<Current>>>>,
}

fn limit(def: &SequenceDef, maximum: bool) -> SqlError {
    let (what, bound) = if maximum { ("maximum", def.max) } else { ("minimum", def.min) };
    let message = format!("nextval: reached {what} value of sequence \"{}\" ({bound})", def.name);
    SqlError::new(SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED, message)
}

/// The value `steps` after `from`, as far as the sequence goes.
fn ahead(def: &SequenceDef, from: i64, steps: i64) -> i64 {
    let wish = i128::from(from) + i128::from(def.increment) * i128::from(steps);
    i64::try_from(wish.clamp(i128::from(def.min), i128::from(def.max))).unwrap_or(from)
}

fn following(def: &SequenceDef, current: &Current) -> Result<i64> {
    if !current.called {
        return Ok(current.last);
    }
    match current.last.checked_add(def.increment) {
        Some(next) if next >= def.min && next <= def.max => Ok(next),
        _ if def.cycle => Ok(if def.increment > 0 { def.min } else { def.max }),
        _ => Err(limit(def, def.increment > 0)),
    }
}

impl Sequences {
    fn get(&self, oid: Oid, start: i64) -> Arc<Mutex<Current>> {
        if let Some(current) = self.values.read().get(&oid) {
            return current.clone();
        }
        let fresh = Current { last: start, called: false, left: 0, mark: start, marked: CommitNo(0) };
        self.values.write().entry(oid).or_insert_with(|| Arc::new(Mutex::new(fresh))).clone()
    }

    /// The next value, and the commit that covers it; `mark` logs a high-water mark (value, called). Errors: 2200H, and
    /// those of `mark`.
    pub(super) fn next(
        &self,
        oid: Oid,
        def: &SequenceDef,
        mark: impl FnOnce(i64, bool) -> Result<CommitNo>,
    ) -> Result<(i64, CommitNo)> {
        let shared = self.get(oid, def.start);
        let mut current = shared.lock();
        let next = following(def, &current)?;
        let around = current.called && (next > current.last) != (def.increment > 0);
        if current.left <= 0 || around {
            let high = ahead(def, next, AHEAD);
            current.marked = mark(high, true)?;
            current.mark = high;
            current.left = AHEAD + 1;
        }
        current.left -= 1;
        current.last = next;
        current.called = true;
        Ok((next, current.marked))
    }

    /// setval. Errors: 22003, and those of `mark`.
    pub(super) fn set(
        &self,
        oid: Oid,
        def: &SequenceDef,
        value: i64,
        called: bool,
        mark: impl FnOnce(i64, bool) -> Result<CommitNo>,
    ) -> Result<CommitNo> {
        if value < def.min || value > def.max {
            let message = format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                def.name, def.min, def.max
            );
            return Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message));
        }
        let shared = self.get(oid, def.start);
        let mut current = shared.lock();
        let marked = mark(value, called)?;
        *current = Current { last: value, called, left: 0, mark: value, marked };
        Ok(marked)
    }

    pub(super) fn state(&self, oid: Oid, def: &SequenceDef) -> SequenceState {
        let current = *self.get(oid, def.start).lock();
        SequenceState { last_value: current.last, is_called: current.called, log_cnt: current.left.max(0) }
    }

    /// What the log or a checkpoint says; during recovery.
    pub(super) fn restore(&self, oid: Oid, value: i64, called: bool) {
        *self.get(oid, value).lock() = Current { last: value, called, left: 0, mark: value, marked: CommitNo(0) };
    }

    pub(super) fn forget(&self, oid: Oid) {
        self.values.write().remove(&oid);
    }

    pub(super) fn all(&self) -> Vec<(Oid, Current)> {
        self.values.read().iter().map(|(oid, current)| (*oid, *current.lock())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def(increment: i64, cycle: bool) -> SequenceDef {
        SequenceDef {
            oid: 1,
            schema: 2200,
            name: "s".into(),
            owner: 10,
            data_type: 20,
            start: if increment > 0 { 1 } else { -1 },
            increment,
            min: if increment > 0 { 1 } else { -100 },
            max: if increment > 0 { 100 } else { -1 },
            cache: 1,
            cycle,
            owned_by: None,
            identity: false,
            persistence: crate::catalog::Persistence::Permanent,
            acl: Vec::new(),
            comment: None,
        }
    }

    #[test]
    fn marks_are_never_behind_a_value() {
        for increment in [1, -1, 7] {
            let (sequences, def) = (Sequences::default(), def(increment, true));
            let mut mark = 0;
            for _ in 0..400 {
                let value = sequences.next(1, &def, |high, _| {
                    mark = high;
                    Ok(CommitNo(1))
                });
                let (value, _) = value.unwrap();
                assert!(if increment > 0 { mark >= value } else { mark <= value }, "{increment} {mark} {value}");
            }
        }
    }

    #[test]
    fn a_sequence_ends_with_2200h() {
        let (sequences, def) = (Sequences::default(), def(1, false));
        sequences.set(1, &def, 100, true, |_, _| Ok(CommitNo(1))).unwrap();
        let error = sequences.next(1, &def, |_, _| Ok(CommitNo(1))).unwrap_err();
        assert_eq!(error.message(), "nextval: reached maximum value of sequence \"s\" (100)");
    }
}
