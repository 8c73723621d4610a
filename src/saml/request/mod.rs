//! From an unproved inbound message to an [`AuthnRequest`], or a [`Refusal`].
//!
//! Owns: the order of the checks, which is Shibboleth's (who sent it, for whom, how old, signed),
//! and the line between a refusal on our own page and one that the relying party hears of.

mod content;
mod own;
#[cfg(test)]
mod tests;
mod unsolicited;

pub use own::own;
pub use unsolicited::{Unsolicited, unsolicited};

use crate::saml::binding::{Binding, Inbound};
use crate::saml::context::RequestedAuthnContext;
use crate::saml::key::DecryptionKey;
use crate::saml::metadata::{
    AcsProblem, AcsWish, AnswerBy, EntityDescriptor, IndexedEndpoint, MetadataResolver,
    SpSsoDescriptor,
};
use crate::saml::name_id::NameIdPolicy;
use crate::saml::proof::{self, Fault, Received, UNKNOWN_RELYING_PARTY};
use crate::saml::status::{Status, TopStatus, second};
use crate::saml::xml::reader::{self, Element, Limits};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request we have proved and will answer. Only [`accept`], [`unsolicited()`] and [`own()`] make
/// one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthnRequest {
    /// `ID`; `None` when the login is IdP-initiated, and the response then has no InResponseTo.
    pub id: Option<String>,
    /// The relying party's entityID.
    pub issuer: String,
    /// `IssueInstant`.
    pub issue_instant: Option<Timestamp>,
    /// How it came.
    pub binding: Binding,
    /// Where the answer goes: an endpoint of the relying party's metadata, and nothing else.
    pub acs: IndexedEndpoint,
    /// `ForceAuthn`.
    pub force_authn: bool,
    /// `IsPassive`.
    pub is_passive: bool,
    /// `RequestedAuthnContext`.
    pub requested: Option<RequestedAuthnContext>,
    /// `NameIDPolicy`.
    pub name_id_policy: NameIdPolicy,
    /// A `Subject/NameID` the answer must match (SAML core 3.4.1.4), if one was named.
    pub subject: Option<crate::saml::name_id::NameId>,
    /// `AttributeConsumingServiceIndex`.
    pub attribute_consuming_service_index: Option<u16>,
    /// `Scoping/@ProxyCount`.
    pub proxy_count: Option<u32>,
    /// Whether a signature was verified.
    pub signed: bool,
    /// RelayState to echo.
    pub relay_state: Option<String>,
    #[serde(default)]
    own: bool,
    accepted: Accepted,
}

/// Proof that the request passed `accept`: it has no public constructor.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Accepted;

/// What `accept` needs to know of us.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Endpoint URLs that a `Destination` may name, by binding.
    pub destinations: Vec<(Binding, String)>,
    /// Allowed clock skew.
    pub clock_skew: std::time::Duration,
    /// Greatest age of a message (`idp.policy.messageLifetime`, PT3M).
    pub message_lifetime: std::time::Duration,
    /// Refuse every unsigned request, whatever metadata says.
    pub require_signed: bool,
    /// What decrypts an EncryptedID, each key tried in turn (IIP-IDP19: two in a rollover).
    pub decryption_keys: Vec<DecryptionKey>,
    /// Bindings that we answer a browser by.
    pub answer_by: AnswerBy,
}

/// Why a request was not accepted.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// No trustworthy address: our own page, nothing sent anywhere.
    Local(LocalRefusal),
    /// A SAML Response to an endpoint taken from metadata.
    ToRelyingParty(Box<RelyingPartyRefusal>),
}

/// A refusal shown on our own page.
#[derive(Clone, Debug)]
pub struct LocalRefusal {
    /// Shibboleth's event name, such as `MessageAuthenticationError`.
    pub event: &'static str,
    /// A constant, loggable reason.
    pub reason: &'static str,
    /// The claimed issuer, unproved, for the log only.
    pub claimed_issuer: Option<String>,
}

/// A refusal answered to the relying party; it cannot be built without an ACS from metadata.
#[derive(Clone, Debug)]
pub struct RelyingPartyRefusal {
    /// The relying party.
    pub issuer: String,
    /// `InResponseTo`.
    pub in_response_to: Option<String>,
    /// Where to.
    pub acs: IndexedEndpoint,
    /// RelayState to echo.
    pub relay_state: Option<String>,
    /// What to say.
    pub status: Status,
    /// Shibboleth's event name.
    pub event: &'static str,
    /// A constant, loggable reason.
    pub reason: &'static str,
    _accepted: Accepted,
}

impl AuthnRequest {
    /// Whether a page of ours asks, and nobody else is answered.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The refusal of this request: an error Response to its own ACS.
    pub fn refuse(
        &self,
        status: Status,
        event: &'static str,
        reason: &'static str,
    ) -> RelyingPartyRefusal {
        RelyingPartyRefusal {
            issuer: self.issuer.clone(),
            in_response_to: self.id.clone(),
            acs: self.acs.clone(),
            relay_state: self.relay_state.clone(),
            status,
            event,
            reason,
            _accepted: self.accepted.clone(),
        }
    }
}

impl Fault {
    pub(super) fn local(self, claimed_issuer: Option<&str>) -> Refusal {
        Refusal::Local(LocalRefusal {
            event: self.event,
            reason: self.reason,
            claimed_issuer: claimed_issuer.map(str::to_owned),
        })
    }
}

