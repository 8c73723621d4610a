//! Logs: the process log through tracing, the audit through a thread of its own, files that roll.
//!
//! Owns the files below `idp.logfiles`. Does not own what a line says: events say it at their
//! place, and the audit's lines come from `audit`.

mod archive;
mod audit;
mod process;
mod rolling;

pub use audit::AuditFiles;

use crate::config::settings::LoggingSettings;
use crate::server::world::Clock;
use archive::Archivist;
use process::ProcessLayer;
use rolling::{Append as _, Place, Rolling};
use std::fmt;
use std::io;
use std::sync::Arc;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that may wait for the disk.
const BUFFERED_LINES: usize = 2048;

/// Keeps the process log's threads; dropping it writes what waits.
#[must_use = "dropping the guard ends the process log"]
pub struct LogGuard {
    _workers: [WorkerGuard; 2],
}

/// Starts the process log for the whole process: idp-process.log, and idp-warn.log for warnings
/// and errors; `console` repeats every line on standard error.
pub fn install(
    settings: &LoggingSettings,
    clock: &Arc<dyn Clock>,
    console: bool,
) -> Result<LogGuard, LogError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|e| LogError(e.to_string()))?;
    let archivist = Arc::new(Archivist::start(settings.history_days));
    let open = |stem| {
        writer(settings, stem, &archivist, clock)
            .map_err(|error| LogError(format!("{}: {error}", settings.directory.display())))
    };
    let (all, all_worker) = open("idp-process")?;
    let (warnings, warnings_worker) = open("idp-warn")?;
    let layer = ProcessLayer {
        clock: Arc::clone(clock),
        all,
        warnings,
        console,
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|error| LogError(error.to_string()))?;
    Ok(LogGuard {
        _workers: [all_worker, warnings_worker],
    })
}

/// Why the process log did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError(pub String);

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

fn writer(
    settings: &LoggingSettings,
    stem: &'static str,
    archivist: &Arc<Archivist>,
    clock: &Arc<dyn Clock>,
) -> io::Result<(NonBlocking, WorkerGuard)> {
    let place = Place {
        directory: settings.directory.clone(),
        stem,
        max_bytes: settings.max_bytes,
    };
    let file = Rolling::open(place, Arc::clone(archivist), clock.now())?;
    let clock = Arc::clone(clock);
    // A line waits rather than being dropped.
    Ok(NonBlockingBuilder::default()
        .lossy(false)
        // The queue's room is taken at once: four megabytes each by default.
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name(stem)
        .finish(Timed { file, clock }))
}

/// Gives each write the time of day.
struct Timed {
    file: Rolling,
    clock: Arc<dyn Clock>,
}

impl io::Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.append(octets, self.clock.now())?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
