//! New keys and certificates, and the secrets of a new home.

use crate::server::world::{Random as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName, SubjectKeyIdentifier};
use openssl::x509::{X509, X509NameBuilder};

/// Relying parties trust the key itself; a date only breaks logins when it is forgotten.
const CERTIFICATE_DAYS: u32 = 20 * 365;

/// RFC 5280 A.1: ub-common-name.
const COMMON_NAME_LIMIT: usize = 64;

const SECRETS: &str = "\
# Secrets: this file is read like those of conf/, and belongs to the server's user alone.

# Duo's client secret of the application, 40 characters.
#idp.duo.oidc.secretKey =
";

/// What kind of key to make.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// RSA with so many bits.
    Rsa(u32),
    /// EC on P-256.
    Ec,
}

/// A new PEM key and its self-signed PEM certificate.
pub(super) fn pair(
    kind: Kind,
    base_url: &str,
    entity_id: &str,
) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let key = match kind {
        Kind::Rsa(bits) => PKey::from_rsa(Rsa::generate(bits)?)?,
        Kind::Ec => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)?
        }
    };
    let url = url::Url::parse(base_url).ok();
    let host = url
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or("localhost");
    let certificate = self_signed(&key, host, entity_id)?;
    Ok((key.private_key_to_pem_pkcs8()?, certificate.to_pem()?))
}

/// A new line of the sealer's file, without its end.
pub(super) fn sealer_key() -> String {
    STANDARD.encode(random::<32>())
}

/// Files by path: two key pairs, the sealer's key, and a place for other secrets.
pub(super) fn make(
    base_url: &str,
    entity_id: &str,
    bits: u32,
) -> Result<Vec<(String, Vec<u8>)>, ErrorStack> {
    let mut files = Vec::new();
    for purpose in ["signing", "encryption"] {
        let (key, certificate) = pair(Kind::Rsa(bits), base_url, entity_id)?;
        let path = |ending| format!("credentials/idp-{purpose}.{ending}");
        files.push((path("key"), key));
        files.push((path("crt"), certificate));
    }
    let sealer = sealer_key() + "\n";
    files.push(("credentials/sealer.key".to_owned(), sealer.into_bytes()));
    let secrets = "credentials/secrets.properties".to_owned();
    files.push((secrets, SECRETS.as_bytes().to_vec()));
    Ok(files)
}

fn self_signed(key: &PKey<Private>, host: &str, entity_id: &str) -> Result<X509, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    let common_name = if host.len() <= COMMON_NAME_LIMIT {
        host
    } else {
        "idp"
    };
    name.append_entry_by_text("CN", common_name)?;
    let name = name.build();
    let mut serial = random::<16>();
    // RFC 5280 4.1.2.2: positive, not zero.
    serial[0] = serial[0] & 0x7f | 0x40;
    let serial = BigNum::from_slice(&serial)?.to_asn1_integer()?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(key)?;
    let (now, end) = (
        Asn1Time::days_from_now(0)?,
        Asn1Time::days_from_now(CERTIFICATE_DAYS)?,
    );
    builder.set_not_before(&now)?;
    builder.set_not_after(&end)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    let context = builder.x509v3_context(None, None);
    let identifier = SubjectKeyIdentifier::new().build(&context)?;
    let names = SubjectAlternativeName::new()
        .dns(host)
        .uri(entity_id)
        .build(&context)?;
    builder.append_extension(identifier)?;
    builder.append_extension(names)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    bytes
}
