//! Text → statements, by the dialect that claims it.
//!
//! A simple-query message is cut one statement at a time: `split_first` finds the next one and the dialect it is in,
//! `parse` reads it, and only then is the following one looked at, since routing may depend on what has run. Standard
//! PostgreSQL is the default and is never reinterpreted; the other dialects claim a text by its leading tokens
//! (`dialect::DIALECTS`). Syntax trees of sqlparser stop at `plan/`. Errors of this module have positions in the whole
//! message; spans in a tree count from the start of the statement's own text (`Parsed::text`).

mod block;
mod dialect;
mod fast_values;
mod lex;
mod names;
mod normalise;
mod relations;
mod standard;
mod statement;
#[cfg(test)]
mod tests;

use std::ops::Range;

use sqlparser::ast;

use crate::error::{Result, Span, SqlError, SqlState};

pub use block::{Block, BlockStatement, parse_block};
pub use lex::NAME_LIMIT;
pub use names::{cut, fold, object_name, offset};
pub use normalise::normalise;
pub use relations::relations;
pub(crate) use standard::SEARCH_PART;
pub use standard::{
    LikeTable, defining_query, delete_columns, element_mark, exclude_mark, insert_statement, is_defaults_mark,
    is_not_null_mark, is_rows_from_mark, is_star_mark, is_variadic_mark, item_end, like_mark, lock_clause,
    relation_literals, string_literals,
};
pub use statement::*;

/// Which grammars may read a text; the setting `dialect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DialectSetting {
    /// PostgreSQL first; other dialects by the leading words that PostgreSQL refuses.
    #[default]
    Auto,
    /// PostgreSQL only.
    Postgres,
    /// This dialect first, then PostgreSQL.
    Named(&'static str),
}

impl DialectSetting {
    /// The setting that a value names; `None` for an unknown one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DialectSetting> {
        if name.eq_ignore_ascii_case("auto") {
            return Some(DialectSetting::Auto);
        }
        if name.eq_ignore_ascii_case("postgres") || name.eq_ignore_ascii_case("postgresql") {
            return Some(DialectSetting::Postgres);
        }
        dialect::DIALECTS.iter().find(|d| d.name().eq_ignore_ascii_case(name)).map(|d| DialectSetting::Named(d.name()))
    }

    /// The value as SHOW prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DialectSetting::Auto => "auto",
            DialectSetting::Postgres => "postgres",
            DialectSetting::Named(name) => name,
        }
    }
}

/// What a session decides about parsing.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// The setting `dialect`.
    pub dialect: DialectSetting,
}

/// One statement of a message, found but not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawStatement {
    /// Its text in the message: no semicolon, no leading blanks or comments.
    pub range: Range<usize>,
    /// Where to look for the next one.
    pub next: usize,
    /// Name of the dialect that will read it.
    pub dialect: &'static str,
}

/// Whether each statement of a message is a message of its own, and so a transaction of its own: a Comdb2 script (CDB-306).
#[must_use]
pub fn is_script(text: &str, options: &ParseOptions) -> bool {
    !matches!(options.dialect, DialectSetting::Postgres) && dialect::is_script(text)
}

/// Finds the first statement at or after `offset`; `None` when only blanks, comments and semicolons are left.
///
/// # Errors
/// 42601 when a dialect cannot find the end of a statement that it claims.
pub fn split_first(text: &str, offset: usize, options: &ParseOptions) -> Result<Option<RawStatement>> {
    split(text, offset, options, true)
}

/// `script`: `$$` terminators are recognised, as only the simple protocol does.
fn split(text: &str, offset: usize, options: &ParseOptions, script: bool) -> Result<Option<RawStatement>> {
    let bytes = text.as_bytes();
    let others = options.dialect != DialectSetting::Postgres;
    let mut at = offset.min(text.len());
    loop {
        at = lex::skip_space(text, at, others);
        match bytes.get(at) {
            None => return Ok(None),
            Some(b';') => {
                at += 1;
                continue;
            }
            Some(_) => {}
        }
        let name = if others { dialect::claim(text, at) } else { None };
        let ending = if others && script { dialect::ending(text, at) } else { dialect::Ending::Usual };
        let (stop, next, dialect) = match (ending, name) {
            (dialect::Ending::At(stop, next), name) => (stop, next, name.map(|d| d.name())),
            (dialect::Ending::Usual, Some(dialect)) => {
                let end = dialect.end(text, at)?;
                (end.at, end.next, Some(dialect.name()))
            }
            (dialect::Ending::Usual, None) => {
                let end = lex::statement_end(text, at);
                (end.at, (end.at + 1).min(text.len()), None)
            }
        };
        if stop == at && next > at {
            // A terminator of nothing.
            at = next;
            continue;
        }
        let dialect = dialect.unwrap_or(match options.dialect {
            DialectSetting::Named(name) => name,
            _ => standard::NAME,
        });
        return Ok(Some(RawStatement { range: at..trimmed(text, at, stop), next, dialect }));
    }
}

