//! Functions of SQL whose code is a procedure's (CDB-111): a scalar one is the local function of its name, called once a row; an
//! aggregate is `step`, called once a row, and `final`, in a chunk loaded for each group, whose locals are its state.
//!
//! The interpreter is kept for the length of the transaction, with the chunk of a scalar function in it. Nothing in here can
//! wait or run SQL, so a call ends by its budget.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use mlua::{Function, MultiValue, Value as LuaValue};
use tripline_sql::catalog::{Catalog, FunctionDef, FunctionKind};
use tripline_sql::change::{FunctionCall, HookContext};
use tripline_sql::env::Clock;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::plan::LUA_FUNCTIONS;
use tripline_sql::types::{DataType, TextStyle, Value, oid, to_text};

use crate::script::Limits;
use crate::script::lua::comdb2::db::{Host, function_world, procedure};
use crate::script::lua::convert::{convert, from_lua, is_null, to_lua};
use crate::script::lua::{Machine, comdb2, sql_error};

/// Instructions of one call at most, whatever `max_lua_instructions` says: a call cannot be cancelled in between.
const STEPS_MAX: u64 = 10_000_000;

/// A function as it is kept for a transaction.
struct Loaded {
    catalog: Arc<Catalog>,
    kind: FunctionKind,
    source: Arc<FunctionDef>,
    machine: Machine,
    /// Of a scalar one.
    main: Option<Function>,
}

/// Calls one. Errors: 42883 it, its procedure, or a local function of it is not there; 54000; what it raises.
pub(crate) fn call(ctx: &mut dyn HookContext, clock: Option<Arc<dyn Clock>>, call: &FunctionCall<'_>) -> Result<Value> {
    let mut hasher = DefaultHasher::new();
    (LUA_FUNCTIONS, call.name).hash(&mut hasher);
    let key = hasher.finish();
    let catalog = ctx.catalog();
    let kept = ctx.scratch(key).take().and_then(|kept| kept.downcast::<Loaded>().ok());
    let loaded = match kept {
        Some(kept) if Arc::ptr_eq(&kept.catalog, &catalog) => kept,
        _ => Box::new(load(ctx, catalog, clock, call.name)?),
    };
    let result = loaded.run(call).map_err(|error| error.context(format!("Lua function \"{}\"", call.name)));
    *ctx.scratch(key) = Some(loaded as Box<dyn Any + Send>);
    result
}

fn load(ctx: &dyn HookContext, catalog: Arc<Catalog>, clock: Option<Arc<dyn Clock>>, name: &str) -> Result<Loaded> {
    let missing = |what: &str| SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such {what}: {name}"));
    let def = catalog.functions().find(|def| def.dialect == LUA_FUNCTIONS && def.name == name);
    let kind = def.ok_or_else(|| missing("function"))?.kind;
    let source = procedure(&catalog, name, None).ok_or_else(|| missing("procedure"))?.clone();
    let steps = ctx.setting("max_lua_instructions").and_then(|text| text.parse().ok()).unwrap_or(Limits::LUA.steps);
    let machine = Machine::new(Limits { steps: steps.min(STEPS_MAX), ..Limits::LUA })?;
    machine.lua().set_app_data(Host { clock, name: name.to_owned(), ..Host::default() });
    let main = match kind {
        FunctionKind::Aggregate => None,
        _ => comdb2::functions(&machine, &source.body, &[name], &function_world)?.pop(),
    };
    Ok(Loaded { catalog, kind, source, machine, main })
}

impl Loaded {
    fn run(&self, call: &FunctionCall<'_>) -> Result<Value> {
        let result = match (&self.main, self.kind) {
            (Some(main), _) => {
                let row = call.rows.first().copied().unwrap_or_default();
                self.machine.call(main, self.arguments(row, call.types)?)?
            }
            (None, FunctionKind::Aggregate) => {
                let functions =
                    comdb2::functions(&self.machine, &self.source.body, &["step", "final"], &function_world)?;
                let [step, end] = functions.as_slice() else { return Err(SqlError::internal("a chunk's functions")) };
                for row in call.rows {
                    self.machine.call(step, self.arguments(row, call.types)?)?;
                }
                self.machine.call(end, ())?
            }
            (None, _) => return Err(SqlError::internal("a function that is not loaded")),
        };
        self.value(&result, call.result).map_err(|error| sql_error(&error))
    }

    fn arguments(&self, row: &[Value], types: &[DataType]) -> Result<MultiValue> {
        let lua = self.machine.lua();
        let values = row.iter().zip(types).map(|(value, ty)| to_lua(lua, value, *ty));
        values.collect::<mlua::Result<MultiValue>>().map_err(|error| sql_error(&error))
    }

    /// A result as the type asked for; without one, its text in SQL.
    fn value(&self, value: &LuaValue, ty: DataType) -> mlua::Result<Value> {
        let lua = self.machine.lua();
        if value.is_nil() || is_null(value) {
            return Ok(Value::Null);
        }
        if ty.oid != oid::UNKNOWN {
            return convert(lua, value, ty);
        }
        let (plain, from) = from_lua(lua, value)?;
        let mut text = String::new();
        match &plain {
            Value::Text(plain) => text.push_str(plain),
            other => to_text(other, from, &TextStyle::default(), &mut text),
        }
        Ok(Value::from(text))
    }
}
