//! Another generation of the configuration: put in force whole, or not at all.

use crate::config;
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::server::app::App;
use crate::server::generation::Generation;
use crate::server::load;
use std::path::Path;
use std::sync::Arc;

/// Reads the home again. A configuration with an error changes nothing; all errors are returned
/// and logged.
pub async fn reload(app: &Arc<App>) -> Result<(), Vec<String>> {
    let app = Arc::clone(app);
    let done = tokio::task::spawn_blocking(move || replace(&app)).await;
    let outcome = done.unwrap_or_else(|_| Err(vec!["the reload stopped".to_owned()]));
    match &outcome {
        Ok(()) => tracing::info!("configuration reloaded"),
        Err(errors) => {
            for error in errors {
                tracing::error!(error, "configuration not reloaded");
            }
        }
    }
    outcome
}

fn replace(app: &App) -> Result<(), Vec<String>> {
    let before = app.generation();
    let settings = read(&before.settings.home).map_err(|errors| shown(&errors))?;
    warn_of_restarts(&before.settings, &settings);
    let generation = Generation::build(settings, &app.world).map_err(|error| vec![error])?;
    app.replace(generation);
    Ok(())
}

/// What is bound or opened once, at the start.
fn warn_of_restarts(before: &Settings, now: &Settings) {
    let changed = [
        (
            "vestibule.http.listen",
            before.http.listen != now.http.listen,
        ),
        (
            "vestibule.http.workers",
            before.http.workers != now.http.workers,
        ),
        ("vestibule.storage", before.storage != now.storage),
        (
            "idp.logfiles",
            before.logging.directory != now.logging.directory,
        ),
    ];
    for (key, changed) in changed {
        if changed {
            tracing::warn!(key, "changed, and takes effect at the next start");
        }
    }
}

fn shown(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// The settings of a home; its warnings are logged.
pub fn read(home: &Path) -> Result<Settings, Vec<ConfigError>> {
    let (settings, warnings) = config::check(&load::read(home))?;
    for warning in warnings {
        tracing::warn!(%warning, "configuration");
    }
    Ok(settings)
}
