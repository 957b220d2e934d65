//! Lua: a host for scripts of the Comdb2 dialect. The interpreter is LuaJIT's with compilation off, so that its hook sees
//! every instruction.
//!
//! `Machine` is the sandbox alone; what a script may call beside Lua's own libraries is put into its world by the API that
//! it is loaded for (`db`: Comdb2's). Another API is another function given to `load`.
//!
//! A script sees only what `environment` puts into its world: no files, no processes, no loading of code, no `ffi`, no
//! `debug`, no globals of its own (CDB-1002, CDB-1003). A run has a budget of instructions and memory; when it is spent
//! the run is killed, and `pcall`, `xpcall`, `coroutine.resume` and `coroutine.wrap` cannot swallow that: they look at
//! the budget before they give anything back.

mod budget;
pub(crate) mod convert;
pub(crate) mod db;
mod dialect;
mod pattern;

use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, VmState};
use tripline_sql::error::{Result, SqlError, SqlState};

use self::budget::{HOOK_EVERY, Outside};
use super::{Language, Limits};

pub(crate) use self::budget::{Budget, Interrupt, Turn};

/// The language.
pub struct Lua51;

impl Language for Lua51 {
    fn name(&self) -> &'static str {
        "lua"
    }

    fn check(&self, source: &str) -> Result<()> {
        let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).map_err(|error| sql_error(&error))?;
        lua.set_memory_limit(64 << 20).map_err(|error| sql_error(&error))?;
        match lua
            .load(&*dialect::plain(source))
            .set_name("=procedure")
            .set_mode(mlua::chunk::ChunkMode::Text)
            .into_function()
        {
            Ok(_) => Ok(()),
            Err(error) => Err(SqlError::syntax(message_of(&error))),
        }
    }
}

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

/// Puts an API into a script's world.
pub(crate) type World<'a> = dyn Fn(&Lua, &Table) -> mlua::Result<()> + 'a;

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

const PRELUDE: &str = r#"
local env, check, typename, token, said, traceback, getinfo = ...
local pcall, xpcall, error, type, tostring, setmetatable, select = pcall, xpcall, error, type, tostring, setmetatable, select
local co, gsub = coroutine, string.gsub
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
env.type = function(...)
  if select('#', ...) == 0 then error("bad argument #1 to 'type' (value expected)", 2) end
  local v = ...
  local t = type(v)
  if t == 'userdata' then return typename(v) end
  if t == 'cdata' then return 'int' end
  return t
end
env.tostring = function(v)
  local text = tostring(v)
  if type(v) == 'cdata' then return (gsub(text, 'U?LL$', '')) end
  return text
end
for name, from in pairs({ string = string, table = table, math = math }) do
  local to = {}
  for k, v in pairs(from) do to[k] = v end
  env[name] = to
end
for _, name in ipairs({ 'assert', 'error', 'ipairs', 'next', 'pairs', 'rawequal', 'rawget', 'rawset', 'rawlen',
  'select', 'setmetatable', 'getmetatable', 'tonumber', 'unpack' }) do
  env[name] = _G[name]
end
env.table.unpack = unpack
-- A row's positions stand beside its names.
env.ipairs = function(t)
  local meta = type(t) == 'table' and getmetatable(t)
  return ipairs(type(meta) == 'table' and rawget(meta, '__places') or t)
