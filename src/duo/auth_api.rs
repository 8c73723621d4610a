//! Auth API v2 messages (B.3): what to send, and what an answer must hold.

mod allowed;
mod answer;

pub use allowed::{Allowed, Story};
pub use answer::{
    AuthAnswer, AuthStatus, Device, EnrolStatus, Enrolment, Preauth, PreauthResult,
    read_async_auth, read_auth, read_auth_status, read_check, read_enroll, read_enroll_status,
    read_preauth,
};
pub(super) use answer::{envelope, malformed, typed};

use crate::duo::hmac::{self, SignedParts};
use crate::duo::integration::Integration;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt;

/// A call of the Auth API, signed with v5.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiCall {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Absolute, with its query.
    pub url: String,
    /// Date, Authorization, and the content type of a body.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub body: String,
}

impl fmt::Debug for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto(device) => write!(f, "Auto({device})"),
            Self::Push(device) => write!(f, "Push({device})"),
            Self::Phone(device) => write!(f, "Phone({device})"),
            Self::Sms(device) => write!(f, "Sms({device})"),
            Self::Passcode(_) => f.write_str("Passcode(***)"),
        }
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthRequest({:?}, {:?})", self.subject, self.factor)
    }
}

impl ApiCall {
    /// Whether Duo answers only when the user has done something.
    pub fn waits_for_the_user(&self) -> bool {
        self.url.contains("/auth/v2/auth_status?")
    }
}

/// Without headers and body: they hold the signature and passcodes.
impl fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiCall({} {})", self.method, self.url)
    }
}

/// Whom a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// By Duo user name.
    Username(String),
    /// By Duo's own id (`DU..`).
    UserId(String),
}

/// How the user shall prove who they are. `Debug` shows no passcode.
#[derive(Clone, PartialEq, Eq)]
pub enum Factor {
    /// The best that this device (or any) can do.
    Auto(String),
    /// A push to this device, or `auto`.
    Push(String),
    /// A call to this device, or `auto`.
    Phone(String),
    /// New passcodes by SMS to this device, or `auto`; never a success in itself.
    Sms(String),
    /// A passcode of any kind.
    Passcode(String),
}

impl Factor {
    /// Duo's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto(_) => "auto",
            Self::Push(_) => "push",
            Self::Phone(_) => "phone",
            Self::Sms(_) => "sms",
            Self::Passcode(_) => "passcode",
        }
    }
}

/// Who shall prove themselves, how, and what is shown to them.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthRequest {
    /// Whom it is about.
    pub subject: Subject,
    /// How.
    pub factor: Factor,
    /// Where they come from.
    pub client_ip: Option<String>,
    /// Shown beside a push: names and values.
    pub push_info: Vec<(String, String)>,
}

/// `ping`: unsigned, tells Duo's time.
pub fn ping(integration: &Integration) -> ApiCall {
    ApiCall {
        method: "GET",
        url: integration.url("/auth/v2/ping"),
        headers: Vec::new(),
        body: String::new(),
    }
}

/// `check`: tests key, secret, clock and application kind.
pub fn check(integration: &Integration, now: Timestamp) -> ApiCall {
    signed_get(integration, "/auth/v2/check", &[], now)
}

/// `preauth`: what would be asked of this user.
pub fn preauth(
    integration: &Integration,
    subject: &Subject,
    client_ip: Option<&str>,
    now: Timestamp,
) -> ApiCall {
    let mut body = subject_body(subject);
    if let Some(ip) = client_ip {
        body["ipaddr"] = json!(ip);
    }
    signed_post(integration, "/auth/v2/preauth", &body, now)
}

/// `auth`, answered at once with a transaction id; [`auth_status`] tells how it goes.
pub fn auth(integration: &Integration, request: &AuthRequest, now: Timestamp) -> ApiCall {
    let mut body = subject_body(&request.subject);
    let name = request.factor.name();
    body["factor"] = json!(name);
    match &request.factor {
        Factor::Auto(device)
        | Factor::Push(device)
        | Factor::Phone(device)
        | Factor::Sms(device) => body["device"] = json!(device),
        Factor::Passcode(passcode) => body["passcode"] = json!(passcode),
    }
    body["async"] = json!("1");
    if let Some(ip) = &request.client_ip {
        body["ipaddr"] = json!(ip);
    }
    let pushes = matches!(name, "auto" | "push");
    if pushes && !request.push_info.is_empty() {
        let pairs = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&request.push_info)
            .finish();
        body["pushinfo"] = json!(pairs);
    }
    signed_post(integration, "/auth/v2/auth", &body, now)
}

/// `enroll`: begins to enrol a user Duo does not know yet.
pub fn enroll(
    integration: &Integration,
    username: &str,
    valid_seconds: u32,
    now: Timestamp,
) -> ApiCall {
    let body = json!({"username": username, "valid_secs": valid_seconds.to_string()});
    signed_post(integration, "/auth/v2/enroll", &body, now)
}

/// `enroll_status`: whether the phone has been activated.
pub fn enroll_status(integration: &Integration, begun: &Enrolment, now: Timestamp) -> ApiCall {
    let body = json!({"user_id": begun.user_id, "activation_code": begun.activation_code});
    signed_post(integration, "/auth/v2/enroll_status", &body, now)
}

/// `auth_status`: blocks at Duo until the transaction's next change.
pub fn auth_status(integration: &Integration, txid: &str, now: Timestamp) -> ApiCall {
    let query = [("txid".to_owned(), txid.to_owned())];
    signed_get(integration, "/auth/v2/auth_status", &query, now)
}

