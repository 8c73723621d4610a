//! Java properties text as [`Property`] values with their places: escapes and continuation lines
//! resolved, UTF-8 throughout, placeholders untouched.

use crate::config::error::ConfigError;
use crate::config::raw::Property;
use encoding_rs::UTF_8;
use java_properties::{LineContent, PropertiesError, PropertiesIter};

/// The file name given to properties that come from the environment.
pub const ENVIRONMENT: &str = "environment";

/// What an environment variable's name begins with to override a property.
const ENVIRONMENT_PREFIX: &str = "VESTIBULE__";

/// Reads one file. What cannot be read is reported line by line; the rest is kept.
pub fn parse(file: &str, bytes: &[u8]) -> (Vec<Property>, Vec<ConfigError>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (Vec::new(), vec![not_utf8(file, bytes)]);
    };
    // The reader loses a last line that ends in a continuation mark; two newlines end it.
    let ended = format!("{}\n\n", text.trim_start_matches('\u{feff}'));
    let mut properties = Vec::new();
    let mut errors = Vec::new();
    for line in PropertiesIter::new_with_encoding(ended.as_bytes(), UTF_8) {
        match line {
            Ok(line) => {
                let number = line.line_number();
                if let LineContent::KVPair(key, value) = line.consume_content() {
                    properties.push(property(file, number, key, &value));
                }
            }
            // Escapes are resolved in comments too, where a stray `\u` does no harm.
            Err(error) if is_comment(text, &error) => {}
            Err(error) => errors.push(malformed(file, &error)),
        }
    }
    (properties, errors)
}

/// The override that an environment variable means, if it is one of ours: `VESTIBULE__` and the
/// key with `.` as `__`.
pub fn from_environment(name: &str, value: &str) -> Option<Property> {
    let key = name.strip_prefix(ENVIRONMENT_PREFIX)?.replace("__", ".");
    Some(property(ENVIRONMENT, 0, key, value))
}

/// White space at a value's end is invisible and never meant.
fn property(file: &str, line: usize, key: String, value: &str) -> Property {
    Property {
        key,
        value: value.trim().to_owned(),
        file: file.to_owned(),
        line,
    }
}

fn is_comment(text: &str, error: &PropertiesError) -> bool {
    error
        .line_number()
        .and_then(|number| text.lines().nth(number - 1))
        .is_some_and(|line| line.trim_start().starts_with(['#', '!']))
}

fn not_utf8(file: &str, bytes: &[u8]) -> ConfigError {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let line = bytes[..valid].split(|byte| *byte == b'\n').count();
    ConfigError::error(file)
        .at(file, line)
        .found("bytes that are not UTF-8")
        .expected("UTF-8 text")
        .fix("save the file as UTF-8")
}

fn malformed(file: &str, error: &PropertiesError) -> ConfigError {
    ConfigError::error(file)
        .at(file, error.line_number().unwrap_or(0))
        .found("a malformed escape")
        .expected("Java properties syntax")
        .fix("write a backslash as \\\\ and other characters as they are")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        let (properties, errors) = parse("conf/x.properties", text.as_bytes());
        assert_eq!(errors, Vec::new());
        properties
            .into_iter()
            .map(|p| (p.key, p.value, p.line))
            .collect()
    }

    fn pair(key: &str, value: &str, line: usize) -> (String, String, usize) {
        (key.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn continuations_escapes_and_utf8_are_java_properties() {
        let text = "# comment \\users\n! other\na.b = one \\\n   two\nc:\\u00e9 é\nd\\ e=f \n";
        assert_eq!(
            pairs(text),
            [
                pair("a.b", "one two", 3),
                pair("c", "é é", 5),
                pair("d e", "f", 6)
            ]
        );
    }

    #[test]
    fn a_key_survives_beside_its_longer_namesake() {
        assert_eq!(
            pairs("a.b=x\na.b.c=y"),
            [pair("a.b", "x", 1), pair("a.b.c", "y", 2)]
        );
    }

    #[test]
    fn a_continuation_at_the_very_end_loses_nothing() {
        assert_eq!(pairs("a=b\\"), [pair("a", "b", 1)]);
    }

    #[test]
    fn a_file_that_is_not_utf8_is_reported_with_its_line() {
        let (_, errors) = parse("conf/x.properties", b"a=b\nc=\xe9\n");
        assert_eq!((errors.len(), errors[0].line), (1, 2));
    }

    #[test]
    fn a_malformed_escape_is_reported_and_the_rest_is_kept() {
        let (properties, errors) = parse("conf/x.properties", b"a=\\u12\nb=c\n");
        assert_eq!((errors.len(), errors[0].line), (1, 1));
        assert_eq!(properties.len(), 1);
    }

    #[test]
    fn the_environment_names_keys_with_double_underscores() {
        let found = from_environment("VESTIBULE__idp__duo__oidc__apiHost", "007").unwrap();
        assert_eq!(
            (found.key.as_str(), found.value.as_str()),
            ("idp.duo.oidc.apiHost", "007")
        );
        assert!(from_environment("VESTIBULE_HOME", "/x").is_none());
    }
}
