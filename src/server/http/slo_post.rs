//! POST `/profile/SAML2/POST/SLO`: a logout message in a form (SAML bindings 3.5).

use crate::saml::binding::{Binding, decode_form};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::slo::Arrival;

/// Takes the message and sends the browser on to where its cookies come along.
pub async fn receive(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    if !exchange.query().is_empty() {
        return Err(Fault::BAD_REQUEST);
    }
    let arrival = Arrival::new(exchange, Binding::Post);
    arrival.receive(decode_form(body)).await
}
