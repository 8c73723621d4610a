//! Regular expressions that match whole values, in linear time.

use regex::{Regex, RegexBuilder};
use std::borrow::Cow;

/// The largest compiled expression, in bytes.
const LARGEST: usize = 256 * 1024;

/// A regular expression; compared by its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles an expression, or says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        // Without anchors `.*@example.org` would let `x@example.org.evil.example` through.
        let regex = RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(LARGEST)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the whole value matches.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// The replacement with the value's groups filled in; `None` when the value does not match.
    pub(super) fn replace(&self, value: &str, replacement: &str) -> Option<String> {
        match self.regex.replace(value, replacement) {
            Cow::Owned(replaced) => Some(replaced),
            Cow::Borrowed(_) => None,
        }
    }
}
