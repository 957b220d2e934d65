//! Rewrites of a bound tree, in a fixed order, each in a file of its own:
//!
//! 1. `fold`: constants computed once;
//! 2. `push`: conditions move into scans and sides of joins, equalities become hash joins or index look-ups per row;
//! 3. `access`: what a scan's conditions say about an index becomes its bounds;
//! 4. `order`: sorts that an index gives for nothing go, LIMIT reaches the sort, identity projections go.
//!
//! A rewrite never changes what rows come out; where it is not sure it leaves the tree alone.

mod access;
mod fold;
mod order;
mod push;
mod quiet;

use super::bind::BindContext;
use super::{Node, Subplan, visit};
use crate::expr::Expr;

pub use fold::fold;

/// The rewrites over one statement.
pub struct Rewriter<'a> {
    context: BindContext<'a>,
    subplans: Vec<Option<Subplan>>,
}

impl<'a> Rewriter<'a> {
    /// For a statement with these subplans.
    #[must_use]
    pub fn new(context: &BindContext<'a>, subplans: Vec<Option<Subplan>>) -> Rewriter<'a> {
        Rewriter { context: *context, subplans }
    }

    /// Rewrites the tree and all subplans.
    #[must_use]
    pub fn run(&mut self, mut root: Node) -> Node {
        root = self.one(root);
        for place in 0..self.subplans.len() {
            if let Some(mut subplan) = self.subplans[place].take() {
                subplan.root = self.one(subplan.root);
                self.subplans[place] = Some(subplan);
            }
        }
        root
    }

    fn one(&mut self, mut root: Node) -> Node {
        let style = self.context.style;
        fold::fold_tree(&mut root, style);
        let root = self.push(root, Vec::new());
        order::order(root)
    }

    /// The subplans, rewritten.
    #[must_use]
    pub fn finish(self) -> Vec<Option<Subplan>> {
        self.subplans
    }

    /// Whether an expression may be computed elsewhere than where it stands: it gives the same there, and its
    /// subqueries do not look at the row.
    fn movable(&self, expr: &Expr) -> bool {
        !visit::any(expr, &mut |inner| match inner {
            Expr::Call { function, .. } => function.volatility == crate::expr::Volatility::Volatile,
            Expr::Subquery { plan, .. } => {
                let subplan = usize::try_from(plan.0).ok().and_then(|place| self.subplans.get(place));
                subplan.and_then(Option::as_ref).is_none_or(|subplan| subplan.correlated)
            }
            _ => false,
        })
    }
}

/// The terms of a condition that must all hold.
fn conjuncts(expr: Expr, into: &mut Vec<Expr>) {
    match expr {
        Expr::And(items) => items.into_iter().for_each(|item| conjuncts(item, into)),
        other => into.push(other),
    }
}

/// The condition that all of the terms hold.
fn all_of(mut terms: Vec<Expr>) -> Option<Expr> {
    match terms.len() {
        0 => None,
        1 => terms.pop(),
        _ => Some(Expr::And(terms)),
    }
}

/// Whether `given` being true says that `wanted` is: it holds every term of it.
#[must_use]
pub fn implies(given: &Expr, wanted: &Expr) -> bool {
    let (mut have, mut need) = (Vec::new(), Vec::new());
    conjuncts(given.clone(), &mut have);
    conjuncts(wanted.clone(), &mut need);
    need.iter().all(|term| have.iter().any(|own| visit::same(own, term)))
}
