//! CREATE VIEW.

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, bare};
use crate::catalog::{CheckOption, Entry, Persistence, Relation, ViewBase, ViewDef};
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
        let mut def = ViewDef {
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
            check_option: CheckOption::None,
            security_barrier: None,
            base: None,
        };
        if let ast::CreateTableOptions::With(options) = &create.options {
            for option in options {
                let ast::SqlOption::KeyValue { key, value } = option else {
                    return Err(SqlError::unsupported("this option of a view"));
                };
                let value = match value {
                    ast::Expr::Value(value) => match &value.value {
                        ast::Value::SingleQuotedString(text) => text.clone(),
                        other => other.to_string(),
                    },
                    other => other.to_string(),
                };
                set_option(&mut def, &fold(key), &value)?;
            }
        }
        if let Some(old) = &existing {
            for (column, old) in def.columns.iter_mut().zip(&old.columns) {
                column.acl.clone_from(&old.acl);
                column.default.clone_from(&old.default);
            }
        }
        self.set_base(&mut def)?;
        self.put(Entry::View(Arc::new(def)))?;
        Ok("CREATE VIEW".to_owned())
    }

    /// Finds out whether a view can be written through. Errors: 0A000 if it has a check option and cannot.
    fn set_base(&self, def: &mut ViewDef) -> Result<()> {
        let whole = Arc::new(def.clone());
        match self.bind(|context| crate::plan::written_columns(context, &whole)) {
            Ok((relation, columns)) => {
                def.base = Some(ViewBase { relation, columns });
                Ok(())
            }
            Err(error) if def.check_option != CheckOption::None => {
                let text = "WITH CHECK OPTION is supported only on automatically updatable views";
                let reason = error.fields().detail.clone().unwrap_or_else(|| error.message().to_owned());
                Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text).hint(reason))
            }
            Err(_) => {
                def.base = None;
                Ok(())
            }
        }
    }

    /// ALTER VIEW … SET and RESET of options. Errors: 42501, 22023, 0A000.
    /// ALTER VIEW … ALTER COLUMN … SET and DROP DEFAULT: what rows that are inserted through the view get. Errors: 42703,
    /// those of the expression.
    pub(super) fn alter_view_default(&self, def: &ViewDef, column: &str, default: Option<&ast::Expr>) -> Result<()> {
        self.must_own(def.owner, "view", &def.name)?;
        let mut changed = def.clone();
        let own = changed.columns.iter_mut().find(|own| own.name == column).ok_or_else(|| {
            let text = format!("column \"{column}\" of relation \"{}\" does not exist", def.name);
            SqlError::new(SqlState::UNDEFINED_COLUMN, text)
        })?;
        own.default = default.and_then(|expr| self.default_text(expr));
        if let Some(text) = &own.default {
            let ty = own.ty;
            self.bind(|context| crate::plan::bind_default(context, text, column, ty))?;
        }
        self.put(Entry::View(Arc::new(changed)))
    }

    /// ALTER VIEW … RESET (…).
    pub(super) fn reset_view_options(&self, def: &ViewDef, names: &[String]) -> Result<()> {
        self.must_own(def.owner, "view", &def.name)?;
        let mut changed = def.clone();
        for name in names {
            match name.to_lowercase().as_str() {
                "check_option" => changed.check_option = CheckOption::None,
                "security_barrier" => changed.security_barrier = None,
                _ => {}
            }
        }
        self.put(Entry::View(Arc::new(changed)))
    }

    pub(super) fn alter_view_options(&self, def: &ViewDef, options: &[(String, String)]) -> Result<()> {
        self.must_own(def.owner, "view", &def.name)?;
        let mut changed = def.clone();
        for (name, value) in options {
            set_option(&mut changed, &name.to_lowercase(), value)?;
        }
        self.set_base(&mut changed)?;
        self.put(Entry::View(Arc::new(changed)))
    }
}

/// One option of a view. Errors: 22023.
fn set_option(def: &mut ViewDef, name: &str, value: &str) -> Result<()> {
    let invalid = |text: String| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text);
    match name {
        "check_option" => {
            def.check_option = match value {
                "local" => CheckOption::Local,
                "cascaded" => CheckOption::Cascaded,
                _ => {
                    return Err(invalid(format!("invalid value for enum option \"check_option\": {value}"))
                        .detail("Valid values are \"local\" and \"cascaded\"."));
                }
            };
            Ok(())
        }
        "security_barrier" | "security_invoker" => match crate::exec::parse_bool(value) {
            // Conditions of a view are never run after those of a query that could tell what they hide: none is leaky.
            Some(on) if name == "security_barrier" => {
                def.security_barrier = Some(on);
                Ok(())
            }
            Some(false) => Ok(()),
            Some(_) => Err(SqlError::unsupported("security_invoker")),
            None => Err(invalid(format!("invalid value for boolean option \"{name}\": {value}"))),
        },
        _ => Err(invalid(format!("unrecognized parameter \"{name}\""))),
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
