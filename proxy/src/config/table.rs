//! The table of settings: one line each, from which flags, variables and keys are made.

use std::fmt;

use super::Config;
use super::value::*;

/// One setting of the table.
pub struct Setting {
    /// Key of the TOML file; the flag has `-` for `_`, the variable is `TRIPLINE_` and the name in capitals.
    pub name: &'static str,
    /// Unit or form of the value.
    pub unit: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
    /// A flag that may stand without a value.
    pub(super) switch: bool,
    /// Not to be printed.
    secret: bool,
    get: fn(&Config) -> String,
    set: fn(&mut Config, &str) -> Result<(), String>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Setting {
    /// Name of its environment variable.
    #[must_use]
    pub fn env(&self) -> String {
        format!("TRIPLINE_{}", self.name.to_uppercase())
    }

    /// Name of its flag, without the dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its value in a configuration, as text that `set` reads back.
    pub(super) fn text(&self, config: &Config) -> String {
        (self.get)(config)
    }

    /// Gives it a value. Errors: what was expected instead.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)
    }

    /// Its value in a configuration, as text; secrets are not shown.
    #[must_use]
    pub fn show(&self, config: &Config) -> String {
        let value = (self.get)(config);
        if self.secret && !value.is_empty() { "(set)".to_owned() } else { value }
    }
}

macro_rules! setting {
    ($name:ident, $unit:literal, $help:literal, $($field:ident).+, $show:expr, $parse:expr) => {
        Setting {
            name: stringify!($name),
            unit: $unit,
            help: $help,
            switch: false,
            secret: false,
            get: |config| $show(&config.$($field).+),
            set: |config, text| {
                config.$($field).+ = $parse(text)?;
                Ok(())
            },
        }
    };
}

/// Every setting, in the order of `--help`.
pub static SETTINGS: &[Setting] = &[
    setting!(data_dir, "path", "Data directory; made if it is not there", data_dir, show_path, parse_path),
    setting!(
        listen,
        "addresses",
        "Addresses for PostgreSQL clients, with commas between; none: no TCP",
        listen,
        show_list,
        parse_list
    ),
    setting!(
        unix_socket_dir,
        "path",
        "Directory of the Unix socket .s.PGSQL.<port>; empty: none",
        unix_socket_dir,
        show_optional_path,
        parse_optional_path
    ),
    setting!(
        ami_listen,
        "address",
        "Address of the AMI message port; off: none",
        ami_listen,
        show_address,
        parse_address
    ),
    setting!(
        ami_allow,
        "addresses",
        "IP addresses that may send AMI messages, with commas between; none: those of this machine",
        ami_allow,
        show_ips,
        parse_ips
    ),
    Setting {
        switch: true,
        ..setting!(
            ami_tls,
            "true|false",
            "The AMI message port speaks TLS, with tls_cert and tls_key",
            ami_tls,
            bool::to_string,
            parse_bool
        )
    },
    setting!(ami_user, "role", "Role whose rights AMI messages have", ami_user, String::clone, parse_text),
    setting!(ami_database, "name", "Database that AMI messages write to", ami_database, String::clone, parse_text),
    setting!(
        ami_unknown_table,
        "log_error|ignore|create_table",
        "What an AMI message for a table that is not there does",
        ami_unknown_table,
        show_unknown_table,
        parse_unknown_table
    ),
    setting!(
        http_listen,
        "address",
        "Address of the admin port (/metrics, /livez, /readyz); off: none",
        http_listen,
        show_address,
        parse_address
    ),
    setting!(init, "path", "SQL file run at the first start", init, show_optional_path, parse_optional_path),
    Setting {
        secret: true,
        ..setting!(
            password,
            "text",
            "Password that the role admin gets if it has none",
            password,
            show_optional,
            parse_optional
        )
    },
    setting!(
        auth,
        "auto|trust|scram-sha-256|password",
        "How clients prove who they are; auto: scram-sha-256 where the role, or any superuser, has a password",
        auth,
        show_auth,
        parse_auth
    ),
    setting!(tls_cert, "path", "PEM file of the certificate chain", tls_cert, show_optional_path, parse_optional_path),
    setting!(tls_key, "path", "PEM file of the private key", tls_key, show_optional_path, parse_optional_path),
    Setting {
        switch: true,
        ..setting!(
            require_tls,
            "true|false",
            "Refuses TCP connections without TLS",
            require_tls,
            bool::to_string,
            parse_bool
        )
    },
    setting!(
        notify_queue_max,
        "notifications",
        "Most notifications that wait for one session",
        notify_queue_max,
        u32::to_string,
        parse_number
    ),
    setting!(max_connections, "sessions", "Sessions at one time", max_connections, u32::to_string, parse_number),
    setting!(
        authentication_timeout,
        "duration",
        "Time for a client to authenticate",
        authentication_timeout,
        show_duration,
        parse_duration
    ),
    setting!(
        shutdown_timeout,
        "duration",
        "Time that sessions have to end at shutdown",
        shutdown_timeout,
        show_duration,
        parse_duration
    ),
    setting!(
        worker_threads,
        "threads",
        "Threads that serve connections; 0: one per core, at least 2",
        worker_threads,
        usize::to_string,
        parse_number
    ),
    setting!(
        log,
        "filter",
        "Which log lines are written: a level, or target=level with commas between",
        log,
        String::clone,
        parse_text
    ),
    setting!(log_format, "text|json", "How log lines look", log_format, show_format, parse_format),
    setting!(
        log_segment_bytes,
        "bytes",
        "Size of a segment of the change log",
        store.log_segment_bytes,
        show_bytes,
        parse_bytes
    ),
    setting!(
        checkpoint_bytes,
        "bytes",
        "A checkpoint is made after so much log",
        store.checkpoint_bytes,
        show_bytes,
        parse_bytes
    ),
    setting!(
        log_retention_max_bytes,
        "bytes",
        "Log kept at most for slow subscribers; 0: no limit",
        store.log_retention_max_bytes,
        show_bytes,
        parse_bytes
    ),
    setting!(
        log_tail_bytes,
        "bytes",
        "Newest log kept in memory for subscribers",
        store.log_tail_bytes,
        show_size,
        parse_size
    ),
    setting!(
        deadlock_timeout,
        "duration",
        "A lock wait this long looks for a deadlock",
        store.deadlock_timeout,
        show_duration,
        parse_duration
    ),
    setting!(
        origin,
        "number",
        "Id of this instance in changes that it makes",
        store.origin,
        u64::to_string,
        parse_number
    ),
    setting!(
        trigger_depth_max,
        "levels",
        "Deepest nesting of trigger writes",
        trigger_depth_max,
        u32::to_string,
        parse_number
    ),
];
