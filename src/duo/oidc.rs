//! The OIDC exchange: health check, authorize URL, code exchange. Requests are values; the caller
//! sends them and feeds the answer back.

mod answer;

pub(in crate::duo) use answer::clock_difference;
pub use answer::{TokenAnswer, read_health, read_token, server_time};

use crate::duo::integration::Integration;
use crate::duo::jwt;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt;

/// How long our assertions live: Duo refuses more than an hour ahead, its SDKs use five minutes.
const ASSERTION_SECONDS: i64 = 300;

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A form POST to Duo.
#[derive(Clone, PartialEq, Eq)]
pub struct FormRequest {
    /// Absolute URL.
    pub url: String,
    /// Form parameters in order.
    pub form: Vec<(&'static str, String)>,
}

/// Names only: the values hold the assertion and the code.
impl fmt::Debug for FormRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.form.iter().map(|(name, _)| name).collect();
        f.debug_struct("FormRequest")
            .field("url", &self.url)
            .field("form", &names)
            .finish()
    }
}

/// What came back, or why nothing did.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

/// Without the body: it holds tokens.
impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { status, body, .. } => {
                write!(f, "Response({status}, {} bytes)", body.len())
            }
            Self::Transport { reason } => write!(f, "Transport({reason})"),
        }
    }
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
    /// Duo knows no application of this client id.
    UnknownClient,
    /// Duo knows the client id, and says that the signature is wrong: it is the secret.
    WrongSecret,
    /// Duo refuses the time of the request, and nothing else.
    ClockRefused {
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

/// Who has to act on a [`DuoError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The network between us and Duo, or a certificate on the way.
    Network,
    /// Duo's service. Wait.
    Duo,
    /// Our clock.
    Clock,
    /// Our client id, secret, API host or redirect URL, or the kind of application.
    Configuration,
}

impl Blame {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Duo => "duo",
            Self::Clock => "clock",
            Self::Configuration => "configuration",
        }
    }
}

/// Clocks this far apart explain a refusal.
const NOTEWORTHY_SECONDS: i64 = 30;

impl DuoError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreachable(_) => Blame::Network,
            Self::ServerError(_) | Self::RateLimited | Self::Malformed(_) => Blame::Duo,
            Self::ClockRefused { .. } => Blame::Clock,
            Self::InvalidClient {
                clock_difference: Some(seconds),
            } if seconds.abs() > NOTEWORTHY_SECONDS => Blame::Clock,
            Self::InvalidClient { .. }
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongApplicationKind
            | Self::InvalidGrant
            | Self::Refused(..) => Blame::Configuration,
        }
    }

    /// Whether Duo's Auth API refused this very parameter (code 40002): a name that is taken, an id
    /// that is not known.
    pub fn is_about(&self, parameter: &str) -> bool {
        let prefix = "Invalid request parameters";
        matches!(self, Self::Refused(400, text)
            if text.starts_with(prefix) && text[prefix.len()..].contains(parameter))
    }

    /// Whether Duo is away: the only errors for which an application may decide to let users in
    /// without it. A wrong secret or clock never is.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::ServerError(_) | Self::RateLimited
        )
    }
}

impl fmt::Display for DuoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(f, "Duo cannot be reached: {reason}"),
            Self::ServerError(status) => write!(f, "Duo answered with an error of its own: {status}"),
            Self::RateLimited => f.write_str("Duo says there are too many requests"),
            Self::InvalidClient { clock_difference } => invalid_client(f, *clock_difference),
            Self::UnknownClient => f.write_str(
                "Duo knows no application of this client id on this API host; compare both with Duo's admin panel",
            ),
            Self::WrongSecret => f.write_str(
                "Duo knows the client id, but the secret is not its own; copy it again from Duo's admin panel",
            ),
            Self::ClockRefused { clock_difference } => clock_refused(f, *clock_difference),
            Self::WrongApplicationKind => f.write_str(
                "Duo knows the client id as another kind of application; logins need a \"Web SDK\" application, and the Auth and Admin APIs each one of their own kind",
            ),
            Self::InvalidGrant => f.write_str(
                "Duo refused the code: unknown, used, expired, or issued for another redirect URI",
            ),
            Self::Refused(status, text) => write!(f, "Duo refused ({status}): {text}"),
            Self::Malformed(what) => write!(f, "Duo's answer is not what the protocol says: {what}"),
        }
    }
}

