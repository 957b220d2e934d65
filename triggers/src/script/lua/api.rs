//! What a script may call: the global `db` in a trigger (CDB-509, sections 10.3 and 10.5), table handles, statements and
//! rows. What is missing on purpose is nil, so that calling it is the documented Lua error.
//!
//! The session that everything runs in lives in the state's `Host`, not in the script. A failed write dooms the
//! transaction, whatever the script makes of the code it gets (CDB-510).

use std::sync::Arc;

use mlua::{
    AnyUserData, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods, Value as LuaValue,
};
use tripline_sql::catalog::TableDef;
use tripline_sql::change::QueryResult;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{CastContext, DataType, TextStyle, Value, cast, find_cast, from_text, to_text};

use super::Budget;
use super::convert::{Typed, from_lua, to_lua};
use crate::script::ami::PUBLIC;

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// What the current event is, for `db:get_event_*`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventInfo {
    /// Equal for all events of one transaction.
    pub(crate) tid: i64,
    /// Unix seconds of its commit.
    pub(crate) epoch: i64,
    /// Its number WITH SEQUENCE.
    pub(crate) sequence: Option<i64>,
}

/// What a state knows outside of its scripts.
#[derive(Default)]
pub(crate) struct Host {
    /// Where SQL runs; none in tests of the sandbox.
    pub(crate) session: Option<Session>,
    /// `db:spname()`.
    pub(crate) name: String,
    /// `db:error()`.
    pub(crate) error: String,
    /// The first failed write of the transaction.
    pub(crate) doomed: Option<SqlError>,
    /// The last `db:now()`: the next one is later.
    pub(crate) last_now: i64,
    /// The current event.
    pub(crate) event: EventInfo,
}

impl Host {
    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| SqlError::internal("a script without a session"))
    }

    fn fail(&mut self, error: &SqlError, write: bool) -> i64 {
        error.message().clone_into(&mut self.error);
        let code = code_of(error);
        if write && self.doomed.is_none() {
            self.doomed = Some(error.clone());
        }
        code
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

fn with_host<T>(lua: &Lua, f: impl FnOnce(&mut Host) -> mlua::Result<T>) -> mlua::Result<T> {
    match lua.app_data_mut::<Host>() {
        Some(mut host) => f(&mut host),
        None => Err(mlua::Error::runtime("no database in this state")),
    }
}

/// The global `db`.
pub(crate) struct Db;

impl UserData for Db {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for (name, code) in [
            ("err_dup", 1),
            ("err_verify", 2),
            ("err_fkey", 3),
            ("err_null_constraint", 4),
            ("err_selectv", -103),
            ("err_conv", 113),
            ("err_check_constraint", 403),
        ] {
            fields.add_field(name, code);
        }
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("table", |lua, _, (name, columns): (String, Option<Table>)| {
            if columns.is_some() {
                return Err(mlua::Error::external(SqlError::unsupported("a temporary table in a trigger")));
            }
            with_host(lua, |host| match find_table(host, &name) {
                Ok(def) => Ok((Some(Handle { def }), 0)),
                Err(error) => {
                    let code = host.fail(&error, false);
                    Ok((None, code))
                }
            })
        });
        methods.add_method("exec", |lua, _, sql: String| execute(lua, &sql, &[]));
        methods.add_method("prepare", |lua, _, sql: String| {
            with_host(lua, |host| {
                host.error.clear();
                Ok((Some(Statement::new(sql)), 0))
            })
        });
        methods.add_method("now", |lua, _, _: MultiValue| {
            with_host(lua, |host| {
                let session = host.session().map_err(mlua::Error::external)?;
                let now = session.with_hook_context(&mut |ctx| Ok(ctx.now())).map_err(mlua::Error::external)?;
                host.last_now = (now - EPOCH_MICROS).max(host.last_now + 1);
                Ok(Typed { value: Value::TimestampTz(host.last_now), ty: DataType::TIMESTAMPTZ })
            })
        });
        for name in ["error", "sqlerror"] {
            methods.add_method(name, |lua, _, ()| with_host(lua, |host| Ok(host.error.clone())));
        }
        methods.add_method("reset", |lua, _, ()| {
            with_host(lua, |host| {
                host.error.clear();
                Ok(0)
            })
        });
        methods.add_method("isnull", |_, _, value: LuaValue| Ok(value.is_nil() || value.is_null()));
        for name in ["null", "NULL"] {
            methods.add_method(name, |_, _, ()| Ok(LuaValue::NULL));
        }
        methods.add_method("spname", |lua, _, ()| with_host(lua, |host| Ok(host.name.clone())));
        methods.add_method("ctrace", |lua, _, value: LuaValue| {
            tracing::info!(target: "lua", "{}", super::convert::text(lua, &value)?);
            Ok(0)
        });
        methods.add_method("get_event_tid", |lua, _, event: LuaValue| {
            with_host(lua, |host| Ok(is_event(&event).then_some(host.event.tid)))
        });
        methods.add_method("get_event_epoch", |lua, _, event: LuaValue| {
            with_host(lua, |host| Ok(is_event(&event).then_some(host.event.epoch)))
        });
        methods.add_method("get_event_sequence", |lua, _, event: LuaValue| {
            let sequence = with_host(lua, |host| Ok(host.event.sequence))?;
            Ok(match (is_event(&event), sequence) {
                (false, _) => LuaValue::Nil,
                (true, None) => LuaValue::NULL,
                (true, Some(n)) => to_lua(lua, &Value::Int8(n), DataType::INT8)?,
            })
        });
        methods.add_method("setmaxinstructions", |lua, _, limit: u64| {
            if !(100..=1_000_000_000).contains(&limit) {
                return Err(mlua::Error::runtime("instruction quota must be 100 to 1000000000"));
            }
            if let Some(mut budget) = lua.app_data_mut::<Budget>() {
                budget.limit = limit;
            }
            Ok(0)
        });
        methods.add_method("getinstructioncount", |lua, _, ()| {
            Ok(lua.app_data_ref::<Budget>().map_or(0, |budget| budget.used))
        });
        methods.add_method("copyrow", |_, _, row: LuaValue| Ok(row));
        methods.add_method("udf_error", |_, _, text: String| -> mlua::Result<()> { Err(mlua::Error::runtime(text)) });
    }
}

