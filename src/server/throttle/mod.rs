//! Guessing passwords is slowed, and helps nobody to shut a user out (attack S53).
//!
//! Failures count for an account at one network, for the account wherever they come from, for a
//! network, and for everybody together. Where a limit is reached, one attempt goes through now and
//! then and the others get the answer of a wrong password, in the time of one (S52). Unknown names
//! count as known ones do. All of it lives in the store, so it holds for every node.

mod account;
mod bucket;
mod under_way;

pub use account::Throttled;

use crate::config::settings::{ThrottleMode, ThrottleSettings};
use crate::server::counters::Counters;
use crate::server::storage::update::update;
use crate::server::storage::{Context, Key, Storage, StorageError, decode};
use crate::server::world::{Clock, World, hex};
use account::{Account, List};
use bucket::{Bucket, Limit};
use futures_util::future::try_join3;
use ipnet::{IpNet, Ipv6Net};
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::sync::Arc;
use under_way::{Ticket, Turns, UnderWay};

/// Everybody's failures are spread over this many records, so that writers seldom meet.
const SHARES: u8 = 16;

/// While everybody's limit is reached, the others shrink to this part.
const TIGHT: u32 = 5;

/// Counts failed passwords and says which attempts go through.
#[derive(Clone, Debug)]
pub struct Throttle {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    under_way: UnderWay,
    turns: Turns,
}

/// What is to be done with an attempt.
#[derive(Debug)]
pub enum Admission {
    /// The password is checked, and the outcome told.
    Go(Box<Attempt>),
    /// It gets the answer of a wrong password.
    Slowed(Reached),
}

/// The limit that an attempt met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Of this account at this network.
    AccountHere,
    /// Of this account, wherever attempts come from.
    Account,
    /// Of this network.
    Network,
}

impl Reached {
    /// Every limit.
    pub const ALL: [Self; 3] = [Self::AccountHere, Self::Account, Self::Network];

    /// Its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountHere => "account-here",
            Self::Account => "account",
            Self::Network => "network",
        }
    }
}

/// An attempt under way; it counts as a failure until it is over.
#[derive(Debug)]
pub struct Attempt {
    throttle: Throttle,
    settings: ThrottleSettings,
    place: Place,
    /// At the account from here, at the account, from the network.
    tickets: Vec<Ticket>,
    numbers: [u32; 3],
    /// Failures of this account at this network are on record.
    failed_before: bool,
}

/// Where an attempt is made.
#[derive(Clone, Debug)]
struct Place {
    account: Key,
    name: String,
    network: String,
    /// Absent where a network stands for too many people to be one attacker.
    counted_network: Option<Key>,
    share: Key,
}

impl Throttle {
    /// Counts in this store.
    pub fn new(storage: Arc<dyn Storage>, world: &World) -> Self {
        Self {
            storage,
            clock: Arc::clone(&world.clock),
            counters: Arc::clone(&world.counters),
            under_way: UnderWay::default(),
            turns: Turns::default(),
        }
    }

    /// Whether a password for this user, from this address, is to be checked.
    pub async fn admit(
        &self,
        settings: &ThrottleSettings,
        username: &str,
        client: Option<IpAddr>,
    ) -> Result<Admission, StorageError> {
        let place = Place::of(settings, username, client);
        // What ends meanwhile counts as under way or as failed, and never as both.
        let turn = self.turns.take(&place.account.name).await;
        let mut attempt = self.begin(settings, place);
        if settings.mode == ThrottleMode::Off {
            return Ok(Admission::Go(Box::new(attempt)));
        }
        let reached = attempt.reached().await?;
        drop(turn);
        Ok(match reached {
            None => Admission::Go(Box::new(attempt)),
            Some(reached) => {
                self.counters.throttled(reached);
                Admission::Slowed(reached)
            }
        })
    }

