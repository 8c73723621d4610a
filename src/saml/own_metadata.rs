//! The identity provider's own metadata document.

/// What our metadata says.
#[derive(Clone, Debug, Default)]
pub struct OwnMetadata {
    /// `entityID`.
    pub entity_id: String,
    /// `shibmd:Scope`s, never regular expressions.
    pub scopes: Vec<String>,
    /// Base URL under which the endpoints live.
    pub base_url: String,
    /// Signing certificates, base64 DER.
    pub signing_certificates: Vec<String>,
    /// Encryption certificates, base64 DER.
    pub encryption_certificates: Vec<String>,
    /// `WantAuthnRequestsSigned`.
    pub want_authn_requests_signed: bool,
    /// Display name for `mdui`, if configured.
    pub display_name: Option<String>,
}

impl OwnMetadata {
    /// The document, ending in a newline.
    pub fn to_xml(&self) -> String {
        todo!()
    }
}
