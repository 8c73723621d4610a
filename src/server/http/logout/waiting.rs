//! `/profile/Logout?execution=ID`: the pages of a logout that has begun, and the answers that come
//! back to it.
//!
//! Looking at a page changes nothing but this: a logout that was shown to its user and waits for
//! nobody moves on by itself, as it does when an answer has come back.

use crate::saml::logout::{LogoutRefusal, LogoutResponse};
use crate::server::conversation::same;
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::{PATH, ending, telling, view};
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::logout::{Begun, Fate, Logout, Owner, Waiting, place_of};
use crate::server::session::later;
use crate::server::storage::records::Versioned;
use actix_web::http::StatusCode;
use jiff::Timestamp;
use std::time::Duration;

/// Another browser's logout, or none: the same page.
const NOT_YOURS: Fault = Fault::Expired(StatusCode::FORBIDDEN);
const GONE: Fault = Fault::Expired(StatusCode::GONE);
/// The form did not come from our page.
const FORGED: Fault = Fault::Request(StatusCode::FORBIDDEN, "InvalidCSRFToken");

/// How long a finished logout explains itself to a reload.
const REMEMBERED: Duration = Duration::from_hours(1);
/// Answers to one logout that come at once.
const RACES: usize = 16;

/// Where a logout's pages live.
pub fn url(exchange: &Exchange, id: &str) -> String {
    let path = exchange.generation.path(PATH);
    format!("{path}?execution={id}")
}

/// Keeps a logout for this browser and sends it to its page.
pub async fn keep(
    exchange: &Exchange,
    waiting: impl FnOnce(Owner) -> Waiting,
) -> Result<Reply, Fault> {
    let browser = exchange.browser();
    let id = exchange.app.world.id();
    let waiting = waiting(Owner {
        browser: browser.hash(),
        csrf: exchange.app.world.id(),
    });
    let expiry = expiry(exchange, &waiting);
    exchange.logouts().create(&id, &waiting, expiry).await?;
    Ok(Reply::see_other(url(exchange, &id)).with(browser.cookie()))
}

/// Moves a kept logout on; false when another request was faster.
pub async fn replace(
    exchange: &Exchange,
    (id, version): (&str, u64),
    waiting: &Waiting,
) -> Result<bool, Fault> {
    let expiry = expiry(exchange, waiting);
    let logouts = exchange.logouts();
    Ok(logouts.replace(id, version, waiting, expiry).await?)
}

fn expiry(exchange: &Exchange, waiting: &Waiting) -> Timestamp {
    let lifetime = match waiting {
        Waiting::Over(..) => REMEMBERED,
        _ => exchange.generation.settings.session.login_lifetime,
    };
    later(exchange.app.world.now(), lifetime)
}

/// Asks the user whether the session is to end.
pub async fn ask(exchange: &Exchange, begun: Begun) -> Result<Reply, Fault> {
    keep(exchange, |owner| Waiting::Question(owner, Box::new(begun))).await
}

/// GET: the current page.
pub async fn show(exchange: &Exchange, id: String) -> Result<Reply, Fault> {
    let Versioned { version, value } = read(exchange, &id).await?;
    if value
        .owner()
        .is_some_and(|owner| !exchange.is(&owner.browser))
    {
        return Err(NOT_YOURS);
    }
    match value {
        Waiting::Pending(begun) => {
            if exchange.logouts().take(&id, version).await? {
                ending::begin(exchange, *begun).await
            } else {
                Err(GONE)
            }
        }
        Waiting::Question(owner, begun) => view::question(exchange, &id, &owner, &begun).await,
        Waiting::Telling(owner, logout) if logout.shown && !logout.waits() => {
            telling::go_on(exchange, (&id, version), owner, *logout).await
        }
        Waiting::Telling(owner, logout) => Ok(view::telling(exchange, &id, &owner, &logout)),
        Waiting::Over(_, logout) => view::over(exchange, &logout),
    }
}

/// POST: a form of ours.
pub async fn submit(exchange: &Exchange, id: String, body: &[u8]) -> Result<Reply, Fault> {
    let form = Parameters::parse(body).map_err(|_| Fault::BAD_REQUEST)?;
    let Versioned { version, value } = read(exchange, &id).await?;
    let owner = value.owner().ok_or(FORGED)?;
    if !exchange.is(&owner.browser) {
        return Err(NOT_YOURS);
    }
    if !same(form.value("csrf_token").unwrap_or(""), &owner.csrf) {
        return Err(FORGED);
    }
    match value {
        Waiting::Question(_, begun) => chosen(exchange, (&id, version), *begun, &form).await,
        Waiting::Telling(owner, mut logout) => {
            logout.shown = true;
            logout.give_up();
            telling::go_on(exchange, (&id, version), owner, *logout).await
        }
        Waiting::Pending(_) | Waiting::Over(..) => Ok(Reply::see_other(url(exchange, &id))),
    }
}

/// SDP-IDP22: the user may keep the session.
async fn chosen(
    exchange: &Exchange,
    (id, version): (&str, u64),
    begun: Begun,
    form: &Parameters,
) -> Result<Reply, Fault> {
    let keeps = match form.value("_eventId") {
        Some("proceed") => false,
        Some("cancel") => true,
        _ => return Err(Fault::BAD_REQUEST),
    };
    if !exchange.logouts().take(id, version).await? {
        return Err(GONE);
    }
    if keeps {
        let kept = Logout::without_end(begun, Fate::Kept);
        return telling::conclude(exchange, kept).await;
    }
    ending::proceed(exchange, begun).await
}

/// Takes an answer that a browser brought back, whichever browser that was: it is signed, and
/// counts for the one request it names. Then the browser goes on where its cookies come along.
pub async fn answered(
    exchange: &Exchange,
    response: LogoutResponse,
) -> Result<Result<Reply, LogoutRefusal>, Fault> {
    let refused = || LogoutRefusal {
        event: "MessageAuthenticationError",
        reason: "the response answers nothing that was asked",
        claimed_issuer: Some(response.issuer.clone()),
    };
    let Some((id, place)) = place_of(&response.in_response_to) else {
        return Ok(Err(refused()));
    };
    for _ in 0..RACES {
        let (version, owner, mut logout) = match exchange.logouts().read(id).await? {
            Some(Versioned {
                version,
                value: Waiting::Telling(owner, logout),
            }) => (version, owner, logout),
            // Too late to count: the page tells what was said of it.
            Some(Versioned {
                value: Waiting::Over(_, logout),
                ..
            }) if logout.parties.get(place).map(|p| &p.entity_id) == Some(&response.issuer) => {
                return Ok(Ok(Reply::see_other(url(exchange, id))));
            }
            _ => return Ok(Err(refused())),
        };
        if !logout.answered(place, &response.issuer, response.outcome) {
            return Ok(Err(refused()));
        }
        let moved = Waiting::Telling(owner, logout);
        if replace(exchange, (id, version), &moved).await? {
            return Ok(Ok(Reply::see_other(url(exchange, id))));
        }
    }
    Err(Fault::Defect("a logout changes too often".to_owned()))
}

async fn read(exchange: &Exchange, id: &str) -> Result<Versioned<Waiting>, Fault> {
    exchange.logouts().read(id).await?.ok_or(GONE)
}
