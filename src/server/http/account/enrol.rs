//! Enrolment with Duo: begun by one click, shown until it ends. The page refreshes itself for a
//! while and has a button, so that it works without JavaScript; looking never enrols again.

use super::duo::{Service, needs, off, standing};
use super::{DUO, PATH, SignedIn, page, signed_in};
use crate::authn::rules::DuoUsername;
use crate::duo::auth_api::{EnrolStatus, Enrolment};
use crate::duo::import::Match;
use crate::duo::oidc::DuoError;
use crate::server::back_end::duo::auth as duo_auth;
use crate::server::duo_enrolments::{DuoEnrolments, Ending, Owner, Progress, until};
use crate::server::duo_starts::DuoStarts;
use crate::server::duo_users::{Added, DuoUser};
use crate::server::http::account::sign_in;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::pages::View;
use crate::server::pages::account::EnrolmentView;
use crate::server::pages::qr;
use actix_web::http::StatusCode;

/// How often the page refreshes itself, five seconds apart; then its button remains.
const REFRESHES: u32 = 60;

/// POST: begins an enrolment, or shows the one that is under way.
pub(super) async fn begin(service: &Service<'_>, user: &SignedIn) -> Result<Reply, Fault> {
    let exchange = service.exchange;
    let records = service.records(user).await?;
    let standing = standing(user, &records);
    if let Err(missing) = service.rules.may_enrol(&standing, exchange.now) {
        return page(exchange, user, StatusCode::FORBIDDEN, Some(needs(missing))).await;
    }
    let browser = exchange.browser();
    let owner = Owner {
        browser: browser.secret(),
        username: &user.username,
    };
    let enrolments = enrolments(exchange);
    if enrolments.begin(owner).await? {
        let progress = service.enrol(user).await;
        enrolments.set(owner, &progress).await?;
    }
    Ok(Reply::see_other(exchange.generation.path(DUO)).with(browser.cookie()))
}

/// GET: how far it is.
pub async fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    let service = Service::of(exchange).ok_or(off())?;
    let Some(user) = signed_in(exchange).await? else {
        return Ok(sign_in::first(exchange));
    };
    let browser = exchange.browser();
    let owner = Owner {
        browser: browser.secret(),
        username: &user.username,
    };
    let enrolments = enrolments(exchange);
    let progress = match enrolments.find(owner).await? {
        None => return Ok(Reply::see_other(exchange.generation.path(PATH))),
        Some(Progress::Open(enrolment)) => {
            let progress = service.look_at(&user, enrolment).await?;
            if let Progress::Over(_) = &progress {
                enrolments.set(owner, &progress).await?;
            }
            progress
        }
        Some(progress) => progress,
    };
    Ok(Reply::page(
        StatusCode::OK,
        service.enrolment(&user, &progress),
    ))
}

fn enrolments(exchange: &Exchange) -> DuoEnrolments<'_> {
    DuoEnrolments {
        storage: &*exchange.app.storage,
        world: &exchange.app.world,
    }
}

