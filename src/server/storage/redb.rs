//! Records in one file of this machine: durable, for a single node.
//!
//! One thread writes. It collects what waits, applies it in one transaction and answers after the
//! commit is on disk, so a burst of logins costs one flush. Reads go straight to the file.

use crate::server::storage::{Answer, Context, Entry, Key, Storage, StorageError, Stored};
use crate::server::world::Clock;
use ::redb::{
    Builder, Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// Version, expiry in milliseconds, octets; by `context/name`.
const RECORDS: TableDefinition<'_, &str, (u64, i64, &[u8])> = TableDefinition::new("records");
/// Finds expired records without reading the live ones.
const EXPIRIES: TableDefinition<'_, (&str, i64, &str), ()> = TableDefinition::new("expiries");

const CACHE_BYTES: usize = 4 << 20;
/// Changes that may wait; the room is taken at once.
const QUEUE: usize = 1024;
const BATCH: usize = 512;

/// The store of `vestibule.storage = redb:PATH`.
pub struct Redb {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    writer: SyncSender<Job>,
}

struct Job {
    change: Change,
    reply: oneshot::Sender<Result<Outcome, StorageError>>,
}

enum Change {
    Create(Key, Entry),
    Replace(Key, u64, Option<Entry>),
    TakeExpired(Context, usize),
}

enum Outcome {
    Done(bool),
    Taken(Vec<(String, Vec<u8>)>),
}

impl Redb {
    /// Opens or creates the file. Another process that holds it is an error.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(StorageError::failed)?;
        }
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(StorageError::failed)?;
        create_tables(&database).map_err(StorageError::failed)?;
        let database = Arc::new(database);
        let (writer, jobs) = sync_channel(QUEUE);
        let thread = Writer {
            database: Arc::clone(&database),
            clock: Arc::clone(&clock),
        };
        std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || thread.run(&jobs))
            .map_err(StorageError::failed)?;
        Ok(Self {
            database,
            clock,
            writer,
        })
    }

    fn change(&self, change: Change) -> Answer<'_, Outcome> {
        let (reply, answer) = oneshot::channel();
        let sent = self.writer.try_send(Job { change, reply });
        Box::pin(async move {
            match sent {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
                Err(TrySendError::Full(_)) => Err(StorageError::Full),
                Err(TrySendError::Disconnected(_)) => Err(stopped()),
            }
        })
    }

    fn decide(&self, change: Change) -> Answer<'_, bool> {
        let outcome = self.change(change);
        Box::pin(async move { Ok(matches!(outcome.await?, Outcome::Done(true))) })
    }

    fn lookup(&self, key: &Key) -> Result<Option<Stored>, ::redb::Error> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let now = self.clock.now().as_millisecond();
        Ok(records.get(path(key).as_str())?.and_then(|found| {
            let (version, expiry, value) = found.value();
            (now < expiry).then(|| Stored {
                version,
                value: value.to_vec(),
            })
        }))
    }
}

impl Redb {
    fn any_expired(&self, context: Context) -> Result<bool, ::redb::Error> {
        let expiries = self.database.begin_read()?.open_table(EXPIRIES)?;
        let (name, now) = (context.as_str(), self.clock.now().as_millisecond());
        let found = expiries.range(expired(name, now))?.next().is_some();
        Ok(found)
    }
}

impl Storage for Redb {
    fn create_if_absent(&self, key: Key, entry: Entry) -> Answer<'_, bool> {
        self.decide(Change::Create(key, entry))
    }

    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        let found = self.lookup(key).map_err(StorageError::failed);
        Box::pin(std::future::ready(found))
    }

    fn write_if_version(&self, key: Key, version: u64, entry: Entry) -> Answer<'_, bool> {
        self.decide(Change::Replace(key, version, Some(entry)))
    }

    fn remove_if_version(&self, key: Key, version: u64) -> Answer<'_, bool> {
        self.decide(Change::Replace(key, version, None))
    }

    fn take_expired(&self, context: Context, limit: usize) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        // Most sweeps find nothing: they must not cost a flush.
        let any = self.any_expired(context).map_err(StorageError::failed);
        Box::pin(async move {
            if !any? {
                return Ok(Vec::new());
            }
            match self.change(Change::TakeExpired(context, limit)).await? {
                Outcome::Taken(taken) => Ok(taken),
                Outcome::Done(_) => Ok(Vec::new()),
            }
        })
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redb")
    }
}

fn stopped() -> StorageError {
    StorageError::Failed("the writer has stopped".to_owned())
}

/// The places of records that have expired: their expiry is now or earlier.
fn expired(context: &str, now: i64) -> Range<(&str, i64, &str)> {
    (context, i64::MIN, "")..(context, now + 1, "")
}

fn path(key: &Key) -> String {
    format!("{}/{}", key.context.as_str(), key.name)
}

fn create_tables(database: &Database) -> Result<(), ::redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(EXPIRIES)?;
    transaction.commit()?;
    Ok(())
}

