//! The relations that users of Comdb2 know: procedures, triggers, queues (CDB-1102 to CDB-1105), in the schema `tripline`.
//!
//! Found by their bare names from every session. What only the engine knows of a queue is taken from
//! `tripline.subscriptions`; nothing is kept here.

use crate::catalog::{CLIENT_VERSIONED, Catalog, Column, ConstraintKind, TRIPLINE, TableDef, TableId, TriggerDef};
use crate::error::Result;
use crate::plan::{SystemContext, SystemRelation};
use crate::types::{DecimalFormat, Oid, Row, Value, oid};

use super::catalog;

const DIALECT: &str = "comdb2";

const PROCEDURES: &[(&str, Oid)] = &[
    ("name", oid::TEXT),
    ("version", oid::TEXT),
    ("client_versioned", oid::TEXT),
    ("default", oid::TEXT),
    ("src", oid::TEXT),
];

const TRIGGERS: &[(&str, Oid)] = &[
    ("name", oid::TEXT),
    ("type", oid::TEXT),
    ("tbl_name", oid::TEXT),
    ("event", oid::TEXT),
    ("col", oid::TEXT),
    ("seq", oid::TEXT),
];

const QUEUES: &[(&str, Oid)] = &[
    ("queuename", oid::TEXT),
    ("spname", oid::TEXT),
    ("head_age", oid::INT8),
    ("depth", oid::INT8),
    ("total_enqueued", oid::INT8),
    ("total_dequeued", oid::INT8),
];

const STATUS: &[(&str, Oid)] = &[
    ("name", oid::TEXT),
    ("type", oid::TEXT),
    ("state", oid::TEXT),
    ("holder_pid", oid::INT4),
    ("waiters", oid::INT8),
    ("retries", oid::INT8),
    ("last_error", oid::TEXT),
    ("last_error_time", oid::TIMESTAMPTZ),
];

const COLUMNS: &[(&str, Oid)] = &[
    ("tablename", oid::TEXT),
    ("columnname", oid::TEXT),
    ("type", oid::TEXT),
    ("size", oid::INT8),
    ("sqltype", oid::TEXT),
    ("varinlinesize", oid::INT8),
    ("defaultvalue", oid::TEXT),
    ("dbload", oid::TEXT),
    ("isnullable", oid::TEXT),
    ("lastsequence", oid::INT8),
];

/// The relations of the dialect.
pub(super) fn relations() -> Vec<SystemRelation> {
    let relation = |oid, name, columns, rows| SystemRelation { oid, schema: TRIPLINE, name, columns, view: true, rows };
    vec![
        relation(15_111, "comdb2_procedures", PROCEDURES, procedures),
        relation(15_112, "comdb2_triggers", TRIGGERS, triggers),
        relation(15_113, "comdb2_queues", QUEUES, queues),
        relation(15_115, "comdb2_columns", COLUMNS, columns),
        relation(15_114, "comdb2_trigger_status", STATUS, status),
    ]
}

fn yes_no(yes: bool) -> Value {
    Value::text(if yes { "Y" } else { "N" })
}

fn procedures(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut defs: Vec<_> = own.functions().filter(|def| def.dialect == DIALECT).collect();
    defs.sort_by_key(|def| def.oid);
    let row = |def: &crate::catalog::FunctionDef| {
        let version = def.version.as_deref().unwrap_or_default();
        // The server numbers what the user did not name.
        let named = def.options.iter().any(|(key, _)| key == CLIENT_VERSIONED) || version.parse::<u64>().is_err();
        vec![
            Value::text(&def.name),
            Value::text(version),
            yes_no(named),
            yes_no(def.default_version),
            Value::text(&def.body),
        ]
    };
    Ok(defs.into_iter().map(|def| row(def)).collect())
}

