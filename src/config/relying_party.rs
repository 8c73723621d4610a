//! What holds for one relying party: the defaults, and every override that matches it.

mod preset;
#[cfg(test)]
mod tests;

pub(super) use preset::preset;

use crate::attribute::{AttributeSettings, Plan};
use crate::authn::facts::RelyingPartyFacts;
use crate::authn::flow::FlowId;
use crate::authn::login::Terms;
use crate::authn::rules::FailMode;
use crate::authn::strategy::Strategies;
use crate::policy::audience::{Audience, Undecided, first_of};
use crate::response::ResponseSettings;
use crate::response::name_id::NameIdRules;
use crate::saml::context::{AuthnContextClassRef, RequestedAuthnContext};
use crate::saml::encryption::{
    BlockEncryption, EncryptionPolicy, EncryptionSettings, KeyTransport,
};
use crate::saml::metadata::EntityDescriptor;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Defaults and overrides, in the order in which they apply.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    /// What our responses look like.
    pub response: ResponseSettings,
    /// Whether assertions are encrypted.
    pub encryption: EncryptionSettings,
    /// How NameIDs are made.
    pub name_ids: NameIdRules,
    /// `idp.ui.fallbackLanguages`, for names.
    pub languages: Vec<String>,
    /// `vestibule.rp.NAME.*`, by order and name.
    pub overrides: Vec<Override>,
}

/// One `vestibule.rp.NAME`.
#[derive(Clone, Debug, Default)]
pub struct Override {
    /// Its name.
    pub name: String,
    /// `order`
    pub order: i32,
    /// Whom it is for: any of these.
    pub matches: Vec<Audience>,
    /// `owner`
    pub owner: Option<String>,
    /// `reason`
    pub reason: Option<String>,
    /// The instant from which it no longer applies.
    pub until: Option<Timestamp>,
    /// What it changes; a preset's changes are filled in already.
    pub changes: Changes,
}

/// What an override says; `None` leaves a setting to the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `signResponses`
    pub sign_responses: Option<bool>,
    /// `signAssertions`
    pub sign_assertions: Option<bool>,
    /// `encryptAssertions`
    pub encryption: Option<EncryptionPolicy>,
    /// `dataAlgorithm`
    pub block: Option<BlockEncryption>,
    /// `keyTransport`
    pub transport: Option<KeyTransport>,
    /// `includeAddress`
    pub include_address: Option<bool>,
    /// `assertionLifetime`
    pub assertion_lifetime: Option<Duration>,
    /// `maximumSPSessionLifetime`
    pub session_lifetime: Option<Duration>,
    /// `nameIDFormats`
    pub name_id_formats: Option<Vec<String>>,
    /// `nameIDAttribute`
    pub name_id_attribute: Option<String>,
    /// `defaultAuthenticationMethods`
    pub default_classes: Option<Vec<AuthnContextClassRef>>,
    /// `preferredClasses`
    pub preferred_classes: Option<Vec<AuthnContextClassRef>>,
    /// `allowedClasses`
    pub allowed_classes: Option<Vec<AuthnContextClassRef>>,
    /// `disallowedFeatures` without 0x1
    pub may_name_classes: Option<bool>,
    /// `requiredFlows`
    pub required_flows: Option<BTreeSet<FlowId>>,
    /// `attributes`
    pub release_rules: Option<Vec<String>>,
    /// `allowedProfiles`
    pub allowed_profiles: Option<BTreeSet<ProfileId>>,
    /// `duo.failMode`
    pub fail_mode: Option<FailMode>,
    /// `displayName`
    pub display_name: Option<String>,
    /// `tags`: those of every override that matches.
    pub tags: BTreeSet<String>,
}

/// A SAML profile that a relying party may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileId {
    /// `sso`
    Sso,
    /// `unsolicited`
    Unsolicited,
    /// `ecp`
    Ecp,
    /// `logout`
    Logout,
}

impl ProfileId {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Sso, Self::Unsolicited, Self::Ecp, Self::Logout];

    /// The word in `allowedProfiles`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sso => "sso",
            Self::Unsolicited => "unsolicited",
            Self::Ecp => "ecp",
            Self::Logout => "logout",
        }
    }
}

/// What holds for one relying party.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The overrides that apply, in order.
    pub overrides: Vec<String>,
    /// The relying party as scripts see it.
    pub facts: RelyingPartyFacts,
    /// What our pages call it, if metadata's name is not to be used.
    pub display_name: Option<String>,
    /// What our responses look like.
    pub response: ResponseSettings,
    /// Whether and how assertions are encrypted.
    pub encryption: EncryptionSettings,
    /// How long it may keep its own session.
    pub session_lifetime: Option<Duration>,
    /// How its NameIDs are made.
    pub name_ids: NameIdRules,
    /// What is required when it requests nothing.
    pub default_classes: Vec<AuthnContextClassRef>,
    /// What the operator demands beyond the transition map.
    pub terms: Terms,
    /// Which attributes it gets.
    pub plan: Plan,
    /// When the first of its overrides ends, and the profile with it.
    pub until: Option<Timestamp>,
    may_name_classes: bool,
    allowed_classes: Option<Vec<AuthnContextClassRef>>,
    allowed_profiles: Option<BTreeSet<ProfileId>>,
}

