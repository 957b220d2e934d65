//! Every setting with its default, unit and environment name.
//!
//! A setting comes from the first of: flag, environment variable `TRIPLINE_…`, TOML file, default. One table (`SETTINGS`)
//! says all of it; flags, variables and keys are made from it, so they cannot drift apart. A key of the file that is not
//! in the table is an error that names the nearest one. Nothing is opened or bound here.

mod file;
mod table;
mod value;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Command};
use tripline_sql::engine::EngineConfig;
use tripline_sql::store::StoreConfig;
use tripline_triggers::relay::UnknownTable;

use file::parse_file;
pub use table::{SETTINGS, Setting};

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// SCRAM-SHA-256 of roles with a password, and of all once a superuser has one; until then trust of the others, on
    /// loopback only.
    #[default]
    Auto,
    /// Nobody is asked; on loopback only.
    Trust,
    /// SCRAM-SHA-256, for everybody.
    Scram,
    /// The password in clear, over TLS only.
    Password,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// All settings of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Data directory.
    pub data_dir: PathBuf,
    /// Addresses for PostgreSQL clients; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Directory of the Unix socket `.s.PGSQL.<port>`; none: no socket.
    pub unix_socket_dir: Option<PathBuf>,
    /// Address of the AMI message port.
    pub ami_listen: Option<SocketAddr>,
    /// Addresses that may send AMI messages; empty: those of this machine.
    pub ami_allow: Vec<IpAddr>,
    /// Whether the AMI message port speaks TLS, with `tls_cert` and `tls_key`.
    pub ami_tls: bool,
    /// Role whose rights AMI messages have.
    pub ami_user: String,
    /// Database that AMI messages write to.
    pub ami_database: String,
    /// What to do with a message for a table that is not there.
    pub ami_unknown_table: UnknownTable,
    /// Address of the admin port.
    pub http_listen: Option<SocketAddr>,
    /// SQL file run at the first start.
    pub init: Option<PathBuf>,
    /// Password that the role admin gets if it has none.
    pub password: Option<String>,
    /// How clients prove who they are.
    pub auth: Auth,
    /// PEM file of the certificate chain; with `tls_key` it turns TLS on.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the private key.
    pub tls_key: Option<PathBuf>,
    /// Whether TCP connections without TLS are refused (28000).
    pub require_tls: bool,
    /// Sessions at one time.
    pub max_connections: u32,
    /// Most notifications that wait for one session; it is ended when there are more.
    pub notify_queue_max: u32,
    /// Time for a client to authenticate.
    pub authentication_timeout: Duration,
    /// Time that sessions have to end at shutdown.
    pub shutdown_timeout: Duration,
    /// Threads that serve connections; 0 = one per core, at least 2.
    pub worker_threads: usize,
    /// Filter of log lines, `info` or `tripline_proxy=debug,info`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The store's settings.
    pub store: StoreConfig,
    /// Deepest nesting of trigger writes.
    pub trigger_depth_max: u32,
    /// Server-wide defaults of session settings: section `[settings]` of the file.
    pub settings: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Config {
            data_dir: PathBuf::from("tripline-data"),
            listen: vec![loopback(5433)],
            unix_socket_dir: None,
            ami_listen: Some(loopback(3289)),
            ami_allow: Vec::new(),
            ami_tls: false,
            ami_user: "admin".to_owned(),
            ami_database: "postgres".to_owned(),
            ami_unknown_table: UnknownTable::LogError,
            http_listen: Some(loopback(8432)),
            init: None,
            password: None,
            auth: Auth::Auto,
            tls_cert: None,
            tls_key: None,
            require_tls: false,
            max_connections: 1000,
            notify_queue_max: 100_000,
            authentication_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            worker_threads: 0,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            store: StoreConfig::default(),
            trigger_depth_max: 16,
            settings: Vec::new(),
        }
    }
}

