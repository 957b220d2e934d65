//! A client that knows nothing but bytes: it sends whatever a test wants, well-formed or not, and shows what came back.
//!
//! A message is shown in short, and a conversation as such words with blanks between:
//! `T(a,b) D(1,NULL) C(SELECT 1) Z(I)`; `E(42601)` and `N(42P07)` show the SQLSTATE, `E!(28000)` a FATAL one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Type byte.
    pub kind: u8,
    /// Body.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an error or notice.
    #[must_use]
    pub fn field(&self, code: u8) -> Option<String> {
        let fields = self.body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        fields.filter(|field| field[0] == code).map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).next()
    }

    /// The values of a DataRow.
    #[must_use]
    pub fn values(&self) -> Vec<Option<Vec<u8>>> {
        let mut at = 2;
        let mut values = Vec::new();
        for _ in 0..u16::from_be_bytes([self.body[0], self.body[1]]) {
            let length = i32::from_be_bytes(self.body[at..at + 4].try_into().unwrap());
            at += 4;
            values.push(usize::try_from(length).ok().map(|length| {
                at += length;
                self.body[at - length..at].to_vec()
            }));
        }
        values
    }

    /// The message in short.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let strings = |bytes: &[u8]| text(bytes).trim_end_matches('\0').replace('\0', "=");
        let detail = match self.kind {
            b'Z' | b'C' | b'S' | b'd' => strings(&self.body),
            b'E' | b'N' => self.field(b'C').unwrap_or_default(),
            b'D' => {
                let shown = |value: Option<Vec<u8>>| value.map_or_else(|| "NULL".to_owned(), |value| text(&value));
                self.values().into_iter().map(shown).collect::<Vec<_>>().join(",")
            }
            b'T' => self.column_names().join(","),
            b't' => self.body[2..]
                .chunks(4)
                .map(|oid| u32::from_be_bytes(oid.try_into().unwrap()).to_string())
                .collect::<Vec<_>>()
                .join(","),
            b'A' => strings(&self.body[4..]),
            b'R' => u32::from_be_bytes(self.body[..4].try_into().unwrap()).to_string(),
            _ => String::new(),
        };
        let fatal = self.kind == b'E' && self.field(b'V').as_deref() == Some("FATAL");
        let kind = format!("{}{}", char::from(self.kind), if fatal { "!" } else { "" });
        if detail.is_empty() { kind } else { format!("{kind}({detail})") }
    }

    /// A RowDescription's columns: name, OID and modifier of the type.
    #[must_use]
    pub fn columns(&self) -> Vec<(String, u32, i32)> {
        let mut columns = Vec::new();
        let mut rest = &self.body[2..];
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            let numbers = &rest[end + 1..];
            let oid = u32::from_be_bytes(numbers[6..10].try_into().unwrap());
            columns.push((name, oid, i32::from_be_bytes(numbers[12..16].try_into().unwrap())));
            rest = &rest[end + 19..];
        }
        columns
    }

    /// Names of a RowDescription's columns.
    #[must_use]
    pub fn column_names(&self) -> Vec<String> {
        self.columns().into_iter().map(|(name, ..)| name).collect()
    }
}

/// A conversation in short.
#[must_use]
pub fn shown(messages: &[Message]) -> String {
    messages.iter().map(Message::shown).collect::<Vec<_>>().join(" ")
}

/// A client.
#[derive(Debug)]
pub struct Raw {
    socket: TcpStream,
    out: Vec<u8>,
    /// Backend pid and secret of BackendKeyData.
    pub key: (i32, Vec<u8>),
}

