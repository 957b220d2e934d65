//! What a script computes with: SQL values and collections; AMI's arithmetic, comparison, casts and text forms
//! (AMI-25 to AMI-33, AMI-68), which differ from SQL's. Whole types are int2, int4, int8; `BigInteger` and `BigDecimal`
//! are numeric; UTC is timestamptz.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use parking_lot::Mutex;
use tripline_sql::catalog::{TypeDef, TypeKind};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{CastContext, DataType, Numeric, TextStyle, Value, cast, compare, from_text, oid, to_text};

use super::ast::{Arith, Compare, Type};
use super::collection::{self, Items, Keyed};

/// Microseconds from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// So many parts of a collection are looked at to write or compare it: one may hold itself, or another many times over.
const PARTS_MAX: u32 = 1 << 20;
/// Bytes of a collection's text at most.
const TEXT_MAX: usize = 64 << 20;

/// Counts the parts looked at. Errors: 54000, too many or too deep.
pub(crate) struct Parts(u32);

impl Parts {
    pub(crate) fn new() -> Parts {
        Parts(PARTS_MAX)
    }

    /// One more, this deep, of a text that is so long by now.
    pub(crate) fn take(&mut self, depth: u32, written: usize) -> Result<()> {
        match self.0.checked_sub(1).filter(|_| depth <= DEPTH_MAX && written <= TEXT_MAX) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "collection is nested too deeply or is too large")
                    .detail(format!(
                        "A text of it would have over {DEPTH_MAX} levels, {PARTS_MAX} parts or {TEXT_MAX} bytes."
                    )))
            }
        }
    }
}

/// Levels of a collection that are written or compared.
const DEPTH_MAX: u32 = 32;

/// A value of a script. Collections are shared by reference, as in AMI.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    /// A SQL value.
    S(Value),
    /// A list.
    List(Arc<Mutex<Items>>),
    /// A set, in insertion order.
    Set(Arc<Mutex<Keyed>>),
    /// A map, in insertion order.
    Map(Arc<Mutex<Keyed>>),
    /// Rows of a query.
    Table(Arc<Rows>),
    /// A row map (AMI-113): read-only, printed in square brackets.
    Row(Arc<Vec<(Arc<str>, Value)>>),
}

/// Rows of a query with their column names.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Names.
    pub(crate) columns: Vec<Arc<str>>,
    /// Their types, where the engine said.
    pub(crate) types: Vec<DataType>,
    /// Rows.
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Val {
    pub(crate) const NULL: Val = Val::S(Value::Null);

    pub(crate) fn bool(b: bool) -> Val {
        Val::S(Value::Bool(b))
    }

    pub(crate) fn int(n: usize) -> Val {
        Val::S(Value::Int4(i32::try_from(n).unwrap_or(i32::MAX)))
    }

    pub(crate) fn text(text: impl AsRef<str>) -> Val {
        Val::S(Value::text(text))
    }

    pub(crate) fn list(items: Vec<Val>) -> Val {
        Val::List(Arc::new(Mutex::new(Items(items))))
    }

    /// A set of values that may be equal.
    pub(crate) fn set(items: impl IntoIterator<Item = Val>) -> Val {
        let set = Mutex::new(Keyed::default());
        for item in items {
            collection::add(&set, item);
        }
        Val::Set(Arc::new(set))
    }

    /// A map of keys that are known to be different.
    pub(crate) fn map(pairs: impl IntoIterator<Item = (Val, Val)>) -> Val {
        Val::Map(Arc::new(Mutex::new(Keyed::of(pairs))))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Val::S(Value::Null))
    }

    /// Truth where a boolean is needed: null and everything that is not true count as false (AMI-27).
    pub(crate) fn truth(&self) -> bool {
        match self {
            Val::S(Value::Bool(b)) => *b,
            Val::S(Value::Text(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// The SQL value; a collection becomes its text. Errors: 54000, as `to_string`.
    pub(crate) fn into_sql(self) -> Result<Value> {
        match self {
            Val::S(value) => Ok(value),
            other => Ok(Value::text(to_string(&other)?)),
        }
    }
}

/// Widening order of the numeric types; none for what is not a number.
fn rank(value: &Value) -> Option<u8> {
    Some(match value {
        Value::Int2(_) => 1,
        Value::Int4(_) => 2,
        Value::Int8(_) | Value::TimestampTz(_) => 3,
        Value::Float4(_) => 5,
        Value::Float8(_) => 6,
        Value::Numeric(_) => 7,
        _ => return None,
    })
}

fn as_i64(value: &Value) -> Option<i64> {
    match value {
        Value::TimestampTz(micros) => Some(millis(*micros)),
        other => other.as_i64(),
    }
}

pub(crate) fn as_f64(value: &Value) -> Option<f64> {
    match value {
        Value::Numeric(number) => Some(match &**number {
            Numeric::Finite(n) => n.to_f64().unwrap_or(f64::NAN),
            Numeric::NaN => f64::NAN,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
        }),
        #[allow(clippy::cast_precision_loss, reason = "AMI's UTC as a floating number")]
        Value::TimestampTz(micros) => Some(millis(*micros) as f64),
        other => other.as_f64(),
    }
}

pub(crate) fn as_decimal(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Numeric(number) => match &**number {
            Numeric::Finite(n) => Some(n.clone()),
            _ => None,
        },
        // The shortest digits, not the exact binary expansion.
        Value::Float8(n) => n.to_string().parse().ok(),
        Value::Float4(n) => n.to_string().parse().ok(),
        other => as_i64(other).map(BigDecimal::from),
    }
}

/// Milliseconds since 1970 of a timestamptz.
pub(crate) fn millis(micros: i64) -> i64 {
    micros.saturating_add(EPOCH_MICROS).div_euclid(1000)
}

/// Microseconds since 2000 of a date (its midnight) or a time of a day, those without a zone read as UTC; none for other
/// values. A date that no timestamp reaches is below infinity and above all of them.
pub(crate) fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(micros) | Value::TimestampTz(micros) => Some(*micros),
        Value::Date(i32::MAX) => Some(i64::MAX),
        Value::Date(i32::MIN) => Some(i64::MIN),
        Value::Date(days) => Some(i64::from(*days).saturating_mul(86_400_000_000).clamp(i64::MIN + 1, i64::MAX - 1)),
        _ => None,
    }
}

