//! Evidence: values that only a passed check can make.
//!
//! `grep -rn '::attest('` lists every place in the program that claims a factor was checked.

use crate::authn::remembered::BrowserRemembered;
use crate::duo::auth_api::Allowed;
use crate::duo::claims::VerifiedClaims;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A password was checked and found right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordVerified {
    username: String,
    validator: String,
    at: Timestamp,
}

impl PasswordVerified {
    /// Claims that `validator` found this user's password right at this instant.
    pub fn attest(username: String, validator: String, at: Timestamp) -> Self {
        Self {
            username,
            validator,
            at,
        }
    }

    /// The canonical user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The validator's id (`%CV`).
    pub fn validator(&self) -> &str {
        &self.validator
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Duo's result was verified and said allow. What it may claim is another question:
/// [`Grade`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuoVerified {
    username: String,
    duo_username: String,
    integration: String,
    txid: String,
    factor: String,
    reason: String,
    at: Timestamp,
}

/// What Duo allowed a user by.
#[derive(Clone, Copy, Debug)]
pub enum DuoAllow<'a> {
    /// A result token that was verified.
    Token(&'a VerifiedClaims),
    /// An answer of the Auth API.
    AuthApi(&'a Allowed),
}

impl DuoVerified {
    /// Claims that Duo allowed `username` (known to Duo by the name in what it said).
    pub fn attest(username: String, integration: String, allow: DuoAllow<'_>) -> Self {
        let (duo_username, txid, factor, reason, at) = match allow {
            DuoAllow::Token(claims) => (
                &claims.username,
                &claims.txid,
                claims.factor.as_str(),
                claims.reason.as_str(),
                claims.auth_time,
            ),
            DuoAllow::AuthApi(allowed) => (
                &allowed.username,
                &allowed.txid,
                allowed.factor,
                allowed.reason,
                allowed.at,
            ),
        };
        Self {
            username,
            duo_username: duo_username.clone(),
            integration,
            txid: txid.clone(),
            factor: factor.to_owned(),
            reason: reason.to_owned(),
            at,
        }
    }

    /// Our canonical user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The name at Duo.
    pub fn duo_username(&self) -> &str {
        &self.duo_username
    }

    /// The integration's name.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// Duo's transaction id.
    pub fn txid(&self) -> &str {
        &self.txid
    }

    /// `auth_context.factor`.
    pub fn factor(&self) -> &str {
        &self.factor
    }

    /// `auth_context.reason`.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Duo's `auth_time`.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// The evidence of one factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// A password.
    Password(PasswordVerified),
    /// A Duo result.
    Duo(DuoVerified),
    /// A remembered browser in the place of a Duo result.
    Remembered(Box<BrowserRemembered>),
}

impl Evidence {
    /// The user it proves.
    pub fn username(&self) -> &str {
        match self {
            Self::Password(evidence) => evidence.username(),
            Self::Duo(evidence) => evidence.username(),
            Self::Remembered(evidence) => evidence.username(),
        }
    }

    /// When the factor was checked; for a remembered browser, when Duo was asked.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Password(evidence) => evidence.at(),
            Self::Duo(evidence) => evidence.at(),
            Self::Remembered(evidence) => evidence.duo().at(),
        }
    }
}

/// What a Duo result proves, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grade {
    /// No interaction was proved: bypass, trusted network, unenrolled allowed, anything unknown.
    None,
    /// The user acted: push, passcode, call.
    Mfa,
    /// The user acted with a phishing-resistant authenticator.
    PhishingResistant,
}

/// Which factors and reasons prove what (`vestibule.duo.evidence.*`): both must be listed, and
/// the weaker of the two counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceTable {
    /// By `auth_context.factor`.
    pub factors: BTreeMap<String, Grade>,
    /// By `auth_context.reason`.
    pub reasons: BTreeMap<String, Grade>,
}

