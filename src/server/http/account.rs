//! `/profile/account`: what a signed-in user may see and change of their own account.
//!
//! Forgetting a remembered browser only asks for more at the next login, so the session is enough
//! for it. Adding or removing a factor needs a fresh one (attack S42): [`duo`].

pub mod duo;
pub mod enrol;
pub mod sign_in;

use crate::authn::flow::FlowId;
use crate::authn::result::FactorResult;
use crate::authn::self_service::Standing;
use crate::server::conversation::{form_token, same};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::pages::View;
use crate::server::pages::account::{AccountView, BrowserView};
use crate::server::remembered::Listed;
use crate::server::session::Session;
use actix_web::http::StatusCode;
use jiff::Timestamp;

/// The page's path below the base URL's.
pub const PATH: &str = "/profile/account";

/// Where a login to the page itself begins, and where its pages live.
pub const SIGN_IN: &str = "/profile/account/sign-in";

/// Where the user's Duo is changed.
pub const DUO: &str = "/profile/account/duo";

/// Who is signed in, how, and the token of this session's forms.
struct SignedIn {
    username: String,
    csrf: String,
    session: Session,
}

impl SignedIn {
    /// What the session proves. A result of Duo's, whatever it proves, says that Duo knows the user.
    fn standing(&self) -> Standing {
        let factors = &self.session.factors;
        let password = factors.get(&FlowId::Password);
        let duo = factors.get(&FlowId::DuoOidc);
        Standing {
            enrolled: duo.is_some(),
            password: password.map(|factor| factor.evidence().at()),
            duo: duo.and_then(FactorResult::confirmed_at_duo),
        }
    }
}

/// GET: the page.
pub async fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    match signed_in(exchange).await? {
        Some(user) => page(exchange, &user, StatusCode::OK, None).await,
        None => Ok(sign_in::first(exchange)),
    }
}

/// The page with what is to be said about the last action.
async fn page(
    exchange: &Exchange,
    user: &SignedIn,
    status: StatusCode,
    notice: Option<&'static str>,
) -> Result<Reply, Fault> {
    let browsers = exchange.remembered_browsers();
    let browsers = browsers.of_user(&user.username).await?;
    let view = View::Account(AccountView {
        action: exchange.generation.path(PATH),
        csrf: user.csrf.clone(),
        username: user.username.clone(),
        notice,
        duo: duo::view(exchange, user).await?,
        browsers: browsers.into_iter().map(browser_view).collect(),
    });
    Ok(Reply::page(status, view))
}

/// POST: forgets one browser, or all of them.
pub async fn change(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let (user, form) = match submitted(exchange, body).await? {
        Ok(submitted) => submitted,
        Err(reply) => return Ok(reply),
    };
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

/// A form of this session's user. Nobody signed in is asked to sign in; a form without the
/// session's own token is refused (attack S33).
async fn submitted(
    exchange: &Exchange,
    body: &[u8],
) -> Result<Result<(SignedIn, Parameters), Reply>, Fault> {
    let form = Parameters::parse(body).map_err(|_| Fault::BAD_REQUEST)?;
    let Some(user) = signed_in(exchange).await? else {
        return Ok(Err(sign_in::first(exchange)));
    };
    if !same(form.value("csrf_token").unwrap_or(""), &user.csrf) {
        return Err(Fault::Request(StatusCode::FORBIDDEN, "InvalidCSRFToken"));
    }
    Ok(Ok((user, form)))
}

/// The user of the live session.
async fn signed_in(exchange: &Exchange) -> Result<Option<SignedIn>, Fault> {
    let Some(secret) = exchange.session_secret() else {
        return Ok(None);
    };
    let live = exchange.live_session().await?;
    Ok(live.and_then(|live| {
        Some(SignedIn {
            username: live.session.username()?.to_owned(),
            csrf: form_token(PATH, secret),
            session: live.session,
        })
    }))
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn browser_view(listed: Listed) -> BrowserView {
    BrowserView {
        id: listed.id,
        label: listed.label,
        created: day(listed.created),
        last_used: listed.last_used.map(day),
        expires: day(listed.expires),
    }
}
