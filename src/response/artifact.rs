//! The ArtifactResponse (SAML core 3.5.2): what an artifact stood for, or nothing.

use crate::authn::event::Event;
use crate::response::envelope::write_status;
use crate::response::status::status_of;
use crate::saml::artifact::ArtifactResolve;
use crate::saml::instant;
use crate::saml::key::{KeyError, SigningKey};
use crate::saml::signature;
use crate::saml::soap;
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::writer::Writer;
use jiff::Timestamp;

const SAMLP: Namespace = Namespace::PROTOCOL;

/// Answers a resolution in an envelope. Without a message the status is Success all the same: core
/// 3.5.3 lets nobody learn whether an artifact ever existed (S26).
pub fn artifact_response(
    resolve: &ArtifactResolve,
    issuer: &str,
    (id, now): (&str, Timestamp),
    message: Option<&str>,
    key: &SigningKey,
) -> Result<String, KeyError> {
    let mut w = Writer::new();
    w.open(SAMLP, "ArtifactResponse");
    w.attribute("ID", id);
    w.attribute("InResponseTo", &resolve.id);
    w.attribute("IssueInstant", &instant::format_millis(now));
    w.attribute("Version", "2.0");
    w.leaf(Namespace::ASSERTION, "Issuer", issuer);
    let place = w.place();
    write_status(&mut w, &status_of(Event::Proceed));
    if let Some(message) = message {
        let end = w.place();
        w.insert(&end, &inherited(message));
    }
    w.close();
    signature::sign(&mut w, &place, id, key)?;
    Ok(soap::envelope(None, &w.finish()))
}

/// The message without the declaration that it inherits here: only so are the octets canonical, and
/// the message's own signature, which sees it as a root, is none the worse.
fn inherited(message: &str) -> String {
    let declaration = format!(" xmlns:{}=\"{}\"", SAMLP.prefix, SAMLP.uri);
    message.replacen(&declaration, "", 1)
}
