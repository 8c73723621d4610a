//! The flows' identifiers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A login method. A new factor is a variant here, a file of its own, and a compiler walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FlowId {
    /// `authn/Password`
    Password,
    /// `authn/DuoOIDC`
    DuoOidc,
    /// `authn/MFA`, the composite that runs the transition map.
    Mfa,
}

impl FlowId {
    /// Every flow.
    pub const ALL: [Self; 3] = [Self::Password, Self::DuoOidc, Self::Mfa];

    /// `authn/NAME`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "authn/Password",
            Self::DuoOidc => "authn/DuoOIDC",
            Self::Mfa => "authn/MFA",
        }
    }

    /// The name in property keys: what follows `authn/`.
    pub fn name(self) -> &'static str {
        &self.as_str()["authn/".len()..]
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FlowId {
    type Err = UnknownFlow;

    /// Accepts `authn/NAME`, and the bare `NAME`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|flow| flow.as_str() == text || flow.name() == text)
            .ok_or(UnknownFlow)
    }
}

/// The text names no flow of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFlow;
