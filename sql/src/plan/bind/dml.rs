//! INSERT, UPDATE, DELETE, MERGE, and the targets that they write to.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::from::{Found, Source};
use super::query::Bound;
use super::scope::{Frame, Item, ItemColumns, Name, null_of};
use super::{BindContext, Binder, Clause, Level, bind_check, bind_default, bind_generated};
use crate::catalog::{Column, ConstraintKind, Identity, IndexDef, Privilege, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{
    AmiInsert, InsertStatement, InsertValues, Literal, element_mark, insert_statement, is_defaults_mark,
};
use crate::plan::visit::same;
use crate::plan::{
    DeletePlan, InsertPlan, JoinKind, MergeAction, MergeClause, MergePlan, Node, OnConflict, OutputColumn, SyncPlan,
    UpdatePlan, WriteTarget,
};
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
    let target = Arc::new(WriteTarget { table: table.clone(), defaults, generated, checks, domains, exclusions });
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
        self.writable(found, what).map_err(|error| error.at(self.name_position(name)))
    }

    fn writable(&self, found: Found, what: &str) -> Result<Arc<TableDef>> {
        match found {
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
        write_target(&self.context, table)
    }

    fn target_item(&self, table: &Arc<TableDef>, alias: Option<String>, first: usize) -> Item {
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
        let table = self.target_table(name, "insert into")?;
        self.touch(table.id, true, Privilege::Insert);
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
        if implicit {
            columns = assignable(&table);
        }
        let (input, columns) = match &insert.source {
            None => (Node::Values { rows: vec![Vec::new()] }, Vec::new()),
            Some(source) => {
                let overriding = statement.overriding_system;
                self.insert_source(source, &target, columns, implicit, overriding, &statement.ami)?
            }
        };
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
        let (returning, outputs) =
            self.returning(insert.returning.as_deref(), vec![item], table.columns.len(), &table)?;
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
        let too_many = || SqlError::syntax("INSERT has more expressions than target columns");
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

    fn insert_cell(
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
        let table = found.and_then(|found| self.writable(found, "insert into")).map_err(|e| e.at(position))?;
        self.touch(table.id, true, Privilege::Insert);
        self.writes = true;
        let target = self.write_target(&table)?;
        let mut columns: Vec<usize> = match &insert.columns {
            None => assignable(&table),
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
            return Err(SqlError::syntax("INSERT has more expressions than target columns"));
        }
        if insert.width < columns.len() {
            if insert.columns.is_some() {
                return Err(SqlError::syntax("INSERT has more target columns than expressions"));
            }
            columns.truncate(insert.width);
        }
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
        self.need(table.id.0, Privilege::Update);
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
        Ok(OnConflict { arbiters, update: Some(bound?) })
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
            let bound = super::bind_index_expr(&self.context, text, table, false)?;
            if !exprs.iter().any(|expr| same(expr, &bound)) {
                return Ok(false);
            }
        }
        match (&index.predicate, predicate) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(text), Some(given)) => {
                let bound = super::bind_index_expr(&self.context, text, table, true)?;
                Ok(crate::plan::rewrite::implies(given, &bound))
            }
        }
    }

    /// SET a = …, (b, c) = … over the current frame.
    fn assignments(
        &mut self,
        assignments: &[ast::Assignment],
        target: &Arc<WriteTarget>,
    ) -> Result<Vec<(usize, Expr)>> {
        let table = target.table.clone();
        let mut made: Vec<(usize, Expr)> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            match &assignment.target {
                ast::AssignmentTarget::ColumnName(name) if element_mark(name).is_some() => {
                    self.assigned_element(name, &assignment.value, target, &mut made)?;
                }
                ast::AssignmentTarget::ColumnName(name) if name.0.len() > 1 => {
                    self.assigned_field(name, &assignment.value, target, &mut made)?;
                }
                ast::AssignmentTarget::ColumnName(name) => {
                    let place = self.named_target(&table, name)?;
                    let expr = self.assigned_value(&assignment.value, target, place)?;
                    made.push((place, expr));
                }
                ast::AssignmentTarget::Tuple(names) => {
                    let places =
                        names.iter().map(|name| self.named_target(&table, name)).collect::<Result<Vec<_>>>()?;
                    self.assigned_row(&assignment.value, target, &places, &mut made)?;
                }
            }
        }
        for (index, (place, _)) in made.iter().enumerate() {
            if made[..index].iter().any(|(other, _)| other == place) {
                return Err(SqlError::syntax(format!(
                    "multiple assignments to same column \"{}\"",
                    table.columns[*place].name
                )));
            }
        }
        Ok(made)
    }

    /// `a[i] = value`: the column with one item changed. Several assignments to one column build on each other.
    fn assigned_element(
        &mut self,
        name: &ast::ObjectName,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let (Some(subscripts), [ast::ObjectNamePart::Identifier(ident), ..]) = (element_mark(name), name.0.as_slice())
        else {
            return Err(SqlError::internal("a target that is no element"));
        };
        let table = &target.table;
        let place = self.target_column(table, &Name::new(ident, self.ami));
        let place = place.map_err(|error| error.at(self.position(ident.span)))?;
        let column = &table.columns[place];
        Self::check_generated(column, None, true)?;
        if subscripts.iter().any(|text| is_slice(text)) {
            return self.assigned_slice(ident, &subscripts, place, value, target, made);
        }
        let mut keys = Vec::with_capacity(subscripts.len());
        for text in &subscripts {
            keys.push(super::text::parse_expr(text)?);
        }
        let old = match made.iter().position(|(own, _)| *own == place) {
            Some(known) => made.remove(known).1,
            None => self.expr(&Ast::Identifier(ident.clone()))?,
        };
        let old = if column.ty.typmod < 0 { old } else { self.coerce(old, column.ty, CastContext::Assignment)? };
        if column.ty.oid == crate::types::oid::JSONB {
            let mut path = Vec::with_capacity(keys.len());
            for key in &keys {
                let key = self.expr(key)?;
                path.push(self.explicit_cast(key, DataType::TEXT)?);
            }
            let text_array = crate::types::array_type_of(crate::types::oid::TEXT).unwrap_or_default();
            let path = Expr::Array { items: path, nested: false, ty: DataType::new(text_array) };
            let value_expr = self.expr(value)?;
            let value_expr = self.assign(value_expr, &column.name, DataType::JSONB, Some(value))?;
            let empty = Expr::Const(Value::Jsonb(Arc::new(crate::types::Jsonb::Object(Vec::new()))), DataType::JSONB);
            let old = Expr::Coalesce(vec![old, empty], DataType::JSONB);
            let args = vec![old, path, value_expr, Expr::Const(Value::Bool(true), DataType::BOOL)];
            let set = self.call_bound("jsonb_set", args, self.position(ident.span))?;
            made.push((place, set));
            return Ok(());
        }
        let Some(element) = crate::types::element_type_of(column.ty.oid) else {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    crate::types::shown_type(column.ty)
                ),
            )
            .at(self.position(ident.span)));
        };
        let [key] = keys.as_slice() else {
            return Err(SqlError::unsupported("an assignment to an element of several dimensions"));
        };
        let index = self.expr(key)?;
        let index = self.coerce_at(index, DataType::INT4, CastContext::Assignment, key)?;
        let item = self.expr(value)?;
        let item = self.assign(item, &column.name, DataType::with_typmod(element, column.ty.typmod), Some(value))?;
        let set = self.call_bound("array_assign_item", vec![old, index, item], self.position(ident.span))?;
        made.push((place, set));
        Ok(())
    }

    /// `c.f = value`: the column with one field changed, a row of NULLs otherwise if it is NULL. Several assignments to one
    /// column build on each other. Errors: 42703, 42804.
    fn assigned_field(
        &mut self,
        name: &ast::ObjectName,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let idents: Vec<&ast::Ident> = name
            .0
            .iter()
            .filter_map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Some(ident),
                ast::ObjectNamePart::Function(_) => None,
            })
            .collect();
        let [column, fields @ ..] = idents.as_slice() else {
            return Err(SqlError::unsupported("this target of an assignment"));
        };
        let table = &target.table;
        let place = self.target_column(table, &Name::new(column, self.ami));
        let place = place.map_err(|error| error.at(self.position(column.span)))?;
        let def = &table.columns[place];
        Self::check_generated(def, None, true)?;
        let old = match made.iter().position(|(own, _)| *own == place) {
            Some(known) => made.remove(known).1,
            None => self.expr(&Ast::Identifier((*column).clone()))?,
        };
        let value = (self.expr(value)?, value);
        let set = self.with_field(old, &def.name, def.ty, fields, value);
        let set = set.map_err(|error| error.at(self.position(column.span)))?;
        made.push((place, set));
        Ok(())
    }

    /// A record of a row type with one field, named by the path, changed.
    fn with_field(
        &mut self,
        old: Expr,
        column: &str,
        ty: DataType,
        path: &[&ast::Ident],
        (value, ast): (Expr, &Ast),
    ) -> Result<Expr> {
        let Some((ident, rest)) = path.split_first() else {
            return self.assign(value, column, ty, Some(ast));
        };
        let wanted = self.fold(ident);
        let row = self.catalog.table_of_row_type(ty.oid).filter(|table| table.row_type == ty.oid).cloned();
        let Some(row) = row else {
            let shown = crate::types::shown_type(ty);
            let message = format!(
                "cannot assign to field \"{wanted}\" of column \"{column}\" because its type {shown} is not a composite type"
            );
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message));
        };
        let columns: Vec<_> = row.live_columns().map(|(_, column)| column.clone()).collect();
        let Some(changed) = columns.iter().position(|own| own.name == wanted) else {
            let message = format!(
                "cannot assign to field \"{wanted}\" of column \"{column}\" because there is no such column in data type {}",
                row.name
            );
            return Err(SqlError::new(SqlState::UNDEFINED_COLUMN, message));
        };
        let mut value = Some((value, ast));
        let mut fields = Vec::with_capacity(columns.len());
        for (field, own) in columns.iter().enumerate() {
            let before = match &old {
                Expr::Row { fields, .. } => fields.get(field).map(|(_, field)| field.clone()),
                _ => None,
            };
            let input = || Expr::Field { input: Box::new(old.clone()), field, ty: own.ty };
            let before = before.unwrap_or_else(input);
            let after = match value.take_if(|_| field == changed) {
                Some(value) => self.with_field(before, &own.name, own.ty, rest, value)?,
                None => before,
            };
            fields.push((Arc::from(own.name.as_str()), after));
        }
        Ok(Expr::Row { fields, ty })
    }

    /// `a[l:u] = array`: the column with the items of a slice replaced by the first of the array.
    fn assigned_slice(
        &mut self,
        ident: &ast::Ident,
        subscripts: &[&str],
        place: usize,
        value: &Ast,
        target: &Arc<WriteTarget>,
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let column = &target.table.columns[place];
        if crate::types::element_type_of(column.ty.oid).is_none() {
            let (state, message) = if column.ty.oid == crate::types::oid::JSONB {
                (SqlState::DATATYPE_MISMATCH, "jsonb subscript does not support slices".to_owned())
            } else {
                let shown = crate::types::shown_type(column.ty);
                let message = format!("cannot subscript type {shown} because it does not support subscripting");
                (SqlState::DATATYPE_MISMATCH, message)
            };
            return Err(SqlError::new(state, message).at(self.position(ident.span)));
        }
        let [text] = subscripts else {
            return Err(SqlError::unsupported("an assignment to a slice of several dimensions"));
        };
        let parsed = super::text::parse_expr(&format!("a[{text}]"))?;
        let Ast::CompoundFieldAccess { access_chain, .. } = &parsed else {
            return Err(SqlError::internal("a slice that is none"));
        };
        let [ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. })] =
            access_chain.as_slice()
        else {
            return Err(SqlError::internal("a slice that is none"));
        };
        let known = made.iter().position(|(own, _)| *own == place);
        let old = match known {
            Some(known) => made.remove(known).1,
            None => self.expr(&Ast::Identifier(ident.clone()))?,
        };
        let open = |binder: &mut Self, bound: &Option<Ast>| -> Result<Vec<Expr>> {
            Ok(match bound {
                Some(ast) => {
                    let bound = binder.expr(ast)?;
                    let bound = binder.coerce_at(bound, DataType::INT4, CastContext::Assignment, ast)?;
                    vec![bound, Expr::Const(Value::Bool(false), DataType::BOOL)]
                }
                None => vec![null_of(DataType::INT4), Expr::Const(Value::Bool(true), DataType::BOOL)],
            })
        };
        let mut args = vec![old];
        args.extend(open(self, lower_bound)?);
        args.extend(open(self, upper_bound)?);
        let given = self.expr(value)?;
        args.push(self.assign(given, &column.name, column.ty, Some(value))?);
        let set = self.call_bound("array_assign_slice", args, self.position(ident.span))?;
        made.push((place, set));
        Ok(())
    }

    fn assigned_value(&mut self, ast: &Ast, target: &Arc<WriteTarget>, place: usize) -> Result<Expr> {
        if is_default(ast) {
            return Ok(Self::default_of(target, place));
        }
        let column = &target.table.columns[place];
        Self::check_generated(column, None, true)?;
        check_reserved(&target.table, place, true)?;
        let expr = self.expr(ast)?;
        self.assign(expr, &column.name, column.ty, Some(ast))
    }

    fn assigned_row(
        &mut self,
        ast: &Ast,
        target: &Arc<WriteTarget>,
        places: &[usize],
        made: &mut Vec<(usize, Expr)>,
    ) -> Result<()> {
        let mut plain = ast;
        while let Ast::Nested(inner) = plain {
            plain = inner;
        }
        let position = self.expr_position(ast);
        let mismatch = || SqlError::syntax("number of columns does not match number of values").at(position);
        match plain {
            Ast::Subquery(query) => {
                let fields = self.row_of_subquery(query)?;
                if fields.len() != places.len() {
                    return Err(mismatch());
                }
                for (place, field) in places.iter().zip(fields) {
                    let column = &target.table.columns[*place];
                    Self::check_generated(column, None, true)?;
                    made.push((*place, self.assign(field, &column.name, column.ty, None)?));
                }
            }
            other => {
                let values: Vec<&Ast> = match other {
                    Ast::Tuple(items) => items.iter().collect(),
                    Ast::Function(function) => match &function.args {
                        ast::FunctionArguments::List(list) => list
                            .args
                            .iter()
                            .filter_map(|arg| match arg {
                                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
                                _ => None,
                            })
                            .collect(),
                        _ => return Err(mismatch()),
                    },
                    one if places.len() == 1 => vec![one],
                    _ => {
                        return Err(SqlError::unsupported(
                            "a source for a multiple-column UPDATE item other than a sub-SELECT or ROW() expression",
                        ));
                    }
                };
                if values.len() != places.len() {
                    return Err(mismatch());
                }
                for (place, value) in places.iter().zip(values) {
                    let expr = self.assigned_value(value, target, *place)?;
                    made.push((*place, expr));
                }
            }
        }
        Ok(())
    }

    /// RETURNING over the row of `items`.
    fn returning(
        &mut self,
        list: Option<&[ast::SelectItem]>,
        items: Vec<Item>,
        width: usize,
        table: &TableDef,
    ) -> Result<(Vec<Expr>, Vec<OutputColumn>)> {
        let Some(list) = list else { return Ok((Vec::new(), Vec::new())) };
        self.need(table.id.0, Privilege::Select);
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
        let table = self.target_table(name, "update")?;
        self.touch(table.id, true, Privilege::Update);
        self.writes = true;
        if update.selection.is_some() || update.returning.is_some() {
            self.need(table.id.0, Privilege::Select);
        }
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
        let input = self.write_limit(filtered(node, filter.clone()), update.limit.as_ref())?;
        let (returning, columns) = self.returning(update.returning.as_deref(), frame.items, width, &table)?;
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
        let table = self.target_table(name, "delete from")?;
        self.touch(table.id, true, Privilege::Delete);
        self.writes = true;
        if delete.selection.is_some() || delete.returning.is_some() {
            self.need(table.id.0, Privilege::Select);
        }
        let target = self.write_target(&table)?;
        let using = delete.using.as_deref().unwrap_or_default();
        let source = self.write_source(&table, alias.as_ref(), &only.joins, using)?;
        let Source { node, items, width } = source;
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let filter = self.write_filter(delete.selection.as_ref());
        self.levels.pop();
        let frame = self.frames.pop().unwrap_or_default();
        let filter = filter?;
        let input = self.write_limit(filtered(node, filter.clone()), delete.limit.as_ref())?;
        let (returning, columns) = self.returning(delete.returning.as_deref(), frame.items, width, &table)?;
        let plan = DeletePlan { target, input, recheck: filter, returning };
        Ok(Bound { node: Node::Delete(Box::new(plan)), columns })
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

    /// MERGE.
    pub(super) fn merge(&mut self, merge: &ast::Merge) -> Result<Bound> {
        let ast::TableFactor::Table { name, alias, .. } = &merge.table else {
            return Err(SqlError::unsupported("MERGE into this"));
        };
        let table = self.target_table(name, "merge into")?;
        self.touch(table.id, true, Privilege::Update);
        self.writes = true;
        let target = self.write_target(&table)?;
        let source_ast = ast::TableWithJoins { relation: merge.source.clone(), joins: Vec::new() };
        let source = self.list_of_from(std::slice::from_ref(&source_ast))?;
        let mut own = self.table_source(&table, alias.as_ref(), true)?;
        let offset = source.width;
        for item in &mut own.items {
            item.shift(offset);
        }
        let width = offset + own.width;
        let source_items = source.items.clone();
        let mut items = source.items;
        items.extend(own.items);
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = (|| {
            let on = self.in_clause(Clause::JoinOn, |binder| binder.condition(&merge.on, "MERGE"))?;
            let mut clauses = Vec::with_capacity(merge.clauses.len());
            for clause in &merge.clauses {
                clauses.push(self.merge_clause(clause, &target, &source_items)?);
            }
            Ok::<_, SqlError>((on, clauses))
        })();
        self.levels.pop();
        self.frames.pop();
        let (on, clauses) = bound?;
        let input = Node::NestedLoop {
            left: Box::new(source.node),
            right: Box::new(own.node),
            kind: JoinKind::Left,
            on: Some(on),
            lateral: false,
            widths: (offset, own.width),
        };
        let plan = MergePlan { target, input, target_offset: offset, clauses };
        Ok(Bound { node: Node::Merge(Box::new(plan)), columns: Vec::new() })
    }

    fn merge_clause(
        &mut self,
        clause: &ast::MergeClause,
        target: &Arc<WriteTarget>,
        source: &[Item],
    ) -> Result<MergeClause> {
        let matched = match clause.clause_kind {
            ast::MergeClauseKind::Matched => true,
            ast::MergeClauseKind::NotMatched | ast::MergeClauseKind::NotMatchedByTarget => false,
            ast::MergeClauseKind::NotMatchedBySource => {
                return Err(SqlError::unsupported("WHEN NOT MATCHED BY SOURCE"));
            }
        };
        // An unmatched row has no target: only the source's names are visible.
        let all = if matched { None } else { Some(std::mem::replace(&mut self.frame().items, source.to_vec())) };
        let bound = self.merge_parts(clause, target, matched);
        if let Some(all) = all {
            self.frame().items = all;
        }
        bound
    }

    fn merge_parts(
        &mut self,
        clause: &ast::MergeClause,
        target: &Arc<WriteTarget>,
        matched: bool,
    ) -> Result<MergeClause> {
        let condition = match &clause.predicate {
            Some(ast) => Some(self.in_clause(Clause::MergeWhen, |binder| binder.condition(ast, "MERGE WHEN AND"))?),
            None => None,
        };
        let action = match &clause.action {
            ast::MergeAction::DoNothing { .. } => MergeAction::Nothing,
            ast::MergeAction::Delete { .. } => {
                self.need(target.table.id.0, Privilege::Delete);
                MergeAction::Delete
            }
            ast::MergeAction::Update(update) => match &update.kind {
                ast::MergeUpdateKind::Set(assignments) => {
                    MergeAction::Update(self.in_clause(Clause::UpdateSet, |b| b.assignments(assignments, target))?)
                }
                _ => return Err(SqlError::unsupported("this form of UPDATE in MERGE")),
            },
            ast::MergeAction::Insert(insert) => {
                self.need(target.table.id.0, Privilege::Insert);
                let table = target.table.clone();
                let mut columns = Vec::new();
                for name in insert.columns.iter().filter(|_| !is_defaults_mark(&insert.columns)) {
                    columns.push(self.named_target(&table, name)?);
                }
                if columns.is_empty() {
                    columns = table.live_columns().map(|(place, _)| place).collect();
                }
                if is_defaults_mark(&insert.columns) {
                    return Ok(MergeClause { matched, condition, action: MergeAction::Insert(Vec::new()) });
                }
                let ast::MergeInsertKind::Values(values) = &insert.kind else {
                    return Err(SqlError::unsupported("this form of INSERT in MERGE"));
                };
                let row = values.rows.first().map_or(&[][..], |row| row.content.as_slice());
                if row.len() > columns.len() {
                    return Err(SqlError::syntax("INSERT has more expressions than target columns"));
                }
                if row.len() < columns.len() && !insert.columns.is_empty() {
                    return Err(SqlError::syntax("INSERT has more target columns than expressions"));
                }
                let mut made = Vec::with_capacity(row.len());
                for (cell, place) in row.iter().zip(columns) {
                    made.push((place, self.insert_cell(cell, target, place, None)?));
                }
                MergeAction::Insert(made)
            }
        };
        Ok(MergeClause { matched, condition, action })
    }
}

/// Whether a subscript is a slice: a colon outside of parentheses, brackets, quotes and casts.
fn is_slice(text: &str) -> bool {
    let (mut depth, mut quoted, mut cast) = (0i32, None, false);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(end), c) if c == end => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ':') if std::mem::take(&mut cast) => {}
            (None, ':') if text[at + 1..].starts_with(':') => cast = true,
            (None, ':') if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The columns that an INSERT without a list fills: those that the server does not fill itself (AMI-40).
fn assignable(table: &TableDef) -> Vec<usize> {
    let own = |place: &usize| table.reserved(*place).is_none_or(|reserved| !reserved.is_server_filled());
    table.live_columns().map(|(place, _)| place).filter(own).collect()
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
