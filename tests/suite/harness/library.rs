//! Service providers on SAML libraries, each in a process of its own: `@node-saml/node-saml`, samlify
//! and python3-saml.

use super::http::Request;
use super::idp::Deployment;
use super::process::{Process, program};
use super::{port, relying_party, root};
use std::path::PathBuf;
use std::process::Command;
use url::Url;

/// A running process with a service provider for each entity id.
pub(crate) struct Library {
    port: u16,
    _process: Process,
}

impl Library {
    pub(crate) const FIRST: &str = "https://first.library.example/sp";
    pub(crate) const SECOND: &str = "https://second.library.example/sp";

    /// Service providers on node-saml, whose metadata the deployment gets. Of `options`, `--signed`
    /// signs what they send, and `--encrypt` publishes a key to encrypt to.
    pub(crate) fn node_saml(deployment: &Deployment, options: &[&str]) -> Self {
        Self::start(&node("node_saml_sp.mjs"), deployment, options)
    }

    /// Service providers on samlify, with the same options.
    pub(crate) fn samlify(deployment: &Deployment, options: &[&str]) -> Self {
        Self::start(&node("samlify_sp.mjs"), deployment, options)
    }

    /// Service providers on python3-saml; with `--encrypt` they take encrypted assertions alone.
    pub(crate) fn python3_saml(deployment: &Deployment, options: &[&str]) -> Self {
        let python = root().join("tests/.cache/venv/bin/python");
        let script = root().join("tests/sp/python3_saml_sp.py");
        Self::start(&(python, script), deployment, options)
    }

    fn start(
        (program, script): &(PathBuf, PathBuf),
        deployment: &Deployment,
        options: &[&str],
    ) -> Self {
        let port = port::free();
        let directory = deployment.directory();
        let (key, certificate) = relying_party::key_pair_files(directory, "library");
        let mut command = Command::new(program);
        command
            .arg(script)
            .args(["--port", &port.to_string(), "--idp-metadata"])
            .arg(deployment.metadata_file())
            .arg("--key")
            .arg(key)
            .arg("--certificate")
            .arg(certificate)
            .args(options)
            .args([Self::FIRST, Self::SECOND]);
        let mut process = Process::start("library", directory, &mut command);
        process.wait_until(|printed| printed.contains("\"ready\"").then_some(()));
        for number in [0, 1] {
            let url = Url::parse(&format!("http://127.0.0.1:{port}/{number}/metadata")).unwrap();
            deployment.trust(&format!("library-{number}"), &Request::get(url).send().body);
        }
        Self {
            port,
            _process: process,
        }
    }

    /// The address that starts a login at service provider `number`; `query` says what it asks.
    pub(crate) fn login(&self, number: u8, query: &str) -> String {
        self.url(number, &format!("login?{query}"))
    }

    /// A page of service provider `number`; the scripts in tests/sp say which there are.
    pub(crate) fn url(&self, number: u8, action: &str) -> String {
        format!("http://127.0.0.1:{}/{number}/{action}", self.port)
    }
}

fn node(script: &str) -> (PathBuf, PathBuf) {
    (
        program(&["node"]),
        root().join("tests/sp/node").join(script),
    )
}
