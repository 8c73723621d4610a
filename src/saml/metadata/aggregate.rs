//! A whole metadata document without its tree: one walk verifies the signature and notes where
//! each entity stands; an entity is parsed when it is asked for, from its own slice.

mod scan;
#[cfg(test)]
mod tests;

use super::document::{self, LIMITS, Notes, Scope};
use super::{EntityDescriptor, MetadataError, TrustedKey, Warning};
use crate::saml::xml::reader;
use jiff::Timestamp;
use openssl::sha::sha256;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// Where the entities of one document stand. The document itself is kept by the caller.
#[derive(Debug, Default)]
pub struct Aggregate {
    /// The root's `validUntil`.
    pub valid_until: Option<Timestamp>,
    /// The root's `cacheDuration`.
    pub cache_duration: Option<Duration>,
    /// What was skipped.
    pub warnings: Vec<Warning>,
    entries: HashMap<Box<str>, Entry>,
    places: Vec<Place>,
}

/// Where an entity stands in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    start: usize,
    end: usize,
    place: u32,
    digest: [u8; 32],
}

/// What the elements around an entity give it.
#[derive(Debug)]
struct Place {
    scope: Scope,
    declarations: Vec<(String, String)>,
}

/// Reads a document. With keys, it must carry a signature on its root that one of them made, as
/// the root's first child (SAML metadata 2.3.1, 2.3.2); without, signatures are not looked at.
///
/// Entities without an SP role are not noted.
pub fn scan(xml: &[u8], keys: Option<&[TrustedKey]>) -> Result<Aggregate, MetadataError> {
    scan::scan(xml, keys)
}

impl Aggregate {
    /// Where an entity stands.
    pub fn find(&self, entity_id: &str) -> Option<&Entry> {
        self.entries.get(entity_id)
    }

    /// Every entity, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (&**id, entry))
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets the entities that are not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.entries.retain(|id, _| wanted(id));
        self.entries.shrink_to_fit();
    }

    /// Parses an entity from its slice, which must be the very octets that were scanned.
    pub fn entity(
        &self,
        entry: &Entry,
        slice: &[u8],
    ) -> Result<(EntityDescriptor, Vec<&'static str>), MetadataError> {
        if sha256(slice) != entry.digest {
            return refused("the entity is not the one that was verified");
        }
        let place = self.places.get(entry.place as usize);
        let place = place.ok_or(MetadataError {
            reason: "the entity is of another document",
        })?;
        let element =
            reader::parse_within(slice, &LIMITS, &place.declarations).map_err(|error| {
                MetadataError {
                    reason: error.reason,
                }
            })?;
        let mut notes = Notes::default();
        match document::entity(&element, &place.scope, &mut notes) {
            Ok(Some(entity)) => Ok((entity, notes.into_reasons())),
            Ok(None) => refused("entity skipped: no SAML 2.0 SP role"),
            Err(reason) => refused(reason),
        }
    }
}

impl Entry {
    /// The octets of the document it stands in.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// SHA-256 of its octets: tells whether it changed between two documents.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn refused<T>(reason: &'static str) -> Result<T, MetadataError> {
    Err(MetadataError { reason })
}