fn out_of_range(what: &str) -> SqlError {
    SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} out of range"))
}

macro_rules! whole {
    ($op:expr, $a:expr, $b:expr, $variant:ident, $name:literal) => {{
        let (a, b) = ($a, $b);
        let out = match $op {
            Arith::Add => a.checked_add(b),
            Arith::Sub => a.checked_sub(b),
            Arith::Mul => a.checked_mul(b),
            Arith::Div | Arith::Mod if b == 0 => return Ok(Value::Null),
            Arith::Div => a.checked_div(b),
            Arith::Mod => Some(a.checked_rem(b).unwrap_or(0)),
            Arith::And => Some(a & b),
            Arith::Or => Some(a | b),
            Arith::Xor => Some(a ^ b),
            Arith::Shl | Arith::Shr | Arith::Ushr => {
                return shift($op, i64::from(a), i64::from(b), stringify!($variant));
            }
        };
        match out {
            Some(n) => Ok(Value::$variant(n)),
            None => Err(out_of_range($name)),
        }
    }};
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "shifts wrap as in AMI"
)]
fn shift(op: Arith, a: i64, by: i64, variant: &str) -> Result<Value> {
    if variant == "Int8" {
        let by = (by & 63) as u32;
        return Ok(Value::Int8(match op {
            Arith::Shl => a << by,
            Arith::Shr => a >> by,
            _ => ((a as u64) >> by) as i64,
        }));
    }
    let (a, by) = (a as i32, (by & 31) as u32);
    Ok(Value::Int4(match op {
        Arith::Shl => a << by,
        Arith::Shr => a >> by,
        _ => ((a as u32) >> by) as i32,
    }))
}

fn floating(op: Arith, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
        Arith::Mod => a % b,
        _ => return None,
    })
}

