//! Which requests this node has seen: each (issuer, ID) is good once while it could be accepted.
//!
//! When the map is full new requests are refused. Forgetting an old entry instead would let its
//! request in again.

use jiff::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 16;

/// The requests seen.
#[derive(Debug)]
pub struct ReplayCache {
    shards: [Mutex<HashMap<u128, Timestamp>>; SHARDS],
    hasher: RandomState,
    other_hasher: RandomState,
    shard_capacity: usize,
}

/// What the cache says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Never seen within its lifetime; it is seen now.
    First,
    /// Seen before.
    Replay,
    /// Not known, and there is no room to remember it.
    Full,
}

impl ReplayCache {
    /// A cache for about `capacity` requests.
    pub fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            other_hasher: RandomState::new(),
            shard_capacity: capacity.div_ceil(SHARDS),
        }
    }

    /// Looks at a request that cannot be accepted after `until`.
    pub fn see(&self, issuer: &str, id: &str, until: Timestamp, now: Timestamp) -> Sighting {
        let key = self.key(issuer, id);
        let shard = usize::try_from(key % SHARDS as u128).unwrap_or(0);
        let mut seen = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= self.shard_capacity {
            seen.retain(|_, until| now < *until);
        }
        let full = seen.len() >= self.shard_capacity;
        match seen.entry(key) {
            Entry::Occupied(entry) if now < *entry.get() => Sighting::Replay,
            Entry::Occupied(mut entry) => {
                entry.insert(until);
                Sighting::First
            }
            Entry::Vacant(_) if full => Sighting::Full,
            Entry::Vacant(entry) => {
                entry.insert(until);
                Sighting::First
            }
        }
    }

    /// Drops what can no longer be replayed.
    pub fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut seen = shard.lock().unwrap_or_else(PoisonError::into_inner);
            seen.retain(|_, until| now < *until);
            seen.shrink_to_fit();
        }
    }

    /// 128 bits under two secret keys: nobody outside can make two requests meet.
    fn key(&self, issuer: &str, id: &str) -> u128 {
        let high = self.hasher.hash_one((issuer, id));
        let low = self.other_hasher.hash_one((issuer, id));
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn s25_a_request_is_good_once_for_its_issuer() {
        let cache = ReplayCache::new(100);
        assert_eq!(cache.see("sp", "id", at(60), at(0)), Sighting::First);
        assert_eq!(cache.see("sp", "id", at(60), at(59)), Sighting::Replay);
        assert_eq!(cache.see("other", "id", at(60), at(0)), Sighting::First);
        assert_eq!(cache.see("sp", "other", at(60), at(0)), Sighting::First);
    }

    #[test]
    fn a_request_is_forgotten_when_its_age_alone_refuses_it() {
        let cache = ReplayCache::new(100);
        cache.see("sp", "id", at(60), at(0));
        cache.sweep(at(60));
        assert_eq!(cache.see("sp", "id", at(120), at(60)), Sighting::First);
    }

    #[test]
    fn s25_a_full_cache_refuses_new_requests_and_forgets_none() {
        let cache = ReplayCache::new(SHARDS);
        let name = |n: usize| format!("id{n}");
        let seen: Vec<usize> = (0..1000)
            .filter(|n| cache.see("sp", &name(*n), at(60), at(0)) == Sighting::First)
            .collect();
        assert!(seen.len() <= SHARDS);
        for n in &seen {
            assert_eq!(cache.see("sp", &name(*n), at(60), at(1)), Sighting::Replay);
        }
        let after = cache.see("sp", &name(2000), at(200), at(100));
        assert_eq!(after, Sighting::First, "expired entries make room");
    }
}
