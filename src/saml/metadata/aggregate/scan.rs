//! The one walk over a document: its digest, and where its entities stand.

use super::{Aggregate, Entry, Place, refused};
use crate::saml::instant;
use crate::saml::metadata::document::{LIMITS, MAX_ENTITY_ID, MD, Scope};
use crate::saml::metadata::role::speaks_saml2;
use crate::saml::metadata::{MetadataError, TrustedKey, Warning};
use crate::saml::signature::{Reference, verify_signed_info};
use crate::saml::xml::canonical::Stream;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Element, Sink, Tag, Tree, XmlError, walk};
use openssl::hash::Hasher;
use openssl::sha::sha256;
use std::cell::RefCell;
use std::collections::hash_map;
use std::rc::Rc;

const DS: &str = Namespace::SIGNATURE.uri;

pub(super) fn scan(xml: &[u8], keys: Option<&[TrustedKey]>) -> Result<Aggregate, MetadataError> {
    let mut scan = Scan {
        xml,
        depth: 0,
        root: None,
        proof: match keys {
            Some(keys) => Proof::Awaited {
                keys,
                text: String::new(),
            },
            None => Proof::NotAsked,
        },
        groups: Vec::new(),
        entity: None,
        found: Aggregate::default(),
    };
    walk(xml, &LIMITS, &[], &mut scan).map_err(|error| MetadataError {
        reason: error.reason,
    })?;
    scan.finish()
}

struct Scan<'x> {
    xml: &'x [u8],
    depth: usize,
    root: Option<Element>,
    proof: Proof<'x>,
    // Places of the open groups.
    groups: Vec<u32>,
    entity: Option<OpenEntity>,
    found: Aggregate,
}

/// An entity that has begun.
struct OpenEntity {
    id: Option<String>,
    start: usize,
    depth: usize,
    is_sp: bool,
}

/// How far the proof of the signature has come.
enum Proof<'x> {
    NotAsked,
    /// The root has begun; its signature must be its first element.
    Awaited {
        keys: &'x [TrustedKey],
        text: String,
    },
    /// Inside the signature.
    Reading {
        keys: &'x [TrustedKey],
        text: String,
        signature: Tree,
    },
    /// `SignedInfo` is proved; the rest of the document goes into the digest.
    Digesting(Box<Digest>),
}

type Update = Box<dyn FnMut(&[u8])>;

struct Digest {
    reference: Reference,
    hasher: Rc<RefCell<Hasher>>,
    stream: Stream<Update>,
}

impl Scan<'_> {
    fn finish(self) -> Result<Aggregate, MetadataError> {
        match self.proof {
            Proof::NotAsked => {}
            Proof::Awaited { .. } | Proof::Reading { .. } => return refused(UNSIGNED),
            Proof::Digesting(digest) => {
                let computed = digest.hasher.borrow_mut().finish();
                let computed = computed.or_else(|_| refused("no digest"))?;
                let checked = digest.reference.check(&computed);
                checked.map_err(|error| MetadataError {
                    reason: error.reason,
                })?;
            }
        }
        let mut found = self.found;
        found.entries.shrink_to_fit();
        Ok(found)
    }

    fn open_root(&mut self, tag: &Tag<'_>) -> Result<(), XmlError> {
        if !tag.is(MD, "EntityDescriptor") && !tag.is(MD, "EntitiesDescriptor") {
            return stop("the root is neither md:EntityDescriptor nor md:EntitiesDescriptor");
        }
        let root = Element::from(tag);
        let outside = Scope::default();
        let scope = outside.inside(&root).map_err(|error| XmlError {
            reason: error.reason,
        })?;
        self.found.valid_until = scope.valid_until;
        let duration = tag.attribute("cacheDuration");
        self.found.cache_duration = duration.and_then(instant::parse_duration);
        self.root = Some(root);
        if tag.is(MD, "EntityDescriptor") {
            self.add_place(outside, Vec::new());
            self.open_entity(tag);
        } else {
            self.add_place(scope, tag.declarations.to_vec());
        }
        Ok(())
    }

    fn add_place(&mut self, scope: Scope, declarations: Vec<(String, String)>) {
        let place = u32::try_from(self.found.places.len()).expect("the node limit is below that");
        self.found.places.push(Place {
            scope,
            declarations,
        });
        self.groups.push(place);
    }

    /// A group or entity directly inside a group.
    fn open_member(&mut self, tag: &Tag<'_>) {
        if tag.is(MD, "EntityDescriptor") {
            return self.open_entity(tag);
        }
        let around = *self.groups.last().expect("the root is a group");
        let around = &self.found.places[around as usize];
        let mut declarations = around.declarations.clone();
        declarations.extend_from_slice(tag.declarations);
        let scope = around.scope.inside(&Element::from(tag));
        let scope = scope.unwrap_or_else(|MetadataError { reason }| {
            self.found.warnings.push(Warning {
                entity_id: None,
                reason,
            });
            Scope::unusable()
        });
        self.add_place(scope, declarations);
    }

    fn open_entity(&mut self, tag: &Tag<'_>) {
        self.entity = Some(OpenEntity {
            id: tag.attribute("entityID").map(str::to_owned),
            start: tag.start,
            depth: self.depth,
            is_sp: false,
        });
    }

    fn close_entity(&mut self, entity: OpenEntity, end: usize) {
        let place = *self.groups.last().expect("every entity has a place");
        if !entity.is_sp || self.found.places[place as usize].scope.is_unusable() {
            return;
        }
        let warning = match entity.id {
            None => "entity skipped: no entityID",
            Some(ref id) if id.is_empty() => "entity skipped: no entityID",
            Some(ref id) if id.len() > MAX_ENTITY_ID => {
                "entity skipped: entityID longer than 1024 characters"
            }
            Some(ref id) => match self.found.entries.entry(id.as_str().into()) {
                hash_map::Entry::Vacant(free) => {
                    let digest = sha256(&self.xml[entity.start..end]);
                    free.insert(Entry {
                        start: entity.start,
                        end,
                        place,
                        digest,
                    });
                    return;
                }
                hash_map::Entry::Occupied(_) => {
                    "entity skipped: this entityID is already known from earlier metadata"
                }
            },
        };
        self.found.warnings.push(Warning {
            entity_id: entity.id,
            reason: warning,
        });
    }

    /// The root's children: the signature comes before all others, and once.
    fn open_child(&mut self, tag: &Tag<'_>) -> Result<(), XmlError> {
        let is_signature = tag.is(DS, "Signature");
        match std::mem::replace(&mut self.proof, Proof::NotAsked) {
            Proof::Awaited { keys, text } if is_signature => {
                let signature = Tree::default();
                self.proof = Proof::Reading {
                    keys,
                    text,
                    signature,
                };
                Ok(())
            }
            Proof::Awaited { .. } => stop(UNSIGNED),
            Proof::Digesting(_) if is_signature => {
                stop("not exactly one signature on the root element")
            }
            other => {
                self.proof = other;
                Ok(())
            }
        }
    }

    /// `SignedInfo` is verified before the rest is read: a wrongly signed document costs little.
    fn signature_read(&mut self) -> Result<(), XmlError> {
        let Proof::Reading {
            keys,
            text,
            signature,
        } = std::mem::replace(&mut self.proof, Proof::NotAsked)
        else {
            return Ok(());
        };
        let (Some(root), Some(signature)) = (&self.root, signature.finish()) else {
            return stop(UNSIGNED);
        };
        let reference =
            verify_signed_info(root, &[], &signature, keys).map_err(|error| XmlError {
                reason: error.reason,
            })?;
        let hasher = Hasher::new(reference.digest).or_else(|_| stop("no digest"))?;
        let mut digest = Digest::new(reference, hasher);
        digest.stream.open(&Tag::from(root));
        digest.stream.text(&text);
        self.proof = Proof::Digesting(Box::new(digest));
        Ok(())
    }
}

