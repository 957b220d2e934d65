//! Standard PostgreSQL: leading words decide between our own grammar and the library's.
//!
//! A statement goes through `lex::tokenize` (errors of quoting), `lex::shape` (bounds), `rewrite` (clauses the library
//! lacks) and then one of the files here: `session` (transactions, cursors, settings, prepared statements), `admin`
//! (roles, databases, sequences, comments, maintenance), `copy`, `table` (ALTER forms the library lacks); everything else
//! is the library's `parse_statement`, sorted into `Statement`'s variants in this file.

mod admin;
mod clauses;
mod copy;
mod cursor;
mod grammar;
mod rewrite;
mod roles;
mod search;
mod session;

pub(crate) use search::PART as SEARCH_PART;

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Result, Span, SqlError, SqlState};
use crate::parse::lex;
use crate::parse::names::object_name;
use crate::parse::{Parsed, Statement};

pub use clauses::{LikeTable, exclude_mark, is_defaults_mark, is_rows_from_mark, is_variadic_mark, like_mark};
pub(crate) use cursor::{Cursor, END_OF_INPUT, at_end_of_input, near};
pub use rewrite::{delete_columns, element_mark, insert_statement, is_not_null_mark, is_star_mark, lock_clause};

/// Name of this dialect in `Parsed`.
pub(crate) const NAME: &str = "postgres";

/// Stack of the thread that parses what nests deeply. Reserved, not committed.
const DEEP_STACK: usize = 256 << 20;

/// Runs `f` over the tokens of a text, on a thread with a large stack when they nest deeply.
fn with_cursor<T: Send>(text: &str, f: impl FnOnce(&mut Cursor) -> Result<T> + Send) -> Result<(T, usize)> {
    let lexed = lex::tokenize(text)?;
    let params = lexed.params;
    let shape = lex::shape(&lexed.tokens);
    if shape.depth > cursor::MAX_DEPTH || shape.chain > cursor::MAX_CHAIN {
        return Err(cursor::too_deep());
    }
    let tokens = rewrite::rewrite(text, lexed.tokens)?;
    let run = move |tokens: Vec<TokenWithSpan>| f(&mut Cursor::new(text, tokens));
    if shape.depth <= cursor::INLINE_DEPTH && shape.chain <= 4 * cursor::INLINE_DEPTH {
        return Ok((run(tokens)?, params));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("parse".to_owned())
            .stack_size(DEEP_STACK)
            .spawn_scoped(scope, move || run(tokens))
            .map_err(|_| cursor::too_deep())?;
        match thread.join() {
            Ok(result) => Ok((result?, params)),
            Err(_) => Err(SqlError::internal("the parser stopped")),
        }
    })
}

/// Parses one statement's text: no semicolon, blanks and comments allowed around it.
///
/// # Errors
/// 42601 and the lexer's codes, with positions in `text`; 54001 for nesting beyond the bounds; 0A000.
pub(crate) fn statement(text: &str) -> Result<(Statement, usize)> {
    with_cursor(text, |c| {
        let read = dispatch(c).and_then(|statement| c.end().map(|()| statement));
        read.map_err(|error| {
            if error.state() != SqlState::SYNTAX_ERROR {
                return error;
            }
            let tokens: Vec<TokenWithSpan> =
                (0..).map(|at| c.parser.token_at(at)).take_while(|t| t.token != Token::EOF).cloned().collect();
            match rewrite::unread_form(&tokens) {
                Some(form) => SqlError::unsupported(form),
                None => error,
            }
        })
    })
}

/// Parses the rest of a cursor's statement as a statement of its own.
pub(crate) fn rest(c: &mut Cursor) -> Result<Parsed> {
    let offset = c.offset();
    let text = c.text.get(offset..).unwrap_or_default();
    if c.at_end() {
        return Err(c.error());
    }
    let (statement, dialect, param_count) = inner(text).map_err(|error| shift(error, offset))?;
    while !c.at_end() {
        c.parser.advance_token();
    }
    Ok(parsed(statement, text, offset, dialect, param_count))
}

