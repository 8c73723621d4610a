//! The `DuoOIDC` flow: health check, redirect, callback, exchange, verification, principals.
//!
//! The browser leaves with a fresh `state` and `nonce`; both are good for one return. Whatever goes
//! wrong becomes a [`DuoProblem`], never a result.

mod auth_api;
pub(super) mod choose;
mod map;

use super::remembered;
use super::run::{FlowTurn, Ground, Trouble};
use super::values::{
    Answer, Call, Callback, CallbackOutcome, DuoProblem, DuoRecord, Form, Input, Page, Record,
};
use crate::authn::event::Event;
use crate::authn::flow::FlowId;
use crate::authn::transition::Stage;
use crate::duo::claims::{self, Expected};
use crate::duo::integration::Integration;
use crate::duo::oidc::{self, AuthorizeParameters, DuoError, HttpAnswer};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use choose::{Chosen, Unchosen, choose};
use map::{Allow, map};

/// Where the flow stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// Duo comes first: the user name is being asked.
    Naming { missing: bool },
    /// Integration and name are being chosen; a strategy waits for a fact.
    Choosing { claimed: Option<String> },
    /// Whether to offer to remember the browser waits for a fact.
    Weighing(Chosen),
    /// The page before the redirect is shown.
    Offered(Chosen),
    /// The user's starts are being counted.
    Counting(Chosen),
    /// The health check is under way.
    Checking(Chosen),
    /// The browser is at Duo.
    Away(Attempt),
    /// The code is being exchanged.
    Exchanging(Attempt),
    /// Duo's allow is verified; the principal strategy waits for a fact.
    Mapping(Box<Allow>),
    /// There is no browser to send away. Such a login is never stored.
    #[serde(skip)]
    WithoutBrowser(Box<auth_api::State>),
    /// Something went wrong; the page offers a way back.
    Stuck {
        chosen: Option<Chosen>,
        problem: DuoProblem,
    },
}

/// One trip to Duo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    chosen: Chosen,
    client_id: String,
    parameters: AuthorizeParameters,
    since: Timestamp,
}

/// Starts an attempt: chooses integration and name, then checks Duo's health. Where Duo comes
/// first, the name is asked before.
pub(super) fn start(ground: &mut Ground<'_>) -> FlowTurn<State> {
    if ground.core.request.non_browser {
        return auth_api::start(ground);
    }
    let nobody = ground.core.username().is_none();
    if nobody && ground.rules.duo.passwordless.is_some() {
        return State::Naming { missing: false }.revisit(ground);
    }
    attempt(None, ground)
}

fn attempt(claimed: Option<String>, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match choose(ground, claimed.clone()) {
        Ok(chosen) => offer(chosen, ground),
        Err(Unchosen::Needs(key)) => FlowTurn::Needs(key, State::Choosing { claimed }),
        Err(Unchosen::NoUser) => FlowTurn::Fail(Event::NoCredentials),
        Err(Unchosen::Policy(reason)) => misconfigured(None, reason, ground),
    }
}

fn named(username: &str, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let username = username.trim();
    if username.is_empty() {
        return State::Naming { missing: true }.revisit(ground);
    }
    attempt(Some(username.to_owned()), ground)
}

impl State {
    pub(super) fn advance(self, input: Input, ground: &mut Ground<'_>) -> FlowTurn<State> {
        match (self, input) {
            (Self::WithoutBrowser(flow), input) => flow.advance(input, ground),
            (_, Input::Form(Form::Other)) => FlowTurn::Fail(Event::ReselectFlow),
            (Self::Naming { .. }, Input::Form(Form::Username(username))) => {
                named(&username, ground)
            }
            (Self::Choosing { claimed }, Input::Answer(Answer::Fact(..))) => {
                attempt(claimed, ground)
            }
            (Self::Stuck { chosen: None, .. }, Input::Form(Form::Retry)) => start(ground),
            (Self::Weighing(chosen), Input::Answer(Answer::Fact(..))) => offer(chosen, ground),
            (
                Self::Offered(chosen)
                | Self::Away(Attempt { chosen, .. })
                | Self::Stuck {
                    chosen: Some(chosen),
                    ..
                },
                Input::Form(form @ (Form::Retry | Form::RetryAndRemember)),
            ) => {
                let ticked = matches!(form, Form::RetryAndRemember);
                ground.core.remember = ground.core.remember.answered(ticked);
                begin(chosen, ground)
            }
            (Self::Counting(chosen), Input::Answer(Answer::DuoStarts(starts))) => {
                counted(chosen, starts, ground)
            }
            (Self::Checking(chosen), Input::Answer(Answer::Health(answer))) => {
                checked(chosen, &answer, ground)
            }
            (Self::Away(attempt), Input::Callback(callback)) => returned(attempt, callback, ground),
            (Self::Exchanging(attempt), Input::Answer(Answer::Token(answer))) => {
                exchanged(attempt, &answer, ground)
            }
            (Self::Mapping(allow), Input::Answer(Answer::Fact(..))) => map(*allow, ground),
            (state, _) => state.revisit(ground),
        }
    }

