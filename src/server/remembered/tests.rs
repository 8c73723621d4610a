use super::*;
use crate::server::storage::conformance::{TestClock, block_on};
use crate::server::storage::memory::Memory;
use crate::server::world::Clock as _;
use crate::server::world::tests::world_at;
use std::sync::Arc;
use std::time::Duration;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Fixture {
    clock: Arc<TestClock>,
    store: Memory,
    world: World,
    rules: RememberRules,
}

impl Fixture {
    fn new() -> Self {
        let clock = TestClock::new();
        Self {
            store: Memory::new(clock.clone(), 1000),
            world: world_at(clock.clone()),
            clock,
            rules: RememberRules {
                lifetime: Duration::from_hours(1),
                generation: "now".to_owned(),
                ..RememberRules::default()
            },
        }
    }

    fn browsers(&self) -> RememberedBrowsers<'_> {
        RememberedBrowsers {
            storage: &self.store,
            world: &self.world,
        }
    }

    fn keep(&self, username: &str, secret: &str) {
        let newcomer = Newcomer {
            secret,
            duo: duo(username, self.clock.now()),
            password: "digest".to_owned(),
            user_agent: FIREFOX,
        };
        block_on(self.browsers().keep(newcomer, &self.rules)).unwrap();
    }

    fn find(&self, secret: &str) -> Option<Remembered> {
        block_on(self.browsers().find(secret)).unwrap()
    }

    fn list(&self, username: &str) -> Vec<Listed> {
        block_on(self.browsers().of_user(username)).unwrap()
    }
}

fn duo(username: &str, at: Timestamp) -> DuoVerified {
    let text = serde_json::json!({
        "username": username, "duo_username": username, "integration": "default",
        "txid": "tx", "factor": "duo_push", "reason": "user_approved", "at": at,
    });
    serde_json::from_value(text).unwrap()
}

#[test]
fn a_browser_is_found_by_its_secret_until_its_time_is_over() {
    let fixture = Fixture::new();
    fixture.keep("ann", "secret");
    let found = fixture.find("secret").unwrap();
    assert_eq!(found.username(), "ann");
    assert!(found.attest().is_good(&fixture.rules, fixture.clock.now()));
    assert!(fixture.find("another").is_none());
    let listed = fixture.list("ann");
    assert_eq!(listed[0].label, "Firefox, Linux");
    fixture.clock.advance(3600);
    assert!(fixture.find("secret").is_none());
    assert!(fixture.list("ann").is_empty());
    // The expired list is not in the way of a new one.
    fixture.keep("ann", "later");
    assert_eq!(fixture.list("ann").len(), 1);
}

#[test]
fn s49_a_revoked_browser_is_gone_and_the_others_stay() {
    let fixture = Fixture::new();
    for (user, secret) in [("ann", "one"), ("ann", "two"), ("bob", "three")] {
        fixture.keep(user, secret);
        fixture.clock.advance(1);
    }
    let newest = fixture.list("ann")[0].id.clone();
    let revoke = |user, id| block_on(fixture.browsers().revoke(user, id)).unwrap();
    assert_eq!(revoke("bob", Some(&newest)), 0, "another user's");
    assert_eq!(revoke("ann", Some(&newest)), 1);
    assert!(fixture.find("two").is_none());
    assert!(!block_on(fixture.browsers().used("two")).unwrap());
    assert!(fixture.find("one").is_some());
    assert_eq!(revoke("ann", None), 1);
    assert!(fixture.find("one").is_none());
    assert!(fixture.find("three").is_some());
}

#[test]
fn use_is_noted_and_changes_no_expiry() {
    let fixture = Fixture::new();
    fixture.keep("ann", "secret");
    fixture.clock.advance(600);
    assert!(block_on(fixture.browsers().used("secret")).unwrap());
    let listed = fixture.list("ann").remove(0);
    assert_eq!(listed.last_used, Some(fixture.clock.now()));
    fixture.clock.advance(3000);
    assert!(fixture.find("secret").is_none());
}

#[test]
fn the_oldest_browser_of_too_many_is_forgotten() {
    let fixture = Fixture::new();
    for number in 0..=MOST {
        fixture.keep("ann", &format!("secret {number}"));
        fixture.clock.advance(1);
    }
    assert!(fixture.find("secret 0").is_none());
    assert!(fixture.find("secret 1").is_some());
    assert_eq!(fixture.list("ann").len(), MOST);
}

#[test]
fn the_store_never_sees_a_remembered_browsers_secret() {
    let fixture = Fixture::new();
    let secret = "9f86d081884c7d659a2feaa0c55ad015";
    fixture.keep("ann", secret);
    let stored = block_on(fixture.store.read(&key(&name(secret))));
    let stored = String::from_utf8(stored.unwrap().unwrap().value).unwrap();
    assert!(!stored.contains(secret));
    assert!(!fixture.list("ann")[0].id.contains(secret));
}

#[test]
fn s51_a_label_is_made_of_our_own_words() {
    assert_eq!(label("<script>alert(1)</script>"), "");
    assert_eq!(label("<b>Firefox/1 Windows"), "Firefox, Windows");
}
