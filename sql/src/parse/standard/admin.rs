//! Statements about roles, rights, databases, sequences, extensions, comments and upkeep, and the ALTER and DROP forms
//! that the library lacks.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Cursor;
use super::grammar::mark;
use super::roles::{alter_role, create_role, grant};
use super::session::{setting, setting_name};
use crate::error::{Result, Span, SqlError};
use crate::parse::{
    AlterDatabaseAction, AlterObjectAction, AlterSequenceAction, AttributeAction, ColumnAction, DomainAction,
    ObjectName, SequenceOption, Statement,
};
use crate::types::oid;

/// A statement that begins with `first`.
pub(super) fn statement(c: &mut Cursor, first: &str) -> Result<Statement> {
    c.parser.advance_token();
    match first {
        "VACUUM" => {
            options(c, &["full", "freeze", "verbose", "analyze", "analyse"])?;
            Ok(Statement::Maintenance { tag: "VACUUM", tables: tables(c)?, in_block: false })
        }
        "ANALYZE" | "ANALYSE" => {
            options(c, &["verbose"])?;
            Ok(Statement::Maintenance { tag: "ANALYZE", tables: tables(c)?, in_block: true })
        }
        "REINDEX" => {
            options(c, &[])?;
            let kind = c.one_of(&["table", "index", "schema", "database", "system"]);
            let Some(kind) = kind else { return Err(c.error()) };
            c.word("concurrently");
            let name = c.name()?;
            let tables = if kind == "table" || kind == "index" { vec![name] } else { Vec::new() };
            Ok(Statement::Maintenance { tag: "REINDEX", tables, in_block: matches!(kind, "table" | "index") })
        }
        "CLUSTER" => {
            options(c, &["verbose"])?;
            let mut tables = Vec::new();
            if !c.at_end() {
                tables.push(c.name()?);
                if c.word("using") {
                    c.ident()?;
                }
            }
            let in_block = !tables.is_empty();
            Ok(Statement::Maintenance { tag: "CLUSTER", tables, in_block })
        }
        "REASSIGN" => {
            c.expect(&["owned", "by"])?;
            let roles = c.list(role)?;
            c.expect(&["to"])?;
            Ok(Statement::Owned { roles, to: Some(role(c)?), cascade: false })
        }
        "CHECKPOINT" => Ok(Statement::Maintenance { tag: "CHECKPOINT", tables: Vec::new(), in_block: true }),
        "REFRESH" => {
            c.expect(&["materialized", "view"])?;
            let concurrently = c.word("concurrently");
            let name = c.name()?;
            let with_data = with_data(c)?;
            Ok(Statement::RefreshView { name, concurrently, with_data })
        }
        "DO" => {
            let mut language = None;
            let mut body = None;
            while !c.at_end() {
                if c.word("language") {
                    language = Some(match c.maybe_string() {
                        Some(text) => text,
                        None => c.ident()?,
                    });
                } else if body.is_none() {
                    body = Some(c.string()?);
                } else {
                    return Err(c.error());
                }
            }
            match body {
                Some(body) => Ok(Statement::Do { language: language.unwrap_or_else(|| "plpgsql".to_owned()), body }),
                None => Err(SqlError::syntax("no inline code specified")),
            }
        }
        "COMMENT" => comment(c),
        "GRANT" => grant(c, false),
        "REVOKE" => grant(c, true),
        other => Ok(unsupported(c, other, "")),
    }
}

/// Takes all that is left and names the form.
pub(super) fn unsupported(c: &mut Cursor, first: &str, second: &str) -> Statement {
    while !c.at_end() {
        c.parser.advance_token();
    }
    Statement::Unsupported(if second.is_empty() { first.to_owned() } else { format!("{first} {second}") })
}