/// What a profile is worked out from, besides the relying party.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Definitions and release rules.
    pub attributes: &'a AttributeSettings,
    /// The deployer's scripts.
    pub strategies: &'a dyn Strategies,
    /// Now.
    pub now: Timestamp,
}

impl Profiles {
    /// What holds for this relying party. A script that does not say whether an override matches
    /// leaves nothing to go by: no profile.
    pub fn profile_for(
        &self,
        entity: &EntityDescriptor,
        ground: &Ground<'_>,
    ) -> Result<Profile, Undecided> {
        let mut facts = self.facts(entity);
        let mut changes = Changes::default();
        let (mut overrides, mut until) = (Vec::new(), None);
        for each in &self.overrides {
            let over = each.until.is_some_and(|until| until <= ground.now);
            if over || first_of(&each.matches, &facts, ground.strategies)?.is_none() {
                continue;
            }
            overrides.push(each.name.clone());
            facts.tags.extend(each.changes.tags.iter().cloned());
            changes.fill_in(&each.changes);
            until = [until, each.until].into_iter().flatten().min();
        }
        if let Some(name) = &changes.display_name {
            facts.name.clone_from(name);
        }
        let only = changes.release_rules.as_deref();
        let plan = Plan::new(ground.attributes, &facts, only, ground.strategies)?;
        Ok(self.profile(
            changes,
            Resolved {
                overrides,
                facts,
                plan,
                until,
            },
        ))
    }

    /// What is known of the relying party before any override.
    fn facts(&self, entity: &EntityDescriptor) -> RelyingPartyFacts {
        RelyingPartyFacts {
            id: entity.entity_id.clone(),
            name: entity.display_name(&self.languages),
            entity_attributes: entity.entity_attributes.clone(),
            registration_authority: entity.registration_authority.clone(),
            groups: entity.groups.iter().cloned().collect(),
            tags: BTreeSet::new(),
        }
    }

    fn profile(&self, changes: Changes, resolved: Resolved) -> Profile {
        let Resolved {
            overrides,
            facts,
            plan,
            until,
        } = resolved;
        Profile {
            overrides,
            facts,
            plan,
            until,
            response: self.response(&changes),
            encryption: EncryptionSettings {
                policy: changes.encryption.unwrap_or(self.encryption.policy),
                block: changes.block.or(self.encryption.block),
                transport: changes.transport.or(self.encryption.transport),
            },
            name_ids: self.name_ids.clone().limited(
                changes.name_id_formats.as_deref(),
                changes.name_id_attribute.as_deref(),
            ),
            display_name: changes.display_name,
            session_lifetime: changes.session_lifetime,
            default_classes: changes.default_classes.unwrap_or_default(),
            terms: Terms {
                required: changes.required_flows.unwrap_or_default(),
                preferred: changes.preferred_classes.unwrap_or_default(),
                fail_mode: changes.fail_mode,
            },
            may_name_classes: changes.may_name_classes.unwrap_or(true),
            allowed_classes: changes.allowed_classes,
            allowed_profiles: changes.allowed_profiles,
        }
    }

    fn response(&self, changes: &Changes) -> ResponseSettings {
        let base = &self.response;
        ResponseSettings {
            sign_responses: changes.sign_responses.unwrap_or(base.sign_responses),
            sign_assertions: changes.sign_assertions.unwrap_or(base.sign_assertions),
            assertion_lifetime: changes
                .assertion_lifetime
                .unwrap_or(base.assertion_lifetime),
            include_address: changes.include_address.unwrap_or(base.include_address),
            ..base.clone()
        }
    }
}

/// What matching the overrides gave.
struct Resolved {
    overrides: Vec<String>,
    facts: RelyingPartyFacts,
    plan: Plan,
    until: Option<Timestamp>,
}

impl Profile {
    /// Whether the relying party may use this SAML profile.
    pub fn allows(&self, profile: ProfileId) -> bool {
        let allowed = self.allowed_profiles.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(&profile))
    }

    /// Whether it may ask for these classes (truth table R28).
    pub fn may_request(&self, requested: Option<&RequestedAuthnContext>) -> bool {
        let Some(requested) = requested else {
            return true;
        };
        let allowed = self.allowed_classes.as_ref();
        self.may_name_classes
            && allowed.is_none_or(|allowed| {
                requested
                    .classes
                    .iter()
                    .all(|class| allowed.contains(class))
            })
    }
}

impl Changes {
    /// Takes what is still open from another override.
    pub(super) fn fill_in(&mut self, other: &Self) {
        macro_rules! fill {
            ($($field:ident)*) => {
                $(if self.$field.is_none() {
                    self.$field.clone_from(&other.$field);
                })*
            };
        }
        fill! {
            sign_responses sign_assertions encryption block transport include_address
            assertion_lifetime session_lifetime name_id_formats name_id_attribute default_classes
            preferred_classes allowed_classes may_name_classes required_flows release_rules
            allowed_profiles fail_mode display_name
        }
        self.tags.extend(other.tags.iter().cloned());
    }
}
