//! Duo's answers of the Auth API, read into types.

use crate::duo::oidc::{DuoError, HttpAnswer, clock_difference};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest text of Duo's that an error repeats.
const LONGEST_TEXT: usize = 200;

/// What `preauth` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Preauth {
    /// What would happen.
    pub result: PreauthResult,
    /// Why, in Duo's words.
    #[serde(default)]
    pub status_msg: String,
    /// What the user can be asked on.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Where an unknown user enrols.
    pub enroll_portal_url: Option<String>,
}

/// What would happen to this user; anything else Duo may say is an error, never an allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreauthResult {
    /// Asked for a factor.
    Auth,
    /// Let in without one.
    Allow,
    /// Refused.
    Deny,
    /// Sent to enrol.
    Enroll,
}

impl PreauthResult {
    /// Duo's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Enroll => "enroll",
        }
    }
}

/// A device of the user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// `DP..` or a token's id.
    pub device: String,
    /// `phone` or `token`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The user's own name for it.
    #[serde(default)]
    pub name: String,
    /// What to show.
    #[serde(default)]
    pub display_name: String,
    /// Of `auto`, `push`, `sms`, `phone`, `mobile_otp`.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// How far an authentication is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStatus {
    /// Still going on: `status`, and Duo's words.
    Waiting(AuthAnswer),
    /// Allowed.
    Allowed(AuthAnswer),
    /// Denied, timed out, or only passcodes sent.
    Denied(AuthAnswer),
}

/// The details of an answer about an authentication.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AuthAnswer {
    /// `pushed`, `allow`, `deny`, `timeout`, ...
    #[serde(default)]
    pub status: String,
    /// In Duo's words.
    #[serde(default)]
    pub status_msg: String,
}

/// A begun enrolment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// `DU..`
    pub user_id: String,
    /// As Duo knows the user from now on.
    pub username: String,
    /// What the phone scans, as a QR code; a secret until it is used.
    pub activation_code: String,
    /// Where Duo draws that QR code.
    #[serde(default)]
    pub activation_barcode: String,
    /// What the phone opens instead.
    pub activation_url: String,
    /// Seconds since 1970.
    pub expiration: i64,
}

impl Enrolment {
    /// What the QR code says: the very text that Duo's own picture of it holds.
    pub fn qr_text(&self) -> String {
        let barcode = url::Url::parse(&self.activation_barcode).ok();
        let value = barcode.as_ref().and_then(|url| {
            let mut pairs = url.query_pairs();
            pairs.find_map(|(name, value)| (name == "value").then(|| value.into_owned()))
        });
        value.unwrap_or_else(|| self.activation_code.clone())
    }
}

/// Without the activation code: whoever scans it has the user's second factor.
impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolment({}, {})", self.user_id, self.username)
    }
}

/// How far an enrolment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnrolStatus {
    /// The phone is activated.
    Success,
    /// Not yet.
    Waiting,
    /// It expired, or the code is not of this user.
    Invalid,
}

/// `check`: credentials and clock are good.
pub fn read_check(answer: &HttpAnswer, now: Timestamp) -> Result<(), DuoError> {
    response(answer, now).map(|_| ())
}

/// `preauth`.
pub fn read_preauth(answer: &HttpAnswer, now: Timestamp) -> Result<Preauth, DuoError> {
    typed(response(answer, now)?)
}

/// `enroll`. A name that Duo knows already is [`DuoError::Refused`] with `username` in it.
pub fn read_enroll(answer: &HttpAnswer, now: Timestamp) -> Result<Enrolment, DuoError> {
    typed(response(answer, now)?)
}

/// `enroll_status`.
pub fn read_enroll_status(answer: &HttpAnswer, now: Timestamp) -> Result<EnrolStatus, DuoError> {
    typed(response(answer, now)?)
}

/// An asynchronous `auth`: the transaction id.
pub fn read_async_auth(answer: &HttpAnswer, now: Timestamp) -> Result<String, DuoError> {
    #[derive(Deserialize)]
    struct Begun {
        txid: String,
    }
    typed(response(answer, now)?).map(|begun: Begun| begun.txid)
}

