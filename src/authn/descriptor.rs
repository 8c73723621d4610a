//! What a flow can do and when it may be used: Shibboleth's flow descriptor.

use crate::authn::flow::FlowId;
use crate::authn::strategy::ScriptName;
use crate::saml::context::AuthnContextClassRef;
use std::time::Duration;

/// A flow descriptor (`idp.authn.NAME.*`).
#[derive(Clone, Debug)]
pub struct FlowDescriptor {
    /// Which flow.
    pub flow: FlowId,
    /// Lower runs first.
    pub order: i32,
    /// May be tried for IsPassive.
    pub passive: bool,
    /// Can re-authenticate under ForceAuthn.
    pub forced: bool,
    /// Usable without a browser.
    pub non_browser: bool,
    /// From the authentication instant; `None` is unlimited.
    pub lifetime: Option<Duration>,
    /// From the last reuse; `None` is unlimited.
    pub inactivity_timeout: Option<Duration>,
    /// What the flow can satisfy.
    pub supported_principals: Vec<AuthnContextClassRef>,
    /// Attach `supported_principals` to every result.
    pub add_default_principals: bool,
    /// May an earlier result be used for this request.
    pub reuse_condition: Condition,
    /// May the flow be used for this request; also gates reuse.
    pub activation_condition: Condition,
}

/// A condition: a constant, or a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `true` or `false` (`shibboleth.Conditions.TRUE` / `FALSE`).
    Constant(bool),
    /// `script:NAME`.
    Script(ScriptName),
}
