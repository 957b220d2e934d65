//! Foreign keys, deferred constraints, and the texts of constraint errors (PG-160, PG-161, section 14).
//!
//! Writes queue events; they are worked off at the statement's end (or at commit, when deferred), as PostgreSQL's
//! constraint triggers are. A check of a child locks the parent row FOR KEY SHARE, so the parent cannot go meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::join::hash_key;
use super::sort::same_row;
use super::write::{Changed, checkin, checkout_table};
use super::{Backend, Cx, Exec, Run};
use crate::catalog::{Catalog, Constraint, ConstraintKind, ForeignKey, ForeignKeyAction, MatchType, TableDef, TableId};
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::store::{IndexCursor, IndexRange, LockMode, LockOutcome, ScanCursor, Snapshot, WaitPolicy};
use crate::types::{CastContext, Oid, Row, TextStyle, Value, cast, encode_row, to_text};

/// Something to be checked or done at the end of a statement.
pub(super) enum Event {
    /// A row refers to a parent: table, the constraint's place, the row and its key.
    Child { table: Arc<TableDef>, place: usize, row: RowId, key: Vec<Value> },
    /// A referenced row went or changed its key.
    Parent { table: Arc<TableDef>, old: Row, new: Option<Row> },
    /// A row that may conflict with others by an EXCLUDE constraint: table, constraint, the row.
    Excluded { table: Arc<TableDef>, constraint: Oid, row: RowId },
    /// NO ACTION of one constraint, deferred.
    NoAction { child: TableId, constraint: Oid, old: Row },
}

/// Deferred constraints of a transaction.
#[derive(Default)]
pub struct Deferred {
    events: Vec<(Oid, Event)>,
    /// SET CONSTRAINTS ALL.
    all: Option<bool>,
    /// SET CONSTRAINTS name.
    named: HashMap<Oid, bool>,
}

impl Deferred {
    /// Whether nothing is set or waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.all.is_none() && self.named.is_empty()
    }

    /// A mark for savepoints.
    pub fn mark(&self) -> usize {
        self.events.len()
    }

    /// Forgets events queued since the mark.
    pub fn rollback_to(&mut self, mark: usize) {
        self.events.truncate(mark);
    }

    /// Keeps an event of a constraint until it is to be checked.
    pub(super) fn push(&mut self, constraint: Oid, event: Event) {
        self.events.push((constraint, event));
    }

    /// Whether a constraint is checked later than at the end of the statement.
    pub(super) fn defers(&self, constraint: &Constraint) -> bool {
        if !constraint.deferrable {
            return false;
        }
        match self.named.get(&constraint.oid) {
            Some(deferred) => *deferred,
            None => self.all.unwrap_or(constraint.deferred),
        }
    }
}

fn foreign_key(table: &TableDef, place: usize) -> Option<(&Constraint, &ForeignKey)> {
    let constraint = table.constraints.get(place)?;
    match &constraint.kind {
        ConstraintKind::ForeignKey(key) => Some((constraint, key)),
        _ => None,
    }
}

fn pick(row: &[Value], places: &[usize]) -> Vec<Value> {
    places.iter().map(|place| row.get(*place).cloned().unwrap_or(Value::Null)).collect()
}

/// Queues the check of a new or changed row against one foreign key.
pub(super) fn queue_child(
    exec: &Exec<'_>,
    table: &Arc<TableDef>,
    place: usize,
    row: RowId,
    old: Option<&Row>,
    new: &Row,
) -> Result<()> {
    let Some((constraint, key)) = foreign_key(table, place) else { return Ok(()) };
    let values = pick(new, &key.columns);
    if old.is_some_and(|old| same_row(&pick(old, &key.columns), &values)) {
        return Ok(());
    }
    let nulls = values.iter().filter(|value| value.is_null()).count();
    if nulls > 0 {
        if key.match_type == MatchType::Full && nulls < values.len() {
            return Err(child_violation(exec.backend, table, constraint, key, &values)
                .detail("MATCH FULL does not allow mixing of null and nonnull key values."));
        }
        return Ok(());
    }
    let event = Event::Child { table: table.clone(), place, row, key: values };
    let mut deferred = exec.backend.deferred.borrow_mut();
    if deferred.defers(constraint) {
        deferred.events.push((constraint.oid, event));
    } else {
        exec.run.writer.borrow_mut().events.push(event);
    }
    Ok(())
}

