//! What the runner must find, and the shipped scripts under their own tests.

use super::*;
use crate::policy::lists;
use std::fs;
use std::path::Path;

/// Every file below a folder of the repository, by its path without the suffix.
fn files(folder: &str, suffix: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = BTreeMap::new();
    let mut pending = vec![root.clone()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path
                .strip_prefix(&root)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                pending.push(path);
            } else if let Some(name) = name.strip_suffix(suffix) {
                let text = fs::read_to_string(&path).expect("text");
                found.insert(name.to_owned(), text);
            }
        }
    }
    found
}

fn shipped() -> Policy {
    let lists = files("conf/lists", ".txt");
    let lists = lists
        .iter()
        .map(|(name, text)| (name.clone(), lists::parse(text)))
        .collect();
    Policy::compile(&files("scripts", ".rhai"), &lists).expect("the shipped scripts compile")
}

fn one(script: &str, cases: &str) -> Report {
    let scripts = BTreeMap::from([("mfa/x".to_owned(), script.to_owned())]);
    let policy = Policy::compile(&scripts, &BTreeMap::new()).expect("compiles");
    run(
        &policy,
        &BTreeMap::from([("mfa/x".to_owned(), cases.to_owned())]),
    )
}

fn found(script: &str, case: &str) -> String {
    let report = one(script, &format!("[[case]]\nname = \"c\"\n{case}"));
    assert_eq!(report.failures.len(), 1, "{case}: {report:?}");
    report.failures[0].to_string()
}

#[test]
fn every_shipped_script_has_tests_and_passes_them() {
    let report = run(&shipped(), &files("scripts", ".tests.toml"));
    assert_eq!(report.failures, []);
    assert_eq!(report.untested, [""; 0]);
    assert!(report.cases >= 30, "{}", report.cases);
}

#[test]
fn the_seven_commonest_policies_are_one_to_five_lines_each() {
    let examples = files("scripts/examples", ".rhai");
    assert_eq!(examples.len(), 7);
    for (name, source) in examples {
        let code = source.lines().filter(|line| !line.starts_with("//"));
        assert!((1..=5).contains(&code.count()), "{name}");
    }
}

#[test]
fn a_case_that_expects_otherwise_fails_with_both_answers() {
    let shown = found("\"authn/DuoOIDC\"", "expect.next = \"end\"");
    assert_eq!(
        shown,
        "scripts/mfa/x.tests.toml: c: expected end, found authn/DuoOIDC"
    );
    assert!(found("()", "expect.next = \"end\"\nexpect.why = \"w\"").contains("None"));
    assert!(found("1 + true", "expect.next = \"end\"").contains("a failing script: "));
    assert!(found("()", "expect.fails = true").contains("a failing script, found"));
    assert!(found("[]", "expect.fails = true").contains("a failing script, found"));
}

#[test]
fn a_fact_the_case_does_not_set_is_asked_for_and_never_guessed() {
    let script = "if user.in_group(\"staff\").no() { () } else { \"authn/DuoOIDC\" }";
    let shown = found(script, "expect.next = \"end\"");
    assert!(shown.contains("user.groups"), "{shown}");
    let unknown =
        "[[case]]\nname = \"c\"\nuser.groups = \"unknown\"\nexpect.next = \"authn/DuoOIDC\"";
    assert!(one(script, unknown).passed());
}

#[test]
fn a_test_file_that_is_wrong_fails_and_says_where() {
    for (case, says) in [
        ("rp.idd = \"x\"\nexpect.next = \"end\"", "idd"),
        ("expect.next = \"end\"\nexpect.condition = true", "several"),
        ("rp.id = \"x\"", "expect"),
        ("mfa.event = \"Nope\"\nexpect.next = \"end\"", "Nope"),
        (
            "mfa.results = [\"authn/Nope\"]\nexpect.next = \"end\"",
            "Nope",
        ),
        ("user.groups = \"nobody\"\nexpect.next = \"end\"", "line"),
    ] {
        assert!(
            found("()", case).contains(says),
            "{case}: {}",
            found("()", case)
        );
    }
    assert!(
        !one("()", "").passed(),
        "a file without cases proves nothing"
    );
    let policy = Policy::compile(&BTreeMap::new(), &BTreeMap::new()).expect("nothing compiles");
    let lost = BTreeMap::from([(
        "mfa/gone".to_owned(),
        "[[case]]\nname = \"c\"\nexpect.next = \"end\"".to_owned(),
    )]);
    assert!(!run(&policy, &lost).passed());
}
