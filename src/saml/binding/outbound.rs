//! Outbound messages by HTTP-Redirect and HTTP-POST (SAML bindings 3.4.4, 3.5.4): what a browser
//! is told to carry.

use super::{Direction, RELAY_STATE_LIMIT};
use crate::saml::key::{KeyError, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use form_urlencoded::Serializer;
use std::io::Write as _;

/// The URL that carries an unsigned message, signed beside it if a key is given
/// (SAML bindings 3.4.4.1). The endpoint may have a query of its own.
pub fn redirect_url(
    endpoint: &str,
    (direction, xml): (Direction, &str),
    relay_state: Option<&str>,
    key: Option<&SigningKey>,
) -> Result<String, KeyError> {
    let mut query = Serializer::new(String::new());
    query.append_pair(direction.parameter(), &STANDARD.encode(deflate(xml)));
    if let Some(relay_state) = sendable(relay_state) {
        query.append_pair("RelayState", relay_state);
    }
    let Some(key) = key else {
        return Ok(join(endpoint, &query.finish()));
    };
    query.append_pair("SigAlg", key.algorithm());
    // What is signed is the query as it is sent, octet for octet.
    let signed = query.finish();
    let signature = STANDARD.encode(key.sign(signed.as_bytes())?);
    let signature = Serializer::new(String::new())
        .append_pair("Signature", &signature)
        .finish();
    Ok(join(endpoint, &format!("{signed}&{signature}")))
}

/// The fields of the form that carries a message, which is signed inside if at all.
pub fn form_fields(
    (direction, xml): (Direction, &str),
    relay_state: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![(direction.parameter(), STANDARD.encode(xml))];
    fields.extend(sendable(relay_state).map(|text| ("RelayState", text.to_owned())));
    fields
}

/// What is echoed was read under the same limit; an empty one is none.
fn sendable(relay_state: Option<&str>) -> Option<&str> {
    relay_state.filter(|text| !text.is_empty() && text.len() <= RELAY_STATE_LIMIT)
}

/// Puts our parameters behind those that the endpoint has.
pub(crate) fn join(endpoint: &str, query: &str) -> String {
    let (address, fragment) = match endpoint.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (endpoint, None),
    };
    let separator = if address.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
    format!("{address}{separator}{query}{fragment}")
}

fn deflate(xml: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(xml.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("a Vec takes whatever is written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::binding::{Binding, Message, decode_form, decode_query};
    use crate::saml::key::tests::{ec, rsa, signing_key};
    use crate::saml::metadata::TrustedKey;
    use crate::saml::signature::verify_detached;
    use openssl::nid::Nid;

    const XML: &str = "<a b=\"&lt;\">\u{5c71}+/=</a>";
    const RELAY_STATE: &str = "a&b=c d+\u{e9}%2B";

    #[test]
    fn what_is_sent_by_redirect_is_read_back_with_its_signature() {
        for key in [rsa(2048), ec(Nid::X9_62_PRIME256V1)] {
            let key = signing_key(&key);
            let trusted = [TrustedKey(key.certificate().public_key().unwrap())];
            for (direction, relay_state) in [
                (Direction::Request, Some(RELAY_STATE)),
                (Direction::Response, None),
            ] {
                let url = redirect_url(
                    "https://sp.example.org/slo?x=1#f",
                    (direction, XML),
                    relay_state,
                    Some(&key),
                )
                .unwrap();
                let query = url
                    .strip_prefix("https://sp.example.org/slo?x=1&")
                    .and_then(|rest| rest.strip_suffix("#f"))
                    .expect("the endpoint's own query and fragment stay");
                let message = decode_query(query).unwrap();
                assert_eq!(message.direction(), direction);
                let (Message::Request(inbound) | Message::Response(inbound)) = message;
                assert_eq!(inbound.xml, XML.as_bytes());
                assert_eq!(inbound.relay_state.as_deref(), relay_state);
                verify_detached(&inbound.detached.unwrap(), &trusted).unwrap();
            }
        }
    }

    #[test]
    fn what_is_sent_by_form_is_read_back() {
        let fields = form_fields((Direction::Response, XML), Some(RELAY_STATE));
        let body = Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let Message::Response(inbound) = decode_form(body.as_bytes()).unwrap() else {
            panic!("not a response");
        };
        assert_eq!(inbound.binding, Binding::Post);
        assert_eq!(inbound.xml, XML.as_bytes());
        assert_eq!(inbound.relay_state.as_deref(), Some(RELAY_STATE));
    }

    #[test]
    fn an_unsigned_redirect_has_no_parameter_of_a_signature() {
        let url = redirect_url("https://a", (Direction::Request, XML), Some(""), None).unwrap();
        assert!(!url.contains("Sig") && !url.contains("RelayState"), "{url}");
    }
}
