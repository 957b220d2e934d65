//! `tripline demo`: a small database with a trigger of every family, run before the eyes of whoever started it.
//!
//! Each example is the documented one of its dialect: its statements are printed, run, and followed by the rows that its
//! trigger made. Then a bulk load passes through a maintained table, and the server stays to be connected to. Everything
//! goes through an ordinary session, as a client would do it; only the wire is left out.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use tripline_sql::change::QueryResult;
use tripline_sql::engine::Engine;
use tripline_sql::error::{SqlError, SqlState};
use tripline_sql::session::Session;
use tripline_sql::types::{TextStyle, Value, to_text};

use crate::config::Config;
use crate::open::{StartError, admin_session};
use crate::server::Server;

/// One family's example.
struct Example {
    title: &'static str,
    statements: &'static [&'static str],
    /// Shows what the trigger did, and how many rows there must be at least: subscribers need a moment.
    show: (&'static str, usize),
}

static EXAMPLES: &[Example] = &[
    Example {
        title: "AMIScript: a trigger that changes the row before it is stored",
        statements: &[
            "CREATE PUBLIC TABLE MutateSample(px double,qty int,val double)",
            "CREATE TRIGGER MutateTrigger OFTYPE AMISCRIPT ON MutateSample USE\n  canMutateRow=\"true\" onInsertingScript=\"val=px*qty\"\n  onUpdatingScript=\"new_val=new_px*new_qty;\"",
            "INSERT INTO MutateSample(px,qty) VALUES(125.2,100)",
            "UPDATE MutateSample set qty=qty+10",
        ],
        show: ("SELECT * FROM MutateSample", 1),
    },
    Example {
        title: "AMI AGGREGATE: a table kept as the sum of another",
        statements: &[
            "CREATE PUBLIC TABLE Accounts(account String,region String,qty int,px double)",
            "CREATE PUBLIC TABLE Summary(act String,region String,cnt int,value double)",
            "CREATE TRIGGER MyTrigger OFTYPE AGGREGATE ON Accounts,Summary USE\n  groupBys=\"act=account,region=region\" selects=\"cnt=count(*),value=sum(qty*px)\"",
            "INSERT INTO Accounts VALUES ('acme','EU',10,2.5),('acme','EU',4,5.0),('bolt','US',1,9.0)",
            "DELETE FROM Accounts WHERE account = 'bolt'",
        ],
        show: ("SELECT * FROM Summary ORDER BY act, region", 1),
    },
    Example {
        title: "Comdb2 Lua: a trigger that writes an audit log after the commit",
        statements: &[
            "CREATE TABLE t(i int, j int)",
            "CREATE TABLE audit(type cstring(4), tbl cstring(64), logtime datetime, i int, j int, old_i int, old_j int)",
            "CREATE PROCEDURE audit VERSION 'sample' {\nlocal function main(event)\n    local audit = db:table('audit')\n    local chg\n    if event.new ~= nil then chg = event.new end\n    if chg == nil then chg = {} end\n    if event.old ~= nil then\n        for k, v in pairs(event.old) do chg['old_'..k] = v end\n    end\n    chg.type = event.type\n    chg.tbl = event.name\n    chg.logtime = db:now()\n    return audit:insert(chg)\nend\n}",
            "CREATE LUA TRIGGER audit ON (TABLE t FOR INSERT AND UPDATE AND DELETE)",
            "INSERT INTO t VALUES(1,1),(1,2),(1,3),(1,4)",
            "UPDATE t SET i = j WHERE j % 2 = 0",
            "DELETE FROM t WHERE i % 2 <> 0",
        ],
        show: ("SELECT type, tbl, i, j, old_i, old_j FROM audit ORDER BY logtime", 8),
    },
];

/// Rows of the bulk load, and of one of its statements.
const BULK_ROWS: u32 = 200_000;
const BULK_STEP: u32 = 10_000;
/// How long a subscriber may take to show what it did.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the demo, then serves until `shutdown` unless `exit`. Without a data directory of its own it takes a temporary one
/// that goes with it. Errors: as `Server::start`, and any statement that fails.
pub async fn demo(
    mut config: Config,
    exit: bool,
    data_dir_given: bool,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let temporary = if data_dir_given {
        None
    } else {
        let made = tempfile::Builder::new().prefix("tripline-demo-").tempdir();
        let made = made.map_err(|error| StartError::Io("temporary directory".to_owned(), error))?;
        config.data_dir = made.path().to_path_buf();
        Some(made)
    };
    let server = start(config).await?;
    let mut shutdown = std::pin::pin!(shutdown);
    let played = tokio::select! {
        played = play(server.engine()) => played.map_err(|error| StartError::Sql("demo".to_owned(), error)),
        () = &mut shutdown => {
            println!();
            return close(server, temporary).await;
        }
    };
    if played.is_ok()
        && let Some(address) = server.addresses().first()
    {
        println!("\nConnect:\n\n  psql -h {} -p {} -U admin postgres\n", address.ip(), address.port());
        if !exit {
            println!("Ctrl-C ends the server{}.", if temporary.is_some() { " and removes its data" } else { "" });
            shutdown.await;
        }
    }
    close(server, temporary).await.and(played)
}

