//! How an authentication ends: by name, or member by member.

use super::fault::normal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How an authentication ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// `auth_result.result`: `allow` or `deny`.
    pub result: String,
    /// `auth_result.status`.
    pub status: String,
    /// `auth_result.status_msg`.
    pub status_msg: String,
    /// `auth_context.factor`.
    pub factor: String,
    /// `auth_context.reason`.
    pub reason: String,
    /// `auth_context.event_type`.
    pub event_type: String,
    /// What the browser gets.
    pub redirect: Redirect,
    /// Members laid over the result token's claims.
    pub claims: Map<String, Value>,
}

/// What the browser gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// Back to the application with a code.
    Code,
    /// Back to the application with `error` and `error_description`.
    Error,
    /// Nothing: it stays on Duo's page, and the application never hears.
    None,
}

impl Outcome {
    /// The outcome of this name; [`Outcome::names`] lists them.
    pub fn named(name: &str) -> Option<Self> {
        let name = match normal(name).as_str() {
            "allow" | "approve" => "push".to_owned(),
            "remembered" => "remembered-device".to_owned(),
            "bypass-user" => "bypass".to_owned(),
            other => other.to_owned(),
        };
        let row = ALLOWED.iter().chain(DENIED).find(|row| row.0 == name)?;
        let allowed = ALLOWED.iter().any(|allowed| allowed.0 == name);
        let (_, factor, reason, status_msg) = *row;
        Some(Self {
            result: if allowed { "allow" } else { "deny" }.to_owned(),
            status: match (allowed, name.as_str()) {
                (true, _) => "allow",
                (false, "timeout" | "fraud") => &name,
                (false, _) => "deny",
            }
            .to_owned(),
            status_msg: status_msg.to_owned(),
            factor: factor.to_owned(),
            reason: reason.to_owned(),
            event_type: if name == "enroll" {
                "enrollment"
            } else {
                "authentication"
            }
            .to_owned(),
            redirect: match (allowed, name.as_str()) {
                (true, _) => Redirect::Code,
                (false, "error") => Redirect::Error,
                (false, _) => Redirect::None,
            },
            claims: Map::new(),
        })
    }

    /// Names that [`Outcome::named`] knows.
    pub fn names() -> Vec<&'static str> {
        ALLOWED.iter().chain(DENIED).map(|row| row.0).collect()
    }

    /// Whether Duo lets the user in.
    pub(super) fn allows(&self) -> bool {
        self.result == "allow"
    }

    /// `auth_context.result`, as the log says it: never "allow".
    pub(super) fn logged_result(&self) -> &'static str {
        match (self.allows(), self.reason.as_str()) {
            (true, _) => "success",
            (false, "user_marked_fraud") => "fraud",
            (false, _) => "denied",
        }
    }
}

type Row = (&'static str, &'static str, &'static str, &'static str);

const SUCCESS: &str = "Login Successful";

/// name, factor, reason, `status_msg`
const ALLOWED: &[Row] = &[
    ("push", "duo_push", "user_approved", SUCCESS),
    (
        "verified-push",
        "verified_duo_push",
        "user_approved",
        SUCCESS,
    ),
    ("passcode", "duo_mobile_passcode", "valid_passcode", SUCCESS),
    ("sms-passcode", "sms_passcode", "valid_passcode", SUCCESS),
    (
        "hardware-token",
        "hardware_token",
        "valid_passcode",
        SUCCESS,
    ),
    ("phone", "phone_call", "user_approved", SUCCESS),
    (
        "security-key",
        "webauthn_security_key",
        "user_approved",
        SUCCESS,
    ),
    ("bypass-code", "bypass_code", "valid_passcode", SUCCESS),
    ("enroll", "duo_push", "user_approved", SUCCESS),
    ("bypass", "not_available", "bypass_user", SUCCESS),
    (
        "trusted-network",
        "trusted_network",
        "trusted_network",
        SUCCESS,
    ),
    (
        "remembered-device",
        "remembered_device",
        "remembered_device",
        SUCCESS,
    ),
    (
        "allow-unenrolled",
        "not_available",
        "allow_unenrolled_user",
        SUCCESS,
    ),
];

