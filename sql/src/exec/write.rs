//! INSERT, UPDATE, DELETE, MERGE: the one place where a `RowChange` is made and `Hooks` are called.
//!
//! A row's way (design.md section 4): defaults, generated columns, BEFORE triggers, not null, checks, the store (which
//! keeps unique indexes), foreign keys, AFTER triggers; folded trigger work at the statement's end. A table without
//! triggers, checks and foreign keys pays one branch for each. Locks and conflicts are the store's; what to do about a
//! row that changed meanwhile is decided here.

use std::sync::Arc;

use super::constraint::{self, Event};
use super::exclusion;
use super::filled::{Filled, set_all};
use super::hook::HookCx;
use super::{Cx, Exec, State};
use crate::catalog::{ConstraintKind, TableDef, TableId};
use crate::change::{Attached, RowChange, RowId, Verdict};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::{DeletePlan, InsertPlan, MergeAction, MergePlan, OnConflict, UpdatePlan, WriteTarget};
use crate::store::{InsertOutcome, LockMode, LockOutcome, Snapshot, WaitPolicy, WriteOutcome};
use crate::types::{Oid, Row, Value};

/// Tables that a statement writes, and what is due at its end.
pub struct Writer {
    /// Nesting of trigger writes: 0 for a client's statement.
    pub depth: u32,
    tables: Vec<TableWriter>,
    pub(super) events: Vec<Event>,
}

impl Writer {
    /// Nothing written yet.
    pub fn new(depth: u32) -> Writer {
        Writer { depth, tables: Vec::new(), events: Vec::new() }
    }
}

/// A table being written.
pub(super) struct TableWriter {
    pub(super) table: Arc<TableDef>,
    target: Arc<WriteTarget>,
    attached: Option<Box<dyn Attached>>,
    has_before: bool,
    has_after: bool,
    /// Its BEFORE triggers must see a row that nobody else can change any more.
    locks_before: bool,
    /// A BEFORE trigger has left out or refused the last row.
    judged: bool,
    /// Places of its foreign keys.
    foreign: Vec<usize>,
    /// Foreign keys refer to it.
    is_parent: bool,
    /// Its AMI indexes that turn an insert of a known key into an update: the PRIMARY one, and that of `I`.
    upsert: Vec<Oid>,
    /// What AMI fills by itself; none for other tables.
    filled: Option<Box<Filled>>,
}

/// What became of a row to insert.
pub(super) enum Inserted {
    /// Written.
    Done(RowId, Row),
    /// A trigger left it out.
    Skipped,
    /// Not written: an index has its key.
    Conflict { index: Oid, row: RowId, candidate: Row },
    /// Written, but an EXCLUDE constraint refuses it: the caller fails with the error or goes back behind the row.
    Excluded { index: Oid, error: SqlError, candidate: Row },
}

/// What became of a row to change or delete.
pub(super) enum Changed {
    /// Written; the final image (of a delete: the old one).
    Done(Row),
    /// A trigger left it out.
    Skipped,
    /// It is no longer as the caller saw it.
    Newer(Row),
    /// It is no longer there, or this statement has changed it already.
    Gone,
}

/// Gets the table ready, or the one used before in this statement.
pub(super) fn checkout(exec: &Exec<'_>, target: &Arc<WriteTarget>) -> Result<TableWriter> {
    let mut writer = exec.run.writer.borrow_mut();
    if let Some(place) = writer.tables.iter().position(|one| Arc::ptr_eq(&one.table, &target.table)) {
        return Ok(writer.tables.swap_remove(place));
    }
    drop(writer);
    let table = target.table.clone();
    let backend = exec.backend;
    if table.maintained_by != 0 && backend.writer.get().0 != table.maintained_by {
        return Err(maintained(exec, &table));
    }
    let catalog = backend.catalog()?;
    let attached = if catalog.triggers_of(table.id).is_empty() {
        None
    } else {
        let replica = backend.settings.borrow().get("session_replication_role").as_deref() == Some("replica");
        backend.shared.hooks.attached(&catalog, &table, replica)
    };
    let locks_before = attached.as_ref().is_some_and(|attached| attached.has_before() && !attached.repeats());
    if locks_before {
        // What its scripts do before a row is written is not done twice.
        backend.with_txn(|txn| {
            txn.step_aside(false);
            Ok(())
        })?;
    }
    let foreign = table.constraints.iter().enumerate();
    let foreign = foreign.filter(|(_, one)| matches!(one.kind, ConstraintKind::ForeignKey(_))).map(|(place, _)| place);
    Ok(TableWriter {
        has_before: attached.as_ref().is_some_and(|attached| attached.has_before()),
        has_after: attached.as_ref().is_some_and(|attached| attached.has_after()),
        locks_before,
        judged: false,
        attached,
        foreign: foreign.collect(),
        is_parent: !catalog.referencing(table.id).is_empty(),
        upsert: table.indexes.iter().filter(|index| index.upsert).map(|index| index.oid).collect(),
        filled: Filled::of(&table).map(Box::new),
        target: target.clone(),
        table,
    })
}

