//! json and jsonb: operators and functions (PG-116). json keeps its text and is cut apart in `raw`; `encode` makes JSON
//! of SQL values, `edit` changes documents, `record` makes records of them.
mod edit;
mod encode;
mod raw;
mod record;

use std::sync::Arc;

pub(crate) use encode::to_jsonb;
pub(in crate::expr) use encode::{is_structured, json_key, to_json};

use super::OperatorRow;
use super::TEXT_ARRAY;
use super::args::{int4_value, invalid};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::json::push_string;
use crate::types::oid::{ANY, ANYARRAY, ANYELEMENT, BOOL, INT4, JSON, JSONB, RECORD, TEXT};
use crate::types::{DataType, Jsonb, Row, Value};
use edit::{Edit, at_path, concatenate, strip_nulls, without_item, without_keys};

fn jsonb_value(document: Jsonb) -> Value {
    Value::Jsonb(Arc::new(document))
}

fn jsonb_part(part: Option<&Jsonb>) -> Value {
    part.map_or(Value::Null, |part| jsonb_value(part.clone()))
}

/// An item by number; a scalar is an array of itself.
fn item_or_scalar(document: &Jsonb, place: i64) -> Option<&Jsonb> {
    match document {
        Jsonb::Array(_) => document.item(place),
        Jsonb::Object(_) => None,
        scalar => (place == 0 || place == -1).then_some(scalar),
    }
}

fn jsonb_text(part: Option<&Jsonb>) -> Value {
    part.and_then(Jsonb::as_text).map_or(Value::Null, Value::from)
}

fn json_value(text: impl AsRef<str>) -> Value {
    Value::Json(Arc::from(text.as_ref()))
}

fn json_part(part: Option<&str>) -> Value {
    part.map_or(Value::Null, json_value)
}

fn json_text(part: Option<&str>) -> Value {
    part.and_then(raw::as_text).map_or(Value::Null, Value::from)
}

/// The steps of a path argument: one array, or the variadic arguments from `from` on. `None` if a step is NULL.
fn path<'a>(call: &'a Call<'_>, from: usize) -> Result<Option<Vec<&'a str>>> {
    if let Some(Value::Array(array)) = call.args.get(from) {
        return Ok(array.items.iter().map(Value::as_str).collect());
    }
    Ok(call.args.get(from..).unwrap_or(&[]).iter().map(Value::as_str).collect())
}

fn jsonb_path<'a>(call: &'a Call<'_>) -> Result<Option<&'a Jsonb>> {
    let Some(path) = path(call, 1)? else { return Ok(None) };
    Ok(call.jsonb(0)?.path(&path))
}

fn json_path<'a>(call: &'a Call<'_>) -> Result<Option<&'a str>> {
    let Some(path) = path(call, 1)? else { return Ok(None) };
    let text = call.text(0)?;
    Ok(path.iter().try_fold(text, |text, step| raw::step(text, step)))
}

fn json_member<'a>(call: &'a Call<'_>) -> Result<Option<&'a str>> {
    let text = call.text(0)?;
    if raw::kind(text) != raw::Kind::Object {
        return Ok(None);
    }
    Ok(raw::step(text, call.text(1)?))
}

fn exists(document: &Jsonb, key: &str) -> bool {
    match document {
        Jsonb::Array(items) => items.iter().any(|item| matches!(item, Jsonb::String(text) if text.as_ref() == key)),
        Jsonb::String(text) => text.as_ref() == key,
        other => other.member(key).is_some(),
    }
}

fn delete_keys(call: &Call<'_>) -> Result<Value> {
    match call.args.get(1) {
        Some(Value::Text(key)) => without_keys(call.jsonb(0)?, &[key]).map(jsonb_value),
        Some(Value::Array(_)) => {
            let keys: Vec<&str> = call.texts(1)?.into_iter().flatten().collect();
            without_keys(call.jsonb(0)?, &keys).map(jsonb_value)
        }
        _ => without_item(call.jsonb(0)?, call.int(1)?).map(jsonb_value),
    }
}

/// A path that must not hold NULLs.
fn whole_path<'a>(call: &'a Call<'_>) -> Result<Vec<&'a str>> {
    let steps = call.texts(1)?;
    let null = steps.iter().position(Option::is_none);
    match null {
        Some(place) => Err(SqlError::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            format!("path element at position {} is null", place + 1),
        )),
        None => Ok(steps.into_iter().flatten().collect()),
    }
}

