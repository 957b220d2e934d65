//! The simple query sub-protocol: one Query message, its statements in order, each answered as it runs.
//!
//! Statements are started one by one by the session, so that earlier results have gone when a later one fails (W-4). A
//! COPY FROM STDIN stops the row of statements; it goes on after CopyDone (W-17).

use std::sync::Arc;

use tripline_sql::error::SqlError;
use tripline_sql::plan::OutputColumn;
use tripline_sql::session::Step;

use crate::copy::CopyIn;
use crate::encode::{format_of, put_data_row};
use crate::handler::{Connection, Stop, wait_turn};
use crate::message::{Fields, put_complete, put_empty};

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The portal is exhausted: the tag follows.
    All,
    /// As many rows as were asked for have come: PortalSuspended follows.
    Suspended,
}

impl Connection {
    /// Query.
    pub(crate) async fn query(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut fields = Fields::new(body);
        let sql = match fields.string() {
            Ok(sql) => sql,
            Err(error) => return self.refuse_query(error),
        };
        if let Err(error) = fields.end() {
            return self.refuse_query(error);
        }
        self.shared.metrics.statement();
        if let Err(error) = self.session.simple_begin(sql) {
            return self.query_failed(error, sql);
        }
        self.statements(sql).await
    }

    /// Runs the statements that are left of a simple query.
    pub(crate) async fn statements(&mut self, sql: &str) -> Result<(), Stop> {
        loop {
            match self.next_statement().await {
                Ok(Some(Step::CopyIn { format, columns })) => {
                    self.begin_copy(CopyIn::Simple(sql.to_owned()), format, columns);
                    return Ok(());
                }
                Ok(Some(step)) => match self.run_step(step).await {
                    Ok(()) => {}
                    Err(Stop::Error(error)) => return self.query_failed(error, sql),
                    Err(stop) => return Err(stop),
                },
                Ok(None) => {
                    self.end_simple(false);
                    return Ok(());
                }
                Err(error) => return self.query_failed(error, sql),
            }
        }
    }

    async fn next_statement(&mut self) -> Result<Option<Step>, SqlError> {
        let mut may_wait = true;
        loop {
            match self.call(|session| session.simple_next(may_wait)) {
                Ok(Some(Step::Waits(turn))) => may_wait = wait_turn(turn).await,
                next => return next,
            }
        }
    }

    /// Answers one statement that was started.
    async fn run_step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Empty => {
                self.notices();
                put_empty(&mut self.out, b'I');
            }
            Step::Done(tag) => {
                self.notices();
                put_complete(&mut self.out, &tag);
            }
            Step::Rows(columns) => {
                self.notices();
                let formats = self.session.result_formats();
                self.descriptions.put(&mut self.out, &columns, &formats);
                self.rows(&columns, &formats, 0).await?;
                let tag = self.session.tag();
                self.notices();
                put_complete(&mut self.out, &tag);
            }
            Step::Procedure => {
                self.notices();
                self.procedure(0, true).await?;
            }
            Step::CopyOut { format, columns } => self.copy_out(format, columns).await?,
            // Taken by `statements`, which alone can stop half-way, and `next_statement`.
            Step::CopyIn { .. } | Step::Waits(_) => {
                return Err(SqlError::internal("a step that is taken before").into());
            }
        }
        self.flush_much().await
    }

    /// Sends rows of the current portal: all for `max` 0, else at most so many.
    pub(crate) async fn rows(
        &mut self,
        columns: &Arc<[OutputColumn]>,
        formats: &[i16],
        max: u64,
    ) -> Result<Rows, Stop> {
        self.refresh_style();
        let style = self.style.clone();
        let mut sent = 0;
        loop {
            let (mut out, mut scratch) = (std::mem::take(&mut self.out), std::mem::take(&mut self.scratch));
            let left = if max == 0 { 0 } else { max - sent };
            let fetched = self.call(|session| {
                session.fetch(left, &mut |row| put_data_row(&mut out, &mut scratch, columns, formats, &style, row))
            });
            (self.out, self.scratch) = (out, scratch);
            self.notices();
            let fetched = fetched?;
            sent += fetched.rows;
            // As many as asked for: suspended, even if none is left (PG-28).
            if max > 0 && sent >= max {
                return Ok(Rows::Suspended);
            }
            if fetched.done {
                return Ok(Rows::All);
            }
            self.flush_much().await?;
        }
    }

    /// The message itself cannot be read as text.
    fn refuse_query(&mut self, error: SqlError) -> Result<(), Stop> {
        self.query_failed(error, "")
    }

    /// A statement of a simple query failed: the rest is not run.
    pub(crate) fn query_failed(&mut self, error: SqlError, sql: &str) -> Result<(), Stop> {
        match Stop::from(error) {
            Stop::Error(error) => {
                self.failed(&error, Some(sql));
                self.end_simple(true);
                Ok(())
            }
            fatal => Err(fatal),
        }
    }

    /// Ends the implicit transaction of a simple query, then ReadyForQuery.
    pub(crate) fn end_simple(&mut self, failed: bool) {
        let hold = self.session.simple_end(failed);
        self.hold(hold);
        self.ready();
    }
}

/// The formats as one code per column, for messages that list them.
pub(crate) fn expand_formats(formats: &[i16], columns: usize) -> impl Iterator<Item = i16> + '_ {
    (0..columns).map(|index| format_of(formats, index))
}
