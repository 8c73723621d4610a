//! Enhanced clients (SAML profiles 4.2; ECP profile 2.0): an AuthnRequest that a client hands on over
//! SOAP, and the channel bindings that tie it to the client's connection with its relying party.
//!
//! Owns: what the client's envelope asks. Does not own: how the user logs in without a browser, or
//! what we answer (`response::ecp`).

use crate::saml::metadata::{AnswerBy, EntityDescriptor, MetadataResolver};
use crate::saml::proof::{Fault, SAMLP};
use crate::saml::request::{Acceptance, AuthnRequest, Refusal, accept_received};
use crate::saml::soap::{Envelope, PAOS_XML};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::Element;
use jiff::Timestamp;
use std::sync::Arc;

/// The namespace of the profile's own headers, and the service that a PAOS header names.
pub const ECP: Namespace = Namespace::new("ecp", "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp");
/// The version that a PAOS header names.
pub const PAOS: &str = "urn:liberty:paos:2003-08";
/// The namespace of channel bindings.
pub const CHANNEL_BINDINGS: Namespace =
    Namespace::new("cb", "urn:oasis:names:tc:SAML:protocol:ext:channel-binding");

/// The headers that [`accept`] reads; to be named to `soap::parse`.
pub const UNDERSTOOD: [(&str, &str); 1] = [(CHANNEL_BINDINGS.uri, "ChannelBindings")];

/// What a refusal says when the digest of a signature is wrong: with an enhanced client in between,
/// the usual reason is the client.
const REWRITTEN: &str =
    "the request's signature does not verify: some ECP clients rewrite the request and break it";

/// Whether a request comes from an enhanced client, by its `Accept` and `PAOS` headers
/// (SAML profiles 4.2.3.1, bindings 3.3.3).
pub fn is_enhanced_client(accept: &str, paos: &str) -> bool {
    let accepts = accept
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .any(|range| range.eq_ignore_ascii_case(PAOS_XML));
    let quoted = |text: &str| format!("\"{text}\"");
    accepts && paos.contains(&quoted(PAOS)) && paos.contains(&quoted(ECP.uri))
}

/// `cb:ChannelBindings`: what one end of a TLS connection saw of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBindings {
    /// `Type`, such as `tls-server-end-point`.
    pub kind: String,
    /// The data, base64 as a rule, compared as it stands but for white space.
    pub data: String,
}

/// A request that an enhanced client handed on.
#[derive(Clone, Debug)]
pub struct EcpRequest {
    /// The request itself; its endpoint is one of PAOS.
    pub request: AuthnRequest,
    /// The bindings that relying party and client agree on, to be confirmed in the answer.
    pub channel_bindings: Vec<ChannelBindings>,
}

/// Proves a request in a client's envelope. A `Destination` may be absent, for the relying party
/// need not know which identity provider the client will choose.
pub fn accept(
    envelope: &Envelope,
    metadata: &dyn MetadataResolver,
    acceptance: &Acceptance,
    now: Timestamp,
) -> Result<(EcpRequest, Arc<EntityDescriptor>), Refusal> {
    let message = envelope.message();
    if !message.is(SAMLP, "AuthnRequest") {
        let fault = Fault::undecodable("the message is not of the kind that belongs here");
        return Err(fault.local(None));
    }
    let acceptance = Acceptance {
        answer_by: AnswerBy::Paos,
        ..acceptance.clone()
    };
    let (request, party) = envelope
        .received(|received| accept_received(received, metadata, &acceptance, now))
        .map_err(name_the_client)?;
    let channel_bindings =
        agreed(envelope, request.signed).map_err(|fault| request.answer(fault))?;
    let accepted = EcpRequest {
        request,
        channel_bindings,
    };
    Ok((accepted, party))
}

fn name_the_client(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Local(mut local) if local.reason == crate::saml::signature::WRONG_DIGEST => {
            local.reason = REWRITTEN;
            Refusal::Local(local)
        }
        other => other,
    }
}

/// ECP 2.0 2.3.4: where the relying party signed which bindings it saw, the client must name one of
/// them too, or somebody stands between the two.
fn agreed(envelope: &Envelope, signed: bool) -> Result<Vec<ChannelBindings>, Fault> {
    let extensions = envelope.message().first(SAMLP, "Extensions").into_iter();
    let (cb, local) = (CHANNEL_BINDINGS.uri, "ChannelBindings");
    let asked: Vec<ChannelBindings> = extensions
        .flat_map(|extensions| extensions.all(cb, local))
        .filter_map(ChannelBindings::read)
        .collect();
    // What is not signed could be the work of whoever stands between.
    if asked.is_empty() || !signed {
        return Ok(Vec::new());
    }
    let agreed: Vec<ChannelBindings> = envelope
        .headers(cb, local)
        .filter_map(ChannelBindings::read)
        .filter(|seen| asked.contains(seen))
        .collect();
    if agreed.is_empty() {
        return Err(Fault::new(
            "ChannelBindingsError",
            "the client's channel bindings are not those of the relying party",
        ));
    }
    Ok(agreed)
}

impl ChannelBindings {
    fn read(element: &Element) -> Option<Self> {
        Some(Self {
            kind: element.attribute("Type")?.to_owned(),
            data: element.text().split_ascii_whitespace().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_client_is_known_by_both_headers() {
        let accept = "text/html, application/vnd.paos+xml";
        let paos = "ver=\"urn:liberty:paos:2003-08\";\
                    \"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"";
        assert!(is_enhanced_client(accept, paos));
        assert!(!is_enhanced_client("text/html", paos));
        assert!(!is_enhanced_client(accept, ""));
        assert!(!is_enhanced_client(accept, &paos.replace("ecp", "other")));
    }
}
