use super::{
    Binding, Inbound, Message, decode_post, decode_redirect, decode_simple_sign, names_parameter,
};
use crate::saml::key::tests::{rsa, signing_key};
use crate::saml::metadata::TrustedKey;
use crate::saml::signature::verify_detached;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::fmt::Write as _;
use std::io::Write as _;

const XML: &[u8] = b"<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

fn deflate(xml: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(xml).unwrap();
    encoder.finish().unwrap()
}

/// Percent-encodes every octet, in lower-case hexadecimal.
fn escape(octets: impl AsRef<[u8]>) -> String {
    octets
        .as_ref()
        .iter()
        .fold(String::new(), |mut out, octet| {
            write!(out, "%{octet:02x}").unwrap();
            out
        })
}

fn message(octets: &[u8]) -> String {
    escape(STANDARD.encode(octets))
}

fn request() -> String {
    format!("SAMLRequest={}", message(&deflate(XML)))
}

fn reason(query: &str) -> &'static str {
    match decode_redirect(query) {
        Ok(inbound) => panic!("accepted {query}: {inbound:?}"),
        Err(error) => error.reason,
    }
}

#[test]
fn a_redirect_message_is_inflated_and_its_relay_state_decoded() {
    let inbound = decode_redirect(&format!("{}&RelayState=a+b%26c&other=%C3%A9", request()));
    let inbound = inbound.unwrap();
    assert_eq!(inbound.xml, XML);
    assert_eq!(inbound.relay_state.as_deref(), Some("a b&c"));
    assert!(inbound.detached.is_none());
}

#[test]
fn a_posted_message_may_hold_white_space() {
    let encoded = STANDARD.encode(XML);
    let (one, two) = encoded.split_at(20);
    let body = format!(
        "RelayState=x&SAMLRequest={}",
        escape(format!("{one}\r\n {two}\n"))
    );
    let inbound = decode_post(body.as_bytes()).unwrap();
    assert_eq!(inbound.xml, XML);
    assert_eq!(inbound.relay_state.as_deref(), Some("x"));
}

#[test]
fn s11_no_parameter_may_stand_twice() {
    let all = format!(
        "{}&RelayState=a&SigAlg=b&Signature=Yw==&SAMLEncoding=d",
        request()
    );
    for pair in all.split('&') {
        for query in [format!("{pair}&{all}"), format!("{all}&{pair}")] {
            assert_eq!(reason(&query), "parameter stands twice");
            assert_eq!(
                decode_post(query.as_bytes()).unwrap_err().reason,
                "parameter stands twice"
            );
        }
        let hidden = pair.replacen('S', "%53", 1).replacen('R', "%52", 1);
        assert_eq!(reason(&format!("{all}&{hidden}")), "escaped parameter name");
    }
}

#[test]
fn s11_a_response_beside_the_request_is_refused() {
    let query = format!("{}&SAMLResponse=PGEvPg==", request());
    assert_eq!(reason(&query), "SAMLRequest beside SAMLResponse");
    assert!(decode_post(query.as_bytes()).is_err());
}

#[test]
fn s11_a_response_is_no_request() {
    let query = request().replace("SAMLRequest", "SAMLResponse");
    assert_eq!(reason(&query), "SAMLResponse where SAMLRequest belongs");
}

#[test]
fn a_simple_sign_signature_covers_the_decoded_values() {
    let key = signing_key(&rsa(2048));
    let trusted = [TrustedKey(key.certificate().public_key().unwrap())];
    let xml = std::str::from_utf8(XML).unwrap();
    let relay_state = "a+b&c";
    let covered = format!(
        "SAMLRequest={xml}&RelayState={relay_state}&SigAlg={}",
        key.algorithm()
    );
    let signature = STANDARD.encode(key.sign(covered.as_bytes()).unwrap());
    let form = |relay_state: &str| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &STANDARD.encode(XML))
            .append_pair("RelayState", relay_state)
            .append_pair("SigAlg", key.algorithm())
            .append_pair("Signature", &signature)
            .append_pair("KeyInfo", "ignored")
            .finish()
    };
    let decoded = |relay_state: &str| {
        let Message::Request(inbound) = decode_simple_sign(form(relay_state).as_bytes()).unwrap()
        else {
            panic!("not a request");
        };
        inbound
    };
    let good = decoded(relay_state);
    assert_eq!(good.binding, Binding::PostSimpleSign);
    assert_eq!(good.xml, XML);
    verify_detached(good.detached.as_ref().unwrap(), &trusted).unwrap();
    let changed = decoded("a+b&d").detached.unwrap();
    assert!(verify_detached(&changed, &trusted).is_err());
}

#[test]
fn s11_a_parameter_in_the_url_of_a_post_is_seen() {
    for query in [
        "SAMLRequest=a",
        "x=1&RelayState",
        "%53AMLRequest=a",
        "SigAlg=&SigAlg=",
    ] {
        assert!(names_parameter(query), "{query}");
    }
    for query in ["", "x=1", "samlrequest=a&execution=e1s1"] {
        assert!(!names_parameter(query), "{query}");
    }
}

fn signed(query: &str) -> (String, TrustedKey) {
    let key = signing_key(&rsa(2048));
    let signature = STANDARD.encode(key.sign(query.as_bytes()).unwrap());
    (
        format!("{query}&Signature={}", escape(signature)),
        TrustedKey(key.certificate().public_key().unwrap()),
    )
}

fn verifies(inbound: &Inbound, key: &TrustedKey) -> bool {
    verify_detached(
        inbound.detached.as_ref().unwrap(),
        std::slice::from_ref(key),
    )
    .is_ok()
}

