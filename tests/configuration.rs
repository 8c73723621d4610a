//! The configuration as an operator meets it: commands, their exit codes, and the files that are
//! made from the table of keys. `VESTIBULE_WRITE_DOCS=1 cargo test --test configuration` writes
//! those.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

#[path = "documents/committed.rs"]
mod committed;

use committed::assert_committed;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use vestibule::config::keys::{document, groups};

/// Written by hand: its lines are a policy, not a list of keys.
const BY_HAND: &str = "conf/authn/mfa.properties";

#[test]
fn the_configuration_reference_is_made_from_the_table_of_keys() {
    assert_committed("docs/configuration.md", &document::reference());
}

#[test]
fn the_commented_files_are_made_from_the_table_of_keys() {
    for group in groups().iter().filter(|group| group.file != BY_HAND) {
        assert_committed(group.file, &document::conf_file(group));
    }
}

fn vestibule(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.env_clear().arg("--home").arg(home).args(words);
    command.output().unwrap()
}

fn new_home(folder: &Path) {
    let words = [
        "init",
        "--base-url",
        "https://idp.example.org/idp",
        "--scope",
        "example.org",
    ];
    assert_eq!(vestibule(folder, &words).status.code(), Some(0));
}

#[test]
fn a_new_home_checks_clean_and_prints_its_metadata() {
    let home = tempfile::tempdir().unwrap();
    new_home(home.path());
    let check = vestibule(home.path(), &["check", "--json"]);
    assert_eq!(check.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["findings"], serde_json::json!([]));
    let metadata = vestibule(home.path(), &["metadata"]);
    assert_eq!(metadata.status.code(), Some(0));
    let xml = String::from_utf8(metadata.stdout).unwrap();
    assert!(xml.contains("entityID=\"https://idp.example.org/idp/shibboleth\""));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_names_every_place() {
    let home = tempfile::tempdir().unwrap();
    new_home(home.path());
    let path = home.path().join("conf/more.properties");
    fs::write(
        &path,
        "idp.session.timeout = 60\nidp.sesion.timeout = PT1H\n",
    )
    .unwrap();
    let check = vestibule(home.path(), &["check", "--json"]);
    assert_eq!(check.status.code(), Some(78));
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    let places: Vec<(u64, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            (
                finding["line"].as_u64().unwrap(),
                finding["key"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [(1, "idp.session.timeout"), (2, "idp.sesion.timeout")]
    );
    assert_eq!(
        vestibule(home.path(), &["metadata"]).status.code(),
        Some(78)
    );
}

#[test]
fn a_command_nobody_knows_ends_with_2() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(vestibule(home.path(), &["chekc"]).status.code(), Some(2));
}

#[test]
fn users_are_added_once_listed_and_removed() {
    use std::io::Write as _;
    let home = tempfile::tempdir().unwrap();
    new_home(home.path());
    let add = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.env_clear().arg("--home").arg(home.path());
        command.args(["user", "add", "jane", "--password-stdin", "--hash", "sha1"]);
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // A refused name closes the pipe before the password is read.
        let _ = child.stdin.take().unwrap().write_all(b"correct horse\n");
        child.wait().unwrap().code()
    };
    assert_eq!(add(), Some(0));
    assert_eq!(add(), Some(1));
    let list = vestibule(home.path(), &["user", "list"]);
    assert_eq!(list.stdout, b"jane\n");
    assert_eq!(
        vestibule(home.path(), &["user", "remove", "jane"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        vestibule(home.path(), &["user", "remove", "jane"])
            .status
            .code(),
        Some(1)
    );
}
