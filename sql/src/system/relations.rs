//! pg_class and what hangs on it: attributes, defaults, indexes, sequences, triggers, comments.

use crate::catalog::{
    Catalog, CheckOption, Column, Identity, IndexDef, IndexMethod, Persistence, Relation, TableDef, TableShape, ViewDef,
};
use crate::error::Result;
use crate::plan::{SystemContext, SystemRelation};
use crate::types::{DataType, Oid, Row, Value, element_type_of, is_domain, is_enum, oid, type_info, type_length};

use super::type_storage::type_storage;
use super::{
    access, array, attribute_numbers, catalog, constraints, flag, int2, int4, name, relations as all_system,
    schema_name, text_array, vector, wanted_oid,
};

/// Object class OIDs of pg_depend and pg_description.
pub(super) const PG_CLASS: Oid = 1259;

struct ClassRow<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    row_type: Oid,
    owner: Oid,
    access_method: Oid,
    pages: i32,
    tuples: f32,
    has_index: bool,
    persistence: Persistence,
    kind: u8,
    columns: usize,
    checks: usize,
    has_rules: bool,
    has_triggers: bool,
    populated: bool,
    acl: Value,
    options: Value,
}

fn class_row(row: ClassRow<'_>) -> Row {
    let persistence = match row.persistence {
        Persistence::Permanent => b'p',
        Persistence::Unlogged => b'u',
        Persistence::Temporary => b't',
    };
    let zero = || Value::Oid(0);
    vec![
        Value::Oid(row.oid),
        name(row.name),
        Value::Oid(row.schema),
        Value::Oid(row.row_type),
        zero(),
        Value::Oid(row.owner),
        Value::Oid(row.access_method),
        Value::Oid(if matches!(row.kind, b'v') { 0 } else { row.oid }),
        zero(),
        Value::Int4(row.pages),
        Value::Float4(row.tuples),
        Value::Int4(0),
        zero(),
        Value::Bool(row.has_index),
        Value::Bool(false),
        flag(persistence),
        flag(row.kind),
        int2(row.columns),
        int2(row.checks),
        Value::Bool(row.has_rules),
        Value::Bool(row.has_triggers),
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(row.populated),
        flag(if matches!(row.kind, b'r' | b'm') { b'd' } else { b'n' }),
        Value::Bool(false),
        zero(),
        zero(),
        zero(),
        row.acl,
        row.options,
        Value::Null,
    ]
}

fn method_oid(method: IndexMethod) -> Oid {
    match method {
        IndexMethod::Btree => 403,
        IndexMethod::Hash => 405,
        IndexMethod::Gin => 2742,
        IndexMethod::Gist => 783,
        IndexMethod::SpGist => 4000,
        IndexMethod::Brin => 3580,
    }
}

fn table_class(context: &dyn SystemContext, catalog: &Catalog, def: &TableDef) -> Row {
    let (rows, bytes) = context.runtime().table_size(def.id.0);
    #[allow(clippy::cast_precision_loss, reason = "reltuples is an estimate")]
    let tuples = rows as f32;
    class_row(ClassRow {
        oid: def.id.0,
        name: &def.name,
        schema: def.schema,
        row_type: def.row_type,
        owner: def.owner,
        access_method: if def.is_composite() { 0 } else { 2 },
        pages: i32::try_from(bytes / 8192).unwrap_or(i32::MAX),
        tuples,
        has_index: !def.indexes.is_empty(),
        persistence: def.persistence,
        kind: match def.shape {
            TableShape::Table => b'r',
            TableShape::Composite => b'c',
            TableShape::Materialized { .. } => b'm',
        },
        columns: def.columns.len(),
        checks: def
            .constraints
            .iter()
            .filter(|c| matches!(c.kind, crate::catalog::ConstraintKind::Check { .. }))
            .count(),
        has_rules: def.is_materialized(),
        has_triggers: !catalog.triggers_of(def.id).is_empty() || constraints::has_foreign_keys(catalog, def),
        populated: !matches!(def.shape, TableShape::Materialized { populated: false, .. }),
        acl: access::acl_value(context, &def.acl),
        options: if def.options.is_empty() {
            Value::Null
        } else {
            text_array(def.options.iter().map(|(key, value)| format!("{key}={value}")))
        },
    })
}

