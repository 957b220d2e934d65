//! LIKE, ILIKE, SIMILAR TO and regular expressions in PostgreSQL's flavour (PG-97, PG-113).
//!
//! A regular expression is rewritten for the `regex` crate; back-references and look-around go to `fancy-regex`.
//! Compiled ones are remembered per thread. Of alternatives the first that matches wins, where PostgreSQL takes the
//! longest; whether there is a match at all is the same.
use std::cell::RefCell;
use std::rc::Rc;

use super::OperatorRow;
use super::TEXT_ARRAY;
use super::args::{int4_value, invalid};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{BOOL, BPCHAR, BYTEA, INT4, NAME, TEXT};
use crate::types::{Array, Row, Value, oid};

/// Compiled expressions remembered per thread.
const CACHED_MAX: usize = 64;
/// Steps of backtracking before a fancy expression is given up.
const BACKTRACK_MAX: usize = 10_000_000;

fn escape_at_end() -> SqlError {
    SqlError::new(SqlState::INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character")
}

/// Bytes of the character that starts with this byte.
fn width(byte: u8) -> usize {
    match byte {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

/// Whether `text` matches a LIKE pattern with `\` as escape. `bytes`: `_` is one byte, else one character.
pub(super) fn like(text: &[u8], pattern: &[u8], bytes: bool) -> Result<bool> {
    let (mut at, mut place) = (0, 0);
    // Where the last % stood: the place in the pattern after it, and where its match ends so far.
    let mut retry: Option<(usize, usize)> = None;
    let step = |at: usize| if bytes { 1 } else { text.get(at).map_or(1, |byte| width(*byte)) };
    loop {
        let matched = match pattern.get(place) {
            Some(b'%') => {
                place += 1;
                if place == pattern.len() {
                    return Ok(true);
                }
                retry = Some((place, at));
                continue;
            }
            Some(b'_') if at < text.len() => {
                at += step(at);
                place += 1;
                true
            }
            Some(b'\\') => {
                let Some(wanted) = pattern.get(place + 1) else { return Err(escape_at_end()) };
                if text.get(at) == Some(wanted) {
                    at += 1;
                    place += 2;
                    true
                } else {
                    false
                }
            }
            Some(wanted) if text.get(at) == Some(wanted) => {
                at += 1;
                place += 1;
                true
            }
            None if at >= text.len() => return Ok(true),
            _ => false,
        };
        if matched {
            continue;
        }
        match &mut retry {
            Some((after, end)) if *end < text.len() => {
                *end += step(*end);
                (place, at) = (*after, *end);
            }
            _ => return Ok(false),
        }
    }
}

fn like_call(call: &Call<'_>) -> Result<bool> {
    like(call.text(0)?.as_bytes(), call.text(1)?.as_bytes(), false)
}

fn ilike_call(call: &Call<'_>) -> Result<bool> {
    like(call.text(0)?.to_lowercase().as_bytes(), call.text(1)?.to_lowercase().as_bytes(), false)
}

fn one_escape(escape: &str, message: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(SqlError::new(SqlState::INVALID_ESCAPE_SEQUENCE, message)
            .hint("Escape string must be empty or one character.")),
    }
}

/// A LIKE pattern with another escape character rewritten for `\`.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let escape = one_escape(escape, "invalid escape string")?;
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut after_escape = false;
    for c in pattern.chars() {
        if Some(c) == escape && !after_escape {
            out.push('\\');
            after_escape = true;
        } else {
            if c == '\\' && !after_escape {
                out.push('\\');
            }
            out.push(c);
            after_escape = false;
        }
    }
    Ok(out)
}

/// A SIMILAR TO pattern as a regular expression. `"` after the escape character marks the part that substring wants.
fn similar(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("^(?:");
    let mut chars = pattern.chars();
    let (mut in_bracket, mut quotes) = (false, 0);
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some('"') if !in_bracket => {
                    match quotes {
                        0 => out.push_str("){1,1}?("),
                        1 => out.push_str("){1,1}(?:"),
                        _ => {
                            return Err(SqlError::new(
                                SqlState::INVALID_ESCAPE_SEQUENCE,
                                "SQL regular expression may not contain more than two escape-double-quote separators",
                            ));
                        }
                    }
                    quotes += 1;
                }
                Some(next) => {
                    if !next.is_alphanumeric() {
                        out.push('\\');
                    }
                    out.push(next);
                }
                None => {}
            }
        } else if in_bracket {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_bracket = c != ']';
        } else {
            match c {
                '[' => {
                    out.push('[');
                    in_bracket = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                other => out.push(other),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn similar_call(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Ok(Value::Null);
    }
    let escape = match call.args.get(1) {
        None | Some(Value::Null) => Some('\\'),
        Some(_) => one_escape(call.text(1)?, "invalid escape string")?,
    };
    similar(call.text(0)?, escape).map(Value::from)
}

/// How an expression is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    ignore_case: bool,
    /// `.` and `[^…]` do not match a newline.
    dot_stops: bool,
    /// `^` and `$` match at lines.
    lines: bool,
    expanded: bool,
    literal: bool,
    global: bool,
}

impl Flags {
    fn parse(text: &str, global_allowed: bool) -> Result<Flags> {
        let mut flags = Flags::default();
        for c in text.chars() {
            match c {
                'g' if global_allowed => flags.global = true,
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'n' | 'm' => (flags.dot_stops, flags.lines) = (true, true),
                's' => (flags.dot_stops, flags.lines) = (false, false),
                'p' => (flags.dot_stops, flags.lines) = (true, false),
                'w' => (flags.dot_stops, flags.lines) = (false, true),
                'x' => flags.expanded = true,
                't' => flags.expanded = false,
                'q' => flags.literal = true,
                'e' | 'b' => {}
                other => return Err(invalid(format!("invalid regular expression option: \"{other}\""))),
            }
        }
        Ok(flags)
    }
}

fn bad_regex(why: impl std::fmt::Display) -> SqlError {
    SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {why}"))
}

enum Compiled {
    Plain(regex::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

/// Places of a match and of its groups.
type Groups = Vec<Option<(usize, usize)>>;

impl Compiled {
    fn is_match(&self, text: &str) -> Result<bool> {
        match self {
            Compiled::Plain(regex) => Ok(regex.is_match(text)),
            Compiled::Fancy(regex) => regex.is_match(text).map_err(|error| too_complex(&error)),
        }
    }

    /// The first match that starts at `start` or later.
    fn groups(&self, text: &str, start: usize) -> Result<Option<Groups>> {
        match self {
            Compiled::Plain(regex) => Ok(regex.captures_at(text, start).map(|captures| {
                (0..captures.len()).map(|index| captures.get(index).map(|m| (m.start(), m.end()))).collect()
            })),
            Compiled::Fancy(regex) => {
                let captures = regex.captures_from_pos(text, start).map_err(|error| too_complex(&error))?;
                Ok(captures.map(|captures| {
                    (0..captures.len()).map(|index| captures.get(index).map(|m| (m.start(), m.end()))).collect()
                }))
            }
        }
    }

    /// All matches from `start` on, one after the other.
    fn all(&self, text: &str, start: usize, call: &Call<'_>) -> Result<Vec<Groups>> {
        let mut found = Vec::new();
        let mut at = start;
        while at <= text.len() {
            let Some(groups) = self.groups(text, at)? else { break };
            let Some((from, to)) = groups.first().copied().flatten() else { break };
            at = if to > from { to } else { next_char(text, to) };
            found.push(groups);
            if found.len() % 1024 == 0 {
                call.ctx.runtime.check_cancel()?;
            }
        }
        Ok(found)
    }
}

/// The place of the next character; past the end after the last.
fn next_char(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(text.len() + 1, |c| at + c.len_utf8())
}

fn too_complex(error: &fancy_regex::Error) -> SqlError {
    SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("regular expression failed: {error}"))
}

thread_local! {
    static COMPILED: RefCell<Vec<(String, Flags, Rc<Compiled>)>> = const { RefCell::new(Vec::new()) };
}

fn compile(pattern: &str, mut flags: Flags) -> Result<Rc<Compiled>> {
    flags.global = false;
    let known = COMPILED.with_borrow_mut(|compiled| {
        let place = compiled.iter().rposition(|(text, known, _)| *known == flags && text == pattern)?;
        let found = Rc::clone(&compiled[place].2);
        // Recently used ones stay at the end; only a search that went far moves one.
        if place + 8 < compiled.len() {
            let entry = compiled.remove(place);
            compiled.push(entry);
        }
        Some(found)
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let mut options = flags;
    let mut body = pattern;
    if let Some(rest) = body.strip_prefix("***=") {
        options.literal = true;
        body = rest;
    } else if let Some(rest) = body.strip_prefix("***:") {
        body = rest;
    }
    if !options.literal
        && let Some((letters, rest)) = body.strip_prefix("(?").and_then(|rest| rest.split_once(')'))
        && !letters.is_empty()
        && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    {
        let embedded = Flags::parse(letters, false).map_err(|_| bad_regex("invalid embedded option"))?;
        options =
            Flags { ignore_case: embedded.ignore_case || options.ignore_case && !letters.contains('c'), ..embedded };
        body = rest;
    }
    let (text, fancy) = if options.literal { (regex::escape(body), false) } else { translate(body, options)? };
    let mut prefix = String::from("(?");
    for (set, letter) in
        [(options.ignore_case, 'i'), (options.lines, 'm'), (!options.dot_stops, 's'), (options.expanded, 'x')]
    {
        if set {
            prefix.push(letter);
        }
    }
    let whole = if prefix.len() > 2 { format!("{prefix}){text}") } else { text };
    let compiled = if fancy {
        let regex = fancy_regex::RegexBuilder::new(&whole).backtrack_limit(BACKTRACK_MAX).build();
        Compiled::Fancy(Box::new(regex.map_err(|error| bad_regex(reason(&error.to_string())))?))
    } else {
        let regex = regex::RegexBuilder::new(&whole).size_limit(32 << 20).build();
        Compiled::Plain(regex.map_err(|error| bad_regex(reason(&error.to_string())))?)
    };
    let compiled = Rc::new(compiled);
    COMPILED.with_borrow_mut(|all| {
        if all.len() >= CACHED_MAX {
            all.remove(0);
        }
        all.push((pattern.to_owned(), flags, Rc::clone(&compiled)));
    });
    Ok(compiled)
}

/// PostgreSQL's words for the crate's complaint.
fn reason(message: &str) -> &'static str {
    if message.contains("class") {
        "brackets [] not balanced"
    } else if message.contains("group") || message.contains("parenthes") {
        "parentheses () not balanced"
    } else if message.contains("repetition operator") || message.contains("expression") {
        "quantifier operand invalid"
    } else if message.contains("repetition") || message.contains("count") {
        "invalid repetition count(s)"
    } else if message.contains("size limit") {
        "regular expression is too complex"
    } else {
        "invalid escape \\ sequence"
    }
}

/// PostgreSQL's expression for the crates, and whether it needs look-around or back-references.
fn translate(pattern: &str, flags: Flags) -> Result<(String, bool)> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut fancy = false;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '\\' => {
                let Some(&next) = chars.get(at) else { return Err(bad_regex("invalid escape \\ sequence")) };
                at += 1;
                match next {
                    'y' => out.push_str(r"\b"),
                    'Y' => out.push_str(r"\B"),
                    'm' => out.push_str(r"\b{start}"),
                    'M' => out.push_str(r"\b{end}"),
                    'Z' => out.push_str(r"\z"),
                    '1'..='9' => {
                        fancy = true;
                        out.push('\\');
                        out.push(next);
                        while let Some(digit) = chars.get(at).filter(|c| c.is_ascii_digit()) {
                            out.push(*digit);
                            at += 1;
                        }
                    }
                    _ => at = escape(&chars, at, next, &mut out)?,
                }
            }
            '[' => {
                let rest: String = chars[at..chars.len().min(at + 6)].iter().collect();
                if rest == "[:<:]]" {
                    out.push_str(r"\b{start}");
                    at += 6;
                } else if rest == "[:>:]]" {
                    out.push_str(r"\b{end}");
                    at += 6;
                } else {
                    at = bracket(&chars, at, flags, &mut out)?;
                }
            }
            '(' => {
                out.push('(');
                if chars.get(at) == Some(&'?') {
                    match (chars.get(at + 1), chars.get(at + 2)) {
                        (Some('='), _) | (Some('!'), _) | (Some('<'), Some('=' | '!')) => fancy = true,
                        (Some(':'), _) => {}
                        (Some('#'), _) => {
                            out.pop();
                            while chars.get(at).is_some_and(|c| *c != ')') {
                                at += 1;
                            }
                            at += 1;
                        }
                        _ => return Err(bad_regex("quantifier operand invalid")),
                    }
                }
            }
            '{' if !chars.get(at).is_some_and(char::is_ascii_digit) => out.push_str(r"\{"),
            '{' => {
                out.push('{');
                while let Some(c) = chars.get(at) {
                    out.push(*c);
                    at += 1;
                    if *c == '}' {
                        break;
                    }
                }
            }
            '}' => out.push_str(r"\}"),
            ']' => out.push_str(r"\]"),
            other => out.push(other),
        }
    }
    Ok((out, fancy))
}

