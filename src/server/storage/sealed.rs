//! A store whose records are sealed: who can read or write the store underneath learns nothing of
//! sessions and logins, and can make none (the names of records are no secrets).
//!
//! Each record has a key of its own, derived from the sealer's key and a random salt, so that no
//! number of records wears a key out (NIST SP 800-38D 8.3). Context and name are sealed in: a record
//! is good where it was written and nowhere else. What no key opens counts as absent: it was sealed
//! by a key that is gone, or not by us.

use crate::config::settings::SealerKey;
use crate::server::storage::{Answer, Context, Entry, Key, Storage, StorageError, Stored};
use crate::server::world::Random;
use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// In front of every sealed record: which way it was sealed.
const FORM: u8 = 1;
const SALT: usize = 24;
const TAG: usize = 16;
/// A key seals one record, so one nonce does.
const NONCE: [u8; 12] = [0; 12];

/// A store that seals what goes into another.
pub struct Sealed {
    inner: Arc<dyn Storage>,
    keys: ArcSwap<Vec<SealerKey>>,
    random: Arc<dyn Random>,
}

impl Sealed {
    /// Seals with the first of these keys and opens with all.
    pub fn new(inner: Arc<dyn Storage>, keys: Vec<SealerKey>, random: Arc<dyn Random>) -> Self {
        Self {
            inner,
            keys: ArcSwap::from_pointee(keys),
            random,
        }
    }

    /// Uses these keys from now on.
    pub fn use_keys(&self, keys: Vec<SealerKey>) {
        self.keys.store(Arc::new(keys));
    }

    fn seal(&self, key: &Key, entry: &Entry) -> Result<Entry, StorageError> {
        let mut salt = [0; SALT];
        self.random.fill(&mut salt);
        let keys = self.keys.load();
        let first = keys
            .first()
            .ok_or_else(|| StorageError::failed("no sealer key"))?;
        let sealed = || -> Result<Vec<u8>, ErrorStack> {
            let mut tag = [0; TAG];
            let own = derived(first, &salt)?;
            let bound = bound(key.context, &key.name);
            let text = encrypt_aead(
                Cipher::aes_256_gcm(),
                &own,
                Some(&NONCE),
                &bound,
                &entry.value,
                &mut tag,
            )?;
            Ok([&[FORM][..], &salt, &tag, &text].concat())
        };
        Ok(Entry {
            value: sealed().map_err(|_| StorageError::failed("sealing"))?,
            expiry: entry.expiry,
        })
    }

    fn open(&self, context: Context, name: &str, octets: &[u8]) -> Option<Vec<u8>> {
        let (&FORM, rest) = octets.split_first()? else {
            return None;
        };
        let (salt, rest) = rest.split_at_checked(SALT)?;
        let (tag, text) = rest.split_at_checked(TAG)?;
        let bound = bound(context, name);
        let keys = self.keys.load();
        keys.iter().find_map(|key| {
            let own = derived(key, salt).ok()?;
            decrypt_aead(Cipher::aes_256_gcm(), &own, Some(&NONCE), &bound, text, tag).ok()
        })
    }
}

fn derived(key: &SealerKey, salt: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let key = PKey::hmac(key.expose())?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    signer.update(b"vestibule store record")?;
    signer.update(salt)?;
    Ok(Zeroizing::new(signer.sign_to_vec()?))
}

/// No context's name holds the octet that ends it.
fn bound(context: Context, name: &str) -> Vec<u8> {
    [context.as_str().as_bytes(), &[0], name.as_bytes()].concat()
}

