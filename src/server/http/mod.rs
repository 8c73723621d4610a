//! HTTP: one file for each endpoint, named after its URL.
//!
//! Paths are compared as they come, without decoding: what is spelled another way is not found.

pub mod account;
pub mod admin;
pub mod admin_reload;
pub mod admin_remembered;
pub mod admin_throttled;
pub mod ask;
pub mod client_address;
pub mod consent;
pub mod documents;
pub mod duo_callback;
pub mod error_url;
pub mod exchange;
pub mod execution;
pub mod finish;
pub mod logout;
pub mod metrics;
pub mod outgoing;
pub mod parameters;
mod release;
pub mod remembered;
pub mod reply;
pub mod slo;
pub mod slo_post;
pub mod slo_redirect;
pub mod slo_soap;
pub mod soap_artifact_resolution;
pub mod soap_ecp;
pub mod sso;
pub mod sso_post;
pub mod sso_redirect;
pub mod sso_unsolicited;
pub mod visit;

use crate::saml::own_metadata::{ARTIFACT_ENDPOINT, ECP_ENDPOINT};
use crate::server::app::App;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use exchange::Exchange;
use futures_util::StreamExt as _;
use reply::{Fault, Reply, respond};
use std::time::Duration;

/// No form or message of ours is larger; a Redirect message is bounded by the URL.
const MAX_BODY: usize = 1 << 20;
/// A client that sends its body slower than this is let go.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Every request comes here.
pub async fn dispatch(request: HttpRequest, payload: Payload, app: Data<App>) -> HttpResponse {
    let exchange = Exchange::new(app.into_inner(), request);
    if exchange.path().ends_with(ECP_ENDPOINT.1) {
        // A client that hangs up must not take the login, and the line about it, along.
        let answer = actix_web::rt::spawn(answer(exchange, payload));
        return answer
            .await
            .unwrap_or_else(|_| HttpResponse::InternalServerError().finish());
    }
    answer(exchange, payload).await
}

async fn answer(exchange: Exchange, payload: Payload) -> HttpResponse {
    let answer = match *exchange.method() {
        Method::GET => get(&exchange).await,
        Method::POST => match body(&exchange, payload).await {
            Ok(body) => post(&exchange, &body).await,
            Err(fault) => Err(fault),
        },
        _ => Err(METHOD_NOT_ALLOWED),
    };
    respond(&exchange, answer)
}

const METHOD_NOT_ALLOWED: Fault =
    Fault::Request(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");

/// An endpoint.
enum Route<'p> {
    RedirectSso,
    PostSso,
    PostSimpleSignSso,
    ArtifactResolution,
    UnsolicitedSso,
    SoapEcp,
    RedirectSlo,
    PostSlo,
    SoapSlo,
    Logout,
    DuoCallback,
    OwnMetadata,
    Live,
    Ready,
    Status,
    Metrics,
    Reload,
    Remembered,
    Throttled,
    Account,
    AccountSignIn,
    AccountDuo,
    ErrorUrl,
    Static(&'p str),
}

impl Route<'_> {
    /// Whether a login begins here, and has its pages here.
    fn is_login(&self) -> bool {
        matches!(
            self,
            Self::RedirectSso
                | Self::PostSso
                | Self::PostSimpleSignSso
                | Self::UnsolicitedSso
                | Self::AccountSignIn
        )
    }
}

fn route(exchange: &Exchange) -> Result<Route<'_>, Fault> {
    let path = exchange.path();
    let generation = &exchange.generation;
    if generation.callback_paths.iter().any(|known| known == path) {
        return Ok(Route::DuoCallback);
    }
    let base = &generation.settings.base_url.path;
    match path.strip_prefix(base.as_str()).unwrap_or("") {
        "/profile/SAML2/Redirect/SSO" => Ok(Route::RedirectSso),
        "/profile/SAML2/POST/SSO" => Ok(Route::PostSso),
        "/profile/SAML2/POST-SimpleSign/SSO" => Ok(Route::PostSimpleSignSso),
        "/profile/SAML2/Unsolicited/SSO" => Ok(Route::UnsolicitedSso),
        path if path == ECP_ENDPOINT.1 && generation.settings.ecp => Ok(Route::SoapEcp),
        path if path == ARTIFACT_ENDPOINT.1 && generation.settings.artifact_index.is_some() => {
            Ok(Route::ArtifactResolution)
        }
        "/profile/SAML2/Redirect/SLO" => Ok(Route::RedirectSlo),
        "/profile/SAML2/POST/SLO" => Ok(Route::PostSlo),
        "/profile/SAML2/SOAP/SLO" => Ok(Route::SoapSlo),
        logout::PATH => Ok(Route::Logout),
        "/shibboleth" => Ok(Route::OwnMetadata),
        "/health/live" => Ok(Route::Live),
        "/health/ready" => Ok(Route::Ready),
        "/status" => Ok(Route::Status),
        "/metrics" => Ok(Route::Metrics),
        "/admin/reload" => Ok(Route::Reload),
        "/admin/remembered" => Ok(Route::Remembered),
        "/admin/throttled" => Ok(Route::Throttled),
        account::PATH => Ok(Route::Account),
        account::SIGN_IN => Ok(Route::AccountSignIn),
        account::DUO => Ok(Route::AccountDuo),
        error_url::PATH => Ok(Route::ErrorUrl),
        below => match below.strip_prefix("/static/") {
            Some(name) => Ok(Route::Static(name)),
            None => Err(documents::NOT_FOUND),
        },
    }
}

