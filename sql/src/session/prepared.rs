//! Prepared statements, shared between SQL's PREPARE and the protocol's Parse (PG-25, PG-26, PG-29, PG-30, PG-33).

use std::sync::Arc;

use super::portal::{Portal, same_columns};
use super::{Block, Session};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::{CachedStatement, PreparedInfo, statement};
use crate::parse::{Parsed, Statement};
use crate::plan::OutputColumn;
use crate::types::{DataType, Oid, Value};

/// What Describe of a statement answers.
#[derive(Clone, Debug)]
pub struct StatementDescription {
    /// Types of `$1`, `$2` ….
    pub params: Vec<DataType>,
    /// Columns of the result; none = NoData.
    pub columns: Option<Arc<[OutputColumn]>>,
}

/// A prepared statement.
pub(super) struct PreparedStatement {
    pub(super) text: Arc<str>,
    pub(super) types: Vec<Oid>,
    pub(super) cached: CachedStatement,
    pub(super) params: Arc<[DataType]>,
    pub(super) columns: Option<Arc<[OutputColumn]>>,
    /// Result formats of the last Bind as given, and per column.
    formats: Option<(Vec<i16>, Arc<[i16]>)>,
    /// Describe answered that it gives no rows.
    undescribed: bool,
}

fn unknown(name: &str) -> SqlError {
    let text = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    SqlError::new(SqlState::INVALID_SQL_STATEMENT_NAME, text)
}

impl Session {
    /// Parse: types of 0 are inferred. Errors: 42P05 for a name in use, and whatever binding meets.
    pub fn parse(&mut self, name: &str, sql: &str, param_types: &[Oid]) -> Result<()> {
        self.begin_call(sql);
        if name.is_empty() {
            self.unnamed_statement = None;
        } else if self.statements.contains_key(name) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let parsed = crate::exec::parse_text(&self.backend, sql)?;
        self.check_not_failed(&parsed.statement)?;
        let prepared = self.prepare(parsed, Arc::from(sql), param_types)?;
        if name.is_empty() {
            self.unnamed_statement = Some(prepared);
        } else {
            self.keep_prepared(name, prepared, false);
        }
        self.end_silent_call();
        Ok(())
    }

    /// Keeps a named statement, and what pg_prepared_statements shows of it.
    pub(super) fn keep_prepared(&mut self, name: &str, prepared: PreparedStatement, from_sql: bool) {
        let info = PreparedInfo {
            text: prepared.text.clone(),
            prepared_at: self.backend.statement_time.get(),
            types: prepared.params.iter().map(|ty| ty.oid).collect(),
            from_sql,
        };
        self.backend.prepared.borrow_mut().insert(name.to_owned(), info);
        self.statements.insert(name.to_owned(), prepared);
    }

    /// Plans a statement to be kept.
    pub(super) fn prepare(&mut self, parsed: Parsed, text: Arc<str>, types: &[Oid]) -> Result<PreparedStatement> {
        let mut cached = CachedStatement { parsed, plan: None, point: false };
        let mut params: Arc<[DataType]> = types.iter().map(|oid| DataType::new(*oid)).collect();
        let mut columns = None;
        if self.block != Block::Failed {
            if statement::is_plannable(&cached.parsed.statement) {
                let plan = statement::current_plan(&self.backend, &mut cached, types)?;
                params = Arc::from(plan.params.as_slice());
                columns = (!plan.columns.is_empty() || plan.kind == crate::plan::PlanKind::Select)
                    .then(|| Arc::from(plan.columns.as_slice()));
            } else {
                let called = match &*cached.parsed.statement {
                    Statement::Declare { query, .. } => Session::procedure_params(&query.statement, types),
                    other => Session::procedure_params(other, types),
                };
                if let Some(called) = called {
                    params = Arc::from(called);
                } else if let Statement::Declare { query, .. } | Statement::Explain { statement: query, .. } =
                    &*cached.parsed.statement
                    && statement::is_plannable(&query.statement)
                {
                    // Its parameters are those of its query.
                    let mut query = CachedStatement { parsed: (**query).clone(), plan: None, point: false };
                    params = Arc::from(statement::current_plan(&self.backend, &mut query, types)?.params.as_slice());
                }
                if matches!(&*cached.parsed.statement, Statement::Call { .. } | Statement::AmiCall { .. }) {
                    params = Arc::from(statement::call_params(&self.backend, &cached.parsed, types)?);
                }
                columns = self.utility_columns(&cached.parsed)?;
            }
        }
        Ok(PreparedStatement {
            text,
            types: types.to_vec(),
            cached,
            params,
            columns,
            formats: None,
            undescribed: false,
        })
    }

    fn statement(&mut self, name: &str) -> Result<&mut PreparedStatement> {
        let found = if name.is_empty() { self.unnamed_statement.as_mut() } else { self.statements.get_mut(name) };
        found.ok_or_else(|| unknown(name))
    }

