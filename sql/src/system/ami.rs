//! What SHOW and DESCRIBE of AMI read (AMI-64): relations of the schema `tripline` with AMI's column names, and the
//! statements that would make an object again. What is counted while triggers run comes from the engine.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::catalog::{Catalog, FunctionDef, FunctionKind, Persistence, TRIPLINE, TableDef, TriggerDef};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::{SystemContext, SystemRelation};
use crate::types::{DataType, Oid, Row, Value, oid};

use super::catalog;

const DIALECT: &str = "ami";
const TIMER: &str = "timer";
const SOURCE: &str = "data_source";

const TABLES: &[(&str, Oid)] = &[
    ("TableName", oid::TEXT),
    ("Broadcast", oid::BOOL),
    ("RefreshPeriodMs", oid::INT8),
    ("SourceTableNames", oid::TEXT),
    ("PersistEngine", oid::TEXT),
    ("OnUndefColumn", oid::TEXT),
    ("DefinedBy", oid::TEXT),
];

const TRIGGERS: &[(&str, Oid)] = &[
    ("TriggerName", oid::TEXT),
    ("TableName", oid::TEXT),
    ("TriggerType", oid::TEXT),
    ("Priority", oid::INT8),
    ("Options", oid::TEXT),
    ("DefinedBy", oid::TEXT),
    ("Enabled", oid::BOOL),
    ("ExecutedCount", oid::INT8),
    ("MillisSpent", oid::FLOAT8),
    ("AvgMillisSpent", oid::FLOAT8),
    ("ErrorsCount", oid::INT8),
    ("ReturnedFalseCount", oid::INT8),
    ("SentCount", oid::INT8),
    ("DroppedCount", oid::INT8),
    ("RejectedCount", oid::INT8),
    ("LastError", oid::TEXT),
];

const TIMERS: &[(&str, Oid)] = &[
    ("TimerName", oid::TEXT),
    ("TimerType", oid::TEXT),
    ("Priority", oid::INT8),
    ("Schedule", oid::TEXT),
    ("Options", oid::TEXT),
    ("LastRunTime", oid::INT8),
    ("NextRunTime", oid::INT8),
    ("Enabled", oid::BOOL),
];

const INDEXES: &[(&str, Oid)] = &[
    ("IndexName", oid::TEXT),
    ("TableName", oid::TEXT),
    ("ColumnName", oid::TEXT),
    ("IndexType", oid::TEXT),
    ("IndexPosition", oid::INT4),
    ("Constraint", oid::TEXT),
    ("AutoGen", oid::TEXT),
    ("DefinedBy", oid::TEXT),
];

const COLUMNS: &[(&str, Oid)] = &[
    ("TableName", oid::TEXT),
    ("ColumnName", oid::TEXT),
    ("DataType", oid::TEXT),
    ("NoNull", oid::BOOL),
    ("Position", oid::INT4),
];

const PROCEDURES: &[(&str, Oid)] = &[
    ("ProcedureName", oid::TEXT),
    ("ProcedureType", oid::TEXT),
    ("ReturnType", oid::TEXT),
    ("Arguments", oid::TEXT),
    ("Options", oid::TEXT),
    ("DefinedBy", oid::TEXT),
];

const METHODS: &[(&str, Oid)] = &[
    ("MethodName", oid::TEXT),
    ("ReturnType", oid::TEXT),
    ("Arguments", oid::TEXT),
    ("Definition", oid::TEXT),
    ("DefinedBy", oid::TEXT),
];

const DATASOURCES: &[(&str, Oid)] = &[
    ("DatasourceName", oid::TEXT),
    ("AdapterType", oid::TEXT),
    ("Url", oid::TEXT),
    ("UserName", oid::TEXT),
    ("Options", oid::TEXT),
];

const VARS: &[(&str, Oid)] = &[("VarName", oid::TEXT), ("VarType", oid::TEXT), ("Value", oid::TEXT)];

/// The relations of the dialect.
pub(super) fn relations() -> Vec<SystemRelation> {
    let relation = |oid, name, columns, rows| SystemRelation { oid, schema: TRIPLINE, name, columns, view: true, rows };
    vec![
        relation(15_121, "ami_tables", TABLES, tables),
        relation(15_122, "ami_triggers", TRIGGERS, triggers),
        relation(15_123, "ami_timers", TIMERS, timers),
        relation(15_124, "ami_indexes", INDEXES, indexes),
        relation(15_125, "ami_columns", COLUMNS, columns),
        relation(15_126, "ami_procedures", PROCEDURES, procedures),
        relation(15_127, "ami_methods", METHODS, methods),
        relation(15_128, "ami_datasources", DATASOURCES, data_sources),
        relation(15_129, "ami_vars", VARS, vars),
    ]
}

