//! GRANT and REVOKE of privileges and of roles.

use std::sync::Arc;

use super::{Ddl, bare};
use crate::catalog::{AclItem, Column, DefaultAcl, Entry, Privilege, Relation, RoleDef};
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::parse::{DefaultPrivileges, GrantStatement, ObjectName};
use crate::types::Oid;

const TABLE: &[Privilege] = &[
    Privilege::Insert,
    Privilege::Select,
    Privilege::Update,
    Privilege::Delete,
    Privilege::Truncate,
    Privilege::References,
    Privilege::Trigger,
];
const COLUMN: &[Privilege] = &[Privilege::Insert, Privilege::Select, Privilege::Update, Privilege::References];
const SEQUENCE: &[Privilege] = &[Privilege::Select, Privilege::Update, Privilege::Usage];
const SCHEMA: &[Privilege] = &[Privilege::Usage, Privilege::Create];

/// What an object of a kind grants when nobody has said anything.
fn built_in(kind: char, owner: Oid) -> Vec<AclItem> {
    let item = |grantee: Oid, all: &[Privilege]| AclItem {
        grantee,
        grantor: owner,
        privileges: all.iter().map(|privilege| (*privilege, false)).collect(),
    };
    match kind {
        'r' => vec![item(owner, TABLE)],
        'S' => vec![item(owner, SEQUENCE)],
        'n' => vec![item(owner, SCHEMA)],
        'f' => vec![item(0, &[Privilege::Execute]), item(owner, &[Privilege::Execute])],
        _ => vec![item(0, &[Privilege::Usage]), item(owner, &[Privilege::Usage])],
    }
}

fn privilege(word: &str) -> Option<Privilege> {
    Some(match word {
        "SELECT" => Privilege::Select,
        "INSERT" => Privilege::Insert,
        "UPDATE" => Privilege::Update,
        "DELETE" => Privilege::Delete,
        "TRUNCATE" => Privilege::Truncate,
        "REFERENCES" => Privilege::References,
        "TRIGGER" => Privilege::Trigger,
        "USAGE" => Privilege::Usage,
        "CREATE" => Privilege::Create,
        "CONNECT" => Privilege::Connect,
        "TEMPORARY" | "TEMP" => Privilege::Temporary,
        "EXECUTE" => Privilege::Execute,
        _ => return None,
    })
}