impl std::error::Error for DuoError {}

fn invalid_client(f: &mut fmt::Formatter<'_>, difference: Option<i64>) -> fmt::Result {
    f.write_str("Duo does not accept the client id and secret")?;
    match difference {
        Some(seconds) if seconds.abs() > NOTEWORTHY_SECONDS => {
            write!(f, "; our clock differs from Duo's by {seconds} s")
        }
        Some(_) => {
            f.write_str("; the clocks agree, so the client id, the secret or the host is wrong")
        }
        None => f.write_str("; the client id, the secret, the host or the clock is wrong"),
    }
}

fn clock_refused(f: &mut fmt::Formatter<'_>, difference: Option<i64>) -> fmt::Result {
    f.write_str("Duo refuses the time of our request")?;
    match difference {
        Some(seconds) => write!(f, "; our clock differs from Duo's by {seconds} s"),
        None => f.write_str("; set our clock"),
    }
}

/// The health check request (A.3).
pub fn health_check(integration: &Integration, jti: &str, now: Timestamp) -> FormRequest {
    let url = integration.url(&integration.health_endpoint);
    let assertion = client_assertion(integration, &url, jti, now);
    let form = vec![
        ("client_id", integration.client_id.clone()),
        ("client_assertion", assertion),
    ];
    FormRequest { url, form }
}

/// The authorize URL with its signed request JWT (A.4).
///
/// Everything stands in the signed request, the nonce too; the query repeats only what Duo
/// requires there.
pub fn authorize_url(
    integration: &Integration,
    parameters: &AuthorizeParameters,
    now: Timestamp,
) -> String {
    let request = signed(integration, &request_claims(integration, parameters, now));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &integration.client_id)
        .append_pair("request", &request)
        .finish();
    format!(
        "{}?{query}",
        integration.url(&integration.authorize_endpoint)
    )
}

/// The token request (A.6).
pub fn token(
    integration: &Integration,
    code: &str,
    redirect_uri: &str,
    jti: &str,
    now: Timestamp,
) -> FormRequest {
    let url = integration.url(&integration.token_endpoint);
    let assertion = client_assertion(integration, &url, jti, now);
    let form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", redirect_uri.to_owned()),
        ("client_id", integration.client_id.clone()),
        ("client_assertion_type", ASSERTION_TYPE.to_owned()),
        ("client_assertion", assertion),
    ];
    FormRequest { url, form }
}

/// The same request with an assertion of its own: Duo takes each assertion once.
pub fn renewed(
    request: &FormRequest,
    integration: &Integration,
    jti: &str,
    now: Timestamp,
) -> FormRequest {
    let mut renewed = request.clone();
    for (name, value) in &mut renewed.form {
        if *name == "client_assertion" {
            *value = client_assertion(integration, &request.url, jti, now);
        }
    }
    renewed
}

fn request_claims(
    integration: &Integration,
    parameters: &AuthorizeParameters,
    now: Timestamp,
) -> Value {
    json!({
        "response_type": "code",
        "scope": "openid",
        "client_id": integration.client_id,
        "redirect_uri": parameters.redirect_uri,
        "state": parameters.state,
        "nonce": parameters.nonce,
        "duo_uname": parameters.username,
        "use_duo_code_attribute": true,
        "iss": integration.client_id,
        "aud": integration.url(""),
        "iat": now.as_second(),
        "exp": now.as_second() + ASSERTION_SECONDS,
    })
}

