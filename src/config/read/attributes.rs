//! Where attributes come from and how their values are made.

use super::release;
use crate::attribute::pairwise::Salt;
use crate::attribute::{
    AttributeSettings, Definition, LOGIN, Merge, Otherwise, Pattern, ReleaseRule, Rewrite, Source,
    Template, standard,
};
use crate::config::reader::{Reader, is_uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

const FAMILY: &str = "vestibule.attribute.";

pub(super) fn read(
    reader: &mut Reader<'_>,
    scope: Option<&String>,
    salt: Option<&Salt>,
) -> Option<AttributeSettings> {
    let csv = reader.path("vestibule.attribute.csv");
    let mut names = reader.values.names_under(FAMILY);
    names.remove("csv");
    names.remove("sources");
    let release = release::read(reader, &names);
    // A well-known attribute that is released needs no definition.
    names.extend(
        release
            .iter()
            .flat_map(|rule: &ReleaseRule| rule.attributes.clone()),
    );
    let scope = scope?;
    let definitions: Vec<Definition> = names
        .iter()
        .filter_map(|id| Section { reader, id }.definition(scope, salt))
        .collect();
    Some(AttributeSettings {
        csv: csv?,
        reads_login: definitions.iter().any(reads_login),
        definitions,
        release,
    })
}

/// `idp.persistentId.salt`, or the same in base64.
pub(super) fn salt(reader: &mut Reader<'_>) -> Option<Salt> {
    const PLAIN: &str = "idp.persistentId.salt";
    const ENCODED: &str = "idp.persistentId.encodedSalt";
    let plain = reader.text(PLAIN).map(String::into_bytes);
    let encoded = reader.parsed(ENCODED, |text| STANDARD.decode(text).ok());
    let key = if plain.is_some() { PLAIN } else { ENCODED };
    let salt = Salt::new(plain.or(encoded)?);
    if salt.is_none() {
        let fix = "write the output of `openssl rand -base64 32`, and never change it";
        reader.error(key, "less than 16 octets (not shown)", "a secret", fix);
    }
    salt
}

/// A script may read anything.
fn reads_login(definition: &Definition) -> bool {
    let of_login = |name: &str| name.starts_with(LOGIN);
    match &definition.source {
        Source::Named(names, _) => names.iter().any(|name| of_login(name)),
        Source::Template(template) => template.sources().any(of_login),
        Source::Pairwise(name, _) => of_login(name),
        Source::Script(_) => true,
        Source::Constant(_) => false,
    }
}

/// The keys of one attribute.
struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    id: &'r str,
}

impl Section<'_, '_> {
    fn key(&self, part: &str) -> String {
        format!("{FAMILY}{}.{part}", self.id)
    }

    fn definition(mut self, scope: &str, salt: Option<&Salt>) -> Option<Definition> {
        let known = standard(self.id);
        let name = self.name();
        let source = self.source(salt);
        let rewrites = [self.regex(), self.map()].into_iter().flatten().collect();
        let scoped = self.reader.flag(&self.key("scoped"));
        let scoped = scoped.unwrap_or_else(|| known.is_some_and(|known| known.scoped));
        let own_scope = self.reader.text(&self.key("scope"));
        Some(Definition {
            id: self.id.to_owned(),
            name: name?,
            source: source?,
            rewrites,
            scope: scoped.then(|| own_scope.unwrap_or_else(|| scope.to_owned())),
        })
    }

    fn name(&mut self) -> Option<String> {
        let key = self.key("oid");
        let written = self.reader.values.written(&key).is_some();
        let name = self.reader.parsed(&key, saml_name);
        let name = name.or_else(|| standard(self.id).map(|known| known.name.to_owned()));
        if name.is_none() && !written {
            self.reader.error(
                &key,
                "no value for an attribute that is not well known",
                "an OID or a URI",
                "add the line, or correct the attribute's name",
            );
        }
        name
    }

