//! Constraints of CREATE TABLE and ADD CONSTRAINT, and the looking over of rows that are already there.

use std::sync::Arc;

use sqlparser::ast;

use super::index::refuse_unordered;
use super::{Ddl, find_column, key_columns, names};
use crate::catalog::{
    Constraint, ConstraintKind, ForeignKey, ForeignKeyAction, IndexDef, IndexKey, IndexMethod, MatchType, TableDef,
    TableId,
};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{fold, object_name};
use crate::plan::exclusion_operator;
use crate::store::{TableLockMode, WaitPolicy};
use crate::types::{DataType, Oid};

impl Ddl<'_> {
    /// Adds constraints to a definition; NOT VALID ones carry true. With `fresh` the table has no rows and is not
    /// stored yet (so a foreign key may refer to itself).
    pub(super) fn add_constraints(
        &self,
        table: &mut TableDef,
        constraints: Vec<(ast::TableConstraint, bool)>,
        fresh: bool,
    ) -> Result<()> {
        // Keys first: a foreign key of the same statement may refer to them.
        let (keys, others): (Vec<_>, Vec<_>) = constraints.into_iter().partition(|(constraint, _)| {
            matches!(constraint, ast::TableConstraint::PrimaryKey(_) | ast::TableConstraint::Unique(_))
        });
        for (constraint, not_valid) in keys.into_iter().chain(others) {
            self.add_constraint(table, &constraint, not_valid, fresh)?;
        }
        Ok(())
    }

    fn add_constraint(
        &self,
        table: &mut TableDef,
        constraint: &ast::TableConstraint,
        not_valid: bool,
        fresh: bool,
    ) -> Result<()> {
        match constraint {
            ast::TableConstraint::PrimaryKey(key) => self.add_primary_key(table, key),
            ast::TableConstraint::Unique(unique) => self.add_unique(table, unique),
            ast::TableConstraint::Check(check) => self.add_check(table, check, not_valid),
            ast::TableConstraint::ForeignKey(key) => self.add_foreign_key(table, key, not_valid, fresh),
            ast::TableConstraint::PrimaryKeyUsingIndex(using) => self.add_using_index(table, using, true),
            ast::TableConstraint::UniqueUsingIndex(using) => self.add_using_index(table, using, false),
            ast::TableConstraint::Exclude(_) if not_valid => {
                Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "EXCLUDE constraints cannot be marked NOT VALID"))
            }
            ast::TableConstraint::Exclude(exclude) => self.add_exclude(table, exclude),
            other => Err(SqlError::unsupported(format!("constraint {other}"))),
        }
    }

    fn add_exclude(&self, table: &mut TableDef, exclude: &ast::ExcludeConstraint) -> Result<()> {
        let method = exclude.index_method.as_ref().map_or_else(|| "btree".to_owned(), fold);
        let method = match method.as_str() {
            "btree" => IndexMethod::Btree,
            "hash" => IndexMethod::Hash,
            "gist" => IndexMethod::Gist,
            "spgist" => IndexMethod::SpGist,
            "gin" | "brin" => {
                return Err(SqlError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("access method \"{method}\" does not support exclusion constraints"),
                ));
            }
            _ => {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("access method \"{method}\" does not exist"),
                ));
            }
        };
        let mut elements = Vec::with_capacity(exclude.elements.len());
        let mut words = Vec::new();
        for element in &exclude.elements {
            if let ast::Expr::Identifier(ident) = &element.column.column.expr {
                key_columns(table, std::slice::from_ref(ident))?;
            }
            let (key, word) = self.index_key(table, &element.column)?;
            words.push(word);
            let operator = exclusion_operator_name(&element.operator)?;
            check_exclusion_operator(&operator, key.ty, method)?;
            elements.push((key, operator));
        }
        let name = match &exclude.name {
            Some(name) => self.given_index_name(table, fold(name))?,
            None => self.free_index_name(table, &words.join("_"), "excl")?,
        };
        let predicate = exclude.where_clause.as_ref().map(ToString::to_string);
        if let Some(text) = &predicate {
            self.bind_condition(&Arc::new(table.clone()), text)?;
        }
        // What must be equal comes first in the index: it says where the rows are that can conflict.
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by_key(|at| elements[*at].1 != "=");
        let written = elements.iter().enumerate().map(|(at, (_, operator))| {
            let place = order.iter().position(|other| *other == at).unwrap_or(at);
            (place, operator.clone())
        });
        let written: Vec<(usize, String)> = written.collect();
        let index = IndexDef {
            method,
            keys: order.iter().map(|at| elements[*at].0.clone()).collect(),
            include: key_columns(table, &exclude.include)?,
            unique: false,
            deferrable: false,
            predicate,
            ..self.unique_index(table, name.clone(), &[])
        };
        self.attach(table, index, name, exclude.characteristics.as_ref(), |index| ConstraintKind::Exclude {
            index,
            elements: written.clone(),
        })
    }

    pub(super) fn new_constraint(&self, table: &TableDef, name: String, kind: ConstraintKind) -> Result<Constraint> {
        if table.constraints.iter().any(|other| other.name == name) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_OBJECT,
                format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
            ));
        }
        Ok(Constraint {
            oid: self.allocate_oid(),
            name,
            kind,
            deferrable: false,
            deferred: false,
            validated: true,
            comment: None,
        })
    }

    fn add_primary_key(&self, table: &mut TableDef, key: &ast::PrimaryKeyConstraint) -> Result<()> {
        if table.primary_key().is_some() {
            return Err(SqlError::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", table.name),
            ));
        }
        let columns = self.key_places(table, &key.columns, "primary key")?;
        let name = match &key.name {
            Some(name) => self.given_index_name(table, fold(name))?,
            None => self.free_index_name(table, "", "pkey")?,
        };
        for place in &columns {
            table.columns[*place].not_null = true;
        }
        let include = key_columns(table, &key.include)?;
        columns.iter().try_for_each(|place| refuse_unordered(table.columns[*place].ty, IndexMethod::Btree))?;
        let index = IndexDef { primary: true, include, ..self.unique_index(table, name.clone(), &columns) };
        self.attach(table, index, name, key.characteristics.as_ref(), |index| ConstraintKind::PrimaryKey { index })
    }

    fn add_unique(&self, table: &mut TableDef, unique: &ast::UniqueConstraint) -> Result<()> {
        let columns = self.key_places(table, &unique.columns, "unique")?;
        let name = match &unique.name {
            Some(name) => self.given_index_name(table, fold(name))?,
            None => {
                let listed: Vec<&str> = columns.iter().map(|place| table.columns[*place].name.as_str()).collect();
                self.free_index_name(table, &listed.join("_"), "key")?
            }
        };
        let include = key_columns(table, &unique.include)?;
        let nulls_not_distinct = matches!(unique.nulls_distinct, ast::NullsDistinctOption::NotDistinct);
        columns.iter().try_for_each(|place| refuse_unordered(table.columns[*place].ty, IndexMethod::Btree))?;
        let index = IndexDef { nulls_not_distinct, include, ..self.unique_index(table, name.clone(), &columns) };
        self.attach(table, index, name, unique.characteristics.as_ref(), |index| ConstraintKind::Unique { index })
    }

    fn add_using_index(&self, table: &mut TableDef, using: &ast::ConstraintUsingIndex, primary: bool) -> Result<()> {
        let index_name = fold(&using.index_name);
        let place = table.indexes.iter().position(|index| index.name == index_name).ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_OBJECT, format!("index \"{index_name}\" does not exist"))
        })?;
        let index = &table.indexes[place];
        if !index.unique || index.predicate.is_some() || index.keys.iter().any(|key| key.column.is_none()) {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{index_name}\" is not a unique index over plain columns"),
            ));
        }
        let name = using.name.as_ref().map_or(index_name, fold);
        let oid = index.oid;
        let kind =
            if primary { ConstraintKind::PrimaryKey { index: oid } } else { ConstraintKind::Unique { index: oid } };
        let mut constraint = self.new_constraint(table, name.clone(), kind)?;
        apply_characteristics(&mut constraint, using.characteristics.as_ref())?;
        if constraint.deferrable {
            return Err(SqlError::unsupported("a deferrable constraint of an index that is there"));
        }
        let columns: Vec<usize> = table.indexes[place].keys.iter().filter_map(|key| key.column).collect();
        let index = &mut table.indexes[place];
        (index.name, index.constraint, index.primary) = (name, constraint.oid, primary);
        if primary {
            for place in columns {
                table.columns[place].not_null = true;
            }
        }
        table.constraints.push(constraint);
        Ok(())
    }

    fn attach(
        &self,
        table: &mut TableDef,
        mut index: IndexDef,
        name: String,
        characteristics: Option<&ast::ConstraintCharacteristics>,
        kind: impl Fn(Oid) -> ConstraintKind,
    ) -> Result<()> {
        let mut constraint = self.new_constraint(table, name, kind(index.oid))?;
        apply_characteristics(&mut constraint, characteristics)?;
        index.constraint = constraint.oid;
        index.deferrable = constraint.deferrable && index.unique;
        if index.deferrable && index.nulls_not_distinct {
            return Err(SqlError::unsupported("NULLS NOT DISTINCT of a deferrable constraint"));
        }
        table.indexes.push(index);
        table.constraints.push(constraint);
        Ok(())
    }

    fn unique_index(&self, table: &TableDef, name: String, columns: &[usize]) -> IndexDef {
        let key = |place: &usize| IndexKey {
            column: Some(*place),
            expr: None,
            ty: table.columns[*place].ty,
            descending: false,
            nulls_first: false,
            operator_class: None,
            collation: None,
        };
        IndexDef {
            oid: self.allocate_oid(),
            name,
            method: IndexMethod::Btree,
            keys: columns.iter().map(key).collect(),
            include: Vec::new(),
            unique: true,
            deferrable: false,
            nulls_not_distinct: false,
            primary: false,
            predicate: None,
            constraint: 0,
            upsert: false,
            options: Vec::new(),
            comment: None,
        }
    }

    fn key_places(&self, table: &TableDef, columns: &[ast::IndexColumn], kind: &str) -> Result<Vec<usize>> {
        let mut places = Vec::new();
        for column in columns {
            let ast::Expr::Identifier(ident) = &column.column.expr else {
                return Err(SqlError::syntax("a key lists columns, not expressions"));
            };
            let place = key_columns(table, std::slice::from_ref(ident))?[0];
            if places.contains(&place) {
                let name = &table.columns[place].name;
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" appears twice in {kind} constraint"),
                ));
            }
            places.push(place);
        }
        Ok(places)
    }

    fn given_index_name(&self, table: &TableDef, name: String) -> Result<String> {
        if self.name_taken(table.schema, &name) || table.indexes.iter().any(|index| index.name == name) {
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        Ok(name)
    }

    fn free_index_name(&self, table: &TableDef, columns: &str, label: &str) -> Result<String> {
        let taken: Vec<String> = table.indexes.iter().map(|index| index.name.clone()).collect();
        Ok(names::relation(&*self.catalog()?, table.schema, &table.name, columns, label, &taken))
    }

    fn add_check(&self, table: &mut TableDef, check: &ast::CheckConstraint, not_valid: bool) -> Result<()> {
        let text = check.expr.to_string();
        let columns = named_columns(table, &check.expr);
        let name = match (&check.name, columns.as_slice()) {
            (Some(name), _) => fold(name),
            (None, [only]) => names::constraint(table, &table.columns[*only].name, "check"),
            (None, _) => names::constraint(table, "", "check"),
        };
        let mut constraint = self.new_constraint(table, name, ConstraintKind::Check { expr: text, columns })?;
        constraint.validated = !not_valid;
        table.constraints.push(constraint);
        Ok(())
    }

    fn add_foreign_key(
        &self,
        table: &mut TableDef,
        key: &ast::ForeignKeyConstraint,
        not_valid: bool,
        fresh: bool,
    ) -> Result<()> {
        let parent_name = object_name(&key.foreign_table);
        let own = matches!(parent_name.parts.as_slice(), [bare] if *bare == table.name);
        let parent = match self.find_relation(&parent_name)? {
            None if own && fresh => table.clone(),
            _ => {
                let found = self.table(&parent_name)?;
                if found.id == table.id { table.clone() } else { (*found).clone() }
            }
        };
        let (own, set) = crate::parse::delete_columns(&key.columns);
        let columns = foreign_columns(table, &own)?;
        let delete_columns = foreign_columns(table, &set)?;
        if let Some(place) = delete_columns.iter().find(|place| !columns.contains(place)) {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!(
                    "column \"{}\" referenced in ON DELETE SET action must be part of foreign key",
                    table.columns[*place].name
                ),
            ));
        }
        let parent_columns = if key.referred_columns.is_empty() {
            let primary = parent.primary_key().ok_or_else(|| {
                SqlError::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", parent.name),
                )
            })?;
            primary.keys.iter().filter_map(|key| key.column).collect()
        } else {
            foreign_columns(&parent, &key.referred_columns)?
        };
        if columns.len() != parent_columns.len() {
            return Err(SqlError::new(
                SqlState::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        // Nobody deletes what is about to be referred to, and those who come later see the key.
        if parent.id != table.id {
            let mode = TableLockMode::ShareRowExclusive;
            self.backend.with_txn(|txn| txn.lock_table(parent.id, mode, WaitPolicy::Wait))?;
        }
        let parent_index = matching_index(&parent, &parent_columns).ok_or_else(|| {
            SqlError::new(
                SqlState::INVALID_FOREIGN_KEY,
                format!("there is no unique constraint matching given keys for referenced table \"{}\"", parent.name),
            )
        })?;
        if parent.indexes.iter().any(|index| index.oid == parent_index && index.deferrable) {
            return Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("cannot use a deferrable unique constraint for referenced table \"{}\"", parent.name),
            ));
        }
        let name = match &key.name {
            Some(name) => fold(name),
            None => {
                let listed: Vec<&str> = columns.iter().map(|place| table.columns[*place].name.as_str()).collect();
                names::constraint(table, &listed.join("_"), "fkey")
            }
        };
        for (own, other) in columns.iter().zip(&parent_columns) {
            self.comparable(table, *own, &parent, *other, &name)?;
        }
        let kind = ConstraintKind::ForeignKey(ForeignKey {
            columns,
            parent: parent.id,
            parent_columns,
            parent_index,
            on_update: action(key.on_update.as_ref()),
            on_delete: action(key.on_delete.as_ref()),
            delete_columns,
            match_type: match key.match_kind {
                Some(ast::ConstraintReferenceMatchKind::Full) => MatchType::Full,
                Some(ast::ConstraintReferenceMatchKind::Partial) => {
                    return Err(SqlError::unsupported("MATCH PARTIAL"));
                }
                _ => MatchType::Simple,
            },
        });
        let mut constraint = self.new_constraint(table, name, kind)?;
        constraint.validated = !not_valid;
        apply_characteristics(&mut constraint, key.characteristics.as_ref())?;
        table.constraints.push(constraint);
        Ok(())
    }

    fn comparable(&self, table: &TableDef, own: usize, parent: &TableDef, other: usize, name: &str) -> Result<()> {
        let (left, right) = (table.columns[own].ty, parent.columns[other].ty);
        if crate::expr::resolve_operator("=", Some(left.oid), right.oid).is_ok() {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!("foreign key constraint \"{name}\" cannot be implemented"),
        )
        .detail(format!(
            "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
            table.columns[own].name,
            parent.columns[other].name,
            crate::types::shown_type(left),
            crate::types::shown_type(right)
        )))
    }

    /// Looks over the rows that are there for constraints from place `from` on. Errors: 23514, 23503.
    pub(super) fn validate(&self, table: TableId, from: usize) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(table) = catalog.table(table) else { return Ok(()) };
        for constraint in table.constraints.iter().skip(from).filter(|constraint| constraint.validated) {
            self.validate_one(table, constraint)?;
        }
        Ok(())
    }

    pub(super) fn validate_one(&self, table: &TableDef, constraint: &Constraint) -> Result<()> {
        let name = self.qualified(table)?;
        match &constraint.kind {
            ConstraintKind::Check { expr, .. } => {
                let sql = format!("SELECT 1 FROM {name} WHERE NOT ({expr}) LIMIT 1");
                if self.query(&sql, &[])?.rows.is_empty() {
                    return Ok(());
                }
                Err(SqlError::new(
                    SqlState::CHECK_VIOLATION,
                    format!(
                        "check constraint \"{}\" of relation \"{}\" is violated by some row",
                        constraint.name, table.name
                    ),
                )
                .table(crate::system::schema_name(&*self.catalog()?, table.schema), &table.name)
                .constraint(&constraint.name))
            }
            ConstraintKind::ForeignKey(key) => self.validate_foreign_key(table, constraint, key),
            ConstraintKind::Exclude { .. } => crate::exec::exclusion::validate(self.backend, table.id, constraint.oid),
            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } if constraint.deferrable => {
                crate::exec::exclusion::validate(self.backend, table.id, constraint.oid)
            }
            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => Ok(()),
        }
    }

    fn validate_foreign_key(&self, table: &TableDef, constraint: &Constraint, key: &ForeignKey) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(parent) = catalog.table(key.parent) else { return Ok(()) };
        let quoted = |def: &TableDef, place: usize| crate::system::quote_identifier(&def.columns[place].name);
        let pairs = key.columns.iter().zip(&key.parent_columns);
        let joined: Vec<String> =
            pairs.map(|(own, other)| format!("p.{} = c.{}", quoted(parent, *other), quoted(table, *own))).collect();
        let present: Vec<String> =
            key.columns.iter().map(|place| format!("c.{} IS NOT NULL", quoted(table, *place))).collect();
        let shown: Vec<String> = key.columns.iter().map(|place| format!("c.{}::text", quoted(table, *place))).collect();
        let sql = format!(
            "SELECT {} FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {}) LIMIT 1",
            shown.join(", "),
            self.qualified(table)?,
            present.join(" AND "),
            self.qualified(parent)?,
            joined.join(" AND ")
        );
        let found = self.query(&sql, &[])?;
        let Some(row) = found.rows.first() else { return Ok(()) };
        let values: Vec<&str> = row.iter().map(|value| value.as_str().unwrap_or("null")).collect();
        let columns: Vec<&str> = key.columns.iter().map(|place| table.columns[*place].name.as_str()).collect();
        let schema = crate::system::schema_name(&catalog, table.schema);
        Err(SqlError::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                table.name, constraint.name
            ),
        )
        .detail(format!(
            "Key ({})=({}) is not present in table \"{}\".",
            columns.join(", "),
            values.join(", "),
            parent.name
        ))
        .table(schema, &table.name)
        .constraint(&constraint.name))
    }

    /// ALTER TABLE … ALTER CONSTRAINT. Errors: 42704, 42809 for what is no foreign key.
    pub(super) fn alter_constraint(
        &self,
        table: &TableDef,
        name: &str,
        deferrable: bool,
        deferred: bool,
    ) -> Result<()> {
        let mut changed = table.clone();
        let found = changed.constraints.iter_mut().find(|constraint| constraint.name == *name);
        let Some(constraint) = found else {
            let text = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, text));
        };
        if !matches!(constraint.kind, ConstraintKind::ForeignKey(_)) {
            let text = format!("constraint \"{name}\" of relation \"{}\" is not a foreign key constraint", table.name);
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
        }
        (constraint.deferrable, constraint.deferred) = (deferrable, deferred);
        self.put_table(changed).map(|_| ())
    }
}