    /// The `state` a callback must carry.
    pub(super) fn pending_state(&self) -> Option<&str> {
        match self {
            Self::Away(attempt) => Some(&attempt.parameters.state),
            _ => None,
        }
    }

    /// The integration a callback is awaited from.
    pub(super) fn pending_integration(&self) -> Option<&str> {
        match self {
            Self::Away(attempt) => Some(&attempt.chosen.integration),
            _ => None,
        }
    }

    /// The audit line of an attempt that nobody finished.
    pub(super) fn expiry_record(&self) -> Option<Record> {
        let record = match self {
            Self::Away(attempt) | Self::Exchanging(attempt) => attempt.record(),
            Self::Mapping(allow) => allow.record.clone(),
            Self::Naming { .. }
            | Self::Choosing { .. }
            | Self::Weighing(_)
            | Self::Offered(_)
            | Self::Counting(_)
            | Self::Checking(_)
            | Self::WithoutBrowser(_)
            | Self::Stuck { .. } => return None,
        };
        Some(Record::Duo(DuoRecord {
            reason: "expired".to_owned(),
            ..record
        }))
    }

    /// A reload, the back button, or an input of another step: show where we are. A call that was
    /// lost in a restart is a problem with a way back.
    fn revisit(self, ground: &Ground<'_>) -> FlowTurn<State> {
        match self {
            Self::Away(attempt) if attempt.expired(ground) => {
                stuck(Some(attempt.chosen), DuoProblem::Expired)
            }
            Self::Away(attempt) => {
                let page = page(Some(&attempt.chosen), None, ground);
                FlowTurn::Show(page, Self::Away(attempt))
            }
            Self::Offered(chosen) => {
                let page = page(Some(&chosen), None, ground);
                FlowTurn::Show(page, Self::Offered(chosen))
            }
            Self::Stuck { chosen, problem } => {
                let page = page(chosen.as_ref(), Some(problem.clone()), ground);
                FlowTurn::Show(page, Self::Stuck { chosen, problem })
            }
            Self::Weighing(chosen)
            | Self::Checking(chosen)
            | Self::Counting(chosen)
            | Self::Exchanging(Attempt { chosen, .. }) => stuck(Some(chosen), DuoProblem::Expired),
            Self::Mapping(allow) => stuck(Some(allow.chosen), DuoProblem::Expired),
            Self::Naming { missing } => {
                let page = username_page(missing, ground);
                FlowTurn::Show(page, Self::Naming { missing })
            }
            Self::Choosing { .. } | Self::WithoutBrowser(_) => stuck(None, DuoProblem::Expired),
        }
    }
}

impl Attempt {
    fn expired(&self, ground: &Ground<'_>) -> bool {
        let age = ground.moment.now.duration_since(self.since);
        age.unsigned_abs() > ground.rules.duo.pending_lifetime
    }

    /// The audit fields known before the redirect.
    fn record(&self) -> DuoRecord {
        DuoRecord {
            username: self.parameters.username.clone(),
            redirect_uri: self.parameters.redirect_uri.clone(),
            client_id: self.client_id.clone(),
            request_state: self.parameters.state.clone(),
            ..DuoRecord::default()
        }
    }

    /// The audit fields of a refused return, with our own reason.
    fn refused(&self, reason: String) -> Record {
        let response_state = self.parameters.state.clone();
        Record::Duo(DuoRecord {
            response_state,
            reason,
            ..self.record()
        })
    }
}

/// The page before the redirect, where the integration wants one, or the user has to be asked
/// whether to remember the browser; it is also the place to choose another way.
fn offer(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match remembered::offered(&chosen.integration, ground) {
        Ok(remember) => ground.core.remember = remember,
        Err(key) => return FlowTurn::Needs(key, State::Weighing(chosen)),
    }
    let asks = ground.core.remember.ticked().is_some();
    match integration(&chosen, ground) {
        Some(duo) if duo.interstitial || asks => State::Offered(chosen).revisit(ground),
        _ => begin(chosen, ground),
    }
}

