//! Where catalog relations come from: a registry that the layer with their code fills, and what only the engine knows.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Backend, Cx, Exec, SessionInfo, SettingKind};
use crate::catalog::{Catalog, TableDef, TableId, Timing, TriggerDef, TriggerId};
use crate::change::{CommitNo, CommitRecord, Position, RowChange};
use crate::error::Result;
use crate::expr::{CompareOp, Expr};
use crate::plan::SystemRelation;
use crate::store::{LockInfo, LockObject, LogReader, ReadItem};
use crate::types::{Array, Interval, Jsonb, Oid, Row, Value};

/// A catalog relation by schema (none: pg_catalog's) and name.
#[must_use]
pub fn relation(schema: Option<&str>, name: &str) -> Option<&'static SystemRelation> {
    let schema = match schema {
        // A dialect's own relations are found by their bare names.
        None | Some("pg_catalog") if name.starts_with("comdb2_") => crate::catalog::TRIPLINE,
        None | Some("pg_catalog") => crate::catalog::PG_CATALOG,
        Some("information_schema") => crate::catalog::INFORMATION_SCHEMA,
        Some("tripline") => crate::catalog::TRIPLINE,
        Some(_) => return None,
    };
    crate::system::relation(schema, name)
}

/// A catalog relation by OID.
#[must_use]
pub fn relation_by_oid(oid: Oid) -> Option<&'static SystemRelation> {
    crate::system::relation_by_oid(oid)
}

/// Approximate rows and bytes of a table; bytes are a guess from the width of its columns.
pub(super) fn table_size(backend: &Backend, table: Oid) -> (u64, u64) {
    let rows = backend.shared.store.row_estimate(TableId(table));
    let width = backend.catalog().ok().and_then(|catalog| catalog.table(TableId(table)).map(|def| def.columns.len()));
    (rows, rows.saturating_mul(32 + 16 * width.unwrap_or(0) as u64))
}

/// Descriptions of objects, by the code of the catalog relations.
pub(super) fn deparse(exec: &Exec<'_>, kind: &str, args: &[Value]) -> Result<Value> {
    super::planning::with_bind_context(exec.backend, |context| crate::system::describe(context, exec, kind, args))
}

