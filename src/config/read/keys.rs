//! Our keys: which there are, and which of them sign, decrypt and are published.

use crate::config::key_life::{CertificateFacts, KeyLife};
use crate::config::key_ring::{KeyRing, KeyState, Purpose, RingKey};
use crate::config::reader::Reader;
use crate::config::settings::SealerKey;
use crate::saml::key::{DecryptionKey, SigningKey};
use openssl::pkey::Id;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What `vestibule key` writes.
pub(in crate::config) const FILE: &str = "vestibule.keys.file";

const SEALER: &str = "vestibule.sealer.key";

/// The properties that name keys where that file is absent: what for, the key's, the certificate's.
const NAMED: [(Purpose, &str, &str); 3] = [
    (Purpose::Signing, "idp.signing.key", "idp.signing.cert"),
    (
        Purpose::Encryption,
        "idp.encryption.key",
        "idp.encryption.cert",
    ),
    (
        Purpose::Encryption,
        "idp.encryption.key.2",
        "idp.encryption.cert.2",
    ),
];

/// Our keys.
pub(super) struct Keys {
    pub(super) signing: Vec<SigningKey>,
    pub(super) signing_certificates: Vec<String>,
    pub(super) encryption_certificates: Vec<String>,
    pub(super) decryption: Vec<DecryptionKey>,
    pub(super) life: KeyLife,
    pub(super) sealer: Vec<SealerKey>,
    pub(super) sealer_file: PathBuf,
}

/// A key as the ring names it, and what its files hold.
type Pairs = BTreeMap<String, (SigningKey, DecryptionKey)>;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Keys> {
    let file = reader.path(FILE);
    let propagation = reader.duration("vestibule.keys.propagation");
    let sealer = sealer(reader);
    let sealer_file = reader.path(SEALER);
    let (ring, pairs) = ring(reader)?;
    let certificates = pairs
        .iter()
        .map(|(name, (pair, _))| (name.clone(), facts(pair)));
    let life = KeyLife {
        file: file?,
        propagation: propagation?,
        certificates: certificates.collect(),
        ring,
    };
    Some(Keys {
        signing: signing(reader, &life.ring, &pairs)?,
        signing_certificates: published(&life.ring, Purpose::Signing, &pairs),
        encryption_certificates: published(&life.ring, Purpose::Encryption, &pairs),
        decryption: decryption(&life.ring, &pairs),
        life,
        sealer: sealer?,
        sealer_file: sealer_file?,
    })
}

/// The file's, or where there is none the one that the properties make.
fn ring(reader: &mut Reader<'_>) -> Option<(KeyRing, Pairs)> {
    let path = reader.text(FILE)?;
    let Some(contents) = reader.raw.file(&path) else {
        return named_by_properties(reader);
    };
    let text = String::from_utf8_lossy(contents).into_owned();
    let ring = match KeyRing::parse(&text) {
        Ok(ring) => ring,
        Err(problem) => {
            let fix =
                "restore it from a copy; to begin anew remove it, and name the keys by properties";
            reader.error(FILE, problem, "what `vestibule key` writes", fix);
            return None;
        }
    };
    without_effect(reader, &ring);
    let living = ring
        .keys
        .iter()
        .filter(|key| key.state != KeyState::Retired);
    let pairs: Vec<_> = living.map(|key| in_ring(reader, key)).collect();
    let pairs = pairs.into_iter().collect::<Option<Pairs>>()?;
    Some((ring, pairs))
}

/// A property that names another file than the ring does would be obeyed by nobody.
fn without_effect(reader: &mut Reader<'_>, ring: &KeyRing) {
    let names = NAMED
        .iter()
        .flat_map(|(_, key, certificate)| [*key, *certificate]);
    for name in names
        .filter(|name| reader.values.written(name).is_some())
        .collect::<Vec<_>>()
    {
        let path = reader.text(name).map(|path| reader.raw.file_path(&path));
        let living = ring
            .keys
            .iter()
            .filter(|key| key.state != KeyState::Retired);
        let mut files = living.flat_map(|key| [&key.key, &key.certificate]);
        if !files.any(|file| Some(reader.raw.file_path(file)) == path) {
            let found = format!("a setting without effect: {FILE} names the keys");
            reader.warn(
                name,
                found,
                "remove the line; `vestibule key list` shows the keys",
            );
        }
    }
}

fn in_ring(
    reader: &mut Reader<'_>,
    key: &RingKey,
) -> Option<(String, (SigningKey, DecryptionKey))> {
    let mut contents = |path: &str| {
        let contents = reader.raw.file(path).map(<[u8]>::to_vec);
        if contents.is_none() {
            let fix = "put it back, or correct its permissions";
            reader.error(
                FILE,
                format!("no readable file at {path}"),
                format!("a file of {}", key.name),
                fix,
            );
        }
        contents
    };
    let (private, public) = (contents(&key.key), contents(&key.certificate));
    let (private, public) = (private?, public?);
    match pair(&private, &public) {
        Ok(pair) => Some((key.name.clone(), pair)),
        Err(problem) => {
            let found = format!("{}: {problem}", key.name);
            let expected = format!(
                "a PEM private key at {} that belongs to {}",
                key.key, key.certificate
            );
            reader.error(FILE, found, expected, "make the two files a pair");
            None
        }
    }
}

