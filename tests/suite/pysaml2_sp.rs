//! pysaml2 as the service provider.

use crate::harness::browser::{ALICE, Arrival, Browser, Prompt};
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::{Pysaml2, Verdict};
use crate::harness::relying_party::{MFA, PPT};
use Prompt::{Duo, Password};

const NO_AUTHN_CONTEXT: &str = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";
const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";

const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";

/// A deployment with both service providers; MFA by rule where `rule` says.
fn deployed(rule: &[&str], options: &[&str]) -> (Deployment, Pysaml2) {
    let mut deployment = Deployment::prepare();
    for entity_id in rule {
        deployment.home.require_mfa(entity_id);
    }
    let providers = Pysaml2::start(&deployment, options);
    deployment.serve();
    (deployment, providers)
}

fn verdict(arrival: &Arrival) -> Verdict {
    Verdict::read(&arrival.page)
}

#[test]
fn a_rule_sends_the_user_through_password_and_duo() {
    let (_deployment, providers) = deployed(&[Pysaml2::FIRST], &[]);
    let arrival = Browser::new().log_in(&providers.login(0, ""), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    let verdict = verdict(&arrival);
    assert_eq!(verdict.class(), MFA);
    assert_eq!(
        verdict.attribute("eduPersonPrincipalName"),
        ["alice@example.org"]
    );
    assert_eq!(verdict.attribute("mail"), ["alice@example.org"]);
    assert_eq!(verdict.attribute("displayName"), ["Alice Adams"]);
    assert_eq!(verdict.attribute("uid"), ["alice"]);
    assert_eq!(verdict.text("relay_state"), "from-pysaml2");
}

#[test]
fn a_request_for_exactly_the_refeds_class_gets_it() {
    let (_deployment, providers) = deployed(&[], &[]);
    let arrival = Browser::new().log_in(&providers.login(0, &format!("class={MFA}")), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    assert_eq!(verdict(&arrival).class(), MFA);
}

#[test]
fn a_signed_request_by_post_is_answered_like_any_other() {
    let (_deployment, providers) = deployed(&[], &["--signed"]);
    let query = format!("class={MFA}&binding=post&sign=1");
    let arrival = Browser::new().log_in(&providers.login(0, &query), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    assert_eq!(verdict(&arrival).class(), MFA);
}

#[test]
fn a_signed_request_by_redirect_is_answered_like_any_other() {
    let (_deployment, providers) = deployed(&[], &["--signed"]);
    let arrival = Browser::new().log_in(&providers.login(0, "sign=1"), ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(verdict(&arrival).class(), PPT);
}

#[test]
fn without_rule_or_request_a_password_is_enough() {
    let (_deployment, providers) = deployed(&[], &[]);
    let arrival = Browser::new().log_in(&providers.login(0, ""), ALICE);
    assert_eq!(arrival.prompts, [Password]);
    assert_eq!(verdict(&arrival).class(), PPT);
}

#[test]
fn single_sign_on_to_a_second_provider_shows_no_prompt() {
    let (_deployment, providers) = deployed(&[Pysaml2::FIRST], &[]);
    let mut browser = Browser::new();
    let first = verdict(&browser.log_in(&providers.login(0, ""), ALICE));
    let arrival = browser.log_in(&providers.login(1, &format!("class={MFA}")), ALICE);
    assert_eq!(arrival.prompts, []);
    let second = verdict(&arrival);
    assert_eq!(second.class(), MFA);
    assert_eq!(second.text("entity_id"), Pysaml2::SECOND);
    assert_ne!(
        second.text("name_id"),
        first.text("name_id"),
        "transient names are for one provider"
    );
}

#[test]
fn stepping_up_from_a_password_session_asks_for_duo_alone() {
    let (_deployment, providers) = deployed(&[Pysaml2::SECOND], &[]);
    let mut browser = Browser::new();
    assert_eq!(
        verdict(&browser.log_in(&providers.login(0, ""), ALICE)).class(),
        PPT
    );
    let arrival = browser.log_in(&providers.login(1, ""), ALICE);
    assert_eq!(arrival.prompts, [Duo]);
    assert_eq!(verdict(&arrival).class(), MFA);
}

#[test]
fn force_authn_asks_again_for_everything() {
    let (_deployment, providers) = deployed(&[Pysaml2::FIRST], &[]);
    let mut browser = Browser::new();
    let first = verdict(&browser.log_in(&providers.login(0, ""), ALICE));
    let arrival = browser.log_in(&providers.login(0, "force=1"), ALICE);
    assert_eq!(arrival.prompts, [Password, Duo]);
    let again = verdict(&arrival);
    assert_eq!(again.class(), MFA);
    assert!(again.text("authn_instant") >= first.text("authn_instant"));
}

#[test]
fn a_passive_request_without_a_session_is_refused_without_a_page() {
    let (_deployment, providers) = deployed(&[], &[]);
    let arrival = Browser::new().log_in(&providers.login(0, "passive=1"), ALICE);
    assert_eq!(arrival.prompts, []);
    let verdict = verdict(&arrival);
    assert_eq!(
        (verdict.text("status"), verdict.text("second_status")),
        (REQUESTER, NO_PASSIVE)
    );
    assert_eq!(verdict.text("refused"), "StatusNoPassive");
}

#[test]
fn a_passive_request_with_a_session_succeeds() {
    let (_deployment, providers) = deployed(&[], &[]);
    let mut browser = Browser::new();
    browser.log_in(&providers.login(0, ""), ALICE);
    let arrival = browser.log_in(&providers.login(1, "passive=1"), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(verdict(&arrival).class(), PPT);
}

#[test]
fn an_unknown_class_is_refused_before_anything_is_asked() {
    let (_deployment, providers) = deployed(&[], &[]);
    let query = "class=https://example.org/classes/never-heard-of";
    let arrival = Browser::new().log_in(&providers.login(0, query), ALICE);
    assert_eq!(arrival.prompts, []);
    let verdict = verdict(&arrival);
    assert_eq!(verdict.text("second_status"), NO_AUTHN_CONTEXT);
    assert_eq!(verdict.text("refused"), "StatusNoAuthnContext");
}

#[test]
fn an_encrypted_assertion_is_read_by_its_provider() {
    let (_deployment, providers) = deployed(&[], &["--encrypt"]);
    let arrival = Browser::new().log_in(&providers.login(0, ""), ALICE);
    let verdict = verdict(&arrival);
    assert_eq!(verdict.attribute("uid"), ["alice"]);
    assert_eq!(verdict.0["encrypted"], true);
}

#[test]
fn without_a_key_of_the_provider_encryption_is_left_out_or_required() {
    let (mut deployment, providers) = deployed(&[], &[]);
    let arrival = Browser::new().log_in(&providers.login(0, ""), ALICE);
    assert_eq!(verdict(&arrival).0["encrypted"], false);

    deployment.kill();
    deployment.home.set("idp.encryption.optional", "false");
    deployment.serve();
    let arrival = Browser::new().log_in(&providers.login(0, ""), ALICE);
    let refused = verdict(&arrival);
    assert_eq!(refused.text("status"), RESPONDER);
    assert!(refused.attribute("uid").is_empty());
}
