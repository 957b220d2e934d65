//! Queries: WITH, set operations, VALUES, and the stages of a SELECT.
//!
//! ```text
//! FROM → WHERE → Aggregate → HAVING → Window → ProjectSet → Sort → LockRows → Limit → Project
//!                                                          (DISTINCT: Project → Sort → Distinct → Limit)
//! ```
//! Every expression is bound over the row of FROM; when a stage is placed, the expressions above it are moved over its
//! output.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::{Expr as Ast, SelectItem, SetExpr};

use super::aggregate::{Groups, place_aggregates};
use super::call::{is_volatile, sort_key};
use super::coerce::type_of;
use super::from::Source;
use super::scope::{Frame, Item, Name};
use super::{Binder, Clause, Level, SET_MARK, WINDOW_MARK};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{LockStrength, RowLock as LockSpec, is_star_mark, lock_clause};
use crate::plan::visit::{self, aggregate_exprs_mut, same, window_exprs_mut};
use crate::plan::{Cte, Node, OutputColumn, ProjectColumn, RowLock, SetOp, SortKey};
use crate::store::{LockMode, WaitPolicy};
use crate::types::{CastContext, DataType, Oid, Value, oid, shown_type};

/// A bound query.
pub(in crate::plan) struct Bound {
    pub node: Node,
    pub columns: Vec<OutputColumn>,
}

/// Most columns of a result; their number must fit the messages that describe them.
const TARGETS_MAX: usize = 1664;

/// A WITH query in scope.
pub(super) struct CteBinding {
    pub name: String,
    pub id: u32,
    pub columns: Vec<OutputColumn>,
    /// How often it was referred to.
    pub uses: usize,
    /// Frames on the stack where it was defined, and where it was last referred to.
    pub home: usize,
    pub last: usize,
    /// In scope.
    pub visible: bool,
}

/// A column of a select list.
struct Target<'t> {
    name: String,
    expr: Expr,
    origin: (Oid, i16),
    ast: Option<&'t Ast>,
}