fn pair(private: &[u8], public: &[u8]) -> Result<(SigningKey, DecryptionKey), String> {
    let pair = SigningKey::from_pem(private, public).map_err(|error| error.to_string())?;
    let key = DecryptionKey::from_pem(private).map_err(|error| error.to_string())?;
    Ok((pair, key))
}

fn named_by_properties(reader: &mut Reader<'_>) -> Option<(KeyRing, Pairs)> {
    let mut ring = KeyRing::default();
    let mut pairs = Pairs::new();
    let mut complete = true;
    for (purpose, key, certificate) in NAMED {
        // Nobody has to encrypt to us: without the default files there is nothing to publish.
        if purpose == Purpose::Encryption && !is_there(reader, key, certificate) {
            continue;
        }
        let Some((private, pair)) = named_pair(reader, key, certificate) else {
            complete = false;
            continue;
        };
        let first = ring.of(purpose).next().is_none();
        let name = ring.fresh_name(purpose);
        let path = |reader: &mut Reader<'_>, name| {
            let path = reader.text(name).unwrap_or_default();
            reader.raw.file_path(&path)
        };
        ring.keys.push(RingKey {
            name: name.clone(),
            purpose,
            state: if first {
                KeyState::Active
            } else {
                KeyState::Published
            },
            key: path(reader, key),
            certificate: path(reader, certificate),
            staged: None,
            published: None,
            switched: None,
            retired: None,
        });
        pairs.insert(name, (pair, private));
    }
    complete.then_some((ring, pairs))
}

fn is_there(reader: &mut Reader<'_>, key: &str, certificate: &str) -> bool {
    [key, certificate].into_iter().any(|name| {
        let present = reader
            .text(name)
            .is_some_and(|path| reader.raw.file(&path).is_some());
        present || reader.values.written(name).is_some()
    })
}

fn named_pair(
    reader: &mut Reader<'_>,
    key: &str,
    certificate: &str,
) -> Option<(DecryptionKey, SigningKey)> {
    for (name, other) in [(key, certificate), (certificate, key)] {
        if reader.text(name).is_none() {
            let fix = format!("set it, or remove {other}");
            reader.error(name, "nothing", format!("the other half of {other}"), fix);
            return None;
        }
    }
    let (private, public) = (reader.file(key), reader.file(certificate));
    match pair(&private?, &public?) {
        Ok((pair, private)) => Some((private, pair)),
        Err(problem) => {
            let expected = format!("a PEM private key that belongs to {certificate}");
            reader.error(key, problem, expected, "make the two files a pair");
            None
        }
    }
}

fn signing(reader: &mut Reader<'_>, ring: &KeyRing, pairs: &Pairs) -> Option<Vec<SigningKey>> {
    let signing = ring.of(Purpose::Signing).filter(|key| key.signs());
    let signing: Vec<SigningKey> = signing.map(|key| pairs[&key.name].0.clone()).collect();
    if signing.is_empty() {
        let fix = "switch to one: `vestibule key switch NAME`";
        reader.error(
            FILE,
            "no signing key that is active",
            "a key that signs",
            fix,
        );
        return None;
    }
    Some(signing)
}

fn published(ring: &KeyRing, purpose: Purpose, pairs: &Pairs) -> Vec<String> {
    let published = ring.of(purpose).filter(|key| key.is_published());
    published
        .map(|key| pairs[&key.name].0.certificate_base64().to_owned())
        .collect()
}

/// The pair in use, the one that takes its place, and the one that had it (IIP-IDP19).
fn decryption(ring: &KeyRing, pairs: &Pairs) -> Vec<DecryptionKey> {
    let held = ring.of(Purpose::Encryption).filter(|key| key.is_held());
    held.map(|key| pairs[&key.name].1.clone()).collect()
}

fn facts(pair: &SigningKey) -> CertificateFacts {
    let certificate = pair.certificate();
    let key = certificate.public_key().ok();
    let kind = key.map_or_else(String::new, |key| {
        let kind = if key.id() == Id::RSA { "RSA" } else { "EC" };
        format!("{kind} {}", key.bits())
    });
    let digest = certificate.digest(openssl::hash::MessageDigest::sha256());
    CertificateFacts {
        algorithm: kind,
        ends: certificate.not_after().to_string(),
        fingerprint: digest.map_or_else(|_| String::new(), |digest| hex(&digest)),
    }
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn sealer(reader: &mut Reader<'_>) -> Option<Vec<SealerKey>> {
    let contents = reader.file(SEALER)?;
    let keys = SealerKey::parse(&String::from_utf8_lossy(&contents));
    if keys.is_none() {
        reader.error(
            SEALER,
            "a file without such keys (not shown)",
            "one base64 key of 32 bytes a line",
            "write the output of `openssl rand -base64 32` into it",
        );
    }
    keys
}
