//! One document in force. A small one is parsed whole; of a large one the index stays in memory and
//! the octets in a file of our own, from which entities are read when they are needed.

use crate::config::metadata::ProviderSettings;
use crate::saml::metadata::aggregate::{Aggregate, Entry, scan};
use crate::saml::metadata::{EntityDescriptor, Warning};
use crate::server::session::later;
use jiff::Timestamp;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Documents up to this size are parsed whole, so that all their slips are told at once.
const SMALL: usize = 1024 * 1024;

/// Parsed entities of a large document that are kept: those in use, as a rule.
const KEPT: usize = 256;

/// Warnings of one document that are logged.
const WARNINGS_NAMED: usize = 20;

/// A verified document and its entities.
#[derive(Debug)]
pub struct Held {
    /// Until when the document says it is valid.
    pub valid_until: Option<Timestamp>,
    /// How long it asks to be cached.
    pub cache_duration: Option<std::time::Duration>,
    /// Its size.
    pub octets: usize,
    /// What was skipped or dropped in it.
    pub warnings: Vec<Warning>,
    index: Aggregate,
    entities: Entities,
}

#[derive(Debug)]
enum Entities {
    Parsed(HashMap<String, Arc<EntityDescriptor>>),
    OnDemand {
        copy: File,
        kept: Mutex<HashMap<String, Arc<EntityDescriptor>>>,
    },
}

impl Held {
    /// Reads a document by a provider's rules: signature, validity, wanted entities.
    pub fn read(
        xml: &[u8],
        settings: &ProviderSettings,
        copies: &Path,
        now: Timestamp,
    ) -> Result<Self, String> {
        let keys = settings.keys();
        let scan = || scan(xml, keys.as_deref()).map_err(|error| error.to_string());
        let (index, copy) = if xml.len() <= SMALL {
            (scan(), None)
        } else {
            // The copy is written while the document is verified; a refused one is dropped.
            std::thread::scope(|scope| {
                let writing = scope.spawn(|| private_copy(xml, copies));
                (scan(), Some(writing.join()))
            })
        };
        let mut index = index?;
        check_validity(&index, settings, now)?;
        index.retain(|id| settings.wants(id));
        let mut warnings = std::mem::take(&mut index.warnings);
        let entities = match copy {
            None => Entities::Parsed(parse_all(&index, xml, &mut warnings)),
            Some(copy) => Entities::OnDemand {
                copy: written(copy, copies)?,
                kept: Mutex::default(),
            },
        };
        Ok(Self {
            valid_until: index.valid_until,
            cache_duration: index.cache_duration,
            octets: xml.len(),
            warnings,
            index,
            entities,
        })
    }

    /// Whether the document has this entity, be it one that cannot be used.
    pub fn holds(&self, entity_id: &str) -> bool {
        self.index.find(entity_id).is_some()
    }

    /// The entity.
    pub fn find(&self, entity_id: &str) -> Option<Arc<EntityDescriptor>> {
        let (copy, kept) = match &self.entities {
            Entities::Parsed(entities) => return entities.get(entity_id).cloned(),
            Entities::OnDemand { copy, kept } => (copy, kept),
        };
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entity) = lock().get(entity_id) {
            return Some(Arc::clone(entity));
        }
        let entry = self.index.find(entity_id)?;
        let entity = Arc::new(self.read_entity(copy, entity_id, entry)?);
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(entity_id.to_owned(), Arc::clone(&entity));
        Some(entity)
    }

    fn read_entity(&self, copy: &File, id: &str, entry: &Entry) -> Option<EntityDescriptor> {
        let range = entry.range();
        let mut slice = vec![0; range.len()];
        let read = copy.read_exact_at(&mut slice, range.start as u64);
        let read = read.map_err(|error| error.to_string());
        let parsed = read.and_then(|()| {
            self.index
                .entity(entry, &slice)
                .map_err(|error| error.to_string())
        });
        let id: String = id.chars().take(256).collect();
        let (entity, notes) = parsed
            .inspect_err(|reason| tracing::error!(entity_id = ?id, reason, "entity not usable"))
            .ok()?;
        for reason in notes {
            tracing::warn!(entity_id = ?id, reason, "metadata");
        }
        Some(entity)
    }

    /// Every entityID.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.index.entries().map(|(id, _)| id)
    }

    /// Every entityID with the digest of its octets.
    pub fn digests(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        self.index.entries().map(|(id, entry)| (id, entry.digest()))
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Writes what was dropped to the log.
    pub fn log_warnings(&self, place: &str) {
        for warning in self.warnings.iter().take(WARNINGS_NAMED) {
            tracing::warn!(place, "{warning}");
        }
        if self.warnings.len() > WARNINGS_NAMED {
            tracing::warn!(
                place,
                warnings = self.warnings.len(),
                "metadata with many warnings"
            );
        }
    }
}

/// RequiredValidUntil, and expiry (SAML metadata 2.3.2).
fn check_validity(
    index: &Aggregate,
    settings: &ProviderSettings,
    now: Timestamp,
) -> Result<(), String> {
    let Some(until) = index.valid_until else {
        return if settings.require_valid_until {
            Err("no validUntil, which is required".to_owned())
        } else {
            Ok(())
        };
    };
    if until <= now {
        return Err(format!("expired on {until}"));
    }
    let horizon = settings.max_validity.map(|max| later(now, max));
    if horizon.is_some_and(|horizon| until > horizon) {
        return Err(format!(
            "validUntil {until} is further away than maxValidityInterval"
        ));
    }
    Ok(())
}

fn parse_all(
    index: &Aggregate,
    xml: &[u8],
    warnings: &mut Vec<Warning>,
) -> HashMap<String, Arc<EntityDescriptor>> {
    let mut entities = HashMap::new();
    for (id, entry) in index.entries() {
        let mut warn = |reason| {
            warnings.push(Warning {
                entity_id: Some(id.to_owned()),
                reason,
            });
        };
        match index.entity(entry, &xml[entry.range()]) {
            Ok((entity, notes)) => {
                notes.into_iter().for_each(&mut warn);
                entities.insert(id.to_owned(), Arc::new(entity));
            }
            Err(error) => warn(error.reason),
        }
    }
    entities
}

fn written(copy: std::thread::Result<io::Result<File>>, folder: &Path) -> Result<File, String> {
    let copy = copy.unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
    copy.map_err(|error| format!("no copy in {}: {error}", folder.display()))
}

/// A file that only this process can reach: it is unlinked at once, and goes with its last user.
fn private_copy(xml: &[u8], folder: &Path) -> io::Result<File> {
    let (mut file, path) = create_private(folder)?;
    let written = file.write_all(xml);
    fs::remove_file(path)?;
    written.map(|()| file)
}

fn create_private(folder: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{}-{count}.part", std::process::id()));
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, path)),
        }
    }
}

/// Replaces a file whole: readers see the old octets or the new ones.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut file, part) = create_private(folder)?;
    let written = file.write_all(octets).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&part, path));
    if renamed.is_err() {
        let _ = fs::remove_file(part);
    }
    renamed
}
