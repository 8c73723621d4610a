//! Inbound messages by HTTP-Redirect and HTTP-POST, byte for byte (SAML bindings 3.4, 3.5).
//!
//! The result is unproved: nothing here looks at metadata. `request::accept` does.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A SAML binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Binding {
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect`
    Redirect,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST`
    Post,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign`
    PostSimpleSign,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact`
    Artifact,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:SOAP`
    Soap,
    /// `urn:oasis:names:tc:SAML:2.0:bindings:PAOS`
    Paos,
}

impl Binding {
    /// The binding's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
            Self::PostSimpleSign => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST-SimpleSign",
            Self::Artifact => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact",
            Self::Soap => "urn:oasis:names:tc:SAML:2.0:bindings:SOAP",
            Self::Paos => "urn:oasis:names:tc:SAML:2.0:bindings:PAOS",
        }
    }

    /// The binding with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        [
            Self::Redirect,
            Self::Post,
            Self::PostSimpleSign,
            Self::Artifact,
            Self::Soap,
            Self::Paos,
        ]
        .into_iter()
        .find(|binding| binding.uri() == uri)
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

/// An inbound SAML request, decoded but unproved.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// How it came.
    pub binding: Binding,
    /// The XML octets, inflated and base64-decoded, size-capped.
    pub xml: Vec<u8>,
    /// The RelayState to echo.
    pub relay_state: Option<String>,
    /// The detached signature of the Redirect binding, if the query carried one.
    pub detached: Option<DetachedSignature>,
}

/// A Redirect-binding signature and the exact octets it covers (SAML bindings 3.4.4.1).
#[derive(Clone, Debug)]
pub struct DetachedSignature {
    /// `SAMLRequest=..&RelayState=..&SigAlg=..` as cut from the raw query string, never re-encoded.
    pub signed_octets: Vec<u8>,
    /// Decoded `SigAlg`.
    pub algorithm: String,
    /// Decoded `Signature`.
    pub signature: Vec<u8>,
}

/// Why a message could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingError {
    /// A constant, loggable reason.
    pub reason: &'static str,
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for BindingError {}

/// Decodes an AuthnRequest from a raw query string (`SAMLRequest=...`), as received.
pub fn decode_redirect(_raw_query: &str) -> Result<Inbound, BindingError> {
    todo!()
}

/// Decodes an AuthnRequest from a form body's raw octets (`application/x-www-form-urlencoded`).
pub fn decode_post(_raw_body: &[u8]) -> Result<Inbound, BindingError> {
    todo!()
}