/// Appends the escape `\next`; `at` stands behind it. Gives the place behind what it took.
fn escape(chars: &[char], mut at: usize, next: char, out: &mut String) -> Result<usize> {
    let bad = || bad_regex("invalid escape \\ sequence");
    let code = |out: &mut String, code: u32| -> Result<()> {
        char::from_u32(code).ok_or_else(bad)?;
        out.push_str(&format!("\\x{{{code:X}}}"));
        Ok(())
    };
    let hex = |from: usize, count: usize| -> Result<u32> {
        let digits: String = chars.get(from..from + count).ok_or_else(bad)?.iter().collect();
        u32::from_str_radix(&digits, 16).map_err(|_| bad())
    };
    match next {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'A' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
            out.push('\\');
            out.push(next);
        }
        'b' => out.push_str(r"\x08"),
        'B' => out.push_str(r"\\"),
        'e' => out.push_str(r"\x1B"),
        '0' => out.push_str(r"\x00"),
        'c' => {
            let control = chars.get(at).ok_or_else(bad)?;
            code(out, u32::from(*control) & 31)?;
            at += 1;
        }
        'u' => {
            code(out, hex(at, 4)?)?;
            at += 4;
        }
        'U' => {
            code(out, hex(at, 8)?)?;
            at += 8;
        }
        'x' => {
            let count = chars[at..].iter().take_while(|c| c.is_ascii_hexdigit()).count();
            if count == 0 {
                return Err(bad());
            }
            let digits: String = chars[at..at + count].iter().collect();
            code(out, u32::from_str_radix(&digits, 16).map_err(|_| bad())?)?;
            at += count;
        }
        other if other.is_alphanumeric() => return Err(bad()),
        other => push_literal(other, out),
    }
    Ok(at)
}

