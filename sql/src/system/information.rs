//! information_schema: the views that clients read (section 11); the others exist and are empty.

use crate::catalog::{
    AclItem, Catalog, CheckOption, Column, ConstraintKind, ForeignKeyAction, Identity, MatchType, Privilege, Relation,
    TableDef, TableId, TypeKind,
};
use crate::error::Result;
use crate::plan::{SystemContext, SystemRows};
use crate::types::{DataType, Oid, Row, TypeInfo, Value, element_type_of, format_type, oid, type_info};

use super::access::role_name;
use super::relations::{default_text, has_default, marked_default, user_relations, view_writes, view_writes_column};
use super::{catalog, int4, schema_name};

/// The one list of which function computes which view.
pub(super) fn rows(name: &str) -> Option<SystemRows> {
    Some(match name {
        "columns" => columns,
        "tables" => tables,
        "schemata" => schemata,
        "sequences" => sequences,
        "views" => views,
        "table_constraints" => table_constraints,
        "key_column_usage" => key_column_usage,
        "constraint_column_usage" => constraint_column_usage,
        "referential_constraints" => referential_constraints,
        "check_constraints" => check_constraints,
        "constraint_table_usage" => constraint_table_usage,
        "character_sets" => character_sets,
        "element_types" => element_types,
        "table_privileges" | "role_table_grants" => table_privileges,
        "column_privileges" | "role_column_grants" => column_privileges,
        "triggers" => triggers,
        "domains" => domains,
        "information_schema_catalog_name" => |context, _| Ok(vec![vec![database_name(context)]]),
        "enabled_roles" | "applicable_roles" => enabled_roles,
        other => return super::routines::rows(other),
    })
}

pub(super) fn database_name(context: &dyn SystemContext) -> Value {
    let set = context.runtime().catalogs();
    set.shared.database(context.runtime().database()).map_or(Value::Null, |def| Value::from(def.name.as_str()))
}

pub(super) fn yes_no(yes: bool) -> Value {
    Value::from(if yes { "YES" } else { "NO" })
}

/// Length, octets; precision, radix, scale; date and time precision of a type, as information_schema tells them.
pub(super) struct Measures {
    pub(super) length: Value,
    pub(super) octets: Value,
    pub(super) precision: Value,
    pub(super) radix: Value,
    pub(super) scale: Value,
    pub(super) time: Value,
    /// The fields of an interval.
    pub(super) interval: Value,
}

pub(super) fn measures(ty: DataType) -> Measures {
    let mut found = Measures {
        length: Value::Null,
        octets: Value::Null,
        precision: Value::Null,
        radix: Value::Null,
        scale: Value::Null,
        time: Value::Null,
        interval: Value::Null,
    };
    let number = |precision: i32, radix: i32, scale: Value| (Value::Int4(precision), Value::Int4(radix), scale);
    match ty.oid {
        oid::VARCHAR | oid::BPCHAR if ty.typmod > 4 => {
            found.length = Value::Int4(ty.typmod - 4);
            found.octets = Value::Int4((ty.typmod - 4).saturating_mul(4));
        }
        oid::TEXT | oid::VARCHAR | oid::BPCHAR => found.octets = Value::Int4(1_073_741_824),
        oid::INT2 => (found.precision, found.radix, found.scale) = number(16, 2, Value::Int4(0)),
        oid::INT4 => (found.precision, found.radix, found.scale) = number(32, 2, Value::Int4(0)),
        oid::INT8 => (found.precision, found.radix, found.scale) = number(64, 2, Value::Int4(0)),
        oid::FLOAT4 => (found.precision, found.radix, found.scale) = number(24, 2, Value::Null),
        oid::FLOAT8 => (found.precision, found.radix, found.scale) = number(53, 2, Value::Null),
        oid::NUMERIC if ty.typmod >= 4 => {
            let (precision, scale) = ((ty.typmod - 4) >> 16 & 0xffff, (ty.typmod - 4) & 0x7ff);
            (found.precision, found.radix, found.scale) = number(precision, 10, Value::Int4(scale));
        }
        oid::NUMERIC => found.radix = Value::Int4(10),
        oid::DATE => found.time = Value::Int4(0),
        oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            found.time = Value::Int4(if ty.typmod >= 0 { ty.typmod } else { 6 });
        }
        oid::BIT | oid::VARBIT if ty.typmod > 0 => found.length = Value::Int4(ty.typmod),
        oid::INTERVAL => {
            let name = format_type(ty);
            let precision = name.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')')?.parse().ok());
            found.time = Value::Int4(precision.unwrap_or(6));
            found.interval = name.split_once(' ').map_or(Value::Null, |(_, fields)| fields.to_uppercase().into());
        }
        _ => {}
    }
    found
}

