//! SET: columns, fields, elements and slices that are assigned to, and rows of several at once.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::super::Binder;
use super::super::scope::null_of;
use super::{check_reserved, is_default};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::element_mark;
use crate::plan::WriteTarget;
use crate::types::{CastContext, DataType, Value};

impl Binder<'_> {
    /// SET a = …, (b, c) = … over the current frame.
    pub(super) fn assignments(
        &mut self,
        assignments: &[ast::Assignment],
        target: &Arc<WriteTarget>,
    ) -> Result<Vec<(usize, Expr)>> {
        let table = target.table.clone();
        let mut made: Vec<(usize, Expr)> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            match &assignment.target {
                ast::AssignmentTarget::ColumnName(name) if element_mark(name).is_some() => {
                    self.assigned_element(name, &assignment.value, target, &mut made)?;
                }
                ast::AssignmentTarget::ColumnName(name) if name.0.len() > 1 => {
                    self.assigned_field(name, &assignment.value, target, &mut made)?;
                }
                ast::AssignmentTarget::ColumnName(name) => {
                    let place = self.named_target(&table, name)?;
                    let expr = self.assigned_value(&assignment.value, target, place)?;
                    made.push((place, expr));
                }
                ast::AssignmentTarget::Tuple(names) => {
                    let places =
                        names.iter().map(|name| self.named_target(&table, name)).collect::<Result<Vec<_>>>()?;
                    self.assigned_row(&assignment.value, target, &places, &mut made)?;
                }
            }
        }
        for (index, (place, _)) in made.iter().enumerate() {
            if made[..index].iter().any(|(other, _)| other == place) {
                return Err(SqlError::syntax(format!(
                    "multiple assignments to same column \"{}\"",
                    table.columns[*place].name
                )));
            }
        }
        Ok(made)
    }

    /// What a column is to become by the assignments before, taken from them; else what it is.
    fn value_so_far(&mut self, ident: &ast::Ident, place: usize, made: &mut Vec<(usize, Expr)>) -> Result<Expr> {
        match made.iter().position(|(own, _)| *own == place) {
            Some(known) => Ok(made.remove(known).1),
            None => self.expr(&Ast::Identifier(ident.clone())),
        }
    }

    /// `a[i] = value`: the column with one item changed. Several assignments to one column build on each other.
    fn assigned_element(
        &mut self,
        name: &ast::ObjectName,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let (Some(subscripts), [ast::ObjectNamePart::Identifier(ident), ..]) = (element_mark(name), name.0.as_slice())
        else {
            return Err(SqlError::internal("a target that is no element"));
        };
        let table = &target.table;
        let place = self.target_named(table, ident)?;
        let column = &table.columns[place];
        Self::check_generated(column, None, true)?;
        if subscripts.iter().any(|text| is_slice(text)) {
            return self.assigned_slice(ident, &subscripts, place, value, target, made);
        }
        let mut keys = Vec::with_capacity(subscripts.len());
        for text in &subscripts {
            keys.push(crate::plan::bind::text::parse_expr(text)?);
        }
        let old = self.value_so_far(ident, place, made)?;
        let old = if column.ty.typmod < 0 { old } else { self.coerce(old, column.ty, CastContext::Assignment)? };
        if column.ty.oid == crate::types::oid::JSONB {
            let mut path = Vec::with_capacity(keys.len());
            for key in &keys {
                let key = self.expr(key)?;
                path.push(self.explicit_cast(key, DataType::TEXT)?);
            }
            let text_array = crate::types::array_type_of(crate::types::oid::TEXT).unwrap_or_default();
            let path = Expr::Array { items: path, nested: false, ty: DataType::new(text_array) };
            let value_expr = self.expr(value)?;
            let value_expr = self.assign(value_expr, &column.name, DataType::JSONB, Some(value))?;
            let empty = Expr::Const(Value::Jsonb(Arc::new(crate::types::Jsonb::Object(Vec::new()))), DataType::JSONB);
            let old = Expr::Coalesce(vec![old, empty], DataType::JSONB);
            let args = vec![old, path, value_expr, Expr::Const(Value::Bool(true), DataType::BOOL)];
            let set = self.call_bound("jsonb_set", args, self.position(ident.span))?;
            made.push((place, set));
            return Ok(());
        }
        let Some(element) = crate::types::element_type_of(column.ty.oid) else {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    crate::types::shown_type(column.ty)
                ),
            )
            .at(self.position(ident.span)));
        };
        let [key] = keys.as_slice() else {
            return Err(SqlError::unsupported("an assignment to an element of several dimensions"));
        };
        let index = self.expr(key)?;
        let index = self.coerce_at(index, DataType::INT4, CastContext::Assignment, key)?;
        let item = self.expr(value)?;
        let item = self.assign(item, &column.name, DataType::with_typmod(element, column.ty.typmod), Some(value))?;
        let set = self.call_bound("array_assign_item", vec![old, index, item], self.position(ident.span))?;
        made.push((place, set));
        Ok(())
    }

    /// `c.f = value`: the column with one field changed, a row of NULLs otherwise if it is NULL. Several assignments to one
    /// column build on each other. Errors: 42703, 42804.
    fn assigned_field(
        &mut self,
        name: &ast::ObjectName,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let idents: Vec<&ast::Ident> = name
            .0
            .iter()
            .filter_map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Some(ident),
                ast::ObjectNamePart::Function(_) => None,
            })
            .collect();
        let [column, fields @ ..] = idents.as_slice() else {
            return Err(SqlError::unsupported("this target of an assignment"));
        };
        let table = &target.table;
        let place = self.target_named(table, column)?;
        let def = &table.columns[place];
        Self::check_generated(def, None, true)?;
        let old = self.value_so_far(column, place, made)?;
        let value = (self.expr(value)?, value);
        let set = self.with_field(old, &def.name, def.ty, fields, value);
        let set = set.map_err(|error| error.at(self.position(column.span)))?;
        made.push((place, set));
        Ok(())
    }

    /// A record of a row type with one field, named by the path, changed.
    fn with_field(
        &mut self,
        old: Expr,
        column: &str,
        ty: DataType,
        path: &[&ast::Ident],
        (value, ast): (Expr, &Ast),
    ) -> Result<Expr> {
        let Some((ident, rest)) = path.split_first() else {
            return self.assign(value, column, ty, Some(ast));
        };
        let wanted = self.fold(ident);
        let row = self.catalog.table_of_rows(ty.oid).cloned();
        let Some(row) = row else {
            let shown = crate::types::shown_type(ty);
            let message = format!(
                "cannot assign to field \"{wanted}\" of column \"{column}\" because its type {shown} is not a composite type"
            );
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message));
        };
        let columns: Vec<_> = row.live_columns().map(|(_, column)| column.clone()).collect();
        let Some(changed) = columns.iter().position(|own| own.name == wanted) else {
            let message = format!(
                "cannot assign to field \"{wanted}\" of column \"{column}\" because there is no such column in data type {}",
                row.name
            );
            return Err(SqlError::new(SqlState::UNDEFINED_COLUMN, message));
        };
        let mut value = Some((value, ast));
        let mut fields = Vec::with_capacity(columns.len());
        for (field, own) in columns.iter().enumerate() {
            let before = match &old {
                Expr::Row { fields, .. } => fields.get(field).map(|(_, field)| field.clone()),
                _ => None,
            };
            let input = || Expr::Field { input: Box::new(old.clone()), field, ty: own.ty };
            let before = before.unwrap_or_else(input);
            let after = match value.take_if(|_| field == changed) {
                Some(value) => self.with_field(before, &own.name, own.ty, rest, value)?,
                None => before,
            };
            fields.push((Arc::from(own.name.as_str()), after));
        }
        Ok(Expr::Row { fields, ty })
    }

    /// `a[l:u] = array`: the column with the items of a slice replaced by the first of the array.
    fn assigned_slice(
        &mut self,
        ident: &ast::Ident,
        subscripts: &[&str],
        place: usize,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let column = &target.table.columns[place];
        if crate::types::element_type_of(column.ty.oid).is_none() {
            let (state, message) = if column.ty.oid == crate::types::oid::JSONB {
                (SqlState::DATATYPE_MISMATCH, "jsonb subscript does not support slices".to_owned())
            } else {
                let shown = crate::types::shown_type(column.ty);
                let message = format!("cannot subscript type {shown} because it does not support subscripting");
                (SqlState::DATATYPE_MISMATCH, message)
            };
            return Err(SqlError::new(state, message).at(self.position(ident.span)));
        }
        let [text] = subscripts else {
            return Err(SqlError::unsupported("an assignment to a slice of several dimensions"));
        };
        let parsed = crate::plan::bind::text::parse_expr(&format!("a[{text}]"))?;
        let Ast::CompoundFieldAccess { access_chain, .. } = &parsed else {
            return Err(SqlError::internal("a slice that is none"));
        };
        let [ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. })] =
            access_chain.as_slice()
        else {
            return Err(SqlError::internal("a slice that is none"));
        };
        let old = self.value_so_far(ident, place, made)?;
        let open = |binder: &mut Self, bound: &Option<Ast>| -> Result<Vec<Expr>> {
            Ok(match bound {
                Some(ast) => {
                    let bound = binder.expr(ast)?;
                    let bound = binder.coerce_at(bound, DataType::INT4, CastContext::Assignment, ast)?;
                    vec![bound, Expr::Const(Value::Bool(false), DataType::BOOL)]
                }
                None => vec![null_of(DataType::INT4), Expr::Const(Value::Bool(true), DataType::BOOL)],
            })
        };
        let mut args = vec![old];
        args.extend(open(self, lower_bound)?);
        args.extend(open(self, upper_bound)?);
        let given = self.expr(value)?;
        args.push(self.assign(given, &column.name, column.ty, Some(value))?);
        let set = self.call_bound("array_assign_slice", args, self.position(ident.span))?;
        made.push((place, set));
        Ok(())
    }

    fn assigned_value(&mut self, ast: &Ast, target: &Arc<WriteTarget>, place: usize) -> Result<Expr> {
        if is_default(ast) {
            return Ok(Self::default_of(target, place));
        }
        let column = &target.table.columns[place];
        Self::check_generated(column, None, true)?;
        check_reserved(&target.table, place, true)?;
        let expr = self.expr(ast)?;
        self.assign(expr, &column.name, column.ty, Some(ast))
    }

    fn assigned_row(
        &mut self,
        ast: &Ast,
        target: &Arc<WriteTarget>,
        places: &[usize],
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let mut plain = ast;
        while let Ast::Nested(inner) = plain {
            plain = inner;
        }
        let position = self.expr_position(ast);
        let mismatch = || SqlError::syntax("number of columns does not match number of values").at(position);
        match plain {
            Ast::Subquery(query) => {
                let fields = self.row_of_subquery(query)?;
                if fields.len() != places.len() {
                    return Err(mismatch());
                }
                for (place, field) in places.iter().zip(fields) {
                    let column = &target.table.columns[*place];
                    Self::check_generated(column, None, true)?;
                    made.push((*place, self.assign(field, &column.name, column.ty, None)?));
                }
            }
            other => {
                let values: Vec<&Ast> = match other {
                    Ast::Tuple(items) => items.iter().collect(),
                    Ast::Function(function) => match &function.args {
                        ast::FunctionArguments::List(list) => list
                            .args
                            .iter()
                            .filter_map(|arg| match arg {
                                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
                                _ => None,
                            })
                            .collect(),
                        _ => return Err(mismatch()),
                    },
                    one if places.len() == 1 => vec![one],
                    _ => {
                        return Err(SqlError::unsupported(
                            "a source for a multiple-column UPDATE item other than a sub-SELECT or ROW() expression",
                        ));
                    }
                };
                if values.len() != places.len() {
                    return Err(mismatch());
                }
                for (place, value) in places.iter().zip(values) {
                    let expr = self.assigned_value(value, target, *place)?;
                    made.push((*place, expr));
                }
            }
        }
        Ok(())
    }
}

/// Whether a subscript is a slice: a colon outside of parentheses, brackets, quotes and casts.
fn is_slice(text: &str) -> bool {
    let (mut depth, mut quoted, mut cast) = (0i32, None, false);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(end), c) if c == end => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ':') if std::mem::take(&mut cast) => {}
            (None, ':') if text[at + 1..].starts_with(':') => cast = true,
            (None, ':') if depth == 0 => return true,
            _ => {}
        }
    }
    false
}
