//! Walks over expressions, and the names that a statement uses.

use crate::script::ami::ast::{Expr, FromItem, Item, Limit, Part, Query, Sent, Source, Sql};

/// Visits an expression and everything below it, queries left out.
pub(crate) fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    match expr {
        Expr::Template(parts) => {
            walk_parts(parts, visit);
        }
        Expr::Field(a, ..) | Expr::Unary(_, a) | Expr::Cast(_, a) | Expr::Step(a, ..) => walk(a, visit),
        Expr::Binary(_, a, b) | Expr::Index(a, b) | Expr::Assign(a, _, b, _) => {
            walk(a, visit);
            walk(b, visit);
        }
        Expr::Cond(a, b, c) => {
            walk(a, visit);
            walk(b, visit);
            walk(c, visit);
        }
        Expr::InQuery(a, ..) => walk(a, visit),
        Expr::Call(_, args, _) | Expr::New(_, args, _) | Expr::List(args) | Expr::Tuple(args) => {
            for arg in args {
                walk(arg, visit);
            }
        }
        Expr::Method(target, _, args, _) | Expr::In(target, args, _) => {
            walk(target, visit);
            for arg in args {
                walk(arg, visit);
            }
        }
        Expr::Map(pairs) => {
            for (key, value) in pairs {
                walk(key, visit);
                walk(value, visit);
            }
        }
        Expr::Literal(_) | Expr::Name(..) | Expr::Star | Expr::Query(..) | Expr::Slot(_) => {}
    }
}

fn walk_parts(parts: &[Part], visit: &mut dyn FnMut(&Expr)) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Expr(expr, _) => walk(expr, visit),
            Part::If(branches, other) => {
                for (condition, parts) in branches {
                    walk(condition, visit);
                    walk_parts(parts, visit);
                }
                walk_parts(other, visit);
            }
            Part::Loop(_, parts) => walk_parts(parts, visit),
        }
    }
}

/// All bare names in a statement's expressions.
pub(crate) fn names_of(sql: &Sql, out: &mut Vec<String>) {
    match sql {
        Sql::Insert { rows, limit, .. } => {
            rows.iter().flatten().for_each(|expr| collect(expr, out));
            limit_names(limit.as_ref(), out);
        }
        Sql::InsertSelect { query, .. } | Sql::Sync { query, .. } | Sql::Select(query) => query_names(query, out),
        Sql::Update { joins, sets, filter, limit, .. } => {
            from_names(joins, out);
            sets.iter().map(|(_, value)| value).chain(filter).for_each(|expr| collect(expr, out));
            limit_names(limit.as_ref(), out);
        }
        Sql::Delete { joins, filter, limit, .. } => {
            from_names(joins, out);
            filter.iter().for_each(|expr| collect(expr, out));
            limit_names(limit.as_ref(), out);
        }
        Sql::Text(parts) => {
            for part in parts {
                if let Sent::Word(word) = part {
                    out.push(word.clone());
                }
            }
        }
        Sql::Call(_, args) => args.iter().for_each(|expr| collect(expr, out)),
        Sql::Use { .. } => {}
    }
    out.sort();
    out.dedup();
}

fn collect(expr: &Expr, out: &mut Vec<String>) {
    let mut queries = Vec::new();
    walk(expr, &mut |part| match part {
        Expr::Name(name, _) => out.push(name.clone()),
        Expr::Query(query, _) | Expr::InQuery(_, query, ..) => queries.push((**query).clone()),
        _ => {}
    });
    for query in &queries {
        query_names(query, out);
    }
}

fn limit_names(limit: Option<&Limit>, out: &mut Vec<String>) {
    if let Some((skip, count)) = limit {
        skip.iter().chain([count]).for_each(|expr| collect(expr, out));
    }
}

fn from_names(from: &[FromItem], out: &mut Vec<String>) {
    for item in from {
        item.on.iter().for_each(|expr| collect(expr, out));
        if let Source::Query(query) = &item.source {
            query_names(query, out);
        }
    }
}

fn query_names(query: &Query, out: &mut Vec<String>) {
    let values = query.items.iter().filter_map(|item| match item {
        Item::Value(expr, _) => Some(expr),
        Item::Star | Item::StarExcept(_) | Item::TableStar(_) => None,
    });
    let exprs = values
        .chain(&query.filter)
        .chain(&query.group_by)
        .chain(&query.having)
        .chain(query.order_by.iter().map(|(expr, _)| expr));
    exprs.for_each(|expr| collect(expr, out));
    from_names(&query.from, out);
    limit_names(query.limit.as_ref(), out);
    if let Some(union) = &query.union {
        query_names(union, out);
    }
}
