//! Comdb2's API: the global `db`, table handles, statements, rows out (sections 10.3 to 10.5 of the specification).
//!
//! `db` is a table of functions, put together for what the code is: a trigger (CDB-509), a procedure inside a client's
//! block (CDB-210), any other procedure; consumers add to it. What is missing on purpose is nil, so that calling it is
//! the documented Lua error. The session that everything runs in lives in the state's `Host`, not in the script.
//!
//! A failed write dooms the transaction, whatever the script makes of the code it gets (CDB-510, CDB-1021). Functions
//! that wait are small Lua loops around one that looks: they yield to the host between two looks, and nothing of
//! the host is borrowed then.

mod emit;
mod rows;
mod statement;
mod text;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use tripline_sql::catalog::{Catalog, FunctionDef};
use tripline_sql::change::QueryResult;
use tripline_sql::env::Clock;
use tripline_sql::error::{Result, Severity, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{DataType, TimeZone, Value};

pub(crate) use emit::{Emitter, blocking_emit, emit_source};
pub(crate) use rows::{Cursors, Source};
pub(crate) use statement::rows_of;

use crate::script::lua::budget::Outside;
use crate::script::lua::convert::{self, EPOCH_MICROS, Kind, Typed, to_lua};
use crate::script::lua::{Budget, log, token, yielder};

/// What an event is, for `db:get_event_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventInfo {
    /// Equal for all events of one transaction.
    pub(crate) tid: i64,
    /// Unix seconds of its commit.
    pub(crate) epoch: i64,
    /// Its number WITH SEQUENCE.
    pub(crate) sequence: Option<i64>,
}

/// Events that the running transaction consumes: the consumer's part in a commit.
pub(crate) trait Consumption: Send {
    /// Whether the next commit consumes any.
    fn pending(&self) -> bool;
    /// Consumes with no commit of its own, where nothing else belongs to the transaction; false: that cannot be. Errors:
    /// 40001 and 55000.
    fn pass(&mut self, session: &mut Session) -> Result<bool>;
    /// Adds the consumption to the open transaction. Errors: 40001 when the queue is another client's now.
    fn add_to(&mut self, session: &mut Session) -> Result<()>;
    /// The transaction has ended.
    fn ended(&mut self, committed: bool);
    /// For the consumer's own functions.
    fn as_any(&mut self) -> &mut dyn Any;
}

/// What a transaction did (CDB-1020).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effects {
    selected: u64,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// What a state knows outside of its scripts.
#[derive(Default)]
pub(crate) struct Host {
    /// Where SQL runs; none in tests of the sandbox.
    pub(crate) session: Option<Session>,
    /// The machine's clock, as the session's engine has it.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// `db:spname()`.
    pub(crate) name: String,
    /// Somebody else begins and ends the transaction: a trigger's runner, or the client.
    pub(crate) managed: bool,
    /// Nobody looks at the codes of a trigger's writes: each that fails dooms its transaction (CDB-510).
    pub(crate) strict: bool,
    /// `db:begin()` was called.
    pub(crate) explicit: bool,
    /// `db:error()`.
    pub(crate) error: String,
    /// The first failed write of the transaction.
    pub(crate) doomed: Option<SqlError>,
    /// The last `db:now()`: the next one is later.
    pub(crate) last_now: i64,
    /// Zone of new datetimes.
    pub(crate) zone: Option<Arc<str>>,
    /// `db:setdatetimeprecision`.
    pub(crate) micros: bool,
    /// Rows out.
    pub(crate) emitter: Emitter,
    /// Bytes of messages for the client since the script was left last.
    pub(crate) told: usize,
    /// What the script waits for: a moment, or only to be woken.
    pub(crate) wait: Option<Option<Duration>>,
    /// The queue that it consumes.
    pub(crate) consumer: Option<Box<dyn Consumption>>,
    /// Of the open transaction.
    pub(crate) effects: Effects,
    /// Queries of the open transaction that are not at their end.
    pub(crate) cursors: Cursors,
}

