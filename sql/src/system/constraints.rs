//! pg_constraint and pg_depend.

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
    let mut rows = Vec::new();
    for def in own.sequences() {
        if let Some((table, place)) = def.owned_by {
            rows.push(row(PG_CLASS, def.oid, PG_CLASS, table.0, place + 1, if def.identity { b'i' } else { b'a' }));
        }
        rows.push(row(PG_CLASS, def.oid, 2615, def.schema, 0, b'n'));
    }
    for def in own.tables().filter(|def| !def.hidden) {
        rows.push(row(PG_CLASS, def.id.0, 2615, def.schema, 0, b'n'));
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
            if default_text(&own, column).is_some() {
                rows.push(row(2604, def.id.0, PG_CLASS, def.id.0, place + 1, b'a'));
            }
        }
    }
    for def in own.views() {
        rows.extend(def.depends_on.iter().map(|other| row(2618, def.oid | 0x8000_0000, PG_CLASS, *other, 0, b'n')));
        rows.push(row(2618, def.oid | 0x8000_0000, PG_CLASS, def.oid, 0, b'i'));
    }
    if let Some(oid) = wanted_oid(keys, 1) {
        rows.retain(|row| row[1] == Value::Oid(oid));
    }
    if let Some(oid) = wanted_oid(keys, 4) {
        rows.retain(|row| row[4] == Value::Oid(oid));
    }
    Ok(rows)
}