/// Keeps the table for the rest of the statement.
pub(super) fn checkin(exec: &Exec<'_>, table: TableWriter) {
    exec.run.writer.borrow_mut().tables.push(table);
}

/// 55000: only its trigger may write this table (AMI-90).
pub(super) fn maintained(exec: &Exec<'_>, table: &TableDef) -> SqlError {
    let catalog = exec.backend.catalog().ok();
    let trigger =
        catalog.and_then(|c| c.trigger(crate::catalog::TriggerId(table.maintained_by)).map(|t| t.name.clone()));
    SqlError::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "cannot modify table \"{}\": it is maintained by trigger \"{}\"",
            table.name,
            trigger.unwrap_or_default()
        ),
    )
}

/// What is due at the end of a statement.
pub(super) fn finish(exec: &Exec<'_>) -> Result<()> {
    if !exec.run.writer.borrow().events.is_empty() {
        constraint::run_events(exec)?;
    }
    let mut tables = std::mem::take(&mut exec.run.writer.borrow_mut().tables);
    for table in &mut tables {
        if let Some(mut attached) = table.attached.take() {
            let depth = exec.run.writer.borrow().depth;
            let mut ctx = HookCx::new(exec.backend, depth);
            attached.finish(&mut ctx)?;
        }
    }
    Ok(())
}

impl TableWriter {
    fn generate(&self, row: &mut Row, cx: &Cx<'_>) -> Result<()> {
        for (place, expr) in &self.target.generated {
            row[*place] = cx.eval(expr, row)?;
        }
        Ok(())
    }

    fn check(&self, row: &[Value], cx: &Cx<'_>) -> Result<()> {
        for (place, column) in self.table.columns.iter().enumerate() {
            if column.not_null && !column.dropped && row.get(place).is_none_or(Value::is_null) {
                return Err(constraint::null_violation(cx, &self.table, place, row));
            }
        }
        for value in &self.target.domains {
            cx.eval(value, row)?;
        }
        for (place, condition) in &self.target.checks {
            if cx.eval(condition, row)? == Value::Bool(false) {
                return Err(constraint::check_violation(cx, &self.table, *place, row));
            }
        }
        Ok(())
    }

    /// WITH CHECK OPTION of the views that a row was written through. Errors: 44000.
    fn check_views(&self, row: &[Value], cx: &Cx<'_>) -> Result<()> {
        for (view, condition) in &self.target.views {
            if cx.eval(condition, row)? != Value::Bool(true) {
                return Err(constraint::view_violation(cx, &self.table, view, row));
            }
        }
        Ok(())
    }

    fn before(&mut self, exec: &Exec<'_>, change: &RowChange, assigned: Option<&[usize]>) -> Result<Verdict> {
        let Some(mut attached) = self.attached.take() else { return Ok(Verdict::Keep) };
        let depth = exec.run.writer.borrow().depth;
        let mut ctx = HookCx::new(exec.backend, depth);
        let verdict = attached.before(&mut ctx, change, assigned);
        drop(ctx);
        self.attached = Some(attached);
        self.judged = matches!(verdict, Ok(Verdict::Skip) | Err(_));
        verdict
    }

    fn after(&mut self, exec: &Exec<'_>, id: RowId, change: &RowChange) -> Result<()> {
        let Some(mut attached) = self.attached.take() else { return Ok(()) };
        let depth = exec.run.writer.borrow().depth;
        let mut ctx = HookCx::new(exec.backend, depth);
        let result = attached.after(&mut ctx, id, change);
        drop(ctx);
        self.attached = Some(attached);
        result
    }

    fn queue_child(&self, exec: &Exec<'_>, id: RowId, old: Option<&Row>, new: &Row) -> Result<()> {
        for place in &self.foreign {
            constraint::queue_child(exec, &self.table, *place, id, old, new)?;
        }
        Ok(())
    }

    fn queue_parent(&self, exec: &Exec<'_>, old: &Row, new: Option<&Row>) {
        if self.is_parent {
            constraint::queue_parent(exec, &self.table, old, new);
        }
    }

    /// Writes a new row that has its defaults.
    pub(super) fn insert_row(&mut self, row: Row, assigned: Option<&[usize]>, cx: &Cx<'_>) -> Result<Inserted> {
        match self.before_insert(row, assigned, cx)? {
            Some(row) => self.store_row(row, cx),
            None => Ok(Inserted::Skipped),
        }
    }

