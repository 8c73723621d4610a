//! Policy tests: `NAME.tests.toml` beside a script says what it must decide.
//!
//! A file holds cases; a case holds facts and what is expected of them. Facts a case does not set
//! are empty; a fetched fact (attributes, groups, Duo's preauth and health) that the script asks
//! for must be set, if only to `"unknown"`.

mod login;

pub use login::{Drilled, Effect, LOGINS, Rehearsed, Situation, drill, run_logins};

use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::strategy::{Decision, Next, ScriptName};
use crate::policy::Policy;
use crate::policy::facts::Facts;
use crate::policy::lists::Lists;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What running test files found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many cases ran.
    pub cases: usize,
    /// What did not come out as expected, or could not run.
    pub failures: Vec<TestFailure>,
    /// Scripts without a test file.
    pub untested: Vec<String>,
}

/// One case that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestFailure {
    /// The test file's name without `.tests.toml`: the script it tests.
    pub script: String,
    /// The case's name; empty when the file cannot be read.
    pub case: String,
    /// What the case expects.
    pub expected: String,
    /// What the script decided, or what is wrong with the file.
    pub found: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            script,
            case,
            expected,
            found,
        } = self;
        write!(
            f,
            "scripts/{script}.tests.toml: {case}: expected {expected}, found {found}"
        )
    }
}

impl Report {
    /// Whether every case came out as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds what another run found.
    pub fn absorb(&mut self, other: Self) {
        self.cases += other.cases;
        self.failures.extend(other.failures);
        self.untested.extend(other.untested);
    }
}

/// Runs the test files of single scripts. `files` maps a script's name to its tests' source;
/// [`LOGINS`] among them is left to [`run_logins`].
pub fn run(policy: &Policy, files: &BTreeMap<String, String>) -> Report {
    let mut report = Report {
        untested: policy
            .scripts()
            .filter(|script| !files.contains_key(*script))
            .map(str::to_owned)
            .collect(),
        ..Report::default()
    };
    for (script, source) in files.iter().filter(|(name, _)| *name != LOGINS) {
        run_file(policy, script, source, &mut report);
    }
    report
}

