//! Index choice: equalities, ranges, IN lists and IS NULL on an index's leading keys become its bounds.
//!
//! The index with the most equalities wins; a unique one that all of its keys are given for wins over all. Terms that
//! the bounds say exactly leave the filter, the rest stays.

use std::sync::Arc;

use super::{Rewriter, all_of, conjuncts, implies};
use crate::catalog::{IndexDef, IndexMethod, TableDef};
use crate::expr::{CompareOp, Expr};
use crate::plan::bind::bind_index_expr;
use crate::plan::{IndexBounds, Node, visit};
use crate::types::{CastContext, CastKind, DataType, Oid, find_cast, oid};

/// What a term says about one key.
enum Says {
    Equal(Expr),
    /// `IS NOT DISTINCT FROM`: what AMI's `==` is.
    Same(Expr),
    IsNull,
    AnyOf(Vec<Expr>),
    AnyArray(Expr),
    Lower(Expr, bool),
    Upper(Expr, bool),
}

/// How an index may serve.
struct Choice {
    index: Oid,
    ranges: Vec<IndexBounds>,
    used: Vec<usize>,
    unique: bool,
    score: usize,
}

impl Rewriter<'_> {
    /// A scan under conditions.
    pub(super) fn access(&mut self, scan: Node, terms: Vec<Expr>) -> Node {
        match scan {
            Node::SeqScan { table, filter, row_id } => {
                let mut all = Vec::new();
                if let Some(filter) = filter {
                    conjuncts(filter, &mut all);
                }
                all.extend(terms);
                let best = if all.is_empty() { None } else { self.best_index(&table, &all) };
                match best {
                    None => Node::SeqScan { table, filter: all_of(all), row_id },
                    Some(choice) => {
                        let mut place = 0;
                        all.retain(|_| {
                            place += 1;
                            !choice.used.contains(&(place - 1))
                        });
                        Node::IndexScan {
                            table,
                            index: choice.index,
                            ranges: choice.ranges,
                            reverse: false,
                            filter: all_of(all),
                            unique: choice.unique,
                            row_id,
                        }
                    }
                }
            }
            Node::SystemScan { relation, mut bounds, mut keys, filter } => {
                let mut all = Vec::new();
                if let Some(filter) = filter {
                    conjuncts(filter, &mut all);
                }
                all.extend(terms);
                for term in &all {
                    let Expr::Compare { op, left, right } = term else { continue };
                    for (op, column, bound) in [(*op, left, right), (mirrored(*op), right, left)] {
                        if let (Expr::Column(place, _), true) = (column.as_ref(), is_bound(bound)) {
                            if op == CompareOp::Equal {
                                keys.push((*place, bound.as_ref().clone()));
                            }
                            if *place == 0 {
                                bounds.push((op, bound.as_ref().clone()));
                            }
                        }
                    }
                }
                Node::SystemScan { relation, bounds, keys, filter: all_of(all) }
            }
            other => other,
        }
    }

    fn best_index(&mut self, table: &Arc<TableDef>, terms: &[Expr]) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        for index in &table.indexes {
            if !matches!(index.method, IndexMethod::Btree | IndexMethod::Hash) {
                continue;
            }
            if let Some(predicate) = &index.predicate {
                let Ok(wanted) = bind_index_expr(&self.context, predicate, table, true) else { continue };
                if !all_of(terms.to_vec()).is_some_and(|given| implies(&given, &wanted)) {
                    continue;
                }
            }
            if let Some(choice) = self.choose(table, index, terms) {
                if best.as_ref().is_none_or(|known| choice.score > known.score) {
                    best = Some(choice);
                }
            }
        }
        best
    }

    fn choose(&mut self, table: &Arc<TableDef>, index: &IndexDef, terms: &[Expr]) -> Option<Choice> {
        let mut ranges = vec![IndexBounds::default()];
        let mut used = Vec::new();
        let (mut equal, mut bounded, mut has_null) = (0usize, 0usize, false);
        for key in &index.keys {
            if key.ty.oid == oid::BPCHAR {
                break;
            }
            let target = match (key.column, &key.expr) {
                (Some(column), _) => Expr::Column(column, key.ty),
                (None, Some(text)) => bind_index_expr(&self.context, text, table, false).ok()?,
                (None, None) => break,
            };
            let says: Vec<(usize, Says)> = terms
                .iter()
                .enumerate()
                .filter(|(place, _)| !used.contains(place))
                .filter_map(|(place, term)| says(term, &target, key.ty).map(|says| (place, says)))
                .collect();
            let mut lower = None;
            let mut upper = None;
            let mut whole = false;
            for (place, one) in says {
                match one {
                    Says::Equal(expr) if !whole => {
                        ranges.iter_mut().for_each(|range| range.prefix.push(expr.clone()));
                        used.push(place);
                        whole = true;
                    }
                    Says::Same(expr) if !whole => {
                        for range in &mut ranges {
                            range.nulls.push(range.prefix.len());
                            range.prefix.push(expr.clone());
                        }
                        used.push(place);
                        has_null = true;
                        whole = true;
                    }
                    Says::IsNull if !whole => {
                        for range in &mut ranges {
                            range.nulls.push(range.prefix.len());
                            range.prefix.push(Expr::Const(crate::types::Value::Null, key.ty));
                        }
                        used.push(place);
                        has_null = true;
                        whole = true;
                    }
                    Says::AnyOf(items) if !whole && ranges.len() == 1 && !ranges[0].any => {
                        let base = ranges.remove(0);
                        for item in items {
                            let mut range = base.clone();
                            range.prefix.push(item);
                            ranges.push(range);
                        }
                        used.push(place);
                        whole = true;
                    }
                    Says::AnyArray(array) if !whole && ranges.len() == 1 => {
                        ranges[0].prefix.push(array);
                        ranges[0].any = true;
                        used.push(place);
                        whole = true;
                    }
                    Says::Lower(expr, inclusive) if !whole && lower.is_none() => lower = Some((place, expr, inclusive)),
                    Says::Upper(expr, inclusive) if !whole && upper.is_none() => upper = Some((place, expr, inclusive)),
                    _ => {}
                }
            }
            if whole {
                equal += 1;
                if ranges.iter().any(|range| range.any) {
                    break;
                }
                continue;
            }
            if index.method == IndexMethod::Btree && ranges.len() == 1 && (lower.is_some() || upper.is_some()) {
                // Bounds are in the order of values; the index's own direction is the executor's business.
                if let Some((place, expr, inclusive)) = lower {
                    ranges[0].lower = Some((expr, inclusive));
                    used.push(place);
                    bounded += 1;
                }
                if let Some((place, expr, inclusive)) = upper {
                    ranges[0].upper = Some((expr, inclusive));
                    used.push(place);
                    bounded += 1;
                }
            }
            break;
        }
        if equal == 0 && bounded == 0 {
            return None;
        }
        let complete = equal == index.keys.len();
        if index.method == IndexMethod::Hash && !complete {
            return None;
        }
        let single = ranges.len() == 1 && !ranges[0].any;
        let unique = index.always_unique() && complete && single && !has_null;
        let score =
            equal * 10 + bounded * 3 + if index.always_unique() && complete { 1000 } else { 0 } + usize::from(single);
        Some(Choice { index: index.oid, ranges, used, unique, score })
    }
}