impl Config {
    /// Settings for a server inside a test: loopback, free ports, no admin port.
    #[must_use]
    pub fn for_test(data_dir: impl Into<PathBuf>) -> Config {
        Config {
            data_dir: data_dir.into(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ami_listen: None,
            http_listen: None,
            store: StoreConfig { log_segment_bytes: 1 << 20, log_tail_bytes: 4 << 20, ..StoreConfig::default() },
            ..Config::default()
        }
    }

    /// What the engine needs of it.
    #[must_use]
    pub fn engine(&self) -> EngineConfig {
        EngineConfig {
            store: self.store.clone(),
            max_connections: self.max_connections,
            notify_queue_max: self.notify_queue_max,
            settings: self.settings.clone(),
            trigger_depth_max: self.trigger_depth_max,
        }
    }

    /// Whether clients can come from this machine only.
    #[must_use]
    pub fn loopback_only(&self) -> bool {
        self.listen.iter().all(|address| address.ip().is_loopback())
    }

    /// Checks what no single setting can tell.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |text: &str| Err(ConfigError(text.to_owned()));
        if self.listen.is_empty() && self.unix_socket_dir.is_none() {
            return refuse("neither listen nor unix_socket_dir is set: no client could connect");
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return refuse("tls_cert and tls_key are needed together");
        }
        if self.require_tls && self.tls_cert.is_none() {
            return refuse("require_tls needs tls_cert and tls_key");
        }
        if self.auth == Auth::Password && self.tls_cert.is_none() {
            return refuse("auth = password sends passwords in clear: it needs tls_cert and tls_key");
        }
        if self.auth == Auth::Trust && !self.loopback_only() {
            return refuse("auth = trust is for loopback addresses only; use scram-sha-256 for other addresses");
        }
        if self.ami_tls && self.tls_cert.is_none() {
            return refuse("ami_tls needs tls_cert and tls_key");
        }
        if self.ami_allow.is_empty() && self.ami_listen.is_some_and(|address| !address.ip().is_loopback()) {
            return refuse(
                "AMI messages carry no password: ami_listen on other than loopback addresses needs ami_allow",
            );
        }
        if self.max_connections == 0 {
            return refuse("max_connections must be at least 1");
        }
        Ok(())
    }
}

/// A setting that cannot be used: one or more whole lines for the person who starts the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve until told to stop.
    Serve,
    /// A small seeded database; with `exit` it ends after printing.
    Demo {
        /// End after printing.
        exit: bool,
        /// Whether a data directory was named.
        data_dir_given: bool,
    },
    /// Print the settings and where each comes from.
    CheckConfig,
}

/// The outcome of reading arguments, environment and file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to do.
    pub action: Action,
    /// The settings.
    pub config: Config,
    /// Where each setting of the table came from, in its order.
    pub sources: Vec<String>,
}

/// The command line, made from the table.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new("tripline")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A PostgreSQL-wire trigger database")
        .after_help("Each setting is also an environment variable TRIPLINE_<NAME> and a key of the TOML file.")
        .subcommand(Command::new("serve").about("Serves until it is told to stop (the default)"))
        .subcommand(
            Command::new("demo")
                .about("Serves a small database with a trigger of every family")
                .arg(Arg::new("exit").long("exit").action(ArgAction::SetTrue).help("Ends after printing what fired")),
        )
        .subcommand(Command::new("check-config").about("Prints every setting, where it comes from, and what is wrong"))
        .arg(
            Arg::new("config")
                .long("config")
                .short('c')
                .value_name("path")
                .global(true)
                .help("TOML file [TRIPLINE_CONFIG]"),
        );
    let default = Config::default();
    for setting in SETTINGS {
        let shown = setting.text(&default);
        let shown = if shown.is_empty() { "none".to_owned() } else { shown };
        let mut arg = Arg::new(setting.name).long(setting.flag()).value_name(setting.unit).global(true).help(format!(
            "{} [default: {shown}] [{}]",
            setting.help,
            setting.env()
        ));
        if setting.switch {
            arg = arg.num_args(0..=1).default_missing_value("true");
        }
        command = command.arg(arg);
    }
    command
}

