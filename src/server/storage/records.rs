//! Records of one kind under unguessable ids, moved by compare-and-swap: of two requests that race,
//! one wins.

use super::{Context, Entry, Key, Storage, StorageError, decode, encode};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// A kind of record.
pub trait Record: Serialize + DeserializeOwned {
    /// Where its records stand.
    const CONTEXT: Context;
}

/// A record with the version it was read at.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The version.
    pub version: u64,
    /// The record.
    pub value: T,
}

/// The records of one kind in a store.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a, T> {
    storage: &'a dyn Storage,
    kind: PhantomData<fn() -> T>,
}

impl<'a, T: Record> Records<'a, T> {
    /// Those of this store.
    pub fn new(storage: &'a dyn Storage) -> Self {
        Self {
            storage,
            kind: PhantomData,
        }
    }

    /// Stores a new record under a fresh id.
    pub async fn create(
        &self,
        id: &str,
        record: &T,
        expiry: Timestamp,
    ) -> Result<(), StorageError> {
        let value = encode(record)?;
        let entry = Entry { value, expiry };
        if self.storage.create_if_absent(key::<T>(id), entry).await? {
            Ok(())
        } else {
            Err(StorageError::Failed("a fresh id is taken".to_owned()))
        }
    }

    /// The record of this id.
    pub async fn read(&self, id: &str) -> Result<Option<Versioned<T>>, StorageError> {
        let Some(stored) = self.storage.read(&key::<T>(id)).await? else {
            return Ok(None);
        };
        Ok(Some(Versioned {
            version: stored.version,
            value: decode(&stored.value)?,
        }))
    }

    /// Moves a record on; false when another request was faster.
    pub async fn replace(
        &self,
        id: &str,
        version: u64,
        record: &T,
        expiry: Timestamp,
    ) -> Result<bool, StorageError> {
        let value = encode(record)?;
        let entry = Entry { value, expiry };
        self.storage
            .write_if_version(key::<T>(id), version, entry)
            .await
    }

    /// Takes a record away; false when another request was faster.
    pub async fn take(&self, id: &str, version: u64) -> Result<bool, StorageError> {
        self.storage.remove_if_version(key::<T>(id), version).await
    }

    /// Takes up to `limit` records that nobody came back to.
    pub async fn take_expired(&self, limit: usize) -> Result<Vec<T>, StorageError> {
        let expired = self.storage.take_expired(T::CONTEXT, limit).await?;
        Ok(expired
            .iter()
            .filter_map(|(_, value)| decode(value).ok())
            .collect())
    }
}

fn key<T: Record>(id: &str) -> Key {
    Key::new(T::CONTEXT, id)
}