impl Storage for Sealed {
    fn create_if_absent(&self, key: Key, entry: Entry) -> Answer<'_, bool> {
        Box::pin(async move {
            let entry = self.seal(&key, &entry)?;
            self.inner.create_if_absent(key, entry).await
        })
    }

    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(async move {
            let Some(stored) = self.inner.read(key).await? else {
                return Ok(None);
            };
            if let Some(value) = self.open(key.context, &key.name, &stored.value) {
                return Ok(Some(Stored { value, ..stored }));
            }
            tracing::warn!(
                context = key.context.as_str(),
                "a record that no sealer key opens is removed"
            );
            self.inner
                .remove_if_version(key.clone(), stored.version)
                .await?;
            Ok(None)
        })
    }

    fn write_if_version(&self, key: Key, version: u64, entry: Entry) -> Answer<'_, bool> {
        Box::pin(async move {
            let entry = self.seal(&key, &entry)?;
            self.inner.write_if_version(key, version, entry).await
        })
    }

    fn remove_if_version(&self, key: Key, version: u64) -> Answer<'_, bool> {
        self.inner.remove_if_version(key, version)
    }

    fn take_expired(&self, context: Context, limit: usize) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        Box::pin(async move {
            let taken = self.inner.take_expired(context, limit).await?;
            let opened = taken.into_iter().filter_map(|(name, octets)| {
                let value = self.open(context, &name, &octets)?;
                Some((name, value))
            });
            Ok(opened.collect())
        })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?})", self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::conformance::{Conformance, TestClock, block_on};
    use crate::server::storage::memory::Memory;
    use crate::server::world::SystemRandom;

    fn keys(octets: &[u8]) -> Vec<SealerKey> {
        octets
            .iter()
            .map(|octet| SealerKey::new([*octet; 32]))
            .collect()
    }

    fn store(octets: &[u8]) -> (Arc<Memory>, Sealed, Arc<TestClock>) {
        let clock = TestClock::new();
        let inner = Arc::new(Memory::new(Arc::<TestClock>::clone(&clock), 100_000));
        let sealed = Sealed::new(
            Arc::<Memory>::clone(&inner),
            keys(octets),
            Arc::new(SystemRandom),
        );
        (inner, sealed, clock)
    }

    fn key(name: &str) -> Key {
        Key::new(Context::Session, name)
    }

    fn value(stored: Option<Stored>) -> Option<Vec<u8>> {
        stored.map(|stored| stored.value)
    }

    #[test]
    fn it_is_a_store_like_any_other() {
        let (_, sealed, clock) = store(&[1]);
        Conformance::new(Arc::new(sealed), clock).run();
    }

    #[test]
    fn what_was_sealed_before_a_rotation_still_opens_until_its_key_is_gone() {
        let (_, sealed, clock) = store(&[1]);
        let entry = Entry {
            value: b"alice".to_vec(),
            expiry: clock.after(60),
        };
        assert!(block_on(sealed.create_if_absent(key("a"), entry)).unwrap());
        sealed.use_keys(keys(&[2, 1]));
        assert_eq!(
            value(block_on(sealed.read(&key("a"))).unwrap()),
            Some(b"alice".to_vec())
        );
        sealed.use_keys(keys(&[3, 2]));
        assert_eq!(block_on(sealed.read(&key("a"))).unwrap(), None);
        let again = Entry {
            value: b"new".to_vec(),
            expiry: clock.after(60),
        };
        assert!(block_on(sealed.create_if_absent(key("a"), again)).unwrap());
    }

    #[test]
    fn the_store_underneath_learns_nothing_and_can_make_nothing() {
        let (inner, sealed, clock) = store(&[1]);
        let entry = |value: &[u8]| Entry {
            value: value.to_vec(),
            expiry: clock.after(60),
        };
        block_on(sealed.create_if_absent(key("a"), entry(b"alice"))).unwrap();
        let stored = block_on(inner.read(&key("a"))).unwrap().unwrap();
        assert!(!stored.value.windows(5).any(|octets| octets == b"alice"));
        // A record of one session is no record of another, and octets of ours are needed.
        block_on(inner.create_if_absent(key("b"), entry(&stored.value))).unwrap();
        block_on(inner.create_if_absent(key("c"), entry(b"mallory"))).unwrap();
        assert_eq!(block_on(sealed.read(&key("b"))).unwrap(), None);
        assert_eq!(block_on(sealed.read(&key("c"))).unwrap(), None);
        assert!(block_on(sealed.read(&key("a"))).unwrap().is_some());
    }
}
