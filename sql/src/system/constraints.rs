//! pg_constraint and pg_depend.

use crate::catalog::TableShape;
use crate::catalog::{
    Catalog, Constraint, ConstraintKind, DomainCheck, ForeignKeyAction, MatchType, TableDef, TypeKind,
};
use crate::error::Result;
use crate::plan::{SystemContext, exclusion_operator};
use crate::types::{Oid, Row, Value, oid};

use super::relations::{PG_CLASS, attribute_array, default_text};
use super::{catalog, flag, int4, name, wanted_oid};

/// Whether the table refers to others or is referred to.
pub(super) fn has_foreign_keys(catalog: &Catalog, def: &TableDef) -> bool {
    let own = def.constraints.iter().any(|constraint| matches!(constraint.kind, ConstraintKind::ForeignKey(_)));
    own || !catalog.referencing(def.id).is_empty()
}

fn action_letter(action: ForeignKeyAction) -> u8 {
    match action {
        ForeignKeyAction::NoAction => b'a',
        ForeignKeyAction::Restrict => b'r',
        ForeignKeyAction::Cascade => b'c',
        ForeignKeyAction::SetNull => b'n',
        ForeignKeyAction::SetDefault => b'd',
    }
}

fn index_columns(def: &TableDef, index: Oid) -> Vec<usize> {
    let index = def.indexes.iter().find(|found| found.oid == index);
    index.map(|index| index.keys.iter().filter_map(|key| key.column).collect()).unwrap_or_default()
}

/// conexclop: the operators of an EXCLUDE constraint, in the order written.
fn exclusion_operators(def: &TableDef, constraint: &Constraint) -> Value {
    let ConstraintKind::Exclude { index, elements } = &constraint.kind else { return Value::Null };
    let keys = def.indexes.iter().find(|found| found.oid == *index).map_or(&[][..], |found| &found.keys);
    let operator = |(place, name): &(usize, String)| {
        let found = exclusion_operator(name, keys.get(*place)?.ty).ok()??;
        Some(Value::Oid(found.oid))
    };
    super::array(oid::OID, elements.iter().map(|element| operator(element).unwrap_or(Value::Oid(0))).collect())
}

fn constraint_row(def: &TableDef, constraint: &Constraint) -> Row {
    let (kind, index, columns) = match &constraint.kind {
        ConstraintKind::PrimaryKey { index } => (b'p', *index, index_columns(def, *index)),
        ConstraintKind::Unique { index } => (b'u', *index, index_columns(def, *index)),
        ConstraintKind::Exclude { index, elements } => {
            let keys = def.indexes.iter().find(|found| found.oid == *index).map_or(&[][..], |found| &found.keys);
            let column = |(place, _): &(usize, String)| keys.get(*place).map(|key| key.column);
            (b'x', *index, elements.iter().filter_map(column).flatten().collect())
        }
        ConstraintKind::Check { columns, .. } => (b'c', 0, columns.clone()),
        ConstraintKind::ForeignKey(key) => (b'f', key.parent_index, key.columns.clone()),
    };
    let foreign = match &constraint.kind {
        ConstraintKind::ForeignKey(key) => Some(key),
        _ => None,
    };
    let text = match &constraint.kind {
        ConstraintKind::Check { expr, .. } => Value::from(expr.as_str()),
        _ => Value::Null,
    };
    vec![
        Value::Oid(constraint.oid),
        name(&constraint.name),
        Value::Oid(def.schema),
        flag(kind),
        Value::Bool(constraint.deferrable),
        Value::Bool(constraint.deferred),
        Value::Bool(constraint.validated),
        Value::Oid(def.id.0),
        Value::Oid(0),
        Value::Oid(index),
        Value::Oid(0),
        Value::Oid(foreign.map_or(0, |key| key.parent.0)),
        flag(foreign.map_or(b' ', |key| action_letter(key.on_update))),
        flag(foreign.map_or(b' ', |key| action_letter(key.on_delete))),
        flag(foreign.map_or(b' ', |key| if key.match_type == MatchType::Full { b'f' } else { b's' })),
        Value::Bool(true),
        Value::Int4(0),
        Value::Bool(kind != b'c'),
        if columns.is_empty() { Value::Null } else { attribute_array(&columns) },
        foreign.map_or(Value::Null, |key| attribute_array(&key.parent_columns)),
        Value::Null,
        Value::Null,
        Value::Null,
        match foreign {
            Some(key) if !key.delete_columns.is_empty() => attribute_array(&key.delete_columns),
            _ => Value::Null,
        },
        exclusion_operators(def, constraint),
        text,
    ]
}

