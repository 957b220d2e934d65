//! Which type becomes which, and when (PG-100): PostgreSQL's pg_cast with its three contexts.
//!
//! The rows are `castlist`'s; here are the rules beside them (text forms, arrays by element) and the conversions.
use std::sync::Arc;

use super::castlist::CASTS;
use super::datetime::{MICROS_PER_DAY, date_to_timestamp, timestamp_from_parts, timestamp_to_date};
use super::json::Jsonb;
use super::numeric::Numeric;
use super::text::{float_out_of_range, invalid_syntax};
use super::{
    Array, DataType, Interval, Oid, TextStyle, TypeCategory, Value, apply_typmod, element_type_of, from_text, is_enum,
    network, oid, to_text, type_info,
};
use crate::error::{Result, SqlError, SqlState};

/// How strongly a conversion was asked for. A cast allowed in one context is allowed in every later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastContext {
    /// Without being written: operators and function arguments.
    Implicit,
    /// Storing into a column. Over-long text fails with 22001.
    Assignment,
    /// Written as CAST or `::`. Over-long text is cut.
    Explicit,
    /// AMI's conversion: what cannot be converted becomes null (AMI-32).
    Lenient,
}

/// What `find_cast` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastKind {
    /// Same representation: nothing to do.
    Binary,
    /// A conversion of the value.
    Function,
    /// Through the text form (explicit, or assignment to a string type).
    Text,
}

/// Whether a value of type `from` becomes one of type `to` in this context (modifiers play no part).
/// A literal of type unknown becomes anything.
#[must_use]
pub fn find_cast(from: Oid, to: Oid, context: CastContext) -> Option<CastKind> {
    if from == to {
        return Some(CastKind::Binary);
    }
    match to {
        oid::ANY | oid::ANYELEMENT | oid::ANYCOMPATIBLE => return Some(CastKind::Binary),
        oid::ANYENUM if is_enum(from) => return Some(CastKind::Binary),
        oid::ANYRANGE if super::range_element(from).is_some() => return Some(CastKind::Binary),
        oid::ANYARRAY | oid::ANYCOMPATIBLEARRAY if element_type_of(from).is_some() => return Some(CastKind::Binary),
        oid::ANYNONARRAY | oid::ANYCOMPATIBLENONARRAY if element_type_of(from).is_none() => {
            return Some(CastKind::Binary);
        }
        _ => {}
    }
    if from == oid::UNKNOWN {
        return Some(CastKind::Text);
    }
    if let Ok(at) = CASTS.binary_search_by(|(source, target, _, _)| (*source, *target).cmp(&(from, to))) {
        let (_, _, weakest, kind) = CASTS[at];
        return (context >= weakest).then_some(kind);
    }
    if let (Some(from_element), Some(to_element)) = (element_type_of(from), element_type_of(to)) {
        // Vectors are arrays of their elements; nothing becomes a vector.
        if matches!(to, oid::INT2VECTOR | oid::OIDVECTOR) {
            return None;
        }
        if let Some(kind) = find_cast(from_element, to_element, context) {
            return Some(kind);
        }
    }
    let string = |ty: Oid| type_info(ty).is_some_and(|info| info.category == TypeCategory::String);
    let pseudo =
        |ty: Oid| type_info(ty).is_some_and(|info| info.kind == b'p') && ty != oid::RECORD && !is_record_array(ty);
    let through_text = (string(to) && context >= CastContext::Assignment && !pseudo(from))
        || (string(from) && context >= CastContext::Explicit && !pseudo(to));
    through_text.then_some(CastKind::Text)
}

fn is_record_array(ty: Oid) -> bool {
    element_type_of(ty) == Some(oid::RECORD)
}

fn no_cast(from: Oid, to: Oid) -> SqlError {
    let name = |ty: Oid| super::shown_type(DataType::new(ty));
    SqlError::new(SqlState::CANNOT_COERCE, format!("cannot cast type {} to {}", name(from), name(to)))
}

fn range(name: &str) -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range"))
}

