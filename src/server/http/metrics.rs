//! `/metrics`: what happened and how things stand, in the text format of Prometheus (0.0.4); for
//! administrators' networks alone.

use crate::server::app::App;
use crate::server::counters::Family;
use crate::server::http::documents::{NOT_FOUND, is_administrator};
use crate::server::http::exchange::Exchange;
use crate::server::http::reply::{Fault, Reply};
use actix_web::http::StatusCode;
use std::fmt::{self, Write as _};

/// The media type of the format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The document.
pub fn show(exchange: &Exchange) -> Result<Reply, Fault> {
    if !is_administrator(exchange) {
        return Err(NOT_FOUND);
    }
    let mut text = String::with_capacity(4096);
    write(&mut text, exchange).map_err(|error| Fault::Defect(error.to_string()))?;
    Ok(Reply::document(
        StatusCode::OK,
        MEDIA_TYPE,
        text.into_bytes(),
    ))
}

fn write(text: &mut String, exchange: &Exchange) -> fmt::Result {
    let app = &exchange.app;
    for family in app.world.counters.families() {
        counted(text, family)?;
    }
    let circuits = exchange.generation.duo.circuits();
    let open = circuits.iter().map(|(host, state)| {
        let closed = *state == "closed";
        (host.as_str(), u64::from(!closed))
    });
    let help = "1 while calls to this API host are kept back.";
    gauge(text, ("vestibule_duo_circuit_open", help, "api_host"), open)?;
    metadata(text, exchange)?;
    let ready = u64::from(app.world.audit.ready());
    let help = "0 while audit lines cannot be kept.";
    gauge(text, ("vestibule_audit_ready", help, ""), [("", ready)])?;
    process(text, app)
}

fn metadata(text: &mut String, exchange: &Exchange) -> fmt::Result {
    let sources = exchange.app.metadata.statuses(exchange.now);
    let of = |value: fn(&crate::server::metadata::SourceStatus) -> u64| {
        let sources = sources.iter();
        sources.map(move |source| (source.name.as_str(), value(source)))
    };
    let help = "1 while a source of metadata has a problem.";
    let name = ("vestibule_metadata_problem", help, "source");
    gauge(text, name, of(|source| u64::from(source.problem.is_some())))?;
    let help = "Entities held of a source of metadata.";
    let name = ("vestibule_metadata_entities", help, "source");
    gauge(text, name, of(|source| source.entities as u64))?;
    let help = "Failures of a source of metadata.";
    let name = "vestibule_metadata_failures_total";
    samples(
        text,
        (name, help, "source"),
        "counter",
        of(|source| source.failures),
    )
}

fn process(text: &mut String, app: &App) -> fmt::Result {
    let started = u64::try_from(app.started.as_second()).unwrap_or(0);
    let help = "When the server started, in seconds since 1970.";
    gauge(
        text,
        ("vestibule_start_time_seconds", help, ""),
        [("", started)],
    )?;
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    gauge(
        text,
        ("vestibule_info", "What runs here.", "version"),
        version,
    )
}

fn counted(text: &mut String, family: &Family) -> fmt::Result {
    let head = (family.name, family.help, family.label);
    samples(text, head, "counter", family.read())
}

/// A metric's name, its help and the name of its one label.
type Head = (&'static str, &'static str, &'static str);

fn gauge<'v>(
    text: &mut String,
    head: Head,
    values: impl IntoIterator<Item = (&'v str, u64)>,
) -> fmt::Result {
    samples(text, head, "gauge", values)
}

fn samples<'v>(
    text: &mut String,
    (name, help, label): Head,
    kind: &str,
    values: impl IntoIterator<Item = (&'v str, u64)>,
) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    for (value, count) in values {
        if label.is_empty() {
            writeln!(text, "{name} {count}")?;
        } else {
            writeln!(text, "{name}{{{label}=\"{}\"}} {count}", escaped(value))?;
        }
    }
    Ok(())
}

/// A label's value: the format knows three escapes.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_leave_its_quotes() {
        let mut text = String::new();
        let head = ("m", "Help.", "source");
        gauge(&mut text, head, [("a\"} 1\nb\\", 2)]).unwrap();
        assert_eq!(
            text,
            "# HELP m Help.\n# TYPE m gauge\nm{source=\"a\\\"} 1\\nb\\\\\"} 2\n"
        );
    }
}
