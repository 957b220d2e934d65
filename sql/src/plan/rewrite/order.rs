//! Order: sorts that an index gives for nothing, LIMIT into sorts, projections that change nothing.

use std::sync::Arc;

use crate::catalog::{IndexDef, IndexMethod, TableDef};
use crate::expr::Expr;
use crate::plan::{IndexBounds, Node, SortKey, visit};
use crate::types::{DataType, Value, oid};

/// Rewrites a tree from its leaves up.
pub(super) fn order(mut node: Node) -> Node {
    visit::inputs_mut(&mut node, &mut |input, _| {
        let owned = std::mem::replace(input, Node::Values { rows: Vec::new() });
        *input = order(owned);
    });
    match node {
        Node::Sort { input, keys, limit } => drop_sort(*input, keys, limit, false),
        Node::Limit { input, limit, offset, ties } => limited(*input, limit, offset, ties),
        Node::Project { input, exprs } => drop_identity(*input, exprs),
        other => other,
    }
}

fn limited(input: Node, limit: Option<Expr>, offset: Option<Expr>, ties: Option<Vec<SortKey>>) -> Node {
    let input = match input {
        Node::Sort { input, keys, limit: None } if ties.is_none() && limit.is_some() => {
            let rows = needed(limit.as_ref(), offset.as_ref());
            drop_sort(*input, keys, rows, true)
        }
        Node::LockRows { input, locks } => {
            // The sort below a lock cannot stop early by count, but an index can give its order.
            let input = match *input {
                Node::Project { input, exprs } => match *input {
                    Node::Sort { input, keys, limit: None } => {
                        let input = Box::new(drop_sort(*input, keys, None, limit.is_some()));
                        Node::Project { input, exprs }
                    }
                    other => Node::Project { input: Box::new(other), exprs },
                },
                other => other,
            };
            Node::LockRows { input: Box::new(input), locks }
        }
        other => other,
    };
    Node::Limit { input: Box::new(input), limit, offset, ties }
}

/// Rows that a sort below LIMIT and OFFSET must give, if that can be said.
fn needed(limit: Option<&Expr>, offset: Option<&Expr>) -> Option<Expr> {
    match (limit, offset) {
        (Some(limit), None) => Some(limit.clone()),
        (Some(Expr::Const(limit, _)), Some(Expr::Const(offset, _))) => {
            let sum = limit.as_i64()?.checked_add(offset.as_i64()?)?;
            Some(Expr::Const(Value::Int8(sum), DataType::INT8))
        }
        _ => None,
    }
}

/// A sort, unless its input comes in that order or can. `wanted`: few rows are needed, so a walk along an index pays.
fn drop_sort(input: Node, keys: Vec<SortKey>, limit: Option<Expr>, wanted: bool) -> Node {
    match ordered(&input, &keys, wanted) {
        Some(node) => node,
        None => Node::Sort { input: Box::new(input), keys, limit },
    }
}

/// The input in the wanted order, if an index gives it.
fn ordered(input: &Node, keys: &[SortKey], wanted: bool) -> Option<Node> {
    match input {
        Node::IndexScan { unique: true, ranges, .. } if ranges.len() == 1 => Some(input.clone()),
        Node::IndexScan { table, index, ranges, filter, unique, row_id, .. } => {
            let [range] = ranges.as_slice() else { return None };
            if range.any {
                return None;
            }
            let index = table.indexes.iter().find(|own| own.oid == *index)?;
            let reverse = direction(index, range.prefix.len(), keys)?;
            Some(Node::IndexScan {
                table: table.clone(),
                index: index.oid,
                ranges: ranges.clone(),
                reverse,
                filter: filter.clone(),
                unique: *unique,
                row_id: *row_id,
            })
        }
        Node::SeqScan { table, filter, row_id } if wanted => {
            let (index, reverse) = walkable(table, keys)?;
            Some(Node::IndexScan {
                table: table.clone(),
                index: index.oid,
                ranges: vec![IndexBounds::default()],
                reverse,
                filter: filter.clone(),
                unique: false,
                row_id: *row_id,
            })
        }
        Node::Filter { input, predicate } => {
            let input = Box::new(ordered(input, keys, wanted)?);
            Some(Node::Filter { input, predicate: predicate.clone() })
        }
        _ => None,
    }
}

fn walkable<'t>(table: &'t Arc<TableDef>, keys: &[SortKey]) -> Option<(&'t IndexDef, bool)> {
    let indexes = table.indexes.iter().filter(|index| index.predicate.is_none());
    indexes.into_iter().find_map(|index| direction(index, 0, keys).map(|reverse| (index, reverse)))
}

/// Whether the index gives the keys' order after `skip` equal keys: Some(backwards).
fn direction(index: &IndexDef, skip: usize, keys: &[SortKey]) -> Option<bool> {
    if index.method != IndexMethod::Btree {
        return None;
    }
    let mut rest = index.keys.iter().skip(skip);
    let fixed = |place: usize| index.keys.iter().take(skip).any(|key| key.column == Some(place));
    let mut reverse = None;
    for key in keys {
        let Expr::Column(place, _) = &key.expr else { return None };
        if fixed(*place) {
            continue;
        }
        let own = rest.next()?;
        if own.column != Some(*place) || own.ty.oid == oid::BPCHAR {
            return None;
        }
        let backwards = own.descending != key.descending;
        if (own.nulls_first != key.nulls_first) != backwards {
            return None;
        }
        if reverse.is_some_and(|known| known != backwards) {
            return None;
        }
        reverse = Some(backwards);
    }
    Some(reverse.unwrap_or(false))
}

/// A projection that gives its input's columns as they are goes, where the input's width is known.
fn drop_identity(input: Node, exprs: Vec<Expr>) -> Node {
    let identity = exprs.iter().enumerate().all(|(at, expr)| matches!(expr, Expr::Column(place, _) if *place == at));
    let width = match &input {
        Node::SeqScan { table, row_id, .. } | Node::IndexScan { table, row_id, .. } => {
            Some(table.columns.len() + usize::from(*row_id))
        }
        Node::SystemScan { relation, .. } => Some(relation.columns.len()),
        Node::Values { rows } => rows.first().map(Vec::len),
        Node::Project { exprs, .. } => Some(exprs.len()),
        Node::Aggregate { group, aggregates, grouping, .. } => Some(group.len() + aggregates.len() + grouping.len()),
        _ => None,
    };
    if identity && width == Some(exprs.len()) {
        return input;
    }
    Node::Project { input: Box::new(input), exprs }
}
