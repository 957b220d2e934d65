//! The sending end of an AMI message connection (AMI-164, AMI-166): connect, log in, number, send, match answers.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::apply::ORIGIN_KEY;
use super::message::{Field, Instruction, LINE_BYTES_MAX};
use super::options::Options;
use super::outbox::Queued;
use super::report::Failure;
use crate::kind::Operation;

/// For a connection, a handshake, a write; and for answers where they are waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A receiver that answers nothing may be sent to all the same: so long its answer to the login is waited for.
const LOGIN_PATIENCE: Duration = Duration::from_secs(1);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters that are kept of a receiver's words.
const WORDS_MAX: usize = 500;
/// A receiver that takes less than this in the time that it is given takes nothing.
const PIECE_BYTES: usize = 64 << 10;

/// The beginning of a long text.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

fn broken(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Broken(format!("{what}: {error}"))
}

/// Reads answers; one that was read half is kept when the wait for the rest ends.
pub(super) struct Answers {
    read: ReadHalf<Box<dyn Duplex>>,
    buffer: Vec<u8>,
    /// Where the next line begins.
    begin: usize,
    /// Up to here no end of a line was found.
    seen: usize,
}

impl Answers {
    /// The next answer: its number, status and text, and the receiver's id if it named it.
    pub(super) async fn next(&mut self) -> Result<Answer, Failure> {
        loop {
            if let Some(at) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.begin..self.seen + at];
                self.seen += at + 1;
                self.begin = self.seen;
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let line = line.strip_prefix(b"\r").unwrap_or(line);
                if line.is_empty() {
                    continue;
                }
                let answer = Instruction::parse(line).map_err(|error| broken("malformed answer", error))?;
                // What it wants us to do is none of our business (AMI-166).
                if answer.kind != 'M' {
                    continue;
                }
                let number = |key| answer.whole(key).and_then(|n| u64::try_from(n).ok());
                let Some(sequence) = number("Q") else {
                    return Err(Failure::Broken("malformed answer: no Q".to_owned()));
                };
                return Ok(Answer {
                    sequence,
                    status: number("S").unwrap_or(0),
                    text: shortened(answer.text("M").unwrap_or_default()),
                    instance: number("origin"),
                });
            }
            self.buffer.drain(..self.begin);
            (self.begin, self.seen) = (0, self.buffer.len());
            if self.seen > ANSWER_BYTES_MAX {
                return Err(Failure::Broken("an answer without end".to_owned()));
            }
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(Failure::Broken("the receiver closed the connection".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(broken("connection lost", error)),
            }
        }
    }
}

/// An `M` line.
pub(super) struct Answer {
    pub(super) sequence: u64,
    pub(super) status: u64,
    pub(super) text: String,
    pub(super) instance: Option<u64>,
}

impl Answer {
    /// What the receiver said when it refused.
    pub(super) fn refusal(&self) -> String {
        format!("status {}: {}", self.status, self.text)
    }
}

/// Sends messages.
pub(super) struct Sender {
    write: WriteHalf<Box<dyn Duplex>>,
    /// Number of the message sent last.
    pub(super) sequence: u64,
    /// The receiver's instance; 0: not known.
    pub(super) peer: u64,
    /// This instance.
    instance: u64,
}

impl Sender {
    /// Whether the receiver made this change itself (AMI-203).
    pub(super) fn comes_from_peer(&self, queued: &Queued) -> bool {
        let origin = queued.item.origin;
        origin != 0 && origin != self.instance && origin == self.peer
    }

    /// Writes a message's line. Error: refused, as no receiver has to take so long a line (AMI-177).
    pub(super) fn put(&mut self, queued: &Queued, out: &mut String) -> Result<(), Failure> {
        let before = out.len();
        line(queued, self.sequence + 1, (self.peer != 0).then_some(self.instance), out);
        let length = out.len() - before - 1;
        if length > LINE_BYTES_MAX {
            out.truncate(before);
            return Err(Failure::Refused(format!("a message of {length} bytes is longer than a line may be")));
        }
        self.sequence += 1;
        Ok(())
    }

