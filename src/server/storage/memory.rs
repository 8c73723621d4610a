//! Records in this process: fast, bounded, gone after a restart.

use crate::server::storage::{Answer, Context, Entry, Key, Storage, StorageError, Stored};
use crate::server::world::Clock;
use jiff::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;

/// A sharded map that refuses when full; it never evicts a live record.
pub struct Memory {
    clock: Arc<dyn Clock>,
    shards: Vec<Mutex<HashMap<Key, Slot>>>,
    hasher: RandomState,
    shard_capacity: usize,
}

#[derive(Debug)]
struct Slot {
    version: u64,
    entry: Entry,
}

impl Memory {
    /// An empty store for about `capacity` records.
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self {
            clock,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            shard_capacity: capacity.div_ceil(SHARDS),
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Slot>> {
        let hash = self.hasher.hash_one(key);
        lock(&self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)])
    }

    fn create(&self, key: Key, entry: Entry) -> Result<bool, StorageError> {
        let mut shard = self.shard(&key);
        if shard.contains_key(&key) {
            return Ok(false);
        }
        if shard.len() >= self.shard_capacity {
            return Err(StorageError::Full);
        }
        shard.insert(key, Slot { version: 1, entry });
        Ok(true)
    }

    fn replace(&self, key: &Key, version: u64, entry: Option<Entry>) -> bool {
        let now = self.clock.now();
        let mut shard = self.shard(key);
        let Some(slot) = shard.get_mut(key) else {
            return false;
        };
        if !slot.live(now) || slot.version != version {
            return false;
        }
        match entry {
            Some(entry) => {
                slot.version += 1;
                slot.entry = entry;
            }
            None => {
                shard.remove(key);
            }
        }
        true
    }

    fn expired(&self, context: Context, limit: usize) -> Vec<(String, Vec<u8>)> {
        let now = self.clock.now();
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let names: Vec<Key> = shard
                .iter()
                .filter(|(key, slot)| key.context == context && !slot.live(now))
                .map(|(key, _)| key.clone())
                .take(limit - taken.len())
                .collect();
            for key in names {
                if let Some(slot) = shard.remove(&key) {
                    taken.push((key.name, slot.entry.value));
                }
            }
        }
        taken
    }
}

impl Slot {
    fn live(&self, now: Timestamp) -> bool {
        now < self.entry.expiry
    }
}

/// A poisoned shard holds whole records all the same: every change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Storage for Memory {
    fn create_if_absent(&self, key: Key, entry: Entry) -> Answer<'_, bool> {
        Box::pin(std::future::ready(self.create(key, entry)))
    }

    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        let now = self.clock.now();
        let found = self
            .shard(key)
            .get(key)
            .filter(|slot| slot.live(now))
            .map(|slot| Stored {
                version: slot.version,
                value: slot.entry.value.clone(),
            });
        Box::pin(std::future::ready(Ok(found)))
    }

    fn write_if_version(&self, key: Key, version: u64, entry: Entry) -> Answer<'_, bool> {
        Box::pin(std::future::ready(Ok(self.replace(
            &key,
            version,
            Some(entry),
        ))))
    }

    fn remove_if_version(&self, key: Key, version: u64) -> Answer<'_, bool> {
        Box::pin(std::future::ready(Ok(self.replace(&key, version, None))))
    }

    fn take_expired(&self, context: Context, limit: usize) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        Box::pin(std::future::ready(Ok(self.expired(context, limit))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::conformance::{Conformance, TestClock, block_on};

    #[test]
    fn memory_conforms() {
        let clock = TestClock::new();
        let store = Memory::new(clock.clone(), 10_000);
        Conformance::new(Arc::new(store), clock).run();
    }

    #[test]
    fn a_full_store_refuses_and_keeps_what_it_holds() {
        let clock = TestClock::new();
        let store = Memory::new(clock.clone(), SHARDS);
        let create = |n: usize| {
            let entry = Entry {
                value: vec![1],
                expiry: clock.after(60),
            };
            block_on(store.create_if_absent(Key::new(Context::Session, n.to_string()), entry))
        };
        let first_refused = (0..10_000)
            .find(|n| create(*n) == Err(StorageError::Full))
            .expect("a bounded store refuses at some point");
        assert!(first_refused > 0);
        for n in 0..first_refused {
            let key = Key::new(Context::Session, n.to_string());
            assert!(block_on(store.read(&key)).unwrap().is_some(), "{n}");
        }
    }
}
