//! `/profile/account/duo`, the user's own Duo: seen, renamed, looked up, removed; [`super::enrol`]
//! adds to it.

use super::{DUO, SIGN_IN, SignedIn, day, page, submitted};
use crate::authn::evidence::Evidence;
use crate::authn::login::{DuoRecord, Success};
use crate::authn::self_service::{Needs, SelfService, Standing};
use crate::duo::auth_api::Subject;
use crate::duo::integration::Integration;
use crate::server::back_end::duo::auth as duo_auth;
use crate::server::duo_users::{DuoUser, DuoUsers, home_of};
use crate::server::duo_uses::DuoUses;
use crate::server::http::account::{PATH, enrol};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::visit::Visit;
use crate::server::journal::{Journal, Who};
use crate::server::pages::account::{DuoAccountView, DuoUserView};
use actix_web::http::StatusCode;

/// Longest name a user may give.
const LONGEST_LABEL: usize = 64;

/// Users may change their own factors, and the Auth API that it takes.
pub(super) struct Service<'e> {
    pub(super) exchange: &'e Exchange,
    pub(super) rules: &'e SelfService,
    /// The Auth API application.
    pub(super) application: &'e Integration,
}

/// What is to be told instead of what was asked for.
type Notice = (StatusCode, &'static str);

impl<'e> Service<'e> {
    /// `None` when it is switched off.
    pub(super) fn of(exchange: &'e Exchange) -> Option<Self> {
        let settings = &exchange.generation.settings;
        Some(Self {
            exchange,
            rules: settings.enrolment.self_service.as_ref()?,
            application: &settings.duo_auth_api.as_ref()?.integration,
        })
    }

    /// The integration that enrolled users belong to.
    pub(super) fn integration(&self) -> &'e str {
        let integrations = &self.exchange.generation.settings.rules.duo.integrations;
        home_of(self.application, integrations)
    }

    pub(super) fn display_name(&self, integration: &str) -> String {
        let integrations = &self.exchange.generation.settings.rules.duo.integrations;
        let integration = integrations.get(integration);
        integration.map_or_else(|| "Duo".to_owned(), |one| one.display_name.clone())
    }

    pub(super) fn users<'s>(&'s self, integration: &'s str) -> DuoUsers<'s> {
        DuoUsers {
            storage: &*self.exchange.app.storage,
            integration,
        }
    }

    /// The user's records, whatever integration they are of.
    pub(super) async fn records(&self, user: &SignedIn) -> Result<Vec<DuoUser>, Fault> {
        let integrations = &self.exchange.generation.settings.rules.duo.integrations;
        let mut records = Vec::new();
        for integration in integrations.keys() {
            records.extend(self.users(integration).of(&user.username).await?);
        }
        Ok(records)
    }

    /// One line of what was changed, in Duo's trail.
    pub(super) fn write(&self, user: &SignedIn, what: &str, record: &DuoUser) {
        let settings = &self.exchange.generation.settings;
        let transaction = self.exchange.app.world.id();
        let journal = Journal {
            settings,
            world: &self.exchange.app.world,
            who: Who {
                transaction: &transaction,
                started: self.exchange.now,
                client: self.exchange.client.recorded,
                user_agent: self.exchange.user_agent(),
            },
        };
        let page = &self.exchange.generation.account.entity_id;
        journal.duo(
            page,
            &DuoRecord {
                username: user.username.clone(),
                client_id: self.application.client_id.clone(),
                device_id: record.duo_user_id.clone(),
                device_name: record.label.clone(),
                reason: what.to_owned(),
                ..DuoRecord::default()
            },
        );
    }

    async fn act(&self, user: &SignedIn, form: &Parameters) -> Result<Option<Notice>, Fault> {
        let integration = form.value("integration").ok_or(Fault::BAD_REQUEST)?;
        let users = self.users(integration);
        let Some(record) = users.of(&user.username).await? else {
            return Ok(Some((StatusCode::NOT_FOUND, "gone")));
        };
        match form.value("_eventId") {
            Some("rename") => self.rename(user, &record, form.value("label")).await,
            Some("look") => self.look(user, &record).await,
            Some("remove") => self.remove(user, &record).await,
            _ => Err(Fault::BAD_REQUEST),
        }
    }

    async fn rename(
        &self,
        user: &SignedIn,
        record: &DuoUser,
        label: Option<&str>,
    ) -> Result<Option<Notice>, Fault> {
        let label = label.unwrap_or_default().trim();
        let length = label.chars().count();
        if length == 0 || length > LONGEST_LABEL || label.chars().any(char::is_control) {
            return Ok(Some((StatusCode::BAD_REQUEST, "label")));
        }
        let users = self.users(&record.integration);
        let rename = |record: &mut DuoUser| label.clone_into(&mut record.label);
        users
            .change(&user.username, self.exchange.now, rename)
            .await?;
        Ok(None)
    }

    /// Asks Duo whether it still knows the user by the id we keep.
    async fn look(&self, user: &SignedIn, record: &DuoUser) -> Result<Option<Notice>, Fault> {
        if record.integration != self.integration() {
            return Err(Fault::BAD_REQUEST);
        }
        let generation = &self.exchange.generation;
        let clock = &*self.exchange.app.world.clock;
        let subject = Subject::UserId(record.duo_user_id.clone());
        let answer =
            duo_auth::preauth(&*generation.duo, self.application, &subject, None, clock).await;
        let broken = match answer {
            Ok(_) => false,
            Err(error) if error.is_about("user_id") => true,
            Err(error) => {
                tracing::warn!(%error, "Duo did not say whether it knows a user");
                return Ok(Some((StatusCode::BAD_GATEWAY, "unavailable")));
            }
        };
        let now = self.exchange.now;
        let note = move |record: &mut DuoUser| {
            record.broken = broken;
            record.confirmed = if broken { record.confirmed } else { Some(now) };
        };
        let users = self.users(&record.integration);
        users.change(&user.username, now, note).await?;
        if broken {
            self.write(user, "user_unknown", record);
        }
        Ok(None)
    }

    /// S42: what protects the account goes only with a fresh proof of it; what Duo does not know any
    /// more protects nothing.
    async fn remove(&self, user: &SignedIn, record: &DuoUser) -> Result<Option<Notice>, Fault> {
        let standing = standing(user, std::slice::from_ref(record));
        if !record.broken && self.rules.may_remove(&standing, self.exchange.now).is_err() {
            return Ok(Some((StatusCode::FORBIDDEN, "needs-duo")));
        }
        let users = self.users(&record.integration);
        users.remove(&user.username, self.exchange.now).await?;
        let browsers = self.exchange.remembered_browsers();
        browsers.revoke(&user.username, None).await?;
        self.write(user, "removed", record);
        Ok(None)
    }

    fn user_view(&self, record: DuoUser, last_used: Option<jiff::Timestamp>) -> DuoUserView {
        DuoUserView {
            lookable: record.integration == self.integration(),
            name: self.display_name(&record.integration),
            integration: record.integration,
            label: record.label,
            added: day(record.added),
            confirmed: record.confirmed.map(day),
            last_used: last_used.map(day),
            broken: record.broken,
        }
    }
}

