//! bytea functions, encodings and digests.
use std::sync::Arc;

use base64::Engine as _;
use md5::Digest as _;

use super::OperatorRow;
use super::args::{int4_value, invalid};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::Value;
use crate::types::oid::{BYTEA, INT4, INT8, NAME, TEXT};

fn bytea(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytea(Arc::from(bytes.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unknown_encoding(name: &str) -> SqlError {
    invalid(format!("unrecognized encoding: \"{name}\""))
}

fn encode(call: &Call<'_>) -> Result<Value> {
    let (bytes, name) = (call.bytes(0)?, call.text(1)?);
    Ok(Value::from(match name.to_ascii_lowercase().as_str() {
        "hex" => hex(bytes),
        // Lines of 76 characters, as MIME has them.
        "base64" => {
            let flat = base64::engine::general_purpose::STANDARD.encode(bytes);
            let mut out = String::with_capacity(flat.len() + flat.len() / 76);
            for (index, c) in flat.chars().enumerate() {
                if index > 0 && index % 76 == 0 {
                    out.push('\n');
                }
                out.push(c);
            }
            out
        }
        "escape" => bytes.iter().fold(String::new(), |mut out, byte| {
            match byte {
                b'\\' => out.push_str("\\\\"),
                0 | 128.. => out.push_str(&format!("\\{byte:03o}")),
                byte => out.push(char::from(*byte)),
            }
            out
        }),
        _ => return Err(unknown_encoding(name)),
    }))
}

fn decode(call: &Call<'_>) -> Result<Value> {
    let (text, name) = (call.text(0)?, call.text(1)?);
    match name.to_ascii_lowercase().as_str() {
        "hex" => decode_hex(text).map(bytea),
        "base64" => {
            let flat: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            if let Some(bad) = flat.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))) {
                return Err(invalid(format!("invalid symbol \"{bad}\" found while decoding base64 sequence")));
            }
            base64::engine::general_purpose::STANDARD.decode(flat).map(bytea).map_err(|_| {
                invalid("invalid base64 end sequence")
                    .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
            })
        }
        "escape" => {
            let bad = || SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea");
            let (source, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
            while let Some(byte) = source.get(at) {
                if *byte != b'\\' {
                    out.push(*byte);
                    at += 1;
                } else if source.get(at + 1) == Some(&b'\\') {
                    out.push(b'\\');
                    at += 2;
                } else {
                    let digits = text.get(at + 1..at + 4).ok_or_else(bad)?;
                    out.push(u8::from_str_radix(digits, 8).map_err(|_| bad())?);
                    at += 4;
                }
            }
            Ok(bytea(out))
        }
        _ => Err(unknown_encoding(name)),
    }
}

fn decode_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let values = digits
        .iter()
        .map(|c| c.to_digit(16).ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\""))))
        .collect::<Result<Vec<u32>>>()?;
    if values.len() % 2 != 0 {
        return Err(invalid("invalid hexadecimal data: odd number of digits"));
    }
    Ok(values.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(0)).collect())
}