/// `(option [value], …)` or the plain words.
fn options(c: &mut Cursor, words: &[&'static str]) -> Result<()> {
    if *c.peek() == Token::LParen {
        c.parens(|c| {
            c.ident()?;
            if !matches!(c.peek(), Token::Comma | Token::RParen) {
                c.parser.advance_token();
            }
            Ok(())
        })?;
        return Ok(());
    }
    while c.one_of(words).is_some() {}
    Ok(())
}

/// Tables, each with an optional column list.
fn tables(c: &mut Cursor) -> Result<Vec<ObjectName>> {
    if c.at_end() {
        return Ok(Vec::new());
    }
    c.list(|c| {
        let name = c.name()?;
        if *c.peek() == Token::LParen {
            c.parens(Cursor::ident)?;
        }
        Ok(name)
    })
}

/// `WITH [NO] DATA`; true when not said.
fn with_data(c: &mut Cursor) -> Result<bool> {
    if !c.word("with") {
        return Ok(true);
    }
    let no = c.word("no");
    c.expect(&["data"])?;
    Ok(!no)
}

/// CREATE, ALTER and DROP of what the library does not read; `None` leaves the statement to it, with nothing taken.
pub(super) fn definition(c: &mut Cursor, first: &str) -> Result<Option<Statement>> {
    let second = match &c.parser.peek_nth_token_ref(1).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => {
            c.parser.advance_token();
            return Err(c.error());
        }
    };
    let take = |c: &mut Cursor, n: usize| {
        for _ in 0..n {
            c.parser.advance_token();
        }
    };
    match (first, second.as_str()) {
        ("CREATE", "TEMP" | "TEMPORARY" | "UNLOGGED") if c.is_word(2, "sequence") => {
            take(c, 3);
            create_sequence(c, second != "UNLOGGED").map(Some)
        }
        ("CREATE", "SEQUENCE") => {
            take(c, 2);
            create_sequence(c, false).map(Some)
        }
        ("CREATE", "ROLE" | "GROUP") => {
            take(c, 2);
            create_role(c, false).map(Some)
        }
        ("CREATE", "USER") if c.is_word(2, "mapping") => Ok(Some(unsupported(c, "CREATE", "USER MAPPING"))),
        ("CREATE", "USER") => {
            take(c, 2);
            create_role(c, true).map(Some)
        }
        ("CREATE", "DATABASE") => {
            take(c, 2);
            create_database(c).map(Some)
        }
        ("CREATE", "EXTENSION") => {
            take(c, 2);
            let if_not_exists = c.words(&["if", "not", "exists"]);
            let name = c.ident()?;
            c.word("with");
            loop {
                if c.word("schema") || c.word("version") {
                    if c.maybe_string().is_none() {
                        c.ident()?;
                    }
                } else if !c.word("cascade") {
                    break;
                }
            }
            Ok(Some(Statement::CreateExtension { name, if_not_exists }))
        }
        ("CREATE", "DOMAIN") => {
            take(c, 2);
            create_domain(c).map(Some)
        }
        ("CREATE", "MATERIALIZED") => materialized(c).map(Some),
        (
            "CREATE" | "ALTER" | "DROP",
            "RULE" | "CAST" | "OPERATOR" | "AGGREGATE" | "STATISTICS" | "TABLESPACE" | "PUBLICATION" | "SUBSCRIPTION"
            | "EVENT" | "ACCESS" | "FOREIGN" | "SERVER" | "POLICY" | "COLLATION" | "CONVERSION" | "LANGUAGE"
            | "TRUSTED" | "PROCEDURAL" | "TEXT" | "TRANSFORM" | "LARGE",
        )
        | ("ALTER", "SYSTEM")
        | ("CREATE", "RECURSIVE") => Ok(Some(unsupported(c, first, &second))),
        ("CREATE", "OR") if c.is_word(3, "rule") || c.is_word(3, "aggregate") || c.is_word(3, "language") => {
            Ok(Some(unsupported(c, "CREATE", "OR REPLACE")))
        }
        ("CREATE", "CONSTRAINT") => Ok(Some(unsupported(c, "CREATE", "CONSTRAINT TRIGGER"))),
        ("DROP", "OWNED") => {
            take(c, 2);
            c.expect(&["by"])?;
            let roles = c.list(role)?;
            let cascade = c.word("cascade");
            if !cascade {
                c.word("restrict");
            }
            Ok(Some(Statement::Owned { roles, to: None, cascade }))
        }
        ("ALTER", "DEFAULT") => {
            c.parser.advance_token();
            c.parser.advance_token();
            super::roles::default_privileges(c).map(Some)
        }
        ("ALTER", "SEQUENCE") => {
            take(c, 2);
            alter_sequence(c).map(Some)
        }
        ("ALTER", "DATABASE") => {
            take(c, 2);
            alter_database(c).map(Some)
        }
        ("ALTER", "USER") if c.is_word(2, "mapping") => Ok(Some(unsupported(c, "ALTER", "USER MAPPING"))),
        ("ALTER", "ROLE" | "USER" | "GROUP") => {
            take(c, 2);
            alter_role(c).map(Some)
        }
        (
            "ALTER",
            "TABLE" | "VIEW" | "TYPE" | "SCHEMA" | "INDEX" | "FUNCTION" | "PROCEDURE" | "ROUTINE" | "DOMAIN"
            | "EXTENSION" | "TRIGGER" | "MATERIALIZED",
        ) => alter_object(c, &second),
        ("DROP", "DATABASE") => {
            take(c, 2);
            let if_exists = c.words(&["if", "exists"]);
            let name = c.ident()?;
            let with = c.word("with");
            let mut force = false;
            if *c.peek() == Token::LParen {
                c.parens(|c| c.expect(&["force"]))?;
                force = true;
            } else if with {
                return Err(c.error());
            }
            Ok(Some(Statement::DropDatabase { name, if_exists, force }))
        }
        ("DROP", "USER") if c.is_word(2, "mapping") => Ok(Some(unsupported(c, "DROP", "USER MAPPING"))),
        ("DROP", "ROLE" | "USER" | "GROUP") => {
            take(c, 2);
            let if_exists = c.words(&["if", "exists"]);
            Ok(Some(Statement::DropRole { names: c.idents()?, if_exists }))
        }
        ("DROP", "EXTENSION") => {
            take(c, 2);
            let if_exists = c.words(&["if", "exists"]);
            let names = c.idents()?;
            let _ = c.word("cascade") || c.word("restrict");
            Ok(Some(Statement::DropExtension { names, if_exists }))
        }
        ("DROP", "TRIGGER") => {
            take(c, 2);
            let if_exists = c.words(&["if", "exists"]);
            let name = c.ident()?;
            c.expect(&["on"])?;
            let on = Some(c.name()?);
            let cascade = c.word("cascade");
            c.word("restrict");
            Ok(Some(Statement::DropTrigger {
                names: vec![name],
                on,
                if_exists,
                cascade,
                dialect: super::NAME,
                tag: "DROP TRIGGER",
            }))
        }
        ("DROP", "INDEX") if c.is_word(2, "concurrently") => {
            remove(c, c.parser.index() + 2, 1);
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Removes tokens and starts over at the same place.
fn remove(c: &mut Cursor, at: usize, count: usize) {
    let text = c.text;
    let mut tokens = Vec::new();
    let mut index = 0;
    loop {
        let token = c.parser.token_at(index);
        if token.token == Token::EOF {
            break;
        }
        if index < at || index >= at + count {
            tokens.push(token.clone());
        }
        index += 1;
    }
    *c = Cursor::new(text, tokens);
}

fn materialized(c: &mut Cursor) -> Result<Statement> {
    let mut count = 0;
    while c.parser.token_at(count).token != Token::EOF {
        count += 1;
    }
    let word = |c: &Cursor, at: usize, text: &str| matches!(&c.parser.token_at(at).token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text));
    let mut with_data = true;
    if count > 3 && word(c, count - 1, "data") {
        if word(c, count - 2, "no") && word(c, count - 3, "with") {
            with_data = false;
            remove(c, count - 3, 3);
        } else if word(c, count - 2, "with") {
            remove(c, count - 2, 2);
        }
    }
    let tree = c.run(|p| p.parse_statement())?;
    Ok(if with_data {
        Statement::Ddl(Box::new(tree))
    } else {
        Statement::CreateTableAs { create: Box::new(tree), with_data }
    })
}

/// CREATE DOMAIN with its clauses in any order. NOT NULL becomes a check that `is_not_null_mark` knows.
fn create_domain(c: &mut Cursor) -> Result<Statement> {
    let name = c.run(|p| p.parse_object_name(false))?;
    c.word("as");
    let data_type = c.data_type()?;
    let mut collation = None;
    let mut default = None;
    let mut constraints = Vec::new();
    while !c.at_end() {
        if c.word("collate") {
            let name = c.name()?;
            collation = name.parts.last().map(|part| ast::Ident::with_quote('"', part.clone()));
            continue;
        }
        if c.word("default") {
            // Binds tighter than IS, so that a following NOT NULL is not taken for an operator.
            default = Some(c.run(|p| p.parse_subexpr(40))?);
            continue;
        }
        let named = if c.word("constraint") { Some(ast::Ident::with_quote('"', c.ident()?)) } else { None };
        let (name, expr) = if c.words(&["not", "null"]) {
            let value = ast::Expr::Identifier(ast::Ident::new("value"));
            (Some(mark("not null")), ast::Expr::IsNotNull(Box::new(value)))
        } else if c.word("null") {
            continue;
        } else if c.word("check") {
            c.expect_token(&Token::LParen)?;
            let expr = c.expr()?;
            c.expect_token(&Token::RParen)?;
            (named, expr)
        } else {
            return Err(c.error());
        };
        constraints.push(ast::TableConstraint::Check(ast::CheckConstraint {
            name,
            expr: Box::new(expr),
            no_inherit: false,
            enforced: None,
        }));
    }
    let domain = ast::CreateDomain { name, data_type, collation, default, constraints };
    Ok(Statement::Ddl(Box::new(ast::Statement::CreateDomain(domain))))
}

fn sequence_options(c: &mut Cursor) -> Result<Vec<SequenceOption>> {
    let mut options: Vec<SequenceOption> = Vec::new();
    let redundant = |options: &[SequenceOption], new: &SequenceOption, at: u32| {
        let kind = std::mem::discriminant(new);
        if options.iter().any(|old| std::mem::discriminant(old) == kind) {
            return Err(SqlError::syntax("conflicting or redundant options").at(Span(at)));
        }
        Ok(())
    };
    loop {
        let at = c.offset32();
        let option = if c.word("as") {
            let data_type = c.data_type()?;
            let oid = match data_type {
                ast::DataType::SmallInt(_) | ast::DataType::Int2(_) => oid::INT2,
                ast::DataType::Int(_) | ast::DataType::Integer(_) | ast::DataType::Int4(_) => oid::INT4,
                ast::DataType::BigInt(_) | ast::DataType::Int8(_) => oid::INT8,
                _ => {
                    return Err(SqlError::new(
                        crate::error::SqlState::INVALID_PARAMETER_VALUE,
                        "sequence type must be smallint, integer, or bigint",
                    ));
                }
            };
            SequenceOption::DataType(oid)
        } else if c.word("increment") {
            c.word("by");
            SequenceOption::Increment(c.integer()?)
        } else if c.word("start") {
            c.word("with");
            SequenceOption::Start(c.integer()?)
        } else if c.word("restart") {
            c.word("with");
            let to = if matches!(c.peek(), Token::Number(..) | Token::Minus | Token::Plus) {
                Some(c.integer()?)
            } else {
                None
            };
            SequenceOption::Restart(to)
        } else if c.word("minvalue") {
            SequenceOption::Min(Some(c.integer()?))
        } else if c.words(&["no", "minvalue"]) {
            SequenceOption::Min(None)
        } else if c.word("maxvalue") {
            SequenceOption::Max(Some(c.integer()?))
        } else if c.words(&["no", "maxvalue"]) {
            SequenceOption::Max(None)
        } else if c.word("cache") {
            SequenceOption::Cache(c.integer()?)
        } else if c.words(&["no", "cycle"]) {
            SequenceOption::Cycle(false)
        } else if c.word("cycle") {
            SequenceOption::Cycle(true)
        } else if c.words(&["owned", "by"]) {
            let mut name = c.name()?;
            let none = name.parts.len() == 1 && name.parts.first().is_some_and(|p| p == "none");
            match (none, name.parts.len()) {
                (true, _) => SequenceOption::OwnedBy(None),
                (false, 0 | 1) => {
                    return Err(SqlError::syntax("invalid OWNED BY option")
                        .hint("Specify OWNED BY table.column or OWNED BY NONE."));
                }
                _ => {
                    let column = name.parts.pop().unwrap_or_default();
                    SequenceOption::OwnedBy(Some((name, column)))
                }
            }
        } else {
            return Ok(options);
        };
        redundant(&options, &option, at)?;
        options.push(option);
    }
}

fn create_sequence(c: &mut Cursor, temporary: bool) -> Result<Statement> {
    let if_not_exists = c.words(&["if", "not", "exists"]);
    let name = c.name()?;
    Ok(Statement::CreateSequence { name, if_not_exists, temporary, options: sequence_options(c)? })
}

fn alter_sequence(c: &mut Cursor) -> Result<Statement> {
    let if_exists = c.words(&["if", "exists"]);
    let name = c.name()?;
    let action = if let Some(action) = object_action(c)? {
        AlterSequenceAction::Object(action)
    } else if c.words(&["set", "logged"]) || c.words(&["set", "unlogged"]) {
        AlterSequenceAction::Options(Vec::new())
    } else {
        let options = sequence_options(c)?;
        if options.is_empty() {
            return Err(c.error());
        }
        AlterSequenceAction::Options(options)
    };
    Ok(Statement::AlterSequence { name, if_exists, action })
}

/// RENAME TO, OWNER TO, SET SCHEMA.
fn object_action(c: &mut Cursor) -> Result<Option<AlterObjectAction>> {
    Ok(Some(if c.words(&["rename", "to"]) {
        AlterObjectAction::Rename(c.ident()?)
    } else if c.words(&["owner", "to"]) {
        AlterObjectAction::Owner(role(c)?)
    } else if c.words(&["set", "schema"]) {
        AlterObjectAction::Schema(c.ident()?)
    } else {
        return Ok(None);
    }))
}

/// One ALTER TYPE … {ADD | DROP | ALTER | RENAME} ATTRIBUTE.
fn attribute_action(c: &mut Cursor) -> Result<AttributeAction> {
    let action = if c.words(&["add", "attribute"]) {
        AttributeAction::Add(c.ident()?, c.data_type()?)
    } else if c.words(&["drop", "attribute"]) {
        let if_exists = c.words(&["if", "exists"]);
        AttributeAction::Drop { name: c.ident()?, if_exists }
    } else if c.words(&["rename", "attribute"]) {
        let from = c.ident()?;
        c.expect(&["to"])?;
        AttributeAction::Rename(from, c.ident()?)
    } else {
        c.expect(&["alter", "attribute"])?;
        let name = c.ident()?;
        c.words(&["set", "data"]);
        c.expect(&["type"])?;
        AttributeAction::Type(name, c.data_type()?)
    };
    if c.word("collate") {
        c.name()?;
    }
    // Tables of such a type (OF) do not exist, so nothing cascades.
    let _ = c.word("cascade") || c.word("restrict");
    Ok(action)
}

/// A role's name; CURRENT_USER and its kin stay as these words.
pub(super) fn role(c: &mut Cursor) -> Result<String> {
    c.ident()
}

/// ALTER of a table, view, type … when it is one of the three actions on the object as a whole.
fn alter_object(c: &mut Cursor, kind: &str) -> Result<Option<Statement>> {
    let begin = c.parser.index();
    c.parser.advance_token();
    c.parser.advance_token();
    let mut kind = kind.to_owned();
    if kind == "MATERIALIZED" {
        c.expect(&["view"])?;
        kind = "MATERIALIZED VIEW".to_owned();
    }
    let back = |c: &mut Cursor| {
        while c.parser.index() > begin {
            c.parser.prev_token();
        }
    };
    if kind == "EXTENSION" {
        return Ok(Some(unsupported(c, "ALTER", "EXTENSION")));
    }
    let if_exists = c.words(&["if", "exists"]);
    if kind == "TABLE" {
        c.word("only");
    }
    if kind == "INDEX" && c.is_word(0, "all") {
        return Ok(Some(unsupported(c, "ALTER", "INDEX ALL")));
    }
    let Ok(mut name) = c.name() else {
        back(c);
        return Ok(None);
    };
    if matches!(kind.as_str(), "FUNCTION" | "PROCEDURE" | "ROUTINE") && *c.peek() == Token::LParen {
        name.parts.push(parens_text(c)?);
    }
    if kind == "TRIGGER" {
        c.expect(&["on"])?;
        let table = c.name()?;
        c.expect(&["rename", "to"])?;
        let to = c.ident()?;
        let mut parts = table.parts;
        parts.extend(name.parts);
        let name = ObjectName { parts, offset: name.offset };
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action: AlterObjectAction::Rename(to) }));
    }
    if matches!(kind.as_str(), "VIEW" | "MATERIALIZED VIEW") && c.is_word(0, "rename") && !c.is_word(1, "to") {
        c.word("rename");
        c.word("column");
        let from = c.ident()?;
        c.expect(&["to"])?;
        let action = AlterObjectAction::RenameColumn(from, c.ident()?);
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
    }
    if kind == "VIEW" && c.word("alter") {
        c.word("column");
        let column = c.ident()?;
        let default = if c.words(&["drop", "default"]) {
            None
        } else {
            c.expect(&["set", "default"])?;
            Some(Box::new(c.expr()?))
        };
        let action = AlterObjectAction::ColumnDefault(column, default);
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
    }
    if kind == "TYPE" && c.is_word(1, "attribute") {
        let action = AlterObjectAction::Attributes(c.list(attribute_action)?);
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
    }
    // The library reads a table's renaming and owner as actions among others.
    let leave = kind == "TABLE" && !(c.is_word(0, "set") && c.is_word(1, "schema"));
    if !leave && let Some(action) = object_action(c)? {
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
    }
    if matches!(kind.as_str(), "TABLE" | "INDEX" | "VIEW" | "MATERIALIZED VIEW")
        && c.is_word(0, "set")
        && matches!(c.parser.peek_nth_token_ref(1).token, Token::LParen)
    {
        c.parser.advance_token();
        let list = c.parens(|c| {
            let key = c.name()?.parts.join(".");
            let value = if c.token(&Token::Eq) {
                let start = c.offset();
                c.parser.advance_token();
                c.text.get(start..c.last_end()).unwrap_or_default().trim_matches('\'').to_owned()
            } else {
                "true".to_owned()
            };
            Ok((key, value))
        })?;
        if c.at_end() {
            return Ok(Some(Statement::AlterObject {
                kind,
                name,
                if_exists,
                action: AlterObjectAction::SetOptions(list),
            }));
        }
    }
    if matches!(kind.as_str(), "TABLE" | "INDEX" | "VIEW" | "MATERIALIZED VIEW")
        && c.is_word(0, "reset")
        && matches!(c.parser.peek_nth_token_ref(1).token, Token::LParen)
    {
        c.parser.advance_token();
        let action = AlterObjectAction::ResetOptions(c.parens(|c| Ok(c.name()?.parts.join(".")))?);
        return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
    }
    if kind == "DOMAIN" {
        return domain_action(c).map(|action| Some(Statement::AlterDomain { name, action: Box::new(action) }));
    }
    match kind.as_str() {
        "TABLE" | "TYPE" | "SCHEMA" => {
            let lacks = kind == "TABLE"
                && (c.is_word(0, "inherit")
                    || c.is_word(0, "attach")
                    || c.is_word(0, "detach")
                    || c.is_word(0, "cluster")
                    || c.is_word(0, "no") && c.is_word(1, "inherit"));
            if lacks {
                return Ok(Some(unsupported(c, "ALTER", "TABLE … INHERIT, ATTACH or CLUSTER")));
            }
            if kind == "TABLE" && c.words(&["alter", "constraint"]) {
                let constraint = c.ident()?;
                let (mut deferrable, mut deferred) = (None, None);
                while !c.at_end() {
                    if c.words(&["not", "deferrable"]) {
                        deferrable = Some(false);
                    } else if c.word("deferrable") {
                        deferrable = Some(true);
                    } else if c.words(&["initially", "deferred"]) {
                        deferred = Some(true);
                    } else if c.words(&["initially", "immediate"]) {
                        deferred = Some(false);
                    } else if *c.peek() == Token::Comma {
                        return Err(SqlError::unsupported("ALTER CONSTRAINT among other actions"));
                    } else {
                        return Err(c.error());
                    }
                }
                let deferred = deferred.unwrap_or(false);
                if deferred && deferrable == Some(false) {
                    return Err(SqlError::syntax("constraint declared INITIALLY DEFERRED must be DEFERRABLE"));
                }
                let action = AlterObjectAction::Constraint(constraint, deferrable.unwrap_or(deferred), deferred);
                return Ok(Some(Statement::AlterObject { kind, name, if_exists, action }));
            }
            if kind == "TABLE"
                && let Some((column, action)) = column_action(c)?
            {
                return Ok(Some(Statement::AlterColumn { table: name, if_exists, column, action }));
            }
            back(c);
            Ok(None)
        }
        other => {
            let other = other.to_owned();
            Ok(Some(unsupported(c, "ALTER", &other)))
        }
    }
}