fn index_class(def: &TableDef, index: &IndexDef) -> Row {
    class_row(ClassRow {
        oid: index.oid,
        name: &index.name,
        schema: def.schema,
        row_type: 0,
        owner: def.owner,
        access_method: method_oid(index.method),
        pages: 1,
        tuples: 0.0,
        has_index: false,
        persistence: def.persistence,
        kind: b'i',
        columns: index.keys.len() + index.include.len(),
        checks: 0,
        has_rules: false,
        has_triggers: false,
        populated: true,
        acl: Value::Null,
        options: match index.options.as_slice() {
            // The options of AMI's indexes are not PostgreSQL's.
            [] => Value::Null,
            _ if def.dialect == "ami" => Value::Null,
            options => text_array(options.iter().map(|(key, value)| format!("{key}={value}"))),
        },
    })
}

fn system_class(relation: &SystemRelation) -> Row {
    class_row(ClassRow {
        oid: relation.oid,
        name: relation.name,
        schema: relation.schema,
        row_type: 0,
        owner: 10,
        access_method: if relation.view { 0 } else { 2 },
        pages: 0,
        tuples: 0.0,
        has_index: false,
        persistence: Persistence::Permanent,
        kind: if relation.view { b'v' } else { b'r' },
        columns: relation.columns.len(),
        checks: 0,
        has_rules: relation.view,
        has_triggers: false,
        populated: true,
        acl: access::public_select(),
        options: Value::Null,
    })
}

fn other_class(context: &dyn SystemContext, relation: &Relation) -> Option<Row> {
    let plain = |oid, name, schema, row_type, owner, kind, columns, rules, persistence, acl| ClassRow {
        oid,
        name,
        schema,
        row_type,
        owner,
        access_method: 0,
        pages: 1,
        tuples: if kind == b'S' { 1.0 } else { -1.0 },
        has_index: false,
        persistence,
        kind,
        columns,
        checks: 0,
        has_rules: rules,
        has_triggers: false,
        populated: true,
        acl,
        options: Value::Null,
    };
    match relation {
        Relation::View(def) => {
            let acl = access::acl_value(context, &def.acl);
            let own = catalog(context).ok();
            let passing = own.is_some_and(|(_, own)| schema_name(&own, def.schema).starts_with("pg_temp_"));
            let persistence = if passing { Persistence::Temporary } else { Persistence::Permanent };
            let count = def.columns.len();
            let option = match def.check_option {
                CheckOption::None => None,
                CheckOption::Local => Some("check_option=local".to_owned()),
                CheckOption::Cascaded => Some("check_option=cascaded".to_owned()),
            };
            let barrier = def.security_barrier.map(|on| format!("security_barrier={on}"));
            let options: Vec<String> = barrier.into_iter().chain(option).collect();
            let mut row =
                plain(def.oid, &def.name, def.schema, def.row_type, def.owner, b'v', count, true, persistence, acl);
            row.options = if options.is_empty() { Value::Null } else { text_array(options) };
            Some(class_row(row))
        }
        Relation::Sequence(def) => {
            let acl = access::acl_value(context, &def.acl);
            Some(class_row(plain(def.oid, &def.name, def.schema, 0, def.owner, b'S', 3, false, def.persistence, acl)))
        }
        Relation::Table(_) | Relation::Index(..) => None,
    }
}

