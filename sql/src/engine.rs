//! Opens a data directory with `Hooks`, and hands out sessions and log readers.
//!
//! The engine owns what sessions share: the store, the registry of sessions (cancel, terminate), the notification bus
//! and the report of subscribers. It knows no statement: those live in `session`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::catalog::{
    Access, BOOTSTRAP_ROLE, CatalogChange, CatalogSet, DatabaseDef, Entry, Guarded, POSTGRES_DATABASE, Privilege,
    Rights, RoleDef, Timing, TriggerId,
};
use crate::change::{CommitNo, Hooks, Position};
use crate::env::Env;
use crate::error::{Result, SqlError, SqlState};
use crate::exec::{Backend, Extractors, Settings, Shared};
use crate::session::Session;
use crate::store::{CommitOptions, Disk, DurableWait, Progress, Store, StoreConfig, StoreStats, TxnOptions};
use crate::types::Oid;

pub use crate::exec::{Mailbox, SessionInfo, SubscriberState, SubscriberStatus, TlsInfo};
pub use crate::store::{LogReader, ReadItem};

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The store's settings.
    pub store: StoreConfig,
    /// Sessions at one time, internal ones not counted.
    pub max_connections: u32,
    /// Most notifications that wait for one session (PG-176).
    pub notify_queue_max: u32,
    /// Server-wide defaults of session settings.
    pub settings: Vec<(String, String)>,
    /// Deepest nesting of trigger writes.
    pub trigger_depth_max: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            store: StoreConfig::default(),
            max_connections: 1000,
            notify_queue_max: 100_000,
            settings: Vec::new(),
            trigger_depth_max: 16,
        }
    }
}

/// Who a session is for.
#[derive(Clone, Default)]
pub struct SessionOptions {
    /// Role name.
    pub user: String,
    /// Database name.
    pub database: String,
    /// Settings of the start-up message: they are the session's reset values.
    pub parameters: Vec<(String, String)>,
    /// A subscriber's session: runs as superuser and is not counted.
    pub internal: bool,
    /// Woken when something waits for an idle session.
    pub mailbox: Option<Arc<dyn Mailbox>>,
    /// Address of the client, for the sessions view: `host:port`, or a word in brackets for one without.
    pub client_address: String,
    /// Address that the client connected to; none for a Unix socket.
    pub server_address: Option<SocketAddr>,
    /// What its TLS handshake agreed on, if there was one.
    pub tls: Option<TlsInfo>,
}

impl std::fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionOptions")
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// What authentication needs to know of a role.
#[derive(Clone, Debug)]
pub struct AuthInfo {
    /// OID of the role.
    pub oid: Oid,
    /// SCRAM verifier; none: no password.
    pub verifier: Option<String>,
    /// Whether it may log in.
    pub login: bool,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// VALID UNTIL in microseconds since 2000-01-01 UTC.
    pub valid_until: Option<i64>,
}

/// The engine of one data directory. Clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// An engine that others keep open.
#[derive(Clone)]
pub struct WeakEngine(std::sync::Weak<Shared>);