fn push_literal(c: char, out: &mut String) {
    if !c.is_alphanumeric() && c.is_ascii_graphic() && c != '_' && c != '<' && c != '>' {
        out.push('\\');
    }
    out.push(c);
}

/// A bracket expression; `at` stands behind its `[`.
fn bracket(chars: &[char], mut at: usize, flags: Flags, out: &mut String) -> Result<usize> {
    let unbalanced = || bad_regex("brackets [] not balanced");
    out.push('[');
    let mut negated = false;
    if chars.get(at) == Some(&'^') {
        out.push('^');
        negated = true;
        at += 1;
    }
    let mut first = true;
    loop {
        let c = *chars.get(at).ok_or_else(unbalanced)?;
        at += 1;
        match c {
            ']' if !first => break,
            '[' if matches!(chars.get(at), Some(':' | '.' | '=')) => {
                let mark = chars[at];
                let start = at + 1;
                let mut end = start;
                while !(chars.get(end) == Some(&mark) && chars.get(end + 1) == Some(&']')) {
                    if end >= chars.len() {
                        return Err(unbalanced());
                    }
                    end += 1;
                }
                let name: String = chars[start..end].iter().collect();
                if mark == ':' {
                    out.push_str(&format!("[:{name}:]"));
                } else {
                    name.chars().for_each(|c| push_literal(c, out));
                }
                at = end + 2;
            }
            '\\' => {
                let next = *chars.get(at).ok_or_else(unbalanced)?;
                at = escape(chars, at + 1, next, out)?;
            }
            // A range's hyphen, unless it stands first or last.
            '-' if !first && chars.get(at) != Some(&']') => out.push('-'),
            other => push_literal(other, out),
        }
        first = false;
    }
    if negated && flags.dot_stops {
        out.push_str(r"\n");
    }
    out.push(']');
    Ok(at)
}

