//! An authority of our own, a Duo with its certificate, and the authority's servers: good,
//! revoked, out of date, silent.

use super::super::HttpDuoClient;
use super::super::verifier::pin;
use super::*;
use crate::config::settings::{DuoHttpSettings, DuoTrust};
use crate::duo::integration::Integration;
use crate::duo::oidc::{self, HttpAnswer};
use crate::duo::secret::Secret;
use crate::server::back_end::DuoClient as _;
use crate::server::world::SystemClock;
use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{
    X509Builder, X509CrlBuilder, X509Extension, X509Name, X509NameBuilder, X509RevokedBuilder,
};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

const SERIAL: u32 = 0x1234;

/// An authority and its address.
struct Authority {
    certificate: X509,
    key: PKey<Private>,
    /// Where its servers listen; who takes it decides what they say.
    listener: TcpListener,
}

/// What the authority's servers say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Good,
    Revoked,
    Stale,
    Nothing,
}

/// Where Duo's certificate says to ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Points {
    Nowhere,
    AtAList,
    AtAResponder,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(text: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, text).unwrap();
    name.build()
}

fn serial(number: u32) -> Asn1Integer {
    BigNum::from_u32(number).unwrap().to_asn1_integer().unwrap()
}

fn days(days: i64) -> Asn1Time {
    let at = SystemClock.now().as_second() + days * 86_400;
    Asn1Time::from_unix(at).unwrap()
}

fn certificate(subject: &str, number: u32, key: &PKey<Private>) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial(number)).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name("an authority")).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&days(-1)).unwrap();
    builder.set_not_after(&days(30)).unwrap();
    builder
}

/// One DER element, shorter than 128 octets.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

fn extension(oid: &str, content: &[u8]) -> X509Extension {
    let oid = Asn1Object::from_str(oid).unwrap();
    let content = Asn1OctetString::new_from_bytes(content).unwrap();
    X509Extension::new_from_der(&oid, false, &content).unwrap()
}

impl Authority {
    fn make() -> Self {
        let key = key();
        let mut builder = certificate("an authority", 1, &key);
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
        let own = SubjectKeyIdentifier::new();
        let own = own.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(own).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self {
            certificate: builder.build(),
            key,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// A certificate for `localhost`.
    fn issue(&self, points: Points) -> (X509, PKey<Private>) {
        let key = key();
        let mut builder = certificate("duo", SERIAL, &key);
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&builder.x509v3_context(Some(&self.certificate), None))
            .unwrap();
        builder.append_extension(names).unwrap();
        let url = format!("http://{}/", self.listener.local_addr().unwrap());
        let uri = der(0x86, url.as_bytes());
        match points {
            Points::Nowhere => {}
            // RFC 5280 section 4.2.1.13
            Points::AtAList => {
                let point = der(0x30, &der(0xa0, &der(0xa0, &uri)));
                let content = der(0x30, &point);
                builder
                    .append_extension(extension("2.5.29.31", &content))
                    .unwrap();
            }
            // RFC 5280 section 4.2.2.1, id-ad-ocsp
            Points::AtAResponder => {
                let method = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
                let description = der(0x30, &[&method[..], &uri].concat());
                let content = der(0x30, &description);
                let extension = extension("1.3.6.1.5.5.7.1.1", &content);
                builder.append_extension(extension).unwrap();
            }
        }
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        (builder.build(), key)
    }

    fn list(&self, says: Says) -> Vec<u8> {
        let mut builder = X509CrlBuilder::new().unwrap();
        builder.set_issuer_name(&name("an authority")).unwrap();
        builder.set_last_update(&days(-3)).unwrap();
        let next = if says == Says::Stale { -1 } else { 1 };
        builder.set_next_update(&days(next)).unwrap();
        if says == Says::Revoked {
            let mut revoked = X509RevokedBuilder::new().unwrap();
            revoked.set_serial_number(&serial(SERIAL)).unwrap();
            revoked.set_revocation_date(&days(-2)).unwrap();
            builder.add_revoked(revoked.build()).unwrap();
        }
        let context = certificate("a list", 0, &self.key);
        let context = context.x509v3_context(Some(&self.certificate), None);
        let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context);
        builder.append_extension(issuer.unwrap()).unwrap();
        builder
            .append_extension(extension("2.5.29.20", &der(0x02, &[1])))
            .unwrap();
        builder.sort().unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().unwrap().to_der().unwrap()
    }

