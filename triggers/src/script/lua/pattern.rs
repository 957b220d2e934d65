//! Lua's patterns: `string.find`, `match`, `gmatch`, `gsub`. The interpreter's own run to their end whatever it
//! takes; these count their steps and stop when the budget is spent.

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value as LuaValue};

use super::Budget;
use super::budget::Outside;

const CAPTURES_MAX: usize = 32;
const DEPTH_MAX: usize = 200;
/// Steps of matching that count as one instruction.
const STEPS_PER_INSTRUCTION: u64 = 8;
/// Steps that are paid for at once.
const STEPS_UNPAID: u64 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Capture {
    Open,
    Position,
    Len(usize),
}

struct Matcher<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<(usize, Capture)>,
    depth: usize,
    steps: u64,
}

fn bad<T>(text: &str) -> mlua::Result<T> {
    Err(mlua::Error::runtime(text))
}

fn class(c: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => c.is_ascii_alphabetic(),
        b'c' => c.is_ascii_control(),
        b'd' => c.is_ascii_digit(),
        b'l' => c.is_ascii_lowercase(),
        b'p' => c.is_ascii_punctuation(),
        b's' => c.is_ascii_whitespace() || c == 11,
        b'u' => c.is_ascii_uppercase(),
        b'w' => c.is_ascii_alphanumeric(),
        b'x' => c.is_ascii_hexdigit(),
        b'g' => c.is_ascii_graphic(),
        b'z' => c == 0,
        _ => return class == c,
    };
    if class.is_ascii_uppercase() { !found } else { found }
}

