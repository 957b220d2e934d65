//! Who a client is: SCRAM-SHA-256 (with channel binding over TLS), a password in clear over TLS, or trust on loopback.
//!
//! The library keeps the exchange of SCRAM; the verifiers come from the engine's roles. An unknown user, one without a
//! password and one whose password has expired meet a made-up verifier: neither timing nor flow tells.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use pgwire::api::auth::sasl::scram::{ScramSecret, ScramServerAuth, gen_salted_password};
use pgwire::api::auth::sasl::{SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD};
use pgwire::error::PgWireError;
use pgwire::messages::Message;
use pgwire::messages::startup::Authentication;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tripline_sql::error::{SqlError, SqlState};

use crate::config::Auth;
use crate::handler::Stop;
use crate::message::{Fields, violation};
use crate::startup::{PACKET_BYTES_MAX, Startup};

/// Iterations of a made-up verifier: those of a real one.
const ITERATIONS: usize = 4096;
/// Microseconds from 1970 to 2000.
const UNIX_TO_2000_MICROS: i64 = 946_684_800_000_000;

impl Startup {
    /// Comes back only if the client may be this user.
    pub(crate) async fn authenticate(&mut self, user: &str) -> Result<(), Stop> {
        let result = match self.method(user) {
            Auth::Trust => match self.peer {
                Some(peer) if !peer.to_canonical().is_loopback() => {
                    Err(refused("connections without a password are accepted from this machine only").into())
                }
                _ => Ok(()),
            },
            Auth::Password => self.cleartext(user).await,
            Auth::Auto | Auth::Scram => self.scram(user).await,
        };
        if let Err(Stop::Error(error) | Stop::Fatal(error)) = &result {
            self.shared.metrics.authentication_failed();
            tracing::warn!(user, address = %self.address, "authentication failed: {}", error.message());
        }
        result
    }

    fn method(&self, user: &str) -> Auth {
        match self.shared.config.auth {
            Auth::Auto if self.trusted(user) => Auth::Trust,
            Auth::Auto => Auth::Scram,
            chosen => chosen,
        }
    }

    /// Whether `auto` asks nothing of this user: on this machine one without a password, as long as no superuser has one.
    fn trusted(&self, user: &str) -> bool {
        let local = self.peer.is_none_or(|peer| peer.to_canonical().is_loopback());
        let own = || self.shared.engine.auth(user).is_some_and(|info| info.verifier.is_some());
        local && !self.shared.guarded() && !own()
    }

    /// The verifier of a user; made up, but always the same one, if there is none. True: a real one.
    fn secret(&self, user: &str) -> (ScramSecret, bool) {
        let info = self.shared.engine.auth(user);
        let now = self.shared.engine.env().clock.now();
        let real = info.and_then(|info| {
            let expired = info.valid_until.is_some_and(|until| until.saturating_add(UNIX_TO_2000_MICROS) < now);
            if expired { None } else { parse_verifier(info.verifier.as_deref()?) }
        });
        match real {
            Some(secret) => (secret, true),
            None => (made_up(&self.shared.disguise, user), false),
        }
    }

    async fn scram(&mut self, user: &str) -> Result<(), Stop> {
        let encrypted = self.stream()?.is_tls();
        let binding = self.shared.tls.as_ref().filter(|_| encrypted).and_then(|tls| tls.scram.clone());
        let mut mechanisms = vec![SCRAM_SHA_256_METHOD.to_owned()];
        if binding.is_some() {
            mechanisms.insert(0, SCRAM_SHA_256_PLUS_METHOD.to_owned());
        }
        self.ask(&Authentication::SASL(mechanisms.clone())).await?;
        let answer = self.answer().await?;
        let mut fields = Fields::new(&answer);
        let mechanism = fields.string()?;
        if !mechanisms.iter().any(|known| known == mechanism) {
            return Err(violation("client selected an invalid SASL authentication mechanism").into());
        }
        let first = fields.value()?.unwrap_or_default();
        fields.end()?;
        if (mechanism == SCRAM_SHA_256_PLUS_METHOD) != first.starts_with(b"p") {
            return Err(violation("malformed SCRAM message: channel binding does not fit the mechanism").into());
        }
        let (secret, real) = self.secret(user);
        let (challenge, exchange) = binding
            .unwrap_or_default()
            .on_client_first_message_with_secret(first, secret)
            .map_err(|error| scram_error(&error, user))?;
        self.ask(&Authentication::SASLContinue(challenge.into())).await?;
        let answer = self.answer().await?;
        let last = exchange.on_client_final_message(&answer).map_err(|error| scram_error(&error, user))?;
        if !real {
            return Err(wrong_password(user).into());
        }
        self.ask(&Authentication::SASLFinal(last.into())).await
    }

    /// The password in clear; asked for over TLS only.
    async fn cleartext(&mut self, user: &str) -> Result<(), Stop> {
        if !self.stream()?.is_tls() {
            return Err(refused("a password is accepted over TLS only").into());
        }
        self.ask(&Authentication::CleartextPassword).await?;
        let answer = self.answer().await?;
        let mut fields = Fields::new(&answer);
        let password = fields.string()?;
        fields.end()?;
        if password.is_empty() {
            return Err(SqlError::new(SqlState::INVALID_PASSWORD, "empty password returned by client").into());
        }
        let (secret, real) = self.secret(user);
        let fits = tokio::task::block_in_place(|| password_fits(password, secret));
        if fits && real { Ok(()) } else { Err(wrong_password(user).into()) }
    }

