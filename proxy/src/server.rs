//! The server: opens the engine, binds the ports, accepts connections, and ends them all at shutdown.
//!
//! One task per connection. Shutdown refuses new connections, asks every session to end (57P01), waits for them, then closes
//! the engine; a session that does not end in time is dropped, which rolls its transaction back.

use std::future::Future;
use std::hash::RandomState;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tripline_sql::engine::Engine;
use tripline_sql::error::{SqlError, SqlState};

use crate::auth::Tls;
use crate::config::{Auth, Config, ConfigError};
use crate::error::put_error;
use crate::handler::{Stop, serve};
use crate::metrics::Metrics;
use crate::open::{Parts, StartError, check_passwords, guarded, open};
use crate::startup::Startup;
use crate::stream::{Stream, Watch};

/// Connections above `max_connections` that are heard: a cancel request must come through a full server.
const SPARE_CONNECTIONS: u64 = 64;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// What every connection needs.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    pub(crate) tls: Option<Tls>,
    pub(crate) watch: Watch,
    pub(crate) metrics: Metrics,
    /// Makes the verifiers of users that do not exist.
    pub(crate) disguise: RandomState,
    pub(crate) stopping: AtomicBool,
}

impl Shared {
    /// Whether a superuser has a password.
    pub(crate) fn guarded(&self) -> bool {
        guarded(&self.engine)
    }
}

/// A running server. `stop` ends it; dropping it leaves its tasks to the runtime.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    addresses: Vec<SocketAddr>,
    http_address: Option<SocketAddr>,
    ami_address: Option<SocketAddr>,
    unix_sockets: Vec<PathBuf>,
    stop: watch::Sender<bool>,
    shared: SharedHandle,
    accepting: Vec<JoinHandle<()>>,
    helping: Vec<JoinHandle<()>>,
    feed: crate::triggers::Feed,
}

struct SharedHandle(Arc<Shared>);

impl std::fmt::Debug for SharedHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Server {
    /// Opens the data directory and serves it. Errors: settings that are not safe, a port in use, a directory that another
    /// server has, a first SQL file that fails.
    pub async fn start(config: Config) -> Result<Server, StartError> {
        config.check()?;
        let parts = Parts::new(&config)?;
        Server::start_with(config, parts).await
    }

    /// As `start`, on given parts.
    pub async fn start_with(config: Config, parts: Parts) -> Result<Server, StartError> {
        config.check()?;
        let tls = read_tls(&config)?;
        // Ports first: taking them fails at once, opening a large data directory takes its time. Who connects waits.
        let (mut tcp, mut unix) = (Vec::new(), Vec::new());
        for address in &config.listen {
            tcp.push(bind(*address).map_err(|error| StartError::Io(format!("listen on {address}"), error))?);
        }
        let addresses = local_addresses(&tcp)?;
        let http = match config.http_listen {
            Some(address) => Some(
                bind(address).map_err(|error| StartError::Io(format!("listen on {address} (admin port)"), error))?,
            ),
            None => None,
        };
        let ami = match config.ami_listen {
            // The port of another server on this machine, mostly (AMI-167).
            Some(address) => bind(address)
                .inspect_err(|error| tracing::warn!("AMI message port {address}: {error}; going on without it"))
                .ok(),
            None => None,
        };
        let ami_address = ami.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut config = config;
        if let Some(address) = ami_address {
            config.settings.push(("tripline.ami_listen".to_owned(), address.to_string()));
        }
        let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
        let fire = parts.triggers.clone();
        let engine = tokio::task::spawn_blocking({
            let config = config.clone();
            move || open(&config, parts)
        });
        let engine = engine.await.map_err(|error| StartError::Sql("open".to_owned(), SqlError::internal(error)))??;
        check_passwords(&config, &engine)?;
        let mut unix_sockets = Vec::new();
        if let Some(directory) = &config.unix_socket_dir {
            let port = addresses.first().map_or(5432, SocketAddr::port);
            let path = directory.join(format!(".s.PGSQL.{port}"));
            let listener =
                bind_unix(&path).map_err(|error| StartError::Io(format!("listen on {}", path.display()), error))?;
            unix.push(listener);
            unix_sockets.push(path);
        }
        let feed = crate::triggers::start_feed(&engine, fire)
            .map_err(|error| StartError::Sql("subscribers".to_owned(), error))?;
        let shared = Arc::new(Shared {
            engine: engine.clone(),
            config,
            tls,
            watch: Watch::default(),
            metrics: Metrics::default(),
            disguise: RandomState::new(),
            stopping: AtomicBool::new(false),
        });
        let (stop, stopped) = watch::channel(false);
        let mut accepting = Vec::new();
        for listener in tcp {
            accepting.push(tokio::spawn(accept(Listener::Tcp(listener), shared.clone(), stopped.clone())));
        }
        for listener in unix {
            accepting.push(tokio::spawn(accept(Listener::Unix(listener), shared.clone(), stopped.clone())));
        }
        if let Some(listener) = ami {
            accepting.push(tokio::spawn(crate::ami::serve(listener, shared.clone(), stopped.clone())));
        }
        let mut helping = Vec::new();
        if let Some(listener) = http {
            helping.push(tokio::spawn(crate::http::serve(listener, shared.clone())));
        }
        let watching = shared.clone();
        helping.push(tokio::spawn(async move { watching.watch.run(&watching.engine).await }));
        let server = Server {
            engine,
            addresses,
            http_address,
            ami_address,
            unix_sockets,
            stop,
            shared: SharedHandle(shared),
            accepting,
            helping,
            feed,
        };
        server.announce();
        Ok(server)
    }

