//! POST `/admin/reload`: reads the configuration again; for administrators' networks alone.

use crate::server::http::documents::{NOT_FOUND, is_administrator};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::reload;
use actix_web::http::StatusCode;
use serde_json::json;

/// A page in an administrator's browser cannot send this header to us without our consent.
pub const HEADER: &str = "x-vestibule-admin";

/// Reloads, and says what was wrong if it did not.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    if !is_administrator(exchange) || exchange.header(HEADER).is_empty() {
        return Err(NOT_FOUND);
    }
    let (status, answer) = match reload::reload(&exchange.app).await {
        Ok(()) => (StatusCode::OK, json!({"reloaded": true})),
        Err(errors) => (
            StatusCode::CONFLICT,
            json!({"reloaded": false, "errors": errors}),
        ),
    };
    let octets = format!("{answer:#}\n").into_bytes();
    Ok(Reply::document(status, "application/json", octets))
}
