//! Who sent a message, for whom, when, and whether it is proven (SAML core 3.2.1, 5; bindings
//! 3.4.5.2, 3.5.5.2). The same for every kind of message.

use crate::saml::binding::{Binding, DetachedSignature, Inbound};
use crate::saml::instant;
use crate::saml::metadata::TrustedKey;
use crate::saml::request::Acceptance;
use crate::saml::signature;
use crate::saml::xml::reader::{self, Element, Limits};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The namespace of SAML protocol messages.
pub(super) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The namespace of SAML assertions, and of what both share.
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

const ENTITY_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";

/// SDP-G02 and IIP-G02: 256 characters are taken whole; no more are needed by anybody.
const MAX_ID: usize = 256;
/// SAML core 8.3.6: an entity identifier has at most 1024 characters.
const MAX_ISSUER: usize = 1024;
/// SAML bindings 3.4.3 say 80 bytes and few SPs obey; what is far beyond is an attack (S23).
const MAX_RELAY_STATE: usize = 4096;

/// Why something is refused: Shibboleth's event name and our constant reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) event: &'static str,
    pub(super) reason: &'static str,
}

impl Fault {
    pub(super) const fn new(event: &'static str, reason: &'static str) -> Self {
        Self { event, reason }
    }

    /// A message that is not what the schema or the profile asks.
    pub(super) const fn undecodable(reason: &'static str) -> Self {
        Self::new("UnableToDecode", reason)
    }

    /// A message that is not proven to come from whom it says.
    pub(super) const fn unproved(reason: &'static str) -> Self {
        Self::new("MessageAuthenticationError", reason)
    }
}

/// The issuer is in none of our metadata, or its metadata has expired.
pub(super) const UNKNOWN_RELYING_PARTY: Fault = Fault::new(
    "InvalidProfileConfiguration",
    "the issuer is not in metadata, or no longer valid there",
);

/// A message as it was read, once, with what came beside it.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) root: &'a Element,
    /// Elements around the message, outermost first: those of a SOAP envelope, or none.
    pub(super) around: &'a [&'a Element],
    pub(super) binding: Binding,
    pub(super) detached: Option<&'a DetachedSignature>,
}

impl<'a> Received<'a> {
    /// A message that came by itself.
    pub(super) fn alone(root: &'a Element, inbound: &'a Inbound) -> Self {
        Self {
            root,
            around: &[],
            binding: inbound.binding,
            detached: inbound.detached.as_ref(),
        }
    }
}

/// What a proven message is known by.
pub(super) struct Proof {
    pub(super) id: String,
    pub(super) issue_instant: Timestamp,
    pub(super) signed: bool,
}

/// The root element, if it is a protocol message of one of these names.
pub(super) fn message(inbound: &Inbound, local: &str) -> Result<Element, Fault> {
    check_relay_state(inbound.relay_state.as_deref())?;
    let root = reader::parse(&inbound.xml, &Limits::MESSAGE)
        .map_err(|error| Fault::undecodable(error.reason))?;
    if !root.is(SAMLP, local) {
        return Err(Fault::undecodable(
            "the message is not of the kind that belongs here",
        ));
    }
    Ok(root)
}

pub(super) fn check_relay_state(relay_state: Option<&str>) -> Result<(), Fault> {
    match relay_state {
        Some(text) if text.len() > MAX_RELAY_STATE => {
            Err(Fault::undecodable("RelayState is longer than 4096 bytes"))
        }
        _ => Ok(()),
    }
}

/// SAML core 4.1.3.2: we speak 2.0 and nothing else.
pub(super) fn check_version(root: &Element) -> Result<(), Fault> {
    if root.attribute("Version") == Some("2.0") {
        return Ok(());
    }
    Err(Fault::new("InvalidMessageVersion", "Version is not 2.0"))
}

/// An element that the schema allows once: which of two counts must not be a matter of taste.
pub(super) fn only<'a>(
    parent: &'a Element,
    namespace: &str,
    local: &str,
) -> Result<Option<&'a Element>, Fault> {
    let mut found = parent.elements().filter(|child| child.is(namespace, local));
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(Fault::undecodable("an element stands twice in the message")),
    }
}