fn matches(call: &Call<'_>, ignore_case: bool) -> Result<bool> {
    let flags = Flags { ignore_case, ..Flags::default() };
    compile(call.text(1)?, flags)?.is_match(call.text(0)?)
}

/// Flags of argument `index`, none if it is not there.
fn flags_at(call: &Call<'_>, index: usize, global_allowed: bool) -> Result<Flags> {
    if call.args.len() > index { Flags::parse(call.text(index)?, global_allowed) } else { Ok(Flags::default()) }
}

fn no_global(call: &Call<'_>, index: usize, name: &str) -> Result<Flags> {
    let flags = flags_at(call, index, true)?;
    if flags.global {
        return Err(invalid(format!("{name}() does not support the \"global\" option")).hint(
            if name == "regexp_match" { "Use the regexp_matches function instead." } else { "Leave out the g." },
        ));
    }
    Ok(flags)
}

fn part(text: &str, range: Option<(usize, usize)>) -> Value {
    range.and_then(|(from, to)| text.get(from..to)).map_or(Value::Null, Value::text)
}

/// A match as regexp_match gives it: its groups, or all of it if there are none.
fn match_array(text: &str, groups: &Groups) -> Value {
    let wanted = if groups.len() > 1 { &groups[1..] } else { &groups[..] };
    let items = wanted.iter().map(|range| part(text, *range)).collect();
    Value::Array(std::sync::Arc::new(Array::one_dimensional(oid::TEXT, items)))
}

fn regexp_match(call: &Call<'_>) -> Result<Value> {
    let flags = no_global(call, 2, "regexp_match")?;
    let text = call.text(0)?;
    let found = compile(call.text(1)?, flags)?.groups(text, 0)?;
    Ok(found.map_or(Value::Null, |groups| match_array(text, &groups)))
}

