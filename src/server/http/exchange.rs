//! One request with everything its handler needs, read once.

use crate::config::relying_party::Profile;
use crate::saml::metadata::{EntityDescriptor, MetadataResolver as _};
use crate::saml::request::{AuthnRequest, LocalRefusal};
use crate::server::app::App;
use crate::server::artifacts::Artifacts;
use crate::server::consents::Consents;
use crate::server::conversation::{BrowserHash, DuoStates, Executions};
use crate::server::generation::Generation;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::reply::Cookie;
use crate::server::logout::Logouts;
use crate::server::session::{Live, Sessions};
use crate::server::storage::StorageError;
use crate::server::world::hex;
use actix_web::HttpRequest;
use actix_web::http::{Method, header};
use jiff::Timestamp;
use std::sync::Arc;

/// Longer ones are cut: they only serve people who read logs.
const USER_AGENT: usize = 512;

/// A request being answered under one generation of the configuration.
#[derive(Debug)]
pub struct Exchange {
    /// The service.
    pub app: Arc<App>,
    /// The generation that answers, whatever is put in force meanwhile.
    pub generation: Arc<Generation>,
    /// Where it comes from.
    pub client: ClientAddress,
    /// When it came.
    pub now: Timestamp,
    request: HttpRequest,
}

/// The secret of this browser, and whether it has to be told.
#[derive(Clone, Debug)]
pub struct Browser {
    secret: String,
    fresh: bool,
}

impl Browser {
    /// A client that is no browser: nothing is bound to it, and no cookie set.
    pub fn none() -> Self {
        Self {
            secret: String::new(),
            fresh: false,
        }
    }

    /// What the store keeps.
    pub fn hash(&self) -> BrowserHash {
        BrowserHash::of(&self.secret)
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The cookie to set, if the browser does not have it yet.
    pub fn cookie(&self) -> Option<Cookie> {
        self.fresh.then(|| Cookie::Browser(self.secret.clone()))
    }
}

impl Exchange {
    /// Reads a request.
    pub fn new(app: Arc<App>, request: HttpRequest) -> Self {
        let generation = app.generation();
        let peer = request.peer_addr().map(|peer| peer.ip());
        let trusted = &generation.settings.http.trusted_proxies;
        Self {
            client: ClientAddress::of(peer, request.headers(), trusted),
            now: app.world.now(),
            app,
            generation,
            request,
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// The raw query.
    pub fn query(&self) -> &str {
        self.request.query_string()
    }

    /// The raw path.
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// A header's text, empty when absent.
    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        let value = self.request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The origin the browser addressed, in the form of RFC 6454 section 6.2; whoever uses it must
    /// compare it with origins the operator allowed.
    pub fn origin(&self) -> Option<String> {
        let info = self.request.connection_info();
        let scheme = match self.generation.settings.http.tls {
            Some(_) => "https",
            None if self.client.proven.is_some() => info.scheme(),
            None => "http",
        };
        let url = url::Url::parse(&format!("{scheme}://{}/", self.header(header::HOST))).ok()?;
        Some(url.origin().ascii_serialization())
    }

    /// `Accept-Language`.
    pub fn accept_language(&self) -> &str {
        self.header(header::ACCEPT_LANGUAGE)
    }

    /// `User-Agent`, cut.
    pub fn user_agent(&self) -> &str {
        let text = self.header(header::USER_AGENT);
        &text[..text.floor_char_boundary(USER_AGENT)]
    }

    /// The browser's secret, or a new one.
    pub fn browser(&self) -> Browser {
        match self.cookie(Cookie::BROWSER) {
            Some(secret) => Browser {
                secret: secret.to_owned(),
                fresh: false,
            },
            None => Browser {
                secret: hex(&self.app.world.bytes::<32>()),
                fresh: true,
            },
        }
    }

    /// Whether this browser is the one a login belongs to.
    pub fn is(&self, browser: &BrowserHash) -> bool {
        self.cookie(Cookie::BROWSER)
            .is_some_and(|secret| browser.matches(secret))
    }

    /// The session cookie's secret.
    pub fn session_secret(&self) -> Option<&str> {
        self.cookie(Cookie::SESSION)
    }

    /// Who asks: what metadata says today, or our own page.
    pub async fn relying_party(&self, request: &AuthnRequest) -> Option<Arc<EntityDescriptor>> {
        if request.is_own() {
            return Some(Arc::clone(&self.generation.account));
        }
        let metadata = &self.app.metadata;
        metadata.prepare(&request.issuer, self.now).await;
        metadata.current().entity(&request.issuer, self.now)
    }

    /// A text in the browser's language.
    pub fn text(&self, key: &str) -> String {
        self.generation.pages.text(self.accept_language(), key)
    }

    /// What holds for this relying party. Where a script does not say, nothing does.
    pub fn profile(
        &self,
        relying_party: &Arc<EntityDescriptor>,
    ) -> Result<Arc<Profile>, LocalRefusal> {
        let generation = &self.generation;
        let profile = generation
            .profiles
            .profile(&generation.settings, relying_party, self.now);
        profile.map_err(|reason| {
            let relying_party = &relying_party.entity_id;
            tracing::error!(?relying_party, %reason, "no profile");
            LocalRefusal {
                event: "InvalidProfileConfiguration",
                reason: "it is undecided what holds for this relying party",
                claimed_issuer: Some(relying_party.clone()),
            }
        })
    }

    /// The secret of a remembered browser's cookie.
    pub fn remembered_secret(&self) -> Option<&str> {
        self.cookie(Cookie::REMEMBERED)
    }

    /// The store's sessions.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions {
            storage: &*self.app.storage,
            settings: &self.generation.settings.session,
            world: &self.app.world,
        }
    }

    /// This browser's session, if it lives and may be used from here.
    pub async fn live_session(&self) -> Result<Option<Live>, StorageError> {
        match self.session_secret() {
            Some(secret) => self.sessions().find(secret, self.client.proven).await,
            None => Ok(None),
        }
    }

    /// The store's logouts.
    pub fn logouts(&self) -> Logouts<'_> {
        Logouts::new(&*self.app.storage)
    }

    /// The store's logins.
    pub fn executions(&self) -> Executions<'_> {
        Executions::new(&*self.app.storage)
    }

    /// The store's messages that wait for their artifact.
    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts {
            storage: &*self.app.storage,
            world: &self.app.world,
        }
    }

    /// The store's consents.
    pub fn consents(&self) -> Consents<'_> {
        Consents {
            storage: &*self.app.storage,
            settings: &self.generation.settings.consent,
            world: &self.app.world,
        }
    }

    /// The store's Duo states.
    pub fn duo_states(&self) -> DuoStates<'_> {
        DuoStates(&*self.app.storage)
    }

    /// A cookie that looks like one of ours: 64 hexadecimal digits.
    fn cookie(&self, name: &str) -> Option<&str> {
        let prefix = if self.generation.settings.base_url.secure {
            "__Host-"
        } else {
            ""
        };
        self.request
            .headers()
            .get_all(header::COOKIE)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(known, _)| known.strip_prefix(prefix) == Some(name))
            .map(|(_, value)| value)
            .filter(|value| value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}
