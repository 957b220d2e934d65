//! What happens to Comdb2's triggers and consumers when a table that they watch is dropped, renamed, altered or made anew
//! (CDB-503, CDB-1202).
//!
//! They do not hold the table, as views do: a definition stays until it is dropped itself. It keeps a dropped table as it
//! was, since changes of it may still wait in the queue, and takes up a new table of that name. A renamed table it goes on
//! watching, under the name that it knows.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{Entry, FormerColumn, Persistence, TableDef, TableId, TriggerDef, TriggerEvent};
use crate::error::Result;
use crate::types::DataType;

/// Whether a trigger stays when its table goes.
pub(super) fn outlives_table(def: &TriggerDef) -> bool {
    def.dialect == "comdb2"
}

impl Ddl<'_> {
    /// Before a table is removed.
    pub(super) fn stop_watching(&self, table: &TableDef) -> Result<()> {
        let catalog = self.catalog()?;
        for def in catalog.triggers_of(table.id).iter().filter(|def| outlives_table(def)) {
            let mut gone = table.clone();
            if let Some(name) = catalog.watched_name(def, table.id) {
                name.clone_into(&mut gone.name);
            }
            let mut changed = (**def).clone();
            changed.tables.retain(|id| *id != table.id);
            changed.names.retain(|(id, _)| *id != table.id);
            changed.gone.push(gone);
            self.put(Entry::Trigger(Arc::new(changed)))?;
        }
        Ok(())
    }

    /// A table was made: whoever watched the last one of that name watches it, with the columns of the definition.
    pub(super) fn watch_again(&self, table: &TableDef) -> Result<()> {
        if table.hidden || table.persistence == Persistence::Temporary {
            return Ok(());
        }
        let catalog = self.catalog()?;
        for def in catalog.triggers().filter(|def| outlives_table(def) && !def.gone.is_empty()) {
            let watches = def.tables.iter().any(|id| catalog.watched_name(def, *id) == Some(&table.name));
            let last = def.gone.iter().rev().find(|gone| gone.schema == table.schema && gone.name == table.name);
            let event = last.and_then(|gone| def.events.iter().find(|event| event.table == gone.id));
            if let Some(event) = event.filter(|_| !watches) {
                let mut changed = (**def).clone();
                changed.tables.push(table.id);
                changed.events.push(TriggerEvent { table: table.id, ..event.clone() });
                self.put(Entry::Trigger(Arc::new(changed)))?;
            }
        }
        Ok(())
    }

    /// A table was renamed: definitions keep the name that they have.
    pub(super) fn keep_watched_name(&self, before: &TableDef) -> Result<()> {
        let catalog = self.catalog()?;
        for def in catalog.triggers_of(before.id).iter().filter(|def| outlives_table(def)) {
            if !def.names.iter().any(|(id, _)| *id == before.id) {
                let mut changed = (**def).clone();
                changed.names.push((before.id, before.name.clone()));
                self.put(Entry::Trigger(Arc::new(changed)))?;
            }
        }
        Ok(())
    }

    /// A column was renamed: it is the same column, in what waits too, and its former name still leads to it (CDB-503).
    pub(super) fn rename_watched(&self, table: &TableDef, from: &str, to: &str) -> Result<()> {
        let catalog = self.catalog()?;
        for def in catalog.triggers_of(table.id).iter().filter(|def| outlives_table(def)) {
            let mut changed = (**def).clone();
            let mut listed = false;
            for event in changed.events.iter_mut().filter(|event| event.table == table.id) {
                for columns in [&mut event.insert, &mut event.update, &mut event.delete].into_iter().flatten() {
                    for name in columns.iter_mut().filter(|name| *name == from) {
                        to.clone_into(name);
                        listed = true;
                    }
                }
            }
            if !listed {
                continue;
            }
            for column in changed.former.columns.iter_mut().filter(|column| column.table == table.id) {
                if column.name == from {
                    to.clone_into(&mut column.name);
                }
            }
            let names = &mut changed.former.names;
            for (_, _, now) in names.iter_mut().filter(|(id, _, now)| *id == table.id && now == from) {
                to.clone_into(now);
            }
            // A name that a column has now is no former one.
            names.retain(|(id, was, _)| *id != table.id || (was != from && was != to));
            names.push((table.id, from.to_owned(), to.to_owned()));
            self.put(Entry::Trigger(Arc::new(changed)))?;
        }
        Ok(())
    }

    /// A column is dropped, added, or gets another type, from a version of its table on: changes from before keep what they
    /// have (CDB-1201). Before a column was added there `was` none.
    pub(super) fn keep_watched_column(
        &self,
        table: TableId,
        name: &str,
        was: Option<(usize, DataType)>,
        until: u32,
    ) -> Result<()> {
        let catalog = self.catalog()?;
        for def in catalog.triggers_of(table).iter().filter(|def| outlives_table(def)) {
            let mut events = def.events.iter().filter(|event| event.table == table);
            let listed = events.any(|event| {
                [&event.insert, &event.update, &event.delete]
                    .into_iter()
                    .flatten()
                    .flatten()
                    .any(|column| column == name)
            });
            if listed {
                let mut changed = (**def).clone();
                changed.former.columns.push(FormerColumn { table, name: name.to_owned(), was, until });
                self.put(Entry::Trigger(Arc::new(changed)))?;
            }
        }
        Ok(())
    }
}