    /// Addresses that PostgreSQL clients can connect to, in the order of the setting.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Address of the admin port.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Address of the AMI message port; none if it is off, or was taken.
    #[must_use]
    pub fn ami_address(&self) -> Option<SocketAddr> {
        self.ami_address
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends all sessions (57P01), then the subscribers, then closes the data directory.
    /// Errors: the engine could not write its last words; nothing that was committed is lost by that.
    pub async fn stop(self) -> Result<(), SqlError> {
        self.shared.0.stopping.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
        // Accepting tasks end when the last of their connections has ended, or at the end of the time.
        for task in self.accepting {
            let _ = task.await;
        }
        for path in &self.unix_sockets {
            let _ = std::fs::remove_file(path);
        }
        for task in &self.helping {
            task.abort();
        }
        self.feed.stop().await;
        let engine = self.engine;
        match tokio::task::spawn_blocking(move || engine.close()).await {
            Ok(result) => result,
            Err(error) => Err(SqlError::internal(error)),
        }
    }

    fn announce(&self) {
        let config = &self.shared.0.config;
        for address in &self.addresses {
            tracing::info!("listening on {address}");
        }
        for path in &self.unix_sockets {
            tracing::info!("listening on {}", path.display());
        }
        if let Some(address) = self.http_address {
            tracing::info!("admin port: http://{address}/metrics");
        }
        if let Some(address) = self.ami_address {
            tracing::info!("AMI message port: {address}");
        }
        let trusting = match config.auth {
            Auth::Trust => true,
            Auth::Auto => !self.shared.0.guarded(),
            Auth::Scram | Auth::Password => false,
        };
        if trusting {
            tracing::warn!(
                "no password is asked of clients on this machine (auth = {})",
                match config.auth {
                    Auth::Trust => "trust",
                    _ => "auto, and no superuser has a password",
                }
            );
        }
    }
}

/// Serves until `shutdown`. Errors: as `Server::start`; 58030 if the data directory could not be closed.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let server = Server::start(config).await?;
    shutdown.await;
    tracing::info!("stopping");
    server.stop().await.map_err(|error| StartError::Sql("close".to_owned(), error))?;
    tracing::info!("stopped");
    Ok(())
}

fn read_tls(config: &Config) -> Result<Option<Tls>, StartError> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| StartError::Io(path.display().to_string(), e));
    let tls = Tls::new(&read(cert)?, &read(key)?);
    tls.map(Some).map_err(|why| StartError::Config(ConfigError(format!("{}: {why}", cert.display()))))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit both.
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on a socket file. One that a server has left behind is removed, one that somebody answers on is not. Every
/// user of the machine may connect, as with PostgreSQL: who is let in is a matter of authentication.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(listener)
}

