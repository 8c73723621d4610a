//! What is written down about a login, by the files an operator reads.

use crate::harness::browser::{ALICE, Browser};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, RelyingParty, Response};
use crate::harness::wait_for;
use std::fs;

fn deployed(party: &RelyingParty) -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    deployment
}

fn lines(deployment: &Deployment, file: &str) -> Vec<String> {
    let path = deployment.home.path.join("logs").join(file);
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The single sign-on lines, once there are at least that many.
fn sso_lines(deployment: &Deployment, wanted: usize) -> Vec<String> {
    wait_for("the audit", || {
        let mut found = lines(deployment, "idp-audit.log");
        found.retain(|line| !line.contains("|authn/Password|"));
        (found.len() >= wanted).then_some(found)
    })
}

/// The id a page shows to its user.
fn transaction_on(body: &str) -> &str {
    let (_, after) = body
        .split_once("<code>")
        .expect("a transaction id on the page");
    after.split_once("</code>").unwrap().0
}

#[test]
fn a_finished_login_leaves_one_line_and_duo_two_with_the_same_transaction() {
    let party = RelyingParty::new("audited");
    let deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let transaction = transaction_on(page.body()).to_owned();
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
    let sso = sso_lines(&deployment, 1);
    assert_eq!(sso.len(), 1, "{sso:#?}");
    for part in [
        transaction.as_str(),
        "alice",
        MFA,
        &party.entity_id,
        "127.0.0.1",
    ] {
        assert!(sso[0].contains(part), "{part}: {}", sso[0]);
    }
    let duo = lines(&deployment, "idp-duo2fa-audit.log");
    assert_eq!(duo.len(), 2, "{duo:#?}");
    assert!(
        duo.iter().all(|line| line.contains(&transaction)),
        "{duo:#?}"
    );
    assert!(
        !duo[0].contains("duo_push") && duo[1].contains("duo_push"),
        "{duo:#?}"
    );
}

#[test]
fn a_refusal_to_the_relying_party_leaves_one_line() {
    let party = RelyingParty::new("refused");
    let deployment = deployed(&party);
    let request = party.request().with("IsPassive", "true");
    let page = Browser::that_keeps_the_response().open(&request.url(&deployment.base_url));
    assert!(Response::on(&page).is_some());
    let sso = sso_lines(&deployment, 1);
    assert_eq!(sso.len(), 1, "{sso:#?}");
    assert!(
        sso[0].contains("NoPassive") && sso[0].contains(&party.entity_id),
        "{}",
        sso[0]
    );
}

#[test]
fn a_refusal_on_our_own_page_leaves_one_line_with_the_pages_transaction() {
    let deployment = deployed(&RelyingParty::new("known"));
    let request = RelyingParty::new("unknown").request();
    let page = Browser::that_keeps_the_response().open(&request.url(&deployment.base_url));
    let sso = sso_lines(&deployment, 1);
    assert_eq!(sso.len(), 1, "{sso:#?}");
    assert!(sso[0].contains(transaction_on(page.body())), "{}", sso[0]);
}

#[test]
fn a_user_who_turns_back_leaves_one_line_and_the_relying_party_hears_of_it() {
    let party = RelyingParty::new("cancelled");
    let deployment = deployed(&party);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&party.request().url(&deployment.base_url));
    let mut form = page.form_with("j_username").unwrap();
    form.buttons.retain(|(_, value)| value == "cancel");
    let page = browser.submit(&page, &form);
    let response = Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()));
    assert!(!response.is_success());
    let sso = sso_lines(&deployment, 1);
    assert_eq!(sso.len(), 1, "{sso:#?}");
}
