//! Reading tables: whole, through an index, and one row by a unique key.

use std::sync::Arc;

use super::Cx;
use crate::catalog::TableDef;
use crate::change::RowId;
use crate::error::Result;
use crate::expr::Expr;
use crate::plan::{IndexBounds, Node};
use crate::store::{IndexCursor, IndexRange, ScanCursor};
use crate::types::{Oid, Row, Value};

/// Rows of an uncorrelated subquery by the hash of all their columns.
pub(super) struct HashedRows {
    pub(super) rows: std::collections::HashMap<u64, Vec<Row>>,
    pub(super) any: bool,
    pub(super) has_null: bool,
}

/// A batch of rows being given out.
type Batch = std::vec::IntoIter<(RowId, Row)>;

/// State of a SeqScan.
#[derive(Default)]
pub struct SeqScanState {
    cursor: ScanCursor,
    batch: Batch,
    done: bool,
}

#[allow(clippy::cast_possible_wrap, reason = "row ids stay below 2^63")]
pub(super) fn with_row_id(mut row: Row, id: RowId, wanted: bool) -> Row {
    if wanted {
        row.push(Value::Int8(id.0 as i64));
    }
    row
}

impl SeqScanState {
    pub(super) fn next(
        &mut self,
        table: &Arc<TableDef>,
        filter: Option<&Expr>,
        row_id: bool,
        cx: &Cx<'_>,
    ) -> Result<Option<Row>> {
        loop {
            for (id, row) in self.batch.by_ref() {
                cx.exec.tick()?;
                if let Some(filter) = filter {
                    if !cx.test(filter, &row)? {
                        continue;
                    }
                }
                return Ok(Some(with_row_id(row, id, row_id)));
            }
            if self.done {
                return Ok(None);
            }
            let mut out = Vec::new();
            let snapshot = &cx.exec.run.snapshot;
            let cursor = &mut self.cursor;
            let more = cx.exec.backend.with_txn(|txn| txn.scan_batch(table.id, snapshot, cursor, &mut out))?;
            self.done = !more;
            self.batch = out.into_iter();
        }
    }
}

/// State of an IndexScan: the ranges left, and the one being read.
#[derive(Default)]
pub struct IndexScanState {
    ranges: Option<std::vec::IntoIter<IndexRange>>,
    current: Option<(IndexRange, IndexCursor)>,
    batch: Batch,
    seen: Option<std::collections::HashSet<RowId>>,
}

impl IndexScanState {
    pub(super) fn next(&mut self, node: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
        let Node::IndexScan { table, index, ranges, reverse, filter, row_id, .. } = node else { return Ok(None) };
        if self.ranges.is_none() {
            let mut all = Vec::new();
            for bounds in ranges {
                expand(bounds, *reverse, cx, &mut all)?;
            }
            if all.len() > 1 {
                // Items of `= ANY` come in the index's order, and each row once.
                if ranges.len() == 1 {
                    all.sort_by(compare_prefix);
                    all.dedup_by(|a, b| compare_prefix(a, b).is_eq());
                    if *reverse {
                        all.reverse();
                    }
                }
                self.seen = Some(std::collections::HashSet::new());
            }
            self.ranges = Some(all.into_iter());
        }
        loop {
            for (id, row) in self.batch.by_ref() {
                cx.exec.tick()?;
                if let Some(filter) = filter {
                    if !cx.test(filter, &row)? {
                        continue;
                    }
                }
                if let Some(seen) = &mut self.seen {
                    if !seen.insert(id) {
                        continue;
                    }
                }
                return Ok(Some(with_row_id(row, id, *row_id)));
            }
            if self.current.is_none() {
                let Some(range) = self.ranges.as_mut().and_then(Iterator::next) else { return Ok(None) };
                self.current = Some((range, IndexCursor::default()));
            }
            let Some((range, cursor)) = &mut self.current else { return Ok(None) };
            let mut out = Vec::new();
            let snapshot = &cx.exec.run.snapshot;
            let more =
                cx.exec.backend.with_txn(|txn| txn.index_batch(table.id, *index, range, snapshot, cursor, &mut out))?;
            if !more {
                self.current = None;
            }
            self.batch = out.into_iter();
        }
    }
}

fn compare_prefix(a: &IndexRange, b: &IndexRange) -> std::cmp::Ordering {
    for (left, right) in a.prefix.iter().zip(&b.prefix) {
        let order = crate::types::compare(left, right);
        if order.is_ne() {
            return order;
        }
    }
    a.prefix.len().cmp(&b.prefix.len())
}

/// Values of one set of bounds: none if a NULL makes it empty, several for `= ANY`.
fn expand(bounds: &IndexBounds, reverse: bool, cx: &Cx<'_>, out: &mut Vec<IndexRange>) -> Result<()> {
    let mut prefix = Vec::with_capacity(bounds.prefix.len());
    let last = bounds.prefix.len();
    let mut items: Option<Vec<Value>> = None;
    for (place, expr) in bounds.prefix.iter().enumerate() {
        let value = cx.eval(expr, &[])?;
        if bounds.any && place + 1 == last {
            match value {
                Value::Array(array) => items = Some(array.items.clone()),
                _ => return Ok(()),
            }
            continue;
        }
        if value.is_null() && !bounds.nulls.contains(&place) {
            return Ok(());
        }
        prefix.push(value);
    }
    let mut range = IndexRange { prefix, lower: None, upper: None, reverse };
    for (bound, slot) in [(&bounds.lower, &mut range.lower), (&bounds.upper, &mut range.upper)] {
        if let Some((expr, included)) = bound {
            let value = cx.eval(expr, &[])?;
            if value.is_null() {
                return Ok(());
            }
            *slot = Some((value, *included));
        }
    }
    match items {
        None => out.push(range),
        Some(items) => {
            for item in items.into_iter().filter(|item| !item.is_null()) {
                let mut range = range.clone();
                range.prefix.push(item);
                out.push(range);
            }
        }
    }
    Ok(())
}

/// The row with this key of a unique index.
pub(super) fn unique(
    table: &Arc<TableDef>,
    index: Oid,
    bounds: &IndexBounds,
    filter: Option<&Expr>,
    row_id: bool,
    cx: &Cx<'_>,
) -> Result<Option<Row>> {
    let mut found = None;
    if let [only] = bounds.prefix.as_slice() {
        let key = [cx.eval(only, &[])?];
        if !key[0].is_null() {
            found = cx.exec.backend.with_txn(|txn| txn.index_first(table.id, index, &key, &cx.exec.run.snapshot))?;
        }
    } else {
        let key = cx.eval_all(&bounds.prefix, &[])?;
        if !key.iter().any(Value::is_null) {
            found = cx.exec.backend.with_txn(|txn| txn.index_first(table.id, index, &key, &cx.exec.run.snapshot))?;
        }
    }
    let Some((id, row)) = found else { return Ok(None) };
    if let Some(filter) = filter {
        if !cx.test(filter, &row)? {
            return Ok(None);
        }
    }
    Ok(Some(with_row_id(row, id, row_id)))
}
