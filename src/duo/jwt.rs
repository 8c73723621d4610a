//! HS512 JWTs keyed with the client secret: jsonwebtoken over an OpenSSL HMAC provider.

use crate::duo::secret::Secret;

/// Signs a claims object with HS512.
pub fn sign(_claims: &serde_json::Value, _secret: &Secret) -> Result<String, JwtError> {
    todo!()
}

/// Verifies an HS512 signature and returns the claims. Checks no claim: `claims` does.
pub fn verify(_token: &str, _secret: &Secret) -> Result<serde_json::Value, JwtError> {
    todo!()
}

/// Why a token could not be made or read: a constant reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtError(pub &'static str);