fn integer_name(ty: Oid) -> &'static str {
    match ty {
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::INT8 => "bigint",
        _ => "OID",
    }
}

/// Converts `value` of type `from` to `to`, modifier included. NULL stays NULL.
/// Errors: 42846 no such cast, 22001, 22003, 22P02 and what the types' input says.
pub fn cast(value: Value, from: DataType, to: DataType, context: CastContext, style: &TextStyle) -> Result<Value> {
    if value.is_null() {
        return Ok(value);
    }
    if context == CastContext::Lenient {
        return Ok(super::lenient_cast(value, from, to, style));
    }
    let converted = match find_cast(from.oid, to.oid, context) {
        Some(CastKind::Binary) if from == to => return Ok(value),
        Some(CastKind::Binary) if from.oid == to.oid => value,
        Some(_) => convert(value, from.oid, to, style)?,
        None => return Err(no_cast(from.oid, to.oid)),
    };
    apply_typmod(converted, to, context == CastContext::Explicit)
}

/// The value in the representation of `to`; the cast exists.
fn convert(value: Value, from: Oid, to: DataType, style: &TextStyle) -> Result<Value> {
    if is_string(to.oid) {
        return to_string_type(value, from, to, style);
    }
    if (is_string(from) || from == oid::UNKNOWN || from == oid::CSTRING)
        && let Value::Text(text) = &value
    {
        return if to.oid == oid::CHAR && from != oid::UNKNOWN {
            Ok(Value::Char(text.as_bytes().first().copied().unwrap_or(0)))
        } else if type_info(to.oid).is_some_and(|info| info.kind == b'p') && element_type_of(to.oid).is_none() {
            Ok(value)
        } else {
            // A literal knows the modifier's fields; text that becomes an interval later does not.
            from_text(text, if from == oid::UNKNOWN { to } else { DataType::new(to.oid) }, style)
        };
    }
    match to.oid {
        oid::INT2 | oid::INT4 | oid::INT8 => to_integer(value, from, to.oid),
        oid::FLOAT4 | oid::FLOAT8 => to_float(&value, to.oid),
        oid::NUMERIC => to_numeric(value),
        oid::BOOL => to_bool(&value),
        oid::DATE | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => {
            to_datetime(value, to.oid, style)
        }
        oid::CHAR => match value {
            Value::Int4(n) => i8::try_from(n).map(|n| Value::Char(n.cast_unsigned())).map_err(|_| range("\"char\"")),
            other => Ok(other),
        },
        oid::JSON => match value {
            Value::Jsonb(document) => {
                let mut text = String::new();
                document.print(&mut text);
                Ok(Value::Json(Arc::from(text)))
            }
            other => Ok(other),
        },
        oid::JSONB => match value {
            Value::Json(text) => Ok(Value::Jsonb(Arc::new(Jsonb::parse(&text)?))),
            other => Ok(other),
        },
        oid::BIT | oid::VARBIT => to_bits(value, to),
        oid::INET | oid::CIDR => match value {
            Value::Text(text) => {
                let mut inet = network::parse_inet(&text, false)?;
                inet.is_cidr = to.oid == oid::CIDR;
                Ok(Value::from(inet.to_string()))
            }
            other => Ok(other),
        },
        oid::XID => match value {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "xid is the low half of xid8")]
            Value::Int8(n) => Ok(Value::Oid(n as u32)),
            other => Ok(other),
        },
        oid::MONEY => Err(SqlError::unsupported("type money")),
        _ => match value {
            Value::Array(array) => to_array(array, from, to, style),
            // Only oid and its aliases are left.
            Value::Int2(n) => Ok(Value::Oid(i32::from(n).cast_unsigned())),
            Value::Int4(n) if is_oid_like(to.oid) => Ok(Value::Oid(n.cast_unsigned())),
            Value::Int8(n) if is_oid_like(to.oid) => u32::try_from(n).map(Value::Oid).map_err(|_| range("OID")),
            other => Ok(other),
        },
    }
}

fn is_string(ty: Oid) -> bool {
    matches!(ty, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME)
}

