//! What is audited and how.

use crate::audit::{AuditSettings, Format, OnFailure};
use crate::config::reader::Reader;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<AuditSettings> {
    let factors = reader.flag("idp.authn.audit.enabled");
    let password = reader.flag("idp.authn.Password.audit.enabled");
    let duo = reader.flag("idp.duo.oidc.audit.enabled");
    let sso = format(reader, "idp.audit.format");
    let password_format = format(reader, "idp.authn.Password.audit.format");
    let duo_format = format(reader, "idp.duo.oidc.audit.format");
    let consent = format(reader, "vestibule.consent.audit.format");
    let duo_category = reader.text("idp.duo.oidc.audit.category");
    let shorten = reader.flag("idp.audit.shortenBindings");
    let on_failure = reader.choice("vestibule.audit.onFailure");
    Some(AuditSettings {
        sso: sso?,
        password: password_format.filter(|_| password == Some(true)),
        // Shibboleth 1.4.0 of the plugin: the global switch gates Duo's as well.
        duo: duo_format.filter(|_| duo == Some(true) && factors == Some(true)),
        consent: consent?,
        duo_category: duo_category?,
        shorten: shorten?,
        on_failure: match on_failure?.as_str() {
            "continue" => OnFailure::Continue,
            _ => OnFailure::Refuse,
        },
    })
}

fn format(reader: &mut Reader<'_>, key: &str) -> Option<Format> {
    let text = reader.text(key)?;
    match Format::parse(&text) {
        Ok(format) => Some(format),
        Err(reason) => {
            reader.error(
                key,
                reason.to_string(),
                "fields of docs/configuration.md",
                "correct or remove the field",
            );
            None
        }
    }
}