/// Rows of `pg_class`; with an OID key just that relation's.
pub(super) fn pg_class(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    if let Some(oid) = wanted_oid(keys, 0) {
        if let Some(relation) = super::relation_by_oid(oid) {
            return Ok(vec![system_class(relation)]);
        }
        return Ok(match own.relation_by_oid(oid) {
            Some(Relation::Table(def)) if !def.hidden || def.is_composite() => vec![table_class(context, &own, &def)],
            Some(Relation::Index(def, place)) if !def.hidden => vec![index_class(&def, &def.indexes[place])],
            Some(other) => other_class(context, &other).into_iter().collect(),
            None => Vec::new(),
        });
    }
    let mut rows: Vec<Row> = all_system().iter().map(system_class).collect();
    for def in own.tables().filter(|def| !def.hidden || def.is_composite()) {
        rows.push(table_class(context, &own, def));
        rows.extend(def.indexes.iter().map(|index| index_class(def, index)));
    }
    rows.extend(own.views().filter_map(|def| other_class(context, &Relation::View(def.clone()))));
    rows.extend(own.sequences().filter_map(|def| other_class(context, &Relation::Sequence(def.clone()))));
    Ok(rows)
}

struct Attribute<'a> {
    relation: Oid,
    name: &'a str,
    ty: DataType,
    /// The type of the values, below a domain.
    base: Oid,
    number: usize,
    not_null: bool,
    has_default: bool,
    identity: Option<Identity>,
    generated: bool,
    dropped: bool,
    collation: Option<&'a str>,
}

/// The built-in type that a type is stored like.
pub(super) fn storage_model(ty: Oid) -> Oid {
    match type_info(ty) {
        Some(_) => ty,
        None if is_enum(ty) => oid::OID,
        None if element_type_of(ty).is_some() => 2287,
        None if ty == 0 => ty,
        None => oid::RECORD,
    }
}

fn attribute_row(attribute: &Attribute<'_>) -> Row {
    let ty = if attribute.dropped { DataType::new(0) } else { attribute.ty };
    let storage = type_storage(storage_model(if is_domain(ty.oid) { attribute.base } else { ty.oid }));
    let array = type_info(ty.oid).map_or_else(
        || element_type_of(ty.oid).is_some(),
        |info| info.element != 0 && info.len == -1 && info.category.letter() == b'A',
    );
    let dimensions = usize::from(array);
    let collation = match attribute.collation {
        Some("C") => 950,
        Some("POSIX") => 951,
        _ => storage.collation,
    };
    let identity = match attribute.identity {
        None => 0,
        Some(Identity::Always) => b'a',
        Some(Identity::ByDefault) => b'd',
    };
    vec![
        Value::Oid(attribute.relation),
        name(attribute.name),
        Value::Oid(ty.oid),
        Value::Int4(-1),
        Value::Int2(if ty.oid == 0 {
            -1
        } else {
            type_length(if is_domain(ty.oid) { attribute.base } else { ty.oid })
        }),
        int2(attribute.number),
        int4(dimensions),
        Value::Int4(-1),
        Value::Int4(ty.typmod),
        Value::Bool(storage.by_value),
        flag(storage.align),
        flag(storage.storage),
        flag(0),
        Value::Bool(attribute.not_null),
        Value::Bool(attribute.has_default),
        Value::Bool(false),
        flag(identity),
        flag(if attribute.generated { b's' } else { 0 }),
        Value::Bool(attribute.dropped),
        Value::Bool(true),
        Value::Int4(0),
        Value::Oid(if ty.oid == 0 { 0 } else { collation }),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn column_attribute<'a>(relation: Oid, place: usize, column: &'a Column) -> Attribute<'a> {
    Attribute {
        relation,
        name: &column.name,
        ty: if column.domain == 0 { column.ty } else { DataType::new(column.domain) },
        base: column.ty.oid,
        number: place + 1,
        not_null: column.not_null,
        has_default: has_default(column),
        identity: column.identity,
        generated: column.generated.is_some(),
        dropped: column.dropped,
        collation: column.collation.as_deref(),
    }
}

fn plain_attribute(relation: Oid, place: usize, name: &str, ty: DataType) -> Attribute<'_> {
    Attribute {
        relation,
        name,
        ty,
        base: ty.oid,
        number: place + 1,
        not_null: false,
        has_default: false,
        identity: None,
        generated: false,
        dropped: false,
        collation: None,
    }
}

