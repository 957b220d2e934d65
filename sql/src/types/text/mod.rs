//! Text forms of values (PG-92, PG-93): this file dispatches, `number` and `bytes` do scalars, `array` the composites.
//!
//! Output goes by the value's representation, since only vectors look different by type; input goes by type.
//! Names in reg* types need the catalog: `TextStyle::names` knows it; without it only numbers (and built-in types' names
//! for regtype) are read.
mod array;
mod bytes;
mod number;

use std::sync::Arc;

use super::datetime::{
    parse_date, parse_interval, parse_time, parse_timestamp, parse_timestamptz, parse_timetz, print_date,
    print_interval, print_time, print_timestamp, print_timestamptz, print_timetz,
};
use super::numeric::Numeric;
use super::{
    DataType, DateStyle, EnumLabel, IntervalStyle, Oid, TimeZone, Value, element_type_of, is_enum, json, network, oid,
    type_info, typmod,
};
use crate::error::{Result, SqlError, SqlState};

pub use array::{parse_array, parse_record};
pub(in crate::types) use number::float_out_of_range;

/// Longest name in bytes.
pub(in crate::types) const NAME_BYTES_MAX: usize = 63;

/// The session settings that text forms depend on.
#[derive(Clone, Debug)]
pub struct TextStyle {
    /// DateStyle.
    pub date_style: DateStyle,
    /// IntervalStyle.
    pub interval_style: IntervalStyle,
    /// TimeZone.
    pub time_zone: TimeZone,
    /// extra_float_digits, -15 to 3; 1 and above: shortest text that reads back exactly.
    pub extra_float_digits: i32,
    /// bytea_output: escape instead of hex.
    pub bytea_escape: bool,
    /// The moment `now`, `today` … mean: the transaction's start in microseconds since 2000-01-01 UTC.
    pub now: i64,
    /// Names of catalog objects, for regclass and its kin; without it they are numbers (PG-82).
    pub names: Option<Arc<dyn ObjectNames>>,
}

/// Names of catalog objects as a session sees them; given by the layer that knows the catalog.
pub trait ObjectNames: Send + Sync + std::fmt::Debug {
    /// The text of an object of a reg type (`ty`: regclass, regtype, regproc, regprocedure, regnamespace, regrole):
    /// quoted and qualified as needed, `-` for 0; none if there is no such object.
    fn name(&self, ty: Oid, object: Oid) -> Option<String>;
    /// The object that a text names. Errors: 42P01, 42704, 42883, 3F000, 42602.
    fn find(&self, ty: Oid, text: &str) -> Result<Oid>;
    /// The label of an enum type with this text. Errors: 22P02 if it has none.
    fn enum_label(&self, ty: Oid, text: &str) -> Result<Arc<EnumLabel>>;
    /// Names and types of a row type's fields; none if it is no row type.
    fn row_fields(&self, ty: Oid) -> Option<Vec<(Arc<str>, DataType)>>;
}

impl Default for TextStyle {
    fn default() -> Self {
        TextStyle {
            date_style: DateStyle::default(),
            interval_style: IntervalStyle::default(),
            time_zone: TimeZone::default(),
            extra_float_digits: 1,
            bytea_escape: false,
            now: 0,
            names: None,
        }
    }
}

