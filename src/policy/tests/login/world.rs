//! The stand-in world of a rehearsed login: browser, password back end, directory and Duo.

use super::{DuoAnswer, DuoResult, FactKey, FactValue, Password, Session};
use crate::authn::duo_auth_api::Wish;
use crate::authn::event::Event;
use crate::authn::evidence::PasswordVerified;
use crate::authn::facts::{RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::login::{
    Answer, Call, Callback, CallbackOutcome, Form, Input, Login, Page, PasswordAnswer, Presented,
    Start, Step, Terms, Verdict,
};
use crate::authn::moment::Moment;
use crate::authn::result::FactorResult;
use crate::authn::rules::Rules;
use crate::authn::transition::{On, Stage, Target, TransitionMap};
use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::jwt;
use crate::duo::oidc::HttpAnswer;
use crate::duo::secret::Secret;
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a rehearsal takes place unless it says otherwise: 2026-01-01T12:00:00Z.
pub(super) const NOON: Timestamp = Timestamp::constant(1_767_268_800, 0);

/// More turns than any honest login takes.
const MOST_TURNS: u8 = 60;
/// Stand-ins for the keys of every integration.
const CLIENT: &str = "REHEARSALREHEARSAL00";
const SECRET: &str = "rehearsal-rehearsal-rehearsal-rehearsal-";

/// What surrounds one login.
pub(super) struct World<'a> {
    pub(super) rules: &'a Rules,
    pub(super) username: String,
    pub(super) password: Password,
    pub(super) duo: &'a DuoAnswer,
    pub(super) facts: BTreeMap<FactKey, FactValue>,
    pub(super) now: Timestamp,
    /// Whether the user gives up at a page that says what went wrong, or the rehearsal ends there.
    pub(super) gives_up: bool,
}

/// How a rehearsed login went.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) steps: Vec<FlowId>,
    pub(super) prompts: u32,
    pub(super) why: String,
    /// The page where the user gave up.
    pub(super) stuck: Option<FlowId>,
    pub(super) ending: Ending,
}

/// Where it ended.
#[derive(Debug)]
pub(super) enum Ending {
    Success {
        class: AuthnContextClassRef,
        degraded: bool,
        factors: BTreeMap<FlowId, FactorResult>,
    },
    Failure(Event),
    /// It waits at a page that says what went wrong.
    Waiting(FlowId),
}

impl Ending {
    pub(super) fn status(&self) -> String {
        match self {
            Self::Success { .. } => "Success".to_owned(),
            Self::Failure(event) => event.to_string(),
            Self::Waiting(FlowId::DuoOidc) => "page:Duo".to_owned(),
            Self::Waiting(flow) => format!("page:{}", flow.name()),
        }
    }

    pub(super) fn class(&self) -> Option<&str> {
        match self {
            Self::Success { class, .. } => Some(class.as_str()),
            Self::Failure(_) | Self::Waiting(_) => None,
        }
    }

    pub(super) fn degraded(&self) -> bool {
        matches!(self, Self::Success { degraded: true, .. })
    }
}

/// The rules with keys that are good nowhere. A home without Duo keys rehearses with a `default`
/// integration: what is tested is the policy.
pub(super) fn stand_in(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    let secret = || Secret::new(SECRET);
    let blank = || Integration::new("default", "duo.invalid", CLIENT, secret());
    let mut integrations = std::mem::take(&mut rules.duo.integrations);
    integrations
        .entry("default".to_owned())
        .or_insert_with(|| Arc::new(blank()));
    rules.duo.integrations = integrations
        .into_iter()
        .map(|(name, configured)| {
            let integration = Integration {
                name: name.clone(),
                supported_principals: configured.supported_principals.clone(),
                display_name: configured.display_name.clone(),
                redirect_url: Some("https://idp.invalid/callback".to_owned()),
                ..blank()
            };
            (name, Arc::new(integration))
        })
        .collect();
    rules
}

