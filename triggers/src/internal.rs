//! Sessions that no client opened: work of the server itself, each piece in a transaction of its own.

use std::time::Duration;

use tripline_sql::catalog::{BOOTSTRAP_ROLE, Catalog};
use tripline_sql::change::HookContext;
use tripline_sql::engine::{Engine, SessionOptions};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::Oid;

/// A session of the bootstrap superuser in a database. Errors: the database is gone.
pub(crate) fn session(engine: &Engine, catalog: &Catalog) -> Result<Session> {
    session_of(engine, catalog.database, BOOTSTRAP_ROLE, Vec::new())
}

/// A session of a role in a database, with settings beside the role's own. Errors: the database or the role is gone.
pub(crate) fn session_of(
    engine: &Engine,
    database: Oid,
    role: Oid,
    parameters: Vec<(String, String)>,
) -> Result<Session> {
    let catalogs = engine.catalogs();
    let database =
        catalogs.shared.database(database).ok_or_else(|| SqlError::internal("a catalog without its database"))?;
    let user = match catalogs.shared.role(role) {
        Some(def) => def.name.clone(),
        None if role == BOOTSTRAP_ROLE => "admin".to_owned(),
        None => return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("role with OID {role} does not exist"))),
    };
    engine.session(SessionOptions {
        user,
        database: database.name.clone(),
        internal: true,
        parameters,
        ..SessionOptions::default()
    })
}

/// Runs work in a transaction, which commits unless the work fails.
pub(crate) fn run(
    engine: &Engine,
    catalog: &Catalog,
    work: &mut dyn FnMut(&mut dyn HookContext) -> Result<()>,
) -> Result<()> {
    run_within(engine, catalog, None, work)
}

/// As `run`, ended with 57014 after this time.
pub(crate) fn run_within(
    engine: &Engine,
    catalog: &Catalog,
    limit: Option<Duration>,
    work: &mut dyn FnMut(&mut dyn HookContext) -> Result<()>,
) -> Result<()> {
    let mut session = session(engine, catalog)?;
    session.limit_time(limit);
    session.begin_internal(None, None)?;
    match session.with_hook_context(work) {
        Ok(()) => session.commit_internal().map(|_| ()),
        Err(error) => {
            session.rollback_internal();
            Err(error)
        }
    }
}
