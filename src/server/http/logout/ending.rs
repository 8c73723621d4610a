//! Which sessions a relying party's request means, and their end.
//!
//! The signed request speaks for the relying party about the names it was given. By SOAP that is
//! all there is. A request that a browser carries also has to fit that browser: when the browser
//! has a session, the request must mean it; a request that means another one ends nothing, so that
//! a link to somebody's request, followed by somebody else, does no harm. A browser without a
//! session may carry the request of one, because cookies get lost; then nobody is told by way of
//! this browser, which is not known to be the user's.

use crate::saml::logout::LogoutRequest;
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::{telling, waiting};
use crate::server::http::reply::{Cookie, Fault, Reply};
use crate::server::logout::{Begun, Fate, Logout};
use crate::server::session::Live;

/// The sessions that a request means.
pub async fn meant(exchange: &Exchange, request: &LogoutRequest) -> Result<Vec<Live>, Fault> {
    let sessions = exchange.sessions();
    let LogoutRequest {
        issuer,
        name_id,
        session_indexes,
        ..
    } = request;
    Ok(sessions.of_name(issuer, name_id, session_indexes).await?)
}

/// Begins a logout that a browser asks for with a relying party's request. The user is asked first
/// where the operator wants it.
pub async fn begin(exchange: &Exchange, begun: Begun) -> Result<Reply, Fault> {
    if !exchange.generation.settings.logout.prompt_user {
        return proceed(exchange, begun).await;
    }
    match own(exchange, &begun).await? {
        Own::Meant(_) => waiting::ask(exchange, begun).await,
        Own::NotMeant | Own::None => proceed(exchange, begun).await,
    }
}

/// Ends what the request means and tells the others.
pub async fn proceed(exchange: &Exchange, begun: Begun) -> Result<Reply, Fault> {
    let mut found = match &begun.request {
        Some(request) => meant(exchange, request).await?,
        None => Vec::new(),
    };
    let own = match own(exchange, &begun).await? {
        Own::NotMeant => {
            let fate = if found.is_empty() {
                Fate::Unknown
            } else {
                Fate::AnotherBrowsers
            };
            return telling::conclude(exchange, Logout::without_end(begun, fate)).await;
        }
        Own::Meant(live) => {
            let reference = live.session.reference.clone();
            // The way from a name to its sessions is not endless; the browser's own is never missed.
            if found.iter().all(|one| one.session.reference != reference) {
                found.push(*live);
            }
            Some(reference)
        }
        Own::None => None,
    };
    let logout = end(exchange, begun, found, own.as_deref()).await?;
    let gone = own.map(|_| Cookie::SessionEnded);
    Ok(telling::begin(exchange, logout).await?.with(gone))
}

/// How the browser's session stands to a request.
enum Own {
    /// There is none.
    None,
    /// The request means it.
    Meant(Box<Live>),
    /// The request means others, or nobody's.
    NotMeant,
}

async fn own(exchange: &Exchange, begun: &Begun) -> Result<Own, Fault> {
    let Some(live) = exchange.live_session().await? else {
        return Ok(Own::None);
    };
    let is_meant = begun.request.as_ref().is_some_and(|request| {
        let mut participants = live.session.participants.iter();
        participants.any(|one| one.is_meant_by(request))
    });
    Ok(if is_meant {
        Own::Meant(Box::new(live))
    } else {
        Own::NotMeant
    })
}

/// Ends sessions, before anybody is told.
pub async fn end(
    exchange: &Exchange,
    begun: Begun,
    found: Vec<Live>,
    own: Option<&str>,
) -> Result<Logout, Fault> {
    let sessions = exchange.sessions();
    let mut ended = Vec::new();
    for live in found {
        ended.extend(sessions.end(live).await?);
    }
    for session in &ended {
        tracing::info!(
            transaction = begun.transaction,
            session = session.reference,
            "a session was ended"
        );
    }
    Ok(Logout::of(begun, &ended, own))
}
