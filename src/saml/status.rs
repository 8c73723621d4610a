//! Two-level status codes (SAML core 3.2.2.2).

/// Top-level status of a Response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopStatus {
    /// The request succeeded.
    Success,
    /// The relying party asked for something it cannot have.
    Requester,
    /// We could not do it.
    Responder,
    /// The message's Version is not 2.0.
    VersionMismatch,
}

impl TopStatus {
    /// The status URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Success => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
            Self::VersionMismatch => "urn:oasis:names:tc:SAML:2.0:status:VersionMismatch",
        }
    }
}

/// A status: top level, optional second level URI, optional message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Top level.
    pub top: TopStatus,
    /// Second-level URI, such as `...:status:NoAuthnContext`.
    pub second: Option<&'static str>,
    /// `StatusMessage`, shown to the relying party's operator.
    pub message: Option<String>,
}

/// Second-level codes we send.
pub mod second {
    /// The user could not be authenticated.
    pub const AUTHN_FAILED: &str = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed";
    /// The requested context cannot be met.
    pub const NO_AUTHN_CONTEXT: &str = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";
    /// Passive login is impossible.
    pub const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
    /// The NameIDPolicy cannot be met.
    pub const INVALID_NAME_ID_POLICY: &str =
        "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy";
    /// We refuse to serve this request.
    pub const REQUEST_DENIED: &str = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied";
    /// The request's form is not supported.
    pub const REQUEST_UNSUPPORTED: &str = "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported";
    /// The subject is not known.
    pub const UNKNOWN_PRINCIPAL: &str = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal";
    /// The response binding is not supported.
    pub const UNSUPPORTED_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding";
    /// The chain of proxies would become too long.
    pub const PROXY_COUNT_EXCEEDED: &str = "urn:oasis:names:tc:SAML:2.0:status:ProxyCountExceeded";
    /// The channel bindings of client and relying party differ.
    pub const CHANNEL_BINDINGS: &str = "urn:oasis:names:tc:SAML:protocol:ext:channel-binding";
    /// Some session participants could not be logged out.
    pub const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";
}
