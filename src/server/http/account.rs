//! `/profile/account`: what a signed-in user may see and change of their own account.
//!
//! Today these are the remembered browsers. Forgetting one only asks for more at the next login, so
//! the session is enough for it; adding or removing a factor will need a fresh one (attack S42).

use crate::server::conversation::same;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::pages::{AccountView, BrowserView, View};
use crate::server::remembered::Listed;
use crate::server::world::hex;
use actix_web::http::StatusCode;

/// The page's path below the base URL's.
pub const PATH: &str = "/profile/account";

/// Who is signed in, and the token of this session's forms.
struct SignedIn {
    username: String,
    csrf: String,
}

/// GET: the page.
pub async fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    let Some(user) = signed_in(exchange).await? else {
        return Ok(Reply::page(StatusCode::FORBIDDEN, View::SignInFirst {}));
    };
    let browsers = exchange.remembered_browsers();
    let browsers = browsers.of_user(&user.username).await?;
    let view = View::Account(AccountView {
        action: exchange.generation.path(PATH),
        csrf: user.csrf,
        username: user.username,
        browsers: browsers.into_iter().map(browser_view).collect(),
    });
    Ok(Reply::page(StatusCode::OK, view))
}

/// POST: forgets one browser, or all of them.
pub async fn change(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let form = Parameters::parse(body).map_err(|_| Fault::BAD_REQUEST)?;
    let Some(user) = signed_in(exchange).await? else {
        return Ok(Reply::page(StatusCode::FORBIDDEN, View::SignInFirst {}));
    };
    if !same(form.value("csrf_token").unwrap_or(""), &user.csrf) {
        return Err(Fault::Request(StatusCode::FORBIDDEN, "InvalidCSRFToken"));
    }
    let id = match (form.value("forget"), form.value("_eventId")) {
        (Some(id), None) => Some(id),
        (None, Some("forget-all")) => None,
        _ => return Err(Fault::BAD_REQUEST),
    };
    let browsers = exchange.remembered_browsers();
    let revoked = browsers.revoke(&user.username, id).await?;
    tracing::info!(
        user = user.username,
        revoked,
        "browsers forgotten by their user"
    );
    Ok(Reply::see_other(exchange.generation.path(PATH)))
}

/// The user of the live session.
async fn signed_in(exchange: &Exchange) -> Result<Option<SignedIn>, Fault> {
    let Some(secret) = exchange.session_secret() else {
        return Ok(None);
    };
    let sessions = exchange.sessions();
    let live = sessions.find(secret, exchange.client.proven).await?;
    Ok(live.and_then(|live| {
        let factor = live.session.factors.into_values().next()?;
        Some(SignedIn {
            username: factor.evidence().username().to_owned(),
            csrf: token(secret),
        })
    }))
}

/// Bound to the session: whoever knows the token knows the session's secret (attack S33).
fn token(secret: &str) -> String {
    hex(&openssl::sha::sha256(format!("{PATH} {secret}").as_bytes()))
}

fn browser_view(listed: Listed) -> BrowserView {
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    BrowserView {
        id: listed.id,
        label: listed.label,
        created: day(listed.created),
        last_used: listed.last_used.map(day),
        expires: day(listed.expires),
    }
}