/// A CHECK of a domain.
fn domain_row(schema: Oid, domain: Oid, check: &DomainCheck) -> Row {
    let none = || Value::Oid(0);
    let mut row = vec![
        Value::Oid(check.oid),
        name(&check.name),
        Value::Oid(schema),
        flag(b'c'),
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(check.validated),
        none(),
        Value::Oid(domain),
        none(),
        none(),
        none(),
        flag(b' '),
        flag(b' '),
        flag(b' '),
        Value::Bool(true),
        Value::Int4(0),
        Value::Bool(false),
    ];
    row.extend(std::iter::repeat_n(Value::Null, 7));
    row.push(check.expr.as_str().into());
    row
}

/// Rows of `pg_constraint`; keys on oid, conrelid and confrelid are used.
pub(super) fn pg_constraint(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let (only, table) = (wanted_oid(keys, 0), wanted_oid(keys, 7));
    let mut rows = Vec::new();
    for def in own.tables().filter(|def| !def.hidden && table.is_none_or(|oid| oid == def.id.0)) {
        let found = def.constraints.iter().filter(|constraint| only.is_none_or(|oid| oid == constraint.oid));
        rows.extend(found.map(|constraint| constraint_row(def, constraint)));
    }
    for def in own.types().filter(|_| table.is_none()) {
        let TypeKind::Domain(domain) = &def.kind else { continue };
        for check in domain.checks.iter().filter(|check| only.is_none_or(|oid| oid == check.oid)) {
            rows.push(domain_row(def.schema, def.oid, check));
        }
    }
    Ok(rows)
}

const TYPE: Oid = 1247;

/// A type that somebody made, or that is of a relation's rows: itself, or that of an array's items.
fn type_below(own: &Catalog, ty: Oid) -> Option<Oid> {
    let item = ty & !crate::types::USER_ARRAY;
    if own.user_type(item).is_some() {
        return Some(item);
    }
    own.table_of_row_type(ty).map(|table| table.row_type)
}

/// Whether a default names a sequence.
fn calls(own: &Catalog, text: &str, sequence: &crate::catalog::SequenceDef) -> bool {
    crate::parse::relation_literals(text).iter().any(|(_, _, value)| {
        let Ok(name) = crate::parse::parse_name(value) else { return false };
        match crate::parse::object_name(&name).parts.as_slice() {
            [schema, bare] => {
                *bare == sequence.name && own.schema_by_name(schema).is_some_and(|def| def.oid == sequence.schema)
            }
            [bare] => *bare == sequence.name,
            _ => false,
        }
    })
}

