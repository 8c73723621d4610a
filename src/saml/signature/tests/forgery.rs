//! Signatures that must not verify, each with everything right but one thing.

use super::{open_with_issuer, read, trusted};
use crate::saml::key::SigningKey;
use crate::saml::key::tests::{ec, rsa, self_signed, signing_key};
use crate::saml::metadata::TrustedKey;
use crate::saml::signature::{is_signed, sign, verify_enveloped};
use crate::saml::xml::canonical::{Options, canonicalise};
use crate::saml::xml::namespace::Namespace;
use crate::saml::xml::reader::{Limits, parse};
use crate::saml::xml::writer::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::sha::sha256;

/// Why the document is refused, by the reader or by the verifier.
fn reason(xml: &str, keys: &[TrustedKey]) -> &'static str {
    match parse(xml.as_bytes(), &Limits::MESSAGE) {
        Err(error) => error.reason,
        Ok(root) => match verify_enveloped(&root, keys) {
            Err(error) => error.reason,
            Ok(()) => panic!("verified {xml}"),
        },
    }
}

/// A signed request cut into: everything before the signature, the signature, everything behind.
fn signed_request(key: &SigningKey) -> [String; 3] {
    let mut w = Writer::new();
    let place = open_with_issuer(&mut w, Namespace::PROTOCOL, "AuthnRequest", "_o");
    w.close();
    sign(&mut w, &place, "_o", key).unwrap();
    let xml = w.finish();
    let (before, rest) = xml.split_at(xml.find("<ds:Signature").unwrap());
    let end = "</ds:Signature>";
    let (signature, behind) = rest.split_at(rest.find(end).unwrap() + end.len());
    [before, signature, behind].map(str::to_owned)
}

const NOT_ONE: &str = "not exactly one signature on the root element";
const MALFORMED: &str = "malformed ds:Signature";

/// The eight classic wrapping shapes and some of our own: name, document, reason of refusal.
fn wrapped([head, signature, tail]: &[String; 3]) -> Vec<(&'static str, String, &'static str)> {
    let original = format!("{head}{signature}{tail}");
    let bare = format!("{head}{tail}");
    let evil = head
        .replace("_o", "_e")
        .replace("idp.example.org", "evil.example");
    let in_signature =
        |inner: &str| signature.replace("</ds:Signature>", &format!("{inner}</ds:Signature>"));
    let extensions = |inner: &str| format!("<saml2p:Extensions>{inner}</saml2p:Extensions>");
    let forged = |inner: &str| format!("{evil}{inner}{tail}");
    let object = in_signature(&format!("<ds:Object>{bare}</ds:Object>"));
    [
        (
            "original in signature",
            forged(&in_signature(&bare)),
            MALFORMED,
        ),
        (
            "original beside signature",
            forged(&format!("{bare}{signature}")),
            TARGET,
        ),
        ("signed original inside", forged(&original), NOT_ONE),
        (
            "forgery inside original",
            format!("{head}{signature}{evil}{tail}{tail}"),
            DIGEST,
        ),
        (
            "one ID for both",
            format!("{}{signature}{bare}{tail}", evil.replace("_e", "_o")),
            "duplicate ID",
        ),
        (
            "signed original in signature",
            forged(&in_signature(&original)),
            MALFORMED,
        ),
        (
            "original in Extensions",
            forged(&format!("{}{signature}", extensions(&bare))),
            TARGET,
        ),
        ("original in ds:Object", forged(&object), MALFORMED),
        (
            "signed original in Extensions",
            forged(&extensions(&original)),
            NOT_ONE,
        ),
        (
            "signature in Extensions",
            format!("{head}{}{tail}", extensions(signature)),
            NOT_ONE,
        ),
        (
            "two signatures",
            format!("{head}{signature}{signature}{tail}"),
            NOT_ONE,
        ),
    ]
    .to_vec()
}

#[test]
fn s01_no_wrapping_shape_makes_a_forged_request_verified() {
    let key = signing_key(&rsa(2048));
    let keys = [trusted(&key)];
    let request = signed_request(&key);
    verify_enveloped(&read(&request.concat()), &keys).unwrap();
    for (shape, xml, why) in wrapped(&request) {
        assert_eq!(reason(&xml, &keys), why, "{shape}: {xml}");
    }
}

#[test]
fn s03_changing_one_octet_of_content_is_seen() {
    let key = signing_key(&rsa(2048));
    let [head, signature, tail] = signed_request(&key);
    for changed in [
        head.replace("2.0\"", "2.1\""),
        head.replace("idp.example", "idp.axample"),
        head.replace("Version", "version"),
        format!("{head} "),
        format!("{head}<saml2p:Scoping/>"),
    ] {
        assert_ne!(changed, head);
        let xml = format!("{changed}{signature}{tail}");
        assert_eq!(reason(&xml, &[trusted(&key)]), "the digest does not match");
    }
    let comment = format!("{head}<!-- free -->{signature}{tail}");
    verify_enveloped(&read(&comment), &[trusted(&key)]).unwrap();
}

