//! The door for triggers: `Hooks` is called by the engine and implemented above it.
//!
//! For a statement that writes a table, `Hooks::attached` is asked once. A table without triggers answers none and
//! pays nothing more. Otherwise the statement holds an `Attached` for its length: `before` and `after` around each row,
//! `finish` at its end, where folded work (deltas per group or key) is written. All of it runs inside the transaction.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::procedure::{ProcedureCall, ProcedureShape, RunningProcedure};
use super::{CommitNo, Position, RowChange, RowId};
use crate::catalog::{Catalog, TableDef, TableId, TriggerDef, TriggerId};
use crate::error::{Result, SqlError};
use crate::types::{DataType, Oid, Row, Value};

/// A BEFORE trigger's answer. To refuse the statement is `Err`.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Go on with the row as it is.
    Keep,
    /// Go on with this new image instead.
    Replace(Row),
    /// Leave the row alone; the statement goes on and does not count it.
    Skip,
}

/// What is counted of a trigger, in memory and outside of transactions: a rollback does not undo it.
#[derive(Clone, Debug, Default)]
pub struct TriggerStatistics {
    /// Calls.
    pub executed: u64,
    /// Time spent in them, what they caused included.
    pub spent: Duration,
    /// Failed calls.
    pub errors: u64,
    /// Calls that answered `return false`.
    pub returned_false: u64,
    /// The last error.
    pub last_error: Option<TriggerError>,
}

/// A trigger's error as it is kept.
#[derive(Clone, Debug)]
pub struct TriggerError {
    /// Microseconds since 1970.
    pub at: i64,
    /// Event or script option.
    pub event: String,
    /// The error.
    pub error: SqlError,
}

/// Rows of a query that a trigger ran.
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    /// Column names and types; empty for a statement without rows.
    pub columns: Vec<(String, DataType)>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Rows changed (or returned).
    pub count: u64,
    /// The command tag: `INSERT 0 1`.
    pub tag: String,
}

/// A call of a function of SQL whose code is a script: a scalar one has one row, an aggregate those of a group.
#[derive(Clone, Copy, Debug)]
pub struct FunctionCall<'a> {
    /// Its name.
    pub name: &'a str,
    /// Values of the arguments.
    pub rows: &'a [&'a [Value]],
    /// Their types.
    pub types: &'a [DataType],
    /// Type of the result; UNKNOWN asks for its text.
    pub result: DataType,
}

/// A statement prepared inside the engine for repeated use by triggers; made again by itself when the catalog changed.
pub trait Prepared: Send + Sync + std::fmt::Debug {
    /// For the engine to get its own back.
    fn as_any(&self) -> &dyn Any;
}

/// A place in a transaction that a trigger may come back to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// The store's savepoint.
    pub(crate) savepoint: u32,
    /// Pieces of work that wait for the commit.
    pub(crate) work: usize,
    /// Checks that wait for it.
    pub(crate) deferred: usize,
}

/// One change that a trigger makes; see `HookContext::write`.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// Insert a whole row.
    Insert(Row),
    /// Replace a row: its id, its current version, the new one.
    Update(RowId, Row, Row),
    /// Delete a row: its id, its current version.
    Delete(RowId, Row),
}

