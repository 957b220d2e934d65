//! Views that can be written through: what a row of the view is in its base table (PG-169).
//!
//! A view over one table or one such view, without anything that would make its rows others than the table's, takes INSERT,
//! UPDATE and DELETE as the table would: columns stand for the table's, the view's condition chooses the rows, WITH CHECK
//! OPTION holds new rows to it. The table is what is written; triggers see its changes.

use std::sync::Arc;

use sqlparser::ast;

use super::super::scope::{Frame, Item, ItemColumn, ItemColumns, Name, attribute};
use super::super::{Binder, Clause, Level};
use crate::catalog::{CheckOption, Privilege, TableDef, ViewDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::plan::bind::from::Found;
use crate::types::Oid;

/// What is done to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan::bind) enum Write {
    Insert,
    Update,
    Delete,
}

/// A relation that is written through: its OID, who needs the privilege on it, and which column each column of the base
/// table is in it.
type Passed = (Oid, Option<Oid>, Vec<Option<usize>>);

/// A view as a target of writes.
pub(in crate::plan::bind) struct Through {
    view: Arc<ViewDef>,
    write: Write,
    /// The base table.
    pub(super) table: Arc<TableDef>,
    /// The view's columns, as values over the table's row.
    columns: Vec<ItemColumn>,
    /// The conditions of the view and of those below it, over the table's row.
    pub(super) filter: Vec<Expr>,
    /// Conditions that new rows must meet, innermost view first.
    checks: Vec<(Arc<str>, Expr)>,
    passed: Vec<Passed>,
    /// Defaults of the views' columns: the place in the table, the column's name in the view, and the text.
    defaults: Vec<(usize, String, String)>,
}

impl Through {
    /// The place in the table of the view's column with this name. Errors: 42703; 0A000 for one that is no column of the
    /// table.
    pub(super) fn place(&self, name: &Name<'_>) -> Result<usize> {
        let column = self.columns.iter().find(|column| name.matches(&column.name, false)).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{}\" of relation \"{}\" does not exist", name.folded, self.view.name),
            )
        })?;
        place_of(column).ok_or_else(|| self.fixed(&column.name))
    }

    /// 0A000 for a column that cannot be written.
    fn fixed(&self, column: &str) -> SqlError {
        let what = if self.write == Write::Insert { "insert into" } else { "update" };
        SqlError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("cannot {what} column \"{column}\" of view \"{}\"", self.view.name),
        )
        .detail("View columns that are not columns of their base relation are not updatable.")
    }

    /// The places that an INSERT without a list of columns fills, up to the first column that cannot be written, and why
    /// that cannot.
    pub(super) fn assignable(&self) -> (Vec<usize>, Option<SqlError>) {
        let places = self.columns.iter().map_while(place_of).collect::<Vec<_>>();
        let stop = self.columns.get(places.len()).map(|column| self.fixed(&column.name));
        (places, stop)
    }

    /// The view as an entry of FROM over the table's row.
    pub(super) fn item(&self, alias: Option<String>) -> Item {
        Item {
            schema: if alias.is_some() { None } else { Some(self.view.schema) },
            name: Some(alias.unwrap_or_else(|| self.view.name.clone())),
            relation: self.view.oid,
            row_type: self.view.row_type,
            columns: ItemColumns::List(self.columns.clone()),
            by_name: true,
            by_column: true,
            loose: false,
            row_id: None,
            nullable: false,
            mark: None,
            scalar: false,
        }
    }

    /// What the views' columns are when nothing is said, where the views have a word in it.
    pub(super) fn defaults(&self) -> &[(usize, String, String)] {
        &self.defaults
    }

    /// What WITH CHECK OPTION demands of new rows.
    pub(super) fn checks(&self) -> &[(Arc<str>, Expr)] {
        &self.checks
    }
}

fn place_of(column: &ItemColumn) -> Option<usize> {
    match column.expr {
        Expr::Column(place, _) => Some(place),
        _ => None,
    }
}

