//! Parts of a json text, cut out as they stand. The text was validated when the value was made; a text that is not
//! JSON all the same gives fewer parts, never a panic.
use serde_json::Value as Serde;

/// What a json text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

pub(super) fn kind(text: &str) -> Kind {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| blank(*byte)) {
        at += 1;
    }
    at
}

/// The place after the string that starts at `at`.
fn skip_string(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The place after the value that starts at `at`.
fn skip_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = skip_string(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if depth <= 1 {
                    return if depth == 1 { at + 1 } else { at };
                }
                depth -= 1;
            }
            b',' if depth == 0 => return at,
            byte if depth == 0 && blank(*byte) => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The items of an array.
pub(super) fn items(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut at = skip_blanks(bytes, 0) + 1;
    let mut items = Vec::new();
    loop {
        at = skip_blanks(bytes, at);
        if matches!(bytes.get(at), None | Some(b']')) {
            return items;
        }
        let end = skip_value(bytes, at);
        items.push(text.get(at..end).unwrap_or(""));
        at = skip_blanks(bytes, end.max(at + 1));
        if bytes.get(at) == Some(&b',') {
            at += 1;
        }
    }
}

/// The members of an object: key, value.
pub(super) fn members(text: &str) -> Vec<(String, &str)> {
    let bytes = text.as_bytes();
    let mut at = skip_blanks(bytes, 0) + 1;
    let mut members = Vec::new();
    loop {
        at = skip_blanks(bytes, at);
        if bytes.get(at) != Some(&b'"') {
            return members;
        }
        let key_end = skip_string(bytes, at);
        let key = unquote(text.get(at..key_end).unwrap_or("\"\""));
        at = skip_blanks(bytes, key_end);
        if bytes.get(at) == Some(&b':') {
            at = skip_blanks(bytes, at + 1);
        }
        let end = skip_value(bytes, at);
        members.push((key, text.get(at..end).unwrap_or("")));
        at = skip_blanks(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at += 1;
        }
    }
}

/// The text of a JSON string.
pub(super) fn unquote(text: &str) -> String {
    match serde_json::from_str::<Serde>(text) {
        Ok(Serde::String(text)) => text,
        _ => text.to_owned(),
    }
}

/// One step of a path: a key of an object (the last of equal ones) or a place in an array.
pub(super) fn step<'a>(text: &'a str, step: &str) -> Option<&'a str> {
    match kind(text) {
        Kind::Object => members(text).into_iter().rev().find(|(key, _)| key == step).map(|(_, value)| value),
        Kind::Array => item(text, step.trim().parse().ok()?),
        _ => None,
    }
}

/// An item of an array, counted from the end if negative.
pub(super) fn item(text: &str, index: i64) -> Option<&str> {
    if kind(text) != Kind::Array {
        return None;
    }
    let items = items(text);
    let length = i64::try_from(items.len()).ok()?;
    let index = if index < 0 { index.checked_add(length)? } else { index };
    items.get(usize::try_from(index).ok()?).copied()
}

/// A value as `->>` gives it: strings without quotes, `None` for null.
pub(super) fn as_text(text: &str) -> Option<String> {
    match kind(text) {
        Kind::Null => None,
        Kind::String => Some(unquote(text.trim())),
        _ => Some(text.to_owned()),
    }
}
