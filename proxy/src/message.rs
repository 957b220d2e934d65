//! Messages of the protocol as bytes: frames and fields coming in, small messages going out.
//!
//! The library's decoder reads past a short body and turns bad UTF-8 into U+FFFD, so frames are cut and checked here:
//! a length that cannot be is FATAL 08P01, a field that does not fit 08P01, text that is not UTF-8 or holds a NUL is 22021. Nothing is copied: a
//! field borrows from the connection's buffer. Message type bytes are the library's.

use pgwire::messages::copy::MESSAGE_TYPE_BYTE_COPY_DATA;
use pgwire::messages::extendedquery::{MESSAGE_TYPE_BYTE_BIND, MESSAGE_TYPE_BYTE_PARSE};
use pgwire::messages::simplequery::MESSAGE_TYPE_BYTE_QUERY;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::TransactionStatus;
use tripline_sql::types::utf8;

/// Type byte of FunctionCall, which the library does not know.
pub(crate) const FUNCTION_CALL: u8 = b'F';
/// Longest length field of Query, Parse, Bind, CopyData and FunctionCall (PG-43).
const LARGE_LENGTH_MAX: usize = 0x3fff_fffe;
/// Longest length field of every other message.
const SMALL_LENGTH_MAX: usize = 10_000;

/// A whole message at the beginning of a buffer: its type and where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Type byte.
    pub(crate) kind: u8,
    /// Bytes of the whole message; the body begins at 5.
    pub(crate) len: usize,
}

/// What a buffer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A whole message.
    Whole(Frame),
    /// The beginning of a message of so many bytes (5 while its length is unknown).
    Partial(usize),
}

/// Looks at the message at the beginning of `buffer`.
/// Errors: FATAL 08P01 for an unknown type or a length out of range, before the body has come.
pub(crate) fn frame(buffer: &[u8]) -> Result<Framing> {
    let Some(&kind) = buffer.first() else { return Ok(Framing::Partial(5)) };
    let longest = match kind {
        MESSAGE_TYPE_BYTE_QUERY
        | MESSAGE_TYPE_BYTE_PARSE
        | MESSAGE_TYPE_BYTE_BIND
        | MESSAGE_TYPE_BYTE_COPY_DATA
        | FUNCTION_CALL => LARGE_LENGTH_MAX,
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => SMALL_LENGTH_MAX,
        other => return Err(violation(format!("invalid frontend message type {other}"))),
    };
    let Some(length) = buffer.get(1..5) else { return Ok(Framing::Partial(5)) };
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if length < 4 || length > longest {
        return Err(violation("invalid message length"));
    }
    let len = length + 1;
    Ok(if buffer.len() < len { Framing::Partial(len) } else { Framing::Whole(Frame { kind, len }) })
}

/// FATAL 08P01.
pub(crate) fn violation(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::PROTOCOL_VIOLATION, message).fatal()
}

/// 08P01: the message's end is known, so the session can go on after it, as it does in PostgreSQL.
fn malformed(message: &str) -> SqlError {
    SqlError::new(SqlState::PROTOCOL_VIOLATION, message)
}

/// Reads the fields of a message body one after the other.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of this body.
    pub(crate) fn new(body: &'a [u8]) -> Fields<'a> {
        Fields(body)
    }

    /// So many bytes. Errors: 08P01 past the end.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        if count > self.0.len() {
            return Err(malformed("insufficient data left in message"));
        }
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        Ok(head)
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// A 16-bit integer.
    pub(crate) fn int16(&mut self) -> Result<i16> {
        let b = self.bytes(2)?;
        Ok(i16::from_be_bytes([b[0], b[1]]))
    }

    /// A count: 16 bits without a sign.
    pub(crate) fn count(&mut self) -> Result<usize> {
        let b = self.bytes(2)?;
        Ok(usize::from(u16::from_be_bytes([b[0], b[1]])))
    }

    /// A 32-bit integer.
    pub(crate) fn int32(&mut self) -> Result<i32> {
        let b = self.bytes(4)?;
        Ok(i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A length and so many bytes; -1 is NULL.
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.int32()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => self.bytes(length).map(Some),
                Err(_) => Err(malformed("insufficient data left in message")),
            },
        }
    }

    /// A string that ends with a NUL. Errors: 08P01 without a NUL, 22021 not UTF-8.
    pub(crate) fn string(&mut self) -> Result<&'a str> {
        let end = self.0.iter().position(|&b| b == 0).ok_or_else(|| malformed("invalid string in message"))?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        utf8(text)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Checks that nothing is left. Errors: 08P01.
    pub(crate) fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed("invalid message format")) }
    }
}

