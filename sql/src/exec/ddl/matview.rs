//! Materialised views: tables that only REFRESH writes, filled from their query under the search path of their creation.

use std::sync::Arc;

use sqlparser::ast;

use super::dependency;
use super::{Ddl, bare};
use crate::catalog::{Entry, EntryKey, Persistence, Relation, TableDef, TableShape, ViewDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{ObjectName, fold, object_name};

impl Ddl<'_> {
    pub(super) fn create_matview(&self, create: &ast::CreateView, with_data: bool) -> Result<String> {
        let name = object_name(&create.name);
        let (schema, own) = self.place_of(&name, Persistence::Permanent)?;
        if self.name_taken(schema, &own) {
            let text = format!("relation \"{own}\" already exists");
            if create.if_not_exists {
                self.notice(SqlState::DUPLICATE_TABLE, format!("{text}, skipping"));
                return Ok("CREATE MATERIALIZED VIEW".to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, text));
        }
        let query = self.defining(&create.query);
        let query = if self.dialect == "postgres" { self.without_stars(&query) } else { query };
        let (columns, depends_on) = self.query_shape(&query)?;
        if create.columns.len() > columns.len() {
            return Err(SqlError::syntax("too many column names were specified"));
        }
        let mut table = self.empty_table(schema, own, Persistence::Permanent);
        for (place, column) in columns.iter().enumerate() {
            let name = create.columns.get(place).map_or_else(|| column.name.clone(), |given| fold(&given.name));
            if table.column_index(&name).is_some() {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            table.columns.push(self.result_column(name, column)?);
        }
        let catalog = self.catalog()?;
        let path = self.backend.search_path();
        let search_path =
            path.iter().filter_map(|oid| catalog.schema(*oid).map(|schema| schema.name.clone())).collect();
        table.shape = TableShape::Materialized { query, search_path, depends_on, populated: false };
        let table = self.put_table(table)?;
        if !with_data {
            return Ok("CREATE MATERIALIZED VIEW".to_owned());
        }
        Ok(format!("SELECT {}", self.fill(&table)?))
    }

    pub(super) fn refresh_matview(&self, name: &ObjectName, concurrently: bool, with_data: bool) -> Result<String> {
        let table =
            self.matview(name, SqlState::FEATURE_NOT_SUPPORTED)?.ok_or_else(|| super::missing_relation(name))?;
        self.must_own(table.owner, "materialized view", &table.name)?;
        if concurrently {
            if !with_data {
                return Err(SqlError::syntax("CONCURRENTLY and WITH NO DATA options cannot be used together"));
            }
            if matches!(table.shape, TableShape::Materialized { populated: false, .. }) {
                return Err(SqlError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "CONCURRENTLY cannot be used when the materialized view is not populated",
                ));
            }
            let plain = |index: &&crate::catalog::IndexDef| {
                index.unique && index.predicate.is_none() && index.keys.iter().all(|key| key.column.is_some())
            };
            if !table.indexes.iter().any(|index| plain(&index)) {
                let shown = self.qualified(&table)?;
                return Err(SqlError::new(
                    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("cannot refresh materialized view \"{shown}\" concurrently"),
                )
                .hint("Create a unique index with no WHERE clause on one or more columns of the materialized view."));
            }
        }
        self.lock(&table)?;
        if with_data {
            self.fill(&table)?;
        } else {
            let open = self.put_table(TableDef { shape: TableShape::Table, ..(*table).clone() })?;
            self.query(&format!("DELETE FROM {}", self.qualified(&open)?), &[])?;
            self.populated(&table, false)?;
        }
        Ok("REFRESH MATERIALIZED VIEW".to_owned())
    }

    /// Puts the query's rows in the place of those that are there. While it runs, the view is a table that can be
    /// written and its query a view of its own, which nobody else sees before the commit.
    fn fill(&self, table: &Arc<TableDef>) -> Result<u64> {
        let TableShape::Materialized { query, search_path, depends_on, .. } = table.shape.clone() else {
            return Err(SqlError::internal("not a materialized view"));
        };
        let open = self.put_table(TableDef { shape: TableShape::Table, ..(**table).clone() })?;
        let oid = self.allocate_oid();
        let source = ViewDef {
            oid,
            schema: table.schema,
            name: format!("pg_matview_{}", table.id.0),
            owner: table.owner,
            row_type: self.allocate_oid(),
            query,
            search_path,
            columns: table.columns.iter().filter(|column| !column.dropped).cloned().collect(),
            depends_on,
            acl: Vec::new(),
            comment: None,
            check_option: Default::default(),
            security_barrier: None,
            base: None,
        };
        let schema = crate::system::schema_name(&*self.catalog()?, table.schema);
        let from =
            format!("{}.{}", crate::system::quote_identifier(&schema), crate::system::quote_identifier(&source.name));
        self.put(Entry::View(Arc::new(source)))?;
        let target = self.qualified(&open)?;
        self.query(&format!("DELETE FROM {target}"), &[])?;
        let written = self.query(&format!("INSERT INTO {target} SELECT * FROM {from}"), &[]).map_err(|mut error| {
            if error.state() == SqlState::UNIQUE_VIOLATION {
                // PostgreSQL builds the indexes anew after the rows.
                let name = error.fields().constraint.clone().unwrap_or_default();
                error.fields_mut().message = format!("could not create unique index \"{name}\"");
            }
            error
        })?;
        self.remove(EntryKey::View(oid))?;
        self.populated(table, true)?;
        Ok(written.count)
    }

    fn populated(&self, table: &TableDef, now: bool) -> Result<()> {
        let mut changed = table.clone();
        if let TableShape::Materialized { populated, .. } = &mut changed.shape {
            *populated = now;
        }
        self.put_table(changed).map(|_| ())
    }

    /// The materialised view of this name. Errors: `state` if it is something else.
    fn matview(&self, name: &ObjectName, state: SqlState) -> Result<Option<Arc<TableDef>>> {
        match self.find_relation(name)? {
            None => Ok(None),
            Some(Relation::Table(def)) if def.is_materialized() => Ok(Some(def)),
            Some(_) => Err(SqlError::new(state, format!("\"{}\" is not a materialized view", bare(name)))),
        }
    }

    pub(super) fn drop_matview(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let Some(table) = self.matview(name, SqlState::WRONG_OBJECT_TYPE)? else {
            let text = format!("materialized view \"{}\" does not exist", name.parts.join("."));
            if if_exists {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(SqlState::UNDEFINED_TABLE, text));
        };
        self.must_own(table.owner, "materialized view", &table.name)?;
        self.lock(&table)?;
        let dependents = dependency::of_table(&*self.catalog()?, &table);
        self.settle(&format!("materialized view {}", table.name), &dependents, cascade)?;
        self.drop_table(&table)
    }
}
