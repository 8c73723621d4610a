//! `serve`: runs the identity provider of the home until it is told to stop.

use crate::cli::{Context, EXIT_FOUND, say, say_error};
use crate::server::world::{Clock, SystemClock, World};
use crate::server::{Handle, Server, logs};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// `vestibule serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repeat the process log on standard error.
    #[arg(long)]
    console: bool,
}

/// Runs the server.
pub fn run(context: &Context, args: &Args) -> ExitCode {
    let settings = match context.settings() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = match logs::install(&settings.logging, &clock, args.console) {
        Ok(log) => log,
        Err(error) => return failed(&error.to_string()),
    };
    let served = World::real(&settings)
        .map_err(|error| format!("audit files: {error}"))
        .and_then(|world| Server::build(settings, world))
        .and_then(|server| serve(context, server));
    drop(log);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    say_error(&format!("error: {error}"));
    ExitCode::from(EXIT_FOUND)
}

fn serve(context: &Context, server: Server) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    for address in server.addresses() {
        announce(context, &address.to_string());
    }
    runtime.block_on(async {
        let handle = server.handle();
        let signals = Signals::new().map_err(|error| error.to_string())?;
        let listening = tokio::spawn(signals.obey(handle));
        let outcome = server.run().await.map_err(|error| error.to_string());
        listening.abort();
        outcome
    })
}

fn announce(context: &Context, address: &str) {
    tracing::info!(address, "listening");
    if context.json {
        say(&serde_json::json!({"listening": address}).to_string());
    } else {
        say(&format!("listening on {address}"));
    }
}

/// The signals that the process obeys.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// TERM and INT stop the server, HUP has it read its configuration again.
    pub(super) async fn obey(mut self, handle: Handle) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return handle.stop().await,
                _ = self.interrupt.recv() => return handle.stop().await,
                _ = self.hang_up.recv() => {
                    // Errors are in the process log; the old configuration stays in force.
                    let _ = handle.reload().await;
                }
            }
        }
    }
}
