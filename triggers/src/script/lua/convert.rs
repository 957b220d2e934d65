//! SQL values to Lua and back (CDB-601, CDB-602, CDB-1005 to CDB-1008).
//!
//! Integers and doubles are Lua numbers, as long as Lua prints them in full (14 digits); a longer int8 is LuaJIT's own
//! 64-bit integer, made and taken apart by two small Lua functions, so that comparisons with numbers and arithmetic work
//! and not a digit is lost. Text is a Lua string. Everything else is `Typed`, NULLs too: the SQL value with its type, which
//! prints, compares with its like, and goes back into SQL as it came.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use mlua::{AnyUserData, Function, Lua, LuaString, MetaMethod, UserData, UserDataMethods, Value as LuaValue};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{
    CastContext, DataType, DecimalFormat, Interval, Numeric, TextStyle, TimeZone, Value, apply_typmod, cast, compare,
    equal, find_cast, from_text, oid, to_text,
};

use super::budget::{Held, Outside};

/// Microseconds from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Integers that are Lua numbers: those that `tostring` and `..` print digit by digit.
const PLAIN: i64 = 99_999_999_999_999;
/// Integers that a Lua number holds exactly.
const EXACT: i64 = 1 << 53;

/// The helpers for 64-bit integers.
struct Wide {
    make: Function,
    split: Function,
}

/// The Lua types of Comdb2 (CDB-1005).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Real,
    Decimal,
    Cstring,
    Blob,
    Datetime,
    IntervalYm,
    IntervalDs,
    Bool,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Int,
        Kind::Real,
        Kind::Decimal,
        Kind::Cstring,
        Kind::Blob,
        Kind::Datetime,
        Kind::IntervalYm,
        Kind::IntervalDs,
        Kind::Bool,
    ];

    /// Of a column.
    pub(crate) fn of(ty: DataType) -> Kind {
        match ty.oid {
            oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => Kind::Int,
            oid::FLOAT4 | oid::FLOAT8 => Kind::Real,
            oid::NUMERIC => Kind::Decimal,
            oid::BYTEA => Kind::Blob,
            oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => Kind::Datetime,
            oid::INTERVAL if ty.typmod >> 16 == YEAR_MONTH => Kind::IntervalYm,
            oid::INTERVAL => Kind::IntervalDs,
            oid::BOOL => Kind::Bool,
            _ => Kind::Cstring,
        }
    }

    /// By name, as `declare`, `db:cast` and typed parameters write it.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "int" | "integer" | "short" | "u_short" | "u_int" | "longlong" | "bigint" | "smallint" | "largeint" => {
                Kind::Int
            }
            "real" | "float" | "double" | "number" => Kind::Real,
            "decimal" => Kind::Decimal,
            "cstring" | "text" | "string" | "vutf8" => Kind::Cstring,
            "blob" | "byte" => Kind::Blob,
            "datetime" | "datetimeus" => Kind::Datetime,
            "intervalym" => Kind::IntervalYm,
            "intervalds" | "intervaldsus" => Kind::IntervalDs,
            "bool" | "boolean" => Kind::Bool,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Real => "real",
            Kind::Decimal => "decimal",
            Kind::Cstring => "cstring",
            Kind::Blob => "blob",
            Kind::Datetime => "datetime",
            Kind::IntervalYm => "intervalym",
            Kind::IntervalDs => "intervalds",
            Kind::Bool => "boolean",
        }
    }

    /// The SQL type that stands for it.
    pub(crate) fn ty(self) -> DataType {
        match self {
            Kind::Int => DataType::INT8,
            Kind::Real => DataType::FLOAT8,
            Kind::Decimal => DataType::new(oid::NUMERIC),
            Kind::Cstring => DataType::TEXT,
            Kind::Blob => DataType::BYTEA,
            Kind::Datetime => DataType::TIMESTAMPTZ,
            Kind::IntervalYm => DataType::with_typmod(oid::INTERVAL, YEAR_MONTH << 16 | 0xFFFF),
            Kind::IntervalDs => DataType::new(oid::INTERVAL),
            Kind::Bool => DataType::BOOL,
        }
    }
}

