//! samael's verifier, on libxmlsec1, as the second opinion on what we sign.

use super::doubly_signed;
use crate::saml::key::tests::{ec, rsa, signing_key};
use openssl::nid::Nid;
use samael::crypto::{
    AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider, ReduceMode,
};

/// What samael says was signed, or `None` when it verifies nothing.
fn reduce(xml: &str, certificate: Vec<u8>) -> Option<String> {
    Crypto::reduce_xml_to_signed_with_allowed_algorithms(
        xml,
        &[CertificateDer::from(certificate)],
        ReduceMode::PreDigest,
        Some(&[
            AllowedSignatureAlgorithm::RsaSha256,
            AllowedSignatureAlgorithm::EcdsaSha256,
        ]),
    )
    .ok()
}

#[test]
fn samael_verifies_what_we_sign_and_reads_the_octets_we_digested() {
    for key in [rsa(2048), ec(Nid::X9_62_PRIME256V1)] {
        let key = signing_key(&key);
        let certificate = key.certificate().to_der().unwrap();
        let xml = doubly_signed(&key);
        let signed = reduce(&xml, certificate.clone()).expect("samael verifies");
        assert!(
            signed.contains("Jane &amp; &lt;Janet&gt; \"J\""),
            "{signed}"
        );
        assert_eq!(reduce(&xml.replace("Jane", "jane"), certificate), None);
    }
}
