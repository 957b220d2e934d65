//! The stages of a SELECT above its FROM: groups, windows, sets, DISTINCT.

use sqlparser::ast;

use super::super::aggregate::{Groups, place_aggregates};
use super::super::call::is_volatile;
use super::super::from::Source;
use super::super::scope::Frame;
use super::super::{Binder, Clause, Level, SET_MARK, WINDOW_MARK};
use super::order::{lock_refused, order_exprs};
use super::{Bound, Target};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::RowLock as LockSpec;
use crate::plan::visit::{self, aggregate_exprs_mut, same, window_exprs_mut};
use crate::plan::{Node, OutputColumn, ProjectColumn, SortKey};
use crate::types::{DataType, oid};

impl Binder<'_> {
    /// SELECT with the clauses of its query.
    pub(super) fn select(&mut self, select: &ast::Select, query: &ast::Query, settle: bool) -> Result<Bound> {
        if select.into.is_some() {
            return Err(SqlError::syntax("SELECT ... INTO is not allowed here"));
        }
        if select.qualify.is_some() || select.top.is_some() || !select.lateral_views.is_empty() {
            return Err(SqlError::unsupported("this clause of SELECT"));
        }
        let source = self.list_of_from(&select.from)?;
        let Source { node, items, width } = source;
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = self.in_clause(Clause::Select, |binder| binder.select_stages(select, query, node, settle));
        self.levels.pop();
        self.frames.pop();
        bound
    }

    fn select_stages(
        &mut self,
        select: &ast::Select,
        query: &ast::Query,
        mut node: Node,
        settle: bool,
    ) -> Result<Bound> {
        self.bind_named_windows(&select.named_window)?;
        let filter = match &select.selection {
            Some(ast) => Some(self.in_clause(Clause::Where, |binder| binder.condition(ast, "WHERE"))?),
            None => None,
        };
        // What is to be told apart has a type, whatever the other side of a set operation is.
        let distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
        let mut targets = self.targets(&select.projection, settle || distinct)?;
        let groups = {
            let named: Vec<(String, Expr)> = match &select.group_by {
                ast::GroupByExpr::Expressions(exprs, _) if exprs.is_empty() => Vec::new(),
                _ => targets.iter().map(|target| (target.name.clone(), target.expr.clone())).collect(),
            };
            self.group_by(&select.group_by, &named)?
        };
        let having = match &select.having {
            Some(ast) => Some(self.in_clause(Clause::Having, |binder| binder.condition(ast, "HAVING"))?),
            None => None,
        };
        let order = order_exprs(query)?;
        let mut keys = self.in_clause(Clause::OrderBy, |binder| binder.order_by(order, &targets))?;
        let distinct_on = match &select.distinct {
            Some(ast::Distinct::On(exprs)) => Some(self.distinct_on(exprs, &targets)?),
            _ => None,
        };

        if let Some(predicate) = filter.clone() {
            node = Node::Filter { input: Box::new(node), predicate };
        }
        let mut on = distinct_on;
        let width = self.frame().width;
        let (node, width) = self.place_groups(node, width, groups, having, &mut targets, &mut keys, &mut on)?;
        let (node, width) = self.place_windows(node, width, &mut targets, &mut keys, &mut on);
        let has_sets = !self.level().sets.is_empty();
        let (node, width) = self.place_sets(node, width, &mut targets, &mut keys, &mut on)?;

        let columns: Vec<OutputColumn> = targets
            .iter()
            .map(|target| OutputColumn {
                name: target.name.clone(),
                ty: target.expr.data_type(),
                origin: target.origin,
            })
            .collect();
        let exprs: Vec<Expr> = targets.into_iter().map(|target| target.expr).collect();
        let locks = std::mem::take(&mut self.lock_clauses);
        let node = if distinct || on.is_some() {
            if !locks.is_empty() {
                return Err(lock_refused(&locks[0], "DISTINCT clause"));
            }
            self.distinct_stages(node, exprs, keys, on, query)?
        } else {
            let _ = has_sets;
            self.plain_stages(node, width, exprs, keys, &locks, filter, query)?
        };
        Ok(Bound { node, columns })
    }

    /// Sort, LockRows, Limit, Project.
    #[allow(clippy::too_many_arguments, reason = "they are the stages")]
    fn plain_stages(
        &mut self,
        mut node: Node,
        width: usize,
        exprs: Vec<Expr>,
        keys: Vec<SortKey>,
        locks: &[LockSpec],
        filter: Option<Expr>,
        query: &ast::Query,
    ) -> Result<Node> {
        // A key that is more than a column and also a result is computed once, in the projection, and sorted there.
        let shared = locks.is_empty()
            && keys
                .iter()
                .any(|key| !matches!(key.expr, Expr::Column(..)) && exprs.iter().any(|expr| same(expr, &key.expr)));
        let volatile = !keys.is_empty() && locks.is_empty() && exprs.iter().any(is_volatile);
        if shared || (volatile && keys.iter().any(|key| is_volatile(&key.expr))) {
            return self.sort_above(node, exprs, keys, query);
        }
        let ties = (!keys.is_empty()).then(|| keys.clone());
        if !keys.is_empty() {
            node = Node::Sort { input: Box::new(node), keys, limit: None };
        }
        if !locks.is_empty() {
            node = self.lock_rows(node, width, locks, filter)?;
        }
        node = self.limit(query, node, ties)?;
        Ok(Node::Project { input: Box::new(node), exprs })
    }

    /// Project with the sort keys as further columns, Sort, Limit, and a Project that cuts them off.
    fn sort_above(&mut self, node: Node, mut exprs: Vec<Expr>, keys: Vec<SortKey>, query: &ast::Query) -> Result<Node> {
        let width = exprs.len();
        let mut sorted = Vec::with_capacity(keys.len());
        for key in keys {
            let ty = key.expr.data_type();
            let place = exprs.iter().position(|expr| same(expr, &key.expr)).unwrap_or_else(|| {
                exprs.push(key.expr.clone());
                exprs.len() - 1
            });
            sorted.push(SortKey { expr: Expr::Column(place, ty), ..key });
        }
        let types: Vec<DataType> = exprs.iter().map(Expr::data_type).collect();
        let extra = exprs.len() > width;
        let node = Node::Project { input: Box::new(node), exprs };
        let ties = Some(sorted.clone());
        let node = Node::Sort { input: Box::new(node), keys: sorted, limit: None };
        let node = self.limit(query, node, ties)?;
        if !extra {
            return Ok(node);
        }
        let exprs = types.iter().take(width).enumerate().map(|(place, ty)| Expr::Column(place, *ty)).collect();
        Ok(Node::Project { input: Box::new(node), exprs })
    }

    fn distinct_stages(
        &mut self,
        node: Node,
        mut exprs: Vec<Expr>,
        keys: Vec<SortKey>,
        on: Option<Vec<Expr>>,
        query: &ast::Query,
    ) -> Result<Node> {
        let width = exprs.len();
        let Some(on) = on else {
            let mut sorted = Vec::with_capacity(keys.len());
            for key in keys {
                let Some(place) = exprs.iter().position(|expr| same(expr, &key.expr)) else {
                    return Err(SqlError::new(
                        SqlState::INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                    ));
                };
                sorted.push(SortKey { expr: Expr::Column(place, key.expr.data_type()), ..key });
            }
            let node = Node::Project { input: Box::new(node), exprs };
            let mut node = Node::Distinct { input: Box::new(node), on: None };
            let ties = (!sorted.is_empty()).then(|| sorted.clone());
            if !sorted.is_empty() {
                node = Node::Sort { input: Box::new(node), keys: sorted, limit: None };
            }
            return self.limit(query, node, ties);
        };
        // DISTINCT ON: the keys lead the order; the input is sorted, the first row of each stays.
        for (place, key) in keys.iter().enumerate() {
            if place < on.len() && !on.iter().any(|expr| same(expr, &key.expr)) {
                return Err(SqlError::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                ));
            }
        }
        let mut all = keys;
        for expr in &on {
            if !all.iter().any(|key| same(&key.expr, expr)) {
                let place = all.len().min(on.len());
                all.insert(place, SortKey { expr: expr.clone(), descending: false, nulls_first: false });
            }
        }
        let mut column = |expr: &Expr| {
            let place = exprs.iter().position(|known| same(known, expr)).unwrap_or_else(|| {
                exprs.push(expr.clone());
                exprs.len() - 1
            });
            Expr::Column(place, expr.data_type())
        };
        let on: Vec<Expr> = on.iter().map(&mut column).collect();
        let sorted: Vec<SortKey> = all.into_iter().map(|key| SortKey { expr: column(&key.expr), ..key }).collect();
        let types: Vec<DataType> = exprs.iter().map(Expr::data_type).collect();
        let node = Node::Project { input: Box::new(node), exprs };
        let ties = Some(sorted.clone());
        let node = Node::Sort { input: Box::new(node), keys: sorted, limit: None };
        let node = Node::Distinct { input: Box::new(node), on: Some(on) };
        let node = self.limit(query, node, ties)?;
        if types.len() == width {
            return Ok(node);
        }
        let exprs = types.iter().take(width).enumerate().map(|(place, ty)| Expr::Column(place, *ty)).collect();
        Ok(Node::Project { input: Box::new(node), exprs })
    }

    #[allow(clippy::too_many_arguments, reason = "they are all expressions above the stage")]
    fn place_groups(
        &mut self,
        mut node: Node,
        width: usize,
        groups: Option<Groups>,
        having: Option<Expr>,
        targets: &mut [Target<'_>],
        keys: &mut [SortKey],
        on: &mut Option<Vec<Expr>>,
    ) -> Result<(Node, usize)> {
        let level = self.level();
        if groups.is_none() && having.is_none() && level.aggregates.is_empty() && level.grouping.is_empty() {
            return Ok((node, width));
        }
        if let Some(clause) = self.lock_clauses.first() {
            let with = match (&groups, &having) {
                (Some(_), _) => "GROUP BY clause",
                (None, Some(_)) => "HAVING clause",
                (None, None) => "aggregate functions",
            };
            return Err(lock_refused(clause, with));
        }
        let level = self.level();
        let mut windows = std::mem::take(&mut level.windows);
        let mut sets = std::mem::take(&mut level.sets);
        let mut aggregates = std::mem::take(&mut level.aggregates);
        let grouping_calls = std::mem::take(&mut level.grouping);
        let mut groups = groups.unwrap_or_else(|| Groups { sets: vec![Vec::new()], ..Groups::default() });
        groups.aggregates = aggregates.len();
        let mut having = having;
        let mut result = Ok(());
        {
            let mut each = |expr: &mut Expr| {
                if result.is_ok() {
                    result = self.regroup(expr, &mut groups);
                }
            };
            targets.iter_mut().for_each(|target| each(&mut target.expr));
            having.iter_mut().for_each(&mut each);
            keys.iter_mut().for_each(|key| each(&mut key.expr));
            on.iter_mut().flatten().for_each(&mut each);
            windows.iter_mut().for_each(|call| window_exprs_mut(call, &mut each));
            sets.iter_mut().flat_map(|call| call.args.iter_mut()).for_each(&mut each);
        }
        result?;
        let mut grouping = Vec::with_capacity(grouping_calls.len());
        for call in grouping_calls {
            let mut places = Vec::with_capacity(call.len());
            for arg in &call {
                let place = groups.keys.iter().position(|key| same(key, arg)).ok_or_else(|| {
                    SqlError::new(
                        SqlState::GROUPING_ERROR,
                        "arguments to GROUPING must be grouping expressions of the associated query level",
                    )
                })?;
                places.push(place);
            }
            grouping.push(places);
        }
        let (key_count, call_count) = (groups.keys.len(), aggregates.len());
        let mut place = |expr: &mut Expr| place_aggregates(expr, key_count, call_count);
        targets.iter_mut().for_each(|target| place(&mut target.expr));
        having.iter_mut().for_each(&mut place);
        keys.iter_mut().for_each(|key| place(&mut key.expr));
        on.iter_mut().flatten().for_each(&mut place);
        windows.iter_mut().for_each(|call| window_exprs_mut(call, &mut place));
        sets.iter_mut().flat_map(|call| call.args.iter_mut()).for_each(&mut place);
        for call in &mut aggregates {
            aggregate_exprs_mut(call, &mut |_| {});
        }
        let out = key_count + call_count + grouping.len();
        node = Node::Aggregate { input: Box::new(node), group: groups.keys, sets: groups.sets, grouping, aggregates };
        if let Some(predicate) = having {
            node = Node::Filter { input: Box::new(node), predicate };
        }
        let level = self.level();
        level.windows = windows;
        level.sets = sets;
        Ok((node, out))
    }

    fn place_windows(
        &mut self,
        node: Node,
        width: usize,
        targets: &mut [Target<'_>],
        keys: &mut [SortKey],
        on: &mut Option<Vec<Expr>>,
    ) -> (Node, usize) {
        let level = self.level();
        if level.windows.is_empty() {
            return (node, width);
        }
        let calls = std::mem::take(&mut level.windows);
        let mut place = |expr: &mut Expr| {
            visit::map_columns(expr, &|place| {
                if (WINDOW_MARK..crate::plan::bind::GROUPING_MARK).contains(&place) {
                    place - WINDOW_MARK + width
                } else {
                    place
                }
            });
        };
        targets.iter_mut().for_each(|target| place(&mut target.expr));
        keys.iter_mut().for_each(|key| place(&mut key.expr));
        on.iter_mut().flatten().for_each(&mut place);
        level.sets.iter_mut().flat_map(|call| call.args.iter_mut()).for_each(&mut place);
        let out = width + calls.len();
        (Node::Window { input: Box::new(node), calls }, out)
    }

    fn place_sets(
        &mut self,
        mut node: Node,
        mut width: usize,
        targets: &mut [Target<'_>],
        keys: &mut [SortKey],
        on: &mut Option<Vec<Expr>>,
    ) -> Result<(Node, usize)> {
        let mut sets = std::mem::take(&mut self.level().sets);
        if sets.is_empty() {
            return Ok((node, width));
        }
        if !self.lock_clauses.is_empty() {
            return Err(lock_refused(&self.lock_clauses[0], "set-returning function in the target list"));
        }
        // Calls whose arguments hold other sets wait for the next round.
        let mut places: Vec<Option<usize>> = vec![None; sets.len()];
        while places.iter().any(Option::is_none) {
            let ready: Vec<usize> = (0..sets.len())
                .filter(|i| places[*i].is_none())
                .filter(|i| {
                    !sets[*i].args.iter().any(|arg| {
                        visit::any(arg, &mut |inner| matches!(inner, Expr::Column(place, _) if *place >= SET_MARK))
                    })
                })
                .collect();
            if ready.is_empty() {
                return Err(SqlError::internal("sets that wait for each other"));
            }
            let mut exprs: Vec<ProjectColumn> =
                (0..width).map(|place| ProjectColumn::Scalar(Expr::Column(place, DataType::new(oid::ANY)))).collect();
            for (offset, set) in ready.iter().enumerate() {
                places[*set] = Some(width + offset);
                exprs.push(ProjectColumn::Set(sets[*set].clone()));
            }
            width += ready.len();
            node = Node::ProjectSet { input: Box::new(node), exprs };
            let known = places.clone();
            let mut place = |expr: &mut Expr| {
                visit::map_columns(expr, &|place| match place.checked_sub(SET_MARK) {
                    Some(set) => known.get(set).copied().flatten().unwrap_or(place),
                    None => place,
                });
            };
            targets.iter_mut().for_each(|target| place(&mut target.expr));
            keys.iter_mut().for_each(|key| place(&mut key.expr));
            on.iter_mut().flatten().for_each(&mut place);
            sets.iter_mut().flat_map(|call| call.args.iter_mut()).for_each(&mut place);
        }
        Ok((node, width))
    }
}
