//! What was read, before anything is checked.

use std::collections::BTreeMap;

/// The home as read: properties with their places, and the files that checks need.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// The home's path, for `%{idp.home}`.
    pub home: String,
    /// Every property in reading order, duplicates included.
    pub properties: Vec<Property>,
    /// Contents by path relative to the home: scripts/**, conf/lists/*, credentials/*, ...
    pub files: BTreeMap<String, Vec<u8>>,
    /// What could not be read or parsed at all.
    pub unreadable: Vec<crate::config::error::ConfigError>,
}

/// One property as written.
#[derive(Clone, Debug, PartialEq, Eq)]
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
