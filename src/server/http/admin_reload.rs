//! POST `/admin/reload`: reads the configuration again; for administrators' networks alone.

use crate::server::http::admin;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::reload;
use actix_web::http::StatusCode;
use serde_json::json;

/// Reloads, and says what was wrong if it did not.
pub async fn receive(exchange: &Exchange) -> Result<Reply, Fault> {
    admin::admitted(exchange)?;
    let (status, answer) = match reload::reload(&exchange.app).await {
        Ok(()) => (StatusCode::OK, json!({"reloaded": true})),
        Err(errors) => (
            StatusCode::CONFLICT,
            json!({"reloaded": false, "errors": errors}),
        ),
    };
    Ok(admin::document(status, &answer))
}
