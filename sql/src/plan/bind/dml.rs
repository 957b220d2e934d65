//! INSERT, UPDATE, DELETE, MERGE, and the targets that they write to.

mod insert;
mod assign;
mod merge;
mod through;

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

pub(super) use self::through::Through;
use self::through::Write;
use super::from::{Found, Source};
use super::query::Bound;
use super::scope::{Frame, Item, ItemColumns, Name, null_of};
use super::{BindContext, Binder, Clause, Level, bind_check, bind_default, bind_generated};
use crate::catalog::{Column, ConstraintKind, Identity, Privilege, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::insert_statement;
use crate::plan::{DeletePlan, JoinKind, Node, OutputColumn, UpdatePlan, WriteTarget};
use crate::types::{CastContext, DataType, Oid, Value};

/// Binds what every row written to a table goes through: defaults, generated columns, checks.
pub fn write_target(context: &BindContext<'_>, table: &Arc<TableDef>) -> Result<Arc<WriteTarget>> {
    if let Some(kept) = context.source.kept_target(table.id) {
        if Arc::ptr_eq(&kept.table, table) {
            return Ok(kept);
        }
    }
    let mut defaults = Vec::with_capacity(table.columns.len());
    let mut generated = Vec::new();
    let mut domains = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        if column.dropped {
            defaults.push(None);
            continue;
        }
        if let Some(own) = &column.generated {
            defaults.push(None);
            generated.push((place, bind_generated(context, &own.expr, table, &column.name, column.ty)?));
            continue;
        }
        defaults.push(match (&column.default, column.sequence) {
            (Some(text), _) => Some(bind_default(context, text, &column.name, column.ty)?),
            (None, Some(sequence)) => Some(next_value(sequence, column.ty, context)?),
            (None, None) => match super::domain::default(context, column.domain)? {
                Some(text) => Some(bind_default(context, &text, &column.name, column.ty)?),
                None => None,
            },
        });
        if column.domain != 0 {
            let input = Box::new(Expr::Column(place, column.ty));
            if let Some(domain) = super::domain::checks(context, column.domain)? {
                domains.push(Expr::Checked { input, domain });
            }
        }
    }
    let mut checks = Vec::new();
    for (place, constraint) in table.constraints.iter().enumerate() {
        if let ConstraintKind::Check { expr, .. } = &constraint.kind {
            checks.push((place, bind_check(context, expr, table)?));
        }
    }
    let exclusions = super::exclusion::exclusions(context, table)?;
    let views = Vec::new();
    let target =
        Arc::new(WriteTarget { table: table.clone(), defaults, generated, checks, domains, exclusions, views });
    context.source.keep_target(&target);
    Ok(target)
}

/// `nextval(sequence)` as a value of the column.
fn next_value(sequence: Oid, ty: DataType, context: &BindContext<'_>) -> Result<Expr> {
    let function = crate::expr::functions_named("nextval")
        .next()
        .ok_or_else(|| SqlError::internal("the function nextval is missing"))?;
    let args = vec![Expr::Const(Value::Oid(sequence), DataType::REGCLASS)];
    let call = Expr::Call { function, args, ty: DataType::INT8 };
    let mut binder = Binder::new(context, false, &[], 0)?;
    binder.coerce(call, ty, CastContext::Assignment)
}

