//! What an allow of the Auth API proves. No token names the factor and the reason there: they
//! follow from what was asked for, and from what Duo told while the user was being asked.

use super::{AuthRequest, AuthStatus, Device, Factor, Preauth, PreauthResult, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Digits of the passcodes that devices make: Duo Mobile 6, SMS 7, hardware tokens 6 to 8.
const DEVICE_DIGITS: std::ops::RangeInclusive<usize> = 6..=8;
/// Letters of a YubiKey's one-time passcode.
const YUBIKEY_LETTERS: usize = 44;
/// The letters that such a passcode is made of.
const MODHEX: &str = "cbdefghijklnrtuv";

/// A user whom Duo allowed by the Auth API, in the words of Duo's own log. Only
/// [`Allowed::by_factor`] and [`Allowed::without_factor`] make one, from what Duo answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The name at Duo.
    pub username: String,
    /// Duo's transaction id; empty where nobody was asked.
    pub txid: String,
    /// As `auth_context.factor`; empty when Duo did not tell which one it was.
    pub factor: &'static str,
    /// As `auth_context.reason`.
    pub reason: &'static str,
    /// The device's id, as far as one was named.
    pub device_id: String,
    /// Its name.
    pub device_name: String,
    /// When.
    pub at: Timestamp,
    verified: Verified,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verified;

/// An authentication that was begun: what was asked, and what Duo told of it so far.
#[derive(Clone, Debug)]
pub struct Story {
    /// What was asked.
    pub request: AuthRequest,
    /// The device that the request names, where it names one.
    pub device: Option<Device>,
    /// Duo's transaction id.
    pub txid: String,
    /// Each `status` on the way.
    pub told: Vec<String>,
}

impl Allowed {
    /// The user acted: the story ended with an allow.
    pub fn by_factor(story: &Story, end: &AuthStatus, now: Timestamp) -> Option<Self> {
        let AuthStatus::Allowed(_) = end else {
            return None;
        };
        let (factor, reason) = proved(&story.request.factor, &story.told);
        let device = story.device.as_ref();
        Some(Self {
            txid: story.txid.clone(),
            factor,
            reason,
            device_id: device.map(|d| d.device.clone()).unwrap_or_default(),
            device_name: device.map(|d| d.name.clone()).unwrap_or_default(),
            ..Self::of(&story.request.subject, now)
        })
    }

    /// Duo lets the user in without asking: by a bypass, a policy or a network. It proves nothing.
    pub fn without_factor(subject: &Subject, preauth: &Preauth, now: Timestamp) -> Option<Self> {
        (preauth.result == PreauthResult::Allow).then(|| Self::of(subject, now))
    }

    fn of(subject: &Subject, now: Timestamp) -> Self {
        let (Subject::Username(name) | Subject::UserId(name)) = subject;
        Self {
            username: name.clone(),
            txid: String::new(),
            factor: "not_available",
            reason: "allowed_by_policy",
            device_id: String::new(),
            device_name: String::new(),
            at: now,
            verified: Verified,
        }
    }

    /// The same in the form of a result token's claims, for whoever reads those.
    pub fn claims(&self) -> Value {
        json!({
            "preferred_username": self.username,
            "auth_time": self.at.as_second(),
            "auth_result": {"result": "allow", "status": "allow"},
            "auth_context": {
                "txid": self.txid,
                "factor": self.factor,
                "reason": self.reason,
                "result": "success",
                "auth_device": {"key": self.device_id, "name": self.device_name},
            },
        })
    }
}

/// The factor that was passed and why it counts. Whatever is not clear has no name, and proves
/// nothing.
fn proved(asked: &Factor, told: &[String]) -> (&'static str, &'static str) {
    match asked {
        Factor::Push(_) => ("duo_push", "user_approved"),
        Factor::Phone(_) => ("phone_call", "user_approved"),
        Factor::Passcode(code) if is_of_a_device(code) => ("passcode", "valid_passcode"),
        // Duo takes bypass codes in the same place and does not say so.
        Factor::Passcode(_) => ("bypass_code", "valid_passcode"),
        Factor::Auto(_) => (chosen_by_duo(told), "user_approved"),
        Factor::Sms(_) => ("", ""),
    }
}

/// What `auto` became: the last thing that Duo said it was doing.
fn chosen_by_duo(told: &[String]) -> &'static str {
    let mut told = told.iter().rev();
    let known = told.find_map(|status| match status.as_str() {
        "pushed" => Some("duo_push"),
        "calling" | "answered" => Some("phone_call"),
        _ => None,
    });
    known.unwrap_or_default()
}

