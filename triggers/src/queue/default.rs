//! Default consumers (section 8): the procedure that CREATE DEFAULT LUA CONSUMER makes, and the columns it gives.
//!
//! The procedure is an ordinary one, written in Lua. Which columns it gives it asks when it begins (`db:watched()`): a
//! column may be renamed or have another type since.

use tripline_sql::catalog::{Catalog, TriggerDef};
use tripline_sql::types::{DataType, Value, oid};

use super::consumer_columns;
use crate::script::lua::convert::Kind;

/// Its version (CDB-801).
pub(super) const VERSION: &str = "comdb2 default consumer 1.1";

/// The name that `db:column_type` takes for a column, and the type that it gives.
fn emitted(ty: DataType) -> (&'static str, DataType) {
    match Kind::of(ty) {
        Kind::Int => ("longlong", DataType::INT8),
        Kind::Bool => ("longlong", DataType::INT8),
        Kind::Real => ("double", DataType::FLOAT8),
        Kind::Blob => ("blob", DataType::BYTEA),
        Kind::Datetime if ty.oid == oid::TIMESTAMPTZ && ty.typmod == 3 => {
            ("datetime", DataType::with_typmod(oid::TIMESTAMPTZ, 3))
        }
        Kind::Datetime => ("datetimeus", DataType::TIMESTAMPTZ),
        Kind::IntervalYm | Kind::IntervalDs => ("intervalds", DataType::new(oid::INTERVAL)),
        Kind::Decimal | Kind::Cstring => ("text", DataType::TEXT),
    }
}

/// The options of a call, as far as columns depend on them: id, tid, sequence, epoch.
fn chosen(arguments: &[Value]) -> Option<[bool; 4]> {
    let mut chosen = [true, false, false, false];
    match arguments.first() {
        None | Some(Value::Null) => {}
        Some(Value::Text(text)) => {
            let options: serde_json::Value = serde_json::from_str(text).ok()?;
            for (slot, name) in chosen.iter_mut().zip(["with_id", "with_tid", "with_sequence", "with_epoch"]) {
                if let Some(given) = options.get(name) {
                    *slot = given.as_bool()?;
                }
            }
        }
        Some(_) => return None,
    }
    Some(chosen)
}

/// The columns of a default consumer called with these arguments (CDB-802, CDB-910).
pub(super) fn columns(catalog: &Catalog, def: &TriggerDef, arguments: &[Value]) -> Option<Vec<(String, DataType)>> {
    let running = crate::script::lua::comdb2::db::procedure(catalog, &def.name, None)?;
    if running.version.as_deref() != Some(VERSION) {
        return None;
    }
    let chosen = chosen(arguments)?;
    let table = catalog.watched(def, def.events.last()?.table)?;
    let meta = [
        ("comdb2_id", DataType::BYTEA),
        ("comdb2_tid", DataType::INT8),
        ("comdb2_sequence", DataType::INT8),
        ("comdb2_epoch", DataType::INT8),
    ];
    let mut columns = vec![("comdb2_event".to_owned(), DataType::TEXT)];
    for ((name, ty), _) in meta.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
        columns.push(((*name).to_owned(), *ty));
    }
    for (name, ty) in consumer_columns(def, table) {
        columns.push((name, emitted(ty).1));
    }
    Some(columns)
}

/// What `db:watched()` gives: names and types of the watched columns, in the table's order.
pub(super) fn watched(catalog: &Catalog, def: &TriggerDef) -> Vec<(String, &'static str)> {
    let table = def.events.last().and_then(|event| catalog.watched(def, event.table));
    let columns = table.map(|table| consumer_columns(def, table)).unwrap_or_default();
    columns.into_iter().map(|(name, ty)| (name, emitted(ty).0)).collect()
}

/// The procedure's source.
pub(super) const SOURCE: &str = "
local booleans = { with_id = true, with_tid = true, with_sequence = true, with_epoch = true,
  batch_consume = true, with_txn_sentinel = true }
