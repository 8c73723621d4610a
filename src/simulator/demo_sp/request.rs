//! The AuthnRequest of a demo SP, by HTTP-Redirect, unsigned (SAML bindings 3.4).

use super::{IdentityProvider, Site};
use crate::saml::binding::Binding;
use crate::saml::instant;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::Deserialize;
use std::io::{self, Write as _};

const SAMLP: Namespace = Namespace::PROTOCOL;

/// What the visitor wants to be asked of the identity provider.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Wish {
    /// `on`: ForceAuthn.
    #[serde(default)]
    force: String,
    /// `on`: IsPassive.
    #[serde(default)]
    passive: String,
    /// An AuthnContextClassRef to ask for, exactly.
    #[serde(default)]
    class: String,
}

#[cfg(test)]
impl Wish {
    /// Everything at once: ForceAuthn, IsPassive and a class.
    pub(super) fn asking(class: &str) -> Self {
        Self {
            force: "on".to_owned(),
            passive: "on".to_owned(),
            class: class.to_owned(),
        }
    }
}

/// The URL that carries the request to the identity provider.
pub(super) fn redirect_url(
    site: &Site,
    idp: &IdentityProvider,
    wish: &Wish,
    id: &str,
    now: Timestamp,
) -> io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(authn_request(site, idp, wish, id, now).as_bytes())?;
    let message = STANDARD.encode(encoder.finish()?);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &message)
        .append_pair("RelayState", &site.home())
        .finish();
    Ok(format!("{}?{query}", idp.sso_url))
}

fn authn_request(
    site: &Site,
    idp: &IdentityProvider,
    wish: &Wish,
    id: &str,
    now: Timestamp,
) -> String {
    let mut w = Writer::new();
    w.open(SAMLP, "AuthnRequest");
    w.attribute("ID", id);
    w.attribute("Version", "2.0");
    w.attribute("IssueInstant", &instant::format(now));
    w.attribute("Destination", &idp.sso_url);
    w.attribute("AssertionConsumerServiceURL", &site.acs());
    w.attribute("ProtocolBinding", Binding::Post.uri());
    if !wish.force.is_empty() {
        w.attribute("ForceAuthn", "true");
    }
    if !wish.passive.is_empty() {
        w.attribute("IsPassive", "true");
    }
    w.leaf(Namespace::ASSERTION, "Issuer", &site.entity_id());
    if !wish.class.is_empty() {
        w.open(SAMLP, "RequestedAuthnContext");
        w.attribute("Comparison", "exact");
        w.leaf(Namespace::ASSERTION, "AuthnContextClassRef", &wish.class);
        w.close();
    }
    w.close();
    w.finish()
}
