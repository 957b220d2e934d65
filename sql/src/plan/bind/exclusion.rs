//! EXCLUDE constraints bound to expressions (PG-167): the keys of a row, and whether those of two rows conflict. Of these
//! are also the unique constraints that are checked later (PG-160).

use std::sync::Arc;

use super::text::{bind_index_expr, text_binder};
use super::{BindContext, Clause};
use crate::catalog::{ConstraintKind, IndexDef, IndexKey, TableDef};
use crate::error::{Result, SqlError};
use crate::expr::{Expr, resolve_operator};
use crate::plan::Exclusion;
use crate::types::{DataType, oid, range_element};

/// The EXCLUDE and deferrable unique constraints of a table. Errors: those of its expressions.
pub(super) fn exclusions(context: &BindContext<'_>, table: &Arc<TableDef>) -> Result<Vec<Exclusion>> {
    let mut found = Vec::new();
    for (place, constraint) in table.constraints.iter().enumerate() {
        let (index, elements) = match &constraint.kind {
            ConstraintKind::Exclude { index, elements } => (index, elements.as_slice()),
            // All its keys are compared by `=`.
            ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } if constraint.deferrable => {
                (index, [].as_slice())
            }
            _ => continue,
        };
        let index = table.indexes.iter().find(|own| own.oid == *index);
        let index = index.ok_or_else(|| SqlError::internal("an exclusion constraint without its index"))?;
        found.push(bind(context, table, place, index, elements)?);
    }
    Ok(found)
}

fn bind(
    context: &BindContext<'_>,
    table: &Arc<TableDef>,
    place: usize,
    index: &IndexDef,
    elements: &[(usize, String)],
) -> Result<Exclusion> {
    let width = index.keys.len();
    let operator = |key: usize| elements.iter().find(|(own, _)| *own == key).map_or("=", |(_, name)| name.as_str());
    let key = |key: &IndexKey| match (key.column, &key.expr) {
        (Some(place), _) => Ok(Expr::Column(place, key.ty)),
        (None, Some(text)) => bind_index_expr(context, text, table, false),
        (None, None) => Err(SqlError::internal("an index key of nothing")),
    };
    let mut tests = Vec::with_capacity(width);
    for (at, key) in index.keys.iter().enumerate() {
        tests.push(test(context, operator(at), Expr::Column(at, key.ty), Expr::Column(width + at, key.ty))?);
    }
    let equal = (0..width).take_while(|at| operator(*at) == "=").count();
    let last = index.keys.last().map_or(oid::UNKNOWN, |key| key.ty.oid);
    Ok(Exclusion {
        place,
        index: index.oid,
        keys: index.keys.iter().map(key).collect::<Result<_>>()?,
        predicate: index.predicate.as_ref().map(|text| bind_index_expr(context, text, table, true)).transpose()?,
        tests,
        equal,
        ranges: equal + 1 == width && operator(equal) == "&&" && range_element(last).is_some(),
    })
}

fn test(context: &BindContext<'_>, name: &str, left: Expr, right: Expr) -> Result<Expr> {
    text_binder(context, None, Clause::IndexPredicate)?.operator_at(name, Some(left), right, None, None, None)
}

/// Types that an operator of an EXCLUDE constraint takes for keys of a type, if it tells of any two keys whether they
/// conflict, whichever comes first. None: it does not. Errors: 42883.
pub fn exclusion_operator(name: &str, key: DataType) -> Result<Option<&'static crate::expr::Operator>> {
    let found = resolve_operator(name, Some(key.oid), key.oid)?;
    let commutes = matches!(name, "=" | "<>" | "!=" | "&&" | "-|-");
    Ok((commutes && found.result == oid::BOOL).then_some(found.operator))
}