pub(super) fn data_type(ty: DataType, info: Option<&TypeInfo>) -> String {
    match info {
        Some(info) if info.element != 0 && info.category.letter() == b'A' => "ARRAY".to_owned(),
        Some(info) => info.sql_name.to_owned(),
        None if element_type_of(ty.oid).is_some() => "ARRAY".to_owned(),
        None => "USER-DEFINED".to_owned(),
    }
}

/// What a column's type is below one domain: its base type, or another domain.
fn column_udt(own: &Catalog, column: &Column) -> Oid {
    match own.user_type(column.domain).map(|def| &def.kind) {
        Some(TypeKind::Domain(domain)) if domain.parent != 0 => domain.parent,
        _ => column.ty.oid,
    }
}

/// Schema and name of a type.
pub(super) fn type_place(own: &Catalog, ty: Oid) -> (Value, Value) {
    if let Some(info) = type_info(ty) {
        return ("pg_catalog".into(), info.name.into());
    }
    let (element, mark) = element_type_of(ty).map_or((ty, ""), |element| (element, "_"));
    let (schema, name) = match (own.user_type(element), own.table_of_row_type(element)) {
        (Some(def), _) => (def.schema, &def.name),
        (None, Some(table)) => (table.schema, &table.name),
        (None, None) => return ("pg_catalog".into(), Value::Null),
    };
    (schema_name(own, schema).into(), Value::from(format!("{mark}{name}")))
}

fn domains(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    for def in own.types() {
        let TypeKind::Domain(domain) = &def.kind else { continue };
        let below = DataType { oid: if domain.parent == 0 { domain.base.oid } else { domain.parent }, ..domain.base };
        let found = measures(below);
        let default = domain.default.as_ref().map_or(Value::Null, |text| {
            let args = [Value::from(text.as_str()), Value::Oid(def.oid)];
            context.runtime().deparse("pg_get_expr", &args).unwrap_or_else(|_| text.as_str().into())
        });
        let (udt_schema, udt_name) = type_place(&own, below.oid);
        let mut row = vec![
            database.clone(),
            schema_name(&own, def.schema).into(),
            def.name.as_str().into(),
            data_type(below, type_info(below.oid)).into(),
            found.length,
            found.octets,
        ];
        row.extend(std::iter::repeat_n(Value::Null, 6));
        row.extend([found.precision, found.radix, found.scale, found.time, found.interval, Value::Null, default]);
        row.extend([database.clone(), udt_schema, udt_name, Value::Null, Value::Null, Value::Null, Value::Null]);
        row.push("1".into());
        rows.push(row);
    }
    Ok(rows)
}

struct Owner<'a> {
    context: &'a dyn SystemContext,
    own: &'a Catalog,
    /// OID of the relation.
    relation: Oid,
    schema: Oid,
    name: &'a str,
    updatable: bool,
}

