//! Single sign-on sessions: which factors this browser has passed, and until when they count.
//!
//! The cookie holds a random secret; the store holds its hash. A login that adds a factor gets a
//! new secret and the old one dies with its record, so a session id from before a login is worth
//! nothing after it. A session knows the relying parties that rest on it, so that a logout can tell
//! them.

mod participants;

pub use participants::{Participant, Participants, Ticket};

use crate::authn::flow::FlowId;
use crate::authn::result::{AuthenticationResult, FactorResult};
use crate::config::settings::SessionSettings;
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::{World, hex};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Activity within this time of the last write is not worth another one.
const ACTIVITY_STEP: SignedDuration = SignedDuration::from_secs(60);
/// How often a change is tried again because another one was faster.
const RACES: usize = 16;

/// A session's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What the audit calls it; not the cookie's secret.
    pub reference: String,
    /// When its first factor was passed.
    pub created: Timestamp,
    /// Last use, to within a minute.
    pub last_activity: Timestamp,
    /// Where it was made from.
    pub address: Option<IpAddr>,
    /// The factors.
    pub factors: BTreeMap<FlowId, FactorResult>,
    /// Where its names at relying parties come from.
    ticket: Ticket,
    /// The relying parties that were told of it.
    pub participants: Participants,
}

impl Session {
    /// Whose it is.
    pub fn username(&self) -> Option<&str> {
        let mut factors = self.factors.values();
        factors.next().map(|factor| factor.evidence().username())
    }
}

/// A session as found, with what is needed to move it.
#[derive(Clone, Debug)]
pub struct Live {
    key: Key,
    version: u64,
    /// The record.
    pub session: Session,
}

impl Live {
    /// Results for a new login to build on.
    pub fn earlier(&self) -> Vec<FactorResult> {
        self.session.factors.values().cloned().collect()
    }

    fn kept(&self) -> Kept {
        Kept {
            cookie: None,
            reference: self.session.reference.clone(),
        }
    }
}

/// What the browser must be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// A new secret for the cookie, if it changed.
    pub cookie: Option<String>,
    /// What the audit calls the session.
    pub reference: String,
}

/// The sessions of a store.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    /// Where they live.
    pub storage: &'a dyn Storage,
    /// How long they live.
    pub settings: &'a SessionSettings,
    /// Time and randomness.
    pub world: &'a World,
}

