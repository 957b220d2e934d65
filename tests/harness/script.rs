//! Session scripts: several sessions in one text file, with what each step printed.
//!
//! A script is a list of blocks. A block is lines of steps, a line `---`, and the output expected, up to an empty line.
//! Lines that begin with `#` outside the output are comments. Steps:
//!
//! ```text
//! a:> SELECT 1          runs a statement in session a (opened at first use) and prints rows, tag or error
//! + , 2                 goes on with the text of the step before it, on a line of its own
//! a:&> UPDATE …         starts it and does not wait: it is expected to block
//! a:wait                waits for what `&>` started and prints its outcome
//! a:eventually> SELECT  repeats the query until its output is what is expected, for 10 seconds at most
//! a+b:wait              waits for both and prints both outcomes, sorted: when which of them wins is left open
//! a:close               ends the session without a word, as a client that vanishes
//! restart               stops the server at once (as `kill -9` would) and opens the same directory again
//! ```
//!
//! Rows print as `(v, v)`, NULL as `NULL`; a statement without rows prints its tag; an error prints
//! `error SQLSTATE: message` and, behind ` | `, its detail and context when it has them; a notice prints as `notice …`.
//! Of serialisation failures and deadlocks the detail is left out: it names processes and internals. So are context lines
//! that name a place in PostgreSQL's files (`while updating tuple (0,1) …`).
//! `TRIPLINE_BLESS=1` rewrites the expected output: read the difference as code. `pg_*` files are PostgreSQL's word: they
//! are rewritten only by `run_file_at`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

use crate::server::{Server, Storage};

/// Where the sessions of a script connect.
enum Host {
    Own(Server),
    Url(String),
}

impl Host {
    fn url(&self) -> String {
        match self {
            Host::Own(server) => server.url(),
            Host::Url(url) => url.clone(),
        }
    }

    fn restart(self) -> Result<Host, String> {
        match self {
            Host::Own(server) => Ok(Host::Own(server.crash_and_restart())),
            Host::Url(_) => Err("restart: this server is not ours to stop".into()),
        }
    }
}

struct Session {
    client: Arc<Client>,
    pid: String,
    notices: Arc<Mutex<Vec<String>>>,
    running: Option<JoinHandle<String>>,
    connection: JoinHandle<()>,
}

/// Whether the file's expected output comes from PostgreSQL: its name begins with `pg_`.
#[must_use]
pub fn is_of_postgresql(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pg_"))
}

/// What a script needs: the real binary, built by `cargo build`, if it restarts the server; a data directory otherwise.
#[must_use]
pub fn storage(path: &Path) -> Storage {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if text.lines().any(|line| line == "restart") { Storage::Process } else { Storage::Disk }
}

/// Runs one script on a fresh server.
///
/// # Errors
/// The first block whose output differs, both shown.
pub fn run_file(path: &Path, start: impl Fn() -> Server) -> Result<(), String> {
    run(path, Host::Own(start()), blessing() && !is_of_postgresql(path))
}

/// Runs one script on a server that is there already, in a database that the caller has emptied.
///
/// # Errors
/// The first block whose output differs, both shown; a `restart` in the script.
pub fn run_file_at(path: &Path, url: &str) -> Result<(), String> {
    run(path, Host::Url(url.to_owned()), blessing())
}

fn blessing() -> bool {
    std::env::var("TRIPLINE_BLESS").is_ok()
}

fn run(path: &Path, mut host: Host, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut sessions: HashMap<String, Session> = HashMap::new();
    let mut blessed = String::new();
    let mut result = Ok(());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            let _ = writeln!(blessed, "{line}");
            continue;
        }
        let mut steps = vec![line.to_owned()];
        for line in lines.by_ref() {
            if line == "---" {
                break;
            }
            match steps.last_mut().filter(|_| line.starts_with('+')) {
                Some(step) => *step += &format!("\n{line}"),
                None => steps.push(line.to_owned()),
            }
        }
        let mut expected = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            let _ = writeln!(expected, "{line}");
        }
        let mut actual = String::new();
        for step in &steps {
            if step.starts_with('#') {
                continue;
            }
            if step == "restart" {
                sessions.clear();
                host = host.restart()?;
                continue;
            }
            let rest = expected.get(actual.len()..).unwrap_or_default().to_owned();
            let step = step.replace("\n+ ", "\n").replace("\n+", "\n");
            actual += &runtime.block_on(run_step(&step, &mut sessions, &host, &rest))?;
        }
        let _ = write!(blessed, "{}\n---\n{actual}", steps.join("\n"));
        if actual != expected && result.is_ok() {
            result = Err(format!("{}\n--- expected\n{expected}--- actual\n{actual}", steps.join("\n")));
        }
    }
    if bless {
        std::fs::write(path, blessed).map_err(|error| error.to_string())?;
        return Ok(());
    }
    result
}