const DENIED: &[Row] = &[
    (
        "deny",
        "duo_push",
        "user_cancelled",
        "Login request denied.",
    ),
    (
        "fraud",
        "duo_push",
        "user_marked_fraud",
        "Login request reported as fraudulent.",
    ),
    ("timeout", "duo_push", "no_response", "Login timed out."),
    (
        "invalid-passcode",
        "passcode",
        "invalid_passcode",
        "Incorrect passcode. Please try again.",
    ),
    (
        "no-keypress",
        "phone_call",
        "no_keys_pressed",
        "No keypress detected. Please try again.",
    ),
    (
        "locked-out",
        "not_available",
        "locked_out",
        "Your account is locked out due to excessive authentication failures.",
    ),
    (
        "disabled",
        "not_available",
        "user_disabled",
        "Your account is disabled.",
    ),
    (
        "deny-unenrolled",
        "not_available",
        "deny_unenrolled_user",
        "Your account is not enrolled, and enrolment is closed.",
    ),
    (
        "error",
        "not_available",
        "error",
        "The request cannot be completed.",
    ),
];

/// An outcome as the control API takes it: a name, members, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeRequest {
    /// Whose next logins; `*` is everybody's.
    #[serde(default = "everybody")]
    pub(super) username: String,
    /// How often; until `/reset` when absent.
    pub(super) times: Option<u32>,
    outcome: Option<String>,
    result: Option<String>,
    status: Option<String>,
    status_msg: Option<String>,
    factor: Option<String>,
    reason: Option<String>,
    event_type: Option<String>,
    redirect: Option<Redirect>,
    #[serde(default)]
    claims: Map<String, Value>,
}

fn everybody() -> String {
    "*".to_owned()
}

impl OutcomeRequest {
    /// The outcome, or nothing when the prompt shall ask again.
    pub(super) fn outcome(self) -> Result<Option<Outcome>, &'static str> {
        let name = self.outcome.as_deref().or(self.result.as_deref());
        let name = name.unwrap_or("allow");
        if normal(name) == "prompt" {
            return Ok(None);
        }
        let named = Outcome::named(name).ok_or("unknown outcome")?;
        let result = self.result.unwrap_or(named.result);
        if result != "allow" && result != "deny" {
            return Err("result is allow or deny");
        }
        Ok(Some(Outcome {
            result,
            status: self.status.unwrap_or(named.status),
            status_msg: self.status_msg.unwrap_or(named.status_msg),
            factor: self.factor.unwrap_or(named.factor),
            reason: self.reason.unwrap_or(named.reason),
            event_type: self.event_type.unwrap_or(named.event_type),
            redirect: self.redirect.unwrap_or(named.redirect),
            claims: self.claims,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> Result<Option<Outcome>, &'static str> {
        serde_json::from_str::<OutcomeRequest>(json)
            .unwrap()
            .outcome()
    }

    #[test]
    fn every_name_makes_an_outcome_and_only_allowed_ones_a_code() {
        for name in Outcome::names() {
            let outcome = Outcome::named(name).unwrap();
            assert_eq!(
                outcome.allows(),
                outcome.redirect == Redirect::Code,
                "{name}"
            );
            assert_eq!(outcome.allows(), outcome.logged_result() == "success");
        }
        assert_eq!(Outcome::named("gremlins"), None);
    }

    #[test]
    fn members_override_the_named_outcome() {
        let outcome = asked(r#"{"outcome":"phone","reason":"other","claims":{"x":1}}"#)
            .unwrap()
            .unwrap();
        assert_eq!(outcome.factor, "phone_call");
        assert_eq!(outcome.reason, "other");
        assert_eq!(outcome.claims["x"], 1);
        let denied = asked(r#"{"username":"bob","result":"deny","status":"deny"}"#)
            .unwrap()
            .unwrap();
        assert_eq!(denied.redirect, Redirect::None);
    }

    #[test]
    fn prompt_takes_an_outcome_back_and_nonsense_is_refused() {
        assert_eq!(asked(r#"{"outcome":"prompt"}"#), Ok(None));
        assert!(asked(r#"{"outcome":"gremlins"}"#).is_err());
        assert!(asked(r#"{"outcome":"push","result":"maybe"}"#).is_err());
    }
}
