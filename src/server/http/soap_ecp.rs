//! POST `/profile/SAML2/SOAP/ECP`: the login of a client without a browser (SAML profiles 4.2; ECP
//! profile 2.0), by HTTP Basic.
//!
//! Served only where it is switched on. A client is asked for credentials before its message is
//! looked at, so that it may send the same one again with them. No cookie is read or set: each
//! login proves its user anew.

use crate::authn::duo_auth_api::Wish;
use crate::authn::login::Presented;
use crate::duo::secret::Secret;
use crate::response::ecp::Delivery;
use crate::saml::binding::Binding;
use crate::saml::ecp::{self, EcpRequest};
use crate::saml::soap::{self, is_soap};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::sso::Arrival;
use crate::server::http::visit::Visit;
use actix_web::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Answers with a SAML Response in an envelope, or with a SOAP fault.
pub async fn receive(exchange: &Exchange, body: &[u8]) -> Reply {
    match log_in(exchange, body).await {
        Ok(reply) => reply,
        Err(fault) => fault.soap_reply(),
    }
}

async fn log_in(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    if !is_soap(exchange.header(header::CONTENT_TYPE)) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Fault::Request(status, "BadRequest"));
    }
    let Some((username, password)) = credentials(exchange.header(header::AUTHORIZATION)) else {
        return Ok(Reply::challenge());
    };
    let presented = Presented {
        username,
        password,
        duo: duo_wish(exchange),
    };
    let arrival = Arrival::new(exchange, Binding::Soap);
    let envelope = match soap::parse(body, &ecp::UNDERSTOOD) {
        Ok(envelope) => envelope,
        Err(error) => return arrival.no_envelope(&error),
    };
    arrival.prepare(envelope.claimed_issuer()).await;
    let metadata = exchange.app.metadata.current();
    let acceptance = &exchange.generation.settings.acceptance;
    let mut channel_bindings = Vec::new();
    let accepted = ecp::accept(&envelope, &*metadata, acceptance, exchange.now);
    let accepted = accepted.map(|(accepted, party)| {
        let EcpRequest {
            request,
            channel_bindings: agreed,
        } = accepted;
        channel_bindings = agreed;
        (request, party)
    });
    match arrival.take(accepted).await {
        Ok(asked) => {
            let visit = Visit::of_enhanced_client(exchange, asked, channel_bindings).await?;
            visit.begin_with(presented).await
        }
        Err(reply) => Ok(reply),
    }
}

/// Name and password of HTTP Basic (RFC 7617), in UTF-8 as our challenge says.
fn credentials(authorization: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((username.to_owned(), Secret::new(password)))
}

/// What the headers of `idp.duo.oidc.nonbrowser.header.*` ask for.
fn duo_wish(exchange: &Exchange) -> Wish {
    let Some(api) = &exchange.generation.settings.duo_auth_api else {
        return Wish::default();
    };
    let value = |name: &String| exchange.header(name.as_str()).trim();
    let passcode = value(&api.passcode_header);
    Wish {
        factor: value(&api.factor_header).to_ascii_lowercase(),
        device: value(&api.device_header).to_owned(),
        passcode: (!passcode.is_empty()).then(|| Secret::new(passcode)),
    }
}

/// A Response on its way to its relying party, told to the client that carries it.
pub fn deliver(delivery: &Delivery<'_>, response: &str) -> Reply {
    Reply::soap(StatusCode::OK, delivery.envelope(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_rfc_7617_writes_them() {
        let read = |text: &str| {
            let (username, password) = credentials(text)?;
            Some((username, password.expose().to_owned()))
        };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(read(&basic("alice:a:b")), pair("alice", "a:b"));
        assert_eq!(read(&basic("älice:pässword")), pair("älice", "pässword"));
        assert_eq!(read(&basic("alice:")), pair("alice", ""));
        let lower = basic("alice:x").replace("Basic", "basic");
        assert_eq!(read(&lower), pair("alice", "x"));
        for bad in ["", "Basic", "Basic !", "Bearer YTpi", &basic("alice")] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
