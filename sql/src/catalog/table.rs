//! `TableDef`, its columns, constraints and indexes.

use serde::{Deserialize, Serialize};

use super::role::AclItem;
use crate::types::{DataType, Oid};

/// Identifies a table for ever: its OID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub Oid);

/// Whether and where a table's rows survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Persistence {
    /// Logged; survives a crash.
    #[default]
    Permanent,
    /// Not logged; empty after a restart.
    Unlogged,
    /// Not logged; private to one session and gone with it.
    Temporary,
}

/// A table. `columns` holds every column ever added, dropped ones too: a column's place in it is its place in a `Row`
/// and its attribute number less one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableDef {
    /// OID.
    pub id: TableId,
    /// OID of the schema.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// OID of the owning role.
    pub owner: Oid,
    /// OID of its row type in pg_type.
    pub row_type: Oid,
    /// OID of the array type over its row type.
    #[serde(default)]
    pub array_type: Oid,
    /// Columns in attribute order.
    pub columns: Vec<Column>,
    /// Constraints in creation order, not null excepted (that is a column's field).
    pub constraints: Vec<Constraint>,
    /// Indexes in creation order, those of constraints included.
    pub indexes: Vec<IndexDef>,
    /// Persistence.
    pub persistence: Persistence,
    /// Rises with each ALTER that changes what a row looks like; log records carry it.
    pub schema_version: u32,
    /// The dialect that created it ("postgres", "ami"): decides name look-up and routing (AMI-6).
    #[serde(default)]
    pub dialect: String,
    /// Options as given: storage parameters, USE options of AMI.
    #[serde(default)]
    pub options: Vec<(String, String)>,
    /// Trigger whose target this is and that alone may write it (AGGREGATE, JOIN …); 0 for none.
    #[serde(default)]
    pub maintained_by: Oid,
    /// Internal state of a trigger: not shown in catalogs.
    #[serde(default)]
    pub hidden: bool,
    /// Places of the columns in the order in which `*` shows them; columns beyond its end follow. Empty: as stored.
    #[serde(default)]
    pub display: Vec<usize>,
    /// Access privileges; empty = the owner's defaults.
    #[serde(default)]
    pub acl: Vec<AclItem>,
    /// COMMENT ON TABLE.
    #[serde(default)]
    pub comment: Option<String>,
    /// More than rows and columns: a composite type or a materialised view.
    #[serde(default)]
    pub shape: TableShape,
}

/// What kind of relation a `TableDef` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableShape {
    /// An ordinary table.
    #[default]
    Table,
    /// CREATE TYPE … AS (…): columns without rows.
    Composite,
    /// A materialised view: the rows of its query at the last refresh.
    Materialized {
        /// SQL text of the query.
        query: String,
        /// Schemas searched when the view was made.
        search_path: Vec<String>,
        /// OIDs of the relations that the query reads.
        depends_on: Vec<Oid>,
        /// False after WITH NO DATA.
        populated: bool,
    },
}

impl TableDef {
    /// Whether it is a composite type rather than a table.
    #[must_use]
    pub fn is_composite(&self) -> bool {
        self.shape == TableShape::Composite
    }

    /// Whether it is a materialised view.
    #[must_use]
    pub fn is_materialized(&self) -> bool {
        matches!(self.shape, TableShape::Materialized { .. })
    }