end
env._VERSION = _VERSION
env.debug = { traceback = traceback, getinfo = getinfo }
env.os = { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time }
local function forbidden(_, name) error('Global variables not allowed (' .. tostring(name) .. ').', 2) end
setmetatable(env, { __index = forbidden, __newindex = forbidden, __metatable = false })
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
        lua.set_app_data(Budget { used: 0, limit: limits.steps, killed: None });
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

    /// Loads a source in a fresh world and gives its local function `main`. The chunk's own code runs here.
    /// Errors: 42601, 42883 no `main`, and whatever the chunk raises.
    pub(crate) fn load(&self, source: &str, world: &World<'_>) -> Result<Function> {
        self.refill();
        chunk_main(&self.lua, source, world)
            .map_err(|error| self.ended(&error))?
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_FUNCTION, "no function main in procedure"))
    }

    /// Loads a source in a fresh world and gives local functions of it by name. The chunk's own code runs here.
    /// Errors: 42601, 42883 a function that is not there, and whatever the chunk raises.
    pub(crate) fn functions(&self, source: &str, names: &[&str], world: &World<'_>) -> Result<Vec<Function>> {
        self.refill();
        let list = names.join(", ");
        let load = || -> mlua::Result<MultiValue> {
            let env = environment(&self.lua, world)?;
            let text = format!("{}\nreturn {list}", dialect::plain(source));
            let chunk = self.lua.load(text.as_str()).set_name("=procedure").set_mode(mlua::chunk::ChunkMode::Text);
            chunk.set_environment(env).call(())
        };
        let missing =
            |name: &str| SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no function {name} in procedure"));
        let values = load().map_err(|error| {
            let text = message_of(&error);
            let absent = names.iter().find(|name| text.contains(&format!("Global variables not allowed ({name})")));
            absent.map_or_else(|| self.ended(&error), |name| missing(name))
        })?;
        let mut found = Vec::with_capacity(names.len());
        for (name, value) in names.iter().zip(values) {
            match value {
                mlua::Value::Function(function) => found.push(function),
                _ => return Err(missing(name)),
            }
        }
        Ok(found)
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

    /// A function that runs a source's chunk in a fresh world, then its local `main` with the arguments given.
    /// Errors: 42601.
    pub(crate) fn entry(&self, source: &str, world: &World<'_>) -> Result<Function> {
        self.refill();
        let make = || -> mlua::Result<Function> {
            let env = environment(&self.lua, world)?;
            let text = format!("{}\nreturn main", dialect::plain(source));
            let chunk = self.lua.load(text.as_str()).set_name("=procedure").set_mode(mlua::chunk::ChunkMode::Text);
            let chunk = chunk.set_environment(env).into_function()?;
            let run = self.lua.load(ENTRY).set_name("=entry").eval::<Function>()?;
            run.call(chunk)
        };
        make().map_err(|error| sql_error(&error))
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

/// Runs a source's chunk in a fresh world: its local function `main`, if it has one.
pub(crate) fn chunk_main(lua: &Lua, source: &str, world: &World<'_>) -> mlua::Result<Option<Function>> {
    let env = environment(lua, world)?;
    // `rawget`-like look at the local: a missing one would be a forbidden global.
    let text = format!("{}\nreturn main", dialect::plain(source));
    let chunk = lua.load(text.as_str()).set_name("=procedure").set_mode(mlua::chunk::ChunkMode::Text);
    match chunk.set_environment(env).call::<mlua::Value>(()) {
        Ok(mlua::Value::Function(main)) => Ok(Some(main)),
        Ok(_) => Ok(None),
        Err(error) if message_of(&error).contains("Global variables not allowed (main)") => Ok(None),
        Err(error) => Err(error),
    }
}

/// A fresh world for a script.
fn environment(lua: &Lua, world: &World<'_>) -> mlua::Result<Table> {
    let env = lua.create_table()?;
    let check = lua.create_function(|lua, ()| match lua.app_data_ref::<Budget>().and_then(|b| b.killed.clone()) {
        Some(error) => Err(mlua::Error::external(error)),
        None => Ok(()),
    })?;
    let typename = lua.create_function(|_, value: mlua::Value| Ok(convert::type_name(&value)))?;
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
    env.set("NULL", convert::null(lua, convert::Kind::Int)?)?;
    forms(lua, &env)?;
    world(lua, &env)?;
    let said = lua.create_function(|lua, value: mlua::Value| {
        let mlua::Value::Error(error) = &value else { return Ok(value) };
        let text = message_of(error);
        let said = mlua::Value::String(lua.create_string(&text)?);
        lua.set_app_data(Caught(text, sql_error(error)));
        Ok(said)
    })?;
    lua.load(PRELUDE).set_name("=prelude").call::<()>((
        env.clone(),
        check,
        typename,
        token(lua)?,
        said,
        lua.create_function(traceback)?,
        lua.create_function(getinfo)?,
    ))?;
    Ok(env)
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

/// Runs the chunk, then `main`; both may yield to the host.
const ENTRY: &str = "local pcall, error, type, find = pcall, error, type, string.find
return function(chunk)
  return function(...)
    local ok, main = pcall(chunk)
    if not ok then
      if type(main) == 'string' and find(main, 'Global variables not allowed (main).', 1, true) then main = nil
      else error(main, 0) end
    end
    if type(main) ~= 'function' then error('no function main in procedure', 0) end
    return main(...)
  end
end";

/// What the rewritten forms of the dialect call (`dialect`).
fn forms(lua: &Lua, env: &Table) -> mlua::Result<()> {
    use mlua::Value;
    let kind =
        |name: &str| convert::Kind::named(name).ok_or_else(|| mlua::Error::runtime(format!("unknown type: {name}")));
    let to = move |lua: &Lua, value: &Value, name: &str| -> mlua::Result<Value> {
        let kind = kind(name)?;
        if value.is_nil() || convert::is_null(value) {
            return convert::null(lua, kind);
        }
        convert::convert_lua(lua, value, kind).map_err(|_| {
            let from = convert::text(lua, value).unwrap_or_default();
            mlua::Error::runtime(format!("conversion to: {} failed from: {from}", kind.name()))
        })
    };
    env.raw_set("__convert", lua.create_function(move |lua, (value, name): (Value, String)| to(lua, &value, &name))?)?;
    env.raw_set(
        "__assign",
        lua.create_function(move |lua, (old, value): (Value, Value)| match &old {
            Value::Nil | Value::Table(_) | Value::Function(_) => Ok(value),
            Value::Boolean(_) => to(lua, &value, "boolean"),
            Value::String(_) => to(lua, &value, "cstring"),
            Value::Integer(_) | Value::Number(_) => to(lua, &value, "real"),
            Value::UserData(_) => match convert::type_name(&old) {
                "userdata" => Ok(value),
                name => to(lua, &value, name),
            },
            _ => to(lua, &value, "int"),
        })?,
    )?;
    env.raw_set(
        "__declare",
        lua.create_function(move |lua, (count, name): (usize, Value)| {
            let name = convert::text(lua, &name)?;
            let null = convert::null(lua, kind(&name)?)?;
            let mut out = vec![null; count];
            for _ in 0..count {
                out.push(Value::String(lua.create_string(&name)?));
            }
            Ok(MultiValue::from_vec(out))
        })?,
    )?;
    env.raw_set(
        "__blob",
        lua.create_function(|lua, digits: mlua::LuaString| {
            let digits = digits.to_string_lossy();
            let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
            match bytes {
                Some(bytes) => convert::blob(&bytes).into_value(lua),
                None => Err(mlua::Error::runtime("invalid blob literal")),
            }
        })?,
    )
}

/// The line of the script in a traceback.
fn line_of(traceback: &str) -> Option<&str> {
    let rest = traceback.split("procedure:").nth(1)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    (digits > 0).then(|| &rest[..digits])
}

/// The message without traceback and wrapping.
pub(crate) fn message_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, traceback } => {
            let text = message_of(cause);
            match line_of(traceback) {
                Some(line) if !text.starts_with("procedure:") && cause.downcast_ref::<SqlError>().is_none() => {
                    format!("procedure:{line}: {text}")
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
            mlua::Error::CallbackError { traceback, .. } => match line_of(traceback) {
                Some(line) => inner.clone().context(format!("line {line} of the procedure")),
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

    fn run(source: &str) -> Result<mlua::Value> {
        let machine = Machine::new(Limits::LUA)?;
        let main = machine.load(source, &db::trigger_world)?;
        machine.call(&main, ())
    }

    fn fails(source: &str) -> SqlError {
        run(source).expect_err(source)
    }

    // CDB-1002, CDB-1003
    #[test]
    fn sandbox() {
        for name in [
            "io",
            "require",
            "loadstring",
            "load",
            "dofile",
            "bit",
            "ffi",
            "package",
            "jit",
            "getfenv",
            "setfenv",
            "collectgarbage",
            "newproxy",
        ] {
            let error = fails(&format!("local function main() return {name} end"));
            assert!(error.message().contains(&format!("Global variables not allowed ({name})")), "{name}: {error}");
        }
        assert!(fails("local function main() x = 1 end").message().contains("Global variables not allowed (x)"));
        assert!(fails("local function main() return ('x').dump(main) end").message().contains("dump"));
        assert_eq!(fails("x = ").state(), SqlState::SYNTAX_ERROR);
        assert_eq!(fails("local a = 1").state(), SqlState::UNDEFINED_FUNCTION);
    }

    // CDB-213
    #[test]
    fn quota_cannot_be_swallowed() {
        for body in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "while true do xpcall(function() while true do end end, function(e) return e end) end",
            "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
            "local f = coroutine.wrap(function() while true do end end) while true do pcall(f) end",
            "pcall(function() while true do end end) return 0",
            "return string.find(('a'):rep(200), ('a*'):rep(30) .. 'b')",
            "pcall(string.gsub, ('a'):rep(5000), ('.-'):rep(20) .. 'b', '') return 0",
        ] {
            let error = fails(&format!("local function main() {body} end"));
            assert_eq!(error.state(), SqlState::PROGRAM_LIMIT_EXCEEDED, "{body}: {error}");
        }
        assert!(run("local function main() local s = 0 for i = 1, 1000 do s = s + i end return s end").is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let machine = Machine::new(Limits { steps: u64::MAX, memory_bytes: 8 << 20 }).unwrap();
        let main = machine
            .load(
                "local function main() local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end",
                &|_, _| Ok(()),
            )
            .unwrap();
        assert_eq!(machine.call(&main, ()).unwrap_err().state(), SqlState::OUT_OF_MEMORY);
    }

    // CDB-1401
    #[test]
    fn pcall_catches_ordinary_errors() {
        let value =
            run("local function main() local ok, e = pcall(error, 'x') return ok == false and e == 'x' end").unwrap();
        assert_eq!(value, mlua::Value::Boolean(true));
        let error = fails("local function main()\n error('boom') end");
        assert!(error.message().contains(":2:") && error.message().contains("boom"), "{error}");
        // CDB-509
        let error = fails("local function main() db:begin() end");
        assert!(error.message().contains("attempt to call method 'begin' (a nil value)"), "{error}");
    }
}
