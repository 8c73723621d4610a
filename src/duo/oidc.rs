//! The OIDC exchange: health check, authorize URL, code exchange. Requests are values; the caller
//! sends them and feeds the answer back.

use crate::duo::integration::Integration;
use jiff::Timestamp;

/// A form POST to Duo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormRequest {
    /// Absolute URL.
    pub url: String,
    /// Form parameters in order.
    pub form: Vec<(&'static str, String)>,
}

/// What came back, or why nothing did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum HttpAnswer {
    /// Any HTTP answer.
    Response {
        /// HTTP status.
        status: u16,
        /// Lower-case names.
        headers: Vec<(String, String)>,
        /// Body, size-capped by the client.
        body: Vec<u8>,
    },
    /// No HTTP answer: DNS, TCP, TLS, time-out.
    Transport {
        /// What failed, safe to log.
        reason: String,
    },
}

/// The values that bind one authorize request to its callback.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuthorizeParameters {
    /// 22 to 1024 characters.
    pub state: String,
    /// 17 to 1023 characters.
    pub nonce: String,
    /// Byte for byte what the token request repeats.
    pub redirect_uri: String,
    /// `duo_uname`.
    pub username: String,
}

/// Whose fault a failed Duo call is, and what to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DuoError {
    /// No answer: DNS, TCP, TLS, time-out.
    Unreachable(String),
    /// Duo answered 5xx.
    ServerError(u16),
    /// Duo answered 429.
    RateLimited,
    /// `invalid_client`: wrong secret, or a clock that is off; the difference is given when known.
    InvalidClient {
        /// Our clock minus Duo's, in seconds, when Duo told its time.
        clock_difference: Option<i64>,
    },
    /// The credentials are of another application kind.
    WrongApplicationKind,
    /// `invalid_grant`: the code is unknown, used, expired, or bound to another redirect URI.
    InvalidGrant,
    /// Anything else Duo said: status and its `message` or `error`, cut to 200 characters.
    Refused(u16, String),
    /// The body was not what the protocol says.
    Malformed(String),
}

/// The health check request (A.3).
pub fn health_check(_integration: &Integration, _jti: &str, _now: Timestamp) -> FormRequest {
    todo!()
}

/// Reads a health check's answer.
pub fn read_health(_answer: &HttpAnswer, _now: Timestamp) -> Result<(), DuoError> {
    todo!()
}

/// The authorize URL with its signed request JWT (A.4).
pub fn authorize_url(
    _integration: &Integration,
    _parameters: &AuthorizeParameters,
    _now: Timestamp,
) -> String {
    todo!()
}

/// The token request (A.6).
pub fn token(
    _integration: &Integration,
    _code: &str,
    _redirect_uri: &str,
    _jti: &str,
    _now: Timestamp,
) -> FormRequest {
    todo!()
}

/// The token answer, parsed; the tokens themselves never reach a log.
#[derive(Clone)]
pub struct TokenAnswer {
    /// The signed result.
    pub id_token: String,
    /// The whole answer with its tokens redacted, for scripts and the demo's result page.
    pub redacted: serde_json::Value,
}

/// Reads the token endpoint's answer.
pub fn read_token(_answer: &HttpAnswer, _now: Timestamp) -> Result<TokenAnswer, DuoError> {
    todo!()
}
