//! Conditions move down: through projections, into the sides of joins, into scans.
//!
//! `push` carries the terms that must hold of a node's output. Terms that a node cannot take stay above it as a Filter.

use super::{Rewriter, all_of, conjuncts};
use crate::expr::{CompareOp, Expr, SubqueryKind};
use crate::plan::{JoinKind, Node, visit};
use crate::types::{CastContext, DataType, Oid, oid};

/// Rows that a left side may give for an index look-up per row to be better than a hash table.
const LOOKUP_ROWS: usize = 200;

/// Which columns of a join's row a term uses.
fn sides(expr: &Expr, left_width: usize) -> (bool, bool) {
    let (mut left, mut right) = (false, false);
    visit::any(expr, &mut |inner| {
        if let Expr::Column(place, _) = inner {
            if *place < left_width {
                left = true;
            } else {
                right = true;
            }
        }
        false
    });
    (left, right)
}

fn has_outer(expr: &Expr) -> bool {
    visit::any(expr, &mut |inner| matches!(inner, Expr::Outer { .. } | Expr::Subquery { .. }))
}

fn filter(node: Node, terms: Vec<Expr>) -> Node {
    match all_of(terms) {
        Some(predicate) => Node::Filter { input: Box::new(node), predicate },
        None => node,
    }
}