/// The fields of `interval year to month` in its type modifier.
const YEAR_MONTH: i32 = 6;

/// One NULL per kind, made once.
struct Nulls(Vec<AnyUserData>);

/// Prepares a state: helpers, the NULLs.
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
    let nulls = Kind::ALL.iter().map(|kind| lua.create_userdata(Typed::new(Value::Null, kind.ty())));
    lua.set_app_data(Nulls(nulls.collect::<mlua::Result<_>>()?));
    Ok(())
}

/// The NULL of a kind.
pub(crate) fn null(lua: &Lua, kind: Kind) -> mlua::Result<LuaValue> {
    match lua.app_data_ref::<Nulls>().and_then(|nulls| nulls.0.get(kind as usize).cloned()) {
        Some(null) => Ok(LuaValue::UserData(null)),
        None => Err(mlua::Error::runtime("no NULL in this state")),
    }
}

/// Whether a value is a NULL (not nil).
pub(crate) fn is_null(value: &LuaValue) -> bool {
    match value {
        LuaValue::UserData(data) => data.borrow::<Typed>().is_ok_and(|typed| typed.value.is_null()),
        _ => false,
    }
}

/// A value that Lua has no form for, and every NULL.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// The value.
    pub(crate) value: Value,
    /// Its type.
    pub(crate) ty: DataType,
    /// Zone of a datetime; UTC if none.
    pub(crate) zone: Option<Arc<str>>,
    /// What it takes outside of the interpreter's heap.
    held: Option<Arc<Held>>,
}

impl Typed {
    pub(crate) fn new(value: Value, ty: DataType) -> Typed {
        Typed { value, ty, zone: None, held: None }
    }

    /// The same in a zone.
    pub(crate) fn in_zone(self, zone: Option<Arc<str>>) -> Typed {
        Typed { zone, ..self }
    }

    /// As a script's value. Errors: 53200.
    pub(crate) fn into_value(mut self, lua: &Lua) -> mlua::Result<LuaValue> {
        self.held = Outside::hold(lua, self.value.heap_bytes())?;
        lua.create_userdata(self).map(LuaValue::UserData)
    }

    fn kind(&self) -> Kind {
        match (Kind::of(self.ty), &self.value) {
            (Kind::IntervalDs, Value::Interval(interval))
                if interval.days == 0 && interval.micros == 0 && interval.months != 0 =>
            {
                Kind::IntervalYm
            }
            (kind, _) => kind,
        }
    }

    /// A datetime's microseconds in its own zone.
    fn local(&self) -> Option<i64> {
        match &self.value {
            Value::TimestampTz(micros) => Some(match self.zone.as_deref().and_then(TimeZone::lookup) {
                Some(zone) => zone.to_local(*micros),
                None => *micros,
            }),
            Value::Timestamp(micros) => Some(*micros),
            Value::Date(days) => tripline_sql::types::datetime::date_to_timestamp(*days).ok(),
            _ => None,
        }
    }

    /// Whether its zone's clocks are ahead of the zone's own time then: of the offsets in January and July the smaller
    /// one is the zone's own.
    fn is_dst(&self) -> bool {
        let (Value::TimestampTz(micros), Some(zone)) = (&self.value, self.zone.as_deref().and_then(TimeZone::lookup))
        else {
            return false;
        };
        let half = 182 * 86_400_000_000;
        let here = zone.offset_at(*micros);
        // Half a year away stands the other of the two.
        [micros.saturating_sub(half), micros.saturating_add(half)].iter().any(|other| zone.offset_at(*other) < here)
    }

