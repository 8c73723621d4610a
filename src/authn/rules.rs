//! The operator's rules as the machine needs them: shared, immutable, one generation per login.

use crate::authn::descriptor::FlowDescriptor;
use crate::authn::evidence::{EvidenceTable, Grade};
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::remembered::RememberRules;
use crate::authn::strategy::{ScriptName, Strategies};
use crate::authn::transition::{Target, TransitionMap};
use crate::duo::integration::Integration;
use crate::saml::context::{AuthnContextClassRef, RequestedAuthnContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Everything that decides a login besides the login itself.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `idp.authn.flows`: the flows a login may start with, by order.
    pub top_level: Vec<FlowId>,
    /// Descriptors of every flow.
    pub flows: BTreeMap<FlowId, FlowDescriptor>,
    /// The map in force: the MFA flow's, or [`TransitionMap::single`] when `idp.authn.flows` names
    /// one factor only.
    pub transitions: TransitionMap,
    /// The order of classes.
    pub classes: ClassOrder,
    /// `vestibule.authn.ignoredContexts`: classes that do not count as requested.
    pub ignored_contexts: Vec<AuthnContextClassRef>,
    /// `vestibule.authn.onFirstUnavailable`: whether a later requested class will do.
    pub accept_later_classes: bool,
    /// The Duo side.
    pub duo: DuoRules,
    /// The deployer's scripts.
    pub strategies: Arc<dyn Strategies>,
    /// The greatest number of steps a login may take.
    pub step_limit: u32,
}

/// The DuoOIDC flow's rules.
#[derive(Clone, Debug)]
pub struct DuoRules {
    /// Integrations by name; `default` is the one of `idp.duo.oidc.*`. Empty: Duo is not available.
    pub integrations: BTreeMap<String, Arc<Integration>>,
    /// `vestibule.duo.integrationStrategy`.
    pub integration_strategy: Option<ScriptName>,
    /// `vestibule.duo.principalStrategy`.
    pub principal_strategy: Option<ScriptName>,
    /// `vestibule.duo.username`, or `vestibule.duo.usernameStrategy`.
    pub username: DuoUsername,
    /// `idp.duo.oidc.healthcheck.enabled`.
    pub health_check: bool,
    /// What results prove.
    pub evidence: EvidenceTable,
    /// How long a redirect to Duo stays good (`vestibule.duo.pendingLifetime`).
    pub pending_lifetime: Duration,
    /// `idp.duo.oidc.redirecturl.allowedOrigins`: origins (RFC 6454) from which the callback may be
    /// computed for integrations without a fixed one.
    pub allowed_origins: Vec<String>,
    /// The path of the computed callback, base path included.
    pub callback_path: String,
    /// `vestibule.duo.maxStarts`: how often a user may be sent to Duo within ten minutes.
    pub max_starts: u32,
    /// `vestibule.duo.failMode`
    pub fail_mode: FailMode,
    /// `vestibule.duo.passwordless.*`; `None` when Duo never comes first.
    pub passwordless: Option<Passwordless>,
    /// How Duo is asked without a browser; `None` when it cannot be.
    pub auth_api: Option<AuthApiRules>,
    /// `vestibule.duo.remember.*`
    pub remember: RememberRules,
}

/// Duo's Auth API, for logins without a browser (`idp.duo.oidc.nonbrowser.*`).
#[derive(Clone, Debug)]
pub struct AuthApiRules {
    /// The application of kind Auth API.
    pub integration: Arc<Integration>,
    /// A client that names no factor gets the one Duo thinks best.
    pub auto: bool,
    /// Whether Duo is told the client's address.
    pub client_address_trusted: bool,
}

/// Duo as the first factor: the user name is asked, not proved by a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passwordless {
    /// Duo factors that will do; whoever knows a name can start a push, so the default is those that
    /// are phishing-resistant in the evidence table.
    pub factors: Option<BTreeSet<String>>,
}

impl Passwordless {
    /// Whether a result of this factor and grade may stand on its own.
    pub fn allows(&self, factor: &str, grade: Grade) -> bool {
        match &self.factors {
            Some(factors) => grade >= Grade::Mfa && factors.contains(factor),
            None => grade >= Grade::PhishingResistant,
        }
    }
}

