//! Exclusive XML Canonicalization 1.0 without comments, of a subtree.

mod stream;

pub(crate) use stream::Stream;

use super::escape;
use super::namespace::Namespace;
use super::reader::{Attribute, Element, Node};

/// What to canonicalise besides the element itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The element's ancestors, root first: the context of its namespaces.
    pub ancestors: &'a [&'a Element],
    /// `InclusiveNamespaces/@PrefixList` (exclusive C14N 2.1), `#default` included.
    pub inclusive: &'a [&'a str],
    /// The descendant to leave out: the signature that the enveloped transform removes.
    pub omit: Option<&'a Element>,
}

/// The canonical octets of an element.
pub fn canonicalise(element: &Element, options: &Options<'_>) -> String {
    let mut form = Form {
        out: String::with_capacity(4 * 1024),
        options,
        scope: Vec::new(),
        rendered: Vec::new(),
    };
    for ancestor in options.ancestors {
        form.scope.extend(declarations(ancestor));
    }
    form.element(element);
    form.out
}

type Binding<'a> = (&'a str, &'a str);

struct Form<'a> {
    out: String,
    options: &'a Options<'a>,
    // Declarations of the document in scope, and declarations written and in force; innermost
    // last.
    scope: Vec<Binding<'a>>,
    rendered: Vec<Binding<'a>>,
}

impl<'a> Form<'a> {
    /// Depth is bounded by the reader's `Limits`.
    fn element(&mut self, element: &'a Element) {
        let (scope, rendered) = (self.scope.len(), self.rendered.len());
        self.scope.extend(declarations(element));
        self.out.push('<');
        push_name(&mut self.out, &element.prefix, &element.local);
        self.namespaces(element);
        self.attributes(element);
        self.out.push('>');
        for child in &element.children {
            match child {
                Node::Text(text) => escape::push_text(&mut self.out, text),
                Node::Element(child) => {
                    if !self
                        .options
                        .omit
                        .is_some_and(|omit| std::ptr::eq(omit, child))
                    {
                        self.element(child);
                    }
                }
            }
        }
        self.out.push_str("</");
        push_name(&mut self.out, &element.prefix, &element.local);
        self.out.push('>');
        self.scope.truncate(scope);
        self.rendered.truncate(rendered);
    }

    /// Writes the namespaces this element visibly utilises, and those of the PrefixList in scope,
    /// unless an output ancestor has them in force (exclusive C14N 3).
    fn namespaces(&mut self, element: &'a Element) {
        let mut wanted: Vec<Binding<'a>> = vec![(&element.prefix, &element.namespace)];
        let prefixed = element.attributes.iter().filter(|a| !a.prefix.is_empty());
        wanted.extend(prefixed.map(|a| (a.prefix.as_str(), a.namespace.as_str())));
        for inclusive in self.options.inclusive {
            let prefix = if *inclusive == "#default" {
                ""
            } else {
                inclusive
            };
            wanted.extend(self.scope.iter().rfind(|(declared, _)| *declared == prefix));
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|binding| !self.is_in_force(binding));
        for (prefix, uri) in &wanted {
            self.out.push_str(" xmlns");
            if !prefix.is_empty() {
                self.out.push(':');
                self.out.push_str(prefix);
            }
            push_value(&mut self.out, uri);
        }
        self.rendered.extend(wanted);
    }

    fn is_in_force(&self, (prefix, uri): &Binding<'_>) -> bool {
        if *prefix == Namespace::XML.prefix {
            return true;
        }
        match self.rendered.iter().rfind(|(written, _)| written == prefix) {
            Some((_, written)) => written == uri,
            // `xmlns=""` is written only to undo a default namespace.
            None => uri.is_empty(),
        }
    }

    /// Attributes sorted by namespace name, then local name; unprefixed ones first.
    fn attributes(&mut self, element: &Element) {
        let mut sorted: Vec<&Attribute> = element.attributes.iter().collect();
        sorted.sort_unstable_by_key(|a| (&a.namespace, &a.local));
        for attribute in sorted {
            self.out.push(' ');
            push_name(&mut self.out, &attribute.prefix, &attribute.local);
            push_value(&mut self.out, &attribute.value);
        }
    }
}

fn declarations(element: &Element) -> impl Iterator<Item = Binding<'_>> {
    let pairs = element.declarations.iter();
    pairs.map(|(prefix, uri)| (prefix.as_str(), uri.as_str()))
}

fn push_name(out: &mut String, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(local);
}

fn push_value(out: &mut String, value: &str) {
    out.push_str("=\"");
    escape::push_attribute(out, value);
    out.push('"');
}

#[cfg(test)]
mod tests;
