//! S45: Duo is away, slow, wrong or refuses us. Each fault ends as declared, in the time that the
//! configuration gives it, and nobody who does not need Duo notices.

use crate::harness::browser::{ALICE, BOB, Browser, Page, Prompt};
use crate::harness::html::Form;
use crate::harness::idp::Deployment;
use crate::harness::port;
use crate::harness::relying_party::{MFA, PPT, RelyingParty, Response};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A deployment with small timeouts, one relying party for which Duo is the rule, and one without.
pub(crate) struct Scene {
    strict: RelyingParty,
    lenient: RelyingParty,
    pub(crate) deployment: Deployment,
}

impl Scene {
    pub(crate) fn prepare(change: impl FnOnce(&Deployment)) -> Self {
        let (strict, lenient) = (RelyingParty::new("strict"), RelyingParty::new("lenient"));
        let mut deployment = Deployment::prepare();
        for party in [&strict, &lenient] {
            let name = party.entity_id.replace([':', '/', '.'], "-");
            deployment.trust(&name, &party.metadata());
        }
        deployment.home.require_mfa(&strict.entity_id);
        for (key, value) in [
            ("idp.duo.oidc.connectionTimeout", "PT1S"),
            ("idp.duo.oidc.socketTimeout", "PT1S"),
            ("vestibule.duo.deadline", "PT2S"),
            ("vestibule.duo.healthcheck.cache", "PT0S"),
            ("vestibule.duo.circuit.failures", "0"),
            ("vestibule.duo.maxStarts", "1000"),
        ] {
            deployment.home.set(key, value);
        }
        change(&deployment);
        deployment.serve();
        Self {
            strict,
            lenient,
            deployment,
        }
    }

    fn url(&self, party: &RelyingParty) -> String {
        party.request().url(&self.deployment.base_url)
    }

    /// A login at the strict relying party as far as its password.
    fn after_password(&self) -> Page {
        self.after_password_in(&mut Browser::that_keeps_the_response())
    }

    fn after_password_in(&self, browser: &mut Browser) -> Page {
        let page = browser.open(&self.url(&self.strict));
        let form = page.form_with("j_username").unwrap();
        let form = form
            .fill("j_username", ALICE.name)
            .fill("j_password", ALICE.password);
        browser.submit(&page, &form)
    }

    /// The login stops on our page, which says so and offers a way on; the log says why, and who
    /// gives up leaves one line and a relying party that knows.
    pub(crate) fn stops(&self, what: &str, words: &str) {
        let mut browser = Browser::that_keeps_the_response();
        let page = self.after_password_in(&mut browser);
        assert!(page.duo_prompt().is_none(), "{what}: {}", page.body());
        let success = Response::on(&page).is_some_and(|response| response.is_success());
        assert!(!success, "{what}: an assertion was made");
        let offered = page.body().contains("cannot be reached");
        assert!(offered, "{what}: {}", page.body());
        assert_eq!(page.response.status, 200, "{what}");
        self.logs(words);
        self.gives_up(&mut browser, &page, what);
    }

    fn gives_up(&self, browser: &mut Browser, page: &Page, what: &str) {
        let before = self.refusals();
        let forms = Form::all(page.body());
        let mut form = forms
            .into_iter()
            .find(|form| !form.buttons.is_empty())
            .unwrap();
        form.buttons.retain(|(_, value)| value == "cancel");
        let page = browser.submit(page, &form);
        let response = Response::on(&page).unwrap_or_else(|| panic!("{what}: {}", page.body()));
        assert!(!response.is_success(), "{what}");
        crate::harness::wait_for("the line of the login", || {
            (self.refusals() == before + 1).then_some(())
        });
    }

    /// The lines of logins that ended without an assertion.
    fn refusals(&self) -> usize {
        let file = self.deployment.home.path.join("logs/idp-audit.log");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let refused = text
            .lines()
            .filter(|line| line.contains("status:AuthnFailed"));
        refused.count()
    }

    /// The process log is written beside the answer, so it may follow by a moment.
    fn logs(&self, words: &str) {
        crate::harness::wait_for(words, || {
            let logs = self.deployment.home.logs();
            logs.contains(words).then_some(())
        });
    }

    pub(crate) fn password_alone_does_at_the_lenient_one(&self) {
        let mut browser = Browser::that_keeps_the_response();
        let arrival = browser.log_in(&self.url(&self.lenient), BOB);
        assert_eq!(arrival.prompts, [Prompt::Password]);
        assert_eq!(Response::of(&arrival).class(), PPT);
    }
}

pub(crate) fn unreachable_at(api_host: String) -> impl FnOnce(&Deployment) {
    move |deployment| deployment.home.set("idp.duo.oidc.apiHost", &api_host)
}