impl Host {
    pub(crate) fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| SqlError::unsupported("SQL in a Lua function"))
    }

    /// The session, inside a transaction.
    pub(crate) fn begun(&mut self) -> Result<&mut Session> {
        let managed = self.managed;
        let session = self.session()?;
        if !managed && !session.in_transaction() {
            session.begin_internal(None, None)?;
        }
        Ok(session)
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.as_ref().map_or(Duration::ZERO, |clock| clock.elapsed())
    }

    /// Before a wait: a transaction that has written nothing holds no table against others (CDB-714, CDB-1201).
    pub(crate) fn rest(&mut self) {
        if self.managed {
            return;
        }
        let idle = |session: &Session| session.in_transaction() && !session.has_written();
        if self.session.as_ref().is_some_and(idle) {
            self.settle();
            if let Some(session) = &mut self.session {
                session.rollback_internal();
            }
        }
    }

    /// Commits what there is, with the events that it consumes. Errors: it is rolled back.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let result = self.try_commit();
        match result {
            Ok(()) => self.error.clear(),
            Err(_) => {
                if let Some(session) = &mut self.session {
                    session.rollback_internal();
                }
            }
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.ended(result.is_ok());
        }
        self.doomed = None;
        result
    }

    /// Before an explicit transaction: the implicit one is committed. The event fetched last stays at hand, so that it can
    /// be consumed inside (13.3).
    fn begin_explicit(&mut self) -> Result<()> {
        let result = self.try_commit();
        if result.is_err()
            && let Some(session) = &mut self.session
        {
            session.rollback_internal();
        }
        self.doomed = None;
        self.effects = Effects::default();
        self.explicit = result.is_ok();
        result
    }

    fn try_commit(&mut self) -> Result<()> {
        self.settle();
        if let Some(error) = self.doomed.take() {
            return Err(error);
        }
        let consumes = self.consumer.as_ref().is_some_and(|consumer| consumer.pending());
        let writes = self.session.as_ref().is_some_and(Session::has_written);
        if let (true, Some(consumer), Some(session)) = (consumes, &mut self.consumer, &mut self.session) {
            if !session.in_transaction() {
                if consumer.pass(session)? {
                    return Ok(());
                }
                session.begin_internal(None, None)?;
            }
            consumer.add_to(session)?;
        }
        let session = self.session()?;
        if !session.in_transaction() {
            return Ok(());
        }
        if consumes && !writes { session.commit_consumption() } else { session.commit_internal().map(|_| ()) }
    }

    /// Undoes what is not committed.
    pub(crate) fn undo(&mut self) {
        if self.managed {
            return;
        }
        self.settle();
        if let Some(session) = &mut self.session {
            session.rollback_internal();
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.ended(false);
        }
        self.doomed = None;
        self.explicit = false;
    }

    /// Notes an error for `db:error()`; a failed write dooms the transaction. Gives Comdb2's code.
    fn fail(&mut self, error: &SqlError, write: bool) -> i64 {
        error.message().clone_into(&mut self.error);
        if write && self.doomed.is_none() {
            self.doomed = Some(error.clone());
        }
        code_of(error)
    }

    fn count(&mut self, result: &QueryResult) {
        let word = result.tag.split(' ').next().unwrap_or_default();
        let slot = match word {
            "INSERT" => &mut self.effects.inserted,
            "UPDATE" | "MERGE" => &mut self.effects.updated,
            "DELETE" => &mut self.effects.deleted,
            _ => &mut self.effects.selected,
        };
        *slot += result.count;
    }
}

/// Comdb2's codes (CDB-1021).
fn code_of(error: &SqlError) -> i64 {
    match error.state() {
        SqlState::UNIQUE_VIOLATION => 1,
        SqlState::FOREIGN_KEY_VIOLATION => 3,
        SqlState::NOT_NULL_VIOLATION => 4,
        SqlState::CHECK_VIOLATION => 403,
        state if state.class() == "40" => 2,
        state if state.class() == "22" => 113,
        _ => -1,
    }
}

