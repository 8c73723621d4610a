//! A certificate authority of the test's own, for servers on this machine.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Writes `ca.crt`, and a certificate and key for `localhost` under this name.
pub(crate) fn write(directory: &Path, name: &str) {
    let (ca_key, key) = (new_key(), new_key());
    let ca = certificate("test authority", &ca_key, None, &ca_key);
    let leaf = certificate("localhost", &key, Some(&ca), &ca_key);
    fs::write(directory.join("ca.crt"), ca.to_pem().unwrap()).unwrap();
    let path = |ending: &str| directory.join(format!("{name}.{ending}"));
    fs::write(path("crt"), leaf.to_pem().unwrap()).unwrap();
    fs::write(path("key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn new_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn certificate(
    name: &str,
    key: &PKey<Private>,
    issuer: Option<&X509>,
    signer: &PKey<Private>,
) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&subject, |issuer| issuer.subject_name()))
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    let extension = match issuer {
        None => BasicConstraints::new().critical().ca().build().unwrap(),
        Some(issuer) => {
            let context = builder.x509v3_context(Some(issuer), None);
            SubjectAlternativeName::new()
                .dns(name)
                .build(&context)
                .unwrap()
        }
    };
    builder.append_extension(extension).unwrap();
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    builder.build()
}