/// Arithmetic (AMI-26, AMI-29, AMI-30): `+` with a string concatenates.
/// Errors: 22003 whole overflow, 42804 operands that are no numbers.
pub(crate) fn arith(op: Arith, a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::Float8(a), Value::Float8(b)) => {
            if let Some(n) = floating(op, *a, *b) {
                return Ok(Value::Float8(n));
            }
        }
        (Value::Int4(a), Value::Int4(b)) => return whole!(op, *a, *b, Int4, "integer"),
        (Value::Int8(a), Value::Int8(b)) => return whole!(op, *a, *b, Int8, "long"),
        (Value::Float8(a), Value::Int4(b)) => {
            if let Some(n) = floating(op, *a, f64::from(*b)) {
                return Ok(Value::Float8(n));
            }
        }
        (Value::Int4(a), Value::Float8(b)) => {
            if let Some(n) = floating(op, f64::from(*a), *b) {
                return Ok(Value::Float8(n));
            }
        }
        _ => {}
    }
    if op == Arith::Add && (matches!(a, Value::Text(_)) || matches!(b, Value::Text(_))) {
        return Ok(Value::Text(Arc::from(concat(a, b))));
    }
    if let (Value::Bool(a), Value::Bool(b)) = (a, b) {
        match op {
            Arith::And => return Ok(Value::Bool(*a & *b)),
            Arith::Or => return Ok(Value::Bool(*a | *b)),
            Arith::Xor => return Ok(Value::Bool(*a ^ *b)),
            _ => {}
        }
    }
    if a.is_null() || b.is_null() {
        return Ok(Value::Null);
    }
    let (Some(left), Some(right)) = (rank(a), rank(b)) else {
        return Err(SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "operator does not work on {} and {}",
                class_name(&Val::S(a.clone())),
                class_name(&Val::S(b.clone()))
            ),
        ));
    };
    let bits = !matches!(op, Arith::Add | Arith::Sub | Arith::Mul | Arith::Div | Arith::Mod);
    if bits && left.max(right) > 3 {
        return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "bit operators need whole numbers"));
    }
    match left.max(right) {
        1 => match (a, b) {
            (Value::Int2(a), Value::Int2(b)) => whole!(op, *a, *b, Int2, "short"),
            _ => Ok(Value::Null),
        },
        2 => {
            let narrow = |v: &Value| as_i64(v).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
            whole!(op, narrow(a), narrow(b), Int4, "integer")
        }
        3 => whole!(op, as_i64(a).unwrap_or(0), as_i64(b).unwrap_or(0), Int8, "long"),
        5 => {
            let n = floating(op, as_f64(a).unwrap_or(0.0), as_f64(b).unwrap_or(0.0)).unwrap_or(f64::NAN);
            #[allow(clippy::cast_possible_truncation, reason = "both operands are Float")]
            Ok(Value::Float4(n as f32))
        }
        6 => Ok(Value::Float8(floating(op, as_f64(a).unwrap_or(0.0), as_f64(b).unwrap_or(0.0)).unwrap_or(f64::NAN))),
        _ => decimal(op, a, b),
    }
}

fn decimal(op: Arith, a: &Value, b: &Value) -> Result<Value> {
    let (Some(x), Some(y)) = (as_decimal(a), as_decimal(b)) else {
        let n = floating(op, as_f64(a).unwrap_or(f64::NAN), as_f64(b).unwrap_or(f64::NAN)).unwrap_or(f64::NAN);
        return Ok(Value::Float8(n));
    };
    let out = match op {
        Arith::Add => x + y,
        Arith::Sub => x - y,
        Arith::Mul => x * y,
        _ if y.is_zero() => return Ok(Value::Null),
        Arith::Div => x / y,
        _ => x % y,
    };
    if out.digits() > 10_000 || !is_numeric(&out) {
        return Err(out_of_range("number"));
    }
    Ok(Value::Numeric(Box::new(Numeric::Finite(if out.fractional_digit_count() < 0 {
        out.with_scale(0)
    } else {
        out
    }))))
}

/// Division of whole numbers of any size: truncated (AMI-29), null by zero (AMI-30).
pub(crate) fn divide_whole(a: &Value, b: &Value) -> Result<Value> {
    Ok(match arith(Arith::Div, a, b)? {
        Value::Numeric(n) => match *n {
            Numeric::Finite(n) => Value::Numeric(Box::new(Numeric::Finite(n.with_scale(0)))),
            other => Value::Numeric(Box::new(other)),
        },
        other => other,
    })
}

/// `-x`; null stays null.
pub(crate) fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Float8(n) => Ok(Value::Float8(-n)),
        Value::Float4(n) => Ok(Value::Float4(-n)),
        Value::Int2(_) => arith(Arith::Sub, &Value::Int2(0), value),
        Value::Null => Ok(Value::Null),
        other => arith(Arith::Sub, &Value::Int4(0), other),
    }
}

/// Texts one after the other; null is nothing (AMI-26).
pub(crate) fn concat(a: &Value, b: &Value) -> String {
    let mut out = String::new();
    for value in [a, b] {
        if !value.is_null() {
            write_value(value, &mut out);
        }
    }
    out
}

