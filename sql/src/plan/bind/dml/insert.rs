//! INSERT: its rows, ON CONFLICT and what decides it, AMI's SYNC.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::super::from::Found;
use super::super::query::Bound;
use super::super::scope::{Frame, Name, null_of};
use super::super::{Binder, Clause, Level};
use super::through::Write;
use super::{check_reserved, is_default};
use crate::catalog::{ConstraintKind, IndexDef, Privilege, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{AmiInsert, InsertStatement, InsertValues, Literal};
use crate::plan::visit::same;
use crate::plan::{InsertPlan, Node, OnConflict, OutputColumn, SyncPlan, WriteTarget};
use crate::types::{CastContext, DataType, Oid, Value};

const TOO_MANY: &str = "INSERT has more expressions than target columns";

impl Binder<'_> {
    /// INSERT.
    pub(in crate::plan) fn insert(&mut self, statement: &InsertStatement) -> Result<Bound> {
        let insert = &statement.insert;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into this"));
        };
        if insert.overwrite || insert.partitioned.is_some() || insert.replace_into || !insert.assignments.is_empty() {
            return Err(SqlError::unsupported("this form of INSERT"));
        }
        // WITH of the source is bound with it, and is in scope nowhere else.
        let outer = self.through.take();
        let table = self.target_table(name, "insert into")?;
        self.touch(table.id, true);
        self.writes = true;
        let target = self.write_target(&table)?;
        let mut columns = Vec::with_capacity(insert.columns.len());
        for name in &insert.columns {
            let place = self.named_target(&table, name)?;
            if columns.contains(&place) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", table.columns[place].name),
                )
                .at(self.name_position(name)));
            }
            columns.push(place);
        }
        self.insert_names.clear();
        for (name, place) in insert.columns.iter().zip(&columns) {
            if let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.last() {
                self.insert_names.push((table.columns[*place].name.clone(), ident.span));
            }
        }
        for place in &columns {
            check_reserved(&table, *place, false)?;
        }
        let implicit = columns.is_empty();
        let mut stop = None;
        if implicit {
            (columns, stop) = match &self.through {
                Some(through) => through.assignable(),
                None => (assignable(&table), None),
            };
        }
        let (input, columns) = match &insert.source {
            None => (Node::Values { rows: vec![Vec::new()] }, Vec::new()),
            Some(source) => {
                let overriding = statement.overriding_system;
                // What has no place left goes to a column that cannot be written.
                let made = self.insert_source(source, &target, columns, implicit, overriding, &statement.ami);
                made.map_err(|error| stop.filter(|_| error.message() == TOO_MANY).unwrap_or(error))?
            }
        };
        self.need_written(&table, Privilege::Insert, &columns);
        let sync = match &statement.ami {
            AmiInsert::Sync(keys) => {
                self.need(table.id.0, Privilege::Select);
                self.need(table.id.0, Privilege::Update);
                self.need(table.id.0, Privilege::Delete);
                Some(self.sync_plan(&table, &columns, keys.as_deref())?)
            }
            _ => None,
        };
        let alias = insert.table_alias.as_ref().map(|alias| self.fold(&alias.alias));
        let conflict = match &insert.on {
            Some(ast::OnInsert::OnConflict(conflict)) => {
                Some(self.on_conflict(conflict, statement, &target, alias.clone())?)
            }
            Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY UPDATE")),
            None => None,
        };
        let item = self.target_item(&table, alias, 0);
        let (returning, outputs) = self.returning(insert.returning.as_deref(), vec![item], table.columns.len())?;
        self.through = outer;
        let plan = InsertPlan { target, input, columns, conflict, returning, sync };
        Ok(Bound { node: Node::Insert(Box::new(plan)), columns: outputs })
    }

    fn too_few(&self, target: &WriteTarget, column: usize) -> SqlError {
        let name = target.table.columns.get(column).map_or("", |column| column.name.as_str());
        let at = self.insert_names.iter().find(|(own, _)| own == name).and_then(|(_, span)| self.position(*span));
        SqlError::syntax("INSERT has more target columns than expressions").at(at)
    }

    fn insert_source(
        &mut self,
        source: &ast::Query,
        target: &Arc<WriteTarget>,
        mut columns: Vec<usize>,
        implicit: bool,
        overriding: Option<bool>,
        ami: &AmiInsert,
    ) -> Result<(Node, Vec<usize>)> {
        let table = &target.table;
        let too_many = || SqlError::syntax(TOO_MANY);
        if let (ast::SetExpr::Values(values), None, None, None) =
            (source.body.as_ref(), &source.with, &source.order_by, &source.limit_clause)
        {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            if width > columns.len() && *ami == AmiInsert::Values && !implicit {
                columns = self.ami_surplus(table, columns, width)?;
            }
            if width > columns.len() {
                let at = values.rows.first().and_then(|row| row.content.get(columns.len()));
                return Err(too_many().at(at.and_then(|expr| self.expr_position(expr))));
            }
            if width < columns.len() {
                if !implicit || self.ami {
                    return Err(self.too_few(target, columns[width]));
                }
                columns.truncate(width);
            }
            let rows = self.insert_rows(values, target, &columns, overriding)?;
            return Ok((Node::Values { rows }, columns));
        }
        let bound = self.query(source, false)?;
        let width = bound.columns.len();
        if *ami == AmiInsert::ByName {
            columns = self.columns_by_name(table, &columns, &bound.columns)?;
        }
        if width > columns.len() && *ami == AmiInsert::Values && !implicit {
            columns = self.ami_surplus(table, columns, width)?;
        }
        if width > columns.len() {
            return Err(too_many());
        }
        if width < columns.len() {
            if !implicit || self.ami {
                return Err(SqlError::syntax("INSERT has more target columns than expressions"));
            }
            columns.truncate(width);
        }
        let mut node = bound.node;
        let mut exprs = Vec::with_capacity(width);
        let mut changed = false;
        let mut types = bound.columns.clone();
        for (place, column) in columns.iter().enumerate() {
            let column = &table.columns[*column];
            let own = &bound.columns[place];
            if let Some(user) = overriding {
                if !user && column.identity.is_some() {
                    changed = true;
                    exprs.push(Self::default_of(target, columns[place]));
                    continue;
                }
            }
            Self::check_generated(column, overriding, false)?;
            if own.ty.oid == crate::types::oid::UNKNOWN {
                node = self.coerce_column(node, place, width, &types, DataType::new(column.ty.oid))?;
                types[place].ty = DataType::new(column.ty.oid);
            }
            let from = Expr::Column(place, types[place].ty);
            let to = self.assign(from, &column.name, column.ty, None)?;
            changed |= !matches!(to, Expr::Column(..));
            exprs.push(to);
        }
        if changed {
            node = Node::Project { input: Box::new(node), exprs };
        }
        Ok((node, columns))
    }

    /// The rows of INSERT … VALUES: literals go to their column's type directly.
    fn insert_rows(
        &mut self,
        values: &ast::Values,
        target: &Arc<WriteTarget>,
        columns: &[usize],
        overriding: Option<bool>,
    ) -> Result<Vec<Vec<Expr>>> {
        let mut rows = Vec::with_capacity(values.rows.len());
        self.frames.push(Frame::default());
        self.levels.push(Level::default());
        let result = self.in_clause(Clause::Values, |binder| {
            for row in &values.rows {
                if row.content.len() != columns.len() {
                    return Err(SqlError::syntax("VALUES lists must all be the same length")
                        .at(row.content.first().and_then(|expr| binder.expr_position(expr))));
                }
                let mut cells = Vec::with_capacity(columns.len());
                for (cell, place) in row.content.iter().zip(columns) {
                    cells.push(binder.insert_cell(cell, target, *place, overriding)?);
                }
                rows.push(cells);
            }
            Ok(())
        });
        let level = self.levels.pop();
        self.frames.pop();
        result?;
        if level.is_some_and(|level| !level.sets.is_empty()) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "set-returning functions are not allowed in VALUES",
            ));
        }
        Ok(rows)
    }

    pub(super) fn insert_cell(
        &mut self,
        cell: &Ast,
        target: &Arc<WriteTarget>,
        place: usize,
        overriding: Option<bool>,
    ) -> Result<Expr> {
        let column = &target.table.columns[place];
        if is_default(cell) {
            return Ok(Self::default_of(target, place));
        }
        if overriding == Some(false) && column.identity.is_some() {
            return Ok(Self::default_of(target, place));
        }
        Self::check_generated(column, overriding, false)?;
        let expr = self.expr(cell)?;
        self.assign(expr, &column.name, column.ty, Some(cell))
    }

    /// The fast form of INSERT … VALUES with literals only.
    pub(in crate::plan) fn insert_values(&mut self, insert: &InsertValues) -> Result<Bound> {
        let names: Vec<Name<'_>> = insert.table.parts.iter().map(|part| Name::plain(part)).collect();
        let loose: Vec<Name<'_>> =
            insert.table.parts.iter().map(|part| Name { quoted: false, ..Name::plain(part) }).collect();
        let position = Some(crate::error::Span(insert.table.offset));
        let found = self.find_named(&names).or_else(|error| self.find_named(&loose).map_err(|_| error));
        self.through = None;
        let table = match found {
            Ok(Found::View(view)) => self.written_view(&view, Write::Insert)?,
            found => found.and_then(|found| self.writable(found, "insert into")).map_err(|e| e.at(position))?,
        };
        self.touch(table.id, true);
        self.writes = true;
        let target = self.write_target(&table)?;
        let mut stop = None;
        let mut columns: Vec<usize> = match &insert.columns {
            None => match &self.through {
                Some(through) => {
                    let (columns, why) = through.assignable();
                    stop = why;
                    columns
                }
                None => assignable(&table),
            },
            Some(names) => {
                let mut places = Vec::with_capacity(names.len());
                for name in names {
                    let place = self.target_column(&table, &Name { quoted: false, ..Name::plain(name) })?;
                    if places.contains(&place) {
                        return Err(SqlError::new(
                            SqlState::DUPLICATE_COLUMN,
                            format!("column \"{name}\" specified more than once"),
                        ));
                    }
                    check_reserved(&table, place, false)?;
                    places.push(place);
                }
                places
            }
        };
        if insert.width > columns.len() {
            return Err(stop.unwrap_or_else(|| SqlError::syntax(TOO_MANY)));
        }
        if insert.width < columns.len() {
            if insert.columns.is_some() {
                return Err(SqlError::syntax("INSERT has more target columns than expressions"));
            }
            columns.truncate(insert.width);
        }
        self.need_written(&table, Privilege::Insert, &columns);
        let mut rows = Vec::with_capacity(insert.values.len() / insert.width.max(1));
        for values in insert.values.chunks(insert.width.max(1)) {
            let mut cells = Vec::with_capacity(values.len());
            for (literal, place) in values.iter().zip(&columns) {
                cells.push(self.literal_cell(literal, &target, *place)?);
            }
            rows.push(cells);
        }
        let plan = InsertPlan {
            target,
            input: Node::Values { rows },
            columns,
            conflict: None,
            returning: Vec::new(),
            sync: None,
        };
        Ok(Bound { node: Node::Insert(Box::new(plan)), columns: Vec::new() })
    }

    fn literal_cell(&mut self, literal: &Literal, target: &Arc<WriteTarget>, place: usize) -> Result<Expr> {
        let column = &target.table.columns[place];
        if matches!(literal, Literal::Default) {
            return Ok(Self::default_of(target, place));
        }
        Self::check_generated(column, None, false)?;
        let expr = match literal {
            Literal::Null | Literal::Default => return Ok(null_of(column.ty)),
            Literal::Bool(value) => Expr::Const(Value::Bool(*value), DataType::BOOL),
            Literal::Number(digits) => self.number(digits)?,
            Literal::String(text) => {
                let value = self.literal(text, column.ty, CastContext::Assignment)?;
                return Ok(Expr::Const(value, column.ty));
            }
        };
        let expr = self.assign(expr, &column.name, column.ty, None)?;
        Ok(crate::plan::rewrite::fold(expr, self.context.style))
    }

    fn on_conflict(
        &mut self,
        conflict: &ast::OnConflict,
        statement: &InsertStatement,
        target: &Arc<WriteTarget>,
        alias: Option<String>,
    ) -> Result<OnConflict> {
        let table = target.table.clone();
        let arbiters = match &conflict.conflict_target {
            None => Vec::new(),
            Some(ast::ConflictTarget::OnConstraint(name)) => {
                let wanted = self.name_parts(name).pop().unwrap_or_default();
                let found = table.constraints.iter().find(|constraint| constraint.name == wanted);
                let index = found.and_then(|constraint| match constraint.kind {
                    ConstraintKind::PrimaryKey { index }
                    | ConstraintKind::Unique { index }
                    | ConstraintKind::Exclude { index, .. } => Some(index),
                    _ => None,
                });
                if found.is_some_and(|one| one.deferrable) {
                    return Err(deferrable_arbiter());
                }
                let excludes = found.is_some_and(|one| matches!(one.kind, ConstraintKind::Exclude { .. }));
                if excludes && matches!(conflict.action, ast::OnConflictAction::DoUpdate(_)) {
                    return Err(SqlError::new(
                        SqlState::WRONG_OBJECT_TYPE,
                        "ON CONFLICT DO UPDATE not supported with exclusion constraints",
                    ));
                }
                match (index, found.is_some()) {
                    (Some(index), _) => vec![index],
                    (None, true) => {
                        return Err(SqlError::new(
                            SqlState::WRONG_OBJECT_TYPE,
                            "constraint in ON CONFLICT clause has no associated index",
                        ));
                    }
                    (None, false) => {
                        return Err(SqlError::new(
                            SqlState::UNDEFINED_OBJECT,
                            format!("constraint \"{wanted}\" for table \"{}\" does not exist", table.name),
                        ));
                    }
                }
            }
            Some(ast::ConflictTarget::Columns(idents)) => self.infer_arbiters(idents, statement, &table)?,
        };
        let ast::OnConflictAction::DoUpdate(update) = &conflict.action else {
            return Ok(OnConflict { arbiters, update: None });
        };
        if arbiters.is_empty() {
            return Err(SqlError::syntax("ON CONFLICT DO UPDATE requires inference specification or constraint name")
                .hint("For example, ON CONFLICT (column_name)."));
        }
        let width = table.columns.len();
        let own = self.target_item(&table, alias, 0);
        let mut excluded = self.target_item(&table, Some("excluded".to_owned()), width);
        excluded.by_column = false;
        self.frames.push(Frame { items: vec![own, excluded], width: 2 * width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = self.in_clause(Clause::UpdateSet, |binder| {
            let assignments = binder.assignments(&update.assignments, target)?;
            let condition = match &update.selection {
                Some(ast) => Some(binder.in_clause(Clause::Where, |binder| binder.condition(ast, "WHERE"))?),
                None => None,
            };
            Ok((assignments, condition))
        });
        self.levels.pop();
        self.frames.pop();
        let bound = bound?;
        let places: Vec<usize> = bound.0.iter().map(|(place, _)| *place).collect();
        self.need_written(&table, Privilege::Update, &places);
        Ok(OnConflict { arbiters, update: Some(bound) })
    }

    /// The unique indexes over just these columns and expressions. Errors: 42P10.
    fn infer_arbiters(
        &mut self,
        idents: &[ast::Ident],
        statement: &InsertStatement,
        table: &Arc<TableDef>,
    ) -> Result<Vec<Oid>> {
        let mut columns = Vec::with_capacity(idents.len());
        for ident in idents {
            let place = self.target_column(table, &Name::new(ident, self.ami)).map_err(|_| {
                SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", self.fold(ident)))
                    .at(self.position(ident.span))
            })?;
            if !columns.contains(&place) {
                columns.push(place);
            }
        }
        self.need_written(table, Privilege::Select, &columns);
        let item = self.target_item(table, None, 0);
        self.frames.push(Frame { items: vec![item], width: table.columns.len(), hidden: false, uses: Vec::new() });
        let bound = (|| {
            let mut exprs = Vec::new();
            for ast in &statement.conflict_exprs {
                match self.expr(ast)? {
                    Expr::Column(place, _) => {
                        if !columns.contains(&place) {
                            columns.push(place);
                        }
                    }
                    other => exprs.push(other),
                }
            }
            let predicate = match &statement.conflict_predicate {
                Some(ast) => Some(self.condition(ast, "WHERE")?),
                None => None,
            };
            Ok::<_, SqlError>((exprs, predicate))
        })();
        self.frames.pop();
        let (exprs, predicate) = bound?;
        let mut found = Vec::new();
        for index in table.indexes.iter().filter(|index| index.unique) {
            if self.index_is(index, table, &columns, &exprs, predicate.as_ref())? {
                if index.deferrable {
                    return Err(deferrable_arbiter());
                }
                found.push(index.oid);
            }
        }
        if found.is_empty() {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            ));
        }
        Ok(found)
    }

    fn index_is(
        &self,
        index: &IndexDef,
        table: &Arc<TableDef>,
        columns: &[usize],
        exprs: &[Expr],
        predicate: Option<&Expr>,
    ) -> Result<bool> {
        let plain = index.keys.iter().filter_map(|key| key.column).collect::<Vec<_>>();
        if plain.len() != columns.len() || !columns.iter().all(|column| plain.contains(column)) {
            return Ok(false);
        }
        let own = index.keys.iter().filter_map(|key| key.expr.as_ref()).collect::<Vec<_>>();
        if own.len() != exprs.len() {
            return Ok(false);
        }
        for text in own {
            let bound = crate::plan::bind::bind_index_expr(&self.context, text, table, false)?;
            if !exprs.iter().any(|expr| same(expr, &bound)) {
                return Ok(false);
            }
        }
        match (&index.predicate, predicate) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(text), Some(given)) => {
                let bound = crate::plan::bind::bind_index_expr(&self.context, text, table, true)?;
                Ok(crate::plan::rewrite::implies(given, &bound))
            }
        }
    }

    /// BYNAME: the places of the table's columns that the query's are called after.
    fn columns_by_name(&self, table: &TableDef, allowed: &[usize], found: &[OutputColumn]) -> Result<Vec<usize>> {
        let mut places = Vec::with_capacity(found.len());
        for column in found {
            let place = self.target_column(table, &Name { quoted: false, ..Name::plain(&column.name) })?;
            if places.contains(&place) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            if !allowed.contains(&place) {
                check_reserved(table, place, false)?;
            }
            places.push(place);
        }
        Ok(places)
    }

    /// The columns of ON among those that SYNC compares (AMI-63).
    fn sync_plan(&self, table: &TableDef, columns: &[usize], keys: Option<&[String]>) -> Result<SyncPlan> {
        let Some(keys) = keys else { return Ok(SyncPlan { keys: None }) };
        let mut places = Vec::with_capacity(keys.len());
        for name in keys {
            let column = self.target_column(table, &Name { quoted: false, ..Name::plain(name) })?;
            let place = columns.iter().position(|place| *place == column).ok_or_else(|| {
                SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{name}\" of ON is not among the columns that SYNC compares"),
                )
            })?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(SyncPlan { keys: Some(places) })
    }
}

/// The columns that an INSERT without a list fills: those that the server does not fill itself (AMI-40).
fn assignable(table: &TableDef) -> Vec<usize> {
    let own = |place: &usize| table.reserved(*place).is_none_or(|reserved| !reserved.is_server_filled());
    table.live_columns().map(|(place, _)| place).filter(own).collect()
}

fn deferrable_arbiter() -> SqlError {
    SqlError::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
    )
}
