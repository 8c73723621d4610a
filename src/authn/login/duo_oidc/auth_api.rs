//! The `DuoOIDC` flow without a browser: Duo's Auth API in the place of the redirect.
//!
//! `preauth` comes first, then one authentication by the factor that the client named, followed to
//! its end. Nothing is asked twice, and nothing is stored in between.

use super::choose::{Chosen, Unchosen, choose_name};
use super::map::{Allow, map};
use super::{brief, misconfigured, stuck};
use crate::authn::duo_auth_api::{AfterPreauth, Wish, after_auth, after_preauth, wanted};
use crate::authn::event::Event;
use crate::authn::login::run::{FlowTurn, Ground};
use crate::authn::login::values::{Answer, Call, DuoProblem, DuoRecord, Input, Record};
use crate::authn::rules::AuthApiRules;
use crate::duo::auth_api::{
    self, Allowed, AuthRequest, AuthStatus, Device, Factor, Preauth, PreauthResult, Story, Subject,
};
use crate::duo::oidc::{DuoError, HttpAnswer};

/// Longest word of Duo's that the audit repeats.
const LONGEST_WORD: usize = 40;

type Step = FlowTurn<super::State>;

/// Where it stands.
#[derive(Clone, Debug)]
pub(in crate::authn::login) enum State {
    /// The name at Duo waits for a fact.
    Choosing(Factor),
    /// Duo is asked what it would do.
    Foretelling(Quest),
    /// The user's starts are being counted.
    Counting(Quest),
    /// The authentication is about to begin.
    Beginning(Quest),
    /// The user is being asked.
    Following(Chosen, Box<Story>),
}

/// Who is to be asked, and how.
#[derive(Clone, Debug)]
pub(in crate::authn::login) struct Quest {
    chosen: Chosen,
    factor: Factor,
    device: Option<Device>,
}

/// Starts with what the client's headers ask for.
pub(super) fn start(ground: &mut Ground<'_>) -> Step {
    let Some(api) = &ground.rules.duo.auth_api else {
        return FlowTurn::Fail(Event::RequestUnsupported);
    };
    // Taken, so that a rule that leads back here does not push to the user again.
    let wish = ground.core.duo_wish.take();
    match wish.map_or(Err(Event::NoCredentials), |wish: Wish| {
        wanted(&wish, api.auto)
    }) {
        Ok(factor) => choose(factor, ground),
        // Shibboleth's way of saying that another flow might do.
        Err(Event::NoCredentials) => FlowTurn::Fail(Event::ReselectFlow),
        Err(event) => FlowTurn::Fail(event),
    }
}

impl State {
    pub(super) fn advance(self, input: Input, ground: &mut Ground<'_>) -> Step {
        match (self, input) {
            (Self::Choosing(factor), Input::Answer(Answer::Fact(..))) => choose(factor, ground),
            (Self::Foretelling(quest), Input::Answer(Answer::AuthApi(answer))) => {
                foretold(quest, &answer, ground)
            }
            (Self::Counting(quest), Input::Answer(Answer::DuoStarts(starts))) => {
                counted(quest, starts, ground)
            }
            (Self::Beginning(quest), Input::Answer(Answer::AuthApi(answer))) => {
                begun(quest, &answer, ground)
            }
            (Self::Following(chosen, story), Input::Answer(Answer::AuthApi(answer))) => {
                told(chosen, *story, &answer, ground)
            }
            // There is no page from which anybody else could move it.
            _ => FlowTurn::Fail(Event::AuthenticationException),
        }
    }
}

fn choose(factor: Factor, ground: &mut Ground<'_>) -> Step {
    match choose_name(ground) {
        Ok(chosen) => foretell(
            Quest {
                chosen,
                factor,
                device: None,
            },
            ground,
        ),
        Err(Unchosen::Needs(key)) => FlowTurn::Needs(key, State::Choosing(factor).into()),
        Err(Unchosen::NoUser) => FlowTurn::Fail(Event::NoCredentials),
        Err(Unchosen::Policy(reason)) => misconfigured(None, reason, ground),
    }
}

fn foretell(quest: Quest, ground: &Ground<'_>) -> Step {
    let Some(api) = api(ground) else {
        return gone();
    };
    let client_ip = client_ip(api, ground);
    let (subject, now) = (subject(&quest.chosen), ground.moment.now);
    let call = auth_api::preauth(&api.integration, &subject, client_ip.as_deref(), now);
    FlowTurn::Call(Call::AuthApi(call), State::Foretelling(quest).into())
}

fn foretold(quest: Quest, answer: &HttpAnswer, ground: &mut Ground<'_>) -> Step {
    let now = ground.moment.now;
    let preauth = auth_api::read_preauth(answer, now);
    match after_preauth(&preauth, quest.factor.clone()) {
        AfterPreauth::Ask(factor) => count(Quest {
            device: preauth.ok().and_then(|preauth| named(&factor, preauth)),
            factor,
            ..quest
        }),
        AfterPreauth::Allowed => {
            let subject = subject(&quest.chosen);
            let allowed = preauth
                .ok()
                .and_then(|preauth| Allowed::without_factor(&subject, &preauth, now));
            allow(quest.chosen, allowed, ground)
        }
        AfterPreauth::End(event) => {
            let reason = match &preauth {
                Ok(preauth) if preauth.result == PreauthResult::Auth => "unknown device".to_owned(),
                Ok(preauth) => format!("preauth {}", preauth.result.as_str()),
                Err(error) => failed(error, ground),
            };
            refuse(&quest.chosen, &quest.factor, &reason, ground);
            match preauth {
                // Nobody was asked yet: the fail mode of an outage applies.
                Err(error) if error.is_outage() => {
                    stuck(Some(quest.chosen), DuoProblem::Unavailable(error))
                }
                _ => FlowTurn::Fail(event),
            }
        }
    }
}

