//! Binary forms of values (PG-91).
use std::net::IpAddr;
use std::sync::Arc;

use num_bigint::{BigInt, Sign};

use super::json::Jsonb;
use super::network::{Inet, parse_inet, parse_mac, print_mac};
use super::numeric::{Numeric, pow10};
use super::{
    Array, Bound, DataType, Interval, Range, Record, TextStyle, Value, element_type_of, from_text, is_enum, json, oid,
    range_element, type_info,
};
use crate::error::{Result, SqlError, SqlState};

const NUMERIC_POSITIVE: u16 = 0x0000;
const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xC000;
const NUMERIC_INFINITY: u16 = 0xD000;
const NUMERIC_NEGATIVE_INFINITY: u16 = 0xF000;
/// Display scale that PostgreSQL sends with an infinity.
const INFINITE_SCALE: u16 = 0x20;
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 3;
const RANGE_EMPTY: u8 = 0x01;
const RANGE_LOWER_INCLUSIVE: u8 = 0x02;
const RANGE_UPPER_INCLUSIVE: u8 = 0x04;
const RANGE_LOWER_OPEN: u8 = 0x08;
const RANGE_UPPER_OPEN: u8 = 0x10;
/// Deepest nesting of arrays and records within each other.
const DEPTH_MAX: usize = 100;

