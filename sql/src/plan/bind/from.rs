//! FROM: tables, views, WITH queries, functions, subqueries and their joins → a node and the items of a frame.
//!
//! While the right side of a join is bound, its left side lies on the stack as a frame, hidden unless the right side is
//! LATERAL (functions always are). If nothing used it, the frame is taken out of the depths again.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::{FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, TableFactor, TableWithJoins};

use super::scope::{Frame, Item, ItemColumn, ItemColumns, Name};
use super::{Binder, Clause};
use crate::catalog::{Privilege, Relation, TableDef, TableShape, ViewDef};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{Expr, FunctionBody};
use crate::parse::{is_rows_from_mark, is_variadic_mark};
use crate::plan::visit::{self, tree_exprs_mut};
use crate::plan::{JoinKind, Node, OutputColumn, SetCall, SystemRelation};
use crate::types::{CastContext, DataType, Oid, oid};

/// A part of FROM: its node, what it is called, its width.
pub(super) struct Source {
    pub node: Node,
    pub items: Vec<Item>,
    pub width: usize,
}

impl Source {
    /// One row of nothing.
    pub(super) fn nothing() -> Source {
        Source { node: Node::Values { rows: vec![Vec::new()] }, items: Vec::new(), width: 0 }
    }
}

/// Which relation a name in FROM means.
pub(super) enum Found {
    Table(Arc<TableDef>),
    View(Arc<ViewDef>),
    System(&'static SystemRelation),
    Sequence(Arc<crate::catalog::SequenceDef>),
}

impl Binder<'_> {
    /// The whole FROM clause.
    pub(super) fn list_of_from(&mut self, from: &[TableWithJoins]) -> Result<Source> {
        let base = std::mem::replace(&mut self.lateral_base, self.frames.len());
        let bound = self.in_clause(Clause::FromFunction, |binder| binder.tables_of_from(from));
        self.lateral_base = base;
        let bound = bound?;
        self.check_names(&bound.items)?;
        Ok(bound)
    }

    pub(super) fn tables_of_from(&mut self, from: &[TableWithJoins]) -> Result<Source> {
        let mut all: Option<Source> = None;
        for table in from {
            all = Some(match all {
                None => self.table_with_joins(table)?,
                Some(left) => {
                    let (left, right, lateral) = self.beside(left, |binder| binder.table_with_joins(table))?;
                    combine(left, right, JoinKind::Inner, None, lateral)
                }
            });
        }
        Ok(all.unwrap_or_else(Source::nothing))
    }