/// A statement inside another one, by the dialect that claims it.
fn inner(text: &str) -> Result<(Statement, &'static str, usize)> {
    if let Some(dialect) = crate::parse::dialect::claim(text, 0) {
        let (statement, param_count) = dialect.parse(text)?;
        return Ok((statement, dialect.name(), param_count));
    }
    let (statement, param_count) = statement(text)?;
    Ok((statement, NAME, param_count))
}

/// A part of a text, from the next token up to `end`, as a statement.
pub(crate) fn part(c: &Cursor, start: usize, end: usize) -> Result<Parsed> {
    let text = c.text.get(start..end).unwrap_or_default();
    let (statement, dialect, param_count) = inner(text).map_err(|error| shift(error, start))?;
    Ok(parsed(statement, text, start, dialect, param_count))
}

pub(crate) fn parsed(
    statement: Statement,
    text: &str,
    offset: usize,
    dialect: &'static str,
    param_count: usize,
) -> Parsed {
    Parsed {
        statement: Arc::new(statement),
        text: Arc::from(text),
        offset: u32::try_from(offset).unwrap_or(0),
        dialect,
        param_count,
    }
}

/// Moves an error's position by the offset of the text in a larger one.
pub(crate) fn shift(mut error: SqlError, by: usize) -> SqlError {
    if let Some(Span(at)) = error.fields().position {
        error.fields_mut().position = Some(Span(at.saturating_add(u32::try_from(by).unwrap_or(0))));
    }
    error
}

/// One expression, whole text.
pub(crate) fn expr_text(text: &str) -> Result<ast::Expr> {
    let (expr, _) = with_cursor(text, |c| {
        let expr = c.expr()?;
        c.end()?;
        Ok(expr)
    })?;
    Ok(expr)
}

/// One index element: an expression with collation and operator class left out of the result.
pub(crate) fn index_expr_text(text: &str) -> Result<ast::Expr> {
    let (column, _) = with_cursor(text, |c| {
        let column = c.run(|p| p.parse_create_index_expr())?;
        c.end()?;
        Ok(column)
    })?;
    Ok(column.column.expr)
}

/// Where the string literals with this value stand in a text: first byte, and the byte after.
#[must_use]
pub fn string_literals(text: &str, value: &str) -> Vec<(usize, usize)> {
    let Ok(lexed) = lex::tokenize(text) else { return Vec::new() };
    let is_it = |token: &&TokenWithSpan| matches!(&token.token, Token::SingleQuotedString(own) if own == value);
    lexed.tokens.iter().filter(is_it).map(|token| (lex::offset_of(token), lex::end_of(token))).collect()
}

