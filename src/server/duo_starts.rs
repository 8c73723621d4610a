//! How often a user was sent to Duo within ten minutes: pushes that nobody asked for wear people
//! down until they approve one (attack S47).

use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::World;
use jiff::Timestamp;
use std::time::Duration;

/// How far back starts count.
const WINDOW: Duration = Duration::from_mins(10);

/// Old records taken out of the way at once.
const BATCH: usize = 64;

/// Attempts at a record that others write as well.
const RACES: usize = 16;

/// The counts of a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoStarts<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// The clock.
    pub world: &'a World,
}

impl DuoStarts<'_> {
    /// Counts one more start and says how many there were, this one included. A store that fails
    /// has counted too many: whoever can break the store must not gain pushes by it.
    pub async fn count(&self, username: &str) -> u32 {
        for _ in 0..RACES {
            match self.once(username).await {
                Ok(Some(starts)) => return starts,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "starts at Duo could not be counted");
                    return u32::MAX;
                }
            }
        }
        u32::MAX
    }

    /// `None` when another request was faster, or an old record was in the way.
    async fn once(&self, username: &str) -> Result<Option<u32>, StorageError> {
        let key = Key::new(Context::DuoStarts, username);
        let now = self.world.now();
        let Some(stored) = self.storage.read(&key).await? else {
            let created = self.storage.create_if_absent(key, entry(&[now], now)?);
            if created.await? {
                return Ok(Some(1));
            }
            self.storage.take_expired(Context::DuoStarts, BATCH).await?;
            return Ok(None);
        };
        let mut starts: Vec<Timestamp> = decode(&stored.value)?;
        starts.retain(|start| later(*start, WINDOW) > now);
        starts.push(now);
        let entry = entry(&starts, now)?;
        let won = self.storage.write_if_version(key, stored.version, entry);
        let counted = u32::try_from(starts.len()).unwrap_or(u32::MAX);
        Ok(won.await?.then_some(counted))
    }
}

fn entry(starts: &[Timestamp], now: Timestamp) -> Result<Entry, StorageError> {
    Ok(Entry {
        value: encode(&starts)?,
        expiry: later(now, WINDOW),
    })
}