fn is_event(value: &LuaValue) -> bool {
    match value {
        LuaValue::Table(table) => {
            table.contains_key("id").unwrap_or(false) && table.contains_key("type").unwrap_or(false)
        }
        _ => false,
    }
}

fn find_table(host: &mut Host, name: &str) -> Result<Arc<TableDef>> {
    let lower = name.to_ascii_lowercase();
    host.session()?.with_hook_context(&mut |ctx| {
        let catalog = ctx.catalog();
        for name in [name, lower.as_str()] {
            if let Some(tripline_sql::catalog::Relation::Table(def)) = catalog.relation(PUBLIC, name) {
                return Ok(def);
            }
        }
        Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("no such table:{name}")))
    })
}

/// A handle on a table (CDB-1017).
struct Handle {
    def: Arc<TableDef>,
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("name", |_, this, ()| Ok(this.def.name.clone()));
        methods.add_method("insert", |lua, this, values: Table| {
            let row = collect(lua, &this.def, &values)?;
            with_host(lua, |host| {
                host.error.clear();
                let result = row.and_then(|row| insert(host, &this.def, row));
                Ok(match result {
                    Ok(()) => 0,
                    Err(error) => host.fail(&error, true),
                })
            })
        });
    }
}

/// A value for each column that the script named. Values that cannot be converted are the inner error.
fn collect(lua: &Lua, def: &TableDef, values: &Table) -> mlua::Result<Result<Vec<Option<Value>>>> {
    let mut row: Vec<Option<Value>> = vec![None; def.columns.len()];
    for pair in values.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair?;
        let LuaValue::String(name) = &key else {
            return Ok(Err(SqlError::new(SqlState::UNDEFINED_COLUMN, "a row's keys must be column names")));
        };
        let name = name.to_str()?;
        let place = def.column_index(&name).or_else(|| {
            def.live_columns().find(|(_, column)| column.name.eq_ignore_ascii_case(&name)).map(|(place, _)| place)
        });
        let Some(place) = place else {
            return Ok(Err(SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{}\" of relation \"{}\" does not exist", &*name, def.name),
            )));
        };
        let (value, ty) = from_lua(lua, &value)?;
        match assign(value, ty, def.columns[place].ty) {
            Ok(value) => row[place] = Some(value),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(row))
}

/// Comdb2's conversions when storing (CDB-404). Errors: 22xxx.
fn assign(value: Value, from: DataType, to: DataType) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if from == to {
        return Ok(value);
    }
    let style = TextStyle::default();
    if find_cast(from.oid, to.oid, CastContext::Assignment).is_some() && from.oid != DataType::TEXT.oid {
        return cast(value, from, to, CastContext::Assignment, &style);
    }
    if let (Some(seconds), true) =
        (value.as_f64(), matches!(to.oid, tripline_sql::types::oid::TIMESTAMPTZ | tripline_sql::types::oid::TIMESTAMP))
    {
        #[allow(clippy::cast_possible_truncation, reason = "saturates")]
        let micros = ((seconds * 1e6) as i64).saturating_sub(EPOCH_MICROS);
        return Ok(if to.oid == DataType::TIMESTAMP.oid {
            Value::Timestamp(micros)
        } else {
            Value::TimestampTz(micros)
        });
    }
    let mut text = String::new();
    match &value {
        Value::Text(plain) => text.push_str(plain),
        other => to_text(other, from, &style, &mut text),
    }
    let plain = DataType::new(to.oid);
    let value = from_text(&text, plain, &style)?;
    if to.typmod == -1 { Ok(value) } else { cast(value, plain, to, CastContext::Assignment, &style) }
}

