//! TRUNCATE.
//!
//! A table with triggers is emptied row by row, as DELETE would (AMI-49); one without is emptied at once, and so is one
//! that only Comdb2's queues watch, for which TRUNCATE is no event (CDB-611).

use std::sync::Arc;

use super::Ddl;
use super::watch::outlives_table;
use crate::catalog::{Relation, TableDef, TriggerId};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::ObjectName;

impl Ddl<'_> {
    pub(super) fn truncate(&self, names: &[ObjectName], restart_identity: bool, cascade: bool) -> Result<String> {
        let mut tables: Vec<Arc<TableDef>> = Vec::new();
        for name in names {
            let table = self.table(name)?;
            super::super::privilege::require(self.backend, table.id.0, crate::catalog::Privilege::Truncate)?;
            if !tables.iter().any(|other| other.id == table.id) {
                tables.push(table);
            }
        }
        self.follow_references(&mut tables, cascade)?;
        for table in &tables {
            self.lock(table)?;
            self.truncate_one(table)?;
            if restart_identity {
                self.restart_sequences(table)?;
            }
        }
        Ok("TRUNCATE TABLE".to_owned())
    }

    /// Adds tables that refer to those of the list (CASCADE), or refuses (0A000).
    fn follow_references(&self, tables: &mut Vec<Arc<TableDef>>, cascade: bool) -> Result<()> {
        let catalog = self.catalog()?;
        let mut at = 0;
        while at < tables.len() {
            for (child, _) in catalog.referencing(tables[at].id) {
                if tables.iter().any(|table| table.id.0 == *child) {
                    continue;
                }
                let Some(Relation::Table(def)) = catalog.relation_by_oid(*child) else { continue };
                if !cascade {
                    return Err(SqlError::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        "cannot truncate a table referenced in a foreign key constraint",
                    )
                    .detail(format!("Table \"{}\" references \"{}\".", def.name, tables[at].name))
                    .hint(format!("Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.", def.name)));
                }
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("truncate cascades to table \"{}\"", def.name));
                tables.push(def);
            }
            at += 1;
        }
        Ok(())
    }

    fn truncate_one(&self, table: &Arc<TableDef>) -> Result<()> {
        let catalog = self.catalog()?;
        let looks = catalog.triggers_of(table.id).iter().any(|def| !outlives_table(def));
        if table.maintained_by != 0 {
            return self.query(&format!("DELETE FROM {}", self.qualified(table)?), &[]).map(|_| ());
        }
        if looks {
            // To the queues that clients and procedures read it is no event (CDB-611).
            let text = format!("DELETE FROM {}", self.qualified(table)?);
            return self.with_context(|context| {
                let before = context.set_writer(TriggerId::TRUNCATE);
                let result = context.query(&text, &[]);
                context.set_writer(before);
                result.map(|_| ())
            });
        }
        self.backend.with_txn(|txn| {
            let before = txn.set_writer(TriggerId::TRUNCATE);
            let result = txn.truncate(table);
            txn.set_writer(before);
            result.map(|_| ())
        })
    }

    fn restart_sequences(&self, table: &TableDef) -> Result<()> {
        let catalog = self.catalog()?;
        let owned = catalog.sequences().filter(|def| def.owned_by.is_some_and(|(owner, _)| owner == table.id));
        for def in owned {
            self.backend.shared.store.set_value(def.oid, def, def.start, false)?;
        }
        Ok(())
    }
}
