//! Typed reading of values: every wrong one becomes a finding with its place, and reading goes on.

use crate::authn::strategy::ScriptName;
use crate::config::error::ConfigError;
use crate::config::keys::{self, Fallback, Key, Kind};
use crate::config::raw::Raw;
use crate::config::value;
use crate::config::values::{Problem, Values};
use crate::saml::context::AuthnContextClassRef;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads settings and collects what is wrong with them. A method whose value is wrong or missing
/// has recorded that and returns `None`.
pub(super) struct Reader<'a> {
    pub(super) raw: &'a Raw,
    pub(super) values: Values,
    pub(super) findings: Vec<ConfigError>,
    read: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a Raw, values: Values, findings: Vec<ConfigError>) -> Self {
        Self {
            raw,
            values,
            findings,
            read: BTreeSet::new(),
        }
    }

    /// The text of a key, written or by default.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let row = row(key);
        self.read.insert(row.name.to_owned());
        match self.values.value(key) {
            Ok(Some(text)) => Some(text),
            Ok(None) => {
                if row.fallback == Fallback::Required {
                    self.required(key, row);
                }
                None
            }
            Err(problem) => {
                self.problem(key, &problem);
                None
            }
        }
    }

    /// A duration longer than nothing.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.parsed(key, |text| value::duration(text).filter(|d| !d.is_zero()))
    }

    /// A flag.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, value::flag)
    }

    /// A whole number.
    pub(super) fn count<T: std::str::FromStr>(&mut self, key: &str) -> Option<T> {
        self.parsed(key, |text| text.parse().ok())
    }

    /// Bytes.
    pub(super) fn size(&mut self, key: &str) -> Option<u64> {
        self.parsed(key, value::size)
    }

    /// A comma list; empty when not set.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        self.text(key)
            .map(|text| value::list(&text))
            .unwrap_or_default()
    }

    /// A comma list that must hold something.
    pub(super) fn required_list(&mut self, key: &str) -> Vec<String> {
        let list = self.list(key);
        if list.is_empty() && self.values.written(key).is_some() {
            self.wrong(key, "", "name at least one");
        }
        list
    }

    /// One of the words the table lists.
    pub(super) fn choice(&mut self, key: &str) -> Option<String> {
        let Kind::Choice(words) = row(key).kind else {
            unreachable!("choice is only asked of keys that list their words")
        };
        self.parsed(key, |text| {
            words
                .split(' ')
                .find(|word| *word == text)
                .map(str::to_owned)
        })
    }

    /// A path; a relative one is below the home.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        Some(self.below_home(Path::new(&text)))
    }

    /// The path itself when it is absolute, else below the home.
    pub(super) fn below_home(&self, path: &Path) -> PathBuf {
        Path::new(&self.raw.home).join(path)
    }

    /// A comma list of networks; an address alone is a network of one.
    pub(super) fn networks(&mut self, key: &str) -> Vec<IpNet> {
        let parse = |text: &str| {
            let network = text.parse::<IpNet>().ok();
            network.or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
        };
        self.each(key, parse)
    }

    /// A comma list of class URIs; the prefix `saml2/` may be there.
    pub(super) fn classes(&mut self, key: &str) -> Vec<AuthnContextClassRef> {
        self.each(key, |text| {
            let uri = text.strip_prefix("saml2/").unwrap_or(text);
            is_uri(uri).then(|| AuthnContextClassRef::new(uri))
        })
    }

    /// A comma list of principals. Those of other kinds are left out with a warning.
    pub(super) fn principals(&mut self, key: &str) -> Vec<AuthnContextClassRef> {
        let mut classes = Vec::new();
        for text in self.list(key) {
            match value::principal(&text) {
                value::Principal::Class(class) if is_uri(class.as_str()) => classes.push(class),
                value::Principal::Class(_) | value::Principal::Unprefixed => {
                    let fix = format!("write saml2/ and the class URI instead of {text}");
                    self.wrong(key, &text, fix);
                }
                value::Principal::Unusable => self.warn(
                    key,
                    format!("{text}, of a kind that is not used here"),
                    "remove it; only saml2/ classes count",
                ),
            }
        }
        classes
    }

    /// `script:NAME` of a script that exists.
    pub(super) fn script(&mut self, key: &str) -> Option<ScriptName> {
        let text = self.text(key)?;
        let Some(name) = value::script(&text) else {
            self.wrong(key, &text, "write script: and the script's name");
            return None;
        };
        self.existing_script(key, name)
    }

    /// The name of a script that exists below `scripts/`.
    pub(super) fn existing_script(&mut self, key: &str, name: &str) -> Option<ScriptName> {
        let path = format!("scripts/{name}.rhai");
        if self.raw.files.contains_key(&path) {
            return Some(ScriptName(name.to_owned()));
        }
        let scripts = self.raw.files.keys().filter_map(|path| {
            let below = path.strip_prefix("scripts/")?;
            below.strip_suffix(".rhai")
        });
        let fix = match crate::config::nearest::nearest(name, scripts) {
            Some(near) => format!("did you mean script:{near}?"),
            None => format!("write the file {path}"),
        };
        let finding = self
            .finding(key)
            .found(format!("script:{name}, which does not exist"))
            .expected("a script below scripts/")
            .fix(fix);
        self.findings.push(finding);
        None
    }

    /// The contents of a file that a key names, if it is set.
    pub(super) fn file(&mut self, key: &str) -> Option<Vec<u8>> {
        let path = self.text(key)?;
        if let Some(contents) = self.raw.file(&path) {
            return Some(contents.to_vec());
        }
        let finding = self
            .finding(key)
            .found_value(&path)
            .found(format!("no readable file at {path}"))
            .expected(row(key).kind.describe())
            .fix("correct the path, or make the file readable");
        self.findings.push(finding);
        None
    }

    /// A value parsed, or a finding that it is of the wrong kind.
    pub(super) fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let parsed = parse(&text);
        // A default comes from another key, which is read for itself and reported there.
        if parsed.is_none() && self.values.written(key).is_some() {
            self.wrong(key, &text, format!("write {}", row(key).kind.describe()));
        }
        parsed
    }

    fn each<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut values = Vec::new();
        for text in self.list(key) {
            match parse(&text) {
                Some(value) => values.push(value),
                None => self.wrong(key, &text, format!("correct or remove {text}")),
            }
        }
        values
    }

    /// Records that a value is of the wrong kind.
    pub(super) fn wrong(&mut self, key: &str, text: &str, fix: impl Into<String>) {
        let row = row(key);
        let finding = self.finding(key).expected(row.kind.describe()).fix(fix);
        let finding = match row.kind {
            Kind::Secret => finding.found("a value (not shown)"),
            _ => finding.found_value(text),
        };
        self.findings.push(finding);
    }

    /// Records an error in other words than the kind's own.
    pub(super) fn error(
        &mut self,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let finding = self.finding(key).found(found).expected(expected).fix(fix);
        self.findings.push(finding);
    }

    /// Records a warning.
    pub(super) fn warn(&mut self, key: &str, found: impl Into<String>, fix: impl Into<String>) {
        let (file, line) = self.place(key);
        let finding = ConfigError::warning(key)
            .at(&file, line)
            .found(found)
            .expected("something that takes effect")
            .fix(fix);
        self.findings.push(finding);
    }

    /// An error at the place where a key was written, or where it would belong.
    pub(super) fn finding(&self, key: &str) -> ConfigError {
        let (file, line) = self.place(key);
        ConfigError::error(key).at(&file, line)
    }

    fn place(&self, key: &str) -> (String, usize) {
        match self.values.written(key) {
            Some(placed) => (placed.file.clone(), placed.line),
            None => (usual_file(key).to_owned(), 0),
        }
    }

    fn required(&mut self, key: &str, row: &Key) {
        let finding = self
            .finding(key)
            .found("no value")
            .expected(row.kind.describe())
            .fix(format!("add the line `{key} = ...`"));
        self.findings.push(finding);
    }

    /// A default that leans on a key without a value is not reported: that key is.
    fn problem(&mut self, key: &str, problem: &Problem) {
        if self.values.written(key).is_none() {
            return;
        }
        let (found, fix) = match problem {
            Problem::Unknown(name) => (
                format!("%{{{name}}}, which is set nowhere"),
                format!("set {name}, or write %{{{name}:default}}"),
            ),
            Problem::Unset(name) => (
                format!("%{{{name}}}, which has no value"),
                format!("set {name}"),
            ),
            Problem::Cycle(name) => (
                format!("%{{{name}}}, which leads back to itself"),
                "break the circle of placeholders".to_owned(),
            ),
            Problem::Unclosed => (
                "%{ without its closing brace".to_owned(),
                "close the placeholder with }".to_owned(),
            ),
        };
        self.error(key, found, "placeholders that can be resolved", fix);
    }

    /// Which rows of the table have been read.
    #[cfg(test)]
    pub(super) fn rows_read(&self) -> &BTreeSet<String> {
        &self.read
    }
}

/// An absolute URI: a scheme, a colon, something, no blanks.
pub(super) fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').filter(|(_, rest)| !rest.is_empty());
    scheme.is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    }) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn row(key: &str) -> &'static Key {
    keys::find(key).expect("only keys of the table are read")
}

fn usual_file(key: &str) -> &'static str {
    let row = row(key);
    keys::groups()
        .iter()
        .find(|group| group.keys.contains(row))
        .map_or("", |group| group.file)
}
