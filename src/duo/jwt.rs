//! HS512 JWTs keyed with the client secret: jsonwebtoken over an OpenSSL HMAC provider.

use crate::duo::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Header as JwtHeader, encode,
};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde::Deserialize;
use std::fmt;
use std::sync::Once;

/// Longest token that is looked at; Duo's are under 4 KiB.
const LONGEST: usize = 64 * 1024;

/// Why a token could not be made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// Not three base64url parts holding JSON objects.
    Malformed,
    /// `alg` is not HS512, or the header asks for an extension.
    Algorithm,
    /// The MAC does not verify.
    Signature,
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a JWT",
            Self::Algorithm => "not signed with HS512",
            Self::Signature => "the signature does not verify",
        })
    }
}

impl std::error::Error for JwtError {}

/// Signs a claims object with HS512.
pub fn sign(claims: &serde_json::Value, secret: &Secret) -> Result<String, JwtError> {
    install_provider();
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    encode(&JwtHeader::new(Algorithm::HS512), claims, &key).map_err(|_| JwtError::Malformed)
}

/// Verifies an HS512 signature and returns the claims. Checks no claim: `claims` does.
pub fn verify(token: &str, secret: &Secret) -> Result<serde_json::Value, JwtError> {
    install_provider();
    if token.len() > LONGEST {
        return Err(JwtError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(JwtError::Malformed)?;
    if payload.contains('.') {
        return Err(JwtError::Malformed);
    }
    require_hs512(header)?;
    let key = DecodingKey::from_secret(secret.expose().as_bytes());
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS512) {
        Ok(true) => {}
        Ok(false) => return Err(JwtError::Signature),
        Err(_) => return Err(JwtError::Malformed),
    }
    let claims: serde_json::Value = decode_json(payload)?;
    if claims.is_object() {
        Ok(claims)
    } else {
        Err(JwtError::Malformed)
    }
}

/// The two header members that decide how a token is verified.
#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde_json::Value>,
}

/// The algorithm is ours to choose, never the token's (RFC 8725 section 3.1); an unknown critical
/// extension refuses the token (RFC 7515 section 4.1.11).
fn require_hs512(header: &str) -> Result<(), JwtError> {
    let header: Header = decode_json(header)?;
    if header.alg == "HS512" && header.crit.is_none() {
        Ok(())
    } else {
        Err(JwtError::Algorithm)
    }
}

fn decode_json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, JwtError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JwtError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Malformed)
}

/// HMAC-SHA-512 over OpenSSL: it takes Duo's 40-byte secret, which is shorter than the 64 bytes
/// RFC 7518 section 3.2 asks for and which stricter libraries refuse.
struct Mac(PKey<Private>);

impl Mac {
    fn new(algorithm: Algorithm, secret: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        if algorithm != Algorithm::HS512 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let key = PKey::hmac(secret).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(key))
    }

    fn compute(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Signer::new(MessageDigest::sha512(), &self.0)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(message))
            .map_err(|_| signature::Error::new())
    }
}

impl signature::Signer<Vec<u8>> for Mac {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.compute(message)
    }
}

impl signature::Verifier<Vec<u8>> for Mac {
    fn verify(&self, message: &[u8], mac: &Vec<u8>) -> Result<(), signature::Error> {
        let expected = self.compute(message)?;
        if expected.len() == mac.len() && openssl::memcmp::eq(&expected, mac) {
            Ok(())
        } else {
            Err(signature::Error::new())
        }
    }
}

impl JwtSigner for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS512
    }
}

impl JwtVerifier for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS512
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Mac::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| match key.kind() {
        DecodingKeyKind::SecretOrDer(secret) => Ok(Box::new(Mac::new(*algorithm, secret)?)),
        DecodingKeyKind::RsaModulusExponent { .. } => Err(ErrorKind::InvalidKeyFormat.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// jsonwebtoken wants one provider per process. A program that embeds this room may have chosen
/// its own; then its HS512 is used, so the answer is not looked at.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret() -> Secret {
        Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789")
    }

    fn token_with_header(header: &serde_json::Value) -> String {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(&json!({"a": 1})));
        let mac = Mac::new(Algorithm::HS512, secret().expose().as_bytes())
            .unwrap()
            .compute(message.as_bytes())
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    #[test]
    fn a_signed_token_verifies_and_gives_its_claims_back() {
        let claims = json!({"iss": "me", "exp": 1.5});
        let token = sign(&claims, &secret()).unwrap();
        assert_eq!(verify(&token, &secret()), Ok(claims));
    }

    #[test]
    fn a_wrong_key_or_a_changed_payload_fails_the_signature() {
        let token = sign(&json!({"a": 1}), &secret()).unwrap();
        let other = Secret::new("X123456789abcdefghijABCDEFGHIJ0123456789");
        assert_eq!(verify(&token, &other), Err(JwtError::Signature));
        let mut parts: Vec<&str> = token.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(r#"{"a":2}"#);
        parts[1] = &payload;
        assert_eq!(
            verify(&parts.join("."), &secret()),
            Err(JwtError::Signature)
        );
    }

    #[test]
    fn only_hs512_is_taken_even_when_the_mac_is_right() {
        for alg in ["none", "None", "HS256", "HS384", "RS512", "hs512"] {
            let token = token_with_header(&json!({"alg": alg}));
            assert_eq!(verify(&token, &secret()), Err(JwtError::Algorithm), "{alg}");
        }
        assert!(verify(&token_with_header(&json!({"alg": "HS512"})), &secret()).is_ok());
    }

    #[test]
    fn a_critical_extension_refuses_the_token() {
        let token = token_with_header(&json!({"alg": "HS512", "crit": ["exp"]}));
        assert_eq!(verify(&token, &secret()), Err(JwtError::Algorithm));
    }

    #[test]
    fn what_is_not_three_parts_of_base64url_json_is_malformed() {
        let good = sign(&json!({"a": 1}), &secret()).unwrap();
        let padded = format!("{good}=");
        let four = format!("{good}.e30");
        let long = "a".repeat(LONGEST + 1);
        for token in ["", ".", "..", "a.b.c", "e30.e30.", &padded, &four, &long] {
            assert_eq!(
                verify(token, &secret()),
                Err(JwtError::Malformed),
                "{token}"
            );
        }
    }

    #[test]
    fn claims_that_are_not_an_object_are_malformed() {
        let token = sign(&json!([1]), &secret()).unwrap();
        assert_eq!(verify(&token, &secret()), Err(JwtError::Malformed));
    }
}