/// An error that no `pcall` may hold back: the client cancelled, or must go.
fn is_final(error: &SqlError) -> bool {
    matches!(error.state(), SqlState::QUERY_CANCELED | SqlState::ADMIN_SHUTDOWN)
}

pub(crate) fn with_host<T>(lua: &Lua, f: impl FnOnce(&mut Host) -> mlua::Result<T>) -> mlua::Result<T> {
    match lua.app_data_mut::<Host>() {
        Some(mut host) => f(&mut host),
        None => Err(mlua::Error::runtime("no database in this state")),
    }
}

/// Raises an error of SQL in the script.
pub(crate) fn raise(lua: &Lua, error: SqlError) -> mlua::Error {
    if is_final(&error) { Budget::kill(lua, error) } else { mlua::Error::external(error) }
}

/// Looked at while a script runs: whether its client cancelled.
pub(crate) fn interrupt(lua: &Lua) -> Result<()> {
    match lua.try_app_data_ref::<Host>() {
        Ok(Some(host)) => host.session.as_ref().map_or(Ok(()), Session::check_cancel),
        _ => Ok(()),
    }
}

/// The default version of a Comdb2 procedure, or a version by name.
pub(crate) fn procedure<'a>(catalog: &'a Catalog, name: &str, version: Option<&str>) -> Option<&'a Arc<FunctionDef>> {
    catalog.functions().find(|def| {
        def.dialect == "comdb2"
            && def.name.eq_ignore_ascii_case(name)
            && match version {
                Some(version) => def.version.as_deref() == Some(version),
                None => def.default_version,
            }
    })
}

/// `print` and `trace`. Where the script cannot be left (inside a library's callback), it is told when it next can.
const TELLING: &str = "
local db, token, yield, tell, log = ...
local yieldable = coroutine.isyieldable
function db:print(text)
  local left = yieldable()
  if tell(text, false, left) and left then yield(token) end
  return 0
end
function db:trace(text)
  local left = yieldable()
  if tell(text, true, left) and left then yield(token) end
  return log(db, text)
end
";

/// The API of a trigger's procedure (CDB-509).
pub(crate) fn trigger_world(lua: &Lua, env: &Table) -> mlua::Result<()> {
    let db = lua.create_table()?;
    common(lua, &db, false)?;
    db.raw_set(
        "sleepms",
        lua.create_function(|lua, (_, ms): (LuaValue, f64)| {
            with_host(lua, |host| {
                let nap = [Value::Float8(ms.max(0.0) / 1000.0)];
                let session = host.begun().map_err(mlua::Error::external)?;
                session.run_inside("SELECT pg_sleep($1)", &[], &nap).map_err(mlua::Error::external)?;
                Ok(0)
            })
        })?,
    )?;
    lua.load("local db = ... function db:sleep(s) return db:sleepms(s * 1000) end").set_name("=api").call::<()>(&db)?;
    env.raw_set("db", db)
}

/// The API of a function of SQL (CDB-111): no rows out, no transactions, no threads, no waiting, and no SQL of its own.
pub(crate) fn function_world(lua: &Lua, env: &Table) -> mlua::Result<()> {
    let db = lua.create_table()?;
    common(lua, &db, false)?;
    for name in ["exec", "prepare", "bind", "table", "sp"] {
        db.raw_set(
            name,
            lua.create_function(|_, _: MultiValue| -> mlua::Result<()> {
                Err(mlua::Error::external(SqlError::unsupported("SQL in a Lua function")))
            })?,
        )?;
    }
    env.raw_set("db", db)
}

/// The API of a procedure that runs inside a client's block.
pub(crate) fn block_world(lua: &Lua, env: &Table) -> mlua::Result<()> {
    let db = lua.create_table()?;
    common(lua, &db, true)?;
    emitting(lua, &db)?;
    env.raw_set("db", db)
}

