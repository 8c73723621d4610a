//! Federation aggregates, signed: how long until one is usable, and what it costs in memory.
//!
//! Each size is measured in a process of its own, so that one's memory is not another's.

#![expect(
    clippy::cast_precision_loss,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "one long template, made once, and ratios that are printed with two digits"
)]

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vestibule::config::metadata::{MetadataSettings, Origin, ProviderSettings};
use vestibule::saml::key::SigningKey;
use vestibule::saml::metadata::MetadataResolver as _;
use vestibule::saml::signature::sign;
use vestibule::saml::xml::namespace::Namespace;
use vestibule::saml::xml::writer::Writer;
use vestibule::server::metadata::Metadata;

const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Entities read one after the other, as logins to as many relying parties would.
const LOOKUPS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, folder, entities] = &arguments[..]
        && word == "measure"
    {
        return measure(Path::new(folder), entities.parse().expect("a number"));
    }
    let folder = std::env::temp_dir().join(format!("vestibule-metadata-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    println!(
        "entities     file  usable after      CPU  peak growth        after  one entity on demand"
    );
    for entities in SIZES {
        write_aggregate(&folder, entities);
        let program = std::env::current_exe().expect("a path");
        let status = Command::new(program)
            .arg("measure")
            .arg(&folder)
            .arg(entities.to_string())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the measurement ended early"
        );
    }
    fs::remove_dir_all(&folder).expect("our own folder");
}

/// Opens the aggregate as the server does and prints one line.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measure(folder: &Path, entities: usize) {
    let settings = settings(folder, entities);
    let now = jiff::Timestamp::now();
    let before = resident();
    let started = Instant::now();
    let metadata = Metadata::open(&settings, now);
    let took = started.elapsed();
    let computed = cpu_time();
    let peak = memory("VmHWM:").saturating_sub(before);
    let after = resident().saturating_sub(before);
    let snapshot = metadata.current();
    assert_eq!(snapshot.len(), entities, "{:?}", metadata.statuses(now));
    let started = Instant::now();
    let lookups = LOOKUPS.min(entities);
    for number in 0..lookups {
        let id = entity_id(number * (entities / lookups));
        assert!(snapshot.entity(&id, now).is_some(), "{id}");
    }
    let each = started.elapsed() / u32::try_from(lookups).expect("a small number");
    let size = fs::metadata(file(folder, entities))
        .expect("our file")
        .len();
    println!(
        "{entities:8} {:>8} {:>13} {:>8} {:>16} {:>8} {:>21}",
        megabytes(size),
        milliseconds(took),
        milliseconds(computed),
        format!("{} ({:.2}x)", megabytes(peak), peak as f64 / size as f64),
        megabytes(after),
        format!("{:.1} us", each.as_secs_f64() * 1e6),
    );
}

fn settings(folder: &Path, entities: usize) -> MetadataSettings {
    let mut provider = ProviderSettings::folder(folder.to_owned());
    "federation".clone_into(&mut provider.name);
    provider.origin = Origin::File(file(folder, entities));
    provider.certificates = Some(fs::read(folder.join("signer.crt")).expect("our certificate"));
    MetadataSettings {
        poll_interval: Duration::from_secs(10),
        copies: folder.join("copies"),
        providers: vec![provider],
    }
}

fn file(folder: &Path, entities: usize) -> PathBuf {
    folder.join(format!("{entities}.xml"))
}

fn write_aggregate(folder: &Path, entities: usize) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let certificate = certificate(&key);
    let pem = certificate.to_pem().expect("PEM");
    fs::write(folder.join("signer.crt"), &pem).expect("a writable folder");
    let private = key.private_key_to_pem_pkcs8().expect("PEM");
    let signer = SigningKey::from_pem(&private, &pem).expect("a pair");
    // Three certificates stand for all: what matters is their length.
    let certificates: Vec<String> = (0..3)
        .map(|_| openssl::base64::encode_block(&certificate.to_der().expect("DER")))
        .collect();
    let content: String = (0..entities)
        .map(|number| entity(number, &certificates))
        .collect();
    let mut w = Writer::new();
    w.open(Namespace::METADATA, "EntitiesDescriptor");
    w.attribute("ID", "_aggregate");
    w.attribute("validUntil", "2099-01-01T00:00:00Z");
    let place = w.place();
    w.close();
    w.insert(&place, &content);
    drop(content);
    sign(&mut w, &place, "_aggregate", &signer).expect("a signature");
    fs::write(file(folder, entities), w.finish()).expect("a writable folder");
}

