//! Checks of Duo's certificate beyond its chain: pinned keys, and revocation.

use super::revocation::{Revocation, Unproved};
use openssl::sha::sha256;
use openssl::x509::{X509, X509Ref, X509VerifyResult};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::fmt;
use std::sync::Arc;

/// Longer chains are nobody's.
const LONGEST_CHAIN: usize = 8;

/// The usual verifier, and then more.
pub(super) struct StrictVerifier {
    /// Chain, name and dates.
    pub(super) inner: Arc<WebPkiServerVerifier>,
    /// What the chain must end in.
    pub(super) roots: Vec<X509>,
    /// SHA-256 of SubjectPublicKeyInfo; one of the chain must be among them, if any is named.
    pub(super) pins: Vec<[u8; 32]>,
    /// What is known of revoked certificates.
    pub(super) revocation: Arc<Revocation>,
}

impl fmt::Debug for StrictVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StrictVerifier({} pins)", self.pins.len())
    }
}

impl ServerCertVerifier for StrictVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let inner = &self.inner;
        inner.verify_server_cert(end_entity, intermediates, server_name, &[], now)?;
        let chain = self.chain(end_entity, intermediates)?;
        self.require_pin(&chain)?;
        for pair in chain.windows(2) {
            self.revocation
                .judge(&pair[0], &pair[1])
                .map_err(|unproved| match unproved {
                    Unproved::Revoked => CertificateError::Revoked,
                    Unproved::Unknown => CertificateError::UnknownRevocationStatus,
                    Unproved::Stale => CertificateError::ExpiredRevocationList,
                })?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl StrictVerifier {
    /// From Duo's certificate to a trusted root, each one's signature made by the next: a
    /// certificate that was only sent along is not part of it.
    fn chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Vec<X509>, Error> {
        let parse = |der: &CertificateDer<'_>| {
            X509::from_der(der).map_err(|_| Error::from(CertificateError::BadEncoding))
        };
        let sent: Result<Vec<X509>, Error> = intermediates.iter().map(parse).collect();
        let sent = sent?;
        let mut chain = vec![parse(end_entity)?];
        while chain.len() <= LONGEST_CHAIN {
            let last = &chain[chain.len() - 1];
            if let Some(root) = self.roots.iter().find(|root| issued(root, last)) {
                chain.push(root.clone());
                return Ok(chain);
            }
            let next = sent.iter().find(|issuer| issued(issuer, last));
            let next = next.ok_or(CertificateError::UnknownIssuer)?.clone();
            chain.push(next);
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn require_pin(&self, chain: &[X509]) -> Result<(), Error> {
        let pinned = |certificate: &X509| pin(certificate).is_some_and(|p| self.pins.contains(&p));
        if self.pins.is_empty() || chain.iter().any(pinned) {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}

fn issued(issuer: &X509Ref, subject: &X509Ref) -> bool {
    let signed = || {
        let key = issuer.public_key().ok()?;
        subject.verify(&key).ok()
    };
    issuer.issued(subject) == X509VerifyResult::OK && signed() == Some(true)
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4).
pub(super) fn pin(certificate: &X509Ref) -> Option<[u8; 32]> {
    let key = certificate.public_key().ok()?;
    Some(sha256(&key.public_key_to_der().ok()?))
}
