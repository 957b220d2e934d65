//! The sending end over PostgreSQL's protocol (AMI-200 to AMI-202): inserts, updates and deletes as prepared statements,
//! pipelined, in transactions at the receiver, over pooled connections.
//!
//! Values travel in their text form, so that the receiver's own input functions make them values of its columns' types.
//!
//! Exactly once: the place in our change log up to which the receiver has everything stands in a row of its table
//! `tripline_relay`. A transaction first moves that row from where we believe it to stand; if it stands elsewhere (the
//! commit that we heard no answer of came through, or still holds the row) nothing is done and the place is read again.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult, Timeouts};
use futures::future::try_join_all;
use parking_lot::Mutex;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::ClientConfig;
use tripline_sql::catalog::TriggerId;
use tripline_sql::change::{CommitNo, Position};
use tripline_sql::types::{DataType, TextStyle, Value, to_text};

use super::bounded::{Bounded, BoundedTls};
use super::client::{PATIENCE, shortened};
use super::ident;
use super::options::Options;
use super::outbox::Queued;
use super::plan::Plan;
use super::report::Failure;
use crate::kind::Operation;
use crate::script::ami::type_of;

/// For the statements of one transaction.
const APPLY_PATIENCE: Duration = Duration::from_secs(60);
/// So long a connection is silent before it is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// So long a connection that is not used any more may take to end.
const LEAVE: Duration = Duration::from_secs(1);
/// What is told when an update or delete finds no row.
pub(super) const MISSING: &str = "the receiver has no such row";
const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS tripline_relay (instance bigint NOT NULL, trigger_id bigint NOT NULL, \
                         commit_no bigint NOT NULL, ordinal bigint NOT NULL, PRIMARY KEY (instance, trigger_id))";

/// What one batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Changes carried out.
    pub(super) changes: u64,
    /// Updates and deletes that met no row.
    pub(super) missing: u64,
}

/// A pooled connection.
pub(super) struct Connection {
    client: Client,
    /// What carries the connection.
    carrier: JoinHandle<()>,
    statements: HashMap<String, Statement>,
    /// The receiver's instance; 0: it has none, as PostgreSQL.
    peer: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It takes leave by itself, unless the receiver owes it answers: those it would wait for as long as it takes.
        if self.client.is_closed() {
            return;
        }
        let carrier = self.carrier.abort_handle();
        if let Ok(runtime) = super::worker::runtime() {
            runtime.spawn(async move {
                sleep(LEAVE).await;
                carrier.abort();
            });
        }
    }
}

impl Connection {
    async fn statement(&mut self, text: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text).await.map_err(|error| failure(&error))?;
        // Definitions change now and then: what is not used any more is not kept for ever.
        if self.statements.len() > 64 {
            self.statements.clear();
        }
        self.statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

struct Manager {
    host: String,
    port: u16,
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// A client, and the task that carries its connection.
fn carried<S, T>((client, connection): (Client, tokio_postgres::Connection<S, T>)) -> (Client, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let carrier = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a relay's connection ended: {error}");
        }
    });
    (client, carrier)
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Failure;

    async fn create(&self) -> Result<Connection, Failure> {
        let lost = |error: std::io::Error| Failure::Broken(format!("{}:{}: {error}", self.host, self.port));
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(lost)?;
        socket.set_nodelay(true).map_err(lost)?;
        set_socket_keepalive(&socket, true).map_err(|error| lost(error.into()))?;
        set_tcp_keepidle(&socket, KEEPALIVE).map_err(|error| lost(error.into()))?;
        let (client, carrier) = match &self.tls {
            Some(tls) => {
                let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.clone(), &self.host);
                let tls = tls.map_err(|error| Failure::Broken(format!("TLS: {error}")))?;
                carried(self.config.connect_raw(socket, BoundedTls(tls)).await.map_err(|error| failure(&error))?)
            }
            None => {
                let made = self.config.connect_raw(Bounded::new(socket), NoTls).await;
                carried(made.map_err(|error| failure(&error))?)
            }
        };
        let mut connection = Connection { client, carrier, statements: HashMap::new(), peer: 0 };
        let row = connection.client.query_one("SELECT current_setting('tripline.instance', true)", &[]).await;
        let id = row.and_then(|row| row.try_get::<_, Option<String>>(0)).map_err(|error| failure(&error))?;
        connection.peer = id.and_then(|id| id.parse().ok()).unwrap_or(0);
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Failure> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