/// Whether an expression is known before the scan starts.
fn is_bound(expr: &Expr) -> bool {
    !visit::any(expr, &mut |inner| match inner {
        Expr::Column(..) | Expr::Subquery { .. } => true,
        Expr::Call { function, .. } => function.volatility == crate::expr::Volatility::Volatile,
        _ => false,
    })
}

/// Whether values of the type can be looked up among keys of the other as they are.
fn fits(bound: Oid, key: Oid) -> bool {
    let int = |ty| matches!(ty, oid::INT2 | oid::INT4 | oid::INT8);
    let text = |ty| matches!(ty, oid::TEXT | oid::VARCHAR | oid::NAME);
    bound == key || (int(bound) && int(key)) || (text(bound) && text(key))
}

/// Whether `expr` is the key, apart from conversions that change nothing.
fn is_key(expr: &Expr, target: &Expr) -> bool {
    if visit::same(expr, target) {
        return true;
    }
    let Expr::Cast { input, to, context } = expr else { return false };
    let from = input.data_type().oid;
    let int = |ty| matches!(ty, oid::INT2 | oid::INT4 | oid::INT8);
    let harmless = (find_cast(from, to.oid, CastContext::Implicit) == Some(CastKind::Binary)
        && from != oid::BPCHAR
        && to.oid != oid::BPCHAR
        && fits(from, to.oid))
        || (int(from) && int(to.oid) && *context == CastContext::Implicit);
    harmless && to.typmod < 0 && is_key(input, target)
}

