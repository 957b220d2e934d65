//! SEARCH and CYCLE of recursive WITH queries: carried by marked names at the end of the query's list of columns, like the
//! clauses of `rewrite`; the planner writes them out.
//!
//! | text | becomes |
//! |---|---|
//! | `r(a) AS (…) SEARCH DEPTH FIRST BY a SET o` | `r(a, \0search␁depth␁o␁a) AS (…)` |
//! | `r AS (…) CYCLE a, b SET m TO 1 DEFAULT 0 USING p` | `r(\0cycle␁m␁1␁0␁p␁a␁b) AS (…)` |

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::near;
use super::rewrite::{marked, word, words};
use crate::error::Result;
use crate::parse::lex;

/// Between the parts of a mark.
pub(crate) const PART: char = '\u{1}';

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [TokenWithSpan],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, texts: &[&str]) -> bool {
        let found = words(self.tokens, self.at, texts);
        self.at += if found { texts.len() } else { 0 };
        found
    }

    fn expect(&mut self, texts: &[&str]) -> Result<()> {
        if self.take(texts) { Ok(()) } else { Err(self.wrong()) }
    }

    fn wrong(&self) -> crate::error::SqlError {
        match self.tokens.get(self.at) {
            Some(token) => near(self.text, lex::offset_of(token), lex::end_of(token)),
            None => near(self.text, self.text.len(), self.text.len()),
        }
    }

    fn name(&mut self) -> Result<String> {
        let Some(Token::Word(name)) = self.tokens.get(self.at).map(|token| &token.token) else {
            return Err(self.wrong());
        };
        self.at += 1;
        Ok(if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() })
    }

    fn names(&mut self) -> Result<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.tokens.get(self.at).is_some_and(|token| token.token == Token::Comma) {
            self.at += 1;
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// The text up to a word, which is taken too.
    fn until(&mut self, end: &str) -> Result<String> {
        let from = self.at;
        while !self.tokens.get(self.at).ok_or_else(|| self.wrong()).is_ok_and(|token| word(token, end)) {
            if self.at >= self.tokens.len() {
                return Err(self.wrong());
            }
            self.at += 1;
        }
        let (first, last) = (self.tokens.get(from), self.at.checked_sub(1).and_then(|at| self.tokens.get(at)));
        let text = match (first, last) {
            (Some(first), Some(last)) if self.at > from => {
                self.text.get(lex::offset_of(first)..lex::end_of(last)).unwrap_or_default().to_owned()
            }
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(text)
    }

    fn search(&mut self) -> Result<Option<String>> {
        let way = if self.take(&["search", "depth", "first", "by"]) {
            "depth"
        } else if self.take(&["search", "breadth", "first", "by"]) {
            "breadth"
        } else {
            return Ok(None);
        };
        let columns = self.names()?;
        self.expect(&["set"])?;
        let parts = [vec!["search".to_owned(), way.to_owned(), self.name()?], columns].concat();
        Ok(Some(parts.join(&PART.to_string())))
    }

    fn cycle(&mut self) -> Result<Option<String>> {
        if !self.take(&["cycle"]) {
            return Ok(None);
        }
        let columns = self.names()?;
        self.expect(&["set"])?;
        let mark = self.name()?;
        let (yes, no) = if self.take(&["to"]) {
            (self.until("default")?, self.until("using")?)
        } else {
            self.expect(&["using"])?;
            ("true".to_owned(), "false".to_owned())
        };
        let parts = [vec!["cycle".to_owned(), mark, yes, no, self.name()?], columns].concat();
        Ok(Some(parts.join(&PART.to_string())))
    }
}

/// The parenthesis that opens what the one at `close` closes.
fn opening(tokens: &[TokenWithSpan], close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for at in (0..=close).rev() {
        match tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Rewrites the clauses, where there are any. Errors: 42601.
pub(super) fn rewrite(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let begins = |tokens: &[TokenWithSpan], at: usize| {
        words(tokens, at, &["search", "depth", "first"])
            || words(tokens, at, &["search", "breadth", "first"])
            || words(tokens, at, &["cycle"]) && matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Word(_)))
    };
    let mut tokens = tokens;
    let mut at = 1;
    while at < tokens.len() {
        if tokens[at - 1].token != Token::RParen || !begins(&tokens, at) {
            at += 1;
            continue;
        }
        let Some(mut body) = opening(&tokens, at - 1) else { return Ok(tokens) };
        let mut reader = Reader { text, tokens: &tokens, at };
        let marks: Vec<String> = [reader.search()?, reader.cycle()?].into_iter().flatten().collect();
        let end = reader.at;
        if body > 0 && word(&tokens[body - 1], "materialized") {
            body -= if body > 1 && word(&tokens[body - 2], "not") { 2 } else { 1 };
        }
        // `AS` stands before the body; what is something else is left to the parser.
        if body < 2 || !word(&tokens[body - 1], "as") {
            at += 1;
            continue;
        }
        let name = body - 2;
        let like = tokens[name].clone();
        let plain = |token: Token| TokenWithSpan { token, span: like.span };
        tokens.drain(at..end);
        let listed = tokens[name].token == Token::RParen;
        let mut added = Vec::new();
        for (place, mark) in marks.iter().enumerate() {
            if place > 0 || listed {
                added.push(plain(Token::Comma));
            }
            added.push(marked(mark, &like));
        }
        let put = if listed {
            name
        } else {
            added.insert(0, plain(Token::LParen));
            added.push(plain(Token::RParen));
            name + 1
        };
        at += added.len();
        tokens.splice(put..put, added);
    }
    Ok(tokens)
}
