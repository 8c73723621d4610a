//! Duo without a browser: from what the client sent to a factor, and from each of Duo's answers to
//! the event that Shibboleth would give.

use crate::authn::event::Event;
use crate::duo::auth_api::{AuthStatus, Factor, Preauth, PreauthResult};
use crate::duo::oidc::DuoError;
use crate::duo::secret::Secret;

/// What the client asked for in its headers; empty where a header is absent.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// `auto`, `push`, `phone`, `passcode` or `sms`.
    pub factor: String,
    /// A device id, the user's own name for one, or `auto`.
    pub device: String,
    /// For the factor `passcode`, which it also chooses where none is named.
    pub passcode: Option<Secret>,
}

/// What to do after `preauth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterPreauth {
    /// Duo lets the user in without a factor: it proves nothing (bypass).
    Allowed,
    /// Call `auth` with this.
    Ask(Factor),
    /// It ends here.
    End(Event),
}

/// The factor of these headers, before the device is looked up. `auto` says whether a client that
/// names no factor gets one (`idp.duo.oidc.nonbrowser.auto`).
pub fn wanted(wish: &Wish, auto: bool) -> Result<Factor, Event> {
    let device = match wish.device.as_str() {
        "" => "auto",
        device => device,
    };
    let device = device.to_owned();
    match (wish.factor.as_str(), &wish.passcode) {
        // Whoever sends a passcode does not want a push instead of it.
        ("" | "passcode", Some(passcode)) => Ok(Factor::Passcode(passcode.expose().to_owned())),
        ("" | "auto", None) if auto => Ok(Factor::Auto(device)),
        ("auto", _) => Ok(Factor::Auto(device)),
        ("" | "passcode", None) => Err(Event::NoCredentials),
        ("push", _) => Ok(Factor::Push(device)),
        ("phone", _) => Ok(Factor::Phone(device)),
        ("sms", _) => Ok(Factor::Sms(device)),
        _ => Err(Event::RequestUnsupported),
    }
}

/// What `preauth` means for this factor; a device named by the user becomes its id.
pub fn after_preauth(answer: &Result<Preauth, DuoError>, factor: Factor) -> AfterPreauth {
    let preauth = match answer {
        Ok(preauth) => preauth,
        Err(error) => return AfterPreauth::End(technical(error)),
    };
    match preauth.result {
        PreauthResult::Allow => AfterPreauth::Allowed,
        PreauthResult::Deny if is_locked(&preauth.status_msg) => {
            AfterPreauth::End(Event::AccountLocked)
        }
        PreauthResult::Deny | PreauthResult::Enroll => AfterPreauth::End(Event::AccountError),
        PreauthResult::Auth => match with_device_id(preauth, factor) {
            Some(factor) => AfterPreauth::Ask(factor),
            None => AfterPreauth::End(Event::InvalidCredentials),
        },
    }
}

/// What `auth` or `auth_status` means; `None` while the user is being asked.
pub fn after_auth(answer: &Result<AuthStatus, DuoError>) -> Option<Event> {
    Some(match answer {
        Ok(AuthStatus::Waiting(_)) => return None,
        Ok(AuthStatus::Allowed(_)) => Event::Proceed,
        Ok(AuthStatus::Denied(details)) if is_locked(&details.status_msg) => Event::AccountLocked,
        Ok(AuthStatus::Denied(details)) => match details.status.as_str() {
            "locked_out" => Event::AccountLocked,
            _ => Event::InvalidCredentials,
        },
        Err(error) => technical(error),
    })
}

/// Duo's texts are the only place where it says these things.
fn technical(error: &DuoError) -> Event {
    match error {
        DuoError::Refused(_, text) if lower(text).contains("no capable device") => {
            Event::NoCredentials
        }
        DuoError::Refused(_, text) if is_locked(text) => Event::AccountLocked,
        _ => Event::AuthenticationException,
    }
}

