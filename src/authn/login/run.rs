//! One advance of a login: the engine of the transition map.

use super::core::Core;
use super::values::{Answer, Call, Form, Input, Page, Record, Turn};
use super::{Left, State, duo_oidc, password};
use crate::authn::descriptor::Condition;
use crate::authn::event::Event;
use crate::authn::evidence::Evidence;
use crate::authn::facts::{FactKey, FactValue};
use crate::authn::flow::FlowId;
use crate::authn::moment::Moment;
use crate::authn::result::FactorResult;
use crate::authn::rules::{FailMode, Rules};
use crate::authn::strategy::{Decision, Next, ScriptName};
use crate::authn::transition::{Stage, Target};
use jiff::Timestamp;
use std::time::Duration;

/// What a flow's own machine wants.
pub(super) enum FlowTurn<S> {
    Show(Page, S),
    Redirect(String, S),
    Call(Call, S),
    /// A strategy asked for a fact; ask the flow again with it.
    Needs(FactKey, S),
    Succeed(FactorResult),
    /// The flow ends with this event.
    Fail(Event),
    /// The flow is stuck: a rule of the operator may take over, else its page is shown.
    Trouble(Trouble, S),
}

/// The event a stuck flow would end with.
#[derive(Clone, Copy)]
pub(super) struct Trouble {
    pub(super) event: Event,
    pub(super) outage: bool,
}

/// What a flow's machine may read and write.
pub(super) struct Ground<'a> {
    pub(super) core: &'a mut Core,
    pub(super) rules: &'a Rules,
    pub(super) moment: &'a Moment,
    pub(super) records: &'a mut Vec<Record>,
}

impl Ground<'_> {
    /// A script that fails makes its condition false: no reuse, no activation.
    pub(super) fn holds(&mut self, condition: &Condition) -> Result<bool, FactKey> {
        let script = match condition {
            Condition::Constant(value) => return Ok(*value),
            Condition::Script(script) => script,
        };
        let view = self.core.view(self.rules, Event::Proceed, self.moment.now);
        match self.rules.strategies.condition(script, &view) {
            Decision::Made(value, trace) => {
                self.core.keep(trace);
                Ok(value)
            }
            Decision::Needs(key) => Err(key),
            Decision::Failed(reason) => {
                self.core.broken(reason);
                Ok(false)
            }
        }
    }
}

/// A login while it is being advanced.
pub(super) struct Run<'a> {
    pub(super) core: Core,
    pub(super) rules: &'a Rules,
    pub(super) moment: &'a Moment,
    pub(super) records: Vec<Record>,
}

impl<'a> Run<'a> {
    pub(super) fn new(core: Core, rules: &'a Rules, moment: &'a Moment) -> Self {
        Self {
            core,
            rules,
            moment,
            records: Vec::new(),
        }
    }

    pub(super) fn turn(mut self, state: State, input: Input) -> Turn {
        self.core.steps += 1;
        if self.core.steps > self.rules.step_limit {
            self.core.note("step limit reached".to_owned());
            return self.fail(Event::AuthenticationException);
        }
        match (state, input) {
            // Giving up is final, whatever rules there are: it is what the button says.
            (_, Input::Form(Form::Cancel)) => self.fail(Event::ReselectFlow),
            (State::Ready { earlier }, Input::Answer(Answer::Fact(key, value))) => {
                self.learn(key, value);
                self.recall(earlier)
            }
            (State::Deciding(left), Input::Answer(Answer::Fact(key, value))) => {
                self.learn(key, value);
                self.decide(left)
            }
            (State::Password(flow), input) => {
                let next = flow.advance(input, &mut self.ground());
                self.after_password(next)
            }
            (State::DuoOidc(flow), input) => {
                if let Input::Answer(Answer::Fact(key, value)) = &input {
                    self.learn(*key, value.clone());
                }
                let next = flow.advance(input, &mut self.ground());
                self.after_duo(next)
            }
            // The beginning, or a call was lost in a restart: take the step from its start.
            (State::Ready { earlier }, _) => self.begin(earlier),
            (State::Deciding(left), _) => self.decide(left),
        }
    }

