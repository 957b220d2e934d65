//! Joins: nested loops (lateral too) and hash joins of every kind.

use std::collections::HashMap;

use super::{Cx, State, all_rows};
use crate::error::{Result, SqlError};
use crate::expr::{Expr, OuterRow};
use crate::plan::{JoinKind, Node};
use crate::types::{Row, Value, equal, hash_value};

fn padded(row: &[Value], width: usize) -> Row {
    let mut out = Vec::with_capacity(row.len() + width);
    out.extend_from_slice(row);
    out.resize(row.len() + width, Value::Null);
    out
}

fn pad_left(width: usize, row: &[Value]) -> Row {
    let mut out = vec![Value::Null; width];
    out.extend_from_slice(row);
    out
}

fn joined(left: &[Value], right: &[Value]) -> Row {
    let mut out = Vec::with_capacity(left.len() + right.len());
    out.extend_from_slice(left);
    out.extend_from_slice(right);
    out
}

/// State of a NestedLoop.
pub struct LoopState {
    left: State,
    right_state: Option<State>,
    right: Option<Vec<Row>>,
    matched_right: Vec<bool>,
    current: Option<Row>,
    matched: bool,
    at: usize,
    tail: Option<usize>,
}

impl LoopState {
    pub(super) fn new(left: &Node, _right: &Node) -> LoopState {
        LoopState {
            left: State::new(left),
            right_state: None,
            right: None,
            matched_right: Vec::new(),
            current: None,
            matched: false,
            at: 0,
            tail: None,
        }
    }

    pub(super) fn left(&mut self) -> &mut State {
        &mut self.left
    }

    pub(super) fn next(&mut self, node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
        let Node::NestedLoop { left, right, kind, on, lateral, widths } = node else {
            return Err(SqlError::internal("not a nested loop"));
        };
        if let Some(at) = self.tail {
            return Ok(self.unmatched_right(at, widths.0));
        }
        loop {
            if self.current.is_none() {
                let Some(row) = self.left.next(left, cx)? else {
                    if matches!(kind, JoinKind::Right | JoinKind::Full) {
                        if self.right.is_none() {
                            self.load_right(right, cx)?;
                        }
                        return Ok(self.unmatched_right(0, widths.0));
                    }
                    return Ok(None);
                };
                if *lateral {
                    self.right_state = Some(cx.exec.state(right));
                } else if self.right.is_none() {
                    self.load_right(right, cx)?;
                }
                self.current = Some(row);
                self.matched = false;
                self.at = 0;
            }
            let Some(row) = self.current.take() else { continue };
            let found =
                if *lateral { self.lateral(&row, right, on.as_ref(), cx)? } else { self.scan(&row, on.as_ref(), cx)? };
            match found {
                Some(out) => {
                    self.matched = true;
                    match kind {
                        JoinKind::Semi => return Ok(Some(row)),
                        JoinKind::Anti => {}
                        _ => {
                            self.current = Some(row);
                            return Ok(Some(out));
                        }
                    }
                }
                None => match kind {
                    JoinKind::Left | JoinKind::Full if !self.matched => return Ok(Some(padded(&row, widths.1))),
                    JoinKind::Anti => return Ok(Some(row)),
                    _ => {}
                },
            }
        }
    }

    fn load_right(&mut self, right: &Node, cx: &Cx<'_>) -> Result<()> {
        let rows = all_rows(right, cx, usize::MAX)?;
        self.matched_right = vec![false; rows.len()];
        self.right = Some(rows);
        Ok(())
    }

