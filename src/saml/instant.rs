//! Instants on the wire: `xs:dateTime` (XML Schema part 2, 3.2.7; SAML core 1.3.3).

use jiff::Timestamp;
use jiff::civil::DateTime;
use std::time::Duration;

/// Reads an `xs:dateTime`, with any zone or none: SAML core 1.3.3 asks for UTC, so none is UTC.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if !is_date_time(text.as_bytes()) {
        return None;
    }
    if text.as_bytes()[19..].iter().any(|b| b"Z+-".contains(b)) {
        return text.parse().ok();
    }
    let local: DateTime = text.parse().ok()?;
    local
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
}

/// Writes an instant in UTC with whole seconds, the form every SP reads.
pub fn format(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes an instant in UTC with milliseconds, the finest that SAML core 1.3.3 lets us expect.
pub fn format_millis(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// Reads an `xs:duration`; a month counts as in the calendar from 1970-01-01, a day 24 hours.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    // The span parser knows friendlier forms too; xs:duration begins with P and nothing else.
    if !text.starts_with('P') {
        return None;
    }
    let span: jiff::Span = text.parse().ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Duration::try_from(span.to_duration(epoch).ok()?).ok()
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction, a zone: the parser behind accepts looser forms.
fn is_date_time(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    if text.len() < SHAPE.len() {
        return false;
    }
    let (fixed, rest) = text.split_at(SHAPE.len());
    let fixed_fits = fixed.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    fixed_fits && is_zone(after_fraction(rest))
}

/// What follows the fraction; a fraction without digits is left standing and so fails as a zone.
fn after_fraction(rest: &[u8]) -> &[u8] {
    match rest {
        [b'.', first, ..] if first.is_ascii_digit() => {
            let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            // Nine digits are what the clock has; more would be refused by the parser anyway.
            &rest[1 + digits..]
        }
        _ => rest,
    }
}

fn is_zone(zone: &[u8]) -> bool {
    match zone {
        [] | [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn every_spelling_of_an_instant_is_read() {
        for (text, expected) in [
            ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
            ("2026-11-23T10:00:00", "2026-11-23T10:00:00Z"),
            ("2026-11-23T10:00:00.123Z", "2026-11-23T10:00:00.123Z"),
            ("2026-11-23T10:00:00.5", "2026-11-23T10:00:00.5Z"),
            ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00Z"),
            ("2026-11-23T10:00:00.25-05:30", "2026-11-23T15:30:00.25Z"),
            (" 2026-11-23T10:00:00Z\n", "2026-11-23T10:00:00Z"),
        ] {
            assert_eq!(parse(text), Some(at(expected)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_date_time_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23 10:00:00Z",
            "2026-11-23t10:00:00Z",
            "2026-11-23T10:00:00.Z",
            "2026-11-23T10:00:00z",
            "2026-11-23T10:00:00[Europe/Paris]",
            "2026-11-23T10:00:00+0200",
            "2026-13-23T10:00:00Z",
            "2026-11-23T25:00:00Z",
            "now",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_instant_is_written_in_utc_with_whole_seconds() {
        assert_eq!(
            format(at("2026-11-23T10:00:00.75Z")),
            "2026-11-23T10:00:00Z"
        );
    }

    #[test]
    fn durations_are_read_as_xml_schema_writes_them() {
        assert_eq!(parse_duration("PT1H"), Some(Duration::from_hours(1)));
        assert_eq!(parse_duration("P1DT1S"), Some(Duration::from_secs(86_401)));
        assert_eq!(parse_duration("P1M"), Some(Duration::from_hours(31 * 24)));
        for text in ["", "1 hour", "-PT1H", "PT"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }
}
