//! One source: what it holds, and when it is looked at or fetched again.

use super::fetch::{Fetched, LARGEST, Validators};
use super::held::{self, Held};
use super::mdq::MdqCache;
use super::status::{SourceStatus, State};
use super::{Content, Part};
use crate::config::metadata::{Origin, ProviderSettings};
use crate::server::session::later;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A source and how it stands.
#[derive(Debug)]
pub(super) struct Source {
    settings: Arc<ProviderSettings>,
    reading: Reading,
    state: State,
}

#[derive(Debug)]
enum Reading {
    Files(BTreeMap<PathBuf, Known>),
    Remote(Remote),
    Queries(Arc<MdqCache>),
}

/// A file as it was when it was last looked at.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    held: Option<Arc<Held>>,
    problem: Option<String>,
}

type Stamp = (Option<SystemTime>, u64);

#[derive(Debug, Default)]
struct Remote {
    held: Option<Arc<Held>>,
    validators: Validators,
    next: Option<Timestamp>,
    under_way: bool,
}

/// A fetch that is due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) settings: Arc<ProviderSettings>,
    pub(super) url: String,
    pub(super) validators: Validators,
}

/// What a fetch brought.
pub(super) enum Brought {
    Unchanged,
    Document(Arc<Held>, Validators),
}

impl Source {
    /// A source that holds what can be had without a network.
    pub(super) fn open(settings: ProviderSettings, copies: &Path, now: Timestamp) -> Self {
        let settings = Arc::new(settings);
        let mut state = State::default();
        let reading = match &settings.origin {
            Origin::File(_) | Origin::Folder(_) => Reading::Files(BTreeMap::new()),
            Origin::Mdq(mdq) => {
                Reading::Queries(Arc::new(MdqCache::new(Arc::clone(&settings), mdq.clone())))
            }
            Origin::Url(_) => {
                let held = from_backing_file(&settings, copies, now, &mut state);
                Reading::Remote(Remote {
                    held,
                    ..Remote::default()
                })
            }
        };
        Self {
            settings,
            reading,
            state,
        }
    }

    pub(super) fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    pub(super) fn part(&self) -> Part {
        let content = match &self.reading {
            Reading::Files(files) => Content::Documents(
                files
                    .values()
                    .filter_map(|file| file.held.clone())
                    .collect(),
            ),
            Reading::Remote(remote) => Content::Documents(remote.held.iter().cloned().collect()),
            Reading::Queries(cache) => Content::Queries(Arc::clone(cache)),
        };
        Part {
            settings: Arc::clone(&self.settings),
            content,
        }
    }

    pub(super) fn status(&self, now: Timestamp) -> SourceStatus {
        let part = self.part();
        let mut status = SourceStatus::new(&self.settings, part.documents(), &self.state, now);
        match &self.reading {
            Reading::Files(files) => {
                let problems = files.iter().filter_map(|(path, file)| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    Some(format!("{name}: {}", file.problem.as_ref()?))
                });
                status.add_problems(problems);
            }
            Reading::Remote(remote) => status.next = remote.next.map(|next| next.to_string()),
            Reading::Queries(cache) => cache.describe(&mut status),
        }
        status
    }

    /// Reads what changed on disk; whether anything did.
    pub(super) fn look(&mut self, copies: &Path, now: Timestamp) -> bool {
        let Reading::Files(known) = &mut self.reading else {
            return false;
        };
        let found = match stamps(&self.settings.origin) {
            Ok(found) => found,
            Err(problem) => {
                self.state.failed(&self.settings.name, &problem, now);
                return false;
            }
        };
        let before = known.len();
        known.retain(|path, _| found.contains_key(path));
        let mut changed = known.len() != before;
        for (path, stamp) in found {
            if known.get(&path).is_some_and(|file| file.stamp == stamp) {
                continue;
            }
            let last = known.remove(&path).and_then(|file| file.held);
            let file = Known::read(&path, stamp, last, &|octets| {
                Held::read(octets, &self.settings, copies, now)
            });
            known.insert(path, file);
            changed = true;
        }
        self.state.looked(changed, now);
        changed
    }

    /// The fetch to be made, if one is due.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due> {
        let Reading::Remote(remote) = &self.reading else {
            return None;
        };
        if remote.next.is_some_and(|next| now < next) {
            return None;
        }
        self.fetch_now()
    }

    /// The fetch, due or not.
    pub(super) fn fetch_now(&mut self) -> Option<Due> {
        let (Reading::Remote(remote), Origin::Url(url)) =
            (&mut self.reading, &self.settings.origin)
        else {
            return None;
        };
        if remote.under_way {
            return None;
        }
        remote.under_way = true;
        Some(Due {
            settings: Arc::clone(&self.settings),
            url: url.clone(),
            validators: remote.validators.clone(),
        })
    }

    /// Whether this is the source of that fetch; settings may have changed since.
    pub(super) fn is(&self, due: &Due) -> bool {
        Arc::ptr_eq(&self.settings, &due.settings)
    }

    /// Takes what a fetch brought; whether what is held changed. A failure keeps the last good
    /// document.
    pub(super) fn fetched(&mut self, brought: Result<Brought, String>, now: Timestamp) -> bool {
        let Reading::Remote(remote) = &mut self.reading else {
            return false;
        };
        remote.under_way = false;
        let changed = match brought {
            Ok(brought) => {
                self.state.succeeded(now);
                remote.take(brought)
            }
            Err(problem) => {
                self.state.failed(&self.settings.name, &problem, now);
                remote.next = Some(later(now, self.settings.refresh.min));
                return false;
            }
        };
        remote.next = Some(later(
            now,
            delay(&self.settings, remote.held.as_deref(), now),
        ));
        changed
    }
}

