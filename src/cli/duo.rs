//! `vestibule duo ..`: Duo's side of things.

mod import;
mod ping;
mod simulate;
mod status;

use crate::cli::Context;
use clap::Subcommand;
use std::process::ExitCode;

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
    /// Keeps which of Duo's users are which of ours, read through the Admin API.
    Import(Box<import::Args>),
    /// Runs Duo's service on this machine until it is interrupted.
    Simulate(Box<simulate::Args>),
}

/// Runs one of them.
pub fn run(context: &Context, args: Args) -> ExitCode {
    match args.command {
        DuoCommand::Ping => ping::run(context),
        DuoCommand::Status => status::run(context),
        DuoCommand::Import(args) => import::run(context, &args),
        DuoCommand::Simulate(args) => simulate::run(*args),
    }
}
