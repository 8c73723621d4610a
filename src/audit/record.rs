//! From what happened to the fields of its line: the server passes values, the labels stay here.

use crate::attribute::Attribute;
use crate::audit::constants::{binding, short, status};
use crate::audit::format::Fields;
use crate::audit::label::Label;
use crate::authn::event::Event;
use crate::authn::flow::FlowId;
use crate::authn::login::{DuoRecord, Failure, Success};
use crate::saml::binding::Binding;
use crate::saml::instant::format_millis;
use crate::saml::name_id::NameId;
use crate::saml::request::{AuthnRequest, LocalRefusal, RelyingPartyRefusal};
use crate::saml::status::Status;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What every line knows of the exchange it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The transaction id, also on the page the user sees.
    pub transaction: &'a str,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// `User-Agent`, cut by the server.
    pub user_agent: &'a str,
    /// When the login started.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Our entityID.
    pub issuer: &'a str,
    /// The single sign-on session's id, once there is one; never the cookie's secret.
    pub session: Option<&'a str>,
    /// `idp.audit.shortenBindings`
    pub shorten_bindings: bool,
}

/// What was sent to the relying party.
#[derive(Clone, Copy, Debug)]
pub struct Issued<'a> {
    /// The Response's ID.
    pub response_id: &'a str,
    /// The Assertion's ID.
    pub assertion_id: &'a str,
    /// SessionIndex.
    pub session_index: &'a str,
    /// The subject.
    pub name_id: &'a NameId,
    /// Released attributes.
    pub attributes: &'a [Attribute],
    /// The algorithm the assertion was encrypted with, if it was.
    pub encryption: Option<&'a str>,
}

/// Single sign-on by a browser, as Shibboleth calls it.
const SSO_PROFILE: &str = "http://shibboleth.net/ns/profiles/saml2/sso/browser";

/// Single sign-on of an enhanced client.
const ECP_PROFILE: &str = "http://shibboleth.net/ns/profiles/saml2/sso/ecp";

/// The SSO line of a login that succeeded.
pub fn sso_success<'a>(
    exchange: &Exchange<'a>,
    request: &'a AuthnRequest,
    success: &'a Success,
    issued: &Issued<'a>,
) -> Fields<'a> {
    let mut fields = sso_own(exchange, request, success);
    of_issued(&mut fields, issued, exchange.now);
    fields
}

/// The SSO line of a login to a page of our own: nothing was issued.
pub fn sso_own<'a>(
    exchange: &Exchange<'a>,
    request: &'a AuthnRequest,
    success: &'a Success,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    of_request(&mut fields, request, exchange.shorten_bindings);
    let result = &success.result;
    fields.set(Label::Username, result.username());
    fields.set(Label::AuthnContext, short(success.class.as_str()));
    fields.set(Label::AuthnInstant, format_millis(result.authn_instant()));
    fields.set(Label::Reused, flag(result.previous()));
    fields.set_all(
        Label::Flow,
        result.factors().keys().map(|flow| flow.as_str()),
    );
    fields.set(Label::Status, "Success");
    of_decision(&mut fields, &success.why, &success.audit, result.degraded());
    fields
}

/// The SSO line of a login that failed, was cancelled or abandoned; `answered` is the status sent
/// to the relying party, if one was sent.
pub fn sso_failure<'a>(
    exchange: &Exchange<'a>,
    request: &'a AuthnRequest,
    failure: &'a Failure,
    answered: Option<&'a Status>,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    of_request(&mut fields, request, exchange.shorten_bindings);
    fields.set_some(Label::Username, failure.username.as_deref());
    of_event(&mut fields, failure.event);
    of_status(&mut fields, answered);
    of_decision(&mut fields, &failure.why, &failure.audit, false);
    fields
}

/// The SSO line of a request that was refused with an answer to the relying party.
pub fn sso_refusal<'a>(
    exchange: &Exchange<'a>,
    refusal: &'a RelyingPartyRefusal,
    inbound: Binding,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    fields.set(Label::RelyingParty, refusal.issuer.as_str());
    fields.set_some(Label::RequestId, refusal.in_response_to.as_deref());
    fields.set_some(Label::InResponseTo, refusal.in_response_to.as_deref());
    fields.set(Label::Destination, refusal.acs.endpoint.location.as_str());
    let shorten = exchange.shorten_bindings;
    of_binding(&mut fields, inbound, shorten);
    let outbound = refusal.acs.endpoint.binding;
    fields.set(Label::OutboundBinding, binding(outbound, shorten));
    fields.set(Label::Event, refusal.event);
    of_status(&mut fields, Some(&refusal.status));
    fields.set(Label::Why, refusal.reason);
    fields
}

