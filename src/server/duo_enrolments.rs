//! Enrolments under way: what Duo answered when one began, kept for the browser and the user that
//! began it, so that looking at the page again never begins another.
//!
//! Whoever has the activation code has the user's second factor, so the store holds it sealed with
//! a key that only this browser's cookie gives.

use crate::duo::auth_api::Enrolment;
use crate::server::session::later;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::{World, hex};
use jiff::Timestamp;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one request may take to begin an enrolment; then another may try.
const ASKING: Duration = Duration::from_mins(1);

/// How long the page tells how an enrolment ended.
const TOLD: Duration = Duration::from_mins(15);

/// Attempts at a record that another request writes as well.
const RACES: usize = 16;

/// Old records taken out of the way at once.
const BATCH: usize = 64;

const NONCE: usize = 12;
const TAG: usize = 16;

/// Whose enrolment it is: this browser's and this user's.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// The browser's secret.
    pub browser: &'a str,
    /// The user.
    pub username: &'a str,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Duo is being asked.
    Asking,
    /// It waits for the phone.
    Open(Box<Enrolment>),
    /// It is over.
    Over(Ending),
}

/// How an enrolment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The phone is activated and the record kept.
    Confirmed,
    /// The phone did not come in time, or the code is void.
    Expired,
    /// Duo has a user of this name already.
    NameTaken,
    /// It is enrolled at Duo, but another of our users, or another Duo user, is in the way.
    Conflict,
    /// Duo cannot be reached.
    Unavailable,
    /// The user tried too often within ten minutes.
    TooOften,
    /// Duo refused, or the name at Duo is unknown: the log says why.
    Refused,
}

#[derive(Serialize, Deserialize)]
enum Kept {
    Asking,
    Open { sealed: Vec<u8>, until: Timestamp },
    Over(Ending),
}

/// The enrolments of a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoEnrolments<'a> {
    /// The store.
    pub storage: &'a dyn Storage,
    /// Time and randomness.
    pub world: &'a World,
}

impl DuoEnrolments<'_> {
    /// How far this owner's enrolment is, if there is one.
    pub async fn find(&self, owner: Owner<'_>) -> Result<Option<Progress>, StorageError> {
        let Some(stored) = self.storage.read(&owner.key()).await? else {
            return Ok(None);
        };
        Ok(Some(match decode(&stored.value)? {
            Kept::Asking => Progress::Asking,
            Kept::Over(ending) => Progress::Over(ending),
            Kept::Open { sealed, .. } => {
                let opened = owner.open(&sealed).ok_or(StorageError::Corrupt)?;
                Progress::Open(Box::new(decode(&opened)?))
            }
        }))
    }

    /// True for the one request that is to begin an enrolment: there was none, or it is over.
    pub async fn begin(&self, owner: Owner<'_>) -> Result<bool, StorageError> {
        for _ in 0..RACES {
            let entry = self.entry(&Kept::Asking)?;
            let won = match self.storage.read(&owner.key()).await? {
                Some(stored) => match decode(&stored.value)? {
                    Kept::Asking | Kept::Open { .. } => return Ok(false),
                    Kept::Over(_) => {
                        let version = stored.version;
                        self.storage.write_if_version(owner.key(), version, entry)
                    }
                },
                None => self.storage.create_if_absent(owner.key(), entry),
            };
            if won.await? {
                return Ok(true);
            }
            // An expired record is in the way until somebody takes it.
            let expired = self.storage.take_expired(Context::DuoEnrolment, BATCH);
            expired.await?;
        }
        Ok(false)
    }

    /// What became of it; of two requests that say so the slower one is passed over.
    pub async fn set(&self, owner: Owner<'_>, progress: &Progress) -> Result<(), StorageError> {
        let kept = match progress {
            Progress::Asking => Kept::Asking,
            Progress::Over(ending) => Kept::Over(*ending),
            Progress::Open(enrolment) => Kept::Open {
                sealed: owner.seal(&encode(enrolment)?, &self.world.bytes())?,
                until: until(enrolment),
            },
        };
        let entry = self.entry(&kept)?;
        match self.storage.read(&owner.key()).await? {
            Some(stored) => {
                let written = self
                    .storage
                    .write_if_version(owner.key(), stored.version, entry);
                written.await?
            }
            None => self.storage.create_if_absent(owner.key(), entry).await?,
        };
        Ok(())
    }

    fn entry(&self, kept: &Kept) -> Result<Entry, StorageError> {
        let now = self.world.now();
        let expiry = match kept {
            Kept::Asking => later(now, ASKING),
            Kept::Over(_) => later(now, TOLD),
            Kept::Open { until, .. } => later(*until, TOLD),
        };
        Ok(Entry {
            value: encode(kept)?,
            expiry,
        })
    }
}