/// Appends the binary form of a non-NULL value of type `ty`. Errors: 42883 if the type has none.
pub fn to_binary(value: &Value, ty: DataType, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => {}
        Value::Bool(b) => out.push(u8::from(*b)),
        Value::Int2(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Int4(n) | Value::Date(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Int8(n) | Value::Time(n) | Value::Timestamp(n) | Value::TimestampTz(n) => {
            out.extend_from_slice(&n.to_be_bytes());
        }
        Value::Float4(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Float8(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Numeric(n) => push_numeric(n, out),
        Value::Text(text) => push_text(text, ty, out)?,
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytea(bytes) => out.extend_from_slice(bytes),
        Value::Char(byte) => out.push(*byte),
        Value::TimeTz(micros, zone) => {
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&zone.to_be_bytes());
        }
        Value::Interval(interval) => {
            out.extend_from_slice(&interval.micros.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        Value::Uuid(bytes) => out.extend_from_slice(bytes),
        Value::Oid(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Jsonb(document) => {
            let mut text = String::new();
            document.print(&mut text);
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(array) => push_array(array, out)?,
        Value::Record(record) => push_record(record, out)?,
        Value::Tid(block, offset) => {
            out.extend_from_slice(&block.to_be_bytes());
            out.extend_from_slice(&offset.to_be_bytes());
        }
        Value::Enum(label) => out.extend_from_slice(label.label.as_bytes()),
        Value::Range(range) => push_range(range, out)?,
    }
    Ok(())
}

/// Types whose values are text: most are sent as such, a few have forms of their own.
fn push_text(text: &str, ty: DataType, out: &mut Vec<u8>) -> Result<()> {
    match ty.oid {
        oid::ACLITEM => {
            return Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                "no binary output function available for type aclitem",
            ));
        }
        oid::VOID => {}
        oid::BIT | oid::VARBIT => {
            out.extend_from_slice(&length_i32(text.len()).to_be_bytes());
            for chunk in text.as_bytes().chunks(8) {
                let byte = chunk.iter().enumerate().fold(
                    0u8,
                    |byte, (index, bit)| {
                        if *bit == b'1' { byte | 0x80 >> index } else { byte }
                    },
                );
                out.push(byte);
            }
        }
        oid::INET | oid::CIDR => {
            let inet = parse_inet(text, ty.oid == oid::CIDR)?;
            let is_cidr = u8::from(inet.is_cidr);
            match inet.address {
                IpAddr::V4(v4) => {
                    out.extend_from_slice(&[FAMILY_IPV4, inet.bits, is_cidr, 4]);
                    out.extend_from_slice(&v4.octets());
                }
                IpAddr::V6(v6) => {
                    out.extend_from_slice(&[FAMILY_IPV6, inet.bits, is_cidr, 16]);
                    out.extend_from_slice(&v6.octets());
                }
            }
        }
        oid::MACADDR => out.extend_from_slice(&parse_mac(text)?),
        oid::PG_LSN => {
            let (high, low) = text.split_once('/').unwrap_or(("0", text));
            for half in [high, low] {
                out.extend_from_slice(&u32::from_str_radix(half, 16).unwrap_or(0).to_be_bytes());
            }
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

fn length_i32(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Base-10000 digits: count, weight of the first, sign, display scale, digits.
fn push_numeric(number: &Numeric, out: &mut Vec<u8>) {
    let mut header = |count: i16, weight: i16, sign: u16, scale: u16| {
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&scale.to_be_bytes());
    };
    let decimal = match number {
        Numeric::Finite(decimal) => decimal,
        Numeric::NaN => return header(0, 0, NUMERIC_NAN, 0),
        Numeric::Infinity => return header(0, 0, NUMERIC_INFINITY, INFINITE_SCALE),
        Numeric::NegativeInfinity => return header(0, 0, NUMERIC_NEGATIVE_INFINITY, INFINITE_SCALE),
    };
    let (digits, scale) = decimal.as_bigint_and_scale();
    let scale = u16::try_from(scale).unwrap_or(0);
    // Groups of four stand left and right of the point.
    let text = digits.magnitude().to_string();
    let fraction_pad = (4 - usize::from(scale) % 4) % 4;
    let mut padded = text.into_bytes();
    padded.extend(std::iter::repeat_n(b'0', fraction_pad));
    let lead = (4 - padded.len() % 4) % 4;
    padded.splice(0..0, std::iter::repeat_n(b'0', lead));
    let groups: Vec<i16> =
        padded.chunks(4).map(|group| group.iter().fold(0i16, |n, b| n * 10 + i16::from(b - b'0'))).collect();
    let fraction_groups = i64::from(scale).div_euclid(4) + i64::from(scale % 4 != 0);
    let leading_zeros = groups.iter().take_while(|group| **group == 0).count();
    let trailing_zeros = groups.iter().rev().take_while(|group| **group == 0).count();
    if leading_zeros == groups.len() {
        return header(0, 0, NUMERIC_POSITIVE, scale);
    }
    let weight = i64::try_from(groups.len() - leading_zeros).unwrap_or(0) - fraction_groups - 1;
    let kept = &groups[leading_zeros..groups.len() - trailing_zeros];
    let sign = if digits.sign() == Sign::Minus { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE };
    header(i16::try_from(kept.len()).unwrap_or(i16::MAX), i16::try_from(weight).unwrap_or(0), sign, scale);
    kept.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

/// A length and the value, -1 for NULL.
fn push_item(value: &Value, ty: DataType, out: &mut Vec<u8>) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    to_binary(value, ty, out)?;
    let length = length_i32(out.len() - at - 4);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn push_array(array: &Array, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&length_i32(array.dims.len()).to_be_bytes());
    let has_nulls = array.items.iter().any(Value::is_null);
    out.extend_from_slice(&i32::from(has_nulls).to_be_bytes());
    out.extend_from_slice(&array.element.to_be_bytes());
    for (length, lower) in &array.dims {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&lower.to_be_bytes());
    }
    array.items.iter().try_for_each(|item| push_item(item, DataType::new(array.element), out))
}

/// Flags (1 empty, 2 and 4 bounds inclusive, 8 and 16 bounds open), then each bound that has a value.
fn push_range(range: &Range, out: &mut Vec<u8>) -> Result<()> {
    let Some((lower, upper)) = &range.bounds else {
        out.push(RANGE_EMPTY);
        return Ok(());
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(lower.inclusive, RANGE_LOWER_INCLUSIVE)
            | flag(upper.inclusive, RANGE_UPPER_INCLUSIVE)
            | flag(lower.value.is_null(), RANGE_LOWER_OPEN)
            | flag(upper.value.is_null(), RANGE_UPPER_OPEN),
    );
    let element = DataType::new(range.element);
    [lower, upper]
        .into_iter()
        .filter(|bound| !bound.value.is_null())
        .try_for_each(|bound| push_item(&bound.value, element, out))
}

fn push_record(record: &Record, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&length_i32(record.fields.len()).to_be_bytes());
    for (_, ty, value) in &record.fields {
        out.extend_from_slice(&ty.oid.to_be_bytes());
        push_item(value, *ty, out)?;
    }
    Ok(())
}

/// The value ends before its type's form does: for PostgreSQL an error of the message, not of the form.
fn short() -> SqlError {
    SqlError::new(SqlState::PROTOCOL_VIOLATION, "insufficient data left in message")
}

fn invalid(what: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_BINARY_REPRESENTATION, what)
}

/// Reads a value of type `ty` from its binary form; what the catalog knows of enums and row types comes through
/// `style.names`.
/// Errors: 08P01 too short, 22P03 too long or wrong content, 22021 not UTF-8, 42883 if the type has none, 22008 out of range.
pub fn from_binary(bytes: &[u8], ty: DataType, style: &TextStyle) -> Result<Value> {
    let mut reader = Reader { bytes, style };
    let value = read_value(&mut reader, ty, 0)?;
    if reader.bytes.is_empty() { Ok(value) } else { Err(invalid("incorrect binary data format")) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    style: &'a TextStyle,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(short)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    fn text(&mut self) -> Result<&'a str> {
        utf8(self.rest())
    }
}

/// Bytes as text.
///
/// # Errors
/// 22021 naming the first bytes that are not UTF-8, or a NUL.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let from = &bytes[error.valid_up_to()..];
        bad_utf8(&from[..from.len().min(error.error_len().unwrap_or(from.len()).max(expected_len(from[0])).min(4))])
    })?;
    if bytes.contains(&0) { Err(bad_utf8(&[0])) } else { Ok(text) }
}

/// Length that the first byte of a UTF-8 sequence announces; 1 if it announces none.
fn expected_len(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    }
}

fn bad_utf8(bytes: &[u8]) -> SqlError {
    let shown: Vec<String> = bytes.iter().map(|b| format!("0x{b:02x}")).collect();
    SqlError::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    )
}

