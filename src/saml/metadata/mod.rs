//! Relying parties' metadata as compact values (SAML metadata, MDUI, RPI, entity attributes).
//!
//! Owns: what an SP's metadata says and how it is read. Unknown extensions are passed over
//! (IIP-EXT01); an entity with errors is skipped and the rest of its document used.

mod acs;
pub mod aggregate;
mod display_name;
mod document;
mod extensions;
mod keys;
pub mod lint;
mod role;
mod set;
#[cfg(test)]
mod tests;

pub use acs::{AcsProblem, AcsWish, AnswerBy};
pub use document::parse;
pub use set::MetadataSet;

pub(crate) use role::{boolean, unsigned_short};

use crate::saml::binding::Binding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One entity with an SP role.
#[derive(Clone, Debug, Default)]
pub struct EntityDescriptor {
    /// `entityID`.
    pub entity_id: String,
    /// Effective `validUntil` (the strictest of the entity, its groups and the role).
    pub valid_until: Option<Timestamp>,
    /// `mdattr:EntityAttributes`: name to values.
    pub entity_attributes: BTreeMap<String, Vec<String>>,
    /// `mdrpi:RegistrationInfo/@registrationAuthority`.
    pub registration_authority: Option<String>,
    /// `Name`s of the `EntitiesDescriptor`s around it, outermost first.
    pub groups: Vec<String>,
    /// The SP role.
    pub sp: SpSsoDescriptor,
    /// `OrganizationDisplayName`s by language.
    pub organization_display_names: Vec<Localized>,
}

/// The SP role of an entity.
#[derive(Clone, Debug, Default)]
pub struct SpSsoDescriptor {
    /// `AuthnRequestsSigned`.
    pub authn_requests_signed: bool,
    /// `WantAssertionsSigned`.
    pub want_assertions_signed: bool,
    /// Assertion consumer services in document order.
    pub assertion_consumer_services: Vec<IndexedEndpoint>,
    /// Single logout services.
    pub single_logout_services: Vec<Endpoint>,
    /// Keys usable for signatures (`use="signing"` or absent).
    pub signing_keys: Vec<TrustedKey>,
    /// Keys usable for encryption (`use="encryption"` or absent).
    pub encryption_keys: Vec<EncryptionKey>,
    /// `alg:SigningMethod`s, those of the role or else of the entity (Algorithm Support 2.4); empty
    /// when none are declared.
    pub signing_methods: Vec<String>,
    /// `NameIDFormat`s in order.
    pub name_id_formats: Vec<String>,
    /// `AttributeConsumingService`s.
    pub attribute_consuming_services: Vec<AttributeConsumingService>,
    /// `mdui:UIInfo`.
    pub ui: UiInfo,
}

/// A public key taken from metadata, parsed once.
#[derive(Clone)]
pub struct TrustedKey(pub openssl::pkey::PKey<openssl::pkey::Public>);

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({:?}, {} bits)", self.0.id(), self.0.bits())
    }
}

/// An encryption key with the algorithms the SP declares for it (`md:EncryptionMethod`).
#[derive(Clone, Debug)]
pub struct EncryptionKey {
    /// The key.
    pub key: TrustedKey,
    /// Declared algorithm URIs in order, empty when none were declared.
    pub methods: Vec<String>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The binding.
    pub binding: Binding,
    /// `Location`, an https or http URL, compared as a plain string.
    pub location: String,
    /// `ResponseLocation`.
    pub response_location: Option<String>,
}

/// An indexed endpoint: an assertion consumer service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedEndpoint {
    /// `index`.
    pub index: u16,
    /// `isDefault`, absent kept apart from false (SAML metadata 2.2.3).
    pub is_default: Option<bool>,
    /// The endpoint.
    pub endpoint: Endpoint,
}

/// An `AttributeConsumingService`.
#[derive(Clone, Debug, Default)]
pub struct AttributeConsumingService {
    /// `index`.
    pub index: u16,
    /// `isDefault`.
    pub is_default: Option<bool>,
    /// Requested attributes: name, required.
    pub requested: Vec<RequestedAttribute>,
    /// `ServiceName`s.
    pub names: Vec<Localized>,
}

/// A `RequestedAttribute`.
#[derive(Clone, Debug, Default)]
pub struct RequestedAttribute {
    /// `Name`.
    pub name: String,
    /// `isRequired`.
    pub required: bool,
    /// Values the SP restricts itself to.
    pub values: Vec<String>,
}

/// `mdui:UIInfo`, hostile until escaped.
#[derive(Clone, Debug, Default)]
pub struct UiInfo {
    /// `DisplayName`s.
    pub display_names: Vec<Localized>,
    /// `Description`s.
    pub descriptions: Vec<Localized>,
    /// `InformationURL`s (https or http only).
    pub information_urls: Vec<Localized>,
    /// `PrivacyStatementURL`s (https or http only).
    pub privacy_statement_urls: Vec<Localized>,
    /// `Logo`s (https or data:image only).
    pub logos: Vec<Logo>,
}

/// Text in a language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Localized {
    /// `xml:lang`, empty when absent.
    pub lang: String,
    /// The text.
    pub value: String,
}

/// An `mdui:Logo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// URL.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Where entities are looked up.
pub trait MetadataResolver: Send + Sync {
    /// The entity with this id, if it is known, not disabled, and still valid at `now`.
    fn entity(&self, entity_id: &str, now: Timestamp) -> Option<Arc<EntityDescriptor>>;
}

/// What one metadata document holds.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Entities with an SP role, in document order.
    pub entities: Vec<EntityDescriptor>,
    /// The root's `validUntil`.
    pub valid_until: Option<Timestamp>,
    /// The root's `cacheDuration`: how long the source asks us to wait before the next look.
    pub cache_duration: Option<std::time::Duration>,
    /// What was skipped or dropped, and why.
    pub warnings: Vec<Warning>,
}

/// Something in metadata that was skipped or dropped; the rest of the document is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The entity it concerns, when it is known; hostile text until escaped (`Display` does).
    pub entity_id: Option<String>,
    /// A constant, loggable reason.
    pub reason: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entity_id {
            Some(id) => {
                let shown: String = id.chars().take(256).collect();
                write!(f, "{shown:?}: {}", self.reason)
            }
            None => f.write_str(self.reason),
        }
    }
}

/// Why a whole document was refused: a constant reason. Errors of single entities are
/// [`Warning`]s and never refuse the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for MetadataError {}