/// The API of a procedure with transactions of its own.
pub(crate) fn procedure_world(lua: &Lua, env: &Table) -> mlua::Result<()> {
    block_world(lua, env)?;
    let db: Table = env.raw_get("db")?;
    transactions(lua, &db)?;
    lua.load(THREADS).set_name("=api").call((&db, env))
}

/// `create_thread` (CDB-1033): a procedure has one interpreter, so its threads run one after the other, each when it is
/// made; `join` gives what it returned.
const THREADS: &str = "
local db, env = ...
local error, type, select, unpack, tostring = error, type, select, unpack, tostring
local function ended(thread, ok, ...)
  thread.ok, thread.n, thread.values = ok, select('#', ...), { ... }
  return thread
end
function db:create_thread(f, ...)
  if type(f) ~= 'function' then error(\"bad argument to 'create_thread' (function expected)\", 2) end
  local state = ended({}, env.pcall(f, ...))
  local thread = {}
  function thread:join()
    if state.ok then return unpack(state.values, 1, state.n) end
  end
  function thread:error()
    if not state.ok then return tostring(state.values[1]) end
  end
  return thread
end
";

/// What every kind of code has.
fn common(lua: &Lua, db: &Table, emits: bool) -> mlua::Result<()> {
    if lua.app_data_ref::<Events>().is_none() {
        let kept: Table = lua.load("return setmetatable({}, { __mode = 'k' })").eval()?;
        lua.set_app_data(Events(kept));
    }
    for (name, code) in [
        ("err_dup", 1),
        ("err_verify", 2),
        ("err_fkey", 3),
        ("err_null_constraint", 4),
        ("err_selectv", -103),
        ("err_conv", 113),
        ("err_check_constraint", 403),
    ] {
        db.raw_set(name, code)?;
    }
    statement::install(lua, db, emits)?;
    text::install(lua, db)?;
    let set = |name: &str, function: mlua::Function| db.raw_set(name, function);
    set("now", lua.create_function(|lua, (_, precision): (LuaValue, Option<String>)| now(lua, precision.as_deref()))?)?;
    let error = lua.create_function(|lua, _: MultiValue| with_host(lua, |host| Ok(host.error.clone())))?;
    set("error", error.clone())?;
    set("sqlerror", error)?;
    set(
        "reset",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| {
                host.error.clear();
                Ok(0)
            })
        })?,
    )?;
    set(
        "isnull",
        lua.create_function(|_, (_, value): (LuaValue, LuaValue)| Ok(value.is_nil() || convert::is_null(&value)))?,
    )?;
    let null = lua.create_function(|lua, _: MultiValue| convert::null(lua, Kind::Int))?;
    set("null", null.clone())?;
    set("NULL", null)?;
    set(
        "setnull",
        lua.create_function(|lua, (_, value): (LuaValue, LuaValue)| {
            let kind = convert::typed(&value).map_or(Kind::Cstring, |typed| Kind::of(typed.ty));
            convert::null(lua, kind)
        })?,
    )?;
    set(
        "cast",
        lua.create_function(|lua, (_, value, name): (LuaValue, LuaValue, String)| {
            let kind = Kind::named(&name).ok_or_else(|| mlua::Error::runtime(format!("no such type: {name}")))?;
            convert::convert_lua(lua, &value, kind)
        })?,
    )?;
    set("spname", lua.create_function(|lua, _: MultiValue| with_host(lua, |host| Ok(host.name.clone())))?)?;
    let trace = lua.create_function(|lua, (_, value): (LuaValue, LuaValue)| {
        log(&convert::text(lua, &value)?);
        Ok(0)
    })?;
    set("ctrace", trace.clone())?;
    // What the client is told it is told at once: the host sends it while the script waits for no time at all (CDB-913).
    let tell = lua.create_function(move |lua, (value, trace, left): (LuaValue, bool, bool)| {
        let line = convert::text(lua, &value)?;
        with_host(lua, |host| {
            let now = host.now();
            let Some(session) = host.session.as_ref() else { return Ok(false) };
            if trace && session.setting("sptrace").as_deref() != Some("on") {
                return Ok(false);
            }
            if !emits {
                // A trigger has no client.
                log(&line);
                return Ok(false);
            }
            // Where the script cannot be left, messages wait for it to be.
            host.told = if left { line.len() } else { host.told.saturating_add(line.len()) };
            Outside::allows(lua, host.told)?;
            session.notice(SqlError::notice(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, line));
            host.wait = Some(Some(now));
            Ok(true)
        })
    })?;
    lua.load(TELLING).set_name("=api").call::<()>((db, token(lua)?, yielder(lua)?, tell, trace))?;
    set(
        "get_event_tid",
        lua.create_function(|lua, (_, event): (LuaValue, LuaValue)| match event_info(lua, &event)? {
            Some(info) => to_lua(lua, &Value::Int8(info.tid), DataType::INT8),
            None => Ok(LuaValue::Nil),
        })?,
    )?;
    set(
        "get_event_epoch",
        lua.create_function(|lua, (_, event): (LuaValue, LuaValue)| match event_info(lua, &event)? {
            Some(info) => to_lua(lua, &Value::Int8(info.epoch), DataType::INT8),
            None => Ok(LuaValue::Nil),
        })?,
    )?;
    set(
        "get_event_sequence",
        lua.create_function(|lua, (_, event): (LuaValue, LuaValue)| match event_info(lua, &event)? {
            Some(info) => to_lua(lua, &Value::from(info.sequence), DataType::INT8),
            None => Ok(LuaValue::Nil),
        })?,
    )?;
    set(
        "setmaxinstructions",
        lua.create_function(|lua, (_, limit): (LuaValue, u64)| {
            if !(100..=1_000_000_000).contains(&limit) {
                return Err(mlua::Error::runtime("instruction quota must be 100 to 1000000000"));
            }
            if let Some(mut budget) = lua.app_data_mut::<Budget>() {
                budget.limit = limit;
            }
            Ok(0)
        })?,
    )?;
    set(
        "getinstructioncount",
        lua.create_function(|lua, _: MultiValue| Ok(lua.app_data_ref::<Budget>().map_or(0, |budget| budget.used)))?,
    )?;
    set(
        "udf_error",
        lua.create_function(|_, (_, text): (LuaValue, String)| -> mlua::Result<()> {
            Err(mlua::Error::runtime(text))
        })?,
    )?;
    set(
        "settimezone",
        lua.create_function(|lua, (_, zone): (LuaValue, String)| {
            TimeZone::parse(&zone).map_err(mlua::Error::external)?;
            with_host(lua, |host| {
                host.zone = Some(zone.into());
                Ok(0)
            })
        })?,
    )?;
    set(
        "gettimezone",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| {
                let of_session = host.session.as_ref().and_then(|session| session.setting("TimeZone"));
                Ok(host.zone.as_deref().map(str::to_owned).or(of_session))
            })
        })?,
    )?;
    set(
        "setdatetimeprecision",
        lua.create_function(|lua, (_, precision): (LuaValue, String)| {
            with_host(lua, |host| {
                host.micros = is_micros(&precision)?;
                Ok(0)
            })
        })?,
    )?;
    set(
        "getdatetimeprecision",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| Ok(if host.micros { "microsecond" } else { "millisecond" }))
        })?,
    )?;
    set(
        "getdbname",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| Ok(host.session.as_ref().map(Session::database_name)))
        })?,
    )?;
    set(
        "get_trans",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| Ok((host.managed || host.explicit, "read committed")))
        })?,
    )?;
    set("guid", lua.create_function(|lua, (_, text): (LuaValue, Option<String>)| guid(lua, text.as_deref()))?)?;
    set(
        "guid_str",
        lua.create_function(|lua, (_, blob): (LuaValue, LuaValue)| {
            let bytes = match convert::typed(&blob).map(|typed| typed.value) {
                Some(Value::Bytea(bytes)) => bytes,
                _ => match guid(lua, None)?.value {
                    Value::Bytea(bytes) => bytes,
                    _ => Arc::from([]),
                },
            };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if hex.len() != 32 {
                return Err(mlua::Error::runtime("a guid has 16 bytes"));
            }
            Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
        })?,
    )?;
    set(
        "sp",
        lua.create_function(move |lua, (_, name, version): (LuaValue, String, Option<String>)| {
            let source = with_host(lua, |host| {
                let found = host.begun().and_then(|session| {
                    session.with_hook_context(&mut |ctx| {
                        Ok(procedure(&ctx.catalog(), &name, version.as_deref()).map(|def| def.body.clone()))
                    })
                });
                Ok(match found {
                    Ok(Some(source)) => Some(source),
                    Ok(None) => {
                        host.error = format!("no such procedure: {name}");
                        None
                    }
                    Err(error) => {
                        host.fail(&error, false);
                        None
                    }
                })
            })?;
            match source {
                Some(source) if emits => super::chunk_main(lua, &source, &block_world),
                Some(source) => super::chunk_main(lua, &source, &trigger_world),
                None => Ok(None),
            }
        })?,
    )
}