    /// Generated columns and BEFORE triggers of a new row; none if a trigger leaves it out.
    fn before_insert(&mut self, mut row: Row, assigned: Option<&[usize]>, cx: &Cx<'_>) -> Result<Option<Row>> {
        let exec = cx.exec;
        self.generate(&mut row, cx)?;
        let own = match &self.filled {
            Some(filled) => filled.inserted(&self.table, &row, exec)?,
            None => Vec::new(),
        };
        set_all(&mut row, &own);
        if self.has_before {
            let change = RowChange::Insert { new: row };
            let verdict = self.before(exec, &change, assigned)?;
            let RowChange::Insert { new } = change else { return Err(SqlError::internal("change turned")) };
            match verdict {
                Verdict::Keep => row = new,
                Verdict::Replace(other) => {
                    row = other;
                    row.resize(self.table.columns.len(), Value::Null);
                    set_all(&mut row, &own);
                    self.generate(&mut row, cx)?;
                }
                Verdict::Skip => return Ok(None),
            }
        }
        Ok(Some(row))
    }

    /// Writes a new row that has passed its BEFORE triggers.
    fn store_row(&mut self, mut row: Row, cx: &Cx<'_>) -> Result<Inserted> {
        let exec = cx.exec;
        self.check(&row, cx)?;
        let id = match exec.backend.with_txn(|txn| txn.insert(&self.table, &row))? {
            InsertOutcome::Done(id) => id,
            InsertOutcome::Conflict { index, row: other } => {
                return Ok(Inserted::Conflict { index, row: other, candidate: row });
            }
        };
        if !self.target.exclusions.is_empty()
            && let Some((index, error)) = exclusion::check(&self.target, id, None, &row, cx)?
        {
            return Ok(Inserted::Excluded { index, error, candidate: row });
        }
        self.check_views(&row, cx)?;
        if !self.foreign.is_empty() {
            self.queue_child(exec, id, None, &row)?;
        }
        if self.has_after {
            let change = RowChange::Insert { new: row };
            self.after(exec, id, &change)?;
            let RowChange::Insert { new } = change else { return Err(SqlError::internal("change turned")) };
            row = new;
        }
        Ok(Inserted::Done(id, row))
    }

    /// Writes a new row; an AMI PRIMARY index turns it into an update of the row that has the key (AMI-53).
    pub(super) fn insert_or_upsert(
        &mut self,
        row: Row,
        assigned: Option<&[usize]>,
        cx: &Cx<'_>,
    ) -> Result<Option<(RowId, Row)>> {
        let exec = cx.exec;
        // It is an insert until its key is met: its BEFORE triggers run first, and once (AMI-117).
        let Some(mut row) = self.before_insert(row, assigned, cx)? else { return Ok(None) };
        loop {
            if let Some((index, id)) = self.find_key(&row, exec)? {
                match self.upsert_row(index, id, &row, assigned, cx)? {
                    Some(result) => return Ok(result),
                    None => continue,
                }
            }
            match self.store_row(row, cx)? {
                Inserted::Done(id, row) => return Ok(Some((id, row))),
                Inserted::Skipped => return Ok(None),
                Inserted::Excluded { error, .. } => return Err(error),
                Inserted::Conflict { index, row: other, candidate } => {
                    if !self.upsert.contains(&index) {
                        return Err(constraint::unique_violation(cx, &self.table, index, &candidate));
                    }
                    match self.upsert_row(index, other, &candidate, assigned, cx)? {
                        Some(result) => return Ok(result),
                        None => row = candidate,
                    }
                }
            }
        }
    }

    /// The row that has the key of a new one, by the first index that knows it.
    fn find_key(&self, row: &[Value], exec: &Exec<'_>) -> Result<Option<(Oid, RowId)>> {
        for index in &self.upsert {
            if let Some((id, _)) = exec.backend.with_txn(|txn| txn.find_conflict(&self.table, *index, row))? {
                return Ok(Some((*index, id)));
            }
        }
        Ok(None)
    }

    /// Updates the row that has the key; outer `None` if it went meanwhile.
    #[allow(clippy::type_complexity, clippy::option_option, reason = "gone, skipped or written")]
    fn upsert_row(
        &mut self,
        index: Oid,
        id: RowId,
        row: &Row,
        assigned: Option<&[usize]>,
        cx: &Cx<'_>,
    ) -> Result<Option<Option<(RowId, Row)>>> {
        let backend = cx.exec.backend;
        let snapshot = backend.begin_statement(true)?;
        let locked =
            backend.with_txn(|txn| txn.lock_row(self.table.id, id, LockMode::Update, WaitPolicy::Wait, &snapshot))?;
        let result = match locked {
            LockOutcome::Current(old) | LockOutcome::Newer(old) => {
                let keys = self.table.indexes.iter().find(|one| one.oid == index).map(|one| &one.keys);
                let in_index = |place: usize| keys.is_some_and(|keys| keys.iter().any(|key| key.column == Some(place)));
                let mut new = old.clone();
                new.resize(self.table.columns.len(), Value::Null);
                for (place, value) in row.iter().enumerate() {
                    let named = assigned.is_none_or(|assigned| assigned.contains(&place));
                    let own = self.table.reserved(place).is_some_and(|reserved| reserved.is_server_filled());
                    if named && !own && !in_index(place) {
                        new[place] = value.clone();
                    }
                }
                match self.update_row(id, old, new, &snapshot, assigned, cx)? {
                    Changed::Done(row) => Some(Some((id, row))),
                    Changed::Skipped => Some(None),
                    Changed::Newer(_) | Changed::Gone => None,
                }
            }
            _ => None,
        };
        backend.end_statement(snapshot);
        Ok(result)
    }

