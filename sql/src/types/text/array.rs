//! Text forms of arrays, vectors and records.
use std::borrow::Cow;
use std::sync::Arc;

use super::{TextStyle, number, to_text};
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Array, DataType, Oid, Record, Value, oid};

/// Most dimensions of an array.
const DIMENSIONS_MAX: usize = 6;
/// Most items of an array.
const ITEMS_MAX: usize = 134_217_727;

/// Appends an array: bounds if any is not 1, items quoted where needed.
pub(super) fn push_array(array: &Array, style: &TextStyle, out: &mut String) {
    if array.items.is_empty() {
        return out.push_str("{}");
    }
    if array.dims.iter().any(|(_, lower)| *lower != 1) {
        for (length, lower) in &array.dims {
            out.push('[');
            number::push_integer(i64::from(*lower), out);
            out.push(':');
            number::push_integer(i64::from(*lower) + i64::from(*length) - 1, out);
            out.push(']');
        }
        out.push('=');
    }
    push_level(&array.items, &array.dims, DataType::new(array.element), style, out);
}

fn push_level(items: &[Value], dims: &[(i32, i32)], element: DataType, style: &TextStyle, out: &mut String) {
    out.push('{');
    if let [(length, _), inner @ ..] = dims
        && !inner.is_empty()
    {
        let size = items.len() / usize::try_from(*length).unwrap_or(1).max(1);
        for (index, chunk) in items.chunks(size.max(1)).enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_level(chunk, inner, element, style, out);
        }
    } else {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_item(item, element, style, out);
        }
    }
    out.push('}');
}

fn push_item(item: &Value, element: DataType, style: &TextStyle, out: &mut String) {
    if item.is_null() {
        return out.push_str("NULL");
    }
    let start = out.len();
    to_text(item, element, style, out);
    let text = &out[start..];
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.bytes().any(|b| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\') || is_blank(b));
    if !plain {
        quote_tail(out, start, |c| if matches!(c, '"' | '\\') { Some('\\') } else { None });
    }
}

/// Puts what follows `start` into double quotes; `escape` names the character to put before one.
fn quote_tail(out: &mut String, start: usize, escape: impl Fn(char) -> Option<char>) {
    let text = out.split_off(start);
    out.reserve(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        out.extend(escape(c));
        out.push(c);
    }
    out.push('"');
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Appends an int2vector or oidvector: its items with blanks between.
pub(super) fn push_vector(array: &Array, style: &TextStyle, out: &mut String) {
    for (index, item) in array.items.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        to_text(item, DataType::new(array.element), style, out);
    }
}

/// Reads an int2vector or oidvector, whose lower bound is 0. Errors: 22P02, 22003.
pub(super) fn parse_vector(text: &str, vector: Oid) -> Result<Value> {
    let element = if vector == oid::OIDVECTOR { oid::OID } else { oid::INT2 };
    let item = |word: &str| {
        if vector == oid::OIDVECTOR {
            number::parse_oid(word, "oid").map(Value::Oid)
        } else {
            number::parse_i16(word).map(Value::Int2)
        }
    };
    let items = text.split_ascii_whitespace().map(item).collect::<Result<Vec<_>>>()?;
    let length = i32::try_from(items.len()).unwrap_or(i32::MAX);
    Ok(Value::Array(Arc::new(Array { element, dims: vec![(length, 0)], items })))
}

/// Appends a record: NULL is nothing, the rest quoted where needed.
pub(super) fn push_record(record: &Record, style: &TextStyle, out: &mut String) {
    out.push('(');
    for (index, (_, ty, value)) in record.fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if value.is_null() {
            continue;
        }
        let start = out.len();
        to_text(value, *ty, style, out);
        let text = &out[start..];
        let special = |b: u8| matches!(b, b'(' | b')' | b',' | b'"' | b'\\') || is_blank(b);
        if text.is_empty() || text.bytes().any(special) {
            quote_tail(out, start, |c| if matches!(c, '"' | '\\') { Some(c) } else { None });
        }
    }
    out.push(')');
}

