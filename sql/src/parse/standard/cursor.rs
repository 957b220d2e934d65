//! `Cursor`: a statement's tokens, read by our own grammar or by the library's, and the errors of both.
//!
//! The library's messages never leave this file: an error becomes `syntax error at or near …` with the place of the token
//! that it names. Nesting and chains are bounded before the library sees a token. A statement that nests deeper than
//! `INLINE_DEPTH` is parsed on a thread of its own with a large stack, so the caller's stack size does not matter; the
//! bounds `MAX_DEPTH` and `MAX_CHAIN` keep the tree small enough to be walked, cloned and dropped by whoever gets it (a
//! chain of 3,000 operators overflows a 2 MB stack when cloned, chains of AND and OR are balanced and do not count). At
//! the bounds a clone needs several MB of stack in unoptimised builds: threads that bind statements have 64 MB (PG-63).

use sqlparser::ast::{DataType, Expr, Query};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::grammar::POSTGRES;
use crate::error::{Result, Span, SqlError, SqlState};
use crate::parse::ObjectName;
use crate::parse::lex;
use crate::parse::names::fold;

/// Nesting up to which a statement is parsed on the caller's stack.
pub(crate) const INLINE_DEPTH: usize = 24;
/// Deepest nesting that is accepted.
pub(crate) const MAX_DEPTH: usize = 700;
/// Longest chain of operators, or of set operations, that is accepted.
pub(crate) const MAX_CHAIN: usize = 1500;

/// A statement's tokens with a place in them.
pub(crate) struct Cursor<'a> {
    /// The library's parser, which holds tokens and place.
    pub(crate) parser: Parser<'static>,
    /// The statement's text.
    pub(crate) text: &'a str,
}

