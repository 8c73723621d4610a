//! Consent between a login and its answer: what is shown, what is remembered, what is never sent.

use crate::harness::browser::{ALICE, BOB, Browser, Page, Person, filled};
use crate::harness::html::Form;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response};
use crate::harness::wait_for;
use std::fs;

const RELEASE: &str = "vestibule.consent.attribute-release.relyingParties";
const TERMS: &str = "vestibule.consent.terms-of-use.relyingParties";
const OPTIONS: &str = "_shib_idp_consentOptions";

/// An IdP that asks as these properties say.
fn deployment(parties: &[&RelyingParty], properties: &[(&str, &str)]) -> Deployment {
    let mut deployment = Deployment::prepare();
    for (number, party) in parties.iter().enumerate() {
        deployment.trust(&format!("party{number}"), &party.metadata());
    }
    for (key, value) in properties {
        deployment.home.set(key, value);
    }
    deployment.serve();
    deployment
}

fn log_in(browser: &mut Browser, idp: &Deployment, party: &RelyingParty, who: Person) -> Page {
    let url = party.request().url(&idp.base_url);
    browser.log_in(&url, who).page
}

fn browser() -> Browser {
    Browser::that_keeps_the_response()
}

/// The form of this question, which must be on the page.
fn question(page: &Page, name: &str) -> Form {
    let form = page.form_with("question");
    let form = form.unwrap_or_else(|| panic!("no question: {}", page.body()));
    assert_eq!(form.value("question"), Some(name));
    assert!(Response::on(page).is_none());
    form
}

fn answered(page: &Page) -> Response {
    Response::on(page).unwrap_or_else(|| panic!("no response: {}", page.body()))
}

/// The same form with its second button pressed.
fn refusing(mut form: Form) -> Form {
    form.buttons.remove(0);
    form
}

fn consent_lines(idp: &Deployment) -> Vec<String> {
    lines(idp, "idp-consent-audit.log")
}

/// The lines of logins, those of password checks left out.
fn sso_lines(idp: &Deployment) -> Vec<String> {
    let mut lines = lines(idp, "idp-audit.log");
    lines.retain(|line| line.contains("|POST|"));
    lines
}

