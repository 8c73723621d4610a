//! The invariants that concern browsers, endpoints, audit lines and reloads, over sockets: random
//! walks of two browsers through every page that any login offers, stale ones included.

use crate::harness::browser::{ALICE, BOB, Browser, Page};
use crate::harness::home::Home;
use crate::harness::html::Form;
use crate::harness::http::Request;
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{MFA, RelyingParty, Response};
use crate::harness::wait_for;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

const LOGINS: usize = 24;
const ACTIONS: usize = 220;

/// A page some browser has seen; it may be long out of date.
struct Seen {
    browser: usize,
    page: Page,
}

struct Walk {
    deployment: Deployment,
    parties: [RelyingParty; 2],
    browsers: [Browser; 2],
    seen: Vec<Seen>,
    /// From a request's ID to the party that sent it.
    requests: BTreeMap<String, usize>,
    transactions: BTreeSet<String>,
    answers: usize,
    choices: Vec<u8>,
}

#[test]
fn i11_i12_every_login_answers_its_own_party_and_leaves_one_line() {
    let mut walk = Walk::new("a walk through every page");
    for _ in 0..ACTIONS {
        walk.act();
    }
    assert!(
        walk.answers >= 10,
        "only {} answers: the walk went nowhere",
        walk.answers
    );
    let lines = walk.lines_once_all_have_ended();
    let mut transactions = BTreeSet::new();
    for line in &lines {
        let transaction = field_from_end(line, 3);
        assert!(
            transactions.insert(transaction.clone()),
            "{transaction} has two lines:\n{}",
            lines.join("\n")
        );
    }
    for transaction in &walk.transactions {
        assert!(
            transactions.contains(transaction),
            "{transaction}, shown on a page, has no line"
        );
    }
}

#[test]
fn i13_a_login_under_way_at_a_reload_begins_again_under_the_new_rules() {
    let party = RelyingParty::new("reloaded");
    let mut deployment = Deployment::prepare();
    deployment.trust("party", &party.metadata());
    deployment.serve();
    let mut browser = Browser::that_keeps_the_response();
    let login = browser.open(&party.request().url(&deployment.base_url));
    let form = login.form_with("j_username").expect("a login form");
    deployment.home.require_mfa(&party.entity_id);
    let reload = Url::parse(&deployment.url("/admin/reload")).expect("a URL");
    let reload = Request::post(reload, &[]).header("x-vestibule-admin", "test");
    assert_eq!(reload.send().status, 200);
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let page = browser.submit(&login, &form);
    assert!(
        Response::on(&page).is_none(),
        "the old rules finished the login"
    );
    let arrival = browser.walk(page, ALICE);
    assert_eq!(Response::of(&arrival).class(), MFA);
}

impl Walk {
    fn new(seed: &str) -> Self {
        let parties = [RelyingParty::new("lenient"), RelyingParty::new("strict")];
        let mut deployment = Deployment::prepare();
        // Long enough for any step, short enough to see the end of what nobody finishes.
        deployment.home.set("vestibule.login.lifetime", "PT20S");
        for (number, party) in parties.iter().enumerate() {
            deployment.trust(&format!("party-{number}"), &party.metadata());
        }
        deployment.home.require_mfa(&parties[1].entity_id);
        deployment.serve();
        let mut block = openssl::sha::sha256(seed.as_bytes());
        let mut choices = Vec::new();
        while choices.len() < ACTIONS * 8 {
            choices.extend(block);
            block = openssl::sha::sha256(&block);
        }
        Self {
            deployment,
            parties,
            browsers: [
                Browser::that_keeps_the_response(),
                Browser::that_keeps_the_response(),
            ],
            seen: Vec::new(),
            requests: BTreeMap::new(),
            transactions: BTreeSet::new(),
            answers: 0,
            choices,
        }
    }

    fn choose(&mut self, of: usize) -> usize {
        usize::from(self.choices.pop().unwrap_or(0)) % of
    }