fn insert(host: &mut Host, def: &Arc<TableDef>, row: Vec<Option<Value>>) -> Result<()> {
    let simple = def.live_columns().all(|(place, column)| {
        column.generated.is_none()
            && column.identity.is_none()
            && (row[place].is_some() || (column.default.is_none() && column.sequence.is_none()))
    });
    if simple {
        let mut row = Some(row.into_iter().map(Option::unwrap_or_default).collect());
        return host
            .session()?
            .with_hook_context(&mut |ctx| ctx.insert(def.id, row.take().unwrap_or_default()).map(|_| ()));
    }
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (mut names, mut places, mut params) = (Vec::new(), Vec::new(), Vec::new());
    for (place, value) in row.into_iter().enumerate() {
        if let Some(value) = value {
            names.push(quoted(&def.columns[place].name));
            params.push(value);
            places.push(format!("${}", params.len()));
        }
    }
    let sql = if names.is_empty() {
        format!("INSERT INTO public.{} DEFAULT VALUES", quoted(&def.name))
    } else {
        format!("INSERT INTO public.{} ({}) VALUES ({})", quoted(&def.name), names.join(", "), places.join(", "))
    };
    host.session()?.run(&sql, &params).map(|_| ())
}

/// Whether a text writes, and whether a trigger may run it at all (CDB-1019).
enum Text {
    Read,
    Write,
    Refused(i64),
}

fn kind_of(sql: &str) -> Text {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    match word.to_ascii_lowercase().as_str() {
        "select" | "values" | "with" | "table" | "show" | "explain" => Text::Read,
        "insert" | "update" | "delete" | "merge" => Text::Write,
        "begin" | "commit" | "rollback" | "start" | "end" | "abort" | "savepoint" | "release" | "prepare" => {
            Text::Refused(-1)
        }
        _ => Text::Refused(23),
    }
}

fn execute(lua: &Lua, sql: &str, params: &[Value]) -> mlua::Result<(Option<Rows>, i64)> {
    with_host(lua, |host| {
        host.error.clear();
        let write = match kind_of(sql) {
            Text::Read => false,
            Text::Write => true,
            Text::Refused(code) => {
                "this statement is not allowed in a procedure".clone_into(&mut host.error);
                return Ok((None, code));
            }
        };
        let result = host.session().and_then(|session| session.run(sql, params));
        Ok(match result {
            Ok(result) => (Some(Rows { result, at: 0, write, closed: false }), 0),
            Err(error) => {
                // One that fails to prepare does not doom the transaction (CDB-1021).
                let code = host.fail(&error, write && error.state().class() != "42");
                (None, code)
            }
        })
    })
}

/// Rows of a statement (CDB-1014 to CDB-1016).
struct Rows {
    result: QueryResult,
    at: usize,
    write: bool,
    closed: bool,
}

impl UserData for Rows {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("fetch", |lua, this, ()| fetch(lua, this));
        methods.add_method_mut("close", |_, this, ()| {
            this.closed = true;
            this.result.rows.clear();
            Ok(0)
        });
        methods.add_method("rows_changed", |_, this, ()| Ok(this.result.count));
        methods.add_method("column_count", |_, this, ()| Ok(this.result.columns.len()));
        methods.add_method("column_name", |_, this, n: usize| {
            Ok(n.checked_sub(1).and_then(|n| this.result.columns.get(n)).map(|(name, _)| name.clone()))
        });
    }
}

fn fetch(lua: &Lua, rows: &mut Rows) -> mlua::Result<LuaValue> {
    if rows.closed {
        return Err(mlua::Error::runtime("no active stmt"));
    }
    if rows.write {
        return Err(mlua::Error::runtime("statement must be read-only"));
    }
    let Some(values) = rows.result.rows.get(rows.at) else {
        rows.closed = true;
        return Ok(LuaValue::Nil);
    };
    rows.at += 1;
    // Names are the row's own keys, so that `pairs` visits each column once; positions come through the metatable.
    let row = lua.create_table_with_capacity(0, values.len())?;
    let places = lua.create_table_with_capacity(values.len(), 0)?;
    for ((name, ty), value) in rows.result.columns.iter().zip(values) {
        let value = to_lua(lua, value, *ty)?;
        places.raw_push(value.clone())?;
        row.raw_set(name.as_str(), value)?;
    }
    let meta = lua.create_table()?;
    meta.raw_set(MetaMethod::Index.name(), places)?;
    row.set_metatable(Some(meta))?;
    Ok(LuaValue::Table(row))
}

