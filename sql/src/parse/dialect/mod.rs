//! `trait Dialect` and `DIALECTS`, the one registration list.
//!
//! A dialect claims a text by its leading tokens, and only forms that PostgreSQL refuses: a text that PostgreSQL reads is
//! never reinterpreted. Each finds the end of its own statements, since each has quotes of its own.

mod ami;
mod comdb2;

use crate::error::Result;
use crate::parse::Statement;
use crate::parse::lex::{self, HeadToken};

pub(crate) use ami::{column_type as ami_column_type, data as ami_data, form as ami_form};
pub(crate) use comdb2::{Ending, begins_statement, ending, is_script};

/// Where a claimed statement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DialectEnd {
    /// End of its text.
    pub(crate) at: usize,
    /// Where the next statement is looked for.
    pub(crate) next: usize,
}

/// A way to write statements beside standard SQL.
pub(crate) trait Dialect: Sync {
    /// Its name in settings, `Parsed` and definitions.
    fn name(&self) -> &'static str;

    /// True when the first tokens of `text` at `start` are a form of this dialect alone.
    fn claims(&self, text: &str, start: usize, head: &[(usize, HeadToken<'_>)]) -> bool;

    /// The end of the claimed statement that starts at `start`.
    fn end(&self, text: &str, start: usize) -> Result<DialectEnd>;

    /// Reads the claimed statement; the number is the highest `$n` in it.
    fn parse(&self, text: &str) -> Result<(Statement, usize)>;

    /// Reads a data statement that it does not claim by its leading words; `None` when it has no such reading.
    fn data(&self, _text: &str) -> Option<Result<(Statement, usize)>> {
        None
    }
}

/// All dialects beside standard SQL, in the order in which they are asked.
pub(crate) static DIALECTS: &[&dyn Dialect] = &[&ami::Ami, &comdb2::Comdb2];

/// Tokens that a claim may look at.
const HEAD: usize = 12;

/// The dialect that claims the statement at `start`.
pub(crate) fn claim(text: &str, start: usize) -> Option<&'static dyn Dialect> {
    let word = lex::head(text, start, 1);
    // Most statements end here: no dialect claims a text that starts with these.
    if let Some((_, HeadToken::Word(word))) = word.first()
        && ["select", "update", "delete", "begin", "commit", "set", "with"].iter().any(|w| w.eq_ignore_ascii_case(word))
        && !word.eq_ignore_ascii_case("set")
    {
        return None;
    }
    let head = lex::head(text, start, HEAD);
    DIALECTS.iter().copied().find(|dialect| dialect.claims(text, start, &head))
}
