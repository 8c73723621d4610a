//! The assertion (SAML core 2.3.3), written once in canonical form.

use crate::attribute::Attribute;
use crate::authn::result::AuthenticationResult;
use crate::response::envelope::Envelope;
use crate::saml::context::AuthnContextClassRef;
use crate::saml::instant;
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::name_id::NameId;
use crate::saml::request::AuthnRequest;
use crate::saml::signature;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::{Place, Writer};
use jiff::{SignedDuration, Timestamp};
use std::net::IpAddr;
use std::time::Duration;

const SAML: Namespace = Namespace::ASSERTION;
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const NAME_FORMAT_URI: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";

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
    pub name_id: &'a NameId,
    /// Released attributes.
    pub attributes: &'a [Attribute],
    /// The client's address, if it is to be stated.
    pub address: Option<IpAddr>,
    /// Fresh random SessionIndex.
    pub session_index: &'a str,
    /// End of the session at the SP, if limited.
    pub session_not_on_or_after: Option<Timestamp>,
    /// Assertion lifetime.
    pub lifetime: Duration,
    /// Fresh random ID for the Assertion (`_` + 32 hex).
    pub assertion_id: &'a str,
    /// Fresh random ID for the Response (`_` + 32 hex).
    pub response_id: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// An assertion with the envelope it must travel in. Only [`Assertion::issue`] makes one, and only
/// from a result: no authentication, no assertion.
#[derive(Debug)]
pub struct Assertion<'a> {
    writer: Writer,
    signature: Place,
    id: &'a str,
    envelope: Envelope<'a>,
}

impl<'a> Assertion<'a> {
    /// Issues an assertion about an authenticated subject.
    pub fn issue(result: &AuthenticationResult, statement: &Statement<'a>) -> Self {
        let mut w = Writer::new();
        w.open(SAML, "Assertion");
        w.attribute("ID", statement.assertion_id);
        w.attribute("IssueInstant", &instant::format_millis(statement.now));
        w.attribute("Version", "2.0");
        w.leaf(SAML, "Issuer", statement.issuer);
        // SAML core 2.3.3: the signature stands right behind the Issuer.
        let signature = w.place();
        statement.write_subject(&mut w);
        statement.write_conditions(&mut w);
        statement.write_authn_statement(&mut w, result);
        statement.write_attributes(&mut w);
        w.close();
        Self {
            writer: w,
            signature,
            id: statement.assertion_id,
            envelope: Envelope::answering(statement),
        }
    }

    /// The assertion's octets, signed if a key is given, and the envelope for them.
    pub(super) fn finish(
        mut self,
        key: Option<&SigningKey>,
    ) -> Result<(String, Envelope<'a>), KeyError> {
        if let Some(key) = key {
            signature::sign(&mut self.writer, &self.signature, self.id, key)?;
        }
        Ok((self.writer.finish(), self.envelope))
    }
}

impl Statement<'_> {
    fn write_subject(&self, w: &mut Writer) {
        w.open(SAML, "Subject");
        self.name_id.write(w);
        // SAML profiles 4.1.4.2: bearer, Recipient, NotOnOrAfter, no NotBefore, and InResponseTo
        // if and only if a request is answered.
        w.open(SAML, "SubjectConfirmation");
        w.attribute("Method", BEARER);
        w.open(SAML, "SubjectConfirmationData");
        if let Some(address) = self.address {
            w.attribute("Address", &address.to_string());
        }
        if let Some(id) = &self.request.id {
            w.attribute("InResponseTo", id);
        }
        w.attribute("NotOnOrAfter", &instant::format_millis(self.end()));
        w.attribute("Recipient", &self.request.acs.endpoint.location);
        w.close();
        w.close();
        w.close();
    }

    /// Exactly one audience: the relying party's own entityID (SAML profiles 4.1.4.2; S27).
    fn write_conditions(&self, w: &mut Writer) {
        w.open(SAML, "Conditions");
        w.attribute("NotBefore", &instant::format_millis(self.now));
        w.attribute("NotOnOrAfter", &instant::format_millis(self.end()));
        w.open(SAML, "AudienceRestriction");
        w.leaf(SAML, "Audience", &self.request.issuer);
        w.close();
        w.close();
    }

    fn write_authn_statement(&self, w: &mut Writer, result: &AuthenticationResult) {
        w.open(SAML, "AuthnStatement");
        w.attribute(
            "AuthnInstant",
            &instant::format_millis(result.authn_instant()),
        );
        w.attribute("SessionIndex", self.session_index);
        if let Some(end) = self.session_not_on_or_after {
            w.attribute("SessionNotOnOrAfter", &instant::format_millis(end));
        }
        if let Some(address) = self.address {
            w.open(SAML, "SubjectLocality");
            w.attribute("Address", &address.to_string());
            w.close();
        }
        w.open(SAML, "AuthnContext");
        w.leaf(SAML, "AuthnContextClassRef", self.class.as_str());
        w.close();
        w.close();
    }

    /// At most one AttributeStatement, never an empty one (SAML core 2.7.3), one AttributeValue
    /// for each value.
    fn write_attributes(&self, w: &mut Writer) {
        let present = || self.attributes.iter().filter(|a| !a.values.is_empty());
        if present().next().is_none() {
            return;
        }
        w.open(SAML, "AttributeStatement");
        for attribute in present() {
            w.open(SAML, "Attribute");
            w.attribute("FriendlyName", &attribute.id);
            w.attribute("Name", &attribute.name);
            w.attribute("NameFormat", NAME_FORMAT_URI);
            for value in &attribute.values {
                w.leaf(SAML, "AttributeValue", value);
            }
            w.close();
        }
        w.close();
    }

    fn end(&self) -> Timestamp {
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::MAX);
        self.now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
    }
}
