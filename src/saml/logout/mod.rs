//! Single logout (SAML core 3.7, profiles 4.4): what a relying party asks and answers, proven.
//!
//! Owns: LogoutRequest and LogoutResponse as values. Does not own: whose session it is (`server`),
//! or what we send (`response::logout`).

mod accept;

pub use accept::{accept_request, accept_request_in, accept_response, accept_response_in};

use crate::saml::binding::Binding;
use crate::saml::metadata::Endpoint;
use crate::saml::name_id::NameId;
use crate::saml::xml::namespace::Namespace;
use serde::{Deserialize, Serialize};

/// The asynchronous logout extension (IIP-IDP17).
pub const ASYNC: Namespace =
    Namespace::new("aslo", "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo");

/// A LogoutRequest that was signed by its issuer. Only [`accept_request`] and
/// [`accept_request_in`] make one; the caller still checks for replay by (`issuer`, `id`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// `ID`.
    pub id: String,
    /// The relying party's entityID.
    pub issuer: String,
    /// How it came.
    pub binding: Binding,
    /// Whose session, decrypted if it was encrypted.
    pub name_id: NameId,
    /// Which sessions; all of the subject's at that relying party if empty (SAML core 3.7.1).
    pub session_indexes: Vec<String>,
    /// `Reason`.
    pub reason: Option<String>,
    /// Whether the relying party waits for no answer (`aslo:Asynchronous`).
    pub asynchronous: bool,
    /// RelayState to echo.
    pub relay_state: Option<String>,
    accepted: Accepted,
}

/// A LogoutResponse that was signed by its issuer. Only [`accept_response`] and
/// [`accept_response_in`] make one; the caller matches `in_response_to` with what it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `ID`.
    pub id: String,
    /// The relying party's entityID.
    pub issuer: String,
    /// The `ID` of our request.
    pub in_response_to: String,
    /// How it ended there.
    pub outcome: Outcome,
    /// RelayState that we sent.
    pub relay_state: Option<String>,
    accepted: Accepted,
}

/// What a relying party says of its own session and of those it passed the logout on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All ended.
    Ended,
    /// Its own ended, some that it passed the logout on to did not (`PartialLogout`).
    Partial,
    /// It did not end.
    Failed,
}

/// Proof that the message passed acceptance: it has no public constructor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Accepted;

/// Why a logout message was not accepted: nothing is ended, and our own page says so. An answer is
/// given only over SOAP, where it needs no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRefusal {
    /// Shibboleth's event name, such as `MessageAuthenticationError`.
    pub event: &'static str,
    /// A constant, loggable reason.
    pub reason: &'static str,
    /// The claimed issuer, unproved, for the log only.
    pub claimed_issuer: Option<String>,
}

/// Where a relying party takes logout messages by a binding, the first one of metadata.
pub fn endpoint(services: &[Endpoint], binding: Binding) -> Option<&Endpoint> {
    services.iter().find(|service| service.binding == binding)
}

/// Where the answer to a request goes: `ResponseLocation` if there is one (SAML metadata 2.2.2).
pub fn response_location(endpoint: &Endpoint) -> &str {
    let location = endpoint.response_location.as_ref();
    location.unwrap_or(&endpoint.location)
}

/// Where a browser carries logout messages to: by the preferred binding if the relying party has
/// it, else by HTTP-Redirect (SDP-IDP28), else by HTTP-POST.
pub fn browser_endpoint(services: &[Endpoint], preferred: Binding) -> Option<&Endpoint> {
    const BY_BROWSER: [Binding; 2] = [Binding::Redirect, Binding::Post];
    let preferred = BY_BROWSER
        .into_iter()
        .filter(|binding| *binding == preferred);
    let mut bindings = preferred.chain(BY_BROWSER);
    bindings.find_map(|binding| endpoint(services, binding))
}