local numbers = { register_timeout = true, poll_timeout = true, emit_timeout = true, consume_count = true }
local options = { with_id = true, emit_timeout = 10000 }

local function read(text)
  if text == nil or db:isnull(text) then return end
  local given
  if type(text) == 'string' then given = db:json_to_table(text) end
  if type(given) ~= 'table' then return 'the options must be a JSON object' end
  for name, value in pairs(given) do
    if booleans[name] then
      if type(value) ~= 'boolean' then return \"invalid value for option '\" .. name .. \"'\" end
    elseif numbers[name] then
      if type(value) ~= 'number' then return \"invalid value for option '\" .. name .. \"'\" end
    else
      return \"invalid option '\" .. tostring(name) .. \"'\"
    end
    options[name] = value
  end
end

local function declare_columns()
  local all = { { 'comdb2_event', 'text' } }
  if options.with_id then table.insert(all, { 'comdb2_id', 'blob' }) end
  if options.with_tid then table.insert(all, { 'comdb2_tid', 'longlong' }) end
  if options.with_sequence then table.insert(all, { 'comdb2_sequence', 'longlong' }) end
  if options.with_epoch then table.insert(all, { 'comdb2_epoch', 'longlong' }) end
  for _, column in ipairs(db:watched()) do table.insert(all, column) end
  db:num_columns(#all)
  for i, column in ipairs(all) do
    db:column_name(column[1], i)
    db:column_type(column[2], i)
  end
end

local function row_of(event, kind, values)
  local row = setmetatable({}, { __index = values })
  row.comdb2_event = kind
  row.comdb2_id = event.id
  row.comdb2_tid = event.tid
  row.comdb2_sequence = event.sequence
  row.comdb2_epoch = event.epoch
  return row
end

-- The rows of an event; the last one waits for the client if asked.
local function send(consumer, event, waits)
  local kind, values = event.type, event.new or event.old
  if kind == 'upd' then
    db:emit(row_of(event, 'old', event.old))
    kind, values = 'new', event.new
  end
  local row = row_of(event, kind, values)
  if waits then consumer:emit(row) else db:emit(row) end
end

local function wait(consumer)
  if options.poll_timeout == nil then return consumer:get() end
  while true do
    local event = consumer:poll(options.poll_timeout)
    if event ~= nil then return event end
    consumer:emit({ comdb2_event = 'poll_timeout' })
  end
end

-- Events consumed so far.
local count = 0

local function full()
  return options.consume_count ~= nil and count >= options.consume_count
end

local function batch(consumer)
  local event = wait(consumer)
  db:begin()
  local tid = db:get_event_tid(event)
  -- An event is sent when it is known whether another one of its transaction follows.
  event = consumer:poll(0)
  while true do
    consumer:next()
    count = count + 1
    local following
    if not full() then following = consumer:poll(0) end
    local last = following == nil or db:get_event_tid(following) ~= tid
    send(consumer, event, last and not options.with_txn_sentinel)
    if last then break end
    event = following
  end
  if options.with_txn_sentinel then consumer:emit({ comdb2_event = 'txn' }) end
  return db:commit()
end

local function single(consumer)
  local event = wait(consumer)
  send(consumer, event, true)
  consumer:consume()
  count = count + 1
end

local function main(text)
  local problem = read(text)
  if problem then return -200, problem end
  db:setmaxinstructions(1000000)
  declare_columns()
  local wanted = { with_tid = options.with_tid, with_sequence = options.with_sequence,
    with_epoch = options.with_epoch, register_timeout = options.register_timeout }
  local consumer = db:consumer(wanted)
  while consumer == nil do
    db:emit({ comdb2_event = 'register_timeout' })
    consumer = db:consumer(wanted)
  end
  consumer:emit_timeout(options.emit_timeout)
  while not full() do
    if options.batch_consume then batch(consumer) else single(consumer) end
  end
  return 0
end
";