/// Data sources of `use ds=…`: this server, and those that were added (AMI-80). No passwords.
fn data_sources(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = vec![["AMI", "AMI", "", "", ""].map(Value::text).to_vec()];
    let mut defs: Vec<_> = own.triggers().filter(|def| def.kind == SOURCE).collect();
    defs.sort_by_key(|def| def.id);
    for def in defs {
        let text = |key: &str| Value::text(def.option(key).unwrap_or_default());
        rows.push(vec![Value::text(&def.name), text("adapter"), text("url"), text("user"), text("options")]);
    }
    Ok(rows)
}

/// Settings of the session that AMI statements depend on, as variables.
fn vars(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let runtime = context.runtime();
    let names = ["dialect", "timezone", "statement_timeout", "lock_timeout"];
    let row = |name: &str| {
        vec![Value::text(name), Value::text("String"), runtime.setting(name).map_or(Value::Null, Value::from)]
    };
    Ok(names.iter().map(|name| row(name)).collect())
}

fn ami_tables(catalog: &Catalog) -> Vec<&Arc<TableDef>> {
    // Private tables are not shown: nobody could tell whose they are.
    let shown =
        |def: &&Arc<TableDef>| def.dialect == DIALECT && !def.hidden && def.persistence != Persistence::Temporary;
    let mut found: Vec<_> = catalog.tables().filter(shown).collect();
    found.sort_by_key(|def| def.id);
    found
}

fn option<'d>(options: &'d [(String, String)], key: &str) -> Option<&'d str> {
    options.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// Options of a table's USE clause; the rest of its options describes its columns.
fn use_options(options: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    options.iter().filter(|(key, _)| !key.contains(' '))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A name as AMI reads it back.
fn name_text(name: &str) -> String {
    let plain =
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { name.to_owned() } else { format!("`{name}`") }
}

fn options_text<'d>(options: impl Iterator<Item = &'d (String, String)>) -> String {
    options.map(|(key, value)| format!("{key}={}", quoted(value))).collect::<Vec<_>>().join(" ")
}

fn tables(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let row = |def: &Arc<TableDef>| {
        let text = |key: &str| option(&def.options, key).map_or(Value::Null, Value::text);
        let sources: Vec<String> = own
            .triggers()
            .filter(|trigger| trigger.kind != "amiscript" && trigger.kind != "relay")
            .filter(|trigger| trigger.dialect == DIALECT && trigger.tables.last() == Some(&def.id))
            .flat_map(|trigger| trigger.tables[..trigger.tables.len().saturating_sub(1)].iter())
            .filter_map(|id| own.table(*id).map(|source| source.name.clone()))
            .collect();
        vec![
            def.name.clone().into(),
            Value::Bool(option(&def.options, "Broadcast").is_none_or(|word| word.eq_ignore_ascii_case("true"))),
            option(&def.options, "RefreshPeriodMs").and_then(|ms| ms.parse().ok()).map_or(Value::Null, Value::Int8),
            if sources.is_empty() { Value::Null } else { Value::from(sources.join(",")) },
            text("PersistEngine"),
            Value::from(option(&def.options, "OnUndefColumn").unwrap_or("REJECT").to_uppercase()),
            "USER".into(),
        ]
    };
    Ok(ami_tables(&own).into_iter().map(row).collect())
}

/// What the engine knows, by trigger: calls, milliseconds, errors, returned false; or of a timer, last and next run.
fn known(context: &dyn SystemContext, what: &str) -> Result<HashMap<Oid, Row>> {
    let rows = context.engine_rows(what)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match row.first() {
            Some(Value::Oid(id)) => Some((*id, row)),
            _ => None,
        })
        .collect())
}

fn defs_of(catalog: &Catalog, timers: bool) -> Vec<&Arc<TriggerDef>> {
    let mut found: Vec<_> =
        catalog.triggers().filter(|def| if timers { def.kind == TIMER } else { def.dialect == DIALECT }).collect();
    found.sort_by_key(|def| (def.priority, def.id));
    found
}

