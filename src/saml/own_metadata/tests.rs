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
        ..OwnMetadata::default()
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
            (
                Some(Binding::PostSimpleSign.uri()),
                Some("https://idp.example.org/idp/profile/SAML2/POST-SimpleSign/SSO")
            ),
        ]
    );
}

/// Everything that can be said.
fn full() -> OwnMetadata {
    let text = |text: &str| Some(text.to_owned());
    let mail = |kind| Contact {
        kind,
        name: text("Help & Desk"),
        mail: "help@example.org".to_owned(),
    };
    OwnMetadata {
        error_url: text("https://idp.example.org/error?code=ERRORURL_CODE&rp=ERRORURL_RP"),
        ui: OwnUi {
            description: text("Logs people in"),
            information_url: text("https://example.org/info"),
            privacy_statement_url: text("https://example.org/privacy"),
            logos: vec![Logo {
                url: "https://example.org/logo.png".to_owned(),
                width: 80,
                height: 60,
            }],
        },
        profiles: OwnProfiles {
            logout: true,
            ecp: true,
            artifact: Some(2),
        },
        name_id_formats: [name_id::PERSISTENT, name_id::EMAIL]
            .map(str::to_owned)
            .into(),
        category_support: vec!["http://refeds.org/category/research-and-scholarship".to_owned()],
        assurance: vec!["https://refeds.org/sirtfi2".to_owned()],
        organization: Some(Organization {
            name: "example.org".to_owned(),
            display_name: "Example <University>".to_owned(),
            url: "https://example.org".to_owned(),
        }),
        contacts: [
            ContactKind::Technical,
            ContactKind::Support,
            ContactKind::Administrative,
            ContactKind::Security,
        ]
        .map(mail)
        .into(),
        signing_certificates: [own().signing_certificates, own().signing_certificates].concat(),
        ..own()
    }
}

#[test]
fn everything_that_can_be_said_is_valid_by_the_oasis_schemas() {
    assert_eq!(schema::errors(&full().to_xml()), "");
}

#[test]
fn endpoints_stand_for_the_profiles_that_are_on_and_for_no_other() {
    let services = |own: &OwnMetadata| -> Vec<(String, Option<String>)> {
        let root = read(&own.to_xml());
        let role = root.first(MD.uri, "IDPSSODescriptor").expect("a role");
        let all = role.elements().filter(|e| e.local.ends_with("Service"));
        all.map(|e| (e.local.clone(), e.attribute("Location").map(str::to_owned)))
            .collect()
    };
    assert_eq!(services(&own()).len(), 3);
    let all = services(&full());
    let named = |local: &str| all.iter().filter(|(name, _)| name == local).count();
    assert_eq!(named("ArtifactResolutionService"), 1);
    assert_eq!(named("SingleLogoutService"), 3);
    assert_eq!(named("SingleSignOnService"), 4);
    let ecp = Some("https://idp.example.org/idp/profile/SAML2/SOAP/ECP".to_owned());
    assert!(all.iter().any(|(_, location)| *location == ecp));
}

#[test]
fn both_keys_of_a_change_and_what_we_decrypt_are_stated() {
    let root = read(&full().to_xml());
    let role = root.first(MD.uri, "IDPSSODescriptor").expect("a role");
    let of = |purpose: &'static str| {
        role.all(MD.uri, "KeyDescriptor")
            .filter(move |key| key.attribute("use") == Some(purpose))
    };
    assert_eq!(of("signing").count(), 2);
    let encryption = of("encryption").next().expect("a key");
    let methods: Vec<_> = encryption
        .all(MD.uri, "EncryptionMethod")
        .filter_map(|method| method.attribute("Algorithm"))
        .collect();
    assert_eq!(methods.len(), 4);
    assert!(
        !methods
            .iter()
            .any(|uri| uri.ends_with("cbc") || uri.ends_with("rsa-1_5"))
    );
}

#[test]
fn an_incident_finds_the_security_contact() {
    let root = read(&full().to_xml());
    let security = root
        .all(MD.uri, "ContactPerson")
        .filter_map(|contact| contact.attribute_in(REMD.uri, "contactType"))
        .collect::<Vec<_>>();
    assert_eq!(
        security,
        ["http://refeds.org/metadata/contactType/security"]
    );
}
