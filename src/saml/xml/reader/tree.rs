//! A document, or a part of one, as a tree.

use super::element::{Attribute, Element, Node};
use super::walk::{Sink, Tag};
use super::{XmlError, refused};

/// The tree as far as it has been read.
#[derive(Default)]
pub(crate) struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree {
    /// The root, once it has been closed.
    pub(crate) fn finish(self) -> Option<Element> {
        self.root.filter(|_| self.open.is_empty())
    }

    /// Whether the root has been closed.
    pub(crate) fn is_whole(&self) -> bool {
        self.root.is_some() && self.open.is_empty()
    }
}

impl Sink for Tree {
    fn open(&mut self, tag: &Tag<'_>) -> Result<(), XmlError> {
        self.open.push(Element::from(tag));
        Ok(())
    }

    /// Appends to the text before, so that a dropped comment never cuts a value in two.
    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(parent) = self.open.last_mut() else {
            return refused("character data outside the root element");
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
        Ok(())
    }

    fn close(&mut self, _end: usize) -> Result<(), XmlError> {
        let Some(element) = self.open.pop() else {
            return refused("not well-formed XML");
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }
}

impl From<&Tag<'_>> for Element {
    /// The element without its children.
    fn from(tag: &Tag<'_>) -> Self {
        let attributes = tag.attributes.iter().map(|attribute| Attribute {
            namespace: attribute.namespace.to_owned(),
            prefix: attribute.prefix.to_owned(),
            local: attribute.local.to_owned(),
            value: attribute.value.clone().into_owned(),
        });
        Self {
            namespace: tag.namespace.to_owned(),
            prefix: tag.prefix.to_owned(),
            local: tag.local.to_owned(),
            declarations: tag.declarations.to_vec(),
            attributes: attributes.collect(),
            children: Vec::new(),
        }
    }
}
