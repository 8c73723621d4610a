//! Configuration errors: file, line, key, what was found, what was expected, the likely fix.

use std::fmt;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConfigError {
    /// Whether it stops the start.
    pub severity: Severity,
    /// File relative to the home, empty when the key is absent everywhere.
    pub file: String,
    /// Line, 1-based; 0 when not known.
    pub line: usize,
    /// The key, or the script's or file's name.
    pub key: String,
    /// What was found; secrets are never repeated.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The likely fix.
    pub fix: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops the start.
    Error,
    /// Does not.
    Warning,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: found {}; expected {}; {}",
            self.file, self.line, self.key, self.found, self.expected, self.fix
        )
    }
}
