//! Opens the data directory; at its first start gives admin a password and runs the SQL file of the settings.
//!
//! Nothing here listens or serves. The first start counts as done once its SQL file has run to the end: a mark stands in
//! the data directory until then.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tripline_sql::engine::{Engine, SessionOptions};
use tripline_sql::env::{Blocker, Env, Pace};
use tripline_sql::error::SqlError;
use tripline_sql::session::{Pause, Session, Step};
use tripline_sql::store::{Disk, FileDisk, MemDisk, Progress};
use tripline_triggers::fire::Fire;

use crate::config::{Config, ConfigError};

/// File that stands in the data directory until the first start has run its SQL file.
const INIT_PENDING: &str = "init.pending";
/// File that holds this instance's id among those that relay to each other. Remove it from a copied data directory.
const INSTANCE: &str = "instance.id";

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The settings.
    Config(ConfigError),
    /// A file or port.
    Io(String, io::Error),
    /// The engine, or the SQL file of the first start.
    Sql(String, SqlError),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Io(what, error) => write!(f, "{what}: {error}"),
            StartError::Sql(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> StartError {
        StartError::Config(error)
    }
}

/// Longest that a statement waits until its network thread is taken over.
const HAND_OVER_MAX: Duration = Duration::from_millis(1);

/// Hands the network thread over while the engine waits, where the runtime can.
#[derive(Debug, Default)]
pub struct TokioBlocker;

impl Blocker for TokioBlocker {
    fn block(&self, work: &mut dyn FnMut()) {
        use tokio::runtime::{Handle, RuntimeFlavor};
        let many = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if many { tokio::task::block_in_place(work) } else { work() }
    }

    fn hand_over(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // The runtime takes the thread back when the work is done unless another has begun to run in its place: the work
        // is to wait until one has. Blocking tasks start in order, so once this one runs, so does that one.
        self.block(&mut || {
            let (started, others_run) = std::sync::mpsc::channel();
            runtime.spawn_blocking(move || {
                let _ = started.send(());
            });
            let _ = others_run.recv_timeout(HAND_OVER_MAX);
            std::thread::yield_now();
        });
    }
}

