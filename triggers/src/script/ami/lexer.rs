//! AMIScript text to tokens (AMI-17 to AMI-24). Every token knows its line. Strings come out with their escapes
//! undone; `${…}` parts of a `"…"` string stay text here and are cut out for the parser. No names are judged here.

use bigdecimal::BigDecimal;
use tripline_sql::error::{Result, SqlError};
use tripline_sql::types::{Numeric, Value};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or keyword, as written.
    Word(String),
    /// A name in backticks: never a keyword.
    Quoted(String),
    /// A string without `${}` parts.
    Text(String),
    /// A string with `${}` parts, alternating text and source.
    Template(Vec<Piece>),
    /// A number of the type that its form says.
    Number(Value),
    /// Punctuation and operators.
    Symbol(&'static str),
    /// What follows `execute` in a `use` statement, up to its semicolon, as it stands but for its `${}` parts (AMI-80).
    Raw(Vec<Piece>),
    /// The end.
    End,
}

/// A part of a template string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text as it stands.
    Text(String),
    /// The source of a `${…}`; the quote that wraps it directly, if any.
    Source(String, Option<char>),
}

/// A token and its 1-based line.
#[derive(Clone, Debug)]
pub(crate) struct Lexeme {
    /// The token.
    pub(crate) token: Token,
    /// Line within the script.
    pub(crate) line: u32,
    /// Its characters in the source: from, to.
    pub(crate) span: (usize, usize),
}

const SYMBOLS: &[&str] = &[
    ">>>", "==", "!=", "=~", "!~", "~~", "&&", "||", "<=", ">=", "<<", ">>", "++", "--", "+=", "-=", "*=", "/=", "%=",
    "<>", "(", ")", "[", "]", "{", "}", ",", ";", ":", "?", ".", "=", "<", ">", "+", "-", "*", "/", "%", "!", "~", "&",
    "^", "|", "$",
];

