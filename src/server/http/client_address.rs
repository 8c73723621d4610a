//! Where a request comes from: the peer, or what a trusted proxy says of it.

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// A client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// What the audit records: the best that is known.
    pub recorded: Option<IpAddr>,
    /// What policy may rely on: nothing, when someone we do not trust speaks for the client.
    pub proven: Option<IpAddr>,
}

impl ClientAddress {
    /// From the connection's peer and the request's headers.
    ///
    /// Only a trusted proxy is believed. A forwarding header from anyone else does not change the
    /// recorded address, but it shows that the peer may stand for others: then nothing is proven.
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
            return Self::unknown(None);
        };
        let chain = match forwarded_chain(headers) {
            Chain::Absent => return Self::known(peer),
            Chain::Malformed => return Self::unknown(Some(peer)),
            Chain::Addresses(chain) => chain,
        };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        if !is_trusted(&peer) {
            return Self::unknown(Some(peer));
        }
        // Each proxy appends the address it saw: the last one that is no proxy of ours is the client.
        let client = chain.into_iter().rev().find(|address| !is_trusted(address));
        client.map_or_else(|| Self::unknown(Some(peer)), Self::known)
    }

    fn known(address: IpAddr) -> Self {
        Self {
            recorded: Some(address),
            proven: Some(address),
        }
    }

    fn unknown(recorded: Option<IpAddr>) -> Self {
        Self {
            recorded,
            proven: None,
        }
    }
}

enum Chain {
    Absent,
    Malformed,
    Addresses(Vec<IpAddr>),
}

/// `X-Forwarded-For`, else `Forwarded` (RFC 7239); both at once say nothing reliable.
fn forwarded_chain(headers: &HeaderMap) -> Chain {
    match (
        values(headers, &X_FORWARDED_FOR),
        values(headers, &FORWARDED),
    ) {
        (None, None) => Chain::Absent,
        (Some(list), None) => addresses(list.iter().map(String::as_str)),
        (None, Some(list)) => addresses(list.iter().map(|element| forwarded_for(element))),
        (Some(_), Some(_)) => Chain::Malformed,
    }
}

/// The comma-separated elements of every header of one name.
fn values(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let elements: Vec<String> = headers
        .get_all(name)
        .flat_map(|value| value.to_str().unwrap_or("").split(','))
        .map(|element| element.trim().to_owned())
        .collect();
    (!elements.is_empty()).then_some(elements)
}

fn forwarded_for(element: &str) -> &str {
    element
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("for"))
        .map_or("", |(_, value)| value.trim_matches('"'))
}

fn addresses<'a>(texts: impl Iterator<Item = &'a str>) -> Chain {
    match texts.map(address).collect() {
        Some(list) => Chain::Addresses(list),
        None => Chain::Malformed,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn of(peer: &str, headers: &[(&str, &'static str)]) -> ClientAddress {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        ClientAddress::of(Some(peer.parse().unwrap()), &map, &trusted)
    }

    fn proven(peer: &str, headers: &[(&str, &'static str)]) -> Option<String> {
        of(peer, headers).proven.map(|address| address.to_string())
    }

    #[test]
    fn without_a_proxy_the_peer_is_the_client() {
        assert_eq!(proven("192.0.2.7", &[]).as_deref(), Some("192.0.2.7"));
        assert_eq!(
            proven("::ffff:192.0.2.7", &[]).as_deref(),
            Some("192.0.2.7")
        );
    }

    #[test]
    fn s32_a_forged_header_from_a_stranger_proves_nothing() {
        let forged = of("192.0.2.7", &[("x-forwarded-for", "10.1.1.1")]);
        assert_eq!(forged.proven, None);
        assert_eq!(forged.recorded, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(proven("192.0.2.7", &[("forwarded", "for=10.1.1.1")]), None);
    }

    #[test]
    fn s32_what_a_client_sends_through_a_trusted_proxy_does_not_count() {
        let through = |value| proven("10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(through("198.51.100.9").as_deref(), Some("198.51.100.9"));
        // The client claimed 10.1.1.1; the proxy appended what it saw.
        assert_eq!(
            through("10.1.1.1, 198.51.100.9").as_deref(),
            Some("198.51.100.9")
        );
        assert_eq!(
            through("198.51.100.9, 10.0.0.2").as_deref(),
            Some("198.51.100.9")
        );
        assert_eq!(through("10.0.0.3"), None, "proxies alone are no client");
        assert_eq!(through("unknown"), None);
        assert_eq!(through("198.51.100.9,"), None);
    }

    #[test]
    fn forwarded_is_read_with_ports_quotes_and_ipv6() {
        let through = |value| proven("10.0.0.1", &[("forwarded", value)]);
        let v6 = "proto=https;for=\"[2001:db8::1]:4711\"";
        assert_eq!(through(v6).as_deref(), Some("2001:db8::1"));
        assert_eq!(through("For=192.0.2.60:80").as_deref(), Some("192.0.2.60"));
        assert_eq!(through("for=_hidden"), None);
        assert_eq!(through("by=10.0.0.1"), None);
    }

    #[test]
    fn both_headers_at_once_prove_nothing() {
        let both = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
        ];
        assert_eq!(proven("10.0.0.1", &both), None);
    }
}