    /// Whether BEFORE triggers have just left out or refused a row that others can still change. Once it is locked, it is
    /// as they saw it, or has changed: then they must see it again.
    fn misjudged(&mut self, locked: &mut bool) -> bool {
        std::mem::take(&mut self.judged) && !std::mem::replace(locked, true)
    }

    /// What became of a row that is to be written; one that was misjudged is locked first.
    fn judged_again(
        &mut self,
        done: Result<Changed>,
        locked: &mut bool,
        id: RowId,
        snapshot: &Snapshot,
        cx: &Cx<'_>,
    ) -> Result<Changed> {
        if !self.misjudged(locked) {
            return done;
        }
        match self.lock(id, snapshot, cx)? {
            LockOutcome::Newer(now) => Ok(Changed::Newer(now)),
            LockOutcome::Gone => Ok(Changed::Gone),
            _ => done,
        }
    }

    /// Locks a row that BEFORE triggers are about to see: its newest version, or none if it is to be left out.
    pub(super) fn lock(&self, id: RowId, snapshot: &Snapshot, cx: &Cx<'_>) -> Result<LockOutcome> {
        cx.exec.backend.with_txn(|txn| txn.lock_row(self.table.id, id, LockMode::Update, WaitPolicy::Wait, snapshot))
    }

    /// Writes a changed row.
    pub(super) fn update_row(
        &mut self,
        id: RowId,
        mut old: Row,
        mut new: Row,
        snapshot: &Snapshot,
        assigned: Option<&[usize]>,
        cx: &Cx<'_>,
    ) -> Result<Changed> {
        let exec = cx.exec;
        if let Some(filled) = &self.filled {
            filled.expiry(&mut new, exec);
        }
        self.generate(&mut new, cx)?;
        if self.has_before {
            let change = RowChange::Update { old, new };
            let verdict = self.before(exec, &change, assigned)?;
            let RowChange::Update { old: was, new: kept } = change else {
                return Err(SqlError::internal("change turned"));
            };
            old = was;
            match verdict {
                Verdict::Keep => new = kept,
                Verdict::Replace(other) => {
                    new = other;
                    new.resize(self.table.columns.len(), Value::Null);
                    self.generate(&mut new, cx)?;
                }
                Verdict::Skip => return Ok(Changed::Skipped),
            }
        }
        if let Some(filled) = &self.filled {
            // A row counts as changed only if some stored value differs (AMI-59).
            if old == new {
                return Ok(Changed::Done(new));
            }
            filled.updated(&old, &mut new, exec);
        }
        self.check(&new, cx)?;
        match exec.backend.with_txn(|txn| txn.update(&self.table, id, &old, &new, snapshot))? {
            WriteOutcome::Done => {}
            WriteOutcome::Newer(now) => return Ok(Changed::Newer(now)),
            WriteOutcome::Gone | WriteOutcome::SelfModified => return Ok(Changed::Gone),
            WriteOutcome::Conflict { index, .. } => {
                return Err(constraint::unique_violation(cx, &self.table, index, &new));
            }
        }
        if !self.target.exclusions.is_empty()
            && let Some((_, error)) = exclusion::check(&self.target, id, Some(&old), &new, cx)?
        {
            return Err(error);
        }
        self.check_views(&new, cx)?;
        if !self.foreign.is_empty() {
            self.queue_child(exec, id, Some(&old), &new)?;
        }
        self.queue_parent(exec, &old, Some(&new));
        if self.has_after {
            let change = RowChange::Update { old, new };
            self.after(exec, id, &change)?;
            let RowChange::Update { new: kept, .. } = change else { return Err(SqlError::internal("change turned")) };
            new = kept;
        }
        Ok(Changed::Done(new))
    }

    /// Deletes a row.
    pub(super) fn delete_row(&mut self, id: RowId, mut old: Row, snapshot: &Snapshot, cx: &Cx<'_>) -> Result<Changed> {
        let exec = cx.exec;
        if self.has_before {
            let change = RowChange::Delete { old };
            let verdict = self.before(exec, &change, None)?;
            let RowChange::Delete { old: kept } = change else { return Err(SqlError::internal("change turned")) };
            old = kept;
            if verdict == Verdict::Skip {
                return Ok(Changed::Skipped);
            }
        }
        match exec.backend.with_txn(|txn| txn.delete(&self.table, id, &old, snapshot))? {
            WriteOutcome::Done => {}
            WriteOutcome::Newer(now) => return Ok(Changed::Newer(now)),
            WriteOutcome::Gone | WriteOutcome::SelfModified => return Ok(Changed::Gone),
            WriteOutcome::Conflict { .. } => return Err(SqlError::internal("a delete met a unique index")),
        }
        self.queue_parent(exec, &old, None);
        if self.has_after {
            let change = RowChange::Delete { old };
            self.after(exec, id, &change)?;
            let RowChange::Delete { old: kept } = change else { return Err(SqlError::internal("change turned")) };
            old = kept;
        }
        Ok(Changed::Done(old))
    }
}

