//! Domains: their conditions bound, their defaults found. A value of a domain is one of its base type.

use std::sync::Arc;

use super::{BindContext, bind_domain_check};
use crate::catalog::{DomainDef, TypeDef, TypeKind};
use crate::error::Result;
use crate::expr::DomainChecks;
use crate::types::Oid;

/// The domain and those that it stands on, from the lowest up.
fn chain<'a>(context: &BindContext<'a>, domain: Oid) -> Vec<(&'a TypeDef, &'a DomainDef)> {
    let Some(catalog) = context.catalogs.database(context.database) else { return Vec::new() };
    let mut found = Vec::new();
    let mut next = domain;
    while let Some(def) = catalog.user_type(next) {
        let TypeKind::Domain(own) = &def.kind else { break };
        found.push((&**def, own));
        next = own.parent;
    }
    found.reverse();
    found
}

/// What a domain asks of its values; none if it allows all. Errors: as binding its conditions.
pub(super) fn checks(context: &BindContext<'_>, domain: Oid) -> Result<Option<Arc<DomainChecks>>> {
    let chain = chain(context, domain);
    let Some((top, _)) = chain.last() else { return Ok(None) };
    let mut checks = Vec::new();
    for (_, def) in &chain {
        let mut sorted: Vec<_> = def.checks.iter().collect();
        sorted.sort_by(|left, right| left.name.cmp(&right.name));
        for check in sorted {
            checks.push((check.name.clone(), bind_domain_check(context, &check.expr, def.base)?));
        }
    }
    let not_null = chain.iter().any(|(_, def)| def.not_null);
    if checks.is_empty() && !not_null {
        return Ok(None);
    }
    let catalog = context.catalogs.database(context.database);
    let schema = catalog.and_then(|catalog| catalog.schema(top.schema)).map(|schema| schema.name.clone());
    let made =
        DomainChecks { oid: domain, schema: schema.unwrap_or_default(), name: top.name.clone(), not_null, checks };
    Ok(Some(Arc::new(made)))
}

/// Text of the default that a column of this domain has without one of its own.
pub(super) fn default(context: &BindContext<'_>, domain: Oid) -> Result<Option<String>> {
    Ok(chain(context, domain).iter().rev().find_map(|(_, def)| def.default.clone()))
}
