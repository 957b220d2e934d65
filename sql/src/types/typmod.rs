//! Type modifiers applied to values (PG-94): lengths of text, precision of numbers, times and intervals.
use std::cmp::Ordering;
use std::sync::Arc;

use num_bigint::{BigInt, Sign};

use super::complex::Complex;
use super::datetime::MICROS_PER_SECOND;
use super::datetime::timestamp_from_parts;
use super::numeric::{Numeric, decimal_digits, pow10};
use super::{Array, DataType, Interval, Value, element_type_of, oid};
use crate::error::{Result, SqlError, SqlState};

/// Fields of an interval modifier's mask.
pub(in crate::types) const FIELD_MONTH: i32 = 1 << 1;
pub(in crate::types) const FIELD_YEAR: i32 = 1 << 2;
pub(in crate::types) const FIELD_DAY: i32 = 1 << 3;
pub(in crate::types) const FIELD_HOUR: i32 = 1 << 10;
pub(in crate::types) const FIELD_MINUTE: i32 = 1 << 11;
pub(in crate::types) const FIELD_SECOND: i32 = 1 << 12;
/// The mask of an interval without fields.
pub(in crate::types) const FIELDS_ALL: i32 = 0x7FFF;

/// Precision and scale of a numeric modifier.
pub(in crate::types) fn numeric_precision_scale(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    // The scale has 11 bits with a sign.
    (packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024)
}

/// A decimal type of Comdb2 (CDB-401): numeric that keeps so many significant digits, as IEEE 754's formats do. Its
/// modifier is one that PostgreSQL takes for none.
#[derive(Debug)]
pub struct DecimalFormat {
    /// Comdb2's name.
    pub name: &'static str,
    /// Bytes that Comdb2 stores.
    pub bytes: i64,
    typmod: i32,
    digits: i64,
    /// Of the first digit.
    exponent_max: i64,
}

const DECIMAL_FORMATS: [DecimalFormat; 3] = [
    DecimalFormat { name: "decimal32", bytes: 4, typmod: 1, digits: 7, exponent_max: 96 },
    DecimalFormat { name: "decimal64", bytes: 8, typmod: 2, digits: 16, exponent_max: 384 },
    DecimalFormat { name: "decimal128", bytes: 16, typmod: 3, digits: 34, exponent_max: 6144 },
];

impl DecimalFormat {
    /// The format of a numeric type, if it is one of Comdb2's.
    #[must_use]
    pub fn of(ty: DataType) -> Option<&'static DecimalFormat> {
        DECIMAL_FORMATS.iter().find(|format| ty.oid == oid::NUMERIC && ty.typmod == format.typmod)
    }

    /// The type by Comdb2's name.
    #[must_use]
    pub fn type_named(name: &str) -> Option<DataType> {
        let found = DECIMAL_FORMATS.iter().find(|format| format.name == name)?;
        Some(DataType::with_typmod(oid::NUMERIC, found.typmod))
    }

    /// A number with no more digits than it holds, halves to the even digit. Errors: 22003.
    fn round(&self, number: Numeric) -> Result<Numeric> {
        let Some((digits, scale)) = number.digits_and_scale() else { return Ok(number) };
        // The smallest step of the format is the other limit.
        let scale_max = self.exponent_max + self.digits - 2;
        let excess = (decimal_digits(digits.magnitude()) - self.digits).max(scale - scale_max).max(0);
        let (digits, scale) = (round_half_even(digits, excess.unsigned_abs()), scale - excess);
        if decimal_digits(digits.magnitude()) - scale - 1 > self.exponent_max {
            let (name, limit) = (self.name, self.exponent_max + 1);
            return Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
                .detail(format!("A {name} must round to an absolute value less than 10^{limit}.")));
        }
        if excess == 0 { Ok(number) } else { Numeric::from_digits(digits, scale) }
    }
}

/// `digits / 10^places`, halves to the even digit.
fn round_half_even(digits: BigInt, places: u64) -> BigInt {
    if places == 0 {
        return digits;
    }
    let unit = pow10(places);
    let kept = &digits / &unit;
    let rest: BigInt = (&digits - &kept * &unit) * 2u32;
    let up = match rest.magnitude().cmp(unit.magnitude()) {
        Ordering::Less => false,
        Ordering::Equal => kept.bit(0),
        Ordering::Greater => true,
    };
    match (up, digits.sign()) {
        (false, _) => kept,
        (true, Sign::Minus) => kept - 1u32,
        (true, _) => kept + 1u32,
    }
}

