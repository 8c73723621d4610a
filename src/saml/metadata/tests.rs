//! Parsing of whole documents, hostile ones included.

use super::*;
use crate::saml::key::tests::{ec, rsa, self_signed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::X509;

const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// One usable assertion consumer service.
const ACS: &str = r#"<md:AssertionConsumerService index="1"
    Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.org/acs"/>"#;

fn namespaces() -> &'static str {
    r#"xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
    xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion"
    xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute"
    xmlns:mdrpi="urn:oasis:names:tc:SAML:metadata:rpi""#
}

fn entity(attributes: &str, content: &str) -> String {
    format!(
        "<md:EntityDescriptor {} {attributes}>{content}</md:EntityDescriptor>",
        namespaces()
    )
}

fn role(attributes: &str, content: &str) -> String {
    format!(
        r#"<md:SPSSODescriptor protocolSupportEnumeration="{SAML2}" {attributes}>{content}</md:SPSSODescriptor>"#
    )
}

/// An SP whose role has these attributes and this content, beside one usable ACS.
fn sp(attributes: &str, content: &str) -> String {
    entity(
        r#"entityID="https://sp.example.org/sp""#,
        &role(attributes, &format!("{content}{ACS}")),
    )
}

fn read(xml: &str) -> Document {
    parse(xml.as_bytes()).expect("a metadata document")
}

fn only(xml: &str) -> EntityDescriptor {
    let mut document = read(xml);
    assert_eq!(document.warnings, []);
    assert_eq!(document.entities.len(), 1);
    document.entities.remove(0)
}

fn reasons(document: &Document) -> Vec<&'static str> {
    document.warnings.iter().map(|w| w.reason).collect()
}

