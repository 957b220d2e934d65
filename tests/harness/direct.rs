//! The engine without a server: opened on any disk, used through a session, and looked at from the inside.
//!
//! A transaction counts as acknowledged when its commit is durable, which is when a client would hear of it.

use std::collections::HashSet;
use std::sync::Arc;

use tripline_sql::catalog::TriggerId;
use tripline_sql::change::{Hooks, NoHooks, Position, QueryResult, RowId};
use tripline_sql::engine::{Engine, EngineConfig, SessionOptions};
use tripline_sql::env::Env;
use tripline_sql::error::Result;
use tripline_sql::session::Session;
use tripline_sql::store::{Disk, StoreConfig};
use tripline_sql::types::{Row, Value};

/// OID of the database postgres.
const POSTGRES: u32 = 5;

/// Opens an engine with a small log, without triggers.
///
/// # Errors
/// What the engine says.
pub fn open(disk: Arc<dyn Disk>) -> Result<Engine> {
    open_with(disk, Arc::new(NoHooks))
}

/// Opens an engine with a small log and these triggers.
///
/// # Errors
/// What the engine says.
pub fn open_with(disk: Arc<dyn Disk>, hooks: Arc<dyn Hooks>) -> Result<Engine> {
    let store = StoreConfig { log_segment_bytes: 32 << 10, log_tail_bytes: 16 << 10, ..StoreConfig::default() };
    let config = EngineConfig { store, ..EngineConfig::default() };
    Engine::open(config, disk, Env::default(), hooks, &mut |_| {})
}

/// A session in the database postgres.
///
/// # Errors
/// What the engine says.
pub fn session(engine: &Engine) -> Result<Session> {
    engine.session(SessionOptions {
        user: "admin".into(),
        database: "postgres".into(),
        internal: true,
        ..SessionOptions::default()
    })
}

/// Runs `work` as one transaction and waits until it is durable; rolled back if it fails.
///
/// # Errors
/// Those of `work`, of the commit, and of the wait.
pub fn transaction<T>(
    engine: &Engine,
    session: &mut Session,
    work: impl FnOnce(&mut Session) -> Result<T>,
) -> Result<T> {
    session.begin_internal(None, None)?;
    match work(session) {
        Ok(done) => {
            let committed = session.commit_internal()?;
            futures::executor::block_on(engine.wait_durable(committed.durable_at))?;
            Ok(done)
        }
        Err(error) => {
            session.rollback_internal();
            Err(error)
        }
    }
}

/// One statement in a transaction of its own.
///
/// # Errors
/// What the engine says.
pub fn run(engine: &Engine, session: &mut Session, sql: &str, params: &[Value]) -> Result<QueryResult> {
    transaction(engine, session, |session| session.run(sql, params))
}

/// Moves a subscriber's cursor in the current transaction.
///
/// # Errors
/// What the engine says.
pub fn move_cursor(session: &mut Session, subscriber: TriggerId, to: Position) -> Result<()> {
    session.with_hook_context(&mut |context| {
        context.move_cursor(subscriber, Some(to));
        Ok(())
    })
}

/// Every index of every table of the database gives exactly the rows that a scan gives, key by key; `gone` are first
/// keys (of any index) that must lead to nothing but what the scan has.
///
/// # Errors
/// The first index that does not hold, or what the engine says.
pub fn check_indexes(engine: &Engine, session: &mut Session, gone: &[Value]) -> std::result::Result<(), String> {
    let catalogs = engine.catalogs();
    let catalog = catalogs.database(POSTGRES).ok_or("no database postgres")?.clone();
    session.begin_internal(None, None).map_err(|error| error.to_string())?;
    let checked = session.with_hook_context(&mut |context| {
        for table in catalog.tables() {
            let mut rows: Vec<(RowId, Row)> = Vec::new();
            context.scan(table.id, &mut |id, row| {
                rows.push((id, row.clone()));
                Ok(true)
            })?;
            for index in &table.indexes {
                let Some(places) = index.keys.iter().map(|key| key.column).collect::<Option<Vec<_>>>() else {
                    continue;
                };
                if index.predicate.is_some() {
                    continue;
                }
                let key_of = |row: &Row| places.iter().map(|place| row[*place].clone()).collect::<Vec<_>>();
                let wanted = |key: &[Value]| -> HashSet<RowId> {
                    rows.iter().filter(|(_, row)| key_of(row) == key).map(|(id, _)| *id).collect()
                };
                let mut keys: Vec<Vec<Value>> = rows.iter().map(|(_, row)| key_of(row)).collect();
                if places.len() == 1 {
                    keys.extend(
                        gone.iter().filter(|key| same_kind(key, rows.first(), places[0])).map(|key| vec![key.clone()]),
                    );
                }
                for key in keys {
                    if key.contains(&Value::Null) {
                        continue;
                    }
                    let found = context.lookup(table.id, index.oid, &key, false)?;
                    let found_ids: HashSet<RowId> = found.iter().map(|(id, _)| *id).collect();
                    if found.len() != found_ids.len() || found_ids != wanted(&key) {
                        return Ok(Some(format!("{}, key {key:?}: the index has {found:?}", index.name)));
                    }
                }
            }
        }
        Ok(None)
    });
    session.rollback_internal();
    match checked {
        Ok(None) => Ok(()),
        Ok(Some(wrong)) => Err(wrong),
        Err(error) => Err(error.to_string()),
    }
}

fn same_kind(key: &Value, row: Option<&(RowId, Row)>, place: usize) -> bool {
    row.is_some_and(|(_, row)| std::mem::discriminant(&row[place]) == std::mem::discriminant(key))
}

/// Rows as text, one line each.
#[must_use]
pub fn lines(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{row:?}")).collect()
}