/// A prepared statement (CDB-1013).
struct Statement {
    sql: String,
    /// Names of the placeholders in order of their numbers; empty for `?` and `$n`.
    names: Vec<String>,
    params: Vec<Value>,
}

const PARAMS_MAX: usize = 2048;

impl Statement {
    /// Turns `?` and `@name` into `$n`, outside of quotes and comments.
    fn new(text: String) -> Statement {
        let mut sql = String::with_capacity(text.len());
        let mut names: Vec<String> = Vec::new();
        let mut count = 0;
        let mut quote: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some(q), c) => {
                    if q == c {
                        quote = None;
                    }
                    sql.push(c);
                }
                (None, '\'' | '"') => {
                    quote = Some(c);
                    sql.push(c);
                }
                (None, '?') => {
                    count += 1;
                    names.push(String::new());
                    sql.push_str(&format!("${count}"));
                }
                (None, '@') if chars.peek().is_some_and(|c| c.is_alphabetic() || *c == '_') => {
                    let mut name = String::new();
                    while let Some(c) = chars.peek().copied().filter(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                        chars.next();
                    }
                    let place = names.iter().position(|have| *have == name).unwrap_or_else(|| {
                        names.push(name);
                        names.len() - 1
                    });
                    count = names.len();
                    sql.push_str(&format!("${}", place + 1));
                }
                (None, c) => sql.push(c),
            }
        }
        Statement { sql, names, params: Vec::new() }
    }
}

impl UserData for Statement {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("bind", |lua, this, (key, value): (LuaValue, LuaValue)| {
            let place = match &key {
                LuaValue::Integer(n) => usize::try_from(*n).ok().filter(|n| (1..=PARAMS_MAX).contains(n)),
                LuaValue::String(name) => {
                    let name = name.to_str()?;
                    this.names.iter().position(|have| **have == *name).map(|place| place + 1)
                }
                _ => None,
            };
            let place = place
                .filter(|place| this.names.is_empty() || *place <= this.names.len())
                .ok_or_else(|| mlua::Error::runtime("bad argument to 'bind'"))?;
            if this.params.len() < place {
                this.params.resize(place, Value::Null);
            }
            this.params[place - 1] = from_lua(lua, &value)?.0;
            Ok(0)
        });
        methods.add_function("exec", |lua, this: AnyUserData| {
            let (sql, mut params, width) = {
                let statement = this.borrow::<Statement>()?;
                (statement.sql.clone(), statement.params.clone(), statement.names.len())
            };
            params.resize(params.len().max(width), Value::Null);
            let (rows, code) = execute(lua, &sql, &params)?;
            this.set_user_value(rows)?;
            Ok(code)
        });
        methods.add_function("fetch", |lua, this: AnyUserData| {
            if this.user_value::<LuaValue>()?.is_nil() {
                let code: i64 = {
                    let (sql, mut params, width) = {
                        let statement = this.borrow::<Statement>()?;
                        (statement.sql.clone(), statement.params.clone(), statement.names.len())
                    };
                    params.resize(params.len().max(width), Value::Null);
                    let (rows, code) = execute(lua, &sql, &params)?;
                    this.set_user_value(rows)?;
                    code
                };
                if code != 0 {
                    let text = with_host(lua, |host| Ok(host.error.clone()))?;
                    return Err(mlua::Error::runtime(text));
                }
            }
            let rows = this.user_value::<AnyUserData>()?;
            let mut rows = rows.borrow_mut::<Rows>()?;
            fetch(lua, &mut rows)
        });
        methods.add_method_mut("close", |_, this, ()| {
            this.params.clear();
            Ok(0)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CDB-1013
    #[test]
    fn placeholders() {
        let statement = Statement::new("select ? , '?' , @a, @b, @a".to_owned());
        assert_eq!(statement.sql, "select $1 , '?' , $2, $3, $2");
        assert_eq!(statement.names, ["", "a", "b"]);
    }

    // CDB-404
    #[test]
    fn conversions() {
        let text = |n: i64| assign(Value::Int8(n), DataType::INT8, DataType::TEXT).unwrap();
        assert_eq!(text(12), Value::text("12"));
        assert_eq!(assign(Value::text("7"), DataType::TEXT, DataType::INT4).unwrap(), Value::Int4(7));
        assert_eq!(
            assign(Value::text("x"), DataType::TEXT, DataType::INT4).unwrap_err().state(),
            SqlState::INVALID_TEXT_REPRESENTATION
        );
        assert_eq!(
            assign(Value::Int8(EPOCH_MICROS / 1_000_000), DataType::INT8, DataType::TIMESTAMPTZ).unwrap(),
            Value::TimestampTz(0)
        );
    }
}
