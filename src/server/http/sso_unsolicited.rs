//! GET `/profile/SAML2/Unsolicited/SSO`: a login that a portal's link starts.

use crate::saml::binding::Binding;
use crate::saml::request::{Unsolicited, unsolicited};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::sso::Arrival;
use crate::server::http::visit::{Place, Visit};

/// Begins the login.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    let mut query =
        Parameters::parse(exchange.query().as_bytes()).map_err(|_| Fault::BAD_REQUEST)?;
    let link = Unsolicited {
        provider_id: query.take("providerId").ok_or(Fault::BAD_REQUEST)?,
        shire: query.take("shire"),
        target: query.take("target"),
        time: query.take("time"),
    };
    let metadata = &exchange.app.metadata;
    metadata.prepare(&link.provider_id, exchange.now).await;
    let metadata = metadata.current();
    let acceptance = &exchange.generation.settings.acceptance;
    let accepted = unsolicited(&link, &*metadata, acceptance, exchange.now);
    match Arrival::new(exchange, Binding::Redirect)
        .take(accepted)
        .await
    {
        Ok(asked) => {
            let csrf = exchange.app.world.id();
            let visit = Visit::new(exchange, asked, Place::New, csrf).await?;
            visit.begin().await
        }
        Err(reply) => Ok(reply),
    }
}
