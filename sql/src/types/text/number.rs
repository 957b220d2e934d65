//! Text forms of integers and floats, without allocation.
use std::fmt::Write;

use super::invalid_syntax;
use crate::error::{Result, SqlError, SqlState};

/// Appends an integer.
pub(super) fn push_integer(number: i64, out: &mut String) {
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&buffer[at..]).expect("digits are ASCII"));
}

/// 22003 of an integer type.
fn integer_out_of_range(text: &str, type_name: &str) -> SqlError {
    SqlError::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// 22003 of a float type.
pub(in crate::types) fn float_out_of_range(text: &str, type_name: &str) -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{text}\" is out of range for type {type_name}"))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|b| is_blank(*b)) && !bytes.last().is_some_and(|b| is_blank(*b)) {
        return text;
    }
    text.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_blank))
}

/// An integer of at most 64 bits; `None` is syntax, `Some(None)` overflow.
fn parse_integer(text: &str) -> Option<Option<i64>> {
    let bytes = trim(text).as_bytes();
    let (negative, digits) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        b'+' => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return None;
    }
    // Counted downwards, since there is one negative number more.
    let mut value: Option<i64> = Some(0);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        value = value.and_then(|n| n.checked_mul(10)).and_then(|n| n.checked_sub(digit));
    }
    Some(if negative { value } else { value.and_then(i64::checked_neg) })
}

fn parse_sized<T: TryFrom<i64>>(text: &str, type_name: &str) -> Result<T> {
    match parse_integer(text) {
        None => Err(invalid_syntax(type_name, text)),
        Some(number) => number.and_then(|n| T::try_from(n).ok()).ok_or_else(|| integer_out_of_range(text, type_name)),
    }
}

/// Reads an int2. Errors: 22P02, 22003.
pub(super) fn parse_i16(text: &str) -> Result<i16> {
    parse_sized(text, "smallint")
}

/// Reads an int4. Errors: 22P02, 22003.
pub(super) fn parse_i32(text: &str) -> Result<i32> {
    parse_sized(text, "integer")
}

/// Reads an int8. Errors: 22P02, 22003.
pub(super) fn parse_i64(text: &str) -> Result<i64> {
    parse_sized(text, "bigint")
}

/// Reads an oid: 0 to 4294967295, or a negative number of 32 bits, which wraps. Errors: 22P02, 22003.
#[allow(clippy::cast_sign_loss, reason = "negative oids wrap, as in PostgreSQL")]
pub(super) fn parse_oid(text: &str, type_name: &str) -> Result<u32> {
    let number = parse_integer(text).ok_or_else(|| invalid_syntax(type_name, text))?;
    let out_of_range = || integer_out_of_range(text, type_name);
    let number = number.ok_or_else(out_of_range)?;
    match u32::try_from(number) {
        Ok(oid) => Ok(oid),
        Err(_) => i32::try_from(number).map(|n| n as u32).map_err(|_| out_of_range()),
    }
}

/// Reads a float8. Errors: 22P02, 22003 also for numbers that would become zero.
pub(super) fn parse_f64(text: &str) -> Result<f64> {
    let trimmed = trim(text);
    let number: f64 = trimmed.parse().map_err(|_| invalid_syntax("double precision", text))?;
    if loses_value(trimmed, number.is_infinite(), number == 0.0) {
        return Err(float_out_of_range(trimmed, "double precision"));
    }
    Ok(number)
}

/// Reads a float4. Errors: 22P02, 22003.
pub(super) fn parse_f32(text: &str) -> Result<f32> {
    let trimmed = trim(text);
    let number: f32 = trimmed.parse().map_err(|_| invalid_syntax("real", text))?;
    if loses_value(trimmed, number.is_infinite(), number == 0.0) {
        return Err(float_out_of_range(trimmed, "real"));
    }
    Ok(number)
}

/// Whether a text with digits became infinite, or zero although a digit of its mantissa is not.
fn loses_value(text: &str, infinite: bool, zero: bool) -> bool {
    if infinite {
        return text.bytes().any(|b| b.is_ascii_digit());
    }
    zero && text.bytes().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9'))
}

/// Appends a float8: shortest exact text, or `15 + extra` digits if `extra` is below 1.
pub(super) fn push_f64(number: f64, extra: i32, out: &mut String) {
    if push_special(number, out) {
        return;
    }
    if extra < 1 {
        return push_digits(number, usize::try_from(15 + extra).unwrap_or(1).max(1), out);
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e15).contains(&magnitude) {
        let _ = write!(out, "{number}");
        return;
    }
    let start = out.len();
    let _ = write!(out, "{number:e}");
    widen_exponent(out, start);
}

/// Appends a float4: shortest exact text, or `6 + extra` digits if `extra` is below 1.
pub(super) fn push_f32(number: f32, extra: i32, out: &mut String) {
    if push_special(f64::from(number), out) {
        return;
    }
    if extra < 1 {
        return push_digits(f64::from(number), usize::try_from(6 + extra).unwrap_or(1).max(1), out);
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        let _ = write!(out, "{number}");
        return;
    }
    let start = out.len();
    let _ = write!(out, "{number:e}");
    widen_exponent(out, start);
}

fn push_special(number: f64, out: &mut String) -> bool {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    }
    !number.is_finite()
}

/// `1.5e7` to `1.5e+07`.
fn widen_exponent(out: &mut String, start: usize) {
    let Some(at) = out[start..].find('e').map(|at| start + at + 1) else { return };
    let exponent: i32 = out[at..].parse().unwrap_or(0);
    out.truncate(at);
    let _ = write!(out, "{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
}

/// C's `%.{digits}g`.
fn push_digits(number: f64, digits: usize, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{number:.*e}", digits - 1);
    let Some(at) = out[start..].find('e').map(|at| start + at) else { return };
    let exponent: i32 = out[at + 1..].parse().unwrap_or(0);
    let fixed = (-4..i32::try_from(digits).unwrap_or(0)).contains(&exponent);
    if fixed {
        out.truncate(start);
        let places = i32::try_from(digits).unwrap_or(1) - 1 - exponent;
        let _ = write!(out, "{number:.*}", usize::try_from(places).unwrap_or(0));
    } else {
        out.truncate(at);
    }
    if out[start..].contains('.') {
        let kept = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(kept);
    }
    if !fixed {
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
    }
}
