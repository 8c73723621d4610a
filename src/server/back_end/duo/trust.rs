//! Whose certificates Duo may present.

use super::revocation::{Revocation, parse_list};
use super::verifier::StrictVerifier;
use crate::config::settings::{DuoHttpSettings, DuoTrust};
use crate::server::session::later;
use crate::server::world::Clock;
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::nid::Nid;
use openssl::x509::X509;
use reqwest::{Certificate, ClientBuilder};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// Duo's pinned roots, as its own clients carry them.
pub(super) const BUNDLED_ROOTS: &[u8] = include_bytes!("roots.pem");

/// Roots that end sooner than this are worth a word.
const EXPIRY_WARNING: Duration = Duration::from_hours(180 * 24);

/// A root in use that ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingRoot {
    /// Its subject's common name.
    pub name: String,
    /// When it ends, as OpenSSL writes it.
    pub ends: String,
    /// Whether that has passed.
    pub ended: bool,
}

/// The roots in use that end within 180 days of `now`. The system's are the system's business.
pub fn ending_roots(trust: &DuoTrust, now: Timestamp) -> Vec<EndingRoot> {
    let roots = match trust {
        DuoTrust::System => Vec::new(),
        DuoTrust::Bundled => X509::stack_from_pem(BUNDLED_ROOTS).unwrap_or_default(),
        DuoTrust::Pem(files) => {
            let parsed = files.iter().map(|file| X509::stack_from_pem(file));
            parsed.flat_map(Result::unwrap_or_default).collect()
        }
    };
    let ending = |root: &X509| ending(root, now);
    roots.iter().filter_map(ending).collect()
}

fn ending(root: &X509, now: Timestamp) -> Option<EndingRoot> {
    let passes = |at: Timestamp| {
        let at = Asn1Time::from_unix(at.as_second()).ok()?;
        Some(root.not_after().compare(&at).ok()?.is_lt())
    };
    passes(later(now, EXPIRY_WARNING))?.then(|| EndingRoot {
        name: common_name(root),
        ends: root.not_after().to_string(),
        ended: passes(now) == Some(true),
    })
}

fn common_name(root: &X509) -> String {
    let mut names = root.subject_name().entries_by_nid(Nid::COMMONNAME);
    let name = names.next().and_then(|entry| entry.data().to_string().ok());
    name.unwrap_or_else(|| "a root without a common name".to_owned())
}

/// The TLS of a client that trusts these roots; with pins or revocation, also a verifier that
/// looks at more than the chain.
pub(super) fn trusting(
    builder: ClientBuilder,
    settings: &DuoHttpSettings,
    clock: Arc<dyn Clock>,
) -> Result<(ClientBuilder, Option<Arc<Revocation>>), &'static str> {
    let strict = settings.check_revocation
        || !settings.pins.is_empty()
        || !settings.revocation_lists.is_empty();
    if !strict {
        return Ok((rooted(builder, &settings.trust)?, None));
    }
    let lists = settings.revocation_lists.iter();
    let lists: Option<Vec<_>> = lists.map(|octets| parse_list(octets)).collect();
    let lists = lists.ok_or("a revocation list does not decode")?;
    let revocation = Revocation::new(settings.check_revocation, lists, clock);
    let revocation = Arc::new(revocation);
    let config = strict_config(settings, Arc::clone(&revocation))?;
    Ok((builder.tls_backend_preconfigured(config), Some(revocation)))
}

fn strict_config(
    settings: &DuoHttpSettings,
    revocation: Arc<Revocation>,
) -> Result<ClientConfig, &'static str> {
    let ders = root_ders(&settings.trust)?;
    let mut store = RootCertStore::empty();
    // The system's store may hold what rustls does not take; the others do the work.
    let (taken, _) = store.add_parsable_certificates(ders.iter().cloned());
    if taken == 0 {
        return Err("no trusted certificate can be used");
    }
    let provider = Arc::new(rustls_openssl::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider));
    let verifier = StrictVerifier {
        inner: inner
            .build()
            .map_err(|_| "no trusted certificate can be used")?,
        roots: ders
            .iter()
            .filter_map(|der| X509::from_der(der).ok())
            .collect(),
        pins: settings.pins.clone(),
        revocation,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "the TLS client cannot be set up")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session shows no certificate, so nothing new about it would be noticed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn root_ders(trust: &DuoTrust) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let pem = |pem: &[u8]| -> Result<Vec<CertificateDer<'static>>, &'static str> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        found.map_err(|_| "a certificate does not decode")
    };
    match trust {
        DuoTrust::System => Ok(rustls_native_certs::load_native_certs().certs),
        DuoTrust::Bundled => pem(BUNDLED_ROOTS),
        DuoTrust::Pem(files) => {
            let roots: Result<Vec<_>, _> = files.iter().map(|file| pem(file)).collect();
            Ok(roots?.concat())
        }
    }
}

/// Restricts the client to the trusted roots; `system` leaves the platform's verifier in place.
fn rooted(builder: ClientBuilder, trust: &DuoTrust) -> Result<ClientBuilder, &'static str> {
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
    use super::super::verifier::pin;
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
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
            .map(|root| STANDARD.encode(pin(root).unwrap()))
            .collect();
        assert_eq!(found, PINS.map(str::to_owned).into());
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let trust = |pem: &[u8]| rooted(ClientBuilder::new(), &DuoTrust::Pem(vec![pem.into()]));
        assert!(trust(b"").is_err());
        assert!(trust(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----").is_err());
        assert!(trust(BUNDLED_ROOTS).is_ok());
    }

    #[test]
    fn a_root_is_told_180_days_before_it_ends_and_when_it_has_ended() {
        let at = |text: &str| {
            let ending = ending_roots(&DuoTrust::Bundled, text.parse().unwrap());
            let shown = ending.iter().map(|root| (root.name.clone(), root.ended));
            shown.collect::<Vec<_>>()
        };
        let digicert = "DigiCert High Assurance EV Root CA".to_owned();
        assert_eq!(at("2031-05-13T00:00:00Z"), []);
        assert_eq!(at("2031-05-16T00:00:00Z"), [(digicert.clone(), false)]);
        assert_eq!(at("2031-11-11T00:00:00Z"), [(digicert, true)]);
        let system = ending_roots(&DuoTrust::System, "2050-01-01T00:00:00Z".parse().unwrap());
        assert!(system.is_empty());
    }
}
