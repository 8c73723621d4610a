//! Messages that wait for their artifact to be resolved: each is given out once, within a minute, to
//! the relying party it is for (SAML bindings 3.6.5).

use crate::saml::artifact::Artifact;
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::{World, hex};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a message waits, as with Shibboleth: a browser follows the redirect at once.
const LIFETIME: Duration = Duration::from_mins(1);

/// The messages that wait in a store.
#[derive(Clone, Copy, Debug)]
pub struct Artifacts<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// Time and randomness.
    pub world: &'a World,
}

#[derive(Serialize, Deserialize)]
struct Waiting {
    relying_party: String,
    message: String,
}

impl Artifacts<'_> {
    /// Keeps a message for a relying party, and gives what stands for it.
    pub async fn keep(
        &self,
        (issuer, endpoint_index): (&str, u16),
        relying_party: &str,
        message: &str,
    ) -> Result<Artifact, StorageError> {
        let artifact = Artifact::new(issuer, endpoint_index, self.world.bytes());
        let value = encode(&Waiting {
            relying_party: relying_party.to_owned(),
            message: message.to_owned(),
        })?;
        let expiry = later(self.world.now(), LIFETIME);
        let entry = Entry { value, expiry };
        if self.storage.create_if_absent(key(&artifact), entry).await? {
            Ok(artifact)
        } else {
            Err(StorageError::Failed("a fresh artifact is taken".to_owned()))
        }
    }

    /// The message that an artifact stands for, if this relying party may have it. Whoever asks, the
    /// artifact is spent: in other hands than those it was made for it has leaked (S26).
    pub async fn take(
        &self,
        artifact: &Artifact,
        relying_party: &str,
    ) -> Result<Option<String>, StorageError> {
        let key = key(artifact);
        let Some(stored) = self.storage.read(&key).await? else {
            return Ok(None);
        };
        if !self.storage.remove_if_version(key, stored.version).await? {
            return Ok(None);
        }
        let waiting: Waiting = decode(&stored.value)?;
        Ok((waiting.relying_party == relying_party).then_some(waiting.message))
    }
}

/// The store sees a hash, so that its reader cannot redeem anything.
fn key(artifact: &Artifact) -> Key {
    let digest = openssl::sha::sha256(artifact.encode().as_bytes());
    Key::new(Context::Artifact, hex(&digest))
}
