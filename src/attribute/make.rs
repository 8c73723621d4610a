//! From a user's record to an attribute's values.

use crate::attribute::pairwise::{PAIRWISE_ID, SUBJECT_ID, pairwise_id, subject_id};
use crate::attribute::source::{Merge, Source};
use crate::attribute::{Definition, GROUPS, KEY, LOGIN, Subject};
use crate::authn::event::Event;
use crate::authn::facts::{FactKey, FactValue, RequestFacts};
use crate::authn::strategy::{Decision, ScriptName, View};
use std::collections::BTreeMap;

/// An attribute's values, and what became of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Values that can be sent.
    pub values: Vec<String>,
    /// Values that cannot, and why.
    pub unusable: Vec<Unusable>,
}

/// Why a value is never sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It cannot stand in an XML document.
    Characters,
    /// It is no identifier of the subject identifier profile.
    Syntax,
    /// The script failed: the reason, safe to log.
    Script(String),
}

impl Definition {
    /// The attribute's values for this subject.
    pub(super) fn make(&self, subject: &Subject<'_>) -> Made {
        let mut made = Made::default();
        let found = match self.found(subject) {
            Ok(found) => found,
            Err(reason) => {
                made.unusable.push(Unusable::Script(reason));
                return made;
            }
        };
        for value in found {
            let Some(value) = self.rewritten(value) else {
                continue;
            };
            match self.usable(&value) {
                Ok(()) if made.values.contains(&value) => {}
                Ok(()) => made.values.push(value),
                Err(unusable) => made.unusable.push(unusable),
            }
        }
        made
    }

    fn found(&self, subject: &Subject<'_>) -> Result<Vec<String>, String> {
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        Ok(match &self.source {
            Source::Named(names, Merge::All) => {
                let all = names.iter().flat_map(|name| subject.values(name));
                owned(all.collect())
            }
            Source::Named(names, Merge::First) => {
                let mut each = names.iter().map(|name| subject.values(name));
                owned(each.find(|values| !values.is_empty()).unwrap_or_default())
            }
            Source::Constant(values) => values.clone(),
            Source::Template(template) => template.fill(|name| subject.values(name)),
            Source::Script(script) => subject.ask(script)?,
            Source::Pairwise(source, salt) => {
                let first = subject.values(source).into_iter().next();
                let scope = self.scope.as_deref().unwrap_or_default();
                let id = first.and_then(|value| pairwise_id(&subject.rp.id, value, scope, salt));
                id.into_iter().collect()
            }
        })
    }

    fn rewritten(&self, value: String) -> Option<String> {
        let rewritten = self
            .rewrites
            .iter()
            .try_fold(value, |value, rewrite| rewrite.apply(&value))
            .filter(|value| !value.is_empty())?;
        Some(match &self.scope {
            Some(scope) if !rewritten.contains('@') => format!("{rewritten}@{scope}"),
            _ => rewritten,
        })
    }

    fn usable(&self, value: &str) -> Result<(), Unusable> {
        if !fits_xml(value) {
            return Err(Unusable::Characters);
        }
        let subject_identifier = [SUBJECT_ID, PAIRWISE_ID].contains(&self.name.as_str());
        if subject_identifier && !is_subject_identifier(value) {
            return Err(Unusable::Syntax);
        }
        Ok(())
    }
}

impl<'a> Subject<'a> {
    /// The values of a column, of the user's name, or of a fact of the login.
    pub(super) fn values(&self, name: &str) -> Vec<&'a str> {
        let record = if name.starts_with(LOGIN) {
            self.login
        } else {
            self.record
        };
        let found = record.get(name).map_or(&[][..], Vec::as_slice);
        let present = found.iter().filter(|value| !value.is_empty());
        let values: Vec<&str> = present.map(String::as_str).collect();
        if values.is_empty() && name == KEY {
            return vec![self.username];
        }
        values
    }

    fn ask(&self, script: &ScriptName) -> Result<Vec<String>, String> {
        let mut all = self.record.clone();
        all.extend(self.login.clone());
        let groups = GROUPS.iter().find_map(|column| self.record.get(*column));
        let groups = groups.map_or(FactValue::Unknown, |groups| {
            FactValue::Attributes(BTreeMap::from([("groups".to_owned(), groups.clone())]))
        });
        let fetched = BTreeMap::from([
            (FactKey::UserAttributes, FactValue::Attributes(all)),
            (FactKey::UserGroups, groups),
        ]);
        let view = View {
            rp: self.rp,
            request: &RequestFacts::default(),
            username: Some(self.username),
            results: &BTreeMap::new(),
            acceptable: true,
            event: Event::Proceed,
            attempts: &BTreeMap::new(),
            fetched: &fetched,
            now: self.now,
        };
        match self.strategies.attribute(script, &view) {
            Decision::Made(values, _) => Ok(values),
            Decision::Needs(_) => Err("it asks for a fact that attributes do not have".to_owned()),
            Decision::Failed(reason) => Err(reason),
        }
    }
}

/// Whether XML 1.0 can carry every character (production Char).
fn fits_xml(value: &str) -> bool {
    !value.chars().any(|c| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

/// Subject Identifier Attributes 1.0 2.2.1.
fn is_subject_identifier(value: &str) -> bool {
    let parts = value.split_once('@');
    parts.is_some_and(|(unique, scope)| subject_id(unique, scope).is_some())
}
