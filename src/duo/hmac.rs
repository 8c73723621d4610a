//! Request signing of the Auth and Admin APIs: v1, v2, v4, v5 (B.1), from both sides.
//!
//! A client signs with v5; a server must still know the older kinds, and tells SHA-1 from SHA-512
//! by the length of the MAC.

use crate::duo::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha512;
use openssl::sign::Signer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// Everything but letters, digits and `-._~` (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parts of a request that its signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedParts<'a> {
    /// The exact text of the Date (or X-Duo-Date) header.
    pub date: &'a str,
    /// Any case.
    pub method: &'a str,
    /// As the client was configured with, perhaps with a port; any case.
    pub host: &'a str,
    /// Begins with a slash.
    pub path: &'a str,
    /// Decoded parameters of the query.
    pub query: &'a [(String, String)],
    /// Decoded parameters of a form body (v1 and v2 sign them with the query's).
    pub form: &'a [(String, String)],
    /// The raw body (v4 and v5 sign it as it is).
    pub body: &'a [u8],
    /// All headers; v5 signs those whose name begins with `x-duo-`.
    pub headers: &'a [(String, String)],
}

/// The kinds of signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVersion {
    /// No date, parameters.
    V1,
    /// Date, parameters.
    V2,
    /// Date, query, body digest.
    V4,
    /// Date, query, body digest, digest of the x-duo headers.
    V5,
}

/// The digest of the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacDigest {
    /// v1 and v2 alone.
    Sha1,
    /// Every version.
    Sha512,
}

/// The value of the Authorization header for a v5 signature.
pub fn authorization(client_id: &str, secret: &Secret, parts: &SignedParts<'_>) -> String {
    let mac = mac(SignatureVersion::V5, MacDigest::Sha512, secret, parts);
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{mac}")))
}

/// What an Authorization header claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The integration key.
    pub client_id: String,
    mac: String,
}

impl Credentials {
    /// Reads `Basic base64(key ":" mac)`.
    pub fn read(authorization: &str) -> Option<Self> {
        let encoded = authorization.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (client_id, mac) = decoded.split_once(':')?;
        Some(Self {
            client_id: client_id.to_owned(),
            mac: mac.to_owned(),
        })
    }

    /// The kind of signature that these credentials make over the request, if any does.
    pub fn verify(
        &self,
        secret: &Secret,
        parts: &SignedParts<'_>,
    ) -> Option<(SignatureVersion, MacDigest)> {
        candidates(self.mac.len()).find(|(version, digest)| {
            let expected = mac(*version, *digest, secret, parts);
            expected.len() == self.mac.len()
                && openssl::memcmp::eq(expected.as_bytes(), self.mac.as_bytes())
        })
    }
}

fn candidates(length: usize) -> impl Iterator<Item = (SignatureVersion, MacDigest)> {
    use SignatureVersion::{V1, V2, V4, V5};
    let (digest, versions): (_, &[_]) = match length {
        40 => (MacDigest::Sha1, &[V2, V1]),
        128 => (MacDigest::Sha512, &[V5, V4, V2, V1]),
        _ => (MacDigest::Sha512, &[]),
    };
    versions.iter().map(move |version| (*version, digest))
}

/// The MAC in lower-case hexadecimal.
pub fn mac(
    version: SignatureVersion,
    digest: MacDigest,
    secret: &Secret,
    parts: &SignedParts<'_>,
) -> String {
    let digest = match digest {
        MacDigest::Sha1 => MessageDigest::sha1(),
        MacDigest::Sha512 => MessageDigest::sha512(),
    };
    let message = canonical(version, parts);
    let mac = PKey::hmac(secret.expose().as_bytes())
        .and_then(|key| Signer::new(digest, &key)?.sign_oneshot_to_vec(message.as_bytes()))
        .expect("OpenSSL computes an HMAC for any key and message");
    hex(&mac)
}

