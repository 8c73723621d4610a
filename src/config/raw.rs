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

    /// Hexadecimal SHA-256 over every property and file: tells generations of the configuration
    /// apart, across restarts too.
    pub fn fingerprint(&self) -> String {
        use std::fmt::Write as _;
        let mut hasher = openssl::sha::Sha256::new();
        let mut part = |bytes: &[u8]| {
            // Each part's length goes first, so that no two lists of parts look alike.
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        for property in &self.properties {
            part(property.key.as_bytes());
            part(property.value.as_bytes());
        }
        for (path, contents) in &self.files {
            part(path.as_bytes());
            part(contents);
        }
        let mut text = String::with_capacity(64);
        for byte in hasher.finish() {
            write!(text, "{byte:02x}").expect("a String takes everything");
        }
        text
    }

    /// The contents of a file that a setting names.
    pub fn file(&self, named: &str) -> Option<&[u8]> {
        self.files.get(&self.file_path(named)).map(Vec::as_slice)
    }
}