impl World<'_> {
    /// Walks a login to its end.
    pub(super) fn walk(&self, start: Start) -> Result<Walk, String> {
        let mut walk = Walk {
            steps: Vec::new(),
            prompts: 0,
            why: String::new(),
            stuck: None,
            ending: Ending::Failure(Event::RuntimeException),
        };
        let has_browser = !start.request.non_browser;
        let mut login = Login::new(start, self.rules);
        let mut input = Input::Begin;
        let mut sent = serde_json::Value::Null;
        for turn in 0..MOST_TURNS {
            let moment = Moment {
                now: self.now,
                random: [turn; 32],
            };
            (login, input) = match login.advance(input, self.rules, &moment).step {
                Step::Show(page, next) => {
                    let Some(form) = self.form(&page, &mut walk) else {
                        return Ok(walk.wait(&page));
                    };
                    (next, Input::Form(form))
                }
                Step::Redirect(url, next) => {
                    walk.take(FlowId::DuoOidc);
                    sent = sent_to_duo(&url)?;
                    let state = next.pending_state().unwrap_or_default().to_owned();
                    let outcome = CallbackOutcome::Code("code".to_owned());
                    (next, Input::Callback(Callback { state, outcome }))
                }
                Step::Call(call, next) => {
                    if !has_browser {
                        walk.note(&call);
                    }
                    (next, Input::Answer(self.answer(call, &sent)?))
                }
                Step::Finish(verdict) => return Ok(walk.finish(verdict)),
            };
        }
        Err(format!("the login does not end within {MOST_TURNS} turns"))
    }

    /// What the user does at a page: fills in the form, goes on to Duo, or is stuck.
    fn form(&self, page: &Page, walk: &mut Walk) -> Option<Form> {
        match page {
            Page::Password { error: None, .. } => {
                walk.take(FlowId::Password);
                Some(Form::Password {
                    username: self.username.clone(),
                    password: Secret::new("rehearsal"),
                })
            }
            Page::Username { missing: false, .. } => {
                walk.prompts += 1;
                Some(Form::Username(self.username.clone()))
            }
            Page::Duo { problem: None, .. } => {
                walk.prompts += 1;
                Some(Form::Retry)
            }
            Page::ExpiringPassword(_) => {
                walk.prompts += 1;
                Some(Form::Continue)
            }
            Page::Password { error: Some(_), .. }
            | Page::Username { missing: true, .. }
            | Page::Duo {
                problem: Some(_), ..
            } => {
                walk.stuck = Some(flow_of(page));
                self.gives_up.then_some(Form::Cancel)
            }
        }
    }

    fn answer(&self, call: Call, sent: &serde_json::Value) -> Result<Answer, String> {
        Ok(match call {
            Call::Password { username, .. } => Answer::Password(self.check_password(username)),
            Call::DuoStart(_) => Answer::DuoStarts(1),
            Call::Health { .. } => Answer::Health(self.health()),
            Call::Token { .. } => Answer::Token(self.token(sent)?),
            Call::AuthApi(call) => Answer::AuthApi(self.auth_api(&call)),
            Call::Fact(key, _) => {
                let value = self.facts.get(&key).cloned();
                Answer::Fact(key, value.unwrap_or(FactValue::Unknown))
            }
        })
    }

    /// Evidence of a rehearsal: the result it leads to never leaves [`Walk`].
    fn check_password(&self, username: String) -> PasswordAnswer {
        match self.password {
            Password::Right => PasswordAnswer::Verified(PasswordVerified::attest(
                username,
                "rehearsal".to_owned(),
                self.now,
            )),
            Password::Wrong => PasswordAnswer::Refused,
            Password::Down => PasswordAnswer::Unavailable,
        }
    }

    fn health(&self) -> HttpAnswer {
        if self.duo.result == DuoResult::Down {
            return HttpAnswer::Transport {
                reason: "rehearsed".to_owned(),
            };
        }
        let response = json!({ "timestamp": self.now.as_second() });
        respond(&json!({ "stat": "OK", "response": response }))
    }

    /// What a client without a browser brings along: it asks for the factor that Duo then reports.
    pub(super) fn presented(&self) -> Presented {
        let (factor, passcode) = match self.duo.factor.as_str() {
            "duo_push" | "verified_duo_push" => ("push", None),
            "phone_call" => ("phone", None),
            "bypass_code" => ("passcode", Some("123456789")),
            _ => ("passcode", Some("123456")),
        };
        Presented {
            username: self.username.clone(),
            password: Secret::new("rehearsal"),
            duo: Wish {
                factor: factor.to_owned(),
                device: String::new(),
                passcode: passcode.map(Secret::new),
            },
        }
    }

    /// Who is let in without a factor hears so before.
    fn auth_api(&self, call: &ApiCall) -> HttpAnswer {
        let result = match self.duo.result {
            DuoResult::Down => return self.health(),
            DuoResult::Allow => "allow",
            DuoResult::Deny => "deny",
        };
        let acted = ["user_approved", "valid_passcode"].contains(&self.duo.reason.as_str());
        let response = match call.url.rsplit('/').next().unwrap_or_default() {
            "preauth" if acted => json!({ "result": "auth" }),
            "preauth" => json!({ "result": result }),
            "auth" => json!({ "txid": "rehearsal" }),
            _ => json!({ "result": result, "status": result }),
        };
        respond(&json!({ "stat": "OK", "response": response }))
    }

    fn token(&self, sent: &serde_json::Value) -> Result<HttpAnswer, String> {
        if self.duo.result == DuoResult::Down {
            return Ok(self.health());
        }
        let result = if self.duo.result == DuoResult::Allow {
            "allow"
        } else {
            "deny"
        };
        let name = &sent["duo_uname"];
        let now = self.now.as_second();
        let claims = json!({
            "iss": "https://duo.invalid/oauth/v1/token", "aud": CLIENT, "sub": name,
            "preferred_username": name, "nonce": sent["nonce"],
            "exp": now + 300, "iat": now, "auth_time": now,
            "auth_result": { "result": result, "status": result, "status_msg": "rehearsed" },
            "auth_context": {
                "txid": "rehearsal", "timestamp": now, "result": "success",
                "factor": self.duo.factor, "reason": self.duo.reason,
                "user": { "name": name, "key": "rehearsal" },
            },
        });
        let token = jwt::sign(&claims, &Secret::new(SECRET)).map_err(|e| format!("{e:?}"))?;
        Ok(respond(&json!({
            "access_token": "rehearsal", "id_token": token, "token_type": "Bearer",
            "expires_in": 300,
        })))
    }

    /// The results of an earlier login with these flows: rehearsed, too.
    pub(super) fn session(&self, session: &Session) -> Result<Vec<FactorResult>, String> {
        let flows = session.flows()?;
        if flows.is_empty() {
            return Ok(Vec::new());
        }
        let rules = Rules {
            transitions: in_a_row(&flows),
            ..self.rules.clone()
        };
        let duo = DuoAnswer::default();
        let earlier = World {
            rules: &rules,
            username: self.username.clone(),
            password: Password::Right,
            duo: &duo,
            facts: self.facts.clone(),
            now: session.began(self.now),
            gives_up: false,
        };
        let start = Start {
            transaction: "rehearsal-session".to_owned(),
            rp: RelyingPartyFacts::default(),
            request: RequestFacts::default(),
            default_classes: Vec::new(),
            terms: Terms::default(),
            earlier: Vec::new(),
            remembered: None,
            presented: None,
        };
        match earlier.walk(start)?.ending {
            Ending::Success { factors, .. } => Ok(factors.into_values().collect()),
            other => Err(format!("no such session: {}", other.status())),
        }
    }
}

