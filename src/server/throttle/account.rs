//! The failures of one account, and the list of accounts that are slowed.

use super::bucket::{Bucket, Limit};
use crate::config::settings::{ThrottleMode, ThrottleSettings};
use crate::server::session::later;
use crate::server::storage::update::update;
use crate::server::storage::{Context, Key, Storage, StorageError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Networks kept for one account; beyond that the account's own limit holds.
const NETWORKS: usize = 32;

/// Accounts kept in the list for administrators.
const LISTED: usize = 500;

/// How long the list is kept after the last change.
const LIST_LIFETIME: Duration = Duration::from_hours(24);

/// What failed for one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// From anywhere.
    pub(super) anywhere: Bucket,
    networks: BTreeMap<String, Bucket>,
}

/// An account at which attempts are slowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Throttled {
    /// The name as it was typed.
    pub user: String,
    /// The networks from which it is slowed; `*` is everywhere.
    pub networks: Vec<String>,
    /// When all is forgotten, if nothing fails meanwhile.
    pub until: String,
}

impl Account {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            anywhere: Bucket::empty(now),
            networks: BTreeMap::new(),
        }
    }

    pub(super) fn here(&self, network: &str) -> Option<Bucket> {
        self.networks.get(network).copied()
    }

    /// With one more failure.
    pub(super) fn failed(
        mut self,
        network: &str,
        settings: &ThrottleSettings,
        now: Timestamp,
    ) -> Self {
        self.anywhere.add(now, settings.anywhere());
        self.networks.retain(|_, bucket| bucket.ends() > now);
        if self.networks.len() >= NETWORKS && !self.networks.contains_key(network) {
            self.forget_the_quietest();
        }
        let known = self.networks.entry(network.to_owned());
        let here = known.or_insert_with(|| Bucket::empty(now));
        here.add(now, settings.here());
        if settings.mode == ThrottleMode::Lock && full(here, now, settings.here()) {
            here.lock(now, settings.lock);
        }
        self
    }

    /// Without what failed at this network.
    pub(super) fn forgiven(mut self, network: &str) -> Self {
        self.networks.remove(network);
        self
    }

    /// Whether the last failure reached a limit that was not reached before it.
    pub(super) fn just_full(
        &self,
        network: &str,
        settings: &ThrottleSettings,
        now: Timestamp,
    ) -> bool {
        let just = |bucket: Bucket, limit: Limit| {
            limit.attempts > 0 && bucket.level(now, limit) == limit.attempts
        };
        self.here(network)
            .is_some_and(|here| just(here, settings.here()))
            || just(self.anywhere, settings.anywhere())
    }

    /// When nothing of it matters any more.
    pub(super) fn ends(&self) -> Timestamp {
        let networks = self.networks.values().map(Bucket::ends);
        networks.fold(self.anywhere.ends(), Timestamp::max)
    }

    pub(super) fn throttled(
        &self,
        name: &str,
        settings: &ThrottleSettings,
        now: Timestamp,
    ) -> Option<Throttled> {
        let everywhere = full(&self.anywhere, now, settings.anywhere()).then(|| "*".to_owned());
        let slowed = |(network, bucket): (&String, &Bucket)| {
            full(bucket, now, settings.here()).then(|| network.clone())
        };
        let networks: Vec<_> = everywhere
            .into_iter()
            .chain(self.networks.iter().filter_map(slowed))
            .collect();
        (!networks.is_empty()).then(|| Throttled {
            user: name.to_owned(),
            networks,
            until: self.ends().to_string(),
        })
    }

    fn forget_the_quietest(&mut self) {
        let quietest = self.networks.iter().min_by_key(|(_, bucket)| bucket.ends());
        if let Some(network) = quietest.map(|(network, _)| network.clone()) {
            self.networks.remove(&network);
        }
    }
}

fn full(bucket: &Bucket, now: Timestamp, limit: Limit) -> bool {
    limit.attempts > 0 && (bucket.level(now, limit) >= limit.attempts || bucket.locked(now))
}

/// Accounts that reached a limit lately: from the hash of the name to the name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct List(pub(super) BTreeMap<String, String>);

impl List {
    pub(super) fn key() -> Key {
        Key::new(Context::Throttle, "accounts")
    }

    pub(super) async fn add(
        storage: &dyn Storage,
        hash: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let key = Self::key();
        let added = update(storage, &key, |before: Option<Self>| {
            let mut list = before.unwrap_or_default();
            while list.0.len() >= LISTED {
                list.0.pop_first();
            }
            list.0.insert(hash.to_owned(), name.to_owned());
            (list, later(now, LIST_LIFETIME))
        });
        added.await.map(drop)
    }
}

/// A name as an administrator sees it: cut, for it is whatever somebody typed.
pub(super) fn shown(username: &str) -> String {
    username.trim().chars().take(64).collect()
}