/// Name of an index column that is an expression: the function's, if it is a call as a whole, else `expr`.
fn key_name(expr: &str) -> String {
    let text = expr.trim();
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(text.len());
    let mut depth = 0_i32;
    let closed = text.char_indices().skip_while(|(at, _)| *at < end).find_map(|(at, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        (depth == 0).then_some(at)
    });
    let call = end > 0 && text[end..].starts_with('(') && closed == Some(text.len() - 1);
    match text[..end].rsplit('.').next() {
        Some(name) if call => name.to_lowercase(),
        _ => "expr".to_owned(),
    }
}

/// Columns of the relation that a sequence is.
const SEQUENCE_COLUMNS: [(&str, DataType); 3] =
    [("last_value", DataType::INT8), ("log_cnt", DataType::INT8), ("is_called", DataType::BOOL)];

fn relation_attributes(relation: &Relation) -> Vec<Row> {
    match relation {
        Relation::Table(def) => {
            let columns = def.columns.iter().enumerate();
            columns.map(|(place, column)| attribute_row(&column_attribute(def.id.0, place, column))).collect()
        }
        Relation::View(def) => {
            let columns = def.columns.iter().enumerate();
            columns.map(|(place, column)| attribute_row(&column_attribute(def.oid, place, column))).collect()
        }
        Relation::Sequence(def) => {
            let columns = SEQUENCE_COLUMNS.iter().enumerate();
            columns
                .map(|(place, (name, ty))| {
                    attribute_row(&Attribute { not_null: true, ..plain_attribute(def.oid, place, name, *ty) })
                })
                .collect()
        }
        Relation::Index(table, place) => {
            let index = &table.indexes[*place];
            let column = |place: usize| table.columns[place].name.clone();
            let keys = index.keys.iter().map(|key| {
                (key.column.map_or_else(|| key_name(key.expr.as_deref().unwrap_or_default()), column), key.ty)
            });
            let included = index.include.iter().map(|place| (column(*place), table.columns[*place].ty));
            let mut names: Vec<String> = Vec::new();
            keys.chain(included)
                .enumerate()
                .map(|(number, (wanted, ty))| {
                    let mut name = wanted.clone();
                    let mut again = 0;
                    while names.contains(&name) {
                        again += 1;
                        name = format!("{wanted}{again}");
                    }
                    let row = attribute_row(&plain_attribute(index.oid, number, &name, ty));
                    names.push(name);
                    row
                })
                .collect()
        }
    }
}

fn system_attributes(relation: &SystemRelation) -> Vec<Row> {
    let columns = relation.columns.iter().enumerate();
    columns
        .map(|(place, (name, ty))| {
            attribute_row(&plain_attribute(relation.oid, place, name, relation.column_type(name, *ty)))
        })
        .collect()
}

/// Every relation of the database that catalogs show, indexes and sequences included.
pub(super) fn user_relations(own: &Catalog) -> Vec<Relation> {
    let mut found = Vec::new();
    for def in own.tables().filter(|def| !def.hidden) {
        found.push(Relation::Table(def.clone()));
        found.extend((0..def.indexes.len()).map(|place| Relation::Index(def.clone(), place)));
    }
    found.extend(own.views().cloned().map(Relation::View));
    found.extend(own.sequences().cloned().map(Relation::Sequence));
    found
}

/// Rows of `pg_attribute`; with an attrelid key just that relation's. System columns have no rows.
pub(super) fn pg_attribute(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    if let Some(oid) = wanted_oid(keys, 0) {
        if let Some(relation) = super::relation_by_oid(oid) {
            return Ok(system_attributes(relation));
        }
        return Ok(own.relation_by_oid(oid).map(|relation| attributes(context, &relation)).unwrap_or_default());
    }
    let mut rows: Vec<Row> = all_system().iter().flat_map(system_attributes).collect();
    for def in own.tables().filter(|def| def.is_composite()) {
        rows.extend(relation_attributes(&Relation::Table(def.clone())));
    }
    rows.extend(user_relations(&own).iter().flat_map(|relation| attributes(context, relation)));
    Ok(rows)
}

