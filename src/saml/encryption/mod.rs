//! XML Encryption for SAML (SAML core 2.3.4, 6): content under a key of its own, and that key sent
//! by RSA-OAEP or wrapped under an ECDH-ES agreement.
//!
//! Inbound, AES-GCM alone is taken: CBC modes and RSA PKCS#1 v1.5 have padding oracles (S17).
//! Outbound, CBC exists for old SPs, by explicit override and nothing else; RSA PKCS#1 v1.5 does
//! not exist at all.

mod agreement;
mod choice;
mod open;
mod seal;

pub use choice::{EncryptionPolicy, EncryptionSettings, NoRecipient};
pub use open::decrypt;
pub use seal::encrypt;

use crate::saml::metadata::TrustedKey;
use crate::saml::xml::namespace::Namespace;
use openssl::symm::Cipher;
use std::fmt;

const XENC: Namespace = Namespace::ENCRYPTION;
const DS: Namespace = Namespace::SIGNATURE;
const XENC11: Namespace = Namespace::new("xenc11", "http://www.w3.org/2009/xmlenc11#");
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MGF1_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";

/// Octets of a GCM initialisation vector and tag (XML Encryption 1.1 5.2.4).
const GCM_IV: usize = 12;
const GCM_TAG: usize = 16;

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockEncryption {
    /// `http://www.w3.org/2009/xmlenc11#aes128-gcm`
    Aes128Gcm,
    /// `http://www.w3.org/2009/xmlenc11#aes256-gcm`
    Aes256Gcm,
    /// `http://www.w3.org/2001/04/xmlenc#aes128-cbc`: outbound, by override alone (IIP-ALG05).
    Aes128Cbc,
    /// `http://www.w3.org/2001/04/xmlenc#aes256-cbc`: outbound, by override alone (IIP-ALG05).
    Aes256Cbc,
}

impl BlockEncryption {
    /// Every one we can produce.
    pub const ALL: [Self; 4] = [
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::Aes128Cbc,
        Self::Aes256Cbc,
    ];

    /// The algorithm's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            Self::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            Self::Aes128Cbc => "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
            Self::Aes256Cbc => "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
        }
    }

    /// The algorithm with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.uri() == uri)
    }

    /// Whether a changed octet is noticed: what CBC lacks.
    pub fn is_authenticated(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm)
    }

    fn cipher(self) -> Cipher {
        match self {
            Self::Aes128Gcm => Cipher::aes_128_gcm(),
            Self::Aes256Gcm => Cipher::aes_256_gcm(),
            Self::Aes128Cbc => Cipher::aes_128_cbc(),
            Self::Aes256Cbc => Cipher::aes_256_cbc(),
        }
    }
}

/// How the content's key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTransport {
    /// `http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p` with SHA-1: what every SP knows. OAEP
    /// does not rest on collision resistance, so SHA-1 is no weakness here.
    RsaOaepMgf1p,
    /// `http://www.w3.org/2009/xmlenc11#rsa-oaep` with SHA-256 throughout.
    RsaOaepSha256,
    /// `http://www.w3.org/2009/xmlenc11#ECDH-ES` with ConcatKDF, then AES key wrap.
    EcdhEs,
}

impl KeyTransport {
    /// Every one we can produce.
    pub const ALL: [Self; 3] = [Self::RsaOaepMgf1p, Self::RsaOaepSha256, Self::EcdhEs];

    /// The algorithm's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaOaepMgf1p => "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            Self::RsaOaepSha256 => "http://www.w3.org/2009/xmlenc11#rsa-oaep",
            Self::EcdhEs => "http://www.w3.org/2009/xmlenc11#ECDH-ES",
        }
    }

    /// The algorithm with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.uri() == uri)
    }
}

/// Whom to encrypt for, and how. Made by [`EncryptionSettings::recipient`] from metadata.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Who they are: their entityID.
    pub entity_id: &'a str,
    /// Their key: RSA or EC.
    pub key: &'a TrustedKey,
    /// How the content is encrypted.
    pub block: BlockEncryption,
    /// How the content's key is sent.
    pub transport: KeyTransport,
}

/// Octets of [`Randomness`]: a content key, an initialisation vector, and 64 bits more than the
/// order of the largest curve, so that an ephemeral key taken from them has no bias.
pub const RANDOMNESS: usize = 32 + 16 + 80;

/// Fresh random octets for one encryption, never used twice.
pub type Randomness = [u8; RANDOMNESS];

/// Why something could not be encrypted or decrypted: a constant reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionError {
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for EncryptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for EncryptionError {}

#[cfg(test)]
mod tests;