impl Matcher<'_> {
    fn step(&mut self) -> mlua::Result<()> {
        self.cost(1)
    }

    /// Pays for so many steps: bytes compared, or bytes of a set looked through.
    fn cost(&mut self, steps: usize) -> mlua::Result<()> {
        self.steps += steps as u64;
        if self.steps < STEPS_UNPAID {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.steps);
        Budget::spend(self.lua, steps / STEPS_PER_INSTRUCTION)
    }

    /// The end of the single-character class at `p`.
    fn class_end(&mut self, p: usize) -> mlua::Result<usize> {
        let end = self.find_class_end(p)?;
        // A set is looked through here, and once more for a byte of the text.
        self.cost((end - p) / 4)?;
        Ok(end)
    }

    fn find_class_end(&self, mut p: usize) -> mlua::Result<usize> {
        let Some(first) = self.pattern.get(p) else { return bad("malformed pattern") };
        p += 1;
        match first {
            b'%' if p >= self.pattern.len() => bad("malformed pattern (ends with '%')"),
            b'%' => Ok(p + 1),
            b'[' => {
                if self.pattern.get(p) == Some(&b'^') {
                    p += 1;
                }
                loop {
                    match self.pattern.get(p) {
                        None => return bad("malformed pattern (missing ']')"),
                        Some(b'%') => p += 2,
                        Some(_) => p += 1,
                    }
                    if self.pattern.get(p) == Some(&b']') {
                        return Ok(p + 1);
                    }
                }
            }
            _ => Ok(p),
        }
    }

    fn in_set(&self, c: u8, mut p: usize, end: usize) -> bool {
        let mut negated = false;
        p += 1;
        if self.pattern[p] == b'^' {
            negated = true;
            p += 1;
        }
        let last = end - 1;
        while p < last {
            if self.pattern[p] == b'%' && p + 1 < last {
                if class(c, self.pattern[p + 1]) {
                    return !negated;
                }
                p += 2;
            } else if p + 2 < last && self.pattern[p + 1] == b'-' {
                if (self.pattern[p]..=self.pattern[p + 2]).contains(&c) {
                    return !negated;
                }
                p += 3;
            } else {
                if self.pattern[p] == c {
                    return !negated;
                }
                p += 1;
            }
        }
        negated
    }

    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(c) = self.text.get(s).copied() else { return false };
        match self.pattern[p] {
            b'.' => true,
            b'%' => class(c, self.pattern[p + 1]),
            b'[' => self.in_set(c, p, end),
            plain => plain == c,
        }
    }

    fn run(&mut self, s: usize, p: usize) -> mlua::Result<Option<usize>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return bad("pattern too complex");
        }
        let result = self.go(s, p);
        self.depth -= 1;
        result
    }

    fn go(&mut self, mut s: usize, mut p: usize) -> mlua::Result<Option<usize>> {
        loop {
            self.step()?;
            let Some(first) = self.pattern.get(p).copied() else { return Ok(Some(s)) };
            match (first, self.pattern.get(p + 1).copied()) {
                (b'(', next) => {
                    if self.captures.len() >= CAPTURES_MAX {
                        return bad("too many captures");
                    }
                    let position = next == Some(b')');
                    self.captures.push((s, if position { Capture::Position } else { Capture::Open }));
                    let result = self.run(s, if position { p + 2 } else { p + 1 })?;
                    if result.is_none() {
                        self.captures.pop();
                    }
                    return Ok(result);
                }
                (b')', _) => {
                    let Some(at) = self.captures.iter().rposition(|(_, capture)| *capture == Capture::Open) else {
                        return bad("invalid pattern capture");
                    };
                    self.captures[at].1 = Capture::Len(s - self.captures[at].0);
                    let result = self.run(s, p + 1)?;
                    if result.is_none() {
                        self.captures[at].1 = Capture::Open;
                    }
                    return Ok(result);
                }
                (b'$', None) => return Ok((s == self.text.len()).then_some(s)),
                (b'%', Some(b'b')) => {
                    let (Some(open), Some(close)) = (self.pattern.get(p + 2), self.pattern.get(p + 3)) else {
                        return bad("unbalanced pattern");
                    };
                    if self.text.get(s) != Some(open) {
                        return Ok(None);
                    }
                    let (open, close) = (*open, *close);
                    let (mut depth, mut at) = (1, s + 1);
                    loop {
                        self.step()?;
                        match self.text.get(at).copied() {
                            None => return Ok(None),
                            Some(c) if c == close => {
                                depth -= 1;
                                if depth == 0 {
                                    break;
                                }
                            }
                            Some(c) if c == open => depth += 1,
                            Some(_) => {}
                        }
                        at += 1;
                    }
                    s = at + 1;
                    p += 4;
                    continue;
                }
                (b'%', Some(b'f')) => {
                    p += 2;
                    if self.pattern.get(p) != Some(&b'[') {
                        return bad("missing '[' after '%f' in pattern");
                    }
                    let end = self.class_end(p)?;
                    let before = if s == 0 { 0 } else { self.text[s - 1] };
                    let now = self.text.get(s).copied().unwrap_or(0);
                    if self.in_set(before, p, end) || !self.in_set(now, p, end) {
                        return Ok(None);
                    }
                    p = end;
                    continue;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => {
                    let at = usize::from(digit).wrapping_sub(usize::from(b'1'));
                    let Some((from, Capture::Len(len))) = self.captures.get(at).copied() else {
                        return bad("invalid capture index");
                    };
                    self.cost(len / 16)?;
                    if !self.text[s..].starts_with(&self.text[from..from + len]) {
                        return Ok(None);
                    }
                    s += len;
                    p += 2;
                    continue;
                }
                _ => {}
            }
            let end = self.class_end(p)?;
            match self.pattern.get(end) {
                Some(b'?') => {
                    if self.single(s, p, end)
                        && let Some(found) = self.run(s + 1, end + 1)?
                    {
                        return Ok(Some(found));
                    }
                    p = end + 1;
                }
                Some(b'*') => return self.greedy(s, p, end, 0),
                Some(b'+') => return self.greedy(s, p, end, 1),
                Some(b'-') => loop {
                    if let Some(found) = self.run(s, end + 1)? {
                        return Ok(Some(found));
                    }
                    self.cost(1 + (end - p) / 4)?;
                    if !self.single(s, p, end) {
                        return Ok(None);
                    }
                    s += 1;
                },
                _ => {
                    if !self.single(s, p, end) {
                        return Ok(None);
                    }
                    s += 1;
                    p = end;
                }
            }
        }
    }

    fn greedy(&mut self, s: usize, p: usize, end: usize, least: usize) -> mlua::Result<Option<usize>> {
        let mut count = 0;
        while self.single(s + count, p, end) {
            self.cost(1 + (end - p) / 4)?;
            count += 1;
        }
        loop {
            if count < least {
                return Ok(None);
            }
            if let Some(found) = self.run(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn capture(&self, at: usize, s: usize, e: usize) -> mlua::Result<LuaValue> {
        let piece = |from: usize, to: usize| self.lua.create_string(&self.text[from..to]).map(LuaValue::String);
        match self.captures.get(at).copied() {
            None if at == 0 => piece(s, e),
            None => bad("invalid capture index"),
            Some((from, Capture::Position)) => Ok(LuaValue::Integer(i64::try_from(from + 1).unwrap_or(i64::MAX))),
            Some((from, Capture::Len(len))) => piece(from, from + len),
            Some((_, Capture::Open)) => bad("unfinished capture"),
        }
    }

    fn all(&self, s: usize, e: usize, whole: bool, out: &mut Vec<LuaValue>) -> mlua::Result<()> {
        let count = if self.captures.is_empty() && whole { 1 } else { self.captures.len() };
        for at in 0..count {
            out.push(self.capture(at, s, e)?);
        }
        Ok(())
    }

    /// The first match at or after `from`.
    fn search(&mut self, from: usize, anchor: bool) -> mlua::Result<Option<(usize, usize)>> {
        let start = usize::from(anchor);
        for s in from..=self.text.len() {
            self.captures.clear();
            self.depth = 0;
            if let Some(e) = self.run(s, start)? {
                return Ok(Some((s, e)));
            }
            if anchor {
                break;
            }
        }
        Ok(None)
    }
}

fn matcher<'a>(lua: &'a Lua, text: &'a [u8], pattern: &'a [u8]) -> Matcher<'a> {
    Matcher { lua, text, pattern, captures: Vec::new(), depth: 0, steps: 0 }
}

fn start(init: Option<i64>, len: usize) -> usize {
    let init = init.unwrap_or(1);
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from = if init < 0 { (len + init).max(0) } else { init - 1 };
    usize::try_from(from.max(0)).unwrap_or(usize::MAX)
}

/// Where a text stands in another.
fn plain(lua: &Lua, text: &[u8], wanted: &[u8]) -> mlua::Result<Option<usize>> {
    let Some(first) = wanted.first() else { return Ok(Some(0)) };
    let mut payer = matcher(lua, text, wanted);
    let mut at = 0;
    while let Some(step) = text[at..].iter().position(|byte| byte == first) {
        at += step;
        payer.cost(1 + step / 16 + wanted.len() / 16)?;
        if text[at..].starts_with(wanted) {
            return Ok(Some(at));
        }
        at += 1;
    }
    Ok(None)
}

fn find(
    lua: &Lua,
    (text, pattern, init, raw): (LuaString, LuaString, Option<i64>, Option<bool>),
    positions: bool,
) -> mlua::Result<MultiValue> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let from = start(init, text.len());
    let nothing = || Ok(MultiValue::from_vec(vec![LuaValue::Nil]));
    if from > text.len() {
        return nothing();
    }
    let number = |n: usize| LuaValue::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let special = pattern.iter().any(|b| b"^$*+?.([%-".contains(b));
    if positions && (raw == Some(true) || !special) {
        let found = plain(lua, &text[from..], &pattern)?;
        return match found {
            Some(at) => Ok(MultiValue::from_vec(vec![number(from + at + 1), number(from + at + pattern.len())])),
            None => nothing(),
        };
    }
    let anchor = pattern.first() == Some(&b'^');
    let mut matcher = matcher(lua, &text, &pattern);
    match matcher.search(from, anchor)? {
        None => nothing(),
        Some((s, e)) => {
            let mut out = Vec::new();
            if positions {
                out.extend([number(s + 1), number(e)]);
            }
            matcher.all(s, e, !positions, &mut out)?;
            Ok(MultiValue::from_vec(out))
        }
    }
}