fn trimmed(text: &str, start: usize, end: usize) -> usize {
    let slice = text.get(start..end).unwrap_or_default();
    start + slice.trim_end_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']).len()
}

/// Reads a statement that `split_first` found.
///
/// # Errors
/// 42601 with a position in `text`; 54001 for nesting beyond the bounds; 0A000; the lexer's codes.
pub fn parse(text: &str, raw: &RawStatement, options: &ParseOptions) -> Result<Parsed> {
    let own = text.get(raw.range.clone()).unwrap_or_default();
    if u32::try_from(text.len()).is_err() {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "statement is too long"));
    }
    if let Some(dialect) = dialect::DIALECTS.iter().find(|d| d.name() == raw.dialect) {
        let head = dialect::claim(own, 0).map(|d| d.name());
        if head == Some(dialect.name()) {
            let (statement, params) = dialect.parse(own).map_err(|error| standard::shift(error, raw.range.start))?;
            return Ok(standard::parsed(statement, own, raw.range.start, dialect.name(), params));
        }
    }
    if let DialectSetting::Named(name) = options.dialect
        && let Some(dialect) = dialect::DIALECTS.iter().find(|d| d.name() == name)
        && let Some(read) = dialect.data(own)
    {
        // PostgreSQL comes second; when it cannot read it either, what the first said counts.
        return match read {
            Ok((statement, params)) => Ok(standard::parsed(statement, own, raw.range.start, dialect.name(), params)),
            Err(error) => parse(text, raw, &ParseOptions { dialect: DialectSetting::Postgres })
                .map_err(|_| standard::shift(error, raw.range.start)),
        };
    }
    if let Some(values) = fast_values::parse(own) {
        return Ok(standard::parsed(
            Statement::InsertValues(Box::new(values)),
            own,
            raw.range.start,
            standard::NAME,
            0,
        ));
    }
    let (statement, params) = standard::statement(own).map_err(|error| {
        let error = standard::shift(error, raw.range.start);
        match text.get(raw.range.end..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())) {
            // What ended too early is ended by a semicolon here.
            Some(at) if error.message() == standard::END_OF_INPUT && text[raw.range.end + at..].starts_with(';') => {
                let at = raw.range.end + at;
                standard::near(text, at, at + 1)
            }
            _ => error,
        }
    })?;
    Ok(standard::parsed(statement, own, raw.range.start, standard::NAME, params))
}

/// With `dialect = comdb2`: when a statement fails at a word that begins a line and could begin a statement, and what
/// stands before it is a whole statement, that line break ends it (CDB-307). The statement that ends there, read.
#[must_use]
pub fn ended_by_line(
    text: &str,
    raw: &RawStatement,
    error: &SqlError,
    options: &ParseOptions,
) -> Option<(RawStatement, Parsed)> {
    if options.dialect != DialectSetting::Named("comdb2") || error.state() != SqlState::SYNTAX_ERROR {
        return None;
    }
    let at = error
        .fields()
        .position
        .map(|span| span.0 as usize)
        .filter(|at| *at > raw.range.start && *at < raw.range.end)?;
    let before = text.get(..at)?.trim_end_matches([' ', '\t', '\r']);
    let stop = before.strip_suffix('\n').map(str::trim_end).map(str::len).filter(|stop| *stop > raw.range.start)?;
    let word: String = text[at..].chars().take_while(char::is_ascii_alphabetic).collect();
    if !dialect::begins_statement(&word) {
        return None;
    }
    let raw = RawStatement { range: raw.range.start..stop, next: at, dialect: raw.dialect };
    let parsed = parse(text, &raw, options).ok()?;
    Some((raw, parsed))
}

