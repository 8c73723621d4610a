//! Who gets which attributes.

use super::{attributes, audience};
use crate::attribute::{Bundle, ReleaseRule, Requested, STANDARD, bundle, standard};
use crate::config::nearest::nearest;
use crate::config::reader::Reader;
use std::collections::{BTreeMap, BTreeSet};

const FAMILY: &str = "vestibule.release.";

/// Every rule; `defined` are the attributes that have keys of their own.
pub(super) fn read(reader: &mut Reader<'_>, defined: &BTreeSet<String>) -> Vec<ReleaseRule> {
    let names = reader.values.names_under(FAMILY);
    names
        .iter()
        .map(|name| Section { reader, name }.rule(defined))
        .collect()
}

/// The keys of one rule.
struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'r str,
}

impl Section<'_, '_> {
    fn key(&self, part: &str) -> String {
        format!("{FAMILY}{}.{part}", self.name)
    }

    fn rule(mut self, defined: &BTreeSet<String>) -> ReleaseRule {
        let chosen = self.reader.choice(&self.key("bundle"));
        let chosen = chosen.and_then(|name| bundle(&name));
        ReleaseRule {
            name: self.name.to_owned(),
            to: self.to(chosen),
            only: audience::read(self.reader, &self.key("only")),
            attributes: self.attributes(chosen, defined),
            values: self.values(),
            requested: self.requested(chosen),
            subject_id_requirement: self.flag("subjectIdRequirement"),
            deny: self.flag("deny"),
        }
    }

    fn flag(&mut self, part: &str) -> bool {
        let key = self.key(part);
        self.reader.flag(&key).unwrap_or_default()
    }

    fn to(&mut self, chosen: Option<&Bundle>) -> Vec<crate::policy::audience::Audience> {
        let key = self.key("to");
        let written = self.reader.values.written(&key).is_some();
        match chosen {
            Some(bundle) if !written => vec![audience::category(bundle.category)],
            _ => {
                if self.reader.list(&key).is_empty() && !self.is_named_elsewhere() {
                    let found = "nobody the rule is for";
                    let fix = format!("add the line `{key} = ...`");
                    self.reader.error(&key, found, "relying parties", fix);
                }
                audience::read(self.reader, &key)
            }
        }
    }

    /// A relying party may name the rule for itself.
    fn is_named_elsewhere(&mut self) -> bool {
        let overrides = self.reader.values.names_under("vestibule.rp.");
        overrides.iter().any(|name| {
            let named = self.reader.list(&format!("vestibule.rp.{name}.attributes"));
            named.iter().any(|rule| rule == self.name)
        })
    }

    fn attributes(&mut self, chosen: Option<&Bundle>, defined: &BTreeSet<String>) -> Vec<String> {
        let key = self.key("attributes");
        let written = self.reader.list(&key);
        if written.is_empty() {
            let of_bundle = chosen.map_or(&[][..], |bundle| bundle.attributes);
            if of_bundle.is_empty() {
                let fix = format!("add the line `{key} = ...`");
                self.reader
                    .error(&key, "no attribute", "names of attributes", fix);
            }
            return of_bundle.iter().map(|id| (*id).to_owned()).collect();
        }
        let (known, unknown): (Vec<String>, Vec<String>) = written
            .into_iter()
            .partition(|id| defined.contains(id) || standard(id).is_some());
        for id in unknown {
            self.unknown(&key, &id, defined);
        }
        known
    }

    fn unknown(&mut self, key: &str, id: &str, defined: &BTreeSet<String>) {
        let well_known = STANDARD.iter().map(|standard| standard.id);
        let known = defined.iter().map(String::as_str).chain(well_known);
        let fix = match nearest(id, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("define vestibule.attribute.{}.oid", id.escape_debug()),
        };
        let found = format!("\"{}\"", id.escape_debug());
        let expected = "attributes that are defined or well known";
        self.reader.error(key, found, expected, fix);
    }

    fn values(&mut self) -> BTreeMap<String, crate::attribute::Pattern> {
        let family = self.key("values.");
        let names = self.reader.values.names_under(&family);
        names
            .into_iter()
            .filter_map(|id| {
                let pattern = attributes::pattern(self.reader, &format!("{family}{id}"))?;
                Some((id, pattern))
            })
            .collect()
    }

    fn requested(&mut self, chosen: Option<&Bundle>) -> Requested {
        match self.reader.choice(&self.key("requested")).as_deref() {
            Some("any") => Requested::Any,
            Some("required") => Requested::Required,
            Some(_) => Requested::Ignore,
            None => chosen.map_or(Requested::Ignore, |bundle| bundle.requested),
        }
    }
}