    pub(crate) fn text(&self) -> String {
        match &self.value {
            Value::Null => "NULL".to_owned(),
            Value::Bytea(bytes) => {
                let mut out = String::with_capacity(bytes.len() * 2);
                for byte in bytes.iter() {
                    let _ = write!(out, "{byte:02x}");
                }
                out
            }
            // YYYY-MM-DDThhmmss.fff Zone/Name
            Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_) => {
                let micros = self.local().unwrap_or_default();
                let mut plain = String::new();
                to_text(&Value::Timestamp(micros), DataType::TIMESTAMP, &TextStyle::default(), &mut plain);
                let (day, time) = plain.split_once(' ').unwrap_or((&plain, "000000"));
                let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
                let digits = if micros % 1000 == 0 { 3 } else { 6 };
                let zone = self.zone.as_deref().unwrap_or("UTC");
                format!("{day}T{}.{fraction:0<digits$} {zone}", time.replace(':', ""))
            }
            Value::Interval(interval) if self.kind() == Kind::IntervalYm => {
                let months = interval.months.unsigned_abs();
                let sign = if interval.months < 0 { "- " } else { "" };
                format!("{sign}{}-{}", months / 12, months % 12)
            }
            Value::Interval(interval) => {
                let total = i128::from(interval.micros)
                    + (i128::from(interval.days) + i128::from(interval.months) * 30) * 86_400_000_000;
                let (sign, total) = (if total < 0 { "- " } else { "" }, total.unsigned_abs());
                let (seconds, micros) = (total / 1_000_000, total % 1_000_000);
                let fraction =
                    if micros % 1000 == 0 { format!("{:03}", micros / 1000) } else { format!("{micros:06}") };
                let (days, rest) = (seconds / 86_400, seconds % 86_400);
                format!("{sign}{days} {:02}:{:02}:{:02}.{fraction}", rest / 3600, rest / 60 % 60, rest % 60)
            }
            value => {
                let mut out = String::new();
                to_text(value, self.ty, &TextStyle::default(), &mut out);
                out
            }
        }
    }

    /// A member of a datetime (CDB-1011).
    fn member(&self, name: &str) -> Option<i64> {
        let micros = self.local()?;
        let fields = tripline_sql::types::datetime::fields_of(micros);
        let days = micros.div_euclid(86_400_000_000);
        Some(match name {
            "year" => fields.year,
            "month" => fields.month,
            "day" => fields.day,
            "hour" => micros.div_euclid(3_600_000_000).rem_euclid(24),
            "min" => micros.div_euclid(60_000_000).rem_euclid(60),
            "sec" => micros.div_euclid(1_000_000).rem_euclid(60),
            "msec" => micros.div_euclid(1000).rem_euclid(1000),
            "usec" => micros.rem_euclid(1_000_000),
            "wday" => i64::from(tripline_sql::types::datetime::weekday(days)) + 1,
            "yday" => tripline_sql::types::datetime::day_of_year(days),
            _ => return None,
        })
    }
}

const MEMBERS: [&str; 10] = ["year", "month", "day", "yday", "wday", "hour", "min", "sec", "msec", "usec"];