type Pool = managed::Pool<Manager>;

/// Who shares a pool: triggers that send to the same place as the same user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PoolKey {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: Option<String>,
    keystore: Option<(String, String)>,
    tls: bool,
    size: usize,
}

/// The pools in use, each with the number of its users.
static POOLS: Mutex<Vec<(PoolKey, Pool, usize)>> = Mutex::new(Vec::new());

/// One trigger's way to its receiver.
pub(super) struct Link {
    key: PoolKey,
    pool: Pool,
    instance: u64,
    durable: Option<TriggerId>,
    /// Where the receiver stands, when it was read.
    stored: Option<Position>,
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut pools = POOLS.lock();
        if let Some(at) = pools.iter().position(|(key, ..)| *key == self.key) {
            pools[at].2 -= 1;
            if pools[at].2 == 0 {
                pools.remove(at).1.close();
            }
        }
    }
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(refusal) => {
            let text = format!("{}: {}", refusal.code().code(), shortened(refusal.message()));
            // Connection exceptions, resources, an operator who ends it: not the change's fault.
            if matches!(refusal.code().code().get(..2), Some("08" | "28" | "3D" | "40" | "53" | "57" | "58")) {
                Failure::Broken(text)
            } else {
                Failure::Refused(text)
            }
        }
        None => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Failure::Broken(format!("{error}{cause}"))
        }
    }
}

fn late() -> Failure {
    Failure::Broken("the receiver does not answer".to_owned())
}

impl Link {
    /// A link; nothing is connected yet. `durable`: the trigger whose place is kept at the receiver.
    pub(super) fn new(
        options: &Options,
        tls: Option<Arc<ClientConfig>>,
        instance: u64,
        durable: Option<TriggerId>,
    ) -> Result<Link, Failure> {
        let key = PoolKey {
            host: options.host.clone(),
            port: options.port,
            database: options.database.clone(),
            user: options.user.clone(),
            password: options.password.clone(),
            keystore: options.keystore.clone(),
            tls: options.tls,
            size: options.pool_size,
        };
        let mut pools = POOLS.lock();
        if let Some((_, pool, users)) = pools.iter_mut().find(|(known, ..)| *known == key) {
            *users += 1;
            return Ok(Link { key, pool: pool.clone(), instance, durable, stored: None });
        }
        let mut config = Config::new();
        config.dbname(&options.database).user(&options.user).application_name("tripline relay");
        config.ssl_mode(match options.tls {
            true => tokio_postgres::config::SslMode::Require,
            false => tokio_postgres::config::SslMode::Disable,
        });
        if let Some(password) = &options.password {
            config.password(password);
        }
        let tls = tls.map(|tls| MakeRustlsConnect::new((*tls).clone()));
        let waits = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        let manager = Manager { host: options.host.clone(), port: options.port, config, tls };
        let pool = Pool::builder(manager).max_size(options.pool_size).timeouts(waits).runtime(Runtime::Tokio1);
        let pool = pool.build().map_err(|error| Failure::Broken(error.to_string()))?;
        pools.push((key.clone(), pool.clone(), 1));
        Ok(Link { key, pool, instance, durable, stored: None })
    }

    async fn connection(&self) -> Result<Object<Manager>, Failure> {
        self.pool.get().await.map_err(|error| match error {
            managed::PoolError::Backend(failure) => Failure::Broken(failure.text().to_owned()),
            managed::PoolError::Timeout(_) => Failure::Broken("no connection in time".to_owned()),
            other => Failure::Broken(other.to_string()),
        })
    }