fn read_value(reader: &mut Reader<'_>, ty: DataType, depth: usize) -> Result<Value> {
    Ok(match ty.oid {
        oid::BOOL => Value::Bool(reader.array::<1>()? != [0]),
        oid::INT2 => Value::Int2(reader.i16()?),
        oid::INT4 => Value::Int4(reader.i32()?),
        oid::INT8 | oid::XID8 => Value::Int8(reader.i64()?),
        oid::FLOAT4 => Value::Float4(f32::from_be_bytes(reader.array()?)),
        oid::FLOAT8 => Value::Float8(f64::from_be_bytes(reader.array()?)),
        oid::NUMERIC => Value::Numeric(Box::new(read_numeric(reader)?)),
        oid::BYTEA => Value::Bytea(Arc::from(reader.rest())),
        oid::CHAR => Value::Char(reader.array::<1>()?[0]),
        oid::DATE => Value::Date(read_date(reader)?),
        oid::TIME => Value::Time(read_time(reader)?),
        oid::TIMETZ => Value::TimeTz(read_time(reader)?, reader.i32()?),
        oid::TIMESTAMP => Value::Timestamp(read_timestamp(reader)?),
        oid::TIMESTAMPTZ => Value::TimestampTz(read_timestamp(reader)?),
        oid::INTERVAL => {
            Value::Interval(Interval { micros: reader.i64()?, days: reader.i32()?, months: reader.i32()? })
        }
        oid::UUID => Value::Uuid(reader.array()?),
        oid::JSON => {
            let text = reader.text()?;
            json::validate(text)?;
            Value::Json(Arc::from(text))
        }
        oid::JSONB => match reader.array::<1>()? {
            [1] => Value::Jsonb(Arc::new(Jsonb::parse(reader.text()?)?)),
            [version] => {
                return Err(SqlError::new(
                    SqlState::INTERNAL_ERROR,
                    format!("unsupported jsonb version number {version}"),
                ));
            }
        },
        oid::TID => Value::Tid(reader.u32()?, reader.u16()?),
        oid::BIT | oid::VARBIT => Value::from(read_bits(reader)?),
        oid::INET | oid::CIDR => Value::from(read_inet(reader, ty.oid == oid::CIDR)?),
        oid::MACADDR => Value::from(print_mac(reader.array()?)),
        oid::PG_LSN => Value::from(format!("{:X}/{:X}", reader.u32()?, reader.u32()?)),
        oid::VOID => Value::text(""),
        oid::RECORD => Value::Record(Arc::new(read_record(reader, depth)?)),
        oid::ACLITEM | oid::MONEY => {
            let name = type_info(ty.oid).map_or("???", |info| info.sql_name);
            return Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("no binary input function available for type {name}"),
            ));
        }
        other if range_element(other).is_some() => {
            Value::Range(Arc::new(read_range(reader, range_element(other).unwrap_or(other), depth)?))
        }
        other if element_type_of(other).is_some() => Value::Array(Arc::new(read_array(reader, other, depth)?)),
        oid::OID | oid::XID | oid::CID => Value::Oid(reader.u32()?),
        other => match type_info(other) {
            Some(info) if info.name.starts_with("reg") => Value::Oid(reader.u32()?),
            Some(info) if info.kind == b'b' && !matches!(other, oid::NAME) => Value::text(reader.text()?),
            None if !is_enum(other) => match reader.style.names.as_ref().and_then(|names| names.row_fields(other)) {
                Some(fields) => Value::Record(Arc::new(named_record(read_record(reader, depth)?, fields)?)),
                None => Value::text(reader.text()?),
            },
            // Names are cut, pseudo-types refused, labels looked up, by the text form's rules.
            _ => from_text(reader.text()?, ty, reader.style)?,
        },
    })
}

