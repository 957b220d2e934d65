//! Session settings: names, defaults, units, and their undoing with the transaction (PG-55, PG-56).
//!
//! Values are kept as SHOW prints them. What the engine itself reads (timeouts, the search path, text style) is kept
//! beside them in its own type, made again when its setting changes. Nothing here acts on a setting.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use hashbrown::HashMap;

use crate::error::{Result, Severity, SqlError, SqlState};
use crate::store::Isolation;
use crate::types::{DateFormat, DateOrder, DateStyle, IntervalStyle, TextStyle, TimeZone};

/// What a setting's values look like.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    /// on or off.
    Bool,
    /// A whole number with bounds, without unit.
    Int(i64, i64),
    /// A time; the base unit is a millisecond.
    Millis(i64, i64),
    /// A size; the base unit is a kilobyte.
    Kilobytes(i64, i64),
    /// A number.
    Real,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Any text.
    Text,
    /// Cannot be changed.
    ReadOnly,
}

/// One setting.
#[derive(Debug)]
pub struct SettingDef {
    /// Name in its canonical case.
    pub name: &'static str,
    /// Default as SHOW prints it.
    pub default: &'static str,
    /// What its values look like.
    pub kind: SettingKind,
    /// Changes are told to the client by ParameterStatus.
    pub report: bool,
}

const fn def(name: &'static str, default: &'static str, kind: SettingKind) -> SettingDef {
    SettingDef { name, default, kind, report: false }
}

const fn reported(name: &'static str, default: &'static str, kind: SettingKind) -> SettingDef {
    SettingDef { name, default, kind, report: true }
}

use SettingKind::{Bool, Int, Kilobytes, Millis, ReadOnly, Real, Text, Words};

const MAX: i64 = i32::MAX as i64;
const ISOLATIONS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const LEVELS: &[&str] = &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];
const PRODUCT: &str = concat!("15.18 (Tripline ", env!("CARGO_PKG_VERSION"), ")");