impl Binder<'_> {
    /// INSERT, UPDATE, DELETE or MERGE inside WITH or as the body of a query.
    pub(in crate::plan) fn modifying(&mut self, statement: &ast::Statement) -> Result<Bound> {
        match statement {
            ast::Statement::Insert(insert) => {
                let insert = insert_statement(insert.clone())?;
                self.insert(&insert)
            }
            ast::Statement::Update(update) => self.update(update),
            ast::Statement::Delete(delete) => self.delete(delete),
            ast::Statement::Merge(merge) => self.merge(merge),
            _ => Err(SqlError::internal("a statement that changes no rows")),
        }
    }

    fn target_table(&mut self, name: &ast::ObjectName, what: &str) -> Result<Arc<TableDef>> {
        let found = self.find_relation(name)?;
        self.through = None;
        let write = match what {
            "insert into" => Write::Insert,
            "update" => Write::Update,
            "delete from" => Write::Delete,
            _ => return self.writable(found, what).map_err(|error| error.at(self.name_position(name))),
        };
        if let Found::View(view) = &found {
            let view = view.clone();
            return self.written_view(&view, write);
        }
        self.writable(found, what).map_err(|error| error.at(self.name_position(name)))
    }

    /// The table that a view is written through to.
    fn written_view(&mut self, view: &Arc<crate::catalog::ViewDef>, write: Write) -> Result<Arc<TableDef>> {
        let through = self.through(view, write)?;
        let table = through.table.clone();
        self.through = Some(through);
        Ok(table)
    }

    fn writable(&self, found: Found, what: &str) -> Result<Arc<TableDef>> {
        match found {
            Found::View(def) if what == "merge into" => Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("cannot execute MERGE on relation \"{}\"", def.name),
            )
            .detail("This operation is not supported for views.")),
            Found::Table(def) if def.is_materialized() => Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("cannot change materialized view \"{}\"", def.name),
            )),
            Found::Table(def) => Ok(def),
            Found::View(def) => Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("cannot {what} view \"{}\"", def.name),
            )
            .detail("Views are not automatically updatable.")),
            Found::System(relation) if relation.view => Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("cannot {what} view \"{}\"", relation.name),
            )),
            Found::System(relation) => Err(SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system catalog", relation.name),
            )),
            Found::Sequence(def) => {
                Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("cannot change sequence \"{}\"", def.name)))
            }
        }
    }

    fn write_target(&mut self, table: &Arc<TableDef>) -> Result<Arc<WriteTarget>> {
        let target = write_target(&self.context, table)?;
        match &self.through {
            Some(through) if !through.checks().is_empty() || !through.defaults().is_empty() => {
                let mut own = (*target).clone();
                own.views = through.checks().to_vec();
                for (place, name, text) in through.defaults() {
                    let ty = table.columns[*place].ty;
                    own.defaults[*place] = Some(bind_default(&self.context, text, name, ty)?);
                }
                Ok(Arc::new(own))
            }
            _ => Ok(target),
        }
    }

    fn target_item(&self, table: &Arc<TableDef>, alias: Option<String>, first: usize) -> Item {
        if let Some(through) = &self.through {
            let mut item = through.item(alias);
            item.shift(first);
            return item;
        }
        Item {
            name: Some(alias.clone().unwrap_or_else(|| table.name.clone())),
            schema: if alias.is_some() { None } else { Some(table.schema) },
            relation: table.id.0,
            row_type: table.row_type,
            columns: ItemColumns::Table { def: table.clone(), first },
            by_name: true,
            by_column: true,
            loose: table.dialect == "ami" || self.ami,
            row_id: None,
            nullable: false,
            mark: None,
            scalar: false,
        }
    }

    /// The place of a column that a statement names as a target. Errors: 42703.
    fn target_column(&self, table: &TableDef, name: &Name<'_>) -> Result<usize> {
        if let Some(through) = &self.through {
            return through.place(name);
        }
        if let Some(place) = table.column_index(&name.folded) {
            return Ok(place);
        }
        if (self.ami || table.dialect == "ami") && !name.quoted {
            let mut matching = table.live_columns().filter(|(_, column)| name.matches(&column.name, true));
            if let (Some((place, _)), None) = (matching.next(), matching.next()) {
                return Ok(place);
            }
        }
        Err(SqlError::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{}\" of relation \"{}\" does not exist", name.folded, table.name),
        ))
    }

    fn named_target(&self, table: &TableDef, name: &ast::ObjectName) -> Result<usize> {
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            // `SET t.a = …` is not allowed in PostgreSQL; `a.b` would be a field of a composite.
            if let [ast::ObjectNamePart::Identifier(first), ..] = name.0.as_slice() {
                let error = self.target_column(table, &Name::new(first, self.ami));
                return match error {
                    Ok(_) => Err(SqlError::unsupported("assignment to a field or element")),
                    Err(error) => Err(error),
                }
                .map_err(|error| error.at(self.name_position(name)));
            }
            return Err(SqlError::unsupported("this target of an assignment"));
        };
        self.target_named(table, ident)
    }

    /// `target_column` with the place of the name in its error.
    fn target_named(&self, table: &TableDef, ident: &ast::Ident) -> Result<usize> {
        let place = self.target_column(table, &Name::new(ident, self.ami));
        place.map_err(|error| error.at(self.position(ident.span)))
    }

    /// A value for a column that generates its own. Errors: 428C9.
    fn check_generated(column: &Column, overriding: Option<bool>, update: bool) -> Result<()> {
        let refuse = |detail: String| {
            let message = if update {
                format!("column \"{}\" can only be updated to DEFAULT", column.name)
            } else {
                format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name)
            };
            SqlError::new(SqlState::GENERATED_ALWAYS, message).detail(detail)
        };
        if column.generated.is_some() {
            return Err(refuse(format!("Column \"{}\" is a generated column.", column.name)));
        }
        if column.identity == Some(Identity::Always) && overriding.is_none() {
            let error =
                refuse(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name));
            return Err(if update { error } else { error.hint("Use OVERRIDING SYSTEM VALUE to override.") });
        }
        Ok(())
    }

    fn default_of(target: &WriteTarget, place: usize) -> Expr {
        let ty = target.table.columns.get(place).map_or(DataType::TEXT, |column| column.ty);
        target.defaults.get(place).cloned().flatten().unwrap_or_else(|| null_of(ty))
    }

    /// RETURNING over the row of `items`.
    fn returning(
        &mut self,
        list: Option<&[ast::SelectItem]>,
        items: Vec<Item>,
        width: usize,
    ) -> Result<(Vec<Expr>, Vec<OutputColumn>)> {
        let Some(list) = list else { return Ok((Vec::new(), Vec::new())) };
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = self.in_clause(Clause::Returning, |binder| binder.result_list(list));
        let level = self.levels.pop();
        self.frames.pop();
        if level.is_some_and(|level| !level.sets.is_empty()) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "set-returning functions are not allowed in RETURNING",
            ));
        }
        bound
    }

    /// UPDATE.
    pub(super) fn update(&mut self, update: &ast::Update) -> Result<Bound> {
        if update.limit.is_some() && !self.ami {
            return Err(SqlError::syntax("syntax error at or near \"LIMIT\""));
        }
        if !update.order_by.is_empty() {
            return Err(SqlError::unsupported("UPDATE … LIMIT"));
        }
        let ast::TableFactor::Table { name, alias, .. } = &update.table.relation else {
            return Err(SqlError::unsupported("UPDATE of this"));
        };
        let outer = self.through.take();
        let table = self.target_table(name, "update")?;
        self.touch(table.id, true);
        self.writes = true;
        let target = self.write_target(&table)?;
        let from = match &update.from {
            Some(ast::UpdateTableFromKind::BeforeSet(from) | ast::UpdateTableFromKind::AfterSet(from)) => {
                from.as_slice()
            }
            None => &[],
        };
        let source = self.write_source(&table, alias.as_ref(), &update.table.joins, from)?;
        let Source { node, items, width } = source;
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = self.in_clause(Clause::UpdateSet, |binder| {
            let assignments = binder.assignments(&update.assignments, &target)?;
            let filter = binder.write_filter(update.selection.as_ref())?;
            Ok((assignments, filter))
        });
        self.levels.pop();
        let frame = self.frames.pop().unwrap_or_default();
        let (assignments, filter) = bound?;
        let filter = self.within_view(filter);
        let places: Vec<usize> = assignments.iter().map(|(place, _)| *place).collect();
        self.need_written(&table, Privilege::Update, &places);
        let input = self.write_limit(filtered(node, filter.clone()), update.limit.as_ref())?;
        let (returning, columns) = self.returning(update.returning.as_deref(), frame.items, width)?;
        self.through = outer;
        let plan = UpdatePlan { target, input, recheck: filter, assignments, returning };
        Ok(Bound { node: Node::Update(Box::new(plan)), columns })
    }

    /// DELETE.
    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Result<Bound> {
        if delete.limit.is_some() && !self.ami {
            return Err(SqlError::syntax("syntax error at or near \"LIMIT\""));
        }
        if !delete.order_by.is_empty() || !delete.tables.is_empty() {
            return Err(SqlError::unsupported("this form of DELETE"));
        }
        let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
        let [only] = from.as_slice() else { return Err(SqlError::unsupported("DELETE FROM several tables")) };
        let ast::TableFactor::Table { name, alias, .. } = &only.relation else {
            return Err(SqlError::unsupported("DELETE from this"));
        };
        let outer = self.through.take();
        let table = self.target_table(name, "delete from")?;
        self.touch(table.id, true);
        self.need_deleted(&table);
        self.writes = true;
        let target = self.write_target(&table)?;
        let using = delete.using.as_deref().unwrap_or_default();
        let source = self.write_source(&table, alias.as_ref(), &only.joins, using)?;
        let Source { node, items, width } = source;
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let filter = self.write_filter(delete.selection.as_ref());
        self.levels.pop();
        let frame = self.frames.pop().unwrap_or_default();
        let filter = self.within_view(filter?);
        let input = self.write_limit(filtered(node, filter.clone()), delete.limit.as_ref())?;
        let (returning, columns) = self.returning(delete.returning.as_deref(), frame.items, width)?;
        self.through = outer;
        let plan = DeletePlan { target, input, recheck: filter, returning };
        Ok(Bound { node: Node::Delete(Box::new(plan)), columns })
    }

    /// The statement's condition, and those of the view that it writes through.
    fn within_view(&self, filter: Option<Expr>) -> Option<Expr> {
        let Some(through) = &self.through else { return filter };
        let mut all: Vec<Expr> = through.filter.iter().cloned().chain(filter).collect();
        if all.len() > 1 { Some(Expr::And(all)) } else { all.pop() }
    }

    fn write_filter(&mut self, selection: Option<&Ast>) -> Result<Option<Expr>> {
        match selection {
            Some(ast) => self.in_clause(Clause::Where, |binder| binder.condition(ast, "WHERE")).map(Some),
            None => Ok(None),
        }
    }

    /// The target with its row id, beside the tables of FROM or USING.
    fn write_source(
        &mut self,
        table: &Arc<TableDef>,
        alias: Option<&ast::TableAlias>,
        joins: &[ast::Join],
        from: &[ast::TableWithJoins],
    ) -> Result<Source> {
        if !joins.is_empty() && !self.ami {
            return Err(SqlError::syntax("syntax error at or near \"JOIN\""));
        }
        let mut target = self.table_source(table, alias, true)?;
        if self.through.is_some() {
            let alias = alias.map(|alias| self.fold(&alias.name));
            target.items = vec![self.target_item(table, alias, 0)];
        }
        for join in joins {
            target = self.joined(target, join)?;
        }
        if from.is_empty() {
            return Ok(target);
        }
        let base = std::mem::replace(&mut self.lateral_base, self.frames.len());
        let joined =
            self.in_clause(Clause::FromFunction, |binder| binder.beside(target, |binder| binder.tables_of_from(from)));
        self.lateral_base = base;
        let (left, mut right, lateral) = joined?;
        for item in &mut right.items {
            item.shift(left.width);
        }
        let mut items = left.items;
        items.extend(right.items);
        let widths = (left.width, right.width);
        let node = Node::NestedLoop {
            left: Box::new(left.node),
            right: Box::new(right.node),
            kind: JoinKind::Inner,
            on: None,
            lateral,
            widths,
        };
        Ok(Source { node, items, width: widths.0 + widths.1 })
    }

    /// LIMIT [skip,] n of AMI's UPDATE and DELETE counts the rows that pass WHERE (AMI-57).
    fn write_limit(&mut self, input: Node, limit: Option<&Ast>) -> Result<Node> {
        let (skip, limit) = match limit {
            None => return Ok(input),
            Some(Ast::Tuple(pair)) => (pair.first(), pair.get(1)),
            Some(limit) => (None, Some(limit)),
        };
        let mut bound = |ast: Option<&Ast>, clause: Clause| -> Result<Option<Expr>> {
            let Some(ast) = ast else { return Ok(None) };
            let expr = self.in_clause(clause, |binder| binder.expr(ast))?;
            self.coerce_at(expr, DataType::INT8, CastContext::Assignment, ast).map(Some)
        };
        let limit = bound(limit, Clause::Limit)?;
        let offset = bound(skip, Clause::Offset)?;
        Ok(Node::Limit { input: Box::new(input), limit, offset, ties: None })
    }
}

/// 428C9 for a reserved column that a client may not set.
fn check_reserved(table: &TableDef, place: usize, update: bool) -> Result<()> {
    match table.reserved(place) {
        Some(reserved) if reserved.is_server_filled() || update && !reserved.is_updatable() => Err(SqlError::new(
            SqlState::GENERATED_ALWAYS,
            format!("column \"{}\" of table \"{}\" is filled by the server", table.columns[place].name, table.name),
        )),
        _ => Ok(()),
    }
}

fn filtered(node: Node, filter: Option<Expr>) -> Node {
    match filter {
        Some(predicate) => Node::Filter { input: Box::new(node), predicate },
        None => node,
    }
}

/// Whether a cell or an assigned value is the word DEFAULT.
fn is_default(ast: &Ast) -> bool {
    matches!(ast, Ast::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
