//! Procedures of Comdb2: Lua with additions (`dialect`), whose entry is a local function and whose world has `db` (`db`).
//!
//! A script sees only what `environment` puts into its world: Lua's own libraries (`base`), the API that it is loaded for, and
//! no globals of its own (CDB-1002, CDB-1003).

pub(crate) mod db;
mod dialect;

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table};
use tripline_sql::error::{Result, SqlError, SqlState};

use super::{Machine, base, compile, convert, message_of, sql_error};
use crate::script::Language;

/// What stands before a line in messages.
const CHUNK: &str = "procedure";

/// The language.
pub(crate) struct Lua51;

impl Language for Lua51 {
    fn name(&self) -> &'static str {
        "lua"
    }

    fn check(&self, source: &str) -> Result<()> {
        let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).map_err(|error| sql_error(&error))?;
        lua.set_memory_limit(64 << 20).map_err(|error| sql_error(&error))?;
        match lua
            .load(&*dialect::plain(source))
            .set_name(format!("={CHUNK}"))
            .set_mode(mlua::chunk::ChunkMode::Text)
            .into_function()
        {
            Ok(_) => Ok(()),
            Err(error) => Err(SqlError::syntax(message_of(&error))),
        }
    }
}

/// Puts an API into a script's world.
pub(crate) type World<'a> = dyn Fn(&Lua, &Table) -> mlua::Result<()> + 'a;

const PRELUDE: &str = "
local env, typename = ...
local error, type, tostring, setmetatable, select, ipairs = error, type, tostring, setmetatable, select, ipairs
local gsub = string.gsub
env.type = function(...)
  if select('#', ...) == 0 then error(\"bad argument #1 to 'type' (value expected)\", 2) end
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
-- A row's positions stand beside its names.
env.ipairs = function(t)
  local meta = type(t) == 'table' and getmetatable(t)
  return ipairs(type(meta) == 'table' and rawget(meta, '__places') or t)
end
local function forbidden(_, name) error('Global variables not allowed (' .. tostring(name) .. ').', 2) end
setmetatable(env, { __index = forbidden, __newindex = forbidden, __metatable = false })
";

/// Loads a source in a fresh world and gives its local function `main`. The chunk's own code runs here.
/// Errors: 42601, 42883 no `main`, and whatever the chunk raises.
pub(crate) fn load(machine: &Machine, source: &str, world: &World<'_>) -> Result<Function> {
    machine.refill();
    chunk_main(machine.lua(), source, world)
        .map_err(|error| machine.ended(&error))?
        .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_FUNCTION, "no function main in procedure"))
}

/// Loads a source in a fresh world and gives local functions of it by name. The chunk's own code runs here.
/// Errors: 42601, 42883 a function that is not there, and whatever the chunk raises.
pub(crate) fn functions(machine: &Machine, source: &str, names: &[&str], world: &World<'_>) -> Result<Vec<Function>> {
    machine.refill();
    let list = names.join(", ");
    let load = || -> mlua::Result<MultiValue> {
        let env = environment(machine.lua(), world)?;
        let text = format!("{}\nreturn {list}", dialect::plain(source));
        compile(machine.lua(), CHUNK, &text, &env)?.call(())
    };
    let missing = |name: &str| SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no function {name} in procedure"));
    let values = load().map_err(|error| {
        let text = message_of(&error);
        let absent = names.iter().find(|name| text.contains(&format!("Global variables not allowed ({name})")));
        absent.map_or_else(|| machine.ended(&error), |name| missing(name))
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

/// A function that runs a source's chunk in a fresh world, then its local `main` with the arguments given.
/// Errors: 42601.
pub(crate) fn entry(machine: &Machine, source: &str, world: &World<'_>) -> Result<Function> {
    machine.refill();
    let make = || -> mlua::Result<Function> {
        let env = environment(machine.lua(), world)?;
        let text = format!("{}\nreturn main", dialect::plain(source));
        let chunk = compile(machine.lua(), CHUNK, &text, &env)?;
        let run = machine.lua().load(ENTRY).set_name("=entry").eval::<Function>()?;
        run.call(chunk)
    };
    make().map_err(|error| sql_error(&error))
}

/// Runs a source's chunk in a fresh world: its local function `main`, if it has one.
pub(crate) fn chunk_main(lua: &Lua, source: &str, world: &World<'_>) -> mlua::Result<Option<Function>> {
    let env = environment(lua, world)?;
    // `rawget`-like look at the local: a missing one would be a forbidden global.
    let text = format!("{}\nreturn main", dialect::plain(source));
    match compile(lua, CHUNK, &text, &env).and_then(|chunk| chunk.call::<mlua::Value>(())) {
        Ok(mlua::Value::Function(main)) => Ok(Some(main)),
        Ok(_) => Ok(None),
        Err(error) if message_of(&error).contains("Global variables not allowed (main)") => Ok(None),
        Err(error) => Err(error),
    }
}

/// A fresh world for a script.
fn environment(lua: &Lua, world: &World<'_>) -> mlua::Result<Table> {
    let env = base(lua)?;
    let typename = lua.create_function(|_, value: mlua::Value| Ok(convert::type_name(&value)))?;
    env.set("NULL", convert::null(lua, convert::Kind::Int)?)?;
    forms(lua, &env)?;
    world(lua, &env)?;
    lua.load(PRELUDE).set_name("=prelude").call::<()>((&env, typename))?;
    Ok(env)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Limits;

    fn run(source: &str) -> Result<mlua::Value> {
        let machine = Machine::new(Limits::LUA)?;
        let main = load(&machine, source, &db::trigger_world)?;
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