/// All settings, ordered by lower-case name.
pub static SETTINGS: &[SettingDef] = &[
    reported("application_name", "", Text),
    def("array_nulls", "on", Bool),
    def("backslash_quote", "safe_encoding", Words(&["safe_encoding", "on", "off"])),
    def("block_size", "8192", ReadOnly),
    def("bytea_output", "hex", Words(&["escape", "hex"])),
    def("check_function_bodies", "on", Bool),
    reported("client_encoding", "UTF8", Text),
    def("client_min_messages", "notice", Words(LEVELS)),
    def("constraint_exclusion", "partition", Words(&["partition", "on", "off"])),
    def("cursor_tuple_fraction", "0.1", Real),
    def("data_checksums", "on", ReadOnly),
    reported("DateStyle", "ISO, MDY", Text),
    def("deadlock_timeout", "1s", Millis(1, MAX)),
    def("default_statistics_target", "100", Int(1, 10000)),
    def("default_table_access_method", "heap", Text),
    def("default_tablespace", "", Text),
    def("default_text_search_config", "pg_catalog.english", Text),
    def("default_toast_compression", "pglz", Words(&["pglz", "lz4"])),
    def("default_transaction_deferrable", "off", Bool),
    def("default_transaction_isolation", "read committed", Words(ISOLATIONS)),
    reported("default_transaction_read_only", "off", Bool),
    def("dialect", "auto", Words(&["auto", "postgres", "ami", "comdb2", "tarantool", "tablestore"])),
    def("effective_cache_size", "4GB", Kilobytes(8, MAX)),
    def("enable_bitmapscan", "on", Bool),
    def("enable_hashagg", "on", Bool),
    def("enable_hashjoin", "on", Bool),
    def("enable_indexonlyscan", "on", Bool),
    def("enable_indexscan", "on", Bool),
    def("enable_material", "on", Bool),
    def("enable_memoize", "on", Bool),
    def("enable_mergejoin", "on", Bool),
    def("enable_nestloop", "on", Bool),
    def("enable_seqscan", "on", Bool),
    def("enable_sort", "on", Bool),
    def("enable_tidscan", "on", Bool),
    def("escape_string_warning", "on", Bool),
    def("extra_float_digits", "1", Int(-15, 3)),
    def("force_parallel_mode", "off", Words(&["off", "on", "regress"])),
    def("from_collapse_limit", "8", Int(1, MAX)),
    def("geqo", "on", Bool),
    def("gin_fuzzy_search_limit", "0", Int(0, MAX)),
    def("hot_standby_feedback", "off", Bool),
    def("idle_in_transaction_session_timeout", "0", Millis(0, MAX)),
    def("idle_session_timeout", "0", Millis(0, MAX)),
    reported("in_hot_standby", "off", ReadOnly),
    reported("integer_datetimes", "on", ReadOnly),
    reported("IntervalStyle", "postgres", Words(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"])),
    reported("is_superuser", "on", ReadOnly),
    def("jit", "on", Bool),
    def("join_collapse_limit", "8", Int(1, MAX)),
    def("lc_collate", "C", ReadOnly),
    def("lc_ctype", "C.UTF-8", ReadOnly),
    def("lc_messages", "C", Text),
    def("lc_monetary", "C", Text),
    def("lc_numeric", "C", Text),
    def("lc_time", "C", Text),
    def("lock_timeout", "0", Millis(0, MAX)),
    def("log_min_duration_statement", "-1", Millis(-1, MAX)),
    def("log_min_messages", "warning", Text),
    def("log_statement", "none", Words(&["none", "ddl", "mod", "all"])),
    def("maintenance_work_mem", "64MB", Kilobytes(1024, MAX)),
    def("max_connections", "100", ReadOnly),
    def("max_function_args", "100", ReadOnly),
    def("max_identifier_length", "63", ReadOnly),
    def("max_index_keys", "32", ReadOnly),
    def("max_parallel_workers_per_gather", "2", Int(0, 1024)),
    def("max_lua_instructions", "10000", Int(100, 1_000_000_000)),
    def("max_prepared_transactions", "0", ReadOnly),
    def("password_encryption", "scram-sha-256", Words(&["scram-sha-256"])),
    def("plan_cache_mode", "auto", Words(&["auto", "force_generic_plan", "force_custom_plan"])),
    def("quote_all_identifiers", "off", Bool),
    def("random_page_cost", "4", Real),
    def("role", "none", Text),
    def("row_security", "on", Bool),
    def("search_path", "\"$user\", public", Text),
    def("segment_size", "1GB", ReadOnly),
    def("seq_page_cost", "1", Real),
    reported("server_encoding", "UTF8", ReadOnly),
    reported("server_version", PRODUCT, ReadOnly),
    def("server_version_num", "150018", ReadOnly),
    reported("session_authorization", "", Text),
    def("session_replication_role", "origin", Words(&["origin", "replica", "local"])),
    def("shared_buffers", "128MB", ReadOnly),
    def("ssl", "off", ReadOnly),
    def("sptrace", "off", Bool),
    reported("standard_conforming_strings", "on", Bool),
    def("statement_timeout", "0", Millis(0, MAX)),
    def("synchronize_seqscans", "on", Bool),
    def("synchronous_commit", "on", Words(&["local", "remote_write", "remote_apply", "on", "off"])),
    def("tcp_keepalives_idle", "0", Int(0, MAX)),
    def("temp_buffers", "8MB", Kilobytes(800, MAX)),
    reported("TimeZone", "UTC", Text),
    def("timezone_abbreviations", "Default", Text),
    def("transaction_deferrable", "off", Bool),
    def("transaction_isolation", "read committed", Words(ISOLATIONS)),
    def("transaction_read_only", "off", Bool),
    def("transform_null_equals", "off", Bool),
    def("tripline.ami_listen", "", ReadOnly),
    def("tripline.instance", "0", ReadOnly),
    def("tripline.origin", "0", Int(0, i64::MAX)),
    def("wal_level", "replica", ReadOnly),
    def("work_mem", "4MB", Kilobytes(64, MAX)),
    def("xmlbinary", "base64", Words(&["base64", "hex"])),
    def("xmloption", "content", Words(&["content", "document"])),
    def("zero_damaged_pages", "off", Bool),
];

/// A change to be undone.
#[derive(Clone, Debug)]
struct Undo {
    name: String,
    old: Option<Arc<str>>,
    local: bool,
}

/// Settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Vec<Arc<str>>,
    reset: Vec<Arc<str>>,
    custom: HashMap<String, Arc<str>>,
    undo: Vec<Undo>,
    changed: Vec<usize>,
    /// What the client was told last of each reported setting.
    told: HashMap<usize, Arc<str>>,
    /// Rises when something changed that a plan may rest on: search path, role, dialect, time zone.
    pub generation: u64,
    /// Rises when `style` changed.
    pub style_version: u64,
    /// statement_timeout in milliseconds, 0 = none.
    pub statement_timeout: u64,
    /// lock_timeout in milliseconds, 0 = none.
    pub lock_timeout: u64,
    /// idle_in_transaction_session_timeout in milliseconds, 0 = none.
    pub idle_timeout: u64,
    /// idle_session_timeout in milliseconds, 0 = none.
    pub idle_session_timeout: u64,
    /// synchronous_commit is off.
    pub asynchronous: bool,
    /// tripline.origin: the instance that the session's changes come from; 0 = this one.
    pub origin: u64,
    /// search_path as written, `$user` not resolved.
    pub search_path: Vec<String>,
    /// For text forms.
    pub style: Arc<TextStyle>,
    /// Place of client_min_messages in `LEVELS`.
    min_level: usize,
}

/// Places by lower-case names: some are asked for in every transaction.
static PLACES: LazyLock<HashMap<String, usize>> =
    LazyLock::new(|| SETTINGS.iter().enumerate().map(|(at, def)| (def.name.to_ascii_lowercase(), at)).collect());

fn place(name: &str) -> Option<usize> {
    let lower = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    };
    let wanted = if lower == "time zone" { "timezone" } else { &*lower };
    PLACES.get(wanted).copied()
}