    /// Whether the receiver can be spoken to.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let connection = self.connection().await?;
        let asked = timeout(PATIENCE, connection.client.simple_query("")).await;
        asked.map_err(|_| late())?.map(|_| ()).map_err(|error| failure(&error))
    }

    /// Where the receiver stands: everything up to there it has. Makes its table and the trigger's row when they are not
    /// there yet; `start` is what that row says then.
    pub(super) async fn position(&mut self, start: Position) -> Result<Position, Failure> {
        if let Some(stored) = self.stored {
            return Ok(stored);
        }
        let Some(trigger) = self.durable else { return Ok(start) };
        let connection = self.connection().await?;
        let client = &connection.client;
        let asked = async {
            let there = client.query_one("SELECT to_regclass('tripline_relay') IS NOT NULL", &[]).await?;
            if !there.try_get::<_, bool>(0)? {
                // Two triggers may come at the same time; who is late finds the table.
                if let Err(error) = client.batch_execute(POSITIONS).await
                    && error.code().is_none_or(|code| !matches!(code.code(), "23505" | "42P07" | "42710"))
                {
                    return Err(error);
                }
            }
            let row = self.row(trigger);
            client
                .batch_execute(&format!(
                    "INSERT INTO tripline_relay VALUES ({row}, {}, {}) ON CONFLICT (instance, trigger_id) DO NOTHING",
                    start.commit.0, start.ordinal
                ))
                .await?;
            client
                .query_one(
                    &format!("SELECT commit_no, ordinal FROM tripline_relay WHERE (instance, trigger_id) = ({row})"),
                    &[],
                )
                .await
        };
        let row = timeout(PATIENCE, asked).await.map_err(|_| late())?.map_err(|error| failure(&error))?;
        let number = |at: usize| row.try_get::<_, i64>(at).map_err(|error| failure(&error));
        let ordinal = u32::try_from(number(1)?).unwrap_or(u32::MAX);
        let stored = Position { commit: CommitNo(u64::try_from(number(0)?).unwrap_or(0)), ordinal };
        self.stored = Some(stored);
        Ok(stored)
    }

    fn row(&self, trigger: TriggerId) -> String {
        format!("{}, {}", self.instance, trigger.0)
    }

    /// Carries changes out, in transactions that end where the origin changes. Durable: those that the receiver has already
    /// are left out, and its position moves with each transaction. Refused: nothing of the transaction that failed was done.
    pub(super) async fn apply(&mut self, batch: &[Queued]) -> Result<Applied, Failure> {
        let mut connection = self.connection().await?;
        let mut applied = Applied::default();
        let mut rest = batch;
        while let Some(first) = rest.first() {
            let same = |queued: &&Queued| queued.item.origin == first.item.origin;
            let (run, behind) = rest.split_at(rest.iter().take_while(same).count());
            rest = behind;
            // Made by the receiver itself (AMI-203).
            let origin = first.item.origin;
            let own = origin == 0 || origin == self.instance;
            if !own && origin == connection.peer {
                continue;
            }
            let done = timeout(APPLY_PATIENCE, self.transaction(&mut connection, run, origin)).await;
            match done.unwrap_or_else(|_| Err(late())) {
                Ok(done) => {
                    applied.changes += done.changes;
                    applied.missing += done.missing;
                }
                Err(error) => {
                    // A definition may have changed at the receiver.
                    connection.statements.clear();
                    if !matches!(error, Failure::Refused(_)) {
                        // What became of the commit is not known: this connection is not used again.
                        self.stored = None;
                        drop(Object::take(connection));
                    }
                    return Err(error);
                }
            }
        }
        Ok(applied)
    }

    async fn transaction(
        &mut self,
        connection: &mut Connection,
        run: &[Queued],
        origin: u64,
    ) -> Result<Applied, Failure> {
        let mut calls = Vec::with_capacity(run.len());
        for queued in run {
            let (text, params) = call(queued);
            calls.push((connection.statement(&text).await?, params));
        }
        let origin = if origin == 0 { self.instance } else { origin };
        let mut begin = "BEGIN".to_owned();
        if origin != 0 {
            let _ = write!(begin, "; SET LOCAL tripline.origin = '{origin}'");
        }
        let moved = match (self.durable, self.stored, run.last()) {
            (Some(trigger), Some(from), Some(last)) => {
                let to = last.item.position;
                let row = self.row(trigger);
                let step = format!(
                    "UPDATE tripline_relay SET commit_no = {}, ordinal = {} \
                     WHERE (instance, trigger_id, commit_no, ordinal) = ({row}, {}, {})",
                    to.commit.0, to.ordinal, from.commit.0, from.ordinal
                );
                Some((step, to))
            }
            _ => None,
        };
        let client = &connection.client;
        client.batch_execute(&begin).await.map_err(|error| failure(&error))?;
        let result = async {
            if let Some((step, _)) = &moved
                && client.execute(step.as_str(), &[]).await.map_err(|error| failure(&error))? != 1
            {
                return Err(Failure::Broken("the receiver's position is another than expected".to_owned()));
            }
            let counts = try_join_all(calls.iter().map(|(statement, params)| async move {
                let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
                client.execute(statement, &params).await
            }));
            let counts = counts.await.map_err(|error| failure(&error))?;
            client.batch_execute("COMMIT").await.map_err(|error| failure(&error))?;
            let missing = counts.iter().filter(|count| **count == 0).count() as u64;
            Ok(Applied { changes: run.len() as u64 - missing, missing })
        };
        let applied = match result.await {
            Ok(applied) => applied,
            Err(error) => {
                return match timeout(PATIENCE, client.batch_execute("ROLLBACK")).await {
                    Ok(Ok(())) => Err(error),
                    _ => Err(Failure::Broken(error.text().to_owned())),
                };
            }
        };
        if let Some((_, to)) = moved {
            self.stored = Some(to);
        }
        Ok(applied)
    }
}