impl Remote {
    fn take(&mut self, brought: Brought) -> bool {
        match brought {
            Brought::Unchanged => false,
            Brought::Document(held, validators) => {
                (self.held, self.validators) = (Some(held), validators);
                true
            }
        }
    }
}

fn delay(settings: &ProviderSettings, held: Option<&Held>, now: Timestamp) -> Duration {
    let until = held.and_then(|held| held.valid_until);
    let remaining =
        until.map(|until| Duration::try_from(until.duration_since(now)).unwrap_or_default());
    settings
        .refresh
        .delay(remaining, held.and_then(|held| held.cache_duration))
}

impl Due {
    /// Reads the document by the provider's rules, and keeps it for the next start.
    pub(super) fn read(
        &self,
        fetched: Fetched,
        copies: &Path,
        now: Timestamp,
    ) -> Result<Brought, String> {
        let Fetched::Document { octets, validators } = fetched else {
            return Ok(Brought::Unchanged);
        };
        let held = Held::read(&octets, &self.settings, copies, now)?;
        held.log_warnings(&self.settings.name);
        if let Err(error) = held::replace(&self.settings.backing_file, &octets) {
            tracing::error!(provider = self.settings.name, %error, "backing file not written");
        }
        Ok(Brought::Document(Arc::new(held), validators))
    }
}

/// What was kept is judged like what was fetched: the file may have aged, or been changed.
fn from_backing_file(
    settings: &ProviderSettings,
    copies: &Path,
    now: Timestamp,
    state: &mut State,
) -> Option<Arc<Held>> {
    let path = &settings.backing_file;
    let octets = match read_file(path) {
        Ok(octets) => octets,
        Err(problem) => {
            tracing::info!(provider = settings.name, problem, "no backing file yet");
            return None;
        }
    };
    match Held::read(&octets, settings, copies, now) {
        Ok(held) => Some(Arc::new(held)),
        Err(problem) => {
            state.failed(&settings.name, &format!("backing file: {problem}"), now);
            None
        }
    }
}

impl Known {
    /// A file that cannot be used keeps what it last held.
    fn read(
        path: &Path,
        stamp: Stamp,
        last: Option<Arc<Held>>,
        read: &dyn Fn(&[u8]) -> Result<Held, String>,
    ) -> Self {
        let shown = path.display().to_string();
        match read_file(path).and_then(|octets| read(&octets)) {
            Ok(held) => {
                held.log_warnings(&shown);
                Self {
                    stamp,
                    held: Some(Arc::new(held)),
                    problem: None,
                }
            }
            Err(problem) => {
                tracing::error!(file = shown, problem, "metadata refused");
                Self {
                    stamp,
                    held: last,
                    problem: Some(problem),
                }
            }
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err("larger than 256 MiB".to_owned());
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The files of a source with their stamps.
fn stamps(origin: &Origin) -> Result<BTreeMap<PathBuf, Stamp>, String> {
    let stamp = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok()?;
        Some((path, (metadata.modified().ok(), metadata.len())))
    };
    let folder = match origin {
        Origin::File(path) => {
            let found = stamp(path.clone()).ok_or("the file cannot be read")?;
            return Ok(BTreeMap::from([found]));
        }
        Origin::Folder(folder) => folder,
        Origin::Url(_) | Origin::Mdq(_) => return Ok(BTreeMap::new()),
    };
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    let xml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "xml"));
    Ok(xml.filter_map(stamp).collect())
}
