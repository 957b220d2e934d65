//! SQL from scripts: `db:exec`, `db:prepare`, `db:table`, statements, rows (CDB-1012 to CDB-1019).

use std::sync::Arc;

use mlua::{AnyUserData, Lua, LuaString, Table, UserData, UserDataMethods, Value as LuaValue};
use tripline_sql::catalog::{Relation, TableDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Value, array_type_of, from_text, oid, to_text};

use super::rows::{Found, Rows, Source, column_methods, copy_row, emits, rows_userdata};
use super::{Host, is_final, raise, with_host};
use crate::script::ami::PUBLIC;
use crate::script::lua::budget::{Held, Outside};
use crate::script::lua::convert::{assign, from_lua, sql_text};

/// Puts `table`, `exec`, `prepare`, `bind`, `copyrow` into `db`.
pub(super) fn install(lua: &Lua, db: &Table, emits: bool) -> mlua::Result<()> {
    db.raw_set(
        "exec",
        lua.create_function(move |lua, (_, sql): (LuaValue, LuaString)| {
            let Some(sql) = statement_text(lua, &sql)? else { return Ok((LuaValue::Nil, -1)) };
            let (result, code) = execute(lua, &Prepared::plain(&sql))?;
            rows_userdata(lua, &sql, result, emits).map(|rows| (rows, code))
        })?,
    )?;
    db.raw_set(
        "prepare",
        lua.create_function(move |lua, (_, sql): (LuaValue, LuaString)| {
            let Some(sql) = statement_text(lua, &sql)? else { return Ok((LuaValue::Nil, -1)) };
            let prepared = Prepared::new(&sql)?;
            let refused = with_host(lua, |host| {
                host.error.clear();
                if let Text::Refused(code) = kind_of(&prepared.sql) {
                    return Ok(Some(refuse(host, &prepared.sql, code)));
                }
                let types = vec![0; prepared.names.len()];
                let checked = host.begun().and_then(|session| session.parameter_types(&prepared.sql, &types));
                Ok(match checked {
                    // What a type must be may be known only with the value.
                    Err(error)
                        if !matches!(error.state(), SqlState::INDETERMINATE_DATATYPE | SqlState::DATATYPE_MISMATCH) =>
                    {
                        Some(host.fail(&error, false))
                    }
                    _ => None,
                })
            })?;
            if let Some(code) = refused {
                return Ok((LuaValue::Nil, code));
            }
            let statement = statement_userdata(lua, prepared, emits)?;
            lua.set_app_data(LastPrepared(statement.clone()));
            Ok((LuaValue::UserData(statement), 0))
        })?,
    )?;
    db.raw_set(
        "bind",
        lua.create_function(|lua, (_, key, value): (LuaValue, LuaValue, LuaValue)| {
            let last = lua.app_data_ref::<LastPrepared>().map(|last| last.0.clone());
            match last {
                Some(statement) => mlua::ObjectLike::call_method::<i64>(&statement, "bind", (key, value)),
                None => Err(mlua::Error::runtime("no active stmt")),
            }
        })?,
    )?;
    db.raw_set("copyrow", lua.create_function(|lua, (_, row): (LuaValue, Table)| copy_row(lua, &row))?)?;
    db.raw_set(
        "table",
        lua.create_function(move |lua, (_, name, columns): (LuaValue, String, Option<Table>)| {
            let found = match columns {
                Some(columns) => make_temporary(lua, &name, &columns)?,
                None => None,
            };
            if let Some(code) = found {
                return Ok((LuaValue::Nil, code));
            }
            let found = with_host(lua, |host| {
                host.error.clear();
                Ok(match find_table(host, &name) {
                    Ok(def) => Ok(def),
                    Err(error) => Err(host.fail(&error, false)),
                })
            })?;
            match found {
                Ok(def) if emits => Ok((LuaValue::UserData(lua.create_userdata(Handle::<true> { def })?), 0)),
                Ok(def) => Ok((LuaValue::UserData(lua.create_userdata(Handle::<false> { def })?), 0)),
                Err(code) => Ok((LuaValue::Nil, code)),
            }
        })?,
    )
}

