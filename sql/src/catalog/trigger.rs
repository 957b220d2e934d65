//! `TriggerDef`: a trigger of any dialect and kind, in neutral terms.

use serde::{Deserialize, Serialize};

use super::table::{TableDef, TableId};
use crate::types::{DataType, Oid};

/// Identifies a trigger for ever: its OID. 0 is "the client" in log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TriggerId(pub Oid);

impl TriggerId {
    /// Written by a client, not by a trigger.
    pub const CLIENT: TriggerId = TriggerId(0);
    /// Rewritten by ALTER TABLE: the row's values are what they were, in another form. No event for anybody.
    pub const DDL: TriggerId = TriggerId(u32::MAX);
    /// TRUNCATE of a table whose triggers have to see its rows go.
    pub const TRUNCATE: TriggerId = TriggerId(u32::MAX - 1);
}

/// When it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// In the transaction, before the row is written.
    Before,
    /// In the transaction, after the row is written.
    After,
    /// After commit, from the change log.
    Committed,
}

/// Per row or per statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Level {
    Row,
    Statement,
}

/// A change that a trigger listens to, on one table; `columns` empty means all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerEvent {
    /// The table.
    pub table: TableId,
    /// On INSERT.
    pub insert: Option<Vec<String>>,
    /// On UPDATE.
    pub update: Option<Vec<String>>,
    /// On DELETE.
    pub delete: Option<Vec<String>>,
}

/// A trigger. Which code runs it is decided by `kind` alone; the dialect only says how it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TriggerDef {
    /// OID; rises in creation order.
    pub id: TriggerId,
    /// OID of the schema its name lives in.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// Dialect that wrote it: "ami", "comdb2" …
    pub dialect: String,
    /// Kind that runs it: "amiscript", "aggregate", "lua_trigger" …
    pub kind: String,
    /// Tables in the order written, sources first; the last is the target where the kind has one.
    pub tables: Vec<TableId>,
    /// What it listens to.
    pub events: Vec<TriggerEvent>,
    /// When it runs.
    pub timing: Timing,
    /// Row or statement.
    pub level: Level,
    /// SQL text of the WHEN condition.
    pub when: Option<String>,
    /// PRIORITY: lower runs first; ties by creation.
    pub priority: i64,
    /// Options in the order written; keys as the kind documents them.
    pub options: Vec<(String, String)>,
    /// Body or name of what is called, where the dialect has one.
    pub body: String,
    /// The statement as the user wrote it.
    pub text: String,
    /// ENABLE/DISABLE.
    pub enabled: bool,
    /// OID of the owning role.
    pub owner: Oid,
    /// OIDs of internal objects that go with it (state tables, indexes).
    #[serde(default)]
    pub internal: Vec<Oid>,
    /// Comdb2: watched tables that were dropped, as they were: changes of them may still wait (CDB-1202).
    #[serde(default)]
    pub gone: Vec<TableDef>,
    /// Comdb2: the names that the definition has for watched tables that were renamed since (CDB-1202).
    #[serde(default)]
    pub names: Vec<(TableId, String)>,
    /// Comdb2: what the watched columns were before ALTER TABLE: changes of them may still wait (CDB-1201).
    #[serde(default)]
    pub former: Former,
}

/// Watched columns as they were.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Former {
    /// Columns that were dropped or added, or had another type.
    pub columns: Vec<FormerColumn>,
    /// Names that columns had: the table, the name, and what it is now.
    pub names: Vec<(TableId, String, String)>,
}

/// A watched column as it was in older changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FormerColumn {
    /// The table.
    pub table: TableId,
    /// The name that the definition has for it.
    pub name: String,
    /// Its place in a row and its type then; none: there was no such column.
    pub was: Option<(usize, DataType)>,
    /// The `TableDef::schema_version` from which on it was no longer so.
    pub until: u32,
}

impl TriggerDef {
    /// The value of an option; keys compare without case.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }
}