/// What ALTER DOMAIN does, besides what all objects can.
fn domain_action(c: &mut Cursor) -> Result<DomainAction> {
    Ok(if c.words(&["set", "default"]) {
        DomainAction::SetDefault(c.expr()?)
    } else if c.words(&["drop", "default"]) {
        DomainAction::DropDefault
    } else if c.words(&["set", "not", "null"]) {
        DomainAction::SetNotNull
    } else if c.words(&["drop", "not", "null"]) {
        DomainAction::DropNotNull
    } else if c.words(&["drop", "constraint"]) {
        let if_exists = c.words(&["if", "exists"]);
        let name = c.ident()?;
        let _ = c.word("cascade") || c.word("restrict");
        DomainAction::Drop { name, if_exists }
    } else if c.words(&["rename", "constraint"]) {
        let from = c.ident()?;
        c.expect(&["to"])?;
        DomainAction::RenameConstraint { from, to: c.ident()? }
    } else if c.words(&["validate", "constraint"]) {
        DomainAction::Validate(c.ident()?)
    } else {
        c.expect(&["add"])?;
        let name = if c.word("constraint") { Some(c.ident()?) } else { None };
        c.expect(&["check"])?;
        c.expect_token(&Token::LParen)?;
        let check = c.expr()?;
        c.expect_token(&Token::RParen)?;
        let not_valid = c.words(&["not", "valid"]);
        DomainAction::Add { name, check, not_valid }
    })
}

