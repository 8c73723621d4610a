//! The one table of keys: what can be set, of which type, with which default, and what it means.
//! The documentation and the commented files under `conf/` are made from it.

pub mod document;
mod pattern;

use crate::config::nearest::{distance, nearest};
use std::sync::OnceLock;

/// One key, or a family of keys when the name holds `{NAME}`-like parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name as operators write it.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What holds when it is not set.
    pub fallback: Fallback,
    /// What it does, one or two sentences.
    pub meaning: &'static str,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is never repeated in messages.
    Secret,
    /// An absolute URI.
    Uri,
    /// An absolute http or https URL.
    Url,
    /// A host, perhaps with a port.
    Host,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// A number that may be negative.
    Number,
    /// ISO-8601, longer than nothing.
    Duration,
    /// A day.
    Date,
    /// Bytes, with K, M or G.
    Size,
    /// A file that is read at start.
    File,
    /// A file or folder that is used later.
    Path,
    /// A comma list.
    List,
    /// A comma list of networks.
    Networks,
    /// A comma list of class URIs.
    Classes,
    /// A comma list of `saml2/` + class URI.
    Principals,
    /// Names of flows.
    Flows,
    /// `script:NAME`.
    Script,
    /// `true`, `false` or `script:NAME`.
    Condition,
    /// What a transition leads to.
    Target,
    /// An audit format.
    Format,
    /// Where state lives.
    Storage,
    /// One of these words, separated by blanks.
    Choice(&'static str),
}

/// What holds when a key is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It must be set.
    Required,
    /// Nothing.
    None,
    /// This value, which may hold placeholders.
    Value(&'static str),
    /// Something worked out from other settings, in words.
    Computed(&'static str),
}

/// The keys of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The file they belong to. It is a habit: every file is read for every key.
    pub file: &'static str,
    /// What the file is about.
    pub title: &'static str,
    /// Its keys in order.
    pub keys: Vec<Key>,
    /// The lines a new home starts with: (after which key, line).
    pub shipped: Vec<(&'static str, &'static str)>,
}

/// What a name found in a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Checked and obeyed.
    Ours(&'static Key),
    /// A name of Shibboleth's, or of a later version of ours, that does nothing here.
    NotImplemented,
    /// Nobody's name.
    Unknown {
        /// The nearest known one.
        nearest: Option<&'static str>,
    },
}

/// Every group, in the order of the documentation.
pub fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| parse(include_str!("ours.table")))
}

/// Names we know and do not implement: (where they come from, names).
pub fn not_implemented() -> &'static [(&'static str, Vec<&'static str>)] {
    static NAMES: OnceLock<Vec<(&'static str, Vec<&'static str>)>> = OnceLock::new();
    NAMES.get_or_init(|| parse_names(include_str!("not-implemented.table")))
}

/// The key that a name stands for; a whole name goes before a family.
pub fn find(name: &str) -> Option<&'static Key> {
    let keys = || groups().iter().flat_map(|group| &group.keys);
    keys()
        .find(|key| key.name == name)
        .or_else(|| keys().find(|key| pattern::matches(key.name, name)))
}

/// What a name is.
pub fn classify(name: &str) -> Class {
    if let Some(key) = find(name) {
        return Class::Ours(key);
    }
    let mut others = not_implemented().iter().flat_map(|(_, names)| names);
    match others.find(|known| pattern::matches(known, name)) {
        Some(known) if *known == name || slip(name).is_none() => Class::NotImplemented,
        // A whole family of names that do nothing must not hide a slip in one that does.
        Some(_) => Class::Unknown {
            nearest: slip(name),
        },
        None => Class::Unknown {
            nearest: nearest(name, known_names()),
        },
    }
}

/// The key of ours that a name misses by a letter or two.
fn slip(name: &str) -> Option<&'static str> {
    nearest(name, known_names()).filter(|near| find(near).is_some() && distance(name, near) <= 2)
}

/// Every name that a misspelt one may have meant.
fn known_names() -> impl Iterator<Item = &'static str> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let expand = || {
        let ours = groups().iter().flat_map(|group| &group.keys);
        let names = ours.map(|key| key.name);
        let others = not_implemented()
            .iter()
            .flat_map(|(_, names)| names)
            .copied();
        names.chain(others).flat_map(pattern::expand).collect()
    };
    NAMES.get_or_init(expand).iter().map(String::as_str)
}

