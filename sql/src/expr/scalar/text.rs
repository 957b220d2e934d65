//! Text functions (PG-113). Positions and lengths count characters, from 1.
use std::sync::Arc;

use super::OperatorRow;
use super::TEXT_ARRAY;
use super::args::{int4_value, invalid};
use super::keywords::KEYWORDS;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{ANY, ANYARRAY, ANYELEMENT, ANYNONARRAY, BOOL, BPCHAR, CHAR, INT4, INT8, RECORD, TEXT};
use crate::types::{Array, DataType, Row, Value, oid, to_text};

/// Longest text that a function makes.
const TEXT_MAX: usize = 1 << 30;

fn too_long() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

fn concatenate(call: &Call<'_>) -> Result<Value> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    let mut out = String::with_capacity(left.len() + right.len());
    out.push_str(left);
    out.push_str(right);
    Ok(Value::from(out))
}

/// `text || anything` and back: the other side as its text.
fn concatenate_any(call: &Call<'_>) -> Result<Value> {
    let mut out = String::new();
    for index in 0..call.args.len() {
        match call.args[index].as_str() {
            Some(text) => out.push_str(text),
            // It is a cast to text, which writes truth values out.
            None if matches!(call.args[index], Value::Bool(true)) => out.push_str("true"),
            None if matches!(call.args[index], Value::Bool(false)) => out.push_str("false"),
            None => out.push_str(&call.printed(index).unwrap_or_default()),
        }
    }
    Ok(Value::from(out))
}

fn chars_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The byte where character `index` (from 0) begins; the end if there are fewer.
fn byte_at(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    out
}

fn substring(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    let start = call.int(1)?;
    let end = if call.args.len() > 2 {
        let length = call.int(2)?;
        if length < 0 {
            return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        Some(start.saturating_add(length))
    } else {
        None
    };
    let from = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let from = byte_at(text, from);
    let to = end.map_or(text.len(), |end| byte_at(text, usize::try_from(end.max(1) - 1).unwrap_or(usize::MAX)));
    Ok(Value::text(text.get(from..to.max(from)).unwrap_or("")))
}

fn overlay(call: &Call<'_>) -> Result<Value> {
    let (text, new, start) = (call.text(0)?, call.text(1)?, call.int(2)?);
    if start <= 0 {
        return Err(SqlError::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let length = if call.args.len() > 3 { call.int(3)? } else { i64::try_from(chars_of(new)).unwrap_or(i64::MAX) };
    let from = byte_at(text, usize::try_from(start - 1).unwrap_or(usize::MAX));
    let to = byte_at(text, usize::try_from(start.saturating_add(length).max(1) - 1).unwrap_or(usize::MAX));
    Ok(Value::from([text.get(..from).unwrap_or(""), new, text.get(to..).unwrap_or("")].concat()))
}

fn position(text: &str, wanted: &str) -> Value {
    text.find(wanted).map_or(Value::Int4(0), |at| int4_value(chars_of(&text[..at]) + 1))
}

fn translate(call: &Call<'_>) -> Result<Value> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match from.iter().position(|known| *known == c) {
            Some(place) => out.extend(to.get(place)),
            None => out.push(c),
        }
    }
    Ok(Value::from(out))
}

/// Which ends a trim takes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Both,
    Left,
    Right,
}

fn trim(call: &Call<'_>, ends: Ends) -> Result<Value> {
    let text = call.text(0)?;
    let set: Vec<char> = if call.args.len() > 1 { call.text(1)?.chars().collect() } else { vec![' '] };
    let mut trimmed = text;
    if ends != Ends::Right {
        trimmed = trimmed.trim_start_matches(set.as_slice());
    }
    if ends != Ends::Left {
        trimmed = trimmed.trim_end_matches(set.as_slice());
    }
    if trimmed.len() == text.len() {
        return Ok(call.args.first().cloned().unwrap_or_default());
    }
    Ok(Value::text(trimmed))
}

fn pad(call: &Call<'_>, left: bool) -> Result<Value> {
    let (text, length) = (call.text(0)?, usize::try_from(call.int(1)?).unwrap_or(0));
    let fill = if call.args.len() > 2 { call.text(2)? } else { " " };
    if length.saturating_mul(4) > TEXT_MAX {
        return Err(too_long());
    }
    let have = chars_of(text);
    if have >= length || fill.is_empty() {
        return Ok(Value::text(&text[..byte_at(text, length)]));
    }
    let padding: String = fill.chars().cycle().take(length - have).collect();
    Ok(Value::from(if left { padding + text } else { text.to_owned() + &padding }))
}

