//! The Comdb2 dialect: versioned Lua procedures, Lua triggers and consumers, and statements that `$$` ends.

mod grammar;
mod lua;
mod script;

use super::{Dialect, DialectEnd};
use crate::error::Result;
use crate::parse::Statement;
use crate::parse::lex::HeadToken;

pub(crate) use script::{Ending, begins_statement, ending, is_script};

/// The dialect.
pub(crate) struct Comdb2;

impl Dialect for Comdb2 {
    fn name(&self) -> &'static str {
        "comdb2"
    }

    fn claims(&self, _text: &str, _start: usize, head: &[(usize, HeadToken<'_>)]) -> bool {
        grammar::claims(head)
    }

    fn end(&self, text: &str, start: usize) -> Result<DialectEnd> {
        grammar::end(text, start)
    }

    fn parse(&self, text: &str) -> Result<(Statement, usize)> {
        grammar::parse(text)
    }
}
