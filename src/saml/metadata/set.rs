//! Entities of all documents together, looked up by entityID.

use super::{Document, EntityDescriptor, MetadataResolver, Warning};
use jiff::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Entities by entityID: of several with one id, the first one added stays (attack S29).
#[derive(Clone, Debug, Default)]
pub struct MetadataSet {
    entities: HashMap<String, Arc<EntityDescriptor>>,
}

impl MetadataSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document's entities; the warnings are the document's own and one for each collision.
    pub fn add(&mut self, document: Document) -> Vec<Warning> {
        let mut warnings = document.warnings;
        for entity in document.entities {
            match self.entities.entry(entity.entity_id.clone()) {
                Entry::Vacant(free) => {
                    free.insert(Arc::new(entity));
                }
                Entry::Occupied(taken) => warnings.push(Warning {
                    entity_id: Some(taken.key().clone()),
                    reason: "entity skipped: this entityID is already known from earlier metadata",
                }),
            }
        }
        warnings
    }

    /// How many entities there are, expired ones included.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Every entity, in no order, expired ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EntityDescriptor>> {
        self.entities.values()
    }
}

impl MetadataResolver for MetadataSet {
    /// Validity counts when the entity is used, not when it was loaded (SAML metadata 2.3.2); an
    /// expired entity also hides later ones of its id, or expiry could bring back a stale key.
    fn entity(&self, entity_id: &str, now: Timestamp) -> Option<Arc<EntityDescriptor>> {
        let entity = self.entities.get(entity_id)?;
        let valid = entity.valid_until.is_none_or(|until| now < until);
        valid.then(|| Arc::clone(entity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(ids_until: &[(&str, Option<&str>)]) -> Document {
        Document {
            entities: ids_until
                .iter()
                .map(|(id, until)| EntityDescriptor {
                    entity_id: (*id).to_owned(),
                    valid_until: until.map(at),
                    ..EntityDescriptor::default()
                })
                .collect(),
            ..Document::default()
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn an_entity_expires_at_the_time_of_use() {
        let mut set = MetadataSet::new();
        set.add(document(&[
            ("a", Some("2026-11-23T10:00:00Z")),
            ("b", None),
        ]));
        assert!(set.entity("a", at("2026-11-23T09:59:59Z")).is_some());
        assert!(set.entity("a", at("2026-11-23T10:00:00Z")).is_none());
        assert!(set.entity("b", at("2126-11-23T10:00:00Z")).is_some());
        assert!(set.entity("c", at("2026-11-23T10:00:00Z")).is_none());
    }

    #[test]
    fn s29_of_two_entities_with_one_id_the_first_stays_even_when_expired() {
        let mut set = MetadataSet::new();
        assert!(
            set.add(document(&[("a", Some("2026-01-01T00:00:00Z"))]))
                .is_empty()
        );
        let warnings = set.add(document(&[("a", None), ("b", None)]));
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].entity_id.as_deref(), Some("a"));
        assert_eq!(set.len(), 2);
        assert!(set.entity("a", at("2026-11-23T10:00:00Z")).is_none());
    }
}
