//! Walks over expressions, and the names that a statement uses.

use crate::script::ami::ast::{Expr, Part, Query, Sent, Sql};

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
    let mut add = |expr: &Expr| collect(expr, out);
    match sql {
        Sql::Insert { rows, query, .. } => {
            rows.iter().flatten().for_each(&mut add);
            if let Some(query) = query {
                query_names(query, out);
            }
        }
        Sql::Update { sets, filter, .. } => {
            sets.iter().for_each(|(_, value)| add(value));
            filter.iter().for_each(&mut add);
        }
        Sql::Delete { filter, .. } => filter.iter().for_each(&mut add),
        Sql::Select(query) => query_names(query, out),
        Sql::Text(parts) => {
            for part in parts {
                if let Sent::Word(word) = part {
                    out.push(word.clone());
                }
            }
        }
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

fn query_names(query: &Query, out: &mut Vec<String>) {
    let exprs = query
        .items
        .iter()
        .map(|(expr, _)| expr)
        .chain(query.from.iter().filter_map(|item| item.on.as_ref()))
        .chain(&query.filter)
        .chain(&query.group_by)
        .chain(&query.having)
        .chain(query.order_by.iter().map(|(expr, _)| expr))
        .chain(&query.limit)
        .chain(&query.skip);
    for expr in exprs {
        collect(expr, out);
    }
    if let Some(union) = &query.union {
        query_names(union, out);
    }
}
