//! Single sign-on sessions: which factors this browser has passed, and until when they count.
//!
//! The cookie holds a random secret; the store holds its hash. A login that adds a factor gets a
//! new secret and the old one dies with its record, so a session id from before a login is worth
//! nothing after it.

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
}

/// What the browser must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let key = key(secret);
        let Some(stored) = self.storage.read(&key).await? else {
            return Ok(None);
        };
        let session: Session = decode(&stored.value)?;
        let elsewhere = self.settings.consistent_address && session.address != address;
        let over = self.world.now() >= self.expiry(&session);
        Ok((!elsewhere && !over).then_some(Live {
            key,
            version: stored.version,
            session,
        }))
    }

    /// Keeps a login's result: in the session it came from when nothing was added, else in a new
    /// one that replaces it.
    pub async fn keep(
        &self,
        result: &AuthenticationResult,
        live: Option<&Live>,
        address: Option<IpAddr>,
    ) -> Result<Kept, StorageError> {
        match live {
            Some(live) if result.previous() => self.touch(live).await,
            live => self.renew(result, live, address).await,
        }
    }

    async fn touch(&self, live: &Live) -> Result<Kept, StorageError> {
        let now = self.world.now();
        if now.duration_since(live.session.last_activity) >= ACTIVITY_STEP {
            let mut session = live.session.clone();
            session.last_activity = now;
            let entry = self.entry(&session)?;
            // Losing the race means that another request has just done the same.
            let _ = self
                .storage
                .write_if_version(live.key.clone(), live.version, entry)
                .await?;
        }
        Ok(Kept {
            cookie: None,
            reference: live.session.reference.clone(),
        })
    }

    async fn renew(
        &self,
        result: &AuthenticationResult,
        live: Option<&Live>,
        address: Option<IpAddr>,
    ) -> Result<Kept, StorageError> {
        let session = self.renewed(result, live, address);
        let secret = hex(&self.world.bytes::<32>());
        let entry = self.entry(&session)?;
        self.storage.create_if_absent(key(&secret), entry).await?;
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
        address: Option<IpAddr>,
    ) -> Session {
        let now = self.world.now();
        let same_user = live.filter(|live| {
            let mut factors = live.session.factors.values();
            factors.all(|factor| factor.evidence().username() == result.username())
        });
        let mut factors = same_user.map_or_else(BTreeMap::new, |live| live.session.factors.clone());
        let results = result.factors().iter();
        factors.extend(results.map(|(flow, factor)| (*flow, factor.clone())));
        Session {
            reference: self.world.id(),
            created: same_user.map_or(now, |live| live.session.created),
            last_activity: now,
            address,
            factors,
        }
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

/// An instant so much later; the end of time when that is beyond it.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn key(secret: &str) -> Key {
    Key::new(
        Context::Session,
        hex(&openssl::sha::sha256(secret.as_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::evidence::PasswordVerified;
    use crate::authn::principal::ClassOrder;
    use crate::server::storage::conformance::{TestClock, block_on};
    use crate::server::storage::memory::Memory;
    use crate::server::world::Clock as _;
    use crate::server::world::tests::world_at;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    struct Fixture {
        clock: Arc<TestClock>,
        store: Memory,
        settings: SessionSettings,
        world: World,
    }

    impl Fixture {
        fn new() -> Self {
            let clock = TestClock::new();
            Self {
                store: Memory::new(clock.clone(), 100),
                settings: SessionSettings {
                    timeout: Duration::from_hours(1),
                    lifetime: Duration::from_hours(12),
                    consistent_address: false,
                    login_lifetime: Duration::from_mins(15),
                },
                world: world_at(clock.clone()),
                clock,
            }
        }

        fn sessions(&self) -> Sessions<'_> {
            Sessions {
                storage: &self.store,
                settings: &self.settings,
                world: &self.world,
            }
        }

        fn result(&self, username: &str) -> AuthenticationResult {
            let now = self.clock.now();
            let evidence = PasswordVerified::attest(username.to_owned(), "test".to_owned(), now);
            let order = ClassOrder::default();
            let factor = FactorResult::password(evidence, BTreeSet::new(), &order, now);
            AuthenticationResult::merge(BTreeMap::from([(FlowId::Password, factor)]), false)
                .unwrap()
        }

        fn keep(&self, username: &str, live: Option<&Live>) -> Kept {
            block_on(self.sessions().keep(&self.result(username), live, None)).unwrap()
        }

        fn find(&self, secret: &str) -> Option<Live> {
            block_on(self.sessions().find(secret, None)).unwrap()
        }
    }

    #[test]
    fn s34_a_new_factor_gets_a_new_id_and_the_old_one_dies() {
        let fixture = Fixture::new();
        let first = fixture.keep("ann", None).cookie.unwrap();
        let live = fixture.find(&first).unwrap();
        let second = fixture.keep("ann", Some(&live)).cookie.unwrap();
        assert_ne!(first, second);
        assert!(fixture.find(&first).is_none());
        assert!(fixture.find(&second).is_some());
    }

    #[test]
    fn another_users_factors_are_dropped() {
        let fixture = Fixture::new();
        let ann = fixture.keep("ann", None).cookie.unwrap();
        let live = fixture.find(&ann).unwrap();
        let bob = fixture.keep("bob", Some(&live)).cookie.unwrap();
        let names: Vec<_> = fixture
            .find(&bob)
            .unwrap()
            .earlier()
            .iter()
            .map(|factor| factor.evidence().username().to_owned())
            .collect();
        assert_eq!(names, ["bob"]);
    }

    #[test]
    fn a_session_ends_after_inactivity_and_after_its_lifetime() {
        let mut fixture = Fixture::new();
        let secret = fixture.keep("ann", None).cookie.unwrap();
        fixture.clock.advance(3599);
        assert!(fixture.find(&secret).is_some());
        fixture.clock.advance(1);
        assert!(fixture.find(&secret).is_none(), "idle for an hour");

        fixture.settings.lifetime = Duration::from_secs(10);
        let secret = fixture.keep("ann", None).cookie.unwrap();
        fixture.clock.advance(10);
        assert!(fixture.find(&secret).is_none(), "older than its lifetime");
    }

    #[test]
    fn use_keeps_a_session_alive() {
        let fixture = Fixture::new();
        let secret = fixture.keep("ann", None).cookie.unwrap();
        fixture.clock.advance(3000);
        let live = fixture.find(&secret).unwrap();
        block_on(fixture.sessions().touch(&live)).unwrap();
        fixture.clock.advance(3000);
        assert!(fixture.find(&secret).is_some());
    }

    #[test]
    fn a_bound_session_is_not_found_from_another_address() {
        let mut fixture = Fixture::new();
        fixture.settings.consistent_address = true;
        let secret = fixture.keep("ann", None).cookie.unwrap();
        let sessions = fixture.sessions();
        let elsewhere = Some("192.0.2.1".parse().unwrap());
        assert!(
            block_on(sessions.find(&secret, elsewhere))
                .unwrap()
                .is_none()
        );
        assert!(block_on(sessions.find(&secret, None)).unwrap().is_some());
    }

    #[test]
    fn the_store_never_sees_the_cookies_secret() {
        let fixture = Fixture::new();
        let secret = fixture.keep("ann", None).cookie.unwrap();
        let stored = block_on(fixture.store.read(&key(&secret)))
            .unwrap()
            .unwrap();
        assert!(!String::from_utf8(stored.value).unwrap().contains(&secret));
        assert!(!key(&secret).name.contains(&secret));
    }
}
