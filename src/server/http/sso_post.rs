//! POST `/profile/SAML2/POST/SSO`: an AuthnRequest in a form (SAML bindings 3.5); the same with a
//! signature beside it at `/profile/SAML2/POST-SimpleSign/SSO` (SimpleSign binding 2).
//!
//! The form comes from another site, so this browser's cookies do not come with it. The request is
//! accepted and parked under an id nobody can guess; the browser is sent to fetch it with GET, and
//! its cookies come along.

use crate::saml::binding::{Binding, BindingError, Inbound, decode_post, decode_post_simple_sign};
use crate::server::conversation::Execution;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::sso::Arrival;
use crate::server::http::visit::execution_url;
use crate::server::session::later;
use std::time::Duration;

/// A browser follows the redirect at once.
const PARKED: Duration = Duration::from_mins(5);

/// Takes a request by HTTP-POST.
pub async fn receive(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    park(exchange, Binding::Post, decode_post(body)).await
}

/// Takes a request by HTTP-POST-SimpleSign.
pub async fn receive_simple_sign(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let decoded = decode_post_simple_sign(body);
    park(exchange, Binding::PostSimpleSign, decoded).await
}

/// Accepts the request and sends the browser on.
async fn park(
    exchange: &Exchange,
    binding: Binding,
    decoded: Result<Inbound, BindingError>,
) -> Result<Reply, Fault> {
    if !exchange.query().is_empty() {
        return Err(Fault::BAD_REQUEST);
    }
    let arrival = Arrival::new(exchange, binding);
    match arrival.accept(decoded).await {
        Ok(asked) => {
            let id = exchange.app.world.id();
            let url = execution_url(exchange, &asked.request, &id);
            let expiry = later(exchange.now, PARKED);
            let executions = exchange.executions();
            executions
                .create(&id, &Execution::Pending(asked), expiry)
                .await?;
            Ok(Reply::see_other(url))
        }
        Err(reply) => Ok(reply),
    }
}
