//! Comdb2's Lua → plain Lua (CDB-1001): `declare a, b 'type'`, `a := value`, typed parameters `f(a int)`, blobs `x'dead'`.
//!
//! The source is rewritten token by token; line breaks stay where they are, so that errors name the user's lines. A
//! declared variable has a hidden one beside it that holds its type, in the same scope: so `:=` knows what to
//! convert to. A variable of no declared type keeps the type of its value. Sources without these forms stay as they are.

use std::borrow::Cow;

/// Type names, which are reserved words here.
const TYPES: [&str; 8] = ["int", "real", "decimal", "cstring", "blob", "datetime", "intervalym", "intervalds"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    Name,
    Text,
    Mark,
    Space,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: TokenKind,
    text: &'a str,
}

/// Length of a long bracket `[[…]]`, `[=[…]=]` at the start of a text; to its end if it is not closed.
fn long_bracket(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('[')?;
    let level = rest.bytes().take_while(|b| *b == b'=').count();
    rest[level..].starts_with('[').then(|| {
        let close = format!("]{}]", "=".repeat(level));
        text.find(&close).map_or(text.len(), |at| at + close.len())
    })
}

fn first_token(text: &str) -> Token<'_> {
    let bytes = text.as_bytes();
    let run = |test: &dyn Fn(u8) -> bool| bytes.iter().take_while(|b| test(**b)).count();
    let (kind, len) = match bytes[0] {
        b' ' | b'\t' | b'\r' | b'\n' => (TokenKind::Space, run(&|b| b.is_ascii_whitespace())),
        b'-' if text.starts_with("--") => {
            let len = long_bracket(&text[2..]).map(|len| len + 2);
            (TokenKind::Space, len.unwrap_or_else(|| text.find('\n').unwrap_or(text.len())))
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => (TokenKind::Name, run(&|b| b.is_ascii_alphanumeric() || b == b'_')),
        b'0'..=b'9' => (TokenKind::Text, run(&|b| b.is_ascii_alphanumeric() || b == b'.')),
        quote @ (b'\'' | b'"') => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != quote && bytes[at] != b'\n' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            (TokenKind::Text, (at + 1).min(bytes.len()))
        }
        b'[' if long_bracket(text).is_some() => (TokenKind::Text, long_bracket(text).unwrap_or(1)),
        b':' if text.starts_with(":=") => (TokenKind::Mark, 2),
        _ => (TokenKind::Mark, text.chars().next().map_or(1, char::len_utf8)),
    };
    let mut len = len.min(text.len());
    while !text.is_char_boundary(len) {
        len += 1;
    }
    Token { kind, text: &text[..len] }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let token = first_token(rest);
        rest = &rest[token.text.len()..];
        out.push(token);
    }
    out
}

/// A rewriter over the tokens.
struct Rewriter<'a> {
    tokens: Vec<Token<'a>>,
    out: String,
    /// Names that some `declare` or parameter gives a type.
    declared: Vec<&'a str>,
}

