//! The `DuoOIDC` flow: health check, redirect, callback, exchange, verification, principals.
//!
//! The browser leaves with a fresh `state` and `nonce`; both are good for one return. Whatever goes
//! wrong becomes a [`DuoProblem`], never a result.

use super::run::{FlowTurn, Ground, Trouble};
use super::values::{
    Answer, Call, Callback, CallbackOutcome, DuoProblem, DuoRecord, Form, Input, Page, Record,
};
use crate::authn::event::Event;
use crate::authn::evidence::DuoVerified;
use crate::authn::facts::FactKey;
use crate::authn::flow::FlowId;
use crate::authn::result::FactorResult;
use crate::authn::strategy::{Decision, Trace};
use crate::duo::claims::{self, Expected, VerifiedClaims};
use crate::duo::integration::Integration;
use crate::duo::oidc::{self, AuthorizeParameters, DuoError, HttpAnswer};
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where the flow stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// Integration and name are being chosen; a strategy waits for a fact.
    Choosing,
    /// The health check is under way.
    Checking(Chosen),
    /// The browser is at Duo.
    Away(Attempt),
    /// The code is being exchanged.
    Exchanging(Attempt),
    /// The claims are verified; the principal strategy waits for a fact.
    Mapping {
        attempt: Attempt,
        claims: Box<VerifiedClaims>,
    },
    /// Something went wrong; the page offers a way back.
    Stuck {
        chosen: Option<Chosen>,
        problem: DuoProblem,
    },
}

/// The integration and the name at Duo, chosen once for an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chosen {
    integration: String,
    /// Our user.
    username: String,
    /// The user at Duo.
    duo_username: String,
}

/// One trip to Duo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    chosen: Chosen,
    client_id: String,
    parameters: AuthorizeParameters,
    since: Timestamp,
}

/// Starts an attempt: chooses integration and name, then checks Duo's health.
pub(super) fn start(ground: &mut Ground<'_>) -> FlowTurn<State> {
    match choose(ground) {
        Ok(chosen) => begin(chosen, ground),
        Err(Unchosen::Needs(key)) => FlowTurn::Needs(key, State::Choosing),
        Err(Unchosen::NoUser) => FlowTurn::Fail(Event::NoCredentials),
        Err(Unchosen::Policy(reason)) => {
            ground.core.note(reason);
            stuck(None, DuoProblem::Policy)
        }
    }
}

