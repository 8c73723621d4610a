//! Answers by HTTP-Artifact: what the browser carries, and who may redeem it (S26).

use crate::harness::artifact::{log_in, party, post, resolve, resolve_xml};
use crate::harness::browser::{ALICE, Browser};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{PPT, RelyingParty, Response};
use crate::harness::xml_signature::signed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

fn serving(parties: &[&RelyingParty]) -> Deployment {
    let mut deployment = Deployment::prepare();
    for (number, party) in parties.iter().enumerate() {
        deployment.trust(&format!("party-{number}"), &party.metadata());
    }
    deployment.serve();
    deployment
}

/// The Response inside the answer to a resolution.
fn inside(answer: &str) -> Option<Response> {
    let start = answer.find("<saml2p:Response ")?;
    let end = answer.find("</saml2p:Response>").unwrap();
    Some(Response {
        xml: answer[start..end].to_owned(),
        relay_state: None,
        posted_to: String::new(),
    })
}

#[test]
fn an_artifact_is_redeemed_for_the_response_it_stands_for() {
    let party = party("redeeming");
    let deployment = serving(&[&party]);
    let artifact = log_in(&deployment.base_url, &party);
    let octets = STANDARD.decode(&artifact).unwrap();
    assert_eq!(octets[..4], [0, 4, 0, 2], "type 4, index 2");
    assert_eq!(
        octets[4..24],
        openssl::sha::sha1(Deployment::ENTITY_ID.as_bytes())
    );
    let answer = resolve(&deployment.base_url, &party, &artifact);
    let response = inside(&answer).unwrap_or_else(|| panic!("no response: {answer}"));
    assert_eq!(response.class(), PPT);
    assert_eq!(response.texts("Audience"), [party.entity_id]);
    assert_eq!(response.values("Response", "Destination"), [party.acs]);
    let line = deployment.home.logs();
    assert!(line.contains("|Redirect|Artifact|"), "{line}");
}

#[test]
fn a_refusal_is_redeemed_like_a_success() {
    let party = party("refused");
    let deployment = serving(&[&party]);
    let request = party.request_exactly("https://example.org/never-heard-of");
    let mut browser = Browser::that_keeps_the_response();
    let page = browser
        .log_in(&request.url(&deployment.base_url), ALICE)
        .page;
    let form = page.form_with("SAMLart").unwrap();
    let artifact = form.value("SAMLart").unwrap();
    let answer = resolve(&deployment.base_url, &party, artifact);
    let status = inside(&answer).unwrap().status();
    assert_eq!(status, ["Requester", "NoAuthnContext"]);
}

#[test]
fn s26_an_artifact_is_redeemed_once() {
    let party = party("twice");
    let deployment = serving(&[&party]);
    let artifact = log_in(&deployment.base_url, &party);
    let redeemed = || inside(&resolve(&deployment.base_url, &party, &artifact)).is_some();
    assert!(redeemed());
    assert!(!redeemed(), "the second time");
}

#[test]
fn s26_an_artifact_in_other_hands_is_spent_and_gives_nothing() {
    let (party, other) = (party("owner"), party("thief"));
    let deployment = serving(&[&party, &other]);
    let artifact = log_in(&deployment.base_url, &party);
    let by = |party| inside(&resolve(&deployment.base_url, party, &artifact)).is_some();
    assert!(!by(&other), "another party's artifact");
    assert!(!by(&party), "it has leaked");
}

#[test]
fn s26_who_does_not_sign_gets_nothing_and_spends_nothing() {
    let party = party("unsigned");
    let stranger = RelyingParty::new("stranger");
    let deployment = serving(&[&party]);
    let base_url = &deployment.base_url;
    let artifact = log_in(base_url, &party);
    let good = signed(&resolve_xml(&party, &artifact));
    for (what, message) in [
        ("unsigned", resolve_xml(&party, &artifact)),
        (
            "not in metadata",
            signed(&resolve_xml(&stranger, &artifact)),
        ),
        (
            "changed",
            good.replace("Version=\"2.0\" ", "Version=\"2.0\" Consent=\"urn:x\" "),
        ),
        ("another message", signed(&party.request().xml())),
        ("no message", "<x/>".to_owned()),
    ] {
        let answer = post(base_url, &message);
        assert_eq!(answer.status, 500, "{what}: {}", answer.body);
        assert!(answer.body.contains(":Fault>"), "{what}: {}", answer.body);
        assert!(!answer.body.contains("Response"), "{what}: {}", answer.body);
    }
    assert!(inside(&post(base_url, &good).body).is_some());
}

#[test]
fn s26_an_artifact_that_never_was_looks_like_one_that_is_spent() {
    let party = party("guessing");
    let deployment = serving(&[&party]);
    let artifact = log_in(&deployment.base_url, &party);
    resolve(&deployment.base_url, &party, &artifact);
    let mut octets = STANDARD.decode(&artifact).unwrap();
    octets[43] ^= 1;
    let never = STANDARD.encode(octets);
    for artifact in [artifact, never] {
        let answer = resolve(&deployment.base_url, &party, &artifact);
        assert!(inside(&answer).is_none());
        assert!(answer.contains("status:Success"), "{answer}");
    }
}

#[test]
fn where_artifacts_are_switched_off_nothing_tells_of_them() {
    let party = party("switched-off");
    let mut deployment = Deployment::prepare();
    deployment.home.set("idp.artifact.enabled", "false");
    deployment.trust("party", &party.metadata());
    deployment.serve();
    let answer = post(&deployment.base_url, "<x/>");
    assert_eq!(answer.status, 404);
    let metadata = Request::get(Url::parse(&deployment.url("/shibboleth")).unwrap()).send();
    assert!(!metadata.body.contains("Artifact"), "{}", metadata.body);
    let page = Browser::new().open(&party.request().url(&deployment.base_url));
    assert!(page.form_with("j_username").is_none(), "{}", page.body());
}
