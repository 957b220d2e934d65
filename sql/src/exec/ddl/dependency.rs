//! What depends on what: views on tables, foreign keys on parents, triggers on their tables, sequences on columns.
//!
//! `Dependents` is computed from the definitions; nothing is stored twice.

use std::sync::Arc;

use super::Ddl;
use super::watch::outlives_table;
use crate::catalog::{Catalog, EntryKey, TableDef, TableId, TableShape, TriggerDef};
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::plan::deparse::name_types;
use crate::types::Oid;

/// Something that would lose what it stands on.
#[derive(Clone, Debug)]
pub(super) enum Dependent {
    View(Oid),
    /// Table and name of the constraint.
    ForeignKey(TableId, String),
    Trigger(Oid),
    /// Table and place of the column whose default calls the sequence.
    Default(TableId, usize),
    /// Table and place of a column of a type.
    Column(TableId, usize),
    /// A domain over a type.
    Type(Oid),
}

/// Kinds whose triggers go silently with their only table (AMI-47); the others hold it (AMI-48).
fn goes_with_table(def: &TriggerDef, table: TableId) -> bool {
    matches!(def.kind.as_str(), "amiscript" | "relay") && def.tables.iter().all(|other| *other == table)
}

/// Views and materialised views over a relation, and those over them, in the order found.
pub(super) fn views_over(catalog: &Catalog, relation: Oid) -> Vec<Oid> {
    let mut found: Vec<Oid> = Vec::new();
    let mut open = vec![relation];
    while let Some(next) = open.pop() {
        let mut above: Vec<Oid> = catalog
            .views()
            .filter(|view| view.depends_on.contains(&next) && !found.contains(&view.oid))
            .map(|view| view.oid)
            .collect();
        above.extend(
            catalog
                .tables()
                .filter(|table| {
                    let reads = matches!(&table.shape, TableShape::Materialized { depends_on, .. } if depends_on.contains(&next));
                    reads && !found.contains(&table.id.0)
                })
                .map(|table| table.id.0),
        );
        above.sort_unstable();
        found.extend(&above);
        open.extend(above);
    }
    found
}

/// Whether a view or materialized view names a relation itself.
fn reads(catalog: &Catalog, view: Oid, relation: Oid) -> bool {
    if let Some(def) = catalog.view(view) {
        return def.depends_on.contains(&relation);
    }
    let shape = catalog.table(TableId(view)).map(|def| &def.shape);
    matches!(shape, Some(TableShape::Materialized { depends_on, .. }) if depends_on.contains(&relation))
}

/// What depends on a table.
pub(super) fn of_table(catalog: &Catalog, table: &TableDef) -> Vec<Dependent> {
    let mut found: Vec<Dependent> = Vec::new();
    for (child, place) in catalog.referencing(table.id) {
        if *child != table.id.0 {
            let name =
                catalog.table(TableId(*child)).and_then(|def| def.constraints.get(*place)).map(|c| c.name.clone());
            found.extend(name.map(|name| Dependent::ForeignKey(TableId(*child), name)));
        }
    }
    found.extend(views_over(catalog, table.id.0).into_iter().map(Dependent::View));
    let holds = |def: &&Arc<TriggerDef>| !goes_with_table(def, table.id) && !outlives_table(def);
    let triggers = catalog.triggers_of(table.id).iter().filter(holds);
    found.extend(triggers.map(|def| Dependent::Trigger(def.id.0)));
    found
}

/// Triggers that go with the table without a word.
pub(super) fn silent_triggers(catalog: &Catalog, table: TableId) -> Vec<Oid> {
    catalog.triggers_of(table).iter().filter(|def| goes_with_table(def, table)).map(|def| def.id.0).collect()
}