/// Queues what a change of a referenced row leads to.
pub(super) fn queue_parent(exec: &Exec<'_>, table: &Arc<TableDef>, old: &Row, new: Option<&Row>) {
    let event = Event::Parent { table: table.clone(), old: old.clone(), new: new.cloned() };
    exec.run.writer.borrow_mut().events.push(event);
}

/// Keys that a statement has found, and locked, in the tables that they refer to: by constraint, whole.
#[derive(Default)]
struct Checked {
    integers: HashSet<(Oid, i64)>,
    others: HashSet<(Oid, Vec<u8>)>,
}

impl Checked {
    fn integer(key: &[Value]) -> Option<i64> {
        match key {
            [value @ (Value::Int2(_) | Value::Int4(_) | Value::Int8(_))] => value.as_i64(),
            _ => None,
        }
    }

    fn bytes(key: &[Value]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_row(key, &mut bytes);
        bytes
    }

    fn has(&self, constraint: Oid, key: &[Value]) -> bool {
        match Checked::integer(key) {
            Some(integer) => self.integers.contains(&(constraint, integer)),
            None => !self.others.is_empty() && self.others.contains(&(constraint, Checked::bytes(key))),
        }
    }

    fn add(&mut self, constraint: Oid, key: &[Value]) {
        match Checked::integer(key) {
            Some(integer) => self.integers.insert((constraint, integer)),
            None => self.others.insert((constraint, Checked::bytes(key))),
        };
    }
}

/// Works off the events of a statement, and those that they lead to.
pub(super) fn run_events(exec: &Exec<'_>) -> Result<()> {
    let mut checked = Checked::default();
    loop {
        let events = std::mem::take(&mut exec.run.writer.borrow_mut().events);
        if events.is_empty() {
            return Ok(());
        }
        let snapshot = exec.backend.begin_statement(true)?;
        let result = run_round(exec, events, &snapshot, &mut checked);
        exec.backend.end_statement(snapshot);
        result?;
    }
}

fn run_round(exec: &Exec<'_>, events: Vec<Event>, snapshot: &Snapshot, checked: &mut Checked) -> Result<()> {
    let catalog = exec.backend.catalog()?;
    let mut parents: Vec<(Arc<TableDef>, Vec<(Row, Option<Row>)>)> = Vec::new();
    for event in events {
        exec.tick()?;
        match event {
            Event::Child { table, place, row, key } => {
                check_child(exec, &catalog, &table, place, row, &key, snapshot, checked)?;
            }
            Event::Excluded { table, constraint, row } => {
                super::exclusion::check_later(exec, &table, constraint, row)?;
            }
            Event::Parent { table, old, new } => match parents.last_mut() {
                Some((last, rows)) if last.id == table.id => rows.push((old, new)),
                _ => parents.push((table, vec![(old, new)])),
            },
            Event::NoAction { child, constraint, old } => {
                let Some(table) = catalog.table(child) else { continue };
                let Some(place) = table.constraints.iter().position(|one| one.oid == constraint) else { continue };
                act(exec, &catalog, table, place, &[(old, None)], true, snapshot)?;
            }
        }
    }
    for (parent, rows) in parents {
        for (child, place) in catalog.referencing(parent.id) {
            let Some(table) = catalog.table(TableId(*child)) else { continue };
            act(exec, &catalog, table, *place, &rows, false, snapshot)?;
        }
    }
    Ok(())
}