fn column_row(owner: &Owner<'_>, place: usize, column: &Column) -> Row {
    let database = database_name(owner.context);
    let found = measures(column.ty);
    let shown_default = column.generated.is_none() && column.identity.is_none() && has_default(column);
    let default = if shown_default {
        let text = default_text(owner.own, column).unwrap_or_default();
        let args = [Value::from(marked_default(&text, place)), Value::Oid(owner.relation)];
        owner.context.runtime().deparse("pg_get_expr", &args).unwrap_or_else(|_| Value::from(text))
    } else {
        Value::Null
    };
    let sequence = column.identity.and_then(|_| owner.own.sequence(column.sequence?));
    let number = |pick: fn(&crate::catalog::SequenceDef) -> i64| {
        sequence.map_or(Value::Null, |def| Value::from(pick(def).to_string()))
    };
    let null = || Value::Null;
    let udt = column_udt(owner.own, column);
    let (udt_schema, udt_name) = type_place(owner.own, udt);
    let collation = match column.collation.as_deref() {
        Some(name) if name != "default" => [database.clone(), "pg_catalog".into(), name.into()],
        _ => [Value::Null, Value::Null, Value::Null],
    };
    let generated = column.generated.as_ref().map(|generated| {
        let args = [Value::from(generated.expr.as_str()), Value::Oid(owner.relation)];
        owner.context.runtime().deparse("pg_get_expr", &args).unwrap_or_else(|_| generated.expr.as_str().into())
    });
    let domain = match owner.own.user_type(column.domain) {
        Some(def) => [database.clone(), schema_name(owner.own, def.schema).into(), def.name.as_str().into()],
        None => [Value::Null, Value::Null, Value::Null],
    };
    vec![
        database.clone(),
        schema_name(owner.own, owner.schema).into(),
        owner.name.into(),
        column.name.as_str().into(),
        int4(place + 1),
        default,
        yes_no(!column.not_null),
        data_type(DataType { oid: udt, ..column.ty }, type_info(udt)).into(),
        found.length,
        found.octets,
        found.precision,
        found.radix,
        found.scale,
        found.time,
        found.interval,
        null(),
        null(),
        null(),
        null(),
        collation[0].clone(),
        collation[1].clone(),
        collation[2].clone(),
        domain[0].clone(),
        domain[1].clone(),
        domain[2].clone(),
        database,
        udt_schema,
        udt_name,
        null(),
        null(),
        null(),
        null(),
        (place + 1).to_string().into(),
        "NO".into(),
        yes_no(column.identity.is_some()),
        match column.identity {
            None => Value::Null,
            Some(Identity::Always) => "ALWAYS".into(),
            Some(Identity::ByDefault) => "BY DEFAULT".into(),
        },
        number(|def| def.start),
        number(|def| def.increment),
        number(|def| def.max),
        number(|def| def.min),
        yes_no(sequence.is_some_and(|def| def.cycle)),
        Value::from(if column.generated.is_some() { "ALWAYS" } else { "NEVER" }),
        generated.unwrap_or_default(),
        yes_no(owner.updatable),
    ]
}

fn columns(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for relation in user_relations(&own) {
        match relation {
            Relation::Table(def) if def.is_materialized() => {}
            Relation::Table(def) => {
                let owner = Owner {
                    context,
                    own: &own,
                    relation: def.id.0,
                    schema: def.schema,
                    name: &def.name,
                    updatable: true,
                };
                rows.extend(def.live_columns().map(|(place, column)| column_row(&owner, place, column)));
            }
            Relation::View(def) => {
                let owner = Owner {
                    context,
                    own: &own,
                    relation: def.oid,
                    schema: def.schema,
                    name: &def.name,
                    updatable: false,
                };
                rows.extend(def.columns.iter().enumerate().map(|(place, column)| {
                    let updatable = view_writes_column(&own, &def, place);
                    column_row(&Owner { updatable, ..owner }, place, column)
                }));
            }
            Relation::Sequence(_) | Relation::Index(..) => {}
        }
    }
    let system = super::relations().iter();
    rows.extend(system.flat_map(|relation| {
        let owner = Owner {
            context,
            own: &own,
            relation: relation.oid,
            schema: relation.schema,
            name: relation.name,
            updatable: false,
        };
        let column = |(place, (name, ty)): (usize, &(&str, Oid))| {
            let column = Column {
                name: (*name).to_owned(),
                ty: DataType::new(*ty),
                not_null: false,
                default: None,
                identity: None,
                generated: None,
                sequence: None,
                missing: None,
                collation: None,
                dropped: false,
                comment: None,
                domain: 0,
                acl: Vec::new(),
            };
            column_row(&owner, place, &column)
        };
        relation.columns.iter().enumerate().map(column).collect::<Vec<_>>()
    }));
    Ok(rows)
}

fn tables(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let row = |schema: Oid, name: &str, kind: &str, insertable: bool, temporary: bool| {
        vec![
            database.clone(),
            schema_name(&own, schema).into(),
            name.into(),
            kind.into(),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            yes_no(insertable),
            "NO".into(),
            if temporary { "PRESERVE".into() } else { Value::Null },
        ]
    };
    let mut rows = Vec::new();
    for def in own.tables().filter(|def| !def.hidden && !def.is_materialized()) {
        let temporary = def.persistence == crate::catalog::Persistence::Temporary;
        rows.push(row(
            def.schema,
            &def.name,
            if temporary { "LOCAL TEMPORARY" } else { "BASE TABLE" },
            true,
            temporary,
        ));
    }
    rows.extend(own.views().map(|def| row(def.schema, &def.name, "VIEW", view_writes(&own, def).1, false)));
    let system = super::relations().iter();
    rows.extend(system.map(|relation| {
        row(relation.schema, relation.name, if relation.view { "VIEW" } else { "BASE TABLE" }, false, false)
    }));
    Ok(rows)
}