pub(super) fn count(exec: &Exec<'_>) {
    exec.run.processed.set(exec.run.processed.get() + 1);
}

fn is_root(cx: &Cx<'_>, node: *const ()) -> bool {
    let root: *const () = match &cx.exec.run.plan.root {
        crate::plan::Node::Insert(plan) => std::ptr::from_ref(&**plan).cast(),
        crate::plan::Node::Update(plan) => std::ptr::from_ref(&**plan).cast(),
        crate::plan::Node::Delete(plan) => std::ptr::from_ref(&**plan).cast(),
        crate::plan::Node::Merge(plan) => std::ptr::from_ref(&**plan).cast(),
        crate::plan::Node::With { body, .. } => return is_root_in(body, node),
        _ => return false,
    };
    root == node
}

fn is_root_in(body: &crate::plan::Node, node: *const ()) -> bool {
    match body {
        crate::plan::Node::Insert(plan) => std::ptr::from_ref(&**plan).cast::<()>() == node,
        crate::plan::Node::Update(plan) => std::ptr::from_ref(&**plan).cast::<()>() == node,
        crate::plan::Node::Delete(plan) => std::ptr::from_ref(&**plan).cast::<()>() == node,
        crate::plan::Node::Merge(plan) => std::ptr::from_ref(&**plan).cast::<()>() == node,
        crate::plan::Node::With { body, .. } => is_root_in(body, node),
        _ => false,
    }
}

/// Runs an INSERT to its end: the rows of RETURNING.
pub(super) fn insert(input: &mut State, plan: &InsertPlan, cx: &Cx<'_>) -> Result<Vec<Row>> {
    if let Some(sync) = &plan.sync {
        return super::sync::run(input, plan, sync, cx);
    }
    let exec = cx.exec;
    let mut table = checkout(exec, &plan.target)?;
    let counted = is_root(cx, std::ptr::from_ref(plan).cast());
    let width = plan.target.table.columns.len();
    let whole = plan.columns.len() == width && plan.columns.iter().enumerate().all(|(i, place)| i == *place);
    let defaults: Vec<(usize, &crate::expr::Expr)> = plan
        .target
        .defaults
        .iter()
        .enumerate()
        .filter(|(place, _)| !plan.columns.contains(place))
        .filter_map(|(place, default)| default.as_ref().map(|expr| (place, expr)))
        .collect();
    let mut out = Vec::new();
    while let Some(source) = input.next(&plan.input, cx)? {
        exec.tick()?;
        let row = if whole {
            source
        } else {
            let mut row = vec![Value::Null; width];
            for (place, expr) in &defaults {
                row[*place] = cx.eval(expr, &[])?;
            }
            for (value, place) in source.into_iter().zip(&plan.columns) {
                row[*place] = value;
            }
            row
        };
        let done = match &plan.conflict {
            None => table.insert_or_upsert(row, Some(&plan.columns), cx)?,
            Some(conflict) => insert_on_conflict(&mut table, row, plan, conflict, cx)?,
        };
        if let Some((_, row)) = done {
            if counted {
                count(exec);
            }
            if !plan.returning.is_empty() {
                out.push(cx.eval_all(&plan.returning, &row)?);
            }
        }
    }
    checkin(exec, table);
    Ok(out)
}