#[test]
fn s45_a_name_that_does_not_resolve_stops_the_login_that_needs_duo() {
    let scene = Scene::prepare(unreachable_at("duo.invalid".to_owned()));
    scene.stops("dns", "Duo cannot be reached: dns");
    scene.password_alone_does_at_the_lenient_one();
}

#[test]
fn s45_a_refused_connection_stops_the_login_that_needs_duo() {
    let scene = Scene::prepare(unreachable_at(format!("localhost:{}", port::free())));
    scene.stops("refused", "Duo cannot be reached: connect");
    scene.password_alone_does_at_the_lenient_one();
}

#[test]
fn s45_a_black_hole_holds_up_nobody_who_does_not_need_duo() {
    // It takes connections and never says anything.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hole.local_addr().unwrap();
    let scene = Scene::prepare(|deployment| {
        unreachable_at(format!("localhost:{}", address.port()))(deployment);
        deployment
            .home
            .set("idp.duo.oidc.maxConnectionsPerRoute", "2");
        deployment.home.set("vestibule.http.workers", "1");
    });
    std::thread::scope(|threads| {
        let stuck: Vec<_> = (0..8)
            .map(|_| threads.spawn(|| scene.after_password()))
            .collect();
        for _ in 0..4 {
            scene.password_alone_does_at_the_lenient_one();
        }
        for login in stuck {
            let page = login.join().unwrap();
            assert!(page.body().contains("cannot be reached"), "{}", page.body());
        }
    });
    scene.stops("black hole", "Duo cannot be reached: timeout");
    hole.set_nonblocking(true).unwrap();
    // Eight logins and one: two connections at a time, and none made twice.
    let connections = std::iter::from_fn(|| hole.accept().ok()).count();
    assert!(connections <= 9, "{connections} connections");
}

/// Takes connections and never says anything, until it is filled: then it ends them.
struct BlackHole {
    listener: TcpListener,
    held: Mutex<Vec<TcpStream>>,
    filled: AtomicBool,
    gone: AtomicBool,
}

impl BlackHole {
    fn dig() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            held: Mutex::default(),
            filled: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    fn api_host(&self) -> String {
        format!("localhost:{}", self.listener.local_addr().unwrap().port())
    }

    fn swallow(&self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.gone.load(Ordering::SeqCst) {
                return;
            }
            let mut held = self.held.lock().unwrap();
            if !self.filled.load(Ordering::SeqCst) {
                held.push(stream);
            }
        }
    }

    fn held(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    fn fill(&self) {
        let mut held = self.held.lock().unwrap();
        self.filled.store(true, Ordering::SeqCst);
        held.clear();
    }

    fn end(&self) {
        self.gone.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.listener.local_addr().unwrap());
    }
}

/// Fills the hole when it goes, so that a test that fails ends.
struct Shovel<'h>(&'h BlackHole);

impl Drop for Shovel<'_> {
    fn drop(&mut self) {
        self.0.fill();
        self.0.end();
    }
}

#[test]
fn s45_at_full_load_in_a_black_hole_every_password_login_succeeds() {
    const STUCK: usize = 60;
    let hole = BlackHole::dig();
    let scene = Scene::prepare(|deployment| {
        for (key, value) in [
            ("idp.duo.oidc.apiHost", hole.api_host().as_str()),
            ("idp.duo.oidc.maxConnectionsPerRoute", "3"),
            ("vestibule.http.workers", "1"),
            // Longer than the test: who is stuck stays so until the hole is filled.
            ("idp.duo.oidc.connectionRequestTimeout", "PT10M"),
            ("idp.duo.oidc.connectionTimeout", "PT10M"),
            ("idp.duo.oidc.socketTimeout", "PT10M"),
            ("vestibule.duo.deadline", "PT10M"),
            ("vestibule.duo.retries", "0"),
        ] {
            deployment.home.set(key, value);
        }
    });
    std::thread::scope(|threads| {
        threads.spawn(|| hole.swallow());
        let _shovel = Shovel(&hole);
        let stuck: Vec<_> = (0..STUCK)
            .map(|_| threads.spawn(|| scene.after_password()))
            .collect();
        crate::harness::wait_for("Duo's connections to be taken", || {
            (hole.held() == 3).then_some(())
        });
        let passing: Vec<_> = (0..6)
            .map(|_| {
                threads.spawn(|| {
                    for _ in 0..10 {
                        scene.password_alone_does_at_the_lenient_one();
                    }
                })
            })
            .collect();
        for login in passing {
            login.join().unwrap();
        }
        assert!(stuck.iter().all(|login| !login.is_finished()), "not stuck");
        assert_eq!(hole.held(), 3, "connections in use");
        hole.fill();
        for login in stuck {
            let page = login.join().unwrap();
            assert!(page.body().contains("cannot be reached"), "{}", page.body());
        }
    });
}