/// The attributes of a relation with the privileges on them.
fn attributes(context: &dyn SystemContext, relation: &Relation) -> Vec<Row> {
    let mut rows = relation_attributes(relation);
    let columns = match relation {
        Relation::Table(def) => &def.columns,
        Relation::View(def) => &def.columns,
        Relation::Sequence(_) | Relation::Index(..) => return rows,
    };
    for (row, column) in rows.iter_mut().zip(columns).filter(|(_, column)| !column.acl.is_empty()) {
        // attacl, attoptions, attfdwoptions and attmissingval end the row.
        if let Some(place) = row.len().checked_sub(4) {
            row[place] = access::acl_value(context, &column.acl);
        }
    }
    rows
}

/// Whether a view takes INSERT, UPDATE and DELETE: none of them, DELETE alone, or all three.
pub(super) fn view_writes(own: &Catalog, def: &ViewDef) -> (bool, bool) {
    let below = def.base.as_ref().is_some_and(|base| match own.relation_by_oid(base.relation) {
        Some(Relation::Table(table)) => !table.is_materialized(),
        Some(Relation::View(view)) => view_writes(own, &view).0,
        _ => false,
    });
    (below, below && def.base.as_ref().is_some_and(|base| base.columns.contains(&true)))
}

/// Whether a column of a view can be written.
pub(super) fn view_writes_column(own: &Catalog, def: &ViewDef, place: usize) -> bool {
    view_writes(own, def).1 && def.base.as_ref().and_then(|base| base.columns.get(place)).copied().unwrap_or(false)
}

/// Whether pg_attrdef has a row for the column: a default, a serial's nextval or a generation expression.
pub(super) fn has_default(column: &Column) -> bool {
    !column.dropped
        && (column.default.is_some()
            || column.generated.is_some()
            || (column.sequence.is_some() && column.identity.is_none()))
}

/// OID of a column's pg_attrdef row: made from the table's and the column's, so that it is stable.
pub(super) fn attrdef_oid(table: Oid, place: usize) -> Oid {
    0x8000_0000 | table.wrapping_mul(64).wrapping_add(Oid::try_from(place).unwrap_or(0)) & 0x7fff_ffff
}

/// The text of a default as stored in `adbin`: `pg_get_expr` reads it back with the table's OID.
pub(super) fn default_text(own: &Catalog, column: &Column) -> Option<String> {
    if let Some(generated) = &column.generated {
        return Some(generated.expr.clone());
    }
    if let Some(text) = &column.default {
        return Some(text.clone());
    }
    let sequence = own.sequence(column.sequence?)?;
    let schema = schema_name(own, sequence.schema);
    let quoted = format!("{}.{}", super::quote_identifier(&schema), super::quote_identifier(&sequence.name));
    Some(format!("nextval('{}'::regclass)", quoted.replace('\'', "''")))
}

/// Rows of `pg_matviews`.
pub(super) fn pg_matviews(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.tables() {
        let TableShape::Materialized { populated, .. } = &def.shape else { continue };
        let owner = set.shared.role(def.owner).map_or(Value::Null, |role| name(&role.name));
        let args = [Value::Oid(def.id.0)];
        rows.push(vec![
            name(&schema_name(&own, def.schema)),
            name(&def.name),
            owner,
            Value::Null,
            Value::Bool(!def.indexes.is_empty()),
            Value::Bool(*populated),
            context.runtime().deparse("pg_get_viewdef", &args)?,
        ]);
    }
    Ok(rows)
}

/// `adbin` of a column: the text, and in a comment the column, whose type the printed form needs. Two columns may have the
/// same text and not the same type.
pub(super) fn marked_default(text: &str, place: usize) -> String {
    format!("{text}{MARK}{place} */")
}

const MARK: &str = " /* column ";

/// The text and the column's place that `marked_default` put together.
pub(super) fn unmarked_default(text: &str) -> (&str, Option<usize>) {
    let marked = text.strip_suffix(" */").and_then(|text| text.rsplit_once(MARK));
    match marked.and_then(|(text, place)| Some((text, place.parse().ok()?))) {
        Some((text, place)) => (text, Some(place)),
        None => (text, None),
    }
}