fn delete_path(call: &Call<'_>) -> Result<Value> {
    let path = whole_path(call)?;
    at_path(call.jsonb(0)?, &path, Edit::Delete, 1).map(jsonb_value)
}

fn set(call: &Call<'_>) -> Result<Value> {
    let create = if call.has(3) { call.bool(3)? } else { true };
    let path = whole_path(call)?;
    at_path(call.jsonb(0)?, &path, Edit::Set(call.jsonb(2)?, create), 1).map(jsonb_value)
}

/// jsonb_set whose NULL new value means what the last argument says.
fn set_lax(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) || !call.has(1) || !call.has(3) {
        return Ok(Value::Null);
    }
    if call.has(2) {
        return set(call);
    }
    let path = whole_path(call)?;
    match call.args.get(4).and_then(Value::as_str) {
        Some("use_json_null") => {
            at_path(call.jsonb(0)?, &path, Edit::Set(&Jsonb::Null, call.bool(3)?), 1).map(jsonb_value)
        }
        Some("delete_key") => at_path(call.jsonb(0)?, &path, Edit::Delete, 1).map(jsonb_value),
        Some("return_target") => Ok(call.args.first().cloned().unwrap_or_default()),
        Some("raise_exception") => Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")),
        _ => Err(invalid(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )),
    }
}

fn insert(call: &Call<'_>) -> Result<Value> {
    let after = if call.has(3) { call.bool(3)? } else { false };
    let path = whole_path(call)?;
    at_path(call.jsonb(0)?, &path, Edit::Insert(call.jsonb(2)?, after), 1).map(jsonb_value)
}

fn arg_type(call: &Call<'_>, index: usize) -> DataType {
    call.arg_types.get(index).copied().unwrap_or(DataType::TEXT)
}

fn any_to_json(call: &Call<'_>) -> Result<Value> {
    let mut out = String::new();
    to_json(call.args.first().unwrap_or(&Value::Null), arg_type(call, 0), call.ctx.style, &mut out)?;
    Ok(json_value(out))
}

fn any_to_jsonb(call: &Call<'_>) -> Result<Value> {
    to_jsonb(call.args.first().unwrap_or(&Value::Null), arg_type(call, 0), call.ctx.style).map(jsonb_value)
}

fn even(call: &Call<'_>) -> Result<()> {
    if call.args.len().is_multiple_of(2) {
        return Ok(());
    }
    let name = if call.result.oid == JSONB { "jsonb_build_object" } else { "json_build_object" };
    Err(invalid("argument list must have even number of elements")
        .hint(format!("The arguments of {name}() must consist of alternating keys and values.")))
}

fn key(call: &Call<'_>, index: usize) -> Result<String> {
    let value = call.args.get(index).unwrap_or(&Value::Null);
    json_key(value, arg_type(call, index), call.ctx.style)?.ok_or_else(|| {
        if call.result.oid == JSONB {
            return invalid(format!("argument {}: key must not be null", index + 1));
        }
        invalid(format!("argument {} cannot be null", index + 1)).hint("Object keys should be text.")
    })
}

fn build_object(call: &Call<'_>) -> Result<Value> {
    even(call)?;
    let mut out = "{".to_owned();
    for index in (0..call.args.len()).step_by(2) {
        if index > 0 {
            out.push_str(", ");
        }
        push_string(&key(call, index)?, &mut out);
        out.push_str(" : ");
        to_json(&call.args[index + 1], arg_type(call, index + 1), call.ctx.style, &mut out)?;
    }
    out.push('}');
    Ok(json_value(out))
}

fn build_object_b(call: &Call<'_>) -> Result<Value> {
    even(call)?;
    let members = (0..call.args.len()).step_by(2).map(|index| {
        let value = to_jsonb(&call.args[index + 1], arg_type(call, index + 1), call.ctx.style)?;
        Ok((Arc::from(key(call, index)?), value))
    });
    Ok(jsonb_value(Jsonb::object(members.collect::<Result<Vec<_>>>()?)))
}

fn build_array(call: &Call<'_>) -> Result<Value> {
    let mut out = "[".to_owned();
    for (index, value) in call.args.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        to_json(value, arg_type(call, index), call.ctx.style, &mut out)?;
    }
    out.push(']');
    Ok(json_value(out))
}

fn build_array_b(call: &Call<'_>) -> Result<Value> {
    let items = call.args.iter().enumerate();
    let items = items.map(|(index, value)| to_jsonb(value, arg_type(call, index), call.ctx.style));
    Ok(jsonb_value(Jsonb::Array(items.collect::<Result<Vec<_>>>()?)))
}

