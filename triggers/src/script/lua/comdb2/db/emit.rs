//! Rows out (section 10.4): columns declared or taken from the first row, values converted to them.

use std::collections::VecDeque;
use std::sync::Arc;

use mlua::{AnyUserData, Lua, MultiValue, Table, Value as LuaValue};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, oid};

use super::rows::{EmitAll, RowShape, Source, row_weight};
use super::statement::rows_of;
use super::{raise, with_host};
use crate::script::lua::budget::Outside;
use crate::script::lua::convert::{self, Kind, assign, convert, from_lua};
use crate::script::lua::{token, yielder};

/// Rows that may wait before `db:emit` lets the client have them.
const WAITING_MAX: usize = 256;
/// Bytes of them.
const WAITING_BYTES: usize = 1 << 20;
const COLUMNS_MAX: usize = 1600;

/// The rows that a run gives.
#[derive(Default)]
pub(crate) struct Emitter {
    /// Rows not taken yet; with true, the script waits for the client's request after the row.
    out: VecDeque<(Row, bool)>,
    /// Bytes of these.
    bytes: usize,
    count: Option<usize>,
    names: Vec<Option<String>>,
    types: Vec<Option<DataType>>,
    /// Fixed by the statement's AS list.
    listed: bool,
    /// Names and types, from the first row on.
    shape: Option<Vec<(String, DataType)>>,
    /// Its types.
    fixed: Option<Arc<[DataType]>>,
}

impl Emitter {
    /// With the columns of the statement's AS list; none if that is empty.
    pub(crate) fn new(columns: &[(String, DataType)]) -> Emitter {
        let mut made = Emitter::default();
        if !columns.is_empty() {
            made.listed = true;
            made.count = Some(columns.len());
            made.names = columns.iter().map(|(name, _)| Some(name.clone())).collect();
            made.types = columns.iter().map(|(_, ty)| Some(*ty)).collect();
        }
        made
    }

    fn push(&mut self, row: Row, blocking: bool) {
        self.bytes += row_weight(&row);
        self.out.push_back((row, blocking));
    }

    /// The next row for the client.
    pub(crate) fn take(&mut self) -> Option<(Row, bool)> {
        let (row, blocking) = self.out.pop_front()?;
        self.bytes = if self.out.is_empty() { 0 } else { self.bytes.saturating_sub(row_weight(&row)) };
        Some((row, blocking))
    }

    /// Whether the client should have what waits.
    fn is_full(&self) -> bool {
        self.out.len() >= WAITING_MAX || self.bytes >= WAITING_BYTES
    }

    /// The columns, once they are known: from the first row, or when all are declared.
    pub(crate) fn columns(&self) -> Option<Vec<(String, DataType)>> {
        if let Some(shape) = &self.shape {
            return Some(shape.clone());
        }
        let count = self.count?;
        let declared = |at: usize| Some((self.names.get(at)?.clone()?, (*self.types.get(at)?)?));
        (0..count).map(declared).collect()
    }

    /// Whether the columns have names, so that a table can be a row.
    fn declared(&self) -> bool {
        self.shape.is_some() || self.names.iter().any(Option::is_some)
    }

    fn width(&self) -> usize {
        match (&self.shape, self.count) {
            (Some(shape), _) => shape.len(),
            (None, Some(count)) => count,
            (None, None) => self.names.len().max(self.types.len()),
        }
    }

    fn name(&self, at: usize) -> String {
        match &self.shape {
            Some(shape) => shape.get(at).map(|(name, _)| name.clone()),
            None => self.names.get(at).cloned().flatten(),
        }
        .unwrap_or_else(|| format!("${at}"))
    }
}

fn mismatch(text: impl Into<String>) -> mlua::Error {
    mlua::Error::external(SqlError::new(SqlState::DATATYPE_MISMATCH, text.into()))
}