fn certificate(key: &PKey<Private>) -> X509 {
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "federation.example.org")
        .expect("a name");
    let name = name.build();
    let mut serial = BigNum::new().expect("a number");
    serial
        .rand(120, MsbOption::MAYBE_ZERO, false)
        .expect("a number");
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("version 3");
    builder
        .set_serial_number(&serial.to_asn1_integer().expect("a number"))
        .expect("a serial");
    builder.set_subject_name(&name).expect("a subject");
    builder.set_issuer_name(&name).expect("an issuer");
    builder.set_pubkey(key).expect("a key");
    builder
        .set_not_before(&Asn1Time::days_from_now(0).expect("a time"))
        .expect("a start");
    builder
        .set_not_after(&Asn1Time::days_from_now(3650).expect("a time"))
        .expect("an end");
    builder
        .sign(key, MessageDigest::sha256())
        .expect("a signature");
    builder.build()
}

fn entity_id(number: usize) -> String {
    format!("https://sp{number}.example.org/shibboleth")
}

/// One SP of about 10 kB, in canonical form, as federations publish them.
fn entity(number: usize, certificates: &[String]) -> String {
    let host = format!("https://sp{number}.example.org");
    let mut text = format!(
        "\n  <md:EntityDescriptor entityID=\"{}\">\n    <md:Extensions>\n      <mdrpi:RegistrationInfo \
         xmlns:mdrpi=\"urn:oasis:names:tc:SAML:metadata:rpi\" \
         registrationAuthority=\"https://federation.example.org\" \
         registrationInstant=\"2020-01-01T00:00:00Z\">\n        <mdrpi:RegistrationPolicy \
         xml:lang=\"en\">{host}/policy</mdrpi:RegistrationPolicy>\n      </mdrpi:RegistrationInfo>\n      \
         <mdattr:EntityAttributes xmlns:mdattr=\"urn:oasis:names:tc:SAML:metadata:attribute\">\n        \
         <saml2:Attribute xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         Name=\"http://macedir.org/entity-category\" \
         NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\">\n          \
         <saml2:AttributeValue>http://refeds.org/category/research-and-scholarship\
         </saml2:AttributeValue>\n        </saml2:Attribute>\n      </mdattr:EntityAttributes>\n    \
         </md:Extensions>\n    <md:SPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\n      <md:Extensions>\n        \
         <mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\">",
        entity_id(number),
    );
    for lang in ["en", "de", "fr", "it", "es", "fi"] {
        text += &format!(
            "\n          <mdui:DisplayName xml:lang=\"{lang}\">Research service {number} &amp; \
             archive</mdui:DisplayName>\n          <mdui:Description xml:lang=\"{lang}\">A service \
             where researchers of all institutions keep, share and cite their data, with long-term \
             preservation.</mdui:Description>\n          <mdui:InformationURL \
             xml:lang=\"{lang}\">{host}/{lang}/about</mdui:InformationURL>\n          \
             <mdui:PrivacyStatementURL xml:lang=\"{lang}\">{host}/{lang}/privacy\
             </mdui:PrivacyStatementURL>",
        );
    }
    text += "\n        </mdui:UIInfo>\n      </md:Extensions>";
    for certificate in certificates {
        text += &format!(
            "\n      <md:KeyDescriptor>\n        <ds:KeyInfo \
             xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\n          \
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>\n        \
             </ds:KeyInfo>\n      </md:KeyDescriptor>",
        );
    }
    for index in 0..8 {
        text += &format!(
            "\n      <md:AssertionConsumerService \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             Location=\"{host}/Shibboleth.sso/SAML2/POST/{index}\" \
             index=\"{index}\"></md:AssertionConsumerService>",
        );
    }
    text += "\n      <md:AttributeConsumingService index=\"1\">\n        <md:ServiceName \
             xml:lang=\"en\">Service</md:ServiceName>";
    for number in 0..8 {
        text += &format!(
            "\n        <md:RequestedAttribute FriendlyName=\"attribute{number}\" \
             Name=\"urn:oid:1.3.6.1.4.1.5923.1.1.1.{number}\" \
             NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\" \
             isRequired=\"true\"></md:RequestedAttribute>",
        );
    }
    text += "\n      </md:AttributeConsumingService>\n    </md:SPSSODescriptor>\n    \
             <md:ContactPerson contactType=\"technical\">\n      \
             <md:EmailAddress>mailto:admin@example.org</md:EmailAddress>\n    \
             </md:ContactPerson>\n  </md:EntityDescriptor>";
    text
}

/// CPU time of this process, all threads, system time included; the start of the process is a
/// millisecond of it.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // Linux counts hundredths of a second here on every architecture we know.
    Duration::from_millis(ticks * 10)
}

fn resident() -> u64 {
    memory("VmRSS:")
}

/// A line of /proc/self/status, in octets; 0 where there is none.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kibibytes = found.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn megabytes(octets: u64) -> String {
    format!("{:.1} MB", octets as f64 / 1e6)
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}
