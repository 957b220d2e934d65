//! SQL values to Lua and back (CDB-601, CDB-602, CDB-1005 to CDB-1008).
//!
//! Integers and doubles are Lua numbers, as long as Lua prints them in full (14 digits); a longer int8 is LuaJIT's own
//! 64-bit integer, made and taken apart by two small Lua functions, so that comparisons with numbers and arithmetic work
//! and not a digit is lost. Text is a Lua string, NULL one light value that is not nil. Everything else is `Typed`: the SQL value
//! with its type, which prints, compares with its like, and goes back into SQL as it came.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use mlua::{Function, LightUserData, Lua, MetaMethod, UserData, UserDataMethods, Value as LuaValue};
use tripline_sql::types::{DataType, TextStyle, Value, compare, equal, oid, to_text};

/// Integers that are Lua numbers: those that `tostring` and `..` print digit by digit.
const PLAIN: i64 = 99_999_999_999_999;
/// Integers that a Lua number holds exactly.
const EXACT: i64 = 1 << 53;

/// The helpers for 64-bit integers.
struct Wide {
    make: Function,
    split: Function,
}

/// Prepares a state: helpers, and how NULL behaves.
pub(crate) fn install(lua: &Lua) -> mlua::Result<()> {
    let make = lua.load("return function(high, low) return high * 4294967296LL + low end").eval()?;
    let split = lua
        .load(
            "local tonumber, type = tonumber, type
             return function(v)
               local high = v / 4294967296LL
               local low = v - high * 4294967296LL
               return tonumber(high), tonumber(low)
             end",
        )
        .eval()?;
    lua.set_app_data(Wide { make, split });
    let null = lua.create_table()?;
    null.set("__tostring", lua.create_function(|_, _: LuaValue| Ok("NULL"))?)?;
    null.set(
        "__concat",
        lua.create_function(|lua, (a, b): (LuaValue, LuaValue)| Ok(text(lua, &a)? + &text(lua, &b)?))?,
    )?;
    let refuse = lua.create_function(|_, (_, _): (LuaValue, LuaValue)| -> mlua::Result<()> {
        Err(mlua::Error::runtime("attempt to perform arithmetic on a NULL value"))
    })?;
    for name in ["__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm"] {
        null.set(name, refuse.clone())?;
    }
    let order = lua.create_function(|_, (_, _): (LuaValue, LuaValue)| -> mlua::Result<()> {
        Err(mlua::Error::runtime("attempt to compare a NULL value"))
    })?;
    null.set("__lt", order.clone())?;
    null.set("__le", order)?;
    null.set("__metatable", false)?;
    lua.set_type_metatable::<LightUserData>(Some(null));
    Ok(())
}

/// A value that Lua has no form for.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// The value.
    pub(crate) value: Value,
    /// Its type.
    pub(crate) ty: DataType,
}

impl Typed {
    fn text(&self) -> String {
        match &self.value {
            Value::Bytea(bytes) => {
                let mut out = String::with_capacity(bytes.len() * 2);
                for byte in bytes.iter() {
                    let _ = write!(out, "{byte:02x}");
                }
                out
            }
            // YYYY-MM-DDThhmmss.fff Zone/Name
            Value::TimestampTz(micros) | Value::Timestamp(micros) => {
                let mut plain = String::new();
                to_text(&Value::Timestamp(*micros), DataType::TIMESTAMP, &TextStyle::default(), &mut plain);
                let (day, time) = plain.split_once(' ').unwrap_or((&plain, ""));
                let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
                let digits = if micros % 1000 == 0 { 3 } else { 6 };
                format!("{day}T{}.{fraction:0<digits$} UTC", time.replace(':', ""))
            }
            value => {
                let mut out = String::new();
                to_text(value, self.ty, &TextStyle::default(), &mut out);
                out
            }
        }
    }
}

