//! `/shibboleth`, `/health/live`, `/health/ready`, `/status`, `/static/NAME`: documents of ours.

use crate::server::counters::{Counters, Family};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use crate::server::storage::{Context, Key};
use actix_web::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Nothing is known at this address, or not to you.
pub const NOT_FOUND: Fault = Fault::Request(StatusCode::NOT_FOUND, "NotFound");

/// Our own metadata.
pub fn own_metadata(exchange: &Exchange) -> Reply {
    let document = exchange.generation.own_metadata.clone();
    let media_type = "application/samlmetadata+xml";
    Reply::document(StatusCode::OK, media_type, document.into_bytes())
}

/// The process answers.
pub fn live() -> Reply {
    Reply::document(StatusCode::OK, "text/plain", b"live\n".to_vec())
}

/// Logins can be served: the audit can be written and the store answers.
pub async fn ready(exchange: &Exchange) -> Reply {
    let probe = Key::new(Context::Session, "probe");
    let storage = exchange.app.storage.read(&probe).await.is_ok();
    if storage && exchange.app.world.audit.ready() {
        Reply::document(StatusCode::OK, "text/plain", b"ready\n".to_vec())
    } else {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Reply::document(status, "text/plain", b"not ready\n".to_vec())
    }
}

/// What runs here, for administrators.
pub fn status(exchange: &Exchange) -> Result<Reply, Fault> {
    if !is_administrator(exchange) {
        return Err(NOT_FOUND);
    }
    let app = &exchange.app;
    let key_life = &exchange.generation.settings.key_life;
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "entity_id": exchange.generation.settings.entity_id,
        "started": app.started.to_string(),
        "now": exchange.now.to_string(),
        "configuration": exchange.generation.settings.fingerprint,
        "relying_parties": app.metadata.current().len(),
        "metadata": app.metadata.statuses(exchange.now),
        "keys": key_life.standings(&key_life.ring),
        "audit_ready": app.world.audit.ready(),
        "duo": duo(exchange),
        "counts": counts(&app.world.counters),
    });
    let octets = format!("{status:#}\n").into_bytes();
    Ok(Reply::document(StatusCode::OK, "application/json", octets))
}

fn duo(exchange: &Exchange) -> Value {
    let integrations = &exchange.generation.settings.rules.duo.integrations;
    let circuits = exchange.generation.duo.circuits().into_iter();
    let circuits = circuits.map(|(host, state)| json!({"api_host": host, "state": state}));
    json!({
        "integrations": integrations.keys().collect::<Vec<_>>(),
        "circuits": circuits.collect::<Vec<_>>(),
    })
}

fn counts(counters: &Counters) -> Value {
    let families = counters.families();
    let of = |family: &Family| family.read().collect::<BTreeMap<_, _>>();
    let named = families.map(|family| (family.name, of(family)));
    json!(BTreeMap::from(named))
}

/// From a network of `vestibule.http.adminNetworks`, and not through somebody we do not know.
pub fn is_administrator(exchange: &Exchange) -> bool {
    let networks = &exchange.generation.settings.http.admin_networks;
    exchange
        .client
        .proven
        .is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
}

/// A static file of the pages.
pub fn asset(exchange: &Exchange, name: &str) -> Result<Reply, Fault> {
    let asset = exchange.generation.pages.asset(name).ok_or(NOT_FOUND)?;
    Ok(Reply::asset(asset.content_type, asset.octets.clone()))
}