fn is_micros(precision: &str) -> mlua::Result<bool> {
    match precision {
        "us" | "microsecond" | "usec" => Ok(true),
        "ms" | "millisecond" | "msec" => Ok(false),
        other => Err(mlua::Error::runtime(format!("incorrect precision: {other}"))),
    }
}

/// `db:now()`: later than the one before; of a run with `ms` cut to milliseconds.
fn now(lua: &Lua, precision: Option<&str>) -> mlua::Result<Typed> {
    with_host(lua, |host| {
        let clock = match &host.clock {
            Some(clock) => clock.now(),
            None => return Err(mlua::Error::runtime("no clock in this state")),
        };
        host.last_now = (clock - EPOCH_MICROS).max(host.last_now + 1);
        let value = match precision {
            Some(precision) if !is_micros(precision)? => host.last_now.div_euclid(1000) * 1000,
            _ => host.last_now,
        };
        Ok(Typed::new(Value::TimestampTz(value), DataType::TIMESTAMPTZ).in_zone(host.zone.clone()))
    })
}

/// Sixteen bytes: random, or those that a text spells.
fn guid(lua: &Lua, text: Option<&str>) -> mlua::Result<Typed> {
    with_host(lua, |host| {
        let sql = if text.is_some() { "SELECT $1::uuid" } else { "SELECT gen_random_uuid()" };
        let session = host.begun().map_err(mlua::Error::external)?;
        let params: Vec<Value> = text.map(Value::text).into_iter().collect();
        let sql = if text.is_some() { "SELECT ($1::text)::uuid" } else { sql };
        let result = session.run_inside(sql, &[], &params).map_err(mlua::Error::external)?;
        match result.rows.first().and_then(|row| row.first()) {
            Some(Value::Uuid(bytes)) => Ok(convert::blob(bytes)),
            _ => Err(mlua::Error::runtime("no guid")),
        }
    })
}

