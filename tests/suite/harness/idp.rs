//! A whole deployment on loopback: a home, Duo's simulator, and the IdP serving.

use super::browser::{ALICE, BOB};
use super::duo::Duo;
use super::home::Home;
use super::http::Request;
use super::port;
use super::process::Process;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use url::Url;

/// The IdP, what it needs, and the directory all of it lives in.
pub(crate) struct Deployment {
    pub(crate) home: Home,
    pub(crate) duo: Duo,
    /// `vestibule.baseURL`. The name differs from the service providers' address, so that going
    /// from one to the other crosses sites, as it does in the world.
    pub(crate) base_url: String,
    port: u16,
    process: Option<Process>,
    directory: TempDir,
}

impl Deployment {
    pub(crate) const ENTITY_ID: &str = "https://idp.example.org/idp";

    /// A home with two users and a configured Duo; nothing serves yet.
    pub(crate) fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = port::free();
        let base_url = format!("http://localhost:{port}/idp");
        let home = Home::init(directory.path().join("home"), Self::ENTITY_ID, &base_url);
        let duo = Duo::start(directory.path());
        home.set("vestibule.http.listen", &format!("127.0.0.1:{port}"));
        home.set("idp.duo.oidc.apiHost", &duo.api_host);
        home.set("idp.duo.oidc.clientId", Duo::CLIENT_ID);
        home.set(
            "idp.duo.oidc.redirectURL",
            &format!("{base_url}/profile/Authn/Duo/2FA/duo-callback"),
        );
        home.set(
            "vestibule.duo.trustedCertificates",
            &duo.ca.to_string_lossy(),
        );
        // One user tries many things in a short time here.
        home.set("vestibule.duo.maxStarts", "1000");
        home.set("vestibule.password.throttle.attempts", "1000");
        let secret = format!("\nidp.duo.oidc.secretKey = {}\n", Duo::CLIENT_SECRET);
        home.append("credentials/secrets.properties", &secret);
        home.add_user(ALICE);
        home.add_user(BOB);
        home.write("conf/people.csv", PEOPLE);
        Self {
            home,
            duo,
            base_url,
            port,
            process: None,
            directory,
        }
    }

    /// Duo's Auth API, and users may enrol with it.
    pub(crate) fn allow_self_service(&self) {
        let home = &self.home;
        let [id, secret] = Duo::AUTH_API;
        home.set("idp.duo.oidc.nonbrowser.integrationKey", id);
        let secret = format!("\nidp.duo.oidc.nonbrowser.secretKey = {secret}\n");
        home.append("credentials/secrets.properties", &secret);
        home.set("vestibule.duo.selfService.enabled", "true");
    }

    /// `vestibule serve`, until it answers.
    pub(crate) fn serve(&mut self) {
        let mut command = self.home.command(&["serve"]);
        let mut process = Process::start("idp", self.directory.path(), &mut command);
        let url = Url::parse(&format!("http://127.0.0.1:{}/idp/health/ready", self.port)).unwrap();
        let probe = Request::get(url);
        process.wait_until(|_| probe.try_send().ok().filter(|answer| answer.status == 200));
        self.process = Some(process);
    }

    /// Drops a relying party's metadata into `metadata/`.
    pub(crate) fn trust(&self, name: &str, document: &str) {
        self.home.write(&format!("metadata/{name}.xml"), document);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("it serves").kill();
        self.process = None;
    }

    /// The IdP's own metadata, written to a file for a service provider.
    pub(crate) fn metadata_file(&self) -> PathBuf {
        let path = self.directory().join("idp-metadata.xml");
        std::fs::write(&path, self.home.run(&["metadata"], "")).unwrap();
        path
    }

    /// A URL under the base URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// What the server printed.
    pub(crate) fn printed(&self) -> String {
        self.process
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default()
    }

    /// Where everything of this deployment lives.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the IdP logged:\n{}", self.home.logs());
        }
    }
}

const PEOPLE: &str = "uid,displayName,mail\n\
    alice,Alice Adams,alice@example.org\n\
    bob,Bob Brown,bob@example.org;bob.brown@example.org\n";