/// The text of a statement; none when it is no text of SQL, which `db:error()` says then.
fn statement_text(lua: &Lua, sql: &LuaString) -> mlua::Result<Option<String>> {
    match sql_text(sql) {
        Ok(sql) => Ok(Some(sql)),
        Err(error) => with_host(lua, |host| {
            host.fail(&error, false);
            Ok(None)
        }),
    }
}

/// The statement prepared last, for the old `db:bind`.
struct LastPrepared(AnyUserData);

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `db:table('tmp', {{'id', 'integer'}, …})` (CDB-1018): a temporary table of this run; the code if it fails. When it is
/// there already, that one is used.
fn make_temporary(lua: &Lua, name: &str, columns: &Table) -> mlua::Result<Option<i64>> {
    let mut parts = Vec::new();
    for column in columns.sequence_values::<Table>() {
        let column = column?;
        let (name, ty): (String, String) = (column.get(1)?, column.get(2)?);
        if !is_type(&ty) {
            let error = SqlError::syntax(format!("\"{ty}\" is no type"));
            return with_host(lua, |host| Ok(Some(host.fail(&error, false))));
        }
        parts.push(format!("{} {ty}", quoted(&name)));
    }
    let sql = format!("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({})", quoted(name), parts.join(", "));
    with_host(lua, |host| {
        // Made in a transaction of its own, so that a rollback leaves it.
        let alone = !host.managed && host.session.as_ref().is_some_and(|session| !session.has_written());
        if alone {
            host.rest();
        }
        let result = host.begun().and_then(|session| session.run_inside(&sql, &[], &[])).and_then(|_| {
            let session = host.session()?;
            if alone { session.commit_internal().map(|_| ()) } else { Ok(()) }
        });
        // That it was there already is no news for the client.
        if let Some(session) = &mut host.session {
            session.take_notices();
        }
        Ok(result.err().map(|error| host.fail(&error, host.dooms(&error))))
    })
}

/// Whether a text can be the name of a type, and nothing more: `decimal(10, 2)`, `text[]`.
fn is_type(text: &str) -> bool {
    let mut depth = 0_usize;
    text.chars().all(|c| match c {
        '(' => {
            depth += 1;
            true
        }
        ')' => {
            depth = depth.wrapping_sub(1);
            depth < 2
        }
        ',' => depth > 0,
        '[' | ']' | ' ' | '_' => true,
        c => c.is_alphanumeric(),
    }) && depth == 0
}

fn find_table(host: &mut Host, name: &str) -> Result<Arc<TableDef>> {
    let lower = name.to_ascii_lowercase();
    let session = host.begun()?;
    // As names in statements are, and where procedures' tables are as a rule.
    let schemas = session.name_schemas();
    session.with_hook_context(&mut |ctx| {
        let catalog = ctx.catalog();
        for schema in schemas.iter().copied().chain([PUBLIC]) {
            for name in [name, lower.as_str()] {
                if let Some(Relation::Table(def)) = catalog.relation(schema, name) {
                    return Ok(def);
                }
            }
        }
        Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("no such table:{name}")))
    })
}

/// The table's name for SQL.
fn sql_name(host: &mut Host, def: &TableDef) -> Result<String> {
    let schema = host.begun()?.with_hook_context(&mut |ctx| {
        Ok(ctx.catalog().schema(def.schema).map(|schema| schema.name.clone()).unwrap_or_else(|| "public".to_owned()))
    })?;
    Ok(format!("{}.{}", quoted(&schema), quoted(&def.name)))
}

/// A handle on a table (CDB-1017).
struct Handle<const EMITS: bool> {
    def: Arc<TableDef>,
}