impl Walk {
    /// The user is asked by this flow.
    fn take(&mut self, flow: FlowId) {
        self.prompts += 1;
        self.steps.push(flow);
    }

    /// The login waits at a page that says what went wrong.
    fn wait(self, page: &Page) -> Self {
        Self {
            why: "waits at a page".to_owned(),
            ending: Ending::Waiting(flow_of(page)),
            ..self
        }
    }

    /// Without pages a step shows in what it calls.
    fn note(&mut self, call: &Call) {
        let flow = match call {
            Call::Password { .. } => FlowId::Password,
            Call::AuthApi(_) => FlowId::DuoOidc,
            _ => return,
        };
        if self.steps.last() != Some(&flow) {
            self.steps.push(flow);
        }
    }

    fn finish(mut self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success(success) => {
                self.why = success.why;
                self.ending = Ending::Success {
                    class: success.class,
                    degraded: success.result.degraded(),
                    factors: success.result.factors().clone(),
                };
            }
            Verdict::Failure(failure) => {
                self.why = failure.why;
                self.ending = Ending::Failure(failure.event);
            }
        }
        self
    }
}

fn flow_of(page: &Page) -> FlowId {
    match page {
        Page::Password { .. } | Page::ExpiringPassword(_) => FlowId::Password,
        Page::Username { .. } | Page::Duo { .. } => FlowId::DuoOidc,
    }
}

/// These flows, one after the other.
fn in_a_row(flows: &[FlowId]) -> TransitionMap {
    let mut rules = BTreeMap::new();
    let mut stage = Stage::Start;
    for flow in flows {
        rules.insert((stage, On::Event(Event::Proceed)), Target::Flow(*flow));
        stage = Stage::After(*flow);
    }
    rules.insert((stage, On::Event(Event::Proceed)), Target::End);
    TransitionMap::new(rules)
}

/// The claims of the signed request in an authorize URL.
fn sent_to_duo(url: &str) -> Result<serde_json::Value, String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let request = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "request")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    jwt::verify(&request, &Secret::new(SECRET)).map_err(|error| format!("{error:?}"))
}

fn respond(body: &serde_json::Value) -> HttpAnswer {
    HttpAnswer::Response {
        status: 200,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}
