//! `s ~~ "pattern"` of AMI (AMI-35): part of the text, case aside, with `^ $ * . [a-z]`, a leading `~` for case, `'exact'`,
//! `/regular expression/options/`, and `|`, `&`, `!`, parentheses and `(e)?(t):(f)` over such parts; `\` escapes.

use regex::{Regex, RegexBuilder};

use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::Value;
use crate::types::oid::{BOOL, TEXT};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(15_203, "ami_like", &[TEXT, TEXT], BOOL, |c: &Call<'_>| {
    ami_like(c.text(0)?, c.text(1)?).map(Value::Bool)
})];

/// Largest compiled expression of one part.
const SIZE_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 50;

/// Whether the text matches. Errors: 2201B for a pattern that cannot be read.
pub fn ami_like(text: &str, pattern: &str) -> Result<bool> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut reader = Reader { text, chars: &chars, at: 0, depth: 0 };
    let found = reader.choice()?;
    if reader.at < chars.len() { Err(bad(pattern)) } else { Ok(found) }
}

fn bad(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid pattern: {what}"))
}

struct Reader<'a> {
    text: &'a str,
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn next_is(&self, c: char) -> bool {
        self.chars.get(self.at) == Some(&c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.next_is(c);
        self.at += usize::from(found);
        found
    }

    fn choice(&mut self) -> Result<bool> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(bad("too many parentheses"));
        }
        let mut found = self.all()?;
        while self.take('|') {
            let other = self.all()?;
            found = found || other;
        }
        if self.take('?') {
            let then = self.all()?;
            if !self.take(':') {
                return Err(bad("\":\" is missing"));
            }
            let other = self.all()?;
            found = if found { then } else { other };
        }
        self.depth -= 1;
        Ok(found)
    }

    fn all(&mut self) -> Result<bool> {
        let mut found = self.not()?;
        while self.take('&') {
            let other = self.not()?;
            found = found && other;
        }
        Ok(found)
    }

    fn not(&mut self) -> Result<bool> {
        if self.take('!') {
            return self.not().map(|found| !found);
        }
        if self.take('(') {
            let found = self.choice()?;
            return if self.take(')') { Ok(found) } else { Err(bad("\")\" is missing")) };
        }
        self.part()
    }

    fn part(&mut self) -> Result<bool> {
        if self.take('\'') {
            let exact = self.until('\'')?;
            return Ok(self.text == exact);
        }
        if self.take('/') {
            let pattern = self.until('/')?;
            let options = if self.chars[self.at..].contains(&'/') { self.until('/')? } else { String::new() };
            return self.matches(&pattern, options.contains('i'));
        }
        let sensitive = self.take('~');
        let mut out = String::from("(?s)");
        let mut first = true;
        while let Some(c) = self.chars.get(self.at).copied() {
            match c {
                '|' | '&' | ')' | '?' | ':' if !(c == ':' && self.depth <= 1) => break,
                '\\' => {
                    self.at += 1;
                    if let Some(next) = self.chars.get(self.at) {
                        out.push_str(&regex::escape(&next.to_string()));
                    }
                }
                '^' if first => out.push('^'),
                '$' if self.at + 1 == self.chars.len() || matches!(self.chars[self.at + 1], '|' | '&' | ')') => {
                    out.push('$');
                }
                '*' => out.push_str(".*"),
                '.' => out.push('.'),
                '[' => {
                    let end =
                        self.chars[self.at..].iter().position(|c| *c == ']').ok_or_else(|| bad("\"]\" is missing"))?;
                    out.extend(&self.chars[self.at..=self.at + end]);
                    self.at += end;
                }
                other => out.push_str(&regex::escape(&other.to_string())),
            }
            self.at += 1;
            first = false;
        }
        self.matches(&out, !sensitive)
    }

    fn until(&mut self, end: char) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            match c {
                c if c == end => return Ok(out),
                '\\' if self.next_is(end) => {
                    out.push(end);
                    self.at += 1;
                }
                other => out.push(other),
            }
        }
        Err(bad(format!("\"{end}\" is missing")))
    }

    fn matches(&self, pattern: &str, ignore_case: bool) -> Result<bool> {
        thread_local! {
            static LAST: std::cell::RefCell<Vec<(String, bool, Regex)>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        LAST.with_borrow_mut(|kept| {
            if let Some((.., known)) = kept.iter().find(|(text, case, _)| text == pattern && *case == ignore_case) {
                return Ok(known.is_match(self.text));
            }
            let made = RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(SIZE_MAX).build();
            let made = made.map_err(bad)?;
            let found = made.is_match(self.text);
            if kept.len() >= 16 {
                kept.remove(0);
            }
            kept.push((pattern.to_owned(), ignore_case, made));
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ami_like;

    // AMI-35
    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("3Forge", "forg", true),
            ("FORGE", "^FORG$", false),
            ("forge", "~FORG", false),
            ("Bobby", "[RB]ob", true),
            ("forge", "^f*e$", true),
            ("forge", "x|org", true),
            ("forge", "org&!x", true),
            ("forge", "'forge'", true),
            ("Forge", "'forge'", false),
            ("forge", "/^f.*e$//", true),
            ("FORGE", "/^f.*e$/i/", true),
            ("a|b", "a\\|b", true),
            ("forge", "(f)?(org):(x)", true),
            ("borge", "(f)?(org):(x)", false),
        ] {
            assert_eq!(ami_like(text, pattern).expect(pattern), expected, "{text} ~~ {pattern}");
        }
        assert!(ami_like("x", "[a").is_err());
    }
}
