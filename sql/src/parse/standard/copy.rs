//! COPY, with the options of the parenthesised form and of the two older ones.

use sqlparser::tokenizer::Token;

use super::{Cursor, part};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::parse::lex;
use crate::parse::{CopyFormat, CopyHeader, CopyOptions, CopySource, CopyStatement, CopyTarget, Statement};

/// COPY …
pub(super) fn statement(c: &mut Cursor) -> Result<Statement> {
    c.expect(&["copy"])?;
    let binary = c.is_word(0, "binary") && !matches!(c.parser.peek_nth_token_ref(1).token, Token::EOF) && {
        c.parser.advance_token();
        true
    };
    let source = if *c.peek() == Token::LParen {
        let open = c.offset();
        let mut depth = 0usize;
        let mut index = c.parser.index();
        let close = loop {
            let token = c.parser.token_at(index);
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth -= 1;
                    if depth == 0 {
                        break lex::offset_of(token);
                    }
                }
                Token::EOF => return Err(super::at_end_of_input(c.text)),
                _ => {}
            }
            index += 1;
        };
        let query = part(c, open + 1, close)?;
        match &*query.statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {}
            Statement::ExecProcedure { .. } => return Err(SqlError::unsupported("COPY of a procedure's rows")),
            _ => return Err(super::near(c.text, open + 1, open + 2)),
        }
        while c.parser.index() <= index {
            c.parser.advance_token();
        }
        CopySource::Query(Box::new(query))
    } else {
        let name = c.name()?;
        let columns = if *c.peek() == Token::LParen { c.parens(Cursor::ident)? } else { Vec::new() };
        CopySource::Table { name, columns }
    };
    let from = match c.one_of(&["from", "to"]) {
        Some("from") if matches!(source, CopySource::Table { .. }) => true,
        Some("to") => false,
        Some(_) => {
            c.parser.prev_token();
            return Err(c.error());
        }
        None => return Err(c.error()),
    };
    let target = if c.word("program") {
        CopyTarget::Program(c.string()?)
    } else if let Some(file) = c.maybe_string() {
        CopyTarget::File(file)
    } else if c.word("stdin") || c.word("stdout") {
        CopyTarget::Stdio
    } else {
        return Err(c.error());
    };
    let mut options = CopyOptions::default();
    if binary {
        options.format = CopyFormat::Binary;
    }
    c.word("with");
    if *c.peek() == Token::LParen {
        new_options(c, &mut options)?
    } else {
        old_options(c, &mut options)?
    }
    if !from && c.is_word(0, "where") {
        return Err(SqlError::syntax("WHERE clause not allowed with COPY TO").at(Span(c.offset32())));
    }
    let filter = if from && c.word("where") { Some(c.expr()?) } else { None };
    Ok(Statement::Copy(Box::new(CopyStatement { source, from, target, options, filter })))
}

fn one_char(text: &str, what: &str) -> Result<char> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() => Ok(c),
        _ => Err(SqlError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

fn new_options(c: &mut Cursor, options: &mut CopyOptions) -> Result<()> {
    c.expect_token(&Token::LParen)?;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let at = Span(c.offset32());
        let name = c.ident()?;
        if seen.contains(&name) {
            return Err(SqlError::syntax("conflicting or redundant options").at(at));
        }
        match name.as_str() {
            "format" => {
                options.format = match word_or_string(c)?.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => {
                        return Err(SqlError::new(
                            SqlState::INVALID_PARAMETER_VALUE,
                            format!("COPY format \"{other}\" not recognized"),
                        )
                        .at(at));
                    }
                }
            }
            "delimiter" => options.delimiter = Some(one_char(&word_or_string(c)?, "delimiter")?),
            "null" => options.null = Some(word_or_string(c)?),
            "quote" => options.quote = Some(one_char(&word_or_string(c)?, "quote")?),
            "escape" => options.escape = Some(one_char(&word_or_string(c)?, "escape")?),
            "encoding" => {
                let encoding = word_or_string(c)?;
                let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
                let ours = ["utf8", "unicode", "sqlascii"].iter().any(|own| plain.eq_ignore_ascii_case(own));
                if !ours {
                    let text = "argument to option \"encoding\" must be a valid encoding name";
                    return Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text).at(at));
                }
                options.encoding = Some(encoding);
            }
            "header" => {
                options.header = if c.is_word(0, "match") {
                    c.parser.advance_token();
                    CopyHeader::Match
                } else if boolean(c, "header")? {
                    CopyHeader::Yes
                } else {
                    CopyHeader::No
                }
            }
            "freeze" => options.freeze = boolean(c, "freeze")?,
            "force_quote" => {
                options.force_quote = if c.token(&Token::Mul) { vec!["*".to_owned()] } else { c.parens(Cursor::ident)? }
            }
            "force_null" => options.force_null = c.parens(Cursor::ident)?,
            "force_not_null" => options.force_not_null = c.parens(Cursor::ident)?,
            other => return Err(SqlError::syntax(format!("option \"{other}\" not recognized")).at(at)),
        }
        seen.push(name);
        if !c.token(&Token::Comma) {
            break;
        }
    }
    c.expect_token(&Token::RParen)
}

fn word_or_string(c: &mut Cursor) -> Result<String> {
    match c.maybe_string() {
        Some(text) => Ok(text),
        None => c.ident(),
    }
}

fn boolean(c: &mut Cursor, name: &str) -> Result<bool> {
    if matches!(c.peek(), Token::Comma | Token::RParen) {
        return Ok(true);
    }
    if let Token::Number(digits, _) = c.peek() {
        let on = match digits.as_str() {
            "0" => false,
            "1" => true,
            _ if name == "header" => {
                return Err(SqlError::syntax("header requires a Boolean value or \"match\""));
            }
            _ => return Err(SqlError::syntax(format!("{name} requires a Boolean value"))),
        };
        c.parser.advance_token();
        return Ok(on);
    }
    match word_or_string(c)?.to_ascii_lowercase().as_str() {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ if name == "header" => Err(SqlError::syntax("header requires a Boolean value or \"match\"")),
        _ => Err(SqlError::syntax(format!("{name} requires a Boolean value"))),
    }
}

/// `BINARY`, `[USING] DELIMITERS [AS] 'x'`, `CSV HEADER …` without parentheses.
fn old_options(c: &mut Cursor, options: &mut CopyOptions) -> Result<()> {
    loop {
        if c.word("binary") {
            options.format = CopyFormat::Binary;
        } else if c.word("csv") {
            options.format = CopyFormat::Csv;
        } else if c.word("freeze") {
            options.freeze = true;
        } else if c.word("header") {
            options.header = CopyHeader::Yes;
        } else if c.words(&["using", "delimiters"]) || c.word("delimiters") || c.word("delimiter") {
            c.word("as");
            options.delimiter = Some(one_char(&c.string()?, "delimiter")?);
        } else if c.word("null") {
            c.word("as");
            options.null = Some(c.string()?);
        } else if c.word("quote") {
            c.word("as");
            options.quote = Some(one_char(&c.string()?, "quote")?);
        } else if c.word("escape") {
            c.word("as");
            options.escape = Some(one_char(&c.string()?, "escape")?);
        } else if c.words(&["force", "quote"]) {
            options.force_quote = if c.token(&Token::Mul) { vec!["*".to_owned()] } else { c.idents()? };
        } else if c.words(&["force", "not", "null"]) {
            options.force_not_null = c.idents()?;
        } else if c.words(&["force", "null"]) {
            options.force_null = c.idents()?;
        } else if c.word("encoding") {
            options.encoding = Some(c.string()?);
        } else {
            return Ok(());
        }
    }
}
