//! Who calls the HMAC-signed APIs (B.1, B.2).

use super::message::Reply;
use super::service::Call;
use super::{Application, ApplicationKind, assertion};
use crate::duo::hmac::{Credentials, SignedParts};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::json;

/// How far a request's date may be from now.
const WINDOW: i64 = 300;

/// The application that signed this call, if it opens this API.
pub(super) fn take<'a>(
    call: &'a Call<'_>,
    kind: ApplicationKind,
) -> Result<&'a Application, Reply> {
    let header = call.arrival.header("authorization");
    let Some(credentials) = Credentials::read(header) else {
        return Err(failure(40_101, "Missing request credentials"));
    };
    let Some(application) = assertion::application(call, &credentials.client_id) else {
        let text = "Invalid integration key in request credentials";
        return Err(failure(40_102, text));
    };
    let date = date(call)?;
    if !signed(call, application, &credentials, date) {
        return Err(failure(40_103, "Invalid signature in request credentials"));
    }
    if application.kind == kind {
        Ok(application)
    } else {
        Err(failure_with(
            40_301,
            "Access forbidden",
            "Wrong integration type for this API.",
        ))
    }
}

/// The date header, if it lies within the window.
fn date<'a>(call: &'a Call<'_>) -> Result<&'a str, Reply> {
    let date = match call.arrival.header("date") {
        "" => call.arrival.header("x-duo-date"),
        date => date,
    };
    let Ok(told) = DateTimeParser::new().parse_timestamp(date) else {
        return Err(failure(40_104, "Bad request timestamp"));
    };
    if (call.now.as_second() - told.as_second()).abs() > WINDOW {
        return Err(failure(40_105, "Bad request timestamp"));
    }
    Ok(date)
}

/// Some clients sign the host with its port and some without.
fn signed(
    call: &Call<'_>,
    application: &Application,
    credentials: &Credentials,
    date: &str,
) -> bool {
    let arrival = call.arrival;
    let form = arrival.form();
    let without_port = call.host.rsplit_once(':').map_or("", |(name, _)| name);
    [call.host.as_str(), without_port].iter().any(|host| {
        let parts = SignedParts {
            date,
            method: &arrival.method,
            host,
            path: &arrival.path,
            query: &arrival.query,
            form: &form,
            body: &arrival.body,
            headers: &arrival.headers,
        };
        credentials
            .verify(&application.client_secret, &parts)
            .is_some()
    })
}

/// A FAIL; its HTTP status is the first three digits of its code.
pub(super) fn failure(code: u32, message: &str) -> Reply {
    Reply::json(
        status(code),
        &json!({"stat": "FAIL", "code": code, "message": message}),
    )
}

/// A FAIL with a detail.
pub(super) fn failure_with(code: u32, message: &str, detail: &str) -> Reply {
    let body = json!({"stat": "FAIL", "code": code, "message": message, "message_detail": detail});
    Reply::json(status(code), &body)
}

fn status(code: u32) -> u16 {
    u16::try_from(code / 100).unwrap_or(500)
}