fn insert_on_conflict(
    table: &mut TableWriter,
    mut row: Row,
    plan: &InsertPlan,
    conflict: &OnConflict,
    cx: &Cx<'_>,
) -> Result<Option<(RowId, Row)>> {
    let snapshot = &cx.exec.run.snapshot;
    // What is checked later decides nothing now.
    let later = |index: Oid| {
        let mut constraints = plan.target.exclusions.iter().filter(|exclusion| exclusion.index == index);
        constraints.any(|one| plan.target.table.constraints.get(one.place).is_some_and(|own| own.deferrable))
    };
    let arbiter = |index: Oid| {
        if conflict.arbiters.is_empty() { !later(index) } else { conflict.arbiters.contains(&index) }
    };
    if plan.target.exclusions.iter().any(|exclusion| arbiter(exclusion.index)) {
        return insert_unless_excluded(table, row, plan, &arbiter, cx);
    }
    loop {
        let (index, other, candidate) = match table.insert_row(row, Some(&plan.columns), cx)? {
            Inserted::Done(id, row) => return Ok(Some((id, row))),
            Inserted::Skipped => return Ok(None),
            Inserted::Excluded { error, .. } => return Err(error),
            Inserted::Conflict { index, row, candidate } => (index, row, candidate),
        };
        if !conflict.arbiters.is_empty() && !conflict.arbiters.contains(&index) {
            return Err(constraint::unique_violation(cx, &table.table, index, &candidate));
        }
        let Some((assignments, condition)) = &conflict.update else { return Ok(None) };
        let mut existing = match table.lock(other, snapshot, cx)? {
            LockOutcome::Current(existing) | LockOutcome::Newer(existing) => existing,
            LockOutcome::SelfModified => {
                return Err(SqlError::new(
                    SqlState::CARDINALITY_VIOLATION,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
            }
            LockOutcome::Gone | LockOutcome::Skipped => {
                row = candidate;
                continue;
            }
        };
        existing.resize(table.table.columns.len(), Value::Null);
        let assigned: Vec<usize> = assignments.iter().map(|(place, _)| *place).collect();
        loop {
            let mut both = existing.clone();
            both.extend_from_slice(&candidate);
            if let Some(condition) = condition {
                if !cx.test(condition, &both)? {
                    return Ok(None);
                }
            }
            let mut new = existing.clone();
            for (place, expr) in assignments {
                new[*place] = cx.eval(expr, &both)?;
            }
            match table.update_row(other, existing, new, snapshot, Some(&assigned), cx)? {
                Changed::Done(row) => return Ok(Some((other, row))),
                Changed::Skipped => return Ok(None),
                Changed::Newer(now) => existing = now,
                Changed::Gone => break,
            }
        }
        row = candidate;
    }
}

/// ON CONFLICT DO NOTHING with EXCLUDE constraints among its arbiters.
fn insert_unless_excluded(
    table: &mut TableWriter,
    row: Row,
    plan: &InsertPlan,
    arbiter: &dyn Fn(Oid) -> bool,
    cx: &Cx<'_>,
) -> Result<Option<(RowId, Row)>> {
    let backend = cx.exec.backend;
    let target = plan.target.clone();
    let Some(mut row) = table.before_insert(row, Some(&plan.columns), cx)? else { return Ok(None) };
    loop {
        for exclusion in target.exclusions.iter().filter(|exclusion| arbiter(exclusion.index)) {
            if exclusion::find(exclusion, target.table.id, None, &row, cx)?.is_some() {
                return Ok(None);
            }
        }
        let savepoint = backend.with_txn(|txn| Ok(txn.savepoint()))?;
        let outcome = table.store_row(row, cx)?;
        let undo = matches!(outcome, Inserted::Excluded { .. });
        backend.with_txn(|txn| {
            if undo {
                txn.rollback_to(savepoint)?;
            }
            txn.release(savepoint);
            Ok(())
        })?;
        match outcome {
            Inserted::Done(id, row) => return Ok(Some((id, row))),
            Inserted::Skipped => return Ok(None),
            Inserted::Conflict { index, .. } if arbiter(index) => return Ok(None),
            Inserted::Conflict { index, candidate, .. } => {
                return Err(constraint::unique_violation(cx, &table.table, index, &candidate));
            }
            // Somebody was quicker: the next look finds the row.
            Inserted::Excluded { index, candidate, .. } if arbiter(index) => row = candidate,
            Inserted::Excluded { error, .. } => return Err(error),
        }
    }
}

/// Splits an input row into the target's id and what expressions see; without further columns the row is the old image.
fn row_id(row: &Row, width: usize) -> Result<RowId> {
    match row.get(width) {
        Some(Value::Int8(id)) => Ok(RowId(id.cast_unsigned())),
        _ => Err(SqlError::internal("a row to write has no id")),
    }
}

/// Puts a newer version into the input row and checks the condition again.
fn replaced(row: &mut Row, offset: usize, now: Row, recheck: Option<&crate::expr::Expr>, cx: &Cx<'_>) -> Result<bool> {
    for (place, value) in now.into_iter().enumerate() {
        if let Some(slot) = row.get_mut(offset + place) {
            *slot = value;
        }
    }
    match recheck {
        Some(recheck) => cx.test(recheck, row),
        None => Ok(true),
    }
}

/// Runs an UPDATE to its end: the rows of RETURNING.
pub(super) fn update(input: &mut State, plan: &UpdatePlan, cx: &Cx<'_>) -> Result<Vec<Row>> {
    let exec = cx.exec;
    let mut table = checkout(exec, &plan.target)?;
    let counted = is_root(cx, std::ptr::from_ref(plan).cast());
    let width = plan.target.table.columns.len();
    let assigned: Vec<usize> = plan.assignments.iter().map(|(place, _)| *place).collect();
    let snapshot = &exec.run.snapshot;
    let mut out = Vec::new();
    'rows: while let Some(mut row) = input.next(&plan.input, cx)? {
        exec.tick()?;
        let id = row_id(&row, width)?;
        let mut locked = table.locks_before;
        if locked {
            match table.lock(id, snapshot, cx)? {
                LockOutcome::Current(_) => {}
                LockOutcome::Newer(now) => {
                    if !replaced(&mut row, 0, now, plan.recheck.as_ref(), cx)? {
                        continue;
                    }
                }
                _ => continue,
            }
        }
        let done = loop {
            let mut new = row[..width].to_vec();
            for (place, expr) in &plan.assignments {
                new[*place] = cx.eval(expr, &row)?;
            }
            let done = table.update_row(id, row[..width].to_vec(), new, snapshot, Some(&assigned), cx);
            match table.judged_again(done, &mut locked, id, snapshot, cx)? {
                Changed::Done(new) => break new,
                Changed::Skipped | Changed::Gone => continue 'rows,
                Changed::Newer(now) => {
                    if !replaced(&mut row, 0, now, plan.recheck.as_ref(), cx)? {
                        continue 'rows;
                    }
                }
            }
        };
        if counted {
            count(exec);
        }
        if !plan.returning.is_empty() {
            for (slot, value) in row.iter_mut().zip(done) {
                *slot = value;
            }
            out.push(cx.eval_all(&plan.returning, &row)?);
        }
    }
    checkin(exec, table);
    Ok(out)
}

/// Runs a DELETE to its end: the rows of RETURNING.
pub(super) fn delete(input: &mut State, plan: &DeletePlan, cx: &Cx<'_>) -> Result<Vec<Row>> {
    let exec = cx.exec;
    let mut table = checkout(exec, &plan.target)?;
    let counted = is_root(cx, std::ptr::from_ref(plan).cast());
    let width = plan.target.table.columns.len();
    let snapshot = &exec.run.snapshot;
    let mut out = Vec::new();
    'rows: while let Some(mut row) = input.next(&plan.input, cx)? {
        exec.tick()?;
        let id = row_id(&row, width)?;
        let mut locked = table.locks_before;
        if locked {
            match table.lock(id, snapshot, cx)? {
                LockOutcome::Current(_) => {}
                LockOutcome::Newer(now) => {
                    if !replaced(&mut row, 0, now, plan.recheck.as_ref(), cx)? {
                        continue;
                    }
                }
                _ => continue,
            }
        }
        loop {
            let done = table.delete_row(id, row[..width].to_vec(), snapshot, cx);
            match table.judged_again(done, &mut locked, id, snapshot, cx)? {
                Changed::Done(_) => break,
                Changed::Skipped | Changed::Gone => continue 'rows,
                Changed::Newer(now) => {
                    if !replaced(&mut row, 0, now, plan.recheck.as_ref(), cx)? {
                        continue 'rows;
                    }
                }
            }
        }
        if counted {
            count(exec);
        }
        if !plan.returning.is_empty() {
            out.push(cx.eval_all(&plan.returning, &row)?);
        }
    }
    checkin(exec, table);
    Ok(out)
}

