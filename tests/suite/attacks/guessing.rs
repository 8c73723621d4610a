//! S53: who guesses passwords is slowed, and shuts nobody out by it.

use super::leaks::without_what_always_differs;
use super::{assert_no_assertion, trust};
use crate::harness::browser::{ALICE, BOB, Browser, Page};
use crate::harness::ecp::{self, Client};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response};
use crate::harness::wait_for;
use serde_json::Value;
use url::Url;

/// Where the attacker sits, and where users do.
const THERE: &str = "192.0.2.66";
const HERE: &str = "198.51.100.9";

struct Guessing {
    party: RelyingParty,
    deployment: Deployment,
}

impl Guessing {
    fn prepare() -> Self {
        let party = RelyingParty::new("guessed");
        let mut deployment = Deployment::prepare();
        trust(&deployment, &[&party]);
        for (key, value) in [
            ("vestibule.password.throttle.attempts", "3"),
            ("vestibule.password.throttle.interval", "PT10H"),
            // A proxy of ours tells where browsers are.
            ("vestibule.http.trustedProxies", "127.0.0.0/8"),
        ] {
            deployment.home.set(key, value);
        }
        deployment.serve();
        Self { party, deployment }
    }

    /// A browser at this address types a name and a password.
    fn attempt(&self, from: &str, name: &str, password: &str) -> Page {
        let mut browser = Browser::that_keeps_the_response();
        let proxied = ("X-Forwarded-For".to_owned(), from.to_owned());
        browser.headers = vec![proxied];
        let page = browser.open(&self.party.request().url(&self.deployment.base_url));
        let form = page.form_with("j_username").unwrap();
        let form = form.fill("j_username", name).fill("j_password", password);
        browser.submit(&page, &form)
    }

    fn signs_in(&self, from: &str, name: &str, password: &str) -> bool {
        let page = self.attempt(from, name, password);
        Response::on(&page).is_some_and(|response| response.is_success())
    }

    fn listed(&self) -> Vec<Value> {
        let printed = self
            .deployment
            .home
            .run(&["--json", "user", "throttled"], "");
        let listed: Value = serde_json::from_str(&printed).unwrap();
        listed["accounts"].as_array().unwrap().clone()
    }

    /// The last failure is written beside its answer.
    fn wait_until_listed(&self) -> Value {
        wait_for("the account to be listed", || self.listed().pop())
    }
}

#[test]
fn s53_guessing_is_slowed_where_it_happens_and_looks_like_a_wrong_password() {
    let guessing = Guessing::prepare();
    let wrong = guessing.attempt(THERE, ALICE.name, "a first guess");
    for guess in ["a second guess", "a third guess"] {
        assert_no_assertion(&guessing.attempt(THERE, ALICE.name, guess), guess);
    }
    let slowed = guessing.attempt(THERE, ALICE.name, ALICE.password);
    assert_no_assertion(&slowed, "the right password after three wrong ones");
    assert_eq!(slowed.response.status, wrong.response.status);
    assert_eq!(
        without_what_always_differs(&slowed, ALICE.name),
        without_what_always_differs(&wrong, ALICE.name)
    );
    assert!(guessing.signs_in(HERE, ALICE.name, ALICE.password));
    assert!(guessing.signs_in(THERE, BOB.name, BOB.password));
    wait_for("the log and the audit to tell of it", || {
        let logs = guessing.deployment.home.logs();
        let told = ["further attempts are slowed", "|throttle|", "AccountLocked"];
        told.iter().all(|words| logs.contains(words)).then_some(())
    });
}

#[test]
fn s53_unknown_names_are_slowed_as_known_ones_are() {
    let guessing = Guessing::prepare();
    for name in [ALICE.name, "nobody"] {
        for _ in 0..3 {
            guessing.attempt(THERE, name, "a guess");
        }
    }
    let slowed = |name| {
        let page = guessing.attempt(THERE, name, "a guess");
        without_what_always_differs(&page, name)
    };
    assert_eq!(slowed(ALICE.name), slowed("nobody"));
    wait_for("both accounts to be listed", || {
        (guessing.listed().len() == 2).then_some(())
    });
}

#[test]
fn s53_a_restart_forgets_no_failure_and_an_administrator_can() {
    let mut guessing = Guessing::prepare();
    for _ in 0..3 {
        guessing.attempt(THERE, ALICE.name, "a guess");
    }
    let listed = guessing.wait_until_listed();
    assert_eq!(listed["user"], ALICE.name);
    assert_eq!(listed["networks"], serde_json::json!([THERE]));
    guessing.deployment.kill();
    guessing.deployment.serve();
    assert!(!guessing.signs_in(THERE, ALICE.name, ALICE.password));
    let home = &guessing.deployment.home;
    let said = home.run(&["user", "unlock", ALICE.name], "");
    assert!(said.contains("unlocked alice"), "{said}");
    assert!(guessing.signs_in(THERE, ALICE.name, ALICE.password));
    assert_eq!(guessing.listed(), Vec::<Value>::new());
}

#[test]
fn s53_who_is_slowed_is_for_administrators_alone() {
    let guessing = Guessing::prepare();
    let url = guessing.deployment.url("/admin/throttled");
    let ask = |headers: &[(&str, &str)]| {
        let request = Request::get(Url::parse(&url).unwrap());
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request.send().status
    };
    assert_eq!(ask(&[]), 404, "without the header that a page cannot send");
    let admin = ("X-Vestibule-Admin", "1");
    assert_eq!(ask(&[admin, ("X-Forwarded-For", HERE)]), 404);
    assert_eq!(ask(&[admin]), 200);
}

#[test]
fn s53_a_client_without_a_browser_is_slowed_by_the_same_counts() {
    let party = RelyingParty::new("guessed");
    let mut deployment = ecp::prepare(&[&party]);
    let home = &deployment.home;
    home.set("vestibule.password.throttle.attempts", "3");
    home.set("vestibule.password.throttle.interval", "PT10H");
    deployment.serve();
    let ask = |client: Client| client.ask(&party.request().xml());
    for guess in ["a first guess", "a second guess", "a third guess"] {
        let guessed = ask(Client::new(&deployment).presenting(ALICE.name, guess));
        assert_eq!(guessed.status(), ["Requester", "AuthnFailed"]);
    }
    let slowed = ask(Client::of(&deployment, ALICE));
    assert_eq!(slowed.status(), ["Requester", "AuthnFailed"]);
    assert!(ask(Client::of(&deployment, BOB)).is_success());
}
