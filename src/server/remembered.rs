//! Remembered browsers in the store: one record for each, found by its cookie's hash, and one list
//! for each user.
//!
//! The cookie is a random secret and says nothing by itself: whose browser it is, under which rules
//! and until when stand in the record, so revoking is removing.

use crate::authn::evidence::DuoVerified;
use crate::authn::remembered::{BrowserRemembered, RememberRules};
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::{World, hex};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A user's browsers beyond this number: the oldest is forgotten.
const MOST: usize = 20;

/// Attempts at a record that others write as well.
const RACES: usize = 16;

/// Old records taken out of the way at once.
const BATCH: usize = 64;

/// Use within this time of the last write is not worth another one.
const USE_STEP: SignedDuration = SignedDuration::from_secs(60);

/// A browser that is remembered, as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name among the user's browsers; worth nothing as a cookie.
    pub id: String,
    /// Browser and system, in the words of the `User-Agent`; empty when it says neither.
    pub label: String,
    /// When it was remembered.
    pub created: Timestamp,
    /// When it last stood in for Duo, to within a minute.
    pub last_used: Option<Timestamp>,
    /// When it will be forgotten.
    pub expires: Timestamp,
}

/// What a cookie leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// For the user's list.
    pub listed: Listed,
    /// The user's password at that time, digested with the cookie's secret: the store alone lets
    /// nobody guess passwords.
    pub password: String,
    duo: DuoVerified,
    generation: String,
}

impl Remembered {
    /// Whose browser it is.
    pub fn username(&self) -> &str {
        self.duo.username()
    }

    /// The evidence. Whoever calls it has compared the password and found the record just now.
    pub fn attest(self) -> BrowserRemembered {
        BrowserRemembered::attest(self.duo, self.generation, self.listed.expires)
    }
}

/// A line of a user's list.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    id: String,
    record: String,
    expires: Timestamp,
}

/// A browser to remember.
#[derive(Debug)]
pub struct Newcomer<'a> {
    /// The cookie's value.
    pub secret: &'a str,
    /// Duo's fresh result.
    pub duo: DuoVerified,
    /// The password's digest with that secret.
    pub password: String,
    /// `User-Agent`.
    pub user_agent: &'a str,
}

/// The remembered browsers of a store.
#[derive(Clone, Copy, Debug)]
pub struct RememberedBrowsers<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// The clock.
    pub world: &'a World,
}

