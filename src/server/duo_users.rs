//! Which of Duo's users are which of ours: what an import keeps. One record for each integration,
//! so that removing an integration removes its users, and can tell how many.

use crate::duo::import::Match;
use crate::duo::integration::Integration;
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Until somebody removes them.
const FOR_GOOD: Duration = Duration::from_hours(100 * 365 * 24);

/// The integration of `idp.duo.oidc.*`.
const DEFAULT: &str = "default";

/// Attempts at a record that others write as well.
const RACES: usize = 16;

/// One user of ours at Duo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuoUser {
    /// Our login name.
    pub user: String,
    /// The integration's name.
    pub integration: String,
    /// Duo's id of the user.
    pub duo_user_id: String,
    /// What our pages call it.
    pub label: String,
    /// When it was added.
    pub added: Timestamp,
    /// When Duo last said that it knows the user, if we asked.
    pub confirmed: Option<Timestamp>,
    /// Duo does not know the user any more.
    pub broken: bool,
}

/// How adding one user ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was kept.
    New,
    /// The same was kept already.
    Known,
    /// The user is another Duo user already, or the Duo user is another of ours.
    Conflict,
}

/// The users of one integration in a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoUsers<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// The integration's name.
    pub integration: &'a str,
}

/// The integration whose users an Auth API application knows: they share an API host, which is the
/// default one's as a rule.
pub fn home_of<'a>(
    application: &Integration,
    integrations: &'a BTreeMap<String, Arc<Integration>>,
) -> &'a str {
    let same = |(_, one): &(&String, &Arc<Integration>)| one.api_host == application.api_host;
    let default = integrations.get_key_value(DEFAULT).filter(same);
    let found = default.or_else(|| integrations.iter().find(same));
    found.map_or(DEFAULT, |(name, _)| name.as_str())
}

type Users = BTreeMap<String, DuoUser>;

