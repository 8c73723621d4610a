//! Where state lives between requests: small records with a version and an expiry.
//!
//! Every change is a compare-and-swap on the version, so of two requests that race exactly one
//! wins, in this process or between nodes. An expired record is invisible to every operation but
//! [`Storage::take_expired`], which hands it to exactly one taker.

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod records;
pub mod redb;
pub mod sealed;
pub mod update;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// A kind of record; keys of different contexts never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// Logins that wait for the browser, and the marks of finished ones.
    Login,
    /// Single sign-on sessions.
    Session,
    /// From a `state` sent to Duo to its login.
    DuoState,
    /// How often a user was sent to Duo lately.
    DuoStarts,
    /// Browsers in which Duo need not be asked again.
    RememberedBrowser,
    /// Which browsers of a user are remembered.
    RememberedList,
    /// Which of Duo's users are which of ours, by integration.
    DuoUsers,
    /// When users last confirmed with Duo.
    DuoUses,
    /// Enrolments with Duo under way.
    DuoEnrolment,
    /// From a name at a relying party to the sessions it rests on.
    Participant,
    /// Logouts under way.
    Logout,
    /// Messages that wait for their artifact to be resolved.
    Artifact,
    /// What users consented to.
    Consent,
    /// Failed passwords.
    Throttle,
}

impl Context {
    /// Every context.
    pub const ALL: [Self; 14] = [
        Self::Login,
        Self::Session,
        Self::DuoState,
        Self::DuoStarts,
        Self::RememberedBrowser,
        Self::RememberedList,
        Self::DuoUsers,
        Self::DuoUses,
        Self::DuoEnrolment,
        Self::Participant,
        Self::Logout,
        Self::Artifact,
        Self::Consent,
        Self::Throttle,
    ];

    /// The context's name in a store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Session => "session",
            Self::DuoState => "duo-state",
            Self::DuoStarts => "duo-starts",
            Self::Consent => "consent",
            Self::RememberedBrowser => "remembered-browser",
            Self::RememberedList => "remembered-list",
            Self::DuoUsers => "duo-users",
            Self::DuoUses => "duo-uses",
            Self::DuoEnrolment => "duo-enrolment",
            Self::Participant => "participant",
            Self::Logout => "logout",
            Self::Artifact => "artifact",
            Self::Throttle => "throttle",
        }
    }
}

/// A record's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The kind.
    pub context: Context,
    /// The name within the kind.
    pub name: String,
}

impl Key {
    /// An address.
    pub fn new(context: Context, name: impl Into<String>) -> Self {
        Self {
            context,
            name: name.into(),
        }
    }
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Grows with every write.
    pub version: u64,
    /// The octets.
    pub value: Vec<u8>,
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The octets.
    pub value: Vec<u8>,
    /// When the record becomes invisible.
    pub expiry: Timestamp,
}

/// An operation's future.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// A store. Changes are durable before they are answered, where the store is durable at all.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Creates a record; false when one exists, be it expired and not yet taken.
    fn create_if_absent(&self, key: Key, entry: Entry) -> Answer<'_, bool>;
    /// Reads a live record.
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>>;
    /// Replaces a live record of this version; false when it changed, expired or is gone.
    fn write_if_version(&self, key: Key, version: u64, entry: Entry) -> Answer<'_, bool>;
    /// Removes a live record of this version; false when it changed, expired or is gone.
    fn remove_if_version(&self, key: Key, version: u64) -> Answer<'_, bool>;
    /// Removes and returns up to `limit` expired records of a context: names and octets.
    fn take_expired(&self, context: Context, limit: usize) -> Answer<'_, Vec<(String, Vec<u8>)>>;
}

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// It holds as much as it may: the request must be refused, nothing is evicted.
    Full,
    /// It failed: a reason that is safe to log.
    Failed(String),
    /// A record does not decode.
    Corrupt,
}

impl StorageError {
    /// A failure of the store underneath.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the store is full"),
            Self::Failed(reason) => write!(f, "the store failed: {reason}"),
            Self::Corrupt => f.write_str("a stored record does not decode"),
        }
    }
}

impl std::error::Error for StorageError {}

/// A value's octets.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value).map_err(StorageError::failed)
}

/// The value of stored octets. The decoder's own message may quote secrets: it is dropped.
pub fn decode<T: DeserializeOwned>(octets: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(octets).map_err(|_| StorageError::Corrupt)
}
