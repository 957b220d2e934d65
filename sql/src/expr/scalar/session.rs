//! Functions about the session: identity, settings, locks, notifications, sequences, random values (PG-110, PG-111).
use std::net::SocketAddr;
use std::sync::Arc;

use super::args::invalid;
use super::{INT4_ARRAY, NAME_ARRAY, TEXT_ARRAY};
use crate::catalog::CatalogSet;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::oid::{
    ANY, BOOL, INET, INT4, INT8, NAME, NUMERIC, OID, RECORD, REGCLASS, REGTYPE, TEXT, UUID, VOID, XID,
};
use crate::types::{Array, DataType, Numeric, Oid, Row, Value, format_type, oid};

/// A void result: the empty text.
#[allow(clippy::unnecessary_wraps, reason = "the tail of ScalarFn bodies")]
fn void(_: ()) -> Result<Value> {
    Ok(Value::text(""))
}

fn role_name(catalogs: &CatalogSet, role: Oid) -> Value {
    catalogs
        .shared
        .role(role)
        .map_or_else(|| Value::from(format!("unknown (OID={role})")), |role| Value::text(&role.name))
}

fn user(call: &Call<'_>, session: bool) -> Result<Value> {
    let (session_user, current_user) = call.ctx.runtime.users();
    Ok(role_name(&call.ctx.runtime.catalogs(), if session { session_user } else { current_user }))
}

fn current_database(call: &Call<'_>) -> Result<Value> {
    let runtime = call.ctx.runtime;
    let catalogs = runtime.catalogs();
    Ok(catalogs.shared.database(runtime.database()).map_or(Value::Null, |database| Value::text(&database.name)))
}

fn address(of: Option<SocketAddr>) -> Result<Value> {
    Ok(of.map_or(Value::Null, |of| Value::from(of.ip().to_canonical().to_string())))
}

fn port(of: Option<SocketAddr>) -> Result<Value> {
    Ok(of.map_or(Value::Null, |of| Value::Int4(of.port().into())))
}

fn schema_names(call: &Call<'_>, implicit: bool) -> Vec<Value> {
    let runtime = call.ctx.runtime;
    let catalogs = runtime.catalogs();
    let Some(catalog) = catalogs.database(runtime.database()) else { return Vec::new() };
    let name = |schema: Oid| match catalog.schema(schema) {
        Some(schema) => Some(Value::text(&schema.name)),
        None if schema == 11 => Some(Value::text("pg_catalog")),
        None => None,
    };
    runtime.search_path(implicit).into_iter().filter_map(name).collect()
}

fn current_schema(call: &Call<'_>) -> Result<Value> {
    Ok(schema_names(call, false).into_iter().next().unwrap_or_default())
}

fn current_schemas(call: &Call<'_>) -> Result<Value> {
    let names = schema_names(call, call.bool(0)?);
    Ok(Value::Array(Arc::new(Array::one_dimensional(oid::NAME, names))))
}

fn current_setting(call: &Call<'_>) -> Result<Value> {
    let name = call.text(0)?;
    let missing_ok = call.args.len() > 1 && call.bool(1)?;
    match call.ctx.runtime.setting(name) {
        Some(value) => Ok(Value::from(value)),
        None if missing_ok => Ok(Value::Null),
        None => {
            Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\"")))
        }
    }
}

fn set_config(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"));
    }
    let value = if call.has(1) { Some(call.text(1)?) } else { None };
    let local = call.has(2) && call.bool(2)?;
    call.ctx.runtime.set_setting(call.text(0)?, value, local).map(Value::from)
}

fn version(call: &Call<'_>) -> Result<Value> {
    let number = call.ctx.runtime.setting("server_version");
    let number = number.unwrap_or_else(|| concat!("15.18 (Tripline ", env!("CARGO_PKG_VERSION"), ")").to_owned());
    let (architecture, system) = (std::env::consts::ARCH, std::env::consts::OS);
    Ok(Value::from(format!("PostgreSQL {number} on {architecture}-{system}, 64-bit")))
}