fn out_of_range(what: &str) -> SqlError {
    SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{what} out of range"))
}

fn read_date(reader: &mut Reader<'_>) -> Result<i32> {
    let date = reader.i32()?;
    let infinite = date == i32::MIN || date == i32::MAX;
    if infinite || super::datetime::date_in_range(i64::from(date)) { Ok(date) } else { Err(out_of_range("date")) }
}

fn read_time(reader: &mut Reader<'_>) -> Result<i64> {
    let micros = reader.i64()?;
    if (0..=super::datetime::MICROS_PER_DAY).contains(&micros) { Ok(micros) } else { Err(out_of_range("time")) }
}

fn read_timestamp(reader: &mut Reader<'_>) -> Result<i64> {
    match reader.i64()? {
        infinite @ (i64::MIN | i64::MAX) => Ok(infinite),
        micros => super::datetime::timestamp_from_parts(0, micros),
    }
}

fn read_numeric(reader: &mut Reader<'_>) -> Result<Numeric> {
    let count = usize::try_from(reader.i16()?).map_err(|_| invalid("invalid length in external \"numeric\" value"))?;
    let weight = i64::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = reader.u16()?;
    let negative = match sign {
        NUMERIC_POSITIVE => false,
        NUMERIC_NEGATIVE => true,
        NUMERIC_NAN => return Ok(Numeric::NaN),
        NUMERIC_INFINITY => return Ok(Numeric::Infinity),
        NUMERIC_NEGATIVE_INFINITY => return Ok(Numeric::NegativeInfinity),
        _ => return Err(invalid("invalid sign in external \"numeric\" value")),
    };
    if scale > 0x3FFF {
        return Err(invalid("invalid scale in external \"numeric\" value"));
    }
    let mut text = Vec::with_capacity(count * 4 + 1);
    for _ in 0..count {
        let group = reader.i16()?;
        if !(0..10_000).contains(&group) {
            return Err(invalid("invalid digit in external \"numeric\" value"));
        }
        text.extend_from_slice(format!("{group:04}").as_bytes());
    }
    let mut digits = BigInt::parse_bytes(&text, 10).unwrap_or_default();
    if negative {
        digits = -digits;
    }
    // The last group stands at this power of ten; digits beyond the scale are cut.
    let exponent = (weight + 1 - i64::try_from(count).unwrap_or(0)) * 4;
    let shift = exponent + i64::from(scale);
    let digits = if shift >= 0 { digits * pow10(shift.unsigned_abs()) } else { digits / pow10(shift.unsigned_abs()) };
    Numeric::from_digits(digits, i64::from(scale))
}

fn read_bits(reader: &mut Reader<'_>) -> Result<String> {
    let length = usize::try_from(reader.i32()?).map_err(|_| invalid("invalid length in external bit string"))?;
    let bytes = reader.take(length.div_ceil(8))?;
    let bit = |index: usize| if bytes[index / 8] & (0x80 >> (index % 8)) == 0 { '0' } else { '1' };
    Ok((0..length).map(bit).collect())
}

fn read_inet(reader: &mut Reader<'_>, is_cidr: bool) -> Result<String> {
    let [family, bits, _, length] = reader.array::<4>()?;
    let (address, width) = match (family, length) {
        (FAMILY_IPV4, 4) => (IpAddr::from(reader.array::<4>()?), 32),
        (FAMILY_IPV6, 16) => (IpAddr::from(reader.array::<16>()?), 128),
        _ => return Err(invalid("invalid address family or length in external \"inet\" value")),
    };
    let inet = Inet { address, bits, is_cidr };
    if bits > width || (is_cidr && inet.has_host_bits()) {
        return Err(invalid("invalid bits in external \"inet\" value"));
    }
    Ok(inet.to_string())
}