impl UserData for Typed {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.text()));
        methods.add_meta_function(MetaMethod::Concat, |lua, (a, b): (LuaValue, LuaValue)| {
            Ok(text(lua, &a)? + &text(lua, &b)?)
        });
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: LuaValue| {
            Ok(typed(&other).is_some_and(|other| {
                this.value.is_null() && other.value.is_null()
                    || !this.value.is_null()
                        && !other.value.is_null()
                        && this.kind() == other.kind()
                        && equal(&this.value, &other.value)
            }))
        });
        methods.add_meta_function(MetaMethod::Lt, |lua, (a, b): (LuaValue, LuaValue)| Ok(order(lua, &a, &b)?.is_lt()));
        methods.add_meta_function(MetaMethod::Le, |lua, (a, b): (LuaValue, LuaValue)| Ok(order(lua, &a, &b)?.is_le()));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            Ok(match &this.value {
                Value::Bytea(bytes) => bytes.len(),
                _ => this.text().len(),
            })
        });
        for (meta, op) in [
            (MetaMethod::Add, '+'),
            (MetaMethod::Sub, '-'),
            (MetaMethod::Mul, '*'),
            (MetaMethod::Div, '/'),
            (MetaMethod::Mod, '%'),
            (MetaMethod::Pow, '^'),
        ] {
            methods.add_meta_function(meta, move |lua, (a, b): (LuaValue, LuaValue)| arithmetic(lua, op, &a, &b));
        }
        methods.add_meta_function(MetaMethod::Unm, |lua, (a, _): (LuaValue, LuaValue)| {
            arithmetic(lua, '-', &LuaValue::Integer(0), &a)
        });
        methods.add_method_mut("change_timezone", |_, this, zone: String| {
            TimeZone::parse(&zone).map_err(mlua::Error::external)?;
            this.zone = Some(zone.into());
            Ok(())
        });
        methods.add_method("to_table", |lua, this, ()| {
            let table = lua.create_table()?;
            for name in MEMBERS {
                table.raw_set(name, this.member(name))?;
            }
            table.raw_set("isdst", this.is_dst())?;
            table.raw_set("timezone", this.zone.as_deref().unwrap_or("UTC"))?;
            Ok(table)
        });
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: String| {
            Ok(match name.as_str() {
                "isdst" => LuaValue::Boolean(this.is_dst()),
                "timezone" => LuaValue::String(lua.create_string(this.zone.as_deref().unwrap_or("UTC"))?),
                name => match this.member(name) {
                    Some(n) => LuaValue::Integer(n),
                    None => LuaValue::Nil,
                },
            })
        });
    }
}

pub(crate) fn typed(value: &LuaValue) -> Option<Typed> {
    match value {
        LuaValue::UserData(data) => data.borrow::<Typed>().ok().map(|typed| typed.clone()),
        _ => None,
    }
}

fn order(lua: &Lua, a: &LuaValue, b: &LuaValue) -> mlua::Result<Ordering> {
    if is_null(a) || is_null(b) {
        return Err(mlua::Error::runtime("attempt to compare a NULL value"));
    }
    let ((left, left_type), (right, right_type)) = (from_lua(lua, a)?, from_lua(lua, b)?);
    let numeric = |ty| matches!(Kind::of(ty), Kind::Int | Kind::Real | Kind::Decimal);
    if numeric(left_type) && numeric(right_type) {
        let (left, right) = (decimal(&left)?, decimal(&right)?);
        return Ok(left.compare(&right));
    }
    if Kind::of(left_type) == Kind::of(right_type) {
        return Ok(compare(&left, &right));
    }
    Err(mlua::Error::runtime(format!(
        "attempt to compare {} with {}",
        Kind::of(left_type).name(),
        Kind::of(right_type).name()
    )))
}

fn decimal(value: &Value) -> mlua::Result<Numeric> {
    Ok(match value {
        Value::Numeric(n) => Numeric::clone(n),
        Value::Int8(n) => Numeric::parse(&n.to_string()).map_err(mlua::Error::external)?,
        Value::Float8(n) => Numeric::from_f64(*n),
        _ => return Err(mlua::Error::runtime("attempt to perform arithmetic on a value that is not a number")),
    })
}

/// Digits of a decimal: those of decimal128.
const DECIMAL_DIGITS: i64 = 34;

/// A decimal with its digits.
fn rounded(number: Numeric) -> Result<Value> {
    let quad = DecimalFormat::type_named("decimal128").unwrap_or(DataType::NUMERIC);
    apply_typmod(Value::Numeric(Box::new(number)), quad, true)
}

/// A quotient with all digits that a decimal has; of an exact one only those that it needs.
fn quotient(x: &Numeric, y: &Numeric) -> Result<Numeric> {
    let digits = |number: &Numeric| number.digits_and_scale().map_or(0, |(digits, _)| digits.bits() * 302 / 1000);
    let leading = |number: &Numeric| i64::try_from(digits(number)).unwrap_or(0) - number.scale();
    let scale = DECIMAL_DIGITS + 3 - (leading(x) - leading(y));
    let long = x.round(scale.max(x.scale()))?.div(y)?;
    let Value::Numeric(short) = rounded(long)? else { return Err(SqlError::internal("a decimal")) };
    let short = short.trim_scale();
    let wanted = x.scale() - y.scale();
    if short.scale() < wanted { short.round(wanted) } else { Ok(short) }
}

