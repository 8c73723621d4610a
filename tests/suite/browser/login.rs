//! A login from a service provider and back: pages, back button, reload, tabs, keyboard.

use super::{FIRST_BUTTON, PASSWORD, USERNAME, at_duo, deployed, give_password, verdict};
use crate::harness::browser::ALICE;
use crate::harness::pysaml2::Pysaml2;
use crate::harness::relying_party::MFA;
use crate::harness::webdriver::Chromium;

#[test]
fn a_person_logs_in_through_the_real_pages() {
    let (_deployment, providers) = deployed();
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    chromium.wait_for(PASSWORD);
    chromium.picture("login");
    chromium.enter(USERNAME, ALICE.name);
    chromium.enter(PASSWORD, "wrong");
    chromium.click(FIRST_BUTTON);
    chromium.wait_for("[role=alert]");
    chromium.picture("login-refused");
    give_password(&chromium);
    chromium.picture("duo-prompt");
    chromium.click(FIRST_BUTTON);
    let verdict = verdict(&chromium);
    assert_eq!(verdict["class"], MFA);
    assert_eq!(verdict["attributes"]["uid"][0], ALICE.name);
    chromium.picture("service-provider");
}

#[test]
fn the_back_button_at_duo_leads_to_a_login_that_can_be_finished() {
    let (_deployment, providers) = deployed();
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    give_password(&chromium);
    chromium.back();
    chromium.wait_for(FIRST_BUTTON);
    chromium.picture("back-from-duo");
    if chromium.shows(PASSWORD) {
        give_password(&chromium);
    } else {
        chromium.click(FIRST_BUTTON);
        at_duo(&chromium);
    }
    chromium.click(FIRST_BUTTON);
    assert_eq!(verdict(&chromium)["class"], MFA);
}

#[test]
fn reloading_duos_callback_is_no_dead_end_and_no_second_login() {
    let (_deployment, providers) = deployed();
    // Without JavaScript the callback's page stays until its button is pressed.
    let chromium = Chromium::without_javascript();
    chromium.open(&providers.login(0, ""));
    give_password(&chromium);
    chromium.click(FIRST_BUTTON);
    chromium.wait_for_path("/duo-callback");
    chromium.wait_for("[name=SAMLResponse]");
    chromium.picture("response-without-javascript");
    chromium.reload();
    chromium.wait_for("h1");
    chromium.picture("callback-reloaded");
    assert!(
        !chromium.shows("[name=SAMLResponse]"),
        "the same callback answered twice"
    );
    assert!(
        chromium.text("footer").chars().any(|c| c.is_ascii_digit()),
        "no transaction id"
    );
    // The page has a way on, and the session of the first answer serves it.
    chromium.click(FIRST_BUTTON);
    chromium.wait_for("[name=SAMLResponse]");
    chromium.click(FIRST_BUTTON);
    assert_eq!(verdict(&chromium)["class"], MFA);
}

#[test]
fn two_tabs_at_once_each_finish_their_own_login() {
    let (_deployment, providers) = deployed();
    let chromium = Chromium::start();
    let first = chromium.tab();
    chromium.open(&providers.login(0, ""));
    let second = chromium.new_tab();
    chromium.switch_to(&second);
    chromium.open(&providers.login(1, ""));
    chromium.switch_to(&first);
    give_password(&chromium);
    chromium.switch_to(&second);
    give_password(&chromium);
    chromium.click(FIRST_BUTTON);
    let verdict_of_second = verdict(&chromium);
    assert_eq!(
        (&verdict_of_second["entity_id"], &verdict_of_second["class"]),
        (&Pysaml2::SECOND.into(), &MFA.into())
    );
    chromium.switch_to(&first);
    chromium.click(FIRST_BUTTON);
    let verdict_of_first = verdict(&chromium);
    assert_eq!(
        (&verdict_of_first["entity_id"], &verdict_of_first["class"]),
        (&Pysaml2::FIRST.into(), &MFA.into())
    );
}

#[test]
fn the_login_page_can_be_used_with_a_keyboard_and_a_screen_reader() {
    let (_deployment, providers) = deployed();
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    chromium.wait_for(PASSWORD);
    assert_eq!(chromium.attribute("html", "lang").as_deref(), Some("en"));
    assert!(!chromium.title().is_empty());
    let names = [USERNAME, PASSWORD, FIRST_BUTTON].map(|field| chromium.accessible_name(field));
    assert!(names.iter().all(|name| !name.is_empty()), "{names:?}");
    let (username, password) = (
        chromium.attribute(USERNAME, "id"),
        chromium.attribute(PASSWORD, "id"),
    );
    assert_eq!(
        chromium.focus(),
        username.unwrap(),
        "typing can begin at once"
    );
    chromium.press_tab();
    assert_eq!(chromium.focus(), password.unwrap());
    chromium.press_tab();
    assert_eq!(chromium.focus(), "_eventId=proceed");

    chromium.enter(USERNAME, ALICE.name);
    chromium.enter(PASSWORD, "wrong");
    chromium.click(FIRST_BUTTON);
    chromium.wait_for("[role=alert]");
    let described = chromium
        .attribute(PASSWORD, "aria-describedby")
        .expect("the error is tied to the field");
    assert_eq!(chromium.attribute("[role=alert]", "id"), Some(described));
    assert_eq!(
        chromium.attribute(PASSWORD, "value").unwrap_or_default(),
        ""
    );
}