/// The key of an advisory lock: one bigint, or two integers side by side.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "the bits of two int4 make an int8")]
fn lock_key(call: &Call<'_>) -> Result<(i64, bool)> {
    if call.args.len() < 2 {
        return Ok((call.int(0)?, false));
    }
    let (class, object) = (call.int(0)? as u32, call.int(1)? as u32);
    Ok(((i64::from(class) << 32) | i64::from(object), true))
}

fn lock(call: &Call<'_>, shared: bool, transaction: bool) -> Result<Value> {
    let (key, two) = lock_key(call)?;
    call.ctx.runtime.advisory_lock(key, two, shared, transaction, false)?;
    void(())
}

fn try_lock(call: &Call<'_>, shared: bool, transaction: bool) -> Result<Value> {
    let (key, two) = lock_key(call)?;
    call.ctx.runtime.advisory_lock(key, two, shared, transaction, true).map(Value::Bool)
}

fn unlock(call: &Call<'_>, shared: bool) -> Result<Value> {
    let (key, two) = lock_key(call)?;
    call.ctx.runtime.advisory_unlock(key, two, shared).map(Value::Bool)
}

fn notify(call: &Call<'_>) -> Result<Value> {
    let channel = if call.has(0) { call.text(0)? } else { "" };
    let payload = if call.has(1) { call.text(1)? } else { "" };
    if channel.is_empty() {
        return Err(invalid("channel name cannot be empty"));
    }
    if channel.len() >= 64 {
        return Err(invalid("channel name too long"));
    }
    if payload.len() >= 8000 {
        return Err(invalid("payload string too long"));
    }
    call.ctx.runtime.notify(channel, payload).and_then(void)
}

fn listening(call: &Call<'_>) -> Result<Vec<Row>> {
    Ok(call.ctx.runtime.listening().into_iter().map(|channel| vec![Value::from(channel)]).collect())
}

fn call_format_type(call: &Call<'_>) -> Result<Value> {
    if !call.has(0) {
        return Ok(Value::Null);
    }
    let ty = call.oid(0)?;
    let typmod = if call.has(1) { call.int4(1)? } else { -1 };
    // Without any modifier, not even -1, the standard's names are meant.
    match ty {
        oid::BPCHAR if !call.has(1) => return Ok(Value::text("character")),
        oid::BIT if !call.has(1) => return Ok(Value::text("bit")),
        _ => {}
    }
    if ty == 0 {
        return Ok(Value::text("-"));
    }
    if crate::types::type_info(ty).is_some() {
        return Ok(Value::from(format_type(DataType::with_typmod(ty, typmod))));
    }
    call.ctx.runtime.deparse("format_type", call.args)
}

fn type_of(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Oid(call.arg_types.first().map_or(oid::UNKNOWN, |ty| ty.oid)))
}

fn setval(call: &Call<'_>) -> Result<Value> {
    let called = if call.args.len() > 2 { call.bool(2)? } else { true };
    call.ctx.runtime.set_value(call.oid(0)?, call.int(1)?, called).map(Value::Int8)
}

/// A sequence's row, for `SELECT … FROM sequence`: last_value, log_cnt (always 0), is_called.
fn sequence_state(call: &Call<'_>) -> Result<Vec<Row>> {
    let (value, called) = call.ctx.runtime.sequence_state(call.oid(0)?)?;
    Ok(vec![vec![Value::Int8(value), Value::Int8(0), Value::Bool(called)]])
}

/// A version 4 UUID from 122 random bits.
fn random_uuid(call: &Call<'_>) -> Result<Value> {
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&call.ctx.runtime.random().to_be_bytes());
    bytes[8..].copy_from_slice(&call.ctx.runtime.random().to_be_bytes());
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    Ok(Value::Uuid(bytes))
}