/// The SSO line of a request that ended on our own page; the issuer is only claimed.
pub fn sso_local<'a>(
    exchange: &Exchange<'a>,
    refusal: &'a LocalRefusal,
    inbound: Option<Binding>,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    fields.set_some(Label::RelyingParty, refusal.claimed_issuer.as_deref());
    if let Some(inbound) = inbound {
        of_binding(&mut fields, inbound, exchange.shorten_bindings);
    }
    fields.set(Label::Event, refusal.event);
    fields.set(Label::Why, refusal.reason);
    fields
}

/// A Duo line: before the redirect, after the result was verified or refused, or on expiry.
pub fn duo<'a>(
    exchange: &Exchange<'a>,
    relying_party: &'a str,
    record: &'a DuoRecord,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    fields.set(Label::RelyingParty, relying_party);
    fields.set(Label::AttemptedFlow, FlowId::DuoOidc.as_str());
    fields.set(Label::Flow, FlowId::DuoOidc.as_str());
    fields.set(Label::DuoUsername, record.username.as_str());
    fields.set(Label::DuoRedirect, record.redirect_uri.as_str());
    fields.set(Label::DuoClientId, record.client_id.as_str());
    fields.set(Label::DuoRequestState, record.request_state.as_str());
    fields.set(Label::DuoResponseState, record.response_state.as_str());
    fields.set(Label::DuoTransaction, record.txid.as_str());
    fields.set(Label::DuoDeviceId, record.device_id.as_str());
    fields.set(Label::DuoDeviceName, record.device_name.as_str());
    fields.set(Label::DuoReason, record.reason.as_str());
    fields.set(Label::DuoFactor, record.factor.as_str());
    fields
}

/// How one password check ended.
#[derive(Clone, Copy, Debug)]
pub struct PasswordCheck<'a> {
    /// As typed.
    pub username: &'a str,
    /// After trimming and folding.
    pub transformed: &'a str,
    /// `Success`, or the event's name.
    pub outcome: &'a str,
    /// The validator's id.
    pub validator: &'a str,
}

/// A Password line: one for every check. A name is only known to be a user's when it succeeded.
pub fn password<'a>(
    exchange: &Exchange<'a>,
    request: &'a AuthnRequest,
    check: &PasswordCheck<'a>,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    of_request(&mut fields, request, exchange.shorten_bindings);
    fields.set(Label::Flow, FlowId::Password.as_str());
    fields.set(Label::AttemptedFlow, FlowId::Password.as_str());
    fields.set(Label::Validator, check.validator);
    fields.set(Label::Username, check.username);
    fields.set(Label::TransformedUsername, check.transformed);
    fields.set_all(Label::AuthnResult, [check.outcome]);
    fields
}

/// What a user answered when asked for consent.
#[derive(Clone, Copy, Debug)]
pub struct ConsentAnswer<'a> {
    /// The user.
    pub username: &'a str,
    /// `AttributeReleaseConsent`, `TermsOfUseConsent`, or the event of a refusal.
    pub event: &'static str,
    /// What was asked about: attributes, or the terms' key.
    pub ids: &'a [&'a str],
    /// Which release or version it was: never an attribute's value.
    pub value: &'a str,
    /// Whether the user approved.
    pub approved: bool,
}

/// A consent line: one for every answer.
pub fn consent<'a>(
    exchange: &Exchange<'a>,
    relying_party: &'a str,
    answer: &ConsentAnswer<'a>,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    fields.set(Label::RelyingParty, relying_party);
    fields.set(Label::Event, answer.event);
    fields.set(Label::Username, answer.username);
    fields.set_all(Label::ConsentIds, answer.ids.iter().copied());
    fields.set_all(Label::ConsentValues, [answer.value]);
    fields.set_all(Label::ConsentApproved, [flag(answer.approved)]);
    fields
}