impl Rewriter<'_> {
    /// Rewrites `node` under the terms that must hold of its rows.
    pub(super) fn push(&mut self, node: Node, mut terms: Vec<Expr>) -> Node {
        match node {
            Node::Filter { input, predicate } => {
                let mut own = Vec::new();
                conjuncts(predicate, &mut own);
                own.append(&mut terms);
                let (own, semi): (Vec<Expr>, Vec<Expr>) = own.into_iter().partition(|term| !is_exists(term));
                let mut node = self.push(*input, own);
                let mut left = Vec::new();
                for term in semi {
                    match self.semi_join(node, term) {
                        (made, None) => node = made,
                        (made, Some(term)) => {
                            node = made;
                            left.push(term);
                        }
                    }
                }
                filter(node, left)
            }
            Node::SeqScan { table, filter: own, row_id: true } => {
                // The filter of a scan sees the row before its id follows.
                let width = table.columns.len();
                let (above, below): (Vec<Expr>, Vec<Expr>) =
                    terms.into_iter().partition(|term| self.looks_beyond(term, width));
                filter(self.access(Node::SeqScan { table, filter: own, row_id: true }, below), above)
            }
            scan @ (Node::SeqScan { .. } | Node::SystemScan { .. }) => self.access(scan, terms),
            Node::Project { input, exprs } => {
                let movable: Vec<bool> = terms.iter().map(|term| self.movable(term)).collect();
                let plain = exprs.iter().all(|expr| self.movable(expr));
                let (mut below, mut above) = (Vec::new(), Vec::new());
                for (mut term, movable) in terms.into_iter().zip(movable) {
                    if movable && plain {
                        substitute(&mut term, &exprs);
                        below.push(term);
                    } else {
                        above.push(term);
                    }
                }
                let input = self.push(*input, below);
                filter(Node::Project { input: Box::new(input), exprs }, above)
            }
            Node::NestedLoop { left, right, kind, on, lateral, widths } => {
                self.join(*left, *right, kind, on, lateral, widths, terms)
            }
            Node::Sort { input, keys, limit: None } => {
                let (below, above): (Vec<Expr>, Vec<Expr>) = terms.into_iter().partition(|term| self.movable(term));
                let input = Box::new(self.push(*input, below));
                filter(Node::Sort { input, keys, limit: None }, above)
            }
            Node::SetOperation { left, right, op, all } => {
                let (below, above): (Vec<Expr>, Vec<Expr>) = terms.into_iter().partition(|term| self.movable(term));
                let left = Box::new(self.push(*left, below.clone()));
                let right = Box::new(self.push(*right, below));
                filter(Node::SetOperation { left, right, op, all }, above)
            }
            mut other => {
                visit::inputs_mut(&mut other, &mut |input, _| {
                    let owned = std::mem::replace(input, Node::Values { rows: Vec::new() });
                    *input = self.push(owned, Vec::new());
                });
                filter(other, terms)
            }
        }
    }

    /// Whether a term uses a column of its row from `width` on, itself or in a subquery.
    fn looks_beyond(&self, term: &Expr, width: usize) -> bool {
        visit::any(term, &mut |expr| match expr {
            Expr::Column(place, _) => *place >= width,
            Expr::Subquery { plan, .. } => {
                let subplan = usize::try_from(plan.0).ok().and_then(|place| self.subplans.get(place));
                let Some(subplan) = subplan.and_then(Option::as_ref).filter(|subplan| subplan.correlated) else {
                    return false;
                };
                let (mut root, mut found) = (subplan.root.clone(), false);
                visit::tree_exprs_mut(&mut root, 0, &mut |expr, depth| {
                    found = found
                        || visit::any(expr, &mut |inner| match inner {
                            Expr::Outer { depth: out, column, .. } => *out == depth + 1 && *column >= width,
                            // What is nested deeper may look there too.
                            Expr::Subquery { .. } => true,
                            _ => false,
                        });
                });
                found
            }
            _ => false,
        })
    }

    #[allow(clippy::too_many_arguments, reason = "they are the fields of the join")]
    fn join(
        &mut self,
        left: Node,
        right: Node,
        kind: JoinKind,
        on: Option<Expr>,
        lateral: bool,
        widths: (usize, usize),
        terms: Vec<Expr>,
    ) -> Node {
        let (mut to_left, mut to_right, mut condition, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut on_terms = Vec::new();
        if let Some(on) = on {
            conjuncts(on, &mut on_terms);
        }
        let width = widths.0;
        for term in terms {
            let (uses_left, uses_right) = sides(&term, width);
            if !self.movable(&term) {
                above.push(term);
            } else if !uses_right && matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
            {
                to_left.push(term);
            } else if !uses_left && matches!(kind, JoinKind::Inner | JoinKind::Right) && (!lateral || !has_outer(&term))
            {
                to_right.push(shifted(term, width));
            } else if kind == JoinKind::Inner {
                condition.push(term);
            } else {
                above.push(term);
            }
        }
        for term in on_terms {
            let (uses_left, uses_right) = sides(&term, width);
            let movable = self.movable(&term);
            if movable && !uses_right && uses_left && matches!(kind, JoinKind::Inner | JoinKind::Right) {
                to_left.push(term);
            } else if movable
                && !uses_left
                && uses_right
                && matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
                && (!lateral || !has_outer(&term))
            {
                to_right.push(shifted(term, width));
            } else {
                condition.push(term);
            }
        }
        let left = self.push(left, to_left);
        let (keys, rest) = if lateral { (Vec::new(), condition) } else { self.equalities(condition, width) };
        if keys.is_empty() {
            let right = self.push(right, to_right);
            let node = Node::NestedLoop {
                left: Box::new(left),
                right: Box::new(right),
                kind,
                on: all_of(rest),
                lateral,
                widths,
            };
            return filter(node, above);
        }
        if matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
            && estimate(&left) <= LOOKUP_ROWS
            && matches!(right, Node::SeqScan { .. })
            && !to_right.iter().any(has_outer)
        {
            let mut terms = to_right.clone();
            for (own, theirs) in &keys {
                let mut bound = own.clone();
                to_outer(&mut bound);
                let (left, right) = (Box::new(theirs.clone()), Box::new(bound));
                terms.push(Expr::Compare { op: CompareOp::Equal, left, right });
            }
            let looked_up = self.access(right.clone(), terms);
            if matches!(looked_up, Node::IndexScan { .. }) {
                let node = Node::NestedLoop {
                    left: Box::new(left),
                    right: Box::new(looked_up),
                    kind,
                    on: all_of(rest),
                    lateral: true,
                    widths,
                };
                return filter(node, above);
            }
        }
        let right = self.push(right, to_right);
        let (left_keys, right_keys) = keys.into_iter().unzip();
        let node = Node::HashJoin {
            left: Box::new(left),
            right: Box::new(right),
            kind,
            left_keys,
            right_keys,
            residual: all_of(rest),
            widths,
        };
        filter(node, above)
    }

    /// Takes the equalities between the sides out of a join condition: (left key, right key over its own row).
    fn equalities(&self, terms: Vec<Expr>, width: usize) -> (Vec<(Expr, Expr)>, Vec<Expr>) {
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        for term in terms {
            if let Expr::Compare { op: CompareOp::Equal, left, right } = &term {
                let (a, b) = (sides(left, width), sides(right, width));
                let movable = self.movable(&term) && hashable(left.data_type().oid) && hashable(right.data_type().oid);
                let pair = match (a, b) {
                    ((true, false), (false, true)) if movable => Some((left.as_ref().clone(), right.as_ref().clone())),
                    ((false, true), (true, false)) if movable => Some((right.as_ref().clone(), left.as_ref().clone())),
                    _ => None,
                };
                if let Some((own, theirs)) = pair {
                    let (own, theirs) = same_type(own, theirs);
                    keys.push((own, shifted(theirs, width)));
                    continue;
                }
            }
            rest.push(term);
        }
        (keys, rest)
    }

    /// `EXISTS (correlated by equalities)` as a semi join, `NOT EXISTS` as an anti join; gives the term back if it cannot.
    fn semi_join(&mut self, node: Node, term: Expr) -> (Node, Option<Expr>) {
        let (plan, negated) = match &term {
            Expr::Subquery { kind: SubqueryKind::Exists, plan, .. } => (*plan, false),
            Expr::Not(inner) => match inner.as_ref() {
                Expr::Subquery { kind: SubqueryKind::Exists, plan, .. } => (*plan, true),
                _ => return (node, Some(term)),
            },
            _ => return (node, Some(term)),
        };
        let Ok(place) = usize::try_from(plan.0) else { return (node, Some(term)) };
        let Some(subplan) = self.subplans.get(place).and_then(Option::as_ref).filter(|subplan| subplan.correlated)
        else {
            return (node, Some(term));
        };
        // Project(Filter(table)): the only shape that is worth it.
        let Node::Project { input, .. } = &subplan.root else { return (node, Some(term)) };
        let Node::Filter { input: scan, predicate } = input.as_ref() else { return (node, Some(term)) };
        let (scan, predicate) = (scan.clone(), predicate.clone());
        let Node::SeqScan { table, row_id: false, .. } = scan.as_ref() else { return (node, Some(term)) };
        let Some(left_width) = width_of(&node) else { return (node, Some(term)) };
        if estimate(&node) <= LOOKUP_ROWS && self.indexed_lookup(&scan, &predicate) {
            return (node, Some(term));
        }
        let right_width = table.columns.len();
        let mut terms = Vec::new();
        conjuncts(predicate, &mut terms);
        if terms.iter().any(|term| !self.movable(term) || deeper(term)) {
            return (node, Some(term));
        }
        let on: Vec<Expr> = terms.into_iter().map(|term| beside(term, left_width)).collect();
        let (keys, _) = self.equalities(on.clone(), left_width);
        if keys.is_empty() {
            return (node, Some(term));
        }
        let kind = if negated { JoinKind::Anti } else { JoinKind::Semi };
        let scan = scan.as_ref().clone();
        let made = self.join(node, scan, kind, all_of(on), false, (left_width, right_width), Vec::new());
        (made, None)
    }

    /// Whether the subquery's condition would use an index for each outer row.
    fn indexed_lookup(&mut self, scan: &Node, predicate: &Expr) -> bool {
        let mut terms = Vec::new();
        conjuncts(predicate.clone(), &mut terms);
        matches!(self.access(scan.clone(), terms), Node::IndexScan { .. })
    }
}

