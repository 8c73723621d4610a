//! Results: built only from evidence, reused one by one, merged at the end.

use crate::authn::evidence::Evidence;
use crate::authn::flow::FlowId;
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One factor's result, kept in the session for single sign-on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorResult {
    flow: FlowId,
    evidence: Evidence,
    principals: BTreeSet<AuthnContextClassRef>,
    /// Last use; reuse moves it.
    pub last_activity: Timestamp,
    /// Whether it came from an earlier request.
    pub previous: bool,
}

impl FactorResult {
    /// A fresh result of a flow with the principals its evidence supports.
    pub fn new(
        flow: FlowId,
        evidence: Evidence,
        principals: BTreeSet<AuthnContextClassRef>,
        now: Timestamp,
    ) -> Self {
        Self {
            flow,
            evidence,
            principals,
            last_activity: now,
            previous: false,
        }
    }

    /// The flow.
    pub fn flow(&self) -> FlowId {
        self.flow
    }

    /// The evidence.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What it may claim.
    pub fn principals(&self) -> &BTreeSet<AuthnContextClassRef> {
        &self.principals
    }
}

/// The merged result of a login: at least one factor, one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationResult {
    factors: BTreeMap<FlowId, FactorResult>,
    degraded: bool,
}

impl AuthenticationResult {
    /// Merges results of one user. `None` when there are none, or when they prove different users
    /// (invariant 6).
    pub fn merge(factors: BTreeMap<FlowId, FactorResult>, degraded: bool) -> Option<Self> {
        let mut names = factors.values().map(|result| result.evidence().username());
        let first = names.next()?;
        if !names.all(|name| name == first) {
            return None;
        }
        Some(Self { factors, degraded })
    }

    /// The user.
    pub fn username(&self) -> &str {
        self.factors
            .values()
            .next()
            .map_or("", |result| result.evidence().username())
    }

    /// The factors by flow.
    pub fn factors(&self) -> &BTreeMap<FlowId, FactorResult> {
        &self.factors
    }

    /// The union of what the factors may claim.
    pub fn principals(&self) -> BTreeSet<AuthnContextClassRef> {
        self.factors
            .values()
            .flat_map(|result| result.principals().iter().cloned())
            .collect()
    }

    /// AuthnInstant: when the login reached its strength, that is its latest factor's instant.
    pub fn authn_instant(&self) -> Timestamp {
        self.factors
            .values()
            .map(|result| result.evidence().at())
            .max()
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// True when every part came from an earlier request: pure single sign-on (`%SSO`).
    pub fn previous(&self) -> bool {
        self.factors.values().all(|result| result.previous)
    }

    /// True when a factor that policy wanted was skipped because it failed (invariant 14).
    pub fn degraded(&self) -> bool {
        self.degraded
    }
}