async fn get(exchange: &Exchange) -> Result<Reply, Fault> {
    let route = route(exchange)?;
    if route.is_login()
        && let Some(id) = execution::id(exchange)
    {
        return execution::show(exchange, id?).await;
    }
    match route {
        Route::RedirectSso => sso_redirect::receive(exchange).await,
        Route::UnsolicitedSso => sso_unsolicited::receive(exchange).await,
        Route::RedirectSlo => slo_redirect::receive(exchange).await,
        Route::Logout => match execution::id(exchange) {
            Some(id) => logout::waiting::show(exchange, id?).await,
            None => logout::show(exchange).await,
        },
        Route::DuoCallback => duo_callback::receive(exchange).await,
        Route::OwnMetadata => Ok(documents::own_metadata(exchange)),
        Route::Live => Ok(documents::live()),
        Route::Ready => Ok(documents::ready(exchange).await),
        Route::Status => documents::status(exchange),
        Route::Metrics => metrics::show(exchange),
        Route::Remembered => admin_remembered::list(exchange).await,
        Route::Throttled => admin_throttled::list(exchange).await,
        Route::Account => account::show(exchange).await,
        Route::AccountSignIn => account::sign_in::begin(exchange).await,
        Route::AccountDuo => Box::pin(account::enrol::show(exchange)).await,
        Route::ErrorUrl => error_url::show(exchange),
        Route::Static(name) => documents::asset(exchange, name),
        Route::PostSso
        | Route::PostSimpleSignSso
        | Route::SoapEcp
        | Route::ArtifactResolution
        | Route::PostSlo
        | Route::SoapSlo
        | Route::Reload => Err(METHOD_NOT_ALLOWED),
    }
}

async fn post(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    match route(exchange)? {
        route if route.is_login() => post_login(exchange, &route, body).await,
        Route::SoapEcp => Ok(soap_ecp::receive(exchange, body).await),
        Route::ArtifactResolution => Ok(soap_artifact_resolution::receive(exchange, body).await),
        Route::PostSlo | Route::Logout => post_logout(exchange, body).await,
        Route::SoapSlo => Ok(slo_soap::receive(exchange, body).await),
        Route::Reload => admin_reload::receive(exchange).await,
        Route::Remembered => admin_remembered::revoke(exchange, body).await,
        Route::Throttled => admin_throttled::unlock(exchange, body).await,
        Route::Account => account::change(exchange, body).await,
        Route::AccountDuo => Box::pin(account::duo::change(exchange, body)).await,
        _ => Err(METHOD_NOT_ALLOWED),
    }
}

async fn post_login(exchange: &Exchange, route: &Route<'_>, body: &[u8]) -> Result<Reply, Fault> {
    if !is_form(exchange) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Fault::Request(status, "BadRequest"));
    }
    if let Some(id) = execution::id(exchange) {
        return execution::submit(exchange, id?, body).await;
    }
    match route {
        Route::PostSso => sso_post::receive(exchange, body).await,
        Route::PostSimpleSignSso => sso_post::receive_simple_sign(exchange, body).await,
        _ => Err(METHOD_NOT_ALLOWED),
    }
}

async fn post_logout(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    if !is_form(exchange) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Fault::Request(status, "BadRequest"));
    }
    if matches!(route(exchange)?, Route::PostSlo) {
        return slo_post::receive(exchange, body).await;
    }
    match execution::id(exchange) {
        Some(id) => logout::waiting::submit(exchange, id?, body).await,
        None => logout::submit(exchange, body).await,
    }
}

fn is_form(exchange: &Exchange) -> bool {
    let content_type = exchange.header(header::CONTENT_TYPE);
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The body, within its size and its time.
async fn body(exchange: &Exchange, payload: Payload) -> Result<Bytes, Fault> {
    route(exchange)?;
    let read = async move {
        let mut payload = payload;
        let mut body = actix_web::web::BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Fault::BAD_REQUEST)?;
            if body.len() + chunk.len() > MAX_BODY {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Fault::Request(status, "BadRequest"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(BODY_TIME, read)
        .await
        .unwrap_or(Err(Fault::Request(
            StatusCode::REQUEST_TIMEOUT,
            "BadRequest",
        )))
}