/// Where the item of a SELECT list ends that has something at this byte: behind its last token.
#[must_use]
pub fn item_end(text: &str, at: usize) -> Option<usize> {
    const ENDS: &[&str] = &[
        "from",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "fetch",
        "for",
        "window",
        "union",
        "except",
        "intersect",
    ];
    let lexed = lex::tokenize(text).ok()?;
    let tokens = &lexed.tokens;
    let own = tokens.iter().position(|token| lex::offset_of(token) == at)?;
    // The parentheses that are open at each token; the innermost that holds a query is the list's.
    let mut open: Vec<usize> = Vec::new();
    for (n, token) in tokens.iter().enumerate().take(own) {
        match token.token {
            Token::LParen => open.push(n),
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
    }
    let queries = |n: &usize| ["select", "with"].iter().any(|word| rewrite::words(tokens, n + 1, &[word]));
    let mut inside = open.iter().rev().take_while(|n| !queries(n)).count();
    for (n, token) in tokens.iter().enumerate().skip(own) {
        let ends = match token.token {
            Token::LParen | Token::LBracket => {
                inside += 1;
                false
            }
            Token::RParen | Token::RBracket if inside > 0 => {
                inside -= 1;
                false
            }
            Token::RParen | Token::EOF | Token::SemiColon => true,
            Token::Comma => inside == 0,
            _ => inside == 0 && ENDS.iter().any(|word| rewrite::word(token, word)),
        };
        if ends {
            return n.checked_sub(1).map(|before| lex::end_of(&tokens[before]));
        }
    }
    tokens.last().map(lex::end_of)
}

/// The string literals of a text that name a relation: arguments of the sequence functions, and casts to regclass. First
/// byte, the byte after, the value.
#[must_use]
pub fn relation_literals(text: &str) -> Vec<(usize, usize, String)> {
    let Ok(lexed) = lex::tokenize(text) else { return Vec::new() };
    let tokens = &lexed.tokens;
    let called = |at: Option<usize>, names: &[&str]| {
        at.and_then(|at| tokens.get(at)).is_some_and(|token| names.iter().any(|name| rewrite::word(token, name)))
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::SingleQuotedString(value) = &token.token else { continue };
        let opens = at > 0 && tokens[at - 1].token == Token::LParen;
        let argument = opens && called(at.checked_sub(2), &["nextval", "currval", "setval"]);
        let cast = tokens.get(at + 1).is_some_and(|next| next.token == Token::DoubleColon)
            && called(Some(at + 2), &["regclass"]);
        let written = opens
            && called(at.checked_sub(2), &["cast"])
            && called(Some(at + 1), &["as"])
            && called(Some(at + 2), &["regclass"]);
        if argument || cast || written || called(at.checked_sub(1), &["regclass"]) {
            found.push((lex::offset_of(token), lex::end_of(token), value.clone()));
        }
    }
    found
}

/// One object's name, whole text.
pub(crate) fn name_text(text: &str) -> Result<ast::ObjectName> {
    let (name, _) = with_cursor(text, |c| {
        let name = c.run(|p| p.parse_object_name(false))?;
        c.end()?;
        Ok(name)
    })?;
    Ok(name)
}

/// One type name, whole text.
pub(crate) fn type_text(text: &str) -> Result<ast::DataType> {
    let (data_type, _) = with_cursor(text, |c| {
        let data_type = c.data_type()?;
        c.end()?;
        Ok(data_type)
    })?;
    Ok(data_type)
}

fn dispatch(c: &mut Cursor) -> Result<Statement> {
    let first = match c.peek() {
        Token::EOF => return Ok(Statement::Empty),
        Token::LParen => String::new(),
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => return Err(c.error()),
    };
    match first.as_str() {
        "SELECT" if c.parser.peek_nth_token_ref(1).token == Token::EOF => bare_select(c),
        "" | "SELECT" | "WITH" | "VALUES" => Ok(query_statement(c.query()?)),
        "TABLE" => table_query(c),
        "INSERT" => {
            if c.is_word(1, "into") {
                library(c)
            } else {
                Err(after(c, 1))
            }
        }
        "DELETE" if !c.is_word(1, "from") => Err(after(c, 1)),
        "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "CALL" => library(c),
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "SET" | "RESET"
        | "SHOW" | "DISCARD" | "PREPARE" | "EXECUTE" | "DEALLOCATE" | "DECLARE" | "FETCH" | "MOVE" | "CLOSE"
        | "LISTEN" | "UNLISTEN" | "NOTIFY" | "LOCK" | "EXPLAIN" => session::statement(c, &first),
        "COPY" => copy::statement(c),
        "VACUUM" | "ANALYZE" | "ANALYSE" | "REINDEX" | "CLUSTER" | "CHECKPOINT" | "COMMENT" | "GRANT" | "REVOKE"
        | "DO" | "REFRESH" | "REASSIGN" | "SECURITY" | "IMPORT" | "LOAD" => admin::statement(c, &first),
        "CREATE" | "ALTER" | "DROP" => match admin::definition(c, &first)? {
            Some(statement) => Ok(statement),
            None => library(c),
        },
        _ => Err(c.error()),
    }
}

/// Error at the `n`th token.
fn after(c: &mut Cursor, n: usize) -> SqlError {
    for _ in 0..n {
        c.parser.advance_token();
    }
    c.error()
}

/// `SELECT` alone: one row without columns. The library wants a FROM after an empty list.
fn bare_select(c: &mut Cursor) -> Result<Statement> {
    c.parser.advance_token();
    let lexed = lex::tokenize("SELECT FROM x")?;
    let mut query = Cursor::new("SELECT FROM x", lexed.tokens).query()?;
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.from.clear();
    }
    Ok(Statement::Query(query))
}

