//! REASSIGN OWNED and DROP OWNED: everything of this database that belongs to a role, and what was granted to it.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{AclItem, BOOTSTRAP_ROLE, Column, Entry, EntryKey, TableDef, TableShape, TypeKind};
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
        let catalog = self.catalog()?;
        let mine = |owner: Oid| roles.contains(&owner);
        for def in catalog.schemas().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            changed.owner = to;
            self.put(Entry::Schema(Arc::new(changed)))?;
        }
        for def in catalog.tables().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            hand_over_columns(&mut changed.columns, changed.owner, to);
            changed.owner = to;
            self.put_table(changed)?;
        }
        for def in catalog.views().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            hand_over_columns(&mut changed.columns, changed.owner, to);
            changed.owner = to;
            self.put(Entry::View(Arc::new(changed)))?;
        }
        for def in catalog.sequences().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            changed.owner = to;
            self.put(Entry::Sequence(Arc::new(changed)))?;
        }
        for def in catalog.functions().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            changed.owner = to;
            self.put(Entry::Function(Arc::new(changed)))?;
        }
        for def in catalog.types().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            hand_over(&mut changed.acl, changed.owner, to);
            changed.owner = to;
            self.put(Entry::Type(Arc::new(changed)))?;
        }
        // Databases are shared: all of them change hands.
        for def in self.set().shared.databases().filter(|def| mine(def.owner)) {
            let mut changed = (**def).clone();
            changed.owner = to;
            self.put(Entry::Database(Arc::new(changed)))?;
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

    /// Whether the user is a superuser, or a member of the role.
    pub(super) fn may_act_for(&self, role: Oid) -> bool {
        self.backend.superuser.get() || crate::exec::privilege::is_member(&self.set(), self.user(), role)
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
        let catalog = self.catalog()?;
        let theirs = |acl: &[AclItem]| acl.iter().any(|item| roles.contains(&item.grantee));
        let any = |columns: &[Column]| columns.iter().any(|column| theirs(&column.acl));
        let strip = |acl: &mut Vec<AclItem>, owner: Oid| {
            acl.retain(|item| item.grantee == owner || !roles.contains(&item.grantee));
        };
        for def in catalog.tables().filter(|def| theirs(&def.acl) || any(&def.columns)) {
            let mut changed = (**def).clone();
            strip(&mut changed.acl, def.owner);
            changed.columns.iter_mut().for_each(|column| strip(&mut column.acl, 0));
            self.put_table(changed)?;
        }
        for def in catalog.views().filter(|def| theirs(&def.acl) || any(&def.columns)) {
            let mut changed = (**def).clone();
            strip(&mut changed.acl, def.owner);
            changed.columns.iter_mut().for_each(|column| strip(&mut column.acl, 0));
            self.put(Entry::View(Arc::new(changed)))?;
        }
        for def in catalog.sequences().filter(|def| theirs(&def.acl)) {
            let mut changed = (**def).clone();
            strip(&mut changed.acl, def.owner);
            self.put(Entry::Sequence(Arc::new(changed)))?;
        }
        for def in catalog.schemas().filter(|def| theirs(&def.acl)) {
            let mut changed = (**def).clone();
            strip(&mut changed.acl, def.owner);
            self.put(Entry::Schema(Arc::new(changed)))?;
        }
        if let Some(def) = self.set().shared.database(self.backend.database)
            && def.default_acls.iter().any(|one| roles.contains(&one.role) || theirs(&one.acl))
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

/// What an owner gave or had is the new owner's.
fn hand_over(acl: &mut Vec<AclItem>, from: Oid, to: Oid) {
    for item in acl.iter_mut() {
        if item.grantor == from {
            item.grantor = to;
        }
        if item.grantee == from {
            item.grantee = to;
        }
    }
    // The new owner may have been granted something before.
    let mut merged: Vec<AclItem> = Vec::with_capacity(acl.len());
    for item in acl.drain(..) {
        match merged.iter_mut().find(|own| own.grantee == item.grantee && own.grantor == item.grantor) {
            Some(own) => {
                for (privilege, option) in item.privileges {
                    match own.privileges.iter_mut().find(|(known, _)| *known == privilege) {
                        Some((_, known)) => *known |= option,
                        None => own.privileges.push((privilege, option)),
                    }
                }
            }
            None => merged.push(item),
        }
    }
    *acl = merged;
}

fn hand_over_columns(columns: &mut [Column], from: Oid, to: Oid) {
    columns.iter_mut().for_each(|column| hand_over(&mut column.acl, from, to));
}
