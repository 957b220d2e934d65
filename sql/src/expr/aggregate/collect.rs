//! Aggregates that collect their input (arrays, strings, JSON) or fold its bits.
use std::fmt::Write as _;
use std::sync::Arc;

use super::numbers::{first, unexpected};
use super::{Accumulator, AggregateInfo};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::build_array;
use crate::expr::scalar::{bitwise, is_structured, json_key, to_json, to_jsonb};
use crate::types::{DataType, Jsonb, Oid, TextStyle, Value, oid};

/// How many of the values were true and false.
struct Bools {
    yes: i64,
    no: i64,
    any: bool,
}

pub(super) fn bool_and(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Bools { yes: 0, no: 0, any: false })
}

pub(super) fn bool_or(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Bools { yes: 0, no: 0, any: true })
}

impl Bools {
    fn change(&mut self, value: &Value, step: i64) {
        match value {
            Value::Bool(true) => self.yes += step,
            Value::Bool(false) => self.no += step,
            _ => {}
        }
    }
}

impl Accumulator for Bools {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        self.change(first(args), 1);
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        self.change(first(args), -1);
        Ok(true)
    }

    fn result(&self) -> Result<Value> {
        Ok(if self.yes + self.no == 0 {
            Value::Null
        } else {
            Value::Bool(if self.any { self.yes > 0 } else { self.no == 0 })
        })
    }
}

struct Bits {
    value: Value,
    fold: fn(i64, i64) -> i64,
    /// The same for bit strings, and its name in messages.
    what: (&'static str, fn(bool, bool) -> bool),
    invertible: bool,
}

pub(super) fn bit_and(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Bits { value: Value::Null, fold: |a, b| a & b, what: ("AND", |a, b| a && b), invertible: false })
}

pub(super) fn bit_or(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Bits { value: Value::Null, fold: |a, b| a | b, what: ("OR", |a, b| a || b), invertible: false })
}

pub(super) fn bit_xor(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(Bits { value: Value::Null, fold: |a, b| a ^ b, what: ("XOR", |a, b| a != b), invertible: false })
}

impl Accumulator for Bits {
    #[allow(clippy::cast_possible_truncation, reason = "bits of two values of one width stay within it")]
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let fold = self.fold;
        self.value = match (&self.value, first(args)) {
            (_, Value::Null) => return Ok(()),
            (Value::Null, value) => value.clone(),
            (Value::Int2(a), Value::Int2(b)) => Value::Int2(fold(i64::from(*a), i64::from(*b)) as i16),
            (Value::Int4(a), Value::Int4(b)) => Value::Int4(fold(i64::from(*a), i64::from(*b)) as i32),
            (Value::Int8(a), Value::Int8(b)) => Value::Int8(fold(*a, *b)),
            (Value::Text(a), Value::Text(b)) => bitwise(self.what.0, a, b, self.what.1)?,
            (_, other) => return Err(unexpected(other)),
        };
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null() || self.invertible)
    }

    fn result(&self) -> Result<Value> {
        Ok(self.value.clone())
    }
}

struct ArrayAgg {
    items: Vec<Value>,
    element: Oid,
    nested: bool,
    seen: bool,
}

pub(super) fn array_agg(info: &AggregateInfo) -> Box<dyn Accumulator> {
    let element = info.arg_types.first().map_or(oid::UNKNOWN, |ty| ty.oid);
    Box::new(ArrayAgg { items: Vec::new(), element, nested: false, seen: false })
}

pub(super) fn array_agg_nested(info: &AggregateInfo) -> Box<dyn Accumulator> {
    let array = info.arg_types.first().map_or(oid::UNKNOWN, |ty| ty.oid);
    let element = crate::expr::element_of(array).unwrap_or(oid::UNKNOWN);
    Box::new(ArrayAgg { items: Vec::new(), element, nested: true, seen: false })
}

impl Accumulator for ArrayAgg {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let value = first(args);
        if self.nested {
            let message = match value {
                Value::Null => "cannot accumulate null arrays",
                Value::Array(array) if array.dims.is_empty() => "cannot accumulate empty arrays",
                Value::Array(array) => match self.items.first() {
                    Some(Value::Array(known)) if known.dims != array.dims => {
                        "cannot accumulate arrays of different dimensionality"
                    }
                    _ => "",
                },
                _ => return Err(unexpected(value)),
            };
            if !message.is_empty() {
                let state =
                    if value.is_null() { SqlState::NULL_VALUE_NOT_ALLOWED } else { SqlState::ARRAY_SUBSCRIPT_ERROR };
                return Err(SqlError::new(state, message));
            }
        }
        self.seen = true;
        self.items.push(value.clone());
        Ok(())
    }

    fn retract(&mut self, _: &[Value]) -> Result<bool> {
        Ok(false)
    }

    fn result(&self) -> Result<Value> {
        if !self.seen {
            return Ok(Value::Null);
        }
        build_array(self.element, self.items.clone(), self.nested)
    }
}

/// string_agg: the delimiter of each row goes before its value, the first row's is not used.
#[derive(Default)]
struct StringAgg(Option<String>);

pub(super) fn string_agg(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(StringAgg::default())
}

