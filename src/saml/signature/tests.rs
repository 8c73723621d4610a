use super::{sign, verify_enveloped};
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{ec, rsa, signing_key};
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Element, Limits, parse};
use crate::saml::xml::second_opinion;
use crate::saml::xml::writer::{Place, Writer};
use openssl::nid::Nid;

fn trusted(key: &SigningKey) -> TrustedKey {
    TrustedKey(key.certificate().public_key().unwrap())
}

fn read(xml: &str) -> Element {
    parse(xml.as_bytes(), &Limits::MESSAGE).unwrap()
}

fn open_with_issuer(w: &mut Writer, namespace: Namespace, local: &'static str, id: &str) -> Place {
    w.open(namespace, local);
    w.attribute("ID", id);
    w.attribute("Version", "2.0");
    w.leaf(
        Namespace::ASSERTION,
        "Issuer",
        "https://idp.example.org/a&b",
    );
    w.place()
}

/// A Response with an Assertion inside, both signed.
fn doubly_signed(key: &SigningKey) -> String {
    let mut w = Writer::new();
    let response = open_with_issuer(&mut w, Namespace::PROTOCOL, "Response", "_r");
    let assertion = open_with_issuer(&mut w, Namespace::ASSERTION, "Assertion", "_a");
    w.leaf(
        Namespace::ASSERTION,
        "AttributeValue",
        "Jane & <Janet> \"J\"\t\r\n]]> \u{5c71}",
    );
    w.close();
    sign(&mut w, &assertion, "_a", key).unwrap();
    w.close();
    sign(&mut w, &response, "_r", key).unwrap();
    w.finish()
}

#[test]
fn what_we_sign_verifies_with_xmlsec1_and_with_ourselves() {
    for key in [rsa(2048), ec(Nid::X9_62_PRIME256V1)] {
        let key = signing_key(&key);
        let certificate = key.certificate().to_pem().unwrap();
        let xml = doubly_signed(&key);
        assert_eq!(xml, second_opinion::exclusive_c14n(&xml));
        assert!(
            second_opinion::verifies(&xml, "Response", &certificate),
            "{xml}"
        );
        assert!(
            second_opinion::verifies(&xml, "Assertion", &certificate),
            "{xml}"
        );
        let root = read(&xml);
        verify_enveloped(&root, &[trusted(&key)]).unwrap();
        let assertion = root.first(Namespace::ASSERTION.uri, "Assertion").unwrap();
        verify_enveloped(assertion, &[trusted(&key)]).unwrap();
        let changed = xml.replace("Janet", "janet");
        assert!(!second_opinion::verifies(
            &changed,
            "Assertion",
            &certificate
        ));
    }
}
