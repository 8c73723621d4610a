//! Texts by language: the program's own, then the operator's over them.

use java_properties::{LineContent, PropertiesIter};
use minijinja::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The language whose texts stand in for missing ones.
const BASE: &str = "en";

const BUILT_IN: [(&str, &str); 2] = [
    (
        "messages.properties",
        include_str!("../../../messages/messages.properties"),
    ),
    (
        "messages_de.properties",
        include_str!("../../../messages/messages_de.properties"),
    ),
];

/// Every language's texts, ready for the templates.
#[derive(Debug)]
pub struct Messages {
    languages: Vec<Language>,
    fallback: usize,
}

/// One language.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its tag, such as `de`.
    pub tag: String,
    /// The texts: shared, so that a page costs no copy.
    pub texts: Value,
}

type Texts = BTreeMap<String, String>;

impl Messages {
    /// Reads `messages/messages*.properties` of the home over the built-in texts.
    pub fn load(folder: &Path, fallback_languages: &[String]) -> Result<Self, String> {
        let mut by_tag: BTreeMap<String, Texts> = BTreeMap::new();
        for (name, content) in BUILT_IN {
            let texts = by_tag.entry(tag(name).unwrap_or_default()).or_default();
            texts.extend(parse(name, content)?);
        }
        for (name, content) in overrides(folder)? {
            if let Some(tag) = tag(&name) {
                let texts = by_tag.entry(tag).or_default();
                texts.extend(parse(&name, &content)?);
            }
        }
        Ok(Self::new(&by_tag, fallback_languages))
    }

    fn new(by_tag: &BTreeMap<String, Texts>, fallback_languages: &[String]) -> Self {
        let base = by_tag.get(BASE).cloned().unwrap_or_default();
        let languages: Vec<Language> = by_tag
            .iter()
            .map(|(tag, texts)| {
                let mut complete = base.clone();
                complete.extend(texts.clone());
                Language {
                    tag: tag.clone(),
                    texts: Value::from(complete),
                }
            })
            .collect();
        let find = |tag: &str| languages.iter().position(|language| language.tag == tag);
        let fallback = fallback_languages.iter().find_map(|tag| find(tag));
        let fallback = fallback.or_else(|| find(BASE)).unwrap_or(0);
        Self {
            languages,
            fallback,
        }
    }

    /// The best language for an `Accept-Language` header (RFC 9110 12.5.4).
    pub fn negotiate(&self, accept_language: &str) -> &Language {
        let mut wanted: Vec<(&str, u16)> = accept_language
            .split(',')
            .take(16)
            .filter_map(weighted)
            .collect();
        wanted.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
        wanted
            .into_iter()
            .find_map(|(tag, _)| self.closest(tag))
            .unwrap_or(&self.languages[self.fallback])
    }

    fn closest(&self, wanted: &str) -> Option<&Language> {
        let primary = wanted.split('-').next().unwrap_or(wanted);
        let find = |tag: &str| {
            let mut languages = self.languages.iter();
            languages.find(|language| language.tag.eq_ignore_ascii_case(tag))
        };
        find(wanted).or_else(|| find(primary))
    }
}

/// `de-AT;q=0.8` as tag and thousandths; none for quality 0, `*` and nonsense.
fn weighted(range: &str) -> Option<(&str, u16)> {
    let mut parts = range.split(';');
    let tag = parts.next()?.trim();
    let quality = match parts.next() {
        None => 1.0,
        Some(parameter) => parameter.trim().strip_prefix("q=")?.parse::<f32>().ok()?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000"
    )]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    (!tag.is_empty() && tag != "*" && thousandths > 0).then_some((tag, thousandths))
}

/// `messages_de.properties` is German; `messages.properties` is the base language.
fn tag(name: &str) -> Option<String> {
    let stem = name.strip_prefix("messages")?.strip_suffix(".properties")?;
    match stem.strip_prefix('_') {
        Some(tag) if !tag.is_empty() => Some(tag.replace('_', "-")),
        None if stem.is_empty() => Some(BASE.to_owned()),
        _ => None,
    }
}

fn overrides(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("messages/: {error}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if tag(&name).is_some() {
            let content = std::fs::read_to_string(entry.path());
            files.push((
                name.clone(),
                content.map_err(|error| format!("messages/{name}: {error}"))?,
            ));
        }
    }
    files.sort();
    Ok(files)
}

fn parse(name: &str, content: &str) -> Result<Texts, String> {
    let mut texts = Texts::new();
    // The reader's own encoding is Latin-1: everything beyond ASCII goes in as an escape.
    for line in PropertiesIter::new(ascii(content).as_bytes()) {
        let line = line.map_err(|error| format!("messages/{name}: {error}"))?;
        if let LineContent::KVPair(key, value) = line.consume_content() {
            texts.insert(key, value);
        }
    }
    Ok(texts)
}

fn ascii(content: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(content.len());
    for unit in content.encode_utf16() {
        match u8::try_from(unit) {
            Ok(octet) if octet.is_ascii() => text.push(char::from(octet)),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(fallback: &[String]) -> Messages {
        Messages::load(Path::new("/nonexistent"), fallback).unwrap()
    }

    fn text(language: &Language, key: &str) -> String {
        language
            .texts
            .get_item(&Value::from(key))
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_language_follows_accept_language() {
        let messages = messages(&[]);
        let tag = |header| messages.negotiate(header).tag.clone();
        assert_eq!(tag("de-AT,de;q=0.9,en;q=0.8"), "de");
        assert_eq!(tag("fr, de;q=0.5, en;q=0.7"), "en");
        assert_eq!(tag("de;q=0, en"), "en");
        assert_eq!(tag("fr"), "en");
        assert_eq!(tag(""), "en");
        assert_eq!(tag(";;q=,*;q=1,\u{0}"), "en");
    }

    #[test]
    fn the_fallback_language_is_the_operators() {
        let messages = messages(&["xx".to_owned(), "de".to_owned()]);
        assert_eq!(messages.negotiate("fr").tag, "de");
    }

    #[test]
    fn every_built_in_language_says_everything() {
        let keys = |content| parse("x", content).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(keys(BUILT_IN[0].1), keys(BUILT_IN[1].1));
    }

    #[test]
    fn an_operators_file_changes_single_texts_and_adds_languages() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("messages_de.properties", "login.title = Grüß Gott\n").unwrap();
        write("messages_nl.properties", "login.title = Aanmelden\n").unwrap();
        let messages = Messages::load(folder.path(), &[]).unwrap();
        assert_eq!(text(messages.negotiate("de"), "login.title"), "Grüß Gott");
        assert_eq!(text(messages.negotiate("de"), "login.password"), "Passwort");
        assert_eq!(text(messages.negotiate("nl"), "login.title"), "Aanmelden");
        assert_eq!(text(messages.negotiate("nl"), "login.password"), "Password");
    }
}
