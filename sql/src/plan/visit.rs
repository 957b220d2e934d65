//! Walks over expressions and nodes: one place that knows which fields of a variant are expressions of the same row.
//!
//! The `test` of `AnyArray` and of a quantified subquery runs over a row of its own and is therefore not a child here.
//! A child's `depth` says how many rows of enclosing queries lie between the visitor's start and the expression.

use std::sync::Arc;

use super::{
    AggregateCall, FrameBound, IndexBounds, MergeAction, Node, ProjectColumn, SetCall, SortKey, WindowCall,
    WindowTarget,
};
use crate::expr::{Expr, SubqueryKind};
use crate::types::equal;

/// Calls `visit` for each direct operand of `expr` that sees the same row.
pub fn operands(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::Const(..) | Expr::Column(..) | Expr::Param(..) | Expr::Outer { .. } => {}
        Expr::Call { args, .. } | Expr::Coalesce(args, _) | Expr::Extreme { args, .. } => args.iter().for_each(visit),
        Expr::And(items) | Expr::Or(items) | Expr::Array { items, .. } => items.iter().for_each(visit),
        Expr::Compare { left, right, .. } | Expr::IsDistinct { left, right, .. } => {
            visit(left);
            visit(right);
        }
        Expr::Cast { input, .. }
        | Expr::Not(input)
        | Expr::IsNull { input, .. }
        | Expr::BoolTest { input, .. }
        | Expr::Field { input, .. }
        | Expr::Checked { input, .. } => visit(input),
        Expr::Case { whens, otherwise, .. } => {
            for (condition, result) in whens {
                visit(condition);
                visit(result);
            }
            visit(otherwise);
        }
        Expr::InList { input, list, .. } => {
            visit(input);
            list.iter().filter(|item| !matches!(item, Expr::Const(..))).for_each(visit);
        }
        Expr::AnyArray { left, array, .. } => {
            visit(left);
            visit(array);
        }
        Expr::Row { fields, .. } => fields.iter().for_each(|(_, field)| visit(field)),
        Expr::CompareRows { pairs, .. } => {
            for (left, right) in pairs {
                visit(left);
                visit(right);
            }
        }
        Expr::Subscript { array, subscripts, .. } => {
            visit(array);
            subscripts.iter().for_each(visit);
        }
        Expr::Slice { array, bounds, .. } => {
            visit(array);
            for (lower, upper) in bounds {
                lower.iter().chain(upper).for_each(&mut *visit);
            }
        }
        Expr::Subquery { kind, .. } => {
            if let SubqueryKind::Quantified { left, .. } = kind {
                left.iter().for_each(visit);
            }
        }
    }
}

/// `operands`, to change them.
pub fn operands_mut(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::Const(..) | Expr::Column(..) | Expr::Param(..) | Expr::Outer { .. } => {}
        Expr::Call { args, .. } | Expr::Coalesce(args, _) | Expr::Extreme { args, .. } => {
            args.iter_mut().for_each(visit);
        }
        Expr::And(items) | Expr::Or(items) | Expr::Array { items, .. } => items.iter_mut().for_each(visit),
        Expr::Compare { left, right, .. } | Expr::IsDistinct { left, right, .. } => {
            visit(left);
            visit(right);
        }
        Expr::Cast { input, .. }
        | Expr::Not(input)
        | Expr::IsNull { input, .. }
        | Expr::BoolTest { input, .. }
        | Expr::Field { input, .. }
        | Expr::Checked { input, .. } => visit(input),
        Expr::Case { whens, otherwise, .. } => {
            for (condition, result) in whens {
                visit(condition);
                visit(result);
            }
            visit(otherwise);
        }
        Expr::InList { input, list, .. } => {
            visit(input);
            if list.iter().any(|item| !matches!(item, Expr::Const(..))) {
                Arc::make_mut(list).iter_mut().for_each(visit);
            }
        }
        Expr::AnyArray { left, array, .. } => {
            visit(left);
            visit(array);
        }
        Expr::Row { fields, .. } => fields.iter_mut().for_each(|(_, field)| visit(field)),
        Expr::CompareRows { pairs, .. } => {
            for (left, right) in pairs {
                visit(left);
                visit(right);
            }
        }
        Expr::Subscript { array, subscripts, .. } => {
            visit(array);
            subscripts.iter_mut().for_each(visit);
        }
        Expr::Slice { array, bounds, .. } => {
            visit(array);
            for (lower, upper) in bounds {
                lower.iter_mut().chain(upper).for_each(&mut *visit);
            }
        }
        Expr::Subquery { kind, .. } => {
            if let SubqueryKind::Quantified { left, .. } = kind {
                left.iter_mut().for_each(visit);
            }
        }
    }
}