impl UserData for Typed {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.text()));
        methods.add_meta_function(MetaMethod::Concat, |lua, (a, b): (LuaValue, LuaValue)| {
            Ok(text(lua, &a)? + &text(lua, &b)?)
        });
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: LuaValue| {
            Ok(typed(&other).is_some_and(|other| other.ty.oid == this.ty.oid && equal(&this.value, &other.value)))
        });
        methods.add_meta_function(MetaMethod::Lt, |_, (a, b): (LuaValue, LuaValue)| Ok(order(&a, &b)?.is_lt()));
        methods.add_meta_function(MetaMethod::Le, |_, (a, b): (LuaValue, LuaValue)| Ok(order(&a, &b)?.is_le()));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.text().len()));
    }
}

fn typed(value: &LuaValue) -> Option<Typed> {
    match value {
        LuaValue::UserData(data) => data.borrow::<Typed>().ok().map(|typed| typed.clone()),
        _ => None,
    }
}

fn order(a: &LuaValue, b: &LuaValue) -> mlua::Result<Ordering> {
    match (typed(a), typed(b)) {
        (Some(a), Some(b)) if a.ty.oid == b.ty.oid => Ok(compare(&a.value, &b.value)),
        _ => Err(mlua::Error::runtime("attempt to compare values of different types")),
    }
}

/// What `type` says of a value that Lua calls userdata (CDB-1004).
pub(crate) fn type_name(value: &LuaValue) -> &'static str {
    match typed(value) {
        Some(typed) => match typed.value {
            Value::Bytea(_) => "blob",
            Value::Numeric(_) => "decimal",
            Value::Timestamp(_) | Value::TimestampTz(_) | Value::Date(_) => "datetime",
            Value::Interval(interval) if interval.days == 0 && interval.micros == 0 => "intervalym",
            Value::Interval(_) => "intervalds",
            _ => "cstring",
        },
        None if value.is_null() => "int",
        None => "userdata",
    }
}

/// The text of any value, as `..` and `print` make it.
pub(crate) fn text(lua: &Lua, value: &LuaValue) -> mlua::Result<String> {
    Ok(match value {
        LuaValue::Nil => "nil".to_owned(),
        value if value.is_null() => "NULL".to_owned(),
        LuaValue::Other(_) => match from_lua(lua, value)?.0 {
            Value::Int8(n) => n.to_string(),
            _ => String::new(),
        },
        other => match typed(other) {
            Some(typed) => typed.text(),
            None => other.to_string()?,
        },
    })
}

/// A SQL value for a script.
pub(crate) fn to_lua(lua: &Lua, value: &Value, ty: DataType) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::NULL,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Int2(n) => LuaValue::Integer((*n).into()),
        Value::Int4(n) => LuaValue::Integer((*n).into()),
        #[allow(clippy::cast_precision_loss, reason = "checked to be exact")]
        Value::Int8(n) if (-PLAIN..=PLAIN).contains(n) => LuaValue::Number(*n as f64),
        Value::Int8(n) => {
            let make = lua.app_data_ref::<Wide>().map(|wide| wide.make.clone());
            let make = make.ok_or_else(|| mlua::Error::runtime("no 64-bit integers in this state"))?;
            let (high, low) = (n.div_euclid(1 << 32), n.rem_euclid(1 << 32));
            #[allow(clippy::cast_precision_loss, reason = "both halves have at most 33 bits")]
            make.call((high as f64, low as f64))?
        }
        Value::Float4(n) => LuaValue::Number(f64::from(*n)),
        Value::Float8(n) => LuaValue::Number(*n),
        Value::Text(text) | Value::Json(text) => LuaValue::String(lua.create_string(text.as_bytes())?),
        Value::Jsonb(_) | Value::Uuid(_) => {
            let mut out = String::new();
            to_text(value, ty, &TextStyle::default(), &mut out);
            LuaValue::String(lua.create_string(&out)?)
        }
        other => LuaValue::UserData(lua.create_userdata(Typed { value: other.clone(), ty })?),
    })
}

