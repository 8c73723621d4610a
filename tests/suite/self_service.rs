//! The account page over sockets: a login to the page itself, enrolment with Duo, and what changing
//! a factor needs (attack S42).

use crate::harness::browser::{ALICE, BOB, Browser, Page, Person, Prompt};
use crate::harness::html::{Form, tags};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::process::Process;
use crate::harness::wait_for;
use serde_json::json;
use url::Url;

const ACCOUNT: &str = "/profile/account";
const DUO: &str = "/profile/account/duo";
const SIGN_IN: &str = "/profile/account/sign-in";

struct Scene {
    deployment: Deployment,
    browser: Browser,
}

impl Scene {
    /// Users may enrol with their password.
    fn new() -> Self {
        Self::with(&[("vestibule.duo.selfService.firstEnrolment", "password")])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let mut deployment = Deployment::prepare();
        deployment.allow_self_service();
        for (key, value) in settings {
            deployment.home.set(key, value);
        }
        deployment.serve();
        Self {
            deployment,
            browser: Browser::new(),
        }
    }

    fn open(&mut self, path: &str) -> Page {
        self.browser.open(&self.deployment.url(path))
    }

    /// A login to the page itself; `query` asks for a fresh factor.
    fn sign_in(&mut self, query: &str, person: Person) -> (Vec<Prompt>, Page) {
        let page = self.open(&format!("{SIGN_IN}{query}"));
        let arrival = self.browser.walk(page, person);
        (arrival.prompts, arrival.page)
    }

    /// Presses the button of that value on the page.
    fn press(&mut self, page: &Page, event: &str) -> Page {
        let form = button(page, event);
        self.browser.submit(page, &form)
    }

    /// Somebody signed in with a password, and enrolled.
    fn enrolled() -> Self {
        let mut scene = Self::new();
        let (_, page) = scene.sign_in("", ALICE);
        let page = scene.press(&page, "enrol");
        Scene::activate(&page);
        let page = scene.open(DUO);
        assert!(
            page.body().contains("Your phone is ready"),
            "{}",
            page.body()
        );
        scene
    }

    /// The phone opens the link that stands beside the code.
    fn activate(page: &Page) {
        let links = tags(page.body()).into_iter().filter(|tag| tag.name == "a");
        let mut links = links.filter_map(|link| link.attribute("href"));
        let link = links.find(|href| href.starts_with("https://"));
        let mut phone = Browser::new();
        let answer = phone.open(&link.expect("a link for phones"));
        assert!(answer.body().contains("enrolled"), "{}", answer.body());
    }

    fn reload(&self) {
        let url = Url::parse(&self.deployment.url("/admin/reload")).unwrap();
        let reload = Request::post(url, &[]).header("x-vestibule-admin", "test");
        assert_eq!(reload.send().status, 200);
    }

    fn calls(&self, endpoint: &str) -> usize {
        let requests = self.deployment.duo.requests();
        let is_it = |request: &&serde_json::Value| request["endpoint"] == endpoint;
        requests.iter().filter(is_it).count()
    }
}

/// The form of that button, with no other button in it.
fn button(page: &Page, event: &str) -> Form {
    let wanted = ("_eventId".to_owned(), event.to_owned());
    let forms = Form::all(page.body()).into_iter();
    let mut forms = forms.filter(|form| form.buttons.contains(&wanted));
    let form = forms.next();
    let mut form = form.unwrap_or_else(|| panic!("no button {event}: {}", page.body()));
    form.buttons = vec![wanted];
    form
}

fn has_button(page: &Page, event: &str) -> bool {
    let wanted = ("_eventId".to_owned(), event.to_owned());
    let forms = Form::all(page.body());
    forms.iter().any(|form| form.buttons.contains(&wanted))
}