fn is_oid_like(ty: Oid) -> bool {
    ty == oid::OID || type_info(ty).is_some_and(|info| info.name.starts_with("reg"))
}

fn to_string_type(value: Value, from: Oid, to: DataType, style: &TextStyle) -> Result<Value> {
    let text = match value {
        // Blanks at the end of char(n) mean nothing, so they go when it becomes another string.
        Value::Text(text) if from == oid::BPCHAR && to.oid != oid::BPCHAR => match text.trim_end_matches(' ') {
            trimmed if trimmed.len() == text.len() => text,
            trimmed => Arc::from(trimmed),
        },
        Value::Text(text) if from == oid::INET => {
            // Unlike its output, the cast always shows the length.
            let inet = network::parse_inet(&text, false)?;
            Arc::from(network::Inet { is_cidr: true, ..inet }.to_string())
        }
        Value::Text(text) => text,
        Value::Bool(b) => Arc::from(if b { "true" } else { "false" }),
        other => {
            let mut text = String::new();
            to_text(&other, DataType::new(from), style, &mut text);
            Arc::from(text)
        }
    };
    if to.oid == oid::NAME { from_text(&text, to, style) } else { Ok(Value::Text(text)) }
}

fn sized_integer(number: i128, to: Oid) -> Result<Value> {
    let fitted = match to {
        oid::INT2 => i16::try_from(number).map(Value::Int2).ok(),
        oid::INT4 => i32::try_from(number).map(Value::Int4).ok(),
        _ => i64::try_from(number).map(Value::Int8).ok(),
    };
    fitted.ok_or_else(|| range(integer_name(to)))
}

fn float_to_integer(number: f64, to: Oid) -> Result<Value> {
    let rounded = number.round_ties_even();
    // 2^63 is exact as a double; what lies between fits.
    if rounded.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return Err(range(integer_name(to)));
    }
    #[allow(clippy::cast_possible_truncation, reason = "checked")]
    sized_integer(i128::from(rounded as i64), to)
}

fn numeric_to_integer(number: &Numeric, to: Oid) -> Result<Value> {
    let cannot = |what: &str| Err(SqlError::unsupported_conversion(what, integer_name(to)));
    match number {
        Numeric::NaN => cannot("NaN"),
        Numeric::Infinity | Numeric::NegativeInfinity => cannot("infinity"),
        Numeric::Finite(_) => sized_integer(number.to_i128().ok_or_else(|| range(integer_name(to)))?, to),
    }
}

impl SqlError {
    fn unsupported_conversion(what: &str, to: &str) -> SqlError {
        SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {to}"))
    }
}

fn to_integer(value: Value, from: Oid, to: Oid) -> Result<Value> {
    match value {
        Value::Float4(n) => float_to_integer(f64::from(n), to),
        Value::Float8(n) => float_to_integer(n, to),
        Value::Numeric(n) => numeric_to_integer(&n, to),
        Value::Bool(b) => sized_integer(i128::from(b), to),
        Value::Char(byte) => sized_integer(i128::from(byte.cast_signed()), to),
        // An oid above 2^31 keeps its bits as int4.
        Value::Oid(n) if to == oid::INT4 => Ok(Value::Int4(n.cast_signed())),
        Value::Jsonb(document) => match &*document {
            Jsonb::Number(n) => numeric_to_integer(n, to),
            other => Err(jsonb_error(other, integer_name(to))),
        },
        Value::Text(bits) if matches!(from, oid::BIT | oid::VARBIT) => bits_to_integer(&bits, to),
        other => match other.as_i64() {
            Some(n) => sized_integer(i128::from(n), to),
            None => Err(no_cast(from, to)),
        },
    }
}

fn bits_to_integer(bits: &str, to: Oid) -> Result<Value> {
    let width = if to == oid::INT4 { 32 } else { 64 };
    if bits.len() > width {
        return Err(range(integer_name(to)));
    }
    let number = bits.bytes().fold(0u64, |n, bit| n << 1 | u64::from(bit == b'1'));
    Ok(match u32::try_from(number) {
        Ok(low) if to == oid::INT4 => Value::Int4(low.cast_signed()),
        _ => Value::Int8(number.cast_signed()),
    })
}