impl State {
    pub(super) fn advance(self, input: Input, ground: &mut Ground<'_>) -> FlowTurn<State> {
        match (self, input) {
            (_, Input::Form(Form::Cancel)) => FlowTurn::Fail(Event::ReselectFlow),
            (Self::Choosing, Input::Answer(Answer::Fact(..)))
            | (Self::Away(_) | Self::Stuck { .. }, Input::Form(Form::Retry)) => start(ground),
            (Self::Checking(chosen), Input::Answer(Answer::Health(answer))) => {
                checked(chosen, &answer, ground)
            }
            (Self::Away(attempt), Input::Callback(callback)) => returned(attempt, callback, ground),
            (Self::Exchanging(attempt), Input::Answer(Answer::Token(answer))) => {
                exchanged(attempt, &answer, ground)
            }
            (Self::Mapping { attempt, claims }, Input::Answer(Answer::Fact(..))) => {
                map(attempt, *claims, ground)
            }
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
        match self {
            Self::Away(attempt) | Self::Exchanging(attempt) | Self::Mapping { attempt, .. } => {
                Some(Record::Duo(DuoRecord {
                    reason: "expired".to_owned(),
                    ..attempt.record()
                }))
            }
            Self::Choosing | Self::Checking(_) | Self::Stuck { .. } => None,
        }
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
            Self::Stuck { chosen, problem } => {
                let page = page(chosen.as_ref(), Some(problem.clone()), ground);
                FlowTurn::Show(page, Self::Stuck { chosen, problem })
            }
            Self::Checking(chosen)
            | Self::Exchanging(Attempt { chosen, .. })
            | Self::Mapping {
                attempt: Attempt { chosen, .. },
                ..
            } => stuck(Some(chosen), DuoProblem::Expired),
            Self::Choosing => stuck(None, DuoProblem::Expired),
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

enum Unchosen {
    Needs(FactKey),
    NoUser,
    Policy(String),
}

fn choose(ground: &mut Ground<'_>) -> Result<Chosen, Unchosen> {
    let username = ground.core.username().ok_or(Unchosen::NoUser)?.to_owned();
    let duo = &ground.rules.duo;
    let strategies = &ground.rules.strategies;
    let view = ground
        .core
        .view(ground.rules, Event::Proceed, ground.moment.now);
    let (integration, first) = match &duo.integration_strategy {
        Some(script) => settle(strategies.integration(script, &view))?,
        None => ("default".to_owned(), Trace::default()),
    };
    let (duo_username, second) = match &duo.username_strategy {
        Some(script) => settle(strategies.duo_username(script, &view))?,
        None => (username.clone(), Trace::default()),
    };
    if !duo.integrations.contains_key(&integration) {
        return Err(Unchosen::Policy("no such Duo integration".to_owned()));
    }
    if duo_username.is_empty() {
        return Err(Unchosen::NoUser);
    }
    ground.core.keep(first);
    ground.core.keep(second);
    Ok(Chosen {
        integration,
        username,
        duo_username,
    })
}

fn settle<T>(decision: Decision<T>) -> Result<(T, Trace), Unchosen> {
    match decision {
        Decision::Made(value, trace) => Ok((value, trace)),
        Decision::Needs(key) => Err(Unchosen::Needs(key)),
        Decision::Failed(reason) => Err(Unchosen::Policy(reason)),
    }
}

fn begin(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    if !ground.rules.duo.health_check {
        return redirect(chosen, ground);
    }
    let Some(integration) = integration(&chosen, ground) else {
        return stuck(Some(chosen), DuoProblem::Policy);
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
        Ok(()) => redirect(chosen, ground),
        Err(error) => stuck(Some(chosen), DuoProblem::Unavailable(error)),
    }
}

fn redirect(chosen: Chosen, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let usable = integration(&chosen, ground).and_then(|duo| {
        duo.redirect_url
            .clone()
            .map(|redirect_uri| (duo, redirect_uri))
    });
    let Some((duo, redirect_uri)) = usable else {
        return stuck(Some(chosen), DuoProblem::Policy);
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

fn exchange(attempt: Attempt, code: &str, ground: &Ground<'_>) -> FlowTurn<State> {
    let Some(duo) = integration(&attempt.chosen, ground) else {
        return stuck(Some(attempt.chosen), DuoProblem::Policy);
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
        return stuck(Some(attempt.chosen), DuoProblem::Policy);
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
            map(attempt, claims, ground)
        }
        Err(error) => {
            ground
                .records
                .push(attempt.refused(format!("refused: token: {error}")));
            stuck(Some(attempt.chosen), DuoProblem::Token(error))
        }
    }
}

/// From verified claims to a result: what the evidence proves bounds what may be claimed.
fn map(attempt: Attempt, claims: VerifiedClaims, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match wanted_principals(&attempt, &claims, ground) {
        Decision::Made(principals, trace) => {
            ground.core.keep(trace);
            succeed(&attempt, &claims, principals, ground)
        }
        Decision::Needs(key) => FlowTurn::Needs(
            key,
            State::Mapping {
                attempt,
                claims: Box::new(claims),
            },
        ),
        Decision::Failed(reason) => {
            ground
                .records
                .push(attempt.refused("refused: policy".to_owned()));
            ground.core.note(reason);
            stuck(Some(attempt.chosen), DuoProblem::Policy)
        }
    }
}

fn succeed(
    attempt: &Attempt,
    claims: &VerifiedClaims,
    principals: BTreeSet<AuthnContextClassRef>,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    ground.records.push(Record::Duo(DuoRecord {
        response_state: attempt.parameters.state.clone(),
        txid: claims.txid.clone(),
        device_id: claims.device_id.clone(),
        device_name: claims.device_name.clone(),
        reason: claims.reason.clone(),
        factor: claims.factor.clone(),
        ..attempt.record()
    }));
    let Chosen {
        integration,
        username,
        ..
    } = attempt.chosen.clone();
    let evidence = DuoVerified::attest(username, integration, claims);
    let grade = ground
        .rules
        .duo
        .evidence
        .grade(&evidence, ground.core.request.force_authn);
    let now = ground.moment.now;
    let result = FactorResult::duo(evidence, grade, principals, &ground.rules.classes, now);
    FlowTurn::Succeed(result)
}

/// Shibboleth's order: the integration's own always, and the mapping script's or else the flow's
/// defaults. A script may name only what the flow or the integration declares.
fn wanted_principals(
    attempt: &Attempt,
    claims: &VerifiedClaims,
    ground: &Ground<'_>,
) -> Decision<BTreeSet<AuthnContextClassRef>> {
    let own = integration(&attempt.chosen, ground)
        .map(|duo| duo.supported_principals.clone())
        .unwrap_or_default();
    let mut principals: BTreeSet<_> = own.into_iter().map(AuthnContextClassRef::new).collect();
    let descriptor = ground.rules.flows.get(&FlowId::DuoOidc);
    let declared = descriptor
        .map(|d| d.supported_principals.as_slice())
        .unwrap_or_default();
    let Some(script) = &ground.rules.duo.principal_strategy else {
        if descriptor.is_some_and(|d| d.add_default_principals) {
            principals.extend(declared.iter().cloned());
        }
        return Decision::Made(principals, Trace::default());
    };
    let view = ground
        .core
        .view(ground.rules, Event::Proceed, ground.moment.now);
    match ground
        .rules
        .strategies
        .principals(script, &view, &claims.all)
    {
        Decision::Made(mapped, trace) => {
            let undeclared = mapped
                .iter()
                .find(|class| !declared.contains(class) && !principals.contains(class));
            if let Some(class) = undeclared {
                return Decision::Failed(format!("{script} named an undeclared class {class}"));
            }
            principals.extend(mapped);
            Decision::Made(principals, trace)
        }
        Decision::Needs(key) => Decision::Needs(key),
        Decision::Failed(reason) => Decision::Failed(reason),
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
    let outage = matches!(&problem, DuoProblem::Unavailable(error) if is_outage(error));
    FlowTurn::Trouble(
        Trouble {
            event: Event::AuthenticationException,
            outage,
        },
        State::Stuck { chosen, problem },
    )
}

/// The page of a state that waits for the user.
pub(super) fn current_page(state: &State, ground: &Ground<'_>) -> Page {
    match state {
        State::Stuck { chosen, problem } => page(chosen.as_ref(), Some(problem.clone()), ground),
        State::Away(Attempt { chosen, .. })
        | State::Exchanging(Attempt { chosen, .. })
        | State::Mapping {
            attempt: Attempt { chosen, .. },
            ..
        }
        | State::Checking(chosen) => page(Some(chosen), None, ground),
        State::Choosing => page(None, None, ground),
    }
}

fn page(chosen: Option<&Chosen>, problem: Option<DuoProblem>, ground: &Ground<'_>) -> Page {
    let display_name = chosen
        .and_then(|chosen| integration(chosen, ground))
        .map_or_else(|| "Duo".to_owned(), |duo| duo.display_name.clone());
    Page::Duo {
        username: ground.core.username().unwrap_or_default().to_owned(),
        integration: display_name,
        problem,
    }
}

/// Only what the network or Duo's servers did counts as an outage: never credentials, clock or
/// application kind (a wrong secret must not open a door).
fn is_outage(error: &DuoError) -> bool {
    matches!(
        error,
        DuoError::Unreachable(_) | DuoError::ServerError(_) | DuoError::RateLimited
    )
}

fn brief(error: &DuoError) -> &'static str {
    match error {
        DuoError::Unreachable(_) => "unreachable",
        DuoError::ServerError(_) => "server error",
        DuoError::RateLimited => "rate limited",
        DuoError::InvalidClient { .. } => "invalid_client",
        DuoError::WrongApplicationKind => "wrong application kind",
        DuoError::InvalidGrant => "invalid_grant",
        DuoError::Refused(..) => "refused",
        DuoError::Malformed(_) => "malformed",
    }
}
