//! Statements without a plan: transaction control, cursors, PREPARE and EXECUTE, settings, and the rest by `exec`.

use std::sync::Arc;

use super::portal::{Portal, Source, Step, plain_columns};
use super::{Block, Current, Session};
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::exec::statement::{self, Outcome, is_plannable};
use crate::exec::{CachedStatement, SETTINGS};
use crate::parse::{DiscardTarget, FetchDirection, Parsed, SettingScope, Statement};
use crate::plan::{OutputColumn, PlanKind};
use crate::types::{DataType, Oid, Row, Value};

/// What CONCURRENTLY makes of a statement: it cannot run in a block (PG-21), though it is carried out like any other.
fn concurrently(parsed: &Parsed) -> Option<&'static str> {
    let Statement::Ddl(tree) = &*parsed.statement else { return None };
    match &**tree {
        sqlparser::ast::Statement::CreateIndex(create) if create.concurrently => Some("CREATE INDEX CONCURRENTLY"),
        sqlparser::ast::Statement::Drop { .. } => {
            // The parser leaves the word out.
            let words: Vec<&str> = parsed.text.split_ascii_whitespace().take(3).collect();
            let said = words.len() == 3
                && words[1].eq_ignore_ascii_case("index")
                && words[2].eq_ignore_ascii_case("concurrently");
            said.then_some("DROP INDEX CONCURRENTLY")
        }
        _ => None,
    }
}

