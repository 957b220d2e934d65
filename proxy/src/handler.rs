//! One connection over one sql session: reads messages, hands them to the sub-protocols, writes what they answer.
//!
//! ```text
//! wait ─► buffer ─► frame ─► simple · extended · copy ─► session ─► out ─► hold until durable ─► one write ─► wait
//! ```
//!
//! Every whole message in the buffer is handled before anything is written, and everything is written at once before the
//! next wait (or above 64 KiB): no system call per message (PG-34). Nothing leaves that rests on a commit which is not
//! durable yet. After an error of the extended protocol messages are skipped up to Sync. A panic is caught around
//! the whole connection: its client gets XX000 and its session goes (PG-52).

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tripline_sql::change::CommitNo;
use tripline_sql::env::Blocker;
use tripline_sql::error::SqlError;
use tripline_sql::session::{Session, TransactionStatus};
use tripline_sql::store::RowTurn;
use tripline_sql::types::TextStyle;

use crate::copy::CopyIn;
use crate::encode::Descriptions;
use crate::error::{ends_session, put_error};
use crate::message::{FUNCTION_CALL, Fields, Framing, frame, put, put_parameter, put_ready, put_string, violation};
use crate::open::TokioBlocker;
use crate::server::Shared;
use crate::stream::{Doorbell, Stream, Watched};

/// A write happens at the latest when so much is waiting.
pub(crate) const OUT_BYTES_MAX: usize = 64 << 10;
/// Read at least so much at a time.
const READ_BYTES: usize = 16 << 10;
/// A buffer that grew above this is given back.
const KEEP_BYTES: usize = 1 << 20;
/// A call of the session longer than this is long.
const HEAVY: Duration = Duration::from_millis(1);
/// How long a client may take to accept the last words.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why handling a message did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The statement failed; the session goes on.
    Error(SqlError),
    /// The session ends with these words.
    Fatal(SqlError),
    /// The session ends without a word: the client said goodbye or is gone.
    Closed,
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Stop {
        if ends_session(&error) { Stop::Fatal(error) } else { Stop::Error(error) }
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Stop {
        Stop::Closed
    }
}

/// What ended a wait.
enum Event {
    /// Bytes came; 0 is the end.
    Read(usize),
    /// The engine left word.
    Bell,
    /// The idle time is over.
    Timeout,
}

/// One client's connection, past authentication.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Session,
    stream: Stream,
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) watched: Arc<Watched>,
    /// What has not been written yet.
    pub(crate) out: Vec<u8>,
    /// For text forms.
    pub(crate) scratch: String,
    /// RowDescriptions made before.
    pub(crate) descriptions: Descriptions,
    /// The session's settings for text forms, as last copied.
    pub(crate) style: Arc<TextStyle>,
    /// What is in `out` may leave once this commit is durable.
    hold: Option<CommitNo>,
    /// An error happened since the last Sync: skip up to it.
    pub(crate) skip: bool,
    /// The last call of the session took long.
    heavy: bool,
    /// When it was last looked whether the client of a procedure is still there.
    pub(crate) looked: Duration,
    /// COPY input is expected.
    pub(crate) copy: Option<CopyIn>,
    /// Name and text of the statement parsed last, to count positions in.
    pub(crate) parsed: (String, String),
}

/// Serves a connection until it ends. `greeting` is sent first.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    session: Session,
    stream: Stream,
    bell: Arc<Doorbell>,
    greeting: Vec<u8>,
) {
    let pid = session.pid();
    let Ok(socket) = stream.socket() else { return };
    let watched = shared.watch.add(socket, pid, session.secret());
    let style = Arc::new(session.text_style().clone());
    let mut connection = Connection {
        shared: shared.clone(),
        session,
        stream,
        bell,
        watched,
        out: greeting,
        scratch: String::new(),
        descriptions: Descriptions::default(),
        style,
        hold: None,
        skip: false,
        heavy: false,
        looked: Duration::ZERO,
        copy: None,
        parsed: Default::default(),
    };
    let end = AssertUnwindSafe(connection.run()).catch_unwind().await;
    shared.watch.remove(pid);
    let last_words = match end {
        Ok(Stop::Closed) => None,
        Ok(Stop::Error(error) | Stop::Fatal(error)) => Some(error.fatal()),
        Err(_) => {
            tracing::error!(pid, "a session panicked; it is ended");
            connection.out.clear();
            Some(SqlError::internal("the session met an unexpected condition and was ended").fatal())
        }
    };
    if let Some(error) = last_words {
        tracing::info!(pid, state = error.state().as_str(), "session ended: {}", error.message());
        connection.farewell(&error).await;
    }
    // A session that panicked may panic again when it lets go of what it holds.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(move || drop(connection)));
}

/// Most waits for a row are shorter. What waits longer does it in the engine, on a thread: there deadlocks are found.
const TURN_WAIT: Duration = Duration::from_millis(50);

/// Waits for a statement's turn at a row; false: for too long.
pub(crate) async fn wait_turn(turn: RowTurn) -> bool {
    tokio::time::timeout(TURN_WAIT, turn).await.is_ok()
}

