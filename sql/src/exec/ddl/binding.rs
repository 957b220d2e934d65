//! What DDL asks of the planner: types, columns of a query, whether stored texts can be bound; and the rewriting of rows
//! when a column's type changes or a new column must be computed for rows that are there.

use std::sync::Arc;

use sqlparser::ast;

use super::Ddl;
use super::dependency::Dependent;
use crate::catalog::{ConstraintKind, IndexDef, Privilege, TableDef, TableId, TableShape, TriggerId};
use crate::change::RowId;
use crate::error::{Result, SqlError, SqlState};
use crate::exec::planning::with_bind_context;
use crate::expr::{EvalContext, Expr, eval};
use crate::parse::parse_one;
use crate::plan::deparse::quote_name;
use crate::plan::{
    BindContext, Named, OutputColumn, bind_check, bind_default, bind_generated, bind_index_expr, bind_scalar,
    query_uses, resolve_type,
};
use crate::store::{ScanCursor, WriteOutcome};
use crate::types::{CastContext, DataType, DecimalFormat, Oid, Row, Value, cast, oid};

impl Ddl<'_> {
    pub(super) fn bind<T>(&self, work: impl FnOnce(&BindContext<'_>) -> Result<T>) -> Result<T> {
        with_bind_context(self.backend, work)
    }

    pub(super) fn resolve_type(&self, ty: &ast::DataType) -> Result<DataType> {
        self.bind(|context| resolve_type(context, ty)).or_else(|error| {
            let unread = [SqlState::UNDEFINED_OBJECT, SqlState::SYNTAX_ERROR].contains(&error.state());
            comdb2_type(ty).filter(|_| unread).ok_or(error)
        })
    }

    /// A type that the user makes something of. Errors: as `resolve_type`, 42501 without USAGE on it.
    pub(super) fn usable_type(&self, ty: &ast::DataType) -> Result<DataType> {
        let found = self.resolve_type(ty)?;
        if !self.backend.superuser.get()
            && let Some(entry) = self.catalog()?.guarded_type(found.oid)
            && !crate::exec::privilege::allows(&self.set(), self.user(), &entry, Privilege::Usage)
        {
            return Err(crate::exec::privilege::denied("type", entry.described().1));
        }
        Ok(found)
    }

    /// Schema-qualified, quoted name of a table.
    pub(super) fn qualified(&self, table: &TableDef) -> Result<String> {
        let schema = crate::system::schema_name(&*self.catalog()?, table.schema);
        let quote = crate::system::quote_identifier;
        Ok(format!("{}.{}", quote(&schema), quote(&table.name)))
    }

    pub(super) fn query_columns(&self, text: &str) -> Result<Vec<OutputColumn>> {
        Ok(self.query_shape(text)?.0)
    }

    /// Columns of a query, and the relations that it names.
    pub(super) fn query_shape(&self, text: &str) -> Result<(Vec<OutputColumn>, Vec<Oid>)> {
        let parsed = parse_one(text, &crate::exec::planning::parse_options(self.backend))?;
        let plan = self.bind(|context| crate::plan::plan(&parsed, context, &[]))?;
        if let Some(column) = plan.columns.iter().find(|column| matches!(column.ty.oid, crate::types::oid::RECORD)) {
            return Err(SqlError::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column \"{}\" has pseudo-type record", column.name),
            ));
        }
        let of_relation = |need: &crate::plan::Need| need.role.is_none() && need.privilege != Privilege::Execute;
        let mut relations: Vec<Oid> =
            plan.privileges.iter().filter(|need| of_relation(need)).map(|need| need.relation).collect();
        relations.sort_unstable();
        relations.dedup();
        Ok((plan.columns, relations))
    }

    /// Binds what a stored table says, so that a wrong text is refused when it is written.
    pub(super) fn check_expressions(&self, table: &Arc<TableDef>) -> Result<()> {
        for (_, column) in table.live_columns() {
            if let Some(text) = &column.default {
                self.bind(|context| bind_default(context, text, &column.name, column.ty))?;
            }
            if let Some(generated) = &column.generated {
                self.bind(|context| bind_generated(context, &generated.expr, table, &column.name, column.ty))?;
            }
        }
        for constraint in &table.constraints {
            if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                self.bind(|context| bind_check(context, expr, table))?;
            }
        }
        Ok(())
    }

    /// A generated column may not name another one, and takes no default.
    pub(super) fn check_generated(&self, table: &TableDef) -> Result<()> {
        for (place, column) in table.live_columns() {
            let Some(generated) = &column.generated else { continue };
            if column.default.is_some() {
                return Err(SqlError::syntax(format!(
                    "both default and generation expression specified for column \"{}\" of table \"{}\"",
                    column.name, table.name
                )));
            }
            let tree = crate::parse::parse_expr(&generated.expr)?;
            for named in super::constraint::named_columns(table, &tree) {
                if named == place || table.columns[named].generated.is_some() {
                    let name = &table.columns[named].name;
                    return Err(SqlError::new(
                        SqlState::INVALID_OBJECT_DEFINITION,
                        format!("cannot use generated column \"{name}\" in column generation expression"),
                    )
                    .detail("A generated column cannot reference another generated column."));
                }
            }
        }
        Ok(())
    }

    pub(super) fn bind_condition(&self, table: &Arc<TableDef>, text: &str) -> Result<()> {
        self.bind(|context| bind_index_expr(context, text, table, true)).map(|_| ())
    }

    pub(super) fn index_expression_type(&self, table: &TableDef, text: &str) -> Result<DataType> {
        let table = Arc::new(table.clone());
        Ok(self.bind(|context| bind_index_expr(context, text, &table, false))?.data_type())
    }

    /// The value of a default that is the same for every row; none if it must be computed for each.
    pub(super) fn constant_default(&self, table: &TableDef, text: &str, ty: DataType) -> Result<Option<Value>> {
        match self.bind(|context| bind_default(context, text, &table.name, ty))? {
            Expr::Const(value, _) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Views and materialized views that use a column, and those over them.
    pub(super) fn views_naming(&self, table: &TableDef, place: usize) -> Result<Vec<Dependent>> {
        let catalog = self.catalog()?;
        let column = quote_name(&table.columns[place].name);
        let attribute = i16::try_from(place + 1).unwrap_or_default();
        let uses = |query: &str, path: &[String]| {
            let found = self.under_path(Some(path), |context| query_uses(context, query));
            // One that cannot be bound as it is counts as a user.
            found.map_or(true, |found| {
                found.iter().any(|one| match &one.named {
                    Named::Column(relation, own) | Named::Merged(relation, own) => {
                        (*relation, *own) == (table.id.0, attribute)
                    }
                    Named::Star(columns) => columns.contains(&column),
                    _ => false,
                })
            })
        };
        let mut found: Vec<Oid> = Vec::new();
        let direct = catalog.views().filter(|view| view.depends_on.contains(&table.id.0));
        found.extend(direct.filter(|view| uses(&view.query, &view.search_path)).map(|view| view.oid));
        for other in catalog.tables() {
            if let TableShape::Materialized { query, search_path, depends_on, .. } = &other.shape
                && depends_on.contains(&table.id.0)
                && uses(query, search_path)
            {
                found.push(other.id.0);
            }
        }
        let mut all = found.clone();
        for view in found {
            all.extend(super::dependency::views_over(&catalog, view));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all.into_iter().map(Dependent::View).collect())
    }

    /// Changes a column's type: every row is rewritten through USING or the assignment cast; indexes are built anew.
    pub(super) fn change_type(
        &self,
        table: &Arc<TableDef>,
        place: usize,
        ty: DataType,
        using: Option<&ast::Expr>,
    ) -> Result<()> {
        let column = &table.columns[place];
        if column.generated.is_some() && using.is_some() {
            return Err(SqlError::new(
                SqlState::INVALID_TABLE_DEFINITION,
                "cannot specify USING when altering type of generated column",
            ));
        }
        let used = |text: &str| super::alter::names_column(Some(text), &column.name);
        let generated = table.live_columns().find(|(other, own)| {
            *other != place && own.generated.as_ref().is_some_and(|generated| used(&generated.expr))
        });
        if let Some((_, generated)) = generated {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "cannot alter type of a column used by a generated column",
            )
            .detail(format!("Column \"{}\" is used by generated column \"{}\".", column.name, generated.name)));
        }
        if let Some(dependent) = self.views_naming(table, place)?.first() {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "cannot alter type of a column used by a view or rule",
            )
            .detail(format!(
                "rule _RETURN on {} depends on column \"{}\"",
                self.describe(dependent)?,
                column.name
            )));
        }
        let transform = self.transform(table, place, ty, using)?;
        self.change_type_by(table, place, ty, transform)
    }

    /// As `change_type`, by AMI's rules: a cell that cannot be cast becomes null (AMI-43).
    pub(super) fn change_type_leniently(&self, table: &Arc<TableDef>, place: usize, ty: DataType) -> Result<()> {
        let input = Box::new(Expr::Column(place, table.columns[place].ty));
        self.change_type_by(table, place, ty, Some(Expr::Cast { input, to: ty, context: CastContext::Lenient }))
    }

    /// Gives every row's column the value of `transform`, or of the assignment cast to `ty`; indexes are built anew.
    pub(super) fn change_type_by(
        &self,
        table: &Arc<TableDef>,
        place: usize,
        ty: DataType,
        transform: Option<Expr>,
    ) -> Result<()> {
        let column = &table.columns[place];
        let (from, name) = (column.ty, column.name.clone());
        // The indexes that hold the column go while rows change, and are built anew from the new values.
        let touched = |index: &IndexDef| {
            index.keys.iter().any(|key| key.column == Some(place) || key.expr.is_some()) || index.predicate.is_some()
        };
        let (kept, rebuilt): (Vec<IndexDef>, Vec<IndexDef>) =
            table.indexes.iter().cloned().partition(|index| !touched(index));
        let mut bare = (**table).clone();
        bare.indexes = kept;
        let bare = self.put_table(bare)?;
        let mut changed = (*bare).clone();
        // The value of rows older than the column stays until they are rewritten.
        changed.columns[place].ty = ty;
        changed.schema_version += 1;
        self.keep_watched_column(table.id, &name, Some((place, from)), changed.schema_version)?;
        if let Some(text) = changed.columns[place].default.clone() {
            if self.bind(|context| bind_default(context, &text, &name, ty)).is_err() {
                return Err(SqlError::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "default for column \"{name}\" cannot be cast automatically to type {}",
                        crate::types::shown_type(ty)
                    ),
                ));
            }
        }
        let changed = self.put_table(changed)?;
        self.rewrite(&bare, &changed, |row, context| {
            let value = match &transform {
                Some(expr) => eval(expr, row, context)?,
                None => cast(row[place].clone(), from, ty, CastContext::Assignment, context.style)?,
            };
            let mut row = row.clone();
            row[place] = value;
            Ok(row)
        })?;
        let mut indexed = (*changed).clone();
        indexed.columns[place].missing = None;
        let mut renumbered = Vec::new();
        for mut index in rebuilt {
            for key in index.keys.iter_mut().filter(|key| key.column == Some(place)) {
                key.ty = ty;
            }
            // Entries are kept by OID: an index of other keys is another index.
            let fresh = self.allocate_oid();
            renumbered.push((index.oid, fresh));
            index.oid = fresh;
            indexed.indexes.push(index);
        }
        renumber_constraints(&mut indexed, table.id, &renumbered);
        let indexed = self.put_table(indexed)?;
        let catalog = self.catalog()?;
        for (child, _) in catalog.referencing(table.id).iter().filter(|(child, _)| *child != table.id.0) {
            if let Some(child) = catalog.table(TableId(*child)) {
                let mut child = (**child).clone();
                renumber_constraints(&mut child, table.id, &renumbered);
                self.put_table(child)?;
            }
        }
        self.check_expressions(&indexed)?;
        self.validate(indexed.id, 0)
    }

    /// The expression that gives the new values; none: the assignment cast.
    fn transform(
        &self,
        table: &TableDef,
        place: usize,
        ty: DataType,
        using: Option<&ast::Expr>,
    ) -> Result<Option<Expr>> {
        let column = &table.columns[place];
        let Some(using) = using else {
            let known = crate::types::find_cast(column.ty.oid, ty.oid, CastContext::Assignment);
            if known.is_some() || column.ty.oid == ty.oid {
                return Ok(None);
            }
            let name = crate::types::shown_type(ty);
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("column \"{}\" cannot be cast automatically to type {name}", column.name),
            )
            .hint(format!(
                "You might need to specify \"USING {}::{name}\".",
                crate::system::quote_identifier(&column.name)
            )));
        };
        let columns: Vec<(String, DataType)> =
            table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
        let bound = self.bind(|context| bind_scalar(context, using, &columns, None))?;
        let from = bound.data_type();
        if crate::types::find_cast(from.oid, ty.oid, CastContext::Assignment).is_none() && from.oid != ty.oid {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "result of USING clause for column \"{}\" cannot be cast automatically to type {}",
                    column.name,
                    crate::types::shown_type(ty)
                ),
            ));
        }
        Ok(Some(Expr::Cast { input: Box::new(bound), to: ty, context: CastContext::Assignment }))
    }

    /// Computes a new column for the rows that are there: a default with a changing value, nextval, a generated column.
    pub(super) fn fill_column(&self, table: &TableDef, place: usize) -> Result<()> {
        let table = Arc::new(table.clone());
        let target = self.backend.write_target(&table)?;
        let generated = target.generated.iter().find(|(own, _)| *own == place).map(|(_, expr)| expr.clone());
        let value = generated.or_else(|| target.defaults.get(place).cloned().flatten());
        let Some(expr) = value else { return Ok(()) };
        self.rewrite(&table, &table, |row, context| {
            let mut row = row.clone();
            row[place] = eval(&expr, &row, context)?;
            Ok(row)
        })
    }

    /// Rewrites every row of a table; no trigger fires and readers of the log see the writer `TriggerId::DDL`.
    fn rewrite(
        &self,
        before: &Arc<TableDef>,
        after: &Arc<TableDef>,
        change: impl Fn(&Row, &EvalContext<'_>) -> Result<Row>,
    ) -> Result<()> {
        let snapshot = self.backend.begin_statement(true)?;
        let writer = self.backend.with_txn(|txn| Ok(txn.set_writer(TriggerId::DDL)))?;
        let result = crate::exec::with_eval_context(self.backend, snapshot, self.depth, |context| {
            let mut cursor = ScanCursor::default();
            let mut batch: Vec<(RowId, Row)> = Vec::new();
            loop {
                batch.clear();
                let more =
                    self.backend.with_txn(|txn| txn.scan_batch(before.id, &snapshot, &mut cursor, &mut batch))?;
                for (row_id, row) in &batch {
                    let new = change(row, context)?;
                    let outcome = self.backend.with_txn(|txn| txn.update(after, *row_id, row, &new, &snapshot))?;
                    if !matches!(outcome, WriteOutcome::Done) {
                        return Err(SqlError::internal("a row changed under an exclusive table lock"));
                    }
                }
                self.backend.check_cancel()?;
                if !more {
                    return Ok(());
                }
            }
        });
        self.backend.with_txn(|txn| Ok(txn.set_writer(writer)))?;
        self.backend.end_statement(snapshot);
        result
    }
}

