//! JSON objects as records: json[b]_populate_record[set] and json[b]_to_record[set].
//!
//! The fields come from a record given as an argument: the base of populate_record, or, for to_record, a record of
//! NULLs that the binder appends from the column definition list (`AS x(a int, b text)`).
use std::sync::Arc;

use super::super::args::invalid;
use super::encode::printed;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::element_of;
use crate::expr::function::Call;
use crate::types::{Array, DataType, Jsonb, Record, Row, TextStyle, Value, apply_typmod, from_text, oid, type_info};

/// The document in argument `index`, json or jsonb; `None` for NULL.
fn document(call: &Call<'_>, index: usize) -> Result<Option<Jsonb>> {
    match call.args.get(index) {
        Some(Value::Json(text)) => Jsonb::parse(text).map(Some),
        Some(Value::Jsonb(document)) => Ok(Some((**document).clone())),
        _ => Ok(None),
    }
}

fn needs_columns() -> SqlError {
    SqlError::new(SqlState::SYNTAX_ERROR, "a column definition list is required for functions returning \"record\"")
}

/// A JSON value as a value of this type.
fn value_of(json: &Jsonb, ty: DataType, style: &TextStyle) -> Result<Value> {
    let text = match json {
        Jsonb::Null => return Ok(Value::Null),
        _ if ty.oid == oid::JSONB => return Ok(Value::Jsonb(Arc::new(json.clone()))),
        _ if ty.oid == oid::JSON => {
            let mut out = String::new();
            json.print(&mut out);
            return Ok(Value::Json(Arc::from(out)));
        }
        Jsonb::Array(items) if element_of(ty.oid).is_some() => {
            let element = element_of(ty.oid).unwrap_or(oid::UNKNOWN);
            return array_of(items, element, ty, style);
        }
        Jsonb::Bool(b) => if *b { "true" } else { "false" }.to_owned(),
        Jsonb::String(text) => text.to_string(),
        other => {
            let mut out = String::new();
            other.print(&mut out);
            if element_of(ty.oid).is_some() {
                let name = type_info(ty.oid).map_or("array", |info| info.sql_name);
                return Err(SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, "expected JSON array")
                    .hint(format!("See the value of type {name}.")));
            }
            out
        }
    };
    let value = from_text(&text, DataType::new(ty.oid), style)?;
    if ty.typmod == -1 { Ok(value) } else { apply_typmod(value, ty, false) }
}

fn array_of(items: &[Jsonb], element: u32, ty: DataType, style: &TextStyle) -> Result<Value> {
    let nested = items.iter().any(|item| matches!(item, Jsonb::Array(_)));
    let item_type = if nested { ty } else { DataType::with_typmod(element, ty.typmod) };
    let values = items.iter().map(|item| value_of(item, item_type, style)).collect::<Result<Vec<_>>>()?;
    if nested {
        return crate::expr::build_array(element, values, true);
    }
    Ok(Value::Array(Arc::new(Array::one_dimensional(element, values))))
}

fn fill(base: &Record, json: &Jsonb, style: &TextStyle) -> Result<Value> {
    let fields = base
        .fields
        .iter()
        .map(|(name, ty, old)| {
            let value = match json.member(name) {
                Some(Jsonb::Object(_)) if matches!(old, Value::Record(_)) => match (old, json.member(name)) {
                    (Value::Record(inner), Some(json)) => fill(inner, json, style)?,
                    _ => old.clone(),
                },
                Some(json) => value_of(json, *ty, style)?,
                None => old.clone(),
            };
            Ok((Arc::clone(name), *ty, value))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Value::Record(Arc::new(Record { fields })))
}

fn object<'a>(json: &'a Jsonb, name: &str) -> Result<&'a Jsonb> {
    match json {
        Jsonb::Object(_) => Ok(json),
        Jsonb::Array(_) => Err(invalid(format!("cannot call {name} on an array"))),
        _ => Err(invalid(format!("cannot call {name} on a scalar"))),
    }
}

fn base(call: &Call<'_>, index: usize) -> Result<Arc<Record>> {
    match call.args.get(index) {
        Some(Value::Record(record)) => Ok(Arc::clone(record)),
        _ => Err(needs_columns()),
    }
}

pub(super) fn populate(call: &Call<'_>) -> Result<Value> {
    let Some(json) = document(call, 1)? else { return Ok(call.args.first().cloned().unwrap_or_default()) };
    fill(&*base(call, 0)?, object(&json, "populate_composite")?, call.ctx.style)
}

pub(super) fn to_record(call: &Call<'_>) -> Result<Value> {
    let Some(json) = document(call, 0)? else { return Ok(Value::Null) };
    fill(&*base(call, 1)?, object(&json, "populate_composite")?, call.ctx.style)
}

fn records(json: &Jsonb, base: &Record, call: &Call<'_>, name: &str) -> Result<Vec<Row>> {
    let Jsonb::Array(items) = json else {
        return Err(invalid(match json {
            Jsonb::Object(_) => format!("cannot call {name} on an object"),
            _ => format!("cannot call {name} on a scalar"),
        }));
    };
    items
        .iter()
        .map(|item| match item {
            Jsonb::Object(_) => Ok(vec![fill(base, item, call.ctx.style)?]),
            _ => Err(invalid(format!("argument of {name} must be an array of objects"))),
        })
        .collect()
}

pub(super) fn populate_set(call: &Call<'_>) -> Result<Vec<Row>> {
    match document(call, 1)? {
        Some(json) => records(&json, &*base(call, 0)?, call, "jsonb_populate_recordset"),
        None => Ok(Vec::new()),
    }
}

pub(super) fn to_record_set(call: &Call<'_>) -> Result<Vec<Row>> {
    match document(call, 0)? {
        Some(json) => records(&json, &*base(call, 1)?, call, "jsonb_to_recordset"),
        None => Ok(Vec::new()),
    }
}

/// row_to_json(record, pretty)
pub(super) fn row_to_json(call: &Call<'_>) -> Result<Value> {
    let pretty = call.args.get(1).and_then(Value::as_bool).unwrap_or(false);
    let mut out = String::new();
    let value = call.args.first().unwrap_or(&Value::Null);
    let ty = call.arg_types.first().copied().unwrap_or(DataType::RECORD);
    if !matches!(value, Value::Record(_) | Value::Array(_)) {
        return Err(SqlError::internal(format!("row_to_json of {}", printed(value, ty, call.ctx.style))));
    }
    super::encode::write_json(value, ty, call.ctx.style, if pretty { ",\n " } else { "," }, &mut out)?;
    Ok(Value::Json(Arc::from(out)))
}
