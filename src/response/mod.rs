//! What we send back: the Assertion, the Response, the Refusal; signed once, parsed never.

use crate::attribute::Attribute;
use crate::authn::event::Event;
use crate::authn::result::AuthenticationResult;
use crate::saml::context::AuthnContextClassRef;
use crate::saml::key::SigningKey;
use crate::saml::name_id::NameId;
use crate::saml::request::{AuthnRequest, RelyingPartyRefusal};
use crate::saml::status::Status;
use jiff::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

/// What our responses look like (`idp.*` profile settings).
#[derive(Clone, Debug)]
pub struct ResponseSettings {
    /// `idp.saml2.sso.signResponses` or the like (true).
    pub sign_responses: bool,
    /// (false; metadata's WantAssertionsSigned turns it on for that relying party).
    pub sign_assertions: bool,
    /// `idp.assertion.lifetime`: PT5M.
    pub assertion_lifetime: Duration,
    /// SubjectLocality and confirmation Address carry the client's address.
    pub include_address: bool,
    /// `idp.errors.signed` (true).
    pub sign_errors: bool,
    /// `idp.errors.detailed` (false).
    pub detailed_errors: bool,
}

/// Everything an assertion says besides the result it rests on.
#[derive(Debug)]
pub struct Statement<'a> {
    /// Our entityID.
    pub issuer: &'a str,
    /// The request it answers.
    pub request: &'a AuthnRequest,
    /// The class to assert.
    pub class: &'a AuthnContextClassRef,
    /// The subject's identifier.
    pub name_id: NameId,
    /// Released attributes.
    pub attributes: &'a [Attribute],
    /// The client's address, if it is to be stated.
    pub address: Option<IpAddr>,
    /// Fresh random SessionIndex.
    pub session_index: String,
    /// End of the session at the SP, if limited.
    pub session_not_on_or_after: Option<Timestamp>,
    /// Assertion lifetime.
    pub lifetime: Duration,
    /// Fresh random IDs for the Assertion and the Response (`_` + 32 hex).
    pub ids: [String; 2],
    /// Now.
    pub now: Timestamp,
}

/// An assertion. Only [`Assertion::issue`] makes one, and only from a result.
#[derive(Debug)]
pub struct Assertion {
    _private: (),
}

impl Assertion {
    /// Issues an assertion about an authenticated subject.
    pub fn issue(_result: &AuthenticationResult, _statement: &Statement<'_>) -> Self {
        todo!()
    }
}

/// Which elements to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Sign the Response.
    pub response: bool,
    /// Sign the Assertion.
    pub assertion: bool,
}

/// The success Response as XML octets, canonical and signed.
pub fn success(_assertion: Assertion, _signing: Signing, _key: &SigningKey) -> String {
    todo!()
}

/// An error Response as XML octets.
pub fn error(
    _refusal: &RelyingPartyRefusal,
    _issuer: &str,
    _id: &str,
    _now: Timestamp,
    _key: Option<&SigningKey>,
) -> String {
    todo!()
}

/// The one total mapping from events to SAML status (facts of Shibboleth, 8.6).
pub fn status_of(_event: Event) -> Status {
    todo!()
}
