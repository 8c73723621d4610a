//! Stories of remembered browsers.

use super::*;
use crate::authn::descriptor::Condition;
use crate::authn::evidence::{DuoVerified, Evidence};
use crate::authn::remembered::{BrowserRemembered, Offer, RememberRules};
use crate::duo::secret::Secret;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use jiff::Timestamp;
use std::time::Duration;

const RP: &str = "https://lenient.test";

fn remembering(principals: &[&str]) -> Rules {
    let mut rules = rules();
    let class = |uri: &&str| AuthnContextClassRef::new(*uri);
    rules.duo.remember = RememberRules {
        lifetime: Duration::from_hours(24),
        principals: principals.iter().map(class).collect(),
        generation: "now".to_owned(),
        ..RememberRules::default()
    };
    rules
}

/// Logs in once with the box ticked.
fn after_duo(rules: &Rules, factor: &str) -> DuoVerified {
    let mut story = Story::of(rules.clone());
    story.begin(RP, RequestFacts::default(), Vec::new());
    let told = story.password();
    let Told::Page(Page::Duo { remember, .. }) = told else {
        panic!("no page before Duo")
    };
    assert_eq!(remember, Some(false), "nothing is ticked unasked");
    let told = story.tell(Input::Form(Form::RetryAndRemember));
    assert!(matches!(told, Told::Away));
    let success = success(story.duo_says(factor, "user_approved"));
    success.remember.expect("the browser is to be remembered")
}

fn remembered(rules: &Rules) -> BrowserRemembered {
    let duo = after_duo(rules, "duo_push");
    BrowserRemembered::attest(duo, "now".to_owned(), Timestamp::MAX)
}

/// What the next login in that browser meets after the password.
fn next(rules: &Rules, remembered: BrowserRemembered, request: RequestFacts) -> Told {
    let mut story = Story::of(rules.clone());
    story.remembered = Some(remembered);
    story.begin(RP, request, Vec::new());
    story.password()
}

fn asking(class: &str) -> RequestFacts {
    RequestFacts {
        requested: Some(RequestedAuthnContext {
            comparison: Comparison::Exact,
            classes: vec![AuthnContextClassRef::new(class)],
            declarations: Vec::new(),
        }),
        ..RequestFacts::default()
    }
}

fn asks_duo(told: &Told) -> bool {
    matches!(
        told,
        Told::Away | Told::Page(Page::Duo { problem: None, .. })
    )
}

#[test]
fn a_remembered_browser_stands_in_for_duo_after_the_password() {
    let rules = remembering(&[REFEDS_MFA]);
    let remembered = remembered(&rules);
    let success = success(next(&rules, remembered.clone(), asking(REFEDS_MFA)));
    assert_eq!(success.class.as_str(), REFEDS_MFA);
    assert!(
        success.why.contains("remembered browser"),
        "{}",
        success.why
    );
    assert!(success.remember.is_none(), "nothing fresh to remember");
    let factors = success.result.factors();
    let evidence = factors[&FlowId::DuoOidc].evidence();
    assert_eq!(evidence, &Evidence::Remembered(Box::new(remembered)));
    let kept = success.result.carry_over(&[]);
    assert_eq!(kept.len(), 1, "no session may outlive it: {kept:?}");
}

