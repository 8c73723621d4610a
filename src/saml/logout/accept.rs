//! From unproved octets to a [`LogoutRequest`] or [`LogoutResponse`]. Decryption comes last: only
//! for a signed message of a known relying party (S16, S50).

use super::{ASYNC, Accepted, LogoutRefusal, LogoutRequest, LogoutResponse, Outcome};
use crate::saml::binding::{Binding, Inbound};
use crate::saml::instant;
use crate::saml::metadata::{EntityDescriptor, MetadataResolver};
use crate::saml::name_id::NameId;
use crate::saml::proof::{
    self, Fault, Proof, Received, SAML, SAMLP, UNKNOWN_RELYING_PARTY, check_version, only,
};
use crate::saml::request::Acceptance;
use crate::saml::soap::Envelope;
use crate::saml::status::{TopStatus, second};
use crate::saml::xml::reader::Element;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// More sessions than one subject can have at one relying party.
const MAX_SESSION_INDEXES: usize = 100;
/// SDP-G02: nobody's index or reason is longer.
const MAX_TEXT: usize = 256;

/// Proves a LogoutRequest by HTTP-Redirect, HTTP-POST or HTTP-POST-SimpleSign.
pub fn accept_request(
    inbound: &Inbound,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(LogoutRequest, Arc<EntityDescriptor>), LogoutRefusal> {
    let root = proof::message(inbound, "LogoutRequest").map_err(|fault| refusal(fault, None))?;
    let received = Received::alone(&root, inbound);
    let (mut request, party) = request(&received, metadata, acceptance, now)?;
    request.relay_state.clone_from(&inbound.relay_state);
    Ok((request, party))
}

/// Proves a LogoutRequest by SOAP.
pub fn accept_request_in(
    envelope: &Envelope,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(LogoutRequest, Arc<EntityDescriptor>), LogoutRefusal> {
    is_message(envelope, "LogoutRequest")?;
    envelope.received(|received| request(received, metadata, acceptance, now))
}

/// Proves a LogoutResponse by HTTP-Redirect, HTTP-POST or HTTP-POST-SimpleSign.
pub fn accept_response(
    inbound: &Inbound,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<LogoutResponse, LogoutRefusal> {
    let root = proof::message(inbound, "LogoutResponse").map_err(|fault| refusal(fault, None))?;
    let received = Received::alone(&root, inbound);
    let mut response = response(&received, metadata, acceptance, now)?;
    response.relay_state.clone_from(&inbound.relay_state);
    Ok(response)
}

/// Proves a LogoutResponse that came back over SOAP.
pub fn accept_response_in(
    envelope: &Envelope,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<LogoutResponse, LogoutRefusal> {
    is_message(envelope, "LogoutResponse")?;
    envelope.received(|received| response(received, metadata, acceptance, now))
}

fn is_message(envelope: &Envelope, local: &str) -> Result<(), LogoutRefusal> {
    if envelope.message().is(SAMLP, local) {
        return Ok(());
    }
    let fault = Fault::undecodable("the message is not of the kind that belongs here");
    Err(refusal(fault, None))
}

fn refusal(fault: Fault, claimed_issuer: Option<&str>) -> LogoutRefusal {
    LogoutRefusal {
        event: fault.event,
        reason: fault.reason,
        claimed_issuer: claimed_issuer.map(str::to_owned),
    }
}

/// What every proven logout message has.
struct Proven {
    issuer: String,
    party: Arc<EntityDescriptor>,
    proof: Proof,
}

fn prove(
    received: &Received<'_>,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<Proven, LogoutRefusal> {
    let issuer = proof::issuer(received.root).map_err(|fault| refusal(fault, None))?;
    let refused = |fault| refusal(fault, Some(&issuer));
    let party = metadata
        .entity(&issuer, now)
        .ok_or_else(|| refused(UNKNOWN_RELYING_PARTY))?;
    // SAML profiles 4.4.4.1, S50: an unsigned logout is anybody's, so none is taken, over SOAP too.
    let proof =
        proof::prove(received, &party.sp.signing_keys, true, acceptance, now).map_err(refused)?;
    check_version(received.root).map_err(refused)?;
    Ok(Proven {
        issuer,
        party,
        proof,
    })
}

fn request(
    received: &Received<'_>,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(LogoutRequest, Arc<EntityDescriptor>), LogoutRefusal> {
    let proven = prove(received, metadata, acceptance, now)?;
    let request = read_request(received, &proven, acceptance, now)
        .map_err(|fault| refusal(fault, Some(&proven.issuer)))?;
    Ok((request, proven.party))
}

/// SAML core 3.7.1.
fn read_request(
    received: &Received<'_>,
    proven: &Proven,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<LogoutRequest, Fault> {
    let root = received.root;
    check_end(root, acceptance, now)?;
    let indexes = root.all(SAMLP, "SessionIndex").map(Element::text);
    let session_indexes: Vec<String> = indexes.take(MAX_SESSION_INDEXES + 1).collect();
    if session_indexes.len() > MAX_SESSION_INDEXES
        || session_indexes.iter().any(|index| index.len() > MAX_TEXT)
    {
        return Err(Fault::undecodable("too many or too long SessionIndexes"));
    }
    let reason = root.attribute("Reason");
    Ok(LogoutRequest {
        id: proven.proof.id.clone(),
        issuer: proven.issuer.clone(),
        binding: received.binding,
        name_id: name_id(received, acceptance)?,
        session_indexes,
        reason: reason.filter(|r| r.len() <= MAX_TEXT).map(str::to_owned),
        asynchronous: is_asynchronous(root, received.binding)?,
        relay_state: None,
        accepted: Accepted,
    })
}

/// SAML core 3.7.1: past its end the request means nothing any more.
fn check_end(root: &Element, acceptance: &Acceptance, now: Timestamp) -> Result<(), Fault> {
    let Some(text) = root.attribute("NotOnOrAfter") else {
        return Ok(());
    };
    let end = instant::parse(text).ok_or(Fault::undecodable("NotOnOrAfter is no xs:dateTime"))?;
    let skew = SignedDuration::try_from(acceptance.clock_skew).unwrap_or(SignedDuration::MAX);
    if now.duration_since(end) >= skew {
        return Err(Fault::new("MessageExpired", "NotOnOrAfter has passed"));
    }
    Ok(())
}

/// Exactly one of the two kinds of name; a BaseID has no meaning here.
fn name_id(received: &Received<'_>, acceptance: &Acceptance) -> Result<NameId, Fault> {
    let root = received.root;
    match (
        only(root, SAML, "NameID")?,
        only(root, SAML, "EncryptedID")?,
    ) {
        (Some(plain), None) => Ok(NameId::read(plain)),
        (None, Some(encrypted)) => {
            let around = [received.around, &[root]].concat();
            NameId::decrypt(encrypted, &around, &acceptance.decryption_keys)
                .map_err(|error| Fault::undecodable(error.reason))
        }
        _ => Err(Fault::undecodable(
            "the request has not exactly one NameID or EncryptedID",
        )),
    }
}

/// Asynchronous Single Logout extension 2.3: for the front channel alone.
fn is_asynchronous(root: &Element, binding: Binding) -> Result<bool, Fault> {
    let extensions = only(root, SAMLP, "Extensions")?;
    let asked = extensions.is_some_and(|e| e.first(ASYNC.uri, "Asynchronous").is_some());
    Ok(asked && binding != Binding::Soap)
}

fn response(
    received: &Received<'_>,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<LogoutResponse, LogoutRefusal> {
    let proven = prove(received, metadata, acceptance, now)?;
    let refused = |fault| refusal(fault, Some(&proven.issuer));
    let in_response_to = received
        .root
        .attribute("InResponseTo")
        .ok_or_else(|| refused(Fault::undecodable("the response answers nothing")))?;
    Ok(LogoutResponse {
        in_response_to: in_response_to.to_owned(),
        outcome: outcome(received.root).map_err(refused)?,
        id: proven.proof.id,
        issuer: proven.issuer,
        relay_state: None,
        accepted: Accepted,
    })
}

/// Success with a second level of PartialLogout is success with a remark; some send the second
/// level below Responder (SAML core 3.2.2.2, 3.7.3.2).
fn outcome(root: &Element) -> Result<Outcome, Fault> {
    const MISSING: Fault = Fault::undecodable("the response has no StatusCode");
    let status = only(root, SAMLP, "Status")?.ok_or(MISSING)?;
    let top = only(status, SAMLP, "StatusCode")?.ok_or(MISSING)?;
    let second = only(top, SAMLP, "StatusCode")?.and_then(|code| code.attribute("Value"));
    let succeeded = top.attribute("Value") == Some(TopStatus::Success.uri());
    Ok(match second {
        Some(second::PARTIAL_LOGOUT) => Outcome::Partial,
        _ if succeeded => Outcome::Ended,
        _ => Outcome::Failed,
    })
}
