//! Around Duo's prompt: the page before it, a denial, a time-out, each to its end.

use super::{FIRST_BUTTON, PASSWORD, USERNAME, at_duo, password_only, verdict};
use crate::harness::browser::ALICE;
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::Pysaml2;
use crate::harness::relying_party::{MFA, PPT};
use crate::harness::webdriver::Chromium;
use crate::harness::{let_pass, wait_for};
use serde_json::Value;
use std::time::Duration;

const DUO: &str = "[value=retry]";
const OTHER: &str = "[value=other]";
const CANCEL: &str = "[value=cancel]";
const RESTART: &str = "[value=restart]";

fn deployed(settings: &[(&str, &str)]) -> (Deployment, Pysaml2) {
    let mut deployment = Deployment::prepare();
    deployment.home.require_mfa(Pysaml2::FIRST);
    for (key, value) in settings {
        deployment.home.set(key, value);
    }
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    (deployment, providers)
}

#[test]
fn the_page_before_duo_has_a_button_another_way_and_a_way_out() {
    // Duo first, or a password for whoever would rather.
    let settings = [
        ("vestibule.duo.interstitial", "true"),
        ("vestibule.duo.displayName", "Campus Duo"),
        ("vestibule.duo.style", "conf/campus.css"),
        ("vestibule.ui.poweredBy", "true"),
        ("vestibule.duo.passwordless.enabled", "true"),
        ("idp.authn.MFA.transition.start", "authn/DuoOIDC"),
        (
            "idp.authn.MFA.transition.DuoOIDC.ReselectFlow",
            "authn/Password",
        ),
        ("idp.authn.MFA.transition.Password", "end"),
    ];
    let mut deployment = Deployment::prepare();
    let home = &deployment.home;
    for (key, value) in settings {
        home.set(key, value);
    }
    home.write("conf/campus.css", "h1 { letter-spacing: 3px; }\n");
    // The shipped tests are about the shipped rules.
    home.write("scripts/policy.tests.toml", "");
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    give_name(&chromium);
    chromium.picture("interstitial");
    assert_eq!(chromium.accessible_name(DUO), "Continue to Campus Duo");
    assert_eq!(chromium.style("h1", "letter-spacing"), "3px");
    assert!(chromium.text("footer").contains("Powered by Vestibule"));
    chromium.resize(360, 740);
    chromium.picture("interstitial-on-a-phone");
    assert!(chromium.is_no_wider_than_its_window());
    chromium.resize(1000, 900);

    // Another way leads where the transition map says.
    chromium.click(OTHER);
    chromium.wait_for(PASSWORD);
    assert_eq!(chromium.style("h1", "letter-spacing"), "normal");
    password_only(&chromium);
    assert_eq!(verdict(&chromium)["class"], PPT);

    // The button leads to Duo, and on.
    chromium.open(&providers.login(0, "force=1"));
    give_name(&chromium);
    chromium.click(DUO);
    at_duo(&chromium);
    chromium.click("[value=security-key]");
    assert_eq!(verdict(&chromium)["class"], MFA);

    // Cancel tells the service provider.
    chromium.open(&providers.login(0, "force=1"));
    give_name(&chromium);
    chromium.click(CANCEL);
    gave_up(&chromium);
}

/// The user's name alone, then the page before Duo.
fn give_name(chromium: &Chromium) {
    chromium.wait_for(USERNAME);
    assert!(!chromium.shows(PASSWORD));
    chromium.enter(USERNAME, ALICE.name);
    chromium.click(FIRST_BUTTON);
    chromium.wait_for(DUO);
}

/// The service provider was told that there will be no login.
fn gave_up(chromium: &Chromium) {
    let told = verdict(chromium);
    assert_eq!(told["class"], Value::Null, "{told}");
    let status = told["status"].as_str().unwrap_or_default();
    assert!(
        !status.is_empty() && !status.ends_with(":Success"),
        "{told}"
    );
}

#[test]
fn whoever_denies_at_duo_comes_back_and_gives_up_or_goes_on() {
    let (_deployment, providers) = deployed(&[]);
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    password_only(&chromium);
    at_duo(&chromium);
    chromium.click("[value=deny]");
    chromium.wait_for("[role=alert]");
    chromium.picture("denied-at-duo");
    // Duo keeps its user; the back button is the way home.
    wait_for("our own page", || {
        chromium.back();
        chromium.shows(RESTART).then_some(())
    });
    chromium.picture("back-from-a-denial");
    chromium.click(DUO);
    at_duo(&chromium);
    chromium.click("[value=deny]");
    chromium.wait_for("[role=alert]");
    wait_for("our own page", || {
        chromium.back();
        chromium.shows(RESTART).then_some(())
    });
    chromium.click(CANCEL);
    gave_up(&chromium);
}

#[test]
fn a_redirect_to_duo_that_took_too_long_can_be_begun_again() {
    let (_deployment, providers) = deployed(&[("vestibule.duo.pendingLifetime", "PT10S")]);
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    password_only(&chromium);
    at_duo(&chromium);
    let_pass(Duration::from_secs(11));
    chromium.click(FIRST_BUTTON);
    chromium.wait_for("[role=alert]");
    chromium.picture("duo-took-too-long");
    assert!(chromium.text("[role=alert]").contains("took too long"));
    chromium.click(DUO);
    at_duo(&chromium);
    chromium.click(FIRST_BUTTON);
    assert_eq!(verdict(&chromium)["class"], MFA);
}

#[test]
fn a_login_that_nobody_finished_in_time_says_so() {
    let (_deployment, providers) = deployed(&[("vestibule.login.lifetime", "PT12S")]);
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    password_only(&chromium);
    at_duo(&chromium);
    let_pass(Duration::from_secs(13));
    chromium.click(FIRST_BUTTON);
    chromium.wait_for_path("/duo-callback");
    chromium.wait_for("h1");
    chromium.picture("login-expired");
    assert!(chromium.text("main").contains("no longer valid"));
}
