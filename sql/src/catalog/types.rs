//! Types that users make: enums and domains. (Row types are their tables'; a composite type is a table without rows.)

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::role::AclItem;
use crate::types::{DataType, EnumLabel, Oid};

/// A type. Its OID says its kind (`types::is_enum`, `types::is_domain`); its array type is `oid | USER_ARRAY`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TypeDef {
    /// OID in pg_type.
    pub oid: Oid,
    /// OID of the schema.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// OID of the owning role.
    pub owner: Oid,
    /// What it is.
    pub kind: TypeKind,
    /// Access privileges; empty = the defaults.
    #[serde(default)]
    pub acl: Vec<AclItem>,
    /// COMMENT ON TYPE or DOMAIN.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What a type is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum TypeKind {
    /// CREATE TYPE … AS ENUM.
    Enum(EnumDef),
    /// CREATE DOMAIN.
    Domain(DomainDef),
}

/// The labels of an enum in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<StoredLabel>", into = "Vec<StoredLabel>")]
pub struct EnumDef {
    /// Each with its OID in pg_enum.
    pub labels: Vec<(Oid, Arc<EnumLabel>)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredLabel {
    oid: Oid,
    order: f32,
    label: String,
}

impl From<Vec<StoredLabel>> for EnumDef {
    fn from(stored: Vec<StoredLabel>) -> EnumDef {
        let label = |one: StoredLabel| (one.oid, Arc::new(EnumLabel { order: one.order, label: Arc::from(one.label) }));
        EnumDef { labels: stored.into_iter().map(label).collect() }
    }
}

impl From<EnumDef> for Vec<StoredLabel> {
    fn from(def: EnumDef) -> Vec<StoredLabel> {
        let stored = |(oid, label): (Oid, Arc<EnumLabel>)| StoredLabel {
            oid,
            order: label.order,
            label: label.label.as_ref().to_owned(),
        };
        def.labels.into_iter().map(stored).collect()
    }
}

impl EnumDef {
    /// The label with exactly this text.
    #[must_use]
    pub fn label(&self, text: &str) -> Option<&Arc<EnumLabel>> {
        self.labels.iter().map(|(_, label)| label).find(|label| &*label.label == text)
    }
}

/// A domain: a base type with conditions. Columns of it are columns of the base type that name the domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DomainDef {
    /// The type below, a domain's own base already resolved.
    pub base: DataType,
    /// The domain directly below, 0 for none.
    pub parent: Oid,
    /// Default expression as SQL text.
    pub default: Option<String>,
    /// NOT NULL.
    pub not_null: bool,
    /// CHECK constraints by name; the value is the column `value` in their text.
    pub checks: Vec<DomainCheck>,
    /// Collation name if one was written.
    #[serde(default)]
    pub collation: Option<String>,
}

/// A CHECK of a domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DomainCheck {
    /// OID in pg_constraint.
    pub oid: Oid,
    /// Name, unique within the domain.
    pub name: String,
    /// SQL text of the condition over `value`.
    pub expr: String,
    /// False after NOT VALID.
    pub validated: bool,
}