/// Rows of `pg_depend`: what reflection reads (PG-136): sequences of columns, indexes of constraints, defaults, views.
pub(super) fn pg_depend(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let row = |class: Oid, object: Oid, other_class: Oid, other: Oid, sub: usize, kind: u8| {
        vec![
            Value::Oid(class),
            Value::Oid(object),
            Value::Int4(0),
            Value::Oid(other_class),
            Value::Oid(other),
            int4(sub),
            flag(kind),
        ]
    };
    // Of what the server came with only the schema tripline and its relations depend on something: pg_dump asks for each
    // function in turn.
    let (extension, schema) = (super::builtin::OWN_EXTENSION, crate::catalog::TRIPLINE);
    if let Some(oid) = wanted_oid(keys, 1).filter(|oid| *oid < crate::catalog::FIRST_USER_OID) {
        let relation = super::relation_by_oid(oid).filter(|relation| relation.schema == schema);
        let class = if oid == schema { Some(2615) } else { relation.map(|_| PG_CLASS) };
        let found = class.map(|class| row(class, oid, 3079, extension, 0, b'e'));
        let other = wanted_oid(keys, 4);
        return Ok(found.into_iter().filter(|_| other.is_none_or(|other| other == extension)).collect());
    }
    let mut rows = Vec::new();
    for def in own.sequences() {
        if let Some((table, place)) = def.owned_by {
            rows.push(row(PG_CLASS, def.oid, PG_CLASS, table.0, place + 1, if def.identity { b'i' } else { b'a' }));
        }
        rows.push(row(PG_CLASS, def.oid, 2615, def.schema, 0, b'n'));
    }
    // Types go before what is made of them; the type of a table's rows after the table.
    for def in own.tables().filter(|def| !def.hidden || def.is_composite()) {
        for (place, column) in def.live_columns() {
            let ty = if column.domain != 0 { column.domain } else { column.ty.oid };
            if let Some(ty) = type_below(&own, ty) {
                let mut dependent = row(PG_CLASS, def.id.0, TYPE, ty, 0, b'n');
                dependent[2] = int4(place + 1);
                rows.push(dependent);
            }
        }
        if def.is_composite() {
            rows.push(row(PG_CLASS, def.id.0, TYPE, def.row_type, 0, b'i'));
        } else {
            rows.push(row(TYPE, def.row_type, PG_CLASS, def.id.0, 0, b'i'));
        }
    }
    rows.extend(own.views().map(|def| row(TYPE, def.row_type, PG_CLASS, def.oid, 0, b'i')));
    for def in own.types() {
        if let crate::catalog::TypeKind::Domain(domain) = &def.kind {
            let base = if domain.parent == 0 { domain.base.oid } else { domain.parent };
            rows.extend(type_below(&own, base).map(|base| row(TYPE, def.oid, TYPE, base, 0, b'n')));
            // Stored texts call functions by schema and name.
            let texts = || domain.default.iter().chain(domain.checks.iter().map(|check| &check.expr));
            let called = own.functions().filter(|function| {
                let schema = super::quote_identifier(&super::schema_name(&own, function.schema));
                let call = format!("{schema}.{}(", super::quote_identifier(&function.name));
                texts().any(|text| text.contains(&call))
            });
            rows.extend(called.map(|function| row(TYPE, def.oid, 1255, function.oid, 0, b'n')));
        }
        rows.push(row(TYPE, def.oid, 2615, def.schema, 0, b'n'));
    }
    for def in own.functions() {
        rows.push(row(1255, def.oid, 2615, def.schema, 0, b'n'));
        let types = def.arguments.iter().chain(&def.columns).map(|(_, ty)| ty.oid).chain([def.returns.oid]);
        rows.extend(types.filter_map(|ty| type_below(&own, ty)).map(|ty| row(1255, def.oid, TYPE, ty, 0, b'n')));
    }
    for def in own.tables().filter(|def| !def.hidden) {
        rows.push(row(PG_CLASS, def.id.0, 2615, def.schema, 0, b'n'));
        if let TableShape::Materialized { depends_on, .. } = &def.shape {
            let rule = def.id.0 | 0x8000_0000;
            rows.extend(depends_on.iter().map(|other| row(2618, rule, PG_CLASS, *other, 0, b'n')));
            rows.push(row(2618, rule, PG_CLASS, def.id.0, 0, b'i'));
        }
        for index in &def.indexes {
            if index.constraint != 0 {
                rows.push(row(PG_CLASS, index.oid, 2606, index.constraint, 0, b'i'));
            } else {
                let columns = index.keys.iter().filter_map(|key| key.column);
                rows.extend(columns.map(|place| row(PG_CLASS, index.oid, PG_CLASS, def.id.0, place + 1, b'a')));
            }
        }
        for constraint in &def.constraints {
            match &constraint.kind {
                ConstraintKind::Check { columns, .. } => {
                    rows.extend(
                        columns.iter().map(|place| row(2606, constraint.oid, PG_CLASS, def.id.0, place + 1, b'a')),
                    );
                }
                ConstraintKind::PrimaryKey { index }
                | ConstraintKind::Unique { index }
                | ConstraintKind::Exclude { index, .. } => {
                    let columns = index_columns(def, *index);
                    rows.extend(
                        columns.iter().map(|place| row(2606, constraint.oid, PG_CLASS, def.id.0, place + 1, b'a')),
                    );
                }
                ConstraintKind::ForeignKey(key) => {
                    rows.extend(
                        key.columns.iter().map(|place| row(2606, constraint.oid, PG_CLASS, def.id.0, place + 1, b'a')),
                    );
                    rows.push(row(2606, constraint.oid, PG_CLASS, key.parent.0, 0, b'n'));
                }
            }
        }
        for (place, column) in def.live_columns() {
            if let Some(text) = default_text(&own, column) {
                let attrdef = super::relations::attrdef_oid(def.id.0, place);
                rows.push(row(2604, attrdef, PG_CLASS, def.id.0, place + 1, b'a'));
                let called = own
                    .sequences()
                    .filter(|sequence| column.sequence == Some(sequence.oid) || calls(&own, &text, sequence));
                rows.extend(called.map(|sequence| row(2604, attrdef, PG_CLASS, sequence.oid, 0, b'n')));
            }
        }
    }
    for def in own.views() {
        rows.extend(def.depends_on.iter().map(|other| row(2618, def.oid | 0x8000_0000, PG_CLASS, *other, 0, b'n')));
        rows.push(row(2618, def.oid | 0x8000_0000, PG_CLASS, def.oid, 0, b'i'));
    }
    rows.push(row(2615, schema, 3079, extension, 0, b'e'));
    let system = super::relations().iter().filter(|relation| relation.schema == schema);
    rows.extend(system.map(|relation| row(PG_CLASS, relation.oid, 3079, extension, 0, b'e')));
    if let Some(oid) = wanted_oid(keys, 1) {
        rows.retain(|row| row[1] == Value::Oid(oid));
    }
    if let Some(oid) = wanted_oid(keys, 4) {
        rows.retain(|row| row[4] == Value::Oid(oid));
    }
    Ok(rows)
}