/// `left(text, n)` and `right`: a negative n leaves that many at the other end.
fn end_part(call: &Call<'_>, left: bool) -> Result<Value> {
    let (text, n) = (call.text(0)?, call.int(1)?);
    let length = i64::try_from(chars_of(text)).unwrap_or(i64::MAX);
    let take = if n < 0 { (length + n).max(0) } else { n.min(length) };
    let cut = |chars: i64| byte_at(text, usize::try_from(chars).unwrap_or(0));
    Ok(Value::text(if left { &text[..cut(take)] } else { &text[cut(length - take)..] }))
}

fn concat(call: &Call<'_>, from: usize, separator: &str) -> Result<Value> {
    let mut out = String::new();
    let mut first = true;
    for index in from..call.args.len() {
        let value = &call.args[index];
        if value.is_null() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push_str(separator);
        }
        match value {
            Value::Text(text) => out.push_str(text),
            value => {
                let ty = call.arg_types.get(index).copied().unwrap_or(DataType::TEXT);
                to_text(value, ty, call.ctx.style, &mut out);
            }
        }
    }
    Ok(Value::from(out))
}

fn concat_ws(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Ok(Value::Null);
    }
    concat(call, 1, call.text(0)?)
}

fn split_part(call: &Call<'_>) -> Result<Value> {
    let (text, separator, n) = (call.text(0)?, call.text(1)?, call.int(2)?);
    if n == 0 {
        return Err(invalid("field position must not be zero"));
    }
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    if separator.is_empty() {
        return Ok(Value::text(if n == 1 || n == -1 { text } else { "" }));
    }
    let skip = usize::try_from(n.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = if n > 0 { text.split(separator).nth(skip) } else { text.rsplit(separator).nth(skip) };
    Ok(Value::text(found.unwrap_or("")))
}

fn repeat(call: &Call<'_>) -> Result<Value> {
    let (text, count) = (call.text(0)?, usize::try_from(call.int(1)?).unwrap_or(0));
    if text.len().checked_mul(count).is_none_or(|length| length > TEXT_MAX) {
        return Err(too_long());
    }
    Ok(Value::from(text.repeat(count)))
}

fn chr(call: &Call<'_>) -> Result<Value> {
    let code = call.int(0)?;
    if code == 0 {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "null character not permitted"));
    }
    if code < 0 {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "character number must be positive"));
    }
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    match c {
        Some(c) => Ok(Value::text(c.encode_utf8(&mut [0; 4]))),
        None => Err(SqlError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("requested character too large for encoding: {code}"),
        )),
    }
}

