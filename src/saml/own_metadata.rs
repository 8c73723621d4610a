//! The identity provider's own metadata document (SAML metadata 2.4.3, SDP-MD04, IIP-MD09).

use crate::saml::binding::Binding;
use crate::saml::encryption::{BlockEncryption, KeyTransport};
use crate::saml::logout::ASYNC;
use crate::saml::metadata::Logo;
use crate::saml::name_id;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;

const MD: Namespace = Namespace::METADATA;
const SHIBMD: Namespace = Namespace::new("shibmd", "urn:mace:shibboleth:metadata:1.0");
const MDUI: Namespace = Namespace::new("mdui", "urn:oasis:names:tc:SAML:metadata:ui");
const REMD: Namespace = Namespace::new("remd", "http://refeds.org/metadata");
const ALG: Namespace = Namespace::new("alg", "urn:oasis:names:tc:SAML:metadata:algsupport");

const MDATTR: Namespace = Namespace::new("mdattr", "urn:oasis:names:tc:SAML:metadata:attribute");

/// The entity attribute of the categories we support (REFEDS; RFC 8409 4).
const CATEGORY_SUPPORT: &str = "http://macedir.org/entity-category-support";
/// The entity attribute of the assurance we claim (SAML Identity Assurance Profiles 3.1).
const ASSURANCE: &str = "urn:oasis:names:tc:SAML:attribute:assurance-certification";

/// The digests that `saml::signature` verifies, the wanted one first.
const DIGEST_METHODS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// The signature methods that `saml::signature` verifies, the wanted one first.
const SIGNATURE_METHODS: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];

/// Where single sign-on requests come in, below the base URL.
pub const SSO_ENDPOINTS: [(Binding, &str); 3] = [
    (Binding::Redirect, "/profile/SAML2/Redirect/SSO"),
    (Binding::Post, "/profile/SAML2/POST/SSO"),
    (
        Binding::PostSimpleSign,
        "/profile/SAML2/POST-SimpleSign/SSO",
    ),
];

/// Where logout messages come in, below the base URL.
pub const SLO_ENDPOINTS: [(Binding, &str); 3] = [
    (Binding::Redirect, "/profile/SAML2/Redirect/SLO"),
    (Binding::Post, "/profile/SAML2/POST/SLO"),
    (Binding::Soap, "/profile/SAML2/SOAP/SLO"),
];

/// Where enhanced clients come in, below the base URL.
pub const ECP_ENDPOINT: (Binding, &str) = (Binding::Soap, "/profile/SAML2/SOAP/ECP");

/// Where artifacts are resolved, below the base URL.
pub const ARTIFACT_ENDPOINT: (Binding, &str) =
    (Binding::Soap, "/profile/SAML2/SOAP/ArtifactResolution");

/// What our metadata says.
#[derive(Clone, Debug, Default)]
pub struct OwnMetadata {
    /// `entityID`.
    pub entity_id: String,
    /// `shibmd:Scope`s, never regular expressions.
    pub scopes: Vec<String>,
    /// Base URL under which the endpoints live.
    pub base_url: String,
    /// Signing certificates, base64 DER: several while keys are being changed.
    pub signing_certificates: Vec<String>,
    /// Encryption certificates, base64 DER.
    pub encryption_certificates: Vec<String>,
    /// `WantAuthnRequestsSigned`.
    pub want_authn_requests_signed: bool,
    /// Display name for `mdui`, if configured.
    pub display_name: Option<String>,
    /// What else users are shown of us.
    pub ui: OwnUi,
    /// `errorURL`: an https page with REFEDS placeholders as a rule (SDP-MD12).
    pub error_url: Option<String>,
    /// The profiles with endpoints of their own.
    pub profiles: OwnProfiles,
    /// `NameIDFormat`s in order of preference; transient alone if empty.
    pub name_id_formats: Vec<String>,
    /// Entity categories whose attributes we release.
    pub category_support: Vec<String>,
    /// Assurance certifications, such as Sirtfi's.
    pub assurance: Vec<String>,
    /// The organization.
    pub organization: Option<Organization>,
    /// Contacts: SDP-MD11 asks for a technical one.
    pub contacts: Vec<Contact>,
}

/// The profiles that have endpoints besides single sign-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnProfiles {
    /// Single logout.
    pub logout: bool,
    /// Enhanced clients.
    pub ecp: bool,
    /// Artifact resolution, and the index of its service.
    pub artifact: Option<u16>,
}

