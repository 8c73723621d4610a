//! The checks, token by token: what passes goes to a [`Sink`], which may build a tree, take a
//! digest or note where something stands. There is one walk, so all of them read alike.

use super::attributes::{RawAttribute, raw_attributes};
use super::element::{self, Element};
use super::namespaces::{self, Namespaces};
use super::{Limits, XmlError, refused};
use crate::saml::xml::characters;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use std::borrow::Cow;
use std::collections::HashSet;

/// A start tag with resolved names.
#[derive(Debug)]
pub(crate) struct Tag<'t> {
    /// Namespace URI, empty when none.
    pub(crate) namespace: &'t str,
    /// Prefix as written.
    pub(crate) prefix: &'t str,
    /// Local name.
    pub(crate) local: &'t str,
    /// Namespace declarations made here.
    pub(crate) declarations: &'t [(String, String)],
    /// The other attributes.
    pub(crate) attributes: Vec<TagAttribute<'t>>,
    /// Where the tag begins in the document.
    pub(crate) start: usize,
}

/// An attribute with a resolved name.
#[derive(Debug)]
pub(crate) struct TagAttribute<'t> {
    /// Namespace URI, empty for an unprefixed attribute.
    pub(crate) namespace: &'t str,
    /// Prefix as written.
    pub(crate) prefix: &'t str,
    /// Local name.
    pub(crate) local: &'t str,
    /// Normalised value.
    pub(crate) value: Cow<'t, str>,
}

impl Tag<'_> {
    /// Whether this opens the named element.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    /// The value of an unprefixed attribute.
    pub(crate) fn attribute(&self, local: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|a| a.namespace.is_empty() && a.local == local)?;
        Some(&found.value)
    }
}

impl<'t> From<&'t Element> for Tag<'t> {
    fn from(element: &'t Element) -> Self {
        let attributes = element.attributes.iter().map(|attribute| TagAttribute {
            namespace: &attribute.namespace,
            prefix: &attribute.prefix,
            local: &attribute.local,
            value: Cow::Borrowed(&attribute.value),
        });
        Self {
            namespace: &element.namespace,
            prefix: &element.prefix,
            local: &element.local,
            declarations: &element.declarations,
            attributes: attributes.collect(),
            start: 0,
        }
    }
}

/// What is done with a document's parts, in document order.
pub(crate) trait Sink {
    /// An element begins.
    fn open(&mut self, tag: &Tag<'_>) -> Result<(), XmlError>;
    /// Character data, CDATA and references resolved; never empty, perhaps in several pieces.
    fn text(&mut self, text: &str) -> Result<(), XmlError>;
    /// The innermost open element ends right before this octet of the document.
    fn close(&mut self, end: usize) -> Result<(), XmlError>;
}

/// Walks a document in whose place these namespace declarations are in scope.
pub(crate) fn walk(
    xml: &[u8],
    limits: &Limits,
    declarations: &[(String, String)],
    sink: &mut impl Sink,
) -> Result<(), XmlError> {
    if xml.len() > limits.bytes {
        return refused("document too large");
    }
    let Ok(whole) = std::str::from_utf8(xml) else {
        return refused("document is not UTF-8");
    };
    let text = whole.strip_prefix('\u{FEFF}').unwrap_or(whole);
    if !characters::all_allowed(text) {
        return refused("character not allowed in XML");
    }
    let offset = whole.len() - text.len();
    let mut tokens = Reader::from_str(text);
    tokens.config_mut().enable_all_checks(true);
    let mut walk = Walk {
        limits,
        nodes: 0,
        depth: 0,
        after_text: false,
        root_seen: false,
        namespaces: Namespaces::within(declarations),
        ids: HashSet::new(),
        sink,
    };
    loop {
        let start = position(&tokens);
        match tokens.read_event() {
            Ok(Event::Eof) => return walk.finish(),
            Ok(Event::Decl(declaration)) if start == 0 => check_declaration(&declaration)?,
            Ok(event) => {
                let span = (offset + start, offset + position(&tokens));
                walk.take(&event, span)?;
            }
            Err(_) => return refused("not well-formed XML"),
        }
    }
}

fn position(tokens: &Reader<&[u8]>) -> usize {
    usize::try_from(tokens.buffer_position()).expect("a position in memory fits")
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

struct Walk<'l, S> {
    limits: &'l Limits,
    nodes: usize,
    depth: usize,
    after_text: bool,
    root_seen: bool,
    namespaces: Namespaces,
    ids: HashSet<String>,
    sink: &'l mut S,
}

impl<S: Sink> Walk<'_, S> {
    fn finish(self) -> Result<(), XmlError> {
        if self.root_seen && self.depth == 0 {
            return Ok(());
        }
        refused("document ends before its root element does")
    }