#[test]
fn a_remembered_browser_claims_nothing_unless_it_is_configured() {
    let rules = remembering(&[]);
    let told = next(&rules, remembered(&rules), asking(REFEDS_MFA));
    assert!(asks_duo(&told));
    let told = next(&rules, remembered(&rules), RequestFacts::default());
    let success = success(told);
    assert_eq!(success.class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
}

#[test]
fn a_remembered_push_is_not_phishing_resistant_whatever_is_configured() {
    const RESISTANT: &str = "https://refeds.org/profile/phishing-resistant-mfa";
    let mut rules = remembering(&[REFEDS_MFA, RESISTANT]);
    let duo = rules.flows.get_mut(&FlowId::DuoOidc).unwrap();
    duo.supported_principals
        .push(AuthnContextClassRef::new(RESISTANT));
    let told = next(&rules, remembered(&rules), asking(RESISTANT));
    assert!(asks_duo(&told));
    let key = after_duo(&rules, "webauthn");
    let key = BrowserRemembered::attest(key, "now".to_owned(), Timestamp::MAX);
    let success = success(next(&rules, key, asking(RESISTANT)));
    assert_eq!(success.class.as_str(), RESISTANT);
}

#[test]
fn s49_a_forced_login_asks_duo_in_a_remembered_browser() {
    let rules = remembering(&[REFEDS_MFA]);
    let request = RequestFacts {
        force_authn: true,
        ..RequestFacts::default()
    };
    assert!(asks_duo(&next(&rules, remembered(&rules), request)));
}

#[test]
fn s49_a_remembered_browser_is_its_users_alone() {
    let rules = remembering(&[REFEDS_MFA]);
    let mut story = Story::of(rules.clone());
    story.remembered = Some(remembered(&rules));
    story.begin(RP, RequestFacts::default(), Vec::new());
    let told = story.tell(Input::Form(Form::Password {
        username: "mallory".to_owned(),
        password: Secret::new("right"),
    }));
    assert!(asks_duo(&told));
}

#[test]
fn s49_time_rules_condition_and_integration_void_a_remembered_browser() {
    let rules = remembering(&[REFEDS_MFA]);
    let good = remembered(&rules);
    let over = Timestamp::from_second(1_800_000_001).unwrap();
    let expired = BrowserRemembered::attest(good.duo().clone(), "now".to_owned(), over);
    assert!(asks_duo(&next(&rules, expired, RequestFacts::default())));
    let other = BrowserRemembered::attest(good.duo().clone(), "then".to_owned(), Timestamp::MAX);
    assert!(asks_duo(&next(&rules, other, RequestFacts::default())));

    let changes: [fn(&mut RememberRules); 3] = [
        |remember| remember.condition = Condition::Script(ScriptName("no".to_owned())),
        |remember| remember.integrations = vec!["strict".to_owned()],
        |remember| remember.lifetime = Duration::ZERO,
    ];
    for change in changes {
        let mut rules = rules.clone();
        change(&mut rules.duo.remember);
        assert!(asks_duo(&next(
            &rules,
            good.clone(),
            RequestFacts::default()
        )));
    }
    // The strict application is not satisfied by what the lax one allowed.
    let mut story = Story::of(rules);
    story.remembered = Some(good);
    story.begin("https://strict.test", RequestFacts::default(), Vec::new());
    assert!(asks_duo(&story.password()));
}

#[test]
fn a_browser_is_remembered_only_after_the_user_acted_and_asked_for_it() {
    let rules = remembering(&[]);
    for (form, reason, wanted) in [
        (Form::RetryAndRemember, "user_approved", true),
        (Form::Retry, "user_approved", false),
        (Form::RetryAndRemember, "bypass_user", false),
        (Form::RetryAndRemember, "remembered_device", false),
    ] {
        let mut story = Story::of(rules.clone());
        story.begin(RP, RequestFacts::default(), Vec::new());
        story.password();
        story.tell(Input::Form(form));
        let success = success(story.duo_says("duo_push", reason));
        assert_eq!(success.remember.is_some(), wanted, "{reason}");
    }
}

#[test]
fn the_operator_may_remember_every_browser_without_a_page() {
    let mut rules = remembering(&[]);
    rules.duo.remember.offer = Offer::Always;
    let mut story = Story::of(rules);
    story.begin(RP, RequestFacts::default(), Vec::new());
    assert!(matches!(story.password(), Told::Away));
    let success = success(story.duo_says("duo_push", "user_approved"));
    assert!(success.remember.is_some());
}

#[test]
fn nothing_is_offered_where_the_condition_does_not_hold() {
    let mut rules = remembering(&[]);
    rules.duo.remember.condition = Condition::Script(ScriptName("no".to_owned()));
    let mut story = Story::of(rules);
    story.begin(RP, RequestFacts::default(), Vec::new());
    assert!(matches!(story.password(), Told::Away));
    // A form that nobody was shown changes nothing.
    story.tell(Input::Form(Form::RetryAndRemember));
    let success = success(story.duo_says("duo_push", "user_approved"));
    assert!(success.remember.is_none());
}
