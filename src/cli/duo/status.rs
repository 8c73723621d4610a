//! `vestibule duo status`: every Duo application of the home, and the imported users.

use super::Ready;
use super::ping::{self, Health, fault};
use crate::cli::{Context, say};
use crate::config::settings::{DuoAuthApiSettings, Settings};
use crate::duo::admin_api;
use crate::duo::integration::Integration;
use crate::duo::oidc::DuoError;
use crate::server::back_end::DuoClient as _;
use crate::server::back_end::duo::{HttpDuoClient, auth};
use crate::server::duo_users::DuoUsers;
use crate::server::world::{Clock as _, SystemClock};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Everything there is to say.
#[derive(Debug, Serialize)]
struct Status {
    integrations: Vec<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_api: Option<Api>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_api: Option<Api>,
    /// By integration; absent while a running server holds the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<BTreeMap<String, usize>>,
}

/// How one of the other APIs is.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Api {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) problem: Option<String>,
}

impl Api {
    fn of(outcome: Result<(), DuoError>) -> Self {
        Self {
            ok: outcome.is_ok(),
            fault: outcome.as_ref().err().map(fault),
            problem: outcome.err().map(|error| error.to_string()),
        }
    }

    fn line(&self) -> String {
        match &self.problem {
            None => "ok".to_owned(),
            Some(problem) => format!("{problem} ({})", self.fault.unwrap_or_default()),
        }
    }
}

/// Asks everything; 1 when anything is not well.
pub(super) fn run(context: &Context) -> ExitCode {
    let Ready {
        settings,
        client,
        runtime,
    } = match Ready::new(context) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let status = runtime.block_on(ask(&client, &settings));
    print(&status, context.json);
    let apis = [&status.auth_api, &status.admin_api];
    let well = status.integrations.iter().all(|health| health.ok)
        && apis.iter().all(|api| api.as_ref().is_none_or(|api| api.ok));
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn ask(client: &HttpDuoClient, settings: &Settings) -> Status {
    let auth_api = match &settings.duo_auth_api {
        Some(api) => Some(auth_api(client, api).await),
        None => None,
    };
    let admin_api = match &settings.duo_admin_api {
        Some(integration) => Some(admin_api(client, integration).await),
        None => None,
    };
    Status {
        integrations: ping::ask_all(client, settings).await,
        auth_api,
        admin_api,
        imported: imported(settings).await,
    }
}

/// Whether the Auth API takes our credentials.
pub(in crate::cli) async fn auth_api(client: &HttpDuoClient, api: &DuoAuthApiSettings) -> Api {
    Api::of(auth::check(client, &api.integration, &SystemClock).await)
}

/// Whether the Admin API does: it is asked for a user that nobody has.
pub(in crate::cli) async fn admin_api(client: &HttpDuoClient, integration: &Integration) -> Api {
    let call = admin_api::users_named(integration, "-", SystemClock.now());
    let answer = client.call(integration, &call).await;
    let read = admin_api::read_users(&answer, SystemClock.now());
    Api::of(read.map(drop))
}

async fn imported(settings: &Settings) -> Option<BTreeMap<String, usize>> {
    let storage = crate::server::app::open(&settings.storage, Arc::new(SystemClock)).ok()?;
    let mut counts = BTreeMap::new();
    for name in settings.rules.duo.integrations.keys() {
        let users = DuoUsers {
            storage: &*storage,
            integration: name,
        };
        counts.insert(name.clone(), users.all().await.ok()?.len());
    }
    Some(counts)
}

fn print(status: &Status, json: bool) {
    if json {
        say(&serde_json::to_string(status).expect("plain fields always serialize"));
        return;
    }
    if status.integrations.is_empty() {
        say("No Duo integration is configured (idp.duo.oidc.*).");
    }
    for health in &status.integrations {
        say(&ping::line(health));
    }
    for (name, api) in [
        ("Auth API", &status.auth_api),
        ("Admin API", &status.admin_api),
    ] {
        let line = api
            .as_ref()
            .map_or_else(|| "not configured".to_owned(), Api::line);
        say(&format!("{name}: {line}"));
    }
    match &status.imported {
        Some(counts) => {
            for (name, count) in counts {
                say(&format!("{name}: {count} imported users"));
            }
        }
        None => say("imported users: a running server holds the store"),
    }
}