fn no_cursor(name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

impl Session {
    /// Columns that a statement without plan will give, for Describe.
    pub(super) fn utility_columns(&mut self, parsed: &Parsed) -> Result<Option<Arc<[OutputColumn]>>> {
        Ok(match &*parsed.statement {
            Statement::Show(Some(name)) => {
                crate::exec::check_name(name)?;
                let def = SETTINGS.iter().find(|def| def.name.eq_ignore_ascii_case(name));
                let column = def.map_or_else(|| name.clone(), |def| def.name.to_owned());
                Some(plain_columns(&[(column, DataType::TEXT)]))
            }
            Statement::Show(None) => {
                Some(plain_columns(&["name", "setting", "description"].map(|name| (name.to_owned(), DataType::TEXT))))
            }
            Statement::Explain { options, .. } => Some(explain_columns(options)),
            Statement::Execute { name, .. } => self.statements.get(name).and_then(|found| found.columns.clone()),
            Statement::ExecProcedure { .. } => self.procedure_columns(&parsed.statement, None)?,
            Statement::Fetch { name, only_move: false, .. } if self.is_procedure_cursor(name) => {
                let name = name.clone();
                self.cursor_columns(&name)?
            }
            Statement::Fetch { name, only_move: false, .. } => {
                self.portals.get(name).and_then(|portal| portal.columns.clone())
            }
            _ => None,
        })
    }

    /// Runs a statement without plan.
    pub(super) fn start_utility(&mut self, portal: &mut Portal, parsed: Parsed) -> Result<Step> {
        if let Some(tag) = self.control(&parsed.statement)? {
            return Ok(Step::Done(tag));
        }
        let done = |tag: &str| Ok(Step::Done(tag.to_owned()));
        match &*parsed.statement {
            Statement::Empty => Ok(Step::Empty),
            Statement::Unsupported(what) => Err(SqlError::unsupported(what)),
            Statement::Prepare { name, types, statement } => {
                if self.statements.contains_key(name) {
                    return Err(SqlError::new(
                        SqlState::DUPLICATE_PREPARED_STATEMENT,
                        format!("prepared statement \"{name}\" already exists"),
                    ));
                }
                let types = types
                    .iter()
                    .map(|ty| crate::exec::resolve_type(&self.backend, ty).map(|ty| ty.oid))
                    .collect::<Result<Vec<_>>>()?;
                let prepared = self.prepare((**statement).clone(), parsed.text.clone(), &types)?;
                self.keep_prepared(name, prepared, true);
                done("PREPARE")
            }
            Statement::Execute { name, args } => {
                self.ensure_transaction();
                let types = self.statement_params(name)?;
                let params = crate::exec::eval_arguments(&self.backend, name, args, &types)?;
                let mut made = self.make_portal(name, params, Vec::new())?;
                let step = self.start(&mut made)?;
                portal.columns = made.columns;
                portal.source = made.source;
                portal.tag = made.tag;
                portal.kind = made.kind;
                if portal.formats.len() != made.formats.len() {
                    portal.formats = made.formats;
                }
                Ok(step)
            }
            Statement::Deallocate(name) => {
                self.deallocate(name.as_deref())?;
                done(if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" })
            }
            Statement::ExecProcedure { .. } => self.start_procedure(portal, &parsed),
            Statement::SetProcedureVersion { name, version } => {
                self.set_procedure_version(name, version);
                done("SET")
            }
            Statement::Declare { name, hold, query, scroll, .. }
                if matches!(&*query.statement, Statement::ExecProcedure { .. }) =>
            {
                let arguments = std::mem::take(&mut portal.arguments);
                self.declare_procedure(name, *hold, *scroll, query, arguments)?;
                done("DECLARE CURSOR")
            }
            Statement::Fetch { name, direction, only_move } if self.is_procedure_cursor(name) => {
                let name = name.clone();
                self.start_fetch(portal, &name, *direction, *only_move)
            }
            Statement::Declare { name, hold, query, scroll, .. } => {
                let (types, params) = std::mem::take(&mut portal.arguments);
                self.declare(name, (*hold, *scroll), query, &types, params)?;
                done("DECLARE CURSOR")
            }
            Statement::Fetch { name, direction, only_move } => self.fetch_cursor(portal, name, *direction, *only_move),
            Statement::Close(Some(name)) => {
                if !self.portals.contains_key(name) {
                    return Err(no_cursor(name));
                }
                self.close_portal(name);
                done("CLOSE CURSOR")
            }
            Statement::Close(None) => {
                let names: Vec<String> = self.portals.keys().cloned().collect();
                for name in names {
                    self.close_portal(&name);
                }
                done("CLOSE CURSOR ALL")
            }
            Statement::Discard(target) => self.discard(*target),
            Statement::Explain { statement, options } => self.explain(portal, statement, options),
            Statement::Copy(copy) => self.start_copy(portal, copy),
            Statement::SetConstraints { names, deferred } => {
                if self.block == Block::None && !self.in_implicit_block() {
                    self.backend.notice(SqlError::notice(
                        Severity::Warning,
                        SqlState::NO_ACTIVE_SQL_TRANSACTION,
                        "SET CONSTRAINTS can only be used in transaction blocks",
                    ));
                }
                let names = match names {
                    Some(names) => Some(crate::exec::objects::constraints_named(&self.backend, names)?),
                    None => None,
                };
                crate::exec::set_constraints(&self.backend, names.as_deref(), *deferred)?;
                done("SET CONSTRAINTS")
            }
            Statement::Maintenance { tag, tables, in_block } => {
                if !in_block {
                    self.refuse_in_block(tag)?;
                }
                self.ensure_transaction();
                for table in tables {
                    crate::exec::objects::find_relation(&self.backend, table)?;
                }
                done(tag)
            }
            other => {
                if matches!(other, Statement::CreateDatabase { .. } | Statement::DropDatabase { .. }) {
                    self.refuse_in_block(if matches!(other, Statement::CreateDatabase { .. }) {
                        "CREATE DATABASE"
                    } else {
                        "DROP DATABASE"
                    })?;
                }
                if let Some(what) = concurrently(&parsed) {
                    self.refuse_in_block(what)?;
                }
                if matches!(other, Statement::LockTable { .. }) && !self.in_implicit_block() {
                    self.need_block("LOCK TABLE")?;
                }
                if matches!(other, Statement::Set { scope: SettingScope::Local, .. })
                    && self.block == Block::None
                    && !self.in_implicit_block()
                {
                    self.backend.notice(SqlError::notice(
                        Severity::Warning,
                        SqlState::NO_ACTIVE_SQL_TRANSACTION,
                        "SET LOCAL can only be used in transaction blocks",
                    ));
                }
                self.ensure_transaction();
                let transactional = !matches!(other, Statement::Set { .. } | Statement::Show(_) | Statement::Reset(_));
                if transactional {
                    self.backend.pending.borrow_mut().queried = true;
                }
                let (types, params) = std::mem::take(&mut portal.arguments);
                match statement::utility(&self.backend, &parsed, (&types, &params), 0)? {
                    Some(outcome) => self.take_outcome(portal, outcome),
                    None => Err(SqlError::unsupported("this statement")),
                }
            }
        }
    }

    /// 25001 for what cannot run in a transaction block.
    fn refuse_in_block(&self, what: &str) -> Result<()> {
        if self.block != Block::None || self.in_implicit_block() {
            return Err(SqlError::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                format!("{what} cannot run inside a transaction block"),
            ));
        }
        if self.pipelined {
            return Err(SqlError::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                format!("{what} cannot be executed within a pipeline"),
            ));
        }
        Ok(())
    }

    /// Whether this is one of several statements of a simple message: they share a transaction.
    pub(super) fn in_implicit_block(&self) -> bool {
        self.simple.as_ref().is_some_and(|simple| simple.several) && self.current == Current::Internal
    }

    fn discard(&mut self, target: DiscardTarget) -> Result<Step> {
        let tag = match target {
            DiscardTarget::All => {
                self.refuse_in_block("DISCARD ALL")?;
                let names: Vec<String> = self.portals.keys().cloned().collect();
                for name in names {
                    self.close_portal(&name);
                }
                self.deallocate(None)?;
                self.backend.settings.borrow_mut().reset_all();
                let _ = crate::exec::apply_setting(&self.backend, "session_authorization", None, false);
                let _ = crate::exec::apply_setting(&self.backend, "role", Some("none"), false);
                self.backend.pending.borrow_mut().listen.push((None, false));
                self.backend.locks.borrow_mut().unlock_all();
                self.backend.plans.borrow_mut().clear();
                self.discard_sequences();
                self.ensure_transaction();
                crate::exec::objects::drop_temporary(&self.backend)?;
                "DISCARD ALL"
            }
            DiscardTarget::Plans => {
                self.backend.plans.borrow_mut().clear();
                "DISCARD PLANS"
            }
            DiscardTarget::Sequences => {
                self.discard_sequences();
                "DISCARD SEQUENCES"
            }
            DiscardTarget::Temp => {
                self.ensure_transaction();
                crate::exec::objects::drop_temporary(&self.backend)?;
                "DISCARD TEMP"
            }
        };
        Ok(Step::Done(tag.to_owned()))
    }

    fn discard_sequences(&self) {
        self.backend.sequence_values.borrow_mut().clear();
        self.backend.last_sequence.set(None);
    }

    fn declare(
        &mut self,
        name: &str,
        (hold, scroll): (bool, Option<bool>),
        query: &Parsed,
        types: &[Oid],
        params: Vec<Value>,
    ) -> Result<()> {
        if self.block == Block::None && !hold && !self.in_implicit_block() {
            return Err(SqlError::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.portals.contains_key(name) {
            return Err(SqlError::new(SqlState::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        self.ensure_transaction();
        let mut cached = CachedStatement { parsed: query.clone(), plan: None, point: false };
        let plan = statement::current_plan(&self.backend, &mut cached, types)?;
        if plan.params.len() > params.len() {
            let text = format!("there is no parameter ${}", params.len() + 1);
            return Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, text));
        }
        if plan.kind != PlanKind::Select {
            return Err(SqlError::new(
                SqlState::INVALID_CURSOR_DEFINITION,
                "DECLARE CURSOR can only be used with SELECT",
            ));
        }
        let columns: Arc<[OutputColumn]> = Arc::from(plan.columns.as_slice());
        let formats = super::prepared::expand(&[], columns.len())?;
        let depth = self.savepoints.len();
        let mut portal = Portal::plan(plan, false, params, Some(columns), formats, depth, query.text.clone());
        portal.hold = hold;
        // Only an explicit NO SCROLL forbids going back; otherwise rows are kept.
        portal.seen = (scroll != Some(false)).then(|| (Vec::new(), 0));
        self.start(&mut portal)?;
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// FETCH and MOVE.
    fn fetch_cursor(
        &mut self,
        out: &mut Portal,
        name: &str,
        direction: FetchDirection,
        only_move: bool,
    ) -> Result<Step> {
        let mut cursor = self.portals.remove(name).ok_or_else(|| no_cursor(name))?;
        let result = self.move_cursor(&mut cursor, direction);
        let columns = cursor.columns.clone().unwrap_or_default();
        self.portals.insert(name.to_owned(), cursor);
        let rows = result?;
        if only_move {
            return Ok(Step::Done(format!("MOVE {}", rows.len())));
        }
        out.columns = Some(columns.clone());
        if out.formats.len() != columns.len() {
            out.formats = super::prepared::expand(&[], columns.len())?;
        }
        out.tag = Some(format!("FETCH {}", rows.len()));
        out.source = Source::Rows(rows.into_iter());
        Ok(Step::Rows(columns))
    }

    fn move_cursor(&mut self, cursor: &mut Portal, direction: FetchDirection) -> Result<Vec<Row>> {
        if !cursor.started {
            self.start(cursor)?;
        }
        if cursor.seen.is_none() {
            let count = match direction {
                FetchDirection::Forward(n) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
                FetchDirection::Relative(1) => 1,
                FetchDirection::ForwardAll => usize::MAX,
                _ => {
                    return Err(SqlError::new(
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        "cursor can only scan forward",
                    )
                    .hint("Declare it with SCROLL option to enable backward scan."));
                }
            };
            let mut rows = Vec::new();
            while rows.len() < count {
                match self.next_row(cursor)? {
                    Some(row) => rows.push(row),
                    None => break,
                }
            }
            return Ok(rows);
        }
        // Place: 0 before the first row, n on the nth, count + 1 after the last.
        let Some((mut seen, place)) = cursor.seen.take() else { return Ok(Vec::new()) };
        let mut load = |session: &Session, cursor: &mut Portal, upto: i64| -> Result<i64> {
            while i64::try_from(seen.len()).unwrap_or(i64::MAX) < upto {
                match session.next_row(cursor)? {
                    Some(row) => seen.push(row),
                    None => break,
                }
            }
            Ok(i64::try_from(seen.len()).unwrap_or(i64::MAX))
        };
        let (from, count, step): (i64, i64, i64) = match direction {
            FetchDirection::Forward(n) if n > 0 => (place.saturating_add(1), n, 1),
            FetchDirection::Forward(0) | FetchDirection::Backward(0) | FetchDirection::Relative(0) => (place, 1, 0),
            FetchDirection::Forward(n) => (place.saturating_sub(1), n.saturating_neg(), -1),
            FetchDirection::ForwardAll => (place.saturating_add(1), i64::MAX, 1),
            FetchDirection::Backward(n) if n > 0 => (place.saturating_sub(1), n, -1),
            FetchDirection::Backward(n) => (place.saturating_add(1), n.saturating_neg(), 1),
            FetchDirection::BackwardAll => (place.saturating_sub(1), i64::MAX, -1),
            FetchDirection::Relative(n) => (place.saturating_add(n), 1, 0),
            FetchDirection::Absolute(n) if n < 0 => {
                let total = load(self, cursor, i64::MAX)?;
                (total.saturating_add(1).saturating_add(n), 1, 0)
            }
            FetchDirection::Absolute(n) => (n, 1, 0),
        };
        let wanted = if step == 1 { from.saturating_add(count).saturating_sub(1) } else { from };
        let total = match load(self, cursor, wanted) {
            Ok(total) => total,
            Err(error) => {
                cursor.seen = Some((seen, place));
                return Err(error);
            }
        };
        let mut rows = Vec::new();
        let mut at = from;
        let mut taken = 0;
        while taken < count && at >= 1 && at <= total {
            if let Some(row) = usize::try_from(at - 1).ok().and_then(|at| seen.get(at)) {
                rows.push(row.clone());
            }
            taken += 1;
            if step == 0 {
                break;
            }
            at += step;
        }
        let place = if step == 0 {
            at.clamp(0, total.saturating_add(1))
        } else if taken == count {
            at - step
        } else {
            at.clamp(0, total.saturating_add(1))
        };
        cursor.seen = Some((seen, place));
        Ok(rows)
    }

    fn explain(&mut self, portal: &mut Portal, inner: &Parsed, options: &[(String, String)]) -> Result<Step> {
        self.ensure_transaction();
        let begun = self.backend.shared.env.clock.elapsed();
        let given = |name: &str| options.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let on = |name: &str| {
            options.iter().any(|(key, value)| {
                key.eq_ignore_ascii_case(name) && (value.is_empty() || crate::exec::parse_bool(value).unwrap_or(true))
            })
        };
        let analyze = on("analyze");
        let (types, mut params) = std::mem::take(&mut portal.arguments);
        let plan = match &*inner.statement {
            Statement::Execute { name, args, .. } => {
                if analyze {
                    let types = self.statement_params(name)?;
                    params = crate::exec::eval_arguments(&self.backend, name, args, &types)?;
                }
                let prepared = self.statements.get_mut(name).ok_or_else(|| {
                    SqlError::new(
                        SqlState::INVALID_SQL_STATEMENT_NAME,
                        format!("prepared statement \"{name}\" does not exist"),
                    )
                })?;
                if !is_plannable(&prepared.cached.parsed.statement) {
                    return Err(SqlError::unsupported("EXPLAIN of this statement"));
                }
                statement::current_plan(&self.backend, &mut prepared.cached, &prepared.types.clone())?
            }
            other if is_plannable(other) => {
                let mut cached = CachedStatement { parsed: inner.clone(), plan: None, point: false };
                statement::current_plan(&self.backend, &mut cached, &types)?
            }
            _ => return Err(SqlError::unsupported("EXPLAIN of this statement")),
        };
        let planned = self.backend.shared.env.clock.elapsed();
        for name in ["timing", "wal"] {
            if on(name) && !analyze {
                let text = format!("EXPLAIN option {} requires ANALYZE", name.to_uppercase());
                return Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text));
            }
        }
        let mut times = Vec::new();
        let summary = if given("summary") { on("summary") } else { analyze };
        if summary {
            times.push(("Planning Time", planned.saturating_sub(begun)));
        }
        let (mut plan, mut actuals) = (plan, crate::plan::explain::Actuals::new());
        if analyze {
            (plan, actuals) = crate::exec::run_watched(&self.backend, &plan, params)?;
            let took = self.backend.shared.env.clock.elapsed().saturating_sub(planned);
            if summary {
                times.push(("Execution Time", took));
            }
        }
        let json =
            options.iter().any(|(key, value)| key.eq_ignore_ascii_case("format") && value.eq_ignore_ascii_case("json"));
        let shown = crate::plan::explain::ExplainOptions {
            costs: on("costs") || !given("costs"),
            timing: on("timing") || !given("timing"),
            verbose: on("verbose"),
        };
        let lines = crate::exec::explain(&self.backend, &plan, json, shown, &actuals, &times);
        let columns = explain_columns(options);
        let rows = lines
            .into_iter()
            .map(|line| vec![if json { Value::Json(Arc::from(line)) } else { Value::from(line) }])
            .collect();
        let columns = vec![(columns[0].name.clone(), columns[0].ty)];
        self.take_outcome(portal, Outcome::Rows(columns, rows, "EXPLAIN".to_owned()))
    }
}

fn explain_columns(options: &[(String, String)]) -> Arc<[OutputColumn]> {
    let json =
        options.iter().any(|(key, value)| key.eq_ignore_ascii_case("format") && value.eq_ignore_ascii_case("json"));
    plain_columns(&[("QUERY PLAN".to_owned(), if json { DataType::JSON } else { DataType::TEXT })])
}
