//! Roles, databases, schemas and access privileges.

use crate::catalog::{AclItem, CatalogSet, INFORMATION_SCHEMA, PG_CATALOG, Privilege, RoleDef, TRIPLINE};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::SystemContext;
use crate::types::{Oid, Row, Value, oid};

use super::{array, catalog, flag, name, text_array};

/// Name of a role; `unknown (OID=n)` if it is gone, as pg_get_userbyid says.
pub(super) fn role_name(set: &CatalogSet, role: Oid) -> String {
    set.shared.role(role).map_or_else(|| format!("unknown (OID={role})"), |def| def.name.clone())
}

fn letter(privilege: Privilege) -> char {
    match privilege {
        Privilege::Select => 'r',
        Privilege::Insert => 'a',
        Privilege::Update => 'w',
        Privilege::Delete => 'd',
        Privilege::Truncate => 'D',
        Privilege::References => 'x',
        Privilege::Trigger => 't',
        Privilege::Usage => 'U',
        Privilege::Create => 'C',
        Privilege::Connect => 'c',
        Privilege::Temporary => 'T',
        Privilege::Execute => 'X',
    }
}

/// The order in which an aclitem shows its privileges.
const ORDER: &str = "arwdDxtXUCTc";

/// An aclitem array as text items; NULL for the owner's defaults.
pub(super) fn acl_value(context: &dyn SystemContext, acl: &[AclItem]) -> Value {
    if acl.is_empty() {
        return Value::Null;
    }
    let set = context.runtime().catalogs();
    let items = acl.iter().filter(|item| !item.privileges.is_empty()).map(|item| {
        let grantee = if item.grantee == 0 { String::new() } else { role_name(&set, item.grantee) };
        let mut privileges = item.privileges.clone();
        privileges.sort_by_key(|(privilege, _)| ORDER.find(letter(*privilege)));
        let letters: String = privileges
            .iter()
            .map(
                |(privilege, grant)| {
                    if *grant { format!("{}*", letter(*privilege)) } else { letter(*privilege).to_string() }
                },
            )
            .collect();
        Value::from(format!("{grantee}={letters}/{}", role_name(&set, item.grantor)))
    });
    array(oid::ACLITEM, items.collect())
}

/// Rows of `pg_default_acl`.
pub(super) fn pg_default_acl(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let set = context.runtime().catalogs();
    let Some(database) = set.shared.database(context.runtime().database()) else { return Ok(Vec::new()) };
    let row = |one: &crate::catalog::DefaultAcl| {
        vec![
            Value::Oid(one.oid),
            Value::Oid(one.role),
            Value::Oid(one.schema),
            flag(u8::try_from(one.kind).unwrap_or(b'r')),
            acl_value(context, &one.acl),
        ]
    };
    Ok(database.default_acls.iter().map(row).collect())
}

/// What catalogs grant: everybody may read them.
pub(super) fn public_select() -> Value {
    array(oid::ACLITEM, vec![Value::from("=r/admin")])
}

/// Rows of `pg_namespace`.
pub(super) fn pg_namespace(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for (schema, text) in
        [(PG_CATALOG, "pg_catalog"), (INFORMATION_SCHEMA, "information_schema"), (TRIPLINE, "tripline")]
    {
        if own.schema(schema).is_none() {
            rows.push(vec![Value::Oid(schema), name(text), Value::Oid(10), Value::Null]);
        }
    }
    rows.extend(own.schemas().map(|def| {
        // PostgreSQL writes down what everybody may do in public.
        let open = crate::catalog::Guarded::Public.defaults(def.owner);
        let acl = if def.oid == crate::catalog::PUBLIC && def.acl.is_empty() { &open } else { &def.acl };
        vec![Value::Oid(def.oid), name(&def.name), Value::Oid(def.owner), acl_value(context, acl)]
    }));
    Ok(rows)
}

/// Rows of `pg_database`.
pub(super) fn pg_database(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    Ok(set
        .shared
        .databases()
        .map(|def| {
            vec![
                Value::Oid(def.oid),
                name(&def.name),
                Value::Oid(def.owner),
                Value::Int4(6),
                flag(b'c'),
                Value::Bool(def.template),
                Value::Bool(def.allow_connections),
                Value::Int4(-1),
                Value::Oid(716),
                Value::Oid(1),
                Value::Oid(1663),
                Value::from("C"),
                Value::from("C"),
                Value::Null,
                Value::Null,
                acl_value(context, &def.acl),
            ]
        })
        .collect())
}

fn valid_until(def: &RoleDef) -> Value {
    def.valid_until.map_or(Value::Null, Value::TimestampTz)
}

fn settings(def: &RoleDef) -> Value {
    if def.settings.is_empty() {
        return Value::Null;
    }
    text_array(def.settings.iter().map(|(key, value)| format!("{key}={value}")))
}