/// Where what is known of events is kept, by their tables; a table that goes takes it along.
struct Events(Table);

/// Remembers what an event is.
pub(crate) fn remember_event(lua: &Lua, event: &Table, info: EventInfo) -> mlua::Result<()> {
    let Some(kept) = lua.app_data_ref::<Events>().map(|events| events.0.clone()) else { return Ok(()) };
    let mut bytes = [0; 25];
    bytes[..8].copy_from_slice(&info.tid.to_le_bytes());
    bytes[8..16].copy_from_slice(&info.epoch.to_le_bytes());
    bytes[16..24].copy_from_slice(&info.sequence.unwrap_or_default().to_le_bytes());
    bytes[24] = u8::from(info.sequence.is_some());
    kept.raw_set(event, lua.create_string(bytes)?)
}

fn event_info(lua: &Lua, event: &LuaValue) -> mlua::Result<Option<EventInfo>> {
    let (LuaValue::Table(event), Some(kept)) = (event, lua.app_data_ref::<Events>().map(|events| events.0.clone()))
    else {
        return Ok(None);
    };
    let LuaValue::String(bytes) = kept.raw_get::<LuaValue>(event)? else { return Ok(None) };
    let bytes = bytes.as_bytes();
    let number = |at: usize| {
        bytes.get(at..at + 8).and_then(|piece| piece.try_into().ok()).map(i64::from_le_bytes).unwrap_or_default()
    };
    Ok(Some(EventInfo { tid: number(0), epoch: number(8), sequence: (bytes.last() == Some(&1)).then(|| number(16)) }))
}

