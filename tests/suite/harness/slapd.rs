//! A private OpenLDAP on loopback, with a certificate authority of its own.

use super::port;
use super::process::Process;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The administrator's password, and the one of `cn=reader`.
pub(crate) const PASSWORD: &str = "reader's password";

/// An OpenLDAP server with a few people in it.
pub(crate) struct Slapd {
    directory: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Slapd {
    /// A server for `localhost` with these people, in LDIF.
    pub(crate) fn start(directory: &Path, people: &str) -> Self {
        let directory = directory.join("slapd");
        fs::create_dir_all(directory.join("db")).unwrap();
        certificates(&directory);
        let here = directory.display();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\n\
             moduleload back_mdb\nmoduleload ppolicy\n\
             TLSCertificateFile {here}/ldap.crt\nTLSCertificateKeyFile {here}/ldap.key\n\
             database mdb\nmaxsize 10485760\nsuffix dc=example,dc=org\n\
             rootdn cn=reader,dc=example,dc=org\nrootpw \"{PASSWORD}\"\ndirectory {here}/db\n\
             overlay ppolicy\nppolicy_default cn=policy,dc=example,dc=org\nppolicy_use_lockout\n\
             access to attrs=userPassword by anonymous auth by * none\n\
             access to * by * read\n"
        );
        fs::write(directory.join("slapd.conf"), configuration).unwrap();
        fs::write(directory.join("people.ldif"), format!("{BASE}{people}")).unwrap();
        let added = Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(directory.join("slapd.conf"))
            .arg("-l")
            .arg(directory.join("people.ldif"))
            .output()
            .unwrap();
        assert!(
            added.status.success(),
            "{}",
            String::from_utf8_lossy(&added.stderr)
        );
        let mut slapd = Self {
            directory,
            port: port::free(),
            process: None,
        };
        slapd.serve();
        slapd
    }

    /// Starts the server, until it listens.
    pub(crate) fn serve(&mut self) {
        let mut command = Command::new("/usr/sbin/slapd");
        command
            .arg("-f")
            .arg(self.directory.join("slapd.conf"))
            .args(["-h", &format!("ldap://127.0.0.1:{}", self.port), "-d", "0"]);
        let mut process = Process::start("slapd", &self.directory, &mut command);
        process.wait_until(|_| TcpStream::connect(("127.0.0.1", self.port)).ok());
        self.process = Some(process);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("it serves").kill();
        self.process = None;
    }

    /// Its address under a host name.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("ldap://{host}:{}", self.port)
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }
}

const BASE: &str = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\n\
    dc: example\no: Example\n\n\
    dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n\n\
    dn: cn=policy,dc=example,dc=org\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n\
    pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 3\npwdMaxAge: 864000\n\
    pwdExpireWarning: 345600\n\n";

fn certificates(directory: &Path) {
    let (ca_key, key) = (new_key(), new_key());
    let ca = certificate("test authority", &ca_key, None, &ca_key);
    let leaf = certificate("localhost", &key, Some(&ca), &ca_key);
    fs::write(directory.join("ca.crt"), ca.to_pem().unwrap()).unwrap();
    fs::write(directory.join("ldap.crt"), leaf.to_pem().unwrap()).unwrap();
    fs::write(
        directory.join("ldap.key"),
        key.private_key_to_pem_pkcs8().unwrap(),
    )
    .unwrap();
}

fn new_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn certificate(
    name: &str,
    key: &PKey<Private>,
    issuer: Option<&X509>,
    signer: &PKey<Private>,
) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&subject, |issuer| issuer.subject_name()))
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    let extension = match issuer {
        None => BasicConstraints::new().critical().ca().build().unwrap(),
        Some(issuer) => {
            let context = builder.x509v3_context(Some(issuer), None);
            SubjectAlternativeName::new()
                .dns(name)
                .build(&context)
                .unwrap()
        }
    };
    builder.append_extension(extension).unwrap();
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    builder.build()
}
