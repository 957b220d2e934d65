//! The ordered form of an index key: a byte string whose byte order is the order of the values.
//!
//! ```text
//! marker 01, payload      a value; the payload is inverted for descending columns
//! marker 00 or 02         NULL, below or above every value
//! ```
//! Payloads delimit themselves: they have a fixed length or end in a byte that nothing inside sorts below. Equal
//! values give equal bytes (1.0 and 1.00, 0 and -0); integers of all widths share one form.
use super::datetime::interval_span;
use super::json::Jsonb;
use super::numeric::Numeric;
use super::{Array, Range, Record, Value};

const NULL_FIRST: u8 = 0;
const PRESENT: u8 = 1;
const NULL_LAST: u8 = 2;
/// Ends a list of items, below every marker that begins one.
const END: u8 = 0;

/// Appends the ordered form of one key column: byte order equals value order; self-delimiting, so that columns
/// can follow each other. `descending` inverts the order; `nulls_first` puts NULL below everything.
pub fn encode_key(value: &Value, descending: bool, nulls_first: bool, out: &mut Vec<u8>) {
    if value.is_null() {
        return out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
    }
    out.push(PRESENT);
    let start = out.len();
    push_payload(value, out);
    if descending {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

#[allow(clippy::cast_sign_loss, reason = "the sign bit is what is turned around")]
fn push_i64(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((number as u64) ^ (1 << 63)).to_be_bytes());
}

#[allow(clippy::cast_sign_loss, reason = "the sign bit is what is turned around")]
fn push_i32(number: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&((number as u32) ^ (1 << 31)).to_be_bytes());
}

fn push_payload(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Int2(n) => push_i64(i64::from(*n), out),
        Value::Int4(n) => push_i64(i64::from(*n), out),
        Value::Int8(n) => push_i64(*n, out),
        Value::Oid(n) => push_i64(i64::from(*n), out),
        Value::Text(text) | Value::Json(text) => push_bytes(text.as_bytes(), out),
        Value::Bytea(bytes) => push_bytes(bytes, out),
        Value::Bool(b) => out.push(u8::from(*b)),
        Value::Char(byte) => out.push(*byte),
        Value::Float4(n) => push_float(f64::from(*n), out),
        Value::Float8(n) => push_float(*n, out),
        Value::Numeric(n) => push_numeric(n, out),
        Value::Date(days) => push_i32(*days, out),
        Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) => push_i64(*micros, out),
        Value::TimeTz(micros, zone) => {
            push_i64(micros.saturating_add(i64::from(*zone) * 1_000_000), out);
            push_i32(*zone, out);
        }
        #[allow(clippy::cast_sign_loss, reason = "the sign bit is what is turned around")]
        Value::Interval(interval) => {
            out.extend_from_slice(&((interval_span(*interval) as u128) ^ (1 << 127)).to_be_bytes());
        }
        Value::Uuid(bytes) => out.extend_from_slice(bytes),
        Value::Jsonb(document) => match &**document {
            // An empty array is below every scalar when it is the whole document.
            Jsonb::Array(items) if items.is_empty() => out.push(0),
            document => push_json(document, out),
        },
        Value::Array(array) => push_array(array, out),
        Value::Record(record) => push_record(record, out),
        Value::Tid(block, offset) => {
            out.extend_from_slice(&block.to_be_bytes());
            out.extend_from_slice(&offset.to_be_bytes());
        }
        Value::Enum(label) => push_float(f64::from(label.order), out),
        Value::Range(range) => push_range(range, out),
    }
}

/// Bytes with 00 written as 00 FF, ended by 00 00.
fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[0, 0xFF]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
}

