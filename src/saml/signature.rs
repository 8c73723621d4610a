//! XML signatures of the SAML profile (SAML core 5): verify strictly, sign canonical bytes.

mod algorithm;
mod sign;
mod verify;

pub use sign::sign;
pub(crate) use verify::{Reference, verify_signed_info};
pub use verify::{verify_detached, verify_enveloped, verify_enveloped_within};

use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::Element;
use std::fmt;

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Why a message that changed under way is refused.
pub(super) const WRONG_DIGEST: &str = "the digest does not match";

/// Whether the root carries a `ds:Signature` child at all (even an empty or broken one).
pub fn is_signed(root: &Element) -> bool {
    root.first(Namespace::SIGNATURE.uri, "Signature").is_some()
}

/// Why a signature was refused: a constant reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError {
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for SignatureError {}

#[cfg(test)]
mod tests;
