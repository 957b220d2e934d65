//! The AMI message port (AMI-167 to AMI-178): accepts connections, reads lines, sends answers in order, each once what it
//! says is durable. What a line means is `conversation`'s business; what it does, `tripline_triggers::relay`'s.
//!
//! Reading and answering are two tasks: while one instruction's commit is on its way to the disk the next ones are applied.
//! A client that does not read its answers is not read from either.

mod conversation;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tripline_sql::change::CommitNo;
use tripline_sql::engine::{Engine, SessionOptions};
use tripline_triggers::relay::Receiver;
use tripline_triggers::relay::message::{Instruction, LINE_BYTES_MAX};

use self::conversation::{Conversation, Reply};
use crate::server::{Shared, drain};

/// Connections at one time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// Answers that may wait for their commits before no more is read.
const ANSWERS_MAX: usize = 4096;
/// A client that does not take its answers for so long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Serves the port until told to stop, then waits for what its connections are doing.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let full = connections.len() >= CONNECTIONS_MAX;
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if full => continue,
            accepted = listener.accept(), if !full => accepted,
        };
        match accepted {
            Ok((socket, peer)) if allowed(&shared.config.ami_allow, peer.ip()) => {
                let shared = shared.clone();
                let mut stopped = stopped.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(shared, socket, peer) => {}
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                });
            }
            Ok((_, peer)) => tracing::warn!(%peer, "AMI messages are not accepted from this address"),
            Err(error) => {
                tracing::warn!("AMI message port: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    drain(connections, &shared).await;
}

/// Without a list only this machine may send.
fn allowed(list: &[IpAddr], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    if list.is_empty() { peer.is_loopback() } else { list.iter().any(|one| one.to_canonical() == peer) }
}

async fn connection(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    let patience = shared.config.authentication_timeout;
    let stream: Box<dyn Duplex> = match shared.tls.as_ref().filter(|_| shared.config.ami_tls) {
        Some(tls) => match tokio::time::timeout(patience, tls.ami.accept(socket)).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => return tracing::info!(%peer, "AMI connection: TLS handshake failed: {error}"),
            Err(_) => return tracing::info!(%peer, "AMI connection: no TLS handshake in time"),
        },
        None => Box::new(socket),
    };
    let (read, mut write) = tokio::io::split(stream);
    let session = shared.engine.session(SessionOptions {
        user: shared.config.ami_user.clone(),
        database: shared.config.ami_database.clone(),
        parameters: vec![("application_name".to_owned(), "AMI messages".to_owned())],
        internal: false,
        mailbox: None,
        client_address: peer.to_string(),
        server_address: None,
        tls: None,
    });
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            tracing::warn!(%peer, "AMI connection refused: {}", error.message());
            let line = Instruction::answer(0, 5, error.message()).to_line();
            let _ = tokio::time::timeout(WRITE_TIMEOUT, write.write_all(line.as_bytes())).await;
            return;
        }
    };
    let instance = shared.engine.instance();
    let receiver = Receiver::new(session, shared.config.ami_unknown_table, instance);
    let conversation = Conversation::new(receiver, instance, peer.to_string());
    let (answers, queue) = mpsc::channel(ANSWERS_MAX);
    let writing = answer(write, queue, shared.engine.clone());
    let (ended, ()) = tokio::join!(converse(read, conversation, answers, patience), writing);
    if let Err(error) = ended {
        tracing::debug!(%peer, "AMI connection: {error}");
    }
}

/// Reads lines and has them carried out, until the client ends. Half a line at the end is nothing.
async fn converse(
    mut read: ReadHalf<Box<dyn Duplex>>,
    mut conversation: Conversation,
    answers: mpsc::Sender<(String, Option<CommitNo>)>,
    patience: Duration,
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    let login_until = tokio::time::Instant::now() + patience;
    // Bytes already seen to hold no end of a line.
    let mut seen = 0;
    loop {
        while let Some(end) = buffer[seen..].iter().position(|byte| *byte == b'\n').map(|at| seen + at) {
            let Reply { answer, close, pause } = conversation.line(trimmed(&buffer[..end]));
            buffer.advance(end + 1);
            seen = 0;
            if let Some(answer) = answer
                && answers.send(answer).await.is_err()
            {
                return Ok(());
            }
            if close {
                return Ok(());
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
        seen = buffer.len();
        if seen > LINE_BYTES_MAX {
            if let Some(answer) = conversation.too_long() {
                let _ = answers.send(answer).await;
            }
            return Ok(());
        }
        let more = read.read_buf(&mut buffer);
        let count = if conversation.logged_in() {
            more.await?
        } else {
            tokio::time::timeout_at(login_until, more).await.map_err(|_| io::Error::other("no login in time"))??
        };
        if count == 0 {
            return Ok(());
        }
    }
}

/// Without a CR before or after the LF.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_prefix(b"\r").unwrap_or(line)
}

/// Sends answers in their order, each when its commit is durable; several in one write where they are ready.
async fn answer(
    mut write: WriteHalf<Box<dyn Duplex>>,
    mut queue: mpsc::Receiver<(String, Option<CommitNo>)>,
    engine: Engine,
) {
    let mut out = String::new();
    while let Some((line, commit)) = queue.recv().await {
        if let Some(commit) = commit
            && let Err(error) = engine.wait_durable(commit).await
        {
            // Nothing is kept from here on: no answer is better than a wrong one.
            tracing::error!(%error, "AMI connection closed");
            break;
        }
        out.push_str(&line);
        if queue.is_empty() || out.len() > 64 << 10 {
            let written = async {
                write.write_all(out.as_bytes()).await?;
                write.flush().await
            };
            if !matches!(tokio::time::timeout(WRITE_TIMEOUT, written).await, Ok(Ok(()))) {
                break;
            }
            out.clear();
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), write.shutdown()).await;
}
