//! What a proven request asks for (SAML core 3.4.1).
//!
//! `saml:Conditions` is passed over: core 3.4.1 lets the responder set the conditions it sees fit,
//! and ours are always narrower than what a request could ask.

use super::AuthnRequest;
use crate::saml::context::{AuthnContextClassRef, Comparison, RequestedAuthnContext};
use crate::saml::key::DecryptionKey;
use crate::saml::metadata::{boolean, unsigned_short};
use crate::saml::name_id::{NameId, NameIdPolicy};
use crate::saml::proof::{Fault, Received, SAML, SAMLP, check_version, only};
use crate::saml::xml::reader::{Element, Node};

/// More classes than any relying party can mean (truth table R18).
const MAX_CLASSES: usize = 20;
/// Longer than any class in use (truth table R18).
const MAX_URI: usize = 1024;

/// Reads the wishes into the request; the fault is told to the relying party.
pub(super) fn read(
    request: &mut AuthnRequest,
    received: &Received<'_>,
    keys: &[DecryptionKey],
) -> Result<(), Fault> {
    let root = received.root;
    check_version(root)?;
    request.force_authn = flag(root, "ForceAuthn")?;
    request.is_passive = flag(root, "IsPassive")?;
    request.attribute_consuming_service_index = attribute_consuming_service_index(root)?;
    request.name_id_policy = match only(root, SAMLP, "NameIDPolicy")? {
        Some(policy) => name_id_policy(policy, &request.issuer)?,
        None => NameIdPolicy::default(),
    };
    request.requested = only(root, SAMLP, "RequestedAuthnContext")?
        .map(requested_authn_context)
        .transpose()?;
    request.subject = match only(root, SAML, "Subject")? {
        Some(subject) => name_id(subject, request.signed, received, keys)?,
        None => None,
    };
    request.proxy_count = match only(root, SAMLP, "Scoping")? {
        Some(scoping) => proxy_count(scoping)?,
        None => None,
    };
    Ok(())
}

fn flag(element: &Element, name: &str) -> Result<bool, Fault> {
    match element.attribute(name).map(boolean) {
        None => Ok(false),
        Some(Some(value)) => Ok(value),
        Some(None) => Err(Fault::undecodable("a flag of the request is no xs:boolean")),
    }
}

fn attribute_consuming_service_index(root: &Element) -> Result<Option<u16>, Fault> {
    const MALFORMED: Fault =
        Fault::undecodable("AttributeConsumingServiceIndex is no xs:unsignedShort");
    root.attribute("AttributeConsumingServiceIndex")
        .map(|text| unsigned_short(text).ok_or(MALFORMED))
        .transpose()
}

/// SAML core 3.4.1.1. A name space other than the requester's own would let one relying party ask
/// for another's identifiers.
fn name_id_policy(policy: &Element, issuer: &str) -> Result<NameIdPolicy, Fault> {
    let sp_name_qualifier = policy.attribute("SPNameQualifier");
    if sp_name_qualifier.is_some_and(|qualifier| qualifier != issuer) {
        return Err(Fault::new(
            "InvalidNameIDPolicy",
            "SPNameQualifier is not the requester",
        ));
    }
    Ok(NameIdPolicy {
        format: policy.attribute("Format").map(str::to_owned),
        sp_name_qualifier: sp_name_qualifier.map(str::to_owned),
        allow_create: flag(policy, "AllowCreate")?,
    })
}

/// SAML core 3.3.2.2.1: classes or declarations, never both (R15), at least one.
fn requested_authn_context(element: &Element) -> Result<RequestedAuthnContext, Fault> {
    let texts = |local| -> Vec<String> { element.all(SAML, local).map(literal).collect() };
    let classes = texts("AuthnContextClassRef");
    let declarations = texts("AuthnContextDeclRef");
    if classes.is_empty() == declarations.is_empty() {
        return Err(Fault::undecodable(
            "RequestedAuthnContext names both classes and declarations, or neither",
        ));
    }
    let mut all = classes.iter().chain(&declarations);
    if all.clone().count() > MAX_CLASSES || all.any(|uri| uri.len() > MAX_URI) {
        return Err(Fault::undecodable(
            "RequestedAuthnContext has too many or too long references",
        ));
    }
    Ok(RequestedAuthnContext {
        comparison: comparison(element)?,
        classes: classes.into_iter().map(AuthnContextClassRef::new).collect(),
        declarations,
    })
}

/// The character data as it stands: a class is compared as a plain string, padding and all (R17).
fn literal(element: &Element) -> String {
    let texts = element.children.iter().filter_map(|node| match node {
        Node::Text(text) => Some(text.as_str()),
        Node::Element(_) => None,
    });
    texts.collect()
}

fn comparison(element: &Element) -> Result<Comparison, Fault> {
    let Some(word) = element.attribute("Comparison") else {
        return Ok(Comparison::default());
    };
    [
        Comparison::Exact,
        Comparison::Minimum,
        Comparison::Maximum,
        Comparison::Better,
    ]
    .into_iter()
    .find(|comparison| comparison.as_str() == word)
    .ok_or(Fault::undecodable("Comparison is none of the four"))
}

/// SAML core 3.4.1.4: the answer must be about this subject; one we cannot read, we cannot match.
fn name_id(
    subject: &Element,
    signed: bool,
    received: &Received<'_>,
    keys: &[DecryptionKey],
) -> Result<Option<NameId>, Fault> {
    if only(subject, SAML, "BaseID")?.is_some() {
        return Err(Fault::undecodable("the requested Subject has no NameID"));
    }
    match (
        only(subject, SAML, "NameID")?,
        only(subject, SAML, "EncryptedID")?,
    ) {
        (plain, None) => Ok(plain.map(NameId::read)),
        (None, Some(encrypted)) if signed => {
            let around = [received.around, &[received.root, subject]].concat();
            NameId::decrypt(encrypted, &around, keys)
                .map(Some)
                .map_err(|error| Fault::undecodable(error.reason))
        }
        // S16: what nobody vouches for is not decrypted.
        (None, Some(_)) => Err(Fault::undecodable(
            "the requested Subject is encrypted and the request not signed",
        )),
        _ => Err(Fault::undecodable("the requested Subject has two names")),
    }
}

/// SAML core 3.4.1.2; a count beyond `u32` is as good as no limit.
fn proxy_count(scoping: &Element) -> Result<Option<u32>, Fault> {
    let Some(text) = scoping.attribute("ProxyCount") else {
        return Ok(None);
    };
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Fault::undecodable("ProxyCount is no number"));
    }
    Ok(Some(text.parse().unwrap_or(u32::MAX)))
}
