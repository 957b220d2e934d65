//! Queries that a procedure reads row by row (CDB-1012, CDB-1014): begun inside its transaction, ended with it at the latest.
//! They see what the transaction saw when they began; a query whose rows nobody asks for costs nothing.

use super::Session;
use crate::change::QueryResult;
use crate::error::{Result, SqlError, SqlState};
use crate::exec::statement::{prepare_text, run_text};
use crate::exec::{Exec, Run, State, is_point};
use crate::plan::PlanKind;
use crate::types::{DataType, Oid, Row, Value};

/// A query under way. It belongs to the session that began it, and goes back to it with `end_reading`.
pub struct Reading {
    run: Box<Run>,
    state: State,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading")
    }
}

/// What a statement of a procedure gave.
#[derive(Debug)]
pub enum Begun {
    /// It ran to its end.
    Result(QueryResult),
    /// It is no query and no write, though it begins as one: SELECT INTO. Nothing was run.
    Refused,
    /// Its columns, and its rows when they are asked for.
    Reading(Vec<(String, DataType)>, Reading),
}

impl Session {
    /// Runs one statement inside the open transaction, as `run_inside` does, but a query is only begun.
    pub fn begin_inside(&mut self, sql: &str, types: &[Oid], params: &[Value]) -> Result<Begun> {
        if self.backend.txn.borrow().is_none() {
            return Err(SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
        }
        self.backend.statement_time.set(self.backend.now());
        let statement = prepare_text(&self.backend, sql, types)?;
        let word = sql.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(..4).unwrap_or_default();
        if statement.plan.is_none() && !["show", "expl"].iter().any(|first| word.eq_ignore_ascii_case(first)) {
            return Ok(Begun::Refused);
        }
        let query = statement
            .plan
            .as_ref()
            .filter(|(plan, _)| plan.kind == PlanKind::Select && !plan.writes && plan.params.len() == params.len());
        let Some((plan, _)) = query.filter(|(plan, _)| !is_point(&plan.root)) else {
            return run_text(&self.backend, sql, types, params, 0).map(Begun::Result);
        };
        let run = Run::begin(&self.backend, plan, params.to_vec(), 0)?;
        let columns = run.plan.columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
        let state = State::new(&run.plan.root);
        Ok(Begun::Reading(columns, Reading { run: Box::new(run), state }))
    }

    /// The next row; none at the end, and when the transaction in which the query began has ended.
    pub fn read_inside(&mut self, reading: &mut Reading) -> Result<Option<Row>> {
        if self.backend.txn.borrow().is_none() {
            return Ok(None);
        }
        let Reading { run, state } = reading;
        let exec = Exec { backend: &self.backend, run };
        state.next(&run.plan.root, &exec.cx())
    }

    /// Ends a query.
    pub fn end_reading(&mut self, reading: Reading) {
        self.backend.end_statement(reading.run.snapshot);
        self.rest_on_seen();
    }
}
