//! The scanner of AMI text: its strings, comments and names, each token with its byte offset.
//!
//! Strings are `"…"` with backslash escapes and doubled quotes, `"""…"""` taken as it stands, `'…'` with the same escapes,
//! and, directly after an `=` (the value of a USE option), also PostgreSQL's `'…'` without escapes, `E'…'` and
//! `$tag$…$tag$`. Comments are `// …`, `-- …` and `/* … */`. Nothing here is shared with the standard lexer: the two
//! languages differ in every one of these.

use crate::error::Result;
use crate::parse::syntax_at;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word as written.
    Word(String),
    /// `` `…` ``: a name, whatever its characters.
    Name(String),
    /// A string, escapes resolved.
    Text(String),
    /// A number as written, suffix included.
    Number(String),
    /// Any other character.
    Mark(char),
}

/// A token with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads one token after another.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Position of the next character.
    pub(super) at: usize,
    value: bool,
    /// Values of options may be PostgreSQL's strings.
    options: bool,
    /// A script block: `--` is its decrement, not a comment (AMI-17).
    script: bool,
}

fn ident_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn ident_part(b: u8) -> bool {
    ident_start(b) || b.is_ascii_digit()
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Lexer<'a> {
        let script = text.as_bytes().get(at) == Some(&b'{');
        Lexer { text, bytes: text.as_bytes(), at, value: false, options: true, script }
    }

    /// Of a data statement: an `=` compares or assigns, and every string is AMI's.
    pub(super) fn data(text: &'a str) -> Lexer<'a> {
        Lexer { options: false, ..Lexer::new(text, 0) }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn line(&mut self) {
        while self.at < self.bytes.len() && !matches!(self.bytes[self.at], b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn space(&mut self) -> Result<()> {
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b if b.is_ascii_whitespace() || b == 0x0b => self.at += 1,
                b'/' if self.peek(1) == b'/' => self.line(),
                b'-' if self.peek(1) == b'-' && !self.script => self.line(),
                b'/' if self.peek(1) == b'*' => match self.text[self.at + 2..].find("*/") {
                    Some(len) => self.at += len + 4,
                    None => {
                        return Err(syntax_at(
                            format!("unterminated /* comment at or near \"{}\"", &self.text[self.at..]),
                            self.at,
                        ));
                    }
                },
                _ => break,
            }
        }
        Ok(())
    }

    fn open(&self, start: usize) -> crate::error::SqlError {
        syntax_at(format!("unterminated quoted string at or near \"{}\"", &self.text[start..]), start)
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Placed>> {
        self.space()?;
        let start = self.at;
        let Some(&b) = self.bytes.get(start) else { return Ok(None) };
        let assigns =
            self.options && b == b'=' && self.peek(1) != b'=' && (start == 0 || self.bytes[start - 1] != b'=');
        let value = std::mem::replace(&mut self.value, assigns);
        let token = match b {
            b'"' if self.peek(1) == b'"' && self.peek(2) == b'"' => {
                let Some(len) = self.text[start + 3..].find("\"\"\"") else { return Err(self.open(start)) };
                self.at = start + len + 6;
                Token::Text(self.text[start + 3..start + 3 + len].to_owned())
            }
            b'\'' if value => Token::Text(self.doubled(start)?),
            b'e' | b'E' if value && self.peek(1) == b'\'' => {
                self.at += 1;
                Token::Text(self.escaped(start, b'\'')?)
            }
            b'$' if value && let Some(len) = self.tag() => {
                let tag = &self.text[start..start + len];
                let Some(body) = self.text[start + len..].find(tag) else {
                    return Err(syntax_at(
                        format!("unterminated dollar-quoted string at or near \"{}\"", &self.text[start..]),
                        start,
                    ));
                };
                self.at = start + 2 * len + body;
                Token::Text(self.text[start + len..start + len + body].to_owned())
            }
            b'"' | b'\'' => Token::Text(self.escaped(start, b)?),
            b'`' => {
                let Some(len) = self.text[start + 1..].find('`') else {
                    return Err(syntax_at(
                        format!("unterminated quoted identifier at or near \"{}\"", &self.text[start..]),
                        start,
                    ));
                };
                self.at = start + len + 2;
                Token::Name(self.text[start + 1..start + 1 + len].to_owned())
            }
            b'0'..=b'9' => {
                while self.at < self.bytes.len() && (ident_part(self.bytes[self.at]) || self.bytes[self.at] == b'.') {
                    let exponent = matches!(self.bytes[self.at], b'e' | b'E') && matches!(self.peek(1), b'+' | b'-');
                    self.at += if exponent { 2 } else { 1 };
                }
                self.at = self.at.min(self.bytes.len());
                Token::Number(self.text[start..self.at].to_owned())
            }
            _ if ident_start(b) => {
                while self.at < self.bytes.len() && ident_part(self.bytes[self.at]) {
                    self.at += 1;
                }
                Token::Word(self.text[start..self.at].to_owned())
            }
            _ => {
                let c = self.text[start..].chars().next().unwrap_or(' ');
                self.at += c.len_utf8();
                Token::Mark(c)
            }
        };
        Ok(Some(Placed { token, start, end: self.at }))
    }

    fn tag(&self) -> Option<usize> {
        let mut end = self.at + 1;
        while let Some(&b) = self.bytes.get(end) {
            match b {
                b'$' => return Some(end + 1 - self.at),
                b if ident_part(b) && !(end == self.at + 1 && b.is_ascii_digit()) => end += 1,
                _ => return None,
            }
        }
        None
    }

    /// `'…'` with doubled quotes only.
    fn doubled(&mut self, start: usize) -> Result<String> {
        let mut out = String::new();
        let mut at = start + 1;
        loop {
            let Some(len) = self.text.get(at..).and_then(|rest| rest.find('\'')) else { return Err(self.open(start)) };
            out.push_str(&self.text[at..at + len]);
            at += len + 1;
            if self.bytes.get(at) != Some(&b'\'') {
                self.at = at;
                return Ok(out);
            }
            out.push('\'');
            at += 1;
        }
    }

    /// A string with backslash escapes; `at` stands on the opening quote.
    fn escaped(&mut self, start: usize, quote: u8) -> Result<String> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
                return Err(self.open(start));
            };
            self.at += c.len_utf8();
            if c == char::from(quote) {
                if self.peek(0) != quote {
                    return Ok(out);
                }
                self.at += 1;
                out.push(c);
                continue;
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
                return Err(self.open(start));
            };
            self.at += c.len_utf8();
            match c {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'f' => out.push('\u{c}'),
                'b' => out.push('\u{8}'),
                'u' => {
                    let code = self.text.get(self.at..self.at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    let Some(code) = code else {
                        return Err(syntax_at("invalid Unicode escape", self.at - 2));
                    };
                    self.at += 4;
                    self.unit(code, &mut out)?;
                }
                // A backslash at the end of a line joins it to the next.
                '\n' | '\r' => {
                    while self.peek(0).is_ascii_whitespace() {
                        self.at += 1;
                    }
                }
                // `\${` keeps its backslash: the script's own templates read it.
                '$' => out.push_str("\\$"),
                other => out.push(other),
            }
        }
    }

    /// One UTF-16 unit; a high one must be followed by a low one.
    fn unit(&mut self, code: u32, out: &mut String) -> Result<()> {
        let code = if (0xD800..0xDC00).contains(&code) {
            let low = self
                .text
                .get(self.at..self.at + 6)
                .and_then(|s| s.strip_prefix("\\u"))
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                .filter(|low| (0xDC00..0xE000).contains(low));
            let Some(low) = low else { return Err(syntax_at("invalid Unicode surrogate pair", self.at)) };
            self.at += 6;
            0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        } else {
            code
        };
        match char::from_u32(code).filter(|c| *c != '\0') {
            Some(c) => {
                out.push(c);
                Ok(())
            }
            None => Err(syntax_at("invalid Unicode escape value", self.at)),
        }
    }
}
