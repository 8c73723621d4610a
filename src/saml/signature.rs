//! XML signatures of the SAML profile (SAML core 5): verify strictly, sign canonical bytes.

use crate::saml::binding::DetachedSignature;
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::reader::Element;
use std::fmt;

/// Verifies the enveloped signature of `root` with one of `keys`, each tried in turn.
///
/// Exactly one `ds:Signature` child of the root, one same-document Reference to the root's ID,
/// enveloped and exclusive-C14N transforms only, algorithms from the allow-list.
pub fn verify_enveloped(_root: &Element, _keys: &[TrustedKey]) -> Result<(), SignatureError> {
    todo!()
}

/// Verifies a Redirect-binding signature over the received octets.
pub fn verify_detached(
    _signature: &DetachedSignature,
    _keys: &[TrustedKey],
) -> Result<(), SignatureError> {
    todo!()
}

/// Whether the root carries a `ds:Signature` child at all (even an empty or broken one).
pub fn is_signed(root: &Element) -> bool {
    root.first("http://www.w3.org/2000/09/xmldsig#", "Signature")
        .is_some()
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
