//! Extensions we know: MDUI, entity attributes, registration, algorithms. All others are passed over.

use super::document::Notes;
use super::role::web_address;
use super::{Localized, Logo, UiInfo};
use crate::saml::xml::reader::Element;
use std::collections::BTreeMap;

const MDUI: &str = "urn:oasis:names:tc:SAML:metadata:ui";
const MDATTR: &str = "urn:oasis:names:tc:SAML:metadata:attribute";
const MDRPI: &str = "urn:oasis:names:tc:SAML:metadata:rpi";
const ALG: &str = "urn:oasis:names:tc:SAML:metadata:algsupport";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Logos above this many characters (they may be `data:` URLs) would swell every login page.
const MAX_LOGO: usize = 64 * 1024;

/// `mdattr:EntityAttributes`, name to values.
pub(super) fn entity_attributes(extensions: &Element) -> BTreeMap<String, Vec<String>> {
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let elements = extensions
        .all(MDATTR, "EntityAttributes")
        .flat_map(|container| container.all(ASSERTION, "Attribute"));
    for attribute in elements {
        let Some(name) = attribute.attribute("Name") else {
            continue;
        };
        let values = attribute.all(ASSERTION, "AttributeValue");
        attributes
            .entry(name.to_owned())
            .or_default()
            .extend(values.map(Element::text));
    }
    attributes
}

/// `mdrpi:RegistrationInfo/@registrationAuthority`.
pub(super) fn registration_authority(extensions: &Element) -> Option<String> {
    extensions
        .first(MDRPI, "RegistrationInfo")?
        .attribute("registrationAuthority")
        .map(str::to_owned)
}

/// `alg:SigningMethod/@Algorithm`, in order.
pub(super) fn signing_methods(extensions: &Element) -> impl Iterator<Item = String> {
    let methods = extensions.all(ALG, "SigningMethod");
    methods.filter_map(|method| method.attribute("Algorithm").map(str::to_owned))
}

/// Adds a role's `mdui:UIInfo`; addresses that are none are dropped (attack S22).
pub(super) fn add_ui(ui: &mut UiInfo, extensions: &Element, notes: &mut Notes) {
    for info in extensions.all(MDUI, "UIInfo") {
        ui.display_names
            .extend(localized(info, MDUI, "DisplayName"));
        ui.descriptions.extend(localized(info, MDUI, "Description"));
        ui.information_urls
            .extend(localized_urls(info, "InformationURL", notes));
        ui.privacy_statement_urls
            .extend(localized_urls(info, "PrivacyStatementURL", notes));
        ui.logos
            .extend(info.all(MDUI, "Logo").filter_map(|l| logo(l, notes)));
    }
}

/// The named children with their languages, empty ones left out.
pub(super) fn localized(parent: &Element, namespace: &str, local: &str) -> Vec<Localized> {
    parent
        .all(namespace, local)
        .map(|element| Localized {
            lang: language(element),
            value: element.text(),
        })
        .filter(|localized| !localized.value.is_empty())
        .collect()
}

fn language(element: &Element) -> String {
    element
        .attributes
        .iter()
        .find(|a| a.namespace == XML && a.local == "lang")
        .map(|a| a.value.clone())
        .unwrap_or_default()
}

fn localized_urls(info: &Element, local: &str, notes: &mut Notes) -> Vec<Localized> {
    let mut urls = localized(info, MDUI, local);
    let before = urls.len();
    urls.retain(|url| web_address(&url.value).is_some());
    if urls.len() != before {
        notes.add("mdui URL dropped: it is no https or http URL");
    }
    urls
}

/// A logo by https or as `data:image` (SDP-MD10): never a script, never mixed content.
fn logo(element: &Element, notes: &mut Notes) -> Option<Logo> {
    let url = element.text();
    let lower = url.get(..11).map(str::to_ascii_lowercase);
    let is_image = lower.as_deref() == Some("data:image/")
        && !url.chars().any(|c| c.is_control() || "\"'<>".contains(c));
    let is_https = web_address(&url).is_some()
        && url
            .get(..6)
            .is_some_and(|s| s.eq_ignore_ascii_case("https:"));
    if url.len() > MAX_LOGO || !(is_image || is_https) {
        notes.add("mdui:Logo dropped: neither https nor a small data:image");
        return None;
    }
    let pixels = |name| element.attribute(name).and_then(|n| n.parse().ok());
    Some(Logo {
        url,
        width: pixels("width").unwrap_or_default(),
        height: pixels("height").unwrap_or_default(),
    })
}
