//! The layers of properties merged into one value per key, each with its place: files, then
//! `credentials/secrets.properties`, then the environment. figment merges and remembers the
//! source of each value; keys stay whole, so that `a.b` and `a.b.c` can both have values.

use crate::config::error::ConfigError;
use crate::config::properties::ENVIRONMENT;
use crate::config::raw::Property;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;

/// The value in force, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The value as written, placeholders included.
    pub(super) value: String,
    /// File relative to the home, or `environment`.
    pub(super) file: String,
    /// Line, 1-based; 0 in the environment.
    pub(super) line: usize,
}

/// One value per key.
pub(super) type Merged = BTreeMap<String, Placed>;

/// Merges the layers. A key set twice with different values is an error that names both places;
/// only the environment overrides.
pub(super) fn merge(properties: &[Property]) -> (Merged, Vec<ConfigError>) {
    let figment = layers(properties)
        .into_iter()
        .fold(Figment::new(), Figment::merge);
    let winners: BTreeMap<String, Value> = figment
        .extract()
        .expect("a flat dictionary of strings always extracts");
    let merged = winners
        .into_iter()
        .filter_map(|(key, value)| {
            let placed = place(properties, &figment, &key, &value)?;
            Some((key, placed))
        })
        .collect();
    (merged, duplicates(properties))
}

/// One layer for each source, in order of precedence.
fn layers(properties: &[Property]) -> Vec<Layer<'_>> {
    let mut layers: Vec<Layer<'_>> = Vec::new();
    for property in properties {
        match layers.iter_mut().find(|layer| layer.file == property.file) {
            Some(layer) => layer.properties.push(property),
            None => layers.push(Layer {
                file: &property.file,
                properties: vec![property],
            }),
        }
    }
    layers.sort_by_key(|layer| precedence(layer.file));
    layers
}

fn precedence(file: &str) -> u8 {
    match file {
        ENVIRONMENT => 2,
        "credentials/secrets.properties" => 1,
        _ => 0,
    }
}

/// A flat figment provider: one source, every key whole, every value a string.
struct Layer<'a> {
    file: &'a str,
    properties: Vec<&'a Property>,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("properties").source(self.file.to_owned())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let pairs = self
            .properties
            .iter()
            .map(|property| (property.key.clone(), Value::from(property.value.clone())));
        Ok(Profile::Default.collect(pairs.collect::<Dict>()))
    }
}

fn place(properties: &[Property], figment: &Figment, key: &str, value: &Value) -> Option<Placed> {
    let file = figment
        .get_metadata(value.tag())?
        .source
        .as_ref()?
        .custom()?;
    let written = properties
        .iter()
        .rev()
        .find(|property| property.key == key && property.file == file)?;
    Some(Placed {
        value: written.value.clone(),
        file: file.to_owned(),
        line: written.line,
    })
}

/// Values are not repeated: either may be a secret.
fn duplicates(properties: &[Property]) -> Vec<ConfigError> {
    let mut first: BTreeMap<&str, &Property> = BTreeMap::new();
    let mut errors = Vec::new();
    for property in properties.iter().filter(|p| p.file != ENVIRONMENT) {
        match first.get(property.key.as_str()) {
            Some(earlier) if earlier.value != property.value => {
                errors.push(duplicate(earlier, property));
            }
            Some(_) => {}
            None => {
                first.insert(&property.key, property);
            }
        }
    }
    errors
}

fn duplicate(earlier: &Property, later: &Property) -> ConfigError {
    ConfigError::error(&later.key)
        .at(&later.file, later.line)
        .found(format!(
            "another value than at {}:{}",
            earlier.file, earlier.line
        ))
        .expected("one value for a key")
        .fix("keep one of the two lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(key: &str, value: &str, file: &str, line: usize) -> Property {
        Property {
            key: key.to_owned(),
            value: value.to_owned(),
            file: file.to_owned(),
            line,
        }
    }

    #[test]
    fn the_environment_overrides_files_and_keeps_its_text() {
        let (merged, errors) = merge(&[
            property("a.b", "x", "environment", 0),
            property("a.b", "007", "conf/idp.properties", 3),
            property("a.b.c", "y", "conf/idp.properties", 4),
        ]);
        assert_eq!(errors, Vec::new());
        assert_eq!(merged["a.b"].value, "x");
        assert_eq!(merged["a.b"].file, "environment");
        assert_eq!(merged["a.b.c"].line, 4);
    }

    #[test]
    fn two_values_for_one_key_name_both_places() {
        let (_, errors) = merge(&[
            property("a", "x", "conf/a.properties", 1),
            property("a", "y", "credentials/secrets.properties", 7),
        ]);
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (errors[0].file.as_str(), errors[0].line),
            ("credentials/secrets.properties", 7)
        );
        assert!(errors[0].found.contains("conf/a.properties:1"));
    }

    #[test]
    fn the_same_value_twice_is_no_error() {
        let (_, errors) = merge(&[
            property("a", "x", "conf/a.properties", 1),
            property("a", "x", "conf/b.properties", 1),
        ]);
        assert_eq!(errors, Vec::new());
    }
}