/// Arithmetic with a typed operand (CDB-1008).
fn arithmetic(lua: &Lua, op: char, a: &LuaValue, b: &LuaValue) -> mlua::Result<LuaValue> {
    if is_null(a) || is_null(b) {
        return Err(mlua::Error::runtime("attempt to perform arithmetic on a NULL value"));
    }
    use tripline_sql::types::datetime;
    let ((left, left_type), (right, right_type)) = (from_lua(lua, a)?, from_lua(lua, b)?);
    let external = mlua::Error::external;
    let zone = typed(a).and_then(|typed| typed.zone).or_else(|| typed(b).and_then(|typed| typed.zone));
    let give = |value: Value, ty: DataType| Typed { zone: zone.clone(), ..Typed::new(value, ty) }.into_value(lua);
    let interval = |value: tripline_sql::types::Interval| give(Value::Interval(value), DataType::new(oid::INTERVAL));
    match (op, &left, &right) {
        ('-', Value::TimestampTz(x) | Value::Timestamp(x), Value::TimestampTz(y) | Value::Timestamp(y)) => {
            interval(datetime::subtract_timestamps(*x, *y).map_err(external)?)
        }
        ('+', Value::TimestampTz(x), Value::Interval(i)) | ('+', Value::Interval(i), Value::TimestampTz(x)) => {
            give(Value::TimestampTz(datetime::add_interval(*x, *i).map_err(external)?), DataType::TIMESTAMPTZ)
        }
        ('-', Value::TimestampTz(x), Value::Interval(i)) => {
            let back = datetime::negate_interval(*i).map_err(external)?;
            give(Value::TimestampTz(datetime::add_interval(*x, back).map_err(external)?), DataType::TIMESTAMPTZ)
        }
        ('+', Value::Interval(x), Value::Interval(y)) => interval(datetime::add_intervals(*x, *y).map_err(external)?),
        ('-', Value::Interval(x), Value::Interval(y)) => {
            let back = datetime::negate_interval(*y).map_err(external)?;
            interval(datetime::add_intervals(*x, back).map_err(external)?)
        }
        ('-', Value::Int8(0), Value::Interval(i)) => interval(datetime::negate_interval(*i).map_err(external)?),
        ('*', Value::Interval(i), n) | ('*', n, Value::Interval(i)) if n.as_f64().is_some() => {
            interval(datetime::multiply_interval(*i, n.as_f64().unwrap_or(0.0)).map_err(external)?)
        }
        ('/', Value::Interval(i), n) if n.as_f64().is_some() => {
            interval(datetime::divide_interval(*i, n.as_f64().unwrap_or(0.0)).map_err(external)?)
        }
        _ if Kind::of(left_type) == Kind::Decimal || Kind::of(right_type) == Kind::Decimal => {
            let (x, y) = (decimal(&left)?, decimal(&right)?);
            let result = match op {
                '+' => x.add(&y),
                '-' => x.sub(&y),
                '*' => x.mul(&y),
                '/' => quotient(&x, &y),
                '%' => x.rem(&y),
                _ => x.pow(&y),
            };
            give(result.and_then(rounded).map_err(external)?, DataType::new(oid::NUMERIC))
        }
        _ => Err(mlua::Error::runtime(format!(
            "attempt to perform arithmetic on a {} and a {} value",
            Kind::of(left_type).name(),
            Kind::of(right_type).name()
        ))),
    }
}

/// What `type` says of a value that Lua calls userdata (CDB-1004).
pub(crate) fn type_name(value: &LuaValue) -> &'static str {
    typed(value).map_or("userdata", |typed| typed.kind().name())
}

