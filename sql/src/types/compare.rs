//! Comparison, equality and hashing of values of one type.
use std::cmp::Ordering;

use super::datetime::interval_span;
use super::{Array, Record, Value};

/// Orders two non-NULL values of the same representation (integers of different widths compare by value).
/// NULL sorts after everything and equals NULL here; SQL's three-valued logic is the caller's.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Int4(l), Value::Int4(r)) => l.cmp(r),
        (Value::Int8(l), Value::Int8(r)) => l.cmp(r),
        (Value::Text(l), Value::Text(r)) | (Value::Json(l), Value::Json(r)) => l.as_bytes().cmp(r.as_bytes()),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Bool(l), Value::Bool(r)) => l.cmp(r),
        (Value::Float8(l), Value::Float8(r)) => compare_floats(*l, *r),
        (Value::Float4(l), Value::Float4(r)) => compare_floats(f64::from(*l), f64::from(*r)),
        (Value::Float4(l), Value::Float8(r)) => compare_floats(f64::from(*l), *r),
        (Value::Float8(l), Value::Float4(r)) => compare_floats(*l, f64::from(*r)),
        (Value::Numeric(l), Value::Numeric(r)) => l.compare(r),
        (Value::Bytea(l), Value::Bytea(r)) => l.cmp(r),
        (Value::Char(l), Value::Char(r)) => l.cmp(r),
        (Value::Date(l), Value::Date(r)) => l.cmp(r),
        (Value::Timestamp(l), Value::Timestamp(r))
        | (Value::TimestampTz(l), Value::TimestampTz(r))
        | (Value::Time(l), Value::Time(r)) => l.cmp(r),
        (Value::TimeTz(l, l_zone), Value::TimeTz(r, r_zone)) => {
            timetz_instant(*l, *l_zone).cmp(&timetz_instant(*r, *r_zone)).then(l_zone.cmp(r_zone))
        }
        (Value::Interval(l), Value::Interval(r)) => interval_span(*l).cmp(&interval_span(*r)),
        (Value::Uuid(l), Value::Uuid(r)) => l.cmp(r),
        (Value::Jsonb(l), Value::Jsonb(r)) => l.compare(r),
        (Value::Array(l), Value::Array(r)) => compare_arrays(l, r),
        (Value::Record(l), Value::Record(r)) => compare_records(l, r),
        (Value::Tid(l, l_offset), Value::Tid(r, r_offset)) => l.cmp(r).then(l_offset.cmp(r_offset)),
        (Value::Range(l), Value::Range(r)) => l.compare(r),
        (Value::Enum(l), Value::Enum(r)) => l.order.total_cmp(&r.order),
        _ => match (left.as_i64(), right.as_i64()) {
            (Some(l), Some(r)) => l.cmp(&r),
            _ => rank(left).cmp(&rank(right)),
        },
    }
}

/// Whether two values are equal in the sense of `compare`.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(l), Value::Text(r)) => l == r,
        _ => compare(left, right) == Ordering::Equal,
    }
}

/// Orders two `char(n)` values: blanks at the end do not count.
#[must_use]
pub fn compare_bpchar(left: &str, right: &str) -> Ordering {
    left.trim_end_matches(' ').as_bytes().cmp(right.trim_end_matches(' ').as_bytes())
}

/// NaN equals NaN and is above everything; -0 equals 0.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Microseconds of a timetz in UTC.
fn timetz_instant(micros: i64, zone: i32) -> i64 {
    micros.saturating_add(i64::from(zone) * 1_000_000)
}

fn first_unequal(orders: impl Iterator<Item = Ordering>) -> Option<Ordering> {
    let mut orders = orders;
    orders.find(|order| order.is_ne())
}

/// Item by item, then by number of items, dimensions, their lengths and bounds.
fn compare_arrays(left: &Array, right: &Array) -> Ordering {
    first_unequal(left.items.iter().zip(&right.items).map(|(l, r)| compare(l, r)))
        .unwrap_or_else(|| left.items.len().cmp(&right.items.len()))
        .then_with(|| left.dims.len().cmp(&right.dims.len()))
        .then_with(|| left.dims.cmp(&right.dims))
}

fn compare_records(left: &Record, right: &Record) -> Ordering {
    first_unequal(left.fields.iter().zip(&right.fields).map(|(l, r)| compare(&l.2, &r.2)))
        .unwrap_or_else(|| left.fields.len().cmp(&right.fields.len()))
}

/// An order of representations for values that the planner should not have brought together.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Oid(_) => 1,
        Value::Float4(_) | Value::Float8(_) => 2,
        Value::Numeric(_) => 3,
        Value::Text(_) => 4,
        Value::Bytea(_) => 5,
        Value::Char(_) => 6,
        Value::Date(_) => 7,
        Value::Time(_) => 8,
        Value::TimeTz(..) => 9,
        Value::Timestamp(_) => 10,
        Value::TimestampTz(_) => 11,
        Value::Interval(_) => 12,
        Value::Uuid(_) => 13,
        Value::Json(_) => 14,
        Value::Jsonb(_) => 15,
        Value::Array(_) => 16,
        Value::Record(_) => 17,
        Value::Tid(..) => 18,
        Value::Enum(_) => 19,
        Value::Range(_) => 20,
        Value::Null => 21,
    }
}