/// Whether there is a setting of this name, or one could be made (dotted names). Errors: 42704; 42602 for a dotted name
/// whose parts are no identifiers.
pub fn check_name(name: &str) -> Result<()> {
    if place(name).is_some() {
        return Ok(());
    }
    if !name.contains('.') {
        return Err(unknown(name));
    }
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let simple =
        |part: &str| part.starts_with(letter) && part.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '$');
    if name.split('.').all(simple) {
        return Ok(());
    }
    Err(SqlError::new(SqlState::INVALID_NAME, format!("invalid configuration parameter name \"{name}\""))
        .detail("Custom parameter names must be two or more simple identifiers separated by dots."))
}

/// What a client may set when it connects, or a role for its sessions. Errors: 55P02 for what cannot be changed then.
pub fn check_changeable(name: &str) -> Result<()> {
    match place(name).map(|at| &SETTINGS[at]) {
        Some(def) if matches!(def.kind, ReadOnly) => Err(fixed(def)),
        _ => Ok(()),
    }
}

fn fixed(def: &SettingDef) -> SqlError {
    // These come from the server's own configuration.
    let started = matches!(def.name, "max_connections" | "max_prepared_transactions" | "shared_buffers" | "wal_level");
    let when = if started { " without restarting the server" } else { "" };
    SqlError::new(SqlState::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{}\" cannot be changed{when}", def.name))
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

fn bad_value(name: &str, value: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{value}\""))
}

impl Settings {
    /// The defaults, changed by the server's own.
    pub fn new(server: &[(String, String)]) -> Result<Settings> {
        let values: Vec<Arc<str>> = SETTINGS.iter().map(|def| Arc::from(def.default)).collect();
        let mut settings = Settings {
            reset: values.clone(),
            values,
            custom: HashMap::new(),
            undo: Vec::new(),
            changed: (0..SETTINGS.len()).filter(|place| SETTINGS[*place].report).collect(),
            told: HashMap::new(),
            generation: 0,
            style_version: 0,
            statement_timeout: 0,
            lock_timeout: 0,
            idle_timeout: 0,
            idle_session_timeout: 0,
            asynchronous: false,
            origin: 0,
            search_path: vec!["$user".to_owned(), "public".to_owned()],
            style: Arc::new(TextStyle::default()),
            min_level: 6,
        };
        for (name, value) in server {
            settings.set_reset(name, value)?;
        }
        Ok(settings)
    }

