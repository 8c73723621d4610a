//! Logins without a browser: a password that came along, and Duo's Auth API.

use super::story::{Story, Told, failure, rules, success};
use super::*;
use crate::authn::duo_auth_api::Wish;
use crate::authn::facts::RequestFacts;
use crate::authn::rules::{AuthApiRules, FailMode};
use crate::duo::integration::Integration;
use crate::duo::oidc::HttpAnswer;
use crate::duo::secret::Secret;
use crate::saml::context::{PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

fn ok(response: &Value) -> HttpAnswer {
    respond(200, &json!({"stat": "OK", "response": response}))
}

fn respond(status: u16, body: &Value) -> HttpAnswer {
    HttpAnswer::Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn preauth(result: &str) -> HttpAnswer {
    ok(&json!({"result": result, "status_msg": "", "devices": [
        {"device": "DP1", "type": "phone", "name": "my phone"}]}))
}

fn begun() -> HttpAnswer {
    ok(&json!({"txid": "tx-1"}))
}

fn status(result: &str, status: &str) -> HttpAnswer {
    ok(&json!({"result": result, "status": status, "status_msg": ""}))
}

/// Both flows serve any client, and Duo has an Auth API application.
fn any_client() -> Rules {
    let mut rules = rules();
    for descriptor in rules.flows.values_mut() {
        descriptor.non_browser = true;
    }
    let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
    let api = Integration::new("auth-api", "duo.test", "DIAUTHAPIAUTHAPI0001", secret);
    rules.duo.auth_api = Some(AuthApiRules {
        integration: Arc::new(api),
        auto: true,
        client_address_trusted: true,
    });
    rules
}

fn presented(duo: Wish) -> Presented {
    Presented {
        username: "alice@example.org".to_owned(),
        password: Secret::new("right"),
        duo,
    }
}

fn request() -> RequestFacts {
    RequestFacts {
        non_browser: true,
        client_ip: Some("192.0.2.7".parse().unwrap()),
        ..RequestFacts::default()
    }
}

/// A login with Duo's answers in their order.
fn log_in(rules: Rules, factor: &str, answers: Vec<HttpAnswer>) -> (Told, Story) {
    let mut story = Story::of(rules);
    let passcode = factor.strip_prefix("passcode:").map(Secret::new);
    story.presented = Some(presented(Wish {
        factor: factor.split(':').next().unwrap().to_owned(),
        device: String::new(),
        passcode,
    }));
    story.auth_api = VecDeque::from(answers);
    let told = story.begin("https://lenient.test", request(), Vec::new());
    (told, story)
}

fn duo_record(story: &Story) -> DuoRecord {
    let mut records = story.records.iter().filter_map(|record| match record {
        Record::Duo(duo) => Some(duo.clone()),
        _ => None,
    });
    let record = records.next().expect("a line for the Duo audit");
    assert_eq!(records.next(), None, "one line is enough");
    record
}

#[test]
fn a_password_and_an_approved_push_are_two_factors() {
    let answers = vec![
        preauth("auth"),
        begun(),
        status("waiting", "pushed"),
        status("allow", "allow"),
    ];
    let (told, story) = log_in(any_client(), "auto", answers);
    let success = success(told);
    assert_eq!(success.class.as_str(), REFEDS_MFA);
    assert_eq!(success.result.factors().len(), 2);
    let record = duo_record(&story);
    assert_eq!(record.factor, "duo_push");
    assert_eq!(record.reason, "user_approved");
    assert_eq!(record.txid, "tx-1");
    assert_eq!(record.client_id, "DIAUTHAPIAUTHAPI0001");
    assert_eq!(record.username, "alice@example.org");
    let [preauth, auth, ..] = story.called.as_slice() else {
        panic!("{:?}", story.called)
    };
    assert!(preauth.body.contains("192.0.2.7"), "{}", preauth.body);
    assert!(auth.body.contains("service="), "{}", auth.body);
}

#[test]
fn the_address_is_not_told_where_it_is_not_trusted() {
    let mut rules = any_client();
    rules.duo.auth_api.as_mut().unwrap().client_address_trusted = false;
    let answers = vec![preauth("auth"), begun(), status("allow", "allow")];
    let (told, story) = log_in(rules, "push", answers);
    assert_eq!(success(told).class.as_str(), REFEDS_MFA);
    assert!(
        story
            .called
            .iter()
            .all(|call| !call.body.contains("ipaddr"))
    );
}

#[test]
fn s46_a_bypass_lets_the_user_in_and_proves_nothing() {
    let (told, _) = log_in(any_client(), "push", vec![preauth("allow")]);
    let bypassed = success(told);
    assert_eq!(bypassed.class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
    let answers = || vec![preauth("auth"), begun(), status("allow", "allow")];
    let (told, story) = log_in(any_client(), "passcode:123456789", answers());
    assert_eq!(success(told).class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
    assert_eq!(duo_record(&story).factor, "bypass_code");
    let (told, _) = log_in(any_client(), "passcode:123456", answers());
    assert_eq!(success(told).class.as_str(), REFEDS_MFA);
}

#[test]
fn each_end_at_duo_is_the_event_of_its_kind() {
    let locked = || {
        ok(&json!({"result": "deny", "status": "deny", "status_msg": "Your account is disabled"}))
    };
    let asked = |end: HttpAnswer| vec![preauth("auth"), begun(), end];
    let failing = respond(
        400,
        &json!({"stat": "FAIL", "code": 40_002,
        "message": "Invalid request parameters", "message_detail": "no capable device"}),
    );
    for (factor, answers, event, reason) in [
        (
            "push",
            asked(status("deny", "deny")),
            Event::InvalidCredentials,
            "deny",
        ),
        (
            "push",
            asked(status("deny", "timeout")),
            Event::InvalidCredentials,
            "timeout",
        ),
        (
            "sms",
            asked(status("deny", "sent")),
            Event::InvalidCredentials,
            "sent",
        ),
        ("push", asked(locked()), Event::AccountLocked, "deny"),
        (
            "push",
            vec![preauth("deny")],
            Event::AccountError,
            "preauth deny",
        ),
        (
            "push",
            vec![preauth("enroll")],
            Event::AccountError,
            "preauth enroll",
        ),
        (
            "phone",
            vec![preauth("auth"), failing],
            Event::NoCredentials,
            "refused",
        ),
        (
            "push",
            asked(respond(500, &json!({}))),
            Event::AuthenticationException,
            "server error",
        ),
    ] {
        let (told, story) = log_in(any_client(), factor, answers);
        assert_eq!(failure(told), event, "{factor} {reason}");
        assert_eq!(duo_record(&story).reason, format!("refused: {reason}"));
    }
}

#[test]
fn a_factor_that_cannot_be_asked_for_never_reaches_duo() {
    for (factor, event) in [
        ("passcode", Event::NoPotentialFlow),
        ("gesture", Event::RequestUnsupported),
    ] {
        let (told, story) = log_in(any_client(), factor, Vec::new());
        assert_eq!(failure(told), event, "{factor}");
        assert!(story.called.is_empty());
    }
}

#[test]
fn s47_starts_at_duo_are_bounded_without_a_browser_too() {
    let mut story = Story::of(any_client());
    story.starts = 4;
    story.presented = Some(presented(Wish::default()));
    story.auth_api = VecDeque::from([preauth("auth")]);
    let told = story.begin("https://lenient.test", request(), Vec::new());
    assert_eq!(failure(told), Event::AuthenticationException);
    assert_eq!(duo_record(&story).reason, "refused: too often");
}

#[test]
fn an_outage_before_anybody_was_asked_follows_the_fail_mode_and_no_other_failure_does() {
    let down = || respond(503, &json!({}));
    let open = || {
        let mut rules = any_client();
        rules.duo.fail_mode = FailMode::Open;
        rules
    };
    let (told, _) = log_in(any_client(), "push", vec![down()]);
    assert_eq!(failure(told), Event::AuthenticationException);
    let (told, _) = log_in(open(), "push", vec![down()]);
    assert!(success(told).result.degraded());
    for answers in [
        vec![preauth("auth"), down()],
        vec![preauth("auth"), begun(), down()],
        vec![respond(401, &json!({"stat": "FAIL", "code": 40_103}))],
    ] {
        let (told, _) = log_in(open(), "push", answers);
        assert_eq!(failure(told), Event::AuthenticationException);
    }
}

#[test]
fn s48_a_login_without_a_browser_sees_no_page_and_skips_no_factor() {
    let mut no_api = any_client();
    no_api.duo.auth_api = None;
    let mut not_served = any_client();
    let duo = not_served.flows.get_mut(&FlowId::DuoOidc);
    duo.unwrap().non_browser = false;
    for rules in [no_api, not_served] {
        let (told, _) = log_in(rules, "push", Vec::new());
        assert_eq!(failure(told), Event::RequestUnsupported);
    }
    // No password came along: there is no form to ask for it.
    let mut story = Story::of(any_client());
    let told = story.begin("https://lenient.test", request(), Vec::new());
    assert_eq!(failure(told), Event::NoCredentials);
}

#[test]
fn s52_a_locked_account_is_not_told_from_a_wrong_password_without_a_browser() {
    for answer in [PasswordAnswer::Refused, PasswordAnswer::AccountLocked] {
        let mut story = Story::of(any_client());
        story.presented = Some(presented(Wish::default()));
        story.password = Some(answer);
        let told = story.begin("https://lenient.test", request(), Vec::new());
        assert_eq!(failure(told), Event::InvalidCredentials);
    }
}

#[test]
fn nothing_that_came_along_is_ever_stored_or_shown() {
    let start = Start {
        transaction: "t".to_owned(),
        rp: crate::authn::facts::RelyingPartyFacts::default(),
        request: request(),
        default_classes: Vec::new(),
        terms: Terms::default(),
        earlier: Vec::new(),
        remembered: None,
        presented: Some(presented(Wish {
            passcode: Some(Secret::new("654321")),
            ..Wish::default()
        })),
    };
    let login = Login::new(start, &any_client());
    let stored = serde_json::to_string(&login).unwrap();
    let shown = format!("{login:?}");
    for secret in ["right\"", "654321"] {
        assert!(!stored.contains(secret) && !shown.contains(secret));
    }
}
