//! From a document to its entities: `EntityDescriptor`, `EntitiesDescriptor` (SAML metadata 2.3).

use super::{Document, EntityDescriptor, MetadataError, Warning, extensions, role};
use crate::saml::instant;
use crate::saml::xml::reader::{self, Element, Limits};
use jiff::Timestamp;

/// The namespace of SAML metadata.
pub(super) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

/// Budgets of a document: a federation's aggregate is large, but never deep.
pub(super) const LIMITS: Limits = Limits {
    bytes: 256 * 1024 * 1024,
    depth: 50,
    nodes: 50_000_000,
    attributes: 64,
};

/// The longest entityID that SAML metadata 2.2.1 allows.
pub(super) const MAX_ENTITY_ID: usize = 1024;

/// Parses one metadata document: an `EntityDescriptor`, or `EntitiesDescriptor`s nested to any
/// depth allowed by the reader. Entities without an SP role are skipped.
pub fn parse(xml: &[u8]) -> Result<Document, MetadataError> {
    let root = reader::parse(xml, &LIMITS).map_err(|error| MetadataError {
        reason: error.reason,
    })?;
    let scope = Scope::default().inside(&root)?;
    let mut document = Document {
        valid_until: scope.valid_until,
        cache_duration: root
            .attribute("cacheDuration")
            .and_then(instant::parse_duration),
        ..Document::default()
    };
    if root.is(MD, "EntityDescriptor") {
        add_entity(&mut document, &root, &Scope::default());
    } else if root.is(MD, "EntitiesDescriptor") {
        add_group(&mut document, &root, &scope);
    } else {
        return Err(MetadataError {
            reason: "the root is neither md:EntityDescriptor nor md:EntitiesDescriptor",
        });
    }
    Ok(document)
}

/// What an entity inherits from the groups around it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) valid_until: Option<Timestamp>,
    groups: Vec<String>,
    unusable: bool,
}

impl Scope {
    /// Of a group with an error: nothing in it is used.
    pub(super) fn unusable() -> Self {
        Self {
            unusable: true,
            ..Self::default()
        }
    }

    pub(super) fn is_unusable(&self) -> bool {
        self.unusable
    }

    /// The scope inside `element`; the strictest `validUntil` counts (SAML metadata 2.3.1).
    pub(super) fn inside(&self, element: &Element) -> Result<Self, MetadataError> {
        let own = valid_until(element).map_err(|reason| MetadataError { reason })?;
        let mut groups = self.groups.clone();
        if element.is(MD, "EntitiesDescriptor") {
            groups.extend(element.attribute("Name").map(str::to_owned));
        }
        Ok(Self {
            valid_until: strictest(self.valid_until, own),
            groups,
            unusable: self.unusable,
        })
    }
}

fn add_group(document: &mut Document, group: &Element, scope: &Scope) {
    for child in group.elements() {
        if child.is(MD, "EntityDescriptor") {
            add_entity(document, child, scope);
        } else if child.is(MD, "EntitiesDescriptor") {
            match scope.inside(child) {
                Ok(inner) => add_group(document, child, &inner),
                Err(MetadataError { reason }) => document.warnings.push(Warning {
                    entity_id: None,
                    reason,
                }),
            }
        }
    }
}

fn add_entity(document: &mut Document, element: &Element, scope: &Scope) {
    let mut notes = Notes::default();
    let entity = entity(element, scope, &mut notes);
    let entity_id = element.attribute("entityID").map(str::to_owned);
    let mut warn = |reason| {
        document.warnings.push(Warning {
            entity_id: entity_id.clone(),
            reason,
        });
    };
    notes.0.into_iter().for_each(&mut warn);
    match entity {
        Ok(Some(entity)) => document.entities.push(entity),
        Ok(None) => {}
        Err(reason) => warn(reason),
    }
}

/// What was dropped from one entity, each reason once.
#[derive(Default)]
pub(super) struct Notes(Vec<&'static str>);

impl Notes {
    pub(super) fn add(&mut self, reason: &'static str) {
        if !self.0.contains(&reason) {
            self.0.push(reason);
        }
    }

    pub(super) fn into_reasons(self) -> Vec<&'static str> {
        self.0
    }
}

/// The entity; `None` when it has no SP role that speaks SAML 2.0.
pub(super) fn entity(
    element: &Element,
    scope: &Scope,
    notes: &mut Notes,
) -> Result<Option<EntityDescriptor>, &'static str> {
    let roles: Vec<&Element> = role::saml2_sp_roles(element).collect();
    if roles.is_empty() {
        return Ok(None);
    }
    let mut sp = role::merged(&roles, notes)?;
    if sp.assertion_consumer_services.is_empty() {
        return Err("entity skipped: no usable AssertionConsumerService");
    }
    let extensions = element.first(MD, "Extensions");
    if sp.signing_methods.is_empty() {
        // Algorithm Support 2.4: the role's list goes before the entity's.
        let methods = extensions.into_iter().flat_map(extensions::signing_methods);
        sp.signing_methods.extend(methods);
    }
    Ok(Some(EntityDescriptor {
        entity_id: entity_id(element)?,
        valid_until: entity_valid_until(element, &roles, scope)?,
        entity_attributes: extensions
            .map(extensions::entity_attributes)
            .unwrap_or_default(),
        registration_authority: extensions.and_then(extensions::registration_authority),
        groups: scope.groups.clone(),
        sp,
        organization_display_names: element
            .first(MD, "Organization")
            .map(|o| extensions::localized(o, MD, "OrganizationDisplayName"))
            .unwrap_or_default(),
    }))
}

fn entity_id(element: &Element) -> Result<String, &'static str> {
    match element.attribute("entityID") {
        None | Some("") => Err("entity skipped: no entityID"),
        Some(id) if id.len() > MAX_ENTITY_ID => {
            Err("entity skipped: entityID longer than 1024 characters")
        }
        Some(id) => Ok(id.to_owned()),
    }
}

fn entity_valid_until(
    element: &Element,
    roles: &[&Element],
    scope: &Scope,
) -> Result<Option<Timestamp>, &'static str> {
    let mut effective = strictest(scope.valid_until, valid_until(element)?);
    for role in roles {
        effective = strictest(effective, valid_until(role)?);
    }
    Ok(effective)
}

/// An unreadable `validUntil` is an error: to take it as absent would trust the entity for ever.
fn valid_until(element: &Element) -> Result<Option<Timestamp>, &'static str> {
    element
        .attribute("validUntil")
        .map(|text| instant::parse(text).ok_or("skipped: validUntil is no xs:dateTime"))
        .transpose()
}

fn strictest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
