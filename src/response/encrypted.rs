//! The success Response whose assertion only the relying party can read (SAML core 2.3.4).

use crate::authn::event::Event;
use crate::response::assertion::Assertion;
use crate::response::envelope::Signing;
use crate::response::status::status_of;
use crate::saml::encryption::{EncryptionError, Randomness, Recipient, encrypt};
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use std::fmt;

/// For whom an assertion is encrypted, and the chance it takes.
pub struct Encryption<'a> {
    /// Whom for, and how: from `EncryptionSettings::recipient`.
    pub recipient: Recipient<'a>,
    /// Fresh random octets.
    pub randomness: Randomness,
}

impl fmt::Debug for Encryption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encryption({:?}, ***)", self.recipient)
    }
}

/// Why a Response could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// It could not be signed.
    Signature(KeyError),
    /// The assertion could not be encrypted.
    Encryption(EncryptionError),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(error) => error.fmt(f),
            Self::Encryption(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ResponseError {}

impl From<KeyError> for ResponseError {
    fn from(error: KeyError) -> Self {
        Self::Signature(error)
    }
}

impl From<EncryptionError> for ResponseError {
    fn from(error: EncryptionError) -> Self {
        Self::Encryption(error)
    }
}

/// The success Response with an EncryptedAssertion: the assertion is signed first if it is to be,
/// then encrypted, then enclosed, so that the Response's signature covers the cipher text
/// (SAML core 6.1).
pub fn encrypted_success(
    assertion: Assertion<'_>,
    signing: Signing,
    key: &SigningKey,
    encryption: &Encryption<'_>,
) -> Result<String, ResponseError> {
    let (octets, envelope) = assertion.finish(signing.assertion.then_some(key))?;
    let mut w = Writer::with_capacity(2 * octets.len() + 4096);
    w.open(Namespace::ASSERTION, "EncryptedAssertion");
    encrypt(
        &mut w,
        octets.as_bytes(),
        &encryption.recipient,
        encryption.randomness,
    )?;
    w.close();
    let status = status_of(Event::Proceed);
    let key = signing.response.then_some(key);
    Ok(envelope.enclose(&status, Some(&w.finish()), key)?)
}
