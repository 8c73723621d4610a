//! What every request shares: the world, the store, the generation in force.

use crate::config::settings::{Settings, StorageSettings};
use crate::server::generation::Generation;
use crate::server::metadata::Metadata;
use crate::server::replay::ReplayCache;
use crate::server::storage::memory::Memory;
use crate::server::storage::redb::Redb;
use crate::server::storage::sealed::Sealed;
use crate::server::storage::{Storage, StorageError};
use crate::server::throttle::Throttle;
use crate::server::world::{Clock, World};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::sync::Arc;

/// Unfinished logins and sessions that this process alone keeps.
const MEMORY_RECORDS: usize = 1_000_000;
/// Requests remembered for as long as they could be replayed: minutes.
const REPLAY_RECORDS: usize = 4_000_000;

/// The running service.
#[derive(Debug)]
pub struct App {
    /// Time, randomness, audit, back ends.
    pub world: World,
    /// Logins and sessions, sealed.
    pub storage: Arc<dyn Storage>,
    /// Requests seen.
    pub replay: ReplayCache,
    /// Failed passwords.
    pub throttle: Throttle,
    /// Relying parties.
    pub metadata: Arc<Metadata>,
    /// When it started.
    pub started: Timestamp,
    /// The same store, for changing its keys.
    sealed: Arc<Sealed>,
    generation: ArcSwap<Generation>,
}

impl App {
    /// Opens the store and makes the first generation.
    pub fn build(settings: Settings, world: World) -> Result<Self, String> {
        let storage =
            open(&settings.storage, Arc::clone(&world.clock)).map_err(|error| error.to_string())?;
        let keys = settings.sealer_keys.clone();
        let sealed = Arc::new(Sealed::new(storage, keys, Arc::clone(&world.random)));
        Ok(Self {
            metadata: Arc::new(Metadata::open(&settings.metadata, world.now())),
            generation: ArcSwap::from_pointee(Generation::build(settings, &world)?),
            replay: ReplayCache::new(REPLAY_RECORDS),
            started: world.now(),
            throttle: Throttle::new(Arc::<Sealed>::clone(&sealed), &world),
            storage: Arc::<Sealed>::clone(&sealed),
            sealed,
            world,
        })
    }

    /// The generation in force.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts another generation in force; logins of the old one start again from their requests.
    pub fn replace(&self, generation: Generation) {
        let metadata = &generation.settings.metadata;
        self.metadata.configure(metadata, self.world.now());
        self.sealed
            .use_keys(generation.settings.sealer_keys.clone());
        self.generation.store(Arc::new(generation));
    }
}

/// Opens the store that the settings name.
pub fn open(
    settings: &StorageSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Storage>, StorageError> {
    match settings {
        StorageSettings::Memory => Ok(Arc::new(Memory::new(clock, MEMORY_RECORDS))),
        StorageSettings::Redb(path) => Ok(Arc::new(Redb::open(path, clock)?)),
        StorageSettings::Redis(_) | StorageSettings::Postgres(_) => Err(StorageError::Failed(
            "vestibule.storage: this version keeps state in memory: or redb:".to_owned(),
        )),
    }
}
