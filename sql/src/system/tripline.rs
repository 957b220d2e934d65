//! The schema `tripline`: triggers of all dialects, their subscriptions, and the change log, as relations.

use crate::catalog::TRIPLINE;
use crate::catalog::Timing;
use crate::error::Result;
use crate::plan::{SystemContext, SystemRelation};
use crate::types::{Oid, Row, Value, oid};

use super::{catalog, text_array};

const TRIGGERS: &[(&str, Oid)] = &[
    ("trigger_id", oid::OID),
    ("name", oid::TEXT),
    ("dialect", oid::TEXT),
    ("kind", oid::TEXT),
    ("timing", oid::TEXT),
    ("tables", 1009),
    ("priority", oid::INT8),
    ("enabled", oid::BOOL),
    ("definition", oid::TEXT),
    ("executed", oid::INT8),
    ("millis_spent", oid::FLOAT8),
    ("errors", oid::INT8),
    ("returned_false", oid::INT8),
    ("last_error", oid::TEXT),
    ("last_error_at", oid::TIMESTAMPTZ),
];

pub(super) const SUBSCRIPTIONS: &[(&str, Oid)] = &[
    ("trigger_id", oid::OID),
    ("name", oid::TEXT),
    ("kind", oid::TEXT),
    ("state", oid::TEXT),
    ("cursor_commit", oid::INT8),
    ("cursor_ordinal", oid::INT8),
    ("depth", oid::INT8),
    ("oldest_age", oid::INTERVAL),
    ("attempts", oid::INT8),
    ("delivered", oid::INT8),
    ("last_error", oid::TEXT),
    ("last_error_at", oid::TIMESTAMPTZ),
    ("gaps", oid::INT8),
    ("dropped", oid::INT8),
    ("rejected", oid::INT8),
    ("holder_pid", oid::INT4),
    ("waiters", oid::INT8),
];

const LOG: &[(&str, Oid)] = &[
    ("commit", oid::INT8),
    ("ordinal", oid::INT8),
    ("committed_at", oid::TIMESTAMPTZ),
    ("transaction_id", oid::INT8),
    ("origin", oid::INT8),
    ("cause_commit", oid::INT8),
    ("cause_ordinal", oid::INT8),
    ("hops", oid::INT4),
    ("writer", oid::OID),
    ("table_id", oid::OID),
    ("table_name", oid::TEXT),
    ("op", oid::TEXT),
    ("row_id", oid::INT8),
    ("before", oid::JSONB),
    ("after", oid::JSONB),
];

/// The relations of the schema.
pub(super) fn relations() -> Vec<SystemRelation> {
    let relation = |oid, name, columns, rows| SystemRelation { oid, schema: TRIPLINE, name, columns, view: true, rows };
    vec![
        relation(15_101, "triggers", TRIGGERS, triggers),
        relation(15_102, "subscriptions", SUBSCRIPTIONS, |context, _| context.engine_rows("subscriptions")),
        // Its rows are read from the log itself, one batch after the other.
        relation(15_103, "log", LOG, |_, _| Ok(Vec::new())),
    ]
}

fn triggers(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut defs: Vec<_> = own.triggers().filter(|def| def.kind != "data_source").collect();
    defs.sort_by_key(|def| def.id);
    let counted = context.engine_rows("trigger_statistics")?;
    let table_name = |id| own.table(id).map(|table| table.name.clone()).unwrap_or_default();
    Ok(defs
        .into_iter()
        .map(|def| {
            let timing = match def.timing {
                Timing::Before => "before",
                Timing::After => "after",
                Timing::Committed => "committed",
            };
            let own = counted.iter().find(|row| row.first() == Some(&Value::Oid(def.id.0)));
            let mut row = vec![
                Value::Oid(def.id.0),
                def.name.clone().into(),
                def.dialect.clone().into(),
                def.kind.clone().into(),
                timing.into(),
                text_array(def.tables.iter().map(|id| table_name(*id))),
                Value::Int8(def.priority),
                Value::Bool(def.enabled),
                def.text.clone().into(),
            ];
            match own {
                Some(counted) => row.extend(counted.iter().skip(1).cloned()),
                None => row.resize(TRIGGERS.len(), Value::Null),
            }
            row
        })
        .collect())
}
