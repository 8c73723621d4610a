//! The deployer's scripts and named lists, compiled; a policy whose tests fail is refused.

use crate::authn::strategy::Strategies;
use crate::config::error::ConfigError;
use crate::config::reader::Reader;
use crate::policy::tests::TestFailure;
use crate::policy::{Policy, ScriptError, lists, tests};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every script below `scripts/` compiles, used or not.
pub(super) fn strategies(reader: &mut Reader<'_>) -> Option<Arc<dyn Strategies>> {
    let scripts = texts(reader, "scripts/", ".rhai");
    let lists = texts(reader, "conf/lists/", ".txt")
        .into_iter()
        .map(|(name, text)| (name, lists::parse(&text)))
        .collect();
    match Policy::compile(&scripts, &lists) {
        Ok(policy) => {
            let files = texts(reader, "scripts/", ".tests.toml");
            let report = tests::run(&policy, &files);
            reader.findings.extend(report.failures.iter().map(failure));
            report.passed().then(|| Arc::new(policy) as _)
        }
        Err(errors) => {
            reader.findings.extend(errors.into_iter().map(finding));
            None
        }
    }
}

/// Files below a folder with this ending: name without folder and ending, and text.
fn texts(reader: &mut Reader<'_>, folder: &str, ending: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (path, contents) in &reader.raw.files {
        let below = path.strip_prefix(folder);
        let Some(name) = below.and_then(|below| below.strip_suffix(ending)) else {
            continue;
        };
        match std::str::from_utf8(contents) {
            Ok(text) => {
                texts.insert(name.to_owned(), text.to_owned());
            }
            Err(_) => reader.findings.push(
                ConfigError::error(path)
                    .at(path, 0)
                    .found("bytes that are not UTF-8")
                    .expected("UTF-8 text")
                    .fix("save the file as UTF-8"),
            ),
        }
    }
    texts
}

fn failure(failure: &TestFailure) -> ConfigError {
    let file = format!("scripts/{}.tests.toml", failure.script);
    ConfigError::error(format!("script:{}: {}", failure.script, failure.case))
        .at(&file, 0)
        .found(&failure.found)
        .expected(&failure.expected)
        .fix("correct the script, or what the case expects")
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
