//! Tokens of PostgreSQL text with byte offsets in their spans, and the measure of how deep they nest.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span as TokenSpan, Token, TokenWithSpan, Word};

use super::{dollar_tag, find, is_blank, is_ident_part, is_ident_start, skip_block_comment, skip_line, skip_space};
use crate::error::{Result, Span, SqlError, SqlState};

/// The tokens of a statement.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    /// Tokens with byte offsets in their columns; no blanks, no end marker.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Highest `$n`.
    pub(crate) params: usize,
}

/// Byte offset of a token.
#[must_use]
pub(crate) fn offset_of(token: &TokenWithSpan) -> usize {
    usize::try_from(token.span.start.column.saturating_sub(1)).unwrap_or(0)
}

/// Byte offset of a token's end.
#[must_use]
pub(crate) fn end_of(token: &TokenWithSpan) -> usize {
    usize::try_from(token.span.end.column.saturating_sub(1)).unwrap_or(0)
}

/// A token at a place.
pub(crate) fn place(token: Token, start: usize, end: usize) -> TokenWithSpan {
    let location = |at: usize| Location { line: 1, column: at as u64 + 1 };
    TokenWithSpan { token, span: TokenSpan { start: location(start), end: location(end) } }
}

fn unterminated(what: &str, text: &str, at: usize) -> SqlError {
    SqlError::syntax(format!("unterminated {what} at or near \"{}\"", &text[at..]))
        .at(Span(u32::try_from(at).unwrap_or(0)))
}