/// Field mask and precision of an interval modifier.
pub(in crate::types) fn interval_fields(typmod: i32) -> (i32, Option<i32>) {
    if typmod < 0 {
        return (FIELDS_ALL, None);
    }
    let precision = typmod & 0xFFFF;
    (typmod >> 16 & 0x7FFF, (precision <= 6).then_some(precision))
}

/// The fields as format_type prints them, with a leading blank.
pub(in crate::types) fn interval_fields_text(fields: i32) -> &'static str {
    const TO_SECOND: i32 = FIELD_HOUR | FIELD_MINUTE | FIELD_SECOND;
    const YEAR_MONTH: i32 = FIELD_YEAR | FIELD_MONTH;
    const DAY_HOUR: i32 = FIELD_DAY | FIELD_HOUR;
    const DAY_MINUTE: i32 = DAY_HOUR | FIELD_MINUTE;
    const DAY_SECOND: i32 = FIELD_DAY | TO_SECOND;
    const HOUR_MINUTE: i32 = FIELD_HOUR | FIELD_MINUTE;
    const MINUTE_SECOND: i32 = FIELD_MINUTE | FIELD_SECOND;
    match fields {
        FIELD_YEAR => " year",
        FIELD_MONTH => " month",
        FIELD_DAY => " day",
        FIELD_HOUR => " hour",
        FIELD_MINUTE => " minute",
        FIELD_SECOND => " second",
        YEAR_MONTH => " year to month",
        DAY_HOUR => " day to hour",
        DAY_MINUTE => " day to minute",
        DAY_SECOND => " day to second",
        HOUR_MINUTE => " hour to minute",
        TO_SECOND => " hour to second",
        MINUTE_SECOND => " minute to second",
        _ => "",
    }
}

/// Applies the modifier of `ty` to a value of that type (of an array: to its elements); NULL and -1 change nothing.
/// Text that is too long is cut if `explicit`, else only blanks may go. `char(n)` is padded.
/// Errors: 22001, 22003, 22008; 22P02 for a text that is no complex number.
pub fn apply_typmod(value: Value, ty: DataType, explicit: bool) -> Result<Value> {
    if ty.typmod < 0 {
        return Ok(value);
    }
    match value {
        Value::Null => Ok(Value::Null),
        Value::Text(text) => match ty.oid {
            oid::VARCHAR => Ok(Value::Text(cut_text(text, length_of(ty.typmod), explicit, "character varying")?)),
            oid::BPCHAR => {
                let length = length_of(ty.typmod);
                Ok(Value::Text(pad(cut_text(text, length, explicit, "character")?, length)))
            }
            oid::BIT | oid::VARBIT => bits(text, ty, explicit),
            _ if ty == DataType::AMI_COMPLEX => match Complex::parse(&text) {
                Some(number) => Ok(Value::text(number.to_string())),
                None => Err(SqlError::new(
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    format!("invalid input syntax for type complex: \"{text}\""),
                )),
            },
            _ => Ok(Value::Text(text)),
        },
        Value::Int2(number) if ty == DataType::AMI_BYTE && i8::try_from(number).is_err() => {
            Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "byte out of range"))
        }
        Value::Numeric(number) if ty.oid == oid::NUMERIC && ty.typmod >= 4 => round_numeric(*number, ty.typmod),
        Value::Numeric(number) => match DecimalFormat::of(ty) {
            Some(format) => Ok(Value::Numeric(Box::new(format.round(*number)?))),
            None => Ok(Value::Numeric(number)),
        },
        Value::Time(micros) => Ok(Value::Time(round_micros(micros, ty.typmod))),
        Value::TimeTz(micros, zone) => Ok(Value::TimeTz(round_micros(micros, ty.typmod), zone)),
        Value::Timestamp(micros) => round_timestamp(micros, ty.typmod).map(Value::Timestamp),
        Value::TimestampTz(micros) => round_timestamp(micros, ty.typmod).map(Value::TimestampTz),
        Value::Interval(interval) => Ok(Value::Interval(cut_interval(interval, ty.typmod))),
        Value::Array(array) => {
            let Some(element) = element_type_of(ty.oid) else { return Ok(Value::Array(array)) };
            let element = DataType::with_typmod(element, ty.typmod);
            let array = Arc::unwrap_or_clone(array);
            let items = array.items.into_iter().map(|item| apply_typmod(item, element, explicit));
            let items = items.collect::<Result<Vec<_>>>()?;
            Ok(Value::Array(Arc::new(Array { element: array.element, dims: array.dims, items })))
        }
        other => Ok(other),
    }
}