/// Appends the text form of a non-NULL value of type `ty`.
pub fn to_text(value: &Value, ty: DataType, style: &TextStyle, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(b) => out.push(if *b { 't' } else { 'f' }),
        Value::Int2(n) => number::push_integer(i64::from(*n), out),
        Value::Int4(n) => number::push_integer(i64::from(*n), out),
        Value::Int8(n) => number::push_integer(*n, out),
        Value::Float4(n) => number::push_f32(*n, style.extra_float_digits, out),
        Value::Float8(n) => number::push_f64(*n, style.extra_float_digits, out),
        Value::Numeric(n) => n.print(out),
        Value::Text(text) | Value::Json(text) => out.push_str(text),
        Value::Bytea(bytes) => bytes::push_bytea(bytes, style.bytea_escape, out),
        Value::Char(byte) => bytes::push_char(*byte, out),
        Value::Date(days) => print_date(*days, style.date_style, out),
        Value::Time(micros) => print_time(*micros, out),
        Value::TimeTz(micros, zone) => print_timetz(*micros, *zone, out),
        Value::Timestamp(micros) => print_timestamp(*micros, style.date_style, out),
        Value::TimestampTz(micros) => print_timestamptz(*micros, style.date_style, &style.time_zone, out),
        Value::Interval(interval) => print_interval(*interval, style.interval_style, out),
        Value::Uuid(bytes) => bytes::push_uuid(bytes, out),
        Value::Oid(0) if is_reg(ty.oid) => out.push('-'),
        Value::Oid(n) if is_reg(ty.oid) => match style.names.as_ref().and_then(|names| names.name(ty.oid, *n)) {
            Some(name) => out.push_str(&name),
            None => number::push_integer(i64::from(*n), out),
        },
        Value::Oid(n) => number::push_integer(i64::from(*n), out),
        Value::Jsonb(document) => document.print(out),
        Value::Array(array) if matches!(ty.oid, oid::INT2VECTOR | oid::OIDVECTOR) => {
            array::push_vector(array, style, out);
        }
        Value::Array(array) => array::push_array(array, style, out),
        Value::Record(record) => array::push_record(record, style, out),
        Value::Tid(block, offset) => {
            out.push('(');
            number::push_integer(i64::from(*block), out);
            out.push(',');
            number::push_integer(i64::from(*offset), out);
            out.push(')');
        }
        Value::Enum(label) => out.push_str(&label.label),
        Value::Range(range) => super::range::push_range(range, style, out),
    }
}

