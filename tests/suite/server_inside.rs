//! The server as a value in the test's own process, with a clock that the test moves and an audit
//! that the test reads.

use crate::harness::artifact;
use crate::harness::browser::{ALICE, Browser, Page, Prompt};
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, RelyingParty, Response};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::runtime::Runtime;
use url::Url;
use vestibule::audit::Category;
use vestibule::server::world::{
    AuditSink, AuditUnavailable, Clock, RealBackEnds, SystemClock, SystemRandom, World,
};
use vestibule::server::{Handle, Server, load};

/// The system's clock, moved ahead by the test.
#[derive(Debug, Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// An audit in memory, which can be full.
#[derive(Debug, Default)]
struct MemoryAudit {
    lines: Mutex<Vec<(Category, String)>>,
    full: AtomicBool,
}

impl MemoryAudit {
    fn lines(&self, category: Category) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let of_category = lines.iter().filter(|(known, _)| *known == category);
        of_category.map(|(_, line)| line.clone()).collect()
    }
}

impl AuditSink for MemoryAudit {
    fn write(&self, category: Category, line: String) -> Result<(), AuditUnavailable> {
        if self.full.load(Ordering::SeqCst) {
            return Err(AuditUnavailable);
        }
        self.lines.lock().unwrap().push((category, line));
        Ok(())
    }

    fn ready(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }
}

/// A server of a deployment's home.
struct Inside {
    deployment: Deployment,
    clock: Arc<MovedClock>,
    audit: Arc<MemoryAudit>,
    handle: Handle,
    runtime: Runtime,
    serving: Option<JoinHandle<()>>,
}

impl Inside {
    /// Knows one relying party, which needs MFA.
    fn start(party: &RelyingParty) -> Self {
        let deployment = Deployment::prepare();
        deployment.home.require_mfa(&party.entity_id);
        Self::serve(deployment, party)
    }

    /// Knows one relying party, for which a password will do.
    fn start_lenient(party: &RelyingParty) -> Self {
        Self::serve(Deployment::prepare(), party)
    }

    fn serve(deployment: Deployment, party: &RelyingParty) -> Self {
        deployment.trust("party", &party.metadata());
        let (clock, audit) = (Arc::<MovedClock>::default(), Arc::<MemoryAudit>::default());
        let world = World {
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            audit: audit.clone(),
            back_ends: Arc::new(RealBackEnds),
            counters: Arc::default(),
        };
        let raw = load::read_with(&deployment.home.path, []);
        let (settings, _) = vestibule::config::check(&raw).unwrap();
        let server = Server::build(settings, world).unwrap();
        let handle = server.handle();
        let serving = std::thread::spawn(move || runtime().block_on(server.run()).unwrap());
        Self {
            deployment,
            clock,
            audit,
            handle,
            runtime: runtime(),
            serving: Some(serving),
        }
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn sweep(&self) {
        self.runtime.block_on(self.handle.sweep()).unwrap();
    }

    fn sso_lines(&self) -> Vec<String> {
        self.audit.lines(Category::Sso)
    }

    fn open(&self, party: &RelyingParty) -> (Browser, Page) {
        let mut browser = Browser::that_keeps_the_response();
        let page = browser.open(&party.request().url(&self.deployment.base_url));
        (browser, page)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.runtime.block_on(self.handle.stop());
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The transaction id that a page shows.
fn transaction(page: &Page) -> String {
    let (_, rest) = page.body().split_once("<code>").unwrap();
    rest.split_once("</code>").unwrap().0.to_owned()
}

#[test]
fn a_login_that_nobody_finishes_leaves_one_line_with_its_pages_transaction() {
    let party = RelyingParty::new("abandoned");
    let inside = Inside::start(&party);
    let (_, page) = inside.open(&party);
    let shown = transaction(&page);
    inside.sweep();
    assert_eq!(
        inside.sso_lines(),
        Vec::<String>::new(),
        "it is not over yet"
    );
    inside.pass(3600);
    inside.sweep();
    inside.sweep();
    let lines = inside.sso_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&shown), "{} {shown}", lines[0]);
}

#[test]
fn a_login_left_at_duo_leaves_duos_line_and_its_own() {
    let party = RelyingParty::new("left");
    let inside = Inside::start(&party);
    let (mut browser, page) = inside.open(&party);
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let at_duo = browser.submit(&page, &form);
    assert!(at_duo.duo_prompt().is_some(), "{}", at_duo.body());
    assert_eq!(
        inside.audit.lines(Category::Duo).len(),
        1,
        "before the redirect"
    );
    inside.pass(3600);
    inside.sweep();
    let duo = inside.audit.lines(Category::Duo);
    assert_eq!(duo.len(), 2, "{duo:?}");
    assert!(duo[1].contains("expired"), "{}", duo[1]);
    assert_eq!(inside.sso_lines().len(), 1);
}

#[test]
fn a_login_left_at_the_question_of_consent_leaves_one_line() {
    let party = RelyingParty::new("undecided");
    let deployment = Deployment::prepare();
    let asked = "vestibule.consent.attribute-release.relyingParties";
    deployment.home.set(asked, "*");
    let inside = Inside::serve(deployment, &party);
    let (mut browser, page) = inside.open(&party);
    let shown = transaction(&page);
    let arrival = browser.walk(page, ALICE);
    assert!(arrival.page.form_with("question").is_some());
    inside.pass(3600);
    inside.sweep();
    let lines = inside.sso_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&shown) && lines[0].contains("no answer about consent"));
}

