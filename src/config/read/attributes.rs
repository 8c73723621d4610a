//! Where attributes come from, what they are called, and who gets them.

use crate::attribute::{AttributeSettings, Definition, ReleaseRule, ReleaseTo, STANDARD, standard};
use crate::config::nearest::nearest;
use crate::config::reader::{Reader, is_uri};
use std::collections::BTreeSet;

pub(super) fn read(reader: &mut Reader<'_>, scope: Option<&String>) -> Option<AttributeSettings> {
    let csv = reader.path("vestibule.attribute.csv");
    let mut names = reader.values.names_under("vestibule.attribute.");
    names.remove("csv");
    let rules = reader.values.names_under("vestibule.release.");
    let release: Vec<ReleaseRule> = rules
        .iter()
        .map(|name| release_rule(reader, name, &names))
        .collect();
    // A well-known attribute that is released needs no definition.
    names.extend(release.iter().flat_map(|rule| rule.attributes.clone()));
    let definitions = names
        .iter()
        .filter_map(|name| definition(reader, name))
        .collect();
    Some(AttributeSettings {
        csv: csv?,
        scope: scope?.clone(),
        definitions,
        release,
    })
}

fn definition(reader: &mut Reader<'_>, id: &str) -> Option<Definition> {
    let key = |part: &str| format!("vestibule.attribute.{id}.{part}");
    let known = standard(id);
    let written = reader.values.written(&key("oid")).is_some();
    let name = reader
        .parsed(&key("oid"), saml_name)
        .or_else(|| known.map(|known| known.name.to_owned()));
    if name.is_none() && !written {
        reader.error(
            &key("oid"),
            "no value for an attribute that is not well known",
            "an OID or a URI",
            "add the line, or correct the attribute's name",
        );
    }
    let source = reader.text(&key("source"));
    let scoped = reader.flag(&key("scoped"));
    Some(Definition {
        id: id.to_owned(),
        name: name?,
        source: source.unwrap_or_else(|| id.to_owned()),
        scoped: scoped.unwrap_or_else(|| known.is_some_and(|known| known.scoped)),
    })
}

/// An OID becomes its URN; anything else must be a whole name.
fn saml_name(text: &str) -> Option<String> {
    let arcs = || text.split('.');
    let number = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    if arcs().count() > 1 && arcs().all(number) {
        return Some(format!("urn:oid:{text}"));
    }
    is_uri(text).then(|| text.to_owned())
}

fn release_rule(reader: &mut Reader<'_>, name: &str, defined: &BTreeSet<String>) -> ReleaseRule {
    let to = reader.required_list(&format!("vestibule.release.{name}.to"));
    let key = format!("vestibule.release.{name}.attributes");
    let (attributes, unknown): (Vec<String>, Vec<String>) = reader
        .required_list(&key)
        .into_iter()
        .partition(|attribute| defined.contains(attribute) || standard(attribute).is_some());
    for attribute in unknown {
        let well_known = STANDARD.iter().map(|standard| standard.id);
        let known = defined.iter().map(String::as_str).chain(well_known);
        let fix = match nearest(&attribute, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("define vestibule.attribute.{attribute}.oid"),
        };
        let found = format!("\"{}\"", attribute.escape_debug());
        reader.error(
            &key,
            found,
            "attributes that are defined or well known",
            fix,
        );
    }
    ReleaseRule {
        name: name.to_owned(),
        to: match &to[..] {
            [everyone] if everyone == "*" => ReleaseTo::Everyone,
            _ => ReleaseTo::Entities(to),
        },
        attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oid_becomes_its_urn_and_a_name_stays() {
        assert_eq!(saml_name("2.5.4.42").as_deref(), Some("urn:oid:2.5.4.42"));
        assert_eq!(saml_name("urn:example:x").as_deref(), Some("urn:example:x"));
        assert_eq!(saml_name("givenName"), None);
        assert_eq!(saml_name("2..4"), None);
    }
}