#[test]
fn s10_a_signature_covers_the_octets_as_received() {
    for relay_state in [
        "&RelayState=a%2b%20b",
        "&RelayState=a%2B+b",
        "&RelayState=",
        "",
    ] {
        let query = format!("{}{relay_state}&SigAlg={}", request(), escape(RSA_SHA256));
        let (query, key) = signed(&query);
        let inbound = decode_redirect(&query).unwrap();
        assert!(verifies(&inbound, &key), "{relay_state}");
        assert_eq!(inbound.xml, XML);
    }
}

#[test]
fn s10_order_of_arrival_does_not_change_what_is_covered() {
    let query = format!("{}&RelayState=x&SigAlg={}", request(), escape(RSA_SHA256));
    let (query, key) = signed(&query);
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.reverse();
    pairs.insert(1, "extra=1");
    assert!(verifies(&decode_redirect(&pairs.join("&")).unwrap(), &key));
}

#[test]
fn s10_anything_re_encoded_added_or_removed_breaks_the_signature() {
    let query = format!(
        "{}&RelayState=a%20b&SigAlg={}",
        request(),
        escape(RSA_SHA256)
    );
    let (query, key) = signed(&query);
    for changed in [
        query.replace("a%20b", "a+b"),
        query.replace("a%20b", "c"),
        query.replace("&RelayState=a%20b", ""),
        query.replace("%2f", "%2F"),
        query.replace(
            &request(),
            &format!("SAMLRequest={}", message(&deflate(b"<x/>"))),
        ),
    ] {
        assert_ne!(changed, query);
        assert!(
            !verifies(&decode_redirect(&changed).unwrap(), &key),
            "{changed}"
        );
    }
    let without = format!("{}&SigAlg={}", request(), escape(RSA_SHA256));
    let (without, key) = signed(&without);
    let added = decode_redirect(&format!("{without}&RelayState=")).unwrap();
    assert!(!verifies(&added, &key));
}

#[test]
fn s08_algorithms_outside_the_allow_list_are_refused_in_a_query_too() {
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "",
    ] {
        let query = format!("{}&SigAlg={}", request(), escape(algorithm));
        let (query, key) = signed(&query);
        assert!(
            !verifies(&decode_redirect(&query).unwrap(), &key),
            "{algorithm}"
        );
    }
}

#[test]
fn s06_half_a_signature_is_refused() {
    let why = "SigAlg and Signature go together";
    assert_eq!(reason(&format!("{}&Signature=YQ==", request())), why);
    assert_eq!(reason(&format!("{}&SigAlg=a", request())), why);
    let empty = decode_redirect(&format!("{}&SigAlg=&Signature=", request())).unwrap();
    assert!(
        empty.detached.is_some(),
        "an empty signature is one that fails, not none"
    );
}

#[test]
fn s14_a_deflate_bomb_stops_at_the_cap() {
    let bomb = deflate(&vec![b' '; 64 * 1024 * 1024]);
    assert_eq!(
        reason(&format!("SAMLRequest={}", message(&bomb))),
        "message too large when inflated"
    );
    let largest = vec![b' '; 256 * 1024];
    let query = format!("SAMLRequest={}", message(&deflate(&largest)));
    assert_eq!(decode_redirect(&query).unwrap().xml, largest);
    let larger = deflate(&vec![b' '; 256 * 1024 + 1]);
    assert!(decode_redirect(&format!("SAMLRequest={}", message(&larger))).is_err());
}

#[test]
fn s14_only_one_raw_deflate_stream_is_taken() {
    let mut trailing = deflate(XML);
    trailing.push(0);
    let mut truncated = deflate(XML);
    truncated.pop();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(XML).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(XML).unwrap();
    for (octets, why) in [
        (trailing, "octets behind the deflated message"),
        (truncated, "malformed DEFLATE data"),
        (zlib.finish().unwrap(), "malformed DEFLATE data"),
        (gzip.finish().unwrap(), "malformed DEFLATE data"),
        (XML.to_vec(), "malformed DEFLATE data"),
    ] {
        assert_eq!(reason(&format!("SAMLRequest={}", message(&octets))), why);
    }
}

#[test]
fn s23_a_long_relay_state_is_refused() {
    let query = |length: usize| format!("{}&RelayState={}", request(), "x".repeat(length));
    assert!(decode_redirect(&query(1024)).is_ok());
    assert_eq!(reason(&query(1025)), "RelayState too long");
}

#[test]
fn what_is_not_a_message_is_refused() {
    for (query, why) in [
        ("", "neither SAMLRequest nor SAMLResponse"),
        ("SAMLRequest", "the message is empty"),
        ("SAMLRequest=", "the message is empty"),
        ("SAMLRequest=%4", "malformed percent encoding"),
        ("SAMLRequest=%+4", "malformed percent encoding"),
        ("SAMLRequest=%ff", "parameter is not UTF-8"),
        ("SAMLRequest=PGEvP", "malformed base64"),
        ("SAMLRequest=PG E=", "malformed base64"),
        ("SAMLRequest=PG+E=", "malformed base64"),
        ("SAMLRequest=%00", "malformed base64"),
    ] {
        assert_eq!(reason(query), why, "{query}");
    }
    assert_eq!(
        reason(&format!("{}&SAMLEncoding=urn:x", request())),
        "SAMLEncoding other than DEFLATE"
    );
    assert_eq!(
        decode_post(b"SAMLRequest=\xff").unwrap_err().reason,
        "form is not UTF-8"
    );
}
