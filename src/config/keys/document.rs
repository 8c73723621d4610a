//! The table of keys as text: docs/configuration.md and the commented files of conf/.

use crate::config::keys::{Fallback, Group, Key, groups, not_implemented};
use std::fmt::Write as _;

/// Comments are broken at this column.
const WIDTH: usize = 100;

/// docs/configuration.md.
pub fn reference() -> String {
    let mut text = String::from(REFERENCE_HEAD);
    for group in groups() {
        let _ = write!(text, "\n## {}\n\n{}.\n\n", group.file, group.title);
        text.push_str("| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
        for key in &group.keys {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                key.name,
                cell(&key.kind.describe()),
                default_cell(key),
                cell(key.meaning)
            );
        }
    }
    text.push_str(NOT_IMPLEMENTED_HEAD);
    for (origin, names) in not_implemented() {
        let _ = write!(text, "\n### {origin}\n\n");
        for name in names {
            let _ = writeln!(text, "- `{}`", name.replace("{REST}", "*"));
        }
    }
    text
}

/// The commented file that a new home gets: every key with its meaning and default, and the lines
/// that are set from the start.
pub fn conf_file(group: &Group) -> String {
    let mut text = String::new();
    comment(&mut text, &format!("{}.", group.title));
    text.push_str("#\n");
    comment(
        &mut text,
        "A line that begins with # is a comment and shows the default. docs/configuration.md \
         explains the syntax.",
    );
    for key in &group.keys {
        text.push('\n');
        comment(&mut text, &explanation(key));
        let shipped = group.shipped.iter().filter(|(after, _)| *after == key.name);
        let lines: Vec<&str> = shipped.map(|(_, line)| *line).collect();
        if !lines
            .iter()
            .any(|line| line.starts_with(&format!("{} ", key.name)))
        {
            let _ = writeln!(text, "#{} = {}", key.name, default_text(key));
        }
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    text.lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn explanation(key: &Key) -> String {
    let value = key.kind.describe();
    match key.fallback {
        Fallback::Required => format!("{} Required: {value}.", key.meaning),
        Fallback::Computed(words) => {
            format!("{} {}; default: {words}.", key.meaning, first_up(&value))
        }
        Fallback::None | Fallback::Value(_) => format!("{} {}.", key.meaning, first_up(&value)),
    }
}

fn default_text(key: &Key) -> &'static str {
    match key.fallback {
        Fallback::Value(value) => value,
        Fallback::Required | Fallback::None | Fallback::Computed(_) => "",
    }
}

fn default_cell(key: &Key) -> String {
    match key.fallback {
        Fallback::Required => "required".to_owned(),
        Fallback::None => "none".to_owned(),
        Fallback::Value(value) => format!("`{}`", cell(value)),
        Fallback::Computed(words) => cell(words),
    }
}

/// A table's cell: the bar is its separator.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn first_up(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Writes words as comment lines.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

const REFERENCE_HEAD: &str = "\
# Configuration

<!-- Made from src/config/keys/ours.table; `VESTIBULE_WRITE_DOCS=1 cargo test --test configuration` writes it. -->

A home's settings are Java properties in UTF-8: every `conf/**/*.properties` and
`credentials/secrets.properties` is read, and which file a key stands in does not matter. A key set
twice with different values is an error. The environment overrides files: `VESTIBULE__` and the key
with `.` as `__`, such as `VESTIBULE__idp__entityID`.

`%{name}` stands for another key's value, `%{name:default}` has a default, and both nest;
`%{idp.home}` is the home. A name of your own may be set and used that way. An empty value is no
value. Durations are ISO-8601 (`PT5M`, `P1D`), relative paths are below the home, and scripts are
named by their path below `scripts/` without `.rhai`.

A key is Shibboleth's where Shibboleth has one, with its meaning and default; the departures are
listed in [from-shibboleth.md](from-shibboleth.md). Our own begin with `vestibule.`. A name that
nobody knows is an error, a name of Shibboleth's that is not implemented is a warning, and
`vestibule check` reports everything at once, with file and line. Parts in braces stand for names:
`{FLOW}` is `Password`, `DuoOIDC` or `MFA`; the others are yours.
";

const NOT_IMPLEMENTED_HEAD: &str = "
## Known and not implemented

These names have no effect here; using one is a warning.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::Kind;

    #[test]
    fn no_secret_has_a_default() {
        for key in groups().iter().flat_map(|group| &group.keys) {
            assert!(
                key.kind != Kind::Secret || default_text(key).is_empty(),
                "{}",
                key.name
            );
        }
    }

    #[test]
    fn a_generated_file_is_properties_of_its_shipped_lines_alone() {
        for group in groups() {
            let text = conf_file(group);
            let (properties, errors) =
                crate::config::properties::parse(group.file, text.as_bytes());
            assert_eq!(errors, Vec::new());
            assert_eq!(properties.len(), group.shipped.len(), "{}", group.file);
        }
    }
}
