//! A service asks: by Redirect, POST and SOAP, waiting for an answer or not.

use super::*;
use crate::harness::logout::soap;

#[test]
fn sdp_idp26_a_service_ends_the_session_by_redirect_and_hears_of_it() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let stolen = browser.clone();
    assert!(has_session(&deployment, &browser, &party));
    let sent = request(&deployment, (&party, &subjects[0]), REDIRECT);
    let url = sent.url(&deployment.url(REDIRECT));
    let answer = open(&deployment, &mut browser, &url).message();
    assert_eq!(answer.status(), ["Success"]);
    assert_eq!(answer.values("LogoutResponse", "InResponseTo"), [sent.id]);
    assert_eq!(answer.posted_to, party.logout[0].1);
    assert_eq!(answer.relay_state.as_deref(), Some("state"));
    assert!(!has_session(&deployment, &browser, &party));
    assert!(
        !has_session(&deployment, &stolen, &party),
        "the cookie from before is worth nothing"
    );
    let cookies: Vec<_> = browser.jar.of("localhost").collect();
    assert!(
        cookies
            .iter()
            .all(|cookie| cookie.name != "shib_idp_session")
    );
}

#[test]
fn a_service_ends_the_session_by_post_and_is_answered_by_post() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect", "HTTP-POST"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), POST);
    let post = sent.post(&deployment.url(POST));
    let page = follow(&deployment, &mut browser, post).page();
    let answer = Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()));
    assert_eq!(answer.status(), ["Success"]);
    assert_eq!(answer.values("LogoutResponse", "InResponseTo"), [sent.id]);
    assert!(answer.xml.contains("<ds:Signature"), "{}", answer.xml);
    assert!(!has_session(&deployment, &browser, &party));
}

#[test]
fn an_answer_goes_to_the_response_location() {
    let mut party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    party.logout[0].1 =
        r#"https://one.example/slo" ResponseLocation="https://one.example/done"#.to_owned();
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let answer = open(&deployment, &mut browser, &url).message();
    assert_eq!(answer.posted_to, "https://one.example/done");
}

#[test]
fn iip_idp17_a_service_that_waits_for_no_answer_gets_none() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let deployment = serving(&[&party]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), REDIRECT).asynchronous();
    let url = sent.url(&deployment.url(REDIRECT));
    let page = open(&deployment, &mut browser, &url).page();
    assert!(
        page.body().contains("You are signed out"),
        "{}",
        page.body()
    );
    assert!(Form::all(page.body()).is_empty());
    assert!(!has_session(&deployment, &browser, &party));
}

#[test]
fn sdp_idp31_a_service_that_cannot_be_told_makes_the_logout_partial() {
    let party = RelyingParty::with_logout("one", &["HTTP-POST"]);
    let mute = RelyingParty::new("mute");
    let deployment = serving(&[&party, &mute]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party, &mute]);
    let url = request_url(&deployment, (&party, &subjects[0]));
    let page = open(&deployment, &mut browser, &url).page();
    assert_eq!(told(&page), ["unreachable"], "{}", page.body());
    assert!(page.body().contains(&mute.entity_id), "{}", page.body());
    // The way back is on the page, and says the same.
    let answer = Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()));
    assert_eq!(answer.status(), ["Success", "PartialLogout"]);
    assert_eq!(answer.posted_to, party.logout[0].1);
    assert!(!has_session(&deployment, &browser, &party));
}

#[test]
fn the_user_of_a_service_visits_the_others_and_returns_to_it() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect"]);
    let deployment = serving(&[&party, &other]);
    let (mut browser, subjects) = signed_in(&deployment, &[&party, &other]);
    let sent = request(&deployment, (&party, &subjects[0]), REDIRECT);
    let url = sent.url(&deployment.url(REDIRECT));
    let page = open(&deployment, &mut browser, &url).page();
    assert_eq!(told(&page), ["not-yet"], "{}", page.body());
    assert!(
        !has_session(&deployment, &browser, &party),
        "our session ends before anybody is told"
    );
    let asked = press(&deployment, &mut browser, &page).message();
    assert_eq!(asked.posted_to, other.logout[0].1);
    let url = answer_url(&deployment, &other, &asked, "Success");
    let answer = open(&deployment, &mut browser, &url).message();
    assert_eq!(answer.posted_to, party.logout[0].1);
    assert_eq!(answer.status(), ["Success"]);
    assert_eq!(answer.values("LogoutResponse", "InResponseTo"), [sent.id]);
}

