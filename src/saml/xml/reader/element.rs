//! What the reader gives: elements with resolved names.

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

impl Attribute {
    /// Whether this is the named attribute.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

/// A child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Character data, CDATA and references resolved.
    Text(String),
}

impl Element {
    /// Whether this is the named element.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    /// The value of an unprefixed attribute.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_in("", local)
    }

    /// The value of an attribute in a namespace.
    pub fn attribute_in(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.is(namespace, local))
            .map(|attribute| attribute.value.as_str())
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
        trim_white_space(&text).to_owned()
    }
}

/// The value without XML white space (XML 1.0 2.3) at its ends.
pub(super) fn trim_white_space(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}
