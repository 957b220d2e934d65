//! `SequenceDef`. The current value lives in the store: it is not transactional.

use serde::{Deserialize, Serialize};

use super::role::AclItem;
use super::table::{Persistence, TableId};
use crate::types::Oid;

/// A sequence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the options of CREATE SEQUENCE")]
pub struct SequenceDef {
    pub oid: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    /// int2, int4 or int8.
    pub data_type: Oid,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
    /// Table and column place that own it; `identity` tells which kind of ownership (pg_depend i or a).
    pub owned_by: Option<(TableId, usize)>,
    pub identity: bool,
    #[serde(default)]
    pub persistence: Persistence,
    #[serde(default)]
    pub acl: Vec<AclItem>,
    #[serde(default)]
    pub comment: Option<String>,
}