fn substring(call: &Call<'_>) -> Result<Value> {
    let (bytes, start) = (call.bytes(0)?, call.int(1)?);
    let end = if call.args.len() > 2 {
        let length = call.int(2)?;
        if length < 0 {
            return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        start.saturating_add(length)
    } else {
        i64::MAX
    };
    let clamp = |n: i64| usize::try_from(n.max(1) - 1).unwrap_or(usize::MAX).min(bytes.len());
    let (from, to) = (clamp(start), clamp(end));
    Ok(bytea(&bytes[from..to.max(from)]))
}

fn overlay(call: &Call<'_>) -> Result<Value> {
    let (bytes, new, start) = (call.bytes(0)?, call.bytes(1)?, call.int(2)?);
    if start <= 0 {
        return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let length = if call.args.len() > 3 { call.int(3)? } else { i64::try_from(new.len()).unwrap_or(i64::MAX) };
    let clamp = |n: i64| usize::try_from(n.max(1) - 1).unwrap_or(usize::MAX).min(bytes.len());
    let (from, to) = (clamp(start), clamp(start.saturating_add(length)));
    Ok(bytea([&bytes[..from], new, &bytes[to..]].concat()))
}

fn position(call: &Call<'_>) -> Result<Value> {
    let (bytes, wanted) = (call.bytes(0)?, call.bytes(1)?);
    if wanted.is_empty() {
        return Ok(Value::Int4(1));
    }
    let found = bytes.windows(wanted.len()).position(|window| window == wanted);
    Ok(found.map_or(Value::Int4(0), |at| int4_value(at + 1)))
}

fn index_of(call: &Call<'_>, limit: usize) -> Result<usize> {
    let index = call.int(1)?;
    usize::try_from(index).ok().filter(|index| *index < limit).ok_or_else(|| {
        let last = i64::try_from(limit).unwrap_or(0) - 1;
        SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, format!("index {index} out of valid range, 0..{last}"))
    })
}

fn set_byte(call: &Call<'_>) -> Result<Value> {
    let mut bytes = call.bytes(0)?.to_vec();
    let index = index_of(call, bytes.len())?;
    bytes[index] = u8::try_from(call.int(2)? & 255).unwrap_or(0);
    Ok(bytea(bytes))
}

fn set_bit(call: &Call<'_>) -> Result<Value> {
    let mut bytes = call.bytes(0)?.to_vec();
    let index = index_of(call, bytes.len() * 8)?;
    match call.int(2)? {
        0 => bytes[index / 8] &= !(1 << (index % 8)),
        1 => bytes[index / 8] |= 1 << (index % 8),
        _ => return Err(invalid("new bit must be 0 or 1")),
    }
    Ok(bytea(bytes))
}

fn get_bit(call: &Call<'_>) -> Result<Value> {
    let bytes = call.bytes(0)?;
    let index = index_of(call, bytes.len() * 8)?;
    Ok(Value::Int4(i32::from(bytes[index / 8] >> (index % 8) & 1)))
}

fn get_byte(call: &Call<'_>) -> Result<Value> {
    let bytes = call.bytes(0)?;
    Ok(Value::Int4(i32::from(bytes[index_of(call, bytes.len())?])))
}

fn trim(call: &Call<'_>, left: bool, right: bool) -> Result<Value> {
    let (mut bytes, set) = (call.bytes(0)?, call.bytes(1)?);
    while left && bytes.first().is_some_and(|byte| set.contains(byte)) {
        bytes = &bytes[1..];
    }
    while right && bytes.last().is_some_and(|byte| set.contains(byte)) {
        bytes = &bytes[..bytes.len() - 1];
    }
    Ok(bytea(bytes))
}

fn utf8_only(name: &str) -> Result<()> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        "latin1" | "iso88591" | "win1252" | "latin9" => Err(SqlError::unsupported(format!("encoding \"{name}\""))),
        _ => Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("invalid encoding name \"{name}\""))),
    }
}