/// The key in the order and types of the parent's index.
fn parent_key(
    parent: &TableDef,
    child: &TableDef,
    key: &ForeignKey,
    values: &[Value],
    style: &TextStyle,
) -> Result<Option<Vec<Value>>> {
    let Some(index) = parent.indexes.iter().find(|index| index.oid == key.parent_index) else { return Ok(None) };
    let mut out = Vec::with_capacity(index.keys.len());
    for part in &index.keys {
        let found = part.column.and_then(|column| key.parent_columns.iter().position(|place| *place == column));
        let Some(at) = found else { return Ok(None) };
        let from = child.columns[key.columns[at]].ty;
        let mut to = parent.columns[key.parent_columns[at]].ty;
        to.typmod = -1;
        let value = values[at].clone();
        out.push(if from.oid == to.oid { value } else { cast(value, from, to, CastContext::Explicit, style)? });
    }
    Ok(Some(out))
}

#[allow(clippy::too_many_arguments, reason = "one call site")]
fn check_child(
    exec: &Exec<'_>,
    catalog: &Catalog,
    table: &Arc<TableDef>,
    place: usize,
    row: RowId,
    values: &[Value],
    snapshot: &Snapshot,
    checked: &mut Checked,
) -> Result<()> {
    let Some((constraint, key)) = foreign_key(table, place) else { return Ok(()) };
    let _ = row;
    if checked.has(constraint.oid, values) {
        return Ok(());
    }
    let Some(parent) = catalog.table(key.parent) else { return Ok(()) };
    let Some(wanted) = parent_key(parent, table, key, values, &exec.run.style)? else { return Ok(()) };
    let missing = || child_violation(exec.backend, table, constraint, key, values);
    let found = exec.backend.with_txn(|txn| txn.index_first(parent.id, key.parent_index, &wanted, snapshot))?;
    let Some((id, _)) = found else { return Err(missing()) };
    let outcome =
        exec.backend.with_txn(|txn| txn.lock_row(parent.id, id, LockMode::KeyShare, WaitPolicy::Wait, snapshot))?;
    match outcome {
        LockOutcome::Current(_) | LockOutcome::SelfModified => {}
        LockOutcome::Newer(now) if same_row(&pick(&now, &key.parent_columns), &parent_order(key, parent, &wanted)) => {}
        LockOutcome::Newer(_) | LockOutcome::Gone | LockOutcome::Skipped => return Err(missing()),
    }
    checked.add(constraint.oid, values);
    Ok(())
}

/// The index-ordered key back in the order of the foreign key's parent columns.
fn parent_order(key: &ForeignKey, parent: &TableDef, wanted: &[Value]) -> Vec<Value> {
    let index = parent.indexes.iter().find(|index| index.oid == key.parent_index);
    key.parent_columns
        .iter()
        .map(|column| {
            let at = index.and_then(|index| index.keys.iter().position(|part| part.column == Some(*column)));
            at.and_then(|at| wanted.get(at).cloned()).unwrap_or(Value::Null)
        })
        .collect()
}

