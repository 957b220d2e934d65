//! Roles and rights: CREATE and ALTER ROLE, GRANT, REVOKE.

use sqlparser::tokenizer::Token;

use super::Cursor;
use super::admin::{parens_text, role, unsupported};
use super::session::setting;
use crate::error::{Result, Span, SqlError};
use crate::parse::{DefaultPrivileges, GrantStatement, ObjectName, RoleOption, SettingChange, Statement};

pub(super) fn create_role(c: &mut Cursor, user: bool) -> Result<Statement> {
    let name = c.ident()?;
    Ok(Statement::CreateRole { name, options: role_options(c)?, user })
}

fn role_options(c: &mut Cursor) -> Result<Vec<RoleOption>> {
    let mut options = Vec::new();
    c.word("with");
    let flags: [(&str, RoleOption); 14] = [
        ("superuser", RoleOption::Superuser(true)),
        ("nosuperuser", RoleOption::Superuser(false)),
        ("createdb", RoleOption::CreateDb(true)),
        ("nocreatedb", RoleOption::CreateDb(false)),
        ("createrole", RoleOption::CreateRole(true)),
        ("nocreaterole", RoleOption::CreateRole(false)),
        ("inherit", RoleOption::Inherit(true)),
        ("noinherit", RoleOption::Inherit(false)),
        ("login", RoleOption::Login(true)),
        ("nologin", RoleOption::Login(false)),
        ("replication", RoleOption::Replication(true)),
        ("noreplication", RoleOption::Replication(false)),
        ("bypassrls", RoleOption::BypassRls(true)),
        ("nobypassrls", RoleOption::BypassRls(false)),
    ];
    while !c.at_end() {
        if let Some((_, option)) = flags.iter().find(|(word, _)| c.word(word)) {
            options.push(option.clone());
        } else if c.words(&["connection", "limit"]) {
            let limit = c.integer()?;
            options.push(RoleOption::ConnectionLimit(i32::try_from(limit).unwrap_or(-1)));
        } else if c.word("encrypted") || c.is_word(0, "password") {
            c.expect(&["password"])?;
            let password = if c.word("null") { None } else { Some(c.string()?) };
            options.push(RoleOption::Password(password));
        } else if c.words(&["valid", "until"]) {
            options.push(RoleOption::ValidUntil(c.string()?));
        } else if c.words(&["in", "role"]) || c.words(&["in", "group"]) {
            options.push(RoleOption::InRole(c.idents()?));
        } else if c.word("role") || c.word("user") {
            options.push(RoleOption::Role(c.idents()?));
        } else if c.word("admin") {
            options.push(RoleOption::Admin(c.idents()?));
        } else if c.word("sysid") {
            c.integer()?;
        } else if let Token::Word(word) = c.peek() {
            let (at, name) = (c.offset32(), word.value.to_ascii_lowercase());
            return Err(SqlError::syntax(format!("unrecognized role option \"{name}\"")).at(Span(at)));
        } else {
            return Err(c.error());
        }
    }
    Ok(options)
}

pub(super) fn alter_role(c: &mut Cursor) -> Result<Statement> {
    if c.is_word(0, "all") && (c.is_word(1, "set") || c.is_word(1, "reset")) {
        return Ok(unsupported(c, "ALTER", "ROLE ALL"));
    }
    let name = role(c)?;
    let mut statement = (Vec::new(), None, None);
    let database = if c.words(&["in", "database"]) { Some(c.ident()?) } else { None };
    if database.is_none() && c.words(&["rename", "to"]) {
        statement.1 = Some(c.ident()?);
    } else if c.word("reset") {
        let name = if c.words(&["time", "zone"]) { "timezone".to_owned() } else { c.name()?.parts.join(".") };
        statement.2 = Some(SettingChange { name: name.to_lowercase(), value: None });
    } else if c.is_word(0, "add") || c.is_word(0, "drop") {
        return Ok(unsupported(c, "ALTER", "GROUP"));
    } else if c.word("set") {
        statement.2 = Some(setting(c)?);
    } else if database.is_some() {
        return Err(c.error());
    } else {
        statement.0 = role_options(c)?;
    }
    Ok(Statement::AlterRole { name, options: statement.0, rename: statement.1, set: statement.2, database })
}