impl<'a> Rewriter<'a> {
    /// Place of the next token that is no space.
    fn solid(&self, mut at: usize) -> usize {
        while self.tokens.get(at).is_some_and(|token| token.kind == TokenKind::Space) {
            at += 1;
        }
        at
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind != TokenKind::Text && token.text == text)
    }

    fn name(&self, at: usize) -> Option<&'a str> {
        self.tokens.get(at).filter(|token| token.kind == TokenKind::Name).map(|token| token.text)
    }

    /// Copies the spaces (comments and line breaks) in a range.
    fn spaces(&mut self, from: usize, to: usize) {
        for at in from..to.min(self.tokens.len()) {
            if self.tokens[at].kind == TokenKind::Space {
                self.out.push_str(self.tokens[at].text);
            }
        }
    }

    /// The end of an expression that starts at `at`: where a new statement begins, on its line or a later one.
    fn expression_end(&self, at: usize) -> usize {
        let (mut depth, mut functions) = (0_usize, 0_usize);
        let mut place = at;
        // Whether a value has just ended, so that a name after it begins another statement.
        let mut value = false;
        while let Some(token) = self.tokens.get(place) {
            match (token.kind, token.text) {
                (TokenKind::Space, _) => {
                    place += 1;
                    continue;
                }
                (TokenKind::Mark, "(" | "{" | "[") => {
                    depth += 1;
                    value = false;
                }
                (TokenKind::Mark, ")" | "}" | "]") => {
                    if depth == 0 {
                        return place;
                    }
                    depth -= 1;
                    value = true;
                }
                (TokenKind::Mark, ";" | ",") if depth == 0 && functions == 0 => return place,
                (TokenKind::Name, "function" | "if" | "do" | "repeat") if functions > 0 || token.text == "function" => {
                    functions += 1;
                    value = false;
                }
                (TokenKind::Name, "end") if functions > 0 => {
                    functions -= 1;
                    value = true;
                }
                (TokenKind::Name, "and" | "or" | "not") => value = false,
                (TokenKind::Name, _) if depth == 0 && functions == 0 && value => return place,
                (
                    TokenKind::Name,
                    "end" | "else" | "elseif" | "until" | "then" | "do" | "return" | "local" | "declare",
                ) if depth == 0 && functions == 0 => {
                    return place;
                }
                (TokenKind::Name | TokenKind::Text, _) => value = true,
                (TokenKind::Mark, _) => value = false,
            }
            place += 1;
        }
        place
    }

    /// `declare a, b type` at the token after `declare`; gives the place behind it.
    fn declare(&mut self, start: usize) -> Option<usize> {
        let mut names = Vec::new();
        let mut at = self.solid(start);
        loop {
            names.push(self.name(at)?);
            at = self.solid(at + 1);
            if !self.is(at, ",") {
                break;
            }
            at = self.solid(at + 1);
        }
        let hidden: Vec<String> = names.iter().map(|name| format!("__type_{name}")).collect();
        self.out.push_str(&format!("local {}, {} = __declare({}, ", names.join(", "), hidden.join(", "), names.len()));
        self.spaces(start, at);
        let next = match self.name(at) {
            Some(name) if TYPES.contains(&name) => {
                self.out.push_str(&format!("'{name}'"));
                at + 1
            }
            _ => {
                let end = self.expression_end(at);
                let inner = Rewriter::new(self.tokens[at..end].to_vec(), self.declared.clone()).run();
                self.out.push_str(&inner);
                end
            }
        };
        self.out.push_str(") ");
        Some(next)
    }

    /// Typed parameters of the function whose `(` stands at `open`; none when there are no types.
    fn parameters(&mut self, open: usize) -> Option<usize> {
        let mut at = open + 1;
        let mut found: Vec<(&str, &str)> = Vec::new();
        let mut plain = String::from("(");
        loop {
            let token = *self.tokens.get(at)?;
            match token.text {
                ")" => break,
                name if token.kind == TokenKind::Name => {
                    plain.push_str(name);
                    let next = self.solid(at + 1);
                    if let Some(ty) = self.name(next).filter(|ty| TYPES.contains(ty)) {
                        found.push((name, ty));
                        at = next;
                    }
                }
                text => plain.push_str(text),
            }
            at += 1;
        }
        if found.is_empty() {
            return None;
        }
        self.out.push_str(&plain);
        self.out.push(')');
        for (name, ty) in found {
            self.out.push_str(&format!(" local __type_{name} = '{ty}' {name} = __convert({name}, __type_{name})"));
        }
        self.out.push(' ');
        Some(at + 1)
    }

    fn new(tokens: Vec<Token<'a>>, declared: Vec<&'a str>) -> Rewriter<'a> {
        Rewriter { tokens, out: String::new(), declared }
    }

    fn run(mut self) -> String {
        let mut at = 0;
        while at < self.tokens.len() {
            let token = self.tokens[at];
            let after_dot = self.out.trim_end().ends_with(['.', ':']);
            if token.kind == TokenKind::Name && !after_dot {
                let next = at + 1;
                match token.text {
                    "x" | "X"
                        if self
                            .tokens
                            .get(next)
                            .is_some_and(|t| t.kind == TokenKind::Text && t.text.starts_with(['\'', '"'])) =>
                    {
                        self.out.push_str(&format!("__blob({})", self.tokens[next].text));
                        at = next + 1;
                        continue;
                    }
                    "declare" => {
                        if let Some(next) = self.declare(next) {
                            at = next;
                            continue;
                        }
                    }
                    "function" => {
                        let mut open = self.solid(next);
                        while self
                            .tokens
                            .get(open)
                            .is_some_and(|t| t.kind == TokenKind::Name || matches!(t.text, "." | ":"))
                        {
                            open = self.solid(open + 1);
                        }
                        if self.is(open, "(") {
                            let mark = self.out.len();
                            for token in &self.tokens[at..open] {
                                self.out.push_str(token.text);
                            }
                            if let Some(next) = self.parameters(open) {
                                at = next;
                                continue;
                            }
                            self.out.truncate(mark);
                        }
                    }
                    name => {
                        let mark = self.solid(next);
                        if self.is(mark, ":=") {
                            let end = self.expression_end(mark + 1);
                            let value = Rewriter::new(self.tokens[mark + 1..end].to_vec(), self.declared.clone()).run();
                            let blank = value.len() - value.trim_end().len();
                            let (value, blank) = value.split_at(value.len() - blank);
                            let call = if self.declared.contains(&name) {
                                format!("{name} = __convert({value}, __type_{name}){blank}")
                            } else {
                                format!("{name} = __assign({name}, {value}){blank}")
                            };
                            self.out.push_str(&call);
                            at = end;
                            continue;
                        }
                    }
                }
            }
            self.out.push_str(token.text);
            at += 1;
        }
        self.out
    }
}

