//! Signed requests: what proves, and what only looks as if.

use super::*;
use crate::saml::binding::DetachedSignature;
use crate::saml::encryption::{BlockEncryption, KeyTransport, RANDOMNESS, Recipient, encrypt};
use crate::saml::key::tests::{rsa, self_signed, signing_key};
use crate::saml::key::{DecryptionKey, SigningKey};
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use openssl::pkey::{PKey, Private};

fn key_descriptor(attributes: &str, key: &SigningKey) -> String {
    format!(
        r#"<md:KeyDescriptor {attributes}><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#">
        <X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></md:KeyDescriptor>"#,
        key.certificate_base64()
    )
}

/// An AuthnRequest with an enveloped signature, to one of our endpoints.
fn enveloped(key: &SigningKey, destination: &str) -> String {
    let mut w = Writer::new();
    w.open(Namespace::PROTOCOL, "AuthnRequest");
    w.attribute("ID", "_1");
    w.attribute("Version", "2.0");
    w.attribute("IssueInstant", NOW);
    if !destination.is_empty() {
        w.attribute("Destination", destination);
    }
    w.leaf(Namespace::ASSERTION, "Issuer", SP);
    let place = w.place();
    w.close();
    crate::saml::signature::sign(&mut w, &place, "_1", key).expect("signed");
    w.finish()
}

fn post(xml: &str) -> Inbound {
    Inbound {
        binding: Binding::Post,
        ..inbound(xml)
    }
}

fn detached(key: &SigningKey) -> DetachedSignature {
    let signed_octets = b"SAMLRequest=a&RelayState=b&SigAlg=c".to_vec();
    DetachedSignature {
        algorithm: key.algorithm().to_owned(),
        signature: key.sign(&signed_octets).expect("signed"),
        signed_octets,
    }
}

