//! Data sources of AMI: what `use ds=name execute text` speaks to (AMI-80).
//!
//! `AMI` is this server, in the same transaction. Others were added by `__ADD_DATASOURCE` and are definitions of the
//! catalog; each execution opens a connection of its own over PostgreSQL's protocol, on a thread of its own, since the
//! engine is synchronous. What it does there is outside of the transaction here.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::{NoTls, SimpleQueryMessage};
use tripline_sql::catalog::{Catalog, TableDef, TriggerDef};
use tripline_sql::change::{HookContext, QueryResult};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, TextStyle, Value, from_text, type_info};

use crate::kind::{Attachment, Instance, Kind};

/// `TriggerDef::kind` of a data source, and its dialect, which keeps its name apart from names of triggers.
pub(crate) const KIND: &str = "data_source";

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two looks for a cancel while waiting.
const LOOK: Duration = Duration::from_millis(50);

/// The kind: it only checks definitions; nothing fires.
pub struct DataSource;

impl Kind for DataSource {
    fn name(&self) -> &'static str {
        KIND
    }

    fn check(&self, _: &mut dyn HookContext, def: TriggerDef) -> Result<TriggerDef> {
        let adapter = def.option("adapter").unwrap_or_default();
        if !adapter.eq_ignore_ascii_case("POSTGRES") {
            return Err(SqlError::unsupported(format!("the data source adapter \"{adapter}\"")));
        }
        for key in ["relay", "overrides"] {
            if def.option(key).is_some_and(|value| !value.trim().is_empty()) {
                return Err(SqlError::unsupported(format!("the argument {key} of __ADD_DATASOURCE")));
            }
        }
        config(&def).map(|_| def)
    }

    fn attach(
        &self,
        _: &Catalog,
        _: &Arc<TriggerDef>,
        _: Option<&Arc<TableDef>>,
        _: &Arc<Instance>,
    ) -> Result<Option<Attachment>> {
        Ok(None)
    }
}

/// The connection that a definition describes. Errors: 22023.
fn config(def: &TriggerDef) -> Result<Config> {
    let bad = |why: &dyn std::fmt::Display| {
        SqlError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid address of data source \"{}\": {why}", def.name),
        )
    };
    let url = def.option("url").unwrap_or_default().trim();
    let url = url.strip_prefix("jdbc:").unwrap_or(url);
    let text = if url.contains("://") || url.contains('=') { url.to_owned() } else { format!("postgresql://{url}") };
    let options = def.option("options").unwrap_or_default().trim();
    let text = match (options.is_empty(), text.contains("://")) {
        (true, _) => text,
        (false, true) => format!("{text}{}{}", if text.contains('?') { '&' } else { '?' }, options.replace(' ', "&")),
        (false, false) => format!("{text} {options}"),
    };
    let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| bad(&error))?;
    if config.get_hosts().is_empty() {
        return Err(bad(&"there is no host in it"));
    }
    if let Some(user) = def.option("user").filter(|user| !user.is_empty()) {
        config.user(user);
    }
    if let Some(password) = def.option("password").filter(|password| !password.is_empty()) {
        config.password(password);
    }
    if config.get_ssl_mode() == SslMode::Require {
        return Err(SqlError::unsupported("sslmode=require of a data source"));
    }
    config.ssl_mode(SslMode::Disable).connect_timeout(CONNECT).application_name("tripline");
    Ok(config)
}

