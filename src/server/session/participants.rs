//! The relying parties that rest on a session, and the way back from a name to its sessions.

use super::{Key, Live, Session, Sessions, key_of, later};
use crate::saml::logout::LogoutRequest;
use crate::saml::name_id::{NameId, UNSPECIFIED};
use crate::server::storage::{Context, Entry, StorageError, decode, encode};
use crate::server::world::hex;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// More relying parties than one person uses in a day; beyond that the oldest is forgotten, and
/// the session remembers that it forgot.
const MOST: usize = 64;
/// More sessions than one person has at once under one name.
const MOST_SESSIONS: usize = 32;

const BATCH: usize = 64;

/// A relying party that was told of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Its entityID.
    #[serde(rename = "e")]
    pub entity_id: String,
    /// The name it was given.
    #[serde(rename = "n")]
    pub name_id: NameId,
    /// The SessionIndex it was given.
    #[serde(rename = "i")]
    pub session_index: String,
}

impl Participant {
    /// Whether a logout request means this one: its name, and its index if it names any (SAML core
    /// 3.7.1).
    pub fn is_meant(&self, entity_id: &str, name_id: &NameId, indexes: &[String]) -> bool {
        self.entity_id == entity_id
            && same_name(&self.name_id, name_id)
            && (indexes.is_empty() || indexes.contains(&self.session_index))
    }

    /// Whether this very request means it.
    pub fn is_meant_by(&self, request: &LogoutRequest) -> bool {
        self.is_meant(&request.issuer, &request.name_id, &request.session_indexes)
    }
}

/// A relying party may leave out the Format and the qualifiers, but not state others.
fn same_name(ours: &NameId, theirs: &NameId) -> bool {
    let same = |ours: &Option<String>, theirs: &Option<String>| theirs.is_none() || ours == theirs;
    ours.value == theirs.value
        && (theirs.format == UNSPECIFIED || ours.format == theirs.format)
        && same(&ours.name_qualifier, &theirs.name_qualifier)
        && same(&ours.sp_name_qualifier, &theirs.sp_name_qualifier)
}

/// The relying parties of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participants {
    known: Vec<Participant>,
    /// Whether any had to be forgotten: a logout is then partial at best.
    pub forgotten: bool,
}

impl Participants {
    /// Every one that is remembered.
    pub fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.known.iter()
    }

    /// Remembers one; false when it was known.
    pub(super) fn join(&mut self, participant: &Participant) -> bool {
        if self.known.contains(participant) {
            return false;
        }
        if self.known.len() == MOST {
            self.known.remove(0);
            self.forgotten = true;
        }
        self.known.push(participant.clone());
        true
    }
}

/// A secret of a session, from which its transient names and indexes come: the same for one relying
/// party as long as the session goes on, unlike for two. So the way of every day, another login at
/// a relying party that knows the session, writes nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(String);

impl Ticket {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self(hex(&secret))
    }

    /// The unpredictable part of a transient NameID there.
    pub fn name(&self, entity_id: &str) -> String {
        self.derived("name", entity_id)
    }

    /// The SessionIndex there.
    pub fn session_index(&self, entity_id: &str) -> String {
        format!("_{}", self.derived("index", entity_id))
    }

    fn derived(&self, purpose: &str, entity_id: &str) -> String {
        let digest = sha256(format!("{}\n{purpose}\n{entity_id}", self.0).as_bytes());
        hex(&digest[..16])
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(***)")
    }
}

impl Sessions<'_> {
    /// The sessions that a relying party's request means, found without the browser.
    pub async fn of_name(
        &self,
        entity_id: &str,
        name_id: &NameId,
        indexes: &[String],
    ) -> Result<Vec<Live>, StorageError> {
        let key = index_key(entity_id, name_id);
        let names: Vec<String> = match self.storage.read(&key).await? {
            Some(stored) => decode(&stored.value)?,
            None => Vec::new(),
        };
        let mut found = Vec::new();
        for name in names {
            let live = self.at(key_of(name)).await?;
            found.extend(live.filter(|live| {
                let mut participants = live.session.participants.iter();
                participants.any(|one| one.is_meant(entity_id, name_id, indexes))
            }));
        }
        Ok(found)
    }

    /// Notes under a participant's name which session it rests on.
    pub(super) async fn index(
        &self,
        participant: &Participant,
        session: &Key,
        record: &Session,
    ) -> Result<(), StorageError> {
        let key = index_key(&participant.entity_id, &participant.name_id);
        let expiry = later(record.created, self.settings.lifetime);
        for _ in 0..super::RACES {
            let stored = self.storage.read(&key).await?;
            let mut names: Vec<String> = match &stored {
                Some(stored) => decode(&stored.value)?,
                None => Vec::new(),
            };
            if names.contains(&session.name) {
                return Ok(());
            }
            names.push(session.name.clone());
            let surplus = names.len().saturating_sub(MOST_SESSIONS);
            names.drain(..surplus);
            let value = encode(&names)?;
            let entry = Entry { value, expiry };
            let written = match stored {
                Some(stored) => {
                    let write = self
                        .storage
                        .write_if_version(key.clone(), stored.version, entry);
                    write.await?
                }
                None => self.storage.create_if_absent(key.clone(), entry).await?,
            };
            if written {
                return Ok(());
            }
            // An expired record is in the way until somebody takes it.
            let expired = self.storage.take_expired(Context::Participant, BATCH);
            expired.await?;
        }
        Err(StorageError::failed("an index changes too often"))
    }
}

/// The store sees a hash of the name alone.
fn index_key(entity_id: &str, name_id: &NameId) -> Key {
    let name = format!("{}\n{entity_id}\n{}", entity_id.len(), name_id.value);
    Key::new(Context::Participant, hex(&sha256(name.as_bytes())))
}