    /// What can be refused before anybody is asked for anything.
    fn begin(mut self, earlier: Vec<FactorResult>) -> Turn {
        let request = &self.core.request;
        // A forced login needs a user, a passive one must not need any (SAML core 3.4.1).
        if request.force_authn && request.is_passive {
            return self.fail(Event::NoPassive);
        }
        if !self.rules.can_satisfy(self.core.wanted.as_ref()) {
            self.core
                .note("no flow can satisfy the requested context".to_owned());
            return self.fail(Event::RequestUnsupported);
        }
        self.recall(earlier)
    }

    /// Brings back earlier results that may still be used, each on its own (Shibboleth's MFA flow
    /// takes its inner results out one by one).
    fn recall(mut self, earlier: Vec<FactorResult>) -> Turn {
        self.core.results.clear();
        let fresh: Vec<_> = earlier
            .iter()
            .filter(|result| self.fresh(result))
            .cloned()
            .collect();
        for result in fresh {
            self.core.take(result.into_previous());
        }
        for flow in FlowId::ALL {
            match self.reusable(flow) {
                Ok(true) => {}
                Ok(false) => drop(self.core.results.remove(&flow)),
                Err(key) => return self.ask(key, State::Ready { earlier }),
            }
        }
        self.decide(Left::proceed(Stage::Start))
    }

    /// Whether an earlier result is still within its flow's times and not barred by ForceAuthn.
    fn fresh(&self, result: &FactorResult) -> bool {
        let within = |since: Timestamp, limit: Option<Duration>| {
            limit.is_none_or(|limit| {
                let age = self.moment.now.duration_since(since);
                age.unsigned_abs() < limit && !age.is_negative()
            })
        };
        !self.core.request.force_authn
            && result.is_for_sessions()
            && self
                .rules
                .flows
                .get(&result.flow())
                .is_some_and(|descriptor| {
                    within(result.evidence().at(), descriptor.lifetime)
                        && within(result.last_activity, descriptor.inactivity_timeout)
                })
    }

    fn reusable(&mut self, flow: FlowId) -> Result<bool, FactKey> {
        let rules = self.rules;
        let Some(descriptor) = rules.flows.get(&flow) else {
            return Ok(false);
        };
        Ok(self.same_integration(flow)?
            && self.holds(&descriptor.activation_condition)?
            && self.holds(&descriptor.reuse_condition)?)
    }

    fn same_integration(&mut self, flow: FlowId) -> Result<bool, FactKey> {
        match self.core.results.get(&flow).map(FactorResult::evidence) {
            Some(Evidence::Duo(earlier)) => {
                let earlier = earlier.clone();
                duo_oidc::choose::is_same_integration(&self.ground(), &earlier)
            }
            Some(Evidence::Password(_) | Evidence::Remembered(_)) | None => Ok(true),
        }
    }

    fn holds(&mut self, condition: &Condition) -> Result<bool, FactKey> {
        self.ground().holds(condition)
    }

    /// The one place where the next step is decided.
    fn decide(mut self, mut left: Left) -> Turn {
        loop {
            self.core.steps += 1;
            if self.core.steps > self.rules.step_limit {
                self.core.note("step limit reached".to_owned());
                return self.fail(Event::AuthenticationException);
            }
            let next = match self.next(left) {
                Ok(next) => next,
                Err(key) => return self.ask(key, State::Deciding(left)),
            };
            let flow = match next {
                Next::Fail(event) => return self.fail(event),
                Next::End => return self.finish(left),
                Next::Flow(flow) => flow,
            };
            match self.admit(flow, left) {
                Ok(Admitted::Reuse) => {
                    self.core.note(format!("{flow} reused"));
                    left = Left::proceed(Stage::After(flow));
                }
                Ok(Admitted::Remembered) => {
                    self.core.note(format!("{flow}: remembered browser"));
                    left = Left::proceed(Stage::After(flow));
                }
                Ok(Admitted::Run) => return self.run(flow),
                Ok(Admitted::Refused(event)) => return self.fail(event),
                Err(key) => return self.ask(key, State::Deciding(left)),
            }
        }
    }