/// Runs a MERGE to its end.
pub(super) fn merge(input: &mut State, plan: &MergePlan, cx: &Cx<'_>) -> Result<Vec<Row>> {
    let exec = cx.exec;
    let mut table = checkout(exec, &plan.target)?;
    let width = plan.target.table.columns.len();
    let snapshot = &exec.run.snapshot;
    let mut seen = std::collections::HashSet::new();
    let mut rows = Vec::new();
    while let Some(row) = input.next(&plan.input, cx)? {
        exec.tick()?;
        rows.push(row);
    }
    for mut row in rows {
        exec.tick()?;
        let id = match row.get(plan.target_offset + width) {
            Some(Value::Int8(id)) => Some(RowId(id.cast_unsigned())),
            _ => None,
        };
        'again: loop {
            let mut action = None;
            for clause in plan.clauses.iter().filter(|clause| clause.matched == id.is_some()) {
                let applies = match &clause.condition {
                    Some(condition) => cx.test(condition, &row)?,
                    None => true,
                };
                if applies {
                    action = Some(&clause.action);
                    break;
                }
            }
            let Some(action) = action else { break };
            if let (Some(id), false) = (id, matches!(action, MergeAction::Nothing)) {
                if !seen.insert(id) {
                    return Err(SqlError::new(
                        SqlState::CARDINALITY_VIOLATION,
                        "MERGE command cannot affect row a second time",
                    )
                    .hint("Ensure that not more than one source row matches any one target row."));
                }
            }
            let old = row[plan.target_offset..plan.target_offset + width].to_vec();
            let outcome = match (action, id) {
                (MergeAction::Update(assignments), Some(id)) => {
                    let assigned: Vec<usize> = assignments.iter().map(|(place, _)| *place).collect();
                    let mut new = old.clone();
                    for (place, expr) in assignments {
                        new[*place] = cx.eval(expr, &row)?;
                    }
                    table.update_row(id, old, new, snapshot, Some(&assigned), cx)?
                }
                (MergeAction::Delete, Some(id)) => table.delete_row(id, old, snapshot, cx)?,
                (MergeAction::Insert(cells), None) => {
                    let assigned: Vec<usize> = cells.iter().map(|(place, _)| *place).collect();
                    let mut new = vec![Value::Null; width];
                    for (place, default) in plan.target.defaults.iter().enumerate() {
                        if let (Some(expr), false) = (default, assigned.contains(&place)) {
                            new[place] = cx.eval(expr, &[])?;
                        }
                    }
                    for (place, expr) in cells {
                        new[*place] = cx.eval(expr, &row)?;
                    }
                    match table.insert_or_upsert(new, Some(&assigned), cx)? {
                        Some((_, row)) => Changed::Done(row),
                        None => Changed::Skipped,
                    }
                }
                _ => break,
            };
            match outcome {
                Changed::Done(_) => count(exec),
                Changed::Newer(now) => {
                    replaced(&mut row, plan.target_offset, now, None, cx)?;
                    if let Some(id) = id {
                        seen.remove(&id);
                    }
                    continue 'again;
                }
                Changed::Skipped | Changed::Gone => {}
            }
            break;
        }
    }
    checkin(exec, table);
    Ok(Vec::new())
}