/// Why rows of a query are not those of one table; none if they may be.
fn reason(query: &ast::Query) -> Option<&'static str> {
    let ast::SetExpr::Select(select) = query.body.as_ref() else {
        return Some(match query.body.as_ref() {
            ast::SetExpr::SetOperation { .. } => {
                "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable."
            }
            _ => "Views that do not select from a single table or view are not automatically updatable.",
        });
    };
    let grouped = match &select.group_by {
        ast::GroupByExpr::All(_) => true,
        ast::GroupByExpr::Expressions(exprs, more) => !exprs.is_empty() || !more.is_empty(),
    };
    let single = match select.from.as_slice() {
        [only] => only.joins.is_empty() && matches!(only.relation, ast::TableFactor::Table { args: None, .. }),
        _ => false,
    };
    let sampled = matches!(select.from.as_slice(),
        [only] if matches!(only.relation, ast::TableFactor::Table { sample: Some(_), .. }));
    if select.distinct.is_some() {
        Some("Views containing DISTINCT are not automatically updatable.")
    } else if grouped {
        Some("Views containing GROUP BY are not automatically updatable.")
    } else if select.having.is_some() {
        Some("Views containing HAVING are not automatically updatable.")
    } else if query.with.is_some() {
        Some("Views containing WITH are not automatically updatable.")
    } else if query.limit_clause.is_some() || query.fetch.is_some() {
        Some("Views containing LIMIT or OFFSET are not automatically updatable.")
    } else if !single {
        Some("Views that do not select from a single table or view are not automatically updatable.")
    } else if sampled {
        Some("Views containing TABLESAMPLE are not automatically updatable.")
    } else {
        None
    }
}

/// 55000 for a view that cannot be written through.
fn refused(view: &str, write: Write, reason: &str) -> SqlError {
    let (what, doing, event) = match write {
        Write::Insert => ("insert into", "inserting into", "INSERT"),
        Write::Update => ("update", "updating", "UPDATE"),
        Write::Delete => ("delete from", "deleting from", "DELETE"),
    };
    SqlError::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("cannot {what} view \"{view}\""))
        .detail(reason)
        .hint(format!(
            "To enable {doing} the view, provide an INSTEAD OF {event} trigger or an unconditional ON {event} DO INSTEAD rule."
        ))
}

