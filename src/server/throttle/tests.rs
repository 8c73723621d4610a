use super::*;
use crate::server::storage::conformance::{TestClock, block_on};
use crate::server::storage::memory::Memory;
use crate::server::world::tests::world_at;
use std::time::Duration;

const HOME: &str = "192.0.2.7";
const AWAY: &str = "198.51.100.9";

struct Bench {
    clock: Arc<TestClock>,
    throttle: Throttle,
    settings: ThrottleSettings,
}

fn bench() -> Bench {
    let clock = TestClock::new();
    let storage = Arc::new(Memory::new(clock.clone(), 10_000));
    Bench {
        throttle: Throttle::new(storage, &world_at(clock.clone())),
        clock,
        settings: ThrottleSettings {
            mode: ThrottleMode::Slow,
            interval: Duration::from_mins(5),
            attempts: 5,
            account: 20,
            network: 40,
            everyone: 1600,
            lock: Duration::from_mins(10),
            exempt: vec!["203.0.113.0/24".parse().unwrap()],
        },
    }
}

impl Bench {
    fn admit(&self, user: &str, from: &str) -> Admission {
        let client = Some(from.parse().unwrap());
        block_on(self.throttle.admit(&self.settings, user, client)).unwrap()
    }

    /// What an attempt with a wrong password meets.
    fn fail(&self, user: &str, from: &str) -> Option<Reached> {
        match self.admit(user, from) {
            Admission::Go(attempt) => {
                block_on(attempt.failed());
                None
            }
            Admission::Slowed(reached) => Some(reached),
        }
    }

    fn succeed(&self, user: &str, from: &str) -> bool {
        match self.admit(user, from) {
            Admission::Go(attempt) => {
                block_on(attempt.succeeded());
                true
            }
            Admission::Slowed(_) => false,
        }
    }

    fn let_through(&self, attempts: usize, user: &str, from: &str) -> usize {
        let tried = (0..attempts).map(|_| self.fail(user, from));
        tried.filter(Option::is_none).count()
    }

    fn throttled(&self) -> Vec<Throttled> {
        block_on(self.throttle.throttled(&self.settings)).unwrap()
    }
}

#[test]
fn s53_after_five_failures_one_attempt_a_minute_goes_through() {
    let bench = bench();
    assert_eq!(bench.let_through(100, "alice", HOME), 5);
    assert_eq!(bench.fail("alice", HOME), Some(Reached::AccountHere));
    for _ in 0..3 {
        bench.clock.advance(60);
        assert_eq!(bench.let_through(100, "alice", HOME), 1);
    }
}

#[test]
fn s53_a_user_elsewhere_is_not_shut_out_by_whoever_guesses() {
    let bench = bench();
    bench.let_through(100, "alice", AWAY);
    assert!(bench.succeed("alice", HOME));
    assert!(bench.succeed("bob", AWAY));
}

#[test]
fn s53_one_account_cannot_be_guessed_from_many_networks() {
    let bench = bench();
    let from = |number: usize| format!("198.51.100.{number}");
    let passed: usize = (1..=60)
        .map(|n| bench.let_through(5, "alice", &from(n)))
        .sum();
    assert_eq!(passed, 20);
    assert_eq!(bench.fail("alice", HOME), Some(Reached::Account));
    bench.clock.advance(300);
    assert!(bench.succeed("alice", HOME));
}

#[test]
fn s53_one_network_cannot_spray_many_accounts() {
    let bench = bench();
    let sprayed = (0..100).map(|n| bench.fail(&format!("user-{n}"), AWAY));
    assert_eq!(sprayed.filter(Option::is_none).count(), 40);
    assert_eq!(bench.fail("another", AWAY), Some(Reached::Network));
    assert!(bench.succeed("alice", HOME));
}

