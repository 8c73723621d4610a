//! A change of a record that others write as well.

use crate::server::storage::{Entry, Key, Storage, StorageError, decode, encode};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Attempts at a record that others write as well.
const RACES: usize = 16;

/// Old records taken out of the way at once.
const BATCH: usize = 64;

/// Writes what `change` makes of the record that is there, and until when it does; returns what
/// was written. It is called again whenever another writer was faster.
pub async fn update<T, C>(storage: &dyn Storage, key: &Key, change: C) -> Result<T, StorageError>
where
    T: Serialize + DeserializeOwned,
    C: Fn(Option<T>) -> (T, Timestamp),
{
    for _ in 0..RACES {
        let stored = storage.read(key).await?;
        let version = stored.as_ref().map(|stored| stored.version);
        let before = match stored {
            Some(stored) => Some(decode(&stored.value)?),
            None => None,
        };
        let (value, expiry) = change(before);
        let entry = Entry {
            value: encode(&value)?,
            expiry,
        };
        let won = match version {
            Some(version) => {
                storage
                    .write_if_version(key.clone(), version, entry)
                    .await?
            }
            None => storage.create_if_absent(key.clone(), entry).await?,
        };
        if won {
            return Ok(value);
        }
        if version.is_none() {
            // An expired record may be in the way.
            storage.take_expired(key.context, BATCH).await?;
        }
    }
    Err(StorageError::Failed("others write the same".to_owned()))
}