impl<const EMITS: bool> UserData for Handle<EMITS> {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("name", |_, this, ()| Ok(this.def.name.clone()));
        methods.add_method("insert", |lua, this, values: LuaValue| {
            let LuaValue::Table(values) = values else {
                return Err(mlua::Error::runtime("bad argument to 'insert' (table expected)"));
            };
            let row = collect(lua, &this.def, &values)?;
            with_host(lua, |host| {
                host.error.clear();
                let result = row.and_then(|row| insert(host, &this.def, row));
                Ok(match result {
                    Ok(()) => 0,
                    Err(error) => host.fail(&error, host.dooms(&error)),
                })
            })
        });
        methods.add_method("where", |lua, this, condition: Option<String>| {
            let name = with_host(lua, |host| sql_name(host, &this.def).map_err(mlua::Error::external))?;
            let text = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
            let sql = format!("SELECT * FROM {name}{text}");
            let (result, code) = execute(lua, &Prepared::plain(&sql))?;
            rows_userdata(lua, &sql, result, EMITS).map(|rows| (rows, code))
        });
        methods.add_method("copyfrom", |lua, this, (other, condition): (LuaValue, Option<String>)| {
            let LuaValue::UserData(other) = other else {
                return Err(mlua::Error::runtime("bad argument to 'copyfrom' (table expected)"));
            };
            let from = match (other.borrow::<Handle<true>>(), other.borrow::<Handle<false>>()) {
                (Ok(other), _) => other.def.clone(),
                (_, Ok(other)) => other.def.clone(),
                _ => return Err(mlua::Error::runtime("bad argument to 'copyfrom' (table expected)")),
            };
            let (to, from) = with_host(lua, |host| {
                let pair = sql_name(host, &this.def).and_then(|to| Ok((to, sql_name(host, &from)?)));
                pair.map_err(mlua::Error::external)
            })?;
            let text = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
            let (_, code) = execute(lua, &Prepared::plain(&format!("INSERT INTO {to} SELECT * FROM {from}{text}")))?;
            Ok(code)
        });
        if EMITS {
            emits(methods);
        }
    }
}

fn table_rows(lua: &Lua, def: &Arc<TableDef>) -> mlua::Result<Found> {
    let name = with_host(lua, |host| sql_name(host, def).map_err(mlua::Error::external))?;
    let (found, _) = execute(lua, &Prepared::plain(&format!("SELECT * FROM {name}")))?;
    match found {
        Some(found) => Ok(found),
        None => Err(mlua::Error::runtime(with_host(lua, |host| Ok(host.error.clone()))?)),
    }
}

/// The rows of a table handle or statement that a script gives to `emit` or returns; none: it is something else.
pub(crate) fn rows_of(lua: &Lua, value: &AnyUserData) -> mlua::Result<Option<Source>> {
    if let Ok(source) = value.borrow::<Source>() {
        return Ok(Some(source.clone()));
    }
    if let Ok(handle) = value.borrow::<Handle<true>>() {
        let def = handle.def.clone();
        drop(handle);
        return table_rows(lua, &def).map(|found| Some(found.source));
    }
    if let Ok(mut rows) = value.borrow_mut::<Rows<true>>() {
        return rows.rest().map(Some);
    }
    if value.is::<Statement<true>>() {
        if matches!(kind_of(&value.borrow::<Statement<true>>()?.prepared.sql), Text::Write) {
            return Err(mlua::Error::runtime("statement must be read-only"));
        }
        let open = value.borrow_mut::<Statement<true>>()?.rows.take();
        return match open {
            Some(mut rows) => rows.rest().map(Some),
            None => run_bound::<true>(lua, value).map(|found| Some(found.source)),
        };
    }
    Ok(None)
}

/// A value for each column that the script named. Values that cannot be converted are the inner error.
fn collect(lua: &Lua, def: &TableDef, values: &Table) -> mlua::Result<Result<Vec<Option<Value>>>> {
    let mut row: Vec<Option<Value>> = vec![None; def.columns.len()];
    let mut bytes = 0_usize;
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
        bytes = bytes.saturating_add(value.heap_bytes());
        Outside::allows(lua, bytes)?;
        match assign(value, ty, def.columns[place].ty) {
            Ok(value) => row[place] = Some(value),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(row))
}

fn insert(host: &mut Host, def: &Arc<TableDef>, row: Vec<Option<Value>>) -> Result<()> {
    let simple = def.live_columns().all(|(place, column)| {
        column.generated.is_none()
            && column.identity.is_none()
            && (row[place].is_some() || (column.default.is_none() && column.sequence.is_none()))
    });
    if simple {
        let mut row = Some(row.into_iter().map(Option::unwrap_or_default).collect());
        host.begun()?.with_hook_context(&mut |ctx| {
            ctx.check_insert(def.id)?;
            ctx.insert(def.id, row.take().unwrap_or_default()).map(|_| ())
        })?;
        host.effects.inserted += 1;
        return Ok(());
    }
    let (mut names, mut types, mut params, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (place, value) in row.into_iter().enumerate() {
        if let Some(value) = value {
            names.push(quoted(&def.columns[place].name));
            types.push(def.columns[place].ty.oid);
            params.push(value);
            places.push(format!("${}", params.len()));
        }
    }
    let name = sql_name(host, def)?;
    let sql = if names.is_empty() {
        format!("INSERT INTO {name} DEFAULT VALUES")
    } else {
        format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), places.join(", "))
    };
    let result = host.begun()?.run_inside(&sql, &types, &params)?;
    host.count(&result);
    Ok(())
}

