//! `Catalog`: one database's definitions with the maps that find them; `CatalogSet`: those of all databases.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::{CatalogChange, Entry, EntryKey};
use super::function::FunctionDef;
use super::role::{AclItem, RoleDef};
use super::sequence::SequenceDef;
use super::table::{IndexDef, TableDef, TableId};
use super::trigger::{TriggerDef, TriggerId};
use super::types::TypeDef;
use super::view::ViewDef;
use crate::types::Oid;

/// A database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseDef {
    /// OID.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// OID of the owning role.
    pub owner: Oid,
    /// Whether it may be copied by every role that can create databases.
    pub template: bool,
    /// Whether sessions may connect.
    pub allow_connections: bool,
    /// ALTER DATABASE … SET.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
    /// COMMENT ON DATABASE.
    #[serde(default)]
    pub comment: Option<String>,
    /// ALTER DEFAULT PRIVILEGES.
    #[serde(default)]
    pub default_acls: Vec<DefaultAcl>,
    /// Access privileges.
    #[serde(default)]
    pub acl: Vec<AclItem>,
}

/// What objects that a role makes will grant from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DefaultAcl {
    /// OID in pg_default_acl.
    pub oid: Oid,
    /// OID of the role that makes them.
    pub role: Oid,
    /// OID of the schema that they are made in; 0: any. What a schema adds comes to what holds everywhere.
    pub schema: Oid,
    /// r tables and views, S sequences, f functions, T types, n schemas.
    pub kind: char,
    /// The privileges; of those of any schema the owner's own among them.
    pub acl: Vec<AclItem>,
}

/// A schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchemaDef {
    /// OID.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// OID of the owning role.
    pub owner: Oid,
    /// Access privileges.
    #[serde(default)]
    pub acl: Vec<AclItem>,
    /// COMMENT ON SCHEMA.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Kind of a relation or other named object, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum ObjectKind {
    Table,
    View,
    Sequence,
    Index,
}

/// What a relation name stands for.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants name their definition")]
pub enum Relation {
    Table(Arc<TableDef>),
    View(Arc<ViewDef>),
    Sequence(Arc<SequenceDef>),
    /// An index: its table and its place in `TableDef::indexes`.
    Index(Arc<TableDef>, usize),
}

impl Relation {
    /// OID.
    #[must_use]
    pub fn oid(&self) -> Oid {
        match self {
            Relation::Table(def) => def.id.0,
            Relation::View(def) => def.oid,
            Relation::Sequence(def) => def.oid,
            Relation::Index(table, place) => table.indexes[*place].oid,
        }
    }

    /// Kind.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match self {
            Relation::Table(_) => ObjectKind::Table,
            Relation::View(_) => ObjectKind::View,
            Relation::Sequence(_) => ObjectKind::Sequence,
            Relation::Index(..) => ObjectKind::Index,
        }
    }
}

/// Definitions shared by all databases.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    roles: HashMap<Oid, Arc<RoleDef>>,
    role_names: HashMap<String, Oid>,
    databases: HashMap<Oid, Arc<DatabaseDef>>,
    database_names: HashMap<String, Oid>,
}

impl Shared {
    /// A role by OID.
    #[must_use]
    pub fn role(&self, oid: Oid) -> Option<&Arc<RoleDef>> {
        self.roles.get(&oid)
    }

    /// A role by name.
    #[must_use]
    pub fn role_by_name(&self, name: &str) -> Option<&Arc<RoleDef>> {
        self.role_names.get(name).and_then(|oid| self.roles.get(oid))
    }

    /// All roles, in no order.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<RoleDef>> {
        self.roles.values()
    }

    /// A database by OID.
    #[must_use]
    pub fn database(&self, oid: Oid) -> Option<&Arc<DatabaseDef>> {
        self.databases.get(&oid)
    }

    /// A database by name.
    #[must_use]
    pub fn database_by_name(&self, name: &str) -> Option<&Arc<DatabaseDef>> {
        self.database_names.get(name).and_then(|oid| self.databases.get(oid))
    }

    /// All databases, in no order.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<DatabaseDef>> {
        self.databases.values()
    }
}

