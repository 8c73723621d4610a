//! The world around a login, played from a string of random bytes.

use crate::asked;
use crate::setting::Setting;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use vestibule::authn::evidence::{Evidence, Grade, PasswordVerified};
use vestibule::authn::facts::{FactValue, RelyingPartyFacts, RequestFacts};
use vestibule::authn::flow::FlowId;
use vestibule::authn::login::{
    Answer, Call, Callback, CallbackOutcome, Form, Input, Login, Page, PasswordAnswer, Record,
    Start, Step, Terms, Verdict,
};
use vestibule::authn::moment::Moment;
use vestibule::authn::remembered::BrowserRemembered;
use vestibule::authn::result::{AuthenticationResult, FactorResult};
use vestibule::duo::jwt;
use vestibule::duo::oidc::HttpAnswer;
use vestibule::duo::secret::Secret;

pub(crate) const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
pub(crate) const CLIENT: &str = "DITESTTESTTESTTEST01";
pub(crate) const GENERATION: &str = "of today";
pub(crate) const PHISHING_RESISTANT: &str = "https://refeds.org/profile/phishing-resistant-mfa";

/// Random bytes as choices; zeros when they run out, so that a walk always ends.
pub(crate) struct Choices {
    bytes: Vec<u8>,
    at: usize,
}

impl Choices {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn below(&mut self, limit: u8) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte % limit
    }

    pub(crate) fn chance(&mut self, of: u8) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::from(self.below(u8::try_from(items.len()).expect("short lists")))]
    }
}

/// One trip to Duo, as the world saw it.
pub(crate) struct DuoAttempt {
    state: String,
    nonce: String,
    since: Timestamp,
    pub(crate) exchanges: u32,
    pub(crate) exchanged_after: Option<i64>,
}

/// One login, walked to its end.
pub(crate) struct Walk {
    pub(crate) pages: u32,
    pub(crate) redirects: u32,
    pub(crate) inputs: u32,
    pub(crate) outages: u32,
    pub(crate) unreadable: u32,
    pub(crate) duo_attempts: Vec<DuoAttempt>,
    pub(crate) foreign_token_accepted: bool,
    pub(crate) records: Vec<Record>,
    pub(crate) terms: Terms,
    login: Option<Login>,
    request: RequestFacts,
    began: Timestamp,
    now: Timestamp,
    tick: u64,
    earlier: Vec<FactorResult>,
    remembered: Option<BrowserRemembered>,
    passwords: BTreeSet<(String, Timestamp)>,
    duo_allowed: BTreeSet<String>,
    foreign: bool,
}