    fn check_names(&self, items: &[Item]) -> Result<()> {
        for (place, item) in items.iter().enumerate().filter(|(_, item)| item.by_name) {
            let Some(name) = &item.name else { continue };
            let twice = items[..place].iter().any(|other| {
                other.by_name
                    && other.name.as_ref() == Some(name)
                    && (other.schema.is_none() || item.schema.is_none() || other.schema == item.schema)
            });
            if twice {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_ALIAS,
                    format!("table name \"{name}\" specified more than once"),
                ));
            }
        }
        Ok(())
    }

    /// Binds what stands right of `left`, which it may see if LATERAL. Says whether it did.
    pub(super) fn beside(
        &mut self,
        left: Source,
        right: impl FnOnce(&mut Self) -> Result<Source>,
    ) -> Result<(Source, Source, bool)> {
        let Source { node, items, width } = left;
        self.frames.push(Frame { items, width, hidden: true, uses: Vec::new() });
        let bound = right(self);
        let frame = self.frames.pop().unwrap_or_default();
        let mut right = bound?;
        let left = Source { node, items: frame.items, width };
        let lateral = self.node_uses(&mut right.node, 1);
        if !lateral {
            self.shift_outer(&mut right.node, 1, -1);
        }
        Ok((left, right, lateral))
    }

    /// Whether the tree uses the row exactly `distance` out.
    pub(super) fn node_uses(&self, node: &mut Node, distance: usize) -> bool {
        if matches!(node, Node::SeqScan { filter: None, .. } | Node::CteScan { .. }) {
            return false;
        }
        let mut found = false;
        tree_exprs_mut(node, 0, &mut |expr, depth| {
            found = found || self.expr_uses(expr, distance + depth);
        });
        found
    }

    fn expr_uses(&self, expr: &Expr, distance: usize) -> bool {
        visit::any(expr, &mut |inner| match inner {
            Expr::Outer { depth, .. } => *depth == distance,
            Expr::Subquery { plan, .. } => {
                let subplan = usize::try_from(plan.0).ok().and_then(|place| self.subplans.get(place));
                match subplan.and_then(Option::as_ref) {
                    Some(subplan) if subplan.correlated => {
                        let mut root = subplan.root.clone();
                        self.node_uses(&mut root, distance + 1)
                    }
                    _ => false,
                }
            }
            _ => false,
        })
    }

    /// Moves references beyond `distance` rows by `by`.
    pub(super) fn shift_outer(&mut self, node: &mut Node, distance: usize, by: isize) {
        if matches!(node, Node::SeqScan { filter: None, .. } | Node::CteScan { .. }) {
            return;
        }
        let mut below = Vec::new();
        tree_exprs_mut(node, 0, &mut |expr, depth| shift_expr(expr, distance + depth, by, &mut below));
        for (plan, distance) in below {
            let Some(mut subplan) = self.subplans.get_mut(plan).and_then(Option::take) else { continue };
            if subplan.correlated {
                self.shift_outer(&mut subplan.root, distance, by);
            }
            self.subplans[plan] = Some(subplan);
        }
    }

    /// A source with one more table joined to it.
    pub(super) fn joined(&mut self, left: Source, join: &ast::Join) -> Result<Source> {
        let (kind, constraint, only) = join_kind(&join.join_operator)?;
        if matches!(constraint, JoinConstraint::None)
            && !matches!(join.join_operator, JoinOperator::CrossJoin(_))
            && !self.ami
        {
            return Err(SqlError::syntax("syntax error at end of input"));
        }
        let (mut own, mut right, lateral) = self.beside(left, |binder| binder.factor(&join.relation))?;
        if !only {
            return self.join(own, right, kind, constraint, lateral);
        }
        // AMI's ONLY keeps the rows without a partner: a mark beside each side says whether there is one.
        let mut marks = Vec::new();
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            marks.push(own.width);
            own = marked(own);
        }
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            marks.push(own.width + right.width);
            right = marked(right);
        }
        let Source { node, items, width } = self.join(own, right, kind, constraint, lateral)?;
        let missing = marks
            .into_iter()
            .map(|place| Expr::IsNull { input: Box::new(Expr::Column(place, DataType::BOOL)), negated: false });
        let node = Node::Filter { input: Box::new(node), predicate: Expr::Or(missing.collect()) };
        Ok(Source { node, items, width })
    }

    fn table_with_joins(&mut self, table: &TableWithJoins) -> Result<Source> {
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            left = self.joined(left, join)?;
        }
        Ok(left)
    }

    /// A side of an outer join whose rows may be missing. Where whole rows are asked for, something tells which are.
    fn nullable(&self, side: Source) -> Source {
        let known = side.items.iter().all(|item| item.row_id.or(item.mark).is_some());
        let mut side = if self.row_ids && !known { marked(side) } else { side };
        for item in &mut side.items {
            item.nullable = true;
            if self.row_ids && item.row_id.is_none() {
                item.mark = item.mark.or(Some(side.width - 1));
            }
        }
        side
    }

    fn join(
        &mut self,
        mut left: Source,
        mut right: Source,
        kind: JoinKind,
        constraint: &JoinConstraint,
        lateral: bool,
    ) -> Result<Source> {
        if lateral && matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                "invalid reference to FROM-clause entry in a LATERAL item",
            )
            .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference."));
        }
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            left = self.nullable(left);
        }
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            right = self.nullable(right);
        }
        let width = left.width;
        for item in &mut right.items {
            item.shift(width);
        }
        let names = match constraint {
            JoinConstraint::Using(names) => names
                .iter()
                .filter_map(|name| name.0.last())
                .filter_map(|part| match part {
                    ast::ObjectNamePart::Identifier(ident) => Some(ident.clone()),
                    ast::ObjectNamePart::Function(_) => None,
                })
                .collect(),
            JoinConstraint::Natural => common_names(&left.items, &right.items),
            JoinConstraint::On(_) | JoinConstraint::None => Vec::new(),
        };
        if let JoinConstraint::On(condition) = constraint {
            let right_width = right.width;
            let left_count = left.items.len();
            let mut items = left.items;
            items.append(&mut right.items);
            self.frames.push(Frame { items, width: width + right_width, hidden: false, uses: Vec::new() });
            let bound = self.in_clause(Clause::JoinOn, |binder| binder.condition(condition, "JOIN/ON"));
            let frame = self.frames.pop().unwrap_or_default();
            let on = bound?;
            let mut items = frame.items;
            let right_items = items.split_off(left_count);
            let left = Source { node: left.node, items, width };
            let right = Source { node: right.node, items: right_items, width: right_width };
            return Ok(combine_shifted(left, right, kind, Some(on), lateral));
        }
        if names.is_empty() {
            return Ok(combine_shifted(left, right, kind, None, lateral));
        }
        self.join_using(left, right, kind, &names, lateral)
    }

    fn join_using(
        &mut self,
        mut left: Source,
        mut right: Source,
        kind: JoinKind,
        names: &[ast::Ident],
        lateral: bool,
    ) -> Result<Source> {
        let mut merged = Vec::new();
        let mut conditions = Vec::new();
        for ident in names {
            let name = Name::new(ident, self.ami);
            let a = self.using_column(&left.items, &name, ident, "left")?;
            let b = self.using_column(&right.items, &name, ident, "right")?;
            self.note_merged(a.1, ident);
            self.note_merged(b.1, ident);
            self.reads(a.1);
            self.reads(b.1);
            let at = ast::Expr::Identifier(ident.clone());
            conditions.push(self.operator(&at, "=", Some(a.0.clone()), b.0.clone())?);
            let ty = self.common([a.0.data_type(), b.0.data_type()].into_iter(), "JOIN/USING")?;
            let (value, origin) = match kind {
                JoinKind::Right => (b.0, b.1),
                JoinKind::Full => {
                    let first = self.coerce(a.0, ty, CastContext::Implicit)?;
                    let second = self.coerce(b.0, ty, CastContext::Implicit)?;
                    (Expr::Coalesce(vec![first, second], ty), (0, 0))
                }
                _ => (a.0, a.1),
            };
            merged.push(ItemColumn { name: name.folded.into_owned(), expr: value, origin });
        }
        let folded: Vec<String> = merged.iter().map(|column| column.name.clone()).collect();
        let mut columns = merged;
        for items in [&mut left.items, &mut right.items] {
            for item in items.iter_mut().filter(|item| item.by_column) {
                columns.extend(item.all().into_iter().filter(|column| !folded.contains(&column.name)));
                item.by_column = false;
            }
        }
        let on = if conditions.len() == 1 { conditions.remove(0) } else { Expr::And(conditions) };
        let mut joined = combine_shifted(left, right, kind, Some(on), lateral);
        joined.items.push(Item {
            name: None,
            schema: None,
            relation: 0,
            row_type: 0,
            columns: ItemColumns::List(columns),
            by_name: false,
            by_column: true,
            loose: self.ami,
            row_id: None,
            nullable: false,
            mark: None,
            scalar: false,
        });
        Ok(joined)
    }

    fn using_column(
        &self,
        items: &[Item],
        name: &Name<'_>,
        ident: &ast::Ident,
        side: &str,
    ) -> Result<(Expr, (Oid, i16))> {
        let mut found = None;
        for item in items.iter().filter(|item| item.by_column) {
            let twice = match item.find(name) {
                Ok(None) => false,
                Ok(Some(column)) => found.replace(column).is_some(),
                Err(()) => true,
            };
            if twice {
                return Err(SqlError::new(
                    SqlState::AMBIGUOUS_COLUMN,
                    format!("common column name \"{}\" appears more than once in {side} table", name.folded),
                )
                .at(self.position(ident.span)));
            }
        }
        found.ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{}\" specified in USING clause does not exist in {side} table", name.folded),
            )
            .at(self.position(ident.span))
        })
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<Source> {
        match factor {
            TableFactor::Table { name, alias, args: None, sample, with_ordinality: false, .. } => match sample {
                Some(sample) => self.sampled_table(name, alias.as_ref(), sample),
                None => self.named_table(name, alias.as_ref(), false),
            },
            TableFactor::Table { name, alias, args, with_ordinality, .. } => {
                let args = args.as_ref().map_or(&[][..], |args| args.args.as_slice());
                self.function_item(name, args, *with_ordinality, alias.as_ref())
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.function_item(name, args, *with_ordinality, alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                self.unnest_item(array_exprs, *with_ordinality, alias.as_ref())
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => self.derived(*lateral, subquery, alias.as_ref()),
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut joined = self.table_with_joins(table_with_joins)?;
                if let Some(alias) = alias {
                    let mut columns = Vec::new();
                    for item in joined.items.iter().filter(|item| item.by_column) {
                        columns.extend(item.all());
                    }
                    let item = self.list_item(columns, Some(alias), None)?;
                    joined.items = vec![item];
                }
                Ok(joined)
            }
            TableFactor::TableFunction { expr: ast::Expr::Function(function), alias } => {
                let args = match &function.args {
                    ast::FunctionArguments::List(list) => list.args.as_slice(),
                    _ => &[],
                };
                self.function_item(&function.name, args, false, alias.as_ref())
            }
            other => {
                let text: String = other.to_string().chars().take(40).collect();
                Err(SqlError::unsupported(format!("FROM {text}")))
            }
        }
    }

    /// What a name in FROM means. Errors: 42P01.
    pub(super) fn find_relation(&self, name: &ast::ObjectName) -> Result<Found> {
        let mut idents = Vec::with_capacity(name.0.len());
        for part in &name.0 {
            if let ast::ObjectNamePart::Identifier(ident) = part {
                idents.push(Name::new(ident, self.ami));
            }
        }
        self.find_named(&idents).map_err(|error| error.at(self.name_position(name)))
    }

    /// As `find_relation`, by names.
    pub(super) fn find_named(&self, idents: &[Name<'_>]) -> Result<Found> {
        let (schema, table) = match idents {
            [table] => (None, table),
            [schema, table] => (Some(schema.folded.as_ref()), table),
            [database, schema, table] => {
                let own = self.context.catalogs.shared.database(self.context.database);
                if own.is_some_and(|own| own.name != database.folded) {
                    let name = format!("{}.{}.{}", database.folded, schema.folded, table.folded);
                    let message = format!("cross-database references are not implemented: \"{name}\"");
                    return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, message));
                }
                (Some(schema.folded.as_ref()), table)
            }
            _ => return Err(SqlError::syntax("improper qualified name (too many dotted names)")),
        };
        if schema.is_none() || schema == Some("pg_catalog") {
            if let Some(relation) = self.context.source.system_relation(Some("pg_catalog"), &table.folded) {
                return Ok(Found::System(relation));
            }
        }
        let mut relation = self.find_relation_in(schema, &table.folded)?;
        if relation.is_none() && !table.quoted {
            // AMI's names keep the case that they are written in (AMI-8); PostgreSQL's do not (PG-66).
            let raw = self.find_relation_in(schema, table.raw)?;
            relation = raw.filter(|found| self.ami || matches!(found, Relation::Table(def) if def.dialect == "ami"));
        }
        match relation {
            Some(Relation::Table(def)) if !def.hidden => return Ok(Found::Table(def)),
            Some(Relation::View(def)) => return Ok(Found::View(def)),
            Some(Relation::Sequence(def)) => return Ok(Found::Sequence(def)),
            Some(Relation::Table(def)) if def.is_composite() => {
                return Err(SqlError::new(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is a composite type", def.name),
                ));
            }
            Some(Relation::Index(def, place)) => {
                return Err(SqlError::new(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("cannot open relation \"{}\"", def.indexes[place].name),
                )
                .detail("This operation is not supported for indexes."));
            }
            _ => {}
        }
        let system = match schema {
            Some(schema) => self.context.source.system_relation(Some(schema), &table.folded),
            // information_schema and tripline only when they are on the search path.
            None => self.search_path.iter().find_map(|oid| {
                let schema = match *oid {
                    crate::catalog::INFORMATION_SCHEMA => "information_schema",
                    crate::catalog::TRIPLINE => "tripline",
                    _ => return None,
                };
                self.context.source.system_relation(Some(schema), &table.folded)
            }),
        };
        if let Some(system) = system {
            return Ok(Found::System(system));
        }
        if !table.quoted {
            if let Some(def) = self.find_ami_table(table.raw) {
                return Ok(Found::Table(def));
            }
        }
        let shown = match schema {
            Some(schema) => format!("{schema}.{}", table.folded),
            None => table.folded.to_string(),
        };
        if let Some(schema) = schema {
            if self.schema_oid(schema).is_none() {
                return Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist")));
            }
        }
        Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist")))
    }

    /// A table, view or WITH query.
    pub(super) fn named_table(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        row_id: bool,
    ) -> Result<Source> {
        if let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() {
            if !row_id {
                let folded = self.fold(ident);
                if let Some(source) = self.cte_reference(&folded, alias)? {
                    return Ok(source);
                }
            }
        }
        let found = match self.find_relation(name) {
            Err(error) if error.state() == SqlState::UNDEFINED_TABLE && self.is_endless_series(name) => {
                let number = |text: &str| {
                    let value = ast::Value::Number(text.to_owned(), false).with_empty_span();
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(value)))
                };
                let args = [number("0"), number("9223372036854775807")];
                return self.function_item(name, &args, false, alias);
            }
            found => found?,
        };
        match found {
            Found::Table(def) => {
                if matches!(def.shape, TableShape::Materialized { populated: false, .. }) {
                    return Err(SqlError::new(
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("materialized view \"{}\" has not been populated", def.name),
                    )
                    .hint("Use the REFRESH MATERIALIZED VIEW command."));
                }
                self.touch(def.id, false);
                self.need_columns(def.id.0, Privilege::Select, &[]);
                self.note_relation(name, def.id.0, alias.is_some());
                let row_id =
                    row_id || self.row_ids || self.lock_wanted(alias.map_or(&def.name, |alias| &alias.name.value));
                self.table_source(&def, alias, row_id)
            }
            Found::View(def) => {
                self.need_columns(def.oid, Privilege::Select, &[]);
                self.note_relation(name, def.oid, alias.is_some());
                self.view_source(&def, alias)
            }
            Found::System(relation) => self.system_source(relation, alias),
            Found::Sequence(def) => {
                self.note_relation(name, def.oid, alias.is_some());
                self.sequence_source(&def, alias)
            }
        }
    }

    /// Comdb2's generate_series without arguments: 0, 1, 2 and so on (CDB-408).
    fn is_endless_series(&self, name: &ast::ObjectName) -> bool {
        match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(ident)] => {
                ident.quote_style.is_none() && self.fold(ident) == "generate_series"
            }
            _ => false,
        }
    }

    /// A scan of a table with its item.
    pub(super) fn table_source(
        &mut self,
        def: &Arc<TableDef>,
        alias: Option<&ast::TableAlias>,
        row_id: bool,
    ) -> Result<Source> {
        let columns = def.columns.len();
        let named = alias.map(|alias| self.fold(&alias.name));
        let plain = Item {
            name: Some(named.clone().unwrap_or_else(|| def.name.clone())),
            schema: if named.is_some() { None } else { Some(def.schema) },
            relation: def.id.0,
            row_type: def.row_type,
            columns: ItemColumns::Table { def: def.clone(), first: 0 },
            by_name: true,
            by_column: true,
            loose: def.dialect == "ami" || self.ami,
            row_id: row_id.then_some(columns),
            nullable: false,
            mark: None,
            scalar: false,
        };
        let item = match alias {
            Some(alias) if !alias.columns.is_empty() => {
                let item = self.list_item(plain.all(), Some(alias), None)?;
                Item { relation: def.id.0, row_type: def.row_type, row_id: plain.row_id, ..item }
            }
            _ => plain,
        };
        Ok(Source {
            node: Node::SeqScan { table: def.clone(), filter: None, row_id },
            items: vec![item],
            width: columns + usize::from(row_id),
        })
    }

    fn system_source(&mut self, relation: &'static SystemRelation, alias: Option<&ast::TableAlias>) -> Result<Source> {
        let columns = relation.columns.iter().enumerate();
        let columns: Vec<ItemColumn> = columns
            .map(|(place, (name, ty))| ItemColumn {
                name: (*name).to_owned(),
                expr: Expr::Column(place, relation.column_type(name, *ty)),
                origin: (relation.oid, super::scope::attribute(place)),
            })
            .collect();
        let width = columns.len();
        let mut item = self.list_item(columns, alias, Some(relation.name.to_owned()))?;
        item.relation = relation.oid;
        if alias.is_none() {
            item.schema = Some(relation.schema);
        }
        Ok(Source {
            node: Node::SystemScan { relation, bounds: Vec::new(), keys: Vec::new(), filter: None },
            items: vec![item],
            width,
        })
    }

    /// A sequence's row: last_value, log_cnt, is_called.
    fn sequence_source(
        &mut self,
        def: &Arc<crate::catalog::SequenceDef>,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Source> {
        let function = crate::expr::functions_named("pg_sequence_state")
            .next()
            .ok_or_else(|| SqlError::unsupported(format!("reading the sequence \"{}\" as a table", def.name)))?;
        self.need(def.oid, Privilege::Select);
        let args = vec![Expr::Const(crate::types::Value::Oid(def.oid), DataType::REGCLASS)];
        let columns = vec![DataType::INT8, DataType::INT8, DataType::BOOL];
        let named = ["last_value", "log_cnt", "is_called"].iter().zip(&columns).enumerate();
        let list = named
            .map(|(place, (name, ty))| ItemColumn {
                name: (*name).to_owned(),
                expr: Expr::Column(place, *ty),
                origin: (def.oid, super::scope::attribute(place)),
            })
            .collect();
        let item = self.list_item(list, alias, Some(def.name.clone()))?;
        let node = Node::FunctionScan { calls: vec![SetCall { function, args, columns }], ordinality: false };
        Ok(Source { node, items: vec![item], width: 3 })
    }

    /// An item over a list of columns, renamed by the alias.
    pub(super) fn list_item(
        &self,
        mut columns: Vec<ItemColumn>,
        alias: Option<&ast::TableAlias>,
        name: Option<String>,
    ) -> Result<Item> {
        let name = alias.map(|alias| self.fold(&alias.name)).or(name);
        if let Some(alias) = alias {
            if alias.columns.len() > columns.len() {
                return Err(SqlError::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    format!(
                        "table \"{}\" has {} columns available but {} columns specified",
                        name.as_deref().unwrap_or_default(),
                        columns.len(),
                        alias.columns.len()
                    ),
                )
                .at(self.position(alias.name.span)));
            }
            for (column, renamed) in columns.iter_mut().zip(&alias.columns) {
                column.name = self.fold(&renamed.name);
            }
        }
        Ok(Item {
            by_name: name.is_some(),
            name,
            schema: None,
            relation: 0,
            row_type: 0,
            columns: ItemColumns::List(columns),
            by_column: true,
            loose: self.ami,
            row_id: None,
            nullable: false,
            mark: None,
            scalar: false,
        })
    }

    /// An item over the result of a query.
    pub(super) fn query_item(
        &self,
        columns: &[OutputColumn],
        alias: Option<&ast::TableAlias>,
        name: Option<String>,
    ) -> Result<Item> {
        let columns = columns.iter().enumerate();
        let list = columns
            .map(|(place, column)| ItemColumn {
                name: column.name.clone(),
                expr: Expr::Column(place, column.ty),
                origin: column.origin,
            })
            .collect();
        self.list_item(list, alias, name)
    }

    fn derived(&mut self, lateral: bool, query: &ast::Query, alias: Option<&ast::TableAlias>) -> Result<Source> {
        self.enter()?;
        let bound = self.with_lateral(lateral, |binder| {
            binder.in_clause(Clause::Select, |binder| {
                stacker::maybe_grow(96 * 1024, 1024 * 1024, || binder.query(query, true))
            })
        });
        self.depth -= 1;
        let bound = bound?;
        if alias.is_none() && !self.ami {
            return Err(SqlError::syntax("subquery in FROM must have an alias")
                .hint("For example, FROM (SELECT ...) [AS] foo.")
                .at(self.query_position(query)));
        }
        let item = self.query_item(&bound.columns, alias, None)?;
        Ok(Source { width: bound.columns.len(), node: bound.node, items: vec![item] })
    }

    /// Runs `work` with the frames left of here visible if `lateral`.
    pub(super) fn with_lateral<T>(&mut self, lateral: bool, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let base = self.lateral_base.min(self.frames.len());
        if lateral {
            self.frames[base..].iter_mut().for_each(|frame| frame.hidden = false);
        }
        let top = self.frames.len();
        let result = work(self);
        self.frames[base..top].iter_mut().for_each(|frame| frame.hidden = true);
        result
    }

    /// Runs `work` as a view sees the world: with its search path and its owner's rights, and nothing of the statement
    /// around it.
    pub(super) fn in_view<T>(&mut self, def: &Arc<ViewDef>, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.view_depth >= 64 {
            return Err(SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, "infinite recursion detected in a view"));
        }
        let path: Vec<Oid> = std::iter::once(crate::catalog::PG_CATALOG)
            .chain(def.search_path.iter().filter_map(|name| self.schema_oid(name)))
            .collect();
        let path = std::mem::replace(&mut self.search_path, Arc::from(path));
        let frames = std::mem::take(&mut self.frames);
        let levels = std::mem::take(&mut self.levels);
        let ctes = std::mem::take(&mut self.ctes);
        let locks = std::mem::take(&mut self.lock_clauses);
        let base = std::mem::replace(&mut self.lateral_base, 0);
        let (ami, positions) = (std::mem::replace(&mut self.ami, false), std::mem::replace(&mut self.positions, false));
        self.view_depth += 1;
        let owner = self.view_owner.replace(def.owner);
        let uses = self.uses.take();
        let result = self.in_clause(Clause::Select, work);
        self.view_depth -= 1;
        self.view_owner = owner;
        self.uses = uses;
        (self.ami, self.positions) = (ami, positions);
        self.lateral_base = base;
        self.lock_clauses = locks;
        self.ctes = ctes;
        self.levels = levels;
        self.frames = frames;
        self.search_path = path;
        result
    }

    fn view_source(&mut self, def: &Arc<ViewDef>, alias: Option<&ast::TableAlias>) -> Result<Source> {
        let ast = super::text::parse_query(&def.query)?;
        let bound = self.in_view(def, |binder| binder.query(&ast, true))?;
        let mut columns = bound.columns;
        for (place, (column, own)) in columns.iter_mut().zip(&def.columns).enumerate() {
            column.name.clone_from(&own.name);
            column.origin = (def.oid, super::scope::attribute(place));
        }
        let mut item = self.query_item(&columns, alias, Some(def.name.clone()))?;
        item.relation = def.oid;
        item.row_type = def.row_type;
        if alias.is_none() {
            item.schema = Some(def.schema);
        }
        Ok(Source { width: columns.len(), node: bound.node, items: vec![item] })
    }

    fn function_item(
        &mut self,
        name: &ast::ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Source> {
        let position = self.name_position(name);
        let parts = self.name_parts(name);
        let folded = parts.last().cloned().unwrap_or_default();
        if is_rows_from_mark(name) {
            return self.rows_from(args, ordinality, alias, position);
        }
        let schema = parts.len().checked_sub(2).and_then(|place| parts.get(place)).map(String::as_str);
        let routines = self.routines(schema, &folded);
        if !routines.is_empty()
            && let Some((call, columns, plain)) =
                self.lateral_call(|binder| binder.routine_in_from(&routines, name, args, position))?
        {
            return self.routine_item(call, columns, plain, (&folded, ordinality), alias);
        }
        let foreign = schema.filter(|schema| !super::call::has_built_in(schema, &folded));
        let folded = foreign.map_or(folded.clone(), |schema| format!("{schema}.{folded}"));
        let mut exprs = Vec::with_capacity(args.len());
        let mut variadic = false;
        for arg in args {
            if let FunctionArg::Named { name, .. } | FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), .. } =
                arg
            {
                variadic |= is_variadic_mark(name);
            }
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
                | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
                | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => exprs.push(expr),
                other => return Err(SqlError::unsupported(format!("the argument {other}")).at(position)),
            }
        }
        if folded == "unnest" && exprs.len() > 1 {
            return self.unnest_list(&exprs, ordinality, alias, position);
        }
        let (call, result) = self.lateral_call(|binder| binder.call_in_from(&folded, &exprs, variadic, position))?;
        self.calls_item(vec![(call, result)], &folded, ordinality, alias, position)
    }

    /// The rows of a function in SQL.
    fn routine_item(
        &mut self,
        call: SetCall,
        mut columns: Vec<(String, DataType)>,
        plain: bool,
        (name, ordinality): (&str, bool),
        alias: Option<&ast::TableAlias>,
    ) -> Result<Source> {
        if let ([(own, _)], true, Some(alias)) = (columns.as_mut_slice(), plain, alias) {
            // A plain value's column is called like the alias.
            *own = self.fold(&alias.name);
        }
        if ordinality {
            columns.push(("ordinality".to_owned(), DataType::INT8));
        }
        let width = columns.len();
        let list = columns.into_iter().enumerate();
        let list = list
            .map(|(place, (name, ty))| ItemColumn { name, expr: Expr::Column(place, ty), origin: (0, 0) })
            .collect();
        let mut item = self.list_item(list, alias, Some(name.to_owned()))?;
        item.scalar = plain && !ordinality;
        Ok(Source { node: Node::FunctionScan { calls: vec![call], ordinality }, items: vec![item], width })
    }

    /// `ROWS FROM (f(…), g(…))`: the rows of several functions side by side.
    fn rows_from(
        &mut self,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        position: Option<Span>,
    ) -> Result<Source> {
        let mut calls = Vec::with_capacity(args.len());
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(function))) = arg else {
                return Err(SqlError::unsupported("this item of ROWS FROM").at(position));
            };
            let at = self.name_position(&function.name);
            let name = self.name_parts(&function.name).pop().unwrap_or_default();
            let exprs = self.call_args(&name, function)?.exprs;
            calls.extend(self.lateral_call(|binder| {
                if name == "unnest" && exprs.len() > 1 {
                    return exprs.iter().map(|expr| binder.call_in_from(&name, &[*expr], false, at)).collect();
                }
                binder.call_in_from(&name, &exprs, false, at).map(|call| vec![call])
            })?);
        }
        self.calls_item(calls, "", ordinality, alias, position)
    }

    fn lateral_call<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.with_lateral(true, |binder| {
            // The function itself has no row: what stands left of it is one row out.
            binder.frames.push(Frame::default());
            let made = work(binder);
            binder.frames.pop();
            made
        })
    }

    fn unnest_item(
        &mut self,
        exprs: &[ast::Expr],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Source> {
        let exprs: Vec<&ast::Expr> = exprs.iter().collect();
        let position = exprs.first().and_then(|expr| self.expr_position(expr));
        self.unnest_list(&exprs, ordinality, alias, position)
    }

    fn unnest_list(
        &mut self,
        exprs: &[&ast::Expr],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        position: Option<Span>,
    ) -> Result<Source> {
        let calls = self.lateral_call(|binder| {
            exprs.iter().map(|expr| binder.call_in_from("unnest", &[expr], false, position)).collect::<Result<Vec<_>>>()
        })?;
        self.calls_item(calls, "unnest", ordinality, alias, position)
    }

    fn calls_item(
        &mut self,
        calls: Vec<(SetCall, Oid)>,
        name: &str,
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        position: Option<Span>,
    ) -> Result<Source> {
        let single = calls.len() == 1;
        let mut columns = Vec::new();
        let mut made = Vec::with_capacity(calls.len());
        let mut alias = alias.cloned();
        let mut scalar = false;
        for (mut call, result) in calls {
            let defined = alias.as_ref().is_some_and(|alias| alias.columns.iter().any(|c| c.data_type.is_some()));
            let composite = self.catalog.table_of_rows(result).cloned();
            if defined && result == oid::RECORD {
                let mut types = Vec::new();
                for column in alias.as_ref().map_or(&[][..], |alias| alias.columns.as_slice()) {
                    let ty = match &column.data_type {
                        Some(ty) => self.data_type(ty)?,
                        None => DataType::TEXT,
                    };
                    types.push(ty);
                    columns.push((self.fold(&column.name), ty));
                }
                if call.function.name.ends_with("to_record") || call.function.name.ends_with("to_recordset") {
                    // These read the fields to fill from a record of NULLs.
                    let fields = columns.iter().map(|(name, ty): &(String, DataType)| {
                        (Arc::from(name.as_str()), Expr::Const(crate::types::Value::Null, *ty))
                    });
                    call.args.push(Expr::Row { fields: fields.collect(), ty: DataType::RECORD });
                }
                call.columns = types;
            } else if let Some(table) = composite {
                call.columns.clear();
                for (_, column) in table.live_columns() {
                    call.columns.push(column.ty);
                    columns.push((column.name.clone(), column.ty));
                }
            } else if call.function.columns.is_empty() {
                let known =
                    matches!(call.function.body, FunctionBody::Scalar(_)) && !call.function.name.ends_with("to_record");
                if result == oid::RECORD && !known {
                    return Err(SqlError::syntax(
                        "a column definition list is required for functions returning \"record\"",
                    )
                    .at(position));
                }
                // A plain value's column is called like the alias, else like the function.
                let own = alias.as_ref().filter(|_| single).map(|alias| self.fold(&alias.name));
                let name = if single { name } else { call.function.name };
                columns.push((own.unwrap_or_else(|| name.to_owned()), call.columns[0]));
                scalar = single;
            } else {
                for ((own, _), ty) in call.function.columns.iter().zip(&call.columns) {
                    columns.push(((*own).to_owned(), *ty));
                }
                scalar = single && call.columns.len() == 1;
            }
            made.push(call);
        }
        if ordinality {
            columns.push(("ordinality".to_owned(), DataType::INT8));
        }
        let width = columns.len();
        if let Some(alias) = &mut alias {
            if alias.columns.iter().any(|column| column.data_type.is_some()) {
                alias.columns.truncate(width);
            }
        }
        let list = columns.into_iter().enumerate();
        let list = list
            .map(|(place, (name, ty))| ItemColumn { name, expr: Expr::Column(place, ty), origin: (0, 0) })
            .collect();
        let mut item = self.list_item(list, alias.as_ref(), (!name.is_empty()).then(|| name.to_owned()))?;
        item.scalar = scalar && !ordinality;
        Ok(Source { node: Node::FunctionScan { calls: made, ordinality }, items: vec![item], width })
    }
}

