//! The result token's claims and their verification (A.7, A.8).

use crate::duo::integration::Integration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    pub all: serde_json::Value,
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
    /// `nonce` is not the one sent.
    Nonce,
    /// `preferred_username` is not the name sent.
    Username,
    /// `auth_time` is too old for a forced login.
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

/// Verifies a result token: signature, then every claim of A.8.
pub fn verify(
    _id_token: &str,
    _expected: &Expected<'_>,
    _now: Timestamp,
) -> Result<VerifiedClaims, ClaimError> {
    let _ = Verified;
    todo!()
}