/// What a trigger may do, always inside the transaction that fired it.
///
/// Writes go through the one door in `exec/write.rs` with depth + 1: they fire triggers of the tables they touch, and
/// the log names the current writer (`set_writer`).
pub trait HookContext {
    /// The catalog as the transaction sees it.
    fn catalog(&self) -> Arc<Catalog>;
    /// Nesting of trigger writes: 0 for a client's statement.
    fn depth(&self) -> u32;
    /// How deep it may get (`trigger_depth_max`).
    fn depth_max(&self) -> u32 {
        16
    }
    /// Whose rights count from now on; gives back the role before, to restore it.
    fn act_as(&mut self, role: Oid) -> Oid {
        role
    }
    /// Runs one statement that this dialect reads first (`prepare` and `query` read PostgreSQL's first), its names looked
    /// up in schema public alone; `types` are those of the parameters (0: unknown).
    fn query_in(&mut self, _dialect: &'static str, sql: &str, _types: &[Oid], params: &[Value]) -> Result<QueryResult> {
        self.query(sql, params)
    }
    /// Errors with 42501 unless the role that counts may insert into a table (`insert` itself does not ask).
    fn check_insert(&self, _table: TableId) -> Result<()> {
        Ok(())
    }
    /// Keeps work for the moment after this transaction's commit; a rollback, also one to a savepoint, forgets it. It
    /// runs on the committing thread and must not block.
    fn on_commit(&mut self, _work: Box<dyn FnOnce() + Send>) -> Result<()> {
        Err(SqlError::unsupported("work after the commit here"))
    }
    /// Runs work that may block the thread, where the front end knows of it.
    fn block(&self, work: &mut dyn FnMut()) {
        work();
    }
    /// Time since the server started, for measuring.
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    /// Names the trigger that writes from now on; gives back the one before, to restore it.
    fn set_writer(&mut self, trigger: TriggerId) -> TriggerId;
    /// Runs one statement (any dialect) with `$n` parameters; plans are kept by text. Errors: any of SQL's.
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<QueryResult>;
    /// Prepares a statement with the given parameter types (0: infer).
    fn prepare(&mut self, sql: &str, param_types: &[Oid]) -> Result<Arc<dyn Prepared>>;
    /// `prepare` for a text that this dialect reads first, its names looked up in schema public alone.
    fn prepare_in(&mut self, _dialect: &'static str, sql: &str, param_types: &[Oid]) -> Result<Arc<dyn Prepared>> {
        self.prepare(sql, param_types)
    }
    /// The schema of the session's temporary tables, if it has some.
    fn temp_schema(&self) -> Option<Oid> {
        None
    }
    /// Runs a prepared statement.
    fn run(&mut self, statement: &dyn Prepared, params: &[Value]) -> Result<QueryResult>;
    /// All rows of a table that the current statement sees, in row order. Stops early when `visit` gives false.
    fn scan(&mut self, table: TableId, visit: &mut dyn FnMut(RowId, &Row) -> Result<bool>) -> Result<()>;
    /// Rows whose index key starts with `key` (values of the index's first columns, of the columns' types), in index
    /// order, newest version; with `lock` each is locked for update first.
    fn lookup(&mut self, table: TableId, index: Oid, key: &[Value], lock: bool) -> Result<Vec<(RowId, Row)>>;
    /// The first (or last) row, in index order, whose index key starts with `key`; newest version, not locked.
    fn lookup_edge(&mut self, table: TableId, index: Oid, key: &[Value], last: bool) -> Result<Option<(RowId, Row)>> {
        let mut rows = self.lookup(table, index, key, false)?.into_iter();
        Ok(if last { rows.next_back() } else { rows.next() })
    }
    /// The last row, in index order, whose index key starts with `key` and goes on with a value of at most `upto`; newest
    /// version, not locked.
    fn lookup_upto(&mut self, _: TableId, _: Oid, _key: &[Value], _upto: &Value) -> Result<Option<(RowId, Row)>> {
        Err(SqlError::unsupported("a bounded look-up here"))
    }
    /// The row's newest version, locked for update if `lock`.
    fn fetch(&mut self, table: TableId, row: RowId, lock: bool) -> Result<Option<Row>>;
    /// A rising mark of when a row was last changed: commit, then command within this transaction. Changes of one commit
    /// have one mark, and so have all from before the newest checkpoint that was read back.
    fn changed_at(&mut self, _table: TableId, _row: RowId) -> Result<(u64, u32)> {
        Ok((0, 0))
    }
    /// Inserts a whole row (all columns, defaults not applied); `None` if a trigger skipped it. Upserts like any INSERT.
    fn insert(&mut self, table: TableId, row: Row) -> Result<Option<RowId>>;
    /// Replaces a row. `old` is its current version. False if a trigger skipped it.
    fn update(&mut self, table: TableId, row: RowId, old: &Row, new: Row) -> Result<bool>;
    /// Deletes a row. `old` is its current version. False if a trigger skipped it.
    fn delete(&mut self, table: TableId, row: RowId, old: &Row) -> Result<bool>;
    /// Makes several changes of one table as one statement, in order: triggers of the table fold them together. No row
    /// may stand in it twice. Gives for each change the id of its row, none where a trigger left it out.
    fn write(&mut self, table: TableId, changes: Vec<Put>) -> Result<Vec<Option<RowId>>> {
        let mut ids = Vec::with_capacity(changes.len());
        for change in changes {
            ids.push(match change {
                Put::Insert(row) => self.insert(table, row)?,
                Put::Update(id, old, new) => self.update(table, id, &old, new)?.then_some(id),
                Put::Delete(id, old) => self.delete(table, id, &old)?.then_some(id),
            });
        }
        Ok(ids)
    }
    /// Moves a subscriber's durable cursor with this transaction's commit; none drops it.
    fn move_cursor(&mut self, subscriber: TriggerId, to: Option<Position>);
    /// Moves it on from where it must still stand when this transaction commits; otherwise the commit fails (40001).
    fn advance_cursor(&mut self, subscriber: TriggerId, from: Position, to: Position);
    /// Creates an internal table (hidden, logged, no triggers) with the given columns and one index over its first
    /// `key_columns` columns, unique or not; it goes with the trigger. For `Hooks::created`.
    fn create_state_table(
        &mut self,
        owner: TriggerId,
        name: &str,
        columns: &[(String, DataType)],
        key_columns: usize,
        unique: bool,
    ) -> Result<Arc<TableDef>>;
    /// Adds a hidden non-unique index on a table for a trigger's look-ups; gives an existing one that fits.
    fn ensure_index(&mut self, owner: TriggerId, table: TableId, columns: &[usize]) -> Result<Oid>;
    /// Stores a changed definition of a trigger (target marks, `internal` objects are kept by the engine).
    fn update_trigger(&mut self, def: TriggerDef) -> Result<()>;
    /// Marks a table as written by this trigger alone (0: by anyone).
    fn set_maintained_by(&mut self, table: TableId, trigger: TriggerId) -> Result<()>;
    /// A place to come back to with `undo`. Each is given to `undo` or `keep`, the last one first.
    fn mark(&mut self) -> Result<Mark> {
        Ok(Mark::default())
    }
    /// Undoes what was written since the mark.
    fn undo(&mut self, _mark: Mark) -> Result<()> {
        Ok(())
    }
    /// Forgets the mark.
    fn keep(&mut self, _mark: Mark) -> Result<()> {
        Ok(())
    }
    /// Sends a notice to the client whose statement fired the trigger, if there is one.
    fn notice(&mut self, notice: SqlError);
    /// Errors with 57014 when the statement was cancelled or timed out; long loops call it now and then.
    fn check_cancel(&self) -> Result<()>;
    /// Value kept for the length of the transaction under a key of the caller's, made by `Default` at first use.
    fn scratch(&mut self, key: u64) -> &mut Option<Box<dyn Any + Send>>;
    /// The transaction's start in microseconds since 1970.
    fn now(&self) -> i64;
    /// The time of the clock in microseconds since 1970.
    fn clock(&self) -> i64 {
        self.now()
    }
    /// A setting of the session by name, as SHOW prints it.
    fn setting(&self, name: &str) -> Option<String>;
}

