//! `ViewDef`: a stored query.

use serde::{Deserialize, Serialize};

use super::role::AclItem;
use super::table::Column;
use crate::types::Oid;

/// A view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ViewDef {
    /// OID.
    pub oid: Oid,
    /// OID of the schema.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// OID of the owning role.
    pub owner: Oid,
    /// OID of its row type in pg_type.
    pub row_type: Oid,
    /// SQL text of the query, as written.
    pub query: String,
    /// Search path under which the text was written.
    pub search_path: Vec<String>,
    /// Columns: names and types.
    pub columns: Vec<Column>,
    /// Relations that it names.
    pub depends_on: Vec<Oid>,
    /// Access privileges.
    #[serde(default)]
    pub acl: Vec<AclItem>,
    /// COMMENT ON VIEW.
    #[serde(default)]
    pub comment: Option<String>,
    /// WITH CHECK OPTION.
    #[serde(default)]
    pub check_option: CheckOption,
    /// The option security_barrier, if it was given: views keep their rows to themselves either way.
    #[serde(default)]
    pub security_barrier: Option<bool>,
    /// What it takes writes for; none: it is not automatically updatable.
    #[serde(default)]
    pub base: Option<ViewBase>,
}

/// WITH CHECK OPTION: whether rows written through a view must meet its condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckOption {
    /// They need not.
    #[default]
    None,
    /// They must meet its own.
    Local,
    /// They must meet its own and those of all views below it.
    Cascaded,
}

/// The relation whose rows a view's are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewBase {
    /// OID of the table or view.
    pub relation: Oid,
    /// For each column of the view whether it is a column of the table below.
    pub columns: Vec<bool>,
}
