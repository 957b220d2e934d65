//! Functions of enum types (PG-119): the labels of the type that the argument has.

use std::sync::Arc;

use crate::catalog::TypeKind;
use crate::error::{Result, SqlError};
use crate::expr::function::{Call, Function};
use crate::types::oid::{ANYARRAY, ANYENUM};
use crate::types::{Array, EnumLabel, Oid, Value, is_enum};

/// The type of the first argument that has one, and its labels in order.
fn labels(call: &Call<'_>) -> Result<(Oid, Vec<Arc<EnumLabel>>)> {
    let ty = call.arg_types.iter().map(|ty| ty.oid).find(|ty| is_enum(*ty));
    let ty = ty.ok_or_else(|| SqlError::internal("could not determine actual enum type"))?;
    let catalogs = call.ctx.runtime.catalogs();
    let def = catalogs.database(call.ctx.runtime.database()).and_then(|own| own.user_type(ty).cloned());
    match def.as_deref().map(|def| &def.kind) {
        Some(TypeKind::Enum(def)) => Ok((ty, def.labels.iter().map(|(_, label)| label.clone()).collect())),
        _ => Err(SqlError::internal("an enum type that is gone")),
    }
}

/// The labels from the first bound to the second; NULL leaves a side open.
fn range(call: &Call<'_>) -> Result<Value> {
    let (element, labels) = labels(call)?;
    let bound = |place: usize| match call.args.get(place) {
        Some(Value::Enum(label)) if call.args.len() == 2 => Some(label.order),
        _ => None,
    };
    let (from, to) = (bound(0), bound(1));
    let inside =
        |label: &Arc<EnumLabel>| from.is_none_or(|from| label.order >= from) && to.is_none_or(|to| label.order <= to);
    let items = labels.into_iter().filter(inside).map(Value::Enum).collect();
    Ok(Value::Array(Arc::new(Array::one_dimensional(element, items))))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(3528, "enum_first", &[ANYENUM], ANYENUM, |c| Ok(labels(c)?.1.first().cloned().map_or(Value::Null, Value::Enum))).stable().lax(),
    Function::new(3529, "enum_last", &[ANYENUM], ANYENUM, |c| Ok(labels(c)?.1.last().cloned().map_or(Value::Null, Value::Enum))).stable().lax(),
    Function::new(3530, "enum_range", &[ANYENUM, ANYENUM], ANYARRAY, range).stable().lax(),
    Function::new(3531, "enum_range", &[ANYENUM], ANYARRAY, range).stable().lax(),
];