/// A synchronous `auth`.
pub fn read_auth(answer: &HttpAnswer, now: Timestamp) -> Result<AuthStatus, DuoError> {
    read_auth_status(answer, now)
}

/// `auth_status`: success needs `result` and `status` to say allow.
pub fn read_auth_status(answer: &HttpAnswer, now: Timestamp) -> Result<AuthStatus, DuoError> {
    let response = response(answer, now)?;
    let result = response.get("result").and_then(Value::as_str);
    let result = result.unwrap_or_default().to_owned();
    let details: AuthAnswer = typed(response)?;
    match (result.as_str(), details.status.as_str()) {
        ("allow", "allow") => Ok(AuthStatus::Allowed(details)),
        ("waiting", _) => Ok(AuthStatus::Waiting(details)),
        ("deny", _) => Ok(AuthStatus::Denied(details)),
        _ => Err(malformed()),
    }
}

/// The `response` member, or what the FAIL envelope says (B.2).
fn response(answer: &HttpAnswer, now: Timestamp) -> Result<Value, DuoError> {
    let mut envelope = envelope(answer, now)?;
    let response = envelope.get_mut("response").map(Value::take);
    response.ok_or_else(malformed)
}

/// The whole body of an answer that says OK, or what the FAIL envelope says (B.2).
pub(in crate::duo) fn envelope(answer: &HttpAnswer, now: Timestamp) -> Result<Value, DuoError> {
    let (status, body) = match answer {
        HttpAnswer::Transport { reason } => return Err(DuoError::Unreachable(reason.clone())),
        HttpAnswer::Response { status, body, .. } => (*status, body),
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == 200 && body.get("stat").and_then(Value::as_str) == Some("OK") {
        return Ok(body);
    }
    let code = body.get("code").and_then(Value::as_i64).unwrap_or_default();
    Err(match (status, code) {
        (429, _) | (_, 42_901) => DuoError::RateLimited,
        (500.., _) => DuoError::ServerError(status),
        (_, 50_000..) => DuoError::ServerError(500),
        (_, 40_102) => DuoError::UnknownClient,
        (_, 40_103) => DuoError::WrongSecret,
        (_, 40_104 | 40_105) => DuoError::ClockRefused {
            clock_difference: clock_difference(answer, now),
        },
        (_, 40_301) => DuoError::WrongApplicationKind,
        (200, 0) => malformed(),
        _ => DuoError::Refused(status, refusal(&body)),
    })
}

fn refusal(body: &Value) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let detail = text("message_detail");
    let separator = if detail.is_empty() { "" } else { ": " };
    [text("message"), separator, detail]
        .concat()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect()
}

/// A value of this shape.
pub(in crate::duo) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, DuoError> {
    serde_json::from_value(value).map_err(|_| malformed())
}

