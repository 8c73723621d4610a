//! What is answered, as a value; one place turns it into HTTP and adds the headers that protect it.

use crate::saml::request::LocalRefusal;
use crate::saml::soap::{self, FaultCode, SoapError};
use crate::server::http::exchange::Exchange;
use crate::server::pages::{Frame, ServiceView, View};
use crate::server::storage::StorageError;
use crate::server::world::AuditUnavailable;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use std::fmt::Write as _;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    content: Content,
    cookies: Vec<Cookie>,
}

#[derive(Debug)]
enum Content {
    Page(Box<Page>),
    SeeOther(String),
    Challenge,
    Octets {
        content_type: &'static str,
        octets: Vec<u8>,
        keep: bool,
    },
}

#[derive(Debug)]
struct Page {
    view: View,
    transaction: Option<String>,
    service: Option<ServiceView>,
}

/// A cookie to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Binds unfinished logins to this browser.
    Browser(String),
    /// The single sign-on session.
    Session(String),
    /// The single sign-on session is over.
    SessionEnded,
    /// The browser is remembered, for so long.
    Remembered(String, Duration),
}

impl Cookie {
    /// The name of the browser-binding cookie.
    pub const BROWSER: &'static str = "vestibule_browser";
    /// The name of the session cookie.
    pub const SESSION: &'static str = "shib_idp_session";
    /// The name of the cookie of a remembered browser.
    pub const REMEMBERED: &'static str = "vestibule_remembered";
}

