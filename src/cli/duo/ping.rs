//! `vestibule duo ping`: the health of every integration of the home, and whose fault it is when
//! there is none.

use super::Ready;
use crate::cli::{Context, say};
use crate::config::settings::Settings;
use crate::duo::integration::Integration;
use crate::duo::oidc::{self, DuoError};
use crate::server::back_end::DuoClient as _;
use crate::server::back_end::duo::HttpDuoClient;
use crate::server::world::{Clock as _, Random as _, SystemClock, SystemRandom, hex};
use futures_util::future::join_all;
use serde::Serialize;
use std::process::ExitCode;

/// A clock further off than this is worth a word even when Duo accepts it.
const NOTEWORTHY_SECONDS: i64 = 30;

/// What one integration's health check said.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Health {
    integration: String,
    api_host: String,
    pub(super) ok: bool,
    /// Our clock minus Duo's, when Duo told the time.
    pub(in crate::cli) clock_difference: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) problem: Option<String>,
}

/// Asks every integration at once; 1 when any of them is not well.
pub(super) fn run(context: &Context) -> ExitCode {
    let Ready {
        settings,
        client,
        runtime,
    } = match Ready::new(context) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let healths = runtime.block_on(ask_all(&client, &settings));
    print(&healths, context.json);
    if !healths.is_empty() && healths.iter().all(|health| health.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(super) async fn ask_all(client: &HttpDuoClient, settings: &Settings) -> Vec<Health> {
    let integrations = settings.rules.duo.integrations.values();
    join_all(integrations.map(|integration| ask(client, integration))).await
}

/// Asks one integration.
pub(in crate::cli) async fn ask(client: &HttpDuoClient, integration: &Integration) -> Health {
    let mut jti = [0; 18];
    SystemRandom.fill(&mut jti);
    let request = oidc::health_check(integration, &hex(&jti), SystemClock.now());
    let answer = client.send(integration, &request).await;
    let now = SystemClock.now();
    let outcome = oidc::read_health(&answer, now);
    Health {
        integration: integration.name.clone(),
        api_host: integration.api_host.clone(),
        ok: outcome.is_ok(),
        clock_difference: oidc::server_time(&answer)
            .map(|theirs| now.as_second() - theirs.as_second()),
        fault: outcome.as_ref().err().map(fault),
        problem: outcome.err().map(|error| error.to_string()),
    }
}

/// Whom to go to.
pub(super) fn fault(error: &DuoError) -> &'static str {
    error.blame().as_str()
}

fn print(healths: &[Health], json: bool) {
    if json {
        let text = serde_json::to_string(healths).expect("plain fields always serialize");
        say(&text);
        return;
    }
    if healths.is_empty() {
        say("No Duo integration is configured (idp.duo.oidc.*).");
    }
    for health in healths {
        say(&line(health));
    }
}

/// A health in one line for people.
pub(super) fn line(health: &Health) -> String {
    let Health {
        integration,
        api_host,
        ..
    } = health;
    let verdict = match &health.problem {
        None => "ok".to_owned(),
        Some(problem) => format!("{} ({})", problem, health.fault.unwrap_or_default()),
    };
    let clock = match health.clock_difference {
        Some(seconds) if health.ok && seconds.abs() > NOTEWORTHY_SECONDS => {
            format!("; our clock differs from Duo's by {seconds} s")
        }
        _ => String::new(),
    };
    format!("{integration} ({api_host}): {verdict}{clock}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(clock_difference: Option<i64>, error: Option<&DuoError>) -> Health {
        Health {
            integration: "default".to_owned(),
            api_host: "api.example.org".to_owned(),
            ok: error.is_none(),
            clock_difference,
            fault: error.map(fault),
            problem: error.map(ToString::to_string),
        }
    }

    #[test]
    fn a_well_integration_with_a_wrong_clock_says_so() {
        assert_eq!(
            line(&health(Some(2), None)),
            "default (api.example.org): ok"
        );
        assert_eq!(
            line(&health(Some(-45), None)),
            "default (api.example.org): ok; our clock differs from Duo's by -45 s"
        );
    }

    #[test]
    fn an_unwell_one_says_whose_fault_it_is() {
        let clock = |seconds| DuoError::InvalidClient {
            clock_difference: Some(seconds),
        };
        for (error, whose) in [
            (DuoError::Unreachable("dns".to_owned()), "network"),
            (DuoError::ServerError(503), "duo"),
            (DuoError::RateLimited, "duo"),
            (clock(400), "clock"),
            (clock(0), "configuration"),
            (DuoError::WrongApplicationKind, "configuration"),
        ] {
            let line = line(&health(None, Some(&error)));
            assert!(line.ends_with(&format!("({whose})")), "{line}");
        }
    }
}