/// What discovery services and login pages of others show of us (`mdui`), in English.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnUi {
    /// `Description`.
    pub description: Option<String>,
    /// `InformationURL`.
    pub information_url: Option<String>,
    /// `PrivacyStatementURL`.
    pub privacy_statement_url: Option<String>,
    /// `Logo`s, https or data (SDP-MD10).
    pub logos: Vec<Logo>,
}

/// `md:Organization`, in English.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    /// `OrganizationName`.
    pub name: String,
    /// `OrganizationDisplayName`.
    pub display_name: String,
    /// `OrganizationURL`.
    pub url: String,
}

/// `md:ContactPerson`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What for.
    pub kind: ContactKind,
    /// `GivenName`, a team's name as a rule.
    pub name: Option<String>,
    /// Mail address, without `mailto:`.
    pub mail: String,
}

/// What a contact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactKind {
    /// The people who run the service.
    Technical,
    /// The people who help users.
    Support,
    /// The people in charge.
    Administrative,
    /// The people to call in a security incident (Sirtfi 2; REFEDS security contact).
    Security,
}

impl OwnMetadata {
    /// The document, ending in a newline.
    pub fn to_xml(&self) -> String {
        let mut w = Writer::new();
        w.open(MD, "EntityDescriptor");
        w.attribute("entityID", &self.entity_id);
        w.open(MD, "Extensions");
        algorithms(&mut w);
        self.entity_attributes(&mut w);
        w.close();
        self.role(&mut w);
        if let Some(organization) = &self.organization {
            organization.write(&mut w);
        }
        for contact in &self.contacts {
            contact.write(&mut w);
        }
        w.close();
        w.finish() + "\n"
    }

    fn entity_attributes(&self, w: &mut Writer) {
        let attributes = [
            (CATEGORY_SUPPORT, &self.category_support),
            (ASSURANCE, &self.assurance),
        ];
        let mut attributes = attributes
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .peekable();
        if attributes.peek().is_none() {
            return;
        }
        w.open(MDATTR, "EntityAttributes");
        for (name, values) in attributes {
            w.open(Namespace::ASSERTION, "Attribute");
            w.attribute("Name", name);
            w.attribute(
                "NameFormat",
                "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
            );
            for value in *values {
                w.leaf(Namespace::ASSERTION, "AttributeValue", value);
            }
            w.close();
        }
        w.close();
    }

    /// The order of the elements is the schema's (SAML metadata 2.4.2, 2.4.3).
    fn role(&self, w: &mut Writer) {
        w.open(MD, "IDPSSODescriptor");
        w.attribute(
            "protocolSupportEnumeration",
            "urn:oasis:names:tc:SAML:2.0:protocol",
        );
        if let Some(url) = &self.error_url {
            w.attribute("errorURL", url);
        }
        if self.want_authn_requests_signed {
            // Some SPs sign only where this stands.
            w.attribute("WantAuthnRequestsSigned", "true");
        }
        self.extensions(w);
        keys(w, "signing", &self.signing_certificates);
        keys(w, "encryption", &self.encryption_certificates);
        self.back_channel_and_logout(w);
        if self.name_id_formats.is_empty() {
            w.leaf(MD, "NameIDFormat", name_id::TRANSIENT);
        }
        for format in &self.name_id_formats {
            w.leaf(MD, "NameIDFormat", format);
        }
        self.single_sign_on(w);
        w.close();
    }

    fn back_channel_and_logout(&self, w: &mut Writer) {
        if let Some(index) = self.profiles.artifact {
            self.open_service(w, "ArtifactResolutionService", ARTIFACT_ENDPOINT);
            w.attribute("index", &index.to_string());
            w.close();
        }
        if self.profiles.logout {
            for endpoint in SLO_ENDPOINTS {
                self.open_service(w, "SingleLogoutService", endpoint);
                if endpoint.0 != Binding::Soap {
                    // IIP-IDP17: who finds this may ask and wait for no answer.
                    w.attribute_in(ASYNC, "supportsAsynchronous", "true");
                }
                w.close();
            }
        }
    }

    fn single_sign_on(&self, w: &mut Writer) {
        let ecp = self.profiles.ecp.then_some(ECP_ENDPOINT);
        let endpoints = SSO_ENDPOINTS.into_iter().chain(ecp);
        for endpoint in endpoints {
            self.open_service(w, "SingleSignOnService", endpoint);
            w.close();
        }
    }

