//! What happens to Comdb2's triggers and consumers when a table that they watch is dropped, renamed or made anew (CDB-1202).
//!
//! They do not hold the table, as views do: a definition stays until it is dropped itself. It keeps a dropped table as it
//! was, since changes of it may still wait in the queue, and takes up a new table of that name. A renamed table it goes on
//! watching, under the name that it knows.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{Entry, Persistence, TableDef, TriggerDef, TriggerEvent};
use crate::error::Result;

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
}
