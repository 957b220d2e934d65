//! Rows of procedures: EXEC PROCEDURE and FETCH from its cursors (section 9 of the Comdb2 specification).
//!
//! The session gives what the procedure has and says why it stopped. Where the procedure waits (for a change, for its
//! turn, for the clock), the connection waits on its doorbell, and looks from time to time whether the client is
//! still there; no thread is held. A row after which the procedure waits for the client's next request ends a
//! row-limited Execute; where there is no request, the row counts as asked for when the socket has taken it.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use tripline_sql::session::{Described, Pause};

use crate::encode::put_data_row;
use crate::handler::{Connection, Stop};
use crate::message::{put_complete, put_empty};
use crate::simple::Rows;

/// How often a connection whose procedure waits looks for its client.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Connection {
    /// Pulls the current portal's procedure: all it gives for `max` 0, else at most so many rows. Sends its tag at the
    /// end. `describe`: a RowDescription goes before the first row.
    pub(crate) async fn procedure(&mut self, max: u64, describe: bool) -> Result<Rows, Stop> {
        self.refresh_style();
        let style = self.style.clone();
        let mut described = !describe;
        let mut sent = 0;
        loop {
            let (mut out, mut scratch) = (std::mem::take(&mut self.out), std::mem::take(&mut self.scratch));
            let mut descriptions = std::mem::take(&mut self.descriptions);
            let left = if max == 0 { 0 } else { max - sent };
            let pulled = self.call(|session| {
                session.pull(left, &mut |columns, formats, row| {
                    if !std::mem::replace(&mut described, true) {
                        descriptions.put(&mut out, columns, formats);
                    }
                    put_data_row(&mut out, &mut scratch, columns, formats, &style, row)
                })
            });
            (self.out, self.scratch, self.descriptions) = (out, scratch, descriptions);
            self.notices();
            let (rows, pause) = pulled?;
            sent += rows;
            match pause {
                Pause::Done(tag) => {
                    if !described && let Some((columns, formats)) = self.session.pulled_columns() {
                        self.descriptions.put(&mut self.out, &columns, &formats);
                    }
                    put_complete(&mut self.out, &tag);
                    return Ok(Rows::All);
                }
                Pause::Rows | Pause::Blocked if max > 0 && (pause == Pause::Blocked || sent >= max) => {
                    put_empty(&mut self.out, b's');
                    return Ok(Rows::Suspended);
                }
                Pause::Rows => self.flush_much().await?,
                Pause::Blocked => {
                    self.flush().await?;
                    self.still_there()?;
                    tokio::task::yield_now().await;
                }
                Pause::Waiting(until) => self.wait(until).await?,
            }
        }
    }

    /// Describe of a portal whose rows come from a procedure; false: it is another one.
    pub(crate) async fn describe_procedure(&mut self, name: &str) -> Result<bool, Stop> {
        loop {
            let found = self.call(|session| session.describe_procedure(name));
            self.notices();
            match found? {
                None => return Ok(false),
                Some(Described::Columns(columns, formats)) => {
                    self.descriptions.put(&mut self.out, &columns, &formats);
                    return Ok(true);
                }
                Some(Described::NoData) => {
                    put_empty(&mut self.out, b'n');
                    return Ok(true);
                }
                Some(Described::Waiting(until)) => self.wait(until).await?,
            }
        }
    }

    /// Sends what there is, then waits for the doorbell or this moment. Errors: the client has gone, or the session must
    /// end.
    async fn wait(&mut self, until: Option<Duration>) -> Result<(), Stop> {
        self.flush().await?;
        let clock = self.shared.engine.env().clock.clone();
        loop {
            let left = until.map(|until| until.saturating_sub(clock.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let bell = &self.bell;
            let mut sleep = Box::pin(tokio::time::sleep(left.map_or(LOOK_INTERVAL, |left| left.min(LOOK_INTERVAL))));
            let rung = poll_fn(|cx| {
                if bell.poll(cx) {
                    return Poll::Ready(true);
                }
                sleep.as_mut().poll(cx).map(|()| false)
            })
            .await;
            // Often rung, it looks as often as if it were not.
            let now = clock.elapsed();
            if !rung || now.saturating_sub(self.looked) >= LOOK_INTERVAL {
                self.looked = now;
                self.still_there()?;
            }
            if rung {
                if let Some(reason) = self.session.terminate_reason() {
                    return Err(Stop::Fatal(reason));
                }
                return Ok(());
            }
        }
    }

    fn still_there(&self) -> Result<(), Stop> {
        if self.watched.gone() || self.watched.closed() { Err(Stop::Closed) } else { Ok(()) }
    }
}
