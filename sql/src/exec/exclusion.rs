//! EXCLUDE constraints (PG-167): no two rows whose keys conflict; and unique ones that are checked later (PG-160), which
//! are the same with `=` of all keys.
//!
//! A row is looked at after it is in place, so that of two writers of conflicting rows one always sees the other; it then
//! waits for the other's end, as for a unique key. Where to look is told by the constraint's index: its first keys must be
//! equal, and of a range that follows only the neighbours can overlap, since rows that satisfy the constraint lie one
//! after the other. Any other operator (`&&` of arrays, two ranges, `<>`) is tried on all rows with the same first keys.
//!
//! ```text
//! room 101   [1,3)   [5,9)          [20,30)     ordered by their lower bounds
//!                        ◄── [8,12)             from its upper bound down, to the first that ends before it begins
//! ```

use std::cmp::Ordering;
use std::sync::Arc;

use super::constraint::{Event, schema_name, values_text};
use super::sort::same_row;
use super::{Backend, Cx, Exec, Run};
use crate::catalog::{ConstraintKind, TableDef, TableId};
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::plan::{Exclusion, WriteTarget};
use crate::store::{IndexRange, ScanCursor, Standing, StandingCursor};
use crate::types::{Bound, Oid, Range, Row, Value, compare};

/// The keys of a row if it can conflict with any: it meets the predicate and has no NULL key.
fn keys(exclusion: &Exclusion, row: &[Value], cx: &Cx<'_>) -> Result<Option<Row>> {
    if let Some(predicate) = &exclusion.predicate
        && !cx.test(predicate, row)?
    {
        return Ok(None);
    }
    let keys = cx.eval_all(&exclusion.keys, row)?;
    Ok((!keys.iter().any(Value::is_null)).then_some(keys))
}

/// What another row is to the one that is looked at.
#[derive(PartialEq, Eq)]
enum Verdict {
    Conflicts,
    /// It does not conflict; its range ends where the other begins, or before.
    EndsBefore,
    Free,
}

/// Where rows that conflict with these keys are; none if none can.
fn range(exclusion: &Exclusion, keys: &[Value]) -> Option<IndexRange> {
    let prefix = keys[..exclusion.equal].to_vec();
    let mut range = IndexRange { prefix, reverse: exclusion.ranges, ..IndexRange::default() };
    if let (true, Some(Value::Range(last))) = (exclusion.ranges, keys.last()) {
        let (_, upper) = last.bounds.as_ref()?;
        if !upper.value.is_null() {
            // The last in the index's order of all ranges that begin where this one ends.
            let from = Bound { value: upper.value.clone(), inclusive: true };
            let open = Bound { value: Value::Null, inclusive: false };
            let end = Range { element: last.element, bounds: Some((from, open)) };
            range.upper = Some((Value::Range(Arc::new(end)), true));
        }
    }
    Some(range)
}

/// A row that conflicts with this one (`own` is its id once it is in place), now or once the transactions that run have
/// ended: it waits for those. Errors: those of a wait and of the constraint's expressions.
pub(super) fn find(
    exclusion: &Exclusion,
    table: TableId,
    own: Option<RowId>,
    row: &[Value],
    cx: &Cx<'_>,
) -> Result<Option<Row>> {
    look(exclusion, table, own, row, true, cx)
}

