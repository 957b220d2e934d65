//! Tokens to AMIScript (AMI-28, AMI-65) and to the SQL that may stand in it (AMI-71).
//!
//! Depth is bounded while parsing (`DEPTH_MAX`), so that whoever walks the tree later needs no guard of its own.
//! Statements of AMI SQL that scripts cannot run yet are refused here, with 0A000.

mod expr;
mod query;

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::Value;

use crate::script::ami::ast::{Expr, Part, Sent, Sql, Stmt, Type};
use crate::script::ami::lexer::{Lexeme, Token, tokens};
use crate::script::ami::methods::Declared;
use crate::script::ami::room;

const DEPTH_MAX: u32 = 100;
/// Longest path through one expression tree.
const LENGTH_MAX: u32 = 400;

const RESERVED: &[&str] = &[
    "add",
    "alter",
    "analyze",
    "and",
    "as",
    "asc",
    "before",
    "break",
    "by",
    "call",
    "case",
    "catch",
    "concurrent",
    "continue",
    "create",
    "default",
    "delete",
    "desc",
    "describe",
    "disable",
    "do",
    "drop",
    "else",
    "enable",
    "execute",
    "extern",
    "for",
    "from",
    "group",
    "having",
    "if",
    "in",
    "index",
    "insert",
    "into",
    "join",
    "left",
    "limit",
    "modify",
    "nearest",
    "new",
    "oftype",
    "on",
    "only",
    "or",
    "order",
    "partition",
    "prepare",
    "priority",
    "procedure",
    "public",
    "rename",
    "return",
    "right",
    "select",
    "set",
    "show",
    "step",
    "switch",
    "sync",
    "table",
    "tables",
    "timer",
    "to",
    "trigger",
    "truncate",
    "union",
    "unpack",
    "update",
    "use",
    "values",
    "where",
    "while",
    "window",
];

/// Parses a whole script. Errors: 42601, 0A000, 54001, each with its line.
pub(crate) fn script(source: &str) -> Result<Vec<Stmt>> {
    let mut parser = Parser::new(source)?;
    let mut out = Vec::new();
    while !parser.at_end() {
        parser.statement_into(&mut out)?;
    }
    Ok(out)
}

/// Parses `target = expression {, target = expression}` (AMI-98). An item without `=` is an error.
pub(crate) fn assignments(source: &str) -> Result<Vec<(String, Expr)>> {
    let mut parser = Parser::new(source)?;
    parser.sql = 1;
    let mut out = Vec::new();
    loop {
        let (name, _) = parser.name()?;
        parser.expect("=")?;
        out.push((name, parser.expr()?));
        if parser.at_end() {
            return Ok(out);
        }
        parser.expect(",")?;
    }
}

/// Parses `expression {, expression}` (AMI-130, AMI-139).
pub(crate) fn expressions(source: &str) -> Result<Vec<Expr>> {
    let mut parser = Parser::new(source)?;
    parser.sql = 1;
    let mut out = vec![parser.expr()?];
    while !parser.at_end() {
        parser.expect(",")?;
        out.push(parser.expr()?);
    }
    Ok(out)
}

/// As `assignments`, but an item may be a bare name, which stands for `name=name` (AMI-152).
pub(crate) fn derived(source: &str) -> Result<Vec<(String, Expr)>> {
    let mut parser = Parser::new(source)?;
    parser.sql = 1;
    let mut out = Vec::new();
    loop {
        let (name, line) = parser.name()?;
        let bare = parser.at_end() || parser.is(",");
        let expr = if bare {
            Expr::Name(name.clone(), line)
        } else {
            parser.expect("=")?;
            parser.expr()?
        };
        out.push((name, expr));
        if parser.at_end() {
            return Ok(out);
        }
        parser.expect(",")?;
    }
}

/// Parses one expression, in which a single `=` compares.
pub(crate) fn single(source: &str) -> Result<Expr> {
    let mut parser = Parser::new(source)?;
    parser.sql = 1;
    let expr = parser.expr()?;
    if parser.at_end() { Ok(expr) } else { Err(parser.unexpected()) }
}

/// Parses `type name {, type name}` (AMI-107).
pub(crate) fn variables(source: &str) -> Result<Vec<(Type, String)>> {
    let mut parser = Parser::new(source)?;
    let mut out: Vec<(Type, String)> = Vec::new();
    while !parser.at_end() {
        if !out.is_empty() {
            parser.expect(",")?;
        }
        let (word, _) = parser.name()?;
        match Type::by_name(&word) {
            Some(ty) => out.push((ty, parser.name()?.0)),
            None => {
                return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{word}\" does not exist")));
            }
        }
    }
    Ok(out)
}