fn convert_from(call: &Call<'_>) -> Result<Value> {
    utf8_only(call.text(1)?)?;
    let bytes = call.bytes(0)?;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(Value::text(text)),
        Ok(_) => Err(SqlError::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )),
        Err(error) => {
            let bad: Vec<String> = bytes[error.valid_up_to()..]
                .iter()
                .take(error.error_len().unwrap_or(1))
                .map(|b| format!("0x{b:02x}"))
                .collect();
            Err(SqlError::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                format!("invalid byte sequence for encoding \"UTF8\": {}", bad.join(" ")),
            ))
        }
    }
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(2011, "byteacat", &[BYTEA, BYTEA], BYTEA, |c| Ok(bytea([c.bytes(0)?, c.bytes(1)?].concat()))),
    Function::new(1946, "encode", &[BYTEA, TEXT], TEXT, encode),
    Function::new(1947, "decode", &[TEXT, TEXT], BYTEA, decode),
    Function::new(2311, "md5", &[TEXT], TEXT, |c| Ok(Value::from(hex(&md5::Md5::digest(c.text(0)?))))),
    Function::new(2321, "md5", &[BYTEA], TEXT, |c| Ok(Value::from(hex(&md5::Md5::digest(c.bytes(0)?))))),
    Function::new(3419, "sha224", &[BYTEA], BYTEA, |c| Ok(bytea(sha2::Sha224::digest(c.bytes(0)?)))),
    Function::new(3420, "sha256", &[BYTEA], BYTEA, |c| Ok(bytea(sha2::Sha256::digest(c.bytes(0)?)))),
    Function::new(3421, "sha384", &[BYTEA], BYTEA, |c| Ok(bytea(sha2::Sha384::digest(c.bytes(0)?)))),
    Function::new(3422, "sha512", &[BYTEA], BYTEA, |c| Ok(bytea(sha2::Sha512::digest(c.bytes(0)?)))),
    Function::new(720, "octet_length", &[BYTEA], INT4, |c| Ok(int4_value(c.bytes(0)?.len()))),
    Function::new(2010, "length", &[BYTEA], INT4, |c| Ok(int4_value(c.bytes(0)?.len()))),
    Function::new(1810, "bit_length", &[BYTEA], INT4, |c| Ok(int4_value(c.bytes(0)?.len() * 8))),
    Function::new(2012, "substring", &[BYTEA, INT4, INT4], BYTEA, substring),
    Function::new(2013, "substring", &[BYTEA, INT4], BYTEA, substring),
    Function::new(2085, "substr", &[BYTEA, INT4, INT4], BYTEA, substring),
    Function::new(2086, "substr", &[BYTEA, INT4], BYTEA, substring),
    Function::new(749, "overlay", &[BYTEA, BYTEA, INT4, INT4], BYTEA, overlay),
    Function::new(752, "overlay", &[BYTEA, BYTEA, INT4], BYTEA, overlay),
    Function::new(2014, "position", &[BYTEA, BYTEA], INT4, position),
    Function::new(721, "get_byte", &[BYTEA, INT4], INT4, get_byte),
    Function::new(722, "set_byte", &[BYTEA, INT4, INT4], BYTEA, set_byte),
    Function::new(723, "get_bit", &[BYTEA, INT8], INT4, get_bit),
    Function::new(724, "set_bit", &[BYTEA, INT8, INT4], BYTEA, set_bit),
    Function::new(6163, "bit_count", &[BYTEA], INT8, |c| Ok(Value::Int8(c.bytes(0)?.iter().map(|byte| i64::from(byte.count_ones())).sum()))),
    Function::new(2015, "btrim", &[BYTEA, BYTEA], BYTEA, |c| trim(c, true, true)),
    Function::new(6195, "ltrim", &[BYTEA, BYTEA], BYTEA, |c| trim(c, true, false)),
    Function::new(6196, "rtrim", &[BYTEA, BYTEA], BYTEA, |c| trim(c, false, true)),
    Function::new(1714, "convert_from", &[BYTEA, NAME], TEXT, convert_from).stable(),
    Function::new(1717, "convert_to", &[TEXT, NAME], BYTEA, |c| { utf8_only(c.text(1)?)?; Ok(bytea(c.text(0)?)) }).stable(),
    Function::new(1813, "convert", &[BYTEA, NAME, NAME], BYTEA, |c| { utf8_only(c.text(1)?)?; utf8_only(c.text(2)?)?; Ok(bytea(c.bytes(0)?)) }).stable(),
    Function::new(1713, "length", &[BYTEA, NAME], INT4, |c| { let text = convert_from(c)?; Ok(int4_value(text.as_str().map_or(0, |text| text.chars().count()))) }).stable(),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (2018, "||", BYTEA, BYTEA, 2011),
];
