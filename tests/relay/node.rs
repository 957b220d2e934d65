//! A server of the test's own process with both ports, and a client of its message port.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use std::process::{Child, Command, Stdio};

use futures::SinkExt;
use harness::postgres::{PATIENCE, free_port};
use harness::server::TestServer;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tripline_proxy::config::Config;

/// A server with a message port, and a session on it.
pub struct Node {
    pub sql: Sql,
    pub server: TestServer,
}

impl Node {
    pub fn start() -> Node {
        Node::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Node {
        let server = TestServer::start_with(|config| {
            config.ami_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
            change(config);
        });
        let address = server.address();
        let sql = Sql::connect(&format!("host={} port={} user=admin dbname=postgres", address.ip(), address.port()));
        Node { sql, server }
    }

    pub fn ami_port(&self) -> u16 {
        self.server.server().and_then(tripline_proxy::Server::ami_address).expect("a message port").port()
    }

    pub fn sql_port(&self) -> u16 {
        self.server.address().port()
    }

    pub fn messages(&self) -> Messages {
        Messages::connect(self.ami_port())
    }
}

/// The real binary on fixed ports, to be killed and started again on its directory.
pub struct Process {
    directory: tempfile::TempDir,
    child: Option<Child>,
    pub sql_port: u16,
    pub ami_port: u16,
}

impl Process {
    pub fn start() -> Process {
        let directory = tempfile::tempdir().unwrap();
        let (sql_port, ami_port) = (free_port().unwrap(), free_port().unwrap());
        let mut process = Process { directory, child: None, sql_port, ami_port };
        process.spawn();
        process
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn spawn(&mut self) {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(harness::server::binary());
        command.arg("serve").arg("--data-dir").arg(self.directory.path());
        command.args([
            "--listen",
            &address(self.sql_port),
            "--ami-listen",
            &address(self.ami_port),
            "--http-listen",
            "",
        ]);
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cargo build first"));
        let began = Instant::now();
        while Sql::try_connect(&self.url()).is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=admin dbname=postgres", self.sql_port)
    }

    pub fn sql(&self) -> Sql {
        Sql::connect(&self.url())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One session, used synchronously.
pub struct Sql {
    runtime: Runtime,
    client: Client,
}

impl Sql {
    pub fn connect(url: &str) -> Sql {
        Sql::try_connect(url).expect("a connection")
    }

    pub fn try_connect(url: &str) -> Result<Sql, tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls))?;
        runtime.spawn(async move {
            let _ = connection.await;
        });
        Ok(Sql { runtime, client })
    }

    /// Runs statements; the rows of all of them as `a|b;c|d`.
    pub fn try_run(&self, sql: &str) -> Result<String, String> {
        let messages =
            self.runtime.block_on(self.client.simple_query(sql)).map_err(|error| match error.as_db_error() {
                Some(error) => format!("{}: {}", error.code().code(), error.message()),
                None => error.to_string(),
            })?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                let fields: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
                rows.push(fields.join("|"));
            }
        }
        Ok(rows.join(";"))
    }

    pub fn run(&self, sql: &str) -> String {
        self.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// A statement with parameters, prepared: rows changed.
    pub fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> u64 {
        self.runtime.block_on(self.client.execute(sql, params)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// COPY FROM STDIN of a text.
    pub fn copy(&self, sql: &str, text: &str) {
        self.runtime.block_on(async {
            let mut sink = Box::pin(self.client.copy_in(sql).await.unwrap());
            sink.send(bytes::Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
            sink.as_mut().finish().await.unwrap();
        });
    }

    /// The error of a statement that must fail.
    pub fn refused(&self, sql: &str) -> String {
        match self.try_run(sql) {
            Ok(rows) => panic!("{sql}: should fail, gave {rows}"),
            Err(error) => error,
        }
    }

    /// Repeats a query until it gives this.
    pub fn eventually(&self, sql: &str, wanted: &str) {
        let began = Instant::now();
        loop {
            let now = self.try_run(sql).unwrap_or_else(|error| error);
            if now == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{sql}: {now}, wanted {wanted}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A client that types messages.
pub struct Messages(BufReader<TcpStream>);

impl Messages {
    pub fn connect(port: u16) -> Messages {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the message port");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Messages(BufReader::new(socket))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// The next answer without its LF; empty at the end.
    pub fn read(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.strip_suffix('\n').map(str::to_owned).unwrap_or(line)
    }

    /// Sends a line and reads its answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.read()
    }

    /// Logged in as `demo`.
    pub fn login(mut self) -> Messages {
        assert_eq!(self.ask("L|I=\"demo\""), "M|Q=0|S=0|M=\"OK\"");
        self
    }
}
