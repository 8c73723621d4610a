//! Relying parties' metadata from the home's folder: every file is loaded, looked at, reloaded.
//!
//! A file that cannot be read or parsed keeps what it last held; the others are not touched.

use crate::saml::metadata::{Document, MetadataSet, parse};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The folder and what it held when last looked at.
#[derive(Debug)]
pub struct MetadataFolder {
    current: ArcSwap<MetadataSet>,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    folder: PathBuf,
    known: BTreeMap<PathBuf, File>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    document: Option<Document>,
}

type Stamp = (Option<SystemTime>, u64);

impl MetadataFolder {
    /// Reads the folder; problems of single files are logged.
    pub fn open(folder: &Path) -> Self {
        let opened = Self {
            current: ArcSwap::default(),
            files: Mutex::new(Files {
                folder: folder.to_owned(),
                known: BTreeMap::new(),
            }),
        };
        opened.look();
        opened
    }

    /// What is in force.
    pub fn current(&self) -> Arc<MetadataSet> {
        self.current.load_full()
    }

    /// Reads what changed since the last look. Blocks on the disk.
    pub fn look(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.refresh() {
            return;
        }
        let mut set = MetadataSet::new();
        for (path, file) in &files.known {
            let Some(document) = &file.document else {
                continue;
            };
            for warning in set.add(document.clone()) {
                tracing::warn!(file = %path.display(), "{warning}");
            }
        }
        tracing::info!(entities = set.len(), "metadata loaded");
        self.current.store(Arc::new(set));
    }

    /// Looks at another folder from now on.
    pub fn move_to(&self, folder: &Path) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.folder != folder {
            folder.clone_into(&mut files.folder);
        }
    }
}

impl Files {
    /// Whether anything changed.
    fn refresh(&mut self) -> bool {
        let Some(found) = self.stamps() else {
            return false;
        };
        let before = self.known.len();
        self.known.retain(|path, _| found.contains_key(path));
        let mut changed = self.known.len() != before;
        for (path, stamp) in found {
            if self
                .known
                .get(&path)
                .is_some_and(|file| file.stamp == stamp)
            {
                continue;
            }
            let last = self.known.remove(&path).and_then(|file| file.document);
            let document = read(&path).or(last);
            self.known.insert(path, File { stamp, document });
            changed = true;
        }
        changed
    }

    /// Every XML file with its stamp, or nothing when the folder itself cannot be read.
    fn stamps(&self) -> Option<BTreeMap<PathBuf, Stamp>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(folder = %self.folder.display(), %error, "no metadata folder");
                return None;
            }
        };
        let stamps = entries.flatten().filter_map(|entry| {
            let path = entry.path();
            let is_xml = path.extension().is_some_and(|extension| extension == "xml");
            let metadata = std::fs::metadata(&path).ok().filter(|_| is_xml)?;
            Some((path, (metadata.modified().ok(), metadata.len())))
        });
        Some(stamps.collect())
    }
}

fn read(path: &Path) -> Option<Document> {
    let shown = path.display();
    let octets = std::fs::read(path)
        .inspect_err(|error| tracing::error!(file = %shown, %error, "metadata not readable"))
        .ok()?;
    parse(&octets)
        .inspect_err(|error| tracing::error!(file = %shown, %error, "metadata refused"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::metadata::MetadataResolver as _;
    use jiff::Timestamp;

    fn entity(id: &str) -> String {
        format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{id}">
            <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
            <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
             Location="https://sp.example.org/acs" index="1"/>
            </SPSSODescriptor></EntityDescriptor>"#
        )
    }

    #[test]
    fn files_are_added_changed_and_removed_and_a_broken_one_keeps_its_last_content() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let metadata = MetadataFolder::open(folder.path());
        let known = |id: &str| {
            metadata.look();
            metadata
                .current()
                .entity(id, Timestamp::UNIX_EPOCH)
                .is_some()
        };
        assert!(!known("one"));
        write("one.xml", &entity("one"));
        write("ignored.txt", &entity("ignored"));
        assert!(known("one"));
        assert!(!known("ignored"));
        write("two.xml", &entity("two"));
        write("one.xml", "<broken");
        assert!(known("one"), "the last good content stays");
        assert!(known("two"));
        write("one.xml", &entity("another"));
        assert!(known("another"));
        assert!(!known("one"));
        std::fs::remove_file(folder.path().join("two.xml")).unwrap();
        assert!(!known("two"));
    }
}
