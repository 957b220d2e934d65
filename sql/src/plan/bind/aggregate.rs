//! GROUP BY: from expressions over the input row to expressions over the groups.
//!
//! Expressions are bound over the input row first, with marks where aggregates stand. Then every group expression in
//! them becomes a column of the Aggregate node, and what is left of the input row is an error (42803), unless the
//! table's primary key is among the keys: then the column becomes a key too.

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::{AGGREGATE_MARK, Binder, Clause, GROUPING_MARK, WINDOW_MARK};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::plan::visit::{self, same};
use crate::types::DataType;

/// The keys of a grouped query.
#[derive(Default)]
pub(super) struct Groups {
    /// Group expressions over the input row.
    pub keys: Vec<Expr>,
    /// Grouping sets over them.
    pub sets: Vec<Vec<usize>>,
    /// How many aggregates follow.
    pub aggregates: usize,
}

impl Groups {
    fn key(&mut self, expr: Expr) -> usize {
        if let Some(place) = self.keys.iter().position(|key| same(key, &expr)) {
            return place;
        }
        self.keys.push(expr);
        self.keys.len() - 1
    }
}

impl Binder<'_> {
    /// Binds GROUP BY. `targets`: names, expressions of the select list.
    pub(super) fn group_by(&mut self, clause: &ast::GroupByExpr, targets: &[(String, Expr)]) -> Result<Option<Groups>> {
        let ast::GroupByExpr::Expressions(exprs, modifiers) = clause else {
            return Err(SqlError::unsupported("GROUP BY ALL"));
        };
        if exprs.is_empty() && modifiers.is_empty() {
            return Ok(None);
        }
        if !modifiers.is_empty() {
            return Err(SqlError::unsupported("WITH ROLLUP and its relatives"));
        }
        let mut groups = Groups::default();
        // The cross product of what each item contributes.
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for expr in exprs {
            let alternatives = self.grouping_item(expr, &mut groups, targets)?;
            let mut product = Vec::with_capacity(sets.len() * alternatives.len());
            if sets.len().saturating_mul(alternatives.len()) > 4096 {
                return Err(SqlError::new(
                    SqlState::STATEMENT_TOO_COMPLEX,
                    "too many grouping sets present (maximum 4096)",
                ));
            }
            for set in &sets {
                for alternative in &alternatives {
                    let mut joined = set.clone();
                    joined.extend(alternative.iter().filter(|place| !set.contains(place)));
                    product.push(joined);
                }
            }
            sets = product;
        }
        groups.sets = sets;
        Ok(Some(groups))
    }

    fn grouping_item(
        &mut self,
        expr: &Ast,
        groups: &mut Groups,
        targets: &[(String, Expr)],
    ) -> Result<Vec<Vec<usize>>> {
        let mut list = |binder: &mut Self, items: &[Ast]| -> Result<Vec<usize>> {
            let mut places = Vec::with_capacity(items.len());
            for item in items {
                let bound = binder.group_key(item, targets)?;
                places.push(groups.key(bound));
            }
            Ok(places)
        };
        match expr {
            Ast::Rollup(items) => {
                let parts = items.iter().map(|item| list(self, item)).collect::<Result<Vec<_>>>()?;
                Ok((0..=parts.len()).rev().map(|count| parts[..count].concat()).collect())
            }
            Ast::Cube(items) => {
                if items.len() > 12 {
                    return Err(SqlError::new(SqlState::TOO_MANY_COLUMNS, "CUBE is limited to 12 elements"));
                }
                let parts = items.iter().map(|item| list(self, item)).collect::<Result<Vec<_>>>()?;
                let count = 1usize << parts.len();
                let subset = |mask: usize| {
                    let chosen = parts.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0);
                    chosen.flat_map(|(_, part)| part.clone()).collect()
                };
                Ok((0..count).rev().map(subset).collect())
            }
            Ast::GroupingSets(items) => items.iter().map(|item| list(self, item)).collect(),
            Ast::Tuple(items) => Ok(vec![list(self, items)?]),
            Ast::Nested(inner) => self.grouping_item(inner, groups, targets),
            one => Ok(vec![list(self, std::slice::from_ref(one))?]),
        }
    }

    fn group_key(&mut self, ast: &Ast, targets: &[(String, Expr)]) -> Result<Expr> {
        if let Some(place) = self.ordinal(ast, targets.len(), "GROUP BY")? {
            return self.checked_key(targets[place].1.clone(), ast);
        }
        if let Ast::Identifier(ident) = ast {
            // An input column first, a result name second.
            let name = super::scope::Name::new(ident, self.ami);
            let own = self.frames.last().is_some_and(|frame| {
                frame.items.iter().any(|item| item.by_column && !matches!(item.find(&name), Ok(None)))
            });
            if !own {
                if let Some((_, expr)) = targets.iter().find(|(alias, _)| *alias == name.folded) {
                    return self.checked_key(expr.clone(), ast);
                }
            }
        }
        let bound = self.in_clause(Clause::GroupBy, |binder| binder.expr(ast))?;
        self.settle_text(bound)
    }

    fn checked_key(&self, expr: Expr, ast: &Ast) -> Result<Expr> {
        let marked = |from: usize, to: usize| {
            visit::any(&expr, &mut |inner| matches!(inner, Expr::Column(place, _) if *place >= from && *place < to))
        };
        let what = if marked(AGGREGATE_MARK, WINDOW_MARK) {
            Some((SqlState::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY"))
        } else if marked(WINDOW_MARK, GROUPING_MARK) {
            Some((SqlState::WINDOWING_ERROR, "window functions are not allowed in GROUP BY"))
        } else {
            None
        };
        match what {
            Some((state, message)) => Err(SqlError::new(state, message).at(self.expr_position(ast))),
            None => Ok(expr),
        }
    }

    /// The place that an integer literal in GROUP BY, ORDER BY or DISTINCT ON means. Errors: 42P10, 42601.
    pub(super) fn ordinal(&self, ast: &Ast, count: usize, clause: &str) -> Result<Option<usize>> {
        let Ast::Value(value) = ast else { return Ok(None) };
        match &value.value {
            ast::Value::Number(digits, _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let place: usize = digits.parse().unwrap_or(usize::MAX);
                if place == 0 || place > count {
                    return Err(SqlError::new(
                        SqlState::INVALID_COLUMN_REFERENCE,
                        format!("{clause} position {digits} is not in select list"),
                    )
                    .at(self.position(value.span)));
                }
                Ok(Some(place - 1))
            }
            ast::Value::Placeholder(_) => Ok(None),
            _ => Err(SqlError::syntax(format!("non-integer constant in {clause}")).at(self.position(value.span))),
        }
    }

    /// Turns an expression over the input row into one over the groups.
    pub(super) fn regroup(&mut self, expr: &mut Expr, groups: &mut Groups) -> Result<()> {
        if matches!(expr, Expr::Const(..) | Expr::Param(..) | Expr::Outer { .. }) {
            return Ok(());
        }
        if let Some(place) = groups.keys.iter().position(|key| same(key, expr)) {
            *expr = Expr::Column(place, expr.data_type());
            return Ok(());
        }
        if let Expr::Column(place, ty) = expr {
            let (place, ty) = (*place, *ty);
            if place >= AGGREGATE_MARK {
                return Ok(());
            }
            let found = self.dependent_key(place, ty, groups)?;
            *expr = Expr::Column(found, ty);
            return Ok(());
        }
        if let Expr::Subquery { plan, .. } = expr {
            let plan = *plan;
            self.regroup_subplan(plan, 1, groups)?;
        }
        let mut result = Ok(());
        visit::operands_mut(expr, &mut |operand| {
            if result.is_ok() {
                result = self.regroup(operand, groups);
            }
        });
        result
    }

    fn regroup_subplan(&mut self, plan: crate::expr::SubplanId, distance: usize, groups: &mut Groups) -> Result<()> {
        let Ok(place) = usize::try_from(plan.0) else { return Ok(()) };
        let Some(mut subplan) = self.subplans.get_mut(place).and_then(Option::take) else { return Ok(()) };
        let mut result = Ok(());
        if subplan.correlated {
            visit::tree_exprs_mut(&mut subplan.root, 0, &mut |expr, depth| {
                if result.is_ok() {
                    result = self.regroup_outer(expr, distance + depth, groups);
                }
            });
        }
        self.subplans[place] = Some(subplan);
        result
    }

    fn regroup_outer(&mut self, expr: &mut Expr, distance: usize, groups: &mut Groups) -> Result<()> {
        match expr {
            Expr::Outer { depth, column, ty } if *depth == distance => {
                *column = self.dependent_key(*column, *ty, groups).map_err(|_| {
                    let name = self.frames.last().and_then(|frame| frame.column_name(*column));
                    SqlError::new(
                        SqlState::GROUPING_ERROR,
                        format!("subquery uses ungrouped column \"{}\" from outer query", shown(name)),
                    )
                })?;
                return Ok(());
            }
            Expr::Subquery { plan, .. } => {
                let plan = *plan;
                self.regroup_subplan(plan, distance + 1, groups)?;
            }
            _ => {}
        }
        let mut result = Ok(());
        visit::operands_mut(expr, &mut |operand| {
            if result.is_ok() {
                result = self.regroup_outer(operand, distance, groups);
            }
        });
        result
    }

    /// The key that gives an input column: itself, or one more if the primary key of its table is grouped by.
    fn dependent_key(&mut self, place: usize, ty: DataType, groups: &mut Groups) -> Result<usize> {
        let is_key = |wanted: usize, groups: &Groups| {
            groups.keys.iter().position(|key| matches!(key, Expr::Column(own, _) if *own == wanted))
        };
        if let Some(found) = is_key(place, groups) {
            return Ok(found);
        }
        let frame = self.frame();
        for item in &frame.items {
            let (def, first) = match &item.columns {
                super::scope::ItemColumns::Table { def, first } => (def, *first),
                super::scope::ItemColumns::List(_) => continue,
            };
            if place < first || place >= first + def.columns.len() {
                continue;
            }
            let Some(primary) = def.primary_key() else { break };
            let grouped = primary.keys.iter().all(|key| {
                key.column.is_some_and(|column| {
                    groups
                        .sets
                        .iter()
                        .all(|set| is_key(first + column, groups).is_some_and(|found| set.contains(&found)))
                })
            });
            if grouped && !groups.sets.is_empty() {
                groups.keys.push(Expr::Column(place, ty));
                let new = groups.keys.len() - 1;
                groups.sets.iter_mut().for_each(|set| set.push(new));
                return Ok(new);
            }
            break;
        }
        let name = frame.column_name(place);
        let span = frame.uses.iter().rev().find(|(used, _)| *used == place).map(|(_, span)| *span);
        Err(SqlError::new(
            SqlState::GROUPING_ERROR,
            format!(
                "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
                shown(name)
            ),
        )
        .at(span.and_then(|span| self.position(span))))
    }
}

/// Once all keys are known, the marks of aggregates and GROUPING get their places.
pub(super) fn place_aggregates(expr: &mut Expr, keys: usize, aggregates: usize) {
    if let Expr::Column(place, _) = expr {
        if *place >= GROUPING_MARK && *place < super::SET_MARK {
            *place = *place - GROUPING_MARK + keys + aggregates;
        } else if *place >= AGGREGATE_MARK && *place < WINDOW_MARK {
            *place = *place - AGGREGATE_MARK + keys;
        }
        return;
    }
    visit::operands_mut(expr, &mut |operand| place_aggregates(operand, keys, aggregates));
}

fn shown(name: Option<(Option<String>, String)>) -> String {
    match name {
        Some((Some(item), column)) => format!("{item}.{column}"),
        Some((None, column)) => column,
        None => "?column?".to_owned(),
    }
}
