//! `HookCx`: what a running trigger may do, inside the transaction that fired it.
//!
//! Its writes go through `write` like a client's, one level deeper. Each is a statement of its own: whole or not at all,
//! and with its own triggers finished when it returns.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{CommitWork, Scratch};
use super::write::{Changed, checkin, checkout_table};
use super::{Backend, Exec, Run};
use crate::catalog::{
    Catalog, CatalogChange, Column, Entry, IndexDef, IndexKey, IndexMethod, Persistence, Privilege, TableDef, TableId,
    TriggerDef, TriggerId,
};
use crate::change::{HookContext, Mark, Position, Prepared, Put, QueryResult, RowId};
use crate::env::Pace;
use crate::error::{Result, SqlError, SqlState};
use crate::store::{
    IndexCursor, IndexRange, InsertOutcome, LockMode, LockOutcome, Savepoint, ScanCursor, Snapshot, WaitPolicy,
    WriteOutcome,
};
use crate::types::{DataType, Oid, Row, Value, equal};

/// The door lent to a trigger.
pub struct HookCx<'a> {
    backend: &'a Backend,
    depth: u32,
    scratch: Option<Scratch>,
    watch: super::Watch,
}

impl Drop for HookCx<'_> {
    fn drop(&mut self) {
        self.stash();
    }
}

/// A statement kept by its text; its plan is in the session's cache.
#[derive(Debug)]
struct TextStatement {
    /// The dialect that reads it first.
    dialect: Option<&'static str>,
    text: String,
    types: Vec<Oid>,
}

impl Prepared for TextStatement {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<'a> HookCx<'a> {
    /// A door at this depth.
    pub fn new(backend: &'a Backend, depth: u32) -> HookCx<'a> {
        HookCx { backend, depth, scratch: None, watch: super::Watch::default() }
    }

    /// Gives the kept values back before somebody else may want them.
    fn stash(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            *self.backend.scratch.borrow_mut() = scratch;
        }
    }