fn schemata(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    let database = database_name(context);
    let row = |name: &str, owner: Oid| {
        let owner = role_name(&set, owner);
        vec![database.clone(), name.into(), owner.into(), Value::Null, Value::Null, Value::Null, Value::Null]
    };
    let mut rows: Vec<Row> = own.schemas().map(|def| row(&def.name, def.owner)).collect();
    for name in ["pg_catalog", "information_schema", "tripline"] {
        if own.schema_by_name(name).is_none() {
            rows.push(row(name, 10));
        }
    }
    Ok(rows)
}

fn sequences(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let free = own.sequences().filter(|def| !def.identity);
    Ok(free
        .map(|def| {
            let found = measures(DataType::new(def.data_type));
            vec![
                database_name(context),
                schema_name(&own, def.schema).into(),
                def.name.as_str().into(),
                format_type(DataType::new(def.data_type)).into(),
                found.precision,
                found.radix,
                Value::Int4(0),
                def.start.to_string().into(),
                def.min.to_string().into(),
                def.max.to_string().into(),
                def.increment.to_string().into(),
                yes_no(def.cycle),
            ]
        })
        .collect())
}

fn views(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    Ok(own
        .views()
        .map(|def| {
            let mut row = vec![database_name(context), schema_name(&own, def.schema).into(), def.name.as_str().into()];
            let option = match def.check_option {
                CheckOption::None => "NONE",
                CheckOption::Local => "LOCAL",
                CheckOption::Cascaded => "CASCADED",
            };
            let (_, writes) = view_writes(&own, def);
            row.extend([super::describe::definition(&def.query), option.into(), yes_no(writes), yes_no(writes)]);
            row.extend(std::iter::repeat_n(Value::from("NO"), 3));
            row
        })
        .collect())
}

/// Every constraint with its table.
fn each_constraint(own: &Catalog, mut visit: impl FnMut(&TableDef, &crate::catalog::Constraint)) {
    for def in own.tables().filter(|def| !def.hidden) {
        for constraint in &def.constraints {
            visit(def, constraint);
        }
    }
}

fn table_constraints(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    let row = |def: &TableDef, name: &str, kind: &str, deferrable: bool, deferred: bool| {
        let schema: Value = schema_name(&own, def.schema).into();
        let index = def.indexes.iter().find(|index| index.name == name);
        let distinct = index.filter(|_| kind == "UNIQUE").map(|index| yes_no(!index.nulls_not_distinct));
        vec![
            database.clone(),
            schema.clone(),
            name.into(),
            database.clone(),
            schema,
            def.name.as_str().into(),
            kind.into(),
            yes_no(deferrable),
            yes_no(deferred),
            "YES".into(),
            distinct.unwrap_or_default(),
        ]
    };
    each_constraint(&own, |def, constraint| {
        let kind = match constraint.kind {
            // The standard does not know it.
            ConstraintKind::Exclude { .. } => return,
            ConstraintKind::PrimaryKey { .. } => "PRIMARY KEY",
            ConstraintKind::Unique { .. } => "UNIQUE",
            ConstraintKind::Check { .. } => "CHECK",
            ConstraintKind::ForeignKey(_) => "FOREIGN KEY",
        };
        rows.push(row(def, &constraint.name, kind, constraint.deferrable, constraint.deferred));
    });
    for def in own.tables().filter(|def| !def.hidden) {
        for (place, _) in def.live_columns().filter(|(_, column)| column.not_null) {
            rows.push(row(def, &format!("{}_{}_{}_not_null", def.schema, def.id.0, place + 1), "CHECK", false, false));
        }
    }
    Ok(rows)
}