/// Whether a text writes, and whether a script may run it at all (CDB-1019).
enum Text {
    Read,
    Write,
    Refused(i64),
}

/// A text without the blanks, comments and parentheses at its beginning.
fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if let Some(rest) = sql.strip_prefix("--") {
            sql = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(mut rest) = sql.strip_prefix("/*") {
            let mut depth = 1;
            while depth > 0 {
                let Some(at) = rest.find(['*', '/']) else { return "" };
                rest = &rest[at..];
                let step = match rest.get(..2) {
                    Some("*/") => -1,
                    Some("/*") => 1,
                    _ => 0,
                };
                depth += step;
                rest = &rest[if step == 0 { 1 } else { 2 }..];
            }
            sql = rest;
        } else {
            let end = sql.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(sql.len());
            return &sql[..end];
        }
    }
}

fn kind_of(sql: &str) -> Text {
    match first_word(sql).to_ascii_lowercase().as_str() {
        "select" | "values" | "with" | "table" | "show" | "explain" => Text::Read,
        "insert" | "update" | "delete" | "merge" => Text::Write,
        "begin" | "commit" | "rollback" | "start" | "end" | "abort" | "savepoint" | "release" | "prepare" => {
            Text::Refused(-1)
        }
        _ => Text::Refused(23),
    }
}

/// Code and text of a statement that a script may not run; of one that nobody can read the syntax error.
fn refuse(host: &mut Host, sql: &str, code: i64) -> i64 {
    let unreadable = host.begun().and_then(|session| session.parameter_types(sql, &[])).err();
    match unreadable.filter(|error| error.state() == SqlState::SYNTAX_ERROR && !sql.trim().is_empty()) {
        Some(error) => host.fail(&error, false),
        None => {
            "this statement is not allowed in a procedure".clone_into(&mut host.error);
            code
        }
    }
}

/// A statement with its placeholders as `$n`, and the values bound to them.
#[derive(Clone)]
struct Prepared {
    sql: String,
    /// Names of the placeholders in order of their numbers; empty for `?` and `$n`.
    names: Vec<String>,
    params: Vec<(Value, DataType)>,
    /// What the values take outside of the interpreter's heap.
    held: Vec<Option<Arc<Held>>>,
}

const PARAMS_MAX: usize = 2048;

impl Prepared {
    fn plain(sql: &str) -> Prepared {
        Prepared { sql: sql.to_owned(), names: Vec::new(), params: Vec::new(), held: Vec::new() }
    }

    /// Turns `?` and `@name` into `$n`, outside of quotes and comments.
    fn new(text: &str) -> mlua::Result<Prepared> {
        let mut sql = String::with_capacity(text.len());
        let mut names: Vec<String> = Vec::new();
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
                (None, '-') if chars.peek() == Some(&'-') => {
                    quote = Some('\n');
                    sql.push(c);
                }
                (None, '?') => {
                    names.push(String::new());
                    sql.push_str(&format!("${}", names.len()));
                }
                (None, '$') if chars.peek().is_some_and(char::is_ascii_digit) => {
                    let mut number = 0;
                    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                        number = (number * 10 + digit as usize).min(PARAMS_MAX + 1);
                        chars.next();
                    }
                    if names.len() < number {
                        names.resize(number, String::new());
                    }
                    sql.push_str(&format!("${number}"));
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
                    sql.push_str(&format!("${}", place + 1));
                }
                (None, c) => sql.push(c),
            }
        }
        if names.len() > PARAMS_MAX {
            return Err(mlua::Error::runtime(format!("too many parameters (at most {PARAMS_MAX})")));
        }
        let (params, held) = (vec![(Value::Null, DataType::UNKNOWN); names.len()], vec![None; names.len()]);
        Ok(Prepared { sql, names, params, held })
    }

    fn place(&self, key: &LuaValue) -> mlua::Result<usize> {
        let found = match key {
            LuaValue::Integer(n) => usize::try_from(*n).ok().and_then(|n| n.checked_sub(1)),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            LuaValue::Number(n) if n.fract() == 0.0 && *n >= 1.0 => Some(*n as usize - 1),
            LuaValue::String(name) => {
                let name = name.to_str()?;
                self.names.iter().position(|have| **have == *name)
            }
            _ => None,
        };
        found.filter(|at| *at < self.names.len()).ok_or_else(|| mlua::Error::runtime("bad argument to 'bind'"))
    }
}

