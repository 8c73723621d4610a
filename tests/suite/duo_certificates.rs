//! S45: who answers in Duo's place without being Duo is not talked to: a table of certificates and
//! handshakes, each with what the log says.

use crate::duo_outage::{Scene, unreachable_at};
use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{
    X509, X509Builder, X509CrlBuilder, X509Extension, X509Name, X509NameBuilder, X509RevokedBuilder,
};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The serial number that the authority has revoked.
const REVOKED: u32 = 0x666;

struct Authority {
    certificate: X509,
    key: PKey<Private>,
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

fn certificate(subject: &str, number: u32, key: &PKey<Private>, days: [u32; 2]) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial(number)).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name("an authority")).unwrap();
    builder.set_pubkey(key).unwrap();
    let [from, to] = days.map(|days| Asn1Time::days_from_now(days).unwrap());
    builder.set_not_before(&from).unwrap();
    builder.set_not_after(&to).unwrap();
    builder
}

impl Authority {
    fn make() -> Self {
        let key = key();
        let mut builder = certificate("an authority", 1, &key, [0, 30]);
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
        let own = SubjectKeyIdentifier::new();
        let own = own.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(own).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self {
            certificate: builder.build(),
            key,
        }
    }

    fn issue(&self, host: &str, number: u32, days: [u32; 2]) -> (X509, PKey<Private>) {
        let key = key();
        let mut builder = certificate("duo", number, &key, days);
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let names = SubjectAlternativeName::new()
            .dns(host)
            .build(&context)
            .unwrap();
        let issuer = AuthorityKeyIdentifier::new()
            .keyid(true)
            .build(&context)
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.append_extension(issuer).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        (builder.build(), key)
    }

    /// What the authority has revoked, as PEM.
    fn revocations(&self) -> Vec<u8> {
        let [from, to] = [0, 30].map(|days| Asn1Time::days_from_now(days).unwrap());
        let mut revoked = X509RevokedBuilder::new().unwrap();
        revoked.set_serial_number(&serial(REVOKED)).unwrap();
        revoked.set_revocation_date(&from).unwrap();
        let mut list = X509CrlBuilder::new().unwrap();
        list.set_issuer_name(self.certificate.subject_name())
            .unwrap();
        list.set_last_update(&from).unwrap();
        list.set_next_update(&to).unwrap();
        list.add_revoked(revoked.build()).unwrap();
        let context = certificate("a list", 0, &self.key, [0, 30]);
        let context = context.x509v3_context(Some(&self.certificate), None);
        let issuer = AuthorityKeyIdentifier::new().keyid(true).build(&context);
        list.append_extension(issuer.unwrap()).unwrap();
        // The list's number, 1 (RFC 5280 section 5.2.3).
        let number = Asn1OctetString::new_from_bytes(&[2, 1, 1]).unwrap();
        let name = Asn1Object::from_str("2.5.29.20").unwrap();
        let number = X509Extension::new_from_der(&name, false, &number).unwrap();
        list.append_extension(number).unwrap();
        list.sort().unwrap();
        list.sign(&self.key, MessageDigest::sha256()).unwrap();
        list.build().unwrap().to_pem().unwrap()
    }
}

/// How somebody answers.
#[derive(Clone)]
enum Answers {
    With(X509, PKey<Private>),
    /// In clear, where a handshake is due.
    Garbage,
    /// Not at all.
    HangingUp,
}

/// A TLS server that answers every request with 500; it counts those it was told.
struct Pretender {
    address: SocketAddr,
    told: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Pretender {
    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (told, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (telling, ending) = (Arc::clone(&told), Arc::clone(&done));
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                if answer(stream, &answers) {
                    telling.store(true, Ordering::SeqCst);
                }
            }
        });
        Self {
            address,
            told,
            done,
            serving: Some(serving),
        }
    }

    fn api_host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.serving.take().unwrap().join();
    }
}

/// True when the client completed the handshake and said something.
fn answer(mut stream: TcpStream, answers: &Answers) -> bool {
    let (certificate, key) = match answers {
        Answers::With(certificate, key) => (certificate, key),
        Answers::Garbage => {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            return false;
        }
        Answers::HangingUp => return false,
    };
    let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    acceptor.set_private_key(key).unwrap();
    let Ok(mut tls) = acceptor.build().accept(stream) else {
        return false;
    };
    let mut request = [0; 4096];
    let told = tls.ssl_read(&mut request).is_ok_and(|octets| octets > 0);
    let _ = tls.write_all(b"HTTP/1.1 500 Trouble\r\ncontent-length: 0\r\n\r\n");
    told
}

/// The scene of a Duo that is this pretender, with the authority trusted.
fn scene(authority: &Authority, pretender: &Pretender) -> Scene {
    Scene::prepare(|deployment| {
        unreachable_at(pretender.api_host())(deployment);
        let home = &deployment.home;
        let trusted = authority.certificate.to_pem().unwrap();
        home.write(
            "credentials/duo-ca.pem",
            &String::from_utf8(trusted).unwrap(),
        );
        let list = String::from_utf8(authority.revocations()).unwrap();
        home.write("credentials/duo.crl", &list);
        let file = |name: &str| home.path.join(name).to_string_lossy().into_owned();
        home.set(
            "vestibule.duo.trustedCertificates",
            &file("credentials/duo-ca.pem"),
        );
        home.set("vestibule.duo.crlFiles", &file("credentials/duo.crl"));
        home.set("vestibule.duo.retries", "0");
    })
}

fn is_refused(what: &str, authority: &Authority, answers: Answers, words: &str) {
    let pretender = Pretender::start(answers);
    let scene = scene(authority, &pretender);
    scene.stops(what, words);
    scene.password_alone_does_at_the_lenient_one();
    let told = pretender.told.load(Ordering::SeqCst);
    assert!(!told, "{what}: something was sent to it");
}

#[test]
fn s45_whoever_cannot_prove_to_be_duo_is_told_nothing() {
    let (authority, other) = (Authority::make(), Authority::make());
    let with = |(certificate, key)| Answers::With(certificate, key);
    let tls = "Duo cannot be reached: tls";
    for (what, answers, words) in [
        (
            "foreign authority",
            with(other.issue("localhost", 7, [0, 30])),
            tls,
        ),
        (
            "wrong name",
            with(authority.issue("duo.example", 8, [0, 30])),
            tls,
        ),
        (
            "not valid yet",
            with(authority.issue("localhost", 9, [10, 30])),
            tls,
        ),
        (
            "revoked",
            with(authority.issue("localhost", REVOKED, [0, 30])),
            "Duo cannot be reached: tls: the certificate is revoked",
        ),
        ("no handshake", Answers::Garbage, "Duo cannot be reached: "),
        ("hangs up", Answers::HangingUp, "Duo cannot be reached: "),
    ] {
        is_refused(what, &authority, answers, words);
    }
}

#[test]
fn s45_a_certificate_that_is_right_and_not_revoked_is_talked_to() {
    let authority = Authority::make();
    let (certificate, key) = authority.issue("localhost", 7, [0, 30]);
    let pretender = Pretender::start(Answers::With(certificate, key));
    let scene = scene(&authority, &pretender);
    scene.stops(
        "a right certificate",
        "Duo answered with an error of its own: 500",
    );
    assert!(pretender.told.load(Ordering::SeqCst));
}