/// Why a request is answered with a page that explains.
#[derive(Debug)]
pub enum Fault {
    /// The store failed or is full.
    Storage(StorageError),
    /// The audit cannot keep what would have to be remembered.
    Audit,
    /// The login is gone, or another browser's.
    Expired(StatusCode),
    /// The request was refused on our own page; its line is written.
    Refused {
        /// Shibboleth's event name.
        event: &'static str,
        /// The transaction id.
        transaction: String,
    },
    /// A logout message was refused on our own page; its line is written.
    LogoutRefused {
        /// Shibboleth's event name.
        event: &'static str,
        /// The transaction id.
        transaction: String,
    },
    /// The request is not one of ours.
    Request(StatusCode, &'static str),
    /// A defect: what happened, safe to log.
    Defect(String),
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<AuditUnavailable> for Fault {
    fn from(_: AuditUnavailable) -> Self {
        Self::Audit
    }
}

impl Fault {
    /// A refusal on our own page.
    pub fn refused(refusal: &LocalRefusal, transaction: &str) -> Self {
        Self::Refused {
            event: refusal.event,
            transaction: transaction.to_owned(),
        }
    }

    /// A request that cannot be understood.
    pub const BAD_REQUEST: Self = Self::Request(StatusCode::BAD_REQUEST, "BadRequest");

    /// The page that explains it.
    pub fn reply(self) -> Reply {
        self.log();
        let error = |status, problem: &str| Reply::error(status, problem, None);
        match self {
            Self::Storage(StorageError::Full) => error(StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            Self::Storage(_) | Self::Audit => {
                error(StatusCode::SERVICE_UNAVAILABLE, "RuntimeException")
            }
            Self::Expired(status) => Reply::page(status, View::Expired {}),
            Self::Refused { event, transaction } => {
                Reply::error(StatusCode::BAD_REQUEST, event, Some(transaction))
            }
            Self::LogoutRefused { event, transaction } => {
                let problem = event.to_owned();
                let view = View::LogoutRefused { problem };
                Reply::showing(StatusCode::BAD_REQUEST, view, Some(transaction), None)
            }
            Self::Request(status, problem) => error(status, problem),
            Self::Defect(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "RuntimeException"),
        }
    }

    /// The same for a client that reads no pages.
    pub fn soap_reply(self) -> Reply {
        let reason = match self {
            Self::Request(..) => return self.reply(),
            Self::Refused { event, .. } | Self::LogoutRefused { event, .. } => event,
            Self::Expired(_) => "the login is gone",
            Self::Storage(_) | Self::Audit | Self::Defect(_) => "the service is not available",
        };
        self.log();
        Reply::soap_fault(FaultCode::Server, reason)
    }

    fn log(&self) {
        match self {
            Self::Storage(StorageError::Full)
            | Self::Expired(_)
            | Self::Refused { .. }
            | Self::LogoutRefused { .. }
            | Self::Request(..) => {}
            Self::Storage(reason) => tracing::error!(%reason, "storage"),
            Self::Audit => tracing::error!("refused: the audit cannot be written"),
            Self::Defect(reason) => tracing::error!(reason, "defect"),
        }
    }
}

impl Reply {
    /// A page.
    pub fn page(status: StatusCode, view: View) -> Self {
        Self::showing(status, view, None, None)
    }

    /// A page about a login.
    pub fn login_page(view: View, transaction: &str, service: ServiceView) -> Self {
        let transaction = Some(transaction.to_owned());
        Self::showing(StatusCode::OK, view, transaction, Some(service))
    }

    /// A page about a transaction, when nothing is to be shown of a relying party's looks.
    pub fn respond(view: View, transaction: &str) -> Self {
        Self::showing(StatusCode::OK, view, Some(transaction.to_owned()), None)
    }

    /// An error page.
    pub fn error(status: StatusCode, problem: &str, transaction: Option<String>) -> Self {
        let view = View::Error {
            problem: problem.to_owned(),
        };
        Self::showing(status, view, transaction, None)
    }

    /// An error page about a login whose relying party is known: it offers the way back.
    pub fn login_error(
        status: StatusCode,
        problem: &str,
        transaction: &str,
        service: ServiceView,
    ) -> Self {
        let view = View::Error {
            problem: problem.to_owned(),
        };
        Self::showing(status, view, Some(transaction.to_owned()), Some(service))
    }

    /// 303: fetch this with GET. Never 307, which would send a password on.
    pub fn see_other(url: String) -> Self {
        Self::of(StatusCode::SEE_OTHER, Content::SeeOther(url))
    }

    /// 401: credentials are wanted by HTTP Basic (RFC 7617).
    pub fn challenge() -> Self {
        Self::of(StatusCode::UNAUTHORIZED, Content::Challenge)
    }

    /// A SOAP envelope.
    pub fn soap(status: StatusCode, envelope: String) -> Self {
        Self::document(status, "text/xml; charset=utf-8", envelope.into_bytes())
    }

    /// A SOAP fault. SOAP 1.1 section 6.2: over HTTP it comes with 500, whoever is to blame.
    pub fn soap_fault(code: FaultCode, reason: &'static str) -> Self {
        let fault = soap::fault(&SoapError { code, reason });
        Self::soap(StatusCode::INTERNAL_SERVER_ERROR, fault)
    }

    /// A small document of our own.
    pub fn document(status: StatusCode, content_type: &'static str, octets: Vec<u8>) -> Self {
        let content = Content::Octets {
            content_type,
            octets,
            keep: false,
        };
        Self::of(status, content)
    }

    /// A file that never changes under its URL.
    pub fn asset(content_type: &'static str, octets: Vec<u8>) -> Self {
        let content = Content::Octets {
            content_type,
            octets,
            keep: true,
        };
        Self::of(StatusCode::OK, content)
    }

    /// Sets a cookie, if there is one.
    #[must_use]
    pub fn with(mut self, cookie: Option<Cookie>) -> Self {
        self.cookies.extend(cookie);
        self
    }

    /// A page with all that may stand around it.
    pub(super) fn showing(
        status: StatusCode,
        view: View,
        transaction: Option<String>,
        service: Option<ServiceView>,
    ) -> Self {
        let page = Page {
            view,
            transaction,
            service,
        };
        Self::of(status, Content::Page(Box::new(page)))
    }

    fn of(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            content,
            cookies: Vec::new(),
        }
    }
}

/// The HTTP response of what a handler answered.
pub fn respond(exchange: &Exchange, answer: Result<Reply, Fault>) -> HttpResponse {
    let Reply {
        status,
        content,
        cookies,
    } = answer.unwrap_or_else(Fault::reply);
    let mut response = HttpResponse::build(status);
    let secure = exchange.generation.settings.base_url.secure;
    protect(&mut response, secure);
    for cookie in cookies {
        response.append_header((header::SET_COOKIE, set_cookie(&cookie, secure)));
    }
    match content {
        Content::SeeOther(url) => response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::LOCATION, url))
            .finish(),
        Content::Challenge => response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((
                header::WWW_AUTHENTICATE,
                "Basic realm=\"Identity Provider\", charset=\"UTF-8\"",
            ))
            .finish(),
        Content::Octets {
            content_type,
            octets,
            keep,
        } => {
            let cache = if keep {
                "public, max-age=31536000, immutable"
            } else {
                "no-store"
            };
            response
                .insert_header((header::CACHE_CONTROL, cache))
                .insert_header((
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; frame-ancestors 'none'",
                ))
                .content_type(content_type)
                .body(octets)
        }
        Content::Page(page) => response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((
                header::CONTENT_SECURITY_POLICY,
                policy(exchange, &page.view),
            ))
            .content_type("text/html; charset=utf-8")
            .body(render(exchange, &page)),
    }
}

