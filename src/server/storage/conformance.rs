//! One suite that every store must pass.

use crate::server::storage::{Context, Entry, Key, Storage, Stored};
use crate::server::world::Clock;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};

/// A clock that moves when told.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000)))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn after(&self, seconds: i64) -> Timestamp {
        self.now() + SignedDuration::from_secs(seconds)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The suite.
pub(crate) struct Conformance {
    store: Arc<dyn Storage>,
    clock: Arc<TestClock>,
}

impl Conformance {
    pub(crate) fn new(store: Arc<dyn Storage>, clock: Arc<TestClock>) -> Self {
        Self { store, clock }
    }

    /// Runs every check.
    pub(crate) fn run(&self) {
        self.a_record_is_created_once();
        self.contexts_do_not_meet();
        self.a_write_needs_the_current_version();
        self.a_removal_needs_the_current_version();
        self.an_expired_record_is_invisible_and_taken_once();
        self.a_sweep_takes_no_more_than_asked();
        self.of_many_racing_writers_one_wins();
    }

    fn entry(&self, value: &[u8]) -> Entry {
        Entry {
            value: value.to_vec(),
            expiry: self.clock.after(60),
        }
    }

    fn create(&self, key: &Key, value: &[u8]) -> bool {
        block_on(self.store.create_if_absent(key.clone(), self.entry(value))).unwrap()
    }

    fn read(&self, key: &Key) -> Option<Stored> {
        block_on(self.store.read(key)).unwrap()
    }

    fn write(&self, key: &Key, version: u64, value: &[u8]) -> bool {
        block_on(
            self.store
                .write_if_version(key.clone(), version, self.entry(value)),
        )
        .unwrap()
    }

    fn a_record_is_created_once(&self) {
        let key = Key::new(Context::Login, "once");
        assert_eq!(self.read(&key), None);
        assert!(self.create(&key, b"first"));
        assert!(!self.create(&key, b"second"));
        assert_eq!(self.read(&key).unwrap().value, b"first");
    }

    fn contexts_do_not_meet(&self) {
        let here = Key::new(Context::Login, "shared name");
        let there = Key::new(Context::Session, "shared name");
        assert!(self.create(&here, b"login"));
        assert_eq!(self.read(&there), None);
        assert!(self.create(&there, b"session"));
        assert_eq!(self.read(&here).unwrap().value, b"login");
    }

    fn a_write_needs_the_current_version(&self) {
        let key = Key::new(Context::Login, "versions");
        assert!(self.create(&key, b"1"));
        let first = self.read(&key).unwrap().version;
        assert!(self.write(&key, first, b"2"));
        assert!(!self.write(&key, first, b"3"), "the version is stale");
        let second = self.read(&key).unwrap();
        assert_eq!(second.value, b"2");
        assert!(second.version > first);
        assert!(!self.write(&Key::new(Context::Login, "absent"), 1, b"x"));
    }

    fn a_removal_needs_the_current_version(&self) {
        let key = Key::new(Context::Session, "removal");
        assert!(self.create(&key, b"1"));
        let version = self.read(&key).unwrap().version;
        let remove =
            |version| block_on(self.store.remove_if_version(key.clone(), version)).unwrap();
        assert!(!remove(version + 1));
        assert!(remove(version));
        assert!(!remove(version), "it is gone");
        assert_eq!(self.read(&key), None);
    }

    fn an_expired_record_is_invisible_and_taken_once(&self) {
        let key = Key::new(Context::DuoState, "expiring");
        assert!(self.create(&key, b"late"));
        let version = self.read(&key).unwrap().version;
        self.clock.advance(60);
        assert_eq!(self.read(&key), None);
        assert!(!self.write(&key, version, b"x"));
        assert!(!block_on(self.store.remove_if_version(key.clone(), version)).unwrap());
        let taken = self.take(10);
        assert_eq!(taken, vec![("expiring".to_owned(), b"late".to_vec())]);
        assert!(self.take(10).is_empty());
        assert!(self.create(&key, b"again"));
    }

    fn a_sweep_takes_no_more_than_asked(&self) {
        for n in 0..5 {
            assert!(self.create(&Key::new(Context::DuoState, format!("sweep {n}")), b"x"));
        }
        self.clock.advance(61);
        assert_eq!(self.take(3).len(), 3);
        // Two of these, and the one the check before left.
        assert_eq!(self.take(10).len(), 3);
    }

    fn take(&self, limit: usize) -> Vec<(String, Vec<u8>)> {
        block_on(self.store.take_expired(Context::DuoState, limit)).unwrap()
    }

    fn of_many_racing_writers_one_wins(&self) {
        let key = Key::new(Context::Login, "race");
        assert!(self.create(&key, b"start"));
        let version = self.read(&key).unwrap().version;
        let barrier = Barrier::new(8);
        let wins: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|n| {
                    let (barrier, key) = (&barrier, &key);
                    scope.spawn(move || {
                        barrier.wait();
                        usize::from(self.write(key, version, &[n]))
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .sum()
        });
        assert_eq!(wins, 1);
    }
}
