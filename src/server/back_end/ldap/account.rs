//! What a directory says of an account beside yes and no: the password policy control
//! (draft-behera-ldap-password-policy) and Active Directory's words.

use ldap3::controls::{Control, RawControl};

/// The password policy request and response control.
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// The state of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Nothing to say.
    Good,
    /// The password ends in so many seconds.
    Expiring(u64),
    /// So many logins are left with an expired password.
    Grace(u64),
    /// Locked or disabled.
    Locked,
    /// The password has expired, or must be changed first.
    Expired,
}

/// Asks for the account's state along with a bind.
pub(super) fn request() -> RawControl {
    RawControl {
        ctype: PASSWORD_POLICY.to_owned(),
        crit: false,
        val: None,
    }
}

/// What the answer to a bind says.
pub(super) fn read(controls: &[Control], text: &str) -> Account {
    let value = controls
        .iter()
        .find_map(|Control(_, raw)| raw.val.as_deref().filter(|_| raw.ctype == PASSWORD_POLICY));
    let said = value.map_or(Account::Good, policy_response);
    if said == Account::Good {
        active_directory(text)
    } else {
        said
    }
}

/// `SEQUENCE { warning [0] CHOICE { timeBeforeExpiration [0], graceAuthNsRemaining [1] } OPTIONAL,
/// error [1] ENUMERATED OPTIONAL }`; all of it fits short lengths.
fn policy_response(value: &[u8]) -> Account {
    let Some((0x30, mut rest, _)) = element(value) else {
        return Account::Good;
    };
    let mut account = Account::Good;
    while let Some((tag, content, behind)) = element(rest) {
        account = match (tag, content) {
            (0xA0, warning) => match element(warning) {
                Some((0x80, seconds, _)) => Account::Expiring(number(seconds)),
                Some((0x81, logins, _)) => Account::Grace(number(logins)),
                _ => account,
            },
            // passwordExpired, changeAfterReset.
            (0x81, [0 | 2]) => return Account::Expired,
            // accountLocked.
            (0x81, [1]) => return Account::Locked,
            _ => account,
        };
        rest = behind;
    }
    account
}

/// Tag, content and what is behind, of a BER element with a short length.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = octets else {
        return None;
    };
    let (content, behind) = rest.split_at_checked(usize::from(*length).min(127))?;
    (*length < 128).then_some((*tag, content, behind))
}

fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .take(8)
        .fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// `80090308: LdapErr: DSID-..., comment: AcceptSecurityContext error, data 775, v...`
fn active_directory(text: &str) -> Account {
    let code = text
        .split_once(", data ")
        .and_then(|(_, rest)| rest.split([',', ' ']).next());
    match code {
        Some("533" | "701" | "775" | "530" | "531") => Account::Locked,
        Some("532" | "773") => Account::Expired,
        _ => Account::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_policy_control_is_read() {
        for (value, account) in [
            (&[0x30, 0x00][..], Account::Good),
            (&[0x30, 0x03, 0x81, 0x01, 0x00], Account::Expired),
            (&[0x30, 0x03, 0x81, 0x01, 0x01], Account::Locked),
            (&[0x30, 0x03, 0x81, 0x01, 0x02], Account::Expired),
            (
                &[0x30, 0x06, 0xA0, 0x04, 0x80, 0x02, 0x0E, 0x10],
                Account::Expiring(3600),
            ),
            (
                &[0x30, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x02],
                Account::Grace(2),
            ),
            (
                &[0x30, 0x08, 0xA0, 0x03, 0x80, 0x01, 0x05, 0x81, 0x01, 0x01],
                Account::Locked,
            ),
            (&[], Account::Good),
            (&[0x30, 0x84, 0xFF], Account::Good),
            (&[0x30, 0x03, 0x81, 0x05, 0x01], Account::Good),
        ] {
            assert_eq!(policy_response(value), account, "{value:x?}");
        }
    }

    #[test]
    fn active_directory_s_words_are_read() {
        let said = |code: &str| {
            active_directory(&format!(
                "80090308: LdapErr: DSID-0C09, comment: error, data {code}, v4f7c"
            ))
        };
        assert_eq!(said("52e"), Account::Good);
        assert_eq!(said("775"), Account::Locked);
        assert_eq!(said("532"), Account::Expired);
    }
}