/// One database's definitions. Cloning copies maps of `Arc`s.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// OID of the database.
    pub database: Oid,
    schemas: HashMap<Oid, Arc<SchemaDef>>,
    schema_names: HashMap<String, Oid>,
    tables: HashMap<Oid, Arc<TableDef>>,
    views: HashMap<Oid, Arc<ViewDef>>,
    sequences: HashMap<Oid, Arc<SequenceDef>>,
    triggers: HashMap<Oid, Arc<TriggerDef>>,
    functions: HashMap<Oid, Arc<FunctionDef>>,
    types: HashMap<Oid, Arc<TypeDef>>,
    /// (schema, name) → OID of an enum or domain
    type_names: HashMap<(Oid, String), Oid>,
    /// OID of a row type, or of its array type → OID of its table
    row_types: HashMap<Oid, Oid>,
    /// (schema, name) → relation OID; indexes too.
    relation_names: HashMap<(Oid, String), Oid>,
    /// index OID → table OID
    index_tables: HashMap<Oid, Oid>,
    /// table OID → its triggers in firing order (priority, then creation)
    table_triggers: HashMap<Oid, Vec<Arc<TriggerDef>>>,
    /// parent table OID → (child table OID, place of the constraint)
    referencing: HashMap<Oid, Vec<(Oid, usize)>>,
}

impl Catalog {
    /// A schema by OID.
    #[must_use]
    pub fn schema(&self, oid: Oid) -> Option<&Arc<SchemaDef>> {
        self.schemas.get(&oid)
    }

    /// A schema by name.
    #[must_use]
    pub fn schema_by_name(&self, name: &str) -> Option<&Arc<SchemaDef>> {
        self.schema_names.get(name).and_then(|oid| self.schemas.get(oid))
    }