/// An encoding's name by its number in PostgreSQL; only UTF8 is served.
fn encoding_name(call: &Call<'_>) -> Result<Value> {
    Ok(Value::text(match call.int(0)? {
        0 => "SQL_ASCII",
        6 => "UTF8",
        8 => "LATIN1",
        _ => "",
    }))
}

fn encoding_number(call: &Call<'_>) -> Result<Value> {
    let name: String = call.text(0)?.chars().filter(char::is_ascii_alphanumeric).collect();
    Ok(Value::Int4(match name.to_ascii_lowercase().as_str() {
        "sqlascii" => 0,
        "utf8" | "unicode" => 6,
        "latin1" | "iso88591" => 8,
        _ => -1,
    }))
}

fn transaction_id(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Int8(i64::try_from(call.ctx.runtime.transaction_id()).unwrap_or(i64::MAX)))
}

/// Transactions between an xid and now.
fn xid_age(call: &Call<'_>) -> Result<Value> {
    let now = i64::try_from(call.ctx.runtime.transaction_id()).unwrap_or(i64::MAX);
    Ok(Value::Int4(i32::try_from(now - call.int(0)?).unwrap_or(i32::MAX)))
}

fn signal(call: &Call<'_>, terminate: bool) -> Result<Value> {
    call.ctx.runtime.signal_backend(call.int4(0)?, terminate).map(Value::Bool)
}

fn table_size(call: &Call<'_>) -> Result<Value> {
    let (_, bytes) = call.ctx.runtime.table_size(call.oid(0)?);
    Ok(Value::Int8(i64::try_from(bytes).unwrap_or(i64::MAX)))
}

/// All databases are in the one tablespace.
fn tablespace_size(call: &Call<'_>) -> Result<Value> {
    let runtime = call.ctx.runtime;
    let tables = |database: &Arc<crate::catalog::Catalog>| -> u64 {
        database.tables().map(|table| CATALOG_BYTES + runtime.table_size(table.id.0).1).sum()
    };
    let bytes: u64 = runtime.catalogs().databases().map(tables).sum();
    Ok(Value::Int8(i64::try_from(bytes + CATALOG_BYTES).unwrap_or(i64::MAX)))
}

/// About what the definitions of a table, or of an empty database, take.
const CATALOG_BYTES: u64 = 8192;

fn database_size(call: &Call<'_>) -> Result<Value> {
    let runtime = call.ctx.runtime;
    let catalogs = runtime.catalogs();
    let database = match call.args.first() {
        Some(Value::Text(name)) => {
            let found = catalogs.shared.database_by_name(name);
            found.map(|database| database.oid).ok_or_else(|| {
                SqlError::new(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
            })?
        }
        _ => call.oid(0)?,
    };
    let tables =
        catalogs.database(database).map_or_else(Vec::new, |catalog| catalog.tables().map(|t| t.id.0).collect());
    let bytes: u64 =
        CATALOG_BYTES + tables.into_iter().map(|table| CATALOG_BYTES + runtime.table_size(table).1).sum::<u64>();
    Ok(Value::Int8(i64::try_from(bytes).unwrap_or(i64::MAX)))
}

/// A number of bytes with a unit: the next unit begins at 10240 of the one before.
fn pretty_size(call: &Call<'_>) -> Result<Value> {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let size = match call.args.first() {
        Some(Value::Numeric(n)) if **n != Numeric::NaN => {
            if let Some(whole) = n.to_i128().filter(|_| n.is_integer()) {
                whole
            } else {
                let mut text = String::new();
                n.print(&mut text);
                if n.abs().compare(&Numeric::Finite(10_240.into())).is_lt() {
                    return Ok(Value::from(format!("{text} bytes")));
                }
                n.trunc(0)?.to_i128().unwrap_or(i128::MAX)
            }
        }
        _ => i128::from(call.int(0)?),
    };
    let negative = size < 0;
    let mut amount = size.unsigned_abs();
    let mut unit = 0;
    // One bit more than the unit keeps is carried along for rounding.
    if amount >= 10_240 {
        amount >>= 9;
        unit = 1;
        while amount.div_ceil(2) >= 10_240 && unit + 1 < UNITS.len() {
            amount >>= 10;
            unit += 1;
        }
        amount = amount.div_ceil(2);
    }
    Ok(Value::from(format!("{}{amount} {}", if negative { "-" } else { "" }, UNITS[unit])))
}