/// Cuts the text of a record into its fields; `None` is NULL. Errors: 22P02.
pub fn parse_record(text: &str) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""))
            .detail(detail)
    };
    let body = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let body = body.strip_prefix('(').ok_or_else(|| malformed("Missing left parenthesis."))?;
    let mut fields = Vec::new();
    let (mut field, mut seen, mut quoted) = (String::new(), false, false);
    let mut chars = body.chars();
    loop {
        let c = chars.next().ok_or_else(|| malformed("Unexpected end of input."))?;
        match c {
            '\\' => {
                field.push(chars.next().ok_or_else(|| malformed("Unexpected end of input."))?);
                seen = true;
            }
            '"' if quoted && chars.as_str().starts_with('"') => {
                chars.next();
                field.push('"');
            }
            '"' => {
                quoted = !quoted;
                seen = true;
            }
            ',' | ')' if !quoted => {
                fields.push(seen.then(|| std::mem::take(&mut field)));
                seen = false;
                if c == ')' {
                    break;
                }
            }
            c => {
                field.push(c);
                seen = true;
            }
        }
    }
    if chars.any(|c| !c.is_ascii_whitespace()) {
        return Err(malformed("Junk after right parenthesis."));
    }
    if fields.len() == 1 && fields[0].is_none() {
        fields.clear();
    }
    Ok(fields)
}

/// Reads the text of an array; `item` reads one item's text (quotes and escapes removed), NULLs are not passed to it.
/// Errors: 22P02 malformed, 54000 too many dimensions or items, and what `item` says.
pub fn parse_array(text: &str, element: Oid, item: &mut dyn FnMut(&str) -> Result<Value>) -> Result<Array> {
    let mut parser = ArrayParser { text, at: 0, items: Vec::new(), lengths: Vec::new() };
    parser.skip_blanks();
    let bounds = parser.bounds()?;
    parser.skip_blanks();
    if parser.peek() != Some(b'{') {
        let detail = if bounds.is_empty() {
            "Array value must start with \"{\" or dimension information."
        } else {
            "Array contents must start with \"{\"."
        };
        return Err(parser.malformed(detail));
    }
    parser.level(0)?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.malformed("Junk after closing right brace."));
    }
    if parser.items.is_empty() {
        if bounds.is_empty() {
            return Ok(Array { element, dims: Vec::new(), items: Vec::new() });
        }
        return Err(parser.malformed("Specified array dimensions do not match array contents."));
    }
    let lengths: Vec<i32> = parser.lengths.iter().map(|n| i32::try_from(n.unwrap_or(0)).unwrap_or(i32::MAX)).collect();
    let dims: Vec<(i32, i32)> = if bounds.is_empty() {
        lengths.into_iter().map(|length| (length, 1)).collect()
    } else if bounds.iter().map(|(length, _)| *length).eq(lengths) {
        bounds
    } else {
        return Err(parser.malformed("Specified array dimensions do not match array contents."));
    };
    // PostgreSQL, too, complains about the array before it looks at an item.
    let items = parser.items.iter().map(|text| text.as_deref().map_or(Ok(Value::Null), &mut *item));
    let items = items.collect::<Result<Vec<_>>>()?;
    Ok(Array { element, dims, items })
}

struct ArrayParser<'a> {
    text: &'a str,
    at: usize,
    /// The items' texts; `None` is NULL.
    items: Vec<Option<Cow<'a, str>>>,
    /// Length of each dimension, once its first list has ended.
    lengths: Vec<Option<usize>>,
}

