//! REASSIGN OWNED and DROP OWNED: everything of this database that belongs to a role, and what was granted to it.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{Access, AclItem, BOOTSTRAP_ROLE, Entry, EntryKey, Privilege, TableDef, TableShape, TypeKind};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::ObjectName;
use crate::types::Oid;

impl Ddl<'_> {
    /// REASSIGN OWNED BY … TO …. Errors: 42704, 42501 unless the user is a member of all of them, 2BP01 for the role that
    /// owns what the server needs.
    pub(super) fn reassign_owned(&self, roles: &[String], to: &str) -> Result<String> {
        let roles = self.owners(roles, "reassign")?;
        let to = self.role(to)?.oid;
        if !self.may_act_for(to) {
            return Err(denied("reassign"));
        }
        // Databases are shared: all of them change hands.
        let databases = self.set().shared.databases().cloned().map(Entry::Database).collect::<Vec<_>>();
        for mut entry in self.catalog()?.owned().chain(databases) {
            if entry.guard().is_some_and(|(_, owner, _)| roles.contains(&owner)) {
                entry.give_to(to);
                self.put(entry)?;
            }
        }
        Ok("REASSIGN OWNED".to_owned())
    }

    /// DROP OWNED BY …. Errors: as `reassign_owned`, and 2BP01 for what others need, without CASCADE.
    pub(super) fn drop_owned(&self, roles: &[String], cascade: bool) -> Result<String> {
        let roles = self.owners(roles, "drop")?;
        self.revoke_all(&roles)?;
        let mine = |owner: Oid| roles.contains(&owner);
        // What was made later goes first: it may stand on what was made before.
        let catalog = self.catalog()?;
        let mut views: Vec<(Oid, bool)> =
            catalog.views().filter(|def| mine(def.owner)).map(|def| (def.oid, false)).collect();
        let stored = catalog.tables().filter(|def| mine(def.owner) && def.is_materialized());
        views.extend(stored.map(|def| (def.id.0, true)));
        views.sort_unstable();
        for (oid, stored) in views.into_iter().rev() {
            let now = self.catalog()?;
            let Some(found) = now.relation_by_oid(oid) else { continue };
            let name = self.name_of(&found)?;
            if stored { self.drop_matview(&name, true, cascade)? } else { self.drop_view(&name, true, cascade)? }
        }
        let catalog = self.catalog()?;
        let plain = |def: &&Arc<TableDef>| mine(def.owner) && def.shape == TableShape::Table && !def.hidden;
        let tables: Vec<_> = catalog.tables().filter(plain).cloned().map(crate::catalog::Relation::Table).collect();
        let names = tables.iter().map(|table| self.name_of(table)).collect::<Result<Vec<_>>>()?;
        self.drop_tables(&names, true, cascade)?;
        let catalog = self.catalog()?;
        let sequences: Vec<_> = catalog.sequences().filter(|def| mine(def.owner) && def.owned_by.is_none()).collect();
        for def in sequences {
            let name = self.name_of(&crate::catalog::Relation::Sequence(def.clone()))?;
            self.drop_sequence_named(&name, true, cascade)?;
        }
        let functions: Vec<_> = self.catalog()?.functions().filter(|def| mine(def.owner)).cloned().collect();
        for def in functions {
            if self.catalog()?.functions().any(|own| own.oid == def.oid) {
                self.settle_callers(&def, cascade)?;
                self.remove(EntryKey::Function(def.oid))?;
            }
        }
        let catalog = self.catalog()?;
        let of_type = |schema: Oid, name: &str, domain: bool| (schema, name.to_owned(), domain);
        let mut types: Vec<(Oid, String, bool)> = catalog
            .types()
            .filter(|def| mine(def.owner))
            .map(|def| of_type(def.schema, &def.name, matches!(def.kind, TypeKind::Domain(_))))
            .collect();
        let composite = catalog.tables().filter(|def| mine(def.owner) && def.is_composite());
        types.extend(composite.map(|def| of_type(def.schema, &def.name, false)));
        for (schema, name, domain) in types.into_iter().rev() {
            let schema = crate::system::schema_name(&*self.catalog()?, schema);
            let name = ObjectName { parts: vec![schema, name], offset: 0 };
            self.drop_types(&[name], true, cascade, domain)?;
        }
        let schemas: Vec<String> =
            self.catalog()?.schemas().filter(|def| mine(def.owner)).map(|def| def.name.clone()).collect();
        for name in schemas {
            self.drop_schema(&ObjectName { parts: vec![name], offset: 0 }, true, cascade)?;
        }
        Ok("DROP OWNED".to_owned())
    }

    fn owners(&self, names: &[String], what: &str) -> Result<Vec<Oid>> {
        let mut roles = Vec::with_capacity(names.len());
        for name in names {
            let role = self.role(name)?;
            if role.oid == BOOTSTRAP_ROLE {
                let verb = if what == "drop" { "drop objects" } else { "reassign ownership of objects" };
                return Err(SqlError::new(
                    SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!(
                        "cannot {verb} owned by role {} because they are required by the database system",
                        role.name
                    ),
                ));
            }
            if !self.may_act_for(role.oid) {
                return Err(denied(what));
            }
            roles.push(role.oid);
        }
        Ok(roles)
    }

    /// Whether the user has the rights of a role.
    pub(super) fn may_act_for(&self, role: Oid) -> bool {
        self.backend.superuser.get() || self.set().shared.has_rights_of(self.user(), role)
    }

    /// ALTER … OWNER TO of what the user owns: grants of the old owner become the new one's. Errors: 42704, 42501 for one who
    /// is no superuser and could not have made it as the new owner.
    pub(super) fn change_owner(&self, mut entry: Entry, role: &str) -> Result<()> {
        let to = self.role(role)?;
        let Some((_, from, _)) = entry.guard().filter(|(_, owner, _)| *owner != to.oid) else { return Ok(()) };
        let (what, name) = entry.described();
        self.must_own(from, what, name)?;
        let denied = |text: String| Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text));
        if !self.backend.superuser.get() {
            let set = self.set();
            if !set.shared.is_member(self.user(), to.oid) {
                return denied(format!("must be member of role \"{}\"", to.name));
            }
            let schema = match &entry {
                Entry::Table(def) => def.schema,
                Entry::View(def) => def.schema,
                Entry::Sequence(def) => def.schema,
                Entry::Function(def) => def.schema,
                Entry::Type(def) => def.schema,
                Entry::Database(_) if !set.shared.role(self.user()).is_some_and(|own| own.create_db) => {
                    return denied("permission denied to change owner of database".to_owned());
                }
                Entry::Schema(_) => {
                    self.may_in_database(to.oid, Privilege::Create)?;
                    0
                }
                _ => 0,
            };
            self.may_create_as(to.oid, schema)?;
        }
        if let Entry::Table(table) = &entry {
            // The sequences of its columns go with it.
            for def in self.catalog()?.sequences().filter(|def| def.owned_by.is_some_and(|(of, _)| of == table.id)) {
                let mut sequence = Entry::Sequence(def.clone());
                sequence.give_to(to.oid);
                self.put(sequence)?;
            }
        }
        entry.give_to(to.oid);
        self.put(entry)
    }

    fn name_of(&self, relation: &crate::catalog::Relation) -> Result<ObjectName> {
        use crate::catalog::Relation;
        let (schema, name) = match relation {
            Relation::Table(def) => (def.schema, &def.name),
            Relation::View(def) => (def.schema, &def.name),
            Relation::Sequence(def) => (def.schema, &def.name),
            Relation::Index(def, _) => (def.schema, &def.name),
        };
        let schema = crate::system::schema_name(&*self.catalog()?, schema);
        Ok(ObjectName { parts: vec![schema, name.clone()], offset: 0 })
    }

    /// Takes from roles what they were granted in this database, and what they were to be granted.
    fn revoke_all(&self, roles: &[Oid]) -> Result<()> {
        let theirs = |item: &AclItem| roles.contains(&item.grantee) || roles.contains(&item.grantor);
        let set = self.set();
        let own = set.shared.database(self.backend.database).cloned().map(Entry::Database);
        for mut entry in self.catalog()?.owned().chain(own).filter(|entry| entry.any_item(theirs)) {
            entry.change_lists(|(kind, owner, list)| {
                if roles.contains(&owner) || !list.iter().any(theirs) {
                    return Ok(());
                }
                let before = list.clone();
                let mut access = Access::new(&set.shared, kind, owner, &before);
                for item in before.iter().filter(|item| roles.contains(&item.grantee)) {
                    access.revoke(item.grantor, item.grantee, kind.all(), false, true)?;
                }
                *list = access.into_list();
                Ok(())
            })?;
            self.put(entry)?;
        }
        let listed = |acl: &[AclItem]| acl.iter().any(theirs);
        let strip = |acl: &mut Vec<AclItem>, owner: Oid| {
            acl.retain(|item| item.grantee == owner || !roles.contains(&item.grantee));
        };
        if let Some(def) = self.set().shared.database(self.backend.database)
            && def.default_acls.iter().any(|one| roles.contains(&one.role) || listed(&one.acl))
        {
            let mut changed = (**def).clone();
            changed.default_acls.retain(|one| !roles.contains(&one.role));
            changed.default_acls.iter_mut().for_each(|one| strip(&mut one.acl, one.role));
            self.put(Entry::Database(Arc::new(changed)))?;
        }
        Ok(())
    }
}

fn denied(what: &str) -> SqlError {
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied to {what} objects"))
}