const GOOD: &str = "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
    <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
    <ds:Reference URI=\"#_o\"><ds:Transforms>\
    <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
    <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
    <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
    <ds:DigestValue>DIGEST</ds:DigestValue></ds:Reference>";

/// A request with this `SignedInfo` content and a signature value that is right for it.
fn craft(info: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let frame = |info: &str, value: &str| {
        format!(
            "<p:AuthnRequest xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" ID=\"_o\"><ds:Signature>\
             <ds:SignedInfo>{info}</ds:SignedInfo>\
             <ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature></p:AuthnRequest>"
        )
    };
    let root = read(&frame(info, ""));
    let omit = root.elements().next();
    let digest = sha256(
        canonicalise(
            &root,
            &Options {
                omit,
                ..Options::default()
            },
        )
        .as_bytes(),
    );
    let info = info.replace("DIGEST", &STANDARD.encode(digest));
    let root = read(&frame(&info, ""));
    let signature = root.elements().next().unwrap();
    let signed_info = signature.elements().next().unwrap();
    let ancestors = &[&root, signature];
    let octets = canonicalise(
        signed_info,
        &Options {
            ancestors,
            ..Options::default()
        },
    );
    frame(&info, &STANDARD.encode(sign(octets.as_bytes())))
}

const ENVELOPED: &str =
    "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
const EXCLUSIVE: &str = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
const XPATH: &str = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">\
    <ds:XPath>1</ds:XPath></ds:Transform>";
const C14N: &str = "canonicalisation other than exclusive C14N";
const SHAPE: &str = "malformed ds:SignedInfo";
const TARGET: &str = "the reference is not to the root element";
const FIRST: &str = "the first transform is not the enveloped-signature transform";
const DIGEST: &str = "the digest does not match";

/// What to replace in [`GOOD`], with what, and the reason of refusal.
const OUTSIDE_THE_PROFILE: &[(&str, &str, &str)] = &[
    ("URI=\"#_o\"", "URI=\"\"", TARGET),
    ("URI=\"#_o\"", "", TARGET),
    ("URI=\"#_o\"", "URI=\"_o\"", TARGET),
    ("URI=\"#_o\"", "URI=\"#xpointer(/)\"", TARGET),
    ("URI=\"#_o\"", "URI=\"http://127.0.0.1:1/\"", TARGET),
    (EXCLUSIVE, "", SHAPE),
    (ENVELOPED, "", SHAPE),
    ("</ds:Transforms>", "<ds:Transform/></ds:Transforms>", SHAPE),
    (EXCLUSIVE, XPATH, C14N),
    (ENVELOPED, XPATH, FIRST),
    (ENVELOPED, EXCLUSIVE, FIRST),
    ("xml-exc-c14n#", "xml-exc-c14n#WithComments", C14N),
    (
        "2001/10/xml-exc-c14n#",
        "TR/2001/REC-xml-c14n-20010315",
        C14N,
    ),
    (
        "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"",
        "",
        "algorithm missing",
    ),
    ("<ds:DigestMethod", "x<ds:DigestMethod", SHAPE),
    ("ds:DigestValue", "p:DigestValue", SHAPE),
    ("<ds:DigestValue>", "<ds:DigestValue>AAAA", DIGEST),
    ("<ds:DigestValue>DIGEST", "<ds:DigestValue>", DIGEST),
    ("<ds:DigestValue>", "<ds:DigestValue>*", "malformed base64"),
    (
        "<ds:DigestValue>",
        "<ds:DigestValue><p:x/>",
        "element inside base64",
    ),
];

#[test]
fn s15_transforms_and_references_outside_the_profile_are_refused() {
    let key = signing_key(&rsa(2048));
    let keys = [trusted(&key)];
    let sign = |octets: &[u8]| key.sign(octets).unwrap();
    verify_enveloped(&read(&craft(GOOD, sign)), &keys).unwrap();
    for (from, to, why) in OUTSIDE_THE_PROFILE {
        let info = GOOD.replace(from, to);
        assert_ne!(info, GOOD, "{from}");
        assert_eq!(reason(&craft(&info, sign), &keys), *why, "{from} -> {to}");
    }
    let reference = &GOOD[GOOD.find("<ds:Reference").unwrap()..];
    let twice = GOOD.replace(reference, &reference.repeat(2));
    assert_eq!(reason(&craft(&twice, sign), &keys), SHAPE);
}

