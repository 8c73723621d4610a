//! What holds for each relying party, worked out once and kept while its metadata stays the same.

use crate::config::relying_party::{Ground, Profile};
use crate::config::settings::Settings;
use crate::policy::audience::Undecided;
use crate::saml::metadata::EntityDescriptor;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// Relying parties remembered at once; beyond that all are forgotten and worked out again.
const MOST: usize = 16_384;

/// Profiles by entityID. It belongs to one generation of the configuration.
#[derive(Debug, Default)]
pub struct ProfileCache {
    known: RwLock<HashMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    /// The very value the profile was made from: other metadata is another value.
    entity: Weak<EntityDescriptor>,
    profile: Arc<Profile>,
}

impl ProfileCache {
    /// What holds for this relying party now.
    pub fn profile(
        &self,
        settings: &Settings,
        entity: &Arc<EntityDescriptor>,
        now: Timestamp,
    ) -> Result<Arc<Profile>, Undecided> {
        if let Some(profile) = self.remembered(entity, now) {
            return Ok(profile);
        }
        let ground = Ground {
            attributes: &settings.attributes,
            strategies: &*settings.rules.strategies,
            now,
        };
        let profile = Arc::new(settings.relying_parties.profile_for(entity, &ground)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let entry = Known {
            entity: Arc::downgrade(entity),
            profile: Arc::clone(&profile),
        };
        known.insert(entity.entity_id.clone(), entry);
        Ok(profile)
    }

    fn remembered(&self, entity: &Arc<EntityDescriptor>, now: Timestamp) -> Option<Arc<Profile>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&entity.entity_id)?;
        let same = std::ptr::eq(found.entity.as_ptr(), Arc::as_ptr(entity));
        let valid = found.profile.until.is_none_or(|until| now < until);
        (same && valid).then(|| Arc::clone(&found.profile))
    }
}