/// json_object of one array of pairs or of two arrays.
fn pairs(call: &Call<'_>) -> Result<Vec<(String, Option<String>)>> {
    let mismatch = |message: &str| SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, message);
    let keys = call.array(0)?;
    let flat: Vec<(Option<&str>, Option<&str>)> = if call.args.len() > 1 {
        let values = call.array(1)?;
        if keys.dims.len() > 1 || values.dims.len() > 1 {
            return Err(mismatch("wrong number of array subscripts"));
        }
        if keys.items.len() != values.items.len() {
            return Err(mismatch("mismatched array dimensions"));
        }
        keys.items.iter().map(Value::as_str).zip(values.items.iter().map(Value::as_str)).collect()
    } else {
        match keys.dims.as_slice() {
            [] => Vec::new(),
            [(length, _)] if length % 2 != 0 => return Err(mismatch("array must have even number of elements")),
            [_] | [_, (2, _)] => {
                keys.items.chunks(2).map(|pair| (pair[0].as_str(), pair.get(1).and_then(Value::as_str))).collect()
            }
            [_, _] => return Err(mismatch("array must have two columns")),
            _ => return Err(mismatch("wrong number of array subscripts")),
        }
    };
    flat.into_iter()
        .map(|(key, value)| match key {
            Some(key) => Ok((key.to_owned(), value.map(str::to_owned))),
            None => Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key")),
        })
        .collect()
}

fn object(call: &Call<'_>) -> Result<Value> {
    let mut out = "{".to_owned();
    for (index, (key, value)) in pairs(call)?.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_string(&key, &mut out);
        out.push_str(" : ");
        match value {
            Some(value) => push_string(&value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(json_value(out))
}

fn object_b(call: &Call<'_>) -> Result<Value> {
    let members = pairs(call)?
        .into_iter()
        .map(|(key, value)| (Arc::from(key), value.map_or(Jsonb::Null, |value| Jsonb::String(Arc::from(value)))));
    Ok(jsonb_value(Jsonb::object(members.collect())))
}

fn json_type(text: &str) -> &'static str {
    match raw::kind(text) {
        raw::Kind::Object => "object",
        raw::Kind::Array => "array",
        raw::Kind::String => "string",
        raw::Kind::Number => "number",
        raw::Kind::Bool => "boolean",
        raw::Kind::Null => "null",
    }
}

fn wrong_kind(what: &str, of: &str) -> SqlError {
    invalid(format!("cannot {what} {of}"))
}

fn json_items<'a>(call: &'a Call<'_>) -> Result<Vec<&'a str>> {
    let text = call.text(0)?;
    match raw::kind(text) {
        raw::Kind::Array => Ok(raw::items(text)),
        raw::Kind::Object => Err(wrong_kind("call json_array_elements on", "a non-array")),
        _ => Err(wrong_kind("call json_array_elements on", "a scalar")),
    }
}

fn jsonb_items<'a>(call: &'a Call<'_>) -> Result<&'a [Jsonb]> {
    match &**call.jsonb(0)? {
        Jsonb::Array(items) => Ok(items),
        Jsonb::Object(_) => Err(wrong_kind("extract elements from", "an object")),
        _ => Err(wrong_kind("extract elements from", "a scalar")),
    }
}

fn json_members<'a>(call: &'a Call<'_>, name: &str) -> Result<Vec<(String, &'a str)>> {
    let text = call.text(0)?;
    match raw::kind(text) {
        raw::Kind::Object => Ok(raw::members(text)),
        raw::Kind::Array => Err(invalid(format!("cannot call {name} on an array"))),
        _ if name == "json_each" => Err(invalid("cannot deconstruct a scalar")),
        _ => Err(invalid(format!("cannot call {name} on a scalar"))),
    }
}

fn jsonb_members<'a>(call: &'a Call<'_>, name: &str) -> Result<&'a [(Arc<str>, Jsonb)]> {
    match &**call.jsonb(0)? {
        Jsonb::Object(members) => Ok(members),
        Jsonb::Array(_) if name == "jsonb_object_keys" => Err(invalid("cannot call jsonb_object_keys on an array")),
        _ if name == "jsonb_object_keys" => Err(invalid("cannot call jsonb_object_keys on a scalar")),
        _ => Err(invalid(format!("cannot call {name} on a non-object"))),
    }
}