    fn open_service(&self, w: &mut Writer, local: &'static str, (binding, path): (Binding, &str)) {
        w.open(MD, local);
        w.attribute("Binding", binding.uri());
        w.attribute("Location", &format!("{}{path}", self.base_url));
    }

    /// Without `shibmd:Scope` the Shibboleth SP's stock policy drops scoped attributes; a scope
    /// is never a regular expression (SDP-IDP14).
    fn extensions(&self, w: &mut Writer) {
        let no_ui = self.display_name.is_none() && self.ui == OwnUi::default();
        if self.scopes.is_empty() && no_ui {
            return;
        }
        w.open(MD, "Extensions");
        for scope in &self.scopes {
            w.open(SHIBMD, "Scope");
            w.attribute("regexp", "false");
            w.text(scope);
            w.close();
        }
        if !no_ui {
            self.ui_info(w);
        }
        w.close();
    }

    fn ui_info(&self, w: &mut Writer) {
        w.open(MDUI, "UIInfo");
        for (local, text) in [
            ("DisplayName", &self.display_name),
            ("Description", &self.ui.description),
            ("InformationURL", &self.ui.information_url),
            ("PrivacyStatementURL", &self.ui.privacy_statement_url),
        ] {
            if let Some(text) = text {
                english(w, MDUI, local, text);
            }
        }
        for logo in &self.ui.logos {
            w.open(MDUI, "Logo");
            w.attribute("height", &logo.height.to_string());
            w.attribute("width", &logo.width.to_string());
            w.text(&logo.url);
            w.close();
        }
        w.close();
    }
}

impl Organization {
    fn write(&self, w: &mut Writer) {
        w.open(MD, "Organization");
        english(w, MD, "OrganizationName", &self.name);
        english(w, MD, "OrganizationDisplayName", &self.display_name);
        english(w, MD, "OrganizationURL", &self.url);
        w.close();
    }
}

impl Contact {
    fn write(&self, w: &mut Writer) {
        w.open(MD, "ContactPerson");
        let kind = match self.kind {
            ContactKind::Technical => "technical",
            ContactKind::Support => "support",
            ContactKind::Administrative => "administrative",
            ContactKind::Security => "other",
        };
        w.attribute("contactType", kind);
        if self.kind == ContactKind::Security {
            let security = "http://refeds.org/metadata/contactType/security";
            w.attribute_in(REMD, "contactType", security);
        }
        if let Some(name) = &self.name {
            w.leaf(MD, "GivenName", name);
        }
        w.leaf(MD, "EmailAddress", &format!("mailto:{}", self.mail));
        w.close();
    }
}

fn english(w: &mut Writer, namespace: Namespace, local: &'static str, text: &str) {
    w.open(namespace, local);
    w.attribute_in(Namespace::XML, "lang", "en");
    w.text(text);
    w.close();
}

/// What we verify, so that peers need not guess (IIP-MD09, Algorithm Support 2.4).
fn algorithms(w: &mut Writer) {
    for uri in DIGEST_METHODS {
        w.open(ALG, "DigestMethod");
        w.attribute("Algorithm", uri);
        w.close();
    }
    for uri in SIGNATURE_METHODS {
        w.open(ALG, "SigningMethod");
        w.attribute("Algorithm", uri);
        w.close();
    }
}

fn keys(w: &mut Writer, purpose: &str, certificates: &[String]) {
    const DS: Namespace = Namespace::SIGNATURE;
    for certificate in certificates {
        w.open(MD, "KeyDescriptor");
        w.attribute("use", purpose);
        w.open(DS, "KeyInfo");
        w.open(DS, "X509Data");
        w.leaf(DS, "X509Certificate", certificate);
        w.close();
        w.close();
        if purpose == "encryption" {
            encryption_methods(w);
        }
        w.close();
    }
}

/// What we decrypt, so that nobody sends what we refuse (IIP-MD10).
fn encryption_methods(w: &mut Writer) {
    let blocks = BlockEncryption::ALL.into_iter();
    let blocks = blocks.filter(|block| block.is_authenticated());
    let transports = [KeyTransport::RsaOaepMgf1p, KeyTransport::RsaOaepSha256];
    for uri in blocks
        .map(BlockEncryption::uri)
        .chain(transports.map(KeyTransport::uri))
    {
        w.open(MD, "EncryptionMethod");
        w.attribute("Algorithm", uri);
        w.close();
    }
}

#[cfg(test)]
mod tests;