/// Whether an error of `parse` is the last word: no dialect would read the statement otherwise.
#[must_use]
pub fn is_final(text: &str, raw: &RawStatement, error: &SqlError, options: &ParseOptions) -> bool {
    if error.state() != SqlState::SYNTAX_ERROR || raw.dialect != standard::NAME {
        return false;
    }
    match options.dialect {
        DialectSetting::Postgres => true,
        DialectSetting::Auto => {
            let own = text.get(raw.range.clone()).unwrap_or_default();
            !has_ami_mark(own) && second_reading(text, raw, "ami").is_none()
        }
        DialectSetting::Named(_) => false,
    }
}

/// Reads a data statement the way a dialect would: for a session whose first reading ended with a syntax or
/// name-resolution error, and which then checks that the tables it names belong to the dialect. `None` when the dialect
/// cannot read it either.
#[must_use]
pub fn second_reading(text: &str, raw: &RawStatement, dialect: &str) -> Option<Parsed> {
    let own = text.get(raw.range.clone())?;
    let dialect = dialect::DIALECTS.iter().find(|d| d.name() == dialect)?;
    // Comments before the statement belong to neither reading.
    let (statement, params) = dialect.data(own)?.ok()?;
    Some(standard::parsed(statement, own, raw.range.start, dialect.name(), params))
}

/// What AMI's own grammar says about a text that neither reading accepts; none if it accepts it.
#[must_use]
pub fn ami_error(text: &str, raw: &RawStatement) -> Option<SqlError> {
    let own = text.get(raw.range.clone())?;
    dialect::ami_data(own)?.err().map(|error| standard::shift(error, raw.range.start))
}

/// Standard SQL text with AMI's operators (`ami.eq(a, b)`), as a statement of AMI: what AMI's translation gives.
///
/// # Errors
/// 42601.
pub fn ami_statement(sql: &str) -> Result<Parsed> {
    let (statement, params) = standard::statement(sql)?;
    Ok(standard::parsed(statement, sql, 0, "ami", params))
}

/// A text that is one of AMI's own forms.
///
/// # Errors
/// 42601 with a position in it.
pub fn ami_form(text: &str) -> Result<Parsed> {
    let (statement, params) = dialect::ami_form(text)?;
    Ok(standard::parsed(statement, text, 0, "ami", params))
}

/// The type of a column that AMI's type word stands for (AMI-15).
#[must_use]
pub fn ami_column_type(word: &str) -> Option<crate::types::DataType> {
    dialect::ami_column_type(word)
}

/// Whether a text bears a mark that only AMI has: then AMI's own error is the one to report (AMI-3).
#[must_use]
pub fn has_ami_mark(text: &str) -> bool {
    ["==", "=~", "`", "\\\"", "\\'"].iter().any(|mark| text.contains(mark))
}

/// Reads a text that must hold at most one statement (the extended protocol's Parse).
///
/// # Errors
/// As `parse`, and 42601 when there is more than one statement.
pub fn parse_one(text: &str, options: &ParseOptions) -> Result<Parsed> {
    let Some(raw) = split(text, 0, options, false)? else {
        // An unterminated comment is all there is: the lexer says so.
        lex::tokenize(text)?;
        return Ok(standard::parsed(Statement::Empty, "", text.len(), standard::NAME, 0));
    };
    let parsed = parse(text, &raw, options)?;
    if split(text, raw.next, options, false)?.is_some() {
        return Err(SqlError::syntax("cannot insert multiple commands into a prepared statement"));
    }
    Ok(parsed)
}

/// Reads a stored expression: a default, a check, an index predicate.
///
/// # Errors
/// 42601 with a position in `text`.
pub fn parse_expr(text: &str) -> Result<ast::Expr> {
    standard::expr_text(text)
}

/// Reads a type name.
///
/// # Errors
/// 42601 with a position in `text`.
pub fn parse_type(text: &str) -> Result<ast::DataType> {
    standard::type_text(text)
}

/// Reads the name of an object, as it stands in a literal of type regclass.
///
/// # Errors
/// 42601 for anything else.
pub fn parse_name(text: &str) -> Result<ast::ObjectName> {
    standard::name_text(text)
}

/// A syntax error at a place, for the dialects.
pub(crate) fn syntax_at(message: impl Into<String>, at: usize) -> SqlError {
    SqlError::syntax(message).at(Span(u32::try_from(at).unwrap_or(0)))
}
