//! One stored password: which scheme, and whether a password matches it.

use crate::server::world::hex;
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use openssl::hash::{Hasher, MessageDigest, hash};
use subtle::ConstantTimeEq as _;

/// A stored hash as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHash {
    scheme: Scheme,
    text: String,
}

/// The schemes an htpasswd file may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// `$2a$`, `$2b$`, `$2y$`
    Bcrypt,
    /// `$argon2id$`, `$argon2i$`
    Argon2,
    /// `$5$`, `$6$`
    ShaCrypt,
    /// `$apr1$`
    Apr1,
    /// `{SHA}`
    Sha1,
}

const PREFIXES: [(&str, Scheme); 9] = [
    ("$2a$", Scheme::Bcrypt),
    ("$2b$", Scheme::Bcrypt),
    ("$2y$", Scheme::Bcrypt),
    ("$argon2id$", Scheme::Argon2),
    ("$argon2i$", Scheme::Argon2),
    ("$5$", Scheme::ShaCrypt),
    ("$6$", Scheme::ShaCrypt),
    ("$apr1$", Scheme::Apr1),
    ("{SHA}", Scheme::Sha1),
];

/// Checked for users nobody knows in a file without users: argon2id with the usual costs.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGtub3dzIG1l$\
                      4Ym0MfuVvjzdHJ4hDdCmxlwHyQKyPWVFq1XbVsZlCfk";

impl StoredHash {
    /// Recognises the scheme by its prefix; plain text and `crypt(3)` DES are none.
    pub fn parse(text: &str) -> Option<Self> {
        PREFIXES
            .iter()
            .find(|(prefix, _)| text.starts_with(prefix))
            .map(|(_, scheme)| Self {
                scheme: *scheme,
                text: text.to_owned(),
            })
    }

    /// A hash no password is known for.
    pub fn nobody() -> Self {
        Self {
            scheme: Scheme::Argon2,
            text: NOBODY.to_owned(),
        }
    }

    /// The stored text, digested with a salt.
    pub fn digest(&self, salt: &str) -> String {
        let salted = format!("{salt}\n{}", self.text);
        hex(&openssl::sha::sha256(salted.as_bytes()))
    }

    /// Scheme and cost: hashes of one cost class take equally long.
    pub fn cost_class(&self) -> &str {
        let fields = match self.scheme {
            Scheme::Bcrypt => 3,
            Scheme::Argon2 => 4,
            Scheme::ShaCrypt if self.text[3..].starts_with("rounds=") => 3,
            Scheme::ShaCrypt | Scheme::Apr1 => 2,
            Scheme::Sha1 => return "{SHA}",
        };
        let end = self.text.match_indices('$').nth(fields - 1);
        end.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    /// Whether the password matches. A hash that does not parse matches nothing.
    pub fn matches(&self, password: &str) -> bool {
        match self.scheme {
            Scheme::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Scheme::Argon2 => PasswordHash::new(&self.text).is_ok_and(|parsed| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok()
            }),
            Scheme::ShaCrypt => sha_crypt::ShaCrypt::default()
                .verify_password(password.as_bytes(), self.text.as_str())
                .is_ok(),
            Scheme::Apr1 => self.matches_apr1(password),
            Scheme::Sha1 => self.matches_sha1(password),
        }
    }

    fn matches_apr1(&self, password: &str) -> bool {
        let mut fields = self.text.split('$').skip(2);
        let (Some(salt), Some(expected)) = (fields.next(), fields.next()) else {
            return false;
        };
        apr1(password.as_bytes(), salt.as_bytes())
            .is_ok_and(|digest| digest.as_bytes().ct_eq(expected.as_bytes()).into())
    }

    fn matches_sha1(&self, password: &str) -> bool {
        let expected =
            base64::engine::general_purpose::STANDARD.decode(&self.text["{SHA}".len()..]);
        let digest = hash(MessageDigest::sha1(), password.as_bytes());
        match (expected, digest) {
            (Ok(expected), Ok(digest)) => digest.ct_eq(&expected).into(),
            _ => false,
        }
    }
}

type Digest = openssl::hash::DigestBytes;
type OpensslResult<T> = Result<T, openssl::error::ErrorStack>;

/// Apache's MD5 scheme: the digest's 22 characters.
fn apr1(password: &[u8], salt: &[u8]) -> OpensslResult<String> {
    let salt = &salt[..salt.len().min(8)];
    let mut digest = apr1_start(password, salt)?;
    for round in 0..1000 {
        let mut hasher = Hasher::new(MessageDigest::md5())?;
        let odd = round % 2 == 1;
        hasher.update(if odd { password } else { &digest })?;
        if round % 3 != 0 {
            hasher.update(salt)?;
        }
        if round % 7 != 0 {
            hasher.update(password)?;
        }
        hasher.update(if odd { &digest } else { password })?;
        digest = hasher.finish()?;
    }
    Ok(apr1_encode(&digest))
}