fn key_descriptor(attributes: &str, certificate: &X509) -> String {
    let text = STANDARD.encode(certificate.to_der().expect("DER"));
    format!(
        "<md:KeyDescriptor {attributes}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n {text}\n\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    )
}

fn expired(key: &PKeyRef<Private>) -> X509 {
    let mut builder = X509::builder().expect("a builder");
    builder.set_pubkey(key).expect("a key");
    builder
        .set_not_before(&Asn1Time::from_unix(0).expect("a time"))
        .expect("a start");
    builder
        .set_not_after(&Asn1Time::from_unix(1).expect("a time"))
        .expect("an end");
    builder.sign(key, MessageDigest::sha256()).expect("signed");
    builder.build()
}

#[test]
fn a_single_entity_is_read_whole() {
    let entity = only(&entity(
        r#"entityID="https://sp.example.org/sp" validUntil="2026-12-01T00:00:00Z""#,
        &format!(
            r#"<md:Extensions>
            <mdrpi:RegistrationInfo registrationAuthority="https://federation.example.org"/>
            <mdattr:EntityAttributes><a:Attribute Name="category"><a:AttributeValue>one</a:AttributeValue>
            <a:AttributeValue>two</a:AttributeValue></a:Attribute></mdattr:EntityAttributes>
            <unknown xmlns="urn:x"><deep/></unknown></md:Extensions>{}
            <md:Organization><md:OrganizationDisplayName xml:lang="en">Example</md:OrganizationDisplayName>
            </md:Organization>"#,
            role(
                r#"AuthnRequestsSigned="1" WantAssertionsSigned="true""#,
                &format!(
                    r#"<md:Extensions><mdui:UIInfo><mdui:DisplayName xml:lang="de">Wiki</mdui:DisplayName>
                    <mdui:Logo width="16" height="12">https://sp.example.org/logo.png</mdui:Logo>
                    <mdui:InformationURL xml:lang="en">https://sp.example.org/info</mdui:InformationURL>
                    </mdui:UIInfo></md:Extensions>
                    <md:SingleLogoutService Binding="{POST}" Location="https://sp.example.org/slo"
                      ResponseLocation="https://sp.example.org/slo2"/>
                    <md:NameIDFormat> urn:one </md:NameIDFormat>{ACS}
                    <md:AttributeConsumingService index="3" isDefault="0">
                    <md:ServiceName xml:lang="en">Service</md:ServiceName>
                    <md:RequestedAttribute Name="urn:mail" isRequired="1"/>
                    <md:RequestedAttribute Name="urn:uid"><a:AttributeValue>x</a:AttributeValue>
                    </md:RequestedAttribute></md:AttributeConsumingService>"#
                )
            )
        ),
    ));
    assert_eq!(entity.entity_id, "https://sp.example.org/sp");
    assert_eq!(entity.valid_until, "2026-12-01T00:00:00Z".parse().ok());
    assert_eq!(
        entity.registration_authority.as_deref(),
        Some("https://federation.example.org")
    );
    assert_eq!(entity.entity_attributes["category"], ["one", "two"]);
    assert_eq!(entity.organization_display_names[0].value, "Example");
    assert_eq!(entity.display_name(&["en".to_owned()]), "Wiki");
    let sp = &entity.sp;
    assert!(sp.authn_requests_signed && sp.want_assertions_signed);
    assert_eq!(sp.name_id_formats, ["urn:one"]);
    assert_eq!((sp.ui.logos[0].width, sp.ui.logos[0].height), (16, 12));
    assert_eq!(
        sp.ui.information_urls[0].value,
        "https://sp.example.org/info"
    );
    let slo = &sp.single_logout_services[0];
    assert_eq!(
        slo.response_location.as_deref(),
        Some("https://sp.example.org/slo2")
    );
    let service = &sp.attribute_consuming_services[0];
    assert_eq!((service.index, service.is_default), (3, Some(false)));
    assert!(service.requested[0].required && !service.requested[1].required);
    assert_eq!(service.requested[1].values, ["x"]);
}

#[test]
fn all_four_spellings_of_a_boolean_are_read() {
    for (spelling, value) in [("true", true), ("1", true), ("false", false), ("0", false)] {
        let entity = only(&sp(&format!(r#"AuthnRequestsSigned="{spelling}""#), ""));
        assert_eq!(entity.sp.authn_requests_signed, value, "{spelling}");
    }
    let document = read(&sp(r#"AuthnRequestsSigned="yes""#, ""));
    assert!(document.entities.is_empty());
    assert_eq!(
        reasons(&document),
        ["entity skipped: a flag is no xs:boolean"]
    );
}

#[test]
fn groups_pass_their_names_and_the_strictest_validity_down() {
    let inner = sp("", "");
    let document = read(&format!(
        r#"<md:EntitiesDescriptor {ns} Name="outer" validUntil="2026-12-01T00:00:00.5Z" cacheDuration="PT6H">
        <md:EntitiesDescriptor Name="inner" validUntil="2026-11-30T00:00:00">{inner}</md:EntitiesDescriptor>
        <md:EntitiesDescriptor validUntil="2027-01-01T00:00:00+01:00">{other}</md:EntitiesDescriptor>
        </md:EntitiesDescriptor>"#,
        ns = namespaces(),
        other = inner.replace("/sp\"", "/other\""),
    ));
    assert_eq!(document.warnings, []);
    assert_eq!(document.valid_until, "2026-12-01T00:00:00.5Z".parse().ok());
    assert_eq!(
        document.cache_duration,
        Some(std::time::Duration::from_hours(6))
    );
    let [one, two] = &document.entities[..] else {
        panic!("{document:?}")
    };
    assert_eq!(one.groups, ["outer", "inner"]);
    assert_eq!(one.valid_until, "2026-11-30T00:00:00Z".parse().ok());
    assert_eq!(two.groups, ["outer"]);
    assert_eq!(two.valid_until, "2026-12-01T00:00:00.5Z".parse().ok());
}

#[test]
fn an_entity_with_errors_is_skipped_and_its_neighbours_are_used() {
    let bad = [
        entity("", &role("", ACS)),
        entity(r#"entityID="""#, &role("", ACS)),
        entity(
            &format!(r#"entityID="{}""#, "x".repeat(1025)),
            &role("", ACS),
        ),
        entity(r#"entityID="a" validUntil="soon""#, &role("", ACS)),
        entity(r#"entityID="b""#, &role(r#"validUntil="soon""#, ACS)),
        entity(r#"entityID="c""#, &role("", "")),
        format!(
            r#"<md:EntitiesDescriptor validUntil="soon">{}</md:EntitiesDescriptor>"#,
            sp("", "")
        ),
    ];
    for bad in bad {
        let document = read(&format!(
            "<md:EntitiesDescriptor {}>{bad}{}</md:EntitiesDescriptor>",
            namespaces(),
            sp("", "")
        ));
        assert_eq!(document.entities.len(), 1, "{bad}");
        assert_eq!(document.warnings.len(), 1, "{bad}");
    }
}

#[test]
fn a_document_that_is_no_metadata_is_refused() {
    for xml in ["", "<a/>", "<EntityDescriptor/>", "<!DOCTYPE a><a/>"] {
        assert!(parse(xml.as_bytes()).is_err(), "{xml}");
    }
    let root = format!("<md:EntitiesDescriptor {} validUntil=\"x\"/>", namespaces());
    assert!(parse(root.as_bytes()).is_err());
}

#[test]
fn entities_without_a_saml_2_sp_role_are_passed_over_in_silence() {
    let idp = entity(
        r#"entityID="https://idp.example.org""#,
        &format!(r#"<md:IDPSSODescriptor protocolSupportEnumeration="{SAML2}"/>"#),
    );
    let saml1 = sp("", "").replace(SAML2, "urn:oasis:names:tc:SAML:1.1:protocol");
    for xml in [idp, saml1] {
        let document = read(&xml);
        assert!(document.entities.is_empty());
        assert_eq!(document.warnings, []);
    }
}

#[test]
fn s07_a_key_without_use_serves_signatures_and_encryption() {
    let certificate = self_signed(&rsa(2048));
    for (attributes, signing, encryption) in [
        ("", 1, 1),
        (r#"use="signing""#, 1, 0),
        (r#"use="encryption""#, 0, 1),
    ] {
        let entity = only(&sp("", &key_descriptor(attributes, &certificate)));
        assert_eq!(entity.sp.signing_keys.len(), signing, "{attributes}");
        assert_eq!(entity.sp.encryption_keys.len(), encryption, "{attributes}");
    }
}

#[test]
fn s07_an_expired_certificate_is_still_a_key() {
    let key = rsa(2048);
    let entity = only(&sp("", &key_descriptor("", &expired(&key))));
    assert!(entity.sp.signing_keys[0].0.public_eq(&key));
}

#[test]
fn s07_a_second_role_switches_no_check_off() {
    let certificate = self_signed(&rsa(2048));
    let strict = role(
        r#"AuthnRequestsSigned="true""#,
        &format!("{}{ACS}", key_descriptor("", &certificate)),
    );
    let lenient = role("", ACS);
    let saml1 = lenient.replace(SAML2, "urn:oasis:names:tc:SAML:1.1:protocol");
    let idp = format!(r#"<md:IDPSSODescriptor protocolSupportEnumeration="{SAML2}"/>"#);
    for content in [
        format!("{strict}{lenient}"),
        format!("{lenient}{strict}"),
        format!("{saml1}{idp}{strict}"),
    ] {
        let entity = only(&entity(r#"entityID="https://sp.example.org""#, &content));
        assert!(entity.sp.authn_requests_signed);
        assert_eq!(entity.sp.signing_keys.len(), 1);
    }
}

#[test]
fn signing_methods_of_the_role_go_before_those_of_the_entity() {
    let methods = |algorithm: &str| {
        format!(
            r#"<md:Extensions><alg:SigningMethod xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport" Algorithm="{algorithm}"/></md:Extensions>"#
        )
    };
    let both = |of_role: &str| {
        let role = role("", &format!("{of_role}{ACS}"));
        let content = format!("{}{role}", methods("urn:entity"));
        only(&entity(r#"entityID="https://sp.example.org""#, &content))
            .sp
            .signing_methods
    };
    assert_eq!(both(&methods("urn:role")), ["urn:role"]);
    assert_eq!(both(""), ["urn:entity"]);
}

#[test]
fn s18_weak_and_foreign_keys_prove_no_signature() {
    let dsa = PKey::from_dsa(openssl::dsa::Dsa::generate(2048).expect("DSA")).expect("a key");
    for (key, encryption) in [(dsa, 0), (rsa(1024), 1), (ec(Nid::SECP224R1), 1)] {
        let document = read(&sp("", &key_descriptor("", &self_signed(&key))));
        let sp = &document.entities[0].sp;
        assert_eq!(sp.signing_keys.len(), 0);
        assert_eq!(sp.encryption_keys.len(), encryption);
        assert!(
            reasons(&document)
                .iter()
                .any(|r| r.starts_with("signing key ignored"))
        );
    }
    let strong = only(&sp(
        "",
        &key_descriptor("", &self_signed(&ec(Nid::X9_62_PRIME256V1))),
    ));
    assert_eq!(strong.sp.signing_keys.len(), 1);
}

#[test]
fn a_bare_rsa_key_value_is_a_key_and_one_key_twice_is_one() {
    let key = rsa(2048);
    let public = key.rsa().expect("RSA");
    let (n, e) = (
        STANDARD.encode(public.n().to_vec()),
        STANDARD.encode(public.e().to_vec()),
    );
    let value = format!(
        "<md:KeyDescriptor><ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{n}</ds:Modulus>\
         <ds:Exponent>{e}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue><ds:X509Data>\
         <ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         <md:EncryptionMethod Algorithm=\"urn:one\"/><md:EncryptionMethod Algorithm=\"urn:two\"/>\
         </md:KeyDescriptor>",
        STANDARD.encode(self_signed(&key).to_der().expect("DER"))
    );
    let entity = only(&sp("", &value));
    assert_eq!(entity.sp.signing_keys.len(), 1);
    assert!(entity.sp.signing_keys[0].0.public_eq(&key));
    assert_eq!(entity.sp.encryption_keys[0].methods, ["urn:one", "urn:two"]);
}

#[test]
fn an_unreadable_key_is_a_warning_and_no_key() {
    for content in [
        "<md:KeyDescriptor/>",
        "<md:KeyDescriptor><ds:KeyInfo><ds:KeyName>a</ds:KeyName></ds:KeyInfo></md:KeyDescriptor>",
        "<md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>!</ds:X509Certificate>\
         </ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
        r#"<md:KeyDescriptor use="other"/>"#,
    ] {
        let document = read(&sp("", content));
        assert!(document.entities[0].sp.signing_keys.is_empty());
        assert!(!document.warnings.is_empty(), "{content}");
    }
}

#[test]
fn s22_endpoints_that_are_no_web_address_are_dropped() {
    for location in [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//sp.example.org/acs",
        "/acs",
        "https://",
        "https://sp.example.org/a b",
        "java\u{9}script:alert(1)",
        "",
    ] {
        let bad = format!(
            r#"<md:AssertionConsumerService index="7" Binding="{POST}" Location="{location}"/>
            <md:SingleLogoutService Binding="{POST}" Location="https://sp.example.org/slo"
              ResponseLocation="{location}"/>"#
        );
        let document = read(&sp("", &bad));
        let sp = &document.entities[0].sp;
        assert_eq!(sp.assertion_consumer_services.len(), 1, "{location}");
        assert!(sp.single_logout_services.is_empty(), "{location}");
        assert_eq!(
            reasons(&document),
            ["endpoint dropped: its location is no https or http URL"]
        );
    }
}

#[test]
fn s22_logos_and_links_that_could_run_are_dropped() {
    for (kind, url) in [
        ("Logo", "javascript:alert(1)"),
        ("Logo", "http://sp.example.org/logo.png"),
        ("Logo", "data:text/html;base64,PHNjcmlwdD4="),
        ("Logo", "data:image/png,\"onerror=\"x"),
        ("InformationURL", "javascript:alert(1)"),
        ("PrivacyStatementURL", "data:text/html,x"),
    ] {
        let ui = format!(
            "<md:Extensions><mdui:UIInfo><mdui:{kind}>{url}</mdui:{kind}></mdui:UIInfo></md:Extensions>"
        );
        let document = read(&sp("", &ui));
        let ui = &document.entities[0].sp.ui;
        assert!(ui.logos.is_empty(), "{url}");
        assert!(
            ui.information_urls.is_empty() && ui.privacy_statement_urls.is_empty(),
            "{url}"
        );
        assert_eq!(document.warnings.len(), 1, "{url}");
    }
    let good = "<md:Extensions><mdui:UIInfo><mdui:Logo>data:image/png;base64,AAAA</mdui:Logo>\
                </mdui:UIInfo></md:Extensions>";
    assert_eq!(only(&sp("", good)).sp.ui.logos.len(), 1);
}

#[test]
fn malformed_services_are_dropped_and_unknown_bindings_passed_over() {
    let acs = |attributes: &str| {
        format!(
            r#"<md:AssertionConsumerService Location="https://sp.example.org/x" {attributes}/>"#
        )
    };
    for (attributes, warned) in [
        (format!(r#"Binding="{POST}""#), true),
        (format!(r#"Binding="{POST}" index="x""#), true),
        (format!(r#"Binding="{POST}" index="65536""#), true),
        (
            format!(r#"Binding="{POST}" index="2" isDefault="maybe""#),
            true,
        ),
        (
            r#"Binding="urn:oasis:names:tc:SAML:1.0:profiles:browser-post" index="2""#.to_owned(),
            false,
        ),
    ] {
        let document = read(&sp("", &acs(&attributes)));
        assert_eq!(
            document.entities[0].sp.assertion_consumer_services.len(),
            1,
            "{attributes}"
        );
        assert_eq!(!document.warnings.is_empty(), warned, "{attributes}");
    }
}

#[test]
fn a_warning_never_prints_hostile_text_as_it_came() {
    let warning = Warning {
        entity_id: Some(format!("a\n\u{1b}[2J{}", "x".repeat(2000))),
        reason: "reason",
    };
    let shown = warning.to_string();
    assert!(
        shown.len() < 400 && !shown.contains(['\n', '\u{1b}']),
        "{shown}"
    );
}