/// As `find`; without `wait` a row counts as well that conflicts if a transaction that runs ends one way.
fn look(
    exclusion: &Exclusion,
    table: TableId,
    own: Option<RowId>,
    row: &[Value],
    wait: bool,
    cx: &Cx<'_>,
) -> Result<Option<Row>> {
    let Some(keys) = keys(exclusion, row, cx)? else { return Ok(None) };
    let Some(range) = range(exclusion, &keys) else { return Ok(None) };
    let backend = cx.exec.backend;
    let judge = |other: &Row| -> Result<Verdict> {
        let Some(others) = self::keys(exclusion, other, cx)? else { return Ok(Verdict::Free) };
        let before = exclusion.ranges
            && others.last().zip(keys.last()).is_some_and(|(other, own)| compare(other, own) == Ordering::Less);
        let mut both = keys.clone();
        both.extend(others);
        for test in &exclusion.tests {
            if !cx.test(test, &both)? {
                return Ok(if before { Verdict::EndsBefore } else { Verdict::Free });
            }
        }
        Ok(Verdict::Conflicts)
    };
    'look: loop {
        let mut cursor = StandingCursor::default();
        loop {
            let mut batch = Vec::new();
            let more =
                backend.with_txn(|txn| txn.standing_batch(table, exclusion.index, &range, &mut cursor, &mut batch))?;
            for (id, standing) in batch {
                cx.exec.tick()?;
                if Some(id) == own {
                    continue;
                }
                match standing {
                    Standing::Live { row, own } => {
                        match judge(&row)? {
                            Verdict::Conflicts => return Ok(Some(row)),
                            // All that begin before this one end before it.
                            Verdict::EndsBefore if !own => return Ok(None),
                            _ => {}
                        }
                    }
                    Standing::Pending { rows, holder } => {
                        for row in &rows {
                            if judge(row)? == Verdict::Conflicts {
                                if !wait {
                                    return Ok(Some(row.clone()));
                                }
                                backend.with_txn(|txn| txn.wait_for_holder(&holder))?;
                                continue 'look;
                            }
                        }
                    }
                }
            }
            if !more {
                return Ok(None);
            }
        }
    }
}

/// Checks a row that has just been written, `old` its former version: if it violates a constraint, that one's index and
/// the error. A deferrable constraint is left for the end of the statement or of the transaction. Errors: as `find`.
pub(super) fn check(
    target: &WriteTarget,
    id: RowId,
    old: Option<&Row>,
    row: &Row,
    cx: &Cx<'_>,
) -> Result<Option<(Oid, SqlError)>> {
    for exclusion in &target.exclusions {
        if let Some(old) = old {
            let (was, is) = (keys(exclusion, old, cx)?, keys(exclusion, row, cx)?);
            let same = was.as_ref().zip(is.as_ref()).is_some_and(|(was, is)| same_row(was, is));
            if same || is.is_none() {
                continue;
            }
        }
        let Some(constraint) = target.table.constraints.get(exclusion.place) else { continue };
        if constraint.deferrable {
            // Only who finds something looks again: of two that conflict the later one does.
            if look(exclusion, target.table.id, Some(id), row, false, cx)?.is_none() {
                continue;
            }
            let event = Event::Excluded { table: target.table.clone(), constraint: constraint.oid, row: id };
            let mut deferred = cx.exec.backend.deferred.borrow_mut();
            if deferred.defers(constraint) {
                deferred.push(constraint.oid, event);
            } else {
                cx.exec.run.writer.borrow_mut().events.push(event);
            }
            continue;
        }
        if let Some(other) = find(exclusion, target.table.id, Some(id), row, cx)? {
            let error = violation(exclusion, &target.table, row, &other, false, cx)?;
            return Ok(Some((exclusion.index, error)));
        }
    }
    Ok(None)
}

/// Checks one row as it is now against a deferrable constraint. Errors: 23P01; as `find`.
pub(super) fn check_later(exec: &Exec<'_>, table: &Arc<TableDef>, constraint: Oid, row: RowId) -> Result<()> {
    // The table may have changed since.
    let catalog = exec.backend.catalog()?;
    let Some(table) = catalog.table(table.id) else { return Ok(()) };
    let target = exec.backend.write_target(table)?;
    let is = |one: &&Exclusion| table.constraints.get(one.place).is_some_and(|own| own.oid == constraint);
    let Some(exclusion) = target.exclusions.iter().find(is) else { return Ok(()) };
    let Some(now) = exec.backend.with_txn(|txn| txn.newest(table.id, row))? else { return Ok(()) };
    let cx = exec.cx();
    match find(exclusion, table.id, Some(row), &now, &cx)? {
        Some(other) => Err(violation(exclusion, table, &now, &other, false, &cx)?),
        None => Ok(()),
    }
}

/// Looks over the rows of a table for a new constraint. Of rows that conflict some stand side by side in the order that
/// `find` relies on, so it finds one pair of them. Errors: 23P01.
pub(super) fn validate(backend: &Backend, table: TableId, constraint: Oid) -> Result<()> {
    let snapshot = backend.begin_statement(true)?;
    let run = Run::with_snapshot(backend, super::planning::empty_plan(), Vec::new(), snapshot, 0);
    let exec = Exec { backend, run: &run };
    let result = validate_rows(&exec, table, constraint);
    backend.end_statement(snapshot);
    result
}

