//! Servers of this project on free ports of 127.0.0.1: in the test's own process (in memory or on disk), or the real
//! binary as a process of its own, which can be killed.
//!
//! With `TRIPLINE_WIRE_SERVER=host:port` tests of the wire talk to that server instead: PostgreSQL 15 with a superuser
//! `admin` and trust, to see that what they expect is what PostgreSQL does.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tripline_proxy::Parts;
use tripline_proxy::config::Config;

/// Where the rows of a test server live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A temporary directory, in this process.
    Disk,
    /// Nowhere: gone with the server.
    Memory,
    /// A temporary directory, served by the real binary, which can be killed.
    Process,
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_stack_size(tripline_proxy::STACK_BYTES).enable_all().build().unwrap()
}

/// A server of this process for one test. It goes when the value goes.
pub struct TestServer {
    runtime: Runtime,
    server: Option<tripline_proxy::Server>,
    address: SocketAddr,
}

impl TestServer {
    /// A server with the settings of a test, its data in memory.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> TestServer {
        TestServer::start_with(|_| {})
    }

    /// A server with other settings, its data in memory.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(change: impl FnOnce(&mut Config)) -> TestServer {
        let runtime = runtime();
        if let Ok(address) = std::env::var("TRIPLINE_WIRE_SERVER") {
            return TestServer { runtime, server: None, address: address.parse().unwrap() };
        }
        let mut config = Config::for_test("");
        change(&mut config);
        TestServer::start_parts(runtime, config, Parts::in_memory())
    }

    fn on_disk(directory: &std::path::Path) -> TestServer {
        let runtime = runtime();
        let config = Config::for_test(directory);
        let parts = Parts::new(&config).unwrap();
        TestServer::start_parts(runtime, config, parts)
    }

    fn start_parts(runtime: Runtime, config: Config, parts: Parts) -> TestServer {
        let server = runtime.block_on(tripline_proxy::Server::start_with(config, parts)).unwrap();
        let address = server.addresses()[0];
        TestServer { runtime, server: Some(server), address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server, unless the tests talk to another one.
    #[must_use]
    pub fn server(&self) -> Option<&tripline_proxy::Server> {
        self.server.as_ref()
    }

    /// Stops it in an orderly way.
    ///
    /// # Panics
    /// If it cannot close its data directory.
    pub fn stop(mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop()).unwrap();
        }
    }
}

/// The real binary at work; killed when the value goes.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary: `TRIPLINE_BINARY`, else the one built beside this test.
#[must_use]
pub fn binary() -> PathBuf {
    if let Ok(path) = std::env::var("TRIPLINE_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.parent().and_then(std::path::Path::parent).map(PathBuf::from).unwrap_or_default();
    folder.join("tripline")
}

fn spawn(directory: &std::path::Path) -> Process {
    let port = crate::postgres::free_port().expect("a free port");
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let mut command = Command::new(binary());
    command.arg("serve").arg("--data-dir").arg(directory).args(["--listen", &address.to_string()]);
    command.args(["--http-listen", "", "--ami-listen", ""]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error} (cargo build first)", binary().display()));
    let process = Process { child, address };
    let patience = Instant::now();
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        assert!(patience.elapsed() < crate::postgres::PATIENCE, "the server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

enum Running {
    Here(TestServer),
    Process(Process),
}

/// A server with the storage that a test asks for.
pub struct Server {
    running: Running,
    storage: Storage,
    directory: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(storage: Storage) -> Server {
        let directory = (storage != Storage::Memory).then(|| tempfile::tempdir().expect("a temporary directory"));
        let running = match (&directory, storage) {
            (Some(directory), Storage::Disk) => Running::Here(TestServer::on_disk(directory.path())),
            (Some(directory), _) => Running::Process(spawn(directory.path())),
            (None, _) => Running::Here(TestServer::start()),
        };
        Server { running, storage, directory }
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        let address = match &self.running {
            Running::Here(server) => server.address(),
            Running::Process(process) => process.address,
        };
        format!("host={} port={} user=admin dbname=postgres", address.ip(), address.port())
    }

    /// Kills the process and starts another one on the same directory.
    ///
    /// # Panics
    /// If it does not start, or is not a process.
    #[must_use]
    pub fn crash_and_restart(self) -> Server {
        assert_eq!(self.storage, Storage::Process, "only the real binary can be killed");
        let Server { running, storage, directory } = self;
        drop(running);
        let path =
            directory.as_ref().map(|directory| directory.path().to_path_buf()).expect("a process has a directory");
        Server { running: Running::Process(spawn(&path)), storage, directory }
    }
}