    fn act(&mut self) {
        if self.seen.is_empty() || (self.requests.len() < LOGINS && self.choose(6) == 0) {
            self.begin();
            return;
        }
        // Mostly where somebody just was, now and then anywhere.
        let back = if self.choose(4) == 0 {
            self.choose(self.seen.len())
        } else {
            0
        };
        let at = self.seen.len() - 1 - back;
        match self.choose(12) {
            0 => self.open(at, 0),
            1 => self.open(at, 1),
            _ => self.submit(at),
        }
    }

    fn begin(&mut self) {
        let (party, browser) = (self.choose(2), self.choose(2));
        let mut request = self.parties[party].request();
        if self.choose(5) == 0 {
            request = request.with("ForceAuthn", "true");
        }
        if self.choose(8) == 0 {
            request = request.with("IsPassive", "true");
        }
        self.requests.insert(request.id.clone(), party);
        let page = self.browsers[browser].open(&request.url(&self.deployment.base_url));
        self.arrived(browser, page);
    }

    /// Opens a page's URL again, perhaps in the other browser.
    fn open(&mut self, at: usize, other: usize) {
        let browser = (self.seen[at].browser + other) % 2;
        let url = self.seen[at].page.url.to_string();
        let page = self.browsers[browser].open(&url);
        self.arrived(browser, page);
    }

    /// Submits one of the page's forms by one of its buttons, with good or bad credentials.
    fn submit(&mut self, at: usize) {
        let browser = self.seen[at].browser;
        let page = self.seen[at].page.clone();
        let forms = Form::all(page.body());
        if forms.is_empty() || Response::on(&page).is_some() {
            return;
        }
        let mut form = forms[self.choose(forms.len())].clone();
        if form.has("j_username") {
            let person = if self.choose(6) == 0 { BOB } else { ALICE };
            let password = if self.choose(5) == 0 {
                "wrong"
            } else {
                person.password
            };
            form = form
                .fill("j_username", person.name)
                .fill("j_password", password);
        }
        if form.buttons.len() > 1 {
            // The first button mostly, another one now and then.
            let count = form.buttons.len();
            let button = self.choose(count * 3).saturating_sub(count * 2);
            form.buttons.swap(0, button);
        }
        let page = self.browsers[browser].submit(&page, &form);
        self.arrived(browser, page);
    }

    /// Invariant 11: a response goes to the party whose request it answers, and to no other.
    fn arrived(&mut self, browser: usize, page: Page) {
        if let Some(response) = Response::on(&page) {
            self.answers += 1;
            let ids = response.values("Response", "InResponseTo");
            let party = &self.parties[self.requests[&ids[0]]];
            assert_eq!(response.posted_to, party.acs);
            assert_eq!(response.values("Response", "Destination"), [&*party.acs]);
            if response.is_success() {
                assert_eq!(response.texts("Audience"), [&*party.entity_id]);
            }
        }
        if page.url.as_str().starts_with(&self.deployment.base_url) {
            assert_ne!(page.response.status, 500, "{}", page.body());
            if let Some(transaction) = shown_transaction(&page) {
                self.transactions.insert(transaction);
            }
        }
        self.seen.push(Seen { browser, page });
    }

    /// The lines of the SSO category, once nothing is under way any more: a login begun afterwards
    /// has had its line, and so has every login the walk began.
    fn lines_once_all_have_ended(&self) -> Vec<String> {
        wait_for("a line for every login", || {
            let lines = sso_lines(&self.deployment.home);
            let ended: BTreeSet<_> = lines.iter().map(|line| field_from_end(line, 3)).collect();
            self.transactions
                .iter()
                .all(|transaction| ended.contains(transaction))
                .then_some(lines)
        })
    }
}

/// The transaction id at the foot of a page.
fn shown_transaction(page: &Page) -> Option<String> {
    let (_, rest) = page.body().split_once("Transaction: <code>")?;
    Some(rest.split_once("</code>")?.0.to_owned())
}

fn sso_lines(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.path.join("logs/idp-audit.log")).unwrap_or_default();
    // The Password category has its own lines in the same file; theirs are shorter.
    let lines = text.lines().filter(|line| line.split('|').count() > 20);
    lines.map(str::to_owned).collect()
}

fn field_from_end(line: &str, number: usize) -> String {
    let fields: Vec<_> = line.split('|').collect();
    fields[fields.len() - number].to_owned()
}
