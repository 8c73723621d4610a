//! The served program, in a home of its own.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) const SP: &str = "https://sp.example.org/shibboleth";
pub(crate) const USER: &str = "jdoe";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A running server; dropping it ends it.
pub(crate) struct Instance {
    server: Child,
    #[expect(dead_code, reason = "the home lives as long as the server")]
    home: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Instance {
    /// Makes a home, adds a user and a relying party, and serves it on a free port of loopback.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        init(home.path(), port);
        add_user(home.path());
        let metadata = home.path().join("metadata/sp.xml");
        fs::write(metadata, relying_party()).expect("a writable home");
        let people = format!(
            "uid,mail,displayName,givenName,sn,eduPersonAffiliation\n{USER},jane.doe@example.org,Jane Doe,Jane,Doe,member;staff\n"
        );
        fs::write(home.path().join("conf/people.csv"), people).expect("a writable home");
        let server = vestibule(home.path())
            .arg("serve")
            .env(
                "VESTIBULE__vestibule__http__listen",
                format!("127.0.0.1:{port}"),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut instance = Self { server, home, port };
        instance.wait();
        instance
    }

    /// CPU time that the server's threads have used.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.server.id()));
        threads
            .expect("the server runs")
            .map(|thread| thread.expect("a thread").path().join("schedstat"))
            .map(|path| crate::measure::cpu_in(&path.display().to_string()))
            .sum()
    }

    fn wait(&mut self) {
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            let ended = self.server.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "the server did not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not answer");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A server that has already ended needs no ending.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn vestibule(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("--home").arg(home);
    command
}

fn init(home: &Path, port: u16) {
    let base = format!("http://127.0.0.1:{port}/idp");
    let made = vestibule(home)
        .args(["init", "--entity-id", "https://idp.example.org/idp"])
        .args(["--base-url", &base, "--scope", "example.org"])
        .stdout(Stdio::null())
        .status();
    assert!(made.expect("the program starts").success(), "no home");
}

fn add_user(home: &Path) {
    let mut adding = vestibule(home)
        .args(["user", "add", USER, "--password-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut stdin = adding.stdin.take().expect("a pipe");
    writeln!(stdin, "{PASSWORD}").expect("the program reads");
    drop(stdin);
    assert!(adding.wait().expect("a child of ours").success(), "no user");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("bound").port()
}

fn relying_party() -> String {
    format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{SP}">
<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<AssertionConsumerService index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
 Location="https://sp.example.org/Shibboleth.sso/SAML2/POST"/></SPSSODescriptor></EntityDescriptor>"#
    )
}