/// The device that the factor names by its id.
fn named(factor: &Factor, preauth: Preauth) -> Option<Device> {
    let (Factor::Auto(id) | Factor::Push(id) | Factor::Phone(id) | Factor::Sms(id)) = factor else {
        return None;
    };
    let mut devices = preauth.devices.into_iter();
    devices.find(|device| device.device == *id)
}

/// A push that nobody asked for wears people down, and a passcode can be guessed: the starts of a
/// user are bounded (attack S47).
fn count(quest: Quest) -> Step {
    let username = quest.chosen.username.clone();
    FlowTurn::Call(Call::DuoStart(username), State::Counting(quest).into())
}

fn counted(quest: Quest, starts: u32, ground: &mut Ground<'_>) -> Step {
    if starts > ground.rules.duo.max_starts {
        refuse(&quest.chosen, &quest.factor, "too often", ground);
        return FlowTurn::Fail(Event::AuthenticationException);
    }
    let Some(api) = api(ground) else {
        return gone();
    };
    let request = request(&quest, api, ground);
    let call = auth_api::auth(&api.integration, &request, ground.moment.now);
    FlowTurn::Call(Call::AuthApi(call), State::Beginning(quest).into())
}

fn request(quest: &Quest, api: &AuthApiRules, ground: &Ground<'_>) -> AuthRequest {
    AuthRequest {
        subject: subject(&quest.chosen),
        factor: quest.factor.clone(),
        client_ip: client_ip(api, ground),
        push_info: vec![("service".to_owned(), ground.core.rp.name.clone())],
    }
}

fn begun(quest: Quest, answer: &HttpAnswer, ground: &mut Ground<'_>) -> Step {
    let Some(api) = api(ground) else {
        return gone();
    };
    match auth_api::read_async_auth(answer, ground.moment.now) {
        Ok(txid) => {
            let story = Story {
                request: request(&quest, api, ground),
                device: quest.device,
                txid,
                told: Vec::new(),
            };
            follow(quest.chosen, story, ground)
        }
        Err(error) => {
            let reason = failed(&error, ground);
            refuse(&quest.chosen, &quest.factor, &reason, ground);
            end(&Err(error))
        }
    }
}

/// Each of these calls ends at Duo when something happens.
fn follow(chosen: Chosen, story: Story, ground: &Ground<'_>) -> Step {
    let Some(api) = api(ground) else {
        return gone();
    };
    let call = auth_api::auth_status(&api.integration, &story.txid, ground.moment.now);
    let state = State::Following(chosen, Box::new(story));
    FlowTurn::Call(Call::AuthApi(call), state.into())
}

fn told(chosen: Chosen, mut story: Story, answer: &HttpAnswer, ground: &mut Ground<'_>) -> Step {
    let status = auth_api::read_auth_status(answer, ground.moment.now);
    let reason = match &status {
        Ok(AuthStatus::Waiting(details)) => {
            story.told.push(details.status.clone());
            return follow(chosen, story, ground);
        }
        Ok(end @ AuthStatus::Allowed(_)) => {
            let allowed = Allowed::by_factor(&story, end, ground.moment.now);
            return allow(chosen, allowed, ground);
        }
        Ok(AuthStatus::Denied(details)) => details.status.chars().take(LONGEST_WORD).collect(),
        Err(error) => failed(error, ground),
    };
    refuse(&chosen, &story.request.factor, &reason, ground);
    end(&status)
}

/// The event of an authentication that did not succeed.
fn end(status: &Result<AuthStatus, DuoError>) -> Step {
    let event = after_auth(status).filter(|event| *event != Event::Proceed);
    FlowTurn::Fail(event.unwrap_or(Event::AuthenticationException))
}

fn allow(chosen: Chosen, allowed: Option<Allowed>, ground: &mut Ground<'_>) -> Step {
    let (Some(allowed), Some(api)) = (allowed, api(ground)) else {
        return gone();
    };
    ground.core.duo_output = Some(serde_json::json!({"claims": allowed.claims()}));
    let client_id = api.integration.client_id.clone();
    map(Allow::by_auth_api(chosen, client_id, &allowed), ground)
}

/// The audit line of an authentication that came to nothing.
fn refuse(chosen: &Chosen, factor: &Factor, reason: &str, ground: &mut Ground<'_>) {
    let client_id = api(ground).map(|api| api.integration.client_id.clone());
    ground.records.push(Record::Duo(DuoRecord {
        username: chosen.duo_username.clone(),
        client_id: client_id.unwrap_or_default(),
        reason: format!("refused: {reason}"),
        factor: factor.name().to_owned(),
        ..DuoRecord::default()
    }));
}

/// A call that failed: its detail is for the process log.
fn failed(error: &DuoError, ground: &mut Ground<'_>) -> String {
    ground
        .records
        .push(Record::Trouble(format!("Auth API: {error}")));
    brief(error).to_owned()
}

fn api<'a>(ground: &Ground<'a>) -> Option<&'a AuthApiRules> {
    let rules = ground.rules;
    rules.duo.auth_api.as_ref()
}

/// Cannot happen: a login keeps its rules for as long as it lives.
fn gone() -> Step {
    FlowTurn::Fail(Event::AuthenticationException)
}

fn subject(chosen: &Chosen) -> Subject {
    Subject::Username(chosen.duo_username.clone())
}

fn client_ip(api: &AuthApiRules, ground: &Ground<'_>) -> Option<String> {
    let address = ground.core.request.client_ip?;
    api.client_address_trusted.then(|| address.to_string())
}

impl From<State> for super::State {
    fn from(state: State) -> Self {
        Self::WithoutBrowser(Box::new(state))
    }
}
