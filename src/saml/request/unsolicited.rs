//! Logins that a portal's link starts: no message, the relying party is named in the query.

use super::{Acceptance, AuthnRequest, Refusal};
use crate::saml::metadata::{AcsWish, EntityDescriptor, MetadataResolver};
use crate::saml::proof::{self, Fault, UNKNOWN_RELYING_PARTY};
use jiff::Timestamp;
use std::sync::Arc;

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

/// Makes a request out of a portal's link: no ID, so that the response has no InResponseTo.
pub fn unsolicited(
    parameters: &Unsolicited,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(AuthnRequest, Arc<EntityDescriptor>), Refusal> {
    let issuer = parameters.provider_id.as_str();
    let local = |fault: Fault| fault.local(Some(issuer));
    let relying_party = metadata
        .entity(issuer, now)
        .ok_or_else(|| local(UNKNOWN_RELYING_PARTY))?;
    // A link cannot be signed: where signatures are demanded, it would be the way around them.
    if relying_party.sp.authn_requests_signed || acceptance.require_signed {
        return Err(local(Fault::unproved(
            "requests for this relying party must be signed, and a link cannot be",
        )));
    }
    let issue_instant = issue_instant(parameters).map_err(local)?;
    if let Some(issued) = issue_instant {
        proof::check_age(issued, acceptance, now).map_err(local)?;
    }
    proof::check_relay_state(parameters.target.as_deref()).map_err(local)?;
    let wish = AcsWish {
        url: parameters.shire.as_deref(),
        answer_by: acceptance.answer_by,
        ..AcsWish::default()
    };
    let acs = relying_party
        .sp
        .assertion_consumer_service(&wish)
        .map_err(|_| local(super::UNRESOLVED))?;
    let mut request = AuthnRequest::new(issuer, acs.clone());
    request.issue_instant = issue_instant;
    request.relay_state.clone_from(&parameters.target);
    Ok((request, relying_party))
}

fn issue_instant(parameters: &Unsolicited) -> Result<Option<Timestamp>, Fault> {
    const MALFORMED: Fault = Fault::undecodable("time is no number of seconds since 1970");
    parameters
        .time
        .as_deref()
        .map(|text| {
            let seconds = text.parse().map_err(|_| MALFORMED)?;
            Timestamp::from_second(seconds).map_err(|_| MALFORMED)
        })
        .transpose()
}
