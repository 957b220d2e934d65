//! TLS of the sending side: a keystore (PKCS#12 or PEM, AMI-158) read and made into a client's settings.
//!
//! A server is trusted if its certificate stands in the keystore itself, as in a keystore that both ends share, or if it
//! is issued for the host's name by a certificate that does. Without a keystore the connection is encrypted and the
//! server's certificate is not looked at, as PostgreSQL's `sslmode=require`.

use std::sync::Arc;

use p12_keystore::Pkcs12Archive;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, crypto::ring,
};
use tripline_sql::error::{Result, SqlError, SqlState};

/// A keystore's certificates and, if it has one, its private key.
struct Keystore {
    certificates: Vec<CertificateDer<'static>>,
    key: Option<PrivateKeyDer<'static>>,
}

/// A client's settings from a keystore file and its password, or without one.
/// Errors: 58P01 the file cannot be read or holds nothing of use, 28P01 wrong password.
pub(super) fn config(keystore: Option<&(String, String)>) -> Result<Arc<ClientConfig>> {
    let keystore = match keystore {
        Some((file, password)) => Some((file, read(file, password)?)),
        None => None,
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(SqlError::internal)?
        .dangerous();
    let Some((file, keystore)) = keystore else {
        let verifier = Arc::new(Verifier { provider, pinned: None, issued: None });
        return Ok(Arc::new(builder.with_custom_certificate_verifier(verifier).with_no_client_auth()));
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(keystore.certificates.iter().cloned());
    let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok();
    let verifier = Arc::new(Verifier { provider, pinned: Some(keystore.certificates.clone()), issued });
    let builder = builder.with_custom_certificate_verifier(verifier);
    let config = match keystore.key {
        Some(key) => builder
            .with_client_auth_cert(keystore.certificates, key)
            .map_err(|error| unusable(file, &format!("its private key cannot be used: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn unusable(file: &str, why: &str) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_FILE, format!("keystore \"{file}\": {why}"))
}

fn read(file: &str, password: &str) -> Result<Keystore> {
    let bytes = std::fs::read(file).map_err(|error| unusable(file, &error.to_string()))?;
    let keystore = if bytes.windows(11).any(|part| part == b"-----BEGIN ") {
        pem(&bytes).map_err(|error| unusable(file, &error.to_string()))?
    } else {
        pkcs12(file, &bytes, password)?
    };
    if keystore.certificates.is_empty() {
        return Err(unusable(file, "it holds no certificate"));
    }
    Ok(keystore)
}

fn pem(bytes: &[u8]) -> std::io::Result<Keystore> {
    let certificates = rustls_pemfile::certs(&mut &*bytes).collect::<std::io::Result<Vec<_>>>()?;
    Ok(Keystore { certificates, key: rustls_pemfile::private_key(&mut &*bytes)? })
}

fn pkcs12(file: &str, bytes: &[u8], password: &str) -> Result<Keystore> {
    // A sequence at the very least; what is none is no keystore, whatever the password.
    if bytes.first() != Some(&0x30) {
        return Err(unusable(file, "it is neither PKCS#12 nor PEM"));
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| {
        tracing::debug!(file, "keystore: {error}");
        SqlError::new(SqlState::INVALID_PASSWORD, format!("keystore \"{file}\": wrong password, or damaged"))
    })?;
    let key = archive.keys.into_iter().next();
    let mut certs = archive.certs;
    // The key's own certificate comes first.
    if let Some(id) = key.as_ref().and_then(|key| key.local_key_id.as_ref()) {
        certs.sort_by_key(|cert| cert.local_key_id.as_ref() != Some(&id.0));
    }
    let certificates = certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect();
    let key = key.map(|bag| PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()).into());
    Ok(Keystore { certificates, key })
}

/// Who a server must be.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Certificates trusted themselves; none: every server is.
    pinned: Option<Vec<CertificateDer<'static>>>,
    /// What those certificates have issued.
    issued: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        match (&self.pinned, &self.issued) {
            (None, _) => Ok(ServerCertVerified::assertion()),
            (Some(pinned), _) if pinned.iter().any(|one| one == end_entity) => Ok(ServerCertVerified::assertion()),
            (Some(_), Some(issued)) => {
                issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            (Some(_), None) => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