/// Reads the settings. `args` begin with the program's name; `env` looks up a variable; `read` reads a file.
/// Errors: an unknown key, a value that does not parse, settings that do not go together.
pub fn load(
    args: impl IntoIterator<Item = String>,
    env: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&str) -> std::io::Result<String>,
) -> Result<Loaded, LoadError> {
    let matches = command().try_get_matches_from(args).map_err(LoadError::Arguments)?;
    let action = match matches.subcommand() {
        Some(("demo", demo)) => Action::Demo { exit: demo.get_flag("exit"), data_dir_given: false },
        Some(("check-config", _)) => Action::CheckConfig,
        _ => Action::Serve,
    };
    // A global flag may stand before or after the subcommand; clap hands it to the innermost.
    let flags = matches.subcommand().map_or(&matches, |(_, inner)| inner);
    let file = flags.get_one::<String>("config").cloned().or_else(|| env("TRIPLINE_CONFIG"));
    let (keys, settings) = match &file {
        Some(path) => {
            let text = read(path).map_err(|error| ConfigError(format!("{path}: {error}")))?;
            parse_file(path, &text)?
        }
        None => Default::default(),
    };
    let mut config = Config { settings, ..Config::default() };
    let mut sources = Vec::with_capacity(SETTINGS.len());
    for setting in SETTINGS {
        let from_flag = flags.get_one::<String>(setting.name).map(|v| (v.clone(), format!("--{}", setting.flag())));
        let from_env = || env(&setting.env()).map(|v| (v, setting.env()));
        let from_file = || {
            let value = keys.iter().find(|(key, _)| key == setting.name)?;
            Some((value.1.clone(), file.clone().unwrap_or_default()))
        };
        match from_flag.or_else(from_env).or_else(from_file) {
            Some((value, source)) => {
                setting
                    .set(&mut config, &value)
                    .map_err(|why| ConfigError(format!("{source}: {} = \"{value}\": {why}", setting.name)))?;
                sources.push(source);
            }
            None => sources.push("default".to_owned()),
        }
    }
    let data_dir_given = sources.first().is_some_and(|source| source != "default");
    let action = match action {
        Action::Demo { exit, .. } => Action::Demo { exit, data_dir_given },
        other => other,
    };
    config.check()?;
    Ok(Loaded { action, config, sources })
}

/// Why settings could not be read.
#[derive(Debug)]
pub enum LoadError {
    /// The arguments: clap says what is wrong, or prints its help.
    Arguments(clap::Error),
    /// A value.
    Config(ConfigError),
}

impl From<ConfigError> for LoadError {
    fn from(error: ConfigError) -> LoadError {
        LoadError::Config(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Arguments(error) => error.fmt(f),
            LoadError::Config(error) => error.fmt(f),
        }
    }
}