impl Binder<'_> {
    /// A view as a target of writes. Errors: 55000 for one that is not automatically updatable.
    pub(in crate::plan::bind) fn through(&mut self, view: &Arc<ViewDef>, write: Write) -> Result<Arc<Through>> {
        let made = self.resolve(view, write, false)?;
        if write != Write::Delete && !made.columns.iter().any(|column| place_of(column).is_some()) {
            let reason = "Views that have no updatable columns are not automatically updatable.";
            return Err(refused(&view.name, write, reason));
        }
        Ok(Arc::new(made))
    }

    /// The relation below a view, and which of its columns are columns of the table below. Errors: 55000.
    pub(in crate::plan::bind) fn written_columns(&mut self, view: &Arc<ViewDef>) -> Result<(Oid, Vec<bool>)> {
        let made = self.resolve(view, Write::Insert, false)?;
        // The view itself is the last one passed; before it comes what it is over.
        let below = made.passed.iter().rev().nth(1).map_or(made.table.id.0, |(relation, ..)| *relation);
        Ok((below, made.columns.iter().map(|column| place_of(column).is_some()).collect()))
    }

    fn resolve(&mut self, view: &Arc<ViewDef>, write: Write, cascaded: bool) -> Result<Through> {
        let query = crate::plan::bind::text::parse_query(&view.query)?;
        if let Some(reason) = reason(&query) {
            return Err(refused(&view.name, write, reason));
        }
        let ast::SetExpr::Select(select) = query.body.as_ref() else {
            return Err(SqlError::internal("a view that is no SELECT"));
        };
        let role = self.view_owner;
        let through = self.through.take();
        let made = self.in_view(view, |binder| {
            let from = select.from.first().map(|from| &from.relation);
            let Some(ast::TableFactor::Table { name, alias, .. }) = from else {
                return Err(SqlError::internal("a view without a table"));
            };
            let cascaded = cascaded || view.check_option == CheckOption::Cascaded;
            let renamed = alias.as_ref().map(|alias| binder.fold(&alias.name));
            let (mut below, mut item) = match binder.find_relation(name)? {
                Found::Table(table) if !table.is_materialized() => {
                    binder.touch(table.id, true);
                    let places = (0..table.columns.len()).map(Some).collect();
                    let below = Through {
                        view: view.clone(),
                        write,
                        columns: Vec::new(),
                        filter: Vec::new(),
                        checks: Vec::new(),
                        passed: vec![(table.id.0, binder.view_owner, places)],
                        defaults: Vec::new(),
                        table: table.clone(),
                    };
                    (below, binder.target_item(&table, renamed, 0))
                }
                Found::View(inner) => {
                    let below = binder.resolve(&inner, write, cascaded)?;
                    let item = below.item(renamed);
                    (below, item)
                }
                _ => {
                    let reason =
                        "Views that do not select from a single table or view are not automatically updatable.";
                    return Err(refused(&view.name, write, reason));
                }
            };
            if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty()) {
                item = binder.list_item(item.all(), Some(alias), None)?;
            }
            let width = below.table.columns.len();
            binder.frames.push(Frame { items: vec![item], width, hidden: false, uses: Vec::new() });
            binder.levels.push(Level::default());
            let bound = (|| {
                let (exprs, _) = binder.in_clause(Clause::Select, |binder| binder.result_list(&select.projection))?;
                let checked = cascaded || view.check_option != CheckOption::None;
                let mut conditions = Vec::new();
                // A condition is bound once for each place where it stands.
                for _ in 0..=usize::from(checked) {
                    if let Some(ast) = &select.selection {
                        conditions.push(binder.in_clause(Clause::Where, |b| b.condition(ast, "WHERE"))?);
                    }
                }
                Ok::<_, SqlError>((exprs, conditions))
            })();
            let level = binder.levels.pop().unwrap_or_default();
            binder.frames.pop();
            let (exprs, mut conditions) = bound?;
            let reason = if !level.aggregates.is_empty() {
                Some("Views that return aggregate functions are not automatically updatable.")
            } else if !level.windows.is_empty() {
                Some("Views that return window functions are not automatically updatable.")
            } else if !level.sets.is_empty() {
                Some("Views that return set-returning functions are not automatically updatable.")
            } else {
                None
            };
            if let Some(reason) = reason {
                return Err(refused(&view.name, write, reason));
            }
            if conditions.len() > 1
                && let Some(condition) = conditions.pop()
            {
                below.checks.push((Arc::from(view.name.as_str()), condition));
            }
            below.filter.append(&mut conditions);
            let columns = exprs.into_iter().zip(&view.columns).enumerate();
            below.columns = columns
                .map(|(place, (expr, own))| ItemColumn {
                    name: own.name.clone(),
                    expr,
                    origin: (view.oid, attribute(place)),
                })
                .collect();
            Ok(below)
        });
        self.through = through;
        let mut made = made?;
        made.view = view.clone();
        let mut places = vec![None; made.table.columns.len()];
        for (column, place) in made.columns.iter().map(place_of).enumerate() {
            if let Some(place) = place {
                places[place] = Some(column);
                if let Some(text) = view.columns.get(column).and_then(|own| own.default.clone()) {
                    made.defaults.retain(|(other, ..)| *other != place);
                    made.defaults.push((place, view.columns[column].name.clone(), text));
                }
            }
        }
        made.passed.push((view.oid, role, places));
        Ok(made)
    }

    /// Notes the privilege to write these columns of a table, and of each view that it is written through.
    pub(super) fn need_written(&mut self, table: &TableDef, privilege: Privilege, places: &[usize]) {
        let Some(through) = self.through.clone() else {
            let columns: Vec<i16> = places.iter().map(|place| attribute(*place)).collect();
            self.need_columns(table.id.0, privilege, &columns);
            return;
        };
        for (relation, role, own) in &through.passed {
            let own = |place: &usize| own.get(*place).copied().flatten().map(attribute);
            let columns: Vec<i16> = places.iter().filter_map(own).collect();
            self.need_as(*role, *relation, privilege, Some(&columns));
        }
    }

    /// Notes the privilege to delete rows of a table, and of each view that they are deleted through.
    pub(super) fn need_deleted(&mut self, table: &TableDef) {
        let Some(through) = self.through.clone() else { return self.need(table.id.0, Privilege::Delete) };
        for (relation, role, _) in &through.passed {
            self.need_as(*role, *relation, Privilege::Delete, None);
        }
    }
}
