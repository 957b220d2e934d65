//! Roles and privileges.

use serde::{Deserialize, Serialize};

use crate::types::Oid;

/// A privilege, as the letters of an aclitem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Connect,
    Temporary,
    Execute,
}

impl Privilege {
    /// A privilege by its word in upper case.
    #[must_use]
    pub fn named(word: &str) -> Option<Privilege> {
        Some(match word {
            "SELECT" => Privilege::Select,
            "INSERT" => Privilege::Insert,
            "UPDATE" => Privilege::Update,
            "DELETE" => Privilege::Delete,
            "TRUNCATE" => Privilege::Truncate,
            "REFERENCES" => Privilege::References,
            "TRIGGER" => Privilege::Trigger,
            "USAGE" => Privilege::Usage,
            "CREATE" => Privilege::Create,
            "CONNECT" => Privilege::Connect,
            "TEMPORARY" | "TEMP" => Privilege::Temporary,
            "EXECUTE" => Privilege::Execute,
            _ => return None,
        })
    }
}

/// Privileges that one role gave to another on one object; grantee 0 is PUBLIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclItem {
    /// OID of the role that may.
    pub grantee: Oid,
    /// OID of the role that granted it.
    pub grantor: Oid,
    /// The privilege, and whether it may be granted on.
    pub privileges: Vec<(Privilege, bool)>,
}

/// A role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the options of CREATE ROLE")]
pub struct RoleDef {
    pub oid: Oid,
    pub name: String,
    pub superuser: bool,
    pub inherit: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub login: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// SCRAM verifier `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`; none: no password.
    pub password: Option<String>,
    /// VALID UNTIL in microseconds since 2000-01-01 UTC.
    pub valid_until: Option<i64>,
    /// Roles that this one is a member of, with ADMIN OPTION.
    pub member_of: Vec<(Oid, bool)>,
    /// ALTER ROLE … SET.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
    /// ALTER ROLE … IN DATABASE … SET: OID of the database, setting, value.
    #[serde(default)]
    pub database_settings: Vec<(Oid, String, String)>,
    #[serde(default)]
    pub comment: Option<String>,
}