#[test]
fn a_finished_login_leaves_one_line_however_often_it_is_looked_at() {
    let party = RelyingParty::new("finished");
    let inside = Inside::start(&party);
    let (mut browser, page) = inside.open(&party);
    let (shown, url) = (transaction(&page), page.url.clone());
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
    let again = browser.open(url.as_str());
    assert!(
        again.body().contains("already signed in"),
        "{}",
        again.body()
    );
    inside.pass(7200);
    inside.sweep();
    let lines = inside.sso_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&shown));
}

#[test]
fn s63_of_many_submits_of_one_form_exactly_one_is_answered() {
    let party = RelyingParty::new("doubled");
    let inside = Inside::start_lenient(&party);
    let (browser, page) = inside.open(&party);
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let answered: usize = std::thread::scope(|scope| {
        let submits: Vec<_> = (0..16)
            .map(|_| {
                let (mut browser, page, form) = (browser.clone(), &page, &form);
                scope.spawn(move || {
                    let answer = browser.submit(page, form);
                    assert!(answer.response.status < 400, "{}", answer.body());
                    usize::from(Response::on(&answer).is_some())
                })
            })
            .collect();
        submits
            .into_iter()
            .map(|submit| submit.join().unwrap())
            .sum()
    });
    assert_eq!(answered, 1);
    assert_eq!(inside.sso_lines().len(), 1);
}

#[test]
fn a_login_that_took_too_long_says_so() {
    let party = RelyingParty::new("late");
    let inside = Inside::start(&party);
    let (mut browser, page) = inside.open(&party);
    inside.pass(3600);
    let form = page.form_with("j_username").unwrap();
    let late = browser.submit(&page, &form.fill("j_username", ALICE.name));
    assert_eq!(late.response.status, 410);
    assert!(late.body().contains("no longer valid"), "{}", late.body());
}

#[test]
fn without_an_audit_nobody_logs_in() {
    let party = RelyingParty::new("unrecorded");
    let inside = Inside::start(&party);
    let (mut browser, page) = inside.open(&party);
    inside.audit.full.store(true, Ordering::SeqCst);
    let arrival = browser.walk(page, ALICE);
    assert!(
        Response::on(&arrival.page).is_none(),
        "{}",
        arrival.page.body()
    );
    assert_eq!(arrival.page.response.status, 503);
    let ready = Url::parse(&inside.deployment.url("/health/ready")).unwrap();
    assert_eq!(Request::get(ready).send().status, 503);
    assert_eq!(arrival.prompts.first(), Some(&Prompt::Password));
}

#[test]
fn s26_an_artifact_that_nobody_redeems_within_a_minute_is_worth_nothing() {
    let party = artifact::party("late");
    let inside = Inside::start_lenient(&party);
    let base_url = &inside.deployment.base_url;
    let redeemed = |seconds| {
        let made = artifact::log_in(base_url, &party);
        inside.pass(seconds);
        artifact::resolve(base_url, &party, &made).contains(":Assertion ")
    };
    assert!(redeemed(50));
    assert!(!redeemed(70));
}
