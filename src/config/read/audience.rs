//! Whom overrides and release rules are for, as operators write it.

use crate::config::nearest::nearest;
use crate::config::reader::Reader;
use crate::policy::audience::{Audience, ENTITY_CATEGORY};
use crate::policy::lists;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where scripts about relying parties live.
const SCRIPTS: &str = "relying-party/";

/// The words that stand before a colon, besides the schemes of entityIDs.
const KEYWORDS: [&str; 7] = [
    "list",
    "script",
    "category",
    "attribute",
    "registrationAuthority",
    "group",
    "tag",
];

/// The audiences a key lists; what is wrong is recorded and left out.
pub(super) fn read(reader: &mut Reader<'_>, key: &str) -> Vec<Audience> {
    let texts = reader.list(key);
    texts
        .iter()
        .filter_map(|text| audience(reader, key, text))
        .collect()
}

/// Relying parties of this entity category.
pub(super) fn category(uri: &str) -> Audience {
    Audience::Attribute {
        name: ENTITY_CATEGORY.to_owned(),
        value: uri.to_owned(),
    }
}

fn audience(reader: &mut Reader<'_>, key: &str, text: &str) -> Option<Audience> {
    let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let read = match kind {
        "*" if rest.is_empty() => Some(Audience::Everyone),
        "list" => return list(reader, key, rest),
        "script" => return script(reader, key, rest),
        "category" => owned(rest).map(|uri| category(&uri)),
        "attribute" => rest
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .map(|(name, value)| Audience::Attribute {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
        "registrationAuthority" => owned(rest).map(Audience::RegistrationAuthority),
        "group" => owned(rest).map(Audience::Group),
        "tag" => owned(rest).map(Audience::Tag),
        // A slip in a keyword must not become an entityID that nobody has.
        _ if nearest(kind, KEYWORDS).is_some() || text.is_empty() => None,
        _ => Some(Audience::Entity(text.to_owned())),
    };
    if read.is_none() {
        let meant = nearest(kind, KEYWORDS).unwrap_or(kind);
        reader.wrong(key, text, format!("write {meant}: and what it must be"));
    }
    read
}

fn list(reader: &mut Reader<'_>, key: &str, name: &str) -> Option<Audience> {
    let path = format!("conf/lists/{name}.txt");
    if let Some(contents) = reader.raw.files.get(&path) {
        let entries = lists::parse(&String::from_utf8_lossy(contents));
        return Some(Audience::List {
            name: name.to_owned(),
            entries: Arc::new(entries.into_iter().collect::<BTreeSet<_>>()),
        });
    }
    let known = reader.raw.files.keys().filter_map(|path| {
        let below = path.strip_prefix("conf/lists/")?;
        below.strip_suffix(".txt")
    });
    let fix = match nearest(name, known) {
        Some(near) => format!("did you mean list:{near}?"),
        None => format!("write the file {path}"),
    };
    let found = format!("list:{}, which does not exist", name.escape_debug());
    reader.error(key, found, "a list below conf/lists/", fix);
    None
}

/// Such a script is asked once for all logins, so it lives where scripts see nothing that changes.
fn script(reader: &mut Reader<'_>, key: &str, name: &str) -> Option<Audience> {
    if !name.starts_with(SCRIPTS) {
        let found = format!("script:{}", name.escape_debug());
        let expected = format!("a script below scripts/{SCRIPTS}");
        let fix = format!("move it there, and write script:{SCRIPTS}NAME");
        reader.error(key, found, expected, fix);
        return None;
    }
    reader.existing_script(key, name).map(Audience::Script)
}
