//! Comdb2 scripts: `$$` at the end of a line ends CREATE TABLE, ALTER TABLE and CREATE PROCEDURE (CDB-305), and in a
//! message that holds such a terminator every other statement also ends at its line break (CDB-306).

use super::{grammar, lua};
use crate::parse::lex::{self, HeadToken};

/// How a statement of a simple-query message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not in a script: the dialect's usual rule.
    Usual,
    /// The statement's text ends at the first position, the next one is looked for at the second.
    At(usize, usize),
}

/// Longest message that is looked through for terminators; each of its statements looks again.
const MAX_SCRIPT: usize = 64 << 10;

/// True for a `$$` at `at` when only blanks follow it on its line.
fn terminator(bytes: &[u8], at: usize) -> bool {
    bytes[at..].starts_with(b"$$")
        && bytes[at + 2..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r')).is_none_or(|b| *b == b'\n')
}

/// The terminator of the statement at `start`, if it is of a kind that `$$` ends and one comes before a semicolon.
fn dollar_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let head = lex::head(text, start, 12);
    let is = |n: usize, word: &str| head.get(n).is_some_and(|(_, t)| t.is(word));
    let lua_procedure = grammar::is_procedure(&head);
    let table = (is(0, "create") || is(0, "alter")) && is(1, "table");
    if head.is_empty() || terminator(bytes, start) {
        return terminator(bytes, start).then_some(start);
    }
    if !table && !lua_procedure {
        return None;
    }
    let mut at = start;
    // A string cannot start after a complete value or name: then `$$` is the terminator.
    let mut string_may_start = true;
    let mut body_read = !lua_procedure;
    while at < bytes.len() {
        let b = bytes[at];
        match b {
            b';' => return None,
            b'{' if lua_procedure => {
                at = lua::closing_brace(text, at)? + 1;
                body_read = true;
                string_may_start = false;
                continue;
            }
            b'\'' | b'"' => {
                let len = bytes[at + 1..].iter().position(|c| *c == b)?;
                at += len + 2;
                string_may_start = false;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = lex::skip_line(bytes, at);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = lex::skip_block_comment(bytes, at)?;
                continue;
            }
            b'$' => {
                if terminator(bytes, at) && body_read && !string_may_start {
                    return Some(at);
                }
                let len = lex::dollar_tag(bytes, at)?;
                at = lex::find(bytes, at + len, &bytes[at..at + len])? + len;
                body_read = true;
                string_may_start = false;
                continue;
            }
            _ if lex::is_ident_start(b) || b.is_ascii_digit() => {
                let from = at;
                while at < bytes.len() && lex::is_ident_part(bytes[at]) && !terminator(bytes, at) {
                    at += 1;
                }
                let word = &text[from..at];
                string_may_start = word.eq_ignore_ascii_case("as") || word.eq_ignore_ascii_case("default");
                continue;
            }
            _ if lex::is_blank(b) => {}
            b')' => string_may_start = false,
            _ => string_may_start = true,
        }
        at += 1;
    }
    None
}

/// True when the message holds a terminator: it is a Comdb2 script (CDB-306).
pub(crate) fn is_script(text: &str) -> bool {
    if text.len() > MAX_SCRIPT || !text.contains("$$") {
        return false;
    }
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let Some(at) = lex::find(bytes, from, b"$$") else { return false };
        if terminator(bytes, at) {
            break;
        }
        from = at + 2;
    }
    // Whether lines end statements is not known yet: the three kinds are looked for at the start of every line that is
    // outside quotes and parentheses. A bare `$$` counts only where a statement surely starts, since PostgreSQL text may
    // open a string on a line of its own.
    let mut at = 0;
    let mut fresh = true;
    loop {
        at = lex::skip_space(text, at, true);
        while bytes.get(at) == Some(&b';') {
            fresh = true;
            at = lex::skip_space(text, at + 1, true);
        }
        if at >= bytes.len() {
            return false;
        }
        if (fresh || !terminator(bytes, at)) && dollar_end(text, at).is_some() {
            return true;
        }
        let end = lex::end_of_statement(text, at, true).at;
        fresh = bytes.get(end) == Some(&b';');
        at = (end + 1).min(bytes.len());
    }
}

/// How the statement at `start` ends.
pub(crate) fn ending(text: &str, start: usize) -> Ending {
    if !is_script(text) {
        return Ending::Usual;
    }
    if let Some(at) = dollar_end(text, start) {
        return Ending::At(at, at + 2);
    }
    let head = lex::head(text, start, 12);
    let table = matches!(head.first(), Some((_, HeadToken::Word(w))) if w.eq_ignore_ascii_case("create") || w.eq_ignore_ascii_case("alter"))
        && head.get(1).is_some_and(|(_, t)| t.is("table"));
    if table || grammar::is_procedure(&head) {
        return Ending::Usual;
    }
    let at = lex::end_of_statement(text, start, true).at;
    Ending::At(at, (at + 1).min(text.len()))
}

/// Words with which a statement begins.
const FIRST_WORDS: &[&str] = &[
    "abort",
    "alter",
    "analyze",
    "begin",
    "call",
    "close",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "drop",
    "end",
    "exec",
    "execute",
    "explain",
    "fetch",
    "grant",
    "insert",
    "lock",
    "move",
    "prepare",
    "put",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "select",
    "set",
    "show",
    "start",
    "truncate",
    "update",
    "vacuum",
    "values",
    "with",
];

/// Whether a statement may begin with this word.
pub(crate) fn begins_statement(word: &str) -> bool {
    FIRST_WORDS.iter().any(|first| first.eq_ignore_ascii_case(word))
}
