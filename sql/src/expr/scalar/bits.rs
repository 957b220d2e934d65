//! Bit strings. A value is its text of `0` and `1`.

use super::OperatorRow;
use super::args::int4_value;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::Value;
use crate::types::oid::{BIT, INT4, INT8, VARBIT};

/// Combines two strings of one length bit by bit. Errors: 22026.
pub(in crate::expr) fn bitwise(what: &str, a: &str, b: &str, fold: fn(bool, bool) -> bool) -> Result<Value> {
    if a.len() != b.len() {
        return Err(SqlError::new(
            SqlState::STRING_DATA_LENGTH_MISMATCH,
            format!("cannot {what} bit strings of different sizes"),
        ));
    }
    let bits = a.bytes().zip(b.bytes()).map(|(a, b)| if fold(a == b'1', b == b'1') { '1' } else { '0' });
    Ok(Value::from(bits.collect::<String>()))
}

fn shifted(call: &Call<'_>, left: bool) -> Result<Value> {
    let (bits, by) = (call.text(0)?, i64::from(call.int4(1)?));
    let left = if by < 0 { !left } else { left };
    let by = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX).min(bits.len());
    let zeros = "0".repeat(by);
    Ok(Value::from(if left {
        format!("{}{zeros}", &bits[by..])
    } else {
        format!("{zeros}{}", &bits[..bits.len() - by])
    }))
}

/// The piece that SUBSTRING gives: what of it lies before the string is cut off. Errors: 22011.
fn piece(bits: &str, from: i32, length: Option<i32>) -> Result<&str> {
    let end = match length {
        Some(length) if length < 0 => {
            return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        Some(length) => i64::from(from) + i64::from(length),
        None => i64::MAX,
    };
    let place = |at: i64| usize::try_from((at - 1).max(0)).unwrap_or(usize::MAX).min(bits.len());
    let (start, end) = (place(i64::from(from)), place(end));
    Ok(bits.get(start..end.max(start)).unwrap_or_default())
}

fn overlay(call: &Call<'_>, length: Option<i32>) -> Result<Value> {
    let (bits, new, from) = (call.text(0)?, call.text(1)?, call.int4(2)?);
    if from <= 0 {
        return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let length = length.unwrap_or_else(|| i32::try_from(new.len()).unwrap_or(i32::MAX));
    let after = from
        .checked_add(length)
        .ok_or_else(|| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))?;
    Ok(Value::from(format!("{}{new}{}", piece(bits, 1, Some(from - 1))?, piece(bits, after, None)?)))
}

fn index(bits: &str, at: i32) -> Result<usize> {
    usize::try_from(at).ok().filter(|at| *at < bits.len()).ok_or_else(|| {
        let last = i64::try_from(bits.len()).unwrap_or(i64::MAX) - 1;
        SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, format!("bit index {at} out of valid range (0..{last})"))
    })
}

fn get_bit(call: &Call<'_>) -> Result<Value> {
    let bits = call.text(0)?;
    let at = index(bits, call.int4(1)?)?;
    Ok(Value::Int4(i32::from(bits.as_bytes()[at] == b'1')))
}

fn set_bit(call: &Call<'_>) -> Result<Value> {
    let (bits, new) = (call.text(0)?, call.int4(2)?);
    let at = index(bits, call.int4(1)?)?;
    if !matches!(new, 0 | 1) {
        return Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "new bit must be 0 or 1"));
    }
    Ok(Value::from(format!("{}{new}{}", &bits[..at], &bits[at + 1..])))
}

fn position(call: &Call<'_>) -> Result<Value> {
    let (bits, wanted) = (call.text(0)?, call.text(1)?);
    Ok(int4_value(match bits.find(wanted) {
        Some(_) if bits.is_empty() => 0,
        Some(at) => at + 1,
        None => 0,
    }))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(1673, "bitand", &[BIT, BIT], BIT, |c| bitwise("AND", c.text(0)?, c.text(1)?, |a, b| a && b)),
    Function::new(1674, "bitor", &[BIT, BIT], BIT, |c| bitwise("OR", c.text(0)?, c.text(1)?, |a, b| a || b)),
    Function::new(1675, "bitxor", &[BIT, BIT], BIT, |c| bitwise("XOR", c.text(0)?, c.text(1)?, |a, b| a != b)),
    Function::new(1676, "bitnot", &[BIT], BIT, |c| { let bits = c.text(0)?; bitwise("NOT", bits, bits, |a, _| !a) }),
    Function::new(1677, "bitshiftleft", &[BIT, INT4], BIT, |c| shifted(c, true)),
    Function::new(1678, "bitshiftright", &[BIT, INT4], BIT, |c| shifted(c, false)),
    Function::new(1679, "bitcat", &[VARBIT, VARBIT], VARBIT, |c| Ok(Value::from(format!("{}{}", c.text(0)?, c.text(1)?)))),
    Function::new(1680, "substring", &[BIT, INT4, INT4], BIT, |c| Ok(Value::text(piece(c.text(0)?, c.int4(1)?, Some(c.int4(2)?))?))),
    Function::new(1699, "substring", &[BIT, INT4], BIT, |c| Ok(Value::text(piece(c.text(0)?, c.int4(1)?, None)?))),
    Function::new(1681, "length", &[BIT], INT4, |c| Ok(int4_value(c.text(0)?.len()))),
    Function::new(1682, "octet_length", &[BIT], INT4, |c| Ok(int4_value(c.text(0)?.len().div_ceil(8)))),
    Function::new(1812, "bit_length", &[BIT], INT4, |c| Ok(int4_value(c.text(0)?.len()))),
    Function::new(1698, "position", &[BIT, BIT], INT4, position),
    Function::new(3030, "overlay", &[BIT, BIT, INT4, INT4], BIT, |c| overlay(c, Some(c.int4(3)?))),
    Function::new(3031, "overlay", &[BIT, BIT, INT4], BIT, |c| overlay(c, None)),
    Function::new(3032, "get_bit", &[BIT, INT4], INT4, get_bit),
    Function::new(3033, "set_bit", &[BIT, INT4, INT4], BIT, set_bit),
    Function::new(6162, "bit_count", &[BIT], INT8, |c| Ok(Value::Int8(c.text(0)?.bytes().filter(|bit| *bit == b'1').count().try_into().unwrap_or(i64::MAX)))),
];

pub(super) const OPERATORS: &[OperatorRow] = &[
    (1791, "&", BIT, BIT, 1673),
    (1792, "|", BIT, BIT, 1674),
    (1793, "#", BIT, BIT, 1675),
    (1794, "~", 0, BIT, 1676),
    (1795, "<<", BIT, INT4, 1677),
    (1796, ">>", BIT, INT4, 1678),
    (1797, "||", VARBIT, VARBIT, 1679),
];
