//! Which of Duo's users are which of ours: what an import keeps. One record for each integration,
//! so that removing an integration removes its users, and can tell how many.

use crate::duo::import::Match;
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Until somebody removes them.
const FOR_GOOD: Duration = Duration::from_hours(100 * 365 * 24);

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

type Users = BTreeMap<String, DuoUser>;

impl DuoUsers<'_> {
    /// Everybody.
    pub async fn all(&self) -> Result<Vec<DuoUser>, StorageError> {
        let found = self.storage.read(&self.key()).await?;
        let users: Users = found.map_or(Ok(Users::new()), |stored| decode(&stored.value))?;
        Ok(users.into_values().collect())
    }

    /// Adds these, and says of each how it ended; what conflicts is left as it was.
    pub async fn add(&self, new: &[Match], now: Timestamp) -> Result<Vec<Added>, StorageError> {
        for _ in 0..RACES {
            let stored = self.storage.read(&self.key()).await?;
            let version = stored.as_ref().map(|stored| stored.version);
            let mut users: Users = match stored {
                Some(stored) => decode(&stored.value)?,
                None => Users::new(),
            };
            let mut ids = users
                .values()
                .map(|user| user.duo_user_id.clone())
                .collect();
            let outcomes = new
                .iter()
                .map(|one| self.put(&mut users, &mut ids, one))
                .collect();
            let entry = Entry {
                value: encode(&users)?,
                expiry: later(now, FOR_GOOD),
            };
            let won = match version {
                Some(version) => self.storage.write_if_version(self.key(), version, entry),
                None => self.storage.create_if_absent(self.key(), entry),
            };
            if won.await? {
                return Ok(outcomes);
            }
        }
        Err(StorageError::Failed("others write the same".to_owned()))
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

    fn put(&self, users: &mut Users, ids: &mut BTreeSet<String>, one: &Match) -> Added {
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
    use std::sync::Arc;

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
}
