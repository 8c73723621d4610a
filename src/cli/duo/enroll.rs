//! `vestibule duo enroll USER`: an administrator begins an enrolment, shows its code to the user,
//! and waits for the phone.

use super::Ready;
use crate::authn::rules::DuoUsername;
use crate::cli::{Context, EXIT_CONFIG, EXIT_FOUND, say, say_error};
use crate::config::settings::Settings;
use crate::duo::auth_api::{EnrolStatus, Enrolment};
use crate::duo::import::Match;
use crate::duo::integration::Integration;
use crate::duo::oidc::DuoError;
use crate::server::back_end::duo::{HttpDuoClient, auth};
use crate::server::duo_enrolments::until;
use crate::server::duo_users::{Added, DuoUsers, home_of};
use crate::server::pages::qr;
use crate::server::storage::Storage;
use crate::server::world::{BackEnds as _, Clock as _, RealBackEnds, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at Duo.
const PAUSE: Duration = Duration::from_secs(2);

/// Whom to enrol.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The user's login name.
    user: String,
    /// The name at Duo, where vestibule.duo.username does not say it.
    #[arg(long, value_name = "NAME")]
    duo_name: Option<String>,
    /// Print the code and do not wait for the phone.
    #[arg(long)]
    no_wait: bool,
}

/// A failure: what to say, and the exit code.
type Failure = (String, u8);

/// Everything that an enrolment needs.
struct Enroller<'a> {
    context: &'a Context,
    args: &'a Args,
    settings: &'a Settings,
    client: &'a HttpDuoClient,
    application: &'a Integration,
}

/// Enrols; 1 when the phone did not come, or Duo refused.
pub(super) fn run(context: &Context, args: &Args) -> ExitCode {
    let Ready {
        settings,
        client,
        runtime,
    } = match Ready::new(context) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let Some(api) = &settings.duo_auth_api else {
        say_error(
            "vestibule duo enroll: set idp.duo.oidc.nonbrowser.integrationKey and .secretKey",
        );
        return ExitCode::from(EXIT_CONFIG);
    };
    let enroller = Enroller {
        context,
        args,
        settings: &settings,
        client: &client,
        application: &api.integration,
    };
    match runtime.block_on(enroller.enrol()) {
        Ok(code) => ExitCode::from(code),
        Err((reason, code)) => {
            say_error(&format!("vestibule duo enroll: {reason}"));
            ExitCode::from(code)
        }
    }
}

impl Enroller<'_> {
    async fn enrol(&self) -> Result<u8, Failure> {
        // Whoever cannot keep the record must know it before Duo has a user more.
        let storage = self.open()?;
        let name = self.name_at_duo().await?;
        let lifetime = self.settings.enrolment.lifetime.as_secs();
        let lifetime = u32::try_from(lifetime).unwrap_or(u32::MAX);
        let begun = auth::enroll(self.client, self.application, &name, lifetime, &SystemClock);
        let begun = begun.await.map_err(|error| refused(&name, &error))?;
        self.show(&begun);
        if self.args.no_wait {
            return Ok(0);
        }
        let confirmed = self.wait(&begun).await?;
        let outcome = if confirmed {
            self.keep(&*storage, &begun).await?
        } else {
            "expired"
        };
        if self.context.json {
            say(&json!({"user": self.args.user, "outcome": outcome}).to_string());
        } else {
            say(&format!("{}: {outcome}", self.args.user));
        }
        Ok(u8::from(outcome != "enrolled"))
    }

    fn open(&self) -> Result<Arc<dyn Storage>, Failure> {
        let storage = crate::server::app::open(&self.settings.storage, Arc::new(SystemClock));
        storage.map_err(|error| {
            let reason = format!("{error}; a running server holds its store: stop it meanwhile");
            (reason, EXIT_FOUND)
        })
    }

    async fn name_at_duo(&self) -> Result<String, Failure> {
        if let Some(name) = &self.args.duo_name {
            return Ok(name.clone());
        }
        let rule = &self.settings.rules.duo.username;
        let name = match rule {
            DuoUsername::Attribute(attribute) => self.attribute(attribute).await?,
            rule => rule.of(&self.args.user),
        };
        name.ok_or_else(|| {
            let reason = "nobody can tell the name at Duo: give it with --duo-name";
            (reason.to_owned(), EXIT_FOUND)
        })
    }

    /// The attribute's one value.
    async fn attribute(&self, attribute: &str) -> Result<Option<String>, Failure> {
        let directory = RealBackEnds.directory(self.settings);
        let directory = directory.map_err(|reason| (reason, EXIT_CONFIG))?;
        let record = directory.record(&self.args.user).await;
        let record = record.map_err(failed)?;
        Ok(match record.get(attribute).map(Vec::as_slice) {
            Some([value]) => Some(value.clone()),
            _ => None,
        })
    }

    fn show(&self, begun: &Enrolment) {
        let until = until(begun).to_string();
        if self.context.json {
            let shown = json!({
                "user": self.args.user,
                "duo_username": begun.username,
                "duo_user_id": begun.user_id,
                "activation_url": begun.activation_url,
                "activation_code": begun.activation_code,
                "expires": until,
            });
            say(&shown.to_string());
            return;
        }
        if let Some(code) = qr::terminal(&begun.qr_text()) {
            say(&code);
        }
        say(&format!("On the phone itself: {}", begun.activation_url));
        say(&format!(
            "Whoever opens it has the second factor of {}. It is good until {until}.",
            self.args.user
        ));
    }

    /// True when the phone was activated in time.
    async fn wait(&self, begun: &Enrolment) -> Result<bool, Failure> {
        let bar = if self.context.json {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        let style = ProgressStyle::with_template("{spinner} waiting for the phone ({elapsed})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let end = loop {
            bar.tick();
            let status = auth::enroll_status(self.client, self.application, begun, &SystemClock);
            match status.await {
                Ok(EnrolStatus::Success) => break Ok(true),
                Ok(EnrolStatus::Invalid) => break Ok(false),
                Ok(EnrolStatus::Waiting) if SystemClock.now() >= until(begun) => break Ok(false),
                Ok(EnrolStatus::Waiting) => {}
                // What Duo cannot say now it may say later.
                Err(error) if error.is_outage() && SystemClock.now() < until(begun) => {}
                Err(error) => break Err(failed(error)),
            }
            tokio::time::sleep(PAUSE).await;
        };
        bar.finish_and_clear();
        end
    }

    async fn keep(&self, storage: &dyn Storage, begun: &Enrolment) -> Result<&str, Failure> {
        let integrations = &self.settings.rules.duo.integrations;
        let integration = home_of(self.application, integrations);
        let one = Match {
            user: self.args.user.clone(),
            duo_user_id: begun.user_id.clone(),
            duo_username: begun.username.clone(),
            label: "Duo".to_owned(),
        };
        let users = DuoUsers {
            storage,
            integration,
        };
        let added = users.enrolled(&one, SystemClock.now()).await;
        Ok(match added.map_err(failed)? {
            Added::New | Added::Known => "enrolled",
            Added::Conflict => "enrolled at Duo, but tied to somebody else here",
        })
    }
}

fn refused(name: &str, error: &DuoError) -> Failure {
    if error.is_about("username") {
        let reason = format!(
            "Duo has a user {name} already: `vestibule duo import --user NAME --duo-user {name}` \
             links it"
        );
        return (reason, EXIT_FOUND);
    }
    failed(error)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    (error.to_string(), EXIT_FOUND)
}