    /// Sets a value and makes it what RESET goes back to.
    pub fn set_reset(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(at) = place(name) {
            let value = self.canonical(at, value)?;
            self.reset[at] = value.clone();
            self.store(at, value);
            return Ok(());
        }
        check_name(name)?;
        self.custom.insert(name.to_ascii_lowercase(), Arc::from(value));
        Ok(())
    }

    /// Sets a read-only value: for the engine's own use.
    pub fn force(&mut self, name: &str, value: &str) {
        if let Some(at) = place(name) {
            self.reset[at] = Arc::from(value);
            self.store(at, Arc::from(value));
        }
    }

    /// A value as SHOW prints it.
    pub fn get(&self, name: &str) -> Option<Arc<str>> {
        match place(name) {
            Some(at) => Some(self.values[at].clone()),
            None => self.custom.get(&name.to_ascii_lowercase()).cloned(),
        }
    }

    /// Sets a value, with undo. `None` is DEFAULT. Gives the value as SHOW prints it.
    /// Errors: 42704 unknown, 22023 bad value, 55P02 read only.
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<Arc<str>> {
        let Some(at) = place(name) else {
            check_name(name)?;
            let key = name.to_ascii_lowercase();
            let value: Arc<str> = Arc::from(value.unwrap_or(""));
            let old = self.custom.insert(key.clone(), value.clone());
            self.undo.push(Undo { name: key, old, local });
            return Ok(value);
        };
        let def = &SETTINGS[at];
        if matches!(def.kind, ReadOnly) {
            return Err(fixed(def));
        }
        // They are the transaction's own.
        let local = local || def.name.starts_with("transaction_");
        let value = match value {
            Some(value) => self.canonical(at, value)?,
            None => self.reset[at].clone(),
        };
        let old = self.values[at].clone();
        self.store(at, value.clone());
        self.undo.push(Undo { name: def.name.to_owned(), old: Some(old), local });
        Ok(value)
    }

    /// RESET ALL.
    pub fn reset_all(&mut self) {
        for (at, def) in SETTINGS.iter().enumerate() {
            let keep = matches!(def.kind, ReadOnly)
                || def.name.starts_with("transaction_")
                || matches!(def.name, "role" | "session_authorization");
            if !keep && self.values[at] != self.reset[at] {
                let old = self.values[at].clone();
                self.undo.push(Undo { name: def.name.to_owned(), old: Some(old), local: false });
                self.store(at, self.reset[at].clone());
            }
        }
        let custom: Vec<String> = self.custom.keys().cloned().collect();
        for name in custom {
            let old = self.custom.insert(name.clone(), Arc::from(""));
            self.undo.push(Undo { name, old, local: false });
        }
    }

    /// A copy whose changes so far are final and told.
    #[must_use]
    pub fn fresh(&self) -> Settings {
        Settings { undo: Vec::new(), changed: Vec::new(), ..self.clone() }
    }

