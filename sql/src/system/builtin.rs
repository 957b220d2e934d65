//! Built-in objects as catalog rows: types, functions, operators, casts, access methods, collations, languages (PG-133).

use crate::catalog::{FunctionKind, TypeDef, TypeKind};
use crate::error::Result;
use crate::expr::{Function, FunctionBody, Volatility, aggregates, functions, operators, window_functions};
use crate::plan::SystemContext;
use crate::types::{
    CastContext, CastKind, Interval, Oid, RANGE_TYPES, Row, TypeInfo, USER_ARRAY, Value, builtin_types, category_of,
    find_cast, oid, type_info, type_length,
};

use super::type_storage::{TYPE_FUNCTIONS, type_storage};
use super::{array, catalog, flag, int2, name, text_array, vector, wanted_oid};

const PG_CATALOG: Value = Value::Oid(crate::catalog::PG_CATALOG);
const OWNER: Value = Value::Oid(crate::catalog::BOOTSTRAP_ROLE);

/// OID, access method, name, family, input type, default.
#[rustfmt::skip]
pub(super) const OPERATOR_CLASSES: &[(Oid, Oid, &str, Oid, Oid, bool)] = &[
    (1978, 403, "int4_ops", 1976, 23, true), (1979, 403, "int2_ops", 1976, 21, true),
    (1981, 403, "oid_ops", 1989, 26, true), (3122, 403, "date_ops", 434, 1082, true),
    (3123, 403, "float8_ops", 1970, 701, true), (3124, 403, "int8_ops", 1976, 20, true),
    (3125, 403, "numeric_ops", 1988, 1700, true), (3126, 403, "text_ops", 1994, 25, true),
    (3127, 403, "timestamptz_ops", 434, 1184, true), (3128, 403, "timestamp_ops", 434, 1114, true),
    (4217, 403, "text_pattern_ops", 2095, 25, false), (4218, 403, "varchar_pattern_ops", 2095, 25, false),
    (4219, 403, "bpchar_pattern_ops", 2097, 1042, false), (10000, 403, "array_ops", 397, 2277, true),
    (10002, 403, "bit_ops", 423, 1560, true), (10003, 403, "bool_ops", 424, 16, true),
    (10004, 403, "bpchar_ops", 426, 1042, true), (10006, 403, "bytea_ops", 428, 17, true),
    (10007, 403, "char_ops", 429, 18, true), (10009, 403, "cidr_ops", 1974, 869, false),
    (10012, 403, "float4_ops", 1970, 700, true), (10015, 403, "inet_ops", 1974, 869, true),
    (10022, 403, "interval_ops", 1982, 1186, true), (10024, 403, "macaddr_ops", 1984, 829, true),
    (10026, 403, "macaddr8_ops", 3371, 774, true), (10028, 403, "name_ops", 1994, 19, true),
    (10032, 403, "oidvector_ops", 1991, 30, true), (10034, 403, "record_ops", 2994, 2249, true),
    (10036, 403, "record_image_ops", 3194, 2249, false), (10038, 403, "time_ops", 1996, 1083, true),
    (10041, 403, "timetz_ops", 2000, 1266, true), (10043, 403, "varbit_ops", 2002, 1562, true),
    (10044, 403, "varchar_ops", 1994, 25, false), (10047, 403, "money_ops", 2099, 790, true),
    (10050, 403, "tid_ops", 2789, 27, true), (10053, 403, "xid8_ops", 5067, 5069, true),
    (10065, 403, "uuid_ops", 2968, 2950, true), (10067, 403, "pg_lsn_ops", 3253, 3220, true),
    (10069, 403, "enum_ops", 3522, 3500, true), (10071, 403, "tsvector_ops", 3626, 3614, true),
    (10074, 403, "tsquery_ops", 3683, 3615, true), (10076, 403, "range_ops", 3901, 3831, true),
    (10080, 403, "multirange_ops", 4199, 4537, true), (10088, 403, "jsonb_ops", 4033, 3802, true),
    (10001, 405, "array_ops", 627, 2277, true), (10005, 405, "bpchar_ops", 427, 1042, true),
    (10008, 405, "char_ops", 431, 18, true), (10010, 405, "cidr_ops", 1975, 869, false),
    (10011, 405, "date_ops", 435, 1082, true), (10013, 405, "float4_ops", 1971, 700, true),
    (10014, 405, "float8_ops", 1971, 701, true), (10016, 405, "inet_ops", 1975, 869, true),
    (10019, 405, "int2_ops", 1977, 21, true), (10020, 405, "int4_ops", 1977, 23, true),
    (10021, 405, "int8_ops", 1977, 20, true), (10023, 405, "interval_ops", 1983, 1186, true),
    (10025, 405, "macaddr_ops", 1985, 829, true), (10027, 405, "macaddr8_ops", 3372, 774, true),
    (10029, 405, "name_ops", 1995, 19, true), (10030, 405, "numeric_ops", 1998, 1700, true),
    (10031, 405, "oid_ops", 1990, 26, true), (10033, 405, "oidvector_ops", 1992, 30, true),
    (10035, 405, "record_ops", 6194, 2249, true), (10037, 405, "text_ops", 1995, 25, true),
    (10039, 405, "time_ops", 1997, 1083, true), (10040, 405, "timestamptz_ops", 1999, 1184, true),
    (10042, 405, "timetz_ops", 2001, 1266, true), (10045, 405, "varchar_ops", 1995, 25, false),
    (10046, 405, "timestamp_ops", 2040, 1114, true), (10048, 405, "bool_ops", 2222, 16, true),
    (10049, 405, "bytea_ops", 2223, 17, true), (10051, 405, "xid_ops", 2225, 28, true),
    (10052, 405, "xid8_ops", 5032, 5069, true), (10054, 405, "cid_ops", 2226, 29, true),
    (10055, 405, "tid_ops", 2227, 27, true), (10056, 405, "text_pattern_ops", 2229, 25, false),
    (10057, 405, "varchar_pattern_ops", 2229, 25, false), (10058, 405, "bpchar_pattern_ops", 2231, 1042, false),
    (10059, 405, "aclitem_ops", 2235, 1033, true), (10066, 405, "uuid_ops", 2969, 2950, true),
    (10068, 405, "pg_lsn_ops", 3254, 3220, true), (10070, 405, "enum_ops", 3523, 3500, true),
    (10077, 405, "range_ops", 3903, 3831, true), (10081, 405, "multirange_ops", 4225, 4537, true),
    (10089, 405, "jsonb_ops", 4034, 3802, true), (10017, 783, "inet_ops", 3550, 869, false),
    (10060, 783, "box_ops", 2593, 603, true), (10061, 783, "point_ops", 1029, 600, true),
    (10062, 783, "poly_ops", 2594, 604, true), (10063, 783, "circle_ops", 2595, 718, true),
    (10072, 783, "tsvector_ops", 3655, 3614, true), (10075, 783, "tsquery_ops", 3702, 3615, true),
    (10078, 783, "range_ops", 3919, 3831, true), (10082, 783, "multirange_ops", 6158, 4537, true),
    (10064, 2742, "array_ops", 2745, 2277, true), (10073, 2742, "tsvector_ops", 3659, 3614, true),
    (10090, 2742, "jsonb_ops", 4036, 3802, true), (10091, 2742, "jsonb_path_ops", 4037, 3802, false),
    (10092, 3580, "bytea_minmax_ops", 4064, 17, true), (10093, 3580, "bytea_bloom_ops", 4578, 17, false),
    (10094, 3580, "char_minmax_ops", 4062, 18, true), (10095, 3580, "char_bloom_ops", 4577, 18, false),
    (10096, 3580, "name_minmax_ops", 4065, 19, true), (10097, 3580, "name_bloom_ops", 4579, 19, false),
    (10098, 3580, "int8_minmax_ops", 4054, 20, true), (10099, 3580, "int8_minmax_multi_ops", 4602, 20, false),
    (10100, 3580, "int8_bloom_ops", 4572, 20, false), (10101, 3580, "int2_minmax_ops", 4054, 21, true),
    (10102, 3580, "int2_minmax_multi_ops", 4602, 21, false), (10103, 3580, "int2_bloom_ops", 4572, 21, false),
    (10104, 3580, "int4_minmax_ops", 4054, 23, true), (10105, 3580, "int4_minmax_multi_ops", 4602, 23, false),
    (10106, 3580, "int4_bloom_ops", 4572, 23, false), (10107, 3580, "text_minmax_ops", 4056, 25, true),
    (10108, 3580, "text_bloom_ops", 4573, 25, false), (10109, 3580, "oid_minmax_ops", 4068, 26, true),
    (10110, 3580, "oid_minmax_multi_ops", 4606, 26, false), (10111, 3580, "oid_bloom_ops", 4580, 26, false),
    (10112, 3580, "tid_minmax_ops", 4069, 27, true), (10113, 3580, "tid_bloom_ops", 4581, 27, false),
    (10114, 3580, "tid_minmax_multi_ops", 4607, 27, false), (10115, 3580, "float4_minmax_ops", 4070, 700, true),
    (10116, 3580, "float4_minmax_multi_ops", 4608, 700, false), (10117, 3580, "float4_bloom_ops", 4582, 700, false),
    (10118, 3580, "float8_minmax_ops", 4070, 701, true), (10119, 3580, "float8_minmax_multi_ops", 4608, 701, false),
    (10120, 3580, "float8_bloom_ops", 4582, 701, false), (10121, 3580, "macaddr_minmax_ops", 4074, 829, true),
    (10122, 3580, "macaddr_minmax_multi_ops", 4609, 829, false), (10123, 3580, "macaddr_bloom_ops", 4583, 829, false),
    (10124, 3580, "macaddr8_minmax_ops", 4109, 774, true),
    (10125, 3580, "macaddr8_minmax_multi_ops", 4610, 774, false),
    (10126, 3580, "macaddr8_bloom_ops", 4584, 774, false), (10127, 3580, "inet_minmax_ops", 4075, 869, false),
    (10128, 3580, "inet_minmax_multi_ops", 4611, 869, false), (10129, 3580, "inet_bloom_ops", 4585, 869, false),
    (10130, 3580, "inet_inclusion_ops", 4102, 869, true), (10131, 3580, "bpchar_minmax_ops", 4076, 1042, true),
    (10132, 3580, "bpchar_bloom_ops", 4586, 1042, false), (10133, 3580, "time_minmax_ops", 4077, 1083, true),
    (10134, 3580, "time_minmax_multi_ops", 4612, 1083, false), (10135, 3580, "time_bloom_ops", 4587, 1083, false),
    (10136, 3580, "date_minmax_ops", 4059, 1082, true), (10137, 3580, "date_minmax_multi_ops", 4605, 1082, false),
    (10138, 3580, "date_bloom_ops", 4576, 1082, false), (10139, 3580, "timestamp_minmax_ops", 4059, 1114, true),
    (10140, 3580, "timestamp_minmax_multi_ops", 4605, 1114, false),
    (10141, 3580, "timestamp_bloom_ops", 4576, 1114, false),
    (10142, 3580, "timestamptz_minmax_ops", 4059, 1184, true),
    (10143, 3580, "timestamptz_minmax_multi_ops", 4605, 1184, false),
    (10144, 3580, "timestamptz_bloom_ops", 4576, 1184, false), (10145, 3580, "interval_minmax_ops", 4078, 1186, true),
    (10146, 3580, "interval_minmax_multi_ops", 4613, 1186, false),
    (10147, 3580, "interval_bloom_ops", 4588, 1186, false), (10148, 3580, "timetz_minmax_ops", 4058, 1266, true),
    (10149, 3580, "timetz_minmax_multi_ops", 4604, 1266, false), (10150, 3580, "timetz_bloom_ops", 4575, 1266, false),
    (10151, 3580, "bit_minmax_ops", 4079, 1560, true), (10152, 3580, "varbit_minmax_ops", 4080, 1562, true),
    (10153, 3580, "numeric_minmax_ops", 4055, 1700, true),
    (10154, 3580, "numeric_minmax_multi_ops", 4603, 1700, false),
    (10155, 3580, "numeric_bloom_ops", 4574, 1700, false), (10156, 3580, "uuid_minmax_ops", 4081, 2950, true),
    (10157, 3580, "uuid_minmax_multi_ops", 4614, 2950, false), (10158, 3580, "uuid_bloom_ops", 4589, 2950, false),
    (10159, 3580, "range_inclusion_ops", 4103, 3831, true), (10160, 3580, "pg_lsn_minmax_ops", 4082, 3220, true),
    (10161, 3580, "pg_lsn_minmax_multi_ops", 4615, 3220, false), (10162, 3580, "pg_lsn_bloom_ops", 4590, 3220, false),
    (10163, 3580, "box_inclusion_ops", 4104, 603, true), (10018, 4000, "inet_ops", 3794, 869, true),
    (10079, 4000, "range_ops", 3474, 3831, true), (10083, 4000, "box_ops", 5000, 603, true),
    (10084, 4000, "quad_point_ops", 4015, 600, true), (10085, 4000, "kd_point_ops", 4016, 600, false),
    (10086, 4000, "text_ops", 4017, 25, true), (10087, 4000, "poly_ops", 5008, 604, true),
];