/// SAML profiles 4.1.4.1: the Issuer must be there, with the entity format or none.
pub(super) fn issuer(root: &Element) -> Result<String, Fault> {
    let mut issuers = root.all(SAML, "Issuer");
    let (Some(issuer), None) = (issuers.next(), issuers.next()) else {
        return Err(Fault::unproved("the message has no single Issuer"));
    };
    if issuer
        .attribute("Format")
        .is_some_and(|f| f != ENTITY_FORMAT)
    {
        return Err(Fault::unproved("the Issuer is not of the entity format"));
    }
    match issuer.text() {
        text if text.is_empty() => Err(Fault::unproved("the Issuer is empty")),
        text if text.len() > MAX_ISSUER => Err(Fault::unproved("the Issuer is too long")),
        text => Ok(text),
    }
}

/// Destination, age, signature: in Shibboleth's order.
pub(super) fn prove(
    received: &Received<'_>,
    keys: &[TrustedKey],
    must_be_signed: bool,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<Proof, Fault> {
    let root = received.root;
    let id = id(root)?;
    let claims_signature = received.detached.is_some() || signature::is_signed(root);
    check_destination(received, acceptance, claims_signature)?;
    let issue_instant = root
        .attribute("IssueInstant")
        .and_then(instant::parse)
        .ok_or(Fault::undecodable("IssueInstant is no xs:dateTime"))?;
    check_age(issue_instant, acceptance, now)?;
    if must_be_signed && !claims_signature {
        return Err(Fault::unproved("the message must be signed and is not"));
    }
    verify(received, keys)?;
    Ok(Proof {
        id,
        issue_instant,
        signed: claims_signature,
    })
}

/// `ID` is an `xs:ID`: our InResponseTo repeats it, and must be an NCName itself.
fn id(root: &Element) -> Result<String, Fault> {
    root.attribute("ID")
        .filter(|id| id.len() <= MAX_ID && is_nc_name(id))
        .map(str::to_owned)
        .ok_or(Fault::undecodable("ID is no NCName of at most 256 bytes"))
}

/// Namespaces in XML 1.0: a Name without a colon.
fn is_nc_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// XML 1.0 production 4, without the colon.
fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 production 4a, without the colon.
fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}'
            | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// SAML bindings 3.4.5.2, 3.5.5.2: a signed message that a browser carries must name the place it
/// came to; any message that names a place must name that one (attack S24).
fn check_destination(
    received: &Received<'_>,
    acceptance: &Acceptance,
    signed: bool,
) -> Result<(), Fault> {
    let ours = |url: &str| {
        let mut places = acceptance.destinations.iter();
        places.any(|(binding, place)| *binding == received.binding && place == url)
    };
    match received.root.attribute("Destination") {
        Some(url) if ours(url) => Ok(()),
        // pysaml2 writes it so; over SOAP there need not be any.
        Some("") if received.binding == Binding::Soap => Ok(()),
        Some(_) => Err(Fault::unproved(
            "Destination is not the endpoint it came to",
        )),
        None if signed && received.binding != Binding::Soap => {
            Err(Fault::unproved("a signed message must have a Destination"))
        }
        None => Ok(()),
    }
}

/// SDP-G01: clocks may differ by the skew; beyond that the message is stale (attack S25).
pub(super) fn check_age(
    issued: Timestamp,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(), Fault> {
    let skew = signed(acceptance.clock_skew);
    let age = now.duration_since(issued);
    if age > signed(acceptance.message_lifetime).saturating_add(skew) {
        return Err(Fault::new("MessageExpired", "the message is too old"));
    }
    if age < -skew {
        return Err(Fault::new(
            "MessageExpired",
            "the message is from the future",
        ));
    }
    Ok(())
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// SDP-IDP05: a signature that is there must verify, each of two if there are two, with the keys
/// of metadata alone.
fn verify(received: &Received<'_>, keys: &[TrustedKey]) -> Result<(), Fault> {
    let unproved = |error: signature::SignatureError| Fault::unproved(error.reason);
    if let Some(detached) = received.detached {
        signature::verify_detached(detached, keys).map_err(unproved)?;
    }
    if signature::is_signed(received.root) {
        signature::verify_enveloped_within(received.root, received.around, keys)
            .map_err(unproved)?;
    }
    Ok(())
}
