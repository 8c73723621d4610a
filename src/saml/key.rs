//! Keys and certificates, loaded once and held: no request parses a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Private};
use openssl::sign::Signer;
use openssl::x509::{X509, X509Ref};
use std::fmt;
use std::sync::Arc;

/// The smallest RSA modulus we sign with or trust (NIST SP 800-131A; S18).
pub const MINIMUM_RSA_BITS: u32 = 2048;

/// A signing key with its certificate; RSA or EC. `Debug` never shows the key.
#[derive(Clone)]
pub struct SigningKey {
    inner: Arc<Inner>,
}

struct Inner {
    key: PKey<Private>,
    kind: KeyKind,
    certificate: X509,
    certificate_base64: String,
}

/// What kind of key it is, checked: an RSA key here is long enough, an EC key of a known curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::saml) enum KeyKind {
    Rsa,
    /// With the length of each of r and s in octets (RFC 4050 3.3).
    Ec {
        half: i32,
    },
}

impl KeyKind {
    /// The kind of a key that is fit for signatures, or why it is not.
    pub(in crate::saml) fn of<T: openssl::pkey::HasPublic>(
        key: &PKeyRef<T>,
    ) -> Result<Self, &'static str> {
        match key.id() {
            Id::RSA if key.bits() < MINIMUM_RSA_BITS => Err("RSA key shorter than 2048 bits"),
            Id::RSA => Ok(Self::Rsa),
            Id::EC => {
                let curve = key.ec_key().ok().and_then(|ec| ec.group().curve_name());
                match curve {
                    Some(Nid::X9_62_PRIME256V1) => Ok(Self::Ec { half: 32 }),
                    Some(Nid::SECP384R1) => Ok(Self::Ec { half: 48 }),
                    Some(Nid::SECP521R1) => Ok(Self::Ec { half: 66 }),
                    _ => Err("EC key on a curve other than P-256, P-384 and P-521"),
                }
            }
            _ => Err("key is neither RSA nor EC"),
        }
    }
}

impl SigningKey {
    /// Loads a PEM private key and its PEM certificate and checks that they belong together.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, KeyError> {
        let key = private_key(key)?;
        let kind = KeyKind::of(&key).map_err(refusal)?;
        let certificate =
            X509::from_pem(certificate).map_err(|_| refusal("not a PEM certificate"))?;
        let matches = certificate
            .public_key()
            .is_ok_and(|public| public.public_eq(&key));
        if !matches {
            return Err(refusal("the certificate does not belong to the key"));
        }
        let der = certificate
            .to_der()
            .map_err(|_| refusal("the certificate cannot be encoded"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                key,
                kind,
                certificate,
                certificate_base64: STANDARD.encode(der),
            }),
        })
    }

    /// The certificate.
    pub fn certificate(&self) -> &X509Ref {
        &self.inner.certificate
    }

    /// The certificate as base64 DER without line breaks, for `KeyInfo` and metadata.
    pub fn certificate_base64(&self) -> &str {
        &self.inner.certificate_base64
    }

    /// Signs octets with the algorithm that fits the key (RSA-SHA256 or ECDSA-SHA256, raw r||s).
    pub fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.try_sign(octets)
            .map_err(|_| refusal("OpenSSL could not sign"))
    }

    fn try_sign(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let signature =
            Signer::new(MessageDigest::sha256(), &self.inner.key)?.sign_oneshot_to_vec(octets)?;
        match self.inner.kind {
            KeyKind::Rsa => Ok(signature),
            // XML Signature (RFC 6931 2.3.6) wants the two numbers, not OpenSSL's DER.
            KeyKind::Ec { half } => {
                let pair = EcdsaSig::from_der(&signature)?;
                let mut raw = pair.r().to_vec_padded(half)?;
                raw.append(&mut pair.s().to_vec_padded(half)?);
                Ok(raw)
            }
        }
    }

    /// The `SignatureMethod` URI that [`Self::sign`] produces.
    pub fn algorithm(&self) -> &'static str {
        match self.inner.kind {
            KeyKind::Rsa => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            KeyKind::Ec { .. } => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        }
    }
}

/// A key, RSA or EC, that decrypts what was encrypted for us. `Debug` never shows it.
#[derive(Clone)]
pub struct DecryptionKey(PKey<Private>);

impl DecryptionKey {
    /// Loads a PEM private key.
    pub fn from_pem(key: &[u8]) -> Result<Self, KeyError> {
        let key = private_key(key)?;
        KeyKind::of(&key).map_err(refusal)?;
        Ok(Self(key))
    }

    /// The key.
    pub(in crate::saml) fn pkey(&self) -> &PKeyRef<Private> {
        &self.0
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptionKey(***)")
    }
}

fn private_key(pem: &[u8]) -> Result<PKey<Private>, KeyError> {
    // The callback answers an encrypted key with no passphrase; without it OpenSSL would ask on
    // the terminal.
    PKey::private_key_from_pem_callback(pem, |_| Ok(0))
        .map_err(|_| refusal("not an unencrypted PEM private key"))
}

fn refusal(reason: &str) -> KeyError {
    KeyError(reason.to_owned())
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

#[cfg(test)]
pub(crate) mod tests;
