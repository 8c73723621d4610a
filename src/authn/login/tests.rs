//! Stories of single logins, told input by input.

use super::*;
use crate::authn::descriptor::{Condition, FlowDescriptor};
use crate::authn::evidence::{EvidenceTable, PasswordVerified};
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::rules::{DuoRules, DuoUsername, FailMode, Passwordless};
use crate::authn::strategy::{Decision, Next, ScriptName, Strategies, Trace, View};
use crate::authn::transition::{On, Target, TransitionMap};
use crate::duo::integration::Integration;
use crate::duo::jwt;
use crate::duo::oidc::HttpAnswer;
use crate::duo::secret::Secret;
use crate::saml::context::{AuthnContextClassRef, PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
const CLIENT: &str = "DITESTTESTTESTTEST01";

/// Scripts: `strict` in the relying party's name chooses the strict integration.
#[derive(Debug)]
struct Scripts;

impl Strategies for Scripts {
    fn next_factor(&self, script: &ScriptName, view: &View<'_>) -> Decision<Next> {
        let next = match script.0.as_str() {
            "finish" => Next::End,
            _ if view.results.contains_key(&FlowId::DuoOidc) => Next::End,
            _ => Next::Flow(FlowId::DuoOidc),
        };
        let log = vec![format!("{script} ran")];
        Decision::Made(
            next,
            Trace {
                log,
                ..Trace::default()
            },
        )
    }

    fn integration(&self, _: &ScriptName, view: &View<'_>) -> Decision<String> {
        let strict = view.rp.id.contains("strict");
        let name = if strict { "strict" } else { "default" };
        Decision::Made(name.to_owned(), Trace::default())
    }

    fn principals(
        &self,
        _: &ScriptName,
        _: &View<'_>,
        _: &serde_json::Value,
    ) -> Decision<Vec<AuthnContextClassRef>> {
        let undeclared = AuthnContextClassRef::new("urn:undeclared");
        Decision::Made(vec![undeclared], Trace::default())
    }

    fn duo_username(&self, _: &ScriptName, _: &View<'_>) -> Decision<String> {
        Decision::Failed("broken".to_owned())
    }

    fn condition(&self, script: &ScriptName, _: &View<'_>) -> Decision<bool> {
        Decision::Made(script.0 == "yes", Trace::default())
    }
}

fn rules() -> Rules {
    let proceed = On::Event(Event::Proceed);
    let script = Target::Script(ScriptName("second-factor".to_owned()));
    let class = AuthnContextClassRef::new;
    let duo = |name: &str| {
        let mut duo = Integration::new(name, "duo.test", CLIENT, Secret::new(SECRET));
        duo.redirect_url = Some("https://idp.test/callback".to_owned());
        (name.to_owned(), Arc::new(duo))
    };
    Rules {
        top_level: vec![FlowId::Mfa],
        flows: BTreeMap::from([
            descriptor(
                FlowId::Password,
                vec![class(PASSWORD_PROTECTED_TRANSPORT)],
                true,
            ),
            descriptor(FlowId::DuoOidc, vec![class(REFEDS_MFA)], false),
        ]),
        transitions: TransitionMap::new(BTreeMap::from([
            ((Stage::Start, proceed), Target::Flow(FlowId::Password)),
            ((Stage::After(FlowId::Password), proceed), script),
            ((Stage::After(FlowId::DuoOidc), proceed), Target::End),
        ])),
        classes: ClassOrder::default(),
        ignored_contexts: Vec::new(),
        accept_later_classes: true,
        duo: DuoRules {
            integrations: BTreeMap::from([duo("default"), duo("strict")]),
            integration_strategy: Some(ScriptName("integration".to_owned())),
            principal_strategy: None,
            username: DuoUsername::AsIs,
            health_check: true,
            evidence: EvidenceTable::default(),
            pending_lifetime: Duration::from_mins(5),
            allowed_origins: Vec::new(),
            callback_path: "/idp/profile/Authn/Duo/2FA/duo-callback".to_owned(),
            max_starts: 3,
            passwordless: None,
            fail_mode: FailMode::Closed,
        },
        strategies: Arc::new(Scripts),
        step_limit: 100,
    }
}

fn descriptor(
    flow: FlowId,
    supported_principals: Vec<AuthnContextClassRef>,
    passive: bool,
) -> (FlowId, FlowDescriptor) {
    let descriptor = FlowDescriptor {
        flow,
        order: 1000,
        passive,
        forced: true,
        non_browser: false,
        lifetime: Some(Duration::from_hours(1)),
        inactivity_timeout: Some(Duration::from_mins(30)),
        supported_principals,
        add_default_principals: true,
        reuse_condition: Condition::Constant(true),
        activation_condition: Condition::Constant(true),
    };
    (flow, descriptor)
}

/// A login and the world around it.
struct Story {
    rules: Rules,
    login: Option<Login>,
    records: Vec<Record>,
    second: i64,
    state: String,
    nonce: String,
    healthy: bool,
    starts: u32,
    attributes: FactValue,
}

enum Told {
    Page(Page),
    Away,
    Over(Verdict),
}

impl Story {
    fn of(rules: Rules) -> Self {
        Self {
            rules,
            login: None,
            records: Vec::new(),
            second: 1_800_000_000,
            state: String::new(),
            nonce: String::new(),
            healthy: true,
            starts: 1,
            attributes: FactValue::Unknown,
        }
    }

    fn begin(&mut self, rp: &str, request: RequestFacts, earlier: Vec<FactorResult>) -> Told {
        let start = Start {
            transaction: "t".to_owned(),
            rp: RelyingPartyFacts {
                id: rp.to_owned(),
                ..RelyingPartyFacts::default()
            },
            request,
            default_classes: Vec::new(),
            terms: Terms::default(),
            earlier,
        };
        self.login = Some(Login::new(start, &self.rules));
        self.tell(Input::Begin)
    }

    fn password(&mut self) -> Told {
        self.tell(Input::Form(Form::Password {
            username: "alice@example.org".to_owned(),
            password: Secret::new("right"),
        }))
    }

    fn duo_says(&mut self, factor: &str, reason: &str) -> Told {
        let user = self.duo_user();
        let now = self.second;
        let claims = json!({
            "iss": "https://duo.test/oauth/v1/token", "sub": user, "aud": CLIENT,
            "exp": now + 3600, "iat": now, "auth_time": now, "preferred_username": user,
            "nonce": self.nonce,
            "auth_result": {"result": "allow", "status": "allow", "status_msg": "ok"},
            "auth_context": {"txid": "tx", "timestamp": now, "factor": factor, "reason": reason,
                "result": "success", "user": {"name": user}},
        });
        let token = jwt::sign(&claims, &Secret::new(SECRET)).unwrap();
        let body = json!({"access_token": "a", "id_token": token, "expires_in": 3600,
            "token_type": "Bearer"});
        self.tell(Input::Callback(Callback {
            state: self.state.clone(),
            outcome: CallbackOutcome::Code(body.to_string()),
        }))
    }

    fn duo_user(&self) -> String {
        let sent = self.records.iter().rev().find_map(|record| match record {
            Record::Duo(duo) => Some(duo.username.clone()),
            _ => None,
        });
        sent.unwrap_or_default()
    }

    fn tell(&mut self, mut input: Input) -> Told {
        loop {
            let mut random = [0; 32];
            random[..8].copy_from_slice(&self.second.to_be_bytes());
            self.second += 1;
            let moment = Moment {
                now: Timestamp::from_second(self.second).unwrap(),
                random,
            };
            let code = match &input {
                Input::Callback(Callback {
                    outcome: CallbackOutcome::Code(code),
                    ..
                }) => code.clone(),
                _ => String::new(),
            };
            let login = self.login.take().expect("a login in progress");
            let turn = login.advance(input, &self.rules, &moment);
            self.records.extend(turn.records);
            match turn.step {
                Step::Show(page, login) => {
                    self.login = Some(login);
                    return Told::Page(page);
                }
                Step::Redirect(url, login) => {
                    self.login = Some(login);
                    self.note_request(&url);
                    return Told::Away;
                }
                Step::Call(call, login) => {
                    self.login = Some(login);
                    input = Input::Answer(self.answer(call, code));
                }
                Step::Finish(verdict) => return Told::Over(verdict),
            }
        }
    }

    fn note_request(&mut self, url: &str) {
        let request = url
            .split(['?', '&'])
            .find_map(|p| p.strip_prefix("request="));
        let claims = jwt::verify(request.unwrap(), &Secret::new(SECRET)).unwrap();
        self.state = claims["state"].as_str().unwrap().to_owned();
        self.nonce = claims["nonce"].as_str().unwrap().to_owned();
    }

    fn answer(&self, call: Call, code: String) -> Answer {
        let response = |status, body: Vec<u8>| HttpAnswer::Response {
            status,
            headers: Vec::new(),
            body,
        };
        match call {
            Call::Password { username, .. } => {
                let at = Timestamp::from_second(self.second).unwrap();
                let verified = PasswordVerified::attest(username, "htpasswd".to_owned(), at);
                Answer::Password(PasswordAnswer::Verified(verified))
            }
            Call::Health { .. } if self.healthy => Answer::Health(response(
                200,
                br#"{"stat":"OK","response":{"timestamp":1}}"#.to_vec(),
            )),
            Call::Health { .. } => Answer::Health(HttpAnswer::Transport {
                reason: "connect".to_owned(),
            }),
            Call::Token { .. } => Answer::Token(response(200, code.into_bytes())),
            Call::DuoStart(_) => Answer::DuoStarts(self.starts),
            Call::Fact(key, _) => {
                assert_eq!(key, FactKey::UserAttributes);
                Answer::Fact(key, self.attributes.clone())
            }
        }
    }
}

fn success(told: Told) -> Success {
    match told {
        Told::Over(Verdict::Success(success)) => success,
        Told::Over(Verdict::Failure(failure)) => panic!("failed: {failure:?}"),
        Told::Page(page) => panic!("a page: {page:?}"),
        Told::Away => panic!("away"),
    }
}

fn failure(told: Told) -> Event {
    match told {
        Told::Over(Verdict::Failure(failure)) => failure.event,
        Told::Over(Verdict::Success(success)) => panic!("succeeded: {success:?}"),
        Told::Page(page) => panic!("a page: {page:?}"),
        Told::Away => panic!("away"),
    }
}

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
