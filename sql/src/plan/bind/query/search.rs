//! SEARCH and CYCLE of a recursive WITH query, written out as columns: a row's place in the search order, whether its
//! values were met on the way to it, and that way.

use sqlparser::ast;
use sqlparser::ast::SetExpr;

use super::super::Binder;
use crate::error::{Result, SqlError, SqlState};
use crate::parse::SEARCH_PART;

struct Search {
    depth: bool,
    order: String,
    columns: Vec<String>,
}

struct Cycle {
    mark: String,
    yes: String,
    no: String,
    path: String,
    columns: Vec<String>,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The clauses that marked names at the end of the list of columns carry, and the names before them.
fn clauses(cte: &ast::Cte) -> (Vec<ast::TableAliasColumnDef>, Option<Search>, Option<Cycle>) {
    let (mut names, mut search, mut cycle) = (Vec::new(), None, None);
    for column in &cte.alias.columns {
        let Some(mark) = column.name.value.strip_prefix('\0') else {
            names.push(column.clone());
            continue;
        };
        let mut parts = mark.split(SEARCH_PART).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        match next().as_str() {
            "search" => {
                let (way, order) = (next(), next());
                search = Some(Search { depth: way == "depth", order, columns: parts.collect() });
            }
            _ => {
                let (mark, yes, no, path) = (next(), next(), next(), next());
                cycle = Some(Cycle { mark, yes, no, path, columns: parts.collect() });
            }
        }
    }
    (names, search, cycle)
}

/// 42601 and 42701 for columns that are not there, there twice, or called as another.
fn check(names: &[String], search: Option<&Search>, cycle: Option<&Cycle>) -> Result<()> {
    let wrong = |text: String| Err(SqlError::syntax(text));
    let listed = |what: &str, columns: &[String]| {
        for (place, column) in columns.iter().enumerate() {
            if !names.contains(column) {
                return wrong(format!("{what} column \"{column}\" not in WITH query column list"));
            }
            if columns[..place].contains(column) {
                let text = format!("{what} column \"{column}\" specified more than once");
                return Err(SqlError::new(SqlState::DUPLICATE_COLUMN, text));
            }
        }
        Ok(())
    };
    if let Some(search) = search {
        listed("search", &search.columns)?;
        if names.contains(&search.order) {
            let text = "search sequence column name";
            return wrong(format!("{text} \"{}\" already used in WITH query column list", search.order));
        }
    }
    if let Some(cycle) = cycle {
        listed("cycle", &cycle.columns)?;
        for (what, name) in [("mark", &cycle.mark), ("path", &cycle.path)] {
            if names.contains(name) {
                return wrong(format!("cycle {what} column name \"{name}\" already used in WITH query column list"));
            }
            if search.is_some_and(|search| search.order == *name) {
                return wrong(format!("search sequence column name and cycle {what} column name are the same"));
            }
        }
        if cycle.mark == cycle.path {
            return wrong("cycle mark column name and cycle path column name are the same".to_owned());
        }
    }
    Ok(())
}

/// A SELECT over a query that stands where the template has its only subquery.
fn over(template: &str, inner: SetExpr) -> Result<SetExpr> {
    let mut query = crate::plan::bind::text::parse_query(template)?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(ast::TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        *subquery.body = inner;
        return Ok(*query.body);
    }
    Err(SqlError::internal("a template without a subquery"))
}

impl Binder<'_> {
    /// A WITH query with its SEARCH and CYCLE clauses written out; none if it has no such clause. Errors: 42601, 42701,
    /// 0A000 for a query of another form than SELECT UNION SELECT.
    pub(super) fn searched(&self, cte: &ast::Cte, recursive: bool) -> Result<Option<ast::Cte>> {
        if !cte.alias.columns.iter().any(|column| column.name.value.starts_with('\0')) {
            return Ok(None);
        }
        let (mut listed, search, cycle) = clauses(cte);
        let unfit = |text: &str| Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text));
        if !recursive {
            return Err(SqlError::syntax("WITH query is not recursive"));
        }
        let SetExpr::SetOperation { left, op: ast::SetOperator::Union, set_quantifier, right } =
            cte.query.body.as_ref()
        else {
            return Err(SqlError::syntax("WITH query is not recursive"));
        };
        let SetExpr::Select(seed) = left.as_ref() else {
            return unfit("with a SEARCH or CYCLE clause, the left side of the UNION must be a SELECT");
        };
        let SetExpr::Select(step) = right.as_ref() else {
            return unfit("with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT");
        };
        let own = self.fold(&cte.alias.name);
        let mut names: Vec<String> = listed.iter().map(|column| self.fold(&column.name)).collect();
        for item in seed.projection.iter().skip(names.len()) {
            names.push(match item {
                ast::SelectItem::ExprWithAlias { alias, .. } => self.fold(alias),
                ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(ident)) => self.fold(ident),
                ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(parts)) => {
                    parts.last().map(|ident| self.fold(ident)).unwrap_or_default()
                }
                _ => return unfit("a SEARCH or CYCLE clause without a list of the WITH query's columns"),
            });
        }
        check(&names, search.as_ref(), cycle.as_ref())?;
        let Some(reference) = step.from.iter().find_map(|from| self.reference_to(&own, from)) else {
            return unfit(&format!(
                "with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{own}\" must be at the top level of its right-hand SELECT"
            ));
        };
        let all = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let row = |columns: &[String]| {
            let columns = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>();
            format!("ROW({})", columns.join(", "))
        };
        let (mut first, mut next, mut passed, mut condition) = (all.clone(), all.clone(), Vec::new(), None);
        if let Some(search) = &search {
            let (order, row) = (quoted(&search.order), row(&search.columns));
            let inner = row.trim_start_matches("ROW(");
            if search.depth {
                first += &format!(", ARRAY[{row}] AS {order}");
                next += &format!(", {order} || {row} AS {order}");
            } else {
                // The distance stands first in the row that is compared.
                first += &format!(", ROW(0::bigint, {inner} AS {order}");
                let before = format!("split_part(ltrim({order}::text, '('), ',', 1)");
                next += &format!(", ROW(split_part({before}, ')', 1)::bigint + 1, {inner} AS {order}");
            }
            passed.push(search.order.clone());
        }
        if let Some(cycle) = &cycle {
            let (mark, path, row) = (quoted(&cycle.mark), quoted(&cycle.path), row(&cycle.columns));
            first += &format!(", {} AS {mark}, ARRAY[{row}] AS {path}", cycle.no);
            next += &format!(
                ", CASE WHEN {row} = ANY ({path}) THEN {} ELSE {} END AS {mark}, {path} || {row} AS {path}",
                cycle.yes, cycle.no
            );
            passed.push(cycle.path.clone());
            condition = Some(format!("{}.{mark} <> {}", quoted(&reference), cycle.yes));
        }
        let mut step = (**step).clone();
        for name in &passed {
            let expr = crate::parse::parse_expr(&format!("{}.{}", quoted(&reference), quoted(name)))?;
            step.projection.push(ast::SelectItem::UnnamedExpr(expr));
        }
        if let Some(condition) = condition {
            let before = step.selection.take();
            let more = Box::new(crate::parse::parse_expr(&condition)?);
            step.selection = Some(match before {
                Some(own) => {
                    let left = Box::new(ast::Expr::Nested(Box::new(own)));
                    ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right: more }
                }
                None => *more,
            });
        }
        let passed: String = passed.iter().map(|name| format!(", {}", quoted(name))).collect();
        let seed = over(&format!("SELECT {first} FROM (SELECT 1) \"*SEED*\"({all})"), SetExpr::Select(seed.clone()))?;
        let step = SetExpr::Select(Box::new(step));
        let step = over(&format!("SELECT {next} FROM (SELECT 1) \"*STEP*\"({all}{passed})"), step)?;
        let mut made = cte.clone();
        for name in names.iter().skip(listed.len()) {
            listed.push(ast::TableAliasColumnDef { name: ast::Ident::with_quote('"', name), data_type: None });
        }
        made.alias.columns = listed;
        made.query.body = Box::new(SetExpr::SetOperation {
            left: Box::new(seed),
            op: ast::SetOperator::Union,
            set_quantifier: *set_quantifier,
            right: Box::new(step),
        });
        Ok(Some(made))
    }

    /// The name that FROM knows a WITH query by, if it stands there.
    fn reference_to(&self, own: &str, from: &ast::TableWithJoins) -> Option<String> {
        let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
        factors.into_iter().find_map(|factor| {
            let ast::TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
            let parts = self.name_parts(name);
            (parts.len() == 1 && parts[0] == own)
                .then(|| alias.as_ref().map_or_else(|| own.to_owned(), |alias| self.fold(&alias.name)))
        })
    }
}