    /// A mark to come back to.
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Undoes everything since the mark.
    pub fn rollback_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            if let Some(undo) = self.undo.pop() {
                self.put_back(&undo.name, undo.old);
            }
        }
    }

    /// The transaction committed: what was set LOCAL goes back.
    pub fn commit(&mut self) {
        if self.undo.iter().any(|undo| undo.local) {
            let undo = std::mem::take(&mut self.undo);
            let mut names: Vec<&str> =
                undo.iter().filter(|entry| entry.local).map(|entry| entry.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let mut restore = Vec::new();
            for name in names {
                let entries: Vec<&Undo> = undo.iter().filter(|entry| entry.name == name).collect();
                let mut value = entries[0].old.clone();
                for (i, entry) in entries.iter().enumerate() {
                    if !entry.local {
                        value = match entries.get(i + 1) {
                            Some(next) => next.old.clone(),
                            None => self.get(name),
                        };
                    }
                }
                restore.push((name.to_owned(), value));
            }
            for (name, value) in restore {
                self.put_back(&name, value);
            }
        }
        self.undo.clear();
    }

    fn put_back(&mut self, name: &str, value: Option<Arc<str>>) {
        match (place(name), value) {
            (Some(at), Some(value)) => self.store(at, value),
            (Some(_), None) => {}
            (None, Some(value)) => {
                self.custom.insert(name.to_owned(), value);
            }
            (None, None) => {
                self.custom.remove(name);
            }
        }
    }

    /// Reported settings whose values are not those told last, with their values.
    pub fn take_changes(&mut self) -> Vec<(String, String)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        let mut news = Vec::with_capacity(changed.len());
        for at in changed {
            let value = &self.values[at];
            if self.told.get(&at) != Some(value) {
                self.told.insert(at, value.clone());
                news.push((SETTINGS[at].name.to_owned(), value.to_string()));
            }
        }
        news
    }

    /// (name, value, reset value) of all settings, custom ones last.
    pub fn all(&self) -> Vec<(String, String, String)> {
        let known = SETTINGS.iter().enumerate();
        let mut all: Vec<_> = known
            .map(|(at, def)| (def.name.to_owned(), self.values[at].to_string(), self.reset[at].to_string()))
            .collect();
        let mut custom: Vec<_> =
            self.custom.iter().map(|(name, value)| (name.clone(), value.to_string(), String::new())).collect();
        custom.sort();
        all.extend(custom);
        all
    }

    /// Whether a notice of this severity goes to the client.
    pub fn shows(&self, severity: Severity) -> bool {
        let level = match severity {
            Severity::Info | Severity::Error | Severity::Fatal | Severity::Panic => return true,
            Severity::Debug => 4,
            Severity::Log => 5,
            Severity::Notice => 6,
            Severity::Warning => 7,
        };
        level >= self.min_level
    }

    /// The isolation level of a value of transaction_isolation.
    pub fn isolation(&self, name: &str) -> Isolation {
        match self.get(name).as_deref() {
            Some("repeatable read") => Isolation::RepeatableRead,
            Some("serializable") => Isolation::Serializable,
            _ => Isolation::ReadCommitted,
        }
    }

    /// Whether a boolean setting is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).as_deref() == Some("on")
    }

    fn canonical(&self, at: usize, value: &str) -> Result<Arc<str>> {
        let def = &SETTINGS[at];
        let text = match def.kind {
            Bool => parse_bool(value).map(|on| if on { "on" } else { "off" }.to_owned()).ok_or_else(|| {
                SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("parameter \"{}\" requires a Boolean value", def.name),
                )
            })?,
            Int(min, max) => {
                let n = whole(def.name, value, &[], max)?;
                in_range(def.name, n, min, max, "")?;
                n.to_string()
            }
            Millis(min, max) => {
                let n = whole(def.name, value, MILLIS, max)?;
                in_range(def.name, n, min, max, " ms")?;
                print_unit(n, MILLIS)
            }
            Kilobytes(min, max) => {
                let n = whole(def.name, value, KILOBYTES, max)?;
                in_range(def.name, n, min, max, " kB")?;
                print_unit(n, KILOBYTES)
            }
            Real => {
                let n: f64 = value.trim().parse().map_err(|_| bad_value(def.name, value))?;
                n.to_string()
            }
            Words(words) => self.word(def, words, value)?,
            ReadOnly => value.to_owned(),
            Text => match def.name {
                "DateStyle" => print_date_style(parse_date_style(value, self.style.date_style)?),
                "TimeZone" => parse_zone(value)?.1,
                "client_encoding" => client_encoding(value)?,
                "application_name" => {
                    // Byte by byte, as PostgreSQL does.
                    let shown = |b: u8| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '?' };
                    value.bytes().map(shown).take(63).collect()
                }
                "search_path" if !is_list(value) => {
                    return Err(bad_value(def.name, value).detail("List syntax is invalid."));
                }
                _ => value.to_owned(),
            },
        };
        if def.name == "standard_conforming_strings" && text != "on" {
            return Err(SqlError::unsupported("standard_conforming_strings = off"));
        }
        Ok(Arc::from(text))
    }

    fn word(&self, def: &SettingDef, words: &[&str], value: &str) -> Result<String> {
        let lower = value.trim().to_ascii_lowercase();
        let found = words.iter().find(|word| **word == lower);
        if let Some(found) = found {
            return Ok((*found).to_owned());
        }
        if let Some(on) = parse_bool(value) {
            let word = if on { "on" } else { "off" };
            if words.contains(&word) {
                return Ok(word.to_owned());
            }
        }
        let list = words.join(", ");
        Err(bad_value(def.name, value).hint(format!("Available values: {list}.")))
    }

    fn store(&mut self, at: usize, value: Arc<str>) {
        if self.values[at] == value {
            return;
        }
        self.values[at] = value;
        let def = &SETTINGS[at];
        if def.report && !self.changed.contains(&at) {
            self.changed.push(at);
        }
        self.derive(def.name, at);
    }

    fn derive(&mut self, name: &str, at: usize) {
        let value = self.values[at].clone();
        if matches!(name, "DateStyle" | "IntervalStyle" | "TimeZone" | "extra_float_digits" | "bytea_output") {
            self.style_version += 1;
        }
        match name {
            "statement_timeout" => self.statement_timeout = millis(&value),
            "lock_timeout" => self.lock_timeout = millis(&value),
            "idle_in_transaction_session_timeout" => self.idle_timeout = millis(&value),
            "idle_session_timeout" => self.idle_session_timeout = millis(&value),
            "synchronous_commit" => self.asynchronous = &*value == "off",
            "tripline.origin" => self.origin = value.parse().unwrap_or(0),
            "client_min_messages" => {
                self.min_level = LEVELS.iter().position(|level| *level == &*value).unwrap_or(6);
            }
            "search_path" => {
                self.search_path = split_list(&value);
                self.generation += 1;
            }
            "role" | "session_authorization" | "dialect" | "session_replication_role" => self.generation += 1,
            "DateStyle" => {
                if let Ok(style) = parse_date_style(&value, DateStyle::default()) {
                    Arc::make_mut(&mut self.style).date_style = style;
                }
                self.generation += 1;
            }
            "IntervalStyle" => {
                Arc::make_mut(&mut self.style).interval_style = match &*value {
                    "postgres_verbose" => IntervalStyle::PostgresVerbose,
                    "sql_standard" => IntervalStyle::SqlStandard,
                    "iso_8601" => IntervalStyle::Iso8601,
                    _ => IntervalStyle::Postgres,
                };
                self.generation += 1;
            }
            "TimeZone" => {
                if let Ok(zone) = parse_zone(&value) {
                    Arc::make_mut(&mut self.style).time_zone = zone;
                }
                self.generation += 1;
            }
            "extra_float_digits" => {
                Arc::make_mut(&mut self.style).extra_float_digits = value.parse().unwrap_or(1);
            }
            "bytea_output" => Arc::make_mut(&mut self.style).bytea_escape = &*value == "escape",
            _ => {}
        }
    }
}

