//! Whose certificates Duo may present.

use crate::config::settings::DuoTrust;
use reqwest::{Certificate, ClientBuilder};

/// Duo's pinned roots, as its own clients carry them.
pub(super) const BUNDLED_ROOTS: &[u8] = include_bytes!("roots.pem");

/// Restricts the client to the trusted roots; `system` leaves the platform's verifier in place.
pub(super) fn trusting(
    builder: ClientBuilder,
    trust: &DuoTrust,
) -> Result<ClientBuilder, &'static str> {
    match trust {
        DuoTrust::System => Ok(builder),
        DuoTrust::Bundled => Ok(builder.tls_certs_only(certificates(BUNDLED_ROOTS)?)),
        DuoTrust::Pem(files) => {
            let mut roots = Vec::new();
            for file in files {
                roots.extend(certificates(file)?);
            }
            Ok(builder.tls_certs_only(roots))
        }
    }
}

/// An empty file would mean that nothing is trusted: an error to be told at the start, not at the
/// first login.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    let found = Certificate::from_pem_bundle(pem).map_err(|_| "a certificate does not decode")?;
    if found.is_empty() {
        return Err("no certificate in a file of trusted certificates");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use openssl::sha::sha256;
    use openssl::x509::X509;
    use std::collections::BTreeSet;

    /// SHA-256 of each root's SubjectPublicKeyInfo, as published for the bundle.
    const PINS: [&str; 15] = [
        "++MBgDH5WGvL9Bcn5Be30cRcL0f5O+NyoXuWtQdX1aI=",
        "f0KW/FtqTjs108NpYj42SrGvOB2PpxIVM8nWxjPqJGE=",
        "NqvDJlas/GRcYbcWE8S/IceH9cq77kg0jVhZeAPXq8k=",
        "9+ze1cZgR9KO1kZrVDxA4HQ6voHRCSVNz4RdTCx4U8U=",
        "KwccWaCgrnaw6tsrrSO61FgLacNgG2MMLq8GE6+oP5I=",
        "gI1os/q0iEpflxrOfRBVDXqVoWN3Tz7Dav/7IT++THQ=",
        "WoiWRyIOVNa9ihaBciRSC7XHjliYS9VwUGOIud4PB18=",
        "oC+voZLIy4HLE0FVT5wFtxzKKokLDRKY1oNkfJYe+98=",
        "ape1HIIZ6T5d7GS61YBs3rD4NVvkfnVwELcCRW4Bqv0=",
        "rn+WLLnmp9v3uDP7GPqbcaiRdd+UnCMrap73yz3yu/w=",
        "4EoCLOMvTM8sf2BGKHuCijKpCfXnUUR/g/0scfb9gXM=",
        "Vfd95BwDeSQo+NUYxVEEIlvkOlWY2SalKK1lPhzOx78=",
        "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c=",
        "B+hU8mp8vTiZJ6oEG/7xts0h3RQ4GK2UfcZVqeWH/og=",
        "uu5PB+MS9L3/ffB/PuTG6A+WjsTtTaF52qqjrcHFXRU=",
    ];

    #[test]
    fn the_bundled_roots_are_exactly_the_pinned_ones() {
        let found: BTreeSet<String> = X509::stack_from_pem(BUNDLED_ROOTS)
            .unwrap()
            .iter()
            .map(|root| {
                let key = root.public_key().unwrap().public_key_to_der().unwrap();
                STANDARD.encode(sha256(&key))
            })
            .collect();
        assert_eq!(found, PINS.map(str::to_owned).into());
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let trust = |pem: &[u8]| trusting(ClientBuilder::new(), &DuoTrust::Pem(vec![pem.into()]));
        assert!(trust(b"").is_err());
        assert!(trust(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----").is_err());
        assert!(trust(BUNDLED_ROOTS).is_ok());
    }
}
