//! What was read, before anything is checked.

use std::collections::BTreeMap;

/// The home as read: properties with their places, and the files that checks need.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// The home's path, for `%{idp.home}`.
    pub home: String,
    /// Every property in reading order, duplicates included.
    pub properties: Vec<Property>,
    /// Contents by path: relative to the home below it (scripts/**, conf/lists/*, credentials/*,
    /// ...), absolute elsewhere.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What could not be read or parsed at all.
    pub unreadable: Vec<crate::config::error::ConfigError>,
}

/// One property as written.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The key.
    pub key: String,
    /// The value, escapes resolved, placeholders not.
    pub value: String,
    /// File relative to the home, or `environment`.
    pub file: String,
    /// Line, 1-based.
    pub line: usize,
}

impl std::fmt::Debug for Property {
    /// Values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.key)
    }
}

impl Raw {
    /// The path under which [`Self::files`] holds a file that a setting names.
    pub fn file_path(&self, named: &str) -> String {
        let below = named
            .strip_prefix(self.home.trim_end_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'));
        below.unwrap_or(named).to_owned()
    }

    /// The contents of a file that a setting names.
    pub fn file(&self, named: &str) -> Option<&[u8]> {
        self.files.get(&self.file_path(named)).map(Vec::as_slice)
    }
}