fn validate_rows(exec: &Exec<'_>, table: TableId, constraint: Oid) -> Result<()> {
    let catalog = exec.backend.catalog()?;
    let Some(table) = catalog.table(table) else { return Ok(()) };
    let target = exec.backend.write_target(table)?;
    let is = |one: &&Exclusion| table.constraints.get(one.place).is_some_and(|own| own.oid == constraint);
    let Some(exclusion) = target.exclusions.iter().find(is) else { return Ok(()) };
    let cx = exec.cx();
    let mut cursor = ScanCursor::default();
    loop {
        let mut batch = Vec::new();
        let more =
            exec.backend.with_txn(|txn| txn.scan_batch(table.id, &exec.run.snapshot, &mut cursor, &mut batch))?;
        for (id, row) in batch {
            exec.tick()?;
            if let Some(other) = find(exclusion, table.id, Some(id), &row, &cx)? {
                return Err(violation(exclusion, table, &row, &other, true, &cx)?);
            }
        }
        if !more {
            return Ok(());
        }
    }
}

/// 23P01: of a new row, or (`creating`) of two rows that a new constraint finds.
fn violation(
    exclusion: &Exclusion,
    table: &TableDef,
    row: &[Value],
    other: &[Value],
    creating: bool,
    cx: &Cx<'_>,
) -> Result<SqlError> {
    let constraint = &table.constraints[exclusion.place];
    if let ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } = constraint.kind {
        return duplicate(exclusion, table, row, creating, cx);
    }
    let (ConstraintKind::Exclude { elements, .. }, Some(index)) =
        (&constraint.kind, table.indexes.iter().find(|own| own.oid == exclusion.index))
    else {
        return Err(SqlError::internal("an exclusion constraint without its index"));
    };
    let names: Vec<&str> = elements
        .iter()
        .filter_map(|(place, _)| index.keys.get(*place))
        .map(|key| match (key.column, &key.expr) {
            (Some(place), _) => table.columns[place].name.as_str(),
            (None, expr) => expr.as_deref().unwrap_or_default(),
        })
        .collect();
    let names = names.join(", ");
    let shown = |row: &[Value]| -> Result<String> {
        let keys = cx.eval_all(&exclusion.keys, row)?;
        let written: Vec<Value> = elements.iter().filter_map(|(place, _)| keys.get(*place).cloned()).collect();
        let types = elements.iter().filter_map(|(place, _)| index.keys.get(*place)).map(|key| key.ty);
        Ok(values_text(&written, types, cx.eval.style))
    };
    let (message, which) = if creating {
        (format!("could not create exclusion constraint \"{}\"", constraint.name), "key")
    } else {
        (format!("conflicting key value violates exclusion constraint \"{}\"", constraint.name), "existing key")
    };
    Ok(SqlError::new(SqlState::EXCLUSION_VIOLATION, message)
        .detail(format!("Key ({names})=({}) conflicts with {which} ({names})=({}).", shown(row)?, shown(other)?))
        .table(schema_name(cx.exec.backend, table), &table.name)
        .constraint(&constraint.name))
}

/// 23505: of a row, or (`creating`) of one of those that a new constraint finds.
fn duplicate(exclusion: &Exclusion, table: &TableDef, row: &[Value], creating: bool, cx: &Cx<'_>) -> Result<SqlError> {
    let constraint = &table.constraints[exclusion.place];
    let Some(index) = table.indexes.iter().find(|own| own.oid == exclusion.index) else {
        return Err(SqlError::internal("a unique constraint without its index"));
    };
    let names: Vec<&str> =
        index.keys.iter().filter_map(|key| Some(table.columns.get(key.column?)?.name.as_str())).collect();
    let keys = cx.eval_all(&exclusion.keys, row)?;
    let shown = values_text(&keys, index.keys.iter().map(|key| key.ty), cx.eval.style);
    let (message, how) = if creating {
        (format!("could not create unique index \"{}\"", constraint.name), "is duplicated")
    } else {
        (format!("duplicate key value violates unique constraint \"{}\"", constraint.name), "already exists")
    };
    Ok(SqlError::new(SqlState::UNIQUE_VIOLATION, message)
        .detail(format!("Key ({})=({shown}) {how}.", names.join(", ")))
        .table(schema_name(cx.exec.backend, table), &table.name)
        .constraint(&constraint.name))
}