async fn run_step(
    step: &str,
    sessions: &mut HashMap<String, Session>,
    host: &Host,
    expected: &str,
) -> Result<String, String> {
    let (name, rest) = step.split_once(':').ok_or_else(|| format!("not a step: {step}"))?;
    if rest == "close" {
        if let Some(session) = sessions.remove(name) {
            session.connection.abort();
        }
        return Ok(String::new());
    }
    if rest == "wait" {
        let mut outcomes = Vec::new();
        for name in name.split('+') {
            let running = sessions.get_mut(name).and_then(|session| session.running.take());
            let running = running.ok_or_else(|| format!("{name} runs nothing"))?;
            let outcome = tokio::time::timeout(Duration::from_secs(20), running).await;
            outcomes.push(
                outcome.map_err(|_| format!("{name} still blocks after 20 s"))?.map_err(|error| error.to_string())?,
            );
        }
        outcomes.sort();
        return Ok(outcomes.concat());
    }
    if !sessions.contains_key(name) {
        sessions.insert(name.to_owned(), open(&host.url()).await?);
    }
    let session = sessions.get_mut(name).ok_or("no session")?;
    if let Some(sql) = rest.strip_prefix("&>") {
        let (client, notices, sql) = (session.client.clone(), session.notices.clone(), sql.trim().to_owned());
        session.running = Some(tokio::spawn(async move { query(&client, &notices, &sql).await }));
        let blocks = blocks(session, &host.url()).await?;
        return Ok(if blocks { format!("{name} blocks\n") } else { format!("{name} did not block\n") });
    }
    if let Some(sql) = rest.strip_prefix("eventually>") {
        let (mut last, mut same) = (String::new(), 0);
        for _ in 0..200 {
            let found = query(&session.client, &session.notices, sql.trim()).await;
            same = if found == last { same + 1 } else { 0 };
            last = found;
            // Nothing is expected yet: what stays for a second is what it comes to.
            if expected.starts_with(&last) && !last.is_empty() || blessing() && same >= 20 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        return Ok(last);
    }
    let sql = rest.strip_prefix('>').ok_or_else(|| format!("not a step: {step}"))?;
    let run = query(&session.client, &session.notices, sql.trim());
    tokio::time::timeout(Duration::from_secs(30), run).await.map_err(|_| format!("{step}: still blocks after 30 s"))
}

/// Whether what the session runs blocks. A busy machine may not have come to it yet, so the server is asked, for two
/// seconds at most; what waits for no event that the server tells of is given a moment more.
async fn blocks(session: &Session, url: &str) -> Result<bool, String> {
    let done = || session.running.as_ref().is_some_and(JoinHandle::is_finished);
    tokio::time::sleep(Duration::from_millis(150)).await;
    if done() {
        return Ok(false);
    }
    let watcher = open(url).await?;
    let look = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {} AND state = 'active'", session.pid);
    let mut active = 0;
    for _ in 0..100 {
        let found = watcher.client.simple_query(&look).await.map_err(|error| error.to_string())?;
        let event = first_cell(&found);
        active += u32::from(event.is_some());
        if done() || event.flatten().is_some() || active > 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(!done())
}

/// The first column of the first row, if there is a row; its NULL is the inner `None`.
fn first_cell(messages: &[SimpleQueryMessage]) -> Option<Option<&str>> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0)),
        _ => None,
    })
}

async fn open(url: &str) -> Result<Session, String> {
    let (client, mut connection) =
        tokio_postgres::connect(url, NoTls).await.map_err(|error| crate::slt::error_text(&error))?;
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = notices.clone();
    let connection = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    let line =
                        format!("{} {}: {}", notice.severity().to_lowercase(), notice.code().code(), notice.message());
                    sink.lock().map(|mut list| list.push(line)).unwrap_or_default();
                }
                Some(Ok(AsyncMessage::Notification(event))) => {
                    let line = format!("notification {}: {}", event.channel(), event.payload());
                    sink.lock().map(|mut list| list.push(line)).unwrap_or_default();
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
    });
    let pid = client.simple_query("SELECT pg_backend_pid()").await.map_err(|error| crate::slt::error_text(&error))?;
    let pid = first_cell(&pid).flatten().ok_or("pg_backend_pid() gave no row")?.to_owned();
    Ok(Session { client: Arc::new(client), pid, notices, running: None, connection })
}

async fn query(client: &Client, notices: &Mutex<Vec<String>>, sql: &str) -> String {
    let result = client.simple_query(sql).await;
    tokio::task::yield_now().await;
    let mut out = String::new();
    for notice in notices.lock().map(|mut list| std::mem::take(&mut *list)).unwrap_or_default() {
        let _ = writeln!(out, "{notice}");
    }
    let messages = match result {
        Ok(messages) => messages,
        Err(error) => {
            let Some(error) = error.as_db_error() else { return format!("{out}connection lost\n") };
            let _ = write!(out, "error {}: {}", error.code().code(), error.message());
            let private = ["40001", "40P01"].contains(&error.code().code());
            let place = |text: &&str| {
                ["while updating tuple", "while locking tuple", "while deleting tuple", "while inserting index tuple"]
                    .iter()
                    .any(|start| text.starts_with(start))
            };
            let detail = error.detail().filter(|_| !private);
            let context = error.where_().filter(|text| !private && !place(text));
            for more in [detail, context].into_iter().flatten() {
                let _ = write!(out, " | {}", more.replace('\n', " / "));
            }
            out.push('\n');
            return out;
        }
    };
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let cells: Vec<&str> = (0..row.len()).map(|place| row.get(place).unwrap_or("NULL")).collect();
                let _ = writeln!(out, "({})", cells.join(", "));
            }
            SimpleQueryMessage::CommandComplete(count) => {
                let _ = writeln!(out, "ok {count}");
            }
            _ => {}
        }
    }
    out
}