impl RememberedBrowsers<'_> {
    /// Remembers a browser. It is listed first: nothing is ever good that nobody can revoke.
    pub async fn keep(
        &self,
        newcomer: Newcomer<'_>,
        rules: &RememberRules,
    ) -> Result<(), StorageError> {
        let created = self.world.now();
        let record = Remembered {
            listed: Listed {
                id: self.world.id(),
                label: label(newcomer.user_agent),
                created,
                last_used: None,
                expires: later(created, rules.lifetime),
            },
            password: newcomer.password,
            duo: newcomer.duo,
            generation: rules.generation.clone(),
        };
        let line = Line {
            id: record.listed.id.clone(),
            record: name(newcomer.secret),
            expires: record.listed.expires,
        };
        let pushed_out = self.list_one_more(record.username(), line).await?;
        for line in pushed_out {
            self.remove(&line.record).await?;
        }
        let key = key(&name(newcomer.secret));
        self.storage.create_if_absent(key, entry(&record)?).await?;
        Ok(())
    }

    /// What this cookie leads to.
    pub async fn find(&self, secret: &str) -> Result<Option<Remembered>, StorageError> {
        let stored = self.storage.read(&key(&name(secret))).await?;
        stored.map(|stored| decode(&stored.value)).transpose()
    }

    /// Notes that it stood in for Duo; false when it has been revoked meanwhile.
    pub async fn used(&self, secret: &str) -> Result<bool, StorageError> {
        let key = key(&name(secret));
        let now = self.world.now();
        for _ in 0..RACES {
            let Some(stored) = self.storage.read(&key).await? else {
                return Ok(false);
            };
            let mut record: Remembered = decode(&stored.value)?;
            let last = record.listed.last_used;
            if last.is_some_and(|last| now.duration_since(last) < USE_STEP) {
                return Ok(true);
            }
            record.listed.last_used = Some(now);
            let entry = entry(&record)?;
            let written = self
                .storage
                .write_if_version(key.clone(), stored.version, entry);
            if written.await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A user's browsers, the newest first.
    pub async fn of_user(&self, username: &str) -> Result<Vec<Listed>, StorageError> {
        let mut browsers = Vec::new();
        for line in self.lines(username).await? {
            if let Some(stored) = self.storage.read(&key(&line.record)).await? {
                let record: Remembered = decode(&stored.value)?;
                browsers.push(record.listed);
            }
        }
        browsers.sort_by_key(|listed| std::cmp::Reverse(listed.created));
        Ok(browsers)
    }

    /// Forgets one of a user's browsers, or all of them: how many were remembered until now.
    pub async fn revoke(&self, username: &str, id: Option<&str>) -> Result<usize, StorageError> {
        let mut revoked = 0;
        let mut removed = Vec::new();
        for line in self.lines(username).await? {
            if id.is_none_or(|id| id == line.id) {
                revoked += usize::from(self.remove(&line.record).await?);
                removed.push(line.id);
            }
        }
        self.change_list(username, |lines| {
            lines.retain(|line| !removed.contains(&line.id));
            Vec::new()
        })
        .await?;
        Ok(revoked)
    }

    /// Forgets the browser of a cookie that is about to be replaced.
    pub async fn forget(&self, secret: &str) -> Result<(), StorageError> {
        if let Some(record) = self.find(secret).await? {
            let id = record.listed.id.clone();
            self.revoke(record.username(), Some(&id)).await?;
        }
        Ok(())
    }

    /// True when the record was there and is not any more.
    async fn remove(&self, name: &str) -> Result<bool, StorageError> {
        let key = key(name);
        for _ in 0..RACES {
            let Some(stored) = self.storage.read(&key).await? else {
                return Ok(false);
            };
            let removed = self.storage.remove_if_version(key.clone(), stored.version);
            if removed.await? {
                return Ok(true);
            }
        }
        Err(raced())
    }

    async fn lines(&self, username: &str) -> Result<Vec<Line>, StorageError> {
        let stored = self.storage.read(&list_key(username)).await?;
        stored.map_or(Ok(Vec::new()), |stored| decode(&stored.value))
    }

    async fn list_one_more(&self, username: &str, line: Line) -> Result<Vec<Line>, StorageError> {
        self.change_list(username, |lines| {
            lines.push(line.clone());
            let over = lines.len().saturating_sub(MOST);
            lines.drain(..over).collect()
        })
        .await
    }

    async fn change_list(
        &self,
        username: &str,
        change: impl Fn(&mut Vec<Line>) -> Vec<Line>,
    ) -> Result<Vec<Line>, StorageError> {
        let key = list_key(username);
        for _ in 0..RACES {
            let now = self.world.now();
            let stored = self.storage.read(&key).await?;
            let mut lines: Vec<Line> = match &stored {
                Some(stored) => decode(&stored.value)?,
                None => Vec::new(),
            };
            lines.retain(|line| line.expires > now);
            let taken_out = change(&mut lines);
            let done = match stored {
                Some(stored) if lines.is_empty() => {
                    let removed = self.storage.remove_if_version(key.clone(), stored.version);
                    removed.await?
                }
                None if lines.is_empty() => true,
                Some(stored) => {
                    let entry = list_entry(&lines)?;
                    let written = self
                        .storage
                        .write_if_version(key.clone(), stored.version, entry);
                    written.await?
                }
                None => self.create_list(key.clone(), &lines).await?,
            };
            if done {
                return Ok(taken_out);
            }
        }
        Err(raced())
    }

    /// An expired list may still be in the way.
    async fn create_list(&self, key: Key, lines: &[Line]) -> Result<bool, StorageError> {
        let context = key.context;
        let created = self.storage.create_if_absent(key, list_entry(lines)?);
        if created.await? {
            return Ok(true);
        }
        self.storage.take_expired(context, BATCH).await?;
        Ok(false)
    }
}

fn raced() -> StorageError {
    StorageError::Failed("a record of remembered browsers changes all the time".to_owned())
}

fn entry(record: &Remembered) -> Result<Entry, StorageError> {
    Ok(Entry {
        value: encode(record)?,
        expiry: record.listed.expires,
    })
}

fn list_entry(lines: &[Line]) -> Result<Entry, StorageError> {
    let expiry = lines.iter().map(|line| line.expires).max();
    Ok(Entry {
        value: encode(&lines)?,
        expiry: expiry.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// The store sees a hash, so that its reader cannot pass for a browser.
fn name(secret: &str) -> String {
    hex(&openssl::sha::sha256(secret.as_bytes()))
}

fn key(name: &str) -> Key {
    Key::new(Context::RememberedBrowser, name)
}

fn list_key(username: &str) -> Key {
    Key::new(Context::RememberedList, username)
}

/// Enough for people to recognise their own browser; constant words, so nothing hostile is kept.
fn label(user_agent: &str) -> String {
    // Every browser claims to be several others; the most particular name comes first.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let first = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    let parts = [first(&browsers), first(&systems)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
