//! What the deployer's scripts decide, seen from the machine. `policy` implements it.

use crate::authn::event::Event;
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::result::FactorResult;
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A script's name: its path below `scripts/` without `.rhai`, such as `mfa/second-factor`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScriptName(pub String);

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything a strategy may read, borrowed from the login.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// `rp`
    pub rp: &'a RelyingPartyFacts,
    /// `request`
    pub request: &'a RequestFacts,
    /// `user.name`, once a factor has proved it.
    pub username: Option<&'a str>,
    /// `mfa.results`: the active results.
    pub results: &'a BTreeMap<FlowId, FactorResult>,
    /// `mfa.is_acceptable()`: do the active results satisfy the request.
    pub acceptable: bool,
    /// `mfa.event`: the event of the step just left.
    pub event: Event,
    /// `mfa.attempts`: how often each flow was started in this login.
    pub attempts: &'a BTreeMap<FlowId, u32>,
    /// Facts fetched so far.
    pub fetched: &'a BTreeMap<FactKey, FactValue>,
    /// `now`
    pub now: Timestamp,
}

/// A next-factor script's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Run this flow.
    Flow(FlowId),
    /// `()`: finish with the results at hand.
    End,
    /// `fail("Event")`.
    Fail(Event),
}

/// How a strategy answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<T> {
    /// It decided.
    Made(T, Trace),
    /// It asked for a fact that is not there yet: fetch it and ask again.
    Needs(FactKey),
    /// An error, a limit, or an answer outside what is declared: fail closed.
    Failed(String),
}

/// What a decision read and said, for explanation, audit and replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Facts read, by the name the script used, with the value seen.
    pub read: BTreeMap<String, String>,
    /// `audit("key", value)` calls; the key `why` becomes `%VWHY`.
    pub audit: BTreeMap<String, String>,
    /// `log(...)` lines.
    pub log: Vec<String>,
}

/// The deployer's decisions. Pure: equal arguments give equal answers.
pub trait Strategies: Send + Sync + fmt::Debug {
    /// Chooses the next factor.
    fn next_factor(&self, script: &ScriptName, view: &View<'_>) -> Decision<Next>;
    /// Chooses the Duo integration by name.
    fn integration(&self, script: &ScriptName, view: &View<'_>) -> Decision<String>;
    /// Maps verified Duo claims to principals.
    fn principals(
        &self,
        script: &ScriptName,
        view: &View<'_>,
        claims: &serde_json::Value,
    ) -> Decision<Vec<AuthnContextClassRef>>;
    /// Chooses the name to send to Duo.
    fn duo_username(&self, script: &ScriptName, view: &View<'_>) -> Decision<String>;
    /// Evaluates a condition.
    fn condition(&self, script: &ScriptName, view: &View<'_>) -> Decision<bool>;
    /// Makes an attribute's values.
    fn attribute(&self, script: &ScriptName, _view: &View<'_>) -> Decision<Vec<String>> {
        Decision::Failed(format!("nothing here runs script:{script}"))
    }
}
