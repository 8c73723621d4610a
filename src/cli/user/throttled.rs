//! Accounts at which too many passwords failed: what the running server knows, and forgets.

use crate::cli::{Context, EXIT_FOUND, admin, say, say_error};
use serde_json::Value;
use std::process::ExitCode;

/// Where the server keeps them.
const PATH: &str = "/admin/throttled";

/// Lists them.
pub(super) fn list(context: &Context) -> ExitCode {
    ask(context, |settings| admin::get(settings, PATH, &[])).map_or_else(
        |code| code,
        |answer| {
            print(&answer, context.json);
            ExitCode::SUCCESS
        },
    )
}

/// Forgets what failed at one; 1 when nothing had.
pub(super) fn unlock(context: &Context, name: &str) -> ExitCode {
    let asked = ask(context, |settings| {
        admin::post(settings, PATH, &[("user", name)])
    });
    let answer = match asked {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    let unlocked = answer["unlocked"] == true;
    if context.json {
        say(&answer.to_string());
    } else if unlocked {
        say(&format!("unlocked {name}"));
    } else {
        say(&format!("nothing failed for {name} lately"));
    }
    ExitCode::from(if unlocked { 0 } else { EXIT_FOUND })
}

fn ask(
    context: &Context,
    request: impl Fn(&crate::config::settings::Settings) -> Result<admin::Answer, String>,
) -> Result<Value, ExitCode> {
    let settings = context.settings()?;
    let answer = request(&settings).and_then(|answer| answer.document());
    answer.map_err(|reason| {
        say_error(&format!("error: {reason}"));
        ExitCode::from(EXIT_FOUND)
    })
}

fn print(answer: &Value, json: bool) {
    if json {
        say(&answer.to_string());
        return;
    }
    let accounts = answer["accounts"].as_array();
    let accounts = accounts.map(Vec::as_slice).unwrap_or_default();
    if accounts.is_empty() {
        say("No account is slowed.");
    }
    for account in accounts {
        let text = |name: &str| account[name].as_str().unwrap_or("-");
        let networks = account["networks"].as_array();
        let networks: Vec<&str> = networks
            .iter()
            .flat_map(|networks| networks.iter().filter_map(Value::as_str))
            .collect();
        let fields = [text("user"), text("until"), &networks.join(", ")];
        say(&fields
            .map(|field| field.escape_debug().to_string())
            .join("\t"));
    }
}
