//! The process log's lines: time - client address - level \[target\] - message; fields.

use crate::audit::escape;
use crate::server::world::Clock;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Writes every event to one log, and warnings and errors to a second one as well.
///
/// A span's fields `client` and `transaction` say whose request it is.
pub(super) struct ProcessLayer<W> {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) all: W,
    pub(super) warnings: W,
    /// Also to standard error.
    pub(super) console: bool,
}

impl<S, W> Layer<S> for ProcessLayer<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut origin = Origin::default();
        attributes.record(&mut origin);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(origin);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(origin) = span.extensions_mut().get_mut::<Origin>()
        {
            values.record(origin);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let mut line = self.line(event, &context, &text);
        line.push('\n');
        // A log that cannot be written has nowhere else to say so than standard error.
        let mut written = self.all.make_writer().write_all(line.as_bytes());
        if *event.metadata().level() <= Level::WARN {
            written = written.and(self.warnings.make_writer().write_all(line.as_bytes()));
        }
        if self.console || written.is_err() {
            eprint!("{line}");
        }
    }
}

impl<W> ProcessLayer<W> {
    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>, text: &Text) -> String
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let origin = origin_of(event, context);
        let metadata = event.metadata();
        let mut line = String::with_capacity(160);
        let client = if origin.client.is_empty() {
            "-"
        } else {
            &origin.client
        };
        let (now, level, target) = (self.clock.now(), metadata.level(), metadata.target());
        write!(line, "{now:.3} - {} - {level} [{target}] - ", clean(client)).expect(INFALLIBLE);
        line.push_str(&clean(&text.message));
        if !origin.transaction.is_empty() {
            write!(line, "; transaction={}", clean(&origin.transaction)).expect(INFALLIBLE);
        }
        for (name, value) in &text.fields {
            write!(line, "; {name}={}", clean(value)).expect(INFALLIBLE);
        }
        line
    }
}

const INFALLIBLE: &str = "writing to a String cannot fail";

/// No control character reaches a log: what was sent to us cannot forge a line or a colour (S61).
fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    escape(text, |_| false)
}

/// Whose request a span is about.
#[derive(Clone, Default)]
struct Origin {
    client: String,
    transaction: String,
}

/// The nearest span's word counts, for each of the two.
fn origin_of<S>(event: &Event<'_>, context: &Context<'_, S>) -> Origin
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let mut found = Origin::default();
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(origin) = span.extensions().get::<Origin>() {
            if found.client.is_empty() {
                found.client.clone_from(&origin.client);
            }
            if found.transaction.is_empty() {
                found.transaction.clone_from(&origin.transaction);
            }
        }
    }
    found
}

impl Visit for Origin {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "client" => value.clone_into(&mut self.client),
            "transaction" => value.clone_into(&mut self.transaction),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// An event's message and fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
