//! The strict verifier. It accepts one shape, the one SAML core 5.4 describes, so that what was
//! signed is by construction the root element that the caller goes on to read.

use super::algorithm::{SignatureMethod, digest};
use super::{ENVELOPED, EXCLUSIVE_C14N, SignatureError, WRONG_DIGEST};
use crate::saml::binding::DetachedSignature;
use crate::saml::metadata::TrustedKey;
use crate::saml::xml::canonical::{Options, canonicalise};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Element, Node};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;

const DS: &str = Namespace::SIGNATURE.uri;

/// Verifies the enveloped signature of `root` with one of `keys`, each tried in turn.
///
/// Exactly one `ds:Signature` child of the root, one same-document Reference to the root's ID,
/// enveloped and exclusive-C14N transforms only, algorithms from the allow-list. `KeyInfo` is
/// never read: trust comes from `keys` alone. That no two elements share an ID is the reader's
/// promise.
pub fn verify_enveloped(root: &Element, keys: &[TrustedKey]) -> Result<(), SignatureError> {
    verify_enveloped_within(root, &[], keys)
}

/// The same for a message inside other elements, outermost first: those of a SOAP envelope. They
/// lend their namespace declarations, and nothing else of them is read.
pub fn verify_enveloped_within(
    root: &Element,
    around: &[&Element],
    keys: &[TrustedKey],
) -> Result<(), SignatureError> {
    let mut signatures = root.all(DS, "Signature");
    let (Some(signature), None) = (signatures.next(), signatures.next()) else {
        return refused("not exactly one signature on the root element");
    };
    let reference = verify_signed_info(root, around, signature, keys)?;
    let prefixes: Vec<&str> = reference.prefixes.iter().map(String::as_str).collect();
    let octets = canonicalise(
        root,
        &Options {
            ancestors: around,
            inclusive: &prefixes,
            omit: Some(signature),
        },
    );
    match openssl::hash::hash(reference.digest, octets.as_bytes()) {
        Ok(computed) => reference.check(&computed),
        Err(_) => refused(WRONG_DIGEST),
    }
}

/// A Reference to the root that a trusted key signed: what the root's digest has to be.
pub(crate) struct Reference {
    /// `InclusiveNamespaces/@PrefixList` of its exclusive C14N.
    pub(crate) prefixes: Vec<String>,
    /// `DigestMethod`.
    pub(crate) digest: MessageDigest,
    value: Vec<u8>,
}

impl Reference {
    /// Compares the digest of the root without its signature.
    pub(crate) fn check(&self, computed: &[u8]) -> Result<(), SignatureError> {
        if computed == self.value {
            return Ok(());
        }
        refused(WRONG_DIGEST)
    }
}

/// Verifies the signature over `SignedInfo` itself, the root's start tag being enough; the digest
/// remains to be checked.
pub(crate) fn verify_signed_info(
    root: &Element,
    around: &[&Element],
    signature: &Element,
    keys: &[TrustedKey],
) -> Result<Reference, SignatureError> {
    let (info, value) = signature_parts(signature)?;
    let [method, signature_method, reference] = exactly(
        info,
        ["CanonicalizationMethod", "SignatureMethod", "Reference"],
    )?;
    let prefixes = exclusive_c14n(method)?;
    let signature_method = SignatureMethod::from_uri(algorithm(signature_method)?)?;
    let reference = root_reference(root, reference)?;
    let octets = canonicalise(
        info,
        &Options {
            ancestors: &[around, &[root, signature]].concat(),
            inclusive: &prefixes,
            omit: None,
        },
    );
    check_value(keys, signature_method, octets.as_bytes(), &base64(value)?)?;
    Ok(reference)
}

/// Verifies a Redirect-binding signature over the received octets (SAML bindings 3.4.4.1).
pub fn verify_detached(
    signature: &DetachedSignature,
    keys: &[TrustedKey],
) -> Result<(), SignatureError> {
    let method = SignatureMethod::from_uri(&signature.algorithm)?;
    check_value(keys, method, &signature.signed_octets, &signature.signature)
}

