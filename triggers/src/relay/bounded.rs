//! A receiver's messages of PostgreSQL's protocol, watched on their way in: one that says that it is longer than any answer
//! has to be ends the connection before it fills the memory.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A stream that ends with an error where a message is too long.
pub(super) struct Bounded<S> {
    inner: S,
    /// The beginning of a message: its type and length.
    header: [u8; 5],
    /// Bytes of it that have come.
    have: usize,
    /// Bytes of its body still to come.
    rest: usize,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S) -> Bounded<S> {
        Bounded { inner, header: [0; 5], have: 0, rest: 0 }
    }

    fn watch(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let part = (self.header.len() - self.have).min(bytes.len());
            self.header[self.have..self.have + part].copy_from_slice(&bytes[..part]);
            self.have += part;
            bytes = &bytes[part..];
            if self.have == self.header.len() {
                let [_, a, b, c, d] = self.header;
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
                }
                (self.have, self.rest) = (0, length - 4);
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = read {
            self.watch(&buf.filled()[before..])?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Bounded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// Makes what another one encrypts a watched stream.
pub(super) struct BoundedTls<T>(pub(super) T);

impl<S, T> TlsConnect<S> for BoundedTls<T>
where
    T: TlsConnect<S>,
    T::Stream: Unpin,
    T::Future: Send + 'static,
{
    type Stream = Bounded<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connected = self.0.connect(stream);
        Box::pin(async move { Ok(Bounded::new(connected.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AMI-200
    #[test]
    fn a_message_that_is_too_long_is_seen_at_its_beginning() {
        let mut bytes = b"Z\0\0\0\x05I".repeat(3);
        bytes.extend_from_slice(b"D\0\0\0\x04C\0\0\0\x08abcd");
        for step in 1..bytes.len() {
            let mut stream = Bounded::new(());
            assert!(bytes.chunks(step).all(|piece| stream.watch(piece).is_ok()));
            assert!(stream.watch(b"T\x78\x78").is_ok());
            assert!(stream.watch(b"\x78\x78").is_err());
        }
        assert!(Bounded::new(()).watch(b"T\0\0\0\x03").is_err());
    }
}
