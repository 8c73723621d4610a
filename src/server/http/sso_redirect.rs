//! GET `/profile/SAML2/Redirect/SSO`: an AuthnRequest in the query (SAML bindings 3.4).

use crate::saml::binding::{Binding, decode_redirect};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::sso::Arrival;
use crate::server::http::visit::{Place, Visit};

/// The browser's cookies are here: with a session that will do, the answer goes out at once.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    let arrival = Arrival::new(exchange, Binding::Redirect);
    match arrival.accept(decode_redirect(exchange.query())).await {
        Ok(asked) => {
            let csrf = exchange.app.world.id();
            let visit = Visit::new(exchange, asked, Place::New, csrf).await?;
            visit.begin().await
        }
        Err(reply) => Ok(reply),
    }
}
