//! Results: built only from evidence, reused one by one, merged at the end.

use crate::authn::evidence::{DuoVerified, Evidence, Grade, PasswordVerified};
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::remembered::BrowserRemembered;
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
    /// A Duo result's grade.
    grade: Option<Grade>,
    /// Last use; reuse moves it.
    pub(super) last_activity: Timestamp,
    pub(super) previous: bool,
}

impl FactorResult {
    /// A password's result. Whatever is configured, a password alone claims nothing that is
    /// declared to need more than one factor.
    pub fn password(
        evidence: PasswordVerified,
        mut principals: BTreeSet<AuthnContextClassRef>,
        classes: &ClassOrder,
        now: Timestamp,
    ) -> Self {
        principals.retain(|class| classes.password_may_claim(class));
        let evidence = Evidence::Password(evidence);
        Self::fresh(evidence, None, principals, now)
    }

    /// A Duo result: of the wanted principals, those that its grade supports.
    pub fn duo(
        evidence: DuoVerified,
        grade: Grade,
        mut principals: BTreeSet<AuthnContextClassRef>,
        classes: &ClassOrder,
        now: Timestamp,
    ) -> Self {
        principals.retain(|class| classes.duo_may_claim(class, grade));
        Self::fresh(Evidence::Duo(evidence), Some(grade), principals, now)
    }

    /// A remembered browser in Duo's place: of the principals configured for it, those that Duo's
    /// result supported then. Nobody was asked now, so it counts as an earlier result.
    pub(super) fn remembered(
        evidence: BrowserRemembered,
        grade: Grade,
        mut principals: BTreeSet<AuthnContextClassRef>,
        classes: &ClassOrder,
        now: Timestamp,
    ) -> Self {
        principals.retain(|class| classes.duo_may_claim(class, grade));
        let evidence = Evidence::Remembered(Box::new(evidence));
        // Whatever it was, it never stands alone: another factor says whose browser this is.
        let grade = grade.min(Grade::Mfa);
        Self::fresh(evidence, Some(grade), principals, now).into_previous()
    }

    /// Whether a session may keep it. A remembered browser has a time and a way of being revoked
    /// of its own, and a session must not outlive either.
    pub fn is_for_sessions(&self) -> bool {
        !matches!(self.evidence, Evidence::Remembered(_))
    }

    fn fresh(
        evidence: Evidence,
        grade: Option<Grade>,
        principals: BTreeSet<AuthnContextClassRef>,
        now: Timestamp,
    ) -> Self {
        let flow = match evidence {
            Evidence::Password(_) => FlowId::Password,
            Evidence::Duo(_) | Evidence::Remembered(_) => FlowId::DuoOidc,
        };
        Self {
            flow,
            evidence,
            principals,
            grade,
            last_activity: now,
            previous: false,
        }
    }

    /// Whether its classes count without another factor: a password's do, a Duo result's only when
    /// it is phishing-resistant by itself (two-factor classes need two factors).
    pub(super) fn stands_alone(&self) -> bool {
        self.grade
            .is_none_or(|grade| grade >= Grade::PhishingResistant)
    }

    /// When the user last acted at Duo for it. A result that proves no act (bypass, a trusted
    /// network, a remembered browser) has no such instant.
    pub fn confirmed_at_duo(&self) -> Option<Timestamp> {
        match &self.evidence {
            Evidence::Duo(duo) if self.grade >= Some(Grade::Mfa) => Some(duo.at()),
            _ => None,
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

    /// The same result, seen from a later request.
    pub(crate) fn into_previous(self) -> Self {
        Self {
            previous: true,
            ..self
        }
    }

    /// Last use.
    pub fn last_activity(&self) -> Timestamp {
        self.last_activity
    }

    /// Whether it came from an earlier request.
    pub fn previous(&self) -> bool {
        self.previous
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

    /// What the session keeps: these factors, and earlier ones of the same user that this login
    /// did not run (a forced login does not void them).
    pub fn carry_over(&self, earlier: &[FactorResult]) -> Vec<FactorResult> {
        let kept = earlier.iter().filter(|result| {
            result.evidence().username() == self.username()
                && !self.factors.contains_key(&result.flow())
        });
        let own = self.factors.values();
        let own = own.filter(|result| result.is_for_sessions());
        own.chain(kept).cloned().collect()
    }

    /// True when a factor that policy wanted was skipped because it failed (invariant 14).
    pub fn degraded(&self) -> bool {
        self.degraded
    }
}