/// Rows of `pg_attrdef`: `adbin` holds the SQL text.
pub(super) fn pg_attrdef(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let only = wanted_oid(keys, 1);
    let mut rows = Vec::new();
    for def in own.tables().filter(|def| !def.hidden && only.is_none_or(|oid| oid == def.id.0)) {
        for (place, column) in def.live_columns().filter(|(_, column)| has_default(column)) {
            if let Some(text) = default_text(&own, column) {
                rows.push(vec![
                    Value::Oid(attrdef_oid(def.id.0, place)),
                    Value::Oid(def.id.0),
                    int2(place + 1),
                    marked_default(&text, place).into(),
                ]);
            }
        }
    }
    for def in own.views().filter(|def| only.is_none_or(|oid| oid == def.oid)) {
        for (place, column) in def.columns.iter().enumerate() {
            if let Some(text) = &column.default {
                rows.push(vec![
                    Value::Oid(attrdef_oid(def.oid, place)),
                    Value::Oid(def.oid),
                    int2(place + 1),
                    marked_default(text, place).into(),
                ]);
            }
        }
    }
    Ok(rows)
}

/// Default operator class of a key type for an access method; text's stands for varchar.
fn operator_class(method: IndexMethod, class: Option<&str>, ty: Oid) -> Oid {
    super::builtin::operator_class(method_oid(method), class, ty)
}

fn index_row(table: &TableDef, index: &IndexDef) -> Row {
    let written = table.written_keys(index);
    let keys: Vec<Value> =
        written.iter().map(|key| key.column.map_or(Value::Int2(0), |place| int2(place + 1))).collect();
    let included = attribute_numbers(&index.include);
    let deferrable = table.constraints.iter().any(|c| c.oid == index.constraint && c.deferrable);
    let excludes = !index.unique && index.constraint != 0;
    let exprs: Vec<&str> = written.iter().filter_map(|key| key.expr.as_deref()).collect();
    let options = written.iter().map(|key| Value::Int2(i16::from(key.descending) | i16::from(key.nulls_first) << 1));
    let classes =
        written.iter().map(|key| Value::Oid(operator_class(index.method, key.operator_class.as_deref(), key.ty.oid)));
    let collations = written.iter().map(|key| Value::Oid(type_storage(key.ty.oid).collation));
    vec![
        Value::Oid(index.oid),
        Value::Oid(table.id.0),
        int2(index.keys.len() + index.include.len()),
        int2(index.keys.len()),
        Value::Bool(index.unique),
        Value::Bool(index.nulls_not_distinct),
        Value::Bool(index.primary),
        Value::Bool(excludes),
        Value::Bool(!deferrable),
        Value::Bool(false),
        Value::Bool(true),
        Value::Bool(false),
        Value::Bool(true),
        Value::Bool(true),
        Value::Bool(false),
        vector(oid::INT2, keys.into_iter().chain(included).collect()),
        vector(oid::OID, collations.collect()),
        vector(oid::OID, classes.collect()),
        vector(oid::INT2, options.collect()),
        if exprs.is_empty() { Value::Null } else { exprs.join(", ").into() },
        index.predicate.clone().into(),
    ]
}

/// Rows of `pg_index`; keys on indexrelid and indrelid are used.
pub(super) fn pg_index(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    if let Some(oid) = wanted_oid(keys, 0) {
        return Ok(own.index(oid).map(|(table, index)| index_row(table, index)).into_iter().collect());
    }
    let only = wanted_oid(keys, 1);
    let tables = own.tables().filter(|def| !def.hidden && only.is_none_or(|oid| oid == def.id.0));
    Ok(tables.flat_map(|def| def.indexes.iter().map(|index| index_row(def, index)).collect::<Vec<_>>()).collect())
}

/// Rows of `pg_sequence`.
pub(super) fn pg_sequence(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    Ok(own
        .sequences()
        .map(|def| {
            vec![
                Value::Oid(def.oid),
                Value::Oid(def.data_type),
                Value::Int8(def.start),
                Value::Int8(def.increment),
                Value::Int8(def.max),
                Value::Int8(def.min),
                Value::Int8(def.cache),
                Value::Bool(def.cycle),
            ]
        })
        .collect())
}

