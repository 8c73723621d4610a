//! One function for each check of the result token's claims.

use super::{ClaimError, ClaimName, Expected};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

type Checked<T> = Result<T, ClaimError>;

/// `https://` + API host + issuer path, compared exactly (OIDC Core section 3.1.3.7, 2).
pub(super) fn issuer(all: &Value, expected: &Expected<'_>) -> Checked<()> {
    let issuer = text(all, "iss", ClaimName::Iss)?;
    let integration = expected.integration;
    let wanted = integration.url(&integration.verifier.issuer_path);
    ensure(issuer == wanted, ClaimError::Issuer)
}

/// A string, or an array that holds our client id alone (OIDC Core section 3.1.3.7, 3).
pub(super) fn audience(all: &Value, expected: &Expected<'_>) -> Checked<()> {
    let audience = match all.get("aud") {
        Some(Value::String(one)) => one,
        Some(Value::Array(several)) => match several.as_slice() {
            [Value::String(one)] => one,
            _ => return Err(ClaimError::Audience),
        },
        _ => return Err(ClaimError::MissingClaim(ClaimName::Aud)),
    };
    ensure(
        *audience == expected.integration.client_id,
        ClaimError::Audience,
    )
}

/// `exp`, `iat` and, when present, `nbf`, within the verifier's leeways.
pub(super) fn times(all: &Value, expected: &Expected<'_>, now: Timestamp) -> Checked<()> {
    let verifier = &expected.integration.verifier;
    let skew = seconds(verifier.clock_skew);
    let now = now.as_second();
    let exp = number(all, "exp", ClaimName::Exp)?;
    ensure(now.saturating_sub(exp) < skew.max(1), ClaimError::Expired)?;
    let iat = number(all, "iat", ClaimName::Iat)?;
    let distance = now.saturating_sub(iat).saturating_abs();
    ensure(
        distance <= seconds(verifier.iat_window),
        ClaimError::IssuedAt,
    )?;
    match all.get("nbf") {
        None => Ok(()),
        Some(nbf) => {
            let nbf = integral(nbf).ok_or(ClaimError::NotYetValid)?;
            ensure(nbf.saturating_sub(now) <= skew, ClaimError::NotYetValid)
        }
    }
}

/// Compared in constant time: it is a secret of this login.
pub(super) fn nonce(all: &Value, expected: &Expected<'_>) -> Checked<()> {
    let nonce = text(all, "nonce", ClaimName::Nonce)?;
    let same = nonce.as_bytes().ct_eq(expected.nonce.as_bytes());
    ensure(bool::from(same), ClaimError::Nonce)
}

/// OIDC Core section 2 requires `sub`.
pub(super) fn subject(all: &Value) -> Checked<()> {
    text(all, "sub", ClaimName::Sub).map(|_| ())
}

/// Byte for byte the name that was sent: neither case nor Unicode form is folded.
pub(super) fn username(all: &Value, expected: &Expected<'_>) -> Checked<String> {
    let claim = &expected.integration.verifier.preferred_username;
    let username = text(all, claim, ClaimName::PreferredUsername)?;
    ensure(
        !username.is_empty() && username == expected.username,
        ClaimError::Username,
    )?;
    Ok(username.to_owned())
}

/// Never in the future, because results age from it; fresh when the login was forced.
pub(super) fn auth_time(
    all: &Value,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Checked<Timestamp> {
    let verifier = &expected.integration.verifier;
    let told = number(all, "auth_time", ClaimName::AuthTime)?;
    let age = now.as_second().saturating_sub(told);
    ensure(age >= -seconds(verifier.clock_skew), ClaimError::AuthTime)?;
    ensure(
        !expected.forced || age <= seconds(verifier.auth_lifetime),
        ClaimError::AuthTime,
    )?;
    Timestamp::from_second(told).map_err(|_| ClaimError::MissingClaim(ClaimName::AuthTime))
}

/// `auth_result.result` and `.status` both say allow, or nothing is claimed.
pub(super) fn allowed(all: &Value) -> Checked<()> {
    let result = object(all, "auth_result", ClaimName::AuthResult)?;
    for name in ["result", "status"] {
        match result.get(name) {
            Some(Value::String(word)) => ensure(word == "allow", ClaimError::NotAllowed)?,
            _ => return Err(ClaimError::MissingClaim(ClaimName::AuthResult)),
        }
    }
    Ok(())
}

/// `auth_context` with its transaction id: without it the result cannot be audited.
pub(super) fn context(all: &Value) -> Checked<&Value> {
    let context = object(all, "auth_context", ClaimName::AuthContext)?;
    match context.get("txid") {
        Some(Value::String(txid)) if !txid.is_empty() => Ok(context),
        _ => Err(ClaimError::MissingClaim(ClaimName::AuthContext)),
    }
}

fn ensure(holds: bool, error: ClaimError) -> Checked<()> {
    if holds { Ok(()) } else { Err(error) }
}

fn text<'a>(all: &'a Value, name: &str, claim: ClaimName) -> Checked<&'a str> {
    all.get(name)
        .and_then(Value::as_str)
        .ok_or(ClaimError::MissingClaim(claim))
}

fn object<'a>(all: &'a Value, name: &str, claim: ClaimName) -> Checked<&'a Value> {
    all.get(name)
        .filter(|value| value.is_object())
        .ok_or(ClaimError::MissingClaim(claim))
}

fn number(all: &Value, name: &str, claim: ClaimName) -> Checked<i64> {
    all.get(name)
        .and_then(integral)
        .ok_or(ClaimError::MissingClaim(claim))
}

/// A NumericDate may carry a fraction (RFC 7519 section 2); a string is not one.
fn integral(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked: every number within a jiff timestamp's range fits an i64"
)]
fn whole(number: f64) -> Option<i64> {
    let limit = 253_402_207_200.0;
    (-limit..=limit)
        .contains(&number)
        .then(|| number.floor() as i64)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