#[test]
fn the_account_page_is_signed_in_to_without_any_service() {
    let mut scene = Scene::new();
    let page = scene.open(ACCOUNT);
    assert_eq!(page.response.status, 403);
    assert!(page.body().contains(SIGN_IN), "{}", page.body());
    let (prompts, page) = scene.sign_in("", ALICE);
    assert_eq!(prompts, [Prompt::Password]);
    assert_eq!(
        (page.url.path(), page.response.status),
        ("/idp/profile/account", 200)
    );
    assert!(page.body().contains(ALICE.name), "{}", page.body());
    // The session serves the next one.
    let (prompts, page) = scene.sign_in("", ALICE);
    assert_eq!(prompts, []);
    assert_eq!(page.response.status, 200);
    let audit = std::fs::read_to_string(scene.deployment.home.path.join("logs/idp-audit.log"));
    let audit = audit.unwrap();
    let line = "|Redirect|Redirect||Success|";
    assert_eq!(audit.matches(line).count(), 2, "{audit}");
}

#[test]
fn the_policy_decides_about_the_account_page_too() {
    let scene = Scene::new();
    let page = scene.deployment.url(ACCOUNT);
    scene.deployment.home.require_mfa(&page);
    let mut scene = Scene {
        browser: Browser::new(),
        deployment: restarted(scene.deployment),
    };
    let (prompts, page) = scene.sign_in("", ALICE);
    assert_eq!(prompts, [Prompt::Password, Prompt::Duo]);
    assert_eq!(page.response.status, 200);
}

fn restarted(mut deployment: Deployment) -> Deployment {
    deployment.kill();
    deployment.serve();
    deployment
}

#[test]
fn an_enrolment_is_begun_by_one_click_and_ends_at_the_phone() {
    let mut scene = Scene::new();
    let (_, account) = scene.sign_in("", ALICE);
    let page = scene.press(&account, "enrol");
    assert_eq!(page.url.path(), "/idp/profile/account/duo");
    let body = page.body();
    assert!(body.contains("src=\"data:image/svg+xml;base64,"), "{body}");
    assert!(body.contains("http-equiv=\"refresh\""), "{body}");
    assert!(!body.contains("<script"), "{body}");

    // Reloading, and the same form once more, never enrol again.
    scene.open(DUO);
    scene.press(&account, "enrol");
    assert_eq!(scene.calls("enroll"), 1);
    assert!(scene.open(DUO).body().contains("Waiting for your phone"));
    // It stops refreshing after a while; the button remains.
    let late = scene.open(&format!("{DUO}?look=60"));
    assert!(!late.body().contains("http-equiv"), "{}", late.body());
    assert!(late.body().contains("Check now"));

    Scene::activate(&page);
    let done = scene.open(DUO);
    assert!(
        done.body().contains("Your phone is ready"),
        "{}",
        done.body()
    );
    assert!(!done.body().contains("http-equiv"), "{}", done.body());
    let asked = scene.calls("enroll_status");
    scene.open(DUO);
    assert_eq!(
        scene.calls("enroll_status"),
        asked,
        "nothing is left to ask"
    );

    let account = scene.open(ACCOUNT);
    assert!(has_button(&account, "rename"), "{}", account.body());
    let trail = scene.deployment.home.logs();
    for what in ["|enrolment_started|", "|enrolled|"] {
        assert!(trail.contains(what), "{what}: {trail}");
    }
    assert!(!trail.contains("duo://"), "the activation code is a secret");
}

#[test]
fn another_browser_of_the_same_user_sees_no_activation_code() {
    let mut scene = Scene::new();
    let (_, account) = scene.sign_in("", ALICE);
    scene.press(&account, "enrol");
    scene.browser = Browser::new();
    scene.sign_in("", ALICE);
    let page = scene.open(DUO);
    assert_eq!(page.url.path(), "/idp/profile/account");
}

#[test]
fn a_factor_is_renamed_and_shows_its_use() {
    let mut scene = Scene::enrolled();
    let page = scene.open(ACCOUNT);
    let long = button(&page, "rename").fill("label", &"x".repeat(65));
    let refused = scene.browser.submit(&page, &long);
    assert_eq!(refused.response.status, 400);
    let form = button(&page, "rename").fill("label", "My <old> phone");
    let page = scene.browser.submit(&page, &form);
    assert!(
        page.body().contains("My &lt;old&gt; phone"),
        "{}",
        page.body()
    );
    assert!(!page.body().contains("Last used"));
    let (prompts, page) = scene.sign_in("?fresh=duo", ALICE);
    assert_eq!(prompts, [Prompt::Password, Prompt::Duo]);
    assert!(page.body().contains("Last used"), "{}", page.body());
}

