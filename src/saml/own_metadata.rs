//! The identity provider's own metadata document (SAML metadata 2.4.3, SDP-MD04, IIP-MD09).

use crate::saml::binding::Binding;
use crate::saml::name_id;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;

const MD: Namespace = Namespace::METADATA;
const SHIBMD: Namespace = Namespace::new("shibmd", "urn:mace:shibboleth:metadata:1.0");
const MDUI: Namespace = Namespace::new("mdui", "urn:oasis:names:tc:SAML:metadata:ui");
const ALG: Namespace = Namespace::new("alg", "urn:oasis:names:tc:SAML:metadata:algsupport");

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
pub const SSO_ENDPOINTS: [(Binding, &str); 2] = [
    (Binding::Redirect, "/profile/SAML2/Redirect/SSO"),
    (Binding::Post, "/profile/SAML2/POST/SSO"),
];

/// What our metadata says.
#[derive(Clone, Debug, Default)]
pub struct OwnMetadata {
    /// `entityID`.
    pub entity_id: String,
    /// `shibmd:Scope`s, never regular expressions.
    pub scopes: Vec<String>,
    /// Base URL under which the endpoints live.
    pub base_url: String,
    /// Signing certificates, base64 DER.
    pub signing_certificates: Vec<String>,
    /// Encryption certificates, base64 DER.
    pub encryption_certificates: Vec<String>,
    /// `WantAuthnRequestsSigned`.
    pub want_authn_requests_signed: bool,
    /// Display name for `mdui`, if configured.
    pub display_name: Option<String>,
}

impl OwnMetadata {
    /// The document, ending in a newline.
    pub fn to_xml(&self) -> String {
        let mut w = Writer::new();
        w.open(MD, "EntityDescriptor");
        w.attribute("entityID", &self.entity_id);
        w.open(MD, "Extensions");
        algorithms(&mut w);
        w.close();
        self.role(&mut w);
        w.close();
        w.finish() + "\n"
    }

    fn role(&self, w: &mut Writer) {
        w.open(MD, "IDPSSODescriptor");
        w.attribute(
            "protocolSupportEnumeration",
            "urn:oasis:names:tc:SAML:2.0:protocol",
        );
        if self.want_authn_requests_signed {
            // Some SPs sign only where this stands.
            w.attribute("WantAuthnRequestsSigned", "true");
        }
        self.extensions(w);
        keys(w, "signing", &self.signing_certificates);
        keys(w, "encryption", &self.encryption_certificates);
        w.leaf(MD, "NameIDFormat", name_id::TRANSIENT);
        for (binding, path) in SSO_ENDPOINTS {
            w.open(MD, "SingleSignOnService");
            w.attribute("Binding", binding.uri());
            w.attribute("Location", &format!("{}{path}", self.base_url));
            w.close();
        }
        w.close();
    }

    /// Without `shibmd:Scope` the Shibboleth SP's stock policy drops scoped attributes; a scope
    /// is never a regular expression (SDP-IDP14).
    fn extensions(&self, w: &mut Writer) {
        if self.scopes.is_empty() && self.display_name.is_none() {
            return;
        }
        w.open(MD, "Extensions");
        for scope in &self.scopes {
            w.open(SHIBMD, "Scope");
            w.attribute("regexp", "false");
            w.text(scope);
            w.close();
        }
        if let Some(name) = &self.display_name {
            w.open(MDUI, "UIInfo");
            w.open(MDUI, "DisplayName");
            w.attribute_in(Namespace::XML, "lang", "en");
            w.text(name);
            w.close();
            w.close();
        }
        w.close();
    }
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
        w.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::key::tests::{rsa, signing_key};
    use crate::saml::xml::reader::{self, Element, Limits};
    use crate::saml::xml::schema;

    fn own() -> OwnMetadata {
        let key = signing_key(&rsa(2048));
        OwnMetadata {
            entity_id: "https://idp.example.org/idp?a&b".to_owned(),
            scopes: vec!["example.org".to_owned(), "lab.example.org".to_owned()],
            base_url: "https://idp.example.org/idp".to_owned(),
            signing_certificates: vec![key.certificate_base64().to_owned()],
            encryption_certificates: vec![key.certificate_base64().to_owned()],
            want_authn_requests_signed: true,
            display_name: Some("Example <University>".to_owned()),
        }
    }

    fn read(xml: &str) -> Element {
        reader::parse(xml.as_bytes(), &Limits::MESSAGE).expect("our own document")
    }

    #[test]
    fn the_document_is_valid_by_the_oasis_schemas() {
        assert_eq!(schema::errors(&own().to_xml()), "");
        let plain = OwnMetadata {
            scopes: Vec::new(),
            encryption_certificates: Vec::new(),
            want_authn_requests_signed: false,
            display_name: None,
            ..own()
        };
        assert_eq!(schema::errors(&plain.to_xml()), "");
    }

    #[test]
    fn every_fact_of_the_identity_provider_is_stated_where_sps_look_for_it() {
        let own = own();
        let root = read(&own.to_xml());
        assert_eq!(root.attribute("entityID"), Some(own.entity_id.as_str()));
        let role = root.first(MD.uri, "IDPSSODescriptor").expect("a role");
        assert_eq!(role.attribute("WantAuthnRequestsSigned"), Some("true"));
        let extensions = role.first(MD.uri, "Extensions").expect("extensions");
        let scopes: Vec<_> = extensions
            .all(SHIBMD.uri, "Scope")
            .map(|scope| (scope.text(), scope.attribute("regexp")))
            .collect();
        assert_eq!(
            scopes,
            [
                ("example.org".to_owned(), Some("false")),
                ("lab.example.org".to_owned(), Some("false"))
            ]
        );
        let uses: Vec<_> = role
            .all(MD.uri, "KeyDescriptor")
            .map(|key| key.attribute("use"))
            .collect();
        assert_eq!(uses, [Some("signing"), Some("encryption")]);
        let places: Vec<_> = role
            .all(MD.uri, "SingleSignOnService")
            .map(|sso| (sso.attribute("Binding"), sso.attribute("Location")))
            .collect();
        assert_eq!(
            places,
            [
                (
                    Some(Binding::Redirect.uri()),
                    Some("https://idp.example.org/idp/profile/SAML2/Redirect/SSO")
                ),
                (
                    Some(Binding::Post.uri()),
                    Some("https://idp.example.org/idp/profile/SAML2/POST/SSO")
                ),
            ]
        );
    }
}
