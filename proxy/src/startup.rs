//! From the first byte to a session: TLS, start-up message, authentication, parameters, cancel requests.
//!
//! Whatever fails here is FATAL and closes the connection: nothing but `begin` makes a session, and only after the client
//! has proved who it is (W-1); how it does that is in `auth`. Bytes are read exactly as far as the message goes, so
//! nothing that came in clear before TLS is taken for part of it.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tripline_sql::engine::{Mailbox, SessionOptions};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Session;

use crate::auth::refused;
use crate::handler::Stop;
use crate::message::{Fields, put, put_parameter, put_string, violation};
use crate::server::Shared;
use crate::stream::{Doorbell, Stream};

/// Longest start-up message, and longest answer to an authentication request.
pub(crate) const PACKET_BYTES_MAX: usize = 10_000;
/// Newest minor version of protocol 3 that is spoken.
const MINOR_MAX: u32 = 2;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// First byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A session and what its client is told first.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) greeting: Vec<u8>,
}

/// A connection that has no session yet.
pub(crate) struct Startup {
    pub(crate) shared: Arc<Shared>,
    /// None only while TLS is being negotiated.
    pub(crate) stream: Option<Stream>,
    /// The client's address; none for a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// The same for the sessions view.
    pub(crate) address: String,
}

/// A start-up message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    minor: u32,
    user: String,
    database: String,
    parameters: Vec<(String, String)>,
    /// Protocol options that are not known.
    unknown: Vec<String>,
}

impl Startup {
    /// Brings a client to its session; none when it only wanted to cancel.
    pub(crate) async fn begin(&mut self) -> Result<Option<Begun>, Stop> {
        self.direct_tls().await?;
        let Some(request) = self.request().await? else { return Ok(None) };
        let tls = self.stream()?.is_tls();
        if self.shared.config.require_tls && !tls && self.peer.is_some() {
            return Err(refused("the server accepts connections over TLS only").into());
        }
        if request.minor > MINOR_MAX || !request.unknown.is_empty() {
            self.negotiate_version(&request).await?;
        }
        self.authenticate(&request.user).await?;
        let server_address = self.stream()?.local_address();
        let tls = self.stream()?.tls();
        let bell = Arc::new(Doorbell::default());
        let mut session = self.shared.engine.session(SessionOptions {
            user: request.user,
            database: request.database,
            parameters: request.parameters,
            internal: false,
            mailbox: Some(bell.clone() as Arc<dyn Mailbox>),
            client_address: self.address.clone(),
            server_address,
            tls,
        })?;
        let greeting = greeting(&mut session, request.minor);
        Ok(Some(Begun { session, bell, greeting }))
    }

    pub(crate) fn stream(&mut self) -> Result<&mut Stream, Stop> {
        self.stream.as_mut().ok_or(Stop::Closed)
    }

    /// A TLS handshake without SSLRequest before it: accepted if it names the protocol.
    async fn direct_tls(&mut self) -> Result<(), Stop> {
        let Stream::Tcp(socket) = self.stream()? else { return Ok(()) };
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Err(Stop::Closed);
        }
        if first[0] != TLS_HANDSHAKE {
            return Ok(());
        }
        self.tls().await?;
        match self.stream()? {
            Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"postgresql") => Ok(()),
            _ => Err(violation("received direct TLS connection request without ALPN protocol negotiation").into()),
        }
    }

    async fn tls(&mut self) -> Result<(), Stop> {
        let (Some(tls), Some(Stream::Tcp(socket))) = (&self.shared.tls, self.stream.take()) else {
            return Err(Stop::Closed);
        };
        let stream = tls.acceptor.accept(socket).await.map_err(|error| {
            tracing::debug!(address = %self.address, "TLS handshake failed: {error}");
            Stop::Closed
        })?;
        self.stream = Some(Stream::Tls(Box::new(stream)));
        Ok(())
    }

    /// Answers requests for encryption and cancel until the start-up message comes.
    async fn request(&mut self) -> Result<Option<Request>, Stop> {
        let (mut asked_ssl, mut asked_gss) = (false, false);
        loop {
            let packet = self.packet().await?;
            let mut fields = Fields::new(&packet);
            let code = fields.int32()?.cast_unsigned();
            match code {
                CANCEL_REQUEST => {
                    let pid = fields.int32()?;
                    // Whether it met anything is not told.
                    let _ = self.shared.engine.cancel(pid, fields.rest());
                    return Ok(None);
                }
                SSL_REQUEST if !asked_ssl => {
                    asked_ssl = true;
                    let offered = self.shared.tls.is_some() && matches!(self.stream, Some(Stream::Tcp(_)));
                    self.stream()?.write_all(if offered { b"S" } else { b"N" }).await?;
                    if offered {
                        self.tls().await?;
                    }
                }
                GSSENC_REQUEST if !asked_gss => {
                    asked_gss = true;
                    let stream = self.stream()?;
                    stream.write_all(b"N").await?;
                    stream.flush().await?;
                }
                _ if code >> 16 == 3 => return Ok(Some(parse_request(code & 0xffff, fields)?)),
                _ => {
                    let (major, minor) = (code >> 16, code & 0xffff);
                    return Err(SqlError::new(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_MAX}"),
                    )
                    .into());
                }
            }
        }
    }

    /// One message without a type byte.
    async fn packet(&mut self) -> Result<Vec<u8>, Stop> {
        let length = self.stream()?.read_u32().await? as usize;
        if !(8..=PACKET_BYTES_MAX).contains(&length) {
            return Err(violation("invalid length of startup packet").into());
        }
        let mut packet = vec![0; length - 4];
        self.stream()?.read_exact(&mut packet).await?;
        Ok(packet)
    }

    async fn negotiate_version(&mut self, request: &Request) -> Result<(), Stop> {
        let mut out = Vec::new();
        put(&mut out, b'v', |out| {
            out.extend_from_slice(&(3 << 16 | request.minor.min(MINOR_MAX)).to_be_bytes());
            out.extend_from_slice(&u32::try_from(request.unknown.len()).unwrap_or(0).to_be_bytes());
            for name in &request.unknown {
                put_string(out, name);
            }
        });
        self.stream()?.write_all(&out).await?;
        Ok(())
    }
}

