//! Parameters in: the values of Bind by type and format.
//!
//! Integers and text are read here, the rest by `types`, which asks the catalog through the style about enums and rows.

use std::sync::Arc;

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, TextStyle, Value, from_binary, from_text, oid, utf8};

/// Reads the parameter with this number (from 1).
/// Errors: 22P02 and the like for text, 22P03 for binary (08P01 when it is too short), 22021 for text that is not UTF-8, 22023 for another format.
pub(crate) fn decode(bytes: &[u8], ty: DataType, format: i16, style: &TextStyle, number: usize) -> Result<Value> {
    match format {
        0 => decode_text(bytes, ty, style),
        1 => decode_binary(bytes, ty, style, number),
        other => Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}"))),
    }
}

fn decode_text(bytes: &[u8], ty: DataType, style: &TextStyle) -> Result<Value> {
    let text = utf8(bytes)?;
    match ty.oid {
        oid::TEXT | oid::VARCHAR | oid::UNKNOWN => Ok(Value::Text(Arc::from(text))),
        _ => from_text(text, ty, style),
    }
}

fn decode_binary(bytes: &[u8], ty: DataType, style: &TextStyle, number: usize) -> Result<Value> {
    let value = match (ty.oid, bytes) {
        (oid::INT4, &[a, b, c, d]) => Value::Int4(i32::from_be_bytes([a, b, c, d])),
        (oid::INT8, &[a, b, c, d, e, f, g, h]) => Value::Int8(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        (oid::INT2, &[a, b]) => Value::Int2(i16::from_be_bytes([a, b])),
        (oid::TEXT | oid::VARCHAR | oid::UNKNOWN, text) => Value::Text(Arc::from(utf8(text)?)),
        _ => {
            return from_binary(bytes, ty, style).map_err(|mut error| {
                if error.state() == SqlState::INVALID_BINARY_REPRESENTATION {
                    error.fields_mut().message = format!("incorrect binary data format in bind parameter {number}");
                }
                error
            });
        }
    };
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(bytes: &[u8], ty: DataType) -> Result<Value> {
        decode(bytes, ty, 1, &TextStyle::default(), 1)
    }

    // PG-30
    #[test]
    fn integers_and_text_without_a_detour() {
        assert_eq!(binary(b"\0\0\x01\0", DataType::INT4).unwrap(), Value::Int4(256));
        assert_eq!(binary(b"\xff\xff\xff\xff\xff\xff\xff\xfe", DataType::INT8).unwrap(), Value::Int8(-2));
        assert_eq!(binary("ä".as_bytes(), DataType::TEXT).unwrap(), Value::text("ä"));
        let text = decode(b"x", DataType::TEXT, 0, &TextStyle::default(), 1).unwrap();
        assert_eq!(text, Value::text("x"));
    }

    // PG-43
    #[test]
    fn text_must_be_utf8_without_nul() {
        for bytes in [&b"\xff"[..], b"a\0"] {
            for format in [0, 1] {
                let error = decode(bytes, DataType::TEXT, format, &TextStyle::default(), 1).unwrap_err();
                assert_eq!(error.state(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
            }
        }
    }

    #[test]
    fn other_formats_are_refused() {
        let error = decode(b"1", DataType::INT4, 2, &TextStyle::default(), 1).unwrap_err();
        assert_eq!(error.state(), SqlState::INVALID_PARAMETER_VALUE);
    }
}
