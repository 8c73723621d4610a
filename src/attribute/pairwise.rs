//! Identifiers that differ from one relying party to the next, computed and never stored: the
//! persistent NameID as Shibboleth computes it, pairwise-id, and subject-id beside them (SAML core
//! 8.3.7; Subject Identifier Attributes 1.0 2.2).

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::Sha1;
use openssl::sign::Signer;
use std::fmt;
use zeroize::Zeroizing;

/// `subject-id`: one for all relying parties.
pub const SUBJECT_ID: &str = "urn:oasis:names:tc:SAML:attribute:subject-id";
/// `pairwise-id`: another for each relying party.
pub const PAIRWISE_ID: &str = "urn:oasis:names:tc:SAML:attribute:pairwise-id";

/// The shortest salt: who could guess it could name every user (Shibboleth asks for as much).
const MINIMUM_SALT: usize = 16;
/// Characters of each part of a subject identifier (Subject Identifier Attributes 1.0 2.2.1).
const MAX_PART: usize = 127;

/// The secret behind computed identifiers: changed once, every one of them changes. `Debug` never
/// shows it.
#[derive(Clone)]
pub struct Salt(Zeroizing<Vec<u8>>);

impl Salt {
    /// A salt of 16 octets or more.
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (octets.len() >= MINIMUM_SALT).then(|| Self(Zeroizing::new(octets)))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(***)")
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Upper-case letters and digits: no two values differ by case alone (IIP-IDP21).
    #[default]
    Base32,
    /// Shibboleth's older default, for values that SPs have stored already. Two of them may differ
    /// by case alone, and some SPs take these for one.
    Base64,
}

/// A persistent identifier: SHA-1 over `relying party ! source ! salt`, octet for octet what
/// Shibboleth computes, so that a migrated salt keeps every value. The digest is of a secret, and
/// collisions of SHA-1 give nobody another's value.
pub fn persistent(relying_party: &str, source: &str, salt: &Salt, encoding: Encoding) -> String {
    let mut digest = Sha1::new();
    digest.update(relying_party.as_bytes());
    digest.update(b"!");
    digest.update(source.as_bytes());
    digest.update(b"!");
    digest.update(&salt.0);
    let digest = digest.finish();
    match encoding {
        Encoding::Base32 => base32(&digest),
        Encoding::Base64 => openssl::base64::encode_block(&digest),
    }
}

/// A pairwise-id value: HMAC-SHA256 under the salt, in base32, and the scope. The length in front
/// makes the message one that no other relying party and person have.
pub fn pairwise_id(relying_party: &str, source: &str, scope: &str, salt: &Salt) -> Option<String> {
    let message = format!("{}:{relying_party}!{source}", relying_party.len());
    let key = PKey::hmac(&salt.0).ok()?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key).ok()?;
    let digest = signer.sign_oneshot_to_vec(message.as_bytes()).ok()?;
    subject_id(&base32(&digest), scope)
}

/// A subject-id value, if both parts are of its syntax. It is sent as it stands: comparison is
/// without regard to case, so a source whose values differ by case alone must not feed it.
pub fn subject_id(unique: &str, scope: &str) -> Option<String> {
    let part = |text: &str, others: &[u8]| {
        let mut octets = text.bytes();
        text.len() <= MAX_PART
            && octets
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric())
            && octets.all(|octet| octet.is_ascii_alphanumeric() || others.contains(&octet))
    };
    (part(unique, b"=-") && part(scope, b"-.")).then(|| format!("{unique}@{scope}"))
}

/// RFC 4648 6, without padding: `=` would say nothing.
fn base32(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(octets.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for octet in octets {
        buffer = buffer << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(symbol(ALPHABET, buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(symbol(ALPHABET, buffer << (5 - bits)));
    }
    text
}

fn symbol(alphabet: &[u8; 32], bits: u32) -> char {
    char::from(alphabet[(bits & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn salt() -> Salt {
        Salt::new(b"0123456789abcdef".to_vec()).unwrap()
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), encoded);
        }
    }

    /// `printf 'https://sp.example.org!jdoe!0123456789abcdef' | openssl dgst -sha1 -binary`, then
    /// `base64` or `base32`.
    #[test]
    fn a_persistent_identifier_is_what_shibboleth_computes() {
        let value = |encoding| persistent("https://sp.example.org", "jdoe", &salt(), encoding);
        assert_eq!(value(Encoding::Base64), "7TEZ4fhfXxNuYRUlpkZPHIUKeDg=");
        assert_eq!(value(Encoding::Base32), "5UYRTYPYL5PRG3TBCUS2MRSPDSCQU6BY");
    }

    #[test]
    fn a_short_salt_is_refused_and_none_is_shown() {
        assert!(Salt::new(vec![1; 15]).is_none());
        assert_eq!(format!("{:?}", salt()), "Salt(***)");
    }

    #[test]
    fn subject_identifiers_keep_to_their_syntax() {
        let good = subject_id("jdoe-1=x", "example.org");
        assert_eq!(good.as_deref(), Some("jdoe-1=x@example.org"));
        let long = "a".repeat(128);
        for (unique, scope) in [
            ("", "example.org"),
            ("jdoe", ""),
            ("-jdoe", "example.org"),
            ("j.doe", "example.org"),
            ("jdoe@x", "example.org"),
            ("jd\u{f6}e", "example.org"),
            ("jdoe", "example.org/x"),
            ("jdoe", ".example.org"),
            (&long, "example.org"),
            ("jdoe", &long),
        ] {
            assert_eq!(subject_id(unique, scope), None, "{unique} {scope}");
        }
    }

    #[test]
    fn a_pairwise_id_differs_by_relying_party_and_person() {
        let value =
            |rp: &str, source: &str| pairwise_id(rp, source, "example.org", &salt()).unwrap();
        let one = value("https://sp.example.org", "jdoe");
        assert_eq!(one, value("https://sp.example.org", "jdoe"));
        assert_eq!(one.len(), "@example.org".len() + 52);
        assert_ne!(one, value("https://sp.example.com", "jdoe"));
        assert_ne!(one, value("https://sp.example.org", "jroe"));
        assert_ne!(value("a!b", "c"), value("a", "b!c"));
    }

    proptest! {
        /// IIP-IDP21: values that are different stay so when case is dropped.
        #[test]
        fn persistent_identifiers_never_differ_by_case_alone(
            one in "\\PC{0,20}",
            other in "\\PC{0,20}",
        ) {
            let value = |source: &str| persistent("https://sp", source, &salt(), Encoding::Base32);
            let (a, b) = (value(&one), value(&other));
            prop_assert_eq!(a == b, a.eq_ignore_ascii_case(&b));
            prop_assert!(!a.bytes().any(|octet| octet.is_ascii_lowercase()));
        }
    }
}