/// Rows out and waiting: `emit`, the column calls, `sleep`.
fn emitting(lua: &Lua, db: &Table) -> mlua::Result<()> {
    emit::install(lua, db)?;
    let deadline = lua.create_function(|lua, ms: f64| {
        let ms = if ms.is_finite() { ms.clamp(0.0, 1e12) } else { 1e12 };
        with_host(lua, |host| Ok(host.now().as_secs_f64() + ms / 1000.0))
    })?;
    let passed = lua.create_function(|lua, until: f64| {
        with_host(lua, |host| {
            if host.now().as_secs_f64() >= until {
                return Ok(true);
            }
            host.rest();
            host.wait = Some(Some(Duration::from_secs_f64(until)));
            Ok(false)
        })
    })?;
    lua.load(
        "local db, token, yield, deadline, passed = ...
         function db:sleepms(ms)
           local till = deadline(ms)
           while not passed(till) do yield(token) end
           return 0
         end
         function db:sleep(s) return db:sleepms(s * 1000) end",
    )
    .set_name("=api")
    .call::<()>((db, token(lua)?, yielder(lua)?, deadline, passed))
}

/// `begin`, `commit`, `rollback` (CDB-209, CDB-1020).
fn transactions(lua: &Lua, db: &Table) -> mlua::Result<()> {
    db.raw_set(
        "begin",
        lua.create_function(|lua, _: MultiValue| {
            let result = with_host(lua, |host| {
                if host.explicit {
                    return Ok(Err(SqlError::new(
                        SqlState::ACTIVE_SQL_TRANSACTION,
                        "BEGIN in the middle of transaction",
                    )));
                }
                Ok(host.begin_explicit())
            })?;
            result.map(|()| 0).map_err(|error| raise(lua, error))
        })?,
    )?;
    db.raw_set(
        "commit",
        lua.create_function(|lua, (_, options): (LuaValue, Option<Table>)| {
            let with_effects = match options {
                Some(options) => options.get::<Option<bool>>("with_effects")?.unwrap_or(false),
                None => false,
            };
            let (code, effects) = with_host(lua, |host| {
                if !std::mem::take(&mut host.explicit) {
                    return Err(no_transaction());
                }
                let effects = std::mem::take(&mut host.effects);
                let code = match host.commit() {
                    Ok(()) => 0,
                    Err(error) if is_final(&error) => return Err(mlua::Error::external(error)),
                    Err(error) => host.fail(&error, false),
                };
                Ok((code, effects))
            })?;
            if !with_effects {
                return Ok(MultiValue::from_vec(vec![LuaValue::Integer(code)]));
            }
            let table = lua.create_table()?;
            table.raw_set("num_affected", effects.inserted + effects.updated + effects.deleted)?;
            table.raw_set("num_selected", effects.selected)?;
            table.raw_set("num_inserted", effects.inserted)?;
            table.raw_set("num_updated", effects.updated)?;
            table.raw_set("num_deleted", effects.deleted)?;
            Ok(MultiValue::from_vec(vec![LuaValue::Integer(code), LuaValue::Table(table)]))
        })?,
    )?;
    db.raw_set(
        "rollback",
        lua.create_function(|lua, _: MultiValue| {
            with_host(lua, |host| {
                if !host.explicit {
                    return Err(no_transaction());
                }
                host.undo();
                Ok(0)
            })
        })?,
    )
}

fn no_transaction() -> mlua::Error {
    mlua::Error::external(SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "No transaction to COMMIT/ROLLBACK"))
}