    /// Columns that are not dropped, with their places in a row, in the order in which `*` shows them.
    pub fn live_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        let places = (0..self.columns.len()).map(|at| self.display.get(at).copied().unwrap_or(at));
        places.filter_map(|place| self.columns.get(place).map(|column| (place, column))).filter(|(_, c)| !c.dropped)
    }

    /// What AMI's reserved column at this place holds (AMI-40); none for any other column.
    #[must_use]
    pub fn reserved(&self, place: usize) -> Option<Reserved> {
        if self.dialect != "ami" {
            return None;
        }
        self.columns.get(place).filter(|column| !column.dropped).and_then(|column| Reserved::by_name(&column.name))
    }

    /// Place of the live column with exactly this name.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.live_columns().find(|(_, column)| column.name == name).map(|(place, _)| place)
    }

    /// The keys of an index in the order in which they were written: an EXCLUDE constraint's index has its own.
    #[must_use]
    pub fn written_keys<'a>(&self, index: &'a IndexDef) -> Vec<&'a IndexKey> {
        let owner = self.constraints.iter().find(|constraint| constraint.oid == index.constraint);
        match owner.map(|owner| &owner.kind) {
            Some(ConstraintKind::Exclude { elements, .. }) => {
                elements.iter().filter_map(|(place, _)| index.keys.get(*place)).collect()
            }
            _ => index.keys.iter().collect(),
        }
    }

    /// The primary key's index.
    #[must_use]
    pub fn primary_key(&self) -> Option<&IndexDef> {
        self.indexes.iter().find(|index| index.primary)
    }
}

/// AMI's one-letter columns that the server fills (AMI-40).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// `A`: server name.
    Server,
    /// `C`: insert time in ms.
    Created,
    /// `D`: row id, unique over all tables.
    Id,
    /// `E`: when the row expires.
    Expiry,
    /// `I`: id of the relay object.
    Object,
    /// `M`: last change in ms.
    Modified,
    /// `P`: login of the relay connection.
    Login,
    /// `T`: table name.
    Table,
    /// `V`: number of updates.
    Version,
    /// `W`: time of reading.
    Now,
}

impl Reserved {
    /// The one with exactly this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Reserved> {
        Some(match name {
            "A" => Reserved::Server,
            "C" => Reserved::Created,
            "D" => Reserved::Id,
            "E" => Reserved::Expiry,
            "I" => Reserved::Object,
            "M" => Reserved::Modified,
            "P" => Reserved::Login,
            "T" => Reserved::Table,
            "V" => Reserved::Version,
            "W" => Reserved::Now,
            _ => return None,
        })
    }

    /// The type it must be declared with.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Reserved::Server | Reserved::Object | Reserved::Login | Reserved::Table => DataType::TEXT,
            Reserved::Version => DataType::INT4,
            _ => DataType::INT8,
        }
    }

    /// Whether no client may set it.
    #[must_use]
    pub fn is_server_filled(self) -> bool {
        !matches!(self, Reserved::Expiry | Reserved::Object | Reserved::Login)
    }

    /// Whether an UPDATE may set it.
    #[must_use]
    pub fn is_updatable(self) -> bool {
        self == Reserved::Expiry
    }
}

impl IndexDef {
    /// Whether at no moment two rows have the same keys.
    #[must_use]
    pub fn always_unique(&self) -> bool {
        self.unique && !self.deferrable
    }

    /// The value of an option; keys compare without case.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }
}

/// GENERATED … AS IDENTITY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// GENERATED ALWAYS
    Always,
    /// GENERATED BY DEFAULT
    ByDefault,
}

/// GENERATED ALWAYS AS (text) STORED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The expression's SQL text.
    pub expr: String,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// Name; of a dropped column `........pg.dropped.N........`.
    pub name: String,
    /// Type.
    pub ty: DataType,
    /// NOT NULL.
    pub not_null: bool,
    /// Default expression as SQL text; an identity or serial column's is in `sequence`.
    pub default: Option<String>,
    /// Identity.
    pub identity: Option<Identity>,
    /// Stored generated column.
    pub generated: Option<Generated>,
    /// OID of the sequence that this identity or serial column owns.
    #[serde(default)]
    pub sequence: Option<Oid>,
    /// What rows stored before the column was added hold: one stored value (`types::encode_row` of one column); none = NULL.
    #[serde(default)]
    pub missing: Option<Vec<u8>>,
    /// Collation name if one was written.
    #[serde(default)]
    pub collation: Option<String>,
    /// Dropped: keeps its place, holds nothing.
    #[serde(default)]
    pub dropped: bool,
    /// COMMENT ON COLUMN.
    #[serde(default)]
    pub comment: Option<String>,
    /// OID of the domain that the column was declared with (`ty` is its base type), 0 for none.
    #[serde(default)]
    pub domain: Oid,
    /// Privileges on this column alone, beside the relation's.
    #[serde(default)]
    pub acl: Vec<AclItem>,
}

