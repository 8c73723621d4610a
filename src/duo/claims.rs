//! The result token's claims and their verification (A.7, A.8).

mod checks;

use crate::duo::integration::Integration;
use crate::duo::jwt::{self, JwtError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What the token must say.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The integration whose secret, host and client id apply.
    pub integration: &'a Integration,
    /// The name that was sent.
    pub username: &'a str,
    /// The nonce that was sent.
    pub nonce: &'a str,
    /// Whether re-authentication was forced, so that `auth_time` must be fresh.
    pub forced: bool,
}

/// Claims that passed every check. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifiedClaims {
    /// All claims as Duo sent them.
    pub all: Value,
    /// `preferred_username`.
    pub username: String,
    /// `auth_time`.
    pub auth_time: Timestamp,
    /// `auth_context.txid`.
    pub txid: String,
    /// `auth_context.factor`, empty when absent.
    pub factor: String,
    /// `auth_context.reason`, empty when absent.
    pub reason: String,
    /// `auth_context.auth_device.key` or `.id` where Duo sends one.
    pub device_id: String,
    /// `auth_context.auth_device.name`.
    pub device_name: String,
    verified: Verified,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Verified;

/// Why a result token was refused; each has its own audit reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimError {
    /// Not a JWT, or its parts do not decode.
    Malformed,
    /// `alg` is not HS512.
    Algorithm,
    /// The MAC does not verify.
    Signature,
    /// A required claim is absent or of the wrong type.
    MissingClaim(ClaimName),
    /// `iss` is not the token endpoint.
    Issuer,
    /// `aud` is not the client id.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `iat` is too far from now.
    IssuedAt,
    /// `nbf` is still to come.
    NotYetValid,
    /// `nonce` is not the one sent.
    Nonce,
    /// `preferred_username` is not the name sent.
    Username,
    /// `auth_time` is to come, or too old for a forced login.
    AuthTime,
    /// `auth_result` is not allow.
    NotAllowed,
}

/// A claim's name, for [`ClaimError::MissingClaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are the claims' own names")]
pub enum ClaimName {
    Iss,
    Sub,
    Aud,
    Exp,
    Iat,
    AuthTime,
    PreferredUsername,
    Nonce,
    AuthResult,
    AuthContext,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the result is not a JWT",
            Self::Algorithm => "the result is not signed with HS512",
            Self::Signature => "the result's signature does not verify",
            Self::MissingClaim(name) => return write!(f, "{name:?} is absent or of a wrong type"),
            Self::Issuer => "the issuer is not the token endpoint",
            Self::Audience => "the audience is not our client id",
            Self::Expired => "the result has expired",
            Self::IssuedAt => "the result was issued too far from now",
            Self::NotYetValid => "the result is not valid yet",
            Self::Nonce => "the nonce is not the one that was sent",
            Self::Username => "the user is not the one that was sent",
            Self::AuthTime => "the authentication is not fresh",
            Self::NotAllowed => "Duo did not allow the login",
        })
    }
}

impl std::error::Error for ClaimError {}

impl From<JwtError> for ClaimError {
    fn from(error: JwtError) -> Self {
        match error {
            JwtError::Malformed => Self::Malformed,
            JwtError::Algorithm => Self::Algorithm,
            JwtError::Signature => Self::Signature,
        }
    }
}

/// Verifies a result token: signature, then every claim of A.8.
///
/// Duo's own SDKs stop before `auth_result`, so that a signed denial passes them; here the result
/// must say allow, twice.
pub fn verify(
    id_token: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<VerifiedClaims, ClaimError> {
    let all = jwt::verify(id_token, &expected.integration.client_secret)?;
    checks::issuer(&all, expected)?;
    checks::audience(&all, expected)?;
    checks::times(&all, expected, now)?;
    checks::nonce(&all, expected)?;
    checks::subject(&all)?;
    let username = checks::username(&all, expected)?;
    let auth_time = checks::auth_time(&all, expected, now)?;
    checks::allowed(&all)?;
    let context = checks::context(&all)?;
    let text = |pointer: &str| {
        let value = context.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let device_key = text("/auth_device/key");
    Ok(VerifiedClaims {
        username,
        auth_time,
        txid: text("/txid"),
        factor: text("/factor"),
        reason: text("/reason"),
        device_id: if device_key.is_empty() {
            text("/auth_device/id")
        } else {
            device_key
        },
        device_name: text("/auth_device/name"),
        verified: Verified,
        all,
    })
}

#[cfg(test)]
mod tests;
