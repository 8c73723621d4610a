//! Where attributes come from, what they are called, and who gets them.

use crate::attribute::{AttributeSettings, Definition, ReleaseRule, ReleaseTo};
use crate::config::nearest::nearest;
use crate::config::reader::Reader;

pub(super) fn read(reader: &mut Reader<'_>, scope: Option<&String>) -> Option<AttributeSettings> {
    let csv = reader.path("vestibule.attribute.csv");
    let names = reader.values.names_under("vestibule.attribute.");
    let definitions: Vec<Definition> = names
        .iter()
        .filter(|name| *name != "csv")
        .filter_map(|name| definition(reader, name))
        .collect();
    let rules = reader.values.names_under("vestibule.release.");
    let release = rules
        .iter()
        .map(|name| release_rule(reader, name, &definitions))
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
    let oid = reader.parsed(&key("oid"), saml_name);
    let source = reader.text(&key("source"));
    let scoped = reader.flag(&key("scoped"));
    Some(Definition {
        id: id.to_owned(),
        name: oid?,
        source: source.unwrap_or_else(|| id.to_owned()),
        scoped: scoped?,
    })
}

/// An OID becomes its URN; anything else must be a whole name.
fn saml_name(text: &str) -> Option<String> {
    let arcs = || text.split('.');
    let number = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    if arcs().count() > 1 && arcs().all(number) {
        return Some(format!("urn:oid:{text}"));
    }
    crate::config::reader::is_uri(text).then(|| text.to_owned())
}

fn release_rule(reader: &mut Reader<'_>, name: &str, definitions: &[Definition]) -> ReleaseRule {
    let to = reader.required_list(&format!("vestibule.release.{name}.to"));
    let key = format!("vestibule.release.{name}.attributes");
    let attributes = reader.required_list(&key);
    for attribute in &attributes {
        let known = || definitions.iter().map(|definition| definition.id.as_str());
        if known().any(|id| id == attribute) {
            continue;
        }
        let fix = match nearest(attribute, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("define vestibule.attribute.{attribute}.oid"),
        };
        let found = format!("\"{}\"", attribute.escape_debug());
        reader.error(&key, found, "attributes that are defined", fix);
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
        assert_eq!(
            saml_name("urn:example:x").as_deref(),
            Some("urn:example:x")
        );
        assert_eq!(saml_name("givenName"), None);
        assert_eq!(saml_name("2..4"), None);
    }
}