/// What an outage of Duo means where the transition map does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailMode {
    /// The login stops, with a page that offers a way back.
    #[default]
    Closed,
    /// The login goes on without Duo, degraded, and claims a password class at most.
    Open,
    /// A script says whether it is open; what it would have to fetch counts as closed.
    Script(ScriptName),
}

/// How our user's name becomes the name at Duo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DuoUsername {
    /// `asis`
    #[default]
    AsIs,
    /// `lowercase`
    Lowercase,
    /// `stripDomain`: what stands before the last `@`.
    StripDomain,
    /// `addDomain:example.org`, unless the name has a domain already.
    AddDomain(String),
    /// `template:...` with `{user}` in it.
    Template(String),
    /// `attribute:NAME`: the directory attribute's one value.
    Attribute(String),
    /// `script:NAME`
    Script(ScriptName),
}

impl DuoUsername {
    /// The name at Duo, compared byte for byte with what comes back. `None` where the directory or a
    /// script has to say.
    pub fn of(&self, username: &str) -> Option<String> {
        let local_part = username
            .rsplit_once('@')
            .map_or(username, |(local, _)| local);
        match self {
            Self::AsIs => Some(username.to_owned()),
            Self::Lowercase => Some(username.to_lowercase()),
            Self::StripDomain => Some(local_part.to_owned()),
            Self::AddDomain(_) if local_part != username => Some(username.to_owned()),
            Self::AddDomain(domain) => Some(format!("{username}@{domain}")),
            Self::Template(template) => Some(template.replace("{user}", username)),
            Self::Attribute(_) | Self::Script(_) => None,
        }
    }
}

impl Rules {
    /// Whether a flow can run at all: it is described, and Duo has an integration.
    pub fn available(&self, flow: FlowId) -> bool {
        self.flows.contains_key(&flow)
            && (flow != FlowId::DuoOidc || !self.duo.integrations.is_empty())
    }

    /// Whether a flow can run without a browser.
    pub fn serves_any_client(&self, flow: FlowId) -> bool {
        let described = self.flows.get(&flow);
        described.is_some_and(|descriptor| descriptor.non_browser)
            && (flow != FlowId::DuoOidc || self.duo.auth_api.is_some())
    }

    /// Whether any flow the map can reach could satisfy this: what cannot be satisfied is refused
    /// before anybody is asked for a password (truth table R12, R16).
    pub fn can_satisfy(&self, wanted: Option<&RequestedAuthnContext>) -> bool {
        wanted.is_none_or(|wanted| self.classes.select(wanted, &self.potential()).is_some())
    }

    /// Every class that some login under these rules might hold.
    pub fn potential(&self) -> BTreeSet<AuthnContextClassRef> {
        let reachable = self.reachable();
        let of = |flow: FlowId| {
            self.flows
                .get(&flow)
                .filter(|_| reachable.contains(&flow) && self.available(flow))
                .map(|descriptor| descriptor.supported_principals.iter().cloned())
                .into_iter()
                .flatten()
        };
        let mut potential: BTreeSet<_> = of(FlowId::Password)
            .filter(|class| self.classes.password_may_claim(class))
            .chain(of(FlowId::DuoOidc))
            .collect();
        if reachable.contains(&FlowId::DuoOidc) {
            let integrations = self.duo.integrations.values();
            potential.extend(integrations.flat_map(|duo| {
                duo.supported_principals
                    .iter()
                    .map(AuthnContextClassRef::new)
            }));
        }
        potential
    }

    /// The flows that rules name; a script may choose any.
    fn reachable(&self) -> BTreeSet<FlowId> {
        let mut flows = BTreeSet::new();
        for (_, target) in self.transitions.rules() {
            match target {
                Target::Flow(flow) => drop(flows.insert(*flow)),
                Target::Script(_) => flows.extend(FlowId::ALL),
                Target::End | Target::Fail | Target::FailWith(_) => {}
            }
        }
        flows
    }
}
