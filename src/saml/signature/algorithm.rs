//! The algorithms a signature may name, and which key fits which. Everything else is refused:
//! SHA-1, MD5, DSA and HMAC above all (S08, S18).

use super::SignatureError;
use crate::saml::key::KeyKind;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKeyRef, Public};
use openssl::sign::Verifier;

/// `DigestMethod` of what we sign.
pub(super) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// The digest that a `DigestMethod` names.
pub(super) fn digest(uri: &str) -> Result<MessageDigest, SignatureError> {
    match uri {
        SHA256 => Ok(MessageDigest::sha256()),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Ok(MessageDigest::sha384()),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Ok(MessageDigest::sha512()),
        _ => Err(SignatureError {
            reason: "digest algorithm not allowed",
        }),
    }
}

/// A `SignatureMethod` of the allow-list.
#[derive(Clone, Copy)]
pub(super) struct SignatureMethod {
    family: Family,
    digest: MessageDigest,
}

#[derive(Clone, Copy)]
enum Family {
    Rsa,
    Ecdsa,
}

impl SignatureMethod {
    /// The method with this URI (RFC 6931 2.3).
    pub(super) fn from_uri(uri: &str) -> Result<Self, SignatureError> {
        let (family, digest) = match uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#") {
            Some("rsa-sha256") => (Family::Rsa, MessageDigest::sha256()),
            Some("rsa-sha384") => (Family::Rsa, MessageDigest::sha384()),
            Some("rsa-sha512") => (Family::Rsa, MessageDigest::sha512()),
            Some("ecdsa-sha256") => (Family::Ecdsa, MessageDigest::sha256()),
            Some("ecdsa-sha384") => (Family::Ecdsa, MessageDigest::sha384()),
            Some("ecdsa-sha512") => (Family::Ecdsa, MessageDigest::sha512()),
            _ => {
                return Err(SignatureError {
                    reason: "signature algorithm not allowed",
                });
            }
        };
        Ok(Self { family, digest })
    }

    /// `key` fits this method and made `signature` over `octets`.
    pub(super) fn verify(
        self,
        key: &PKeyRef<Public>,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match (self.family, KeyKind::of(key)) {
            (Family::Rsa, Ok(KeyKind::Rsa)) => self.check(key, octets, signature),
            (Family::Ecdsa, Ok(KeyKind::Ec { half })) => {
                let der = ecdsa_der(signature, half).ok_or(NOT_VERIFIED)?;
                self.check(key, octets, &der)
            }
            _ => Err(NOT_VERIFIED),
        }
    }

    fn check(
        self,
        key: &PKeyRef<Public>,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let verified = || Verifier::new(self.digest, key)?.verify_oneshot(signature, octets);
        match verified() {
            Ok(true) => Ok(()),
            // An error of OpenSSL is a signature not verified.
            Ok(false) | Err(_) => Err(NOT_VERIFIED),
        }
    }
}

const NOT_VERIFIED: SignatureError = SignatureError {
    reason: "no trusted key verifies the signature",
};

/// OpenSSL's form of XML Signature's r||s.
fn ecdsa_der(raw: &[u8], half: i32) -> Option<Vec<u8>> {
    let half = usize::try_from(half).ok()?;
    if raw.len() != 2 * half {
        return None;
    }
    let (r, s) = raw.split_at(half);
    let der = || -> Result<Vec<u8>, ErrorStack> {
        EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
    };
    der().ok()
}