impl Service<'_> {
    /// Asks Duo to enrol the user. The answer is all that is known of it, whatever it is.
    async fn enrol(&self, user: &SignedIn) -> Progress {
        let world = &self.exchange.app.world;
        let storage = &*self.exchange.app.storage;
        let starts = DuoStarts { storage, world }.count(&user.username).await;
        if starts > self.exchange.generation.settings.rules.duo.max_starts {
            return Progress::Over(Ending::TooOften);
        }
        let Some(name) = self.name_at_duo(&user.username).await else {
            tracing::warn!(user = user.username, "nobody can tell the name at Duo");
            return Progress::Over(Ending::Refused);
        };
        let duo = &*self.exchange.generation.duo;
        let lifetime = self.exchange.generation.settings.enrolment.lifetime;
        let lifetime = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let begun = duo_auth::enroll(duo, self.application, &name, lifetime, &*world.clock).await;
        match begun {
            Ok(enrolment) => {
                self.write(user, "enrolment_started", &self.record(user, &enrolment));
                Progress::Open(Box::new(enrolment))
            }
            Err(error) => {
                tracing::warn!(%error, "Duo began no enrolment");
                Progress::Over(ending(&error))
            }
        }
    }

    /// Asks Duo how far it is; what Duo cannot say now it may say later.
    async fn look_at(&self, user: &SignedIn, enrolment: Box<Enrolment>) -> Result<Progress, Fault> {
        let duo = &*self.exchange.generation.duo;
        let clock = &*self.exchange.app.world.clock;
        let status = duo_auth::enroll_status(duo, self.application, &enrolment, clock).await;
        match status {
            Ok(EnrolStatus::Success) => self.keep(user, &enrolment).await,
            Ok(EnrolStatus::Waiting) if self.exchange.now < until(&enrolment) => {
                Ok(Progress::Open(enrolment))
            }
            Ok(EnrolStatus::Waiting | EnrolStatus::Invalid) => {
                self.write(user, "enrolment_expired", &self.record(user, &enrolment));
                Ok(Progress::Over(Ending::Expired))
            }
            Err(error) => {
                tracing::warn!(%error, "Duo did not say how far an enrolment is");
                Ok(Progress::Open(enrolment))
            }
        }
    }

    async fn keep(&self, user: &SignedIn, enrolment: &Enrolment) -> Result<Progress, Fault> {
        let record = self.record(user, enrolment);
        let one = Match {
            user: user.username.clone(),
            duo_user_id: enrolment.user_id.clone(),
            duo_username: enrolment.username.clone(),
            label: record.label.clone(),
        };
        let users = self.users(self.integration());
        match users.enrolled(&one, self.exchange.now).await? {
            Added::New | Added::Known => {
                self.write(user, "enrolled", &record);
                Ok(Progress::Over(Ending::Confirmed))
            }
            Added::Conflict => {
                tracing::error!(user = user.username, "an enrolment meets another Duo user");
                self.write(user, "enrolment_conflict", &record);
                Ok(Progress::Over(Ending::Conflict))
            }
        }
    }

    fn record(&self, user: &SignedIn, enrolment: &Enrolment) -> DuoUser {
        DuoUser {
            user: user.username.clone(),
            integration: self.integration().to_owned(),
            duo_user_id: enrolment.user_id.clone(),
            label: self.display_name(self.integration()),
            added: self.exchange.now,
            confirmed: None,
            broken: false,
        }
    }

    async fn name_at_duo(&self, username: &str) -> Option<String> {
        let generation = &self.exchange.generation;
        match &generation.settings.rules.duo.username {
            DuoUsername::Attribute(name) => {
                let record = generation.directory.record(username).await.ok()?;
                match record.get(name).map(Vec::as_slice) {
                    Some([value]) => Some(value.clone()),
                    _ => None,
                }
            }
            rule => rule.of(username),
        }
    }

    fn enrolment(&self, user: &SignedIn, progress: &Progress) -> View {
        let generation = &self.exchange.generation;
        let path = generation.path(DUO);
        let mut view = EnrolmentView {
            action: path.clone(),
            csrf: user.csrf.clone(),
            username: user.username.clone(),
            name: self.display_name(self.integration()),
            account: generation.path(PATH),
            check: path,
            state: state(progress),
            ..EnrolmentView::default()
        };
        if let Progress::Open(enrolment) = progress {
            view.qr = qr::data_url(&enrolment.qr_text());
            let link = &enrolment.activation_url;
            view.link = link.starts_with("https://").then(|| link.clone());
            view.expires = until(enrolment).strftime("%H:%M UTC").to_string();
        }
        if matches!(progress, Progress::Open(_) | Progress::Asking) {
            view.refresh = self.refresh();
        }
        View::Enrolment(view)
    }

    /// Where the page goes by itself next, a bounded number of times.
    fn refresh(&self) -> Option<String> {
        let query = Parameters::parse(self.exchange.query().as_bytes()).ok()?;
        let seen = query.value("look").unwrap_or("0").parse::<u32>().ok()?;
        let path = self.exchange.generation.path(DUO);
        (seen < REFRESHES).then(|| format!("{path}?look={}", seen + 1))
    }
}

fn ending(error: &DuoError) -> Ending {
    if error.is_about("username") {
        Ending::NameTaken
    } else if error.is_outage() {
        Ending::Unavailable
    } else {
        Ending::Refused
    }
}

/// The end of a text's key.
fn state(progress: &Progress) -> &'static str {
    match progress {
        Progress::Asking => "asking",
        Progress::Open(_) => "waiting",
        Progress::Over(Ending::Confirmed) => "confirmed",
        Progress::Over(Ending::Expired) => "expired",
        Progress::Over(Ending::NameTaken) => "name-taken",
        Progress::Over(Ending::Conflict) => "conflict",
        Progress::Over(Ending::Unavailable) => "unavailable",
        Progress::Over(Ending::TooOften) => "too-often",
        Progress::Over(Ending::Refused) => "refused",
    }
}