    /// What OpenSSL's own responder says to this request.
    fn respond(&self, says: Says, request: &[u8]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let line = match says {
            Says::Revoked => "R\t371231000000Z\t260101000000Z\t1234\tunknown\t/CN=duo\n",
            _ => "V\t371231000000Z\t\t1234\tunknown\t/CN=duo\n",
        };
        fs::write(path("index"), line).unwrap();
        fs::write(path("ca.pem"), self.certificate.to_pem().unwrap()).unwrap();
        fs::write(path("ca.key"), self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        fs::write(path("request"), request).unwrap();
        let output = Command::new("openssl")
            .current_dir(directory.path())
            .args([
                "ocsp", "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem",
            ])
            .args([
                "-rkey", "ca.key", "-reqin", "request", "-respout", "response",
            ])
            .args(["-ndays", "1"])
            .output()
            .unwrap();
        fs::read(path("response")).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Serves for as long as the test runs.
    fn serve(self, says: Says) {
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = self.listener.accept() {
                let (head, body) = read_request(&mut stream);
                let answer = match (says, head.starts_with("POST")) {
                    (Says::Nothing, _) => continue,
                    (_, true) => self.respond(says, &body),
                    (_, false) => self.list(says),
                };
                write_answer(&mut stream, &answer);
            }
        });
    }
}

fn read_request(stream: &mut impl Read) -> (String, Vec<u8>) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.to_ascii_lowercase();
            let length = length.split_once("content-length: ").and_then(|(_, rest)| {
                rest.split("\r\n")
                    .next()
                    .and_then(|number| number.parse().ok())
            });
            if received.len() >= end + 4 + length.unwrap_or(0) {
                return (text, received.split_off(end + 4));
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => received.extend_from_slice(&buffer[..count]),
            _ => return (text, Vec::new()),
        }
    }
}

fn write_answer(stream: &mut impl Write, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let _ = stream.flush();
}

/// A Duo that is well, with this certificate; its API host.
fn duo((certificate, key): (X509, PKey<Private>)) -> String {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api_host = format!("localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if let Ok(mut stream) = acceptor.accept(stream) {
                read_request(&mut stream);
                write_answer(&mut stream, br#"{"stat":"OK","response":{"timestamp":1}}"#);
                let _ = stream.shutdown();
            }
        }
    });
    api_host
}

/// How a health check ends: `well`, or the reason of the failure.
async fn check(api_host: &str, settings: &DuoHttpSettings, ahead: i64) -> String {
    /// Runs ahead by seconds.
    #[derive(Debug)]
    struct Ahead(i64);
    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            let now = SystemClock.now().as_second() + self.0;
            Timestamp::from_second(now).unwrap()
        }
    }
    let client = HttpDuoClient::with_clock(settings, Arc::new(Ahead(ahead))).unwrap();
    let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
    let integration = Integration::new("default", api_host, "DITESTTESTTESTTEST01", secret);
    let request = oidc::health_check(&integration, "j", SystemClock.now());
    match client.send(&integration, &request).await {
        HttpAnswer::Response { .. } => "well".to_owned(),
        HttpAnswer::Transport { reason } => reason,
    }
}

fn trusting(authority: &Authority) -> DuoHttpSettings {
    super::super::install_tls_provider();
    DuoHttpSettings {
        trust: DuoTrust::Pem(vec![authority.certificate.to_pem().unwrap()]),
        ..DuoHttpSettings::default()
    }
}

const REVOKED: &str = "tls: the certificate is revoked";
const UNKNOWN: &str = "tls: nothing says whether the certificate is revoked";
const STALE: &str = "tls: the revocation list is out of date";

