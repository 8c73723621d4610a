//! One value's text as its type: durations, flags, sizes, lists, class URIs.

use crate::authn::flow::FlowId;
use crate::saml::context::AuthnContextClassRef;
use std::time::Duration;

/// ISO-8601 weeks, days, hours, minutes and seconds. Months and years have no fixed length.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = components(days, &[('W', 604_800), ('D', 86_400)])?;
    let time = components(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(time)
}

/// Numbers with their units, each unit at most once and in this order.
fn components(mut text: &str, units: &[(char, u32)]) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            total = total.checked_add(amount(number, *seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

fn amount(number: &str, seconds: u32) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Only seconds have fractions; nine digits are nanoseconds.
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    if seconds != 1 && number.contains('.') {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(seconds.into())?;
    // A thousand years: what is longer overflows calendars further on.
    (whole <= 1000 * 365 * 86_400).then(|| Duration::new(whole, nanoseconds))
}

/// `true` or `false`.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Bytes, with K, M or G for powers of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix('B').unwrap_or(text) {
        text if text.ends_with('K') => (text.trim_end_matches('K'), 1 << 10),
        text if text.ends_with('M') => (text.trim_end_matches('M'), 1 << 20),
        text if text.ends_with('G') => (text.trim_end_matches('G'), 1 << 30),
        text => (text, 1),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// A comma list without its blanks and empty parts.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Names of flows. Shibboleth has a regular expression here; its common form, names joined by `|`,
/// is accepted, perhaps in parentheses, and so is a comma list.
pub(super) fn flow_names(text: &str) -> Vec<&str> {
    text.trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .split(['|', ','])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// A principal as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    /// `saml2/URI`
    Class(AuthnContextClassRef),
    /// `saml1/...` or `saml2declref/...`: nothing here can use it.
    Unusable,
    /// No known prefix.
    Unprefixed,
}

/// One principal of a list.
pub(super) fn principal(text: &str) -> Principal {
    match text.split_once('/') {
        Some(("saml2", uri)) if !uri.is_empty() => Principal::Class(AuthnContextClassRef::new(uri)),
        Some(("saml1" | "saml2declref", _)) => Principal::Unusable,
        _ => Principal::Unprefixed,
    }
}

/// The name of `script:NAME`.
pub(super) fn script(text: &str) -> Option<&str> {
    text.strip_prefix("script:")
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// A flow named in a target: only `authn/NAME` and the bare name.
pub(super) fn flow(text: &str) -> Option<FlowId> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601_of_fixed_length() {
        let seconds = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(seconds("PT5M"), Some(300_000));
        assert_eq!(seconds("PT1H30M"), Some(5_400_000));
        assert_eq!(seconds("P1DT1S"), Some(86_401_000));
        assert_eq!(seconds("P2W"), Some(1_209_600_000));
        assert_eq!(seconds("PT0.5S"), Some(500));
        for wrong in [
            "",
            "P",
            "PT",
            "5M",
            "PT5",
            "P1M",
            "P1Y",
            "PT1M1H",
            "-PT5M",
            "PT-5M",
            "PT1.5H",
            "pt5m",
            "P1DT",
            "PT99999999999999S",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units_and_flags_two_words() {
        assert_eq!(size("100M"), Some(104_857_600));
        assert_eq!(size("10KB"), Some(10_240));
        assert_eq!(size("M"), None);
        assert_eq!(flag("true"), Some(true));
        assert_eq!(flag("yes"), None);
    }

    #[test]
    fn principals_need_their_prefix() {
        assert_eq!(
            principal("saml2/https://refeds.org/profile/mfa"),
            Principal::Class(AuthnContextClassRef::new("https://refeds.org/profile/mfa"))
        );
        assert_eq!(principal("saml1/urn:x"), Principal::Unusable);
        assert_eq!(
            principal("https://refeds.org/profile/mfa"),
            Principal::Unprefixed
        );
    }

    #[test]
    fn flows_may_be_joined_by_bars_or_commas() {
        assert_eq!(flow_names("(Password|MFA)"), ["Password", "MFA"]);
        assert_eq!(flow_names("Password, MFA"), ["Password", "MFA"]);
    }
}
