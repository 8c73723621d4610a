//! Name identifiers (SAML core 2.2.3, 8.3) and the policy a request may state (core 3.4.1.1).

use serde::{Deserialize, Serialize};

/// `urn:oasis:names:tc:SAML:2.0:nameid-format:transient`.
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`.
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// `urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress`.
pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// `urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified`.
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// `urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted`.
pub const ENCRYPTED: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted";

/// A `NameID` as it goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// The identifier itself.
    pub value: String,
    /// `Format` URI.
    pub format: String,
    /// `NameQualifier`, our entityID for transient and persistent.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier`, the relying party's entityID or affiliation.
    pub sp_name_qualifier: Option<String>,
}

/// A request's `NameIDPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameIdPolicy {
    /// Wanted `Format`; `None` and `unspecified` leave the choice to us.
    pub format: Option<String>,
    /// Wanted `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
    /// `AllowCreate`.
    pub allow_create: bool,
}