impl Kind {
    /// In words, for messages and documentation.
    pub fn describe(self) -> String {
        let words = match self {
            Self::Text => "text",
            Self::Secret => "a secret",
            Self::Uri => "an absolute URI",
            Self::Url => "an absolute URL",
            Self::Host => "a host name without scheme, perhaps with a port",
            Self::Flag => "true or false",
            Self::Count => "a whole number",
            Self::Number => "a number",
            Self::Duration => "an ISO-8601 duration such as PT5M",
            Self::Date => "a date such as 2027-06-30",
            Self::Size => "a number of bytes, perhaps with K, M or G",
            Self::File => "a file",
            Self::Path => "a path",
            Self::List => "a comma list",
            Self::Networks => "a comma list of networks such as 192.0.2.0/24",
            Self::Classes => "a comma list of class URIs",
            Self::Principals => "a comma list of saml2/ and a class URI",
            Self::Flows => "names of flows, separated by |",
            Self::Script => "script:NAME",
            Self::Condition => "true, false or script:NAME",
            Self::Target => "a flow, script:NAME, end, fail or fail:EVENT",
            Self::Format => "an audit format",
            Self::Storage => "memory:, redb:PATH, redis://..., rediss://... or postgres://...",
            Self::Choice(words) => return format!("one of {}", words.replace(' ', ", ")),
        };
        words.to_owned()
    }

    fn named(word: &'static str) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "secret" => Self::Secret,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "host" => Self::Host,
            "flag" => Self::Flag,
            "count" => Self::Count,
            "number" => Self::Number,
            "duration" => Self::Duration,
            "date" => Self::Date,
            "size" => Self::Size,
            "file" => Self::File,
            "path" => Self::Path,
            "list" => Self::List,
            "networks" => Self::Networks,
            "classes" => Self::Classes,
            "principals" => Self::Principals,
            "flows" => Self::Flows,
            "script" => Self::Script,
            "condition" => Self::Condition,
            "target" => Self::Target,
            "format" => Self::Format,
            "storage" => Self::Storage,
            other => Self::Choice(other.strip_prefix("choice ")?),
        })
    }
}

fn parse(table: &'static str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(heading) = line.strip_prefix("## ") {
            groups.push(group(heading));
            continue;
        }
        let group = groups.last_mut().expect("the table begins with a heading");
        match line.strip_prefix("> ") {
            Some(shipped) => {
                let after = group.keys.last().expect("a shipped line follows its key");
                group.shipped.push((after.name, shipped));
            }
            None => group.keys.push(row(line)),
        }
    }
    groups
}

fn group(heading: &'static str) -> Group {
    let (file, title) = heading
        .split_once(" | ")
        .expect("a heading is FILE | TITLE");
    Group {
        file,
        title,
        keys: Vec::new(),
        shipped: Vec::new(),
    }
}

fn row(line: &'static str) -> Key {
    let cells: Vec<&'static str> = line.splitn(4, " | ").collect();
    let [name, kind, fallback, meaning] = cells[..] else {
        panic!("a row of the key table is NAME | KIND | DEFAULT | MEANING: {line}");
    };
    Key {
        name,
        kind: Kind::named(kind).expect("the key table names known kinds"),
        fallback: match fallback {
            "required" => Fallback::Required,
            "none" => Fallback::None,
            words if words.starts_with('(') => Fallback::Computed(words.trim_matches(['(', ')'])),
            value => Fallback::Value(value),
        },
        meaning,
    }
}

fn parse_names(table: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(heading) = line.strip_prefix("## ") {
            groups.push((heading, Vec::new()));
        } else if let Some((_, names)) = groups.last_mut() {
            names.extend(line.split_whitespace());
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_parses_and_is_named_once() {
        let mut names: Vec<&str> = groups()
            .iter()
            .flat_map(|group| &group.keys)
            .map(|key| key.name)
            .collect();
        let all = names.len();
        assert!(all > 100);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn no_key_is_both_implemented_and_not() {
        for name in not_implemented().iter().flat_map(|(_, names)| names) {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn a_family_matches_its_members_and_a_whole_name_goes_first() {
        let key = find("idp.authn.Password.passiveAuthenticationSupported").unwrap();
        assert_eq!(key.fallback, Fallback::Value("true"));
        let key = find("idp.authn.DuoOIDC.passiveAuthenticationSupported").unwrap();
        assert_eq!(key.fallback, Fallback::Value("false"));
        assert!(find("idp.authn.Kerberos.passiveAuthenticationSupported").is_none());
    }

    #[test]
    fn a_shibboleth_key_is_known_and_a_slip_is_not() {
        assert_eq!(
            classify("idp.consent.userStorageKey"),
            Class::NotImplemented
        );
        assert_eq!(
            classify("idp.entityId"),
            Class::Unknown {
                nearest: Some("idp.entityID")
            }
        );
        assert_eq!(
            classify("idp.authn.DuoOIDC.lifetme"),
            Class::Unknown {
                nearest: Some("idp.authn.DuoOIDC.lifetime")
            }
        );
    }
}