fn length_of(typmod: i32) -> usize {
    usize::try_from(typmod.saturating_sub(4)).unwrap_or(0)
}

/// Cuts text to `length` characters; unless `explicit` only blanks may be lost.
fn cut_text(text: Arc<str>, length: usize, explicit: bool, type_name: &str) -> Result<Arc<str>> {
    if text.len() <= length {
        return Ok(text);
    }
    let Some((end, _)) = text.char_indices().nth(length) else { return Ok(text) };
    if !explicit && !text[end..].bytes().all(|b| b == b' ') {
        return Err(SqlError::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type {type_name}({length})"),
        ));
    }
    Ok(Arc::from(&text[..end]))
}

fn pad(text: Arc<str>, length: usize) -> Arc<str> {
    // Fewer bytes than wanted characters is the only case in which counting is needed to know that blanks are missing;
    // otherwise count as well, since a character may have many bytes.
    let count = if text.is_ascii() { text.len() } else { text.chars().count() };
    if count >= length {
        return text;
    }
    let mut padded = String::with_capacity(text.len() + length - count);
    padded.push_str(&text);
    padded.extend(std::iter::repeat_n(' ', length - count));
    Arc::from(padded)
}

fn bits(text: Arc<str>, ty: DataType, explicit: bool) -> Result<Value> {
    let length = usize::try_from(ty.typmod).unwrap_or(0);
    if text.len() == length || (ty.oid == oid::VARBIT && text.len() < length) {
        return Ok(Value::Text(text));
    }
    if !explicit && ty.oid == oid::BIT {
        return Err(SqlError::new(
            SqlState::STRING_DATA_LENGTH_MISMATCH,
            format!("bit string length {} does not match type bit({length})", text.len()),
        ));
    }
    if !explicit {
        return Err(SqlError::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            format!("bit string too long for type bit varying({length})"),
        ));
    }
    let mut cut = text.get(..length.min(text.len())).unwrap_or_default().to_owned();
    if ty.oid == oid::BIT {
        cut.extend(std::iter::repeat_n('0', length.saturating_sub(cut.len())));
    }
    Ok(Value::from(cut))
}

fn round_numeric(number: Numeric, typmod: i32) -> Result<Value> {
    let (precision, scale) = numeric_precision_scale(typmod);
    let overflow = |detail: String| {
        Err(SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail))
    };
    match number {
        Numeric::NaN => return Ok(Value::Numeric(Box::new(number))),
        Numeric::Infinity | Numeric::NegativeInfinity => {
            return overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            ));
        }
        Numeric::Finite(_) => {}
    }
    let rounded = if number.scale() == i64::from(scale) { number } else { number.round(i64::from(scale))? };
    let (digits, actual_scale) = rounded.digits_and_scale().unwrap_or((BigInt::from(0), 0));
    let whole_digits = i64::from(precision - scale);
    let fits = digits.sign() == Sign::NoSign || decimal_digits(digits.magnitude()) - actual_scale <= whole_digits;
    if !fits {
        let limit = if whole_digits == 0 { "1".to_owned() } else { format!("10^{whole_digits}") };
        return overflow(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
        ));
    }
    Ok(Value::Numeric(Box::new(rounded)))
}

/// Rounds to `precision` digits of a second, halves away from zero.
fn round_micros(micros: i64, precision: i32) -> i64 {
    let Ok(places @ 0..=5) = u32::try_from(precision) else { return micros };
    let unit = 10i64.pow(6 - places);
    let half = unit / 2;
    if micros >= 0 {
        micros.saturating_add(half) / unit * unit
    } else {
        -(micros.saturating_neg().saturating_add(half) / unit * unit)
    }
}

