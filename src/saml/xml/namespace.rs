//! Namespaces that we write, each with the one prefix we write it with.

/// A namespace and our prefix for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace {
    /// Our prefix, empty for [`Namespace::NONE`] alone: default namespaces would make attributes and
    /// elements differ, and names in no namespace would have to undo them.
    pub prefix: &'static str,
    /// The namespace name, an absolute URI, or empty.
    pub uri: &'static str,
}

impl Namespace {
    /// SAML 2.0 protocol.
    pub const PROTOCOL: Self = Self::new("saml2p", "urn:oasis:names:tc:SAML:2.0:protocol");
    /// SAML 2.0 assertion.
    pub const ASSERTION: Self = Self::new("saml2", "urn:oasis:names:tc:SAML:2.0:assertion");
    /// SAML 2.0 metadata.
    pub const METADATA: Self = Self::new("md", "urn:oasis:names:tc:SAML:2.0:metadata");
    /// XML Signature.
    pub const SIGNATURE: Self = Self::new("ds", "http://www.w3.org/2000/09/xmldsig#");
    /// XML Encryption.
    pub const ENCRYPTION: Self = Self::new("xenc", "http://www.w3.org/2001/04/xmlenc#");
    /// No namespace, for the few elements that have none.
    pub const NONE: Self = Self::new("", "");
    /// The namespace of `xml:lang`, bound without declaration.
    pub const XML: Self = Self::new("xml", "http://www.w3.org/XML/1998/namespace");

    /// Names a namespace and its prefix.
    pub const fn new(prefix: &'static str, uri: &'static str) -> Self {
        Self { prefix, uri }
    }
}
