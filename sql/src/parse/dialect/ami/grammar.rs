//! AMI statements → `Statement`: triggers, public tables and their indexes; every other form is named as unsupported.
//!
//! Names keep the spelling written (AMI-8): nothing is folded here.

use super::lexer::{Lexer, Placed, Token};
use crate::catalog::{Level, Timing};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::dialect::DialectEnd;
use crate::parse::lex::HeadToken;
use crate::parse::{AmiIndexSpec, AmiTableSpec, ObjectName, Statement, TriggerSpec, syntax_at};
use crate::types::{DataType, oid};

const NAME: &str = "ami";

/// True for the leading forms that are AMI alone (AMI-5).
pub(super) fn claims(text: &str, start: usize, head: &[(usize, HeadToken<'_>)]) -> bool {
    let is = |n: usize, word: &str| head.get(n).is_some_and(|(_, t)| t.is(word));
    let any = |n: usize, words: &[&str]| words.iter().any(|w| is(n, w));
    let mark = |n: usize, c: char| head.get(n).is_some_and(|(_, t)| *t == HeadToken::Mark(c));
    let name = |n: usize| matches!(head.get(n), Some((_, HeadToken::Word(_) | HeadToken::Quoted(_))));
    let Some((_, first)) = head.first() else { return false };
    match first {
        HeadToken::Mark('{') => true,
        HeadToken::Word(word) => match word.to_ascii_uppercase().as_str() {
            "CREATE" => {
                let skip = if is(2, "if") && is(3, "not") && is(4, "exists") { 5 } else { 2 };
                is(1, "trigger") && is(skip + 1, "oftype")
                    || is(1, "public") && is(2, "table")
                    || is(1, "index") && ami_index(text, start)
                    || is(1, "method") && (name(2) || mark(2, '{'))
                    || is(1, "timer") && name(2)
                    || is(1, "procedure") && (is(skip + 1, "oftype"))
            }
            "DROP" => {
                let skip = if is(2, "if") && is(3, "exists") { 4 } else { 2 };
                is(1, "public") && is(2, "table")
                    || is(1, "trigger")
                        && name(skip)
                        && (skip + 1 >= head.len() || mark(skip + 1, ';') || mark(skip + 1, ','))
                    || is(1, "index") && name(skip) && is(skip + 1, "on")
                    || is(1, "method")
                    || is(1, "timer")
            }
            "ALTER" => is(1, "public") && is(2, "table"),
            "RENAME" => is(1, "table") || is(1, "public") && is(2, "table"),
            "SYNC" => name(1),
            "ENABLE" | "DISABLE" => any(1, &["trigger", "timer"]),
            "USE" => name(1) && mark(2, '='),
            "SHOW" => {
                any(
                    1,
                    &[
                        "tables",
                        "triggers",
                        "timers",
                        "procedures",
                        "methods",
                        "indexes",
                        "columns",
                        "datasources",
                        "vars",
                    ],
                ) || is(1, "table") && name(2)
            }
            "DESCRIBE" => name(1),
            "INSERT" => !is(1, "into") && name(1) || is(1, "into") && insert_from(head),
            _ => false,
        },
        _ => false,
    }
}

/// `INSERT INTO t [(…)] FROM SELECT`, as far as the head shows it.
fn insert_from(head: &[(usize, HeadToken<'_>)]) -> bool {
    let mut at = 3;
    if head.get(at).is_some_and(|(_, t)| *t == HeadToken::Mark('(')) {
        while at < head.len() && head[at].1 != HeadToken::Mark(')') {
            at += 1;
        }
        at += 1;
    }
    head.get(at).is_some_and(|(_, t)| t.is("from")) && head.get(at + 1).is_some_and(|(_, t)| t.is("select"))
}

/// True when an index definition has `USE`, or a type word after a column.
fn ami_index(text: &str, start: usize) -> bool {
    let mut lexer = Lexer::new(text, start);
    let mut depth = 0usize;
    let mut previous_name = false;
    let mut closed = false;
    while let Ok(Some(token)) = lexer.next() {
        match token.token {
            Token::Mark(';') => return false,
            Token::Mark('(') => {
                depth += 1;
                previous_name = false;
            }
            Token::Mark(')') => {
                depth = depth.saturating_sub(1);
                closed = depth == 0;
                previous_name = false;
            }
            Token::Word(word) => {
                if depth == 1
                    && previous_name
                    && ["hash", "sort", "series"].iter().any(|w| w.eq_ignore_ascii_case(&word))
                {
                    return true;
                }
                if closed {
                    return word.eq_ignore_ascii_case("use");
                }
                previous_name = true;
            }
            Token::Name(_) => previous_name = true,
            _ => previous_name = false,
        }
    }
    false
}

/// Finds the semicolon with AMI's quoting.
pub(super) fn end(text: &str, start: usize) -> Result<DialectEnd> {
    let mut lexer = Lexer::new(text, start);
    let mut braces = 0usize;
    while let Some(token) = lexer.next()? {
        match token.token {
            Token::Mark('{') => braces += 1,
            Token::Mark('}') => {
                braces = braces.saturating_sub(1);
            }
            Token::Mark(';') if braces == 0 => return Ok(DialectEnd { at: token.start, next: token.end }),
            _ => {}
        }
    }
    Ok(DialectEnd { at: text.len(), next: text.len() })
}

struct Grammar<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    params: usize,
}

/// Reads a claimed statement.
pub(super) fn parse(text: &str) -> Result<(Statement, usize)> {
    let mut lexer = Lexer::new(text, 0);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    let mut g = Grammar { text, tokens, at: 0, params: 0 };
    let statement = g.statement()?;
    if g.at < g.tokens.len() {
        return Err(g.error());
    }
    Ok((statement, g.params))
}

impl Grammar<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.token)
    }

    fn is(&self, n: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.at + n).map(|t| &t.token), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is(0, word);
        self.at += usize::from(found);
        found
    }

    fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| self.is(n, word));
        if found {
            self.at += words.len();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.error()) }
    }

    fn mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn expect_mark(&mut self, mark: char) -> Result<()> {
        if self.mark(mark) { Ok(()) } else { Err(self.error()) }
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |t| t.start)
    }

    fn error(&self) -> SqlError {
        match self.tokens.get(self.at) {
            Some(t) => syntax_at(
                format!("syntax error at or near \"{}\"", self.text.get(t.start..t.end).unwrap_or_default()),
                t.start,
            ),
            None => syntax_at("syntax error at end of input", self.text.len()),
        }
    }

    /// A name: a word, `` `…` ``, or `"…"` in a name's place (AMI-7).
    fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.clone(),
            Some(Token::Name(name) | Token::Text(name)) if !name.is_empty() => name.clone(),
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(name)
    }

    /// A table: `t` or `schema.t`; PUBLIC may stand before it (AMI-50).
    fn table(&mut self) -> Result<ObjectName> {
        let offset = u32::try_from(self.offset()).unwrap_or(0);
        let mut parts = vec![self.name()?];
        while self.mark('.') {
            parts.push(self.name()?);
        }
        Ok(ObjectName { parts, offset })
    }

    fn list<T>(&mut self, f: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut out = vec![f(self)?];
        while self.mark(',') {
            out.push(f(self)?);
        }
        Ok(out)
    }

    fn unsupported(&mut self, form: &str) -> Statement {
        self.at = self.tokens.len();
        Statement::Unsupported(form.to_owned())
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.word("create") {
            if self.word("trigger") {
                return self.create_trigger();
            }
            if self.words(&["public", "table"]) {
                return self.create_table();
            }
            if self.word("index") {
                return self.create_index();
            }
            return Ok(self.unsupported("CREATE METHOD, TIMER or PROCEDURE OFTYPE"));
        }
        if self.words(&["drop", "trigger"]) {
            let if_exists = self.words(&["if", "exists"]);
            let names = self.list(Self::name)?;
            return Ok(Statement::DropTrigger {
                names,
                on: None,
                if_exists,
                cascade: false,
                dialect: NAME,
                tag: "DROP TRIGGER",
            });
        }
        if self.is(0, "enable") || self.is(0, "disable") {
            let enable = self.is(0, "enable");
            self.at += 1;
            if self.word("timer") {
                return Ok(self.unsupported(if enable { "ENABLE TIMER" } else { "DISABLE TIMER" }));
            }
            self.expect("trigger")?;
            let names = self.list(Self::name)?;
            return Ok(Statement::ToggleTrigger { names, on: None, enable, dialect: NAME });
        }
        if self.is(0, "insert")
            && let Some(text) = super::translate::standard(self.text)?
        {
            self.at = self.tokens.len();
            let (statement, params) = crate::parse::standard::statement(&text).map_err(|mut error| {
                error.fields_mut().position = None;
                error
            })?;
            self.params = params;
            return Ok(statement);
        }
        if self.peek() == Some(&Token::Mark('{')) {
            self.at = self.tokens.len();
            return Ok(Statement::Script { dialect: NAME, source: self.text.to_owned() });
        }
        let words: Vec<String> = self
            .tokens
            .iter()
            .take(2)
            .filter_map(|t| match &t.token {
                Token::Word(word) => Some(word.to_ascii_uppercase()),
                _ => None,
            })
            .collect();
        let form = match words.first().map(String::as_str) {
            Some("SYNC" | "INSERT" | "USE" | "DESCRIBE") => format!("{} of AMI", words[0]),
            _ => words.join(" "),
        };
        Ok(self.unsupported(&form))
    }

    // AMI-82
    fn create_trigger(&mut self) -> Result<Statement> {
        let if_not_exists = self.words(&["if", "not", "exists"]);
        let name = self.name()?;
        self.expect("oftype")?;
        let at = self.offset();
        let kind_word = self.name()?;
        let kind = kind_word.to_ascii_lowercase();
        if !matches!(kind.as_str(), "amiscript" | "aggregate" | "projection" | "join" | "decorate" | "relay") {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("trigger type \"{kind_word}\" does not exist"),
            )
            .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
        }
        self.expect("on")?;
        let tables = self.list(Self::table)?;
        let enough = match kind.as_str() {
            "amiscript" => !tables.is_empty(),
            "aggregate" | "decorate" => tables.len() == 2,
            "projection" => tables.len() >= 2,
            "join" => tables.len() == 3,
            _ => tables.len() == 1,
        };
        if !enough {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("wrong number of tables for OFTYPE {}", kind.to_ascii_uppercase()),
            ));
        }
        let mut priority = 0;
        if self.word("priority") {
            let negative = self.mark('-');
            let Some(Token::Number(digits)) = self.peek() else { return Err(self.error()) };
            let text = if negative { format!("-{digits}") } else { digits.clone() };
            let Ok(number) = text.parse::<i64>() else { return Err(self.error()) };
            priority = number;
            self.at += 1;
        }
        let options = self.use_options()?;
        let timing = if kind == "relay" {
            Timing::Committed
        } else if kind == "amiscript" {
            Timing::Before
        } else {
            Timing::After
        };
        Ok(Statement::CreateTrigger(Box::new(TriggerSpec {
            name,
            if_not_exists,
            dialect: NAME,
            kind,
            tables,
            events: Vec::new(),
            timing,
            level: Level::Row,
            when: None,
            priority,
            options,
            body: String::new(),
            tag: "CREATE TRIGGER",
        })))
    }

    // AMI-20, AMI-21: keys keep their spelling; they are compared without case.
    fn use_options(&mut self) -> Result<Vec<(String, String)>> {
        let mut options: Vec<(String, String)> = Vec::new();
        if !self.word("use") {
            return Ok(options);
        }
        loop {
            let at = self.offset();
            let Some(Token::Word(key)) = self.peek() else {
                if options.is_empty() {
                    return Err(self.error());
                }
                return Ok(options);
            };
            let key = key.clone();
            if self.is(0, "as") && self.tokens.get(self.at + 1).is_none_or(|t| t.token != Token::Mark('=')) {
                return Ok(options);
            }
            self.at += 1;
            self.expect_mark('=')?;
            if options.iter().any(|(old, _)| old.eq_ignore_ascii_case(&key)) {
                return Err(syntax_at(format!("option \"{key}\" is given twice"), at));
            }
            let negative = self.mark('-');
            let value = match self.peek() {
                Some(Token::Number(number)) => {
                    if negative {
                        format!("-{number}")
                    } else {
                        number.clone()
                    }
                }
                _ if negative => return Err(self.error()),
                Some(Token::Text(text)) => text.clone(),
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                    word.to_ascii_lowercase()
                }
                _ => return Err(self.error()),
            };
            self.at += 1;
            options.push((key, value));
        }
    }

    // AMI-37
    fn create_table(&mut self) -> Result<Statement> {
        let if_not_exists = self.words(&["if", "not", "exists"]);
        let name = self.name()?;
        let mut columns: Vec<(String, DataType, bool, Vec<(String, String)>)> = Vec::new();
        let listed = self.mark('(');
        if listed {
            loop {
                let at = self.offset();
                let column = self.name()?;
                if columns.iter().any(|(old, ..)| old.eq_ignore_ascii_case(&column)) {
                    return Err(SqlError::new(
                        SqlState::DUPLICATE_COLUMN,
                        format!("column \"{column}\" specified more than once"),
                    )
                    .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
                }
                let at = self.offset();
                let type_name = self.name()?;
                let Some(data_type) = data_type(&type_name) else {
                    return Err(SqlError::new(
                        SqlState::UNDEFINED_OBJECT,
                        format!("type \"{type_name}\" does not exist"),
                    )
                    .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
                };
                let mut words = vec![("type".to_owned(), type_name)];
                let mut nonull = false;
                while let Some(Token::Word(word)) = self.peek() {
                    let word = word.to_ascii_lowercase();
                    match word.as_str() {
                        "nonull" => nonull = true,
                        "nobroadcast" | "compact" | "ascii" | "bitmap" | "ondisk" | "cache" | "enum" => {}
                        _ => return Err(self.error()),
                    }
                    self.at += 1;
                    if word != "nonull" {
                        let mut value = "true".to_owned();
                        if self.mark('=') {
                            value = match self.peek() {
                                Some(Token::Text(text) | Token::Number(text)) => text.clone(),
                                _ => return Err(self.error()),
                            };
                            self.at += 1;
                        }
                        words.push((word, value));
                    }
                }
                columns.push((column, data_type, nonull, words));
                if !self.mark(',') {
                    break;
                }
            }
            self.expect_mark(')')?;
        }
        let options = self.use_options()?;
        let mut query = None;
        if self.word("as") {
            let start = self.offset();
            let text = self.text.get(start..).unwrap_or_default();
            let (statement, params) =
                crate::parse::standard::statement(text).map_err(|e| crate::parse::standard::shift(e, start))?;
            query = Some(Box::new(crate::parse::standard::parsed(statement, text, start, NAME, params)));
            self.at = self.tokens.len();
        } else if !listed {
            return Err(self.error());
        }
        Ok(Statement::AmiCreateTable(Box::new(AmiTableSpec { name, if_not_exists, columns, options, query })))
    }

    // AMI-51
    fn create_index(&mut self) -> Result<Statement> {
        let if_not_exists = self.words(&["if", "not", "exists"]);
        let name = self.name()?;
        self.expect("on")?;
        let table = self.table()?;
        self.expect_mark('(')?;
        let columns = self.list(|g| {
            let column = g.name()?;
            let kind = ["hash", "sort", "series"].iter().find(|word| g.word(word));
            Ok((
                column,
                kind.map_or("HASH", |word| match *word {
                    "sort" => "SORT",
                    "series" => "SERIES",
                    _ => "HASH",
                })
                .to_owned(),
            ))
        })?;
        self.expect_mark(')')?;
        let options = self.use_options()?;
        Ok(Statement::AmiCreateIndex(Box::new(AmiIndexSpec { name, table, if_not_exists, columns, options })))
    }
}

/// The PostgreSQL type of an AMI type word (AMI-15).
fn data_type(name: &str) -> Option<DataType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "byte" | "short" => DataType::INT2,
        "int" | "integer" => DataType::INT4,
        "long" => DataType::INT8,
        "float" => DataType::FLOAT4,
        "double" => DataType::FLOAT8,
        "boolean" => DataType::BOOL,
        "char" | "character" => DataType::with_typmod(oid::BPCHAR, 5),
        "string" | "enum" | "complex" => DataType::TEXT,
        "utc" | "utcn" => DataType::TIMESTAMPTZ,
        "biginteger" | "bigdecimal" => DataType::NUMERIC,
        "uuid" => DataType::UUID,
        "binary" => DataType::BYTEA,
        _ => return None,
    })
}
