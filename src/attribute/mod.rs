//! What may be said about the subject, and to whom: resolve, encode, filter. Pure; sources are
//! read by `server`.
//!
//! Owns: definitions, release rules, the registry of well-known attributes. Does not own: where
//! records come from (`server::back_end`), or their XML (`response`).

mod registry;
mod release;

pub use registry::{STANDARD, Standard, standard};
pub use release::{Outcome, Resolved, SourceRecord, Withheld, explain, release};
use std::path::PathBuf;

/// The source attribute that holds Duo's result as JSON, tokens redacted, of a login in which Duo
/// took part. A definition and a release rule of the deployer's make an attribute of it; without
/// them nobody gets it.
pub const DUO_RESULT: &str = "duoResult";

/// How attributes are made and released.
#[derive(Clone, Debug, Default)]
pub struct AttributeSettings {
    /// `vestibule.attribute.csv`: absolute path of the embedded source.
    pub csv: PathBuf,
    /// `idp.scope`, for scoped attributes.
    pub scope: String,
    /// Definitions in order.
    pub definitions: Vec<Definition>,
    /// Release rules in order; nothing is released without one.
    pub release: Vec<ReleaseRule>,
}

/// How one attribute is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Our id (`eduPersonPrincipalName`), also the friendly name.
    pub id: String,
    /// SAML `Name`, an OID URN as a rule.
    pub name: String,
    /// The source column or attribute it comes from.
    pub source: String,
    /// Append `@scope` to each value that has none.
    pub scoped: bool,
}

/// Which attributes go to which relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRule {
    /// The rule's name, for explanation.
    pub name: String,
    /// To whom.
    pub to: ReleaseTo,
    /// Attribute ids.
    pub attributes: Vec<String>,
}

/// To whom a rule releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseTo {
    /// Every relying party in our metadata.
    Everyone,
    /// These entityIDs.
    Entities(Vec<String>),
}

/// An attribute ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Our id and friendly name.
    pub id: String,
    /// SAML `Name`.
    pub name: String,
    /// Values, at least one.
    pub values: Vec<String>,
}