/// 22P02 as every type words it.
pub(in crate::types) fn invalid_syntax(type_name: &str, text: &str) -> SqlError {
    SqlError::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

fn is_reg(ty: u32) -> bool {
    matches!(
        ty,
        oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGCONFIG
            | oid::REGDICTIONARY
            | oid::REGNAMESPACE
            | oid::REGROLE
            | oid::REGCOLLATION
    )
}

/// Reads a value of type `ty` (its modifier not applied: that is an assignment cast; only an interval's fields say
/// here what a bare number counts) from text. A type that is not built in is read as text: enums are their labels.
/// Errors: 22P02 invalid syntax, 22003 out of range, 22007/22008 date and time, 0A000 pseudo-types and money.
pub fn from_text(text: &str, ty: DataType, style: &TextStyle) -> Result<Value> {
    Ok(match ty.oid {
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::UNKNOWN
        | oid::CSTRING
        | oid::XML
        | oid::REFCURSOR
        | oid::ACLITEM
        | oid::PG_NODE_TREE => Value::text(text),
        oid::INT4 => Value::Int4(number::parse_i32(text)?),
        oid::INT8 => Value::Int8(number::parse_i64(text)?),
        oid::INT2 => Value::Int2(number::parse_i16(text)?),
        oid::BOOL => Value::Bool(bytes::parse_bool(text)?),
        oid::FLOAT8 => Value::Float8(number::parse_f64(text)?),
        oid::FLOAT4 => Value::Float4(number::parse_f32(text)?),
        oid::NUMERIC => Value::Numeric(Box::new(Numeric::parse(text)?)),
        oid::NAME => Value::text(cut_name(text)),
        oid::CHAR => Value::Char(bytes::parse_char(text)),
        oid::BYTEA => Value::Bytea(Arc::from(bytes::parse_bytea(text)?)),
        oid::UUID => Value::Uuid(bytes::parse_uuid(text)?),
        oid::DATE => Value::Date(parse_date(text, style)?),
        oid::TIME => Value::Time(parse_time(text, style)?),
        oid::TIMETZ => {
            let (micros, zone) = parse_timetz(text, style)?;
            Value::TimeTz(micros, zone)
        }
        oid::TIMESTAMP => Value::Timestamp(parse_timestamp(text, style)?),
        oid::TIMESTAMPTZ => Value::TimestampTz(parse_timestamptz(text, style)?),
        oid::INTERVAL => {
            let (fields, _) = typmod::interval_fields(ty.typmod);
            Value::Interval(parse_interval(text, style.interval_style, fields)?)
        }
        oid::JSON => {
            json::validate(text)?;
            Value::Json(Arc::from(text))
        }
        oid::JSONB => Value::Jsonb(Arc::new(json::Jsonb::parse(text)?)),
        oid::OID => Value::Oid(number::parse_oid(text, "oid")?),
        oid::XID => Value::Oid(number::parse_oid(text, "xid")?),
        oid::CID => Value::Oid(number::parse_oid(text, "cid")?),
        oid::XID8 => Value::Int8(number::parse_i64(text)?),
        oid::TID => bytes::parse_tid(text)?,
        oid::BIT | oid::VARBIT => Value::text(bytes::parse_bits(text)?),
        oid::INET => Value::from(network::parse_inet(text, false)?.to_string()),
        oid::CIDR => Value::from(network::parse_inet(text, true)?.to_string()),
        oid::MACADDR => Value::from(network::print_mac(network::parse_mac(text)?)),
        oid::PG_LSN => Value::from(bytes::parse_lsn(text)?),
        oid::INT2VECTOR | oid::OIDVECTOR => array::parse_vector(text, ty.oid)?,
        oid::VOID => Value::text(""),
        oid::RECORD => return Err(SqlError::unsupported("input of anonymous composite types")),
        oid::MONEY => return Err(SqlError::unsupported("type money")),
        reg if is_reg(reg) => match &style.names {
            Some(names) => Value::Oid(names.find(reg, text)?),
            None => parse_reg(text, reg)?,
        },
        other => return from_text_other(text, other, ty, style),
    })
}

fn from_text_other(text: &str, oid: u32, ty: DataType, style: &TextStyle) -> Result<Value> {
    if is_enum(oid) {
        let names = style.names.as_ref().ok_or_else(|| SqlError::internal("an enum without a catalog"))?;
        return names.enum_label(oid, text).map(Value::Enum);
    }
    if let Some(element) = super::range_element(oid) {
        return Ok(Value::Range(Arc::new(super::range::parse_range(text, element, style)?)));
    }
    if let Some(element) = element_type_of(oid) {
        let element_type = DataType::with_typmod(element, ty.typmod);
        let array = parse_array(text, element, &mut |item| from_text(item, element_type, style))?;
        return Ok(Value::Array(Arc::new(array)));
    }
    let Some(info) = type_info(oid) else {
        return match style.names.as_ref().and_then(|names| names.row_fields(oid)) {
            Some(fields) => record_from_text(text, &fields, style),
            None => Ok(Value::text(text)),
        };
    };
    Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot accept a value of type {}", info.sql_name)))
}

/// A row as text, field by field.
fn record_from_text(text: &str, fields: &[(Arc<str>, DataType)], style: &TextStyle) -> Result<Value> {
    let malformed = |detail: &str| {
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""))
            .detail(detail)
    };
    let given = parse_record(text)?;
    if given.len() < fields.len() && !(fields.is_empty() && given.len() == 1) {
        return Err(malformed("Too few columns."));
    }
    if given.len() > fields.len() {
        return Err(malformed("Too many columns."));
    }
    let mut made = Vec::with_capacity(fields.len());
    for ((name, ty), given) in fields.iter().zip(given) {
        let value = match given {
            Some(text) => super::apply_typmod(from_text(&text, DataType::new(ty.oid), style)?, *ty, false)?,
            None => Value::Null,
        };
        made.push((name.clone(), *ty, value));
    }
    Ok(Value::Record(Arc::new(super::Record { fields: made })))
}

