//! Relying parties' metadata: the sources in their order, looked at, fetched, and kept.
//!
//! Lookups never wait for a disk scan or a server: they see the last good state of every source.
//! A refresh that fails changes nothing but the source's status. Of two entities with one
//! entityID, the first source's counts (attack S29).

mod fetch;
mod held;
mod mdq;
mod source;
mod status;
#[cfg(test)]
mod tests;

pub use fetch::reach;
pub use held::Held;
pub use status::SourceStatus;

use crate::config::metadata::{EntityAttributeRule, MetadataSettings, Origin, ProviderSettings};
use crate::saml::metadata::{EntityDescriptor, MetadataResolver};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use mdq::MdqCache;
use source::{Due, Source};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Every source and what they hold together.
#[derive(Debug)]
pub struct Metadata {
    current: ArcSwap<Snapshot>,
    sources: Mutex<Sources>,
}

#[derive(Debug)]
struct Sources {
    copies: PathBuf,
    list: Vec<Source>,
}

/// What is in force: one part for each source, in order.
#[derive(Debug, Default)]
pub struct Snapshot {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    settings: Arc<ProviderSettings>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Documents(Vec<Arc<Held>>),
    Queries(Arc<MdqCache>),
}

impl Metadata {
    /// Reads what lies on this machine; what is remote comes with the first [`Self::refresh`],
    /// and until then from its backing file.
    pub fn open(settings: &MetadataSettings, now: Timestamp) -> Self {
        let opened = Self {
            current: ArcSwap::default(),
            sources: Mutex::new(Sources {
                copies: settings.copies.clone(),
                list: Vec::new(),
            }),
        };
        opened.configure(settings, now);
        opened
    }

    /// What is in force.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Takes other settings; a source whose settings are the same keeps what it holds.
    pub fn configure(&self, settings: &MetadataSettings, now: Timestamp) {
        let mut sources = self.lock();
        sources.copies.clone_from(&settings.copies);
        let mut before = std::mem::take(&mut sources.list);
        for provider in &settings.providers {
            let kept = before.iter().position(|s| *s.settings() == *provider);
            let source = kept.map(|at| before.swap_remove(at));
            let copies = &settings.copies;
            let source = source.unwrap_or_else(|| Source::open(provider.clone(), copies, now));
            sources.list.push(source);
        }
        look_at(&mut sources, now);
        self.publish(&sources);
    }

    /// Reads the files and folders that changed since the last look. Blocks on the disk.
    pub fn look(&self, now: Timestamp) {
        let mut sources = self.lock();
        if look_at(&mut sources, now) {
            self.publish(&sources);
        }
    }

    /// Fetches every remote document that is due. A server that hangs delays nobody else, since
    /// each fetch is on its own.
    pub fn refresh(self: &Arc<Self>, now: Timestamp) {
        let due: Vec<Due> = self
            .lock()
            .list
            .iter_mut()
            .filter_map(|s| s.due(now))
            .collect();
        for due in due {
            let metadata = Arc::clone(self);
            tokio::spawn(async move { metadata.fetch(due, now).await });
        }
    }

    /// Fetches every remote document now, and waits for all.
    pub async fn fetch_all(self: &Arc<Self>, now: Timestamp) {
        let due: Vec<Due> = self
            .lock()
            .list
            .iter_mut()
            .filter_map(Source::fetch_now)
            .collect();
        let fetches = due.into_iter().map(|due| self.fetch(due, now));
        futures_util::future::join_all(fetches).await;
    }

    async fn fetch(self: &Arc<Self>, due: Due, now: Timestamp) {
        let fetched = fetch::document(&due).await;
        let metadata = Arc::clone(self);
        // Reading a large aggregate takes most of a second: not on a thread that serves.
        let reading = tokio::task::spawn_blocking(move || metadata.take(&due, fetched, now));
        let _ = reading.await;
    }

    fn take(&self, due: &Due, fetched: Result<fetch::Fetched, String>, now: Timestamp) {
        let copies = self.lock().copies.clone();
        // The document is read outside the lock: logins and looks go on meanwhile.
        let read = fetched.and_then(|fetched| due.read(fetched, &copies, now));
        let mut sources = self.lock();
        let source = sources.list.iter_mut().find(|source| source.is(due));
        if source.is_some_and(|source| source.fetched(read, now)) {
            self.publish(&sources);
        }
    }

    /// Makes sure that what a Metadata Query service says of this entity is at hand.
    pub async fn prepare(&self, entity_id: &str, now: Timestamp) {
        let snapshot = self.current();
        for part in &snapshot.parts {
            match &part.content {
                Content::Documents(documents) => {
                    if documents.iter().any(|held| held.holds(entity_id)) {
                        return;
                    }
                }
                Content::Queries(cache) if part.settings.wants(entity_id) => {
                    if Box::pin(cache.prepare(entity_id, now)).await {
                        return;
                    }
                }
                Content::Queries(_) => {}
            }
        }
    }