/// An integer as bits: the low ones, extended by its sign.
fn to_bits(value: Value, to: DataType) -> Result<Value> {
    let number = match value {
        Value::Int4(n) => i64::from(n),
        Value::Int8(n) => n,
        other => return Ok(other),
    };
    let length = if to.typmod > 0 { to.typmod } else { 1 };
    let bit = |at: i32| if number >> at.min(63) & 1 == 1 { '1' } else { '0' };
    Ok(Value::from((0..length).rev().map(bit).collect::<String>()))
}

fn jsonb_error(document: &Jsonb, to: &str) -> SqlError {
    let what = match document {
        Jsonb::Array(_) | Jsonb::Object(_) => "array or object",
        scalar => scalar.type_name(),
    };
    let what = match document {
        Jsonb::Array(_) => "array",
        Jsonb::Object(_) => "object",
        Jsonb::Number(_) => "numeric",
        _ => what,
    };
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("cannot cast jsonb {what} to type {to}"))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a float is asked for")]
fn to_float(value: &Value, to: Oid) -> Result<Value> {
    let name = if to == oid::FLOAT4 { "real" } else { "double precision" };
    let (number, exact_text) = match value {
        Value::Numeric(n) => (n.to_f64(), Some(&**n)),
        Value::Jsonb(document) => match &**document {
            Jsonb::Number(n) => (n.to_f64(), Some(n)),
            other => return Err(jsonb_error(other, name)),
        },
        other => (other.as_f64().ok_or_else(|| no_cast(oid::UNKNOWN, to))?, None),
    };
    if let Some(numeric) = exact_text {
        let narrowed_infinite = number.is_infinite() || (to == oid::FLOAT4 && (number as f32).is_infinite());
        if narrowed_infinite && numeric.is_finite() {
            return Err(float_out_of_range(&numeric.to_string(), name));
        }
        if to == oid::FLOAT4 {
            // Through text, so that it rounds once.
            let narrow =
                if numeric.is_finite() { numeric.to_string().parse().unwrap_or(number as f32) } else { number as f32 };
            return Ok(Value::Float4(narrow));
        }
        return Ok(Value::Float8(number));
    }
    if to == oid::FLOAT8 {
        return Ok(Value::Float8(number));
    }
    let narrow = match value.as_i64() {
        Some(n) => n as f32,
        None => number as f32,
    };
    let flow = |what: &str| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {what}"));
    if narrow.is_infinite() && number.is_finite() {
        return Err(flow("overflow"));
    }
    if narrow == 0.0 && number != 0.0 {
        return Err(flow("underflow"));
    }
    Ok(Value::Float4(narrow))
}

fn to_numeric(value: Value) -> Result<Value> {
    let number = match value {
        Value::Float4(n) => Numeric::from_f32(n),
        Value::Float8(n) => Numeric::from_f64(n),
        Value::Jsonb(document) => match &*document {
            Jsonb::Number(n) => n.clone(),
            other => return Err(jsonb_error(other, "numeric")),
        },
        other => match other.as_i64() {
            Some(n) => Numeric::from(n),
            None => return Ok(other),
        },
    };
    Ok(Value::Numeric(Box::new(number)))
}

fn to_bool(value: &Value) -> Result<Value> {
    match value {
        Value::Bool(b) => Ok(Value::Bool(*b)),
        Value::Jsonb(document) => match &**document {
            Jsonb::Bool(b) => Ok(Value::Bool(*b)),
            other => Err(jsonb_error(other, "boolean")),
        },
        other => match other.as_i64() {
            Some(n) => Ok(Value::Bool(n != 0)),
            None => Err(invalid_syntax("boolean", "")),
        },
    }
}

