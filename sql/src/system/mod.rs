//! The catalog relations: pg_catalog, information_schema and tripline, computed from the catalog when read.
//!
//! They are real relations to the planner (PG-130): each has a shape (`shapes`) and a function that computes its rows as
//! the transaction sees them. A relation without such a function exists and is empty. Nothing here is stored, and nothing
//! here knows how a query is run; rows that only the engine knows come through `SystemContext::engine_rows`.

mod access;
mod ami;
mod builtin;
mod comdb2;
mod constraints;
mod describe;
mod information;
mod names;
mod relations;
mod routines;
mod shapes;
mod tripline;
mod type_storage;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub(crate) use builtin::EXTENSIONS;
pub use describe::describe;
pub use names::CatalogNames;
pub use type_storage::type_function;

use crate::catalog::Catalog;
use crate::catalog::CatalogSet;
use crate::catalog::{INFORMATION_SCHEMA, PG_CATALOG, TRIPLINE};
use crate::error::Result;
use crate::error::SqlError;
pub(crate) use crate::plan::deparse::quote_name as quote_identifier;
use crate::plan::{SystemContext, SystemRelation, SystemRows};
use crate::types::{Array, Oid, Row, Value, oid};

/// All catalog relations.
#[must_use]
pub fn relations() -> &'static [SystemRelation] {
    &registry().list
}

/// A catalog relation by schema OID and name.
#[must_use]
pub fn relation(schema: Oid, name: &str) -> Option<&'static SystemRelation> {
    registry().names.get(&(schema, name)).map(|place| &registry().list[*place])
}

/// A catalog relation by OID.
#[must_use]
pub fn relation_by_oid(oid: Oid) -> Option<&'static SystemRelation> {
    registry().oids.get(&oid).map(|place| &registry().list[*place])
}

struct Registry {
    list: Vec<SystemRelation>,
    names: HashMap<(Oid, &'static str), usize>,
    oids: HashMap<Oid, usize>,
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut list: Vec<SystemRelation> = shapes::SHAPES
            .iter()
            .map(|shape| {
                let schema = if shape.information_schema { INFORMATION_SCHEMA } else { PG_CATALOG };
                let rows =
                    if shape.information_schema { information::rows(shape.name) } else { catalog_rows(shape.name) };
                let rows = rows.unwrap_or(no_rows);
                SystemRelation {
                    oid: shape.oid,
                    schema,
                    name: shape.name,
                    columns: shape.columns,
                    view: shape.view,
                    rows,
                }
            })
            .collect();
        list.extend(tripline::relations());
        list.extend(comdb2::relations());
        list.extend(ami::relations());
        let names =
            list.iter().enumerate().map(|(place, relation)| ((relation.schema, relation.name), place)).collect();
        let oids = list.iter().enumerate().map(|(place, relation)| (relation.oid, place)).collect();
        Registry { list, names, oids }
    })
}

fn no_rows(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    Ok(Vec::new())
}

/// The one list of which function computes which relation of pg_catalog.
fn catalog_rows(name: &str) -> Option<SystemRows> {
    Some(match name {
        "pg_class" => relations::pg_class,
        "pg_attribute" => relations::pg_attribute,
        "pg_attrdef" => relations::pg_attrdef,
        "pg_index" => relations::pg_index,
        "pg_sequence" => relations::pg_sequence,
        "pg_sequences" => relations::pg_sequences,
        "pg_trigger" => relations::pg_trigger,
        "pg_rewrite" => relations::pg_rewrite,
        "pg_description" => relations::pg_description,
        "pg_tables" => relations::pg_tables,
        "pg_views" => relations::pg_views,
        "pg_indexes" => relations::pg_indexes,
        "pg_stat_user_tables" | "pg_stat_all_tables" => relations::pg_stat_tables,
        "pg_statio_all_tables" | "pg_statio_user_tables" => relations::pg_statio_tables,
        "pg_constraint" => constraints::pg_constraint,
        "pg_depend" => constraints::pg_depend,
        "pg_type" => builtin::pg_type,
        "pg_enum" => builtin::pg_enum,
        "pg_range" => builtin::pg_range,
        "pg_matviews" => relations::pg_matviews,
        "pg_proc" => builtin::pg_proc,
        "pg_operator" => builtin::pg_operator,
        "pg_aggregate" => builtin::pg_aggregate,
        "pg_cast" => builtin::pg_cast,
        "pg_am" => builtin::pg_am,
        "pg_opclass" => builtin::pg_opclass,
        "pg_opfamily" => builtin::pg_opfamily,
        "pg_default_acl" => access::pg_default_acl,
        "pg_collation" => builtin::pg_collation,
        "pg_language" => builtin::pg_language,
        "pg_tablespace" => builtin::pg_tablespace,
        "pg_extension" => builtin::pg_extension,
        "pg_init_privs" => builtin::pg_init_privs,
        "pg_available_extensions" => builtin::pg_available_extensions,
        "pg_timezone_names" => builtin::pg_timezone_names,
        "pg_namespace" => access::pg_namespace,
        "pg_database" => access::pg_database,
        "pg_authid" => access::pg_authid,
        "pg_roles" => access::pg_roles,
        "pg_user" => access::pg_user,
        "pg_shadow" => access::pg_shadow,
        "pg_group" => access::pg_group,
        "pg_auth_members" => access::pg_auth_members,
        "pg_shdescription" => access::pg_shdescription,
        "pg_db_role_setting" => access::pg_db_role_setting,
        "pg_settings" => |context, _| context.engine_rows("settings"),
        "pg_prepared_statements" => |context, _| context.engine_rows("prepared_statements"),
        "pg_cursors" => |context, _| context.engine_rows("cursors"),
        "pg_locks" => |context, _| context.engine_rows("locks"),
        "pg_stat_activity" => |context, _| context.engine_rows("sessions"),
        "pg_stat_ssl" => |context, _| context.engine_rows("tls"),
        "pg_stat_database" => |context, _| context.engine_rows("stat_database"),
        _ => return None,
    })
}