    /// Accounts at which attempts are slowed now.
    pub async fn throttled(
        &self,
        settings: &ThrottleSettings,
    ) -> Result<Vec<Throttled>, StorageError> {
        let now = self.clock.now();
        let listed: Option<List> = self.read(&List::key()).await?;
        let mut found = Vec::new();
        for (hash, name) in listed.unwrap_or_default().0 {
            let key = Key::new(Context::Throttle, hash);
            let account: Option<Account> = self.read(&key).await?;
            found.extend(account.and_then(|account| account.throttled(&name, settings, now)));
        }
        Ok(found)
    }

    /// Forgets an account's failures; false when there were none.
    pub async fn unlock(&self, username: &str) -> Result<bool, StorageError> {
        let key = Place::account(username);
        let Some(stored) = self.storage.read(&key).await? else {
            return Ok(false);
        };
        self.storage.remove_if_version(key, stored.version).await
    }

    /// Under way before anything is read: of many at once only as many see room as there is.
    fn begin(&self, settings: &ThrottleSettings, place: Place) -> Attempt {
        let account = place.account.name.clone();
        let here = format!("{account}@{}", place.network);
        let network = place.counted_network.as_ref();
        let network = network.map_or_else(String::new, |key| key.name.clone());
        let tickets = [here, account, network].map(|name| self.under_way.begin(name));
        Attempt {
            throttle: self.clone(),
            settings: settings.clone(),
            place,
            numbers: tickets.each_ref().map(|ticket| ticket.number),
            tickets: tickets.into(),
            failed_before: false,
        }
    }

    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StorageError> {
        match self.storage.read(key).await? {
            Some(stored) => Ok(Some(decode(&stored.value)?)),
            None => Ok(None),
        }
    }

    /// Pours one failure into a bucket; true when it is full by it.
    async fn pour(&self, key: &Key, limit: Limit) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let bucket: Bucket = update(&*self.storage, key, |before: Option<Bucket>| {
            let mut bucket = before.unwrap_or_else(|| Bucket::empty(now));
            bucket.add(now, limit);
            (bucket, bucket.ends())
        })
        .await?;
        Ok(bucket.level(now, limit) == limit.attempts)
    }
}

impl Attempt {
    /// The first limit that leaves no room for this attempt.
    async fn reached(&mut self) -> Result<Option<Reached>, StorageError> {
        let throttle = &self.throttle;
        let now = throttle.clock.now();
        let account = throttle.read::<Account>(&self.place.account);
        let share = throttle.read::<Bucket>(&self.place.share);
        let (account, network, share) = try_join3(account, self.network(), share).await?;
        let everyone = everyone(&self.settings);
        let tight = everyone.attempts > 0
            && share.is_some_and(|share| share.level(now, everyone) >= everyone.attempts);
        let divisor = if tight { TIGHT } else { 1 };
        let empty = Bucket::empty(now);
        let account = account.unwrap_or_else(|| Account::new(now));
        let here = account.here(&self.place.network);
        self.failed_before = here.is_some();
        let full = |bucket: Bucket, limit: Limit, divisor: u32, number: u32| {
            let taken = bucket.level(now, limit).saturating_add(number);
            limit.attempts > 0 && (taken > limit.room(divisor) || bucket.locked(now))
        };
        let [at_network, at_account, of_network] = self.numbers;
        let settings = &self.settings;
        let here = here.unwrap_or(empty);
        Ok(if full(here, settings.here(), divisor, at_network) {
            Some(Reached::AccountHere)
        } else if full(account.anywhere, settings.anywhere(), 1, at_account) {
            Some(Reached::Account)
        } else if self.place.counted_network.is_some()
            && full(
                network.unwrap_or(empty),
                settings.of_network(),
                divisor,
                of_network,
            )
        {
            Some(Reached::Network)
        } else {
            None
        })
    }

    async fn network(&self) -> Result<Option<Bucket>, StorageError> {
        match &self.place.counted_network {
            Some(key) => self.throttle.read(key).await,
            None => Ok(None),
        }
    }

    /// The password was wrong.
    pub async fn failed(mut self) {
        if self.settings.mode == ThrottleMode::Off {
            return;
        }
        if let Err(error) = self.count().await {
            tracing::error!(%error, "a failed password could not be counted");
        }
    }

