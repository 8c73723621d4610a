//! Our keys with their states, as the settings hold them and operators see them.

use crate::config::key_ring::{KeyRing, RingKey};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Our keys with their states.
#[derive(Clone, Debug)]
pub struct KeyLife {
    /// `vestibule.keys.file`, absolute.
    pub file: PathBuf,
    /// `vestibule.keys.propagation`
    pub propagation: Duration,
    /// What the file says, or the properties where it is absent.
    pub ring: KeyRing,
    /// What each key is that is not retired, by name.
    pub certificates: BTreeMap<String, CertificateFacts>,
}

/// What an operator wants to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Kind and size of its key, such as `RSA 3072`.
    pub algorithm: String,
    /// When it ends. Relying parties that follow the metadata interoperability profile ignore it.
    pub ends: String,
    /// SHA-256 of its DER, hexadecimal.
    pub fingerprint: String,
}

/// A key with what to do next, for `key list --json` and `/status`.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStanding<'a> {
    /// The key.
    #[serde(flatten)]
    pub key: &'a RingKey,
    /// Its certificate, unless it is retired.
    pub facts: Option<&'a CertificateFacts>,
    /// The step that comes next.
    pub next: Option<&'static str>,
    /// From when on.
    pub next_from: Option<Timestamp>,
}

impl KeyLife {
    /// Every key of a ring of theirs, which may be newer than the one in force.
    pub fn standings<'a>(&'a self, ring: &'a KeyRing) -> Vec<KeyStanding<'a>> {
        let standing = |key: &'a RingKey| {
            let next = key.next(self.propagation);
            KeyStanding {
                key,
                facts: self.certificates.get(&key.name),
                next: next.map(|(step, _)| step),
                next_from: next.and_then(|(_, from)| from),
            }
        };
        ring.keys.iter().map(standing).collect()
    }
}
