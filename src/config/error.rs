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

/// Longest part of a value that a finding repeats.
const QUOTE_LIMIT: usize = 120;

impl ConfigError {
    /// A finding that stops the start; the rest is filled in by the methods below.
    pub fn error(key: impl Into<String>) -> Self {
        Self::new(Severity::Error, key.into())
    }

    /// A finding that does not.
    pub fn warning(key: impl Into<String>) -> Self {
        Self::new(Severity::Warning, key.into())
    }

    fn new(severity: Severity, key: String) -> Self {
        Self {
            severity,
            file: String::new(),
            line: 0,
            key,
            found: String::new(),
            expected: String::new(),
            fix: String::new(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn at(mut self, file: &str, line: usize) -> Self {
        file.clone_into(&mut self.file);
        self.line = line;
        self
    }

    /// What was found, in words.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    /// The value that was found, quoted, cut, control characters escaped.
    #[must_use]
    pub fn found_value(self, value: &str) -> Self {
        let cut: String = value.chars().take(QUOTE_LIMIT).collect();
        let dots = if cut.len() < value.len() { "..." } else { "" };
        self.found(format!("\"{}\"{dots}", cut.escape_debug()))
    }

    /// What was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// The likely fix.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Whether it stops the start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.is_empty(), self.line) {
            (true, _) => {}
            (false, 0) => write!(f, "{}: ", self.file)?,
            (false, line) => write!(f, "{}:{line}: ", self.file)?,
        }
        write!(
            f,
            "{}: found {}; expected {}; {}",
            self.key, self.found, self.expected, self.fix
        )
    }
}