/// Parses `type name(type argument, …) { … }` (AMI-76), with or without a last semicolon. Errors: 42601, 42704.
pub(crate) fn method(source: &str) -> Result<Declared> {
    let mut parser = Parser::new(source)?;
    let (result, name, parameters) = parser.signature()?;
    parser.expect("{")?;
    let mut body = Vec::new();
    while !parser.take("}") {
        if parser.at_end() {
            return Err(parser.unexpected());
        }
        parser.statement_into(&mut body)?;
    }
    while parser.take(";") {}
    if !parser.at_end() {
        return Err(parser.unexpected());
    }
    Ok(Declared { name, result, parameters, body })
}

struct Parser {
    source: Vec<char>,
    tokens: Vec<Lexeme>,
    at: usize,
    /// Above 0 inside SQL clauses, where a single `=` compares.
    sql: u32,
    depth: u32,
    /// Depth of the expression parsed last.
    last: u32,
}

impl Parser {
    fn new(source: &str) -> Result<Parser> {
        Ok(Parser { source: source.chars().collect(), tokens: tokens(source)?, at: 0, sql: 0, depth: 0, last: 0 })
    }

    /// A parser of a text inside another: it starts at this line and depth.
    fn inside(source: &str, line: u32, depth: u32) -> Result<Parser> {
        let mut parser = Parser::new(source)?;
        parser.depth = depth;
        for lexeme in &mut parser.tokens {
            lexeme.line += line.saturating_sub(1);
        }
        Ok(parser)
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].token
    }

    fn ahead(&self, n: usize) -> &Token {
        &self.tokens[(self.at + n).min(self.tokens.len() - 1)].token
    }

    fn line(&self) -> u32 {
        self.tokens[self.at.min(self.tokens.len() - 1)].line
    }

    fn at_end(&self) -> bool {
        *self.token() == Token::End
    }

    fn advance(&mut self) {
        if self.at < self.tokens.len() - 1 {
            self.at += 1;
        }
    }

    fn error(&self, message: impl std::fmt::Display) -> SqlError {
        SqlError::syntax(format!("line {}: {message}", self.line()))
    }

    fn unexpected(&self) -> SqlError {
        let near = match self.token() {
            Token::End => return self.error("unexpected end of the script"),
            Token::Word(word) | Token::Quoted(word) => word.clone(),
            Token::Text(text) => format!("\\\"{text}\\\""),
            Token::Template(_) | Token::Raw(_) => "template".to_owned(),
            Token::Number(value) => crate::script::ami::value::text_of(value),
            Token::Symbol(symbol) => (*symbol).to_owned(),
        };
        self.error(format!("syntax error at or near \"{near}\""))
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.token(), Token::Symbol(s) if *s == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn word_at(&self, n: usize, word: &str) -> bool {
        matches!(self.ahead(n), Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn is_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn name(&mut self) -> Result<(String, u32)> {
        let line = self.line();
        let name = match self.token() {
            Token::Word(word) if !RESERVED.contains(&word.to_ascii_lowercase().as_str()) => word.clone(),
            Token::Quoted(name) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok((name, line))
    }

    /// A name where a table or column is named: quotes make identifiers there (AMI-7).
    fn sql_name(&mut self) -> Result<String> {
        if let Token::Text(text) = self.token() {
            let name = text.clone();
            self.advance();
            return Ok(name);
        }
        Ok(self.name()?.0)
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("line {}: script is nested too deeply", self.line()),
            ));
        }
        Ok(())
    }

    fn deeper(&mut self, a: u32, b: u32) -> Result<()> {
        self.last = a.max(b) + 1;
        if self.last > LENGTH_MAX {
            return Err(SqlError::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("line {}: expression is too long", self.line()),
            ));
        }
        Ok(())
    }

    fn type_name(&mut self) -> Result<Type> {
        let line = self.line();
        let (word, _) = self.name()?;
        Type::by_name(&word).ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_OBJECT, format!("line {line}: type \"{word}\" does not exist"))
        })
    }

    /// `type name(type argument, …)`.
    fn signature(&mut self) -> Result<(Type, String, Vec<(Type, String)>)> {
        let result = self.type_name()?;
        let (name, _) = self.name()?;
        self.expect("(")?;
        let mut parameters: Vec<(Type, String)> = Vec::new();
        if !self.take(")") {
            loop {
                let ty = self.type_name()?;
                let (argument, line) = self.name()?;
                if parameters.iter().any(|(_, before)| *before == argument) {
                    return Err(SqlError::new(
                        SqlState::DUPLICATE_COLUMN,
                        format!("line {line}: argument \"{argument}\" is declared twice"),
                    ));
                }
                parameters.push((ty, argument));
                if self.take(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        Ok((result, name, parameters))
    }

    // Statements ------------------------------------------------------------------------------------------------

    fn statement_into(&mut self, out: &mut Vec<Stmt>) -> Result<()> {
        if self.take(";") {
            return Ok(());
        }
        let statement = self.statement()?;
        out.push(statement);
        Ok(())
    }

    fn end_of_statement(&mut self) -> Result<()> {
        if self.take(";") || self.at_end() || self.is("}") { Ok(()) } else { Err(self.unexpected()) }
    }

    fn statement(&mut self) -> Result<Stmt> {
        self.enter()?;
        let line = self.line();
        let statement = room(|| self.statement_inner());
        self.depth -= 1;
        Ok(Stmt::At(line, Box::new(statement?)))
    }

    fn statement_inner(&mut self) -> Result<Stmt> {
        let line = self.line();
        if self.is("{") {
            return self.block();
        }
        let word = match self.token() {
            Token::Word(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" => {
                self.advance();
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                let then = Box::new(self.body()?);
                self.skip_before_else();
                let other = if self.take_word("else") { Some(Box::new(self.body()?)) } else { None };
                return Ok(Stmt::If(condition, then, other));
            }
            "while" => {
                self.advance();
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                return Ok(Stmt::While(condition, Box::new(self.body()?)));
            }
            "for" => return self.for_statement(),
            "break" => {
                self.advance();
                self.end_of_statement()?;
                return Ok(Stmt::Break(line));
            }
            "continue" => {
                self.advance();
                self.end_of_statement()?;
                return Ok(Stmt::Continue(line));
            }
            "return" => {
                self.advance();
                let value = if self.is(";") || self.is("}") || self.at_end() { None } else { Some(self.expr()?) };
                self.end_of_statement()?;
                return Ok(Stmt::Return(value));
            }
            "throw" if !matches!(self.ahead(1), Token::Symbol("=" | "." | "+=" | "-=")) => {
                self.advance();
                let value = self.expr()?;
                self.end_of_statement()?;
                return Ok(Stmt::Throw(value, line));
            }
            "insert" | "update" | "delete" | "select" | "sync" => {
                let sql = self.sql_statement()?;
                self.end_of_statement()?;
                return Ok(Stmt::Sql(Box::new(sql), line));
            }
            "truncate" => {
                // AMI-49: as DELETE without WHERE, row by row.
                self.advance();
                self.take_word("table");
                let mut deletes = Vec::new();
                loop {
                    let table = self.table_name()?;
                    let sql = Sql::Delete { table, joins: Vec::new(), filter: None, limit: None };
                    deletes.push(Stmt::Sql(Box::new(sql), line));
                    if !self.take(",") {
                        break;
                    }
                }
                self.end_of_statement()?;
                return Ok(Stmt::Block(deletes, None));
            }
            "use" => {
                let sql = self.use_statement()?;
                self.end_of_statement()?;
                return Ok(Stmt::Sql(Box::new(sql), line));
            }
            "call" => {
                let sql = self.call()?;
                self.end_of_statement()?;
                return Ok(Stmt::Sql(Box::new(sql), line));
            }
            "alter" | "create" | "describe" | "disable" | "drop" | "enable" | "rename" | "show" => {
                let sql = self.sent_statement()?;
                return Ok(Stmt::Sql(Box::new(sql), line));
            }
            "analyze" | "execute" | "prepare" | "switch" | "do" | "concurrent" | "extern" => {
                return Err(SqlError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("line {line}: statement \"{}\" is not supported in scripts", word.to_ascii_uppercase()),
                ));
            }
            _ => {}
        }
        if let Some(declared) = self.declaration()? {
            self.end_of_statement()?;
            return Ok(declared);
        }
        let expr = self.expr()?;
        self.end_of_statement()?;
        Ok(Stmt::Expr(expr))
    }

    /// The rest of a statement as it stands; words may be variables from SELECT, VALUES or WHERE on.
    fn sent_statement(&mut self) -> Result<Sql> {
        let mut parts: Vec<Sent> = Vec::new();
        let mut text = String::new();
        let mut open = false;
        let mut depth = 0_u32;
        let mut from = self.tokens[self.at].span.0;
        loop {
            let lexeme = self.tokens[self.at.min(self.tokens.len() - 1)].clone();
            match &lexeme.token {
                Token::End | Token::Symbol(";") => break,
                Token::Symbol("}") if depth == 0 => break,
                Token::Symbol("{") => depth += 1,
                Token::Symbol("}") => depth -= 1,
                _ => {}
            }
            let part = match &lexeme.token {
                Token::Word(word) => {
                    let lower = word.to_ascii_lowercase();
                    open |= matches!(lower.as_str(), "select" | "values" | "where");
                    let called = matches!(self.ahead(1), Token::Symbol("(" | "."));
                    let member = self.at > 0 && self.tokens[self.at - 1].token == Token::Symbol(".");
                    let free = open && !called && !member && !RESERVED.contains(&lower.as_str());
                    free.then(|| Sent::Word(word.clone()))
                }
                Token::Template(_) => Some(Sent::Value(self.primary()?)),
                Token::Raw(pieces) => {
                    let pieces = pieces.clone();
                    self.advance();
                    Some(Sent::Value(self.template(pieces, lexeme.line)?))
                }
                _ => None,
            };
            if let Some(part) = part {
                text.extend(&self.source[from..lexeme.span.0]);
                parts.push(Sent::Text(std::mem::take(&mut text)));
                parts.push(part);
                from = lexeme.span.1;
            }
            if matches!(lexeme.token, Token::Template(_) | Token::Raw(_)) {
                continue;
            }
            self.advance();
        }
        let end = self.tokens[self.at.min(self.tokens.len() - 1)].span.0;
        text.extend(&self.source[from..end.max(from)]);
        parts.push(Sent::Text(text.trim_end().to_owned()));
        self.end_of_statement()?;
        Ok(Sql::Text(parts))
    }

    /// `use ds=name execute text`.
    fn use_statement(&mut self) -> Result<Sql> {
        self.advance();
        let mut source = None;
        while !self.take_word("execute") {
            let (option, line) = self.name()?;
            self.expect("=")?;
            if !option.eq_ignore_ascii_case("ds") {
                return Err(SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("line {line}: unrecognized option \"{option}\" for USE"),
                ));
            }
            source = Some(match self.token().clone() {
                Token::Word(name) | Token::Quoted(name) => {
                    self.advance();
                    Expr::Literal(Value::text(name))
                }
                Token::Text(_) | Token::Template(_) => self.primary()?,
                _ => return Err(self.unexpected()),
            });
        }
        let line = self.line();
        let (Some(source), Token::Raw(pieces)) = (source, self.token().clone()) else { return Err(self.unexpected()) };
        self.advance();
        let text = self.template(pieces, line)?;
        if matches!(&text, Expr::Template(parts) if parts.iter().all(|p| matches!(p, Part::Text(t) if t.trim().is_empty())))
        {
            return Err(self.unexpected());
        }
        Ok(Sql::Use { source, text })
    }

    /// `if (c) s; else t`: the `;` of `s` was taken already, a further one may stand before `else`.
    fn skip_before_else(&mut self) {
        if self.is(";") && self.word_at(1, "else") {
            self.advance();
        }
    }

    fn body(&mut self) -> Result<Stmt> {
        if self.take(";") {
            return Ok(Stmt::Block(Vec::new(), None));
        }
        self.statement()
    }

    fn block(&mut self) -> Result<Stmt> {
        self.expect("{")?;
        let mut body = Vec::new();
        while !self.is("}") {
            if self.at_end() {
                return Err(self.unexpected());
            }
            self.statement_into(&mut body)?;
        }
        self.expect("}")?;
        if !self.is_word("catch") {
            return Ok(Stmt::Block(body, None));
        }
        self.advance();
        self.expect("(")?;
        let (first, _) = self.name()?;
        let name = if self.is(")") { first } else { self.name()?.0 };
        self.expect(")")?;
        let handler = self.body()?;
        Ok(Stmt::Block(body, Some((name, Box::new(handler)))))
    }

    fn declaration(&mut self) -> Result<Option<Stmt>> {
        let Token::Word(word) = self.token() else { return Ok(None) };
        let followed = match self.ahead(1) {
            Token::Word(next) => !matches!(next.to_ascii_lowercase().as_str(), "and" | "or" | "in" | "not"),
            Token::Quoted(_) => true,
            _ => false,
        };
        if !followed {
            return Ok(None);
        }
        let Some(ty) = Type::by_name(word) else {
            let message = format!("line {}: type \"{word}\" does not exist", self.line());
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, message));
        };
        self.advance();
        let mut names = Vec::new();
        loop {
            let (name, line) = self.name()?;
            let value = if self.take("=") { Some(self.value()?) } else { None };
            names.push((name, value, line));
            if !self.take(",") {
                return Ok(Some(Stmt::Declare(ty, names)));
            }
        }
    }

    /// The right side of an assignment: an expression or a SELECT (AMI-72).
    fn value(&mut self) -> Result<Expr> {
        if self.is_word("select") {
            let line = self.line();
            let query = self.query()?;
            return Ok(Expr::Query(Box::new(query), line));
        }
        self.expr()
    }

    fn for_statement(&mut self) -> Result<Stmt> {
        let line = self.line();
        self.advance();
        self.expect("(")?;
        if let (Token::Word(ty), Token::Word(name) | Token::Quoted(name), Token::Symbol(":")) =
            (self.token().clone(), self.ahead(1).clone(), self.ahead(2).clone())
        {
            let ty = Type::by_name(&ty).ok_or_else(|| {
                SqlError::new(SqlState::UNDEFINED_OBJECT, format!("line {line}: type \"{ty}\" does not exist"))
            })?;
            self.at += 3;
            let items = self.value()?;
            self.expect(")")?;
            return Ok(Stmt::ForEach(ty, name, items, Box::new(self.body()?), line));
        }
        let init = if self.is(";") {
            None
        } else {
            Some(Box::new(match self.declaration()? {
                Some(declared) => declared,
                None => Stmt::Expr(self.expr()?),
            }))
        };
        self.expect(";")?;
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        let step = if self.is(")") { None } else { Some(self.expr()?) };
        self.expect(")")?;
        Ok(Stmt::For(init, condition, step, Box::new(self.body()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-65
    #[test]
    fn accepts_the_documented_forms() {
        for text in [
            "val=px*qty",
            "new_val=new_px*new_qty;",
            "insert into MyAlert(type,id,diff) values(\"CHANGE\",id,new_price - old_price)",
            "if(new_row.containsKey(\"val\")){\ninsert into alerts values(\"newrow: \"+new_row+ \"x\");\n}",
            "int i = 0, j; for (int k = 0; k < 3; k++) { if (k == 1) continue; else i += k; } return i > 2 ? true : false;",
            "for (String s : [\"a\", \"b\"]) logInfo(s); while (true) break;",
            "{ throw \"x\"; } catch (Object e) { logWarn(e); }",
            "int n = select count(*) from t where a == x && b = \"y\";",
            "update t set a=a+1, b=\"x\" where id==1 or not (c in (1,2)); delete from t where a<3",
            "insert into t from select a, b as c from u as x left join v on x.id==v.id order by a desc limit 3",
            "Map m = {\"a\":1}; m[\"b\"] = (Long) 2; m.put(\"c\", new List(1,2));",
        ] {
            script(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        }
    }

    #[test]
    fn refuses_nonsense() {
        for text in ["a = ", "if (x", "{ a=1", "foo bar", "insert into t values()", "1 +", "x ++ y"] {
            assert!(script(text).is_err(), "{text}");
        }
        assert_eq!(script("analyze t").unwrap_err().state(), SqlState::FEATURE_NOT_SUPPORTED);
        for text in ["use ds=<x> execute y", "use ds=x execute ;", "use execute y"] {
            assert_eq!(script(text).unwrap_err().state(), SqlState::SYNTAX_ERROR, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("x={}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(script(&deep).unwrap_err().state(), SqlState::STATEMENT_TOO_COMPLEX);
        let long = format!("x={}1", "1+".repeat(5000));
        assert_eq!(script(&long).unwrap_err().state(), SqlState::STATEMENT_TOO_COMPLEX);
        let braces = "{".repeat(5000);
        assert!(script(&braces).is_err());
    }
}
