//! kill -9 in the middle of a login.

use crate::harness::browser::{ALICE, Browser, Prompt};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use Prompt::Duo;

fn deployed(party: &RelyingParty) -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    deployment
}

#[test]
fn a_login_goes_on_after_the_server_died_while_the_user_was_at_duo() {
    let party = RelyingParty::new("restarted");
    let mut deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let duo = browser.submit(&page, &form);
    assert!(duo.duo_prompt().is_some(), "{}", duo.body());
    deployment.kill();
    deployment.serve();
    let arrival = browser.walk(duo, ALICE);
    assert_eq!(arrival.prompts, [Duo]);
    assert_eq!(Response::of(&arrival).class(), MFA);
}

#[test]
fn a_password_page_shown_before_the_server_died_still_works() {
    let party = RelyingParty::new("restarted");
    let mut deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    deployment.kill();
    deployment.serve();
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
}

#[test]
fn a_session_outlives_the_server() {
    let (party, other) = (RelyingParty::new("restarted"), RelyingParty::new("lenient"));
    let mut deployment = deployed(&party);
    deployment.trust("other", &other.metadata());
    let mut browser = Browser::that_keeps_the_response();
    browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    deployment.kill();
    deployment.serve();
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(Response::of(&arrival).class(), MFA);
    let arrival = browser.log_in(&other.request_exactly(PPT).url(&deployment.base_url), ALICE);
    assert_eq!(arrival.prompts, []);
    assert_eq!(Response::of(&arrival).class(), PPT);
}

#[test]
fn a_duo_state_used_before_the_server_died_stays_used() {
    let party = RelyingParty::new("restarted");
    let mut deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
    let callback = browser
        .visited
        .iter()
        .find(|url| url.path().ends_with("duo-callback"))
        .unwrap()
        .clone();
    deployment.kill();
    deployment.serve();
    let page = browser.open(callback.as_str());
    assert!(Response::on(&page).is_none_or(|response| !response.is_success()));
}
