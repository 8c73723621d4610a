use super::signed::{ASSERTION, BOTH, RESPONSE, keys};
use super::*;
use crate::saml::encryption::{
    BlockEncryption, KeyTransport, RANDOMNESS, Recipient, decrypt as open,
};
use crate::saml::key::tests::{ec, rsa, self_signed};
use crate::saml::key::{DecryptionKey, SigningKey};
use crate::saml::metadata::TrustedKey;
use crate::saml::signature::verify_enveloped;
use crate::saml::xml::schema;
use crate::saml::xml::second_opinion::{decrypt, exclusive_c14n, verifies};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};

fn respond(
    idp: &SigningKey,
    signing: Signing,
    sp: &PKey<Private>,
    (block, transport): (BlockEncryption, KeyTransport),
) -> String {
    let key = TrustedKey(self_signed(sp).public_key().unwrap());
    let recipient = Recipient {
        entity_id: SP,
        key: &key,
        block,
        transport,
    };
    let encryption = Encryption {
        recipient,
        randomness: [3; RANDOMNESS],
    };
    encrypted_success(Case::default().issue(), signing, idp, &encryption).unwrap()
}

/// Canonical by libxml2's judgement, and valid by the schemas of OASIS and of the W3C.
fn judge(xml: &str) {
    assert_eq!(xml, exclusive_c14n(xml));
    assert_eq!(schema::errors(xml), "");
}

/// The document that an SP has after decryption: the plain assertion alone.
fn assertion(decrypted: &str) -> &str {
    let start = decrypted.find("<saml2:Assertion").expect("an assertion");
    let end = decrypted
        .find("</saml2:EncryptedAssertion>")
        .expect("its end");
    &decrypted[start..end]
}

#[test]
fn xmlsec1_decrypts_every_block_algorithm_and_then_verifies_the_assertion() {
    let sp = rsa(2048);
    let pem = sp.private_key_to_pem_pkcs8().unwrap();
    let [idp, _] = keys();
    let certificate = idp.certificate().to_pem().unwrap();
    for block in BlockEncryption::ALL {
        for signing in [RESPONSE, ASSERTION, BOTH] {
            let xml = respond(&idp, signing, &sp, (block, KeyTransport::RsaOaepMgf1p));
            judge(&xml);
            assert!(!xml.contains("jane@example.org"));
            assert_eq!(verifies(&xml, "Response", &certificate), signing.response);
            let plain = decrypt(&xml, &pem);
            let assertion = assertion(&plain);
            assert!(assertion.contains("jane@example.org"));
            assert_eq!(
                verifies(assertion, "Assertion", &certificate),
                signing.assertion,
                "{block:?} {signing:?}"
            );
        }
    }
}

/// Debian's xmlsec1 1.2.37 knows neither `xmlenc11#rsa-oaep` nor ECDH-ES: we decrypt these
/// ourselves, and verify what comes out.
#[test]
fn what_xmlsec1_cannot_decrypt_we_do_and_the_assertion_verifies() {
    let [idp, _] = keys();
    let trusted = [TrustedKey(idp.certificate().public_key().unwrap())];
    let (rsa, p256, p384) = (rsa(2048), ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1));
    for (sp, transport) in [
        (&rsa, KeyTransport::RsaOaepSha256),
        (&p256, KeyTransport::EcdhEs),
        (&p384, KeyTransport::EcdhEs),
    ] {
        for block in [BlockEncryption::Aes128Gcm, BlockEncryption::Aes256Gcm] {
            let xml = respond(&idp, BOTH, sp, (block, transport));
            judge(&xml);
            let root = read(&xml);
            let outer = root.first(SAML, "EncryptedAssertion").unwrap();
            let pem = sp.private_key_to_pem_pkcs8().unwrap();
            let octets = open(outer, &[DecryptionKey::from_pem(&pem).unwrap()]).unwrap();
            let assertion = parse(&octets, &Limits::MESSAGE).unwrap();
            verify_enveloped(&assertion, &trusted).unwrap();
        }
    }
}

#[test]
fn s27_the_encrypted_key_names_the_relying_party_it_is_for() {
    let gcm = (BlockEncryption::Aes128Gcm, KeyTransport::RsaOaepMgf1p);
    let [idp, _] = keys();
    let xml = respond(&idp, RESPONSE, &rsa(2048), gcm);
    assert!(xml.contains(&format!("<xenc:EncryptedKey Recipient=\"{SP}\">")));
}