/// The type of an emitted column by its declared name (CDB-1024).
fn wire_type(name: &str) -> DataType {
    match name.to_ascii_lowercase().as_str() {
        "short" | "u_short" | "int" | "u_int" | "integer" | "longlong" => DataType::INT8,
        "float" | "double" | "number" | "real" => DataType::FLOAT8,
        "blob" | "byte" => DataType::BYTEA,
        "datetimeus" => DataType::TIMESTAMPTZ,
        other if other.starts_with("date") => DataType::with_typmod(oid::TIMESTAMPTZ, 3),
        "intervalym" | "intervalds" | "intervaldsus" => DataType::new(oid::INTERVAL),
        _ => DataType::TEXT,
    }
}

/// The type of a column that nobody declared, by the first value in it (CDB-1026).
fn type_of(value: &LuaValue, ty: DataType) -> DataType {
    match value {
        LuaValue::Integer(_) | LuaValue::Number(_) => DataType::FLOAT8,
        LuaValue::Other(_) => DataType::INT8,
        LuaValue::UserData(_) => match Kind::of(ty) {
            Kind::Int => DataType::INT8,
            Kind::Real => DataType::FLOAT8,
            Kind::Cstring => DataType::TEXT,
            Kind::Datetime => DataType::TIMESTAMPTZ,
            Kind::IntervalYm | Kind::IntervalDs => DataType::new(oid::INTERVAL),
            Kind::Decimal => DataType::new(oid::NUMERIC),
            Kind::Blob => DataType::BYTEA,
            Kind::Bool => DataType::BOOL,
        },
        LuaValue::Boolean(_) => DataType::BOOL,
        _ => DataType::TEXT,
    }
}

/// Sends scalars as one row.
fn emit_values(lua: &Lua, values: &[LuaValue], blocking: bool) -> mlua::Result<()> {
    let mut plain = Vec::new();
    if with_host(lua, |host| Ok(host.emitter.shape.is_none()))? {
        for value in values {
            plain.push(match value {
                LuaValue::Table(_) | LuaValue::Function(_) | LuaValue::Thread(_) => DataType::UNKNOWN,
                value => from_lua(lua, value)?.1,
            });
        }
    }
    let types = with_host(lua, |host| {
        let emitter = &mut host.emitter;
        let needed = emitter.width();
        if needed != 0 && needed != values.len() {
            return Err(mismatch(format!("bad number of emit columns:{} (need:{needed})", values.len())));
        }
        if emitter.shape.is_none() {
            let columns = values.iter().zip(&plain).enumerate().map(|(at, (value, ty))| {
                (emitter.name(at), emitter.types.get(at).copied().flatten().unwrap_or_else(|| type_of(value, *ty)))
            });
            emitter.shape = Some(columns.collect());
        }
        let Emitter { shape, fixed, .. } = emitter;
        Ok(fixed.get_or_insert_with(|| shape.iter().flatten().map(|(_, ty)| *ty).collect()).clone())
    })?;
    let mut row = Vec::with_capacity(values.len());
    let mut bytes = 0_usize;
    for (value, ty) in values.iter().zip(types.iter()) {
        let value = convert(lua, value, *ty)?;
        bytes = bytes.saturating_add(value.heap_bytes());
        Outside::allows(lua, bytes)?;
        row.push(value);
    }
    with_host(lua, |host| {
        // Where a script cannot be left, rows wait for it to end.
        Outside::allows(lua, host.emitter.bytes.saturating_add(bytes))?;
        host.emitter.push(row, blocking);
        Ok(())
    })
}