impl Sessions<'_> {
    /// The live session of a cookie, if it may be used from this address.
    pub async fn find(
        &self,
        secret: &str,
        address: Option<IpAddr>,
    ) -> Result<Option<Live>, StorageError> {
        let live = self.at(key(secret)).await?;
        let elsewhere =
            |live: &Live| self.settings.consistent_address && live.session.address != address;
        Ok(live.filter(|live| !elsewhere(live)))
    }

    /// The live session under a key; a record of another version of this program is none.
    async fn at(&self, key: Key) -> Result<Option<Live>, StorageError> {
        let Some(stored) = self.storage.read(&key).await? else {
            return Ok(None);
        };
        let Ok(session) = decode::<Session>(&stored.value) else {
            return Ok(None);
        };
        let over = self.world.now() >= self.expiry(&session);
        Ok((!over).then_some(Live {
            key,
            version: stored.version,
            session,
        }))
    }

    /// Where the names of this login's session come from: the same ones for as long as the same
    /// user's session goes on.
    pub fn ticket(&self, result: &AuthenticationResult, live: Option<&Live>) -> Ticket {
        let session = live.filter(|live| is_of(live, result.username()));
        session.map_or_else(
            || Ticket::new(self.world.bytes()),
            |live| live.session.ticket.clone(),
        )
    }

    /// Keeps a login's result and who was told of it, if anybody was: in the session it came from when no factor
    /// was added, else in a new one that replaces it. `None` when that session has been ended
    /// meanwhile: then nobody may be told anything.
    pub async fn keep(
        &self,
        result: &AuthenticationResult,
        live: Option<&Live>,
        told: (Ticket, Option<Participant>),
        address: Option<IpAddr>,
    ) -> Result<Option<Kept>, StorageError> {
        match live {
            Some(live) if result.previous() => self.join(live, told.1.as_ref()).await,
            live => self.renew(result, live, told, address).await.map(Some),
        }
    }

    async fn join(
        &self,
        live: &Live,
        participant: Option<&Participant>,
    ) -> Result<Option<Kept>, StorageError> {
        let mut live = live.clone();
        for _ in 0..RACES {
            let now = self.world.now();
            let mut session = live.session.clone();
            let joined = participant.filter(|one| session.participants.join(one));
            let idle = now.duration_since(session.last_activity) >= ACTIVITY_STEP;
            if joined.is_none() && !idle {
                return Ok(Some(live.kept()));
            }
            session.last_activity = now;
            if let Some(participant) = joined {
                self.index(participant, &live.key, &session).await?;
            }
            let entry = self.entry(&session)?;
            let key = live.key.clone();
            let written = self.storage.write_if_version(key, live.version, entry);
            if written.await? {
                return Ok(Some(live.kept()));
            }
            match self.at(live.key).await? {
                Some(again) => live = again,
                None => return Ok(None),
            }
        }
        Err(StorageError::failed("a session changes too often"))
    }

    async fn renew(
        &self,
        result: &AuthenticationResult,
        live: Option<&Live>,
        told: (Ticket, Option<Participant>),
        address: Option<IpAddr>,
    ) -> Result<Kept, StorageError> {
        let session = self.renewed(result, live, told, address);
        let secret = hex(&self.world.bytes::<32>());
        let key = key(&secret);
        for participant in session.participants.iter() {
            self.index(participant, &key, &session).await?;
        }
        let entry = self.entry(&session)?;
        self.storage.create_if_absent(key, entry).await?;
        if let Some(live) = live {
            let _ = self
                .storage
                .remove_if_version(live.key.clone(), live.version)
                .await?;
        }
        Ok(Kept {
            cookie: Some(secret),
            reference: session.reference,
        })
    }

    /// Factors of the same user that this login did not touch stay; another user's are dropped.
    fn renewed(
        &self,
        result: &AuthenticationResult,
        live: Option<&Live>,
        (ticket, participant): (Ticket, Option<Participant>),
        address: Option<IpAddr>,
    ) -> Session {
        let now = self.world.now();
        let same_user = live.filter(|live| is_of(live, result.username()));
        let earlier = same_user.map(|live| live.session.clone());
        let (mut factors, mut participants, created) = match earlier {
            Some(earlier) => (earlier.factors, earlier.participants, earlier.created),
            None => (BTreeMap::new(), Participants::default(), now),
        };
        let results = result.factors().iter();
        let results = results.filter(|(_, factor)| factor.is_for_sessions());
        factors.extend(results.map(|(flow, factor)| (*flow, factor.clone())));
        if let Some(participant) = participant {
            participants.join(&participant);
        }
        Session {
            reference: self.world.id(),
            created,
            last_activity: now,
            address,
            factors,
            ticket,
            participants,
        }
    }

    /// Ends a session; for the one caller that did it, what it was at its end.
    pub async fn end(&self, live: Live) -> Result<Option<Session>, StorageError> {
        let mut live = live;
        for _ in 0..RACES {
            let removed = self
                .storage
                .remove_if_version(live.key.clone(), live.version);
            if removed.await? {
                return Ok(Some(live.session));
            }
            match self.at(live.key).await? {
                Some(again) => live = again,
                None => return Ok(None),
            }
        }
        Err(StorageError::failed("a session changes too often"))
    }

    fn entry(&self, session: &Session) -> Result<Entry, StorageError> {
        Ok(Entry {
            value: encode(session)?,
            expiry: self.expiry(session),
        })
    }

    fn expiry(&self, session: &Session) -> Timestamp {
        let idle = later(session.last_activity, self.settings.timeout);
        idle.min(later(session.created, self.settings.lifetime))
    }
}

fn is_of(live: &Live, username: &str) -> bool {
    let mut factors = live.session.factors.values();
    factors.all(|factor| factor.evidence().username() == username)
}

/// An instant so much later; the end of time when that is beyond it.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn key(secret: &str) -> Key {
    key_of(hex(&openssl::sha::sha256(secret.as_bytes())))
}

fn key_of(name: String) -> Key {
    Key::new(Context::Session, name)
}

#[cfg(test)]
mod tests;
