//! The HTTP client that talks to Duo: it sends requests that `duo` made and says what came back.
//!
//! HTTPS only, no redirects, no proxy unless the operator names one, bounded in time and size.
//! [`guard`] bounds what an outage of Duo can do to everybody else.

pub mod admin;
pub mod auth;
mod circuit;
pub mod guard;
mod revocation;
pub mod trust;
mod verifier;
mod web;

pub use web::{DuoWeb, DuoWebError, Pending};

use crate::config::settings::DuoHttpSettings;
use crate::duo::auth_api::ApiCall;
use crate::duo::integration::Integration;
use crate::duo::oidc::{FormRequest, HttpAnswer};
use crate::server::back_end::DuoClient;
use crate::server::world::{Clock, SystemClock};
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, RequestBuilder, Response};
use revocation::Revocation;
use rustls::CertificateError;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use trust::trusting;

const USER_AGENT: &str = concat!("vestibule/", env!("CARGO_PKG_VERSION"));

/// The reason for which a call is worth another attempt, once something has been fetched.
const REVOCATION_UNKNOWN: &str = "tls: nothing says whether the certificate is revoked";

/// Greatest answer that is read; Duo's are under 8 KiB.
const LONGEST_BODY: usize = 256 * 1024;

/// Duo closes idle connections after 60 s; ours go first, so that none is lost in mid-request.
const POOL_IDLE: Duration = Duration::from_secs(55);

/// Talks to Duo over HTTPS.
pub struct HttpDuoClient {
    client: Client,
    /// What may be fetched about certificates, and the client for it.
    revocation: Option<(Arc<Revocation>, Client)>,
    total_timeout: Duration,
    answer_timeout: Duration,
}

impl fmt::Debug for HttpDuoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpDuoClient")
            .field("total_timeout", &self.total_timeout)
            .finish_non_exhaustive()
    }
}

impl HttpDuoClient {
    /// A client with its own connection pool; the error is a reason for the operator.
    pub fn new(settings: &DuoHttpSettings) -> Result<Self, String> {
        Self::with_clock(settings, Arc::new(SystemClock))
    }

    /// The same with a clock that says whether what is known of a certificate is out of date.
    pub fn with_clock(settings: &DuoHttpSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        install_tls_provider();
        let mut builder = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(settings.max_connections)
            .user_agent(USER_AGENT);
        if let Some(proxy) = &settings.proxy {
            let proxy = Proxy::all(proxy).map_err(|_| "the proxy's URL is not valid")?;
            builder = builder.proxy(proxy);
        }
        let (builder, revocation) = trusting(builder, settings, clock)?;
        let client = builder
            .build()
            .map_err(|_| "the TLS client cannot be set up")?;
        let revocation = match revocation {
            Some(revocation) => Some((revocation, revocation_client(settings)?)),
            None => None,
        };
        Ok(Self {
            client,
            revocation,
            total_timeout: settings.total_timeout,
            answer_timeout: settings.answer_timeout,
        })
    }

    /// Fetches what a handshake did not know about a certificate; true when it can be tried again.
    async fn learn(&self, answer: &HttpAnswer) -> bool {
        match (&self.revocation, answer) {
            (Some((revocation, http)), HttpAnswer::Transport { reason })
                if reason == REVOCATION_UNKNOWN =>
            {
                revocation.fetch(http).await
            }
            _ => false,
        }
    }

    /// Sends it, and says in the log when nothing came back.
    async fn answer(
        &self,
        integration: &Integration,
        url: &str,
        request: RequestBuilder,
    ) -> HttpAnswer {
        let again = request.try_clone();
        let mut answer = exchange(request).await;
        if let (Some(again), true) = (again, self.learn(&answer).await) {
            answer = exchange(again).await;
        }
        if let HttpAnswer::Transport { reason } = &answer {
            // Without its query: that names users.
            let url = url.split('?').next().unwrap_or_default();
            tracing::warn!(
                integration = integration.name,
                url,
                reason,
                "Duo cannot be reached"
            );
        }
        answer
    }
}

impl DuoClient for HttpDuoClient {
    fn send<'a>(
        &'a self,
        integration: &'a Integration,
        request: &'a FormRequest,
    ) -> BoxFuture<'a, HttpAnswer> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&request.form)
            .finish();
        let post = self
            .client
            .post(&request.url)
            .timeout(self.total_timeout)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        self.answer(integration, &request.url, post).boxed()
    }

    fn call<'a>(
        &'a self,
        integration: &'a Integration,
        call: &'a ApiCall,
    ) -> BoxFuture<'a, HttpAnswer> {
        let timeout = if call.waits_for_the_user() {
            self.answer_timeout
        } else {
            self.total_timeout
        };
        let request = match call.method {
            "GET" => self.client.get(&call.url),
            _ => self.client.post(&call.url).body(call.body.clone()),
        };
        let headers = call.headers.iter();
        let request = headers.fold(request.timeout(timeout), |request, (name, value)| {
            request.header(*name, value)
        });
        self.answer(integration, &call.url, request).boxed()
    }
}

/// Certificates say themselves where to ask about them: plain HTTP, few redirects.
fn revocation_client(settings: &DuoHttpSettings) -> Result<Client, String> {
    let mut builder = Client::builder()
        .redirect(Policy::limited(3))
        .no_proxy()
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.total_timeout)
        .user_agent(USER_AGENT);
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy).map_err(|_| "the proxy's URL is not valid")?;
        builder = builder.proxy(proxy);
    }
    let client = builder.build();
    client.map_err(|_| "the client for revocation cannot be set up".to_owned())
}

/// One TLS provider for the whole process: OpenSSL, as for everything else. A second call changes
/// nothing.
pub fn install_tls_provider() {
    let _ = rustls_openssl::default_provider().install_default();
}

async fn exchange(request: RequestBuilder) -> HttpAnswer {
    match request.send().await {
        Ok(response) => read(response).await,
        Err(error) => transport(reason(&error)),
    }
}

async fn read(mut response: Response) -> HttpAnswer {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_BODY => {
                return transport("body-too-long");
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return transport(reason(&error)),
        }
    }
    HttpAnswer::Response {
        status,
        headers,
        body,
    }
}

fn transport(reason: &str) -> HttpAnswer {
    HttpAnswer::Transport {
        reason: reason.to_owned(),
    }
}

/// One word for what failed. The library's own text may hold what the other side sent, so it is
/// looked at and never repeated.
pub(in crate::server) fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    let mut word = if error.is_connect() {
        "connect"
    } else {
        "reset"
    };
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<rustls::Error>() {
            return tls_reason(error);
        }
        if current.to_string().starts_with("dns error") {
            return "dns";
        }
        if is_reset(current) {
            word = "reset";
        }
        cause = beneath(current);
    }
    word
}

fn tls_reason(error: &rustls::Error) -> &'static str {
    use CertificateError::{
        ApplicationVerificationFailure, ExpiredRevocationList, Revoked, UnknownRevocationStatus,
    };
    match error {
        rustls::Error::InvalidCertificate(Revoked) => "tls: the certificate is revoked",
        rustls::Error::InvalidCertificate(UnknownRevocationStatus) => REVOCATION_UNKNOWN,
        rustls::Error::InvalidCertificate(ExpiredRevocationList) => {
            "tls: the revocation list is out of date"
        }
        rustls::Error::InvalidCertificate(ApplicationVerificationFailure) => {
            "tls: no pinned key in the certificate's chain"
        }
        _ => "tls",
    }
}

/// What an error wraps. `io::Error::source` skips the error it was made of, which here is the one
/// that tells.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn is_reset(cause: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof
        )
    })
}
