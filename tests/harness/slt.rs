//! `.slt` files (the sqllogictest format) over the wire.
//!
//! `statement error (23514)` checks the SQLSTATE: the text compared with is `(SQLSTATE) message`. NULL prints as `NULL`,
//! the empty text as `(empty)`, everything else in PostgreSQL's text form.

use std::path::Path;

use sqllogictest::{DBOutput, DefaultColumnType};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A connection as sqllogictest sees it.
pub struct Connection {
    client: Client,
    engine: &'static str,
}

/// An error as `(SQLSTATE) message`.
#[derive(Debug)]
pub struct TextError(String);

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TextError {}

/// `(SQLSTATE) message` of a client error.
#[must_use]
pub fn error_text(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("({}) {}", error.code().code(), error.message()),
        None => format!("(none) {error}"),
    }
}

impl Connection {
    /// Connects; `engine` is what `onlyif`/`skipif` compare with: "tripline" or "postgres".
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn open(url: &str, engine: &'static str) -> Result<Connection, TextError> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.map_err(|error| TextError(error_text(&error)))?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { client, engine })
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Connection {
    type Error = TextError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, TextError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| TextError(error_text(&error)))?;
        let mut rows = Vec::new();
        let mut columns = None;
        let mut count = 0;
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = Some(description.len()),
                SimpleQueryMessage::Row(row) => {
                    let cell = |place| match row.get(place) {
                        None => "NULL".to_owned(),
                        Some("") => "(empty)".to_owned(),
                        Some(text) => text.replace('\n', "\\n"),
                    };
                    rows.push((0..row.len()).map(cell).collect());
                }
                SimpleQueryMessage::CommandComplete(rows) => count = rows,
                _ => {}
            }
        }
        Ok(match columns {
            Some(columns) => DBOutput::Rows { types: vec![DefaultColumnType::Text; columns], rows },
            None => DBOutput::StatementComplete(count),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.engine
    }
}

/// Runs one file against a server.
///
/// # Errors
/// The first record that does not hold.
pub fn run_file(path: &Path, url: &str, engine: &'static str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let mut runner = sqllogictest::Runner::new(|| async { Connection::open(url, engine).await });
        let result = runner.run_file_async(path).await.map_err(|error| error.display(false).to_string());
        runner.shutdown_async().await;
        result
    })
}

/// Writes the expected output of one file anew from what a server answers.
///
/// # Errors
/// If the file cannot be read or written.
pub fn bless_file(path: &Path, url: &str, engine: &'static str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let mut runner = sqllogictest::Runner::new(|| async { Connection::open(url, engine).await });
        let result = runner
            .update_test_file(
                path,
                " ",
                sqllogictest::default_validator,
                sqllogictest::default_normalizer,
                sqllogictest::default_column_validator,
            )
            .await
            .map_err(|error| error.to_string());
        runner.shutdown_async().await;
        result
    })
}
