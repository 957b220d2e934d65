//! Coercion: an expression becomes one of another type, with a cast where one is needed (PG-100).
//!
//! Literals of type unknown are read at once, parameters get their type. What stays is a `Cast`.

use sqlparser::ast;

use super::Binder;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::types::{
    CastContext, DataType, Oid, TypeCategory, Value, cast, category_of, element_type_of, find_cast, from_text,
    is_domain, oid, shown_type,
};

/// The type of a bound expression.
pub(super) fn type_of(expr: &Expr) -> Oid {
    expr.data_type().oid
}

/// Whether the type is one of the `reg…` types.
pub(super) fn is_reg_type(ty: Oid) -> bool {
    matches!(ty, oid::REGCLASS | oid::REGTYPE | oid::REGPROC | oid::REGPROCEDURE | oid::REGNAMESPACE | oid::REGROLE)
}

impl Binder<'_> {
    /// Whether `expr` can become `to` in this context.
    pub(super) fn can_coerce(from: Oid, to: Oid, context: CastContext) -> bool {
        from == to
            || from == oid::UNKNOWN
            || to == oid::ANY
            || (to == oid::RECORD && category_of(from) == TypeCategory::Composite)
            || find_cast(from, to, context).is_some()
            || match (element_type_of(from), element_type_of(to)) {
                (Some(a), Some(b)) => find_cast(a, b, context).is_some(),
                _ => false,
            }
    }

    /// Coerces; `None` if there is no such cast in this context.
    pub(super) fn try_coerce(&mut self, expr: Expr, to: DataType, context: CastContext) -> Result<Option<Expr>> {
        let from = expr.data_type();
        if from == to || (from.oid == to.oid && to.typmod < 0) {
            return Ok(Some(expr));
        }
        // A row of a table is a record as it is.
        if to.oid == oid::RECORD && self.catalog.table_of_rows(from.oid).is_some() {
            return Ok(Some(expr));
        }
        if to.oid == oid::ANY || (to.oid == oid::UNKNOWN && from.oid != oid::UNKNOWN) {
            return Ok(Some(expr));
        }
        if from.oid == oid::UNKNOWN {
            return self.coerce_unknown(expr, to, context).map(Some);
        }
        if from.oid == to.oid {
            return self.add_cast(expr, to, context).map(Some);
        }
        if !Self::can_coerce(from.oid, to.oid, context) {
            return self.coerce_row(expr, to, context);
        }
        self.add_cast(expr, to, context).map(Some)
    }

    fn coerce_row(&mut self, expr: Expr, to: DataType, context: CastContext) -> Result<Option<Expr>> {
        // ARRAY[ROW(…), …] to an array of a row type, item by item.
        let expr = match expr {
            Expr::Array { items, nested: false, .. } => {
                let table = self.catalog.table_of_row_type(to.oid).filter(|table| table.array_type == to.oid);
                let Some(row) = table.map(|table| DataType::new(table.row_type)) else { return Ok(None) };
                let mut made = Vec::with_capacity(items.len());
                for item in items {
                    let Some(item) = self.try_coerce(item, row, context)? else { return Ok(None) };
                    made.push(item);
                }
                return Ok(Some(Expr::Array { items: made, nested: false, ty: to }));
            }
            other => other,
        };
        // ROW(…) to the row type of a table, field by field.
        let Expr::Row { fields, .. } = expr else { return Ok(None) };
        let table = self.catalog.table_of_rows(to.oid).cloned();
        let Some(table) = table else { return Ok(None) };
        let columns: Vec<_> = table.live_columns().map(|(_, column)| (column.name.clone(), column.ty)).collect();
        if columns.len() != fields.len() {
            return Ok(None);
        }
        let mut made = Vec::with_capacity(fields.len());
        for ((_, field), (name, ty)) in fields.into_iter().zip(columns) {
            let Some(field) = self.try_coerce(field, ty, context)? else { return Ok(None) };
            made.push((std::sync::Arc::from(name), field));
        }
        Ok(Some(Expr::Row { fields: made, ty: to }))
    }

    fn coerce_unknown(&mut self, expr: Expr, to: DataType, context: CastContext) -> Result<Expr> {
        match expr {
            Expr::Const(Value::Null, _) => Ok(Expr::Const(Value::Null, to)),
            Expr::Const(value, from) => {
                let Some(text) = value.as_str() else {
                    return Err(SqlError::internal("an unknown literal that is not text"));
                };
                self.literal(text, to, context).map(|value| {
                    debug_assert!(from.oid == oid::UNKNOWN);
                    Expr::Const(value, to)
                })
            }
            Expr::Param(place, _) => {
                let param = self.settle_param(place, to)?;
                if to.typmod >= 0 && context != CastContext::Implicit {
                    return Ok(Expr::Cast { input: Box::new(param), to, context });
                }
                Ok(param)
            }
            // A subquery's column or a CASE of unknowns: its text is read when it runs.
            other => Ok(Expr::Cast { input: Box::new(other), to, context: CastContext::Explicit }),
        }
    }

    /// Reads a literal as a value of the type, modifier included. Errors: 22P02 and what the type's input says.
    pub(super) fn literal(&self, text: &str, to: DataType, context: CastContext) -> Result<Value> {
        if is_reg_type(to.oid) {
            return self.reg_oid(text, to.oid).map(Value::Oid);
        }
        let base = DataType::new(to.oid);
        let value = from_text(text, if to.oid == oid::INTERVAL { to } else { base }, self.context.style)?;
        if to.typmod < 0 && to.oid != oid::BPCHAR {
            return Ok(value);
        }
        let context = if context == CastContext::Implicit { CastContext::Assignment } else { context };
        cast(value, base, to, context, self.context.style)
    }

    fn add_cast(&mut self, expr: Expr, to: DataType, context: CastContext) -> Result<Expr> {
        if let Expr::Const(value, from) = &expr {
            if matches!(value, Value::Null) {
                return Ok(Expr::Const(Value::Null, to));
            }
            // Numbers keep their digits whatever the session's settings are, so they are converted at once.
            if !self.keep_casts && is_number(from.oid) && is_number(to.oid) {
                if let Ok(value) = cast(value.clone(), *from, to, context, self.context.style) {
                    return Ok(Expr::Const(value, to));
                }
            }
        }
        Ok(Expr::Cast { input: Box::new(expr), to, context })
    }

    /// Coerces where the resolution already said that it can be.
    pub(super) fn coerce(&mut self, expr: Expr, to: DataType, context: CastContext) -> Result<Expr> {
        let from = expr.data_type();
        self.try_coerce(expr, to, context)?.ok_or_else(|| cannot_cast(from, to))
    }

    /// Coerces an operand; an error in a literal is at `ast`.
    pub(super) fn coerce_at(&mut self, expr: Expr, to: DataType, context: CastContext, at: &ast::Expr) -> Result<Expr> {
        self.coerce(expr, to, context).map_err(|error| error.at(self.expr_position(at)))
    }

    /// An unknown that nothing gives a type: text.
    pub(super) fn settle_text(&mut self, expr: Expr) -> Result<Expr> {
        if type_of(&expr) == oid::UNKNOWN { self.coerce(expr, DataType::TEXT, CastContext::Implicit) } else { Ok(expr) }
    }

    /// A condition: bool, or 42804.
    pub(super) fn condition(&mut self, ast: &ast::Expr, what: &str) -> Result<Expr> {
        let expr = self.expr(ast)?;
        self.as_bool(expr, ast, what)
    }

    /// Makes it a bool, or 42804 naming `what`.
    pub(super) fn as_bool(&mut self, expr: Expr, ast: &ast::Expr, what: &str) -> Result<Expr> {
        let from = expr.data_type();
        let coerced = self.try_coerce(expr, DataType::BOOL, CastContext::Assignment);
        match coerced.map_err(|error| error.at(self.expr_position(ast)))? {
            Some(expr) => Ok(expr),
            None => Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {}", shown_type(DataType::new(from.oid))),
            )
            .at(self.expr_position(ast))),
        }
    }

    /// For storing into a column. Errors: 42804.
    pub(super) fn assign(&mut self, expr: Expr, column: &str, to: DataType, at: Option<&ast::Expr>) -> Result<Expr> {
        if self.ami {
            return self.lenient(expr, to);
        }
        let from = expr.data_type();
        let expr = self.comdb2_value(expr, to)?;
        let coerced = self.try_coerce(expr, to, CastContext::Assignment);
        let position = |binder: &Self| at.and_then(|ast| binder.expr_position(ast));
        match coerced.map_err(|error| error.at(position(self)))? {
            Some(expr) => Ok(expr),
            None => Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{column}\" is of type {} but expression is of type {}",
                    shown_type(DataType::new(to.oid)),
                    shown_type(DataType::new(from.oid))
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position(self))),
        }
    }

    /// CAST or `::`. Errors: 42846.
    pub(super) fn explicit_cast(&mut self, expr: Expr, to: DataType) -> Result<Expr> {
        if is_domain(to.oid) {
            let base = self.base_type(to);
            let input = Box::new(self.explicit_cast(expr, base)?);
            return Ok(match super::domain::checks(&self.context, to.oid)? {
                Some(domain) => Expr::Checked { input, domain },
                None => *input,
            });
        }
        let from = expr.data_type();
        if let (oid::BIT, oid::BYTEA, Expr::Const(..)) = (from.oid, to.oid, &expr) {
            let bytes = self.comdb2_value(expr, to)?;
            return if bytes.data_type().oid == to.oid { Ok(bytes) } else { Err(cannot_cast(from, to)) };
        }
        if let Expr::Const(Value::Text(text), _) = &expr {
            if is_reg_type(to.oid) && matches!(from.oid, oid::TEXT | oid::VARCHAR | oid::NAME) {
                return self.reg_oid(text, to.oid).map(|oid| Expr::Const(Value::Oid(oid), to));
            }
        }
        self.try_coerce(expr, to, CastContext::Explicit)?.ok_or_else(|| cannot_cast(from, to))
    }

    /// What Comdb2 stores where PostgreSQL has no assignment: `x'…'` as a bytea, where one is wanted (CDB-406); a number of months or seconds
    /// in an interval column of fixed fields, of seconds since 1970 in a timestamp column of fixed precision (CDB-404).
    pub(super) fn comdb2_value(&mut self, expr: Expr, to: DataType) -> Result<Expr> {
        let from = expr.data_type();
        match (&expr, to.oid) {
            (Expr::Const(value, _), oid::BYTEA) if from.oid == oid::BIT => {
                let mut bits = String::new();
                crate::types::to_text(value, from, &crate::types::TextStyle::default(), &mut bits);
                let byte = |at: usize| bits.get(at..at + 8).and_then(|eight| u8::from_str_radix(eight, 2).ok());
                let bytes: Option<Vec<u8>> = (0..bits.len()).step_by(8).map(byte).collect();
                Ok(match bytes {
                    Some(bytes) => Expr::Const(Value::Bytea(bytes.into()), DataType::BYTEA),
                    None => expr,
                })
            }
            (_, oid::INTERVAL) if is_number(from.oid) && to.typmod >= 0 => {
                let zero = || Expr::Const(Value::Int4(0), DataType::INT4);
                match to.typmod >> 16 {
                    6 => {
                        let months = self.explicit_cast(expr, DataType::INT4)?;
                        self.call_bound("make_interval", vec![zero(), months], None)
                    }
                    7176 => {
                        let mut parts: Vec<Expr> = (0..6).map(|_| zero()).collect();
                        parts.push(self.explicit_cast(expr, DataType::FLOAT8)?);
                        let hours = self.call_bound("make_interval", parts, None)?;
                        self.call_bound("justify_hours", vec![hours], None)
                    }
                    _ => Ok(expr),
                }
            }
            (_, oid::TIMESTAMPTZ) if is_number(from.oid) && to.typmod >= 0 => {
                let seconds = self.explicit_cast(expr, DataType::FLOAT8)?;
                self.call_bound("to_timestamp", vec![seconds], None)
            }
            _ => Ok(expr),
        }
    }
}

fn cannot_cast(from: DataType, to: DataType) -> SqlError {
    SqlError::new(
        SqlState::CANNOT_COERCE,
        format!("cannot cast type {} to {}", shown_type(DataType::new(from.oid)), shown_type(DataType::new(to.oid))),
    )
}

/// Whether it is one of the number types.
pub(super) fn is_number(ty: Oid) -> bool {
    matches!(ty, oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC | oid::FLOAT4 | oid::FLOAT8)
}

/// Whether it is an array type.
pub(super) fn is_array(ty: Oid) -> bool {
    element_type_of(ty).is_some()
}
