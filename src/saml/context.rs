//! Authentication context classes and what a relying party asks of them (SAML core 3.3.2.2.1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// An `AuthnContextClassRef` URI, compared as a plain string (SAML core 1.3.2: no normalisation).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthnContextClassRef(String);

impl AuthnContextClassRef {
    /// Wraps a class URI as it was written.
    pub fn new(uri: impl Into<String>) -> Self {
        Self(uri.into())
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthnContextClassRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport`.
pub const PASSWORD_PROTECTED_TRANSPORT: &str =
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// `urn:oasis:names:tc:SAML:2.0:ac:classes:Password`.
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
/// `urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified`.
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
/// The REFEDS MFA profile's class.
pub const REFEDS_MFA: &str = "https://refeds.org/profile/mfa";
/// The REFEDS single-factor profile's class.
pub const REFEDS_SFA: &str = "https://refeds.org/profile/sfa";

/// How the asserted class must relate to the requested ones (SAML core 3.3.2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// One of the requested classes itself; the default when the attribute is absent.
    #[default]
    Exact,
    /// At least as strong as one of the requested classes.
    Minimum,
    /// As strong as possible without exceeding the strongest requested class.
    Maximum,
    /// Stronger than every requested class.
    Better,
}

impl Comparison {
    /// The attribute value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Better => "better",
        }
    }
}

/// A `RequestedAuthnContext`: classes in the relying party's order of preference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedAuthnContext {
    /// How to compare.
    pub comparison: Comparison,
    /// The classes, first wanted first. Never empty after `request::accept`; a request that names
    /// declarations only carries them in `declarations` and can never be satisfied.
    pub classes: Vec<AuthnContextClassRef>,
    /// `AuthnContextDeclRef`s, which no flow of ours can satisfy.
    pub declarations: Vec<String>,
}
