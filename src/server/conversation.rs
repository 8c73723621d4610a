//! An unfinished login between two requests of its browser, and what is left of a finished one.
//!
//! Kept in the store under an unguessable id that travels in the URL (`execution`), bound to a
//! secret that only this browser's cookie holds. Every move is a compare-and-swap: of two submits
//! that race, one wins, and so does exactly one of all that could finish a login.

use crate::attribute::consent::Question;
use crate::authn::login::{Login, Success};
use crate::saml::request::AuthnRequest;
use crate::server::storage::records::{Record, Records, Versioned};
use crate::server::storage::{Context, Entry, Key, Storage, StorageError, decode, encode};
use crate::server::world::hex;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// What stands under a login's id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Execution {
    /// Accepted by POST from another site; which browser it belongs to is not known yet.
    Pending(Asked),
    /// Waits for its browser.
    Open(Box<Conversation>),
    /// Succeeded, and waits for its user's consent.
    Consent(Box<Consenting>),
    /// Answered; kept for a while so that a reload meets an explanation.
    Finished(Finished),
}

/// A request and what we promised about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The accepted request.
    pub request: AuthnRequest,
    /// The transaction id, shown to the user and written to every line.
    pub transaction: String,
    /// When it arrived.
    pub started: Timestamp,
    /// From where, as the audit records it.
    pub client: Option<IpAddr>,
    /// `User-Agent`, cut.
    pub user_agent: String,
}

/// A login that waits for its browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// What it answers.
    pub asked: Asked,
    /// The fingerprint of the configuration it began under.
    pub generation: String,
    /// Whose it is.
    pub browser: BrowserHash,
    /// What its forms must carry.
    pub csrf: String,
    /// The machine.
    pub login: Login,
}

/// A login that has succeeded, if its user consents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Consenting {
    /// What it answers.
    pub asked: Asked,
    /// The fingerprint of the configuration it began under.
    pub generation: String,
    /// Whose it is.
    pub browser: BrowserHash,
    /// What its forms must carry.
    pub csrf: String,
    /// What the answer will say, the user's record included.
    pub success: Box<Success>,
    /// What the user is asked.
    pub question: Question,
    /// What was agreed to in this login.
    pub answered: Vec<Question>,
}

/// A finished login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// What it answered.
    pub asked: Asked,
    /// Whose it was.
    pub browser: BrowserHash,
    /// What its form must carry.
    pub csrf: String,
}

/// SHA-256 of a browser's secret: the store never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrowserHash(String);

impl BrowserHash {
    /// The hash of a cookie's value.
    pub fn of(secret: &str) -> Self {
        Self(hex(&openssl::sha::sha256(secret.as_bytes())))
    }

    /// Whether the cookie's value is this browser's, in constant time.
    pub fn matches(&self, secret: &str) -> bool {
        same(&self.0, &Self::of(secret).0)
    }
}

/// The token of a form on a page of this path, bound to a session: whoever knows the token knows
/// the session's secret (attack S33).
pub fn form_token(path: &str, secret: &str) -> String {
    hex(&openssl::sha::sha256(format!("{path} {secret}").as_bytes()))
}

/// Compares secrets in a time that tells nothing about them.
pub fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

impl Record for Execution {
    const CONTEXT: Context = Context::Login;
}

/// The logins of a store.
pub type Executions<'a> = Records<'a, Execution>;

/// A `state` sent to Duo: whose login it leads back to, and whether it was used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DuoState {
    /// The login's id.
    pub execution: String,
    /// Set by the one callback that may use it.
    pub used: bool,
}

/// The `state` values of a store.
#[derive(Clone, Copy, Debug)]
pub struct DuoStates<'a>(pub &'a dyn Storage);

impl DuoStates<'_> {
    /// Remembers a `state` before the browser is sent away with it.
    pub async fn remember(
        &self,
        state: &str,
        execution: &str,
        expiry: Timestamp,
    ) -> Result<(), StorageError> {
        let value = encode(&DuoState {
            execution: execution.to_owned(),
            used: false,
        })?;
        let entry = Entry { value, expiry };
        self.0.create_if_absent(state_key(state), entry).await?;
        Ok(())
    }

    /// Where a `state` leads.
    pub async fn read(&self, state: &str) -> Result<Option<Versioned<DuoState>>, StorageError> {
        let Some(stored) = self.0.read(&state_key(state)).await? else {
            return Ok(None);
        };
        Ok(Some(Versioned {
            version: stored.version,
            value: decode(&stored.value)?,
        }))
    }

    /// Uses a `state`; true for exactly one caller, however many race.
    pub async fn consume(
        &self,
        state: &str,
        found: &Versioned<DuoState>,
        expiry: Timestamp,
    ) -> Result<bool, StorageError> {
        if found.value.used {
            return Ok(false);
        }
        let value = encode(&DuoState {
            used: true,
            ..found.value.clone()
        })?;
        let entry = Entry { value, expiry };
        let key = state_key(state);
        self.0.write_if_version(key, found.version, entry).await
    }
}

/// The store sees a hash, so that its reader cannot forge a callback.
fn state_key(state: &str) -> Key {
    Key::new(
        Context::DuoState,
        hex(&openssl::sha::sha256(state.as_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::conformance::{TestClock, block_on};
    use crate::server::storage::memory::Memory;
    use std::sync::{Arc, Barrier};

    #[test]
    fn s38_a_browser_hash_matches_its_own_secret_alone() {
        let hash = BrowserHash::of("secret of this browser");
        assert!(hash.matches("secret of this browser"));
        assert!(!hash.matches("secret of that browser"));
        assert!(!hash.matches(""));
        assert!(!serde_json::to_string(&hash).unwrap().contains("secret"));
    }

    #[test]
    fn s63_of_a_thousand_parallel_callbacks_one_consumes_the_state() {
        let clock = TestClock::new();
        let store = Arc::new(Memory::new(clock.clone(), 100));
        block_on(DuoStates(&*store).remember("state", "login", clock.after(300))).unwrap();
        let barrier = Barrier::new(8);
        let wins: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        (0..125).filter(|_| consume(&*store, &clock)).count()
                    })
                })
                .collect();
            callers
                .into_iter()
                .map(|caller| caller.join().unwrap())
                .sum()
        });
        assert_eq!(wins, 1);
    }

    fn consume(store: &dyn Storage, clock: &TestClock) -> bool {
        let states = DuoStates(store);
        block_on(async {
            let found = states.read("state").await.unwrap().unwrap();
            states
                .consume("state", &found, clock.after(300))
                .await
                .unwrap()
        })
    }
}
