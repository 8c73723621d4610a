//! The values in force with their placeholders resolved: `%{name}` and `%{name:default}`, nestable,
//! `%{idp.home}` built in.

use crate::config::keys::{self, Fallback};
use crate::config::layers::{Merged, Placed};
use std::collections::BTreeSet;

/// Merged properties and what placeholders may refer to.
#[derive(Clone, Debug)]
pub(super) struct Values {
    home: String,
    merged: Merged,
}

/// Why a value could not be made out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A placeholder names a property that exists nowhere.
    Unknown(String),
    /// A placeholder names a known key that has no value.
    Unset(String),
    /// Placeholders lead back to themselves.
    Cycle(String),
    /// `%{` without its brace.
    Unclosed,
}

impl Values {
    pub(super) fn new(home: &str, merged: Merged) -> Self {
        Self {
            home: home.trim_end_matches('/').to_owned(),
            merged,
        }
    }

    /// What was written for a key; an empty value counts as not written.
    pub(super) fn written(&self, key: &str) -> Option<&Placed> {
        self.merged
            .get(key)
            .filter(|placed| !placed.value.is_empty())
    }

    /// Every key that was written, empty ones included.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &Placed)> {
        self.merged
            .iter()
            .map(|(key, placed)| (key.as_str(), placed))
    }

    /// The value of a key: written, else its default.
    pub(super) fn value(&self, key: &str) -> Result<Option<String>, Problem> {
        match self.look_up(key, &[]) {
            Ok(value) => Ok(Some(value)),
            Err(Problem::Unset(name) | Problem::Unknown(name)) if name == key => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The parts that stand between `prefix` and the next dot in written keys: names of
    /// integrations, attributes, rules.
    pub(super) fn names_under(&self, prefix: &str) -> BTreeSet<String> {
        self.keys()
            .filter_map(|(key, _)| key.strip_prefix(prefix)?.split('.').next())
            .map(str::to_owned)
            .collect()
    }

    /// The names that placeholders in written values refer to: such keys are the operator's own.
    pub(super) fn referred(&self) -> BTreeSet<String> {
        let written = self.merged.values();
        written.flat_map(|placed| names_in(&placed.value)).collect()
    }

    fn look_up(&self, name: &str, above: &[&str]) -> Result<String, Problem> {
        if name == "idp.home" {
            return Ok(self.home.clone());
        }
        if above.contains(&name) {
            return Err(Problem::Cycle(name.to_owned()));
        }
        let path = [above, &[name]].concat();
        if let Some(placed) = self.written(name) {
            return self.resolve(&placed.value, &path);
        }
        match keys::find(name).map(|key| key.fallback) {
            Some(Fallback::Value(default)) => self.resolve(default, &path),
            Some(_) => Err(Problem::Unset(name.to_owned())),
            None => Err(Problem::Unknown(name.to_owned())),
        }
    }

    fn resolve(&self, text: &str, path: &[&str]) -> Result<String, Problem> {
        let Some(start) = text.find("%{") else {
            return Ok(text.to_owned());
        };
        let inner_start = start + 2;
        let length = closing_brace(&text[inner_start..]).ok_or(Problem::Unclosed)?;
        let inner = &text[inner_start..inner_start + length];
        let value = self.placeholder(inner, path)?;
        let rest = self.resolve(&text[inner_start + length + 1..], path)?;
        Ok(format!("{}{value}{rest}", &text[..start]))
    }

    fn placeholder(&self, inner: &str, path: &[&str]) -> Result<String, Problem> {
        let (name, default) = split_default(inner);
        let name = self.resolve(name, path)?;
        match (self.look_up(name.trim(), path), default) {
            (Err(Problem::Unknown(missing) | Problem::Unset(missing)), Some(default))
                if missing == name.trim() =>
            {
                self.resolve(default, path)
            }
            (result, _) => result,
        }
    }
}

/// Where the brace that closes an already opened placeholder stands.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (index, character) in text.char_indices() {
        match character {
            '{' if previous == '%' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
        previous = character;
    }
    None
}

/// Splits `name:default` at the first colon that is not inside a nested placeholder.
fn split_default(inner: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (index, character) in inner.char_indices() {
        match character {
            '{' if previous == '%' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return (&inner[..index], Some(&inner[index + 1..])),
            _ => {}
        }
        previous = character;
    }
    (inner, None)
}

fn names_in(text: &str) -> Vec<String> {
    text.split("%{")
        .skip(1)
        .map(|rest| {
            let end = rest.find([':', '}']).unwrap_or(rest.len());
            rest[..end].trim().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        let placed = |value: &str| Placed {
            value: value.to_owned(),
            file: "conf/idp.properties".to_owned(),
            line: 1,
        };
        let merged = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), placed(value)));
        Values::new("/srv/idp/", merged.collect())
    }

    #[test]
    fn placeholders_nest_in_names_and_defaults() {
        let values = values(&[
            ("x", "<%{a.%{which}:%{missing:%{idp.home}/d}}>%{b:}"),
            ("which", "b"),
            ("a.b", "%{which}!"),
            ("y", "%{missing:%{missing2:%{idp.home}/d}}"),
        ]);
        assert_eq!(values.value("x"), Ok(Some("<b!>".to_owned())));
        assert_eq!(values.value("y"), Ok(Some("/srv/idp/d".to_owned())));
    }

    #[test]
    fn a_placeholder_takes_the_default_of_a_known_key() {
        let values = values(&[("x", "%{idp.logfiles}/old")]);
        assert_eq!(values.value("x"), Ok(Some("/srv/idp/logs/old".to_owned())));
    }

    #[test]
    fn unknown_names_cycles_and_open_braces_are_problems() {
        let values = values(&[
            ("a", "%{b}"),
            ("b", "%{a}"),
            ("c", "%{nothing}"),
            ("d", "%{b"),
            ("e", "%{idp.entityID}"),
        ]);
        assert_eq!(values.value("a"), Err(Problem::Cycle("a".to_owned())));
        assert_eq!(
            values.value("c"),
            Err(Problem::Unknown("nothing".to_owned()))
        );
        assert_eq!(values.value("d"), Err(Problem::Unclosed));
        assert_eq!(
            values.value("e"),
            Err(Problem::Unset("idp.entityID".to_owned()))
        );
    }

    #[test]
    fn names_used_by_placeholders_are_the_operators_own() {
        let values = values(&[("a", "%{my.password} %{other:x}")]);
        let names: Vec<String> = values.referred().into_iter().collect();
        assert_eq!(names, ["my.password", "other"]);
    }
}
