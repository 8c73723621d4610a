//! The command line: one file for each command.
//!
//! A command is a `clap::Args` named `Args` and a function `run(&Context, Args) -> ExitCode`; it
//! is listed in `Command` and dispatched in [`run()`].

mod admin;
pub mod check;
mod credentials;
pub mod demo;
pub mod drill;
pub mod duo;
pub mod init;
pub mod key;
pub mod metadata;
pub mod policy;
mod private_file;
pub mod reload;
pub mod remembered;
pub mod resolve;
pub mod sealer;
pub mod serve;
pub mod status;
pub mod user;

use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command did what it was asked.
pub const EXIT_OK: u8 = 0;
/// The command found something, or could not do what it was asked.
pub const EXIT_FOUND: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// The configuration is wrong (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// A SAML 2.0 identity provider with policy-driven multi-factor login.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version)]
struct CommandLine {
    #[command(flatten)]
    context: Context,
    #[command(subcommand)]
    command: Command,
}

/// What every command knows.
#[derive(Clone, Debug, clap::Args)]
pub struct Context {
    /// The home: the directory that holds conf/, scripts/, credentials/ and metadata/.
    #[arg(
        long,
        global = true,
        env = "VESTIBULE_HOME",
        default_value = ".",
        value_name = "DIR"
    )]
    pub home: PathBuf,
    /// Write JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows a whole login on this machine: identity provider, Duo simulator, service providers.
    Demo(demo::Args),
    /// Makes a home: keys, certificates, commented configuration, and a list of what to do next.
    Init(init::Args),
    /// Says everything that can be known before a login.
    Check(check::Args),
    /// Runs the identity provider of the home.
    Serve(serve::Args),
    /// Says how the running server is, and what happened since it started.
    Status(status::Args),
    /// Makes the running server read its configuration again.
    Reload(reload::Args),
    /// Prints the identity provider's own metadata.
    Metadata(metadata::Args),
    /// Says which attributes and NameID a relying party would get of a user, and why.
    Resolve(resolve::Args),
    /// Changes our keys, step by step, without an interruption for relying parties.
    Key(key::Args),
    /// Changes the keys that seal what is kept.
    Sealer(sealer::Args),
    /// Works on the policy: its tests.
    Policy(policy::Args),
    /// Rehearses what may happen one day: what each relying party gets while Duo is away.
    Drill(drill::Args),
    /// Lists and revokes the browsers in which Duo is not asked again.
    Remembered(remembered::Args),
    /// Keeps the htpasswd file.
    User(user::Args),
    /// Duo's side: the health of every integration, the simulator.
    Duo(Box<duo::Args>),
}

/// Parses the command line and runs one command.
pub fn run() -> ExitCode {
    let CommandLine { context, command } = CommandLine::parse();
    match command {
        Command::Demo(args) => demo::run(&context, &args),
        Command::Init(args) => init::run(&context, &args),
        Command::Serve(args) => serve::run(&context, &args),
        Command::Check(args) => check::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Reload(args) => reload::run(&context, &args),
        Command::Metadata(args) => metadata::run(&context, &args),
        Command::Resolve(args) => resolve::run(&context, &args),
        Command::Key(args) => key::run(&context, &args),
        Command::Sealer(args) => sealer::run(&context, &args),
        Command::Policy(args) => policy::run(&context, &args),
        Command::Drill(args) => drill::run(&context, &args),
        Command::Remembered(args) => remembered::run(&context, &args),
        Command::User(args) => user::run(&context, args),
        Command::Duo(args) => duo::run(&context, *args),
    }
}

impl Context {
    /// The settings of the home, or the exit code after everything that is wrong has been printed.
    /// Warnings are printed to standard error.
    pub fn settings(&self) -> Result<Settings, ExitCode> {
        let raw = crate::server::load::read(&self.home);
        match crate::config::check(&raw) {
            Ok((settings, warnings)) => {
                complain(&warnings);
                Ok(settings)
            }
            Err(findings) => {
                complain(&findings);
                Err(ExitCode::from(EXIT_CONFIG))
            }
        }
    }
}

/// Writes findings to standard error, a line each.
pub fn complain(findings: &[ConfigError]) {
    for finding in findings {
        let severity = if finding.is_error() {
            "error"
        } else {
            "warning"
        };
        say_error(&format!("{severity}: {finding}"));
    }
}

/// Writes a line to standard output; a reader that has gone away is no failure.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a line to standard error.
pub fn say_error(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_home_may_stand_before_or_after_the_command() {
        for words in [
            ["vestibule", "--home", "/h", "check"],
            ["vestibule", "check", "--home", "/h"],
        ] {
            let parsed = CommandLine::try_parse_from(words).unwrap();
            assert_eq!(parsed.context.home, PathBuf::from("/h"));
        }
    }
}
