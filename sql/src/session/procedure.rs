//! EXEC PROCEDURE: portals and cursors whose rows a running procedure gives (CDB-201 to CDB-211, CDB-901 to CDB-911).
//!
//! A procedure runs on a session of its own beside the client's (`sibling`), so that its transactions and the client's do
//! not meet; only an ordinary procedure called inside a block runs on the client's transaction, for which the two
//! sessions exchange their back ends as long as it is pulled. It never blocks the thread: when it waits, so does the
//! front end, which is woken by the session's mailbox, a cancel, or the time that `Pause::Waiting` names.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use sqlparser::ast;

use super::portal::{Portal, Source, Step, plain_columns};
use super::{Block, Current, Session};
use crate::catalog::{TriggerDef, TriggerId};
use crate::change::{CommitNo, Position, ProcedureCall, ProcedureShape, Progress, QueryResult, RunningProcedure};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::Backend;
use crate::parse::{FetchDirection, Parsed, Statement};
use crate::plan::OutputColumn;
use crate::types::{DataType, Oid, Row, Value, oid};

/// Why pulling rows of a procedure came to a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    /// As many rows as asked for came, or enough to be sent: pull again.
    Rows,
    /// The procedure waits until the client asks for what comes after the last row: pulling again says so.
    Blocked,
    /// It waits: pull again when the mailbox was rung, or at this moment (of `Clock::elapsed`).
    Waiting(Option<Duration>),
    /// The end, with the command tag.
    Done(String),
}

/// What Describe of a procedure's portal found.
#[derive(Clone, Debug)]
pub enum Described {
    /// Its columns, and one format code for all, for each, or none.
    Columns(Arc<[OutputColumn]>, Arc<[i16]>),
    /// It gives no rows.
    NoData,
    /// Not known yet: ask again when the mailbox was rung, or at this moment.
    Waiting(Option<Duration>),
}

/// What `Session::pull` hands each row to: columns, formats, row.
pub type RowSink<'a> = dyn FnMut(&Arc<[OutputColumn]>, &Arc<[i16]>, &[Value]) -> Result<()> + 'a;

/// A procedure behind a portal.
pub(super) struct Call {
    run: Box<dyn RunningProcedure>,
    in_block: bool,
    /// A row pulled to know the columns.
    held: Option<(Row, bool)>,
    columns: Option<Arc<[OutputColumn]>>,
    ended: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("in_block", &self.in_block).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// FETCH or MOVE on a procedure's cursor, as a portal of its own.
#[derive(Debug)]
pub(super) struct FetchFrom {
    name: String,
    /// Rows still wanted; none: all.
    left: Option<u64>,
    only_move: bool,
    got: u64,
    finished: bool,
}

/// Rows pulled at a time, and bytes after which no more are.
const BATCH: u64 = 256;
const BATCH_BYTES: usize = 256 << 10;

/// A column of a statement's result.
#[derive(Clone, Debug)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: DataType,
    /// Names of the table and of its column; none for anything but a plain column.
    pub origin: Option<(String, String)>,
}

impl Session {
    /// A second session of the same client, with its rights and settings as they are now. It does not count as a
    /// session; cancelling the client's statement cancels what runs on it.
    fn sibling(&self) -> Session {
        let own = &self.backend;
        let settings = own.settings.borrow().fresh();
        let user = own.current_user.get();
        let backend =
            Backend::new(own.shared.clone(), own.control.clone(), own.database, user, own.superuser.get(), settings);
        backend.at_least.set(own.at_least.get());
        let mut session = Session::new(backend);
        session.sibling = true;
        session
    }

    /// What is known of a procedure before it runs.
    fn shape(&self, name: &str, dialect: &str, arguments: Option<&[Value]>) -> Result<ProcedureShape> {
        Ok(self.backend.shared.hooks.procedure_shape(&self.backend.catalog()?, dialect, name, arguments))
    }