/// Rows of `pg_authid`: for superusers only. Errors: 42501.
pub(super) fn pg_authid(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let (_, user) = context.runtime().users();
    if !set.shared.role(user).is_some_and(|def| def.superuser) {
        return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied for table pg_authid"));
    }
    let row = |def: &RoleDef| {
        vec![
            Value::Oid(def.oid),
            name(&def.name),
            Value::Bool(def.superuser),
            Value::Bool(def.inherit),
            Value::Bool(def.create_role),
            Value::Bool(def.create_db),
            Value::Bool(def.login),
            Value::Bool(def.replication),
            Value::Bool(def.bypass_rls),
            Value::Int4(def.connection_limit),
            def.password.clone().into(),
            valid_until(def),
        ]
    };
    Ok(set.shared.roles().map(|def| row(def)).collect())
}

/// Rows of `pg_roles`.
pub(super) fn pg_roles(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let row = |def: &RoleDef| {
        vec![
            name(&def.name),
            Value::Bool(def.superuser),
            Value::Bool(def.inherit),
            Value::Bool(def.create_role),
            Value::Bool(def.create_db),
            Value::Bool(def.login),
            Value::Bool(def.replication),
            Value::Int4(def.connection_limit),
            Value::from("********"),
            valid_until(def),
            Value::Bool(def.bypass_rls),
            settings(def),
            Value::Oid(def.oid),
        ]
    };
    Ok(set.shared.roles().map(|def| row(def)).collect())
}

fn user_row(def: &RoleDef, password: Value) -> Row {
    vec![
        name(&def.name),
        Value::Oid(def.oid),
        Value::Bool(def.create_db),
        Value::Bool(def.superuser),
        Value::Bool(def.replication),
        Value::Bool(def.bypass_rls),
        password,
        valid_until(def),
        settings(def),
    ]
}

/// Rows of `pg_user`.
pub(super) fn pg_user(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    Ok(set.shared.roles().filter(|def| def.login).map(|def| user_row(def, Value::from("********"))).collect())
}

/// Rows of `pg_shadow`: for superusers only. Errors: 42501.
pub(super) fn pg_shadow(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let (_, user) = context.runtime().users();
    if !set.shared.role(user).is_some_and(|def| def.superuser) {
        return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied for view pg_shadow"));
    }
    Ok(set.shared.roles().filter(|def| def.login).map(|def| user_row(def, def.password.clone().into())).collect())
}

/// Rows of `pg_group`: roles that cannot log in, with their members.
pub(super) fn pg_group(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let groups = set.shared.roles().filter(|def| !def.login);
    Ok(groups
        .map(|group| {
            let members = set.shared.roles().filter(|def| def.member_of.iter().any(|(role, _)| *role == group.oid));
            vec![
                name(&group.name),
                Value::Oid(group.oid),
                array(oid::OID, members.map(|def| Value::Oid(def.oid)).collect()),
            ]
        })
        .collect())
}

/// Rows of `pg_auth_members`.
pub(super) fn pg_auth_members(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let mut rows = Vec::new();
    for def in set.shared.roles() {
        for (role, admin) in &def.member_of {
            rows.push(vec![Value::Oid(*role), Value::Oid(def.oid), Value::Oid(10), Value::Bool(*admin)]);
        }
    }
    Ok(rows)
}

/// Rows of `pg_shdescription`: comments on databases and roles.
pub(super) fn pg_shdescription(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let databases = set.shared.databases().map(|def| (def.oid, 1262, def.comment.clone()));
    let roles = set.shared.roles().map(|def| (def.oid, 1260, def.comment.clone()));
    let all = databases.chain(roles).filter_map(|(object, class, comment)| Some((object, class, comment?)));
    Ok(all.map(|(object, class, text)| vec![Value::Oid(object), Value::Oid(class), text.into()]).collect())
}

/// Rows of `pg_db_role_setting`.
pub(super) fn pg_db_role_setting(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let texts = |list: &[(String, String)]| text_array(list.iter().map(|(key, value)| format!("{key}={value}")));
    let roles = set.shared.roles().filter(|def| !def.settings.is_empty());
    let mut rows: Vec<Row> = roles.map(|def| vec![Value::Oid(0), Value::Oid(def.oid), texts(&def.settings)]).collect();
    let databases = set.shared.databases().filter(|def| !def.settings.is_empty());
    rows.extend(databases.map(|def| vec![Value::Oid(def.oid), Value::Oid(0), texts(&def.settings)]));
    for role in set.shared.roles() {
        for database in set.shared.databases() {
            let here = role.database_settings.iter().filter(|(of, ..)| *of == database.oid);
            let here: Vec<(String, String)> = here.map(|(_, key, value)| (key.clone(), value.clone())).collect();
            if !here.is_empty() {
                rows.push(vec![Value::Oid(database.oid), Value::Oid(role.oid), texts(&here)]);
            }
        }
    }
    Ok(rows)
}
