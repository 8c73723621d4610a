//! A relying party that gets its answers by HTTP-Artifact and redeems them over SOAP.

use super::browser::{ALICE, Browser};
use super::http::{Request, Response};
use super::relying_party::RelyingParty;
use super::xml_signature;
use url::Url;

/// A relying party whose only endpoint is one for artifacts.
pub(crate) fn party(name: &str) -> RelyingParty {
    RelyingParty {
        acs_binding: "HTTP-Artifact",
        ..RelyingParty::new(name)
    }
}

/// Alice logs in there; the artifact that the browser is given.
pub(crate) fn log_in(base_url: &str, party: &RelyingParty) -> String {
    let url = party.request().url(base_url);
    let page = Browser::that_keeps_the_response().log_in(&url, ALICE).page;
    let form = page
        .form_with("SAMLart")
        .unwrap_or_else(|| panic!("no artifact: {}", page.body()));
    assert_eq!(form.action, party.acs);
    assert_eq!(form.value("RelayState"), Some("state"));
    form.value("SAMLart").unwrap().to_owned()
}

/// The request that redeems an artifact, unsigned.
pub(crate) fn resolve_xml(party: &RelyingParty, artifact: &str) -> String {
    let mut request = party.request();
    request.body = format!("<p:Artifact>{artifact}</p:Artifact>");
    request.xml().replace("p:AuthnRequest", "p:ArtifactResolve")
}

/// The answer to a signed request that redeems an artifact.
pub(crate) fn resolve(base_url: &str, party: &RelyingParty, artifact: &str) -> String {
    let message = xml_signature::signed(&resolve_xml(party, artifact));
    let answer = post(base_url, &message);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.body.contains(":ArtifactResponse "),
        "{}",
        answer.body
    );
    answer.body
}

/// Posts a message in an envelope to the resolution service.
pub(crate) fn post(base_url: &str, message: &str) -> Response {
    let url = format!("{base_url}/profile/SAML2/SOAP/ArtifactResolution");
    let envelope = format!(
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>{message}</S:Body></S:Envelope>"
    );
    let request = Request {
        method: "POST",
        url: Url::parse(&url).unwrap(),
        headers: Vec::new(),
        body: envelope.into_bytes(),
    };
    request
        .header("Content-Type", "text/xml; charset=utf-8")
        .send()
}