/// Runs a text on a data source and waits for its result. Errors: 42704 for an unknown one; 08001 when it cannot be
/// reached; what it says, with its own code; 57014.
pub(crate) fn execute(ctx: &mut dyn HookContext, source: &str, text: &str) -> Result<QueryResult> {
    if text.trim().is_empty() {
        return Err(SqlError::syntax("EXECUTE needs a statement to be sent"));
    }
    let catalog = ctx.catalog();
    let found = catalog.triggers().find(|def| def.kind == KIND && def.name.eq_ignore_ascii_case(source));
    if source.eq_ignore_ascii_case("ami") {
        return ctx.query_in("ami", text, &[], &[]);
    }
    let Some(def) = found else {
        return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("data source \"{source}\" does not exist")));
    };
    let config = config(def)?;
    let (sender, receiver) = channel();
    let text = text.to_owned();
    std::thread::Builder::new()
        .name("data source".to_owned())
        .spawn(move || {
            let _ = sender.send(remote(&config, &text));
        })
        .map_err(|error| SqlError::internal(format!("no thread for a data source: {error}")))?;
    let result = wait(ctx, &receiver);
    result.map_err(|error| error.context(format!("data source \"{source}\"")))
}

/// Waits for the answer; the thread of a statement that was cancelled ends by itself.
fn wait(ctx: &mut dyn HookContext, receiver: &Receiver<Result<QueryResult>>) -> Result<QueryResult> {
    loop {
        let mut answer = None;
        ctx.block(&mut || answer = Some(receiver.recv_timeout(LOOK)));
        match answer {
            Some(Ok(result)) => return result,
            Some(Err(RecvTimeoutError::Timeout)) => ctx.check_cancel()?,
            Some(Err(RecvTimeoutError::Disconnected)) | None => {
                return Err(SqlError::internal("the thread of a data source ended without an answer"));
            }
        }
    }
}

fn remote(config: &Config, text: &str) -> Result<QueryResult> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| SqlError::internal(format!("no runtime for a data source: {error}")))?;
    runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| unreachable(&error))?;
        let connection = tokio::spawn(connection);
        // Types come from the description of a single statement; several in one text answer with text.
        let types: Vec<DataType> = match client.prepare(text).await {
            Ok(statement) => statement.columns().iter().map(|column| known(column.type_().oid())).collect(),
            Err(_) => Vec::new(),
        };
        let messages = client.simple_query(text).await.map_err(|error| unreachable(&error))?;
        drop(client);
        connection.abort();
        result(messages, &types)
    })
}

/// A type that this server has too; everything else arrives as text.
fn known(oid: u32) -> DataType {
    if type_info(oid).is_some() { DataType::new(oid) } else { DataType::TEXT }
}

fn result(messages: Vec<SimpleQueryMessage>, types: &[DataType]) -> Result<QueryResult> {
    let mut out = QueryResult::default();
    let style = TextStyle::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                out = QueryResult::default();
                let ty = |place| types.get(place).copied().filter(|_| types.len() == columns.len());
                let named = columns.iter().enumerate();
                out.columns = named
                    .map(|(place, column)| (column.name().to_owned(), ty(place).unwrap_or(DataType::TEXT)))
                    .collect();
            }
            SimpleQueryMessage::Row(row) => {
                let value = |place: usize| match row.get(place) {
                    Some(text) => from_text(text, out.columns[place].1, &style),
                    None => Ok(Value::Null),
                };
                let values = (0..row.len().min(out.columns.len())).map(value).collect::<Result<Vec<Value>>>()?;
                out.rows.push(values);
            }
            SimpleQueryMessage::CommandComplete(count) => {
                out.count = count;
                out.tag =
                    if out.columns.is_empty() { "EXECUTE".to_owned() } else { format!("SELECT {}", out.rows.len()) };
            }
            _ => {}
        }
    }
    Ok(out)
}

/// What the other side says keeps its code; a connection that failed is 08001.
fn unreachable(error: &tokio_postgres::Error) -> SqlError {
    match error.as_db_error() {
        Some(own) if own.code().code().len() == 5 => {
            let made = SqlError::new(SqlState::new(own.code().code()), own.message());
            match own.detail() {
                Some(detail) => made.detail(detail),
                None => made,
            }
        }
        _ => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(error) {
                text = format!("{text}: {cause}");
            }
            SqlError::new(SqlState::new("08001"), format!("the data source cannot be reached: {text}"))
        }
    }
}
