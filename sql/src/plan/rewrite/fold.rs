//! Constant folding: what depends on nothing but constants and is immutable is computed once.

use super::quiet::Quiet;
use crate::expr::{EvalContext, Expr, FunctionBody, Volatility, eval};
use crate::plan::{Node, visit};
use crate::types::{CastContext, TextStyle, Value, oid};

/// Folds every expression of a tree.
pub(super) fn fold_tree(node: &mut Node, style: &TextStyle) {
    // Rows of VALUES are literals of their column's type already.
    if let Node::Insert(plan) = node {
        if matches!(plan.input, Node::Values { .. }) && plan.conflict.is_none() && plan.returning.is_empty() {
            if let Node::Values { rows } = &mut plan.input {
                let cells = rows.iter_mut().flatten();
                cells
                    .filter(|cell| !matches!(cell, Expr::Const(..) | Expr::Param(..)))
                    .for_each(|cell| take(cell, style));
            }
            return;
        }
    }
    visit::tree_exprs_mut(node, 0, &mut |expr, _| take(expr, style));
}

fn take(expr: &mut Expr, style: &TextStyle) {
    if matches!(expr, Expr::Const(..) | Expr::Column(..) | Expr::Param(..) | Expr::Outer { .. }) {
        return;
    }
    let owned = std::mem::replace(expr, Expr::Const(Value::Null, crate::types::DataType::UNKNOWN));
    *expr = fold(owned, style);
}

/// Folds an expression. What fails to compute stays, to fail when it runs.
#[must_use]
pub fn fold(mut expr: Expr, style: &TextStyle) -> Expr {
    visit::operands_mut(&mut expr, &mut |operand| take(operand, style));
    match expr {
        Expr::And(items) => junction(items, false),
        Expr::Or(items) => junction(items, true),
        other if foldable(&other) => {
            let ty = other.data_type();
            let runtime = Quiet;
            let context = EvalContext { params: &[], style, outer: None, runtime: &runtime };
            match eval(&other, &[], &context) {
                Ok(value) => Expr::Const(value, ty),
                Err(_) => other,
            }
        }
        other => other,
    }
}

/// AND (`stop` false) and OR (`stop` true) without the constants that decide nothing.
fn junction(items: Vec<Expr>, stop: bool) -> Expr {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Expr::Const(Value::Bool(value), ty) if value == stop => return Expr::Const(Value::Bool(stop), ty),
            Expr::Const(Value::Bool(_), _) => {}
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Expr::Const(Value::Bool(!stop), crate::types::DataType::BOOL),
        1 => kept.remove(0),
        _ if stop => Expr::Or(kept),
        _ => Expr::And(kept),
    }
}

fn constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Const(..))
}

fn foldable(expr: &Expr) -> bool {
    match expr {
        Expr::Call { function, args, .. } => {
            function.volatility == Volatility::Immutable
                && matches!(function.body, FunctionBody::Scalar(_))
                && args.iter().all(constant)
        }
        Expr::Compare { left, right, .. } | Expr::IsDistinct { left, right, .. } => constant(left) && constant(right),
        Expr::Not(input) | Expr::IsNull { input, .. } | Expr::BoolTest { input, .. } => constant(input),
        // Only conversions that no setting changes.
        Expr::Cast { input, to, context } => {
            let from = input.data_type().oid;
            let number = |ty| matches!(ty, oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC | oid::FLOAT8 | oid::OID);
            let text = |ty| matches!(ty, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME);
            constant(input)
                && *context != CastContext::Assignment
                && ((number(from) && number(to.oid)) || (text(from) && text(to.oid)))
        }
        Expr::Array { items, .. } => items.iter().all(constant),
        _ => false,
    }
}
