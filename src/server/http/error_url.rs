//! GET `/error`: where a service provider sends a user for whom something is missing (REFEDS
//! errorURL v1). Our metadata names the page with placeholders, which the provider fills in.
//!
//! Anybody can write such a link, so little of it is shown: the code is one of four, the relying party
//! is one of metadata, what is missing has names that everyone knows, and a reference is one word.

use crate::attribute;
use crate::saml::metadata::MetadataResolver as _;
use crate::server::http::exchange::Exchange;
use crate::server::http::parameters::Parameters;
use crate::server::http::reply::{Fault, Reply};
use crate::server::http::visit::service_view;
use crate::server::pages::{ErrorUrlView, View};
use actix_web::http::StatusCode;
use jiff::Timestamp;

/// Where the page is, below the base URL.
pub const PATH: &str = "/error";

/// What can be wrong; anything else is the last.
const CODES: [&str; 4] = [
    "IDENTIFICATION_FAILURE",
    "AUTHENTICATION_FAILURE",
    "AUTHORIZATION_FAILURE",
    "OTHER_ERROR",
];

const MOST_NAMES: usize = 20;
const LONGEST: usize = 128;

/// Where names of classes and of entity categories come from.
const KNOWN: [&str; 3] = [
    "https://refeds.org/",
    "http://refeds.org/",
    "urn:oasis:names:tc:SAML:",
];

/// Explains what is wrong, and what to tell the help desk.
pub fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    let query = Parameters::parse(exchange.query().as_bytes()).map_err(|_| Fault::BAD_REQUEST)?;
    let relying_party = query.value("rp").and_then(|id| {
        let metadata = exchange.app.metadata.current();
        metadata.entity(id, exchange.now)
    });
    let pages = &exchange.generation.pages;
    let language = pages.language(exchange.accept_language());
    let service = relying_party.map(|entity| service_view(&entity, language));
    let view = View::ErrorUrl(described(&query));
    Ok(Reply::showing(StatusCode::OK, view, None, service))
}

fn described(query: &Parameters) -> ErrorUrlView {
    let code = query.value("code").unwrap_or_default();
    let known = CODES.into_iter().find(|known| *known == code);
    ErrorUrlView {
        code: known.unwrap_or("OTHER_ERROR"),
        time: query.value("ts").and_then(time),
        reference: query.value("tid").and_then(reference),
        missing: missing(query.value("ctx").unwrap_or_default()),
    }
}

/// Seconds since 1970, if they are of our time; a placeholder that nobody filled in is none.
fn time(text: &str) -> Option<String> {
    let time = Timestamp::from_second(text.parse().ok()?).ok()?;
    let text = time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    text.starts_with("20").then_some(text)
}

fn reference(text: &str) -> Option<String> {
    (is_plain(text) && !text.starts_with("ERRORURL_")).then(|| text.to_owned())
}

/// Attributes by the names that people know, classes and categories by their own.
fn missing(context: &str) -> Vec<String> {
    let names = context.split_whitespace().take(MOST_NAMES);
    names.filter_map(known).map(str::to_owned).collect()
}

fn known(name: &str) -> Option<&str> {
    let by_id = attribute::standard(name).map(|attribute| attribute.id);
    let is_oid = || {
        let digits = name.strip_prefix("urn:oid:");
        digits.is_some_and(|oid| oid.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    };
    let is_known = || is_oid() || KNOWN.iter().any(|prefix| name.starts_with(prefix));
    by_id
        .or_else(|| attribute::id_of_name(name))
        .or_else(|| (is_plain(name) && is_known()).then_some(name))
}

/// What identifiers are made of.
fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/#".contains(&b);
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &str) -> ErrorUrlView {
        described(&Parameters::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn what_a_service_provider_filled_in_is_understood() {
        let view = view(
            "code=IDENTIFICATION_FAILURE&ts=1700000000&tid=_a1b2&\
             ctx=urn:oid:1.3.6.1.4.1.5923.1.1.1.6%20https://refeds.org/profile/mfa%20urn:oid:1.2.3",
        );
        assert_eq!(view.code, "IDENTIFICATION_FAILURE");
        assert_eq!(view.time.as_deref(), Some("2023-11-14 22:13:20 UTC"));
        assert_eq!(view.reference.as_deref(), Some("_a1b2"));
        let missing = [
            "eduPersonPrincipalName",
            "https://refeds.org/profile/mfa",
            "urn:oid:1.2.3",
        ];
        assert_eq!(view.missing, missing);
    }

    #[test]
    fn placeholders_and_what_is_no_such_thing_are_left_out() {
        let unfilled = view(
            "code=ERRORURL_CODE&ts=ERRORURL_TS&rp=ERRORURL_RP&tid=ERRORURL_TID&ctx=ERRORURL_CTX",
        );
        assert_eq!(unfilled.code, "OTHER_ERROR");
        assert_eq!((unfilled.time, unfilled.reference), (None, None));
        assert!(unfilled.missing.is_empty());
        let hostile = view(
            "code=%3Cscript%3E&ts=99999999999999999999&tid=%3Cb%3Ecall+0123&\
             ctx=%3Cimg%3E+Please+https://evil.example+urn:oid:1.2.call+mail",
        );
        assert_eq!(hostile.code, "OTHER_ERROR");
        assert_eq!((hostile.time, hostile.reference), (None, None));
        assert_eq!(hostile.missing, ["mail"]);
    }
}
