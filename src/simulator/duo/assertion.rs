//! Intake of the JWTs that clients send, as leniently as Duo takes them (G.4, G.5).

use super::service::Call;
use super::state::State;
use super::{Application, ApplicationKind};
use crate::duo::jwt;
use crate::duo::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// Leeway on `exp`, either end.
const GRACE: i64 = 60;

/// Greatest lifetime of an assertion.
const LONGEST: i64 = 3600;

/// Why an assertion was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssertionError {
    /// The client, the signature, `aud`, `exp` or `jti`: Duo says one thing for all.
    Invalid,
    /// `iss` or `sub` is not the client.
    Issuer,
    /// The credentials open another API.
    WrongKind,
}

/// The application a client id names.
pub(super) fn application<'a>(call: &'a Call<'_>, client_id: &str) -> Option<&'a Application> {
    call.applications
        .iter()
        .find(|application| application.client_id == client_id)
}

/// Takes the `client_assertion` of a call: who is it? Order: client known, signature, `iss` and
/// `sub`, `aud`, `exp`, `jti`.
pub(super) fn take<'a>(
    call: &'a Call<'_>,
    state: &mut State,
) -> Result<&'a Application, AssertionError> {
    let token = call.parameter("client_assertion");
    // Java's client leaves client_id out of the token call.
    let named = match call.parameter("client_id") {
        "" => unverified_issuer(token).unwrap_or_default(),
        named => named.to_owned(),
    };
    let application = application(call, &named).ok_or(AssertionError::Invalid)?;
    let claims = verified(token, &application.client_secret).ok_or(AssertionError::Invalid)?;
    if claims["iss"] != named.as_str() || claims["sub"] != named.as_str() {
        return Err(AssertionError::Issuer);
    }
    require(audience_fits(&claims, call))?;
    let expiry = expiry(&claims, call).ok_or(AssertionError::Invalid)?;
    let jti = claims["jti"].as_str().unwrap_or_default();
    let now = call.now.as_second();
    require(!jti.is_empty() && state.first_use(&named, jti, expiry + GRACE, now))?;
    if application.kind == ApplicationKind::WebSdk {
        Ok(application)
    } else {
        Err(AssertionError::WrongKind)
    }
}

/// Takes the signed authorize request; `iss` and `aud` may be absent there (Java's client).
pub(super) fn take_request<'a>(
    call: &'a Call<'_>,
) -> Result<(&'a Application, Value), AssertionError> {
    let client_id = call.parameter("client_id");
    let application = application(call, client_id).ok_or(AssertionError::Invalid)?;
    let claims = verified(call.parameter("request"), &application.client_secret)
        .ok_or(AssertionError::Invalid)?;
    let issuer_fits = claims.get("iss").is_none_or(|iss| iss == client_id);
    require(issuer_fits && claims["client_id"] == client_id)?;
    require(claims.get("aud").is_none() || audience_fits(&claims, call))?;
    expiry(&claims, call).ok_or(AssertionError::Invalid)?;
    if application.kind == ApplicationKind::WebSdk {
        Ok((application, claims))
    } else {
        Err(AssertionError::WrongKind)
    }
}

/// The claims of a JWT whose HS512 or HS256 MAC verifies; `typ` is not looked at.
fn verified(token: &str, secret: &Secret) -> Option<Value> {
    if let Ok(claims) = jwt::verify(token, secret) {
        return Some(claims);
    }
    let (message, mac) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let expected = hmac(MessageDigest::sha256(), message, secret);
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    let right = mac.len() == expected.len() && openssl::memcmp::eq(&mac, &expected);
    (right && part(header)?["alg"] == "HS256").then(|| part(payload))?
}

/// A token as Duo never makes it: with another digest, for the faults of that kind.
pub(super) fn sign_otherwise(alg: &str, claims: &Value, secret: &Secret) -> String {
    let digest = match alg {
        "HS384" => MessageDigest::sha384(),
        _ => MessageDigest::sha256(),
    };
    let message = unsigned(&json!({"alg": alg, "typ": "JWT"}), claims);
    let mac = URL_SAFE_NO_PAD.encode(hmac(digest, &message, secret));
    format!("{message}.{mac}")
}

/// Header and payload of a token, without a signature.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// What a token says, whoever signed it: for the request log.
pub(super) fn unverified(token: &str) -> Option<Value> {
    part(token.split('.').nth(1)?)
}

fn hmac(digest: MessageDigest, message: &str, secret: &Secret) -> Vec<u8> {
    PKey::hmac(secret.expose().as_bytes())
        .and_then(|key| Signer::new(digest, &key)?.sign_oneshot_to_vec(message.as_bytes()))
        .expect("OpenSSL computes an HMAC for any key and message")
}

fn part(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn unverified_issuer(token: &str) -> Option<String> {
    unverified(token)?["iss"].as_str().map(str::to_owned)
}

fn require(holds: bool) -> Result<(), AssertionError> {
    if holds {
        Ok(())
    } else {
        Err(AssertionError::Invalid)
    }
}

/// `aud` is a string or an array of one: the host or the endpoint, as the Host header names it.
fn audience_fits(claims: &Value, call: &Call<'_>) -> bool {
    let audience = match &claims["aud"] {
        Value::String(one) => one.as_str(),
        Value::Array(several) if several.len() == 1 => several[0].as_str().unwrap_or_default(),
        _ => return false,
    };
    let host = format!("https://{}", call.host);
    audience == host || audience == format!("{host}{}", call.arrival.path)
}

/// `exp` as a number, a fraction or a numeric string, not past and at most an hour ahead.
fn expiry(claims: &Value, call: &Call<'_>) -> Option<i64> {
    let seconds = match &claims["exp"] {
        Value::String(text) => text.parse().ok()?,
        number => number.as_f64()?,
    };
    let now = call.now.as_second();
    let remaining = seconds - float(now);
    let grace = float(GRACE);
    let good = remaining > -grace && remaining <= float(LONGEST) + grace;
    good.then(|| now + whole(remaining))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 are far below 2^52"
)]
fn float(seconds: i64) -> f64 {
    seconds as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller has bounded it to about an hour"
)]
fn whole(seconds: f64) -> i64 {
    seconds.ceil() as i64
}
