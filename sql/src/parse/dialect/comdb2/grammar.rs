//! Comdb2 statements → `Statement`: stored procedures with versions, Lua triggers and consumers, EXEC PROCEDURE.
//!
//! The tokens are the standard ones; only Lua bodies are not. Names fold as PostgreSQL's do.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::lua;
use crate::catalog::{Level, Timing};
use crate::error::{Result, SqlError};
use crate::parse::dialect::DialectEnd;
use crate::parse::lex::{self, HeadToken};
use crate::parse::standard::Cursor;
use crate::parse::{
    EventSpec, ObjectName, ProcedureSpec, SettingChange, SettingScope, Statement, TriggerSpec, syntax_at,
};

const NAME: &str = "comdb2";

/// Index of the token after the name in `CREATE [OR REPLACE] PROCEDURE name`.
fn after_procedure(head: &[(usize, HeadToken<'_>)]) -> Option<usize> {
    let is = |n: usize, word: &str| head.get(n).is_some_and(|(_, t)| t.is(word));
    if !is(0, "create") {
        return None;
    }
    let at = if is(1, "or") && is(2, "replace") { 3 } else { 1 };
    is(at, "procedure").then_some(at + 2)
}

/// True for `CREATE PROCEDURE` in the Comdb2 form (CDB-101).
pub(super) fn is_procedure(head: &[(usize, HeadToken<'_>)]) -> bool {
    let Some(mut at) = after_procedure(head) else { return false };
    if !matches!(head.get(at - 1), Some((_, HeadToken::Word(_) | HeadToken::Quoted(_)))) {
        return false;
    }
    let body = |at: usize| match head.get(at) {
        Some((_, HeadToken::Mark('{'))) => true,
        Some((_, HeadToken::Quoted(text))) => text.starts_with(['$', '\'']),
        _ => false,
    };
    if head.get(at).is_some_and(|(_, t)| t.is("version")) {
        return true;
    }
    if head.get(at).is_some_and(|(_, t)| t.is("as")) {
        at += 1;
    }
    body(at)
}

/// True for the leading forms that are Comdb2's alone.
pub(super) fn claims(head: &[(usize, HeadToken<'_>)]) -> bool {
    let is = |n: usize, word: &str| head.get(n).is_some_and(|(_, t)| t.is(word));
    let Some((_, HeadToken::Word(first))) = head.first() else { return false };
    match first.to_ascii_uppercase().as_str() {
        "CREATE" => is(1, "lua") || is(1, "default") && is(2, "lua") || is_procedure(head),
        "DROP" => {
            // `DROP PROCEDURE p VERSION 'v'`, `… 'v'`, `… 3`; without a version PostgreSQL's statement means the same.
            let skip = if is(2, "if") && is(3, "exists") { 5 } else { 3 };
            is(1, "lua")
                || is(1, "procedure")
                    && (is(skip, "version")
                        || matches!(head.get(skip), Some((_, HeadToken::Quoted(_))))
                        || matches!(head.get(skip), Some((_, HeadToken::Mark(c))) if c.is_ascii_digit()))
        }
        "PUT" => true,
        "SET" => {
            (is(1, "spversion") || is(1, "sptrace"))
                && head.get(2).is_some_and(|(_, t)| !matches!(t, HeadToken::Mark('=')) && !t.is("to"))
        }
        "EXEC" => is(1, "procedure"),
        "EXECUTE" => is(1, "procedure") && matches!(head.get(2), Some((_, HeadToken::Word(_) | HeadToken::Quoted(_)))),
        _ => false,
    }
}

/// Position of the body's `{` in a `CREATE PROCEDURE` at `start`.
fn brace(text: &str, start: usize) -> Option<usize> {
    let head = lex::head(text, start, 12);
    if !is_procedure(&head) {
        return None;
    }
    head.iter().find(|(_, t)| *t == HeadToken::Mark('{')).map(|(at, _)| *at)
}

fn unterminated(open: usize) -> SqlError {
    syntax_at("unterminated Lua body", open)
        .hint("psql sends text up to the first semicolon; write the body as $lua$ ... $lua$")
}

/// Finds the end of a claimed statement: the semicolon after the Lua body, where there is one.
pub(super) fn end(text: &str, start: usize) -> Result<DialectEnd> {
    let mut from = start;
    if let Some(open) = brace(text, start) {
        from = lua::closing_brace(text, open).ok_or_else(|| unterminated(open))? + 1;
    }
    let end = lex::statement_end(text, from);
    Ok(DialectEnd { at: end.at, next: (end.at + 1).min(text.len()) })
}

/// Reads a claimed statement.
pub(super) fn parse(text: &str) -> Result<(Statement, usize)> {
    if let Some(open) = brace(text, 0) {
        let close = lua::closing_brace(text, open).ok_or_else(|| unterminated(open))?;
        let lexed = lex::tokenize(&text[..open])?;
        let mut c = Cursor::new(&text[..open], lexed.tokens);
        let (name, version) = procedure_head(&mut c)?;
        c.word("as");
        c.end()?;
        let after = lex::skip_space(text, close + 1, false);
        if after < text.len() {
            let next = text[after..].chars().next().map_or(0, char::len_utf8);
            return Err(crate::parse::standard::near(text, after, after + next));
        }
        return Ok((procedure(name, version, text[open + 1..close].to_owned()), 0));
    }
    let lexed = lex::tokenize(text)?;
    let params = lexed.params;
    let mut c = Cursor::new(text, lexed.tokens);
    let statement = statement(&mut c)?;
    c.end()?;
    Ok((statement, params))
}

fn procedure(name: String, version: Option<String>, body: String) -> Statement {
    Statement::CreateProcedure(Box::new(ProcedureSpec {
        name,
        dialect: NAME,
        language: "lua",
        version,
        body,
        options: Vec::new(),
    }))
}

/// `CREATE [OR REPLACE] PROCEDURE name [VERSION 'v']`.
fn procedure_head(c: &mut Cursor) -> Result<(String, Option<String>)> {
    c.expect(&["create"])?;
    c.words(&["or", "replace"]);
    c.expect(&["procedure"])?;
    let name = c.ident()?;
    let version = if c.word("version") { Some(version(c)?) } else { None };
    Ok((name, version))
}

/// A version: a string or a whole number.
fn version(c: &mut Cursor) -> Result<String> {
    match c.maybe_string() {
        Some(text) => Ok(text),
        None => Ok(c.integer()?.to_string()),
    }
}

fn statement(c: &mut Cursor) -> Result<Statement> {
    if c.is_word(0, "create") && (c.is_word(1, "procedure") || c.is_word(1, "or")) {
        let (name, version) = procedure_head(c)?;
        c.word("as");
        return Ok(procedure(name, version, c.string()?));
    }
    if c.word("create") {
        let default = c.word("default");
        c.expect(&["lua"])?;
        if !default && let Some(kind) = c.one_of(&["scalar", "aggregate"]) {
            return lua_function(c, kind == "aggregate");
        }
        if c.word("consumer") {
            return lua_trigger(c, "lua_consumer", default);
        }
        if default {
            return Err(c.error());
        }
        c.expect(&["trigger"])?;
        return lua_trigger(c, "lua_trigger", false);
    }
    if c.word("drop") {
        if c.word("procedure") {
            let if_exists = c.words(&["if", "exists"]);
            let name = c.ident()?;
            let named = c.word("version");
            let version = if named || !c.at_end() { Some(version(c)?) } else { None };
            return Ok(Statement::DropProcedure { name, version, if_exists, dialect: NAME });
        }
        c.expect(&["lua"])?;
        let tag = match c.one_of(&["trigger", "consumer", "scalar", "aggregate"]) {
            Some("trigger") => "DROP LUA TRIGGER",
            Some("consumer") => "DROP LUA CONSUMER",
            Some(kind) => {
                c.expect(&["function"])?;
                let if_exists = c.words(&["if", "exists"]);
                return Ok(Statement::DropLuaFunction { name: c.ident()?, aggregate: kind == "aggregate", if_exists });
            }
            None => return Err(c.error()),
        };
        let if_exists = c.words(&["if", "exists"]);
        return Ok(Statement::DropTrigger {
            names: vec![c.ident()?],
            on: None,
            if_exists,
            cascade: false,
            dialect: NAME,
            tag,
        });
    }
    if c.word("put") {
        c.expect(&["default", "procedure"])?;
        let name = c.ident()?;
        c.word("version");
        return Ok(Statement::PutDefaultProcedure { name, version: version(c)? });
    }
    if c.words(&["set", "spversion"]) {
        let name = c.ident()?;
        return Ok(Statement::SetProcedureVersion { name, version: version(c)? });
    }
    if c.words(&["set", "sptrace"]) {
        let value = match c.one_of(&["on", "off"]) {
            Some(word) => word,
            None if c.integer()? == 0 => "off",
            None => "on",
        };
        let change = SettingChange { name: "sptrace".to_owned(), value: Some(value.to_owned()) };
        return Ok(Statement::Set { scope: SettingScope::Session, change });
    }
    if c.word("exec") || c.word("execute") {
        c.expect(&["procedure"])?;
        return exec(c);
    }
    Err(c.error())
}

fn exec(c: &mut Cursor) -> Result<Statement> {
    let name = c.ident()?;
    c.expect_token(&Token::LParen)?;
    let mut args = Vec::new();
    if *c.peek() != Token::RParen {
        args = c.list(argument)?;
    }
    c.expect_token(&Token::RParen)?;
    let mut columns = Vec::new();
    if c.word("as") {
        columns = c.parens(|c| Ok((c.ident()?, c.data_type()?)))?;
    }
    Ok(Statement::ExecProcedure { name, args, dialect: NAME, columns })
}

/// An argument; double quotes hold a string here (CDB-202).
fn argument(c: &mut Cursor) -> Result<ast::Expr> {
    if let Token::Word(word) = c.peek()
        && word.quote_style.is_some()
    {
        let value = ast::Value::SingleQuotedString(word.value.clone());
        let span = c.parser.peek_token_ref().span;
        c.parser.advance_token();
        return Ok(ast::Expr::Value(ast::ValueWithSpan { value, span }));
    }
    let signed = matches!(c.peek(), Token::Minus | Token::Plus);
    let literal = match c.peek() {
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::HexStringLiteral(_) => true,
        _ => c.is_word(0, "null") || c.is_word(0, "true") || c.is_word(0, "false"),
    };
    if !literal && !signed || signed && !matches!(c.parser.peek_nth_token_ref(1).token, Token::Number(..)) {
        return Err(c.error());
    }
    c.expr()
}

/// `FUNCTION name [DETERMINISTIC] [RETURNS type]`, the first for scalar ones only.
fn lua_function(c: &mut Cursor, aggregate: bool) -> Result<Statement> {
    c.expect(&["function"])?;
    let name = c.ident()?;
    let deterministic = !aggregate && c.word("deterministic");
    let returns = if c.word("returns") { Some(c.data_type()?) } else { None };
    Ok(Statement::CreateLuaFunction { name, aggregate, deterministic, returns })
}

/// `name [seq] targets` of a trigger or consumer.
fn lua_trigger(c: &mut Cursor, kind: &str, default: bool) -> Result<Statement> {
    let name = c.ident()?;
    let mut options = Vec::new();
    if c.words(&["with", "sequence"]) {
        options.push(("sequence".to_owned(), "true".to_owned()));
    } else {
        c.words(&["without", "sequence"]);
    }
    if default {
        options.push(("default".to_owned(), "true".to_owned()));
    }
    let new_form = if c.word("on") {
        false
    } else if c.word("for") {
        true
    } else {
        return Err(c.error());
    };
    let mut tables: Vec<ObjectName> = Vec::new();
    let mut events = Vec::new();
    loop {
        c.expect_token(&Token::LParen)?;
        c.expect(&["table"])?;
        let table = c.name()?;
        if tables.iter().any(|old| old.parts == table.parts) {
            let name = table.parts.last().map_or("", String::as_str);
            return Err(SqlError::syntax(format!("trigger already specified table:{name}")));
        }
        events.push(table_events(c, new_form)?);
        tables.push(table);
        c.expect_token(&Token::RParen)?;
        if !c.token(&Token::Comma) {
            break;
        }
    }
    Ok(Statement::CreateTrigger(Box::new(TriggerSpec {
        body: name.clone(),
        name,
        if_not_exists: false,
        dialect: NAME,
        kind: kind.to_owned(),
        tables,
        events,
        timing: Timing::Committed,
        level: Level::Row,
        when: None,
        priority: 0,
        options,
        tag: if kind == "lua_consumer" { "CREATE LUA CONSUMER" } else { "CREATE LUA TRIGGER" },
    })))
}

/// `FOR ev {AND ev}` with `OF` lists, or `ON ev {ON ev}` with `INCLUDE` lists.
fn table_events(c: &mut Cursor, new_form: bool) -> Result<EventSpec> {
    let (first, next, columns) = if new_form { ("on", "on", "include") } else { ("for", "and", "of") };
    let mut spec = EventSpec::default();
    c.expect(&[first])?;
    loop {
        let Some(event) = c.one_of(&["insert", "update", "delete"]) else { return Err(c.error()) };
        let list = if c.word(columns) { c.idents()? } else { Vec::new() };
        let slot = match event {
            "insert" => &mut spec.insert,
            "update" => &mut spec.update,
            _ => &mut spec.delete,
        };
        if slot.replace(list).is_some() {
            return Err(SqlError::syntax(format!("{event} condition repeated")));
        }
        if !c.word(next) {
            return Ok(spec);
        }
    }
}
