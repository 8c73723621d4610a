//! What our own metadata says of us besides keys, names and endpoints.

use crate::config::reader::{Reader, is_uri};
use crate::saml::metadata::Logo;
use crate::saml::own_metadata::{Contact, ContactKind, Organization, OwnMetadata, OwnUi};
use url::Url;

const LOGO: &str = "vestibule.ui.logo";
const ERROR_URL: &str = "vestibule.errorURL";

pub(super) fn read(reader: &mut Reader<'_>) -> OwnMetadata {
    let ui = OwnUi {
        description: reader.text("vestibule.ui.description"),
        information_url: web_address(reader, "vestibule.ui.informationURL"),
        privacy_statement_url: web_address(reader, "vestibule.ui.privacyStatementURL"),
        logos: logo(reader).into_iter().collect(),
    };
    OwnMetadata {
        display_name: reader.text("vestibule.ui.displayName"),
        ui,
        error_url: error_url(reader),
        category_support: uris(reader, "vestibule.entityCategorySupport"),
        assurance: uris(reader, "vestibule.assuranceCertification"),
        organization: organization(reader),
        contacts: contacts(reader),
        ..OwnMetadata::default()
    }
}

/// `none` leaves the attribute out.
fn error_url(reader: &mut Reader<'_>) -> Option<String> {
    let left_out = reader.text(ERROR_URL).as_deref() == Some("none");
    if left_out {
        return None;
    }
    web_address(reader, ERROR_URL)
}

fn uris(reader: &mut Reader<'_>, key: &str) -> Vec<String> {
    let uris = reader.list(key);
    for text in uris.iter().filter(|text| !is_uri(text)) {
        reader.wrong(key, text, format!("correct or remove {text}"));
    }
    uris
}

fn web_address(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    reader.parsed(key, |text| is_web_address(text).then(|| text.to_owned()))
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// SDP-MD10: https, or the picture itself.
fn logo(reader: &mut Reader<'_>) -> Option<Logo> {
    let url = reader.parsed(LOGO, |text| {
        let usable = text.starts_with("https://") || text.starts_with("data:image/");
        (usable && Url::parse(text).is_ok()).then(|| text.to_owned())
    });
    let width = reader.count("vestibule.ui.logo.width");
    let height = reader.count("vestibule.ui.logo.height");
    Some(Logo {
        url: url?,
        width: width?,
        height: height?,
    })
}

/// SAML metadata 2.3.2.1 has all three or none.
fn organization(reader: &mut Reader<'_>) -> Option<Organization> {
    let key = |part: &str| format!("vestibule.organization.{part}");
    let name = reader.text(&key("name"));
    let display_name = reader.text(&key("displayName"));
    let url = web_address(reader, &key("url"));
    let all = [
        ("name", name.is_some()),
        ("displayName", display_name.is_some()),
        ("url", url.is_some()),
    ];
    if all.iter().any(|(_, set)| *set)
        && let Some((missing, _)) = all.iter().find(|(_, set)| !set)
    {
        let key = key(missing);
        let fix = format!("add the line `{key} = ...`, or remove the others");
        reader.error(&key, "no value", "a name, a display name and a URL", fix);
    }
    Some(Organization {
        name: name?,
        display_name: display_name?,
        url: url?,
    })
}

fn contacts(reader: &mut Reader<'_>) -> Vec<Contact> {
    [
        ("technical", ContactKind::Technical),
        ("support", ContactKind::Support),
        ("administrative", ContactKind::Administrative),
        ("security", ContactKind::Security),
    ]
    .into_iter()
    .filter_map(|(word, kind)| contact(reader, word, kind))
    .collect()
}

fn contact(reader: &mut Reader<'_>, word: &str, kind: ContactKind) -> Option<Contact> {
    let name = reader.text(&format!("vestibule.contact.{word}.name"));
    let key = format!("vestibule.contact.{word}.mail");
    let mail = reader.parsed(&key, address);
    if name.is_some() && mail.is_none() && reader.values.written(&key).is_none() {
        let fix = format!("add the line `{key} = ...`");
        reader.error(&key, "a name without an address", "a mail address", fix);
    }
    Some(Contact {
        kind,
        name,
        mail: mail?,
    })
}

/// A mail address; `mailto:` may stand before it.
fn address(text: &str) -> Option<String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let (local, domain) = address.split_once('@')?;
    let plain = |part: &str| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "@<>\"?&%".contains(c);
        !part.is_empty() && !part.contains(odd)
    };
    (plain(local) && plain(domain)).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_address_is_taken_with_and_without_mailto() {
        for good in ["help@example.org", "mailto:help@example.org"] {
            assert_eq!(address(good).as_deref(), Some("help@example.org"));
        }
        for bad in ["help", "@example.org", "help@", "a b@c", "a@b@c", "a@b?x=1"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