/// The text of any value, as `..` and `print` make it.
pub(crate) fn text(lua: &Lua, value: &LuaValue) -> mlua::Result<String> {
    Ok(match value {
        LuaValue::Nil => "nil".to_owned(),
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

/// A whole number for a script.
fn whole(lua: &Lua, n: i64) -> mlua::Result<LuaValue> {
    if (-PLAIN..=PLAIN).contains(&n) {
        #[allow(clippy::cast_precision_loss, reason = "checked to be exact")]
        return Ok(LuaValue::Number(n as f64));
    }
    let make = lua.app_data_ref::<Wide>().map(|wide| wide.make.clone());
    let make = make.ok_or_else(|| mlua::Error::runtime("no 64-bit integers in this state"))?;
    let (high, low) = (n.div_euclid(1 << 32), n.rem_euclid(1 << 32));
    #[allow(clippy::cast_precision_loss, reason = "both halves have at most 33 bits")]
    make.call((high as f64, low as f64))
}

/// A SQL value for a script.
pub(crate) fn to_lua(lua: &Lua, value: &Value, ty: DataType) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => null(lua, Kind::of(ty))?,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Int2(n) => LuaValue::Integer((*n).into()),
        Value::Int4(n) => LuaValue::Integer((*n).into()),
        Value::Int8(n) => whole(lua, *n)?,
        Value::Oid(n) => LuaValue::Integer((*n).into()),
        Value::Float4(n) => LuaValue::Number(f64::from(*n)),
        Value::Float8(n) => LuaValue::Number(*n),
        Value::Text(text) | Value::Json(text) => LuaValue::String(lua.create_string(text.as_bytes())?),
        Value::Array(array) => {
            let element = tripline_sql::types::element_type_of(ty.oid).map_or(DataType::TEXT, DataType::new);
            let table = lua.create_table_with_capacity(array.items.len(), 0)?;
            for item in array.items.iter() {
                table.raw_push(to_lua(lua, item, element)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Numeric(_)
        | Value::Bytea(_)
        | Value::Date(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_) => Typed::new(value.clone(), ty).into_value(lua)?,
        other => {
            let mut out = String::new();
            to_text(other, ty, &TextStyle::default(), &mut out);
            LuaValue::String(lua.create_string(&out)?)
        }
    })
}

/// A script's value for SQL, with its type. Errors: a value that SQL has no form for.
pub(crate) fn from_lua(lua: &Lua, value: &LuaValue) -> mlua::Result<(Value, DataType)> {
    Ok(match value {
        LuaValue::Nil => (Value::Null, DataType::UNKNOWN),
        LuaValue::Boolean(b) => (Value::Bool(*b), DataType::BOOL),
        LuaValue::Integer(n) => (Value::Int8(*n), DataType::INT8),
        LuaValue::Number(n) => number(*n),
        LuaValue::String(text) => (Value::text(sql_text(text).map_err(mlua::Error::external)?), DataType::TEXT),
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

/// A script's string as text of SQL. Errors: 22021.
pub(crate) fn sql_text(text: &LuaString) -> Result<String> {
    let invalid = |what: &str| {
        let text = format!("invalid byte sequence for encoding \"UTF8\"{what}");
        SqlError::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, text)
    };
    match std::str::from_utf8(&text.as_bytes()) {
        Ok(text) if text.contains('\0') => Err(invalid(": 0x00")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(invalid("")),
    }
}

/// Comdb2's conversion to a Lua type, as `:=`, typed parameters, `db:cast` and emitted rows do it: numbers to int truncate,
/// text is read by the type's rules, anything becomes text (CDB-404, CDB-1010, CDB-1027). Errors: 22P02 from text, 42804.
pub(crate) fn convert(lua: &Lua, value: &LuaValue, to: DataType) -> mlua::Result<Value> {
    if value.is_nil() || is_null(value) {
        return Ok(Value::Null);
    }
    let from = if value.is_table() {
        "table"
    } else {
        match value {
            LuaValue::String(_) => "string",
            LuaValue::Integer(_) | LuaValue::Number(_) => "number",
            LuaValue::Boolean(_) => "boolean",
            LuaValue::Other(_) => "int",
            LuaValue::UserData(_) => type_name(value),
            other => other.type_name(),
        }
    };
    let refused = || {
        let state = if from == "string" { SqlState::INVALID_TEXT_REPRESENTATION } else { SqlState::DATATYPE_MISMATCH };
        mlua::Error::external(SqlError::new(state, format!("conversion to:{} failed from:{from}", Kind::of(to).name())))
    };
    if matches!(value, LuaValue::Table(_) | LuaValue::Function(_) | LuaValue::Thread(_)) {
        return Err(refused());
    }
    let kind = Kind::of(to);
    // A string of Lua may hold any bytes.
    if let (Kind::Blob, LuaValue::String(bytes)) = (kind, value) {
        Outside::allows(lua, bytes.as_bytes().len())?;
        return Ok(Value::Bytea(Arc::from(&*bytes.as_bytes())));
    }
    let (plain, ty) = from_lua(lua, value)?;
    #[allow(clippy::cast_possible_truncation, reason = "truncation is what is asked for, and checked")]
    let whole = |n: f64| (n.abs() < 9.3e18).then(|| n.trunc() as i64);
    let converted = match (kind, &plain) {
        (Kind::Int, Value::Float8(n)) => whole(*n).map(Value::Int8),
        (Kind::Int, Value::Numeric(n)) => n.trunc(0).ok().and_then(|n| n.to_i64()).map(Value::Int8),
        (Kind::Int, Value::Bool(b)) => Some(Value::Int8((*b).into())),
        (Kind::Int, Value::Text(text)) => {
            let text = text.trim();
            text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().and_then(whole)).map(Value::Int8)
        }
        (Kind::Int, Value::TimestampTz(micros)) => Some(Value::Int8((micros + EPOCH_MICROS).div_euclid(1_000_000))),
        (Kind::Real, Value::Int8(n)) => {
            #[allow(clippy::cast_precision_loss, reason = "a double is what is asked for")]
            let n = *n as f64;
            Some(Value::Float8(n))
        }
        (Kind::Real, Value::Text(text)) => text.trim().parse().ok().map(Value::Float8),
        (Kind::Real, Value::Numeric(n)) => Some(Value::Float8(n.to_f64())),
        (Kind::Cstring, Value::Bool(b)) => Some(Value::text(if *b { "true" } else { "false" })),
        (Kind::Cstring, Value::Text(_)) => Some(plain.clone()),
        (Kind::Cstring, _) => Some(Value::from(text(lua, value)?)),
        (Kind::Decimal, Value::Int8(_) | Value::Float8(_)) => Some(Value::Numeric(Box::new(decimal(&plain)?))),
        (Kind::Bool, Value::Int8(n)) => Some(Value::Bool(*n != 0)),
        _ if ty.oid == to.oid => Some(plain.clone()),
        _ => assign(plain.clone(), ty, to).ok(),
    };
    converted.ok_or_else(refused)
}

/// The converted value for a script: numbers are Lua numbers again.
pub(crate) fn convert_lua(lua: &Lua, value: &LuaValue, kind: Kind) -> mlua::Result<LuaValue> {
    let converted = convert(lua, value, kind.ty())?;
    to_lua(lua, &converted, kind.ty())
}

/// Comdb2's conversions when storing (CDB-404). Errors: 22xxx.
pub(crate) fn assign(value: Value, from: DataType, to: DataType) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if from == to {
        return Ok(value);
    }
    let style = TextStyle::default();
    let sized = |value: Value| {
        let plain = DataType::new(to.oid);
        if to.typmod == -1 { Ok(value) } else { cast(value, plain, to, CastContext::Assignment, &style) }
    };
    if find_cast(from.oid, to.oid, CastContext::Assignment).is_some() && from.oid != DataType::TEXT.oid {
        return cast(value, from, to, CastContext::Assignment, &style);
    }
    if let Some(number) = value.as_f64() {
        #[allow(clippy::cast_possible_truncation, reason = "saturates")]
        match Kind::of(to) {
            Kind::Datetime => {
                let micros = ((number * 1e6) as i64).saturating_sub(EPOCH_MICROS);
                let there = Value::TimestampTz(micros);
                return cast(there, DataType::TIMESTAMPTZ, to, CastContext::Assignment, &style);
            }
            Kind::IntervalYm => {
                return Ok(Value::Interval(Interval { months: number as i32, days: 0, micros: 0 }));
            }
            Kind::IntervalDs => {
                let micros = (number * 1e6).round() as i64;
                let day = 86_400_000_000;
                let days = i32::try_from(micros / day).unwrap_or(i32::MAX);
                return sized(Value::Interval(Interval { months: 0, days, micros: micros % day }));
            }
            _ => {}
        }
    }
    let mut text = String::new();
    match &value {
        Value::Text(plain) => text.push_str(plain),
        other => to_text(other, from, &style, &mut text),
    }
    if Kind::of(to) == Kind::Datetime {
        text = datetime_text(&text);
    }
    sized(from_text(&text, DataType::new(to.oid), &style)?)
}

/// Comdb2's `2024-01-02T030405.678 Zone/Name` as PostgreSQL reads it.
fn datetime_text(text: &str) -> String {
    let Some((day, rest)) = text.split_once('T') else { return text.to_owned() };
    let (time, zone) = rest.split_once(' ').unwrap_or((rest, ""));
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    if whole.len() != 6 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return text.to_owned();
    }
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{day} {}:{}:{}{dot}{fraction} {zone}", &whole[..2], &whole[2..4], &whole[4..])
}

/// A Lua number.
pub(crate) fn from_lua_number(value: &LuaValue) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss, reason = "for times")]
        LuaValue::Integer(n) => Some(*n as f64),
        LuaValue::Number(n) => Some(*n),
        _ => None,
    }
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
    Typed::new(Value::Bytea(Arc::from(bytes)), DataType::new(oid::BYTEA))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Limits;
    use crate::script::lua::{Machine, comdb2};

    // int8 stays exact beyond 2^53 and compares with numbers
    #[test]
    fn wide_integers() {
        let machine = Machine::new(Limits::LUA).unwrap();
        let lua = machine.lua();
        for n in [0, 5, -7, PLAIN, PLAIN + 1, EXACT, EXACT + 1, -EXACT - 1, i64::MAX, i64::MIN, i64::MIN + 1] {
            let there = to_lua(lua, &Value::Int8(n), DataType::INT8).unwrap();
            assert_eq!(from_lua(lua, &there).unwrap().0, Value::Int8(n), "{n}");
            assert_eq!(text(lua, &there).unwrap(), n.to_string());
            let source = "local function main(v) return tostring(v) .. '|' .. type(v) end";
            let main = comdb2::load(&machine, source, &|_, _| Ok(())).unwrap();
            let got = machine.call(&main, there).unwrap();
            let kind = if n.abs_diff(0) > PLAIN.unsigned_abs() { "int" } else { "number" };
            assert_eq!(got.to_string().unwrap(), format!("{n}|{kind}"));
        }
    }

    // CDB-601, CDB-1007, CDB-1008
    #[test]
    fn null_is_not_nil() {
        let machine = Machine::new(Limits::LUA).unwrap();
        let source = "local function main(v) return v ~= nil and v == NULL and tostring(v) == 'NULL' and ('a'..v) == 'aNULL' and not pcall(function() return v + 1 end) end";
        let main = comdb2::load(&machine, source, &|_, _| Ok(())).unwrap();
        assert_eq!(machine.call(&main, null(machine.lua(), Kind::Cstring).unwrap()).unwrap(), LuaValue::Boolean(true));
    }

    // CDB-1006
    #[test]
    fn texts() {
        assert_eq!(blob(&[0xde, 0xad]).text(), "dead");
        let time = Typed::new(Value::TimestampTz(500_000), DataType::TIMESTAMPTZ);
        assert_eq!(time.text(), "2000-01-01T000000.500 UTC");
    }
}
