//! `/admin/remembered`: lists (GET) and revokes (POST) a user's remembered browsers; for
//! administrators' networks alone.

use crate::server::http::admin_reload::HEADER;
use crate::server::http::documents::{NOT_FOUND, is_administrator};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::StatusCode;
use serde_json::{Value, json};

/// GET `?user=NAME`.
pub async fn list(exchange: &Exchange) -> Result<Reply, Fault> {
    let parameters = admitted(exchange, exchange.query().as_bytes())?;
    let user = parameters.value("user").ok_or(Fault::BAD_REQUEST)?;
    let browsers = exchange.remembered_browsers().of_user(user).await?;
    Ok(document(&json!({"user": user, "browsers": browsers})))
}

/// POST `user=NAME` and `id=ID` or `all=true`.
pub async fn revoke(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let parameters = admitted(exchange, body)?;
    let user = parameters.value("user").ok_or(Fault::BAD_REQUEST)?;
    let id = match (parameters.value("id"), parameters.value("all")) {
        (Some(id), None) => Some(id),
        (None, Some("true")) => None,
        _ => return Err(Fault::BAD_REQUEST),
    };
    let revoked = exchange.remembered_browsers().revoke(user, id).await?;
    tracing::info!(user, revoked, "browsers forgotten by an administrator");
    Ok(document(&json!({"user": user, "revoked": revoked})))
}

fn admitted(exchange: &Exchange, parameters: &[u8]) -> Result<Parameters, Fault> {
    if !is_administrator(exchange) || exchange.header(HEADER).is_empty() {
        return Err(NOT_FOUND);
    }
    Parameters::parse(parameters).map_err(|_| Fault::BAD_REQUEST)
}

fn document(answer: &Value) -> Reply {
    let octets = format!("{answer:#}\n").into_bytes();
    Reply::document(StatusCode::OK, "application/json", octets)
}
