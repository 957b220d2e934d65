//! The stored form of a row (heap versions, log records, checkpoints).
//!
//! A stored row says itself what it holds, so the log can be read without a catalog:
//!
//! ```text
//! row      u16 column count, then per column a tag byte and its payload
//! numbers  fixed width, little-endian           text, bytea, json   varint length, bytes
//! numeric  varint length, kind, scale, digits   jsonb, array, record   u32 length, content
//! ```
//! The tags and payloads are a stored format: add tags, never change one. Ordered index keys are `key`'s.
use std::sync::Arc;

use num_bigint::BigInt;

use super::json::{Jsonb, NESTING_MAX};
use super::numeric::Numeric;
use super::{Array, Bound, DataType, EnumLabel, Interval, Range, Record, Row, Value};
use crate::error::{Result, SqlError, SqlState};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT2: u8 = 3;
const INT4: u8 = 4;
const INT8: u8 = 5;
const FLOAT4: u8 = 6;
const FLOAT8: u8 = 7;
const NUMERIC: u8 = 8;
const TEXT: u8 = 9;
const BYTEA: u8 = 10;
const CHAR: u8 = 11;
const DATE: u8 = 12;
const TIME: u8 = 13;
const TIMETZ: u8 = 14;
const TIMESTAMP: u8 = 15;
const TIMESTAMPTZ: u8 = 16;
const INTERVAL: u8 = 17;
const UUID: u8 = 18;
const OID: u8 = 19;
const JSON: u8 = 20;
const JSONB: u8 = 21;
const ARRAY: u8 = 22;
const RECORD: u8 = 23;
const TID: u8 = 24;
const ENUM: u8 = 25;
const RANGE: u8 = 26;

/// Appends the stored form of a row.
pub fn encode_row(row: &[Value], out: &mut Vec<u8>) {
    // A table has at most 1600 columns; what lies beyond the count's range is not stored.
    let count = u16::try_from(row.len()).unwrap_or(u16::MAX);
    out.reserve(2 + row.len() * 9);
    out.extend_from_slice(&count.to_le_bytes());
    for value in row.iter().take(usize::from(count)) {
        push_value(value, out);
    }
}

/// Number of columns of a stored row.
#[must_use]
pub fn row_column_count(bytes: &[u8]) -> usize {
    match bytes {
        [low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    }
}

/// Reads a whole stored row. Errors: XX001 if the bytes are not one.
pub fn decode_row(bytes: &[u8]) -> Result<Row> {
    let mut reader = Reader { bytes };
    let count = usize::from(reader.u16()?);
    let mut row = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        row.push(reader.value(0)?);
    }
    Ok(row)
}

/// Reads one column of a stored row; NULL past its end. Errors: XX001.
pub fn decode_column(bytes: &[u8], column: usize) -> Result<Value> {
    let mut reader = Reader { bytes };
    if column >= usize::from(reader.u16()?) {
        return Ok(Value::Null);
    }
    for _ in 0..column {
        reader.skip()?;
    }
    reader.value(0)
}

fn push_varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7F) as u8);
}