#[test]
fn s53_a_site_with_ipv6_is_one_network() {
    let bench = bench();
    let from = |number: usize| format!("2001:db8:1:2::{number:x}");
    let passed = (0..20).filter(|n| bench.fail("alice", &from(*n)).is_none());
    assert_eq!(passed.count(), 5);
    assert_eq!(bench.let_through(1, "alice", "2001:db8:1:3::1"), 1);
}

#[test]
fn s53_a_shared_address_that_is_exempt_slows_accounts_alone() {
    let bench = bench();
    let sprayed = (0..100).map(|n| bench.fail(&format!("user-{n}"), "203.0.113.5"));
    assert_eq!(sprayed.filter(Option::is_none).count(), 100);
    assert_eq!(bench.let_through(100, "alice", "203.0.113.5"), 5);
}

#[test]
fn s53_spraying_from_everywhere_tightens_the_limits_of_who_fails() {
    let bench = bench();
    for n in 0..4000 {
        bench.fail(
            &format!("user-{n}"),
            &format!("10.{}.{}.1", n / 250, n % 250),
        );
    }
    assert_eq!(bench.let_through(5, "alice", HOME), 1);
    assert!(bench.succeed("bob", AWAY), "who did not fail is not slowed");
}

#[test]
fn s53_another_spelling_is_no_other_account() {
    let bench = bench();
    let spellings = [
        "alice", "ALICE", " Alice ", "aLiCe", "alice\t", "AlicE", "alicE",
    ];
    let passed = spellings
        .iter()
        .filter(|user| bench.fail(user, HOME).is_none());
    assert_eq!(passed.count(), 5);
}

#[test]
fn s53_a_right_password_forgives_what_failed_at_its_network_alone() {
    let bench = bench();
    bench.let_through(4, "alice", HOME);
    bench.let_through(100, "alice", AWAY);
    assert!(bench.succeed("alice", HOME));
    assert_eq!(bench.let_through(100, "alice", HOME), 5);
    assert_eq!(bench.fail("alice", AWAY), Some(Reached::AccountHere));
}

#[test]
fn s53_many_at_once_are_no_way_around_a_limit() {
    let bench = bench();
    let at_once: Vec<_> = (0..50).map(|_| bench.admit("alice", HOME)).collect();
    let going = at_once.iter().filter(|one| matches!(one, Admission::Go(_)));
    assert_eq!(going.count(), 5);
}

#[test]
fn s53_a_lock_lets_nothing_through_from_there_until_it_ends() {
    let mut bench = bench();
    bench.settings.mode = ThrottleMode::Lock;
    assert_eq!(bench.let_through(100, "alice", HOME), 5);
    bench.clock.advance(599);
    assert!(!bench.succeed("alice", HOME));
    assert!(bench.succeed("alice", AWAY));
    bench.clock.advance(1);
    assert!(bench.succeed("alice", HOME));
}

#[test]
fn s53_what_is_switched_off_counts_nothing() {
    let mut bench = bench();
    bench.settings.mode = ThrottleMode::Off;
    assert_eq!(bench.let_through(1000, "alice", HOME), 1000);
    bench.settings.mode = ThrottleMode::Slow;
    assert_eq!(bench.let_through(100, "alice", HOME), 5);
}

#[test]
fn an_administrator_sees_who_is_slowed_and_can_undo_it() {
    let bench = bench();
    assert_eq!(bench.throttled(), []);
    bench.let_through(100, " Alice", HOME);
    bench.let_through(3, "bob", HOME);
    let throttled = bench.throttled();
    assert_eq!(throttled.len(), 1, "{throttled:?}");
    assert_eq!(throttled[0].user, "Alice");
    assert_eq!(throttled[0].networks, [HOME]);
    assert!(block_on(bench.throttle.unlock("alice")).unwrap());
    assert!(!block_on(bench.throttle.unlock("nobody")).unwrap());
    assert_eq!(bench.throttled(), []);
    assert!(bench.succeed("alice", HOME));
}
