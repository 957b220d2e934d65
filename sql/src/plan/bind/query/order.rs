//! ORDER BY, DISTINCT ON, LIMIT, and the rows that are locked.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::super::call::sort_key;
use super::super::scope::{Frame, Name};
use super::super::{Binder, Clause};
use super::Target;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{LockStrength, RowLock as LockSpec};
use crate::plan::visit::same;
use crate::plan::{Node, OutputColumn, RowLock, SortKey};
use crate::store::{LockMode, WaitPolicy};
use crate::types::{CastContext, DataType, Value, oid, shown_type};

impl Binder<'_> {
    /// ORDER BY of a SELECT, over the row of FROM.
    pub(super) fn order_by(&mut self, order: &[ast::OrderByExpr], targets: &[Target<'_>]) -> Result<Vec<SortKey>> {
        let mut keys: Vec<SortKey> = Vec::with_capacity(order.len());
        for item in order {
            let expr = self.result_key(&item.expr, targets, "ORDER BY")?;
            let key = sort_key(expr, &item.options)?;
            // A second key that equals an earlier one orders nothing.
            if !keys.iter().any(|known| same(&known.expr, &key.expr)) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn result_key(&mut self, ast: &Ast, targets: &[Target<'_>], clause: &str) -> Result<Expr> {
        if let Some(place) = self.ordinal(ast, targets.len(), clause)? {
            return Ok(targets[place].expr.clone());
        }
        if let Ast::Identifier(ident) = ast {
            let name = Name::new(ident, self.ami);
            let mut named = targets.iter().filter(|target| name.matches(&target.name, self.ami));
            if let Some(first) = named.next() {
                if named.any(|other| !same(&other.expr, &first.expr)) {
                    return Err(SqlError::new(
                        SqlState::AMBIGUOUS_COLUMN,
                        format!("{clause} \"{}\" is ambiguous", name.folded),
                    )
                    .at(self.position(ident.span)));
                }
                return Ok(first.expr.clone());
            }
        }
        // The same text as a result is the same value, volatile or not.
        if let Some(target) = targets.iter().find(|target| target.ast == Some(ast)) {
            if self.uses.is_some() {
                // Bound for its names alone.
                let _ = self.expr(ast);
            }
            return Ok(target.expr.clone());
        }
        let expr = self.expr(ast)?;
        self.settle_text(expr)
    }

    pub(super) fn distinct_on(&mut self, exprs: &[Ast], targets: &[Target<'_>]) -> Result<Vec<Expr>> {
        self.in_clause(Clause::DistinctOn, |binder| {
            exprs.iter().map(|ast| binder.result_key(ast, targets, "SELECT DISTINCT ON")).collect()
        })
    }

    /// ORDER BY of a set operation or VALUES: result columns only.
    pub(super) fn order_by_result(
        &mut self,
        order: &[ast::OrderByExpr],
        columns: &[OutputColumn],
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(order.len());
        for item in order {
            if let Some(place) = self.ordinal(&item.expr, columns.len(), "ORDER BY")? {
                keys.push(sort_key(Expr::Column(place, columns[place].ty), &item.options)?);
                continue;
            }
            let found = match &item.expr {
                Ast::Identifier(ident) => {
                    let name = Name::new(ident, self.ami);
                    columns.iter().position(|column| name.matches(&column.name, self.ami))
                }
                _ => None,
            };
            if let Some(place) = found {
                keys.push(sort_key(Expr::Column(place, columns[place].ty), &item.options)?);
                continue;
            }
            if let Ast::Identifier(ident) = &item.expr {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{}\" does not exist", self.fold(ident)),
                )
                .at(self.position(ident.span)));
            }
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
            )
            .detail("Only result column names can be used, not expressions or functions.")
            .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
            .at(self.expr_position(&item.expr)));
        }
        Ok(keys)
    }

    /// LIMIT, OFFSET, FETCH.
    pub(super) fn limit(&mut self, query: &ast::Query, node: Node, ties: Option<Vec<SortKey>>) -> Result<Node> {
        let (limit, offset) = match &query.limit_clause {
            Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            None => (None, None),
        };
        let one;
        let mut with_ties = false;
        let limit = match (&query.fetch, limit) {
            (Some(fetch), _) => {
                if fetch.percent {
                    return Err(SqlError::unsupported("FETCH … PERCENT"));
                }
                with_ties = fetch.with_ties;
                match &fetch.quantity {
                    Some(quantity) => Some(quantity),
                    None => {
                        one = crate::plan::bind::text::number_one();
                        Some(&one)
                    }
                }
            }
            (None, limit) => limit,
        };
        if limit.is_none() && offset.is_none() {
            return Ok(node);
        }
        if with_ties && ties.is_none() {
            return Err(SqlError::syntax("WITH TIES cannot be specified without ORDER BY clause"));
        }
        self.frames.push(Frame::default());
        let bound =
            (|| Ok::<_, SqlError>((self.row_count(limit, Clause::Limit)?, self.row_count(offset, Clause::Offset)?)))();
        self.frames.pop();
        let (limit, offset) = bound?;
        if limit.is_none() && offset.is_none() {
            return Ok(node);
        }
        Ok(Node::Limit { input: Box::new(node), limit, offset, ties: if with_ties { ties } else { None } })
    }

    fn row_count(&mut self, ast: Option<&Ast>, clause: Clause) -> Result<Option<Expr>> {
        let Some(ast) = ast else { return Ok(None) };
        if let Ast::Identifier(ident) = ast {
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("all") {
                return Ok(None);
            }
        }
        let what = clause.text();
        let bound = self.in_clause(clause, |binder| binder.expr(ast))?;
        let variable = crate::plan::visit::any(&bound, &mut |expr| {
            matches!(expr, Expr::Column(..)) || matches!(expr, Expr::Outer { depth: 1, .. })
        });
        if variable {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("argument of {what} must not contain variables"),
            )
            .at(self.expr_position(ast)));
        }
        let from = bound.data_type();
        let coerced = self.try_coerce(bound, DataType::INT8, CastContext::Assignment);
        let expr = coerced.map_err(|error| error.at(self.expr_position(ast)))?.ok_or_else(|| {
            SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("argument of {what} must be type bigint, not type {}", shown_type(from)),
            )
            .at(self.expr_position(ast))
        })?;
        if matches!(expr, Expr::Const(Value::Null, _)) { Ok(None) } else { Ok(Some(expr)) }
    }

    /// Whether a table of FROM under this name is to be locked by the query being bound.
    pub(in crate::plan::bind) fn lock_wanted(&self, name: &str) -> bool {
        self.lock_clauses.iter().any(|clause| {
            clause.table.as_ref().is_none_or(|table| {
                table.parts.last().is_some_and(|part| part == name || part.eq_ignore_ascii_case(name))
            })
        })
    }

    pub(super) fn lock_rows(
        &mut self,
        node: Node,
        width: usize,
        specs: &[LockSpec],
        filter: Option<Expr>,
    ) -> Result<Node> {
        let mut chosen: Vec<(usize, usize, Arc<crate::catalog::TableDef>, LockMode, WaitPolicy)> = Vec::new();
        for spec in specs {
            let mode = match spec.strength {
                LockStrength::KeyShare => LockMode::KeyShare,
                LockStrength::Share => LockMode::Share,
                LockStrength::NoKeyUpdate => LockMode::NoKeyUpdate,
                LockStrength::Update => LockMode::Update,
            };
            let wait = if spec.nowait {
                WaitPolicy::NoWait
            } else if spec.skip_locked {
                WaitPolicy::SkipLocked
            } else {
                WaitPolicy::Wait
            };
            let named = spec.table.as_ref().and_then(|table| table.parts.last()).cloned();
            let mut found = false;
            let items = self.frame().items.clone();
            for item in items.iter().filter(|item| item.by_name) {
                let name = item.name.as_deref().unwrap_or_default();
                if named
                    .as_ref()
                    .is_some_and(|named| named != name && !(item.loose && named.eq_ignore_ascii_case(name)))
                {
                    continue;
                }
                found = true;
                let Some(row_id) = item.row_id else { continue };
                let Some(table) = self.catalog.table(crate::catalog::TableId(item.relation)).cloned() else { continue };
                let first = row_id - table.columns.len();
                self.need_columns(table.id.0, crate::catalog::Privilege::Update, &[]);
                match chosen.iter_mut().find(|(id, ..)| *id == row_id) {
                    Some(known) => known.3 = known.3.max(mode),
                    None => chosen.push((row_id, first, table, mode, wait)),
                }
            }
            if let (false, Some(named)) = (found, named) {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_TABLE,
                    format!("relation \"{named}\" in {} clause not found in FROM clause", lock_text(spec)),
                ));
            }
        }
        if chosen.is_empty() {
            return Ok(node);
        }
        self.locks = true;
        // The row ids follow the row, to be cut off by LockRows.
        let mut exprs: Vec<Expr> = (0..width).map(|place| Expr::Column(place, DataType::new(oid::ANY))).collect();
        let mut locks = Vec::with_capacity(chosen.len());
        for (row_id, first_column, table, mode, wait) in chosen {
            let place = exprs.len();
            exprs.push(Expr::Column(row_id, DataType::INT8));
            let recheck = if locks.is_empty() { filter.clone() } else { None };
            locks.push(RowLock { table, row_id: place, first_column, mode, wait, recheck });
        }
        if let Some(filter) = filter {
            for lock in locks.iter_mut().skip(1) {
                lock.recheck = Some(filter.clone());
            }
        }
        let node = Node::Project { input: Box::new(node), exprs };
        Ok(Node::LockRows { input: Box::new(node), locks })
    }
}

fn lock_text(spec: &LockSpec) -> &'static str {
    match spec.strength {
        LockStrength::KeyShare => "FOR KEY SHARE",
        LockStrength::Share => "FOR SHARE",
        LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
        LockStrength::Update => "FOR UPDATE",
    }
}

pub(super) fn lock_refused(spec: &LockSpec, with: &str) -> SqlError {
    SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{} is not allowed with {with}", lock_text(spec)))
}

pub(super) fn order_exprs(query: &ast::Query) -> Result<&[ast::OrderByExpr]> {
    match &query.order_by {
        None => Ok(&[]),
        Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(exprs), .. }) => Ok(exprs),
        Some(_) => Err(SqlError::unsupported("ORDER BY ALL")),
    }
}
