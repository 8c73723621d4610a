//! Logins without a browser: SAML's profile for enhanced clients, by HTTP Basic.

use crate::harness::browser::{ALICE, BOB};
use crate::harness::ecp::{self, Client, channel_bindings, envelope, fault, response, sso_lines};
use crate::harness::http::{Request, Response};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty};
use crate::harness::xml_signature::signed;
use url::Url;

fn serving(parties: &[&RelyingParty]) -> Deployment {
    let mut deployment = ecp::prepare(parties);
    deployment.serve();
    deployment
}

#[test]
fn a_client_without_a_browser_logs_in_by_http_basic() {
    let party = RelyingParty::new("basic");
    let deployment = serving(&[&party]);
    let request = party.request();
    let answer = Client::of(&deployment, ALICE).ask(&request.xml());
    assert_eq!(answer.class(), PPT);
    assert_eq!(answer.posted_to, ecp::acs(&party));
    assert_eq!(
        answer.values("SubjectConfirmationData", "Recipient"),
        [ecp::acs(&party)]
    );
    assert_eq!(
        answer.values("Response", "InResponseTo"),
        [request.id.as_str()]
    );
    assert!(answer.texts("AttributeValue").contains(&"alice".to_owned()));
    let lines = sso_lines(&deployment, 1);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("|SOAP|PAOS|"), "{}", lines[0]);
    assert!(lines[0].contains("|alice|"), "{}", lines[0]);
}

#[test]
fn an_envelope_is_taken_by_each_of_its_content_types_and_no_other() {
    let party = RelyingParty::new("types");
    let deployment = serving(&[&party]);
    let send = |content_type| {
        let client = Client::of(&deployment, ALICE).of_type(content_type);
        client.send(&envelope("", &party.request().xml()))
    };
    for good in [
        "text/xml; charset=utf-8",
        "application/soap+xml",
        "application/vnd.paos+xml",
    ] {
        assert_eq!(response(&send(good)).class(), PPT, "{good}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded"] {
        assert_eq!(send(bad).status, 415, "{bad}");
    }
}

#[test]
fn a_client_without_credentials_is_asked_for_them_and_may_send_the_same_message_again() {
    let party = RelyingParty::new("challenged");
    let deployment = serving(&[&party]);
    let message = envelope("", &party.request().xml());
    for client in [
        Client::new(&deployment),
        Client::new(&deployment).with("Authorization", "Bearer x"),
    ] {
        let answer = client.send(&message);
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    }
    let answer = Client::of(&deployment, ALICE).send(&message);
    assert_eq!(response(&answer).class(), PPT);
    let again = Client::of(&deployment, ALICE).send(&message);
    assert_eq!(fault(&again), "the request was used before");
}

#[test]
fn s52_a_wrong_password_and_an_unknown_user_are_told_alike() {
    let party = RelyingParty::new("wrong");
    let deployment = serving(&[&party]);
    let told = |name: &str| {
        let request = party.request();
        let client = Client::new(&deployment).presenting(name, "wrong");
        let answer = client.ask(&request.xml());
        assert_eq!(answer.status(), ["Requester", "AuthnFailed"]);
        answer.texts("StatusMessage")
    };
    assert_eq!(told(ALICE.name), told("nobody-of-this-name"));
    let lines = sso_lines(&deployment, 2);
    let failed = |line: &&String| line.contains("|InvalidCredentials|");
    assert_eq!(lines.iter().filter(failed).count(), 2, "{lines:#?}");
}

#[test]
fn the_profile_is_off_until_it_is_switched_on() {
    let party = RelyingParty::new("off");
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &ecp::metadata(&party));
    deployment.serve();
    let published = |deployment: &Deployment| {
        let url = Url::parse(&deployment.url("/shibboleth")).unwrap();
        Request::get(url).send().body.contains(ecp::PATH)
    };
    let answer = Client::of(&deployment, ALICE).send(&envelope("", &party.request().xml()));
    assert_eq!(answer.status, 404);
    assert!(!published(&deployment));
    let deployment = serving(&[&party]);
    assert!(published(&deployment));
    let url = Url::parse(&deployment.url(ecp::PATH)).unwrap();
    assert_eq!(Request::get(url).send().status, 405);
}

#[test]
fn a_relying_party_may_be_kept_from_the_profile() {
    let party = RelyingParty::new("kept-out");
    let mut deployment = ecp::prepare(&[&party]);
    deployment
        .home
        .set("vestibule.rp.browsers.match", &party.entity_id);
    deployment
        .home
        .set("vestibule.rp.browsers.allowedProfiles", "sso");
    deployment.serve();
    let answer = Client::of(&deployment, ALICE).ask(&party.request().xml());
    assert_eq!(answer.status(), ["Requester", "RequestDenied"]);
    assert_eq!(answer.posted_to, ecp::acs(&party));
    assert_eq!(sso_lines(&deployment, 1).len(), 1);
}