impl DuoUsers<'_> {
    /// Everybody.
    pub async fn all(&self) -> Result<Vec<DuoUser>, StorageError> {
        Ok(self.read().await?.0.into_values().collect())
    }

    /// One of our users.
    pub async fn of(&self, user: &str) -> Result<Option<DuoUser>, StorageError> {
        Ok(self.read().await?.0.remove(user))
    }

    /// Adds these, and says of each how it ended; what conflicts is left as it was.
    pub async fn add(&self, new: &[Match], now: Timestamp) -> Result<Vec<Added>, StorageError> {
        self.write(now, |users| {
            let ids = users.values().map(|user| user.duo_user_id.clone());
            let mut ids: BTreeSet<String> = ids.collect();
            let put = |one| self.put(users, &mut ids, one, now);
            new.iter().map(put).collect()
        })
        .await
    }

    /// Adds a user who has just enrolled. A record that Duo does not know any more makes room.
    pub async fn enrolled(&self, one: &Match, now: Timestamp) -> Result<Added, StorageError> {
        self.write(now, |users| {
            let stale = |user: &DuoUser| user.broken && user.duo_user_id != one.duo_user_id;
            if users.get(&one.user).is_some_and(stale) {
                users.remove(&one.user);
            }
            let ids = users.values().map(|user| user.duo_user_id.clone());
            let mut ids: BTreeSet<String> = ids.collect();
            let added = self.put(users, &mut ids, one, now);
            if let (Added::New | Added::Known, Some(user)) = (added, users.get_mut(&one.user)) {
                user.confirmed = Some(now);
                user.broken = false;
            }
            added
        })
        .await
    }

    /// Changes one of our users; false when there is none.
    pub async fn change(
        &self,
        user: &str,
        now: Timestamp,
        change: impl Fn(&mut DuoUser) + Sync,
    ) -> Result<bool, StorageError> {
        self.write(now, |users| users.get_mut(user).map(&change).is_some())
            .await
    }

    /// Removes one of our users, and says who it was.
    pub async fn remove(
        &self,
        user: &str,
        now: Timestamp,
    ) -> Result<Option<DuoUser>, StorageError> {
        self.write(now, |users| users.remove(user)).await
    }

    /// Removes everybody and says how many there were.
    pub async fn remove_all(&self) -> Result<usize, StorageError> {
        let Some(stored) = self.storage.read(&self.key()).await? else {
            return Ok(0);
        };
        let users: Users = decode(&stored.value)?;
        let removed = self.storage.remove_if_version(self.key(), stored.version);
        Ok(if removed.await? { users.len() } else { 0 })
    }

    async fn read(&self) -> Result<(Users, Option<u64>), StorageError> {
        Ok(match self.storage.read(&self.key()).await? {
            Some(stored) => (decode(&stored.value)?, Some(stored.version)),
            None => (Users::new(), None),
        })
    }

    /// Changes the record; nothing that another one changes meanwhile is lost.
    async fn write<T>(
        &self,
        now: Timestamp,
        change: impl Fn(&mut Users) -> T,
    ) -> Result<T, StorageError> {
        for _ in 0..RACES {
            let (mut users, version) = self.read().await?;
            let outcome = change(&mut users);
            let entry = Entry {
                value: encode(&users)?,
                expiry: later(now, FOR_GOOD),
            };
            let won = match version {
                Some(version) => self.storage.write_if_version(self.key(), version, entry),
                None => self.storage.create_if_absent(self.key(), entry),
            };
            if won.await? {
                return Ok(outcome);
            }
        }
        Err(StorageError::failed("others write the same"))
    }

    fn put(
        &self,
        users: &mut Users,
        ids: &mut BTreeSet<String>,
        one: &Match,
        now: Timestamp,
    ) -> Added {
        if let Some(known) = users.get(&one.user) {
            return if known.duo_user_id == one.duo_user_id {
                Added::Known
            } else {
                Added::Conflict
            };
        }
        if !ids.insert(one.duo_user_id.clone()) {
            return Added::Conflict;
        }
        let user = DuoUser {
            user: one.user.clone(),
            integration: self.integration.to_owned(),
            duo_user_id: one.duo_user_id.clone(),
            label: one.label.clone(),
            added: now,
            confirmed: None,
            broken: false,
        };
        users.insert(one.user.clone(), user);
        Added::New
    }

    fn key(&self) -> Key {
        Key::new(Context::DuoUsers, self.integration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::memory::Memory;
    use crate::server::world::{Clock as _, SystemClock};

    fn one(user: &str, id: &str) -> Match {
        Match {
            user: user.to_owned(),
            duo_user_id: id.to_owned(),
            duo_username: user.to_owned(),
            label: "Duo".to_owned(),
        }
    }

    #[tokio::test]
    async fn an_import_twice_changes_nothing_and_a_conflict_is_told() {
        let storage = Memory::new(Arc::new(SystemClock), 10);
        let users = DuoUsers {
            storage: &storage,
            integration: "default",
        };
        let now = SystemClock.now();
        let both = [one("alice", "DU1"), one("bob", "DU2")];
        assert_eq!(users.add(&both, now).await, Ok(vec![Added::New; 2]));
        assert_eq!(users.add(&both, now).await, Ok(vec![Added::Known; 2]));
        let wrong = [one("alice", "DU3"), one("carol", "DU2")];
        assert_eq!(users.add(&wrong, now).await, Ok(vec![Added::Conflict; 2]));
        let kept = users.all().await.unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0].duo_user_id, "DU1");
    }

    #[tokio::test]
    async fn removing_an_integration_tells_how_many_go_with_it() {
        let storage = Memory::new(Arc::new(SystemClock), 10);
        let users = |integration| DuoUsers {
            storage: &storage,
            integration,
        };
        let now = SystemClock.now();
        users("a").add(&[one("alice", "DU1")], now).await.unwrap();
        users("b").add(&[one("alice", "DU1")], now).await.unwrap();
        assert_eq!(users("a").remove_all().await, Ok(1));
        assert_eq!(users("a").remove_all().await, Ok(0));
        assert_eq!(users("b").all().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_enrolment_replaces_only_what_duo_does_not_know_any_more() {
        let storage = Memory::new(Arc::new(SystemClock), 10);
        let users = DuoUsers {
            storage: &storage,
            integration: "default",
        };
        let now = SystemClock.now();
        let first = one("alice", "DU1");
        let second = one("alice", "DU2");
        assert_eq!(users.enrolled(&first, now).await, Ok(Added::New));
        assert_eq!(users.enrolled(&second, now).await, Ok(Added::Conflict));
        let broken = users.change("alice", now, |user| user.broken = true);
        assert_eq!(broken.await, Ok(true));
        assert_eq!(users.enrolled(&second, now).await, Ok(Added::New));
        let kept = users.of("alice").await.unwrap().unwrap();
        assert_eq!(
            (&*kept.duo_user_id, kept.confirmed, kept.broken),
            ("DU2", Some(now), false)
        );
        let removed = users.remove("alice", now).await.unwrap();
        assert_eq!(removed, Some(kept));
        assert_eq!(users.change("alice", now, |_| {}).await, Ok(false));
    }
}