fn one_column(values: impl Iterator<Item = Value>) -> Result<Vec<Row>> {
    Ok(values.map(|value| vec![value]).collect())
}

fn jsonb_length(call: &Call<'_>) -> Result<Value> {
    match &**call.jsonb(0)? {
        Jsonb::Array(items) => Ok(int4_value(items.len())),
        Jsonb::Object(_) => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn json_length(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    match raw::kind(text) {
        raw::Kind::Array => Ok(int4_value(raw::items(text).len())),
        raw::Kind::Object => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn json_strip_nulls(text: &str, out: &mut String) {
    match raw::kind(text) {
        raw::Kind::Object => {
            out.push('{');
            let mut first = true;
            for (key, value) in raw::members(text) {
                if raw::kind(value) == raw::Kind::Null {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                push_string(&key, out);
                out.push(':');
                json_strip_nulls(value, out);
            }
            out.push('}');
        }
        raw::Kind::Array => {
            out.push('[');
            for (index, item) in raw::items(text).into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json_strip_nulls(item, out);
            }
            out.push(']');
        }
        _ => out.push_str(text.trim()),
    }
}

fn pretty(call: &Call<'_>) -> Result<Value> {
    let mut out = String::new();
    call.jsonb(0)?.print_pretty(&mut out);
    Ok(Value::from(out))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(3947, "json_object_field", &[JSON, TEXT], JSON, |c| Ok(json_part(json_member(c)?))),
    Function::new(3948, "json_object_field_text", &[JSON, TEXT], TEXT, |c| Ok(json_text(json_member(c)?))),
    Function::new(3949, "json_array_element", &[JSON, INT4], JSON, |c| Ok(json_part(raw::item(c.text(0)?, c.int(1)?)))),
    Function::new(3950, "json_array_element_text", &[JSON, INT4], TEXT, |c| Ok(json_text(raw::item(c.text(0)?, c.int(1)?)))),
    Function::new(3951, "json_extract_path", &[JSON, TEXT], JSON, |c| Ok(json_part(json_path(c)?))).variadic(),
    Function::new(3953, "json_extract_path_text", &[JSON, TEXT], TEXT, |c| Ok(json_text(json_path(c)?))).variadic(),
    Function::new(3478, "jsonb_object_field", &[JSONB, TEXT], JSONB, |c| Ok(jsonb_part(c.jsonb(0)?.member(c.text(1)?)))),
    Function::new(3214, "jsonb_object_field_text", &[JSONB, TEXT], TEXT, |c| Ok(jsonb_text(c.jsonb(0)?.member(c.text(1)?)))),
    Function::new(3215, "jsonb_array_element", &[JSONB, INT4], JSONB, |c| Ok(jsonb_part(item_or_scalar(c.jsonb(0)?, c.int(1)?)))),
    Function::new(3216, "jsonb_array_element_text", &[JSONB, INT4], TEXT, |c| Ok(jsonb_text(item_or_scalar(c.jsonb(0)?, c.int(1)?)))),
    Function::new(3217, "jsonb_extract_path", &[JSONB, TEXT], JSONB, |c| Ok(jsonb_part(jsonb_path(c)?))).variadic(),
    Function::new(3940, "jsonb_extract_path_text", &[JSONB, TEXT], TEXT, |c| Ok(jsonb_text(jsonb_path(c)?))).variadic(),
    Function::new(3301, "jsonb_concat", &[JSONB, JSONB], JSONB, |c| Ok(jsonb_value(concatenate(c.jsonb(0)?, c.jsonb(1)?)))),
    Function::new(4046, "jsonb_contains", &[JSONB, JSONB], BOOL, |c| Ok(Value::Bool(c.jsonb(0)?.contains(c.jsonb(1)?)))),
    Function::new(4050, "jsonb_contained", &[JSONB, JSONB], BOOL, |c| Ok(Value::Bool(c.jsonb(1)?.contains(c.jsonb(0)?)))),
    Function::new(4047, "jsonb_exists", &[JSONB, TEXT], BOOL, |c| Ok(Value::Bool(exists(c.jsonb(0)?, c.text(1)?)))),
    Function::new(4048, "jsonb_exists_any", &[JSONB, TEXT_ARRAY], BOOL, |c| { let document = c.jsonb(0)?; Ok(Value::Bool(c.texts(1)?.into_iter().flatten().any(|key| exists(document, key)))) }),
    Function::new(4049, "jsonb_exists_all", &[JSONB, TEXT_ARRAY], BOOL, |c| { let document = c.jsonb(0)?; Ok(Value::Bool(c.texts(1)?.into_iter().flatten().all(|key| exists(document, key)))) }),
    Function::new(3302, "jsonb_delete", &[JSONB, TEXT], JSONB, delete_keys),
    Function::new(3303, "jsonb_delete", &[JSONB, INT4], JSONB, delete_keys),
    Function::new(3343, "jsonb_delete", &[JSONB, TEXT], JSONB, delete_keys).variadic(),
    Function::new(3304, "jsonb_delete_path", &[JSONB, TEXT_ARRAY], JSONB, delete_path),
    Function::new(3305, "jsonb_set", &[JSONB, TEXT_ARRAY, JSONB, BOOL], JSONB, set).defaults(&["true"]),
    Function::new(5054, "jsonb_set_lax", &[JSONB, TEXT_ARRAY, JSONB, BOOL, TEXT], JSONB, set_lax).lax().defaults(&["true", "'use_json_null'"]),
    Function::new(3579, "jsonb_insert", &[JSONB, TEXT_ARRAY, JSONB, BOOL], JSONB, insert).defaults(&["false"]),
    Function::new(3176, "to_json", &[ANYELEMENT], JSON, any_to_json).stable(),
    Function::new(3787, "to_jsonb", &[ANYELEMENT], JSONB, any_to_jsonb).stable(),
    Function::new(3155, "row_to_json", &[RECORD], JSON, record::row_to_json).stable(),
    Function::new(3156, "row_to_json", &[RECORD, BOOL], JSON, record::row_to_json).stable(),
    Function::new(3153, "array_to_json", &[ANYARRAY], JSON, record::row_to_json).stable(),
    Function::new(3154, "array_to_json", &[ANYARRAY, BOOL], JSON, record::row_to_json).stable(),
    Function::new(3200, "json_build_object", &[ANY], JSON, build_object).stable().lax().variadic(),
    Function::new(3201, "json_build_object", &[], JSON, build_object).stable().lax(),
    Function::new(3273, "jsonb_build_object", &[ANY], JSONB, build_object_b).stable().lax().variadic(),
    Function::new(3274, "jsonb_build_object", &[], JSONB, build_object_b).stable().lax(),
    Function::new(3198, "json_build_array", &[ANY], JSON, build_array).stable().lax().variadic(),
    Function::new(3199, "json_build_array", &[], JSON, build_array).stable().lax(),
    Function::new(3271, "jsonb_build_array", &[ANY], JSONB, build_array_b).stable().lax().variadic(),
    Function::new(3272, "jsonb_build_array", &[], JSONB, build_array_b).stable().lax(),
    Function::new(3202, "json_object", &[TEXT_ARRAY], JSON, object),
    Function::new(3203, "json_object", &[TEXT_ARRAY, TEXT_ARRAY], JSON, object),
    Function::new(3263, "jsonb_object", &[TEXT_ARRAY], JSONB, object_b),
    Function::new(3264, "jsonb_object", &[TEXT_ARRAY, TEXT_ARRAY], JSONB, object_b),
    Function::new(3968, "json_typeof", &[JSON], TEXT, |c| Ok(Value::text(json_type(c.text(0)?)))),
    Function::new(3210, "jsonb_typeof", &[JSONB], TEXT, |c| Ok(Value::text(c.jsonb(0)?.type_name()))),
    Function::new(3956, "json_array_length", &[JSON], INT4, json_length),
    Function::new(3207, "jsonb_array_length", &[JSONB], INT4, jsonb_length),
    Function::set(3955, "json_array_elements", &[JSON], JSON, |c| one_column(json_items(c)?.into_iter().map(json_value))).columns(&[("value", JSON)]),
    Function::set(3969, "json_array_elements_text", &[JSON], TEXT, |c| one_column(json_items(c)?.into_iter().map(|item| json_text(Some(item))))).columns(&[("value", TEXT)]),
    Function::set(3219, "jsonb_array_elements", &[JSONB], JSONB, |c| one_column(jsonb_items(c)?.iter().map(|item| jsonb_part(Some(item))))).columns(&[("value", JSONB)]),
    Function::set(3465, "jsonb_array_elements_text", &[JSONB], TEXT, |c| one_column(jsonb_items(c)?.iter().map(|item| jsonb_text(Some(item))))).columns(&[("value", TEXT)]),
    Function::set(3958, "json_each", &[JSON], RECORD, |c| Ok(json_members(c, "json_each")?.into_iter().map(|(key, value)| vec![Value::from(key), json_value(value)]).collect())).columns(&[("key", TEXT), ("value", JSON)]),
    Function::set(3959, "json_each_text", &[JSON], RECORD, |c| Ok(json_members(c, "json_each")?.into_iter().map(|(key, value)| vec![Value::from(key), json_text(Some(value))]).collect())).columns(&[("key", TEXT), ("value", TEXT)]),
    Function::set(3208, "jsonb_each", &[JSONB], RECORD, |c| Ok(jsonb_members(c, "jsonb_each")?.iter().map(|(key, value)| vec![Value::Text(Arc::clone(key)), jsonb_part(Some(value))]).collect())).columns(&[("key", TEXT), ("value", JSONB)]),
    Function::set(3932, "jsonb_each_text", &[JSONB], RECORD, |c| Ok(jsonb_members(c, "jsonb_each_text")?.iter().map(|(key, value)| vec![Value::Text(Arc::clone(key)), jsonb_text(Some(value))]).collect())).columns(&[("key", TEXT), ("value", TEXT)]),
    Function::set(3957, "json_object_keys", &[JSON], TEXT, |c| one_column(json_members(c, "json_object_keys")?.into_iter().map(|(key, _)| Value::from(key)))),
    Function::set(3931, "jsonb_object_keys", &[JSONB], TEXT, |c| one_column(jsonb_members(c, "jsonb_object_keys")?.iter().map(|(key, _)| Value::Text(Arc::clone(key))))),
    Function::new(3261, "json_strip_nulls", &[JSON], JSON, |c| { let mut out = String::new(); json_strip_nulls(c.text(0)?, &mut out); Ok(json_value(out)) }),
    Function::new(3262, "jsonb_strip_nulls", &[JSONB], JSONB, |c| Ok(jsonb_value(strip_nulls(c.jsonb(0)?)))),
    Function::new(3306, "jsonb_pretty", &[JSONB], TEXT, pretty),
    Function::new(3960, "json_populate_record", &[ANYELEMENT, JSON, BOOL], ANYELEMENT, record::populate).stable().lax().defaults(&["false"]),
    Function::new(3209, "jsonb_populate_record", &[ANYELEMENT, JSONB], ANYELEMENT, record::populate).stable().lax(),
    Function::set(3961, "json_populate_recordset", &[ANYELEMENT, JSON, BOOL], ANYELEMENT, record::populate_set).stable().lax().defaults(&["false"]),
    Function::set(3475, "jsonb_populate_recordset", &[ANYELEMENT, JSONB], ANYELEMENT, record::populate_set).stable().lax(),
    Function::new(3204, "json_to_record", &[JSON], RECORD, record::to_record).stable(),
    Function::new(3490, "jsonb_to_record", &[JSONB], RECORD, record::to_record).stable(),
    Function::set(3205, "json_to_recordset", &[JSON], RECORD, record::to_record_set).stable().lax(),
    Function::set(3491, "jsonb_to_recordset", &[JSONB], RECORD, record::to_record_set).stable().lax(),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (3962, "->", JSON, TEXT, 3947),
    (3963, "->>", JSON, TEXT, 3948),
    (3964, "->", JSON, INT4, 3949),
    (3965, "->>", JSON, INT4, 3950),
    (3966, "#>", JSON, TEXT_ARRAY, 3951),
    (3967, "#>>", JSON, TEXT_ARRAY, 3953),
    (3211, "->", JSONB, TEXT, 3478),
    (3477, "->>", JSONB, TEXT, 3214),
    (3212, "->", JSONB, INT4, 3215),
    (3481, "->>", JSONB, INT4, 3216),
    (3213, "#>", JSONB, TEXT_ARRAY, 3217),
    (3206, "#>>", JSONB, TEXT_ARRAY, 3940),
    (3246, "@>", JSONB, JSONB, 4046),
    (3247, "?", JSONB, TEXT, 4047),
    (3248, "?|", JSONB, TEXT_ARRAY, 4048),
    (3249, "?&", JSONB, TEXT_ARRAY, 4049),
    (3250, "<@", JSONB, JSONB, 4050),
    (3284, "||", JSONB, JSONB, 3301),
    (3285, "-", JSONB, TEXT, 3302),
    (3398, "-", JSONB, TEXT_ARRAY, 3343),
    (3286, "-", JSONB, INT4, 3303),
    (3287, "#-", JSONB, TEXT_ARRAY, 3304),
];
