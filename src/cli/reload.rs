//! `vestibule reload`: the running server reads its configuration again.

use crate::cli::{Context, EXIT_CONFIG, EXIT_FOUND, admin, say, say_error};
use serde_json::Value;
use std::process::ExitCode;

/// Nothing to say.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Tells the server; 78 when it refuses the configuration and goes on with the one it has.
pub fn run(context: &Context, _args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let told = admin::post(&settings, "/admin/reload", &[]);
    let answer = match told.and_then(|answer| answer.value()) {
        Ok(answer) => answer,
        Err(reason) => {
            say_error(&format!("vestibule reload: {reason}"));
            return ExitCode::from(EXIT_FOUND);
        }
    };
    if context.json {
        say(&answer.to_string());
    } else {
        print(&answer);
    }
    ExitCode::from(if answer["reloaded"] == true {
        0
    } else {
        EXIT_CONFIG
    })
}

fn print(answer: &Value) {
    if answer["reloaded"] == true {
        say("reloaded");
        return;
    }
    for error in answer["errors"].as_array().into_iter().flatten() {
        say_error(&format!("error: {}", error.as_str().unwrap_or_default()));
    }
    say_error("not reloaded: the configuration before it stays in force");
}