/// Whether a passcode looks like one that a device made. Bypass codes have 9 digits unless an
/// administrator chose other ones.
fn is_of_a_device(passcode: &str) -> bool {
    let digits = passcode.bytes().all(|octet| octet.is_ascii_digit());
    let modhex = || passcode.chars().all(|letter| MODHEX.contains(letter));
    (digits && DEVICE_DIGITS.contains(&passcode.len()))
        || (passcode.len() == YUBIKEY_LETTERS && modhex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::auth_api::AuthAnswer;

    fn story(factor: Factor, told: &[&str]) -> Story {
        Story {
            request: AuthRequest {
                subject: Subject::Username("alice".to_owned()),
                factor,
                client_ip: None,
                push_info: Vec::new(),
            },
            device: None,
            txid: "t-1".to_owned(),
            told: told.iter().map(|status| (*status).to_owned()).collect(),
        }
    }

    fn end(allowed: bool) -> AuthStatus {
        let answer = AuthAnswer {
            status: String::new(),
            status_msg: String::new(),
        };
        if allowed {
            AuthStatus::Allowed(answer)
        } else {
            AuthStatus::Denied(answer)
        }
    }

    fn factor(factor: Factor, told: &[&str]) -> (&'static str, &'static str) {
        let allowed = Allowed::by_factor(&story(factor, told), &end(true), Timestamp::UNIX_EPOCH);
        let allowed = allowed.unwrap();
        assert_eq!(
            (allowed.username.as_str(), &*allowed.txid),
            ("alice", "t-1")
        );
        (allowed.factor, allowed.reason)
    }

    #[test]
    fn the_factor_is_the_one_that_was_asked_for_and_for_auto_the_one_that_duo_told() {
        let auto = || Factor::Auto("auto".to_owned());
        let device = || "DP1".to_owned();
        for (asked, told, expected) in [
            (
                Factor::Push(device()),
                &[][..],
                ("duo_push", "user_approved"),
            ),
            (
                Factor::Phone(device()),
                &[],
                ("phone_call", "user_approved"),
            ),
            (auto(), &["pushed"], ("duo_push", "user_approved")),
            (
                auto(),
                &["pushed", "calling"],
                ("phone_call", "user_approved"),
            ),
            (auto(), &[], ("", "user_approved")),
            (auto(), &["something new"], ("", "user_approved")),
        ] {
            assert_eq!(factor(asked, told), expected);
        }
    }

    #[test]
    fn s46_what_may_be_a_bypass_code_is_no_passcode_of_a_device() {
        let of = |code: &str| factor(Factor::Passcode(code.to_owned()), &[]).0;
        let yubikey = "cccccccbcjdifctrndncchkftchjlnbhvhtugdljibej";
        for code in ["123456", "1234567", "12345678", yubikey] {
            assert_eq!(of(code), "passcode", "{code}");
        }
        for code in ["123456789", "12345", "abcdef", &yubikey[1..], ""] {
            assert_eq!(of(code), "bypass_code", "{code}");
        }
    }

    #[test]
    fn only_an_allow_makes_one() {
        let pushed = story(Factor::Push("DP1".to_owned()), &["pushed"]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(Allowed::by_factor(&pushed, &end(false), now), None);
        let preauth = |result| Preauth {
            result,
            status_msg: String::new(),
            devices: Vec::new(),
            enroll_portal_url: None,
        };
        let without = |result| {
            let subject = Subject::Username("alice".to_owned());
            Allowed::without_factor(&subject, &preauth(result), now)
        };
        let bypassed = without(PreauthResult::Allow).unwrap();
        assert_eq!(bypassed.factor, "not_available");
        for result in [
            PreauthResult::Auth,
            PreauthResult::Deny,
            PreauthResult::Enroll,
        ] {
            assert_eq!(without(result), None);
        }
    }
}