    /// One kind of source; several would contradict each other.
    fn source(&mut self, salt: Option<&Salt>) -> Option<Source> {
        let named = self.reader.list(&self.key("source"));
        let merge = self.reader.choice(&self.key("merge"));
        let constant = self.reader.list(&self.key("constant"));
        let template = self.template();
        let script = self.script();
        let pairwise = self.pairwise(&named, salt);
        let kinds = ["source", "constant", "template", "script"];
        let written = kinds.map(|part| self.reader.values.written(&self.key(part)).is_some());
        if written.iter().filter(|written| **written).count() > 1 {
            let found = "more than one of source, constant, template and script";
            let fix = "keep one of them";
            self.reader
                .error(&self.key("source"), found, "one kind of source", fix);
            return None;
        }
        Some(match written {
            [_, true, ..] => Source::Constant(constant),
            [_, _, true, _] => template?,
            [.., true] => script?,
            _ => match pairwise {
                Some(pairwise) => pairwise,
                None if named.is_empty() => {
                    Source::Named(vec![self.id.to_owned()], Merge::default())
                }
                None if merge?.as_str() == "first" => Source::Named(named, Merge::First),
                None => Source::Named(named, Merge::All),
            },
        })
    }

    fn template(&mut self) -> Option<Source> {
        let key = self.key("template");
        let text = self.reader.text(&key)?;
        let template = Template::parse(&text);
        if template.is_none() {
            self.reader
                .wrong(&key, &text, "name at least one {source}, with both braces");
        }
        template.map(Source::Template)
    }

    /// Scripts of `attribute/` see the user and the relying party, which is what there is.
    fn script(&mut self) -> Option<Source> {
        let key = self.key("script");
        let script = self.reader.script(&key)?;
        if !script.0.starts_with("attribute/") {
            let found = format!("script:{script}");
            let fix = "move it there, and write script:attribute/NAME";
            self.reader
                .error(&key, found, "a script below scripts/attribute/", fix);
            return None;
        }
        Some(Source::Script(script))
    }

    fn pairwise(&mut self, named: &[String], salt: Option<&Salt>) -> Option<Source> {
        let key = self.key("pairwise");
        let usual = self.reader.list("idp.persistentId.sourceAttribute");
        let source = named.first().or(usual.first()).cloned();
        let wanted = match self.reader.flag(&key) {
            Some(wanted) => wanted,
            None => self.id == "pairwise-id" && salt.is_some() && source.is_some(),
        };
        if !wanted {
            return None;
        }
        let (Some(source), Some(salt)) = (source, salt) else {
            let found = "true without a salt or without a source";
            let expected = "a secret and an attribute that never changes";
            let fix = "set idp.persistentId.salt and idp.persistentId.sourceAttribute";
            self.reader.error(&key, found, expected, fix);
            return None;
        };
        Some(Source::Pairwise(source, salt.clone()))
    }

    fn regex(&mut self) -> Option<Rewrite> {
        let key = self.key("regex");
        let replacement = self.reader.text(&self.key("replacement"))?;
        let pattern = pattern(self.reader, &key)?;
        Some(Rewrite::Regex {
            pattern,
            replacement,
        })
    }

    fn map(&mut self) -> Option<Rewrite> {
        let key = self.key("map");
        let pairs = self.reader.list(&key);
        let mut entries = BTreeMap::new();
        let mut otherwise = Otherwise::Drop;
        for pair in &pairs {
            match pair
                .split_once('=')
                .map(|(from, to)| (from.trim(), to.trim()))
            {
                Some(("*", "*")) => otherwise = Otherwise::Keep,
                Some(("*", to)) => otherwise = Otherwise::Become(to.to_owned()),
                Some((from, to)) => drop(entries.insert(from.to_owned(), to.to_owned())),
                None => self.reader.wrong(&key, pair, "write FROM=TO"),
            }
        }
        (!pairs.is_empty()).then_some(Rewrite::Map { entries, otherwise })
    }
}

/// An expression that compiles.
pub(super) fn pattern(reader: &mut Reader<'_>, key: &str) -> Option<Pattern> {
    let text = reader.text(key)?;
    match Pattern::new(&text) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let reason = reason.lines().last().unwrap_or_default().trim();
            let fix = reason.strip_prefix("error: ").unwrap_or(reason).to_owned();
            reader.wrong(key, &text, fix);
            None
        }
    }
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