    /// All schemas, in no order.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<SchemaDef>> {
        self.schemas.values()
    }

    /// A table.
    #[must_use]
    pub fn table(&self, id: TableId) -> Option<&Arc<TableDef>> {
        self.tables.get(&id.0)
    }

    /// All tables, hidden ones too, in no order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDef>> {
        self.tables.values()
    }

    /// A view.
    #[must_use]
    pub fn view(&self, oid: Oid) -> Option<&Arc<ViewDef>> {
        self.views.get(&oid)
    }

    /// All views, in no order.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewDef>> {
        self.views.values()
    }

    /// A sequence.
    #[must_use]
    pub fn sequence(&self, oid: Oid) -> Option<&Arc<SequenceDef>> {
        self.sequences.get(&oid)
    }

    /// All sequences, in no order.
    pub fn sequences(&self) -> impl Iterator<Item = &Arc<SequenceDef>> {
        self.sequences.values()
    }

    /// A trigger.
    #[must_use]
    pub fn trigger(&self, id: TriggerId) -> Option<&Arc<TriggerDef>> {
        self.triggers.get(&id.0)
    }

    /// A trigger by name (exact) within a dialect.
    #[must_use]
    pub fn trigger_by_name(&self, dialect: &str, name: &str) -> Option<&Arc<TriggerDef>> {
        self.triggers.values().find(|def| def.dialect == dialect && def.name == name)
    }

    /// All triggers, in no order.
    pub fn triggers(&self) -> impl Iterator<Item = &Arc<TriggerDef>> {
        self.triggers.values()
    }

    /// Triggers that name the table, in firing order: priority, then creation. Disabled ones too.
    #[must_use]
    pub fn triggers_of(&self, table: TableId) -> &[Arc<TriggerDef>] {
        self.table_triggers.get(&table.0).map_or(&[], Vec::as_slice)
    }

    /// A table that a trigger watches, or watched until it was dropped (CDB-1202).
    #[must_use]
    pub fn watched<'a>(&'a self, def: &'a TriggerDef, table: TableId) -> Option<&'a TableDef> {
        let there = self.table(table).map(AsRef::as_ref);
        there.or_else(|| def.gone.iter().find(|gone| gone.id == table))
    }

    /// The name that a trigger's definition has for a table that it watches or watched (CDB-1202).
    #[must_use]
    pub fn watched_name<'a>(&'a self, def: &'a TriggerDef, table: TableId) -> Option<&'a str> {
        let kept = def.names.iter().find(|(id, _)| *id == table).map(|(_, name)| name.as_str());
        kept.or_else(|| self.watched(def, table).map(|table| table.name.as_str()))
    }

    /// A function.
    #[must_use]
    pub fn function(&self, oid: Oid) -> Option<&Arc<FunctionDef>> {
        self.functions.get(&oid)
    }

    /// All functions and procedures, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<FunctionDef>> {
        self.functions.values()
    }

    /// An enum or domain.
    #[must_use]
    pub fn user_type(&self, oid: Oid) -> Option<&Arc<TypeDef>> {
        self.types.get(&oid)
    }

    /// An enum or domain by schema OID and exact name.
    #[must_use]
    pub fn type_by_name(&self, schema: Oid, name: &str) -> Option<&Arc<TypeDef>> {
        self.type_names.get(&(schema, name.to_owned())).and_then(|oid| self.types.get(oid))
    }

    /// All enums and domains, in no order.
    pub fn types(&self) -> impl Iterator<Item = &Arc<TypeDef>> {
        self.types.values()
    }

    /// The table whose row type this is.
    #[must_use]
    pub fn table_of_rows(&self, ty: Oid) -> Option<&Arc<TableDef>> {
        self.table_of_row_type(ty).filter(|table| table.row_type == ty)
    }

    /// The table whose row type, or whose array over it, this is.
    #[must_use]
    pub fn table_of_row_type(&self, ty: Oid) -> Option<&Arc<TableDef>> {
        self.row_types.get(&ty).and_then(|table| self.tables.get(table))
    }

    /// Foreign keys that refer to the table: referencing table and the constraint's place in it.
    #[must_use]
    pub fn referencing(&self, parent: TableId) -> &[(Oid, usize)] {
        self.referencing.get(&parent.0).map_or(&[], Vec::as_slice)
    }

    /// A relation by schema OID and exact name.
    #[must_use]
    pub fn relation(&self, schema: Oid, name: &str) -> Option<Relation> {
        self.relation_names.get(&(schema, name.to_owned())).and_then(|oid| self.relation_by_oid(*oid))
    }

    /// A relation by OID.
    #[must_use]
    pub fn relation_by_oid(&self, oid: Oid) -> Option<Relation> {
        if let Some(def) = self.tables.get(&oid) {
            return Some(Relation::Table(def.clone()));
        }
        if let Some(def) = self.views.get(&oid) {
            return Some(Relation::View(def.clone()));
        }
        if let Some(def) = self.sequences.get(&oid) {
            return Some(Relation::Sequence(def.clone()));
        }
        let table = self.tables.get(self.index_tables.get(&oid)?)?;
        let place = table.indexes.iter().position(|index| index.oid == oid)?;
        Some(Relation::Index(table.clone(), place))
    }

    /// An index and its table, by the index's OID.
    #[must_use]
    pub fn index(&self, oid: Oid) -> Option<(&Arc<TableDef>, &IndexDef)> {
        let table = self.tables.get(self.index_tables.get(&oid)?)?;
        Some((table, table.indexes.iter().find(|index| index.oid == oid)?))
    }

    /// Adds or replaces a definition, and keeps the maps.
    pub fn put(&mut self, entry: Entry) {
        self.remove(entry.key());
        match entry {
            Entry::Schema(def) => {
                self.schema_names.insert(def.name.clone(), def.oid);
                self.schemas.insert(def.oid, def);
            }
            Entry::Table(def) => {
                let oid = def.id.0;
                self.relation_names.insert((def.schema, def.name.clone()), oid);
                for index in &def.indexes {
                    self.relation_names.insert((def.schema, index.name.clone()), index.oid);
                    self.index_tables.insert(index.oid, oid);
                }
                for ty in [def.row_type, def.array_type].into_iter().filter(|ty| *ty != 0) {
                    self.row_types.insert(ty, oid);
                }
                for (place, parent) in foreign_parents(&def) {
                    self.referencing.entry(parent.0).or_default().push((oid, place));
                }
                self.tables.insert(oid, def);
            }
            Entry::View(def) => {
                self.relation_names.insert((def.schema, def.name.clone()), def.oid);
                self.views.insert(def.oid, def);
            }
            Entry::Sequence(def) => {
                self.relation_names.insert((def.schema, def.name.clone()), def.oid);
                self.sequences.insert(def.oid, def);
            }
            Entry::Trigger(def) => {
                for table in &def.tables {
                    let list = self.table_triggers.entry(table.0).or_default();
                    if !list.iter().any(|other| other.id == def.id) {
                        list.push(def.clone());
                        list.sort_by_key(|other| (other.priority, other.id));
                    }
                }
                self.triggers.insert(def.id.0, def);
            }
            Entry::Function(def) => {
                self.functions.insert(def.oid, def);
            }
            Entry::Type(def) => {
                self.type_names.insert((def.schema, def.name.clone()), def.oid);
                self.types.insert(def.oid, def);
            }
            Entry::Role(_) | Entry::Database(_) => {}
        }
    }

    /// Removes a definition if it is there, and keeps the maps.
    pub fn remove(&mut self, key: EntryKey) {
        match key {
            EntryKey::Schema(oid) => {
                if let Some(def) = self.schemas.remove(&oid) {
                    self.schema_names.remove(&def.name);
                }
            }
            EntryKey::Table(oid) => {
                if let Some(def) = self.tables.remove(&oid) {
                    self.relation_names.remove(&(def.schema, def.name.clone()));
                    for index in &def.indexes {
                        self.relation_names.remove(&(def.schema, index.name.clone()));
                        self.index_tables.remove(&index.oid);
                    }
                    self.row_types.remove(&def.row_type);
                    self.row_types.remove(&def.array_type);
                    for (_, parent) in foreign_parents(&def) {
                        if let Some(list) = self.referencing.get_mut(&parent.0) {
                            list.retain(|(child, _)| *child != oid);
                        }
                    }
                }
            }
            EntryKey::View(oid) => {
                if let Some(def) = self.views.remove(&oid) {
                    self.relation_names.remove(&(def.schema, def.name.clone()));
                }
            }
            EntryKey::Sequence(oid) => {
                if let Some(def) = self.sequences.remove(&oid) {
                    self.relation_names.remove(&(def.schema, def.name.clone()));
                }
            }
            EntryKey::Trigger(oid) => {
                if let Some(def) = self.triggers.remove(&oid) {
                    for table in &def.tables {
                        if let Some(list) = self.table_triggers.get_mut(&table.0) {
                            list.retain(|other| other.id.0 != oid);
                        }
                    }
                }
            }
            EntryKey::Function(oid) => {
                self.functions.remove(&oid);
            }
            EntryKey::Type(oid) => {
                if let Some(def) = self.types.remove(&oid) {
                    self.type_names.remove(&(def.schema, def.name.clone()));
                }
            }
            EntryKey::Role(_) | EntryKey::Database(_) => {}
        }
    }

    /// Every definition, for a checkpoint.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let schemas = self.schemas.values().cloned().map(Entry::Schema);
        let tables = self.tables.values().cloned().map(Entry::Table);
        let views = self.views.values().cloned().map(Entry::View);
        let sequences = self.sequences.values().cloned().map(Entry::Sequence);
        let triggers = self.triggers.values().cloned().map(Entry::Trigger);
        let functions = self.functions.values().cloned().map(Entry::Function);
        let types = self.types.values().cloned().map(Entry::Type);
        schemas.chain(types).chain(tables).chain(views).chain(sequences).chain(triggers).chain(functions)
    }
}

