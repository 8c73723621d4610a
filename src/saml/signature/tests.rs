mod forgery;
#[cfg(feature = "oracle")]
mod oracle;

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
    for key in [
        rsa(2048),
        rsa(3072),
        ec(Nid::X9_62_PRIME256V1),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
    ] {
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

/// Requests as other libraries write them, with everything canonicalisation has to undo.
const FOREIGN: &[&str] = &[
    "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
     Version='2.0'   ID=\"_o\"\n IssueInstant='&#x32;026'><saml:Issuer \
     xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">a<!-- c -->b<![CDATA[<&]]>&#13;\r\n \
     </saml:Issuer>SIGNATURE<samlp:NameIDPolicy Format='x\ty&#9;z&quot;'/></samlp:AuthnRequest>",
    "<?xml version=\"1.0\"?>\n<!-- c --><AuthnRequest \
     xmlns=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_o\" xmlns:un='urn:unused' \
     xmlns:x='urn:x' x:b='1' a='2' xml:lang='en'><Issuer \
     xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">i</Issuer>SIGNATURE<Extensions><e xmlns=\"\"><f \
     xmlns='urn:f' xmlns:x='urn:y' x:y='z'/><x:g/></e></Extensions></AuthnRequest>",
];

fn template(signature: &str, digest: &str, prefixes: &str) -> String {
    let inclusive = format!(
        "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" \
         PrefixList=\"{prefixes}\"/>"
    );
    format!(
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">\n<SignedInfo>\
         <CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">{inclusive}\
         </CanonicalizationMethod>\n<SignatureMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{signature}\"/><Reference URI=\"#_o\">\
         <Transforms><Transform \
         Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><Transform \
         Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">{inclusive}</Transform></Transforms>\
         <DigestMethod Algorithm=\"{digest}\"/><DigestValue/></Reference></SignedInfo>\
         <SignatureValue/></Signature>"
    )
}

#[test]
fn what_xmlsec1_signs_verifies_here_in_every_allowed_algorithm() {
    let keys = [
        rsa(2048),
        ec(Nid::X9_62_PRIME256V1),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
    ];
    let digests = [
        "http://www.w3.org/2001/04/xmlenc#sha256",
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        "http://www.w3.org/2001/04/xmlenc#sha512",
    ];
    for (bits, digest) in ["256", "384", "512"].into_iter().zip(digests) {
        for (key, family) in keys.iter().zip(["rsa", "ecdsa", "ecdsa", "ecdsa"]) {
            let template = template(&format!("{family}-sha{bits}"), digest, "x #default un");
            for document in FOREIGN {
                let document = document.replace("SIGNATURE", &template);
                let pem = key.private_key_to_pem_pkcs8().unwrap();
                let xml = second_opinion::sign(&document, "AuthnRequest", &pem);
                let trusted = trusted(&signing_key(key));
                verify_enveloped(&read(&xml), &[trusted]).unwrap_or_else(|e| panic!("{e}: {xml}"));
            }
        }
    }
}

#[test]
fn every_trusted_key_is_tried_in_turn() {
    let key = signing_key(&rsa(2048));
    let others = [
        trusted(&signing_key(&ec(Nid::X9_62_PRIME256V1))),
        trusted(&signing_key(&rsa(2048))),
    ];
    let root = read(&doubly_signed(&key));
    assert!(verify_enveloped(&root, &others).is_err());
    let [one, two] = others;
    verify_enveloped(&root, &[one, two, trusted(&key)]).unwrap();
}