fn redirect_signed(key: &SigningKey) -> Inbound {
    Inbound {
        detached: Some(detached(key)),
        ..message(&format!(r#"Destination="{IDP}""#), "")
    }
}

fn against(metadata: &MetadataSet, inbound: &Inbound) -> Result<AuthnRequest, Refusal> {
    accept(inbound, metadata, &acceptance(), at(NOW)).map(|(request, _)| request)
}

#[test]
fn a_signature_by_a_key_of_metadata_proves_the_request() {
    let key = signing_key(&rsa(2048));
    for (role, attributes) in [
        (r#"AuthnRequestsSigned="true""#, r#"use="signing""#),
        (r#"AuthnRequestsSigned="true""#, ""),
        ("", ""),
    ] {
        let metadata = relying_party(role, &key_descriptor(attributes, &key));
        let by_post = post(&enveloped(&key, IDP_POST));
        assert!(against(&metadata, &by_post).expect("accepted").signed);
        assert!(
            against(&metadata, &redirect_signed(&key))
                .expect("accepted")
                .signed
        );
    }
}

#[test]
fn any_key_of_metadata_may_have_signed() {
    let (old, new) = (signing_key(&rsa(2048)), signing_key(&rsa(2048)));
    let keys = [key_descriptor("", &old), key_descriptor("", &new)].concat();
    let metadata = relying_party("", &keys);
    for key in [old, new] {
        assert!(against(&metadata, &redirect_signed(&key)).is_ok());
        assert!(against(&metadata, &post(&enveloped(&key, IDP_POST))).is_ok());
    }
}

#[test]
fn s06_a_present_signature_must_verify_even_where_none_is_demanded() {
    let (known, other) = (signing_key(&rsa(2048)), signing_key(&rsa(2048)));
    let metadata = relying_party("", &key_descriptor("", &known));
    let good = enveloped(&known, IDP_POST);
    let mut changed = redirect_signed(&known);
    if let Some(signature) = &mut changed.detached {
        signature.signed_octets.push(b'x');
    }
    for bad in [
        redirect_signed(&other),
        changed,
        post(&enveloped(&other, IDP_POST)),
        post(&good.replace(
            "<saml2p:AuthnRequest ",
            "<saml2p:AuthnRequest ForceAuthn=\"1\" ",
        )),
    ] {
        assert_eq!(
            local_event(against(&metadata, &bad)),
            "MessageAuthenticationError"
        );
    }
}

#[test]
fn s06_an_empty_signature_element_is_a_bad_signature() {
    let key = signing_key(&rsa(2048));
    let empty = r#"<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>"#;
    for role in ["", r#"AuthnRequestsSigned="true""#] {
        let metadata = relying_party(role, &key_descriptor("", &key));
        for (binding, destination) in [(Binding::Redirect, IDP), (Binding::Post, IDP_POST)] {
            let bad = Inbound {
                binding,
                ..message(&format!(r#"Destination="{destination}""#), empty)
            };
            assert_eq!(
                local_event(against(&metadata, &bad)),
                "MessageAuthenticationError"
            );
        }
    }
}

#[test]
fn s07_without_any_key_in_metadata_no_signature_is_believed() {
    let key = signing_key(&rsa(2048));
    for keys in [String::new(), key_descriptor(r#"use="encryption""#, &key)] {
        let metadata = relying_party("", &keys);
        for signed in [redirect_signed(&key), post(&enveloped(&key, IDP_POST))] {
            let event = local_event(against(&metadata, &signed));
            assert_eq!(event, "MessageAuthenticationError");
        }
    }
}

#[test]
fn s07_an_enveloped_signature_inside_a_redirect_message_must_verify_too() {
    let (known, other) = (signing_key(&rsa(2048)), signing_key(&rsa(2048)));
    let metadata = relying_party("", &key_descriptor("", &known));
    for (envelope, outer, good) in [
        (&known, Some(&known), true),
        (&known, None, true),
        (&other, Some(&known), false),
        (&known, Some(&other), false),
        (&other, None, false),
    ] {
        let both = Inbound {
            detached: outer.map(detached),
            ..inbound(&enveloped(envelope, IDP))
        };
        assert_eq!(against(&metadata, &both).is_ok(), good);
    }
}

#[test]
fn s24_a_signed_message_must_say_where_it_goes() {
    let key = signing_key(&rsa(2048));
    let metadata = relying_party("", &key_descriptor("", &key));
    let redirect = Inbound {
        detached: Some(detached(&key)),
        ..message("", "")
    };
    for nowhere in [
        redirect,
        post(&enveloped(&key, "")),
        post(&enveloped(&key, IDP)),
    ] {
        assert_eq!(
            local_event(against(&metadata, &nowhere)),
            "MessageAuthenticationError"
        );
    }
}

/// An AuthnRequest about an encrypted subject, its signature beside it or none.
fn about_encrypted(idp: &PKey<Private>, sp: Option<&SigningKey>) -> Inbound {
    let trusted = TrustedKey(self_signed(idp).public_key().expect("a key"));
    let recipient = Recipient {
        entity_id: IDP,
        key: &trusted,
        block: BlockEncryption::Aes128Gcm,
        transport: KeyTransport::RsaOaepMgf1p,
    };
    // The prefix is declared outside, as some senders leave it.
    let name = br#"<a:NameID Format="urn:x">jdoe</a:NameID>"#;
    let mut w = Writer::new();
    w.open(Namespace::ASSERTION, "EncryptedID");
    encrypt(&mut w, name, &recipient, [1; RANDOMNESS]).expect("encrypted");
    w.close();
    let subject = format!("<a:Subject>{}</a:Subject>", w.finish());
    Inbound {
        detached: sp.map(detached),
        ..message(&format!(r#"Destination="{IDP}""#), &subject)
    }
}

#[test]
fn an_encrypted_subject_is_read_and_s16_only_where_the_request_is_signed() {
    let (idp, sp) = (rsa(2048), signing_key(&rsa(2048)));
    let metadata = relying_party("", &key_descriptor("", &sp));
    let pem = idp.private_key_to_pem_pkcs8().expect("PEM");
    let acceptance = Acceptance {
        decryption_keys: vec![DecryptionKey::from_pem(&pem).expect("a key")],
        ..acceptance()
    };
    let outcome = |inbound: &Inbound| {
        accept(inbound, &metadata, &acceptance, at(NOW)).map(|(request, _)| request)
    };
    let request = outcome(&about_encrypted(&idp, Some(&sp))).expect("accepted");
    let subject = request.subject.expect("a subject");
    assert_eq!(
        (subject.value.as_str(), subject.format.as_str()),
        ("jdoe", "urn:x")
    );
    let refusal = told(outcome(&about_encrypted(&idp, None)));
    assert_eq!(
        refusal.reason,
        "the requested Subject is encrypted and the request not signed"
    );
    let refusal = told(outcome(&about_encrypted(&rsa(2048), Some(&sp))));
    assert_eq!(
        refusal.reason,
        "the EncryptedID cannot be decrypted to a NameID"
    );
}
