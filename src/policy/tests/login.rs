//! Whole logins: `scripts/policy.tests.toml` walks the transition map with all its scripts.
//!
//! The walk is a rehearsal with the operator's own rules: the real machine, stand-in back ends,
//! and Duo integrations whose keys are replaced, so that nothing it makes is good anywhere else. A
//! fetched fact that a login does not set could not be fetched: it is unknown.

mod drill;
mod world;

pub use drill::{Drilled, Effect, Rehearsed, Situation, drill};

use super::{Duo, RelyingParty, Report, Request, TestFailure, User, fetched, flow};
use crate::authn::facts::{FactKey, FactValue};
use crate::authn::flow::FlowId;
use crate::authn::login::{Start, Terms};
use crate::authn::rules::Rules;
use crate::saml::context::AuthnContextClassRef;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use world::{Walk, World};

/// The name of the file of whole logins, as `run` and `run_logins` know it.
pub const LOGINS: &str = "policy";

/// Runs `scripts/policy.tests.toml` under these rules.
pub fn run_logins(rules: &Rules, source: &str) -> Report {
    let mut report = Report::default();
    let failure = |case: String, (expected, found): (String, String)| TestFailure {
        script: LOGINS.to_owned(),
        case,
        expected,
        found,
    };
    let logins = match toml::from_str::<File>(source) {
        Ok(file) => file.login,
        Err(error) => {
            let mismatch = ("logins".to_owned(), error.to_string().trim_end().to_owned());
            report.failures.push(failure(String::new(), mismatch));
            return report;
        }
    };
    let rules = world::stand_in(rules);
    for login in logins {
        report.cases += 1;
        let name = login.name.clone();
        if let Err(mismatch) = login.check(&rules) {
            report.failures.push(failure(name, mismatch));
        }
    }
    report
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    login: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rp: RelyingParty,
    #[serde(default)]
    request: Request,
    /// Classes required when the request names none.
    #[serde(default)]
    default_classes: Vec<String>,
    #[serde(default)]
    user: User,
    #[serde(default)]
    password: Password,
    #[serde(default)]
    session: Session,
    #[serde(default)]
    duo: DuoAnswer,
    now: Option<Timestamp>,
    expect: Expect,
}

/// What the password back end says.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Password {
    #[default]
    Right,
    Wrong,
    Down,
}

/// What the browser brings from an earlier login.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Session {
    results: Vec<String>,
    minutes_ago: i64,
}

/// What Duo says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DuoAnswer {
    result: DuoResult,
    factor: String,
    reason: String,
    preauth: Option<String>,
    health: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DuoResult {
    Allow,
    Deny,
    Down,
}

impl Default for DuoAnswer {
    fn default() -> Self {
        Self {
            result: DuoResult::Allow,
            factor: "duo_push".to_owned(),
            reason: "user_approved".to_owned(),
            preauth: None,
            health: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    /// The flows that ran, in order; flows an earlier result stood in for are not among them.
    steps: Option<Vec<String>>,
    /// How often the user was asked for something: pages, and trips to Duo.
    prompts: Option<u32>,
    /// The class that is asserted.
    class: Option<String>,
    /// `Success`, the event it failed with, or the page where it waits: `page:Password`,
    /// `page:Duo`.
    status: Option<String>,
    /// Whether a factor that was wanted had to be left out.
    degraded: Option<bool>,
    /// A part of the reason written to the audit.
    why: Option<String>,
}

impl Case {
    fn check(self, rules: &Rules) -> Result<(), (String, String)> {
        let Self { expect, .. } = &self;
        if expect.status.is_none() && expect.class.is_none() && expect.steps.is_none() {
            let what = "one of expect.status, .class, .steps";
            return Err((what.to_owned(), "none".to_owned()));
        }
        let walk = self
            .walk(rules)
            .map_err(|found| ("a login".to_owned(), found))?;
        expect.compare(&walk)
    }

    fn walk(&self, rules: &Rules) -> Result<Walk, String> {
        let now = self.now.unwrap_or(world::NOON);
        let world = World {
            rules,
            username: self.user.name.clone().unwrap_or_else(|| "alice".to_owned()),
            password: self.password,
            duo: &self.duo,
            facts: fetched(&self.user, &self.duo.facts()),
            now,
            gives_up: false,
        };
        let earlier = world.session(&self.session)?;
        let class = |uri: &String| AuthnContextClassRef::new(uri);
        world.walk(Start {
            transaction: "rehearsal".to_owned(),
            rp: self.rp.clone().facts(),
            request: self.request.clone().facts(),
            default_classes: self.default_classes.iter().map(class).collect(),
            terms: Terms::default(),
            earlier,
            remembered: None,
            presented: self.request.non_browser.then(|| world.presented()),
        })
    }
}

impl DuoAnswer {
    fn facts(&self) -> Duo {
        Duo {
            preauth: self.preauth.clone(),
            health: self.health.clone(),
        }
    }
}

impl Session {
    fn flows(&self) -> Result<Vec<FlowId>, String> {
        self.results.iter().map(|name| flow(name)).collect()
    }

    fn began(&self, now: Timestamp) -> Timestamp {
        now - SignedDuration::from_mins(self.minutes_ago)
    }
}

impl Expect {
    fn compare(&self, walk: &Walk) -> Result<(), (String, String)> {
        let same = |what: &str, expected: Option<String>, found: String| match expected {
            Some(expected) if expected != found => {
                let shown = format!("{what} {found} ({})", walk.why);
                Err((format!("{what} {expected}"), shown))
            }
            _ => Ok(()),
        };
        same("status", self.status.clone(), walk.ending.status())?;
        let class = walk.ending.class().unwrap_or("none").to_owned();
        same("class", self.class.clone(), class)?;
        let steps: Vec<&str> = walk.steps.iter().map(|flow| flow.as_str()).collect();
        let expected = self.steps.as_ref().map(|steps| steps.join(", "));
        same("steps", expected, steps.join(", "))?;
        let prompts = self.prompts.map(|prompts| prompts.to_string());
        same("prompts", prompts, walk.prompts.to_string())?;
        let degraded = self.degraded.map(|degraded| degraded.to_string());
        same("degraded", degraded, walk.ending.degraded().to_string())?;
        match &self.why {
            Some(part) if !walk.why.contains(part) => {
                Err((format!("why {part}"), format!("why {}", walk.why)))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod test;