/// The lines that are signed, joined by one LF.
fn canonical(version: SignatureVersion, parts: &SignedParts<'_>) -> String {
    use SignatureVersion::{V1, V2, V4, V5};
    let mut lines = Vec::with_capacity(7);
    if version != V1 {
        lines.push(parts.date.to_owned());
    }
    lines.push(parts.method.to_ascii_uppercase());
    lines.push(parts.host.to_ascii_lowercase());
    lines.push(parts.path.to_owned());
    match version {
        V1 | V2 => lines.push(canonical_parameters(parts.query.iter().chain(parts.form))),
        V4 | V5 => {
            lines.push(canonical_parameters(parts.query));
            lines.push(hex(&sha512(parts.body)));
        }
    }
    if version == V5 {
        lines.push(hex(&sha512(&duo_headers(parts.headers))));
    }
    lines.join("\n")
}

/// Each key and value encoded, then sorted by key and value.
fn canonical_parameters<'a>(parameters: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut pairs: Vec<_> = parameters
        .into_iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// `name NUL value NUL name NUL value ..`, names in lower case and sorted.
fn duo_headers(headers: &[(String, String)]) -> Vec<u8> {
    let mut named: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .filter(|(name, _)| name.starts_with("x-duo-"))
        .collect();
    named.sort();
    let parts: Vec<&str> = named
        .iter()
        .flat_map(|(name, value)| [name.as_str(), *value])
        .collect();
    parts.join("\0").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT_ID: &str = "DITESTTESTTESTTEST01";
    const DATE: &str = "Tue, 21 Aug 2012 17:29:18 -0000";
    const BODY: &[u8] =
        br#"{"hostname":"a&b=c","ipaddr":"192.0.2.7","username":"jo hn+~\u00fc@ex.org"}"#;

    fn secret() -> Secret {
        Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789")
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn preauth_parameters() -> Vec<(String, String)> {
        pairs(&[
            ("username", "jo hn+~ü@ex.org"),
            ("ipaddr", "192.0.2.7"),
            ("hostname", "a&b=c"),
        ])
    }

    fn preauth<'a>(
        form: &'a [(String, String)],
        body: &'a [u8],
        headers: &'a [(String, String)],
    ) -> SignedParts<'a> {
        SignedParts {
            date: DATE,
            method: "post",
            host: "api-TEST0001.duosecurity.test",
            path: "/auth/v2/preauth",
            query: &[],
            form,
            body,
            headers,
        }
    }

    #[test]
    fn parameters_are_encoded_and_sorted() {
        assert_eq!(
            canonical_parameters(&preauth_parameters()),
            "hostname=a%26b%3Dc&ipaddr=192.0.2.7&username=jo%20hn%2B~%C3%BC%40ex.org"
        );
        assert_eq!(
            canonical_parameters(&pairs(&[("b", ""), ("a", "2"), ("a", "1*'()!/")])),
            "a=1%2A%27%28%29%21%2F&a=2&b="
        );
    }

    #[test]
    fn v1_and_v2_give_the_known_macs() {
        let form = preauth_parameters();
        let parts = preauth(&form, b"", &[]);
        let mac = |version, digest| mac(version, digest, &secret(), &parts);
        assert_eq!(
            mac(SignatureVersion::V1, MacDigest::Sha1),
            "d7743f62d316024c2d1b3151a01969e90c2073ce"
        );
        assert_eq!(
            mac(SignatureVersion::V2, MacDigest::Sha1),
            "5d6a473983d118462deb4118e2b224af22650811"
        );
        assert_eq!(
            mac(SignatureVersion::V2, MacDigest::Sha512),
            "7e41f978ef94c0003d33e6f457425b58dbf806e7061f3593f21dba9aa58d9ac71d155d166e5d804eb3c1\
             e681689f95a597eeb2acc780bc2391910ee97bf3e6d9"
        );
    }

    #[test]
    fn v4_and_v5_give_the_known_macs() {
        let mac = |version, headers: &[(String, String)]| {
            mac(
                version,
                MacDigest::Sha512,
                &secret(),
                &preauth(&[], BODY, headers),
            )
        };
        assert_eq!(
            mac(SignatureVersion::V4, &[]),
            "b2c598cc3746e9513e291c9a0a4596cce0503300df7efd9248f7c2c63b32bf06d4488031d92df852b768\
             126005604e42dce3bba1c74bf185e6d696c748b6206d"
        );
        assert_eq!(
            mac(SignatureVersion::V5, &[]),
            "c37e9d0045e0aac7fbfcdd1c12713fe744c98c4c6101f123d280ec83d054833914e90fa9c940f2201b63\
             b0a11004f325f4a389d4ff0405bf9073a5be210a206f"
        );
        assert_eq!(
            mac(
                SignatureVersion::V5,
                &pairs(&[("X-Duo-B", "two"), ("accept", "*/*"), ("x-duo-a", "one")])
            ),
            "9470fab1e313973cabbb815e1d1caa956b32c477821b5fc3ab9b88629fa2419b5fd2772313a21883a45f\
             a4edd80947c9aa669ad8cf65166684321bd7fcde502b"
        );
    }

    #[test]
    fn v5_signs_the_query_of_a_get() {
        let query = pairs(&[("txid", "45f7c92b-f45f-4862-8545-e0f58e78075a")]);
        let parts = SignedParts {
            method: "GET",
            path: "/auth/v2/auth_status",
            query: &query,
            ..preauth(&[], b"", &[])
        };
        assert_eq!(
            mac(SignatureVersion::V5, MacDigest::Sha512, &secret(), &parts),
            "0a4f1cb2076264a3b45c8329eea41c4ebfdd4809c3913ae9b703b190fb225baf6f3723600dc49ef711d2\
             31b53f526f9aa90c5d5c051d825f11cc2f230cac1638"
        );
    }

    fn credentials(version: SignatureVersion, digest: MacDigest) -> Credentials {
        let form = preauth_parameters();
        let mac = mac(version, digest, &secret(), &preauth(&form, b"", &[]));
        let header = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{mac}")));
        Credentials::read(&header).unwrap()
    }

    #[test]
    fn a_server_recognises_each_kind_and_refuses_every_change() {
        use MacDigest::{Sha1, Sha512};
        use SignatureVersion::{V1, V2, V4, V5};
        let form = preauth_parameters();
        let parts = preauth(&form, b"", &[]);
        for kind in [
            (V1, Sha1),
            (V1, Sha512),
            (V2, Sha1),
            (V2, Sha512),
            (V4, Sha512),
            (V5, Sha512),
        ] {
            let claimed = credentials(kind.0, kind.1);
            assert_eq!(claimed.client_id, CLIENT_ID);
            assert_eq!(claimed.verify(&secret(), &parts), Some(kind));
            assert_eq!(claimed.verify(&Secret::new("other"), &parts), None);
            let elsewhere = SignedParts {
                path: "/auth/v2/auth",
                ..parts
            };
            assert_eq!(claimed.verify(&secret(), &elsewhere), None);
        }
    }

    #[test]
    fn our_authorization_header_verifies_as_v5() {
        let parts = preauth(&[], BODY, &[]);
        let header = authorization(CLIENT_ID, &secret(), &parts);
        let kind = Credentials::read(&header)
            .unwrap()
            .verify(&secret(), &parts);
        assert_eq!(kind, Some((SignatureVersion::V5, MacDigest::Sha512)));
    }

    #[test]
    fn a_header_of_another_shape_holds_no_credentials() {
        for header in [
            "",
            "Bearer x",
            "Basic !",
            "Basic bm9jb2xvbg==",
            "basic YTpi",
        ] {
            assert_eq!(Credentials::read(header), None, "{header}");
        }
    }

    #[test]
    fn a_mac_of_another_length_is_no_signature() {
        let short = Credentials {
            client_id: CLIENT_ID.to_owned(),
            mac: String::new(),
        };
        assert_eq!(short.verify(&secret(), &preauth(&[], b"", &[])), None);
    }
}