/// Rows of the child that refer to one of the keys: place of the key, id, row.
fn children(
    exec: &Exec<'_>,
    table: &Arc<TableDef>,
    key: &ForeignKey,
    keys: &[Vec<Value>],
    snapshot: &Snapshot,
) -> Result<Vec<(usize, RowId, Row)>> {
    let backend = exec.backend;
    let mut out = Vec::new();
    let index = table.indexes.iter().find(|index| {
        index.predicate.is_none()
            && index.keys.len() >= key.columns.len()
            && index.keys[..key.columns.len()].iter().all(|part| part.column.is_some_and(|c| key.columns.contains(&c)))
            && (index.method != crate::catalog::IndexMethod::Hash || index.keys.len() == key.columns.len())
    });
    if let Some(index) = index {
        for (at, values) in keys.iter().enumerate() {
            let prefix = index.keys[..key.columns.len()]
                .iter()
                .map(|part| {
                    let place = key.columns.iter().position(|column| part.column == Some(*column));
                    place.and_then(|place| values.get(place).cloned()).unwrap_or(Value::Null)
                })
                .collect();
            let range = IndexRange { prefix, ..IndexRange::default() };
            let mut cursor = IndexCursor::default();
            loop {
                exec.tick()?;
                let mut batch = Vec::new();
                let more = backend
                    .with_txn(|txn| txn.index_batch(table.id, index.oid, &range, snapshot, &mut cursor, &mut batch))?;
                out.extend(batch.into_iter().map(|(id, row)| (at, id, row)));
                if !more {
                    break;
                }
            }
        }
        return Ok(out);
    }
    let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, values) in keys.iter().enumerate() {
        by_hash.entry(hash_key(values)).or_default().push(at);
    }
    let mut cursor = ScanCursor::default();
    loop {
        let mut batch = Vec::new();
        let more = backend.with_txn(|txn| txn.scan_batch(table.id, snapshot, &mut cursor, &mut batch))?;
        for (id, row) in batch {
            exec.tick()?;
            let values = pick(&row, &key.columns);
            if values.iter().any(Value::is_null) {
                continue;
            }
            if let Some(places) = by_hash.get(&hash_key(&values)) {
                if let Some(at) = places.iter().find(|at| same_row(&keys[**at], &values)) {
                    out.push((*at, id, row));
                }
            }
        }
        if !more {
            return Ok(out);
        }
    }
}

/// Carries out one foreign key's action for referenced rows that went or changed.
fn act(
    exec: &Exec<'_>,
    catalog: &Catalog,
    table: &Arc<TableDef>,
    place: usize,
    rows: &[(Row, Option<Row>)],
    forced: bool,
    snapshot: &Snapshot,
) -> Result<()> {
    let Some((constraint, key)) = foreign_key(table, place) else { return Ok(()) };
    let Some(parent) = catalog.table(key.parent) else { return Ok(()) };
    let mut keys = Vec::new();
    let mut changes = Vec::new();
    for (old, new) in rows {
        let was = pick(old, &key.parent_columns);
        if was.iter().any(Value::is_null) {
            continue;
        }
        let now = new.as_ref().map(|new| pick(new, &key.parent_columns));
        if now.as_ref().is_some_and(|now| same_row(now, &was)) {
            continue;
        }
        let action = if now.is_some() { key.on_update } else { key.on_delete };
        if action == ForeignKeyAction::NoAction && !forced && exec.backend.deferred.borrow().defers(constraint) {
            let event = Event::NoAction { child: table.id, constraint: constraint.oid, old: old.clone() };
            exec.backend.deferred.borrow_mut().events.push((constraint.oid, event));
            continue;
        }
        keys.push(convert_key(parent, table, key, &was, &exec.run.style)?);
        changes.push((was, now, action));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let found = children(exec, table, key, &keys, snapshot)?;
    let mut writer = None;
    for (at, id, row) in found {
        exec.tick()?;
        let (was, now, action) = &changes[at];
        match action {
            ForeignKeyAction::NoAction | ForeignKeyAction::Restrict => {
                if *action == ForeignKeyAction::NoAction && parent_again(exec, parent, table, key, &keys[at], snapshot)?
                {
                    continue;
                }
                return Err(parent_violation(exec.backend, parent, table, constraint, key, was));
            }
            ForeignKeyAction::Cascade | ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault => {
                let mut writing = match writer.take() {
                    Some(writing) => writing,
                    None => checkout_table(exec, table.id)?,
                };
                let result = cascade(exec, &mut writing, key, *action, now.as_deref(), id, row, snapshot);
                writer = Some(writing);
                // A default that is the key itself leaves the child where it was: then there must be another parent.
                if result? && !parent_again(exec, parent, table, key, &keys[at], snapshot)? {
                    return Err(parent_violation(exec.backend, parent, table, constraint, key, was));
                }
            }
        }
    }
    if let Some(writer) = writer {
        checkin(exec, writer);
    }
    Ok(())
}

/// The parent's key in the child's types.
fn convert_key(
    parent: &TableDef,
    child: &TableDef,
    key: &ForeignKey,
    values: &[Value],
    style: &TextStyle,
) -> Result<Vec<Value>> {
    values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let from = parent.columns[key.parent_columns[at]].ty;
            let mut to = child.columns[key.columns[at]].ty;
            to.typmod = -1;
            if from.oid == to.oid {
                return Ok(value.clone());
            }
            // A key too large for the child's type has no children.
            Ok(cast(value.clone(), from, to, CastContext::Explicit, style).unwrap_or(Value::Null))
        })
        .collect()
}