/// Columns of a key constraint, and for a foreign key the columns that it refers to.
fn key_columns(def: &TableDef, kind: &ConstraintKind) -> Option<(Vec<usize>, Option<(TableId, Vec<usize>)>)> {
    match kind {
        ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => {
            let index = def.indexes.iter().find(|found| found.oid == *index)?;
            Some((index.keys.iter().filter_map(|key| key.column).collect(), None))
        }
        ConstraintKind::ForeignKey(key) => Some((key.columns.clone(), Some((key.parent, key.parent_columns.clone())))),
        ConstraintKind::Check { .. } | ConstraintKind::Exclude { .. } => None,
    }
}

fn key_column_usage(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    each_constraint(&own, |def, constraint| {
        let Some((places, parent)) = key_columns(def, &constraint.kind) else { return };
        let schema: Value = schema_name(&own, def.schema).into();
        for (number, place) in places.iter().enumerate() {
            rows.push(vec![
                database.clone(),
                schema.clone(),
                constraint.name.as_str().into(),
                database.clone(),
                schema.clone(),
                def.name.as_str().into(),
                def.columns[*place].name.as_str().into(),
                int4(number + 1),
                if parent.is_some() { int4(number + 1) } else { Value::Null },
            ]);
        }
    });
    Ok(rows)
}

fn constraint_column_usage(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    each_constraint(&own, |def, constraint| {
        let (table, places) = match (&constraint.kind, key_columns(def, &constraint.kind)) {
            (_, Some((_, Some((parent, places))))) => (own.table(parent).cloned(), places),
            (_, Some((places, None))) => (own.table(def.id).cloned(), places),
            (ConstraintKind::Check { columns, .. }, None) => (own.table(def.id).cloned(), columns.clone()),
            (_, None) => return,
        };
        let Some(table) = table else { return };
        for place in places {
            rows.push(vec![
                database.clone(),
                schema_name(&own, table.schema).into(),
                table.name.as_str().into(),
                table.columns[place].name.as_str().into(),
                database.clone(),
                schema_name(&own, def.schema).into(),
                constraint.name.as_str().into(),
            ]);
        }
    });
    Ok(rows)
}

fn action(action: ForeignKeyAction) -> Value {
    Value::from(match action {
        ForeignKeyAction::NoAction => "NO ACTION",
        ForeignKeyAction::Restrict => "RESTRICT",
        ForeignKeyAction::Cascade => "CASCADE",
        ForeignKeyAction::SetNull => "SET NULL",
        ForeignKeyAction::SetDefault => "SET DEFAULT",
    })
}

fn referential_constraints(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    each_constraint(&own, |def, constraint| {
        let ConstraintKind::ForeignKey(key) = &constraint.kind else { return };
        let Some((parent, index)) = own.index(key.parent_index) else { return };
        let named = parent.constraints.iter().find(|found| found.oid == index.constraint);
        rows.push(vec![
            database.clone(),
            schema_name(&own, def.schema).into(),
            constraint.name.as_str().into(),
            database.clone(),
            schema_name(&own, parent.schema).into(),
            named.map_or(Value::Null, |found| found.name.as_str().into()),
            Value::from(if key.match_type == MatchType::Full { "FULL" } else { "NONE" }),
            action(key.on_update),
            action(key.on_delete),
        ]);
    });
    Ok(rows)
}

fn check_constraints(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut found: Vec<(Oid, Oid, String)> = Vec::new();
    each_constraint(&own, |def, constraint| {
        if matches!(constraint.kind, ConstraintKind::Check { .. }) {
            found.push((def.schema, constraint.oid, constraint.name.clone()));
        }
    });
    for def in own.types() {
        if let TypeKind::Domain(domain) = &def.kind {
            found.extend(domain.checks.iter().map(|check| (def.schema, check.oid, check.name.clone())));
        }
    }
    let mut rows = Vec::new();
    for (schema, oid, name) in found {
        let text = context.runtime().deparse("pg_get_constraintdef", &[Value::Oid(oid)])?;
        let clause = text.as_str().map(|text| text.strip_prefix("CHECK ").unwrap_or(text).to_owned());
        rows.push(vec![database_name(context), schema_name(&own, schema).into(), name.into(), clause.into()]);
    }
    for def in own.tables().filter(|def| !def.hidden) {
        for (place, column) in def.live_columns().filter(|(_, column)| column.not_null) {
            let name = format!("{}_{}_{}_not_null", def.schema, def.id.0, place + 1);
            let schema = schema_name(&own, def.schema).into();
            rows.push(vec![database_name(context), schema, name.into(), format!("{} IS NOT NULL", column.name).into()]);
        }
    }
    Ok(rows)
}