/// Rows that only the engine knows.
pub(super) fn engine_rows(backend: &Backend, what: &str) -> Result<Vec<Row>> {
    let text = |text: &str| Value::text(text);
    let time = |micros: i64| Value::TimestampTz(micros.saturating_sub(super::EPOCH_MICROS));
    Ok(match what {
        "settings" => {
            let all = backend.settings.borrow().all();
            all.into_iter().map(|(name, value, reset)| setting_row(&name, &value, &reset)).collect()
        }
        "tls" => {
            let row = |info: SessionInfo| {
                let tls = info.tls.as_ref();
                let fields = [
                    ("pid", Value::Int4(info.pid)),
                    ("ssl", Value::Bool(tls.is_some())),
                    ("version", tls.map_or(Value::Null, |tls| text(&tls.version))),
                    ("cipher", tls.map_or(Value::Null, |tls| text(&tls.cipher))),
                    ("bits", tls.map_or(Value::Null, |tls| Value::Int4(tls.bits))),
                ];
                shaped("pg_stat_ssl", &fields)
            };
            all_sessions(backend).into_iter().filter(|info| !info.internal).map(row).collect()
        }
        "sessions" => {
            let catalogs = backend.catalogs();
            let waits: HashMap<i32, LockInfo> = backend
                .shared
                .store
                .locks()
                .into_iter()
                .filter(|lock| lock.waits_since.is_some())
                .map(|lock| (lock.pid, lock))
                .collect();
            let own = backend.control.info.lock().user.clone();
            let rows = all_sessions(backend).into_iter().map(|info| {
                let database = catalogs.shared.database_by_name(&info.database);
                let role = catalogs.shared.role_by_name(&info.user);
                let kind = if info.internal { "tripline trigger" } else { "client backend" };
                let mut fields = vec![
                    ("pid", Value::Int4(info.pid)),
                    ("datid", database.map_or(Value::Null, |database| Value::Oid(database.oid))),
                    ("datname", text(&info.database)),
                    ("usesysid", role.map_or(Value::Null, |role| Value::Oid(role.oid))),
                    ("usename", text(&info.user)),
                    ("application_name", text(&info.application_name)),
                    ("backend_type", text(kind)),
                ];
                if !backend.superuser.get() && own != info.user {
                    fields.push(("query", text("<insufficient privilege>")));
                    return shaped("pg_stat_activity", &fields);
                }
                let wait = match waits.get(&info.pid).map(|lock| &lock.object) {
                    Some(LockObject::Table(_)) => Some(("Lock", "relation")),
                    Some(LockObject::Transaction(_)) => Some(("Lock", "transactionid")),
                    Some(LockObject::Advisory(_)) => Some(("Lock", "advisory")),
                    None if info.internal => None,
                    None => info.state.starts_with("idle").then_some(("Client", "ClientRead")),
                };
                if let Some((class, event)) = wait {
                    fields.extend([("wait_event_type", text(class)), ("wait_event", text(event))]);
                }
                let began = info.transaction_started_at.map_or(Value::Null, time);
                // As in PostgreSQL the port -1 says that a client came over a Unix socket.
                let (address, port) = match info.client_address.parse::<SocketAddr>() {
                    Ok(client) => (text(&client.ip().to_canonical().to_string()), Value::Int4(client.port().into())),
                    Err(_) if info.internal => (Value::Null, Value::Null),
                    Err(_) => (Value::Null, Value::Int4(-1)),
                };
                fields.extend([
                    ("client_addr", address),
                    ("client_port", port),
                    ("state", text(&info.state)),
                    ("query", text(&info.query)),
                    ("backend_start", time(info.started_at)),
                    ("query_start", time(info.query_started_at)),
                    ("state_change", time(info.state_changed_at)),
                    ("xact_start", began),
                ]);
                shaped("pg_stat_activity", &fields)
            });
            rows.collect()
        }
        "prepared_statements" => {
            let prepared = backend.prepared.borrow();
            let rows = prepared.iter().map(|(name, info)| {
                let types = info.types.iter().map(|ty| Value::Oid(*ty)).collect();
                let types = Array::one_dimensional(crate::types::oid::REGTYPE, types);
                vec![
                    text(name),
                    text(&info.text),
                    Value::TimestampTz(info.prepared_at),
                    Value::Array(Arc::new(types)),
                    Value::Bool(info.from_sql),
                    Value::Int8(0),
                    Value::Int8(0),
                ]
            });
            rows.collect()
        }
        "cursors" => {
            let row = |info: &super::CursorInfo| {
                vec![
                    text(&info.name),
                    text(&info.text),
                    Value::Bool(info.hold),
                    Value::Bool(false),
                    Value::Bool(info.scroll),
                    Value::TimestampTz(info.made_at),
                ]
            };
            backend.cursors.borrow().iter().map(row).collect()
        }
        "timer_times" => timer_times(backend)?,
        "locks" => locks(backend),
        "subscriptions" => subscriptions(backend)?,
        "trigger_statistics" => trigger_statistics(backend)?,
        _ => Vec::new(),
    })
}

fn all_sessions(backend: &Backend) -> Vec<SessionInfo> {
    backend.shared.sessions.read().values().map(|control| control.info.lock().clone()).collect()
}

/// When timers ran last and run next: OID, milliseconds since 1970.
fn timer_times(backend: &Backend) -> Result<Vec<Row>> {
    let time = |micros: Option<i64>| micros.map_or(Value::Null, |micros| Value::Int8(micros.div_euclid(1000)));
    let row = |def: &Arc<TriggerDef>| {
        let (last, next) = backend.shared.hooks.timer_times(def.id);
        vec![Value::Oid(def.id.0), time(last), time(next)]
    };
    Ok(backend.catalog()?.triggers().filter(|def| def.kind == "timer").map(row).collect())
}