fn run_file(policy: &Policy, script: &str, source: &str, report: &mut Report) {
    let failure = |case: &str, expected: &str, found: String| TestFailure {
        script: script.to_owned(),
        case: case.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let file: File = match toml::from_str(source) {
        Ok(file) => file,
        Err(error) => {
            let found = error.to_string();
            let found = found.trim_end().to_owned();
            report.failures.push(failure("", "test cases", found));
            return;
        }
    };
    let name = ScriptName(script.to_owned());
    if !policy.contains(&name) || file.case.is_empty() {
        let found = "no such script, or no [[case]]".to_owned();
        report
            .failures
            .push(failure("", "a script and its cases", found));
        return;
    }
    let lists = Arc::new(policy.lists.with(&file.lists));
    for case in file.case {
        report.cases += 1;
        let title = case.name.clone();
        if let Err((expected, found)) = case.check(policy, &name, &lists) {
            report.failures.push(failure(&title, &expected, found));
        }
    }
}

/// A test file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Lists that replace those of `conf/lists` while these cases run.
    #[serde(default)]
    lists: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rp: RelyingParty,
    #[serde(default)]
    request: Request,
    #[serde(default)]
    user: User,
    #[serde(default)]
    mfa: Mfa,
    #[serde(default)]
    duo: Duo,
    now: Option<Timestamp>,
    claims: Option<serde_json::Value>,
    expect: Expect,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RelyingParty {
    id: String,
    name: String,
    entity_attributes: BTreeMap<String, Vec<String>>,
    registration_authority: Option<String>,
    groups: BTreeSet<String>,
    tags: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    requested: Vec<String>,
    comparison: Comparison,
    force_authn: bool,
    passive: bool,
    signed: bool,
    non_browser: bool,
    binding: String,
    client_ip: Option<IpAddr>,
    user_agent: String,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct User {
    name: Option<String>,
    groups: Option<Fetched<Vec<String>>>,
    attributes: Option<Fetched<BTreeMap<String, Vec<String>>>>,
}

/// A fetched fact, or the word `unknown` for a fetch that failed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Fetched<T> {
    Known(T),
    Word(Unknown),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unknown {
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Mfa {
    acceptable: bool,
    results: Vec<String>,
    event: Option<String>,
    attempts: BTreeMap<String, u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Duo {
    preauth: Option<String>,
    health: Option<String>,
}

/// Exactly one answer, and perhaps the reason given to the audit.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    /// A flow id, `end`, or `fail:EVENT`.
    next: Option<String>,
    integration: Option<String>,
    principals: Option<Vec<String>>,
    username: Option<String>,
    condition: Option<bool>,
    /// The script must fail (an error, a limit, an answer that is not declared).
    fails: bool,
    /// What `audit("why", ..)` must have said.
    why: Option<String>,
}

type Mismatch = (String, String);

impl Case {
    fn check(
        self,
        policy: &Policy,
        script: &ScriptName,
        lists: &Arc<Lists>,
    ) -> Result<(), Mismatch> {
        let expect = self.expect.answers()?;
        let why = self.expect.why.clone();
        let unreadable = |found| ("facts".to_owned(), found);
        let facts = self.facts(Arc::clone(lists)).map_err(unreadable)?;
        let (found, said) = expect.decide(policy, script, facts);
        if found != expect.text {
            return Err((expect.text, found));
        }
        match why {
            Some(why) if said.as_ref() != Some(&why) => {
                Err((format!("the reason {why:?}"), format!("{said:?}")))
            }
            _ => Ok(()),
        }
    }

    fn facts(self, lists: Arc<Lists>) -> Result<Facts, String> {
        let mut facts = Facts::blank(self.now.unwrap_or(Timestamp::UNIX_EPOCH), lists);
        facts.fetched = fetched(&self.user, &self.duo);
        facts.rp = self.rp.facts();
        facts.request = self.request.facts();
        facts.username = self.user.name;
        facts.acceptable = self.mfa.acceptable;
        facts.claims = self.claims;
        facts.results = self
            .mfa
            .results
            .iter()
            .map(|name| flow(name))
            .collect::<Result<_, _>>()?;
        let attempts = self.mfa.attempts.iter();
        facts.attempts = attempts
            .map(|(name, count)| Ok((flow(name)?, *count)))
            .collect::<Result<_, String>>()?;
        if let Some(event) = self.mfa.event {
            facts.event = event
                .parse()
                .map_err(|_| format!("mfa.event: there is no event {event:?}"))?;
        }
        Ok(facts)
    }
}

/// The fetched facts that are set.
fn fetched(user: &User, duo: &Duo) -> BTreeMap<FactKey, FactValue> {
    let word = |word: &String| match word.as_str() {
        "unknown" => FactValue::Unknown,
        word => FactValue::Word(word.to_owned()),
    };
    let attributes = user.attributes.as_ref().map(|fact| match fact {
        Fetched::Known(all) => FactValue::Attributes(all.clone()),
        Fetched::Word(Unknown::Unknown) => FactValue::Unknown,
    });
    let groups = user.groups.as_ref().map(|fact| match fact {
        Fetched::Known(all) => {
            FactValue::Attributes(BTreeMap::from([("groups".to_owned(), all.clone())]))
        }
        Fetched::Word(Unknown::Unknown) => FactValue::Unknown,
    });
    [
        (FactKey::UserAttributes, attributes),
        (FactKey::UserGroups, groups),
        (FactKey::DuoPreauth, duo.preauth.as_ref().map(word)),
        (FactKey::DuoHealth, duo.health.as_ref().map(word)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

impl RelyingParty {
    fn facts(self) -> RelyingPartyFacts {
        RelyingPartyFacts {
            id: self.id,
            name: self.name,
            entity_attributes: self.entity_attributes,
            registration_authority: self.registration_authority,
            groups: self.groups,
            tags: self.tags,
        }
    }
}

impl Request {
    fn facts(self) -> RequestFacts {
        let classes: Vec<_> = self
            .requested
            .into_iter()
            .map(AuthnContextClassRef::new)
            .collect();
        RequestFacts {
            origin: None,
            requested: (!classes.is_empty()).then(|| RequestedAuthnContext {
                comparison: self.comparison,
                classes,
                declarations: Vec::new(),
            }),
            force_authn: self.force_authn,
            is_passive: self.passive,
            signed: self.signed,
            binding: self.binding,
            non_browser: self.non_browser,
            client_ip: self.client_ip,
            user_agent: self.user_agent,
            headers: self.headers,
        }
    }
}

fn flow(name: &str) -> Result<FlowId, String> {
    name.parse()
        .map_err(|_| format!("there is no flow {name:?}"))
}

/// What kind of answer a case expects, and the answer as text.
#[derive(Debug)]
struct Expected {
    kind: AnswerKind,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum AnswerKind {
    Next,
    Text,
    Principals,
    Condition,
    Failure,
}

const FAILURE: &str = "a failing script";

impl Expect {
    /// The one answer that is expected.
    fn answers(&self) -> Result<Expected, Mismatch> {
        let text = |text: &String| (AnswerKind::Text, text.clone());
        let all = [
            self.next.clone().map(|next| (AnswerKind::Next, next)),
            self.integration.as_ref().map(text),
            self.username.as_ref().map(text),
            self.principals
                .as_ref()
                .map(|all| (AnswerKind::Principals, all.join(" "))),
            self.condition
                .map(|truth| (AnswerKind::Condition, truth.to_string())),
            self.fails
                .then(|| (AnswerKind::Failure, FAILURE.to_owned())),
        ];
        let mut all = all.into_iter().flatten();
        match (all.next(), all.next()) {
            (Some((kind, text)), None) => Ok(Expected { kind, text }),
            _ => Err((
                "one of expect.next, .integration, .username, .principals, .condition, .fails"
                    .to_owned(),
                "none or several".to_owned(),
            )),
        }
    }
}

impl Expected {
    /// What the script decides, as text, and the reason it gave.
    fn decide(
        &self,
        policy: &Policy,
        script: &ScriptName,
        facts: Facts,
    ) -> (String, Option<String>) {
        match self.kind {
            AnswerKind::Next => self.show(policy.next(script, facts), |next| match next {
                Next::Flow(flow) => flow.to_string(),
                Next::End => "end".to_owned(),
                Next::Fail(event) => format!("fail:{event}"),
            }),
            AnswerKind::Text => self.show(policy.text(script, facts), |text| text),
            AnswerKind::Condition => {
                self.show(policy.truth(script, facts), |truth| truth.to_string())
            }
            AnswerKind::Principals => self.show(policy.classes(script, facts), |classes| {
                let classes: Vec<&str> = classes.iter().map(AuthnContextClassRef::as_str).collect();
                classes.join(" ")
            }),
            AnswerKind::Failure => {
                let decision = policy.decide(script, facts, |ended| Ok(format!("{ended:?}")));
                self.show(decision, |answer| answer)
            }
        }
    }

    fn show<T>(
        &self,
        decision: Decision<T>,
        text: impl FnOnce(T) -> String,
    ) -> (String, Option<String>) {
        match decision {
            Decision::Made(answer, mut trace) => (text(answer), trace.audit.remove("why")),
            Decision::Needs(key) => (format!("a question for {}", setting(key)), None),
            Decision::Failed(_) if self.text == FAILURE => (FAILURE.to_owned(), None),
            Decision::Failed(reason) => (format!("{FAILURE}: {reason}"), None),
        }
    }
}

/// The key a case must set to answer what the script asked for.
fn setting(key: FactKey) -> &'static str {
    match key {
        FactKey::UserAttributes => "user.attributes (set it in the case, or to \"unknown\")",
        FactKey::UserGroups => "user.groups (set it in the case, or to \"unknown\")",
        FactKey::DuoPreauth => "duo.preauth (set it in the case, or to \"unknown\")",
        FactKey::DuoHealth => "duo.health (set it in the case, or to \"unknown\")",
    }
}

#[cfg(test)]
mod test;