    fn next(&mut self, left: Left) -> Result<Next, FactKey> {
        let rules = self.rules;
        let target = match rules.transitions.explicit(left.stage, left.event) {
            Some(target) => target,
            // A flow that only its relying party requires has no rule: the login ends behind it.
            None if left.event == Event::Proceed && self.is_required(left.stage) => &Target::End,
            None => &Target::Fail,
        };
        let next = match target {
            Target::Flow(flow) => Next::Flow(*flow),
            Target::End => Next::End,
            Target::Fail => Next::Fail(left.event),
            Target::FailWith(event) => Next::Fail(*event),
            Target::Script(script) => return self.ask_script(script, left),
        };
        self.note_transition(left, None, &next);
        Ok(next)
    }

    fn is_required(&self, stage: Stage) -> bool {
        matches!(stage, Stage::After(flow) if self.core.terms.required.contains(&flow))
    }

    fn ask_script(&mut self, script: &ScriptName, left: Left) -> Result<Next, FactKey> {
        let view = self.core.view(self.rules, left.event, self.moment.now);
        match self.rules.strategies.next_factor(script, &view) {
            Decision::Made(next, trace) => {
                self.note_transition(left, Some(script), &next);
                self.core.keep(trace);
                Ok(next)
            }
            Decision::Needs(key) => Err(key),
            Decision::Failed(reason) => {
                let next = Next::Fail(Event::AuthenticationException);
                self.note_transition(left, Some(script), &next);
                self.core.broken(reason);
                Ok(next)
            }
        }
    }

    fn note_transition(&mut self, left: Left, by: Option<&ScriptName>, next: &Next) {
        let stage = match left.stage {
            Stage::Start => "start",
            Stage::After(flow) => flow.name(),
        };
        let by = by
            .map(|script| format!(" by script:{script}"))
            .unwrap_or_default();
        let next = match next {
            Next::Flow(flow) => flow.to_string(),
            Next::End => "end".to_owned(),
            Next::Fail(event) => format!("fail:{event}"),
        };
        self.core
            .note(format!("{stage}.{} -> {next}{by}", left.event));
    }

    /// Whether a flow may run now, or an active result stands in for it (Shibboleth's
    /// `validateLoginTransitions`).
    pub(super) fn admit(&mut self, flow: FlowId, left: Left) -> Result<Admitted, FactKey> {
        let rules = self.rules;
        let (passive, forced, non_browser) = {
            let request = &self.core.request;
            (request.is_passive, request.force_authn, request.non_browser)
        };
        let unavailable = if passive {
            Event::NoPassive
        } else {
            Event::NoPotentialFlow
        };
        let Some(descriptor) = rules.flows.get(&flow).filter(|_| rules.available(flow)) else {
            return Ok(Admitted::Refused(unavailable));
        };
        // A rule that leads from a flow back to itself means: again.
        if self.core.results.contains_key(&flow) && left.stage != Stage::After(flow) {
            return Ok(Admitted::Reuse);
        }
        if !self.holds(&descriptor.activation_condition)? {
            return Ok(Admitted::Refused(unavailable));
        }
        if flow == FlowId::DuoOidc
            && left.stage != Stage::After(flow)
            && self.remembered_stands_in()?
        {
            return Ok(Admitted::Remembered);
        }
        Ok(match () {
            () if passive && !descriptor.passive => Admitted::Refused(Event::NoPassive),
            () if forced && !descriptor.forced => Admitted::Refused(Event::RequestUnsupported),
            () if non_browser && !rules.serves_any_client(flow) => {
                Admitted::Refused(Event::RequestUnsupported)
            }
            () => Admitted::Run,
        })
    }

    pub(super) fn run(mut self, flow: FlowId) -> Turn {
        *self.core.attempts.entry(flow).or_insert(0) += 1;
        match flow {
            FlowId::Password => {
                let next = password::start(&mut self.ground());
                self.after_password(next)
            }
            FlowId::DuoOidc => {
                let next = duo_oidc::start(&mut self.ground());
                self.after_duo(next)
            }
            // The composite cannot be a step of itself; `config` refuses such a map.
            FlowId::Mfa => self.fail(Event::NoPotentialFlow),
        }
    }