#[test]
fn s42_nobody_enrols_a_first_factor_with_a_password_unless_the_operator_says_so() {
    let mut scene = Scene::new();
    let (_, page) = scene.sign_in("?fresh=password", ALICE);
    let form = button(&page, "enrol");
    let home = &scene.deployment.home;
    home.set("vestibule.duo.selfService.firstEnrolment", "never");
    scene.reload();
    let page = scene.open(ACCOUNT);
    assert!(!has_button(&page, "enrol"));
    let page = scene.browser.submit(&page, &form);
    assert_eq!(page.response.status, 403);
    assert!(page.body().contains("help desk"), "{}", page.body());
    assert_eq!(scene.calls("enroll"), 0);
}

/// The session's token.
fn token(page: &Page) -> String {
    let forms = Form::all(page.body());
    let found = forms.iter().find_map(|form| form.value("csrf_token"));
    found.unwrap_or_default().to_owned()
}

fn post(scene: &mut Scene, fields: &[(&str, &str)]) -> Page {
    let url = scene.deployment.url(DUO);
    let form = Form {
        action: url.clone(),
        method: "POST".to_owned(),
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        buttons: Vec::new(),
    };
    let page = scene.browser.open(&scene.deployment.url(ACCOUNT));
    scene.browser.submit(&page, &form)
}

#[test]
fn s42_a_factor_goes_only_with_a_fresh_act_at_duo() {
    let mut scene = Scene::enrolled();
    // A password alone, however fresh, removes nothing and adds nothing.
    let (_, page) = scene.sign_in("?fresh=password", ALICE);
    assert!(!has_button(&page, "remove") && !has_button(&page, "enrol"));
    let forms = [button(&page, "rename"), button(&page, "rename")];
    for (mut form, event) in forms.into_iter().zip(["remove", "enrol"]) {
        form.buttons = vec![("_eventId".to_owned(), event.to_owned())];
        let refused = scene.browser.submit(&page, &form);
        assert_eq!(refused.response.status, 403, "{event}");
        assert!(
            refused.body().contains("confirm with Duo"),
            "{}",
            refused.body()
        );
    }
    assert_eq!(scene.calls("enroll"), 1);

    // A success that proves no act is none.
    let bypass = json!({"username": "alice", "outcome": "bypass", "times": 1});
    scene.deployment.duo.outcome(&bypass);
    let (_, page) = scene.sign_in("?fresh=duo", ALICE);
    assert!(page.body().contains("not enough"), "{}", page.body());
    let page = scene.open(ACCOUNT);
    assert!(!has_button(&page, "remove"), "{}", page.body());

    let (prompts, page) = scene.sign_in("?fresh=duo", ALICE);
    assert_eq!(prompts, [Prompt::Password, Prompt::Duo]);
    let page = scene.press(&page, "remove");
    assert!(!has_button(&page, "rename"), "{}", page.body());
    assert!(scene.deployment.home.logs().contains("|removed|"));
}

#[test]
fn s42_s33_a_form_without_the_sessions_token_changes_nothing() {
    let mut scene = Scene::enrolled();
    scene.sign_in("?fresh=duo", ALICE);
    for event in ["enrol", "remove", "rename", "look"] {
        let fields = [
            ("csrf_token", "0"),
            ("_eventId", event),
            ("integration", "default"),
            ("label", "taken over"),
        ];
        assert_eq!(post(&mut scene, &fields).response.status, 403, "{event}");
    }
    let page = scene.open(ACCOUNT);
    assert!(has_button(&page, "remove"));
    assert!(!page.body().contains("taken over"));
}

#[test]
fn s42_one_users_forms_do_not_reach_another_users_factor() {
    let mut scene = Scene::enrolled();
    let alices = scene.browser.clone();
    scene.browser = Browser::new();
    let (_, page) = scene.sign_in("?fresh=duo", BOB);
    let token = token(&page);
    let fields = [
        ("csrf_token", token.as_str()),
        ("_eventId", "remove"),
        ("integration", "default"),
    ];
    assert_eq!(post(&mut scene, &fields).response.status, 404);
    scene.browser = alices;
    let page = scene.open(ACCOUNT);
    assert!(has_button(&page, "rename"), "{}", page.body());
}

