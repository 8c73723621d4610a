//! `/admin/throttled`: lists accounts at which passwords failed too often (GET) and forgets the
//! failures of one (POST); for administrators' networks alone.

use crate::server::http::admin;
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::StatusCode;
use serde_json::json;

/// GET.
pub async fn list(exchange: &Exchange) -> Result<Reply, Fault> {
    admin::admitted(exchange)?;
    let settings = &exchange.generation.settings.password.throttle;
    let accounts = exchange.app.throttle.throttled(settings).await?;
    let answer = json!({ "accounts": accounts });
    Ok(admin::document(StatusCode::OK, &answer))
}

/// POST `user=NAME`.
pub async fn unlock(exchange: &Exchange, body: &[u8]) -> Result<Reply, Fault> {
    let parameters = admin::parameters(exchange, body)?;
    let user = parameters.value("user").ok_or(Fault::BAD_REQUEST)?;
    let unlocked = exchange.app.throttle.unlock(user).await?;
    tracing::info!(
        user,
        unlocked,
        "failed passwords forgotten by an administrator"
    );
    let answer = json!({ "user": user, "unlocked": unlocked });
    Ok(admin::document(StatusCode::OK, &answer))
}