/// The client assertion of A.2, for one endpoint and one use.
fn client_assertion(integration: &Integration, url: &str, jti: &str, now: Timestamp) -> String {
    let claims = json!({
        "iss": integration.client_id,
        "sub": integration.client_id,
        "aud": url,
        "jti": jti,
        "iat": now.as_second(),
        "exp": now.as_second() + ASSERTION_SECONDS,
    });
    signed(integration, &claims)
}

fn signed(integration: &Integration, claims: &Value) -> String {
    jwt::sign(claims, &integration.client_secret)
        .expect("a JSON object of strings and numbers always signs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::secret::Secret;
    use std::collections::BTreeMap;

    fn integration() -> Integration {
        let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
        Integration::new(
            "default",
            "api.example.org:8443",
            "DITESTTESTTESTTEST01",
            secret,
        )
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn claims_of(token: &str) -> Value {
        jwt::verify(token, &integration().client_secret).unwrap()
    }

    #[test]
    fn the_health_check_carries_an_assertion_for_its_own_url() {
        let request = health_check(&integration(), "a-jti", now());
        let url = "https://api.example.org:8443/oauth/v1/health_check";
        assert_eq!(request.url, url);
        let form: BTreeMap<_, _> = request.form.into_iter().collect();
        assert_eq!(form["client_id"], "DITESTTESTTESTTEST01");
        let claims = claims_of(&form["client_assertion"]);
        assert_eq!(claims["aud"], url);
        assert_eq!(claims["iss"], "DITESTTESTTESTTEST01");
        assert_eq!(claims["sub"], "DITESTTESTTESTTEST01");
        assert_eq!(claims["jti"], "a-jti");
        assert_eq!(claims["exp"], now().as_second() + 300);
    }

    #[test]
    fn the_authorize_url_signs_everything_that_binds_the_answer() {
        let parameters = AuthorizeParameters {
            state: "s".repeat(43),
            nonce: "n".repeat(43),
            redirect_uri: "https://idp.example.org/cb?a=b&c=d".to_owned(),
            username: "jo hn+ü".to_owned(),
        };
        let url = url::Url::parse(&authorize_url(&integration(), &parameters, now())).unwrap();
        assert_eq!(url.path(), "/oauth/v1/authorize");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        let claims = claims_of(&query["request"]);
        assert_eq!(claims["state"], parameters.state);
        assert_eq!(claims["nonce"], parameters.nonce);
        assert_eq!(claims["redirect_uri"], parameters.redirect_uri);
        assert_eq!(claims["duo_uname"], "jo hn+ü");
        assert_eq!(claims["aud"], "https://api.example.org:8443");
        assert_eq!(claims["use_duo_code_attribute"], true);
    }

    #[test]
    fn the_token_request_repeats_the_redirect_uri_byte_for_byte() {
        let request = token(&integration(), "c0de", "https://x/?a=%20+", "j", now());
        let form: BTreeMap<_, _> = request.form.into_iter().collect();
        assert_eq!(form["redirect_uri"], "https://x/?a=%20+");
        assert_eq!(form["code"], "c0de");
        assert_eq!(form["grant_type"], "authorization_code");
        assert_eq!(form["client_assertion_type"], ASSERTION_TYPE);
        assert_eq!(claims_of(&form["client_assertion"])["aud"], request.url);
    }

    #[test]
    fn debug_shows_neither_assertion_nor_body() {
        let request = token(&integration(), "c0de", "https://x/", "j", now());
        let shown = format!("{request:?}");
        assert!(!shown.contains("c0de") && !shown.contains("eyJ"), "{shown}");
        let answer = HttpAnswer::Response {
            status: 200,
            headers: vec![],
            body: b"tokens".to_vec(),
        };
        assert_eq!(format!("{answer:?}"), "Response(200, 6 bytes)");
    }
}
