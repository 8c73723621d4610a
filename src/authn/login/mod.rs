//! The login: a state machine that is advanced by inputs and returns what to do next.
//!
//! `advance` consumes the login, so an old state cannot be used again. One place,
//! `run::Run::decide`, chooses the next step; the flows never call one another.

mod core;
mod duo_oidc;
mod ending;
mod password;
mod remembered;
mod run;
#[cfg(test)]
mod tests;
mod values;

pub use values::{
    Answer, Call, Callback, CallbackOutcome, DuoProblem, DuoRecord, Expiry, Failure, Form, Input,
    Page, PasswordAnswer, PasswordProblem, Presented, Record, Start, Step, Success, Terms, Turn,
    Unknown, Verdict,
};

use crate::authn::event::Event;
use crate::authn::moment::Moment;
use crate::authn::result::FactorResult;
use crate::authn::rules::Rules;
use crate::authn::transition::Stage;
use core::Core;
use run::Run;
use serde::{Deserialize, Serialize};

/// A login in progress. Serializable, so that it survives a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    core: Core,
    state: State,
}

/// Where a login stands. Each state owns only what is valid in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// Not begun; earlier results wait to be looked at.
    Ready { earlier: Vec<FactorResult> },
    /// A transition or condition waits for a fact.
    Deciding(Left),
    /// The Password flow runs.
    Password(password::State),
    /// The `DuoOIDC` flow runs.
    DuoOidc(duo_oidc::State),
}

/// A stage just left, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    stage: Stage,
    event: Event,
    /// The flow could not run because its service is down, before the user was sent anywhere: the
    /// only failure after which `end` may still mean success.
    outage: bool,
}

impl Left {
    fn proceed(stage: Stage) -> Self {
        Self {
            stage,
            event: Event::Proceed,
            outage: false,
        }
    }
}

impl Login {
    /// A login that has not begun.
    pub fn new(start: Start, rules: &Rules) -> Self {
        let (core, earlier) = Core::new(start, rules);
        Self {
            core,
            state: State::Ready { earlier },
        }
    }

    /// Advances the login by one input.
    ///
    /// An input that does not fit the state shows the current page again, or fails closed where
    /// there is none.
    pub fn advance(self, input: Input, rules: &Rules, moment: &Moment) -> Turn {
        Run::new(self.core, rules, moment).turn(self.state, input)
    }

    /// The transaction id.
    pub fn transaction(&self) -> &str {
        &self.core.transaction
    }

    /// The user, once a factor has proved it.
    pub fn username(&self) -> Option<&str> {
        self.core.username()
    }

    /// The `state` that a Duo callback must carry, while one is awaited.
    pub fn pending_state(&self) -> Option<&str> {
        match &self.state {
            State::DuoOidc(flow) => flow.pending_state(),
            State::Ready { .. } | State::Deciding(_) | State::Password(_) => None,
        }
    }

    /// The Duo integration a callback is awaited from, while one is.
    pub fn pending_integration(&self) -> Option<&str> {
        match &self.state {
            State::DuoOidc(flow) => flow.pending_integration(),
            State::Ready { .. } | State::Deciding(_) | State::Password(_) => None,
        }
    }

    /// Ends a login that nobody will finish: the failure to audit, and the line that an expiring
    /// Duo step leaves.
    pub fn abandon(self, event: Event) -> (Failure, Vec<Record>) {
        let records = match &self.state {
            State::DuoOidc(flow) => flow.expiry_record().into_iter().collect(),
            State::Ready { .. } | State::Deciding(_) | State::Password(_) => Vec::new(),
        };
        (self.core.failure(event), records)
    }
}
