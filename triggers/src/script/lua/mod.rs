//! Lua: a host for scripts. The interpreter is LuaJIT's with compilation off, so that its hook sees every instruction.
//!
//! Here is what every API of scripts stands on: `Machine`, a state with its budget of instructions and memory; `base`, a
//! world of Lua's own libraries without files, processes, loading of code, `ffi` and what could be used to get at these;
//! `compile`, plain Lua as a function in a world; values (`convert`), patterns, and errors as SQL's. When a budget is spent
//! the run is killed, and `pcall`, `xpcall`, `coroutine.resume` and `coroutine.wrap` cannot swallow that: they look at the
//! budget before they give anything back. Whoever waits yields the host's `token` to it.
//!
//! How sources are written, what their world has besides, and how they are started, is each API's own: `comdb2`.

mod budget;
pub(crate) mod comdb2;
pub(crate) mod convert;
mod pattern;

use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, VmState};
use tripline_sql::error::{Result, SqlError, SqlState};

use self::budget::{HOOK_EVERY, Outside};
use super::Limits;

pub(crate) use self::budget::{Budget, Interrupt, Turn};

/// Most bytes of a line that a script writes to the server's log.
const LOG_LINE_MAX: usize = 8 << 10;

/// Writes a script's text to the server's log; the end of a long one is left out.
pub(crate) fn log(text: &str) {
    let mut end = text.len().min(LOG_LINE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { " ..." } else { "" };
    tracing::info!(target: "lua", "{}{more}", &text[..end]);
}

/// What coroutines that the host resumes yield to it; a script's own `resume` passes it on. Its keys are the coroutines
/// that scripts made: they alone may yield to a script.
struct Token(Table);

/// The function of the host's API to yield with: `yield(token)`.
pub(crate) fn token(lua: &Lua) -> mlua::Result<Table> {
    match lua.app_data_ref::<Token>() {
        Some(token) => Ok(token.0.clone()),
        None => Err(mlua::Error::runtime("no host to yield to")),
    }
}

/// The error that a script caught last, and its text: when the script raises the text again, it is still that error
/// (CDB-1401).
struct Caught(String, SqlError);

/// A Lua state with its sandbox.
pub(crate) struct Machine {
    lua: Lua,
    limits: Limits,
}

/// What the libraries of all scripts of a state have in common. A script can reach the strings' metatable by no function, so
/// that a procedure cannot change another one's strings; sorting pays for what it takes.
const LIBRARIES: &str = "
local token, sorts = ...
local sort, type, setmetatable = table.sort, type, setmetatable
setmetatable(token, { __mode = 'k' })
string.dump = nil
local methods = {}
for name, method in pairs(string) do methods[name] = method end
local meta = getmetatable('')
meta.__index, meta.__metatable = methods, false
function table.sort(t, f)
  if type(t) == 'table' and #t > 64 then sorts(#t) end
  return sort(t, f)
end
";

/// The world's own functions; `check` raises the error of a run that was killed, `said` makes text of an error.
const BASE: &str = r#"
local env, check, token, said, traceback, getinfo = ...
local pcall, xpcall, error, type, select = pcall, xpcall, error, type, select
local co = coroutine
local function done(...) check() return ... end
-- Errors reach scripts as text.
local function caught(ok, e, ...)
  if not ok and type(e) == 'userdata' then return false, said(e) end
  return ok, e, ...
end
env.pcall = function(f, ...) return done(caught(pcall(f, ...))) end
env.xpcall = function(f, h, ...) return done(xpcall(f, function(e) return h(type(e) == 'userdata' and said(e) or e) end, ...)) end
local function finish(ok, ...)
  check()
  if ok then return ... end
  error((...), 0)
end
local create, resume, yield, running = co.create, co.resume, co.yield, co.running
local function made(f)
  local c = create(f)
  token[c] = true
  return c
end
-- What is meant for the host goes on to it.
local function pass(c, ok, first, ...)
  if ok and first == token then
    yield(token)
    return pass(c, resume(c))
  end
  return ok, first, ...
end
env.coroutine = {
  create = made, status = co.status, running = running,
  yield = function(...)
    if not token[running() or 0] then error('attempt to yield from outside a coroutine', 2) end
    return yield(...)
  end,
  resume = function(c, ...) return done(caught(pass(c, resume(c, ...)))) end,
  wrap = function(f)
    local c = made(f)
    return function(...) return finish(pass(c, resume(c, ...))) end
  end,
}
for name, from in pairs({ string = string, table = table, math = math }) do
  local to = {}
  for k, v in pairs(from) do to[k] = v end
  env[name] = to
end
for _, name in ipairs({ 'assert', 'error', 'ipairs', 'next', 'pairs', 'rawequal', 'rawget', 'rawset', 'rawlen',
  'select', 'setmetatable', 'getmetatable', 'tonumber', 'tostring', 'type', 'unpack' }) do
  env[name] = _G[name]
end
env.table.unpack = unpack
env._VERSION = _VERSION
env.debug = { traceback = traceback, getinfo = getinfo }
env.os = { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time }
"#;

impl Machine {
    /// A state of its own. Errors: 53200.
    pub(crate) fn new(limits: Limits) -> Result<Machine> {
        Machine::build(limits).map_err(|error| sql_error(&error))
    }

    fn build(limits: Limits) -> mlua::Result<Machine> {
        let libs = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::BIT | StdLib::JIT | StdLib::OS;
        // The interpreter's own `pcall`, through which a script may wait.
        let lua = Lua::new_with(libs, LuaOptions::default().catch_rust_panics(true))?;
        lua.load("jit.off()").exec()?;
        lua.set_app_data(Budget::new(limits.steps, limits.memory_bytes));
        lua.set_memory_limit(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX))?;
        lua.set_app_data(Outside::new(limits.memory_bytes));
        lua.set_app_data(Token(lua.create_table()?));
        pattern::install(&lua, &lua.globals().get::<Table>("string")?)?;
        let sorts =
            lua.create_function(|lua, count: u64| Budget::spend(lua, count * u64::from(count.max(1).ilog2()) / 8))?;
        lua.load(LIBRARIES).set_name("=api").call::<()>((token(&lua)?, sorts))?;
        let hook = |lua: &Lua, _: &mlua::debug::Debug<'_>| -> mlua::Result<VmState> {
            Budget::spend(lua, u64::from(HOOK_EVERY)).map(|()| VmState::Continue)
        };
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(HOOK_EVERY), hook)?;
        convert::install(&lua)?;
        Ok(Machine { lua, limits })
    }

    /// The state.
    pub(crate) fn lua(&self) -> &Lua {
        &self.lua
    }

    /// An error of a run: why it was killed, if it was.
    pub(crate) fn ended(&self, error: &mlua::Error) -> SqlError {
        Budget::killed(&self.lua).unwrap_or_else(|| self.raised(error))
    }

    /// An error of a script; one that it had caught and raised again is the one that it caught.
    fn raised(&self, error: &mlua::Error) -> SqlError {
        let raised = sql_error(error);
        match self.lua.app_data_ref::<Caught>() {
            Some(caught)
                if raised.state() == SqlState::new("38000")
                    && !caught.0.is_empty()
                    && raised.message().ends_with(&caught.0) =>
            {
                SqlError::new(caught.1.state(), raised.message())
            }
            _ => raised,
        }
    }

    /// Gives a run its budget anew.
    pub(crate) fn refill(&self) {
        if let Some(mut budget) = self.lua.app_data_mut::<Budget>() {
            budget.used = 0;
            budget.limit = self.limits.steps;
            budget.killed = None;
        }
    }

    /// Calls a function of a script with a fresh budget: its first result. Errors: as `sql_error`; a spent budget stays
    /// an error whatever the script made of it.
    pub(crate) fn call(&self, function: &Function, args: impl mlua::IntoLuaMulti) -> Result<mlua::Value> {
        self.refill();
        let result = function.call::<MultiValue>(args).map_err(|error| self.raised(&error));
        match Budget::killed(&self.lua) {
            Some(error) => Err(error),
            None => Ok(result?.into_iter().next().unwrap_or(mlua::Value::Nil)),
        }
    }
}