/// Points constraints at the new OIDs of indexes of `parent`.
fn renumber_constraints(table: &mut TableDef, parent: TableId, renumbered: &[(Oid, Oid)]) {
    let own = table.id == parent;
    for constraint in &mut table.constraints {
        let index = match &mut constraint.kind {
            ConstraintKind::PrimaryKey { index }
            | ConstraintKind::Unique { index }
            | ConstraintKind::Exclude { index, .. }
                if own =>
            {
                index
            }
            ConstraintKind::ForeignKey(key) if key.parent == parent => &mut key.parent_index,
            _ => continue,
        };
        if let Some((_, fresh)) = renumbered.iter().find(|(old, _)| old == index) {
            *index = *fresh;
        }
    }
}

/// A column type that only Comdb2 has, as the type that stores it (CDB-401). PostgreSQL's own names come before it.
fn comdb2_type(ty: &ast::DataType) -> Option<DataType> {
    let text = ty.to_string().to_ascii_lowercase();
    let (name, size) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')').trim().parse::<i32>().ok()?)),
        None => (text.as_str(), None),
    };
    Some(match (name, size) {
        ("cstring", Some(size @ 1..=10_485_760)) => DataType::with_typmod(oid::VARCHAR, size + 4),
        ("vutf8", _) => DataType::TEXT,
        ("blob", _) => DataType::BYTEA,
        ("datetime", None) => DataType::with_typmod(oid::TIMESTAMPTZ, 3),
        ("datetimeus", None) => DataType::with_typmod(oid::TIMESTAMPTZ, 6),
        ("short", None) => DataType::INT2,
        ("longlong" | "largeint", None) => DataType::INT8,
        ("smallfloat", None) => DataType::FLOAT4,
        ("double", None) => DataType::FLOAT8,
        ("byte", Some(1..)) => DataType::BYTEA,
        ("u_short", None) => DataType::INT4,
        ("u_int", None) => DataType::INT8,
        ("u_longlong", None) => DataType::with_typmod(oid::NUMERIC, (20 << 16) + 4),
        ("intervalym", None) => DataType::with_typmod(oid::INTERVAL, YEAR_TO_MONTH << 16 | 0xFFFF),
        ("intervalds", None) => DataType::with_typmod(oid::INTERVAL, DAY_TO_SECOND << 16 | 3),
        ("intervaldsus", None) => DataType::with_typmod(oid::INTERVAL, DAY_TO_SECOND << 16 | 6),
        (name, None) => return DecimalFormat::type_named(name),
        _ => return None,
    })
}

/// Fields of an interval in its type modifier: YEAR and MONTH; DAY, HOUR, MINUTE and SECOND.
const YEAR_TO_MONTH: i32 = 6;
const DAY_TO_SECOND: i32 = 7176;

/// What values of a Comdb2 column must hold beside its stored type (CDB-401, CDB-402), as the text of a CHECK; by it
/// `comdb2_columns` knows the type again.
pub(super) fn comdb2_check(ty: &ast::DataType, column: &str) -> Option<String> {
    let text = ty.to_string().to_ascii_lowercase();
    let name = crate::system::quote_identifier(column);
    let sized = |name: &str| text.strip_prefix(name)?.trim_end_matches(')').trim().parse::<u32>().ok();
    if let Some(size) = sized("cstring(") {
        // Its type counts characters.
        return Some(format!("octet_length({name}) <= {size}"));
    }
    Some(match text.as_str() {
        "u_short" => format!("{name} BETWEEN 0 AND 65535"),
        "u_int" => format!("{name} BETWEEN 0 AND 4294967295"),
        "u_longlong" => format!("{name} BETWEEN 0 AND 18446744073709551615"),
        _ => format!("octet_length({name}) = {}", sized("byte(")?),
    })
}
