//! `vestibule duo simulate`: Duo's service on this machine, until it is interrupted.

use crate::cli::{EXIT_FOUND, EXIT_USAGE, say, say_error};
use crate::duo::integration::{Field, Integration};
use crate::duo::secret::Secret;
use crate::server::world::{Random as _, SystemRandom};
use crate::simulator::duo::{Application, ApplicationKind, Options, Outcome, Running, Simulator};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where it listens, whom it knows, how it answers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port for Duo's service; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where to write the certificate authority that clients must trust (PEM).
    #[arg(long, value_name = "FILE")]
    ca_out: PathBuf,
    /// Client id of the Web SDK application; made up when absent.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Its client secret; made up when absent.
    #[arg(long, value_name = "SECRET")]
    client_secret: Option<String>,
    /// An Auth API application beside it.
    #[arg(long, value_name = "ID:SECRET")]
    auth_api: Option<String>,
    /// An Admin API application beside it.
    #[arg(long, value_name = "ID:SECRET")]
    admin_api: Option<String>,
    /// How every login ends, without a prompt.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    auto: Option<Outcome>,
    /// Address and port of the control API; port 0 takes a free one.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// Another host name that clients use.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Listen beyond loopback: whoever reaches it can approve logins.
    #[arg(long)]
    allow_remote: bool,
}

/// Runs until it is interrupted.
pub(super) fn run(args: Args) -> ExitCode {
    let ca_out = args.ca_out.clone();
    let options = match options(args) {
        Ok(options) => options,
        Err(error) => return failed(&error, EXIT_USAGE),
    };
    let running = match Simulator::start(options) {
        Ok(running) => running,
        Err(error) => return failed(&error.to_string(), EXIT_FOUND),
    };
    if let Err(error) = std::fs::write(&ca_out, &running.ca_pem) {
        return failed(
            &format!("cannot write {}: {error}", ca_out.display()),
            EXIT_FOUND,
        );
    }
    say(&ready(&running, &ca_out.display().to_string()).to_string());
    running.wait();
    ExitCode::SUCCESS
}

fn ready(running: &Running, ca: &str) -> serde_json::Value {
    let web = &running.applications[0];
    json!({
        "api_host": running.api_host,
        "ca": ca,
        "client_id": web.client_id,
        "client_secret": web.client_secret.expose(),
        "control": running.control_url,
    })
}

fn failed(error: &str, code: u8) -> ExitCode {
    say_error(&format!("vestibule duo simulate: {error}"));
    ExitCode::from(code)
}

fn options(args: Args) -> Result<Options, String> {
    let web = Application::web_sdk(
        args.client_id
            .unwrap_or_else(|| format!("DI{}", made_up(18))),
        Secret::new(args.client_secret.unwrap_or_else(|| made_up(40))),
    );
    let mut applications = vec![web];
    applications.extend(other(args.auth_api, ApplicationKind::AuthApi)?);
    applications.extend(other(args.admin_api, ApplicationKind::AdminApi)?);
    for application in &applications {
        check(application)?;
    }
    let mut options = Options::on_loopback(applications);
    options.listen = args.listen;
    options.host = args.host;
    options.allow_remote = args.allow_remote;
    options.auto = args.auto;
    options.control = args.control;
    Ok(options)
}

fn other(
    credentials: Option<String>,
    kind: ApplicationKind,
) -> Result<Option<Application>, String> {
    let Some(credentials) = credentials else {
        return Ok(None);
    };
    let (client_id, secret) = credentials
        .split_once(':')
        .ok_or("an application is given as ID:SECRET")?;
    let mut application = Application::web_sdk(client_id, Secret::new(secret));
    application.kind = kind;
    Ok(Some(application))
}

/// What Duo's clients would refuse is refused here first, with a reason.
fn check(application: &Application) -> Result<(), String> {
    let as_client = Integration::new(
        "",
        "localhost",
        &application.client_id,
        application.client_secret.clone(),
    );
    match as_client.faults().first() {
        None => Ok(()),
        Some(fault) => {
            let name = match fault.field {
                Field::ClientId => "client id",
                _ => "client secret",
            };
            Err(format!("the {name} has {}", fault.problem))
        }
    }
}

fn outcome(name: &str) -> Result<Outcome, String> {
    Outcome::named(name).ok_or_else(|| format!("one of allow, {}", Outcome::names().join(", ")))
}

/// Random letters and digits.
fn made_up(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = vec![0; length];
    SystemRandom.fill(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_no_client_would_take_are_refused_with_a_reason() {
        let judged = |client_id: &str, secret: &str| {
            check(&Application::web_sdk(client_id, Secret::new(secret)))
        };
        assert_eq!(judged(&format!("DI{}", made_up(18)), &made_up(40)), Ok(()));
        let error = judged("DISHORT", &made_up(40)).unwrap_err();
        assert_eq!(error, "the client id has 7 characters where 20 are needed");
        let error = judged(&made_up(20), "short").unwrap_err();
        assert!(
            error.starts_with("the client secret") && !error.contains("short"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_outcome_names_the_known_ones() {
        assert!(outcome("allow").is_ok());
        let error = outcome("maybe").unwrap_err();
        assert!(
            error.contains("remembered-device") && error.contains("deny"),
            "{error}"
        );
    }
}
