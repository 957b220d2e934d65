//! Schemas, databases and extensions.

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, bare};
use crate::catalog::{CatalogChange, DatabaseDef, Entry, EntryKey, PUBLIC, Privilege, Relation, SchemaDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{AlterDatabaseAction, AlterObjectAction, ObjectName, fold};

impl Ddl<'_> {
    pub(super) fn create_schema(&self, name: &ast::SchemaName, if_not_exists: bool) -> Result<String> {
        let (own_name, owner) = match name {
            ast::SchemaName::Simple(name) => (super::last(name), None),
            ast::SchemaName::UnnamedAuthorization(role) => (fold(role), Some(fold(role))),
            ast::SchemaName::NamedAuthorization(name, role) => (super::last(name), Some(fold(role))),
        };
        let owner = match owner {
            Some(role) => self.role(&role)?.oid,
            None => self.user(),
        };
        if own_name.starts_with("pg_") {
            return Err(SqlError::new(SqlState::RESERVED_NAME, format!("unacceptable schema name \"{own_name}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.schema_named(&own_name, 0).is_ok() {
            if if_not_exists {
                let text = format!("schema \"{own_name}\" already exists, skipping");
                self.notice(SqlState::DUPLICATE_SCHEMA, text);
                return Ok("CREATE SCHEMA".to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_SCHEMA, format!("schema \"{own_name}\" already exists")));
        }
        self.may_in_database(self.user(), Privilege::Create)?;
        if !self.set().shared.is_member(self.user(), owner) && !self.backend.superuser.get() {
            let name = self.set().shared.role(owner).map(|def| def.name.clone()).unwrap_or_default();
            let text = format!("must be member of role \"{name}\"");
            return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text));
        }
        let acl = if owner == self.user() { self.default_acl('n', 0) } else { Vec::new() };
        let def = SchemaDef { oid: self.allocate_oid(), name: own_name, owner, acl, comment: None };
        self.put(Entry::Schema(Arc::new(def)))?;
        Ok("CREATE SCHEMA".to_owned())
    }

    pub(super) fn create_database(
        &self,
        name: &str,
        owner: Option<&str>,
        options: &[(String, String)],
    ) -> Result<String> {
        let role = self.set().shared.role(self.user()).cloned();
        if !role.is_some_and(|role| role.superuser || role.create_db) {
            return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied to create database"));
        }
        if self.set().shared.database_by_name(name).is_some() {
            return Err(SqlError::new(SqlState::DUPLICATE_DATABASE, format!("database \"{name}\" already exists")));
        }
        for (key, value) in options {
            let known = ["template0", "template1", "default"];
            if key.eq_ignore_ascii_case("template") && !known.contains(&value.to_lowercase().as_str()) {
                return Err(SqlError::unsupported("a template database other than template0 and template1"));
            }
            if key.eq_ignore_ascii_case("encoding") && !value.replace('-', "").eq_ignore_ascii_case("utf8") {
                return Err(SqlError::unsupported(format!("encoding {value}")));
            }
        }
        let owner = match owner {
            Some(role) => self.role(role)?.oid,
            None => self.user(),
        };
        let oid = self.allocate_oid();
        let def = DatabaseDef {
            oid,
            name: name.to_owned(),
            owner,
            template: false,
            allow_connections: true,
            settings: Vec::new(),
            default_acls: Vec::new(),
            acl: Vec::new(),
            comment: None,
        };
        self.put(Entry::Database(Arc::new(def)))?;
        let comment = Some("standard public schema".to_owned());
        let public = SchemaDef { oid: PUBLIC, name: "public".to_owned(), owner, acl: Vec::new(), comment };
        self.change(CatalogChange::Put { database: oid, entry: Entry::Schema(Arc::new(public)) })?;
        Ok("CREATE DATABASE".to_owned())
    }

    pub(super) fn drop_database(&self, name: &str, if_exists: bool) -> Result<String> {
        let Some(def) = self.set().shared.database_by_name(name).cloned() else {
            if if_exists {
                let text = format!("database \"{name}\" does not exist, skipping");
                self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
                return Ok("DROP DATABASE".to_owned());
            }
            return Err(missing_database(name));
        };
        self.must_own(def.owner, "database", name)?;
        if def.oid == self.backend.database {
            return Err(SqlError::new(SqlState::OBJECT_IN_USE, "cannot drop the currently open database"));
        }
        if def.template {
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, "cannot drop a template database"));
        }
        let users = self.backend.shared.sessions_in(def.oid);
        if users > 0 {
            let text = if users == 1 {
                "There is 1 other session using the database.".to_owned()
            } else {
                format!("There are {users} other sessions using the database.")
            };
            return Err(SqlError::new(
                SqlState::OBJECT_IN_USE,
                format!("database \"{name}\" is being accessed by other users"),
            )
            .detail(text));
        }
        self.remove(EntryKey::Database(def.oid))?;
        Ok("DROP DATABASE".to_owned())
    }

    pub(super) fn alter_database(&self, name: &str, action: &AlterDatabaseAction) -> Result<String> {
        let def = self.set().shared.database_by_name(name).cloned().ok_or_else(|| missing_database(name))?;
        self.must_own(def.owner, "database", name)?;
        let mut changed = (*def).clone();
        match action {
            AlterDatabaseAction::Rename(to) => {
                if self.set().shared.database_by_name(to).is_some() {
                    return Err(SqlError::new(
                        SqlState::DUPLICATE_DATABASE,
                        format!("database \"{to}\" already exists"),
                    ));
                }
                changed.name.clone_from(to);
            }
            AlterDatabaseAction::Owner(role) => {
                self.change_owner(Entry::Database(def), role)?;
                return Ok("ALTER DATABASE".to_owned());
            }
            AlterDatabaseAction::Set(change) => {
                changed.settings.retain(|(key, _)| *key != change.name);
                changed.settings.extend(change.value.clone().map(|value| (change.name.clone(), value)));
            }
            AlterDatabaseAction::Reset(key) => changed.settings.retain(|(own, _)| own != key),
            AlterDatabaseAction::ResetAll => changed.settings.clear(),
        }
        self.put(Entry::Database(Arc::new(changed)))?;
        Ok("ALTER DATABASE".to_owned())
    }

    /// ALTER of things other than tables: RENAME, OWNER TO, SET SCHEMA.
    pub(super) fn alter_object(
        &self,
        kind: &str,
        name: &ObjectName,
        if_exists: bool,
        action: &AlterObjectAction,
    ) -> Result<String> {
        let tag = format!("ALTER {}", kind.to_uppercase());
        match kind.to_uppercase().as_str() {
            "SCHEMA" => {
                let def = self.catalog()?.schema_by_name(bare(name)).cloned().ok_or_else(|| {
                    SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{}\" does not exist", bare(name)))
                })?;
                self.must_own(def.owner, "schema", &def.name)?;
                let mut changed = (*def).clone();
                match action {
                    AlterObjectAction::Rename(to) => changed.name.clone_from(to),
                    AlterObjectAction::Owner(role) => {
                        self.change_owner(Entry::Schema(def), role)?;
                        return Ok(tag);
                    }
                    _ => return Err(SqlError::unsupported("this form of ALTER SCHEMA")),
                }
                self.follow(|| self.put(Entry::Schema(Arc::new(changed))))?;
                Ok(tag)
            }
            "TABLE" | "VIEW" | "INDEX" | "SEQUENCE" | "MATERIALIZED VIEW" => {
                if if_exists && self.find_relation(name)?.is_none() {
                    self.notice(
                        SqlState::SUCCESSFUL_COMPLETION,
                        format!("relation \"{}\" does not exist, skipping", bare(name)),
                    );
                    return Ok(tag);
                }
                match action {
                    AlterObjectAction::Rename(_) | AlterObjectAction::Schema(_) => {
                        self.follow(|| self.alter_relation(name, action, &tag))
                    }
                    AlterObjectAction::RenameColumn(from, to) => {
                        match self.relation(name)? {
                            Relation::View(view) => self.follow(|| self.rename_view_column(&view, from, to))?,
                            Relation::Table(table) => {
                                self.must_own(table.owner, "materialized view", &table.name)?;
                                self.lock(&table)?;
                                self.follow(|| self.rename_column(&table, from, to))?;
                            }
                            _ => return Err(SqlError::unsupported(format!("{tag} RENAME COLUMN"))),
                        }
                        Ok(tag)
                    }
                    AlterObjectAction::Constraint(constraint, deferrable, deferred) => {
                        let table = self.table(name)?;
                        self.must_own(table.owner, "table", &table.name)?;
                        self.lock(&table)?;
                        self.alter_constraint(&table, constraint, *deferrable, *deferred)?;
                        Ok(tag)
                    }
                    _ => self.alter_relation(name, action, &tag),
                }
            }
            "FUNCTION" | "ROUTINE" => {
                self.follow(|| self.alter_function(name, action))?;
                Ok(tag)
            }
            "TYPE" | "DOMAIN" => {
                self.follow(|| self.alter_type_object(name, action, kind.eq_ignore_ascii_case("DOMAIN")))?;
                Ok(tag)
            }
            _ => Err(SqlError::unsupported(tag)),
        }
    }

    pub(super) fn create_extension(&self, name: &str, if_not_exists: bool) -> Result<String> {
        if !crate::system::EXTENSIONS.iter().any(|(known, ..)| *known == name) {
            return Err(SqlError::unsupported(format!("extension \"{name}\"")));
        }
        if (name == "plpgsql" || name == "tripline") && !if_not_exists {
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("extension \"{name}\" already exists")));
        }
        Ok("CREATE EXTENSION".to_owned())
    }

    pub(super) fn drop_extensions(&self, names: &[String], if_exists: bool) -> Result<String> {
        for name in names {
            let known = crate::system::EXTENSIONS.iter().any(|(known, _, shown)| known == name && shown.is_none());
            if !if_exists && !known {
                return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("extension \"{name}\" does not exist")));
            }
        }
        Ok("DROP EXTENSION".to_owned())
    }
}

pub(super) fn missing_database(name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
}