/// ALTER DEFAULT PRIVILEGES, from PRIVILEGES on.
pub(super) fn default_privileges(c: &mut Cursor) -> Result<Statement> {
    c.expect(&["privileges"])?;
    let (mut roles, mut schemas) = (Vec::new(), Vec::new());
    loop {
        if c.words(&["for", "role"]) || c.words(&["for", "user"]) {
            roles.extend(c.list(role)?);
        } else if c.words(&["in", "schema"]) {
            schemas.extend(c.list(Cursor::ident)?);
        } else {
            break;
        }
    }
    let revoke = match c.one_of(&["grant", "revoke"]) {
        Some("grant") => false,
        Some(_) => true,
        None => return Err(c.error()),
    };
    let Statement::Grant(grant) = grant(c, revoke)? else { return Err(c.error()) };
    Ok(Statement::AlterDefaultPrivileges(Box::new(DefaultPrivileges { roles, schemas, grant: *grant })))
}

pub(super) fn grant(c: &mut Cursor, revoke: bool) -> Result<Statement> {
    let mut grant_option = false;
    if revoke && (c.words(&["grant", "option", "for"]) || c.words(&["admin", "option", "for"])) {
        grant_option = true;
    }
    let mut privileges: Vec<(String, Vec<String>)> = Vec::new();
    let roles_start = c.offset32();
    if c.word("all") {
        c.word("privileges");
        let columns = if *c.peek() == Token::LParen { c.parens(Cursor::ident)? } else { Vec::new() };
        privileges.push(("ALL".to_owned(), columns));
    } else {
        privileges = c.list(|c| {
            let name = c.ident()?;
            let columns = if *c.peek() == Token::LParen { c.parens(Cursor::ident)? } else { Vec::new() };
            Ok((name, columns))
        })?;
    }
    let link = if revoke { "from" } else { "to" };
    let mut statement = GrantStatement {
        revoke,
        privileges: Vec::new(),
        object_kind: String::new(),
        objects: Vec::new(),
        grantees: Vec::new(),
        grant_option,
        cascade: false,
        granted_by: None,
    };
    if c.word("on") {
        statement.privileges =
            privileges.into_iter().map(|(name, columns)| (name.to_ascii_uppercase(), columns)).collect();
        let kinds: [(&[&str], &str); 17] = [
            (&["all", "tables", "in", "schema"], "ALL TABLES IN SCHEMA"),
            (&["all", "sequences", "in", "schema"], "ALL SEQUENCES IN SCHEMA"),
            (&["all", "functions", "in", "schema"], "ALL FUNCTIONS IN SCHEMA"),
            (&["all", "procedures", "in", "schema"], "ALL PROCEDURES IN SCHEMA"),
            (&["all", "routines", "in", "schema"], "ALL ROUTINES IN SCHEMA"),
            (&["foreign", "data", "wrapper"], "FOREIGN DATA WRAPPER"),
            (&["foreign", "server"], "FOREIGN SERVER"),
            (&["large", "object"], "LARGE OBJECT"),
            (&["sequence"], "SEQUENCE"),
            (&["schema"], "SCHEMA"),
            (&["database"], "DATABASE"),
            (&["function"], "FUNCTION"),
            (&["procedure"], "PROCEDURE"),
            (&["routine"], "ROUTINE"),
            (&["type"], "TYPE"),
            (&["domain"], "DOMAIN"),
            (&["language"], "LANGUAGE"),
        ];
        let kind = match kinds.iter().find(|(words, _)| c.words(words)) {
            Some((_, kind)) => *kind,
            None => {
                c.word("table");
                "TABLE"
            }
        };
        statement.object_kind = kind.to_owned();
        statement.objects = c.list(|c| {
            let mut name = c.name()?;
            if *c.peek() == Token::LParen {
                name.parts.push(parens_text(c)?);
            }
            Ok(name)
        })?;
    } else {
        if privileges.iter().any(|(_, columns)| !columns.is_empty()) {
            return Err(c.error());
        }
        statement.object_kind = "ROLE".to_owned();
        statement.objects =
            privileges.into_iter().map(|(name, _)| ObjectName { parts: vec![name], offset: roles_start }).collect();
    }
    c.expect(&[link])?;
    statement.grantees = c.list(|c| {
        c.word("group");
        role(c)
    })?;
    if !revoke && (c.words(&["with", "grant", "option"]) || c.words(&["with", "admin", "option"])) {
        statement.grant_option = true;
    }
    if c.words(&["granted", "by"]) {
        statement.granted_by = Some(role(c)?);
    }
    if revoke {
        statement.cascade = c.word("cascade");
        c.word("restrict");
    }
    Ok(Statement::Grant(Box::new(statement)))
}