/// Rows of `pg_locks` (PG-151).
fn locks(backend: &Backend) -> Vec<Row> {
    let catalogs = backend.catalogs();
    let database_of = |table: TableId| {
        let has = |catalog: &&Arc<Catalog>| catalog.table(table).is_some();
        catalogs.databases().find(has).map_or(Value::Null, |catalog| Value::Oid(catalog.database))
    };
    // PostgreSQL's transaction ids have 32 bits, and so has their type.
    let xid = |id: u64| Value::Oid(u32::try_from(id & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    let row = |lock: LockInfo| {
        let virtual_id = format!("{}/{}", lock.pid, lock.transaction.unwrap_or(0));
        let mut fields = vec![
            ("virtualtransaction", Value::text(&*virtual_id)),
            ("pid", Value::Int4(lock.pid)),
            ("mode", Value::text(lock.mode)),
            ("granted", Value::Bool(lock.waits_since.is_none())),
            ("fastpath", Value::Bool(false)),
        ];
        let since = lock.waits_since.map(|at| Value::TimestampTz(at.saturating_sub(super::EPOCH_MICROS)));
        fields.extend(since.map(|since| ("waitstart", since)));
        fields.extend(match lock.object {
            LockObject::Table(table) => {
                vec![
                    ("locktype", Value::text("relation")),
                    ("database", database_of(table)),
                    ("relation", Value::Oid(table.0)),
                ]
            }
            LockObject::Transaction(id) => {
                vec![("locktype", Value::text("transactionid")), ("transactionid", xid(id))]
            }
            LockObject::Advisory(key) => vec![
                ("locktype", Value::text("advisory")),
                ("database", Value::Oid(key.database)),
                ("classid", Value::Oid(key.high)),
                ("objid", Value::Oid(key.low)),
                ("objsubid", Value::Int2(if key.pair { 2 } else { 1 })),
            ],
        });
        shaped("pg_locks", &fields)
    };
    backend.shared.store.locks().into_iter().map(row).collect()
}

/// What is counted of each trigger: its OID, calls, milliseconds, errors, `return false`, the last error, its time.
fn trigger_statistics(backend: &Backend) -> Result<Vec<Row>> {
    let count = |number: u64| Value::Int8(i64::try_from(number).unwrap_or(i64::MAX));
    let row = |def: &Arc<TriggerDef>| {
        // One that has not run since the start has no instance yet.
        let found = backend.shared.hooks.statistics(def.id).unwrap_or_default();
        let (message, at) = match &found.last_error {
            Some(last) => (
                Value::from(format!("{}: {}", last.event, last.error.message())),
                Value::TimestampTz(last.at.saturating_sub(super::EPOCH_MICROS)),
            ),
            None => (Value::Null, Value::Null),
        };
        Some(vec![
            Value::Oid(def.id.0),
            count(found.executed),
            Value::Float8(found.spent.as_secs_f64() * 1000.0),
            count(found.errors),
            count(found.returned_false),
            message,
            at,
        ])
    };
    Ok(backend.catalog()?.triggers().filter_map(row).collect())
}

/// Rows of `tripline.subscriptions`: every trigger that runs after commit, with what is known of its subscriber.
fn subscriptions(backend: &Backend) -> Result<Vec<Row>> {
    let (catalog, store) = (backend.catalog()?, &backend.shared.store);
    let (cursors, gaps) = (store.cursors(), store.gaps());
    let now = backend.shared.env.clock.now();
    let count = |number: u64| Value::Int8(i64::try_from(number).unwrap_or(i64::MAX));
    let mut defs: Vec<_> = catalog.triggers().filter(|def| def.timing == Timing::Committed).collect();
    defs.sort_by_key(|def| def.id);
    let row = |def: &Arc<TriggerDef>| {
        let state = backend.shared.status.get(def.id).unwrap_or_default();
        let cursor = cursors.iter().find(|(subscriber, _)| *subscriber == def.id).map(|(_, position)| *position);
        let position = cursor.max(state.position);
        let check = || backend.check_cancel();
        let backlogs = &backend.shared.backlogs;
        let waiting = position.map(|at| backlogs.waiting(&backend.shared, backend.database, def, at, &check));
        let (depth, oldest) = waiting.transpose()?.unwrap_or_default();
        let age = oldest.map_or(0, |at| now.saturating_sub(at).max(0));
        Ok(vec![
            Value::Oid(def.id.0),
            Value::text(&def.name),
            Value::text(&def.kind),
            Value::text(match (state.state.as_str(), def.kind.as_str()) {
                ("", "lua_consumer") => "unassigned",
                ("", _) => "starting",
                (state, _) => state,
            }),
            position.map_or(Value::Null, |position| count(position.commit.0)),
            position.map_or(Value::Null, |position| Value::Int8(i64::from(position.ordinal))),
            count(depth),
            Value::Interval(Interval { micros: age, days: 0, months: 0 }),
            count(state.attempts),
            count(state.delivered),
            state.last_error.clone().into(),
            state.last_error_at.map_or(Value::Null, |at| Value::TimestampTz(at.saturating_sub(super::EPOCH_MICROS))),
            count(gaps.iter().filter(|gap| gap.subscriber == def.id).count() as u64),
            count(state.dropped),
            count(state.rejected),
            state.holder.map_or(Value::Null, Value::Int4),
            count(state.waiters),
        ])
    };
    let rows = defs.into_iter().map(row).collect();
    // Who is told that an event was handled sees its effects from then on, although they may not be durable yet.
    backend.at_least.set(backend.at_least.get().max(store.newest()));
    rows
}

/// Whether it is `tripline.log`, whose rows are read as they are asked for: there may be more than fit into memory.
pub(super) fn is_log(relation: &SystemRelation) -> bool {
    relation.schema == crate::catalog::TRIPLINE && relation.name == "log"
}

/// Log records read at a time.
const LOG_BATCH: usize = 64;

/// A scan of `tripline.log`: the row changes of this database in the durable commits that the log still has, oldest
/// first. Conditions on the commit limit what is read.
#[derive(Default)]
pub struct LogScan {
    reader: Option<LogReader>,
    /// The last commit to show.
    last: CommitNo,
    rows: VecDeque<Row>,
}

impl LogScan {
    fn begin(&mut self, bounds: &[(CompareOp, Expr)], cx: &Cx<'_>) -> Result<LogReader> {
        let store = &cx.exec.backend.shared.store;
        let (mut first, mut last) = (1, i64::try_from(store.durable().0).unwrap_or(i64::MAX));
        for (op, bound) in bounds {
            let bound = cx.eval(bound, &[])?;
            let (Value::Int2(_) | Value::Int4(_) | Value::Int8(_), Some(bound)) = (&bound, bound.as_i64()) else {
                continue;
            };
            match op {
                CompareOp::Equal => (first, last) = (first.max(bound), last.min(bound)),
                CompareOp::Greater => first = first.max(bound.saturating_add(1)),
                CompareOp::GreaterEqual => first = first.max(bound),
                CompareOp::Less => last = last.min(bound.saturating_sub(1)),
                CompareOp::LessEqual => last = last.min(bound),
                CompareOp::NotEqual => {}
            }
        }
        let number = |commit: i64| CommitNo(u64::try_from(commit).unwrap_or(0));
        self.last = if first > last { CommitNo(0) } else { number(last) };
        Ok(store.reader(Position::end_of(number(first - 1))))
    }

    pub(super) fn next(
        &mut self,
        bounds: &[(CompareOp, Expr)],
        filter: Option<&Expr>,
        cx: &Cx<'_>,
    ) -> Result<Option<Row>> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.begin(bounds, cx)?,
        };
        loop {
            while let Some(row) = self.rows.pop_front() {
                if filter.map_or(Ok(true), |filter| cx.test(filter, &row))? {
                    self.reader = Some(reader);
                    return Ok(Some(row));
                }
                cx.exec.tick()?;
            }
            let items = if reader.position().commit < self.last { reader.next(LOG_BATCH)? } else { Vec::new() };
            let catalog = cx.exec.backend.catalog()?;
            let records = items.iter().filter_map(|item| match item {
                ReadItem::Record(record) if record.commit <= self.last => Some(record),
                _ => None,
            });
            records.for_each(|record| log_rows(cx.exec.backend, &catalog, record, &mut self.rows));
            if items.is_empty() {
                self.reader = Some(reader);
                return Ok(None);
            }
            cx.exec.tick()?;
        }
    }
}