fn round_timestamp(micros: i64, precision: i32) -> Result<i64> {
    if micros == i64::MIN || micros == i64::MAX {
        return Ok(micros);
    }
    timestamp_from_parts(0, round_micros(micros, precision))
}

fn cut_interval(interval: Interval, typmod: i32) -> Interval {
    let (fields, precision) = interval_fields(typmod);
    let Interval { mut micros, mut days, mut months } = interval;
    if fields != FIELDS_ALL {
        // What lies below the last field goes; what lies above the first stays.
        if fields & (FIELD_DAY | FIELD_HOUR | FIELD_MINUTE | FIELD_SECOND) == 0 {
            days = 0;
        }
        let unit = if fields & FIELD_SECOND != 0 {
            1
        } else if fields & FIELD_MINUTE != 0 {
            60 * MICROS_PER_SECOND
        } else if fields & FIELD_HOUR != 0 {
            3600 * MICROS_PER_SECOND
        } else {
            micros = 0;
            1
        };
        micros -= micros % unit;
        if fields == FIELD_YEAR {
            months -= months % 12;
        }
    }
    if let Some(precision) = precision {
        micros = round_micros(micros, precision);
    }
    Interval { micros, days, months }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::apply_type_modifiers;

    fn varchar(text: &str, oid: u32, length: i64, explicit: bool) -> Result<Value> {
        apply_typmod(Value::text(text), apply_type_modifiers(oid, &[length])?, explicit)
    }

    fn numeric(text: &str, modifiers: &[i64]) -> Result<String> {
        let value = Value::Numeric(Box::new(Numeric::parse(text)?));
        match apply_typmod(value, apply_type_modifiers(oid::NUMERIC, modifiers)?, false)? {
            Value::Numeric(number) => Ok(number.to_string()),
            other => panic!("{other:?}"),
        }
    }

    // PG-94
    #[test]
    fn lengths_apply() {
        assert_eq!(varchar("abc", oid::VARCHAR, 3, false).ok(), Some(Value::text("abc")));
        assert_eq!(varchar("abc  ", oid::VARCHAR, 4, false).ok(), Some(Value::text("abc ")));
        assert_eq!(varchar("äöüß", oid::VARCHAR, 3, true).ok(), Some(Value::text("äöü")));
        assert_eq!(varchar("äö", oid::BPCHAR, 4, false).ok(), Some(Value::text("äö  ")));
        let error = varchar("abcd", oid::VARCHAR, 3, false).expect_err("too long");
        assert_eq!(error.state(), SqlState::STRING_DATA_RIGHT_TRUNCATION);
        assert_eq!(error.message(), "value too long for type character varying(3)");
    }

    // PG-94
    #[test]
    fn numbers_round() {
        assert_eq!(numeric("1.005", &[10, 2]).ok().as_deref(), Some("1.01"));
        assert_eq!(numeric("1", &[10, 2]).ok().as_deref(), Some("1.00"));
        assert_eq!(numeric("1250", &[2, -2]).ok().as_deref(), Some("1300"));
        assert_eq!(numeric("0.00123", &[3, 5]).ok().as_deref(), Some("0.00123"));
        let error = numeric("99.995", &[4, 2]).expect_err("overflow");
        assert_eq!(error.state(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        let detail = "A field with precision 4, scale 2 must round to an absolute value less than 10^2.";
        assert_eq!(error.fields().detail.as_deref(), Some(detail));
    }

    // PG-94
    #[test]
    fn times_round() {
        assert_eq!(round_micros(1_499_999, 0), 1_000_000);
        assert_eq!(round_micros(-1_500_000, 0), -2_000_000);
        assert_eq!(round_micros(123_456, 3), 123_000);
        let interval = Interval { micros: 3_661_500_000, days: 3, months: 14 };
        let year = cut_interval(interval, (FIELD_YEAR << 16) | 0xFFFF);
        assert_eq!(year, Interval { micros: 0, days: 0, months: 12 });
    }
}