/// Whether another row of the parent has the key now.
fn parent_again(
    exec: &Exec<'_>,
    parent: &Arc<TableDef>,
    child: &TableDef,
    key: &ForeignKey,
    values: &[Value],
    snapshot: &Snapshot,
) -> Result<bool> {
    let Some(wanted) = parent_key(parent, child, key, values, &exec.run.style)? else { return Ok(false) };
    let found = exec.backend.with_txn(|txn| txn.index_first(parent.id, key.parent_index, &wanted, snapshot))?;
    Ok(found.is_some())
}

/// Does what the key says to one child row. True if its new key, a default, is the one that it had.
#[allow(clippy::too_many_arguments, reason = "one call site")]
fn cascade(
    exec: &Exec<'_>,
    writer: &mut super::write::TableWriter,
    key: &ForeignKey,
    action: ForeignKeyAction,
    now: Option<&[Value]>,
    id: RowId,
    mut row: Row,
    snapshot: &Snapshot,
) -> Result<bool> {
    let cx = exec.cx();
    let was = pick(&row, &key.columns);
    loop {
        let mut kept = false;
        row.resize(writer.table.columns.len(), Value::Null);
        let outcome = match (action, now) {
            (ForeignKeyAction::Cascade, None) => writer.delete_row(id, row, snapshot, &cx)?,
            _ => {
                let mut new = row.clone();
                let target = exec.backend.write_target(&writer.table)?;
                let some = now.is_none() && !key.delete_columns.is_empty();
                for (at, column) in key.columns.iter().enumerate() {
                    if some && !key.delete_columns.contains(column) {
                        continue;
                    }
                    new[*column] = match (action, now) {
                        (ForeignKeyAction::Cascade, Some(now)) => {
                            let catalog = exec.backend.catalog()?;
                            let to = writer.table.columns[*column].ty;
                            let from = catalog.table(key.parent).map_or(to, |p| p.columns[key.parent_columns[at]].ty);
                            if from.oid == to.oid {
                                now[at].clone()
                            } else {
                                cast(now[at].clone(), from, to, CastContext::Assignment, &exec.run.style)?
                            }
                        }
                        (ForeignKeyAction::SetDefault, _) => match &target.defaults[*column] {
                            Some(expr) => cx.eval(expr, &[])?,
                            None => Value::Null,
                        },
                        _ => Value::Null,
                    };
                }
                kept = action == ForeignKeyAction::SetDefault && same_row(&pick(&new, &key.columns), &was);
                writer.update_row(id, row, new, snapshot, Some(&key.columns), &cx)?
            }
        };
        match outcome {
            Changed::Newer(newer) if same_row(&pick(&newer, &key.columns), &was) => row = newer,
            Changed::Newer(_) => return Ok(false),
            _ => return Ok(kept),
        }
    }
}