    /// The password was right: what failed for this account at this network no longer matters
    /// (NIST SP 800-63B-4 section 3.2.2).
    pub async fn succeeded(self) {
        if !self.failed_before {
            return;
        }
        let (now, network) = (self.throttle.clock.now(), &self.place.network);
        let forgiven = update(&*self.throttle.storage, &self.place.account, |before| {
            let account: Account = before.unwrap_or_else(|| Account::new(now));
            let account = account.forgiven(network);
            let ends = account.ends();
            (account, ends)
        });
        if let Err(error) = forgiven.await {
            tracing::error!(%error, "failed passwords could not be forgiven");
        }
    }

    async fn count(&mut self) -> Result<(), StorageError> {
        let Self {
            throttle,
            settings,
            place,
            tickets,
            ..
        } = self;
        let now = throttle.clock.now();
        let turn = throttle.turns.take(&place.account.name).await;
        let account: Account = update(&*throttle.storage, &place.account, |before| {
            let account: Account = before.unwrap_or_else(|| Account::new(now));
            let account = account.failed(&place.network, settings, now);
            let ends = account.ends();
            (account, ends)
        })
        .await?;
        tickets.drain(..2);
        drop(turn);
        if account.just_full(&place.network, settings, now) {
            tracing::warn!(
                network = place.network,
                "wrong passwords for one account: further attempts are slowed"
            );
            let (hash, name) = (&place.account.name, &place.name);
            List::add(&*throttle.storage, hash, name, now).await?;
        }
        if let Some(network) = &place.counted_network
            && throttle.pour(network, settings.of_network()).await?
        {
            tracing::warn!(
                network = place.network,
                "wrong passwords from one network: further attempts are slowed"
            );
        }
        if throttle.pour(&place.share, everyone(settings)).await? {
            tracing::error!("wrong passwords from everywhere: the limits are tightened");
        }
        Ok(())
    }
}

/// The part of everybody's limit that one record keeps.
fn everyone(settings: &ThrottleSettings) -> Limit {
    Limit {
        attempts: settings.everyone.div_ceil(u32::from(SHARES)),
        interval: settings.interval,
    }
}

impl ThrottleSettings {
    fn limit(&self, attempts: u32) -> Limit {
        Limit {
            attempts,
            interval: self.interval,
        }
    }

    fn here(&self) -> Limit {
        self.limit(self.attempts)
    }

    fn anywhere(&self) -> Limit {
        self.limit(self.account)
    }

    fn of_network(&self) -> Limit {
        self.limit(self.network)
    }
}

impl Place {
    fn of(settings: &ThrottleSettings, username: &str, client: Option<IpAddr>) -> Self {
        let account = Self::account(username);
        let share = u8::from_str_radix(&account.name[..2], 16).unwrap_or(0) % SHARES;
        let network = network(client);
        let exempt = |address: IpAddr| settings.exempt.iter().any(|net| net.contains(&address));
        // Our own machine is a proxy that nobody has told us of.
        let counted = client.is_some_and(|address| !address.is_loopback() && !exempt(address));
        Self {
            share: Key::new(Context::Throttle, format!("everyone {share}")),
            counted_network: counted
                .then(|| Key::new(Context::Throttle, format!("network {network}"))),
            name: account::shown(username),
            account,
            network,
        }
    }

    /// One account however its name is spelled. The store sees a hash: people type passwords into
    /// the field for the name.
    fn account(username: &str) -> Key {
        let folded = username.trim().to_lowercase();
        Key::new(
            Context::Throttle,
            hex(&openssl::sha::sha256(folded.as_bytes())),
        )
    }
}

/// An IPv4 address, or the /64 that one IPv6 site has.
fn network(client: Option<IpAddr>) -> String {
    match client {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let site = Ipv6Net::new(address, 64).map(|site| IpNet::V6(site).trunc());
            site.map_or_else(|_| address.to_string(), |site| site.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
