//! Who may do what (42501): owners, superusers, grants to a role, to its groups, and to PUBLIC.

use super::Backend;
use crate::catalog::{AclItem, Catalog, CatalogSet, Column, Privilege, Relation, TriggerDef};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::Need;
use crate::types::Oid;

/// Whether `role` is `group` or a member of it, directly or not.
pub(in crate::exec) fn is_member(set: &CatalogSet, role: Oid, group: Oid) -> bool {
    let mut known = vec![role];
    let mut at = 0;
    while let Some(oid) = known.get(at).copied() {
        if oid == group {
            return true;
        }
        if let Some(def) = set.shared.role(oid) {
            for (parent, _) in &def.member_of {
                if !known.contains(parent) {
                    known.push(*parent);
                }
            }
        }
        at += 1;
    }
    false
}

/// Whether an access list (or ownership) gives a privilege to a role.
pub(in crate::exec) fn allows(set: &CatalogSet, role: Oid, owner: Oid, acl: &[AclItem], privilege: Privilege) -> bool {
    if set.shared.role(role).is_some_and(|def| def.superuser) || is_member(set, role, owner) {
        return true;
    }
    listed(set, role, acl, privilege)
}

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
    acl.iter().any(|item| {
        item.privileges.iter().any(|(given, _)| *given == privilege)
            && (item.grantee == 0 || is_member(set, role, item.grantee))
    })
}

fn described(catalog: &Catalog, oid: Oid) -> Option<(Oid, Vec<AclItem>, &'static str, String)> {
    Some(match catalog.relation_by_oid(oid)? {
        Relation::Table(def) => (def.owner, def.acl.clone(), "table", def.name.clone()),
        Relation::View(def) => (def.owner, def.acl.clone(), "view", def.name.clone()),
        Relation::Sequence(def) => (def.owner, def.acl.clone(), "sequence", def.name.clone()),
        Relation::Index(..) => return None,
    })
}

/// Whether a role has a privilege on a relation.
pub fn has_privilege(set: &CatalogSet, database: Oid, role: Oid, relation: Oid, privilege: Privilege) -> bool {
    let Some(catalog) = set.database(database) else { return false };
    match described(catalog, relation) {
        Some((owner, acl, _, _)) => allows(set, role, owner, &acl, privilege),
        None => true,
    }
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
        let Some((owner, acl, kind, name)) = described(catalog, need.relation) else { continue };
        if allows(&set, role, owner, &acl, need.privilege) {
            continue;
        }
        let columns = match (&need.columns, catalog.relation_by_oid(need.relation)) {
            (Some(wanted), Some(Relation::Table(def))) => {
                allows_columns(&set, role, &def.columns, need.privilege, wanted)
            }
            (Some(wanted), Some(Relation::View(def))) => {
                allows_columns(&set, role, &def.columns, need.privilege, wanted)
            }
            _ => false,
        };
        if !columns {
            return Err(denied(kind, &name));
        }
    }
    Ok(())
}

/// Checks privileges of the current user. Errors: 42501.
pub fn check_privileges(backend: &Backend, needed: &[(Oid, Privilege)]) -> Result<()> {
    let set = backend.catalogs();
    let Some(catalog) = set.database(backend.database) else { return Ok(()) };
    for (relation, privilege) in needed {
        let Some((owner, acl, kind, name)) = described(catalog, *relation) else { continue };
        let role = backend.current_user.get();
        let usage = *privilege == Privilege::Usage && allows(&set, role, owner, &acl, Privilege::Update);
        if !usage && !allows(&set, role, owner, &acl, *privilege) {
            return Err(denied(kind, &name));
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
        if !allows(&set, role, table.owner, &table.acl, Privilege::Select) {
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