#[test]
fn s08_algorithms_outside_the_allow_list_are_refused() {
    let key = signing_key(&rsa(2048));
    let keys = [trusted(&key)];
    let method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for other in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "",
    ] {
        let xml = craft(&GOOD.replace(method, other), |octets| {
            key.sign(octets).unwrap()
        });
        assert_eq!(
            reason(&xml, &keys),
            "signature algorithm not allowed",
            "{other}"
        );
    }
    for other in [
        "http://www.w3.org/2000/09/xmldsig#sha1",
        "http://www.w3.org/2001/04/xmldsig-more#md5",
    ] {
        let info = GOOD.replace("http://www.w3.org/2001/04/xmlenc#sha256", other);
        let xml = craft(&info, |octets| key.sign(octets).unwrap());
        assert_eq!(
            reason(&xml, &keys),
            "digest algorithm not allowed",
            "{other}"
        );
    }
}

#[test]
fn s08_a_key_verifies_only_what_fits_it() {
    let no_key = "no trusted key verifies the signature";
    let elliptic = ec(Nid::X9_62_PRIME256V1);
    let key = signing_key(&elliptic);
    let as_rsa = craft(GOOD, |octets| key.sign(octets).unwrap());
    assert_eq!(reason(&as_rsa, &[trusted(&key)]), no_key);
    let info = GOOD.replace("rsa-sha256", "ecdsa-sha256");
    let raw = craft(&info, |octets| key.sign(octets).unwrap());
    verify_enveloped(&read(&raw), &[trusted(&key)]).unwrap();
    let der = craft(&info, |octets| {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &elliptic).unwrap();
        signer.sign_oneshot_to_vec(octets).unwrap()
    });
    assert_eq!(reason(&der, &[trusted(&key)]), no_key);
    let zeros = craft(&info, |_| vec![0; 64]);
    assert_eq!(reason(&zeros, &[trusted(&key)]), no_key);
}

#[test]
fn s18_a_short_rsa_key_verifies_nothing() {
    let short = rsa(1024);
    let xml = craft(GOOD, |octets| {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &short).unwrap();
        signer.sign_oneshot_to_vec(octets).unwrap()
    });
    let trusted = TrustedKey(self_signed(&short).public_key().unwrap());
    assert_eq!(
        reason(&xml, &[trusted]),
        "no trusted key verifies the signature"
    );
}

#[test]
fn s08_a_key_inside_the_message_is_never_trusted() {
    let attacker = signing_key(&rsa(2048));
    let [head, signature, tail] = signed_request(&attacker);
    assert!(signature.contains(attacker.certificate_base64()));
    let xml = format!("{head}{signature}{tail}");
    let honest = trusted(&signing_key(&rsa(2048)));
    assert_eq!(
        reason(&xml, &[honest]),
        "no trusted key verifies the signature"
    );
    assert_eq!(reason(&xml, &[]), "no trusted key to verify with");
}

#[test]
fn s06_a_missing_or_hollow_signature_is_refused() {
    let key = signing_key(&rsa(2048));
    let keys = [trusted(&key)];
    let [head, signature, tail] = signed_request(&key);
    let unsigned = format!("{head}{tail}");
    assert!(!is_signed(&read(&unsigned)));
    assert_eq!(reason(&unsigned, &keys), NOT_ONE);
    let hollow = format!(
        "{head}<ds:Signature xmlns:ds=\"{}\"/>{tail}",
        Namespace::SIGNATURE.uri
    );
    assert!(is_signed(&read(&hollow)));
    assert_eq!(reason(&hollow, &keys), MALFORMED);
    let start = signature.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let end = signature.find("</ds:SignatureValue>").unwrap();
    let no_value = format!("{head}{}{}{tail}", &signature[..start], &signature[end..]);
    assert_eq!(
        reason(&no_value, &keys),
        "no trusted key verifies the signature"
    );
    let elsewhere = signature.replace(Namespace::SIGNATURE.uri, "urn:not-dsig");
    let xml = format!("{head}{elsewhere}{tail}");
    assert_eq!(reason(&xml, &keys), NOT_ONE);
}

#[test]
fn s02_a_reference_is_to_the_unprefixed_id_alone() {
    let key = signing_key(&rsa(2048));
    let xml = craft(GOOD, |octets| key.sign(octets).unwrap());
    for other in ["Id", "id", "xml:id", "p:ID"] {
        let changed = xml.replace(" ID=", &format!(" {other}="));
        assert_eq!(
            reason(&changed, &[trusted(&key)]),
            "the reference is not to the root element",
            "{other}"
        );
    }
    for (id, uri) in [("", ""), (" ID=\"\"", " URI=\"#\"")] {
        let none = xml.replace(" ID=\"_o\"", id).replace(" URI=\"#_o\"", uri);
        assert_eq!(reason(&none, &[trusted(&key)]), TARGET, "{none}");
    }
}