fn regexp_matches(call: &Call<'_>) -> Result<Vec<Row>> {
    let flags = flags_at(call, 2, true)?;
    let text = call.text(0)?;
    let compiled = compile(call.text(1)?, flags)?;
    let found =
        if flags.global { compiled.all(text, 0, call)? } else { compiled.groups(text, 0)?.into_iter().collect() };
    Ok(found.iter().map(|groups| vec![match_array(text, groups)]).collect())
}

/// The part of `text` that substring(text from pattern) means.
fn regexp_substring(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    let found = compile(call.text(1)?, Flags::default())?.groups(text, 0)?;
    Ok(found.map_or(Value::Null, |groups| part(text, groups.get(1).or(groups.first()).copied().flatten())))
}

fn similar_substring(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    let pattern = similar(call.text(1)?, one_escape(call.text(2)?, "invalid escape string")?)?;
    let found = compile(&pattern, Flags::default())?.groups(text, 0)?;
    Ok(found.map_or(Value::Null, |groups| part(text, groups.get(1).or(groups.first()).copied().flatten())))
}

fn replace(call: &Call<'_>, flags: Flags, start: usize, nth: Option<usize>) -> Result<Value> {
    let (text, replacement) = (call.text(0)?, call.text(2)?);
    let compiled = compile(call.text(1)?, flags)?;
    let found = if nth.is_none() || nth > Some(1) {
        compiled.all(text, start, call)?
    } else {
        compiled.groups(text, start)?.into_iter().collect()
    };
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (index, groups) in found.iter().enumerate() {
        if nth.is_some_and(|nth| nth != index + 1) {
            continue;
        }
        let Some((from, to)) = groups.first().copied().flatten() else { continue };
        out.push_str(text.get(copied..from).unwrap_or(""));
        let mut chars = replacement.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            let group = match chars.next() {
                Some('&') => 0,
                Some(digit @ '1'..='9') => digit.to_digit(10).map_or(0, |digit| digit as usize),
                Some('\\') => {
                    out.push('\\');
                    continue;
                }
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                    continue;
                }
                None => {
                    out.push('\\');
                    continue;
                }
            };
            if let Some((from, to)) = groups.get(group).copied().flatten() {
                out.push_str(text.get(from..to).unwrap_or(""));
            }
        }
        copied = to;
    }
    out.push_str(text.get(copied..).unwrap_or(""));
    Ok(Value::from(out))
}

fn regexp_replace(call: &Call<'_>) -> Result<Value> {
    let flag_text = if call.args.len() > 3 { call.text(3)? } else { "" };
    if flag_text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid(format!("invalid regular expression option: \"{}\"", &flag_text[..1]))
            .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
    }
    let flags = Flags::parse(flag_text, true)?;
    replace(call, flags, 0, if flags.global { None } else { Some(1) })
}

/// The byte where character `start` (from 1) of argument `index` begins.
fn start_at(call: &Call<'_>, index: usize) -> Result<usize> {
    if call.args.len() <= index {
        return Ok(0);
    }
    let start = call.int(index)?;
    if start <= 0 {
        return Err(invalid(format!("invalid value for parameter \"start\": {start}")));
    }
    let text = call.text(0)?;
    let skip = usize::try_from(start - 1).unwrap_or(usize::MAX);
    Ok(text
        .char_indices()
        .nth(skip)
        .map_or(if skip == text.chars().count() { text.len() } else { text.len() + 1 }, |(at, _)| at))
}

fn positive(call: &Call<'_>, index: usize, name: &str) -> Result<usize> {
    if call.args.len() <= index {
        return Ok(1);
    }
    let n = call.int(index)?;
    if n <= 0 {
        return Err(invalid(format!("invalid value for parameter \"{name}\": {n}")));
    }
    Ok(usize::try_from(n).unwrap_or(usize::MAX))
}

fn regexp_replace_nth(call: &Call<'_>) -> Result<Value> {
    let flags = flags_at(call, 5, true)?;
    let start = start_at(call, 3)?;
    let nth = if call.args.len() > 4 {
        match call.int(4)? {
            0 => None,
            n if n < 0 => return Err(invalid(format!("invalid value for parameter \"n\": {n}"))),
            n => Some(usize::try_from(n).unwrap_or(usize::MAX)),
        }
    } else {
        Some(1)
    };
    replace(call, flags, start, nth)
}

