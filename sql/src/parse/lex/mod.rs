//! The scanner of PostgreSQL text: statement ends, leading words, tokens with byte offsets.
//!
//! One lexer serves all of the standard front end: its tokens are sqlparser's, their spans carry `line = 1` and
//! `column = byte offset + 1`, so every span in a tree gives a byte offset into the statement's text without counting
//! lines. All string forms (`'…'`, `E'…'`, `U&'…'`, `$tag$…$tag$`, continued over a line break) arrive as one
//! `SingleQuotedString` with the escapes resolved. Comments and blanks are not tokens. Statement ends are found by a
//! byte loop that builds nothing. The other dialects have lexers of their own.

mod tokens;

pub(crate) use tokens::{end_of, offset_of, shape, tokenize};

/// Longest identifier, in bytes.
pub const NAME_LIMIT: usize = 63;

/// True for a byte that can begin an identifier.
#[must_use]
pub(crate) fn is_ident_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// True for a byte that can continue an identifier.
#[must_use]
pub(crate) fn is_ident_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// PostgreSQL's blanks.
#[must_use]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Position after the block comment that starts at `start`; `None` when it does not end. Comments nest.
#[must_use]
pub(crate) fn skip_block_comment(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 2;
    let mut depth = 1usize;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// Position of the line break that ends a line comment, or the end.
#[must_use]
pub(crate) fn skip_line(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|b| matches!(b, b'\n' | b'\r')).map_or(bytes.len(), |n| start + n)
}

/// Position after blanks and comments; `slashes` also skips `// …` lines. An unterminated comment is not skipped.
#[must_use]
pub(crate) fn skip_space(text: &str, start: usize, slashes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            b if is_blank(b) => at += 1,
            b'-' if next == Some(b'-') => at = skip_line(bytes, at),
            b'/' if slashes && next == Some(b'/') => at = skip_line(bytes, at),
            b'/' if next == Some(b'*') => match skip_block_comment(bytes, at) {
                Some(end) => at = end,
                None => break,
            },
            _ => break,
        }
    }
    at
}

/// Length of the dollar tag `$…$` at `at`, both dollars included.
#[must_use]
pub(crate) fn dollar_tag(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    if bytes.get(end).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    while let Some(&b) = bytes.get(end) {
        if b == b'$' {
            return Some(end + 1 - at);
        }
        if !is_ident_part(b) {
            return None;
        }
        end += 1;
    }
    None
}

/// Position of `needle` in `bytes` from `from` on.
#[must_use]
pub(crate) fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    while at + needle.len() <= bytes.len() {
        let step = bytes[at..].iter().position(|b| *b == first)?;
        at += step;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Position after the quoted run whose opening `quote` stands at `at`; `None` when it does not end.
#[must_use]
fn skip_quoted(bytes: &[u8], at: usize, quote: u8, backslash: bool) -> Option<usize> {
    let mut i = at + 1;
    loop {
        let step = if backslash {
            bytes.get(i..)?.iter().position(|b| *b == quote || *b == b'\\')?
        } else {
            bytes.get(i..)?.iter().position(|b| *b == quote)?
        };
        i += step;
        if bytes[i] == b'\\' || bytes.get(i + 1) == Some(&quote) {
            i += 2;
        } else {
            return Some(i + 1);
        }
    }
}

/// Where a statement of PostgreSQL text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Position of the semicolon, or the end of the text.
    pub(crate) at: usize,
    /// True when a quote or comment did not end.
    pub(crate) open: bool,
    /// True when a backslash or a backtick stood outside quotes: a mark of AMI quoting.
    pub(crate) foreign: bool,
}

/// Finds the end of the statement that starts at `start`: the first semicolon outside quotes, comments and parentheses.
#[must_use]
pub(crate) fn statement_end(text: &str, start: usize) -> End {
    end_of_statement(text, start, false)
}

/// As `statement_end`; with `lines`, a line break outside quotes, comments and parentheses is an end too.
#[must_use]
pub(crate) fn end_of_statement(text: &str, start: usize, lines: bool) -> End {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut depth = 0usize;
    let mut foreign = false;
    while at < bytes.len() {
        let next = match bytes[at] {
            b'\'' => {
                let escapes = at > start
                    && matches!(bytes[at - 1], b'e' | b'E')
                    && (at < start + 2 || !is_ident_part(bytes[at - 2]));
                skip_quoted(bytes, at, b'\'', escapes)
            }
            b'"' => skip_quoted(bytes, at, b'"', false),
            b'$' if at == start || !is_ident_part(bytes[at - 1]) => match dollar_tag(bytes, at) {
                Some(len) => find(bytes, at + len, &bytes[at..at + len]).map(|end| end + len),
                None => Some(at + 1),
            },
            b'-' if bytes.get(at + 1) == Some(&b'-') => Some(skip_line(bytes, at)),
            b'/' if bytes.get(at + 1) == Some(&b'*') => skip_block_comment(bytes, at),
            b'(' => {
                depth += 1;
                Some(at + 1)
            }
            b')' => {
                depth = depth.saturating_sub(1);
                Some(at + 1)
            }
            b'\n' if lines && depth == 0 => return End { at, open: false, foreign },
            b';' if depth == 0 => return End { at, open: false, foreign },
            b'\\' | b'`' => {
                foreign = true;
                Some(at + 1)
            }
            _ => Some(at + 1),
        };
        match next {
            Some(next) => at = next,
            None => return End { at: bytes.len(), open: true, foreign },
        }
    }
    End { at: bytes.len(), open: false, foreign }
}

/// One of the first tokens of a statement, for routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadToken<'a> {
    /// An unquoted word.
    Word(&'a str),
    /// A quoted name or string, quotes included.
    Quoted(&'a str),
    /// Any other character.
    Mark(char),
}

impl HeadToken<'_> {
    /// True for this unquoted word, case ignored.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, HeadToken::Word(w) if w.eq_ignore_ascii_case(word))
    }
}

/// The first `limit` tokens from `start` on, read leniently.
pub(crate) fn head(text: &str, start: usize, limit: usize) -> Vec<(usize, HeadToken<'_>)> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(limit.min(16));
    let mut at = start;
    while out.len() < limit {
        at = skip_space(text, at, true);
        let Some(&b) = bytes.get(at) else { break };
        if is_ident_start(b) {
            let len = bytes[at..].iter().position(|b| !is_ident_part(*b)).unwrap_or(bytes.len() - at);
            out.push((at, HeadToken::Word(&text[at..at + len])));
            at += len;
        } else if matches!(b, b'\'' | b'"' | b'`') {
            let end = skip_quoted(bytes, at, b, b == b'"').unwrap_or(bytes.len()).min(bytes.len());
            out.push((at, HeadToken::Quoted(text.get(at..end).unwrap_or_default())));
            at = end;
        } else if b == b'$'
            && let Some(len) = dollar_tag(bytes, at)
        {
            let end = find(bytes, at + len, &bytes[at..at + len]).map_or(bytes.len(), |end| end + len);
            out.push((at, HeadToken::Quoted(&text[at..end])));
            at = end;
        } else {
            let mark = text[at..].chars().next().unwrap_or(' ');
            out.push((at, HeadToken::Mark(mark)));
            at += mark.len_utf8();
        }
    }
    out
}