/// Rows of `pg_sequences`.
pub(super) fn pg_sequences(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    own.sequences()
        .map(|def| {
            Ok(vec![
                name(&schema_name(&own, def.schema)),
                name(&def.name),
                name(&access::role_name(&set, def.owner)),
                Value::Oid(def.data_type),
                Value::Int8(def.start),
                Value::Int8(def.min),
                Value::Int8(def.max),
                Value::Int8(def.increment),
                Value::Bool(def.cycle),
                Value::Int8(def.cache),
                super::describe::last_value(context.runtime(), def.oid)?,
            ])
        })
        .collect()
}

/// Rows of `pg_trigger`: one per trigger and table that it listens to (AMI-16).
pub(super) fn pg_trigger(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    use crate::catalog::{Level, Timing};
    let (_, own) = catalog(context)?;
    let only = wanted_oid(keys, 1);
    let mut rows = Vec::new();
    for def in own.triggers() {
        let mut tables: Vec<_> = def.events.iter().map(|event| event.table).collect();
        if tables.is_empty() {
            tables.extend(def.tables.first());
        }
        for table in tables.into_iter().filter(|table| only.is_none_or(|oid| oid == table.0)) {
            let event = def.events.iter().find(|event| event.table == table);
            let has = |pick: fn(&crate::catalog::TriggerEvent) -> bool| event.is_none_or(pick);
            let mut bits = i16::from(def.level == Level::Row);
            bits |= i16::from(def.timing == Timing::Before) << 1;
            bits |= i16::from(has(|event| event.insert.is_some())) << 2;
            bits |= i16::from(has(|event| event.delete.is_some())) << 3;
            bits |= i16::from(has(|event| event.update.is_some())) << 4;
            rows.push(vec![
                Value::Oid(def.id.0),
                Value::Oid(table.0),
                Value::Oid(0),
                name(&def.name),
                Value::Oid(0),
                Value::Int2(bits),
                flag(if def.enabled { b'O' } else { b'D' }),
                Value::Bool(false),
                Value::Oid(0),
                Value::Oid(0),
                Value::Oid(0),
                Value::Bool(false),
                Value::Bool(false),
                Value::Int2(0),
                vector(oid::INT2, Vec::new()),
                Value::Bytea(std::sync::Arc::from([])),
                def.when.clone().into(),
                Value::Null,
                Value::Null,
            ]);
        }
    }
    Ok(rows)
}

/// Rows of `pg_rewrite`: the `_RETURN` rule of each view.
pub(super) fn pg_rewrite(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let only = wanted_oid(keys, 2);
    let wanted = |oid: Oid| only.is_none_or(|only| only == oid);
    let row = |oid: Oid, query: &str| {
        vec![
            Value::Oid(oid | 0x8000_0000),
            name("_RETURN"),
            Value::Oid(oid),
            flag(b'1'),
            flag(b'O'),
            Value::Bool(true),
            Value::from("<>"),
            super::describe::definition(query),
        ]
    };
    let mut rows: Vec<Row> = own.views().filter(|def| wanted(def.oid)).map(|def| row(def.oid, &def.query)).collect();
    for def in own.tables().filter(|def| wanted(def.id.0)) {
        if let TableShape::Materialized { query, .. } = &def.shape {
            rows.push(row(def.id.0, query));
        }
    }
    Ok(rows)
}