impl<'a> ArrayParser<'a> {
    fn malformed(&self, detail: &str) -> SqlError {
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{}\"", self.text))
            .detail(detail)
    }

    fn ended(&self) -> SqlError {
        self.malformed("Unexpected end of input.")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// `[l:u][l:u]=` as (length, lower bound) pairs.
    fn bounds(&mut self) -> Result<Vec<(i32, i32)>> {
        let mut bounds = Vec::new();
        while self.peek() == Some(b'[') {
            if bounds.len() == DIMENSIONS_MAX {
                return Err(too_many_dimensions(bounds.len() + 1));
            }
            let end = self.text[self.at..]
                .find(']')
                .ok_or_else(|| self.malformed("Missing \"]\" after array dimensions."))?;
            let inside = &self.text[self.at + 1..self.at + end];
            let (lower, upper) = inside.split_once(':').map_or(("1", inside), |(lower, upper)| (lower, upper));
            let number = |text: &str| {
                text.parse::<i32>()
                    .map_err(|_| self.malformed("\"[\" must introduce explicitly-specified array dimensions."))
            };
            let (lower, upper) = (number(lower)?, number(upper)?);
            if upper < lower {
                return Err(SqlError::new(
                    SqlState::ARRAY_SUBSCRIPT_ERROR,
                    "upper bound cannot be less than lower bound",
                ));
            }
            let length = upper.checked_sub(lower).and_then(|n| n.checked_add(1)).ok_or_else(too_many_items)?;
            bounds.push((length, lower));
            self.at += end + 1;
            self.skip_blanks();
        }
        if !bounds.is_empty() {
            if self.peek() != Some(b'=') {
                return Err(self.malformed("Missing \"=\" after array dimensions."));
            }
            self.at += 1;
        }
        Ok(bounds)
    }

    /// One list in braces; the cursor is on the left one. Recursion ends at six dimensions.
    fn level(&mut self, depth: usize) -> Result<()> {
        const MISMATCH: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";
        if depth == DIMENSIONS_MAX {
            return Err(too_many_dimensions(depth + 1));
        }
        self.at += 1;
        let first_list = self.lengths.len() <= depth;
        if first_list {
            if !self.items.is_empty() {
                return Err(self.malformed(MISMATCH));
            }
            self.lengths.push(None);
        }
        let mut count = 0;
        loop {
            self.skip_blanks();
            match self.peek().ok_or_else(|| self.ended())? {
                b'}' if count == 0 && depth == 0 => {
                    self.at += 1;
                    break;
                }
                b'{' => {
                    // Items directly at this depth mean that it is the innermost.
                    if self.lengths.len() == depth + 1 && count > 0 {
                        return Err(self.malformed("Unexpected \"{\" character."));
                    }
                    self.level(depth + 1)?;
                }
                b'}' | b',' => {
                    let found = char::from(self.peek().unwrap_or(b'}'));
                    return Err(self.malformed(&format!("Unexpected \"{found}\" character.")));
                }
                _ => {
                    if self.lengths.len() > depth + 1 {
                        return Err(self.malformed("Unexpected array element."));
                    }
                    self.scalar()?;
                }
            }
            count += 1;
            self.skip_blanks();
            match self.peek().ok_or_else(|| self.ended())? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    break;
                }
                b'{' => return Err(self.malformed("Unexpected \"{\" character.")),
                _ => return Err(self.malformed("Unexpected array element.")),
            }
        }
        match self.lengths[depth] {
            Some(length) if length != count => Err(self.malformed(MISMATCH)),
            _ => {
                self.lengths[depth] = Some(count);
                Ok(())
            }
        }
    }

    fn scalar(&mut self) -> Result<()> {
        if self.items.len() == ITEMS_MAX {
            return Err(too_many_items());
        }
        let start = self.at;
        let (text, may_be_null) = if self.peek() == Some(b'"') {
            (Cow::Owned(self.quoted()?), false)
        } else {
            let mut escaped = false;
            while let Some(byte) = self.peek() {
                match byte {
                    b',' | b'}' | b'{' | b'"' => break,
                    b'\\' => {
                        escaped = true;
                        self.at += 1;
                        let next = self.text[self.at..].chars().next().ok_or_else(|| self.ended())?;
                        self.at += next.len_utf8();
                    }
                    _ => self.at += 1,
                }
            }
            let raw = &self.text[start..self.at];
            let trimmed = raw.trim_end_matches(|c: char| u8::try_from(c).is_ok_and(is_blank));
            (if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(trimmed) }, !escaped)
        };
        self.skip_blanks();
        if !matches!(self.peek(), Some(b',' | b'}') | None) {
            return Err(self.malformed("Unexpected array element."));
        }
        let is_null = may_be_null && text.eq_ignore_ascii_case("null");
        self.items.push(if is_null { None } else { Some(text) });
        Ok(())
    }

    fn quoted(&mut self) -> Result<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.text[self.at..].chars().next().ok_or_else(|| self.ended())?;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => {
                    let next = self.text[self.at..].chars().next().ok_or_else(|| self.ended())?;
                    self.at += next.len_utf8();
                    text.push(next);
                }
                c => text.push(c),
            }
        }
    }
}

/// Removes escapes; blanks at the end that are not escaped go.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut kept = 0;
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        let escaped = c == '\\';
        text.push(if escaped { chars.next().unwrap_or('\\') } else { c });
        if escaped || !u8::try_from(c).is_ok_and(is_blank) {
            kept = text.len();
        }
    }
    text.truncate(kept);
    text
}

fn too_many_dimensions(found: usize) -> SqlError {
    SqlError::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("number of array dimensions ({found}) exceeds the maximum allowed ({DIMENSIONS_MAX})"),
    )
}

fn too_many_items() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("array size exceeds the maximum allowed ({ITEMS_MAX})"))
}