fn push_float(number: f64, out: &mut Vec<u8>) {
    let bits = if number.is_nan() {
        u64::MAX
    } else {
        // Adding 0 makes -0 positive.
        let bits = (number + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    };
    out.extend_from_slice(&bits.to_be_bytes());
}

/// Class, exponent, digits by two plus one, end; exponent and digits inverted below zero.
fn push_numeric(number: &Numeric, out: &mut Vec<u8>) {
    let (class, exponent, digits) = number.canonical();
    out.push(class);
    if class != 1 && class != 3 {
        return;
    }
    let start = out.len();
    push_i32(exponent, out);
    for pair in digits.as_bytes().chunks(2) {
        let high = pair[0] - b'0';
        let low = pair.get(1).map_or(0, |digit| digit - b'0');
        out.push(high * 10 + low + 1);
    }
    out.push(END);
    if class == 1 {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn push_item(item: &Value, out: &mut Vec<u8>) {
    if item.is_null() {
        return out.push(NULL_LAST);
    }
    out.push(PRESENT);
    push_payload(item, out);
}

fn push_array(array: &Array, out: &mut Vec<u8>) {
    array.items.iter().for_each(|item| push_item(item, out));
    out.push(END);
    out.push(u8::try_from(array.dims.len()).unwrap_or(u8::MAX));
    for (length, lower) in &array.dims {
        push_i32(*length, out);
        push_i32(*lower, out);
    }
}

/// Empty below all; an open lower bound below every value, an open upper one above; inclusive or not by which side of the
/// value the bound cuts.
fn push_range(range: &Range, out: &mut Vec<u8>) {
    let Some((lower, upper)) = &range.bounds else { return out.push(0) };
    out.push(1);
    if lower.value.is_null() {
        out.push(0);
    } else {
        out.push(1);
        push_payload(&lower.value, out);
        out.push(u8::from(!lower.inclusive));
    }
    if upper.value.is_null() {
        out.push(2);
    } else {
        out.push(1);
        push_payload(&upper.value, out);
        out.push(u8::from(upper.inclusive));
    }
}

fn push_record(record: &Record, out: &mut Vec<u8>) {
    record.fields.iter().for_each(|(_, _, value)| push_item(value, out));
    out.push(END);
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn push_json(document: &Jsonb, out: &mut Vec<u8>) {
    out.push(document.rank());
    match document {
        Jsonb::Null => {}
        Jsonb::Bool(b) => out.push(u8::from(*b)),
        Jsonb::Number(number) => push_numeric(number, out),
        Jsonb::String(text) => push_bytes(text.as_bytes(), out),
        Jsonb::Array(items) => {
            push_count(items.len(), out);
            items.iter().for_each(|item| push_json(item, out));
        }
        Jsonb::Object(members) => {
            push_count(members.len(), out);
            for (key, value) in members {
                push_bytes(key.as_bytes(), out);
                push_json(value, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DataType, TextStyle, compare, from_text, oid};
    use super::*;

    fn key(value: &Value, descending: bool) -> Vec<u8> {
        let mut out = Vec::new();
        encode_key(value, descending, false, &mut out);
        out
    }

    #[test]
    fn byte_order_is_value_order() {
        for (ty, texts) in [
            (oid::INT4, &["-2147483648", "-1", "0", "1", "2147483647"][..]),
            (
                oid::NUMERIC,
                &[
                    "-inf", "-1e20", "-100", "-10.5", "-10", "-1", "-0.5", "-0.05", "0", "0.00", "0.001", "0.01", "1",
                    "1.00", "1.01", "1.1", "9", "10", "99.9", "100", "1e20", "inf", "NaN",
                ],
            ),
            (oid::FLOAT8, &["-inf", "-1e300", "-1", "-0", "0", "1e-300", "1", "inf", "nan"]),
            (oid::TEXT, &["", "a", "a\u{1}", "aa", "b", "ä"]),
            (oid::BYTEA, &["", "\\x00", "\\x0000", "\\x0001", "\\x01", "\\xff"]),
            (oid::DATE, &["-infinity", "0044-03-15 BC", "1999-01-01", "2023-01-01", "infinity"]),
            (
                oid::INTERVAL,
                &["-1 month", "-1 day", "0", "1 hour", "24 hours", "1 day", "30 days", "1 month", "1 year"],
            ),
            (oid::TIMETZ, &["10:00+05", "10:00+00", "10:00-05"]),
            (1007, &["{}", "{1}", "{1,2}", "{1,NULL}", "{2}", "[2:2]={2}", "{NULL}"]),
            (1009, &["{}", "{\"\"}", "{a}", "{a,b}", "{ab}"]),
            (oid::INT4RANGE, &["empty", "(,1)", "(,)", "[1,2)", "[1,)", "[2,3)"]),
            (oid::NUMRANGE, &["empty", "[1,2)", "[1.0,2.0]", "[1,)", "(1,2)", "(1,2]"]),
            (
                oid::JSONB,
                &[
                    "[]",
                    "null",
                    "\"a\"",
                    "\"ab\"",
                    "1",
                    "1.0",
                    "2",
                    "false",
                    "true",
                    "[1]",
                    "[[]]",
                    "[1,1]",
                    "{}",
                    "{\"a\":1}",
                ],
            ),
        ] {
            let style = TextStyle::default();
            let values: Vec<Value> =
                texts.iter().map(|text| from_text(text, DataType::new(ty), &style).expect(text)).collect();
            for left in &values {
                for right in &values {
                    let expected = compare(left, right);
                    assert_eq!(key(left, false).cmp(&key(right, false)), expected, "{left:?} {right:?}");
                    assert_eq!(key(left, true).cmp(&key(right, true)), expected.reverse(), "{left:?} {right:?}");
                }
                assert!(key(left, false) < key(&Value::Null, false));
            }
        }
    }

    #[test]
    fn columns_follow_each_other() {
        let pair = |left: &str, right: &str| {
            let mut out = key(&Value::text(left), false);
            out.extend(key(&Value::text(right), false));
            out
        };
        assert!(pair("a", "z") < pair("ab", "a"));
        assert!(pair("", "z") < pair("a", ""));
    }
}
