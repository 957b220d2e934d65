//! Functions and domains in information_schema: `routines`, `parameters`, `domain_constraints`, `column_udt_usage` (PG-134).

use crate::catalog::{FunctionDef, FunctionKind, INFORMATION_SCHEMA, SQL_FUNCTIONS, TypeKind};
use crate::error::Result;
use crate::plan::{SystemContext, SystemRows};
use crate::types::{DataType, Row, Value, type_info};

use super::information::{data_type, database_name, type_place, yes_no};
use super::{catalog, int4, schema_name};

/// Which function computes which view.
pub(super) fn rows(name: &str) -> Option<SystemRows> {
    Some(match name {
        "routines" => routines,
        "parameters" => parameters,
        "domain_constraints" => domain_constraints,
        "column_udt_usage" => column_udt_usage,
        _ => return None,
    })
}

/// A row of a view: what is not given is NULL.
fn row(view: &str, known: Vec<(&str, Value)>) -> Row {
    let Some(relation) = super::relation(INFORMATION_SCHEMA, view) else { return Row::new() };
    let value = |name: &str| known.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
    relation.columns.iter().map(|(name, _)| value(name).unwrap_or_default()).collect()
}

fn is_routine(def: &FunctionDef) -> bool {
    def.dialect == SQL_FUNCTIONS && matches!(def.kind, FunctionKind::Function | FunctionKind::Procedure)
}

fn specific_name(def: &FunctionDef) -> Value {
    format!("{}_{}", def.name, def.oid).into()
}

fn routines(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    for def in own.functions().filter(|def| is_routine(def)) {
        let schema = || Value::from(schema_name(&own, def.schema));
        let procedure = def.kind == FunctionKind::Procedure;
        let mut known = vec![
            ("specific_catalog", database.clone()),
            ("specific_schema", schema()),
            ("specific_name", specific_name(def)),
            ("routine_catalog", database.clone()),
            ("routine_schema", schema()),
            ("routine_name", def.name.as_str().into()),
            ("routine_type", Value::from(if procedure { "PROCEDURE" } else { "FUNCTION" })),
            ("routine_body", Value::from(if def.language == "sql" { "SQL" } else { "EXTERNAL" })),
            ("routine_definition", def.body.as_str().into()),
            ("external_language", def.language.to_uppercase().into()),
            ("parameter_style", "GENERAL".into()),
            ("is_deterministic", yes_no(def.volatility == Some('i'))),
            ("sql_data_access", "MODIFIES".into()),
            ("schema_level_routine", "YES".into()),
            ("max_dynamic_result_sets", Value::Int4(0)),
            ("security_type", "INVOKER".into()),
            ("as_locator", "NO".into()),
            ("is_udt_dependent", "NO".into()),
        ];
        if !procedure {
            let (udt_schema, udt_name) = type_place(&own, def.returns.oid);
            known.extend([
                ("data_type", data_type(def.returns, type_info(def.returns.oid)).into()),
                ("type_udt_catalog", database.clone()),
                ("type_udt_schema", udt_schema),
                ("type_udt_name", udt_name),
                ("dtd_identifier", "0".into()),
                ("is_null_call", yes_no(def.strict)),
            ]);
        }
        rows.push(row("routines", known));
    }
    Ok(rows)
}

fn parameters(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.functions().filter(|def| is_routine(def)) {
        let inputs = def.arguments.iter().map(|argument| ("IN", argument));
        let all = inputs.chain(def.columns.iter().map(|column| ("OUT", column)));
        for (place, (mode, (name, ty))) in all.enumerate() {
            let plain = DataType::new(ty.oid);
            let (udt_schema, udt_name) = type_place(&own, ty.oid);
            let first_default = def.arguments.len() - def.defaults.len().min(def.arguments.len());
            let default = place.checked_sub(first_default).filter(|_| mode == "IN").and_then(|at| def.defaults.get(at));
            let default = default.map_or(Value::Null, |text| {
                let args = [Value::from(text.as_str()), Value::Oid(0)];
                context.runtime().deparse("pg_get_expr", &args).unwrap_or_else(|_| text.as_str().into())
            });
            let known = vec![
                ("specific_catalog", database_name(context)),
                ("specific_schema", schema_name(&own, def.schema).into()),
                ("specific_name", specific_name(def)),
                ("ordinal_position", int4(place + 1)),
                ("parameter_mode", mode.into()),
                ("is_result", "NO".into()),
                ("as_locator", "NO".into()),
                ("parameter_name", if name.is_empty() { Value::Null } else { name.as_str().into() }),
                ("data_type", data_type(plain, type_info(ty.oid)).into()),
                ("udt_catalog", database_name(context)),
                ("udt_schema", udt_schema),
                ("udt_name", udt_name),
                ("dtd_identifier", (place + 1).to_string().into()),
                ("parameter_default", default),
            ];
            rows.push(row("parameters", known));
        }
    }
    Ok(rows)
}

fn domain_constraints(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.types() {
        let TypeKind::Domain(domain) = &def.kind else { continue };
        let schema = || Value::from(schema_name(&own, def.schema));
        rows.extend(domain.checks.iter().map(|check| {
            let known = vec![
                ("constraint_catalog", database_name(context)),
                ("constraint_schema", schema()),
                ("constraint_name", check.name.as_str().into()),
                ("domain_catalog", database_name(context)),
                ("domain_schema", schema()),
                ("domain_name", def.name.as_str().into()),
                ("is_deferrable", "NO".into()),
                ("initially_deferred", "NO".into()),
            ];
            row("domain_constraints", known)
        }));
    }
    Ok(rows)
}

fn column_udt_usage(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let tables = own.tables().filter(|def| !def.hidden && !def.is_materialized());
    let tables = tables.map(|def| (def.schema, &def.name, def.live_columns().map(|(_, one)| one).collect::<Vec<_>>()));
    let views = own.views().map(|def| (def.schema, &def.name, def.columns.iter().collect()));
    let mut rows = Vec::new();
    for (schema, name, columns) in tables.chain(views) {
        for column in columns {
            let (udt_schema, udt_name) = type_place(&own, column.ty.oid);
            let known = vec![
                ("udt_catalog", database_name(context)),
                ("udt_schema", udt_schema),
                ("udt_name", udt_name),
                ("table_catalog", database_name(context)),
                ("table_schema", schema_name(&own, schema).into()),
                ("table_name", name.as_str().into()),
                ("column_name", column.name.as_str().into()),
            ];
            rows.push(row("column_udt_usage", known));
        }
    }
    Ok(rows)
}
