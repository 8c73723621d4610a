//! What every endpoint below `/admin/` has in common: for administrators' networks alone.

use crate::server::http::documents::{NOT_FOUND, is_administrator};
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::StatusCode;
use serde_json::Value;

/// A page in an administrator's browser cannot send this header to us without our consent.
pub const HEADER: &str = "x-vestibule-admin";

/// Whoever is no administrator finds nothing here.
pub(super) fn admitted(exchange: &Exchange) -> Result<(), Fault> {
    if is_administrator(exchange) && !exchange.header(HEADER).is_empty() {
        Ok(())
    } else {
        Err(NOT_FOUND)
    }
}

/// An administrator's parameters.
pub(super) fn parameters(exchange: &Exchange, octets: &[u8]) -> Result<Parameters, Fault> {
    admitted(exchange)?;
    Parameters::parse(octets).map_err(|_| Fault::BAD_REQUEST)
}

/// An answer for programs.
pub(super) fn document(status: StatusCode, answer: &Value) -> Reply {
    let octets = format!("{answer:#}\n").into_bytes();
    Reply::document(status, "application/json", octets)
}