fn push_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    push_varint(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// A tag, a u32 length and what `content` appends.
fn push_sized(tag: u8, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    content(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Value::Int2(n) => push_fixed(INT2, &n.to_le_bytes(), out),
        Value::Int4(n) => push_fixed(INT4, &n.to_le_bytes(), out),
        Value::Int8(n) => push_fixed(INT8, &n.to_le_bytes(), out),
        Value::Float4(n) => push_fixed(FLOAT4, &n.to_le_bytes(), out),
        Value::Float8(n) => push_fixed(FLOAT8, &n.to_le_bytes(), out),
        Value::Numeric(n) => {
            out.push(NUMERIC);
            push_numeric(n, out);
        }
        Value::Text(text) => push_bytes(TEXT, text.as_bytes(), out),
        Value::Bytea(bytes) => push_bytes(BYTEA, bytes, out),
        Value::Char(byte) => push_fixed(CHAR, &[*byte], out),
        Value::Date(n) => push_fixed(DATE, &n.to_le_bytes(), out),
        Value::Time(n) => push_fixed(TIME, &n.to_le_bytes(), out),
        Value::TimeTz(n, zone) => {
            push_fixed(TIMETZ, &n.to_le_bytes(), out);
            out.extend_from_slice(&zone.to_le_bytes());
        }
        Value::Timestamp(n) => push_fixed(TIMESTAMP, &n.to_le_bytes(), out),
        Value::TimestampTz(n) => push_fixed(TIMESTAMPTZ, &n.to_le_bytes(), out),
        Value::Interval(interval) => {
            push_fixed(INTERVAL, &interval.micros.to_le_bytes(), out);
            out.extend_from_slice(&interval.days.to_le_bytes());
            out.extend_from_slice(&interval.months.to_le_bytes());
        }
        Value::Uuid(bytes) => push_fixed(UUID, bytes, out),
        Value::Oid(n) => push_fixed(OID, &n.to_le_bytes(), out),
        Value::Json(text) => push_bytes(JSON, text.as_bytes(), out),
        Value::Jsonb(document) => push_sized(JSONB, out, |out| push_json(document, out)),
        Value::Array(array) => push_sized(ARRAY, out, |out| push_array(array, out)),
        Value::Record(record) => push_sized(RECORD, out, |out| push_record(record, out)),
        Value::Tid(block, offset) => {
            push_fixed(TID, &block.to_le_bytes(), out);
            out.extend_from_slice(&offset.to_le_bytes());
        }
        Value::Enum(label) => {
            push_fixed(ENUM, &label.order.to_le_bytes(), out);
            push_varint(label.label.len(), out);
            out.extend_from_slice(label.label.as_bytes());
        }
        Value::Range(range) => push_sized(RANGE, out, |out| push_range(range, out)),
    }
}

fn push_fixed(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

/// Varint length, then a kind (0 finite, 1 NaN, 2 infinity, 3 -infinity); of a finite value the scale as u16 and the
/// digits as a signed little-endian number.
fn push_numeric(number: &Numeric, out: &mut Vec<u8>) {
    let kind = match number {
        Numeric::Finite(decimal) => {
            let (digits, scale) = decimal.as_bigint_and_scale();
            let digits = digits.to_signed_bytes_le();
            push_varint(3 + digits.len(), out);
            out.push(0);
            out.extend_from_slice(&u16::try_from(scale).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(&digits);
            return;
        }
        Numeric::NaN => 1,
        Numeric::Infinity => 2,
        Numeric::NegativeInfinity => 3,
    };
    out.extend_from_slice(&[1, kind]);
}

fn push_json(document: &Jsonb, out: &mut Vec<u8>) {
    match document {
        Jsonb::Null => out.push(0),
        Jsonb::Bool(false) => out.push(1),
        Jsonb::Bool(true) => out.push(2),
        Jsonb::Number(number) => {
            out.push(3);
            push_numeric(number, out);
        }
        Jsonb::String(text) => push_bytes(4, text.as_bytes(), out),
        Jsonb::Array(items) => {
            out.push(5);
            push_varint(items.len(), out);
            items.iter().for_each(|item| push_json(item, out));
        }
        Jsonb::Object(members) => {
            out.push(6);
            push_varint(members.len(), out);
            for (key, value) in members {
                push_varint(key.len(), out);
                out.extend_from_slice(key.as_bytes());
                push_json(value, out);
            }
        }
    }
}

fn push_array(array: &Array, out: &mut Vec<u8>) {
    out.extend_from_slice(&array.element.to_le_bytes());
    out.push(u8::try_from(array.dims.len()).unwrap_or(u8::MAX));
    for (length, lower) in &array.dims {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&lower.to_le_bytes());
    }
    push_varint(array.items.len(), out);
    array.items.iter().for_each(|item| push_value(item, out));
}

/// Element type, then flags (1 not empty, 2 and 4 lower and upper bound inclusive) and both bounds' values.
fn push_range(range: &Range, out: &mut Vec<u8>) {
    out.extend_from_slice(&range.element.to_le_bytes());
    let Some((lower, upper)) = &range.bounds else { return out.push(0) };
    out.push(1 | u8::from(lower.inclusive) << 1 | u8::from(upper.inclusive) << 2);
    push_value(&lower.value, out);
    push_value(&upper.value, out);
}

fn push_record(record: &Record, out: &mut Vec<u8>) {
    push_varint(record.fields.len(), out);
    for (name, ty, value) in &record.fields {
        push_varint(name.len(), out);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&ty.oid.to_le_bytes());
        out.extend_from_slice(&ty.typmod.to_le_bytes());
        push_value(value, out);
    }
}

fn corrupted(what: &str) -> SqlError {
    SqlError::new(SqlState::DATA_CORRUPTED, format!("stored row is damaged: {what}"))
}

/// What is left to read.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| corrupted("it ends early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| corrupted("it ends early"))?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn varint(&mut self) -> Result<usize> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let mut number = usize::from(first & 0x7F);
        for shift in (7..usize::BITS - 7).step_by(7) {
            let byte = self.u8()?;
            number |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(corrupted("a length has too many bytes"))
    }

    fn sized(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    fn str(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.sized()?).map_err(|_| corrupted("a text is not UTF-8"))
    }

    fn nested(&mut self) -> Result<Reader<'a>> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.take(length).map(|bytes| Reader { bytes })
    }

    /// Passes over one value.
    fn skip(&mut self) -> Result<()> {
        let width = match self.u8()? {
            NULL | FALSE | TRUE => 0,
            CHAR => 1,
            INT2 => 2,
            INT4 | FLOAT4 | DATE | OID => 4,
            TID => 6,
            INT8 | FLOAT8 | TIME | TIMESTAMP | TIMESTAMPTZ => 8,
            TIMETZ => 12,
            INTERVAL | UUID => 16,
            NUMERIC | TEXT | BYTEA | JSON => self.varint()?,
            ENUM => {
                self.take(4)?;
                self.varint()?
            }
            JSONB | ARRAY | RECORD | RANGE => usize::try_from(self.u32()?).unwrap_or(usize::MAX),
            _ => return Err(corrupted("unknown tag")),
        };
        self.take(width).map(|_| ())
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        Ok(match self.u8()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT2 => Value::Int2(i16::from_le_bytes(self.array()?)),
            INT4 => Value::Int4(self.i32()?),
            INT8 => Value::Int8(self.i64()?),
            FLOAT4 => Value::Float4(f32::from_le_bytes(self.array()?)),
            FLOAT8 => Value::Float8(f64::from_le_bytes(self.array()?)),
            NUMERIC => Value::Numeric(Box::new(self.numeric()?)),
            TEXT => Value::Text(Arc::from(self.str()?)),
            BYTEA => Value::Bytea(Arc::from(self.sized()?)),
            CHAR => Value::Char(self.u8()?),
            DATE => Value::Date(self.i32()?),
            TIME => Value::Time(self.i64()?),
            TIMETZ => Value::TimeTz(self.i64()?, self.i32()?),
            TIMESTAMP => Value::Timestamp(self.i64()?),
            TIMESTAMPTZ => Value::TimestampTz(self.i64()?),
            INTERVAL => Value::Interval(Interval { micros: self.i64()?, days: self.i32()?, months: self.i32()? }),
            UUID => Value::Uuid(self.array()?),
            OID => Value::Oid(self.u32()?),
            JSON => Value::Json(Arc::from(self.str()?)),
            JSONB => Value::Jsonb(Arc::new(self.nested()?.json(0)?)),
            ARRAY => Value::Array(Arc::new(self.nested()?.array_value(depth)?)),
            RECORD => Value::Record(Arc::new(self.nested()?.record(depth)?)),
            TID => Value::Tid(self.u32()?, self.u16()?),
            ENUM => {
                let order = f32::from_le_bytes(self.array()?);
                Value::Enum(Arc::new(EnumLabel { order, label: Arc::from(self.str()?) }))
            }
            RANGE => Value::Range(Arc::new(self.nested()?.range(depth)?)),
            _ => return Err(corrupted("unknown tag")),
        })
    }

    fn range(&mut self, depth: usize) -> Result<Range> {
        if depth > NESTING_MAX {
            return Err(corrupted("values are nested too deeply"));
        }
        let (element, flags) = (self.u32()?, self.u8()?);
        if flags & 1 == 0 {
            return Ok(Range::empty(element));
        }
        let lower = Bound { value: self.value(depth + 1)?, inclusive: flags & 2 != 0 };
        let upper = Bound { value: self.value(depth + 1)?, inclusive: flags & 4 != 0 };
        Ok(Range { element, bounds: Some((lower, upper)) })
    }

    fn numeric(&mut self) -> Result<Numeric> {
        match self.sized()? {
            [0, low, high, digits @ ..] => {
                let scale = i64::from(u16::from_le_bytes([*low, *high]));
                Numeric::from_digits(BigInt::from_signed_bytes_le(digits), scale)
                    .map_err(|_| corrupted("a number is too large"))
            }
            [1] => Ok(Numeric::NaN),
            [2] => Ok(Numeric::Infinity),
            [3] => Ok(Numeric::NegativeInfinity),
            _ => Err(corrupted("a number has an unknown kind")),
        }
    }

    /// A count of things of at least one byte each.
    fn count(&mut self) -> Result<usize> {
        let count = self.varint()?;
        if count > self.bytes.len() { Err(corrupted("a count is too large")) } else { Ok(count) }
    }

    fn json(&mut self, depth: usize) -> Result<Jsonb> {
        if depth > NESTING_MAX * 2 {
            return Err(corrupted("a document is nested too deeply"));
        }
        Ok(match self.u8()? {
            0 => Jsonb::Null,
            1 => Jsonb::Bool(false),
            2 => Jsonb::Bool(true),
            3 => Jsonb::Number(self.numeric()?),
            4 => Jsonb::String(Arc::from(self.str()?)),
            5 => {
                let count = self.count()?;
                Jsonb::Array((0..count).map(|_| self.json(depth + 1)).collect::<Result<_>>()?)
            }
            6 => {
                let count = self.count()?;
                let members = (0..count).map(|_| Ok((Arc::from(self.str()?), self.json(depth + 1)?)));
                Jsonb::Object(members.collect::<Result<_>>()?)
            }
            _ => return Err(corrupted("unknown tag in a document")),
        })
    }

    fn array_value(&mut self, depth: usize) -> Result<Array> {
        if depth > NESTING_MAX {
            return Err(corrupted("values are nested too deeply"));
        }
        let element = self.u32()?;
        let dims = self.u8()?;
        let dims = (0..dims).map(|_| Ok((self.i32()?, self.i32()?))).collect::<Result<Vec<_>>>()?;
        let count = self.count()?;
        let items = (0..count).map(|_| self.value(depth + 1)).collect::<Result<Vec<_>>>()?;
        Ok(Array { element, dims, items })
    }

    fn record(&mut self, depth: usize) -> Result<Record> {
        if depth > NESTING_MAX {
            return Err(corrupted("values are nested too deeply"));
        }
        let count = self.count()?;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            let name = Arc::from(self.str()?);
            let ty = DataType { oid: self.u32()?, typmod: self.i32()? };
            fields.push((name, ty, self.value(depth + 1)?));
        }
        Ok(Record { fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Row {
        let numeric = |text: &str| Value::Numeric(Box::new(Numeric::parse(text).expect(text)));
        let field = (Arc::from("f"), DataType::with_typmod(1043, 14), Value::text("x"));
        vec![
            Value::Null,
            Value::Bool(true),
            Value::Int2(-2),
            Value::Int4(i32::MIN),
            Value::Int8(i64::MAX),
            Value::Float4(1.5),
            Value::Float8(-0.0),
            numeric("-12345678901234567890123.4500"),
            numeric("NaN"),
            Value::text("ä".repeat(100)),
            Value::Bytea(Arc::from(&[0u8, 255][..])),
            Value::Char(200),
            Value::Date(-5),
            Value::Time(1),
            Value::TimeTz(1, -3600),
            Value::Timestamp(i64::MIN),
            Value::TimestampTz(7),
            Value::Interval(Interval { micros: -1, days: 2, months: -3 }),
            Value::Uuid([7; 16]),
            Value::Oid(u32::MAX),
            Value::Json(Arc::from("{ }")),
            Value::Jsonb(Arc::new(Jsonb::parse("{\"a\":[1,null,true,\"x\",{}]}").expect("valid"))),
            Value::Array(Arc::new(Array { element: 23, dims: vec![(2, 0)], items: vec![Value::Int4(1), Value::Null] })),
            Value::Record(Arc::new(Record { fields: vec![field] })),
            Value::Tid(9, 8),
            Value::Enum(Arc::new(EnumLabel { order: 1.5, label: Arc::from("ok") })),
            Value::Range(Arc::new(Range {
                element: 23,
                bounds: Some((
                    Bound { value: Value::Int4(1), inclusive: true },
                    Bound { value: Value::Null, inclusive: false },
                )),
            })),
            Value::Range(Arc::new(Range::empty(1082))),
            Value::Int4(7),
        ]
    }

    #[test]
    fn rows_come_back() {
        let row = every_kind();
        let mut bytes = Vec::new();
        encode_row(&row, &mut bytes);
        assert_eq!(row_column_count(&bytes), row.len());
        assert_eq!(decode_row(&bytes).expect("own output"), row);
        for (column, value) in row.iter().enumerate() {
            assert_eq!(&decode_column(&bytes, column).expect("own output"), value);
        }
        assert_eq!(decode_column(&bytes, row.len()).ok(), Some(Value::Null));
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let mut bytes = Vec::new();
        encode_row(&every_kind(), &mut bytes);
        for end in 0..bytes.len() {
            let error = decode_row(&bytes[..end]).expect_err("cut short");
            assert_eq!(error.state(), SqlState::DATA_CORRUPTED);
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let _ = decode_row(&damaged);
                for column in 0..29 {
                    let _ = decode_column(&damaged, column);
                }
            }
        }
    }
}