/// Starts the server; on a free port where the usual one is taken.
async fn start(config: Config) -> Result<Server, StartError> {
    match Server::start(config.clone()).await {
        Err(StartError::Io(_, error)) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let mut free = config;
            free.listen.iter_mut().chain(&mut free.http_listen).for_each(|address| address.set_port(0));
            Server::start(free).await
        }
        other => other,
    }
}

async fn close(server: Server, temporary: Option<tempfile::TempDir>) -> Result<(), StartError> {
    let stopped = server.stop().await.map_err(|error| StartError::Sql("close".to_owned(), error));
    drop(temporary);
    stopped
}

/// All examples and the bulk load.
async fn play(engine: &Engine) -> Result<(), SqlError> {
    let mut session = admin_session(engine)?;
    for example in EXAMPLES {
        println!("\n-- {}", example.title);
        for statement in example.statements {
            println!("{statement};");
            match run(&mut session, statement) {
                Err(error) if error.state() == SqlState::DUPLICATE_TABLE => {
                    println!("\nThe demo has run in this data directory before.");
                    return Ok(());
                }
                other => other?,
            };
        }
        show(engine, &mut session, example.show).await?;
    }
    bulk_load(engine, &mut session).await
}

/// Prints the rows that a trigger made, once they are there.
async fn show(engine: &Engine, session: &mut Session, (sql, rows_min): (&str, usize)) -> Result<(), SqlError> {
    let started = engine.env().clock.elapsed();
    loop {
        let result = run(session, sql)?;
        let late = engine.env().clock.elapsed().saturating_sub(started) > PATIENCE;
        if result.rows.len() >= rows_min || late {
            println!("{sql};\n{}", table(&result, session.text_style()));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Loads many rows through the aggregate of the second example, with a line that shows how far it has come.
async fn bulk_load(engine: &Engine, session: &mut Session) -> Result<(), SqlError> {
    println!("-- Bulk load: {BULK_ROWS} rows into Accounts, Summary kept up to date by its trigger");
    let clock = &engine.env().clock;
    let started = clock.elapsed();
    let mut loaded = 0;
    while loaded < BULK_ROWS {
        let to = (loaded + BULK_STEP).min(BULK_ROWS);
        run(
            session,
            &format!(
                "INSERT INTO Accounts SELECT 'act' || (g % 100), CASE WHEN g % 2 = 0 THEN 'EU' ELSE 'US' END, g % 50, 1.25 \
                 FROM generate_series({}, {to}) g",
                loaded + 1
            ),
        )?;
        loaded = to;
        let seconds = clock.elapsed().saturating_sub(started).as_secs_f64().max(0.001);
        print!("\r  {loaded:>7} rows  {:>9.0} rows/s", f64::from(loaded) / seconds);
        // A line that does not come through is only a line.
        let _ = std::io::stdout().flush();
        tokio::task::yield_now().await;
    }
    println!();
    let result = run(session, "SELECT count(*) AS groups, sum(cnt) AS rows FROM Summary")?;
    println!("{}", table(&result, session.text_style()));
    Ok(())
}

fn run(session: &mut Session, sql: &str) -> Result<QueryResult, SqlError> {
    let result = session.run(sql, &[]);
    for notice in session.take_notices() {
        println!("{}: {}", notice.fields().severity.as_str(), notice.message());
    }
    result
}

/// Rows as psql prints them.
fn table(result: &QueryResult, style: &TextStyle) -> String {
    let mut lines: Vec<Vec<String>> = vec![result.columns.iter().map(|(name, _)| name.clone()).collect()];
    for row in &result.rows {
        let cells = result.columns.iter().enumerate().map(|(index, (_, ty))| {
            let mut cell = String::new();
            match row.get(index) {
                None | Some(Value::Null) => {}
                Some(value) => to_text(value, *ty, style, &mut cell),
            }
            cell
        });
        lines.push(cells.collect());
    }
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..result.columns.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
        text.push_str(cells.join("|").trim_end());
        text.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            text.push_str(&rules.join("+"));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tripline_sql::types::DataType;

    #[test]
    fn rows_stand_under_their_names() {
        let result = QueryResult {
            columns: vec![("id".to_owned(), DataType::INT4), ("name".to_owned(), DataType::TEXT)],
            rows: vec![vec![Value::Int4(1), Value::text("größe")], vec![Value::Null, Value::text("x")]],
            count: 2,
            tag: String::new(),
        };
        let expected = " id | name\n----+-------\n 1  | größe\n    | x\n";
        assert_eq!(table(&result, &TextStyle::default()), expected);
    }
}