impl Accumulator for StringAgg {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let Some(text) = first(args).as_str() else { return Ok(()) };
        match &mut self.0 {
            None => self.0 = Some(text.to_owned()),
            Some(out) => {
                out.push_str(args.get(1).and_then(Value::as_str).unwrap_or(""));
                out.push_str(text);
            }
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    fn result(&self) -> Result<Value> {
        Ok(self.0.as_deref().map_or(Value::Null, Value::text))
    }
}

#[derive(Default)]
struct ByteaAgg(Option<Vec<u8>>);

pub(super) fn bytea_agg(_: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(ByteaAgg::default())
}

impl Accumulator for ByteaAgg {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let Value::Bytea(bytes) = first(args) else { return Ok(()) };
        match &mut self.0 {
            None => self.0 = Some(bytes.to_vec()),
            Some(out) => {
                if let Some(Value::Bytea(delimiter)) = args.get(1) {
                    out.extend_from_slice(delimiter);
                }
                out.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn retract(&mut self, args: &[Value]) -> Result<bool> {
        Ok(first(args).is_null())
    }

    fn result(&self) -> Result<Value> {
        Ok(self.0.as_deref().map_or(Value::Null, |bytes| Value::Bytea(Arc::from(bytes))))
    }
}

/// json_agg and json_object_agg: the text so far.
struct JsonAgg {
    text: Option<String>,
    types: Vec<DataType>,
    style: TextStyle,
    object: bool,
}

pub(super) fn json_agg(info: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(JsonAgg { text: None, types: info.arg_types.clone(), style: info.style.clone(), object: false })
}

pub(super) fn json_object_agg(info: &AggregateInfo) -> Box<dyn Accumulator> {
    Box::new(JsonAgg { text: None, types: info.arg_types.clone(), style: info.style.clone(), object: true })
}

fn type_at(types: &[DataType], index: usize) -> DataType {
    types.get(index).copied().unwrap_or(DataType::TEXT)
}

fn null_key() -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "field name must not be null")
}

impl Accumulator for JsonAgg {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        let ty = type_at(&self.types, 0);
        if self.object {
            let text = self.text.get_or_insert_with(|| "{ ".to_owned());
            if text.len() > 2 {
                text.push_str(", ");
            }
            let key = json_key(first(args), ty, &self.style)?.ok_or_else(null_key)?;
            crate::types::json::push_string(&key, text);
            text.push_str(" : ");
            let value = args.get(1).unwrap_or(&Value::Null);
            return to_json(value, type_at(&self.types, 1), &self.style, text);
        }
        match &mut self.text {
            None => self.text = Some("[".to_owned()),
            Some(text) => text.push_str(if is_structured(first(args)) { ", \n " } else { ", " }),
        }
        match &mut self.text {
            Some(text) => to_json(first(args), ty, &self.style, text),
            None => Ok(()),
        }
    }

    fn retract(&mut self, _: &[Value]) -> Result<bool> {
        Ok(false)
    }

    fn result(&self) -> Result<Value> {
        Ok(self.text.as_ref().map_or(Value::Null, |text| {
            let mut whole = String::with_capacity(text.len() + 2);
            let _ = write!(whole, "{text}{}", if self.object { " }" } else { "]" });
            Value::Json(Arc::from(whole))
        }))
    }
}

struct JsonbAgg {
    items: Vec<Jsonb>,
    keys: Vec<Arc<str>>,
    types: Vec<DataType>,
    style: TextStyle,
    object: bool,
    seen: bool,
}

pub(super) fn jsonb_agg(info: &AggregateInfo) -> Box<dyn Accumulator> {
    jsonb(info, false)
}

pub(super) fn jsonb_object_agg(info: &AggregateInfo) -> Box<dyn Accumulator> {
    jsonb(info, true)
}

fn jsonb(info: &AggregateInfo, object: bool) -> Box<dyn Accumulator> {
    Box::new(JsonbAgg {
        items: Vec::new(),
        keys: Vec::new(),
        types: info.arg_types.clone(),
        style: info.style.clone(),
        object,
        seen: false,
    })
}

impl Accumulator for JsonbAgg {
    fn add(&mut self, args: &[Value]) -> Result<()> {
        self.seen = true;
        let ty = type_at(&self.types, 0);
        if self.object {
            let key = json_key(first(args), ty, &self.style)?.ok_or_else(null_key)?;
            let value = args.get(1).unwrap_or(&Value::Null);
            self.items.push(to_jsonb(value, type_at(&self.types, 1), &self.style)?);
            self.keys.push(Arc::from(key));
        } else {
            self.items.push(to_jsonb(first(args), ty, &self.style)?);
        }
        Ok(())
    }

    fn retract(&mut self, _: &[Value]) -> Result<bool> {
        Ok(false)
    }

    fn result(&self) -> Result<Value> {
        if !self.seen {
            return Ok(Value::Null);
        }
        let document = if self.object {
            Jsonb::object(self.keys.iter().cloned().zip(self.items.iter().cloned()).collect())
        } else {
            Jsonb::Array(self.items.clone())
        };
        Ok(Value::Jsonb(Arc::new(document)))
    }
}