fn triggers(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let counted = known(context, "trigger_statistics")?;
    let relayed = known(context, "subscriptions")?;
    let sent = |def: &TriggerDef, column: &str| {
        let place = super::tripline::SUBSCRIPTIONS.iter().position(|(name, _)| *name == column);
        let row = relayed.get(&def.id.0).filter(|_| def.kind == "relay");
        row.zip(place).and_then(|(row, place)| row.get(place)).cloned().unwrap_or(Value::Null)
    };
    let row = |def: &Arc<TriggerDef>| {
        let names: Vec<String> =
            def.tables.iter().filter_map(|id| own.table(*id).map(|table| table.name.clone())).collect();
        let count = |at: usize| match counted.get(&def.id.0).and_then(|row| row.get(at)) {
            Some(Value::Int8(n)) => *n,
            _ => 0,
        };
        let millis = match counted.get(&def.id.0).and_then(|row| row.get(2)) {
            Some(Value::Float8(millis)) => *millis,
            _ => 0.0,
        };
        #[allow(clippy::cast_precision_loss, reason = "a time for people to read")]
        let average = if count(1) == 0 { Value::Null } else { Value::Float8(millis / count(1) as f64) };
        vec![
            def.name.clone().into(),
            names.join(",").into(),
            def.kind.to_uppercase().into(),
            Value::Int8(def.priority),
            options_text(def.options.iter()).into(),
            "USER".into(),
            Value::Bool(def.enabled),
            Value::Int8(count(1)),
            Value::Float8(millis),
            average,
            Value::Int8(count(3)),
            Value::Int8(count(4)),
            // AMI-157
            sent(def, "delivered"),
            sent(def, "dropped"),
            sent(def, "rejected"),
            match (sent(def, "last_error"), counted.get(&def.id.0).and_then(|row| row.get(5))) {
                (Value::Null, Some(known)) => known.clone(),
                (own, _) => own,
            },
        ]
    };
    Ok(defs_of(&own, false).into_iter().map(row).collect())
}

fn timers(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let counted = known(context, "timer_times")?;
    let row = |def: &Arc<TriggerDef>| {
        let time = |at: usize| counted.get(&def.id.0).and_then(|row| row.get(at)).cloned().unwrap_or(Value::Null);
        vec![
            def.name.clone().into(),
            "AMISCRIPT".into(),
            Value::Int8(def.priority),
            def.body.clone().into(),
            options_text(def.options.iter()).into(),
            time(1),
            time(2),
            Value::Bool(def.enabled),
        ]
    };
    Ok(defs_of(&own, true).into_iter().map(row).collect())
}

fn indexes(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for table in ami_tables(&own) {
        for index in table.indexes.iter().filter(|index| is_shown(table, index)) {
            for (at, key) in index.keys.iter().enumerate() {
                let Some(column) = key.column.and_then(|place| table.columns.get(place)) else { continue };
                rows.push(vec![
                    Value::text(index.option("index name").unwrap_or(&index.name)),
                    table.name.clone().into(),
                    column.name.clone().into(),
                    Value::text(index.option(&format!("type of {}", column.name)).unwrap_or("SORT")),
                    Value::Int4(i32::try_from(at).unwrap_or(i32::MAX)),
                    constraint_word(index).into(),
                    Value::from(index.option("autogen").unwrap_or("NONE").to_uppercase()),
                    "USER".into(),
                ]);
            }
        }
    }
    Ok(rows)
}

/// Whether it is one that a user made: look-ups of triggers and the key of `I` are not.
fn is_shown(table: &TableDef, index: &crate::catalog::IndexDef) -> bool {
    index.option("object key").is_none() && !index.name.starts_with(&format!("{}_{}_trigger", table.name, index.oid))
}

fn constraint_word(index: &crate::catalog::IndexDef) -> &'static str {
    match (index.upsert, index.unique) {
        (true, _) => "PRIMARY",
        (false, true) => "UNIQUE",
        (false, false) => "NONE",
    }
}

fn columns(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for table in ami_tables(&own) {
        for (at, (_, column)) in table.live_columns().enumerate() {
            rows.push(vec![
                table.name.clone().into(),
                column.name.clone().into(),
                type_text(table, &column.name, column.ty).into(),
                Value::Bool(column.not_null),
                Value::Int4(i32::try_from(at).unwrap_or(i32::MAX)),
            ]);
        }
    }
    Ok(rows)
}

/// A column's type as it was written, or AMI's word for it.
fn type_text(table: &TableDef, column: &str, ty: DataType) -> String {
    if let Some(text) = option(&table.options, &format!("type of {column}")) {
        return text.to_owned();
    }
    type_word(ty).to_owned()
}

fn type_word(ty: DataType) -> &'static str {
    match ty.oid {
        oid::INT2 => "Short",
        oid::INT4 => "Integer",
        oid::INT8 => "Long",
        oid::FLOAT4 => "Float",
        oid::FLOAT8 => "Double",
        oid::BOOL => "Boolean",
        oid::BPCHAR => "Character",
        oid::TIMESTAMPTZ => "UTC",
        oid::NUMERIC => "BigDecimal",
        oid::UUID => "UUID",
        oid::BYTEA => "Binary",
        oid::VOID => "Object",
        oid::RECORD => "Object",
        _ => "String",
    }
}

fn functions(catalog: &Catalog, kind: FunctionKind) -> Vec<&Arc<FunctionDef>> {
    let mut found: Vec<_> = catalog.functions().filter(|def| def.dialect == DIALECT && def.kind == kind).collect();
    found.sort_by_key(|def| def.oid);
    found
}

