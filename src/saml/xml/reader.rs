//! The one strict reader: no DTD, no processing instruction, bounded in every dimension.

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
}

/// An element with resolved names. Comments are dropped and the text around them joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Namespace URI, empty when none.
    pub namespace: String,
    /// Prefix as written, empty when none.
    pub prefix: String,
    /// Local name.
    pub local: String,
    /// Namespace declarations made here: prefix (empty for the default) and URI.
    pub declarations: Vec<(String, String)>,
    /// Attributes, without namespace declarations, values normalised (XML 1.0 3.3.3).
    pub attributes: Vec<Attribute>,
    /// Children in order.
    pub children: Vec<Node>,
}

/// An attribute with a resolved name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Namespace URI, empty for an unprefixed attribute.
    pub namespace: String,
    /// Prefix as written.
    pub prefix: String,
    /// Local name.
    pub local: String,
    /// Value.
    pub value: String,
}

/// A child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Character data, CDATA and references resolved.
    Text(String),
}

/// Parses a document. Also refuses two attributes that carry the same ID value anywhere.
pub fn parse(_xml: &[u8], _limits: &Limits) -> Result<Element, XmlError> {
    todo!()
}

impl Element {
    /// Whether this is the named element.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    /// The value of an unprefixed attribute.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| a.namespace.is_empty() && a.local == local)
            .map(|a| a.value.as_str())
    }

    /// Child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Child elements of one name.
    pub fn all<'a>(
        &'a self,
        namespace: &'a str,
        local: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.elements()
            .filter(move |element| element.is(namespace, local))
    }

    /// The first child element of one name.
    pub fn first(&self, namespace: &str, local: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(namespace, local))
    }

    /// All character data directly inside, joined and trimmed of XML white space.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.children {
            if let Node::Text(t) = node {
                text.push_str(t);
            }
        }
        text.trim_matches([' ', '\t', '\r', '\n']).to_owned()
    }
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
