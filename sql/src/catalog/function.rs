//! `FunctionDef`: a function or procedure that a user made.

use serde::{Deserialize, Serialize};

use super::role::AclItem;
use crate::types::{DataType, Oid};

/// The dialect of functions whose body is PostgreSQL's SQL.
pub const SQL_FUNCTIONS: &str = "postgres";

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum FunctionKind {
    Function,
    Procedure,
    Aggregate,
    Trigger,
}

/// The option of a Comdb2 procedure whose version the user named.
pub const CLIENT_VERSIONED: &str = "client versioned";

/// A function or procedure. Comdb2 procedures keep one definition per version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FunctionDef {
    /// OID.
    pub oid: Oid,
    /// OID of the schema.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: FunctionKind,
    /// Language: "sql", "plpgsql", "lua", "amiscript".
    pub language: String,
    /// Dialect that wrote it; names are separate by dialect.
    pub dialect: String,
    /// Arguments: name and type.
    pub arguments: Vec<(String, DataType)>,
    /// SQL texts of the defaults of the last arguments.
    #[serde(default)]
    pub defaults: Vec<String>,
    /// Columns of RETURNS TABLE and OUT parameters: name and type.
    #[serde(default)]
    pub columns: Vec<(String, DataType)>,
    /// Result type.
    pub returns: DataType,
    /// RETURNS SETOF.
    #[serde(default)]
    pub returns_set: bool,
    /// IMMUTABLE i, STABLE s, VOLATILE v.
    #[serde(default)]
    pub volatility: Option<char>,
    /// STRICT.
    #[serde(default)]
    pub strict: bool,
    /// Source text.
    pub body: String,
    /// Further options as written; `CLIENT_VERSIONED`.
    #[serde(default)]
    pub options: Vec<(String, String)>,
    /// Version, where the dialect has versions.
    #[serde(default)]
    pub version: Option<String>,
    /// The default version.
    #[serde(default)]
    pub default_version: bool,
    /// OID of the owning role.
    pub owner: Oid,
    /// Access privileges.
    #[serde(default)]
    pub acl: Vec<AclItem>,
    /// COMMENT ON FUNCTION.
    #[serde(default)]
    pub comment: Option<String>,
}
