//! `Value`, `Row` and the composite values.

use std::sync::Arc;

use super::datatype::Oid;
use super::json::Jsonb;
use super::numeric::Numeric;
use super::range::Range;

/// One value of a column or expression, without its type. 24 bytes; cloning never copies text.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// SQL NULL, of any type.
    #[default]
    Null,
    /// bool
    Bool(bool),
    /// int2
    Int2(i16),
    /// int4
    Int4(i32),
    /// int8
    Int8(i64),
    /// float4
    Float4(f32),
    /// float8
    Float8(f64),
    /// numeric
    Numeric(Box<Numeric>),
    /// text, varchar, bpchar (padded to its length), name, unknown, cstring, xml …
    Text(Arc<str>),
    /// bytea
    Bytea(Arc<[u8]>),
    /// "char": one byte, 0 for the empty string
    Char(u8),
    /// date: days since 2000-01-01; `i32::MIN` and `i32::MAX` are -infinity and infinity
    Date(i32),
    /// time: microseconds since midnight, 0 to 86,400,000,000
    Time(i64),
    /// timetz: microseconds since midnight, and the zone's seconds WEST of UTC
    TimeTz(i64, i32),
    /// timestamp: microseconds since 2000-01-01 00:00; `i64::MIN` and `i64::MAX` are the infinities
    Timestamp(i64),
    /// timestamptz: microseconds since 2000-01-01 00:00 UTC; `i64::MIN` and `i64::MAX` are the infinities
    TimestampTz(i64),
    /// interval
    Interval(Interval),
    /// uuid
    Uuid([u8; 16]),
    /// oid, regclass, regtype, regproc, regprocedure, regnamespace, regrole, xid, cid
    Oid(u32),
    /// json: the text as given
    Json(Arc<str>),
    /// jsonb
    Jsonb(Arc<Jsonb>),
    /// any array, int2vector, oidvector
    Array(Arc<Array>),
    /// record and composite types
    Record(Arc<Record>),
    /// tid: block and offset
    Tid(u32, u16),
    /// A value of an enum type
    Enum(Arc<EnumLabel>),
    /// A value of a range type
    Range(Arc<Range>),
}

/// A label of an enum type with its place among the labels: it compares by the place alone, and says itself what it
/// prints, so neither needs the catalog. Labels of a type have different places that never change.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumLabel {
    /// pg_enum.enumsortorder.
    pub order: f32,
    /// The label.
    pub label: Arc<str>,
}

/// An interval: three parts that do not convert into each other by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Microseconds, may exceed a day.
    pub micros: i64,
    /// Days, may exceed a month.
    pub days: i32,
    /// Months.
    pub months: i32,
}

/// An array of any dimension. `dims` is empty for the empty array; else one (length, lower bound) per dimension,
/// and `items` holds their product in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Type of the items.
    pub element: Oid,
    /// Length and lower bound of each dimension.
    pub dims: Vec<(i32, i32)>,
    /// The items; NULL items are `Value::Null`.
    pub items: Vec<Value>,
}

impl Array {
    /// A one-dimensional array with lower bound 1; no items gives the empty array.
    #[must_use]
    pub fn one_dimensional(element: Oid, items: Vec<Value>) -> Array {
        let dims =
            if items.is_empty() { Vec::new() } else { vec![(i32::try_from(items.len()).unwrap_or(i32::MAX), 1)] };
        Array { element, dims, items }
    }
}

/// A record: each field with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Name, type and value of each field; names may be empty (ROW(…)).
    pub fields: Vec<(Arc<str>, super::datatype::DataType, Value)>,
}

/// The values of one row, in column order. A stored table row has one value for every column ever added that is not
/// dropped, in the order of `TableDef::columns`.
pub type Row = Vec<Value>;

impl Value {
    /// A text value.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    /// About how many bytes it holds on the heap, beside its own place; parts that values share count for each.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytea(bytes) => bytes.len(),
            Value::Numeric(number) => number.heap_bytes(),
            Value::Jsonb(json) => json.heap_bytes(),
            Value::Array(array) => array.items.iter().map(|item| size_of::<Value>() + item.heap_bytes()).sum(),
            Value::Record(record) => {
                record.fields.iter().map(|(_, _, value)| size_of::<Value>() + value.heap_bytes()).sum()
            }
            Value::Enum(label) => label.label.len(),
            Value::Range(range) => range.heap_bytes(),
            _ => 0,
        }
    }

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The integer of an int2, int4, int8 or oid value; `None` for NULL and everything else.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int2(n) => Some(i64::from(*n)),
            Value::Int4(n) => Some(i64::from(*n)),
            Value::Int8(n) => Some(*n),
            Value::Oid(n) => Some(i64::from(*n)),
            _ => None,
        }
    }

    /// The text of a text-like value; `None` for NULL and everything else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Json(text) => Some(text),
            Value::Enum(label) => Some(&label.label),
            _ => None,
        }
    }

    /// The bool of a bool value; `None` for NULL and everything else.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The number of a float or integer value as a double; `None` for NULL and everything else.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float8(n) => Some(*n),
            Value::Float4(n) => Some(f64::from(*n)),
            #[allow(clippy::cast_precision_loss, reason = "the caller asks for a double")]
            other => other.as_i64().map(|n| n as f64),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int4(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int8(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float8(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::text(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(Arc::from(value))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Jsonb, oid};

    #[test]
    fn what_a_value_holds_is_counted_to_the_bottom() {
        let long = Value::text("x".repeat(1000));
        assert_eq!(Value::Int8(7).heap_bytes(), 0);
        assert_eq!(long.heap_bytes(), 1000);
        let place = size_of::<Value>();
        let array = Value::Array(Arc::new(Array::one_dimensional(oid::TEXT, vec![long.clone(), Value::Null])));
        assert_eq!(array.heap_bytes(), 2 * place + 1000);
        let record = Record { fields: vec![("a".into(), super::super::DataType::TEXT, array)] };
        assert_eq!(Value::Record(Arc::new(record)).heap_bytes(), 3 * place + 1000);
        let json = Jsonb::parse(&format!("{{\"k\": [\"{}\", 1]}}", "y".repeat(500))).unwrap();
        assert!((501..700).contains(&Value::Jsonb(Arc::new(json)).heap_bytes()));
        let digits = Value::Numeric(Box::new(Numeric::parse(&"7".repeat(2000)).unwrap()));
        assert!((800..900).contains(&digits.heap_bytes()));
    }
}