#[tokio::test]
async fn an_operators_list_lets_through_what_is_good_and_stops_the_revoked_and_itself_when_old() {
    for (says, ends) in [
        (Says::Good, "well"),
        (Says::Revoked, REVOKED),
        (Says::Stale, STALE),
    ] {
        let authority = Authority::make();
        let settings = DuoHttpSettings {
            revocation_lists: vec![authority.list(says)],
            ..trusting(&authority)
        };
        let api_host = duo(authority.issue(Points::Nowhere));
        assert_eq!(check(&api_host, &settings, 0).await, ends);
    }
}

#[tokio::test]
async fn a_list_of_another_authority_says_nothing() {
    let (authority, other) = (Authority::make(), Authority::make());
    let settings = DuoHttpSettings {
        revocation_lists: vec![other.list(Says::Revoked)],
        ..trusting(&authority)
    };
    let api_host = duo(authority.issue(Points::Nowhere));
    assert_eq!(check(&api_host, &settings, 0).await, "well");
}

#[tokio::test]
async fn a_list_that_the_certificate_names_is_fetched_and_believed_while_it_is_fresh() {
    for (says, ends) in [
        (Says::Good, "well"),
        (Says::Revoked, REVOKED),
        (Says::Stale, UNKNOWN),
        (Says::Nothing, UNKNOWN),
    ] {
        let authority = Authority::make();
        let settings = DuoHttpSettings {
            check_revocation: true,
            ..trusting(&authority)
        };
        let api_host = duo(authority.issue(Points::AtAList));
        authority.serve(says);
        assert_eq!(check(&api_host, &settings, 0).await, ends);
    }
}

#[tokio::test]
async fn a_responder_is_asked_and_believed_while_its_answer_is_fresh() {
    const TWO_DAYS: i64 = 2 * 86_400;
    for (says, ahead, ends) in [
        (Says::Good, 0, "well"),
        (Says::Revoked, 0, REVOKED),
        (Says::Good, TWO_DAYS, UNKNOWN),
        (Says::Nothing, 0, UNKNOWN),
    ] {
        let authority = Authority::make();
        let settings = DuoHttpSettings {
            check_revocation: true,
            ..trusting(&authority)
        };
        let api_host = duo(authority.issue(Points::AtAResponder));
        authority.serve(says);
        assert_eq!(check(&api_host, &settings, ahead).await, ends);
    }
}

#[tokio::test]
async fn a_certificate_that_names_nobody_to_ask_is_not_proved_good() {
    let authority = Authority::make();
    let api_host = duo(authority.issue(Points::Nowhere));
    let settings = trusting(&authority);
    assert_eq!(check(&api_host, &settings, 0).await, "well");
    let strict = DuoHttpSettings {
        check_revocation: true,
        ..settings
    };
    assert_eq!(check(&api_host, &strict, 0).await, UNKNOWN);
}

#[tokio::test]
async fn one_key_of_the_chain_must_be_pinned() {
    let authority = Authority::make();
    let own = authority.issue(Points::Nowhere);
    let pins = [
        (pin(&own.0).unwrap(), "well"),
        (pin(&authority.certificate).unwrap(), "well"),
        ([7; 32], "tls: no pinned key in the certificate's chain"),
    ];
    let api_host = duo(own);
    for (pin, ends) in pins {
        let settings = DuoHttpSettings {
            pins: vec![pin],
            ..trusting(&authority)
        };
        assert_eq!(check(&api_host, &settings, 0).await, ends);
    }
}

#[tokio::test]
async fn pins_do_not_replace_the_chain_and_its_name() {
    let (authority, other) = (Authority::make(), Authority::make());
    let own = other.issue(Points::Nowhere);
    let settings = DuoHttpSettings {
        pins: vec![pin(&own.0).unwrap()],
        ..trusting(&authority)
    };
    let api_host = duo(own);
    assert_eq!(check(&api_host, &settings, 0).await, "tls");
}

#[test]
fn openssls_times_are_read() {
    let read = |text| instant(text).map(|at| at.to_string());
    assert_eq!(
        read("Nov  4 03:00:09 2026 GMT").as_deref(),
        Some("2026-11-04T03:00:09Z")
    );
    assert_eq!(read("2026-11-04"), None);
}