    fn after_password(self, next: FlowTurn<password::State>) -> Turn {
        match next {
            FlowTurn::Show(page, flow) => self.show(page, State::Password(flow)),
            FlowTurn::Redirect(url, flow) => self.redirect(url, State::Password(flow)),
            FlowTurn::Call(call, flow) => self.call(call, State::Password(flow)),
            FlowTurn::Needs(key, flow) => self.ask(key, State::Password(flow)),
            FlowTurn::Succeed(result) => self.succeed(result),
            FlowTurn::Fail(event) | FlowTurn::Trouble(Trouble { event, .. }, _) => {
                self.decide(Left {
                    event,
                    ..Left::proceed(Stage::After(FlowId::Password))
                })
            }
        }
    }

    fn after_duo(self, next: FlowTurn<duo_oidc::State>) -> Turn {
        let stage = Stage::After(FlowId::DuoOidc);
        match next {
            FlowTurn::Show(page, flow) => self.show(page, State::DuoOidc(flow)),
            FlowTurn::Redirect(url, flow) => self.redirect(url, State::DuoOidc(flow)),
            FlowTurn::Call(call, flow) => self.call(call, State::DuoOidc(flow)),
            FlowTurn::Needs(key, flow) => self.ask(key, State::DuoOidc(flow)),
            FlowTurn::Succeed(result) => self.succeed(result),
            FlowTurn::Fail(event) => self.decide(Left {
                event,
                ..Left::proceed(stage)
            }),
            FlowTurn::Trouble(trouble, flow) => self.troubled(stage, trouble, flow),
        }
    }

    /// A stuck Duo flow: a rule of the operator takes over where there is one, and the fail mode
    /// where Duo is down; else the page offers a way back.
    fn troubled(mut self, stage: Stage, trouble: Trouble, flow: duo_oidc::State) -> Turn {
        let Trouble { event, outage } = trouble;
        // While Duo is down this flow could not do it and another might, which is ReselectFlow too.
        let events = if outage {
            &[event, Event::ReselectFlow][..]
        } else {
            &[event][..]
        };
        let transitions = &self.rules.transitions;
        let ruled = events
            .iter()
            .find(|event| transitions.explicit(stage, **event).is_some());
        let left = Left {
            stage,
            event: *ruled.unwrap_or(&event),
            outage,
        };
        if ruled.is_some() {
            return self.decide(left);
        }
        if outage && self.fails_open() {
            self.core
                .note("Duo is down; the fail mode is open".to_owned());
            return self.finish(left);
        }
        if self.pageless().is_some() {
            return self.decide(left);
        }
        let page = duo_oidc::current_page(&flow, &self.ground());
        self.show(page, State::DuoOidc(flow))
    }

    fn fails_open(&self) -> bool {
        let own = self.core.terms.fail_mode.as_ref();
        let script = match own.unwrap_or(&self.rules.duo.fail_mode) {
            FailMode::Closed => return false,
            FailMode::Open => return true,
            FailMode::Script(script) => script,
        };
        let event = Event::AuthenticationException;
        let view = self.core.view(self.rules, event, self.moment.now);
        let decision = self.rules.strategies.condition(script, &view);
        matches!(decision, Decision::Made(true, _))
    }

    fn succeed(mut self, result: FactorResult) -> Turn {
        let flow = result.flow();
        self.core.take(result);
        if flow == FlowId::DuoOidc {
            self.core.outage = false;
        }
        self.decide(Left::proceed(Stage::After(flow)))
    }

    fn learn(&mut self, key: FactKey, value: FactValue) {
        self.core.fetched.insert(key, value);
    }

    pub(super) fn ground(&mut self) -> Ground<'_> {
        Ground {
            core: &mut self.core,
            rules: self.rules,
            moment: self.moment,
            records: &mut self.records,
        }
    }
}

pub(super) enum Admitted {
    /// An active result stands in for the flow.
    Reuse,
    /// A remembered browser stands in for it.
    Remembered,
    Run,
    Refused(Event),
}