/// Rows of `pg_description`: comments on relations, columns, constraints, schemas and functions.
pub(super) fn pg_description(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    let mut add = |object: Oid, class: Oid, sub: usize, comment: &Option<String>| {
        if let Some(text) = comment {
            rows.push(vec![Value::Oid(object), Value::Oid(class), int4(sub), text.clone().into()]);
        }
    };
    for def in own.tables() {
        add(def.id.0, PG_CLASS, 0, &def.comment);
        for (place, column) in def.live_columns() {
            add(def.id.0, PG_CLASS, place + 1, &column.comment);
        }
        for index in &def.indexes {
            add(index.oid, PG_CLASS, 0, &index.comment);
        }
        for constraint in &def.constraints {
            add(constraint.oid, 2606, 0, &constraint.comment);
        }
    }
    for def in own.views() {
        add(def.oid, PG_CLASS, 0, &def.comment);
        for (place, column) in def.columns.iter().enumerate() {
            add(def.oid, PG_CLASS, place + 1, &column.comment);
        }
    }
    own.sequences().for_each(|def| add(def.oid, PG_CLASS, 0, &def.comment));
    own.schemas().for_each(|def| add(def.oid, 2615, 0, &def.comment));
    own.functions().for_each(|def| add(def.oid, 1255, 0, &def.comment));
    own.types().for_each(|def| add(def.oid, 1247, 0, &def.comment));
    if let Some(oid) = wanted_oid(keys, 0) {
        rows.retain(|row| row[0] == Value::Oid(oid));
    }
    Ok(rows)
}

/// Rows of `pg_tables`, catalog tables included.
pub(super) fn pg_tables(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    let row = |schema: Oid, table: &str, owner: Oid, indexes: bool, triggers: bool| {
        vec![
            name(&schema_name(&own, schema)),
            name(table),
            name(&access::role_name(&set, owner)),
            Value::Null,
            Value::Bool(indexes),
            Value::Bool(false),
            Value::Bool(triggers),
            Value::Bool(false),
        ]
    };
    let system = all_system().iter().filter(|relation| !relation.view);
    let mut rows: Vec<Row> = system.map(|relation| row(relation.schema, relation.name, 10, false, false)).collect();
    for def in own.tables().filter(|def| !def.hidden) {
        rows.push(row(def.schema, &def.name, def.owner, !def.indexes.is_empty(), !own.triggers_of(def.id).is_empty()));
    }
    Ok(rows)
}

/// Rows of `pg_views`: the user's, then the catalogs' without their text.
pub(super) fn pg_views(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (set, own) = catalog(context)?;
    let mut rows: Vec<Row> = own
        .views()
        .map(|def| {
            let owner = access::role_name(&set, def.owner);
            vec![
                name(&schema_name(&own, def.schema)),
                name(&def.name),
                name(&owner),
                super::describe::definition(&def.query),
            ]
        })
        .collect();
    let system = all_system().iter().filter(|relation| relation.view);
    rows.extend(system.map(|relation| {
        vec![name(&schema_name(&own, relation.schema)), name(relation.name), name("admin"), Value::Null]
    }));
    Ok(rows)
}

/// Rows of `pg_indexes`.
pub(super) fn pg_indexes(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.tables().filter(|def| !def.hidden) {
        for index in &def.indexes {
            let text = context.runtime().deparse("pg_get_indexdef", &[Value::Oid(index.oid)])?;
            rows.push(vec![
                name(&schema_name(&own, def.schema)),
                name(&def.name),
                name(&index.name),
                Value::Null,
                text,
            ]);
        }
    }
    Ok(rows)
}

fn stat_rows(context: &dyn SystemContext, width: usize, live: Option<usize>) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let tables = own.tables().filter(|def| !def.hidden);
    Ok(tables
        .map(|def| {
            let mut row = vec![Value::Oid(def.id.0), name(&schema_name(&own, def.schema)), name(&def.name)];
            row.resize(width, Value::Null);
            if let Some(place) = live {
                let (rows, _) = context.runtime().table_size(def.id.0);
                row[place] = Value::Int8(i64::try_from(rows).unwrap_or(i64::MAX));
            }
            row
        })
        .collect())
}

/// Rows of `pg_stat_user_tables`: live rows; counters that are not kept are NULL.
pub(super) fn pg_stat_tables(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    stat_rows(context, 23, Some(11))
}

/// Rows of `pg_statio_user_tables`: nothing is read from disk, so counters are NULL.
pub(super) fn pg_statio_tables(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    stat_rows(context, 11, None)
}

/// Attribute numbers as an int2 array.
pub(super) fn attribute_array(places: &[usize]) -> Value {
    array(oid::INT2, attribute_numbers(places))
}
