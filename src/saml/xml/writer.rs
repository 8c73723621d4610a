//! Writes XML that is already in exclusive canonical form, so that what is signed is what is sent.
//!
//! ```
//! use vestibule::saml::xml::namespace::Namespace;
//! use vestibule::saml::xml::writer::Writer;
//!
//! let mut w = Writer::new();
//! w.open(Namespace::PROTOCOL, "Response");
//! w.attribute("Version", "2.0"); // any order: the writer sorts
//! w.attribute("ID", "_1");
//! w.leaf(Namespace::ASSERTION, "Issuer", "https://idp.example.org/a&b");
//! w.close();
//! assert_eq!(
//!     w.finish(),
//!     "<saml2p:Response xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1\" \
//!      Version=\"2.0\"><saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
//!      https://idp.example.org/a&amp;b</saml2:Issuer></saml2p:Response>"
//! );
//! ```
//!
//! To sign an element, take [`Writer::place`] right after its `Issuer`, close the element, then
//! call `signature::sign` with that place. Inner elements first: an Assertion before its Response.
//! An element to be signed alone must not stand below another element that uses one of its
//! prefixes, or its octets here lack a declaration that its own canonical form has.
//!
//! Names are constants of the program, so only values can be hostile, and they are always escaped.
//! A character XML forbids becomes U+FFFD.

use super::escape;
use super::namespace::Namespace;
use std::ops::Range;

/// A document in the making, or a part of one.
#[derive(Debug)]
pub struct Writer {
    out: String,
    open: Vec<OpenElement>,
    // Declared and in force, innermost last.
    scope: Vec<Namespace>,
    tag: Option<Tag>,
    // Scratch of the start tag in the making, kept between tags for its memory.
    attributes: Vec<PendingAttribute>,
    values: String,
}

#[derive(Debug)]
struct OpenElement {
    namespace: Namespace,
    local: &'static str,
    start: usize,
    scope: usize,
}

/// A start tag without its `>`: its first declaration within `scope`.
#[derive(Debug)]
struct Tag {
    declared: usize,
}

#[derive(Debug)]
struct PendingAttribute {
    namespace: Option<Namespace>,
    local: &'static str,
    value: Range<usize>,
}

/// A place inside an element where its signature will stand.
#[derive(Debug)]
pub struct Place {
    start: usize,
    at: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty document, with room for an ordinary Response.
    pub fn new() -> Self {
        Self::with_capacity(12 * 1024)
    }

    /// An empty document, with room for this many octets.
    pub fn with_capacity(octets: usize) -> Self {
        Self {
            out: String::with_capacity(octets),
            open: Vec::with_capacity(16),
            scope: Vec::with_capacity(8),
            tag: None,
            attributes: Vec::with_capacity(8),
            values: String::with_capacity(512),
        }
    }

    /// Opens an element; attributes may follow.
    pub fn open(&mut self, namespace: Namespace, local: &'static str) {
        self.end_tag();
        self.open.push(OpenElement {
            namespace,
            local,
            start: self.out.len(),
            scope: self.scope.len(),
        });
        self.tag = Some(Tag {
            declared: self.scope.len(),
        });
        self.out.push('<');
        self.push_name(namespace, local);
        self.declare(namespace);
    }

    /// Adds an unprefixed attribute to the element just opened.
    pub fn attribute(&mut self, local: &'static str, value: &str) {
        self.push_attribute(None, local, value);
    }

    /// Adds an attribute in a namespace to the element just opened.
    pub fn attribute_in(&mut self, namespace: Namespace, local: &'static str, value: &str) {
        self.declare(namespace);
        self.push_attribute(Some(namespace), local, value);
    }

    /// Adds character data.
    pub fn text(&mut self, text: &str) {
        self.end_tag();
        escape::push_text(&mut self.out, text);
    }

    /// Closes the innermost element.
    pub fn close(&mut self) {
        self.end_tag();
        let element = self.open.pop().expect("every close follows its open");
        self.out.push_str("</");
        self.push_name(element.namespace, element.local);
        self.out.push('>');
        self.scope.truncate(element.scope);
    }

    /// An element without attributes that holds character data alone.
    pub fn leaf(&mut self, namespace: Namespace, local: &'static str, text: &str) {
        self.open(namespace, local);
        self.text(text);
        self.close();
    }

    /// Remembers this place inside the innermost open element for its signature.
    pub fn place(&mut self) -> Place {
        self.end_tag();
        let element = self.open.last().expect("a signature stands in an element");
        Place {
            start: element.start,
            at: self.out.len(),
        }
    }

    /// The octets of the element that `place` lies in, once it is closed.
    pub fn element(&self, place: &Place) -> &str {
        &self.out[place.start..]
    }

    /// Puts canonical markup at a place.
    pub fn insert(&mut self, place: &Place, markup: &str) {
        self.out.insert_str(place.at, markup);
    }

    /// The document.
    pub fn finish(self) -> String {
        assert!(self.open.is_empty(), "every open is closed");
        self.out
    }