/// Sends a Lua table as a row: its keys are the declared columns.
fn emit_table(lua: &Lua, table: &Table, blocking: bool) -> mlua::Result<()> {
    if let Some(meta) = table.metatable()
        && let Ok(shape) = meta.raw_get::<AnyUserData>("__columns")
        && let Ok(shape) = shape.borrow::<RowShape>()
    {
        let named = with_host(lua, |host| Ok(host.emitter.declared()))?;
        if !named {
            let values: Vec<LuaValue> =
                shape.0.iter().map(|(name, _)| table.get(name.as_str())).collect::<mlua::Result<_>>()?;
            with_host(lua, |host| {
                host.emitter.shape = Some(shape.0.to_vec());
                Ok(())
            })?;
            return emit_values(lua, &values, blocking);
        }
    }
    let names = with_host(lua, |host| {
        let emitter = &host.emitter;
        if !emitter.declared() {
            return Err(mlua::Error::runtime("attempt to emit row without defining columns"));
        }
        Ok((0..emitter.width()).map(|at| emitter.name(at)).collect::<Vec<_>>())
    })?;
    let values = names.iter().map(|name| table.get(name.as_str())).collect::<mlua::Result<Vec<LuaValue>>>()?;
    emit_values(lua, &values, blocking)
}

/// Sends rows of a result until the client should have them: true when there are more. The last one blocks if asked.
pub(crate) fn emit_source(lua: &Lua, source: &Source, blocking: bool) -> mlua::Result<bool> {
    let result = with_host(lua, |host| {
        let emitter = &mut host.emitter;
        let needed = emitter.width();
        if needed != 0 && needed != source.columns.len() {
            return Err(mismatch(format!("bad number of emit columns:{} (need:{needed})", source.columns.len())));
        }
        if emitter.shape.is_none() {
            let columns = source.columns.iter().enumerate().map(|(at, (name, ty))| {
                let name = emitter.names.get(at).cloned().flatten().unwrap_or_else(|| name.clone());
                (name, emitter.types.get(at).copied().flatten().unwrap_or(*ty))
            });
            emitter.shape = Some(columns.collect());
        }
        let types: Vec<DataType> = emitter.shape.iter().flatten().map(|(_, ty)| *ty).collect();
        let mut send = || -> Result<bool> {
            let mut next = host.next_row(source)?;
            while let Some(row) = next {
                next = host.next_row(source)?;
                let mut out = Vec::with_capacity(row.len());
                for ((value, (_, from)), to) in row.into_iter().zip(source.columns.iter()).zip(&types) {
                    out.push(assign(value, *from, *to)?);
                }
                host.emitter.push(out, blocking && next.is_none());
                if host.emitter.is_full()
                    && let Some(row) = next
                {
                    source.put_back(row);
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(send())
    })?;
    result.map_err(|error| raise(lua, error))
}

/// `emit(...)`: whether the script should let the client have what waits, and what is left to be sent then.
fn emit(lua: &Lua, blocking: bool, args: &[LuaValue]) -> mlua::Result<(bool, Option<AnyUserData>)> {
    let mut rest = None;
    match args {
        [] => return Err(mlua::Error::runtime("no row to send back")),
        [LuaValue::Table(table)] => emit_table(lua, table, blocking)?,
        [LuaValue::UserData(data)] => match rows_of(lua, data)? {
            Some(source) => {
                if emit_source(lua, &source, blocking)? {
                    rest = Some(lua.create_userdata(source)?);
                }
            }
            None => emit_values(lua, args, blocking)?,
        },
        values => emit_values(lua, values, blocking)?,
    }
    with_host(lua, |host| {
        if blocking && rest.is_none() {
            host.rest();
        }
        Ok((host.emitter.is_full(), rest))
    })
}

/// An index of a column as scripts write it, from 1.
fn place(lua: &Lua, n: f64, what: &str) -> mlua::Result<usize> {
    with_host(lua, |host| {
        if host.emitter.shape.is_some() {
            return Err(mlua::Error::runtime(format!("attempt to change {what}")));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        if n.fract() == 0.0 && (1.0..=1600.0).contains(&n) {
            Ok(n as usize)
        } else {
            Err(mlua::Error::runtime(format!("bad column number: {n}")))
        }
    })
}

/// Puts `emit` and the column calls into `db`.
pub(super) fn install(lua: &Lua, db: &Table) -> mlua::Result<()> {
    db.raw_set(
        "num_columns",
        lua.create_function(|lua, (_, n): (LuaValue, f64)| {
            let count = place(lua, n, "number of columns")?.min(COLUMNS_MAX);
            with_host(lua, |host| {
                if host.emitter.listed && host.emitter.count != Some(count) {
                    return Err(mismatch(format!(
                        "the procedure declares {count} columns, the statement {}",
                        host.emitter.count.unwrap_or_default()
                    )));
                }
                host.emitter.count = Some(count);
                Ok(0)
            })
        })?,
    )?;
    db.raw_set(
        "column_name",
        lua.create_function(|lua, (_, name, n): (LuaValue, LuaValue, f64)| {
            let name = convert::text(lua, &name)?;
            let at = place(lua, n, "column name")?;
            with_host(lua, |host| {
                let emitter = &mut host.emitter;
                if emitter.listed && emitter.names.get(at - 1).cloned().flatten().as_deref() != Some(&name) {
                    return Err(mismatch(format!(
                        "the procedure names column {at} \"{name}\", the statement does not"
                    )));
                }
                if emitter.names.len() < at {
                    emitter.names.resize(at, None);
                }
                emitter.names[at - 1] = Some(name);
                Ok(0)
            })
        })?,
    )?;
    db.raw_set(
        "column_type",
        lua.create_function(|lua, (_, name, n): (LuaValue, LuaValue, f64)| {
            let ty = wire_type(&convert::text(lua, &name)?);
            let at = place(lua, n, "column type")?;
            with_host(lua, |host| {
                let emitter = &mut host.emitter;
                if emitter.listed {
                    let listed = emitter.types.get(at - 1).copied().flatten();
                    if listed.is_none_or(|listed| Kind::of(listed) != Kind::of(ty)) {
                        return Err(mismatch(format!(
                            "the procedure gives column {at} another type than the statement"
                        )));
                    }
                    return Ok(0);
                }
                if emitter.types.len() < at {
                    emitter.types.resize(at, None);
                }
                emitter.types[at - 1] = Some(ty);
                Ok(0)
            })
        })?,
    )?;
    let op = lua.create_function(|lua, (blocking, args): (bool, MultiValue)| {
        emit(lua, blocking, &args.into_iter().collect::<Vec<_>>())
    })?;
    let all = lua
        .load(
            "local db, token, yield, emit = ...
         function db:emit(...)
           local full, rest = emit(false, ...)
           while rest do
             yield(token)
             full, rest = emit(false, rest)
           end
           if full then yield(token) end
           return 0
         end
         local send = db.emit
         return function(self) return send(db, self) end",
        )
        .set_name("=api")
        .call::<mlua::Function>((db, token(lua)?, yielder(lua)?, op.clone()))?;
    lua.set_app_data(EmitAll(all));
    lua.set_app_data(EmitOp(op));
    Ok(())
}

/// The function behind `emit`, for a consumer's.
struct EmitOp(mlua::Function);

/// `emit` of a consumer: a Lua function of (self, …) that waits for the client after the row; `offered` runs before
/// that, `asked` when it asked.
pub(crate) fn blocking_emit(lua: &Lua, offered: mlua::Function, asked: mlua::Function) -> mlua::Result<mlua::Function> {
    let op = lua.app_data_ref::<EmitOp>().map(|op| op.0.clone());
    let op = op.ok_or_else(|| mlua::Error::runtime("no rows from this state"))?;
    lua.load(
        "local token, yield, emit, offered, asked = ...
         return function(self, ...)
           local _, rest = emit(true, ...)
           while rest do
             yield(token)
             _, rest = emit(true, rest)
           end
           offered()
           yield(token)
           return asked()
         end",
    )
    .set_name("=api")
    .call((token(lua)?, yielder(lua)?, op, offered, asked))
}