impl Connection {
    /// Handles messages until something ends the session.
    async fn run(&mut self) -> Stop {
        match self.messages().await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn messages(&mut self) -> Result<std::convert::Infallible, Stop> {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        self.ready();
        loop {
            self.flush().await?;
            self.fill(&mut buffer).await?;
            self.watched.turn();
            let missing = loop {
                match frame(&buffer)? {
                    Framing::Whole(whole) => {
                        let message = &buffer[5..whole.len];
                        self.message(whole.kind, message).await?;
                        buffer.advance(whole.len);
                    }
                    Framing::Partial(len) => break len.saturating_sub(buffer.len()),
                }
                if self.watched.gone() {
                    return Err(Stop::Closed);
                }
            };
            self.watched.turn();
            make_room(&mut buffer, missing);
        }
    }

    /// Waits for more bytes; sends what the engine leaves for the client meanwhile.
    async fn fill(&mut self, buffer: &mut BytesMut) -> Result<(), Stop> {
        let timeout = self.session.idle_timeout();
        // The sleep lasts over all wake-ups of one wait.
        let mut sleep = timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        loop {
            let (stream, bell) = (&mut self.stream, &self.bell);
            let event = poll_fn(|cx| {
                if bell.poll(cx) {
                    return Poll::Ready(Ok(Event::Bell));
                }
                let read = pin!(stream.read_buf(buffer));
                if let Poll::Ready(count) = read.poll(cx) {
                    return Poll::Ready(count.map(Event::Read));
                }
                match &mut sleep {
                    Some(sleep) => sleep.as_mut().poll(cx).map(|()| Ok(Event::Timeout)),
                    None => Poll::Pending,
                }
            })
            .await?;
            match event {
                Event::Read(0) => return Err(Stop::Closed),
                Event::Read(_) => return Ok(()),
                Event::Timeout => return Err(Stop::Fatal(self.session.idle_for_too_long())),
                Event::Bell => {
                    if let Some(reason) = self.session.terminate_reason() {
                        return Err(Stop::Fatal(reason));
                    }
                    self.notifications();
                    self.flush().await?;
                }
            }
        }
    }

    /// Handles one message.
    async fn message(&mut self, kind: u8, body: &[u8]) -> Result<(), Stop> {
        if kind == b'X' {
            // What was asked in the same breath is answered first.
            self.flush().await?;
            return Err(Stop::Closed);
        }
        if self.copy.is_some() {
            return self.copy_message(kind, body).await;
        }
        if self.skip && kind != b'S' {
            return Ok(());
        }
        match kind {
            b'Q' => self.query(body).await,
            b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => match self.extended(kind, body).await {
                Err(Stop::Error(error)) => {
                    self.failed(&error, None);
                    self.skip = true;
                    Ok(())
                }
                other => other,
            },
            b'S' => {
                if let Err(error) = Fields::new(body).end() {
                    self.failed(&error, None);
                    self.skip = true;
                }
                self.sync()
            }
            // The rest of a COPY that failed already.
            b'd' | b'c' | b'f' => Ok(()),
            FUNCTION_CALL => {
                self.failed(&SqlError::unsupported("the function call sub-protocol"), None);
                self.end_simple(true);
                Ok(())
            }
            other => Err(Stop::Fatal(violation(format!("invalid frontend message type {other}")))),
        }
    }

    /// Calls the session where it may take long. A connection whose last call was long lends its network thread to others
    /// during the next one (PG-51); one whose calls are short, as most are, does not pay for that.
    pub(crate) fn call<T>(&mut self, work: impl FnOnce(&mut Session) -> T) -> T {
        let clock = &self.shared.engine.env().clock;
        let started = clock.elapsed();
        let result = if self.heavy {
            let (mut work, mut result) = (Some(work), None);
            let session = &mut self.session;
            TokioBlocker.block(&mut || result = work.take().map(|work| work(session)));
            result.expect("a blocker runs its work before it returns")
        } else {
            work(&mut self.session)
        };
        self.heavy = clock.elapsed().saturating_sub(started) > HEAVY;
        result
    }

    /// Reports an error of a statement to the session and to the client.
    pub(crate) fn failed(&mut self, error: &SqlError, source: Option<&str>) {
        self.session.statement_failed(error);
        self.notices();
        put_error(&mut self.out, error, source);
        self.shared.metrics.error();
    }

    /// Sync: ends the pipeline, then ReadyForQuery.
    fn sync(&mut self) -> Result<(), Stop> {
        let failed = std::mem::take(&mut self.skip);
        match self.call(|session| session.sync(failed)) {
            Ok(hold) => self.hold(hold),
            Err(error) => match Stop::from(error) {
                Stop::Error(error) => {
                    self.notices();
                    put_error(&mut self.out, &error, None);
                }
                fatal => return Err(fatal),
            },
        }
        self.ready();
        Ok(())
    }

    /// ReadyForQuery, with all that goes before it.
    pub(crate) fn ready(&mut self) {
        self.notices();
        for (name, value) in self.session.take_parameter_changes() {
            put_parameter(&mut self.out, &name, &value);
        }
        let status = self.session.transaction_status();
        if status == TransactionStatus::Idle {
            self.notifications();
        }
        put_ready(&mut self.out, status);
    }

    /// NoticeResponses of what was just called.
    pub(crate) fn notices(&mut self) {
        for notice in self.session.take_notices() {
            put_error(&mut self.out, &notice, None);
        }
    }

    /// NotificationResponses that wait, unless in a block (PG-40).
    fn notifications(&mut self) {
        for notification in self.session.take_notifications() {
            put(&mut self.out, b'A', |out| {
                out.extend_from_slice(&notification.pid.to_be_bytes());
                put_string(out, &notification.channel);
                put_string(out, &notification.payload);
            });
        }
    }

    /// Nothing leaves before this commit is durable.
    pub(crate) fn hold(&mut self, commit: Option<CommitNo>) {
        self.hold = self.hold.max(commit);
    }

    /// Copies the session's settings for text forms if they have changed.
    pub(crate) fn refresh_style(&mut self) {
        let (new, old) = (self.session.text_style(), &self.style);
        let same = new.date_style == old.date_style
            && new.interval_style == old.interval_style
            && new.extra_float_digits == old.extra_float_digits
            && new.bytea_escape == old.bytea_escape
            && new.time_zone.1 == old.time_zone.1
            && same_names(new, old);
        if !same {
            self.style = Arc::new(new.clone());
        }
    }

    /// Writes if much is waiting, and gives way to other tasks. Errors: the client has gone.
    pub(crate) async fn flush_much(&mut self) -> Result<(), Stop> {
        if self.watched.gone() {
            return Err(Stop::Closed);
        }
        if self.out.len() >= OUT_BYTES_MAX {
            self.flush().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Writes all that waits, once the commits that it rests on are durable. Errors: FATAL 58030 when they never will be;
    /// the client then learns nothing of what it was to be told.
    pub(crate) async fn flush(&mut self) -> Result<(), Stop> {
        if self.out.is_empty() {
            return Ok(());
        }
        let hold = self.hold.take().max(self.session.hold_until());
        if let Some(commit) = hold
            && self.shared.engine.durable() < commit
            && let Err(error) = self.shared.engine.wait_durable(commit).await
        {
            self.out.clear();
            return Err(Stop::Fatal(error.fatal()));
        }
        self.write().await?;
        self.shared.metrics.sent(self.out.len());
        self.out.clear();
        if self.out.capacity() > KEEP_BYTES {
            self.out.shrink_to(OUT_BYTES_MAX);
        }
        Ok(())
    }

    /// Writes `out`. A client that does not read is not waited for when the session is to end.
    async fn write(&mut self) -> Result<(), Stop> {
        let mut written = 0;
        let (stream, bell, session, out) = (&mut self.stream, &self.bell, &mut self.session, &self.out);
        while written < out.len() {
            written += poll_fn(|cx| {
                if let Poll::Ready(count) = Pin::new(&mut *stream).poll_write(cx, &out[written..]) {
                    return Poll::Ready(count.map_err(Stop::from));
                }
                if bell.rung(cx) && must_end(session) {
                    return Poll::Ready(Err(Stop::Closed));
                }
                Poll::Pending
            })
            .await?;
        }
        if stream.is_tls() {
            stream.flush().await?;
        }
        Ok(())
    }

    /// Says why the session ends, if the client still listens.
    async fn farewell(&mut self, error: &SqlError) {
        let mut last = std::mem::take(&mut self.out);
        if !last.is_empty() {
            let hold = self.hold.max(self.session.hold_until());
            if hold.is_some_and(|commit| self.shared.engine.durable() < commit) {
                last.clear();
            }
        }
        put_error(&mut last, error, None);
        let stream = &mut self.stream;
        let said = async {
            stream.write_all(&last).await?;
            stream.flush().await?;
            stream.shutdown().await
        };
        // Whether it was heard makes no difference to what follows.
        let _ = tokio::time::timeout(FAREWELL, said).await;
    }
}

/// Whether names of objects are looked up in the same catalog.
fn same_names(new: &TextStyle, old: &TextStyle) -> bool {
    match (&new.names, &old.names) {
        (Some(new), Some(old)) => Arc::ptr_eq(new, old),
        (None, None) => true,
        _ => false,
    }
}

/// Whether the session is to end. Takes it by `&mut`, so that a task that waits holds no shared borrow of it.
fn must_end(session: &mut Session) -> bool {
    session.terminate_reason().is_some()
}

/// Makes the buffer ready for the next read of a message that lacks so many bytes: it grows with what really came,
/// not with what a length field claims.
fn make_room(buffer: &mut BytesMut, missing: usize) {
    if buffer.is_empty() && buffer.capacity() > KEEP_BYTES {
        *buffer = BytesMut::with_capacity(READ_BYTES);
    }
    buffer.reserve(missing.min(buffer.len().max(READ_BYTES)).max(READ_BYTES / 2));
}
