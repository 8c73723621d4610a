//! What users consented to, kept in the store: one record for each user, under a hash of the name.

use crate::attribute::consent::{ConsentSettings, Memory};
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::{World, hex};

/// Attempts at a record that another request of the same user writes as well.
const RACES: usize = 16;
/// Old records taken out of the way at once.
const BATCH: usize = 64;

/// The consents of a store.
#[derive(Clone, Copy, Debug)]
pub struct Consents<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// How long they count.
    pub settings: &'a ConsentSettings,
    /// The clock.
    pub world: &'a World,
}

impl Consents<'_> {
    /// What this user consented to.
    pub async fn of(&self, username: &str) -> Result<Memory, StorageError> {
        let stored = self.storage.read(&key(username)).await?;
        stored.map_or(Ok(Memory::default()), |stored| decode(&stored.value))
    }

    /// Adds to what this user consented to; nothing that another request adds meanwhile is lost.
    pub async fn add(
        &self,
        username: &str,
        add: impl Fn(&mut Memory) + Sync,
    ) -> Result<(), StorageError> {
        for _ in 0..RACES {
            if self.once(username, &add).await? {
                return Ok(());
            }
        }
        Err(StorageError::failed(
            "a user's consents change all the time",
        ))
    }

    async fn once(
        &self,
        username: &str,
        add: &(impl Fn(&mut Memory) + Sync),
    ) -> Result<bool, StorageError> {
        let key = key(username);
        let stored = self.storage.read(&key).await?;
        let known = stored.as_ref().map(|stored| decode(&stored.value));
        let mut memory: Memory = known.transpose()?.unwrap_or_default();
        add(&mut memory);
        let entry = Entry {
            value: encode(&memory)?,
            expiry: later(self.world.now(), self.settings.lifetime),
        };
        let Some(stored) = stored else {
            let created = self.storage.create_if_absent(key, entry).await?;
            if !created {
                self.storage.take_expired(Context::Consent, BATCH).await?;
            }
            return Ok(created);
        };
        self.storage
            .write_if_version(key, stored.version, entry)
            .await
    }
}

fn key(username: &str) -> Key {
    Key::new(
        Context::Consent,
        hex(&openssl::sha::sha256(username.as_bytes())),
    )
}