impl Default for EvidenceTable {
    fn default() -> Self {
        let table = |entries: &[(&str, Grade)]| {
            entries
                .iter()
                .map(|(name, grade)| ((*name).to_owned(), *grade))
                .collect()
        };
        Self {
            factors: table(&[
                ("duo_push", Grade::Mfa),
                ("verified_duo_push", Grade::Mfa),
                ("passcode", Grade::Mfa),
                ("duo_mobile_passcode", Grade::Mfa),
                ("duo_mobile_passcode_hotp", Grade::Mfa),
                ("duo_mobile_passcode_totp", Grade::Mfa),
                ("hardware_token", Grade::Mfa),
                ("digipass_go_7_token", Grade::Mfa),
                ("yubikey_passcode", Grade::Mfa),
                ("yubikey_code", Grade::Mfa),
                ("sms_passcode", Grade::Mfa),
                ("phone_call", Grade::Mfa),
                ("u2f_token", Grade::PhishingResistant),
                ("webauthn", Grade::PhishingResistant),
                ("webauthn_credential", Grade::PhishingResistant),
                ("webauthn_security_key", Grade::PhishingResistant),
                ("webauthn_chrome_touch_id", Grade::PhishingResistant),
                ("webauthn_platform_authenticator", Grade::PhishingResistant),
                ("platform_authenticator", Grade::PhishingResistant),
                ("security_key", Grade::PhishingResistant),
                ("bypass_code", Grade::None),
                ("remembered_device", Grade::None),
                ("trusted_network", Grade::None),
                ("not_available", Grade::None),
            ]),
            reasons: table(&[
                ("user_approved", Grade::PhishingResistant),
                ("valid_passcode", Grade::PhishingResistant),
                ("bypass_user", Grade::None),
                ("trusted_network", Grade::None),
                ("remembered_device", Grade::None),
                ("trusted_location", Grade::None),
                ("allowed_by_policy", Grade::None),
                ("allow_unenrolled_user", Grade::None),
                ("allow_unenrolled_user_on_trusted_network", Grade::None),
            ]),
        }
    }
}

impl EvidenceTable {
    /// What this result proves. A remembered device never counts under ForceAuthn, whatever the
    /// table says.
    pub fn grade(&self, evidence: &DuoVerified, forced: bool) -> Grade {
        let remembered =
            evidence.reason == "remembered_device" || evidence.factor == "remembered_device";
        if forced && remembered {
            return Grade::None;
        }
        let of = |table: &BTreeMap<String, Grade>, name: &str| {
            table.get(name).copied().unwrap_or(Grade::None)
        };
        of(&self.factors, &evidence.factor).min(of(&self.reasons, &evidence.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duo(factor: &str, reason: &str) -> DuoVerified {
        DuoVerified {
            username: "alice".to_owned(),
            duo_username: "alice".to_owned(),
            integration: "default".to_owned(),
            txid: "t".to_owned(),
            factor: factor.to_owned(),
            reason: reason.to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn grade(factor: &str, reason: &str) -> Grade {
        EvidenceTable::default().grade(&duo(factor, reason), false)
    }

    #[test]
    fn s46_what_involves_no_action_of_the_user_is_not_mfa() {
        for reason in [
            "bypass_user",
            "trusted_network",
            "remembered_device",
            "trusted_location",
            "allowed_by_policy",
            "allow_unenrolled_user",
            "allow_unenrolled_user_on_trusted_network",
            "a_reason_of_tomorrow",
            "",
        ] {
            assert_eq!(grade("duo_push", reason), Grade::None, "{reason}");
        }
        assert_eq!(grade("bypass_code", "valid_passcode"), Grade::None);
        assert_eq!(grade("a_factor_of_tomorrow", "user_approved"), Grade::None);
        assert_eq!(grade("", "user_approved"), Grade::None);
    }

    #[test]
    fn an_approved_push_is_mfa_and_a_security_key_is_phishing_resistant() {
        assert_eq!(grade("duo_push", "user_approved"), Grade::Mfa);
        assert_eq!(grade("passcode", "valid_passcode"), Grade::Mfa);
        assert_eq!(grade("webauthn", "user_approved"), Grade::PhishingResistant);
    }

    #[test]
    fn a_remembered_device_never_counts_under_force_authn_whatever_the_table_says() {
        let mut table = EvidenceTable::default();
        table
            .factors
            .insert("remembered_device".to_owned(), Grade::Mfa);
        table
            .reasons
            .insert("remembered_device".to_owned(), Grade::Mfa);
        let evidence = duo("remembered_device", "remembered_device");
        assert_eq!(table.grade(&evidence, false), Grade::Mfa);
        assert_eq!(table.grade(&evidence, true), Grade::None);
    }
}
