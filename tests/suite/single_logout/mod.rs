//! Single logout over sockets: what ends, who is told, what the user sees, and what ends nothing.

mod attacks;
mod begun_by_services;
mod begun_here;
mod operators;
mod real_services;

use crate::harness::browser::{ALICE, Browser, Page, Person, filled};
use crate::harness::html::Form;
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::logout::{Message, Subject, carried_by, response};
use crate::harness::relying_party::{RelyingParty, Response};
use crate::harness::wait_for;
use std::fs;
use url::Url;

const REDIRECT: &str = "/profile/SAML2/Redirect/SLO";
const POST: &str = "/profile/SAML2/POST/SLO";
const SOAP: &str = "/profile/SAML2/SOAP/SLO";
const OWN_PAGE: &str = "/profile/Logout";

/// A server that knows these relying parties.
fn serving(parties: &[&RelyingParty]) -> Deployment {
    let mut deployment = prepared(parties);
    deployment.serve();
    deployment
}

fn prepared(parties: &[&RelyingParty]) -> Deployment {
    let deployment = Deployment::prepare();
    for (number, party) in parties.iter().enumerate() {
        deployment.trust(&format!("party-{number}"), &party.metadata());
    }
    deployment
}

/// Signs in at one relying party and returns what it was told.
fn sign_in(
    deployment: &Deployment,
    browser: &mut Browser,
    (party, person): (&RelyingParty, Person),
) -> Subject {
    let arrival = browser.log_in(&party.request().url(&deployment.base_url), person);
    Subject::of(&Response::of(&arrival))
}

/// A browser with alice's session, and what each of the relying parties was told.
fn signed_in(deployment: &Deployment, parties: &[&RelyingParty]) -> (Browser, Vec<Subject>) {
    let mut browser = Browser::that_keeps_the_response();
    let subjects = parties
        .iter()
        .map(|party| sign_in(deployment, &mut browser, (party, ALICE)))
        .collect();
    (browser, subjects)
}

/// Whether this browser's session answers for it, without a prompt.
fn has_session(deployment: &Deployment, browser: &Browser, party: &RelyingParty) -> bool {
    let url = party.request().url(&deployment.base_url);
    let page = browser.clone().open(&url);
    Response::on(&page).is_some_and(|response| response.is_success())
}

/// Where a browser is after it has followed every redirect that stays with us.
enum Stop {
    /// On a page of ours.
    Page(Page),
    /// On its way to a relying party.
    Away(Url),
}

impl Stop {
    fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Away(url) => panic!("sent away to {url}"),
        }
    }

    /// The message that it carries by HTTP-Redirect.
    fn message(self) -> Response {
        match self {
            Self::Away(url) => carried_by(&url),
            Self::Page(page) => panic!("stays at {}: {}", page.url, page.body()),
        }
    }
}

/// Follows a request that comes from another site.
fn follow(deployment: &Deployment, browser: &mut Browser, mut request: Request) -> Stop {
    loop {
        let response = browser.ask(&request, true);
        let Some(location) = response.header("location") else {
            let url = request.url;
            return Stop::Page(Page { url, response });
        };
        let next = request.url.join(location).unwrap();
        if !next.as_str().starts_with(&deployment.base_url) {
            return Stop::Away(next);
        }
        request = Request::get(next);
    }
}

/// Opens an address from another site.
fn open(deployment: &Deployment, browser: &mut Browser, url: &str) -> Stop {
    follow(deployment, browser, Request::get(Url::parse(url).unwrap()))
}

/// Presses the first button of a page's first form.
fn press(deployment: &Deployment, browser: &mut Browser, page: &Page) -> Stop {
    let form = Form::all(page.body()).remove(0);
    press_on(deployment, browser, (page, &form))
}

fn press_on(deployment: &Deployment, browser: &mut Browser, (page, form): (&Page, &Form)) -> Stop {
    let mut request = filled(page, form);
    let response = browser.ask(&request, false);
    let Some(location) = response.header("location") else {
        let url = request.url;
        return Stop::Page(Page { url, response });
    };
    let next = request.url.join(location).unwrap();
    if !next.as_str().starts_with(&deployment.base_url) {
        return Stop::Away(next);
    }
    request = Request::get(next);
    follow(deployment, browser, request)
}

/// Signs out on our own page, as far as the first page or relying party after it.
fn sign_out_here(deployment: &Deployment, browser: &mut Browser) -> Stop {
    let page = browser.open(&deployment.url(OWN_PAGE));
    press(deployment, browser, &page)
}

/// A relying party's request, by HTTP-Redirect.
fn request_url(deployment: &Deployment, (party, subject): (&RelyingParty, &Subject)) -> String {
    let endpoint = deployment.url(REDIRECT);
    request(deployment, (party, subject), REDIRECT).url(&endpoint)
}

fn request(
    deployment: &Deployment,
    (party, subject): (&RelyingParty, &Subject),
    path: &str,
) -> Message {
    crate::harness::logout::request(party, &deployment.url(path), subject)
}

/// A relying party's answer to our request, by HTTP-Redirect.
fn answer_url(
    deployment: &Deployment,
    party: &RelyingParty,
    asked: &Response,
    status: &str,
) -> String {
    let answer = answer_to(deployment, party, (asked, REDIRECT), status);
    answer.url(&deployment.url(REDIRECT))
}

fn answer_to(
    deployment: &Deployment,
    party: &RelyingParty,
    (asked, path): (&Response, &str),
    status: &str,
) -> Message {
    let id = asked.values("LogoutRequest", "ID").remove(0);
    response(party, &deployment.url(path), &id, status)
}

/// What a page says of each relying party, by the class of its text.
fn told(page: &Page) -> Vec<String> {
    let marks = page.body().split("class=\"told ").skip(1);
    marks
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The lines about logouts, once there are at least that many.
fn logout_lines(deployment: &Deployment, wanted: usize) -> Vec<String> {
    wait_for("the audit", || {
        let path = deployment.home.path.join("logs/idp-audit.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        let found: Vec<String> = text
            .lines()
            .filter(|line| line.contains("|the session ended") || line.contains("logout:"))
            .map(str::to_owned)
            .collect();
        (found.len() >= wanted).then_some(found)
    })
}
