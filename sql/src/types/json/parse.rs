//! Reading of JSON text, for json (validation only) and jsonb, with PostgreSQL's error details.
use std::sync::Arc;

use super::{Jsonb, NESTING_MAX};
use crate::error::{Result, SqlError, SqlState};
use crate::types::numeric::Numeric;

/// Checks that a text is JSON. Errors: 22P02, 54001.
pub fn validate(text: &str) -> Result<()> {
    Parser { text, at: 0, build: false }.document().map(|_| ())
}

/// Reads a document. Errors: 22P02, 22P05, 54001, 22003.
pub(super) fn parse(text: &str) -> Result<Jsonb> {
    Parser { text, at: 0, build: true }.document()
}

/// With `build` unset every value comes out as null and texts are only checked.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    build: bool,
}

impl<'a> Parser<'a> {
    fn document(mut self) -> Result<Jsonb> {
        let value = self.value(0)?;
        self.skip_blanks();
        if self.at < self.text.len() {
            let token = self.token();
            return Err(self.check_token(token, "Expected end of input"));
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, detail: impl Into<String>) -> SqlError {
        let line = self.text.as_bytes()[..self.at.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1;
        let start = self.text[..self.floor()].rfind('\n').map_or(0, |at| at + 1);
        let mut end = self.floor();
        if let Some(c) = self.text[end..].chars().next() {
            end += c.len_utf8();
        }
        let mut from = start;
        if end - start > 50 {
            from = end - 50;
            while !self.text.is_char_boundary(from) {
                from += 1;
            }
        }
        let dots = if from > start { "..." } else { "" };
        let after = if end < self.text.len() { "..." } else { "" };
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
            .detail(detail)
            .context(format!("JSON data, line {line}: {dots}{}{after}", &self.text[from..end]))
    }

    /// The cursor, moved back to a character's border.
    fn floor(&self) -> usize {
        let mut at = self.at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn ended(&self) -> SqlError {
        self.error("The input string ended unexpectedly.")
    }

    /// The text of the token at the cursor, for messages.
    fn token(&self) -> &'a str {
        let rest = &self.text[self.floor()..];
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        match rest.chars().next() {
            Some('"') => {
                let mut escaped = false;
                for (at, c) in rest.char_indices().skip(1) {
                    match c {
                        '"' if !escaped => return &rest[..=at],
                        '\\' => escaped = !escaped,
                        _ => escaped = false,
                    }
                }
                rest
            }
            Some('-' | '0'..='9') => &rest[..lex_number(rest).0],
            Some(c) if word(c) => &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())],
            Some(c) => &rest[..c.len_utf8()],
            None => rest,
        }
    }

    /// The error for an unexpected token: one that cannot be a token at all is called invalid.
    fn check_token(&self, token: &str, expected: &str) -> SqlError {
        if token.is_empty() {
            return self.ended();
        }
        let known = matches!(token, "{" | "}" | "[" | "]" | "," | ":" | "true" | "false" | "null")
            || token.starts_with('"')
            || Numeric::parse(token).is_ok();
        if known {
            self.error(format!("{expected}, but found \"{token}\"."))
        } else {
            self.error(format!("Token \"{token}\" is invalid."))
        }
    }

    fn unexpected(&self, expected: &str) -> SqlError {
        self.check_token(self.token(), expected)
    }