    fn push_name(&mut self, namespace: Namespace, local: &str) {
        if namespace != Namespace::NONE {
            self.out.push_str(namespace.prefix);
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    fn push_attribute(&mut self, namespace: Option<Namespace>, local: &'static str, value: &str) {
        assert!(self.tag.is_some(), "attributes follow their open");
        let start = self.values.len();
        escape::push_attribute(&mut self.values, value);
        self.attributes.push(PendingAttribute {
            namespace,
            local,
            value: start..self.values.len(),
        });
    }

    /// Declares a namespace where it is first used and not again below (exclusive C14N 3).
    fn declare(&mut self, namespace: Namespace) {
        // In force everywhere: `xml` by definition, none because no default is ever declared.
        if [Namespace::XML, Namespace::NONE].contains(&namespace) {
            return;
        }
        let in_force = self
            .scope
            .iter()
            .rfind(|declared| declared.prefix == namespace.prefix);
        if in_force != Some(&namespace) {
            self.scope.push(namespace);
        }
    }

    /// Writes declarations sorted by prefix, then attributes sorted by namespace name and local
    /// name, unprefixed ones first (Canonical XML 1.0 2.2), and the end of the start tag.
    fn end_tag(&mut self) {
        let Some(tag) = self.tag.take() else {
            return;
        };
        self.scope[tag.declared..].sort_unstable();
        for declared in &self.scope[tag.declared..] {
            self.out.push_str(" xmlns:");
            self.out.push_str(declared.prefix);
            push_quoted(&mut self.out, declared.uri);
        }
        self.attributes
            .sort_unstable_by_key(|a| (a.namespace.map_or("", |n| n.uri), a.local));
        for attribute in self.attributes.drain(..) {
            self.out.push(' ');
            if let Some(namespace) = attribute.namespace {
                self.out.push_str(namespace.prefix);
                self.out.push(':');
            }
            self.out.push_str(attribute.local);
            push_quoted(&mut self.out, &self.values[attribute.value]);
        }
        self.values.clear();
        self.out.push('>');
    }
}

fn push_quoted(out: &mut String, value: &str) {
    out.push_str("=\"");
    out.push_str(value);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::Writer;
    use crate::saml::xml::canonical::{Options, canonicalise};
    use crate::saml::xml::namespace::Namespace;
    use crate::saml::xml::reader::{Limits, parse};
    use crate::saml::xml::second_opinion;
    use proptest::prelude::*;

    const OTHER: Namespace = Namespace::new("a", "urn:other");

    fn document(attribute: &str, text: &str) -> String {
        let mut w = Writer::new();
        w.open(Namespace::PROTOCOL, "Response");
        w.attribute("Version", "2.0");
        w.attribute_in(OTHER, "b", attribute);
        w.attribute("ID", attribute);
        w.attribute_in(Namespace::XML, "lang", "en");
        w.leaf(Namespace::ASSERTION, "Issuer", text);
        w.open(Namespace::ASSERTION, "Assertion");
        w.leaf(Namespace::ASSERTION, "Issuer", text);
        w.open(OTHER, "Empty");
        w.close();
        w.close();
        w.close();
        w.finish()
    }

    #[test]
    fn what_is_written_is_already_canonical() {
        let xml = document("a<b>&\"c'\t\r\n\u{e9}", "a<b>&\"c'\t\r\n]]>\u{1F600}");
        assert_eq!(xml, second_opinion::exclusive_c14n(&xml));
        let root = parse(xml.as_bytes(), &Limits::MESSAGE).unwrap();
        assert_eq!(xml, canonicalise(&root, &Options::default()));
    }

    #[test]
    fn declarations_and_attributes_are_sorted_whatever_order_they_came_in() {
        assert_eq!(
            document("1", "x"),
            "<saml2p:Response xmlns:a=\"urn:other\" \
             xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"1\" Version=\"2.0\" \
             xml:lang=\"en\" a:b=\"1\">\
             <saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">x</saml2:Issuer>\
             <saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
             <saml2:Issuer>x</saml2:Issuer><a:Empty></a:Empty></saml2:Assertion></saml2p:Response>"
        );
    }

    proptest! {
        #[test]
        fn s19_no_value_breaks_out_of_its_place(attribute in any::<String>(), text in any::<String>()) {
            let allowed = |c: char| match c {
                '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => c,
                _ => '\u{FFFD}',
            };
            let xml = document(&attribute, &text);
            let root = parse(xml.as_bytes(), &Limits::MESSAGE).unwrap();
            let attribute: String = attribute.chars().map(allowed).collect();
            let text: String = text.chars().map(allowed).collect();
            prop_assert_eq!(root.attribute("ID"), Some(&*attribute));
            prop_assert_eq!(root.attribute_in("urn:other", "b"), Some(&*attribute));
            let names: Vec<&str> = root.elements().map(|e| &*e.local).collect();
            prop_assert_eq!(names, ["Issuer", "Assertion"]);
            let issuer = root.elements().next().unwrap();
            let content: String = issuer.children.iter().map(|node| match node {
                crate::saml::xml::reader::Node::Text(text) => text.as_str(),
                crate::saml::xml::reader::Node::Element(_) => "<element>",
            }).collect();
            prop_assert_eq!(content, text);
        }

        #[test]
        fn s19_hostile_markup_stays_text(text in "[<>&\"'\\]!\\[CDAT/a-c\u{0}-\u{20}-]{0,40}") {
            let xml = document(&text, &text);
            let root = parse(xml.as_bytes(), &Limits::MESSAGE).unwrap();
            prop_assert_eq!(root.elements().count(), 2);
            prop_assert_eq!(&xml, &canonicalise(&root, &Options::default()));
        }
    }
}