fn gsub(
    lua: &Lua,
    (text, pattern, with, limit): (LuaString, LuaString, LuaValue, Option<i64>),
) -> mlua::Result<(LuaString, i64)> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let anchor = pattern.first() == Some(&b'^');
    let limit = limit.unwrap_or(i64::MAX);
    let mut matcher = matcher(lua, &text, &pattern);
    let (mut out, mut s, mut count) = (Vec::new(), 0, 0);
    while count < limit {
        matcher.captures.clear();
        matcher.depth = 0;
        let found = matcher.run(s, usize::from(anchor))?;
        if let Some(e) = found {
            count += 1;
            let value = match &with {
                LuaValue::Function(f) => {
                    let mut args = Vec::new();
                    matcher.all(s, e, true, &mut args)?;
                    f.call::<LuaValue>(MultiValue::from_vec(args))?
                }
                LuaValue::Table(table) => table.get(matcher.capture(0, s, e)?)?,
                LuaValue::String(_) | LuaValue::Integer(_) | LuaValue::Number(_) => {
                    let template = match &with {
                        LuaValue::String(template) => template.as_bytes().to_vec(),
                        number => number.to_string()?.into_bytes(),
                    };
                    matcher.cost(template.len() / 16)?;
                    let mut bytes = template.iter().copied();
                    while let Some(b) = bytes.next() {
                        match (b, if b == b'%' { bytes.next() } else { None }) {
                            (b'%', Some(b'0')) => {
                                out.extend_from_slice(&text[s..e]);
                                Outside::allows(lua, out.len())?;
                            }
                            (b'%', Some(digit @ b'1'..=b'9')) => {
                                match matcher.capture(usize::from(digit - b'1'), s, e)? {
                                    LuaValue::String(piece) => out.extend_from_slice(&piece.as_bytes()),
                                    place => out.extend_from_slice(place.to_string()?.as_bytes()),
                                }
                                Outside::allows(lua, out.len())?;
                            }
                            (b'%', Some(other)) => out.push(other),
                            (b'%', None) => return bad("invalid use of '%' in replacement string"),
                            (plain, _) => out.push(plain),
                        }
                    }
                    LuaValue::Boolean(true)
                }
                _ => return bad("bad argument #3 to 'gsub' (string/function/table expected)"),
            };
            match value {
                LuaValue::Boolean(true)
                    if matches!(with, LuaValue::String(_) | LuaValue::Integer(_) | LuaValue::Number(_)) => {}
                LuaValue::Nil | LuaValue::Boolean(false) => out.extend_from_slice(&text[s..e]),
                LuaValue::String(piece) => out.extend_from_slice(&piece.as_bytes()),
                LuaValue::Integer(_) | LuaValue::Number(_) => out.extend_from_slice(value.to_string()?.as_bytes()),
                other => return bad(&format!("invalid replacement value (a {})", other.type_name())),
            }
        }
        Outside::allows(lua, out.len())?;
        match found {
            Some(e) if e > s => s = e,
            _ if s < text.len() => {
                out.push(text[s]);
                s += 1;
            }
            _ => break,
        }
        if anchor {
            break;
        }
    }
    out.extend_from_slice(text.get(s..).unwrap_or_default());
    Ok((lua.create_string(&out)?, count))
}

fn gmatch(lua: &Lua, (text, pattern): (LuaString, LuaString)) -> mlua::Result<Function> {
    let mut at = 0;
    lua.create_function_mut(move |lua, ()| {
        let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
        let mut matcher = matcher(lua, &text, &pattern);
        if at > text.len() {
            return Ok(MultiValue::from_vec(vec![LuaValue::Nil]));
        }
        match matcher.search(at, false)? {
            Some((s, e)) => {
                at = if e == s { e + 1 } else { e };
                let mut out = Vec::new();
                matcher.all(s, e, true, &mut out)?;
                Ok(MultiValue::from_vec(out))
            }
            None => {
                at = text.len() + 1;
                Ok(MultiValue::from_vec(vec![LuaValue::Nil]))
            }
        }
    })
}

/// Puts the functions into a `string` library.
pub(super) fn install(lua: &Lua, library: &Table) -> mlua::Result<()> {
    library.raw_set("find", lua.create_function(|lua, args| find(lua, args, true))?)?;
    library.raw_set("match", lua.create_function(|lua, args| find(lua, args, false))?)?;
    library.raw_set("gsub", lua.create_function(gsub)?)?;
    library.raw_set("gmatch", lua.create_function(gmatch)?)?;
    Ok(())
}
