//! The Password flow: a form, a check, a result.

use super::run::{FlowTurn, Ground};
use super::values::{
    Answer, Call, Expiry, Form, Input, Page, PasswordAnswer, PasswordProblem, Record,
};
use crate::authn::event::Event;
use crate::authn::evidence::PasswordVerified;
use crate::authn::flow::FlowId;
use crate::authn::result::FactorResult;
use crate::duo::secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who refused, in the audit, where no validator was asked.
const THROTTLE: &str = "throttle";

/// Where the Password flow stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// The form is shown.
    AwaitForm {
        problem: Option<PasswordProblem>,
        username: String,
    },
    /// The back end is checking.
    Checking { username: String },
    /// The password was right; a notice that it soon has to be changed is shown.
    Notified {
        expiry: Expiry,
        result: Box<FactorResult>,
    },
}

/// Starts the flow with an empty form, or with what a client without a browser brought along.
pub(super) fn start(ground: &mut Ground<'_>) -> FlowTurn<State> {
    if !ground.core.request.non_browser {
        return show(None, String::new());
    }
    // Taken, so that a rule that leads back here does not try the same password again.
    match ground.core.credentials.take() {
        Some((username, password)) => submitted(username, password),
        None => FlowTurn::Fail(Event::NoCredentials),
    }
}

impl State {
    pub(super) fn advance(self, input: Input, ground: &mut Ground<'_>) -> FlowTurn<State> {
        match (self, input) {
            (Self::AwaitForm { .. }, Input::Form(Form::Password { username, password })) => {
                submitted(username, password)
            }
            (_, Input::Form(Form::Other)) => FlowTurn::Fail(Event::ReselectFlow),
            (Self::Notified { result, .. }, Input::Form(Form::Continue)) => {
                FlowTurn::Succeed(*result)
            }
            (Self::Notified { expiry, result }, _) => notify(expiry, result),
            (Self::Checking { username }, Input::Answer(Answer::Password(answer))) => {
                answered(username, answer, ground)
            }
            (Self::AwaitForm { problem, username }, _) => show(problem, username),
            // The check was lost (a restart in between): the form is shown again.
            (Self::Checking { username }, _) => show(None, username),
        }
    }
}

fn submitted(username: String, password: Secret) -> FlowTurn<State> {
    if username.trim().is_empty() || password.expose().is_empty() {
        return show(Some(PasswordProblem::Missing), username);
    }
    let state = State::Checking {
        username: username.clone(),
    };
    FlowTurn::Call(Call::Password { username, password }, state)
}

fn answered(username: String, answer: PasswordAnswer, ground: &mut Ground<'_>) -> FlowTurn<State> {
    match answer {
        PasswordAnswer::Verified(evidence) => {
            FlowTurn::Succeed(verified(&username, evidence, ground))
        }
        PasswordAnswer::Expiring(evidence, expiry) => {
            let result = verified(&username, evidence, ground);
            let request = &ground.core.request;
            // A notice is for people at a browser who may be shown pages.
            if request.is_passive || request.non_browser {
                FlowTurn::Succeed(result)
            } else {
                notify(expiry, Box::new(result))
            }
        }
        PasswordAnswer::Refused => refused(
            username,
            Event::InvalidCredentials,
            PasswordProblem::Refused,
            ground,
        ),
        PasswordAnswer::AccountLocked => refused(
            username,
            Event::AccountLocked,
            PasswordProblem::Refused,
            ground,
        ),
        PasswordAnswer::Throttled => throttled(username, ground),
        PasswordAnswer::Expired => refused(
            username,
            Event::ExpiredPassword,
            PasswordProblem::Expired,
            ground,
        ),
        PasswordAnswer::Unavailable => {
            let event = Event::AuthenticationException;
            refused(username, event, PasswordProblem::Unavailable, ground)
        }
    }
}

fn refused(
    username: String,
    event: Event,
    problem: PasswordProblem,
    ground: &mut Ground<'_>,
) -> FlowTurn<State> {
    ground.records.push(record(&username, event.as_str(), ""));
    if ground.core.request.non_browser {
        return FlowTurn::Fail(told(event));
    }
    show(Some(problem), username)
}

/// The audit knows that the password was not looked at; everybody else hears what they hear of a
/// wrong one (attack S52).
fn throttled(username: String, ground: &mut Ground<'_>) -> FlowTurn<State> {
    let event = Event::AccountLocked;
    let record = record(&username, event.as_str(), THROTTLE);
    ground.records.push(record);
    if ground.core.request.non_browser {
        return FlowTurn::Fail(told(event));
    }
    show(Some(PasswordProblem::Refused), username)
}

fn verified(username: &str, evidence: PasswordVerified, ground: &mut Ground<'_>) -> FactorResult {
    let record = record(username, "Success", evidence.validator());
    ground.records.push(record);
    result(evidence, ground)
}

fn notify(expiry: Expiry, result: Box<FactorResult>) -> FlowTurn<State> {
    let page = Page::ExpiringPassword(expiry);
    FlowTurn::Show(page, State::Notified { expiry, result })
}

/// What others hear of an account without a right password: some back ends say that it is locked
/// before they look at the password (attack S52). The audit knows better.
fn told(event: Event) -> Event {
    match event {
        Event::AccountLocked => Event::InvalidCredentials,
        event => event,
    }
}

fn result(evidence: PasswordVerified, ground: &Ground<'_>) -> FactorResult {
    let principals = ground
        .rules
        .flows
        .get(&FlowId::Password)
        .filter(|descriptor| descriptor.add_default_principals)
        .map(|descriptor| {
            descriptor
                .supported_principals
                .iter()
                .cloned()
                .collect::<BTreeSet<_>>()
        })
        .unwrap_or_default();
    let now = ground.moment.now;
    FactorResult::password(evidence, principals, &ground.rules.classes, now)
}

fn show(problem: Option<PasswordProblem>, username: String) -> FlowTurn<State> {
    let page = Page::Password {
        error: problem,
        username: username.clone(),
    };
    FlowTurn::Show(page, State::AwaitForm { problem, username })
}

fn record(username: &str, outcome: &str, validator: &str) -> Record {
    Record::Password {
        username: username.to_owned(),
        outcome: outcome.to_owned(),
        validator: validator.to_owned(),
    }
}