/// Types and values of the parameters, in the types that the statement wants.
fn bound(host: &mut Host, prepared: &Prepared) -> Result<(Vec<u32>, Vec<Value>)> {
    if prepared.params.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut types = vec![0; prepared.params.len()];
    let session = host.begun()?;
    let inferred = session.parameter_types(&prepared.sql, &types);
    let textual = |ty: &DataType| matches!(ty.oid, oid::TEXT | oid::UNKNOWN);
    let mut own = false;
    for (at, (value, ty)) in prepared.params.iter().enumerate() {
        let open = inferred.as_ref().map_or(true, |types| types.get(at).is_none_or(textual));
        if open && !value.is_null() && !textual(ty) {
            types[at] = ty.oid;
            own = true;
        }
    }
    let wanted = if own { session.parameter_types(&prepared.sql, &types)? } else { inferred? };
    let mut values = Vec::with_capacity(wanted.len());
    for ((value, ty), to) in prepared.params.iter().zip(&wanted) {
        values.push(assign(value.clone(), *ty, *to)?);
    }
    values.resize(wanted.len(), Value::Null);
    Ok((types, values))
}

impl Host {
    /// Whether a write that failed so dooms the transaction: one that names what is not there, or cannot be read, does not,
    /// outside of triggers (CDB-510, CDB-1021).
    fn dooms(&self, error: &SqlError) -> bool {
        self.strict || error.state().class() != "42"
    }
}

/// Whether a query's text may write all the same.
fn may_write(sql: &str) -> bool {
    let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    first_word(sql).eq_ignore_ascii_case("with")
        && words
            .any(|word| ["insert", "update", "delete", "merge"].iter().any(|write| word.eq_ignore_ascii_case(write)))
}

/// Runs a statement, or begins a query; none and the code when it failed.
fn execute(lua: &Lua, prepared: &Prepared) -> mlua::Result<(Option<Found>, i64)> {
    let result = with_host(lua, |host| {
        host.error.clear();
        let write = match kind_of(&prepared.sql) {
            Text::Read => may_write(&prepared.sql),
            Text::Write => true,
            Text::Refused(code) => {
                let code = refuse(host, &prepared.sql, code);
                return Ok(Ok((None, code)));
            }
        };
        let result = bound(host, prepared).and_then(|(types, values)| {
            let session = host.begun()?;
            session.begin_inside(&prepared.sql, &types, &values)
        });
        let result = result.and_then(|begun| host.found(begun));
        Ok(match result {
            Ok(Some(found)) => Ok((Some(found), 0)),
            Ok(None) => Ok((None, refuse(host, &prepared.sql, 23))),
            Err(error) if is_final(&error) => Err(error),
            Err(error) => {
                let code = host.fail(&error, write && host.dooms(&error));
                Ok((None, code))
            }
        })
    })?;
    result.map_err(|error| raise(lua, error))
}

/// A prepared statement (CDB-1013).
struct Statement<const EMITS: bool> {
    prepared: Prepared,
    rows: Option<Rows<EMITS>>,
    closed: bool,
}

fn statement_userdata(lua: &Lua, prepared: Prepared, emits: bool) -> mlua::Result<AnyUserData> {
    if emits {
        lua.create_userdata(Statement::<true> { prepared, rows: None, closed: false })
    } else {
        lua.create_userdata(Statement::<false> { prepared, rows: None, closed: false })
    }
}

