//! `vestibule status`: how the running server is.

use crate::cli::{Context, EXIT_FOUND, admin, say, say_error};
use serde_json::Value;
use std::process::ExitCode;

/// Nothing to say.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints it; 1 when the server cannot be asked, or something is wrong with it.
pub fn run(context: &Context, _args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let asked = admin::get(&settings, "/status", &[]);
    let status = match asked.and_then(|answer| answer.document()) {
        Ok(status) => status,
        Err(reason) => {
            say_error(&format!("vestibule status: {reason}"));
            return ExitCode::from(EXIT_FOUND);
        }
    };
    let problems = problems(&status);
    if context.json {
        say(&format!("{status:#}"));
    } else {
        print(&status, &problems);
    }
    ExitCode::from(if problems.is_empty() { 0 } else { EXIT_FOUND })
}

/// What an administrator has to look at.
fn problems(status: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut problems = Vec::new();
    for source in status["metadata"].as_array().into_iter().flatten() {
        if let Some(problem) = source["problem"].as_str() {
            problems.push(format!("metadata {}: {problem}", text(&source["name"])));
        }
    }
    for circuit in status["duo"]["circuits"].as_array().into_iter().flatten() {
        if circuit["state"] != "closed" {
            let (host, state) = (text(&circuit["api_host"]), text(&circuit["state"]));
            problems.push(format!("Duo at {host}: the circuit is {state}"));
        }
    }
    if status["audit_ready"] == false {
        problems.push("the audit cannot be written".to_owned());
    }
    problems
}

fn print(status: &Value, problems: &[String]) {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for name in [
        "version",
        "entity_id",
        "started",
        "configuration",
        "relying_parties",
    ] {
        say(&format!("{name:18}{}", shown(&status[name])));
    }
    let counts = status["counts"].as_object().into_iter().flatten();
    for (family, values) in counts {
        for (value, count) in values.as_object().into_iter().flatten() {
            if *count != 0 {
                say(&format!("{:18}{family}", format!("{value} {count}")));
            }
        }
    }
    for problem in problems {
        say(&format!("problem           {problem}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_told_and_what_is_well_is_not() {
        let status = json!({
            "metadata": [{"name": "a", "problem": null}, {"name": "b", "problem": "expired"}],
            "duo": {"circuits": [
                {"api_host": "one", "state": "closed"}, {"api_host": "two", "state": "open"},
            ]},
            "audit_ready": false,
        });
        let expected = [
            "metadata b: expired",
            "Duo at two: the circuit is open",
            "the audit cannot be written",
        ];
        assert_eq!(problems(&status), expected);
    }
}
