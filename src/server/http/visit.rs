//! A login on its way through one request: advanced until it needs the browser or is over.
//!
//! [`Visit::advance`] is the one place that decides what a step of a login becomes.

use crate::authn::event::Event;
use crate::authn::facts::RequestFacts;
use crate::authn::login::{
    Answer, Call, DuoProblem, Expiry, Input, Login, Page, PasswordProblem, Presented, Record,
    Start, Step,
};
use crate::authn::remembered::BrowserRemembered;
use crate::config::relying_party::Profile;
use crate::saml::binding::Binding;
use crate::saml::ecp::ChannelBindings;
use crate::saml::metadata::EntityDescriptor;
use crate::saml::own_metadata::SSO_ENDPOINTS;
use crate::saml::request::{AuthnRequest, LocalRefusal};
use crate::server::conversation::{Asked, Conversation, Execution};
use crate::server::http::account;
use crate::server::http::ask;
use crate::server::http::exchange::{Browser, Exchange};
use crate::server::http::reply::{Fault, Reply};
use crate::server::journal::{Journal, Who};
use crate::server::pages::{DuoView, ExpiringPasswordView, LoginView, ServiceView, View};
use crate::server::session::{Live, later};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A login and the request that moves it.
#[derive(Debug)]
pub struct Visit<'e> {
    /// The request.
    pub exchange: &'e Exchange,
    /// What the login answers.
    pub asked: Asked,
    /// The relying party as metadata knows it now.
    pub relying_party: Arc<EntityDescriptor>,
    /// What holds for it.
    pub profile: Arc<Profile>,
    /// The browser's session.
    pub live: Option<Live>,
    /// Where the login stands in the store.
    pub place: Place,
    /// Whose it is.
    pub browser: Browser,
    /// What its forms carry.
    pub csrf: String,
    /// What an enhanced client's answer confirms.
    pub channel_bindings: Vec<ChannelBindings>,
}

/// Where a login stands in the store.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nowhere yet: most logins with a session never need to.
    New,
    /// Under this id, read at this version.
    At {
        /// The id.
        id: String,
        /// The version.
        version: u64,
    },
}

/// What the browser is to do while the login waits.
enum Wait {
    Show,
    Leave(String),
}

/// How often back ends are asked within one request; the machine has its own bound for a login.
const CALLS: usize = 32;

impl<'e> Visit<'e> {
    /// Takes a login up: looks up its relying party and the browser's session.
    pub async fn new(
        exchange: &'e Exchange,
        asked: Asked,
        place: Place,
        csrf: String,
    ) -> Result<Self, Fault> {
        let mut visit = Self::of_enhanced_client(exchange, asked, Vec::new()).await?;
        visit.live = exchange.live_session().await?;
        Ok(Self {
            browser: exchange.browser(),
            place,
            csrf,
            ..visit
        })
    }

    /// Takes up the login of a client that is no browser: it has no session and no cookie, and its
    /// login never waits in the store.
    pub async fn of_enhanced_client(
        exchange: &'e Exchange,
        asked: Asked,
        channel_bindings: Vec<ChannelBindings>,
    ) -> Result<Self, Fault> {
        let relying_party = exchange.relying_party(&asked.request).await;
        let relying_party = relying_party.ok_or_else(|| unknown(&asked))?;
        let profile = exchange.profile(&relying_party);
        let profile = profile.map_err(|refusal| Fault::refused(&refusal, &asked.transaction))?;
        Ok(Self {
            exchange,
            asked,
            relying_party,
            profile,
            live: None,
            place: Place::New,
            browser: Browser::none(),
            csrf: String::new(),
            channel_bindings,
        })
    }

    /// Begins the login, or begins it again from its request.
    pub async fn begin(self) -> Result<Reply, Fault> {
        let remembered = self.exchange.remembered_browser().await?;
        self.start(remembered, None).await
    }

    /// Begins the login of a client that is no browser with what it brought along.
    pub async fn begin_with(self, presented: Presented) -> Result<Reply, Fault> {
        self.start(None, Some(presented)).await
    }

    async fn start(
        self,
        remembered: Option<BrowserRemembered>,
        presented: Option<Presented>,
    ) -> Result<Reply, Fault> {
        if !self.exchange.app.world.audit.ready() {
            return Err(Fault::Audit);
        }
        let start = Start {
            transaction: self.asked.transaction.clone(),
            rp: self.profile.facts.clone(),
            request: self.request_facts(),
            default_classes: self.profile.default_classes.clone(),
            terms: self.profile.terms.clone(),
            earlier: self.live.as_ref().map(Live::earlier).unwrap_or_default(),
            remembered,
            presented,
        };
        let login = Login::new(start, &self.exchange.generation.settings.rules);
        self.advance(login, Input::Begin).await
    }