/// A query; with INTO in its first SELECT it makes a table, as CREATE TABLE AS does.
fn query_statement(mut query: Box<ast::Query>) -> Statement {
    let mut body = query.body.as_mut();
    let into = loop {
        match body {
            ast::SetExpr::Select(select) => break select.into.take(),
            ast::SetExpr::SetOperation { left, .. } => body = left,
            _ => break None,
        }
    };
    let name = into.as_ref().and_then(|into| match into.targets.as_slice() {
        [ast::Expr::Identifier(ident)] => Some(ast::ObjectName::from(vec![ident.clone()])),
        [ast::Expr::CompoundIdentifier(parts)] => Some(ast::ObjectName::from(parts.clone())),
        _ => None,
    });
    let (Some(into), Some(name)) = (into, name) else { return Statement::Query(query) };
    let create = ast::helpers::stmt_create_table::CreateTableBuilder::new(name)
        .temporary(into.temporary)
        .unlogged(into.unlogged)
        .query(Some(query))
        .build();
    Statement::CreateTableAs { create: Box::new(ast::Statement::CreateTable(create)), with_data: true }
}

/// `TABLE name …` is `SELECT * FROM name …`.
fn table_query(c: &mut Cursor) -> Result<Statement> {
    let start = c.offset();
    let text = format!("SELECT * FROM {}", c.text.get(start + 5..).unwrap_or_default());
    let (statement, _) = statement(&text).map_err(|mut error| {
        // The replaced head is 9 bytes longer than the word.
        if let Some(Span(at)) = error.fields().position {
            error.fields_mut().position =
                Some(Span((at.saturating_sub(9)).saturating_add(u32::try_from(start).unwrap_or(0))));
        }
        error
    })?;
    while !c.at_end() {
        c.parser.advance_token();
    }
    Ok(statement)
}

/// The library's grammar for a whole statement, sorted into our variants.
fn library(c: &mut Cursor) -> Result<Statement> {
    let mut tree = c.run(|p| p.parse_statement())?;
    if let ast::Statement::CreateView(create) = &mut tree
        && !create.materialized
        && c.word("with")
    {
        // It is kept as PostgreSQL keeps it: as an option of the view.
        let word = c.one_of(&["local", "cascaded"]).unwrap_or("cascaded");
        c.expect(&["check", "option"])?;
        let value = ast::Expr::Value(ast::Value::SingleQuotedString(word.to_owned()).with_empty_span());
        let option = ast::SqlOption::KeyValue { key: ast::Ident::new("check_option"), value };
        match &mut create.options {
            ast::CreateTableOptions::With(options) => options.push(option),
            other => *other = ast::CreateTableOptions::With(vec![option]),
        }
    }
    if !c.at_end() {
        return Err(c.error());
    }
    if let ast::Statement::CreateTable(create) = &tree {
        create.columns.iter().try_for_each(|column| column_name(c.text, &column.name))?;
    }
    classify(tree)
}

