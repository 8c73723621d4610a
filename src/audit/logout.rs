//! From a logout to the fields of its line: one for each that was begun, however it ended.

use crate::audit::constants::{binding, short};
use crate::audit::format::Fields;
use crate::audit::label::Label;
use crate::audit::record::{Exchange, exchange_fields, flag, of_status};
use crate::saml::binding::Binding;
use crate::saml::logout::{LogoutRefusal, LogoutRequest};
use crate::saml::status::Status;

/// A relying party's request, by any binding.
const SAML2: &str = "http://shibboleth.net/ns/profiles/saml2/logout";
/// Our own page.
const OWN: &str = "http://shibboleth.net/ns/profiles/logout";

/// A logout that is over.
#[derive(Clone, Copy, Debug)]
pub struct LoggedOut<'a> {
    /// The relying party's request; none when the user began it here.
    pub request: Option<&'a LogoutRequest>,
    /// Whose session it was.
    pub username: Option<&'a str>,
    /// What was answered, if an answer was waited for.
    pub answer: Option<LogoutAnswer<'a>>,
    /// Shibboleth's event name, where it did not just proceed.
    pub event: Option<&'static str>,
    /// What became of whom.
    pub why: &'a str,
}

/// An answer to the relying party that asked.
#[derive(Clone, Copy, Debug)]
pub struct LogoutAnswer<'a> {
    /// Its ID.
    pub id: &'a str,
    /// By which binding.
    pub binding: Binding,
    /// Where to; nowhere over SOAP.
    pub destination: Option<&'a str>,
    /// What it says.
    pub status: &'a Status,
}

/// The line of a logout that is over.
pub fn logout<'a>(exchange: &Exchange<'a>, ended: &LoggedOut<'a>) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    let profile = if ended.request.is_some() { SAML2 } else { OWN };
    fields.set(Label::Profile, profile);
    if let Some(request) = ended.request {
        of_request(&mut fields, request, exchange.shorten_bindings);
    }
    if let Some(answer) = &ended.answer {
        let outbound = binding(answer.binding, exchange.shorten_bindings);
        fields.set(Label::OutboundBinding, outbound);
        fields.set(Label::ResponseId, answer.id);
        fields.set_some(Label::Destination, answer.destination);
        of_status(&mut fields, Some(answer.status));
    }
    fields.set_some(Label::Username, ended.username);
    fields.set_some(Label::Event, ended.event);
    fields.set(Label::Why, ended.why);
    fields
}

/// The line of a logout message that was refused: nothing ended. The issuer is only claimed.
pub fn logout_refused<'a>(
    exchange: &Exchange<'a>,
    refusal: &'a LogoutRefusal,
    inbound: Binding,
) -> Fields<'a> {
    let mut fields = exchange_fields(exchange);
    fields.set(Label::Profile, SAML2);
    fields.set_some(Label::RelyingParty, refusal.claimed_issuer.as_deref());
    let inbound = binding(inbound, exchange.shorten_bindings);
    fields.set(Label::InboundBinding, inbound);
    fields.set(Label::Event, refusal.event);
    fields.set(Label::Why, refusal.reason);
    fields
}

fn of_request<'a>(fields: &mut Fields<'a>, request: &'a LogoutRequest, shorten: bool) {
    fields.set(Label::RelyingParty, request.issuer.as_str());
    fields.set(Label::RequestId, request.id.as_str());
    fields.set(Label::InResponseTo, request.id.as_str());
    fields.set_some(Label::RelayState, request.relay_state.as_deref());
    fields.set(Label::InboundBinding, binding(request.binding, shorten));
    // An unsigned one is never accepted.
    fields.set(Label::InboundSigned, flag(true));
    fields.set(Label::NameId, request.name_id.value.as_str());
    fields.set(Label::NameIdFormat, short(&request.name_id.format));
    fields.set_some(
        Label::SpNameQualifier,
        request.name_id.sp_name_qualifier.as_deref(),
    );
    fields.set_some(
        Label::SessionIndex,
        request.session_indexes.first().map(String::as_str),
    );
}
