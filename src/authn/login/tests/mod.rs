//! Stories of single logins, told input by input.

mod remembered;
mod story;
mod without_browser;

use super::*;
use crate::authn::facts::{FactValue, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::rules::{DuoUsername, Passwordless};
use crate::authn::strategy::ScriptName;
use crate::authn::transition::{On, Target, TransitionMap};
use crate::duo::integration::Integration;
use crate::saml::context::{PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA};
use std::collections::BTreeMap;
use std::sync::Arc;
use story::{Story, Told, failure, rules, success};

/// A login through both factors, ten minutes ago; its results are a session.
fn session() -> Vec<FactorResult> {
    let mut story = Story::of(rules());
    story.second -= 600;
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    assert!(matches!(story.password(), Told::Away));
    let success = success(story.duo_says("duo_push", "user_approved"));
    assert_eq!(success.class.as_str(), REFEDS_MFA);
    success.result.carry_over(&[])
}

#[test]
fn a_session_answers_without_a_question() {
    let mut story = Story::of(rules());
    let told = story.begin("https://lenient.test", RequestFacts::default(), session());
    let success = success(told);
    assert!(success.result.previous());
    assert_eq!(success.class.as_str(), REFEDS_MFA);
}

#[test]
fn a_result_of_one_integration_does_not_stand_in_for_another() {
    let mut story = Story::of(rules());
    let told = story.begin("https://strict.test", RequestFacts::default(), session());
    assert!(
        matches!(told, Told::Away),
        "the strict integration was not asked"
    );
}

#[test]
fn force_authn_asks_for_everything_again() {
    let mut story = Story::of(rules());
    let request = RequestFacts {
        force_authn: true,
        ..RequestFacts::default()
    };
    let told = story.begin("https://lenient.test", request, session());
    assert!(matches!(told, Told::Page(Page::Password { .. })));
}

#[test]
fn an_outage_follows_a_reselect_rule_and_ends_degraded() {
    let mut rules = rules();
    let mut map: BTreeMap<_, _> = rules
        .transitions
        .rules()
        .map(|(at, target)| (*at, target.clone()))
        .collect();
    map.insert(
        (
            Stage::After(FlowId::DuoOidc),
            On::Event(Event::ReselectFlow),
        ),
        Target::Script(ScriptName("finish".to_owned())),
    );
    rules.transitions = TransitionMap::new(map);
    let mut story = Story::of(rules.clone());
    story.healthy = false;
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    let success = success(story.password());
    assert!(success.result.degraded());
    assert_eq!(success.class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
    // The user's own wish for another way takes the same rule, and opens nothing.
    for wish in [Form::Other, Form::Cancel] {
        let mut story = Story::of(rules.clone());
        story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
        story.password();
        let event = failure(story.tell(Input::Form(wish)));
        assert_eq!(event, Event::NoPotentialFlow);
    }
}

#[test]
fn an_outage_without_a_rule_shows_a_page_with_a_way_back() {
    let mut story = Story::of(rules());
    story.healthy = false;
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    let Told::Page(Page::Duo { problem, .. }) = story.password() else {
        panic!("no page")
    };
    assert!(matches!(problem, Some(DuoProblem::Unavailable(_))));
    story.healthy = true;
    assert!(matches!(story.tell(Input::Form(Form::Retry)), Told::Away));
    let success = success(story.duo_says("duo_push", "user_approved"));
    assert!(!success.result.degraded());
}

#[test]
fn s47_too_many_starts_at_duo_stop_before_the_push() {
    let mut story = Story::of(rules());
    story.starts = 4;
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    let Told::Page(Page::Duo { problem, .. }) = story.password() else {
        panic!("no page")
    };
    assert_eq!(problem, Some(DuoProblem::TooOften));
}

#[test]
fn the_interstitial_waits_for_its_button() {
    let mut rules = rules();
    let mut duo = Integration::clone(&rules.duo.integrations["default"]);
    duo.interstitial = true;
    let name = "default".to_owned();
    rules.duo.integrations.insert(name, Arc::new(duo));
    let mut story = Story::of(rules);
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    let told = story.password();
    assert!(matches!(told, Told::Page(Page::Duo { problem: None, .. })));
    assert!(matches!(story.tell(Input::Form(Form::Retry)), Told::Away));
}

#[test]
fn s31_a_callback_is_computed_only_for_an_allowed_origin() {
    let mut rules = rules();
    let mut duo = Integration::clone(&rules.duo.integrations["default"]);
    duo.redirect_url = None;
    let name = "default".to_owned();
    rules.duo.integrations.insert(name, Arc::new(duo));
    rules.duo.allowed_origins = vec!["https://login.test".to_owned()];
    let at = |origin: &str| {
        let mut story = Story::of(rules.clone());
        let request = RequestFacts {
            origin: Some(origin.to_owned()),
            ..RequestFacts::default()
        };
        story.begin("https://lenient.test", request, Vec::new());
        (story.password(), story)
    };
    let (told, story) = at("https://login.test");
    assert!(matches!(told, Told::Away));
    let sent = story.records.iter().find_map(|record| match record {
        Record::Duo(duo) => Some(duo.redirect_uri.as_str()),
        _ => None,
    });
    let callback = "https://login.test/idp/profile/Authn/Duo/2FA/duo-callback";
    assert_eq!(sent, Some(callback));
    let (told, _) = at("https://evil.test");
    assert!(matches!(
        told,
        Told::Page(Page::Duo {
            problem: Some(DuoProblem::Policy),
            ..
        })
    ));
}

#[test]
fn an_undeclared_class_from_a_script_is_no_result() {
    let mut rules = rules();
    rules.duo.principal_strategy = Some(ScriptName("principals".to_owned()));
    let mut story = Story::of(rules);
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    story.password();
    let told = story.duo_says("duo_push", "user_approved");
    assert!(matches!(
        told,
        Told::Page(Page::Duo {
            problem: Some(DuoProblem::Policy),
            ..
        })
    ));
    let said =
        |record: &Record| matches!(record, Record::Note(line) if line.contains("urn:undeclared"));
    assert!(story.records.iter().any(said), "the log must say why");
}

#[test]
fn what_a_script_logs_reaches_the_log() {
    let mut story = Story::of(rules());
    story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    story.password();
    let note = Record::Note("second-factor ran".to_owned());
    assert!(story.records.contains(&note));
}

#[test]
fn the_name_at_duo_follows_its_rule() {
    let attributes = BTreeMap::from([("duoName".to_owned(), vec!["al".to_owned()])]);
    for (rule, name) in [
        (DuoUsername::AsIs, "alice@example.org"),
        (DuoUsername::StripDomain, "alice"),
        (
            DuoUsername::AddDomain("other.org".to_owned()),
            "alice@example.org",
        ),
        (
            DuoUsername::Template("x-{user}".to_owned()),
            "x-alice@example.org",
        ),
        (DuoUsername::Attribute("duoName".to_owned()), "al"),
    ] {
        let mut rules = rules();
        rules.duo.username = rule;
        let mut story = Story::of(rules);
        story.attributes = FactValue::Attributes(attributes.clone());
        story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
        assert!(matches!(story.password(), Told::Away));
        assert_eq!(story.duo_user(), name);
        let success = success(story.duo_says("duo_push", "user_approved"));
        assert_eq!(success.result.username(), "alice@example.org");
    }
}

#[test]
fn a_name_at_duo_that_nobody_can_tell_stops_the_login() {
    for rule in [
        DuoUsername::Attribute("duoName".to_owned()),
        DuoUsername::Script(ScriptName("name".to_owned())),
    ] {
        let mut rules = rules();
        rules.duo.username = rule;
        let mut story = Story::of(rules);
        story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
        let told = story.password();
        assert!(matches!(
            told,
            Told::Page(Page::Duo {
                problem: Some(DuoProblem::Policy),
                ..
            })
        ));
    }
}

/// Duo first, and Password for whoever wants another way.
fn passwordless(factors: Option<&[&str]>) -> Rules {
    let mut rules = rules();
    let proceed = On::Event(Event::Proceed);
    let reselect = On::Event(Event::ReselectFlow);
    rules.transitions = TransitionMap::new(BTreeMap::from([
        ((Stage::Start, proceed), Target::Flow(FlowId::DuoOidc)),
        ((Stage::After(FlowId::DuoOidc), proceed), Target::End),
        (
            (Stage::After(FlowId::DuoOidc), reselect),
            Target::Flow(FlowId::Password),
        ),
        ((Stage::After(FlowId::Password), proceed), Target::End),
    ]));
    rules.duo.passwordless = Some(Passwordless {
        factors: factors.map(|factors| factors.iter().map(|f| (*f).to_owned()).collect()),
    });
    rules
}

fn name(story: &mut Story) -> Told {
    let told = story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    let form = Told::Page(Page::Username {
        missing: false,
        other_way: true,
    });
    assert!(matches!((&told, &form), (Told::Page(a), Told::Page(b)) if a == b));
    story.tell(Input::Form(Form::Username("alice@example.org ".to_owned())))
}

#[test]
fn a_security_key_at_duo_is_a_login_without_a_password() {
    let mut story = Story::of(passwordless(None));
    assert!(matches!(name(&mut story), Told::Away));
    let success = success(story.duo_says("webauthn", "user_approved"));
    assert_eq!(success.result.username(), "alice@example.org");
    assert_eq!(success.class.as_str(), REFEDS_MFA);
}

#[test]
fn a_push_is_no_login_without_a_password() {
    let mut story = Story::of(passwordless(None));
    name(&mut story);
    let told = story.duo_says("duo_push", "user_approved");
    let Told::Page(Page::Duo {
        problem, other_way, ..
    }) = told
    else {
        panic!("no page")
    };
    assert_eq!((problem, other_way), (Some(DuoProblem::Factor), true));
    let Told::Page(Page::Password { .. }) = story.tell(Input::Form(Form::Other)) else {
        panic!("no password form")
    };
    let success = success(story.password());
    assert_eq!(success.class.as_str(), PASSWORD_PROTECTED_TRANSPORT);
    assert!(!success.result.factors().contains_key(&FlowId::DuoOidc));
}

#[test]
fn an_operator_may_let_a_push_stand_alone_and_it_is_still_one_factor() {
    let mut story = Story::of(passwordless(Some(&["duo_push"])));
    name(&mut story);
    let success = success(story.duo_says("duo_push", "user_approved"));
    assert!(success.class.as_str().ends_with(":unspecified"));
    let mut story = Story::of(passwordless(Some(&["duo_push"])));
    name(&mut story);
    let told = story.duo_says("duo_push", "bypass_user");
    assert!(matches!(
        told,
        Told::Page(Page::Duo {
            problem: Some(DuoProblem::Factor),
            ..
        })
    ));
}

#[test]
fn without_passwordless_duo_never_comes_first() {
    let mut rules = passwordless(None);
    rules.duo.passwordless = None;
    let mut story = Story::of(rules);
    let told = story.begin("https://lenient.test", RequestFacts::default(), Vec::new());
    assert_eq!(failure(told), Event::NoCredentials);
}
