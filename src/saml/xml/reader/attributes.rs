//! The inside of a start tag: attributes as written, one by one, by the grammar of XML 1.0 3.1.

use super::{XmlError, refused};
use crate::saml::xml::characters;
use std::borrow::Cow;

/// An attribute as written.
pub(super) struct RawAttribute<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

impl<'a> RawAttribute<'a> {
    /// Whether this declares a namespace.
    pub(super) fn is_declaration(&self) -> bool {
        self.name == "xmlns" || self.name.starts_with("xmlns:")
    }

    /// The value with references resolved and literal white space made spaces (XML 1.0 3.3.3;
    /// without a DTD every attribute is CDATA).
    pub(super) fn normalised_value(&self) -> Result<Cow<'a, str>, XmlError> {
        if !self.value.contains(['&', '\t', '\n', '\r']) {
            return Ok(Cow::Borrowed(self.value));
        }
        let mut value = String::with_capacity(self.value.len());
        let mut rest = self.value;
        while let Some(at) = rest.find(['&', '\t', '\n', '\r']) {
            value.push_str(&rest[..at]);
            rest = if let Some(reference) = rest[at..].strip_prefix('&') {
                let Some((reference, after)) = reference.split_once(';') else {
                    return refused("reference without end");
                };
                value.push(characters::resolve_reference(reference)?);
                after
            } else {
                value.push(' ');
                &rest[at + 1..]
            };
        }
        value.push_str(rest);
        Ok(Cow::Owned(value))
    }
}

/// The attributes in the part of a tag behind its name.
pub(super) fn raw_attributes(
    mut rest: &str,
) -> impl Iterator<Item = Result<RawAttribute<'_>, XmlError>> {
    std::iter::from_fn(move || match next_attribute(rest) {
        Ok(None) => None,
        Ok(Some((attribute, after))) => {
            rest = after;
            Some(Ok(attribute))
        }
        Err(error) => {
            rest = "";
            Some(Err(error))
        }
    })
}

/// `S Name S? '=' S? ('"' [^<&"]* '"' | "'" [^<&']* "'")`: white space before each is required.
fn next_attribute(text: &str) -> Result<Option<(RawAttribute<'_>, &str)>, XmlError> {
    let start = skip_white_space(text);
    if start.is_empty() {
        return Ok(None);
    }
    let malformed = || XmlError {
        reason: "malformed attribute",
    };
    if start.len() == text.len() {
        return Err(malformed());
    }
    let (name, value) = start.split_once('=').ok_or_else(malformed)?;
    let name = name.trim_end_matches([' ', '\t', '\r', '\n']);
    let value = skip_white_space(value);
    let quoted = |quote: char| value.strip_prefix(quote)?.split_once(quote);
    let (value, after) = quoted('"').or_else(|| quoted('\'')).ok_or_else(malformed)?;
    if value.contains('<') {
        return refused("< in an attribute value");
    }
    Ok(Some((RawAttribute { name, value }, after)))
}

fn skip_white_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}