#[test]
fn s45_what_duo_or_the_network_does_in_a_health_check_stops_the_login() {
    let scene = Scene::prepare(|deployment| {
        deployment.home.set("vestibule.duo.retries", "0");
    });
    for (kind, words) in [
        ("500", "Duo answered with an error of its own: 500"),
        ("503", "Duo answered with an error of its own: 503"),
        ("not_json", "not what the protocol says"),
        ("long_body", "body-too-long"),
        ("reset", "Duo cannot be reached: reset"),
        ("slow_body", "Duo cannot be reached: timeout"),
        ("delay", "Duo cannot be reached: timeout"),
        ("fail_401", "Duo does not accept the client id and secret"),
    ] {
        scene.deployment.duo.fault("health_check", kind, 1);
        scene.stops(kind, words);
        scene.deployment.duo.reset();
    }
    scene.password_alone_does_at_the_lenient_one();
    scene.deployment.duo.fault("health_check", "429", 1);
    scene.stops("429", "too many requests");
}

#[test]
fn s45_a_certificate_of_somebody_elses_authority_stops_the_login() {
    let scene = Scene::prepare(|_| ());
    scene.deployment.duo.fault("tls", "foreign_ca", 10);
    scene.stops("foreign certificate", "Duo cannot be reached: tls");
}

#[test]
fn s45_one_bad_moment_is_retried_and_the_user_notices_nothing() {
    let scene = Scene::prepare(|_| ());
    for kind in ["503", "reset"] {
        scene.deployment.duo.fault("health_check", kind, 1);
        let page = scene.after_password();
        assert!(page.duo_prompt().is_some(), "{kind}: {}", page.body());
    }
}

#[test]
fn s45_a_clock_that_is_off_is_told_by_how_much() {
    let scene = Scene::prepare(|_| ());
    let fault = json!({"endpoint": "health_check", "kind": "clock-offset", "seconds": 7200});
    scene.deployment.duo.fault_as(&fault);
    scene.stops("clock", "our clock differs from Duo's by -7200 s");
}

#[test]
fn s45_a_clock_two_minutes_off_ends_at_the_result_token() {
    let scene = Scene::prepare(|_| ());
    let fault = json!({"endpoint": "*", "kind": "clock-offset", "seconds": 120});
    scene.deployment.duo.fault_as(&fault);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&scene.url(&scene.strict));
    let arrival = browser.walk(page, ALICE);
    let success = Response::on(&arrival.page).is_some_and(|response| response.is_success());
    assert!(!success, "an assertion was made");
    scene.logs("result token: the result was issued too far from now");
}

#[test]
fn s45_after_failures_in_a_row_nobody_waits_and_duo_is_found_back_by_itself() {
    let scene = Scene::prepare(|deployment| {
        deployment.home.set("vestibule.duo.circuit.failures", "2");
        deployment
            .home
            .set("vestibule.duo.circuit.openTime", "PT1S");
        deployment.home.set("vestibule.duo.retries", "0");
    });
    scene.deployment.duo.fault("health_check", "503", 2);
    for _ in 0..2 {
        scene.stops("503", "503");
    }
    let asked = || {
        let requests = scene.deployment.duo.requests();
        let checks = requests
            .iter()
            .filter(|seen| seen["endpoint"] == "health_check");
        checks.count()
    };
    let before = asked();
    scene.stops("open circuit", "circuit open");
    assert_eq!(asked(), before, "Duo was asked though the circuit is open");
    crate::harness::wait_for("the circuit to close", || {
        scene.after_password().duo_prompt().map(drop)
    });
}

#[test]
fn s45_an_open_fail_mode_claims_a_password_class_at_most() {
    let scene = Scene::prepare(|deployment| {
        unreachable_at(format!("localhost:{}", port::free()))(deployment);
        deployment.home.set("vestibule.duo.failMode", "open");
    });
    let page = scene.after_password();
    let response = Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()));
    assert!(response.is_success());
    assert_eq!(response.class(), PPT);
    let mut browser = Browser::that_keeps_the_response();
    let asks_mfa = scene.strict.request_exactly(MFA);
    let arrival = browser.log_in(&asks_mfa.url(&scene.deployment.base_url), ALICE);
    let success = Response::on(&arrival.page).is_some_and(|response| response.is_success());
    assert!(!success, "MFA was claimed without Duo");
    crate::harness::wait_for("an audit line marked degraded", || {
        let logs = scene.deployment.home.logs();
        let marked = |line: &str| line.contains("|POST|") && line.ends_with("|true");
        logs.lines().any(marked).then_some(())
    });
}

#[test]
fn s45_a_wrong_secret_never_opens_the_door() {
    let scene = Scene::prepare(|deployment| {
        deployment.home.set("vestibule.duo.failMode", "open");
    });
    for kind in ["fail_200", "fail_400", "fail_401"] {
        scene.deployment.duo.fault("health_check", kind, 1);
        scene.stops(kind, "the client id, the secret or the host is wrong");
    }
}
