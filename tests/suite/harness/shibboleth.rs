//! The Shibboleth service provider: shibd and an Apache of our own, with two service providers.

use super::browser::{Browser, Page};
use super::http::Request;
use super::idp::Deployment;
use super::process::{Process, program};
use super::{apache, port, relying_party};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use url::Url;

/// Both daemons, running.
pub(crate) struct Shibboleth {
    ports: [u16; 2],
    // Apache goes first: it talks to shibd.
    _apache: Process,
    _shibd: Process,
    _directory: tempfile::TempDir,
}

/// The session that the service provider made of an assertion.
#[derive(Clone, Debug)]
pub(crate) struct Session(Value);

impl Shibboleth {
    pub(crate) const FIRST: &str = "https://first.shibboleth.example/sp";
    pub(crate) const SECOND: &str = "https://second.shibboleth.example/sp";

    /// Starts both daemons and gives the deployment the service providers' metadata.
    pub(crate) fn start(deployment: &Deployment) -> Self {
        Self::start_with(deployment, ["back", "true"])
    }

    /// The same, signing what they send; `asynchronous` as the service provider's own setting: who
    /// signs out there waits for no answer.
    pub(crate) fn start_signing(deployment: &Deployment, asynchronous: bool) -> Self {
        Self::start_with(
            deployment,
            ["true", if asynchronous { "true" } else { "false" }],
        )
    }

    fn start_with(deployment: &Deployment, switches: [&str; 2]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = [port::free(), port::free()];
        lay_out(directory.path(), deployment, (ports, switches));
        let mut shibd = shibd(directory.path());
        let socket = directory.path().join("run/shibd.sock");
        shibd.wait_until(|_| socket.exists().then_some(()));
        let mut apache = apache::start(directory.path());
        for (number, port) in ports.iter().enumerate() {
            let url = format!("http://127.0.0.1:{port}/Shibboleth.sso/Metadata");
            let request = Request::get(Url::parse(&url).unwrap());
            let answer = apache.wait_until(|_| {
                request
                    .try_send()
                    .ok()
                    .filter(|answer| answer.status == 200)
            });
            deployment.trust(&format!("shibboleth-{number}"), &answer.body);
        }
        Self {
            ports,
            _apache: apache,
            _shibd: shibd,
            _directory: directory,
        }
    }

    /// A page that needs a session.
    pub(crate) fn secure(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}/secure/", self.ports[number])
    }

    /// A page that needs none.
    pub(crate) fn open_page(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}/", self.ports[number])
    }

    /// The address that starts a login; `query` holds the initiator's parameters, such as
    /// `forceAuthn=1`.
    pub(crate) fn login(&self, number: usize, query: &str) -> String {
        let target: String =
            form_urlencoded::byte_serialize(self.open_page(number).as_bytes()).collect();
        format!(
            "http://127.0.0.1:{}/Shibboleth.sso/Login?target={target}&{query}",
            self.ports[number]
        )
    }

    /// The address that signs out there and at the IdP.
    pub(crate) fn logout(&self, number: usize) -> String {
        format!(
            "http://127.0.0.1:{}/Shibboleth.sso/Logout",
            self.ports[number]
        )
    }

    /// The session this browser has there.
    pub(crate) fn session(&self, number: usize, browser: &mut Browser) -> Option<Session> {
        let url = format!(
            "http://127.0.0.1:{}/Shibboleth.sso/Session",
            self.ports[number]
        );
        let page = browser.open(&url);
        let value: Value = serde_json::from_str(page.body()).unwrap();
        value
            .get("authncontext_class")
            .is_some()
            .then_some(Session(value))
    }
}

impl Session {
    pub(crate) fn class(&self) -> &str {
        self.0["authncontext_class"].as_str().unwrap()
    }

    pub(crate) fn authn_instant(&self) -> &str {
        self.0["authn_instant"].as_str().unwrap()
    }

    /// The values of an attribute, by the id of attribute-map.xml.
    pub(crate) fn attribute(&self, id: &str) -> Vec<&str> {
        let attributes = self.0["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|attribute| attribute["name"] == id);
        let values = found.and_then(|attribute| attribute["values"].as_array());
        values
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}

/// What the service provider's error page would have said: it redirects to /error with the facts.
pub(crate) fn error_facts(page: &Page) -> Vec<(String, String)> {
    assert_eq!(page.url.path(), "/error", "{} {}", page.url, page.body());
    page.url.query_pairs().into_owned().collect()
}

fn lay_out(
    directory: &Path,
    deployment: &Deployment,
    (ports, [signing, asynchronous]): ([u16; 2], [&str; 2]),
) {
    relying_party::key_pair_files(directory, "sp");
    let values = [
        ("@FIRST_ENTITY_ID@", Shibboleth::FIRST),
        ("@SIGNING@", signing),
        ("@ASYNCHRONOUS@", asynchronous),
        ("@FIRST_PORT@", &ports[0].to_string()),
        ("@SECOND_PORT@", &ports[1].to_string()),
        ("@SECOND_ENTITY_ID@", Shibboleth::SECOND),
        ("@IDP_ENTITY_ID@", Deployment::ENTITY_ID),
    ];
    apache::lay_out(directory, deployment, "shibboleth", &values);
}

fn shibd(directory: &Path) -> Process {
    let mut command = Command::new(program(&["shibd"]));
    command
        .args(["-f", "-F", "-c"])
        .arg(directory.join("shibboleth2.xml"))
        .arg("-p")
        .arg(directory.join("run/shibd.pid"));
    Process::start("shibd", directory, &mut command)
}
