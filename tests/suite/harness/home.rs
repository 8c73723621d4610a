//! A home made by `vestibule init`, and the ways a test changes it.

use super::browser::Person;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home directory.
pub(crate) struct Home {
    pub(crate) path: PathBuf,
}

impl Home {
    /// `vestibule init`.
    pub(crate) fn init(path: PathBuf, entity_id: &str, base_url: &str) -> Self {
        let home = Self { path };
        home.run(
            &[
                "init",
                "--entity-id",
                entity_id,
                "--base-url",
                base_url,
                "--scope",
                "example.org",
            ],
            "",
        );
        home
    }

    /// `vestibule --home HOME ...`
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("--home").arg(&self.path).args(arguments);
        command
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "vestibule {arguments:?}: {}\n{printed}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    /// `vestibule user add`, with the cheapest hash there is.
    pub(crate) fn add_user(&self, person: Person) {
        self.add_user_hashed(person, "sha1");
    }

    /// `vestibule user add` with a chosen hash.
    pub(crate) fn add_user_hashed(&self, person: Person, hash: &str) {
        let arguments = [
            "user",
            "add",
            person.name,
            "--password-stdin",
            "--hash",
            hash,
        ];
        self.run(&arguments, &format!("{}\n", person.password));
    }

    /// Sets a property: in the file that has it, else in idp.properties.
    pub(crate) fn set(&self, key: &str, value: &str) {
        for file in properties_below(&self.path.join("conf")) {
            let text = fs::read_to_string(&file).unwrap();
            if let Some(changed) = replaced(&text, key, value) {
                fs::write(file, changed).unwrap();
                return;
            }
        }
        self.append("conf/idp.properties", &format!("\n{key} = {value}\n"));
    }

    /// Adds to a file of the home, which may not exist yet.
    pub(crate) fn append(&self, file: &str, text: &str) {
        let path = self.path.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Replaces a file of the home.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes Duo's second factor a rule for this relying party.
    pub(crate) fn require_mfa(&self, entity_id: &str) {
        self.append("conf/lists/require-mfa.txt", &format!("\n{entity_id}\n"));
    }

    /// All files below `logs/`, one after the other.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for file in files_below(&self.path.join("logs")) {
            text.push_str(&String::from_utf8_lossy(&fs::read(file).unwrap()));
        }
        text
    }

    /// The audit line of that finished login, counted from 1; it may follow the page by a moment.
    pub(crate) fn sso_audit_line(&self, number: usize) -> String {
        super::wait_for("an audit line", || {
            let text = fs::read_to_string(self.path.join("logs/idp-audit.log")).ok()?;
            let mut lines = text
                .lines()
                .filter(|line| line.contains("|POST|") && line.ends_with('|'));
            lines.nth(number - 1).map(str::to_owned)
        })
    }
}

fn properties_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = files_below(directory);
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "properties")
    });
    files
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The file with that key's line replaced, when it has one.
fn replaced(text: &str, key: &str, value: &str) -> Option<String> {
    let is_it = |line: &&str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
    };
    let line = text.lines().find(is_it)?;
    assert!(!line.ends_with('\\'), "{key} is continued on the next line");
    let set = format!("{key} = {value}");
    // By line: a comment that shows the default may hold the very same words.
    let lines = text
        .lines()
        .map(|other| if other == line { &set } else { other });
    Some(lines.collect::<Vec<_>>().join("\n") + "\n")
}
