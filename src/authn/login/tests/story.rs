//! A login and the world around it, for stories.

use super::super::*;
use crate::authn::descriptor::{Condition, FlowDescriptor};
use crate::authn::evidence::{EvidenceTable, PasswordVerified};
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::remembered::{BrowserRemembered, RememberRules};
use crate::authn::rules::{DuoRules, DuoUsername, FailMode};
use crate::authn::strategy::{Decision, Next, ScriptName, Strategies, Trace, View};
use crate::authn::transition::{On, Target, TransitionMap};
use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::jwt;
use crate::duo::oidc::HttpAnswer;
use crate::duo::secret::Secret;
use crate::saml::context::{AuthnContextClassRef, PASSWORD_PROTECTED_TRANSPORT, REFEDS_MFA};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
const CLIENT: &str = "DITESTTESTTESTTEST01";

/// Scripts: `strict` in the relying party's name chooses the strict integration.
#[derive(Debug)]
pub(super) struct Scripts;

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

pub(super) fn rules() -> Rules {
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
            remember: RememberRules::default(),
            auth_api: None,
        },
        strategies: Arc::new(Scripts),
        step_limit: 100,
    }
}

pub(super) fn descriptor(
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
pub(super) struct Story {
    rules: Rules,
    login: Option<Login>,
    pub(super) records: Vec<Record>,
    pub(super) second: i64,
    state: String,
    nonce: String,
    pub(super) healthy: bool,
    pub(super) starts: u32,
    pub(super) attributes: FactValue,
    pub(super) remembered: Option<BrowserRemembered>,
    pub(super) presented: Option<Presented>,
    /// What the Auth API will say, call by call, and what it was asked.
    pub(super) auth_api: VecDeque<HttpAnswer>,
    pub(super) called: Vec<ApiCall>,
    /// What the password back end says once, if not that it is right.
    pub(super) password: Option<PasswordAnswer>,
}

pub(super) enum Told {
    Page(Page),
    Away,
    Over(Verdict),
}

impl Story {
    pub(super) fn of(rules: Rules) -> Self {
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
            remembered: None,
            presented: None,
            auth_api: VecDeque::new(),
            called: Vec::new(),
            password: None,
        }
    }

    pub(super) fn begin(
        &mut self,
        rp: &str,
        request: RequestFacts,
        earlier: Vec<FactorResult>,
    ) -> Told {
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
            remembered: self.remembered.take(),
            presented: self.presented.take(),
        };
        self.login = Some(Login::new(start, &self.rules));
        self.tell(Input::Begin)
    }

    pub(super) fn password(&mut self) -> Told {
        self.tell(Input::Form(Form::Password {
            username: "alice@example.org".to_owned(),
            password: Secret::new("right"),
        }))
    }

    pub(super) fn duo_says(&mut self, factor: &str, reason: &str) -> Told {
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

    pub(super) fn duo_user(&self) -> String {
        let sent = self.records.iter().rev().find_map(|record| match record {
            Record::Duo(duo) => Some(duo.username.clone()),
            _ => None,
        });
        sent.unwrap_or_default()
    }

    pub(super) fn tell(&mut self, mut input: Input) -> Told {
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

    fn answer(&mut self, call: Call, code: String) -> Answer {
        let response = |status, body: Vec<u8>| HttpAnswer::Response {
            status,
            headers: Vec::new(),
            body,
        };
        match call {
            Call::Password { .. } if self.password.is_some() => {
                Answer::Password(self.password.take().unwrap())
            }
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
            Call::AuthApi(call) => {
                self.called.push(call);
                Answer::AuthApi(
                    self.auth_api
                        .pop_front()
                        .expect("an answer of the Auth API"),
                )
            }
            Call::DuoStart(_) => Answer::DuoStarts(self.starts),
            Call::Fact(key, _) => {
                assert_eq!(key, FactKey::UserAttributes);
                Answer::Fact(key, self.attributes.clone())
            }
        }
    }
}

pub(super) fn success(told: Told) -> Success {
    match told {
        Told::Over(Verdict::Success(success)) => *success,
        Told::Over(Verdict::Failure(failure)) => panic!("failed: {failure:?}"),
        Told::Page(page) => panic!("a page: {page:?}"),
        Told::Away => panic!("away"),
    }
}

pub(super) fn failure(told: Told) -> Event {
    match told {
        Told::Over(Verdict::Failure(failure)) => failure.event,
        Told::Over(Verdict::Success(success)) => panic!("succeeded: {success:?}"),
        Told::Page(page) => panic!("a page: {page:?}"),
        Told::Away => panic!("away"),
    }
}