/// A fresh world of Lua's own libraries, for an API to add to. Its globals are free.
pub(crate) fn base(lua: &Lua) -> mlua::Result<Table> {
    let env = lua.create_table()?;
    let check = lua.create_function(|lua, ()| match lua.app_data_ref::<Budget>().and_then(|b| b.killed.clone()) {
        Some(error) => Err(mlua::Error::external(error)),
        None => Ok(()),
    })?;
    let print = lua.create_function(|lua, values: MultiValue| {
        let mut line = String::new();
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                line.push('\t');
            }
            line.push_str(&convert::text(lua, value)?);
        }
        log(&line);
        Ok(())
    })?;
    env.set("print", print)?;
    let said = lua.create_function(|lua, value: mlua::Value| {
        let mlua::Value::Error(error) = &value else { return Ok(value) };
        let text = message_of(error);
        let said = mlua::Value::String(lua.create_string(&text)?);
        lua.set_app_data(Caught(text, sql_error(error)));
        Ok(said)
    })?;
    lua.load(BASE).set_name("=prelude").call::<()>((
        &env,
        check,
        token(lua)?,
        said,
        lua.create_function(traceback)?,
        lua.create_function(getinfo)?,
    ))?;
    Ok(env)
}

/// Plain Lua, and no bytecode, as a function in a world. `name` stands before its lines in messages. Errors: 42601.
pub(crate) fn compile(lua: &Lua, name: &str, text: &str, world: &Table) -> mlua::Result<Function> {
    let chunk = lua.load(text).set_name(format!("={name}")).set_mode(mlua::chunk::ChunkMode::Text);
    chunk.set_environment(world.clone()).into_function()
}