/// Cuts a name to 63 bytes at a character's border.
fn cut_name(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn parse_reg(text: &str, reg: u32) -> Result<Value> {
    if text == "-" {
        return Ok(Value::Oid(0));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Value::Oid(number::parse_oid(text, "oid")?));
    }
    let missing = |state, what: &str| Err(SqlError::new(state, format!("{what} \"{text}\" does not exist")));
    match reg {
        oid::REGTYPE => {
            let name = text.trim().to_ascii_lowercase();
            let (base, is_array) = name.strip_suffix("[]").map_or((name.as_str(), false), |base| (base, true));
            let base = base.strip_prefix("pg_catalog.").unwrap_or(base);
            match super::sql_type_by_name(base) {
                Some(info) => Ok(Value::Oid(if is_array { info.array } else { info.oid })),
                None => missing(SqlState::UNDEFINED_OBJECT, "type"),
            }
        }
        oid::REGCLASS => missing(SqlState::UNDEFINED_TABLE, "relation"),
        oid::REGNAMESPACE => missing(SqlState::INVALID_SCHEMA_NAME, "schema"),
        oid::REGROLE => missing(SqlState::UNDEFINED_OBJECT, "role"),
        oid::REGPROC | oid::REGPROCEDURE => missing(SqlState::UNDEFINED_FUNCTION, "function"),
        oid::REGOPER | oid::REGOPERATOR => missing(SqlState::UNDEFINED_FUNCTION, "operator"),
        _ => missing(SqlState::UNDEFINED_OBJECT, "object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(oid: u32, text: &str, expected: &str) {
        let ty = DataType::new(oid);
        let style = TextStyle::default();
        let value = from_text(text, ty, &style).expect(text);
        let mut out = String::new();
        to_text(&value, ty, &style, &mut out);
        assert_eq!(out, expected, "{text}");
    }

    fn state(oid: u32, text: &str) -> SqlState {
        from_text(text, DataType::new(oid), &TextStyle::default()).expect_err(text).state()
    }

    // PG-92, PG-93; expected texts are PostgreSQL's.
    #[test]
    fn scalars_read_and_print() {
        check(oid::INT4, " 42 ", "42");
        check(oid::INT4, "-2147483648", "-2147483648");
        check(oid::INT8, "-9223372036854775808", "-9223372036854775808");
        check(oid::INT2, "+7", "7");
        check(oid::BOOL, " YES ", "t");
        check(oid::BOOL, "of", "f");
        check(oid::FLOAT8, "1e15", "1e+15");
        check(oid::FLOAT8, "123456789012345", "123456789012345");
        check(oid::FLOAT8, "0.0001", "0.0001");
        check(oid::FLOAT8, "0.00001", "1e-05");
        check(oid::FLOAT8, "-0", "-0");
        check(oid::FLOAT8, "NaN", "NaN");
        check(oid::FLOAT8, "-inf", "-Infinity");
        check(oid::FLOAT8, "1.7976931348623157e308", "1.7976931348623157e+308");
        check(oid::FLOAT4, "1234567", "1.234567e+06");
        check(oid::FLOAT4, "0.1", "0.1");
        check(oid::FLOAT4, "123456", "123456");
        check(oid::BYTEA, "\\xDEAD beef", "\\xdeadbeef");
        check(oid::BYTEA, "a\\\\b\\001", "\\x615c6201");
        check(oid::UUID, "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        check(oid::CHAR, "abc", "a");
        check(oid::CHAR, "", "");
        check(oid::TID, "(7,3)", "(7,3)");
        check(oid::OID, "-1", "4294967295");
        check(oid::OIDVECTOR, "1 2  3", "1 2 3");
        check(oid::REGTYPE, "integer", "23");
        check(oid::BIT, "B101", "101");
        check(oid::BIT, "xA", "1010");
        check(oid::INET, "192.168.1.5/24", "192.168.1.5/24");
        check(oid::INET, "::1", "::1");
        check(oid::CIDR, "10", "10.0.0.0/8");
        check(oid::MACADDR, "08002b010203", "08:00:2b:01:02:03");
        assert_eq!(state(oid::INT4, "2147483648"), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(state(oid::INT4, "1 2"), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(state(oid::INT4, ""), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(state(oid::INT8, "9223372036854775808"), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(state(oid::FLOAT8, "1e400"), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(state(oid::FLOAT8, "1e-400"), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(state(oid::BOOL, "o"), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(state(oid::UUID, "a0eebc99"), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(state(oid::BYTEA, "\\xabc"), SqlState::INVALID_PARAMETER_VALUE);
        assert_eq!(state(oid::CIDR, "192.168.1.5/24"), SqlState::INVALID_TEXT_REPRESENTATION);
    }

    // PG-92, PG-93
    #[test]
    fn arrays_read_and_print() {
        check(1007, "{1,2,3}", "{1,2,3}");
        check(1007, " { 1 , NULL , 3 } ", "{1,NULL,3}");
        check(1007, "{}", "{}");
        check(1007, "{{1,2},{3,4}}", "{{1,2},{3,4}}");
        check(1007, "[0:1]={5,6}", "[0:1]={5,6}");
        check(1007, "[1:2]={5,6}", "{5,6}");
        check(1007, "[-1:0][2:3]={{1,2},{3,4}}", "[-1:0][2:3]={{1,2},{3,4}}");
        check(
            1009,
            "{a b,\"c,d\",\"\",\"null\",NULL,\"q\\\"\\\\\"}",
            "{\"a b\",\"c,d\",\"\",\"null\",NULL,\"q\\\"\\\\\"}",
        );
        check(1009, "{ x y , z\\ }", "{\"x y\",\"z \"}");
        check(3807, "{\"{\\\"a\\\": 1}\"}", "{\"{\\\"a\\\": 1}\"}");
        check(1182, "{2023-01-02}", "{2023-01-02}");
        for text in
            ["", "{", "{1,2", "1,2", "{1,,2}", "{1}x", "{{1},2}", "{{1,2},{3}}", "[1:3]={1,2}", "{1,}", "[2:1]={}"]
        {
            assert!(from_text(text, DataType::new(1007), &TextStyle::default()).is_err(), "{text}");
        }
        assert_eq!(state(1007, "{{{{{{{1}}}}}}}"), SqlState::PROGRAM_LIMIT_EXCEEDED);
        assert_eq!(state(1007, "{a}"), SqlState::INVALID_TEXT_REPRESENTATION);
    }

    #[test]
    fn malformed_arrays_say_why() {
        for (text, detail) in [
            ("{1,{2}}", "Unexpected \"{\" character."),
            ("{{1},2}", "Unexpected array element."),
            ("{{1,2},{3}}", "Multidimensional arrays must have sub-arrays with matching dimensions."),
            ("{{}}", "Unexpected \"}\" character."),
            ("{a}x", "Junk after closing right brace."),
            ("{1,2", "Unexpected end of input."),
        ] {
            let error = from_text(text, DataType::new(1007), &TextStyle::default()).expect_err(text);
            assert_eq!(error.fields().detail.as_deref(), Some(detail), "{text}");
        }
    }

    // PG-92
    #[test]
    fn records_print_and_cut() {
        use super::super::Record;
        let field = |value| (Arc::from(""), DataType::TEXT, value);
        let fields = vec![
            field(Value::text("a")),
            field(Value::Null),
            field(Value::text("")),
            field(Value::text("x y")),
            field(Value::text("q\"\\")),
        ];
        let mut out = String::new();
        to_text(&Value::Record(Arc::new(Record { fields })), DataType::RECORD, &TextStyle::default(), &mut out);
        assert_eq!(out, "(a,,\"\",\"x y\",\"q\"\"\\\\\")");
        let some = |text: &str| Some(text.to_owned());
        let parsed = parse_record(&out).expect("own output");
        assert_eq!(parsed, [some("a"), None, some(""), some("x y"), some("q\"\\")]);
        assert!(parse_record("(a").is_err());
        assert!(parse_record("a,b").is_err());
    }

    // PG-92
    #[test]
    fn styles_are_followed() {
        let style = TextStyle { extra_float_digits: 0, bytea_escape: true, ..TextStyle::default() };
        let mut out = String::new();
        to_text(&Value::Float8(0.1 + 0.2), DataType::FLOAT8, &style, &mut out);
        out.push(' ');
        to_text(&Value::Float8(1e20), DataType::FLOAT8, &style, &mut out);
        out.push(' ');
        to_text(&Value::Bytea(Arc::from(&b"a\\\x01"[..])), DataType::BYTEA, &style, &mut out);
        assert_eq!(out, "0.3 1e+20 a\\\\\\001");
    }
}
