//! The AMI dialect: claims the leading forms that only AMI has and reads them.
//!
//! Expressions and scripts inside option values are text here; their grammar lives with the triggers that run them.

mod cursor;
mod expr;
mod grammar;
mod lexer;
mod translate;

use super::{Dialect, DialectEnd};
use crate::error::Result;
use crate::parse::Statement;
use crate::parse::lex::HeadToken;
use crate::types::DataType;

/// The dialect.
pub(crate) struct Ami;

impl Dialect for Ami {
    fn name(&self) -> &'static str {
        "ami"
    }

    fn claims(&self, text: &str, start: usize, head: &[(usize, HeadToken<'_>)]) -> bool {
        grammar::claims(text, start, head)
    }

    fn end(&self, text: &str, start: usize) -> Result<DialectEnd> {
        grammar::end(text, start)
    }

    fn parse(&self, text: &str) -> Result<(Statement, usize)> {
        grammar::parse(text)
    }

    fn data(&self, text: &str) -> Option<Result<(Statement, usize)>> {
        data(text)
    }
}

/// Reads a statement whose leading words are PostgreSQL's too; none if AMI has no such statement.
pub(crate) fn data(text: &str) -> Option<Result<(Statement, usize)>> {
    match grammar::definition(text).transpose() {
        Some(found) => Some(found.map(|statement| (statement, 0))),
        None => explain(text).transpose().or_else(|| translate::statement(text).transpose()),
    }
}

/// `EXPLAIN [ANALYZE] [VERBOSE]`, or with options in parentheses, of a data statement; none for any other text.
fn explain(text: &str) -> Result<Option<(Statement, usize)>> {
    let mut c = cursor::Cursor::new(text, false)?;
    if !c.word("explain") {
        return Ok(None);
    }
    let mut options = Vec::new();
    if c.mark('(') {
        options = c.list(|c| {
            let name = c.name()?.to_ascii_lowercase();
            let value = if c.is_mark(0, ',') || c.is_mark(0, ')') { "true".to_owned() } else { c.name()? };
            let value = match value.to_ascii_lowercase().as_str() {
                "on" => "true".to_owned(),
                "off" => "false".to_owned(),
                other => other.to_owned(),
            };
            Ok((name, value))
        })?;
        c.expect_mark(')')?;
    }
    for word in ["analyze", "verbose"] {
        if c.word(word) {
            options.push((word.to_owned(), "true".to_owned()));
        }
    }
    let start = c.offset();
    let Some((statement, params)) = translate::statement(c.rest())? else { return Err(c.error()) };
    let statement = crate::parse::standard::parsed(statement, c.rest(), start, "ami", params);
    Ok(Some((Statement::Explain { statement: Box::new(statement), options }, params)))
}

/// Reads one of AMI's own forms.
pub(crate) fn form(text: &str) -> Result<(Statement, usize)> {
    grammar::parse(text)
}

/// The type of a column that a type word stands for (AMI-15).
pub(crate) fn column_type(word: &str) -> Option<DataType> {
    grammar::data_type(word)
}