/// One item with its length before it.
fn read_item(reader: &mut Reader<'_>, ty: DataType, depth: usize) -> Result<Value> {
    let length = reader.i32()?;
    if length == -1 {
        return Ok(Value::Null);
    }
    let length = usize::try_from(length).map_err(|_| invalid("insufficient data left in message"))?;
    let mut item = Reader { bytes: reader.take(length)?, style: reader.style };
    let value = read_value(&mut item, ty, depth + 1)?;
    if item.bytes.is_empty() { Ok(value) } else { Err(invalid("improper binary format in array element")) }
}

fn read_range(reader: &mut Reader<'_>, element: u32, depth: usize) -> Result<Range> {
    check_depth(depth)?;
    let [flags] = reader.array::<1>()?;
    if flags & RANGE_EMPTY != 0 {
        return Ok(Range::empty(element));
    }
    let mut bound = |open: u8, inclusive: u8| {
        let value = if flags & open != 0 { Value::Null } else { read_item(reader, DataType::new(element), depth)? };
        Ok(Bound { value, inclusive: flags & inclusive != 0 })
    };
    let lower = bound(RANGE_LOWER_OPEN, RANGE_LOWER_INCLUSIVE)?;
    let upper = bound(RANGE_UPPER_OPEN, RANGE_UPPER_INCLUSIVE)?;
    Range::new(element, lower, upper)
}

fn check_depth(depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
    }
    Ok(())
}

fn read_array(reader: &mut Reader<'_>, array_type: u32, depth: usize) -> Result<Array> {
    check_depth(depth)?;
    let dims = reader.i32()?;
    if !(0..=6).contains(&dims) {
        return Err(SqlError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("number of array dimensions ({dims}) exceeds the maximum allowed (6)"),
        ));
    }
    if !matches!(reader.i32()?, 0 | 1) {
        return Err(invalid("invalid array flags"));
    }
    let element = reader.u32()?;
    let expected = element_type_of(array_type).unwrap_or(element);
    if element != expected {
        return Err(SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "binary data has array element type {element} ({}) instead of expected {expected} ({})",
                name(element),
                name(expected)
            ),
        ));
    }
    let dims = (0..dims).map(|_| Ok((reader.i32()?, reader.i32()?))).collect::<Result<Vec<_>>>()?;
    let mut count = usize::from(!dims.is_empty());
    for (length, lower) in &dims {
        let length = usize::try_from(*length).map_err(|_| invalid("invalid array dimension"))?;
        count = count.checked_mul(length).ok_or_else(|| invalid("invalid array dimension"))?;
        if lower.checked_add(i32::try_from(length).unwrap_or(i32::MAX)).is_none() {
            return Err(invalid("invalid array dimension"));
        }
    }
    // Every item has a length of four bytes.
    if count > reader.bytes.len() / 4 {
        return Err(invalid("insufficient data left in message"));
    }
    let is_vector = matches!(array_type, oid::INT2VECTOR | oid::OIDVECTOR);
    let items = (0..count).map(|_| read_item(reader, DataType::new(element), depth)).collect::<Result<Vec<_>>>()?;
    Ok(Array { element, dims: if items.is_empty() && !is_vector { Vec::new() } else { dims }, items })
}

fn name(ty: u32) -> String {
    super::format_type(DataType::new(ty))
}

/// A record of a row type: as many fields as the type has, of its types.
fn named_record(record: Record, fields: Vec<(Arc<str>, DataType)>) -> Result<Record> {
    let mismatch = |text: String| SqlError::new(SqlState::DATATYPE_MISMATCH, text);
    if record.fields.len() != fields.len() {
        let (given, expected) = (record.fields.len(), fields.len());
        return Err(mismatch(format!("wrong number of columns: {given}, expected {expected}")));
    }
    let mut made = Vec::with_capacity(fields.len());
    for (place, ((_, given, value), (name, ty))) in record.fields.into_iter().zip(fields).enumerate() {
        if given.oid != ty.oid {
            let place = place + 1;
            return Err(mismatch(format!(
                "binary data has type {} instead of expected {} in record column {place}",
                given.oid, ty.oid
            )));
        }
        made.push((name, ty, super::apply_typmod(value, ty, false)?));
    }
    Ok(Record { fields: made })
}