    fn scan(&mut self, row: &Row, on: Option<&Expr>, cx: &Cx<'_>) -> Result<Option<Row>> {
        let Some(right) = &self.right else { return Ok(None) };
        while let Some(other) = right.get(self.at) {
            self.at += 1;
            cx.exec.tick()?;
            let out = joined(row, other);
            if match on {
                Some(on) => cx.test(on, &out)?,
                None => true,
            } {
                self.matched_right[self.at - 1] = true;
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    fn lateral(&mut self, row: &Row, right: &Node, on: Option<&Expr>, cx: &Cx<'_>) -> Result<Option<Row>> {
        let outer = OuterRow { row, parent: cx.eval.outer };
        let inner = cx.inside(&outer);
        let Some(state) = &mut self.right_state else { return Ok(None) };
        while let Some(other) = state.next(right, &inner)? {
            cx.exec.tick()?;
            let out = joined(row, &other);
            if match on {
                Some(on) => cx.test(on, &out)?,
                None => true,
            } {
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    fn unmatched_right(&mut self, from: usize, width: usize) -> Option<Row> {
        let right = self.right.as_ref()?;
        let mut at = from;
        while at < right.len() {
            if !self.matched_right[at] {
                self.tail = Some(at + 1);
                return Some(pad_left(width, &right[at]));
            }
            at += 1;
        }
        self.tail = Some(at);
        None
    }
}

/// State of a HashJoin: the right side by the hash of its keys.
pub struct HashState {
    left: State,
    table: Option<Table>,
    current: Option<(Row, Vec<Value>, u64)>,
    matched: bool,
    at: usize,
    tail: Option<usize>,
}

struct Table {
    rows: Vec<(Row, Vec<Value>)>,
    matched: Vec<bool>,
    buckets: HashMap<u64, Vec<u32>>,
}

pub(super) fn hash_key(key: &[Value]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for value in key {
        hash = (hash.rotate_left(5) ^ hash_value(value)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    hash
}

/// Equality as SQL's `=`: NULL equals nothing.
fn keys_equal(left: &[Value], right: &[Value]) -> bool {
    left.iter().zip(right).all(|(a, b)| !a.is_null() && !b.is_null() && equal(a, b))
}

impl HashState {
    pub(super) fn new(left: &Node, _right: &Node) -> HashState {
        HashState { left: State::new(left), table: None, current: None, matched: false, at: 0, tail: None }
    }

    pub(super) fn left(&mut self) -> &mut State {
        &mut self.left
    }

    pub(super) fn next(&mut self, node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
        let Node::HashJoin { left, right, kind, left_keys, right_keys, residual, widths } = node else {
            return Err(SqlError::internal("not a hash join"));
        };
        if self.table.is_none() {
            self.table = Some(build(right, right_keys, cx)?);
        }
        if let Some(at) = self.tail {
            return Ok(self.unmatched_right(at, widths.0));
        }
        loop {
            if self.current.is_none() {
                let Some(row) = self.left.next(left, cx)? else {
                    if matches!(kind, JoinKind::Right | JoinKind::Full) {
                        return Ok(self.unmatched_right(0, widths.0));
                    }
                    return Ok(None);
                };
                cx.exec.tick()?;
                let key = cx.eval_all(left_keys, &row)?;
                let hash = hash_key(&key);
                self.current = Some((row, key, hash));
                self.matched = false;
                self.at = 0;
            }
            let Some((row, key, hash)) = self.current.take() else { continue };
            match self.probe(&row, &key, hash, residual.as_ref(), cx)? {
                Some(out) => {
                    self.matched = true;
                    match kind {
                        JoinKind::Semi => return Ok(Some(row)),
                        JoinKind::Anti => {}
                        _ => {
                            self.current = Some((row, key, hash));
                            return Ok(Some(out));
                        }
                    }
                }
                None => match kind {
                    JoinKind::Left | JoinKind::Full if !self.matched => return Ok(Some(padded(&row, widths.1))),
                    JoinKind::Anti => return Ok(Some(row)),
                    _ => {}
                },
            }
        }
    }

    fn probe(
        &mut self,
        row: &Row,
        key: &[Value],
        hash: u64,
        residual: Option<&Expr>,
        cx: &Cx<'_>,
    ) -> Result<Option<Row>> {
        let Some(table) = &mut self.table else { return Ok(None) };
        let Some(bucket) = table.buckets.get(&hash) else { return Ok(None) };
        while let Some(place) = bucket.get(self.at) {
            self.at += 1;
            let place = *place as usize;
            let (other, other_key) = &table.rows[place];
            if !keys_equal(key, other_key) {
                continue;
            }
            let out = joined(row, other);
            if match residual {
                Some(residual) => cx.test(residual, &out)?,
                None => true,
            } {
                table.matched[place] = true;
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    fn unmatched_right(&mut self, from: usize, width: usize) -> Option<Row> {
        let table = self.table.as_ref()?;
        let mut at = from;
        while at < table.rows.len() {
            if !table.matched[at] {
                self.tail = Some(at + 1);
                return Some(pad_left(width, &table.rows[at].0));
            }
            at += 1;
        }
        self.tail = Some(at);
        None
    }
}

fn build(right: &Node, keys: &[Expr], cx: &Cx<'_>) -> Result<Table> {
    let mut state = cx.exec.state(right);
    let mut table = Table { rows: Vec::new(), matched: Vec::new(), buckets: HashMap::new() };
    while let Some(row) = state.next(right, cx)? {
        cx.exec.tick()?;
        let key = cx.eval_all(keys, &row)?;
        if !key.iter().any(Value::is_null) {
            let place = u32::try_from(table.rows.len()).map_err(|_| SqlError::internal("hash table is full"))?;
            table.buckets.entry(hash_key(&key)).or_default().push(place);
        }
        table.rows.push((row, key));
    }
    table.matched = vec![false; table.rows.len()];
    Ok(table)
}
