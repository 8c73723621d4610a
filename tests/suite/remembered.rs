//! Remembered browsers over sockets: kept, void, moved, forged, revoked (attack S49).

use crate::harness::browser::{ALICE, Arrival, BOB, Browser, Person, Prompt};
use crate::harness::html::Form;
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, RelyingParty, Response};
use std::fmt::Write as _;
use url::Url;

const COOKIE: &str = "vestibule_remembered";

struct Scene {
    deployment: Deployment,
    party: RelyingParty,
}

impl Scene {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let party = RelyingParty::new("remembering");
        let mut deployment = Deployment::prepare();
        deployment.trust("party", &party.metadata());
        deployment.home.require_mfa(&party.entity_id);
        let home = &deployment.home;
        home.set("vestibule.duo.remember.lifetime", "P30D");
        home.set("vestibule.duo.remember.principals", &format!("saml2/{MFA}"));
        for (key, value) in settings {
            home.set(key, value);
        }
        deployment.serve();
        Self { deployment, party }
    }

    fn login(&self, parameters: &[(&str, &str)]) -> String {
        let mut request = self.party.request();
        for (name, value) in parameters {
            request = request.with(name, value);
        }
        request.url(&self.deployment.base_url)
    }

    /// The user's password, then the box on the page before Duo, then Duo.
    fn remember(&self, browser: &mut Browser, person: Person) -> Arrival {
        let arrival = browser.log_in(&self.login(&[]), person);
        assert_eq!(arrival.prompts, [Prompt::Password]);
        let mut form = Form::all(arrival.page.body()).remove(0);
        let offered = arrival.page.body().contains("name=\"remember\"");
        assert!(offered, "{}", arrival.page.body());
        form.fields.push(("remember".to_owned(), "1".to_owned()));
        let page = browser.submit(&arrival.page, &form);
        let arrival = browser.walk(page, person);
        assert_eq!(arrival.prompts, [Prompt::Duo]);
        assert_eq!(Response::of(&arrival).class(), MFA);
        arrival
    }

    /// A new login of somebody whose session is over, in the same browser.
    fn again(&self, browser: &Browser, person: Person, parameters: &[(&str, &str)]) -> Arrival {
        let mut later = Browser::that_keeps_the_response();
        later.jar = browser.jar.clone();
        later.jar.keep(|cookie| cookie.name == COOKIE);
        later.log_in(&self.login(parameters), person)
    }

    fn reload(&self) {
        let url = Url::parse(&self.deployment.url("/admin/reload")).unwrap();
        let reload = Request::post(url, &[]).header("x-vestibule-admin", "test");
        assert_eq!(reload.send().status, 200);
    }

    fn account(&self) -> String {
        self.deployment.url("/profile/account")
    }
}

/// Duo is needed: the page before it is shown, and no response.
fn asks_duo(arrival: &Arrival) -> bool {
    Response::on(&arrival.page).is_none() && arrival.page.body().contains("name=\"remember\"")
}

fn remembered() -> (Scene, Browser) {
    let scene = Scene::new();
    let mut browser = Browser::that_keeps_the_response();
    scene.remember(&mut browser, ALICE);
    (scene, browser)
}

#[test]
fn a_remembered_browser_is_asked_for_the_password_alone() {
    let (scene, browser) = remembered();
    let cookie = browser.jar.of("localhost").find(|c| c.name == COOKIE);
    let cookie = cookie.expect("a cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
        assert!(cookie.has(attribute), "{attribute} {cookie:?}");
    }
    let arrival = scene.again(&browser, ALICE, &[]);
    assert_eq!(arrival.prompts, [Prompt::Password]);
    assert_eq!(Response::of(&arrival).class(), MFA);
    let line = scene.deployment.home.sso_audit_line(2);
    assert!(!line.is_empty());
}

#[test]
fn whoever_did_not_ask_is_not_remembered() {
    let scene = Scene::new();
    let mut browser = Browser::that_keeps_the_response();
    let arrival = browser.log_in(&scene.login(&[]), ALICE);
    let form = Form::all(arrival.page.body()).remove(0);
    let page = browser.submit(&arrival.page, &form);
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
    assert!(browser.jar.of("localhost").all(|c| c.name != COOKIE));
}

#[test]
fn s49_a_forced_login_asks_duo_in_a_remembered_browser() {
    let (scene, browser) = remembered();
    let arrival = scene.again(&browser, ALICE, &[("ForceAuthn", "true")]);
    assert!(asks_duo(&arrival), "{}", arrival.page.body());
}

