//! PostgreSQL 15 to compare with: a private cluster in a temporary directory, on a free port, ended with the value.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running PostgreSQL.
pub struct Postgres {
    directory: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    as_user: Option<String>,
}

impl Postgres {
    /// Starts one, or says why there is none. PostgreSQL refuses to run as root: then it runs as the user `postgres`.
    ///
    /// # Errors
    /// If the programs are missing or do not start.
    pub fn start(settings: &[(&str, &str)]) -> Result<Postgres, String> {
        let bin = ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/local/bin", "/usr/bin"]
            .into_iter()
            .map(Path::new)
            .find(|folder| folder.join("initdb").exists())
            .ok_or("PostgreSQL is not installed")?
            .to_path_buf();
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
        let as_user = root.then(|| "postgres".to_owned());
        if root {
            run(Command::new("chown").arg("postgres").arg(directory.path()))?;
        }
        let port = free_port()?;
        let server = Postgres { directory, bin, port, as_user };
        let data = server.data();
        run(server
            .command("initdb")
            .args(["-A", "trust", "-U", "admin", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data))?;
        let mut options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''");
        for (name, value) in settings {
            options += &format!(" -c {name}={value}");
        }
        let log = server.directory.path().join("log");
        run(server.command("pg_ctl").args(["-w", "-D"]).arg(&data).arg("-l").arg(log).args(["-o", &options, "start"]))?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = match &self.as_user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(path);
                command
            }
            None => Command::new(path),
        };
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=admin dbname=postgres", self.port)
    }

    /// Where to connect for one database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=admin dbname={database}", self.port)
    }

    /// Makes an empty database of this name.
    ///
    /// # Errors
    /// What psql prints.
    pub fn recreate_database(&self, database: &str) -> Result<(), String> {
        let port = self.port.to_string();
        let sql = [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")];
        let arguments =
            ["-X", "-q", "-h", "127.0.0.1", "-p", &port, "-U", "admin", "postgres", "-c", &sql[0], "-c", &sql[1]];
        run(Command::new(self.bin.join("psql")).args(arguments))
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = run(self.command("pg_ctl").args(["-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A port of 127.0.0.1 that nobody listens on.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// How long a test waits for something that should be nearly at once.
pub const PATIENCE: Duration = Duration::from_secs(20);