/// Columns that an expression names, in table order.
pub(super) fn named_columns(table: &TableDef, expr: &ast::Expr) -> Vec<usize> {
    let mut places = std::collections::BTreeSet::new();
    let _ = sqlparser::ast::visit_expressions(expr, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        places.extend(ident.and_then(|ident| find_column(table, &fold(ident))));
        std::ops::ControlFlow::<()>::Continue(())
    });
    places.into_iter().collect()
}

fn foreign_columns(table: &TableDef, names: &[ast::Ident]) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|ident| {
            let name = fold(ident);
            find_column(table, &name).ok_or_else(|| {
                SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{name}\" referenced in foreign key constraint does not exist"),
                )
            })
        })
        .collect()
}

/// A unique index over exactly these columns, in any order, without a predicate.
fn matching_index(table: &TableDef, columns: &[usize]) -> Option<Oid> {
    let fits = |index: &&IndexDef| {
        let keys: Vec<usize> = index.keys.iter().filter_map(|key| key.column).collect();
        index.unique
            && index.predicate.is_none()
            && keys.len() == index.keys.len()
            && keys.len() == columns.len()
            && columns.iter().all(|place| keys.contains(place))
    };
    let primary = table.indexes.iter().filter(|index| index.primary).find(fits);
    primary.or_else(|| table.indexes.iter().find(fits)).map(|index| index.oid)
}

