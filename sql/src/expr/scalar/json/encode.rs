//! SQL values as JSON.
use std::sync::Arc;

use crate::error::{Result, SqlError, SqlState};
use crate::types::json::push_string;
use crate::types::{DataType, DateFormat, Jsonb, Numeric, Oid, Record, TextStyle, Value, to_text};

/// The text form.
pub(super) fn printed(value: &Value, ty: DataType, style: &TextStyle) -> String {
    let mut out = String::new();
    to_text(value, ty, style, &mut out);
    out
}

/// Dates and times as ISO 8601 writes them, whatever the session's style.
fn iso(value: &Value, ty: DataType, style: &TextStyle) -> String {
    let mut style = style.clone();
    style.date_style.format = DateFormat::Iso;
    let mut text = printed(value, ty, &style);
    if matches!(value, Value::Timestamp(_) | Value::TimestampTz(_)) && text.starts_with(|c: char| c.is_ascii_digit()) {
        text = text.replacen(' ', "T", 1);
    }
    if matches!(value, Value::TimestampTz(_))
        && let Some(sign) = text.rfind(['+', '-'])
        && text.get(sign..).is_some_and(|zone| !zone.contains(':') && zone.len() >= 3)
        && text.contains('T')
    {
        text.insert_str(sign + 3, ":00");
    }
    text
}

fn is_number(text: &str) -> bool {
    text.bytes().last().is_some_and(|byte| byte.is_ascii_digit())
}

/// The name of field `index` of a record: `f1` … where it has none.
pub(super) fn field_name(record: &Record, index: usize) -> Arc<str> {
    match record.fields.get(index) {
        Some((name, _, _)) if !name.is_empty() => Arc::clone(name),
        _ => Arc::from(format!("f{}", index + 1)),
    }
}

/// Whether it becomes an object or array.
pub(in crate::expr) fn is_structured(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Record(_))
}

/// Appends a value as json text.
pub(in crate::expr) fn to_json(value: &Value, ty: DataType, style: &TextStyle, out: &mut String) -> Result<()> {
    write_json(value, ty, style, ",", out)
}

/// `separator` stands between the outermost items or fields.
pub(super) fn write_json(
    value: &Value,
    ty: DataType,
    style: &TextStyle,
    separator: &str,
    out: &mut String,
) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Float4(_) | Value::Float8(_) | Value::Numeric(_) => {
            let text = printed(value, ty, style);
            if is_number(&text) { out.push_str(&text) } else { push_string(&text, out) }
        }
        Value::Json(text) => out.push_str(text),
        Value::Jsonb(document) => document.print(out),
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => push_string(&iso(value, ty, style), out),
        Value::Array(array) => {
            write_items(&array.items, array.element, &array.dims, style, separator, out)?;
        }
        Value::Record(record) => {
            out.push('{');
            for (index, (_, ty, value)) in record.fields.iter().enumerate() {
                if index > 0 {
                    out.push_str(separator);
                }
                push_string(&field_name(record, index), out);
                out.push(':');
                write_json(value, *ty, style, ",", out)?;
            }
            out.push('}');
        }
        other => push_string(&printed(other, ty, style), out),
    }
    Ok(())
}

fn write_items(
    items: &[Value],
    element: Oid,
    dims: &[(i32, i32)],
    style: &TextStyle,
    separator: &str,
    out: &mut String,
) -> Result<()> {
    out.push('[');
    if let [_, rest @ ..] = dims {
        let width = rest.iter().map(|(length, _)| usize::try_from(*length).unwrap_or(0)).product::<usize>().max(1);
        for (index, part) in items.chunks(width).enumerate() {
            if index > 0 {
                out.push_str(separator);
            }
            match part {
                [item] if rest.is_empty() => write_json(item, DataType::new(element), style, ",", out)?,
                part => write_items(part, element, rest, style, ",", out)?,
            }
        }
    }
    out.push(']');
    Ok(())
}

/// A value as a jsonb document. Errors: 22P02 a json value that is not one.
pub(crate) fn to_jsonb(value: &Value, ty: DataType, style: &TextStyle) -> Result<Jsonb> {
    Ok(match value {
        Value::Null => Jsonb::Null,
        Value::Bool(b) => Jsonb::Bool(*b),
        Value::Numeric(n) if matches!(**n, Numeric::Finite(_)) => Jsonb::Number((**n).clone()),
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) => {
            Jsonb::Number(Numeric::Finite(value.as_i64().unwrap_or(0).into()))
        }
        Value::Float4(_) | Value::Float8(_) => {
            let text = printed(value, ty, style);
            if is_number(&text) { Jsonb::Number(Numeric::parse(&text)?) } else { Jsonb::String(Arc::from(text)) }
        }
        Value::Json(text) => Jsonb::parse(text)?,
        Value::Jsonb(document) => (**document).clone(),
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => Jsonb::String(Arc::from(iso(value, ty, style))),
        Value::Array(array) => items_to_jsonb(&array.items, array.element, &array.dims, style)?,
        Value::Record(record) => {
            let members = record.fields.iter().enumerate();
            let members = members
                .map(|(index, (_, ty, value))| Ok((field_name(record, index), to_jsonb(value, *ty, style)?)))
                .collect::<Result<Vec<_>>>()?;
            Jsonb::object(members)
        }
        Value::Text(text) if ty.oid != crate::types::oid::INET => Jsonb::String(Arc::clone(text)),
        other => Jsonb::String(Arc::from(printed(other, ty, style))),
    })
}

fn items_to_jsonb(items: &[Value], element: Oid, dims: &[(i32, i32)], style: &TextStyle) -> Result<Jsonb> {
    let [_, rest @ ..] = dims else { return Ok(Jsonb::Array(Vec::new())) };
    if rest.is_empty() {
        let items = items.iter().map(|item| to_jsonb(item, DataType::new(element), style));
        return Ok(Jsonb::Array(items.collect::<Result<Vec<_>>>()?));
    }
    let width = rest.iter().map(|(length, _)| usize::try_from(*length).unwrap_or(0)).product::<usize>().max(1);
    let parts = items.chunks(width).map(|part| items_to_jsonb(part, element, rest, style));
    Ok(Jsonb::Array(parts.collect::<Result<Vec<_>>>()?))
}

/// A value as the key of an object; `None` for NULL. Errors: 22023 not a scalar.
pub(in crate::expr) fn json_key(value: &Value, ty: DataType, style: &TextStyle) -> Result<Option<String>> {
    Ok(match value {
        Value::Null => None,
        Value::Array(_) | Value::Record(_) | Value::Json(_) | Value::Jsonb(_) => {
            return Err(SqlError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "key value must be scalar, not array, composite, or json",
            ));
        }
        Value::Bool(b) => Some(if *b { "true" } else { "false" }.to_owned()),
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => Some(iso(value, ty, style)),
        other => Some(printed(other, ty, style)),
    })
}