    fn value(&mut self, depth: usize) -> Result<Jsonb> {
        if depth > NESTING_MAX {
            return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .detail(format!("JSON is nested deeper than {NESTING_MAX} levels.")));
        }
        self.skip_blanks();
        match self.peek() {
            None => Err(self.ended()),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let text = self.string()?;
                Ok(if self.build { Jsonb::String(Arc::from(text)) } else { Jsonb::Null })
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'}' | b']' | b',' | b':') => Err(self.unexpected("Expected JSON value")),
            Some(_) => {
                let token = self.token();
                let value = match token {
                    "true" => Jsonb::Bool(true),
                    "false" => Jsonb::Bool(false),
                    "null" => Jsonb::Null,
                    _ => return Err(self.error(format!("Token \"{token}\" is invalid."))),
                };
                self.at += token.len();
                Ok(value)
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Jsonb> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Jsonb::Object(members));
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Err(self.ended()),
                Some(b'"') => {}
                Some(_) if members.is_empty() => return Err(self.unexpected("Expected string or \"}\"")),
                Some(_) => return Err(self.unexpected("Expected string")),
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("Expected \":\""));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            members.push((Arc::from(key), value));
            if !self.build {
                members.truncate(1);
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(if self.build { Jsonb::object(members) } else { Jsonb::Null });
                }
                _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Jsonb> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Jsonb::Array(items));
        }
        loop {
            let item = self.value(depth + 1)?;
            if self.build {
                items.push(item);
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Jsonb::Array(items));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
            }
        }
    }

    fn number(&mut self) -> Result<Jsonb> {
        let rest = &self.text[self.at..];
        let (length, valid) = lex_number(rest);
        let token = &rest[..length];
        if !valid {
            return Err(self.error(format!("Token \"{token}\" is invalid.")));
        }
        self.at += length;
        Ok(if self.build { Jsonb::Number(Numeric::parse(token)?) } else { Jsonb::Null })
    }

    /// A string; the cursor is on its quote. Empty when only checking.
    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b >= 0x20 && b != b'"' && b != b'\\') {
                self.at += 1;
            }
            if self.build {
                out.push_str(&self.text[start..self.at]);
            }
            match self.peek() {
                None => return Err(self.error(format!("Token \"{}\" is invalid.", self.tail_token(start)))),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(byte) => {
                    return Err(self.error(format!("Character with value 0x{byte:02x} must be escaped.")));
                }
            }
        }
    }

    /// An unfinished string from its quote on.
    fn tail_token(&self, inside: usize) -> &'a str {
        let quote = self.text[..inside].rfind('"').unwrap_or(inside);
        &self.text[quote..]
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        self.at += 1;
        let Some(byte) = self.peek() else {
            return Err(self.error(format!("Token \"{}\" is invalid.", self.tail_token(self.at))));
        };
        self.at += 1;
        let c = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(out),
            _ => {
                self.at -= 1;
                let c = self.text[self.floor()..].chars().next().unwrap_or(' ');
                return Err(self.error(format!("Escape sequence \"\\{c}\" is invalid.")));
            }
        };
        if self.build {
            out.push(c);
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| self.error("\"\\u\" must be followed by four hexadecimal digits."))?;
        self.at += 4;
        Ok(u32::from_str_radix(digits, 16).unwrap_or(0))
    }

    fn unicode(&mut self, out: &mut String) -> Result<()> {
        let code = self.hex4()?;
        if !self.build {
            return Ok(());
        }
        let code = match code {
            0 => {
                let message = "unsupported Unicode escape sequence";
                return Err(SqlError::new(SqlState::UNTRANSLATABLE_CHARACTER, message)
                    .detail("\\u0000 cannot be converted to text."));
            }
            0xD800..=0xDBFF => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err(self.error("Unicode low surrogate must follow a high surrogate."));
                }
                self.at += 2;
                match self.hex4()? {
                    low @ 0xDC00..=0xDFFF => 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00),
                    _ => return Err(self.error("Unicode low surrogate must follow a high surrogate.")),
                }
            }
            0xDC00..=0xDFFF => return Err(self.error("Unicode low surrogate must follow a high surrogate.")),
            code => code,
        };
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }
}

/// Length of the number that a text begins with, letters stuck to it included, and whether it is one.
fn lex_number(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let digits_from = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let start = usize::from(bytes.first() == Some(&b'-'));
    // A leading zero stands alone.
    let mut at = if bytes.get(start) == Some(&b'0') { start + 1 } else { digits_from(start) };
    let mut valid = at > start;
    if valid && bytes.get(at) == Some(&b'.') {
        let end = digits_from(at + 1);
        valid = end > at + 1;
        at = end;
    }
    if valid && matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits_from(at + 1 + sign);
        valid = end > at + 1 + sign;
        at = end;
    }
    let stuck = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || !c.is_ascii());
    let stuck: usize = stuck.map(char::len_utf8).sum();
    (at + stuck, valid && stuck == 0)
}
