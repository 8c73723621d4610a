//! The Response around an assertion or an error (SAML core 3.2.2).

use crate::authn::event::Event;
use crate::response::assertion::{Assertion, Statement};
use crate::response::status::status_of;
use crate::saml::instant;
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::request::RelyingPartyRefusal;
use crate::saml::signature;
use crate::saml::status::{Status, TopStatus};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use jiff::Timestamp;

const SAMLP: Namespace = Namespace::PROTOCOL;

/// What a relying party reads in every refusal unless `idp.errors.detailed` says more.
const FIXED_MESSAGE: &str = "The identity provider could not complete this request.";

/// Which elements to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Sign the Response.
    pub response: bool,
    /// Sign the Assertion.
    pub assertion: bool,
}

/// The attributes and Issuer of a Response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    id: &'a str,
    issuer: &'a str,
    destination: &'a str,
    in_response_to: Option<&'a str>,
    now: Timestamp,
}

/// The success Response as XML octets, canonical and signed.
pub fn success(
    assertion: Assertion<'_>,
    signing: Signing,
    key: &SigningKey,
) -> Result<String, KeyError> {
    let (octets, envelope) = assertion.finish(signing.assertion.then_some(key))?;
    envelope.enclose(
        &status_of(Event::Proceed),
        Some(&octets),
        signing.response.then_some(key),
    )
}

/// An error Response as XML octets.
pub fn error(
    refusal: &RelyingPartyRefusal,
    issuer: &str,
    id: &str,
    now: Timestamp,
    key: Option<&SigningKey>,
) -> Result<String, KeyError> {
    let envelope = Envelope {
        id,
        issuer,
        destination: &refusal.acs.endpoint.location,
        in_response_to: refusal.in_response_to.as_deref(),
        now,
    };
    envelope.enclose(&refusal.status, None, key)
}

impl<'a> Envelope<'a> {
    /// The envelope of an assertion: the same request, addressee and instant.
    pub(super) fn answering(statement: &Statement<'a>) -> Self {
        Self {
            id: statement.response_id,
            issuer: statement.issuer,
            destination: &statement.request.acs.endpoint.location,
            in_response_to: statement.request.id.as_deref(),
            now: statement.now,
        }
    }

    /// Writes the Response around `content`, canonical octets that declare what they use.
    pub(super) fn enclose(
        &self,
        status: &Status,
        content: Option<&str>,
        key: Option<&SigningKey>,
    ) -> Result<String, KeyError> {
        let mut w = Writer::new();
        w.open(SAMLP, "Response");
        w.attribute("Destination", self.destination);
        w.attribute("ID", self.id);
        if let Some(id) = self.in_response_to {
            w.attribute("InResponseTo", id);
        }
        w.attribute("IssueInstant", &instant::format_millis(self.now));
        w.attribute("Version", "2.0");
        w.leaf(Namespace::ASSERTION, "Issuer", self.issuer);
        let place = w.place();
        write_status(&mut w, status);
        if let Some(content) = content {
            let end = w.place();
            w.insert(&end, content);
        }
        w.close();
        if let Some(key) = key {
            signature::sign(&mut w, &place, self.id, key)?;
        }
        Ok(w.finish())
    }
}

/// The second level stands inside the first (SAML core 3.2.2.2).
pub(super) fn write_status(w: &mut Writer, status: &Status) {
    w.open(SAMLP, "Status");
    w.open(SAMLP, "StatusCode");
    w.attribute("Value", status.top.uri());
    if let Some(second) = status.second {
        w.open(SAMLP, "StatusCode");
        w.attribute("Value", second);
        w.close();
    }
    w.close();
    match &status.message {
        Some(message) => w.leaf(SAMLP, "StatusMessage", message),
        None if status.top != TopStatus::Success => w.leaf(SAMLP, "StatusMessage", FIXED_MESSAGE),
        None => {}
    }
    w.close();
}

/// A success without any signature, which the product never sends.
#[cfg(test)]
pub(super) fn unsigned(assertion: Assertion<'_>) -> String {
    let (octets, envelope) = assertion.finish(None).expect("nothing to sign");
    envelope
        .enclose(&status_of(Event::Proceed), Some(&octets), None)
        .expect("nothing to sign")
}
