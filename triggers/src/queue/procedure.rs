//! Procedures that clients call: EXEC PROCEDURE (sections 2, 7 and 9 of the Comdb2 specification).
//!
//! An execution is a Lua coroutine with a session of its own. Pulling it resumes the coroutine until it has a row, waits,
//! or ends; nothing of it runs between two pulls, and dropping it undoes what it had not committed and frees the queue
//! that it held.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Thread, Value as LuaValue};
use tripline_sql::catalog::{Catalog, TriggerDef};
use tripline_sql::change::{ProcedureCall, ProcedureShape, Progress, RunningProcedure};
use tripline_sql::engine::Engine;
use tripline_sql::env::Env;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{DataType, Row, Value};

use super::consumer::{self, Consumer, Consumers, Party};
use crate::script::Limits;
use crate::script::lua::comdb2::db::{
    Emitter, Host, Source, block_world, emit_source, interrupt, procedure, procedure_world, rows_of,
};
use crate::script::lua::convert::to_lua;
use crate::script::lua::{Budget, Interrupt, Machine, Turn, comdb2};

/// The consumer whose queue a procedure owns.
fn consumer_of(catalog: &Catalog, name: &str) -> Option<Arc<TriggerDef>> {
    catalog
        .triggers()
        .find(|def| def.dialect == "comdb2" && def.kind == "lua_consumer" && def.name.eq_ignore_ascii_case(name))
        .cloned()
}

/// What is known of a procedure before it runs.
pub(crate) fn shape(catalog: &Arc<Catalog>, name: &str, arguments: Option<&[Value]>) -> ProcedureShape {
    let Some(def) = consumer_of(catalog, name) else { return ProcedureShape::default() };
    let columns = arguments.and_then(|arguments| super::default::columns(catalog, &def, arguments));
    ProcedureShape { own_transactions: true, columns }
}

/// Starts a procedure. Errors: 42883 no such procedure or version, 42601.
pub(crate) fn start(
    engine: &Engine,
    consumers: &Arc<Consumers>,
    call: ProcedureCall,
) -> Result<Box<dyn RunningProcedure>> {
    let session = Session::from_call(call.session).ok_or_else(|| SqlError::internal("a call without its session"))?;
    let catalogs = engine.catalogs();
    let catalog = catalogs
        .database(session.database())
        .ok_or_else(|| SqlError::new(SqlState::INVALID_CATALOG_NAME, "database of this session was dropped"))?;
    let missing = || {
        let text = match &call.version {
            Some(version) => format!("no such procedure: {} ver:{version}", call.name),
            None => format!("no such procedure: {}", call.name),
        };
        SqlError::new(SqlState::UNDEFINED_FUNCTION, text)
    };
    let found = procedure(catalog, &call.name, call.version.as_deref()).ok_or_else(missing)?;
    let queue = consumer_of(catalog, &call.name);
    let limit = session.setting("max_lua_instructions").and_then(|text| text.parse().ok());
    let machine = Machine::new(Limits { steps: limit.unwrap_or(Limits::LUA.steps), ..Limits::LUA })?;
    let party = queue.map(|def| Party {
        consumers: consumers.clone(),
        engine: engine.clone(),
        def,
        database: session.database(),
        pid: session.pid(),
        waker: call.waker.clone(),
    });
    let consumes = party.is_some();
    let lua = machine.lua();
    lua.set_app_data(Host {
        session: Some(*session),
        clock: Some(engine.env().clock.clone()),
        name: call.name.clone(),
        managed: call.in_block,
        emitter: Emitter::new(&call.columns),
        consumer: party.map(|party| Box::new(Consumer::new(party)) as _),
        ..Host::default()
    });
    lua.set_app_data(Interrupt(interrupt));
    let world = |lua: &Lua, env: &Table| -> mlua::Result<()> {
        if call.in_block {
            return block_world(lua, env);
        }
        procedure_world(lua, env)?;
        if consumes { consumer::install(lua, &env.raw_get("db")?) } else { Ok(()) }
    };
    let entry = comdb2::entry(&machine, &found.body, &world)?;
    let started = || -> mlua::Result<(Thread, MultiValue)> {
        let mut arguments = Vec::new();
        for (value, ty) in &call.arguments {
            arguments.push(to_lua(lua, value, *ty)?);
        }
        Ok((lua.create_thread(entry)?, MultiValue::from_vec(arguments)))
    };
    let (thread, arguments) = started().map_err(|error| machine.ended(&error))?;
    Ok(Box::new(Execution {
        machine,
        env: engine.env().clone(),
        thread,
        arguments: Some(arguments),
        waited: false,
        returned: None,
        end: None,
        in_block: call.in_block,
    }))
}

/// A procedure that runs.
struct Execution {
    machine: Machine,
    env: Env,
    thread: Thread,
    /// Until it is resumed for the first time.
    arguments: Option<MultiValue>,
    /// It has waited since it was resumed last.
    waited: bool,
    /// What `main` returned, and the tables in it whose rows are not sent yet.
    returned: Option<(MultiValue, VecDeque<Source>)>,
    /// How it ended; rows may still wait.
    end: Option<Result<()>>,
    in_block: bool,
}

impl Execution {
    fn host<T>(&self, f: impl FnOnce(&mut Host) -> T) -> Result<T> {
        match self.machine.lua().app_data_mut::<Host>() {
            Some(mut host) => Ok(f(&mut host)),
            None => Err(SqlError::internal("an execution without its host")),
        }
    }