/// The triggers of one table for the length of one statement.
pub trait Attached: Send {
    /// Whether `before` does anything for this kind of change: lets the engine skip building images.
    fn has_before(&self) -> bool;
    /// Whether `after` does anything.
    fn has_after(&self) -> bool;
    /// Whether `before` of an UPDATE or DELETE leaves no traces but its verdict: then it may be called with a row that
    /// nobody's lock stands before, and again when that has changed meanwhile.
    fn repeats(&self) -> bool {
        false
    }
    /// Before the row is written; runs BEFORE triggers in order, each seeing what the one before made of it. `assigned`
    /// names the columns that the statement's SET list or column list wrote (AMI-113); `None` = all.
    fn before(&mut self, ctx: &mut dyn HookContext, change: &RowChange, assigned: Option<&[usize]>) -> Result<Verdict>;
    /// After the row is written.
    fn after(&mut self, ctx: &mut dyn HookContext, row: RowId, change: &RowChange) -> Result<()>;
    /// After the statement's last row: writes what `after` folded. Called exactly once unless the statement failed.
    fn finish(&mut self, ctx: &mut dyn HookContext) -> Result<()>;
}

/// Implemented by the trigger layer, plugged into the engine when it opens.
pub trait Hooks: Send + Sync {
    /// Looks at a definition before it is stored, fills in what it implies (events, timing), and refuses a bad one.
    fn check(&self, ctx: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef>;
    /// After it is stored, in the same transaction: builds state, fills the target. Not called at recovery.
    fn created(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()>;
    /// Before it is removed, in the same transaction: gives targets free, drops the cursor.
    fn dropped(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()>;
    /// A definition's `enabled` changed.
    fn toggled(&self, ctx: &mut dyn HookContext, def: &TriggerDef) -> Result<()>;
    /// The in-transaction triggers of a table, or none. Cheap: called once per writing statement. `replica`: of a session
    /// whose `session_replication_role` is that: only those that keep derived tables, which are right at every commit.
    fn attached(&self, catalog: &Arc<Catalog>, table: &Arc<TableDef>, replica: bool) -> Option<Box<dyn Attached>>;
    /// A function or procedure's text before it is stored: syntax errors as 42601.
    fn check_function(&self, def: &crate::catalog::FunctionDef) -> Result<()>;
    /// Looks at an AMI method or procedure before it is stored and completes its arguments. Errors: 42601, 42703, 42704,
    /// 42883 from compiling it; 42723 when a method's signature is taken.
    fn check_routine(
        &self,
        _ctx: &mut dyn HookContext,
        def: crate::catalog::FunctionDef,
    ) -> Result<crate::catalog::FunctionDef> {
        Err(SqlError::unsupported(format!("a routine in language \"{}\"", def.language)))
    }
    /// Runs an AMI procedure with values of its arguments' types; its result set, if it has one (AMI-77).
    fn call(
        &self,
        _ctx: &mut dyn HookContext,
        def: &Arc<crate::catalog::FunctionDef>,
        _args: &[Value],
    ) -> Result<QueryResult> {
        Err(SqlError::unsupported(format!("CALL of a procedure in language \"{}\"", def.language)))
    }
    /// Calls a method of AMI by name; the argument types choose among those of that name (AMI-76). Its value as one of
    /// type `result`; null if it cannot be. Errors: 42883, 42725, 54001, and what the method raises.
    fn call_method(&self, _ctx: &mut dyn HookContext, name: &str, _args: &[Value], _result: DataType) -> Result<Value> {
        Err(SqlError::unsupported(format!("the method {name}")))
    }
    /// Calls a function of SQL whose code is a script (CDB-111). Errors: 42883 it is no more, and what it raises.
    fn call_function(&self, _ctx: &mut dyn HookContext, call: &FunctionCall<'_>) -> Result<Value> {
        Err(SqlError::unsupported(format!("the function {}", call.name)))
    }
    /// Has a timer run once more at this time, in microseconds since 1970 (AMI-78).
    fn schedule_timer(&self, _ctx: &mut dyn HookContext, _timer: &TriggerDef, _at: i64) -> Result<()> {
        Err(SqlError::unsupported("timers"))
    }
    /// Runs a script block that a client sent, in a dialect's script language. Errors: 42601, 0A000, the script's own.
    fn run_script(&self, _ctx: &mut dyn HookContext, dialect: &str, _source: &str) -> Result<QueryResult> {
        Err(SqlError::unsupported(format!("a script block of dialect \"{dialect}\"")))
    }
    /// Runs a text on a data source and waits for its result (AMI-80). Errors: 42704 for an unknown one.
    fn execute_at(&self, _ctx: &mut dyn HookContext, source: &str, _text: &str) -> Result<QueryResult> {
        Err(SqlError::unsupported(format!("USE ds=\"{source}\" EXECUTE")))
    }
    /// What is counted of a trigger since it was created or the server started; none if nothing is.
    fn statistics(&self, _trigger: TriggerId) -> Option<TriggerStatistics> {
        None
    }
    /// Counts from 0 again and forgets the last error.
    fn reset_statistics(&self, _trigger: TriggerId) {}
    /// Starts a procedure; nothing of it has run yet. Errors: 42883 no such procedure or version, 42601.
    fn procedure(&self, call: ProcedureCall) -> Result<Box<dyn RunningProcedure>> {
        Err(SqlError::unsupported(format!("a procedure of the dialect \"{}\"", call.dialect)))
    }
    /// What is known of a procedure before it runs; `arguments` when they are known.
    fn procedure_shape(
        &self,
        _catalog: &Arc<Catalog>,
        _dialect: &str,
        _name: &str,
        _arguments: Option<&[Value]>,
    ) -> ProcedureShape {
        ProcedureShape::default()
    }
    /// When a timer ran last and runs next, in microseconds since 1970.
    fn timer_times(&self, _timer: TriggerId) -> (Option<i64>, Option<i64>) {
        (None, None)
    }
    /// A transaction that changed these tables has been committed and is seen by others; it may not be durable yet. Must
    /// not block.
    fn changed(&self, _tables: &mut dyn Iterator<Item = TableId>) {}
    /// The transaction with this number is durable; wakes subscribers. Must not block.
    fn committed(&self, commit: CommitNo);
    /// The catalog changed durably (a trigger may have come or gone); wakes whoever runs them. Must not block.
    fn catalog_changed(&self);
}

/// No triggers at all: for tests of the engine alone.
#[derive(Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn check(&self, _: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        Err(SqlError::unsupported(format!("trigger kind \"{}\"", def.kind)))
    }
    fn created(&self, _: &mut dyn HookContext, _: &TriggerDef) -> Result<()> {
        Ok(())
    }
    fn dropped(&self, _: &mut dyn HookContext, _: &TriggerDef) -> Result<()> {
        Ok(())
    }
    fn toggled(&self, _: &mut dyn HookContext, _: &TriggerDef) -> Result<()> {
        Ok(())
    }
    fn attached(&self, _: &Arc<Catalog>, _: &Arc<TableDef>, _: bool) -> Option<Box<dyn Attached>> {
        None
    }
    fn check_function(&self, _: &crate::catalog::FunctionDef) -> Result<()> {
        Ok(())
    }
    fn committed(&self, _: CommitNo) {}
    fn catalog_changed(&self) {}
}