fn action(action: Option<&ast::ReferentialAction>) -> ForeignKeyAction {
    match action {
        None | Some(ast::ReferentialAction::NoAction) => ForeignKeyAction::NoAction,
        Some(ast::ReferentialAction::Restrict) => ForeignKeyAction::Restrict,
        Some(ast::ReferentialAction::Cascade) => ForeignKeyAction::Cascade,
        Some(ast::ReferentialAction::SetNull) => ForeignKeyAction::SetNull,
        Some(ast::ReferentialAction::SetDefault) => ForeignKeyAction::SetDefault,
    }
}

fn apply_characteristics(
    constraint: &mut Constraint,
    characteristics: Option<&ast::ConstraintCharacteristics>,
) -> Result<()> {
    let Some(said) = characteristics else { return Ok(()) };
    constraint.deferred = matches!(said.initially, Some(ast::DeferrableInitial::Deferred));
    constraint.deferrable = said.deferrable.unwrap_or(constraint.deferred);
    if constraint.deferred && said.deferrable == Some(false) {
        return Err(SqlError::syntax("constraint declared INITIALLY DEFERRED must be DEFERRABLE"));
    }
    Ok(())
}

/// The operator of an element; one of another schema than pg_catalog does not exist.
fn exclusion_operator_name(operator: &ast::ExcludeConstraintOperator) -> Result<String> {
    match operator {
        ast::ExcludeConstraintOperator::Token(token) if token == "!=" => Ok("<>".to_owned()),
        ast::ExcludeConstraintOperator::Token(token) => Ok(token.clone()),
        ast::ExcludeConstraintOperator::PGOperator(parts) => match parts.as_slice() {
            [name] => Ok(name.clone()),
            [schema, name] if schema == "pg_catalog" => Ok(name.clone()),
            _ => Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("operator does not exist: {}", parts.join(".")),
            )),
        },
    }
}

/// Errors: 42883 no such operator, 42809 one that cannot tell of conflicts, or that the access method does not know.
fn check_exclusion_operator(name: &str, key: DataType, method: IndexMethod) -> Result<()> {
    let ty = crate::types::shown_type(DataType::new(key.oid));
    let wrong = |what: String, detail: &str| {
        SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("operator {name}({ty},{ty}) {what}")).detail(detail)
    };
    if exclusion_operator(name, key)?.is_none() {
        return Err(wrong(
            "is not commutative".to_owned(),
            "Only commutative operators can be used in exclusion constraints.",
        ));
    }
    if name != "=" && matches!(method, IndexMethod::Btree | IndexMethod::Hash) {
        let family = if matches!(method, IndexMethod::Btree) { "btree" } else { "hash" };
        return Err(wrong(
            format!("is not a member of an operator family of the access method \"{family}\""),
            "The exclusion operator must be related to the index operator class for the constraint.",
        ));
    }
    Ok(())
}