fn apr1_start(password: &[u8], salt: &[u8]) -> OpensslResult<Digest> {
    let mut alternate = Hasher::new(MessageDigest::md5())?;
    for part in [password, salt, password] {
        alternate.update(part)?;
    }
    let alternate = alternate.finish()?;
    let mut hasher = Hasher::new(MessageDigest::md5())?;
    for part in [password, b"$apr1$", salt] {
        hasher.update(part)?;
    }
    for chunk in password.chunks(16) {
        hasher.update(&alternate[..chunk.len()])?;
    }
    let mut length = password.len();
    while length > 0 {
        let octet = if length & 1 == 1 {
            &[0]
        } else {
            &password[..1]
        };
        hasher.update(octet)?;
        length >>= 1;
    }
    hasher.finish()
}

/// The scheme's own base64: groups of three octets in its own order, low bits first.
fn apr1_encode(digest: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut text = String::with_capacity(22);
    let mut push = |mut bits: u32, characters: usize| {
        for _ in 0..characters {
            text.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    };
    for [high, middle, low] in GROUPS {
        let octet = |at: usize| u32::from(digest[at]);
        push(octet(high) << 16 | octet(middle) << 8 | octet(low), 4);
    }
    push(u32::from(digest[11]), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const SAMPLES: [&str; 6] = [
        // `htpasswd -nbB -C 4`, argon2 CLI, `openssl passwd -5 / -6 / -apr1`, `htpasswd -nbs`.
        "$2y$04$ZzZzZzZzZzZzZzZzZzZzZuvR6RPKQhcYeZFCS.ybTrO3JGRYyTSIa",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$invalid",
        "$5$saltsalt$x",
        "$6$rounds=1000$saltsalt$x",
        "$apr1$saltsalt$x",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    ];

    #[test]
    fn every_scheme_is_recognised_and_plain_text_is_none() {
        for sample in SAMPLES {
            assert!(StoredHash::parse(sample).is_some(), "{sample}");
        }
        assert_eq!(StoredHash::parse("secret"), None);
        assert_eq!(StoredHash::parse("rqXexS6ZhobKA"), None);
    }

    #[test]
    fn a_cost_class_ends_before_the_salt() {
        let class = |text| StoredHash::parse(text).unwrap().cost_class().to_owned();
        assert_eq!(class(SAMPLES[0]), "$2y$04");
        assert_eq!(class(SAMPLES[1]), "$argon2id$v=19$m=64,t=1,p=1");
        assert_eq!(class(SAMPLES[2]), "$5");
        assert_eq!(class(SAMPLES[3]), "$6$rounds=1000");
        assert_eq!(class(SAMPLES[4]), "$apr1");
        assert_eq!(class(SAMPLES[5]), "{SHA}");
    }

    #[test]
    fn the_right_password_matches_in_every_scheme_and_no_other_does() {
        let salted = argon2::password_hash::PasswordHasher::hash_password_with_salt;
        let hashes = [
            bcrypt::hash("password", 4).unwrap(),
            salted(&Argon2::default(), b"password", b"saltsaltsalt")
                .map(|hash: PasswordHash| hash.to_string())
                .unwrap(),
            sha_crypt(5, "password"),
            sha_crypt(6, "password"),
            SAMPLES[5].to_owned(),
            openssl_passwd(&["-apr1", "password"]),
        ];
        for text in hashes {
            let stored = StoredHash::parse(&text).unwrap();
            assert!(stored.matches("password"), "{text}");
            for other in ["Password", "password ", "", "passwor"] {
                assert!(!stored.matches(other), "{text} matched {other:?}");
            }
        }
    }

    #[test]
    fn apr1_agrees_with_openssl_for_every_length() {
        for length in [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100] {
            let password = "pä5$wörd-"
                .repeat(12)
                .chars()
                .take(length)
                .collect::<String>();
            let expected = openssl_passwd(&["-apr1", "-salt", "Ab3./xyz", &password]);
            let digest = apr1(password.as_bytes(), b"Ab3./xyz").unwrap();
            assert_eq!(format!("$apr1$Ab3./xyz${digest}"), expected, "{length}");
        }
    }

    #[test]
    fn nobody_is_a_hash_that_really_costs() {
        let nobody = StoredHash::nobody();
        assert!(
            PasswordHash::new(&nobody.text).is_ok(),
            "it parses, so it is computed"
        );
        assert!(!nobody.matches("password"));
    }

    fn sha_crypt(kind: u8, password: &str) -> String {
        openssl_passwd(&[&format!("-{kind}"), password])
    }

    fn openssl_passwd(arguments: &[&str]) -> String {
        let output = Command::new("openssl")
            .arg("passwd")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }
}
