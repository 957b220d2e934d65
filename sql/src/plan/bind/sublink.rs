//! Subqueries in expressions: scalar, EXISTS, IN, ANY/ALL, ARRAY(…), row comparisons.

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::Binder;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{CompareOp, Expr, SubplanId, SubqueryKind};
use crate::plan::OutputColumn;
use crate::types::{CastContext, DataType, array_type_of, oid, shown_type};

impl Binder<'_> {
    /// Binds a subquery of an expression: its plan's number and its columns.
    pub(super) fn subplan(&mut self, query: &ast::Query) -> Result<(SubplanId, Vec<OutputColumn>)> {
        self.enter()?;
        let bound = stacker::maybe_grow(96 * 1024, 1024 * 1024, || self.query(query, true));
        self.depth -= 1;
        let bound = bound?;
        let mut root = bound.node;
        let correlated = self.is_correlated(&mut root);
        let columns = bound.columns;
        Ok((self.add_subplan(root, columns.clone(), correlated), columns))
    }

    /// Whether the tree uses a row of a query around it.
    pub(super) fn is_correlated(&self, root: &mut crate::plan::Node) -> bool {
        let mut found = false;
        crate::plan::visit::tree_exprs_mut(root, 0, &mut |expr, depth| {
            found = found || self.uses_outer(expr, depth + 1);
        });
        found
    }

    /// Whether the expression uses the row `from` queries out or one further out.
    fn uses_outer(&self, expr: &Expr, from: usize) -> bool {
        crate::plan::visit::any(expr, &mut |inner| match inner {
            Expr::Outer { depth, .. } => *depth >= from,
            Expr::Subquery { plan, .. } => {
                let subplan = usize::try_from(plan.0).ok().and_then(|place| self.subplans.get(place));
                match subplan.and_then(Option::as_ref) {
                    Some(subplan) if subplan.correlated => {
                        let mut root = subplan.root.clone();
                        let mut found = false;
                        crate::plan::visit::tree_exprs_mut(&mut root, 0, &mut |expr, depth| {
                            found = found || self.uses_outer(expr, from + depth + 1);
                        });
                        found
                    }
                    _ => false,
                }
            }
            _ => false,
        })
    }

    fn one_column(&self, columns: &[OutputColumn], query: &ast::Query) -> Result<DataType> {
        match columns {
            [one] => Ok(one.ty),
            _ => Err(SqlError::syntax("subquery must return only one column").at(self.parenthesis_before(query))),
        }
    }

    /// The parenthesis that opens a subquery.
    fn parenthesis_before(&self, query: &ast::Query) -> Option<crate::error::Span> {
        let start = self.query_position(query)?;
        let before = usize::try_from(start.0).ok().and_then(|at| self.text.get(..at))?;
        let at = before.trim_end().len().checked_sub(1)?;
        u32::try_from(at).ok().map(crate::error::Span)
    }

    /// Where a query starts.
    pub(super) fn query_position(&self, query: &ast::Query) -> Option<crate::error::Span> {
        match query.body.as_ref() {
            ast::SetExpr::Select(select) => self.position(select.select_token.0.span),
            _ => None,
        }
    }

    /// `(SELECT …)` as a value.
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        let (plan, columns) = self.subplan(query)?;
        let ty = self.one_column(&columns, query)?;
        Ok(Expr::Subquery { kind: SubqueryKind::Scalar, plan, ty })
    }

    /// EXISTS (SELECT …).
    pub(super) fn exists(&mut self, query: &ast::Query, negated: bool) -> Result<Expr> {
        let (plan, _) = self.subplan(query)?;
        let exists = Expr::Subquery { kind: SubqueryKind::Exists, plan, ty: DataType::BOOL };
        Ok(if negated { Expr::Not(Box::new(exists)) } else { exists })
    }

    /// ARRAY(SELECT …).
    pub(super) fn array_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        let (plan, columns) = self.subplan(query)?;
        let element = self.one_column(&columns, query)?;
        let array = array_type_of(element.oid).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("could not find array type for data type {}", shown_type(element)),
            )
        })?;
        Ok(Expr::Subquery { kind: SubqueryKind::Array, plan, ty: DataType::new(array) })
    }

    /// `expr [NOT] IN (SELECT …)`.
    pub(super) fn in_subquery(&mut self, ast: &Ast, expr: &Ast, query: &ast::Query, negated: bool) -> Result<Expr> {
        let found = self.quantified(ast, expr, "=", query, false)?;
        Ok(if negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// `expr op ANY|ALL (SELECT …)`.
    pub(super) fn quantified(
        &mut self,
        ast: &Ast,
        left: &Ast,
        op: &str,
        query: &ast::Query,
        all: bool,
    ) -> Result<Expr> {
        let mut plain = left;
        while let Ast::Nested(inner) = plain {
            plain = inner;
        }
        let left = match plain {
            Ast::Tuple(items) => items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?,
            other => match self.expr(other)? {
                // A whole row, whose fields have names, is one value.
                Expr::Row { fields, .. } if fields.iter().all(|(name, _)| name.is_empty()) => {
                    fields.into_iter().map(|(_, field)| field).collect()
                }
                one => vec![one],
            },
        };
        let (plan, columns) = self.subplan(query)?;
        if columns.len() != left.len() {
            let what = if columns.len() > left.len() { "many" } else { "few" };
            return Err(SqlError::syntax(format!("subquery has too {what} columns")).at(self.expr_position(ast)));
        }
        let width = left.len();
        let mut values = Vec::with_capacity(width);
        for (value, column) in left.into_iter().zip(&columns) {
            values.push(if value.data_type().oid == oid::UNKNOWN {
                self.coerce(value, DataType::new(column.ty.oid), CastContext::Implicit)?
            } else {
                value
            });
        }
        let own: Vec<Expr> = values.iter().enumerate().map(|(i, value)| Expr::Column(i, value.data_type())).collect();
        let theirs: Vec<Expr> =
            columns.iter().enumerate().map(|(i, column)| Expr::Column(width + i, column.ty)).collect();
        let test = if width == 1 {
            let mut pair = own.into_iter().zip(theirs);
            let (a, b) = pair.next().ok_or_else(|| SqlError::internal("a subquery without columns"))?;
            self.operator(ast, op, Some(a), b)?
        } else {
            let compare = row_operator(op).ok_or_else(|| SqlError::unsupported(format!("{op} over rows")))?;
            self.compare_rows(compare, own, theirs, self.expr_position(ast))?
        };
        if test.data_type().oid != oid::BOOL {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("operator {op} must return type boolean, not type {}", shown_type(test.data_type())),
            ));
        }
        let hashable = !all && is_equality(&test);
        let kind = SubqueryKind::Quantified { left: values, test: Box::new(test), all, hashable };
        Ok(Expr::Subquery { kind, plan, ty: DataType::BOOL })
    }

    /// `(a, b) op (SELECT x, y)`: one row against one row.
    pub(super) fn row_subquery(&mut self, ast: &Ast, items: &[Ast], op: CompareOp, query: &ast::Query) -> Result<Expr> {
        let left = items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
        let right = self.row_of_subquery(query)?;
        if left.len() != right.len() {
            let what = if right.len() > left.len() { "many" } else { "few" };
            return Err(SqlError::syntax(format!("subquery has too {what} columns")).at(self.expr_position(ast)));
        }
        self.compare_rows(op, left, right, self.expr_position(ast))
    }

    /// The fields of a subquery's only row.
    pub(super) fn row_of_subquery(&mut self, query: &ast::Query) -> Result<Vec<Expr>> {
        let (plan, columns) = self.subplan(query)?;
        let row = Expr::Subquery { kind: SubqueryKind::Row, plan, ty: DataType::RECORD };
        let field = |(place, column): (usize, &OutputColumn)| Expr::Field {
            input: Box::new(row.clone()),
            field: place,
            ty: column.ty,
        };
        Ok(columns.iter().enumerate().map(field).collect())
    }
}

fn row_operator(op: &str) -> Option<CompareOp> {
    Some(match op {
        "=" => CompareOp::Equal,
        "<>" => CompareOp::NotEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterEqual,
        _ => return None,
    })
}

/// Whether the test is equality of columns pair by pair.
fn is_equality(test: &Expr) -> bool {
    match test {
        Expr::Compare { op: CompareOp::Equal, left, right } => {
            matches!(left.as_ref(), Expr::Column(..)) && matches!(right.as_ref(), Expr::Column(..))
        }
        Expr::And(items) => items.iter().all(is_equality),
        _ => false,
    }
}