thread_local! {
    static CLOCK: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

impl Walk {
    pub(crate) fn begin(
        setting: &Setting,
        choices: &mut Choices,
        earlier: Vec<FactorResult>,
        remembered: Option<BrowserRemembered>,
    ) -> Self {
        if earlier.is_empty() {
            CLOCK.set(0);
        }
        let now = epoch() + SignedDuration::from_secs(CLOCK.get());
        let request = asked::request(choices);
        let terms = asked::terms(choices);
        // Nothing is kept for a client without a browser, so nothing is there to begin with.
        let (earlier, remembered) = if request.non_browser {
            (Vec::new(), None)
        } else {
            (earlier, remembered)
        };
        let presented = request.non_browser.then(|| asked::presented(choices));
        let start = Start {
            transaction: "t".to_owned(),
            rp: RelyingPartyFacts::default(),
            request: request.clone(),
            default_classes: Vec::new(),
            terms: terms.clone(),
            earlier: earlier.clone(),
            remembered: remembered.clone(),
            presented,
        };
        Self {
            pages: 0,
            redirects: 0,
            inputs: 0,
            outages: 0,
            unreadable: 0,
            duo_attempts: Vec::new(),
            foreign_token_accepted: false,
            records: Vec::new(),
            terms,
            login: Some(Login::new(start, &setting.rules)),
            request,
            began: now,
            now,
            tick: 0,
            earlier,
            remembered,
            passwords: BTreeSet::new(),
            duo_allowed: BTreeSet::new(),
            foreign: false,
        }
    }

    /// Plays until the login ends.
    pub(crate) fn run(&mut self, setting: &Setting, choices: &mut Choices) -> Verdict {
        let mut input = Input::Begin;
        loop {
            let login = self.login.take().expect("a login in progress");
            self.inputs += 1;
            self.tick += 1;
            let turn = login.advance(input, &setting.rules, &self.moment());
            self.records.extend(turn.records);
            input = match turn.step {
                Step::Finish(verdict) => {
                    if self.foreign
                        && matches!(&verdict, Verdict::Success(s)
                        if s.result.factors().contains_key(&FlowId::DuoOidc) && self.no_good_duo(s))
                    {
                        self.foreign_token_accepted = true;
                    }
                    return verdict;
                }
                Step::Show(page, login) => {
                    self.pages += 1;
                    self.rest(&login);
                    self.user(&page, choices)
                }
                Step::Redirect(url, login) => {
                    self.redirects += 1;
                    self.rest(&login);
                    self.left_for_duo(&url);
                    self.away(choices)
                }
                Step::Call(call, login) => {
                    self.rest(&login);
                    Input::Answer(self.answer(&call, choices))
                }
            };
            // Nobody walks for ever.
            if self.inputs > 60 {
                input = Input::Form(Form::Cancel);
            }
        }
    }

    /// Time passes before the next login.
    pub(crate) fn later(&mut self, choices: &mut Choices) {
        let seconds = *choices.of(&[1, 60, 1700, 1900, 3700]);
        CLOCK.set(self.now.duration_since(epoch()).as_secs() + seconds);
    }

    pub(crate) fn forced(&self) -> bool {
        self.request.force_authn
    }

    pub(crate) fn passive(&self) -> bool {
        self.request.is_passive
    }

    pub(crate) fn without_browser(&self) -> bool {
        self.request.non_browser
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// What the server keeps of a browser that is to be remembered.
    pub(crate) fn remember(
        &self,
        success: &vestibule::authn::login::Success,
    ) -> Option<BrowserRemembered> {
        let duo = success.remember.clone()?;
        assert!(
            self.duo_allowed.contains(duo.txid()),
            "remembered without Duo"
        );
        let expires = self.now + SignedDuration::from_secs(7200);
        Some(BrowserRemembered::attest(
            duo,
            GENERATION.to_owned(),
            expires,
        ))
    }

    pub(crate) fn began_less_skew(&self) -> Timestamp {
        self.began - SignedDuration::from_secs(60)
    }

    /// Whether this factor was proved in this walk or an earlier one.
    pub(crate) fn proved(&self, factor: &FactorResult) -> bool {
        if let Evidence::Remembered(remembered) = factor.evidence() {
            return self.remembered.as_ref() == Some(&**remembered);
        }
        if factor.previous() {
            return self
                .earlier
                .iter()
                .any(|known| known.evidence() == factor.evidence());
        }
        match factor.evidence() {
            Evidence::Password(password) => self
                .passwords
                .contains(&(password.username().to_owned(), password.at())),
            Evidence::Duo(duo) => self.duo_allowed.contains(duo.txid()),
            Evidence::Remembered(_) => false,
        }
    }

    pub(crate) fn succeeded(&self, flow: FlowId) -> bool {
        match flow {
            FlowId::Password => !self.passwords.is_empty(),
            FlowId::DuoOidc => !self.duo_allowed.is_empty(),
            FlowId::Mfa => false,
        }
    }

    fn no_good_duo(&self, success: &vestibule::authn::login::Success) -> bool {
        success.result.factors().values().any(|f| !self.proved(f))
    }

    /// Writes the login down and reads it back, as a restart between any two steps would.
    fn rest(&mut self, login: &Login) {
        if self.request.non_browser {
            self.login = Some(login.clone());
            return;
        }
        let text = serde_json::to_string(login).expect("a login can be written down");
        let read = serde_json::from_str(&text);
        self.unreadable += u32::from(read.is_err());
        self.login = Some(read.unwrap_or_else(|_| login.clone()));
    }

    fn moment(&self) -> Moment {
        let mut random = [0; 32];
        random[..8].copy_from_slice(&self.tick.to_be_bytes());
        random[8..16].copy_from_slice(&self.now.as_microsecond().to_be_bytes());
        Moment {
            now: self.now,
            random,
        }
    }

    fn user(&mut self, page: &Page, choices: &mut Choices) -> Input {
        self.now += SignedDuration::from_secs(i64::from(choices.below(20)));
        match page {
            Page::Password { .. } => match choices.below(10) {
                0 => Input::Form(Form::Cancel),
                1 => Input::Revisit,
                2 => self.stray_callback(choices),
                3 => Input::Form(Form::Retry),
                _ => Input::Form(Form::Password {
                    username: (*choices.of(&["alice", "alice", "alice", "bob", ""])).to_owned(),
                    password: Secret::new(*choices.of(&["right", "right", "right", "wrong", ""])),
                }),
            },
            Page::ExpiringPassword(_) => match choices.below(3) {
                0 => Input::Form(Form::Cancel),
                1 => Input::Revisit,
                _ => Input::Form(Form::Continue),
            },
            Page::Username { .. } => match choices.below(4) {
                0 => Input::Form(Form::Other),
                1 => Input::Form(Form::Username(String::new())),
                _ => Input::Form(Form::Username("alice".to_owned())),
            },
            Page::Duo { .. } => match choices.below(7) {
                0 => Input::Form(Form::Cancel),
                4 => Input::Form(Form::Other),
                1 => Input::Revisit,
                2 => self.stray_callback(choices),
                3 => Input::Form(Form::Password {
                    username: "alice".to_owned(),
                    password: Secret::new("right"),
                }),
                5 => Input::Form(Form::Retry),
                _ => Input::Form(Form::RetryAndRemember),
            },
        }
    }

    fn left_for_duo(&mut self, url: &str) {
        let request = url
            .split(['?', '&'])
            .find_map(|p| p.strip_prefix("request="));
        let claims = jwt::verify(request.expect("a request JWT"), &Secret::new(SECRET))
            .expect("our own request verifies");
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        self.duo_attempts.push(DuoAttempt {
            state: text("state"),
            nonce: text("nonce"),
            since: self.now,
            exchanges: 0,
            exchanged_after: None,
        });
    }

    fn away(&mut self, choices: &mut Choices) -> Input {
        self.now += SignedDuration::from_secs(*choices.of(&[5, 5, 5, 5, 290, 400]));
        let state = self.duo_attempts.last().expect("an attempt").state.clone();
        match choices.below(10) {
            0 => Input::Revisit,
            1 => self.stray_callback(choices),
            2 => Input::Form(Form::Retry),
            3 => callback(
                state,
                CallbackOutcome::Error {
                    error: "access_denied".to_owned(),
                    description: "no".to_owned(),
                },
            ),
            _ => callback(state, CallbackOutcome::Code("code".to_owned())),
        }
    }

    /// An attacker, or an old tab: a callback with an old or invented state.
    fn stray_callback(&mut self, choices: &mut Choices) -> Input {
        let states: Vec<String> = self.duo_attempts.iter().map(|a| a.state.clone()).collect();
        let state = if states.is_empty() || choices.chance(2) {
            "an-invented-state-of-some-length".to_owned()
        } else {
            choices.of(&states).clone()
        };
        callback(state, CallbackOutcome::Code("code".to_owned()))
    }

    fn answer(&mut self, call: &Call, choices: &mut Choices) -> Answer {
        match call {
            Call::Password { username, password } => {
                if password.expose() == "right" {
                    self.passwords.insert((username.clone(), self.now));
                    Answer::Password(PasswordAnswer::Verified(PasswordVerified::attest(
                        username.clone(),
                        "htpasswd".to_owned(),
                        self.now,
                    )))
                } else {
                    Answer::Password(PasswordAnswer::Refused)
                }
            }
            Call::Health { .. } => Answer::Health(self.health(choices)),
            Call::Token { .. } => Answer::Token(self.token(choices)),
            Call::AuthApi(call) => {
                assert!(
                    self.request.non_browser,
                    "a browser's login calls the Auth API"
                );
                Answer::AuthApi(self.auth_api(&call.url, choices))
            }
            Call::DuoStart(_) => Answer::DuoStarts(u32::from(choices.below(7))),
            Call::Fact(key, _) => Answer::Fact(*key, FactValue::Unknown),
        }
    }

    fn health(&mut self, choices: &mut Choices) -> HttpAnswer {
        match choices.below(6) {
            0 => {
                self.outages += 1;
                HttpAnswer::Transport {
                    reason: "connect".to_owned(),
                }
            }
            1 => response(
                400,
                &json!({"stat": "FAIL", "code": 40002, "timestamp": self.now.as_second(),
                        "message": "invalid_client", "message_detail": "no"}),
            ),
            _ => response(
                200,
                &json!({"stat": "OK", "response": {"timestamp": self.now.as_second()}}),
            ),
        }
    }

    fn auth_api(&mut self, url: &str, choices: &mut Choices) -> HttpAnswer {
        if choices.below(12) == 0 {
            self.outages += 1;
            return response(503, &json!({}));
        }
        let said = match url.rsplit('/').next().unwrap_or_default() {
            "preauth" => {
                let result = *choices.of(&["auth", "auth", "auth", "allow", "deny", "enroll"]);
                if result == "allow" {
                    self.duo_allowed.insert(String::new());
                }
                json!({"result": result})
            }
            "auth" => json!({"txid": "api-tx"}),
            _ => {
                let known = [
                    ("waiting", "pushed"),
                    ("deny", "timeout"),
                    ("allow", "allow"),
                ];
                let (result, status) = *choices.of(&known);
                if result == "allow" {
                    self.duo_allowed.insert("api-tx".to_owned());
                }
                json!({"result": result, "status": status})
            }
        };
        response(200, &json!({"stat": "OK", "response": said}))
    }

    /// Duo's answer to the code, good or bad in one of many ways.
    fn token(&mut self, choices: &mut Choices) -> HttpAnswer {
        let now = self.now;
        let attempt = self.duo_attempts.last_mut().expect("an attempt");
        attempt.exchanges += 1;
        attempt.exchanged_after = Some(now.duration_since(attempt.since).as_secs());
        let user = self
            .passwords
            .last()
            .map_or("alice", |(name, _)| name.as_str())
            .to_owned();
        let user = self
            .login
            .as_ref()
            .and_then(|login| login.username())
            .map_or(user, str::to_owned);
        let txid = format!("tx-{}-{}", self.tick, now.as_second());
        let factor = *choices.of(&["duo_push", "passcode", "webauthn", "bypass_code", "novelty"]);
        let reason = *choices.of(&[
            "user_approved",
            "user_approved",
            "valid_passcode",
            "remembered_device",
            "bypass_user",
            "trusted_network",
        ]);
        let mut claims = json!({
            "iss": "https://duo.test/oauth/v1/token", "sub": user, "aud": CLIENT,
            "exp": now.as_second() + 3600, "iat": now.as_second(),
            "auth_time": now.as_second(), "preferred_username": user,
            "nonce": attempt.nonce,
            "auth_result": {"result": "allow", "status": "allow", "status_msg": "ok"},
            "auth_context": {"txid": txid, "timestamp": now.as_second(), "factor": factor,
                "reason": reason, "result": "success",
                "user": {"name": user, "key": "DU0"}},
        });
        let spoiled = spoil(&mut claims, choices, now);
        if spoiled {
            self.foreign = true;
        } else {
            self.duo_allowed.insert(txid);
        }
        let token = jwt::sign(&claims, &Secret::new(SECRET)).expect("claims can be signed");
        response(
            200,
            &json!({"access_token": "a", "id_token": token, "expires_in": 3600,
                    "token_type": "Bearer"}),
        )
    }
}

/// A browser as it was remembered, or remembered under other rules.
pub(crate) fn spoiled(
    remembered: Option<BrowserRemembered>,
    choices: &mut Choices,
) -> Option<BrowserRemembered> {
    let remembered = remembered?;
    if !choices.chance(6) {
        return Some(remembered);
    }
    let forever = Timestamp::MAX;
    let other = "of yesterday".to_owned();
    Some(BrowserRemembered::attest(
        remembered.duo().clone(),
        other,
        forever,
    ))
}

/// Spoils the claims in one way, mostly not at all.
fn spoil(claims: &mut serde_json::Value, choices: &mut Choices, now: Timestamp) -> bool {
    match choices.below(20) {
        0 => claims["preferred_username"] = json!("mallory"),
        1 => claims["nonce"] = json!("another"),
        2 => claims["iss"] = json!("https://evil.test/oauth/v1/token"),
        3 => claims["aud"] = json!("DIANOTHERANOTHERANOT"),
        4 => claims["exp"] = json!(now.as_second() - 120),
        5 => claims["auth_result"]["result"] = json!("deny"),
        6 => drop(claims.as_object_mut().and_then(|c| c.remove("auth_result"))),
        _ => return false,
    }
    true
}

fn callback(state: String, outcome: CallbackOutcome) -> Input {
    Input::Callback(Callback { state, outcome })
}

fn response(status: u16, body: &serde_json::Value) -> HttpAnswer {
    HttpAnswer::Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn epoch() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a valid instant")
}

/// What the Duo factor of a result truly proves, by the world's own knowledge.
pub(crate) fn best_duo(result: &AuthenticationResult) -> Option<Grade> {
    let duo = match result.factors().get(&FlowId::DuoOidc)?.evidence() {
        Evidence::Duo(duo) => duo,
        Evidence::Remembered(remembered) => remembered.duo(),
        Evidence::Password(_) => return None,
    };
    let resistant = duo.factor() == "webauthn";
    let acted = ["user_approved", "valid_passcode"].contains(&duo.reason());
    Some(match (acted, resistant) {
        (true, true) => Grade::PhishingResistant,
        (true, false) if ["duo_push", "passcode"].contains(&duo.factor()) => Grade::Mfa,
        _ => Grade::None,
    })
}

/// Whether a device that Duo remembers was given a class.
pub(crate) fn remembered_counted(result: &AuthenticationResult) -> bool {
    result
        .factors()
        .values()
        .any(|factor| match factor.evidence() {
            Evidence::Duo(duo) => {
                duo.reason() == "remembered_device" && !factor.principals().is_empty()
            }
            Evidence::Remembered(_) => true,
            Evidence::Password(_) => false,
        })
}
