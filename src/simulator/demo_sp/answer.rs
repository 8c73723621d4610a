//! What an SP must check before it believes a Response (SAML profiles 4.1.4.3).

use super::{IdentityProvider, Site};
use crate::saml::instant;
use crate::saml::signature;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{self, Element, Limits};
use jiff::{SignedDuration, Timestamp};

const SAML: &str = Namespace::ASSERTION.uri;
const SAMLP: &str = Namespace::PROTOCOL.uri;
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// How far the two clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(3);

/// Why a Response was not believed: a constant reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection(pub &'static str);

/// A Response that the identity provider has truly sent to this SP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request it answers; whether that is still open is the caller's to check.
    pub in_response_to: String,
    /// What it says.
    pub told: Told,
}

/// What a Response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The user is authenticated.
    Assertion(Assertion),
    /// The user is not.
    Refused {
        /// Status codes, outer one first.
        codes: Vec<String>,
        /// `StatusMessage`.
        message: String,
    },
}

/// The contents of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The NameID's value.
    pub name_id: String,
    /// The NameID's format.
    pub name_id_format: String,
    /// The AuthnContextClassRef.
    pub class: String,
    /// The AuthnInstant, as written.
    pub authn_instant: String,
    /// The SessionIndex.
    pub session_index: String,
    /// The attributes in order.
    pub attributes: Vec<AttributeShown>,
}

/// An attribute as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeShown {
    /// FriendlyName, or the Name where there is none.
    pub friendly_name: String,
    /// Name.
    pub name: String,
    /// Values.
    pub values: Vec<String>,
}

/// Verifies a Response and reads it.
pub(super) fn verify(
    xml: &[u8],
    site: &Site,
    idp: &IdentityProvider,
    now: Timestamp,
) -> Result<Answer, Rejection> {
    let root = reader::parse(xml, &Limits::MESSAGE).map_err(|error| Rejection(error.reason))?;
    require(root.is(SAMLP, "Response"), "the message is no Response")?;
    // The signature covers all that is read below: the element it verified is the root itself.
    signature::verify_enveloped(&root, &idp.keys).map_err(|error| Rejection(error.reason))?;
    require(
        root.attribute("Version") == Some("2.0"),
        "the Response is not of version 2.0",
    )?;
    require(
        text(&root, "Issuer").as_deref() == Some(idp.entity_id.as_str()),
        "the Response is from another issuer",
    )?;
    require(
        root.attribute("Destination") == Some(site.acs().as_str()),
        "the Response is for another destination",
    )?;
    let in_response_to = root
        .attribute("InResponseTo")
        .ok_or(Rejection("the Response answers no request"))?;
    Ok(Answer {
        in_response_to: in_response_to.to_owned(),
        told: told(&root, in_response_to, &Expected { site, idp, now })?,
    })
}

struct Expected<'a> {
    site: &'a Site,
    idp: &'a IdentityProvider,
    now: Timestamp,
}

fn told(root: &Element, request: &str, expected: &Expected<'_>) -> Result<Told, Rejection> {
    let status = one(root, SAMLP, "Status")?;
    let codes = codes(status);
    if codes.first().map(String::as_str) == Some(SUCCESS) {
        let assertion = one(root, SAML, "Assertion")?;
        return expected.read(assertion, request).map(Told::Assertion);
    }
    let message = status.first(SAMLP, "StatusMessage").map(Element::text);
    Ok(Told::Refused {
        codes,
        message: message.unwrap_or_default(),
    })
}

/// The status codes, each inside the one before.
fn codes(status: &Element) -> Vec<String> {
    let code = |parent: &Element| parent.first(SAMLP, "StatusCode").cloned();
    std::iter::successors(code(status), code)
        .filter_map(|code| code.attribute("Value").map(str::to_owned))
        .collect()
}

