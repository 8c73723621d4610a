//! The flow invariants as properties: random rules, random requests, random walks.
//!
//! A walk plays every part of the world around a login: the user, the password back end, Duo, the
//! directory, an attacker with stale values. It keeps its own ledger of what was truly proved, and
//! the properties compare what the login claims with that ledger. The invariants that concern
//! browsers, endpoints and audit lines (3, 11, 12, 13) are walked over sockets in `tests/suite`.

mod asked;
mod setting;
mod world;

use proptest::prelude::*;
use setting::Setting;
use vestibule::authn::event::Event;
use vestibule::authn::evidence::{Evidence, Grade};
use vestibule::authn::flow::FlowId;
use vestibule::authn::login::Verdict;
use vestibule::authn::principal::Strength;
use vestibule::authn::result::FactorResult;
use world::{Choices, Walk, best_duo, remembered_counted};

/// Runs walks of one setting until one ends or the choices run out, carrying results over, and
/// hands every end to `check`.
fn walks(bytes: Vec<u8>, check: impl Fn(&Setting, &Walk, &Verdict)) {
    let mut choices = Choices::new(bytes);
    let setting = Setting::random(&mut choices);
    let mut earlier = Vec::new();
    let mut remembered = None;
    for _ in 0..4 {
        // Now and then the cookie of another user, or of other rules.
        let cookie = world::spoiled(remembered.clone(), &mut choices);
        let mut walk = Walk::begin(&setting, &mut choices, earlier.clone(), cookie);
        let verdict = walk.run(&setting, &mut choices);
        check(&setting, &walk, &verdict);
        if let Verdict::Success(success) = &verdict {
            earlier = success.result.carry_over(&earlier);
            remembered = walk.remember(success).or(remembered);
        }
        walk.later(&mut choices);
    }
}

