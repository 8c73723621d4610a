//! How a turn ends: with a page, a redirect, a call, or the login's verdict.

use super::run::{Admitted, Run};
use super::values::{Answer, Call, Input, Page, Record, Step, Success, Turn, Verdict};
use super::{Left, Login, State};
use crate::authn::event::Event;
use crate::authn::facts::{FactKey, FactValue};
use crate::authn::flow::FlowId;
use crate::authn::principal::Strength;
use crate::authn::result::AuthenticationResult;
use crate::saml::context::{AuthnContextClassRef, UNSPECIFIED};
use std::collections::BTreeSet;

impl Run<'_> {
    /// Merges the active results and checks them against the request once more: whatever a script
    /// decided, the class that is asserted is true, and it is what was asked for.
    pub(super) fn finish(mut self, left: Left) -> Turn {
        self.core.outage |= left.outage;
        if left.event != Event::Proceed && !left.outage {
            return self.fail(left.event);
        }
        if self.core.results.is_empty() {
            return self.fail(Event::InvalidAuthenticationContext);
        }
        if let Some(flow) = self.missing() {
            return self.require(flow, left);
        }
        let Some(class) = self.class() else {
            return self.fail(Event::RequestUnsupported);
        };
        let mut factors = self.core.results.clone();
        for result in factors.values_mut() {
            result.last_activity = self.moment.now;
        }
        let Some(result) = AuthenticationResult::merge(factors, self.core.outage) else {
            return self.fail(Event::IdentitySwitch);
        };
        let attributes = match self.core.fetched.remove(&FactKey::UserAttributes) {
            Some(FactValue::Attributes(attributes)) => Some(attributes),
            _ => None,
        };
        let success = Success {
            result,
            class,
            why: self.core.why(),
            audit: std::mem::take(&mut self.core.audit),
            attributes,
            duo: self.core.duo_output.take(),
            remember: self.core.to_remember.take().map(|duo| *duo),
        };
        self.end(Step::Finish(Verdict::Success(Box::new(success))))
    }

    /// The first flow that the relying party requires and that this login has no result of.
    fn missing(&self) -> Option<FlowId> {
        let required = self.core.terms.required.iter();
        let mut missing = required.filter(|flow| !self.core.results.contains_key(flow));
        missing.next().copied()
    }

    /// Runs a flow that the transition map left out, once. What cannot run, or ran and failed, is
    /// not excused by anything, an outage included.
    fn require(mut self, flow: FlowId, left: Left) -> Turn {
        if self.core.outage || self.core.attempts.contains_key(&flow) {
            self.core
                .note(format!("{flow} is required and did not succeed"));
            return self.fail(Event::RequestUnsupported);
        }
        self.core.note(format!("{flow} is required"));
        match self.admit(flow, left) {
            Ok(Admitted::Run) => self.run(flow),
            Ok(Admitted::Remembered) => {
                self.core.note(format!("{flow}: remembered browser"));
                self.finish(left)
            }
            Ok(Admitted::Refused(Event::NoPassive)) => self.fail(Event::NoPassive),
            Ok(Admitted::Reuse | Admitted::Refused(_)) => self.fail(Event::RequestUnsupported),
            Err(key) => self.ask(key, State::Deciding(left)),
        }
    }

    /// The class to assert. A degraded login never claims more than a password (invariant 14).
    fn class(&self) -> Option<AuthnContextClassRef> {
        let classes = &self.rules.classes;
        let mut held = self.core.held();
        if self.core.outage {
            held.retain(|class| classes.strength(class) == Some(Strength::Password));
        }
        match &self.core.wanted {
            Some(wanted) => classes.select(wanted, &held),
            None => Some(
                self.preferred(&held)
                    .or_else(|| classes.strongest(&held))
                    .cloned()
                    .unwrap_or_else(|| AuthnContextClassRef::new(UNSPECIFIED)),
            ),
        }
    }

    /// When nothing was asked, what the operator prefers for this relying party, if it is true
    /// (truth table R1).
    fn preferred<'h>(
        &self,
        held: &'h BTreeSet<AuthnContextClassRef>,
    ) -> Option<&'h AuthnContextClassRef> {
        let mut preferred = self.core.terms.preferred.iter();
        preferred.find_map(|class| held.get(class))
    }

    pub(super) fn show(self, page: Page, state: State) -> Turn {
        match self.pageless() {
            Some(event) => self.fail(event),
            None => self.pause(|login| Step::Show(page, login), state),
        }
    }

    pub(super) fn redirect(self, url: String, state: State) -> Turn {
        match self.pageless() {
            Some(event) => self.fail(event),
            None => self.pause(|login| Step::Redirect(url, login), state),
        }
    }

    /// How a login ends that may see no page: IsPassive (invariant 8), or a client that is no
    /// browser (attack S48), whatever the flows want.
    pub(super) fn pageless(&self) -> Option<Event> {
        let request = &self.core.request;
        if request.is_passive {
            return Some(Event::NoPassive);
        }
        request.non_browser.then_some(Event::RequestUnsupported)
    }

    pub(super) fn call(self, call: Call, state: State) -> Turn {
        self.pause(|login| Step::Call(call, login), state)
    }

    /// Has a fact fetched. Facts about a user nobody has proved yet are unknown.
    pub(super) fn ask(self, key: FactKey, state: State) -> Turn {
        match self.core.username().map(str::to_owned) {
            Some(username) => self.call(Call::Fact(key, username), state),
            None => self.turn(state, Input::Answer(Answer::Fact(key, FactValue::Unknown))),
        }
    }

    fn pause(mut self, step: impl FnOnce(Login) -> Step, state: State) -> Turn {
        let mut records = std::mem::take(&mut self.records);
        let mut core = self.core;
        records.extend(core.notes.drain(..).map(Record::Note));
        Turn {
            step: step(Login { core, state }),
            records,
        }
    }

    /// ReselectFlow means that another flow might do, and there is none beyond the map; a rule may
    /// say `fail` after a success, which is then a failure like any other.
    pub(super) fn fail(self, event: Event) -> Turn {
        let event = match event {
            Event::ReselectFlow => Event::NoPotentialFlow,
            Event::Proceed => Event::AuthenticationException,
            event => event,
        };
        let failure = self.core.failure(event);
        self.end(Step::Finish(Verdict::Failure(failure)))
    }

    fn end(mut self, step: Step) -> Turn {
        let notes = std::mem::take(&mut self.core.notes);
        self.records.extend(notes.into_iter().map(Record::Note));
        Turn {
            step,
            records: self.records,
        }
    }
}
