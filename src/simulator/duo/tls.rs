//! The simulator's own certificate authority, its certificate, and a certificate of somebody
//! else's authority for the fault that presents it.

use super::StartError;
use super::service::Service;
use crate::server::world::Random;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// How long the certificates last, in days: longer than the 180 before which `check` warns of roots
/// that end.
const DAYS: u32 = 730;

/// A certificate with its key.
struct Issued {
    certificate: X509,
    key: PKey<Private>,
}

/// The authority that clients trust, and what the listener presents.
pub(super) struct Authority {
    pub(super) ca_pem: String,
    own: Arc<CertifiedKey>,
    foreign: Arc<CertifiedKey>,
}

impl Authority {
    /// Fresh keys for every start: nothing that trusts one simulator trusts the next.
    pub(super) fn make(random: &dyn Random, host: Option<&str>) -> Result<Self, StartError> {
        Self::issue(random, host).map_err(|error| StartError::Certificate(error.to_string()))
    }

    fn issue(random: &dyn Random, host: Option<&str>) -> Result<Self, ErrorStack> {
        let ca = authority(random, "Vestibule Duo simulator CA")?;
        let other = authority(random, "An authority nobody trusts")?;
        let leaf = leaf(random, &ca, host)?;
        let foreign = self::leaf(random, &other, host)?;
        let pem = ca.certificate.to_pem()?;
        Ok(Self {
            ca_pem: String::from_utf8_lossy(&pem).into_owned(),
            own: certified(&leaf)?,
            foreign: certified(&foreign)?,
        })
    }

    /// The listener's TLS configuration.
    pub(super) fn server_config(
        &self,
        service: Arc<Service>,
    ) -> Result<rustls::ServerConfig, StartError> {
        let presented = Presented {
            own: Arc::clone(&self.own),
            foreign: Arc::clone(&self.foreign),
            service,
        };
        let provider = Arc::new(rustls_openssl::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Certificate(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(presented));
        // A resumed session shows no certificate, and the fault would not be seen.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}

/// Chooses the certificate for each handshake.
struct Presented {
    own: Arc<CertifiedKey>,
    foreign: Arc<CertifiedKey>,
    service: Arc<Service>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.service.presents_foreign_certificate() {
            Some(Arc::clone(&self.foreign))
        } else {
            Some(Arc::clone(&self.own))
        }
    }
}

fn certified(issued: &Issued) -> Result<Arc<CertifiedKey>, ErrorStack> {
    let chain = vec![CertificateDer::from(issued.certificate.to_der()?)];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key.private_key_to_pkcs8()?));
    let key = rustls_openssl::default_provider()
        .key_provider
        .load_private_key(key)
        .expect("a P-256 key that OpenSSL just made loads into its provider");
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

fn authority(random: &dyn Random, name: &str) -> Result<Issued, ErrorStack> {
    let key = p256()?;
    let name = name_of(name)?;
    let mut builder = certificate(random, &key, &name, &name)?;
    builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    let usage = KeyUsage::new()
        .critical()
        .key_cert_sign()
        .crl_sign()
        .build()?;
    builder.append_extension(usage)?;
    let own = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(own)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Issued {
        certificate: builder.build(),
        key,
    })
}

fn leaf(random: &dyn Random, ca: &Issued, host: Option<&str>) -> Result<Issued, ErrorStack> {
    let key = p256()?;
    let name = name_of("Vestibule Duo simulator")?;
    let mut builder = certificate(random, &key, &name, ca.certificate.subject_name())?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    let usage = KeyUsage::new().critical().digital_signature().build()?;
    builder.append_extension(usage)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let own = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(own)?;
    let context = builder.x509v3_context(Some(&ca.certificate), None);
    let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
    let names = alternative_names(host).build(&context)?;
    builder.append_extension(issuer)?;
    builder.append_extension(names)?;
    builder.sign(&ca.key, MessageDigest::sha256())?;
    Ok(Issued {
        certificate: builder.build(),
        key,
    })
}

fn alternative_names(host: Option<&str>) -> SubjectAlternativeName {
    let mut names = SubjectAlternativeName::new();
    names.dns("localhost").ip("127.0.0.1").ip("::1");
    match host {
        Some(host) if host.parse::<IpAddr>().is_ok() => names.ip(host),
        Some(host) => names.dns(host),
        None => &mut names,
    };
    names
}

fn certificate(
    random: &dyn Random,
    key: &PKey<Private>,
    subject: &openssl::x509::X509NameRef,
    issuer: &openssl::x509::X509NameRef,
) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial(random)?.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
    Ok(builder)
}

/// 127 random bits, positive.
fn serial(random: &dyn Random) -> Result<BigNum, ErrorStack> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    BigNum::from_slice(&bytes)
}

fn p256() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name_of(name: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509Name::builder()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}
