//! The transition map: from the step just left and its event to what comes next.

use crate::authn::event::Event;
use crate::authn::flow::FlowId;
use crate::authn::strategy::ScriptName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A place in the map: the start, or a flow just left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// `start`
    Start,
    /// A flow's name.
    After(FlowId),
}

/// Which events a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// One event.
    Event(Event),
    /// `*`: any event that has no rule of its own.
    Any,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Run this flow.
    Flow(FlowId),
    /// Ask this script.
    Script(ScriptName),
    /// Finish with the results at hand.
    End,
    /// Fail with the event that came.
    Fail,
    /// Fail with this event.
    FailWith(Event),
}

/// The checked map: every reachable stage has a rule for `proceed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransitionMap {
    rules: BTreeMap<(Stage, On), Target>,
}

impl TransitionMap {
    /// A map from rules; `config` checks them before it makes one.
    pub fn new(rules: BTreeMap<(Stage, On), Target>) -> Self {
        Self { rules }
    }

    /// The map of a login that runs one flow and ends.
    pub fn single(flow: FlowId) -> Self {
        Self::new(BTreeMap::from([
            (
                (Stage::Start, On::Event(Event::Proceed)),
                Target::Flow(flow),
            ),
            ((Stage::After(flow), On::Event(Event::Proceed)), Target::End),
        ]))
    }

    /// The rule for an event: its own, else `*`, else [`Target::Fail`].
    pub fn target(&self, stage: Stage, event: Event) -> &Target {
        self.explicit(stage, event).unwrap_or(&Target::Fail)
    }

    /// The rule for an event, if the operator wrote one (its own, else `*`).
    pub fn explicit(&self, stage: Stage, event: Event) -> Option<&Target> {
        self.rules
            .get(&(stage, On::Event(event)))
            .or_else(|| self.rules.get(&(stage, On::Any)))
    }

    /// Every rule, in order.
    pub fn rules(&self) -> impl Iterator<Item = (&(Stage, On), &Target)> {
        self.rules.iter()
    }
}
