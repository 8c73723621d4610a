//! The operator's first hour: the commands that its document shows are run as they stand there.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn every_command_of_the_first_hour_is_known_to_this_test() {
    let shown: Vec<String> = commands().iter().map(|words| name(words)).collect();
    let known = [
        "init",
        "user add",
        "check",
        "serve",
        "duo ping",
        "duo simulate",
    ];
    assert_eq!(shown, known);
}

#[test]
fn the_first_hour_leads_to_a_home_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("vestibule");
    let document = commands();
    let shown = |wanted: &str| {
        let words = document.iter().find(|words| name(words) == wanted);
        words.unwrap_or_else(|| panic!("no {wanted}")).clone()
    };
    succeeds(&home, &shown("init"), "");
    let mut add = shown("user add");
    add.push("--password-stdin".to_owned());
    succeeds(&home, &add, "correct horse\n");
    succeeds(&home, &shown("check"), "");
    let metadata = succeeds(&home, &words("--home /opt/vestibule metadata"), "");
    assert!(metadata.contains("entityID=\"https://idp.example.org/idp/shibboleth\""));
    succeeds(&home, &words("--home /opt/vestibule policy test"), "");
    // Without the keys of an application there is nobody to ask, and it says so.
    let ping = run(&home, &shown("duo ping"), "");
    assert_ne!(ping.status.code(), Some(0));
    for long in ["serve", "duo simulate"] {
        let mut help = words(long);
        help.push("--help".to_owned());
        let text = succeeds(&home, &help, "");
        let options = document.iter().find(|words| name(words) == long).unwrap();
        for option in options.iter().filter(|word| word.starts_with("--")) {
            assert!(text.contains(option.as_str()), "{long} has no {option}");
        }
    }
}

/// What the document shows after `vestibule`, continuation lines joined.
fn commands() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-hour.md");
    let text = fs::read_to_string(path).unwrap().replace("\\\n", " ");
    text.lines()
        .filter_map(|line| line.strip_prefix("    vestibule "))
        .map(words)
        .collect()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The words of the command itself: `user add`.
fn name(words: &[String]) -> String {
    let rest = match words {
        [option, _, rest @ ..] if option == "--home" => rest,
        rest => rest,
    };
    let two = ["user", "duo"].contains(&rest[0].as_str());
    rest[..=usize::from(two)].join(" ")
}

fn run(home: &Path, words: &[String], input: &str) -> Output {
    let home = home.to_str().unwrap();
    let words = words
        .iter()
        .map(|word| word.replace("/opt/vestibule", home));
    let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .env_clear()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn succeeds(home: &Path, words: &[String], input: &str) -> String {
    let output = run(home, words, input);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {printed}{said}");
    printed
}