fn says(term: &Expr, target: &Expr, key: DataType) -> Option<Says> {
    match term {
        Expr::Compare { op, left, right } => {
            let (bound, op) = if is_key(left, target) {
                (right, *op)
            } else if is_key(right, target) {
                (left, mirrored(*op))
            } else {
                return None;
            };
            if !is_bound(bound) || !fits(bound.data_type().oid, key.oid) {
                return None;
            }
            let bound = bound.as_ref().clone();
            Some(match op {
                CompareOp::Equal => Says::Equal(bound),
                CompareOp::Less => Says::Upper(bound, false),
                CompareOp::LessEqual => Says::Upper(bound, true),
                CompareOp::Greater => Says::Lower(bound, false),
                CompareOp::GreaterEqual => Says::Lower(bound, true),
                CompareOp::NotEqual => return None,
            })
        }
        Expr::IsDistinct { left, right, negated: true } => {
            let bound = match (is_key(left, target), is_key(right, target)) {
                (true, _) => right,
                (_, true) => left,
                _ => return None,
            };
            (is_bound(bound) && fits(bound.data_type().oid, key.oid)).then(|| Says::Same(bound.as_ref().clone()))
        }
        Expr::IsNull { input, negated: false } if is_key(input, target) => Some(Says::IsNull),
        // A condition that is a bool column itself.
        Expr::Column(..) if key.oid == oid::BOOL && visit::same(term, target) => {
            Some(Says::Equal(Expr::Const(crate::types::Value::Bool(true), DataType::BOOL)))
        }
        Expr::Not(input) if key.oid == oid::BOOL && visit::same(input, target) => {
            Some(Says::Equal(Expr::Const(crate::types::Value::Bool(false), DataType::BOOL)))
        }
        Expr::InList { input, list, negated: false } if is_key(input, target) => {
            if !list.iter().all(|item| is_bound(item) && fits(item.data_type().oid, key.oid)) {
                return None;
            }
            // One range for each value, NULL apart (it equals nothing).
            let mut items: Vec<Expr> = Vec::with_capacity(list.len());
            let mut seen = std::collections::HashMap::<u64, Vec<usize>>::new();
            for item in list.iter() {
                let Expr::Const(value, _) = item else {
                    items.push(item.clone());
                    continue;
                };
                if value.is_null() {
                    continue;
                }
                let bucket = seen.entry(crate::types::hash_value(value)).or_default();
                let known =
                    |at: &usize| matches!(&items[*at], Expr::Const(other, _) if crate::types::equal(other, value));
                if bucket.iter().any(known) {
                    continue;
                }
                bucket.push(items.len());
                items.push(item.clone());
            }
            if items.is_empty() { None } else { Some(Says::AnyOf(items)) }
        }
        Expr::AnyArray { left, array, test, all: false } if is_key(left, target) && is_bound(array) => {
            let Expr::Compare { op: CompareOp::Equal, left: own, right: item } = test.as_ref() else { return None };
            let plain = |expr: &Expr, wanted: usize| match expr {
                Expr::Column(place, ty) => *place == wanted && fits(ty.oid, key.oid),
                Expr::Cast { input, to, .. } => {
                    matches!(input.as_ref(), Expr::Column(place, ty) if *place == wanted && fits(ty.oid, key.oid))
                        && fits(to.oid, key.oid)
                }
                _ => false,
            };
            (plain(own, 0) && plain(item, 1)).then(|| Says::AnyArray(array.as_ref().clone()))
        }
        _ => None,
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
        same => same,
    }
}