/// What PostgreSQL says when an expression is too deep.
pub(crate) fn too_deep() -> SqlError {
    SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .hint("Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.")
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, tokens: Vec<TokenWithSpan>) -> Cursor<'a> {
        let parser =
            Parser::new(&POSTGRES).with_recursion_limit(4 * MAX_DEPTH + MAX_CHAIN).with_tokens_with_locations(tokens);
        Cursor { parser, text }
    }

    pub(crate) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// Byte offset of the next token, or of the end of the text.
    pub(crate) fn offset(&self) -> usize {
        let token = self.parser.peek_token_ref();
        if token.token == Token::EOF { self.text.len() } else { lex::offset_of(token) }
    }

    pub(crate) fn offset32(&self) -> u32 {
        u32::try_from(self.offset()).unwrap_or(0)
    }

    /// End of the last token taken.
    pub(crate) fn last_end(&self) -> usize {
        let at = self.parser.index();
        if at == 0 { 0 } else { lex::end_of(self.parser.token_at(at - 1)).min(self.text.len()) }
    }

    /// True when the `n`th token from here is this unquoted word.
    pub(crate) fn is_word(&self, n: usize, word: &str) -> bool {
        matches!(&self.parser.peek_nth_token_ref(n).token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    /// Takes the words if they all follow.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        if words.iter().enumerate().all(|(n, word)| self.is_word(n, word)) {
            for _ in words {
                self.parser.advance_token();
            }
            return true;
        }
        false
    }

    /// Takes one word.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Takes the first of the words that follows.
    pub(crate) fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.word(word))
    }

    pub(crate) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.word(word) {
                return Err(self.error());
            }
        }
        Ok(())
    }

    pub(crate) fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn at_end(&self) -> bool {
        *self.peek() == Token::EOF
    }

    /// The statement must be over.
    pub(crate) fn end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.error()) }
    }

    /// `syntax error` at the next token.
    pub(crate) fn error(&self) -> SqlError {
        let token = self.parser.peek_token_ref();
        if token.token == Token::EOF {
            return at_end_of_input(self.text);
        }
        near(self.text, lex::offset_of(token), lex::end_of(token))
    }

    /// A library's error as ours.
    pub(crate) fn convert(&self, error: ParserError) -> SqlError {
        let message = match error {
            ParserError::RecursionLimitExceeded => return too_deep(),
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        if let Some(at) = message.rfind("Column: ")
            && let Ok(column) = message[at + 8..].trim().parse::<usize>()
            && column > 0
        {
            let offset = column - 1;
            let mut index = 0;
            loop {
                let token = self.parser.token_at(index);
                if token.token == Token::EOF {
                    break;
                }
                if lex::offset_of(token) == offset {
                    return near(self.text, offset, lex::end_of(token));
                }
                index += 1;
            }
        }
        if message.contains("found: EOF") {
            return at_end_of_input(self.text);
        }
        self.error()
    }

    /// Runs a piece of the library's grammar.
    pub(crate) fn run<T>(&mut self, f: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>) -> Result<T> {
        match f(&mut self.parser) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.convert(error)),
        }
    }

    pub(crate) fn expr(&mut self) -> Result<Expr> {
        self.run(|p| p.parse_expr())
    }

    pub(crate) fn query(&mut self) -> Result<Box<Query>> {
        self.run(|p| p.parse_query())
    }

    pub(crate) fn data_type(&mut self) -> Result<DataType> {
        self.run(|p| p.parse_data_type())
    }

    /// An identifier, folded.
    pub(crate) fn ident(&mut self) -> Result<String> {
        if let Token::Word(word) = self.peek() {
            let name = fold(&word.clone().into_ident(self.parser.peek_token_ref().span));
            self.parser.advance_token();
            return Ok(name);
        }
        Err(self.error())
    }

    /// Identifiers separated by commas.
    pub(crate) fn idents(&mut self) -> Result<Vec<String>> {
        self.list(Cursor::ident)
    }

    pub(crate) fn list<T>(&mut self, f: impl Fn(&mut Cursor<'a>) -> Result<T>) -> Result<Vec<T>> {
        let mut out = vec![f(self)?];
        while self.token(&Token::Comma) {
            out.push(f(self)?);
        }
        Ok(out)
    }

    /// `( … )` around a list.
    pub(crate) fn parens<T>(&mut self, f: impl Fn(&mut Cursor<'a>) -> Result<T>) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let out = self.list(f)?;
        self.expect_token(&Token::RParen)?;
        Ok(out)
    }

    /// A possibly qualified name.
    pub(crate) fn name(&mut self) -> Result<ObjectName> {
        let offset = self.offset32();
        let mut parts = vec![self.ident()?];
        while self.token(&Token::Period) {
            parts.push(self.ident()?);
        }
        Ok(ObjectName { parts, offset })
    }

    pub(crate) fn names(&mut self) -> Result<Vec<ObjectName>> {
        self.list(Cursor::name)
    }

    /// A string literal.
    pub(crate) fn string(&mut self) -> Result<String> {
        if let Token::SingleQuotedString(text) = self.peek() {
            let text = text.clone();
            self.parser.advance_token();
            return Ok(text);
        }
        Err(self.error())
    }

    /// A string literal if one follows.
    pub(crate) fn maybe_string(&mut self) -> Option<String> {
        if matches!(self.peek(), Token::SingleQuotedString(_)) { self.string().ok() } else { None }
    }

    /// A whole number with an optional sign.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        let at = self.offset();
        let negative = if self.token(&Token::Minus) {
            true
        } else {
            self.token(&Token::Plus);
            false
        };
        let Token::Number(digits, _) = self.peek() else {
            return Err(self.error());
        };
        let text = if negative { format!("-{digits}") } else { digits.clone() };
        let Ok(number) = text.parse::<i64>() else {
            if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                return Err(SqlError::new(
                    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    format!("value \"{text}\" is out of range for type bigint"),
                )
                .at(Span(u32::try_from(at).unwrap_or(0))));
            }
            return Err(self.error());
        };
        self.parser.advance_token();
        Ok(number)
    }
}

/// `syntax error at or near` the text of one token.
pub(crate) fn near(text: &str, start: usize, end: usize) -> SqlError {
    let token = text.get(start..end).unwrap_or_default();
    SqlError::syntax(format!("syntax error at or near \"{token}\"")).at(Span(u32::try_from(start).unwrap_or(0)))
}

/// Message of a text that ends too early.
pub(crate) const END_OF_INPUT: &str = "syntax error at end of input";

/// `syntax error at end of input`.
pub(crate) fn at_end_of_input(text: &str) -> SqlError {
    SqlError::syntax(END_OF_INPUT).at(Span(u32::try_from(text.len()).unwrap_or(0)))
}