/// Splits a statement's text into tokens.
///
/// # Errors
/// 42601 for quotes and comments that do not end and for malformed numbers, 22025 and 22021 for bad escapes.
pub(crate) fn tokenize(text: &str) -> Result<Lexed> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, out: Lexed::default() };
    lexer.out.tokens.reserve(text.len().min(1 << 16) / 5);
    lexer.run()?;
    Ok(lexer.out)
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: Lexed,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, token: Token, start: usize) {
        self.out.tokens.push(place(token, start, self.at));
    }

    fn error(&self, message: String, at: usize) -> SqlError {
        SqlError::syntax(message).at(Span(u32::try_from(at).unwrap_or(0)))
    }

    fn run(&mut self) -> Result<()> {
        while self.at < self.bytes.len() {
            let start = self.at;
            let b = self.bytes[start];
            match b {
                _ if is_blank(b) => self.at += 1,
                b'-' if self.peek(1) == b'-' => self.at = skip_line(self.bytes, start),
                b'/' if self.peek(1) == b'*' => match skip_block_comment(self.bytes, start) {
                    Some(end) => self.at = end,
                    None => return Err(unterminated("/* comment", self.text, start)),
                },
                b'\'' => self.string(start)?,
                b'e' | b'E' if self.peek(1) == b'\'' => {
                    self.at += 1;
                    let value = self.escaped(start)?;
                    self.push(Token::SingleQuotedString(value), start);
                }
                b'b' | b'B' | b'x' | b'X' if self.peek(1) == b'\'' => {
                    self.at += 1;
                    let value = self.plain(
                        start,
                        if b | 32 == b'b' { "bit string literal" } else { "hexadecimal string literal" },
                    )?;
                    let token = if b | 32 == b'b' {
                        Token::SingleQuotedByteStringLiteral(value)
                    } else {
                        Token::HexStringLiteral(value)
                    };
                    self.push(token, start);
                }
                b'n' | b'N' if self.peek(1) == b'\'' => self.at += 1,
                b'u' | b'U' if self.peek(1) == b'&' && matches!(self.peek(2), b'\'' | b'"') => self.unicode(start)?,
                b'"' => {
                    let value = self.quoted_name(start)?;
                    if value.is_empty() {
                        return Err(
                            self.error("zero-length delimited identifier at or near \"\"\"\"".to_owned(), start)
                        );
                    }
                    self.push(Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword }), start);
                }
                b'$' => self.dollar(start)?,
                b'0'..=b'9' => self.number(start)?,
                b'.' if self.peek(1).is_ascii_digit() => self.number(start)?,
                _ if is_ident_start(b) => {
                    while self.at < self.bytes.len() && is_ident_part(self.bytes[self.at]) {
                        self.at += 1;
                    }
                    self.push(Token::make_word(&self.text[start..self.at], None), start);
                }
                b'(' => self.mark(Token::LParen, 1),
                b')' => self.mark(Token::RParen, 1),
                b',' => self.mark(Token::Comma, 1),
                b';' => self.mark(Token::SemiColon, 1),
                b'[' => self.mark(Token::LBracket, 1),
                b']' => self.mark(Token::RBracket, 1),
                b'.' => self.mark(Token::Period, 1),
                b':' if self.peek(1) == b':' => self.mark(Token::DoubleColon, 2),
                b':' if self.peek(1) == b'=' => self.mark(Token::Assignment, 2),
                b':' => self.mark(Token::Colon, 1),
                b'{' => self.mark(Token::LBrace, 1),
                b'}' => self.mark(Token::RBrace, 1),
                b'\\' => self.mark(Token::Backslash, 1),
                _ if is_operator(b) => self.operator(start),
                0 => return Err(self.error("invalid byte sequence for encoding \"UTF8\": 0x00".to_owned(), start)),
                _ => {
                    let c = self.text[start..].chars().next().unwrap_or(' ');
                    self.mark(Token::Char(c), c.len_utf8());
                }
            }
        }
        Ok(())
    }

    fn mark(&mut self, token: Token, len: usize) {
        let start = self.at;
        self.at += len;
        self.push(token, start);
    }

    fn string(&mut self, start: usize) -> Result<()> {
        let value = self.plain(start, "quoted string")?;
        self.push(Token::SingleQuotedString(value), start);
        Ok(())
    }

    /// After a string: true when another part follows over a line break; `at` then stands on its quote.
    fn continued(&mut self) -> bool {
        let mut at = self.at;
        let mut broken = false;
        while let Some(&b) = self.bytes.get(at) {
            match b {
                b'\n' | b'\r' => {
                    broken = true;
                    at += 1;
                }
                _ if is_blank(b) => at += 1,
                b'-' if self.bytes.get(at + 1) == Some(&b'-') => at = skip_line(self.bytes, at),
                b'\'' if broken => {
                    self.at = at;
                    return true;
                }
                _ => return false,
            }
        }
        false
    }

    /// A string without escapes; `at` stands on its opening quote.
    fn plain(&mut self, start: usize, what: &str) -> Result<String> {
        let mut value = String::new();
        loop {
            self.at += 1;
            loop {
                let Some(step) = self.bytes[self.at.min(self.bytes.len())..].iter().position(|b| *b == b'\'') else {
                    return Err(unterminated(what, self.text, start));
                };
                value.push_str(&self.text[self.at..self.at + step]);
                self.at += step + 1;
                if self.peek(0) == b'\'' {
                    value.push('\'');
                    self.at += 1;
                } else {
                    break;
                }
            }
            if !self.continued() {
                return Ok(value);
            }
        }
    }

    fn quoted_name(&mut self, start: usize) -> Result<String> {
        let mut value = String::new();
        self.at += 1;
        loop {
            let Some(step) = self.bytes[self.at.min(self.bytes.len())..].iter().position(|b| *b == b'"') else {
                return Err(unterminated("quoted identifier", self.text, start));
            };
            value.push_str(&self.text[self.at..self.at + step]);
            self.at += step + 1;
            if self.peek(0) == b'"' {
                value.push('"');
                self.at += 1;
            } else {
                return Ok(value);
            }
        }
    }

    /// `E'…'`; `at` stands on the quote.
    fn escaped(&mut self, start: usize) -> Result<String> {
        let mut out: Vec<u8> = Vec::new();
        let mut high: Option<u32> = None;
        loop {
            self.at += 1;
            loop {
                let Some(&b) = self.bytes.get(self.at) else {
                    return Err(unterminated("quoted string", self.text, start));
                };
                if high.is_some() && b != b'\\' {
                    return Err(self.error("invalid Unicode surrogate pair".to_owned(), self.at));
                }
                match b {
                    b'\'' if self.peek(1) == b'\'' => {
                        out.push(b'\'');
                        self.at += 2;
                    }
                    b'\'' => {
                        self.at += 1;
                        break;
                    }
                    b'\\' => {
                        let place = self.at;
                        let Some(&c) = self.bytes.get(self.at + 1) else {
                            return Err(unterminated("quoted string", self.text, start));
                        };
                        self.at += 2;
                        match c {
                            b'b' => out.push(8),
                            b'f' => out.push(12),
                            b'n' => out.push(b'\n'),
                            b'r' => out.push(b'\r'),
                            b't' => out.push(b'\t'),
                            b'v' => out.push(11),
                            b'0'..=b'7' => {
                                let mut n = u32::from(c - b'0');
                                for _ in 0..2 {
                                    match self.peek(0) {
                                        d @ b'0'..=b'7' => {
                                            n = n * 8 + u32::from(d - b'0');
                                            self.at += 1;
                                        }
                                        _ => break,
                                    }
                                }
                                out.push((n & 255) as u8);
                            }
                            b'x' if self.peek(0).is_ascii_hexdigit() => {
                                let mut n = 0u32;
                                for _ in 0..2 {
                                    let Some(d) = char::from(self.peek(0)).to_digit(16) else { break };
                                    n = n * 16 + d;
                                    self.at += 1;
                                }
                                out.push((n & 255) as u8);
                            }
                            b'u' | b'U' => {
                                let len = if c == b'u' { 4 } else { 8 };
                                let digits = self
                                    .text
                                    .get(self.at..self.at + len)
                                    .filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
                                let code = digits.and_then(|s| u32::from_str_radix(s, 16).ok());
                                let Some(code) = code else {
                                    return Err(SqlError::new(
                                        SqlState::INVALID_ESCAPE_SEQUENCE,
                                        "invalid Unicode escape",
                                    )
                                    .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
                                    .at(Span(u32::try_from(place).unwrap_or(0))));
                                };
                                self.at += len;
                                let code = match (high.take(), code) {
                                    (None, 0xD800..=0xDBFF) => {
                                        high = Some(code);
                                        continue;
                                    }
                                    (Some(h), 0xDC00..=0xDFFF) => 0x10000 + ((h - 0xD800) << 10) + (code - 0xDC00),
                                    (Some(_), _) => {
                                        return Err(self.error("invalid Unicode surrogate pair".to_owned(), place));
                                    }
                                    (None, code) => code,
                                };
                                let Some(c) = char::from_u32(code).filter(|c| *c != '\0') else {
                                    return Err(self.error("invalid Unicode escape value".to_owned(), place));
                                };
                                let mut buffer = [0; 4];
                                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                            }
                            other => out.push(other),
                        }
                    }
                    other => {
                        out.push(other);
                        self.at += 1;
                    }
                }
            }
            if high.is_some() {
                return Err(self.error("invalid Unicode surrogate pair".to_owned(), self.at));
            }
            if !self.continued() {
                break;
            }
        }
        match String::from_utf8(out) {
            Ok(value) if !value.contains('\0') => Ok(value),
            Ok(_) => Err(SqlError::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "invalid byte sequence for encoding \"UTF8\": 0x00",
            )),
            Err(error) => {
                let bad = error.utf8_error().valid_up_to();
                let byte = error.as_bytes().get(bad).copied().unwrap_or(0);
                Err(SqlError::new(
                    SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                    format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"),
                ))
            }
        }
    }

    /// `U&'…'` and `U&"…"`, with an optional UESCAPE.
    fn unicode(&mut self, start: usize) -> Result<()> {
        self.at += 2;
        let name = self.peek(0) == b'"';
        let raw = if name { self.quoted_name(start)? } else { self.plain(start, "quoted string")? };
        let end = self.at;
        let mut escape = '\\';
        let word = skip_space(self.text, self.at, false);
        if self.text.get(word..word + 7).is_some_and(|w| w.eq_ignore_ascii_case("uescape")) {
            let quote = skip_space(self.text, word + 7, false);
            let mut chars = self.text[quote..].chars();
            match (chars.next(), chars.next(), chars.next()) {
                (Some('\''), Some(c), Some('\'')) if !c.is_ascii_hexdigit() && !matches!(c, '+' | '\'' | '"' | ' ') => {
                    escape = c;
                    self.at = quote + 2 + c.len_utf8();
                }
                _ => return Err(self.error("invalid Unicode escape character".to_owned(), quote.min(self.text.len()))),
            }
        }
        let invalid = || {
            SqlError::new(SqlState::SYNTAX_ERROR, "invalid Unicode escape")
                .hint("Unicode escapes must be \\XXXX or \\+XXXXXX.")
                .at(Span(u32::try_from(start).unwrap_or(0)))
        };
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw.as_str();
        let mut high: Option<u32> = None;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != escape {
                if high.is_some() {
                    return Err(self.error("invalid Unicode surrogate pair".to_owned(), start));
                }
                value.push(c);
                continue;
            }
            if rest.starts_with(escape) {
                rest = &rest[escape.len_utf8()..];
                value.push(escape);
                continue;
            }
            let (skip, len) = if rest.starts_with('+') { (1, 6) } else { (0, 4) };
            let digits =
                rest.get(skip..skip + len).filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(invalid)?;
            let code = u32::from_str_radix(digits, 16).map_err(|_| invalid())?;
            rest = &rest[skip + len..];
            let code = match (high.take(), code) {
                (None, 0xD800..=0xDBFF) => {
                    high = Some(code);
                    continue;
                }
                (Some(h), 0xDC00..=0xDFFF) => 0x10000 + ((h - 0xD800) << 10) + (code - 0xDC00),
                (Some(_), _) => return Err(self.error("invalid Unicode surrogate pair".to_owned(), start)),
                (None, code) => code,
            };
            value.push(char::from_u32(code).filter(|c| *c != '\0').ok_or_else(invalid)?);
        }
        if high.is_some() {
            return Err(self.error("invalid Unicode surrogate pair".to_owned(), start));
        }
        let _ = end;
        if name {
            self.push(Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword }), start);
        } else {
            self.push(Token::SingleQuotedString(value), start);
        }
        Ok(())
    }

    /// `$n`, or a dollar-quoted string.
    fn dollar(&mut self, start: usize) -> Result<()> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            if self.at < self.bytes.len() && is_ident_start(self.bytes[self.at]) {
                let next = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
                let near = &self.text[start..self.at + next];
                return Err(self.error(format!("trailing junk after parameter at or near \"{near}\""), start));
            }
            let digits = &self.text[start + 1..self.at];
            // Beyond 65535 no message can give a value; the binder refuses it as an unknown parameter.
            let number = digits.parse::<usize>().ok().filter(|n| *n > 0 && *n <= 65_535);
            let Some(number) = number else {
                return Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${digits}"))
                    .at(Span(u32::try_from(start).unwrap_or(0))));
            };
            self.out.params = self.out.params.max(number);
            let text = self.text[start..self.at].to_owned();
            self.push(Token::Placeholder(text), start);
            return Ok(());
        }
        let Some(len) = dollar_tag(self.bytes, start) else {
            return Err(self.error("syntax error at or near \"$\"".to_owned(), start));
        };
        let tag = &self.bytes[start..start + len];
        let Some(end) = find(self.bytes, start + len, tag) else {
            return Err(unterminated("dollar-quoted string", self.text, start));
        };
        let value = self.text[start + len..end].to_owned();
        self.at = end + len;
        self.push(Token::SingleQuotedString(value), start);
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<()> {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
        // `1..10` is 1 and two periods.
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                while self.peek(0).is_ascii_digit() {
                    self.at += 1;
                }
            }
        }
        if self.at < self.bytes.len() && is_ident_start(self.bytes[self.at]) {
            // All of the word that follows.
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
            let next: usize = self.text[self.at..].chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum();
            let near = &self.text[start..self.at + next];
            return Err(self.error(format!("trailing junk after numeric literal at or near \"{near}\""), start));
        }
        let text = self.text[start..self.at].to_owned();
        self.push(Token::Number(text, false), start);
        Ok(())
    }

    /// PostgreSQL's rule: the longest run of operator characters, cut before a comment, and without a trailing sign
    /// unless one of the characters that plain SQL operators do not use is in it. The signs cut off are tokens of their own.
    fn operator(&mut self, start: usize) {
        let mut end = start;
        while end < self.bytes.len() && is_operator(self.bytes[end]) {
            let two = &self.bytes[end..(end + 2).min(self.bytes.len())];
            if end > start && (two == b"--" || two == b"/*") {
                break;
            }
            end += 1;
        }
        let odd = self.bytes[start..end]
            .iter()
            .any(|b| matches!(b, b'~' | b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'|' | b'`' | b'?'));
        let run = end;
        while end - start > 1 && !odd && matches!(self.bytes[end - 1], b'+' | b'-') && &self.bytes[start..end] != b"->"
        {
            end -= 1;
        }
        self.at = end;
        let token = operator_token(&self.text[start..end]);
        self.push(token, start);
        // At once, not by looking at the run again for each: a run may be as long as the text.
        for sign in end..run {
            self.at = sign + 1;
            let token = operator_token(&self.text[sign..=sign]);
            self.push(token, sign);
        }
    }
}