/// A parameter in its text form.
#[derive(Debug)]
struct TextParam(Option<String>);

impl ToSql for TextParam {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

fn param(value: &Value, ty: Option<DataType>) -> TextParam {
    if value.is_null() {
        return TextParam(None);
    }
    let mut text = String::new();
    to_text(value, ty.unwrap_or_else(|| type_of(value)), &TextStyle::default(), &mut text);
    TextParam(Some(text))
}

/// The target's name: with a schema if it has a point in it.
fn relation(name: &str) -> String {
    name.split('.').map(ident).collect::<Vec<_>>().join(".")
}

/// A change's statement and its parameters.
fn call(queued: &Queued) -> (String, Vec<TextParam>) {
    let (plan, item) = (&queued.plan, &queued.item);
    let sent = plan.sent(item.operation);
    let of = |places: &[usize], values: &[Value]| -> Vec<TextParam> {
        places.iter().zip(values).map(|(place, value)| param(value, plan.columns[*place].ty)).collect()
    };
    match item.operation {
        Operation::Insert => (insert_text(plan, sent), of(sent, &item.values)),
        Operation::Update => {
            let mut params = of(sent, &item.values);
            params.extend(of(&plan.keys, &item.key));
            let sets: Vec<String> = sent
                .iter()
                .enumerate()
                .map(|(at, place)| format!("{} = ${}", ident(&plan.columns[*place].name), at + 1))
                .collect();
            let found = found(plan, sent.len());
            (format!("UPDATE {} SET {} WHERE {found}", relation(&plan.target), sets.join(", ")), params)
        }
        Operation::Delete => {
            let found = found(plan, 0);
            (format!("DELETE FROM {} WHERE {found}", relation(&plan.target)), of(&plan.keys, &item.key))
        }
    }
}

fn insert_text(plan: &Plan, sent: &[usize]) -> String {
    let target = relation(&plan.target);
    let names: Vec<String> = sent.iter().map(|place| ident(&plan.columns[*place].name)).collect();
    let marks: Vec<String> = (1..=sent.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO {target} ({}) VALUES ({})", names.join(", "), marks.join(", "))
}

/// The condition that finds a row by its keys, whose parameters come after the first `before`.
fn found(plan: &Plan, before: usize) -> String {
    let part = |(at, place): (usize, &usize)| format!("{} = ${}", ident(&plan.columns[*place].name), before + at + 1);
    plan.keys.iter().enumerate().map(part).collect::<Vec<_>>().join(" AND ")
}