#[test]
fn s49_a_stolen_cookie_is_of_no_use_to_another_user() {
    let (scene, browser) = remembered();
    assert!(asks_duo(&scene.again(&browser, BOB, &[])));
}

#[test]
fn s49_a_forged_cookie_is_nothing() {
    let (scene, mut browser) = remembered();
    let good = browser.jar.of("localhost").find(|c| c.name == COOKIE);
    let good = good.unwrap().clone();
    let last = if good.value.ends_with('0') { "1" } else { "0" };
    let nearly = format!("{}{last}", &good.value[..63]);
    let hash = |value: &str| {
        let octets = openssl::sha::sha256(value.as_bytes());
        octets.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    };
    for value in [nearly, "0".repeat(64), String::new(), hash(&good.value)] {
        let mut forged = good.clone();
        forged.value = value;
        browser.jar.plant(forged);
        assert!(asks_duo(&scene.again(&browser, ALICE, &[])));
    }
}

#[test]
fn s49_an_expired_cookie_is_nothing() {
    let scene = Scene::with(&[("vestibule.duo.remember.lifetime", "PT2S")]);
    let mut browser = Browser::that_keeps_the_response();
    scene.remember(&mut browser, ALICE);
    // The browser here does not look at Max-Age: it is the server that forgets.
    crate::harness::wait_for("the end of remembering", || {
        asks_duo(&scene.again(&browser, ALICE, &[])).then_some(())
    });
}

#[test]
fn s49_a_new_password_forgets_every_browser() {
    let (scene, browser) = remembered();
    let changed = Person {
        password: "another horse",
        ..ALICE
    };
    let arguments = [
        "user",
        "passwd",
        ALICE.name,
        "--password-stdin",
        "--hash",
        "sha1",
    ];
    let input = format!("{}\n", changed.password);
    scene.deployment.home.run(&arguments, &input);
    assert!(asks_duo(&scene.again(&browser, changed, &[])));
}

#[test]
fn s49_other_rules_forget_every_browser_and_other_settings_none() {
    let (scene, browser) = remembered();
    let home = &scene.deployment.home;
    home.set("idp.errors.detailed", "true");
    scene.reload();
    assert_eq!(
        Response::of(&scene.again(&browser, ALICE, &[])).class(),
        MFA
    );
    home.set("vestibule.duo.remember.generation", "2");
    scene.reload();
    assert!(asks_duo(&scene.again(&browser, ALICE, &[])));
}

#[test]
fn s49_an_administrator_lists_and_revokes() {
    let (scene, browser) = remembered();
    let home = &scene.deployment.home;
    let list = || {
        let printed = home.run(&["remembered", "list", "--user", ALICE.name, "--json"], "");
        let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
        value["browsers"].as_array().unwrap().clone()
    };
    let listed = list();
    assert_eq!(listed.len(), 1);
    let id = listed[0]["id"].as_str().unwrap();
    home.run(
        &["remembered", "revoke", "--user", ALICE.name, "--id", id],
        "",
    );
    assert!(list().is_empty());
    assert!(asks_duo(&scene.again(&browser, ALICE, &[])));
}

#[test]
fn the_list_of_browsers_is_for_administrators() {
    let scene = Scene::new();
    let url = scene.deployment.url("/admin/remembered?user=alice");
    let bare = Request::get(Url::parse(&url).unwrap());
    assert_eq!(bare.send().status, 404);
    let from_elsewhere = bare
        .header("x-vestibule-admin", "1")
        .header("x-forwarded-for", "127.0.0.1");
    assert_eq!(from_elsewhere.send().status, 404);
}

#[test]
fn s49_a_user_forgets_a_browser_on_the_account_page() {
    let (scene, mut browser) = remembered();
    let page = browser.open(&scene.account());
    assert!(page.body().contains(ALICE.name), "{}", page.body());
    let mut form = Form::all(page.body()).remove(0);
    assert_eq!(form.buttons[0].0, "forget");

    // S33: without the session's own token nothing happens.
    let forged = form.clone().fill("csrf_token", &"0".repeat(64));
    assert_eq!(browser.submit(&page, &forged).response.status, 403);
    assert!(!asks_duo(&scene.again(&browser, ALICE, &[])));

    form.buttons.truncate(1);
    let page = browser.submit(&page, &form);
    assert!(Form::all(page.body()).is_empty(), "{}", page.body());
    assert!(asks_duo(&scene.again(&browser, ALICE, &[])));
}

#[test]
fn the_account_page_needs_somebody_signed_in() {
    let scene = Scene::new();
    let page = Browser::new().open(&scene.account());
    assert_eq!(page.response.status, 403);
    assert!(page.body().contains("sign in"), "{}", page.body());
}