/// OID of the operator class of a key: the named one, else the type's default; 0 if unknown.
pub(super) fn operator_class(method: Oid, class: Option<&str>, ty: Oid) -> Oid {
    let array_type = type_info(ty).is_some_and(|info| info.category.letter() == b'A');
    let ty = match ty {
        oid::VARCHAR => oid::TEXT,
        _ if array_type => oid::ANYARRAY,
        _ if type_info(ty).is_some_and(|info| info.category.letter() == b'R') => oid::ANYRANGE,
        // Of what users make only enums are keys under a class of their own.
        user if user >= crate::catalog::FIRST_USER_OID => oid::ANYENUM,
        other => other,
    };
    let fits = |entry: &&(Oid, Oid, &str, Oid, Oid, bool)| match class {
        Some(class) => entry.1 == method && entry.2 == class,
        None => entry.1 == method && entry.4 == ty && entry.5,
    };
    OPERATOR_CLASSES.iter().find(fits).map_or(0, |entry| entry.0)
}

struct TypeRow<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    owner: Oid,
    len: i16,
    kind: u8,
    category: u8,
    preferred: bool,
    relation: Oid,
    element: Oid,
    array: Oid,
    facts: Oid,
}

fn type_row(row: &TypeRow<'_>) -> Row {
    let facts = type_storage(row.facts);
    let [input, output, receive, send, modin, modout, subscript] = facts.functions;
    vec![
        Value::Oid(row.oid),
        name(row.name),
        Value::Oid(row.schema),
        Value::Oid(row.owner),
        Value::Int2(row.len),
        Value::Bool(facts.by_value),
        flag(row.kind),
        flag(row.category),
        Value::Bool(row.preferred),
        Value::Bool(true),
        flag(facts.delimiter),
        Value::Oid(row.relation),
        Value::Oid(subscript),
        Value::Oid(row.element),
        Value::Oid(row.array),
        Value::Oid(input),
        Value::Oid(output),
        Value::Oid(receive),
        Value::Oid(send),
        Value::Oid(modin),
        Value::Oid(modout),
        Value::Oid(0),
        flag(facts.align),
        flag(facts.storage),
        Value::Bool(false),
        Value::Oid(0),
        Value::Int4(-1),
        Value::Int4(0),
        Value::Oid(facts.collation),
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn builtin_type_row(info: &TypeInfo) -> Row {
    type_row(&TypeRow {
        oid: info.oid,
        name: info.name,
        schema: crate::catalog::PG_CATALOG,
        owner: 10,
        len: info.len,
        kind: info.kind,
        category: info.category.letter(),
        preferred: info.preferred,
        relation: 0,
        element: info.element,
        array: info.array,
        facts: info.oid,
    })
}

/// Rows of `pg_type`: built-in types, and the row types of tables and views with their arrays.
pub(super) fn pg_type(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let only = wanted_oid(keys, 0);
    if let Some(info) = only.and_then(type_info) {
        return Ok(vec![builtin_type_row(info)]);
    }
    let (_, own) = catalog(context)?;
    let mut rows: Vec<Row> = builtin_types().iter().map(builtin_type_row).collect();
    let mut composite =
        |relation: Oid, row_type: Oid, array_type: Oid, schema: Oid, (owner, acl): (Oid, Value), text: &str| {
            let (len, facts) = (-1, oid::RECORD);
            let mut row = TypeRow {
                oid: row_type,
                name: text,
                schema,
                owner,
                len,
                kind: b'c',
                category: b'C',
                preferred: false,
                relation,
                element: 0,
                array: array_type,
                facts,
            };
            let mut own = type_row(&row);
            own[31] = acl;
            rows.push(own);
            if array_type != 0 {
                let array_name = format!("_{text}");
                row = TypeRow {
                    oid: array_type,
                    kind: b'b',
                    category: b'A',
                    relation: 0,
                    element: row_type,
                    array: 0,
                    facts: 2287,
                    ..row
                };
                rows.push(type_row(&TypeRow { name: &array_name, ..row }));
            }
        };
    for def in own.tables().filter(|def| (!def.hidden || def.is_composite()) && def.row_type != 0) {
        let acl = if def.is_composite() { super::access::acl_value(context, &def.acl) } else { Value::Null };
        composite(def.id.0, def.row_type, def.array_type, def.schema, (def.owner, acl), &def.name);
    }
    for def in own.views().filter(|def| def.row_type != 0) {
        composite(def.oid, def.row_type, 0, def.schema, (def.owner, Value::Null), &def.name);
    }
    for def in own.types() {
        rows.extend(user_type_rows(context, def));
    }
    if let Some(oid) = only {
        rows.retain(|row| row[0] == Value::Oid(oid));
    }
    Ok(rows)
}

/// Rows of an enum or domain and of the array type over it.
fn user_type_rows(context: &dyn SystemContext, def: &TypeDef) -> [Row; 2] {
    let row = TypeRow {
        oid: def.oid,
        name: &def.name,
        schema: def.schema,
        owner: def.owner,
        len: type_length(def.oid),
        kind: b'e',
        category: b'E',
        preferred: false,
        relation: 0,
        element: 0,
        array: def.oid | USER_ARRAY,
        facts: oid::OID,
    };
    let array_name = format!("_{}", def.name);
    let array = TypeRow {
        oid: def.oid | USER_ARRAY,
        name: &array_name,
        len: -1,
        kind: b'b',
        category: b'A',
        element: def.oid,
        array: 0,
        facts: 2287,
        ..row
    };
    let [mut own, array] = match &def.kind {
        TypeKind::Enum(_) => {
            let mut own = type_row(&row);
            let function = |name: &str| super::type_storage::type_function(name).map_or(Value::Oid(0), Value::Oid);
            for (place, name) in (15..19).zip(["enum_in", "enum_out", "enum_recv", "enum_send"]) {
                own[place] = function(name);
            }
            [own, type_row(&array)]
        }
        TypeKind::Domain(domain) => {
            let base = domain.base.oid;
            let mut own = type_row(&TypeRow {
                len: type_length(base),
                kind: b'd',
                category: category_of(base).letter(),
                facts: super::relations::storage_model(base),
                ..row
            });
            let function = |name: &str| super::type_storage::type_function(name).map_or(Value::Oid(0), Value::Oid);
            (own[15], own[17]) = (function("domain_in"), function("domain_recv"));
            own[24] = Value::Bool(domain.not_null);
            own[25] = Value::Oid(if domain.parent == 0 { base } else { domain.parent });
            own[26] = Value::Int4(domain.base.typmod);
            if let Some(text) = &domain.default {
                let args = [Value::from(text.as_str()), Value::Oid(def.oid)];
                let shown = context.runtime().deparse("pg_get_expr", &args);
                own[29] = text.as_str().into();
                own[30] = shown.unwrap_or_else(|_| text.as_str().into());
            }
            [own, type_row(&array)]
        }
    };
    own[31] = super::access::acl_value(context, &def.acl);
    [own, array]
}

/// Rows of `pg_enum`.
pub(super) fn pg_enum(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows = Vec::new();
    for def in own.types() {
        if let TypeKind::Enum(labels) = &def.kind {
            rows.extend(labels.labels.iter().map(|(oid, label)| {
                vec![
                    Value::Oid(*oid),
                    Value::Oid(def.oid),
                    Value::Float4(label.order),
                    Value::Text(label.label.clone()),
                ]
            }));
        }
    }
    Ok(rows)
}

/// Rows of `pg_range`: the range types there are, each with the operator class that orders its elements. Multiranges are not
/// there.
pub(super) fn pg_range(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let row = |(range, element): &(Oid, Oid)| {
        vec![
            Value::Oid(*range),
            Value::Oid(*element),
            Value::Oid(0),
            Value::Oid(0),
            Value::Oid(operator_class(403, None, *element)),
            Value::Oid(0),
            Value::Oid(0),
        ]
    };
    Ok(RANGE_TYPES.iter().map(row).collect())
}

struct ProcRow<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    owner: Oid,
    language: Oid,
    variadic: Oid,
    kind: u8,
    strict: bool,
    set: bool,
    volatility: u8,
    defaults: usize,
    result: Oid,
    args: &'a [Oid],
    names: Vec<String>,
    /// Columns of the result behind the arguments: how they were declared (`o` or `t`) and their types.
    columns: (u8, Vec<Oid>),
    source: String,
}

fn proc_row(row: ProcRow<'_>) -> Row {
    let (mut all, mut modes) = (Vec::new(), Vec::new());
    if !row.columns.1.is_empty() {
        all = row.args.iter().chain(&row.columns.1).map(|ty| Value::Oid(*ty)).collect();
        modes = row.args.iter().map(|_| flag(b'i')).chain(row.columns.1.iter().map(|_| flag(row.columns.0))).collect();
    }
    vec![
        Value::Oid(row.oid),
        name(row.name),
        Value::Oid(row.schema),
        Value::Oid(row.owner),
        Value::Oid(row.language),
        Value::Float4(if row.oid < crate::catalog::FIRST_USER_OID { 1.0 } else { 100.0 }),
        Value::Float4(if row.set { 1000.0 } else { 0.0 }),
        Value::Oid(row.variadic),
        Value::Oid(0),
        flag(row.kind),
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(row.strict),
        Value::Bool(row.set),
        flag(row.volatility),
        flag(if row.oid < crate::catalog::FIRST_USER_OID { b's' } else { b'u' }),
        int2(row.args.len()),
        int2(row.defaults),
        Value::Oid(row.result),
        vector(oid::OID, row.args.iter().map(|arg| Value::Oid(*arg)).collect()),
        if all.is_empty() { Value::Null } else { array(oid::OID, all) },
        if modes.is_empty() { Value::Null } else { array(oid::CHAR, modes) },
        if row.names.iter().all(String::is_empty) { Value::Null } else { text_array(row.names) },
        Value::Null,
        Value::Null,
        row.source.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn builtin_proc(oid: Oid, text: &str, args: &[Oid], result: Oid, kind: u8) -> Row {
    proc_row(ProcRow {
        oid,
        name: text,
        schema: crate::catalog::PG_CATALOG,
        owner: 10,
        language: 12,
        variadic: 0,
        kind,
        strict: kind == b'f',
        set: false,
        volatility: b'i',
        defaults: 0,
        result,
        args,
        names: Vec::new(),
        columns: (b'o', Vec::new()),
        source: text.to_owned(),
    })
}

fn function_row(function: &Function) -> Row {
    let volatility = match function.volatility {
        Volatility::Immutable => b'i',
        Volatility::Stable => b's',
        Volatility::Volatile => b'v',
    };
    proc_row(ProcRow {
        oid: function.oid,
        name: function.name,
        schema: crate::catalog::PG_CATALOG,
        owner: 10,
        language: 12,
        variadic: if function.variadic { function.args.last().copied().unwrap_or(0) } else { 0 },
        kind: b'f',
        strict: function.strict,
        set: matches!(function.body, FunctionBody::Set(_)),
        volatility,
        defaults: function.defaults.len(),
        result: function.result,
        args: function.args,
        names: Vec::new(),
        columns: (b'o', Vec::new()),
        source: function.name.to_owned(),
    })
}

/// Rows of `pg_proc`: built-in functions, aggregates, window functions, type functions, and the user's.
pub(super) fn pg_proc(context: &dyn SystemContext, keys: &[(usize, Value)]) -> Result<Vec<Row>> {
    let (_, own) = catalog(context)?;
    let mut rows: Vec<Row> = functions().iter().map(function_row).collect();
    rows.extend(aggregates().iter().map(|def| builtin_proc(def.oid, def.name, def.args, def.result, b'a')));
    rows.extend(window_functions().iter().map(|def| builtin_proc(def.oid, def.name, def.args, def.result, b'w')));
    rows.extend(TYPE_FUNCTIONS.iter().map(|(oid, text, result, count)| {
        let args = vec![oid::INTERNAL; usize::try_from(*count).unwrap_or(0)];
        builtin_proc(*oid, text, &args, *result, b'f')
    }));
    rows.extend(own.functions().map(|def| {
        let args: Vec<Oid> = def.arguments.iter().map(|(_, ty)| ty.oid).collect();
        let mut row = proc_row(ProcRow {
            oid: def.oid,
            name: &def.name,
            schema: def.schema,
            owner: def.owner,
            language: if def.language == "sql" { 14 } else { 13563 },
            variadic: 0,
            kind: if def.kind == FunctionKind::Procedure { b'p' } else { b'f' },
            strict: def.strict,
            set: def.returns_set,
            volatility: def.volatility.and_then(|letter| u8::try_from(letter).ok()).unwrap_or(b'v'),
            defaults: def.defaults.len(),
            result: def.returns.oid,
            args: &args,
            names: def.arguments.iter().chain(&def.columns).map(|(text, _)| text.clone()).collect(),
            columns: (if def.returns_set { b't' } else { b'o' }, def.columns.iter().map(|(_, ty)| ty.oid).collect()),
            source: def.body.clone(),
        });
        if let Some(acl) = row.last_mut() {
            *acl = super::access::acl_value(context, &def.acl);
        }
        row
    }));
    if let Some(oid) = wanted_oid(keys, 0) {
        rows.retain(|row| row[0] == Value::Oid(oid));
    }
    Ok(rows)
}

/// Rows of `pg_operator`.
pub(super) fn pg_operator(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    Ok(operators()
        .iter()
        .map(|def| {
            vec![
                Value::Oid(def.oid),
                name(def.name),
                PG_CATALOG,
                OWNER,
                flag(if def.left == 0 { b'l' } else { b'b' }),
                Value::Bool(def.name == "="),
                Value::Bool(def.name == "="),
                Value::Oid(def.left),
                Value::Oid(def.right),
                Value::Oid(def.function.result),
                Value::Oid(0),
                Value::Oid(0),
                Value::Oid(def.function.oid),
                Value::Oid(0),
                Value::Oid(0),
            ]
        })
        .collect())
}

/// Rows of `pg_aggregate`: which functions are aggregates; how they work inside is not PostgreSQL's.
pub(super) fn pg_aggregate(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    Ok(aggregates()
        .iter()
        .map(|def| {
            let mut row = vec![Value::Oid(def.oid), flag(b'n'), Value::Int2(0)];
            row.extend(std::iter::repeat_n(Value::Oid(0), 8));
            row.extend([Value::Bool(false), Value::Bool(false), flag(b'r'), flag(b'r'), Value::Oid(0), Value::Oid(0)]);
            row.extend([Value::Int4(0), Value::Oid(0), Value::Int4(0), Value::Null, Value::Null]);
            row
        })
        .collect())
}

/// Rows of `pg_cast`, from the table that casts are looked up in.
pub(super) fn pg_cast(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let plain = || builtin_types().iter().filter(|info| info.element == 0 && info.kind == b'b');
    let mut rows = Vec::new();
    for from in plain() {
        for to in plain().filter(|to| to.oid != from.oid) {
            let contexts =
                [(CastContext::Implicit, b'i'), (CastContext::Assignment, b'a'), (CastContext::Explicit, b'e')];
            let found =
                contexts.iter().find_map(|(context, letter)| Some((find_cast(from.oid, to.oid, *context)?, *letter)));
            if let Some((kind @ (CastKind::Binary | CastKind::Function), letter)) = found {
                let number = Oid::try_from(rows.len()).unwrap_or(0);
                rows.push(vec![
                    Value::Oid(13_800 + number),
                    Value::Oid(from.oid),
                    Value::Oid(to.oid),
                    Value::Oid(0),
                    flag(letter),
                    flag(if kind == CastKind::Binary { b'b' } else { b'f' }),
                ]);
            }
        }
    }
    Ok(rows)
}

/// Rows of `pg_am`.
pub(super) fn pg_am(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let methods = [
        (2, "heap", 3, b't'),
        (403, "btree", 330, b'i'),
        (405, "hash", 331, b'i'),
        (783, "gist", 332, b'i'),
        (2742, "gin", 333, b'i'),
        (4000, "spgist", 334, b'i'),
        (3580, "brin", 335, b'i'),
    ];
    let rows = methods
        .iter()
        .map(|(oid, text, handler, kind)| vec![Value::Oid(*oid), name(text), Value::Oid(*handler), flag(*kind)]);
    Ok(rows.collect())
}

/// Whether a class is what an access method takes when none is named: then an index's text leaves it out.
pub(super) fn is_default_class(method: crate::catalog::IndexMethod, class: &str) -> bool {
    use crate::catalog::IndexMethod;
    let method = match method {
        IndexMethod::Btree => 403,
        IndexMethod::Hash => 405,
        IndexMethod::Gist => 783,
        IndexMethod::Gin => 2742,
        IndexMethod::SpGist => 4000,
        IndexMethod::Brin => 3580,
    };
    OPERATOR_CLASSES.iter().any(|(_, own, text, _, _, default)| *default && *own == method && *text == class)
}

/// Rows of `pg_opclass`.
pub(super) fn pg_opclass(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let rows = OPERATOR_CLASSES.iter().map(|(oid, method, text, family, ty, default)| {
        vec![
            Value::Oid(*oid),
            Value::Oid(*method),
            name(text),
            PG_CATALOG,
            OWNER,
            Value::Oid(*family),
            Value::Oid(*ty),
            Value::Bool(*default),
            Value::Oid(0),
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_opfamily`: those of the operator classes.
pub(super) fn pg_opfamily(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let mut seen = std::collections::BTreeMap::new();
    for (_, method, text, family, _, _) in OPERATOR_CLASSES {
        seen.entry(*family).or_insert((*method, *text));
    }
    let rows = seen
        .iter()
        .map(|(family, (method, text))| vec![Value::Oid(*family), Value::Oid(*method), name(text), PG_CATALOG, OWNER]);
    Ok(rows.collect())
}

/// Rows of `pg_collation` (PG-97).
pub(super) fn pg_collation(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let collations = [(100, "default", b'd', None), (950, "C", b'c', Some("C")), (951, "POSIX", b'c', Some("POSIX"))];
    let rows = collations.iter().map(|(oid, text, provider, locale)| {
        vec![
            Value::Oid(*oid),
            name(text),
            PG_CATALOG,
            OWNER,
            flag(*provider),
            Value::Bool(true),
            Value::Int4(-1),
            (*locale).into(),
            (*locale).into(),
            Value::Null,
            Value::Null,
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_language`.
pub(super) fn pg_language(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let languages = [
        (12, "internal", false, false),
        (13, "c", false, false),
        (14, "sql", false, true),
        (13563, "plpgsql", true, true),
    ];
    let rows = languages.iter().map(|(oid, text, procedural, trusted)| {
        vec![
            Value::Oid(*oid),
            name(text),
            OWNER,
            Value::Bool(*procedural),
            Value::Bool(*trusted),
            Value::Oid(0),
            Value::Oid(0),
            Value::Oid(0),
            Value::Null,
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_tablespace`.
pub(super) fn pg_tablespace(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let spaces = [(1663, "pg_default"), (1664, "pg_global")];
    Ok(spaces.iter().map(|(oid, text)| vec![Value::Oid(*oid), name(text), OWNER, Value::Null, Value::Null]).collect())
}

/// OID of the extension that the schema tripline and its relations belong to: pg_dump leaves out what belongs to an
/// extension that the server came with.
pub(super) const OWN_EXTENSION: Oid = 15_001;

/// Rows of `pg_extension`.
pub(super) fn pg_extension(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let row = |oid: Oid, text: &str, schema: Value| {
        let version = Value::from("1.0");
        vec![Value::Oid(oid), name(text), OWNER, schema, Value::Bool(false), version, Value::Null, Value::Null]
    };
    let own = Value::Oid(crate::catalog::TRIPLINE);
    Ok(vec![row(13564, "plpgsql", PG_CATALOG), row(OWN_EXTENSION, "tripline", own)])
}

/// Rows of `pg_init_privs`: everybody may read what the server came with.
pub(super) fn pg_init_privs(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    let row = |relation: &crate::plan::SystemRelation| {
        let (class, initially) = (Value::Oid(1259), flag(b'i'));
        vec![Value::Oid(relation.oid), class, Value::Int4(0), initially, super::access::public_select()]
    };
    Ok(super::relations().iter().map(row).collect())
}

/// Extensions whose functions and operator classes are built in: name, version, and the version if it is shown as
/// installed.
pub(crate) const EXTENSIONS: &[(&str, &str, Option<&str>)] = &[
    ("plpgsql", "1.0", Some("1.0")),
    ("tripline", "1.0", Some("1.0")),
    ("btree_gin", "1.3", None),
    ("btree_gist", "1.7", None),
    ("pgcrypto", "1.3", None),
    ("uuid-ossp", "1.1", None),
];

/// Rows of `pg_available_extensions`.
pub(super) fn pg_available_extensions(_: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    Ok(EXTENSIONS
        .iter()
        .map(|(text, version, installed)| vec![name(text), (*version).into(), (*installed).into(), Value::Null])
        .collect())
}

/// Rows of `pg_timezone_names`: the zones of the bundled database, and what they are at the transaction's time.
pub(super) fn pg_timezone_names(context: &dyn SystemContext, _: &[(usize, Value)]) -> Result<Vec<Row>> {
    Ok(time_zones(context.runtime().transaction_time()))
}

/// Name, abbreviation, distance from UTC and whether it is summer, of every zone at a moment (microseconds since 2000).
pub(super) fn time_zones(now: i64) -> Vec<Row> {
    const EPOCH_2000: i64 = 946_684_800;
    let at = jiff::Timestamp::from_second(now.div_euclid(1_000_000) + EPOCH_2000).unwrap_or_default();
    let zones = jiff::tz::db().available();
    zones
        .filter_map(|zone| {
            let known = jiff::tz::TimeZone::get(zone.as_str()).ok()?;
            let info = known.to_offset_info(at);
            let micros = i64::from(info.offset().seconds()) * 1_000_000;
            let offset = Value::Interval(Interval { micros, days: 0, months: 0 });
            Some(vec![
                Value::from(zone.as_str()),
                Value::text(info.abbreviation()),
                offset,
                Value::Bool(info.dst() == jiff::tz::Dst::Yes),
            ])
        })
        .collect()
}