    /// Advances the login and does what its step says.
    pub async fn advance(self, login: Login, input: Input) -> Result<Reply, Fault> {
        let rules = &self.exchange.generation.settings.rules;
        let (mut login, mut input, mut records) = (login, input, Vec::new());
        for _ in 0..CALLS {
            let turn = login.advance(input, rules, &self.exchange.app.world.moment());
            records.extend(turn.records);
            match turn.step {
                Step::Call(call, next) => {
                    input = Input::Answer(self.ask(call).await);
                    login = next;
                }
                Step::Show(page, login) => {
                    self.log_trouble(&page);
                    return self.park(login, records, Wait::Show).await;
                }
                Step::Redirect(url, login) => {
                    return self.park(login, records, Wait::Leave(url)).await;
                }
                Step::Finish(verdict) => return self.conclude(verdict, &records).await,
            }
        }
        Err(Fault::Defect("a login asks without end".to_owned()))
    }

    /// Shows the page of a login that waits. Showing changes nothing, so nothing is stored: a
    /// reload costs the login none of its steps.
    pub async fn revisit(self, login: Login) -> Result<Reply, Fault> {
        let rules = &self.exchange.generation.settings.rules;
        let moment = self.exchange.app.world.moment();
        let turn = login.clone().advance(Input::Revisit, rules, &moment);
        match (turn.step, &self.place) {
            (Step::Show(page, _), Place::At { id, .. }) if turn.records.is_empty() => {
                let url = execution_url(self.exchange, &self.asked.request, id);
                Ok(self.show(page, url))
            }
            _ => self.advance(login, Input::Revisit).await,
        }
    }

    /// The lines of this login.
    pub fn journal(&self) -> Journal<'_> {
        Journal {
            settings: &self.exchange.generation.settings,
            world: &self.exchange.app.world,
            who: Who::from(&self.asked),
        }
    }

    /// Whether the client is no browser: only such a one is answered by PAOS.
    pub(super) fn is_enhanced_client(&self) -> bool {
        self.asked.request.acs.endpoint.binding == Binding::Paos
    }

    /// Who asks, for a page.
    pub fn service(&self) -> ServiceView {
        let language = self
            .exchange
            .generation
            .pages
            .language(self.exchange.accept_language());
        let mut view = service_view(&self.relying_party, language);
        if self.asked.request.is_own() {
            view.name = self.exchange.text("account.title");
        }
        if let Some(name) = &self.profile.display_name {
            view.name.clone_from(name);
        }
        view
    }

    async fn ask(&self, call: Call) -> Answer {
        ask::ask(self.exchange, call).await
    }

    /// Stores the login and lets the browser go; the request that was slower sees what the faster
    /// one left.
    async fn park(self, login: Login, records: Vec<Record>, wait: Wait) -> Result<Reply, Fault> {
        if self.is_enhanced_client() {
            return Err(Fault::Defect("a client without a browser waits".to_owned()));
        }
        let state = login.pending_state().map(str::to_owned);
        let (id, won) = self.store(&self.open(login)).await?;
        let kept = records
            .into_iter()
            .filter(|record| won || matches!(record, Record::Password { .. }));
        self.journal()
            .records(&self.asked, &kept.collect::<Vec<_>>());
        let current = execution_url(self.exchange, &self.asked.request, &id);
        let cookie = self.browser.cookie();
        let reply = match wait {
            Wait::Leave(url) if won => {
                if let Some(state) = state {
                    let states = self.exchange.duo_states();
                    states.remember(&state, &id, self.expiry()).await?;
                }
                Reply::see_other(url)
            }
            Wait::Show | Wait::Leave(_) => Reply::see_other(current),
        };
        Ok(reply.with(cookie))
    }

    fn open(&self, login: Login) -> Execution {
        Execution::Open(Box::new(Conversation {
            asked: self.asked.clone(),
            generation: self.exchange.generation.settings.fingerprint.clone(),
            browser: self.browser.hash(),
            csrf: self.csrf.clone(),
            login,
        }))
    }

    /// Stores what waits for the browser: its id, and whether this request was the faster one.
    pub(super) async fn store(&self, execution: &Execution) -> Result<(String, bool), Fault> {
        let executions = self.exchange.executions();
        match &self.place {
            Place::New => {
                let id = self.exchange.app.world.id();
                executions.create(&id, execution, self.expiry()).await?;
                Ok((id, true))
            }
            Place::At { id, version } => {
                let expiry = self.expiry();
                let won = executions.replace(id, *version, execution, expiry).await?;
                Ok((id.clone(), won))
            }
        }
    }

    fn expiry(&self) -> jiff::Timestamp {
        let lifetime = self.exchange.generation.settings.session.login_lifetime;
        later(self.exchange.app.world.now(), lifetime)
    }

    /// Once, when it happens, not whenever the page is looked at.
    fn log_trouble(&self, page: &Page) {
        if let Page::Duo {
            problem: Some(problem),
            ..
        } = page
        {
            let transaction = &self.asked.transaction;
            let why = trouble(problem);
            self.exchange
                .app
                .world
                .counters
                .trouble(duo_problem(problem));
            tracing::warn!(transaction, why, "the Duo step stopped");
        }
    }

    fn show(self, page: Page, action: String) -> Reply {
        let service = self.service();
        let csrf = self.csrf.clone();
        let view = match page {
            Page::Password { error, username } => View::Login(LoginView {
                action,
                csrf,
                username,
                problem: error.map(password_problem),
                passwordless: false,
                other_way: false,
                change_url: (error == Some(PasswordProblem::Expired))
                    .then(|| self.change_url())
                    .flatten(),
            }),
            Page::ExpiringPassword(expiry) => {
                let (left, number) = left(expiry);
                View::ExpiringPassword(ExpiringPasswordView {
                    action,
                    csrf,
                    left,
                    number: number.to_string(),
                    change_url: self.change_url(),
                })
            }
            Page::Username { missing, other_way } => View::Login(LoginView {
                action,
                csrf,
                username: String::new(),
                problem: missing.then_some("missing-name"),
                passwordless: true,
                other_way,
                change_url: None,
            }),
            Page::Duo {
                username,
                name,
                integration,
                problem,
                other_way,
                remember,
            } => View::Duo(DuoView {
                style: self.exchange.generation.pages.style(&name),
                action,
                csrf,
                username,
                integration,
                problem: problem.as_ref().map(duo_problem),
                other_way,
                remember,
            }),
        };
        Reply::login_page(view, &self.asked.transaction, service).with(self.browser.cookie())
    }

    fn change_url(&self) -> Option<String> {
        let settings = &self.exchange.generation.settings;
        settings.password.change_url.clone()
    }

    fn request_facts(&self) -> RequestFacts {
        let request = &self.asked.request;
        RequestFacts {
            requested: request.requested.clone(),
            force_authn: request.force_authn,
            is_passive: request.is_passive,
            signed: request.signed,
            binding: request.binding.uri().to_owned(),
            non_browser: self.is_enhanced_client(),
            origin: self.exchange.origin(),
            client_ip: self.exchange.client.proven,
            user_agent: self.exchange.user_agent().to_owned(),
            headers: BTreeMap::new(),
        }
    }
}