    fn row(&self) -> Result<Option<(Row, bool)>> {
        self.host(|host| host.emitter.take())
    }

    fn take_wait(&self) -> Result<Option<Option<Duration>>> {
        self.host(|host| host.wait.take())
    }

    /// Lets it run on. None: it has more to do, or rows.
    fn resume(&mut self) -> Result<Option<Option<Duration>>> {
        if let Some((_, sources)) = &self.returned {
            let source = sources.front().cloned();
            if let Err(error) = self.give(source.as_ref()) {
                self.fail(error)?;
            }
            return Ok(None);
        }
        let arguments = self.arguments.take().unwrap_or_default();
        // The count is of what it executes without blocking (CDB-213).
        if std::mem::take(&mut self.waited) {
            Budget::restart(self.machine.lua());
        }
        Turn::begin(self.machine.lua(), &self.env);
        let result = self.thread.resume::<MultiValue>(arguments);
        if let Some(error) = Budget::killed(self.machine.lua()) {
            self.fail(error)?;
            return Ok(None);
        }
        match result {
            Err(error) => {
                let error = self.machine.ended(&error);
                let error = if error.message() == "no function main in procedure" {
                    SqlError::new(SqlState::UNDEFINED_FUNCTION, error.message())
                } else {
                    error
                };
                self.fail(error)?;
            }
            Ok(_) if self.thread.is_resumable() => {
                let wait = self.take_wait()?;
                // One that is over already is no wait: it only lets the client have what there is.
                self.waited = wait.is_some_and(|until| until.is_none_or(|until| until > self.env.clock.elapsed()));
                return Ok(wait);
            }
            Ok(values) => {
                let mut sources = VecDeque::new();
                for value in &values {
                    let LuaValue::UserData(data) = value else { continue };
                    match rows_of(self.machine.lua(), data).map_err(|error| self.machine.ended(&error)) {
                        Ok(found) => sources.extend(found),
                        Err(error) => {
                            self.fail(error)?;
                            return Ok(None);
                        }
                    }
                }
                self.returned = Some((values, sources));
            }
        }
        Ok(None)
    }

    /// `main` has returned: the rows of the tables that it gave back, then the end.
    fn give(&mut self, source: Option<&Source>) -> Result<()> {
        if let Some(source) = source {
            let more = emit_source(self.machine.lua(), source, false).map_err(|error| self.machine.ended(&error))?;
            if let (false, Some((_, sources))) = (more, &mut self.returned) {
                sources.pop_front();
            }
            return Ok(());
        }
        let (values, _) = self.returned.take().unwrap_or_default();
        let outcome = self.finish(&values);
        self.host(|host| {
            host.undo();
            host.consumer = None;
        })?;
        self.end = Some(outcome);
        Ok(())
    }

    /// Its rows so far are delivered before the error.
    fn fail(&mut self, error: SqlError) -> Result<()> {
        self.host(|host| {
            host.close_cursors();
            host.undo();
            host.consumer = None;
        })?;
        self.end = Some(Err(error));
        Ok(())
    }

    /// `main` has returned (CDB-206, CDB-207, CDB-209).
    fn finish(&mut self, values: &MultiValue) -> Result<()> {
        let (mut code, mut text) = (0, None);
        for value in values {
            match value {
                LuaValue::Integer(n) => code = *n,
                #[allow(clippy::cast_possible_truncation, reason = "a code; truncation saturates")]
                LuaValue::Number(n) => code = *n as i64,
                LuaValue::String(string) => text = Some(string.to_string_lossy()),
                _ => {}
            }
        }
        let in_block = self.in_block;
        self.host(|host| {
            host.close_cursors();
            if host.explicit {
                return Err(SqlError::new(SqlState::new("2D000"), "unterminated transaction (no commit or rollback)")
                    .detail("procedure return code: -222"));
            }
            if in_block {
                return host.doomed.take().map_or(Ok(()), Err);
            }
            host.commit()
        })??;
        if code == 0 {
            return Ok(());
        }
        let code = if (-299..=-200).contains(&code) { code } else { -200 };
        let text = text.unwrap_or_else(|| format!("procedure returned {code}"));
        Err(SqlError::new(SqlState::RAISE_EXCEPTION, text).detail(format!("procedure return code: {code}")))
    }
}

impl RunningProcedure for Execution {
    fn next(&mut self) -> Result<Progress> {
        loop {
            if let Some((row, blocking)) = self.row()? {
                return Ok(Progress::Row { row, blocking });
            }
            match self.end.take() {
                Some(Ok(())) => {
                    self.end = Some(Ok(()));
                    return Ok(Progress::Done);
                }
                Some(Err(error)) => {
                    self.end = Some(Ok(()));
                    return Err(error);
                }
                None => {}
            }
            if let Some(until) = self.resume()? {
                // What it gave before it waits goes first.
                return match self.row()? {
                    Some((row, blocking)) => {
                        self.host(|host| host.wait = None)?;
                        Ok(Progress::Row { row, blocking })
                    }
                    None => Ok(Progress::Waiting(until)),
                };
            }
        }
    }

    fn ready(&mut self) -> Option<(Row, bool)> {
        self.row().ok().flatten()
    }

    fn columns(&self) -> Option<Vec<(String, DataType)>> {
        self.host(|host| host.emitter.columns()).ok().flatten()
    }

    fn with_session(&mut self, f: &mut dyn FnMut(&mut (dyn Any + Send))) {
        if let Some(mut host) = self.machine.lua().app_data_mut::<Host>()
            && let Some(session) = &mut host.session
        {
            f(session);
        }
    }
}