fn foreign_parents(def: &TableDef) -> Vec<(usize, TableId)> {
    let keys = def.constraints.iter().enumerate();
    keys.filter_map(|(place, constraint)| match &constraint.kind {
        super::table::ConstraintKind::ForeignKey(key) => Some((place, key.parent)),
        _ => None,
    })
    .collect()
}

/// The catalogs of all databases at one moment.
#[derive(Clone, Debug, Default)]
pub struct CatalogSet {
    /// Rises with every committed change; a plan made under another version is looked at again. A transaction's own
    /// uncommitted copies have versions of their own that no other set ever has.
    pub version: u64,
    /// The next OID to give out.
    pub next_oid: Oid,
    /// Roles and databases.
    pub shared: Arc<Shared>,
    databases: HashMap<Oid, Arc<Catalog>>,
}

impl CatalogSet {
    /// A set of one database, for binding texts that rest on nothing else.
    #[must_use]
    pub fn of_one(catalog: &Catalog) -> CatalogSet {
        let databases = HashMap::from([(catalog.database, Arc::new(catalog.clone()))]);
        CatalogSet { databases, ..CatalogSet::default() }
    }

    /// A database's catalog.
    #[must_use]
    pub fn database(&self, oid: Oid) -> Option<&Arc<Catalog>> {
        self.databases.get(&oid)
    }