fn is_operator(b: u8) -> bool {
    matches!(
        b,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
    )
}

fn operator_token(text: &str) -> Token {
    match text {
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "%" => Token::Mod,
        "=" => Token::Eq,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" | "!=" => Token::Neq,
        "=>" => Token::RArrow,
        "||" => Token::StringConcat,
        "^" => Token::Caret,
        "&" => Token::Ampersand,
        "|" => Token::Pipe,
        "#" => Token::Sharp,
        "##" => Token::DoubleSharp,
        "~" => Token::Tilde,
        "~*" => Token::TildeAsterisk,
        "!~" => Token::ExclamationMarkTilde,
        "!~*" => Token::ExclamationMarkTildeAsterisk,
        "~~" => Token::DoubleTilde,
        "~~*" => Token::DoubleTildeAsterisk,
        "!~~" => Token::ExclamationMarkDoubleTilde,
        "!~~*" => Token::ExclamationMarkDoubleTildeAsterisk,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        "&&" => Token::Overlap,
        "!!" => Token::DoubleExclamationMark,
        "@" => Token::AtSign,
        "^@" => Token::CaretAt,
        "|/" => Token::PGSquareRoot,
        "||/" => Token::PGCubeRoot,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "#>" => Token::HashArrow,
        "#>>" => Token::HashLongArrow,
        "#-" => Token::HashMinus,
        "@>" => Token::AtArrow,
        "<@" => Token::ArrowAt,
        "@?" => Token::AtQuestion,
        "@@" => Token::AtAt,
        "?" => Token::Question,
        "?&" => Token::QuestionAnd,
        "?|" => Token::QuestionPipe,
        "@-@" => Token::AtDashAt,
        "?-" => Token::QuestionMarkDash,
        "<->" => Token::TwoWayArrow,
        "~=" => Token::TildeEqual,
        other => Token::CustomBinaryOperator(other.to_owned()),
    }
}