fn in_range(name: &str, n: i64, min: i64, max: i64, unit: &str) -> Result<()> {
    if (min..=max).contains(&n) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{n}{unit} is outside the valid range for parameter \"{name}\" ({min} .. {max})"),
    ))
}

/// on, off, true, false, yes, no, 1, 0 and unambiguous prefixes.
pub fn parse_bool(value: &str) -> Option<bool> {
    let lower = value.trim().to_ascii_lowercase();
    match lower.as_str() {
        "" | "o" => None,
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        text if "true".starts_with(text) || "yes".starts_with(text) => Some(true),
        text if "false".starts_with(text) || "no".starts_with(text) => Some(false),
        _ => None,
    }
}

/// Units from small to large with their size in base units.
type Units = &'static [(&'static str, i64)];
const MILLIS: Units = &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const KILOBYTES: Units = &[("kB", 1), ("MB", 1024), ("GB", 1024 * 1024), ("TB", 1024 * 1024 * 1024)];

fn parse_unit(value: &str, units: Units) -> Option<i64> {
    let (number, unit) = split_number(value)?;
    in_units(number, unit, units)
}

/// The number at the beginning and the word behind it; none without a number.
fn split_number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim();
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        #[allow(clippy::cast_precision_loss, reason = "settings are far smaller")]
        let number = i64::from_str_radix(&hex[..end], 16).ok()? as f64;
        return Some((if value.starts_with('-') { -number } else { number }, hex[end..].trim()));
    }
    let number_end = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut end = value.len() - digits.len() + number_end(digits);
    // An exponent belongs to the number, as in 1e3.
    if let Some(rest) = value[end..].strip_prefix(['e', 'E']) {
        let power = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let count = power.find(|c: char| !c.is_ascii_digit()).unwrap_or(power.len());
        if count > 0 {
            end = value.len() - power.len() + count;
        }
    }
    Some((value[..end].parse().ok()?, value[end..].trim()))
}

