//! A client's byte stream: TCP, TLS over TCP, or a Unix socket; and what wakes a connection that waits on it.
//!
//! A connection never waits for its socket alone: `Mailbox` ends the wait when a notification or a shutdown arrives.
//! While a statement runs nobody reads the socket; `Watch` then looks from outside whether the client is still there.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tripline_sql::engine::{Engine, Mailbox, TlsInfo};

/// How often busy connections are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// A client's byte stream.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether what is sent is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// What the TLS handshake agreed on, in OpenSSL's words.
    pub(crate) fn tls(&self) -> Option<TlsInfo> {
        let Stream::Tls(tls) = self else { return None };
        let connection = tls.get_ref().1;
        let version = format!("{:?}", connection.protocol_version()?).replace('_', ".");
        let suite = format!("{:?}", connection.negotiated_cipher_suite()?.suite());
        Some(TlsInfo {
            version,
            cipher: suite.replacen("TLS13_", "TLS_", 1),
            bits: if suite.contains("AES_128") { 128 } else { 256 },
        })
    }

    /// Where the client connected to; none for a Unix socket.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tcp(socket) => socket.local_addr().ok(),
            Stream::Tls(tls) => tls.get_ref().0.local_addr().ok(),
            Stream::Unix(_) => None,
        }
    }

    /// A second handle on the socket, to look at it from outside.
    pub(crate) fn socket(&self) -> io::Result<OwnedFd> {
        match self {
            Stream::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            Stream::Unix(socket) => socket.as_fd().try_clone_to_owned(),
            Stream::Tls(tls) => tls.get_ref().0.as_fd().try_clone_to_owned(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Stream::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Unix(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

/// Where the engine leaves word for a connection.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Doorbell {
    /// Whether it was rung since the last time; if not, the task is woken when it is.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> bool {
        if self.rung.swap(false, Ordering::AcqRel) {
            return true;
        }
        self.waker.register(cx.waker());
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// As `poll`, but leaves the ring for who comes later.
    pub(crate) fn rung(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.rung.load(Ordering::Acquire)
    }
}

impl Mailbox for Doorbell {
    fn wake(&self) {
        self.rung.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// One connection as the watch sees it.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: OwnedFd,
    pid: i32,
    secret: Vec<u8>,
    /// Odd while messages are being handled; changes with every batch of them.
    batches: AtomicU64,
    /// The client has gone.
    gone: AtomicBool,
}

impl Watched {
    /// A batch of messages begins or ends.
    pub(crate) fn turn(&self) {
        // One connection's task is the only writer, so no read-modify-write is needed.
        self.batches.store(self.batches.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether the client was seen to have gone.
    pub(crate) fn gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether the other end has closed, even when unread data stands before the end.
    pub(crate) fn closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&at_once)).is_ok_and(|count| count > 0) && !fds[0].revents().is_empty()
    }
}

/// All connections of a server, looked at from outside: a client that disappears while its statement runs has that
/// statement cancelled (PG-44).
#[derive(Debug, Default)]
pub(crate) struct Watch {
    connections: Mutex<HashMap<i32, Arc<Watched>>>,
}

impl Watch {
    /// Takes a connection in; it stays until `remove`.
    pub(crate) fn add(&self, socket: OwnedFd, pid: i32, secret: &[u8]) -> Arc<Watched> {
        let watched = Arc::new(Watched {
            socket,
            pid,
            secret: secret.to_vec(),
            batches: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        });
        self.connections.lock().insert(pid, watched.clone());
        watched
    }

    /// Lets a connection go.
    pub(crate) fn remove(&self, pid: i32) {
        self.connections.lock().remove(&pid);
    }

    /// Looks at the connections for ever.
    pub(crate) async fn run(&self, engine: &Engine) {
        let mut seen: HashMap<i32, u64> = HashMap::new();
        let mut tick = tokio::time::interval(WATCH_INTERVAL);
        loop {
            tick.tick().await;
            let busy: Vec<Arc<Watched>> = {
                let connections = self.connections.lock();
                connections.values().filter(|c| c.batches.load(Ordering::Relaxed) % 2 == 1).cloned().collect()
            };
            let mut now = HashMap::with_capacity(busy.len());
            for watched in busy {
                let batch = watched.batches.load(Ordering::Relaxed);
                now.insert(watched.pid, batch);
                if seen.get(&watched.pid) == Some(&batch) && watched.closed() {
                    watched.gone.store(true, Ordering::Relaxed);
                    // Again at every tick: a cancel ends one statement, and more may stand in the pipeline.
                    let _ = engine.cancel(watched.pid, &watched.secret);
                }
            }
            seen = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-44
    #[tokio::test]
    async fn a_closed_client_is_seen_behind_unread_data() {
        use tokio::io::AsyncWriteExt;
        let (mut client, server) = UnixStream::pair().unwrap();
        let watch = Watch::default();
        let watched = watch.add(Stream::Unix(server).socket().unwrap(), 7, b"secret");
        client.write_all(b"unread").await.unwrap();
        assert!(!watched.closed());
        drop(client);
        assert!(watched.closed());
    }

    #[test]
    fn a_doorbell_rings_once() {
        let bell = Doorbell::default();
        let cx = Context::from_waker(std::task::Waker::noop());
        assert!(!bell.poll(&cx));
        bell.wake();
        assert!(bell.poll(&cx));
        assert!(!bell.poll(&cx));
    }
}