/// The text between matches; empty matches at the ends of a piece do not split.
fn split(call: &Call<'_>, name: &str) -> Result<Vec<Value>> {
    let flags = flags_at(call, 2, true)?;
    if flags.global {
        return Err(invalid(format!("{name}() does not support the \"global\" option")));
    }
    let text = call.text(0)?;
    let mut pieces = Vec::new();
    let mut from = 0;
    for groups in compile(call.text(1)?, flags)?.all(text, 0, call)? {
        let Some((start, end)) = groups.first().copied().flatten() else { continue };
        if start == end && (start == from || start >= text.len()) {
            continue;
        }
        pieces.push(part(text, Some((from, start))));
        from = end;
    }
    pieces.push(part(text, Some((from, text.len()))));
    Ok(pieces)
}

fn count(call: &Call<'_>) -> Result<Value> {
    let flags = no_global(call, 3, "regexp_count")?;
    let found = compile(call.text(1)?, flags)?.all(call.text(0)?, start_at(call, 2)?, call)?;
    Ok(int4_value(found.len()))
}

/// Places of the match (or group) that regexp_instr and regexp_substr mean: arguments from `flags` on are theirs.
fn nth_match(call: &Call<'_>, flags: usize, name: &str) -> Result<Option<(usize, usize)>> {
    let nth = positive(call, 3, "n")?;
    let options = no_global(call, flags, name)?;
    let group = if call.args.len() > flags + 1 {
        let group = call.int(flags + 1)?;
        usize::try_from(group).map_err(|_| invalid(format!("invalid value for parameter \"subexpr\": {group}")))?
    } else {
        0
    };
    let found = compile(call.text(1)?, options)?.all(call.text(0)?, start_at(call, 2)?, call)?;
    Ok(found.get(nth - 1).and_then(|groups| groups.get(group).copied().flatten()))
}