/// Not what the protocol says.
pub(in crate::duo) fn malformed() -> DuoError {
    DuoError::Malformed("not an answer of the Auth or Admin API".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn answer(status: u16, body: &Value) -> HttpAnswer {
        HttpAnswer::Response {
            status,
            headers: vec![],
            body: body.to_string().into_bytes(),
        }
    }

    fn ok(response: &Value) -> HttpAnswer {
        answer(200, &json!({"stat": "OK", "response": response}))
    }

    fn fail(status: u16, code: i64) -> HttpAnswer {
        let body = json!({"stat": "FAIL", "code": code, "message": "Invalid\n",
                          "message_detail": "username"});
        answer(status, &body)
    }

    #[test]
    fn preauth_is_read_with_its_devices() {
        let preauth = read_preauth(
            &ok(&json!({
                "result": "auth",
                "status_msg": "Account is active",
                "devices": [{"device": "DP1", "type": "phone", "capabilities": ["auto", "push"]}],
            })),
            now(),
        )
        .unwrap();
        assert_eq!(preauth.result, PreauthResult::Auth);
        assert_eq!(preauth.devices[0].capabilities, ["auto", "push"]);
    }

    #[test]
    fn an_unknown_result_is_never_an_allow() {
        let unknown = ok(&json!({"result": "allowed", "status": "allow"}));
        assert!(matches!(
            read_preauth(&unknown, now()),
            Err(DuoError::Malformed(_))
        ));
        assert!(matches!(
            read_auth(&unknown, now()),
            Err(DuoError::Malformed(_))
        ));
        let half = ok(&json!({"result": "allow", "status": "deny"}));
        assert!(matches!(
            read_auth(&half, now()),
            Err(DuoError::Malformed(_))
        ));
    }

    #[test]
    fn an_authentication_waits_and_then_allows_or_denies() {
        let status = |result: &str, status: &str| {
            read_auth_status(&ok(&json!({"result": result, "status": status})), now())
        };
        assert!(matches!(
            status("waiting", "pushed"),
            Ok(AuthStatus::Waiting(_))
        ));
        assert!(matches!(
            status("allow", "allow"),
            Ok(AuthStatus::Allowed(_))
        ));
        assert!(matches!(
            status("deny", "timeout"),
            Ok(AuthStatus::Denied(_))
        ));
        assert!(matches!(status("deny", "sent"), Ok(AuthStatus::Denied(_))));
        let begun = ok(&json!({"txid": "t-1"}));
        assert_eq!(read_async_auth(&begun, now()), Ok("t-1".to_owned()));
    }

    #[test]
    fn failures_keep_whose_fault_they_are() {
        let of = |answer: &HttpAnswer| read_check(answer, now()).unwrap_err();
        assert_eq!(of(&fail(429, 42_901)), DuoError::RateLimited);
        assert_eq!(of(&fail(500, 50_001)), DuoError::ServerError(500));
        assert_eq!(of(&fail(403, 40_301)), DuoError::WrongApplicationKind);
        assert_eq!(of(&fail(401, 40_102)), DuoError::UnknownClient);
        assert_eq!(of(&fail(401, 40_103)), DuoError::WrongSecret);
        assert_eq!(
            of(&fail(400, 40_002)),
            DuoError::Refused(400, "Invalid: username".to_owned())
        );
        assert!(matches!(
            of(&answer(200, &json!([]))),
            DuoError::Malformed(_)
        ));
        assert!(read_check(&ok(&json!({"time": 1})), now()).is_ok());
    }

    #[test]
    fn a_refused_clock_says_how_far_it_is_off() {
        let mut refused = fail(401, 40_105);
        if let HttpAnswer::Response { headers, .. } = &mut refused {
            let date = "Mon, 23 Nov 2026 11:50:00 GMT".to_owned();
            headers.push(("date".to_owned(), date));
        }
        let error = read_check(&refused, now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Duo refuses the time of our request; our clock differs from Duo's by 600 s"
        );
    }

    #[test]
    fn an_enrolment_is_read_and_its_code_is_not_shown() {
        let begun = ok(&json!({
            "user_id": "DU1", "username": "alice", "activation_code": "duo://secret",
            "activation_url": "https://m/", "activation_barcode": "https://q/", "expiration": 9,
        }));
        let mut begun = read_enroll(&begun, now()).unwrap();
        assert_eq!(begun.qr_text(), "duo://secret");
        begun.activation_barcode = "https://q/frame/qr?value=secret-Zm9v%3D".to_owned();
        assert_eq!(begun.qr_text(), "secret-Zm9v=");
        assert_eq!(format!("{begun:?}"), "Enrolment(DU1, alice)");
        for (word, status) in [
            ("success", EnrolStatus::Success),
            ("waiting", EnrolStatus::Waiting),
            ("invalid", EnrolStatus::Invalid),
        ] {
            assert_eq!(read_enroll_status(&ok(&json!(word)), now()), Ok(status));
        }
        assert!(read_enroll_status(&ok(&json!("other")), now()).is_err());
    }
}