impl WeakEngine {
    /// The engine, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

impl std::fmt::Debug for WeakEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakEngine")
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens a data directory. The first open makes the role admin (superuser), the databases postgres, template1 and
    /// template0, and their schemas. Errors: 58030 and XX001 from the store, 22023 for a bad setting.
    pub fn open(
        config: EngineConfig,
        disk: Arc<dyn Disk>,
        env: Env,
        hooks: Arc<dyn Hooks>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Engine> {
        Settings::new(&config.settings)?;
        let store = Store::open(config.store, disk, env.clone(), Arc::new(Extractors), progress)?;
        if store.catalog().shared.role(BOOTSTRAP_ROLE).is_none() {
            bootstrap(&store)?;
        }
        crate::exec::objects::drop_leftover_temporary(&store)?;
        let shared = Arc::new(Shared::new(
            store,
            env,
            hooks,
            config.settings,
            config.trigger_depth_max,
            config.max_connections,
            config.notify_queue_max,
        ));
        let weak = Arc::downgrade(&shared);
        let changed = weak.clone();
        shared.store.on_commit(Box::new(move |tables| {
            if let Some(shared) = changed.upgrade() {
                shared.hooks.changed(tables);
            }
        }));
        let told = std::sync::atomic::AtomicU64::new(0);
        shared.store.on_durable(Box::new(move |commit| {
            let Some(shared) = weak.upgrade() else { return };
            shared.hooks.committed(commit);
            let changed = shared.catalog_commit.load(std::sync::atomic::Ordering::SeqCst);
            if changed <= commit.0 && told.fetch_max(changed, std::sync::atomic::Ordering::SeqCst) < changed {
                shared.hooks.catalog_changed();
            }
        }));
        Ok(Engine(shared))
    }

    /// Begins a session. Errors: 3D000 unknown database, 28000 unknown role or one that may not log in, 53300.
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        let set = self.0.store.catalog();
        let database = set.shared.database_by_name(&options.database).ok_or_else(|| {
            SqlError::new(SqlState::INVALID_CATALOG_NAME, format!("database \"{}\" does not exist", options.database))
                .fatal()
        })?;
        let refused = |text: String| SqlError::new(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, text).fatal();
        let (user, superuser, mut role_settings, limit) = match set.shared.role_by_name(&options.user) {
            Some(role) if role.login || options.internal => {
                let limit = if role.superuser || options.internal { -1 } else { role.connection_limit };
                (role.oid, role.superuser, role.settings.clone(), limit)
            }
            Some(_) => return Err(refused(format!("role \"{}\" is not permitted to log in", options.user))),
            None if options.internal => (BOOTSTRAP_ROLE, true, Vec::new(), -1),
            None => return Err(refused(format!("role \"{}\" does not exist", options.user))),
        };
        if let Some(role) = set.shared.role(user) {
            let here = role.database_settings.iter().filter(|(of, ..)| *of == database.oid);
            role_settings.extend(here.map(|(_, name, value)| (name.clone(), value.clone())));
        }
        if !database.allow_connections && !options.internal {
            return Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("database \"{}\" is not currently accepting connections", database.name),
            )
            .fatal());
        }
        let access = Access::new(&set.shared, Guarded::Database, database.owner, &database.acl);
        if !options.internal && access.held(user, Rights::of(&[Privilege::Connect])).is_empty() {
            let text = format!("permission denied for database \"{}\"", database.name);
            return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text)
                .detail("User does not have CONNECT privilege.")
                .fatal());
        }
        let superuser = superuser || (options.internal && user == BOOTSTRAP_ROLE);
        let mut settings = Settings::new(&self.0.settings)?;
        for (name, value) in database.settings.iter().chain(&role_settings) {
            // A stored setting that this version no longer takes must not lock its owner out.
            let _ = settings.set_reset(name, value);
        }
        for (name, value) in &options.parameters {
            if !options.internal {
                crate::exec::check_changeable(name).map_err(SqlError::fatal)?;
            }
            settings.set_reset(name, value).map_err(SqlError::fatal)?;
        }
        settings.force("session_authorization", &options.user);
        settings.force("is_superuser", if superuser { "on" } else { "off" });
        settings.force("max_connections", &self.0.max_connections.to_string());
        let now = self.0.env.clock.now();
        let application_name = settings.get("application_name").map(|name| name.to_string()).unwrap_or_default();
        let info = SessionInfo {
            pid: 0,
            user: options.user.clone(),
            database: database.name.clone(),
            application_name,
            client_address: options.client_address.clone(),
            server_address: options.server_address,
            tls: options.tls,
            state: "idle".to_owned(),
            query: String::new(),
            started_at: now,
            query_started_at: now,
            state_changed_at: now,
            transaction_started_at: None,
            internal: options.internal,
        };
        let control = self.0.register(options.mailbox.clone(), info, limit)?;
        let backend = Backend::new(self.0.clone(), control, database.oid, user, superuser, settings);
        Ok(Session::new(backend))
    }

    /// The engine without keeping it open.
    #[must_use]
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }

    /// What authentication needs to know of a role; none if there is no such role.
    #[must_use]
    pub fn auth(&self, user: &str) -> Option<AuthInfo> {
        let set = self.0.store.catalog();
        let role = set.shared.role_by_name(user)?;
        Some(AuthInfo {
            oid: role.oid,
            verifier: role.password.clone(),
            login: role.login,
            superuser: role.superuser,
            valid_until: role.valid_until,
        })
    }

    /// A future that is ready once the commit is durable. Errors: 58030 when the log has failed.
    #[must_use]
    pub fn wait_durable(&self, commit: CommitNo) -> DurableWait {
        self.0.store.wait_durable(commit)
    }

    /// Newest durable commit.
    #[must_use]
    pub fn durable(&self) -> CommitNo {
        self.0.store.durable()
    }

    /// Calls `f` with the newest durable commit after each sync of the log. It must not block.
    pub fn on_durable(&self, f: Box<dyn Fn(CommitNo) + Send + Sync>) {
        self.0.store.on_durable(f);
    }

    /// A reader of log records after `from`, durable ones unless it is told to read ahead.
    #[must_use]
    pub fn reader(&self, from: Position) -> LogReader {
        self.0.store.reader(from)
    }

    /// Durable cursors of all subscribers.
    #[must_use]
    pub fn cursors(&self) -> Vec<(TriggerId, Position)> {
        self.0.store.cursors()
    }

    /// The newest committed catalogs.
    #[must_use]
    pub fn catalogs(&self) -> Arc<CatalogSet> {
        self.0.store.catalog()
    }

    /// A server-wide setting as the engine was given it.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.0.settings.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Id of this instance among those that relay to each other; 0: it has none.
    #[must_use]
    pub fn instance(&self) -> u64 {
        self.0.instance
    }

    /// A CancelRequest; false if no session has this pid and secret.
    #[must_use]
    pub fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        self.0.cancel(pid, Some(secret))
    }

    /// Asks a session to end (FATAL 57P01) and wakes it; false if there is none with this pid.
    #[must_use]
    pub fn terminate(&self, pid: i32) -> bool {
        self.0.terminate(pid)
    }

    /// All sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.0.sessions.read().values().map(|control| control.info.lock().clone()).collect()
    }

    /// Figures of the store.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.0.store.stats()
    }

    /// Brings what waits for each subscriber up to date with the log, so that `tripline.subscriptions` has little to read:
    /// called now and then by the feed. `stop` ends it early. Errors: XX001, 58030.
    pub fn count_backlogs(&self, stop: &dyn Fn() -> bool) -> Result<()> {
        let catalogs = self.catalogs();
        let cursors = self.cursors();
        let check = || if stop() { Err(SqlError::internal("stopped")) } else { Ok(()) };
        for catalog in catalogs.databases() {
            for def in catalog.triggers().filter(|def| def.timing == Timing::Committed) {
                let cursor =
                    cursors.iter().find(|(subscriber, _)| *subscriber == def.id).map(|(_, position)| *position);
                let Some(at) = cursor.max(self.0.status.get(def.id).and_then(|state| state.position)) else { continue };
                self.0.backlogs.waiting(&self.0, catalog.database, def, at, &check)?;
            }
        }
        self.0.backlogs.keep(|id| catalogs.databases().any(|catalog| catalog.trigger(id).is_some()));
        Ok(())
    }

    /// States of subscribers: written by the feed, read by `tripline.subscriptions`.
    #[must_use]
    pub fn subscriber_status(&self) -> Arc<SubscriberStatus> {
        self.0.status.clone()
    }

    /// Writes a checkpoint.
    pub fn checkpoint(&self) -> Result<()> {
        self.0.store.checkpoint()
    }

    /// Flushes, checkpoints and stops the store's threads.
    pub fn close(&self) -> Result<()> {
        self.0.store.close()
    }

    /// Time, chance and waiting.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Why nothing can be written any more, after the log failed.
    #[must_use]
    pub fn read_only_reason(&self) -> Option<SqlError> {
        self.0.store.failure().cloned()
    }
}