    /// Describe of a statement. Errors: 26000.
    pub fn describe_statement(&mut self, name: &str) -> Result<StatementDescription> {
        let prepared = self.statement(name)?;
        prepared.undescribed = prepared.columns.is_none();
        Ok(StatementDescription { params: prepared.params.to_vec(), columns: prepared.columns.clone() })
    }

    /// Types of a statement's parameters, to decode Bind. Errors: 26000.
    pub fn statement_params(&mut self, name: &str) -> Result<Arc<[DataType]>> {
        Ok(self.statement(name)?.params.clone())
    }

    /// Bind: makes a portal. Errors: 08P01 wrong counts, 26000, 42P03, 0A000 when the result type changed.
    pub fn bind(&mut self, portal: &str, statement: &str, params: Vec<Value>, result_formats: Vec<i16>) -> Result<()> {
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(SqlError::new(SqlState::DUPLICATE_CURSOR, format!("cursor \"{portal}\" already exists")));
        }
        let made = self.make_portal(statement, params, result_formats)?;
        if portal.is_empty() {
            self.unnamed_portal = Some(made);
        } else {
            self.portals.insert(portal.to_owned(), made);
        }
        Ok(())
    }

    /// A portal over a prepared statement, by name.
    pub(super) fn make_portal(&mut self, name: &str, params: Vec<Value>, formats: Vec<i16>) -> Result<Portal> {
        let depth = self.savepoints.len();
        let found = if name.is_empty() { self.unnamed_statement.as_mut() } else { self.statements.get_mut(name) };
        let prepared = found.ok_or_else(|| unknown(name))?;
        if self.block == Block::Failed {
            let statement = prepared.cached.parsed.statement.clone();
            self.check_not_failed(&statement)?;
            return Ok(Portal::utility(prepared_parsed(self, name)?, depth, self.empty_formats.clone()));
        }
        if params.len() != prepared.params.len() {
            let (given, needed) = (params.len(), prepared.params.len());
            return Err(SqlError::new(
                SqlState::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {needed}"
                ),
            ));
        }
        let plan = if statement::is_plannable(&prepared.cached.parsed.statement) {
            let plan = statement::current_plan(&self.backend, &mut prepared.cached, &prepared.types)?;
            let known = prepared.columns.as_deref().unwrap_or(&[]);
            if !same_columns(&plan.columns, known) {
                return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "cached plan must not change result type"));
            }
            Some(plan)
        } else {
            None
        };
        let count = prepared.columns.as_ref().map_or(0, |columns| columns.len());
        let rowless =
            matches!(&*prepared.cached.parsed.statement, Statement::ExecProcedure { .. } | Statement::Fetch { .. });
        let expanded = match &prepared.formats {
            Some((known, expanded)) if *known == formats => expanded.clone(),
            // How many columns there are is known once the procedure runs.
            _ if rowless && count == 0 => Arc::from(formats.as_slice()),
            // Formats of what gives no rows mean nothing.
            _ if prepared.columns.is_none() => self.empty_formats.clone(),
            _ => {
                let expanded = expand(&formats, count)?;
                prepared.formats = Some((formats, expanded.clone()));
                expanded
            }
        };
        Ok(match plan {
            Some(plan) => Portal::plan(
                plan,
                prepared.cached.point,
                params,
                prepared.columns.clone(),
                expanded,
                depth,
                prepared.text.clone(),
            ),
            None => {
                let mut made = Portal::utility(prepared.cached.parsed.clone(), depth, expanded);
                made.arguments = (prepared.params.iter().map(|ty| ty.oid).collect(), params);
                made.columns = prepared.columns.clone();
                made.undescribed = prepared.undescribed;
                made.detached = self.block == Block::None
                    && matches!(&*prepared.cached.parsed.statement, Statement::ExecProcedure { .. });
                made
            }
        })
    }

    /// Close of a statement; an unknown name is no error.
    pub fn close_statement(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed_statement = None;
        } else {
            self.statements.remove(name);
            self.backend.prepared.borrow_mut().remove(name);
        }
    }

    /// DEALLOCATE. Errors: 26000.
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => {
                self.statements.clear();
                self.backend.prepared.borrow_mut().clear();
            }
            Some(name) => {
                self.statements.remove(name).ok_or_else(|| unknown(name))?;
                self.backend.prepared.borrow_mut().remove(name);
            }
        }
        Ok(())
    }
}

fn prepared_parsed(session: &mut Session, name: &str) -> Result<Parsed> {
    Ok(session.statement(name)?.cached.parsed.clone())
}

/// Format codes per column from those of Bind: none, one for all, or one each.
pub(super) fn expand(formats: &[i16], count: usize) -> Result<Arc<[i16]>> {
    match formats {
        [] => Ok(std::iter::repeat_n(0, count).collect()),
        [one] => Ok(std::iter::repeat_n(*one, count).collect()),
        all if all.len() == count => Ok(Arc::from(all)),
        all => Err(SqlError::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("bind message has {} result formats but query has {count} columns", all.len()),
        )),
    }
}