/// Words that name a column only in quotes (PG-66), which the library takes without them.
#[rustfmt::skip]
const NO_COLUMN: &[&str] = &["all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both", "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps", "placing", "primary", "references", "returning", "right", "select", "session_user", "similar", "some", "symmetric", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where", "window", "with"];

fn column_name(text: &str, name: &ast::Ident) -> Result<()> {
    if name.quote_style.is_none() && NO_COLUMN.binary_search(&name.value.to_ascii_lowercase().as_str()).is_ok() {
        let token = TokenWithSpan { token: Token::EOF, span: name.span };
        return Err(near(text, lex::offset_of(&token), lex::end_of(&token)));
    }
    Ok(())
}

fn classify(tree: ast::Statement) -> Result<Statement> {
    use ast::Statement as S;
    Ok(match tree {
        S::Query(query) => Statement::Query(query),
        S::Insert(insert) => Statement::Insert(Box::new(insert_statement(insert)?)),
        S::Update(_) => Statement::Update(Box::new(tree)),
        S::Delete(_) => Statement::Delete(Box::new(tree)),
        S::Merge(_) => Statement::Merge(Box::new(tree)),
        S::Truncate(truncate) => Statement::Truncate {
            tables: truncate.table_names.iter().map(|t| object_name(&t.name)).collect(),
            restart_identity: matches!(truncate.identity, Some(ast::TruncateIdentityOption::Restart)),
            cascade: matches!(truncate.cascade, Some(ast::CascadeOption::Cascade)),
        },
        S::Call(function) => {
            let mut args = Vec::new();
            if let ast::FunctionArguments::List(list) = function.args {
                for arg in list.args {
                    match arg {
                        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => args.push(expr),
                        _ => return Err(SqlError::unsupported("a named argument of CALL")),
                    }
                }
            }
            Statement::Call { name: object_name(&function.name), args }
        }
        S::CreateTable(ref create) if create.query.is_some() => {
            let with_data = create.with_data.as_ref().is_none_or(|with| with.data);
            Statement::CreateTableAs { create: Box::new(tree), with_data }
        }
        S::CreateFunction(_) => Statement::CreateFunction(Box::new(tree)),
        S::CreateTable(_)
        | S::CreateView(_)
        | S::CreateIndex(_)
        | S::CreateSchema { .. }
        | S::CreateType { .. }
        | S::CreateDomain(_)
        | S::AlterTable(_)
        | S::AlterType(_)
        | S::AlterView { .. }
        | S::AlterIndex { .. }
        | S::AlterSchema(_)
        | S::CreateTrigger(_)
        | S::DropTrigger(_)
        | S::DropFunction(_)
        | S::DropProcedure { .. }
        | S::DropDomain(_)
        | S::Drop { .. } => Statement::Ddl(Box::new(tree)),
        other => Statement::Unsupported(form_name(&other)),
    })
}

/// The query of a CREATE VIEW, CREATE MATERIALIZED VIEW or CREATE TABLE AS, as it is written; none if the text is none.
#[must_use]
pub fn defining_query(text: &str) -> Option<&str> {
    let tokens = lex::tokenize(text).ok()?.tokens;
    let is = |at: usize, name: &str| tokens.get(at).is_some_and(|token| rewrite::word(token, name));
    let kind = tokens.iter().position(|token| rewrite::word(token, "view") || rewrite::word(token, "table"))?;
    let only_words = tokens[..kind].iter().all(|token| matches!(token.token, Token::Word(_)));
    if !is(0, "create") || is(1, "schema") || is(1, "recursive") || !only_words {
        return None;
    }
    let mut depth = 0usize;
    let first = 1
        + (kind..tokens.len()).find(|at| {
            match tokens[*at].token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && is(*at, "as")
        })?;
    let endings: [&[&str]; 5] = [
        &["with", "data"],
        &["with", "no", "data"],
        &["with", "check", "option"],
        &["with", "local", "check", "option"],
        &["with", "cascaded", "check", "option"],
    ];
    let mut end = tokens.len();
    while end > first && matches!(tokens[end - 1].token, Token::EOF | Token::SemiColon) {
        end -= 1;
    }
    let ending = endings
        .iter()
        .find(|words| end >= first + words.len() && rewrite::words(&tokens[..end], end - words.len(), words));
    end -= ending.map_or(0, |words| words.len());
    text.get(lex::offset_of(tokens.get(first)?)..lex::end_of(tokens.get(end.checked_sub(1)?)?))
}

/// The first words of a statement that we do not carry out.
fn form_name(tree: &ast::Statement) -> String {
    let text = tree.to_string();
    let words: Vec<&str> =
        text.split_whitespace().take_while(|w| w.bytes().all(|b| b.is_ascii_uppercase())).take(3).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}