/// Whether it is EXISTS or NOT EXISTS.
fn is_exists(term: &Expr) -> bool {
    match term {
        Expr::Subquery { kind: SubqueryKind::Exists, .. } => true,
        Expr::Not(inner) => matches!(inner.as_ref(), Expr::Subquery { kind: SubqueryKind::Exists, .. }),
        _ => false,
    }
}

/// Whether it uses rows further out than the one directly around.
fn deeper(expr: &Expr) -> bool {
    visit::any(expr, &mut |inner| matches!(inner, Expr::Outer { depth, .. } if *depth > 1))
}

/// A subquery's term over its own row and the row around it, as a term over (outer row, own row).
fn beside(mut expr: Expr, left_width: usize) -> Expr {
    fn walk(expr: &mut Expr, left_width: usize) {
        match expr {
            Expr::Column(place, _) => *place += left_width,
            Expr::Outer { column, ty, .. } => *expr = Expr::Column(*column, *ty),
            other => visit::operands_mut(other, &mut |operand| walk(operand, left_width)),
        }
    }
    walk(&mut expr, left_width);
    expr
}

/// An expression over the left row, seen from the right side run for it.
fn to_outer(expr: &mut Expr) {
    match expr {
        Expr::Column(column, ty) => *expr = Expr::Outer { depth: 1, column: *column, ty: *ty },
        Expr::Outer { depth, .. } => *depth += 1,
        other => visit::operands_mut(other, &mut to_outer),
    }
}

