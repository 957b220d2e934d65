//! Columns of CREATE TABLE and ADD COLUMN: types, defaults, serial, identity, generated; their constraints are handed on.

use sqlparser::ast;

use super::{Ddl, names};
use crate::catalog::{Column, Generated, Identity, Persistence, SequenceDef, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{fold, object_name};
use crate::types::{DataType, Oid, oid};

/// A column with the constraints written beside it; true: NOT VALID.
pub(super) struct BuiltColumn {
    pub(super) column: Column,
    pub(super) constraints: Vec<(ast::TableConstraint, bool)>,
}

/// `serial` and its kin stand for an integer type with a sequence.
fn serial_type(data_type: &ast::DataType) -> Option<Oid> {
    let ast::DataType::Custom(name, modifiers) = data_type else { return None };
    if !modifiers.is_empty() {
        return None;
    }
    match object_name(name).parts.last().map(String::as_str) {
        Some("serial" | "serial4") => Some(oid::INT4),
        Some("bigserial" | "serial8") => Some(oid::INT8),
        Some("smallserial" | "serial2") => Some(oid::INT2),
        _ => None,
    }
}

impl Ddl<'_> {
    /// Builds a column of `table`; sequences that it owns are added to `sequences`, to be stored before the table.
    pub(super) fn build_column(
        &self,
        table: &TableDef,
        def: &ast::ColumnDef,
        sequences: &mut Vec<SequenceDef>,
    ) -> Result<BuiltColumn> {
        let name = fold(&def.name);
        if ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"].contains(&name.as_str()) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column name \"{name}\" conflicts with a system column name"),
            ));
        }
        let serial = serial_type(&def.data_type);
        let ty = match serial {
            Some(oid) => DataType::new(oid),
            None => {
                if def.data_type.to_string().eq_ignore_ascii_case("cstring") {
                    return Err(SqlError::syntax("cstring needs a size in a column definition: cstring(n)"));
                }
                self.usable_type(&def.data_type)?
            }
        };
        let (ty, domain) = self.below_domain(ty)?;
        let mut column = Column {
            name,
            ty,
            not_null: serial.is_some(),
            default: None,
            identity: None,
            generated: None,
            sequence: None,
            missing: None,
            collation: None,
            dropped: false,
            comment: None,
            domain,
            acl: Vec::new(),
        };
        let mut constraints = Vec::new();
        let mut said_null = false;
        if serial.is_none()
            && let Some(text) = super::binding::comdb2_check(&def.data_type, &column.name)
        {
            let check = ast::CheckConstraint {
                name: None,
                expr: Box::new(crate::parse::parse_expr(&text)?),
                enforced: None,
                no_inherit: false,
            };
            let check = column_constraint(&ast::ColumnOption::Check(check), None, &def.name)?;
            constraints.extend(check.map(|found| (found, false)));
        }
        for option in &def.options {
            let named = option.name.clone();
            match &option.option {
                ast::ColumnOption::Null => said_null = true,
                ast::ColumnOption::NotNull => column.not_null = true,
                ast::ColumnOption::Default(expr) => {
                    if column.default.is_some() || serial.is_some() {
                        return Err(SqlError::syntax(format!(
                            "multiple default values specified for column \"{}\" of table \"{}\"",
                            column.name, table.name
                        )));
                    }
                    // COLLATE behind a default that is not in parentheses is the column's.
                    let expr = match expr {
                        ast::Expr::Collate { expr, collation } => {
                            column.collation = Some(self.collation(collation)?);
                            expr
                        }
                        expr => expr,
                    };
                    column.default = self.default_text(expr);
                }
                ast::ColumnOption::Collation(collation) => column.collation = Some(self.collation(collation)?),
                ast::ColumnOption::Generated { generated_as, sequence_options, generation_expr, .. } => {
                    if let Some(expr) = generation_expr {
                        column.generated = Some(Generated { expr: expr.to_string() });
                    } else {
                        let options = sequence_options.as_deref().unwrap_or_default();
                        let identity = identity_of(generated_as);
                        let sequence = self.identity_sequence(table, &column, options, sequences)?;
                        column.sequence = Some(sequence.oid);
                        sequences.push(sequence);
                        column.identity = Some(identity);
                        column.not_null = true;
                    }
                }
                other => constraints.extend(column_constraint(other, named, &def.name)?.map(|found| (found, false))),
            }
        }
        if said_null && column.not_null {
            return Err(SqlError::syntax(format!(
                "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{}\"",
                column.name, table.name
            )));
        }
        if column.default.is_some() && column.identity.is_some() {
            return Err(SqlError::syntax(format!(
                "both default and identity specified for column \"{}\" of table \"{}\"",
                column.name, table.name
            )));
        }
        if let Some(ty) = serial {
            let mut sequence = self.owned_sequence(table, &column.name, ty, sequences)?;
            sequence.owned_by = Some((table.id, table.columns.len()));
            column.sequence = Some(sequence.oid);
            sequences.push(sequence);
        }
        Ok(BuiltColumn { column, constraints })
    }

    fn collation(&self, name: &ast::ObjectName) -> Result<String> {
        let text = object_name(name).parts.pop().unwrap_or_default();
        match text.as_str() {
            "C" | "POSIX" | "default" => Ok(text),
            other => Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("collation \"{other}\" for encoding \"UTF8\" does not exist"),
            )),
        }
    }

    /// The text of a default; DEFAULT NULL is none.
    pub(super) fn default_text(&self, expr: &ast::Expr) -> Option<String> {
        let null = matches!(expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::Null));
        (!null).then(|| expr.to_string())
    }

    /// A sequence for a serial or identity column, named `table_column_seq`.
    pub(super) fn owned_sequence(
        &self,
        table: &TableDef,
        column: &str,
        ty: Oid,
        others: &[SequenceDef],
    ) -> Result<SequenceDef> {
        let taken: Vec<String> = others.iter().map(|other| other.name.clone()).chain([table.name.clone()]).collect();
        let name = names::relation(&*self.catalog()?, table.schema, &table.name, column, "seq", &taken);
        Ok(SequenceDef {
            oid: self.allocate_oid(),
            schema: table.schema,
            name,
            owner: self.user(),
            data_type: ty,
            start: 1,
            increment: 1,
            min: 1,
            max: super::sequence::type_max(ty),
            cache: 1,
            cycle: false,
            owned_by: Some((table.id, table.columns.len())),
            identity: false,
            persistence: if table.persistence == Persistence::Temporary {
                Persistence::Temporary
            } else {
                Persistence::Permanent
            },
            acl: self.default_acl('S', table.schema),
            comment: None,
        })
    }

    /// The sequence of an identity column with the options written in parentheses.
    pub(super) fn identity_sequence(
        &self,
        table: &TableDef,
        column: &Column,
        options: &[ast::SequenceOptions],
        others: &[SequenceDef],
    ) -> Result<SequenceDef> {
        if ![oid::INT2, oid::INT4, oid::INT8].contains(&column.ty.oid) {
            return Err(SqlError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        let mut sequence = self.owned_sequence(table, &column.name, column.ty.oid, others)?;
        sequence.identity = true;
        super::sequence::apply_tree_options(&mut sequence, options)?;
        Ok(sequence)
    }
}

pub(super) fn identity_of(generated_as: &ast::GeneratedAs) -> Identity {
    match generated_as {
        ast::GeneratedAs::ByDefault => Identity::ByDefault,
        ast::GeneratedAs::Always | ast::GeneratedAs::ExpStored => Identity::Always,
    }
}

/// A constraint written beside a column as a table constraint over it.
fn column_constraint(
    option: &ast::ColumnOption,
    name: Option<ast::Ident>,
    column: &ast::Ident,
) -> Result<Option<ast::TableConstraint>> {
    let own = || vec![ast::IndexColumn::from(column.clone())];
    Ok(Some(match option {
        ast::ColumnOption::PrimaryKey(key) => {
            ast::TableConstraint::PrimaryKey(ast::PrimaryKeyConstraint { name, columns: own(), ..key.clone() })
        }
        ast::ColumnOption::Unique(unique) => {
            ast::TableConstraint::Unique(ast::UniqueConstraint { name, columns: own(), ..unique.clone() })
        }
        ast::ColumnOption::ForeignKey(key) => {
            let columns = vec![column.clone()];
            ast::TableConstraint::ForeignKey(ast::ForeignKeyConstraint { name, columns, ..key.clone() })
        }
        ast::ColumnOption::Check(check) => ast::TableConstraint::Check(ast::CheckConstraint { name, ..check.clone() }),
        other => return Err(SqlError::unsupported(format!("column option {other}"))),
    }))
}