impl Ddl<'_> {
    pub(super) fn grant(&self, grant: &GrantStatement) -> Result<String> {
        let tag = if grant.revoke { "REVOKE" } else { "GRANT" };
        if grant.object_kind.eq_ignore_ascii_case("ROLE") {
            self.grant_roles(grant)?;
            return Ok(format!("{tag} ROLE"));
        }
        let kind = grant.object_kind.to_uppercase();
        match kind.as_str() {
            "TABLE" | "" => {
                for name in &grant.objects {
                    let found = self.relation(name)?;
                    self.grant_relation(grant, &found)?;
                }
            }
            "SEQUENCE" => {
                for name in &grant.objects {
                    match self.relation(name)? {
                        found @ Relation::Sequence(_) => self.grant_relation(grant, &found)?,
                        _ => {
                            return Err(SqlError::new(
                                SqlState::WRONG_OBJECT_TYPE,
                                format!("\"{}\" is not a sequence", bare(name)),
                            ));
                        }
                    }
                }
            }
            "ALL TABLES IN SCHEMA" | "ALL SEQUENCES IN SCHEMA" => {
                for name in &grant.objects {
                    self.grant_in_schema(grant, name, kind.starts_with("ALL SEQ"))?;
                }
            }
            "SCHEMA" => {
                for name in &grant.objects {
                    let catalog = self.catalog()?;
                    let def = catalog.schema_by_name(bare(name)).ok_or_else(|| {
                        SqlError::new(
                            SqlState::INVALID_SCHEMA_NAME,
                            format!("schema \"{}\" does not exist", bare(name)),
                        )
                    })?;
                    self.must_own(def.owner, "schema", &def.name)?;
                    let mut changed = (**def).clone();
                    self.apply(grant, &mut changed.acl, def.owner, SCHEMA)?;
                    self.put(Entry::Schema(Arc::new(changed)))?;
                }
            }
            // Stored nowhere: everybody may connect and call functions.
            "DATABASE"
            | "FUNCTION"
            | "PROCEDURE"
            | "ROUTINE"
            | "LANGUAGE"
            | "TYPE"
            | "DOMAIN"
            | "ALL FUNCTIONS IN SCHEMA"
            | "ALL ROUTINES IN SCHEMA"
            | "ALL PROCEDURES IN SCHEMA" => {
                self.grantees(grant)?;
                if grant.revoke {
                    let text = format!("privileges on a {} are not kept: everybody keeps them", kind.to_lowercase());
                    self.backend.notice(SqlError::notice(Severity::Warning, SqlState::WARNING, text));
                }
            }
            other => return Err(SqlError::unsupported(format!("{tag} on {other}"))),
        }
        Ok(tag.to_owned())
    }

    fn grant_in_schema(&self, grant: &GrantStatement, name: &ObjectName, sequences: bool) -> Result<()> {
        let schema = self.schema_named(bare(name), name.offset)?;
        let catalog = self.catalog()?;
        let mut found: Vec<Relation> = Vec::new();
        if sequences {
            found.extend(catalog.sequences().filter(|def| def.schema == schema).cloned().map(Relation::Sequence));
        } else {
            let tables = catalog.tables().filter(|def| def.schema == schema && !def.hidden);
            found.extend(tables.cloned().map(Relation::Table));
            found.extend(catalog.views().filter(|def| def.schema == schema).cloned().map(Relation::View));
        }
        found.iter().try_for_each(|relation| self.grant_relation(grant, relation))
    }

    fn grant_relation(&self, grant: &GrantStatement, relation: &Relation) -> Result<()> {
        match relation {
            Relation::Table(def) => {
                self.must_own(def.owner, "table", &def.name)?;
                let mut changed = (**def).clone();
                self.apply(grant, &mut changed.acl, def.owner, TABLE)?;
                self.apply_columns(grant, &mut changed.columns, &def.name)?;
                self.put_table(changed).map(|_| ())
            }
            Relation::View(def) => {
                self.must_own(def.owner, "view", &def.name)?;
                let mut changed = (**def).clone();
                self.apply(grant, &mut changed.acl, def.owner, TABLE)?;
                self.apply_columns(grant, &mut changed.columns, &def.name)?;
                self.put(Entry::View(Arc::new(changed)))
            }
            Relation::Sequence(def) => {
                self.must_own(def.owner, "sequence", &def.name)?;
                let mut changed = (**def).clone();
                self.apply(grant, &mut changed.acl, def.owner, SEQUENCE)?;
                self.put(Entry::Sequence(Arc::new(changed)))
            }
            Relation::Index(..) => Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, "an index has no privileges")),
        }
    }

    fn grantees(&self, grant: &GrantStatement) -> Result<Vec<Oid>> {
        let one = |name: &String| if name == "public" { Ok(0) } else { self.role(name).map(|def| def.oid) };
        grant.grantees.iter().map(one).collect()
    }

    /// Changes an access list. An empty list stands for the owner's defaults, so the first grant writes them down.
    fn apply(&self, grant: &GrantStatement, acl: &mut Vec<AclItem>, owner: Oid, all: &[Privilege]) -> Result<()> {
        let mut wanted = Vec::new();
        for (word, columns) in &grant.privileges {
            if !columns.is_empty() {
                if all != TABLE {
                    return Err(SqlError::new(
                        SqlState::new("0LP01"),
                        "column privileges are only valid for relations",
                    ));
                }
                continue;
            }
            let word = word.to_uppercase();
            if word == "ALL" || word == "ALL PRIVILEGES" {
                wanted.extend_from_slice(all);
                continue;
            }
            let found = privilege(&word)
                .ok_or_else(|| SqlError::syntax(format!("unrecognized privilege type \"{}\"", word.to_lowercase())))?;
            if !all.contains(&found) {
                return Err(SqlError::new(
                    SqlState::new("0LP01"),
                    format!(
                        "invalid privilege type {word} for {}",
                        match grant.object_kind.as_str() {
                            "TABLE" | "" => "relation".to_owned(),
                            other => other.to_lowercase(),
                        }
                    ),
                ));
            }
            wanted.push(found);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        if acl.is_empty() {
            acl.push(AclItem {
                grantee: owner,
                grantor: owner,
                privileges: all.iter().map(|found| (*found, false)).collect(),
            });
        }
        self.change_acl(grant, acl, &wanted)
    }

    /// Privileges on columns; what is revoked on the whole relation is revoked on its columns too. Errors: 42703, 0LP01.
    fn apply_columns(&self, grant: &GrantStatement, columns: &mut [Column], relation: &str) -> Result<()> {
        for (word, names) in &grant.privileges {
            let word = word.to_uppercase();
            let all = word == "ALL" || word == "ALL PRIVILEGES";
            let found = privilege(&word).filter(|found| COLUMN.contains(found));
            let wanted = if all { COLUMN.to_vec() } else { found.into_iter().collect() };
            if names.is_empty() {
                if grant.revoke && !wanted.is_empty() {
                    columns.iter_mut().try_for_each(|column| self.change_acl(grant, &mut column.acl, &wanted))?;
                }
                continue;
            }
            if wanted.is_empty() {
                let known = privilege(&word).is_some();
                return Err(if known {
                    let text = format!("invalid privilege type {word} for column");
                    SqlError::new(SqlState::new("0LP01"), text)
                } else {
                    SqlError::syntax(format!("unrecognized privilege type \"{}\"", word.to_lowercase()))
                });
            }
            for name in names {
                let column = columns.iter_mut().find(|column| !column.dropped && column.name == *name);
                let column = column.ok_or_else(|| {
                    SqlError::new(
                        SqlState::UNDEFINED_COLUMN,
                        format!("column \"{name}\" of relation \"{relation}\" does not exist"),
                    )
                })?;
                self.change_acl(grant, &mut column.acl, &wanted)?;
            }
        }
        Ok(())
    }

    /// Gives or takes privileges.
    fn change_acl(&self, grant: &GrantStatement, acl: &mut Vec<AclItem>, wanted: &[Privilege]) -> Result<()> {
        for grantee in self.grantees(grant)? {
            if grant.revoke {
                for item in acl.iter_mut().filter(|item| item.grantee == grantee) {
                    if grant.grant_option {
                        let meant = item.privileges.iter_mut().filter(|(found, _)| wanted.contains(found));
                        meant.for_each(|(_, option)| *option = false);
                    } else {
                        item.privileges.retain(|(found, _)| !wanted.contains(found));
                    }
                }
                continue;
            }
            let place = acl.iter().position(|item| item.grantee == grantee).unwrap_or_else(|| {
                acl.push(AclItem { grantee, grantor: self.user(), privileges: Vec::new() });
                acl.len() - 1
            });
            for found in wanted {
                let list = &mut acl[place].privileges;
                let had = list.iter().any(|(other, option)| other == found && *option);
                list.retain(|(other, _)| other != found);
                list.push((*found, grant.grant_option || had));
            }
        }
        acl.retain(|item| !item.privileges.is_empty());
        Ok(())
    }

    /// ALTER DEFAULT PRIVILEGES. Errors: 42704, 3F000, 42501 for a role that the user is not a member of, 0LP01 for a
    /// privilege that the kind of object does not have and for schemas in a schema.
    pub(super) fn alter_default_privileges(&self, change: &DefaultPrivileges) -> Result<String> {
        let invalid = |text: &str| Err(SqlError::new(SqlState::new("0LP01"), text.to_owned()));
        let kind = change.grant.objects.first().map_or("", bare);
        let (kind, all) = match kind {
            "tables" => ('r', TABLE),
            "sequences" => ('S', SEQUENCE),
            "functions" | "routines" => ('f', &[Privilege::Execute][..]),
            "types" => ('T', &[Privilege::Usage][..]),
            "schemas" if change.schemas.is_empty() => ('n', SCHEMA),
            "schemas" => return invalid("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS"),
            _ => return Err(SqlError::syntax(format!("syntax error at or near \"{kind}\""))),
        };
        let mut roles = Vec::new();
        for name in &change.roles {
            let role = self.role(name)?.oid;
            if !self.may_act_for(role) {
                return Err(SqlError::new(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    "permission denied to change default privileges",
                ));
            }
            roles.push(role);
        }
        if roles.is_empty() {
            roles.push(self.user());
        }
        let mut schemas = Vec::new();
        for name in &change.schemas {
            let found = self.catalog()?.schema_by_name(name).map(|def| def.oid);
            schemas.push(found.ok_or_else(|| {
                SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
            })?);
        }
        if schemas.is_empty() {
            schemas.push(0);
        }
        let database = self.backend.database;
        let Some(def) = self.set().shared.database(database).cloned() else { return Ok(String::new()) };
        let mut changed = (*def).clone();
        for (role, schema) in roles.iter().flat_map(|role| schemas.iter().map(move |schema| (*role, *schema))) {
            let same = |one: &DefaultAcl| (one.role, one.schema, one.kind) == (role, schema, kind);
            let place = changed.default_acls.iter().position(same);
            let mut acl = place.map(|place| changed.default_acls[place].acl.clone()).unwrap_or_default();
            let plain = built_in(kind, role);
            if acl.is_empty() && schema == 0 {
                acl.clone_from(&plain);
            }
            // A list that is empty would be filled with the owner's own: what a schema adds has none.
            let stands_in = acl.is_empty();
            if stands_in {
                acl.push(AclItem { grantee: Oid::MAX, grantor: role, privileges: Vec::new() });
            }
            self.apply(&change.grant, &mut acl, role, all)?;
            acl.iter_mut().for_each(|item| item.grantor = role);
            acl.retain(|item| item.grantee != Oid::MAX);
            let oid = place.map_or_else(|| self.allocate_oid(), |place| changed.default_acls.remove(place).oid);
            if !(acl.is_empty() && schema != 0 || schema == 0 && acl == plain) {
                changed.default_acls.push(DefaultAcl { oid, role, schema, kind, acl });
            }
        }
        self.put(Entry::Database(Arc::new(changed)))?;
        Ok("ALTER DEFAULT PRIVILEGES".to_owned())
    }

    /// The access list that an object of a kind starts with when the user makes it in a schema.
    pub(super) fn default_acl(&self, kind: char, schema: Oid) -> Vec<AclItem> {
        let set = self.set();
        let (user, database) = (self.user(), set.shared.database(self.backend.database));
        let of = |schema: Oid| {
            let mut all = database.into_iter().flat_map(|def| &def.default_acls);
            all.find(|one| (one.role, one.schema, one.kind) == (user, schema, kind)).map(|one| one.acl.clone())
        };
        let (everywhere, here) = (of(0), if schema == 0 { None } else { of(schema) });
        let Some(here) = here else { return everywhere.unwrap_or_default() };
        let mut acl = everywhere.unwrap_or_else(|| built_in(kind, user));
        for item in here {
            match acl.iter_mut().find(|own| own.grantee == item.grantee) {
                Some(own) => {
                    for (privilege, option) in item.privileges {
                        own.privileges.retain(|(other, _)| *other != privilege);
                        own.privileges.push((privilege, option));
                    }
                }
                None => acl.push(item),
            }
        }
        acl
    }

    /// GRANT and REVOKE of membership. Errors: 42704; 42501 without CREATEROLE and ADMIN OPTION, or for a superuser's role
    /// without being one; 0LP01 for a loop.
    fn grant_roles(&self, grant: &GrantStatement) -> Result<()> {
        for name in &grant.objects {
            let role = self.role(bare(name))?;
            self.may_grant_role(&role)?;
            for grantee in &grant.grantees {
                let member = self.role(grantee)?;
                if grant.revoke {
                    self.revoke_membership(&role, &member, grant.grant_option)?;
                } else {
                    self.grant_membership(&role, &member, grant.grant_option)?;
                }
            }
        }
        Ok(())
    }

    fn may_grant_role(&self, role: &RoleDef) -> Result<()> {
        let set = self.set();
        let denied = |text: String| Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text));
        let Some(own) = set.shared.role(self.user()) else { return denied("must be superuser".to_owned()) };
        if own.superuser {
            return Ok(());
        }
        if role.superuser {
            return denied("must be superuser to alter superusers".to_owned());
        }
        let admin = set.shared.roles().any(|def| {
            def.member_of.iter().any(|(oid, admin)| *oid == role.oid && *admin)
                && crate::exec::privilege::is_member(&set, own.oid, def.oid)
        });
        if own.create_role || admin {
            return Ok(());
        }
        denied(format!("must have admin option on role \"{}\"", role.name))
    }

    fn grant_membership(&self, role: &RoleDef, member: &RoleDef, admin: bool) -> Result<()> {
        if crate::exec::privilege::is_member(&self.set(), role.oid, member.oid) {
            return Err(SqlError::new(
                SqlState::new("0LP01"),
                format!("role \"{}\" is a member of role \"{}\"", role.name, member.name),
            ));
        }
        let before = member.member_of.iter().find(|(oid, _)| *oid == role.oid).map(|(_, admin)| *admin);
        if before.is_some_and(|before| before || !admin) {
            let text = format!("role \"{}\" is already a member of role \"{}\"", member.name, role.name);
            self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
            return Ok(());
        }
        let mut changed = member.clone();
        changed.member_of.retain(|(oid, _)| *oid != role.oid);
        changed.member_of.push((role.oid, admin));
        self.put(Entry::Role(Arc::new(changed)))
    }

    fn revoke_membership(&self, role: &RoleDef, member: &RoleDef, option_only: bool) -> Result<()> {
        let mut changed = member.clone();
        let Some(place) = changed.member_of.iter().position(|(oid, _)| *oid == role.oid) else {
            self.backend.notice(SqlError::notice(
                Severity::Warning,
                SqlState::WARNING,
                format!("role \"{}\" is not a member of role \"{}\"", member.name, role.name),
            ));
            return Ok(());
        };
        if option_only {
            changed.member_of[place].1 = false;
        } else {
            changed.member_of.remove(place);
        }
        self.put(Entry::Role(Arc::new(changed)))
    }
}