impl Expected<'_> {
    fn read(&self, assertion: &Element, request: &str) -> Result<Assertion, Rejection> {
        require(
            text(assertion, "Issuer").as_deref() == Some(self.idp.entity_id.as_str()),
            "the Assertion is from another issuer",
        )?;
        let subject = one(assertion, SAML, "Subject")?;
        self.check_confirmation(subject, request)?;
        self.check_conditions(one(assertion, SAML, "Conditions")?)?;
        let statement = one(assertion, SAML, "AuthnStatement")?;
        let context = one(statement, SAML, "AuthnContext")?;
        let name_id = one(subject, SAML, "NameID")?;
        let attribute = |element: &Element, name| {
            let value = element.attribute(name);
            value.unwrap_or_default().to_owned()
        };
        Ok(Assertion {
            name_id: name_id.text(),
            name_id_format: attribute(name_id, "Format"),
            class: text(context, "AuthnContextClassRef").unwrap_or_default(),
            authn_instant: attribute(statement, "AuthnInstant"),
            session_index: attribute(statement, "SessionIndex"),
            attributes: attributes(assertion),
        })
    }

    /// SAML profiles 4.1.4.2: a bearer confirmation for us, for our request, still valid.
    fn check_confirmation(&self, subject: &Element, request: &str) -> Result<(), Rejection> {
        let confirmed = subject
            .all(SAML, "SubjectConfirmation")
            .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER))
            .filter_map(|confirmation| confirmation.first(SAML, "SubjectConfirmationData"))
            .any(|data| {
                data.attribute("Recipient") == Some(self.site.acs().as_str())
                    && data.attribute("InResponseTo") == Some(request)
                    && self.before_end(data) == Some(true)
            });
        require(
            confirmed,
            "no bearer confirmation for this SP, this request and this time",
        )
    }

    /// SAML core 2.5.1: not before, not on or after, and exactly our audience.
    fn check_conditions(&self, conditions: &Element) -> Result<(), Rejection> {
        let begun = conditions
            .attribute("NotBefore")
            .is_some_and(|text| instant::parse(text).is_some_and(|from| from <= self.now + SKEW));
        require(
            begun && self.before_end(conditions) == Some(true),
            "the Assertion is not valid now",
        )?;
        let audience = one(conditions, SAML, "AudienceRestriction")?;
        require(
            text(audience, "Audience") == Some(self.site.entity_id()),
            "the Assertion is for another audience",
        )
    }

    /// Whether now is before `NotOnOrAfter`; `None` when that is missing or malformed.
    fn before_end(&self, element: &Element) -> Option<bool> {
        let end = instant::parse(element.attribute("NotOnOrAfter")?)?;
        Some(self.now - SKEW < end)
    }
}

fn attributes(assertion: &Element) -> Vec<AttributeShown> {
    assertion
        .all(SAML, "AttributeStatement")
        .flat_map(|statement| statement.all(SAML, "Attribute"))
        .map(|attribute| {
            let name = attribute.attribute("Name").unwrap_or_default();
            let friendly_name = attribute.attribute("FriendlyName").unwrap_or(name);
            AttributeShown {
                friendly_name: friendly_name.to_owned(),
                name: name.to_owned(),
                values: attribute
                    .all(SAML, "AttributeValue")
                    .map(Element::text)
                    .collect(),
            }
        })
        .collect()
}

/// The one child of this name: none and two are both refused.
fn one<'a>(parent: &'a Element, namespace: &str, local: &str) -> Result<&'a Element, Rejection> {
    let mut found = parent.elements().filter(|child| child.is(namespace, local));
    match (found.next(), found.next()) {
        (Some(element), None) => Ok(element),
        _ => Err(Rejection("an element is missing or stands twice")),
    }
}

fn text(parent: &Element, local: &str) -> Option<String> {
    one(parent, SAML, local).ok().map(Element::text)
}

fn require(condition: bool, reason: &'static str) -> Result<(), Rejection> {
    condition.then_some(()).ok_or(Rejection(reason))
}
