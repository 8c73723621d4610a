//! `vestibule duo ..`: Duo's side of things.

mod enroll;
mod import;
pub(super) mod ping;
mod simulate;
pub(super) mod status;

use crate::cli::{Context, EXIT_CONFIG, say_error};
use crate::config::settings::Settings;
use crate::server::back_end::duo::HttpDuoClient;
use clap::Subcommand;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Which of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: DuoCommand,
}

#[derive(Debug, Subcommand)]
enum DuoCommand {
    /// Asks every integration of the home whether Duo takes its credentials.
    Ping,
    /// Says how every Duo application of the home is, and what has been imported.
    Status,
    /// Begins to enrol a user with Duo: shows the code, and waits for the phone.
    Enroll(Box<enroll::Args>),
    /// Keeps which of Duo's users are which of ours, read through the Admin API.
    Import(Box<import::Args>),
    /// Runs Duo's service on this machine until it is interrupted.
    Simulate(Box<simulate::Args>),
}

/// What a command needs to ask Duo something.
struct Ready {
    settings: Settings,
    client: HttpDuoClient,
    runtime: Runtime,
}

/// Runs one of them.
pub fn run(context: &Context, args: Args) -> ExitCode {
    match args.command {
        DuoCommand::Ping => ping::run(context),
        DuoCommand::Status => status::run(context),
        DuoCommand::Enroll(args) => enroll::run(context, &args),
        DuoCommand::Import(args) => import::run(context, &args),
        DuoCommand::Simulate(args) => simulate::run(*args),
    }
}

impl Ready {
    /// Reads the home; what is wrong with it is said already when there is only an exit code.
    fn new(context: &Context) -> Result<Self, ExitCode> {
        let settings = context.settings()?;
        let client = HttpDuoClient::new(&settings.duo_http).map_err(|reason| {
            say_error(&format!("vestibule duo: {reason}"));
            ExitCode::from(EXIT_CONFIG)
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime on this thread needs nothing but memory");
        Ok(Self {
            settings,
            client,
            runtime,
        })
    }
}