fn instr(call: &Call<'_>) -> Result<Value> {
    let end = if call.args.len() > 4 {
        match call.int(4)? {
            n @ (0 | 1) => n == 1,
            n => return Err(invalid(format!("invalid value for parameter \"endoption\": {n}"))),
        }
    } else {
        false
    };
    let text = call.text(0)?;
    Ok(nth_match(call, 5, "regexp_instr")?.map_or(Value::Int4(0), |(from, to)| {
        int4_value(text.get(..if end { to } else { from }).unwrap_or("").chars().count() + 1)
    }))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(850, "textlike", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(like_call(c)?))),
    Function::new(858, "namelike", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(like_call(c)?))),
    Function::new(1631, "bpcharlike", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(like_call(c)?))),
    Function::new(1569, "like", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(like_call(c)?))),
    Function::new(1571, "like", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(like_call(c)?))),
    Function::new(851, "textnlike", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(!like_call(c)?))),
    Function::new(859, "namenlike", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(!like_call(c)?))),
    Function::new(1632, "bpcharnlike", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(!like_call(c)?))),
    Function::new(1570, "notlike", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(!like_call(c)?))),
    Function::new(1572, "notlike", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(!like_call(c)?))),
    Function::new(2005, "bytealike", &[BYTEA, BYTEA], BOOL, |c| Ok(Value::Bool(like(c.bytes(0)?, c.bytes(1)?, true)?))),
    Function::new(2006, "byteanlike", &[BYTEA, BYTEA], BOOL, |c| Ok(Value::Bool(!like(c.bytes(0)?, c.bytes(1)?, true)?))),
    Function::new(2007, "like", &[BYTEA, BYTEA], BOOL, |c| Ok(Value::Bool(like(c.bytes(0)?, c.bytes(1)?, true)?))),
    Function::new(2008, "notlike", &[BYTEA, BYTEA], BOOL, |c| Ok(Value::Bool(!like(c.bytes(0)?, c.bytes(1)?, true)?))),
    Function::new(1633, "texticlike", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(ilike_call(c)?))),
    Function::new(1635, "nameiclike", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(ilike_call(c)?))),
    Function::new(1660, "bpchariclike", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(ilike_call(c)?))),
    Function::new(1634, "texticnlike", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(!ilike_call(c)?))),
    Function::new(1636, "nameicnlike", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(!ilike_call(c)?))),
    Function::new(1661, "bpcharicnlike", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(!ilike_call(c)?))),
    Function::new(1637, "like_escape", &[TEXT, TEXT], TEXT, |c| like_escape(c.text(0)?, c.text(1)?).map(Value::from)),
    Function::new(1623, "similar_escape", &[TEXT, TEXT], TEXT, similar_call).lax(),
    Function::new(1986, "similar_to_escape", &[TEXT, TEXT], TEXT, similar_call),
    Function::new(1987, "similar_to_escape", &[TEXT], TEXT, similar_call),
    Function::new(1254, "textregexeq", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, false)?))),
    Function::new(79, "nameregexeq", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, false)?))),
    Function::new(1658, "bpcharregexeq", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, false)?))),
    Function::new(1256, "textregexne", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, false)?))),
    Function::new(1252, "nameregexne", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, false)?))),
    Function::new(1659, "bpcharregexne", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, false)?))),
    Function::new(1238, "texticregexeq", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, true)?))),
    Function::new(1240, "nameicregexeq", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, true)?))),
    Function::new(1656, "bpcharicregexeq", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(matches(c, true)?))),
    Function::new(1239, "texticregexne", &[TEXT, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, true)?))),
    Function::new(1241, "nameicregexne", &[NAME, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, true)?))),
    Function::new(1657, "bpcharicregexne", &[BPCHAR, TEXT], BOOL, |c| Ok(Value::Bool(!matches(c, true)?))),
    Function::new(2073, "substring", &[TEXT, TEXT], TEXT, regexp_substring),
    Function::new(2074, "substring", &[TEXT, TEXT, TEXT], TEXT, similar_substring),
    Function::new(3396, "regexp_match", &[TEXT, TEXT], TEXT_ARRAY, regexp_match),
    Function::new(3397, "regexp_match", &[TEXT, TEXT, TEXT], TEXT_ARRAY, regexp_match),
    Function::set(2763, "regexp_matches", &[TEXT, TEXT], TEXT_ARRAY, regexp_matches),
    Function::set(2764, "regexp_matches", &[TEXT, TEXT, TEXT], TEXT_ARRAY, regexp_matches),
    Function::new(2284, "regexp_replace", &[TEXT, TEXT, TEXT], TEXT, regexp_replace),
    Function::new(2285, "regexp_replace", &[TEXT, TEXT, TEXT, TEXT], TEXT, regexp_replace),
    Function::new(6251, "regexp_replace", &[TEXT, TEXT, TEXT, INT4, INT4, TEXT], TEXT, regexp_replace_nth),
    Function::new(6252, "regexp_replace", &[TEXT, TEXT, TEXT, INT4, INT4], TEXT, regexp_replace_nth),
    Function::new(6253, "regexp_replace", &[TEXT, TEXT, TEXT, INT4], TEXT, regexp_replace_nth),
    Function::new(2767, "regexp_split_to_array", &[TEXT, TEXT], TEXT_ARRAY, |c| Ok(Value::Array(std::sync::Arc::new(Array::one_dimensional(oid::TEXT, split(c, "regexp_split_to_array")?))))),
    Function::new(2768, "regexp_split_to_array", &[TEXT, TEXT, TEXT], TEXT_ARRAY, |c| Ok(Value::Array(std::sync::Arc::new(Array::one_dimensional(oid::TEXT, split(c, "regexp_split_to_array")?))))),
    Function::set(2765, "regexp_split_to_table", &[TEXT, TEXT], TEXT, |c| Ok(split(c, "regexp_split_to_table")?.into_iter().map(|piece| vec![piece]).collect())),
    Function::set(2766, "regexp_split_to_table", &[TEXT, TEXT, TEXT], TEXT, |c| Ok(split(c, "regexp_split_to_table")?.into_iter().map(|piece| vec![piece]).collect())),
    Function::new(6263, "regexp_like", &[TEXT, TEXT], BOOL, |c| { let flags = no_global(c, 2, "regexp_like")?; Ok(Value::Bool(compile(c.text(1)?, flags)?.is_match(c.text(0)?)?)) }),
    Function::new(6264, "regexp_like", &[TEXT, TEXT, TEXT], BOOL, |c| { let flags = no_global(c, 2, "regexp_like")?; Ok(Value::Bool(compile(c.text(1)?, flags)?.is_match(c.text(0)?)?)) }),
    Function::new(6254, "regexp_count", &[TEXT, TEXT], INT4, count),
    Function::new(6255, "regexp_count", &[TEXT, TEXT, INT4], INT4, count),
    Function::new(6256, "regexp_count", &[TEXT, TEXT, INT4, TEXT], INT4, count),
    Function::new(6257, "regexp_instr", &[TEXT, TEXT], INT4, instr),
    Function::new(6258, "regexp_instr", &[TEXT, TEXT, INT4], INT4, instr),
    Function::new(6259, "regexp_instr", &[TEXT, TEXT, INT4, INT4], INT4, instr),
    Function::new(6260, "regexp_instr", &[TEXT, TEXT, INT4, INT4, INT4], INT4, instr),
    Function::new(6261, "regexp_instr", &[TEXT, TEXT, INT4, INT4, INT4, TEXT], INT4, instr),
    Function::new(6262, "regexp_instr", &[TEXT, TEXT, INT4, INT4, INT4, TEXT, INT4], INT4, instr),
    Function::new(6265, "regexp_substr", &[TEXT, TEXT], TEXT, |c| Ok(part(c.text(0)?, nth_match(c, 4, "regexp_substr")?))),
    Function::new(6266, "regexp_substr", &[TEXT, TEXT, INT4], TEXT, |c| Ok(part(c.text(0)?, nth_match(c, 4, "regexp_substr")?))),
    Function::new(6267, "regexp_substr", &[TEXT, TEXT, INT4, INT4], TEXT, |c| Ok(part(c.text(0)?, nth_match(c, 4, "regexp_substr")?))),
    Function::new(6268, "regexp_substr", &[TEXT, TEXT, INT4, INT4, TEXT], TEXT, |c| Ok(part(c.text(0)?, nth_match(c, 4, "regexp_substr")?))),
    Function::new(6269, "regexp_substr", &[TEXT, TEXT, INT4, INT4, TEXT, INT4], TEXT, |c| Ok(part(c.text(0)?, nth_match(c, 4, "regexp_substr")?))),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[OperatorRow] = &[
    (639, "~", NAME, TEXT, 79),
    (640, "!~", NAME, TEXT, 1252),
    (641, "~", TEXT, TEXT, 1254),
    (642, "!~", TEXT, TEXT, 1256),
    (1055, "~", BPCHAR, TEXT, 1658),
    (1056, "!~", BPCHAR, TEXT, 1659),
    (1207, "~~", NAME, TEXT, 858),
    (1208, "!~~", NAME, TEXT, 859),
    (1209, "~~", TEXT, TEXT, 850),
    (1210, "!~~", TEXT, TEXT, 851),
    (1211, "~~", BPCHAR, TEXT, 1631),
    (1212, "!~~", BPCHAR, TEXT, 1632),
    (1226, "~*", NAME, TEXT, 1240),
    (1227, "!~*", NAME, TEXT, 1241),
    (1228, "~*", TEXT, TEXT, 1238),
    (1229, "!~*", TEXT, TEXT, 1239),
    (1234, "~*", BPCHAR, TEXT, 1656),
    (1235, "!~*", BPCHAR, TEXT, 1657),
    (1625, "~~*", NAME, TEXT, 1635),
    (1626, "!~~*", NAME, TEXT, 1636),
    (1627, "~~*", TEXT, TEXT, 1633),
    (1628, "!~~*", TEXT, TEXT, 1634),
    (1629, "~~*", BPCHAR, TEXT, 1660),
    (1630, "!~~*", BPCHAR, TEXT, 1661),
    (2016, "~~", BYTEA, BYTEA, 2005),
    (2017, "!~~", BYTEA, BYTEA, 2006),
];