/// Runs a prepared statement with what is bound: its rows, or the error raised.
fn run_bound<const EMITS: bool>(lua: &Lua, this: &AnyUserData) -> mlua::Result<Found> {
    let prepared = {
        let statement = this.borrow::<Statement<EMITS>>()?;
        if statement.closed {
            return Err(mlua::Error::runtime("no active stmt"));
        }
        statement.prepared.clone()
    };
    match execute(lua, &prepared)? {
        (Some(found), _) => Ok(found),
        (None, _) => {
            let text = with_host(lua, |host| Ok(host.error.clone()))?;
            Err(mlua::Error::runtime(text))
        }
    }
}

impl<const EMITS: bool> UserData for Statement<EMITS> {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("bind", |lua, this, (key, value): (LuaValue, LuaValue)| {
            let place = this.prepared.place(&key)?;
            let bound = match &value {
                LuaValue::Table(items) => array(lua, items)?,
                value => from_lua(lua, value)?,
            };
            this.prepared.held[place] = Outside::hold(lua, bound.0.heap_bytes())?;
            this.prepared.params[place] = bound;
            this.rows = None;
            Ok(0)
        });
        methods.add_function("exec", |lua, this: AnyUserData| {
            let prepared = {
                let statement = this.borrow::<Self>()?;
                if statement.closed {
                    return Err(mlua::Error::runtime("no active stmt"));
                }
                statement.prepared.clone()
            };
            let (found, code) = execute(lua, &prepared)?;
            let rows = found.map(|found| Rows::new(lua, "", found)).transpose()?;
            this.borrow_mut::<Self>()?.rows = rows;
            Ok(code)
        });
        methods.add_function("fetch", |lua, this: AnyUserData| {
            if this.borrow::<Self>()?.rows.is_none() {
                if matches!(kind_of(&this.borrow::<Self>()?.prepared.sql), Text::Write) {
                    return Err(mlua::Error::runtime("statement must be read-only"));
                }
                let rows = Rows::new(lua, "", run_bound::<EMITS>(lua, &this)?)?;
                this.borrow_mut::<Self>()?.rows = Some(rows);
            }
            match &mut this.borrow_mut::<Self>()?.rows {
                Some(rows) => rows.fetch(lua),
                None => Ok(LuaValue::Nil),
            }
        });
        methods.add_method_mut("close", |_, this, ()| {
            this.closed = true;
            this.rows = None;
            Ok(0)
        });
        methods.add_method("rows_changed", |_, this, ()| Ok(this.rows.as_ref().map_or(0, Rows::changed)));
        column_methods(methods, |this: &Self| (&this.prepared.sql, this.prepared.names.len()));
        if EMITS {
            emits(methods);
        }
    }
}

/// A Lua array as an SQL array: of its first element's type.
fn array(lua: &Lua, items: &Table) -> mlua::Result<(Value, DataType)> {
    let mut element = DataType::TEXT;
    let mut text = String::from("{");
    for (at, item) in items.sequence_values::<LuaValue>().enumerate() {
        let (value, ty) = from_lua(lua, &item?)?;
        if at == 0 {
            element = ty;
        } else {
            text.push(',');
        }
        if value.is_null() {
            text.push_str("NULL");
            continue;
        }
        let value = assign(value, ty, element).map_err(mlua::Error::external)?;
        let mut plain = String::new();
        to_text(&value, element, &Default::default(), &mut plain);
        text.push('"');
        text.push_str(&plain.replace('\\', "\\\\").replace('"', "\\\""));
        text.push('"');
        Outside::allows(lua, text.len())?;
    }
    text.push('}');
    let ty = array_type_of(element.oid).map(DataType::new);
    let ty = ty.ok_or_else(|| mlua::Error::runtime("an array of this type cannot be bound"))?;
    let value = from_text(&text, ty, &Default::default()).map_err(mlua::Error::external)?;
    Ok((value, ty))
}

#[cfg(test)]
mod tests {
    use super::*;

    // CDB-1013
    #[test]
    fn placeholders() {
        let statement = Prepared::new("select ? , '?' , @a, @b, @a -- ?").unwrap();
        assert_eq!(statement.sql, "select $1 , '?' , $2, $3, $2 -- ?");
        assert_eq!(statement.names, ["", "a", "b"]);
        assert!(Prepared::new(&"?".repeat(2049)).is_err());
    }
}
