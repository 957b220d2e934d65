//! SYNC: a table is made to mirror a query (AMI-61 to AMI-63).
//!
//! The table is locked against other writers when the statement begins. First rows of the table and of the query are
//! paired: perfect matches, then key matches; duplicates pair one to one. Then the deletes, in row order, and for each row
//! of the query its update or insert. Everything goes through the one door, so a vetoed delete leaves its row, and the
//! insert that follows may meet it there (AMI-120).

use std::collections::HashMap;

use super::write::{Changed, TableWriter, checkin, checkout, count};
use super::{Cx, State};
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::plan::{InsertPlan, SyncPlan};
use crate::store::{LockOutcome, ScanCursor, Snapshot};
use crate::types::{Row, Value, equal, hash_value};

/// What happens to a row of the query.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Insert,
    Update(RowId),
    Nothing,
}

/// Runs it to its end; it returns no rows.
pub(super) fn run(input: &mut State, plan: &InsertPlan, sync: &SyncPlan, cx: &Cx<'_>) -> Result<Vec<Row>> {
    let exec = cx.exec;
    let mut source = Vec::new();
    while let Some(row) = input.next(&plan.input, cx)? {
        exec.tick()?;
        source.push(row);
    }
    let mut table = checkout(exec, &plan.target)?;
    let (doomed, fates) = pair(plan, sync, &source, cx)?;
    for id in doomed {
        if change(&mut table, id, cx, |table, old, snapshot| table.delete_row(id, old, snapshot, cx))? {
            count(exec);
        }
    }
    let width = plan.target.table.columns.len();
    for (row, fate) in source.into_iter().zip(fates) {
        let done = match fate {
            Fate::Nothing => false,
            Fate::Update(id) => change(&mut table, id, cx, |table, old, snapshot| {
                let mut new = old.clone();
                put(&mut new, &row, plan);
                table.update_row(id, old, new, snapshot, Some(&plan.columns), cx)
            })?,
            Fate::Insert => {
                let mut new = vec![Value::Null; width];
                put(&mut new, &row, plan);
                table.insert_or_upsert(new, Some(&plan.columns), cx)?.is_some()
            }
        };
        if done {
            count(exec);
        }
    }
    checkin(exec, table);
    Ok(Vec::new())
}

fn put(row: &mut Row, cells: &[Value], plan: &InsertPlan) {
    for (value, place) in cells.iter().zip(&plan.columns) {
        row[*place] = value.clone();
    }
}

/// Changes a row as it is now, under a lock; false if it is gone or a trigger left it out.
fn change(
    table: &mut TableWriter,
    id: RowId,
    cx: &Cx<'_>,
    work: impl FnOnce(&mut TableWriter, Row, &Snapshot) -> Result<Changed>,
) -> Result<bool> {
    let backend = cx.exec.backend;
    cx.exec.tick()?;
    let snapshot = backend.begin_statement(true)?;
    let result = match table.lock(id, &snapshot, cx) {
        Ok(LockOutcome::Current(mut old) | LockOutcome::Newer(mut old)) => {
            old.resize(table.table.columns.len(), Value::Null);
            work(table, old, &snapshot)
        }
        Ok(_) => Ok(Changed::Gone),
        Err(error) => Err(error),
    };
    backend.end_statement(snapshot);
    Ok(matches!(result?, Changed::Done(_)))
}

/// Rows of the query by the hash of some of their cells.
struct Cells<'a> {
    rows: &'a [Row],
    places: Vec<usize>,
    found: HashMap<u64, Vec<usize>>,
}

fn hash<'v>(values: impl Iterator<Item = &'v Value>) -> u64 {
    values.fold(0, |hash, value| hash.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hash_value(value))
}

fn same(left: &Value, right: &Value) -> bool {
    left.is_null() == right.is_null() && (left.is_null() || equal(left, right))
}

impl<'a> Cells<'a> {
    fn new(rows: &'a [Row], places: Vec<usize>) -> Cells<'a> {
        let mut found: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            found.entry(hash(places.iter().map(|place| &row[*place]))).or_default().push(at);
        }
        Cells { rows, places, found }
    }

    /// Rows of the query that are still free and equal this one in these cells.
    fn matching(&self, row: &[Value], columns: &[usize], fates: &[Option<Fate>]) -> Vec<usize> {
        let value = |place: &usize| columns.get(*place).and_then(|column| row.get(*column)).unwrap_or(&Value::Null);
        let candidates = self.found.get(&hash(self.places.iter().map(value)));
        let fits = |at: &&usize| {
            fates[**at].is_none() && self.places.iter().all(|place| same(&self.rows[**at][*place], value(place)))
        };
        candidates.into_iter().flatten().filter(fits).copied().collect()
    }
}

/// Pairs the table's rows with the query's: the rows to delete, and what becomes of each row of the query.
/// Errors: 21000 if a row's key is that of several rows of the query.
fn pair(plan: &InsertPlan, sync: &SyncPlan, source: &[Row], cx: &Cx<'_>) -> Result<(Vec<RowId>, Vec<Fate>)> {
    let backend = cx.exec.backend;
    let id = plan.target.table.id;
    let mut fates: Vec<Option<Fate>> = vec![None; source.len()];
    let whole = Cells::new(source, (0..plan.columns.len()).collect());
    let mut rest: Vec<(RowId, Row)> = Vec::new();
    let snapshot = backend.begin_statement(true)?;
    let mut cursor = ScanCursor::default();
    let scanned = (|| {
        loop {
            let mut batch = Vec::new();
            let more = backend.with_txn(|txn| txn.scan_batch(id, &snapshot, &mut cursor, &mut batch))?;
            for (row_id, row) in batch {
                cx.exec.tick()?;
                match whole.matching(&row, &plan.columns, &fates).first() {
                    Some(at) => fates[*at] = Some(Fate::Nothing),
                    None => rest.push((row_id, row)),
                }
            }
            if !more {
                return Ok(());
            }
        }
    })();
    backend.end_statement(snapshot);
    scanned?;
    let mut doomed = Vec::new();
    let keys = sync.keys.as_ref().map(|places| Cells::new(source, places.clone()));
    for (row_id, row) in rest {
        let found = keys.as_ref().map(|keys| keys.matching(&row, &plan.columns, &fates)).unwrap_or_default();
        match found.as_slice() {
            [] => doomed.push(row_id),
            [at] => fates[*at] = Some(Fate::Update(row_id)),
            _ => {
                return Err(SqlError::new(
                    SqlState::CARDINALITY_VIOLATION,
                    format!(
                        "SYNC of table \"{}\": several rows of the query have the key of one row",
                        plan.target.table.name
                    ),
                ));
            }
        }
    }
    Ok((doomed, fates.into_iter().map(|fate| fate.unwrap_or(Fate::Insert)).collect()))
}