/// The table with this id, ready to be written by a trigger or a foreign-key action.
pub(super) fn checkout_table(exec: &Exec<'_>, table: TableId) -> Result<TableWriter> {
    let catalog = exec.backend.catalog()?;
    let table = catalog.table(table).ok_or_else(|| {
        SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation with OID {} does not exist", table.0))
    })?;
    let target = exec.backend.write_target(table)?;
    checkout(exec, &target)
}

/// A statement that inserts rows from outside a plan: COPY, CREATE TABLE AS.
pub struct RowInserter {
    run: super::Run,
    table: TableId,
    count: u64,
    /// Place of the row being inserted in the rows of one call.
    at: usize,
}

impl RowInserter {
    /// Begins the statement.
    pub fn begin(backend: &super::Backend, table: TableId) -> Result<RowInserter> {
        let snapshot = backend.begin_statement(true)?;
        let run = super::Run::with_snapshot(backend, super::planning::empty_plan(), Vec::new(), snapshot, 0);
        Ok(RowInserter { run, table, count: 0, at: 0 })
    }

    /// Inserts rows: values of `columns`; the others take their defaults.
    pub fn insert(&mut self, backend: &super::Backend, columns: &[usize], rows: Vec<Row>) -> Result<()> {
        let exec = Exec { backend, run: &self.run };
        let cx = exec.cx();
        let mut writer = checkout_table(&exec, self.table)?;
        let width = writer.table.columns.len();
        let target = writer.target.clone();
        let assigned: Option<Vec<usize>> = Some(columns.to_vec());
        for (at, source) in rows.into_iter().enumerate() {
            self.at = at;
            exec.tick()?;
            let mut row = vec![Value::Null; width];
            for (place, default) in target.defaults.iter().enumerate() {
                if let (Some(expr), false) = (default, columns.contains(&place)) {
                    row[place] = cx.eval(expr, &[])?;
                }
            }
            for (value, place) in source.into_iter().zip(columns) {
                row[*place] = value;
            }
            if writer.insert_or_upsert(row, assigned.as_deref(), &cx)?.is_some() {
                self.count += 1;
            }
        }
        checkin(&exec, writer);
        Ok(())
    }

    /// Which row of the last `insert` failed.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// For which rows of `columns` a condition over the whole table row is true.
    pub fn wanted(
        &self,
        backend: &super::Backend,
        condition: &crate::expr::Expr,
        columns: &[usize],
        width: usize,
        rows: &[Row],
    ) -> Result<Vec<bool>> {
        let exec = Exec { backend, run: &self.run };
        let cx = exec.cx();
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            let mut whole = vec![Value::Null; width];
            for (value, place) in row.iter().zip(columns) {
                whole[*place] = value.clone();
            }
            kept.push(cx.test(condition, &whole)?);
        }
        Ok(kept)
    }

    /// Ends the statement: gives the number of rows.
    pub fn finish(self, backend: &super::Backend) -> Result<u64> {
        let exec = Exec { backend, run: &self.run };
        let result = finish(&exec);
        backend.end_statement(self.run.snapshot);
        result.map(|()| self.count)
    }
}

/// Inserts whole rows into a table.
pub fn insert_rows(backend: &super::Backend, table: TableId, rows: Vec<Row>) -> Result<u64> {
    let width = rows.first().map_or(0, Vec::len);
    let columns: Vec<usize> = (0..width).collect();
    let mut inserter = RowInserter::begin(backend, table)?;
    inserter.insert(backend, &columns, rows)?;
    inserter.finish(backend)
}