/// The table that each key relies on: of a foreign key the referenced one.
fn constraint_table_usage(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    each_constraint(&own, |def, constraint| {
        let table = match &constraint.kind {
            ConstraintKind::ForeignKey(key) => own.table(key.parent),
            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => own.table(def.id),
            ConstraintKind::Check { .. } | ConstraintKind::Exclude { .. } => None,
        };
        let Some(table) = table else { return };
        rows.push(vec![
            database.clone(),
            schema_name(&own, table.schema).into(),
            table.name.as_str().into(),
            database.clone(),
            schema_name(&own, def.schema).into(),
            constraint.name.as_str().into(),
        ]);
    });
    Ok(rows)
}

/// The one encoding there is.
fn character_sets(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let database = database_name(context);
    Ok(vec![vec![
        Value::Null,
        Value::Null,
        Value::from("UTF8"),
        Value::from("UCS"),
        Value::from("UTF8"),
        database,
        Value::from("pg_catalog"),
        Value::from("C"),
    ]])
}

/// What the items of array columns and of domains over arrays are.
fn element_types(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let database = database_name(context);
    let mut rows = Vec::new();
    let mut add = |schema: Oid, name: &str, kind: &str, identifier: String, ty: DataType| {
        let Some(element) = element_type_of(ty.oid) else { return };
        let element = DataType::with_typmod(element, ty.typmod);
        let info = type_info(element.oid);
        let found = measures(element);
        let mut row: Row = vec![database.clone(), schema_name(&own, schema).into(), Value::from(name)];
        row.extend([Value::from(kind), Value::from(identifier.as_str()), data_type(element, info).into()]);
        row.extend([found.length, found.octets]);
        row.resize(14, Value::Null);
        row.extend([found.precision, found.radix, found.scale, found.time, found.interval, Value::Null, Value::Null]);
        let udt = info.map_or_else(
            || own.user_type(element.oid).map_or(Value::Null, |def| def.name.as_str().into()),
            |info| Value::from(info.name),
        );
        let udt_schema = if info.is_some() {
            Value::from("pg_catalog")
        } else {
            own.user_type(element.oid).map_or(Value::Null, |def| schema_name(&own, def.schema).into())
        };
        row.extend([database.clone(), udt_schema, udt]);
        row.resize(28, Value::Null);
        row.push(Value::from(format!("a{identifier}")));
        rows.push(row);
    };
    for def in own.tables().filter(|def| !def.hidden) {
        for (place, column) in def.live_columns() {
            add(def.schema, &def.name, "TABLE", (place + 1).to_string(), column.ty);
        }
    }
    for def in own.types() {
        if let TypeKind::Domain(domain) = &def.kind {
            add(def.schema, &def.name, "DOMAIN", "1".to_owned(), domain.base);
        }
    }
    Ok(rows)
}

/// One right on a table or view: grantor, grantee, whether it may be handed on.
struct Right {
    grantor: String,
    grantee: String,
    privilege: Privilege,
    option: bool,
}

/// The owner's rights and those granted, as far as the user has to do with them.
fn rights(context: &dyn SystemContext, owner: Oid, acl: &[AclItem]) -> Result<Vec<Right>> {
    let (set, _) = catalog(context)?;
    let (_, user) = context.runtime().users();
    let superuser = set.shared.role(user).is_some_and(|role| role.superuser);
    let mut found = Vec::new();
    if superuser || user == owner {
        let name = role_name(&set, owner);
        found.extend(TABLE_RIGHTS.iter().map(|(privilege, _)| Right {
            grantor: name.clone(),
            grantee: name.clone(),
            privilege: *privilege,
            option: true,
        }));
    }
    for item in acl.iter().filter(|item| item.grantee != owner) {
        if !(superuser || item.grantee == 0 || item.grantee == user || item.grantor == user) {
            continue;
        }
        let grantee = if item.grantee == 0 { "PUBLIC".to_owned() } else { role_name(&set, item.grantee) };
        found.extend(item.privileges.iter().map(|(privilege, option)| Right {
            grantor: role_name(&set, item.grantor),
            grantee: grantee.clone(),
            privilege: *privilege,
            option: *option,
        }));
    }
    Ok(found)
}

