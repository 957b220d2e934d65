//! Order, LIMIT, DISTINCT and set operations.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::join::hash_key;
use super::{Cx, State};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::plan::{Node, SetOp, SortKey};
use crate::types::{DataType, Row, Value, compare, compare_bpchar, equal, oid};

/// Orders two key values as ORDER BY does.
fn compare_key(a: &Value, b: &Value, key: &SortKey, ty: DataType) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if key.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if key.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let order = match (a, b) {
                (Value::Text(a), Value::Text(b)) if ty.oid == oid::BPCHAR => compare_bpchar(a, b),
                _ => compare(a, b),
            };
            if key.descending { order.reverse() } else { order }
        }
    }
}

/// Orders two lists of key values.
pub(super) fn compare_keys(a: &[Value], b: &[Value], keys: &[SortKey]) -> Ordering {
    for ((a, b), key) in a.iter().zip(b).zip(keys) {
        let order = compare_key(a, b, key, key.expr.data_type());
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Values of sort keys over a row.
pub(super) fn key_values(keys: &[SortKey], row: &[Value], cx: &Cx<'_>) -> Result<Vec<Value>> {
    keys.iter().map(|key| cx.eval(&key.expr, row)).collect()
}

/// All rows of a Sort, in order; with a limit only so many are kept.
pub(super) fn sort(
    input: &mut State,
    below: &Node,
    keys: &[SortKey],
    limit: Option<&Expr>,
    cx: &Cx<'_>,
) -> Result<Vec<Row>> {
    let limit = match cx.count(limit)? {
        Some(n) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let mut rows: Vec<(Vec<Value>, Row)> = Vec::new();
    let cut = limit.saturating_mul(2).max(1024);
    while let Some(row) = input.next(below, cx)? {
        cx.exec.tick()?;
        rows.push((key_values(keys, &row, cx)?, row));
        if rows.len() >= cut && limit < usize::MAX {
            rows.sort_by(|a, b| compare_keys(&a.0, &b.0, keys));
            rows.truncate(limit);
        }
    }
    rows.sort_by(|a, b| compare_keys(&a.0, &b.0, keys));
    rows.truncate(limit);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// State of a Limit.
pub struct LimitState {
    input: State,
    bounds: Option<(u64, Option<u64>)>,
    given: u64,
    last: Option<Vec<Value>>,
    done: bool,
}

impl LimitState {
    pub(super) fn new(input: &Node) -> LimitState {
        LimitState { input: State::new(input), bounds: None, given: 0, last: None, done: false }
    }

    pub(super) fn input(&mut self) -> &mut State {
        &mut self.input
    }

    pub(super) fn next(
        &mut self,
        input: &Node,
        limit: Option<&Expr>,
        offset: Option<&Expr>,
        ties: Option<&[SortKey]>,
        cx: &Cx<'_>,
    ) -> Result<Option<Row>> {
        if self.done {
            return Ok(None);
        }
        let (skip, most) = match self.bounds {
            Some(bounds) => bounds,
            None => {
                let skip = match cx.count(offset)? {
                    Some(n) => u64::try_from(n).map_err(|_| {
                        SqlError::new(SqlState::INVALID_ROW_COUNT_IN_OFFSET_CLAUSE, "OFFSET must not be negative")
                    })?,
                    None => 0,
                };
                let most = match cx.count(limit)? {
                    Some(n) => Some(u64::try_from(n).map_err(|_| {
                        SqlError::new(SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative")
                    })?),
                    None => None,
                };
                self.bounds = Some((skip, most));
                if most != Some(0) {
                    for _ in 0..skip {
                        if self.input.next(input, cx)?.is_none() {
                            self.done = true;
                            return Ok(None);
                        }
                    }
                }
                (skip, most)
            }
        };
        let _ = skip;
        if most.is_some_and(|most| self.given >= most) {
            if let (Some(keys), Some(last)) = (ties, &self.last) {
                if let Some(row) = self.input.next(input, cx)? {
                    if compare_keys(last, &key_values(keys, &row, cx)?, keys).is_eq() {
                        return Ok(Some(row));
                    }
                }
            }
            self.done = true;
            return Ok(None);
        }
        match self.input.next(input, cx)? {
            Some(row) => {
                self.given += 1;
                if let Some(keys) = ties {
                    if most == Some(self.given) {
                        self.last = Some(key_values(keys, &row, cx)?);
                    }
                }
                Ok(Some(row))
            }
            None => {
                self.done = true;
                Ok(None)
            }
        }
    }
}

/// Equality as DISTINCT sees it: NULL equals NULL.
pub(super) fn same_row(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| match (a.is_null(), b.is_null()) {
            (true, true) => true,
            (false, false) => equal(a, b),
            _ => false,
        })
}

/// Rows seen, by hash.
#[derive(Default)]
pub(super) struct RowSet {
    buckets: HashMap<u64, Vec<(Row, usize)>>,
}

impl RowSet {
    /// Counts the row; gives how often it was there before.
    pub(super) fn add(&mut self, row: &[Value]) -> usize {
        let bucket = self.buckets.entry(hash_key(row)).or_default();
        if let Some((_, count)) = bucket.iter_mut().find(|(other, _)| same_row(other, row)) {
            *count += 1;
            return *count - 1;
        }
        bucket.push((row.to_vec(), 1));
        0
    }

    /// Takes one away; false if there was none.
    pub(super) fn take(&mut self, row: &[Value]) -> bool {
        let Some(bucket) = self.buckets.get_mut(&hash_key(row)) else { return false };
        match bucket.iter_mut().find(|(other, count)| *count > 0 && same_row(other, row)) {
            Some((_, count)) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }

    pub(super) fn contains(&self, row: &[Value]) -> bool {
        self.buckets.get(&hash_key(row)).is_some_and(|bucket| bucket.iter().any(|(other, _)| same_row(other, row)))
    }
}

/// State of a Distinct.
pub struct DistinctState {
    input: State,
    seen: RowSet,
    last: Option<Vec<Value>>,
}

impl DistinctState {
    pub(super) fn new(input: &Node) -> DistinctState {
        DistinctState { input: State::new(input), seen: RowSet::default(), last: None }
    }

    pub(super) fn input(&mut self) -> &mut State {
        &mut self.input
    }

    pub(super) fn next(&mut self, input: &Node, on: Option<&[Expr]>, cx: &Cx<'_>) -> Result<Option<Row>> {
        while let Some(row) = self.input.next(input, cx)? {
            cx.exec.tick()?;
            match on {
                None => {
                    if self.seen.add(&row) == 0 {
                        return Ok(Some(row));
                    }
                }
                Some(keys) => {
                    let key = cx.eval_all(keys, &row)?;
                    if self.last.as_ref().is_none_or(|last| !same_row(last, &key)) {
                        self.last = Some(key);
                        return Ok(Some(row));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// UNION, INTERSECT, EXCEPT (UNION ALL streams elsewhere).
pub(super) fn set_operation(
    left_state: &mut State,
    left: &Node,
    right_state: &mut State,
    right: &Node,
    op: SetOp,
    all: bool,
    cx: &Cx<'_>,
) -> Result<Vec<Row>> {
    let mut out = Vec::new();
    let mut seen = RowSet::default();
    if op == SetOp::Union {
        for (state, node) in [(left_state, left), (right_state, right)] {
            while let Some(row) = state.next(node, cx)? {
                cx.exec.tick()?;
                if seen.add(&row) == 0 || all {
                    out.push(row);
                }
            }
        }
        return Ok(out);
    }
    while let Some(row) = right_state.next(right, cx)? {
        cx.exec.tick()?;
        seen.add(&row);
    }
    let mut given = RowSet::default();
    while let Some(row) = left_state.next(left, cx)? {
        cx.exec.tick()?;
        let keep = match (op, all) {
            (SetOp::Intersect, true) => seen.take(&row),
            (SetOp::Intersect, false) => seen.contains(&row) && given.add(&row) == 0,
            (_, true) => !seen.take(&row),
            (_, false) => !seen.contains(&row) && given.add(&row) == 0,
        };
        if keep {
            out.push(row);
        }
    }
    Ok(out)
}
