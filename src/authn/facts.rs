//! The facts of one login that strategies may read: the same names everywhere (contract 1.5).

use crate::saml::context::RequestedAuthnContext;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The relying party, as facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RelyingPartyFacts {
    /// entityID.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Entity attributes from metadata.
    pub entity_attributes: BTreeMap<String, Vec<String>>,
    /// Registration authority from metadata.
    pub registration_authority: Option<String>,
    /// Names of the groups (EntitiesDescriptor names, configured groups) it belongs to.
    pub groups: BTreeSet<String>,
    /// Tags from configuration.
    pub tags: BTreeSet<String>,
}

/// The request, as facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// What the relying party asked, after ignored classes are removed; `None` when nothing is left.
    pub requested: Option<RequestedAuthnContext>,
    /// ForceAuthn.
    pub force_authn: bool,
    /// IsPassive.
    pub is_passive: bool,
    /// A verified signature was present.
    pub signed: bool,
    /// Inbound binding's URI.
    pub binding: String,
    /// Whether the client is not a browser (ECP).
    pub non_browser: bool,
    /// The client's address; `None` when unknown.
    pub client_ip: Option<IpAddr>,
    /// `scheme://host[:port]` as the browser addressed us; believed only where it is in
    /// `idp.duo.oidc.redirecturl.allowedOrigins`.
    pub origin: Option<String>,
    /// User-Agent, cut to 512 characters.
    pub user_agent: String,
    /// Headers named in configuration, lower-case names.
    pub headers: BTreeMap<String, String>,
}

/// A fact that costs a call and is fetched only when a strategy asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FactKey {
    /// `user.attr("x")`: all directory attributes of the user.
    UserAttributes,
    /// `user.in_group("g")`: the user's groups.
    UserGroups,
    /// `duo.preauth`: Duo's answer to preauth.
    DuoPreauth,
    /// `duo.health`: Duo's health.
    DuoHealth,
}

/// A fetched fact; a failed fetch is a value of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FactValue {
    /// Name to values: attributes; for groups one entry `groups`.
    Attributes(BTreeMap<String, Vec<String>>),
    /// A word: preauth `auth|allow|deny|enroll`, health `up|down`.
    Word(String),
    /// The fetch failed or is not configured.
    Unknown,
}
