//! Queries: WITH, set operations, VALUES, and the stages of a SELECT.
//!
//! ```text
//! FROM → WHERE → Aggregate → HAVING → Window → ProjectSet → Sort → LockRows → Limit → Project
//!                                                          (DISTINCT: Project → Sort → Distinct → Limit)
//! ```
//! Every expression is bound over the row of FROM; when a stage is placed, the expressions above it are moved over its
//! output.

mod cte;
mod search;
mod stages;
mod targets;
mod order;

use self::order::order_exprs;
use sqlparser::ast;
use sqlparser::ast::{Expr as Ast, SetExpr};

use super::from::Source;
use super::scope::{Frame, Item};
use super::{Binder, Clause, Level};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{RowLock as LockSpec, lock_clause};
use crate::plan::{Node, OutputColumn, SetOp};
use crate::types::{CastContext, DataType, Oid, Value, oid};

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
        columns.iter().for_each(|column| self.reads(column.origin));
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
