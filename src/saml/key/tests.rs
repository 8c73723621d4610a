use super::{DecryptionKey, SigningKey};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

pub(crate) fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

pub(crate) fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(crate) fn self_signed(key: &PKeyRef<Private>) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(3650).unwrap())
        .unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

pub(crate) fn signing_key(key: &PKeyRef<Private>) -> SigningKey {
    SigningKey::from_pem(
        &key.private_key_to_pem_pkcs8().unwrap(),
        &self_signed(key).to_pem().unwrap(),
    )
    .unwrap()
}

fn refusal(key: &[u8], certificate: &[u8]) -> String {
    SigningKey::from_pem(key, certificate).unwrap_err().0
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (one, other) = (rsa(2048), rsa(2048));
    assert_eq!(
        refusal(
            &one.private_key_to_pem_pkcs8().unwrap(),
            &self_signed(&other).to_pem().unwrap()
        ),
        "the certificate does not belong to the key"
    );
}

#[test]
fn s18_a_short_rsa_key_is_refused() {
    let short = rsa(1024);
    assert_eq!(
        refusal(
            &short.private_key_to_pem_pkcs8().unwrap(),
            &self_signed(&short).to_pem().unwrap()
        ),
        "RSA key shorter than 2048 bits"
    );
}

#[test]
fn an_encrypted_key_is_refused_without_asking_for_a_passphrase() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let pem = key
        .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"x")
        .unwrap();
    assert_eq!(
        refusal(&pem, &self_signed(&key).to_pem().unwrap()),
        "not an unencrypted PEM private key"
    );
}

#[test]
fn unknown_curves_are_refused() {
    let key = ec(Nid::SECP256K1);
    assert_eq!(
        refusal(
            &key.private_key_to_pem_pkcs8().unwrap(),
            &self_signed(&key).to_pem().unwrap()
        ),
        "EC key on a curve other than P-256, P-384 and P-521"
    );
}

#[test]
fn ecdsa_signatures_are_the_two_numbers_in_full_width() {
    for (curve, length) in [
        (Nid::X9_62_PRIME256V1, 64),
        (Nid::SECP384R1, 96),
        (Nid::SECP521R1, 132),
    ] {
        assert_eq!(signing_key(&ec(curve)).sign(b"x").unwrap().len(), length);
    }
}

#[test]
fn debug_never_shows_the_key() {
    let key = signing_key(&ec(Nid::X9_62_PRIME256V1));
    assert_eq!(format!("{key:?}"), "SigningKey(***)");
    let pem = rsa(2048).private_key_to_pem_pkcs8().unwrap();
    let key = DecryptionKey::from_pem(&pem).unwrap();
    assert_eq!(format!("{key:?}"), "DecryptionKey(***)");
}

#[test]
fn s18_a_weak_decryption_key_is_refused() {
    let pem = rsa(1024).private_key_to_pem_pkcs8().unwrap();
    assert_eq!(
        DecryptionKey::from_pem(&pem).unwrap_err().0,
        "RSA key shorter than 2048 bits"
    );
}
