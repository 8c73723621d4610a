//! From an unproved inbound message to an [`AuthnRequest`], or a [`Refusal`].

use crate::saml::binding::{Binding, Inbound};
use crate::saml::context::RequestedAuthnContext;
use crate::saml::metadata::{EntityDescriptor, IndexedEndpoint, MetadataResolver};
use crate::saml::name_id::NameIdPolicy;
use crate::saml::status::Status;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request we have proved and will answer. Only [`accept`] and [`unsolicited`] make one.
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
}

/// Why a request was not accepted.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// No trustworthy address: our own page, nothing sent anywhere.
    Local(LocalRefusal),
    /// A SAML Response to an endpoint taken from metadata.
    ToRelyingParty(RelyingPartyRefusal),
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
    accepted: Accepted,
}

impl AuthnRequest {
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
            accepted: self.accepted.clone(),
        }
    }
}

/// What a portal's link asks of `Unsolicited/SSO` (Shibboleth's parameters).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsolicited {
    /// `providerId`: the relying party's entityID.
    pub provider_id: String,
    /// `shire`: the wanted assertion consumer service's location.
    pub shire: Option<String>,
    /// `target`: goes out as RelayState.
    pub target: Option<String>,
    /// `time`: seconds since the epoch when the link was made.
    pub time: Option<String>,
}

/// Proves an inbound message against metadata. The caller still has to check for replay, with
/// (`issuer`, `id`) as the key, because that needs storage.
pub fn accept(
    _inbound: &Inbound,
    _metadata: &dyn MetadataResolver,
    _acceptance: &Acceptance,
    _now: Timestamp,
) -> Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal> {
    let _ = Accepted;
    todo!()
}

/// Makes a request out of a portal's link: no ID, so that the response has no InResponseTo.
pub fn unsolicited(
    _parameters: &Unsolicited,
    _metadata: &dyn MetadataResolver,
    _acceptance: &Acceptance,
    _now: Timestamp,
) -> Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal> {
    todo!()
}