/// `ALTER [COLUMN] c action` for the actions of `ColumnAction`, when nothing follows.
fn column_action(c: &mut Cursor) -> Result<Option<(String, ColumnAction)>> {
    if !c.word("alter") {
        return Ok(None);
    }
    c.word("column");
    let Ok(column) = c.ident() else { return Ok(None) };
    let action = if c.words(&["drop", "identity"]) {
        ColumnAction::DropIdentity { if_exists: c.words(&["if", "exists"]) }
    } else if c.words(&["drop", "expression"]) {
        ColumnAction::DropExpression { if_exists: c.words(&["if", "exists"]) }
    } else if c.words(&["set", "statistics"]) {
        c.integer()?;
        ColumnAction::Ignored
    } else if c.words(&["set", "storage"]) || c.words(&["set", "compression"]) {
        c.ident()?;
        ColumnAction::Ignored
    } else {
        let mut always = None;
        let mut options = Vec::new();
        loop {
            if c.words(&["set", "generated", "always"]) {
                always = Some(true);
            } else if c.words(&["set", "generated", "by", "default"]) {
                always = Some(false);
            } else if c.is_word(0, "restart") {
                options.extend(sequence_options(c)?);
            } else if c.is_word(0, "set")
                && ["increment", "minvalue", "maxvalue", "start", "cache", "cycle", "no"]
                    .iter()
                    .any(|w| c.is_word(1, w))
            {
                c.parser.advance_token();
                options.extend(sequence_options(c)?);
            } else {
                break;
            }
        }
        if always.is_none() && options.is_empty() {
            return Ok(None);
        }
        ColumnAction::Identity { always, options }
    };
    Ok(c.at_end().then_some((column, action)))
}

