//! The one strict reader: no DTD, no processing instruction, bounded in every dimension.
//!
//! quick-xml cuts the document into tokens; everything XML 1.0 and Namespaces in XML 1.0 ask
//! beyond that is enforced here, and what no SAML message needs is refused: DTDs, processing
//! instructions, encodings other than UTF-8, entities other than the predefined five, relative
//! namespace names, and two attributes of one document that carry the same ID.

mod attributes;
mod element;
mod namespaces;
mod tree;
mod walk;

pub use element::{Attribute, Element, Node};
pub(crate) use tree::Tree;
pub(crate) use walk::{Sink, Tag, TagAttribute, walk};

use std::collections::BTreeMap;
use std::fmt;

/// Budgets; a document beyond any of them is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of the document.
    pub bytes: usize,
    /// Nesting of elements.
    pub depth: usize,
    /// Elements, texts and attributes together.
    pub nodes: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
}

impl Limits {
    /// For protocol messages.
    pub const MESSAGE: Self = Self {
        bytes: 256 * 1024,
        depth: 50,
        nodes: 20_000,
        attributes: 64,
    };

    /// For metadata documents, aggregates of federations included.
    pub const METADATA: Self = Self {
        bytes: 512 * 1024 * 1024,
        depth: 50,
        nodes: 50_000_000,
        attributes: 64,
    };
}

/// Why a document was refused: a constant reason, never the document's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlError {
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for XmlError {}

/// A refusal for this reason.
pub(super) fn refused<T>(reason: &'static str) -> Result<T, XmlError> {
    Err(XmlError { reason })
}

/// Parses a document. Also refuses two attributes that carry the same ID value anywhere.
pub fn parse(xml: &[u8], limits: &Limits) -> Result<Element, XmlError> {
    parse_within(xml, limits, &[])
}

/// Parses a part of a document in whose place these namespace declarations are in scope.
pub(crate) fn parse_within(
    xml: &[u8],
    limits: &Limits,
    declarations: &[(String, String)],
) -> Result<Element, XmlError> {
    let mut tree = Tree::default();
    walk(xml, limits, declarations, &mut tree)?;
    match tree.finish() {
        Some(root) => Ok(root),
        None => refused("document ends before its root element does"),
    }
}

/// Parses one element that was cut, in its octets, out of the innermost of `around`: prefixes may be
/// declared out there (XML Encryption 1.1 4.4 leaves that to the sender).
pub fn parse_inside(
    octets: &[u8],
    around: &[&Element],
    limits: &Limits,
) -> Result<Element, XmlError> {
    let mut text = "<inside".to_owned();
    for (prefix, uri) in in_scope(around) {
        text.push_str(" xmlns");
        if !prefix.is_empty() {
            text.push(':');
            text.push_str(prefix);
        }
        text.push_str("=\"");
        super::escape::push_attribute(&mut text, uri);
        text.push('"');
    }
    text.push('>');
    let inside = [text.as_bytes(), octets, b"</inside>"].concat();
    let mut root = parse(&inside, limits)?;
    // Octets that end the element around them would have made a second root, which is refused.
    match (root.children.pop(), root.children.is_empty()) {
        (Some(Node::Element(element)), true) => Ok(element),
        _ => refused("not exactly one element"),
    }
}

/// The declarations in force inside the innermost element.
fn in_scope<'a>(around: &[&'a Element]) -> BTreeMap<&'a str, &'a str> {
    let declarations = around.iter().flat_map(|element| &element.declarations);
    declarations
        .map(|(prefix, uri)| (prefix.as_str(), uri.as_str()))
        .collect()
}

#[cfg(test)]
mod tests;
