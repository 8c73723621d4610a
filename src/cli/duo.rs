//! `vestibule duo ..`: Duo's side of things.

mod ping;
mod simulate;

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
    /// Runs Duo's service on this machine until it is interrupted.
    Simulate(Box<simulate::Args>),
}

/// Runs one of them.
pub fn run(context: &Context, args: Args) -> ExitCode {
    match args.command {
        DuoCommand::Ping => ping::run(context),
        DuoCommand::Simulate(args) => simulate::run(*args),
    }
}
