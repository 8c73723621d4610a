//! A real browser: headless Chromium goes through the real pages.

mod account;
mod duo;
mod login;
mod remembered;

use crate::harness::browser::ALICE;
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::Pysaml2;
use crate::harness::webdriver::Chromium;
use serde_json::Value;

const USERNAME: &str = "[name=j_username]";
const PASSWORD: &str = "[name=j_password]";
const FIRST_BUTTON: &str = "form button";

fn deployed() -> (Deployment, Pysaml2) {
    let mut deployment = Deployment::prepare();
    deployment.home.require_mfa(Pysaml2::FIRST);
    deployment.home.require_mfa(Pysaml2::SECOND);
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    (deployment, providers)
}

fn give_password(chromium: &Chromium) {
    chromium.enter(USERNAME, ALICE.name);
    chromium.enter(PASSWORD, ALICE.password);
    chromium.click(FIRST_BUTTON);
    at_duo(chromium);
}

fn at_duo(chromium: &Chromium) {
    crate::harness::wait_for("Duo's prompt", || {
        (chromium.url().scheme() == "https" && chromium.shows(FIRST_BUTTON)).then_some(())
    });
}

/// What the service provider says it accepted.
fn verdict(chromium: &Chromium) -> Value {
    chromium.wait_for_path("/acs");
    chromium.wait_for("pre, body");
    serde_json::from_str(&chromium.text("body")).unwrap()
}

/// The password alone: what comes next is up to the policy.
fn password_only(chromium: &Chromium) {
    chromium.wait_for(PASSWORD);
    chromium.enter(USERNAME, ALICE.name);
    chromium.enter(PASSWORD, ALICE.password);
    chromium.click(FIRST_BUTTON);
}
