//! Which namespace a prefix stands for, by Namespaces in XML 1.0.

use super::attributes::RawAttribute;
use super::{XmlError, refused};
use crate::saml::xml::characters;
use crate::saml::xml::namespace::Namespace;

const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// The declarations in scope, innermost last.
#[derive(Default)]
pub(super) struct Namespaces {
    bindings: Vec<(String, String)>,
    // Length of `bindings` before each open element.
    marks: Vec<usize>,
}

impl Namespaces {
    /// These in scope already.
    pub(super) fn within(declarations: &[(String, String)]) -> Self {
        Self {
            bindings: declarations.to_vec(),
            marks: Vec::new(),
        }
    }

    /// Opens an element's scope with the declarations it makes.
    pub(super) fn enter(&mut self, attributes: &[RawAttribute<'_>]) -> Result<(), XmlError> {
        let mark = self.bindings.len();
        self.marks.push(mark);
        for attribute in attributes.iter().filter(|a| a.is_declaration()) {
            let prefix = attribute.name.strip_prefix("xmlns:").unwrap_or_default();
            if self.bindings[mark..].iter().any(|(p, _)| p == prefix) {
                return refused("duplicate namespace declaration");
            }
            let uri = attribute.normalised_value()?.into_owned();
            check_declaration(attribute.name, prefix, &uri)?;
            self.bindings.push((prefix.to_owned(), uri));
        }
        Ok(())
    }

    /// The declarations that the innermost open element makes.
    pub(super) fn innermost(&self) -> &[(String, String)] {
        let mark = self.marks.last().copied().unwrap_or_default();
        &self.bindings[mark..]
    }

    /// Closes the scope of the innermost element.
    pub(super) fn leave(&mut self) {
        let mark = self.marks.pop().unwrap_or_default();
        self.bindings.truncate(mark);
    }

    /// The namespace of an element with this prefix; the empty prefix takes the default.
    pub(super) fn of_element(&self, prefix: &str) -> Result<&str, XmlError> {
        if prefix == "xml" {
            return Ok(Namespace::XML.uri);
        }
        match self.bindings.iter().rev().find(|(p, _)| p == prefix) {
            Some((_, uri)) => Ok(uri),
            None if prefix.is_empty() => Ok(""),
            None => refused("undeclared namespace prefix"),
        }
    }

    /// The namespace of an attribute with this prefix; the default does not apply to attributes.
    pub(super) fn of_attribute(&self, prefix: &str) -> Result<&str, XmlError> {
        if prefix.is_empty() {
            return Ok("");
        }
        self.of_element(prefix)
    }
}

/// Splits a qualified name into prefix and local name (Namespaces in XML 4).
pub(super) fn split(name: &str) -> Result<(&str, &str), XmlError> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) if characters::is_nc_name(prefix) => (prefix, local),
        Some(_) => return refused("malformed name"),
        None => ("", name),
    };
    if !characters::is_nc_name(local) || prefix == "xmlns" {
        return refused("malformed name");
    }
    Ok((prefix, local))
}

fn check_declaration(name: &str, prefix: &str, uri: &str) -> Result<(), XmlError> {
    let default = name == "xmlns";
    if !default && !characters::is_nc_name(prefix) {
        return refused("malformed name");
    }
    // Namespaces in XML 3: `xml` and `xmlns` cannot be rebound, nor their names be given away.
    if prefix == "xmlns" || uri == XMLNS || (prefix == "xml") != (uri == Namespace::XML.uri) {
        return refused("reserved namespace prefix or name");
    }
    if uri.is_empty() {
        return if default {
            Ok(())
        } else {
            refused("prefix declared with an empty namespace name")
        };
    }
    // Canonical XML 1.0 1.3: a relative namespace URI makes canonicalisation fail; failing
    // here, no canonicaliser ever meets one.
    if !is_absolute_uri(uri) {
        return refused("namespace name is not an absolute URI");
    }
    Ok(())
}

/// Whether the text has a scheme and only characters of a URI (RFC 3986 2, 3.1). The rest of the
/// syntax is left to schemes: names are only ever compared. `&` is left out because libxml2 writes
/// it unescaped in canonical form: peers would digest other octets than we (S03).
fn is_absolute_uri(text: &str) -> bool {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let of_uri = |c: char| c.is_ascii_graphic() && !"\"&<>\\^`{|}".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .split_once(':')
            .is_some_and(|(scheme, _)| scheme.chars().all(of_scheme))
        && text.chars().all(of_uri)
}