/// Cuts a script into tokens, `Token::End` last. Errors: 42601 with the line.
pub(crate) fn tokens(source: &str) -> Result<Vec<Lexeme>> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1 };
    let mut out: Vec<Lexeme> = Vec::new();
    // Inside a `use` statement.
    let mut using = false;
    loop {
        lexer.skip_blank()?;
        let line = lexer.line;
        let start = lexer.at;
        let raw =
            using && matches!(out.last().map(|l| &l.token), Some(Token::Word(w)) if w.eq_ignore_ascii_case("execute"));
        let token = if raw { lexer.raw()? } else { lexer.token()? };
        match &token {
            Token::Word(word) if word.eq_ignore_ascii_case("use") => {
                using = out.last().is_none_or(|l| matches!(l.token, Token::Symbol(";" | "{" | "}" | ")" | "=")));
            }
            Token::Symbol(";") | Token::Raw(_) => using = false,
            _ => {}
        }
        let end = token == Token::End;
        out.push(Lexeme { token, line, span: (start, lexer.at) });
        if end {
            return Ok(out);
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: u32,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn error(&self, message: impl std::fmt::Display) -> SqlError {
        SqlError::syntax(format!("line {}: {message}", self.line))
    }

    fn skip_blank(&mut self) -> Result<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => {
                    self.next();
                }
                (Some('/'), Some('/')) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                (Some('/'), Some('*')) => {
                    self.at += 2;
                    loop {
                        match self.next() {
                            Some('*') if self.peek(0) == Some('/') => {
                                self.next();
                                break;
                            }
                            Some(_) => {}
                            None => return Err(self.error("unterminated comment")),
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn token(&mut self) -> Result<Token> {
        let Some(c) = self.peek(0) else { return Ok(Token::End) };
        if c.is_alphabetic() || c == '_' {
            let mut word = String::new();
            while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
                self.at += 1;
            }
            return Ok(Token::Word(word));
        }
        if c.is_ascii_digit() || (c == '.' && self.peek(1).is_some_and(|d| d.is_ascii_digit())) {
            return self.number();
        }
        if c == '`' {
            self.next();
            let mut name = String::new();
            loop {
                match self.next() {
                    Some('`') => return Ok(Token::Quoted(name)),
                    Some(c) => name.push(c),
                    None => return Err(self.error("unterminated quoted name")),
                }
            }
        }
        if c == '"' || c == '\'' {
            return self.string(c);
        }
        for symbol in SYMBOLS {
            if symbol.chars().enumerate().all(|(i, s)| self.peek(i) == Some(s)) {
                self.at += symbol.len();
                return Ok(Token::Symbol(symbol));
            }
        }
        Err(self.error(format!("unexpected character \"{c}\"")))
    }

    fn string(&mut self, quote: char) -> Result<Token> {
        if quote == '"' && self.peek(1) == Some('"') && self.peek(2) == Some('"') {
            self.at += 3;
            let mut text = String::new();
            loop {
                if self.peek(0) == Some('"') && self.peek(1) == Some('"') && self.peek(2) == Some('"') {
                    self.at += 3;
                    return Ok(Token::Text(text));
                }
                text.push(self.next().ok_or_else(|| self.error("unterminated string"))?);
            }
        }
        self.next();
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("unterminated string")),
                Some(c) if c == quote => {
                    if quote == '"' && self.peek(0) == Some('"') {
                        self.next();
                        text.push('"');
                        continue;
                    }
                    break;
                }
                Some('\\') => self.escape(&mut text)?,
                Some('$') if quote == '"' && self.peek(0) == Some('{') => {
                    self.next();
                    let wrap = text.chars().last().filter(|c| matches!(c, '\'' | '"' | '`'));
                    let source = self.template_source()?;
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Source(source, wrap));
                }
                Some(c) => text.push(c),
            }
        }
        if pieces.is_empty() {
            return Ok(Token::Text(text));
        }
        pieces.push(Piece::Text(text));
        Ok(Token::Template(pieces))
    }

    /// Text up to a semicolon outside quotes.
    fn raw(&mut self) -> Result<Token> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut quote: Option<char> = None;
        while let Some(c) = self.peek(0) {
            if c == '$' && self.peek(1) == Some('{') {
                self.at += 2;
                let wrap = text.chars().last().filter(|c| matches!(c, '\'' | '"' | '`'));
                let source = self.template_source()?;
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Source(source, wrap));
                continue;
            }
            match (quote, c) {
                (None, ';') => break,
                (None, '"' | '\'' | '`') => quote = Some(c),
                (Some(_), '\\') => {
                    text.push(c);
                    self.next();
                    if let Some(next) = self.next() {
                        text.push(next);
                    }
                    continue;
                }
                (Some(q), c) if q == c => quote = None,
                _ => {}
            }
            text.push(c);
            self.next();
        }
        pieces.push(Piece::Text(text.trim_end().to_owned()));
        Ok(Token::Raw(pieces))
    }

    fn template_source(&mut self) -> Result<String> {
        let mut source = String::new();
        let mut depth = 0_u32;
        let mut quote: Option<char> = None;
        loop {
            let c = self.next().ok_or_else(|| self.error("unterminated ${ in a string"))?;
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '{') => depth += 1,
                (None, '}') if depth == 0 => return Ok(source),
                (None, '}') => depth -= 1,
                (None, '\\') if matches!(self.peek(0), Some('"' | '\'')) => {
                    let q = self.next().ok_or_else(|| self.error("unterminated ${ in a string"))?;
                    quote = None;
                    source.push(q);
                    continue;
                }
                _ => {}
            }
            source.push(c);
        }
    }

    /// `XXXX` of `\uXXXX`; two halves are one character. Character 0 stands in no text.
    fn unicode(&mut self) -> Result<char> {
        let mut code = self.hex()?;
        if (0xD800..0xDC00).contains(&code) && self.peek(0) == Some('\\') && self.peek(1) == Some('u') {
            self.next();
            self.next();
            let low = self.hex()?;
            if (0xDC00..0xE000).contains(&low) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
        }
        char::from_u32(code).filter(|c| *c != '\0').ok_or_else(|| self.error("\\u does not stand for a character"))
    }

    fn hex(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.error("\\u needs four hexadecimal digits"))?;
        }
        Ok(code)
    }

    fn escape(&mut self, text: &mut String) -> Result<()> {
        let c = self.next().ok_or_else(|| self.error("unterminated string"))?;
        text.push(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'b' => '\u{8}',
            'u' => self.unicode()?,
            '\n' => {
                while self.peek(0).is_some_and(|c| c == ' ' || c == '\t') {
                    self.next();
                }
                return Ok(());
            }
            '\\' | '"' | '\'' | '$' | '`' => c,
            other => return Err(self.error(format!("unknown escape \"\\{other}\""))),
        });
        Ok(())
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            self.at += 2;
            let from = self.at;
            while self.peek(0).is_some_and(|c| c.is_ascii_hexdigit()) {
                self.at += 1;
            }
            let digits: String = self.chars[from..self.at].iter().collect();
            let long = self.take_suffix(&['l', 'L']);
            let value = i64::from_str_radix(&digits, 16).map_err(|_| self.error("invalid hexadecimal number"))?;
            return Ok(Token::Number(whole(value, long.is_some())));
        }
        let mut floating = false;
        while let Some(c) = self.peek(0) {
            match c {
                '0'..='9' => {}
                '.' if !floating && self.peek(1).is_some_and(|d| d.is_ascii_digit()) => floating = true,
                '.' if !floating && !self.peek(1).is_some_and(|d| d.is_alphabetic() || d == '_') => floating = true,
                'e' | 'E'
                    if self.peek(1).is_some_and(|d| d.is_ascii_digit())
                        || (matches!(self.peek(1), Some('+' | '-'))
                            && self.peek(2).is_some_and(|d| d.is_ascii_digit())) =>
                {
                    floating = true;
                    self.at += 1;
                }
                _ => break,
            }
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        let suffix = self.take_suffix(&['l', 'L', 'f', 'F', 'd', 'D', 'b', 'B', 's', 'S']);
        if self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return Err(self.error(format!("trailing junk after number \"{text}\"")));
        }
        let double = || text.parse::<f64>().map_err(|_| self.error(format!("invalid number \"{text}\"")));
        Ok(Token::Number(match suffix.map(|c| c.to_ascii_lowercase()) {
            #[allow(clippy::cast_possible_truncation, reason = "the suffix asks for a Float")]
            Some('f') => Value::Float4(double()? as f32),
            Some('d') => Value::Float8(double()?),
            _ if floating => Value::Float8(double()?),
            Some('b') => {
                Value::Int2(i16::from(text.parse::<i8>().map_err(|_| self.error("number out of range for Byte"))?))
            }
            Some('s') => Value::Int2(text.parse().map_err(|_| self.error("number out of range for Short"))?),
            Some('l') => Value::Int8(text.parse().map_err(|_| self.error("number out of range for Long"))?),
            _ if text.len() > 1 && text.starts_with('0') => whole(
                i64::from_str_radix(&text, 8).map_err(|_| self.error(format!("invalid octal number \"{text}\"")))?,
                false,
            ),
            _ => match text.parse::<i64>() {
                Ok(n) => whole(n, false),
                Err(_) => {
                    let big: BigDecimal = text.parse().map_err(|_| self.error(format!("invalid number \"{text}\"")))?;
                    Value::Numeric(Box::new(Numeric::Finite(big)))
                }
            },
        }))
    }

    fn take_suffix(&mut self, allowed: &[char]) -> Option<char> {
        let c = self.peek(0).filter(|c| allowed.contains(c))?;
        if self.peek(1).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return None;
        }
        self.at += 1;
        Some(c)
    }
}