fn shifted(mut expr: Expr, by: usize) -> Expr {
    visit::map_columns(&mut expr, &|place| place.saturating_sub(by));
    expr
}

fn substitute(expr: &mut Expr, exprs: &[Expr]) {
    if let Expr::Column(place, _) = expr {
        if let Some(inner) = exprs.get(*place) {
            *expr = inner.clone();
        }
        return;
    }
    visit::operands_mut(expr, &mut |operand| substitute(operand, exprs));
}

/// Types whose equal values hash alike.
fn hashable(ty: Oid) -> bool {
    !matches!(ty, oid::BPCHAR | oid::RECORD | oid::JSON | oid::UNKNOWN)
}

/// Integers of different widths become the wider one.
fn same_type(left: Expr, right: Expr) -> (Expr, Expr) {
    let rank = |ty: Oid| match ty {
        oid::INT2 => 1,
        oid::INT4 => 2,
        oid::INT8 => 3,
        _ => 0,
    };
    let (a, b) = (left.data_type().oid, right.data_type().oid);
    let widen = |expr: Expr, to: Oid| Expr::Cast {
        input: Box::new(expr),
        to: DataType::new(to),
        context: CastContext::Implicit,
    };
    if a == b || rank(a) == 0 || rank(b) == 0 {
        (left, right)
    } else if rank(a) < rank(b) {
        (widen(left, b), right)
    } else {
        let to = a;
        (left, widen(right, to))
    }
}

/// How many columns a node gives, where that is plain to see.
fn width_of(node: &Node) -> Option<usize> {
    Some(match node {
        Node::SeqScan { table, row_id, .. } | Node::IndexScan { table, row_id, .. } => {
            table.columns.len() + usize::from(*row_id)
        }
        Node::SystemScan { relation, .. } => relation.columns.len(),
        Node::Project { exprs, .. } => exprs.len(),
        Node::Filter { input, .. } | Node::Sort { input, .. } | Node::Limit { input, .. } => width_of(input)?,
        Node::NestedLoop { widths, kind, .. } | Node::HashJoin { widths, kind, .. } => match kind {
            JoinKind::Semi | JoinKind::Anti => widths.0,
            _ => widths.0 + widths.1,
        },
        _ => return None,
    })
}

/// A rough count of rows, for the choice between look-ups and hashing.
fn estimate(node: &Node) -> usize {
    match node {
        Node::Values { rows } => rows.len(),
        Node::IndexScan { unique: true, ranges, .. } => ranges.len(),
        Node::IndexScan { ranges, .. } => {
            let equal = ranges.iter().filter(|range| !range.prefix.is_empty()).count();
            if equal == ranges.len() { equal.saturating_mul(20) } else { 1000 }
        }
        Node::Filter { input, .. } => estimate(input),
        Node::Project { input, .. } | Node::Sort { input, .. } => estimate(input),
        Node::Limit { input, limit, .. } => match limit {
            Some(Expr::Const(value, _)) => {
                estimate(input).min(value.as_i64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX))
            }
            _ => estimate(input),
        },
        Node::NestedLoop { left, right, kind, .. } => match kind {
            JoinKind::Semi | JoinKind::Anti => estimate(left),
            _ => estimate(left).saturating_mul(estimate(right)),
        },
        Node::HashJoin { left, right, .. } => estimate(left).max(estimate(right)),
        Node::Aggregate { group, .. } if group.is_empty() => 1,
        Node::FunctionScan { .. } => 100,
        _ => 10_000,
    }
}
