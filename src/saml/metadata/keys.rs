//! `md:KeyDescriptor`: the only place keys of a relying party come from (attack S08).

use super::document::{MD, Notes};
use super::{EncryptionKey, SpSsoDescriptor, TrustedKey};
use crate::saml::xml::reader::Element;
use base64::Engine as _;
use openssl::bn::BigNum;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::x509::X509;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// RSA keys below this many bits prove nothing (SDP-MD06).
const MIN_RSA_BITS: u32 = 2048;
/// EC keys below this many bits prove nothing (SDP-MD07).
const MIN_EC_BITS: u32 = 256;

/// Adds a descriptor's keys to the role; without `use` they serve both purposes (IIP-MD11).
pub(super) fn add(sp: &mut SpSsoDescriptor, descriptor: &Element, notes: &mut Notes) {
    let (signing, encryption) = match descriptor.attribute("use") {
        None => (true, true),
        Some("signing") => (true, false),
        Some("encryption") => (false, true),
        Some(_) => {
            notes.add("key ignored: its use is neither signing nor encryption");
            return;
        }
    };
    let keys = public_keys(descriptor, notes);
    if signing {
        let strong = keys.iter().filter(|key| signs(key, notes)).cloned();
        sp.signing_keys.extend(strong.map(TrustedKey));
    }
    if encryption {
        let methods = encryption_methods(descriptor);
        let usable = keys.into_iter().filter(|key| encrypts(key, notes));
        sp.encryption_keys.extend(usable.map(|key| EncryptionKey {
            key: TrustedKey(key),
            methods: methods.clone(),
        }));
    }
}

/// A certificate is a container only: expiry, issuer and extensions mean nothing here (IIP-MD12).
fn public_keys(descriptor: &Element, notes: &mut Notes) -> Vec<PKey<Public>> {
    let infos = || descriptor.all(DS, "KeyInfo");
    let certificates = infos()
        .flat_map(|info| info.all(DS, "X509Data"))
        .flat_map(|data| data.all(DS, "X509Certificate"))
        .map(certificate_key);
    let values = infos()
        .flat_map(|info| info.all(DS, "KeyValue"))
        .flat_map(|value| value.all(DS, "RSAKeyValue"))
        .map(rsa_key);
    let mut keys: Vec<PKey<Public>> = Vec::new();
    for key in certificates.chain(values) {
        match key {
            Some(key) if keys.iter().any(|known| known.public_eq(&key)) => {}
            Some(key) => keys.push(key),
            None => notes.add("key ignored: it cannot be read"),
        }
    }
    if keys.is_empty() {
        notes.add("KeyDescriptor without a readable certificate or RSA key");
    }
    keys
}

fn certificate_key(element: &Element) -> Option<PKey<Public>> {
    let certificate = X509::from_der(&base64_octets(&element.text())?).ok()?;
    certificate.public_key().ok()
}

/// `ds:RSAKeyValue` (metadata IOP 2.5.1 asks for it beside certificates).
fn rsa_key(element: &Element) -> Option<PKey<Public>> {
    let number = |name| {
        let octets = base64_octets(&element.first(DS, name)?.text())?;
        BigNum::from_slice(&octets).ok()
    };
    let rsa = Rsa::from_public_components(number("Modulus")?, number("Exponent")?).ok()?;
    PKey::from_rsa(rsa).ok()
}

/// `xs:base64Binary` may carry white space anywhere.
fn base64_octets(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.split_ascii_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()
}

/// Whether the key is strong enough to prove a signature (attack S18).
fn signs(key: &PKey<Public>, notes: &mut Notes) -> bool {
    let strong = match key.id() {
        Id::RSA => key.bits() >= MIN_RSA_BITS,
        Id::EC => key.bits() >= MIN_EC_BITS,
        _ => false,
    };
    if !strong {
        notes.add("signing key ignored: not RSA of 2048 bits or EC of 256 bits or more");
    }
    strong
}

/// A weak key still hides more than no key; it stays, with a warning.
fn encrypts(key: &PKey<Public>, notes: &mut Notes) -> bool {
    match key.id() {
        Id::RSA => {
            if key.bits() < MIN_RSA_BITS {
                notes.add("encryption key is weak: RSA of less than 2048 bits");
            }
            true
        }
        Id::EC => true,
        _ => {
            notes.add("encryption key ignored: neither RSA nor EC");
            false
        }
    }
}

fn encryption_methods(descriptor: &Element) -> Vec<String> {
    descriptor
        .all(MD, "EncryptionMethod")
        .filter_map(|method| method.attribute("Algorithm"))
        .map(str::to_owned)
        .collect()
}