/// What is proved now, and whether there is anything to protect.
pub(super) fn standing(user: &SignedIn, records: &[DuoUser]) -> Standing {
    let standing = user.standing();
    let known = records.iter().any(|record| !record.broken);
    Standing {
        enrolled: standing.enrolled || known,
        ..standing
    }
}

/// POST: enrols, renames, looks up or removes.
pub async fn change(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let service = Service::of(exchange).ok_or(off())?;
    let (user, form) = match submitted(exchange, body).await? {
        Ok(submitted) => submitted,
        Err(reply) => return Ok(reply),
    };
    if form.value("_eventId") == Some("enrol") {
        return enrol::begin(&service, &user).await;
    }
    match service.act(&user, &form).await? {
        None => Ok(Reply::see_other(exchange.generation.path(PATH))),
        Some((status, notice)) => page(exchange, &user, status, Some(notice)).await,
    }
}

/// What is switched off is not there.
pub(super) fn off() -> Fault {
    Fault::Request(StatusCode::NOT_FOUND, "NotFound")
}

/// The account page's part, if users may change their own factors.
pub(super) async fn view(
    exchange: &Exchange,
    user: &SignedIn,
) -> Result<Option<DuoAccountView>, Fault> {
    let Some(service) = Service::of(exchange) else {
        return Ok(None);
    };
    let records = service.records(user).await?;
    let standing = standing(user, &records);
    let last = DuoUses(&*exchange.app.storage).of(&user.username).await?;
    let enrol = service.rules.may_enrol(&standing, exchange.now);
    let users = records.into_iter().map(|record| {
        let last_used = last.get(&record.integration).copied();
        service.user_view(record, last_used)
    });
    Ok(Some(DuoAccountView {
        action: exchange.generation.path(DUO),
        sign_in: exchange.generation.path(SIGN_IN),
        name: service.display_name(service.integration()),
        removable: service.rules.may_remove(&standing, exchange.now).is_ok(),
        enrol: enrol.map_or_else(needs, |()| "allowed"),
        users: users.collect(),
    }))
}

/// The end of a text's key.
pub(super) fn needs(needs: Needs) -> &'static str {
    match needs {
        Needs::Duo => "needs-duo",
        Needs::Password => "needs-password",
        Needs::Administrator => "administrator",
    }
}

impl Visit<'_> {
    /// Notes when the user confirmed with Duo, where the account page will show it.
    pub(in crate::server::http) async fn note_use(&self, success: &Success) {
        if self
            .exchange
            .generation
            .settings
            .enrolment
            .self_service
            .is_none()
        {
            return;
        }
        let factors = success.result.factors().values();
        for factor in factors.filter(|factor| !factor.previous()) {
            let Evidence::Duo(duo) = factor.evidence() else {
                continue;
            };
            let uses = DuoUses(&*self.exchange.app.storage);
            let noted = uses.note(duo.username(), duo.integration(), duo.at());
            if let Err(error) = noted.await {
                tracing::warn!(%error, "a use of Duo could not be noted");
            }
        }
    }
}
