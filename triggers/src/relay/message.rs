//! The lines of the AMI message protocol, read and written (AMI-162 to AMI-165): one module for both directions and both
//! ends. Nothing here knows a socket, a table or a session.
//!
//! ```text
//! TYPE[#SEQNUM][@NOW]{|key=value}        O#3|T="orders2"|id=5|price=150.0D|name="n\"q"
//! ```

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tripline_sql::types::{DataType, Value, oid};

use crate::script::ami::text_of;

/// Longest line that is read, its end not counted (AMI-177).
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Microseconds from 1970 to 2000.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// One instruction, or an answer (type `M`).
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// The type's letter.
    pub kind: char,
    /// `#SEQNUM`.
    pub sequence: Option<u64>,
    /// `@NOW`, milliseconds since 1970.
    pub now: Option<i64>,
    /// Keys and values in the order sent; each key once.
    pub fields: Vec<(String, Field)>,
}

/// A value of a message (AMI-163).
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// Digits.
    Int(i32),
    /// Digits and `L`; digits that do not fit an Int.
    Long(i64),
    /// A number and `F`.
    Float(f32),
    /// A decimal without suffix: a Float, but read as a Double where one is wanted.
    Decimal(f64),
    /// A number and `D`.
    Double(f64),
    /// `"…"`, `'…'`, `"…"J`
    Text(String),
    /// Digits and `T`, or a text with a date format: milliseconds since 1970.
    Utc(i64),
    /// `"…"U`
    Binary(Vec<u8>),
}