fn whole(value: i64, long: bool) -> Value {
    match i32::try_from(value) {
        Ok(n) if !long => Value::Int4(n),
        _ => Value::Int8(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|l| l.token).collect()
    }

    // AMI-18, AMI-19
    #[test]
    fn strings() {
        assert_eq!(
            lex(r#""a\"b""c" 'x' """l"it\n""""#)[..3],
            [Token::Text("a\"b\"c".into()), Token::Text("x".into()), Token::Text("l\"it\\n".into())]
        );
        assert!(tokens("\"abc").is_err());
    }

    // AMI-22, AMI-23
    #[test]
    fn numbers() {
        assert_eq!(
            lex("1 2L 3.5 0x1F 010 1.5E3 2F 3000000000")[..8],
            [
                Token::Number(Value::Int4(1)),
                Token::Number(Value::Int8(2)),
                Token::Number(Value::Float8(3.5)),
                Token::Number(Value::Int4(31)),
                Token::Number(Value::Int4(8)),
                Token::Number(Value::Float8(1500.0)),
                Token::Number(Value::Float4(2.0)),
                Token::Number(Value::Int8(3_000_000_000)),
            ]
        );
    }

    // AMI-36
    #[test]
    fn templates() {
        assert_eq!(
            lex(r#""a ${x+1} b""#)[0],
            Token::Template(vec![
                Piece::Text("a ".into()),
                Piece::Source("x+1".into(), None),
                Piece::Text(" b".into())
            ])
        );
    }
}
