//! Attacks on the running server, over real sockets. A test begins with the number of its class
//! of attack, S01 to S68.

mod duo_answers;
mod endpoints;
mod flow;
mod guessing;
mod leaks;
mod sessions;
mod simple_sign;

use crate::harness::browser::{ALICE, Arrival, Browser, Page};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response};
use url::Url;

/// A deployment with these relying parties.
fn serving(parties: &[&RelyingParty]) -> Deployment {
    let mut deployment = Deployment::prepare();
    trust(&deployment, parties);
    deployment.serve();
    deployment
}

fn trust(deployment: &Deployment, parties: &[&RelyingParty]) {
    for (number, party) in parties.iter().enumerate() {
        deployment.trust(&format!("party-{number}"), &party.metadata());
    }
}

/// A deployment with one relying party for which Duo is the rule.
fn serving_with_mfa_rule(party: &RelyingParty) -> Deployment {
    let mut deployment = Deployment::prepare();
    trust(&deployment, &[party]);
    deployment.home.require_mfa(&party.entity_id);
    deployment.serve();
    deployment
}

/// Our own page, an error, and nothing for any relying party.
fn assert_refused_locally(page: &Page, what: &str) {
    assert!(
        Response::on(page).is_none(),
        "{what}: a response was made: {}",
        page.body()
    );
    assert!(
        page.response.status >= 400,
        "{what}: {} {}",
        page.response.status,
        page.body()
    );
}

/// No assertion came of it, wherever it ended.
fn assert_no_assertion(page: &Page, what: &str) {
    let success = Response::on(page).is_some_and(|response| response.is_success());
    assert!(!success, "{what}: an assertion was made");
}

/// A login as far as Duo's prompt.
fn at_duo(browser: &mut Browser, url: &str) -> Page {
    let page = browser.open(url);
    let form = page
        .form_with("j_username")
        .unwrap_or_else(|| panic!("no login form: {}", page.body()));
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let page = browser.submit(&page, &form);
    assert!(page.duo_prompt().is_some(), "{}: {}", page.url, page.body());
    page
}

/// Approves at Duo's prompt and catches the way back: the callback's URL, not yet opened.
fn approve(deployment: &Deployment, browser: &mut Browser, page: &Page) -> Url {
    let form = page.duo_prompt().unwrap();
    let mut request = crate::harness::browser::filled(page, &form);
    loop {
        let response = browser.ask(&request, false);
        let location = response
            .header("location")
            .unwrap_or_else(|| panic!("{}", response.body));
        let next = request.url.join(location).unwrap();
        if next.as_str().starts_with(&deployment.base_url) {
            return next;
        }
        request = Request::get(next);
    }
}

/// The response of a login that must have ended with one.
fn response(arrival: &Arrival) -> Response {
    Response::of(arrival)
}

/// The response on this page.
fn answer(page: &Page) -> Response {
    Response::on(page).unwrap_or_else(|| panic!("no response: {}", page.body()))
}
