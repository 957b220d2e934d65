//! Catalog changes: what a transaction did to the catalog, as entries of its commit record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::database::{DatabaseDef, SchemaDef};
use super::function::FunctionDef;
use super::role::RoleDef;
use super::sequence::SequenceDef;
use super::table::TableDef;
use super::trigger::TriggerDef;
use super::types::TypeDef;
use super::view::ViewDef;
use crate::types::Oid;

/// A definition of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants name their definition")]
pub enum Entry {
    Role(Arc<RoleDef>),
    Database(Arc<DatabaseDef>),
    Schema(Arc<SchemaDef>),
    Table(Arc<TableDef>),
    View(Arc<ViewDef>),
    Sequence(Arc<SequenceDef>),
    Trigger(Arc<TriggerDef>),
    Function(Arc<FunctionDef>),
    Type(Arc<TypeDef>),
}

/// Names a definition: its kind and OID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants name their definition")]
pub enum EntryKey {
    Role(Oid),
    Database(Oid),
    Schema(Oid),
    Table(Oid),
    View(Oid),
    Sequence(Oid),
    Trigger(Oid),
    Function(Oid),
    Type(Oid),
}

/// One change of the catalog of one database (0: shared by all, for roles and databases).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CatalogChange {
    /// Creates the definition or replaces the one with its OID.
    Put {
        /// OID of the database.
        database: Oid,
        /// The definition.
        entry: Entry,
    },
    /// Removes it.
    Remove {
        /// OID of the database.
        database: Oid,
        /// Which.
        key: EntryKey,
    },
    /// The next OID to give out is at least this.
    NextOid(Oid),
}

impl Entry {
    /// The key it is found by.
    #[must_use]
    pub fn key(&self) -> EntryKey {
        match self {
            Entry::Role(def) => EntryKey::Role(def.oid),
            Entry::Database(def) => EntryKey::Database(def.oid),
            Entry::Schema(def) => EntryKey::Schema(def.oid),
            Entry::Table(def) => EntryKey::Table(def.id.0),
            Entry::View(def) => EntryKey::View(def.oid),
            Entry::Sequence(def) => EntryKey::Sequence(def.oid),
            Entry::Trigger(def) => EntryKey::Trigger(def.id.0),
            Entry::Function(def) => EntryKey::Function(def.oid),
            Entry::Type(def) => EntryKey::Type(def.oid),
        }
    }
}