fn subject_body(subject: &Subject) -> Value {
    match subject {
        Subject::Username(name) => json!({"username": name}),
        Subject::UserId(id) => json!({"user_id": id}),
    }
}

/// A GET, signed with v5.
pub(super) fn signed_get(
    integration: &Integration,
    path: &str,
    query: &[(String, String)],
    now: Timestamp,
) -> ApiCall {
    let date = date(now);
    let parts = SignedParts {
        query,
        ..parts(integration, "GET", path, &date)
    };
    let mut url = integration.url(path);
    if !query.is_empty() {
        let encoded = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        url = format!("{url}?{encoded}");
    }
    let authorization = sign(integration, &parts);
    ApiCall {
        method: "GET",
        url,
        headers: vec![("date", date), ("authorization", authorization)],
        body: String::new(),
    }
}

fn signed_post(
    integration: &Integration,
    path: &'static str,
    body: &Value,
    now: Timestamp,
) -> ApiCall {
    let date = date(now);
    let body = body.to_string();
    let parts = SignedParts {
        body: body.as_bytes(),
        ..parts(integration, "POST", path, &date)
    };
    let authorization = sign(integration, &parts);
    ApiCall {
        method: "POST",
        url: integration.url(path),
        headers: vec![
            ("date", date),
            ("authorization", authorization),
            ("content-type", "application/json".to_owned()),
        ],
        body,
    }
}

fn parts<'a>(
    integration: &'a Integration,
    method: &'static str,
    path: &'a str,
    date: &'a str,
) -> SignedParts<'a> {
    SignedParts {
        date,
        method,
        host: &integration.api_host,
        path,
        query: &[],
        form: &[],
        body: &[],
        headers: &[],
    }
}

fn sign(integration: &Integration, parts: &SignedParts<'_>) -> String {
    hmac::authorization(&integration.client_id, &integration.client_secret, parts)
}

/// RFC 2822 with a numeric zone, as Duo's clients send it.
fn date(now: Timestamp) -> String {
    jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC))
        .expect("every instant after the year 0 has an RFC 2822 form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::hmac::Credentials;
    use crate::duo::secret::Secret;

    fn integration() -> Integration {
        let secret = Secret::new("0123456789abcdefghijABCDEFGHIJ0123456789");
        Integration::new("api", "api.example.org", "DITESTTESTTESTTEST01", secret)
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn header<'a>(call: &'a ApiCall, name: &str) -> &'a str {
        let found = call.headers.iter().find(|(header, _)| *header == name);
        &found.unwrap().1
    }

    fn verified(call: &ApiCall, path: &'static str, query: &[(String, String)]) -> bool {
        let integration = integration();
        let parts = SignedParts {
            query,
            body: call.body.as_bytes(),
            ..parts(&integration, call.method, path, header(call, "date"))
        };
        Credentials::read(header(call, "authorization"))
            .unwrap()
            .verify(&integration.client_secret, &parts)
            .is_some()
    }

    #[test]
    fn a_get_is_signed_with_its_query() {
        let call = auth_status(&integration(), "a b", now());
        assert_eq!(
            call.url,
            "https://api.example.org/auth/v2/auth_status?txid=a+b"
        );
        assert_eq!(header(&call, "date"), "Mon, 23 Nov 2026 12:00:00 +0000");
        let query = [("txid".to_owned(), "a b".to_owned())];
        assert!(verified(&call, "/auth/v2/auth_status", &query));
        assert!(!verified(&call, "/auth/v2/auth_status", &[]));
        assert!(verified(
            &check(&integration(), now()),
            "/auth/v2/check",
            &[]
        ));
    }

    #[test]
    fn a_post_is_signed_with_its_body() {
        let subject = Subject::Username("alice".to_owned());
        let request = AuthRequest {
            subject,
            factor: Factor::Passcode("123456".to_owned()),
            client_ip: Some("192.0.2.7".to_owned()),
            push_info: vec![("service".to_owned(), "Wiki & more".to_owned())],
        };
        let call = auth(&integration(), &request, now());
        assert!(verified(&call, "/auth/v2/auth", &[]));
        let body: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(
            body,
            json!({"username": "alice", "factor": "passcode", "passcode": "123456",
                   "async": "1", "ipaddr": "192.0.2.7"})
        );
        let subject = Subject::UserId("DU1".to_owned());
        let call = preauth(&integration(), &subject, None, now());
        assert_eq!(call.body, r#"{"user_id":"DU1"}"#);
        assert!(verified(&call, "/auth/v2/preauth", &[]));
    }

    #[test]
    fn a_push_shows_what_it_is_for() {
        let request = AuthRequest {
            subject: Subject::Username("alice".to_owned()),
            factor: Factor::Push("auto".to_owned()),
            client_ip: None,
            push_info: vec![("service".to_owned(), "Wiki & more".to_owned())],
        };
        let body = auth(&integration(), &request, now()).body;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["pushinfo"], "service=Wiki+%26+more");
        assert_eq!(body["device"], "auto");
    }

    #[test]
    fn ping_is_not_signed_and_debug_shows_no_signature() {
        assert!(ping(&integration()).headers.is_empty());
        let shown = format!("{:?}", check(&integration(), now()));
        assert_eq!(shown, "ApiCall(GET https://api.example.org/auth/v2/check)");
    }
}
