//! POST `/profile/SAML2/SOAP/SLO`: a relying party asks without the browser (SAML bindings 3.2).
//!
//! The name finds the sessions. Others are told over the back channel alone, and the answer says
//! how that went. What is not proved is answered with a SOAP fault: nobody gets our signature for
//! it.

use crate::response::logout::{Ended, Outgoing};
use crate::saml::binding::Binding;
use crate::saml::logout::{LogoutRefusal, LogoutRequest, accept_request_in};
use crate::saml::metadata::EntityDescriptor;
use crate::saml::soap::{self, Envelope, FaultCode, SoapError, is_soap};
use crate::server::http::exchange::Exchange;
use crate::server::http::logout::answer::{self, Answer, Saying};
use crate::server::http::logout::{ending, telling};
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::slo::Arrival;
use actix_web::http::{StatusCode, header};
use std::sync::Arc;

/// Ends the sessions that the request means and answers.
pub async fn receive(exchange: &Exchange, body: &[u8]) -> Reply {
    match log_out(exchange, body).await {
        Ok(reply) => reply,
        Err(fault) => fault.soap_reply(),
    }
}

async fn log_out(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    if !is_soap(exchange.header(header::CONTENT_TYPE)) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Fault::Request(status, "BadRequest"));
    }
    let arrival = Arrival::new(exchange, Binding::Soap);
    let envelope = match soap::parse(body, &[]) {
        Ok(envelope) => envelope,
        Err(error) => {
            arrival.refuse(&unreadable(error));
            return Ok(Reply::soap_fault(error.code, error.reason));
        }
    };
    match accept(&arrival, &envelope).await {
        Ok((request, party)) => answered(&arrival, request, &party).await,
        Err(refusal) => {
            arrival.refuse(&refusal);
            Ok(Reply::soap_fault(FaultCode::Client, refusal.reason))
        }
    }
}

async fn accept(
    arrival: &Arrival<'_>,
    envelope: &Envelope,
) -> Result<(LogoutRequest, Arc<EntityDescriptor>), LogoutRefusal> {
    let exchange = arrival.exchange;
    arrival.prepare(envelope.claimed_issuer()).await;
    let metadata = exchange.app.metadata.current();
    let acceptance = &exchange.generation.settings.logout.acceptance;
    accept_request_in(envelope, &*metadata, acceptance, exchange.now)
}

async fn answered(
    arrival: &Arrival<'_>,
    request: LogoutRequest,
    party: &Arc<EntityDescriptor>,
) -> Result<Reply, Fault> {
    let exchange = arrival.exchange;
    if let Err(refusal) = arrival.admit(&request, party) {
        arrival.refuse(&refusal);
        let id = format!("_{}", exchange.app.world.id());
        let denied = Saying {
            id: &id,
            in_response_to: &request.id,
            ended: Ended::Denied,
        };
        return Ok(envelope(answer::over_soap(exchange, party, &denied)?));
    }
    let found = ending::meant(exchange, &request).await?;
    let begun = arrival.begun(request.clone());
    let mut logout = ending::end(exchange, begun, found, None).await?;
    telling::ask_all(exchange, &mut logout).await;
    let id = logout.answer_id();
    let saying = Saying {
        id: &id,
        in_response_to: &request.id,
        ended: logout.ended(),
    };
    let answer = answer::over_soap(exchange, party, &saying)?;
    answer::write_line(exchange, &logout, Some(&answer));
    Ok(envelope(answer))
}

fn unreadable(error: SoapError) -> LogoutRefusal {
    LogoutRefusal {
        event: "UnableToDecode",
        reason: error.reason,
        claimed_issuer: None,
    }
}

fn envelope(answer: Answer) -> Reply {
    let envelope = match answer.outgoing {
        Outgoing::Soap(envelope) => envelope,
        Outgoing::Redirect(_) | Outgoing::Form(_) => String::new(),
    };
    Reply::soap(StatusCode::OK, envelope)
}