fn local_addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    let addresses: io::Result<Vec<SocketAddr>> = listeners.iter().map(TcpListener::local_addr).collect();
    addresses.map_err(|error| StartError::Io("listen".to_owned(), error))
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                socket.set_nodelay(true)?;
                if peer.ip().to_canonical().is_loopback() {
                    unpaced(&socket);
                }
                Ok((Stream::Tcp(socket), Some(peer)))
            }
            Listener::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

/// There is no congestion within a machine; a system's own choice for the network may pace what is sent, at a cost in CPU
/// for each message. Where the choice cannot be made it stays the system's.
fn unpaced(socket: &TcpStream) {
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, "reno");
}

/// Accepts connections until told to stop, then sees its connections to their ends.
async fn accept(listener: Listener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let limit = u64::from(shared.config.max_connections) + SPARE_CONNECTIONS;
                if shared.metrics.open() >= limit {
                    shared.metrics.refused();
                    connections.spawn(turn_away(stream));
                } else {
                    connections.spawn(connection(shared.clone(), stream, peer, stopped.clone()));
                }
            }
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to come back.
                tracing::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    drain(connections, &shared).await;
}

/// Ends what is left of the connections of a port; sessions that do not end in time are left behind.
pub(crate) async fn drain(mut connections: JoinSet<()>, shared: &Shared) {
    let drained = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while !connections.is_empty() {
            // Again and again: a session may have begun meanwhile.
            for session in shared.engine.sessions() {
                if !session.internal {
                    let _ = shared.engine.terminate(session.pid);
                }
            }
            tokio::select! {
                _ = tick.tick() => {}
                _ = connections.join_next() => {}
            }
        }
    };
    if tokio::time::timeout(shared.config.shutdown_timeout, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "some sessions did not end in time");
        connections.abort_all();
        // One that blocks its thread does not hear that; it is left behind.
        let gone = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
        connections.detach_all();
    }
}

/// One connection from its first byte to its end.
async fn connection(shared: Arc<Shared>, stream: Stream, peer: Option<SocketAddr>, mut stopped: watch::Receiver<bool>) {
    struct Open(Arc<Shared>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.metrics.closed();
        }
    }
    shared.metrics.opened();
    let _open = Open(shared.clone());
    let ip: Option<IpAddr> = peer.map(|peer| peer.ip());
    let address = peer.map_or_else(|| "[local]".to_owned(), |peer| peer.to_string());
    let mut startup = Startup { shared: shared.clone(), stream: Some(stream), peer: ip, address };
    let begun = tokio::select! {
        begun = tokio::time::timeout(shared.config.authentication_timeout, startup.begin()) => begun,
        _ = stopped.wait_for(|stop| *stop) => Ok(Err(Stop::Fatal(shutting_down()))),
    };
    match begun {
        Ok(Ok(Some(begun))) => {
            if let Some(stream) = startup.stream.take() {
                serve(shared, begun.session, stream, begun.bell, begun.greeting).await;
            }
        }
        Ok(Err(Stop::Error(error) | Stop::Fatal(error))) => {
            // Everything that ends a start-up is FATAL (W-1).
            if let Some(stream) = startup.stream.take() {
                last_words(stream, &error.fatal()).await;
            }
        }
        Ok(Ok(None) | Err(Stop::Closed)) => {}
        Err(_) => {
            if let Some(stream) = startup.stream.take() {
                let late = SqlError::new(SqlState::QUERY_CANCELED, "canceling authentication due to timeout").fatal();
                last_words(stream, &late).await;
            }
        }
    }
}

/// Tells a client that the server is full.
async fn turn_away(stream: Stream) {
    let full = SqlError::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already").fatal();
    last_words(stream, &full).await;
}

async fn last_words(mut stream: Stream, error: &SqlError) {
    let mut out = Vec::new();
    put_error(&mut out, error, None);
    let said = async {
        stream.write_all(&out).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    // Whether it was heard makes no difference.
    let _ = tokio::time::timeout(Duration::from_secs(2), said).await;
}

fn shutting_down() -> SqlError {
    SqlError::new(SqlState::CANNOT_CONNECT_NOW, "the database system is shutting down").fatal()
}