#[test]
fn s48_a_client_without_a_browser_does_not_get_past_the_second_factor() {
    let (strict, lenient) = (RelyingParty::new("strict"), RelyingParty::new("lenient"));
    let mut deployment = ecp::prepare(&[&strict, &lenient]);
    deployment.home.require_mfa(&strict.entity_id);
    deployment.serve();
    let client = Client::of(&deployment, ALICE);
    let by_rule = client.ask(&strict.request().xml());
    assert_eq!(by_rule.status(), ["Requester", "NoAuthnContext"]);
    let by_request = client.ask(&lenient.request_exactly(MFA).xml());
    assert_eq!(by_request.status(), ["Requester", "NoAuthnContext"]);
    assert_eq!(client.ask(&lenient.request().xml()).class(), PPT);
    // Even with a session of the same user's browser: its cookie counts for nothing here.
    let mut browser = crate::harness::browser::Browser::that_keeps_the_response();
    browser.log_in(&strict.request().url(&deployment.base_url), ALICE);
    let host = Url::parse(&deployment.base_url).unwrap();
    let cookie = browser.jar.header(&host, false, "GET").expect("a session");
    let answer = client
        .clone()
        .with("Cookie", &cookie)
        .ask(&strict.request().xml());
    assert_eq!(answer.status(), ["Requester", "NoAuthnContext"]);
    assert_eq!(
        deployment
            .duo
            .requests()
            .iter()
            .filter(|r| pushed(r))
            .count(),
        0
    );
}

fn pushed(request: &serde_json::Value) -> bool {
    request.to_string().contains("/auth/v2/auth")
}

#[test]
fn channel_bindings_that_differ_end_the_login_and_those_that_agree_are_confirmed() {
    let party = RelyingParty::new("bound");
    let deployment = serving(&[&party]);
    let send = |of_client: &str| {
        let mut request = party.request();
        request.body = format!(
            "<p:Extensions>{}</p:Extensions>",
            channel_bindings("dGhlIHJpZ2h0IGNlcnRpZmljYXRl")
        );
        let message = signed(&request.xml());
        Client::of(&deployment, ALICE).send(&envelope(of_client, &message))
    };
    let right = send(&channel_bindings("dGhlIHJpZ2h0IGNlcnRpZmljYXRl"));
    assert_eq!(response(&right).class(), PPT);
    assert!(
        right.body.contains("RequestAuthenticated"),
        "{}",
        right.body
    );
    assert!(right.body.contains("dGhlIHJpZ2h0IGNlcnRpZmljYXRl</"));
    for wrong in [channel_bindings("YW5vdGhlciBvbmU="), String::new()] {
        let answer = response(&send(&wrong));
        assert_eq!(answer.status(), ["Requester", "channel-binding"]);
    }
}

#[test]
fn a_request_that_the_client_rewrote_is_refused_with_a_word_on_it() {
    let party = RelyingParty::new("rewritten");
    let deployment = serving(&[&party]);
    let rewritten = |message: &str| message.replace(" Version=", "  ProviderName=\"x\" Version=");
    let message = rewritten(&signed(&party.request().xml()));
    let answer = Client::of(&deployment, ALICE).send(&envelope("", &message));
    let told = fault(&answer);
    assert!(
        told.contains("some ECP clients rewrite the request"),
        "{told}"
    );
    assert_eq!(sso_lines(&deployment, 1).len(), 1);
}

#[test]
fn what_is_no_message_for_us_is_a_soap_fault() {
    let party = RelyingParty::new("faults");
    let deployment = serving(&[&party]);
    let client = Client::of(&deployment, BOB);
    let said = |answer: &Response| fault(answer);
    assert_eq!(
        said(&client.send("<p/>")),
        "the document is no SOAP envelope"
    );
    let must = r#"<x:y xmlns:x="urn:x" S:mustUnderstand="1"/>"#;
    let must = client.send(&envelope(must, &party.request().xml()));
    assert_eq!(said(&must), "a header must be understood and is not");
    let stranger = RelyingParty::new("stranger").request();
    let stranger = said(&client.send(&envelope("", &stranger.xml())));
    assert!(stranger.contains("not in metadata"), "{stranger}");
    let browsers_only = r#"<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"/>"#;
    let kind = said(&client.send(&envelope("", browsers_only)));
    assert!(kind.contains("not of the kind"), "{kind}");
    assert_eq!(sso_lines(&deployment, 4).len(), 4);
}