pub(super) fn skip_parens(c: &mut Cursor) -> Result<()> {
    let mut depth = 0usize;
    loop {
        match c.peek() {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::EOF => return Err(c.error()),
            _ => {}
        }
        c.parser.advance_token();
        if depth == 0 {
            return Ok(());
        }
    }
}

fn create_database(c: &mut Cursor) -> Result<Statement> {
    let name = c.ident()?;
    c.word("with");
    let mut owner = None;
    let mut options = Vec::new();
    while !c.at_end() {
        let mut key = c.ident()?;
        if key == "connection" && c.word("limit") {
            key = "connection_limit".to_owned();
        }
        c.token(&Token::Eq);
        let value = option_value(c)?;
        match key.as_str() {
            "owner" => owner = Some(value),
            "template" | "encoding" | "locale" | "lc_collate" | "lc_ctype" | "icu_locale" | "locale_provider"
            | "collation_version" | "strategy" | "tablespace" | "allow_connections" | "connection_limit"
            | "is_template" | "oid" => options.push((key, value)),
            other => return Err(SqlError::syntax(format!("option \"{other}\" not recognized"))),
        }
    }
    Ok(Statement::CreateDatabase { name, owner, options })
}

fn option_value(c: &mut Cursor) -> Result<String> {
    if let Some(text) = c.maybe_string() {
        return Ok(text);
    }
    if matches!(c.peek(), Token::Number(..) | Token::Minus) {
        return Ok(c.integer()?.to_string());
    }
    c.ident()
}