/// When the activation code ends.
pub fn until(enrolment: &Enrolment) -> Timestamp {
    Timestamp::from_second(enrolment.expiration).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Owner<'_> {
    fn key(&self) -> Key {
        Key::new(Context::DuoEnrolment, hex(&self.derived("name")))
    }

    /// The secret is random and long: its hash is as good a key.
    fn derived(&self, purpose: &str) -> [u8; 32] {
        let text = format!("enrolment {purpose}\n{}\n{}", self.browser, self.username);
        openssl::sha::sha256(text.as_bytes())
    }

    fn seal(&self, octets: &[u8], nonce: &[u8; NONCE]) -> Result<Vec<u8>, StorageError> {
        let mut tag = [0; TAG];
        let (cipher, key) = (Cipher::aes_256_gcm(), self.derived("key"));
        let sealed = encrypt_aead(cipher, &key, Some(nonce), &[], octets, &mut tag);
        let sealed = sealed.map_err(StorageError::failed)?;
        Ok([&nonce[..], &tag[..], &sealed[..]].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let (tag, octets) = rest.split_at_checked(TAG)?;
        let (cipher, key) = (Cipher::aes_256_gcm(), self.derived("key"));
        decrypt_aead(cipher, &key, Some(nonce), &[], octets, tag).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::conformance::{TestClock, block_on};
    use crate::server::storage::memory::Memory;
    use crate::server::world::tests::world_at;

    const ALICE: Owner<'static> = Owner {
        browser: "one browser",
        username: "alice",
    };

    fn enrolment(now: Timestamp) -> Enrolment {
        Enrolment {
            user_id: "DU1".to_owned(),
            username: "alice".to_owned(),
            activation_code: "duo://secret-code".to_owned(),
            activation_barcode: String::new(),
            activation_url: "https://m.example.org/activate/1".to_owned(),
            expiration: now.as_second() + 600,
        }
    }

    #[test]
    fn of_any_number_of_clicks_one_begins_an_enrolment() {
        let clock = TestClock::new();
        let (storage, world) = (Memory::new(clock.clone(), 10), world_at(clock.clone()));
        let enrolments = DuoEnrolments {
            storage: &storage,
            world: &world,
        };
        assert_eq!(block_on(enrolments.begin(ALICE)), Ok(true));
        assert_eq!(block_on(enrolments.begin(ALICE)), Ok(false));
        let open = Progress::Open(Box::new(enrolment(world.now())));
        block_on(enrolments.set(ALICE, &open)).unwrap();
        assert_eq!(block_on(enrolments.begin(ALICE)), Ok(false));
        assert_eq!(block_on(enrolments.find(ALICE)), Ok(Some(open)));
        let over = Progress::Over(Ending::Expired);
        block_on(enrolments.set(ALICE, &over)).unwrap();
        assert_eq!(block_on(enrolments.begin(ALICE)), Ok(true));
        // Whoever was to begin it and did not must not block the user for long.
        clock.advance(61);
        assert_eq!(block_on(enrolments.begin(ALICE)), Ok(true));
    }

    #[test]
    fn s42_an_activation_code_is_of_its_browser_and_user_alone() {
        let clock = TestClock::new();
        let (storage, world) = (Memory::new(clock.clone(), 10), world_at(clock));
        let enrolments = DuoEnrolments {
            storage: &storage,
            world: &world,
        };
        let open = Progress::Open(Box::new(enrolment(world.now())));
        block_on(enrolments.set(ALICE, &open)).unwrap();
        let stored = block_on(storage.read(&ALICE.key())).unwrap().unwrap();
        let text = String::from_utf8_lossy(&stored.value).into_owned();
        assert!(
            !text.contains("duo://") && !text.contains("activate"),
            "{text}"
        );
        let others = [("another browser", "alice"), ("one browser", "bob")];
        for (browser, username) in others {
            let other = Owner { browser, username };
            assert_eq!(block_on(enrolments.find(other)), Ok(None));
            assert!(other.open(&stored.value).is_none());
        }
    }
}
