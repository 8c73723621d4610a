//! When a user last confirmed with Duo, by integration: what the account page shows.

use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::hex;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than anybody asks.
const LIFETIME: Duration = Duration::from_hours(2 * 365 * 24);

/// Old records taken out of the way at once.
const BATCH: usize = 64;

/// The last uses of a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoUses<'a>(pub &'a dyn Storage);

type Uses = BTreeMap<String, Timestamp>;

impl DuoUses<'_> {
    /// By integration.
    pub async fn of(&self, username: &str) -> Result<Uses, StorageError> {
        let stored = self.0.read(&key(username)).await?;
        stored.map_or(Ok(Uses::new()), |stored| decode(&stored.value))
    }

    /// Notes one. Of two at once either will do.
    pub async fn note(
        &self,
        username: &str,
        integration: &str,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let key = key(username);
        let stored = self.0.read(&key).await?;
        let mut uses: Uses = match &stored {
            Some(stored) => decode(&stored.value)?,
            None => Uses::new(),
        };
        uses.insert(integration.to_owned(), at);
        let entry = Entry {
            value: encode(&uses)?,
            expiry: later(at, LIFETIME),
        };
        match stored {
            Some(stored) => {
                let written = self.0.write_if_version(key, stored.version, entry);
                written.await?;
            }
            None => {
                if !self.0.create_if_absent(key, entry).await? {
                    self.0.take_expired(Context::DuoUses, BATCH).await?;
                }
            }
        }
        Ok(())
    }
}

fn key(username: &str) -> Key {
    let digest = openssl::sha::sha256(username.as_bytes());
    Key::new(Context::DuoUses, hex(&digest))
}