/// Runs deferred checks: all at commit, or those of the constraints given.
pub fn run_deferred(backend: &Backend, only: Option<&[Oid]>) -> Result<()> {
    loop {
        let mut deferred = backend.deferred.borrow_mut();
        if deferred.events.is_empty() {
            return Ok(());
        }
        let all = std::mem::take(&mut deferred.events);
        let (due, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(oid, _)| only.is_none_or(|only| only.contains(oid)));
        deferred.events = rest;
        drop(deferred);
        if due.is_empty() {
            return Ok(());
        }
        let snapshot = backend.begin_statement(true)?;
        let run = Run::with_snapshot(backend, super::planning::empty_plan(), Vec::new(), snapshot, 0);
        let exec = Exec { backend, run: &run };
        let mut live = Vec::with_capacity(due.len());
        let mut failed = None;
        for (_, event) in due {
            // A row that has gone or changed since is not to be checked for what it was.
            if let Event::Child { table, place, row, key } = &event {
                let now = match backend.with_txn(|txn| txn.newest(table.id, *row)) {
                    Ok(now) => now,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                let same = now.is_some_and(|now| {
                    foreign_key(table, *place).is_some_and(|(_, fk)| same_row(&pick(&now, &fk.columns), key))
                });
                if !same {
                    continue;
                }
            }
            live.push(event);
        }
        let result = match failed {
            Some(error) => Err(error),
            None => {
                run_round(&exec, live, &snapshot, &mut Checked::default()).and_then(|()| super::write::finish(&exec))
            }
        };
        backend.end_statement(snapshot);
        result?;
    }
}

/// SET CONSTRAINTS; `names` none = ALL. IMMEDIATE runs what waits.
pub fn set_constraints(backend: &Backend, names: Option<&[Oid]>, deferred: bool) -> Result<()> {
    {
        let mut state = backend.deferred.borrow_mut();
        match names {
            None => {
                state.all = Some(deferred);
                state.named.clear();
            }
            Some(names) => {
                for oid in names {
                    state.named.insert(*oid, deferred);
                }
            }
        }
    }
    if deferred { Ok(()) } else { run_deferred(backend, names) }
}

pub(super) fn schema_name(backend: &Backend, table: &TableDef) -> String {
    let catalog = backend.catalog().ok();
    catalog.and_then(|catalog| catalog.schema(table.schema).map(|schema| schema.name.clone())).unwrap_or_default()
}

fn columns_text(table: &TableDef, places: &[usize]) -> String {
    let names: Vec<&str> = places.iter().filter_map(|p| table.columns.get(*p)).map(|c| c.name.as_str()).collect();
    names.join(", ")
}

/// Values as they stand in a detail: `1, x, null`.
pub(super) fn values_text(
    values: &[Value],
    types: impl Iterator<Item = crate::types::DataType>,
    style: &TextStyle,
) -> String {
    let mut out = String::new();
    for (at, (value, ty)) in values.iter().zip(types).enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if value.is_null() {
            out.push_str("null");
        } else {
            to_text(value, ty, style, &mut out);
        }
    }
    out
}

fn child_violation(
    backend: &Backend,
    table: &TableDef,
    constraint: &Constraint,
    key: &ForeignKey,
    values: &[Value],
) -> SqlError {
    let parent = backend.catalog().ok().and_then(|c| c.table(key.parent).map(|p| p.name.clone())).unwrap_or_default();
    let style = backend.settings.borrow().style.clone();
    let types = key.columns.iter().map(|place| table.columns[*place].ty);
    SqlError::new(
        SqlState::FOREIGN_KEY_VIOLATION,
        format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", table.name, constraint.name),
    )
    .detail(format!(
        "Key ({})=({}) is not present in table \"{parent}\".",
        columns_text(table, &key.columns),
        values_text(values, types, &style)
    ))
    .table(schema_name(backend, table), &table.name)
    .constraint(&constraint.name)
}