/// A source as plain Lua.
pub(super) fn plain(source: &str) -> Cow<'_, str> {
    let all = tokens(source);
    let solid: Vec<Token<'_>> = all.iter().filter(|token| token.kind != TokenKind::Space).copied().collect();
    let mut special = false;
    let mut declared = Vec::new();
    for (at, token) in solid.iter().enumerate() {
        let next = solid.get(at + 1);
        let typed = |token: &&Token<'_>| token.kind == TokenKind::Name && TYPES.contains(&token.text);
        match token.kind {
            TokenKind::Mark if token.text == ":=" => special = true,
            TokenKind::Name if token.text == "declare" => {
                special = true;
                let mut place = at + 1;
                while let Some(name) = solid.get(place).filter(|token| token.kind == TokenKind::Name) {
                    declared.push(name.text);
                    if solid.get(place + 1).is_none_or(|token| token.text != ",") {
                        break;
                    }
                    place += 2;
                }
            }
            TokenKind::Name if matches!(token.text, "x" | "X") && next.is_some_and(|n| n.kind == TokenKind::Text) => {
                special = true;
            }
            TokenKind::Name if next.as_ref().is_some_and(typed) => {
                special = true;
                declared.push(token.text);
            }
            _ => {}
        }
    }
    if !special {
        return Cow::Borrowed(source);
    }
    Cow::Owned(Rewriter::new(all, declared).run())
}

#[cfg(test)]
mod tests {
    use super::plain;

    // CDB-1001
    #[test]
    fn forms() {
        for (source, expected) in [
            ("local a = 1", "local a = 1"),
            ("local b = x'dead' .. x", "local b = __blob('dead') .. x"),
            ("t.x 'a'", "t.x 'a'"),
            (
                "declare a, b 'int' a := 5 + f(b)\nb = 2",
                "local a, b, __type_a, __type_b = __declare(2,    'int' ) a = __convert( 5 + f(b), __type_a)\nb = 2",
            ),
            ("declare d decimal", "local d, __type_d = __declare(1,   'decimal') "),
            ("y := 1 z = 2", "y = __assign(y,  1) z = 2"),
            (
                "local function f(a int, b) return a end",
                "local function f(a, b) local __type_a = 'int' a = __convert(a, __type_a)  return a end",
            ),
            (
                "-- declare a 'int'\nlocal s = 'a := 1' local t = [[x'00']]",
                "-- declare a 'int'\nlocal s = 'a := 1' local t = [[x'00']]",
            ),
            ("é = x''", "é = __blob('')"),
        ] {
            assert_eq!(plain(source), expected, "{source}");
        }
    }
}