pub(super) fn exchange_fields<'a>(exchange: &Exchange<'a>) -> Fields<'a> {
    let mut fields = Fields::default();
    let client = exchange.client.map(|address| address.to_string());
    fields.set_some(Label::ClientAddress, client);
    fields.set(Label::UserAgent, exchange.user_agent);
    fields.set(Label::StartTime, format_millis(exchange.started));
    fields.set(Label::EventTime, format_millis(exchange.now));
    fields.set(Label::IdentityProvider, exchange.issuer);
    fields.set(Label::Profile, SSO_PROFILE);
    fields.set(Label::Protocol, "urn:oasis:names:tc:SAML:2.0:protocol");
    fields.set_some(Label::Session, exchange.session);
    fields.set(Label::Transaction, exchange.transaction);
    fields
}

fn of_request<'a>(fields: &mut Fields<'a>, request: &'a AuthnRequest, shorten: bool) {
    fields.set(Label::RelyingParty, request.issuer.as_str());
    fields.set_some(Label::RequestId, request.id.as_deref());
    fields.set_some(Label::InResponseTo, request.id.as_deref());
    fields.set_some(Label::RequestTime, request.issue_instant.map(format_millis));
    fields.set_some(Label::RelayState, request.relay_state.as_deref());
    of_binding(fields, request.binding, shorten);
    let outbound = &request.acs.endpoint;
    fields.set(Label::OutboundBinding, binding(outbound.binding, shorten));
    fields.set(Label::Destination, outbound.location.as_str());
    fields.set(Label::InboundSigned, flag(request.signed));
    fields.set(Label::Passive, flag(request.is_passive));
    fields.set(Label::Forced, flag(request.force_authn));
    let policy = &request.name_id_policy;
    fields.set_some(Label::PolicyFormat, policy.format.as_deref().map(short));
    fields.set_some(
        Label::PolicySpNameQualifier,
        policy.sp_name_qualifier.as_deref(),
    );
    if let Some(requested) = &request.requested {
        fields.set(Label::RequestedOperator, requested.comparison.as_str());
        let classes = requested.classes.iter().map(|class| short(class.as_str()));
        fields.set_all(Label::RequestedPrincipals, classes);
    }
}

/// How a request came, which also tells the profile: over SOAP come enhanced clients alone.
fn of_binding(fields: &mut Fields<'_>, inbound: Binding, shorten: bool) {
    fields.set(Label::InboundBinding, binding(inbound, shorten));
    if inbound == Binding::Soap {
        fields.set(Label::Profile, ECP_PROFILE);
    }
}

fn of_issued<'a>(fields: &mut Fields<'a>, issued: &Issued<'a>, now: Timestamp) {
    fields.set(Label::ResponseId, issued.response_id);
    fields.set(Label::ResponseTime, format_millis(now));
    fields.set(Label::AssertionId, issued.assertion_id);
    fields.set(Label::AssertionTime, format_millis(now));
    fields.set(Label::SessionIndex, issued.session_index);
    fields.set(Label::NameId, issued.name_id.value.as_str());
    fields.set(Label::NameIdFormat, short(&issued.name_id.format));
    fields.set_some(
        Label::SpNameQualifier,
        issued.name_id.sp_name_qualifier.as_deref(),
    );
    let ids = issued
        .attributes
        .iter()
        .map(|attribute| attribute.id.as_str());
    fields.set_all(Label::AttributeIds, ids);
    fields.set(Label::Encrypted, flag(issued.encryption.is_some()));
    fields.set_some(Label::EncryptionAlgorithm, issued.encryption.map(short));
}

fn of_event(fields: &mut Fields<'_>, event: Event) {
    if event != Event::Proceed {
        fields.set(Label::Event, event.as_str());
    }
}

pub(super) fn of_status<'a>(fields: &mut Fields<'a>, answered: Option<&'a Status>) {
    if let Some(answered) = answered {
        fields.set(Label::Status, status(answered.top));
        fields.set_some(Label::SubStatus, answered.second);
        fields.set_some(Label::StatusMessage, answered.message.as_deref());
    }
}

fn of_decision<'a>(
    fields: &mut Fields<'a>,
    why: &'a str,
    audit: &'a BTreeMap<String, String>,
    degraded: bool,
) {
    fields.set(Label::Why, why);
    if degraded {
        fields.set(Label::Degraded, "true");
    }
    let entries = audit.iter().map(|(key, value)| format!("{key}={value}"));
    fields.set_all(Label::ScriptAudit, entries);
}

pub(super) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
