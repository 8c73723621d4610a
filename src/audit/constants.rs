//! Short names for the long constants of an audit line: Shibboleth's replacement map.

use crate::saml::binding::Binding;
use crate::saml::context::{PASSWORD, PASSWORD_PROTECTED_TRANSPORT};
use crate::saml::name_id::{EMAIL, PERSISTENT, TRANSIENT};
use crate::saml::status::TopStatus;

const REPLACEMENTS: &[(&str, &str)] = &[
    (PASSWORD, "password"),
    (PASSWORD_PROTECTED_TRANSPORT, "password"),
    ("urn:oasis:names:tc:SAML:1.0:am:password", "password"),
    (TRANSIENT, "transient"),
    (PERSISTENT, "persistent"),
    (EMAIL, "emailAddress"),
    ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "AES128-CBC"),
    ("http://www.w3.org/2001/04/xmlenc#aes192-cbc", "AES192-CBC"),
    ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", "AES256-CBC"),
    ("http://www.w3.org/2009/xmlenc11#aes128-gcm", "AES128-GCM"),
    ("http://www.w3.org/2009/xmlenc11#aes192-gcm", "AES192-GCM"),
    ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "AES256-GCM"),
];

/// The short name of a constant, or the text itself.
pub(super) fn short(text: &str) -> &str {
    REPLACEMENTS
        .iter()
        .find(|(long, _)| *long == text)
        .map_or(text, |(_, short)| short)
}

/// A top-level status: `Success`, `Requester`, `Responder`, `VersionMismatch`.
pub(super) fn status(top: TopStatus) -> &'static str {
    match top {
        TopStatus::Success => "Success",
        TopStatus::Requester => "Requester",
        TopStatus::Responder => "Responder",
        TopStatus::VersionMismatch => "VersionMismatch",
    }
}

/// A binding's URI, or its short name where `idp.audit.shortenBindings` asks for it.
pub(super) fn binding(binding: Binding, shorten: bool) -> &'static str {
    match binding {
        _ if !shorten => binding.uri(),
        Binding::Redirect => "Redirect",
        Binding::Post => "POST",
        Binding::PostSimpleSign => "POST-SimpleSign",
        Binding::Artifact => "Artifact",
        Binding::Soap => "SOAP",
        Binding::Paos => "PAOS",
    }
}