    async fn ask(&mut self, request: &Authentication) -> Result<(), Stop> {
        let mut bytes = BytesMut::new();
        request.encode(&mut bytes).map_err(SqlError::internal)?;
        let stream = self.stream()?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Body of the answer to an authentication request.
    async fn answer(&mut self) -> Result<Vec<u8>, Stop> {
        let stream = self.stream()?;
        let kind = stream.read_u8().await?;
        if kind != b'p' {
            return Err(violation(format!("expected password response, got message type {kind}")).into());
        }
        let length = stream.read_u32().await? as usize;
        if !(4..=PACKET_BYTES_MAX).contains(&length) {
            return Err(violation("invalid message length").into());
        }
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await?;
        Ok(body)
    }
}

/// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
fn parse_verifier(text: &str) -> Option<ScramSecret> {
    let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = parameters.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let decode = |text| STANDARD.decode(text).ok();
    Some(ScramSecret::Verifier {
        salt: decode(salt)?,
        iterations: iterations.parse().ok()?,
        stored_key: decode(stored_key)?,
        server_key: decode(server_key)?,
    })
}

/// A verifier that no password fits, the same at every try while the server runs.
fn made_up(disguise: &RandomState, user: &str) -> ScramSecret {
    let bytes = |part: u8, len: usize| -> Vec<u8> {
        (0..len.div_ceil(8)).flat_map(|word| disguise.hash_one((user, part, word)).to_be_bytes()).take(len).collect()
    };
    ScramSecret::Verifier {
        salt: bytes(0, 16),
        iterations: ITERATIONS,
        stored_key: bytes(1, 32),
        server_key: bytes(2, 32),
    }
}

/// Whether a password in clear gives the verifier's keys.
fn password_fits(password: &str, secret: ScramSecret) -> bool {
    let ScramSecret::Verifier { salt, iterations, stored_key, server_key } = secret else { return false };
    let salted = gen_salted_password(password, &salt, iterations);
    match ScramSecret::verifier_from_salted_password(salt, salted, iterations) {
        // Hashes of what the client sent: how far they agree tells nothing about the password.
        ScramSecret::Verifier { stored_key: stored, server_key: server, .. } => {
            stored == stored_key && server == server_key
        }
        ScramSecret::SaltedPassword { .. } => false,
    }
}

fn scram_error(error: &PgWireError, user: &str) -> SqlError {
    match error {
        PgWireError::InvalidPassword(_) => wrong_password(user),
        other => violation(format!("malformed SCRAM message: {other}")),
    }
}

fn wrong_password(user: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PASSWORD, format!("password authentication failed for user \"{user}\"")).fatal()
}

/// FATAL 28000.
pub(crate) fn refused(why: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, why).fatal()
}

/// What TLS needs, made once.
pub(crate) struct Tls {
    pub(crate) acceptor: tokio_rustls::TlsAcceptor,
    /// For the AMI message port, whose clients name no protocol.
    pub(crate) ami: tokio_rustls::TlsAcceptor,
    /// SCRAM with channel binding to the certificate; none if its signature algorithm has no hash to bind to.
    pub(crate) scram: Option<ScramServerAuth>,
}

impl Tls {
    /// From the PEM texts of certificate chain and key.
    pub(crate) fn new(cert: &[u8], key: &[u8]) -> std::result::Result<Tls, String> {
        let chain =
            rustls_pemfile::certs(&mut &*cert).collect::<std::io::Result<Vec<_>>>().map_err(|e| e.to_string())?;
        if chain.is_empty() {
            return Err("the certificate file holds no certificate".to_owned());
        }
        let private = rustls_pemfile::private_key(&mut &*key).map_err(|e| e.to_string())?;
        let private = private.ok_or("the key file holds no private key")?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|e| e.to_string())?;
        let ami = Arc::new(config.clone()).into();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        let mut scram = ScramServerAuth::new();
        let bound = scram.configure_certificate(cert).is_ok();
        Ok(Tls { acceptor: Arc::new(config).into(), ami, scram: bound.then_some(scram) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-10
    #[test]
    fn a_verifier_fits_its_password_alone() {
        let salted = gen_salted_password("pencil", b"0123456789abcdef", ITERATIONS);
        let made = ScramSecret::verifier_from_salted_password(b"0123456789abcdef".to_vec(), salted, ITERATIONS);
        let ScramSecret::Verifier { salt, iterations, stored_key, server_key } = made else { panic!("a verifier") };
        let text = format!(
            "SCRAM-SHA-256${iterations}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        );
        assert!(password_fits("pencil", parse_verifier(&text).unwrap()));
        assert!(!password_fits("Pencil", parse_verifier(&text).unwrap()));
        assert!(parse_verifier("md5abc").is_none());
        assert!(parse_verifier("SCRAM-SHA-256$4096:!$x:y").is_none());
    }

    #[test]
    fn an_unknown_user_meets_the_same_salt_again() {
        let disguise = RandomState::new();
        let salt = |user| match made_up(&disguise, user) {
            ScramSecret::Verifier { salt, .. } => salt,
            ScramSecret::SaltedPassword { .. } => panic!("a verifier"),
        };
        assert_eq!(salt("ann"), salt("ann"));
        assert_ne!(salt("ann"), salt("bob"));
        assert_eq!(salt("ann").len(), 16);
    }
}
