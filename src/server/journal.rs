//! From what happened to lines in the audit: the one place where the server writes them.

use crate::audit::{self, Category, ConsentAnswer, Exchange, Issued, LoggedOut, PasswordCheck};
use crate::authn::login::{DuoRecord, Failure, Record, Success};
use crate::config::settings::Settings;
use crate::saml::binding::Binding;
use crate::saml::logout::LogoutRefusal;
use crate::saml::request::{LocalRefusal, RelyingPartyRefusal};
use crate::saml::status::Status;
use crate::server::conversation::Asked;
use crate::server::logout::Begun;
use crate::server::world::{AuditUnavailable, World};
use jiff::Timestamp;
use std::net::IpAddr;

/// Writes the lines of one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a> {
    /// Formats and our name.
    pub settings: &'a Settings,
    /// Time, and where lines go.
    pub world: &'a World,
    /// Whose lines they are.
    pub who: Who<'a>,
}

/// What every line of a transaction says of its client.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The transaction id.
    pub transaction: &'a str,
    /// When it started.
    pub started: Timestamp,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// `User-Agent`, cut.
    pub user_agent: &'a str,
}

impl<'a> From<&'a Asked> for Who<'a> {
    fn from(asked: &'a Asked) -> Self {
        Self {
            transaction: &asked.transaction,
            started: asked.started,
            client: asked.client,
            user_agent: &asked.user_agent,
        }
    }
}

impl<'a> From<&'a Begun> for Who<'a> {
    fn from(begun: &'a Begun) -> Self {
        Self {
            transaction: &begun.transaction,
            started: begun.started,
            client: begun.client,
            user_agent: &begun.user_agent,
        }
    }
}

/// Whether the line that allows an answer was written.
pub type Written = Result<(), AuditUnavailable>;