/// Whether an identifier must stand in double quotes: anything but lower-case letters, digits and `_`, or a word with
/// a meaning of its own.
pub(in crate::expr) fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let reserved =
        KEYWORDS.binary_search_by_key(&name, |(word, _, _)| word).is_ok_and(|place| KEYWORDS[place].1 != b'U');
    if plain && !reserved { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as a literal; with backslashes in it, as an E'' literal.
pub(in crate::expr) fn quote_literal(text: &str) -> String {
    let escaped = text.contains('\\');
    let mut out = String::with_capacity(text.len() + 3);
    out.push_str(if escaped { "E'" } else { "'" });
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

fn format_error(message: impl Into<String>) -> SqlError {
    invalid(message)
}

/// format(): `%[position$][-][width]type` with type s, I, L or %.
fn format_call(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Ok(Value::Null);
    }
    let template = call.text(0)?;
    let mut out = String::with_capacity(template.len() + 16);
    let mut chars = template.chars().peekable();
    let mut next_argument = 1usize;
    let unterminated = || format_error("unterminated format() type specifier").hint("For a single \"%\" use \"%%\".");
    let argument = |index: usize| {
        if index < call.args.len() { Ok(index) } else { Err(format_error("too few arguments for format()")) }
    };
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<Option<usize>> {
            let mut digits = String::new();
            while let Some(digit) = chars.peek().filter(|c| c.is_ascii_digit()) {
                digits.push(*digit);
                chars.next();
            }
            if digits.is_empty() {
                return Ok(None);
            }
            digits
                .parse::<i32>()
                .ok()
                .and_then(|n| usize::try_from(n).ok())
                .map(Some)
                .ok_or_else(|| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))
        };
        let (mut place, mut width, mut left) = (None, None, false);
        let first = number(&mut chars)?;
        if first.is_some() && chars.peek() == Some(&'$') {
            chars.next();
            place = first;
            if place == Some(0) {
                return Err(format_error("format specifies argument 0, but arguments are numbered from 1"));
            }
        } else if first.is_some() {
            width = first;
        }
        if width.is_none() {
            while chars.peek() == Some(&'-') {
                chars.next();
                left = true;
            }
            if chars.peek() == Some(&'*') {
                chars.next();
                let given = number(&mut chars)?;
                if given.is_some() && chars.next() != Some('$') {
                    return Err(format_error("width argument position must be ended by \"$\""));
                }
                let index = argument(given.unwrap_or(next_argument))?;
                if given.is_none() {
                    next_argument += 1;
                }
                let n = call.args.get(index).and_then(Value::as_i64).unwrap_or(0);
                left |= n < 0;
                width = usize::try_from(n.unsigned_abs()).ok();
            } else {
                width = number(&mut chars)?;
            }
        }
        let kind = chars.next().ok_or_else(unterminated)?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(format_error(format!("unrecognized format() type specifier \"{kind}\""))
                .hint("For a single \"%\" use \"%%\"."));
        }
        let index = argument(place.unwrap_or(next_argument))?;
        next_argument = index + 1;
        let text = call.printed(index);
        let piece = match (kind, text) {
            ('s', text) => text.unwrap_or_default(),
            ('I', Some(text)) => quote_ident(&text),
            ('I', None) => {
                return Err(SqlError::new(
                    SqlState::NULL_VALUE_NOT_ALLOWED,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            (_, Some(text)) => quote_literal(&text),
            (_, None) => "NULL".to_owned(),
        };
        let width = width.unwrap_or(0);
        if width > TEXT_MAX {
            return Err(too_long());
        }
        let fill = width.saturating_sub(chars_of(&piece));
        if !left {
            out.extend(std::iter::repeat_n(' ', fill));
        }
        out.push_str(&piece);
        if left {
            out.extend(std::iter::repeat_n(' ', fill));
        }
    }
    Ok(Value::from(out))
}

/// The pieces of string_to_array and string_to_table.
fn pieces(call: &Call<'_>) -> Result<Option<Vec<Value>>> {
    if !call.has(0) {
        return Ok(None);
    }
    let text = call.text(0)?;
    let null = call.args.get(2).and_then(Value::as_str);
    let item = |piece: &str| if Some(piece) == null { Value::Null } else { Value::text(piece) };
    if text.is_empty() {
        return Ok(Some(Vec::new()));
    }
    Ok(Some(match call.args.get(1).and_then(Value::as_str) {
        None => text.chars().map(|c| item(c.encode_utf8(&mut [0; 4]))).collect(),
        Some("") => vec![item(text)],
        Some(separator) => text.split(separator).map(item).collect(),
    }))
}

fn string_to_array(call: &Call<'_>) -> Result<Value> {
    Ok(pieces(call)?.map_or(Value::Null, |items| Value::Array(Arc::new(Array::one_dimensional(oid::TEXT, items)))))
}

fn string_to_table(call: &Call<'_>) -> Result<Vec<Row>> {
    Ok(pieces(call)?.unwrap_or_default().into_iter().map(|item| vec![item]).collect())
}

fn array_to_string(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) || !call.has(1) {
        return Ok(Value::Null);
    }
    let (array, separator) = (call.array(0)?, call.text(1)?);
    let null = call.args.get(2).and_then(Value::as_str);
    let mut out = String::new();
    let mut first = true;
    for item in &array.items {
        if item.is_null() && null.is_none() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push_str(separator);
        }
        if item.is_null() {
            out.push_str(null.unwrap_or(""));
        } else {
            to_text(item, DataType::new(array.element), call.ctx.style, &mut out);
        }
    }
    Ok(Value::from(out))
}

fn hexadecimal(call: &Call<'_>) -> Result<Value> {
    Ok(Value::from(match call.args.first() {
        Some(Value::Int4(n)) => format!("{n:x}"),
        _ => format!("{:x}", call.int(0)?),
    }))
}