impl Raw {
    /// Connects without saying anything.
    ///
    /// # Panics
    /// If nobody listens.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Raw {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Raw { socket, out: Vec::new(), key: (0, Vec::new()) }
    }

    /// Waits so long for each answer instead.
    ///
    /// # Panics
    /// If the connection is broken.
    pub fn patience(&mut self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).unwrap();
    }

    /// Connects as admin to postgres, up to the first ReadyForQuery.
    ///
    /// # Panics
    /// If that does not come.
    #[must_use]
    pub fn login(address: SocketAddr) -> Raw {
        let mut raw = Raw::connect(address);
        raw.startup(&[("user", "admin"), ("database", "postgres"), ("client_min_messages", "notice")]);
        let messages = raw.until_ready();
        assert_eq!(messages.last().map(|message| message.kind), Some(b'Z'), "{}", shown(&messages));
        let key = messages.iter().find(|message| message.kind == b'K').expect("BackendKeyData");
        raw.key = (i32::from_be_bytes(key.body[..4].try_into().unwrap()), key.body[4..].to_vec());
        raw
    }

    /// Sends a start-up message of protocol 3.0.
    pub fn startup(&mut self, parameters: &[(&str, &str)]) {
        self.startup_version(3 << 16, parameters);
    }

    /// Sends a start-up message.
    pub fn startup_version(&mut self, version: u32, parameters: &[(&str, &str)]) {
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        self.packet(&body);
    }

    /// Sends a message without a type byte.
    pub fn packet(&mut self, body: &[u8]) {
        self.out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        self.out.extend_from_slice(body);
        self.go();
    }

    /// Adds bytes to what is sent next.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Raw {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Adds a message.
    pub fn message(&mut self, kind: u8, body: &[u8]) -> &mut Raw {
        self.out.push(kind);
        self.out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        self.bytes(body)
    }

    /// Adds Parse.
    pub fn parse(&mut self, name: &str, sql: &str, types: &[u32]) -> &mut Raw {
        let mut body = format!("{name}\0{sql}\0").into_bytes();
        body.extend_from_slice(&u16::try_from(types.len()).unwrap().to_be_bytes());
        types.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
        self.message(b'P', &body)
    }

    /// Adds Bind with text parameters.
    pub fn bind(&mut self, portal: &str, statement: &str, params: &[Option<&str>], results: &[i16]) -> &mut Raw {
        let params: Vec<_> = params.iter().map(|param| param.map(str::as_bytes)).collect();
        self.bind_formats(portal, statement, &[], &params, results)
    }

    /// Adds Bind.
    pub fn bind_formats(
        &mut self,
        portal: &str,
        statement: &str,
        formats: &[i16],
        params: &[Option<&[u8]>],
        results: &[i16],
    ) -> &mut Raw {
        let mut body = format!("{portal}\0{statement}\0").into_bytes();
        let count =
            |body: &mut Vec<u8>, count: usize| body.extend_from_slice(&u16::try_from(count).unwrap().to_be_bytes());
        count(&mut body, formats.len());
        formats.iter().for_each(|format| body.extend_from_slice(&format.to_be_bytes()));
        count(&mut body, params.len());
        for param in params {
            let length = param.map_or(-1, |param| i32::try_from(param.len()).unwrap());
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(param.unwrap_or_default());
        }
        count(&mut body, results.len());
        results.iter().for_each(|format| body.extend_from_slice(&format.to_be_bytes()));
        self.message(b'B', &body)
    }

    /// Adds Describe of a statement (S) or portal (P).
    pub fn describe(&mut self, target: u8, name: &str) -> &mut Raw {
        self.message(b'D', format!("{}{name}\0", char::from(target)).as_bytes())
    }

    /// Adds Execute.
    pub fn execute(&mut self, portal: &str, max: u32) -> &mut Raw {
        let mut body = format!("{portal}\0").into_bytes();
        body.extend_from_slice(&max.to_be_bytes());
        self.message(b'E', &body)
    }

    /// Adds Close of a statement (S) or portal (P).
    pub fn close(&mut self, target: u8, name: &str) -> &mut Raw {
        self.message(b'C', format!("{}{name}\0", char::from(target)).as_bytes())
    }

    /// Adds Sync.
    pub fn sync(&mut self) -> &mut Raw {
        self.message(b'S', &[])
    }

    /// Adds Flush.
    pub fn flush(&mut self) -> &mut Raw {
        self.message(b'H', &[])
    }

    /// Adds Query.
    pub fn query(&mut self, sql: &str) -> &mut Raw {
        self.message(b'Q', format!("{sql}\0").as_bytes())
    }

    /// Sends what was added.
    ///
    /// # Panics
    /// If the server no longer takes it.
    pub fn go(&mut self) {
        let out = std::mem::take(&mut self.out);
        self.socket.write_all(&out).unwrap();
    }

    /// Sends what was added; gives the answers up to ReadyForQuery, in short. ParameterStatus is left out.
    pub fn ask(&mut self) -> String {
        self.go();
        let mut messages = self.until_ready();
        messages.retain(|message| message.kind != b'S');
        shown(&messages)
    }

    /// Sends a query; gives the answers in short.
    pub fn run(&mut self, sql: &str) -> String {
        self.query(sql).ask()
    }

    /// The next message; none when the server has closed.
    ///
    /// # Panics
    /// If nothing comes in time, or the connection breaks within a message.
    pub fn read(&mut self) -> Option<Message> {
        let mut kind = [0];
        match self.socket.read(&mut kind) {
            Ok(0) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            other => other.expect("an answer in time"),
        };
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.socket.read_exact(&mut body).unwrap();
        Some(Message { kind: kind[0], body })
    }

    /// Sends what was added and reads what comes while it does, up to ReadyForQuery outside a block: in how many pieces it
    /// came. The server has written at least so many times.
    ///
    /// # Panics
    /// If the connection breaks or nothing comes in time.
    pub fn pieces(&mut self) -> usize {
        let out = std::mem::take(&mut self.out);
        let mut writer = self.socket.try_clone().unwrap();
        let sending = std::thread::spawn(move || writer.write_all(&out).unwrap());
        let (mut pieces, mut tail, mut piece) = (0, Vec::new(), vec![0; 1 << 20]);
        while !tail.ends_with(b"Z\0\0\0\x05I") {
            let count = self.socket.read(&mut piece).expect("an answer in time");
            assert!(count > 0, "the server has closed");
            pieces += 1;
            tail.extend_from_slice(&piece[..count]);
        }
        sending.join().unwrap();
        pieces
    }

    /// One byte that is no message: the answer to SSLRequest.
    ///
    /// # Panics
    /// If it does not come.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// Messages up to ReadyForQuery or the end.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.read() {
            let ready = message.kind == b'Z';
            messages.push(message);
            if ready {
                break;
            }
        }
        messages
    }

    /// So many messages, in short.
    pub fn next(&mut self, count: usize) -> String {
        let messages: Vec<Message> = (0..count).map_while(|_| self.read()).collect();
        shown(&messages)
    }

    /// Whether nothing comes for a while.
    ///
    /// # Panics
    /// If the connection breaks.
    pub fn silent(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut byte = [0];
        let nothing = self.socket.peek(&mut byte).is_err();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        nothing
    }

    /// Everything up to the end of the connection, in short.
    pub fn until_end(&mut self) -> String {
        self.go();
        let messages: Vec<Message> = std::iter::from_fn(|| self.read()).collect();
        shown(&messages)
    }
}

/// Cancels the statement of a client through a connection of its own.
pub fn cancel(address: SocketAddr, key: &(i32, Vec<u8>)) {
    let mut raw = Raw::connect(address);
    let mut body = 80_877_102_u32.to_be_bytes().to_vec();
    body.extend_from_slice(&key.0.to_be_bytes());
    body.extend_from_slice(&key.1);
    raw.packet(&body);
    assert_eq!(raw.read(), None, "a cancel request is closed without an answer");
}