#[test]
fn a_name_that_duo_has_already_is_told_and_nothing_is_kept() {
    let mut scene = Scene::new();
    scene.deployment.duo.user(&json!({"username": "alice"}));
    let (_, page) = scene.sign_in("", ALICE);
    let page = scene.press(&page, "enrol");
    let body = page.body();
    assert!(body.contains("an administrator can link it"), "{body}");
    assert!(!body.contains("http-equiv"), "{body}");
    let page = scene.open(ACCOUNT);
    assert!(!has_button(&page, "rename"), "{}", page.body());
}

#[test]
fn an_id_that_duo_does_not_know_any_more_is_marked() {
    let mut scene = Scene::enrolled();
    let page = scene.open(ACCOUNT);
    let page = scene.press(&page, "look");
    assert!(page.body().contains("Last checked on"), "{}", page.body());
    scene.deployment.duo.reset();
    let page = scene.press(&page, "look");
    assert!(
        page.body().contains("does not know this entry"),
        "{}",
        page.body()
    );
    // What protects nothing any more may go, and make room.
    let page = scene.press(&page, "remove");
    assert!(!has_button(&page, "rename"), "{}", page.body());
    assert!(has_button(&page, "enrol"), "{}", page.body());
}

#[test]
fn an_enrolment_that_nobody_finishes_expires() {
    let mut scene = Scene::with(&[
        ("vestibule.duo.selfService.firstEnrolment", "password"),
        ("vestibule.duo.enrolmentLifetime", "PT1S"),
    ]);
    let (_, page) = scene.sign_in("", ALICE);
    scene.press(&page, "enrol");
    let page = wait_for("the end of the code", || {
        let page = scene.open(DUO);
        page.body().contains("not valid any more").then_some(page)
    });
    assert!(!page.body().contains("http-equiv"), "{}", page.body());
    assert!(scene.deployment.home.logs().contains("|enrolment_expired|"));
}

#[test]
fn duo_away_is_told_and_can_be_tried_again() {
    let mut scene = Scene::new();
    let (_, page) = scene.sign_in("", ALICE);
    scene.deployment.duo.fault("enroll", "500", 10);
    let page = scene.press(&page, "enrol");
    assert!(page.body().contains("cannot be reached"), "{}", page.body());
    scene.deployment.duo.reset();
    let page = scene.press(&page, "enrol");
    assert!(
        page.body().contains("data:image/svg+xml"),
        "{}",
        page.body()
    );
}

#[test]
fn what_is_switched_off_is_not_there() {
    let mut scene = Scene::with(&[("vestibule.duo.selfService.enabled", "false")]);
    let (_, page) = scene.sign_in("", ALICE);
    assert!(!page.body().contains("Confirming with"), "{}", page.body());
    assert_eq!(scene.open(DUO).response.status, 404);
}

#[test]
fn an_administrator_enrols_a_user_from_the_terminal() {
    let deployment = Deployment::prepare();
    deployment.allow_self_service();
    let mut command = deployment.home.command(&["duo", "enroll", "bob", "--json"]);
    let mut enrolling = Process::start("enroll", deployment.directory(), &mut command);
    let line = |printed: &str, number: usize| {
        let read = |line| serde_json::from_str::<serde_json::Value>(line).ok();
        printed.lines().filter_map(read).nth(number)
    };
    let begun = enrolling.wait_until(|printed| line(printed, 0));
    assert_eq!(begun["duo_username"], "bob", "{begun}");
    Browser::new().open(begun["activation_url"].as_str().unwrap());
    let ended = enrolling.wait_until(|printed| line(printed, 1));
    assert_eq!(ended["outcome"], "enrolled", "{ended}");
    drop(enrolling);
    // Kept: a second one is refused by Duo, which has the name now.
    let again = deployment
        .home
        .command(&["duo", "enroll", "bob"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("duo import"), "{said}");
    let status = deployment.home.run(&["duo", "status", "--json"], "");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["imported"]["default"], 1, "{status}");
}
