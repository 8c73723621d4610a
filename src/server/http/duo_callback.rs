//! GET `/profile/Authn/Duo/2FA/duo-callback`: the browser returns from Duo.
//!
//! The `state` leads to its login; the cookie proves whose it is; the state is used up before the
//! code is exchanged, so of any number of callbacks one counts.

use crate::authn::login::{Callback, CallbackOutcome, Input};
use crate::server::conversation::Execution;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::visit::{Place, Visit, execution_url};
use crate::server::session::later;
use crate::server::storage::records::Versioned;
use actix_web::http::StatusCode;

/// Longer than any value Duo sends.
const MAX_VALUE: usize = 4096;

/// Brings the login on.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    let callback = read(exchange.query())?;
    let gone = || Fault::Expired(StatusCode::GONE);
    let states = exchange.duo_states();
    let found = states.read(&callback.state).await?.ok_or_else(gone)?;
    let id = found.value.execution.clone();
    let execution = exchange.executions().read(&id).await?.ok_or_else(gone)?;
    let Versioned { version, value } = execution;
    let conversation = match value {
        Execution::Open(conversation) if exchange.is(&conversation.browser) => *conversation,
        Execution::Finished(finished) if exchange.is(&finished.browser) => {
            return Ok(current_page(exchange, &finished.asked.request, &id));
        }
        Execution::Consent(consenting) if exchange.is(&consenting.browser) => {
            return Ok(current_page(exchange, &consenting.asked.request, &id));
        }
        // S33, S38: another browser's callback neither counts nor uses the state up.
        _ => return Err(Fault::Expired(StatusCode::FORBIDDEN)),
    };
    let lifetime = exchange.generation.settings.session.login_lifetime;
    let expiry = later(exchange.now, lifetime);
    if !states.consume(&callback.state, &found, expiry).await? {
        return Ok(current_page(exchange, &conversation.asked.request, &id));
    }
    let current = conversation.generation == exchange.generation.settings.fingerprint;
    let place = Place::At { id, version };
    let visit = Visit::new(exchange, conversation.asked, place, conversation.csrf).await?;
    if current {
        let input = Input::Callback(callback);
        visit.advance(conversation.login, input).await
    } else {
        visit.begin().await
    }
}

fn current_page(
    exchange: &Exchange,
    request: &crate::saml::request::AuthnRequest,
    id: &str,
) -> Reply {
    Reply::see_other(execution_url(exchange, request, id))
}

fn read(query: &str) -> Result<Callback, Fault> {
    let mut query = Parameters::parse(query.as_bytes()).map_err(|_| Fault::BAD_REQUEST)?;
    let mut take = |name| query.take(name).filter(|value| value.len() <= MAX_VALUE);
    let state = take("state").ok_or(Fault::BAD_REQUEST)?;
    let outcome = match (take("duo_code"), take("code"), take("error")) {
        (Some(code), None, None) | (None, Some(code), None) => CallbackOutcome::Code(code),
        (None, None, Some(error)) => CallbackOutcome::Error {
            error,
            description: take("error_description").unwrap_or_default(),
        },
        _ => return Err(Fault::BAD_REQUEST),
    };
    Ok(Callback { state, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_has_one_state_and_one_outcome() {
        let code = |query| match read(query).map(|callback| callback.outcome) {
            Ok(CallbackOutcome::Code(code)) => Some(code),
            _ => None,
        };
        assert_eq!(code("state=s&duo_code=c").as_deref(), Some("c"));
        assert_eq!(code("state=s&code=c").as_deref(), Some("c"));
        for refused in [
            "",
            "state=s",
            "duo_code=c",
            "state=s&duo_code=c&code=c",
            "state=s&duo_code=c&error=e",
            "state=s&state=s&duo_code=c",
            "state=s&duo_code=c&duo_code=d",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
        let long = format!("state={}&code=c", "s".repeat(MAX_VALUE + 1));
        assert!(read(&long).is_err());
    }
}
