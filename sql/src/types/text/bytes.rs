//! Text forms of bool, bytea, "char", uuid, tid, bit strings and pg_lsn.
use super::invalid_syntax;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Value;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Reads a bool: any prefix of true, false, yes, no; on, off; 1, 0. Errors: 22P02.
pub(super) fn parse_bool(text: &str) -> Result<bool> {
    let word = text.trim_matches(|c: char| c.is_ascii_whitespace()).as_bytes();
    let prefix_of = |full: &[u8], min: usize| {
        word.len() >= min && word.len() <= full.len() && full[..word.len()].eq_ignore_ascii_case(word)
    };
    if prefix_of(b"true", 1) || prefix_of(b"yes", 1) || prefix_of(b"on", 2) || word == b"1" {
        Ok(true)
    } else if prefix_of(b"false", 1) || prefix_of(b"no", 1) || prefix_of(b"off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(invalid_syntax("boolean", text))
    }
}

fn push_hex(byte: u8, out: &mut String) {
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn push_octal(byte: u8, out: &mut String) {
    out.push('\\');
    for shift in [6, 3, 0] {
        out.push(char::from(b'0' + (byte >> shift & 7)));
    }
}

/// Appends a bytea in hex or escape form.
pub(super) fn push_bytea(bytes: &[u8], escape: bool, out: &mut String) {
    if !escape {
        out.reserve(2 + bytes.len() * 2);
        out.push_str("\\x");
        bytes.iter().for_each(|byte| push_hex(*byte, out));
        return;
    }
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => push_octal(*byte, out),
        }
    }
}

/// Reads a bytea in either form. Errors: 22023 bad hex, 22P02 bad escape.
pub(super) fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escape(text),
    }
}

fn parse_hex(hex: &str) -> Result<Vec<u8>> {
    let invalid = |message: String| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut high: Option<u8> = None;
    for c in hex.chars() {
        if high.is_none() && matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok());
        let digit = digit.ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")))?;
        match high.take() {
            Some(first) => bytes.push(first << 4 | digit),
            None => high = Some(digit),
        }
    }
    if high.is_some() {
        return Err(invalid("invalid hexadecimal data: odd number of digits".to_owned()));
    }
    Ok(bytes)
}

fn parse_escape(text: &str) -> Result<Vec<u8>> {
    let input = text.as_bytes();
    let mut bytes = Vec::with_capacity(input.len());
    let mut at = 0;
    while let Some(byte) = input.get(at) {
        if *byte != b'\\' {
            bytes.push(*byte);
            at += 1;
            continue;
        }
        match input.get(at + 1..) {
            Some([b'\\', ..]) => {
                bytes.push(b'\\');
                at += 2;
            }
            Some([a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            _ => {
                return Err(SqlError::new(
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    "invalid input syntax for type bytea",
                ));
            }
        }
    }
    Ok(bytes)
}

/// Appends a "char": nothing for 0, an octal escape above ASCII.
pub(super) fn push_char(byte: u8, out: &mut String) {
    match byte {
        0 => {}
        1..=0x7f => out.push(char::from(byte)),
        _ => push_octal(byte, out),
    }
}

/// Reads a "char": the first byte, or an octal escape.
pub(super) fn parse_char(text: &str) -> u8 {
    match text.as_bytes() {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'),
        [first, ..] => *first,
        [] => 0,
    }
}

/// Appends a uuid with dashes.
pub(super) fn push_uuid(bytes: &[u8; 16], out: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        push_hex(*byte, out);
    }
}

/// Reads a uuid: 32 hex digits, dashes after any group of four, braces around. Errors: 22P02.
pub(super) fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let invalid = || invalid_syntax("uuid", text);
    let body = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut bytes = [0u8; 16];
    let mut digits = 0;
    let mut after_dash = true;
    for c in body.bytes() {
        if c == b'-' {
            if after_dash || digits % 4 != 0 || digits == 32 {
                return Err(invalid());
            }
            after_dash = true;
            continue;
        }
        let digit = char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(invalid)?;
        let slot = bytes.get_mut(digits / 2).ok_or_else(invalid)?;
        *slot = *slot << 4 | digit;
        digits += 1;
        after_dash = false;
    }
    if digits == 32 { Ok(bytes) } else { Err(invalid()) }
}

/// Reads `(block,offset)`. Errors: 22P02.
pub(super) fn parse_tid(text: &str) -> Result<Value> {
    let parse = || {
        let (block, offset) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        Some(Value::Tid(block.parse().ok()?, offset.parse().ok()?))
    };
    parse().ok_or_else(|| invalid_syntax("tid", text))
}

/// Reads a bit string: binary digits, after `b` optionally, or hex digits after `x`. Errors: 22P02.
pub(super) fn parse_bits(text: &str) -> Result<String> {
    let invalid = |c: char, kind: &str| {
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("\"{c}\" is not a valid {kind} digit"))
    };
    if let Some(hex) = text.strip_prefix(['x', 'X']) {
        let mut bits = String::with_capacity(hex.len() * 4);
        for c in hex.chars() {
            let digit = c.to_digit(16).ok_or_else(|| invalid(c, "hexadecimal"))?;
            for shift in [3, 2, 1, 0] {
                bits.push(if digit >> shift & 1 == 1 { '1' } else { '0' });
            }
        }
        return Ok(bits);
    }
    let body = text.strip_prefix(['b', 'B']).unwrap_or(text);
    match body.chars().find(|c| !matches!(c, '0' | '1')) {
        Some(c) => Err(invalid(c, "binary")),
        None => Ok(body.to_owned()),
    }
}

/// Reads a log position `X/X` and prints it without leading zeros. Errors: 22P02.
pub(super) fn parse_lsn(text: &str) -> Result<String> {
    let half = |part: &str| {
        let valid = (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
        if valid { u32::from_str_radix(part, 16).ok() } else { None }
    };
    let parsed = text.split_once('/').and_then(|(high, low)| Some((half(high)?, half(low)?)));
    let (high, low) = parsed.ok_or_else(|| invalid_syntax("pg_lsn", text))?;
    Ok(format!("{high:X}/{low:X}"))
}