fn user_by_id(call: &Call<'_>) -> Result<Value> {
    Ok(role_name(&call.ctx.runtime.catalogs(), call.oid(0)?))
}

/// hashtext: some 32-bit hash of a text; PostgreSQL's own differs between versions too.
fn hash_text(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Int4(i32::from_be_bytes(crc32fast::hash(call.text(0)?.as_bytes()).to_be_bytes())))
}

fn options(call: &Call<'_>) -> Result<Vec<Row>> {
    Ok(call
        .texts(0)?
        .into_iter()
        .flatten()
        .map(|option| match option.split_once('=') {
            Some((name, value)) => vec![Value::text(name), Value::text(value)],
            None => vec![Value::text(option), Value::Null],
        })
        .collect())
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(861, "current_database", &[], NAME, current_database).stable(),
    Function::new(1402, "current_schema", &[], NAME, current_schema).stable(),
    Function::new(1403, "current_schemas", &[BOOL], NAME_ARRAY, current_schemas).stable(),
    Function::new(745, "current_user", &[], NAME, |c| user(c, false)).stable(),
    Function::new(746, "session_user", &[], NAME, |c| user(c, true)).stable(),
    Function::new(2077, "current_setting", &[TEXT], TEXT, current_setting).stable(),
    Function::new(3294, "current_setting", &[TEXT, BOOL], TEXT, current_setting).stable(),
    Function::new(2078, "set_config", &[TEXT, TEXT, BOOL], TEXT, set_config).volatile().lax(),
    Function::new(89, "version", &[], TEXT, version).stable(),
    Function::new(2026, "pg_backend_pid", &[], INT4, |c| Ok(Value::Int4(c.ctx.runtime.backend_pid()))).stable(),
    Function::new(2880, "pg_advisory_lock", &[INT8], VOID, |c| lock(c, false, false)).volatile(),
    Function::new(2886, "pg_advisory_lock", &[INT4, INT4], VOID, |c| lock(c, false, false)).volatile(),
    Function::new(2881, "pg_advisory_lock_shared", &[INT8], VOID, |c| lock(c, true, false)).volatile(),
    Function::new(2887, "pg_advisory_lock_shared", &[INT4, INT4], VOID, |c| lock(c, true, false)).volatile(),
    Function::new(3089, "pg_advisory_xact_lock", &[INT8], VOID, |c| lock(c, false, true)).volatile(),
    Function::new(3093, "pg_advisory_xact_lock", &[INT4, INT4], VOID, |c| lock(c, false, true)).volatile(),
    Function::new(3090, "pg_advisory_xact_lock_shared", &[INT8], VOID, |c| lock(c, true, true)).volatile(),
    Function::new(3094, "pg_advisory_xact_lock_shared", &[INT4, INT4], VOID, |c| lock(c, true, true)).volatile(),
    Function::new(2882, "pg_try_advisory_lock", &[INT8], BOOL, |c| try_lock(c, false, false)).volatile(),
    Function::new(2888, "pg_try_advisory_lock", &[INT4, INT4], BOOL, |c| try_lock(c, false, false)).volatile(),
    Function::new(2883, "pg_try_advisory_lock_shared", &[INT8], BOOL, |c| try_lock(c, true, false)).volatile(),
    Function::new(2889, "pg_try_advisory_lock_shared", &[INT4, INT4], BOOL, |c| try_lock(c, true, false)).volatile(),
    Function::new(3091, "pg_try_advisory_xact_lock", &[INT8], BOOL, |c| try_lock(c, false, true)).volatile(),
    Function::new(3095, "pg_try_advisory_xact_lock", &[INT4, INT4], BOOL, |c| try_lock(c, false, true)).volatile(),
    Function::new(3092, "pg_try_advisory_xact_lock_shared", &[INT8], BOOL, |c| try_lock(c, true, true)).volatile(),
    Function::new(3096, "pg_try_advisory_xact_lock_shared", &[INT4, INT4], BOOL, |c| try_lock(c, true, true)).volatile(),
    Function::new(2884, "pg_advisory_unlock", &[INT8], BOOL, |c| unlock(c, false)).volatile(),
    Function::new(2890, "pg_advisory_unlock", &[INT4, INT4], BOOL, |c| unlock(c, false)).volatile(),
    Function::new(2885, "pg_advisory_unlock_shared", &[INT8], BOOL, |c| unlock(c, true)).volatile(),
    Function::new(2891, "pg_advisory_unlock_shared", &[INT4, INT4], BOOL, |c| unlock(c, true)).volatile(),
    Function::new(2892, "pg_advisory_unlock_all", &[], VOID, |c| {
        let _: () = c.ctx.runtime.advisory_unlock_all();
        void(())
    }).volatile(),
    Function::new(3036, "pg_notify", &[TEXT, TEXT], VOID, notify).volatile().lax(),
    Function::set(3035, "pg_listening_channels", &[], TEXT, listening).stable(),
    Function::new(1081, "format_type", &[OID, INT4], TEXT, call_format_type).stable().lax(),
    Function::new(1619, "pg_typeof", &[ANY], REGTYPE, type_of).stable().lax(),
    Function::new(1574, "nextval", &[REGCLASS], INT8, |c| c.ctx.runtime.next_value(c.oid(0)?).map(Value::Int8)).volatile(),
    Function::new(1575, "currval", &[REGCLASS], INT8, |c| c.ctx.runtime.current_value(c.oid(0)?).map(Value::Int8)).volatile(),
    Function::new(2559, "lastval", &[], INT8, |c| c.ctx.runtime.last_value().map(Value::Int8)).volatile(),
    Function::new(1576, "setval", &[REGCLASS, INT8], INT8, setval).volatile(),
    Function::new(1765, "setval", &[REGCLASS, INT8, BOOL], INT8, setval).volatile(),
    Function::set(15_006, "pg_sequence_state", &[REGCLASS], RECORD, sequence_state).volatile().columns(&[("last_value", INT8), ("log_cnt", INT8), ("is_called", BOOL)]),
    Function::new(3432, "gen_random_uuid", &[], UUID, random_uuid).volatile(),
    Function::new(1597, "pg_encoding_to_char", &[INT4], NAME, encoding_name).stable(),
    Function::new(1264, "pg_char_to_encoding", &[NAME], INT4, encoding_number).stable(),
    Function::new(2319, "pg_encoding_max_length", &[INT4], INT4, |_| Ok(Value::Int4(4))),
    Function::new(810, "pg_client_encoding", &[], NAME, |_| Ok(Value::text("UTF8"))).stable(),
    Function::new(1039, "getdatabaseencoding", &[], NAME, |_| Ok(Value::text("UTF8"))).stable(),
    Function::new(3810, "pg_is_in_recovery", &[], BOOL, |_| Ok(Value::Bool(false))).volatile(),
    Function::new(2943, "txid_current", &[], INT8, transaction_id).stable(),
    Function::new(3348, "txid_current_if_assigned", &[], INT8, transaction_id).stable(),
    Function::new(1181, "age", &[XID], INT4, xid_age).stable(),
    Function::new(2171, "pg_cancel_backend", &[INT4], BOOL, |c| signal(c, false)).volatile(),
    Function::new(2096, "pg_terminate_backend", &[INT4, INT8], BOOL, |c| signal(c, true)).volatile().defaults(&["0"]),
    Function::new(2325, "pg_relation_size", &[REGCLASS], INT8, table_size).volatile(),
    Function::new(2332, "pg_relation_size", &[REGCLASS, TEXT], INT8, table_size).volatile(),
    Function::new(2997, "pg_table_size", &[REGCLASS], INT8, table_size).volatile(),
    Function::new(2286, "pg_total_relation_size", &[REGCLASS], INT8, table_size).volatile(),
    Function::new(2998, "pg_indexes_size", &[REGCLASS], INT8, |_| Ok(Value::Int8(0))).volatile(),
    Function::new(2168, "pg_database_size", &[NAME], INT8, database_size).volatile(),
    Function::new(2324, "pg_database_size", &[OID], INT8, database_size).volatile(),
    Function::new(2322, "pg_tablespace_size", &[OID], INT8, tablespace_size).volatile(),
    Function::new(2323, "pg_tablespace_size", &[NAME], INT8, tablespace_size).volatile(),
    Function::new(3778, "pg_tablespace_location", &[OID], TEXT, |_| Ok(Value::text(""))).stable(),
    Function::new(2288, "pg_size_pretty", &[INT8], TEXT, pretty_size),
    Function::new(3166, "pg_size_pretty", &[NUMERIC], TEXT, pretty_size),
    Function::new(1642, "pg_get_userbyid", &[OID], NAME, user_by_id).stable(),
    Function::new(400, "hashtext", &[TEXT], INT4, hash_text),
    Function::set(2289, "pg_options_to_table", &[TEXT_ARRAY], RECORD, options).stable().columns(&[("option_name", TEXT), ("option_value", TEXT)]),
    Function::new(2854, "pg_my_temp_schema", &[], OID, |_| Ok(Value::Oid(0))).stable(),
    Function::new(2855, "pg_is_other_temp_schema", &[OID], BOOL, |_| Ok(Value::Bool(false))).stable(),
    Function::new(315, "pg_jit_available", &[], BOOL, |_| Ok(Value::Bool(false))).volatile(),
    Function::new(2196, "inet_client_addr", &[], INET, |c| address(c.ctx.runtime.addresses().0)).stable().lax(),
    Function::new(2197, "inet_client_port", &[], INT4, |c| port(c.ctx.runtime.addresses().0)).stable().lax(),
    Function::new(2198, "inet_server_addr", &[], INET, |c| address(c.ctx.runtime.addresses().1)).stable().lax(),
    Function::new(2199, "inet_server_port", &[], INT4, |c| port(c.ctx.runtime.addresses().1)).stable().lax(),
    Function::new(2621, "pg_reload_conf", &[], BOOL, |_| Ok(Value::Bool(true))).volatile(),
    Function::new(2561, "pg_blocking_pids", &[INT4], INT4_ARRAY, |_| Ok(Value::Array(Arc::new(Array::one_dimensional(oid::INT4, Vec::new()))))).volatile(),
    Function::new(3298, "row_security_active", &[OID], BOOL, |_| Ok(Value::Bool(false))).stable(),
    Function::new(3299, "row_security_active", &[TEXT], BOOL, |_| Ok(Value::Bool(false))).stable(),
    Function::new(15_002, "uuid_generate_v4", &[], UUID, random_uuid).volatile(),
    Function::new(15_003, "current_catalog", &[], NAME, current_database).stable(),
    Function::new(15_004, "user", &[], NAME, |c| user(c, false)).stable(),
    Function::new(15_005, "current_role", &[], NAME, |c| user(c, false)).stable(),
];

#[rustfmt::skip]
pub(super) const OPERATORS: &[super::OperatorRow] = &[

];