impl Ddl<'_> {
    /// How messages name a dependent object.
    pub(super) fn describe(&self, dependent: &Dependent) -> Result<String> {
        let catalog = self.catalog()?;
        let table_name = |id: TableId| catalog.table(id).map(|def| def.name.clone()).unwrap_or_default();
        Ok(match dependent {
            Dependent::View(oid) => match (catalog.view(*oid), catalog.table(TableId(*oid))) {
                (Some(view), _) => format!("view {}", view.name),
                (None, Some(table)) => format!("materialized view {}", table.name),
                (None, None) => String::new(),
            },
            Dependent::ForeignKey(table, name) => format!("constraint {name} on table {}", table_name(*table)),
            Dependent::Trigger(oid) => {
                let def = catalog.trigger(crate::catalog::TriggerId(*oid));
                format!("trigger {}", def.map(|def| def.name.clone()).unwrap_or_default())
            }
            Dependent::Default(table, place) => {
                let column = catalog.table(*table).map(|def| def.columns[*place].name.clone()).unwrap_or_default();
                format!("default value for column {column} of table {}", table_name(*table))
            }
            Dependent::Column(table, place) => {
                let def = catalog.table(*table);
                let column = def.map(|def| def.columns[*place].name.clone()).unwrap_or_default();
                let kind = match def.map(|def| &def.shape) {
                    Some(TableShape::Composite) => "composite type",
                    Some(TableShape::Materialized { .. }) => "materialized view",
                    _ => "table",
                };
                format!("column {column} of {kind} {}", table_name(*table))
            }
            Dependent::Type(oid) => format!("type {}", self.type_shown(*oid)?),
        })
    }

    /// Drops what depends on `what` with notices (CASCADE), or refuses with 2BP01 and the list (PG-168).
    pub(super) fn settle(&self, what: &str, dependents: &[Dependent], cascade: bool) -> Result<()> {
        if dependents.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = dependents.iter().map(|dependent| self.describe(dependent)).collect::<Result<_>>()?;
        if !cascade {
            let catalog = self.catalog()?;
            let mut lines = Vec::with_capacity(names.len());
            for (dependent, name) in dependents.iter().zip(&names) {
                // A view over a view depends on that one.
                let below = dependents.iter().find(|other| match (dependent, other) {
                    (Dependent::View(own), Dependent::View(other)) => reads(&catalog, *own, *other),
                    _ => false,
                });
                match below {
                    Some(below) => lines.push(format!("{name} depends on {}", self.describe(below)?)),
                    None => lines.push(format!("{name} depends on {what}")),
                }
            }
            return Err(SqlError::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop {what} because other objects depend on it"),
            )
            .detail(lines.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.say_cascade(&names);
        for dependent in dependents {
            self.drop_dependent(dependent)?;
        }
        Ok(())
    }

    /// Tells what CASCADE takes along.
    pub(super) fn say_cascade(&self, names: &[String]) {
        let notice = |text: String| SqlError::notice(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, text);
        let said = match names {
            [] => return,
            [only] => notice(format!("drop cascades to {only}")),
            many => {
                let lines: Vec<String> = many.iter().map(|name| format!("drop cascades to {name}")).collect();
                notice(format!("drop cascades to {} other objects", many.len())).detail(lines.join("\n"))
            }
        };
        self.backend.notice(match self.catalog() {
            Ok(catalog) => name_types(said, &catalog, &self.searched()),
            Err(_) => said,
        });
    }

    /// Drops one thing without a word.
    pub(super) fn drop_dependent(&self, dependent: &Dependent) -> Result<()> {
        let catalog = self.catalog()?;
        match dependent {
            Dependent::View(oid) => match catalog.table(TableId(*oid)).cloned() {
                Some(table) => self.drop_table(&table),
                None => self.remove(EntryKey::View(*oid)),
            },
            Dependent::ForeignKey(table, name) => {
                let Some(def) = catalog.table(*table) else { return Ok(()) };
                let mut changed = (**def).clone();
                changed.constraints.retain(|constraint| constraint.name != *name);
                self.put_table(changed).map(|_| ())
            }
            Dependent::Trigger(oid) => match catalog.trigger(crate::catalog::TriggerId(*oid)).cloned() {
                Some(def) => self.drop_trigger(&def),
                None => Ok(()),
            },
            Dependent::Default(table, place) => {
                let Some(def) = catalog.table(*table) else { return Ok(()) };
                let mut changed = (**def).clone();
                (changed.columns[*place].default, changed.columns[*place].sequence) = (None, None);
                self.put_table(changed).map(|_| ())
            }
            Dependent::Column(table, place) => {
                let Some(def) = catalog.table(*table).cloned() else { return Ok(()) };
                // One made of another goes with it.
                if def.columns[*place].dropped {
                    return Ok(());
                }
                let name = def.columns[*place].name.clone();
                self.drop_column(&def, &name, true, true)
            }
            Dependent::Type(oid) => match catalog.user_type(*oid) {
                Some(def) => {
                    let schema = crate::system::schema_name(&catalog, def.schema);
                    let name = crate::parse::ObjectName { parts: vec![schema, def.name.clone()], offset: 0 };
                    self.drop_types(&[name], true, true, false)
                }
                None => Ok(()),
            },
        }
    }
}