    /// Columns of an EXEC PROCEDURE, where they are known without running it (CDB-910).
    pub(super) fn procedure_columns(
        &mut self,
        statement: &Statement,
        arguments: Option<&(Vec<Oid>, Vec<Value>)>,
    ) -> Result<Option<Arc<[OutputColumn]>>> {
        let Statement::ExecProcedure { name, args, dialect, columns } = statement else { return Ok(None) };
        if !columns.is_empty() {
            return Ok(Some(plain_columns(&self.fixed_columns(columns)?)));
        }
        let none = (Vec::new(), Vec::new());
        let values = literal_arguments(args, arguments.unwrap_or(&none)).ok();
        let values: Option<Vec<Value>> = values.map(|values| values.into_iter().map(|(value, _)| value).collect());
        Ok(self.shape(name, dialect, values.as_deref())?.columns.map(|columns| plain_columns(&columns)))
    }

    fn fixed_columns(&self, columns: &[(String, ast::DataType)]) -> Result<Vec<(String, DataType)>> {
        columns.iter().map(|(name, ty)| Ok((name.clone(), crate::exec::resolve_type(&self.backend, ty)?))).collect()
    }

    /// Starts EXEC PROCEDURE; nothing has run when it returns.
    pub(super) fn start_procedure(&mut self, portal: &mut Portal, parsed: &Parsed) -> Result<Step> {
        let Statement::ExecProcedure { name, args, dialect, columns } = &*parsed.statement else {
            return Err(SqlError::internal("not a procedure call"));
        };
        let arguments = literal_arguments(args, &portal.arguments)?;
        let shape = self.shape(name, dialect, None)?;
        let in_block = self.block != Block::None && !shape.own_transactions;
        if in_block && portal.hold {
            return Err(SqlError::unsupported("a cursor WITH HOLD of a procedure that runs in the transaction block"));
        }
        let control = self.backend.control.clone();
        let call = ProcedureCall {
            dialect,
            name: name.clone(),
            version: self.versions.get(name).cloned(),
            arguments,
            columns: self.fixed_columns(columns)?,
            in_block,
            session: Box::new(self.sibling()),
            waker: Arc::new(move || control.wake()),
        };
        let run = self.backend.shared.hooks.procedure(call)?;
        portal.source = Source::Procedure(Box::new(Call { run, in_block, held: None, columns: None, ended: false }));
        portal.started = true;
        Ok(Step::Procedure)
    }

