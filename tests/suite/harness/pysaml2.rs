//! Service providers on pysaml2, in one Python process.

use super::browser::Page;
use super::http::Request;
use super::idp::Deployment;
use super::process::Process;
use super::{port, relying_party, root};
use serde_json::Value;
use std::process::Command;
use url::Url;

/// A running process with a service provider for each entity id.
pub(crate) struct Pysaml2 {
    port: u16,
    _process: Process,
}

/// What a service provider made of a response.
#[derive(Clone, Debug)]
pub(crate) struct Verdict(pub(crate) Value);

impl Pysaml2 {
    pub(crate) const FIRST: &str = "https://first.pysaml2.example/sp";
    pub(crate) const SECOND: &str = "https://second.pysaml2.example/sp";

    /// Starts the service providers and gives the deployment their metadata.
    pub(crate) fn start(deployment: &Deployment, options: &[&str]) -> Self {
        let port = port::free();
        let directory = deployment.directory();
        let (key, certificate) = relying_party::key_pair_files(directory, "pysaml2");
        let mut command = Command::new(root().join("tests/.cache/venv/bin/python"));
        command
            .arg(root().join("tests/sp/pysaml2_sp.py"))
            .args([
                "--port",
                &port.to_string(),
                "--idp",
                Deployment::ENTITY_ID,
                "--idp-metadata",
            ])
            .arg(deployment.metadata_file())
            .arg("--key")
            .arg(key)
            .arg("--certificate")
            .arg(certificate)
            .args(options)
            .args([Self::FIRST, Self::SECOND]);
        let mut process = Process::start("pysaml2", directory, &mut command);
        process.wait_until(|printed| printed.contains("\"ready\"").then_some(()));
        for number in [0, 1] {
            let url = Url::parse(&format!("http://127.0.0.1:{port}/{number}/metadata")).unwrap();
            deployment.trust(&format!("pysaml2-{number}"), &Request::get(url).send().body);
        }
        Self {
            port,
            _process: process,
        }
    }

    /// Service provider `number` reads this metadata of the IdP in the place of what it knew.
    pub(crate) fn refresh(&self, number: u8, metadata: &str) {
        let url = Url::parse(&format!("http://127.0.0.1:{}/{number}/refresh", self.port)).unwrap();
        let fields = [("metadata".to_owned(), metadata.to_owned())];
        assert_eq!(Request::post(url, &fields).send().status, 200);
    }

    /// The address that starts a login at service provider `number`; `query` says what it asks.
    pub(crate) fn login(&self, number: u8, query: &str) -> String {
        format!("http://127.0.0.1:{}/{number}/login?{query}", self.port)
    }

    /// The address that asks the IdP to sign the last user out.
    pub(crate) fn logout(&self, number: u8, binding: &str) -> String {
        let port = self.port;
        format!("http://127.0.0.1:{port}/{number}/logout?binding={binding}")
    }

    /// Whether the last user is signed in there.
    pub(crate) fn is_signed_in(&self, number: u8) -> bool {
        let url = format!("http://127.0.0.1:{}/{number}/session", self.port);
        let answer = Request::get(Url::parse(&url).unwrap()).send();
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        value["signed_in"].as_bool().unwrap()
    }
}

impl Verdict {
    /// Reads the page a login ended on.
    pub(crate) fn read(page: &Page) -> Self {
        let value = serde_json::from_str(page.body());
        Self(value.unwrap_or_else(|_| panic!("{} is no verdict: {}", page.url, page.body())))
    }

    /// The asserted class; panics when the response was refused.
    pub(crate) fn class(&self) -> &str {
        self.0["class"]
            .as_str()
            .unwrap_or_else(|| panic!("refused: {:#}", self.0))
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// The values of an attribute, by pysaml2's name for it.
    pub(crate) fn attribute(&self, name: &str) -> Vec<&str> {
        let values = self.0["attributes"][name].as_array();
        values
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}
