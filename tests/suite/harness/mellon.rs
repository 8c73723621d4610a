//! mod_auth_mellon, as Debian ships it, in an Apache of our own.

use super::http::Request;
use super::idp::Deployment;
use super::process::Process;
use super::{apache, port, relying_party};
use url::Url;

/// The Apache, running.
pub(crate) struct Mellon {
    port: u16,
    _apache: Process,
    _directory: tempfile::TempDir,
}

impl Mellon {
    const ENTITY_ID: &str = "https://mellon.example/sp";

    /// Starts it and gives the deployment its metadata.
    pub(crate) fn start(deployment: &Deployment) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = port::free();
        relying_party::key_pair_files(directory.path(), "mellon");
        let values = [
            ("@ENTITY_ID@", Self::ENTITY_ID),
            ("@PORT@", &port.to_string()),
        ];
        apache::lay_out(directory.path(), deployment, "mellon", &values);
        let mut apache = apache::start(directory.path());
        let url = format!("http://127.0.0.1:{port}/mellon/metadata");
        let request = Request::get(Url::parse(&url).unwrap());
        let metadata = apache.wait_until(|_| {
            let answer = request.try_send().ok();
            answer.filter(|answer| answer.status == 200)
        });
        deployment.trust("mellon", &metadata.body);
        Self {
            port,
            _apache: apache,
            _directory: directory,
        }
    }

    /// A page that needs a session.
    pub(crate) fn secure(&self) -> String {
        format!("http://127.0.0.1:{}/secure/", self.port)
    }
}
