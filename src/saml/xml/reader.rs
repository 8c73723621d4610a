//! The one strict reader: no DTD, no processing instruction, bounded in every dimension.
//!
//! quick-xml cuts the document into tokens; everything XML 1.0 and Namespaces in XML 1.0 ask
//! beyond that is enforced here, and what no SAML message needs is refused: DTDs, processing
//! instructions, encodings other than UTF-8, entities other than the predefined five, relative
//! namespace names, and two attributes of one document that carry the same ID.

mod attributes;
mod element;
mod namespaces;

pub use element::{Attribute, Element, Node};

use super::characters;
use attributes::{RawAttribute, raw_attributes};
use namespaces::Namespaces;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
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
    if xml.len() > limits.bytes {
        return refused("document too large");
    }
    let Ok(text) = std::str::from_utf8(xml) else {
        return refused("document is not UTF-8");
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if !characters::all_allowed(text) {
        return refused("character not allowed in XML");
    }
    let text = normalise_line_ends(text);
    let mut tokens = Reader::from_str(&text);
    tokens.config_mut().enable_all_checks(true);
    let mut tree = Tree::new(limits);
    loop {
        let at_start = tokens.buffer_position() == 0;
        match tokens.read_event() {
            Ok(Event::Eof) => return tree.finish(),
            Ok(Event::Decl(declaration)) if at_start => check_declaration(&declaration)?,
            Ok(event) => tree.take(&event)?,
            Err(_) => return refused("not well-formed XML"),
        }
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

/// XML 1.0 2.11: CR LF and lone CR become LF before anything else looks.
fn normalise_line_ends(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// XML 1.0 2.8: version, then encoding, then standalone; UTF-8 is the one encoding read here.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    let pairs = raw_attributes(declaration.strip_prefix("xml").unwrap_or_default())
        .collect::<Result<Vec<_>, _>>()?;
    let mut rest = pairs.as_slice();
    match rest.split_first() {
        Some((version, others)) if version.name == "version" && version.value == "1.0" => {
            rest = others;
        }
        _ => return refused("XML declaration without version 1.0"),
    }
    if let Some((encoding, others)) = rest.split_first()
        && encoding.name == "encoding"
    {
        if !encoding.value.eq_ignore_ascii_case("utf-8") {
            return refused("encoding other than UTF-8");
        }
        rest = others;
    }
    match rest {
        [] => Ok(()),
        [only] if only.name == "standalone" && matches!(only.value, "yes" | "no") => Ok(()),
        _ => refused("malformed XML declaration"),
    }
}

/// The tree as far as it has been read.
struct Tree<'l> {
    limits: &'l Limits,
    nodes: usize,
    open: Vec<Element>,
    namespaces: Namespaces,
    ids: HashSet<String>,
    root: Option<Element>,
}

impl<'l> Tree<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            nodes: 0,
            open: Vec::with_capacity(8),
            namespaces: Namespaces::default(),
            ids: HashSet::new(),
            root: None,
        }
    }

    fn finish(self) -> Result<Element, XmlError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => refused("document ends before its root element does"),
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), XmlError> {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::Empty(tag) => {
                self.open(tag)?;
                self.close()
            }
            Event::End(_) => self.close(),
            Event::Text(text) if text.contains("]]>") => refused("]]> in character data"),
            Event::Text(text) if self.open.is_empty() => only_white_space(text),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(reference) => self.reference(reference),
            Event::DocType(_) => refused("DOCTYPE is not allowed"),
            Event::PI(_) => refused("processing instruction is not allowed"),
            Event::Decl(_) => refused("XML declaration after the start of the document"),
            Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        let resolved = characters::resolve_reference(reference)?;
        self.text(resolved.encode_utf8(&mut [0; 4]))
    }

    /// Appends to the text before, so that a dropped comment never cuts a value in two.
    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(parent) = self.open.last_mut() else {
            return refused("character data outside the root element");
        };
        if let Some(Node::Text(before)) = parent.children.last_mut() {
            before.push_str(text);
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        parent.children.push(Node::Text(text.to_owned()));
        self.count(1)
    }

    fn count(&mut self, nodes: usize) -> Result<(), XmlError> {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            return refused("too many nodes");
        }
        Ok(())
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.root.is_some() {
            return refused("a second root element");
        }
        if self.open.len() >= self.limits.depth {
            return refused("elements nested too deeply");
        }
        let mut raw = Vec::new();
        for attribute in raw_attributes(tag.attributes_raw()) {
            if raw.len() >= self.limits.attributes {
                return refused("too many attributes");
            }
            raw.push(attribute?);
        }
        self.count(1 + raw.len())?;
        let element = self.element(tag.name().0, &raw)?;
        self.open.push(element);
        Ok(())
    }

    fn element(&mut self, name: &str, raw: &[RawAttribute<'_>]) -> Result<Element, XmlError> {
        let declarations = self.namespaces.enter(raw)?;
        let (prefix, local) = namespaces::split(name)?;
        let namespace = self.namespaces.of_element(prefix)?.to_owned();
        let mut attributes = Vec::with_capacity(raw.len() - declarations.len());
        for raw in raw.iter().filter(|raw| !raw.is_declaration()) {
            let attribute = self.attribute(raw)?;
            if attributes
                .iter()
                .any(|other: &Attribute| other.is(&attribute.namespace, &attribute.local))
            {
                return refused("duplicate attribute");
            }
            attributes.push(attribute);
        }
        Ok(Element {
            namespace,
            prefix: prefix.to_owned(),
            local: local.to_owned(),
            declarations,
            attributes,
            children: Vec::new(),
        })
    }

    fn attribute(&mut self, raw: &RawAttribute<'_>) -> Result<Attribute, XmlError> {
        let (prefix, local) = namespaces::split(raw.name)?;
        let namespace = self.namespaces.of_attribute(prefix)?.to_owned();
        let value = raw.normalised_value()?;
        // Without a DTD any of these may be read as an ID by some peer, so all share one space
        // of values: what a Reference resolves to is then never a matter of opinion.
        if local.eq_ignore_ascii_case("id")
            && !self
                .ids
                .insert(element::trim_white_space(&value).to_owned())
        {
            return refused("duplicate ID");
        }
        Ok(Attribute {
            namespace,
            prefix: prefix.to_owned(),
            local: local.to_owned(),
            value: value.into_owned(),
        })
    }

    fn close(&mut self) -> Result<(), XmlError> {
        let Some(element) = self.open.pop() else {
            return refused("not well-formed XML");
        };
        self.namespaces.leave();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }
}

fn only_white_space(text: &str) -> Result<(), XmlError> {
    if element::trim_white_space(text).is_empty() {
        return Ok(());
    }
    refused("character data outside the root element")
}

#[cfg(test)]
mod tests;
