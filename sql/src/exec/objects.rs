//! Temporary schemas and what else statements outside DDL need of definitions: names, COPY columns, constraints.

use std::sync::Arc;

use super::Backend;
use crate::catalog::{
    BOOTSTRAP_ROLE, Catalog, CatalogChange, Entry, EntryKey, INFORMATION_SCHEMA, PG_CATALOG, PUBLIC, Persistence,
    Relation, SchemaDef, TRIPLINE, TableDef, TableId, TriggerDef,
};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::ObjectName;
use crate::store::{CommitOptions, Store, TxnOptions};
use crate::types::Oid;

/// The schemas that every database has.
pub const STANDARD_SCHEMAS: [(Oid, &str); 4] = [
    (PG_CATALOG, "pg_catalog"),
    (PUBLIC, "public"),
    (INFORMATION_SCHEMA, "information_schema"),
    (TRIPLINE, "tripline"),
];

/// The definition of a standard schema.
#[must_use]
pub fn schema_entry(oid: Oid, name: &str) -> Entry {
    let comment = (oid == crate::catalog::PUBLIC).then(|| "standard public schema".to_owned());
    let def = SchemaDef { oid, name: name.to_owned(), owner: BOOTSTRAP_ROLE, acl: Vec::new(), comment };
    Entry::Schema(Arc::new(def))
}

fn remove(backend: &Backend, key: EntryKey) -> Result<()> {
    backend.pending.borrow_mut().catalog = true;
    let database = backend.database;
    backend.with_txn(|txn| txn.change_catalog(CatalogChange::Remove { database, key }))
}

/// A relation by a name as written. Errors: 42P01.
pub fn find_relation(backend: &Backend, name: &ObjectName) -> Result<Relation> {
    let catalog = backend.catalog()?;
    let last = name.parts.last().map_or("", String::as_str);
    let found = match name.parts.as_slice() {
        [schema, _] | [_, schema, _] => {
            let oid = match schema.as_str() {
                "pg_temp" => backend.temp_schema.get(),
                schema => catalog.schema_by_name(schema).map(|def| def.oid),
            };
            oid.and_then(|oid| catalog.relation(oid, last))
        }
        _ => {
            let explicit = backend.search_path();
            let path = super::planning::implicit_path(backend, &explicit);
            path.iter().find_map(|schema| catalog.relation(*schema, last))
        }
    };
    if let Some(found) = found {
        return Ok(found);
    }
    // Names of AMI tables compare without case.
    let own = |def: &&Arc<TableDef>| {
        def.persistence != Persistence::Temporary || backend.temp_schema.get() == Some(def.schema)
    };
    let same = |def: &&Arc<TableDef>| def.dialect == "ami" && def.name.eq_ignore_ascii_case(last);
    let mut ami = catalog.tables().filter(same).filter(own);
    match (ami.next(), ami.next()) {
        (Some(def), None) => Ok(Relation::Table(def.clone())),
        _ => Err(SqlError::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{}\" does not exist", name.parts.join(".")),
        )),
    }
}

/// Places of the columns of a COPY: those named, or all that are not generated. Errors: 42703, 42P10, 42701.
pub fn copy_columns(table: &TableDef, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        let live = table.live_columns().filter(|(_, column)| column.generated.is_none());
        return Ok(live.map(|(place, _)| place).collect());
    }
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let place = table.column_index(name).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })?;
        if table.columns[place].generated.is_some() {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("column \"{name}\" is a generated column"),
            )
            .detail("Generated columns cannot be used in COPY."));
        }
        if out.contains(&place) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        out.push(place);
    }
    Ok(out)
}

/// OIDs of constraints by name, for SET CONSTRAINTS. Errors: 42704, 42809 if not deferrable.
pub fn constraints_named(backend: &Backend, names: &[ObjectName]) -> Result<Vec<Oid>> {
    let catalog = backend.catalog()?;
    let mut out = Vec::new();
    for name in names {
        let last = name.parts.last().map_or("", String::as_str);
        let before = out.len();
        for table in catalog.tables() {
            for constraint in table.constraints.iter().filter(|one| one.name == last) {
                if !constraint.deferrable {
                    return Err(SqlError::new(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("constraint \"{last}\" is not deferrable"),
                    ));
                }
                out.push(constraint.oid);
            }
        }
        if out.len() == before {
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("constraint \"{last}\" does not exist")));
        }
    }
    Ok(out)
}

