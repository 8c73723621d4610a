//! `vestibule demo` as `make demo` runs it: three service providers that show three policies.

use crate::harness::browser::{Browser, Person, Prompt};
use crate::harness::http::Request;
use crate::harness::process::Process;
use crate::harness::wait_for;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use url::Url;

const ALICE: Person = Person {
    name: "alice",
    password: "wonderland",
};

struct Demo {
    ready: Value,
    process: Process,
    _directory: TempDir,
}

impl Demo {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["demo", "--json"]);
        let mut process = Process::start("demo", directory.path(), &mut command).ends_gently();
        let ready = process.wait_until(|printed| {
            let line = printed.lines().next()?;
            serde_json::from_str(line).ok()
        });
        Self {
            ready,
            process,
            _directory: directory,
        }
    }

    /// Logs in at one of the service providers with a new browser: what was asked, what it shows.
    fn log_in(&self, number: usize) -> (Vec<Prompt>, String) {
        let url = self.ready["sps"][number - 1]["url"].as_str().unwrap();
        let arrival = Browser::new().log_in(url, ALICE);
        assert!(arrival.page.url.path().ends_with("/acs"), "{arrival:?}");
        (arrival.prompts, arrival.page.body().to_owned())
    }

    fn outcome(&self, outcome: &Value) {
        let control = self.ready["duo"]["control"].as_str().unwrap();
        let mut request = Request::get(Url::parse(&format!("{control}/outcome")).unwrap());
        request.method = "POST";
        request.body = outcome.to_string().into_bytes();
        let request = request.header("Content-Type", "application/json");
        assert_eq!(request.send().status, 200);
    }

    fn home(&self) -> PathBuf {
        let ca = self.ready["duo"]["ca"].as_str().unwrap();
        Path::new(ca).ancestors().nth(2).unwrap().to_owned()
    }
}

#[test]
fn three_service_providers_show_three_policies() {
    let demo = Demo::start();
    assert_eq!(demo.ready["users"][0]["password"], ALICE.password);

    let (prompts, page) = demo.log_in(1);
    assert_eq!(prompts, [Prompt::Password]);
    assert!(page.contains(">urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport<"));
    assert!(page.contains("alice@example.org"));
    assert!(page.contains("Duo took no part"));

    let (prompts, page) = demo.log_in(2);
    assert_eq!(prompts, [Prompt::Password, Prompt::Duo]);
    assert!(page.contains(">https://refeds.org/profile/mfa<"));
    assert!(page.contains("&quot;name&quot;: &quot;Vestibule&quot;"));
    assert!(page.contains("&quot;id_token&quot;: &quot;(redacted)&quot;"));

    demo.outcome(&json!({ "username": "*", "outcome": "security-key" }));
    let (_, page) = demo.log_in(3);
    assert!(page.contains(">https://refeds.org/profile/phishing-resistant-mfa<"));
    assert!(page.contains("&quot;name&quot;: &quot;Vestibule, strict&quot;"));
}

#[test]
fn nothing_is_left_when_the_demo_ends() {
    let demo = Demo::start();
    let home = demo.home();
    assert!(home.join("conf/demo.properties").exists());
    let printed = demo.process.printed();
    assert_eq!(
        printed.lines().count(),
        1,
        "one line for programs: {printed}"
    );
    drop(demo);
    wait_for("the home to go away", || (!home.exists()).then_some(()));
}
