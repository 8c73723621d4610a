//! The SP role: endpoints, keys, attribute consuming services (SAML metadata 2.4.4).

use super::document::{MD, Notes};
use super::{
    AttributeConsumingService, Endpoint, IndexedEndpoint, RequestedAttribute, SpSsoDescriptor,
    extensions, keys,
};
use crate::saml::binding::Binding;
use crate::saml::xml::reader::Element;

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

/// The SP roles that support SAML 2.0; an entity may have several roles of one kind.
pub(super) fn saml2_sp_roles(entity: &Element) -> impl Iterator<Item = &Element> {
    entity
        .all(MD, "SPSSODescriptor")
        .filter(|role| speaks_saml2(role.attribute("protocolSupportEnumeration")))
}

/// Whether a `protocolSupportEnumeration` names SAML 2.0.
pub(super) fn speaks_saml2(list: Option<&str>) -> bool {
    list.is_some_and(|list| list.split_ascii_whitespace().any(|uri| uri == PROTOCOL))
}

/// All roles as one: what one of them demands is demanded, what one of them offers is offered
/// (attack S07: a second role must not switch a check off).
pub(super) fn merged(
    roles: &[&Element],
    notes: &mut Notes,
) -> Result<SpSsoDescriptor, &'static str> {
    let mut sp = SpSsoDescriptor::default();
    for role in roles {
        add_role(&mut sp, role, notes)?;
    }
    Ok(sp)
}

fn add_role(
    sp: &mut SpSsoDescriptor,
    role: &Element,
    notes: &mut Notes,
) -> Result<(), &'static str> {
    sp.authn_requests_signed |= flag(role, "AuthnRequestsSigned")?.unwrap_or(false);
    sp.want_assertions_signed |= flag(role, "WantAssertionsSigned")?.unwrap_or(false);
    for child in role.elements().filter(|child| child.namespace == MD) {
        match child.local.as_str() {
            "KeyDescriptor" => keys::add(sp, child, notes),
            "NameIDFormat" => sp.name_id_formats.push(child.text()),
            "AssertionConsumerService" => sp
                .assertion_consumer_services
                .extend(assertion_consumer_service(child, notes)),
            "SingleLogoutService" => sp.single_logout_services.extend(endpoint(child, notes)),
            "AttributeConsumingService" => sp
                .attribute_consuming_services
                .extend(attribute_consuming_service(child, notes)),
            "Extensions" => {
                extensions::add_ui(&mut sp.ui, child, notes);
                sp.signing_methods
                    .extend(extensions::signing_methods(child));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An optional `xs:boolean`, which has four spellings.
fn flag(element: &Element, name: &str) -> Result<Option<bool>, &'static str> {
    element
        .attribute(name)
        .map(|text| boolean(text).ok_or("entity skipped: a flag is no xs:boolean"))
        .transpose()
}

/// Reads an `xs:boolean` (XML Schema part 2, 3.2.2).
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim_matches([' ', '\t', '\r', '\n']) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn assertion_consumer_service(element: &Element, notes: &mut Notes) -> Option<IndexedEndpoint> {
    let endpoint = endpoint(element, notes)?;
    let (index, is_default) = indexed(element, notes)?;
    Some(IndexedEndpoint {
        index,
        is_default,
        endpoint,
    })
}

/// `index` and `isDefault` (SAML metadata 2.2.3).
fn indexed(element: &Element, notes: &mut Notes) -> Option<(u16, Option<bool>)> {
    let index = element.attribute("index").and_then(unsigned_short);
    let (Some(index), Ok(is_default)) = (index, flag(element, "isDefault")) else {
        notes.add("service dropped: its index or isDefault is malformed");
        return None;
    };
    Some((index, is_default))
}

/// Reads an `xs:unsignedShort`.
pub(crate) fn unsigned_short(text: &str) -> Option<u16> {
    text.trim_matches([' ', '\t', '\r', '\n']).parse().ok()
}

/// An endpoint; one with a binding we do not know is passed over in silence (SAML 1.1's stand in
/// most documents), one with a location that is no web address is dropped (attack S22).
fn endpoint(element: &Element, notes: &mut Notes) -> Option<Endpoint> {
    let binding = Binding::from_uri(element.attribute("Binding")?)?;
    let location = element.attribute("Location").and_then(web_address);
    let response_location = element.attribute("ResponseLocation").map(web_address);
    match (location, response_location) {
        (Some(location), None) => Some(Endpoint {
            binding,
            location,
            response_location: None,
        }),
        (Some(location), Some(Some(response_location))) => Some(Endpoint {
            binding,
            location,
            response_location: Some(response_location),
        }),
        _ => {
            notes.add("endpoint dropped: its location is no https or http URL");
            None
        }
    }
}

/// The URL as written, if it is an absolute https or http URL with a host.
pub(super) fn web_address(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    // The URL parser forgives white space and control characters; a browser's form would too.
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let url = url::Url::parse(text).ok()?;
    (clean && matches!(url.scheme(), "https" | "http") && url.has_host()).then(|| text.to_owned())
}

fn attribute_consuming_service(
    element: &Element,
    notes: &mut Notes,
) -> Option<AttributeConsumingService> {
    let (index, is_default) = indexed(element, notes)?;
    Some(AttributeConsumingService {
        index,
        is_default,
        requested: element
            .all(MD, "RequestedAttribute")
            .filter_map(requested_attribute)
            .collect(),
        names: extensions::localized(element, MD, "ServiceName"),
    })
}

fn requested_attribute(element: &Element) -> Option<RequestedAttribute> {
    Some(RequestedAttribute {
        name: element.attribute("Name")?.to_owned(),
        required: element
            .attribute("isRequired")
            .and_then(boolean)
            .unwrap_or(false),
        values: element
            .all(ASSERTION, "AttributeValue")
            .map(Element::text)
            .collect(),
    })
}