struct Writer {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    fn run(&self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = std::iter::once(first)
                .chain(jobs.try_iter())
                .take(BATCH)
                .collect();
            let (changes, replies): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|job| (job.change, job.reply)).unzip();
            match self.commit(changes) {
                Ok(outcomes) => {
                    for (reply, outcome) in replies.into_iter().zip(outcomes) {
                        // The request may have gone away meanwhile; the change stands.
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Err(error) => {
                    for reply in replies {
                        let _ = reply.send(Err(StorageError::failed(&error)));
                    }
                }
            }
        }
    }

    fn commit(&self, changes: Vec<Change>) -> Result<Vec<Outcome>, ::redb::Error> {
        let transaction = self.database.begin_write()?;
        let now = self.clock.now().as_millisecond();
        let outcomes = Tables::open(&transaction, now)?.apply(changes)?;
        transaction.commit()?;
        Ok(outcomes)
    }
}

struct Tables<'t> {
    records: Table<'t, &'static str, (u64, i64, &'static [u8])>,
    expiries: Table<'t, (&'static str, i64, &'static str), ()>,
    now: i64,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction, now: i64) -> Result<Self, ::redb::Error> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            now,
        })
    }

    fn apply(mut self, changes: Vec<Change>) -> Result<Vec<Outcome>, ::redb::Error> {
        changes
            .into_iter()
            .map(|change| match change {
                Change::Create(key, entry) => self.create(&key, &entry).map(Outcome::Done),
                Change::Replace(key, version, entry) => self
                    .replace(&key, version, entry.as_ref())
                    .map(Outcome::Done),
                Change::TakeExpired(context, limit) => {
                    self.take_expired(context, limit).map(Outcome::Taken)
                }
            })
            .collect()
    }

    fn create(&mut self, key: &Key, entry: &Entry) -> Result<bool, ::redb::Error> {
        if self.records.get(path(key).as_str())?.is_some() {
            return Ok(false);
        }
        self.put(key, 1, entry)?;
        Ok(true)
    }

    fn replace(
        &mut self,
        key: &Key,
        version: u64,
        entry: Option<&Entry>,
    ) -> Result<bool, ::redb::Error> {
        let found = self.records.get(path(key).as_str())?.map(|found| {
            let (version, expiry, _) = found.value();
            (version, expiry)
        });
        let Some((current, expiry)) = found else {
            return Ok(false);
        };
        if current != version || self.now >= expiry {
            return Ok(false);
        }
        self.remove(key, expiry)?;
        if let Some(entry) = entry {
            self.put(key, version + 1, entry)?;
        }
        Ok(true)
    }

    fn put(&mut self, key: &Key, version: u64, entry: &Entry) -> Result<(), ::redb::Error> {
        let expiry = entry.expiry.as_millisecond();
        self.records.insert(
            path(key).as_str(),
            (version, expiry, entry.value.as_slice()),
        )?;
        let place = (key.context.as_str(), expiry, key.name.as_str());
        self.expiries.insert(place, ())?;
        Ok(())
    }

    fn remove(&mut self, key: &Key, expiry: i64) -> Result<(), ::redb::Error> {
        self.records.remove(path(key).as_str())?;
        let place = (key.context.as_str(), expiry, key.name.as_str());
        self.expiries.remove(place)?;
        Ok(())
    }

    fn take_expired(
        &mut self,
        context: Context,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, ::redb::Error> {
        let name = context.as_str();
        let expired = self
            .expiries
            .range(expired(name, self.now))?
            .take(limit)
            .map(|place| {
                let (place, _) = place?;
                let (_, expiry, name) = place.value();
                Ok((expiry, name.to_owned()))
            })
            .collect::<Result<Vec<_>, ::redb::Error>>()?;
        let mut taken = Vec::with_capacity(expired.len());
        for (expiry, name) in expired {
            let key = Key::new(context, name);
            let value = self
                .records
                .get(path(&key).as_str())?
                .map(|found| found.value().2.to_vec());
            self.remove(&key, expiry)?;
            taken.extend(value.map(|value| (key.name, value)));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::storage::conformance::{Conformance, TestClock, block_on};

    #[test]
    fn redb_conforms() {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let store = Redb::open(&folder.path().join("new/store.redb"), clock.clone()).unwrap();
        Conformance::new(Arc::new(store), clock).run();
    }

    #[test]
    fn records_outlive_the_store_that_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.redb");
        let clock = TestClock::new();
        let key = Key::new(Context::Login, "kept");
        let entry = Entry {
            value: b"value".to_vec(),
            expiry: clock.after(60),
        };
        {
            let store = Redb::open(&file, clock.clone()).unwrap();
            assert!(block_on(store.create_if_absent(key.clone(), entry)).unwrap());
        }
        let store = reopen(&file, &clock);
        assert_eq!(block_on(store.read(&key)).unwrap().unwrap().value, b"value");
    }

    /// The writer thread lets go of the file shortly after its store is dropped.
    fn reopen(file: &Path, clock: &Arc<TestClock>) -> Redb {
        loop {
            match Redb::open(file, clock.clone()) {
                Ok(store) => return store,
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}