/// Lua's own `coroutine.yield`.
pub(crate) fn yielder(lua: &Lua) -> mlua::Result<Function> {
    lua.globals().get::<Table>("coroutine")?.get("yield")
}

/// `debug.traceback([thread,] [text [, level]])`.
fn traceback(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::Value> {
    let mut args = args.into_iter().skip_while(|value| matches!(value, mlua::Value::Thread(_)));
    let text = match args.next() {
        None | Some(mlua::Value::Nil) => None,
        Some(mlua::Value::String(text)) => Some(text.to_string_lossy()),
        Some(mlua::Value::Integer(n)) => Some(n.to_string()),
        Some(mlua::Value::Number(n)) => Some(n.to_string()),
        Some(other) => return Ok(other),
    };
    let level = args.next().and_then(|level| level.as_usize()).unwrap_or(1);
    lua.traceback(text.as_deref(), level).map(mlua::Value::String)
}

/// `debug.getinfo(level or function)`: what there is to know of it, but nothing that can be called or changed.
fn getinfo(lua: &Lua, args: MultiValue) -> mlua::Result<Option<Table>> {
    let mut args = args.into_iter().skip_while(|value| matches!(value, mlua::Value::Thread(_)));
    let table = lua.create_table()?;
    let put = |what: &str, source: Option<&str>, short: Option<&str>, line: Option<usize>| -> mlua::Result<()> {
        table.raw_set("what", what)?;
        table.raw_set("source", source)?;
        table.raw_set("short_src", short)?;
        table.raw_set("linedefined", line)
    };
    match args.next() {
        Some(mlua::Value::Function(function)) => {
            let info = function.info();
            put(info.what, info.source.as_deref(), info.short_src.as_deref(), info.line_defined)?;
            table.raw_set("currentline", -1)?;
            Ok(Some(table))
        }
        level => {
            let level = level.and_then(|level| level.as_usize());
            let Some(level) = level else { return Err(mlua::Error::runtime("bad argument #1 to 'getinfo'")) };
            let found = lua.inspect_stack(level, |debug| -> mlua::Result<()> {
                let source = debug.source();
                put(source.what, source.source.as_deref(), source.short_src.as_deref(), source.line_defined)?;
                table.raw_set("name", debug.names().name.as_deref())?;
                table.raw_set("currentline", debug.current_line())
            });
            found.transpose()?.map_or(Ok(None), |()| Ok(Some(table)))
        }
    }
}

/// Names of the host's own chunks.
const OWN: [&str; 3] = ["api", "entry", "prelude"];

/// Where in a traceback the script is that comes first: the name of its chunk, and the line.
fn place_of(traceback: &str) -> Option<(&str, &str)> {
    traceback.lines().find_map(|frame| {
        let (name, rest) = frame.trim_start().split_once(':')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let ours = OWN.contains(&name) || name.starts_with('[') || name.ends_with(".rs");
        (digits > 0 && !ours).then(|| (name, &rest[..digits]))
    })
}

/// Whether a message says already where in a chunk it comes from.
fn is_placed(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
}

/// The message without traceback and wrapping.
pub(crate) fn message_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, traceback } => {
            let text = message_of(cause);
            match place_of(traceback) {
                Some((name, line)) if !is_placed(&text, name) && cause.downcast_ref::<SqlError>().is_none() => {
                    format!("{name}:{line}: {text}")
                }
                _ => text,
            }
        }
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => {
            text.split("\nstack traceback:").next().unwrap_or(text).to_owned()
        }
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::ExternalError(inner) => match inner.downcast_ref::<SqlError>() {
            Some(error) => error.message().to_owned(),
            None => inner.to_string(),
        },
        mlua::Error::BadArgument { pos, cause, .. } => match &**cause {
            mlua::Error::FromLuaConversionError { from, to, .. } => {
                format!("bad argument #{pos} ({} expected, got {})", lua_name(to), lua_name(from))
            }
            _ => format!("bad argument #{pos}: {}", message_of(cause)),
        },
        mlua::Error::FromLuaConversionError { from, to, .. } => {
            format!("{} expected, got {}", lua_name(to), lua_name(from))
        }
        other => other.to_string(),
    }
}

