//! Resolve, then filter: what this relying party gets of this user's record, and why.

use crate::attribute::{Attribute, AttributeSettings, Definition, ReleaseRule, ReleaseTo};
use std::collections::BTreeMap;

/// A user's record in the source: attribute or column name to values.
pub type SourceRecord = BTreeMap<String, Vec<String>>;

/// The column that is the key of a source: its value is the user's name.
const KEY: &str = "uid";

/// One defined attribute, its values, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The attribute as it would be sent; `values` may be empty.
    pub attribute: Attribute,
    /// Values that cannot stand in an XML document and are never sent.
    pub unusable: usize,
    /// Released or not, and why.
    pub outcome: Outcome,
}

/// Whether an attribute goes to the relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Released by this rule, the first that names it.
    Released {
        /// The rule's name.
        rule: String,
    },
    /// Withheld.
    Withheld(Withheld),
}

/// Why an attribute is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The user's record has no value for it.
    NoValue,
    /// No rule releases it to this relying party.
    NoRule,
}

/// What this relying party gets of this user's source record. Nothing without a rule.
pub fn release(
    settings: &AttributeSettings,
    username: &str,
    record: &SourceRecord,
    relying_party: &str,
) -> Vec<Attribute> {
    let granted =
        |definition: &&Definition| rule_for(settings, definition, relying_party).is_some();
    let definitions = settings.definitions.iter().filter(granted);
    definitions
        .map(|definition| make(settings, definition, username, record).0)
        .filter(|attribute| !attribute.values.is_empty())
        .collect()
}

/// Every defined attribute with its values and what would happen to it: `release` explained.
pub fn explain(
    settings: &AttributeSettings,
    username: &str,
    record: &SourceRecord,
    relying_party: &str,
) -> Vec<Resolved> {
    let resolve = |definition: &Definition| {
        let (attribute, unusable) = make(settings, definition, username, record);
        let outcome = match rule_for(settings, definition, relying_party) {
            _ if attribute.values.is_empty() => Outcome::Withheld(Withheld::NoValue),
            None => Outcome::Withheld(Withheld::NoRule),
            Some(rule) => Outcome::Released {
                rule: rule.name.clone(),
            },
        };
        Resolved {
            attribute,
            unusable,
            outcome,
        }
    };
    settings.definitions.iter().map(resolve).collect()
}

fn rule_for<'a>(
    settings: &'a AttributeSettings,
    definition: &Definition,
    relying_party: &str,
) -> Option<&'a ReleaseRule> {
    settings
        .release
        .iter()
        .find(|rule| rule.attributes.contains(&definition.id) && rule.to.includes(relying_party))
}

impl ReleaseTo {
    fn includes(&self, relying_party: &str) -> bool {
        match self {
            Self::Everyone => true,
            // entityIDs are compared as plain strings (SAML core 1.3.2).
            Self::Entities(ids) => ids.iter().any(|id| id == relying_party),
        }
    }
}

fn make(
    settings: &AttributeSettings,
    definition: &Definition,
    username: &str,
    record: &SourceRecord,
) -> (Attribute, usize) {
    let found = record
        .get(&definition.source)
        .map_or(&[][..], Vec::as_slice);
    let own_name = [username.to_owned()];
    let sources = match found {
        [] if definition.source == KEY => &own_name[..],
        found => found,
    };
    let present = || sources.iter().filter(|value| !value.is_empty());
    let values: Vec<_> = present()
        .filter(|value| fits_xml(value))
        .map(|value| scope(value, definition, settings))
        .collect();
    let unusable = present().count() - values.len();
    let attribute = Attribute {
        id: definition.id.clone(),
        name: definition.name.clone(),
        values,
    };
    (attribute, unusable)
}

fn scope(value: &str, definition: &Definition, settings: &AttributeSettings) -> String {
    if definition.scoped && !value.contains('@') {
        format!("{value}@{}", settings.scope)
    } else {
        value.to_owned()
    }
}