fn to_datetime(value: Value, to: Oid, style: &TextStyle) -> Result<Value> {
    let zone = &style.time_zone;
    let time_of_day = |micros: i64| micros.rem_euclid(MICROS_PER_DAY);
    Ok(match (value, to) {
        (Value::Date(date), oid::TIMESTAMP) => Value::Timestamp(date_to_timestamp(date)?),
        (Value::Date(date), oid::TIMESTAMPTZ) => Value::TimestampTz(in_range(zone.to_utc(date_to_timestamp(date)?))?),
        (Value::Timestamp(ts), oid::DATE) => Value::Date(timestamp_to_date(ts)),
        (Value::Timestamp(i64::MIN | i64::MAX), oid::TIME) => Value::Null,
        (Value::Timestamp(ts), oid::TIME) => Value::Time(time_of_day(ts)),
        (Value::Timestamp(ts), oid::TIMESTAMPTZ) => Value::TimestampTz(in_range(zone.to_utc(ts))?),
        (Value::TimestampTz(ts), oid::DATE) => Value::Date(timestamp_to_date(zone.to_local(ts))),
        (Value::TimestampTz(i64::MIN | i64::MAX), oid::TIME | oid::TIMETZ) => Value::Null,
        (Value::TimestampTz(ts), oid::TIME) => Value::Time(time_of_day(zone.to_local(ts))),
        (Value::TimestampTz(ts), oid::TIMETZ) => Value::TimeTz(time_of_day(zone.to_local(ts)), -zone.offset_at(ts)),
        (Value::TimestampTz(ts), oid::TIMESTAMP) => Value::Timestamp(in_range(zone.to_local(ts))?),
        (Value::Time(micros), oid::INTERVAL) => Value::Interval(Interval { micros, ..Interval::default() }),
        (Value::Time(micros), oid::TIMETZ) => Value::TimeTz(micros, -zone.offset_at(style.now)),
        (Value::TimeTz(micros, _), oid::TIME) => Value::Time(micros),
        (Value::Interval(interval), oid::TIME) => Value::Time(time_of_day(interval.micros)),
        (other, _) => other,
    })
}

/// Checks a timestamp that a zone moved; infinities pass.
fn in_range(timestamp: i64) -> Result<i64> {
    if timestamp == i64::MIN || timestamp == i64::MAX { Ok(timestamp) } else { timestamp_from_parts(0, timestamp) }
}

