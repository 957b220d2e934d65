//! The COPY sub-protocol, both ways. Rows are read and written by the session; here bodies meet messages.
//!
//! During COPY input the connection is in a state of its own: Sync and Flush are ignored, anything but COPY messages fails
//! the COPY. An error ends the state; what the client still sends is dropped (simple) or skipped up to Sync (extended).

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::parse::CopyFormat;
use tripline_sql::session::Session;

use crate::encode::count16;
use crate::handler::{Connection, Stop};
use crate::message::{Fields, begin, finish, put, put_complete, put_empty, violation};
use crate::simple::expand_formats;

/// Which sub-protocol a COPY FROM STDIN belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopyIn {
    /// A simple query, with its text: statements may follow.
    Simple(String),
    /// An Execute.
    Extended,
}

impl Connection {
    /// CopyInResponse; from now on COPY messages are expected.
    pub(crate) fn begin_copy(&mut self, copy: CopyIn, format: CopyFormat, columns: usize) {
        self.notices();
        put_copy_response(&mut self.out, b'G', format, columns);
        self.copy = Some(copy);
    }

    /// A message while COPY input is expected.
    pub(crate) async fn copy_message(&mut self, kind: u8, body: &[u8]) -> Result<(), Stop> {
        match kind {
            b'd' => match self.call(|session| session.copy_data(body)) {
                Ok(()) => {
                    self.notices();
                    self.flush_much().await
                }
                Err(error) => self.copy_failed(error),
            },
            b'c' => match self.call(Session::copy_done) {
                Ok(tag) => {
                    self.notices();
                    put_complete(&mut self.out, &tag);
                    match self.copy.take() {
                        Some(CopyIn::Simple(sql)) => self.statements(&sql).await,
                        Some(CopyIn::Extended) | None => Ok(()),
                    }
                }
                Err(error) => self.copy_failed(error),
            },
            b'f' => {
                let error = match Fields::new(body).string() {
                    Ok(reason) => self.session.copy_fail(reason),
                    Err(error) => error,
                };
                self.copy_failed(error)
            }
            b'H' | b'S' => Ok(()),
            other => {
                let text = format!("unexpected message type 0x{other:02X} during COPY from stdin");
                let error = self.session.copy_context(SqlError::new(SqlState::PROTOCOL_VIOLATION, text));
                self.failed(&error, None);
                // Nobody knows any more which answer belongs to what.
                Err(Stop::Fatal(violation("terminating connection because protocol synchronization was lost").fatal()))
            }
        }
    }

    /// The COPY failed: its state ends.
    fn copy_failed(&mut self, error: SqlError) -> Result<(), Stop> {
        match self.copy.take() {
            Some(CopyIn::Simple(sql)) => self.query_failed(error, &sql),
            Some(CopyIn::Extended) | None => match Stop::from(error) {
                Stop::Error(error) => {
                    self.failed(&error, None);
                    self.skip = true;
                    Ok(())
                }
                fatal => Err(fatal),
            },
        }
    }

    /// COPY TO STDOUT to its end. An error leaves no half message behind; it is reported like any other (W-9).
    pub(crate) async fn copy_out(&mut self, format: CopyFormat, columns: usize) -> Result<(), Stop> {
        self.notices();
        put_copy_response(&mut self.out, b'H', format, columns);
        loop {
            let mut out = std::mem::take(&mut self.out);
            let more = self.call(|session| {
                session.fetch_copy(&mut |body| {
                    let start = begin(&mut out, b'd');
                    out.extend_from_slice(body);
                    finish(&mut out, start);
                })
            });
            self.out = out;
            if !more? {
                break;
            }
            self.notices();
            self.flush_much().await?;
        }
        put_empty(&mut self.out, b'c');
        let tag = self.session.tag();
        self.notices();
        put_complete(&mut self.out, &tag);
        Ok(())
    }
}

/// CopyInResponse or CopyOutResponse: the format of the whole, then one code per column.
fn put_copy_response(out: &mut Vec<u8>, kind: u8, format: CopyFormat, columns: usize) {
    let binary = matches!(format, CopyFormat::Binary);
    put(out, kind, |out| {
        out.push(u8::from(binary));
        let count = count16(columns);
        out.extend_from_slice(&count.to_be_bytes());
        for code in expand_formats(&[i16::from(binary)], usize::from(count)) {
            out.extend_from_slice(&code.to_be_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-35
    #[test]
    fn a_copy_response_lists_a_format_per_column() {
        let mut out = Vec::new();
        put_copy_response(&mut out, b'G', CopyFormat::Text, 2);
        put_copy_response(&mut out, b'H', CopyFormat::Binary, 1);
        assert_eq!(out, b"G\0\0\0\x0b\0\0\x02\0\0\0\0H\0\0\0\x09\x01\0\x01\0\x01");
    }
}
