//! The canonical form while a document is walked, for documents too large for a tree.

use super::{push_name, push_value};
use crate::saml::xml::escape;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Tag, TagAttribute};

/// Octets gathered before they are handed on.
const PIECE: usize = 64 * 1024;

/// Canonicalises what it is told, from the root on; the canonical octets go to `out` in pieces.
pub(crate) struct Stream<F> {
    out: F,
    piece: String,
    inclusive: Vec<String>,
    // Declarations of the document in scope, noted only where a PrefixList may ask for them.
    scope: Vec<(String, String)>,
    rendered: Vec<(String, String)>,
    // Names of the open elements, one after the other.
    names: String,
    open: Vec<Mark>,
}

/// How long everything was before an element was opened.
struct Mark {
    names: usize,
    scope: usize,
    rendered: usize,
}

impl<F: FnMut(&[u8])> Stream<F> {
    /// `inclusive` is `InclusiveNamespaces/@PrefixList` (exclusive C14N 2.1).
    pub(crate) fn new(inclusive: &[&str], out: F) -> Self {
        Self {
            out,
            piece: String::with_capacity(PIECE + PIECE / 4),
            inclusive: inclusive.iter().map(|&prefix| prefix.to_owned()).collect(),
            scope: Vec::new(),
            rendered: Vec::new(),
            names: String::new(),
            open: Vec::new(),
        }
    }

    /// An element begins.
    pub(crate) fn open(&mut self, tag: &Tag<'_>) {
        self.open.push(Mark {
            names: self.names.len(),
            scope: self.scope.len(),
            rendered: self.rendered.len(),
        });
        if !self.inclusive.is_empty() {
            self.scope.extend_from_slice(tag.declarations);
        }
        let name = self.names.len();
        push_name(&mut self.names, tag.prefix, tag.local);
        self.piece.push('<');
        self.piece.push_str(&self.names[name..]);
        self.namespaces(tag);
        self.attributes(&tag.attributes);
        self.piece.push('>');
        self.hand_on(PIECE);
    }

    /// Character data.
    pub(crate) fn text(&mut self, text: &str) {
        escape::push_text(&mut self.piece, text);
        self.hand_on(PIECE);
    }

    /// The innermost open element ends.
    pub(crate) fn close(&mut self) {
        let Some(mark) = self.open.pop() else {
            return;
        };
        self.piece.push_str("</");
        self.piece.push_str(&self.names[mark.names..]);
        self.piece.push('>');
        self.names.truncate(mark.names);
        self.scope.truncate(mark.scope);
        self.rendered.truncate(mark.rendered);
        // After the root nothing follows that would hand the rest on.
        self.hand_on(if self.open.is_empty() { 0 } else { PIECE });
    }

    fn hand_on(&mut self, at_least: usize) {
        if self.piece.len() >= at_least {
            (self.out)(self.piece.as_bytes());
            self.piece.clear();
        }
    }

    /// As in the tree's form: what is visibly utilised or in the PrefixList, unless in force.
    fn namespaces(&mut self, tag: &Tag<'_>) {
        let own = (tag.prefix, tag.namespace);
        let prefixed = tag.attributes.iter().filter(|a| !a.prefix.is_empty());
        if self.inclusive.is_empty() && prefixed.clone().next().is_none() {
            if !self.is_in_force(&own) {
                self.render(&(own.0.to_owned(), own.1.to_owned()));
            }
            return;
        }
        let mut wanted = vec![own];
        wanted.extend(prefixed.map(|a| (a.prefix, a.namespace)));
        for prefix in &self.inclusive {
            let prefix = if prefix == "#default" { "" } else { prefix };
            let declared = self.scope.iter().rfind(|(declared, _)| declared == prefix);
            wanted.extend(declared.map(|(prefix, uri)| (prefix.as_str(), uri.as_str())));
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|binding| !self.is_in_force(binding));
        let wanted: Vec<(String, String)> = wanted
            .into_iter()
            .map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned()))
            .collect();
        for binding in &wanted {
            self.render(binding);
        }
    }

    fn is_in_force(&self, (prefix, uri): &(&str, &str)) -> bool {
        if *prefix == Namespace::XML.prefix {
            return true;
        }
        match self.rendered.iter().rfind(|(written, _)| written == prefix) {
            Some((_, written)) => written == uri,
            None => uri.is_empty(),
        }
    }

    fn render(&mut self, binding: &(String, String)) {
        let (prefix, uri) = binding;
        self.piece.push_str(" xmlns");
        if !prefix.is_empty() {
            self.piece.push(':');
            self.piece.push_str(prefix);
        }
        push_value(&mut self.piece, uri);
        self.rendered.push(binding.clone());
    }

    fn attributes(&mut self, attributes: &[TagAttribute<'_>]) {
        let mut sorted: Vec<&TagAttribute<'_>> = attributes.iter().collect();
        sorted.sort_unstable_by_key(|a| (a.namespace, a.local));
        for attribute in sorted {
            self.piece.push(' ');
            push_name(&mut self.piece, attribute.prefix, attribute.local);
            push_value(&mut self.piece, &attribute.value);
        }
    }
}
