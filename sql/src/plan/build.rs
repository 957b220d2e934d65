//! Statement → `Plan`: bind, rewrite, settle the parameters, collect what execution must know.

use std::sync::Arc;

use super::bind::{BindContext, Binder};
use super::deparse::name_types;
use super::{Node, OutputColumn, Plan, PlanKind, Subplan, rewrite};
use crate::error::{Result, SqlError};
use crate::parse::{Parsed, Statement};
use crate::types::{Oid, oid};

/// Plans a statement that reads or writes rows. `declared` are the parameter types that Parse gave (0 or missing: find
/// out). Errors: everything that PostgreSQL finds before execution, with positions in the statement's text.
pub fn plan(statement: &Parsed, context: &BindContext<'_>, declared: &[Oid]) -> Result<Plan> {
    unnamed_plan(statement, context, declared).map_err(|error| match context.catalogs.database(context.database) {
        Some(catalog) => name_types(error, catalog, context.search_path),
        None => error,
    })
}

fn unnamed_plan(statement: &Parsed, context: &BindContext<'_>, declared: &[Oid]) -> Result<Plan> {
    let ami = statement.dialect == "ami";
    let mut binder = Binder::new(context, ami, declared, statement.param_count)?;
    binder.set_text(&statement.text);
    let first = binder.statement(&statement.statement);
    let (mut bound, kind) = match first {
        // A system column was asked for: every table then gives its rows' ids too.
        Err(_) if binder.wants_row_ids => {
            binder = Binder::new(context, ami, declared, statement.param_count)?;
            binder.set_text(&statement.text);
            binder.row_ids = true;
            binder.statement(&statement.statement)?
        }
        other => other?,
    };
    // Which function a record comes from is our own knowledge.
    for column in bound.1.iter_mut().filter(|column| column.ty.oid == oid::RECORD) {
        column.ty.typmod = -1;
    }
    let params = binder.finish_params()?;
    let writes = binder.writes;
    let locks = binder.locks;
    let (tables, privileges) = (std::mem::take(&mut binder.tables), std::mem::take(&mut binder.privileges));
    let subplans = std::mem::take(&mut binder.subplans);
    let mut rewriter = rewrite::Rewriter::new(context, subplans);
    let root = rewriter.run(bound.0);
    let mut made: Vec<Arc<Subplan>> = Vec::new();
    for subplan in rewriter.finish() {
        made.push(Arc::new(subplan.ok_or_else(|| SqlError::internal("a subplan that was lost"))?));
    }
    let restartable = !ami && !binder.volatile && matches!(root, Node::Update(_) | Node::Delete(_));
    Ok(Plan {
        root,
        subplans: made,
        columns: bound.1,
        params,
        kind,
        catalog_version: context.catalogs.version,
        writes,
        locks,
        restartable,
        tables,
        privileges,
        notices: binder.notices,
        statement: Some(statement.clone()),
    })
}

impl Binder<'_> {
    /// Binds a statement of one of the kinds that have a plan.
    fn statement(&mut self, statement: &Statement) -> Result<((Node, Vec<OutputColumn>), PlanKind)> {
        let (bound, kind) = match statement {
            Statement::Query(query) => (self.query(query, true)?, None),
            Statement::Insert(insert) => (self.insert(insert)?, None),
            Statement::InsertValues(insert) => (self.insert_values(insert)?, Some(PlanKind::Insert)),
            Statement::Update(update) | Statement::Delete(update) | Statement::Merge(update) => {
                (self.modifying(update)?, None)
            }
            _ => return Err(SqlError::internal("a statement without a plan")),
        };
        let kind = kind.unwrap_or_else(|| kind_of(&bound.node));
        Ok(((bound.node, bound.columns), kind))
    }
}

/// What a tree does at its top.
fn kind_of(node: &Node) -> PlanKind {
    match node {
        Node::Insert(plan) if plan.sync.is_some() => PlanKind::Sync,
        Node::Insert(_) => PlanKind::Insert,
        Node::Update(_) => PlanKind::Update,
        Node::Delete(_) => PlanKind::Delete,
        Node::Merge(_) => PlanKind::Merge,
        Node::With { body, .. } => kind_of(body),
        _ => PlanKind::Select,
    }
}