    fn take(&mut self, event: &Event<'_>, (start, end): (usize, usize)) -> Result<(), XmlError> {
        match event {
            Event::Start(tag) => self.open(tag, start),
            Event::Empty(tag) => {
                self.open(tag, start)?;
                self.close(end)
            }
            Event::End(_) => self.close(end),
            Event::Text(text) if text.contains("]]>") => refused("]]> in character data"),
            Event::Text(text) if self.depth == 0 => only_white_space(text),
            Event::Text(text) => self.text(&normalise_line_ends(text)),
            Event::CData(text) => self.text(&normalise_line_ends(text)),
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

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if self.depth == 0 {
            return refused("character data outside the root element");
        }
        if text.is_empty() {
            return Ok(());
        }
        if !self.after_text {
            self.after_text = true;
            self.count(1)?;
        }
        self.sink.text(text)
    }

    fn count(&mut self, nodes: usize) -> Result<(), XmlError> {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            return refused("too many nodes");
        }
        Ok(())
    }

    fn open(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<(), XmlError> {
        if self.root_seen && self.depth == 0 {
            return refused("a second root element");
        }
        if self.depth >= self.limits.depth {
            return refused("elements nested too deeply");
        }
        let inside = normalise_line_ends(tag.attributes_raw());
        let mut raw = Vec::new();
        for attribute in raw_attributes(&inside) {
            if raw.len() >= self.limits.attributes {
                return refused("too many attributes");
            }
            raw.push(attribute?);
        }
        self.count(1 + raw.len())?;
        (self.depth, self.root_seen, self.after_text) = (self.depth + 1, true, false);
        self.namespaces.enter(&raw)?;
        let (prefix, local) = namespaces::split(tag.name().0)?;
        self.sink.open(&Tag {
            namespace: self.namespaces.of_element(prefix)?,
            prefix,
            local,
            attributes: attributes(&raw, &self.namespaces, &mut self.ids)?,
            declarations: self.namespaces.innermost(),
            start,
        })
    }

    fn close(&mut self, end: usize) -> Result<(), XmlError> {
        if self.depth == 0 {
            return refused("not well-formed XML");
        }
        (self.depth, self.after_text) = (self.depth - 1, false);
        self.namespaces.leave();
        self.sink.close(end)
    }
}

fn attributes<'t>(
    raw: &[RawAttribute<'t>],
    namespaces: &'t Namespaces,
    ids: &mut HashSet<String>,
) -> Result<Vec<TagAttribute<'t>>, XmlError> {
    let mut attributes: Vec<TagAttribute<'t>> = Vec::with_capacity(raw.len());
    for raw in raw.iter().filter(|raw| !raw.is_declaration()) {
        let attribute = attribute(raw, namespaces, ids)?;
        let same = |other: &TagAttribute<'_>| {
            other.local == attribute.local && other.namespace == attribute.namespace
        };
        if attributes.iter().any(same) {
            return refused("duplicate attribute");
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

fn attribute<'t>(
    raw: &RawAttribute<'t>,
    namespaces: &'t Namespaces,
    ids: &mut HashSet<String>,
) -> Result<TagAttribute<'t>, XmlError> {
    let (prefix, local) = namespaces::split(raw.name)?;
    let namespace = namespaces.of_attribute(prefix)?;
    let value = raw.normalised_value()?;
    // Without a DTD any of these may be read as an ID by some peer, so all share one space of
    // values: what a Reference resolves to is then never a matter of opinion.
    if local.eq_ignore_ascii_case("id") && !ids.insert(element::trim_white_space(&value).to_owned())
    {
        return refused("duplicate ID");
    }
    Ok(TagAttribute {
        namespace,
        prefix,
        local,
        value,
    })
}

fn only_white_space(text: &str) -> Result<(), XmlError> {
    if element::trim_white_space(text).is_empty() {
        return Ok(());
    }
    refused("character data outside the root element")
}