/// Appends a message: its type, a length, and what `body` writes.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin(out, kind);
    body(out);
    finish(out, start);
}

/// Begins a message whose length is not known yet; gives the place for `finish`.
pub(crate) fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    start
}

/// Writes the length of the message that began at `start` and ends here.
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

/// Appends a string and its NUL; the string is cut at a NUL of its own.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    let text = text.as_bytes();
    out.extend_from_slice(&text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())]);
    out.push(0);
}

/// Appends a message without a body.
pub(crate) fn put_empty(out: &mut Vec<u8>, kind: u8) {
    out.extend_from_slice(&[kind, 0, 0, 0, 4]);
}

/// Appends ReadyForQuery.
pub(crate) fn put_ready(out: &mut Vec<u8>, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InBlock => b'T',
        TransactionStatus::Failed => b'E',
    };
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, status]);
}

/// Appends CommandComplete.
pub(crate) fn put_complete(out: &mut Vec<u8>, tag: &str) {
    put(out, b'C', |out| put_string(out, tag));
}

/// Appends ParameterStatus.
pub(crate) fn put_parameter(out: &mut Vec<u8>, name: &str, value: &str) {
    put(out, b'S', |out| {
        put_string(out, name);
        put_string(out, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-43
    #[test]
    fn lengths_are_checked_before_the_body_has_come() {
        assert_eq!(frame(b"").unwrap(), Framing::Partial(5));
        assert_eq!(frame(b"Q\0\0").unwrap(), Framing::Partial(5));
        assert_eq!(frame(b"Q\0\0\0\x09ab").unwrap(), Framing::Partial(10));
        assert_eq!(frame(b"S\0\0\0\x04S").unwrap(), Framing::Whole(Frame { kind: b'S', len: 5 }));
        for bad in
            [&b"Q\0\0\0\x03"[..], b"Q\x40\0\0\0", b"S\0\0\x27\x11", b"D\x3f\xff\xff\xfe", b"!", b"Q\xff\xff\xff\xff"]
        {
            let error = frame(bad).unwrap_err();
            assert_eq!(error.state(), SqlState::PROTOCOL_VIOLATION, "{bad:?}");
            assert_eq!(error.fields().severity, tripline_sql::error::Severity::Fatal);
        }
        assert_eq!(frame(b"Q\x3f\xff\xff\xfe").unwrap(), Framing::Partial(0x3fff_ffff));
    }

    #[test]
    fn fields_do_not_read_past_the_body() {
        let mut fields = Fields::new(b"name\0\0\x02\0\0\0\x03abc\xff\xff\xff\xff");
        assert_eq!(fields.string().unwrap(), "name");
        assert_eq!(fields.count().unwrap(), 2);
        assert_eq!(fields.value().unwrap(), Some(&b"abc"[..]));
        assert_eq!(fields.value().unwrap(), None);
        assert_eq!(fields.int16().unwrap_err().state(), SqlState::PROTOCOL_VIOLATION);
        assert!(Fields::new(b"no end").string().is_err());
        assert!(Fields::new(b"\xff\xff\xff\xfe").value().is_err());
        assert!(Fields::new(b"\0\0\0\x09ab").value().is_err());
        assert!(Fields::new(b"x").end().is_err());
    }

    // PG-43
    #[test]
    fn text_that_is_not_utf8_names_its_bytes() {
        let message = |bytes: &[u8]| utf8(bytes).unwrap_err().message().to_owned();
        assert_eq!(utf8("größe".as_bytes()).unwrap(), "größe");
        assert_eq!(message(b"a\xffb"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(message(b"a\xc3("), "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28");
        assert_eq!(message(b"\xe2\x82"), "invalid byte sequence for encoding \"UTF8\": 0xe2 0x82");
        assert_eq!(message(b"a\0b"), "invalid byte sequence for encoding \"UTF8\": 0x00");
    }

    #[test]
    fn messages_have_their_length() {
        let mut out = Vec::new();
        put_complete(&mut out, "SELECT 1");
        assert_eq!(out, b"C\0\0\0\x0dSELECT 1\0");
        out.clear();
        put_ready(&mut out, TransactionStatus::Failed);
        assert_eq!(out, b"Z\0\0\0\x05E");
    }
}
