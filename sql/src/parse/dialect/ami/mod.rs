//! The AMI dialect: claims the leading forms that only AMI has and reads them.
//!
//! Expressions and scripts inside option values are text here; their grammar lives with the triggers that run them.

mod grammar;
mod lexer;
mod translate;

use super::{Dialect, DialectEnd};
use crate::error::Result;
use crate::parse::Statement;
use crate::parse::lex::HeadToken;

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
        match translate::standard(text) {
            Ok(Some(text)) => Some(crate::parse::standard::statement(&text).map_err(|mut error| {
                // The place is one in the translation.
                error.fields_mut().position = None;
                error
            })),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