const HASH_FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Mixes a word into a hash: the product's halves folded together.
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ HASH_FACTOR) * u128::from(0xD6E8_FEB8_6659_FD93u64 ^ hash.rotate_left(23));
    #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded.wrapping_mul(HASH_FACTOR)
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = mix(1, bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    let mut word = [0u8; 8];
    let rest = chunks.remainder();
    word[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(word))
}

#[allow(clippy::cast_sign_loss, reason = "only the bits matter")]
fn hash_integer(number: i64) -> u64 {
    mix(2, number as u64)
}

/// A hash that is equal for values that are `equal`.
#[must_use]
pub fn hash_value(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Int2(n) => hash_integer(i64::from(*n)),
        Value::Int4(n) => hash_integer(i64::from(*n)),
        Value::Int8(n) => hash_integer(*n),
        Value::Oid(n) => hash_integer(i64::from(*n)),
        Value::Text(text) | Value::Json(text) => hash_bytes(text.as_bytes()),
        Value::Bytea(bytes) => hash_bytes(bytes),
        Value::Uuid(bytes) => hash_bytes(bytes),
        Value::Bool(b) => mix(3, u64::from(*b)),
        Value::Char(byte) => mix(4, u64::from(*byte)),
        Value::Date(days) => hash_integer(i64::from(*days)),
        Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) => hash_integer(*micros),
        Value::Float4(n) => hash_float(f64::from(*n)),
        Value::Float8(n) => hash_float(*n),
        other => {
            // The ordered form is the same for equal values.
            let mut key = Vec::with_capacity(32);
            super::encode_key(other, false, false, &mut key);
            hash_bytes(&key)
        }
    }
}

fn hash_float(number: f64) -> u64 {
    let canonical = if number.is_nan() {
        f64::NAN
    } else if number == 0.0 {
        0.0
    } else {
        number
    };
    mix(5, canonical.to_bits())
}

#[cfg(test)]
mod tests {
    use super::super::{Interval, Numeric};
    use super::*;
    use std::sync::Arc;

    fn numeric(text: &str) -> Value {
        Value::Numeric(Box::new(Numeric::parse(text).expect(text)))
    }

    fn array(items: &[i32]) -> Value {
        Value::Array(Arc::new(Array::one_dimensional(23, items.iter().map(|n| Value::Int4(*n)).collect())))
    }

    /// Values in ascending order: every pair must compare so, and equal ones hash alike.
    #[test]
    fn order_and_hash_agree() {
        let day = |days| Value::Interval(Interval { days, ..Interval::default() });
        for ascending in [
            vec![Value::Int2(-1), Value::Int8(0), Value::Int4(7), Value::Int8(i64::MAX), Value::Null],
            vec![
                Value::Float8(f64::NEG_INFINITY),
                Value::Float8(-1.0),
                Value::Float4(0.5),
                Value::Float8(f64::INFINITY),
                Value::Float8(f64::NAN),
            ],
            vec![
                numeric("-inf"),
                numeric("-10"),
                numeric("-1.5"),
                numeric("0"),
                numeric("0.001"),
                numeric("9.99"),
                numeric("10"),
                numeric("inf"),
                numeric("NaN"),
            ],
            vec![Value::text(""), Value::text("A"), Value::text("a"), Value::text("aa"), Value::text("ä")],
            vec![array(&[]), array(&[1]), array(&[1, 2]), array(&[2])],
            vec![day(-1), day(0), day(29), Value::Interval(Interval { months: 1, ..Interval::default() }), day(31)],
            vec![Value::TimeTz(0, 0), Value::TimeTz(0, 3600), Value::TimeTz(7_200_000_000, 0)],
        ] {
            for (i, left) in ascending.iter().enumerate() {
                for (j, right) in ascending.iter().enumerate() {
                    assert_eq!(compare(left, right), i.cmp(&j), "{left:?} {right:?}");
                }
            }
        }
        for (left, right) in [
            (numeric("1.0"), numeric("1.00")),
            (Value::Float8(0.0), Value::Float8(-0.0)),
            (Value::Float8(f64::NAN), Value::Float8(-f64::NAN)),
            (Value::Int2(5), Value::Int8(5)),
            (day(30), Value::Interval(Interval { months: 1, ..Interval::default() })),
        ] {
            assert!(equal(&left, &right), "{left:?} {right:?}");
            assert_eq!(hash_value(&left), hash_value(&right), "{left:?} {right:?}");
        }
        assert_eq!(compare_bpchar("a  ", "a"), Ordering::Equal);
    }
}
