//! What a login would come to while Duo is away: the walk of a test, once with Duo and once without.

use super::world::{Ending, World, stand_in};
use super::{DuoAnswer, DuoResult, FactKey, FactValue, Password};
use crate::authn::event::Event;
use crate::authn::facts::{RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::login::{Start, Terms};
use crate::authn::rules::Rules;
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A login that nobody has made yet.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Who asks.
    pub rp: RelyingPartyFacts,
    /// What it asks.
    pub request: RequestFacts,
    /// Classes required when it asks for none.
    pub default_classes: Vec<AuthnContextClassRef>,
    /// What the operator demands for it.
    pub terms: Terms,
    /// Who signs in.
    pub username: String,
    /// What is known of the user; what is not could not be fetched.
    pub user: BTreeMap<FactKey, FactValue>,
    /// When.
    pub now: Timestamp,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The flows that ran.
    pub steps: Vec<FlowId>,
    /// The page where the user was stuck, before giving up.
    pub stuck: Option<FlowId>,
    /// The class that is asserted and whether the login is degraded, or the event it failed with.
    pub ending: Result<(AuthnContextClassRef, bool), Event>,
    /// Why each step was taken.
    pub why: String,
}

/// A login with Duo and the same one without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// Duo answers, and the user approves.
    pub well: Rehearsed,
    /// Duo is away.
    pub away: Rehearsed,
}

/// What an outage changes for a relying party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Unaffected,
    /// Its users get in, and less is claimed of them.
    Degraded,
    /// Its users do not get in.
    Refused,
}

impl Effect {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unaffected => "unaffected",
            Self::Degraded => "degraded",
            Self::Refused => "refused",
        }
    }
}

impl Drilled {
    /// What the outage changes.
    pub fn effect(&self) -> Effect {
        match (&self.well.ending, &self.away.ending) {
            (well, away) if well == away => Effect::Unaffected,
            (_, Ok(_)) => Effect::Degraded,
            (_, Err(_)) => Effect::Refused,
        }
    }
}

/// Walks the login twice under these rules.
pub fn drill(rules: &Rules, situation: &Situation) -> Result<Drilled, String> {
    let rules = stand_in(rules);
    Ok(Drilled {
        well: situation.rehearse(&rules, DuoResult::Allow)?,
        away: situation.rehearse(&rules, DuoResult::Down)?,
    })
}

impl Situation {
    fn rehearse(&self, rules: &Rules, result: DuoResult) -> Result<Rehearsed, String> {
        let duo = DuoAnswer {
            result,
            ..DuoAnswer::default()
        };
        let mut facts = self.user.clone();
        let fact = |word: &str| FactValue::Word(word.to_owned());
        let (health, preauth) = match result {
            DuoResult::Down => (fact("down"), FactValue::Unknown),
            DuoResult::Allow | DuoResult::Deny => (fact("up"), fact("auth")),
        };
        facts.insert(FactKey::DuoHealth, health);
        facts.insert(FactKey::DuoPreauth, preauth);
        let world = World {
            rules,
            username: self.username.clone(),
            password: Password::Right,
            duo: &duo,
            facts,
            now: self.now,
            gives_up: true,
        };
        let walk = world.walk(Start {
            transaction: "rehearsal".to_owned(),
            rp: self.rp.clone(),
            request: self.request.clone(),
            default_classes: self.default_classes.clone(),
            terms: self.terms.clone(),
            earlier: Vec::new(),
            remembered: None,
            presented: None,
        })?;
        Ok(Rehearsed {
            steps: walk.steps,
            stuck: walk.stuck,
            ending: match walk.ending {
                Ending::Success {
                    class, degraded, ..
                } => Ok((class, degraded)),
                Ending::Failure(event) => Err(event),
                Ending::Waiting(_) => Err(Event::NoCredentials),
            },
            why: walk.why,
        })
    }
}