    /// Runs `work` one level deeper. Errors: 54001 beyond the limit, with the path of triggers.
    fn deeper<T>(&mut self, work: impl FnOnce(&'a Backend, u32) -> Result<T>) -> Result<T> {
        self.stash();
        let backend = self.backend;
        let depth = self.depth + 1;
        if depth > backend.shared.trigger_depth_max {
            return Err(self.too_deep());
        }
        let writer = backend.writer.get();
        backend.path.borrow_mut().push(writer);
        let kept = backend.pending.borrow().work.len();
        let result = work(backend, depth);
        backend.path.borrow_mut().pop();
        if result.is_err() {
            // What did not happen leaves nothing to do.
            backend.pending.borrow_mut().work.truncate(kept);
        }
        // Whatever ran inside may have named itself; a trigger goes on under its own name.
        if backend.writer.get() != writer {
            self.set_writer(writer);
        }
        result
    }

    fn too_deep(&self) -> SqlError {
        let catalog = self.backend.catalog().ok();
        let mut path: Vec<TriggerId> = self.backend.path.borrow().clone();
        path.push(self.backend.writer.get());
        let names: Vec<String> = path
            .iter()
            .map(|id| match catalog.as_ref().and_then(|catalog| catalog.trigger(*id)) {
                Some(def) => format!("\"{}\"", def.name),
                None => "client".to_owned(),
            })
            .collect();
        SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
            .detail(format!(
                "Triggers nest deeper than {} levels: {}.",
                self.backend.shared.trigger_depth_max,
                names.join(" → ")
            ))
            .hint("Raise trigger_depth_max, or look for triggers that fire each other.")
    }

    fn with_snapshot<T>(&mut self, work: impl FnOnce(&Backend, &Snapshot) -> Result<T>) -> Result<T> {
        let snapshot = self.backend.begin_statement(true)?;
        let result = work(self.backend, &snapshot);
        self.backend.end_statement(snapshot);
        result
    }

    /// The first row that a range means.
    fn first_in(&mut self, table: TableId, index: Oid, range: &IndexRange) -> Result<Option<(RowId, Row)>> {
        self.with_snapshot(|backend, snapshot| {
            let (mut found, mut cursor) = (Vec::new(), IndexCursor::for_one());
            while found.is_empty()
                && backend.with_txn(|txn| txn.index_batch(table, index, range, snapshot, &mut cursor, &mut found))?
            {
            }
            Ok(found.into_iter().next())
        })
    }

    /// Changes of a trigger's own hidden table, which has no triggers, checks or defaults: straight to the store.
    fn write_state(&mut self, table: &Arc<TableDef>, changes: Vec<Put>) -> Result<Vec<Option<RowId>>> {
        self.stash();
        let mut ids = Vec::with_capacity(changes.len());
        self.with_snapshot(|backend, snapshot| {
            for change in changes {
                let (id, outcome) = match change {
                    Put::Insert(row) => match backend.with_txn(|txn| txn.insert(table, &row))? {
                        InsertOutcome::Done(id) => (id, WriteOutcome::Done),
                        InsertOutcome::Conflict { .. } => return Err(state_exists(table)),
                    },
                    Put::Update(id, old, new) => {
                        (id, backend.with_txn(|txn| txn.update(table, id, &old, &new, snapshot))?)
                    }
                    Put::Delete(id, old) => (id, backend.with_txn(|txn| txn.delete(table, id, &old, snapshot))?),
                };
                match outcome {
                    WriteOutcome::Done => ids.push(Some(id)),
                    WriteOutcome::Newer(_) => return Err(changed_meanwhile()),
                    WriteOutcome::Gone | WriteOutcome::SelfModified => ids.push(None),
                    WriteOutcome::Conflict { .. } => return Err(state_exists(table)),
                }
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// The table's definition if it is a hidden one.
    fn hidden(&self, table: TableId) -> Option<Arc<TableDef>> {
        let txn = self.backend.txn.borrow();
        txn.as_ref()?.catalog().table(table).filter(|def| def.hidden).cloned()
    }

    /// One statement through the door.
    fn through_door<T>(
        &mut self,
        table: TableId,
        work: impl FnOnce(&Exec<'_>, &mut super::write::TableWriter, &Snapshot) -> Result<T>,
    ) -> Result<T> {
        self.deeper(|backend, depth| {
            let snapshot = backend.begin_statement(true)?;
            let run = Run::with_snapshot(backend, super::planning::empty_plan(), Vec::new(), snapshot, depth);
            let exec = Exec { backend, run: &run };
            let result = checkout_table(&exec, table).and_then(|mut writer| {
                let done = work(&exec, &mut writer, &snapshot)?;
                checkin(&exec, writer);
                super::write::finish(&exec)?;
                Ok(done)
            });
            backend.end_statement(snapshot);
            result
        })
    }
}

impl HookContext for HookCx<'_> {
    fn catalog(&self) -> Arc<Catalog> {
        self.backend.catalog().unwrap_or_default()
    }

    fn depth(&self) -> u32 {
        self.depth
    }

    fn depth_max(&self) -> u32 {
        self.backend.shared.trigger_depth_max
    }

    fn act_as(&mut self, role: Oid) -> Oid {
        let backend = self.backend;
        let before = backend.current_user.get();
        if before != role {
            let lent_by = backend.lent_by.get().unwrap_or(before);
            backend.lent_by.set((lent_by != role).then_some(lent_by));
            let known = backend.catalogs().shared.role(role).is_some_and(|role| role.superuser);
            backend.current_user.set(role);
            backend.superuser.set(known || (backend.internal && role == crate::catalog::BOOTSTRAP_ROLE));
        }
        before
    }

    fn query_in(&mut self, dialect: &'static str, sql: &str, types: &[Oid], params: &[Value]) -> Result<QueryResult> {
        self.deeper(|backend, depth| {
            backend.in_public(|| super::statement::run_text_in(backend, dialect, sql, (types, params), depth))
        })
    }

    fn prepare_in(&mut self, dialect: &'static str, sql: &str, param_types: &[Oid]) -> Result<Arc<dyn Prepared>> {
        self.stash();
        let backend = self.backend;
        backend.in_public(|| super::statement::prepare_text_in(backend, Some(dialect), sql, param_types))?;
        Ok(Arc::new(TextStatement { dialect: Some(dialect), text: sql.to_owned(), types: param_types.to_vec() }))
    }

    fn temp_schema(&self) -> Option<Oid> {
        self.backend.temp_schema.get()
    }

    fn check_insert(&self, table: TableId) -> Result<()> {
        super::privilege::require(self.backend, table.0, Privilege::Insert)
    }

    fn on_commit(&mut self, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        self.backend.pending.borrow_mut().work.push(CommitWork(work));
        Ok(())
    }

    fn block(&self, work: &mut dyn FnMut()) {
        self.backend.shared.env.blocker.block(work);
    }

    fn elapsed(&self) -> Duration {
        self.backend.shared.env.clock.elapsed()
    }

    fn set_writer(&mut self, trigger: TriggerId) -> TriggerId {
        self.backend.writer.set(trigger);
        match self.backend.txn.borrow_mut().as_mut() {
            Some(txn) => txn.set_writer(trigger),
            None => TriggerId::CLIENT,
        }
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<QueryResult> {
        self.deeper(|backend, depth| super::statement::run_text(backend, sql, &[], params, depth))
    }

    fn prepare(&mut self, sql: &str, param_types: &[Oid]) -> Result<Arc<dyn Prepared>> {
        self.stash();
        super::statement::prepare_text(self.backend, sql, param_types)?;
        Ok(Arc::new(TextStatement { dialect: None, text: sql.to_owned(), types: param_types.to_vec() }))
    }

    fn run(&mut self, statement: &dyn Prepared, params: &[Value]) -> Result<QueryResult> {
        let Some(statement) = statement.as_any().downcast_ref::<TextStatement>() else {
            return Err(SqlError::internal("a statement that was not prepared here"));
        };
        let TextStatement { dialect, text, types } = statement;
        self.deeper(|backend, depth| match dialect {
            None => super::statement::run_text(backend, text, types, params, depth),
            Some(_) => super::statement::run_planned(backend, *dialect, text, types, params, depth),
        })
    }

    fn scan(&mut self, table: TableId, visit: &mut dyn FnMut(RowId, &Row) -> Result<bool>) -> Result<()> {
        self.stash();
        self.with_snapshot(|backend, snapshot| {
            let mut cursor = ScanCursor::default();
            let (mut pace, mut rows) = (Pace::new(&backend.shared.env), 0);
            loop {
                backend.check_cancel()?;
                let mut batch = Vec::new();
                let more = backend.with_txn(|txn| txn.scan_batch(table, snapshot, &mut cursor, &mut batch))?;
                rows += batch.len();
                if pace.due() {
                    let total = backend.shared.store.row_estimate(table);
                    tracing::info!(table = table.0, rows, total, "a trigger reads a table");
                }
                for (id, row) in batch {
                    if !visit(id, &row)? {
                        return Ok(());
                    }
                }
                if !more {
                    return Ok(());
                }
            }
        })
    }

    fn lookup(&mut self, table: TableId, index: Oid, key: &[Value], lock: bool) -> Result<Vec<(RowId, Row)>> {
        let backend = self.backend;
        if lock {
            let found = self.with_snapshot(|backend, snapshot| {
                backend.with_txn(|txn| txn.index_lock(table, index, key, snapshot))
            })?;
            if let Some(found) = found {
                return Ok(vec![found]);
            }
        }
        // Only a row that changed while it was waited for is compared with the key.
        let fits = |row: &Row| {
            let catalog = backend.catalog().unwrap_or_default();
            let Some((_, def)) = catalog.index(index) else { return true };
            def.keys.iter().zip(key).all(|(part, value)| match part.column {
                Some(place) => row.get(place).is_some_and(|now| equal(now, value) && now.is_null() == value.is_null()),
                None => true,
            })
        };
        // A row that left the key while we waited for it may have been replaced by another: look once more.
        for attempt in 0..3 {
            let (out, again) = self.with_snapshot(|backend, snapshot| {
                let found = backend.with_txn(|txn| txn.index_lookup(table, index, key, snapshot))?;
                if !lock {
                    return Ok((found, false));
                }
                let mut out = Vec::with_capacity(found.len());
                let mut again = false;
                for (id, _) in found {
                    let outcome = backend
                        .with_txn(|txn| txn.lock_row(table, id, LockMode::Update, WaitPolicy::Wait, snapshot))?;
                    match outcome {
                        LockOutcome::Current(row) => out.push((id, row)),
                        LockOutcome::Newer(row) if fits(&row) => out.push((id, row)),
                        LockOutcome::Newer(_) | LockOutcome::Gone => again = true,
                        LockOutcome::SelfModified => {
                            if let Some(row) = backend.with_txn(|txn| txn.newest(table, id))? {
                                out.push((id, row));
                            }
                        }
                        LockOutcome::Skipped => {}
                    }
                }
                Ok((out, again))
            })?;
            if !again || attempt == 2 {
                return Ok(out);
            }
        }
        Ok(Vec::new())
    }

    fn lookup_edge(&mut self, table: TableId, index: Oid, key: &[Value], last: bool) -> Result<Option<(RowId, Row)>> {
        self.first_in(table, index, &IndexRange { prefix: key.to_vec(), reverse: last, ..IndexRange::default() })
    }

    fn lookup_upto(&mut self, table: TableId, index: Oid, key: &[Value], upto: &Value) -> Result<Option<(RowId, Row)>> {
        let upper = Some((upto.clone(), true));
        self.first_in(table, index, &IndexRange { prefix: key.to_vec(), upper, reverse: true, ..IndexRange::default() })
    }

    fn fetch(&mut self, table: TableId, row: RowId, lock: bool) -> Result<Option<Row>> {
        if lock {
            let outcome = self.with_snapshot(|backend, snapshot| {
                backend.with_txn(|txn| txn.lock_row(table, row, LockMode::Update, WaitPolicy::Wait, snapshot))
            })?;
            match outcome {
                LockOutcome::Current(row) | LockOutcome::Newer(row) => return Ok(Some(row)),
                LockOutcome::Gone | LockOutcome::Skipped => return Ok(None),
                LockOutcome::SelfModified => {}
            }
        }
        self.backend.with_txn(|txn| txn.newest(table, row))
    }

    fn changed_at(&mut self, table: TableId, row: RowId) -> Result<(u64, u32)> {
        self.backend.with_txn(|txn| txn.changed_at(table, row))
    }

    fn insert(&mut self, table: TableId, row: Row) -> Result<Option<RowId>> {
        Ok(self.write(table, vec![Put::Insert(row)])?.into_iter().next().flatten())
    }

    fn update(&mut self, table: TableId, row: RowId, old: &Row, new: Row) -> Result<bool> {
        Ok(self.write(table, vec![Put::Update(row, old.clone(), new)])?.into_iter().next().flatten().is_some())
    }

    fn delete(&mut self, table: TableId, row: RowId, old: &Row) -> Result<bool> {
        Ok(self.write(table, vec![Put::Delete(row, old.clone())])?.into_iter().next().flatten().is_some())
    }

    fn write(&mut self, table: TableId, changes: Vec<Put>) -> Result<Vec<Option<RowId>>> {
        if let Some(hidden) = self.hidden(table) {
            return self.write_state(&hidden, changes);
        }
        self.through_door(table, |exec, writer, snapshot| {
            let width = writer.table.columns.len();
            let mut ids = Vec::with_capacity(changes.len());
            for change in changes {
                exec.tick()?;
                let (id, changed) = match change {
                    Put::Insert(mut row) => {
                        row.resize(width, Value::Null);
                        ids.push(writer.insert_or_upsert(row, None, &exec.cx())?.map(|(id, _)| id));
                        continue;
                    }
                    Put::Update(id, old, mut new) => {
                        new.resize(width, Value::Null);
                        (id, writer.update_row(id, old, new, snapshot, None, &exec.cx())?)
                    }
                    Put::Delete(id, old) => (id, writer.delete_row(id, old, snapshot, &exec.cx())?),
                };
                match changed {
                    Changed::Done(_) => ids.push(Some(id)),
                    Changed::Skipped | Changed::Gone => ids.push(None),
                    Changed::Newer(_) => return Err(changed_meanwhile()),
                }
            }
            Ok(ids)
        })
    }

    fn move_cursor(&mut self, subscriber: TriggerId, to: Option<Position>) {
        if let Some(txn) = self.backend.txn.borrow_mut().as_mut() {
            txn.move_cursor(subscriber, to);
        }
    }

    fn advance_cursor(&mut self, subscriber: TriggerId, from: Position, to: Position) {
        if let Some(txn) = self.backend.txn.borrow_mut().as_mut() {
            txn.advance_cursor(subscriber, from, to);
        }
    }

    fn create_state_table(
        &mut self,
        owner: TriggerId,
        name: &str,
        columns: &[(String, DataType)],
        key_columns: usize,
        unique: bool,
    ) -> Result<Arc<TableDef>> {
        self.stash();
        let backend = self.backend;
        let store = &backend.shared.store;
        let oid = store.allocate_oid();
        let keys: Vec<IndexKey> =
            columns.iter().take(key_columns).enumerate().map(|(at, (_, ty))| plain_key(at, *ty)).collect();
        let mut indexes = Vec::new();
        if !keys.is_empty() {
            let index = store.allocate_oid();
            indexes.push(hidden_index(index, format!("{name}_key_{index}"), keys, unique));
        }
        let columns = columns.iter().map(|(name, ty)| plain_column(name, *ty)).collect();
        let def = Arc::new(TableDef {
            id: TableId(oid),
            schema: crate::catalog::TRIPLINE,
            name: format!("{name}_{oid}"),
            owner: crate::catalog::BOOTSTRAP_ROLE,
            row_type: store.allocate_oid(),
            array_type: 0,
            columns,
            constraints: Vec::new(),
            indexes,
            persistence: Persistence::Permanent,
            schema_version: 1,
            dialect: "internal".to_owned(),
            options: Vec::new(),
            maintained_by: 0,
            hidden: true,
            display: Vec::new(),
            acl: Vec::new(),
            comment: None,
            shape: crate::catalog::TableShape::default(),
        });
        put(backend, Entry::Table(def.clone()))?;
        self.own(owner, oid)?;
        Ok(def)
    }

    fn ensure_index(&mut self, owner: TriggerId, table: TableId, columns: &[usize]) -> Result<Oid> {
        self.stash();
        let catalog = self.catalog();
        let def = catalog.table(table).ok_or_else(|| SqlError::internal("index for a table that is not there"))?;
        let fits = |index: &&IndexDef| {
            index.predicate.is_none()
                && index.method == IndexMethod::Btree
                && index.keys.len() >= columns.len()
                && index.keys.iter().zip(columns).all(|(key, column)| key.column == Some(*column))
        };
        if let Some(index) = def.indexes.iter().find(fits) {
            return Ok(index.oid);
        }
        let oid = self.backend.shared.store.allocate_oid();
        let keys = columns.iter().map(|place| plain_key(*place, def.columns[*place].ty)).collect();
        let mut changed = TableDef::clone(def);
        changed.indexes.push(hidden_index(oid, format!("{}_{oid}_trigger", def.name), keys, false));
        put(self.backend, Entry::Table(Arc::new(changed)))?;
        self.own(owner, oid)?;
        Ok(oid)
    }

    fn update_trigger(&mut self, mut def: TriggerDef) -> Result<()> {
        self.stash();
        if let Some(now) = self.catalog().trigger(def.id) {
            for oid in &now.internal {
                if !def.internal.contains(oid) {
                    def.internal.push(*oid);
                }
            }
        }
        put(self.backend, Entry::Trigger(Arc::new(def)))
    }

    fn set_maintained_by(&mut self, table: TableId, trigger: TriggerId) -> Result<()> {
        self.stash();
        let catalog = self.catalog();
        let Some(def) = catalog.table(table) else { return Ok(()) };
        let mut changed = TableDef::clone(def);
        changed.maintained_by = trigger.0;
        put(self.backend, Entry::Table(Arc::new(changed)))
    }

    fn notice(&mut self, notice: SqlError) {
        self.backend.notice(notice);
    }

    fn check_cancel(&self) -> Result<()> {
        self.watch.look(self.backend)
    }

    fn mark(&mut self) -> Result<Mark> {
        self.stash();
        let work = self.backend.pending.borrow().work.len();
        let deferred = self.backend.deferred.borrow().mark();
        let Savepoint(savepoint) = self.backend.with_txn(|txn| Ok(txn.savepoint()))?;
        Ok(Mark { savepoint, work, deferred })
    }

    fn undo(&mut self, mark: Mark) -> Result<()> {
        self.stash();
        self.backend.with_txn(|txn| txn.rollback_to(Savepoint(mark.savepoint)))?;
        self.backend.pending.borrow_mut().work.truncate(mark.work);
        self.backend.deferred.borrow_mut().rollback_to(mark.deferred);
        Ok(())
    }

    fn keep(&mut self, mark: Mark) -> Result<()> {
        self.backend.with_txn(|txn| {
            txn.release(Savepoint(mark.savepoint));
            Ok(())
        })
    }

    fn scratch(&mut self, key: u64) -> &mut Option<Box<dyn Any + Send>> {
        let backend = self.backend;
        let scratch = self.scratch.get_or_insert_with(|| std::mem::take(&mut *backend.scratch.borrow_mut()));
        scratch.entry(key).or_default()
    }

    fn now(&self) -> i64 {
        self.backend.transaction_time.get().saturating_add(super::EPOCH_MICROS)
    }

    fn clock(&self) -> i64 {
        self.backend.shared.env.clock.now()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.backend.settings.borrow().get(name).map(|value| value.to_string())
    }
}

impl HookCx<'_> {
    /// Notes an internal object that goes with its trigger.
    fn own(&mut self, owner: TriggerId, oid: Oid) -> Result<()> {
        let catalog = self.catalog();
        let Some(def) = catalog.trigger(owner) else { return Ok(()) };
        let mut changed = TriggerDef::clone(def);
        changed.internal.push(oid);
        put(self.backend, Entry::Trigger(Arc::new(changed)))
    }
}

fn changed_meanwhile() -> SqlError {
    SqlError::new(SqlState::SERIALIZATION_FAILURE, "could not serialize access due to concurrent update")
}

/// Another writer made the same state row first.
fn state_exists(table: &TableDef) -> SqlError {
    SqlError::new(SqlState::UNIQUE_VIOLATION, format!("a row of \"{}\" exists already", table.name))
}

fn put(backend: &Backend, entry: Entry) -> Result<()> {
    backend.pending.borrow_mut().catalog = true;
    let database = backend.database;
    backend.with_txn(|txn| txn.change_catalog(CatalogChange::Put { database, entry }))
}

/// A column with nothing but name and type.
pub(super) fn plain_column(name: &str, ty: DataType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        sequence: None,
        missing: None,
        collation: None,
        dropped: false,
        comment: None,
        domain: 0,
        acl: Vec::new(),
    }
}

/// An ascending key over a column.
pub(super) fn plain_key(place: usize, ty: DataType) -> IndexKey {
    IndexKey {
        column: Some(place),
        expr: None,
        ty,
        descending: false,
        nulls_first: false,
        operator_class: None,
        collation: None,
    }
}

fn hidden_index(oid: Oid, name: String, keys: Vec<IndexKey>, unique: bool) -> IndexDef {
    IndexDef {
        oid,
        name,
        method: IndexMethod::Btree,
        keys,
        include: Vec::new(),
        unique,
        deferrable: false,
        nulls_not_distinct: unique,
        primary: false,
        predicate: None,
        constraint: 0,
        upsert: false,
        options: vec![("hidden".to_owned(), "true".to_owned())],
        comment: None,
    }
}
