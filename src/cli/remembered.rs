//! `vestibule remembered`: lists and revokes users' remembered browsers.

use crate::cli::{Context, EXIT_FOUND, admin, say, say_error};
use crate::config::settings::Settings;
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;

/// Where the server keeps them.
const PATH: &str = "/admin/remembered";

/// What to do with them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists a user's remembered browsers.
    List {
        /// The user's name.
        #[arg(long)]
        user: String,
    },
    /// Forgets a user's browsers: there Duo is asked again.
    Revoke {
        /// The user's name.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// One browser, by the id that `list` shows.
    #[arg(long)]
    id: Option<String>,
    /// Every browser of the user.
    #[arg(long)]
    all: bool,
}

/// Asks the running server; 1 when it cannot be asked, or there was nothing to revoke.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match ask(&settings, &args.action) {
        Ok(answer) => print(&answer, context.json),
        Err(reason) => {
            say_error(&format!("vestibule remembered: {reason}"));
            ExitCode::from(EXIT_FOUND)
        }
    }
}

fn ask(settings: &Settings, action: &Action) -> Result<Value, String> {
    let answer = match action {
        Action::List { user } => admin::get(settings, PATH, &[("user", user)]),
        Action::Revoke { user, which } => {
            let which = match &which.id {
                Some(id) => ("id", id.as_str()),
                None => ("all", "true"),
            };
            admin::post(settings, PATH, &[("user", user), which])
        }
    };
    answer?.document()
}

fn print(answer: &Value, json: bool) -> ExitCode {
    if json {
        say(&format!("{answer:#}"));
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    if let Some(browsers) = answer["browsers"].as_array() {
        for browser in browsers.iter().filter(|_| !json) {
            let fields = ["id", "created", "last_used", "expires", "label"];
            let fields = fields.map(|field| text(&browser[field]));
            say(&fields.join("\t"));
        }
        return ExitCode::SUCCESS;
    }
    let revoked = answer["revoked"].as_u64().unwrap_or(0);
    if !json {
        say(&format!("{revoked} forgotten"));
    }
    if revoked == 0 {
        return ExitCode::from(EXIT_FOUND);
    }
    ExitCode::SUCCESS
}
