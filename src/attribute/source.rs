//! Where an attribute's values come from.

use crate::attribute::pairwise::Salt;
use crate::authn::strategy::ScriptName;

/// A source of values.
#[derive(Clone, Debug)]
pub enum Source {
    /// Columns or attributes of the user's record, or facts of the login, in order.
    Named(Vec<String>, Merge),
    /// The same for everyone.
    Constant(Vec<String>),
    /// Text with other values in it.
    Template(Template),
    /// A script's answer.
    Script(ScriptName),
    /// A pairwise-id, computed from the first value of this source under the secret.
    Pairwise(String, Salt),
}

/// What happens when several named sources have values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// All of them count, repeated values once.
    #[default]
    All,
    /// The first source with a value counts; the others stand in for it.
    First,
}

/// `{source}` in a text stands for that source's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Source(String),
}

impl Template {
    /// Reads a template; `None` when a brace stands alone or no source is named.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}')?;
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return None;
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Source(name.to_owned()));
            rest = behind;
        }
        if rest.contains('}') || parts.is_empty() {
            return None;
        }
        parts.push(Part::Text(rest.to_owned()));
        Some(Self(parts))
    }

    /// The sources it names.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Source(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// One text for each value; sources with one value repeat it, sources with several must have
    /// equally many. Nothing when a source has none.
    pub(super) fn fill<'v>(&self, values: impl Fn(&str) -> Vec<&'v str>) -> Vec<String> {
        let found: Vec<Vec<&str>> = self.sources().map(values).collect();
        let most = found.iter().map(Vec::len).max().unwrap_or(0);
        if found
            .iter()
            .any(|values| values.len() != 1 && values.len() != most)
        {
            return Vec::new();
        }
        (0..most).map(|index| self.line(&found, index)).collect()
    }

    fn line(&self, found: &[Vec<&str>], index: usize) -> String {
        let mut values = found.iter();
        let pick = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Source(_) => {
                let values = values.next().map_or(&[][..], Vec::as_slice);
                let value = values.get(index).or(values.first());
                value.copied().unwrap_or_default().to_owned()
            }
        };
        self.0.iter().map(pick).collect()
    }
}