    /// Sends lines.
    pub(super) async fn write(&mut self, lines: &str) -> Result<(), Failure> {
        for piece in lines.as_bytes().chunks(PIECE_BYTES) {
            let written = async {
                self.write.write_all(piece).await?;
                self.write.flush().await
            };
            match timeout(PATIENCE, written).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(broken("connection lost", error)),
                Err(_) => return Err(Failure::Broken("the receiver takes nothing".to_owned())),
            }
        }
        Ok(())
    }

    /// Says good-bye.
    pub(super) async fn close(mut self) {
        let line = format!("X#{}\n", self.sequence + 1);
        let _ = timeout(Duration::from_secs(1), async {
            self.write.write_all(line.as_bytes()).await?;
            self.write.shutdown().await
        })
        .await;
    }
}

/// The line of a message (AMI-155). To a receiver that knows of instances the origin is told where it is not the sender.
pub(super) fn line(queued: &Queued, sequence: u64, instance: Option<u64>, out: &mut String) {
    let kind = if queued.item.operation == Operation::Delete { 'D' } else { 'O' };
    let _ = write!(out, "{kind}#{sequence}|T=");
    Field::Text(queued.plan.target.clone()).write(out);
    let origin = queued.item.origin;
    if instance.is_some_and(|instance| origin != 0 && origin != instance) {
        let _ = write!(out, "|{ORIGIN_KEY}={origin}L");
    }
    for (place, value) in queued.plan.sent(queued.item.operation).iter().zip(&queued.item.values) {
        out.push('|');
        out.push_str(&queued.plan.columns[*place].name);
        out.push('=');
        Field::of(value).write(out);
    }
    out.push('\n');
}

/// Connects and logs in. `answers`: the receiver must answer the login; otherwise it need not.
pub(super) async fn connect(
    options: &Options,
    tls: Option<Arc<ClientConfig>>,
    instance: u64,
    answers: bool,
) -> Result<(Sender, Answers), Failure> {
    let place = options.place();
    let socket = timeout(PATIENCE, TcpStream::connect((options.host.as_str(), options.port)))
        .await
        .map_err(|_| broken(&place, "no connection in time"))?
        .map_err(|error| broken(&place, error))?;
    let _ = socket.set_nodelay(true);
    let stream: Box<dyn Duplex> = match tls {
        None => Box::new(socket),
        Some(config) => {
            let name = ServerName::try_from(options.host.clone()).map_err(|error| broken(&place, error))?;
            let handshake = TlsConnector::from(config).connect(name, socket);
            let stream = timeout(PATIENCE, handshake).await.map_err(|_| broken(&place, "no TLS handshake in time"))?;
            Box::new(stream.map_err(|error| broken(&place, format!("TLS: {error}")))?)
        }
    };
    let (read, write) = tokio::io::split(stream);
    let mut receiver = Answers { read, buffer: Vec::new(), begin: 0, seen: 0 };
    let mut sender = Sender { write, sequence: 0, peer: 0, instance };
    let mut login = Instruction::new('L').with("I", Field::Text(options.login.clone()));
    login.sequence = Some(0);
    if let Some(id) = i64::try_from(instance).ok().filter(|id| *id != 0) {
        login = login.with("origin", Field::Long(id));
    }
    sender.write(&login.to_line()).await?;
    let patience = if answers { PATIENCE } else { LOGIN_PATIENCE };
    match timeout(patience, receiver.next()).await {
        Ok(answer) => {
            let answer = answer?;
            if answer.sequence != 0 {
                return Err(Failure::Broken(format!("the answer to the login has number {}", answer.sequence)));
            }
            if answer.status != 0 {
                return Err(Failure::Refused(format!("login refused, {}", answer.refusal())));
            }
            sender.peer = answer.instance.unwrap_or(0);
        }
        Err(_) if answers => return Err(broken(&place, "no answer to the login in time")),
        Err(_) => {}
    }
    Ok((sender, receiver))
}