fn shift_expr(expr: &mut Expr, distance: usize, by: isize, below: &mut Vec<(usize, usize)>) {
    match expr {
        Expr::Outer { depth, .. } => {
            if *depth > distance {
                *depth = depth.saturating_add_signed(by);
            }
            return;
        }
        Expr::Subquery { plan, .. } => {
            if let Ok(place) = usize::try_from(plan.0) {
                if !below.iter().any(|(known, _)| *known == place) {
                    below.push((place, distance + 1));
                }
            }
        }
        _ => {}
    }
    visit::operands_mut(expr, &mut |operand| shift_expr(operand, distance, by, below));
}

fn combine(left: Source, mut right: Source, kind: JoinKind, on: Option<Expr>, lateral: bool) -> Source {
    for item in &mut right.items {
        item.shift(left.width);
    }
    combine_shifted(left, right, kind, on, lateral)
}

fn combine_shifted(left: Source, right: Source, kind: JoinKind, on: Option<Expr>, lateral: bool) -> Source {
    let widths = (left.width, right.width);
    let mut items = left.items;
    items.extend(right.items);
    Source {
        node: Node::NestedLoop { left: Box::new(left.node), right: Box::new(right.node), kind, on, lateral, widths },
        items,
        width: widths.0 + widths.1,
    }
}