fn to_array(array: Arc<Array>, from: Oid, to: DataType, style: &TextStyle) -> Result<Value> {
    let (Some(from_element), Some(to_element)) = (element_type_of(from), element_type_of(to.oid)) else {
        return Ok(Value::Array(array));
    };
    let array = Arc::unwrap_or_clone(array);
    let target = DataType::new(to_element);
    let items = array.items.into_iter().map(|item| {
        if item.is_null() || from_element == to_element { Ok(item) } else { convert(item, from_element, target, style) }
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    Ok(Value::Array(Arc::new(Array { element: to_element, dims: array.dims, items })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::apply_type_modifiers;

    fn shown(text: &str, from: Oid, to: DataType) -> Result<String> {
        let style = TextStyle::default();
        let value = from_text(text, DataType::new(from), &style)?;
        let value = cast(value, DataType::new(from), to, CastContext::Explicit, &style)?;
        let mut out = String::new();
        to_text(&value, to, &style, &mut out);
        Ok(out)
    }

    // PG-95, PG-100; expected values are PostgreSQL's.
    #[test]
    fn values_convert() {
        for (text, from, to, expected) in [
            ("2.5", oid::FLOAT8, oid::INT4, "2"),
            ("3.5", oid::FLOAT8, oid::INT4, "4"),
            ("2.5", oid::NUMERIC, oid::INT4, "3"),
            ("-2.5", oid::NUMERIC, oid::INT8, "-3"),
            ("0.1", oid::FLOAT8, oid::NUMERIC, "0.1"),
            ("1.10", oid::NUMERIC, oid::FLOAT8, "1.1"),
            ("7", oid::INT4, oid::TEXT, "7"),
            ("t", oid::BOOL, oid::TEXT, "true"),
            ("t", oid::BOOL, oid::INT4, "1"),
            ("12", oid::TEXT, oid::INT4, "12"),
            ("{1,2}", 1007, 1009, "{1,2}"),
            ("{1.5,NULL}", 1231, 1016, "{2,NULL}"),
            ("{a}", oid::TEXT, 1009, "{a}"),
            ("2023-01-02", oid::DATE, oid::TIMESTAMP, "2023-01-02 00:00:00"),
            ("2023-01-02 03:04:05", oid::TIMESTAMP, oid::TIME, "03:04:05"),
            ("25:00", oid::INTERVAL, oid::TIME, "01:00:00"),
            ("{\"a\":1}", oid::JSON, oid::JSONB, "{\"a\": 1}"),
            ("1.5", oid::JSONB, oid::INT4, "2"),
            ("4294967295", oid::OID, oid::INT4, "-1"),
            ("integer", oid::TEXT, oid::REGTYPE, "23"),
            ("ab", oid::TEXT, oid::CHAR, "a"),
            ("10.1.2.3", oid::INET, oid::CIDR, "10.1.2.3/32"),
            ("10.1.2.3", oid::INET, oid::TEXT, "10.1.2.3/32"),
        ] {
            assert_eq!(shown(text, from, DataType::new(to)).expect(text), expected, "{text}");
        }
        for (text, from, to, state) in [
            ("40000", oid::INT4, oid::INT2, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ("1e10", oid::FLOAT8, oid::INT4, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ("NaN", oid::FLOAT8, oid::INT4, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ("NaN", oid::NUMERIC, oid::INT4, SqlState::FEATURE_NOT_SUPPORTED),
            ("1e300", oid::FLOAT8, oid::FLOAT4, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ("2023-01-02", oid::DATE, oid::INT4, SqlState::CANNOT_COERCE),
            ("\"x\"", oid::JSONB, oid::INT4, SqlState::INVALID_PARAMETER_VALUE),
            ("x", oid::TEXT, oid::INT4, SqlState::INVALID_TEXT_REPRESENTATION),
        ] {
            assert_eq!(shown(text, from, DataType::new(to)).map_err(|e| e.state()), Err(state), "{text}");
        }
        let varchar = apply_type_modifiers(oid::VARCHAR, &[2]).expect("valid");
        assert_eq!(shown("12345", oid::INT4, varchar).ok().as_deref(), Some("12"));
        let bit = apply_type_modifiers(oid::BIT, &[4]).expect("valid");
        assert_eq!(shown("-3", oid::INT4, bit).ok().as_deref(), Some("1101"));
    }

    // PG-100
    #[test]
    fn contexts_are_pg_casts() {
        use CastContext::{Assignment, Explicit, Implicit};
        assert_eq!(find_cast(oid::INT4, oid::INT8, Implicit), Some(CastKind::Function));
        assert_eq!(find_cast(oid::INT8, oid::INT4, Implicit), None);
        assert_eq!(find_cast(oid::INT8, oid::INT4, Assignment), Some(CastKind::Function));
        assert_eq!(find_cast(oid::VARCHAR, oid::TEXT, Implicit), Some(CastKind::Binary));
        assert_eq!(find_cast(oid::INT4, oid::TEXT, Implicit), None);
        assert_eq!(find_cast(oid::INT4, oid::TEXT, Assignment), Some(CastKind::Text));
        assert_eq!(find_cast(oid::TEXT, oid::INT4, Assignment), None);
        assert_eq!(find_cast(oid::TEXT, oid::INT4, Explicit), Some(CastKind::Text));
        assert_eq!(find_cast(oid::UNKNOWN, oid::DATE, Implicit), Some(CastKind::Text));
        assert_eq!(find_cast(1007, 1016, Implicit), Some(CastKind::Function));
        assert_eq!(find_cast(oid::BOOL, oid::INT4, Assignment), None);
        assert_eq!(find_cast(oid::OIDVECTOR, 1028, Implicit), Some(CastKind::Binary));
        assert_eq!(find_cast(oid::DATE, oid::INT4, Explicit), None);
    }
}