/// Whether `test` holds for `expr` or anything inside it.
pub fn any(expr: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> bool {
    if test(expr) {
        return true;
    }
    let mut found = false;
    operands(expr, &mut |operand| found = found || any(operand, test));
    found
}

/// Replaces the places of columns of the row.
pub fn map_columns(expr: &mut Expr, map: &dyn Fn(usize) -> usize) {
    if let Expr::Column(place, _) = expr {
        *place = map(*place);
        return;
    }
    operands_mut(expr, &mut |operand| map_columns(operand, map));
}

/// Whether the two are the same expression.
pub fn same(left: &Expr, right: &Expr) -> bool {
    fn all(left: &[Expr], right: &[Expr]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
    }
    match (left, right) {
        (Expr::Const(a, x), Expr::Const(b, y)) => {
            x == y && a.is_null() == b.is_null() && (a.is_null() || a == b || equal(a, b))
        }
        (Expr::Column(a, _), Expr::Column(b, _)) => a == b,
        (Expr::Param(a, x), Expr::Param(b, y)) => a == b && x == y,
        (Expr::Outer { depth: a, column: x, .. }, Expr::Outer { depth: b, column: y, .. }) => a == b && x == y,
        (Expr::Call { function: f, args: a, ty: x }, Expr::Call { function: g, args: b, ty: y }) => {
            std::ptr::eq(*f, *g) && x == y && all(a, b)
        }
        (Expr::Compare { op: o, left: a, right: b }, Expr::Compare { op: p, left: c, right: d }) => {
            o == p && same(a, c) && same(b, d)
        }
        (Expr::Cast { input: a, to: x, .. }, Expr::Cast { input: b, to: y, .. }) => x == y && same(a, b),
        (Expr::And(a), Expr::And(b)) | (Expr::Or(a), Expr::Or(b)) => all(a, b),
        (Expr::Coalesce(a, x), Expr::Coalesce(b, y)) => x == y && all(a, b),
        (Expr::Not(a), Expr::Not(b)) => same(a, b),
        (Expr::IsNull { input: a, negated: x }, Expr::IsNull { input: b, negated: y }) => x == y && same(a, b),
        (Expr::BoolTest { input: a, value: v, negated: x }, Expr::BoolTest { input: b, value: w, negated: y }) => {
            v == w && x == y && same(a, b)
        }
        (Expr::IsDistinct { left: a, right: b, negated: x }, Expr::IsDistinct { left: c, right: d, negated: y }) => {
            x == y && same(a, c) && same(b, d)
        }
        (Expr::Case { whens: a, otherwise: c, ty: x }, Expr::Case { whens: b, otherwise: d, ty: y }) => {
            x == y
                && a.len() == b.len()
                && a.iter().zip(b).all(|(l, r)| same(&l.0, &r.0) && same(&l.1, &r.1))
                && same(c, d)
        }
        (Expr::Extreme { greatest: g, args: a, ty: x }, Expr::Extreme { greatest: h, args: b, ty: y }) => {
            g == h && x == y && all(a, b)
        }
        (Expr::InList { input: a, list: l, negated: x }, Expr::InList { input: b, list: m, negated: y }) => {
            x == y && same(a, b) && all(l, m)
        }
        (
            Expr::AnyArray { left: a, array: b, test: t, all: x },
            Expr::AnyArray { left: c, array: d, test: u, all: y },
        ) => x == y && same(a, c) && same(b, d) && same(t, u),
        (Expr::Array { items: a, ty: x, .. }, Expr::Array { items: b, ty: y, .. }) => x == y && all(a, b),
        (Expr::Row { fields: a, ty: x }, Expr::Row { fields: b, ty: y }) => {
            x == y && a.len() == b.len() && a.iter().zip(b).all(|(l, r)| same(&l.1, &r.1))
        }
        (Expr::CompareRows { op: o, pairs: a }, Expr::CompareRows { op: p, pairs: b }) => {
            o == p && a.len() == b.len() && a.iter().zip(b).all(|(l, r)| same(&l.0, &r.0) && same(&l.1, &r.1))
        }
        (Expr::Subscript { array: a, subscripts: l, .. }, Expr::Subscript { array: b, subscripts: m, .. }) => {
            same(a, b) && all(l, m)
        }
        (Expr::Slice { array: a, bounds: l, .. }, Expr::Slice { array: b, bounds: m, .. }) => {
            let bound = |a: &Option<Expr>, b: &Option<Expr>| match (a, b) {
                (Some(a), Some(b)) => same(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            same(a, b) && l.len() == m.len() && l.iter().zip(m).all(|(x, y)| bound(&x.0, &y.0) && bound(&x.1, &y.1))
        }
        (Expr::Field { input: a, field: x, .. }, Expr::Field { input: b, field: y, .. }) => x == y && same(a, b),
        (Expr::Checked { input: a, domain: x }, Expr::Checked { input: b, domain: y }) => x.oid == y.oid && same(a, b),
        (Expr::Subquery { plan: a, .. }, Expr::Subquery { plan: b, .. }) => a == b,
        _ => false,
    }
}

fn keys_mut(keys: &mut [SortKey], visit: &mut dyn FnMut(&mut Expr)) {
    keys.iter_mut().for_each(|key| visit(&mut key.expr));
}

fn set_call_mut(call: &mut SetCall, visit: &mut dyn FnMut(&mut Expr)) {
    call.args.iter_mut().for_each(visit);
}

fn bounds_mut(bounds: &mut IndexBounds, visit: &mut dyn FnMut(&mut Expr)) {
    bounds.prefix.iter_mut().for_each(&mut *visit);
    bounds.lower.iter_mut().chain(&mut bounds.upper).for_each(|(expr, _)| visit(expr));
}

/// Visits the expressions of an aggregate call, all over its input row.
pub fn aggregate_exprs_mut(call: &mut AggregateCall, visit: &mut dyn FnMut(&mut Expr)) {
    call.args.iter_mut().for_each(&mut *visit);
    keys_mut(&mut call.order, visit);
    call.filter.iter_mut().for_each(visit);
}

/// Visits the expressions of a window call, all over its input row.
pub fn window_exprs_mut(call: &mut WindowCall, visit: &mut dyn FnMut(&mut Expr)) {
    debug_assert!(matches!(call.function, WindowTarget::Function(_) | WindowTarget::Aggregate(_)));
    call.args.iter_mut().chain(&mut call.filter).chain(&mut call.partition).for_each(&mut *visit);
    keys_mut(&mut call.order, visit);
    for bound in [&mut call.frame.start, &mut call.frame.end] {
        if let FrameBound::Preceding(expr) | FrameBound::Following(expr) = bound {
            visit(expr);
        }
    }
}

/// Visits the expressions that belong to the node itself, whatever row they are over.
pub fn node_exprs_mut(node: &mut Node, visit: &mut dyn FnMut(&mut Expr)) {
    match node {
        Node::Values { rows } => rows.iter_mut().flatten().for_each(visit),
        Node::SeqScan { filter, .. } => filter.iter_mut().for_each(visit),
        Node::IndexScan { ranges, filter, .. } => {
            ranges.iter_mut().for_each(|range| bounds_mut(range, visit));
            filter.iter_mut().for_each(visit);
        }
        Node::SystemScan { bounds, keys, filter, .. } => {
            bounds.iter_mut().for_each(|(_, expr)| visit(expr));
            keys.iter_mut().for_each(|(_, expr)| visit(expr));
            filter.iter_mut().for_each(visit);
        }
        Node::FunctionScan { calls, .. } => calls.iter_mut().for_each(|call| set_call_mut(call, visit)),
        Node::Filter { predicate, .. } => visit(predicate),
        Node::Project { exprs, .. } => exprs.iter_mut().for_each(visit),
        Node::ProjectSet { exprs, .. } => exprs.iter_mut().for_each(|column| match column {
            ProjectColumn::Scalar(expr) => visit(expr),
            ProjectColumn::Set(call) => set_call_mut(call, visit),
        }),
        Node::NestedLoop { on, .. } => on.iter_mut().for_each(visit),
        Node::HashJoin { left_keys, right_keys, residual, .. } => {
            left_keys.iter_mut().chain(right_keys).chain(residual).for_each(visit);
        }
        Node::Aggregate { group, aggregates, .. } => {
            group.iter_mut().for_each(&mut *visit);
            aggregates.iter_mut().for_each(|call| aggregate_exprs_mut(call, visit));
        }
        Node::Window { calls, .. } => calls.iter_mut().for_each(|call| window_exprs_mut(call, visit)),
        Node::Sort { keys, limit, .. } => {
            keys_mut(keys, visit);
            limit.iter_mut().for_each(visit);
        }
        Node::Limit { limit, offset, ties, .. } => {
            limit.iter_mut().chain(offset).for_each(&mut *visit);
            ties.iter_mut().for_each(|keys| keys_mut(keys, visit));
        }
        Node::Distinct { on, .. } => on.iter_mut().flatten().for_each(visit),
        Node::LockRows { locks, .. } => {
            locks.iter_mut().filter_map(|lock| lock.recheck.as_mut()).for_each(visit);
        }
        Node::Insert(plan) => {
            if let Some((assignments, condition)) = plan.conflict.as_mut().and_then(|conflict| conflict.update.as_mut())
            {
                assignments.iter_mut().map(|(_, expr)| expr).chain(condition).for_each(&mut *visit);
            }
            plan.returning.iter_mut().for_each(visit);
        }
        Node::Update(plan) => {
            plan.recheck.iter_mut().for_each(&mut *visit);
            plan.assignments.iter_mut().for_each(|(_, expr)| visit(expr));
            plan.returning.iter_mut().for_each(visit);
        }
        Node::Delete(plan) => plan.recheck.iter_mut().chain(&mut plan.returning).for_each(visit),
        Node::Merge(plan) => {
            for clause in &mut plan.clauses {
                clause.condition.iter_mut().for_each(&mut *visit);
                if let MergeAction::Update(list) | MergeAction::Insert(list) = &mut clause.action {
                    list.iter_mut().for_each(|(_, expr)| visit(expr));
                }
            }
        }
        Node::CteScan { .. } | Node::SetOperation { .. } | Node::With { .. } | Node::RecursiveUnion { .. } => {}
    }
}

/// Visits the node's inputs; the flag says that the input sees one more enclosing row (a LATERAL right side).
pub fn inputs_mut(node: &mut Node, visit: &mut dyn FnMut(&mut Node, bool)) {
    match node {
        Node::Values { .. }
        | Node::SeqScan { .. }
        | Node::IndexScan { .. }
        | Node::SystemScan { .. }
        | Node::FunctionScan { .. }
        | Node::CteScan { .. } => {}
        Node::Filter { input, .. }
        | Node::Project { input, .. }
        | Node::ProjectSet { input, .. }
        | Node::Aggregate { input, .. }
        | Node::Window { input, .. }
        | Node::Sort { input, .. }
        | Node::Limit { input, .. }
        | Node::Distinct { input, .. }
        | Node::LockRows { input, .. } => visit(input, false),
        Node::NestedLoop { left, right, lateral, .. } => {
            visit(left, false);
            visit(right, *lateral);
        }
        Node::HashJoin { left, right, .. } | Node::SetOperation { left, right, .. } => {
            visit(left, false);
            visit(right, false);
        }
        Node::With { ctes, body } => {
            ctes.iter_mut().for_each(|cte| visit(&mut cte.root, false));
            visit(body, false);
        }
        Node::RecursiveUnion { seed, step, .. } => {
            visit(seed, false);
            visit(step, false);
        }
        Node::Insert(plan) => visit(&mut plan.input, false),
        Node::Update(plan) => visit(&mut plan.input, false),
        Node::Delete(plan) => visit(&mut plan.input, false),
        Node::Merge(plan) => visit(&mut plan.input, false),
    }
}

/// Visits every top-level expression of the tree below `node`, with the number of LATERAL rows in between.
pub fn tree_exprs_mut(node: &mut Node, depth: usize, visit: &mut dyn FnMut(&mut Expr, usize)) {
    node_exprs_mut(node, &mut |expr| visit(expr, depth));
    inputs_mut(node, &mut |input, lateral| tree_exprs_mut(input, depth + usize::from(lateral), visit));
}
