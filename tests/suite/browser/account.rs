//! The account page: signed in to by itself, enrolment with a QR code, renaming, removal.

use super::{FIRST_BUTTON, at_duo, password_only};
use crate::harness::browser::Browser;
use crate::harness::idp::Deployment;
use crate::harness::wait_for;
use crate::harness::webdriver::Chromium;

const ENROL: &str = "[value=enrol]";
const RENAME: &str = "[value=rename]";
const REMOVE: &str = "[value=remove]";

fn deployed() -> Deployment {
    let mut deployment = Deployment::prepare();
    deployment.allow_self_service();
    let home = &deployment.home;
    home.set("vestibule.duo.selfService.firstEnrolment", "password");
    deployment.serve();
    deployment
}

/// To the account page, by its own sign-in.
fn signed_in(deployment: &Deployment) -> Chromium {
    let chromium = Chromium::start();
    chromium.open(&deployment.url("/profile/account"));
    chromium.wait_for("a.button");
    chromium.picture("account-sign-in-first");
    chromium.click("a.button");
    password_only(&chromium);
    chromium.wait_for_path("/profile/account");
    chromium
}

#[test]
fn a_person_enrols_a_phone_by_its_code_and_removes_it_again() {
    let deployment = deployed();
    let chromium = signed_in(&deployment);
    chromium.picture("account-without-duo");
    chromium.click(ENROL);
    chromium.wait_for(".qr img");
    chromium.picture("enrolment");
    assert!(!chromium.accessible_name(".qr img").is_empty());
    let drawn = chromium.property(".qr img", "naturalWidth");
    assert!(
        drawn.as_u64().unwrap() > 0,
        "the code is not drawn: {drawn}"
    );
    chromium.resize(360, 900);
    chromium.picture("enrolment-on-a-phone");
    assert!(chromium.is_no_wider_than_its_window());
    chromium.resize(1000, 900);

    // The phone is activated, and the page notices by itself.
    let link = chromium.attribute("a[href^='https:']", "href").unwrap();
    Browser::new().open(&link);
    chromium.wait_for(".success");
    chromium.picture("enrolment-done");
    chromium.click("a.button");
    chromium.wait_for(RENAME);
    chromium.enter("[name=label]", "My phone");
    chromium.click(RENAME);
    wait_for("the new name", || {
        chromium.text("main").contains("My phone").then_some(())
    });
    chromium.picture("account-with-duo");
    chromium.resize(360, 1200);
    chromium.picture("account-on-a-phone");
    assert!(chromium.is_no_wider_than_its_window());
    chromium.resize(1000, 900);

    // Removal needs Duo itself, now.
    assert!(!chromium.shows(REMOVE));
    chromium.click("a[href$='fresh=duo']");
    password_only(&chromium);
    at_duo(&chromium);
    chromium.click(FIRST_BUTTON);
    chromium.wait_for(REMOVE);
    chromium.picture("account-confirmed");
    chromium.click(REMOVE);
    wait_for("the entry to be gone", || {
        (!chromium.shows(RENAME) && chromium.shows("h1")).then_some(())
    });
}

#[test]
fn an_enrolment_works_without_javascript_and_with_the_button_alone() {
    let deployment = deployed();
    let chromium = Chromium::without_javascript();
    chromium.open(&deployment.url("/profile/account/sign-in"));
    password_only(&chromium);
    chromium.click(ENROL);
    chromium.wait_for(".qr img");
    let link = chromium.attribute("a[href^='https:']", "href").unwrap();
    Browser::new().open(&link);
    chromium.click("a.button");
    chromium.wait_for(".success");
}
