//! What is done to an attribute's values between their source and the wire.

use crate::attribute::pattern::Pattern;
use std::collections::BTreeMap;

/// One step. A value that it has no answer for is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// A value that matches as a whole becomes the replacement.
    Regex {
        /// The expression.
        pattern: Pattern,
        /// The replacement, with `$1` or `${name}` for the expression's groups.
        replacement: String,
    },
    /// A value becomes what it is mapped to.
    Map {
        /// From value to value.
        entries: BTreeMap<String, String>,
        /// What happens to the others.
        otherwise: Otherwise,
    },
}

/// What happens to a value that a map does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is dropped.
    Drop,
    /// It stays.
    Keep,
    /// It becomes this.
    Become(String),
}

impl Rewrite {
    pub(super) fn apply(&self, value: &str) -> Option<String> {
        match self {
            Self::Regex {
                pattern,
                replacement,
            } => pattern.replace(value, replacement),
            Self::Map { entries, otherwise } => match (entries.get(value), otherwise) {
                (Some(mapped), _) | (None, Otherwise::Become(mapped)) => Some(mapped.clone()),
                (None, Otherwise::Keep) => Some(value.to_owned()),
                (None, Otherwise::Drop) => None,
            },
        }
    }
}
