//! Whether a certificate has been revoked: by lists the operator keeps, by OCSP, by lists that the
//! certificate names.
//!
//! A handshake cannot wait for another server, so it asks what is known. What is not known fails
//! it and is put on a list; the client then fetches what is on the list and tries once more.

use crate::server::session::later;
use crate::server::world::Clock;
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspCertStatus, OcspFlag, OcspRequest, OcspResponse};
use openssl::ocsp::{OcspResponseStatus, OcspStatus};
use openssl::sha::sha256;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{CrlStatus, X509, X509Crl, X509Ref};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was fetched counts this long at most, however long its issuer would have it.
const LONGEST_KNOWN: Duration = Duration::from_hours(6);

/// An OCSP answer without `nextUpdate` says that newer information is always there (RFC 6960
/// section 4.2.2.1).
const SHORTEST_KNOWN: Duration = Duration::from_mins(5);

/// Greatest list that is read.
const LONGEST_LIST: usize = 10 << 20;

/// Why a certificate is not proved good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproved {
    /// It has been revoked.
    Revoked,
    /// Nothing says whether it has been.
    Unknown,
    /// The operator's list is out of date.
    Stale,
}

/// What a source said, and until when that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    revoked: bool,
    until: Timestamp,
}

type Fingerprint = [u8; 32];

/// What is known of revoked certificates.
pub(super) struct Revocation {
    /// `idp.duo.oidc.nimbus.checkRevocation`
    check: bool,
    lists: Vec<X509Crl>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Fingerprint, Known>>,
    /// Certificates with their issuers that somebody should ask about.
    wanted: Mutex<HashMap<Fingerprint, (X509, X509)>>,
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocation({}, {} lists)", self.check, self.lists.len())
    }
}

impl Revocation {
    pub(super) fn new(check: bool, lists: Vec<X509Crl>, clock: Arc<dyn Clock>) -> Self {
        Self {
            check,
            lists,
            clock,
            known: Mutex::default(),
            wanted: Mutex::default(),
        }
    }

    /// What is known of a certificate now.
    pub(super) fn judge(&self, certificate: &X509, issuer: &X509) -> Result<(), Unproved> {
        let now = self.clock.now();
        let own = self.lists.iter().filter(|list| is_of(list, issuer));
        let own: Vec<Option<Known>> = own.map(|list| read(list, certificate, now)).collect();
        if own.iter().flatten().any(|known| known.revoked) {
            return Err(Unproved::Revoked);
        }
        if own.iter().any(Option::is_some) {
            return Ok(());
        }
        if !self.check {
            return if own.is_empty() {
                Ok(())
            } else {
                Err(Unproved::Stale)
            };
        }
        let fingerprint = fingerprint(certificate);
        match locked(&self.known).get(&fingerprint) {
            Some(known) if now < known.until && known.revoked => Err(Unproved::Revoked),
            Some(known) if now < known.until => Ok(()),
            _ => {
                let pair = (certificate.clone(), issuer.clone());
                locked(&self.wanted).insert(fingerprint, pair);
                Err(Unproved::Unknown)
            }
        }
    }

    /// Fetches what was wanted; true when something has been learned.
    pub(super) async fn fetch(&self, http: &Client) -> bool {
        let wanted = std::mem::take(&mut *locked(&self.wanted));
        let mut learned = false;
        for (fingerprint, (certificate, issuer)) in wanted {
            if let Some(known) = self.ask(http, &certificate, &issuer).await {
                locked(&self.known).insert(fingerprint, known);
                learned = true;
            }
        }
        learned
    }

    async fn ask(&self, http: &Client, certificate: &X509, issuer: &X509) -> Option<Known> {
        for url in responders(certificate) {
            let request = ocsp_request(certificate, issuer)?;
            let post = http
                .post(&url)
                .header(CONTENT_TYPE, "application/ocsp-request")
                .body(request);
            let answer = body(post).await;
            let now = self.clock.now();
            if let Some(known) = answer.and_then(|der| read_ocsp(&der, certificate, issuer, now)) {
                return Some(known);
            }
        }
        for url in distribution_points(certificate) {
            let list = body(http.get(&url)).await;
            let list = list.and_then(|octets| parse_list(&octets));
            let own = list.filter(|list| is_of(list, issuer));
            if let Some(known) = own.and_then(|list| read(&list, certificate, self.clock.now())) {
                return Some(known);
            }
        }
        None
    }
}

/// A list, DER or PEM.
pub(super) fn parse_list(octets: &[u8]) -> Option<X509Crl> {
    let der = X509Crl::from_der(octets);
    der.or_else(|_| X509Crl::from_pem(octets)).ok()
}

