//! Duo's simulator as a process of its own, and its control API.

use super::http::{Request, Response};
use super::port;
use super::process::Process;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use url::Url;

/// A running simulator.
pub(crate) struct Duo {
    pub(crate) api_host: String,
    pub(crate) ca: PathBuf,
    control: String,
    _process: Process,
}

impl Duo {
    pub(crate) const CLIENT_ID: &str = "DIVESTIBULE000000001";
    pub(crate) const CLIENT_SECRET: &str = "SimulatedSecretOfFortyLettersAndDigits01";

    /// Applications of the other kinds.
    pub(crate) const AUTH_API: [&str; 2] = [
        "DIAUTHAPIAUTHAPI0001",
        "auth0123456789abcdefghijABCDEFGHIJ012345",
    ];
    pub(crate) const ADMIN_API: [&str; 2] = [
        "DIADMINAPIADMINAPI01",
        "admn0123456789abcdefghijABCDEFGHIJ012345",
    ];

    /// `vestibule duo simulate`: its prompt is a page whose first button approves.
    pub(crate) fn start(directory: &Path) -> Self {
        let (listen, control) = (port::free(), port::free());
        let ca = directory.join("duo-ca.pem");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .args([
                "duo",
                "simulate",
                "--listen",
                &format!("127.0.0.1:{listen}"),
                "--ca-out",
            ])
            .arg(&ca)
            .args([
                "--client-id",
                Self::CLIENT_ID,
                "--client-secret",
                Self::CLIENT_SECRET,
            ])
            .args(["--control", &format!("127.0.0.1:{control}")])
            .args(["--auth-api", &Self::AUTH_API.join(":")])
            .args(["--admin-api", &Self::ADMIN_API.join(":")]);
        let mut process = Process::start("duo-simulator", directory, &mut command);
        let ready: Value = process.wait_until(|printed| {
            printed
                .lines()
                .find_map(|line| serde_json::from_str(line).ok())
        });
        Self {
            api_host: ready["api_host"].as_str().unwrap().to_owned(),
            ca,
            control: format!("http://127.0.0.1:{control}"),
            _process: process,
        }
    }

    /// What the next logins of this user (`*`: any) end with.
    pub(crate) fn outcome(&self, outcome: &Value) {
        self.command("/outcome", outcome);
    }

    /// A fault of one endpoint.
    pub(crate) fn fault(&self, endpoint: &str, kind: &str, times: u32) {
        self.command(
            "/fault",
            &json!({ "endpoint": endpoint, "kind": kind, "times": times }),
        );
    }

    /// A fault with all its members.
    pub(crate) fn fault_as(&self, fault: &Value) {
        self.command("/fault", fault);
    }

    /// A user as Duo's administrator would have made them.
    pub(crate) fn user(&self, user: &Value) {
        self.command("/user", user);
    }

    /// Back to the prompt, without faults.
    pub(crate) fn reset(&self) {
        self.command("/reset", &json!({}));
    }

    /// What arrived so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let url = Url::parse(&format!("{}/requests", self.control)).unwrap();
        let answer = Request::get(url).send();
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        value
            .as_array()
            .or_else(|| value["requests"].as_array())
            .unwrap()
            .clone()
    }

    fn command(&self, path: &str, body: &Value) -> Response {
        let url = Url::parse(&format!("{}{path}", self.control)).unwrap();
        let request = Request {
            method: "POST",
            url,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        let answer = request.send();
        assert_eq!(answer.status / 100, 2, "{path} {body}: {}", answer.body);
        answer
    }
}
