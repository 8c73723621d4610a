//! What nobody came back for: expired logins get their lines, expired records go.

use crate::audit::LoggedOut;
use crate::authn::login::{Failure, Success};
use crate::config::settings::Settings;
use crate::server::app::App;
use crate::server::conversation::{Execution, Executions};
use crate::server::http::visit::ABANDONED;
use crate::server::journal::{Journal, Who};
use crate::server::logout::{Begun, Logout, Logouts, Waiting};
use crate::server::storage::{Context, StorageError};
use std::collections::BTreeMap;

const BATCH: usize = 256;
/// The event of a logout that was not brought to its end.
const ABANDONED_LOGOUT: &str = "LogoutAbandoned";

/// Takes everything that has expired by now.
pub async fn sweep(app: &App) -> Result<(), StorageError> {
    let generation = app.generation();
    app.replay.sweep(app.world.now());
    loop {
        let expired = Executions::new(&*app.storage).take_expired(BATCH).await?;
        let last = expired.len() < BATCH;
        for execution in expired {
            abandon(app, &generation.settings, execution);
        }
        if last {
            break;
        }
    }
    sweep_logouts(app, &generation.settings).await?;
    let told = [Context::Login, Context::Logout];
    let silent = Context::ALL.into_iter().filter(|c| !told.contains(c));
    for context in silent {
        while app.storage.take_expired(context, BATCH).await?.len() == BATCH {}
    }
    Ok(())
}

async fn sweep_logouts(app: &App, settings: &Settings) -> Result<(), StorageError> {
    loop {
        let expired = Logouts::new(&*app.storage).take_expired(BATCH).await?;
        let last = expired.len() < BATCH;
        for waiting in expired {
            abandon_logout(app, settings, waiting);
        }
        if last {
            return Ok(());
        }
    }
}

/// Exactly one line for a logout that its browser left behind; what had ended stays so.
fn abandon_logout(app: &App, settings: &Settings, waiting: Waiting) {
    let line = |begun: &Begun, logout: Option<&Logout>, why: &str| {
        let journal = Journal {
            settings,
            world: &app.world,
            who: Who::from(begun),
        };
        let ended = LoggedOut {
            request: begun.request.as_ref(),
            username: logout.and_then(|logout| logout.username.as_deref()),
            answer: None,
            event: Some(ABANDONED_LOGOUT),
            why,
        };
        journal.logout(logout.and_then(|logout| logout.session.as_deref()), &ended);
    };
    match waiting {
        Waiting::Over(..) => {}
        Waiting::Pending(begun) => line(&begun, None, "the browser did not follow"),
        Waiting::Question(_, begun) => line(&begun, None, "the user did not choose"),
        Waiting::Telling(_, mut logout) => {
            logout.give_up();
            line(&logout.begun, Some(&logout), &logout.why());
        }
    }
}

/// Exactly one line for a login that was never finished (invariant 12).
fn abandon(app: &App, settings: &Settings, execution: Execution) {
    let (asked, failure, records) = match execution {
        Execution::Finished(_) => return,
        Execution::Pending(asked) => (asked, never_came(), Vec::new()),
        Execution::Open(conversation) => {
            let (failure, records) = conversation.login.abandon(ABANDONED);
            (conversation.asked, failure, records)
        }
        Execution::Consent(consenting) => {
            let failure = never_agreed(&consenting.success);
            (consenting.asked, failure, Vec::new())
        }
    };
    let journal = Journal {
        settings,
        world: &app.world,
        who: Who::from(&asked),
    };
    journal.records(&asked, &records);
    if journal.failure(&asked, &failure, None).is_err() {
        tracing::error!(
            transaction = asked.transaction,
            "an abandoned login has no line"
        );
    }
}

fn never_agreed(success: &Success) -> Failure {
    Failure {
        event: ABANDONED,
        username: Some(success.result.username().to_owned()),
        why: format!("{}; the user gave no answer about consent", success.why),
        audit: success.audit.clone(),
    }
}

fn never_came() -> Failure {
    Failure {
        event: ABANDONED,
        username: None,
        why: "the browser did not follow".to_owned(),
        audit: BTreeMap::new(),
    }
}