const UNSIGNED: &str = "the root's first element is not its signature";

impl Digest {
    fn new(reference: Reference, hasher: Hasher) -> Self {
        let hasher = Rc::new(RefCell::new(hasher));
        let prefixes: Vec<&str> = reference.prefixes.iter().map(String::as_str).collect();
        let sink = Rc::clone(&hasher);
        let update: Update = Box::new(move |octets| {
            sink.borrow_mut()
                .update(octets)
                .expect("a digest takes octets");
        });
        let stream = Stream::new(&prefixes, update);
        Self {
            reference,
            hasher,
            stream,
        }
    }
}

impl Sink for Scan<'_> {
    fn open(&mut self, tag: &Tag<'_>) -> Result<(), XmlError> {
        self.depth += 1;
        match self.depth {
            1 => return self.open_root(tag),
            2 => self.open_child(tag)?,
            _ => {}
        }
        match &mut self.proof {
            Proof::Reading { signature, .. } => return signature.open(tag),
            Proof::Digesting(digest) => digest.stream.open(tag),
            Proof::NotAsked | Proof::Awaited { .. } => {}
        }
        match &mut self.entity {
            Some(entity) => {
                entity.is_sp |= self.depth == entity.depth + 1
                    && tag.is(MD, "SPSSODescriptor")
                    && speaks_saml2(tag.attribute("protocolSupportEnumeration"));
            }
            None if self.depth == self.groups.len() + 1
                && (tag.is(MD, "EntityDescriptor") || tag.is(MD, "EntitiesDescriptor")) =>
            {
                self.open_member(tag);
            }
            None => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match &mut self.proof {
            Proof::NotAsked => {}
            Proof::Awaited { text: before, .. } => before.push_str(text),
            Proof::Reading { signature, .. } => return signature.text(text),
            Proof::Digesting(digest) => digest.stream.text(text),
        }
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), XmlError> {
        self.depth -= 1;
        if let Proof::Reading { signature, .. } = &mut self.proof {
            signature.close(end)?;
            return if signature.is_whole() {
                self.signature_read()
            } else {
                Ok(())
            };
        }
        if let Proof::Digesting(digest) = &mut self.proof {
            digest.stream.close();
        }
        let ends_entity = |entity: &mut OpenEntity| entity.depth == self.depth + 1;
        if let Some(entity) = self.entity.take_if(ends_entity) {
            self.close_entity(entity, end);
        } else if self.entity.is_none() && self.groups.len() == self.depth + 1 {
            self.groups.pop();
        }
        Ok(())
    }
}

fn stop<T>(reason: &'static str) -> Result<T, XmlError> {
    Err(XmlError { reason })
}