impl Binder<'_> {
    /// Binds a query. Its columns of unknown type become text, unless `keep_unknown`.
    pub(in crate::plan) fn query(&mut self, query: &ast::Query, settle: bool) -> Result<Bound> {
        if query.for_clause.is_some() || !query.pipe_operators.is_empty() || query.settings.is_some() {
            return Err(SqlError::unsupported("this clause of a query"));
        }
        let base = std::mem::replace(&mut self.lateral_base, self.frames.len());
        let outer_locks = std::mem::take(&mut self.lock_clauses);
        let visible = self.ctes.len();
        let bound = self.query_with(query, settle);
        self.ctes.iter_mut().skip(visible).for_each(|cte| cte.visible = false);
        self.lock_clauses = outer_locks;
        self.lateral_base = base;
        bound
    }

    fn query_with(&mut self, query: &ast::Query, settle: bool) -> Result<Bound> {
        let Some(with) = &query.with else { return self.query_body(query, settle) };
        let ctes = self.with_queries(with)?;
        let bound = self.query_body(query, settle)?;
        Ok(Bound { node: self.place_ctes(ctes, bound.node), columns: bound.columns })
    }

    /// Binds WITH; the queries are in scope until the caller's query ends.
    pub(super) fn with_queries(&mut self, with: &ast::With) -> Result<Vec<(Cte, bool)>> {
        let mut ctes = Vec::with_capacity(with.cte_tables.len());
        for (place, cte) in with.cte_tables.iter().enumerate() {
            let name = self.fold(&cte.alias.name);
            if with.cte_tables[..place].iter().any(|other| self.fold(&other.alias.name) == name) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                )
                .at(self.position(cte.alias.name.span)));
            }
            let id = self.cte_count;
            self.cte_count += 1;
            let recursive = if with.recursive { self.recursive_cte(cte, &name, id)? } else { None };
            let (root, columns, inline) = match recursive {
                Some((root, columns)) => (root, columns, false),
                None => {
                    let writes = std::mem::replace(&mut self.writes, false);
                    let volatile = std::mem::replace(&mut self.volatile, false);
                    let locks = std::mem::replace(&mut self.locks, false);
                    let bound = self.query(&cte.query, true);
                    let plain = !self.writes && !self.volatile && !self.locks;
                    self.writes |= writes;
                    self.volatile |= volatile;
                    self.locks |= locks;
                    let mut bound = bound?;
                    self.rename_cte(cte, &name, &mut bound.columns)?;
                    (bound.node, bound.columns, plain)
                }
            };
            let modifies = matches!(root, Node::Insert(_) | Node::Update(_) | Node::Delete(_) | Node::Merge(_));
            let inline = inline && cte.materialized != Some(ast::CteAsMaterialized::Materialized);
            let home = self.frames.len();
            self.ctes.retain(|binding| binding.id != id);
            self.ctes.push(CteBinding { name: name.clone(), id, columns, uses: 0, home, last: home, visible: true });
            ctes.push((Cte { id, name, root, modifies }, inline));
        }
        Ok(ctes)
    }

    fn rename_cte(&self, cte: &ast::Cte, name: &str, columns: &mut [OutputColumn]) -> Result<()> {
        if cte.alias.columns.len() > columns.len() {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    columns.len(),
                    cte.alias.columns.len()
                ),
            )
            .at(self.position(cte.alias.name.span)));
        }
        for (column, renamed) in columns.iter_mut().zip(&cte.alias.columns) {
            column.name = self.fold(&renamed.name);
        }
        Ok(())
    }

    /// A WITH RECURSIVE query of the form seed UNION step; none if it does not refer to itself.
    fn recursive_cte(&mut self, cte: &ast::Cte, name: &str, id: u32) -> Result<Option<(Node, Vec<OutputColumn>)>> {
        let SetExpr::SetOperation { left, op: ast::SetOperator::Union, set_quantifier, right } =
            cte.query.body.as_ref()
        else {
            return Ok(None);
        };
        if cte.query.with.is_some() || cte.query.order_by.is_some() || cte.query.limit_clause.is_some() {
            return Ok(None);
        }
        let seed = self.set_expr(left, true)?;
        let mut columns = seed.columns;
        self.rename_cte(cte, name, &mut columns)?;
        let home = self.frames.len();
        self.ctes.push(CteBinding {
            name: name.to_owned(),
            id,
            columns: columns.clone(),
            uses: 0,
            home,
            last: home,
            visible: true,
        });
        let step = self.set_expr(right, false)?;
        let uses = self.ctes.iter().find(|binding| binding.id == id).map_or(0, |binding| binding.uses);
        let all = *set_quantifier == ast::SetQuantifier::All;
        if step.columns.len() != columns.len() {
            return Err(SqlError::syntax("each UNION query must have the same number of columns"));
        }
        if uses == 0 {
            // Not recursive after all.
            let left = Bound { node: seed.node, columns: columns.clone() };
            let bound = self.set_operation(left, step, SetOp::Union, all, "UNION")?;
            return Ok(Some((bound.node, bound.columns)));
        }
        let mut node = step.node;
        for (place, (column, own)) in columns.iter().zip(&step.columns).enumerate() {
            if own.ty.oid == column.ty.oid {
                continue;
            }
            if own.ty.oid != oid::UNKNOWN && !Self::can_coerce(own.ty.oid, column.ty.oid, CastContext::Implicit) {
                return Err(SqlError::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        place + 1,
                        shown_type(column.ty),
                        shown_type(own.ty)
                    ),
                )
                .hint("Cast the output of the non-recursive term to the correct type."));
            }
            node = self.coerce_column(node, place, step.columns.len(), &step.columns, column.ty)?;
        }
        let root = Node::RecursiveUnion { cte: id, seed: Box::new(seed.node), step: Box::new(node), all };
        Ok(Some((root, columns)))
    }

    /// A reference to a WITH query by name.
    pub(super) fn cte_reference(&mut self, name: &str, alias: Option<&ast::TableAlias>) -> Result<Option<Source>> {
        let depth = self.frames.len();
        let Some(binding) = self.ctes.iter_mut().rev().find(|binding| binding.visible && binding.name == name) else {
            return Ok(None);
        };
        binding.uses += 1;
        binding.last = depth;
        let (id, columns) = (binding.id, binding.columns.clone());
        let item = self.query_item(&columns, alias, Some(name.to_owned()))?;
        Ok(Some(Source { node: Node::CteScan { cte: id }, items: vec![item], width: columns.len() }))
    }

    /// Puts WITH queries where they are used once, the rest into a With node around `body`.
    pub(super) fn place_ctes(&mut self, ctes: Vec<(Cte, bool)>, mut body: Node) -> Node {
        let mut kept: Vec<Cte> = Vec::new();
        let mut pending: Vec<(Cte, bool)> = ctes;
        while let Some((cte, inline)) = pending.pop() {
            let binding = self.ctes.iter().find(|binding| binding.id == cte.id);
            let (uses, home, last) = binding.map_or((2, 0, 0), |binding| (binding.uses, binding.home, binding.last));
            if uses == 0 && !cte.modifies && inline {
                continue;
            }
            if inline && uses == 1 {
                let mut root = Some(cte.root);
                let by = isize::try_from(last.saturating_sub(home)).unwrap_or(0);
                if by > 0 {
                    if let Some(node) = &mut root {
                        self.shift_outer(node, 0, by);
                    }
                }
                replace_cte(&mut body, cte.id, &mut root);
                for (other, _) in &mut pending {
                    replace_cte(&mut other.root, cte.id, &mut root);
                }
                for other in &mut kept {
                    replace_cte(&mut other.root, cte.id, &mut root);
                }
                for subplan in self.subplans.iter_mut().flatten() {
                    if root.is_some() {
                        replace_cte(&mut subplan.root, cte.id, &mut root);
                    }
                }
                match root {
                    None => continue,
                    Some(root) => kept.push(Cte { root, ..cte }),
                }
            } else {
                kept.push(cte);
            }
        }
        if kept.is_empty() {
            return body;
        }
        kept.reverse();
        Node::With { ctes: kept, body: Box::new(body) }
    }

    fn query_body(&mut self, query: &ast::Query, settle: bool) -> Result<Bound> {
        let specs: Vec<LockSpec> = query.locks.iter().map(lock_clause).collect();
        if let SetExpr::Select(select) = query.body.as_ref() {
            self.lock_clauses = specs;
            return self.select(select, query, settle);
        }
        if !specs.is_empty() {
            if let SetExpr::Query(_) = query.body.as_ref() {
            } else {
                return Err(SqlError::unsupported("a row lock on the result of UNION, VALUES or the like"));
            }
        }
        let mut bound = self.set_expr(query.body.as_ref(), settle)?;
        let order = order_exprs(query)?;
        if !order.is_empty() {
            let keys = self.order_by_result(order, &bound.columns)?;
            bound.node = Node::Sort { input: Box::new(bound.node), keys, limit: None };
        }
        let ties = match &bound.node {
            Node::Sort { keys, .. } => Some(keys.clone()),
            _ => None,
        };
        bound.node = self.limit(query, bound.node, ties)?;
        Ok(bound)
    }

    /// A body without ORDER BY and LIMIT of its own.
    fn set_expr(&mut self, body: &SetExpr, settle: bool) -> Result<Bound> {
        self.enter()?;
        let bound = stacker::maybe_grow(96 * 1024, 1024 * 1024, || self.set_form(body, settle));
        self.depth -= 1;
        bound
    }

    fn set_form(&mut self, body: &SetExpr, settle: bool) -> Result<Bound> {
        match body {
            SetExpr::Select(select) => {
                let empty = plain_query();
                let locks = std::mem::take(&mut self.lock_clauses);
                let bound = self.select(select, &empty, settle);
                self.lock_clauses = locks;
                bound
            }
            SetExpr::Query(query) => self.query(query, settle),
            SetExpr::Values(values) => self.values(values, settle),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let (op, name) = match op {
                    ast::SetOperator::Union => (SetOp::Union, "UNION"),
                    ast::SetOperator::Intersect => (SetOp::Intersect, "INTERSECT"),
                    ast::SetOperator::Except | ast::SetOperator::Minus => (SetOp::Except, "EXCEPT"),
                };
                let all = match set_quantifier {
                    ast::SetQuantifier::All => true,
                    ast::SetQuantifier::Distinct | ast::SetQuantifier::None => false,
                    _ => return Err(SqlError::unsupported("BY NAME")),
                };
                let left = self.set_expr(left, false)?;
                let right = self.set_expr(right, false)?;
                self.set_operation(left, right, op, all, name)
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.modifying(statement),
            SetExpr::Table(table) => {
                let ident = |name: &String| ast::ObjectNamePart::Identifier(ast::Ident::with_quote('"', name));
                let parts = table.schema_name.iter().chain(&table.table_name).map(ident).collect();
                let source = self.named_table(&ast::ObjectName(parts), None, false)?;
                self.star_of(source)
            }
        }
    }

    fn star_of(&mut self, source: Source) -> Result<Bound> {
        let columns: Vec<_> = source.items.iter().flat_map(Item::all).collect();
        let outputs = columns.iter().map(|column| OutputColumn {
            name: column.name.clone(),
            ty: column.expr.data_type(),
            origin: column.origin,
        });
        let outputs = outputs.collect();
        let exprs = columns.into_iter().map(|column| column.expr).collect();
        Ok(Bound { node: Node::Project { input: Box::new(source.node), exprs }, columns: outputs })
    }

    fn set_operation(&mut self, left: Bound, right: Bound, op: SetOp, all: bool, name: &str) -> Result<Bound> {
        if left.columns.len() != right.columns.len() {
            return Err(SqlError::syntax(format!("each {name} query must have the same number of columns")));
        }
        let (mut left_node, mut right_node) = (left.node, right.node);
        let mut columns = Vec::with_capacity(left.columns.len());
        let width = left.columns.len();
        for place in 0..width {
            let (a, b) = (&left.columns[place], &right.columns[place]);
            let ty = self.common([a.ty, b.ty].into_iter(), name)?;
            if a.ty != ty {
                left_node = self.coerce_column(left_node, place, width, &left.columns, ty)?;
            }
            if b.ty != ty {
                right_node = self.coerce_column(right_node, place, width, &right.columns, ty)?;
            }
            columns.push(OutputColumn { name: a.name.clone(), ty, origin: (0, 0) });
        }
        let node = Node::SetOperation { left: Box::new(left_node), right: Box::new(right_node), op, all };
        Ok(Bound { node, columns })
    }

    /// Gives a column of a bound query another type, where its expression stands if it can be reached.
    pub(super) fn coerce_column(
        &mut self,
        node: Node,
        place: usize,
        width: usize,
        columns: &[OutputColumn],
        to: DataType,
    ) -> Result<Node> {
        match node {
            Node::Project { input, mut exprs } if exprs.len() == width => {
                let expr = std::mem::replace(&mut exprs[place], Expr::Const(Value::Null, to));
                exprs[place] = self.coerce(expr, to, CastContext::Implicit)?;
                Ok(Node::Project { input, exprs })
            }
            Node::Values { mut rows } => {
                for row in &mut rows {
                    if let Some(cell) = row.get_mut(place) {
                        let expr = std::mem::replace(cell, Expr::Const(Value::Null, to));
                        *cell = self.coerce(expr, to, CastContext::Implicit)?;
                    }
                }
                Ok(Node::Values { rows })
            }
            Node::SetOperation { left, right, op, all }
                if columns.get(place).is_some_and(|column| column.ty.oid == oid::UNKNOWN) =>
            {
                let left = Box::new(self.coerce_column(*left, place, width, columns, to)?);
                let right = Box::new(self.coerce_column(*right, place, width, columns, to)?);
                Ok(Node::SetOperation { left, right, op, all })
            }
            Node::Limit { input, limit, offset, ties } => {
                let input = Box::new(self.coerce_column(*input, place, width, columns, to)?);
                Ok(Node::Limit { input, limit, offset, ties })
            }
            Node::With { ctes, body } => {
                let body = Box::new(self.coerce_column(*body, place, width, columns, to)?);
                Ok(Node::With { ctes, body })
            }
            other => {
                let mut exprs: Vec<Expr> =
                    columns.iter().enumerate().map(|(i, column)| Expr::Column(i, column.ty)).collect();
                if let Some(column) = columns.get(place) {
                    exprs[place] = self.coerce(Expr::Column(place, column.ty), to, CastContext::Implicit)?;
                }
                Ok(Node::Project { input: Box::new(other), exprs })
            }
        }
    }

    /// VALUES.
    fn values(&mut self, values: &ast::Values, settle: bool) -> Result<Bound> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut rows = Vec::with_capacity(values.rows.len());
        self.frames.push(Frame::default());
        self.levels.push(Level::default());
        let bound = self.in_clause(Clause::Values, |binder| {
            for row in &values.rows {
                if row.content.len() != width {
                    return Err(SqlError::syntax("VALUES lists must all be the same length")
                        .at(row.content.first().and_then(|expr| binder.expr_position(expr))));
                }
                let mut cells = Vec::with_capacity(width);
                for cell in &row.content {
                    cells.push(binder.expr(cell)?);
                }
                rows.push(cells);
            }
            Ok(())
        });
        let level = self.levels.pop();
        self.frames.pop();
        bound?;
        if level.is_some_and(|level| !level.sets.is_empty()) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "set-returning functions are not allowed in VALUES",
            ));
        }
        let mut columns = Vec::with_capacity(width);
        for place in 0..width {
            let first = rows[0][place].data_type();
            let uniform = rows.iter().all(|row| row[place].data_type() == first);
            if uniform && (first.oid != oid::UNKNOWN || !settle) {
                columns.push(OutputColumn { name: format!("column{}", place + 1), ty: first, origin: (0, 0) });
                continue;
            }
            let ty = self.common(rows.iter().map(|row| row[place].data_type()), "VALUES")?;
            for (row, asts) in rows.iter_mut().zip(&values.rows) {
                let cell = std::mem::replace(&mut row[place], Expr::Const(Value::Null, ty));
                row[place] = self.coerce_at(cell, ty, CastContext::Implicit, &asts.content[place])?;
            }
            columns.push(OutputColumn { name: format!("column{}", place + 1), ty, origin: (0, 0) });
        }
        Ok(Bound { node: Node::Values { rows }, columns })
    }

    /// SELECT with the clauses of its query.
    fn select(&mut self, select: &ast::Select, query: &ast::Query, settle: bool) -> Result<Bound> {
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
                if (WINDOW_MARK..super::GROUPING_MARK).contains(&place) { place - WINDOW_MARK + width } else { place }
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

    /// The select list, `*` spread out.
    fn targets<'t>(&mut self, projection: &'t [SelectItem], settle: bool) -> Result<Vec<Target<'t>>> {
        let mut targets = Vec::with_capacity(projection.len());
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Ast::Function(call)) if self.is_star_except(call) => {
                    targets.extend(self.star_except(call)?);
                }
                SelectItem::UnnamedExpr(ast) => {
                    if let Some(expanded) = self.expand_record(ast)? {
                        targets.extend(expanded);
                        continue;
                    }
                    let expr = self.target_expr(ast, settle)?;
                    let origin = self.origin(&expr);
                    let name = if origin.0 == 0 { None } else { self.ami_name(origin) };
                    let name = name.unwrap_or_else(|| self.result_name(ast));
                    targets.push(Target { name, expr, origin, ast: Some(ast) });
                }
                SelectItem::ExprWithAlias { expr: ast, alias } => {
                    let expr = self.target_expr(ast, settle)?;
                    let origin = self.origin(&expr);
                    let name = if self.ami { alias.value.clone() } else { self.fold(alias) };
                    targets.push(Target { name, expr, origin, ast: Some(ast) });
                }
                SelectItem::ExprWithAliases { .. } => return Err(SqlError::unsupported("several aliases")),
                SelectItem::Wildcard(options) => {
                    let frame = self.frame();
                    if frame.items.is_empty() {
                        return Err(SqlError::syntax("SELECT * with no tables specified is not valid")
                            .at(self.position(options.wildcard_token.0.span)));
                    }
                    let columns: Vec<_> =
                        frame.items.iter().filter(|item| item.by_column).flat_map(Item::all).collect();
                    targets.extend(columns.into_iter().map(|column| Target {
                        name: column.name,
                        expr: column.expr,
                        origin: column.origin,
                        ast: None,
                    }));
                }
                SelectItem::QualifiedWildcard(kind, _) => targets.extend(self.qualified_star(kind)?),
            }
        }
        if targets.len() > TARGETS_MAX {
            return Err(SqlError::new(
                SqlState::TOO_MANY_COLUMNS,
                format!("target lists can have at most {TARGETS_MAX} entries"),
            ));
        }
        Ok(targets)
    }

    /// A result list bound alone (RETURNING): expressions and columns.
    pub(super) fn result_list(&mut self, list: &[SelectItem]) -> Result<(Vec<Expr>, Vec<OutputColumn>)> {
        let targets = self.targets(list, true)?;
        let column = |target: &Target<'_>| OutputColumn {
            name: target.name.clone(),
            ty: target.expr.data_type(),
            origin: target.origin,
        };
        let columns = targets.iter().map(column).collect();
        Ok((targets.into_iter().map(|target| target.expr).collect(), columns))
    }

    fn target_expr(&mut self, ast: &Ast, settle: bool) -> Result<Expr> {
        let expr = self.expr(ast)?;
        if settle { self.settle_text(expr) } else { Ok(expr) }
    }

    /// `* EXCEPT (a, b)` of AMI as its translation writes it: `ami.star_except(a, b)`.
    fn is_star_except(&self, call: &ast::Function) -> bool {
        self.ami && self.name_parts(&call.name) == [super::ami::SCHEMA, "star_except"]
    }

    fn star_except<'t>(&mut self, call: &ast::Function) -> Result<Vec<Target<'t>>> {
        let mut without = Vec::new();
        for arg in self.call_args("star_except", call)?.exprs {
            if let Ast::Identifier(ident) = arg {
                without.push(ident.clone());
            }
        }
        let all: Vec<_> = self.frame().items.iter().filter(|item| item.by_column).flat_map(Item::all).collect();
        for ident in &without {
            let name = Name::new(ident, self.ami);
            if !all.iter().any(|column| name.matches(&column.name, true)) {
                return Err(SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{}\" does not exist", name.folded),
                ));
            }
        }
        let kept = all
            .into_iter()
            .filter(|column| !without.iter().any(|ident| Name::new(ident, true).matches(&column.name, true)));
        Ok(kept
            .map(|column| Target { name: column.name, expr: column.expr, origin: column.origin, ast: None })
            .collect())
    }

    /// `(expr).*` as the parser gives it, if it does.
    fn expand_record<'t>(&mut self, ast: &Ast) -> Result<Option<Vec<Target<'t>>>> {
        let Ast::CompoundFieldAccess { root, access_chain } = ast else { return Ok(None) };
        match access_chain.as_slice() {
            [ast::AccessExpr::Dot(Ast::Wildcard(_))] => {
                let record = self.record(root)?;
                self.record_fields(record).map(Some)
            }
            [fields @ .., ast::AccessExpr::Dot(Ast::Identifier(star))] if is_star_mark(star) => {
                let record = if fields.is_empty() { self.record(root)? } else { self.access(root, fields)? };
                self.record_fields(record).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn record_fields<'t>(&mut self, record: Expr) -> Result<Vec<Target<'t>>> {
        let made = |(name, expr): (String, Expr)| Target { name, expr, origin: (0, 0), ast: None };
        if let Expr::Row { fields, .. } = record {
            return Ok(fields.into_iter().map(|(name, expr)| made((name.to_string(), expr))).collect());
        }
        let set = match &record {
            Expr::Column(place, _) => place.checked_sub(SET_MARK).and_then(|i| self.level().sets.get(i).cloned()),
            _ => None,
        };
        if let Some(set) = set {
            let columns = set.function.columns.iter().zip(&set.columns).enumerate();
            return Ok(columns
                .map(|(field, ((name, _), ty))| {
                    made(((*name).to_owned(), Expr::Field { input: Box::new(record.clone()), field, ty: *ty }))
                })
                .collect());
        }
        if let Some(columns) = super::call::record_columns(record.data_type()) {
            let columns = columns.into_iter().enumerate();
            return Ok(columns
                .map(|(field, (name, ty))| {
                    made((name.to_owned(), Expr::Field { input: Box::new(record.clone()), field, ty }))
                })
                .collect());
        }
        let ty = type_of(&record);
        let table = self.catalog.table_of_row_type(ty).filter(|table| table.row_type == ty).cloned();
        let Some(table) = table else {
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, "record type has not been registered"));
        };
        let columns = table.live_columns().enumerate();
        Ok(columns
            .map(|(field, (_, column))| {
                let input = Box::new(record.clone());
                made((column.name.clone(), Expr::Field { input, field, ty: column.ty }))
            })
            .collect())
    }

    fn qualified_star<'t>(&mut self, kind: &ast::SelectItemQualifiedWildcardKind) -> Result<Vec<Target<'t>>> {
        let name = match kind {
            ast::SelectItemQualifiedWildcardKind::ObjectName(name) => name,
            ast::SelectItemQualifiedWildcardKind::Expr(ast) => {
                let record = self.expr(ast)?;
                return self.record_fields(record);
            }
        };
        let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last() else {
            return Err(SqlError::syntax("syntax error at or near \"*\""));
        };
        let wanted = Name::new(ident, self.ami);
        let top = self.frames.len();
        for (index, frame) in self.frames.iter().enumerate().rev().filter(|(_, frame)| !frame.hidden) {
            let mut items = frame.items.iter().filter(|item| item.by_name);
            let found =
                items.find(|item| item.name.as_deref().is_some_and(|own| wanted.matches(own, item.loose || self.ami)));
            if let Some(item) = found {
                let columns = item.all().into_iter().map(|mut column| {
                    super::scope::to_outer(&mut column.expr, top - 1 - index);
                    Target { name: column.name, expr: column.expr, origin: column.origin, ast: None }
                });
                return Ok(columns.collect());
            }
        }
        // A composite column: `col.*`.
        if let Ok(record) = self.column(ident) {
            return self.record_fields(record);
        }
        Err(self.missing_item(&wanted, ident.span))
    }

    /// ORDER BY of a SELECT, over the row of FROM.
    fn order_by(&mut self, order: &[ast::OrderByExpr], targets: &[Target<'_>]) -> Result<Vec<SortKey>> {
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
            return Ok(target.expr.clone());
        }
        let expr = self.expr(ast)?;
        self.settle_text(expr)
    }

    fn distinct_on(&mut self, exprs: &[Ast], targets: &[Target<'_>]) -> Result<Vec<Expr>> {
        self.in_clause(Clause::DistinctOn, |binder| {
            exprs.iter().map(|ast| binder.result_key(ast, targets, "SELECT DISTINCT ON")).collect()
        })
    }

    /// ORDER BY of a set operation or VALUES: result columns only.
    fn order_by_result(&mut self, order: &[ast::OrderByExpr], columns: &[OutputColumn]) -> Result<Vec<SortKey>> {
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
    fn limit(&mut self, query: &ast::Query, node: Node, ties: Option<Vec<SortKey>>) -> Result<Node> {
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
                        one = super::text::number_one();
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
    pub(super) fn lock_wanted(&self, name: &str) -> bool {
        self.lock_clauses.iter().any(|clause| {
            clause.table.as_ref().is_none_or(|table| {
                table.parts.last().is_some_and(|part| part == name || part.eq_ignore_ascii_case(name))
            })
        })
    }

    fn lock_rows(&mut self, node: Node, width: usize, specs: &[LockSpec], filter: Option<Expr>) -> Result<Node> {
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
                self.need(table.id.0, crate::catalog::Privilege::Update);
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

fn lock_refused(spec: &LockSpec, with: &str) -> SqlError {
    SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{} is not allowed with {with}", lock_text(spec)))
}

fn order_exprs(query: &ast::Query) -> Result<&[ast::OrderByExpr]> {
    match &query.order_by {
        None => Ok(&[]),
        Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(exprs), .. }) => Ok(exprs),
        Some(_) => Err(SqlError::unsupported("ORDER BY ALL")),
    }
}

fn plain_query() -> ast::Query {
    ast::Query {
        with: None,
        body: Box::new(SetExpr::Values(ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn replace_cte(node: &mut Node, id: u32, root: &mut Option<Node>) {
    if root.is_none() {
        return;
    }
    if matches!(node, Node::CteScan { cte } if *cte == id) {
        if let Some(root) = root.take() {
            *node = root;
        }
        return;
    }
    visit::inputs_mut(node, &mut |input, _| replace_cte(input, id, root));
}
