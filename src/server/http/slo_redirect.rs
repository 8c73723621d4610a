//! GET `/profile/SAML2/Redirect/SLO`: a logout message in the query (SAML bindings 3.4).

use crate::saml::binding::{Binding, decode_query};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::slo::Arrival;

/// Takes the message; the browser's cookies are here.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    let arrival = Arrival::new(exchange, Binding::Redirect);
    arrival.receive(decode_query(exchange.query())).await
}
