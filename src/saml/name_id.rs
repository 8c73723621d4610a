//! Name identifiers (SAML core 2.2.3, 8.3) and the policy a request may state (core 3.4.1.1).

use crate::saml::encryption::{self, EncryptionError};
use crate::saml::key::DecryptionKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Element, Limits, parse_inside};
use crate::saml::xml::writer::Writer;
use serde::{Deserialize, Serialize};

/// `urn:oasis:names:tc:SAML:2.0:nameid-format:transient`.
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`.
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// `urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress`.
pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// `urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified`.
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// `urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted`.
pub const ENCRYPTED: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted";

/// A `NameID` as it goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// The identifier itself.
    pub value: String,
    /// `Format` URI.
    pub format: String,
    /// `NameQualifier`, our entityID for transient and persistent.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier`, the relying party's entityID or affiliation.
    pub sp_name_qualifier: Option<String>,
}

impl NameId {
    /// Reads a `NameID` element; without Format it is unspecified (SAML core 8.3.1).
    pub(super) fn read(element: &Element) -> Self {
        let text = |name| element.attribute(name).map(str::to_owned);
        Self {
            value: element.text(),
            format: text("Format").unwrap_or_else(|| UNSPECIFIED.to_owned()),
            name_qualifier: text("NameQualifier"),
            sp_name_qualifier: text("SPNameQualifier"),
        }
    }

    /// Reads an `EncryptedID` (SAML core 2.2.4) that stands inside `around`, outermost first. Call it
    /// only for a message that is proven (S16).
    pub(super) fn decrypt(
        encrypted: &Element,
        around: &[&Element],
        keys: &[DecryptionKey],
    ) -> Result<Self, EncryptionError> {
        const REFUSED: EncryptionError = EncryptionError {
            reason: "the EncryptedID cannot be decrypted to a NameID",
        };
        let octets = encryption::decrypt(encrypted, keys).map_err(|_| REFUSED)?;
        let around = [around, &[encrypted]].concat();
        match parse_inside(&octets, &around, &Limits::MESSAGE) {
            Ok(element) if element.is(Namespace::ASSERTION.uri, "NameID") => {
                Ok(Self::read(&element))
            }
            _ => Err(REFUSED),
        }
    }

    /// Writes the `NameID` element.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.open(Namespace::ASSERTION, "NameID");
        w.attribute("Format", &self.format);
        if let Some(qualifier) = &self.name_qualifier {
            w.attribute("NameQualifier", qualifier);
        }
        if let Some(qualifier) = &self.sp_name_qualifier {
            w.attribute("SPNameQualifier", qualifier);
        }
        w.text(&self.value);
        w.close();
    }
}

/// A request's `NameIDPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameIdPolicy {
    /// Wanted `Format`; `None` and `unspecified` leave the choice to us.
    pub format: Option<String>,
    /// Wanted `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
    /// `AllowCreate`.
    pub allow_create: bool,
}
