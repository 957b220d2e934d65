//! Conversions by AMI's rules (AMI-32, AMI-33): what cannot be converted becomes null, never an error.
//!
//! Whole from floating truncates toward zero; a time is its milliseconds since 1970; text shows floating numbers with a
//! point.

use std::fmt::Write;

use super::{CastContext, DataType, TextStyle, Value, cast, from_text, oid, to_text};

/// Microseconds from 1970-01-01 to 2000-01-01, where stored times begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Converts; null where there is no such conversion or the value does not fit.
#[must_use]
pub fn lenient_cast(value: Value, from: DataType, to: DataType, style: &TextStyle) -> Value {
    if value.is_null() || (from == to && to.typmod < 0) {
        return value;
    }
    let whole = matches!(to.oid, oid::INT2 | oid::INT4 | oid::INT8);
    let converted = match &value {
        Value::Float8(n) if whole => Some(Value::Float8(n.trunc())),
        Value::Float4(n) if whole => Some(Value::Float4(n.trunc())),
        Value::Numeric(n) if whole => {
            let text = n.to_string();
            let digits = text.split('.').next().unwrap_or_default();
            return from_text(if digits == "-" { "0" } else { digits }, DataType::new(to.oid), style)
                .unwrap_or_default();
        }
        Value::TimestampTz(micros) if whole || matches!(to.oid, oid::FLOAT8 | oid::NUMERIC) => {
            let millis = micros.saturating_add(EPOCH_MICROS).div_euclid(1000);
            return cast(Value::Int8(millis), DataType::INT8, to, CastContext::Assignment, style).unwrap_or_default();
        }
        Value::Int2(n) if to.oid == oid::TIMESTAMPTZ => return time(i64::from(*n)),
        Value::Int4(n) if to.oid == oid::TIMESTAMPTZ => return time(i64::from(*n)),
        Value::Int8(n) if to.oid == oid::TIMESTAMPTZ => return time(*n),
        Value::Text(text) if to.oid == oid::BOOL => {
            return match text.trim() {
                text if text.eq_ignore_ascii_case("true") => Value::Bool(true),
                text if text.eq_ignore_ascii_case("false") => Value::Bool(false),
                _ => Value::Null,
            };
        }
        Value::Text(text) if to.oid == oid::TIMESTAMPTZ => {
            if let Ok(millis) = text.trim().parse::<i64>() {
                return time(millis);
            }
            None
        }
        Value::Text(text) if !matches!(to.oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME) => {
            Some(Value::text(text.trim()))
        }
        _ if matches!(to.oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR) && !matches!(value, Value::Text(_)) => {
            let text = Value::text(ami_text(&value, from));
            return cast(text, DataType::TEXT, to, CastContext::Explicit, style).unwrap_or_default();
        }
        _ => None,
    };
    cast(converted.unwrap_or(value), from, to, CastContext::Explicit, style).unwrap_or_default()
}

fn time(millis: i64) -> Value {
    millis.checked_mul(1000).and_then(|micros| micros.checked_sub(EPOCH_MICROS)).map_or(Value::Null, Value::TimestampTz)
}

/// The text of a value of this type as AMI writes it; null is `null`.
#[must_use]
pub fn ami_text(value: &Value, ty: DataType) -> String {
    let mut out = String::new();
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Float8(n) => write_float(*n, &format!("{n:e}"), &mut out),
        Value::Float4(n) => write_float(f64::from(*n), &format!("{n:e}"), &mut out),
        Value::TimestampTz(micros) => {
            let _ = write!(out, "{}", micros.saturating_add(EPOCH_MICROS).div_euclid(1000));
        }
        other => to_text(other, ty, &TextStyle::default(), &mut out),
    }
    out
}

/// Shortest exact digits, always with a point; an exponent from 10^7 up and below 10^-3. `digits` is Rust's `1.5e3`.
fn write_float(n: f64, digits: &str, out: &mut String) {
    if n.is_nan() {
        return out.push_str("NaN");
    }
    if n.is_infinite() {
        return out.push_str(if n > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.push_str(sign);
    if n != 0.0 && !(-3..7).contains(&exponent) {
        let _ = write!(out, "{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest });
        return;
    }
    let all = format!("{first}{rest}");
    match usize::try_from(exponent) {
        Ok(places) => {
            let padded = format!("{all:0<width$}", width = places + 1);
            let (whole, part) = padded.split_at(places + 1);
            let _ = write!(out, "{whole}.{}", if part.is_empty() { "0" } else { part });
        }
        Err(_) => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            let _ = write!(out, "0.{}{all}", "0".repeat(zeros));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-32, AMI-33
    #[test]
    fn conversions_never_fail() {
        let style = TextStyle::default();
        for (value, from, to, expected) in [
            (Value::text("123"), DataType::TEXT, DataType::INT4, Value::Int4(123)),
            (Value::text("test"), DataType::TEXT, DataType::BOOL, Value::Null),
            (Value::text(" TRUE "), DataType::TEXT, DataType::BOOL, Value::Bool(true)),
            (Value::Float8(-2.9), DataType::FLOAT8, DataType::INT4, Value::Int4(-2)),
            (Value::Float8(1e30), DataType::FLOAT8, DataType::INT4, Value::Null),
            (Value::Float8(12520.0), DataType::FLOAT8, DataType::TEXT, Value::text("12520.0")),
            (Value::Float8(1e10), DataType::FLOAT8, DataType::TEXT, Value::text("1.0E10")),
            (Value::Float8(0.0005), DataType::FLOAT8, DataType::TEXT, Value::text("5.0E-4")),
            (Value::Float8(0.25), DataType::FLOAT8, DataType::TEXT, Value::text("0.25")),
            (Value::Int8(0), DataType::INT8, DataType::TIMESTAMPTZ, Value::TimestampTz(-EPOCH_MICROS)),
            (Value::TimestampTz(-EPOCH_MICROS + 5000), DataType::TIMESTAMPTZ, DataType::INT8, Value::Int8(5)),
        ] {
            let shown = format!("{value:?}");
            assert_eq!(lenient_cast(value, from, to, &style), expected, "{shown}");
        }
    }
}