impl Journal<'_> {
    /// A login succeeded and its answer is about to be sent.
    pub fn success(
        &self,
        asked: &Asked,
        success: &Success,
        issued: &Issued<'_>,
        session: &str,
    ) -> Written {
        let exchange = self.exchange(Some(session));
        let fields = audit::sso_success(&exchange, &asked.request, success, issued);
        self.sso(&fields)?;
        self.world.counters.success(success);
        Ok(())
    }

    /// Somebody signed in to a page of ours.
    pub fn own(&self, asked: &Asked, success: &Success, session: &str) -> Written {
        let exchange = self.exchange(Some(session));
        self.sso(&audit::sso_own(&exchange, &asked.request, success))
    }

    /// A login failed, was cancelled or abandoned; `answered` is what the relying party is told.
    pub fn failure(&self, asked: &Asked, failure: &Failure, answered: Option<&Status>) -> Written {
        self.world.counters.failure(failure);
        let exchange = self.exchange(None);
        self.sso(&audit::sso_failure(
            &exchange,
            &asked.request,
            failure,
            answered,
        ))
    }

    /// A request was refused with an answer to its relying party.
    pub fn refusal(&self, refusal: &RelyingPartyRefusal, inbound: Binding) -> Written {
        self.world.counters.refused_to_relying_party();
        let exchange = self.exchange(None);
        self.sso(&audit::sso_refusal(&exchange, refusal, inbound))
    }

    /// A request ended on our own page.
    pub fn local(&self, refusal: &LocalRefusal, inbound: Option<Binding>) -> Written {
        tracing::warn!(
            transaction = self.who.transaction,
            event = refusal.event,
            reason = refusal.reason,
            issuer = ?refusal.claimed_issuer.as_deref().unwrap_or_default(),
            "request refused"
        );
        self.world.counters.refused_to_user();
        let exchange = self.exchange(None);
        self.sso(&audit::sso_local(&exchange, refusal, inbound))
    }

    /// A user answered a question about consent.
    pub fn consent(&self, asked: &Asked, answer: &ConsentAnswer<'_>) -> Written {
        let exchange = self.exchange(None);
        let fields = audit::consent(&exchange, &asked.request.issuer, answer);
        self.keep(Category::Consent, self.settings.audit.consent.line(&fields))
    }

    /// A logout is over. The session has ended whether or not its line can be kept.
    pub fn logout(&self, session: Option<&str>, ended: &LoggedOut<'_>) {
        let exchange = self.exchange(session);
        self.write(Category::Logout, &audit::logout(&exchange, ended));
    }

    /// A logout message was refused.
    pub fn logout_refused(&self, refusal: &LogoutRefusal, inbound: Binding) {
        tracing::warn!(
            transaction = self.who.transaction,
            event = refusal.event,
            reason = refusal.reason,
            issuer = ?refusal.claimed_issuer.as_deref().unwrap_or_default(),
            "logout message refused"
        );
        let exchange = self.exchange(None);
        let fields = audit::logout_refused(&exchange, refusal, inbound);
        self.write(Category::Logout, &fields);
    }

    /// What a step of a login left to remember. These lines tell of factors; the login's own line
    /// follows, and its failure is the one that refuses.
    pub fn records(&self, asked: &Asked, records: &[Record]) {
        let exchange = self.exchange(None);
        for record in records {
            match record {
                Record::Password {
                    username,
                    outcome,
                    validator,
                } => {
                    let check = PasswordCheck {
                        username,
                        transformed: username,
                        outcome,
                        validator,
                    };
                    let fields = audit::password(&exchange, &asked.request, &check);
                    self.world.counters.password(outcome);
                    self.write(Category::Password, &fields);
                }
                Record::Note(line) => tracing::info!(
                    transaction = self.who.transaction,
                    note = line.as_str(),
                    "the policy says"
                ),
                Record::Trouble(why) => tracing::warn!(
                    transaction = self.who.transaction,
                    why = why.as_str(),
                    "the Duo step stopped"
                ),
                Record::Duo(record) => {
                    let fields = audit::duo(&exchange, &asked.request.issuer, record);
                    self.world.counters.duo(record);
                    self.write(Category::Duo, &fields);
                }
                Record::Unknown(what, word) => {
                    self.world.counters.unknown(*what);
                    tracing::error!(
                        transaction = self.who.transaction,
                        what = what.as_str(),
                        ?word,
                        "Duo named something that vestibule.duo.evidence.* does not know; it claims nothing"
                    );
                }
            }
        }
    }

    /// A user changed something about their own Duo on our page.
    pub fn duo(&self, page: &str, record: &DuoRecord) {
        let exchange = self.exchange(None);
        self.write(Category::Duo, &audit::duo(&exchange, page, record));
    }

    fn exchange<'s>(&'s self, session: Option<&'s str>) -> Exchange<'s> {
        Exchange {
            transaction: self.who.transaction,
            client: self.who.client,
            user_agent: self.who.user_agent,
            started: self.who.started,
            now: self.world.now(),
            issuer: &self.settings.entity_id,
            session,
            shorten_bindings: self.settings.audit.shorten,
        }
    }

    fn sso(&self, fields: &audit::Fields<'_>) -> Written {
        self.keep(Category::Sso, self.settings.audit.sso.line(fields))
    }

    fn write(&self, category: Category, fields: &audit::Fields<'_>) {
        let audit = &self.settings.audit;
        let format = match category {
            Category::Password => audit.password.as_ref(),
            Category::Duo => audit.duo.as_ref(),
            Category::Consent => Some(&audit.consent),
            Category::Sso | Category::Logout => Some(&audit.sso),
        };
        let Some(format) = format else { return };
        if self.keep(category, format.line(fields)).is_err() {
            tracing::error!(?category, "an audit line could not be written");
        }
    }

    fn keep(&self, category: Category, line: String) -> Written {
        let written = self.world.audit.write(category, line);
        written.inspect_err(|_| self.world.counters.unwritten())
    }
}