/// Whether XML 1.0 can carry every character (production Char).
fn fits_xml(value: &str) -> bool {
    !value.chars().any(|c| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(id: &str, source: &str, scoped: bool) -> Definition {
        Definition {
            id: id.into(),
            name: format!("urn:test:{id}"),
            source: source.into(),
            scoped,
        }
    }

    fn settings(release: Vec<ReleaseRule>) -> AttributeSettings {
        AttributeSettings {
            scope: "example.org".into(),
            definitions: vec![
                definition("uid", "uid", false),
                definition("mail", "mail", false),
                definition("eduPersonPrincipalName", "uid", true),
            ],
            release,
            ..AttributeSettings::default()
        }
    }

    fn rule(name: &str, to: ReleaseTo, attributes: &[&str]) -> ReleaseRule {
        ReleaseRule {
            name: name.into(),
            to,
            attributes: attributes.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn record(entries: &[(&str, &[&str])]) -> SourceRecord {
        let owned = |values: &&[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        entries
            .iter()
            .map(|(name, values)| ((*name).to_owned(), owned(values)))
            .collect()
    }

    fn released(settings: &AttributeSettings, record: &SourceRecord, to: &str) -> Vec<String> {
        release(settings, "jdoe", record, to)
            .iter()
            .map(|attribute| format!("{}={}", attribute.id, attribute.values.join(";")))
            .collect()
    }

    const SP: &str = "https://sp.example.org";

    #[test]
    fn nothing_is_released_without_a_rule() {
        let record = record(&[("mail", &["j@example.org"])]);
        assert!(released(&settings(vec![]), &record, SP).is_empty());
    }

    #[test]
    fn a_rule_for_one_entity_says_nothing_about_another() {
        let to = ReleaseTo::Entities(vec![SP.into()]);
        let settings = settings(vec![rule("one", to, &["mail"])]);
        let record = record(&[("mail", &["a@x", "b@x"])]);
        assert_eq!(released(&settings, &record, SP), ["mail=a@x;b@x"]);
        assert!(released(&settings, &record, "https://sp.example.org/").is_empty());
    }

    #[test]
    fn scope_is_appended_once_and_the_key_is_the_user_name() {
        let everything = rule(
            "all",
            ReleaseTo::Everyone,
            &["eduPersonPrincipalName", "uid"],
        );
        let settings = settings(vec![everything]);
        assert_eq!(
            released(&settings, &record(&[]), SP),
            ["uid=jdoe", "eduPersonPrincipalName=jdoe@example.org"]
        );
        let with_scope = record(&[("uid", &["jdoe@other.org"])]);
        assert_eq!(
            released(&settings, &with_scope, SP)[1],
            "eduPersonPrincipalName=jdoe@other.org"
        );
    }

    #[test]
    fn s19_values_that_xml_cannot_carry_are_withheld_and_counted() {
        let settings = settings(vec![rule("all", ReleaseTo::Everyone, &["mail"])]);
        let record = record(&[("mail", &["a\u{0}b", "\u{ffff}", "", "ok\r\n\t"])]);
        assert_eq!(released(&settings, &record, SP), ["mail=ok\r\n\t"]);
        let explained = explain(&settings, "jdoe", &record, SP);
        assert_eq!(explained[1].unusable, 2);
    }

    #[test]
    fn the_explanation_names_the_rule_or_the_reason() {
        let settings = settings(vec![
            rule("people", ReleaseTo::Everyone, &["mail", "uid"]),
            rule("later", ReleaseTo::Everyone, &["uid"]),
        ]);
        let outcomes: Vec<_> = explain(&settings, "jdoe", &record(&[]), SP)
            .into_iter()
            .map(|resolved| resolved.outcome)
            .collect();
        let people = "people".to_owned();
        assert_eq!(
            outcomes,
            [
                Outcome::Released { rule: people },
                Outcome::Withheld(Withheld::NoValue),
                Outcome::Withheld(Withheld::NoRule),
            ]
        );
    }

    #[test]
    fn the_explanation_and_the_release_agree() {
        let settings = settings(vec![rule("people", ReleaseTo::Everyone, &["mail", "uid"])]);
        let record = record(&[("mail", &["a@x"])]);
        let explained: Vec<_> = explain(&settings, "jdoe", &record, SP)
            .into_iter()
            .filter(|resolved| matches!(resolved.outcome, Outcome::Released { .. }))
            .map(|resolved| resolved.attribute)
            .collect();
        assert_eq!(explained, release(&settings, "jdoe", &record, SP));
    }
}