/// Removes a table and its sequences, no questions asked.
pub fn drop_table_silently(backend: &Backend, table: &Arc<TableDef>) -> Result<()> {
    backend.with_txn(|txn| txn.lock_catalog())?;
    let catalog = backend.catalog()?;
    for sequence in catalog.sequences() {
        if sequence.owned_by.is_some_and(|(owner, _)| owner == table.id) {
            remove(backend, EntryKey::Sequence(sequence.oid))?;
        }
    }
    scripts_of(&catalog, table.id).try_for_each(|key| remove(backend, key))?;
    remove(backend, EntryKey::Table(table.id.0))
}

/// The AMI scripts that stand on a temporary table, the only triggers that may.
fn scripts_of(catalog: &Catalog, table: TableId) -> impl Iterator<Item = EntryKey> {
    let alone = move |def: &&Arc<TriggerDef>| def.dialect == "ami" && def.tables == [table];
    catalog.triggers_of(table).iter().filter(alone).map(|def| EntryKey::Trigger(def.id.0))
}

/// Drops the session's temporary tables and their schema, in its transaction.
pub fn drop_temporary(backend: &Backend) -> Result<()> {
    let Some(schema) = backend.temp_schema.get() else { return Ok(()) };
    backend.begin();
    backend.with_txn(|txn| txn.lock_catalog())?;
    let catalog = backend.catalog()?;
    let mut keys: Vec<EntryKey> =
        catalog.views().filter(|view| view.schema == schema).map(|view| EntryKey::View(view.oid)).collect();
    for table in catalog.tables().filter(|table| table.schema == schema) {
        keys.extend(scripts_of(&catalog, table.id));
        keys.push(EntryKey::Table(table.id.0));
    }
    keys.extend(catalog.sequences().filter(|one| one.schema == schema).map(|one| EntryKey::Sequence(one.oid)));
    if catalog.schema(schema).is_some() {
        keys.push(EntryKey::Schema(schema));
    }
    for key in keys {
        remove(backend, key)?;
    }
    backend.temp_schema.set(None);
    backend.settings.borrow_mut().generation += 1;
    Ok(())
}

/// Drops the temporary tables of a session that ends. Another's open change of the catalog is waited for a while; what
/// stays behind then goes at the next start, as after a crash.
pub fn end_temporary(backend: &Backend) {
    {
        let mut settings = backend.settings.borrow_mut();
        settings.lock_timeout = 10_000;
        settings.asynchronous = true;
    }
    if drop_temporary(backend).and_then(|()| backend.commit().map(|_| ())).is_err() {
        backend.rollback();
    }
}

/// Removes temporary schemas that a crash left behind.
pub fn drop_leftover_temporary(store: &Store) -> Result<()> {
    let set = store.catalog();
    for catalog in set.databases() {
        let schemas: Vec<Oid> =
            catalog.schemas().filter(|schema| schema.name.starts_with("pg_temp_")).map(|schema| schema.oid).collect();
        if schemas.is_empty() {
            continue;
        }
        let mut txn = store.begin(TxnOptions { database: catalog.database, ..TxnOptions::default() });
        let gone = |oid: Oid| schemas.contains(&oid);
        let mut keys: Vec<EntryKey> =
            catalog.views().filter(|one| gone(one.schema)).map(|one| EntryKey::View(one.oid)).collect();
        for table in catalog.tables().filter(|one| gone(one.schema)) {
            keys.extend(scripts_of(catalog, table.id));
            keys.push(EntryKey::Table(table.id.0));
        }
        keys.extend(catalog.sequences().filter(|one| gone(one.schema)).map(|one| EntryKey::Sequence(one.oid)));
        keys.extend(schemas.iter().map(|oid| EntryKey::Schema(*oid)));
        for key in keys {
            txn.change_catalog(CatalogChange::Remove { database: catalog.database, key })?;
        }
        txn.commit(CommitOptions { asynchronous: true, lazy: false })?;
    }
    Ok(())
}