/// The rows of one commit: its row changes, and before the change that follows it each table that was emptied as a whole.
fn log_rows(backend: &Backend, catalog: &Catalog, record: &CommitRecord, rows: &mut VecDeque<Row>) {
    if record.database != backend.database {
        return;
    }
    let count = |number: u64| Value::Int8(i64::try_from(number).unwrap_or(i64::MAX));
    let entry = |ordinal: u32, writer: TriggerId, table: TableId, what: [Value; 4]| {
        let name = catalog.table(table).filter(|table| !table.hidden).map_or(Value::Null, |def| Value::text(&def.name));
        let mut row = vec![
            count(record.commit.0),
            Value::Int8(i64::from(ordinal)),
            Value::TimestampTz(record.committed_at.saturating_sub(super::EPOCH_MICROS)),
            count(record.txn.0),
            count(record.origin),
            record.cause.map_or(Value::Null, |cause| count(cause.position.commit.0)),
            record.cause.map_or(Value::Null, |cause| Value::Int8(i64::from(cause.position.ordinal))),
            Value::Int4(record.cause.map_or(0, |cause| i32::from(cause.hops))),
            Value::Oid(writer.0),
            Value::Oid(table.0),
            name,
        ];
        row.extend(what);
        row
    };
    let mut emptied = record.truncations.iter().peekable();
    for change in &record.changes {
        while let Some(gone) = emptied.next_if(|gone| gone.ordinal <= change.ordinal) {
            rows.push_back(entry(gone.ordinal, gone.writer, gone.table, truncated()));
        }
        let table = catalog.table(change.table).filter(|table| !table.hidden);
        let image = |row: Option<&Row>| match (row, table) {
            (Some(row), Some(table)) => image(table, row, backend),
            _ => Value::Null,
        };
        let op = match change.change {
            RowChange::Insert { .. } => "insert",
            RowChange::Update { .. } => "update",
            RowChange::Delete { .. } => "delete",
        };
        let what =
            [Value::text(op), count(change.row_id.0), image(change.change.old()), image(change.change.new_row())];
        rows.push_back(entry(change.ordinal, change.writer, change.table, what));
    }
    rows.extend(emptied.map(|gone| entry(gone.ordinal, gone.writer, gone.table, truncated())));
}