/// What Lua calls a type of ours.
fn lua_name(ty: &str) -> &str {
    match ty {
        "f64" | "i64" | "u64" | "usize" | "integer" => "number",
        "String" => "string",
        other => other,
    }
}

/// A Lua error as ours: an SQL error that passed through stays itself (CDB-1401), others are 38000, 42601 or 53200.
pub(crate) fn sql_error(error: &mlua::Error) -> SqlError {
    if let Some(inner) = error.downcast_ref::<SqlError>() {
        return match error {
            mlua::Error::CallbackError { traceback, .. } => match place_of(traceback) {
                Some((name, line)) => inner.clone().context(format!("line {line} of the {name}")),
                None => inner.clone(),
            },
            _ => inner.clone(),
        };
    }
    let state = match error {
        mlua::Error::SyntaxError { .. } => SqlState::SYNTAX_ERROR,
        mlua::Error::MemoryError(_) => SqlState::OUT_OF_MEMORY,
        mlua::Error::CallbackError { cause, .. } if matches!(**cause, mlua::Error::MemoryError(_)) => {
            SqlState::OUT_OF_MEMORY
        }
        _ => SqlState::new("38000"),
    };
    SqlError::new(state, message_of(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let machine = Machine::new(Limits { steps: u64::MAX, memory_bytes: 8 << 20 }).unwrap();
        let text = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end";
        let main = compile(machine.lua(), "text", text, &base(machine.lua()).unwrap()).unwrap();
        assert_eq!(machine.call(&main, ()).unwrap_err().state(), SqlState::OUT_OF_MEMORY);
    }

    // Another API's scripts are plain Lua with globals of their own, and their places are named as it names them.
    #[test]
    fn a_world_of_its_own() {
        let machine = Machine::new(Limits::LUA).unwrap();
        let world = base(machine.lua()).unwrap();
        let run = |text: &str| {
            let main = compile(machine.lua(), "init.lua", text, &world).map_err(|error| sql_error(&error))?;
            machine.call(&main, ())
        };
        run("seen = 1; function more() seen = seen + 1 return seen end").unwrap();
        assert_eq!(
            run("return more() == 2 and io == nil and load == nil and require == nil").unwrap(),
            mlua::Value::Boolean(true)
        );
        assert_eq!(run("\nerror('boom')").unwrap_err().message(), "init.lua:2: boom");
        assert_eq!(run("\n\nreturn ('x'):rep({})").unwrap_err().state(), SqlState::new("38000"));
        assert_eq!(run("declare x 'int'").unwrap_err().state(), SqlState::SYNTAX_ERROR);
        assert_eq!(
            run("pcall(function() while true do end end)").unwrap_err().state(),
            SqlState::PROGRAM_LIMIT_EXCEEDED
        );
        // What is left of a killed run does not end the next one.
        assert_eq!(run("return more() == 3").unwrap(), mlua::Value::Boolean(true));
    }
}