/// Compares after casting to a common type (AMI-31); none when there is none or a NaN takes part.
pub(crate) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int4(a), Value::Int4(b)) => return Some(a.cmp(b)),
        (Value::Float8(a), Value::Float8(b)) => return a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => return Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Null, _) | (_, Value::Null) => return None,
        _ => {}
    }
    if let (Some(a), Some(b)) = (instant(a), instant(b)) {
        return Some(a.cmp(&b));
    }
    match (rank(a), rank(b)) {
        (Some(left), Some(right)) => {
            if left.max(right) <= 3 {
                return Some(as_i64(a)?.cmp(&as_i64(b)?));
            }
            if let (7, Some(x), Some(y)) = (left.max(right), as_decimal(a), as_decimal(b)) {
                return Some(x.cmp(&y));
            }
            as_f64(a)?.partial_cmp(&as_f64(b)?)
        }
        (Some(_), None) => match b {
            Value::Text(text) => order(a, &number_from_text(text)?),
            _ => None,
        },
        (None, Some(_)) => match a {
            Value::Text(text) => order(&number_from_text(text)?, b),
            _ => None,
        },
        (None, None) => match (a, b) {
            // Labels of two enums are texts to each other.
            (Value::Enum(a), Value::Enum(b)) if a.label == b.label => Some(Ordering::Equal),
            (Value::Enum(a), Value::Enum(b)) => Some(a.order.total_cmp(&b.order).then_with(|| a.label.cmp(&b.label))),
            (Value::Bool(a), Value::Text(b)) => Some(text_of(&Value::Bool(*a)).as_str().cmp(&**b)),
            (Value::Text(a), Value::Bool(b)) => Some((**a).cmp(text_of(&Value::Bool(*b)).as_str())),
            (Value::Text(a), other) => Some((**a).cmp(text_of(other).as_str())),
            (other, Value::Text(b)) => Some(text_of(other).as_str().cmp(b)),
            _ if std::mem::discriminant(a) == std::mem::discriminant(b) => Some(compare(a, b)),
            _ => None,
        },
    }
}

/// A total order for sorting: numbers by value, texts by code point, other values by type, then collections as they
/// come, nulls at the end.
pub(crate) fn sort_order(a: &Val, b: &Val) -> Ordering {
    let (Val::S(a), Val::S(b)) = (a, b) else {
        let class = |value: &Val| match value {
            Val::S(Value::Null) => 2,
            Val::S(_) => 0,
            _ => 1,
        };
        return class(a).cmp(&class(b));
    };
    let class = |value: &Value| match value {
        Value::Null => (3, 0),
        Value::Text(_) => (1, 0),
        other if rank(other).is_some() => (0, 0),
        other => (2, type_of(other).oid),
    };
    class(a).cmp(&class(b)).then_with(|| match class(a).0 {
        0 => {
            // Neighbours that one floating number stands for are told apart within their kind only: so the order is total.
            let floating = |value: &Value| as_f64(value).map_or(0.0, |n| if n.is_nan() { f64::NAN } else { n + 0.0 });
            let kind = |value: &Value| rank(value).map_or(0, |rank| rank / 4 + rank / 7);
            let exact = || match (as_i64(a), as_i64(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => as_decimal(a).cmp(&as_decimal(b)),
            };
            floating(a).total_cmp(&floating(b)).then_with(|| kind(a).cmp(&kind(b))).then_with(exact)
        }
        3 => Ordering::Equal,
        _ => compare(a, b),
    })
}

/// `==` (AMI-25): null equals null.
pub(crate) fn equals(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::S(a), Val::S(b)) => (a.is_null() && b.is_null()) || order(a, b) == Some(Ordering::Equal),
        (Val::S(_), _) | (_, Val::S(_)) => false,
        _ => equals_at(a, b, 0, &mut Parts::new()),
    }
}