#[test]
fn a_service_ends_every_session_of_a_name_without_an_index() {
    let party = RelyingParty::with_logout("one", &["HTTP-Redirect"]);
    let mut deployment = prepared(&[&party]);
    let salt = "\nidp.persistentId.salt = salt of the whole test suite\n";
    deployment
        .home
        .append("credentials/secrets.properties", salt);
    deployment
        .home
        .set("idp.persistentId.sourceAttribute", "uid");
    deployment
        .home
        .set("vestibule.nameid.formats", "transient, persistent");
    deployment.home.set(
        "idp.nameid.saml2.default",
        "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    );
    deployment.serve();
    let (mut here, subjects) = signed_in(&deployment, &[&party]);
    let (there, _) = signed_in(&deployment, &[&party]);
    let everywhere = subjects[0].clone().everywhere();
    let url = request_url(&deployment, (&party, &everywhere));
    let answer = open(&deployment, &mut here, &url).message();
    assert_eq!(answer.status(), ["Success"]);
    assert!(!has_session(&deployment, &here, &party));
    assert!(!has_session(&deployment, &there, &party));
}

#[test]
fn a_service_ends_the_session_over_soap_without_the_browser() {
    let party = RelyingParty::with_logout("one", &["SOAP"]);
    let deployment = serving(&[&party]);
    let (browser, subjects) = signed_in(&deployment, &[&party]);
    let sent = request(&deployment, (&party, &subjects[0]), SOAP);
    let answer = soap(&deployment.url(SOAP), &sent.signed_xml());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(status_in(&answer.body), ["Success"]);
    assert!(
        answer
            .body
            .contains(&format!("InResponseTo=\"{}\"", sent.id))
    );
    assert!(answer.body.contains("<ds:Signature"), "{}", answer.body);
    assert!(!has_session(&deployment, &browser, &party));
    let lines = logout_lines(&deployment, 1);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in [
        &subjects[0].name,
        &party.entity_id,
        "alice",
        "SOAP",
        "Success",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[test]
fn sdp_idp31_over_soap_who_can_be_told_by_a_browser_alone_is_not_taken_for_signed_out() {
    let party = RelyingParty::with_logout("one", &["SOAP"]);
    let other = RelyingParty::with_logout("two", &["HTTP-Redirect"]);
    let deployment = serving(&[&party, &other]);
    let (_, subjects) = signed_in(&deployment, &[&party, &other]);
    let sent = request(&deployment, (&party, &subjects[0]), SOAP);
    let answer = soap(&deployment.url(SOAP), &sent.signed_xml());
    assert_eq!(status_in(&answer.body), ["Success", "PartialLogout"]);
    let lines = logout_lines(&deployment, 1);
    let why = format!("{}: unreachable", other.entity_id);
    assert!(lines[0].contains(&why), "{}", lines[0]);
}

#[test]
fn what_is_no_saml_is_a_soap_fault() {
    let deployment = serving(&[]);
    for body in ["<m/>", "", "<!DOCTYPE a><a/>"] {
        let answer = soap(&deployment.url(SOAP), body);
        assert_eq!(answer.status, 500, "{body}");
        assert!(answer.body.contains("faultcode"), "{}", answer.body);
    }
}

fn status_in(envelope: &str) -> Vec<String> {
    let response = Response {
        xml: envelope.to_owned(),
        relay_state: None,
        posted_to: String::new(),
    };
    response.status()
}
