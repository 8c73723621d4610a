//! Keys and certificates, loaded once and held: no request parses a key.

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use std::fmt;
use std::sync::Arc;

/// A signing key with its certificate; RSA or EC. `Debug` never shows the key.
#[derive(Clone)]
pub struct SigningKey {
    #[expect(dead_code, reason = "skeleton")]
    inner: Arc<Inner>,
}

struct Inner {
    #[expect(dead_code, reason = "skeleton")]
    key: PKey<Private>,
    #[expect(dead_code, reason = "skeleton")]
    certificate: X509,
}

impl SigningKey {
    /// Loads a PEM private key and its PEM certificate and checks that they belong together.
    pub fn from_pem(_key: &[u8], _certificate: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// The certificate as base64 DER without line breaks, for `KeyInfo` and metadata.
    pub fn certificate_base64(&self) -> &str {
        todo!()
    }

    /// Signs octets with the algorithm that fits the key (RSA-SHA256 or ECDSA-SHA256, raw r||s).
    pub fn sign(&self, _octets: &[u8]) -> Result<Vec<u8>, KeyError> {
        todo!()
    }

    /// The `SignatureMethod` URI that [`Self::sign`] produces.
    pub fn algorithm(&self) -> &'static str {
        todo!()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Why a key could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(pub String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}
