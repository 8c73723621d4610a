//! Remembered browsers: a browser whose user confirmed with Duo not long ago need not ask Duo
//! again.
//!
//! Such a browser is not an earlier result and never says who the user is: another factor does,
//! and then the two must agree. What it may claim is configured on its own, nothing by default.

use crate::authn::descriptor::Condition;
use crate::authn::evidence::DuoVerified;
use crate::saml::context::AuthnContextClassRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// This browser was remembered after Duo allowed its user, and the server still knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserRemembered {
    duo: DuoVerified,
    generation: String,
    expires: Timestamp,
}

impl BrowserRemembered {
    /// Claims that the browser at hand is the one that was remembered after this result of Duo,
    /// under the rules of this generation, and that nobody has revoked it.
    pub fn attest(duo: DuoVerified, generation: String, expires: Timestamp) -> Self {
        Self {
            duo,
            generation,
            expires,
        }
    }

    /// What Duo said when the browser was remembered.
    pub fn duo(&self) -> &DuoVerified {
        &self.duo
    }

    /// Whose browser it is.
    pub fn username(&self) -> &str {
        self.duo.username()
    }

    /// Whether it was remembered under these rules and its time is not over.
    pub fn is_good(&self, rules: &RememberRules, now: Timestamp) -> bool {
        rules.is_on() && self.generation == rules.generation && now < self.expires
    }
}

/// `vestibule.duo.remember.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberRules {
    /// How long a browser is remembered; zero switches remembering off.
    pub lifetime: Duration,
    /// Whether a browser may be remembered, and a remembered one may stand in, for this request.
    pub condition: Condition,
    /// The integrations it is for; empty means every one.
    pub integrations: Vec<String>,
    /// What a remembered browser may claim, within what Duo's result proved.
    pub principals: Vec<AuthnContextClassRef>,
    /// Whether the user is asked.
    pub offer: Offer,
    /// Tells these rules from others: browsers remembered under others are not.
    pub generation: String,
}

/// Who decides that a browser is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// The user, on a page before Duo.
    #[default]
    Ask,
    /// Every browser is remembered.
    Always,
}

impl Default for RememberRules {
    fn default() -> Self {
        Self {
            lifetime: Duration::ZERO,
            condition: Condition::Constant(true),
            integrations: Vec::new(),
            principals: Vec::new(),
            offer: Offer::Ask,
            generation: String::new(),
        }
    }
}

impl RememberRules {
    /// Whether browsers are remembered at all.
    pub fn is_on(&self) -> bool {
        !self.lifetime.is_zero()
    }

    /// Whether this integration takes part.
    pub fn covers(&self, integration: &str) -> bool {
        self.integrations.is_empty() || self.integrations.iter().any(|name| name == integration)
    }
}