fn protect(response: &mut HttpResponseBuilder, secure: bool) {
    response
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // `no-referrer` would make browsers send `Origin: null` to the relying party.
        .insert_header((header::REFERRER_POLICY, "strict-origin"));
    if secure {
        response.insert_header((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
    }
}

fn set_cookie(cookie: &Cookie, secure: bool) -> String {
    let (name, value, lifetime) = match cookie {
        Cookie::Browser(value) => (Cookie::BROWSER, value.as_str(), None),
        Cookie::Session(value) => (Cookie::SESSION, value.as_str(), None),
        Cookie::SessionEnded => (Cookie::SESSION, "", Some(Duration::ZERO)),
        Cookie::Remembered(value, lifetime) => {
            (Cookie::REMEMBERED, value.as_str(), Some(*lifetime))
        }
    };
    // Without Max-Age a cookie goes when the browser does.
    let lifetime = lifetime.map(|lifetime| format!("; Max-Age={}", lifetime.as_secs()));
    let lifetime = lifetime.unwrap_or_default();
    // Lax: Duo's way back and a relying party's redirect are top-level GETs and carry it; nothing
    // else from another site does.
    if secure {
        format!("__Host-{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{lifetime}")
    } else {
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{lifetime}")
    }
}

/// What the page may load and where its forms may lead. No page has inline script.
fn policy(exchange: &Exchange, view: &View) -> String {
    let mut policy = String::from(
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data: https:; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    if let View::Respond { destination, .. } = view {
        // Browsers check each redirect that follows the form, and the relying party may send its
        // user on to another of its hosts.
        policy.push_str(" https:");
        if destination.starts_with("http:") {
            policy.push_str(" http:");
        }
        policy.push_str("; script-src 'self'");
    } else if view.leads_away() {
        // From one relying party by way of us to the next, all of it one navigation.
        policy.push_str(" https: http:; script-src 'self'");
    } else {
        let targets = &exchange.generation.form_targets;
        let _ = write!(policy, " {targets}");
    }
    policy
}

fn render(exchange: &Exchange, page: &Page) -> String {
    let frame = Frame {
        base: &exchange.generation.settings.base_url.path,
        accept_language: exchange.accept_language(),
        transaction: page.transaction.as_deref(),
        service: page.service.as_ref(),
        powered_by: exchange.generation.settings.ui.powered_by,
    };
    let rendered = exchange.generation.pages.render(&page.view, &frame);
    rendered.unwrap_or_else(|error| {
        tracing::error!(%error, "a page did not render");
        "<!DOCTYPE html><title>Error</title><p>Something went wrong on our side.</p>".to_owned()
    })
}