fn parent_violation(
    backend: &Backend,
    parent: &TableDef,
    table: &TableDef,
    constraint: &Constraint,
    key: &ForeignKey,
    values: &[Value],
) -> SqlError {
    let style = backend.settings.borrow().style.clone();
    let types = key.parent_columns.iter().map(|place| parent.columns[*place].ty);
    SqlError::new(
        SqlState::FOREIGN_KEY_VIOLATION,
        format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            parent.name, constraint.name, table.name
        ),
    )
    .detail(format!(
        "Key ({})=({}) is still referenced from table \"{}\".",
        columns_text(parent, &key.parent_columns),
        values_text(values, types, &style),
        table.name
    ))
    .table(schema_name(backend, table), &table.name)
    .constraint(&constraint.name)
}

/// 23505 with the key that is there already.
pub(super) fn unique_violation(cx: &Cx<'_>, table: &TableDef, index: Oid, row: &[Value]) -> SqlError {
    let backend = cx.exec.backend;
    let Some(index) = table.indexes.iter().find(|one| one.oid == index) else {
        return SqlError::internal("a conflict names no index of its table");
    };
    let names: Vec<String> = index
        .keys
        .iter()
        .map(|key| match (key.column, &key.expr) {
            (Some(place), _) => table.columns[place].name.clone(),
            (None, Some(expr)) => expr.clone(),
            (None, None) => String::new(),
        })
        .collect();
    let mut values = Vec::with_capacity(index.keys.len());
    let mut known = true;
    let mut extracted = None;
    for (at, key) in index.keys.iter().enumerate() {
        match key.column {
            Some(place) => values.push(row.get(place).cloned().unwrap_or(Value::Null)),
            None => {
                if extracted.is_none() {
                    extracted = super::planning::index_key(backend, table, index, row);
                }
                match extracted.as_ref().and_then(|key| key.get(at).cloned()) {
                    Some(value) => values.push(value),
                    None => known = false,
                }
            }
        }
    }
    let error = SqlError::new(
        SqlState::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{}\"", index.name),
    )
    .table(schema_name(backend, table), &table.name)
    .constraint(&index.name);
    if !known {
        return error;
    }
    let text = values_text(&values, index.keys.iter().map(|key| key.ty), cx.eval.style);
    error.detail(format!("Key ({})=({text}) already exists.", names.join(", ")))
}

fn failing_row(cx: &Cx<'_>, table: &TableDef, row: &[Value]) -> String {
    let mut out = String::from("Failing row contains (");
    for (at, (place, column)) in table.live_columns().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        match row.get(place) {
            Some(value) if !value.is_null() => {
                let mut text = String::new();
                to_text(value, column.ty, cx.eval.style, &mut text);
                if text.len() > 64 {
                    let mut cut = 64;
                    while !text.is_char_boundary(cut) {
                        cut -= 1;
                    }
                    text.truncate(cut);
                    text.push_str("...");
                }
                out.push_str(&text);
            }
            _ => out.push_str("null"),
        }
    }
    out.push_str(").");
    out
}

/// 23502 with the failing row.
pub(super) fn null_violation(cx: &Cx<'_>, table: &TableDef, place: usize, row: &[Value]) -> SqlError {
    let column = &table.columns[place].name;
    SqlError::new(
        SqlState::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name),
    )
    .detail(failing_row(cx, table, row))
    .table(schema_name(cx.exec.backend, table), &table.name)
    .column(column)
}

/// 23514 with the failing row.
/// 44000 for a row that its view would not show.
pub(super) fn view_violation(cx: &Cx<'_>, table: &TableDef, view: &str, row: &[Value]) -> SqlError {
    let text = format!("new row violates check option for view \"{view}\"");
    SqlError::new(SqlState::WITH_CHECK_OPTION_VIOLATION, text).detail(failing_row(cx, table, row))
}

pub(super) fn check_violation(cx: &Cx<'_>, table: &TableDef, place: usize, row: &[Value]) -> SqlError {
    let name = table.constraints.get(place).map_or("", |constraint| constraint.name.as_str());
    SqlError::new(
        SqlState::CHECK_VIOLATION,
        format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name),
    )
    .detail(failing_row(cx, table, row))
    .table(schema_name(cx.exec.backend, table), &table.name)
    .constraint(name)
}