fn procedures(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let row = |def: &Arc<FunctionDef>| {
        vec![
            def.name.clone().into(),
            "AMISCRIPT".into(),
            "Object".into(),
            Value::text(option(&def.options, "arguments").unwrap_or("")),
            options_text(def.options.iter()).into(),
            "USER".into(),
        ]
    };
    Ok(functions(&own, FunctionKind::Procedure).into_iter().map(row).collect())
}

fn methods(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let row = |def: &Arc<FunctionDef>| {
        vec![
            def.name.clone().into(),
            Value::text(option(&def.options, "returns").unwrap_or("")),
            Value::text(option(&def.options, "arguments").unwrap_or("")),
            method_text(def).into(),
            "USER".into(),
        ]
    };
    Ok(functions(&own, FunctionKind::Function).into_iter().map(row).collect())
}

/// A table by AMI's rules: exact, then the only one that differs by case. Errors: 42P01.
fn table_named<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<TableDef>> {
    let all = || catalog.tables().filter(|def| !def.hidden && def.schema == crate::catalog::PUBLIC);
    if let Some(found) = all().find(|def| def.name == name) {
        return Ok(found);
    }
    let mut loose = all().filter(|def| def.name.eq_ignore_ascii_case(name));
    match (loose.next(), loose.next()) {
        (Some(found), None) => Ok(found),
        _ => Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))),
    }
}

/// `ami_table(name)`: the exact name of a table. Errors: 42P01.
pub(super) fn table_name(catalog: &Catalog, name: &str) -> Result<Value> {
    table_named(catalog, name).map(|def| Value::text(&def.name))
}

/// `ami_describe(kind, name)`: the statements that make the object again. Errors: 42P01, 42704, 42883.
pub(super) fn describe(catalog: &Catalog, kind: &str, name: &str) -> Result<Value> {
    let missing = |state: SqlState| SqlError::new(state, format!("{kind} \"{name}\" does not exist"));
    let text = match kind {
        "table" => table_text(table_named(catalog, name)?),
        "trigger" | "timer" => {
            let mut found = defs_of(catalog, kind == TIMER).into_iter();
            let def = found.find(|def| def.name.eq_ignore_ascii_case(name));
            def.ok_or_else(|| missing(SqlState::UNDEFINED_OBJECT))?.text.clone()
        }
        "procedure" => {
            let mut found = functions(catalog, FunctionKind::Procedure).into_iter();
            let def = found.find(|def| def.name.eq_ignore_ascii_case(name));
            let def = def.ok_or_else(|| missing(SqlState::UNDEFINED_FUNCTION))?;
            format!(
                "CREATE PROCEDURE {} OFTYPE AMISCRIPT USE {}",
                name_text(&def.name),
                options_text(def.options.iter())
            )
        }
        _ => {
            let all = functions(catalog, FunctionKind::Function);
            let texts: Vec<String> =
                all.into_iter().filter(|def| def.name == name).map(|def| method_text(def)).collect();
            if texts.is_empty() {
                return Err(missing(SqlState::UNDEFINED_FUNCTION));
            }
            texts.join(";\n")
        }
    };
    Ok(Value::from(text))
}

fn method_text(def: &FunctionDef) -> String {
    format!("CREATE METHOD {}", def.body)
}

fn table_text(table: &TableDef) -> String {
    let mut text = format!("CREATE PUBLIC TABLE {}(", name_text(&table.name));
    for (at, (_, column)) in table.live_columns().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{} {}", name_text(&column.name), type_text(table, &column.name, column.ty));
        if column.not_null {
            text.push_str(" NONULL");
        }
    }
    text.push(')');
    let options = options_text(use_options(&table.options));
    if !options.is_empty() {
        let _ = write!(text, " USE {options}");
    }
    text.push(';');
    for index in table.indexes.iter().filter(|index| is_shown(table, index)) {
        let keys: Vec<String> = index
            .keys
            .iter()
            .filter_map(|key| key.column.and_then(|place| table.columns.get(place)))
            .map(|column| {
                let word = index.option(&format!("type of {}", column.name)).unwrap_or("SORT");
                format!("{} {word}", name_text(&column.name))
            })
            .collect();
        let _ = write!(
            text,
            "\nCREATE INDEX {} ON {}({}) USE CONSTRAINT=\"{}\"",
            name_text(index.option("index name").unwrap_or(&index.name)),
            name_text(&table.name),
            keys.join(","),
            constraint_word(index)
        );
        if let Some(word) = index.option("autogen").filter(|word| !word.eq_ignore_ascii_case("NONE")) {
            let _ = write!(text, " AUTOGEN=\"{}\"", word.to_uppercase());
        }
        text.push(';');
    }
    text
}
