//! Who may do what (42501): owners, superusers, grants to a role, to its groups, and to PUBLIC.

use super::Backend;
use crate::catalog::{
    Access, AclItem, Catalog, CatalogSet, Column, Entry, Guarded, Privilege, Relation, Rights, TriggerDef,
};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::Need;
use crate::types::Oid;

/// Whether a role has a privilege on the columns that it is needed on: by grants on each of them, or on any if none is
/// named. Privileges on the relation are not looked at.
pub(in crate::exec) fn allows_columns(
    set: &CatalogSet,
    role: Oid,
    columns: &[Column],
    privilege: Privilege,
    wanted: &[i16],
) -> bool {
    let granted = |column: &Column| !column.dropped && listed(set, role, &column.acl, privilege);
    if wanted.is_empty() {
        return columns.iter().any(granted);
    }
    let at = |number: &i16| usize::try_from(*number).ok().and_then(|number| columns.get(number.checked_sub(1)?));
    wanted.iter().all(|number| at(number).is_some_and(granted))
}

fn listed(set: &CatalogSet, role: Oid, acl: &[AclItem], privilege: Privilege) -> bool {
    !Access::new(&set.shared, Guarded::Column, 0, acl).held(role, Rights::of(&[privilege])).is_empty()
}

/// A relation or function by OID; none for what has no privileges of its own.
fn guarded(catalog: &Catalog, oid: Oid) -> Option<Entry> {
    Some(match catalog.relation_by_oid(oid) {
        Some(Relation::Table(def)) => Entry::Table(def),
        Some(Relation::View(def)) => Entry::View(def),
        Some(Relation::Sequence(def)) => Entry::Sequence(def),
        Some(Relation::Index(..)) => return None,
        None => Entry::Function(catalog.function(oid)?.clone()),
    })
}

/// Whether the access list of an object gives a privilege to a role.
pub(in crate::exec) fn allows(set: &CatalogSet, role: Oid, entry: &Entry, privilege: Privilege) -> bool {
    entry.guard().is_none_or(|(kind, owner, list)| {
        !Access::new(&set.shared, kind, owner, list).held(role, Rights::of(&[privilege])).is_empty()
    })
}

/// Whether a role has a privilege on a relation.
pub fn has_privilege(set: &CatalogSet, database: Oid, role: Oid, relation: Oid, privilege: Privilege) -> bool {
    let Some(catalog) = set.database(database) else { return false };
    guarded(catalog, relation).is_none_or(|entry| allows(set, role, &entry, privilege))
}

/// Checks the privileges that a plan needs: the owners of the views that it goes through must have theirs whoever asks.
/// Errors: 42501.
pub fn check_needs(backend: &Backend, needed: &[Need]) -> Result<()> {
    let superuser = backend.superuser.get();
    if superuser && needed.iter().all(|need| need.role.is_none()) {
        return Ok(());
    }
    let set = backend.catalogs();
    let Some(catalog) = set.database(backend.database) else { return Ok(()) };
    // What the user may not do is told before what the owner of a view may not.
    let (own, of_views): (Vec<&Need>, Vec<&Need>) = needed.iter().partition(|need| need.role.is_none());
    for need in own.into_iter().chain(of_views) {
        let role = match need.role {
            Some(owner) => owner,
            None if superuser => continue,
            None => backend.current_user.get(),
        };
        let Some(entry) = guarded(catalog, need.relation) else { continue };
        let by_column = |wanted: &Vec<i16>| allows_columns(&set, role, entry.columns(), need.privilege, wanted);
        if !allows(&set, role, &entry, need.privilege) && !need.columns.as_ref().is_some_and(by_column) {
            let (kind, name) = entry.described();
            return Err(denied(kind, name));
        }
    }
    Ok(())
}

/// Checks privileges of the current user. Errors: 42501.
pub fn check_privileges(backend: &Backend, needed: &[(Oid, Privilege)]) -> Result<()> {
    let set = backend.catalogs();
    let Some(catalog) = set.database(backend.database) else { return Ok(()) };
    for (relation, privilege) in needed {
        let Some(entry) = guarded(catalog, *relation) else { continue };
        let role = backend.current_user.get();
        let usage = *privilege == Privilege::Usage && allows(&set, role, &entry, Privilege::Update);
        if !usage && !allows(&set, role, &entry, *privilege) {
            let (kind, name) = entry.described();
            return Err(denied(kind, name));
        }
    }
    Ok(())
}

/// Checks that the current role may read the tables that a trigger's events come from, also those that are dropped.
/// Errors: 42501.
pub fn check_watched(backend: &Backend, def: &TriggerDef) -> Result<()> {
    let set = backend.catalogs();
    let Some(catalog) = set.database(backend.database) else { return Ok(()) };
    let role = backend.current_user.get();
    let watched = def.events.iter().filter_map(|event| catalog.watched(def, event.table));
    for table in watched {
        let access = Access::new(&set.shared, Guarded::Table, table.owner, &table.acl);
        if access.held(role, Rights::of(&[Privilege::Select])).is_empty() {
            return Err(denied("table", &table.name));
        }
    }
    Ok(())
}

/// 42501 `permission denied for table t`.
pub(in crate::exec) fn denied(kind: &str, name: &str) -> SqlError {
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {kind} {name}"))
}

/// Checks one privilege on a relation. Errors: 42501.
pub(in crate::exec) fn require(backend: &Backend, relation: Oid, privilege: Privilege) -> Result<()> {
    if backend.superuser.get() {
        return Ok(());
    }
    check_privileges(backend, &[(relation, privilege)])
}