#[cfg(test)]
mod tests {
    use super::*;

    // PG-97
    #[test]
    fn like_follows_its_wildcards_and_escapes() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "_b_", true),
            ("abc", "a_", false),
            ("äbc", "_bc", true),
            ("a%c", r"a\%c", true),
            ("abc", r"a\%c", false),
            ("", "%", true),
            ("abcabd", "%abd", true),
            ("aXbXc", "%X%c", true),
            ("abc", "%%%d", false),
        ] {
            assert_eq!(
                like(text.as_bytes(), pattern.as_bytes(), false).expect("a pattern"),
                expected,
                "{text} {pattern}"
            );
        }
        assert!(like(b"a", br"a\", false).is_err() || like(b"ab", br"a\", false).is_err());
        assert_eq!(like_escape("a#%b\\", "#").expect("one character"), r"a\%b\\");
    }

    #[test]
    fn expressions_are_rewritten_for_the_crates() {
        for (pattern, text, expected) in [
            ("a.b", "a\nb", true),
            (r"\mfoo\M", "a foo b", true),
            (r"\mfoo\M", "afoo b", false),
            ("[[:<:]]foo", "a foo", true),
            (r"(a)\1", "aa", true),
            ("foo(?=bar)", "foobar", true),
            ("[a[b]", "[", true),
            ("[]x]", "]", true),
            ("[^]x]", "]", false),
            ("a{", "a{", true),
            ("***=a.b", "a.b", true),
            ("***=a.b", "axb", false),
            ("(?i)ABC", "abc", true),
            ("(?n)^b$", "a\nb", true),
            (r"[\w&&]+", "&", true),
            (r"\u00e4", "ä", true),
        ] {
            let compiled = compile(pattern, Flags::default()).expect(pattern);
            assert_eq!(compiled.is_match(text).expect(pattern), expected, "{pattern} {text}");
        }
        assert_eq!(
            compile("a(b", Flags::default()).err().map(|e| e.state()),
            Some(SqlState::INVALID_REGULAR_EXPRESSION)
        );
        assert_eq!(similar("a%(b|c)_", Some('\\')).expect("a pattern"), "^(?:a.*(?:b|c).)$");
    }
}
