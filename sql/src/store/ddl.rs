//! What a change of the catalog does to tables in memory.
//!
//! A transaction changes its own copy of the catalog and at once makes what the change needs: heaps of new tables, and
//! indexes built from the rows that are there. Rolling back undoes it. What goes away goes at commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::{Catalog, CatalogChange, Entry, EntryKey, IndexDef, TableDef, TableId};
use crate::change::RowId;
use crate::env::Pace;
use crate::error::{Result, SqlError, SqlState};
use crate::types::Oid;

use super::heap::{CHUNK, Version};
use super::index::{IndexStore, Key};
use super::outcome::{Snapshot, TableLockMode, WaitPolicy};
use super::store::{Inner, is_permanent};
use super::table::{Parts, Shape, TableStore};
use super::txn::{Physical, Txn};

impl Txn {
    /// Changes the catalog for this transaction, and with its commit for all. It waits for the DDL lock. An index keeps
    /// its entries as long as it keeps its OID, so a changed key needs a new one.
    /// Errors: 23505 when a new unique index finds duplicates, those of index expressions and of a wait.
    pub fn change_catalog(&mut self, change: CatalogChange) -> Result<()> {
        self.lock_catalog()?;
        self.wrote = true;
        let mut set = (*self.set).clone();
        set.apply(change.clone());
        set.version = self.inner.new_version();
        let database = match &change {
            CatalogChange::Put { database, .. } | CatalogChange::Remove { database, .. } => *database,
            CatalogChange::NextOid(_) => 0,
        };
        let catalog = set.database(database).cloned().unwrap_or_default();
        match &change {
            CatalogChange::Put { entry: Entry::Table(def), .. } => self.put_table(&catalog, def)?,
            CatalogChange::Remove { key: EntryKey::Table(oid), .. } => {
                self.physical.push(Physical::Drop(TableId(*oid)))
            }
            CatalogChange::Remove { key: EntryKey::Sequence(oid), .. } => {
                self.physical.push(Physical::DropSequence(*oid))
            }
            CatalogChange::Remove { key: EntryKey::Database(oid), .. } => {
                let tables: Vec<_> = self.set.database(*oid).into_iter().flat_map(|catalog| catalog.tables()).collect();
                self.physical.extend(tables.into_iter().map(|def| Physical::Drop(def.id)));
            }
            _ => {}
        }
        if is_permanent(&change) {
            self.record.catalog(&change)?;
        }
        self.replace_catalog(set);
        Ok(())
    }

    fn put_table(&mut self, catalog: &Catalog, def: &TableDef) -> Result<()> {
        let known = self.inner.tables.read().get(&def.id).cloned();
        let Some(store) = known else {
            let store = Arc::new(new_table(&self.inner, catalog, def)?);
            self.inner.tables.write().insert(def.id, store);
            self.physical.push(Physical::Created(def.id));
            return Ok(());
        };
        let before = store.parts();
        let missing: Vec<&IndexDef> =
            def.indexes.iter().filter(|index| !before.indexes.iter().any(|known| known.oid == index.oid)).collect();
        let shape = Arc::new(Shape::new(def)?);
        let mut indexes: Vec<_> = before.indexes.to_vec();
        if !missing.is_empty() {
            self.lock_table(def.id, TableLockMode::Share, WaitPolicy::Wait)?;
            for index in missing {
                let index = IndexStore::new(catalog, def, index, self.inner.extractors.as_ref())?;
                self.build(&store, &shape, def, &index)?;
                indexes.push(Arc::new(index));
            }
        }
        if before.indexes.iter().any(|known| !def.indexes.iter().any(|index| index.oid == known.oid)) {
            let keep: Vec<Oid> = def.indexes.iter().map(|index| index.oid).collect();
            self.physical.push(Physical::KeepIndexes(store.clone(), keep));
        }
        store.set_parts(Parts { indexes: Arc::new(indexes), shape });
        self.physical.push(Physical::Changed(store, before));
        Ok(())
    }

    /// Fills a new index from all versions there are. Errors: 23505.
    fn build(&mut self, store: &TableStore, shape: &Shape, def: &TableDef, index: &IndexStore) -> Result<()> {
        let snapshot = Snapshot { commit: self.inner.log.newest(), command: u32::MAX };
        let mut entries = Vec::new();
        let mut live: HashMap<Key, RowId> = HashMap::new();
        let (mut pace, total) = (Pace::new(&self.inner.env), store.rows.load(Ordering::Relaxed));
        for chunk in store.heap.first_chunk()..store.heap.chunks() {
            let Some(guard) = store.heap.read(RowId(chunk * CHUNK)) else { continue };
            let Some(slots) = guard.as_ref() else { continue };
            if pace.due() {
                tracing::info!(index = %index.name, rows = entries.len(), total, "building an index");
            }
            for (row, slot) in (chunk * CHUNK..).zip(slots.versions.iter()) {
                let mut seen = 0;
                let current = self.view(&snapshot).find(slot, &mut seen);
                let from = entries.len();
                for data in slot.chain().filter_map(|version: &Version| version.data.as_deref()) {
                    let values = shape.decode(data)?;
                    let is_current = current.is_some_and(|current| std::ptr::eq(current, data));
                    let (key, free) = match index.key(&values) {
                        Ok(Some(found)) => found,
                        Ok(None) => continue,
                        // A version from before the column had its type of now: nobody looks it up here.
                        Err(_) if !is_current => continue,
                        Err(error) => return Err(error),
                    };
                    if index.unique && !free && is_current && live.insert(key.clone(), RowId(row)).is_some() {
                        let message = format!("could not create unique index \"{}\"", index.name);
                        let mut error = SqlError::new(SqlState::UNIQUE_VIOLATION, message).constraint(&index.name);
                        if let Some(key) = index.describe(def, &values) {
                            error = error.detail(format!("{key} is duplicated."));
                        }
                        return Err(error);
                    }
                    if !entries[from..].iter().any(|(other, _)| *other == key) {
                        entries.push((key, row));
                    }
                }
            }
        }
        index.build(entries);
        Ok(())
    }
}

/// A table without rows.
pub(super) fn new_table(inner: &Inner, catalog: &Catalog, def: &TableDef) -> Result<TableStore> {
    let indexes =
        def.indexes.iter().map(|index| IndexStore::new(catalog, def, index, inner.extractors.as_ref()).map(Arc::new));
    let parts = Parts { indexes: Arc::new(indexes.collect::<Result<_>>()?), shape: Arc::new(Shape::new(def)?) };
    Ok(TableStore::new(def.id, def.persistence, parts))
}
