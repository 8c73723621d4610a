//! Duo's official clients against `vestibule duo simulate`: whole exchanges, and the refusals that
//! there must be. The cases are in `tests/duo_clients/`.

use crate::harness::process::{Process, program};
use crate::harness::root;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const AUTH_API: [&str; 2] = [
    "DIAUTHAPIAUTHAPI0001",
    "auth0123456789abcdefghijABCDEFGHIJ012345",
];
const ADMIN_API: [&str; 2] = [
    "DIADMINAPIADMINAPI01",
    "admn0123456789abcdefghijABCDEFGHIJ012345",
];

/// A simulator with an application of each kind, for one script.
struct Simulator {
    ready: Value,
    directory: tempfile::TempDir,
    _process: Process,
}

impl Simulator {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .args(["duo", "simulate", "--listen", "127.0.0.1:0"])
            .args(["--control", "127.0.0.1:0", "--ca-out"])
            .arg(&ca)
            .args(["--auth-api", &AUTH_API.join(":")])
            .args(["--admin-api", &ADMIN_API.join(":")]);
        let mut process = Process::start("duo-simulate", directory.path(), &mut command);
        let mut ready: Value = process.wait_until(|printed| {
            printed
                .lines()
                .find_map(|line| serde_json::from_str(line).ok())
        });
        ready["auth_api"] = json!(AUTH_API);
        ready["admin_api"] = json!(ADMIN_API);
        Self {
            ready,
            directory,
            _process: process,
        }
    }

    /// Runs a script to its end; every case must have passed, and these must be among them.
    fn passes(&self, program: &Path, arguments: &[&str], script: &str, wanted: &[&str]) {
        let mut command = Command::new(program);
        for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(variable);
        }
        let output = command
            .args(arguments)
            .arg(root().join("tests/duo_clients").join(script))
            .arg(self.ready.to_string())
            .current_dir(self.directory.path())
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "{} does not start ({error}); run scripts/setup test",
                    program.display()
                )
            });
        let printed = String::from_utf8_lossy(&output.stdout).replace("\\n", "\n");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}:\n{printed}\n{errors}");
        let passed: BTreeSet<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["passed"] == true)
            .filter_map(|line| Some(line["case"].as_str()?.to_owned()))
            .collect();
        for case in wanted {
            assert!(passed.contains(*case), "{case} did not run: {passed:?}");
        }
    }

    fn python_passes(&self, script: &str, wanted: &[&str]) {
        let python = root().join("tests/.cache/venv/bin/python");
        self.passes(&python, &["-W", "ignore"], script, wanted);
    }
}

#[test]
fn duos_web_sdk_for_python_finishes_and_is_refused_where_it_must_be() {
    Simulator::start().python_passes(
        "universal.py",
        &[
            "a_whole_exchange_through_the_prompt",
            "a_nonce_comes_back_and_is_missed_when_it_does_not",
            "a_wrong_secret_is_refused",
            "a_code_is_good_once",
            "a_code_belongs_to_its_redirect_uri",
            "a_name_in_another_case_is_refused",
            "every_spoiled_token_is_refused",
            "a_foreign_certificate_is_refused",
            "a_denied_user_never_comes_back",
        ],
    );
}

#[test]
fn duos_web_sdk_for_node_finishes_and_is_refused_where_it_must_be() {
    Simulator::start().passes(
        &program(&["node"]),
        &[],
        "universal.mjs",
        &[
            "a_whole_exchange_through_the_prompt",
            "a_wrong_secret_is_refused",
            "a_code_is_good_once_and_for_its_redirect_uri_alone",
            "a_name_in_another_case_is_refused",
            "every_spoiled_token_is_refused",
            "a_denied_user_never_comes_back",
        ],
    );
}

/// `vestibule duo ping --json` in a fresh home whose default integration is this simulator.
fn ping(simulator: &Simulator, secret: &str) -> (Option<i32>, Value) {
    let home = simulator
        .directory
        .path()
        .join(format!("home-{}", &secret[..4]));
    let vestibule = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .args(["--home", home.to_str().unwrap()])
            .args(arguments);
        let ready = |name: &str| simulator.ready[name].as_str().unwrap().to_owned();
        command
            .env("VESTIBULE__idp__duo__oidc__apiHost", ready("api_host"))
            .env("VESTIBULE__idp__duo__oidc__clientId", ready("client_id"))
            .env("VESTIBULE__idp__duo__oidc__secretKey", secret)
            .env(
                "VESTIBULE__vestibule__duo__trustedCertificates",
                ready("ca"),
            );
        command.output().unwrap()
    };
    let made = vestibule(&[
        "init",
        "--entity-id",
        "https://idp.example.org/idp",
        "--base-url",
        "https://idp.example.org/idp",
        "--scope",
        "example.org",
    ]);
    assert!(made.status.success(), "{made:?}");
    let pinged = vestibule(&["duo", "ping", "--json"]);
    let told = serde_json::from_slice(&pinged.stdout);
    (
        pinged.status.code(),
        told.unwrap_or_else(|_| panic!("{pinged:?}")),
    )
}

#[test]
fn ping_says_that_duo_takes_the_credentials_or_whose_fault_it_is() {
    let simulator = Simulator::start();
    let secret = simulator.ready["client_secret"].as_str().unwrap();
    let (code, told) = ping(&simulator, secret);
    assert_eq!((code, &told[0]["ok"]), (Some(0), &json!(true)), "{told}");
    let difference = told[0]["clock_difference"].as_i64().unwrap();
    assert!(difference.abs() < 60, "{told}");
    let (code, told) = ping(&simulator, &"w".repeat(40));
    assert_eq!((code, &told[0]["ok"]), (Some(1), &json!(false)), "{told}");
    assert_eq!(told[0]["fault"], "configuration", "{told}");
}

#[test]
fn duos_api_client_finishes_and_is_refused_where_it_must_be() {
    Simulator::start().python_passes(
        "api.py",
        &[
            "ping_check_and_logo_answer",
            "every_kind_of_signature_is_taken",
            "an_enrolment_waits_and_succeeds_when_the_phone_activates_it",
            "a_push_is_answered_at_once_or_step_by_step",
            "wrong_credentials_are_refused_each_in_its_way",
            "every_result_stands_in_the_log",
            "the_log_is_read_page_by_page",
            "a_status_call_waits_until_the_user_has_answered",
            "a_user_is_found_by_id_name_and_alias",
            "users_are_listed_page_by_page",
        ],
    );
}
