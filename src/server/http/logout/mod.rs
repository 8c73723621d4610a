//! `/profile/Logout`: a user ends single sign-on, and everybody who was told of it hears of it.
//!
//! GET shows a page with one button and changes nothing: a link from elsewhere signs nobody out.

pub mod answer;
pub mod ending;
pub mod telling;
pub mod view;
pub mod waiting;

use crate::server::conversation::{form_token, same};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Cookie, Fault, Reply};
use crate::server::logout::Begun;
use crate::server::pages::{LogoutView, View};
use actix_web::http::StatusCode;

/// The page's path below the base URL's.
pub const PATH: &str = "/profile/Logout";

/// GET: who is signed in, where, and the button.
pub async fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    let mut view = LogoutView {
        action: exchange.generation.path(PATH),
        ..LogoutView::default()
    };
    if let Some((secret, live)) = exchange
        .session_secret()
        .zip(exchange.live_session().await?)
    {
        view.csrf = form_token(PATH, secret);
        view.username = live.session.username().map(str::to_owned);
        view.services = view::services(exchange, &live.session);
    }
    Ok(Reply::page(StatusCode::OK, View::Logout(view)))
}

/// POST: ends the session and tells everybody.
pub async fn submit(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let form = Parameters::parse(body).map_err(|_| Fault::BAD_REQUEST)?;
    let page = Reply::see_other(exchange.generation.path(PATH));
    let Some((secret, live)) = exchange
        .session_secret()
        .zip(exchange.live_session().await?)
    else {
        return Ok(page);
    };
    let sent = form.value("csrf_token").unwrap_or("");
    if !same(sent, &form_token(PATH, secret)) {
        return Err(Fault::Request(StatusCode::FORBIDDEN, "InvalidCSRFToken"));
    }
    let begun = Begun {
        transaction: exchange.app.world.id(),
        started: exchange.now,
        client: exchange.client.recorded,
        user_agent: exchange.user_agent().to_owned(),
        request: None,
    };
    let reference = live.session.reference.clone();
    let logout = ending::end(exchange, begun, vec![live], Some(&reference)).await?;
    let reply = telling::begin(exchange, logout).await?;
    Ok(reply.with(Some(Cookie::SessionEnded)))
}