/// The walks mean something only if they get everywhere.
#[test]
fn the_walks_reach_every_kind_of_end() {
    let ends = std::cell::RefCell::new(std::collections::BTreeMap::<String, u32>::new());
    let count = |what: String| *ends.borrow_mut().entry(what).or_default() += 1;
    for seed in 0_u32..1500 {
        let mut block = openssl::sha::sha256(&seed.to_be_bytes());
        let mut bytes = Vec::new();
        while bytes.len() < 400 {
            bytes.extend(block);
            block = openssl::sha::sha256(&block);
        }
        walks(bytes, |setting, walk, verdict| match verdict {
            Verdict::Success(success) => {
                count(format!(
                    "{:?}",
                    setting.rules.classes.strength(&success.class)
                ));
                count(format!("degraded {}", success.result.degraded()));
                count(format!("previous {}", success.result.previous()));
                count(format!("forced {}", walk.forced()));
                count(format!("passive {}", walk.passive()));
                count(format!(
                    "remembered {}",
                    remembered_counted(&success.result)
                ));
            }
            Verdict::Failure(failure) => count(failure.event.to_string()),
        });
    }
    let ends = ends.into_inner();
    for wanted in [
        "Some(Password)",
        "Some(MultiFactor)",
        "Some(PhishingResistant)",
        "degraded true",
        "previous true",
        "forced true",
        "passive true",
        "remembered true",
        "NoPassive",
        "RequestUnsupported",
        "NoPotentialFlow",
        "AuthenticationException",
        "AccountError",
        "InvalidAuthenticationContext",
        "NoCredentials",
    ] {
        assert!(
            ends.contains_key(wanted),
            "{wanted} was never reached: {ends:#?}"
        );
    }
}

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn i01_a_class_is_never_stronger_than_the_evidence(bytes in entropy()) {
        walks(bytes, |setting, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            let strength = setting.rules.classes.strength(&success.class);
            let graded = best_duo(&success.result);
            if strength >= Some(Strength::MultiFactor) {
                assert!(graded >= Some(Grade::Mfa), "{:?} without Duo", success.class);
                assert!(
                    success.result.factors().contains_key(&FlowId::Password)
                        || graded == Some(Grade::PhishingResistant)
                );
            }
            if strength == Some(Strength::PhishingResistant) {
                assert_eq!(graded, Some(Grade::PhishingResistant));
            }
            for factor in success.result.factors().values() {
                assert!(walk.proved(factor), "{factor:?} was never proved");
            }
        });
    }

    #[test]
    fn i02_nothing_in_the_request_lowers_what_the_rules_require(bytes in entropy()) {
        // The shipped policy's shape: Password, then a script that wants Duo whatever was asked.
        let mut choices = Choices::new(bytes);
        let setting = Setting::always_duo(&mut choices);
        let mut walk = Walk::begin(&setting, &mut choices, Vec::new(), None);
        if let Verdict::Success(success) = walk.run(&setting, &mut choices) {
            // Only the operator's own fail mode may leave Duo out, and it says so.
            let duo = success.result.factors().contains_key(&FlowId::DuoOidc);
            prop_assert!(duo || success.result.degraded());
            prop_assert!(success.result.factors().contains_key(&FlowId::Password));
        }
    }

    #[test]
    fn i02_what_a_relying_party_requires_is_never_missing(bytes in entropy()) {
        walks(bytes, |_, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            for flow in &walk.terms.required {
                assert!(success.result.factors().contains_key(flow), "{flow} is missing");
            }
        });
    }

    #[test]
    fn i03_every_factor_belongs_to_the_user_of_the_result(bytes in entropy()) {
        walks(bytes, |_, _, verdict| {
            let Verdict::Success(success) = verdict else { return };
            for factor in success.result.factors().values() {
                assert_eq!(factor.evidence().username(), success.result.username());
            }
        });
    }

    #[test]
    fn i04_a_state_is_good_once_and_for_five_minutes(bytes in entropy()) {
        walks(bytes, |_, walk, _| {
            for attempt in &walk.duo_attempts {
                assert!(attempt.exchanges <= 1, "a state led to {} exchanges", attempt.exchanges);
                assert!(attempt.exchanged_after.is_none_or(|seconds| seconds <= 300));
            }
        });
    }

    #[test]
    fn i05_only_the_success_of_a_step_moves_a_login_past_it(bytes in entropy()) {
        walks(bytes, |_, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            for (flow, factor) in success.result.factors() {
                if !factor.previous() {
                    assert!(walk.succeeded(*flow), "{flow} counted without its success");
                }
            }
        });
    }

    #[test]
    fn i06_the_user_after_duo_is_the_user_of_the_password(bytes in entropy()) {
        walks(bytes, |_, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            let evidence = success.result.factors().get(&FlowId::DuoOidc).map(FactorResult::evidence);
            let duo = match evidence {
                Some(Evidence::Duo(duo)) => Some(duo),
                Some(Evidence::Remembered(remembered)) => Some(remembered.duo()),
                Some(Evidence::Password(_)) | None => None,
            };
            if let Some(duo) = duo {
                assert_eq!(duo.username(), success.result.username());
                assert_eq!(duo.duo_username(), duo.username(), "no username strategy is set");
            }
            assert!(!walk.foreign_token_accepted);
        });
    }

    #[test]
    fn i07_a_forced_login_rests_on_nothing_old(bytes in entropy()) {
        walks(bytes, |_, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            if !walk.forced() {
                return;
            }
            for factor in success.result.factors().values() {
                assert!(!factor.previous());
            }
            assert!(success.result.authn_instant() >= walk.began_less_skew());
            assert!(!remembered_counted(&success.result), "a remembered device counted");
        });
    }

    #[test]
    fn s49_a_remembered_browser_counts_for_its_user_under_its_rules_until_its_end(
        bytes in entropy()
    ) {
        walks(bytes, |setting, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            for factor in success.result.factors().values() {
                let Evidence::Remembered(remembered) = factor.evidence() else { continue };
                assert!(!walk.forced());
                assert!(remembered.is_good(&setting.rules.duo.remember, walk.now()));
                assert!(success.result.factors().contains_key(&FlowId::Password));
                let claimable = &setting.rules.duo.remember.principals;
                assert!(factor.principals().iter().all(|class| claimable.contains(class)));
            }
            let kept = success.result.carry_over(&[]);
            assert!(!kept.iter().any(|f| matches!(f.evidence(), Evidence::Remembered(_))));
        });
    }

    #[test]
    fn i08_a_passive_login_shows_nothing(bytes in entropy()) {
        walks(bytes, |_, walk, _| {
            if walk.passive() {
                assert_eq!(walk.pages, 0);
                assert_eq!(walk.redirects, 0);
            }
        });
    }

    #[test]
    fn s48_a_login_without_a_browser_shows_nothing(bytes in entropy()) {
        walks(bytes, |_, walk, _| {
            if walk.without_browser() {
                assert_eq!(walk.pages, 0);
                assert_eq!(walk.redirects, 0);
            }
        });
    }

    #[test]
    fn i09_a_class_comes_only_from_what_is_declared(bytes in entropy()) {
        walks(bytes, |setting, _, verdict| {
            let Verdict::Success(success) = verdict else { return };
            let unspecified = success.class.as_str().ends_with(":unspecified");
            let rules = &setting.rules;
            let mut declared = rules
                .flows
                .values()
                .flat_map(|flow| &flow.supported_principals)
                .chain(&rules.duo.remember.principals);
            assert!(unspecified || declared.any(|class| *class == success.class));
        });
    }

    #[test]
    fn i10_a_failing_script_never_means_fewer_factors(bytes in entropy()) {
        let mut choices = Choices::new(bytes);
        let setting = Setting::failing_script(&mut choices);
        let mut walk = Walk::begin(&setting, &mut choices, Vec::new(), None);
        let verdict = walk.run(&setting, &mut choices);
        prop_assert!(matches!(verdict, Verdict::Failure(_)));
    }

    #[test]
    fn i14_a_degraded_login_claims_a_password_at_most(bytes in entropy()) {
        walks(bytes, |setting, walk, verdict| {
            let Verdict::Success(success) = verdict else { return };
            if success.result.degraded() {
                assert!(walk.outages > 0, "degraded without an outage");
                assert!(setting.rules.classes.strength(&success.class) <= Some(Strength::Password));
            }
        });
    }

    #[test]
    fn i15_equal_inputs_give_equal_decisions(bytes in entropy()) {
        let run = || {
            let mut choices = Choices::new(bytes.clone());
            let setting = Setting::random(&mut choices);
            let mut walk = Walk::begin(&setting, &mut choices, Vec::new(), None);
            let verdict = walk.run(&setting, &mut choices);
            (format!("{verdict:?}"), walk.pages, walk.redirects, format!("{:?}", walk.records))
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_login_survives_being_written_down_at_every_step(bytes in entropy()) {
        // `Walk` serializes and reads back the login between any two inputs.
        walks(bytes, |_, walk, _| assert_eq!(walk.unreadable, 0));
    }

    #[test]
    fn every_login_ends(bytes in entropy()) {
        walks(bytes, |_, walk, verdict| {
            let end = matches!(verdict, Verdict::Success(_) | Verdict::Failure(_));
            assert!(end && walk.inputs <= 200);
            if let Verdict::Failure(failure) = verdict {
                assert_ne!(failure.event, Event::Proceed);
            }
        });
    }
}
