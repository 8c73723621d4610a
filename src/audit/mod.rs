//! What must be remembered: records as fields, formats, one line each. Pure: `server::logs` writes.
//!
//! Owns: the labels, the formats and their defaults, the escaping that keeps a line one line, and
//! the reading back. Does not own: files, rotation, or when a line is written.

mod constants;
mod escape;
mod format;
mod label;
mod logout;
mod record;

pub use escape::{escape, unescape};
pub use format::{Fields, Format, FormatError, ParsedLine};
pub use label::{Arity, Label, UnknownLabel};
pub use logout::{LoggedOut, LogoutAnswer, logout, logout_refused};
pub use record::{
    ConsentAnswer, Exchange, Issued, PasswordCheck, consent, duo, password, sso_failure, sso_local,
    sso_own, sso_refusal, sso_success,
};

/// `idp.audit.format`: Shibboleth's default and our own fields after it.
pub const SSO_FORMAT: &str =
    "%a|%ST|%T|%u|%SP|%i|%ac|%t|%attr|%n|%f|%SSO|%XX|%XA|%b|%bb|%e|%S|%SS|%s|%UA|%VTX|%VWHY|%VDEG";
/// `idp.duo.oidc.audit.format`
pub const DUO_FORMAT: &str = "%AAF|%a|%T|%DuoU|%DuoRedirect|%DuoCID|%DuoReqS|%DuoRespS|%DuoTXID|%DuoDID|%DuoDN|%DuoR|%DuoF|%VTX";
/// `idp.authn.Password.audit.format`
pub const PASSWORD_FORMAT: &str = "%a|%T|%SP|%I|%s|%AF|%CV|%u|%tu|%AR|%UA";
/// `vestibule.consent.audit.format`
pub const CONSENT_FORMAT: &str = "%T|%SP|%e|%u|%CCI|%CCV|%CCA|%VTX";
/// `idp.duo.oidc.audit.category`
pub const DUO_CATEGORY: &str = "Shibboleth-Audit.DuoOIDC";

/// What is audited and how.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `idp.audit.format`, parsed.
    pub sso: Format,
    /// `idp.authn.Password.audit.format`, `None` when off.
    pub password: Option<Format>,
    /// `idp.duo.oidc.audit.format`, `None` when off.
    pub duo: Option<Format>,
    /// `vestibule.consent.audit.format`, parsed.
    pub consent: Format,
    /// `idp.duo.oidc.audit.category`
    pub duo_category: String,
    /// `idp.audit.shortenBindings`
    pub shorten: bool,
    /// `vestibule.audit.onFailure`
    pub on_failure: OnFailure,
}

impl Default for AuditSettings {
    fn default() -> Self {
        let parsed = |text| Format::parse(text).expect("the default formats are tested");
        Self {
            sso: parsed(SSO_FORMAT),
            password: Some(parsed(PASSWORD_FORMAT)),
            duo: Some(parsed(DUO_FORMAT)),
            consent: parsed(CONSENT_FORMAT),
            duo_category: DUO_CATEGORY.to_owned(),
            shorten: true,
            on_failure: OnFailure::Refuse,
        }
    }
}

/// What happens while the audit cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Logins are refused: nobody gets in without a trace.
    #[default]
    Refuse,
    /// Logins go on; what could not be kept is counted in the process log.
    Continue,
}

/// Which trail a line belongs to; each has its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// `Shibboleth-Audit.SSO`
    Sso,
    /// `Shibboleth-Audit.Password`
    Password,
    /// `Shibboleth-Audit.Logout`
    Logout,
    /// `Shibboleth-Audit.DuoOIDC`, or what renames it.
    Duo,
    /// `Shibboleth-Consent-Audit`
    Consent,
}

#[cfg(test)]
mod tests;