/// A script's value for SQL, with its type. Errors: a value that SQL has no form for.
pub(crate) fn from_lua(lua: &Lua, value: &LuaValue) -> mlua::Result<(Value, DataType)> {
    Ok(match value {
        LuaValue::Nil => (Value::Null, DataType::UNKNOWN),
        value if value.is_null() => (Value::Null, DataType::UNKNOWN),
        LuaValue::Boolean(b) => (Value::Bool(*b), DataType::BOOL),
        LuaValue::Integer(n) => (Value::Int8(*n), DataType::INT8),
        LuaValue::Number(n) => number(*n),
        LuaValue::String(text) => (Value::text(&*text.to_str()?), DataType::TEXT),
        LuaValue::UserData(_) => match typed(value) {
            Some(typed) => (typed.value, typed.ty),
            None => return Err(mlua::Error::runtime("this value cannot be used in SQL")),
        },
        LuaValue::Other(_) => {
            let split = lua.app_data_ref::<Wide>().map(|wide| wide.split.clone());
            let split = split.ok_or_else(|| mlua::Error::runtime("no 64-bit integers in this state"))?;
            let (high, low): (f64, f64) = split.call(value.clone())?;
            #[allow(clippy::cast_possible_truncation, reason = "whole numbers of at most 33 bits")]
            let n = (high as i64).wrapping_mul(1 << 32).wrapping_add(low as i64);
            (Value::Int8(n), DataType::INT8)
        }
        other => return Err(mlua::Error::runtime(format!("a {} cannot be used in SQL", other.type_name()))),
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked to be exact")]
fn number(n: f64) -> (Value, DataType) {
    if n.fract() == 0.0 && n.abs() <= EXACT as f64 {
        (Value::Int8(n as i64), DataType::INT8)
    } else {
        (Value::Float8(n), DataType::FLOAT8)
    }
}

/// A blob for a script.
pub(crate) fn blob(bytes: &[u8]) -> Typed {
    Typed { value: Value::Bytea(Arc::from(bytes)), ty: DataType::new(oid::BYTEA) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Limits;
    use crate::script::lua::Machine;

    // int8 stays exact beyond 2^53 and compares with numbers
    #[test]
    fn wide_integers() {
        let machine = Machine::new(Limits::LUA).unwrap();
        let lua = machine.lua();
        for n in [0, 5, -7, PLAIN, PLAIN + 1, EXACT, EXACT + 1, -EXACT - 1, i64::MAX, i64::MIN, i64::MIN + 1] {
            let there = to_lua(lua, &Value::Int8(n), DataType::INT8).unwrap();
            assert_eq!(from_lua(lua, &there).unwrap().0, Value::Int8(n), "{n}");
            assert_eq!(text(lua, &there).unwrap(), n.to_string());
            let main = machine.load("local function main(v) return tostring(v) .. '|' .. type(v) end").unwrap();
            let got = machine.call(&main, there).unwrap();
            let kind = if n.abs_diff(0) > PLAIN.unsigned_abs() { "int" } else { "number" };
            assert_eq!(got.to_string().unwrap(), format!("{n}|{kind}"));
        }
    }

    // CDB-601, CDB-1007, CDB-1008
    #[test]
    fn null_is_not_nil() {
        let machine = Machine::new(Limits::LUA).unwrap();
        let main = machine
            .load("local function main(v) return v ~= nil and v == NULL and tostring(v) == 'NULL' and ('a'..v) == 'aNULL' and not pcall(function() return v + 1 end) end")
            .unwrap();
        assert_eq!(machine.call(&main, LuaValue::NULL).unwrap(), LuaValue::Boolean(true));
    }

    // CDB-1006
    #[test]
    fn texts() {
        assert_eq!(blob(&[0xde, 0xad]).text(), "dead");
        let time = Typed { value: Value::TimestampTz(500_000), ty: DataType::TIMESTAMPTZ };
        assert_eq!(time.text(), "2000-01-01T000000.500 UTC");
    }
}
