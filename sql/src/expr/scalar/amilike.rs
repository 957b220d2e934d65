//! Patterns of `~~` (AMI-35): a small language of its own over texts.
//!
//! `(e)?(t):(f)` chooses, `|` `&` `!` and parentheses combine, and a term is one of: `'…'` the text exactly, `/re/opts/` a
//! regular expression, else text to be contained, in any case, where `^` and `$` bind it to the ends, `*` is any text,
//! `.` one character, `[…]` a set, a leading `~` makes it case-sensitive and `\` takes the next character as it is.

use std::cell::RefCell;

use regex::Regex;

use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::Value;
use crate::types::oid::{BOOL, TEXT};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(15_203, "ami_like", &[TEXT, TEXT], BOOL, |c: &Call<'_>| {
    matches(c.text(0)?, c.text(1)?).map(Value::Bool)
})];

thread_local! {
    /// The patterns that this thread used last, by text.
    static KEPT: RefCell<Vec<(String, AmiPattern)>> = const { RefCell::new(Vec::new()) };
}

fn matches(text: &str, pattern: &str) -> Result<bool> {
    KEPT.with_borrow_mut(|kept| {
        if let Some((_, known)) = kept.iter().find(|(known, _)| known == pattern) {
            return Ok(known.matches(text));
        }
        let made = AmiPattern::new(pattern)?;
        let found = made.matches(text);
        if kept.len() >= 16 {
            kept.remove(0);
        }
        kept.push((pattern.to_owned(), made));
        Ok(found)
    })
}

fn regex(pattern: &str) -> Result<Regex> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|_| {
        SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression \"{pattern}\""))
    })
}

/// A pattern ready to match.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AmiPattern {
    Exact(String),
    Regex(Regex),
    Not(Box<AmiPattern>),
    And(Vec<AmiPattern>),
    Or(Vec<AmiPattern>),
    Choose(Box<AmiPattern>, Box<AmiPattern>, Box<AmiPattern>),
}

const DEPTH_MAX: u32 = 50;

impl AmiPattern {
    /// Reads a pattern. Errors: 2201B.
    pub fn new(text: &str) -> Result<AmiPattern> {
        let mut reader = Reader { chars: text.chars().collect(), at: 0, depth: 0, text };
        let pattern = reader.choice()?;
        if reader.at < reader.chars.len() {
            return Err(reader.error());
        }
        Ok(pattern)
    }

    /// Whether a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            AmiPattern::Exact(wanted) => wanted == text,
            AmiPattern::Regex(regex) => regex.is_match(text),
            AmiPattern::Not(inner) => !inner.matches(text),
            AmiPattern::And(all) => all.iter().all(|pattern| pattern.matches(text)),
            AmiPattern::Or(any) => any.iter().any(|pattern| pattern.matches(text)),
            AmiPattern::Choose(condition, then, other) => {
                if condition.matches(text) {
                    then.matches(text)
                } else {
                    other.matches(text)
                }
            }
        }
    }
}