    /// A cursor over EXEC PROCEDURE (CDB-903): it starts at the first FETCH.
    pub(super) fn declare_procedure(
        &mut self,
        name: &str,
        hold: bool,
        scroll: Option<bool>,
        query: &Parsed,
        arguments: (Vec<Oid>, Vec<Value>),
    ) -> Result<()> {
        if scroll == Some(true) {
            return Err(SqlError::unsupported("SCROLL for a cursor of a procedure"));
        }
        if self.portals.contains_key(name) {
            return Err(SqlError::new(SqlState::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        let mut portal = Portal::utility(query.clone(), self.savepoints.len(), self.empty_formats.clone());
        portal.arguments = arguments;
        portal.hold = hold;
        portal.detached = hold || self.block == Block::None;
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// Whether a cursor's rows come from a procedure.
    pub(super) fn is_procedure_cursor(&self, name: &str) -> bool {
        self.portals.get(name).is_some_and(Portal::is_procedure)
    }

    /// FETCH or MOVE on a procedure's cursor (CDB-902).
    pub(super) fn start_fetch(
        &mut self,
        portal: &mut Portal,
        name: &str,
        direction: FetchDirection,
        only_move: bool,
    ) -> Result<Step> {
        let left = match direction {
            FetchDirection::Forward(n) if n >= 0 => Some(n.unsigned_abs()),
            FetchDirection::Relative(1) => Some(1),
            FetchDirection::ForwardAll => None,
            _ => {
                return Err(SqlError::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward"));
            }
        };
        let finished = left == Some(0);
        portal.source = Source::Fetch(Box::new(FetchFrom { name: name.to_owned(), left, only_move, got: 0, finished }));
        Ok(Step::Procedure)
    }

    /// Pulls one thing out of a procedure.
    fn step(&mut self, call: &mut Call) -> Result<Progress> {
        if call.ended {
            return Ok(Progress::Done);
        }
        self.backend.check_cancel()?;
        if call.in_block {
            self.ensure_transaction();
            self.backend.pending.borrow_mut().queried = true;
        }
        let (in_block, deadline) = (call.in_block, self.backend.deadline.get());
        call.run.with_session(&mut |inner| {
            let Some(inner) = inner.downcast_mut::<Session>() else { return };
            if in_block {
                std::mem::swap(&mut self.backend, &mut inner.backend);
            } else {
                inner.set_deadline(deadline);
            }
        });
        let result = call.run.next();
        let ended = !matches!(result, Ok(Progress::Row { .. } | Progress::Waiting(_)));
        let mut passed = None;
        call.run.with_session(&mut |inner| {
            let Some(inner) = inner.downcast_mut::<Session>() else { return };
            if in_block {
                std::mem::swap(&mut self.backend, &mut inner.backend);
            }
            self.hold = self.hold.max(inner.hold);
            if ended {
                self.hold = self.hold.max(inner.later);
                passed = inner.passed.take();
            }
            self.backend.at_least.set(self.backend.at_least.get().max(inner.backend.at_least.get()));
            self.backend.notices.borrow_mut().append(&mut inner.backend.notices.borrow_mut());
        });
        if call.columns.is_none()
            && let Some(columns) = call.run.columns()
        {
            call.columns = Some(plain_columns(&columns));
        }
        call.ended |= ended;
        match passed.map(|subscriber| self.backend.shared.store.write_cursor(subscriber)) {
            Some(Ok(commit)) => self.hold = self.hold.max(commit),
            Some(Err(error)) if result.is_ok() => return Err(error),
            _ => {}
        }
        result
    }

    fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.backend.deadline.set(deadline);
        if let Some(txn) = self.backend.txn.borrow_mut().as_mut() {
            txn.set_deadline(deadline);
        }
    }

    /// Rows of the procedure behind the portal started last. `max` 0 = as they come. Errors end the procedure.
    pub fn pull(&mut self, max: u64, sink: &mut RowSink<'_>) -> Result<(u64, Pause)> {
        let done = |tag: &str| Pause::Done(tag.to_owned());
        let Some(mut portal) = self.take_current() else { return Ok((0, done("EXEC PROCEDURE"))) };
        let formats = portal.formats.clone();
        let undescribed = portal.undescribed;
        let result = match &mut portal.source {
            Source::Procedure(call) => self.pull_rows(call, max, &formats, undescribed, sink).map(|(rows, pause)| {
                (rows, if matches!(pause, Pause::Done(_)) { done("EXEC PROCEDURE") } else { pause })
            }),
            Source::Fetch(fetch) => self.pull_cursor(fetch, max, &formats, undescribed, sink),
            _ => Ok((0, done("EXEC PROCEDURE"))),
        };
        // What failed has ended: its portal goes.
        let (rows, pause) = result?;
        self.put_current(portal);
        let ended = matches!(pause, Pause::Done(_));
        if ended && self.current == Current::Internal {
            self.statement_done()?;
        }
        if ended || max > 0 && !matches!(pause, Pause::Waiting(_)) {
            self.end_call();
        }
        Ok((rows, pause))
    }

    fn pull_rows(
        &mut self,
        call: &mut Call,
        max: u64,
        formats: &Arc<[i16]>,
        undescribed: bool,
        sink: &mut RowSink<'_>,
    ) -> Result<(u64, Pause)> {
        let limit = if max == 0 { BATCH } else { max.min(BATCH) };
        let (mut rows, mut bytes) = (0, 0);
        while rows < limit && bytes < BATCH_BYTES {
            let waits = match call.held.take() {
                None if call.columns.is_some() && !call.ended => call.run.ready(),
                held => held,
            };
            let progress = match waits {
                Some((row, blocking)) => Progress::Row { row, blocking },
                None => self.step(call)?,
            };
            match progress {
                Progress::Row { row, blocking } => {
                    if undescribed {
                        return Err(undeclared());
                    }
                    bytes += row.iter().map(Value::heap_bytes).sum::<usize>();
                    match &call.columns {
                        Some(columns) => sink(columns, formats, &row)?,
                        None => sink(&Arc::default(), formats, &row)?,
                    }
                    rows += 1;
                    if blocking {
                        return Ok((rows, Pause::Blocked));
                    }
                }
                Progress::Waiting(until) => return Ok((rows, Pause::Waiting(self.wait_until(until)))),
                Progress::Done => return Ok((rows, Pause::Done(String::new()))),
            }
        }
        Ok((rows, Pause::Rows))
    }

    fn pull_cursor(
        &mut self,
        fetch: &mut FetchFrom,
        max: u64,
        formats: &Arc<[i16]>,
        undescribed: bool,
        sink: &mut RowSink<'_>,
    ) -> Result<(u64, Pause)> {
        let mut rows = 0;
        if !fetch.finished {
            let mut cursor = self.take_started(&fetch.name)?;
            let limit = match (fetch.left.map(|left| left.saturating_sub(fetch.got)), max) {
                (None, max) => max,
                (Some(left), 0) => left,
                (Some(left), max) => left.min(max),
            };
            let Source::Procedure(call) = &mut cursor.source else {
                return Err(SqlError::internal("a cursor without its procedure"));
            };
            let only_move = fetch.only_move;
            let pause;
            (rows, pause) =
                self.pull_rows(call, limit, formats, undescribed && !only_move, &mut |columns, formats, row| {
                    if only_move { Ok(()) } else { sink(columns, formats, row) }
                })?;
            self.portals.insert(fetch.name.clone(), cursor);
            fetch.got += rows;
            let full = fetch.left.is_some_and(|left| fetch.got >= left);
            match pause {
                Pause::Waiting(until) => return Ok((rows, Pause::Waiting(until))),
                Pause::Rows if !full => return Ok((rows, Pause::Rows)),
                _ => fetch.finished = true,
            }
        }
        let word = if fetch.only_move { "MOVE" } else { "FETCH" };
        Ok((rows, Pause::Done(format!("{word} {}", fetch.got))))
    }

    /// Takes a cursor out of the session, its procedure started. Errors: 34000, and the cursor goes.
    fn take_started(&mut self, name: &str) -> Result<Portal> {
        let mut cursor = self
            .portals
            .remove(name)
            .ok_or_else(|| SqlError::new(SqlState::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist")))?;
        if !cursor.started {
            self.start(&mut cursor)?;
        }
        Ok(cursor)
    }

    /// The earlier of a moment and the end of the statement's time.
    fn wait_until(&self, until: Option<Duration>) -> Option<Duration> {
        match (until, self.backend.deadline.get()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Describe of a portal over a procedure (CDB-909): runs it until its columns are known. None: another portal.
    pub fn describe_procedure(&mut self, name: &str) -> Result<Option<Described>> {
        let portal = if name.is_empty() { self.unnamed_portal.take() } else { self.portals.remove(name) };
        let Some(mut portal) = portal else { return Ok(None) };
        portal.undescribed = false;
        let result = match &portal.source {
            Source::Utility(parsed) => match &*parsed.statement {
                Statement::Fetch { name, only_move: false, .. } if self.is_procedure_cursor(name) => {
                    let cursor = name.clone();
                    self.describe_cursor(&cursor, &portal.formats.clone())
                }
                Statement::ExecProcedure { .. } => {
                    let text = portal.text.clone();
                    self.begin_call(&text);
                    self.start(&mut portal).and_then(|_| self.describe_call(&mut portal))
                }
                _ => Ok(None),
            },
            Source::Procedure(_) => self.describe_call(&mut portal),
            _ => Ok(None),
        };
        let result = result?;
        if name.is_empty() {
            self.unnamed_portal = Some(portal);
        } else {
            self.portals.insert(name.to_owned(), portal);
        }
        if !matches!(result, Some(Described::Waiting(_)) | None) {
            self.end_call();
        }
        Ok(result)
    }

    fn describe_cursor(&mut self, name: &str, formats: &Arc<[i16]>) -> Result<Option<Described>> {
        let mut cursor = self.take_started(name)?;
        let found = self.describe_call(&mut cursor)?;
        self.portals.insert(name.to_owned(), cursor);
        Ok(match found {
            Some(Described::Columns(columns, _)) => Some(Described::Columns(columns, formats.clone())),
            other => other,
        })
    }

    fn describe_call(&mut self, portal: &mut Portal) -> Result<Option<Described>> {
        let Source::Procedure(call) = &mut portal.source else { return Ok(None) };
        if call.columns.is_none() && !call.ended {
            match self.step(call)? {
                Progress::Row { row, blocking } => call.held = Some((row, blocking)),
                Progress::Waiting(until) if call.columns.is_none() => {
                    return Ok(Some(Described::Waiting(self.wait_until(until))));
                }
                Progress::Waiting(_) | Progress::Done => {}
            }
        }
        Ok(Some(match &call.columns {
            Some(columns) if !call.ended => Described::Columns(columns.clone(), portal.formats.clone()),
            _ => Described::NoData,
        }))
    }

    /// Columns of a procedure's cursor, as far as they are known without waiting.
    pub(super) fn cursor_columns(&mut self, name: &str) -> Result<Option<Arc<[OutputColumn]>>> {
        let formats = self.empty_formats.clone();
        Ok(match self.describe_cursor(name, &formats)? {
            Some(Described::Columns(columns, _)) => Some(columns),
            _ => None,
        })
    }

    /// Columns of the procedure behind the current portal, if it knows them.
    #[must_use]
    pub fn pulled_columns(&self) -> Option<(Arc<[OutputColumn]>, Arc<[i16]>)> {
        let portal = match &self.current {
            Current::None => None,
            Current::Internal => self.internal.as_ref(),
            Current::Unnamed => self.unnamed_portal.as_ref(),
            Current::Named(name) => self.portals.get(name),
        }?;
        match &portal.source {
            Source::Fetch(fetch) if !fetch.only_move => match &self.portals.get(&fetch.name)?.source {
                Source::Procedure(call) => Some((call.columns.clone()?, portal.formats.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// SET SPVERSION (CDB-107): for this connection only.
    pub(super) fn set_procedure_version(&mut self, name: &str, version: &str) {
        self.versions.insert(name.to_owned(), version.to_owned());
    }

    /// Types of the parameters of EXEC PROCEDURE: as declared, text where nothing is.
    pub(super) fn procedure_params(statement: &Statement, types: &[Oid]) -> Option<Vec<DataType>> {
        let Statement::ExecProcedure { args, .. } = statement else { return None };
        let used = args.iter().filter_map(placeholder).max().unwrap_or(0);
        let declared = |at: usize| types.get(at).copied().filter(|oid| !matches!(*oid, 0 | oid::UNKNOWN));
        Some((0..used.max(types.len())).map(|at| declared(at).map_or(DataType::TEXT, DataType::new)).collect())
    }

    /// Types of a statement's parameters: as given, inferred where 0. For procedures, inside the open transaction.
    pub fn parameter_types(&mut self, sql: &str, types: &[Oid]) -> Result<Vec<DataType>> {
        let statement = crate::exec::statement::prepare_text(&self.backend, sql, types)?;
        Ok(statement.plan.map_or_else(Vec::new, |(plan, _)| plan.params.clone()))
    }

    /// The columns of a statement's result, without running it: name, type, and for a plain column of a table the table's
    /// name and the column's own. For procedures, inside the open transaction.
    pub fn result_columns(&mut self, sql: &str, types: &[Oid]) -> Result<Vec<ResultColumn>> {
        let statement = crate::exec::statement::prepare_text(&self.backend, sql, types)?;
        let catalog = self.backend.catalog()?;
        let origin = |(table, attribute): (Oid, i16)| {
            let table = catalog.table(crate::catalog::TableId(table))?;
            let column = table.columns.get(usize::try_from(attribute).ok()?.checked_sub(1)?)?;
            Some((table.name.clone(), column.name.clone()))
        };
        Ok(statement.plan.map_or_else(Vec::new, |(plan, _)| {
            let columns = plan.columns.iter();
            columns
                .map(|column| ResultColumn { name: column.name.clone(), ty: column.ty, origin: origin(column.origin) })
                .collect()
        }))
    }

    /// Runs one statement inside the open transaction: whole or not at all. `params` are of the types that
    /// `parameter_types` gives. For procedures.
    pub fn run_inside(&mut self, sql: &str, types: &[Oid], params: &[Value]) -> Result<QueryResult> {
        if self.backend.txn.borrow().is_none() {
            return Err(SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
        }
        self.backend.statement_time.set(self.backend.now());
        crate::exec::statement::run_text(&self.backend, sql, types, params, 0)
    }

    /// Becomes the role again that the session began as, whatever was taken on since. Outside a transaction.
    pub fn be_again(&mut self, role: Oid) -> Result<()> {
        if self.backend.current_user.get() != role || self.backend.session_user.get() != role {
            crate::exec::apply_setting(&self.backend, "session_authorization", None, false)?;
        }
        Ok(())
    }

    /// What the client is told from now on rests on this commit, which may not be durable yet; statements from now on see
    /// it.
    pub fn rest_on(&mut self, commit: CommitNo) {
        self.hold = self.hold.max(commit);
        self.backend.at_least.set(self.backend.at_least.get().max(commit));
    }

    /// Commits as `commit_internal` does, but what the client is sent before the procedure's end need not wait until the
    /// commit is durable: for the consumption of events alone. A crash may undo it; the events come again then. It is not
    /// worth a sync of its own: it is written with the next commit, a moment later at most.
    pub fn commit_consumption(&mut self) -> Result<()> {
        let hold = self.hold;
        self.backend.lazy.set(true);
        let result = self.commit_internal();
        self.backend.lazy.set(false);
        self.later = self.later.max(self.hold);
        self.hold = hold;
        result.map(|_| ())
    }

    /// Consumes events with no commit of its own: the queue's cursor moves now, and is on disk with the next commit or a
    /// moment later; what the client is sent before the procedure's end does not wait for that. A crash before undoes it;
    /// the events come again then. Outside a transaction. Errors: 40001 others consumed them, 55000 the queue is no more.
    pub fn pass_events(&mut self, subscriber: TriggerId, from: Position, to: Position) -> Result<()> {
        self.backend.shared.store.pass(subscriber, from, to)?;
        self.passed = Some(subscriber);
        Ok(())
    }

    /// Whether the open transaction has written anything.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.backend.txn.borrow().as_ref().is_some_and(crate::store::Txn::has_written)
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.backend.txn.borrow().is_some()
    }

    /// 57014 if the client cancelled or its statement's time is over; 57P01 if the session must end.
    pub fn check_cancel(&self) -> Result<()> {
        self.backend.check_cancel()
    }

    /// Checks that the session's role may see a trigger's events (CDB-720). Errors: 42501.
    pub fn check_watched(&self, def: &TriggerDef) -> Result<()> {
        crate::exec::check_watched(&self.backend, def)
    }

    /// A message for the client, subject to client_min_messages.
    pub fn notice(&self, notice: SqlError) {
        self.backend.notice(notice);
    }

    /// A setting as SHOW prints it.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        self.backend.settings.borrow().get(name).map(|value| value.to_string())
    }

    /// OIDs of the schemas in which names are looked up: that of temporary tables first, then those of `search_path`.
    #[must_use]
    pub fn name_schemas(&self) -> Vec<Oid> {
        self.temporary_schema().into_iter().chain(self.backend.search_path().iter().copied()).collect()
    }

    /// OID of the schema of the session's temporary tables, once there is one.
    #[must_use]
    pub fn temporary_schema(&self) -> Option<Oid> {
        self.backend.temp_schema.get()
    }

    /// Name of the database.
    #[must_use]
    pub fn database_name(&self) -> String {
        let set = self.backend.catalogs();
        set.shared.database(self.backend.database).map_or_else(String::new, |def| def.name.clone())
    }

    /// OID of the database.
    #[must_use]
    pub fn database(&self) -> Oid {
        self.backend.database
    }

    /// This session as what `ProcedureCall::session` holds.
    #[must_use]
    pub fn from_call(session: Box<dyn Any + Send>) -> Option<Box<Session>> {
        session.downcast().ok()
    }
}

fn undeclared() -> SqlError {
    SqlError::unsupported("rows of a procedure whose columns the client was not told of")
        .hint("declare the columns: EXEC PROCEDURE p() AS (col type, ...)")
}

/// The number of `$n`.
fn placeholder(arg: &ast::Expr) -> Option<usize> {
    match arg {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Placeholder(text) => text.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Values of arguments, which are literals and parameters only (CDB-202, CDB-203).
fn literal_arguments(args: &[ast::Expr], bound: &(Vec<Oid>, Vec<Value>)) -> Result<Vec<(Value, DataType)>> {
    args.iter().map(|arg| literal(arg, bound)).collect()
}

fn literal(arg: &ast::Expr, bound: &(Vec<Oid>, Vec<Value>)) -> Result<(Value, DataType)> {
    let refused = || SqlError::syntax("arguments of a procedure must be literals or parameters");
    match arg {
        ast::Expr::UnaryOp { op, expr } => {
            if let (ast::UnaryOperator::Minus, ast::Expr::Value(value)) = (op, &**expr)
                && let ast::Value::Number(text, _) = &value.value
                && let Ok(n) = format!("-{text}").parse::<i64>()
            {
                return Ok((Value::Int8(n), DataType::INT8));
            }
            let (value, ty) = literal(expr, bound)?;
            match (op, value) {
                (ast::UnaryOperator::Plus, value) => Ok((value, ty)),
                (ast::UnaryOperator::Minus, Value::Int8(n)) => Ok((Value::Int8(n.wrapping_neg()), ty)),
                (ast::UnaryOperator::Minus, Value::Float8(n)) => Ok((Value::Float8(-n), ty)),
                _ => Err(refused()),
            }
        }
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Null => Ok((Value::Null, DataType::TEXT)),
            ast::Value::Boolean(b) => Ok((Value::Bool(*b), DataType::BOOL)),
            ast::Value::Number(text, _) => match text.parse::<i64>() {
                Ok(n) => Ok((Value::Int8(n), DataType::INT8)),
                Err(_) => {
                    let n = text.parse::<f64>().map_err(|_| refused())?;
                    Ok((Value::Float8(n), DataType::FLOAT8))
                }
            },
            ast::Value::SingleQuotedString(text) => Ok((Value::text(text), DataType::TEXT)),
            ast::Value::HexStringLiteral(text) => {
                let bytes: Option<Vec<u8>> = (text.len() % 2 == 0)
                    .then(|| {
                        (0..text.len())
                            .step_by(2)
                            .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
                            .collect()
                    })
                    .flatten();
                let bytes = bytes.ok_or_else(|| SqlError::syntax(format!("invalid hexadecimal literal \"{text}\"")))?;
                Ok((Value::Bytea(Arc::from(bytes)), DataType::new(oid::BYTEA)))
            }
            ast::Value::Placeholder(text) => {
                let missing = || SqlError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter {text}"));
                let at = placeholder(arg).and_then(|n| n.checked_sub(1)).ok_or_else(missing)?;
                let value = bound.1.get(at).cloned().ok_or_else(missing)?;
                let ty = bound.0.get(at).copied().filter(|oid| *oid != 0).unwrap_or(oid::TEXT);
                Ok((value, DataType::new(ty)))
            }
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}