fn common_names(left: &[Item], right: &[Item]) -> Vec<ast::Ident> {
    let names = |items: &[Item]| -> Vec<String> {
        items.iter().filter(|item| item.by_column).flat_map(Item::all).map(|column| column.name).collect()
    };
    let theirs = names(right);
    let mut common: Vec<ast::Ident> = Vec::new();
    for name in names(left) {
        if theirs.contains(&name) && !common.iter().any(|known| known.value == name) {
            common.push(ast::Ident::with_quote('"', name));
        }
    }
    common
}

/// A source with a column more that is true in each of its rows.
fn marked(source: Source) -> Source {
    let Source { node, items, width } = source;
    // What the other columns are is of no matter here: they are handed on as they come.
    let mut exprs: Vec<Expr> = (0..width).map(|place| Expr::Column(place, DataType::UNKNOWN)).collect();
    for column in items.iter().flat_map(Item::all) {
        if let Expr::Column(place, ty) = column.expr
            && let Some(slot) = exprs.get_mut(place)
        {
            *slot = Expr::Column(place, ty);
        }
    }
    exprs.push(Expr::Const(crate::types::Value::Bool(true), DataType::BOOL));
    Source { node: Node::Project { input: Box::new(node), exprs }, items, width: width + 1 }
}

/// Kind, condition, and whether only rows without a partner are wanted (AMI's `LEFT ONLY JOIN`).
fn join_kind(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint, bool)> {
    let only = matches!(operator, JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) | JoinOperator::Anti(_));
    let (kind, constraint) = match operator {
        JoinOperator::LeftAnti(constraint) => (JoinKind::Left, constraint),
        JoinOperator::RightAnti(constraint) => (JoinKind::Right, constraint),
        JoinOperator::Anti(constraint) => (JoinKind::Full, constraint),
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) | JoinOperator::CrossJoin(constraint) => {
            (JoinKind::Inner, constraint)
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (JoinKind::Right, constraint),
        JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
        _ => return Err(SqlError::unsupported("this kind of join")),
    };
    Ok((kind, constraint, only))
}
