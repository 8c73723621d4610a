//! The operator's rules as the machine needs them: shared, immutable, one generation per login.

use crate::authn::descriptor::FlowDescriptor;
use crate::authn::evidence::EvidenceTable;
use crate::authn::flow::FlowId;
use crate::authn::principal::ClassOrder;
use crate::authn::strategy::{ScriptName, Strategies};
use crate::authn::transition::TransitionMap;
use crate::duo::integration::Integration;
use crate::saml::context::AuthnContextClassRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that decides a login besides the login itself.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `idp.authn.flows`: the flows a login may start with, by order.
    pub top_level: Vec<FlowId>,
    /// Descriptors of every flow.
    pub flows: BTreeMap<FlowId, FlowDescriptor>,
    /// The MFA flow's map.
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
    /// `vestibule.duo.usernameStrategy`.
    pub username_strategy: Option<ScriptName>,
    /// `idp.duo.oidc.healthcheck.enabled`.
    pub health_check: bool,
    /// What results prove.
    pub evidence: EvidenceTable,
    /// How long a redirect to Duo stays good (`vestibule.duo.pendingLifetime`).
    pub pending_lifetime: Duration,
}