fn is_locked(text: &str) -> bool {
    let text = lower(text);
    [
        "locked out",
        "locked_out",
        "account is disabled",
        "account has been disabled",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn with_device_id(preauth: &Preauth, factor: Factor) -> Option<Factor> {
    let id = |named: &str| {
        if named == "auto" {
            return Some(named.to_owned());
        }
        let devices = preauth.devices.iter();
        let found = devices.clone().find(|device| device.device == named);
        let found = found.or_else(|| devices.clone().find(|device| device.name == named));
        found.map(|device| device.device.clone())
    };
    Some(match factor {
        Factor::Auto(device) => Factor::Auto(id(&device)?),
        Factor::Push(device) => Factor::Push(id(&device)?),
        Factor::Phone(device) => Factor::Phone(id(&device)?),
        Factor::Sms(device) => Factor::Sms(id(&device)?),
        passcode @ Factor::Passcode(_) => passcode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::auth_api::{AuthAnswer, Device};

    fn preauth(result: PreauthResult, status_msg: &str) -> Preauth {
        Preauth {
            result,
            status_msg: status_msg.to_owned(),
            devices: vec![Device {
                device: "DP1".to_owned(),
                kind: "phone".to_owned(),
                name: "my phone".to_owned(),
                display_name: "iOS".to_owned(),
                capabilities: Vec::new(),
            }],
            enroll_portal_url: None,
        }
    }

    fn details(status: &str, status_msg: &str) -> AuthAnswer {
        AuthAnswer {
            status: status.to_owned(),
            status_msg: status_msg.to_owned(),
        }
    }

    fn refused(text: &str) -> DuoError {
        DuoError::Refused(400, text.to_owned())
    }

    #[test]
    fn headers_choose_the_factor() {
        let wish = |factor: &str, device: &str, passcode: &str| {
            wanted(&wish_of(factor, device, passcode), true)
        };
        let auto = || "auto".to_owned();
        assert_eq!(wish("", "", ""), Ok(Factor::Auto(auto())));
        assert_eq!(wish("push", "", ""), Ok(Factor::Push(auto())));
        assert_eq!(
            wish("phone", "DP1", ""),
            Ok(Factor::Phone("DP1".to_owned()))
        );
        assert_eq!(wish("sms", "", ""), Ok(Factor::Sms(auto())));
        assert_eq!(
            wish("passcode", "", "1"),
            Ok(Factor::Passcode("1".to_owned()))
        );
        assert_eq!(wish("passcode", "", ""), Err(Event::NoCredentials));
        assert_eq!(wish("", "", "1"), Ok(Factor::Passcode("1".to_owned())));
        assert_eq!(wish("push", "", "1"), Ok(Factor::Push(auto())));
        assert_eq!(wish("gesture", "", ""), Err(Event::RequestUnsupported));
        assert_eq!(wanted(&Wish::default(), false), Err(Event::NoCredentials));
        let auto_by_name = wanted(&wish_of("auto", "", ""), false);
        assert_eq!(auto_by_name, Ok(Factor::Auto(auto())));
    }

    fn wish_of(factor: &str, device: &str, passcode: &str) -> Wish {
        Wish {
            factor: factor.to_owned(),
            device: device.to_owned(),
            passcode: (!passcode.is_empty()).then(|| Secret::new(passcode)),
        }
    }

    #[test]
    fn every_answer_of_preauth_has_its_event() {
        let push = || Factor::Push("auto".to_owned());
        let end = |answer| match after_preauth(&answer, push()) {
            AfterPreauth::End(event) => event,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            after_preauth(&Ok(preauth(PreauthResult::Allow, "")), push()),
            AfterPreauth::Allowed
        );
        assert_eq!(
            after_preauth(&Ok(preauth(PreauthResult::Auth, "")), push()),
            AfterPreauth::Ask(push())
        );
        assert_eq!(
            end(Ok(preauth(PreauthResult::Deny, "No"))),
            Event::AccountError
        );
        assert_eq!(
            end(Ok(preauth(PreauthResult::Enroll, ""))),
            Event::AccountError
        );
        let locked = "Your account is disabled: locked out due to excessive failures";
        assert_eq!(
            end(Ok(preauth(PreauthResult::Deny, locked))),
            Event::AccountLocked
        );
        assert_eq!(
            end(Err(DuoError::ServerError(500))),
            Event::AuthenticationException
        );
    }

    #[test]
    fn a_device_is_found_by_id_or_name_and_another_is_refused() {
        let asked = |device: &str| {
            let factor = Factor::Phone(device.to_owned());
            after_preauth(&Ok(preauth(PreauthResult::Auth, "")), factor)
        };
        let found = AfterPreauth::Ask(Factor::Phone("DP1".to_owned()));
        assert_eq!(asked("DP1"), found);
        assert_eq!(asked("my phone"), found);
        assert_eq!(asked("DP2"), AfterPreauth::End(Event::InvalidCredentials));
    }

    #[test]
    fn every_answer_of_auth_has_its_event() {
        let denied = |status, text| Ok(AuthStatus::Denied(details(status, text)));
        for (answer, event) in [
            (Ok(AuthStatus::Waiting(details("pushed", "Pushed"))), None),
            (
                Ok(AuthStatus::Allowed(details("allow", "Success"))),
                Some(Event::Proceed),
            ),
            (
                denied("deny", "Login request denied."),
                Some(Event::InvalidCredentials),
            ),
            (
                denied("timeout", "Login timed out."),
                Some(Event::InvalidCredentials),
            ),
            (
                denied("sent", "New SMS passcodes sent."),
                Some(Event::InvalidCredentials),
            ),
            (denied("fraud", "Fraud"), Some(Event::InvalidCredentials)),
            (denied("locked_out", ""), Some(Event::AccountLocked)),
            (
                denied("deny", "Your account is disabled"),
                Some(Event::AccountLocked),
            ),
            (
                Err(refused("Invalid request parameters: no capable device")),
                Some(Event::NoCredentials),
            ),
            (Err(refused("locked out")), Some(Event::AccountLocked)),
            (
                Err(refused("Invalid request parameters: username")),
                Some(Event::AuthenticationException),
            ),
            (
                Err(DuoError::Unreachable("timeout".to_owned())),
                Some(Event::AuthenticationException),
            ),
            (
                Err(DuoError::Malformed("x".to_owned())),
                Some(Event::AuthenticationException),
            ),
            (
                Err(DuoError::WrongApplicationKind),
                Some(Event::AuthenticationException),
            ),
        ] {
            assert_eq!(after_auth(&answer), event, "{answer:?}");
        }
    }
}
