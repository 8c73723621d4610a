use super::*;
use crate::authn::event::Event;
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{ec, rsa, signing_key};
use crate::saml::metadata::TrustedKey;
use crate::saml::signature::verify_enveloped;
use crate::saml::xml::schema;
use crate::saml::xml::second_opinion::{exclusive_c14n, verifies};
use openssl::nid::Nid;

pub(super) const BOTH: Signing = Signing {
    response: true,
    assertion: true,
};
pub(super) const RESPONSE: Signing = Signing {
    response: true,
    assertion: false,
};
pub(super) const ASSERTION: Signing = Signing {
    response: false,
    assertion: true,
};

pub(super) fn keys() -> [SigningKey; 2] {
    [rsa(2048), ec(Nid::X9_62_PRIME256V1)].map(|key| signing_key(&key))
}

/// Canonical by libxml2's judgement, and valid by the OASIS schema.
fn judge(xml: &str) {
    assert_eq!(xml, exclusive_c14n(xml));
    assert_eq!(schema::errors(xml), "", "{xml}");
}

#[test]
fn xmlsec1_verifies_what_is_signed_and_libxml2_agrees_on_every_octet() {
    for key in keys() {
        let certificate = key.certificate().to_pem().unwrap();
        for signing in [RESPONSE, ASSERTION, BOTH] {
            let xml = success(Case::default().issue(), signing, &key).unwrap();
            judge(&xml);
            for (local, signed) in [
                ("Response", signing.response),
                ("Assertion", signing.assertion),
            ] {
                assert_eq!(
                    verifies(&xml, local, &certificate),
                    signed,
                    "{signing:?} {local}"
                );
            }
            let changed = xml.replace("jane@example.org", "eve@example.org");
            assert!(!verifies(&changed, "Response", &certificate));
            assert!(!verifies(&changed, "Assertion", &certificate));
        }
    }
}

#[test]
fn an_extracted_assertion_verifies_on_its_own() {
    let [key, _] = keys();
    let xml = success(Case::default().issue(), BOTH, &key).unwrap();
    let start = xml.find("<saml2:Assertion").unwrap();
    let end = xml.find("</saml2p:Response>").unwrap();
    let assertion = &xml[start..end];
    assert_eq!(assertion, exclusive_c14n(assertion));
    let certificate = key.certificate().to_pem().unwrap();
    assert!(verifies(assertion, "Assertion", &certificate));
    let trusted = TrustedKey(key.certificate().public_key().unwrap());
    verify_enveloped(&read(assertion), &[trusted]).unwrap();
}

#[test]
fn unsolicited_poor_and_hostile_answers_are_valid_and_canonical_too() {
    let [_, key] = keys();
    let bare = Case {
        request: request(None),
        attributes: vec![],
        with_address: false,
        session_end: Some(now()),
        ..Case::default()
    };
    judge(&success(bare.issue(), BOTH, &key).unwrap());
    let hostile = "a<b>&\"'\t\r\n]]>\u{1F600}<!--x-->&amp;";
    let hostile = Case {
        subject: subject(hostile),
        attributes: vec![attribute(hostile, &[hostile, ""])],
        ..Case::default()
    };
    judge(&success(hostile.issue(), BOTH, &key).unwrap());
}

#[test]
fn every_error_is_valid_canonical_and_verifies() {
    let [key, _] = keys();
    let certificate = key.certificate().to_pem().unwrap();
    for event in Event::ALL.iter().filter(|event| **event != Event::Proceed) {
        let refusal = request(Some("_req1")).refuse(status_of(*event), event.as_str(), "reason");
        let xml = error(&refusal, IDP, "_response", now(), Some(&key)).unwrap();
        judge(&xml);
        assert!(verifies(&xml, "Response", &certificate), "{event}");
    }
}