/// Whether the issuer of the certificates made this list too (RFC 5280 section 6.3.3); indirect
/// lists are not used.
fn is_of(list: &X509Crl, issuer: &X509) -> bool {
    let named = list.issuer_name().try_cmp(issuer.subject_name()).ok();
    let signed = || list.verify(issuer.public_key().ok()?.as_ref()).ok();
    named == Some(Ordering::Equal) && signed() == Some(true)
}

/// What a list says; nothing when it is out of date.
fn read(list: &X509Crl, certificate: &X509, now: Timestamp) -> Option<Known> {
    let next = list.next_update()?;
    let ahead = Asn1Time::from_unix(now.as_second()).ok()?.diff(next).ok()?;
    let seconds = i64::from(ahead.days) * 86_400 + i64::from(ahead.secs);
    let revoked = matches!(list.get_by_cert(certificate), CrlStatus::Revoked(_));
    known(revoked, seconds, now)
}

fn known(revoked: bool, seconds: i64, now: Timestamp) -> Option<Known> {
    let ahead = Duration::from_secs(u64::try_from(seconds).ok().filter(|ahead| *ahead > 0)?);
    Some(Known {
        revoked,
        until: later(now, ahead.min(LONGEST_KNOWN)),
    })
}

fn ocsp_request(certificate: &X509, issuer: &X509) -> Option<Vec<u8>> {
    let mut request = OcspRequest::new().ok()?;
    request.add_id(ocsp_id(certificate, issuer)?).ok()?;
    request.to_der().ok()
}

/// SHA-1 names the issuer here and protects nothing; responders know no other (RFC 5019 section
/// 2.1.1).
fn ocsp_id(certificate: &X509, issuer: &X509) -> Option<OcspCertId> {
    OcspCertId::from_cert(MessageDigest::sha1(), certificate, issuer).ok()
}

/// What a responder says, if it is the issuer or was named by it (RFC 6960 section 4.2.2.2).
fn read_ocsp(der: &[u8], certificate: &X509, issuer: &X509, now: Timestamp) -> Option<Known> {
    let response = OcspResponse::from_der(der).ok()?;
    if response.status() != OcspResponseStatus::SUCCESSFUL {
        return None;
    }
    let basic = response.basic().ok()?;
    let mut store = X509StoreBuilder::new().ok()?;
    store.add_cert(issuer.clone()).ok()?;
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN).ok()?;
    let mut issuers = Stack::new().ok()?;
    issuers.push(issuer.clone()).ok()?;
    basic
        .verify(&issuers, &store.build(), OcspFlag::empty())
        .ok()?;
    let id = ocsp_id(certificate, issuer)?;
    read_status(&basic.find_status(&id)?, now)
}

fn read_status(status: &OcspStatus<'_>, now: Timestamp) -> Option<Known> {
    let revoked = match status.status {
        OcspCertStatus::GOOD => false,
        OcspCertStatus::REVOKED => true,
        _ => return None,
    };
    let seconds = match status.next_update() {
        Some(next) => instant(&next.to_string())?.as_second() - now.as_second(),
        None => i64::try_from(SHORTEST_KNOWN.as_secs()).ok()?,
    };
    known(revoked, seconds, now)
}

/// `Nov 24 03:00:00 2026 GMT`, as OpenSSL writes a time.
fn instant(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%b %e %H:%M:%S %Y", text.strip_suffix(" GMT")?);
    let zoned = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

fn responders(certificate: &X509Ref) -> Vec<String> {
    let named = certificate.ocsp_responders().ok();
    let named = named.iter().flatten().map(ToString::to_string);
    named.filter(|url| is_http(url)).collect()
}

fn distribution_points(certificate: &X509Ref) -> Vec<String> {
    let mut urls = Vec::new();
    for point in certificate.crl_distribution_points().iter().flatten() {
        let names = point.distpoint().and_then(|point| point.fullname());
        let addresses = names.into_iter().flatten().filter_map(|name| name.uri());
        urls.extend(addresses.filter(|url| is_http(url)).map(str::to_owned));
    }
    urls
}

/// What these answers say is signed, so plain HTTP is their usual way (RFC 5280 section 8).
fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

async fn body(request: reqwest::RequestBuilder) -> Option<Vec<u8>> {
    let mut response = request.send().await.ok()?;
    if response.status() != reqwest::StatusCode::OK {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LONGEST_LIST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn fingerprint(certificate: &X509Ref) -> Fingerprint {
    let der = certificate.to_der();
    sha256(&der.expect("a certificate that was parsed can be written again"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
