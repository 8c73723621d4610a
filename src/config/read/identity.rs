//! Who we are: entityID, scopes, base URL.

use crate::config::reader::{Reader, is_uri};
use crate::config::settings::BaseUrl;
use url::{Host, Url};

/// The parts that could be read.
pub(super) struct Identity {
    pub(super) entity_id: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) base_url: Option<BaseUrl>,
}

/// SDP-G04: at most 256 characters, though SAML core 8.3.6 would allow 1024.
const ENTITY_ID_LIMIT: usize = 256;

pub(super) fn read(reader: &mut Reader<'_>) -> Identity {
    let entity_id = reader.parsed("idp.entityID", parse_entity_id);
    Identity {
        entity_id,
        scopes: scopes(reader),
        base_url: base_url(reader),
    }
}

fn parse_entity_id(text: &str) -> Option<String> {
    let fits = is_uri(text) && text.len() <= ENTITY_ID_LIMIT;
    fits.then(|| text.to_owned())
}

/// Scopes are compared as plain strings by relying parties: no blanks, no `@`, no wildcards.
fn scopes(reader: &mut Reader<'_>) -> Vec<String> {
    const KEY: &str = "idp.scope";
    let scopes = reader.list(KEY);
    for scope in &scopes {
        let plain = |c: char| c.is_alphanumeric() || ".-_".contains(c);
        if !scope.chars().all(plain) {
            reader.error(
                KEY,
                format!("\"{}\"", scope.escape_debug()),
                "a domain such as example.org",
                "write the domain alone, without @ and without wildcards",
            );
        }
    }
    scopes
}

fn base_url(reader: &mut Reader<'_>) -> Option<BaseUrl> {
    const KEY: &str = "vestibule.baseURL";
    let text = reader.text(KEY)?;
    match parse_base_url(&text) {
        Ok(base_url) => Some(base_url),
        Err((expected, fix)) => {
            let found = format!("\"{}\"", text.escape_debug());
            reader.error(KEY, found, expected, fix);
            None
        }
    }
}

/// The base URL, or (what was expected, the likely fix).
fn parse_base_url(text: &str) -> Result<BaseUrl, (&'static str, String)> {
    let absolute = "an absolute URL such as https://idp.example.org/idp";
    let url = Url::parse(text).map_err(|_| (absolute, "write the whole URL".to_owned()))?;
    let host = url
        .host()
        .ok_or((absolute, "write the host's name".to_owned()))?;
    let secure = url.scheme() == "https";
    let local = url.scheme() == "http" && is_loopback(&host);
    if !(secure || local) {
        return Err((
            "https, or http on a loopback host",
            "write https:// and let your proxy or vestibule.http.tls.* serve it".to_owned(),
        ));
    }
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let normal = url.as_str().trim_end_matches('/').to_owned();
    if !plain || url.password().is_some() {
        return Err((
            "scheme, host and path alone",
            "remove user, query and fragment".to_owned(),
        ));
    }
    if normal != text {
        return Err((
            "a URL in its normal form, without a slash at the end",
            format!("write {normal}"),
        ));
    }
    Ok(BaseUrl {
        path: url.path().trim_end_matches('/').to_owned(),
        origin: url.origin().ascii_serialization(),
        url: normal,
        secure,
    })
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdp_g04_an_entity_id_is_an_absolute_uri_of_256_characters_at_most() {
        let longest = format!("https://idp.example.org/{}", "x".repeat(232));
        assert_eq!(parse_entity_id(&longest), Some(longest.clone()));
        for wrong in [&format!("{longest}x"), "idp.example.org", "/idp", ""] {
            assert_eq!(parse_entity_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_base_url_is_taken_apart() {
        let base = parse_base_url("https://idp.example.org:8443/idp").unwrap();
        assert_eq!(base.path, "/idp");
        assert_eq!(base.origin, "https://idp.example.org:8443");
        assert!(base.secure);
        assert_eq!(parse_base_url("https://idp.example.org").unwrap().path, "");
    }

    #[test]
    fn plain_http_is_for_loopback_hosts_alone() {
        for loopback in [
            "http://127.0.0.1:8080/idp",
            "http://localhost/idp",
            "http://[::1]:1/idp",
        ] {
            assert!(!parse_base_url(loopback).unwrap().secure, "{loopback}");
        }
        for open in [
            "http://idp.example.org/idp",
            "http://localhost.example.org/idp",
            "ftp://127.0.0.1/idp",
        ] {
            assert!(parse_base_url(open).is_err(), "{open}");
        }
    }

    #[test]
    fn a_base_url_has_one_way_to_be_written() {
        for other in [
            "https://idp.example.org/idp/",
            "https://IDP.example.org/idp",
            "https://idp.example.org:443/idp",
            "https://u@idp.example.org/idp",
            "https://idp.example.org/idp?x=1",
            "https://idp.example.org/idp#x",
            "idp.example.org/idp",
        ] {
            assert!(parse_base_url(other).is_err(), "{other}");
        }
    }
}
