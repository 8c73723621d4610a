//! S50: what does not end a session.

use super::*;
use crate::harness::browser::BOB;
use crate::harness::logout::soap;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;

/// A key of nobody's metadata.
pub(super) fn strangers_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn assert_refused(deployment: &Deployment, browser: &mut Browser, url: &str) {
    let page = open(deployment, browser, url).page();
    assert_eq!(page.response.status, 400, "{}", page.body());
    assert!(
        page.body().contains("You were not signed out"),
        "{}",
        page.body()
    );
    assert!(
        Form::all(page.body()).is_empty(),
        "nothing is sent to anybody"
    );
}

#[test]
fn s50_an_unsigned_or_forged_request_ends_nothing() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let endpoint = deployment.url(REDIRECT);
    let honest = request(&deployment, (&party, &subjects[0]), REDIRECT);
    let elsewhere = request(&deployment, (&party, &subjects[0]), POST);
    let unknown = RelyingParty::with_logout("unknown", &["HTTP-Redirect"]);
    let unknown = request(&deployment, (&unknown, &subjects[0]), REDIRECT);
    for url in [
        honest.unsigned_url(&endpoint),
        honest.url_signed_by(&endpoint, &strangers_key()),
        elsewhere.url(&endpoint),
        unknown.url(&endpoint),
        format!("{endpoint}?SAMLRequest=x"),
    ] {
        assert_refused(&deployment, &mut browser, &url);
        assert!(has_session(&deployment, &browser, &party), "{url}");
    }
    let lines = logout_lines_of_refusals(&deployment, 5);
    assert_eq!(lines.len(), 5, "one line each: {lines:#?}");
}

#[test]
fn s50_an_unsigned_or_forged_request_over_soap_ends_nothing() {
    let party = RelyingParty::with_logout("one", &["SOAP"]);
    let deployment = serving(&[&party]);
    let (browser, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), SOAP);
    let signed = sent.signed_xml();
    let another = signed.replace(&subjects[0].session_index, "_another");
    for message in [sent.xml.clone(), another] {
        let answer = soap(&deployment.url(SOAP), &message);
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert!(answer.body.contains("faultstring"), "{}", answer.body);
        assert!(
            !answer.body.contains("Signature"),
            "nothing is signed for it"
        );
    }
    assert!(has_session(&deployment, &browser, &party));
}

#[test]
fn s50_a_request_ends_something_once() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect", "SOAP"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let everywhere = subjects[0].clone().everywhere();
    let url = request_url(&deployment, (&party, &everywhere));
    let answer = open(&deployment, &mut browser, &url).message();
    assert_eq!(answer.status(), ["Success"]);
    let (mut again, _) = signed_in(&deployment, &[&party]);
    assert_refused(&deployment, &mut again, &url);
    assert!(has_session(&deployment, &again, &party));

    let (_, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), SOAP).signed_xml();
    assert!(
        soap(&deployment.url(SOAP), &sent)
            .body
            .contains("status:Success")
    );
    let replayed = soap(&deployment.url(SOAP), &sent);
    assert!(
        replayed.body.contains("status:RequestDenied"),
        "{}",
        replayed.body
    );
}

#[test]
fn s50_a_request_about_another_user_ends_neither_session() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (alice, subjects) = signed_in(&deployment, &[&party]);
    let mut bob = Browser::that_keeps_the_response();
    sign_in(&deployment, &mut bob, (&party, BOB));
    let url = request_url(&deployment, (&party, &subjects[0]));
    let answer = open(&deployment, &mut bob, &url).message();
    assert_eq!(answer.status(), ["Requester", "UnknownPrincipal"]);
    assert!(has_session(&deployment, &alice, &party));
    assert!(has_session(&deployment, &bob, &party));
}

#[test]
fn s50_one_service_cannot_end_what_another_was_told() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect", "SOAP"]);
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect", "SOAP"]);
    let deployment = serving(&[&party, &other]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&other, &subjects[0]));
    let answer = open(&deployment, &mut browser, &url).message();
    assert_eq!(answer.status(), ["Requester", "UnknownPrincipal"]);
    let sent = request(&deployment, (&other, &subjects[0]), SOAP);
    let answer = soap(&deployment.url(SOAP), &sent.signed_xml());
    assert!(answer.body.contains("UnknownPrincipal"), "{}", answer.body);
    assert!(has_session(&deployment, &browser, &party));
}

#[test]
fn s50_a_browser_without_the_session_carries_no_names_to_others() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect"]);
    let deployment = serving(&[&party, &other]);
    let (alice, subjects) = signed_in(&deployment, &[&party, &other]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let mut stranger = Browser::that_keeps_the_response();
    let page = open(&deployment, &mut stranger, &url).page();
    assert_eq!(told(&page), ["unreachable"], "{}", page.body());
    assert!(!page.body().contains("alice"), "{}", page.body());
    assert!(
        !has_session(&deployment, &alice, &party),
        "the signed request counts"
    );
}

#[test]
fn s11_a_request_in_query_and_form_at_once_is_refused() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), POST);
    let mut post = sent.post(&deployment.url(POST));
    post.url.set_query(Some("SAMLRequest=x"));
    let page = follow(&deployment, &mut browser, post).page();
    assert_eq!(page.response.status, 400);
    assert!(has_session(&deployment, &browser, &party));
}

fn logout_lines_of_refusals(deployment: &Deployment, wanted: usize) -> Vec<String> {
    wait_for("the audit", || {
        let path = deployment.home.path.join("logs/idp-audit.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        let events = [
            "MessageAuthenticationError",
            "InvalidProfileConfiguration",
            "UnableToDecode",
        ];
        let found: Vec<String> = text
            .lines()
            .filter(|line| events.iter().any(|event| line.contains(event)))
            .map(str::to_owned)
            .collect();
        (found.len() >= wanted).then_some(found)
    })
}