/// A table constraint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Constraint {
    /// OID.
    pub oid: Oid,
    /// Name, unique within the table.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// DEFERRABLE
    pub deferrable: bool,
    /// INITIALLY DEFERRED
    pub deferred: bool,
    /// False after NOT VALID.
    pub validated: bool,
    /// COMMENT ON CONSTRAINT.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What a constraint demands. Columns are places in `TableDef::columns`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ConstraintKind {
    /// PRIMARY KEY, by the index with this OID.
    PrimaryKey {
        /// OID of the index.
        index: Oid,
    },
    /// UNIQUE, by the index with this OID.
    Unique {
        /// OID of the index.
        index: Oid,
    },
    /// EXCLUDE, by the index with this OID.
    Exclude {
        /// OID of the index: the keys compared by `=` come first in it.
        index: Oid,
        /// In the order written: place of the key in the index, and the operator's name.
        elements: Vec<(usize, String)>,
    },
    /// CHECK
    Check {
        /// SQL text of the condition.
        expr: String,
        /// Columns it names.
        columns: Vec<usize>,
    },
    /// FOREIGN KEY
    ForeignKey(ForeignKey),
}

/// A foreign key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Referencing columns.
    pub columns: Vec<usize>,
    /// Referenced table.
    pub parent: TableId,
    /// Referenced columns, in the same order.
    pub parent_columns: Vec<usize>,
    /// OID of the unique index of the parent that it relies on.
    pub parent_index: Oid,
    /// ON UPDATE
    pub on_update: ForeignKeyAction,
    /// ON DELETE
    pub on_delete: ForeignKeyAction,
    /// The columns that SET NULL or SET DEFAULT sets when a parent is deleted; empty: all.
    #[serde(default)]
    pub delete_columns: Vec<usize>,
    /// MATCH
    pub match_type: MatchType,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum ForeignKeyAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// MATCH SIMPLE or FULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum MatchType {
    Simple,
    Full,
}

/// Access method as declared. `Hash` answers equality by a hash table, all others are ordered trees inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum IndexMethod {
    #[default]
    Btree,
    Hash,
    Gin,
    Gist,
    SpGist,
    Brin,
}

/// One key of an index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexKey {
    /// Place of the column, or none for an expression.
    pub column: Option<usize>,
    /// SQL text of the expression, if it is one.
    pub expr: Option<String>,
    /// Type of the key.
    pub ty: DataType,
    /// DESC
    pub descending: bool,
    /// NULLS FIRST
    pub nulls_first: bool,
    /// Operator class as written.
    #[serde(default)]
    pub operator_class: Option<String>,
    /// Collation as written.
    #[serde(default)]
    pub collation: Option<String>,
}

/// An index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexDef {
    /// OID.
    pub oid: Oid,
    /// Name, unique within the schema (within the table for AMI).
    pub name: String,
    /// Access method.
    pub method: IndexMethod,
    /// Keys in order.
    pub keys: Vec<IndexKey>,
    /// INCLUDE columns.
    #[serde(default)]
    pub include: Vec<usize>,
    /// UNIQUE
    pub unique: bool,
    /// That no two rows have the same keys is checked at the end of the statement or of the transaction (PG-160).
    #[serde(default)]
    pub deferrable: bool,
    /// NULLS NOT DISTINCT
    #[serde(default)]
    pub nulls_not_distinct: bool,
    /// The primary key's.
    pub primary: bool,
    /// SQL text of the WHERE condition of a partial index.
    pub predicate: Option<String>,
    /// OID of the constraint that owns it, 0 for none.
    pub constraint: Oid,
    /// An AMI PRIMARY index: inserting an existing key updates that row (AMI-53).
    #[serde(default)]
    pub upsert: bool,
    /// Options as given (AMI index types, AUTOGEN).
    #[serde(default)]
    pub options: Vec<(String, String)>,
    /// COMMENT ON INDEX.
    #[serde(default)]
    pub comment: Option<String>,
}