/// AuthenticationOk, ParameterStatus …, BackendKeyData (PG-9). ReadyForQuery follows from the connection.
fn greeting(session: &mut Session, minor: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    put(&mut out, b'R', |out| out.extend_from_slice(&[0; 4]));
    for (name, value) in session.take_parameter_changes() {
        put_parameter(&mut out, &name, &value);
    }
    put(&mut out, b'K', |out| {
        out.extend_from_slice(&session.pid().to_be_bytes());
        let secret = session.secret();
        out.extend_from_slice(if minor >= 2 { secret } else { &secret[..secret.len().min(4)] });
    });
    out
}

fn parse_request(minor: u32, mut fields: Fields<'_>) -> Result<Request> {
    let mut request = Request { minor, ..Request::default() };
    let bad_layout = || violation("invalid startup packet layout: expected terminator as last byte");
    loop {
        let name = fields.string().map_err(|_| bad_layout())?;
        if name.is_empty() {
            break;
        }
        let value = fields.string().map_err(|_| bad_layout())?;
        match name {
            "user" => value.clone_into(&mut request.user),
            "database" => value.clone_into(&mut request.database),
            "options" => request.parameters.extend(parse_options(value)?),
            "replication" if matches!(value, "false" | "off" | "no" | "0") => {}
            "replication" => return Err(SqlError::unsupported("replication").fatal()),
            _ if name.starts_with("_pq_.") => request.unknown.push(name.to_owned()),
            _ => request.parameters.push((name.to_owned(), value.to_owned())),
        }
    }
    fields.end().map_err(|_| bad_layout())?;
    if request.user.is_empty() {
        return Err(refused("no PostgreSQL user name specified in startup packet"));
    }
    if request.database.is_empty() {
        request.database.clone_from(&request.user);
    }
    Ok(request)
}

/// Settings of the `options` parameter: `-c name=value`, `-cname=value`, `--name=value`; a backslash escapes a blank.
fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = words.last_mut().expect("there is always a last word");
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => word.push(c),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") if word == "-c" => words.next(),
            Some(rest) => Some(rest.to_owned()),
            None => None,
        };
        let Some((name, value)) = assignment.as_deref().and_then(|text| text.split_once('=')) else {
            return Err(SqlError::new(
                SqlState::SYNTAX_ERROR,
                format!("invalid command-line argument for server process: {word}"),
            )
            .fatal());
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &[u8]) -> Result<Request> {
        parse_request(0, Fields::new(body))
    }

    // PG-4, PG-6, PG-15, PG-16
    #[test]
    fn a_startup_message_is_taken_apart() {
        let made =
            request(b"user\0ann\0options\0-c a.b=1 --search-path=x\\ y -ctimezone=UTC\0_pq_.x\0on\0TimeZone\0UTC\0\0")
                .unwrap();
        assert_eq!((made.user.as_str(), made.database.as_str()), ("ann", "ann"));
        assert_eq!(made.unknown, ["_pq_.x"]);
        let pairs: Vec<_> = made.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a.b", "1"), ("search_path", "x y"), ("timezone", "UTC"), ("TimeZone", "UTC")]);
        for (body, state) in [
            (&b"user\0ann\0replication\0database\0\0"[..], SqlState::FEATURE_NOT_SUPPORTED),
            (b"database\0x\0\0", SqlState::INVALID_AUTHORIZATION_SPECIFICATION),
            (b"user\0ann\0options\0-x\0\0", SqlState::SYNTAX_ERROR),
            (b"user\0ann\0", SqlState::PROTOCOL_VIOLATION),
            (b"user\0ann\0\0more", SqlState::PROTOCOL_VIOLATION),
            (b"user\0\xff\0\0", SqlState::PROTOCOL_VIOLATION),
        ] {
            let error = request(body).unwrap_err();
            assert_eq!(error.state(), state);
            assert!(crate::error::ends_session(&error), "W-1: {error}");
        }
    }
}
