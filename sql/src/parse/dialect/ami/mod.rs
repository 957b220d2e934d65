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
        None => translate::statement(text).transpose(),
    }
}

/// Reads one of AMI's own forms.
pub(crate) fn form(text: &str) -> Result<(Statement, usize)> {
    grammar::parse(text)
}

/// The type of a column that a type word stands for (AMI-15).
pub(crate) fn column_type(word: &str) -> Option<DataType> {
    grammar::data_type(word)
}
