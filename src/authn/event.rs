//! How a flow, or a whole login, ended: Shibboleth's event names, a closed enum.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! events {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// An event with Shibboleth's spelling.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Event {
            $(#[doc = $doc] $variant,)*
        }

        impl Event {
            /// Every event.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as Shibboleth spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

events! {
    Proceed = "proceed", "The flow succeeded.";
    ReselectFlow = "ReselectFlow", "This flow could not do it; another might.";
    NoCredentials = "NoCredentials", "The user gave no credentials.";
    InvalidCredentials = "InvalidCredentials", "The credentials were refused.";
    AccountError = "AccountError", "The account cannot be used.";
    AccountLocked = "AccountLocked", "The account is locked.";
    ExpiredPassword = "ExpiredPassword", "The password has expired.";
    AuthenticationException = "AuthenticationException", "The flow failed for a technical reason.";
    IdentitySwitch = "IdentitySwitch", "A later factor proved another user.";
    InvalidAuthenticationContext = "InvalidAuthenticationContext", "The login ended with no result.";
    NoPassive = "NoPassive", "Passive login is impossible.";
    NoPotentialFlow = "NoPotentialFlow", "No flow is available for this request.";
    RequestUnsupported = "RequestUnsupported", "The requested context cannot be met.";
    ProxyCountExceeded = "ProxyCountExceeded", "The chain of proxies would become too long.";
    AccessDenied = "AccessDenied", "The relying party may not ask this.";
    SubjectCanonicalizationError = "SubjectCanonicalizationError", "The subject has no usable name.";
    InvalidSubject = "InvalidSubject", "The request names another subject.";
    InvalidNameIdPolicy = "InvalidNameIDPolicy", "The NameIDPolicy cannot be met.";
    InvalidSecurityConfiguration = "InvalidSecurityConfiguration", "There is nobody to encrypt for where encryption is required.";
    AttributeReleaseRejected = "AttributeReleaseRejected", "The user does not want the attributes released.";
    TermsRejected = "TermsRejected", "The user does not accept the terms of use.";
    RuntimeException = "RuntimeException", "A defect or a failing store.";
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Event {
    type Err = UnknownEvent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|event| event.as_str() == name)
            .ok_or(UnknownEvent)
    }
}

/// The name is no event of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEvent;