fn check_value(
    keys: &[TrustedKey],
    method: SignatureMethod,
    octets: &[u8],
    value: &[u8],
) -> Result<(), SignatureError> {
    if keys.is_empty() {
        return refused("no trusted key to verify with");
    }
    if keys
        .iter()
        .any(|key| method.verify(&key.0, octets, value).is_ok())
    {
        return Ok(());
    }
    refused("no trusted key verifies the signature")
}

/// `SignedInfo` and `SignatureValue`; `KeyInfo` may follow, `Object` may not: SAML has no use for
/// it, signature wrapping has.
fn signature_parts(signature: &Element) -> Result<(&Element, &Element), SignatureError> {
    let parts: Vec<&Element> = signature.elements().collect();
    match parts.as_slice() {
        [info, value] if info.is(DS, "SignedInfo") && value.is(DS, "SignatureValue") => {
            Ok((info, value))
        }
        [info, value, key_info]
            if info.is(DS, "SignedInfo")
                && value.is(DS, "SignatureValue")
                && key_info.is(DS, "KeyInfo") =>
        {
            Ok((info, value))
        }
        _ => refused("malformed ds:Signature"),
    }
}

fn root_reference(root: &Element, reference: &Element) -> Result<Reference, SignatureError> {
    let id = root.attribute("ID").filter(|id| !id.is_empty());
    let target = reference
        .attribute("URI")
        .and_then(|uri| uri.strip_prefix('#'));
    if id.is_none() || id != target {
        return refused("the reference is not to the root element");
    }
    let [transforms, digest_method, digest_value] =
        exactly(reference, ["Transforms", "DigestMethod", "DigestValue"])?;
    let [enveloped, exclusive] = exactly(transforms, ["Transform", "Transform"])?;
    if algorithm(enveloped)? != ENVELOPED || enveloped.elements().next().is_some() {
        return refused("the first transform is not the enveloped-signature transform");
    }
    let prefixes = exclusive_c14n(exclusive)?;
    Ok(Reference {
        prefixes: prefixes.into_iter().map(str::to_owned).collect(),
        digest: digest(algorithm(digest_method)?)?,
        value: base64(digest_value)?,
    })
}

/// The `InclusiveNamespaces` prefixes of a method or transform that must be exclusive C14N without
/// comments.
fn exclusive_c14n(method: &Element) -> Result<Vec<&str>, SignatureError> {
    if algorithm(method)? != EXCLUSIVE_C14N {
        return refused("canonicalisation other than exclusive C14N");
    }
    let mut parameters = method.elements();
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(Vec::new()),
        (Some(list), None) if list.is(EXCLUSIVE_C14N, "InclusiveNamespaces") => {
            let prefixes = list.attribute("PrefixList").unwrap_or_default();
            Ok(prefixes.split_ascii_whitespace().collect())
        }
        _ => refused("malformed canonicalisation parameters"),
    }
}

fn algorithm(method: &Element) -> Result<&str, SignatureError> {
    match method.attribute("Algorithm") {
        Some(uri) => Ok(uri),
        None => refused("algorithm missing"),
    }
}

/// The child elements, which must be exactly these in this order, with white space alone between.
fn exactly<'e, const N: usize>(
    parent: &'e Element,
    names: [&str; N],
) -> Result<[&'e Element; N], SignatureError> {
    let stray_text = parent.children.iter().any(|node| match node {
        Node::Text(text) => !text.trim_ascii().is_empty(),
        Node::Element(_) => false,
    });
    let children: Vec<&Element> = parent.elements().collect();
    match <[&Element; N]>::try_from(children) {
        Ok(children)
            if !stray_text
                && children
                    .iter()
                    .zip(names)
                    .all(|(child, name)| child.is(DS, name)) =>
        {
            Ok(children)
        }
        _ => refused("malformed ds:SignedInfo"),
    }
}

/// Base64 with any white space (XML Schema base64Binary).
fn base64(element: &Element) -> Result<Vec<u8>, SignatureError> {
    if element.elements().next().is_some() {
        return refused("element inside base64");
    }
    let mut text = element.text();
    text.retain(|character| !character.is_ascii_whitespace());
    STANDARD
        .decode(text)
        .or_else(|_| refused("malformed base64"))
}

fn refused<T>(reason: &'static str) -> Result<T, SignatureError> {
    Err(SignatureError { reason })
}