struct Reader<'a> {
    chars: Vec<char>,
    at: usize,
    depth: u32,
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self) -> SqlError {
        SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid pattern \"{}\"", self.text))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn choice(&mut self) -> Result<AmiPattern> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error());
        }
        let condition = self.either()?;
        let pattern = if self.take('?') {
            let then = self.either()?;
            if !self.take(':') {
                return Err(self.error());
            }
            AmiPattern::Choose(Box::new(condition), Box::new(then), Box::new(self.choice()?))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(pattern)
    }

    fn either(&mut self) -> Result<AmiPattern> {
        let mut any = vec![self.all()?];
        while self.take('|') {
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { AmiPattern::Or(any) })
    }

    fn all(&mut self) -> Result<AmiPattern> {
        let mut all = vec![self.term()?];
        while self.take('&') {
            all.push(self.term()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { AmiPattern::And(all) })
    }

    fn term(&mut self) -> Result<AmiPattern> {
        if self.take('!') {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(self.error());
            }
            let inner = self.term()?;
            self.depth -= 1;
            return Ok(AmiPattern::Not(Box::new(inner)));
        }
        if self.take('(') {
            let inner = self.choice()?;
            return if self.take(')') { Ok(inner) } else { Err(self.error()) };
        }
        if self.take('\'') {
            return Ok(AmiPattern::Exact(self.until('\'')?));
        }
        if self.take('/') {
            let pattern = self.until('/')?;
            let mut options = String::new();
            // The options and their slash may be left out at the end.
            let rest: String = self.chars[self.at..].iter().take_while(|c| !matches!(c, '|' | '&' | ')')).collect();
            if let Some(found) = rest.strip_suffix('/').or(if rest.is_empty() { Some("") } else { None }) {
                options = found.to_owned();
                self.at += rest.chars().count();
            } else if rest.chars().all(|c| "imsx".contains(c)) {
                options.clone_from(&rest);
                self.at += rest.chars().count();
            }
            if !options.chars().all(|c| "imsx".contains(c)) {
                return Err(self.error());
            }
            let flags = if options.is_empty() { String::new() } else { format!("(?{options})") };
            return Ok(AmiPattern::Regex(regex(&(flags + &pattern))?));
        }
        self.words()
    }

    fn until(&mut self, end: char) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' if end == '\'' || self.peek() == Some(end) => {
                    out.extend(self.peek());
                    self.at += 1;
                }
                c if c == end => return Ok(out),
                c => out.push(c),
            }
        }
        Err(self.error())
    }

    fn words(&mut self) -> Result<AmiPattern> {
        let mut out = String::from(if self.take('~') { "(?s)" } else { "(?si)" });
        let mut first = true;
        let mut in_set = false;
        while let Some(c) = self.peek() {
            match c {
                _ if in_set => {
                    in_set = c != ']';
                    // Sets hold characters and ranges, nothing else.
                    if matches!(c, '[' | '&' | '~' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                '|' | '&' | ')' => break,
                '?' | ':' if self.depth > 1 || self.chars.get(self.at.wrapping_sub(1)) == Some(&')') => break,
                '\\' => {
                    self.at += 1;
                    let Some(next) = self.peek() else { return Err(self.error()) };
                    out.push_str(&regex::escape(&next.to_string()));
                }
                '[' => {
                    in_set = true;
                    out.push('[');
                }
                '^' if first => out.push('^'),
                '$' if self.chars.get(self.at + 1).is_none_or(|c| matches!(c, '|' | '&' | ')')) => out.push('$'),
                '*' => out.push_str(".*"),
                '.' => out.push('.'),
                other => out.push_str(&regex::escape(&other.to_string())),
            }
            first = false;
            self.at += 1;
        }
        if in_set {
            return Err(self.error());
        }
        Ok(AmiPattern::Regex(regex(&out)?))
    }
}

#[cfg(test)]
mod tests {
    use super::AmiPattern;

    // AMI-35
    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("3Forge", "forg", true),
            ("FORGE", "^FORG$", false),
            ("FORGE", "^forge$", true),
            ("forge", "~FORG", false),
            ("Bobby", "[RB]ob", true),
            ("Sobby", "^[RB]ob", false),
            ("abc", "a*c", true),
            ("abc", "^a.c$", true),
            ("abc", "'abc'", true),
            ("abcd", "'abc'", false),
            ("a*c", "a\\*c", true),
            ("abc", "a\\*c", false),
            ("abc", "/B/", false),
            ("abc", "/B/i/", true),
            ("abc", "x|b", true),
            ("abc", "a&!z", true),
            ("abc", "!(a|z)", false),
            ("abc", "(a)?(b):(z)", true),
            ("zbc", "(a)?(b):(q)", false),
            ("what?", "at?", true),
        ] {
            assert_eq!(AmiPattern::new(pattern).expect(pattern).matches(text), expected, "{text} ~~ {pattern}");
        }
        for bad in ["(a", "'a", "/a", "[a", "a)"] {
            assert!(AmiPattern::new(bad).is_err(), "{bad}");
        }
    }
}
