//! `vestibule policy`: work on the scripts that decide logins.

use crate::cli::{Context, EXIT_CONFIG, EXIT_FOUND, EXIT_OK, complain, say};
use crate::config;
use crate::policy::tests::Report;
use std::process::ExitCode;

/// What to do with the policy.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Work {
    /// Runs the tests beside the scripts (NAME.tests.toml) and whole logins
    /// (scripts/policy.tests.toml).
    Test,
}

/// Runs one piece of policy work.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    match args.work {
        Work::Test => test(context),
    }
}

fn test(context: &Context) -> ExitCode {
    let raw = crate::server::load::read(&context.home);
    let report = match config::policy_tests(&raw) {
        Ok(report) => report,
        Err(findings) => {
            complain(&findings);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if context.json {
        let passed = report.passed();
        let json = serde_json::json!({
            "ok": passed,
            "cases": report.cases,
            "failures": report.failures,
            "untested": report.untested,
        });
        say(&json.to_string());
    } else {
        print(&report);
    }
    ExitCode::from(if report.passed() { EXIT_OK } else { EXIT_FOUND })
}

fn print(report: &Report) {
    for failure in &report.failures {
        say(&format!(
            "failed: scripts/{}.tests.toml: {}",
            failure.script, failure.case
        ));
        say(&format!("    expected  {}", failure.expected));
        say(&format!("    found     {}", failure.found));
    }
    for script in &report.untested {
        say(&format!("untested: scripts/{script}.rhai"));
    }
    say(&format!(
        "{} cases, {} failed",
        report.cases,
        report.failures.len()
    ));
}