fn read_record(reader: &mut Reader<'_>, depth: usize) -> Result<Record> {
    check_depth(depth)?;
    let count = usize::try_from(reader.i32()?).map_err(|_| invalid("wrong number of columns"))?;
    if count > reader.bytes.len() / 8 {
        return Err(invalid("insufficient data left in message"));
    }
    let mut fields = Vec::with_capacity(count);
    for index in 1..=count {
        let ty = DataType::new(reader.u32()?);
        fields.push((Arc::from(format!("f{index}")), ty, read_item(reader, ty, depth)?));
    }
    Ok(Record { fields })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::to_text;

    fn hex(oid: u32, text: &str) -> String {
        let ty = DataType::new(oid);
        let style = TextStyle::default();
        let value = from_text(text, ty, &style).expect(text);
        let mut bytes = Vec::new();
        to_binary(&value, ty, &mut bytes).expect(text);
        let back = from_binary(&bytes, ty, &style).expect(text);
        let (mut first, mut second) = (String::new(), String::new());
        to_text(&value, ty, &style, &mut first);
        to_text(&back, ty, &style, &mut second);
        assert_eq!(first, second);
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    // PG-91; expected bytes are what PostgreSQL's send functions give.
    #[test]
    fn bytes_are_postgresqls() {
        for (oid, text, expected) in [
            (oid::INT4, "-2", "fffffffe"),
            (oid::BOOL, "t", "01"),
            (oid::NUMERIC, "12345.678", "0003000100000003000109291a7c"),
            (oid::NUMERIC, "12345.6780", "0003000100000004000109291a7c"),
            (oid::NUMERIC, "0.00", "0000000000000002"),
            (oid::NUMERIC, "-10000", "00010001400000000001"),
            (oid::NUMERIC, "0.00001", "0001fffe00000005 03e8"),
            (oid::NUMERIC, "NaN", "00000000c0000000"),
            (oid::NUMERIC, "-inf", "00000000f0000020"),
            (oid::DATE, "2000-01-02", "00000001"),
            (oid::TIMESTAMPTZ, "2000-01-01 00:00:01+00", "00000000000f4240"),
            (oid::TIMETZ, "00:00:01+01", "00000000000f4240fffff1f0"),
            (oid::INTERVAL, "1 mon 2 days 3 us", "00000000000000030000000200000001"),
            (oid::JSONB, "[1]", "015b315d"),
            (oid::CHAR, "a", "61"),
            (oid::BIT, "101", "00000003a0"),
            (oid::INET, "10.0.0.1/8", "020800040a000001"),
            (oid::CIDR, "10.0.0.0/8", "020801040a000000"),
            (oid::MACADDR, "08:00:2b:01:02:03", "08002b010203"),
            (oid::OIDVECTOR, "7", "00000001000000000000001a00000001000000000000000400000007"),
            (1007, "{1,NULL}", "00000001000000010000001700000002000000010000000400000001ffffffff"),
            (1007, "{}", "000000000000000000000017"),
            (1009, "{a}", "00000001000000000000001900000001000000010000000161"),
        ] {
            assert_eq!(hex(oid, text), expected.replace(' ', ""), "{text}");
        }
    }

    #[test]
    fn wrong_bytes_are_refused() {
        let state = |bytes: &[u8], oid| {
            from_binary(bytes, DataType::new(oid), &TextStyle::default()).expect_err("wrong").state()
        };
        assert_eq!(state(&[1, 2], oid::INT4), SqlState::PROTOCOL_VIOLATION);
        assert_eq!(state(&[0; 5], oid::INT4), SqlState::INVALID_BINARY_REPRESENTATION);
        assert_eq!(state(&[0xFF], oid::TEXT), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        assert_eq!(state(&[0], oid::TEXT), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        assert_eq!(state(&[0, 1, 0, 0, 0x12, 0x34, 0, 0, 0, 1], oid::NUMERIC), SqlState::INVALID_BINARY_REPRESENTATION);
        assert!(
            from_binary(
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7F, 0, 0, 0, 0, 0, 0, 1],
                DataType::new(1007),
                &TextStyle::default()
            )
            .is_err()
        );
        let mut out = Vec::new();
        let error = to_binary(&Value::text("a"), DataType::ACLITEM, &mut out).expect_err("no form");
        assert_eq!(error.state(), SqlState::UNDEFINED_FUNCTION);
    }
}