const TABLE_RIGHTS: &[(Privilege, &str)] = &[
    (Privilege::Insert, "INSERT"),
    (Privilege::Select, "SELECT"),
    (Privilege::Update, "UPDATE"),
    (Privilege::Delete, "DELETE"),
    (Privilege::Truncate, "TRUNCATE"),
    (Privilege::References, "REFERENCES"),
    (Privilege::Trigger, "TRIGGER"),
];

fn right_name(privilege: Privilege) -> Option<&'static str> {
    TABLE_RIGHTS.iter().find(|(own, _)| *own == privilege).map(|(_, name)| *name)
}

fn table_privileges(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let tables = own.tables().filter(|def| !def.hidden && !def.is_materialized());
    let tables = tables.map(|def| (def.schema, &def.name, def.owner, &def.acl));
    let views = own.views().map(|def| (def.schema, &def.name, def.owner, &def.acl));
    let mut rows = Vec::new();
    for (schema, name, owner, acl) in tables.chain(views) {
        for right in rights(context, owner, acl)? {
            let Some(privilege) = right_name(right.privilege) else { continue };
            rows.push(vec![
                right.grantor.into(),
                right.grantee.into(),
                database_name(context),
                schema_name(&own, schema).into(),
                name.as_str().into(),
                Value::from(privilege),
                yes_no(right.option),
                yes_no(privilege == "SELECT"),
            ]);
        }
    }
    Ok(rows)
}

/// What may be done with each column follows from the table's rights and its own.
fn column_privileges(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    let tables = own.tables().filter(|def| !def.hidden).map(|def| {
        let columns: Vec<&Column> = def.live_columns().map(|(_, column)| column).collect();
        (def.schema, def.name.as_str(), def.owner, &def.acl, columns)
    });
    let views = own.views().map(|def| {
        let columns = def.columns.iter().collect();
        (def.schema, def.name.as_str(), def.owner, &def.acl, columns)
    });
    let mut rows = Vec::new();
    for (schema, name, owner, acl, columns) in tables.chain(views) {
        let whole = rights(context, owner, acl)?;
        for column in columns {
            // Nobody's own rights come a second time with the column's list.
            let own_rights = if column.acl.is_empty() { Vec::new() } else { rights(context, Oid::MAX, &column.acl)? };
            let own_rights = own_rights.iter().filter(|right| right.grantee != role_name(&set, Oid::MAX));
            let mut seen: Vec<(&str, &str, &str)> = Vec::new();
            for right in whole.iter().chain(own_rights) {
                let Some(privilege) = right_name(right.privilege) else { continue };
                let known = (right.grantor.as_str(), right.grantee.as_str(), privilege);
                if !matches!(privilege, "INSERT" | "SELECT" | "UPDATE" | "REFERENCES") || seen.contains(&known) {
                    continue;
                }
                seen.push(known);
                rows.push(vec![
                    Value::from(right.grantor.as_str()),
                    Value::from(right.grantee.as_str()),
                    database_name(context),
                    schema_name(&own, schema).into(),
                    Value::from(name),
                    Value::from(column.name.as_str()),
                    Value::from(privilege),
                    yes_no(right.option),
                ]);
            }
        }
    }
    Ok(rows)
}

fn triggers(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    use crate::catalog::{Level, Timing};
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.triggers() {
        for event in &def.events {
            let Some(table) = own.table(event.table) else { continue };
            let kinds = [("INSERT", &event.insert), ("UPDATE", &event.update), ("DELETE", &event.delete)];
            for (word, _) in kinds.into_iter().filter(|(_, columns)| columns.is_some()) {
                let schema: Value = schema_name(&own, table.schema).into();
                let mut row = vec![database_name(context), schema.clone(), def.name.as_str().into(), word.into()];
                row.extend([database_name(context), schema, table.name.as_str().into(), Value::Null]);
                row.extend([def.when.clone().into(), def.text.as_str().into()]);
                row.push(Value::from(if def.level == Level::Row { "ROW" } else { "STATEMENT" }));
                row.push(Value::from(if def.timing == Timing::Before { "BEFORE" } else { "AFTER" }));
                row.resize(17, Value::Null);
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn enabled_roles(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, _) = catalog(context)?;
    let (_, user) = context.runtime().users();
    Ok(vec![vec![role_name(&set, user).into()]])
}