fn in_units(number: f64, unit: &str, units: Units) -> Option<i64> {
    let factor = match unit {
        "" => 1.0,
        "us" if units.first().is_some_and(|unit| unit.0 == "ms") => 0.001,
        "B" if units.first().is_some_and(|unit| unit.0 == "kB") => 1.0 / 1024.0,
        #[allow(clippy::cast_precision_loss, reason = "the sizes of units are small")]
        unit => units.iter().find(|(name, _)| *name == unit)?.1 as f64,
    };
    let result = (number * factor).round_ties_even();
    #[allow(clippy::cast_possible_truncation, reason = "checked to be in range")]
    (result.abs() < 9e18).then_some(result as i64)
}

/// The value of a setting that is a whole number, in its base unit. Errors: 22023.
fn whole(name: &str, value: &str, units: Units, max: i64) -> Result<i64> {
    let Some((number, unit)) = split_number(value) else { return Err(bad_value(name, value)) };
    let found = in_units(number, unit, units);
    if found.is_none() && number.abs() < 9e18 {
        let bad = bad_value(name, value);
        return Err(match units.first() {
            Some(("ms", _)) => {
                bad.hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
            }
            Some(_) => bad.hint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."),
            None => bad,
        });
    }
    let fits = |n: &i64| max > MAX || (i64::from(i32::MIN)..=MAX).contains(n);
    found.filter(fits).ok_or_else(|| bad_value(name, value).hint("Value exceeds integer range."))
}

/// Whether a text is a list of identifiers.
fn is_list(value: &str) -> bool {
    let mut rest = value.trim_start();
    if rest.is_empty() {
        return true;
    }
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut from = 0;
            loop {
                let Some(end) = quoted[from..].find('"') else { return false };
                from += end + 1;
                match quoted[from..].strip_prefix('"') {
                    Some(_) => from += 1,
                    None => break,
                }
            }
            rest = &quoted[from..];
        } else {
            let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
            if end == 0 {
                return false;
            }
            rest = &rest[end..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return rest.is_empty(),
        }
    }
}

fn print_unit(n: i64, units: Units) -> String {
    if n <= 0 {
        return n.to_string();
    }
    let (name, size) = units.iter().rev().find(|(_, size)| n % size == 0).unwrap_or(&units[0]);
    format!("{}{name}", n / size)
}

/// A value as pg_settings has it: a time in milliseconds, a size in kilobytes, anything else as it is shown.
pub(super) fn in_base_unit(kind: SettingKind, value: &str) -> String {
    let number = match kind {
        Millis(..) => parse_unit(value, MILLIS),
        Kilobytes(..) => parse_unit(value, KILOBYTES),
        _ => None,
    };
    number.map_or_else(|| value.to_owned(), |number| number.to_string())
}

fn millis(value: &str) -> u64 {
    parse_unit(value, MILLIS).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn client_encoding(value: &str) -> Result<String> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        "utf8" | "unicode" => Ok("UTF8".to_owned()),
        "sqlascii" => Ok("SQL_ASCII".to_owned()),
        _ => Err(bad_value("client_encoding", value)),
    }
}

/// Splits a list of identifiers: folds those without quotes.
pub fn split_list(value: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut chars = value.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = true;
                while let Some(c) = chars.next() {
                    if c != '"' {
                        item.push(c);
                    } else if chars.peek() == Some(&'"') {
                        item.push('"');
                        chars.next();
                    } else {
                        break;
                    }
                }
            }
            ',' => {
                if quoted || !item.is_empty() {
                    items.push(std::mem::take(&mut item));
                }
                quoted = false;
            }
            c if c.is_whitespace() => {}
            c => item.extend(c.to_lowercase()),
        }
    }
    if quoted || !item.is_empty() {
        items.push(item);
    }
    items
}