/// The session's catalog and the set it belongs to.
fn catalog(context: &dyn SystemContext) -> Result<(Arc<CatalogSet>, Arc<Catalog>)> {
    let set = context.runtime().catalogs();
    let own = set.database(context.runtime().database()).cloned();
    let own = own.ok_or_else(|| SqlError::internal("the session's database is gone"))?;
    Ok((set, own))
}

/// The value that a key condition demands of a column, if there is one.
fn wanted(keys: &[(usize, Value)], column: usize) -> Option<&Value> {
    keys.iter().find(|(place, _)| *place == column).map(|(_, value)| value)
}

/// The OID that a key condition demands of a column, if there is one.
fn wanted_oid(keys: &[(usize, Value)], column: usize) -> Option<Oid> {
    wanted(keys, column).and_then(Value::as_i64).and_then(|number| Oid::try_from(number).ok())
}

fn name(text: &str) -> Value {
    Value::text(text)
}

fn flag(letter: u8) -> Value {
    Value::Char(letter)
}

fn int2(number: usize) -> Value {
    Value::Int2(i16::try_from(number).unwrap_or(i16::MAX))
}

fn int4(number: usize) -> Value {
    Value::Int4(i32::try_from(number).unwrap_or(i32::MAX))
}

/// Attribute numbers of places in a row.
fn attribute_numbers(places: &[usize]) -> Vec<Value> {
    places.iter().map(|place| int2(place + 1)).collect()
}

fn array(element: Oid, items: Vec<Value>) -> Value {
    Value::Array(Arc::new(Array::one_dimensional(element, items)))
}

/// An int2vector or oidvector: lower bound 0.
fn vector(element: Oid, items: Vec<Value>) -> Value {
    let dims = if items.is_empty() { Vec::new() } else { vec![(i32::try_from(items.len()).unwrap_or(i32::MAX), 0)] };
    Value::Array(Arc::new(Array { element, dims, items }))
}

/// An array of texts.
pub fn text_array(items: impl IntoIterator<Item = String>) -> Value {
    array(oid::TEXT, items.into_iter().map(Value::from).collect())
}

/// Name of a schema, pg_catalog and its like included.
pub(crate) fn schema_name(catalog: &Catalog, schema: Oid) -> String {
    match schema {
        PG_CATALOG => "pg_catalog".to_owned(),
        INFORMATION_SCHEMA => "information_schema".to_owned(),
        TRIPLINE => "tripline".to_owned(),
        other => catalog.schema(other).map(|def| def.name.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-130, PG-84: fixed OIDs and columns.
    #[test]
    fn relations_are_found_by_name_and_oid() {
        let class = relation(PG_CATALOG, "pg_class").expect("pg_class exists");
        assert_eq!((class.oid, class.columns.len()), (1259, 33));
        assert_eq!(relation_by_oid(1249).map(|found| found.name), Some("pg_attribute"));
        assert_eq!(relation(INFORMATION_SCHEMA, "columns").map(|found| found.columns.len()), Some(44));
        assert!(relation(TRIPLINE, "subscriptions").is_some());
        assert!(relation(PG_CATALOG, "nosuch").is_none());
    }
}