/// What a server runs on, apart from its settings: tests bring their own.
pub struct Parts {
    /// Files of the data directory.
    pub disk: Arc<dyn Disk>,
    /// Time, chance and waiting.
    pub env: Env,
    /// The triggers.
    pub triggers: Arc<Fire>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Parts {
    /// The data directory on disk, the machine's time and chance, all triggers.
    pub fn new(config: &Config) -> Result<Parts, StartError> {
        let disk = FileDisk::new(&config.data_dir)
            .map_err(|error| StartError::Io(config.data_dir.display().to_string(), error))?;
        Ok(Parts {
            disk: Arc::new(disk),
            env: Env { blocker: Arc::new(TokioBlocker), ..Env::default() },
            triggers: crate::triggers::hooks(),
        })
    }

    /// A data directory in memory that goes with the value: for tests.
    #[must_use]
    pub fn in_memory() -> Parts {
        Parts {
            disk: Arc::new(MemDisk::default()),
            env: Env { blocker: Arc::new(TokioBlocker), ..Env::default() },
            triggers: crate::triggers::hooks(),
        }
    }
}

/// Opens the engine; at the first start gives admin its password and runs the SQL file.
pub(crate) fn open(config: &Config, parts: Parts) -> Result<Engine, StartError> {
    let at = |error| StartError::Io(config.data_dir.display().to_string(), error);
    let names = parts.disk.list("").map_err(at)?;
    let first = names.is_empty();
    let mut pending = names.iter().any(|name| name == INIT_PENDING);
    if first && config.init.is_some() {
        parts.disk.create(INIT_PENDING).and_then(|file| file.sync()).map_err(at)?;
        pending = true;
    }
    let disk = parts.disk.clone();
    let mut pace = Pace::new(&parts.env);
    let mut log_progress = |progress: Progress| {
        if !pace.due() {
            return;
        }
        match progress {
            Progress::Checkpoint { rows } => tracing::info!(rows, "reading the checkpoint"),
            Progress::Log { commit } => tracing::info!(commit = commit.0, "replaying the log"),
            Progress::Index { index, done, total } => tracing::info!(index, done, total, "building indexes"),
        }
    };
    let id = instance(config, &*disk, &parts.env).map_err(at)?;
    let mut settings = config.engine();
    settings.settings.push(("tripline.instance".to_owned(), id.to_string()));
    let engine = Engine::open(settings, parts.disk, parts.env, parts.triggers, &mut log_progress)
        .map_err(|error| StartError::Sql(config.data_dir.display().to_string(), error))?;
    set_password(config, &engine).map_err(|error| StartError::Sql("password".to_owned(), error))?;
    if pending && let Some(path) = &config.init {
        let sql = std::fs::read_to_string(path).map_err(|error| StartError::Io(path.display().to_string(), error))?;
        tracing::info!("running {}", path.display());
        run_script(&engine, &sql).map_err(|error| StartError::Sql(path.display().to_string(), error))?;
        disk.remove(INIT_PENDING).and_then(|()| disk.sync_dir("")).map_err(at)?;
    }
    Ok(engine)
}

/// The instance's id: the setting `origin`, else one made at the first start.
fn instance(config: &Config, disk: &dyn Disk, env: &Env) -> io::Result<u64> {
    if config.store.origin != 0 {
        return Ok(config.store.origin);
    }
    let found = match disk.open(INSTANCE) {
        Ok(file) => {
            let mut bytes = [0; 20];
            let length = file.read_at(&mut bytes, 0)?;
            std::str::from_utf8(&bytes[..length]).ok().and_then(|text| text.trim().parse::<u64>().ok())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(id) = found.filter(|id| *id != 0) {
        return Ok(id);
    }
    // Small enough to be a whole number in every client, and never 0.
    let id = (env.rng.next_u64() >> 12) | 1;
    let file = disk.create(INSTANCE)?;
    file.write_at(id.to_string().as_bytes(), 0)?;
    file.sync()?;
    disk.sync_dir("")?;
    Ok(id)
}

/// A session of the bootstrap superuser that no limit counts.
pub(crate) fn admin_session(engine: &Engine) -> Result<Session, SqlError> {
    engine.session(SessionOptions {
        user: "admin".to_owned(),
        database: "postgres".to_owned(),
        internal: true,
        client_address: "[internal]".to_owned(),
        ..SessionOptions::default()
    })
}

/// Runs the statements of a text, each in its turn, as the bootstrap superuser. Errors: the first statement that fails.
pub(crate) fn run_script(engine: &Engine, sql: &str) -> Result<(), SqlError> {
    let mut session = admin_session(engine)?;
    session.simple_begin(sql)?;
    let outcome = loop {
        match session.simple_next(false) {
            Ok(None) => break Ok(()),
            Ok(Some(step)) => {
                if let Err(error) = finish_step(&mut session, &step) {
                    break Err(error);
                }
            }
            Err(error) => break Err(error),
        }
    };
    if let Err(error) = &outcome {
        session.statement_failed(error);
    }
    session.simple_end(outcome.is_err());
    outcome.map_err(|mut error| {
        if let Some(at) = error.fields().position {
            let line = sql.as_bytes().iter().take(at.0 as usize).filter(|byte| **byte == b'\n').count() + 1;
            error = error.context(format!("line {line}"));
        }
        error
    })
}

fn finish_step(session: &mut Session, step: &Step) -> Result<(), SqlError> {
    match step {
        Step::Rows(_) => while !session.fetch(0, &mut |_| Ok(()))?.done {},
        Step::Procedure => loop {
            match session.pull(0, &mut |_, _, _| Ok(()))?.1 {
                Pause::Done(_) => break,
                Pause::Waiting(_) => return Err(SqlError::unsupported("a procedure that waits in a script")),
                Pause::Rows | Pause::Blocked => {}
            }
        },
        Step::CopyIn { .. } | Step::CopyOut { .. } => {
            return Err(SqlError::unsupported("COPY from or to the client in a script"));
        }
        Step::Empty | Step::Done(_) | Step::Waits(_) => {}
    }
    Ok(())
}

/// Gives admin its password, unless it has one.
fn set_password(config: &Config, engine: &Engine) -> Result<(), SqlError> {
    let Some(password) = &config.password else { return Ok(()) };
    if engine.auth("admin").is_none_or(|role| role.verifier.is_some()) {
        return Ok(());
    }
    let quoted = password.replace('\'', "''");
    admin_session(engine)?.run(&format!("ALTER ROLE admin PASSWORD '{quoted}'"), &[])?;
    Ok(())
}

/// Without any password only this machine may connect.
pub(crate) fn check_passwords(config: &Config, engine: &Engine) -> Result<(), StartError> {
    if config.loopback_only() || has_passwords(engine) {
        return Ok(());
    }
    Err(ConfigError(
        "no role has a password, so the server listens on loopback addresses only; set TRIPLINE_PASSWORD to give admin one"
            .to_owned(),
    )
    .into())
}

/// Whether any role has a password.
fn has_passwords(engine: &Engine) -> bool {
    engine.catalogs().shared.roles().any(|role| role.password.is_some())
}

/// Whether a superuser that may log in has a password.
pub(crate) fn guarded(engine: &Engine) -> bool {
    engine.catalogs().shared.roles().any(|role| role.superuser && role.login && role.password.is_some())
}
