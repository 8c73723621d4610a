//! Named lists: `conf/lists/NAME.txt`, one entry a line.

use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The entries of a list file: one a line, `#` at a line's start or after a blank begins a
/// comment (entity ids may hold one inside), blank lines are skipped.
pub fn parse(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(|line| entry(line).trim())
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn entry(line: &str) -> &str {
    let comment = line
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || line[..at].ends_with([' ', '\t'])));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// All lists by name.
#[derive(Debug, Default)]
pub(super) struct Lists(BTreeMap<String, Arc<List>>);

impl Lists {
    pub(super) fn new(lists: &BTreeMap<String, Vec<String>>) -> Self {
        Self(
            lists
                .iter()
                .map(|(name, entries)| (name.clone(), Arc::new(List::new(name, entries))))
                .collect(),
        )
    }

    /// These lists with some of them replaced.
    pub(super) fn with(&self, replaced: &BTreeMap<String, Vec<String>>) -> Self {
        let mut lists = self.0.clone();
        lists.extend(Self::new(replaced).0);
        Self(lists)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<List>> {
        self.0.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// One list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) name: String,
    entries: BTreeSet<String>,
    networks: Option<Vec<IpNet>>,
}

impl List {
    fn new(name: &str, entries: &[String]) -> Self {
        Self {
            name: name.to_owned(),
            entries: entries.iter().cloned().collect(),
            networks: entries.iter().map(|entry| network(entry)).collect(),
        }
    }

    pub(super) fn contains(&self, entry: &str) -> bool {
        self.entries.contains(entry)
    }

    /// The entries as networks; `None` when one of them is something else.
    pub(super) fn networks(&self) -> Option<&[IpNet]> {
        self.networks.as_deref()
    }
}

/// A CIDR, or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_entries() {
        let text = "\u{feff}# who needs MFA\nhttps://a.example.org/sp\n\n  https://b.example.org/#app  # payroll\r\n";
        assert_eq!(
            parse(text),
            ["https://a.example.org/sp", "https://b.example.org/#app"]
        );
    }

    #[test]
    fn a_list_with_one_other_entry_is_no_list_of_networks() {
        let of = |entries: &[&str]| {
            let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
            List::new("x", &entries).networks().map(<[IpNet]>::len)
        };
        assert_eq!(of(&["10.0.0.0/8", "2001:db8::1"]), Some(2));
        assert_eq!(of(&["10.0.0.0/8", "campus"]), None);
    }
}