/// The relying party left our metadata after its request was accepted (attack S28).
fn unknown(asked: &Asked) -> Fault {
    let refusal = LocalRefusal {
        event: "InvalidProfileConfiguration",
        reason: "the relying party is no longer in metadata",
        claimed_issuer: Some(asked.request.issuer.clone()),
    };
    Fault::refused(&refusal, &asked.transaction)
}

/// Where a login's pages live: the endpoint its request came to.
pub fn execution_url(exchange: &Exchange, request: &AuthnRequest, id: &str) -> String {
    let mut endpoints = SSO_ENDPOINTS.into_iter();
    let own = endpoints.find(|(binding, _)| *binding == request.binding);
    let endpoint = match own {
        _ if request.is_own() => account::SIGN_IN,
        Some((_, endpoint)) => endpoint,
        None => SSO_ENDPOINTS[0].1,
    };
    exchange
        .generation
        .path(&format!("{endpoint}?execution={id}"))
}

/// The relying party, for a page in this language.
pub(super) fn service_view(entity: &EntityDescriptor, language: &str) -> ServiceView {
    let languages = [language.to_owned()];
    let ui = &entity.sp.ui;
    let in_language = |texts: &[crate::saml::metadata::Localized]| {
        let matching = texts.iter().find(|text| text.lang == language);
        matching.or(texts.first()).map(|text| text.value.clone())
    };
    ServiceView {
        name: entity.display_name(&languages),
        description: in_language(&ui.descriptions),
        logo: ui.logos.first().map(|logo| logo.url.clone()),
        information_url: in_language(&ui.information_urls),
        privacy_url: in_language(&ui.privacy_statement_urls),
    }
}

fn password_problem(problem: PasswordProblem) -> &'static str {
    match problem {
        PasswordProblem::Missing => "missing",
        PasswordProblem::Refused => "refused",
        PasswordProblem::Expired => "expired",
        PasswordProblem::Unavailable => "unavailable",
    }
}

/// What is left of a password, and how much.
fn left(expiry: Expiry) -> (&'static str, u64) {
    const DAY: u64 = 24 * 60 * 60;
    match expiry {
        Expiry::Seconds(seconds) if seconds < 2 * DAY => ("day", 1),
        Expiry::Seconds(seconds) => ("days", seconds / DAY),
        Expiry::Logins(logins) => ("logins", logins),
    }
}

/// What an administrator needs to know: whose fault it is, and how far the clock is off.
fn trouble(problem: &DuoProblem) -> String {
    match problem {
        DuoProblem::Unavailable(error) => format!("health check: {error}"),
        DuoProblem::Exchange(error) => format!("code exchange: {error}"),
        DuoProblem::Token(error) => format!("result token: {error}"),
        other => format!("{other:?}"),
    }
}

fn duo_problem(problem: &DuoProblem) -> &'static str {
    match problem {
        DuoProblem::Unavailable(_) => "unavailable",
        DuoProblem::ErrorCallback { .. } => "error-callback",
        DuoProblem::State => "state",
        DuoProblem::Expired => "expired",
        DuoProblem::Exchange(_) => "exchange",
        DuoProblem::Token(_) => "token",
        DuoProblem::TooOften => "too-often",
        DuoProblem::Factor => "factor",
        DuoProblem::Policy => "policy",
    }
}

/// The event of a login that its browser left behind.
pub const ABANDONED: Event = Event::NoCredentials;