fn parse_zone(value: &str) -> Result<TimeZone> {
    let trimmed = value.trim().trim_matches('\'');
    TimeZone::parse(trimmed).map_err(|_| bad_value("TimeZone", value))
}

fn parse_date_style(value: &str, now: DateStyle) -> Result<DateStyle> {
    if value.trim().is_empty() {
        return Ok(now);
    }
    if !is_list(value) {
        return Err(bad_value("DateStyle", value).detail("List syntax is invalid."));
    }
    let (mut format, mut order, mut implied) = (None, None, None);
    let mut conflict = false;
    for word in split_list(value) {
        let (new_format, new_order) = match word.as_str() {
            "iso" => (Some(DateFormat::Iso), None),
            "sql" => (Some(DateFormat::Sql), None),
            "german" => {
                // Its order gives way to one that is named.
                implied = Some(DateOrder::Dmy);
                (Some(DateFormat::German), None)
            }
            "ymd" => (None, Some(DateOrder::Ymd)),
            "default" => {
                let default = DateStyle::default();
                (format, order) = (format.or(Some(default.format)), order.or(Some(default.order)));
                (None, None)
            }
            text if text.starts_with("postgres") => (Some(DateFormat::Postgres), None),
            text if text.starts_with("euro") || text == "dmy" => (None, Some(DateOrder::Dmy)),
            text if text.starts_with("noneuro") || text == "us" || text == "mdy" => (None, Some(DateOrder::Mdy)),
            text => return Err(bad_value("DateStyle", value).detail(format!("Unrecognized key word: \"{text}\"."))),
        };
        conflict |= new_format.is_some_and(|new| format.replace(new).is_some_and(|old| old != new));
        conflict |= new_order.is_some_and(|new| order.replace(new).is_some_and(|old| old != new));
    }
    if conflict {
        return Err(bad_value("DateStyle", value).detail("Conflicting \"datestyle\" specifications."));
    }
    Ok(DateStyle { format: format.unwrap_or(now.format), order: order.or(implied).unwrap_or(now.order) })
}

fn print_date_style(style: DateStyle) -> String {
    let format = match style.format {
        DateFormat::Iso => "ISO",
        DateFormat::Sql => "SQL",
        DateFormat::Postgres => "Postgres",
        DateFormat::German => "German",
    };
    let order = match style.order {
        DateOrder::Mdy => "MDY",
        DateOrder::Dmy => "DMY",
        DateOrder::Ymd => "YMD",
    };
    format!("{format}, {order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-55, PG-56
    #[test]
    fn values_units_and_undo() {
        let mut settings = Settings::new(&[]).unwrap();
        assert_eq!(&*settings.set("statement_timeout", Some("5000"), false).unwrap(), "5s");
        assert_eq!(settings.statement_timeout, 5000);
        assert_eq!(&*settings.set("work_mem", Some("65536"), false).unwrap(), "64MB");
        assert_eq!(settings.set("nonsense", Some("1"), false).unwrap_err().state(), SqlState::UNDEFINED_OBJECT);
        assert_eq!(
            settings.set("work_mem", Some("many"), false).unwrap_err().state(),
            SqlState::INVALID_PARAMETER_VALUE
        );
        settings.commit();
        settings.set("application_name", Some("a"), false).unwrap();
        settings.set("application_name", Some("b"), true).unwrap();
        settings.commit();
        assert_eq!(settings.get("application_name").as_deref(), Some("a"));
        let mark = settings.mark();
        settings.set("app.user", Some("x"), false).unwrap();
        settings.set("lock_timeout", Some("1min"), false).unwrap();
        settings.rollback_to(mark);
        assert_eq!(settings.lock_timeout, 0);
        assert_eq!(settings.get("app.user"), None);
    }

    #[test]
    fn lists_fold_and_unquote() {
        assert_eq!(split_list("\"$user\", Public"), ["$user", "public"]);
        assert_eq!(split_list("\"A\"\"b\",c"), ["A\"b", "c"]);
        assert!(split_list("").is_empty());
    }
}