fn alter_database(c: &mut Cursor) -> Result<Statement> {
    let name = c.ident()?;
    let action = if c.words(&["rename", "to"]) {
        AlterDatabaseAction::Rename(c.ident()?)
    } else if c.words(&["owner", "to"]) {
        AlterDatabaseAction::Owner(role(c)?)
    } else if c.is_word(0, "set") && c.is_word(1, "tablespace") {
        return Ok(unsupported(c, "ALTER", "DATABASE SET TABLESPACE"));
    } else if c.word("set") {
        AlterDatabaseAction::Set(setting(c)?)
    } else if c.words(&["reset", "all"]) {
        AlterDatabaseAction::ResetAll
    } else if c.word("reset") {
        AlterDatabaseAction::Reset(setting_name(c)?)
    } else {
        return Ok(unsupported(c, "ALTER", "DATABASE options"));
    };
    Ok(Statement::AlterDatabase { name, action })
}

/// The arguments of a function as they were written, with their parentheses: they stand as the last part of its name.
pub(super) fn parens_text(c: &mut Cursor) -> Result<String> {
    let start = c.offset();
    skip_parens(c)?;
    Ok(c.text.get(start..c.last_end()).unwrap_or_default().to_owned())
}

fn comment(c: &mut Cursor) -> Result<Statement> {
    c.expect(&["on"])?;
    let kinds: [(&[&str], &str); 24] = [
        (&["materialized", "view"], "MATERIALIZED VIEW"),
        (&["foreign", "table"], "FOREIGN TABLE"),
        (&["foreign", "data", "wrapper"], "FOREIGN DATA WRAPPER"),
        (&["event", "trigger"], "EVENT TRIGGER"),
        (&["large", "object"], "LARGE OBJECT"),
        (&["table"], "TABLE"),
        (&["column"], "COLUMN"),
        (&["view"], "VIEW"),
        (&["index"], "INDEX"),
        (&["sequence"], "SEQUENCE"),
        (&["schema"], "SCHEMA"),
        (&["database"], "DATABASE"),
        (&["type"], "TYPE"),
        (&["domain"], "DOMAIN"),
        (&["extension"], "EXTENSION"),
        (&["function"], "FUNCTION"),
        (&["procedure"], "PROCEDURE"),
        (&["routine"], "ROUTINE"),
        (&["role"], "ROLE"),
        (&["constraint"], "CONSTRAINT"),
        (&["trigger"], "TRIGGER"),
        (&["rule"], "RULE"),
        (&["policy"], "POLICY"),
        (&["tablespace"], "TABLESPACE"),
    ];
    let Some((_, kind)) = kinds.iter().find(|(words, _)| c.words(words)) else {
        if matches!(c.peek(), Token::Word(_)) && !c.at_end() {
            return Ok(unsupported(c, "COMMENT ON", "this kind of object"));
        }
        return Err(c.error());
    };
    if matches!(*kind, "LARGE OBJECT" | "FOREIGN DATA WRAPPER" | "EVENT TRIGGER" | "TABLESPACE") {
        return Ok(unsupported(c, "COMMENT ON", kind));
    }
    let mut name = c.name()?;
    let mut column = None;
    let mut on = None;
    match *kind {
        "COLUMN" => {
            if name.parts.len() < 2 {
                return Err(SqlError::syntax("column name must be qualified").at(Span(name.offset)));
            }
            column = name.parts.pop();
        }
        "FUNCTION" | "PROCEDURE" | "ROUTINE" if *c.peek() == Token::LParen => name.parts.push(parens_text(c)?),
        "CONSTRAINT" | "TRIGGER" | "RULE" | "POLICY" => {
            c.expect(&["on"])?;
            c.word("domain");
            on = Some(c.name()?);
        }
        _ => {}
    }
    c.expect(&["is"])?;
    let text = if c.word("null") { None } else { Some(c.string()?) };
    Ok(Statement::Comment { kind: (*kind).to_owned(), name, column, on, text })
}
