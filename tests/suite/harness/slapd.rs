//! A private OpenLDAP on loopback, with a certificate authority of its own.

use super::authority;
use super::port;
use super::process::Process;
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
        authority::write(&directory, "ldap");
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
