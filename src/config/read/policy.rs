//! The deployer's scripts and named lists, compiled.

use crate::authn::rules::Rules;
use crate::authn::strategy::Strategies;
use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::reader::Reader;
use crate::policy::tests::{LOGINS, Report, TestFailure, run, run_logins};
use crate::policy::{Policy, ScriptError, lists};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every script below `scripts/` compiles, used or not.
pub(super) fn strategies(reader: &mut Reader<'_>) -> Option<Arc<dyn Strategies>> {
    let unreadable: Vec<_> = [
        ("scripts/", ".rhai"),
        ("scripts/", TESTS),
        ("conf/lists/", ".txt"),
    ]
    .into_iter()
    .flat_map(|(folder, ending)| texts(reader.raw, folder, ending).1)
    .collect();
    reader.findings.extend(unreadable);
    match compile(reader.raw) {
        Ok(policy) => Some(Arc::new(policy)),
        Err(errors) => {
            reader.findings.extend(errors.into_iter().map(finding));
            None
        }
    }
}

/// Runs every policy test: the files beside the scripts, and whole logins under the rules that
/// would be in force.
pub(in crate::config) fn tests(raw: &Raw, rules: &Rules) -> Report {
    let policy = compile(raw).expect("rules exist only where the scripts compile");
    let (files, _) = texts(raw, "scripts/", TESTS);
    let mut report = run(&policy, &files);
    if let Some(logins) = files.get(LOGINS) {
        report.absorb(run_logins(rules, logins));
    }
    report
}

/// A failing test as a finding: the policy is not what its author believes.
pub(in crate::config) fn failed(failure: TestFailure) -> ConfigError {
    let file = format!("scripts/{}{TESTS}", failure.script);
    ConfigError::error(format!("script:{}: {}", failure.script, failure.case))
        .at(&file, 0)
        .found(failure.found)
        .expected(failure.expected)
        .fix("correct the script, the list or the test; see vestibule policy test")
}

const TESTS: &str = ".tests.toml";

fn compile(raw: &Raw) -> Result<Policy, Vec<ScriptError>> {
    let (scripts, _) = texts(raw, "scripts/", ".rhai");
    let (lists, _) = texts(raw, "conf/lists/", ".txt");
    let lists = lists
        .into_iter()
        .map(|(name, text)| (name, lists::parse(&text)))
        .collect();
    Policy::compile(&scripts, &lists)
}

/// Files below a folder with this ending: name without folder and ending, and text; and what is
/// wrong with the others.
fn texts(raw: &Raw, folder: &str, ending: &str) -> (BTreeMap<String, String>, Vec<ConfigError>) {
    let mut texts = BTreeMap::new();
    let mut unreadable = Vec::new();
    for (path, contents) in &raw.files {
        let below = path.strip_prefix(folder);
        let Some(name) = below.and_then(|below| below.strip_suffix(ending)) else {
            continue;
        };
        match std::str::from_utf8(contents) {
            Ok(text) => {
                texts.insert(name.to_owned(), text.to_owned());
            }
            Err(_) => unreadable.push(
                ConfigError::error(path)
                    .at(path, 0)
                    .found("bytes that are not UTF-8")
                    .expected("UTF-8 text")
                    .fix("save the file as UTF-8"),
            ),
        }
    }
    (texts, unreadable)
}

fn finding(error: ScriptError) -> ConfigError {
    let file = format!("scripts/{}.rhai", error.script);
    ConfigError::error(format!("script:{}", error.script))
        .at(&file, error.line)
        .found(match error.column {
            0 => error.message,
            column => format!("{} (column {column})", error.message),
        })
        .expected("a script that compiles")
        .fix(error.hint)
}