/// Nesting and chain length of a token list, bounded before anything recursive looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Deepest nesting of parentheses, brackets and CASE.
    pub(crate) depth: usize,
    /// Longest run of operators, or of set operations, on one level; AND and OR do not count (they are balanced when parsed).
    pub(crate) chain: usize,
}

/// Measures a token list; one pass, no recursion.
pub(crate) fn shape(tokens: &[TokenWithSpan]) -> Shape {
    #[derive(Clone, Copy, Default)]
    struct Level {
        operators: usize,
        sets: usize,
    }
    let mut shape = Shape::default();
    let mut levels: Vec<Level> = vec![Level::default()];
    for token in tokens {
        let Some(last) = levels.last_mut() else { return shape };
        match &token.token {
            Token::LParen | Token::LBracket => levels.push(Level::default()),
            Token::RParen | Token::RBracket => {
                if levels.len() > 1 {
                    levels.pop();
                }
            }
            Token::Comma | Token::SemiColon => last.operators = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => levels.push(Level::default()),
                Keyword::END => {
                    if levels.len() > 1 {
                        levels.pop();
                    }
                }
                Keyword::AND
                | Keyword::OR
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE
                | Keyword::WHERE
                | Keyword::ON => {
                    last.operators = 0;
                }
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => last.sets += 1,
                Keyword::NOT
                | Keyword::IS
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::INTERVAL
                | Keyword::LIKE
                | Keyword::IN => {
                    last.operators += 1;
                }
                _ => {}
            },
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period => {}
            _ => last.operators += 1,
        }
        if let Some(last) = levels.last() {
            shape.chain = shape.chain.max(last.operators).max(last.sets);
        }
        shape.depth = shape.depth.max(levels.len());
    }
    shape
}