/// parse_ident: the parts of a qualified name.
fn parse_ident(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    let strict = call.args.get(1).and_then(Value::as_bool).unwrap_or(true);
    let bad = |why: &str| {
        let error = invalid(format!("string is not a valid identifier: \"{text}\""));
        if why.is_empty() { error } else { error.detail(why) }
    };
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((_, '"')) if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        name.push('"');
                    }
                    Some((at, '"')) => break at + 1,
                    Some((_, c)) => name.push(c),
                    None => return Err(bad("String has unclosed double quotes.")),
                }
            };
            if name.is_empty() {
                return Err(bad("Quoted identifier must not be empty."));
            }
            parts.push(Value::from(name));
            rest = quoted.get(end..).unwrap_or("").trim_start();
        } else {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()))
                .unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
                return Err(bad(""));
            }
            parts.push(Value::from(name.to_lowercase()));
            rest = rest[end..].trim_start();
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() || !strict => break,
            None => return Err(bad("")),
        }
    }
    Ok(Value::Array(Arc::new(Array::one_dimensional(oid::TEXT, parts))))
}

/// unistr: `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX` and `\\`.
fn unistr(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    let bad = || {
        SqlError::new(SqlState::SYNTAX_ERROR, "invalid Unicode escape")
            .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut high: Option<u32> = None;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (skip, digits) = match rest.chars().next() {
            Some('\\') => {
                out.push('\\');
                rest = &rest[1..];
                continue;
            }
            Some('+') => (1, 6),
            Some('u') => (1, 4),
            Some('U') => (1, 8),
            _ => (0, 4),
        };
        let code =
            rest.get(skip..skip + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(bad)?;
        rest = &rest[skip + digits..];
        let code = match (high.take(), code) {
            (Some(high), 0xDC00..=0xDFFF) => 0x10000_u32 + ((high - 0xD800_u32) << 10) + (code - 0xDC00),
            (None, 0xD800..=0xDBFF) => {
                high = Some(code);
                continue;
            }
            (None, code) => code,
            _ => return Err(SqlError::new(SqlState::SYNTAX_ERROR, "invalid Unicode surrogate pair")),
        };
        out.push(char::from_u32(code).ok_or_else(bad)?);
    }
    if high.is_some() {
        return Err(SqlError::new(SqlState::SYNTAX_ERROR, "invalid Unicode surrogate pair"));
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn quote_any(call: &Call<'_>, null: bool) -> Result<Value> {
    Ok(match call.printed(0) {
        Some(text) => Value::from(quote_literal(&text)),
        None if null => Value::text("NULL"),
        None => Value::Null,
    })
}

fn keywords(_: &Call<'_>) -> Result<Vec<Row>> {
    Ok(KEYWORDS
        .iter()
        .map(|(word, category, bare)| {
            let description = match category {
                b'U' => "unreserved",
                b'C' => "unreserved (cannot be function or type name)",
                b'T' => "reserved (can be function or type name)",
                _ => "reserved",
            };
            let bare_description = if *bare { "can be bare label" } else { "requires AS" };
            vec![
                Value::text(word),
                Value::Char(*category),
                Value::Bool(*bare),
                Value::text(description),
                Value::text(bare_description),
            ]
        })
        .collect())
}

/// One character for one, as PostgreSQL does it: ß stays.
fn upper_char(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(1258, "textcat", &[TEXT, TEXT], TEXT, concatenate),
    Function::new(2003, "textanycat", &[TEXT, ANYNONARRAY], TEXT, concatenate_any).stable(),
    Function::new(2004, "anytextcat", &[ANYNONARRAY, TEXT], TEXT, concatenate_any).stable(),
    Function::new(870, "lower", &[TEXT], TEXT, |c| Ok(Value::from(c.text(0)?.to_lowercase()))),
    Function::new(871, "upper", &[TEXT], TEXT, |c| Ok(Value::from(c.text(0)?.chars().map(upper_char).collect::<String>()))),
    Function::new(872, "initcap", &[TEXT], TEXT, |c| Ok(Value::from(initcap(c.text(0)?)))),
    Function::new(1317, "length", &[TEXT], INT4, |c| Ok(int4_value(chars_of(c.text(0)?)))),
    Function::new(1381, "char_length", &[TEXT], INT4, |c| Ok(int4_value(chars_of(c.text(0)?)))),
    Function::new(1369, "character_length", &[TEXT], INT4, |c| Ok(int4_value(chars_of(c.text(0)?)))),
    Function::new(1318, "length", &[BPCHAR], INT4, |c| Ok(int4_value(chars_of(c.text(0)?.trim_end_matches(' '))))),
    Function::new(1372, "char_length", &[BPCHAR], INT4, |c| Ok(int4_value(chars_of(c.text(0)?.trim_end_matches(' '))))),
    Function::new(1367, "character_length", &[BPCHAR], INT4, |c| Ok(int4_value(chars_of(c.text(0)?.trim_end_matches(' '))))),
    Function::new(1374, "octet_length", &[TEXT], INT4, |c| Ok(int4_value(c.text(0)?.len()))),
    Function::new(1375, "octet_length", &[BPCHAR], INT4, |c| Ok(int4_value(c.text(0)?.len()))),
    Function::new(1811, "bit_length", &[TEXT], INT4, |c| Ok(int4_value(c.text(0)?.len() * 8))),
    Function::new(877, "substr", &[TEXT, INT4, INT4], TEXT, substring),
    Function::new(883, "substr", &[TEXT, INT4], TEXT, substring),
    Function::new(936, "substring", &[TEXT, INT4, INT4], TEXT, substring),
    Function::new(937, "substring", &[TEXT, INT4], TEXT, substring),
    Function::new(1404, "overlay", &[TEXT, TEXT, INT4, INT4], TEXT, overlay),
    Function::new(1405, "overlay", &[TEXT, TEXT, INT4], TEXT, overlay),
    Function::new(849, "position", &[TEXT, TEXT], INT4, |c| Ok(position(c.text(0)?, c.text(1)?))),
    Function::new(868, "strpos", &[TEXT, TEXT], INT4, |c| Ok(position(c.text(0)?, c.text(1)?))),
    Function::new(2087, "replace", &[TEXT, TEXT, TEXT], TEXT, |c| { let from = c.text(1)?; if from.is_empty() { return Ok(Value::text(c.text(0)?)); } Ok(Value::from(c.text(0)?.replace(from, c.text(2)?))) }),
    Function::new(878, "translate", &[TEXT, TEXT, TEXT], TEXT, translate),
    Function::new(884, "btrim", &[TEXT, TEXT], TEXT, |c| trim(c, Ends::Both)),
    Function::new(885, "btrim", &[TEXT], TEXT, |c| trim(c, Ends::Both)),
    Function::new(875, "ltrim", &[TEXT, TEXT], TEXT, |c| trim(c, Ends::Left)),
    Function::new(881, "ltrim", &[TEXT], TEXT, |c| trim(c, Ends::Left)),
    Function::new(876, "rtrim", &[TEXT, TEXT], TEXT, |c| trim(c, Ends::Right)),
    Function::new(882, "rtrim", &[TEXT], TEXT, |c| trim(c, Ends::Right)),
    Function::new(873, "lpad", &[TEXT, INT4, TEXT], TEXT, |c| pad(c, true)),
    Function::new(879, "lpad", &[TEXT, INT4], TEXT, |c| pad(c, true)),
    Function::new(874, "rpad", &[TEXT, INT4, TEXT], TEXT, |c| pad(c, false)),
    Function::new(880, "rpad", &[TEXT, INT4], TEXT, |c| pad(c, false)),
    Function::new(3060, "left", &[TEXT, INT4], TEXT, |c| end_part(c, true)),
    Function::new(3061, "right", &[TEXT, INT4], TEXT, |c| end_part(c, false)),
    Function::new(3058, "concat", &[ANY], TEXT, |c| concat(c, 0, "")).stable().lax().variadic(),
    Function::new(3059, "concat_ws", &[TEXT, ANY], TEXT, concat_ws).stable().lax().variadic(),
    Function::new(2088, "split_part", &[TEXT, TEXT, INT4], TEXT, split_part),
    Function::new(1622, "repeat", &[TEXT, INT4], TEXT, repeat),
    Function::new(3062, "reverse", &[TEXT], TEXT, |c| Ok(Value::from(c.text(0)?.chars().rev().collect::<String>()))),
    Function::new(1620, "ascii", &[TEXT], INT4, |c| Ok(Value::Int4(c.text(0)?.chars().next().map_or(0, |first| i32::try_from(u32::from(first)).unwrap_or(0))))),
    Function::new(1621, "chr", &[INT4], TEXT, chr),
    Function::new(2089, "to_hex", &[INT4], TEXT, hexadecimal),
    Function::new(2090, "to_hex", &[INT8], TEXT, hexadecimal),
    Function::new(3539, "format", &[TEXT, ANY], TEXT, format_call).stable().lax().variadic(),
    Function::new(3540, "format", &[TEXT], TEXT, format_call).stable().lax(),
    Function::new(1282, "quote_ident", &[TEXT], TEXT, |c| Ok(Value::from(quote_ident(c.text(0)?)))),
    Function::new(1283, "quote_literal", &[TEXT], TEXT, |c| quote_any(c, false)),
    Function::new(1285, "quote_literal", &[ANYELEMENT], TEXT, |c| quote_any(c, false)).stable(),
    Function::new(1289, "quote_nullable", &[TEXT], TEXT, |c| quote_any(c, true)).lax(),
    Function::new(1290, "quote_nullable", &[ANYELEMENT], TEXT, |c| quote_any(c, true)).stable().lax(),
    Function::new(3696, "starts_with", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(c.text(0)?.starts_with(c.text(1)?)))),
    Function::new(376, "string_to_array", &[TEXT, TEXT, TEXT], TEXT_ARRAY, string_to_array).lax(),
    Function::new(394, "string_to_array", &[TEXT, TEXT], TEXT_ARRAY, string_to_array).lax(),
    Function::set(6160, "string_to_table", &[TEXT, TEXT], TEXT, string_to_table).lax(),
    Function::set(6161, "string_to_table", &[TEXT, TEXT, TEXT], TEXT, string_to_table).lax(),
    Function::new(384, "array_to_string", &[ANYARRAY, TEXT, TEXT], TEXT, array_to_string).stable().lax(),
    Function::new(395, "array_to_string", &[ANYARRAY, TEXT], TEXT, array_to_string).stable(),
    Function::new(1268, "parse_ident", &[TEXT, BOOL], TEXT_ARRAY, parse_ident).defaults(&["true"]),
    Function::new(6198, "unistr", &[TEXT], TEXT, unistr),
    Function::set(1686, "pg_get_keywords", &[], RECORD, keywords).stable().columns(&[("word", TEXT), ("catcode", CHAR), ("barelabel", BOOL), ("catdesc", TEXT), ("baredesc", TEXT)]),
    Function::new(2160, "text_pattern_lt", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(c.text(0)? < c.text(1)?))),
    Function::new(2161, "text_pattern_le", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(c.text(0)? <= c.text(1)?))),
    Function::new(2163, "text_pattern_ge", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(c.text(0)? >= c.text(1)?))),
    Function::new(2164, "text_pattern_gt", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(c.text(0)? > c.text(1)?))),
    Function::new(2174, "bpchar_pattern_lt", &[BPCHAR, BPCHAR], BOOL, |c| Ok(Value::Bool(c.text(0)?.trim_end_matches(' ') < c.text(1)?.trim_end_matches(' ')))),
    Function::new(2175, "bpchar_pattern_le", &[BPCHAR, BPCHAR], BOOL, |c| Ok(Value::Bool(c.text(0)?.trim_end_matches(' ') <= c.text(1)?.trim_end_matches(' ')))),
    Function::new(2177, "bpchar_pattern_ge", &[BPCHAR, BPCHAR], BOOL, |c| Ok(Value::Bool(c.text(0)?.trim_end_matches(' ') >= c.text(1)?.trim_end_matches(' ')))),
    Function::new(2178, "bpchar_pattern_gt", &[BPCHAR, BPCHAR], BOOL, |c| Ok(Value::Bool(c.text(0)?.trim_end_matches(' ') > c.text(1)?.trim_end_matches(' ')))),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (3877, "^@", TEXT, TEXT, 3696),
    (654, "||", TEXT, TEXT, 1258),
    (2314, "~<~", TEXT, TEXT, 2160),
    (2315, "~<=~", TEXT, TEXT, 2161),
    (2317, "~>=~", TEXT, TEXT, 2163),
    (2318, "~>~", TEXT, TEXT, 2164),
    (2326, "~<~", BPCHAR, BPCHAR, 2174),
    (2327, "~<=~", BPCHAR, BPCHAR, 2175),
    (2329, "~>=~", BPCHAR, BPCHAR, 2177),
    (2330, "~>~", BPCHAR, BPCHAR, 2178),
    (2779, "||", TEXT, ANYNONARRAY, 2003),
    (2780, "||", ANYNONARRAY, TEXT, 2004),
];