    /// How every source stands, in order.
    pub fn statuses(&self, now: Timestamp) -> Vec<SourceStatus> {
        self.lock()
            .list
            .iter()
            .map(|source| source.status(now))
            .collect()
    }

    fn publish(&self, sources: &Sources) {
        let parts = sources.list.iter().map(Source::part).collect();
        let snapshot = Snapshot { parts };
        snapshot.warn_of_collisions();
        tracing::info!(entities = snapshot.len(), "metadata loaded");
        self.current.store(Arc::new(snapshot));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_at(sources: &mut Sources, now: Timestamp) -> bool {
    let copies = sources.copies.clone();
    let looks = sources
        .list
        .iter_mut()
        .map(|source| source.look(&copies, now));
    looks.fold(false, |changed, look| changed | look)
}

impl Snapshot {
    /// How many entities the documents hold, expired ones included.
    pub fn len(&self) -> usize {
        self.ids().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether some entities are known only once they were asked for.
    pub fn asks_services(&self) -> bool {
        let mut contents = self.parts.iter().map(|part| &part.content);
        contents.any(|content| matches!(content, Content::Queries(_)))
    }

    /// Every entityID that documents hold.
    pub fn ids(&self) -> BTreeSet<String> {
        let documents = self.parts.iter().flat_map(Part::documents);
        documents
            .flat_map(|held| held.ids())
            .map(str::to_owned)
            .collect()
    }

    /// The entity with the name of its source, expired or not.
    pub fn find(&self, entity_id: &str) -> Option<(&str, Arc<EntityDescriptor>)> {
        self.parts.iter().find_map(|part| {
            let entity = part.find(entity_id)?;
            Some((part.settings.name.as_str(), part.decorated(entity)))
        })
    }

    /// Every document with the name of its source.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &Arc<Held>)> {
        self.parts.iter().flat_map(|part| {
            let name = part.settings.name.as_str();
            part.documents().iter().map(move |held| (name, held))
        })
    }

    fn warn_of_collisions(&self) {
        let mut seen: std::collections::HashSet<&str> = std::collections::HashSet::new();
        let mut hidden = 0_usize;
        for (source, held) in self.documents() {
            for id in held.ids().filter(|id| !seen.insert(id)) {
                hidden += 1;
                if hidden <= COLLISIONS_NAMED {
                    let id: String = id.chars().take(256).collect();
                    tracing::warn!(source, entity_id = ?id, "hidden by an earlier source");
                }
            }
        }
        if hidden > COLLISIONS_NAMED {
            tracing::warn!(hidden, "entities hidden by earlier sources");
        }
    }
}

/// Two copies of one federation would otherwise fill the log.
const COLLISIONS_NAMED: usize = 20;

impl MetadataResolver for Snapshot {
    /// Validity counts when the entity is used, not when it was loaded (SAML metadata 2.3.2); an
    /// expired entity also hides later ones of its id, or expiry could bring back a stale key.
    fn entity(&self, entity_id: &str, now: Timestamp) -> Option<Arc<EntityDescriptor>> {
        let (_, entity) = self.find(entity_id)?;
        let valid = entity.valid_until.is_none_or(|until| now < until);
        valid.then_some(entity)
    }
}

impl Part {
    fn documents(&self) -> &[Arc<Held>] {
        match &self.content {
            Content::Documents(documents) => documents,
            Content::Queries(_) => &[],
        }
    }

    fn find(&self, entity_id: &str) -> Option<Arc<EntityDescriptor>> {
        match &self.content {
            Content::Documents(documents) => documents
                .iter()
                .find(|held| held.holds(entity_id))
                .and_then(|held| held.find(entity_id)),
            Content::Queries(cache) => cache
                .find(entity_id)
                .filter(|_| self.settings.wants(entity_id)),
        }
    }

    /// With the entity attributes that rules add.
    fn decorated(&self, entity: Arc<EntityDescriptor>) -> Arc<EntityDescriptor> {
        let concerns = |rule: &&EntityAttributeRule| {
            let entities = rule.entities.as_ref();
            entities.is_none_or(|entities| entities.contains(&entity.entity_id))
        };
        let rules: Vec<_> = self
            .settings
            .entity_attributes
            .iter()
            .filter(concerns)
            .collect();
        if rules.is_empty() {
            return entity;
        }
        let mut entity = (*entity).clone();
        for rule in rules {
            let values = entity
                .entity_attributes
                .entry(rule.name.clone())
                .or_default();
            let new = rule.values.iter().filter(|value| !values.contains(value));
            let new: Vec<String> = new.cloned().collect();
            values.extend(new);
        }
        Arc::new(entity)
    }
}

/// What kind of source this is, for people.
fn kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::File(_) => "file",
        Origin::Folder(_) => "folder",
        Origin::Url(_) => "url",
        Origin::Mdq(_) => "mdq",
    }
}

/// Where a source reads from, for people; an operator's URL may carry a key in its query.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::File(path) | Origin::Folder(path) => path.display().to_string(),
        Origin::Url(url) => url.split('?').next().unwrap_or_default().to_owned(),
        Origin::Mdq(mdq) => mdq.base.clone(),
    }
}