/// Lines of `check-config`: a TOML file that gives these settings, each with its source.
#[must_use]
pub fn describe(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (setting, source) in SETTINGS.iter().zip(&loaded.sources) {
        let value = setting.show(&loaded.config);
        text.push_str(&format!("{} = {value:?}  # {}; from {source}\n", setting.name, setting.unit));
    }
    if !loaded.config.settings.is_empty() {
        text.push_str("\n[settings]\n");
        for (name, value) in &loaded.config.settings {
            text.push_str(&format!("{name} = {value:?}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::value::{parse_bytes, parse_duration, show_bytes};
    use super::*;

    fn load_with(args: &[&str], env: &[(&str, &str)], file: &str) -> Result<Loaded, String> {
        let args = std::iter::once("tripline").chain(args.iter().copied()).map(str::to_owned);
        let look_up = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        load(args, &look_up, &|_| Ok(file.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let file = "max_connections = 10\nlog = \"debug\"\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n[settings]\nTimeZone = \"UTC\"";
        let env = [("TRIPLINE_CONFIG", "t.toml"), ("TRIPLINE_MAX_CONNECTIONS", "20"), ("TRIPLINE_LOG", "warn")];
        let loaded = load_with(&["--log", "error"], &env, file).unwrap();
        assert_eq!(loaded.config.log, "error");
        assert_eq!(loaded.config.max_connections, 20);
        assert_eq!(loaded.config.listen.len(), 2);
        assert_eq!(loaded.config.store.log_segment_bytes, 64 << 20);
        assert_eq!(loaded.config.settings, [("TimeZone".to_owned(), "UTC".to_owned())]);
        let text = describe(&loaded);
        assert!(text.contains("log = \"error\"  # filter; from --log"), "{text}");
        assert!(text.contains("max_connections = \"20\"  # sessions; from TRIPLINE_MAX_CONNECTIONS"), "{text}");
        assert!(text.contains("from t.toml"), "{text}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = load_with(&["--config", "t.toml"], &[], "max_conections = 1").unwrap_err();
        assert_eq!(error, "t.toml: unknown setting \"max_conections\"; did you mean \"max_connections\"?");
        let error = load_with(&["--config", "t.toml"], &[], "colour = 1").unwrap_err();
        assert_eq!(error, "t.toml: unknown setting \"colour\"");
        let error = load_with(&["--config", "t.toml"], &[], "[listen]\nx = 1").unwrap_err();
        assert!(error.contains("listen"), "{error}");
    }

    #[test]
    fn values_are_checked() {
        for (flag, value) in [("--listen", "nowhere"), ("--max-connections", "-1"), ("--log-segment-bytes", "64XB")] {
            let error = load_with(&[flag, value], &[], "").unwrap_err();
            assert!(error.contains(value), "{error}");
        }
        assert!(load_with(&["--no-such-flag"], &[], "").is_err());
    }

    #[test]
    fn settings_must_go_together() {
        for args in [
            &["--auth", "trust", "--listen", "0.0.0.0:5432"][..],
            &["--require-tls"],
            &["--tls-cert", "cert.pem"],
            &["--auth", "password"],
            &["--listen", ""],
            &["--max-connections", "0"],
        ] {
            assert!(load_with(args, &[], "").is_err(), "{args:?}");
        }
    }

    #[test]
    fn every_default_is_read_back_as_itself() {
        let default = Config::default();
        for setting in SETTINGS {
            let mut other = Config::default();
            let text = setting.text(&default);
            setting.set(&mut other, &text).unwrap_or_else(|why| panic!("{}: {text:?}: {why}", setting.name));
            assert_eq!(setting.text(&other), text, "{}", setting.name);
        }
        command().debug_assert();
    }

    #[test]
    fn subcommands_and_units() {
        let demo = load_with(&["demo", "--exit", "--data-dir", "d"], &[], "").unwrap();
        assert_eq!(demo.action, Action::Demo { exit: true, data_dir_given: true });
        assert_eq!(load_with(&["check-config"], &[], "").unwrap().action, Action::CheckConfig);
        assert_eq!(load_with(&[], &[], "").unwrap().action, Action::Serve);
        assert_eq!(parse_bytes("64MB"), Ok(64 << 20));
        assert_eq!(parse_bytes("65_536"), Ok(65536));
        assert!(parse_bytes("99999999999TB").is_err());
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("250"), Ok(Duration::from_millis(250)));
        assert_eq!(show_bytes(&(64 << 20)), "64MB");
    }

    #[test]
    fn passwords_are_not_shown() {
        let loaded = load_with(&[], &[("TRIPLINE_PASSWORD", "secret words")], "").unwrap();
        assert_eq!(loaded.config.password.as_deref(), Some("secret words"));
        assert!(!describe(&loaded).contains("secret words"));
    }
}
