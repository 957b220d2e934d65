//! GRANT and REVOKE of privileges and of roles.

use std::sync::Arc;

use super::{Ddl, bare};
use crate::catalog::{AclItem, Entry, Privilege, Relation};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{GrantStatement, ObjectName};
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
const SEQUENCE: &[Privilege] = &[Privilege::Select, Privilege::Update, Privilege::Usage];
const SCHEMA: &[Privilege] = &[Privilege::Usage, Privilege::Create];

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
            | "ALL PROCEDURES IN SCHEMA" => self.grantees(grant).map(|_| ())?,
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
                self.put_table(changed).map(|_| ())
            }
            Relation::View(def) => {
                self.must_own(def.owner, "view", &def.name)?;
                let mut changed = (**def).clone();
                self.apply(grant, &mut changed.acl, def.owner, TABLE)?;
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
                return Err(SqlError::unsupported("a privilege on columns"));
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
                    format!("invalid privilege type {word} for {}", grant.object_kind.to_lowercase()),
                ));
            }
            wanted.push(found);
        }
        if acl.is_empty() {
            acl.push(AclItem {
                grantee: owner,
                grantor: owner,
                privileges: all.iter().map(|found| (*found, false)).collect(),
            });
        }
        for grantee in self.grantees(grant)? {
            if grant.revoke {
                for item in acl.iter_mut().filter(|item| item.grantee == grantee) {
                    item.privileges.retain(|(found, _)| !wanted.contains(found));
                }
                continue;
            }
            let place = acl.iter().position(|item| item.grantee == grantee).unwrap_or_else(|| {
                acl.push(AclItem { grantee, grantor: self.user(), privileges: Vec::new() });
                acl.len() - 1
            });
            for found in &wanted {
                let list = &mut acl[place].privileges;
                list.retain(|(other, _)| other != found);
                list.push((*found, grant.grant_option));
            }
        }
        acl.retain(|item| !item.privileges.is_empty());
        Ok(())
    }

    fn grant_roles(&self, grant: &GrantStatement) -> Result<()> {
        let own = self.set().shared.role(self.user()).cloned();
        if !own.is_some_and(|own| own.superuser || own.create_role) {
            return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "must have admin option on the role"));
        }
        for name in &grant.grantees {
            let mut changed = (*self.role(name)?).clone();
            for (role, _) in &grant.privileges {
                let role = self.role(&role.to_lowercase())?.oid;
                changed.member_of.retain(|(oid, _)| *oid != role);
                if !grant.revoke {
                    changed.member_of.push((role, grant.grant_option));
                }
            }
            self.put(Entry::Role(Arc::new(changed)))?;
        }
        Ok(())
    }
}
