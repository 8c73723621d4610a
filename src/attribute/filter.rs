//! Which rules release which attributes to a relying party: worked out once, used for every login.

use crate::attribute::pairwise::{PAIRWISE_ID, SUBJECT_ID};
use crate::attribute::{AttributeSettings, Definition, ReleaseRule};
use crate::authn::facts::RelyingPartyFacts;
use crate::authn::strategy::Strategies;
use crate::policy::audience::{Undecided, first_of};
use crate::saml::metadata::{AttributeConsumingService, EntityDescriptor, RequestedAttribute};

/// The entity attribute by which a relying party says which subject identifier it needs (SAML
/// Subject Identifier Attributes Profile 1.0, 4.1).
const SUBJECT_ID_REQUIREMENT: &str = "urn:oasis:names:tc:SAML:profiles:subject-id:req";

/// How a rule looks at the relying party's `RequestedAttribute`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requested {
    /// Not at all.
    #[default]
    Ignore,
    /// What is requested.
    Any,
    /// What is requested as required.
    Required,
}

/// What the rules say for one relying party, definition by definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) grants: Vec<Grant>,
}

/// What the rules say of one definition; rules by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) allowed: Vec<Allowance>,
    pub(super) denied: Vec<usize>,
}

/// A rule that releases, and what made it apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) rule: usize,
    pub(super) because: String,
}

impl Plan {
    /// The plan for this relying party. `only`, if given, names the rules that count for it,
    /// whomever they are for; rules that withhold always count.
    pub fn new(
        settings: &AttributeSettings,
        rp: &RelyingPartyFacts,
        only: Option<&[String]>,
        strategies: &dyn Strategies,
    ) -> Result<Self, Undecided> {
        let mut grants = vec![Grant::default(); settings.definitions.len()];
        for (index, rule) in settings.release.iter().enumerate() {
            let because = match only.filter(|_| !rule.deny) {
                Some(names) if names.contains(&rule.name) => Some("named for it".to_owned()),
                Some(_) => None,
                None => rule.audience(rp, strategies)?,
            };
            let Some(because) = because else { continue };
            for (definition, grant) in settings.definitions.iter().zip(&mut grants) {
                if !rule.covers(definition, rp) {
                } else if rule.deny {
                    grant.denied.push(index);
                } else {
                    let because = because.clone();
                    grant.allowed.push(Allowance {
                        rule: index,
                        because,
                    });
                }
            }
        }
        Ok(Self { grants })
    }
}

impl ReleaseRule {
    /// Which of its audiences the relying party belongs to.
    fn audience(
        &self,
        rp: &RelyingPartyFacts,
        strategies: &dyn Strategies,
    ) -> Result<Option<String>, Undecided> {
        let Some(to) = first_of(&self.to, rp, strategies)? else {
            return Ok(None);
        };
        if self.only.is_empty() {
            return Ok(Some(to.to_string()));
        }
        let also = first_of(&self.only, rp, strategies)?;
        Ok(also.map(|also| format!("{to} and {also}")))
    }

    fn covers(&self, definition: &Definition, rp: &RelyingPartyFacts) -> bool {
        self.attributes.contains(&definition.id)
            && (!self.subject_id_requirement || required_identifier(rp) == Some(&definition.name))
    }

    /// Whether the relying party asked for the attribute as this rule wants it asked, and for this
    /// value.
    pub(super) fn is_requested(
        &self,
        definition: &Definition,
        value: &str,
        service: Option<&AttributeConsumingService>,
    ) -> bool {
        let asked = |wanted: &RequestedAttribute| {
            wanted.name == definition.name
                && (self.requested == Requested::Any || wanted.required)
                && (wanted.values.is_empty() || wanted.values.iter().any(|one| one == value))
        };
        self.requested == Requested::Ignore
            || service.is_some_and(|service| service.requested.iter().any(asked))
    }
}

/// `any` leaves the choice to us: the identifier that says less (profile 4.1, SDP-IDP16).
fn required_identifier(rp: &RelyingPartyFacts) -> Option<&'static str> {
    let values = rp.entity_attributes.get(SUBJECT_ID_REQUIREMENT)?;
    match values.first()?.as_str() {
        "subject-id" => Some(SUBJECT_ID),
        "pairwise-id" | "any" => Some(PAIRWISE_ID),
        _ => None,
    }
}

/// The service that a request means: by index, else the default one, else the first (SAML
/// metadata 2.4.4). An index that metadata does not have means none.
pub(super) fn service(
    relying_party: &EntityDescriptor,
    index: Option<u16>,
) -> Option<&AttributeConsumingService> {
    let services = &relying_party.sp.attribute_consuming_services;
    match index {
        Some(index) => services.iter().find(|service| service.index == index),
        None => services
            .iter()
            .find(|service| service.is_default == Some(true))
            .or_else(|| services.iter().find(|service| service.is_default.is_none()))
            .or_else(|| services.first()),
    }
}