fn lines(idp: &Deployment, file: &str) -> Vec<String> {
    let text = fs::read_to_string(idp.home.path.join("logs").join(file)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Lines follow their page by a moment.
fn wait_for_lines(number: usize, lines: impl Fn() -> Vec<String>) -> Vec<String> {
    wait_for("audit lines", || {
        Some(lines()).filter(|lines| lines.len() >= number)
    })
}

#[test]
fn attributes_go_out_once_the_user_has_seen_them_and_are_asked_about_again_when_they_change() {
    let party = RelyingParty::new("library");
    let mut idp = deployment(&[&party], &[(RELEASE, &party.entity_id)]);
    let mut first = browser();
    let page = log_in(&mut first, &idp, &party, ALICE);
    let form = question(&page, "attribute-release");
    assert!(page.body().contains("alice@example.org"), "{}", page.body());
    assert!(consent_lines(&idp).is_empty() && sso_lines(&idp).is_empty());
    let answer = answered(&first.submit(&page, &form));
    assert!(answer.is_success() && answer.xml.contains("alice@example.org"));
    let lines = wait_for_lines(1, || consent_lines(&idp));
    assert_eq!(lines.len(), 1);
    let fields: Vec<_> = lines[0].split('|').collect();
    assert_eq!(fields[1], party.entity_id);
    assert_eq!(fields[2..4], ["AttributeReleaseConsent", "alice"]);
    assert!(
        fields[4].contains("mail") && fields[6] == "true",
        "{lines:?}"
    );
    assert!(!lines[0].contains("alice@example.org"));

    // Remembered for this user, not for another, and not for another release.
    let page = log_in(&mut browser(), &idp, &party, ALICE);
    assert!(answered(&page).is_success());
    let page = log_in(&mut browser(), &idp, &party, BOB);
    question(&page, "attribute-release");
    idp.kill();
    idp.home.set("vestibule.release.person.attributes", "uid");
    idp.serve();
    let page = log_in(&mut browser(), &idp, &party, ALICE);
    question(&page, "attribute-release");
    assert!(!page.body().contains("alice@example.org"));
}

#[test]
fn a_refused_release_ends_here_and_sends_nothing() {
    let party = RelyingParty::new("refused");
    let idp = deployment(&[&party], &[(RELEASE, "*")]);
    let mut browser = browser();
    let page = log_in(&mut browser, &idp, &party, ALICE);
    let form = question(&page, "attribute-release");
    let end = browser.submit(&page, &refusing(form.clone()));
    assert!(Response::on(&end).is_none());
    assert!(end.body().contains("nothing was sent"), "{}", end.body());
    let consent = wait_for_lines(1, || consent_lines(&idp));
    assert_eq!(consent.len(), 1);
    assert!(consent[0].contains("|AttributeReleaseRejected|alice|"));
    let sso = wait_for_lines(1, || sso_lines(&idp));
    assert_eq!(sso.len(), 1);
    assert!(sso[0].contains("|AttributeReleaseRejected|"), "{sso:?}");
    // Agreeing afterwards is too late, and nobody is signed in.
    let late = browser.submit(&page, &form);
    assert!(Response::on(&late).is_none());
    let again = browser.open(&party.request().url(&idp.base_url));
    assert!(again.form_with("j_username").is_some());
}

#[test]
fn a_user_may_agree_for_once_or_to_everything() {
    let (one, two) = (RelyingParty::new("one"), RelyingParty::new("two"));
    let idp = deployment(&[&one, &two], &[(RELEASE, "*")]);
    let mut browser = browser();
    for choice in ["_shib_idp_doNotRememberConsent", "_shib_idp_globalConsent"] {
        let page = log_in(&mut browser, &idp, &one, ALICE);
        let form = question(&page, "attribute-release").fill(OPTIONS, choice);
        assert!(answered(&browser.submit(&page, &form)).is_success());
    }
    for party in [&one, &two] {
        let page = log_in(&mut browser, &idp, party, ALICE);
        assert!(answered(&page).is_success());
    }
}

#[test]
fn a_choice_that_is_not_offered_counts_for_nothing() {
    let party = RelyingParty::new("narrow");
    let properties = [
        (RELEASE, "*"),
        ("idp.consent.allowGlobal", "false"),
        ("idp.consent.allowDoNotRemember", "false"),
    ];
    let idp = deployment(&[&party], &properties);
    let mut browser = browser();
    let page = log_in(&mut browser, &idp, &party, ALICE);
    let form = question(&page, "attribute-release");
    assert!(!page.body().contains("globalConsent"));
    let forged = form.clone().fill(OPTIONS, "_shib_idp_globalConsent");
    assert_eq!(browser.submit(&page, &forged).response.status, 400);
    assert!(answered(&browser.submit(&page, &form)).is_success());
}

#[test]
fn an_answer_to_the_terms_is_none_to_the_release() {
    let party = RelyingParty::new("careful");
    let idp = deployment(&[&party], &[(RELEASE, "*"), (TERMS, "*")]);
    let mut browser = browser();
    let terms = log_in(&mut browser, &idp, &party, ALICE);
    let accept = question(&terms, "terms-of-use");
    let release = browser.submit(&terms, &accept);
    question(&release, "attribute-release");
    // The same button twice.
    let release = browser.submit(&terms, &accept);
    let form = question(&release, "attribute-release");
    assert!(answered(&browser.submit(&release, &form)).is_success());
    let lines = wait_for_lines(2, || consent_lines(&idp));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("|TermsOfUseConsent|alice|default|1|true|"));
}

#[test]
fn refused_terms_end_here_until_they_are_accepted() {
    let party = RelyingParty::new("terms");
    let idp = deployment(&[&party], &[(TERMS, &party.entity_id)]);
    for _ in 0..2 {
        let mut browser = browser();
        let page = log_in(&mut browser, &idp, &party, ALICE);
        let form = question(&page, "terms-of-use");
        let end = browser.submit(&page, &refusing(form));
        assert!(Response::on(&end).is_none());
        assert!(end.body().contains("did not accept"), "{}", end.body());
    }
    let lines = wait_for_lines(1, || sso_lines(&idp));
    assert!(lines[0].contains("|TermsRejected|"));
}

#[test]
fn a_passive_request_meets_no_page() {
    let (open, asking) = (RelyingParty::new("open"), RelyingParty::new("asking"));
    let idp = deployment(&[&open, &asking], &[(RELEASE, &asking.entity_id)]);
    let mut browser = browser();
    assert!(answered(&log_in(&mut browser, &idp, &open, ALICE)).is_success());
    let passive = asking.request().with("IsPassive", "true");
    let page = browser.open(&passive.url(&idp.base_url));
    assert_eq!(answered(&page).status(), ["Requester", "NoPassive"]);
}

#[test]
fn s33_consent_is_given_by_its_own_browser_with_its_own_form() {
    let party = RelyingParty::new("bound");
    let idp = deployment(&[&party], &[(RELEASE, "*")]);
    let mut victim = browser();
    let page = log_in(&mut victim, &idp, &party, ALICE);
    let form = question(&page, "attribute-release");
    let stranger = browser().open(page.url.as_str());
    assert_eq!(stranger.response.status, 403);
    let from_elsewhere = browser().submit(&page, &form);
    assert_eq!(from_elsewhere.response.status, 403);
    let forged = filled(&page, &form.clone().fill("csrf_token", "0"));
    assert_eq!(victim.ask(&forged, false).status, 403);
    assert!(consent_lines(&idp).is_empty());
    assert!(answered(&victim.submit(&page, &form)).is_success());
}
