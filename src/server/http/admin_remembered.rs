//! `/admin/remembered`: lists (GET) and revokes (POST) a user's remembered browsers; for
//! administrators' networks alone.

use crate::server::http::admin;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::StatusCode;
use serde_json::json;

/// GET `?user=NAME`.
pub async fn list(exchange: &Exchange) -> Result<Reply, Fault> {
    let parameters = admin::parameters(exchange, exchange.query().as_bytes())?;
    let user = parameters.value("user").ok_or(Fault::BAD_REQUEST)?;
    let browsers = exchange.remembered_browsers().of_user(user).await?;
    let answer = json!({"user": user, "browsers": browsers});
    Ok(admin::document(StatusCode::OK, &answer))
}

/// POST `user=NAME` and `id=ID` or `all=true`.
pub async fn revoke(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let parameters = admin::parameters(exchange, body)?;
    let user = parameters.value("user").ok_or(Fault::BAD_REQUEST)?;
    let id = match (parameters.value("id"), parameters.value("all")) {
        (Some(id), None) => Some(id),
        (None, Some("true")) => None,
        _ => return Err(Fault::BAD_REQUEST),
    };
    let revoked = exchange.remembered_browsers().revoke(user, id).await?;
    tracing::info!(user, revoked, "browsers forgotten by an administrator");
    let answer = json!({"user": user, "revoked": revoked});
    Ok(admin::document(StatusCode::OK, &answer))
}