fn begin(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    if !ground.rules.duo.health_check {
        return count(chosen);
    }
    let Some(integration) = integration(&chosen, ground) else {
        return unusable(chosen, ground);
    };
    let jti = ground.moment.token("duo-health-jti");
    let request = oidc::health_check(&integration, &jti[..36], ground.moment.now);
    FlowTurn::Call(
        Call::Health {
            integration: chosen.integration.clone(),
            request,
        },
        State::Checking(chosen),
    )
}

fn checked(chosen: Chosen, answer: &HttpAnswer, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match oidc::read_health(answer, ground.moment.now) {
        Ok(()) => count(chosen),
        Err(error) => stuck(Some(chosen), DuoProblem::Unavailable(error)),
    }
}

/// A push that nobody asked for wears people down: the starts of a user are bounded (attack S47).
fn count(chosen: Chosen) -> FlowTurn<State> {
    FlowTurn::Call(
        Call::DuoStart(chosen.username.clone()),
        State::Counting(chosen),
    )
}

fn counted(chosen: Chosen, starts: u32, ground: &mut Ground<'_>) -> FlowTurn<State> {
    if starts > ground.rules.duo.max_starts {
        return stuck(Some(chosen), DuoProblem::TooOften);
    }
    redirect(chosen, ground)
}

fn redirect(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let usable = integration(&chosen, ground)
        .and_then(|duo| callback_url(&duo, ground).map(|redirect_uri| (duo, redirect_uri)));
    let Some((duo, redirect_uri)) = usable else {
        return unusable(chosen, ground);
    };
    let parameters = AuthorizeParameters {
        state: ground.moment.token("duo-state"),
        nonce: ground.moment.token("duo-nonce"),
        redirect_uri,
        username: chosen.duo_username.clone(),
    };
    let url = oidc::authorize_url(&duo, &parameters, ground.moment.now);
    let client_id = duo.client_id.clone();
    let attempt = Attempt {
        chosen,
        client_id,
        parameters,
        since: ground.moment.now,
    };
    ground.records.push(Record::Duo(attempt.record()));
    FlowTurn::Redirect(url, State::Away(attempt))
}

/// The fixed callback, or one at the origin the browser used, where that origin is allowed (a
/// forged Host header finds no callback, attack S31).
fn callback_url(duo: &Integration, ground: &Ground<'_>) -> Option<String> {
    duo.redirect_url.clone().or_else(|| {
        let rules = &ground.rules.duo;
        let origin = ground.core.request.origin.as_ref()?;
        let allowed = rules.allowed_origins.contains(origin);
        allowed.then(|| format!("{origin}{}", rules.callback_path))
    })
}

fn returned(attempt: Attempt, callback: Callback, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let same = openssl::memcmp::eq(
        &openssl::sha::sha256(callback.state.as_bytes()),
        &openssl::sha::sha256(attempt.parameters.state.as_bytes()),
    );
    if !same {
        ground
            .records
            .push(attempt.refused("refused: state".to_owned()));
        return stuck(Some(attempt.chosen), DuoProblem::State);
    }
    if attempt.expired(ground) {
        ground.records.push(attempt.refused("expired".to_owned()));
        return stuck(Some(attempt.chosen), DuoProblem::Expired);
    }
    match callback.outcome {
        CallbackOutcome::Code(code) => exchange(attempt, &code, ground),
        CallbackOutcome::Error { error, .. } => {
            let error: String = error.chars().take(100).collect();
            ground
                .records
                .push(attempt.refused(format!("error: {error}")));
            stuck(Some(attempt.chosen), DuoProblem::ErrorCallback { error })
        }
    }
}

fn exchange(attempt: Attempt, code: &str, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let Some(duo) = integration(&attempt.chosen, ground) else {
        return unusable(attempt.chosen, ground);
    };
    let jti = ground.moment.token("duo-token-jti");
    let uri = &attempt.parameters.redirect_uri;
    let request = oidc::token(&duo, code, uri, &jti[..36], ground.moment.now);
    let integration = attempt.chosen.integration.clone();
    FlowTurn::Call(
        Call::Token {
            integration,
            request,
        },
        State::Exchanging(attempt),
    )
}

