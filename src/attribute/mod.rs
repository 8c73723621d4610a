//! What may be said about the subject, and to whom: resolve, filter. Pure; sources are read by
//! `server`.
//!
//! Owns: definitions and how values are made from them, release rules and the plan they give for
//! a relying party, computed identifiers, the registry of well-known attributes. Does not own:
//! where records come from (`server::back_end`), or their XML (`response`).

mod bundle;
pub mod consent;
mod filter;
mod make;
pub mod pairwise;
mod pattern;
mod registry;
mod release;
mod rewrite;
mod source;
#[cfg(test)]
mod tests;

pub use bundle::{BUNDLES, Bundle, bundle};
pub use filter::{Plan, Requested};
pub use make::{Made, Unusable};
pub use pattern::Pattern;
pub use registry::{STANDARD, Standard, id_of_name, standard};
pub use release::{Outcome, Released, Resolved, Withheld, explain, release, values_of};
pub use rewrite::{Otherwise, Rewrite};
pub use source::{Merge, Source, Template};

use crate::authn::facts::RelyingPartyFacts;
use crate::authn::strategy::Strategies;
use crate::policy::audience::Audience;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The source attribute that holds Duo's result as JSON, tokens redacted, of a login in which Duo
/// took part. A definition and a release rule of the deployer's make an attribute of it; without
/// them nobody gets it.
pub const DUO_RESULT: &str = "duoResult";

/// Source attributes whose names begin like this are the login's own facts.
pub const LOGIN: &str = "login.";

/// The column that is the key of a source: its value is the user's name.
pub const KEY: &str = "uid";

/// Columns of a user's record that name groups, the first one there counts.
pub const GROUPS: [&str; 3] = ["groups", "isMemberOf", "memberOf"];

/// A user's record in the source: attribute or column name to values.
pub type SourceRecord = BTreeMap<String, Vec<String>>;

/// How attributes are made and released.
#[derive(Clone, Debug, Default)]
pub struct AttributeSettings {
    /// `vestibule.attribute.csv`: absolute path of the embedded source.
    pub csv: PathBuf,
    /// Definitions in order.
    pub definitions: Vec<Definition>,
    /// Release rules in order; nothing is released without one.
    pub release: Vec<ReleaseRule>,
    /// Whether anything reads the login's own facts, which are gathered only then.
    pub reads_login: bool,
}

/// How one attribute is made.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Our id (`eduPersonPrincipalName`), also the friendly name.
    pub id: String,
    /// SAML `Name`, an OID URN as a rule.
    pub name: String,
    /// Where its values come from.
    pub source: Source,
    /// What is done to each value, in order.
    pub rewrites: Vec<Rewrite>,
    /// `@` and this is appended to each value that has no scope.
    pub scope: Option<String>,
}

/// Which attributes go to which relying parties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseRule {
    /// The rule's name, for explanation.
    pub name: String,
    /// To whom: any of these.
    pub to: Vec<Audience>,
    /// And, if not empty, also any of these.
    pub only: Vec<Audience>,
    /// Attribute ids.
    pub attributes: Vec<String>,
    /// Which values, by attribute id: whole values that match.
    pub values: BTreeMap<String, Pattern>,
    /// Only what the relying party's metadata requests.
    pub requested: Requested,
    /// Of `subject-id` and `pairwise-id` only the one that the relying party's metadata requires.
    pub subject_id_requirement: bool,
    /// The rule withholds, whatever other rules release.
    pub deny: bool,
}

/// Whose attributes are made, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user.
    pub username: &'a str,
    /// What the sources hold.
    pub record: &'a SourceRecord,
    /// The login's own facts, by names that begin with `login.`.
    pub login: &'a SourceRecord,
    /// The relying party.
    pub rp: &'a RelyingPartyFacts,
    /// The deployer's scripts.
    pub strategies: &'a dyn Strategies,
    /// Now.
    pub now: Timestamp,
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