/// No endpoint of metadata is the one that was asked for.
const UNRESOLVED: Fault = Fault::new(
    "EndpointResolutionFailed",
    "the requested assertion consumer service is not in the issuer's metadata",
);

/// Who a message says it is from, unproved: enough to fetch metadata by, and for nothing else.
pub fn claimed_issuer(inbound: &Inbound) -> Option<String> {
    let root = reader::parse(&inbound.xml, &Limits::MESSAGE).ok()?;
    proof::issuer(&root).ok()
}

/// Proves an inbound message against metadata. The caller still has to check for replay, with
/// (`issuer`, `id`) as the key, because that needs storage.
pub fn accept(
    inbound: &Inbound,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal> {
    let root = proof::message(inbound, "AuthnRequest").map_err(|fault| fault.local(None))?;
    let received = Received::alone(&root, inbound);
    let (mut request, relying_party) = accept_received(&received, metadata, acceptance, now)?;
    request.relay_state.clone_from(&inbound.relay_state);
    Ok((request, relying_party))
}

/// Proves a request that was read already.
pub(super) fn accept_received(
    received: &Received<'_>,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal> {
    let root = received.root;
    let issuer = proof::issuer(root).map_err(|fault| fault.local(None))?;
    let local = |fault: Fault| fault.local(Some(&issuer));
    let relying_party = metadata
        .entity(&issuer, now)
        .ok_or_else(|| local(UNKNOWN_RELYING_PARTY))?;
    let sp = &relying_party.sp;
    let must_be_signed = sp.authn_requests_signed || acceptance.require_signed;
    let proof =
        proof::prove(received, &sp.signing_keys, must_be_signed, acceptance, now).map_err(local)?;
    let wish = wish(root, acceptance.answer_by);
    let mut request = AuthnRequest::new(&issuer, answer_endpoint(&wish, sp, local)?);
    request.id = Some(proof.id);
    request.issue_instant = Some(proof.issue_instant);
    request.binding = received.binding;
    request.signed = proof.signed;
    request.check_binding(&wish, sp)?;
    content::read(&mut request, received, &acceptance.decryption_keys)
        .map_err(|fault| request.answer(fault))?;
    Ok((request, relying_party))
}

/// The endpoint that the answer goes to, be it an error: metadata's, or none at all.
fn answer_endpoint(
    wish: &AcsWish<'_>,
    sp: &SpSsoDescriptor,
    local: impl Fn(Fault) -> Refusal,
) -> Result<IndexedEndpoint, Refusal> {
    let any = AcsWish {
        answer_by: wish.answer_by,
        ..AcsWish::default()
    };
    sp.assertion_consumer_service(wish)
        .or_else(|problem| match problem {
            AcsProblem::NotInMetadata => Err(problem),
            // The endpoint is the relying party's own, but we cannot answer there: the default
            // one hears of it.
            AcsProblem::UnsupportedBinding => sp.assertion_consumer_service(&any),
        })
        .cloned()
        .map_err(|_| local(UNRESOLVED))
}

/// SAML core 3.4.1: the schema has URL and index exclude each other; where both stand, an endpoint
/// must match both.
fn wish(root: &Element, answer_by: AnswerBy) -> AcsWish<'_> {
    AcsWish {
        url: root.attribute("AssertionConsumerServiceURL"),
        binding: root.attribute("ProtocolBinding"),
        index: root.attribute("AssertionConsumerServiceIndex"),
        answer_by,
    }
}

impl AuthnRequest {
    /// A request that asks for nothing in particular.
    fn new(issuer: &str, acs: IndexedEndpoint) -> Self {
        Self {
            id: None,
            issuer: issuer.to_owned(),
            issue_instant: None,
            binding: Binding::Redirect,
            acs,
            force_authn: false,
            is_passive: false,
            requested: None,
            name_id_policy: NameIdPolicy::default(),
            subject: None,
            attribute_consuming_service_index: None,
            proxy_count: None,
            signed: false,
            relay_state: None,
            own: false,
            accepted: Accepted,
        }
    }

    /// Refuses a request for an answer by a binding we cannot send (SAML profiles 4.1.4.1).
    fn check_binding(&self, wish: &AcsWish<'_>, sp: &SpSsoDescriptor) -> Result<(), Refusal> {
        match sp.assertion_consumer_service(wish) {
            Err(AcsProblem::UnsupportedBinding) => Err(self.answer(Fault::new(
                "UnableToEncode",
                "the answer was requested by a binding that is not supported",
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn answer(&self, fault: Fault) -> Refusal {
        Refusal::ToRelyingParty(Box::new(self.refuse(
            status_of(fault),
            fault.event,
            fault.reason,
        )))
    }
}

/// The status of a refusal at acceptance; events of logins have theirs in `response`.
fn status_of(fault: Fault) -> Status {
    let (top, second) = match fault.event {
        "InvalidMessageVersion" => (TopStatus::VersionMismatch, None),
        "UnableToEncode" => (TopStatus::Requester, Some(second::UNSUPPORTED_BINDING)),
        "ChannelBindingsError" => (TopStatus::Requester, Some(second::CHANNEL_BINDINGS)),
        "InvalidNameIDPolicy" => (TopStatus::Requester, Some(second::INVALID_NAME_ID_POLICY)),
        _ => (TopStatus::Requester, Some(second::REQUEST_UNSUPPORTED)),
    };
    Status {
        top,
        second,
        message: None,
    }
}
