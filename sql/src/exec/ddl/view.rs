//! CREATE VIEW.

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, bare};
use crate::catalog::{Entry, Persistence, Relation, ViewDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{fold, object_name};
use crate::types::Oid;

impl Ddl<'_> {
    pub(super) fn create_view(&self, create: &ast::CreateView) -> Result<String> {
        if create.materialized {
            return self.create_matview(create, true);
        }
        let name = object_name(&create.name);
        let query = self.defining(&create.query);
        let query = if self.dialect == "postgres" { self.without_stars(&query) } else { query };
        let (plan_columns, depends_on) = self.query_shape(&query)?;
        let catalog = self.catalog()?;
        let passing = |oid: &Oid| {
            catalog.relation_by_oid(*oid).is_some_and(|found| match found {
                Relation::Table(def) => def.persistence == Persistence::Temporary,
                Relation::View(def) => Some(def.schema) == self.backend.temp_schema.get(),
                _ => false,
            })
        };
        let temporary = create.temporary || depends_on.iter().any(passing);
        if temporary && !create.temporary {
            let text = format!("view \"{}\" will be a temporary view", bare(&name));
            self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
        }
        let persistence = if temporary { Persistence::Temporary } else { Persistence::Permanent };
        let (schema, own_name) = self.place_of(&name, persistence)?;
        let mut columns = Vec::new();
        for (place, column) in plan_columns.iter().enumerate() {
            let named = create.columns.get(place).map_or_else(|| column.name.clone(), |given| fold(&given.name));
            columns.push(self.result_column(named, column)?);
        }
        if create.columns.len() > columns.len() {
            return Err(SqlError::syntax("CREATE VIEW specifies more column names than columns"));
        }
        for (place, column) in columns.iter().enumerate() {
            if columns[..place].iter().any(|other| other.name == column.name) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
        }
        let existing = match self.catalog()?.relation(schema, &own_name) {
            Some(Relation::View(old)) if create.or_replace => Some(old),
            Some(Relation::View(_)) | None if self.name_taken(schema, &own_name) => {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_TABLE,
                    format!("relation \"{own_name}\" already exists"),
                ));
            }
            None => None,
            Some(_) if create.or_replace => {
                return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a view", bare(&name))));
            }
            Some(_) => {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_TABLE,
                    format!("relation \"{own_name}\" already exists"),
                ));
            }
        };
        if let Some(old) = &existing {
            self.must_own(old.owner, "view", &old.name)?;
            check_replacement(old, &columns)?;
        }
        let path: Vec<String> = {
            let catalog = self.catalog()?;
            let own = self.backend.temp_schema.get().filter(|_| temporary);
            own.iter()
                .chain(self.backend.search_path().iter())
                .filter_map(|oid| catalog.schema(*oid).map(|def| def.name.clone()))
                .collect()
        };
        let def = ViewDef {
            oid: existing.as_ref().map_or_else(|| self.allocate_oid(), |old| old.oid),
            schema,
            name: own_name,
            owner: existing.as_ref().map_or_else(|| self.user(), |old| old.owner),
            row_type: existing.as_ref().map_or_else(|| self.allocate_oid(), |old| old.row_type),
            query,
            search_path: path,
            columns,
            depends_on,
            acl: match &existing {
                Some(old) => old.acl.clone(),
                None if persistence == Persistence::Temporary => Vec::new(),
                None => self.default_acl('r', schema),
            },
            comment: existing.as_ref().and_then(|old| old.comment.clone()),
        };
        self.put(Entry::View(Arc::new(def)))?;
        Ok("CREATE VIEW".to_owned())
    }
}

/// A replaced view keeps its columns and may add some at the end.
fn check_replacement(old: &ViewDef, columns: &[crate::catalog::Column]) -> Result<()> {
    let invalid = |text: String| Err(SqlError::new(SqlState::INVALID_TABLE_DEFINITION, text));
    if columns.len() < old.columns.len() {
        return invalid("cannot drop columns from view".to_owned());
    }
    for (before, after) in old.columns.iter().zip(columns) {
        if before.name != after.name {
            return invalid(format!("cannot change name of view column \"{}\" to \"{}\"", before.name, after.name));
        }
        if before.ty != after.ty {
            let (from, to) = (crate::types::shown_type(before.ty), crate::types::shown_type(after.ty));
            return invalid(format!("cannot change data type of view column \"{}\" from {from} to {to}", before.name));
        }
    }
    Ok(())
}