/// Collections too deep or too large to be compared are not equal.
fn equals_at(a: &Val, b: &Val, depth: u32, parts: &mut Parts) -> bool {
    if parts.take(depth, 0).is_err() {
        return false;
    }
    match (a, b) {
        (Val::S(a), Val::S(b)) => (a.is_null() && b.is_null()) || order(a, b) == Some(Ordering::Equal),
        (Val::List(x), Val::List(y)) => Arc::ptr_eq(x, y) || each_equals(a, b, depth, parts),
        (Val::Set(x), Val::Set(y)) => Arc::ptr_eq(x, y) || each_equals(a, b, depth, parts),
        (Val::Map(a), Val::Map(b)) => {
            Arc::ptr_eq(a, b) || {
                let pairs = a.lock().pairs();
                // Neither is locked while what they hold is compared: it may be one of them.
                let mut equal = |key: &Val, item: &Val| match key {
                    Val::S(key) => {
                        let found = b.lock().all(key);
                        found.iter().any(|other| equals_at(item, other, depth + 1, parts))
                    }
                    key => b.lock().pairs().iter().any(|(other, value)| {
                        equals_at(key, other, depth + 1, parts) && equals_at(item, value, depth + 1, parts)
                    }),
                };
                pairs.len() == b.lock().len() && pairs.iter().all(|(key, item)| equal(key, item))
            }
        }
        (Val::Row(a), Val::Row(b)) => a == b,
        (Val::Table(a), Val::Table(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// Lists and sets: value by value.
fn each_equals(a: &Val, b: &Val, depth: u32, parts: &mut Parts) -> bool {
    let (a, b) = (super::builtins::items(a), super::builtins::items(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| equals_at(a, b, depth + 1, parts))
}

/// A comparison of scripts: `==`, `!=` meet null, the others are false with it (AMI-27).
pub(crate) fn compares(op: Compare, a: &Val, b: &Val) -> bool {
    let ordering = |test: fn(Ordering) -> bool| match (a, b) {
        (Val::S(a), Val::S(b)) => order(a, b).is_some_and(test),
        _ => false,
    };
    match op {
        Compare::Eq => equals(a, b),
        Compare::Ne => !equals(a, b),
        Compare::Lt => ordering(Ordering::is_lt),
        Compare::Le => ordering(Ordering::is_le),
        Compare::Gt => ordering(Ordering::is_gt),
        Compare::Ge => ordering(Ordering::is_ge),
        Compare::Match | Compare::NotMatch | Compare::Like => false,
    }
}

pub(crate) fn number_from_text(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(n) = text.parse::<i64>() {
        return Some(Value::Int8(n));
    }
    text.parse::<f64>().ok().map(Value::Float8)
}

/// Casts to a type as an assignment or `(type)` does: what is impossible gives null (AMI-32).
pub(crate) fn convert(ty: Type, value: Val) -> Val {
    let value = match (ty, value) {
        (Type::Object, value) => return value,
        (Type::List, value @ Val::List(_))
        | (Type::Set, value @ Val::Set(_))
        | (Type::Map, value @ (Val::Map(_) | Val::Row(_)))
        | (Type::Table, value @ Val::Table(_)) => return value,
        (_, Val::S(value)) => value,
        (Type::String, other) => return to_string(&other).map_or(Val::NULL, Val::text),
        _ => return Val::NULL,
    };
    Val::S(convert_value(ty, value))
}

/// `convert` for SQL values.
pub(crate) fn convert_value(ty: Type, value: Value) -> Value {
    match (ty, &value) {
        (_, Value::Null)
        | (Type::Double, Value::Float8(_))
        | (Type::Int, Value::Int4(_))
        | (Type::Long, Value::Int8(_))
        | (Type::String, Value::Text(_))
        | (Type::Boolean, Value::Bool(_))
        | (Type::Float, Value::Float4(_))
        | (Type::Short, Value::Int2(_))
        | (Type::BigDecimal, Value::Numeric(_))
        | (Type::Utc | Type::Utcn, Value::TimestampTz(_))
        | (Type::Uuid, Value::Uuid(_))
        | (Type::Binary, Value::Bytea(_))
        | (Type::Object, _) => return value,
        (Type::Double, Value::Int4(n)) => return Value::Float8(f64::from(*n)),
        (Type::Long, Value::Int4(n)) => return Value::Int8(i64::from(*n)),
        _ => {}
    }
    convert_slow(ty, value).unwrap_or(Value::Null)
}

fn convert_slow(ty: Type, value: Value) -> Option<Value> {
    match ty {
        Type::Byte => whole_of(&value).and_then(|n| i8::try_from(n).ok()).map(|n| Value::Int2(i16::from(n))),
        Type::Short => whole_of(&value).and_then(|n| i16::try_from(n).ok()).map(Value::Int2),
        Type::Int => whole_of(&value).and_then(|n| i32::try_from(n).ok()).map(Value::Int4),
        Type::Long => whole_of(&value).map(Value::Int8),
        #[allow(clippy::cast_possible_truncation, reason = "the cast asks for a Float")]
        Type::Float => float_of(&value).map(|n| Value::Float4(n as f32)),
        Type::Double => float_of(&value).map(Value::Float8),
        Type::String => Some(Value::Text(Arc::from(text_of(&value)))),
        Type::Char => text_of(&value).chars().next().map(|c| Value::text(c.to_string())),
        Type::Boolean => match &value {
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
            other => other.as_bool().map(Value::Bool),
        },
        Type::BigInteger => decimal_of(&value).map(|n| Value::Numeric(Box::new(Numeric::Finite(n.with_scale(0))))),
        Type::BigDecimal => decimal_of(&value).map(|n| Value::Numeric(Box::new(Numeric::Finite(n)))),
        Type::Utc | Type::Utcn => match &value {
            Value::Timestamp(micros) => Some(Value::TimestampTz(*micros)),
            Value::Date(days) => i64::from(*days).checked_mul(86_400_000_000).map(Value::TimestampTz),
            other => {
                let n = whole_of(other)?;
                let micros = if ty == Type::Utc { n.checked_mul(1000)? } else { n.div_euclid(1000) };
                micros.checked_sub(EPOCH_MICROS).map(Value::TimestampTz)
            }
        },
        Type::Number => match value {
            Value::Text(text) => number_from_text(&text),
            other => rank(&other).map(|_| other),
        },
        Type::Uuid => from_text(value.as_str()?, DataType::UUID, &TextStyle::default()).ok(),
        Type::Binary => match &value {
            Value::Text(text) => Some(Value::Bytea(Arc::from(text.as_bytes()))),
            _ => None,
        },
        Type::Object => Some(value),
        Type::Complex => super::complex::parse(&value).map(super::complex::text),
        Type::List | Type::Map | Type::Set | Type::Table => None,
        Type::Other(to) => to_column(value, to).ok(),
    }
}

/// A script's value as one of a column's type: AMI's cast first, then the column's own rules (length, scale).
/// Errors: what the assignment cast says of an over-long or out of range value.
pub(crate) fn to_column(value: Value, to: DataType) -> Result<Value> {
    if value.is_null() {
        return Ok(value);
    }
    let from = type_of(&value);
    if from.oid == to.oid && to.typmod == -1 {
        return Ok(value);
    }
    match Type::of(to) {
        Type::Other(to) => {
            let style = TextStyle::default();
            match cast(value.clone(), from, to, CastContext::Assignment, &style) {
                Ok(value) => Ok(value),
                Err(error) if error.state() == SqlState::CANNOT_COERCE => {
                    let text = text_of(&value);
                    match from_text(&text, DataType::new(to.oid), &style) {
                        Ok(value) if to.typmod == -1 => Ok(value),
                        Ok(value) => cast(value, DataType::new(to.oid), to, CastContext::Assignment, &style),
                        Err(_) => Ok(Value::Null),
                    }
                }
                Err(error) if error.state() == SqlState::INVALID_TEXT_REPRESENTATION => Ok(Value::Null),
                Err(error) => Err(error),
            }
        }
        ty => Ok(convert_value(ty, value)),
    }
}

/// A text, or a label of whatever enum, as a label of this one; null if it has none of this text (AMI-32).
pub(crate) fn as_label(def: &TypeDef, value: &Value) -> Value {
    match (&def.kind, value.as_str()) {
        (TypeKind::Enum(labels), Some(text)) => {
            labels.label(text).map_or(Value::Null, |label| Value::Enum(label.clone()))
        }
        _ => Value::Null,
    }
}

/// Whether a type is a `char(n)` that pads: to a script its values are Strings without the blanks at their end, as a cast
/// to text makes them. AMI's Char, one character, is what it is.
pub(crate) fn pads(ty: DataType) -> bool {
    ty.oid == oid::BPCHAR && ty != Type::Char.data_type()
}

/// A text without the blanks at its end.
pub(crate) fn unpadded(value: Value) -> Value {
    match &value {
        Value::Text(text) if text.ends_with(' ') => Value::text(text.trim_end_matches(' ')),
        _ => value,
    }
}

fn whole_of(value: &Value) -> Option<i64> {
    match value {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked by the range")]
        Value::Float8(n) => {
            (n.is_finite() && n.abs() < 9.3e18 && *n >= i64::MIN as f64 && *n < i64::MAX as f64).then_some(*n as i64)
        }
        Value::Float4(n) => whole_of(&Value::Float8(f64::from(*n))),
        Value::Numeric(_) => as_decimal(value)?.with_scale(0).to_i64(),
        Value::Text(text) => whole_of(&number_from_text(text)?),
        other => as_i64(other),
    }
}

fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Text(text) => text.trim().parse().ok(),
        other => as_f64(other),
    }
}

fn decimal_of(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Text(text) => text.trim().parse().ok().filter(is_numeric),
        other => as_decimal(other),
    }
}

/// Whether a number has no more places than SQL's numeric: one of `1e999999999` would take all memory to be written out.
fn is_numeric(number: &BigDecimal) -> bool {
    (-131_072..=16_383).contains(&number.fractional_digit_count())
}

/// The SQL type that a value has by itself.
pub(crate) fn type_of(value: &Value) -> DataType {
    DataType::new(match value {
        Value::Null => oid::UNKNOWN,
        Value::Bool(_) => oid::BOOL,
        Value::Int2(_) => oid::INT2,
        Value::Int4(_) => oid::INT4,
        Value::Int8(_) => oid::INT8,
        Value::Float4(_) => oid::FLOAT4,
        Value::Float8(_) => oid::FLOAT8,
        Value::Numeric(_) => oid::NUMERIC,
        Value::Text(_) => oid::TEXT,
        Value::Bytea(_) => oid::BYTEA,
        Value::Char(_) => oid::CHAR,
        Value::Date(_) => oid::DATE,
        Value::Time(_) => oid::TIME,
        Value::TimeTz(..) => oid::TIMETZ,
        Value::Timestamp(_) => oid::TIMESTAMP,
        Value::TimestampTz(_) => oid::TIMESTAMPTZ,
        Value::Interval(_) => oid::INTERVAL,
        Value::Uuid(_) => oid::UUID,
        Value::Oid(_) => oid::OID,
        Value::Json(_) => oid::JSON,
        Value::Jsonb(_) => oid::JSONB,
        Value::Array(array) => {
            return DataType::new(tripline_sql::types::type_info(array.element).map_or(oid::TEXT, |info| info.array));
        }
        Value::Record(_) => oid::RECORD,
        Value::Tid(..) => oid::TID,
        Value::Range(range) => tripline_sql::types::range_over(range.element).unwrap_or(oid::TEXT),
        Value::Enum(_) => oid::TEXT,
    })
}

/// The text of a value (AMI-33); null is `null` here, and empty in concatenations. Errors: 54000, a collection whose text
/// would be too long or too deep.
pub(crate) fn to_string(value: &Val) -> Result<String> {
    let mut out = String::new();
    write_val(value, &mut out, 0, &mut Parts::new())?;
    Ok(out)
}

pub(crate) fn text_of(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_val(value: &Val, out: &mut String, depth: u32, parts: &mut Parts) -> Result<()> {
    parts.take(depth, out.len())?;
    match value {
        Val::S(value) => write_value(value, out),
        Val::List(_) | Val::Set(_) => {
            let items = super::builtins::items(value);
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_val(item, out, depth + 1, parts)?;
            }
            out.push(']');
        }
        Val::Map(pairs) => {
            let pairs = pairs.lock().pairs();
            out.push('{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_val(key, out, depth + 1, parts)?;
                out.push('=');
                write_val(value, out, depth + 1, parts)?;
            }
            out.push('}');
        }
        Val::Row(pairs) => {
            out.push('[');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push('=');
                write_value(value, out);
            }
            out.push(']');
        }
        Val::Table(rows) => {
            let _ = write!(out, "{} rows", rows.rows.len());
        }
    }
    Ok(())
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Text(text) => out.push_str(text),
        Value::Int2(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Int4(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Int8(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Float8(n) => write_double(*n, &format!("{n:e}"), out),
        Value::Float4(n) => write_double(f64::from(*n), &format!("{n:e}"), out),
        Value::TimestampTz(micros) => {
            let _ = write!(out, "{}", millis(*micros));
        }
        other => to_text(other, type_of(other), &TextStyle::default(), out),
    }
}

/// Shortest exact digits, always a point; exponent form from 10^7 up and below 10^-3.
fn write_double(n: f64, scientific: &str, out: &mut String) {
    if !n.is_finite() {
        out.push_str(if n.is_nan() {
            "NaN"
        } else if n > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    out.push_str(sign);
    if n != 0.0 && !(-3..7).contains(&exponent) {
        out.push_str(&digits[..1]);
        out.push('.');
        out.push_str(if digits.len() > 1 { &digits[1..] } else { "0" });
        let _ = write!(out, "E{exponent}");
    } else if exponent < 0 {
        out.push_str("0.");
        for _ in 1..-exponent {
            out.push('0');
        }
        out.push_str(&digits);
    } else {
        let whole = usize::try_from(exponent).unwrap_or(0) + 1;
        for i in 0..whole {
            out.push(digits.as_bytes().get(i).map_or('0', |b| char::from(*b)));
        }
        out.push('.');
        out.push_str(if digits.len() > whole { &digits[whole..] } else { "0" });
    }
}

/// The name that `getClassName` gives.
pub(crate) fn class_name(value: &Val) -> &'static str {
    match value {
        Val::List(_) => "List",
        Val::Set(_) => "Set",
        Val::Map(_) | Val::Row(_) => "Map",
        Val::Table(_) => "Table",
        Val::S(value) => match value {
            Value::Null => "Object",
            Value::Bool(_) => "Boolean",
            Value::Int2(_) => "Short",
            Value::Int4(_) => "Integer",
            Value::Int8(_) => "Long",
            Value::Float4(_) => "Float",
            Value::Float8(_) => "Double",
            Value::Numeric(n) => match &**n {
                Numeric::Finite(n) if n.fractional_digit_count() <= 0 => "BigInteger",
                _ => "BigDecimal",
            },
            Value::TimestampTz(_) => "UTC",
            Value::Uuid(_) => "UUID",
            Value::Bytea(_) => "Binary",
            _ => "String",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-33
    #[test]
    fn doubles_as_text() {
        for (n, text) in [
            (12520.0, "12520.0"),
            (1e10, "1.0E10"),
            (1.5, "1.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (0.0, "0.0"),
            (-2.5e-7, "-2.5E-7"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
        ] {
            assert_eq!(text_of(&Value::Float8(n)), text);
        }
    }

    // AMI-26, AMI-29, AMI-30
    #[test]
    fn arithmetic() {
        let int = Value::Int4;
        assert_eq!(arith(Arith::Div, &int(35), &int(2)).unwrap(), int(17));
        assert_eq!(arith(Arith::Div, &int(35), &int(0)).unwrap(), Value::Null);
        assert_eq!(
            arith(Arith::Add, &int(i32::MAX), &int(1)).unwrap_err().state(),
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE
        );
        assert_eq!(arith(Arith::Add, &int(i32::MAX), &Value::Int8(1)).unwrap(), Value::Int8(2_147_483_648));
        assert_eq!(arith(Arith::Mul, &int(3), &Value::Float8(1.5)).unwrap(), Value::Float8(4.5));
        assert_eq!(arith(Arith::Mul, &int(3), &Value::Null).unwrap(), Value::Null);
        assert_eq!(arith(Arith::Add, &Value::text("a"), &Value::Null).unwrap(), Value::text("a"));
        assert_eq!(arith(Arith::Add, &Value::text("a"), &Value::Float8(2.0)).unwrap(), Value::text("a2.0"));
        assert_eq!(arith(Arith::Mod, &int(i32::MIN), &int(-1)).unwrap(), int(0));
    }

    // AMI-31, AMI-25, AMI-27
    #[test]
    fn comparison() {
        let s = |v: Value| Val::S(v);
        assert!(equals(&s(Value::text("123")), &s(Value::Int4(123))));
        assert!(equals(&Val::NULL, &Val::NULL));
        assert!(!compares(Compare::Lt, &Val::NULL, &s(Value::Int4(1))));
        assert!(compares(Compare::Ne, &Val::NULL, &s(Value::Int4(1))));
        assert!(equals(&s(Value::Int4(75)), &s(Value::Float8(75.0))));
    }

    // AMI-32
    #[test]
    fn casts() {
        assert_eq!(convert_value(Type::Boolean, Value::text("test")), Value::Null);
        assert_eq!(convert_value(Type::Int, Value::text("123")), Value::Int4(123));
        assert_eq!(convert_value(Type::Int, Value::Float8(-2.9)), Value::Int4(-2));
        assert_eq!(convert_value(Type::Int, Value::Float8(1e300)), Value::Null);
    }
}
