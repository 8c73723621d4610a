//! What a login knows, whatever state it is in.

use super::remembered::Remember;
use super::values::{Failure, Start, Terms};
use crate::authn::duo_auth_api::Wish;
use crate::authn::event::Event;
use crate::authn::evidence::DuoVerified;
use crate::authn::facts::{FactKey, FactValue, RelyingPartyFacts, RequestFacts};
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::remembered::BrowserRemembered;
use crate::authn::result::FactorResult;
use crate::authn::rules::Rules;
use crate::authn::strategy::{Trace, View};
use crate::duo::secret::Secret;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Core {
    pub(super) transaction: String,
    pub(super) rp: RelyingPartyFacts,
    pub(super) request: RequestFacts,
    /// What the result must satisfy, ignored classes removed and defaults applied.
    pub(super) wanted: Option<RequestedAuthnContext>,
    pub(super) terms: Terms,
    pub(super) results: BTreeMap<FlowId, FactorResult>,
    pub(super) attempts: BTreeMap<FlowId, u32>,
    pub(super) fetched: BTreeMap<FactKey, FactValue>,
    pub(super) path: Vec<String>,
    pub(super) audit: BTreeMap<String, String>,
    pub(super) steps: u32,
    /// A wanted factor was down and nothing has made up for it yet.
    pub(super) outage: bool,
    pub(super) duo_output: Option<serde_json::Value>,
    /// This browser, as it was remembered. It proves nothing before another factor has.
    pub(super) remembered: Option<Box<BrowserRemembered>>,
    pub(super) remember: Remember,
    /// The fresh result after which this browser is to be remembered.
    pub(super) to_remember: Option<Box<DuoVerified>>,
    /// Name and password that a client without a browser presented, until they are used.
    #[serde(skip)]
    pub(super) credentials: Option<(String, Secret)>,
    /// How it wants its user to be asked by Duo, until that is used.
    #[serde(skip)]
    pub(super) duo_wish: Option<Wish>,
    /// Lines for the process log, until the turn that made them ends.
    #[serde(skip)]
    pub(super) notes: Vec<String>,
}

impl Core {
    pub(super) fn new(start: Start, rules: &Rules) -> (Self, Vec<FactorResult>) {
        let wanted = wanted(&start.request, &start.default_classes, rules);
        let presented = start.presented;
        let (credentials, duo_wish) = presented
            .map(|presented| ((presented.username, presented.password), presented.duo))
            .unzip();
        let core = Self {
            transaction: start.transaction,
            rp: start.rp,
            request: start.request,
            wanted,
            terms: start.terms,
            results: BTreeMap::new(),
            attempts: BTreeMap::new(),
            fetched: BTreeMap::new(),
            path: Vec::new(),
            audit: BTreeMap::new(),
            steps: 0,
            outage: false,
            duo_output: None,
            remembered: start.remembered.map(Box::new),
            remember: Remember::No,
            to_remember: None,
            credentials,
            duo_wish,
            notes: Vec::new(),
        };
        (core, start.earlier)
    }

    pub(super) fn username(&self) -> Option<&str> {
        self.results
            .values()
            .next()
            .map(|result| result.evidence().username())
    }

    /// The classes that the active results support.
    pub(super) fn held(&self) -> BTreeSet<AuthnContextClassRef> {
        ClassOrder::held(&self.results)
    }

    /// Whether the active results satisfy the request.
    pub(super) fn acceptable(&self, rules: &Rules) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| rules.classes.select(wanted, &self.held()).is_some())
    }

    pub(super) fn view(&self, rules: &Rules, event: Event, now: Timestamp) -> View<'_> {
        View {
            rp: &self.rp,
            request: &self.request,
            username: self.username(),
            results: &self.results,
            acceptable: self.acceptable(rules),
            event,
            attempts: &self.attempts,
            fetched: &self.fetched,
            now,
        }
    }

    /// Takes a fresh result in. A result for another user voids what was known of the former one
    /// (a second login never inherits the first one's factors).
    pub(super) fn take(&mut self, result: FactorResult) {
        if self
            .username()
            .is_some_and(|name| name != result.evidence().username())
        {
            self.results.clear();
            self.fetched.clear();
            self.to_remember = None;
            self.note("another user: earlier results void".to_owned());
        }
        self.results.insert(result.flow(), result);
    }

    pub(super) fn note(&mut self, line: String) {
        self.path.push(line);
    }

    /// Keeps what a decision said; its `why` joins the path.
    pub(super) fn keep(&mut self, trace: Trace) {
        self.notes.extend(trace.log);
        for (key, value) in trace.audit {
            if key == "why" {
                self.note(format!("({value})"));
            } else {
                self.audit.insert(key, value);
            }
        }
    }

    /// A script failed, or answered what is not declared: said in the path and in the log.
    pub(super) fn broken(&mut self, reason: String) {
        self.notes.push(reason.clone());
        self.note(reason);
    }

    pub(super) fn why(&self) -> String {
        self.path.join("; ")
    }

    pub(super) fn failure(&self, event: Event) -> Failure {
        Failure {
            event,
            username: self.username().map(str::to_owned),
            why: self.why(),
            audit: self.audit.clone(),
        }
    }
}

/// What the relying party wants: its request without the ignored classes, else the defaults
/// configured for it. A request for declarations only stays, and can never be satisfied.
fn wanted(
    request: &RequestFacts,
    default_classes: &[AuthnContextClassRef],
    rules: &Rules,
) -> Option<RequestedAuthnContext> {
    let exact = |classes: Vec<AuthnContextClassRef>| RequestedAuthnContext {
        comparison: Comparison::Exact,
        classes,
        declarations: Vec::new(),
    };
    let asked = request.requested.clone().and_then(|mut requested| {
        requested
            .classes
            .retain(|class| !rules.ignored_contexts.contains(class));
        let ignored_whole = requested.classes.is_empty() && requested.declarations.is_empty();
        (!ignored_whole).then_some(requested)
    });
    let mut wanted =
        asked.or_else(|| (!default_classes.is_empty()).then(|| exact(default_classes.to_vec())))?;
    if !rules.accept_later_classes && wanted.comparison == Comparison::Exact {
        wanted.classes.truncate(1);
    }
    Some(wanted)
}