/// Comdb2's name of a column's type, its name in SQL and its size (section 4, CDB-403).
fn column_type(table: &TableDef, column: &Column) -> (String, String, Option<i64>) {
    let name = super::quote_identifier(&column.name);
    let checks = |text: &str| {
        let text = text.replace("{}", &name);
        table.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::Check { expr, .. } if expr.eq_ignore_ascii_case(&text))
        })
    };
    let byte = || {
        let start = format!("octet_length({name}) = ");
        table.constraints.iter().find_map(|constraint| match &constraint.kind {
            ConstraintKind::Check { expr, .. } => expr.strip_prefix(&start)?.parse::<i64>().ok(),
            _ => None,
        })
    };
    let plain = |ty: &str, sql: &str, size: Option<i64>| (ty.to_owned(), sql.to_owned(), size);
    let typmod = column.ty.typmod;
    match column.ty.oid {
        oid::INT2 | oid::BOOL => plain("short", "smallint", Some(2)),
        oid::INT4 if checks("{} BETWEEN 0 AND 65535") => plain("u_short", "smallint", Some(2)),
        oid::INT4 => plain("int", "int", Some(4)),
        oid::INT8 if checks("{} BETWEEN 0 AND 4294967295") => plain("u_int", "int", Some(4)),
        oid::INT8 => plain("longlong", "largeint", Some(8)),
        oid::NUMERIC if checks("{} BETWEEN 0 AND 18446744073709551615") => plain("u_longlong", "largeint", Some(8)),
        oid::NUMERIC => match DecimalFormat::of(column.ty) {
            Some(format) => plain(format.name, "decimal", Some(format.bytes)),
            None => plain("decimal128", "decimal", Some(16)),
        },
        oid::FLOAT4 => plain("float", "smallfloat", Some(4)),
        oid::FLOAT8 => plain("double", "double", Some(8)),
        oid::VARCHAR | oid::BPCHAR => {
            let size = i64::from(typmod.saturating_sub(4)).max(0);
            ("cstring".to_owned(), format!("char({size})"), Some(size))
        }
        oid::BYTEA => match byte() {
            Some(size) => ("byte".to_owned(), format!("blob({size})"), Some(size)),
            None => plain("blob", "blob", None),
        },
        oid::TIMESTAMPTZ if typmod == 3 => plain("datetime", "datetime", Some(8)),
        oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => plain("datetimeus", "datetimeus", Some(8)),
        oid::INTERVAL if typmod >> 16 == 6 => plain("intervalym", "interval month", Some(8)),
        oid::INTERVAL if typmod >= 0 && typmod & 0xFFFF == 3 => plain("intervalds", "interval sec", Some(8)),
        oid::INTERVAL => plain("intervaldsus", "interval usec", Some(8)),
        _ => plain("vutf8", "varchar", None),
    }
}

/// One row per column of every user table, tables by name, columns in their order (CDB-1101).
fn columns(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut tables: Vec<_> = own.tables().filter(|table| !table.hidden).collect();
    tables.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let mut rows = Vec::new();
    for table in tables {
        for (_, column) in table.live_columns() {
            let (ty, sql, size) = column_type(table, column);
            let size: Value = size.into();
            rows.push(vec![
                Value::text(&table.name),
                Value::text(&column.name),
                Value::from(ty),
                size.clone(),
                Value::from(sql),
                size,
                column.default.clone().into(),
                Value::Null,
                yes_no(!column.not_null),
                Value::Null,
            ]);
        }
    }
    Ok(rows)
}

/// The dialect's triggers in the order of their creation.
fn definitions(own: &Catalog) -> Vec<&TriggerDef> {
    let mut defs: Vec<&TriggerDef> = own.triggers().filter(|def| def.dialect == DIALECT).map(AsRef::as_ref).collect();
    defs.sort_by_key(|def| def.id);
    defs
}

/// `trigger` or `consumer`.
fn kind(def: &TriggerDef) -> Value {
    Value::text(if def.kind.contains("consumer") { "consumer" } else { "trigger" })
}

fn triggers(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in definitions(&own) {
        let sequence = def.options.iter().any(|(name, value)| name == "sequence" && value == "true");
        for event in &def.events {
            let table = own.watched_name(def, event.table).unwrap_or_default();
            let anew = |other: &TableId| *other != event.table && own.watched_name(def, *other) == Some(table);
            if !def.tables.contains(&event.table) && def.tables.iter().any(anew) {
                continue;
            }
            for (name, columns) in [("add", &event.insert), ("upd", &event.update), ("del", &event.delete)] {
                for column in columns.iter().flatten() {
                    rows.push(vec![
                        Value::text(&def.name),
                        kind(def),
                        Value::text(table),
                        Value::text(name),
                        Value::text(column),
                        yes_no(sequence),
                    ]);
                }
            }
        }
    }
    Ok(rows)
}

/// The dialect's triggers with their rows of `tripline.subscriptions`.
fn subscribed(context: &dyn SystemContext, row: impl Fn(&TriggerDef, &[Value]) -> Row) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let all = context.engine_rows("subscriptions")?;
    let of = |def: &TriggerDef| all.iter().find(|row| row.first() == Some(&Value::Oid(def.id.0)));
    Ok(definitions(&own).into_iter().filter_map(|def| of(def).map(|found| row(def, found))).collect())
}

/// A field of a subscription by its name.
fn field(subscription: &[Value], name: &str) -> Value {
    let place = super::tripline::SUBSCRIPTIONS.iter().position(|(column, _)| *column == name);
    place.and_then(|place| subscription.get(place)).cloned().unwrap_or(Value::Null)
}

fn queues(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    subscribed(context, |def, found| {
        let age = match field(found, "oldest_age") {
            Value::Interval(age) => age.micros.div_euclid(1_000_000),
            _ => 0,
        };
        let number = |name| field(found, name).as_i64().unwrap_or(0);
        let (depth, delivered) = (number("depth"), number("delivered"));
        vec![
            Value::from(format!("__q{}", def.name)),
            Value::text(&def.name),
            Value::Int8(age),
            Value::Int8(depth),
            Value::Int8(delivered.saturating_add(depth)),
            Value::Int8(delivered),
        ]
    })
}

fn status(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    subscribed(context, |def, found| {
        vec![
            Value::text(&def.name),
            kind(def),
            field(found, "state"),
            field(found, "holder_pid"),
            field(found, "waiters"),
            field(found, "attempts"),
            field(found, "last_error"),
            field(found, "last_error_at"),
        ]
    })
}