fn truncated() -> [Value; 4] {
    [Value::text("truncate"), Value::Null, Value::Null, Value::Null]
}

/// A row image as a jsonb object by column name.
fn image(table: &TableDef, row: &Row, backend: &Backend) -> Value {
    let style = backend.settings.borrow().style.clone();
    let columns = table.live_columns().filter_map(|(place, column)| {
        let value = row.get(place)?;
        Some((Arc::from(column.name.as_str()), crate::expr::to_jsonb(value, column.ty, &style).ok()?))
    });
    Value::Jsonb(Arc::new(Jsonb::object(columns.collect())))
}

/// A row of a relation of pg_catalog from the columns that are known; the others are NULL.
/// A row of pg_settings: numbers in their base unit.
fn setting_row(name: &str, value: &str, reset: &str) -> Row {
    let text = |text: &str| Value::text(text);
    let def = super::SETTINGS.iter().find(|def| def.name == name);
    let Some(def) = def else {
        let fields = [
            ("name", text(name)),
            ("setting", text(value)),
            ("category", text("Customized Options")),
            ("short_desc", text("")),
            ("context", text("user")),
            ("vartype", text("string")),
            ("source", text("session")),
            ("boot_val", text(reset)),
            ("reset_val", text(reset)),
            ("pending_restart", Value::Bool(false)),
        ];
        return shaped("pg_settings", &fields);
    };
    let (vartype, unit, bounds) = match def.kind {
        SettingKind::Bool => ("bool", None, None),
        SettingKind::Int(min, max) => ("integer", None, Some((min, max))),
        SettingKind::Millis(min, max) => ("integer", Some("ms"), Some((min, max))),
        SettingKind::Kilobytes(min, max) => ("integer", Some("kB"), Some((min, max))),
        SettingKind::Real => ("real", None, None),
        SettingKind::Words(_) => ("enum", None, None),
        SettingKind::Text => ("string", None, None),
        SettingKind::ReadOnly => match def.default.parse::<i64>() {
            Ok(only) => ("integer", None, Some((only, only))),
            Err(_) => ("string", None, None),
        },
    };
    let base = |value: &str| text(&super::settings::in_base_unit(def.kind, value));
    let mut fields = vec![
        ("name", text(name)),
        ("setting", base(value)),
        ("category", text("Client Connection Defaults / Statement Behavior")),
        ("short_desc", text("")),
        ("context", text(if matches!(def.kind, SettingKind::ReadOnly) { "internal" } else { "user" })),
        ("vartype", text(vartype)),
        ("source", text(if value == def.default { "default" } else { "session" })),
        ("boot_val", base(def.default)),
        ("reset_val", base(reset)),
        ("pending_restart", Value::Bool(false)),
    ];
    fields.extend(unit.map(|unit| ("unit", text(unit))));
    if let Some((min, max)) = bounds {
        fields.extend([("min_val", text(&min.to_string())), ("max_val", text(&max.to_string()))]);
    }
    if let SettingKind::Words(words) = def.kind {
        fields.push(("enumvals", crate::system::text_array(words.iter().map(|word| (*word).to_owned()))));
    }
    shaped("pg_settings", &fields)
}

fn shaped(relation: &str, known: &[(&str, Value)]) -> Row {
    let Some(relation) = crate::system::relation(crate::catalog::PG_CATALOG, relation) else { return Row::new() };
    let value = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    relation.columns.iter().map(|(name, _)| value(name).unwrap_or_default()).collect()
}