/// What is wrong with a line, for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a key belongs to the protocol, not to a column (AMI-165): one or two upper-case letters.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    (1..=2).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether a key can stand in a message: letters, digits and `_`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Instruction {
    /// An instruction without fields.
    #[must_use]
    pub fn new(kind: char) -> Instruction {
        Instruction { kind, sequence: None, now: None, fields: Vec::new() }
    }

    /// With one field more.
    #[must_use]
    pub fn with(mut self, key: &str, value: Field) -> Instruction {
        self.fields.push((key.to_owned(), value));
        self
    }

    /// The answer to instruction `sequence` (AMI-169).
    #[must_use]
    pub fn answer(sequence: u64, status: u8, text: &str) -> Instruction {
        Instruction::new('M')
            .with("Q", Field::Long(i64::try_from(sequence).unwrap_or(i64::MAX)))
            .with("S", Field::Int(i32::from(status)))
            .with("M", Field::Text(text.to_owned()))
    }

    /// A field's value.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A field that is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.field(key) {
            Some(Field::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A field that is a whole number.
    #[must_use]
    pub fn whole(&self, key: &str) -> Option<i64> {
        match self.field(key) {
            Some(Field::Int(n)) => Some(i64::from(*n)),
            Some(Field::Long(n) | Field::Utc(n)) => Some(*n),
            _ => None,
        }
    }

    /// Fields that are columns.
    pub fn columns(&self) -> impl Iterator<Item = &(String, Field)> {
        self.fields.iter().filter(|(key, _)| !is_reserved(key))
    }

    /// Reads a line without its end. Errors: what is wrong, and at which byte.
    pub fn parse(line: &[u8]) -> Result<Instruction, Malformed> {
        let text = std::str::from_utf8(line).map_err(|_| Malformed("not UTF-8".to_owned()))?;
        // No text of the store holds one.
        if let Some(at) = text.find('\0') {
            return Err(Malformed(format!("character 0 at byte {at}")));
        }
        Reader { text, at: 0 }.instruction()
    }

    /// Writes it as a line, its LF included.
    pub fn write(&self, out: &mut String) {
        out.push(self.kind);
        if let Some(sequence) = self.sequence {
            let _ = write!(out, "#{sequence}");
        }
        if let Some(now) = self.now {
            let _ = write!(out, "@{now}");
        }
        for (key, value) in &self.fields {
            out.push('|');
            out.push_str(key);
            out.push('=');
            // Answers count in digits alone (AMI-169).
            match value {
                Field::Long(n) if self.kind == 'M' && key == "Q" => {
                    let _ = write!(out, "{n}");
                }
                value => value.write(out),
            }
        }
        out.push('\n');
    }

    /// The line as text.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

impl Field {
    /// The message's form of a SQL value (AMI-164): Byte, Short, Int as digits, Long, Float, Double, Boolean, UTC and Binary
    /// with their suffixes, everything else a String. NULL is `null`; NaN and infinities, which have no digits, are Strings.
    #[must_use]
    pub fn of(value: &Value) -> Field {
        match value {
            Value::Null => Field::Null,
            Value::Bool(b) => Field::Boolean(*b),
            Value::Int2(n) => Field::Int(i32::from(*n)),
            Value::Int4(n) => Field::Int(*n),
            Value::Int8(n) => Field::Long(*n),
            Value::Float4(n) if n.is_finite() => Field::Float(*n),
            Value::Float8(n) if n.is_finite() => Field::Double(*n),
            Value::TimestampTz(micros) => Field::Utc(micros.saturating_add(EPOCH_MICROS).div_euclid(1000)),
            Value::Bytea(bytes) => Field::Binary(bytes.to_vec()),
            other => Field::Text(text_of(other)),
        }
    }

    /// The SQL value that it has by itself.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Field::Null => Value::Null,
            Field::Boolean(b) => Value::Bool(*b),
            Field::Int(n) => Value::Int4(*n),
            Field::Long(n) => Value::Int8(*n),
            Field::Float(n) => Value::Float4(*n),
            Field::Decimal(n) | Field::Double(n) => Value::Float8(*n),
            Field::Text(text) => Value::text(text),
            Field::Utc(millis) => Value::TimestampTz(millis.saturating_mul(1000).saturating_sub(EPOCH_MICROS)),
            Field::Binary(bytes) => Value::Bytea(bytes.as_slice().into()),
        }
    }

    /// The type of a column made for such a value (AMI-173).
    #[must_use]
    pub fn column_type(&self) -> DataType {
        DataType::new(match self {
            Field::Null | Field::Text(_) => oid::TEXT,
            Field::Boolean(_) => oid::BOOL,
            Field::Int(_) => oid::INT4,
            Field::Long(_) => oid::INT8,
            Field::Float(_) | Field::Decimal(_) => oid::FLOAT4,
            Field::Double(_) => oid::FLOAT8,
            Field::Utc(_) => oid::TIMESTAMPTZ,
            Field::Binary(_) => oid::BYTEA,
        })
    }

    /// Writes it as it stands in a line.
    pub fn write(&self, out: &mut String) {
        match self {
            Field::Null => out.push_str("null"),
            Field::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
            Field::Int(n) => {
                let _ = write!(out, "{n}");
            }
            Field::Long(n) => {
                let _ = write!(out, "{n}L");
            }
            Field::Float(n) => {
                out.push_str(&text_of(&Value::Float4(*n)));
                out.push('F');
            }
            Field::Decimal(n) => out.push_str(&text_of(&Value::Float8(*n))),
            Field::Double(n) => {
                out.push_str(&text_of(&Value::Float8(*n)));
                out.push('D');
            }
            Field::Text(text) => write_quoted(text, out),
            Field::Utc(millis) => {
                let _ = write!(out, "{millis}T");
            }
            Field::Binary(bytes) => {
                out.push('"');
                STANDARD.encode_string(bytes, out);
                out.push_str("\"U");
            }
        }
    }
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads one line from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn wrong<T>(&self, what: impl std::fmt::Display) -> Result<T, Malformed> {
        Err(Malformed(format!("{what} at byte {}", self.at)))
    }

    fn instruction(mut self) -> Result<Instruction, Malformed> {
        let Some(kind) = self.peek().filter(char::is_ascii_uppercase) else {
            return self.wrong("expected the instruction's type, one upper-case letter,");
        };
        self.at += 1;
        let mut instruction = Instruction::new(kind);
        if self.take('#') {
            let digits = self.take_while(|c| c.is_ascii_digit());
            instruction.sequence = Some(digits.parse().or_else(|_| self.wrong("expected a sequence number"))?);
        }
        if self.take('@') {
            let digits = self.take_while(|c| c.is_ascii_digit() || c == '-');
            instruction.now = Some(digits.parse().or_else(|_| self.wrong("expected milliseconds since 1970"))?);
        }
        let mut names = std::collections::HashSet::new();
        while self.at < self.text.len() {
            if !self.take('|') {
                return self.wrong("expected |");
            }
            let key = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            if key.is_empty() {
                return self.wrong("expected a key");
            }
            if !names.insert(key) {
                return self.wrong(format!("key {key} is given twice"));
            }
            if !self.take('=') {
                return self.wrong("expected =");
            }
            let value = self.value()?;
            instruction.fields.push((key.to_owned(), value));
        }
        Ok(instruction)
    }

    fn value(&mut self) -> Result<Field, Malformed> {
        match self.peek() {
            Some('"') => self.quoted_value(),
            Some('\'') => Ok(Field::Text(self.quoted('\'')?)),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            _ => match self.take_while(|c| c.is_ascii_alphanumeric()) {
                "null" => Ok(Field::Null),
                "true" => Ok(Field::Boolean(true)),
                "false" => Ok(Field::Boolean(false)),
                _ => self.wrong("expected a value"),
            },
        }
    }

    /// A text and its suffix.
    fn quoted_value(&mut self) -> Result<Field, Malformed> {
        let text = self.quoted('"')?;
        match self.peek().map(|c| c.to_ascii_uppercase()) {
            Some('J') => {
                self.at += 1;
                Ok(Field::Text(text))
            }
            Some('U') => {
                self.at += 1;
                STANDARD.decode(text.as_bytes()).map(Field::Binary).or_else(|_| self.wrong("this text is no base64,"))
            }
            Some('T') => {
                self.at += 1;
                if !self.take('(') {
                    return self.wrong("expected ( and a date format");
                }
                let format = self.take_while(|c| c != ')').to_owned();
                if !self.take(')') {
                    return self.wrong("expected )");
                }
                super::dateformat::parse(&text, &format)
                    .map(Field::Utc)
                    .ok_or_else(|| Malformed(format!("\"{text}\" is no time of the format ({format})")))
            }
            _ => Ok(Field::Text(text)),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Malformed> {
        self.at += 1;
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|c| c != quote && c != '\\'));
            if self.take(quote) {
                return Ok(out);
            }
            if !self.take('\\') {
                return self.wrong("the text has no end");
            }
            let Some(c) = self.peek() else { return self.wrong("the text has no end") };
            self.at += c.len_utf8();
            out.push(match c {
                '\\' | '"' | '\'' => c,
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'b' => '\u{8}',
                'u' => self.unicode()?,
                other => return self.wrong(format!("\\{other} is no escape")),
            });
        }
    }

    /// `XXXX` of `\uXXXX`; a pair of surrogates is one character.
    fn unicode(&mut self) -> Result<char, Malformed> {
        let high = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&high) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex()?;
            if !(0xDC00..0xE000).contains(&low) {
                return self.wrong("half a character");
            }
            0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        } else {
            high
        };
        match char::from_u32(code) {
            Some('\0') => self.wrong("a text holds no character 0"),
            Some(c) => Ok(c),
            None => self.wrong("half a character"),
        }
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return self.wrong("expected four hexadecimal digits");
        };
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Field, Malformed> {
        let start = self.at;
        let sign = self.take_while(|c| matches!(c, '-' | '+'));
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut decimal = false;
        let mut digits = whole.len();
        if self.take('.') {
            decimal = true;
            digits += self.take_while(|c| c.is_ascii_digit()).len();
        }
        // An exponent, unless the letter begins something else.
        let mut ahead = self.rest().chars();
        if matches!(ahead.next(), Some('e' | 'E'))
            && ahead.next().is_some_and(|c| c.is_ascii_digit() || "+-".contains(c))
        {
            decimal = true;
            self.at += 1;
            self.take_while(|c| matches!(c, '-' | '+'));
            digits += self.take_while(|c| c.is_ascii_digit()).len();
        }
        let text = &self.text[start..self.at];
        if digits == 0 || sign.len() > 1 {
            return self.wrong("expected a number");
        }
        let suffix = self.peek().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase());
        self.at += usize::from(suffix.is_some());
        let field = match suffix {
            None if decimal => text.parse().map(Field::Decimal).ok(),
            None => text.parse::<i64>().ok().map(|n| i32::try_from(n).map_or(Field::Long(n), Field::Int)),
            Some('L') if !decimal => text.parse().map(Field::Long).ok(),
            Some('T') if !decimal => text.parse().map(Field::Utc).ok(),
            Some('D') => text.parse().map(Field::Double).ok(),
            Some('F') => text.parse().map(Field::Float).ok(),
            Some(_) => None,
        };
        field.map_or_else(|| self.wrong("this number cannot be read,"), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Field {
        let line = format!("O|x={text}");
        Instruction::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}")).fields[0].1.clone()
    }

    fn wrong(line: &str) -> String {
        Instruction::parse(line.as_bytes()).unwrap_err().0
    }

    // AMI-162
    #[test]
    fn lines() {
        let read = Instruction::parse(br#"O#12@1422059533454|T="orders2"|a_1=5|Bcd=null"#).unwrap();
        assert_eq!((read.kind, read.sequence, read.now), ('O', Some(12), Some(1_422_059_533_454)));
        assert_eq!(read.text("T"), Some("orders2"));
        assert_eq!(read.columns().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a_1", "Bcd"]);
        assert_eq!(read.to_line(), "O#12@1422059533454|T=\"orders2\"|a_1=5|Bcd=null\n");
        assert_eq!(Instruction::parse(b"X").unwrap(), Instruction::new('X'));
        assert!(wrong("").contains("type"));
        assert!(wrong("o|a=1").contains("type"));
        assert!(wrong("O|a=1|a=2").contains("twice"));
        assert!(wrong("O|a").contains("expected ="));
        assert!(wrong("O|=1").contains("key"));
        assert!(wrong("O#|a=1").contains("sequence"));
        assert!(wrong("O|a=1,b=2").contains('|'));
        assert!(wrong("O|a=\"x").contains("no end"));
        assert!(wrong("O|a=\"\\q\"").contains("escape"));
        assert!(wrong("O|a=\"x\\u0000\"").contains("character 0"));
        assert!(wrong("O|a=\"x\0\"").contains("character 0"));
        assert!(wrong("O|a=\"!!\"U").contains("base64"));
        assert!(wrong("O|a=nil").contains("value"));
        assert!(Instruction::parse(b"O|a=\"\xff\"").is_err());
    }

    // AMI-163
    #[test]
    fn values() {
        assert_eq!(field("-234"), Field::Int(-234));
        assert_eq!(field("9999999999"), Field::Long(9_999_999_999));
        assert_eq!(field("234L"), Field::Long(234));
        assert_eq!(field("234l"), Field::Long(234));
        assert_eq!(field("123.123D"), Field::Double(123.123));
        assert_eq!(field("13d"), Field::Double(13.0));
        assert_eq!(field("1.0E10D"), Field::Double(1e10));
        assert_eq!(field("123F"), Field::Float(123.0));
        assert_eq!(field("123.123"), Field::Decimal(123.123));
        assert_eq!(field("\"what\""), Field::Text("what".to_owned()));
        assert_eq!(field("'this'"), Field::Text("this".to_owned()));
        assert_eq!(field("\"{}\"J"), Field::Text("{}".to_owned()));
        assert_eq!(field("\"AQID\"U"), Field::Binary(vec![1, 2, 3]));
        assert_eq!(field("1422059533454T"), Field::Utc(1_422_059_533_454));
        assert_eq!(field("\"20140503\"T(yyyyMMdd)"), Field::Utc(1_399_075_200_000));
        assert_eq!(field("true"), Field::Boolean(true));
        assert_eq!(field("null"), Field::Null);
        let escaped = r#""a\\b\"c\'d\n\r\t\f\bé\u00e9\ud83d\ude00""#;
        assert_eq!(field(escaped), Field::Text("a\\b\"c'd\n\r\t\u{c}\u{8}éé😀".to_owned()));
        for bad in
            ["--1", "1.2L", "1X", "99999999999999999999", "\"a\"U(", "\"!\"U", "\"x\"T(yyyyMMdd)", "\"\\ud83d\"", "."]
        {
            assert!(Instruction::parse(format!("O|x={bad}").as_bytes()).is_err(), "{bad}");
        }
    }

    // AMI-164
    #[test]
    fn what_is_sent_reads_back() {
        for (value, text) in [
            (Value::Null, "null"),
            (Value::Int2(7), "7"),
            (Value::Int4(-7), "-7"),
            (Value::Int8(7), "7L"),
            (Value::Float4(1.5), "1.5F"),
            (Value::Float8(150.0), "150.0D"),
            (Value::Bool(true), "true"),
            (Value::TimestampTz(1_422_059_533_454_000 - EPOCH_MICROS), "1422059533454T"),
            (Value::Bytea([1, 2, 3].as_slice().into()), "\"AQID\"U"),
            (Value::text("n\"q\u{1}"), "\"n\\\"q\\u0001\""),
            (Value::Float8(f64::NAN), "\"NaN\""),
        ] {
            let mut out = String::new();
            Field::of(&value).write(&mut out);
            assert_eq!(out, text);
            if !matches!(value, Value::Int2(_) | Value::Float8(_)) {
                assert_eq!(field(text).value(), value);
            }
        }
    }

    // AMI-165
    #[test]
    fn reserved_keys() {
        for key in ["I", "T", "OG"] {
            assert!(is_reserved(key));
        }
        for key in ["i", "Id", "ABC", "A1", "_"] {
            assert!(!is_reserved(key) && is_key(key));
        }
        assert!(!is_key("größe") && !is_key("a b") && !is_key(""));
    }

    // AMI-169
    #[test]
    fn answers() {
        assert_eq!(
            Instruction::answer(2, 2, "unknown table: nosuch").to_line(),
            "M|Q=2|S=2|M=\"unknown table: nosuch\"\n"
        );
        let read = Instruction::parse(b"M|Q=7|S=4|M=\"no\"").unwrap();
        assert_eq!((read.whole("Q"), read.whole("S"), read.text("M")), (Some(7), Some(4), Some("no")));
    }
}
