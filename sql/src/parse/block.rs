//! The body of DO: the part of PL/pgSQL that migrations are written in. Blocks with handlers, SQL statements, NULL,
//! PERFORM, EXECUTE of an expression, RAISE of a fixed text, IF. Variables, loops and RETURN are refused with 0A000.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lex;
use crate::error::{Result, SqlError};

/// BEGIN … [EXCEPTION …] END.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it does.
    pub body: Vec<BlockStatement>,
    /// Names of conditions (lower case, or five characters of SQLSTATE) and what is done about them.
    pub handlers: Vec<(Vec<String>, Vec<BlockStatement>)>,
}

/// A statement of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockStatement {
    /// One that SQL runs as it is.
    Sql(String),
    /// NULL
    Null,
    /// PERFORM: the text after it, a query without its SELECT.
    Perform(String),
    /// EXECUTE: an expression that gives a statement's text.
    Execute(String),
    /// RAISE with its level in lower case and its text.
    Raise(String, String),
    /// IF: conditions with what they lead to, and ELSE.
    If(Vec<(String, Vec<BlockStatement>)>, Vec<BlockStatement>),
    /// A block of its own.
    Block(Block),
}

/// Reads a body. Errors: 42601; 0A000 for what is not carried out.
pub fn parse_block(text: &str) -> Result<Block> {
    let tokens = lex::tokenize(text)?.tokens;
    let mut reader = Reader { text, tokens: &tokens, at: 0 };
    if reader.is("declare") {
        return Err(SqlError::unsupported("DECLARE in DO"));
    }
    reader.expect("begin")?;
    let block = reader.block()?;
    reader.semicolon();
    if reader.at < reader.tokens.len() && reader.tokens[reader.at].token != Token::EOF {
        return Err(reader.error());
    }
    Ok(block)
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Reader<'_> {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.token).filter(|token| **token != Token::EOF)
    }

    fn is(&self, word: &str) -> bool {
        matches!(self.token(), Some(Token::Word(own)) if own.quote_style.is_none() && own.value.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    fn semicolon(&mut self) -> bool {
        let found = self.token() == Some(&Token::SemiColon);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.error()) }
    }

    fn end(&mut self) -> Result<()> {
        if self.semicolon() { Ok(()) } else { Err(self.error()) }
    }

    fn error(&self) -> SqlError {
        match self.tokens.get(self.at).filter(|token| token.token != Token::EOF) {
            Some(token) => {
                let shown = self.text.get(lex::offset_of(token)..lex::end_of(token)).unwrap_or_default();
                SqlError::syntax(format!("syntax error at or near \"{shown}\""))
            }
            None => SqlError::syntax("syntax error at end of input"),
        }
    }

    /// The text up to one of the words, or a semicolon, outside parentheses; neither is taken.
    fn text_until(&mut self, words: &[&str]) -> Result<String> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.token() {
                None => return Err(self.error()),
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth = depth.saturating_sub(1),
                Some(Token::SemiColon) if depth == 0 => break,
                Some(_) if depth == 0 && words.iter().any(|word| self.is(word)) => break,
                Some(_) => {}
            }
            self.at += 1;
        }
        if start == self.at {
            return Err(self.error());
        }
        let (first, last) = (&self.tokens[start], &self.tokens[self.at - 1]);
        Ok(self.text.get(lex::offset_of(first)..lex::end_of(last)).unwrap_or_default().to_owned())
    }

    /// What follows BEGIN, END included.
    fn block(&mut self) -> Result<Block> {
        let body = self.statements(&["exception", "end"])?;
        let mut handlers = Vec::new();
        if self.take("exception") {
            while self.take("when") {
                let mut conditions = Vec::new();
                loop {
                    let Some(Token::Word(word)) = self.token() else { return Err(self.error()) };
                    let name = word.value.to_ascii_lowercase();
                    self.at += 1;
                    conditions.push(match self.token() {
                        Some(Token::SingleQuotedString(code)) if name == "sqlstate" => {
                            let code = code.clone();
                            self.at += 1;
                            code
                        }
                        _ => name,
                    });
                    if !self.take("or") {
                        break;
                    }
                }
                self.expect("then")?;
                handlers.push((conditions, self.statements(&["when", "end"])?));
            }
        }
        self.expect("end")?;
        Ok(Block { body, handlers })
    }

    fn statements(&mut self, ends: &[&str]) -> Result<Vec<BlockStatement>> {
        let mut found = Vec::new();
        while !ends.iter().any(|word| self.is(word)) {
            found.push(self.statement()?);
        }
        Ok(found)
    }

    fn statement(&mut self) -> Result<BlockStatement> {
        for refused in ["declare", "loop", "while", "for", "foreach", "return", "exit", "continue", "case", "get"] {
            if self.is(refused) {
                return Err(SqlError::unsupported(format!("{} in DO", refused.to_uppercase())));
            }
        }
        let made = if self.take("begin") {
            BlockStatement::Block(self.block()?)
        } else if self.take("null") {
            BlockStatement::Null
        } else if self.take("perform") {
            BlockStatement::Perform(self.text_until(&[])?)
        } else if self.take("execute") {
            let text = self.text_until(&["using", "into"])?;
            if self.is("using") || self.is("into") {
                return Err(SqlError::unsupported("EXECUTE … USING or INTO in DO"));
            }
            BlockStatement::Execute(text)
        } else if self.take("raise") {
            let levels = ["debug", "log", "info", "notice", "warning", "exception"];
            let level = levels.into_iter().find(|level| self.take(level)).unwrap_or("exception");
            let Some(Token::SingleQuotedString(text)) = self.token() else {
                return Err(SqlError::unsupported("this form of RAISE in DO"));
            };
            let text = text.replace("%%", "%");
            self.at += 1;
            if self.token() != Some(&Token::SemiColon) {
                return Err(SqlError::unsupported("RAISE with arguments in DO"));
            }
            BlockStatement::Raise(level.to_owned(), text)
        } else if self.take("if") {
            self.branches()?
        } else {
            if let (Some(Token::Word(_)), Some(Token::Assignment)) =
                (self.token(), self.tokens.get(self.at + 1).map(|token| &token.token))
            {
                return Err(SqlError::unsupported("an assignment in DO"));
            }
            BlockStatement::Sql(self.text_until(&[])?)
        };
        self.end()?;
        Ok(made)
    }

    fn branches(&mut self) -> Result<BlockStatement> {
        let mut branches = Vec::new();
        loop {
            let condition = self.text_until(&["then"])?;
            self.expect("then")?;
            branches.push((condition, self.statements(&["elsif", "elseif", "else", "end"])?));
            if !(self.take("elsif") || self.take("elseif")) {
                break;
            }
        }
        let otherwise = if self.take("else") { self.statements(&["end"])? } else { Vec::new() };
        self.expect("end")?;
        self.expect("if")?;
        Ok(BlockStatement::If(branches, otherwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Section 7, functions: what migrations of ORMs send in DO.
    #[test]
    fn blocks_are_read() {
        let block = parse_block(
            "BEGIN CREATE TYPE a AS ENUM ('x;', 'y'); EXCEPTION WHEN duplicate_object OR SQLSTATE '42P07' THEN null; END",
        );
        let block = block.expect("a block");
        assert_eq!(block.body, [BlockStatement::Sql("CREATE TYPE a AS ENUM ('x;', 'y')".to_owned())]);
        assert_eq!(
            block.handlers,
            [(vec!["duplicate_object".to_owned(), "42P07".to_owned()], vec![BlockStatement::Null])]
        );
        let block =
            parse_block("begin if not exists (select 1) then raise notice 'a'; else perform f(1); end if; end;");
        let [BlockStatement::If(branches, otherwise)] = &block.expect("a block").body[..] else { panic!("no IF") };
        assert_eq!(branches[0].0, "not exists (select 1)");
        assert_eq!(otherwise, &[BlockStatement::Perform("f(1)".to_owned())]);
        assert!(parse_block("begin for i in 1..2 loop null; end loop; end").is_err());
        assert!(parse_block("begin null end").is_err());
    }
}