/// Makes the first role, the databases and their schemas.
fn bootstrap(store: &Store) -> Result<()> {
    let mut txn = store.begin(TxnOptions { database: POSTGRES_DATABASE, ..TxnOptions::default() });
    let role = RoleDef {
        oid: BOOTSTRAP_ROLE,
        name: "admin".to_owned(),
        superuser: true,
        inherit: true,
        create_role: true,
        create_db: true,
        login: true,
        replication: true,
        bypass_rls: true,
        connection_limit: -1,
        ..RoleDef::default()
    };
    txn.change_catalog(CatalogChange::Put { database: 0, entry: Entry::Role(Arc::new(role)) })?;
    for (oid, name, template, open) in
        [(1, "template1", true, true), (4, "template0", true, false), (POSTGRES_DATABASE, "postgres", false, true)]
    {
        let def = DatabaseDef {
            oid,
            name: name.to_owned(),
            owner: BOOTSTRAP_ROLE,
            template,
            allow_connections: open,
            settings: Vec::new(),
            default_acls: Vec::new(),
            acl: Vec::new(),
            comment: None,
        };
        txn.change_catalog(CatalogChange::Put { database: 0, entry: Entry::Database(Arc::new(def)) })?;
        for (schema, name) in crate::exec::objects::STANDARD_SCHEMAS {
            txn.change_catalog(CatalogChange::Put {
                database: oid,
                entry: crate::exec::objects::schema_entry(schema, name),
            })?;
        }
    }
    let committed = txn.commit(CommitOptions::default())?;
    store.wait_blocking(committed.durable_at)
}
