//! What exists: name → definition, versioned with the transaction.
//!
//! A `CatalogSet` is an immutable snapshot of every database's catalog. A transaction that changes it works on its own
//! copy (cheap: shared by `Arc` down to the single definition) and the commit publishes it. Definitions keep source text
//! (defaults, checks, view queries, trigger bodies); everything bound can be rebuilt from them. `…Def` types are also
//! the stored form: a log record and a checkpoint hold them as CBOR, so a field is only ever added, with a default.

mod acl;
mod changes;
mod database;
mod function;
mod role;
mod sequence;
mod table;
mod trigger;
mod types;
mod view;

pub use acl::{Access, Guarded, Rights, Visited, hand_over};
pub use changes::{CatalogChange, Entry, EntryKey};
pub use database::{Catalog, CatalogSet, DatabaseDef, DefaultAcl, ObjectKind, Relation, SchemaDef, Shared};
pub use function::{CLIENT_VERSIONED, FunctionDef, FunctionKind, SQL_FUNCTIONS};
pub use role::{AclItem, Privilege, RoleDef};
pub use sequence::SequenceDef;
pub use table::{
    Column, Constraint, ConstraintKind, ForeignKey, ForeignKeyAction, Generated, Identity, IndexDef, IndexKey,
    IndexMethod, MatchType, Persistence, Reserved, TableDef, TableId, TableShape,
};
pub use trigger::{Former, FormerColumn, Level, Timing, TriggerDef, TriggerEvent, TriggerId};
pub use types::{DomainCheck, DomainDef, EnumDef, TypeDef, TypeKind};
pub use view::{CheckOption, ViewBase, ViewDef};

/// OID of the schema pg_catalog.
pub const PG_CATALOG: crate::types::Oid = 11;
/// OID of the schema public.
pub const PUBLIC: crate::types::Oid = 2200;
/// OID of the schema information_schema.
pub const INFORMATION_SCHEMA: crate::types::Oid = 13207;
/// OID of the schema tripline, which holds the product's own system views.
pub const TRIPLINE: crate::types::Oid = 15000;
/// OID of the bootstrap superuser.
pub const BOOTSTRAP_ROLE: crate::types::Oid = 10;
/// OID of the database postgres.
pub const POSTGRES_DATABASE: crate::types::Oid = 5;
/// First OID given to an object that a user makes.
pub const FIRST_USER_OID: crate::types::Oid = 16384;