fn exchanged(attempt: Attempt, answer: &HttpAnswer, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let now = ground.moment.now;
    let Some(duo) = integration(&attempt.chosen, ground) else {
        return unusable(attempt.chosen, ground);
    };
    let token = match oidc::read_token(answer, now) {
        Ok(token) => token,
        Err(error) => {
            ground
                .records
                .push(attempt.refused(format!("refused: exchange: {}", brief(&error))));
            return stuck(Some(attempt.chosen), DuoProblem::Exchange(error));
        }
    };
    let expected = Expected {
        integration: &duo,
        username: &attempt.parameters.username,
        nonce: &attempt.parameters.nonce,
        forced: ground.core.request.force_authn,
    };
    match claims::verify(&token.id_token, &expected, now) {
        Ok(claims) => {
            ground.core.duo_output =
                Some(serde_json::json!({"rawResponse": token.redacted, "claims": claims.all}));
            map(Allow::by_token(&attempt, claims), ground)
        }
        Err(error) => {
            ground
                .records
                .push(attempt.refused(format!("refused: token: {error}")));
            stuck(Some(attempt.chosen), DuoProblem::Token(error))
        }
    }
}

fn integration(chosen: &Chosen, ground: &Ground<'_>) -> Option<Arc<Integration>> {
    ground
        .rules
        .duo
        .integrations
        .get(&chosen.integration)
        .cloned()
}

fn stuck(chosen: Option<Chosen>, problem: DuoProblem) -> FlowTurn<State> {
    let outage = matches!(&problem, DuoProblem::Unavailable(error) if error.is_outage());
    FlowTurn::Trouble(
        Trouble {
            event: Event::AuthenticationException,
            outage,
        },
        State::Stuck { chosen, problem },
    )
}

/// A script failed, or chose what is not declared.
fn misconfigured(
    chosen: Option<Chosen>,
    reason: String,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    ground.core.broken(reason);
    stuck(chosen, DuoProblem::Policy)
}

/// The integration is gone, or has no callback for the origin the browser used.
fn unusable(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let name = &chosen.integration;
    let reason = format!("the Duo integration {name} is gone, or has no callback here");
    misconfigured(Some(chosen), reason, ground)
}

/// The page of a state that waits for the user.
pub(super) fn current_page(state: &State, ground: &Ground<'_>) -> Page {
    match state {
        State::Stuck { chosen, problem } => page(chosen.as_ref(), Some(problem.clone()), ground),
        State::Away(Attempt { chosen, .. })
        | State::Exchanging(Attempt { chosen, .. })
        | State::Weighing(chosen)
        | State::Offered(chosen)
        | State::Counting(chosen)
        | State::Checking(chosen) => page(Some(chosen), None, ground),
        State::Naming { missing } => username_page(*missing, ground),
        State::Mapping(allow) => page(Some(&allow.chosen), None, ground),
        State::Choosing { .. } | State::WithoutBrowser(_) => page(None, None, ground),
    }
}

fn page(chosen: Option<&Chosen>, problem: Option<DuoProblem>, ground: &Ground<'_>) -> Page {
    let display_name = chosen
        .and_then(|chosen| integration(chosen, ground))
        .map_or_else(|| "Duo".to_owned(), |duo| duo.display_name.clone());
    Page::Duo {
        username: chosen
            .map(|chosen| chosen.username.as_str())
            .or(ground.core.username())
            .unwrap_or_default()
            .to_owned(),
        name: chosen.map_or_else(String::new, |chosen| chosen.integration.clone()),
        integration: display_name,
        problem,
        other_way: other_way(ground),
        remember: ground.core.remember.ticked(),
    }
}

fn username_page(missing: bool, ground: &Ground<'_>) -> Page {
    Page::Username {
        missing,
        other_way: other_way(ground),
    }
}

fn other_way(ground: &Ground<'_>) -> bool {
    let stage = Stage::After(FlowId::DuoOidc);
    let transitions = &ground.rules.transitions;
    transitions.explicit(stage, Event::ReselectFlow).is_some()
}

fn brief(error: &DuoError) -> &'static str {
    match error {
        DuoError::Unreachable(_) => "unreachable",
        DuoError::ServerError(_) => "server error",
        DuoError::RateLimited => "rate limited",
        DuoError::InvalidClient { .. } => "invalid_client",
        DuoError::UnknownClient => "unknown client",
        DuoError::WrongSecret => "wrong secret",
        DuoError::ClockRefused { .. } => "clock",
        DuoError::WrongApplicationKind => "wrong application kind",
        DuoError::InvalidGrant => "invalid_grant",
        DuoError::Refused(..) => "refused",
        DuoError::Malformed(_) => "malformed",
    }
}