    /// All databases' catalogs, in no order.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Catalog>> {
        self.databases.values()
    }

    /// Applies one change.
    pub fn apply(&mut self, change: CatalogChange) {
        match change {
            CatalogChange::NextOid(oid) => self.next_oid = self.next_oid.max(oid),
            CatalogChange::Put { entry: Entry::Role(def), .. } => {
                let shared = Arc::make_mut(&mut self.shared);
                if let Some(old) = shared.roles.remove(&def.oid) {
                    shared.role_names.remove(&old.name);
                }
                shared.role_names.insert(def.name.clone(), def.oid);
                shared.roles.insert(def.oid, def);
            }
            CatalogChange::Put { entry: Entry::Database(def), .. } => {
                let shared = Arc::make_mut(&mut self.shared);
                if let Some(old) = shared.databases.remove(&def.oid) {
                    shared.database_names.remove(&old.name);
                }
                shared.database_names.insert(def.name.clone(), def.oid);
                let fresh = Catalog { database: def.oid, ..Catalog::default() };
                self.databases.entry(def.oid).or_insert_with(|| Arc::new(fresh));
                shared.databases.insert(def.oid, def);
            }
            CatalogChange::Put { database, entry } => {
                if let Some(catalog) = self.databases.get_mut(&database) {
                    Arc::make_mut(catalog).put(entry);
                }
            }
            CatalogChange::Remove { key: EntryKey::Role(oid), .. } => {
                let shared = Arc::make_mut(&mut self.shared);
                if let Some(old) = shared.roles.remove(&oid) {
                    shared.role_names.remove(&old.name);
                }
            }
            CatalogChange::Remove { key: EntryKey::Database(oid), .. } => {
                let shared = Arc::make_mut(&mut self.shared);
                if let Some(old) = shared.databases.remove(&oid) {
                    shared.database_names.remove(&old.name);
                }
                self.databases.remove(&oid);
            }
            CatalogChange::Remove { database, key } => {
                if let Some(catalog) = self.databases.get_mut(&database) {
                    Arc::make_mut(catalog).remove(key);
                }
            }
        }
    }
}
