//! The tokens of an AMI text and a place among them: what all grammars of the dialect read from.

use super::lexer::{Lexer, Placed, Token};
use crate::error::{Result, SqlError};
use crate::parse::{ObjectName, syntax_at};

/// Words that cannot be names without backticks (AMI-24), as far as they stand where a clause may begin or end.
const RESERVED: &[&str] = &[
    "add",
    "alter",
    "and",
    "as",
    "asc",
    "before",
    "by",
    "call",
    "case",
    "create",
    "delete",
    "desc",
    "describe",
    "disable",
    "drop",
    "enable",
    "execute",
    "for",
    "from",
    "group",
    "having",
    "if",
    "in",
    "index",
    "insert",
    "into",
    "join",
    "left",
    "limit",
    "modify",
    "nearest",
    "new",
    "not",
    "oftype",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "priority",
    "procedure",
    "rename",
    "return",
    "right",
    "select",
    "set",
    "show",
    "sync",
    "to",
    "trigger",
    "truncate",
    "union",
    "unpack",
    "update",
    "use",
    "values",
    "where",
    "while",
    "window",
];

/// A place in an AMI text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Placed>,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// The tokens of `text`; `options`: values of options may be written as PostgreSQL's strings (AMI-20).
    pub(super) fn new(text: &'a str, options: bool) -> Result<Cursor<'a>> {
        let mut lexer = if options { Lexer::new(text, 0) } else { Lexer::data(text) };
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next()? {
            tokens.push(token);
        }
        Ok(Cursor { text, tokens, at: 0 })
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, n: usize) -> Option<&Token> {
        self.tokens.get(self.at + n).map(|t| &t.token)
    }

    pub(super) fn is(&self, n: usize, word: &str) -> bool {
        matches!(self.ahead(n), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_mark(&self, n: usize, mark: char) -> bool {
        self.ahead(n) == Some(&Token::Mark(mark))
    }

    /// Whether these marks stand here side by side.
    pub(super) fn is_marks(&self, marks: &str) -> bool {
        marks.chars().enumerate().all(|(n, mark)| {
            self.is_mark(n, mark) && (n == 0 || self.tokens[self.at + n - 1].end == self.tokens[self.at + n].start)
        })
    }

    pub(super) fn marks(&mut self, marks: &str) -> bool {
        let found = self.is_marks(marks);
        if found {
            self.at += marks.len();
        }
        found
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.is(0, word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| self.is(n, word));
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn mark(&mut self, mark: char) -> bool {
        let found = self.is_mark(0, mark);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_mark(&mut self, mark: char) -> Result<()> {
        if self.mark(mark) { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// 42601 unless everything was read.
    pub(super) fn expect_end(&self) -> Result<()> {
        if self.done() { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |t| t.start)
    }

    /// The text from here to the end.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.offset()..).unwrap_or_default()
    }

    /// Whether the token here was written with a double quote.
    pub(super) fn is_double_quoted(&self) -> bool {
        self.text.as_bytes().get(self.offset()) == Some(&b'"')
    }

    pub(super) fn error(&self) -> SqlError {
        match self.tokens.get(self.at) {
            Some(t) => syntax_at(
                format!("syntax error at or near \"{}\"", self.text.get(t.start..t.end).unwrap_or_default()),
                t.start,
            ),
            None => syntax_at("syntax error at end of input", self.text.len()),
        }
    }

    /// A name: a word, `` `…` ``, or `"…"` in a name's place (AMI-7).
    pub(super) fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.clone(),
            Some(Token::Name(name)) if !name.is_empty() => name.clone(),
            Some(Token::Text(name)) if !name.is_empty() && self.is_double_quoted() => name.clone(),
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(name)
    }

    /// A name that is no reserved word (AMI-24).
    pub(super) fn free_name(&mut self) -> Result<String> {
        if self.reserved() { Err(self.error()) } else { self.name() }
    }

    /// Whether a reserved word stands here.
    pub(super) fn reserved(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if RESERVED.contains(&word.to_ascii_lowercase().as_str()))
    }

    /// A table: `t` or `schema.t`; PUBLIC, TEMPORARY or VARIABLE may stand before it (AMI-50).
    pub(super) fn table(&mut self) -> Result<ObjectName> {
        let named = !matches!(self.ahead(1), None | Some(Token::Mark(_))) && !self.is(1, "as") && !self.is(1, "set");
        let mut schema = None;
        let words =
            [("public", Some("public")), ("temporary", Some("pg_temp")), ("temp", Some("pg_temp")), ("variable", None)];
        if let Some((_, means)) = words.iter().find(|(word, _)| named && self.is(0, word)) {
            schema = *means;
            self.at += 1;
        }
        let offset = u32::try_from(self.offset()).unwrap_or(0);
        let mut parts = vec![self.free_name()?];
        if let Some(schema) = schema.filter(|_| !self.is_mark(0, '.')) {
            parts.insert(0, schema.to_owned());
        }
        while self.mark('.') {
            parts.push(self.name()?);
        }
        Ok(ObjectName { parts, offset })
    }

    pub(super) fn list<T>(&mut self, mut f: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut out = vec![f(self)?];
        while self.mark(',') {
            out.push(f(self)?);
        }
        Ok(out)
    }
}

/// A name as standard SQL writes it, spelling kept.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A qualified name as standard SQL writes it.
pub(super) fn quoted_table(name: &ObjectName) -> String {
    name.parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// A string as standard SQL writes it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
